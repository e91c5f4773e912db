//! Clients that make trouble: they drip, they reset, they connect and leave. A client connects
//! again when the server has closed it, or when it has left.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::crowd::visit::Step;
use crate::crowd::{Host, Outcome, Visitor, Visitors};

/// At most this many of them connect at once.
const ARRIVING_MAX: usize = 256;

/// They connect from 127.0.1.1 to 127.0.1.250.
const NETWORK: u8 = 1;

/// What kind of trouble a client is: what it does once welcomed.
pub type Kind = &'static [Step<'static>];

/// It reads one byte ten times a second.
pub const DRIPS: Kind = &[Step::Drip];

/// It does not read for a moment, and resets the connection.
pub const RESETS: Kind = &[Step::Nap(Duration::from_millis(50))];

/// It leaves in order.
pub const LEAVES: Kind = &[Step::HalfClose, Step::EndAnyhow];

/// Has so many of each kind connect, again and again until all shall leave.
pub fn make_trouble(visitors: &mut Visitors, kinds: &[(Kind, usize)]) {
    let arriving = Rc::new(Semaphore::new(ARRIVING_MAX));
    for (kind, count) in kinds {
        for _ in 0..*count {
            let (host, arriving) = (Rc::clone(&visitors.host), Rc::clone(&arriving));
            visitors.begin(come_again(host, arriving, kind));
        }
    }
}

async fn come_again(host: Rc<Host>, arriving: Rc<Semaphore>, kind: Kind) -> Outcome<()> {
    let mut is_first = true;
    loop {
        let arrival = arriving.acquire().await?;
        if host.is_ending.get() {
            return Ok(());
        }
        let mut client = Visitor::connect(&host, host.source(NETWORK), kind)?;
        client.play(&[Step::Enter]).await?;
        drop(arrival);
        host.been_in.update(|before| before + usize::from(std::mem::take(&mut is_first)));
        // One that drips might come too late for the last line.
        if !host.is_ending.get() {
            client.play(kind).await?;
        }
    }
}
