//! What a server shares with the others of its cluster: the way out, to the [`bus`](crate::bus).
//! The way back is in `order`.
//!
//! Without a cluster, a line is appended when its turn comes. With one, it is published then, and
//! appended when it comes back in the order that all servers share. The server of a client decides
//! everything about it: which name it has, whether it is muted, what its command does. So a record
//! is the result, as all servers show it. Only a name is decided by all, at its place in the order.
//!
//! What a client is told alone must not overtake its own lines. So a command waits until all that
//! its client has said before has come back. Other clients do not wait for that, so `/who` is
//! answered although the other servers cannot be reached.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use super::submit::push;
use super::{Hub, Stop};
use crate::bus::Bus;
use crate::bus::record::Record;
use crate::hub::client::{Hold, Socket};
use crate::room::submissions::{Kind, Submission};
use crate::room::transcript::{EntryKind, SERVER};
use crate::room::{ClientId, RoomId};
use crate::words::command::Command;
use crate::words::names::{Claimant, Name};
use crate::words::notice::Notice;

/// What a hub has more as a node of a cluster.
#[derive(Debug)]
pub(super) struct Shared {
    /// The order.
    pub bus: Bus,
    /// The rooms in which something waits to be published.
    pub heard_in: Vec<RoomId>,
    /// By serial, how many lines of each client have not come back.
    pending: HashMap<u64, u32>,
    /// By serial, what is done when these lines have come back.
    waiting: BTreeMap<u64, Waiting>,
    /// Lines of clients of this node were lost: these do not come back.
    pub has_lost: bool,
    /// Clients of which all lines have come back.
    due: Vec<u64>,
    /// Clients whose input is over, and whose lines have not come back.
    ending: Vec<ClientId>,
    /// By serial, the clients that wait for an answer of a node, and the number of that.
    pub asked: BTreeMap<u64, u16>,
    /// What other nodes have in each room.
    pub elsewhere: BTreeMap<(RoomId, u16), Elsewhere>,
    /// How many lines this node has said in each room.
    said: HashMap<RoomId, u64>,
    /// Rooms in which the number of clients has changed.
    changed: Vec<RoomId>,
    /// The room that last had a whole turn to append: while it has, nothing is taken from the
    /// order.
    pub full: Option<RoomId>,
    /// How often this node has said hello.
    hellos: u64,
    pub doors: Doors,
}

/// Whether clients may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doors {
    /// The stream was not read up to its end once.
    Shut,
    /// It was, but not all of it is appended. Nothing more is taken meanwhile.
    Opening,
    /// All of it was appended in this turn, so the next one must come: clients may wait.
    JustOpen,
    /// They may.
    Open,
}

/// What another node has in a room.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Elsewhere {
    /// Clients.
    pub here: usize,
    /// Lines of it that were said there.
    pub said: u64,
}

#[derive(Debug)]
struct Waiting {
    room: RoomId,
    kind: Kind,
    text: Vec<u8>,
}

impl Shared {
    fn new(bus: Bus) -> Shared {
        Shared {
            bus,
            heard_in: Vec::new(),
            pending: HashMap::new(),
            waiting: BTreeMap::new(),
            has_lost: false,
            due: Vec::new(),
            ending: Vec::new(),
            asked: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
            said: HashMap::new(),
            changed: Vec::new(),
            full: None,
            hellos: 0,
            doors: Doors::Shut,
        }
    }

    /// Forgets the command of a client that waits.
    pub fn drop_command_of(&mut self, id: ClientId) {
        self.waiting.remove(&id.serial);
    }

    /// Whether a client whose input is over still has lines that have not come back. Then it is
    /// kept here until they have.
    pub fn keep_ending(&mut self, id: ClientId) -> bool {
        let serial = id.serial;
        let is_pending = self.pending.contains_key(&serial) || self.waiting.contains_key(&serial);
        let is_kept = is_pending || !self.heard_in.is_empty() || self.asked.contains_key(&serial);
        if is_kept {
            self.ending.push(id);
        }
        is_kept
    }

    /// Whether there is something to do that waits for nothing; if the order is held, for a room.
    pub fn is_busy(&self, is_held: bool) -> bool {
        let may_publish = !self.heard_in.is_empty() && !self.bus.is_full();
        let has_come = self.bus.has_come() && !is_held;
        let is_opening = matches!(self.doors, Doors::Opening | Doors::JustOpen);
        may_publish || !self.due.is_empty() || has_come || is_opening
    }

    /// Whether nothing of its clients waits.
    pub fn is_silent(&self) -> bool {
        self.heard_in.is_empty() && self.waiting.is_empty() && self.bus.is_settled()
    }
}

