//! Clients that talk and keep all that they read.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::check::{Seen, parts_of};
use crate::support::hub::random::Random;

/// The longest pause between two bursts of lines of a client.
const PAUSE_MILLIS_MAX: usize = 200;

/// The most lines of a burst.
const BURST_MAX: usize = 8;

/// What the server says to all in a room, as lines of one order.
const SHARED: [&str; 3] = [" joined", " left", " went to "];

/// What it says to the clients of one server, or to one client.
const OWN: [&str; 6] = [
    "* the other servers ",
    // One is gone, or this one shuts down.
    "* server ",
    "* welcome, ",
    "* you are in ",
    "* you left ",
    "* no such command",
];

/// A client.
pub struct Person {
    pub seen: Seen,
    address: SocketAddr,
    socket: TcpStream,
    input: Vec<u8>,
    /// What it has said and the kernel has not taken.
    out: Vec<u8>,
    talks: bool,
    due_at: Instant,
    /// It is in its room: what it reads counts.
    pub is_here: bool,
    /// By talker, the number of the last line that it has read.
    pub newest: BTreeMap<usize, u64>,
    /// Its server is gone, or has closed the connection.
    pub has_ended: bool,
}

impl Person {
    /// A client of this server, on its way into its room.
    pub fn new(seen: Seen, address: SocketAddr, talks: bool) -> Person {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket.set_nodelay(true).unwrap();
        // With a name of its own, no two notices about it are alike. The answer to an unknown
        // command repeats it, and stands behind what was said before.
        let out = format!("/nick n{}\n/join {}\n/a0\n", seen.id, seen.room).into_bytes();
        Person {
            seen,
            address,
            socket,
            input: Vec::new(),
            out,
            talks,
            due_at: Instant::now(),
            is_here: false,
            newest: BTreeMap::new(),
            has_ended: false,
        }
    }

    /// Says some lines, if it is time for that, and now and then asks for an answer.
    pub fn talk(&mut self, random: &mut Random) {
        let now = Instant::now();
        // One whose server does not listen says no more.
        if !self.talks || self.due_at > now || !self.out.is_empty() {
            return;
        }
        self.due_at = now + Duration::from_millis(random.below(PAUSE_MILLIS_MAX) as u64);
        (0..1 + random.below(BURST_MAX)).for_each(|_| self.say());
        if random.one_in(2) {
            self.ask();
        }
    }

    /// Says one more line.
    pub fn say(&mut self) {
        self.seen.said += 1;
        let line = format!("t{}.{}\n", self.seen.id, self.seen.said);
        self.out.extend_from_slice(line.as_bytes());
    }

    /// Asks for an answer behind all that it has said.
    pub fn ask(&mut self) {
        let command = format!("/a{}\n", self.seen.said);
        self.out.extend_from_slice(command.as_bytes());
    }

    /// Where its server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its server was killed.
    pub fn leave(&mut self) {
        while self.receive() {}
        (self.has_ended, self.seen.is_whole) = (true, false);
    }

    pub fn talks(&self) -> bool {
        self.talks
    }

    /// Forgets what it has said and read so far.
    pub fn begin(&mut self) {
        let Seen { id, server, room, is_whole, .. } = self.seen;
        self.seen = Seen { id, server, room, is_whole, ..Seen::default() };
        self.newest.clear();
    }

    fn send(&mut self) {
        match self.socket.write(&self.out) {
            Ok(bytes) => _ = self.out.drain(..bytes),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.has_ended = true,
        }
    }

    /// Reads once. Returns whether there was something.
    fn receive(&mut self) -> bool {
        let mut buffer = [0; 65536];
        match self.socket.read(&mut buffer) {
            Ok(bytes @ 1..) => self.input.extend_from_slice(&buffer[..bytes]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Ok(_) | Err(_) => {
                self.has_ended = true;
                return false;
            }
        }
        if let Some(end) = self.input.iter().rposition(|byte| *byte == b'\n') {
            let rest = self.input.split_off(end + 1);
            let lines = String::from_utf8(std::mem::replace(&mut self.input, rest)).unwrap();
            lines.lines().for_each(|line| self.note(line));
        }
        true
    }

    fn note(&mut self, line: &str) {
        let Some(notice) = line.strip_prefix("* ") else {
            let (_, text) = line.split_once(": ").unwrap_or(("", line));
            if let Some((id, number)) = parts_of(text) {
                self.newest.insert(id, number);
            }
            return self.seen.got.push(text.to_owned());
        };
        if let Some(rest) = notice.strip_prefix("you missed ") {
            let number = rest.split(' ').next().unwrap();
            self.seen.missed += number.parse::<u64>().unwrap();
        } else if let Some(rest) = notice.strip_prefix("no such command: /a") {
            let number = rest.split(';').next().unwrap();
            self.seen.acknowledged = self.seen.acknowledged.max(number.parse().unwrap());
            if !self.is_here {
                self.is_here = true;
                self.begin();
            }
        } else if notice.contains(" is now ") {
            // Each server says that itself: it is none of the lines that are counted.
        } else if !OWN.iter().any(|own| line.starts_with(own)) {
            assert!(SHARED.iter().any(|part| notice.contains(part)), "what is {line:?}?");
            self.seen.got.push(line.to_owned());
        }
    }
}

/// Moves bytes of all of them, at most until this moment; returns when some have moved.
pub fn exchange(people: &mut [Person], until: Instant) {
    let left = until.saturating_duration_since(Instant::now()).min(Duration::from_millis(5));
    let left = Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() };
    let mut there: Vec<&mut Person> = people.iter_mut().filter(|one| !one.has_ended).collect();
    let mut awaited: Vec<PollFd<'_>> = there
        .iter()
        .map(|one| {
            let out = if one.out.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            PollFd::from_borrowed_fd(one.socket.as_fd(), PollFlags::IN | out)
        })
        .collect();
    // Whatever it says, the sockets are asked.
    _ = poll(&mut awaited, Some(&left));
    let events: Vec<PollFlags> = awaited.iter().map(PollFd::revents).collect();
    for (one, events) in there.iter_mut().zip(events) {
        if events.contains(PollFlags::OUT) {
            one.send();
        }
        if events.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            one.receive();
        }
    }
}
