//! Everyone there is, the hub between them, and what happens to them.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use chinwag::config::Config;
use chinwag::hub::{Hub, Wait};

use crate::model::{Peer, Said};
use crate::wire::{FakeSocket, Random, Wire};

/// Once nothing goes wrong any more, everyone must be served within so many turns.
const TURNS_TO_SETTLE: usize = 3000;

pub struct World {
    pub random: Random,
    pub config: Config,
    pub now: Instant,
    pub hub: Hub<FakeSocket>,
    pub peers: Vec<Peer>,
    pub said: Vec<Said>,
    pub read_to: u64,
    pub releasing: Rc<Cell<bool>>,
    pub faulty: bool,
    pub stopped: bool,
    pub clients_max: usize,
}

impl World {
    pub fn new(mut random: Random, config: Config) -> World {
        let clients_max = 2 + random.below(7);
        World {
            now: Instant::now(),
            hub: Hub::new(config.clone(), clients_max),
            peers: Vec::new(),
            said: Vec::new(),
            read_to: 0,
            releasing: Rc::new(Cell::new(false)),
            faulty: true,
            stopped: false,
            clients_max,
            config,
            random,
        }
    }

    pub fn connect(&mut self) {
        let wire = Wire::new(Random(self.random.next()), self.faulty && self.random.one_in(2));
        let wire = Rc::new(RefCell::new(wire));
        let (key, serial) = (self.hub.next_key(), self.peers.len() as u64 + 1);
        let mut peer = Peer::new(Rc::clone(&wire), key, serial, self.said.len());
        peer.refused = self.hub.is_full();
        peer.healthy = self.random.one_in(3);
        peer.ends_lines = !self.random.one_in(5);
        if peer.ends_lines && !self.config.raw {
            wire.borrow_mut().send(b"\n");
        }
        self.peers.push(peer);
        let socket = FakeSocket { wire, releasing: Rc::clone(&self.releasing) };
        let address = SocketAddr::from(([127, 0, 0, 1], serial as u16));
        self.hub.admit(socket, address, self.now);
        assert!(self.hub.here() <= self.clients_max);
    }

    /// A random peer sends some bytes of what it has to say, cut anywhere.
    fn send(&mut self) {
        if let Some(place) = self.open_peer() {
            self.send_from(place);
        }
    }

    pub fn send_from(&mut self, place: usize) {
        let peer = &mut self.peers[place];
        if peer.unfinished.is_empty() {
            let long = self.random.one_in(15) && peer.ends_lines && !self.config.raw;
            let most = if long { 3 * self.config.max_line } else { self.config.max_line - 2 };
            let number = format!("{}", peer.sent.len() % 100);
            let fill = (b'a' + (peer.serial % 26) as u8) as char;
            let dots = self.random.below(most.max(2) - 1) + usize::from(long) * most;
            peer.unfinished = format!("{number}{}", String::from(fill).repeat(dots)).into_bytes();
            if peer.ends_lines && !self.config.raw {
                peer.unfinished.extend([b"\n".as_slice(), b"\r\n", b"\r\0"][self.random.below(3)]);
            }
        }
        let bytes = 1 + self.random.below(peer.unfinished.len());
        let rest = peer.unfinished.split_off(bytes);
        let sending = std::mem::replace(&mut peer.unfinished, rest);
        self.say(place, &sending);
    }

    pub fn say(&mut self, place: usize, bytes: &[u8]) {
        self.peers[place].wire.borrow_mut().send(bytes);
        self.record(place, bytes);
    }

