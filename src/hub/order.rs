//! What comes back in the order that several servers share. The way there is in `share`.
//!
//! A line goes into the submissions of its room, complete, and is appended like any other. What
//! else is said of a client takes effect at once. So nothing here waits for a pass, but the rooms
//! do: while one has a whole turn to append, nothing more is taken from the order.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use log::{info, warn};

use super::Hub;
use super::across::Superior;
use super::share::{Doors, Elsewhere};
use crate::bus::record::{Record, Records};
use crate::bus::{Came, home_of, is_own, serial_here};
use crate::hub::client::Socket;
use crate::hub::moderation::Request;
use crate::room::submissions::Kind;
use crate::room::transcript::{EntryKind, SERVER, charge};
use crate::room::{ClientId, RoomId};
use crate::words::names::{Claimant, Name};
use crate::words::notice::Notice;

/// The network of clients that are elsewhere, and of rooms that they have made.
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

impl<S: Socket> Hub<S> {
    /// Takes what has come, until a room has a whole turn of it.
    pub(super) fn take_order(&mut self, now: Instant) {
        while !self.is_order_held()
            && let Some(shared) = &mut self.shared
            && let Some(came) = shared.bus.take(now)
        {
            match came {
                Came::Batch { node, records } => {
                    let mut records = Records::of(&records);
                    for record in records.by_ref() {
                        self.take_record(node, &record, now);
                    }
                    if !records.rest().is_empty() {
                        warn!("another server says what this one does not know: is it newer?");
                    }
                }
                Came::Started { node } => self.take_start(node, now),
                Came::Gone { node, name } => self.take_gone(node, &name, now),
                Came::WasGone => self.claim_again(),
                Came::Ready => {
                    info!("the other servers are reached");
                    shared.doors = Doors::Opening;
                }
                Came::Unreachable => self.tell_here_alone(&Notice::Unreachable, now),
                Came::Reached => self.tell_here_alone(&Notice::Reached, now),
                Came::Replaced => self.moderation.requests.push(Request::GiveWay),
            }
        }
    }

    /// Whether nothing is taken from the order, because a room has a whole turn to append, or the
    /// doors are to open first.
    pub(super) fn is_order_held(&self) -> bool {
        let Some(shared) = &self.shared else { return false };
        let full = shared.full.filter(|room| self.rooms.has(*room));
        shared.doors == Doors::Opening || full.is_some_and(|room| self.has_turn(room))
    }

    fn has_turn(&self, room: RoomId) -> bool {
        self.rooms[room].submissions.charged() >= self.config.turn_bytes_max()
    }

    fn take_record(&mut self, node: u16, record: &Record<'_>, now: Instant) {
        match *record {
            Record::Line { room, before, author, kind, name_bytes, text } => {
                let Some(room) = self.room_in_order(room, now) else { return };
                self.note_said_elsewhere(room, node, before, now);
                self.count_said(room, node, before + 1);
                let author = if author == SERVER { SERVER } else { serial_here(node, author) };
                let kind = EntryKind::ALL.into_iter().find(|its| *its as u8 == kind);
                let kind = kind.unwrap_or(EntryKind::Notice);
                self.push_ordered(room, author, (kind, name_bytes), text, now);
            }
            Record::Claim { serial, name, room, text } => {
                self.take_claim(node, serial, name, (room, text), now);
            }
            Record::Free { serial } if node == 0 => self.names.release(serial, now),
            Record::Free { serial } => self.names.remove(serial_here(node, serial)),
            Record::Here { room, here, said } => {
                self.take_here(node, room, here as usize, said, now);
            }
            Record::Message { node: to_node, to, from, from_name, text } => {
                if self.is_this_node(to_node) {
                    self.take_message(node, to, (from, from_name), text, now);
                }
            }
            Record::Answer { node: to_node, to, text } => {
                if self.is_this_node(to_node) {
                    self.take_answer(to, text, now);
                }
            }
            Record::Act { room, from_name, line } if node != 0 => {
                self.take_act(room, from_name, line, now);
            }
            Record::Command { node: to_node, to, from, from_name, room, line } => {
                if self.is_this_node(to_node) {
                    let by = Superior { node, serial: from, name: from_name, room };
                    self.take_command(&by, to, line, now);
                }
            }
            Record::Act { .. } | Record::Hello | Record::Bye => {}
        }
    }

