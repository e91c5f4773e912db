//! Many clients of one server, of any protocol: connects them, has some of them talk, and counts
//! and checks what each of them receives.
//!
//! A message is a line that ends in words of one length. These tell its talker and its number.
//! Before them may stand whatever the server adds. Each client must receive each talker's messages
//! in order and once. A message that it does not receive counts as lost.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use memchr::memchr;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::peer::{LetIn, Peer};
use super::words::{self, Frames};
use crate::stress::crowd::connect_from;
use crate::stress::gauge::Connections;
use crate::stress::{Fault, Outcome, Patience};

/// How much to read at once.
const READ_BYTES: usize = 256 * 1024;

/// The receive buffer of a client: fixed, so that all servers have the same.
const RECEIVE_BUFFER_BYTES: usize = 128 * 1024;

/// The most events of one poll. They are few, so that a talker whose time has come waits for few
/// reads. That wait is this program's, but counts as the server's.
const EVENTS_MAX: usize = 64;

/// This many connections are begun before the next poll.
const CONNECT_BATCH: usize = 64;

/// This many clients share a source address.
const CLIENTS_PER_SOURCE: usize = 5000;

/// A server has stopped if it delivers nothing for this long while messages are on their way.
const STALL: Duration = Duration::from_secs(3);

/// The longest wait for events.
const WAIT_MAX: Duration = Duration::from_millis(20);

/// A larger latency counts as this one.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// How fast a client talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At most this many messages are on their way.
    Window(u64),
    /// One message in each such time, with its latency measured.
    Every(Duration),
}

/// When the talk ends; what was sent by then is waited for.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// Each talker has sent this many messages.
    Said(u64),
    /// This much time has passed.
    Time(Duration),
}

/// The results.
#[derive(Clone, Debug)]
pub struct Talk {
    /// How many messages reached how many clients.
    pub deliveries: u64,
    /// How many messages clients lost: they received later ones.
    pub lost: u64,
    /// From the first message sent to the last received.
    pub time: Duration,
    /// The latencies of the messages of paced talkers, in nanoseconds.
    pub latencies: Histogram<u64>,
    /// Not all messages arrived: the server stopped.
    pub stalled: bool,
}

#[derive(Debug)]
struct Member {
    socket: TcpStream,
    let_in: bool,
    /// The beginning of an unfinished line.
    partial: Vec<u8>,
    /// The number of the next message of each talker.
    next: Vec<u64>,
    unsaid: Vec<u8>,
    writable: bool,
    /// It never reads.
    deaf: bool,
    /// The server has closed the connection.
    gone: bool,
}

#[derive(Debug)]
struct Speaker {
    pace: Pace,
    said: u64,
    due: Instant,
    /// When each message of a paced talker was sent.
    said_at: Vec<Instant>,
}

/// Many clients of one server. The first ones of a channel talk, in one channel at a time.
#[derive(Debug)]
pub struct Room {
    peer: Peer,
    address: SocketAddr,
    connections: Connections,
    talkers: usize,
    /// How many clients each channel has. Those of a channel stand side by side in `members`.
    channel_clients: usize,
    /// The channel of the talk.
    channel: usize,
    members: Vec<Member>,
    let_in: usize,
    speakers: Vec<Speaker>,
    frames: Frames,
    deliveries: u64,
    lost: u64,
    latencies: Histogram<u64>,
    poll: Poll,
    scratch: Vec<u8>,
}

impl Room {
    /// No client yet, at this address. All will be in one channel, and the first `talkers` that
    /// connect will talk.
    pub fn new(peer: Peer, address: SocketAddr, pid: u32, talkers: usize) -> Outcome<Room> {
        Ok(Room {
            peer,
            address,
            connections: Connections::of(pid)?,
            talkers,
            channel_clients: usize::MAX,
            channel: 0,
            members: Vec::new(),
            let_in: 0,
            speakers: Vec::new(),
            frames: Frames::default(),
            deliveries: 0,
            lost: 0,
            latencies: Histogram::new_with_max(LATENCY_NS_MAX, 3)?,
            poll: Poll::new()?,
            scratch: vec![0; READ_BYTES],
        })
    }

