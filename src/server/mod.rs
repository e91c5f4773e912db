//! The world: the poll, the listeners, the signals, the clock, and the turn.
//!
//! This is the only file of the server that knows mio. It decides nothing about chat; it leaves
//! that to the [`Hub`]. One pass of the loop is `Server::turn`, six steps in a fixed order:
//!
//! 1. **wait** polls. With work left it does not block; else it blocks until the next deadline. An
//!    idle server has no deadline, so it makes no system call.
//! 2. **note** records events and acts on none. A poll returns many events at once, and one of them
//!    may belong to a client that an earlier one would have ended. As nothing ends here, no event
//!    can reach the next client in the same slab slot.
//! 3. **listen** reads. Its budget is what a send buffer takes: a turn is one write per client.
//! 4. **release** frees clients, before new ones come: a full server has room again in this turn.
//! 5. **accept** empties the accept queue. It comes after *listen* and before *speak*. So a client
//!    whose `connect()` returned before a line was sent is here when that line is appended.
//! 6. **speak** appends and writes. It does as much as a slice allows, and goes on in the next
//!    turn. So a signal or a new client waits for one slice at most.
//!
//! The poll is edge-triggered: each change of readiness is one event. A socket is registered once,
//! for reading and writing, and never again. The price is that a flag must remember readiness until
//! a call returns `WouldBlock`. The same is true of the listeners: [`door`] remembers.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use log::{error, info, warn};
use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};
use signal_hook_mio::v1_0::Signals;
use socket2::SockRef;

use crate::bus::{Bus, Node, Terms};
use crate::config::Config;
use crate::config::cluster::Cluster;
use crate::hub::client::Socket;
use crate::hub::{Hub, Wait};
use crate::pace::Throttle;
use crate::room::LOBBY;
use crate::server::console::Console;
use crate::server::engine::Engines;
use crate::server::files::Files;
use crate::server::journal::Journal;
use crate::server::keeper::Keeper;
use crate::server::manager::Manager;
use crate::words::notice::Counted;

use accepting::Listening;
pub use listeners::listen_on;
use machine::{MIB, clients_max, machine_name, memory_bytes, tell_bounds};
use scrapes::{SCRAPES_MAX, Scrapes};
use signals::Meaning;
pub use start_error::StartError;
use typing::Typing;

mod accepting;
pub mod console;
pub mod door;
mod engine;
mod files;
mod host;
mod in_use;
pub mod inherited;
mod invitation;
pub mod journal;
pub mod keeper;
pub mod kept;
mod listeners;
mod machine;
pub mod manager;
pub mod metrics;
mod qr;
mod received;
pub mod runs;
mod scrapes;
mod signals;
mod start_error;
mod typing;
pub mod unix;

/// What is watched of a connection.
const BOTH_WAYS: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// The most events of one poll. A storm of more takes a few more calls.
const EVENTS_MAX: usize = 1024;

/// A token below this is the slab key of a client. From here on the tokens are listeners. A closed
/// listener keeps its token, so no event of it is taken for a client's.
const LISTENERS: usize = usize::MAX / 2;

/// No listener and no client has this token, nor the next two.
const SIGNALS: Token = Token(usize::MAX - 1);
const KEYBOARD: Token = Token(usize::MAX - 2);
const HOST: Token = Token(usize::MAX - 3);
/// The socket of the keeper.
const KEEPER: Token = Token(usize::MAX - 4);
/// The connections to the engine of a cluster.
const ENGINES: [Token; 2] = [Token(usize::MAX - 5), Token(usize::MAX - 6)];
/// The listener of `--metrics`.
const METRICS: Token = Token(usize::MAX - 7);
/// The first of the requests there, and the end of them.
const SCRAPES: usize = usize::MAX - 7 - SCRAPES_MAX;
const SCRAPES_END: usize = SCRAPES + SCRAPES_MAX;

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A signal stopped it, and it delivered everything.
    Stopped,
    /// A second signal ended it at once, whatever was undelivered. The number of that signal.
    Interrupted(i32),
    /// It cannot do without something that is not there. The log says what.
    Failed,
}

