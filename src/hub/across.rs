//! Commands of hosts and operators that reach the other servers of a cluster.
//!
//! What is laid down for a room, or for all, is an *act*: each server carries it out for its own
//! clients. A command about one client goes to the server of that client. That carries it out and
//! answers, so it stands behind the lines that the client has said before.

use std::time::{Duration, Instant};

use log::info;

use super::Hub;
use super::share::Shared;
use crate::bus::home_of;
use crate::bus::record::Record;
use crate::hub::bans::{Ban, parse_network};
use crate::hub::client::Hold;
use crate::hub::client::Socket;
use crate::hub::moderation::Request;
use crate::room::{ClientId, LOBBY};
use crate::words::command::{Command, Rank};
use crate::words::notice::{Notice, Span, Why};

/// A host or an operator of another server.
pub(super) struct Superior<'a> {
    /// The number of its server.
    pub node: u16,
    /// Its serial there.
    pub serial: u64,
    /// What it is called.
    pub name: &'a str,
    /// The room of which it is host; none for an operator.
    pub room: &'a str,
}

/// Two ends of a ban that lie so near to each other are one: it was said again for another server.
const BAN_END_SPREAD: Duration = Duration::from_secs(5);

fn is_same(ban: &Ban, until: Option<Instant>, by: &str, why: &str) -> bool {
    let spread = |(one, other): (Instant, Instant)| one.max(other) - one.min(other);
    let ends_then = match ban.until.zip(until).map(spread) {
        Some(spread) => spread <= BAN_END_SPREAD,
        None => ban.until == until,
    };
    ends_then && ban.by == by && ban.why == why
}

impl<S: Socket> Hub<S> {
    /// A host or an operator has done this in its room, or for all: the other servers do the same.
    pub(super) fn act_elsewhere(&mut self, id: ClientId, command: &'static str, rest: &str) {
        if self.shared.is_none() {
            return;
        }
        let (room, from_name) = (self.clients[id].room, self.called_by(id));
        let (name, line) =
            (&self.rooms.name(room), format!("{command} {rest}").trim_end().to_owned());
        let Some(shared) = &mut self.shared else { return };
        shared.bus.push(&Record::Act { room: name, from_name: &from_name, line: &line });
    }

    /// Says what is laid down for each room, for servers that start. All servers know the same, so
    /// one of them says it.
    pub(super) fn say_rules(&mut self) {
        let Some(shared) = self.shared.as_mut().filter(|it| it.bus.is_first(None)) else { return };
        for id in self.rooms.ids() {
            let (name, room) = (&self.rooms.name(id), &self.rooms[id]);
            let topic = room.topic.iter().map(|topic| format!("/topic {topic}"));
            let rules = room.rules.iter().flat_map(|rules| rules.to_commands());
            for line in topic.chain(rules) {
                shared.bus.push(&Record::Act { room: name, from_name: "", line: &line });
            }
        }
    }

    /// Says all bans, for the server with this number, which has started. One server says them.
    pub(super) fn say_bans(&mut self, newcomer: u16, now: Instant) {
        let is_it = |shared: &&mut Box<Shared>| shared.bus.is_first(Some(newcomer));
        let Some(shared) = self.shared.as_mut().filter(is_it) else { return };
        let room = &self.rooms.name(LOBBY);
        for (network, Ban { until, by, why }) in self.moderation.bans.list(now) {
            let time = until.map(|until| until.saturating_duration_since(now).as_secs().max(1));
            let time = time.map(|seconds| format!("{seconds}s")).unwrap_or_default();
            let line = &format!("/ban {network} {time} {why}");
            shared.bus.push(&Record::Act { room, from_name: by, line });
        }
    }

