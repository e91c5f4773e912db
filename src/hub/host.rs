//! The commands of a host, for its own room, and of an operator, for any.
//!
//! The table of commands says which client may give which; [`Hub::obey`] has looked at that. Each
//! is carried out when it is appended, so all see it at one place of the order. What the client in
//! question has sent before that and is not appended yet is dropped, or answered.
//!
//! A rule is never looked at when a line is read. Lines of a muted client would then still be on
//! their way for a while, and whether one of them is said would depend on the load. Here the order
//! decides.
//!
//! Each verb has the same shape: find the client, change the room, log it, tell the room, tell the
//! one that asked.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use log::{debug, info};

use super::Hub;
use super::submit::command_cost;
use crate::hub::addresses::network;
use crate::hub::client::{Admission, Hold, Leave, Life, Socket};
use crate::hub::moderation::Request;
use crate::room::submissions::Kind;
use crate::room::transcript::SERVER;
use crate::room::without::Without;
use crate::room::{ClientId, RoomId};
use crate::words::command::{Command, Rank};
use crate::words::notice::{Notice, Span, Why};

/// The most bytes of a topic: a few lines on a terminal. Every client that comes in is sent it.
pub const TOPIC_BYTES_MAX: usize = 400;

impl<S: Socket> Hub<S> {
    /// Which commands a client may give now.
    pub(super) fn rank(&self, id: ClientId) -> Rank {
        if self.clients[id].record.is_operator {
            Rank::Operator
        } else if self.room_of(id).host == Some(id.serial) {
            Rank::Host
        } else {
            Rank::Anyone
        }
    }

    /// What a host or an operator is called where others read it. A control connection that has
    /// said nothing yet is not known by a name.
    pub(super) fn called_by(&self, id: ClientId) -> String {
        match self.clients[id].record.is_unseen {
            true => "host".to_owned(),
            false => self.names.of(id.serial).to_string(),
        }
    }

    /// The client of this name, if this client may do something to it: an operator to any, a host
    /// to those in its room that are no operators.
    fn subject(&mut self, id: ClientId, name: &str, now: Instant) -> Option<ClientId> {
        let found = self.find(name).filter(|other| {
            let other = &self.clients[*other];
            let is_in_room = other.room == self.clients[id].room && other.life().is_in_room();
            // Otherwise any client could make a room, wait until an operator looks in, and throw it
            // out.
            let is_below = is_in_room && !other.record.is_operator;
            self.rank(id) == Rank::Operator || is_below
        });
        // The same words for a client that is elsewhere: a host need not learn which clients are in
        // other rooms.
        if found.is_none() {
            self.tell_nobody(id, name, now);
        }
        found
    }

    /// In which room this command of an operator must be carried out, if that is not this one: that
    /// of the client in question. So it holds from one place in the order of that room on, and the
    /// lines before that place still count.
    pub(super) fn elsewhere(
        &self,
        id: ClientId,
        room: RoomId,
        command: Command<'_>,
    ) -> Option<RoomId> {
        let (Command::Kick { name, .. } | Command::Mute { name, .. } | Command::Unmute(name)) =
            command
        else {
            return None;
        };
        let its = self.clients[self.find(name)?].room;
        (self.rank(id) == Rank::Operator && its != room).then_some(its)
    }

    /// Submits a command in another room. Its author waits for the reply until then.
    pub(super) fn pass_on(&mut self, id: ClientId, to: RoomId, line: &str, now: Instant) {
        self.clients[id].hold = Hold::Answer;
        let room = &mut self.rooms[to];
        let most = command_cost(line.as_bytes()) + room.forms.extra();
        room.submissions.push(id, Kind::Command, line.as_bytes(), most);
        self.agenda.file_room(to, room, now);
    }

    /// The network by which a client is known when it comes back; `None` if it shares its address
    /// with others, as all on this machine do.
    ///
    /// Behind a shared address, a mute or a ban by network would hit clients that have done
    /// nothing.
    pub(super) fn own_network(&self, id: ClientId) -> Option<IpAddr> {
        let client = &self.clients[id];
        (client.admission == Admission::Limited).then(|| network(client.record.ip))
    }

