//! What clients send: lines and chunks, commands, and telnet commands between all of them, cut
//! anywhere.

use super::people::own_name;
use super::telnet::{self, Part};
use super::world::World;

/// What a telnet sends for Ctrl-D when it passes keys on.
const CONTROL_D: u8 = 4;

impl World {
    /// A random client sends some bytes of what it has to send, cut anywhere.
    pub fn send(&mut self) {
        let talkers: Vec<usize> =
            (0..self.peers.len()).filter(|place| self.peers[*place].may_talk()).collect();
        if let Some(place) = talkers.get(self.random.below(talkers.len())) {
            self.send_from(*place);
        }
    }

    pub fn send_from(&mut self, place: usize) {
        if self.peers[place].unfinished.is_empty() {
            let words = self.words(place);
            self.peers[place].unfinished = self.with_commands(place, words);
        }
        let peer = &mut self.peers[place];
        let bytes = 1 + self.random.below(peer.unfinished.len());
        let rest = peer.unfinished.split_off(bytes);
        let sending = std::mem::replace(&mut peer.unfinished, rest);
        self.say_parts(place, &sending);
    }

    /// The next words of a client, with their end.
    fn words(&mut self, place: usize) -> Vec<u8> {
        let commands = self.lively && self.peers[place].ends_lines;
        let mut words = match commands && self.random.one_in(2) {
            true => self.command(place).into_bytes(),
            false => self.line(place).into_bytes(),
        };
        if self.peers[place].ends_lines && !self.config.raw {
            words.extend([b"\n".as_slice(), b"\r\n", b"\r\0"][self.random.below(3)]);
        }
        words
    }

    fn line(&mut self, place: usize) -> String {
        let peer = &self.peers[place];
        let long = self.random.one_in(15) && peer.ends_lines && !self.config.raw;
        let most = if long { 3 * self.config.max_line } else { self.config.max_line - 2 };
        // Windows of 64 bytes have no room for more digits.
        let number = if self.lively { peer.sent.len() } else { peer.sent.len() % 100 };
        let fill = (b'a' + (peer.serial % 26) as u8) as char;
        let dots = self.random.below(most.max(2) - 1) + usize::from(long) * most;
        let mut line = format!("{number}{}", String::from(fill).repeat(dots));
        if !long {
            line.truncate(self.config.max_line);
        }
        line
    }

    /// A command of any kind, often with a client's name.
    fn command(&mut self, place: usize) -> String {
        let (serial, number) = (self.peers[place].serial, self.peers[place].sent.len());
        let someone = self.someone();
        let secret = format!("psst {serial} {number}.{}", "z".repeat(self.random.below(100)));
        match self.random.below(39) {
            0..=2 => "/who".to_owned(),
            3..=4 => format!("/nick {}", own_name(serial, number)),
            5 => format!("/nick {someone}"),
            6 => format!("/nick {}", ["a/b", "-a", "admin", "guest7", ""][self.random.below(5)]),
            7 => format!("/me waves {number} times"),
            8..=11 => format!("/msg {someone} {secret}"),
            12 => format!("/r {secret}"),
            13 => "/echo off".to_owned(),
            14 => "/echo on".to_owned(),
            15 | 21..=23 => format!("/ignore {someone}"),
            16 => format!("/unignore {someone}"),
            17 => format!("/history {}", self.random.below(7)),
            18 => "/help".to_owned(),
            19 => ["/ignore", "/nope", "/echo maybe"][self.random.below(3)].to_owned(),
            20 => format!("//{number} is said"),
            25..=29 => {
                let rooms = ["den", "attic", "DEN", "cellar", "lobby", "admin", "a/b"];
                format!("/join {}", rooms[self.random.below(rooms.len())])
            }
            33 => "/oper s3cret".to_owned(),
            34 => self.moderate(&someone),
            35 => format!("/mute {someone}"),
            36 => format!("/unmute {someone}"),
            37 if self.random.one_in(2) => "/away".to_owned(),
            37 => format!("/away eats {number}"),
            30 => "/leave".to_owned(),
            31 => "/rooms".to_owned(),
            32 => ["/topic".to_owned(), format!("/topic {number} of {serial}")]
                [self.random.below(2)]
            .clone(),
            _ if self.random.one_in(4) => format!("/quit bye {number}"),
            _ => format!("//{number}"),
        }
    }

