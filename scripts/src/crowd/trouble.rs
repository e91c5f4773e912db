//! Clients that make trouble: they drip, they reset, they connect and leave.
//!
//! They have a poll of their own, which is looked at between two turns of the crowd. A client
//! connects again when the server has closed it, or when it has left. An [`Ear`] checks what each
//! receives.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::ear::Ear;
use super::record::Record;
use super::sockets::connect_from;
use super::{Fault, Outcome, Patience};

/// How often a client that drips reads a byte.
const DRIP: Duration = Duration::from_millis(100);

/// How long a client that resets does not read before.
const RESET_AFTER: Duration = Duration::from_millis(50);

/// How much to read at once.
const READ_BYTES: usize = 64 * 1024;

/// The receive buffer of a client. A client that drips has little of it, so the server has to hold
/// its data.
const RECEIVE_BUFFER_BYTES: usize = 4096;

/// At most this many of them connect at once.
const ARRIVING_MAX: usize = 256;

/// At most this many events between two turns of the crowd.
const EVENTS_MAX: usize = 256;

/// They connect from 127.0.1.1 to 127.0.1.250, so that there are enough ports while those of closed
/// connections still wait.
const SOURCES: u64 = 250;

/// The longest wait for events here: the crowd waits no longer than this for its turn.
pub const WAIT_MAX: Duration = Duration::from_millis(5);

/// What kind of trouble a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Once welcomed, it reads one byte ten times a second.
    Drips,
    /// Once welcomed, it does not read for a moment, and resets the connection.
    Resets,
    /// Once welcomed, it leaves in order.
    Leaves,
}

/// What they have done and received.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// How many connections were made.
    pub connects: u64,
    /// How often one was welcomed.
    pub welcomes: u64,
    /// How many messages they have received, all of them checked.
    pub messages: u64,
    /// How many lines they missed, as the server told them.
    pub lines_missed: u64,
    /// How many of the dripping clients the server closed or reset.
    pub let_down: u64,
}

#[derive(Debug)]
struct One {
    kind: Kind,
    socket: Option<TcpStream>,
    ear: Ear,
    /// It has been welcomed at least once.
    has_been_in: bool,
    is_arriving: bool,
}

/// All of them.
#[derive(Debug)]
pub struct Troublemakers {
    address: SocketAddr,
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    ones: Vec<One>,
    outside: VecDeque<usize>,
    arriving: usize,
    /// The clients that will reset, and when; the next one first.
    resets: VecDeque<(Instant, usize)>,
    next_drip: Instant,
    /// No client connects any more.
    is_calm: bool,
    tally: Tally,
}

