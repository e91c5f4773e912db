//! Carries out the commands that concern more than one room. Every reply is private, and stands
//! where its client expects it: commands are carried out in the order of the lines around them.
//!
//! A command is carried out when it is appended, and never when it is read. Otherwise a line that
//! was sent before `/nick bob` could be shown under the new name. And a reply could stand before
//! the line that it follows.
//!
//! While its command waits, a client may have gone, lost its output, or begun to leave. What it has
//! sent before a break still counts. So a command of such a client is carried out too. It is told
//! nothing, because only a member can be told anything.
//!
//! Clients are kept by serial, never by name: a name may belong to another client by the time at
//! which it is used. It is looked up where it is shown.
//!
//! Every other client that a command touches is filed where that happens. The client that gave the
//! command is filed once, when the whole answer is given.

use std::num::NonZeroU64;
use std::time::Instant;

use super::Hub;
use super::rooms::LOBBY_NAME;
use crate::bus::is_own;
use crate::hub::addresses::network;
use crate::hub::client::{Life, Socket};
use crate::room::reading::DETOUR_BYTES;
use crate::room::transcript::EntryKind;
use crate::room::without::{IGNORED_MAX, Without};
use crate::room::{ClientId, RoomId};
use crate::words::command::{self, Command, Rank};
use crate::words::names::{Claimant, NAME_CHARACTERS_MAX, Name, Refusal, called};
use crate::words::notice::{self, Notice};
use crate::words::text::Excerpt;

/// The most names that `/who` lists; it counts the rest. Fifty of the longest names take less than
/// 7 KiB. With 8 KiB of replies that it has not read, a client is not read.
const NAMED_MAX: usize = 50;

/// The most rooms that `/rooms` lists, for the same reason. If there are more, it says how many.
const LISTED_MAX: usize = 50;

impl<S: Socket> Hub<S> {
    /// Carries out what a client has asked in this line, if it may ask that.
    pub(super) fn obey(&mut self, id: ClientId, room: RoomId, line: &str, now: Instant) {
        let (command, lang) = (Command::parse(line), self.config.lang());
        // The rank is that of this moment, not of the moment at which the line was read. Meanwhile
        // the client may have been made an operator, or have lost its room.
        if command::rank(line) > self.rank(id) {
            return self.refuse_command(id, line, now);
        }
        if let Some(to) = self.elsewhere(id, room, command) {
            return self.pass_on(id, to, line, now);
        }
        if self.command_elsewhere(id, command, line) {
            return;
        }
        // At the door only these three work. Everything else would tell a client without the
        // password which clients are here.
        let is_at_door = self.room_of(id).is_door;
        match command {
            Command::Password(secret) => self.password(id, secret, now),
            Command::Oper(secret) => self.try_oper(id, secret, now),
            Command::Quit(words) => self.quit(id, words, now),
            _ if is_at_door => self.tell(id, &Notice::PasswordNeeded, now),
            Command::Message { to, text } => self.message(id, to, text, now),
            Command::Answer(text) => self.message_back(id, text, now),
            Command::Nick(name) => self.rename(id, name, now),
            Command::Echo(on) => self.set_echo(id, on, now),
            // No bound: whatever is appended by now is before this reply.
            Command::History(lines) => match self.history(id, lines, u64::MAX) {
                Some(lines) => self.tell_rendered_at(id, self.head(id), lines, now),
                None => self.tell(id, &Notice::NoHistory, now),
            },
            Command::Ignore(name) => self.ignore(id, name, now),
            Command::Ignored => self.tell_ignored(id, now),
            Command::Unignore(name) => self.unignore(id, name, now),
            Command::Who => self.tell_who(id, now),
            Command::Join { room, secret } => self.join_room(id, room, secret, now),
            Command::Leave => self.join_room(id, LOBBY_NAME, "", now),
            Command::Rooms => self.tell_rooms(id, now),
            Command::Help => self.tell_lines(id, notice::help(lang, self.rank(id)), now),
            Command::Topic(topic) => self.topic(id, topic, now),
            Command::Away(text) => self.away(id, text, now),
            Command::Motd(text) => self.motd(id, text, now),
            Command::Kick { name, why } => self.kick(id, name, why, now),
            Command::Mute { name, time } => self.mute(id, name, time, now),
            Command::Unmute(name) => self.unmute(id, name, now),
            Command::Slow(time) => self.set_slow(id, time, now),
            Command::Lock(is_locked) => self.set_lock(id, is_locked, now),
            Command::Invite(name) => self.invite(id, name, now),
            Command::Ban { whom, time, why } => self.ban(id, whom, time, why, now),
            Command::Unban(network) => self.unban(id, network, now),
            Command::Bans => self.tell_bans(id, now),
            Command::Where(name) => self.tell_where(id, name, now),
            Command::Announce(text) => self.announce_text(id, text, now),
            Command::Op { name, on } => self.set_op(id, name, on, now),
            Command::Replies => self.only_replies(id, now),
            Command::Log(level) => self.set_log(id, level, now),
            Command::Reload => self.reload(id, now),
            Command::Misused(command) => {
                self.tell(id, &Notice::Usage { usage: notice::usage(command, lang) }, now);
            }
            Command::Unknown(command) => {
                let command = &self.excerpt(command);
                self.tell(id, &Notice::Unknown { command }, now);
            }
            // The room has carried it out.
            Command::Say(_) | Command::Me(_) => debug_assert!(false),
        }
    }

