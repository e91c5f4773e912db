//! Standard streams that never make the process wait.
//!
//! Nothing here knows what is written or read. Beside them is the name of the program itself.

pub mod backlog;
pub mod keyboard;
pub mod priority;
pub mod sink;
pub mod source;

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, Timespec};

/// Which of the `asked` events a descriptor is ready for, without waiting. End and error are always
/// among them.
fn ready(descriptor: impl AsFd, asked: PollFlags) -> io::Result<PollFlags> {
    let mut polled = [PollFd::new(&descriptor, asked)];
    rustix::event::poll(&mut polled, Some(&Timespec::default()))?;
    Ok(polled[0].revents())
}

/// The program itself, to be started once more. On Linux it is the same even if its file was
/// replaced, so the two always understand each other.
pub fn own_program() -> io::Result<PathBuf> {
    match cfg!(target_os = "linux") {
        true => Ok("/proc/self/exe".into()),
        false => std::env::current_exe(),
    }
}
