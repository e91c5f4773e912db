//! Clients that are trouble: they drip, they reset, they come and go.
//!
//! They have a poll of their own and are looked at between two turns of the crowd. Whoever is let
//! down, or has left, comes again; each is heard by an [`Ear`].

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::crowd::connect_from;
use super::ear::Ear;
use super::record::Record;
use super::{Fault, Outcome, Patience};

/// How often a client that drips reads a byte.
const DRIP: Duration = Duration::from_millis(100);

/// How long one that resets has not read when it does.
const RESET_AFTER: Duration = Duration::from_millis(50);

/// What is read at once.
const READ_BYTES: usize = 64 * 1024;

/// What the kernel keeps of what was not read. One that drips has little, so that it is the server
/// that has to live with it.
const RECEIVE_BUFFER_BYTES: usize = 4096;

/// So many of them are on their way in at once.
const ARRIVING_MAX: usize = 256;

/// So many events are looked at between two turns of the crowd.
const EVENTS_MAX: usize = 256;

/// They come from 127.0.1.1 to 127.0.1.250, so that the ports of those who have just left are not
/// missed.
const SOURCES: u64 = 250;

/// Only they wait for what these do: the crowd is never longer without a look than this.
pub const WAIT_MAX: Duration = Duration::from_millis(5);

/// What kind of trouble a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Once welcomed it reads a byte ten times a second.
    Drips,
    /// Once welcomed it does not read for a moment, and resets the connection.
    Resets,
    /// Once welcomed it leaves as one should.
    Leaves,
}

/// What they have done and seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// How many connections were made.
    pub connects: u64,
    /// How often one was welcomed.
    pub welcomes: u64,
    /// How many messages they have heard, all of them checked.
    pub messages: u64,
    /// How many lines they were told that they missed.
    pub lines_missed: u64,
    /// How many of those that drip the server closed or reset.
    pub let_down: u64,
}

#[derive(Debug)]
struct One {
    kind: Kind,
    socket: Option<TcpStream>,
    ear: Ear,
    /// It has been welcomed once.
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
    /// Those that will reset, and when; the next one first.
    resets: VecDeque<(Instant, usize)>,
    next_drip: Instant,
    /// Nobody comes any more.
    is_calm: bool,
    tally: Tally,
}

impl Troublemakers {
    /// Nobody of them has come yet.
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

    /// Whether there is nobody at all.
    pub fn is_nobody(&self) -> bool {
        self.ones.is_empty()
    }

    /// How many of them have been let in at least once.
    pub fn been_in(&self) -> usize {
        self.ones.iter().filter(|one| one.has_been_in).count()
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.ones.len()
    }

    /// What they have done and seen.
    pub fn tally(&self) -> Tally {
        let ears = self.ones.iter().map(|one| &one.ear);
        ears.fold(self.tally, |tally, ear| Tally {
            messages: tally.messages + ear.messages,
            lines_missed: tally.lines_missed + ear.missed,
            ..tally
        })
    }

    /// Has each do what is due.
    pub fn turn(&mut self, record: &Record) -> Outcome<()> {
        let now = Instant::now();
        self.look(now, record)?;
        while let Some((_, key)) = self.resets.front().copied().filter(|(due, _)| *due <= now) {
            self.resets.pop_front();
            // Dropped with what it has not read: the peer gets a reset.
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

    /// Nobody comes and goes any more; those that drip stay if they are in. One that is let down
    /// does not come again, since it might come too late for the last line.
    pub fn calm_down(&mut self) {
        self.is_calm = true;
        let stays = |one: &One| one.kind == Kind::Drips && one.ear.is_welcomed;
        self.ones.iter_mut().filter(|one| !stays(one)).for_each(|one| one.socket = None);
        self.resets.clear();
        self.outside.clear();
    }

    /// Once the last line has been said: those that drip read on until they have heard it.
    pub fn listen_to_the_end(&mut self, record: &Record) -> Outcome<()> {
        let mut patience = Patience::new();
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
            let what = || "those that drip do not hear the last line".to_owned();
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

    /// There is something to hear: until they are welcomed all listen, then only who leaves.
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
                // It is gone already if the peer has closed meanwhile.
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

    /// Reads what there is; one that drips only as much as `bytes_max`.
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
                return Err(format!("the server lets nobody else in: {words:?}").into());
            }
            if bytes_max == 1 {
                return Ok(());
            }
        }
    }

    /// The server has closed or reset it.
    fn end(&mut self, key: usize) -> Outcome<()> {
        let one = &self.ones[key];
        if !one.ear.is_welcomed {
            return Err(Fault("somebody who had just come was let down".to_owned()).into());
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
