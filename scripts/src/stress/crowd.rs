//! The sockets of a crowd: connects them, and reads all that they get.
//!
//! There is one thread and one poll. Whatever is read is checked at once against the [`Record`]. A
//! deaf client is never read again.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::gauge::Connections;
use super::record::{Latencies, Listener, Record, SYNC};
use super::{Fault, Outcome, Patience, gauge};

/// How much to read at once: more than a receive buffer usually holds, so that one call is enough.
const READ_BYTES: usize = 256 * 1024;

/// A larger latency counts as this one. No wait here is as long.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// The receive buffer of a client. It is fixed, so that late data waits in the server and not here.
const RECEIVE_BUFFER_BYTES: usize = 128 * 1024;

/// The most events of one poll.
const EVENTS_MAX: usize = 1024;

/// This many connections may wait to be accepted. The kernel keeps 4096 for a server that asks for
/// so many; one too many waits for a second. Where the number of accepted connections is unknown,
/// those without a welcome count.
const ARRIVING_MAX: usize = 3072;

/// This many connections are begun before the next poll.
const CONNECT_BATCH: usize = 64;

/// Descriptors that are not for clients.
const DESCRIPTORS_RESERVED: u64 = 32;

/// This many clients share a source address. There are ports for more, but the kernel finds a free
/// one more slowly the more are taken.
const CLIENTS_PER_SOURCE: usize = 5_000;

/// How the crowd knows that a client has been let in.
#[derive(Clone, Copy, Debug)]
pub enum Greeting {
    /// The server welcomes it by name, some time after accepting it. The number of accepted
    /// connections is known only if the server is a process of this machine.
    Welcome(Option<Connections>),
    /// The server sends nothing, but its process has one connection more.
    None(Connections),
}

/// One client.
#[derive(Debug)]
pub struct Client {
    socket: TcpStream,
    /// What it has received.
    pub listener: Listener,
    /// It never reads.
    pub deaf: bool,
    /// Its socket may take something.
    pub writable: bool,
    unsaid: Vec<u8>,
    unsaid_from: usize,
    /// There was something to read while it was not to be read.
    unread: bool,
}

impl Client {
    /// Sends these words. [`Client::go_on`] sends what the socket does not take at once.
    pub fn say(&mut self, words: &[u8]) -> Outcome<()> {
        self.unsaid.extend_from_slice(words);
        self.go_on()
    }

    /// Sends the rest, as far as its socket takes it.
    pub fn go_on(&mut self) -> Outcome<()> {
        while self.writable && self.unsaid_from < self.unsaid.len() {
            match self.socket.write(&self.unsaid[self.unsaid_from..]) {
                Ok(taken) => self.unsaid_from += taken,
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(lost(&self.listener, &error)),
            }
        }
        if self.has_said_all() {
            self.unsaid.clear();
            self.unsaid_from = 0;
        }
        Ok(())
    }

    /// Whether its socket has taken all that it has to send.
    pub fn has_said_all(&self) -> bool {
        self.unsaid_from == self.unsaid.len()
    }
}

/// Many clients of one server.
#[derive(Debug)]
pub struct Crowd {
    /// All of them.
    pub clients: Vec<Client>,
    /// What they have received.
    pub record: Record,
    /// The times from sending to receiving.
    pub latencies: Latencies,
    /// How long it took to connect all, until the last one was let in.
    pub connecting: Duration,
    /// How long it took from the first welcome to the last.
    pub welcoming: Duration,
    first_welcome: Option<Instant>,
    /// When the last connect returned.
    pub connected_at: Instant,
    /// The address of the server.
    address: SocketAddr,
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    welcomed: usize,
    begun: usize,
    bytes_read: u64,
}

/// How many clients this process has descriptors for, after raising the limit.
pub fn clients_max() -> usize {
    gauge::raise_descriptors().saturating_sub(DESCRIPTORS_RESERVED) as usize
}

