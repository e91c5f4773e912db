//! Writing to a standard stream without ever waiting for whoever reads it.
//!
//! Descriptors 0, 1 and 2 are shared with the shell and other programs, so `O_NONBLOCK` must not be
//! set on them. What is safe depends on what stands behind them:
//!
//! - a terminal or a pipe is opened again by its name in `/proc`, non-blocking, for us alone
//!   (`poll(2)` is no guard: a terminal may block after it has said that it is writable);
//! - a socket cannot be opened again, but `MSG_DONTWAIT` does the same for one call;
//! - a file never waits for a reader.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{FileType, OFlags};
use rustix::net::SendFlags;

use crate::backlog::Backlog;

/// How long a stream that takes nothing is left alone. Nothing tells us when it takes something
/// again, so it is tried; often enough that a person who continues a terminal sees no delay.
pub const RETRY: Duration = Duration::from_millis(100);

/// The most that a pipe surely takes when it says that it is writable (pipe(7)).
pub const PIPE_BYTES: usize = 4096;

/// A standard stream.
#[derive(Debug)]
pub enum Sink {
    /// Opened again, non-blocking; or a file, which never waits for a reader.
    File(File),
    /// Every call says that it must not wait.
    Socket(OwnedFd),
    /// It could not be opened again: asked first, and given little.
    Asked(OwnedFd),
}

/// What became of a write.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    /// So many bytes were taken.
    Bytes(usize),
    /// Nothing can be taken now: a reader that does not read, or a full disk.
    Blocked,
    /// Nothing will be taken any more.
    Closed,
}

/// What became of all that waited.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All was taken.
    All,
    /// The rest cannot be taken now.
    Blocked,
    /// The rest will not be taken any more; it is dropped.
    Closed,
}

/// Writes what waits with `write`, until all of it is taken or no more is.
pub fn write_out(waiting: &mut Backlog, mut write: impl FnMut(&[u8]) -> Written) -> Outcome {
    while !waiting.is_empty() {
        match write(waiting.rest()) {
            Written::Bytes(bytes) => waiting.took(bytes),
            Written::Blocked => return Outcome::Blocked,
            Written::Closed => {
                waiting.clear();
                return Outcome::Closed;
            }
        }
    }
    Outcome::All
}

impl Sink {
    /// Prepares the stream behind this descriptor.
    pub fn open(stream: BorrowedFd<'_>) -> io::Result<Sink> {
        let kind = FileType::from_raw_mode(rustix::fs::fstat(stream)?.st_mode);
        let own = stream.try_clone_to_owned()?;
        Ok(match kind {
            FileType::Socket => Sink::Socket(own),
            FileType::RegularFile => Sink::File(File::from(own)),
            _ => {
                let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
                let path = format!("/proc/self/fd/{}", stream.as_raw_fd());
                let again =
                    OpenOptions::new().write(true).custom_flags(flags.bits() as i32).open(path);
                again.map_or(Sink::Asked(own), Sink::File)
            }
        })
    }

    /// Writes as much as is taken at once.
    pub fn write(&mut self, bytes: &[u8]) -> Written {
        let result = match self {
            Sink::File(file) => file.write(bytes),
            Sink::Socket(socket) => {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                rustix::net::send(&*socket, bytes, flags).map_err(io::Error::from)
            }
            Sink::Asked(stream) => write_if_asked(stream, bytes),
        };
        match result {
            Ok(taken) => Written::Bytes(taken),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted => Written::Blocked,
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Written::Blocked,
                ErrorKind::FileTooLarge => Written::Blocked,
                _ => Written::Closed,
            },
        }
    }
}

fn write_if_asked(stream: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    if !is_writable(stream)? {
        return Err(ErrorKind::WouldBlock.into());
    }
    Ok(rustix::io::write(stream, &bytes[..bytes.len().min(PIPE_BYTES)])?)
}

/// Whether a descriptor says that it can be written to now.
pub fn is_writable(stream: impl std::os::fd::AsFd) -> io::Result<bool> {
    let mut polled = [PollFd::new(&stream, PollFlags::OUT)];
    rustix::event::poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    Ok(polled[0].revents().contains(PollFlags::OUT))
}
