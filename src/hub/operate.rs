//! The commands of an operator, for the whole server, and the ways to become one.
//!
//! An operator is a client with one more flag. It is set for a client of the control socket, for
//! the server's own terminal, for a client that tells a secret, and for one that another operator
//! names. To trust every client of this machine was rejected: then each of its users would be an
//! operator. So were a TCP port of its own, and accounts.
//!
//! What an operator does has its place in the order of the lines, as all commands have. What it
//! wants of the world, such as a file or the log, is a [`Request`], which the server takes out at
//! the end of the turn. So the hub knows no file, and can run in a simulation.
//!
//! What is done to a client is logged with the addresses of both, since names change. Secrets are
//! never logged, not even wrong ones: a wrong one is often the right one with a slip.

use std::time::{Duration, Instant};

use ipnet::IpNet;
use log::{LevelFilter, info, warn};

use super::{Hub, Stop};
use crate::hub::bans::{BANS_MAX, Ban, Bans, Moment, parse_network, whole_network};
use crate::hub::client::{Admission, Leave, Socket};
use crate::hub::moderation::{Operators, Request, TRIES_MAX};
use crate::room::without::Without;
use crate::room::{ClientId, RoomId};
use crate::words::command::Rank;
use crate::words::notice::{Notice, Shown, Span, Why};

/// The most bans that `/bans` lists; it counts the rest. Each is a line with a name and a reason,
/// and all are one reply, which has a bound.
const LISTED_MAX: usize = 50;

/// How long a client waits after a wrong secret: a guess takes at least this long.
///
/// Three tries end a connection, but a client can connect again. So it is the wait that makes
/// guessing slow. A program can guess on many connections: `--per-address` bounds them, and the log
/// has a line for each try.
pub const GUESS_WAIT: Duration = Duration::from_secs(1);

/// The most bytes of the welcome text that a client is shown.
///
/// Every new client has it waiting, with the history behind it. Together they must stay below the
/// bytes for which a client is disconnected.
pub const MOTD_BYTES_MAX: usize = 4096;

impl<S: Socket> Hub<S> {
    /// What operators want of the world, in order.
    pub fn take_requests(&mut self) -> Vec<Request> {
        let mut requests = std::mem::take(&mut self.moderation.requests);
        // Ten bans in one turn are one write of the file.
        requests.dedup();
        requests
    }

    /// Sets the welcome text. Whole lines of it are shown, at most 4 KiB.
    pub fn set_motd(&mut self, text: &str) {
        let mut shown = 0;
        let is_short = |line: &&str| {
            shown += line.len() + 1;
            shown <= MOTD_BYTES_MAX
        };
        // It ends at the first line that is too much. A shorter line behind that could be half of a
        // sentence.
        let lines: Vec<&str> = text.lines().take_while(is_short).collect();
        self.moderation.motd = lines.join("\n");
    }

    /// The secrets of the operators. One that has become an operator stays one.
    ///
    /// To look them all up again would need their secrets, which are not kept. A command can take
    /// the rank away.
    pub fn set_operators(&mut self, operators: Operators) {
        self.moderation.operators = operators;
    }

    /// The networks that may not come in. No client is disconnected for them.
    ///
    /// Only a ban by command disconnects: there its operator reads how many clients it has hit.
    pub fn set_bans(&mut self, bans: Bans) {
        self.moderation.bans = bans;
    }

    /// The bans, as they are kept.
    pub fn bans_text(&mut self, at: Moment) -> String {
        self.moderation.bans.to_text(at)
    }

    /// Topics and passwords of rooms, as they are kept.
    pub fn rooms_text(&self) -> String {
        self.rooms.to_text()
    }

    /// Takes in what was kept of rooms. Returns how many lines are none.
    pub fn take_rooms_text(&mut self, text: &str) -> usize {
        self.rooms.take_text(text, &mut self.pages)
    }

    pub(super) fn ban(
        &mut self,
        id: ClientId,
        whom: &str,
        time: Option<Duration>,
        why: &str,
        now: Instant,
    ) {
        let network = match parse_network(whom) {
            Some(network) => network,
            None => match self.find(whom) {
                None => return self.tell_nobody(id, whom, now),
                Some(other) => match self.own_network(other) {
                    Some(network) => whole_network(network),
                    // It shares its address with others, often with all users of this machine. A
                    // ban would hit them too.
                    None => {
                        let name = &self.names.of(other.serial).to_string();
                        return self.tell(id, &Notice::SharesAddress { name }, now);
                    }
                },
            },
        };
        // The limits spare them, so a ban would too.
        let is_one = network.trunc() == whole_network(network.addr());
        if is_one && self.config.is_exempt(network.addr(), None) {
            let name = &self.excerpt(whom);
            return self.tell(id, &Notice::SharesAddress { name }, now);
        }
        let own = &self.clients[id];
        // Only a limited client can ban itself: an exempt one is under no ban. After such a slip it
        // could not come back to lift the ban.
        if own.admission == Admission::Limited && network.contains(&own.record.ip.to_canonical()) {
            return self.tell(id, &Notice::BansYourself, now);
        }
        let ban =
            Ban { until: time.map(|time| now + time), by: self.called_by(id), why: why.to_owned() };
        if !self.moderation.bans.add(network, ban) {
            return self.tell(id, &Notice::TooManyBans { most: BANS_MAX }, now);
        }
        self.moderation.requests.push(Request::Keep);
        self.log_act(id, &format!("banned {network}{}", Span(time)), why);
        let (by, log_name) = (self.called_by(id), self.log_name(id));
        let notice = Notice::Banned { time: Span(time), why: Why(why) };
        let gone = self.expel_banned((&by, &log_name), network, &notice, why, now);
        let seconds = time.map(|time| format!("{}s", time.as_secs())).unwrap_or_default();
        self.act_elsewhere(id, "/ban", &format!("{network} {seconds} {why}"));
        self.tell(id, &Notice::BanSet { network: &shown(network), time: Span(time), gone }, now);
    }

