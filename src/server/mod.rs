//! The world: the poll, the listeners, the signals, the clock, and the turn.
//!
//! This is the only file of the server that knows mio. It decides nothing about chat; it asks the
//! [`Hub`] to. One pass of the loop is `Server::turn`: wait, note, listen, release, accept,
//! speak.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use log::{error, info, warn};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use signal_hook_mio::v1_0::Signals;
use socket2::SockRef;

use crate::config::Config;
use crate::hub::client::Socket;
use crate::hub::{Hub, Wait};
use crate::pace::Throttle;
use crate::room::LOBBY;
use crate::server::console::Console;
use crate::server::door::{Door, Next};
use crate::server::journal::Journal;
use crate::words::notice::Counted;

pub use listeners::listen_on;
use machine::{MIB, clients_max, memory_bytes, tell_bounds};
use signals::Meaning;

pub mod console;
pub mod door;
mod in_use;
pub mod journal;
mod listeners;
mod machine;
mod signals;

/// The events of one poll, at most; more take another. Enough that a storm takes few calls.
const EVENTS_MAX: usize = 1024;

/// A token below this is a client's: its slab key. From here on the listeners are counted, also
/// those that are closed: an event of one is never taken for a client's.
const LISTENERS: usize = usize::MAX / 2;

/// No listener and no client has this token.
const SIGNALS: Token = Token(usize::MAX - 1);

/// The server could not be started.
#[derive(Debug)]
pub enum StartError {
    /// It could not listen.
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
        /// What is behind that, as far as it is known.
        cause: String,
    },
    /// The system refused something it needs.
    System(&'static str, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Listen { address, error, cause } => {
                write!(f, "cannot listen on {address}: {error}{cause}")
            }
            StartError::System(what, error) => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to, and everyone got what was said.
    Stopped,
    /// It was asked twice: at once, without regard for anyone. The number of the second signal.
    Interrupted(i32),
}

/// A listener, and where its newcomers stand.
#[derive(Debug)]
struct Listening {
    listener: TcpListener,
    door: Door,
}

/// A server that listens.
pub struct Server {
    poll: Poll,
    events: Events,
    signals: Signals,
    listening: Vec<Listening>,
    hub: Hub<TcpStream>,
    console: Console,
    journal: Journal,
    /// As many as may wait to be accepted: no more are accepted in one turn.
    accepts_max: usize,
    shutdown: Duration,
    /// By when the stop is over, once it has begun.
    stop_by: Option<Instant>,
    /// A second signal has come.
    interrupted: Option<i32>,
    /// A descriptor kept for the moment when there are no others: it is given up to accept a peer
    /// and tell it so.
    reserve: Option<File>,
    accept_troubles: Throttle,
    ignored_signals: Throttle,
    /// The most memory that it may take without the kernel's socket buffers.
    own_bytes_max: usize,
}

impl Server {
    /// Opens everything that the server needs; [`Server::run`] starts it.
    pub fn bind(config: Config, journal: Journal) -> Result<Server, StartError> {
        let system = |what| move |error| StartError::System(what, error);
        let clients_max = clients_max(&config);
        let poll = Poll::new().map_err(system("poll"))?;
        let mut signals = Signals::new(signals::heeded()).map_err(system("catch signals"))?;
        let registry = poll.registry();
        registry
            .register(&mut signals, SIGNALS, Interest::READABLE)
            .map_err(system("catch signals"))?;
        let listeners = listeners::listen_all(&config)?;
        let mut console =
            Console::new(rustix::stdio::stdout(), config.quiet, config.terms(config.log_form()));
        let reserve = File::open("/dev/null").map_err(system("keep a descriptor in reserve"))?;
        config.warnings(clients_max).iter().for_each(|warning| warn!("{warning}"));
        tell_bounds(&config, clients_max);
        let mut listening = Vec::new();
        for listener in listeners {
            let mut listener = TcpListener::from_std(listener);
            let token = Token(LISTENERS + listening.len());
            registry
                .register(&mut listener, token, Interest::READABLE)
                .map_err(system("watch a listener"))?;
            let address = listener.local_addr().map_err(system("ask for the address"))?;
            console.announce(&format!("listening on {address}"));
            info!("listening on {address}");
            listening.push(Listening { listener, door: Door::default() });
        }
        Ok(Server {
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            signals,
            listening,
            console,
            journal,
            accepts_max: config.accept_queue as usize,
            shutdown: config.shutdown,
            stop_by: None,
            interrupted: None,
            reserve: Some(reserve),
            accept_troubles: Throttle::default(),
            ignored_signals: Throttle::default(),
            own_bytes_max: config.memory_bytes_max(clients_max).0,
            hub: Hub::new(config, clients_max, Instant::now()),
        })
    }

