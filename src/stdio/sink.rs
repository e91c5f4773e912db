//! Writing to a standard stream without ever waiting for whoever reads it.
//!
//! Descriptors 0, 1 and 2 are shared with the shell and other programs, so `O_NONBLOCK` must not be
//! set on them. What is safe depends on what stands behind them:
//!
//! - a terminal or a pipe is opened again by its name in `/proc`, non-blocking, for us alone;
//! - where that is refused (the terminal is another user's, or there is no `/proc`), a controlling
//!   terminal is opened again as `/dev/tty`, which everyone may;
//! - any other terminal is not written to: `poll(2)` is no guard, a terminal may block after it has
//!   said that it is writable; nor is one that would stop us, a job in its background;
//! - a pipe that cannot be opened again keeps what it says: it is asked first, and given little;
//! - a socket cannot be opened again, but `MSG_DONTWAIT` does the same for one call;
//! - a file never waits for a reader.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::termios::{LocalModes, Termios, isatty};

use super::ready;
use crate::stdio::backlog::Backlog;

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
    /// A terminal that was opened again, non-blocking.
    Terminal(File),
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
    /// Prepares the stream behind this descriptor. It is an error if a write to it could wait.
    pub fn open(stream: BorrowedFd<'_>) -> io::Result<Sink> {
        let kind = FileType::from_raw_mode(rustix::fs::fstat(stream)?.st_mode);
        let own = stream.try_clone_to_owned()?;
        match kind {
            FileType::Socket => return Ok(Sink::Socket(own)),
            FileType::RegularFile => return Ok(Sink::File(File::from(own))),
            _ => {}
        }
        match open_again(&format!("/proc/self/fd/{}", stream.as_raw_fd())) {
            Ok(again) if isatty(&again) => Ok(Sink::Terminal(again)),
            Ok(again) => Ok(Sink::File(again)),
            Err(_) if !isatty(stream) => Ok(Sink::Asked(own)),
            Err(error) if !is_controlling(stream) => Err(unusable(error)),
            Err(_) => open_again("/dev/tty").map(Sink::Terminal).map_err(unusable),
        }
    }

    /// The same for a program that serves nobody else: where there is no other way, it may wait for
    /// whoever reads the stream.
    pub fn open_patiently(stream: BorrowedFd<'_>) -> io::Result<Sink> {
        Sink::open(stream).or_else(|_| Ok(Sink::Asked(stream.try_clone_to_owned()?)))
    }

    /// Writes as much as is taken at once.
    pub fn write(&mut self, bytes: &[u8]) -> Written {
        let result = match self {
            Sink::Terminal(terminal) if would_stop_us(terminal) => return Written::Blocked,
            Sink::File(file) | Sink::Terminal(file) => file.write(bytes),
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

fn open_again(path: &str) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new().write(true).custom_flags(flags.bits() as i32).open(path)
}

/// Whether this terminal is our controlling one: of any other the kernel does not tell the group in
/// the foreground (ENOTTY). One outside of our PID namespace is another error.
fn is_controlling(terminal: BorrowedFd<'_>) -> bool {
    !matches!(rustix::termios::tcgetpgrp(terminal), Err(Errno::NOTTY))
}

/// Whether a write would stop us: we are a job in the background, and it is `stty tostop`
/// (SIGTTOU). An orphaned job would be told that the terminal is gone (EIO).
fn would_stop_us(terminal: &File) -> bool {
    let in_background = match rustix::termios::tcgetpgrp(terminal) {
        Ok(foreground) => foreground != rustix::process::getpgrp(),
        Err(error) => error != Errno::NOTTY,
    };
    let stops = |modes: Termios| modes.local_modes.contains(LocalModes::TOSTOP);
    in_background && rustix::termios::tcgetattr(terminal).is_ok_and(stops)
}

fn unusable(error: io::Error) -> io::Error {
    let why = format!("a terminal that it may not open for itself ({error})");
    io::Error::new(error.kind(), why)
}

/// Says on a stream itself why [`Sink::open`] refuses it, if it takes that at once. To be called
/// before anybody is served.
///
/// For this one write the stream is non-blocking for all who share it: a moment, and never again.
pub fn tell_unusable(stream: BorrowedFd<'_>, what: &str, error: &io::Error) -> io::Result<()> {
    let words =
        format!("chinwag: {what} is not shown here, {error}; a pipe shows it: 2>&1 | cat\n");
    let flags = rustix::fs::fcntl_getfl(stream)?;
    rustix::fs::fcntl_setfl(stream, flags | OFlags::NONBLOCK)?;
    let said = rustix::io::write(stream, words.as_bytes());
    rustix::fs::fcntl_setfl(stream, flags)?;
    Ok(said.map(drop)?)
}

fn write_if_asked(stream: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    if !is_writable(stream)? {
        return Err(ErrorKind::WouldBlock.into());
    }
    Ok(rustix::io::write(stream, &bytes[..bytes.len().min(PIPE_BYTES)])?)
}

/// Whether a descriptor says that it can be written to now.
pub fn is_writable(stream: impl AsFd) -> io::Result<bool> {
    Ok(ready(stream, PollFlags::OUT)?.contains(PollFlags::OUT))
}