/// A server that listens.
pub struct Server {
    poll: Poll,
    events: Events,
    signals: Signals,
    /// It was started at a terminal.
    had_terminal: bool,
    listening: Vec<Listening>,
    hub: Hub<TcpStream>,
    console: Console,
    /// `None` if nobody can type here.
    typing: Option<Typing>,
    /// `None` without `--keep`. Its last words go to the journal, so it stands before that.
    keeper: Option<Keeper>,
    /// `None` without `--cluster`.
    engines: Option<Engines>,
    files: Files,
    manager: Manager,
    /// `None` without `--metrics`.
    scrapes: Option<Scrapes>,
    /// The most clients that there may be.
    clients_max: usize,
    journal: Journal,
    /// The most connections that one turn accepts: as many as may wait to be accepted.
    accepts_max: usize,
    shutdown: Duration,
    /// When the stop must be over, once it has begun.
    stop_by: Option<Instant>,
    /// A second signal has come.
    interrupted: Option<i32>,
    /// A spare descriptor. When there are no others, the server closes it to accept a connection,
    /// say "server full", and close that.
    reserve: Option<File>,
    accept_troubles: Throttle,
    ignored_signals: Throttle,
    /// A bare relay: what is said is no lines.
    is_raw: bool,
    /// The most memory that the server takes, without the kernel's socket buffers.
    own_bytes_max: usize,
}

impl Server {
    /// Opens everything that the server needs; [`Server::run`] starts it.
    pub fn bind(mut config: Config, journal: Journal) -> Result<Server, StartError> {
        let system = |what| move |error| StartError::System(what, error);
        let clients_max = clients_max(&config);
        let poll = Poll::new().map_err(system("poll"))?;
        let mut signals = Signals::new(signals::heeded()).map_err(system("catch signals"))?;
        let registry = poll.registry();
        registry
            .register(&mut signals, SIGNALS, Interest::READABLE)
            .map_err(system("catch signals"))?;
        let inherited = inherited::take().map_err(system("use an inherited socket"))?;
        let mut keeper = keeper::start(&config, &journal).map_err(system("keep anything"))?;
        let listeners = listeners::listen(&mut config, inherited)?;
        let typing = host::open(&config, registry).map_err(system("watch the terminal"))?;
        let reserve = File::open("/dev/null").map_err(system("keep a descriptor in reserve"))?;
        config.warnings(clients_max).iter().for_each(|warning| warn!("{warning}"));
        tell_bounds(&config, clients_max);
        let mut hub = Hub::new(config.clone(), clients_max, Instant::now());
        // Two runs may begin within a second, but not within a microsecond.
        hub.set_machine(&machine_name(), files::unix_micros());
        let engines = join_cluster(&config, &mut hub)?;
        let files = Files::of(&config);
        files.load(&mut hub, keeper.as_mut(), Instant::now())?;
        let form = config.log_form();
        let start = hub.transcript_in(form).head();
        let stdout = rustix::stdio::stdout();
        let mut console = Console::new(stdout, config.quiet, config.terms(form), start);
        let listening = accepting::watch(listeners, registry, &config, &mut hub, &mut console)?;
        let scrapes = scrapes::watch(config.metrics, registry)?;
        let mut manager = Manager::of_environment(Instant::now());
        manager.ready(Instant::now());
        Ok(Server {
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            signals,
            had_terminal: signals::has_terminal(),
            listening,
            console,
            typing,
            journal,
            keeper,
            engines,
            files,
            manager,
            scrapes,
            clients_max,
            accepts_max: config.accept_queue as usize,
            shutdown: config.shutdown,
            stop_by: None,
            interrupted: None,
            reserve: Some(reserve),
            accept_troubles: Throttle::default(),
            ignored_signals: Throttle::default(),
            is_raw: config.raw,
            own_bytes_max: config.memory_bytes_max(clients_max).0,
            hub,
        })
    }

