//! Reading standard input without ever waiting for whoever writes it.
//!
//! The counterpart of [`super::sink`]. Descriptor 0 is shared with the shell and other programs, so
//! `O_NONBLOCK` must not be set on it: it is asked first, and then it has something. A file never
//! waits. This room never knows what is read.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::event::PollFlags;

use super::ready;

/// Standard input.
#[derive(Debug)]
pub struct Source {
    input: OwnedFd,
}

/// What became of a read.
#[derive(Debug)]
pub enum Taken {
    /// So many bytes.
    Bytes(usize),
    /// There is nothing now.
    NotYet,
    /// There will be nothing more; `hung_up` if whoever writes is gone, and not only quiet: a
    /// terminal in raw mode says nothing in the same way as one at its end.
    Ended {
        /// The other side is closed.
        hung_up: bool,
    },
}

impl Source {
    /// Reads what this descriptor gives.
    pub fn open(input: BorrowedFd<'_>) -> io::Result<Source> {
        Ok(Source { input: input.try_clone_to_owned()? })
    }

    /// Reads what is there.
    pub fn read(&mut self, buffer: &mut [u8]) -> Taken {
        let ready = ready(&self.input, PollFlags::IN).unwrap_or(PollFlags::empty());
        if ready.is_empty() {
            return Taken::NotYet;
        }
        let hung_up = ready.intersects(PollFlags::HUP | PollFlags::ERR);
        match rustix::io::read(&self.input, buffer).map_err(io::Error::from) {
            Ok(0) => Taken::Ended { hung_up },
            Ok(bytes) => Taken::Bytes(bytes),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted => Taken::NotYet,
                _ => Taken::Ended { hung_up: true },
            },
        }
    }
}

impl AsRawFd for Source {
    fn as_raw_fd(&self) -> RawFd {
        self.input.as_fd().as_raw_fd()
    }
}
