//! The step *accept*: a new client is admitted, or refused (see `refusing`); and its welcome.
//!
//! Its place in the conversation is the head at the moment of accept: it gets every line since its
//! connection reached the server. The welcome stands at that place. It is sent a little later, when
//! the client's first words have not shown another protocol.
//!
//! Behind a proxy, a client is judged by the address in the header that the proxy sends first.
//! Until that is there, the connection takes a client's place, and nothing else is known of it.
//!
//! # The first tenth of a second
//!
//! A client that has just connected may be a browser, a scanner or a health check. If it were
//! welcomed at once, all others would read that it came and left. So it stands in the table as
//! `Arriving` for a moment: it is read, but offered nothing. Its first words end that moment, or
//! the moment ends by itself. A client that leaves before, and has sent nothing, was never here.
//!
//! Its place is taken at once all the same, at accept. Otherwise it would miss what is said while
//! it waits, although its user has seen that the connection is there. So the welcome is sent late,
//! but stands early: at that place, in front of all that was said since. For the same reason a pass
//! must not overrun it: before it would lapse, it is welcomed early.
//!
//! The limits count connections, not members. A new connection is judged before it is in the table,
//! or it would count against itself.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use log::{debug, warn};

use super::{Hub, Stop};
use crate::hub::client::{Admission, Client, Leave, Life, Socket};
use crate::room::reading::Reading;
use crate::room::without::Without;
use crate::room::{ClientId, LOBBY, RoomId};
use crate::wire::decoder::Decoder;
use crate::wire::proxy::{HEADER_WAIT, Header};
use crate::words::names::{Claimant, Name};
use crate::words::notice::{Counted, Notice, Shown, Whence};

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
    ///
    /// A token must be known when a socket is registered, and the hub takes only sockets that are.
    /// No other client is admitted between the two, so the key stays the same.
    pub fn next_key(&self) -> usize {
        self.clients.next_key()
    }

    /// Admits a new client, or tells it why not. Its socket is registered for [`Hub::next_key`].
    ///
    /// Ask [`Hub::turned_away`] first.
    pub fn admit(&mut self, socket: S, address: SocketAddr, by: Entrance, now: Instant) {
        // Judged before it is inserted, so that it does not count itself.
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
        let greet_at = match refusal {
            Some(refusal) => self.refuse(id, address, refusal, now),
            None if self.is_proxy(address.ip(), by) => {
                self.await_header(id, by, now);
                None
            }
            None => self.let_in(id, by, now),
        };
        // All wait equally long, so the order of serials is the order of their moments. A queue is
        // enough, and most clients never have a deadline.
        if let Some(at) = greet_at {
            self.agenda.add_arrival(id, at);
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
        // Before the greeting, which looks at it: what is said is on the terminal already, as the
        // console prints it. It needs a name before that, too.
        self.change_without(id, Without::add_all);
        let host = Claimant { serial: id.serial, network: address.ip() };
        let named = self.names.take(host, Name::host(), now);
        debug_assert_eq!(named, Ok(()));
        self.greet(id, now);
        self.file(id, now);
    }

    /// Whether a connection from this address is one of a proxy, which passes on that of a client.
    pub(super) fn is_proxy(&self, address: IpAddr, by: Entrance) -> bool {
        !by.is_control && self.config.is_proxy(address)
    }

    /// Whether one more connection would be refused because the server is full.
    ///
    /// Refused connections are in the table, but take no place: else refusing a client would fill
    /// the server.
    pub fn is_full(&self) -> bool {
        self.clients.count() - self.gate.refused.len() >= self.gate.clients_max
    }

    /// Whether the server is full, but a client is about to free its place: then accept next turn.
    ///
    /// A client that is closing is still in the table. When one leaves and another connects in the
    /// same turn, the other would be refused for lack of a place that is free a moment later.
    pub fn is_making_room(&self) -> bool {
        self.is_full() && self.agenda.is_making_room()
    }

    /// A connection reads a room from this moment on.
    fn insert(&mut self, socket: S, address: SocketAddr, room: RoomId, now: Instant) -> ClientId {
        let serial = self.clients.next_serial();
        // The head of this moment is its place: what was submitted in this turn is appended behind
        // that.
        let reading = self.new_reading(serial, self.rooms[room].forms.plain().head());
        let place = (room, reading);
        let client = Client::new(socket, address, serial, place, &self.config.pace(), now);
        let id = self.clients.insert(client);
        let came_seconds = now.duration_since(self.rooms.start()).as_secs() as u32;
        let record = &mut self.clients[id].record;
        // It is a reader from here on, though nothing is offered to it yet. Passes look at it, and
        // keep what it will be offered.
        record.place = self.rooms[room].readers.add(id.key);
        record.came_seconds = came_seconds;
        id
    }

    /// The reading of a new client, from this position on.
    pub(super) fn new_reading(&self, serial: u64, position: u64) -> Reading {
        let mut reading = Reading::new(position);
        if self.config.no_echo {
            reading.change_without(|without| without.add(serial));
        }
        reading
    }

    /// A connection waits for the header of its proxy.
    ///
    /// It is no arrival of the agenda. Its words can be waited for only behind the header, so its
    /// moment is not in the order of serials, and needs a deadline of its own.
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
            // No words, and no warning: a proxy asks every second or two.
            (Header::HealthCheck, _) => self.close_with(id, Leave::NotChat, Vec::new(), now),
            (Header::Missing | Header::Client(_), _) => self.close_without_header(id, now),
        }
    }

    /// A client behind a proxy is let in, or refused, like one that connects from this address now.
    fn admit_proxied(&mut self, id: ClientId, address: SocketAddr, by: Entrance, now: Instant) {
        let client = &mut self.clients[id];
        debug!("{} is a proxy for {address}", client.record.address());
        // From here on every limit, ban and log line is about the client, not about the proxy.
        (client.record.ip, client.record.port) = (address.ip(), address.port());
        client.change_moments(|its| (its.entrance, its.wait_until) = (None, None));
        let wait_until = match self.refusal_of(address.ip(), by, now) {
            Some(refusal) if self.has_doorway() => self.refuse(id, address, refusal, now),
            Some(refusal) => {
                // The doorway is full, and this one cannot be turned away any more: it is in the
                // table. So it keeps the place of a client until it is closed.
                self.tell_refused(address, &refusal, now);
                self.close(id, Leave::Refused, &refusal.notice(), now);
                None
            }
            None => self.let_in(id, by, now),
        };
        if wait_until.is_some() {
            self.clients[id].change_moments(|its| its.wait_until = wait_until);
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
    ///
    /// What it counts here, `free` takes back by the same value of `admission`.
    fn let_in(&mut self, id: ClientId, by: Entrance, now: Instant) -> Option<Instant> {
        let address = self.clients[id].record.ip;
        if self.config.is_exempt(address, by.listener) {
            self.clients[id].admission = Admission::Exempt;
        } else {
            self.clients[id].admission = Admission::Limited;
            self.gate.addresses.came(address);
        }
        // Its first byte may have come in one read with its header.
        let is_silent = !self.clients[id].record.decoder.has_begun();
        if is_silent && self.gate.addresses.has_browser(address, now) {
            self.await_first_byte(id, now);
            return None;
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
            // Something has come that is not read yet: *listen* reads it in this turn. That happens
            // when the process was suspended.
            (Admission::Awaited, _) => {}
            (_, Some(at)) => {
                // Cleared, or the deadline would come again at once.
                client.change_moments(|its| its.wait_until = None);
                self.note_arrival(id, at, now);
            }
            // During a long pass of its room it is not read, however long its words are there.
            _ if client.is_unread() => {}
            _ if client.greeting_due(&self.config).is_some_and(|at| at <= now) => {
                self.greet(id, now);
            }
            _ if client.spare_until().is_some_and(|until| until <= now) => {
                self.close_spare(id, now);
            }
            _ => {}
        }
    }

    /// The wait for a new client's first words is over. If these are there but not read, or may
    /// become a request, it waits a little longer.
    pub(super) fn note_arrival(&mut self, id: ClientId, at: Instant, now: Instant) {
        let client = &mut self.clients[id];
        let is_unread = client.is_unread() || client.is_retrying();
        let is_request = client.record.decoder.request_due(&self.config.line_rules()).is_some();
        if is_unread || is_request {
            // From here on it has a deadline like any other. The queue of arrivals holds only the
            // first wait.
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
        if client.admission == Admission::Refused {
            return self.close_refused(id, now);
        }
        let start = client.reading.position();
        // What was said behind its place is not history: it will read that anyhow, and would read
        // it twice.
        let (before, _) = self.room_of(id).forms.of(client.form).start_at_or_after(start);
        // A member first: only a member can be told anything, and the words below are told to it.
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
            // Before the welcome, which says how many are here: the client counts itself.
            self.rooms[room].here += 1;
            self.note_here(room);
        }
        if self.rooms[room].rules.is_some() {
            let network = self.own_network(id);
            // Before it can say anything: a client that was muted, and has reconnected, is muted
            // again.
            self.rooms[room].change_rules(|rules| rules.came(id.serial, network));
        }
        let here = self.rooms[room].everyone();
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
        // Announced last. The notice is submitted, so it is appended later, and the client reads
        // its own welcome before the news that it came.
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
        // One that comes back has the earlier lines.
        let since = self.clients[id].moments().since;
        let is_back = since.is_some_and(|since| since.0 == self.clients[id].room);
        if is_back {
            self.clients[id].change_moments(|its| its.since = None);
        }
        let lines = if is_back { 0 } else { self.config.history };
        let history = self.history(id, lines, before);
        let history = history.map(|history| voice.words(|_| history));
        self.tell_lines_at(id, at, topic.unwrap_or_default(), now);
        self.tell_rendered_at(id, at, history.unwrap_or_default(), now);
    }

    /// Tells all in a client's room that it came.
    pub(super) fn announce(&mut self, id: ClientId, now: Instant) {
        let address = self.clients[id].record.address();
        // The token of its address is taken even if the room sums up. Else one client that
        // reconnects all the time would have a notice of its own again behind each summary.
        let alone = self.may_tell_alone(address.ip(), now);
        let room_id = self.clients[id].room;
        let room = &mut self.rooms[room_id];
        // At a stop the last line may be submitted already, and nothing may stand behind it.
        if self.stop == Stop::No && room.presence.joined(alone, now) {
            let shown = Shown((!self.config.hide_addresses).then_some(address));
            let name = &self.names.of(id.serial).to_string();
            self.submit_notice(room_id, &self.config.voice().joined(name, shown));
        }
        self.agenda.file_room(room_id, &mut self.rooms[room_id], now);
    }

    /// Whether the bucket of this address allows one more join or leave notice.
    pub(super) fn may_tell_alone(&mut self, address: IpAddr, now: Instant) -> bool {
        self.gate.addresses.may_tell(address, &self.config.address_notice_pace(), now)
    }
}
