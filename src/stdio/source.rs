//! Reading standard input without ever waiting for its writer.
//!
//! The counterpart of [`super::sink`]. Descriptor 0 is shared with the shell and other programs, so
//! `O_NONBLOCK` must not be set on it. It is polled before each read instead. A file never waits.
//! This file does not know what is read.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::event::PollFlags;

use super::ready;

/// Standard input.
#[derive(Debug)]
pub struct Source {
    input: OwnedFd,
}

/// The result of one read.
#[derive(Debug)]
pub enum Taken {
    /// This many bytes were read.
    Bytes(usize),
    /// There is nothing to read now.
    NotYet,
    /// There will be nothing more. A terminal in raw mode also reads as ended while it is only
    /// quiet, and `hung_up` tells the two apart.
    Ended {
        /// The other end is closed.
        hung_up: bool,
    },
}

impl Source {
    /// Prepares to read this descriptor.
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
