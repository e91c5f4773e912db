//! What is typed at the server's own terminal: the host talks.
//!
//! The host is a client of the hub like any other, and an operator. It sits at the other end of a
//! pair of sockets, and this file copies between the two. It is let in when the first line is
//! typed, so a server where nobody types has no such client. It is let in again after `/quit`.
//!
//! Standard output shows the conversation already, so the host asks for replies only. They stand
//! among the lines there ([`super::console`]). What was typed is shown twice, as with nc: as the
//! terminal echoes it, and as all read it.
//!
//! Nothing here waits. If the hub reads no more, the terminal is not read. If standard output takes
//! no more, the replies stay in the socket. This file knows no poll.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use crate::stdio::backlog::Backlog;
use crate::stdio::keyboard::{Keyboard, Typed};
use crate::words::notice::Notice;

/// At most this much is typed ahead of the hub: a terminal keeps no longer line.
const TYPED_BYTES_MAX: usize = 4096;

/// What asks the hub for replies only.
const ASK_FOR_REPLIES: &[u8] = b"/replies\n";

/// The terminal, and the host's end of its connection.
#[derive(Debug)]
pub struct Typing {
    /// `None` once the typing has ended.
    keyboard: Option<Keyboard>,
    /// `None` while the host is not there.
    host: Option<Host>,
    /// What was typed and the hub has not taken.
    typed: Backlog,
    /// There may be something to do: an event came, or standard output was full.
    is_due: bool,
}

#[derive(Debug)]
struct Host {
    socket: UnixStream,
    /// What the hub has sent, without the lines that were passed on.
    received: Vec<u8>,
    /// The hub sends replies only from here on.
    is_confirmed: bool,
}

impl Typing {
    /// Prepares to read the terminal of standard input; `None` if there is none.
    pub fn open(stdin: BorrowedFd<'_>) -> Option<Typing> {
        let keyboard = Some(Keyboard::open(stdin)?);
        Some(Typing { keyboard, host: None, typed: Backlog::default(), is_due: true })
    }

    /// The terminal, to be watched.
    pub fn keyboard(&self) -> Option<RawFd> {
        self.keyboard.as_ref().map(Keyboard::as_raw_fd)
    }

    /// Notes an event of the terminal or of the host's socket.
    pub fn note(&mut self) {
        self.is_due = true;
    }

    /// Whether there may be something to do.
    pub fn is_due(&self) -> bool {
        self.is_due
    }

    /// Whether the typing has ended, and all that belongs to it.
    pub fn is_over(&self) -> bool {
        self.keyboard.is_none() && self.host.is_none() && self.typed.is_empty()
    }

    /// Reads what was typed. Returns whether that was the end.
    pub fn read_keyboard(&mut self) -> bool {
        let mut page = [0; TYPED_BYTES_MAX];
        while self.typed.len() < TYPED_BYTES_MAX
            && let Some(keyboard) = &mut self.keyboard
        {
            match keyboard.read(&mut page) {
                Typed::Bytes(bytes) => self.typed.end().extend_from_slice(&page[..bytes]),
                Typed::NotNow => break,
                Typed::Ended => {
                    self.keyboard = None;
                    return true;
                }
            }
        }
        let is_blank = self.typed.rest().iter().all(u8::is_ascii_whitespace);
        if self.host.is_none() && is_blank {
            // Enter alone says nothing, and brings nobody in.
            self.typed.clear();
        }
        false
    }

    /// Whether something was typed, and the host is not there to say it.
    pub fn wants_host(&self) -> bool {
        self.host.is_none() && !self.typed.is_empty()
    }

    /// Makes the host's connection. Returns the hub's end; watch the own one.
    pub fn connect(&mut self) -> io::Result<(OwnedFd, RawFd)> {
        let (socket, hubs) = UnixStream::pair()?;
        socket.set_nonblocking(true)?;
        hubs.set_nonblocking(true)?;
        let watched = socket.as_raw_fd();
        let typed = [ASK_FOR_REPLIES, self.typed.rest()].concat();
        self.typed.clear();
        self.typed.end().extend_from_slice(&typed);
        self.host = Some(Host { socket, received: Vec::new(), is_confirmed: false });
        Ok((hubs.into(), watched))
    }

    /// Drops what was typed, since the hub cannot have it.
    pub fn give_up(&mut self) {
        self.host = None;
        self.typed.clear();
    }

    /// Passes on what was typed and, if they can be shown, the replies. Returns these.
    pub fn pass_on(&mut self, may_show: bool) -> Vec<u8> {
        self.is_due = !may_show;
        let Some(host) = &mut self.host else { return Vec::new() };
        let has_typed = host.say(&mut self.typed);
        if has_typed && self.keyboard.is_none() {
            // The hub ends its side when all is said; a failure says that it has.
            host.socket.shutdown(Shutdown::Write).unwrap_or_default();
        }
        if !may_show {
            return Vec::new();
        }
        let has_ended = host.receive();
        let replies = host.take_replies();
        if has_ended {
            self.host = None;
            // What was typed meanwhile is for the next one.
            self.is_due = !self.typed.is_empty();
        }
        replies
    }
}

impl Host {
    /// Sends what was typed; returns whether that is all of it.
    fn say(&mut self, typed: &mut Backlog) -> bool {
        while !typed.is_empty() {
            match self.socket.write(typed.rest()) {
                Ok(bytes) => typed.took(bytes),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A full socket is an event once it has room; a closed one is read as ended.
                Err(_) => return false,
            }
        }
        true
    }

    /// Reads what the hub has sent; returns whether it has closed the connection. That is no more
    /// than the socket holds: the hub is of this thread, and sends nothing meanwhile.
    fn receive(&mut self) -> bool {
        let mut page = [0; 4096];
        loop {
            match self.socket.read(&mut page) {
                Ok(0) => return true,
                Ok(bytes) => self.received.extend_from_slice(&page[..bytes]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return error.kind() != ErrorKind::WouldBlock,
            }
        }
    }

    /// The whole lines that were received since the hub has confirmed.
    fn take_replies(&mut self) -> Vec<u8> {
        let end = self.received.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let mut lines: Vec<u8> = self.received.drain(..end).collect();
        while !self.is_confirmed && !lines.is_empty() {
            let end = lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |at| at + 1);
            let line: Vec<u8> = lines.drain(..end).collect();
            self.is_confirmed = is_confirmation(&line);
        }
        lines
    }
}

fn is_confirmation(line: &[u8]) -> bool {
    let words = str::from_utf8(line).ok().and_then(|line| line.strip_prefix("* "));
    matches!(words.and_then(|words| Notice::read(words.trim_end())), Some(Notice::RepliesOnly))
}