    /// Tells a client which others may give the command in this line.
    fn refuse_command(&mut self, id: ClientId, line: &str, now: Instant) {
        let command = &self.excerpt(line.split_whitespace().next().unwrap_or_default());
        match command::rank(line) {
            Rank::Host => self.tell(id, &Notice::OnlyHost { command }, now),
            _ => self.tell(id, &Notice::OnlyOperator { command }, now),
        }
    }

    /// The client of this name, if it is here. One that owes a password is not.
    ///
    /// Every command that takes a name asks here. So a client at the door can be neither found nor
    /// told anything by others.
    pub(super) fn find(&self, name: &str) -> Option<ClientId> {
        let found = self.clients.member(self.names.find(name)?);
        found.filter(|id| !self.room_of(*id).is_door)
    }

    /// What a client has written, in a notice to it: short, and with a mark after it if it needs
    /// one.
    pub(super) fn excerpt(&self, text: &str) -> String {
        called(&Excerpt(text.as_bytes()).to_string())
    }

    pub(super) fn tell_nobody(&mut self, id: ClientId, name: &str, now: Instant) {
        let name = &self.excerpt(name);
        self.tell(id, &Notice::Nobody { name }, now);
    }

    fn message(&mut self, id: ClientId, to: &str, text: &str, now: Instant) {
        match self.find(to) {
            Some(to) => self.whisper(id, to, text, now),
            None => match self.find_elsewhere(to) {
                Some(serial) => self.send_message(id, serial, text),
                None => self.tell_nobody(id, to, now),
            },
        }
    }

    fn message_back(&mut self, id: ClientId, text: &str, now: Instant) {
        let asked = self.clients[id].record.answers_go_to;
        // By serial. If its name has gone to another client meanwhile, the answer must not.
        match asked.and_then(|serial| self.clients.member(serial.get())) {
            Some(to) => self.whisper(id, to, text, now),
            None => match asked.filter(|serial| !is_own(serial.get())) {
                Some(serial) => self.send_message(id, serial.get(), text),
                None => self.tell(id, &Notice::NobodyToAnswer, now),
            },
        }
    }

    /// Sends a private message, and shows the sender what the recipient sees. A sender does not
    /// learn that it is ignored.
    fn whisper(&mut self, from: ClientId, to: ClientId, text: &str, now: Instant) {
        let from_name = &self.names.of(from.serial).to_string();
        let lines = self.deliver(to, (from.serial, from_name), text, now);
        self.tell_lines(from, lines, now);
    }

    /// Gives a private message to a client. Returns what its sender reads.
    pub(super) fn deliver(
        &mut self,
        to: ClientId,
        (from, from_name): (u64, &str),
        text: &str,
        now: Instant,
    ) -> Vec<u8> {
        let (to_name, voice) = (self.names.of(to.serial).to_string(), self.config.voice());
        let line = format!("[{from_name} -> {to_name}] {text}\n").into_bytes();
        let other = &self.clients[to];
        // Messages of others are counted apart from replies. Else others could fill what a client
        // may have waiting, and it would not be read any more.
        let waiting = other.reading.message_bytes() + line.len() + DETOUR_BYTES;
        // A client that moves gets it at the end of its old room, before it arrives in the new one.
        // Any other life is offered nothing more, or has had its last line.
        if !matches!(other.life(), Life::Member | Life::Moving) || waiting > self.config.max_private
        {
            return voice.line(&Notice::NotDelivered { name: &to_name });
        }
        // A message to oneself is shown once, by the line below.
        if from != to.serial && !self.is_ignoring(to, from) {
            let head = self.head(to);
            let other = &mut self.clients[to];
            other.record.answers_go_to = NonZeroU64::new(from);
            other.reading.message(head, other.form.render(line.clone()));
            // Only the sender is filed by the caller. Without this, a recipient in a quiet room
            // would get the message at its next event.
            self.file(to, now);
        }
        // The same line, ignored or not, since the sender must not see a difference.
        let away = self.moderation.away.get(&to.serial);
        let away = away.map(|text| voice.line(&Notice::AwayNow { name: &to_name, text }));
        [line, away.unwrap_or_default()].concat()
    }

