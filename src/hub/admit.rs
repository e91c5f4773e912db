//! The step *accept*: a newcomer is let in and told who it is, or told why it may not come in.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use log::{debug, warn};

use super::{Hub, guest_name};
use crate::client::{Client, Leave, Socket};
use crate::config::DOORWAY_MAX;
use crate::notice::{Notice, joined_raw};
use crate::reading::{Reading, Rendering};
use crate::transcript::SERVER;

impl<S: Socket> Hub<S> {
    /// The key that the next one let in will have, for the registration that comes before.
    pub fn next_key(&self) -> usize {
        self.clients.vacant_key()
    }

    /// Lets a newcomer in, or tells it why not. Its socket is registered for [`Hub::next_key`].
    pub fn admit(&mut self, socket: S, address: SocketAddr, now: Instant) {
        debug_assert!(!self.noting, "an event of the last tenant could reach this one");
        let exempt = self.config.is_exempt(address.ip());
        let same_address = self.per_address.get(&network(address.ip())).copied().unwrap_or(0);
        let per_address = self.config.per_address;
        if self.here() >= self.clients_max {
            let notice = Notice::Full { clients_max: self.clients_max };
            self.refuse(socket, address, &notice, now);
        } else if !exempt && per_address > 0 && same_address >= per_address {
            let notice = Notice::TooManyFromAddress { per_address };
            self.refuse(socket, address, &notice, now);
        } else {
            self.welcome(socket, address, exempt, now);
        }
    }

    /// Whether there is room in the doorway for one more to be refused politely.
    pub fn has_doorway(&self) -> bool {
        self.refused < DOORWAY_MAX
    }

    /// What is said to those there is no room for, not even in the doorway: nothing in raw mode.
    pub fn full_line(&self) -> Vec<u8> {
        match self.config.raw {
            true => Vec::new(),
            false => Notice::Full { clients_max: self.clients_max }.to_line(),
        }
    }

    /// Whether one more connection would be refused because everyone is here who may be.
    pub fn is_full(&self) -> bool {
        self.here() >= self.clients_max
    }

    fn welcome(&mut self, socket: S, address: SocketAddr, exempt: bool, now: Instant) {
        let head = self.transcript.head();
        let serial = self.next_serial;
        self.next_serial += 1;
        if !exempt {
            *self.per_address.entry(network(address.ip())).or_default() += 1;
        }
        let reading = Reading::rendered(head, self.rendering(serial));
        let mut client = Client::new(socket, address, serial, reading, now);
        client.exempt = exempt;
        let key = self.insert(client);
        let shown = (!self.config.hide_addresses).then_some(address);
        let name = guest_name(serial);
        debug!("{name} ({address}) joined");
        let here = self.here();
        if !self.config.raw {
            self.tell(key, Notice::Welcome { name: &name, address: shown, here }.to_line(), now);
            self.tell_history(key, now);
        }
        if self.presence.joined(now, self.config.raw) {
            match self.config.raw {
                true => self.submissions.push(SERVER, joined_raw(shown).as_bytes()),
                false => {
                    let notice = Notice::Joined { name: &name, address: shown };
                    self.submissions.push(SERVER, &notice.to_line());
                }
            }
        }
        self.reschedule(key);
    }

    fn refuse(&mut self, socket: S, address: SocketAddr, notice: &Notice<'_>, now: Instant) {
        let full = matches!(notice, Notice::Full { .. });
        let troubles = &mut self.troubles;
        let trouble = if full { &mut troubles.full } else { &mut troubles.per_address };
        if let Some(count) = trouble.count(now) {
            warn!("refused {count} connections, the last from {address}: {notice}");
        }
        let reading = Reading::new(self.transcript.head());
        let mut client = Client::new(socket, address, self.next_serial, reading, now);
        self.next_serial += 1;
        client.member = false;
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
        let without = if self.config.no_echo { vec![serial] } else { Vec::new() };
        Rendering { without, ..Rendering::default() }
    }

    fn tell_history(&mut self, key: usize, now: Instant) {
        let head = self.transcript.head();
        let start = self.transcript.newest(self.config.history, self.config.history_bytes);
        if start == head {
            return;
        }
        let (first, second) = self.transcript.bytes(start, head);
        let (before, after) = (Notice::History.to_line(), Notice::Now.to_line());
        self.tell(key, [&before, first, second, &after].concat(), now);
    }
}

/// Whom `--per-address` counts together: one IPv4 address, or one IPv6 network of 64 bits, which is
/// what one household or machine is given.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        address => address,
    }
}