    /// Serves until a signal ends it. An error is one of the poll itself, which nothing can mend.
    pub fn run(mut self) -> io::Result<Ended> {
        let ended = loop {
            let turned = self.turn().inspect_err(|error| error!("the poll failed: {error}"));
            if let Some(ended) = turned? {
                break ended;
            }
        };
        if ended == Ended::Stopped {
            info!("stopped");
        }
        Ok(ended)
    }

    /// One pass of the loop; `Some` when it was the last.
    fn turn(&mut self) -> io::Result<Option<Ended>> {
        let now = self.wait()?;
        self.note(now)?;
        self.hub.listen(now);
        self.release(now);
        self.accept(now);
        self.speak(now);
        Ok(self.ended(now))
    }

    /// Waits for events: not at all while there is work, else until the next deadline, else until
    /// something happens.
    fn wait(&mut self) -> io::Result<Instant> {
        let now = Instant::now();
        let hub = match self.hub.wait() {
            Wait::No => Some(now),
            Wait::Until(at) => Some(at),
            Wait::Forever => None,
        };
        let deadlines = [
            hub,
            self.console.next_deadline(self.hub.transcript_in(self.console.form()), now),
            self.journal.next_deadline(now),
            self.stop_by,
            self.listening.iter().filter_map(|one| one.door.retry_at(now)).min(),
        ];
        self.poll_events(deadlines.into_iter().flatten().min())?;
        Ok(Instant::now())
    }

