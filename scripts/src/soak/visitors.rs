//! The sockets of the visitors: they connect, read, write and end as each kind does.
//!
//! They have a poll of their own, which is looked at between two turns of the steady clients. A
//! visitor that waits too long for something is a fault.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use socket2::SockRef;

use super::room::PER_ADDRESS;
use super::script::{self, KINDS, Kind, Step};
use super::visit::Visit;
use crate::crowd::record::Record;
use crate::crowd::sockets::connect_from;
use crate::crowd::{Outcome, PATIENCE};

/// The time between two visitors.
const PERIOD: Duration = Duration::from_millis(25);

/// The most visitors at once, without those that connect together.
const HERE_MAX: usize = 60;

/// The names of this many guests are kept, so that others can talk to them.
const NAMES_KEPT: usize = 8;

/// They connect from 127.0.2.1 to 127.0.2.250, which the server does not exempt.
const SOURCES: u64 = 250;

/// How many more connect together than may, from one address or to a full server.
const REFUSED: usize = 4;

const READ_BYTES: usize = 64 * 1024;
const EVENTS_MAX: usize = 256;

/// The receive buffer of a visitor that reads, and of one that never does.
const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;
const NARROW_BUFFER_BYTES: usize = 2048;

/// What the visitors have done and received.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// How many connected.
    pub visits: u64,
    /// How many of them were refused.
    pub refused: u64,
    /// How many never read, and were reset by the server.
    pub given_up: u64,
    /// How many messages of the steady clients they received, all of them checked.
    pub messages: u64,
    /// How many lines they missed, as the server told them.
    pub missed: u64,
}

#[derive(Debug)]
struct Present {
    visit: Visit,
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
pub struct Visitors {
    address: SocketAddr,
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    here: Slab<Present>,
    companies: Vec<Company>,
    names: VecDeque<String>,
    next_at: Instant,
    /// Its place in [`KINDS`].
    next_kind: usize,
    tally: Tally,
}

impl Visitors {
    /// No visitor has connected yet.
    pub fn new(address: SocketAddr) -> Outcome<Visitors> {
        Ok(Visitors {
            address,
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_MAX),
            scratch: vec![0; READ_BYTES],
            here: Slab::new(),
            companies: Vec::new(),
            names: VecDeque::new(),
            next_at: Instant::now(),
            next_kind: 0,
            tally: Tally::default(),
        })
    }

    /// What the visitors have done and received.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Whether no visitor is here.
    pub fn is_nobody(&self) -> bool {
        self.here.is_empty()
    }

    /// Has the next one connect, if it is time, and each take its next steps.
    pub fn come_and_go(&mut self, record: &Record) -> Outcome<()> {
        let now = Instant::now();
        if now >= self.next_at && self.here.len() < HERE_MAX {
            self.next_at = now + PERIOD;
            let kind = KINDS[self.next_kind];
            self.next_kind = (self.next_kind + 1) % KINDS.len();
            match kind {
                Kind::Neighbour => self.come_together(kind, PER_ADDRESS + REFUSED, PER_ADDRESS)?,
                kind => self.come(kind, None)?,
            }
        }
        self.turn(record)
    }

    /// Fills the server: more visitors than it admits connect at once. `room` is how many must be
    /// admitted.
    pub fn fill(&mut self, room: usize) -> Outcome<()> {
        self.come_together(Kind::Fills, room + REFUSED, room)
    }

    /// Has a visitor ask who is here. The answer must count `here` clients, with itself.
    pub fn ask(&mut self, here: usize) -> Outcome<()> {
        let number = self.tally.visits;
        self.connect(Visit::new(Kind::Asks, number, script::asks(here)), None)
    }

