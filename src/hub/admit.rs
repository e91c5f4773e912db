//! The step *accept*: a new client is admitted, or refused with a reason; and its welcome.
//!
//! Its place in the conversation is the head at the moment of accept: it gets every line since its
//! connection reached the server. The welcome stands at that place. It is sent a little later, when
//! the client's first words have not shown another protocol.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use log::{debug, warn};

use super::{Hub, Stop};
use crate::config::DOORWAY_MAX;
use crate::hub::client::{Admission, Client, Leave, Life, Socket};
use crate::room::reading::Reading;
use crate::room::{ClientId, LOBBY, RoomId};
use crate::words::notice::{Counted, Notice, Shown, Whence};

/// Where clients come in, and what is so of all that come in there.
#[derive(Clone, Copy, Debug)]
pub struct Entrance {
    /// The room in which they stand.
    pub room: RoomId,
    /// Whether they are operators: only those that may administrate this machine can reach it.
    pub is_control: bool,
}

impl Entrance {
    /// An entrance for all, to this room.
    pub fn to(room: RoomId) -> Entrance {
        Entrance { room, is_control: false }
    }
}

impl<S: Socket> Hub<S> {
    /// The key that the next admitted client will have, for its registration before that.
    pub fn next_key(&self) -> usize {
        self.clients.next_key()
    }

    /// Admits a new client, or tells it why not. Its socket is registered for [`Hub::next_key`].
    ///
    /// Ask [`Hub::turned_away`] first.
    pub fn admit(&mut self, socket: S, address: SocketAddr, by: Entrance, now: Instant) {
        let refusal = if by.is_control { None } else { self.refusal(address.ip()) };
        let id = self.insert(socket, address, by.room, now);
        self.clients[id].record.is_operator = by.is_control;
        match refusal {
            Some(notice) => self.refuse(id, address, &notice, now),
            None => self.let_in(id, address.ip(), now),
        }
        self.file(id, now);
    }

    /// The words for a client that is refused while the doorway is full: send them at once, as far
    /// as possible. `None` means: admit it.
    ///
    /// A refused connection holds a descriptor until it closes. At most [`DOORWAY_MAX`] may, so
    /// that refusals cannot crowd out clients that may come in.
    pub fn turned_away(&mut self, address: SocketAddr, now: Instant) -> Option<Vec<u8>> {
        if self.has_doorway() {
            return None;
        }
        let notice = self.refusal(address.ip())?;
        self.tell_refused(address, &notice, now);
        Some(self.config.voice().line(&notice))
    }