    /// Looks for events until there are some or this moment has come. A wait that was interrupted
    /// goes on: a signal that means anything is an event too, and whoever seems late may only be so
    /// because nobody has looked.
    fn poll_events(&mut self, until: Option<Instant>) -> io::Result<()> {
        loop {
            let timeout = until.map(|at| at.saturating_duration_since(Instant::now()));
            match self.poll.poll(&mut self.events, timeout) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Notes what has happened. Nothing is done about it yet.
    ///
    /// All of it is noted before the time is: whoever has done meanwhile what they are waited for
    /// is not late, though this process stood still and now everything is due at once.
    fn note(&mut self, now: Instant) -> io::Result<()> {
        let mut signalled = self.note_events(now);
        let mut polls_left = 1 + self.hub.connections() / EVENTS_MAX;
        // A deadline has come: the events may be older than that.
        let mut is_stale = self.hub.is_due(now);
        while (is_stale || self.events.iter().count() == EVENTS_MAX) && polls_left > 0 {
            is_stale = false;
            polls_left -= 1;
            self.poll_events(Some(now))?;
            signalled |= self.note_events(now);
        }
        self.hub.note_time(now);
        if signalled {
            self.note_signals(now);
        }
        Ok(())
    }

    /// Notes one batch of events; says whether a signal has come.
    fn note_events(&mut self, now: Instant) -> bool {
        let mut signalled = false;
        for event in &self.events {
            // Flags of errors and hang-ups are hints: reading and writing will say what is so.
            let broken = event.is_error();
            let readable = event.is_readable() || event.is_read_closed() || broken;
            let writable = event.is_writable() || event.is_write_closed() || broken;
            match event.token() {
                SIGNALS => signalled = true,
                Token(key @ ..LISTENERS) => self.hub.note(key, readable, writable, now),
                Token(number) => {
                    let one = self.listening.get_mut(number - LISTENERS);
                    one.into_iter().for_each(|one| one.door.note());
                }
            }
        }
        signalled
    }

    fn note_signals(&mut self, now: Instant) {
        for signal in self.signals.pending().collect::<Vec<i32>>() {
            match signals::meaning(signal) {
                Meaning::Stop if self.stop_by.is_some() => self.interrupted = Some(signal),
                Meaning::Stop | Meaning::StopInTime => self.stop(signals::name(signal), now),
                Meaning::Status => self.tell_status(signals::name(signal)),
                Meaning::Nothing => {
                    if let Some(count) = self.ignored_signals.count(now) {
                        let (signals, last) = (Counted(count, "signal"), signals::name(signal));
                        info!("ignored {signals}, the last was {last}");
                    }
                }
            }
        }
    }

    /// Begins the stop, if it has not begun.
    fn stop(&mut self, why: &str, now: Instant) {
        if self.stop_by.is_some() {
            return;
        }
        info!("stopping: {why}; {} here", self.hub.here());
        // Closing a listener resets the connections that are not accepted yet.
        self.listening.clear();
        self.hub.stop(now);
        self.stop_by = Some(now + self.shutdown);
    }

    /// Logs how things stand.
    fn tell_status(&self, why: &str) {
        let said = Counted(self.hub.counts().said, "line");
        let missed = Counted(self.hub.counts().missed, "line");
        let memory = match memory_bytes() {
            Some(bytes) => format!("{} MiB of memory", bytes.div_ceil(MIB)),
            None => "memory unknown".to_owned(),
        };
        let (here, most) = (self.hub.here(), self.own_bytes_max.div_ceil(MIB));
        info!(
            "{why}: {here} here; {said} said, {missed} missed by slow readers; {memory}, at most \
             {most} MiB without the kernel's socket buffers"
        );
    }

    /// Everyone is offered what is new, the operator included.
    fn speak(&mut self, now: Instant) {
        self.hub.speak(now);
        let form = self.console.form();
        let below = self.hub.endangered_below(form);
        self.console.speak(self.hub.transcript_in(form), below, now);
        self.journal.relay(now);
    }

    /// Frees those who are gone: here and nowhere else.
    fn release(&mut self, now: Instant) {
        if self.stop_by.is_some_and(|by| by <= now) {
            self.hub.abandon(now);
        }
        let (registry, listening) = (self.poll.registry(), &mut self.listening);
        self.hub.release(now, |mut socket| {
            // Closing it does the same, so a failure has no consequence.
            registry.deregister(&mut socket).unwrap_or_default();
            drop(socket);
            listening.iter_mut().for_each(|one| one.door.note_room());
        });
    }

    /// Lets newcomers in until nobody waits: what was heard in this turn is said after that, so
    /// that a client hears it whose `connect()` returned before. An edge does not come twice, so
    /// the doors remember. Nobody is turned away while someone is on the way out.
    fn accept(&mut self, now: Instant) {
        let mut left = self.accepts_max;
        for place in 0..self.listening.len() {
            while left > 0 && self.listening[place].door.may_accept(now) {
                if self.hub.is_making_room() {
                    return;
                }
                left -= 1;
                match self.listening[place].listener.accept() {
                    Ok((socket, address)) => {
                        self.listening[place].door.accepted();
                        self.keep_reserve();
                        self.admit(socket, address, now);
                    }
                    Err(error) => self.note_failed_accept(place, &error, now),
                }
            }
        }
    }

    fn admit(&mut self, mut socket: TcpStream, address: SocketAddr, now: Instant) {
        if let Some(words) = self.hub.turned_away(address, now) {
            turn_away(socket, &words);
            return;
        }
        let token = Token(self.hub.next_key());
        let interests = Interest::READABLE | Interest::WRITABLE;
        match self.poll.registry().register(&mut socket, token, interests) {
            Ok(()) => self.hub.admit(socket, address, LOBBY, now),
            Err(error) => {
                turn_away(socket, &self.hub.full_line());
                self.tell_accept_trouble("cannot watch a new connection", &error, now);
            }
        }
    }

    fn note_failed_accept(&mut self, place: usize, error: &io::Error, now: Instant) {
        match self.listening[place].door.failed(error, now) {
            Next::Again | Next::Nobody => return,
            Next::Later => {}
            Next::TurnAway => self.turn_away_one(place, now),
        }
        self.tell_accept_trouble("cannot accept", error, now);
    }

    /// Gives the reserve up for one peer, to tell it that the server is full. If another can be had
    /// at once, the shortage has just ended, and the peer is let in.
    fn turn_away_one(&mut self, place: usize, now: Instant) {
        drop(self.reserve.take());
        let accepted = self.listening[place].listener.accept();
        self.keep_reserve();
        let door = &mut self.listening[place].door;
        match accepted {
            Ok((socket, address)) if self.reserve.is_some() => {
                door.accepted();
                self.admit(socket, address, now);
            }
            Ok((socket, _)) => {
                turn_away(socket, &self.hub.full_line());
                self.keep_reserve();
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => _ = door.failed(&error, now),
            Err(_) => _ = door.later(now),
        }
    }

    /// Takes a descriptor into reserve, if there is none and one to be had.
    fn keep_reserve(&mut self) {
        if self.reserve.is_none() {
            self.reserve = File::open("/dev/null").ok();
        }
    }

    fn tell_accept_trouble(&mut self, what: &str, error: &io::Error, now: Instant) {
        if let Some(count) = self.accept_troubles.count(now) {
            warn!("{what}: {error} ({})", Counted(count, "time"));
        }
    }

    fn ended(&self, now: Instant) -> Option<Ended> {
        if let Some(signal) = self.interrupted {
            return Some(Ended::Interrupted(signal));
        }
        let late = self.stop_by? <= now;
        let over = self.hub.connections() == 0;
        // Whoever reads standard output gets the last line too, if that comes about in time.
        let printed = self.hub.transcript_in(self.console.form());
        let said = !self.hub.is_busy() && !self.console.is_behind(printed);
        (over && (said || late)).then_some(Ended::Stopped)
    }
}

impl Socket for TcpStream {
    fn shut_down_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn reset_on_close(&mut self) {
        SockRef::from(&*self).set_linger(Some(Duration::ZERO)).unwrap_or_default();
    }
}

/// Says a last word to a peer there is no room for, as best it can be done without waiting: its
/// input is read away once, since a close with input unread would take the word back.
fn turn_away(mut socket: TcpStream, word: &[u8]) {
    let said = socket.write(word).and_then(|_| socket.shutdown(Shutdown::Write));
    said.and_then(|()| socket.read(&mut [0; 1024])).unwrap_or_default();
}
