//! The step *accept*: a new client is admitted, or refused with a reason; and its welcome.
//!
//! Its place in the conversation is the head at the moment of accept: it gets every line since its
//! connection reached the server. The welcome stands at that place. It is sent a little later, when
//! the client's first words have not shown another protocol.
//!
//! Behind a proxy, a client is judged by the address in the header that the proxy sends first.
//! Until that is there, the connection takes a client's place, and nothing else is known of it.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use log::{debug, warn};

use super::{Hub, Stop};
use crate::config::DOORWAY_MAX;
use crate::hub::client::{Admission, Client, Leave, Life, Socket};
use crate::room::reading::Reading;
use crate::room::without::Without;
use crate::room::{ClientId, LOBBY, RoomId};
use crate::wire::decoder::Decoder;
use crate::wire::proxy::{HEADER_WAIT, Header};
use crate::words::names::{Claimant, Name};
use crate::words::notice::{Counted, Notice, Shown, Span, Whence, Why};

/// Why a new client is refused.
enum Refused {
    Full(usize),
    Banned(Span, String),
    Locked(String),
    TooManyFromAddress(usize),
}

impl Refused {
    fn notice(&self) -> Notice<'_> {
        match self {
            Refused::Full(clients_max) => Notice::Full { clients_max: *clients_max },
            Refused::Banned(time, why) => Notice::Banned { time: *time, why: Why(why) },
            Refused::Locked(room) => Notice::Locked { room },
            Refused::TooManyFromAddress(most) => Notice::TooManyFromAddress { per_address: *most },
        }
    }
}

/// Where clients come in, and what is so of all that come in there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entrance {
    /// The room in which they stand.
    pub room: RoomId,
    /// Whether they are operators: only those that may administrate this machine can reach it.
    pub is_control: bool,
    /// Which of [`Config::listeners`](crate::config::Config::listeners) it is: that may have exempt
    /// networks of its own.
    pub listener: Option<usize>,
}

impl Entrance {
    /// An entrance for all, to this room.
    pub fn to(room: RoomId) -> Entrance {
        Entrance { room, is_control: false, listener: None }
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
        let refusal = self.refusal(address.ip(), by, now);
        let owes_password = !by.is_control && self.password_of(by.room).is_some();
        let room = if owes_password {
            self.rooms.door(&self.config, &mut self.pages, now)
        } else {
            by.room
        };
        let id = self.insert(socket, address, room, now);
        let client = &mut self.clients[id];
        client.record.is_operator = by.is_control;
        client.record.is_unseen = by.is_control || owes_password;
        if owes_password {
            client.change_moments(|its| its.waits_for = Some(by.room));
        }
        match refusal {
            Some(refusal) => self.refuse(id, address, &refusal, now),
            None if self.is_proxy(address.ip(), by) => self.await_header(id, by, now),
            None => {
                if let Some(at) = self.let_in(id, by, now) {
                    self.agenda.add_arrival(id, at);
                }
            }
        }
        self.file(id, now);
    }

    /// Admits the server's own terminal: an operator that is called `host`, and gets replies only.
    /// Its socket is registered for [`Hub::next_key`].
    pub fn admit_host(&mut self, socket: S, now: Instant) {
        let address = SocketAddr::from(([0; 4], 0));
        let id = self.insert(socket, address, LOBBY, now);
        let record = &mut self.clients[id].record;
        (record.is_operator, record.is_unseen) = (true, true);
        self.clients[id].admission = Admission::Exempt;
        self.change_without(id, Without::add_all);
        let host = Claimant { serial: id.serial, network: address.ip() };
        let named = self.names.take(host, Name::host(), now);
        debug_assert_eq!(named, Ok(()));
        self.greet(id, now);
        self.file(id, now);
    }

    /// The words for a client that is refused while the doorway is full: send them at once, as far
    /// as possible. `None` means: admit it.
    ///
    /// A refused connection holds a descriptor until it closes. At most [`DOORWAY_MAX`] may, so
    /// that refusals cannot crowd out clients that may come in.
    pub fn turned_away(
        &mut self,
        address: SocketAddr,
        by: Entrance,
        now: Instant,
    ) -> Option<Vec<u8>> {
        if self.has_doorway() {
            return None;
        }
        let refusal = self.refusal(address.ip(), by, now)?;
        self.tell_refused(address, &refusal, now);
        Some(self.config.voice().line(&refusal.notice()))
    }

