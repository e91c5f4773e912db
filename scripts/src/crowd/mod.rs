//! A crowd of clients in one thread, and the instruments that watch a server. In reading order:
//!
//! - [`author`]: a sender that numbers its messages, so that each is known before it arrives.
//! - [`notices`]: what chinwag tells a client, in any language.
//! - [`dialect`]: what the clients of each server send, and how a line is found in what they get.
//! - [`record`]: the conversation, as the first client to receive each line received it. All others
//!   must receive the same. Bytes only, no sockets.
//! - [`gauge`]: what the kernel tells about a process: time, memory, descriptors.
//! - [`started`]: a server of our own, which ends with this process.
//! - [`sockets`]: the crowd: connects its clients, reads them, reports faults.
//! - [`load`]: which clients send how much how fast, until when, and the results.
//! - [`ear`]: checks a client that is far behind the others, or connects only for a while.
//! - [`visit`]: the steps of one that connects for a while; [`visitors`]: all of them.
//! - [`table`]: the results as a table or as JSON.
//! - [`picture`]: pictures of lines with their names.
//! - [`program`]: what each program does with its arguments and its errors.

pub mod author;
pub mod dialect;
pub mod ear;
pub mod gauge;
pub mod load;
pub mod notices;
pub mod picture;
pub mod program;
pub mod record;
pub mod sockets;
pub mod started;
pub mod table;
pub mod visit;
pub mod visitors;

pub use dialect::Dialect;
pub use gauge::{Calls, Connections, Gauged, Strace};
pub use load::{Load, Pace, Report, Talker, Until};
pub use sockets::{Crowd, Server};
pub use started::Started;
pub use table::Table;
pub use visit::Visitor;
pub use visitors::{Host, Tally, Visitors};

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

/// The beginning of a line, as much as a person wants to see.
pub fn text(bytes: &[u8]) -> String {
    const SHOWN_BYTES_MAX: usize = 100;
    String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_BYTES_MAX)]).into_owned()
}

/// How long nothing at all may happen before the server is at fault.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How long to wait without any progress.
#[derive(Debug)]
pub struct Patience {
    time: Duration,
    until: Instant,
    progress: u64,
}

impl Patience {
    /// As much as a server may need.
    pub fn full() -> Patience {
        Patience::of(PATIENCE)
    }

    /// At most this long.
    pub fn of(time: Duration) -> Patience {
        Patience { time, until: Instant::now() + time, progress: 0 }
    }

    /// Progress that is more than ever before renews it. When it is used up, that is the fault that
    /// `what` describes.
    pub fn check(&mut self, progress: u64, what: impl FnOnce() -> String) -> Result<(), Fault> {
        if progress > self.progress {
            *self = Patience { progress, ..Patience::of(self.time) };
        } else if Instant::now() > self.until {
            return Err(Fault(format!("{} for {} s", what(), self.time.as_secs())));
        }
        Ok(())
    }
}
