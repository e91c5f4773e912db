//! The events that the client waits for: the server's socket, its own input, signals.
//!
//! This is the only file of the client that knows mio. All sources are edge-triggered. So this file
//! remembers that a source is ready until a read or write would block. It never knows what is sent
//! or typed.

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

/// There are only three sources.
const EVENTS_MAX: usize = 8;

/// The keepalive. A server that is silent for this long is probed, and then three times more. After
/// four probes without an answer the client gives it up, as the server does with its clients. The
/// user wants to know, and a network forgets a silent connection after minutes.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(20);
const KEEPALIVE_PROBES: u32 = 3;

/// If sent bytes are not acknowledged within this time, the connection is lost.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(125);

/// The kernel's send buffer (SO_SNDBUF). It is small, because the user cannot take back what it
/// has. A line of 4096 bytes fits.
const SEND_BYTES: usize = 8 * 1024;

/// All that is watched.
pub struct Watch {
    poll: Poll,
    events: Events,
    signals: Option<Signals>,
    server: Option<TcpStream>,
    /// Whether [`Watch::receive`] may have something.
    pub server_readable: bool,
    /// Whether a read of the input may return something. Clear it when a read would block.
    pub input_readable: bool,
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
            input_readable: false,
        })
    }

    /// Catches these signals from now on. [`Watch::signals`] returns them.
    pub fn catch_signals(&mut self, which: &[i32]) -> io::Result<()> {
        let mut signals = Signals::new(which)?;
        self.poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
        self.signals = Some(signals);
        Ok(())
    }

    /// The signals that came since the last call.
    pub fn signals(&mut self) -> Vec<i32> {
        self.signals.as_mut().map_or(Vec::new(), |signals| signals.pending().collect())
    }

    /// Watches the input.
    pub fn watch_input(&mut self, input: &impl AsRawFd) -> io::Result<()> {
        let descriptor = input.as_raw_fd();
        let watched =
            self.poll.registry().register(&mut SourceFd(&descriptor), INPUT, Interest::READABLE);
        self.input_readable = true;
        match watched {
            // Such an input, a file for example, always has something or has ended.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
            other => other,
        }
    }

    /// Waits until something happens, or until the timeout.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => self.events.clear(),
            Err(error) => return Err(error),
        }
        for event in &self.events {
            match event.token() {
                // A read that would block does no harm.
                SERVER => self.server_readable = true,
                INPUT => self.input_readable = true,
                _ => {}
            }
        }
        Ok(())
    }

    /// Begins to connect. [`Watch::is_reached`] returns the result.
    pub fn connect(&mut self, address: SocketAddr) -> io::Result<()> {
        self.hang_up();
        let mut server = TcpStream::connect(address)?;
        let interests = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut server, SERVER, interests)?;
        let socket = SockRef::from(&server);
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER);
        let keepalive = keepalive.with_interval(KEEPALIVE_EVERY).with_retries(KEEPALIVE_PROBES);
        socket.set_tcp_keepalive(&keepalive)?;
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
        socket.set_tcp_nodelay(true)?;
        socket.set_send_buffer_size(SEND_BYTES)?;
        self.server = Some(server);
        Ok(())
    }

    /// Whether there is a connection by now. Call it after an event.
    pub fn is_reached(&mut self) -> io::Result<bool> {
        let Some(server) = &self.server else { return Ok(false) };
        if let Some(error) = server.take_error()? {
            return Err(error);
        }
        match server.peer_addr() {
            Ok(peer) if !is_itself(server.local_addr()?, peer) => Ok(true),
            Ok(_) => {
                // Nothing of it may stay, because the server needs the port.
                SockRef::from(server).set_linger(Some(Duration::ZERO)).unwrap_or_default();
                self.hang_up();
                Err(ErrorKind::ConnectionRefused.into())
            }
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads from the server. Returns how many bytes came: 0 if the server has shut down its
    /// sending side, `None` if there are none now. On an error the connection is lost.
    pub fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(server) = self.server.as_mut().filter(|_| self.server_readable) else {
            return Ok(None);
        };
        match server.read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.server_readable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result.map(Some),
        }
        Ok(None)
    }

    /// Sends what the socket takes now, and returns how many bytes. On an error the connection is
    /// lost.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(server) = &mut self.server else { return Ok(0) };
        let mut sent = 0;
        while sent < bytes.len() {
            match server.write(&bytes[sent..]) {
                Ok(taken) => sent += taken,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    /// Shuts down the sending side. If the server is already gone, the next read notices it.
    pub fn end_sending(&mut self) {
        if let Some(server) = &self.server {
            server.shutdown(Shutdown::Write).unwrap_or_default();
        }
    }

    /// Closes the connection.
    pub fn hang_up(&mut self) {
        if let Some(mut server) = self.server.take() {
            // A close does the same, so a failure has no consequence.
            self.poll.registry().deregister(&mut server).unwrap_or_default();
        }
        self.server_readable = false;
    }
}

/// Whether a connection leads to its own socket. If no server listens on this machine, the kernel
/// may choose the server's port for the client's end. Then TCP opens both ends at once (RFC 9293,
/// section 3.5). There is no server behind it, and none can start on that port.
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