    /// The same with this many clients in each channel.
    pub fn in_channels_of(self, channel_clients: usize) -> Room {
        Room { channel_clients, ..self }
    }

    /// The next talk is in this channel.
    pub fn turn_to(&mut self, channel: usize) {
        self.channel = channel;
    }

    /// The members that are in the channel of the talk.
    fn hearing(&self) -> Range<usize> {
        let first = self.channel * self.channel_clients;
        first..first.saturating_add(self.channel_clients).min(self.members.len())
    }

    fn channel_of(&self, key: usize) -> usize {
        key / self.channel_clients
    }

    fn speaks(&self, key: usize) -> bool {
        key % self.channel_clients < self.talkers
    }

    /// Connects this many more, and waits until all are in the conversation.
    pub fn connect(&mut self, more: usize) -> Outcome<()> {
        let all = self.members.len() + more;
        let mut patience = Patience::full();
        let mut before = 0;
        while before < all {
            let let_in = self.count_let_in()?;
            // An accepted connection is out of the queue, even before its greeting.
            let queued = self.members.len().saturating_sub(self.open()?);
            let room = self.peer.arriving_max().saturating_sub(queued);
            let batch = room.min(CONNECT_BATCH).min(all - self.members.len());
            for _ in 0..batch {
                self.connect_one()?;
            }
            let wait = if batch == 0 { Duration::from_millis(1) } else { Duration::ZERO };
            self.read(wait)?;
            patience.check(let_in > before, || format!("it has let in {let_in} of {all}"))?;
            before = let_in;
        }
        Ok(())
    }

    fn count_let_in(&self) -> Outcome<usize> {
        Ok(match self.peer.let_in(0, false) {
            LetIn::Told(_) => self.let_in,
            LetIn::Accepted => self.open()?,
        })
    }