    /// Disconnects all of a network that is banned. Their rooms are told. Returns how many.
    pub(super) fn expel_banned(
        &mut self,
        (by, log_name): (&str, &str),
        network: IpNet,
        notice: &Notice<'_>,
        why: &str,
        now: Instant,
    ) -> usize {
        let banned = self.clients.ids(|client| {
            let is_limited = client.admission == Admission::Limited;
            is_limited
                && client.life().leave().is_none()
                && !client.record.is_operator
                && network.contains(&client.record.ip.to_canonical())
        });
        for one in &banned {
            info!("kicked {} by operator {log_name}{}", self.log_name(*one), Why(why));
            // Both are read before the client leaves: afterwards it is seen by nobody. The others
            // are told later, so that the last thing the client reads is the reason for it.
            let (room, is_seen) = (self.clients[*one].room, self.is_seen(*one));
            let name = self.names.of(one.serial).to_string();
            self.expel(*one, notice, now);
            if is_seen {
                self.post(room, &Notice::WasKicked { name: &name, by, why: Why(why) }, now);
            }
        }
        banned.len()
    }

    pub(super) fn unban(&mut self, id: ClientId, text: &str, now: Instant) {
        let network = parse_network(text);
        if !network.is_some_and(|network| self.moderation.bans.lift(network)) {
            let network = &self.excerpt(text);
            return self.tell(id, &Notice::NotBanned { network }, now);
        }
        self.moderation.requests.push(Request::Keep);
        self.log_act(id, &format!("lifted the ban of {text}"), "");
        self.act_elsewhere(id, "/unban", text);
        self.tell(id, &Notice::BanLifted { network: text }, now);
    }

    pub(super) fn tell_bans(&mut self, id: ClientId, now: Instant) {
        let lang = self.config.lang();
        // One line each, unlike `/who`: a ban is lifted by its network, and an operator copies
        // that.
        let list = self.moderation.bans.list(now);
        let mut lines = Vec::new();
        for (network, ban) in list.iter().take(LISTED_MAX) {
            let time = Span(ban.until.map(|until| until.saturating_duration_since(now)));
            let (by, why) = (ban.by.as_str(), Why(&ban.why));
            let notice = Notice::Ban { network: &shown(*network), time, by, why };
            lines.extend(notice.to_line(lang));
        }
        match list.len() {
            0 => lines = Notice::NoBans.to_line(lang),
            bans if bans > LISTED_MAX => {
                lines.extend(Notice::MoreBans { more: bans - LISTED_MAX }.to_line(lang));
            }
            _ => {}
        }
        self.tell_lines(id, lines, now);
    }

    pub(super) fn announce_text(&mut self, id: ClientId, text: &str, now: Instant) {
        let notice = Notice::Announcement { text };
        self.log_act(id, "announced", text);
        for room in self.rooms.ids() {
            self.post(room, &notice, now);
        }
        // All others read the announcement itself. A program that gets replies only must learn that
        // it is done.
        if self.clients[id].reading.without().is_some_and(Without::has_all) {
            self.tell(id, &Notice::Done, now);
        }
    }

    /// Submits a notice in a room. It is not appended: only the room of a command is at its own
    /// place in the order, and in any other a pass may be unfinished. At a stop nothing is said
    /// behind the last line, and at the door never.
    fn post(&mut self, room: RoomId, notice: &Notice<'_>, now: Instant) {
        if self.stop == Stop::No && !self.rooms[room].is_door {
            self.submit_notice(room, &self.config.voice().line(notice));
            self.agenda.file_room(room, &mut self.rooms[room], now);
        }
    }

    pub(super) fn tell_where(&mut self, id: ClientId, name: &str, now: Instant) {
        let Some(other) = self.find(name) else { return self.tell_nobody(id, name, now) };
        self.tell_lines(id, self.where_line(other, now), now);
    }

