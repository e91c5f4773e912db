//! Clients that make trouble: they drip, they reset, they connect and leave. A client connects
//! again when the server has closed it, or when it has left.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::crowd::Outcome;
use crate::crowd::visit::{NARROW_BYTES, Visitor, WIDE_BYTES, was_lost};
use crate::crowd::visitors::{Host, Visitors};

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

/// Has so many of each kind connect, again and again until all shall leave.
pub fn make_trouble(visitors: &mut Visitors, kinds: &[(Kind, usize)]) {
    let arriving = Rc::new(Semaphore::new(ARRIVING_MAX));
    for (kind, count) in kinds {
        for _ in 0..*count {
            let (host, arriving) = (Rc::clone(&visitors.host), Rc::clone(&arriving));
            visitors.begin(kind.make_trouble(host, arriving));
        }
    }
}

impl Kind {
    async fn make_trouble(self, host: Rc<Host>, arriving: Rc<Semaphore>) -> Outcome<()> {
        let mut is_first = true;
        loop {
            let arrival = arriving.acquire().await?;
            if host.is_ending.get() {
                return Ok(());
            }
            let bytes = if self == Kind::Leaves { WIDE_BYTES } else { NARROW_BYTES };
            let mut client = Visitor::connect(&host, self, host.source(NETWORK), bytes)?;
            client.enter().await?;
            drop(arrival);
            host.been_in.update(|before| before + usize::from(std::mem::take(&mut is_first)));
            match self {
                // It might come too late for the last line.
                Kind::Drips if host.is_ending.get() => {}
                Kind::Drips => client.drip().await?,
                Kind::Resets => sleep(RESET_AFTER).await,
                Kind::Leaves => {
                    client.half_close().await;
                    was_lost(client.end().await)?;
                }
            }
        }
    }
}