    fn rename(&mut self, id: ClientId, name: &str, now: Instant) {
        let serial = id.serial;
        // A name could say what a muted client may not.
        if let Some(notice) = self.room_of(id).silence(serial, now) {
            return self.tell(id, &notice, now);
        }
        if self.shared.is_some() {
            return self.claim(id, name, now);
        }
        let from = self.names.of(serial).to_string();
        let network = network(self.clients[id].record.ip);
        // Two renames of one turn are decided in the order of their lines, so the first has the
        // name.
        let taken = Name::parse(name)
            .and_then(|name| self.names.take(Claimant { serial, network }, name, now));
        let to = self.names.of(serial).to_string();
        match taken {
            Ok(()) if to == from => self.tell(id, &Notice::NameIsYours { name: &to }, now),
            // The others do not know that it is here.
            Ok(()) if self.clients[id].record.is_unseen => {
                self.tell(id, &Notice::Renamed { from: &from, to: &to }, now);
            }
            Ok(()) => {
                // Its bearer has worded the name, so a client that ignores it does not see it.
                let notice = Notice::Renamed { from: &from, to: &to };
                self.tell_all(self.clients[id].room, serial, &notice);
                // A client without echo leaves its own lines out, and this is one. It would never
                // learn that it worked.
                if self.is_without(id, serial) {
                    self.tell(id, &notice, now);
                }
            }
            Err(refusal) => self.tell_refusal(id, name, refusal, now),
        }
    }

    pub(super) fn tell_refusal(
        &mut self,
        id: ClientId,
        name: &str,
        refusal: Refusal,
        now: Instant,
    ) {
        self.tell_lines(id, self.refusal_lines(name, refusal), now);
    }

    /// Why a client may not be called so.
    pub(super) fn refusal_lines(&self, name: &str, refusal: Refusal) -> Vec<u8> {
        let shown = match refusal {
            Refusal::Character(character) | Refusal::FirstCharacter(character) => {
                // The character may be invisible, or look like another, so its number is shown too.
                let visible = self.excerpt(&character.to_string());
                format!("{visible} (U+{:04X})", character as u32)
            }
            _ => self.excerpt(name),
        };
        let notice = match refusal {
            Refusal::Empty => Notice::Usage { usage: notice::usage("/nick", self.config.lang()) },
            Refusal::TooLong => Notice::NameTooLong { characters_max: NAME_CHARACTERS_MAX },
            Refusal::Character(_) => Notice::NameCharacter { character: &shown },
            Refusal::FirstCharacter(_) => Notice::NameFirst { character: &shown },
            Refusal::Reserved => Notice::NameReserved { name: &shown },
            Refusal::Taken => Notice::NameTaken { name: &shown },
            Refusal::LooksLikeTaken => Notice::NameLooksTaken { name: &shown },
        };
        self.config.voice().line(&notice)
    }

    /// The newest lines that clients have said in a client's room, of those with a number below
    /// `before`, without the ignored clients': at most `lines`, between a line that says so and one
    /// that ends them. All that is in the form that the client reads. `None` if there are none.
    pub(super) fn history(&self, id: ClientId, lines: usize, before: u64) -> Option<Vec<u8>> {
        let (client, lang) = (&self.clients[id], self.config.lang());
        let (form, without) = (client.form, client.reading.without());
        let most = (lines, self.config.history_bytes);
        let newest = self.room_of(id).history(form, id.serial, without, most, before)?;
        let private = |notice: Notice| form.render(notice.to_line(lang));
        Some([private(Notice::History), newest, private(Notice::Now)].concat())
    }

    /// No echo is to ignore oneself. So the code that skips lines need not know of it.
    fn set_echo(&mut self, id: ClientId, on: bool, now: Instant) {
        self.change_without(id, |without| match on {
            true => without.remove(id.serial),
            false => without.add(id.serial),
        });
        self.tell(id, if on { &Notice::EchoOn } else { &Notice::EchoOff }, now);
    }

    fn ignore(&mut self, id: ClientId, name: &str, now: Instant) {
        let Some(other) = self.find(name) else { return self.tell_nobody(id, name, now) };
        // To leave out oneself is to have no echo, and there is a command for that.
        if other == id {
            return self.tell(id, &Notice::IgnoringYourself, now);
        }
        // What one that has gone has said is appended, or waits among the submissions. So it has no
        // line behind this position, and its place in the list can be given to another there. To
        // search the window for its last line took 15 ms, in which no other client was served.
        let end = self.head(id) + self.room_of(id).submissions.charged() as u64;
        let gone = self.gone_authors(id);
        let reading = &mut self.clients[id].reading;
        let position = reading.position();
        let ignored = reading.change_without(|without| {
            without.ignore(other.serial, id.serial, position, end, |author| !gone.contains(&author))
        });
        // The list is short because it is compared with the author of every line.
        if ignored.is_err() {
            return self.tell(id, &Notice::IgnoringTooMany { most: IGNORED_MAX }, now);
        }
        let name = self.names.of(other.serial).to_string();
        self.tell(id, &Notice::Ignoring { name: &name }, now);
    }