    fn is_this_node(&self, name: &str) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.bus.name() == name)
    }

    /// A room in which something has happened. It is made if there is none.
    pub(super) fn room_in_order(&mut self, name: &str, now: Instant) -> Option<RoomId> {
        if let Some(room) = self.rooms.find(name) {
            return Some(room);
        }
        let name = Name::parse(name).ok()?;
        let (config, pages) = (&self.config, &mut self.pages);
        self.rooms.open(name, Some(ELSEWHERE), config, pages, now).ok()
    }

    fn push_ordered(
        &mut self,
        id: RoomId,
        author: u64,
        (kind, name_bytes): (EntryKind, u8),
        text: &[u8],
        now: Instant,
    ) {
        let room = &mut self.rooms[id];
        let author = ClientId { serial: author, key: 0 };
        let cost = charge(text.len()) + room.forms.extra();
        room.submissions.push(author, Kind::Ordered { kind, name_bytes }, text, cost);
        self.agenda.file_room(id, room, now);
        let is_full = self.has_turn(id);
        if let Some(shared) = self.shared.as_mut().filter(|_| is_full) {
            shared.full = Some(id);
        }
    }

    /// A node has said so many lines in a room before: those that did not come are missing.
    fn note_said_elsewhere(&mut self, room: RoomId, node: u16, said: u64, now: Instant) {
        let known = self.shared.as_ref().and_then(|shared| shared.elsewhere.get(&(room, node)));
        let Some(lines) = known.and_then(|known| said.checked_sub(known.said)) else { return };
        if lines > 0 {
            if let Some(shared) = self.shared.as_mut().filter(|_| node == 0) {
                shared.has_lost = true;
            }
            let line = self.config.voice().line(&Notice::Missed { lines });
            self.rooms[room].submissions.push_notice(&line);
            self.agenda.file_room(room, &mut self.rooms[room], now);
        }
    }

    fn count_said(&mut self, room: RoomId, node: u16, said: u64) {
        if let Some(shared) = &mut self.shared {
            shared.elsewhere.entry((room, node)).or_default().said = said;
        }
    }

    fn take_here(&mut self, node: u16, name: &str, here: usize, said: u64, now: Instant) {
        let room = match here {
            // Nobody is there: no room is made for that.
            0 => self.rooms.find(name),
            _ => self.room_in_order(name, now),
        };
        let Some(room) = room else { return };
        self.note_said_elsewhere(room, node, said, now);
        // The clients of this node are counted as they come and go.
        let here = if node == 0 { 0 } else { here };
        if let Some(shared) = &mut self.shared {
            shared.elsewhere.insert((room, node), Elsewhere { here, said });
        }
        self.count_elsewhere(room, now);
    }

    fn count_elsewhere(&mut self, room: RoomId, now: Instant) {
        let Some(shared) = &self.shared else { return };
        let nodes = shared.elsewhere.range((room, 0)..=(room, u16::MAX));
        self.rooms[room].elsewhere = nodes.map(|(_, its)| its.here).sum();
        self.agenda.file_room(room, &mut self.rooms[room], now);
    }

    /// A client asks for a name. All nodes decide alike: the first has it.
    fn take_claim(
        &mut self,
        node: u16,
        serial: u64,
        text: &str,
        (room, notice): (&str, &[u8]),
        now: Instant,
    ) {
        let (own, serial) = (node == 0, serial_here(node, serial));
        let id = self.clients.member(serial).filter(|_| own);
        let network =
            id.map_or(ELSEWHERE, |id| crate::hub::addresses::network(self.clients[id].record.ip));
        let claimant = Claimant { serial, network };
        let granted = Name::parse(text).and_then(|name| self.names.grant(claimant, name, now));
        if granted.is_ok()
            && !notice.is_empty()
            && let Some(room) = self.room_in_order(room, now)
        {
            self.push_ordered(room, serial, (EntryKind::Notice, 0), notice, now);
        }
        let Some(id) = id else { return };
        let asked = self.shared.as_mut().and_then(|shared| shared.asked.remove(&serial));
        if asked.is_none() {
            if let Err(refusal) = granted {
                // It had the name, until this node was taken for gone.
                self.tell_refusal(id, text, refusal, now);
                self.file(id, now);
            }
            return;
        }
        self.answer(id, now, |hub| match granted {
            // It reads that with the others, unless it does not get its own lines.
            Ok(()) if !notice.is_empty() && !hub.is_without(id, serial) => {}
            Ok(()) => {
                let name = &hub.names.of(serial).to_string();
                hub.tell(id, &Notice::NameIsYours { name }, now);
            }
            Err(refusal) => hub.tell_refusal(id, text, refusal, now),
        });
    }

    /// The other nodes have taken this one for gone, and freed the names of its clients at this
    /// place in the order. Each client asks for its own again.
    fn claim_again(&mut self) {
        let own = self.names.all().filter(|(serial, _)| is_own(*serial));
        let own: Vec<(u64, String)> = own.map(|(serial, name)| (serial, name.to_owned())).collect();
        let Some(shared) = &mut self.shared else { return };
        for (serial, name) in &own {
            self.names.remove(*serial);
            // One that asks for another name has asked behind this.
            if !shared.asked.contains_key(serial) {
                shared.bus.push(&Record::Claim { serial: *serial, name, room: "", text: b"" });
            }
        }
        self.say_all();
    }

    fn take_message(
        &mut self,
        node: u16,
        to: u64,
        (from, from_name): (u64, &str),
        text: &str,
        now: Instant,
    ) {
        let found = self.clients.member(to).filter(|id| !self.room_of(*id).is_door);
        let lines = match found {
            Some(id) => self.deliver(id, (serial_here(node, from), from_name), text, now),
            None => {
                let name = &self.names.of(to).to_string();
                self.config.voice().line(&Notice::Nobody { name })
            }
        };
        let Some(shared) = &mut self.shared else { return };
        let Some(node) = shared.bus.name_of(node).map(str::to_owned) else { return };
        shared.bus.push(&Record::Answer { node: &node, to: from, text: &lines });
    }

    fn take_answer(&mut self, to: u64, lines: &[u8], now: Instant) {
        let Some(shared) = &mut self.shared else { return };
        if shared.asked.remove(&to).is_none() {
            return;
        }
        if let Some(id) = self.clients.member(to) {
            self.answer(id, now, |hub| hub.tell_reply(id, lines.to_vec(), now));
        }
    }

    /// A node has started: all that it says is said to the clients of this one. So its first lines
    /// count, though they may never come.
    fn take_start(&mut self, node: u16, now: Instant) {
        for room in self.rooms.ids() {
            self.count_said(room, node, 0);
        }
        self.say_bans(node, now);
    }

    /// A node is no more, nor are its clients.
    fn take_gone(&mut self, node: u16, name: &str, now: Instant) {
        let Some(shared) = &mut self.shared else { return };
        let asked: Vec<u64> = shared
            .asked
            .iter()
            .filter(|(_, its)| **its == node)
            .map(|(serial, _)| *serial)
            .collect();
        let gone = shared.elsewhere.iter().filter(|((_, its), _)| *its == node);
        let gone: Vec<(RoomId, usize)> = gone.map(|((room, _), its)| (*room, its.here)).collect();
        shared.asked.retain(|_, its| *its != node);
        shared.elsewhere.retain(|(_, its), _| *its != node);
        for serial in asked {
            if let Some(id) = self.clients.member(serial) {
                self.answer(id, now, |hub| {
                    hub.tell(id, &Notice::ServerGone { node: name, left: 0 }, now);
                });
            }
        }
        let named: Vec<u64> = self.names.all().map(|(serial, _)| serial).collect();
        for serial in named.into_iter().filter(|serial| !is_own(*serial)) {
            if home_of(serial).0 == node {
                self.names.remove(serial);
            }
        }
        for (room, left) in gone {
            self.count_elsewhere(room, now);
            if left > 0 {
                let line = self.config.voice().line(&Notice::ServerGone { node: name, left });
                self.rooms[room].submissions.push_notice(&line);
                self.agenda.file_room(room, &mut self.rooms[room], now);
            }
        }
    }

    /// Tells all clients of this node, in all rooms.
    fn tell_here_alone(&mut self, notice: &Notice<'_>, now: Instant) {
        for room in self.rooms.ids() {
            if !self.rooms[room].is_door {
                self.rooms[room].submissions.push_notice(&self.config.voice().line(notice));
                self.agenda.file_room(room, &mut self.rooms[room], now);
            }
        }
    }
}