    fn connect_one(&mut self) -> Outcome<()> {
        let key = self.members.len();
        let source = Ipv4Addr::new(127, 0, 0, 1 + (key / CLIENTS_PER_SOURCE) as u8);
        let mut socket = connect_from(Some(source), self.address, RECEIVE_BUFFER_BYTES)?;
        let interests = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut socket, Token(key), interests)?;
        self.members.push(Member {
            socket,
            let_in: matches!(self.peer.let_in(0, false), LetIn::Accepted),
            partial: Vec::new(),
            next: vec![0; self.talkers],
            unsaid: self.peer.hello(key, self.channel_of(key), self.speaks(key)),
            writable: false,
            deaf: false,
            gone: false,
        });
        Ok(())
    }

    /// Never reads the last `members` again.
    pub fn deafen(&mut self, members: usize) {
        self.members.iter_mut().rev().take(members).for_each(|member| member.deaf = true);
    }

    /// How many connections the server has open.
    pub fn open(&self) -> Outcome<usize> {
        Ok(self.connections.count()?)
    }

    /// Reads for this long.
    pub fn read_for(&mut self, time: Duration) -> Outcome<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.read(until.saturating_duration_since(Instant::now()))?;
        }
        Ok(())
    }

    /// Has the first member send these bytes.
    pub fn say(&mut self, words: &[u8]) -> Outcome<()> {
        let Some(first) = self.members.first_mut() else { return Ok(()) };
        first.unsaid.extend_from_slice(words);
        self.go_on(0)
    }

    /// Reads at least `bytes` bytes in all, unchecked. Returns how many.
    pub fn drink(&mut self, bytes: u64) -> Outcome<u64> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut drunk = 0;
        let mut patience = Patience::full();
        while drunk < bytes {
            let before = drunk;
            self.poll.poll(&mut events, Some(WAIT_MAX))?;
            for event in events.iter().filter(|event| event.is_readable()) {
                let member = &mut self.members[event.token().0];
                while let Ok(read @ 1..) = member.socket.read(&mut self.scratch) {
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

    /// Has the first members talk at these paces, in words of this length. Waits until all messages
    /// have arrived, or nothing comes any more.
    pub fn talk(&mut self, paces: &[Pace], words_bytes: usize, until: Until) -> Outcome<Talk> {
        let start = Instant::now();
        (self.deliveries, self.lost) = (0, 0);
        self.latencies.reset();
        self.frames = Frames::new(words_bytes);
        let hearing = self.hearing();
        self.members[hearing].iter_mut().for_each(|member| member.next.fill(0));
        let offset = |(at, pace): (usize, &Pace)| match pace {
            Pace::Every(period) => *period * at as u32 / paces.len() as u32,
            Pace::Window(_) => Duration::ZERO,
        };
        let speaker = |at, pace: &Pace| Speaker {
            pace: *pace,
            said: 0,
            due: start + offset((at, pace)),
            said_at: Vec::new(),
        };
        self.speakers = paces.iter().enumerate().map(|(at, pace)| speaker(at, pace)).collect();
        let mut heard_at = start;
        let mut stalled = false;
        loop {
            let now = Instant::now();
            let is_over = match until {
                Until::Said(messages) => self.speakers.iter().all(|one| one.said >= messages),
                Until::Time(time) => now - start >= time,
            };
            self.frames.forget(self.heard_by_all(0));
            if is_over && (0..paces.len()).all(|at| self.speakers[at].said <= self.heard_by_all(at))
            {
                break;
            }
            if now - heard_at > STALL {
                stalled = true;
                break;
            }
            if !is_over {
                let most = if let Until::Said(messages) = until { messages } else { u64::MAX };
                for at in 0..paces.len() {
                    self.speak(at, most, now)?;
                }
            }
            let before = self.deliveries;
            let dues = self.speakers.iter().filter(|one| matches!(one.pace, Pace::Every(_)));
            let wait = match dues.map(|one| one.due).min() {
                Some(due) if !is_over => due.saturating_duration_since(Instant::now()),
                _ => WAIT_MAX,
            };
            self.read(wait.min(WAIT_MAX))?;
            if self.deliveries > before {
                heard_at = Instant::now();
            }
        }
        Ok(Talk {
            deliveries: self.deliveries,
            lost: self.lost,
            time: heard_at - start,
            latencies: self.latencies.clone(),
            stalled,
        })
    }

    /// How many messages of this talker all readers have received. It looks at every client, so it
    /// is too slow to ask at each turn for all talkers.
    fn heard_by_all(&self, talker: usize) -> u64 {
        let hearing = self.members[self.hearing()].iter().enumerate().filter(|(key, member)| {
            let silent = *key < self.talkers && self.peer == Peer::Redis;
            let itself = *key == talker && !self.peer.echoes();
            !member.deaf && !silent && !itself
        });
        hearing.map(|(_, member)| member.next[talker]).min().unwrap_or(u64::MAX)
    }

    fn speak(&mut self, at: usize, most: u64, now: Instant) -> Outcome<()> {
        let Speaker { pace, said, due, .. } = self.speakers[at];
        let may_have_said = match pace {
            Pace::Window(window) => self.heard_by_all(at) + window,
            Pace::Every(period) => {
                let periods = |late: Duration| 1 + (late.as_nanos() / period.as_nanos()) as u64;
                said + now.checked_duration_since(due).map_or(0, periods)
            }
        };
        let key = self.hearing().start + at;
        let speaker = &mut self.speakers[at];
        let member = &mut self.members[key];
        while speaker.said < may_have_said.min(most) {
            let words = words::of(at, speaker.said, self.frames.words_bytes());
            self.peer.write_said(&words, self.channel, &mut member.unsaid);
            speaker.said += 1;
            if let Pace::Every(period) = speaker.pace {
                speaker.said_at.push(speaker.due);
                speaker.due += period;
            }
        }
        self.go_on(key)
    }

    /// Writes what a member still has to send, as far as its socket takes it.
    fn go_on(&mut self, key: usize) -> Outcome<()> {
        let member = &mut self.members[key];
        let mut from = 0;
        while member.writable && from < member.unsaid.len() {
            match member.socket.write(&member.unsaid[from..]) {
                Ok(taken) => from += taken,
                Err(error) if error.kind() == ErrorKind::WouldBlock => member.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault(format!("a client is cut off: {error}")).into()),
            }
        }
        member.unsaid.drain(..from);
        Ok(())
    }

    /// Waits at most this long for something to read, and reads it.
    fn read(&mut self, wait: Duration) -> Outcome<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        match self.poll.poll(&mut events, Some(wait)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let key = event.token().0;
            if event.is_writable() {
                self.members[key].writable = true;
                self.go_on(key)?;
            }
            if event.is_readable() {
                self.read_one(key)?;
            }
        }
        Ok(())
    }

    fn read_one(&mut self, key: usize) -> Outcome<()> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let result = loop {
            let member = &mut self.members[key];
            if member.deaf || member.gone {
                break Ok(());
            }
            match member.socket.read(&mut scratch) {
                Ok(bytes @ 1..) => {
                    if let Err(fault) = self.take(key, &scratch[..bytes]) {
                        break Err(fault.into());
                    }
                    if bytes < scratch.len() {
                        break Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(0) => break Err(Fault("a client is closed".to_owned()).into()),
                Err(error) => break Err(Fault(format!("a client is cut off: {error}")).into()),
            }
        };
        self.scratch = scratch;
        result
    }

    /// Takes what a member has read. Whole messages of the first talker are compared at once; if
    /// they differ, line by line.
    fn take(&mut self, key: usize, mut bytes: &[u8]) -> Result<(), Fault> {
        let hears = self.hearing().contains(&key);
        let (channel, speaks) = (self.channel_of(key), self.speaks(key));
        let member = &mut self.members[key];
        while !bytes.is_empty() {
            if member.partial.is_empty() && hears && !self.speakers.is_empty() {
                let whole = self.frames.matching(member.next[0], bytes);
                member.next[0] += whole;
                self.deliveries += whole;
                bytes = &bytes[whole as usize * self.frames.frame_bytes()..];
            }
            let Some(end) = memchr(b'\n', bytes) else {
                member.partial.extend_from_slice(bytes);
                return Ok(());
            };
            let (head, rest) = bytes.split_at(end + 1);
            bytes = rest;
            let joined;
            let line = if member.partial.is_empty() {
                head
            } else {
                joined = [&member.partial[..], head].concat();
                member.partial.clear();
                &joined
            };
            if !member.let_in {
                let LetIn::Told(sign) = self.peer.let_in(channel, speaks) else { continue };
                member.let_in = memchr::memmem::find(line, sign).is_some();
                self.let_in += usize::from(member.let_in);
                continue;
            }
            let Some((talker, number)) = words::in_line(line, self.frames.words_bytes()) else {
                continue;
            };
            let Some(speaker) = self.speakers.get(talker) else { continue };
            if !hears {
                return Err(Fault(format!("message {number} arrived in another channel")));
            }
            let next = &mut member.next[talker];
            if number < *next {
                return Err(Fault(format!("message {number} arrived twice or out of order")));
            }
            self.lost += number - *next;
            *next = number + 1;
            self.deliveries += 1;
            if talker == 0 {
                self.frames.learn(line);
            }
            if let Some(said_at) = speaker.said_at.get(number as usize) {
                self.latencies.saturating_record(said_at.elapsed().as_nanos() as u64);
            }
        }
        Ok(())
    }
}