/// An error that says how many clients the limit allows.
pub fn too_many(clients: usize) -> String {
    let (limit, possible) = (gauge::raise_descriptors(), clients_max());
    format!(
        "{clients} clients need more descriptors than the {limit} this process may open: at most \
         {possible} are possible (ulimit -Hn)"
    )
}

impl Crowd {
    /// Connects this many clients, and waits until all are let in.
    pub fn connect(address: SocketAddr, clients: usize, greeting: Greeting) -> Outcome<Crowd> {
        Crowd::connect_watched(address, clients, greeting, &mut |_| {})
    }

    /// The same, and calls `watch` again and again with the number of clients that are in.
    pub fn connect_watched(
        address: SocketAddr,
        clients: usize,
        greeting: Greeting,
        watch: &mut dyn FnMut(usize),
    ) -> Outcome<Crowd> {
        if clients > clients_max() {
            return Err(too_many(clients).into());
        }
        let mut crowd = Crowd {
            clients: Vec::with_capacity(clients),
            record: Record::default(),
            latencies: Histogram::new_with_max(LATENCY_NS_MAX, 3)?,
            connecting: Duration::ZERO,
            welcoming: Duration::ZERO,
            first_welcome: None,
            connected_at: Instant::now(),
            address,
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_MAX),
            scratch: vec![0; READ_BYTES],
            welcomed: 0,
            begun: 0,
            bytes_read: 0,
        };
        crowd.connect_more_watched(address, clients, greeting, watch)?;
        Ok(crowd)
    }

    /// Connects this many more.
    pub fn connect_more(
        &mut self,
        address: SocketAddr,
        more: usize,
        greeting: Greeting,
    ) -> Outcome<()> {
        self.connect_more_watched(address, more, greeting, &mut |_| {})
    }

    fn connect_more_watched(
        &mut self,
        address: SocketAddr,
        more: usize,
        greeting: Greeting,
        watch: &mut dyn FnMut(usize),
    ) -> Outcome<()> {
        let clients = self.clients.len() + more;
        let start = Instant::now();
        let mut patience = Patience::full();
        while self.clients.len() < clients {
            let let_in = self.let_in(greeting)?;
            watch(let_in);
            let accepted = self.accepted(greeting)?;
            let room = ARRIVING_MAX.saturating_sub(self.clients.len().saturating_sub(accepted));
            let batch = room.min(CONNECT_BATCH).min(clients - self.clients.len());
            for _ in 0..batch {
                self.connect_one(address)?;
            }
            let wait = if batch == 0 { Duration::from_millis(1) } else { Duration::ZERO };
            self.read(wait)?;
            patience.check(batch > 0, || "it admits no client".to_owned())?;
        }
        self.connected_at = Instant::now();
        let mut patience = Patience::full();
        let mut let_in = 0;
        while let_in < clients {
            self.read(Duration::from_millis(1))?;
            let now = self.let_in(greeting)?;
            watch(now);
            patience.check(now > let_in, || format!("it has let in {now} of {clients}"))?;
            let_in = now;
        }
        self.connecting = start.elapsed();
        self.welcoming = self.first_welcome.map(|first| first.elapsed()).unwrap_or_default();
        Ok(())
    }

    fn let_in(&self, greeting: Greeting) -> Outcome<usize> {
        Ok(match greeting {
            Greeting::Welcome(_) => self.welcomed,
            Greeting::None(connections) => connections.count()?,
        })
    }

    /// How many have been accepted, at least.
    fn accepted(&self, greeting: Greeting) -> Outcome<usize> {
        Ok(match greeting {
            // Some of the earlier connections may have ended.
            Greeting::Welcome(Some(connections)) => connections.count()?.max(self.welcomed),
            Greeting::Welcome(None) | Greeting::None(_) => self.let_in(greeting)?,
        })
    }

    fn connect_one(&mut self, address: SocketAddr) -> Outcome<()> {
        let source = (self.clients.len() / CLIENTS_PER_SOURCE) as u8;
        let source = (source > 0).then(|| Ipv4Addr::new(127, 0, 0, 1 + source));
        let mut socket = connect_from(source, address, RECEIVE_BUFFER_BYTES)?;
        let token = Token(self.clients.len());
        let interests = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut socket, token, interests)?;
        let listener = Listener::default();
        let (unsaid, unsaid_from) = (Vec::new(), 0);
        let client = Client {
            socket,
            listener,
            deaf: false,
            writable: false,
            unsaid,
            unsaid_from,
            unread: false,
        };
        self.clients.push(client);
        Ok(())
    }

    /// Has the first client send the line from which on everything is compared, and waits until all
    /// have received it. It sends its name too if the server adds none.
    pub fn begin(&mut self, with_name: bool) -> Outcome<()> {
        let words = if with_name { [b"first", SYNC].concat() } else { SYNC[2..].to_vec() };
        if let Some(first) = self.clients.first_mut() {
            first.say(&words)?;
        }
        let mut patience = Patience::full();
        while self.begun < self.clients.len() {
            let before = self.begun;
            self.read(Duration::from_millis(10))?;
            patience.check(self.begun > before, || "not all clients receive a line".to_owned())?;
        }
        Ok(())
    }

    /// Waits at most this long for something to read, and reads it. Returns the number of bytes.
    pub fn read(&mut self, wait: Duration) -> Outcome<u64> {
        match self.poll.poll(&mut self.events, Some(wait)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(0),
            Err(error) => return Err(error.into()),
        }
        let before = self.bytes_read;
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let key = event.token().0;
            if event.is_writable() {
                self.clients[key].writable = true;
                self.clients[key].go_on()?;
            }
            if event.is_readable() {
                self.read_one(key, event.is_read_closed())?;
            }
        }
        self.events = events;
        Ok(self.bytes_read - before)
    }

    /// Reads until there is no more. A read that does not fill the buffer was the last one: later
    /// data is an event of its own. The end of the stream may have come with this event.
    fn read_one(&mut self, key: usize, to_the_end: bool) -> Outcome<()> {
        let client = &mut self.clients[key];
        while !client.deaf {
            if client.listener.is_ahead() {
                // What this client reads now can be checked only after others have received more.
                client.unread = true;
                return Ok(());
            }
            let bytes = match client.socket.read(&mut self.scratch) {
                Ok(0) => {
                    return Err(lost(&client.listener, &ErrorKind::UnexpectedEof.into()));
                }
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if is_unreached(error.kind()) && client.listener.name.is_empty() => {
                    return Err(cannot_connect(self.address, &error));
                }
                Err(error) => return Err(lost(&client.listener, &error)),
            };
            let listener = &mut client.listener;
            let (nameless, before) = (listener.name.is_empty(), !listener.has_begun());
            self.record.take(listener, &self.scratch[..bytes], &mut self.latencies)?;
            if let Some(words) = &listener.refusal {
                return Err(format!("the server admits no more clients: {words:?}").into());
            }
            self.bytes_read += bytes as u64;
            if nameless && !listener.name.is_empty() {
                self.welcomed += 1;
                self.first_welcome.get_or_insert_with(Instant::now);
            }
            self.begun += usize::from(before && listener.has_begun());
            if bytes < self.scratch.len() && !to_the_end {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads for this long.
    pub fn read_for(&mut self, time: Duration) -> Outcome<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.read(until.saturating_duration_since(Instant::now()))?;
        }
        Ok(())
    }

    /// Reads at least `bytes` bytes in all, unchecked. Returns how many.
    pub fn drink(&mut self, bytes: u64) -> Outcome<u64> {
        let mut drunk = 0;
        let mut patience = Patience::full();
        while drunk < bytes {
            let before = drunk;
            self.poll.poll(&mut self.events, Some(Duration::from_millis(10)))?;
            for event in self.events.iter().filter(|event| event.is_readable()) {
                let client = &mut self.clients[event.token().0];
                while let Ok(read) = client.socket.read(&mut self.scratch) {
                    drunk += read as u64;
                    if read < self.scratch.len() {
                        break;
                    }
                }
            }
            patience.check(drunk > before, || "nothing comes".to_owned())?;
        }
        Ok(drunk)
    }

    /// Reads on where a client waited for others to receive more. Returns the position up to which
    /// all have received.
    pub fn catch_up(&mut self) -> Outcome<u64> {
        let hearing = || self.clients.iter().filter(|client| !client.deaf);
        if hearing().all(|client| client.listener.is_ahead()) {
            self.record.give_up(hearing().map(|client| &client.listener));
        }
        for key in 0..self.clients.len() {
            let client = &mut self.clients[key];
            if client.deaf || !client.listener.is_ahead() {
                continue;
            }
            self.record.take(&mut client.listener, &[], &mut self.latencies)?;
            if client.unread && !client.listener.is_ahead() {
                client.unread = false;
                self.read_one(key, true)?;
            }
        }
        let hearing = self.clients.iter().filter(|client| !client.deaf);
        let heard = hearing.map(|client| client.listener.heard()).min();
        Ok(heard.unwrap_or(self.record.end()))
    }

    /// Whether all clients that read have received everything before this position.
    pub fn all_have_heard(&self, position: u64) -> bool {
        let mut hearing = self.clients.iter().filter(|client| !client.deaf);
        hearing.all(|client| client.listener.heard() >= position && !client.listener.is_ahead())
    }

    /// Whether all clients that read have received the last line.
    pub fn has_heard_the_end(&self) -> bool {
        self.record.ended_at().is_some_and(|end| self.all_have_heard(end))
    }

    /// How many of the clients read.
    pub fn hearing(&self) -> usize {
        self.clients.iter().filter(|client| !client.deaf).count()
    }

    /// Never reads the last `clients` of the crowd again.
    pub fn deafen(&mut self, clients: usize) {
        self.clients.iter_mut().rev().take(clients).for_each(|client| client.deaf = true);
    }
}

