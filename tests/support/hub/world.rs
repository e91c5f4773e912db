//! All clients, the hub between them, and what happens to them.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use chinwag::config::Config;
use chinwag::hub::addresses::network;
use chinwag::hub::moderation::Operators;
use chinwag::hub::{Hub, Wait};
use chinwag::room::forms::{FORM_BYTES_MAX, Form};
use chinwag::room::transcript::{PAGE_BYTES, PAGE_ENTRIES};

use super::arriving::PROXIES;
use super::asking::Asks;
use super::model::{Peer, Room, Said, Stay, Talk};
use super::people::{Roll, address};
use super::random::Random;
use super::wire::FakeSocket;

/// Once nothing goes wrong any more, the hub must serve all clients within this many turns.
const TURNS_TO_SETTLE: usize = 3000;

/// All that was said, beside the peers.
macro_rules! talk {
    ($world:expr) => {
        Talk { rooms: &$world.rooms, all: &$world.all, roll: &$world.roll, config: &$world.config }
    };
}

/// What a turn takes.
const TURN: Duration = Duration::from_micros(10);

pub struct World {
    pub random: Random,
    pub config: Config,
    pub now: Instant,
    pub hub: Hub<FakeSocket>,
    pub peers: Vec<Peer>,
    /// All rooms there have been, the lobby first, and what was said in any.
    pub rooms: Vec<Room>,
    pub all: Vec<Said>,
    pub roll: Roll,
    /// Clients give commands, and some of them speak telnet.
    pub lively: bool,
    /// Some clients come through a proxy.
    pub has_proxy: bool,
    /// Until when the address of each client counts as that of a browser, by network.
    pub browsers: BTreeMap<IpAddr, Instant>,
    /// A connection waits to be accepted in the next turn.
    is_awaited: bool,
    pub releasing: Rc<Cell<bool>>,
    pub faulty: bool,
    pub stopped: bool,
    pub clients_max: usize,
}

impl World {
    /// A world without clients. None of them has a rate limit because of its address.
    pub fn new(mut random: Random, config: Config) -> World {
        // The rest of a line may come at any later time.
        let line_wait = Duration::from_secs(1 << 20);
        let proxy_from = vec![PROXIES.parse().unwrap()];
        let config = Config { rate: 0, per_address: 0, line_wait, proxy_from, ..config };
        let clients_max = 2 + random.below(7);
        let now = Instant::now();
        let mut hub = Hub::new(config.clone(), clients_max, now);
        hub.set_operators(Operators::parse("kim s3cret").unwrap());
        World {
            now,
            hub,
            peers: Vec::new(),
            rooms: vec![Room::new("lobby")],
            all: Vec::new(),
            roll: Roll::default(),
            lively: false,
            has_proxy: false,
            browsers: BTreeMap::new(),
            is_awaited: false,
            releasing: Rc::new(Cell::new(false)),
            faulty: true,
            stopped: false,
            clients_max,
            config,
            random,
        }
    }

