//! The sockets of a crowd: connects them, and reads all that they get.
//!
//! There is one thread and one poll. Whatever is read is checked at once against the [`Record`]. A
//! deaf client is never read again.

use std::cell::RefCell;
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{self, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::dialect::Dialect;
use super::gauge::Connections;
use super::record::{END, Latencies, Listener, Record, SYNC};
use super::{Fault, Outcome, Patience, gauge, text};

/// How much to read at once: more than a receive buffer usually holds, so that one call is enough.
const READ_BYTES: usize = 256 * 1024;

/// A larger latency counts as this one. No wait here is as long.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// The receive buffer of a client. It is fixed, so that late data waits in the server and not here.
const RECEIVE_BUFFER_BYTES: usize = 128 * 1024;

/// The most events of one poll.
const EVENTS_MAX: usize = 1024;

/// This many connections may wait to be accepted by a server that asks for 4096; one too many waits
/// for a second. Where the number of accepted connections is unknown, those without a welcome
/// count.
pub const ARRIVING_MAX: usize = 3072;

/// This many connections are begun before the next poll.
const CONNECT_BATCH: usize = 64;

/// Descriptors that are not for clients.
const DESCRIPTORS_RESERVED: u64 = 32;

/// This many clients share a source address. There are ports for more, but the kernel finds a free
/// one more slowly the more are taken.
const CLIENTS_PER_SOURCE: usize = 5_000;

/// A server, as its clients see it, and how many of them are where.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where clients connect, in turn: servers with one conversation.
    pub addresses: Vec<SocketAddr>,
    /// How its clients talk.
    pub dialect: Dialect,
    /// The number of accepted connections, known only if it is a process of this machine.
    pub connections: Option<Connections>,
    /// At most this many connections may wait to be accepted.
    pub arriving_max: usize,
    /// How many clients each channel has. Those of a channel stand side by side.
    pub channel_clients: usize,
    /// How many of them may talk: the first ones.
    pub talkers: usize,
}

impl Server {
    /// A chinwag for clients like nc, which are all in its lobby.
    pub fn chinwag(address: SocketAddr, connections: Option<Connections>) -> Server {
        Server {
            addresses: vec![address],
            dialect: Dialect::Plain,
            connections,
            arriving_max: ARRIVING_MAX,
            channel_clients: usize::MAX,
            talkers: 1,
        }
    }
}

/// One client.
#[derive(Debug)]
pub struct Client {
    socket: TcpStream,
    /// Where it has connected.
    address: SocketAddr,
    /// What it has received.
    pub listener: Listener,
    /// It never reads.
    pub deaf: bool,
    /// What it reads is not checked: its server does not send it its own lines.
    pub is_silent: bool,
    unsaid: Vec<u8>,
}

impl Client {
    /// Sends these words. What the socket does not take at once, it takes later.
    pub fn say(&mut self, words: &[u8]) -> Outcome<()> {
        self.unsaid.extend_from_slice(words);
        self.go_on()
    }

    /// Sends the rest, as far as its socket takes it.
    fn go_on(&mut self) -> Outcome<()> {
        while !self.has_said_all() {
            match self.socket.write(&self.unsaid) {
                Ok(taken) => drop(self.unsaid.drain(..taken)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.lost(&error)),
            }
        }
        Ok(())
    }

    fn lost(&self, error: &io::Error) -> Box<dyn Error> {
        if self.listener.is_in || self.listener.has_begun {
            let name = text(&self.listener.name);
            return Fault(format!("the connection of {name:?} ended: {error}")).into();
        }
        match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof => {
                format!("the server closed a new connection: {error}").into()
            }
            _ => cannot_connect(self.address, error),
        }
    }

    /// Whether it is to receive what is said.
    fn hears(&self) -> bool {
        !self.deaf && !self.is_silent
    }

    /// Whether its socket has taken all that it has to send.
    pub fn has_said_all(&self) -> bool {
        self.unsaid.is_empty()
    }
}

/// Many clients of one server. The first ones of a channel talk, in one channel at a time.
#[derive(Debug)]
pub struct Crowd {
    /// All of them.
    pub clients: Vec<Client>,
    /// What they have received.
    pub record: Rc<RefCell<Record>>,
    /// The times from sending to receiving.
    pub latencies: Latencies,
    /// How long it took to connect all, until the last one was let in.
    pub connecting: Duration,
    /// How long it took from the first welcome to the last.
    pub welcoming: Duration,
    first_welcome: Option<Instant>,
    /// When the last message arrived.
    pub heard_at: Instant,
    /// When the last connect returned.
    pub connected_at: Instant,
    /// The server.
    pub server: Server,
    /// How many bytes its clients have read.
    pub bytes_read: u64,
    poll: Poll,
    /// It reads what one poll tells, and then all talkers may send.
    pub events: Events,
    scratch: Vec<u8>,
    let_in: usize,
}

