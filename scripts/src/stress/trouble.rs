//! Clients that make trouble: they drip, they reset, they connect and leave. A client connects
//! again when the server has closed it, or when it has left.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::crowd::Outcome;
use crate::crowd::record::Record;
use crate::crowd::visit::{Manner, Step, Visit};
use crate::crowd::visitors::{Tally, Visitors};

/// How long a client that resets does not read before.
const RESET_AFTER: Duration = Duration::from_millis(50);

/// At most this many of them connect at once.
const ARRIVING_MAX: usize = 256;

/// They connect from 127.0.1.1 to 127.0.1.250, so that there are enough ports while those of closed
/// connections still wait.
const SOURCES: u64 = 250;

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

impl Kind {
    fn steps(self) -> Vec<Step> {
        match self {
            Kind::Drips => vec![Step::Enter, Step::Drip],
            Kind::Resets => vec![Step::Enter, Step::Nap(RESET_AFTER), Step::Reset],
            Kind::Leaves => vec![Step::Enter, Step::HalfClose, Step::End],
        }
    }
}

/// All of them.
#[derive(Debug)]
pub struct Troublemakers {
    visitors: Visitors<Kind>,
    outside: VecDeque<Kind>,
    all: u64,
    /// No client connects any more.
    is_calm: bool,
}

impl Troublemakers {
    /// None of them has connected yet.
    pub fn new(address: SocketAddr, kinds: &[(Kind, usize)]) -> Outcome<Troublemakers> {
        let kinds = kinds.iter().flat_map(|(kind, count)| std::iter::repeat_n(*kind, *count));
        let outside: VecDeque<Kind> = kinds.collect();
        let all = outside.len() as u64;
        Ok(Troublemakers { visitors: Visitors::new(address)?, outside, all, is_calm: false })
    }

    /// How many they are.
    pub fn count(&self) -> u64 {
        self.all
    }

    /// How many of them have been welcomed at least once, or more.
    pub fn been_in(&self) -> u64 {
        // Each connects once before any connects again.
        let first = self.visitors.visits().filter(|one| one.number < self.all && !one.is_welcomed);
        let visits = self.visitors.tally().visits;
        visits.min(self.all) - first.count() as u64
    }

    /// What they have done and received.
    pub fn tally(&self) -> Tally {
        self.visitors.tally()
    }

    /// Has each client do what its kind does, if it is time.
    pub fn turn(&mut self, record: &Record) -> Outcome<()> {
        self.visitors.turn(record)?;
        self.outside.extend(self.visitors.take_left().into_iter().map(|visit| visit.kind));
        let mut arriving = self.visitors.visits().filter(|visit| !visit.is_welcomed).count();
        while !self.is_calm && arriving < ARRIVING_MAX {
            let Some(kind) = self.outside.pop_front() else { return Ok(()) };
            let is_slow = kind != Kind::Leaves;
            let manner = Manner { reads: true, is_slow, is_plain: true, may_be_reset: true };
            let number = self.visitors.tally().visits;
            let source = Ipv4Addr::new(127, 0, 1, (number % SOURCES + 1) as u8);
            self.visitors.connect(Visit::new(kind, manner, number, kind.steps()), source, false)?;
            arriving += 1;
        }
        Ok(())
    }

    /// No client connects or leaves any more. A dripping one stays if it is in. If the server
    /// closes it, it does not connect again: it might come too late for the last line.
    pub fn calm_down(&mut self) {
        self.is_calm = true;
        self.visitors.keep(|visit| visit.step() == Some(&Step::Drip));
    }

    /// After the last line was sent, the dripping clients read on until they have received it.
    pub fn listen_to_the_end(&mut self, record: &Record) -> Outcome<()> {
        self.visitors.listen_to_the_end(record)
    }
}
