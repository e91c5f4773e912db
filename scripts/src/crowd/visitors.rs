//! The sockets of visitors: they connect, read, write and end as each kind does.
//!
//! They have a poll of their own, which is looked at between two turns of the crowd. A visitor that
//! waits too long for something is a fault.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use socket2::SockRef;

use super::record::Record;
use super::sockets::connect_from;
use super::visit::{Step, Visit};
use super::{Outcome, PATIENCE, Patience};

/// How often a client that drips reads a byte.
const DRIP: Duration = Duration::from_millis(100);

const READ_BYTES: usize = 64 * 1024;
const EVENTS_MAX: usize = 256;

/// The receive buffer of a visitor that reads, and of one that leaves data unread.
const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;
const NARROW_BUFFER_BYTES: usize = 2048;

/// The longest wait for events of the crowd: it waits no longer than this for its turn.
pub const WAIT_MAX: Duration = Duration::from_millis(5);

/// What visitors have done and received.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// How many connected.
    pub visits: u64,
    /// How many of them were welcomed.
    pub welcomed: u64,
    /// How many were refused.
    pub refused: u64,
    /// How many were reset by the server, or closed though they dripped.
    pub given_up: u64,
    /// How many messages of authors they received, all of them checked.
    pub messages: u64,
    /// How many lines they missed, as the server told them.
    pub missed: u64,
}

impl Tally {
    /// Adds what other visitors have done.
    pub fn add(&mut self, other: Tally) {
        self.visits += other.visits;
        self.welcomed += other.welcomed;
        self.refused += other.refused;
        self.given_up += other.given_up;
        self.messages += other.messages;
        self.missed += other.missed;
    }
}

#[derive(Debug)]
struct Present<K> {
    visit: Visit<K>,
    socket: TcpStream,
    writable: bool,
    unsaid: VecDeque<u8>,
    /// It reads nothing before this.
    asleep_until: Option<Instant>,
    /// What it waits for must come before this.
    until: Instant,
}

/// Visitors that connected together.
#[derive(Clone, Copy, Debug, Default)]
struct Company {
    size: usize,
    welcomed: usize,
    refused: usize,
    /// How many of them must be admitted.
    room: usize,
}

/// All of them.
#[derive(Debug)]
pub struct Visitors<K> {
    address: SocketAddr,
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    here: Slab<Present<K>>,
    companies: Vec<Company>,
    /// Those that have left.
    left: Vec<Visit<K>>,
    next_drip: Instant,
    /// Those that drip read all that there is.
    is_ending: bool,
    tally: Tally,
}