    /// Visitors that would stay until the server resets them leave now.
    pub fn calm_down(&mut self) {
        self.here.retain(|_, present| present.visit.kind != Kind::NeverReads);
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
            if !present.visit.reads() {
                if event.is_error() || event.is_read_closed() {
                    self.tally.given_up += 1;
                    self.let_go(key);
                }
            } else if event.is_readable() {
                self.read(key, record)?;
            }
            self.act(key)?;
        }
        self.events = events;
        self.wake(record)?;
        self.check_patience()
    }

    /// Visitors whose nap is over read on.
    fn wake(&mut self, record: &Record) -> Outcome<()> {
        let now = Instant::now();
        let is_due = |present: &Present| present.asleep_until.is_some_and(|until| until <= now);
        let due = self.here.iter().filter(|(_, present)| is_due(present));
        for key in due.map(|(key, _)| key).collect::<Vec<_>>() {
            self.act(key)?;
            if let Some(present) = self.here.get_mut(key) {
                present.asleep_until = None;
                // It is awake, and can keep up again.
                SockRef::from(&present.socket).set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
            }
            self.read(key, record)?;
        }
        Ok(())
    }

    fn check_patience(&mut self) -> Outcome<()> {
        let now = Instant::now();
        let late = self.here.iter().find(|(_, present)| present.until < now);
        match late {
            Some((_, present)) => Err(present.visit.fault("waits in vain").into()),
            None => Ok(()),
        }
    }

    fn come_together(&mut self, kind: Kind, size: usize, room: usize) -> Outcome<()> {
        let company = self.companies.len();
        self.companies.push(Company { size, room, ..Company::default() });
        (0..size).try_for_each(|_| self.come(kind, Some(company)))
    }

    fn come(&mut self, kind: Kind, company: Option<usize>) -> Outcome<()> {
        let number = self.tally.visits;
        let names = self.names.make_contiguous();
        let visit = Visit::new(kind, number, kind.steps(number, names));
        if kind == Kind::Guest {
            self.names.push_back(script::name(number));
            if self.names.len() > NAMES_KEPT {
                self.names.pop_front();
            }
        }
        self.connect(visit, company)
    }

    fn connect(&mut self, mut visit: Visit, company: Option<usize>) -> Outcome<()> {
        let source = match (visit.kind, company) {
            (Kind::Fills | Kind::Asks, _) => Ipv4Addr::new(127, 0, 0, 1),
            (_, Some(company)) => Ipv4Addr::new(127, 0, 3, (company as u64 % SOURCES + 1) as u8),
            (_, None) => Ipv4Addr::new(127, 0, 2, (visit.number % SOURCES + 1) as u8),
        };
        let buffer = if visit.is_slow() { NARROW_BUFFER_BYTES } else { RECEIVE_BUFFER_BYTES };
        let mut socket = connect_from(Some(source), self.address, buffer)?;
        visit.from = socket.local_addr()?.to_string();
        visit.company = company;
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
                    present.socket.shutdown(Shutdown::Write)?;
                    true
                }
                Some(Step::Shun(_) | Step::ShunNoMore(_)) => true,
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
            self.here[key].step_on();
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

    fn read(&mut self, key: usize, record: &Record) -> Outcome<()> {
        while let Some(present) = self.here.get_mut(key) {
            if present.asleep_until.is_some() {
                return Ok(());
            }
            let visit = &mut present.visit;
            match present.socket.read(&mut self.scratch) {
                Ok(0) => {
                    visit.take_end()?;
                    self.let_go(key);
                }
                Ok(bytes) => {
                    let was_answered = visit.is_answered();
                    if visit.take(&self.scratch[..bytes], record)? {
                        present.until = Instant::now() + PATIENCE;
                    }
                    if !was_answered && present.visit.is_answered() {
                        self.count_answer(key)?;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // On a machine that is suspended, a nap may be too long.
                Err(_) if visit.kind == Kind::Naps => {
                    self.tally.given_up += 1;
                    self.let_go(key);
                }
                Err(error) => return Err(visit.fault(&format!("was lost ({error})")).into()),
            }
            self.act(key)?;
        }
        Ok(())
    }

    /// It has its answer now. If it is the last of its company, all go on.
    fn count_answer(&mut self, key: usize) -> Outcome<()> {
        let Visit { company, is_refused, .. } = self.here[key].visit;
        self.tally.refused += u64::from(is_refused);
        let Some(all) = company.and_then(|at| self.companies.get_mut(at)) else { return Ok(()) };
        all.refused += usize::from(is_refused);
        all.welcomed += usize::from(!is_refused);
        let others = self.here.iter().filter(|(_, other)| other.visit.company == company);
        let others: Vec<usize> = others.map(|(other, _)| other).collect();
        others.into_iter().filter(|other| *other != key).try_for_each(|other| self.act(other))
    }

    /// Drops the connection; with unread data that is a reset.
    fn let_go(&mut self, key: usize) {
        let present = self.here.remove(key);
        self.tally.messages += present.visit.messages();
        self.tally.missed += present.visit.missed();
    }
}

impl Present {
    fn step_on(&mut self) {
        self.visit.step_on();
        self.until = Instant::now() + PATIENCE;
    }

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