impl<S: Socket> Hub<S> {
    /// Makes it a node of a cluster. Call it before any client comes.
    pub fn join_cluster(&mut self, bus: Bus) {
        self.names.set_guest_suffix(format!("-{}", bus.name()));
        self.shared = Some(Box::new(Shared::new(bus)));
    }

    /// The order that it shares with other servers.
    pub fn bus(&mut self) -> Option<&mut Bus> {
        self.shared.as_mut().map(|shared| &mut shared.bus)
    }

    /// Whether clients may come: not before it knows the other servers of its cluster, and has
    /// appended what these have said before.
    pub fn is_open(&self) -> bool {
        let doors = self.shared.as_ref().map(|shared| shared.doors);
        doors.is_none_or(|doors| matches!(doors, Doors::JustOpen | Doors::Open))
    }

    /// Whether the other servers know all that was said, or cannot be reached.
    pub fn is_goodbye_said(&self) -> bool {
        let bus = self.shared.as_ref().map(|shared| &shared.bus);
        bus.is_none_or(|bus| bus.is_settled() || bus.is_unreachable())
    }

    /// Whether nothing that clients have sent waits for the other servers.
    pub(super) fn is_published(&self) -> bool {
        let shared = self.shared.as_ref();
        shared.is_none_or(|shared| shared.is_silent() || shared.bus.is_unreachable())
    }

    /// Whether no more is read of clients, because so much waits for the other servers.
    pub(super) fn is_held_by_bus(&self) -> bool {
        self.shared
            .as_ref()
            .is_some_and(|shared| shared.bus.is_full() || !shared.heard_in.is_empty())
    }

    /// Takes what has come, publishes what was sent, and gives it to the bus.
    pub(super) fn share(&mut self, now: Instant) {
        let Some(shared) = &mut self.shared else { return };
        shared.doors = match shared.doors {
            Doors::Opening if self.rooms.are_silent() => Doors::JustOpen,
            Doors::JustOpen => Doors::Open,
            doors => doors,
        };
        self.take_order(now);
        self.publish_heard(now);
        self.go_on(now);
        self.say_hello(now);
        self.tell_here();
        if let Some(shared) = &mut self.shared {
            shared.bus.flush(now);
        }
    }

    /// Submits something of a client in a room.
    pub(super) fn submit(
        &mut self,
        id: ClientId,
        room: RoomId,
        kind: Kind,
        text: &[u8],
        charge: usize,
    ) {
        let shared = self.shared.as_deref_mut();
        push(shared, &mut self.rooms[room], (id, room), kind, text, charge);
    }

    /// Submits a notice of the server in a room, complete as it will be appended.
    pub(super) fn submit_notice(&mut self, room: RoomId, line: &[u8]) {
        match self.shared {
            Some(_) => self.publish(room, SERVER, (EntryKind::Notice, 0), line),
            None => self.rooms[room].submissions.push_notice(line),
        }
    }

    /// Tells all in a room something at this place in the order. `author` has worded a part of it.
    pub(super) fn tell_all(&mut self, room: RoomId, author: u64, notice: &Notice<'_>) {
        let voice = self.config.voice();
        match self.shared {
            Some(_) => self.publish(room, author, (EntryKind::Notice, 0), &voice.line(notice)),
            None => self.rooms[room].tell_of(&mut self.pages, author, notice, voice),
        }
    }

    /// Says a line of a client in a room, at this place in the order.
    pub(super) fn say(&mut self, room: RoomId, author: u64, kind: EntryKind, text: &[u8]) {
        if self.shared.is_none() {
            return self.rooms[room].say(&mut self.pages, author, kind, text, &self.names);
        }
        let name = self.names.of(author).to_string();
        let line = kind.parts(&name, text).concat();
        self.publish(room, author, (kind, name.len() as u8), &line);
    }

    fn publish(&mut self, room: RoomId, author: u64, kind: (EntryKind, u8), text: &[u8]) {
        let Some(shared) = &mut self.shared else { return };
        // A notice of a server that has no words is none.
        if text.is_empty() || self.rooms[room].is_door {
            return;
        }
        let said = shared.said.entry(room).or_default();
        let room = &self.rooms.name(room);
        let (kind, name_bytes) = (kind.0 as u8, kind.1);
        shared.bus.push(&Record::Line { room, before: *said, author, kind, name_bytes, text });
        *said += 1;
        if author != SERVER {
            *shared.pending.entry(author).or_default() += 1;
        }
    }

    /// A line of this author has come back and is appended.
    pub(super) fn note_returned(&mut self, author: u64) {
        let Some(shared) = &mut self.shared else { return };
        let Some(pending) = shared.pending.get_mut(&author) else { return };
        *pending -= 1;
        if *pending == 0 {
            shared.pending.remove(&author);
            shared.due.push(author);
        }
    }