impl Troublemakers {
    /// None of them has connected yet.
    pub fn new(address: SocketAddr, kinds: &[(Kind, usize)]) -> Outcome<Troublemakers> {
        let kinds = kinds.iter().flat_map(|(kind, count)| std::iter::repeat_n(*kind, *count));
        let one = |kind| One {
            kind,
            socket: None,
            ear: Ear::default(),
            has_been_in: false,
            is_arriving: false,
        };
        let ones: Vec<One> = kinds.map(one).collect();
        Ok(Troublemakers {
            address,
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_MAX),
            scratch: vec![0; READ_BYTES],
            outside: (0..ones.len()).collect(),
            ones,
            arriving: 0,
            resets: VecDeque::new(),
            next_drip: Instant::now(),
            is_calm: false,
            tally: Tally::default(),
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ones.is_empty()
    }

    /// How many of them have been welcomed at least once.
    pub fn been_in(&self) -> usize {
        self.ones.iter().filter(|one| one.has_been_in).count()
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.ones.len()
    }

    /// What they have done and received.
    pub fn tally(&self) -> Tally {
        let ears = self.ones.iter().map(|one| &one.ear);
        ears.fold(self.tally, |tally, ear| Tally {
            messages: tally.messages + ear.messages,
            lines_missed: tally.lines_missed + ear.missed,
            ..tally
        })
    }

    /// Has each client do what its kind does, if it is time.
    pub fn turn(&mut self, record: &Record) -> Outcome<()> {
        let now = Instant::now();
        self.look(now, record)?;
        while let Some((_, key)) = self.resets.front().copied().filter(|(due, _)| *due <= now) {
            self.resets.pop_front();
            // It drops a socket with unread data: that resets the connection.
            self.let_go(key);
        }
        if now >= self.next_drip {
            self.next_drip = now + DRIP;
            for key in 0..self.ones.len() {
                let one = &self.ones[key];
                if one.kind == Kind::Drips && one.ear.is_welcomed {
                    self.read(key, 1, record)?;
                }
            }
        }
        while !self.is_calm && self.arriving < ARRIVING_MAX {
            let Some(key) = self.outside.pop_front() else { return Ok(()) };
            self.connect(key)?;
        }
        Ok(())
    }

    /// No client connects or leaves any more. A dripping one stays if it is in. If the server
    /// closes it, it does not connect again: it might come too late for the last line.
    pub fn calm_down(&mut self) {
        self.is_calm = true;
        let stays = |one: &One| one.kind == Kind::Drips && one.ear.is_welcomed;
        self.ones.iter_mut().filter(|one| !stays(one)).for_each(|one| one.socket = None);
        self.resets.clear();
        self.outside.clear();
    }

    /// After the last line was sent, the dripping clients read on until they have received it.
    pub fn listen_to_the_end(&mut self, record: &Record) -> Outcome<()> {
        let mut patience = Patience::full();
        loop {
            let before = self.heard();
            let mut all = true;
            for key in 0..self.ones.len() {
                let is_behind = |one: &One| one.socket.is_some() && !one.ear.has_ended;
                if is_behind(&self.ones[key]) {
                    self.read(key, READ_BYTES, record)?;
                    all &= !is_behind(&self.ones[key]);
                }
            }
            if all {
                return Ok(());
            }
            self.poll.poll(&mut self.events, Some(WAIT_MAX))?;
            let what = || "dripping clients do not receive the last line".to_owned();
            patience.check(self.heard() > before, what)?;
        }
    }

    fn heard(&self) -> u64 {
        self.ones.iter().map(|one| one.ear.messages + one.ear.missed).sum()
    }

    fn connect(&mut self, key: usize) -> Outcome<()> {
        let source = (self.tally.connects % SOURCES + 1) as u8;
        let source = Some(Ipv4Addr::new(127, 0, 1, source));
        let mut socket = connect_from(source, self.address, RECEIVE_BUFFER_BYTES)?;
        self.poll.registry().register(&mut socket, Token(key), Interest::READABLE)?;
        self.tally.connects += 1;
        self.arriving += 1;
        let one = &mut self.ones[key];
        (one.socket, one.ear, one.is_arriving) = (Some(socket), Ear::default(), true);
        Ok(())
    }

    fn look(&mut self, now: Instant, record: &Record) -> Outcome<()> {
        match self.poll.poll(&mut self.events, Some(Duration::ZERO)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            if event.is_readable() {
                self.hear(event.token().0, now, record)?;
            }
        }
        self.events = events;
        Ok(())
    }

    /// There is something to read. Before its welcome, every client reads; after it, only one that
    /// leaves.
    fn hear(&mut self, key: usize, now: Instant, record: &Record) -> Outcome<()> {
        let was_welcomed = self.ones[key].ear.is_welcomed;
        if was_welcomed && self.ones[key].kind != Kind::Leaves {
            return Ok(());
        }
        self.read(key, READ_BYTES, record)?;
        let one = &self.ones[key];
        if !was_welcomed && one.ear.is_welcomed {
            self.tally.welcomes += 1;
            self.arrive(key);
            match (self.ones[key].kind, &self.ones[key].socket) {
                // The socket may be closed already, if the server closed it in the meantime.
                (Kind::Leaves, Some(socket)) => socket.shutdown(Shutdown::Write).unwrap_or(()),
                (Kind::Resets, _) => self.resets.push_back((now + RESET_AFTER, key)),
                (Kind::Leaves | Kind::Drips, _) => {}
            }
        }
        Ok(())
    }

    fn arrive(&mut self, key: usize) {
        let one = &mut self.ones[key];
        self.arriving -= usize::from(one.is_arriving);
        (one.is_arriving, one.has_been_in) = (false, true);
    }

    /// Reads what there is; a dripping client reads at most `bytes_max`.
    fn read(&mut self, key: usize, bytes_max: usize, record: &Record) -> Outcome<()> {
        loop {
            let one = &mut self.ones[key];
            let Some(socket) = &mut one.socket else { return Ok(()) };
            match socket.read(&mut self.scratch[..bytes_max]) {
                Ok(bytes @ 1..) => one.ear.take(&self.scratch[..bytes], record)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Ok(0) | Err(_) => return self.end(key),
            }
            if let Some(words) = &one.ear.refusal {
                return Err(format!("the server admits no more clients: {words:?}").into());
            }
            if bytes_max == 1 {
                return Ok(());
            }
        }
    }

    /// The server has closed the connection, or reset it.
    fn end(&mut self, key: usize) -> Outcome<()> {
        let one = &self.ones[key];
        if !one.ear.is_welcomed {
            return Err(Fault("a new connection was closed".to_owned()).into());
        }
        self.tally.let_down += u64::from(one.kind == Kind::Drips);
        self.let_go(key);
        Ok(())
    }

    fn let_go(&mut self, key: usize) {
        let one = &mut self.ones[key];
        self.arriving -= usize::from(one.is_arriving);
        let ear = std::mem::take(&mut one.ear);
        (one.socket, one.is_arriving) = (None, false);
        self.tally.messages += ear.messages;
        self.tally.lines_missed += ear.missed;
        self.outside.push_back(key);
    }
}