    /// Why a client from this address is refused, if it is.
    fn refusal(&self, address: IpAddr) -> Option<Notice<'static>> {
        if self.is_full() {
            return Some(Notice::Full { clients_max: self.gate.clients_max });
        }
        let per_address = self.config.per_address;
        let too_many = per_address > 0 && self.gate.addresses.connections(address) >= per_address;
        (too_many && !self.config.is_exempt(address))
            .then_some(Notice::TooManyFromAddress { per_address })
    }

    /// Whether the doorway has room for one more refused connection.
    fn has_doorway(&self) -> bool {
        self.gate.refused < DOORWAY_MAX
    }

    /// The words for a client without a place even in the doorway; none in raw mode.
    pub fn full_line(&self) -> Vec<u8> {
        self.config.voice().line(&Notice::Full { clients_max: self.gate.clients_max })
    }

    /// Whether one more connection would be refused because the server is full.
    pub fn is_full(&self) -> bool {
        self.clients.count() - self.gate.refused >= self.gate.clients_max
    }

    /// Whether the server is full, but a client is about to free its place: then accept next turn.
    pub fn is_making_room(&self) -> bool {
        self.is_full() && self.agenda.is_making_room()
    }

    /// A connection reads a room from this moment on.
    fn insert(&mut self, socket: S, address: SocketAddr, room: RoomId, now: Instant) -> ClientId {
        let serial = self.clients.next_serial();
        let mut reading = Reading::new(self.rooms[room].forms.plain().head());
        if self.config.no_echo {
            reading.change_without(|without| without.add(serial));
        }
        let place = (room, reading);
        let client = Client::new(socket, address, serial, place, &self.config.pace(), now);
        let id = self.clients.insert(client);
        self.clients[id].record.place = self.rooms[room].readers.add(id.key);
        id
    }

    fn let_in(&mut self, id: ClientId, address: IpAddr, now: Instant) {
        if self.config.is_exempt(address) {
            self.clients[id].admission = Admission::Exempt;
        } else {
            self.gate.addresses.came(address);
        }
        let greeting = self.config.greeting_time();
        if greeting.is_zero() {
            self.greet(id, now);
        } else {
            self.agenda.add_arrival(id, now + greeting);
        }
    }

    /// Welcomes a client by its name, and announces it to all. It does nothing for one that has
    /// been welcomed.
    pub(super) fn greet(&mut self, id: ClientId, now: Instant) {
        let client = &self.clients[id];
        if client.life() != Life::Arriving {
            return;
        }
        let (start, address) = (client.reading.position(), client.record.address());
        let (before, _) = self.room_of(id).forms.of(client.form).start_at_or_after(start);
        self.enter(id, Life::Member, now);
        self.clients.join(id);
        let room = self.clients[id].room;
        self.rooms[room].here += 1;
        let here = self.rooms[room].here;
        let shown = Shown((!self.config.hide_addresses).then_some(address));
        let name = self.names.of(id.serial).to_string();
        debug!("{name} ({}) joined", Whence(address));
        let welcome = Notice::Welcome { name: &name, address: shown, here };
        self.tell_lines_at(id, start, self.config.voice().line(&welcome), now);
        if room != LOBBY {
            let notice = Notice::Entered { room: &self.rooms.name(room), here };
            self.tell_lines_at(id, start, self.config.voice().line(&notice), now);
        }
        self.tell_of_room(id, start, before, now);
        self.announce(id, now);
    }

    /// Tells a client that has come into its room the topic, and earlier lines there: those with a
    /// number below `before`. Both stand at this position.
    pub(super) fn tell_of_room(&mut self, id: ClientId, at: u64, before: u64, now: Instant) {
        let voice = self.config.voice();
        let topic = self.room_of(id).topic().map(|topic| voice.line(&Notice::Topic { topic }));
        let history = self.history(id, self.config.history, before);
        let history = history.map(|history| voice.words(|_| history));
        for lines in [topic, history].into_iter().flatten() {
            self.tell_lines_at(id, at, lines, now);
        }
    }

    /// Tells all in a client's room that it came.
    pub(super) fn announce(&mut self, id: ClientId, now: Instant) {
        let address = self.clients[id].record.address();
        let alone = self.may_tell_alone(address.ip(), now);
        let room_id = self.clients[id].room;
        let room = &mut self.rooms[room_id];
        if self.stop == Stop::No && room.presence.joined(alone, now) {
            let shown = Shown((!self.config.hide_addresses).then_some(address));
            let name = &self.names.of(id.serial).to_string();
            room.submissions.push_notice(&self.config.voice().joined(name, shown));
        }
        self.agenda.file_room(room_id, room, now);
    }

    /// Whether the bucket of this address allows one more join or leave notice.
    pub(super) fn may_tell_alone(&mut self, address: IpAddr, now: Instant) -> bool {
        self.gate.addresses.may_tell(address, &self.config.address_notice_pace(), now)
    }

    fn tell_refused(&mut self, address: SocketAddr, notice: &Notice<'_>, now: Instant) {
        let full = matches!(notice, Notice::Full { .. });
        let troubles = &mut self.troubles;
        let trouble = if full { &mut troubles.full } else { &mut troubles.per_address };
        if let Some(count) = trouble.count(now) {
            let connections = Counted(count, "connection");
            warn!("refused {connections}, the last from {}: {notice}", Whence(address));
        }
    }

    fn refuse(&mut self, id: ClientId, address: SocketAddr, notice: &Notice<'_>, now: Instant) {
        self.tell_refused(address, notice, now);
        self.clients[id].admission = Admission::Refused;
        self.gate.refused += 1;
        self.close(id, Leave::Refused, notice, now);
    }
}
