//! A crowd of clients in one thread, and the instruments that watch a server.
//!
//! - [`record`]: the conversation, as the first client to receive each line received it. All others
//!   must receive the same. Bytes only, no sockets.
//! - [`author`]: a sender that numbers its messages, so that each is known before it arrives.
//! - [`crowd`]: the sockets: connects them, reads them, reports faults.
//! - [`load`]: which clients send how much how fast, until when, and the results.
//! - [`notices`]: what the server tells a client, in any language.
//! - [`ear`]: checks a client that is far behind the others, or connects only for a while.
//! - [`trouble`]: clients that make trouble: they drip, they reset, they connect and leave.
//! - [`gauge`]: what the kernel tells about a process: time, memory, descriptors.
//! - [`started`]: a server of our own, which ends with this process.
//! - [`timeline`]: the results over time; [`plot`] draws them.
//! - [`table`]: the results as a table or as JSON; [`progress`] is a progress bar.
//! - [`app`], [`flags`] and [`summary`]: the program that joins all this.

pub mod app;
pub mod author;
pub mod crowd;
pub mod ear;
pub mod flags;
pub mod gauge;
pub mod load;
pub mod notices;
pub mod plot;
pub mod progress;
pub mod record;
pub mod started;
pub mod summary;
pub mod table;
pub mod timeline;
pub mod trouble;

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

/// What any of this may return.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// A fault of the server, not a failure of the measurement.
#[derive(Debug)]
pub struct Fault(pub String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server is wrong: {}", self.0)
    }
}

impl Error for Fault {}

/// How long nothing at all may happen before the server is at fault.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How long to wait without any progress.
#[derive(Debug)]
pub struct Patience {
    until: Instant,
}

impl Patience {
    /// A full measure.
    pub fn full() -> Patience {
        Patience { until: Instant::now() + PATIENCE }
    }

    /// Progress renews it. When it is used up, that is the fault that `what` describes.
    pub fn check(&mut self, progress: bool, what: impl FnOnce() -> String) -> Result<(), Fault> {
        if progress {
            self.until = Instant::now() + PATIENCE;
        } else if Instant::now() > self.until {
            return Err(Fault(format!("{} for {} s", what(), PATIENCE.as_secs())));
        }
        Ok(())
    }
}
