//! Clients that connect for a while, beside a crowd: each is an `async fn` of its own.
//!
//! All of them run in this thread, between two turns of the crowd.

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::task::{JoinSet, yield_now};

use super::record::Record;
use super::{Crowd, Outcome};

/// The longest wait for events of the crowd: its visitors wait no longer than this for their turn.
pub const WAIT_MAX: Duration = Duration::from_millis(5);

/// More visitors than this take their next step in the next turn.
const STEPS_MAX: u32 = 10_000;

/// Visitors connect from so many addresses of a network, so that there are enough ports while those
/// of closed connections still wait.
const SOURCES: u64 = 250;

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

/// What visitors share.
#[derive(Debug)]
pub struct Host {
    /// Where the server listens.
    pub address: SocketAddr,
    /// What is said there.
    pub record: Rc<RefCell<Record>>,
    /// It must show each visitor its address.
    pub shows_addresses: bool,
    /// What they have done.
    pub tally: RefCell<Tally>,
    /// How many of those that come again and again have been welcomed at least once.
    pub been_in: Cell<usize>,
    /// See [`Visitors::end`].
    pub is_ending: Cell<bool>,
}

impl Host {
    /// The address that the next visitor of this network connects from.
    pub fn source(&self, network: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, network, (self.tally.borrow().visits % SOURCES + 1) as u8)
    }
}

/// All of them.
#[derive(Debug)]
pub struct Visitors {
    /// What they share.
    pub host: Rc<Host>,
    /// Those that have not left.
    pub here: JoinSet<Outcome<()>>,
    runtime: LocalRuntime,
}

impl Visitors {
    /// None is here yet. What earlier visitors of the server of this crowd have done counts on.
    pub fn new(crowd: &Crowd, shows_addresses: bool, tally: Tally) -> Outcome<Visitors> {
        let mut runtime = Builder::new_current_thread();
        runtime.enable_all().event_interval(STEPS_MAX);
        let runtime = runtime.build_local(LocalOptions::default())?;
        let host = Host {
            address: crowd.server.addresses[0],
            record: Rc::clone(&crowd.record),
            shows_addresses,
            tally: RefCell::new(tally),
            been_in: Cell::default(),
            is_ending: Cell::default(),
        };
        Ok(Visitors { host: Rc::new(host), here: JoinSet::new(), runtime })
    }

    /// Begins a visit.
    pub fn begin(&mut self, visit: impl Future<Output = Outcome<()>> + 'static) {
        let _inside = self.runtime.enter();
        self.here.spawn_local(visit);
    }

    /// Has each take its next steps.
    pub fn turn(&mut self) -> Outcome<()> {
        if self.here.is_empty() {
            return Ok(());
        }
        self.runtime.block_on(async {
            // Behind the first come the events, behind the second the steps that waited for them.
            yield_now().await;
            yield_now().await;
        });
        while let Some(ended) = self.here.try_join_next() {
            ended??;
        }
        Ok(())
    }

    /// The last line of all was sent: waits until all have left. None connects any more. None waits
    /// any more until the server ends its connection. Those that drip read on until that line. The
    /// crowd reads on.
    pub fn end(&mut self, crowd: &mut Crowd) -> Outcome<()> {
        self.host.is_ending.set(true);
        while !self.here.is_empty() {
            crowd.hear(WAIT_MAX)?;
            self.turn()?;
        }
        Ok(())
    }
}
