//! Writing to a standard stream without ever waiting for its reader.
//!
//! Descriptors 0, 1 and 2 are shared with the shell and other programs, so `O_NONBLOCK` must not be
//! set on them. What is safe depends on what is behind them:
//!
//! - A terminal or a pipe is opened once more by its name in `/proc`, non-blocking, for this
//!   process alone.
//! - That fails if the terminal is another user's, or if there is no `/proc`. Then a controlling
//!   terminal is opened as `/dev/tty`, which every user may do.
//! - Any other terminal gets nothing. `poll(2)` does not help: a write to a terminal can block
//!   although it is reported writable.
//! - A terminal that would stop this process, as a background job, gets nothing either.
//! - A pipe that cannot be opened once more is polled before each write. When it is writable, it
//!   takes a small write.
//! - A socket cannot be opened once more, but `MSG_DONTWAIT` does the same for one call.
//! - A file never waits for a reader.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::termios::{LocalModes, Termios, isatty};

use super::ready;
use crate::stdio::backlog::Backlog;

/// How long to wait before trying a blocked stream again. No event tells when it takes something
/// again. A person who continues a stopped terminal sees no delay of this length.
pub const RETRY: Duration = Duration::from_millis(100);

/// What a pipe surely takes when it is reported writable (pipe(7)).
pub const PIPE_BYTES: usize = 4096;

/// A standard stream.
#[derive(Debug)]
pub enum Sink {
    /// A stream opened once more, non-blocking; or a file, which never waits for a reader.
    File(File),
    /// A terminal opened once more, non-blocking.
    Terminal(File),
    /// A socket: each call has a flag not to wait.
    Socket(OwnedFd),
    /// A stream that could not be opened once more: polled before each write, and given little.
    Asked(OwnedFd),
}

/// The result of one write.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    /// The stream took this many bytes.
    Bytes(usize),
    /// The stream takes nothing now: its reader does not read, or the disk is full.
    Blocked,
    /// The stream will take nothing any more.
    Closed,
}

/// The result of writing a whole backlog.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was written.
    All,
    /// The rest cannot be written now.
    Blocked,
    /// The rest can never be written, and was dropped.
    Closed,
}

/// Writes the backlog with `write`, until it is empty or the stream takes no more.
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
    /// Prepares the stream behind this descriptor. It is an error if a write to it could block.
    pub fn open(stream: BorrowedFd<'_>) -> io::Result<Sink> {
        let kind = FileType::from_raw_mode(rustix::fs::fstat(stream)?.st_mode);
        let own = stream.try_clone_to_owned()?;
        match kind {
            FileType::Socket => return Ok(Sink::Socket(own)),
            FileType::RegularFile => return Ok(Sink::File(File::from(own))),
            _ => {}
        }
        match open_again(&format!("/proc/self/fd/{}", stream.as_raw_fd()), OFlags::WRONLY) {
            Ok(again) if isatty(&again) => Ok(Sink::Terminal(again)),
            Ok(again) => Ok(Sink::File(again)),
            Err(_) if !isatty(stream) => Ok(Sink::Asked(own)),
            Err(error) if !is_controlling(stream) => Err(unusable(error)),
            Err(_) => open_again("/dev/tty", OFlags::WRONLY).map(Sink::Terminal).map_err(unusable),
        }
    }

    /// The same for a program that serves nobody else. Where nothing else is possible, it may wait
    /// for the reader.
    pub fn open_patiently(stream: BorrowedFd<'_>) -> io::Result<Sink> {
        Sink::open(stream).or_else(|_| Ok(Sink::Asked(stream.try_clone_to_owned()?)))
    }

    /// Writes what the stream takes at once.
    pub fn write(&mut self, bytes: &[u8]) -> Written {
        let result = match self {
            Sink::Terminal(terminal) if would_stop_us(terminal) => return Written::Blocked,
            Sink::File(file) | Sink::Terminal(file) => file.write(bytes),
            Sink::Socket(socket) => {
                // Rust ignores SIGPIPE from the beginning.
                rustix::net::send(&*socket, bytes, SendFlags::DONTWAIT).map_err(io::Error::from)
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

/// Opens a stream once more by its name, non-blocking, for reading or writing.
pub(super) fn open_again(name: &str, access: OFlags) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(name, access | flags, Mode::empty())?))
}

/// Whether this terminal is our controlling one. For any other, the kernel does not name the
/// foreground process group (ENOTTY). A foreground group outside of our PID namespace is another
/// error.
pub(super) fn is_controlling(terminal: BorrowedFd<'_>) -> bool {
    !matches!(rustix::termios::tcgetpgrp(terminal), Err(Errno::NOTTY))
}

/// Whether a write would stop us (SIGTTOU): we are a job in the background, and the terminal has
/// `stty tostop`. For an orphaned job such a write fails instead (EIO).
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

/// Writes on a stream why [`Sink::open`] refuses it, if the stream takes that at once. Call it
/// before any client is served.
///
/// For this one write the stream is non-blocking for all processes that share it: a moment, and
/// never again.
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

/// Whether a descriptor is reported writable now.
pub fn is_writable(stream: impl AsFd) -> io::Result<bool> {
    Ok(ready(stream, PollFlags::OUT)?.contains(PollFlags::OUT))
}