    /// Notes what a peer has sent, as the lines that it will be heard with.
    fn record(&mut self, place: usize, sending: &[u8]) {
        let (peer, max_line) = (&mut self.peers[place], self.config.max_line);
        if self.config.raw || !peer.ends_lines {
            peer.sent.push(sending.to_vec());
            return;
        }
        for byte in sending {
            match byte {
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut peer.line);
                    if !line.is_empty() && line.len() <= max_line {
                        peer.sent.push(line);
                    }
                }
                0 => {}
                _ => {
                    peer.line.push(*byte);
                    peer.sent_too_long += usize::from(peer.line.len() == max_line + 1);
                }
            }
        }
    }

    fn open_peer(&mut self) -> Option<usize> {
        let open: Vec<usize> = (0..self.peers.len())
            .filter(|place| self.peers[*place].is_open() && !self.peers[*place].refused)
            .collect();
        open.get(self.random.below(open.len())).copied()
    }

    /// Something goes wrong, or right again, at a random peer.
    fn disturb(&mut self) {
        let Some(place) = self.open_peer() else { return };
        let healthy = self.peers[place].healthy;
        let mut wire = self.peers[place].wire.borrow_mut();
        match self.random.below(12) {
            0 => wire.end(),
            1 => wire.break_down(),
            _ if healthy => {}
            2..=5 => wire.take(0),
            6..=7 => wire.take(1 + self.random.below(40)),
            _ => wire.take(usize::MAX),
        }
    }

    /// One turn, with the events that a kernel would report, some of them late or for no reason.
    pub fn turn(&mut self) {
        for peer in &self.peers {
            let mut wire = peer.wire.borrow_mut();
            let late = self.faulty && !peer.healthy && self.random.one_in(4);
            if wire.closed.is_some() || late {
                continue;
            }
            let (readable, writable) = (wire.edge_readable, wire.edge_writable);
            (wire.edge_readable, wire.edge_writable) = (false, false);
            drop(wire);
            if readable || writable {
                self.hub.note(peer.key, readable, writable);
            }
        }
        if self.faulty && self.random.one_in(4) {
            let key = self.random.below(self.peers.len() + 2);
            self.hub.note(key, self.random.one_in(2), self.random.one_in(2));
        }
        self.hub.note_time(self.now);
        let sent = self.unread();
        self.hub.listen(self.now);
        let heard = sent - self.unread();
        assert!(heard <= 2 * self.config.turn_bytes_max(), "{heard} bytes read in a turn");
        self.read_transcript();
        self.hub.speak(self.now);
        self.releasing.set(true);
        self.hub.release(self.now, drop);
        self.releasing.set(false);
        for peer in &mut self.peers {
            peer.check(&self.said, &self.config);
        }
    }

    /// How many bytes the peers have sent that the server has not read.
    fn unread(&self) -> usize {
        self.peers.iter().map(|peer| peer.wire.borrow().incoming.len()).sum()
    }

    /// Adds what was appended to the list of all that was said.
    fn read_transcript(&mut self) {
        let transcript = self.hub.transcript();
        let before = self.said.len();
        for line in transcript.lines_from(self.read_to) {
            let (first, second) = transcript.bytes(line.start, line.end);
            self.said.push(Said { author: line.author, text: [first, second].concat() });
        }
        let appended = (transcript.head() - self.read_to) as usize;
        let alone = self.said.len() - before == 1;
        assert!(alone || appended <= self.config.turn_bytes_max(), "{appended} bytes in a turn");
        self.read_to = transcript.head();
    }

    pub fn step(&mut self) {
        match self.random.below(20) {
            0 if self.peers.len() < 30 => self.connect(),
            0..=6 => self.send(),
            7..=8 => self.disturb(),
            9 => self.now += Duration::from_millis(self.random.below(400) as u64),
            10 if self.random.one_in(10) => self.now += Duration::from_secs(30),
            _ => self.turn(),
        }
    }

    /// Nothing goes wrong any more: everyone is served, and then the poll may wait.
    pub fn settle(&mut self) {
        self.faulty = false;
        for peer in &self.peers {
            let mut wire = peer.wire.borrow_mut();
            wire.faulty = false;
            wire.take(usize::MAX);
        }
        let mut turns = 0;
        // Chunks become lines, summaries are said, the shut down are released.
        for _ in 0..10 {
            self.turn();
            while self.hub.wait() == Wait::No {
                turns += 1;
                assert!(turns < TURNS_TO_SETTLE, "never done: {:?}", self.hub);
                self.turn();
            }
            self.now += Duration::from_millis(500);
        }
    }

    pub fn check_settled(&mut self) {
        let open = self.peers.iter().filter(|peer| peer.wire.borrow().closed.is_none());
        assert_eq!(open.count(), self.hub.connections(), "someone is in the slab who should not");
        for peer in &self.peers {
            let wire = peer.wire.borrow();
            // What was sent before a reset still counts, if the server noticed nothing but that.
            let reset = wire.closed == Some(true) && !wire.reset;
            // A half chunk before a reset is no line, and a line without an end has no goodbye
            // then.
            let no_lines = !peer.ends_lines && !self.config.raw || peer.sent_too_long > 0;
            // In raw mode it may have lapsed before, and is given up then.
            let unsaid = wire.reset && (no_lines || self.config.raw);
            let given_up = peer.goodbyes > 0 || reset || unsaid || self.stopped;
            let in_time = wire.closed.is_none() || wire.eof || wire.reset;
            drop(wire);
            if !peer.refused {
                peer.check_heard(&self.said, &self.config, !given_up && in_time);
                if !given_up && in_time && !peer.wire.borrow().reset {
                    peer.check_has_own_last_line(&self.said, &self.config);
                }
            }
            if peer.is_open() && !peer.refused {
                peer.check_caught_up(&self.said, &self.config);
                peer.check_told_of_long_lines();
            }
        }
    }

    pub fn stop(&mut self) {
        self.stopped = true;
        self.hub.stop(self.now);
        self.settle();
        assert_eq!(self.hub.connections(), 0, "someone is left after the stop");
        for peer in self.peers.iter().filter(|peer| peer.healthy && !peer.refused) {
            let wire = peer.wire.borrow();
            let all = !wire.eof && !wire.reset && peer.goodbyes == 0 && wire.closed == Some(false);
            drop(wire);
            if all && !self.config.raw {
                peer.check_caught_up(&self.said, &self.config);
                let wire = peer.wire.borrow();
                assert!(wire.received.ends_with(b"* server shutting down\n"));
            }
        }
    }
}
