//! A client that does one thing after another, and waits for the result of each.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

use crate::stress::{Fault, Outcome};

/// How long a read waits before the time is checked again.
const READ_TIME: Duration = Duration::from_millis(10);

/// The receive buffer of a client that is not meant to read.
const NARROW_BUFFER_BYTES: usize = 4096;

/// One client.
#[derive(Debug)]
pub struct Peer {
    socket: TcpStream,
    heard: Vec<u8>,
}

impl Peer {
    /// Connects from 127.0.0.1.
    pub fn connect(address: SocketAddr) -> Outcome<Peer> {
        Peer::connect_from(Ipv4Addr::LOCALHOST, address)
    }

    /// Connects from another address of this machine.
    pub fn connect_from(source: Ipv4Addr, address: SocketAddr) -> Outcome<Peer> {
        Peer::with(&|socket| socket.bind(&SocketAddr::from((source, 0)).into()), address)
    }

    /// Connects, with little room for what it does not read.
    pub fn connect_narrow(address: SocketAddr) -> Outcome<Peer> {
        Peer::with(&|socket| socket.set_recv_buffer_size(NARROW_BUFFER_BYTES), address)
    }

    fn with(
        prepare: &dyn Fn(&Socket) -> std::io::Result<()>,
        address: SocketAddr,
    ) -> Outcome<Peer> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        prepare(&socket)?;
        socket.connect(&address.into())?;
        socket.set_tcp_nodelay(true)?;
        socket.set_read_timeout(Some(READ_TIME))?;
        Ok(Peer { socket: socket.into(), heard: Vec::new() })
    }

    /// Waits for its welcome and for the notice that it joined.
    pub fn enter(mut self) -> Outcome<Peer> {
        self.hear("* welcome, you are ")?;
        self.hear(" joined\n")?;
        Ok(self)
    }

    /// Sends these words.
    pub fn say(&mut self, words: impl AsRef<[u8]>) -> Outcome<()> {
        Ok(self.socket.write_all(words.as_ref())?)
    }

    /// Half-closes: sends nothing more.
    pub fn half_close(&self) -> Outcome<()> {
        Ok(self.socket.shutdown(Shutdown::Write)?)
    }

    /// Waits for these words, and returns what came before them.
    pub fn hear(&mut self, words: &str) -> Outcome<String> {
        self.hear_within(words, crate::stress::PATIENCE)
    }

    /// The same, with another limit of time than usual.
    pub fn hear_within(&mut self, words: &str, time: Duration) -> Outcome<String> {
        let until = Instant::now() + time;
        let mut looked_at: usize = 0;
        loop {
            let from = looked_at.saturating_sub(words.len());
            if let Some(at) = memchr::memmem::find(&self.heard[from..], words.as_bytes()) {
                let rest = self.heard.split_off(from + at + words.len());
                let before = std::mem::replace(&mut self.heard, rest);
                return Ok(String::from_utf8_lossy(&before[..from + at]).into_owned());
            }
            looked_at = self.heard.len();
            if !self.read()? {
                return Err(Fault(format!("the server closed a client before {words:?}")).into());
            }
            if Instant::now() > until {
                let seconds = time.as_secs_f64();
                return Err(Fault(format!("no {words:?} for {seconds:.0} s")).into());
            }
        }
    }

    /// Waits at most this long until the server ends its side.
    pub fn hear_the_end(&mut self, time: Duration) -> Outcome<()> {
        let until = Instant::now() + time;
        while self.read()? {
            if Instant::now() > until {
                return Err(Fault("a conversation does not end".to_owned()).into());
            }
        }
        Ok(())
    }

    /// Reads what is there or comes within a moment; `false` at the end.
    fn read(&mut self) -> Outcome<bool> {
        let mut scratch = [0; 65536];
        match self.socket.read(&mut scratch) {
            Ok(0) => return Ok(false),
            Ok(bytes) => self.heard.extend_from_slice(&scratch[..bytes]),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                _ => return Err(error.into()),
            },
        }
        Ok(true)
    }

    /// Sends a byte now and then until the server has closed its end, for at most this long.
    pub fn send_until_closed(&mut self, time: Duration) -> Outcome<()> {
        let until = Instant::now() + time;
        loop {
            match self.socket.write(b".") {
                Ok(_) if Instant::now() > until => {
                    return Err(Fault("the server reads on and on".to_owned()).into());
                }
                Ok(_) => std::thread::sleep(READ_TIME),
                Err(error) => {
                    let errors = [Errno::PIPE, Errno::CONNRESET].map(Errno::raw_os_error);
                    let is_closed = error.raw_os_error().is_some_and(|it| errors.contains(&it));
                    return if is_closed { Ok(()) } else { Err(error.into()) };
                }
            }
        }
    }
}
