//! A new client is refused: why, and how it learns that.
//!
//! A refused connection needs a descriptor until it has read why: a close while its own first bytes
//! are unread would reset it. These descriptors have a bound of their own, the doorway. Before it
//! had one, a single address that was refused without end took them all.
//!
//! It is told a little later, like a newcomer that is welcomed. Its first bytes may be a request,
//! and a browser reads only what answers that.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use log::warn;

use super::Hub;
use super::admit::Entrance;
use crate::config::DOORWAY_MAX;
use crate::hub::client::{Admission, Leave, Socket};
use crate::room::ClientId;
use crate::wire::web::answer;
use crate::words::notice::{Counted, Notice, Span, Whence, Why};

/// Why a new client is refused.
#[derive(Debug)]
pub(super) enum Refused {
    Full(usize),
    Banned(Span, String),
    Locked(String),
    TooManyFromAddress(usize),
}

impl Refused {
    pub(super) fn notice(&self) -> Notice<'_> {
        match self {
            Refused::Full(clients_max) => Notice::Full { clients_max: *clients_max },
            Refused::Banned(time, why) => Notice::Banned { time: *time, why: Why(why) },
            Refused::Locked(room) => Notice::Locked { room },
            Refused::TooManyFromAddress(most) => Notice::TooManyFromAddress { per_address: *most },
        }
    }

    /// What a browser is told.
    fn status(&self) -> &'static str {
        match self {
            Refused::Full(_) => answer::UNAVAILABLE,
            Refused::Banned(..) | Refused::Locked(_) => answer::FORBIDDEN,
            Refused::TooManyFromAddress(_) => answer::TOO_MANY,
        }
    }
}

impl<S: Socket> Hub<S> {
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
    pub(super) fn refusal(&self, address: IpAddr, by: Entrance, now: Instant) -> Option<Refused> {
        // The order counts. An operator must get into a full server, or nobody could make room in
        // it. A proxy takes a place like any connection, but its own address says nothing of its
        // clients. These are judged when the header has come.
        match by.is_control {
            true => None,
            _ if self.is_full() => Some(Refused::Full(self.gate.clients_max)),
            _ if self.is_proxy(address, by) => None,
            _ => self.refusal_of(address, by, now),
        }
    }

    /// Why a client at this address is refused, if it is, though there is a place for it.
    ///
    /// Exempt addresses are those that many clients share, such as this machine's own. There, a ban
    /// or a count would hit the wrong clients. A lock is the wish of a host, and holds for all.
    pub(super) fn refusal_of(
        &self,
        address: IpAddr,
        by: Entrance,
        now: Instant,
    ) -> Option<Refused> {
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

    /// Whether the doorway has room for one more refused connection.
    pub(super) fn has_doorway(&self) -> bool {
        self.gate.refused.len() < DOORWAY_MAX
    }

    /// Refuses a client without a place even in the doorway. Its words; none in raw mode.
    pub fn refuse_at_once(&mut self) -> Vec<u8> {
        self.counts.refused += 1;
        self.config.voice().line(&Notice::Full { clients_max: self.gate.clients_max })
    }

    pub(super) fn tell_refused(&mut self, address: SocketAddr, refusal: &Refused, now: Instant) {
        self.counts.refused += 1;
        // One kind must not hide another in the log.
        let trouble = match refusal {
            Refused::Full(_) => &mut self.troubles.full,
            Refused::TooManyFromAddress(_) => &mut self.troubles.per_address,
            Refused::Banned(..) | Refused::Locked(_) => &mut self.troubles.kept_out,
        };
        if let Some(count) = trouble.count(now) {
            let connections = Counted(count, "connection");
            let notice = refusal.notice();
            warn!("refused {connections}, the last from {}: {notice}", Whence(address));
        }
    }

    /// Refuses a client; says when it is to be told why, if it is not yet.
    pub(super) fn refuse(
        &mut self,
        id: ClientId,
        address: SocketAddr,
        refusal: Refused,
        now: Instant,
    ) -> Option<Instant> {
        self.tell_refused(address, &refusal, now);
        self.clients[id].admission = Admission::Refused;
        self.gate.refused.insert(id.serial, Some(refusal));
        let greeting = self.config.greeting_time();
        if greeting.is_zero() {
            self.close_refused(id, now);
            return None;
        }
        Some(now + greeting)
    }

    /// Tells a client why it is refused, and closes it.
    pub(super) fn close_refused(&mut self, id: ClientId, now: Instant) {
        if let Some(refusal) = self.take_refusal(id) {
            self.close(id, Leave::Refused, &refusal.notice(), now);
        }
    }

    /// The same for a client that has sent a request. `false` if it is not refused.
    pub(super) fn answer_refused(&mut self, id: ClientId, now: Instant) -> bool {
        let refusal = self.take_refusal(id);
        if let Some(refusal) = &refusal {
            let words = self.config.voice().line(&refusal.notice());
            self.close_with(id, Leave::Refused, answer::told(refusal.status(), &words), now);
        }
        refusal.is_some()
    }

    fn take_refusal(&mut self, id: ClientId) -> Option<Refused> {
        self.gate.refused.get_mut(&id.serial)?.take()
    }
}