    /// Tells all in a room what this client has done there, and the client itself if it does not
    /// read that room.
    pub(super) fn tell_done(
        &mut self,
        id: ClientId,
        room: RoomId,
        notice: &Notice<'_>,
        now: Instant,
    ) {
        self.tell_room(room, notice);
        self.tell_elsewhere(id, room, now);
    }

    /// Tells all in a room what was done there, at this place in the order. Its author is the
    /// server, so that no client can have it left out.
    pub(super) fn tell_room(&mut self, room: RoomId, notice: &Notice<'_>) {
        self.tell_all(room, SERVER, notice);
        self.note_said(room);
    }

    /// Tells a client that something is done in a room, if it does not read that.
    fn tell_elsewhere(&mut self, id: ClientId, room: RoomId, now: Instant) {
        let client = &self.clients[id];
        let without = client.reading.without();
        if client.room != room || without.is_some_and(Without::has_all) {
            self.tell(id, &Notice::Done, now);
        }
    }

    /// Logs what was done to a client, with both addresses.
    pub(super) fn log_done(&self, id: ClientId, what: &str, to: ClientId, why: &str) {
        self.log_act(id, &format!("{what} {}", self.log_name(to)), why);
    }

    /// Logs what a host or an operator did. Any client can be host of a room of its own, and must
    /// not fill the log with that.
    pub(super) fn log_act(&self, id: ClientId, what: &str, why: &str) {
        let (by, why) = (self.log_name(id), Why(why));
        match self.rank(id) {
            Rank::Operator => info!("{what} by operator {by}{why}"),
            Rank::Host | Rank::Anyone => debug!("{what} by host {by}{why}"),
        }
    }

    /// The same, done to a room.
    pub(super) fn log_rule(&self, id: ClientId, what: &str) {
        let room = self.rooms.name(self.clients[id].room);
        self.log_act(id, &format!("{what} {room}"), "");
    }

    /// A client as the log names it.
    pub(super) fn log_name(&self, id: ClientId) -> String {
        let (name, address) = (self.names.of(id.serial), self.clients[id].record.address());
        match address.ip().is_unspecified() {
            true => format!("{name}"),
            false => format!("{name} ({address})"),
        }
    }

    pub(super) fn kick(&mut self, id: ClientId, name: &str, why: &str, now: Instant) {
        let Some(other) = self.subject(id, name, now) else { return };
        self.log_done(id, "kicked", other, why);
        let room = self.clients[other].room;
        self.kick_by(&self.called_by(id), other, why, now);
        self.tell_elsewhere(id, room, now);
    }

    /// Disconnects a client for a host or operator of this name, and tells its room.
    pub(super) fn kick_by(&mut self, by: &str, other: ClientId, why: &str, now: Instant) {
        let (name, room) = (self.names.of(other.serial).to_string(), self.clients[other].room);
        // Expelled first: its end stands before the notice for the others. So the last line that it
        // reads is the reason, which is for it alone.
        self.expel(other, &Notice::Kicked { by, why: Why(why) }, now);
        self.tell_room(room, &Notice::WasKicked { name: &name, by, why: Why(why) });
    }

    /// Disconnects a client for what it did. Nothing that it has sent, and that is not appended
    /// yet, counts any more.
    pub(super) fn expel(&mut self, id: ClientId, notice: &Notice<'_>, now: Instant) {
        let client = &mut self.clients[id];
        // Its commands are dropped with its lines, so no answer will ever clear this hold. A client
        // that waits for an answer is not freed.
        client.hold = Hold::None;
        let room = &mut self.rooms[client.room];
        room.submissions.drop_lines_of(id);
        room.heard.drop_lines_of(id);
        if let Some(shared) = &mut self.shared {
            shared.drop_command_of(id);
        }
        match self.clients[id].life() {
            // It can be told nothing any more.
            Life::Deaf(_) => self.enter(id, Life::Gone(Leave::Kicked), now),
            _ => self.close(id, Leave::Kicked, notice, now),
        }
        self.file(id, now);
    }