    /// Why a connection from this address is refused, if it is.
    fn refusal(&self, address: IpAddr, by: Entrance, now: Instant) -> Option<Refused> {
        match by.is_control {
            true => None,
            _ if self.is_full() => Some(Refused::Full(self.gate.clients_max)),
            _ if self.is_proxy(address, by) => None,
            _ => self.refusal_of(address, by, now),
        }
    }

    /// Why a client at this address is refused, if it is, though there is a place for it.
    fn refusal_of(&self, address: IpAddr, by: Entrance, now: Instant) -> Option<Refused> {
        let is_exempt = self.config.is_exempt(address, by.listener);
        if let (false, Some((_, ban))) = (is_exempt, self.moderation.bans.of(address, now)) {
            let left = ban.until.map(|until| until.saturating_duration_since(now));
            return Some(Refused::Banned(Span(left), ban.why.clone()));
        }
        if self.rooms[by.room].rules.as_ref().is_some_and(|rules| rules.is_locked) {
            return Some(Refused::Locked(self.rooms.name(by.room)));
        }
        let per_address = self.config.per_address;
        let too_many = per_address > 0 && self.gate.addresses.connections(address) >= per_address;
        (too_many && !is_exempt).then_some(Refused::TooManyFromAddress(per_address))
    }

    /// Whether a connection from this address is one of a proxy, which passes on that of a client.
    fn is_proxy(&self, address: IpAddr, by: Entrance) -> bool {
        !by.is_control && self.config.is_proxy(address)
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
        let came_seconds = now.duration_since(self.rooms.start()).as_secs() as u32;
        let record = &mut self.clients[id].record;
        record.place = self.rooms[room].readers.add(id.key);
        record.came_seconds = came_seconds;
        id
    }

    /// A connection waits for the header of its proxy.
    fn await_header(&mut self, id: ClientId, by: Entrance, now: Instant) {
        let client = &mut self.clients[id];
        client.admission = Admission::Awaited;
        client.record.decoder = Decoder::of_proxied(now);
        client.change_moments(|its| {
            (its.entrance, its.wait_until) = (Some(by), Some(now + HEADER_WAIT));
        });
    }

    /// A proxy has said whose connection this is.
    pub(super) fn take_header(&mut self, id: ClientId, header: Header, now: Instant) {
        match (header, self.clients[id].moments().entrance) {
            (Header::Client(address), Some(by)) => self.admit_proxied(id, address, by, now),
            // It is told to nobody.
            (Header::HealthCheck, _) => self.close_with(id, Leave::NotChat, Vec::new(), now),
            (Header::Missing | Header::Client(_), _) => self.close_without_header(id, now),
        }
    }

    /// A client behind a proxy is let in, or refused, like one that connects from this address now.
    fn admit_proxied(&mut self, id: ClientId, address: SocketAddr, by: Entrance, now: Instant) {
        let client = &mut self.clients[id];
        debug!("{} is a proxy for {address}", client.record.address());
        (client.record.ip, client.record.port) = (address.ip(), address.port());
        client.change_moments(|its| (its.entrance, its.wait_until) = (None, None));
        match self.refusal_of(address.ip(), by, now) {
            Some(refusal) if self.has_doorway() => self.refuse(id, address, &refusal, now),
            Some(refusal) => {
                // It keeps the place of a client until it is closed.
                self.tell_refused(address, &refusal, now);
                self.close(id, Leave::Refused, &refusal.notice(), now);
            }
            None => {
                let wait_until = self.let_in(id, by, now);
                self.clients[id].change_moments(|its| its.wait_until = wait_until);
            }
        }
    }

    /// Closes a connection from a proxy that has sent no header, without a word: the proxy may pass
    /// that on to a client of another protocol.
    fn close_without_header(&mut self, id: ClientId, now: Instant) {
        if let Some(count) = self.troubles.no_header.count(now) {
            let (connections, proxy) = (Counted(count, "connection"), &self.clients[id].record);
            let proxy = proxy.address();
            warn!("closed {connections} without a PROXY header, the last from {proxy}");
        }
        self.close_with(id, Leave::NotChat, Vec::new(), now);
    }