    /// The number of clients in a room may have changed.
    pub(super) fn note_here(&mut self, room: RoomId) {
        if let Some(shared) = &mut self.shared {
            shared.changed.push(room);
        }
    }

    /// A room is no more.
    pub(super) fn forget_shared(&mut self, room: RoomId) {
        let Some(shared) = &mut self.shared else { return };
        shared.said.remove(&room);
        shared.heard_in.retain(|heard_in| *heard_in != room);
        shared.changed.retain(|changed| *changed != room);
        shared.elsewhere.retain(|(other, _), _| *other != room);
    }

    /// Publishes what clients have sent, in the order of each room, as far as the bus takes it.
    fn publish_heard(&mut self, now: Instant) {
        let Some(shared) = &mut self.shared else { return };
        let mut text = Vec::new();
        for id in std::mem::take(&mut shared.heard_in) {
            while self.shared.as_ref().is_some_and(|shared| !shared.bus.is_full())
                && let Some(heard) = self.rooms[id].heard.take(usize::MAX)
            {
                text.clear();
                text.extend_from_slice(self.rooms[id].heard.text(&heard));
                self.publish_one(id, &heard, &text, now);
            }
            let room = &mut self.rooms[id];
            room.heard.forget_taken();
            if let Some(shared) = self.shared.as_mut().filter(|_| !room.heard.is_empty()) {
                shared.heard_in.push(id);
            }
            self.agenda.file_room(id, room, now);
        }
    }

    fn publish_one(&mut self, room: RoomId, sent: &Submission, text: &[u8], now: Instant) {
        let id = sent.author;
        match sent.kind {
            Kind::Line | Kind::AsItIs | Kind::Ordered { .. } => {
                match self.rooms[room].silence(id.serial, now) {
                    Some(notice) if self.clients.get(id).is_some() => {
                        self.tell(id, &notice, now);
                        self.file(id, now);
                    }
                    Some(_) => {}
                    None => self.say(room, id.serial, EntryKind::Say, text),
                }
            }
            Kind::Command => {
                let line = String::from_utf8_lossy(text);
                let (kind, words) = match Command::parse(&line) {
                    Command::Say(words) => (EntryKind::Say, words),
                    Command::Me(words) => (EntryKind::Me, words),
                    _ => return self.do_behind_lines(id, room, Kind::Command, text, now),
                };
                if let Some(notice) = self.rooms[room].silence(id.serial, now) {
                    return self.answer(id, now, |hub| hub.tell(id, &notice, now));
                }
                self.say(room, id.serial, kind, words.as_bytes());
                self.answer(id, now, |_| {});
            }
            Kind::Answer => self.do_behind_lines(id, room, Kind::Answer, text, now),
            Kind::Departure { told } => {
                if told {
                    let name = &self.names.of(id.serial).to_string();
                    self.tell_all(room, SERVER, &Notice::Left { name });
                }
                // Even if it has no name yet: it may have asked for one.
                if let Some(shared) = &mut self.shared {
                    shared.bus.push(&Record::Free { serial: id.serial });
                }
            }
        }
    }

    /// Does something for a client once all that it has said has come back.
    fn do_behind_lines(
        &mut self,
        id: ClientId,
        room: RoomId,
        kind: Kind,
        text: &[u8],
        now: Instant,
    ) {
        if let Some(shared) = &mut self.shared
            && shared.pending.contains_key(&id.serial)
        {
            let text = text.to_vec();
            shared.waiting.insert(id.serial, Waiting { room, kind, text });
            return;
        }
        if kind == Kind::Answer {
            return self.answer(id, now, |hub| hub.tell_reply(id, text.to_vec(), now));
        }
        let line = String::from_utf8_lossy(text).into_owned();
        self.answer(id, now, |hub| hub.obey(id, room, &line, now));
    }

    /// Goes on with the clients of which all lines have come back, but for those that were lost.
    fn go_on(&mut self, now: Instant) {
        let Some(shared) = &mut self.shared else { return };
        if shared.has_lost && shared.bus.is_settled() && self.rooms.are_silent() {
            shared.has_lost = false;
            shared.due.extend(shared.pending.drain().map(|(serial, _)| serial));
        }
        for serial in std::mem::take(&mut shared.due) {
            let Some(shared) = &mut self.shared else { return };
            let Some(Waiting { room, kind, text }) = shared.waiting.remove(&serial) else {
                continue;
            };
            if let Some(id) = self.clients.member(serial) {
                self.do_behind_lines(id, room, kind, &text, now);
            }
        }
        if let Some(shared) = &mut self.shared {
            for id in std::mem::take(&mut shared.ending) {
                self.agenda.keep_ending(id);
            }
        }
    }

