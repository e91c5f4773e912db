//! What the client waits for: the server's socket, its own input, signals.
//!
//! This is the only file of the client that knows mio. Everything is watched edge-triggered, so
//! what is ready is remembered here until a read or write has said that it is not. It never knows
//! what is said or typed.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use signal_hook_mio::v1_0::Signals;
use socket2::{SockRef, TcpKeepalive};

const SERVER: Token = Token(0);
const INPUT: Token = Token(1);
const SIGNALS: Token = Token(2);

/// There are three things to happen.
const EVENTS_MAX: usize = 8;

/// A server that is silent for so long is asked whether it is still there, so often more, and given
/// up when it has left four questions unanswered, as the server does with its clients. A person
/// wants to know, and a network forgets a silent connection after minutes.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(20);
const KEEPALIVE_PROBES: u32 = 3;

/// What was sent is acknowledged within this time, or the connection is gone.
const USER_TIMEOUT: Duration = Duration::from_secs(125);

/// How much the kernel is to keep for the server (SO_SNDBUF): little, since what it has cannot be
/// taken back. A line of 4096 bytes fits.
const SEND_BYTES: usize = 8 * 1024;

/// What became of a read.
#[derive(Debug)]
pub enum Received {
    /// So many bytes came.
    Bytes(usize),
    /// There is nothing now.
    NotYet,
    /// The server has ended its side.
    Ended,
    /// The connection is broken.
    Lost(io::Error),
}

/// Where an attempt to connect stands.
#[derive(Debug)]
pub enum Reached {
    /// It is under way.
    NotYet,
    /// There is a connection.
    Yes,
    /// There will be none.
    No(io::Error),
}

/// All that is watched.
pub struct Watch {
    poll: Poll,
    events: Events,
    signals: Option<Signals>,
    server: Option<TcpStream>,
    server_readable: bool,
    server_writable: bool,
    input_readable: bool,
    /// The input is one that cannot be watched, such as a file: it always has something.
    input_always: bool,
}