impl<K: Debug> Visitors<K> {
    /// No visitor has connected yet.
    pub fn new(address: SocketAddr) -> Outcome<Visitors<K>> {
        Ok(Visitors {
            address,
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_MAX),
            scratch: vec![0; READ_BYTES],
            here: Slab::new(),
            companies: Vec::new(),
            left: Vec::new(),
            next_drip: Instant::now(),
            is_ending: false,
            tally: Tally::default(),
        })
    }

    /// What the visitors have done and received, those that are still here included.
    pub fn tally(&self) -> Tally {
        let mut tally = self.tally;
        for visit in self.visits() {
            tally.messages += visit.ear.messages;
            tally.missed += visit.ear.missed;
        }
        tally
    }

    /// The visitors that are here.
    pub fn visits(&self) -> impl Iterator<Item = &Visit<K>> {
        self.here.iter().map(|(_, present)| &present.visit)
    }

    /// Those that have left since the last call.
    pub fn take_left(&mut self) -> Vec<Visit<K>> {
        std::mem::take(&mut self.left)
    }

    /// The others leave now.
    pub fn keep(&mut self, stays: impl Fn(&Visit<K>) -> bool) {
        let go = self.here.iter().filter(|(_, present)| !stays(&present.visit));
        for key in go.map(|(key, _)| key).collect::<Vec<_>>() {
            self.let_go(key);
        }
    }

    /// The visitors that connect from now on with this number are a company of this size, of which
    /// so many must be admitted.
    pub fn gather(&mut self, size: usize, room: usize) -> usize {
        self.companies.push(Company { size, room, ..Company::default() });
        self.companies.len() - 1
    }

    /// Connects a visitor from this address, if the server is on this machine. It must be shown its
    /// address if `is_shown`.
    pub fn connect(
        &mut self,
        mut visit: Visit<K>,
        source: Ipv4Addr,
        is_shown: bool,
    ) -> Outcome<()> {
        let buffer = if visit.manner.is_slow { NARROW_BUFFER_BYTES } else { RECEIVE_BUFFER_BYTES };
        let mut socket = connect_from(Some(source), self.address, buffer)?;
        if is_shown {
            visit.from = Some(socket.local_addr()?.to_string());
        }
        self.tally.visits += 1;
        let entry = self.here.vacant_entry();
        let key = entry.key();
        let interests = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut socket, Token(key), interests)?;
        let until = Instant::now() + PATIENCE;
        let unsaid = VecDeque::new();
        entry.insert(Present { visit, socket, writable: false, unsaid, asleep_until: None, until });
        self.act(key)
    }

    /// Has each take its next steps.
    pub fn turn(&mut self, record: &Record) -> Outcome<()> {
        match self.poll.poll(&mut self.events, Some(Duration::ZERO)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let key = event.token().0;
            let Some(present) = self.here.get_mut(key) else { continue };
            present.writable |= event.is_writable();
            if !present.visit.manner.reads {
                if event.is_error() || event.is_read_closed() {
                    self.tally.given_up += 1;
                    self.let_go(key);
                }
            } else if event.is_readable() {
                self.read(key, READ_BYTES, record)?;
            }
            self.act(key)?;
        }
        self.events = events;
        self.wake(record)?;
        self.drip(record)?;
        self.check_patience()
    }

    /// After the last line of all was sent, those that drip read on until they have received it.
    pub fn listen_to_the_end(&mut self, record: &Record) -> Outcome<()> {
        self.is_ending = true;
        let mut patience = Patience::full();
        let heard = |tally: Tally| tally.messages + tally.missed;
        loop {
            let before = heard(self.tally());
            let behind = |(_, present): &(usize, &Present<K>)| !present.visit.ear.has_ended;
            let keys: Vec<_> = self.here.iter().filter(behind).map(|(key, _)| key).collect();
            if keys.is_empty() {
                return Ok(());
            }
            for key in keys {
                self.read(key, READ_BYTES, record)?;
            }
            self.poll.poll(&mut self.events, Some(WAIT_MAX))?;
            let what = || "dripping clients do not receive the last line".to_owned();
            patience.check(heard(self.tally()) > before, what)?;
        }
    }

    /// The keys of those that are at such a step.
    fn at(&self, is_it: impl Fn(&Present<K>) -> bool) -> Vec<usize> {
        self.here.iter().filter(|(_, present)| is_it(present)).map(|(key, _)| key).collect()
    }

    /// Visitors whose nap is over read on.
    fn wake(&mut self, record: &Record) -> Outcome<()> {
        let now = Instant::now();
        for key in self.at(|present| present.asleep_until.is_some_and(|until| until <= now)) {
            self.act(key)?;
            if let Some(present) = self.here.get_mut(key) {
                present.asleep_until = None;
                // It is awake, and can keep up again.
                SockRef::from(&present.socket).set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
            }
            self.read(key, READ_BYTES, record)?;
        }
        Ok(())
    }

    fn drip(&mut self, record: &Record) -> Outcome<()> {
        let now = Instant::now();
        if now < self.next_drip {
            return Ok(());
        }
        self.next_drip = now + DRIP;
        for key in self.at(|present| present.visit.step() == Some(&Step::Drip)) {
            self.read(key, 1, record)?;
        }
        Ok(())
    }

    fn check_patience(&mut self) -> Outcome<()> {
        let now = Instant::now();
        let is_late =
            |visit: &Present<K>| visit.until < now && visit.visit.step() != Some(&Step::Drip);
        match self.here.iter().find(|(_, present)| is_late(present)) {
            Some((_, present)) => Err(present.visit.fault("waits in vain").into()),
            None => Ok(()),
        }
    }

    /// Takes all steps that wait for nothing.
    fn act(&mut self, key: usize) -> Outcome<()> {
        while let Some(present) = self.here.get_mut(key) {
            let has_said_all = present.has_said_all()?;
            let is_done = match present.visit.step().cloned() {
                Some(Step::Say(words)) => {
                    present.unsaid.extend(words);
                    true
                }
                Some(Step::HalfClose) if has_said_all => {
                    // The server may have closed the connection in the meantime.
                    present.socket.shutdown(Shutdown::Write).unwrap_or_default();
                    true
                }
                Some(Step::Nap(time)) => {
                    let now = Instant::now();
                    *present.asleep_until.get_or_insert(now + time) <= now
                }
                Some(Step::StayWithOthers) => self.are_all_answered(key)?,
                Some(Step::Reset) if has_said_all => {
                    self.let_go(key);
                    return Ok(());
                }
                None => {
                    self.let_go(key);
                    return Ok(());
                }
                Some(_) => false,
            };
            if !is_done {
                return Ok(());
            }
            let present = &mut self.here[key];
            present.visit.step_on();
            present.until = Instant::now() + PATIENCE;
        }
        Ok(())
    }

    /// Whether all that connected together with this one have an answer, and the right one.
    fn are_all_answered(&mut self, key: usize) -> Outcome<bool> {
        let visit = &self.here[key].visit;
        let Some(company) = visit.company.and_then(|at| self.companies.get(at)) else {
            return Ok(true);
        };
        if company.welcomed + company.refused < company.size {
            return Ok(false);
        }
        if company.welcomed != company.room {
            let (size, let_in, room) = (company.size, company.welcomed, company.room);
            return Err(visit.fault(&format!("of {size}: {let_in} let in, not {room},")).into());
        }
        Ok(true)
    }

    /// Reads what there is, `bytes_max` at a time; one byte is enough for one that drips.
    fn read(&mut self, key: usize, bytes_max: usize, record: &Record) -> Outcome<()> {
        while let Some(present) = self.here.get_mut(key) {
            let visit = &mut present.visit;
            let is_dripping = visit.step() == Some(&Step::Drip);
            let is_at_rest = is_dripping && bytes_max > 1 && !self.is_ending;
            if present.asleep_until.is_some() || is_at_rest {
                return Ok(());
            }
            match present.socket.read(&mut self.scratch[..bytes_max]) {
                Ok(0) => {
                    visit.take_end()?;
                    self.tally.given_up += u64::from(is_dripping);
                    self.let_go(key);
                }
                Ok(bytes) => {
                    let was_answered = visit.is_answered();
                    if visit.take(&self.scratch[..bytes], record)? {
                        present.until = Instant::now() + PATIENCE;
                    }
                    if let (Some(Step::Enter), Some(words)) = (visit.step(), &visit.ear.refusal) {
                        return Err(format!("the server admits no more clients: {words:?}").into());
                    }
                    if !was_answered && present.visit.is_answered() {
                        self.count_answer(key)?;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) if visit.manner.may_be_reset && visit.is_welcomed => {
                    self.tally.given_up += u64::from(visit.step() != Some(&Step::End));
                    self.let_go(key);
                }
                Err(error) => return Err(visit.fault(&format!("was lost ({error})")).into()),
            }
            self.act(key)?;
            if bytes_max == 1 {
                return Ok(());
            }
        }
        Ok(())
    }

    /// It has its answer now. If it is the last of its company, all go on.
    fn count_answer(&mut self, key: usize) -> Outcome<()> {
        let Visit { company, is_refused, .. } = self.here[key].visit;
        self.tally.refused += u64::from(is_refused);
        self.tally.welcomed += u64::from(!is_refused);
        let Some(all) = company.and_then(|at| self.companies.get_mut(at)) else { return Ok(()) };
        all.refused += usize::from(is_refused);
        all.welcomed += usize::from(!is_refused);
        let others = self.at(|other| other.visit.company == company);
        others.into_iter().filter(|other| *other != key).try_for_each(|other| self.act(other))
    }

    /// Drops the connection; with unread data that is a reset.
    fn let_go(&mut self, key: usize) {
        let Present { visit, .. } = self.here.remove(key);
        self.tally.messages += visit.ear.messages;
        self.tally.missed += visit.ear.missed;
        self.left.push(visit);
    }
}

impl<K: Debug> Present<K> {
    /// Writes what it still has to send. Returns whether that was all.
    fn has_said_all(&mut self) -> Outcome<bool> {
        while self.writable && !self.unsaid.is_empty() {
            match self.socket.write(self.unsaid.make_contiguous()) {
                Ok(taken) => {
                    self.unsaid.drain(..taken);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(self.visit.fault(&format!("cannot speak ({error})")).into());
                }
            }
        }
        Ok(self.unsaid.is_empty())
    }
}
