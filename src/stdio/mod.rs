//! Standard streams that nobody ever waits for.
//!
//! Nothing here knows what is written or read.

pub mod backlog;
pub mod sink;
pub mod source;

use std::io;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec};

/// What a descriptor is ready for, of what is asked, without waiting; and whether it is at its end
/// or broken, asked or not.
fn ready(descriptor: impl AsFd, asked: PollFlags) -> io::Result<PollFlags> {
    let mut polled = [PollFd::new(&descriptor, asked)];
    rustix::event::poll(&mut polled, Some(&Timespec::default()))?;
    Ok(polled[0].revents())
}