    /// Where a client is, and since when.
    pub(super) fn where_line(&self, other: ClientId, now: Instant) -> Vec<u8> {
        let record = &self.clients[other].record;
        let came = Duration::from_secs(record.came_seconds.into());
        let since = now.duration_since(self.rooms.start()).saturating_sub(came);
        // A client of a Unix socket has none.
        let address = Some(record.address()).filter(|address| !address.ip().is_unspecified());
        let name = &self.names.of(other.serial).to_string();
        let notice = Notice::Where { name, address: Shown(address), time: Span(Some(since)) };
        self.config.voice().line(&notice)
    }

    pub(super) fn set_op(&mut self, id: ClientId, name: &str, on: bool, now: Instant) {
        let Some(other) = self.find(name) else { return self.tell_nobody(id, name, now) };
        // Logged first: the log says what each was when it was done.
        self.log_done(id, if on { "made an operator:" } else { "unmade an operator:" }, other, "");
        let done = self.make_op(other, on, now);
        self.tell_lines(id, done, now);
    }

    /// Makes a client an operator, or no operator, and tells it. Returns what the one reads that
    /// asked for it.
    pub(super) fn make_op(&mut self, other: ClientId, on: bool, now: Instant) -> Vec<u8> {
        // It holds from this place in the order on. A command of the other that is behind this one
        // is judged by it.
        self.clients[other].record.is_operator = on;
        let told = if on { Notice::Operator } else { Notice::NoOperator };
        self.tell(other, &told, now);
        self.file(other, now);
        let name = &self.names.of(other.serial).to_string();
        let done = if on { Notice::OperatorMade { name } } else { Notice::OperatorUnmade { name } };
        self.config.voice().line(&done)
    }

    /// A client tells a secret, to become an operator.
    pub(super) fn try_oper(&mut self, id: ClientId, secret: &str, now: Instant) {
        match self.moderation.operators.find(secret) {
            Some(operator) => {
                info!("{} is operator {operator} now", self.log_name(id));
                self.clients[id].record.is_operator = true;
                // Slips of the pen are forgiven once the right secret has come.
                self.moderation.tries.remove(&id.serial);
                self.tell(id, &Notice::Operator, now);
            }
            None => self.refuse_secret(id, "/oper", now),
        }
    }

    /// A client has told a wrong secret: it waits, or is disconnected.
    pub(super) fn refuse_secret(&mut self, id: ClientId, what: &str, now: Instant) {
        // For a program that watches the log and blocks addresses: every try is a line.
        warn!("wrong {what} from {}", self.clients[id].record.address());
        match self.moderation.count_try(id.serial) {
            0 => self.close(id, Leave::WrongSecret, &Notice::TooManyTries, now),
            left => {
                debug_assert!(left < TRIES_MAX);
                // The hold of the command ended before it was carried out, so this one stays.
                self.tell(id, &Notice::WrongSecret { left }, now);
                self.clients[id].wait(now + GUESS_WAIT);
            }
        }
    }

    /// Shows the welcome text, or sets another until the next reload.
    pub(super) fn motd(&mut self, id: ClientId, text: &str, now: Instant) {
        if text.is_empty() {
            let lines = self.motd_lines();
            return match lines.is_empty() {
                true => self.tell(id, &Notice::NoMotd, now),
                false => self.tell_lines(id, lines, now),
            };
        }
        if self.rank(id) < Rank::Operator {
            return self.tell(id, &Notice::OnlyOperator { command: "/motd TEXT" }, now);
        }
        self.set_motd(text);
        self.log_act(id, "set the welcome text", text);
        self.tell(id, &Notice::MotdSet, now);
    }

    /// The welcome text as notices.
    pub(super) fn motd_lines(&self) -> Vec<u8> {
        let lines = self.moderation.motd.lines().map(|line| format!("* {line}\n"));
        self.config.voice().words(|_| lines.collect::<String>().into_bytes())
    }

    pub(super) fn set_log(&mut self, id: ClientId, level: LevelFilter, now: Instant) {
        self.moderation.requests.push(Request::Log(level));
        let level = &level.as_str().to_ascii_lowercase();
        self.tell(id, &Notice::LogLevel { level }, now);
    }

    /// The answer does not say that it worked: the file is read after this turn, and the log tells.
    pub(super) fn reload(&mut self, id: ClientId, now: Instant) {
        self.moderation.requests.push(Request::Reload);
        self.tell(id, &Notice::Reloading, now);
    }

    /// From now on an operator gets replies only.
    ///
    /// For programs: one that sends a command and reads the answer must not have to tell it from
    /// what others say.
    pub(super) fn only_replies(&mut self, id: ClientId, now: Instant) {
        self.change_without(id, |without| without.add_all());
        self.tell(id, &Notice::RepliesOnly, now);
    }
}

/// A network as people write it: an address without its length.
fn shown(network: IpNet) -> String {
    match network.prefix_len() == network.max_prefix_len() {
        true => network.addr().to_string(),
        false => network.to_string(),
    }
}
