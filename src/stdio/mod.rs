//! Standard streams that never make the process wait.
//!
//! Nothing here knows what is written or read.

pub mod backlog;
pub mod keyboard;
pub mod priority;
pub mod sink;
pub mod source;

use std::io;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec};

/// Which of the `asked` events a descriptor is ready for, without waiting. End and error are always
/// among them.
fn ready(descriptor: impl AsFd, asked: PollFlags) -> io::Result<PollFlags> {
    let mut polled = [PollFd::new(&descriptor, asked)];
    rustix::event::poll(&mut polled, Some(&Timespec::default()))?;
    Ok(polled[0].revents())
}
