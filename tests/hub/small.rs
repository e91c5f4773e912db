//! A few clients in a hub, on pipes that a test fills by hand, at times that it chooses.

use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use chinwag::config::Config;
use chinwag::hub::admit::Entrance;
use chinwag::hub::client::Socket;
use chinwag::hub::{Hub, Wait};
use chinwag::room::LOBBY;
use rustix::io::Errno;

/// While time passes, the hub is called this often.
const STEP: Duration = Duration::from_millis(50);

/// After this many turns at one moment the hub does not wait, it spins. No test needs as many.
const TURNS_MAX: usize = 10_000;

/// One connection, as its kernel sees it.
#[derive(Debug, Default)]
pub struct Pipe {
    sent: Vec<u8>,
    read: usize,
    /// The client has ended its side.
    pub ended: bool,
    /// The error of every read and write, once nothing is left to read.
    pub broken: Option<Errno>,
    /// The error of the next write and of the next read.
    pub write_fails: Option<Errno>,
    pub read_fails: Option<Errno>,
    /// How many bytes the client takes; all if `None`. Note the socket when there is room again.
    pub room: Option<usize>,
    pub received: Vec<u8>,
    pub closed: bool,
}

/// The server's end of a pipe.
#[derive(Debug)]
pub struct PipeEnd(Rc<RefCell<Pipe>>);

impl Read for PipeEnd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let pipe = &mut *self.0.borrow_mut();
        if let Some(errno) = pipe.read_fails.take() {
            return Err(errno.into());
        }
        match ((&pipe.sent[pipe.read..]).read(buffer)?, pipe.broken) {
            (0, Some(errno)) => Err(errno.into()),
            (0, None) if !pipe.ended => Err(ErrorKind::WouldBlock.into()),
            (bytes, _) => {
                pipe.read += bytes;
                Ok(bytes)
            }
        }
    }
}

impl Write for PipeEnd {
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write(&slices.iter().flat_map(|slice| slice.iter().copied()).collect::<Vec<u8>>())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let pipe = &mut *self.0.borrow_mut();
        if let Some(errno) = pipe.write_fails.take().or(pipe.broken) {
            return Err(errno.into());
        }
        let taken = bytes.len().min(pipe.room.unwrap_or(usize::MAX));
        if taken == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        pipe.room = pipe.room.map(|room| room - taken);
        pipe.received.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for PipeEnd {
    fn shut_down_write(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn reset_on_close(&mut self) {}
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        self.0.borrow_mut().closed = true;
    }
}

/// One client: its pipe, and its key in the hub.
#[derive(Clone)]
pub struct Seat {
    pub pipe: Rc<RefCell<Pipe>>,
    key: usize,
}

impl Seat {
    /// All that the client got since the last time.
    pub fn take_text(&self) -> String {
        String::from_utf8(self.take_bytes()).unwrap()
    }

    /// The same as bytes: the client may be telnet.
    pub fn take_bytes(&self) -> Vec<u8> {
        std::mem::take(&mut self.pipe.borrow_mut().received)
    }
}

/// The hub and the present moment.
pub struct Small {
    pub hub: Hub<PipeEnd>,
    pub now: Instant,
}

impl Small {
    pub fn new(config: Config) -> Small {
        let now = Instant::now();
        Small { hub: Hub::new(config, 1000, now), now }
    }

    /// A hub that welcomes at once, and two clients that have read their join notices: `guest1` and
    /// `guest2`.
    pub fn with_two(config: Config) -> (Small, [Seat; 2]) {
        let mut small = Small::new(Config { greeting: Duration::ZERO, ..config });
        let two = [small.connect(1), small.connect(2)];
        two.iter().for_each(|seat| _ = seat.take_text());
        (small, two)
    }

    /// A client from the address 10.0.0.`last` connects.
    pub fn connect(&mut self, last: u8) -> Seat {
        self.connect_by(Entrance::to(LOBBY), last)
    }