    /// Tells the other nodes how many clients are in the rooms in which that has changed.
    fn tell_here(&mut self) {
        // At a stop the goodbye says that nobody is here any more.
        let is_stopping = self.stop != Stop::No;
        let Some(shared) = self.shared.as_mut().filter(|_| !is_stopping) else { return };
        let mut changed = std::mem::take(&mut shared.changed);
        changed.sort_unstable();
        changed.dedup();
        for room in changed {
            self.push_here(room);
        }
    }

    fn push_here(&mut self, room: RoomId) {
        let Some(shared) = &mut self.shared else { return };
        if self.rooms[room].is_door {
            return;
        }
        let said = shared.said.get(&room).copied().unwrap_or_default();
        let (name, here) = (&self.rooms.name(room), self.rooms[room].here as u64);
        shared.bus.push(&Record::Here { room: name, here, said });
    }

    /// Says that this node is there, and now and then all about its clients.
    fn say_hello(&mut self, now: Instant) {
        let Some(shared) = &mut self.shared else { return };
        if !shared.bus.take_hello(now) {
            return;
        }
        shared.bus.push(&Record::Hello);
        shared.hellos += 1;
        if shared.hellos % 3 == 1 {
            self.say_all();
        }
    }

    /// Says all about the clients of this node.
    pub(super) fn say_all(&mut self) {
        let Some(shared) = &mut self.shared else { return };
        // One that asks for another name at this moment would get its old one back.
        let own = self.names.all().filter(|(serial, _)| crate::bus::is_own(*serial));
        for (serial, name) in own.filter(|(serial, _)| !shared.asked.contains_key(serial)) {
            shared.bus.push(&Record::Claim { serial, name, room: "", text: b"" });
        }
        self.say_rules();
        for room in self.rooms.ids() {
            self.push_here(room);
        }
    }

    /// A client asks for a name: all servers decide, at its place in the order.
    pub(super) fn claim(&mut self, id: ClientId, text: &str, now: Instant) {
        let network = crate::hub::addresses::network(self.clients[id].record.ip);
        let claimant = Claimant { serial: id.serial, network };
        let name = match Name::parse(text) {
            Ok(name) => name,
            Err(refusal) => return self.tell_refusal(id, text, refusal, now),
        };
        // What is known here already. In the order another may still come first.
        if let Err(refusal) = self.names.check(claimant, &name, now) {
            return self.tell_refusal(id, text, refusal, now);
        }
        let from = self.names.of(id.serial).to_string();
        let to = crate::words::names::called(name.as_str());
        if to == from {
            return self.tell(id, &Notice::NameIsYours { name: &to }, now);
        }
        let notice = self.config.voice().line(&Notice::Renamed { from: &from, to: &to });
        let client = &mut self.clients[id];
        let room = &self.rooms.name(client.room);
        let is_told = !client.record.is_unseen;
        client.hold = Hold::Answer;
        let Some(shared) = &mut self.shared else { return };
        shared.asked.insert(id.serial, 0);
        let text: &[u8] = if is_told { &notice } else { b"" };
        shared.bus.push(&Record::Claim { serial: id.serial, name: name.as_str(), room, text });
    }

    /// Sends a private message to a client of another server. Its sender waits for the answer.
    pub(super) fn send_message(&mut self, from: ClientId, to: u64, text: &str) {
        let from_name = &self.names.of(from.serial).to_string();
        let (number, to) = crate::bus::home_of(to);
        let Some(shared) = &mut self.shared else { return };
        let Some(node) = shared.bus.name_of(number).map(str::to_owned) else { return };
        shared.asked.insert(from.serial, number);
        let record = Record::Message { node: &node, to, from: from.serial, from_name, text };
        shared.bus.push(&record);
        self.clients[from].hold = Hold::Answer;
    }

    /// The client of another server that this text names: its serial here.
    pub(super) fn find_elsewhere(&self, text: &str) -> Option<u64> {
        let shared = self.shared.as_ref()?;
        if let Some(found) = self.names.find(text).filter(|serial| !crate::bus::is_own(*serial)) {
            return Some(found);
        }
        // A guest of another server: `guest`, its serial there, and the name of that server.
        let text = crate::words::names::folded(crate::words::names::bare(text));
        let (serial, node) = text.strip_prefix("guest")?.split_once('-')?;
        let serial = serial.parse().ok().filter(|serial| *serial > 0)?;
        let number = shared.bus.number_of(node).filter(|number| *number > 0)?;
        Some(crate::bus::serial_here(number, serial))
    }
}