    /// Those that a client ignores and that have left the server.
    ///
    /// Only they can give up their places in the list. They stay there until all their lines are
    /// behind the reader, or it would be shown lines that it has asked not to see.
    fn gone_authors(&self, id: ClientId) -> Vec<u64> {
        let without = self.clients[id].reading.without().into_iter().flat_map(Without::iter);
        without.filter(|author| self.clients.member(*author).is_none()).collect()
    }

    fn unignore(&mut self, id: ClientId, name: &str, now: Instant) {
        let Some(other) = self.find(name) else { return self.tell_nobody(id, name, now) };
        let was_ignored = other != id && self.is_ignoring(id, other.serial);
        if was_ignored {
            self.change_without(id, |without| without.remove(other.serial));
        }
        let name = &self.names.of(other.serial).to_string();
        match was_ignored {
            true => self.tell(id, &Notice::NoLongerIgnoring { name }, now),
            false => self.tell(id, &Notice::NotIgnoring { name }, now),
        }
    }

    fn tell_ignored(&mut self, id: ClientId, now: Instant) {
        let ignored = self.clients[id].reading.without().into_iter().flat_map(Without::iter);
        let ignored = ignored.filter(|author| *author != id.serial);
        // One that has left has no name any more that could be shown, and can say nothing new.
        let ignored = ignored.filter(|author| self.clients.member(*author).is_some());
        let names: Vec<String> = ignored.map(|author| self.names.of(author).to_string()).collect();
        match names.is_empty() {
            true => self.tell(id, &Notice::IgnoringNobody, now),
            false => self.tell(id, &Notice::IgnoringThese { names: &names.join(", ") }, now),
        }
    }

    /// Whether a client gets nothing that another, or itself, says to all.
    pub(super) fn is_without(&self, id: ClientId, author: u64) -> bool {
        let without = self.clients[id].reading.without();
        without.is_some_and(|without| without.contains(author))
    }

    /// Whether a client ignores another.
    pub(super) fn is_ignoring(&self, id: ClientId, author: u64) -> bool {
        let without = self.clients[id].reading.without();
        without.is_some_and(|without| without.ignores(author))
    }

    pub(super) fn change_without(&mut self, id: ClientId, change: impl FnOnce(&mut Without)) {
        self.clients[id].reading.change_without(change);
    }

    fn tell_who(&mut self, id: ClientId, now: Instant) {
        let room = self.room_of(id);
        let keys = room.readers.iter().filter_map(|key| self.clients.at(key));
        // The same test as for the count of the room. Otherwise the number of the rest, below,
        // would be wrong.
        let members = keys.filter(|reader| self.is_seen(*reader));
        let named = members.take(NAMED_MAX).map(|member| self.names.of(member.serial).to_string());
        let (here, names) = (room.everyone(), named.collect::<Vec<String>>());
        let (more, names, readers) = (here - names.len(), &names.join(", "), room.reading);
        let notice = match (more, readers) {
            (0, 0) => Notice::Here { here, names },
            (0, readers) => Notice::HereAndReading { here, names, readers },
            (more, 0) => Notice::HereAndMore { here, names, more },
            (more, readers) => Notice::HereMoreAndReading { here, names, more, readers },
        };
        self.tell(id, &notice, now);
    }

    /// Lists the rooms with the most clients.
    fn tell_rooms(&mut self, id: ClientId, now: Instant) {
        let listed = self.rooms.largest(LISTED_MAX);
        let (rooms, more) = (self.rooms.count(), self.rooms.count() - listed.len());
        let names = listed.iter().map(|(room, here)| format!("{} {here}", self.rooms.name(*room)));
        let names = &names.collect::<Vec<String>>().join(", ");
        match more {
            0 => self.tell(id, &Notice::Rooms { rooms, names }, now),
            more => self.tell(id, &Notice::RoomsAndMore { rooms, names, more }, now),
        }
    }

    fn quit(&mut self, id: ClientId, words: &str, now: Instant) {
        let room_id = self.clients[id].room;
        let room = &self.rooms[room_id];
        // Its last words are a line of its own, not part of the notice that it left: a client that
        // ignores it must not see them. A muted client has none.
        if !words.is_empty() && room.silence(id.serial, now).is_none() {
            self.say(room_id, id.serial, EntryKind::Say, words.as_bytes());
        }
        // Told first, because a client that is ending is told nothing more. `nc` shows nothing when
        // a server closes, so without this line its user would see no effect.
        self.tell(id, &Notice::Bye, now);
        self.end(id, now);
    }
}