    /// All that was said, beside the peers.
    pub fn talk(&self) -> Talk<'_> {
        talk!(self)
    }

    fn open_peer(&mut self) -> Option<usize> {
        let open: Vec<usize> = (0..self.peers.len())
            .filter(|place| self.peers[*place].is_open() && !self.peers[*place].refused)
            .collect();
        open.get(self.random.below(open.len())).copied()
    }

    /// Something goes wrong with a random client, or right again.
    fn disturb(&mut self) {
        let Some(place) = self.open_peer() else { return };
        let healthy = self.peers[place].healthy;
        let mut wire = self.peers[place].wire.borrow_mut();
        match self.random.below(12) {
            0 => {
                drop(wire);
                self.peers[place].end(self.config.max_line);
            }
            1 => {
                drop(wire);
                self.peers[place].break_down(self.config.max_line);
            }
            _ if healthy => {}
            2..=5 => wire.take(0),
            6..=7 => wire.take(1 + self.random.below(40)),
            _ => wire.take(usize::MAX),
        }
    }

    /// One turn, with the events that a kernel would report, some of them late or for no reason.
    pub fn turn(&mut self) {
        self.now += TURN;
        for peer in &self.peers {
            let mut wire = peer.wire.borrow_mut();
            // A header that comes late is none, and a request that comes late is no request. A
            // spare connection whose first byte comes late is closed without a word.
            let may_be_spare = self.browsers.contains_key(&network(address(peer.serial).ip()));
            let has_opening = peer.is_proxied || peer.wish.is_some() || may_be_spare;
            let is_in_time = peer.healthy || has_opening && wire.received.is_empty();
            let late = self.faulty && !is_in_time && self.random.one_in(4);
            if wire.closed.is_some() || late {
                continue;
            }
            let (readable, writable) = (wire.edge_readable, wire.edge_writable);
            (wire.edge_readable, wire.edge_writable) = (false, false);
            drop(wire);
            if readable || writable {
                self.hub.note(peer.key, readable, writable, self.now);
            }
        }
        if self.faulty && self.random.one_in(4) {
            let key = self.random.below(self.peers.len() + 2);
            let (readable, writable) = (self.random.one_in(2), self.random.one_in(2));
            self.hub.note(key, readable, writable, self.now);
        }
        self.hub.note_time(self.now);
        let sent = self.unread();
        self.hub.listen(self.now);
        self.note_visits();
        self.note_those_gone_early();
        let heard = sent - self.unread();
        assert!(heard <= 2 * self.config.turn_bytes_max(), "{heard} bytes read in a turn");
        self.releasing.set(true);
        self.hub.release(self.now, drop);
        self.releasing.set(false);
        for room in &mut self.rooms {
            room.is_open &= self.hub.room(&room.name).is_some();
        }
        if self.is_awaited && !self.stopped && !self.hub.is_making_room() {
            self.is_awaited = false;
            self.connect();
        }
        // What is said is read here, as an operator reads it.
        for room in self.rooms.iter().filter(|room| room.is_open) {
            let id = self.hub.find_room(&room.name).unwrap();
            self.hub.note_printed(id, Some((Form::Plain, room.read_to)));
        }
        self.hub.speak(self.now);
        let pages = self.hub.pages();
        assert!(pages.held() <= pages.bytes_max(), "{} held", pages.held());
        self.read_transcripts();
        self.note_stays();
        let talk = talk!(self);
        for peer in &mut self.peers {
            peer.check(&talk);
        }
    }

    /// A client that leaves before its welcome, and has sent nothing, is never announced.
    fn note_those_gone_early(&mut self) {
        for peer in &mut self.peers {
            let is_new = std::mem::take(&mut peer.wire.borrow_mut().told_over);
            let silent = peer.sent.is_empty() && peer.sent_too_long == 0 && !peer.has_ended;
            // A browser is greeted when its WebSocket is open.
            let silent = silent && !peer.is_browser;
            let early = self.now < peer.came_at + self.config.greeting;
            // With more said since, it may have been greeted before it was overrun.
            let room_bytes = (self.config.window / 4).saturating_sub(3 * FORM_BYTES_MAX) as u64;
            let is_safe = self.rooms[0].read_to - peer.came_to < room_bytes;
            let is_safe = is_safe && self.config.windows.is_none();
            let is_nobody = silent && early && is_safe && peer.ends_lines && !self.config.raw;
            peer.never_greeted |= is_new && is_nobody && !self.stopped;
        }
    }

    /// How many bytes of the clients the server has not read.
    fn unread(&self) -> usize {
        self.peers.iter().map(|peer| peer.wire.borrow().incoming.len()).sum()
    }

    /// What was said in the lobby.
    pub fn said(&self) -> &[Said] {
        &self.rooms[0].said
    }

    /// Adds what was appended to the lists of all that was said.
    fn read_transcripts(&mut self) {
        for peer in &self.peers {
            let Some((name, _)) = self.hub.place(peer.key) else { continue };
            if !self.rooms.iter().any(|room| room.is_open && room.name == name) {
                self.rooms.push(Room::new(&name));
            }
        }
        for room in &mut self.rooms {
            room.before = room.said.len();
        }
        // In the order in which the hub appends to them.
        let open = (0..self.rooms.len()).filter(|place| self.rooms[*place].is_open);
        let mut open: Vec<usize> = open.collect();
        open.sort_by_key(|place| self.hub.find_room(&self.rooms[*place].name));
        open.into_iter().for_each(|place| self.read_transcript(place));
    }

    fn read_transcript(&mut self, place: usize) {
        let room = &mut self.rooms[place];
        let transcript = self.hub.room(&room.name).unwrap().forms.plain();
        for line in transcript.lines_from(room.read_to) {
            let (author, text) = (line.stamp.author, transcript.text(line.start, line.end));
            let said = match self.config.raw {
                true => Said { author, text },
                false => {
                    let here = (self.all.len(), self.now);
                    self.roll.note(here, place, author, text, &self.peers)
                }
            };
            room.said.push(said.clone());
            self.all.push(said);
        }
        let appended = (transcript.head() - room.read_to) as usize;
        let alone = room.said.len() - room.before == 1;
        assert!(alone || appended <= self.config.turn_bytes_max(), "{appended} bytes in a turn");
        room.read_to = transcript.head();
    }

    /// Notes which peers have left their rooms and come into others. One that comes gets what is
    /// said there from the next turn on.
    fn note_stays(&mut self) {
        for peer in &mut self.peers {
            if peer.wire.borrow().closed.is_some() || peer.refused {
                continue;
            }
            let Some((name, is_moving)) = self.hub.place(peer.key) else { continue };
            let reads = peer.stays.back().map_or(peer.room, |stay| stay.room);
            let room = &self.rooms[reads];
            let has_gone = is_moving || !room.is_open || room.name != name;
            if has_gone && peer.leaving.is_none() {
                peer.leaving = Some((room.before, room.said.len()));
            }
            if is_moving || !has_gone {
                continue;
            }
            let is_it = |room: &Room| room.is_open && room.name == name;
            let now_in = self.rooms.iter().position(is_it).unwrap();
            let left = peer.leaving.take().unwrap();
            let start = self.rooms[now_in].said.len();
            peer.stays.push_back(Stay { room: now_in, start, left });
        }
    }

    pub fn step(&mut self) {
        let chosen = self.random.below(20);
        if let 9..=10 = chosen {
            self.send_headers();
        }
        match chosen {
            0 if self.peers.len() < 30 && self.random.one_in(2) => self.is_awaited = true,
            0 if self.peers.len() < 30 => self.connect(),
            0..=6 => self.send(),
            7..=8 => self.disturb(),
            9 => self.now += Duration::from_millis(self.random.below(400) as u64),
            10 if self.random.one_in(10) => self.now += Duration::from_secs(30),
            19 if self.has_visitors() && self.random.one_in(2) => self.visit(),
            _ => self.turn(),
        }
    }

    /// Nothing goes wrong any more: all clients are served, and then the poll may wait.
    pub fn settle(&mut self) {
        self.faulty = false;
        for peer in &self.peers {
            let mut wire = peer.wire.borrow_mut();
            wire.faulty = false;
            wire.take(usize::MAX);
        }
        let mut turns = 0;
        // Chunks become lines, half characters are given up, summaries are sent, and closed sockets
        // are released.
        for step in 0..14 {
            // One for which there was no room before may have come in the last turn.
            self.send_headers();
            if step == 4 {
                self.leave_no_keys();
            }
            self.turn();
            while self.hub.wait() == Wait::No {
                turns += 1;
                assert!(turns < TURNS_TO_SETTLE, "never done: {:?}", self.hub);
                self.turn();
            }
            self.now += Duration::from_millis(500);
        }
    }

    /// Everyone in the lobby has all that was said, so no more is kept than the history. What is
    /// said last is one pass more, since it is the end of a pass that forgets.
    pub fn check_pages(&mut self) {
        let before = self.rooms[0].read_to;
        for place in 0..self.peers.len() {
            let peer = &self.peers[place];
            let is_whole = peer.line.is_empty() && peer.unfinished.is_empty();
            let may_talk = peer.may_talk() && peer.ends_lines && peer.goodbyes == 0;
            if is_whole && may_talk {
                self.say(place, b"the end\n");
            }
        }
        self.settle();
        let last = self.rooms[0].read_to - before;
        // What a spare connection lacks is kept: it may still speak.
        let may_speak = |peer: &Peer| peer.is_open() && !peer.wire.borrow().has_spoken;
        if last == 0 || self.peers.iter().any(may_speak) {
            return;
        }
        // The newest line was read only after the pass was over, which is no fault of the hub's.
        let kept = last + self.config.history_bytes as u64 + self.config.max_line as u64 + 100;
        let bytes = 1 + kept.div_ceil(PAGE_BYTES as u64);
        let entries = 1 + (kept / 8).div_ceil(PAGE_ENTRIES as u64);
        let needed = bytes * PAGE_BYTES as u64 + entries * 16 * PAGE_ENTRIES as u64;
        let lobby = &self.hub.room("lobby").unwrap().forms;
        assert!(lobby.held() as u64 <= 2 * needed, "{} of {needed}", lobby.held());
        let plain = lobby.plain();
        assert!(plain.head() - plain.tail() <= kept, "{} of {kept}", plain.head() - plain.tail());
        let open = self.rooms.iter().filter(|room| room.is_open);
        let held = open.map(|room| self.hub.room(&room.name).map_or(0, |room| room.forms.held()));
        assert_eq!(self.hub.pages().held(), held.sum::<usize>());
    }

    /// Ends lines that arrive key by key with a whole chunk: with three characters, since a read
    /// that is cut short in a chunk of two leaves one, which would be another key.
    fn leave_no_keys(&mut self) {
        for place in 0..self.peers.len() {
            let peer = &self.peers[place];
            if !peer.ends_lines && !self.config.raw && peer.may_talk() {
                self.say(place, b"zzz");
            }
        }
    }

    pub fn check_settled(&self) {
        let open = self.peers.iter().filter(|peer| peer.wire.borrow().closed.is_none());
        assert_eq!(open.count(), self.hub.connections(), "someone is in the slab who should not");
        let talk = talk!(self);
        for peer in &self.peers {
            if peer.wish.is_some() {
                self.check_visit_settled(peer);
                continue;
            }
            let wire = peer.wire.borrow();
            // What was sent before a reset still counts, if the server noticed nothing else.
            let reset = wire.closed == Some(true) && !wire.told_reset;
            // What was not a line yet before the reset may be lost. A line without an end then has
            // no goodbye.
            let no_lines = !peer.ends_lines && !self.config.raw || peer.sent_too_long > 0;
            // In raw mode it may have lapsed before, and then it is disconnected.
            // It may have been disconnected for its replies, and the reset has lost the goodbye.
            let too_many = peer.reply_bytes_max(&self.config) > 2 * self.config.max_private;
            // It may have been greeted before its request came, and then let go of. The reset has
            // lost the answer that tells.
            let never_open = wire.browser.as_ref().is_some_and(|browser| !browser.is_open());
            // It may have been refused when its header came, and the reset has lost why.
            let locked_out = peer.may_be_locked_out(&talk);
            let unsaid = no_lines || self.config.raw || too_many || never_open || locked_out;
            let unsaid = wire.reset && unsaid;
            let is_kicked = self.roll.kicked.contains(&peer.serial);
            let given_up = peer.goodbyes > 0 || is_kicked || reset || unsaid || self.stopped;
            let ended = wire.eof || wire.reset || peer.has_ended;
            let in_time = wire.closed.is_none() || ended;
            drop(wire);
            if !peer.refused {
                peer.check_heard(&talk, !given_up && in_time);
                if !given_up && in_time && !peer.wire.borrow().reset {
                    peer.check_has_own_last_line(&talk);
                    peer.check_answered();
                }
            }
            if peer.is_open() && !peer.refused {
                peer.check_caught_up(&talk);
                peer.check_told_of_long_lines();
            }
        }
    }

    /// Each secret reached the client it was for, and no other.
    pub fn check_secrets(&self) {
        let mut told = BTreeSet::new();
        for peer in &self.peers {
            for (whose, number, name) in &peer.private.secrets {
                assert!(told.insert((*whose, *number)), "{number} of guest{whose} went to two");
                let sender = &self.peers[*whose as usize - 1];
                let is_meant = sender.sent.iter().any(|sent| sent.tells(*number, name));
                assert!(is_meant, "{number} of guest{whose} was not for {name}");
            }
        }
        for sender in &self.peers {
            for (number, name) in &sender.private.own_secrets {
                let was_told = told.contains(&(sender.serial, *number));
                let [one] = self.roll.all_named(name)[..] else { continue };
                let other = &self.peers[one as usize - 1];
                let ignores = other.sent.iter().any(|sent| matches!(sent.asks, Asks::Hide(_)));
                let has_all = other.is_open() && one != sender.serial && !ignores;
                assert!(was_told || !has_all, "{number} of {} did not come", sender.serial);
            }
        }
    }

    pub fn stop(&mut self) {
        self.stopped = true;
        self.hub.stop(self.now);
        self.settle();
        assert_eq!(self.hub.connections(), 0, "someone is left after the stop");
        let talk = talk!(self);
        let wanted = |peer: &&Peer| peer.healthy && !peer.refused && !peer.has_ended;
        for peer in self.peers.iter().filter(wanted) {
            let wire = peer.wire.borrow();
            let all = !wire.eof && !wire.reset && peer.goodbyes == 0 && wire.closed == Some(false);
            drop(wire);
            if all && !self.config.raw {
                // One that was on its way to another room got no more of the old one.
                if !peer.may_be_leaving() {
                    peer.check_caught_up(&talk);
                }
                let received = peer.wire.borrow().received.clone();
                let text = String::from_utf8_lossy(&received);
                let last = text.lines().next_back();
                let is_told = last.is_some_and(|line| line.ends_with("* server shutting down"));
                assert!(is_told, "no last line but {last:?}");
            }
        }
    }
}