    /// What only a host or an operator may do, and less often.
    fn moderate(&mut self, someone: &str) -> String {
        match self.random.below(8) {
            0 => format!("/kick {someone} so it is"),
            1 => "/lock".to_owned(),
            2..=3 => "/unlock".to_owned(),
            4 => format!("/invite {someone}"),
            5 => "/slow 0".to_owned(),
            6 => "/password".to_owned(),
            _ => "/say all of you".to_owned(),
        }
    }

    /// A name, most often of a client that is here: its present name, an old one, or no client's.
    fn someone(&mut self) -> String {
        let here = self.peers.iter().filter(|peer| peer.is_open() && !peer.refused);
        let here: Vec<u64> = here.map(|peer| peer.serial).collect();
        let serial = match self.random.below(6) {
            0 => 1 + self.random.below(self.peers.len()) as u64,
            _ => here[self.random.below(here.len())],
        };
        match self.random.below(8) {
            0 => "absent".to_owned(),
            1 => format!("guest{serial}"),
            2 => self.roll.name(serial).to_ascii_uppercase(),
            _ => self.roll.name(serial),
        }
    }

    /// Puts telnet commands between the bytes, and perhaps an end of the session before or behind
    /// them.
    fn with_commands(&mut self, place: usize, words: Vec<u8>) -> Vec<(u8, Part)> {
        let mut parts: Vec<(u8, Part)> = words.into_iter().map(|byte| (byte, Part::Text)).collect();
        if !self.peers[place].is_telnet {
            return parts;
        }
        for _ in 0..self.random.below(3) {
            let at = self.random.below(parts.len() + 1);
            // A command in the middle of a command would be another one.
            if parts.get(at).is_none_or(|(_, part)| *part == Part::Text) {
                parts.splice(at..at, telnet::command(self.random.below(4)));
            }
        }
        match self.random.below(60) {
            0 => parts.extend(telnet::end_of_file()),
            1 => {
                let at = self.random.below(parts.len() + 1);
                if parts.get(at).is_none_or(|(_, part)| *part == Part::Text) {
                    parts.splice(at.., telnet::end_of_file());
                }
            }
            2 if self.peers[place].dialogue.begun => parts = vec![(CONTROL_D, Part::End)],
            _ => {}
        }
        parts
    }

    pub fn say(&mut self, place: usize, bytes: &[u8]) {
        let parts: Vec<(u8, Part)> = bytes.iter().map(|byte| (*byte, Part::Text)).collect();
        self.say_parts(place, &parts);
    }

    pub fn say_parts(&mut self, place: usize, parts: &[(u8, Part)]) {
        let bytes: Vec<u8> = parts.iter().map(|(byte, _)| *byte).collect();
        self.peers[place].send_header();
        self.peers[place].wire.borrow_mut().send(&bytes);
        self.record(place, parts);
    }

    /// Notes what a client has sent, as the lines that others must receive.
    fn record(&mut self, place: usize, parts: &[(u8, Part)]) {
        let (peer, max_line) = (&mut self.peers[place], self.config.max_line);
        if self.config.raw || !peer.ends_lines {
            peer.line.extend(parts.iter().map(|(byte, _)| *byte));
            peer.note_line(usize::MAX);
            return;
        }
        for (byte, part) in parts {
            peer.dialogue.note_sent(*part, !peer.has_ended);
            if peer.has_ended {
                continue;
            }
            match (part, byte) {
                (Part::End, _) => {
                    peer.note_line(max_line);
                    peer.has_ended = true;
                }
                (Part::Text, b'\n') => peer.note_line(max_line),
                (Part::Text, b'\r') => {
                    if peer.wire.borrow().browser.is_none() {
                        peer.dialogue.note_cr();
                    }
                    peer.note_line(max_line);
                }
                (Part::Text, 0) => {}
                (Part::Text, byte) => {
                    peer.line.push(*byte);
                    peer.sent_too_long += usize::from(peer.line.len() == max_line + 1);
                }
                (Part::Command | Part::Mark | Part::Option, _) => {}
            }
        }
    }
}
