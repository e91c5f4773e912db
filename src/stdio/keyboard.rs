//! Reading the terminal of standard input, without ever waiting and only in the foreground.
//!
//! Descriptor 0 is shared with the shell, so `O_NONBLOCK` must not be set on it: the terminal is
//! opened once more, as [`super::sink`] does. A job in the background leaves what is typed to the
//! shell. If it is sent there between the question and the read, the kernel would stop it
//! (SIGTTIN). That signal is blocked, which for a read is the same as ignored: it fails with EIO.
//! This file does not know what is typed.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use nix::sys::signal::{SigSet, Signal};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::termios::isatty;

use super::sink::{is_controlling, open_again};

/// The controlling terminal of this process.
#[derive(Debug)]
pub struct Keyboard {
    terminal: File,
}

/// The result of one read.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// This many bytes were typed.
    Bytes(usize),
    /// Nothing, or it is typed for another job.
    NotNow,
    /// Ctrl-D at the beginning of a line, or the terminal is gone.
    Ended,
}

impl Keyboard {
    /// Opens the terminal behind this descriptor; `None` if that is no terminal, or not our
    /// controlling one: then nothing says for which process it is typed.
    pub fn open(stdin: BorrowedFd<'_>) -> Option<Keyboard> {
        if !isatty(stdin) || !is_controlling(stdin) {
            return None;
        }
        let mut ttin = SigSet::empty();
        ttin.add(Signal::SIGTTIN);
        ttin.thread_block().ok()?;
        let own = format!("/proc/self/fd/{}", stdin.as_raw_fd());
        // Of another user's terminal only this name can be opened.
        let names = [own.as_str(), "/dev/tty"];
        let terminal = names.into_iter().find_map(|name| open_again(name, OFlags::RDONLY).ok())?;
        Some(Keyboard { terminal })
    }

    /// Reads what was typed. Call it again after the next event of the terminal. While a job in the
    /// background comes to the foreground, that is the event of the next line.
    pub fn read(&mut self, buffer: &mut [u8]) -> Typed {
        loop {
            if !self.is_in_foreground() {
                return Typed::NotNow;
            }
            match self.terminal.read(buffer) {
                Ok(0) => return Typed::Ended,
                Ok(bytes) => return Typed::Bytes(bytes),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_not_now(&error) => return Typed::NotNow,
                Err(_) => return Typed::Ended,
            }
        }
    }

    fn is_in_foreground(&self) -> bool {
        let foreground = rustix::termios::tcgetpgrp(&self.terminal);
        foreground.is_ok_and(|group| group == rustix::process::getpgrp())
    }
}

impl AsRawFd for Keyboard {
    fn as_raw_fd(&self) -> RawFd {
        self.terminal.as_raw_fd()
    }
}

fn is_not_now(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::AGAIN | Errno::IO))
}
