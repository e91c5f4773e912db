//! A crowd of clients in one thread, and the instruments to watch a server with.
//!
//! - [`record`]: what has been said, as the first to hear it heard it; everybody else must have
//!   heard the same. Bytes only, no sockets.
//! - [`author`]: one whose words are numbered, so that each is known before it is heard.
//! - [`crowd`]: the sockets: connecting, reading, and being told of a fault.
//! - [`load`]: who says how much how fast, until when, and what came of it.
//! - [`notices`]: what the server tells a client itself, in whatever language.
//! - [`ear`]: what one hears that is far behind the others, or has only come for a while.
//! - [`trouble`]: clients that are like that: they drip, they reset, they come and go.
//! - [`gauge`]: what the kernel says of a process: its time, its memory, its descriptors.
//! - [`started`]: a server of our own, which ends with us.
//! - [`timeline`]: how it went over time; [`plot`] draws it.
//! - [`table`]: how results are shown, to people and to programs; [`progress`], how far it is.
//! - [`app`], [`flags`] and [`summary`]: the program that puts all this together.
//!
//! Several programs are made of this (`stress`, `figures`, and a test): each uses its own part.

#![allow(dead_code, reason = "each program uses its own part")]

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

/// What any of this may end with.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// The server did what it must not, or did not do what it must: not a trouble of the measurement.
#[derive(Debug)]
pub struct Fault(pub String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server is wrong: {}", self.0)
    }
}

impl Error for Fault {}

/// How long nothing at all may happen before the server is said to be at fault.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How long nothing has come forward.
#[derive(Debug)]
pub struct Patience {
    until: Instant,
}

impl Patience {
    /// All of it.
    pub fn new() -> Patience {
        Patience { until: Instant::now() + PATIENCE }
    }

    /// Is renewed by progress; at its end it is a fault that `what` tells.
    pub fn check(&mut self, progress: bool, what: impl FnOnce() -> String) -> Result<(), Fault> {
        if progress {
            self.until = Instant::now() + PATIENCE;
        } else if Instant::now() > self.until {
            return Err(Fault(format!("{} for {} s", what(), PATIENCE.as_secs())));
        }
        Ok(())
    }
}