    pub(super) fn mute(&mut self, id: ClientId, name: &str, time: Option<Duration>, now: Instant) {
        let Some(other) = self.subject(id, name, now) else { return };
        self.log_done(id, "muted", other, "");
        self.mute_by(&self.called_by(id), other, time, now);
        self.tell_elsewhere(id, self.clients[other].room, now);
    }

    /// Mutes a client for a host or operator of this name, and tells its room.
    pub(super) fn mute_by(
        &mut self,
        by: &str,
        other: ClientId,
        time: Option<Duration>,
        now: Instant,
    ) {
        // Its network is muted in this room too, or it would reconnect and talk on.
        let until = time.map(|time| now + time);
        let (network, room) = (self.own_network(other), self.clients[other].room);
        self.rooms[room].change_rules(|rules| rules.mute(other.serial, network, until));
        let name = &self.names.of(other.serial).to_string();
        self.tell_room(room, &Notice::WasMuted { name, by, time: Span(time) });
    }

    pub(super) fn unmute(&mut self, id: ClientId, name: &str, now: Instant) {
        let Some(other) = self.subject(id, name, now) else { return };
        if !self.unmute_by(&self.called_by(id), other) {
            let name = &self.names.of(other.serial).to_string();
            return self.tell(id, &Notice::NotMuted { name }, now);
        }
        self.log_done(id, "unmuted", other, "");
        self.tell_elsewhere(id, self.clients[other].room, now);
    }

    /// Lets a client talk again for a host or operator of this name, and tells its room. `false` if
    /// it was not muted.
    pub(super) fn unmute_by(&mut self, by: &str, other: ClientId) -> bool {
        let (network, room) = (self.own_network(other), self.clients[other].room);
        let was_muted = self.rooms[room].change_rules(|rules| rules.unmute(other.serial, network));
        if was_muted {
            let name = &self.names.of(other.serial).to_string();
            self.tell_room(room, &Notice::WasUnmuted { name, by });
        }
        was_muted
    }

    pub(super) fn set_slow(&mut self, id: ClientId, slow: Duration, now: Instant) {
        let (room, by) = (self.clients[id].room, &self.called_by(id));
        self.rooms[room].change_rules(|rules| rules.set_slow(slow));
        self.log_rule(id, &format!("one line in {} s for each in", slow.as_secs()));
        let told = match slow.as_secs() {
            0 => Notice::SlowEnded { by },
            seconds => Notice::SlowSet { by, seconds },
        };
        self.tell_done(id, room, &told, now);
        self.act_elsewhere(id, "/slow", &slow.as_secs().to_string());
    }

    pub(super) fn set_lock(&mut self, id: ClientId, is_locked: bool, now: Instant) {
        let (room, by) = (self.clients[id].room, &self.called_by(id));
        self.rooms[room].change_rules(|rules| rules.is_locked = is_locked);
        self.log_rule(id, if is_locked { "locked" } else { "unlocked" });
        let told = if is_locked { Notice::LockSet { by } } else { Notice::LockEnded { by } };
        self.tell_done(id, room, &told, now);
        self.act_elsewhere(id, if is_locked { "/lock" } else { "/unlock" }, "");
    }

    pub(super) fn invite(&mut self, id: ClientId, name: &str, now: Instant) {
        let Some(other) = self.find(name) else { return self.tell_nobody(id, name, now) };
        let room = self.clients[id].room;
        self.invite_by(&self.called_by(id), other, room, Some(id.serial), now);
        let name = &self.names.of(other.serial).to_string();
        self.tell(id, &Notice::InvitationSent { name }, now);
    }

