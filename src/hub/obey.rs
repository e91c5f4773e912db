//! What becomes of a command. Every reply is private and stands where its asker sees it stand:
//! commands are carried out in the order in which things were said.

use std::time::Instant;

use super::Hub;
use crate::hub::addresses::network;
use crate::hub::client::{Life, Socket};
use crate::room::reading::DETOUR_BYTES;
use crate::room::transcript::{Line, SERVER};
use crate::room::without::{IGNORED_MAX, Without};
use crate::words::command::Command;
use crate::words::names::{Claimant, NAME_CHARACTERS_MAX, Name, Refusal, called};
use crate::words::notice::{self, Notice};
use crate::words::text::Excerpt;

/// How many names `/who` gives; of more it says how many.
const NAMED_MAX: usize = 50;

impl<S: Socket> Hub<S> {
    /// Carries out what a client has asked.
    pub(super) fn obey(&mut self, key: usize, serial: u64, command: Command<'_>, now: Instant) {
        let lang = self.config.lang();
        match command {
            Command::Say(text) => self.say(serial, &["", ": "], text),
            Command::Me(text) => self.say(serial, &["~ ", " "], text),
            Command::Message { to, text } => self.message(key, to, text, now),
            Command::Answer(text) => self.message_back(key, text, now),
            Command::Nick(name) => self.rename(key, serial, name, now),
            Command::Echo(on) => self.set_echo(key, serial, on, now),
            Command::History(lines) => {
                let any = self.tell_history(key, lines, now);
                if !any {
                    self.tell(key, &Notice::NoHistory, now);
                }
            }
            Command::Ignore(name) => self.ignore(key, serial, name, now),
            Command::Ignored => self.tell_ignored(key, serial, now),
            Command::Unignore(name) => self.unignore(key, serial, name, now),
            Command::Who => self.tell_who(key, now),
            Command::Help => self.tell_lines(key, notice::help(lang), now),
            Command::Quit(words) => self.quit(key, serial, words, now),
            Command::Misused(command) => {
                self.tell(key, &Notice::Usage { usage: notice::usage(command, lang) }, now);
            }
            Command::Unknown(command) => {
                let command = &called(&Excerpt(command.as_bytes()).to_string());
                self.tell(key, &Notice::Unknown { command }, now);
            }
        }
    }

    fn say(&mut self, author: u64, [before, behind]: &[&str; 2], text: &str) {
        let name = self.names.of(author);
        let line = format!("{before}{name}{behind}{text}\n");
        self.transcript.append(author, &[line.as_bytes()]);
    }

    /// Who is meant by a name, if it is here: its serial and key.
    fn find(&self, name: &str) -> Option<(u64, usize)> {
        let serial = self.names.find(name)?;
        self.members.get(&serial).map(|key| (serial, *key as usize))
    }

    fn tell_nobody(&mut self, key: usize, name: &str, now: Instant) {
        let name = &called(&Excerpt(name.as_bytes()).to_string());
        self.tell(key, &Notice::Nobody { name }, now);
    }

    fn message(&mut self, key: usize, to: &str, text: &str, now: Instant) {
        match self.find(to) {
            Some((_, to)) => self.whisper(key, to, text, now),
            None => self.tell_nobody(key, to, now),
        }
    }

    fn message_back(&mut self, key: usize, text: &str, now: Instant) {
        let asked = self.clients.get(key).and_then(|client| client.record.answers_go_to());
        match asked.and_then(|serial| self.members.get(&serial)) {
            Some(to) => self.whisper(key, *to as usize, text, now),
            None => self.tell(key, &Notice::NobodyToAnswer, now),
        }
    }

    /// Says something to one client alone, and shows its sender what that one sees. Whom the other
    /// ignores does not learn it.
    fn whisper(&mut self, from: usize, to: usize, text: &str, now: Instant) {
        let (Some(sender), Some(other)) = (self.clients.get(from), self.clients.get(to)) else {
            return;
        };
        let serial = sender.record.serial;
        let other_name = self.names.of(other.record.serial).to_string();
        let line = format!("[{} -> {other_name}] {text}\n", self.names.of(serial)).into_bytes();
        let waiting = other.reading.message_bytes() + line.len() + DETOUR_BYTES;
        if other.life != Life::Open || waiting > self.config.max_private {
            self.tell(from, &Notice::NotDelivered { name: &other_name }, now);
            return;
        }
        let ignored = serial != other.record.serial && self.is_without(to, serial);
        if from != to && !ignored {
            let head = self.transcript.head();
            if let Some(other) = self.clients.get_mut(to) {
                other.record.extras().answers_go_to = Some(serial);
                other.reading.message(head, line.clone());
            }
            self.queue_to_speak(to);
        }
        self.tell_lines(from, line, now);
    }

    fn rename(&mut self, key: usize, serial: u64, name: &str, now: Instant) {
        let from = self.names.of(serial).to_string();
        let Some(client) = self.clients.get(key) else { return };
        let network = network(client.record.address.ip());
        let taken = Name::parse(name)
            .and_then(|name| self.names.take(Claimant { serial, network }, name, now));
        let to = self.names.of(serial).to_string();
        match taken {
            Ok(()) if to == from => self.tell(key, &Notice::NameIsYours { name: &to }, now),
            Ok(()) => {
                // Its bearer has worded the name: whoever ignores that one is spared it.
                let line = Notice::Renamed { from: &from, to: &to }.to_line(self.config.lang());
                self.transcript.append(serial, &[&line]);
                if self.is_without(key, serial) {
                    self.tell_lines(key, line, now);
                }
            }
            Err(refusal) => self.tell_refusal(key, name, refusal, now),
        }
    }