/// How many clients this process has descriptors for, after raising the limit.
pub fn clients_max() -> usize {
    gauge::raise_descriptors().saturating_sub(DESCRIPTORS_RESERVED) as usize
}

/// Fails if the limit of this process does not allow so many clients.
pub fn check_limit(clients: usize) -> Outcome<()> {
    let (limit, possible) = (gauge::raise_descriptors(), clients_max());
    if clients <= possible {
        return Ok(());
    }
    Err(format!(
        "{clients} clients need more descriptors than the {limit} this process may open: at most \
         {possible} are possible (ulimit -Hn)"
    )
    .into())
}

impl Crowd {
    /// No client yet.
    pub fn new(server: Server) -> Outcome<Crowd> {
        Ok(Crowd {
            clients: Vec::new(),
            record: Rc::new(RefCell::new(Record::new(server.dialect))),
            latencies: Histogram::new_with_max(LATENCY_NS_MAX, 3)?,
            connecting: Duration::ZERO,
            welcoming: Duration::ZERO,
            first_welcome: None,
            heard_at: Instant::now(),
            connected_at: Instant::now(),
            bytes_read: 0,
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_MAX),
            server,
            scratch: vec![0; READ_BYTES],
            let_in: 0,
        })
    }

    /// Connects this many clients of a chinwag, and waits until all are let in and have received
    /// the line from which on everything is compared.
    pub fn of_chinwag(address: SocketAddr, clients: usize) -> Outcome<Crowd> {
        let mut crowd = Crowd::new(Server::chinwag(address, None))?;
        crowd.connect(clients)?;
        crowd.begin()?;
        Ok(crowd)
    }

    /// The next talk is in this channel. Its clients have received all that was said there before.
    pub fn turn_to(&mut self, channel: usize) {
        self.record.borrow_mut().channel = channel;
        let (clients, record) = (self.in_channel(), self.record.borrow());
        let here = self.clients[clients].iter_mut();
        here.filter(|one| one.listener.has_begun).for_each(|one| record.join(&mut one.listener));
    }

    /// The clients that are in the channel of the talk.
    pub fn in_channel(&self) -> Range<usize> {
        let first = self.record.borrow().channel * self.server.channel_clients;
        first..first.saturating_add(self.server.channel_clients).min(self.clients.len())
    }

    /// Those of them that are to receive what is said.
    fn hearing_clients(&self) -> impl Iterator<Item = &Client> + Clone {
        self.clients[self.in_channel()].iter().filter(|client| client.hears())
    }

    /// Connects this many more clients, and waits until all are let in.
    pub fn connect(&mut self, more: usize) -> Outcome<()> {
        self.connect_watched(more, &mut |_| {})
    }

    /// The same, and calls `watch` again and again with the number of clients that are in.
    pub fn connect_watched(&mut self, more: usize, watch: &mut dyn FnMut(usize)) -> Outcome<()> {
        let all = self.clients.len() + more;
        check_limit(all)?;
        let (start, mut patience) = (Instant::now(), Patience::full());
        loop {
            let let_in = if self.server.dialect.greets() { self.let_in } else { self.open()? };
            watch(let_in);
            if let_in >= all {
                break;
            }
            let progress = (self.clients.len() + let_in) as u64;
            patience.check(progress, || format!("it has let in {let_in} of {all}"))?;
            let batch = self.batch(all)?;
            for _ in 0..batch {
                self.connect_one()?;
                self.connected_at = Instant::now();
            }
            self.read(if batch > 0 { Duration::ZERO } else { Duration::from_millis(1) })?;
        }
        self.connecting = start.elapsed();
        self.welcoming = self.first_welcome.map(|first| first.elapsed()).unwrap_or_default();
        Ok(())
    }

    /// How many clients of `all` may begin to connect now.
    fn batch(&self, all: usize) -> Outcome<usize> {
        let missing = all - self.clients.len();
        if missing == 0 {
            return Ok(0);
        }
        // Some of the earlier connections may have ended.
        let accepted = self.open()?.max(self.let_in);
        let waiting = self.clients.len().saturating_sub(accepted);
        Ok(self.server.arriving_max.saturating_sub(waiting).min(CONNECT_BATCH).min(missing))
    }

    /// How many connections the server has open, if that is known.
    pub fn open(&self) -> Outcome<usize> {
        Ok(self.server.connections.map(|all| all.count()).transpose()?.unwrap_or(0))
    }

    fn connect_one(&mut self) -> Outcome<()> {
        let key = self.clients.len();
        let source = (key / CLIENTS_PER_SOURCE) as u8;
        let source = (source > 0).then(|| Ipv4Addr::new(127, 0, 0, 1 + source));
        let address = self.server.addresses[key % self.server.addresses.len()];
        let socket = connect_from(source, address, RECEIVE_BUFFER_BYTES)?;
        let mut socket = TcpStream::from_std(socket);
        let interests = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut socket, Token(key), interests)?;
        let each = self.server.channel_clients;
        let (dialect, channel) = (self.server.dialect, key / each);
        let (is_in, speaks) = (!dialect.greets(), key % each < self.server.talkers);
        self.clients.push(Client {
            socket,
            address,
            listener: Listener { is_in, channel, speaks, ..Listener::default() },
            deaf: false,
            is_silent: speaks && !dialect.echoes(),
            unsaid: dialect.hello(key, channel, speaks),
        });
        Ok(())
    }

    /// Has a client send the line from which on everything is compared, and waits until all in the
    /// channel have received it.
    pub fn begin(&mut self) -> Outcome<()> {
        self.record.borrow_mut().begin();
        self.say_to_all(SYNC, "first", |_, listener| listener.has_begun)
    }

    /// Has a client send the last line of a load, and waits until all in the channel have received
    /// it: nothing can be behind it. The line counts for nothing.
    pub fn end(&mut self) -> Outcome<()> {
        let first = self.clients.get(self.in_channel().start);
        let words = first.map(|first| [&first.listener.name, END].concat());
        self.record.borrow_mut().end_with(words.unwrap_or_default());
        self.say_to_all(END, "last", Record::has_ended)
    }

    /// Has the first client of the channel say this, behind its name.
    fn say_to_all(
        &mut self,
        words: &[u8],
        what: &str,
        has_it: impl Fn(&Record, &Listener) -> bool,
    ) -> Outcome<()> {
        let (dialect, channel, first) =
            (self.server.dialect, self.record.borrow().channel, self.in_channel().start);
        let Some(first) = self.clients.get_mut(first) else { return Ok(()) };
        let mut said = Vec::new();
        dialect.write_said(&[&first.listener.name, words].concat(), channel, &mut said);
        first.say(&said)?;
        let mut patience = Patience::full();
        loop {
            let here = self.count(&has_it);
            if here == self.hearing() {
                return Ok(());
            }
            let told = || format!("not all clients receive the {what} line");
            patience.check(here as u64, told)?;
            self.read(Duration::from_millis(10))?;
            self.catch_up()?;
        }
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
        // What a waiting client reads can be checked only after others have received more.
        while !client.deaf && client.listener.waits_for.is_none() {
            let bytes = match client.socket.read(&mut self.scratch) {
                Ok(0) => return Err(client.lost(&ErrorKind::UnexpectedEof.into())),
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(client.lost(&error)),
            };
            self.bytes_read += bytes as u64;
            let (listener, read) = (&mut client.listener, &self.scratch[..bytes]);
            let was_in = listener.is_in;
            if !client.is_silent || !was_in {
                self.record.borrow_mut().take(listener, read, &mut self.latencies)?;
            }
            if !was_in && listener.is_in {
                self.let_in += 1;
                self.first_welcome.get_or_insert_with(Instant::now);
            }
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

    /// Reads what has come, or comes within this time, and forgets what all have received.
    pub fn hear(&mut self, wait: Duration) -> Outcome<()> {
        if self.read(wait)? > 0 {
            self.heard_at = Instant::now();
        }
        let heard = self.catch_up()?;
        self.record.borrow_mut().forget(heard);
        Ok(())
    }

    /// Reads on where a client waited for others to receive more. Returns the position up to which
    /// all have received.
    fn catch_up(&mut self) -> Outcome<u64> {
        let (mut hearing, mut waiting, mut heard) = (0, Vec::new(), self.record.borrow().end());
        for client in self.hearing_clients() {
            hearing += 1;
            waiting.extend(client.listener.waits_for);
            heard = heard.min(client.listener.heard);
        }
        let Some(first) = waiting.iter().min() else { return Ok(heard) };
        if waiting.len() == hearing {
            self.record.borrow_mut().give_up(*first);
        }
        for key in self.in_channel() {
            let client = &mut self.clients[key];
            if client.hears() && client.listener.waits_for.is_some() {
                self.record.borrow_mut().take(&mut client.listener, &[], &mut self.latencies)?;
                self.read_one(key, true)?;
            }
        }
        let heard = self.hearing_clients().map(|client| client.listener.heard).min();
        Ok(heard.unwrap_or_default())
    }

    /// Of how many clients that read is this true?
    pub fn count(&self, has_it: impl Fn(&Record, &Listener) -> bool) -> usize {
        let record = self.record.borrow();
        self.hearing_clients().filter(|client| has_it(&record, &client.listener)).count()
    }

    /// How many of the clients read what is said.
    pub fn hearing(&self) -> usize {
        self.hearing_clients().count()
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
) -> Outcome<net::TcpStream> {
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
    Ok(socket.into())
}

fn cannot_connect(address: SocketAddr, error: &io::Error) -> Box<dyn Error> {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text).to_lowercase();
    format!("cannot connect to {address}: {words}").into()
}