    /// Carries out what a host or an operator of another server has done.
    pub(super) fn take_act(&mut self, room: &str, by: &str, line: &str, now: Instant) {
        let Some(room) = self.room_in_order(room, now) else { return };
        let its = &mut self.rooms[room];
        match Command::parse(line) {
            // The files have it: it is said again, for servers that start.
            Command::Topic(topic) if its.topic.as_deref() == Some(topic) => return,
            Command::Password(secret) if its.password() == Some(secret) => return,
            Command::Topic(topic) => its.topic = Some(topic.into()),
            // These two are not kept.
            Command::Slow(slow) => return its.change_rules(|rules| rules.set_slow(slow)),
            Command::Lock(locked) => return its.change_rules(|rules| rules.is_locked = locked),
            Command::Password(secret) => {
                let password = (!secret.is_empty()).then(|| secret.into());
                its.change_rules(|rules| rules.password = password);
            }
            Command::Ban { whom, time, why } => {
                let Some(network) = parse_network(whom) else { return };
                let until = time.map(|time| now + time);
                let earlier = self.moderation.bans.get(network);
                if earlier.is_some_and(|earlier| is_same(earlier, until, by, why)) {
                    return;
                }
                let ban = Ban { until, by: by.to_owned(), why: why.to_owned() };
                if self.moderation.bans.add(network, ban) {
                    info!("banned {network} by operator {by} of another server{}", Why(why));
                    let notice = Notice::Banned { time: Span(time), why: Why(why) };
                    self.expel_banned((by, by), network, &notice, why, now);
                }
            }
            Command::Unban(network) => {
                let lifted = parse_network(network).map(|its| self.moderation.bans.lift(its));
                if lifted == Some(true) {
                    info!("lifted the ban of {network} by operator {by} of another server");
                }
            }
            _ => return,
        }
        self.moderation.requests.push(Request::Keep);
    }

    /// Sends a command about a client of another server there. `false` if it is about none. Its
    /// author waits for the answer.
    pub(super) fn command_elsewhere(
        &mut self,
        id: ClientId,
        command: Command<'_>,
        line: &str,
    ) -> bool {
        let (Command::Kick { name, .. }
        | Command::Mute { name, .. }
        | Command::Unmute(name)
        | Command::Invite(name)
        | Command::Where(name)
        | Command::Op { name, .. }) = command
        else {
            return false;
        };
        let Some(found) = self.find_elsewhere(name) else { return false };
        let (number, to) = home_of(found);
        let is_host_alone =
            self.rank(id) != Rank::Operator || matches!(command, Command::Invite(_));
        let room =
            if is_host_alone { self.rooms.name(self.clients[id].room) } else { String::new() };
        let (from, from_name) = (id.serial, self.called_by(id));
        let Some(shared) = &mut self.shared else { return false };
        let Some(node) = shared.bus.name_of(number).map(str::to_owned) else { return false };
        let (node, from_name, room) = (node.as_str(), from_name.as_str(), room.as_str());
        shared.bus.push(&Record::Command { node, to, from, from_name, room, line });
        shared.asked.insert(from, number);
        self.clients[id].hold = Hold::Answer;
        true
    }

    /// Carries out a command of a host or an operator of another server, and answers.
    pub(super) fn take_command(&mut self, by: &Superior<'_>, to: u64, line: &str, now: Instant) {
        let lines = self.obey_superior(by, to, line, now);
        let Some(shared) = &mut self.shared else { return };
        let Some(node) = shared.bus.name_of(by.node).map(str::to_owned) else { return };
        shared.bus.push(&Record::Answer { node: &node, to: by.serial, text: &lines });
    }

    fn obey_superior(&mut self, by: &Superior<'_>, to: u64, line: &str, now: Instant) -> Vec<u8> {
        let (voice, command) = (self.config.voice(), Command::parse(line));
        let is_invitation = matches!(command, Command::Invite(_));
        let found = self.clients.member(to).filter(|other| {
            let client = &self.clients[*other];
            let is_in_room = self.rooms.name(client.room) == by.room && client.life().is_in_room();
            let is_below = by.room.is_empty() || is_in_room && !client.record.is_operator;
            !self.rooms[client.room].is_door && (is_below || is_invitation)
        });
        let Some(other) = found else {
            let name = &self.names.of(to).to_string();
            return voice.line(&Notice::Nobody { name });
        };
        let name = self.names.of(other.serial).to_string();
        let did = |what: &str| info!("{what} {name} by {} of another server", by.name);
        match command {
            Command::Kick { why, .. } => {
                did("kicked");
                self.kick_by(by.name, other, why, now);
            }
            Command::Mute { time, .. } => {
                did("muted");
                self.mute_by(by.name, other, time, now);
            }
            Command::Unmute(_) => {
                if !self.unmute_by(by.name, other) {
                    return voice.line(&Notice::NotMuted { name: &name });
                }
                did("unmuted");
            }
            Command::Invite(_) => {
                let author = crate::bus::serial_here(by.node, by.serial);
                if let Some(room) = self.room_in_order(by.room, now) {
                    self.invite_by(by.name, other, room, Some(author), now);
                }
                return voice.line(&Notice::InvitationSent { name: &name });
            }
            Command::Where(_) => return self.where_line(other, now),
            Command::Op { on, .. } => {
                did(if on { "made an operator:" } else { "unmade an operator:" });
                return self.make_op(other, on, now);
            }
            _ => {}
        }
        voice.line(&Notice::Done)
    }
}