    /// The same at this entrance.
    pub fn connect_by(&mut self, entrance: Entrance, last: u8) -> Seat {
        self.connect_from(SocketAddr::from(([10, 0, 0, last], 1000)), entrance)
    }

    /// An operator connects to the control socket.
    pub fn control(&mut self) -> Seat {
        let entrance = Entrance { is_control: true, ..Entrance::to(LOBBY) };
        self.connect_from(SocketAddr::from(([0; 4], 0)), entrance)
    }

    /// A client connects from this address, by this entrance.
    pub fn connect_from(&mut self, address: SocketAddr, entrance: Entrance) -> Seat {
        let seat = self.connect_later_from(address, entrance);
        self.turns();
        seat
    }

    /// A client from the address 10.0.0.`last` connects; the next turn finds it.
    pub fn connect_later(&mut self, last: u8) -> Seat {
        self.connect_later_from(SocketAddr::from(([10, 0, 0, last], 1000)), Entrance::to(LOBBY))
    }

    /// The same from this address, by this entrance.
    pub fn connect_later_from(&mut self, address: SocketAddr, entrance: Entrance) -> Seat {
        let pipe = Rc::new(RefCell::new(Pipe::default()));
        let key = self.hub.next_key();
        self.hub.admit(PipeEnd(Rc::clone(&pipe)), address, entrance, self.now);
        Seat { pipe, key }
    }

    /// The server's own terminal.
    pub fn host(&mut self) -> Seat {
        let pipe = Rc::new(RefCell::new(Pipe::default()));
        let key = self.hub.next_key();
        self.hub.admit_host(PipeEnd(Rc::clone(&pipe)), self.now);
        self.turns();
        Seat { pipe, key }
    }

    /// A client sends these bytes.
    pub fn say(&mut self, seat: &Seat, bytes: impl AsRef<[u8]>) {
        self.say_later(seat, bytes);
        self.turns();
    }

    /// The same; the next turn finds them.
    pub fn say_later(&mut self, seat: &Seat, bytes: impl AsRef<[u8]>) {
        seat.pipe.borrow_mut().sent.extend_from_slice(bytes.as_ref());
        self.hub.note(seat.key, true, false, self.now);
    }

    /// A client ends its side.
    pub fn end(&mut self, seat: &Seat) {
        self.end_later(seat);
        self.note(seat);
    }

    /// The same; the next turn finds it.
    pub fn end_later(&mut self, seat: &Seat) {
        seat.pipe.borrow_mut().ended = true;
        self.hub.note(seat.key, true, false, self.now);
    }

    /// Something has happened to the socket of a client.
    pub fn note(&mut self, seat: &Seat) {
        if !seat.pipe.borrow().closed {
            self.hub.note(seat.key, true, true, self.now);
        }
        self.turns();
    }

    /// Lets time pass.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now = (self.now + STEP).min(end);
            self.turns();
        }
    }

    /// One turn, as the server calls it.
    pub fn turn(&mut self) {
        self.hub.note_time(self.now);
        self.hub.listen(self.now);
        self.hub.release(self.now, drop);
        self.hub.speak(self.now);
    }

    /// Turns until there is nothing to do at this moment.
    pub fn turns(&mut self) {
        for _ in 0..TURNS_MAX {
            self.turn();
            if !self.is_due() {
                return;
            }
        }
        panic!("after {TURNS_MAX} turns at one moment: {:?}", self.hub.wait());
    }

    fn is_due(&self) -> bool {
        match self.hub.wait() {
            Wait::No => true,
            Wait::Until(at) => at <= self.now,
            Wait::Forever => false,
        }
    }

    /// All that is in the window.
    pub fn said(&self) -> String {
        let transcript = self.hub.transcript();
        String::from_utf8(transcript.text(transcript.tail(), transcript.head())).unwrap()
    }
}

/// What `guest1` has sent, however it was split into messages. No other client has sent anything.
pub fn all_said(heard: &str) -> String {
    heard.lines().map(|line| line.strip_prefix("guest1: ").unwrap()).collect()
}
