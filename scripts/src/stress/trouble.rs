//! Clients that make trouble: they drip, they reset, they connect and leave. A client connects
//! again when the server has closed it, or when it has left.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::crowd::Outcome;
use crate::crowd::sockets::Crowd;
use crate::crowd::visit::{NARROW_BYTES, Visitor, WIDE_BYTES, was_lost};
use crate::crowd::visitors::{Host, Tally, Visitors, source};

/// How long a client that resets does not read before.
const RESET_AFTER: Duration = Duration::from_millis(50);

/// At most this many of them connect at once.
const ARRIVING_MAX: usize = 256;

/// They connect from 127.0.1.1 to 127.0.1.250.
const NETWORK: u8 = 1;

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

/// All of them.
#[derive(Debug)]
pub struct Troublemakers {
    /// Their connections.
    pub visitors: Visitors,
    /// How many they are.
    pub count: u64,
    been_in: Rc<Cell<u64>>,
}

impl Troublemakers {
    /// None of them has connected yet.
    pub fn new(crowd: &Crowd, kinds: &[(Kind, usize)], tally: Tally) -> Outcome<Troublemakers> {
        let mut visitors = Visitors::new(crowd, false, tally)?;
        let (been_in, arriving) = (Rc::new(Cell::new(0)), Rc::new(Semaphore::new(ARRIVING_MAX)));
        for kind in kinds.iter().flat_map(|(kind, count)| std::iter::repeat_n(*kind, *count)) {
            let (host, arriving) = (Rc::clone(&visitors.host), Rc::clone(&arriving));
            visitors.begin(make_trouble(kind, host, arriving, Rc::clone(&been_in)));
        }
        Ok(Troublemakers { count: visitors.here() as u64, visitors, been_in })
    }

    /// How many of them have been welcomed at least once.
    pub fn been_in(&self) -> u64 {
        self.been_in.get()
    }
}

/// One client, until all shall be calm.
async fn make_trouble(
    kind: Kind,
    host: Rc<Host>,
    arriving: Rc<Semaphore>,
    been_in: Rc<Cell<u64>>,
) -> Outcome<()> {
    let mut is_first = true;
    loop {
        let arrival = arriving.acquire().await?;
        if host.is_calm.get() {
            return Ok(());
        }
        let bytes = if kind == Kind::Leaves { WIDE_BYTES } else { NARROW_BYTES };
        let number = host.next_number();
        let called = format!("{number} ({kind:?})");
        let mut client = Visitor::connect(&host, called, source(NETWORK, number), bytes)?;
        client.enter().await?;
        drop(arrival);
        been_in.update(|before| before + u64::from(std::mem::take(&mut is_first)));
        match kind {
            // It might come too late for the last line.
            Kind::Drips if host.is_calm.get() => {}
            Kind::Drips => client.drip().await?,
            Kind::Resets => sleep(RESET_AFTER).await,
            Kind::Leaves => {
                client.half_close().await;
                was_lost(client.end().await)?;
            }
        }
    }
}
