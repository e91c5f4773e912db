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
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);
const EVENTS_MAX: usize = 1024;
const BLOCK_BYTES_MAX: usize = 64 * 1024;

/// The first client: its messages start the sending, and when it leaves, its crowd ends.
const FIRST: usize = 0;

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

/// Runs a loop until it is killed.
pub fn run(kind: Kind, listen: SocketAddr) -> Outcome<()> {
    let mut floor = Floor::new(kind, listen)?;
    println!("listening on {}", floor.listener.local_addr()?);
    let mut events = Events::with_capacity(EVENTS_MAX);
    loop {
        floor.turn(&mut events)?;
    }
}

struct Floor {
    kind: Kind,
    poll: Poll,
    listener: TcpListener,
    clients: Vec<TcpStream>,
    message: Vec<u8>,
    /// The clients whose sockets take something, while pumping.
    writable: Vec<usize>,
    pumping: bool,
    block: Vec<u8>,
}

impl Floor {
    fn new(kind: Kind, address: SocketAddr) -> Outcome<Floor> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::from_std(server::listen_on(address, &Config::default())?);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Floor {
            kind,
            poll,
            listener,
            clients: Vec::new(),
            message: vec![0; BLOCK_BYTES_MAX],
            writable: Vec::new(),
            pumping: false,
            block: Vec::new(),
        })
    }

    fn turn(&mut self, events: &mut Events) -> Outcome<()> {
        let busy = self.pumping && !self.writable.is_empty();
        match self.poll.poll(events, busy.then_some(Duration::ZERO)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        for event in events.iter() {
            match event.token() {
                LISTENER => self.accept()?,
                Token(key) => {
                    if event.is_writable() && self.kind == Kind::Pump {
                        self.writable.push(key);
                    }
                    if event.is_readable() && key == FIRST {
                        self.hear();
                    }
                }
            }
        }
        if self.pumping {
            self.pump();
        }
        Ok(())
    }

    fn accept(&mut self) -> Outcome<()> {
        loop {
            let mut socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let key = self.clients.len();
            // A bare loop of `send` reads only the client that sends.
            if key == FIRST || self.kind != Kind::Send {
                let interests = Interest::READABLE | Interest::WRITABLE;
                self.poll.registry().register(&mut socket, Token(key), interests)?;
            }
            self.clients.push(socket);
        }
    }

    fn hear(&mut self) {
        while let Some(first) = self.clients.first_mut() {
            match first.read(&mut self.message) {
                Ok(bytes @ 1..) if self.kind == Kind::Send => self.send(bytes),
                Ok(bytes @ 1..) => {
                    self.block = block(&self.message[..bytes]);
                    self.pumping = self.kind == Kind::Pump;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Ok(0) | Err(_) => {
                    self.clients.clear();
                    self.writable.clear();
                    self.pumping = false;
                }
            }
        }
    }

    fn send(&mut self, bytes: usize) {
        for client in &mut self.clients {
            let taken = client.write(&self.message[..bytes]);
            if !taken.is_ok_and(|taken| taken == bytes) {
                eprintln!("floor: a client did not take a message");
            }
        }
    }

    /// Sends one block to each client that takes it. A client that takes less than all takes
    /// nothing for now.
    fn pump(&mut self) {
        let (clients, block) = (&mut self.clients, &self.block);
        self.writable.retain(|key| {
            let taken = clients.get_mut(*key).and_then(|client| client.write(block).ok());
            taken == Some(block.len())
        });
    }
}

/// A block of as many bytes as these digits say.
fn block(digits: &[u8]) -> Vec<u8> {
    let bytes = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    vec![b'.'; bytes.unwrap_or(BLOCK_BYTES_MAX).min(BLOCK_BYTES_MAX)]
}
