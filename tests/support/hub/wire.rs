//! A socket without a kernel: what a client has sent and taken, and every way in which a call may
//! end.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

use chinwag::hub::client::Socket;
use rustix::io::Errno;

use super::browser::Browser;
use super::random::Random;
use super::visiting::Visitor;

/// Both ends of one connection, and the events that a kernel would report.
#[derive(Debug)]
pub struct Wire {
    /// Sent by the client, not read by the server.
    pub incoming: VecDeque<u8>,
    /// The client has ended its side.
    pub eof: bool,
    /// The client has reset the connection.
    pub reset: bool,
    /// The server has read the end or the reset; a test may take this back.
    pub told_over: bool,
    /// The server has read that the connection is reset.
    pub told_reset: bool,
    /// How many bytes the connection takes before it is full.
    pub room: usize,
    /// All that the client has received; of a browser the lines in it.
    pub received: Vec<u8>,
    /// What a browser puts around its words.
    pub browser: Option<Browser>,
    /// What a client of HTTP wants, and what it was answered.
    pub visitor: Option<Visitor>,
    /// The client has sent something.
    pub has_spoken: bool,
    /// The server has ended its side.
    pub shut: bool,
    /// The server has closed its socket; `Some(true)` if by a reset.
    pub closed: Option<bool>,
    reset_on_close: bool,
    /// There is an event to report.
    pub edge_readable: bool,
    pub edge_writable: bool,
    /// A write was refused: an event comes when there is room.
    blocked: bool,
    /// The last write that reached the peer was refused, whether there is room by now or not.
    pub last_was_refused: bool,
    /// Calls are cut short and interrupted at random.
    pub faulty: bool,
    /// But not two writes in a row: the client takes all it is offered, if not at the first try.
    pub takes_all: bool,
    /// The last write was cut short or interrupted.
    fell_short: bool,
    random: Random,
}

impl Wire {
    pub fn new(random: Random, faulty: bool) -> Wire {
        Wire {
            incoming: VecDeque::new(),
            eof: false,
            reset: false,
            told_over: false,
            told_reset: false,
            room: usize::MAX,
            received: Vec::new(),
            browser: None,
            visitor: None,
            has_spoken: false,
            shut: false,
            closed: None,
            reset_on_close: false,
            edge_readable: false,
            edge_writable: true,
            blocked: false,
            last_was_refused: false,
            faulty,
            takes_all: false,
            fell_short: false,
            random,
        }
    }

    /// A browser opens a WebSocket on it.
    pub fn open_browser(&mut self) {
        let browser = self.browser.insert(Browser::default());
        self.incoming.extend(browser.opens());
        (self.edge_readable, self.has_spoken) = (true, true);
    }

    pub fn send(&mut self, bytes: &[u8]) {
        match &mut self.browser {
            Some(browser) => self.incoming.extend(browser.says(bytes)),
            None => self.incoming.extend(bytes),
        }
        self.edge_readable = true;
        self.has_spoken |= !bytes.is_empty();
    }

    pub fn end(&mut self) {
        if let Some(browser) = &mut self.browser {
            self.incoming.extend(browser.ends());
        }
        self.eof = true;
        self.edge_readable = true;
    }

    pub fn break_down(&mut self) {
        self.reset = true;
        (self.edge_readable, self.edge_writable) = (true, true);
    }

    pub fn take(&mut self, room: usize) {
        self.room = room;
        if room > 0 && self.blocked {
            self.blocked = false;
            self.edge_writable = true;
        }
    }

    fn interrupted(&mut self) -> io::Result<()> {
        match self.faulty && self.random.one_in(12) {
            true => Err(ErrorKind::Interrupted.into()),
            false => Ok(()),
        }
    }

    /// The kernel has no memory for this socket now, and no event comes when it has.
    fn short_of_memory(&mut self) -> io::Result<()> {
        let errno = if self.random.one_in(2) { Errno::NOBUFS } else { Errno::NOMEM };
        match self.faulty && self.random.one_in(40) {
            true => Err(errno.into()),
            false => Ok(()),
        }
    }

    fn cut(&mut self, bytes: usize) -> usize {
        match self.faulty && bytes > 1 && self.random.one_in(2) {
            true => 1 + self.random.below(bytes - 1),
            false => bytes,
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupted()?;
        self.short_of_memory()?;
        if self.incoming.is_empty() && self.reset {
            (self.told_over, self.told_reset) = (true, true);
            return Err(ErrorKind::ConnectionReset.into());
        }
        if self.incoming.is_empty() && !self.eof {
            return Err(ErrorKind::WouldBlock.into());
        }
        let most = self.cut(buffer.len().min(self.incoming.len()));
        self.told_over |= most == 0;
        for (to, byte) in buffer.iter_mut().zip(self.incoming.drain(..most)) {
            *to = byte;
        }
        Ok(most)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(!self.shut, "written to after the goodbye");
        assert!(!bytes.is_empty(), "a write of nothing");
        let may_fall_short = !(self.takes_all && std::mem::take(&mut self.fell_short));
        if may_fall_short {
            let tried = self.interrupted();
            self.fell_short = tried.is_err();
            tried?;
        }
        if self.reset {
            self.told_reset = true;
            return Err(ErrorKind::BrokenPipe.into());
        }
        if !self.takes_all {
            self.short_of_memory()?;
        }
        self.last_was_refused = self.room == 0;
        if self.last_was_refused {
            self.blocked = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        let room = bytes.len().min(self.room);
        let most = if may_fall_short { self.cut(room) } else { room };
        self.fell_short = most < room;
        match (&mut self.browser, &mut self.visitor) {
            (Some(browser), _) => browser.gets(&bytes[..most], &mut self.received),
            (_, Some(visitor)) => visitor.gets(&bytes[..most], &mut self.received),
            _ => self.received.extend_from_slice(&bytes[..most]),
        }
        if self.room != usize::MAX {
            self.room -= most;
        }
        Ok(most)
    }
}

/// The server's end of a wire. It may be dropped in the step `release` only.
#[derive(Debug)]
pub struct FakeSocket {
    pub wire: Rc<RefCell<Wire>>,
    pub releasing: Rc<Cell<bool>>,
}

impl Read for FakeSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wire.borrow_mut().read(buffer)
    }
}

impl Write for FakeSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wire.borrow_mut().write(bytes)
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.write(&bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for FakeSocket {
    fn shut_down_write(&mut self) -> io::Result<()> {
        let mut wire = self.wire.borrow_mut();
        match wire.reset {
            true => Err(ErrorKind::NotConnected.into()),
            false => {
                wire.shut = true;
                Ok(())
            }
        }
    }

    fn reset_on_close(&mut self) {
        self.wire.borrow_mut().reset_on_close = true;
    }
}

impl Drop for FakeSocket {
    fn drop(&mut self) {
        assert!(self.releasing.get() || std::thread::panicking(), "freed outside of release");
        let mut wire = self.wire.borrow_mut();
        wire.closed = Some(wire.reset_on_close);
    }
}