    /// Serves until a signal ends it. It fails only if the poll itself fails, which nothing can
    /// mend.
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
        self.talk_to_engine(now);
        self.hub.listen(now);
        self.release(now);
        self.accept(now);
        self.host(now);
        self.speak(now);
        Ok(self.ended(now))
    }

    /// Waits for events: not at all while there is work, else until the next deadline, else until
    /// something happens.
    fn wait(&mut self) -> io::Result<Instant> {
        let now = Instant::now();
        self.scrapes.iter_mut().for_each(|it| it.end_turn(now));
        let hub = match self.hub.wait() {
            Wait::No => Some(now),
            Wait::Until(at) => Some(at),
            Wait::Forever => None,
        };
        let deadlines = [
            hub,
            self.console.next_deadline(self.hub.transcript_in(self.console.form()), now),
            self.journal.next_deadline(now),
            self.keeper.as_ref().and_then(|it| it.next_deadline(now)),
            self.manager.next_deadline(self.hub.here()),
            self.scrapes.as_ref().and_then(|it| it.next_deadline(now)),
            self.stop_by,
            self.listening.iter().filter_map(|one| one.door.retry_at(now)).min(),
        ];
        self.poll_events(deadlines.into_iter().flatten().min())?;
        let now = Instant::now();
        self.scrapes.iter_mut().for_each(|it| it.begin_turn(now));
        Ok(now)
    }

    /// Polls until there are events or this moment has come. An interrupted poll is repeated: a
    /// signal that means anything is an event as well.
    fn poll_events(&mut self, until: Option<Instant>) -> io::Result<()> {
        loop {
            let timeout = until.map(|at| at.saturating_duration_since(Instant::now()));
            match self.poll.poll(&mut self.events, timeout) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Notes what has happened: it reads, writes, frees and accepts nothing.
    ///
    /// It notes the events first, then the deadlines. If this process was suspended, every deadline
    /// may have passed. A client that acted in the meantime must not be timed out.
    fn note(&mut self, now: Instant) -> io::Result<()> {
        let mut signalled = self.note_events(now);
        let mut polls_left = 1 + self.hub.connections() / EVENTS_MAX;
        // If a deadline has come, the client may have acted after these events were polled.
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

    /// Notes one batch of events; returns whether a signal was among them.
    fn note_events(&mut self, now: Instant) -> bool {
        let mut signalled = false;
        for event in &self.events {
            // Flags for errors and hang-ups are hints: reading or writing returns the real error.
            let broken = event.is_error();
            let readable = event.is_readable() || event.is_read_closed() || broken;
            let writable = event.is_writable() || event.is_write_closed() || broken;
            match event.token() {
                SIGNALS => signalled = true,
                KEEPER => self.keeper.iter_mut().for_each(|it| it.note(readable, writable)),
                token if ENGINES.contains(&token) => {
                    self.engines.iter_mut().for_each(|it| it.note(token, readable, writable));
                }
                KEYBOARD | HOST => self.typing.iter_mut().for_each(Typing::note),
                METRICS => self.scrapes.iter_mut().for_each(Scrapes::note_waiting),
                Token(number @ SCRAPES..SCRAPES_END) => {
                    self.scrapes.iter_mut().for_each(|it| it.note(number - SCRAPES));
                }
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
            match signals::meaning(signal, self.had_terminal) {
                Meaning::Stop if self.stop_by.is_some() => self.interrupted = Some(signal),
                Meaning::Stop | Meaning::StopInTime => self.stop(signals::name(signal), now),
                Meaning::Reload => self.reload(signals::name(signal), now),
                Meaning::Continued => self.typing.iter_mut().for_each(Typing::note),
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
        self.manager.stopping(why, self.hub.here(), now);
        // Closing a listener resets the connections that are not accepted yet.
        self.listening.clear();
        self.hub.stop(now);
        self.keeper.iter_mut().for_each(|it| it.hurry(now));
        self.stop_by = Some(now + self.shutdown);
    }

    /// Logs the status: clients, lines, memory.
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

    /// Appends what was submitted, and offers it to all clients, to standard output and to the log.
    fn speak(&mut self, now: Instant) {
        self.hub.note_printed(LOBBY, self.console.printed());
        self.hub.append_submitted(now);
        self.log_said(now);
        self.hub.offer_appended(now);
        self.carry_out_requests(now);
        let form = self.console.form();
        let below = self.hub.endangered_below(form);
        self.console.speak(self.hub.transcript_in(form), below, now);
        self.talk_to_engine(now);
        self.speak_to_keeper(now);
        self.manager.speak(self.hub.here(), now);
        self.answer_scrapes(now);
        self.journal.relay(now);
    }

    /// Moves bytes to and from the engine that orders what several servers say.
    fn talk_to_engine(&mut self, now: Instant) {
        if let (Some(engines), Some(bus)) = (&mut self.engines, self.hub.bus()) {
            engines.run(bus, self.poll.registry(), now);
        }
    }

    /// Sends the keeper what it lacks. One that was started again is watched from now on.
    fn speak_to_keeper(&mut self, now: Instant) {
        let Some(keeper) = &mut self.keeper else { return };
        let Some(fd) = keeper.speak(now) else { return };
        let interests = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut SourceFd(&fd), KEEPER, interests) {
            keeper.lose(&format!("cannot watch the keeper ({error})"), now);
        }
    }

    /// Frees the clients that have left: here and nowhere else.
    fn release(&mut self, now: Instant) {
        if self.stop_by.is_some_and(|by| by <= now) {
            self.hub.abandon(now);
        }
        let (registry, listening) = (self.poll.registry(), &mut self.listening);
        self.hub.release(now, |mut socket| {
            // Closing the socket does the same, so a failure has no consequence.
            registry.deregister(&mut socket).unwrap_or_default();
            drop(socket);
            listening.iter_mut().for_each(|one| one.door.note_room());
        });
    }

    fn ended(&self, now: Instant) -> Option<Ended> {
        if let Some(signal) = self.interrupted {
            return Some(Ended::Interrupted(signal));
        }
        if self.engines.as_ref().is_some_and(Engines::have_failed) {
            return Some(Ended::Failed);
        }
        let late = self.stop_by? <= now;
        let over = self.hub.connections() == 0;
        // The reader of standard output gets the last line too, if it reads in time.
        let printed = self.hub.transcript_in(self.console.form());
        let said = !self.hub.is_busy() && !self.console.is_behind(printed);
        // What the keeper has been sent, it writes, though the server has ended.
        let kept = !self.keeper.as_ref().is_some_and(Keeper::is_behind);
        let told = self.hub.is_goodbye_said();
        (over && (said && kept && told || late)).then_some(Ended::Stopped)
    }
}

/// Makes a server a node of its cluster, if it has one.
fn join_cluster(config: &Config, hub: &mut Hub<TcpStream>) -> Result<Option<Engines>, StartError> {
    let Some(cluster) = &config.cluster else { return Ok(None) };
    let name = config.node.clone().unwrap_or_else(|| Cluster::node_of(&machine_name()));
    let node = Node { name, epoch: files::unix_micros() };
    let (stream, password) = (cluster.stream.clone(), cluster.password.clone());
    hub.join_cluster(Bus::new(Terms { stream, password, node }, Instant::now()));
    let engines = Engines::of(cluster, config.cluster_required, ENGINES);
    engines.map(Some).map_err(|error| StartError::System("find the engine of --cluster", error))
}

impl Socket for TcpStream {
    fn shut_down_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn reset_on_close_if_received(&mut self) {
        if received::is_all_received(SockRef::from(&*self)) {
            self.reset_on_close();
        }
    }

    fn reset_on_close(&mut self) {
        SockRef::from(&*self).set_linger(Some(Duration::ZERO)).unwrap_or_default();
    }
}