    /// Lets a client into a locked room for a host or operator of this name, and tells it.
    pub(super) fn invite_by(
        &mut self,
        by: &str,
        other: ClientId,
        room: RoomId,
        author: Option<u64>,
        now: Instant,
    ) {
        // By serial: an invitation is for this connection, and a name could be taken by another.
        self.rooms[room].change_rules(|rules| rules.invite(other.serial));
        let room_name = &self.rooms.name(room);
        // An invitation has a name in it, and a room's name, and so words of the client that sends
        // it. As with a message, the sender does not learn that it is ignored.
        if !author.is_some_and(|author| self.is_ignoring(other, author)) {
            self.tell(other, &Notice::Invited { name: by, room: room_name }, now);
            self.file(other, now);
        }
    }

    /// Shows the topic of a client's room, or sets it.
    pub(super) fn topic(&mut self, id: ClientId, topic: &str, now: Instant) {
        let room = self.clients[id].room;
        if topic.is_empty() {
            let topic = self.rooms[room].topic.clone();
            let notice = topic.as_deref().map(|topic| Notice::Topic { topic });
            return self.tell(id, &notice.unwrap_or(Notice::NoTopic), now);
        }
        if self.rank(id) < Rank::Host {
            return self.tell(id, &Notice::OnlyHost { command: "/topic TEXT" }, now);
        }
        if topic.len() > TOPIC_BYTES_MAX {
            let bytes_max = TOPIC_BYTES_MAX;
            return self.tell(id, &Notice::LineTooLong { bytes_max }, now);
        }
        // Kept as it was sent: it was made safe when it was read.
        self.rooms[room].topic = Some(topic.into());
        self.log_rule(id, "set the topic of");
        let name = &self.called_by(id);
        self.tell_words(id, &Notice::TopicSet { name, topic }, now);
        self.act_elsewhere(id, "/topic", topic);
        self.moderation.requests.push(Request::Keep);
    }

    /// A client says that it is away, or back.
    ///
    /// It is told to all in the client's own words, so a muted client may not.
    pub(super) fn away(&mut self, id: ClientId, text: &str, now: Instant) {
        let (room, name) = (self.clients[id].room, &self.names.of(id.serial).to_string());
        if let Some(notice) = self.rooms[room].silence(id.serial, now) {
            return self.tell(id, &notice, now);
        }
        let was_away = match text.is_empty() {
            true => self.moderation.away.remove(&id.serial).is_some(),
            false => self.moderation.away.insert(id.serial, text.to_owned()).is_some(),
        };
        let notice = match (text, was_away) {
            ("", false) => return self.tell(id, &Notice::NotAway, now),
            ("", true) => Notice::Back { name },
            (text, _) => Notice::Away { name, text },
        };
        if self.clients[id].record.is_unseen {
            return self.tell(id, &notice, now);
        }
        self.tell_words(id, &notice, now);
    }

    /// Tells all in a client's room something with its words in it, unless they ignore it.
    ///
    /// Its words are in the notice, so it counts as a line of that client. Otherwise it could speak
    /// to clients that ignore it.
    fn tell_words(&mut self, id: ClientId, notice: &Notice<'_>, now: Instant) {
        self.tell_all(self.clients[id].room, id.serial, notice);
        if self.is_without(id, id.serial) {
            self.tell(id, &Notice::Done, now);
        }
    }

    /// A client is no longer in a room: it is not its host any more.
    ///
    /// Nobody inherits the room. A host that comes back has another serial, and its name may belong
    /// to another client by then.
    pub(super) fn leave_host(&mut self, id: ClientId) {
        let room = &mut self.rooms[self.clients[id].room];
        room.host = room.host.filter(|host| *host != id.serial);
    }

    /// Whether a client is in the conversation of its room, for others to see.
    pub(super) fn is_seen(&self, id: ClientId) -> bool {
        let client = &self.clients[id];
        client.life().is_in_room() && !client.record.is_unseen
    }

    /// An unseen client that is in a room is seen from now on.
    pub(super) fn show(&mut self, id: ClientId, now: Instant) {
        let client = &mut self.clients[id];
        client.record.is_unseen = false;
        if matches!(client.life(), Life::Member | Life::Ending | Life::Deaf(_)) {
            // The count is changed only for a client that is in the room. One on its way is counted
            // where it arrives.
            self.rooms[client.room].here += 1;
            self.announce(id, now);
        }
    }
}
