//! The step *accept*: a newcomer is let in and told who it is, or told why it may not come in.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use log::{debug, warn};

use super::{Hub, Stop};
use crate::config::DOORWAY_MAX;
use crate::hub::client::{Client, Leave, Life, Socket, Standing};
use crate::room::reading::{Reading, Rendering};
use crate::room::without::Without;
use crate::words::notice::{Counted, Notice, Shown, joined_raw};

impl<S: Socket> Hub<S> {
    /// The key that the next one let in will have, for the registration that comes before.
    pub fn next_key(&self) -> usize {
        self.clients.vacant_key()
    }

    /// Lets a newcomer in, or tells it why not. Its socket is registered for [`Hub::next_key`].
    ///
    /// Ask [`Hub::turned_away`] first.
    pub fn admit(&mut self, socket: S, address: SocketAddr, now: Instant) {
        debug_assert!(!self.noting, "an event of the last tenant could reach this one");
        match self.refusal(address.ip()) {
            Some(notice) => self.refuse(socket, address, &notice, now),
            None => self.let_in(socket, address, now),
        }
    }

    /// What a newcomer is to be told, as best it can be done at once, that may not come in when
    /// there is no room in the doorway either; `None` if it is to be admitted.
    ///
    /// Whoever is refused takes a descriptor until it has gone: so many may, and no more, or those
    /// who may not come in keep out those who may.
    pub fn turned_away(&mut self, address: SocketAddr, now: Instant) -> Option<Vec<u8>> {
        if self.has_doorway() {
            return None;
        }
        let notice = self.refusal(address.ip())?;
        self.tell_refused(address, &notice, now);
        Some(self.parting_words(&notice))
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
        self.parting_words(&Notice::Full { clients_max: self.clients_max })
    }

    /// Whether one more connection would be refused because everyone is here who may be.
    pub fn is_full(&self) -> bool {
        self.clients.len() - self.refused >= self.clients_max
    }

    fn let_in(&mut self, socket: S, address: SocketAddr, now: Instant) {
        let head = self.transcript.head();
        let exempt = self.config.is_exempt(address.ip());
        let serial = self.next_serial;
        self.next_serial += 1;
        if !exempt {
            self.addresses.came(address.ip());
        }
        let reading = Reading::rendered(head, self.rendering(serial));
        let mut client = Client::new(socket, address, serial, reading, &self.config.pace(), now);
        client.exempt = exempt;
        let at_once = self.config.greeting.is_zero() || self.config.raw;
        let greet_at = now + self.config.greeting;
        client.change_moments(|its| its.greet_at = (!at_once).then_some(greet_at));
        let key = self.insert(client);
        if at_once {
            self.greet(key, now);
        } else {
            self.reschedule(key);
        }
    }

    /// A newcomer becomes one of the conversation: from here on it gets what is said. It is told
    /// who it is, and all are told that it came.
    pub(super) fn greet(&mut self, key: usize, now: Instant) {
        let head = self.transcript.head();
        let Some(client) = self.clients.get_mut(key).filter(|client| client.life == Life::Arriving)
        else {
            return;
        };
        client.life = Life::Open;
        client.standing = Standing::Member;
        client.change_moments(|its| its.greet_at = None);
        client.reading.begin_at(head);
        let (serial, address) = (client.record.serial, client.record.address);
        self.members.insert(serial, key as u32);
        let shown = Shown((!self.config.hide_addresses).then_some(address));
        let name = self.names.of(serial).to_string();
        debug!("{name} ({address}) joined");
        if !self.config.raw {
            self.tell(key, &Notice::welcome(&name, shown, self.here()), now);
            let lines = self.config.history;
            self.tell_history(key, lines, now);
        }
        let alone = self.may_tell_alone(address.ip(), now);
        if self.stop == Stop::No && self.presence.joined(alone, self.config.raw, now) {
            let line = match self.config.raw {
                true => joined_raw(shown).into_bytes(),
                false => Notice::joined(&name, shown).to_line(self.config.lang()),
            };
            self.submissions.push_notice(&line);
        }
        self.reschedule(key);
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
        let reading = Reading::new(self.transcript.head());
        let mut client =
            Client::new(socket, address, self.next_serial, reading, &self.config.pace(), now);
        self.next_serial += 1;
        client.standing = Standing::Refused;
        self.refused += 1;
        let key = self.insert(client);
        self.close(key, Leave::Refused, notice, now);
    }

    fn insert(&mut self, client: Client<S>) -> usize {
        let key = self.clients.insert(client);
        self.keys_end = self.keys_end.max(key + 1);
        key
    }

    fn rendering(&self, serial: u64) -> Rendering {
        let without = match self.config.no_echo {
            true => Without::only(serial),
            false => Without::default(),
        };
        Rendering { without, ..Rendering::default() }
    }
}
