//! Passwords: of the server, and of a room.
//!
//! A new client that owes a password stands in a room of its own kind, the door, where nothing is
//! said or told. So it hears nothing, and no other client sees it. With the password it moves like
//! any client that goes to another room, and is welcomed there.
//!
//! A client that is in already gives the password of a room with `/join`, and stays where it is
//! until then.
//!
//! The door is a room so that nothing else has to know of passwords. A client there is a member of
//! it like of any other: it is read, gets replies, may time out, and is closed in the usual ways. A
//! client that is merely held at accept would need all of that a second time.
//!
//! Each wrong secret costs the same, whatever it was for, and all count together: see
//! [`TRIES_MAX`](super::moderation::TRIES_MAX).

use std::time::Instant;

use super::Hub;
use crate::hub::client::Socket;
use crate::hub::moderation::{Request, is_same};
use crate::room::{ClientId, LOBBY, RoomId};
use crate::words::command::Rank;
use crate::words::notice::Notice;

impl<S: Socket> Hub<S> {
    /// What a new client must know to come into this room, if anything.
    pub(super) fn password_of(&self, room: RoomId) -> Option<&str> {
        let own = self.rooms[room].password();
        // The password of the room stands for that of the server: one that knows it was told by a
        // host.
        own.or(self.config.password.as_deref())
    }

    /// A client at the door tells a password, or a host sets that of its room; an empty one removes
    /// it.
    pub(super) fn password(&mut self, id: ClientId, secret: &str, now: Instant) {
        // The command has two meanings. A client that owes a password can only mean to tell it.
        if let Some(room) = self.clients[id].moments().waits_for {
            return self.try_password(id, room, secret, now);
        }
        let room = self.clients[id].room;
        if self.rank(id) < Rank::Host || room == LOBBY && self.rank(id) < Rank::Operator {
            return self.tell(id, &Notice::OnlyHost { command: "/password SECRET" }, now);
        }
        let password = (!secret.is_empty()).then(|| secret.into());
        let is_set = password.is_some();
        self.rooms[room].change_rules(|rules| rules.password = password);
        self.moderation.requests.push(Request::Keep);
        self.log_rule(id, if is_set { "set the password of" } else { "removed the password of" });
        let by = &self.called_by(id);
        let told = if is_set { Notice::PasswordSet { by } } else { Notice::PasswordGone { by } };
        self.tell_done(id, room, &told, now);
        self.act_elsewhere(id, "/password", secret);
    }

    fn try_password(&mut self, id: ClientId, room: RoomId, secret: &str, now: Instant) {
        if self.password_of(room).is_some_and(|password| !is_same(password, secret)) {
            return self.refuse_secret(id, "/password", now);
        }
        self.moderation.tries.remove(&id.serial);
        // From here on `/password` means to it what it means to any other client.
        self.clients[id].change_moments(|its| its.waits_for = None);
        self.move_to(id, room, now);
    }

    /// Whether a client may come into a room by `/join`; if not, it is told why.
    pub(super) fn may_join(
        &mut self,
        id: ClientId,
        to: RoomId,
        secret: &str,
        now: Instant,
    ) -> bool {
        let Some(rules) = &self.rooms[to].rules else { return true };
        let is_open = self.clients[id].record.is_operator;
        let is_locked_out = !rules.lets_in(id.serial);
        // An invitation stands for the password: the host has chosen this client already.
        let password = rules.password.clone().filter(|_| !rules.is_invited(id.serial));
        if is_open {
            return true;
        }
        let room = &self.rooms.name(to);
        if is_locked_out {
            self.tell(id, &Notice::Locked { room }, now);
            return false;
        }
        password.is_none_or(|password| self.is_let_in(id, room, (&password, secret), now))
    }

    /// Whether a client may make this room: one of which a password was kept needs that.
    pub(super) fn may_make(
        &mut self,
        id: ClientId,
        name: &str,
        secret: &str,
        now: Instant,
    ) -> bool {
        let password = self.rooms.kept(name).and_then(|kept| kept.password.clone());
        let room = &self.excerpt(name);
        password.is_none_or(|password| self.is_let_in(id, room, (&password, secret), now))
    }

    /// Whether the second is the password of this room; if not, the client is told.
    fn is_let_in(
        &mut self,
        id: ClientId,
        room: &str,
        (password, secret): (&str, &str),
        now: Instant,
    ) -> bool {
        let is_it = is_same(password, secret);
        // No secret is no try: its user may not know yet that there is a password.
        if secret.is_empty() {
            self.tell(id, &Notice::RoomPasswordNeeded { room }, now);
        } else if !is_it {
            self.refuse_secret(id, "password of a room", now);
        }
        is_it
    }
}
