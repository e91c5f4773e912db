//! The visitors that come and go all the time, fill the server, or ask who is here.

use std::cell::Cell;
use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Barrier;

use super::script::{self, Company, KINDS, Kind, MAX_CLIENTS, PER_ADDRESS};
use crate::crowd::Outcome;
use crate::crowd::sockets::Crowd;
use crate::crowd::visit::{NARROW_BYTES, Visitor, WIDE_BYTES};
use crate::crowd::visitors::{Tally, Visitors, source};

/// The time between two visitors.
const PERIOD: Duration = Duration::from_millis(25);

/// The most visitors at once, without those that connect together.
const HERE_MAX: usize = 60;

/// The names of this many guests are kept, so that others can talk to them.
const NAMES_KEPT: usize = 8;

/// How many more connect together than may, from one address or to a full server.
const REFUSED: usize = 4;

/// The networks of single visitors and of neighbours. The server exempts neither.
const SINGLE: u8 = 2;
const NEIGHBOURS: u8 = 3;

/// All of them.
#[derive(Debug)]
pub struct Guests {
    /// Their connections.
    pub visitors: Visitors,
    names: VecDeque<String>,
    next_at: Instant,
    /// Its place in [`KINDS`], behind which come several neighbours.
    next_kind: usize,
}

impl Guests {
    /// As [`Visitors::new`].
    pub fn new(crowd: &Crowd, tally: Tally) -> Outcome<Guests> {
        let visitors = Visitors::new(crowd, true, tally)?;
        Ok(Guests { visitors, names: VecDeque::new(), next_at: Instant::now(), next_kind: 0 })
    }

    /// Has the next one connect, if it is time, and each take its next steps.
    pub fn come_and_go(&mut self) -> Outcome<()> {
        let now = Instant::now();
        if now >= self.next_at && self.visitors.here() < HERE_MAX {
            self.next_at = now + PERIOD;
            match KINDS.get(self.next_kind) {
                Some(kind) => self.come(*kind),
                None => self.come_as_neighbours(),
            }
            self.next_kind = (self.next_kind + 1) % (KINDS.len() + 1);
        }
        self.visitors.turn()
    }

    fn come(&mut self, kind: Kind) {
        let number = self.visitors.host.next_number();
        let others = Vec::from(self.names.clone());
        if kind == Kind::Guest {
            self.names.push_back(script::name(number));
            self.names.drain(..self.names.len().saturating_sub(NAMES_KEPT));
        }
        let (called, from) = (format!("{number} ({kind:?})"), source(SINGLE, number));
        let bytes = if kind.is_slow() { NARROW_BYTES } else { WIDE_BYTES };
        self.begin(called, from, bytes, async move |client| {
            kind.visit(client, number, &others).await
        });
    }

    /// More clients connect from one address than may.
    fn come_as_neighbours(&mut self) {
        let from = source(NEIGHBOURS, self.visitors.tally().visits);
        let told = "* too many connections from your address";
        self.come_together(from, PER_ADDRESS, format!("{told} ({PER_ADDRESS}, --per-address)"));
    }

    /// Fills the server: more clients connect at once than it admits. `room` is how many it must
    /// admit.
    pub fn fill(&mut self, room: usize) {
        let told = format!("* server full ({MAX_CLIENTS})");
        self.come_together(Ipv4Addr::LOCALHOST, room, told);
    }

    /// Has a client ask who is here. The answer must count `here` clients, with itself.
    pub fn ask(&mut self, here: usize) {
        let called = format!("{} that asks", self.visitors.host.next_number());
        let asks = async move |client| script::asks(client, here).await;
        self.begin(called, Ipv4Addr::LOCALHOST, WIDE_BYTES, asks);
    }

    fn come_together(&mut self, from: Ipv4Addr, room: usize, refusal: String) {
        let size = room + REFUSED;
        let (welcomed, answered) = (Cell::new(0), Barrier::new(size));
        let company = Rc::new(Company { room, refusal, welcomed, answered });
        for _ in 0..size {
            let company = Rc::clone(&company);
            let called = format!("{} of many", self.visitors.host.next_number());
            let stays = async move |client| company.stay(client).await;
            self.begin(called, from, WIDE_BYTES, stays);
        }
    }

    fn begin(
        &mut self,
        called: String,
        from: Ipv4Addr,
        receive_buffer_bytes: usize,
        script: impl AsyncFnOnce(Visitor) -> Outcome<()> + 'static,
    ) {
        let host = Rc::clone(&self.visitors.host);
        self.visitors.begin(async move {
            script(Visitor::connect(&host, called, from, receive_buffer_bytes)?).await
        });
    }
}
