//! Spare connections: a browser opens some that it may never use.
//!
//! A silent connection from the address of a browser is not welcomed, and so not announced, before
//! its first byte. Behind that it is a newcomer like any other. If none comes, it is closed without
//! a word.
//!
//! It cannot be welcomed late, nor told why it is closed. A browser keeps its spare connection for
//! the next page, and takes what stands there for the answer to its request: then its user sees an
//! error in place of the page.

use std::time::{Duration, Instant};

use super::Hub;
use crate::hub::addresses::network;
use crate::hub::client::{Admission, Leave, Life, Socket};
use crate::room::ClientId;

/// How long the first byte is waited for. A browser opens another connection if it needs one.
const SPARE_TIME: Duration = Duration::from_secs(30);

impl<S: Socket> Hub<S> {
    /// A browser has fetched the page. It may have opened other connections just before.
    pub(super) fn note_page(&mut self, id: ClientId, now: Instant) {
        let address = self.clients[id].record.ip;
        self.gate.addresses.fetched_page(address, now);
        let others: Vec<ClientId> = self.agenda.arrivals().filter(|other| *other != id).collect();
        for other in others {
            let client = &self.clients[other];
            let is_silent = !client.is_unread() && !client.record.decoder.has_begun();
            // A refused one is told why, and gives its place in the doorway back.
            let may_stay = client.admission != Admission::Refused;
            if is_silent && may_stay && network(client.record.ip) == network(address) {
                self.agenda.remove_arrival(other);
                self.await_first_byte(other, now);
                self.file(other, now);
            }
        }
    }

    /// Does not welcome a newcomer before its first byte.
    pub(super) fn await_first_byte(&mut self, id: ClientId, now: Instant) {
        self.clients[id].change_moments(|its| {
            (its.greet_at, its.wait_until) = (None, None);
            its.spare_until = Some(now + SPARE_TIME);
        });
    }

    /// A client has sent something: if it was a spare one, it is a newcomer now.
    pub(super) fn note_first_byte(&mut self, id: ClientId, now: Instant) {
        let client = &mut self.clients[id];
        if client.life() == Life::Arriving && client.moments().spare_until.is_some() {
            let greet_at = now + self.config.greeting_time();
            client.change_moments(|its| {
                (its.spare_until, its.greet_at) = (None, Some(greet_at));
            });
        }
    }

    /// The time of a spare connection is over. A first byte that is there but not read counts.
    pub(super) fn close_spare(&mut self, id: ClientId, now: Instant) {
        if !self.clients[id].is_unread() {
            self.close_with(id, Leave::Idle, Vec::new(), now);
        }
    }
}