impl Watch {
    /// Nothing is watched yet.
    pub fn new() -> io::Result<Watch> {
        Ok(Watch {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_MAX),
            signals: None,
            server: None,
            server_readable: false,
            server_writable: false,
            input_readable: false,
            input_always: false,
        })
    }

    /// From now on these signals do nothing by themselves; [`Watch::signals`] tells of them.
    pub fn catch_signals(&mut self, which: &[i32]) -> io::Result<()> {
        let mut signals = Signals::new(which)?;
        self.poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
        self.signals = Some(signals);
        Ok(())
    }

    /// The signals that came since this was asked last.
    pub fn signals(&mut self) -> Vec<i32> {
        self.signals.as_mut().map_or(Vec::new(), |signals| signals.pending().collect())
    }

    /// Watches where the input comes from.
    pub fn watch_input(&mut self, input: &impl AsRawFd) -> io::Result<()> {
        let descriptor = input.as_raw_fd();
        let watched =
            self.poll.registry().register(&mut SourceFd(&descriptor), INPUT, Interest::READABLE);
        self.input_readable = true;
        match watched {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                self.input_always = true;
                Ok(())
            }
            other => other,
        }
    }

    /// Whether it may be worth reading the input.
    pub fn input_may_have_more(&self) -> bool {
        self.input_readable
    }

    /// The input has said that it has nothing now.
    pub fn input_had_nothing(&mut self) {
        self.input_readable = self.input_always;
    }

    /// Waits until something happens, or for so long.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => self.events.clear(),
            Err(error) => return Err(error),
        }
        for event in &self.events {
            let broken = event.is_error();
            match event.token() {
                SERVER => {
                    self.server_readable |= event.is_readable() || event.is_read_closed() || broken;
                    self.server_writable |=
                        event.is_writable() || event.is_write_closed() || broken;
                }
                INPUT => self.input_readable = true,
                _ => {}
            }
        }
        Ok(())
    }

    /// Begins to connect; [`Watch::reached`] says what became of it.
    pub fn connect(&mut self, address: SocketAddr) -> io::Result<()> {
        self.hang_up();
        let mut server = TcpStream::connect(address)?;
        let interests = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut server, SERVER, interests)?;
        let socket = SockRef::from(&server);
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER);
        let keepalive = keepalive.with_interval(KEEPALIVE_EVERY).with_retries(KEEPALIVE_PROBES);
        socket.set_tcp_keepalive(&keepalive)?;
        socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
        socket.set_tcp_nodelay(true)?;
        socket.set_send_buffer_size(SEND_BYTES)?;
        self.server = Some(server);
        Ok(())
    }

    /// Whether there is a connection by now; to be asked when something has happened.
    pub fn reached(&mut self) -> Reached {
        let Some(server) = self.server.as_ref().filter(|_| self.server_writable) else {
            return Reached::NotYet;
        };
        match server.take_error() {
            Ok(Some(error)) | Err(error) => return Reached::No(error),
            Ok(None) => {}
        }
        match server.peer_addr().and_then(|peer| Ok((server.local_addr()?, peer))) {
            Ok((local, peer)) if is_itself(local, peer) => {
                // Nothing of it may stay: the server wants the port.
                SockRef::from(server).set_linger(Some(Duration::ZERO)).unwrap_or_default();
                self.hang_up();
                Reached::No(ErrorKind::ConnectionRefused.into())
            }
            Ok(_) => Reached::Yes,
            Err(error) if error.kind() == ErrorKind::NotConnected => Reached::NotYet,
            Err(error) => Reached::No(error),
        }
    }

    /// Whether [`Watch::receive`] may have something.
    pub fn may_receive(&self) -> bool {
        self.server_readable
    }

    /// Reads from the server.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Received {
        let Some(server) = self.server.as_mut().filter(|_| self.server_readable) else {
            return Received::NotYet;
        };
        match server.read(buffer) {
            Ok(0) => Received::Ended,
            Ok(bytes) => Received::Bytes(bytes),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => {
                    self.server_readable = false;
                    Received::NotYet
                }
                ErrorKind::Interrupted => Received::NotYet,
                _ => Received::Lost(error),
            },
        }
    }

    /// Sends what the socket takes now; how many bytes. An error is the end of the connection.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut sent = 0;
        while let Some(server) = self.server.as_mut().filter(|_| self.server_writable) {
            if sent == bytes.len() {
                break;
            }
            match server.write(&bytes[sent..]) {
                Ok(taken) => sent += taken,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => self.server_writable = false,
                    ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
        Ok(sent)
    }

    /// Tells the server that nothing more will be sent. One that has gone already will be noticed
    /// by reading.
    pub fn end_sending(&mut self) {
        if let Some(server) = &self.server {
            server.shutdown(Shutdown::Write).unwrap_or_default();
        }
    }

    /// Closes the connection.
    pub fn hang_up(&mut self) {
        if let Some(mut server) = self.server.take() {
            // Closing it does the same, so a failure has no consequence.
            self.poll.registry().deregister(&mut server).unwrap_or_default();
        }
        (self.server_readable, self.server_writable) = (false, false);
    }
}

/// Whether a connection leads to where it comes from. Where no server listens on this machine, the
/// kernel may choose the server's port for our end, and then TCP opens both ends at once (RFC 9293,
/// section 3.5): nobody is there, and the server cannot start.
fn is_itself(local: SocketAddr, peer: SocketAddr) -> bool {
    local == peer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_to_its_own_end_is_to_nobody() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let local = address("127.0.0.1:50005");
        assert!(is_itself(local, local));
        for peer in ["127.0.0.1:50006", "127.0.0.2:50005", "[::1]:50005"] {
            assert!(!is_itself(local, address(peer)), "{peer}");
        }
    }
}
