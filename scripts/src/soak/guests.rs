//! The visitors that come and go all the time, fill the server, or ask who is here.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::script::{self, KINDS, Kind, PER_ADDRESS};
use crate::crowd::Outcome;
use crate::crowd::record::Record;
use crate::crowd::visit::Visit;
use crate::crowd::visitors::{Tally, Visitors};

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

/// All of them.
#[derive(Debug)]
pub struct Guests {
    visitors: Visitors<Kind>,
    names: VecDeque<String>,
    next_at: Instant,
    /// Its place in [`KINDS`].
    next_kind: usize,
}

impl Guests {
    /// No visitor has connected yet.
    pub fn new(address: SocketAddr) -> Outcome<Guests> {
        let visitors = Visitors::new(address)?;
        Ok(Guests { visitors, names: VecDeque::new(), next_at: Instant::now(), next_kind: 0 })
    }

    /// What the visitors have done and received.
    pub fn tally(&self) -> Tally {
        self.visitors.tally()
    }

    /// How many visitors are here.
    pub fn here(&self) -> usize {
        self.visitors.visits().count()
    }

    /// Has the next one connect, if it is time, and each take its next steps.
    pub fn come_and_go(&mut self, record: &Record) -> Outcome<()> {
        let now = Instant::now();
        if now >= self.next_at && self.here() < HERE_MAX {
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

    /// Has each take its next steps.
    pub fn turn(&mut self, record: &Record) -> Outcome<()> {
        self.visitors.turn(record)?;
        self.visitors.take_left();
        Ok(())
    }

    /// Fills the server: more visitors than it admits connect at once. `room` is how many must be
    /// admitted.
    pub fn fill(&mut self, room: usize) -> Outcome<()> {
        self.come_together(Kind::Fills, room + REFUSED, room)
    }

    /// Has a visitor ask who is here. The answer must count `here` clients, with itself.
    pub fn ask(&mut self, here: usize) -> Outcome<()> {
        let visit =
            Visit::new(Kind::Asks, Kind::Asks.manner(), self.tally().visits, script::asks(here));
        self.visitors.connect(visit, Ipv4Addr::LOCALHOST, true)
    }

    /// Visitors that would stay until the server resets them leave now.
    pub fn calm_down(&mut self) {
        self.visitors.keep(|visit| visit.kind != Kind::NeverReads);
    }

    fn come_together(&mut self, kind: Kind, size: usize, room: usize) -> Outcome<()> {
        let company = self.visitors.gather(size, room);
        (0..size).try_for_each(|_| self.come(kind, Some(company)))
    }

    fn come(&mut self, kind: Kind, company: Option<usize>) -> Outcome<()> {
        let number = self.tally().visits;
        let steps = kind.steps(number, self.names.make_contiguous());
        if kind == Kind::Guest {
            self.names.push_back(script::name(number));
            if self.names.len() > NAMES_KEPT {
                self.names.pop_front();
            }
        }
        let of = |number: u64| (number % SOURCES + 1) as u8;
        let source = match (kind, company) {
            (Kind::Fills, _) => Ipv4Addr::LOCALHOST,
            (_, Some(company)) => Ipv4Addr::new(127, 0, 3, of(company as u64)),
            (_, None) => Ipv4Addr::new(127, 0, 2, of(number)),
        };
        let mut visit = Visit::new(kind, kind.manner(), number, steps);
        visit.company = company;
        self.visitors.connect(visit, source, true)
    }
}