    fn tell_refusal(&mut self, key: usize, name: &str, refusal: Refusal, now: Instant) {
        let shown = match refusal {
            Refusal::Character(character) | Refusal::FirstCharacter(character) => {
                let visible = called(&Excerpt(character.to_string().as_bytes()).to_string());
                format!("{visible} (U+{:04X})", character as u32)
            }
            _ => called(&Excerpt(name.as_bytes()).to_string()),
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
        self.tell(key, &notice, now);
    }

    /// Shows a client the newest lines that clients have said, at most so many, without those of
    /// whom it ignores. Says whether there were any.
    pub(super) fn tell_history(&mut self, key: usize, lines: usize, now: Instant) -> bool {
        let Some(client) = self.clients.get(key) else { return false };
        let own = client.record.serial;
        let without = client.reading.rendering().map(|its| &its.without);
        let is_left_out = |author| without.is_some_and(|without| without.contains(author));
        let lang = self.config.lang();
        let mut text = Notice::History.to_line(lang);
        let nothing = text.len();
        // A notice about someone, who has worded part of it, is nothing that was said.
        let is_notice = |line: &Line| self.transcript.bytes(line.start, line.start + 1).0 == b"*";
        let is_wanted = |line: &Line| {
            let author = line.author;
            author != SERVER && (author == own || !is_left_out(author)) && !is_notice(line)
        };
        for line in self.transcript.newest(lines, self.config.history_bytes, is_wanted) {
            let (first, second) = self.transcript.bytes(line.start, line.end);
            text.extend_from_slice(first);
            text.extend_from_slice(second);
        }
        let any = text.len() > nothing;
        if any {
            text.extend_from_slice(&Notice::Now.to_line(lang));
            self.tell_lines(key, text, now);
        }
        any
    }

    fn set_echo(&mut self, key: usize, serial: u64, on: bool, now: Instant) {
        self.change_without(key, |without| match on {
            true => without.remove(serial),
            false => without.add(serial),
        });
        self.tell(key, if on { &Notice::EchoOn } else { &Notice::EchoOff }, now);
    }

    fn ignore(&mut self, key: usize, serial: u64, name: &str, now: Instant) {
        let Some((other, _)) = self.find(name) else { return self.tell_nobody(key, name, now) };
        if other == serial {
            return self.tell(key, &Notice::IgnoringYourself, now);
        }
        let Some(client) = self.clients.get_mut(key) else { return };
        let position = client.reading.position();
        // What one that has gone has said is appended, or waits among the submissions.
        let end = self.transcript.head() + self.submissions.charged() as u64;
        let is_here = |author| self.members.contains_key(&author);
        let mut ignored = Ok(());
        client.reading.change_rendering(&self.transcript, |its| {
            ignored = its.without.ignore(other, serial, position, end, is_here);
        });
        if ignored.is_err() {
            return self.tell(key, &Notice::IgnoringTooMany { most: IGNORED_MAX }, now);
        }
        let name = self.names.of(other).to_string();
        self.tell(key, &Notice::Ignoring { name: &name }, now);
    }

    fn unignore(&mut self, key: usize, serial: u64, name: &str, now: Instant) {
        let Some((other, _)) = self.find(name) else { return self.tell_nobody(key, name, now) };
        let was_ignored = other != serial && self.is_without(key, other);
        if was_ignored {
            self.change_without(key, |without| without.remove(other));
        }
        let name = &self.names.of(other).to_string();
        match was_ignored {
            true => self.tell(key, &Notice::NoLongerIgnoring { name }, now),
            false => self.tell(key, &Notice::NotIgnoring { name }, now),
        }
    }

    fn tell_ignored(&mut self, key: usize, serial: u64, now: Instant) {
        let rendering = self.clients.get(key).and_then(|client| client.reading.rendering());
        let ignored = rendering.into_iter().flat_map(|its| its.without.iter());
        let ignored = ignored.filter(|author| *author != serial);
        let ignored = ignored.filter(|author| self.members.contains_key(author));
        let names: Vec<String> = ignored.map(|author| self.names.of(author).to_string()).collect();
        match names.is_empty() {
            true => self.tell(key, &Notice::IgnoringNobody, now),
            false => self.tell(key, &Notice::IgnoringThese { names: &names.join(", ") }, now),
        }
    }

    fn is_without(&self, key: usize, author: u64) -> bool {
        let rendering = self.clients.get(key).and_then(|client| client.reading.rendering());
        rendering.is_some_and(|its| its.without.contains(author))
    }

    fn change_without(&mut self, key: usize, change: impl FnOnce(&mut Without)) {
        if let Some(client) = self.clients.get_mut(key) {
            client.reading.change_rendering(&self.transcript, |its| change(&mut its.without));
        }
    }

    fn tell_who(&mut self, key: usize, now: Instant) {
        let here = self.here();
        let named = self.members.keys().take(NAMED_MAX);
        let names: Vec<String> = named.map(|serial| self.names.of(*serial).to_string()).collect();
        let (more, names) = (here - names.len(), &names.join(", "));
        match more {
            0 => self.tell(key, &Notice::Here { here, names }, now),
            more => self.tell(key, &Notice::HereAndMore { here, names, more }, now),
        }
    }

    fn quit(&mut self, key: usize, serial: u64, words: &str, now: Instant) {
        if !words.is_empty() {
            self.say(serial, &["", ": "], words);
        }
        let client = self.clients.get(key);
        let is_telnet = client.is_some_and(|client| client.record.is_telnet());
        let bye = if is_telnet { Notice::Bye } else { Notice::ByeToNc };
        self.tell(key, &bye, now);
        self.end(key, now);
    }
}
