//! The connections to the engine that orders what several servers say. What is sent there is in
//! [`bus`](crate::bus).
//!
//! Nothing here blocks. Names are looked up once, before the server starts.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Instant;

use log::{error, info, warn};
use mio::net::{TcpStream, UnixStream};
use mio::{Registry, Token};

use super::BOTH_WAYS;
use crate::bus::link::State;
use crate::bus::{Bus, Side};
use crate::config::cluster::{Cluster, Engine};
use crate::pace::Throttle;
use crate::words::notice::Counted;

/// How much is read at once.
const READ_BYTES: usize = 64 << 10;

/// The connections, and where they are made to.
pub struct Engines {
    places: Vec<Place>,
    /// The place that is tried next.
    next: usize,
    wires: [Option<Wire>; 2],
    tokens: [Token; 2],
    troubles: Throttle,
    /// The server is not to wait for an engine at its start.
    is_required: bool,
    /// There was none.
    has_failed: bool,
    /// The log has told that it cannot be reached.
    is_told: bool,
    buffer: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// One connection.
struct Wire {
    stream: Stream,
    readable: bool,
    writable: bool,
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Engines {
    /// The engines of a cluster. Their names are looked up now. The tokens are for the two sides.
    pub fn of(cluster: &Cluster, is_required: bool, tokens: [Token; 2]) -> io::Result<Engines> {
        let mut places = Vec::new();
        for engine in &cluster.engines {
            match engine {
                Engine::At(address) => places.extend(address.to_socket_addrs()?.map(Place::Tcp)),
                Engine::Unix(path) => places.push(Place::Unix(path.clone())),
            }
        }
        Ok(Engines {
            places,
            next: 0,
            wires: [None, None],
            tokens,
            troubles: Throttle::default(),
            is_required,
            has_failed: false,
            is_told: false,
            buffer: vec![0; READ_BYTES],
        })
    }

    /// Whether no engine was of use at the start, and the server is not to wait for one.
    pub fn have_failed(&self) -> bool {
        self.has_failed
    }

    /// A socket has had an event.
    pub fn note(&mut self, token: Token, readable: bool, writable: bool) {
        for (wire, _) in self.wires.iter_mut().zip(&self.tokens).filter(|(_, its)| **its == token) {
            if let Some(wire) = wire {
                wire.readable |= readable;
                wire.writable |= writable;
            }
        }
    }

    /// Connects what is to be connected, and moves bytes both ways as far as the sockets take them.
    pub fn run(&mut self, bus: &mut Bus, registry: &Registry, now: Instant) {
        for side in bus.note_time(now) {
            self.cut(bus, side, "it does not answer", now);
        }
        for side in Side::ALL {
            if bus.wants_connection(side, now) {
                self.connect(bus, side, registry, now);
            }
            if let Err(why) = self.move_bytes(bus, side, now) {
                self.cut(bus, side, &why, now);
            }
        }
    }

    fn connect(&mut self, bus: &mut Bus, side: Side, registry: &Registry, now: Instant) {
        let place = &self.places[self.next % self.places.len()];
        bus.connecting(side, now);
        let token = self.tokens[side as usize];
        let made = Stream::connect(place).and_then(|mut stream| {
            stream.register(registry, token)?;
            Ok(Wire { stream, readable: false, writable: false })
        });
        match made {
            Ok(wire) => self.wires[side as usize] = Some(wire),
            Err(error) => self.cut(bus, side, &error.to_string(), now),
        }
    }

    /// A connection is of no use, for this reason. Both are made again, at the next place: one that
    /// reads elsewhere than the other writes would wait for ever.
    fn cut(&mut self, bus: &mut Bus, side: Side, why: &str, now: Instant) {
        let place = &self.places[self.next % self.places.len()];
        self.next += 1;
        self.has_failed = self.is_required && !bus.is_ready() && self.next >= self.places.len();
        if self.has_failed {
            error!("the engine at {place} is of no use: {why} (--cluster-required)");
        } else if let Some(count) = self.troubles.count(now) {
            let times = Counted(count, "attempt");
            warn!("the engine at {place} is of no use: {why} ({times}); trying again");
        }
        self.is_told = true;
        let other = if side == Side::Adds { Side::Reads } else { Side::Adds };
        for side in [side, other] {
            let is_there = self.wires[side as usize].take().is_some();
            if is_there || !matches!(bus.state(side), State::Down { .. }) {
                bus.cut(side, now);
            }
        }
    }

    fn move_bytes(&mut self, bus: &mut Bus, side: Side, now: Instant) -> Result<(), String> {
        let Some(wire) = &mut self.wires[side as usize] else { return Ok(()) };
        if bus.state(side) == State::Connecting {
            if !wire.writable || !wire.stream.is_connected().map_err(|error| error.to_string())? {
                return Ok(());
            }
            bus.connected(side, now);
        }
        // What was read may ask for more to be written, and only then is there more to read.
        loop {
            let has_read = wire.read(bus, side, &mut self.buffer, now)?;
            wire.write(bus, side)?;
            if !has_read {
                break;
            }
        }
        if self.is_told && bus.is_ready() && !bus.is_waiting() {
            self.is_told = false;
            info!("the engine is reached");
        }
        Ok(())
    }
}

impl Wire {
    /// Reads once. Returns whether there was something.
    fn read(
        &mut self,
        bus: &mut Bus,
        side: Side,
        buffer: &mut [u8],
        now: Instant,
    ) -> Result<bool, String> {
        if !self.readable {
            return Ok(false);
        }
        match self.stream.read(buffer) {
            Ok(0) => Err("it has closed the connection".to_owned()),
            Ok(bytes) => bus.receive(side, &buffer[..bytes], now).map(|()| true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(false)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error.to_string()),
        }
    }

    fn write(&mut self, bus: &mut Bus, side: Side) -> Result<(), String> {
        while self.writable && !bus.outgoing(side).is_empty() {
            match self.stream.write(bus.outgoing(side)) {
                Ok(bytes) => bus.note_sent(side, bytes),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }
}

impl Stream {
    fn connect(place: &Place) -> io::Result<Stream> {
        match place {
            Place::Tcp(address) => {
                let stream = TcpStream::connect(*address)?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Place::Unix(path) => UnixStream::connect(path).map(Stream::Unix),
        }
    }

    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => registry.register(stream, token, BOTH_WAYS),
            Stream::Unix(stream) => registry.register(stream, token, BOTH_WAYS),
        }
    }

    /// Whether it is connected; not yet if neither that nor an error is known.
    fn is_connected(&self) -> io::Result<bool> {
        let (error, peer) = match self {
            Stream::Tcp(stream) => (stream.take_error()?, stream.peer_addr().map(|_| ())),
            Stream::Unix(stream) => (stream.take_error()?, stream.peer_addr().map(|_| ())),
        };
        match (error, peer) {
            (Some(error), _) => Err(error),
            (None, Ok(())) => Ok(true),
            (None, Err(error)) if error.kind() == ErrorKind::NotConnected => Ok(false),
            (None, Err(error)) => Err(error),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Tcp(address) => write!(f, "{address}"),
            Place::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}
