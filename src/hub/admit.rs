//! The step *accept*: a newcomer is let in, or told why it may not come in; and its welcome.
//!
//! Its place in the conversation is the head at the moment at which it is accepted: it hears every
//! line that was said since its connection reached the server. The welcome comes a little later,
//! when its first words have not shown that it is no chat client, and stands at that place.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use log::{debug, warn};

use super::{Hub, Stop};
use crate::config::DOORWAY_MAX;
use crate::hub::client::{Admission, Client, Leave, Life, Socket};
use crate::room::ClientId;
use crate::room::reading::Reading;
use crate::words::notice::{Counted, Notice, Shown};

impl<S: Socket> Hub<S> {
    /// The key that the next one let in will have, for the registration that comes before.
    pub fn next_key(&self) -> usize {
        self.clients.next_key()
    }

    /// Lets a newcomer in, or tells it why not. Its socket is registered for [`Hub::next_key`].
    ///
    /// Ask [`Hub::turned_away`] first.
    pub fn admit(&mut self, socket: S, address: SocketAddr, now: Instant) {
        match self.refusal(address.ip()) {
            Some(notice) => self.refuse(socket, address, &notice, now),
            None => self.let_in(socket, address, now),
        }
    }

    /// What a newcomer is to be told, as best it can be done at once, that may not come in when
    /// there is no room in the doorway either; `None` if it is to be admitted.
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

    /// Why a newcomer from there may not come in, if it may not.
    fn refusal(&self, address: IpAddr) -> Option<Notice<'static>> {
        if self.is_full() {
            return Some(Notice::Full { clients_max: self.clients_max });
        }
        let per_address = self.config.per_address;
        let too_many = per_address > 0 && self.addresses.connections(address) >= per_address;
        (too_many && !self.config.is_exempt(address))
            .then_some(Notice::TooManyFromAddress { per_address })
    }

    /// Whether there is room in the doorway for one more to be refused politely.
    fn has_doorway(&self) -> bool {
        self.refused < DOORWAY_MAX
    }

    /// What is said to those there is no room for, not even in the doorway: nothing in raw mode.
    pub fn full_line(&self) -> Vec<u8> {
        self.config.voice().line(&Notice::Full { clients_max: self.clients_max })
    }

    /// Whether one more connection would be refused because the server is full.
    pub fn is_full(&self) -> bool {
        self.clients.count() - self.refused >= self.clients_max
    }

    /// Whether the server is full, but a client is on the way out: then accept next turn.
    pub fn is_making_room(&self) -> bool {
        self.is_full() && self.agenda.is_making_room()
    }

    fn let_in(&mut self, socket: S, address: SocketAddr, now: Instant) {
        let mut client = self.newcomer(socket, address, now);
        if self.config.is_exempt(address.ip()) {
            client.admission = Admission::Exempt;
        } else {
            self.addresses.came(address.ip());
        }
        let id = self.clients.insert(client);
        let greeting = self.config.greeting_time();
        if greeting.is_zero() {
            self.greet(id, now);
        } else {
            self.agenda.add_arrival(id, now + greeting);
        }
        self.file(id, now);
    }

    fn newcomer(&mut self, socket: S, address: SocketAddr, now: Instant) -> Client<S> {
        let (head, serial) = (self.forms.plain().head(), self.next_serial);
        self.next_serial += 1;
        let mut reading = Reading::new(head);
        if self.config.no_echo {
            reading.change_without(|without| without.add(serial));
        }
        Client::new(socket, address, serial, reading, &self.config.pace(), now)
    }

    /// A newcomer becomes one of the conversation: it is told its name, and all are told that it
    /// came. Nothing happens to one that has been greeted.
    pub(super) fn greet(&mut self, id: ClientId, now: Instant) {
        let client = &self.clients[id];
        if client.life() != Life::Arriving {
            return;
        }
        let (start, address) = (client.reading.position(), client.record.address());
        let (before, _) = self.forms.of(client.form).start_at_or_after(start);
        self.enter(id, Life::Member, now);
        self.members.insert(id.serial, id.key as u32);
        let shown = Shown((!self.config.hide_addresses).then_some(address));
        let name = self.names.of(id.serial).to_string();
        debug!("{name} ({address}) joined");
        let voice = self.config.voice();
        let welcome =
            voice.line(&Notice::Welcome { name: &name, address: shown, here: self.here() });
        self.tell_lines_at(id, start, welcome, now);
        if let Some(history) = self.history(id, self.config.history, before) {
            self.tell_lines_at(id, start, voice.words(|_| history), now);
        }
        let alone = self.may_tell_alone(address.ip(), now);
        if self.stop == Stop::No && self.presence.joined(alone, now) {
            self.submissions.push_notice(&voice.joined(&name, shown));
        }
    }

    /// Whether a coming or going from there may be told by itself, as far as its address goes.
    pub(super) fn may_tell_alone(&mut self, address: IpAddr, now: Instant) -> bool {
        self.addresses.may_tell(address, &self.config.address_notice_pace(), now)
    }

    fn tell_refused(&mut self, address: SocketAddr, notice: &Notice<'_>, now: Instant) {
        let full = matches!(notice, Notice::Full { .. });
        let troubles = &mut self.troubles;
        let trouble = if full { &mut troubles.full } else { &mut troubles.per_address };
        if let Some(count) = trouble.count(now) {
            let connections = Counted(count, "connection");
            warn!("refused {connections}, the last from {address}: {notice}");
        }
    }

    fn refuse(&mut self, socket: S, address: SocketAddr, notice: &Notice<'_>, now: Instant) {
        self.tell_refused(address, notice, now);
        let mut client = self.newcomer(socket, address, now);
        client.admission = Admission::Refused;
        self.refused += 1;
        let id = self.clients.insert(client);
        self.close(id, Leave::Refused, notice, now);
        self.file(id, now);
    }
}