/// Begins to connect, from this address if the server is on this machine. Dropping the socket
/// resets the connection: nothing of it remains, and no port waits for its end.
pub fn connect_from(
    source: Option<Ipv4Addr>,
    address: SocketAddr,
    receive_buffer_bytes: usize,
) -> Outcome<TcpStream> {
    let (domain, kind) = (Domain::for_address(address), Type::STREAM.nonblocking());
    let socket = Socket::new(domain, kind, Some(Protocol::TCP))?;
    if let Some(source) = source.filter(|_| address.ip().is_loopback() && address.is_ipv4()) {
        socket.bind(&SocketAddr::from((source, 0)).into())?;
    }
    socket.set_tcp_nodelay(true)?;
    socket.set_recv_buffer_size(receive_buffer_bytes)?;
    socket.set_linger(Some(Duration::ZERO))?;
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {}
        Err(error) => return Err(cannot_connect(address, &error)),
    }
    if socket.local_addr()?.as_socket() == Some(address) {
        // The server is not there, and the kernel chose its port for our end.
        return Err(format!("cannot connect to {address}: it would be to ourselves").into());
    }
    Ok(TcpStream::from_std(socket.into()))
}

/// Whether a connect fails like this if there is no server.
fn is_unreached(kind: ErrorKind) -> bool {
    use ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, TimedOut};
    matches!(kind, ConnectionRefused | HostUnreachable | NetworkUnreachable | TimedOut)
}

fn cannot_connect(address: SocketAddr, error: &std::io::Error) -> Box<dyn std::error::Error> {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text).to_lowercase();
    format!("cannot connect to {address}: {words}").into()
}

fn lost(listener: &Listener, error: &std::io::Error) -> Box<dyn std::error::Error> {
    if listener.name.is_empty() && !listener.has_begun() {
        return format!("the server closed a new connection: {error}").into();
    }
    let name = String::from_utf8_lossy(&listener.name);
    Fault(format!("the connection of {name:?} ended: {error}")).into()
}