    /// Lets a client in; says when it is to be welcomed, if it is not yet.
    fn let_in(&mut self, id: ClientId, by: Entrance, now: Instant) -> Option<Instant> {
        let address = self.clients[id].record.ip;
        if self.config.is_exempt(address, by.listener) {
            self.clients[id].admission = Admission::Exempt;
        } else {
            self.clients[id].admission = Admission::Limited;
            self.gate.addresses.came(address);
        }
        let greeting = self.config.greeting_time();
        if greeting.is_zero() {
            self.greet(id, now);
            return None;
        }
        Some(now + greeting)
    }

    /// A deadline of a client has come that is not welcomed yet.
    pub(super) fn note_newcomer(&mut self, id: ClientId, now: Instant) {
        let client = &mut self.clients[id];
        let waited = client.wait_until().filter(|until| *until <= now);
        match (client.admission, waited) {
            (Admission::Awaited, Some(_)) if !client.is_unread() => {
                self.close_without_header(id, now);
            }
            (Admission::Awaited, _) => {}
            (_, Some(at)) => {
                client.change_moments(|its| its.wait_until = None);
                self.note_arrival(id, at, now);
            }
            _ if client.greeting_due(&self.config).is_some_and(|at| at <= now) => {
                self.greet(id, now);
            }
            _ => {}
        }
    }

    /// The wait for a new client's first words is over. If these are there but not read, or may
    /// become a request, it waits a little longer.
    pub(super) fn note_arrival(&mut self, id: ClientId, at: Instant, now: Instant) {
        let client = &mut self.clients[id];
        let is_unread = client.is_unread();
        let is_request = client.record.decoder.request_due(&self.config.line_rules()).is_some();
        if is_unread || is_request {
            client.change_moments(|its| its.greet_at = Some(at));
        } else {
            self.greet(id, now);
        }
    }

    /// Welcomes a client by its name, and announces it to all. It does nothing for one that has
    /// been welcomed.
    pub(super) fn greet(&mut self, id: ClientId, now: Instant) {
        let client = &self.clients[id];
        if client.life() != Life::Arriving {
            return;
        }
        debug_assert!(client.admission != Admission::Awaited);
        let start = client.reading.position();
        let (before, _) = self.room_of(id).forms.of(client.form).start_at_or_after(start);
        self.enter(id, Life::Member, now);
        self.clients.join(id);
        let is_only_answered = self.clients[id].reading.without().is_some_and(Without::has_all);
        match self.room_of(id).is_door {
            true => self.tell(id, &Notice::PasswordNeeded, now),
            false if is_only_answered => {}
            false => self.welcome(id, start, before, now),
        }
    }

    /// Welcomes a client that has come into its room, and announces it to all there. An operator
    /// that has said nothing yet is not announced. Lines before the number `before` are earlier
    /// ones.
    pub(super) fn welcome(&mut self, id: ClientId, start: u64, before: u64, now: Instant) {
        let (address, room) = (self.clients[id].record.address(), self.clients[id].room);
        let is_seen = !self.clients[id].record.is_operator;
        if is_seen {
            self.clients[id].record.is_unseen = false;
            self.rooms[room].here += 1;
        }
        if self.rooms[room].rules.is_some() {
            let network = self.own_network(id);
            self.rooms[room].change_rules(|rules| rules.came(id.serial, network));
        }
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
        self.tell_lines_at(id, start, self.motd_lines(), now);
        self.tell_of_room(id, start, before, now);
        if is_seen {
            self.announce(id, now);
        }
    }

    /// Tells a client that has come into its room the topic, and earlier lines there: those with a
    /// number below `before`. Both stand at this position.
    pub(super) fn tell_of_room(&mut self, id: ClientId, at: u64, before: u64, now: Instant) {
        let voice = self.config.voice();
        let topic =
            self.room_of(id).topic.as_deref().map(|topic| voice.line(&Notice::Topic { topic }));
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

    fn tell_refused(&mut self, address: SocketAddr, refusal: &Refused, now: Instant) {
        let full = matches!(refusal, Refused::Full(_));
        let troubles = &mut self.troubles;
        let trouble = if full { &mut troubles.full } else { &mut troubles.per_address };
        if let Some(count) = trouble.count(now) {
            let connections = Counted(count, "connection");
            let notice = refusal.notice();
            warn!("refused {connections}, the last from {}: {notice}", Whence(address));
        }
    }

    fn refuse(&mut self, id: ClientId, address: SocketAddr, refusal: &Refused, now: Instant) {
        self.tell_refused(address, refusal, now);
        self.clients[id].admission = Admission::Refused;
        self.gate.refused += 1;
        self.close(id, Leave::Refused, &refusal.notice(), now);
    }
}
