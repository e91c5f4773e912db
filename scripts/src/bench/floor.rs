//! What the kernel alone costs: bare loops on the same kind of sockets as the server's.
//!
//! It serves one crowd after another: when the first client of a crowd leaves, it closes all of
//! that crowd. Its first line tells the address it listens on. It runs until it is killed.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use crate::crowd::Outcome;

use chinwag::config::Config;
use chinwag::server;
use clap::ValueEnum;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};

const LISTENER: Token = Token(usize::MAX);
const EVENTS_MAX: usize = 1024;
/// The pump sends blocks of at most this many bytes.
pub const BLOCK_BYTES_MAX: usize = 64 * 1024;

/// The first client: its messages start the sending, and when it leaves, its crowd ends.
const FIRST: Token = Token(0);

/// A bare loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Sends each message of the first client to all, one `send` after the other
    Send,
    /// Sends ready-made blocks to every client whose socket takes them. The first client sends how
    /// many bytes a block has
    Pump,
    /// Accepts and registers connections, and does nothing else
    Accept,
}

/// The clients of one crowd.
#[derive(Default)]
struct Clients {
    sockets: Vec<TcpStream>,
    /// What is pumped, once the first client has asked for it.
    block: Vec<u8>,
    /// The clients whose sockets take something, while pumping.
    writable: Vec<usize>,
}

/// Runs a loop until it is killed.
pub fn run(kind: Kind, listen: SocketAddr) -> Outcome<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::from_std(server::listen_on(listen, &Config::default())?);
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("listening on {}", listener.local_addr()?);
    let mut events = Events::with_capacity(EVENTS_MAX);
    let (mut clients, mut message) = (Clients::default(), vec![0; BLOCK_BYTES_MAX]);
    loop {
        let is_busy = !clients.block.is_empty() && !clients.writable.is_empty();
        match poll.poll(&mut events, is_busy.then_some(Duration::ZERO)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            if event.token() == LISTENER {
                clients.accept(kind, &listener, poll.registry())?;
                continue;
            }
            if event.is_writable() && kind == Kind::Pump {
                clients.writable.push(event.token().0);
            }
            if event.is_readable() && event.token() == FIRST {
                clients.hear(kind, &mut message);
            }
        }
        clients.pump();
    }
}

impl Clients {
    fn accept(&mut self, kind: Kind, listener: &TcpListener, registry: &Registry) -> Outcome<()> {
        while let Ok((mut socket, _)) = listener.accept() {
            let token = Token(self.sockets.len());
            // A bare loop of `send` reads only the client that sends.
            if token == FIRST || kind != Kind::Send {
                let interests = Interest::READABLE | Interest::WRITABLE;
                registry.register(&mut socket, token, interests)?;
            }
            self.sockets.push(socket);
        }
        Ok(())
    }

    /// Reads the first client, and forgets all of them when it has left.
    fn hear(&mut self, kind: Kind, message: &mut [u8]) {
        while let Some(first) = self.sockets.first_mut() {
            match (first.read(message), kind) {
                (Ok(bytes @ 1..), Kind::Send) => self.send(&message[..bytes]),
                (Ok(bytes @ 1..), Kind::Pump) => self.block = block(&message[..bytes]),
                (Ok(1..), Kind::Accept) => {}
                (Err(error), _) if error.kind() == ErrorKind::WouldBlock => return,
                (Ok(0) | Err(_), _) => *self = Clients::default(),
            }
        }
    }

    fn send(&mut self, message: &[u8]) {
        for client in &mut self.sockets {
            if !client.write(message).is_ok_and(|taken| taken == message.len()) {
                eprintln!("floor: a client did not take a message");
            }
        }
    }

    /// Sends one block to each client that takes it. A client that takes less than all takes
    /// nothing for now.
    fn pump(&mut self) {
        if self.block.is_empty() {
            return;
        }
        self.writable.retain(|key| {
            let taken = self.sockets.get_mut(*key).and_then(|it| it.write(&self.block).ok());
            taken == Some(self.block.len())
        });
    }
}

/// A block of as many bytes as these digits say.
fn block(digits: &[u8]) -> Vec<u8> {
    let bytes = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    vec![b'.'; bytes.unwrap_or(BLOCK_BYTES_MAX).min(BLOCK_BYTES_MAX)]
}
