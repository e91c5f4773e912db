//! What each client must have received, derived from an unbounded list of the conversation.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use chinwag::config::Config;
use chinwag::words::command::Rank;
use chinwag::words::notice;

use super::asking::{Asks, Sent};
use super::browser::Browser;
use super::people::Roll;
use super::private::Private;
use super::telnet::{Dialogue, Part};
use super::visiting::Wish;
use super::wire::Wire;

/// To a client that may not come in.
const LOCKED: &str = "* lobby is locked: it takes an invitation";

/// The end of the notice that a client has locked the room.
const LOCKS: &[u8] = b" locked the room; /invite lets a client in\n";

/// The most bytes of a reply, but for the list of commands and earlier lines.
const REPLY_BYTES_MAX: usize = 4096;

/// One line of the conversation.
#[derive(Clone, Debug)]
pub struct Said {
    pub author: u64,
    pub text: Vec<u8>,
}

impl Said {
    /// Whether it is a notice about a client, and not a line of one.
    pub fn is_notice(&self) -> bool {
        self.text.starts_with(b"* ")
    }
}

/// One room, from its making to its end: all that was said there.
#[derive(Debug)]
pub struct Room {
    pub name: String,
    pub said: Vec<Said>,
    /// The position up to which that is known.
    pub read_to: u64,
    /// It is still there.
    pub is_open: bool,
    /// How much had been said there before this turn.
    pub before: usize,
}

impl Room {
    pub fn new(name: &str) -> Room {
        Room { name: name.to_owned(), said: Vec::new(), read_to: 0, is_open: true, before: 0 }
    }
}

/// What a peer has in a room from its coming to its going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// Which room: its place among all there have been.
    pub room: usize,
    /// How much had been said there when it came.
    pub start: usize,
    /// How much had been said in the room before when it left that: at least, and at most.
    pub left: (usize, usize),
}

/// All that was said, and what follows from it.
#[derive(Clone, Copy)]
pub struct Talk<'a> {
    pub rooms: &'a [Room],
    /// The same in the order in which it was said, of all rooms.
    pub all: &'a [Said],
    pub roll: &'a Roll,
    pub config: &'a Config,
}

/// One client, and how far its output has been checked.
#[derive(Debug)]
pub struct Peer {
    pub wire: Rc<RefCell<Wire>>,
    pub key: usize,
    pub serial: u64,
    /// It takes all it is offered, and at once.
    pub healthy: bool,
    /// It ends its lines. The lines of one that does not end them arrive when it is silent.
    pub ends_lines: bool,
    /// It sends telnet commands between its words.
    pub is_telnet: bool,
    /// Refused at the door.
    pub refused: bool,
    /// It comes behind a proxy.
    pub is_proxied: bool,
    /// It comes from a proxy and is no client; it counts as refused.
    pub is_nobody: bool,
    /// What it has not sent yet of its header, and of what stands right behind.
    pub header: Vec<u8>,
    pub came_at: Instant,
    /// The head of the transcript when it connected.
    pub came_to: u64,
    /// The room whose lines it gets, and how much had been said there when it came.
    pub room: usize,
    pub joined_at: usize,
    /// The rooms to which it has gone since, and that it has not seen yet.
    pub stays: VecDeque<Stay>,
    /// It is on its way, and left its room when so much had been said there.
    pub leaving: Option<(usize, usize)>,
    /// It has just been told in which room it is, and may be told what that is about.
    pub has_arrived: bool,
    /// It was gone before it had to be greeted.
    pub never_greeted: bool,
    /// It has sent something that ends its input.
    pub has_ended: bool,
    /// The complete lines that it has sent, in order, without those that are too long.
    pub sent: Vec<Sent>,
    /// The last of them has no line end, and the connection broke behind it.
    pub last_is_unsure: bool,
    pub sent_too_long: usize,
    /// The line that it is sending.
    pub line: Vec<u8>,
    /// What it has begun to send.
    pub unfinished: Vec<(u8, Part)>,
    checked: usize,
    /// How many earlier lines may be accounted for. There is more than one number while hidden
    /// lines may have been left out before or after the last line that it got.
    pub accounted: Vec<usize>,
    pub missed: u64,
    pub too_long_told: usize,
    pub goodbyes: usize,
    pub lines_got: usize,
    pub private: Private,
    pub dialogue: Dialogue,
    /// It speaks WebSocket.
    pub is_browser: bool,
    /// It comes by HTTP, and wants this. It takes no part as a whole.
    pub wish: Option<Wish>,
    /// It has connected just after a browser at its address: it is welcomed by its first byte.
    pub is_spare: bool,
}

impl Peer {
    pub fn new(
        wire: Rc<RefCell<Wire>>,
        key: usize,
        serial: u64,
        talk: &Talk,
        now: Instant,
    ) -> Peer {
        Peer {
            wire,
            key,
            serial,
            healthy: false,
            ends_lines: true,
            is_telnet: false,
            refused: false,
            is_proxied: false,
            is_nobody: false,
            header: Vec::new(),
            came_at: now,
            came_to: 0,
            room: 0,
            joined_at: talk.rooms[0].said.len(),
            stays: VecDeque::new(),
            leaving: None,
            has_arrived: false,
            never_greeted: false,
            has_ended: false,
            sent: Vec::new(),
            last_is_unsure: false,
            sent_too_long: 0,
            line: Vec::new(),
            unfinished: Vec::new(),
            checked: 0,
            accounted: vec![talk.rooms[0].said.len()],
            missed: 0,
            too_long_told: 0,
            goodbyes: 0,
            lines_got: 0,
            private: Private::new(serial, talk.config.no_echo),
            dialogue: Dialogue::default(),
            is_browser: false,
            wish: None,
            is_spare: false,
        }
    }

    pub fn is_open(&self) -> bool {
        let wire = self.wire.borrow();
        wire.closed.is_none() && !wire.shut && !wire.eof && !wire.reset
    }

    /// Whether it may have left, or was never here: it has ended, was closed, or has stopped
    /// reading. A client that sends too much without a line end leaves before it can read why.
    pub fn may_have_left(&self) -> bool {
        let endless = self.sent_too_long > 0 || !self.ends_lines;
        let wire = self.wire.borrow();
        let has_stopped = wire.room != usize::MAX || wire.last_was_refused;
        // It may have been greeted before its request was read: then that is refused.
        let has_stopped =
            has_stopped || wire.browser.as_ref().is_some_and(|browser| !browser.is_open());
        drop(wire);
        let is_over = !self.is_open() || self.has_ended || self.goodbyes > 0;
        is_over || endless || has_stopped || self.wish.is_some()
    }

    /// Whether what it sends now counts.
    pub fn may_talk(&self) -> bool {
        self.is_open() && !self.refused && !self.has_ended && self.wish.is_none()
    }

    /// Whether this line may be the next that all get.
    fn may_be_next(&self, line: &[u8], talk: &Talk) -> bool {
        let said = |next: &usize| self.said(talk).get(*next).is_some_and(|said| said.text == line);
        self.with_left_out(talk).iter().any(said)
    }

    /// Whether this line may be the next that all get, and be another client's: one may have a name
    /// that this one has given up.
    pub fn may_be_of_another(&self, text: &str, talk: &Talk) -> bool {
        let line = format!("{text}\n").into_bytes();
        let is_it = |said: &Said| said.text == line && said.author != self.serial;
        let said = self.said(talk);
        self.with_left_out(talk).iter().any(|next| said.get(*next).is_some_and(is_it))
    }

    /// Whether it came behind a proxy, and may have found the lobby locked without having read so.
    pub fn may_be_locked_out(&self, talk: &Talk) -> bool {
        let locks = |said: &Said| said.text.ends_with(LOCKS);
        let was_locked = talk.rooms[0].said.iter().any(locks);
        self.is_proxied && was_locked && LOCKED.as_bytes().starts_with(&self.wire.borrow().received)
    }

    /// Whether it may be on its way to another room.
    pub fn may_be_leaving(&self) -> bool {
        let unanswered = &self.sent[self.private.place.min(self.sent.len())..];
        let has_asked = unanswered.iter().any(|sent| matches!(sent.asks, Asks::Go(_)));
        self.leaving.is_some() || has_asked
    }

    /// Whether it has ever asked to go to another room.
    pub fn has_asked_to_go(&self) -> bool {
        self.sent.iter().any(|sent| matches!(sent.asks, Asks::Go(_)))
    }

    /// The rest of its header comes.
    pub fn send_header(&mut self) {
        let header = std::mem::take(&mut self.header);
        if !header.is_empty() {
            self.wire.borrow_mut().send(&header);
        }
    }

    /// It ends its side: a line that lacks its end has one now.
    pub fn end(&mut self, max_line: usize) {
        self.send_header();
        self.note_end(max_line);
        self.wire.borrow_mut().end();
    }

    /// Its connection breaks: an unfinished line ends here, if the server could read it.
    pub fn break_down(&mut self, max_line: usize) {
        self.send_header();
        let lines = self.sent.len();
        self.note_end(max_line);
        self.last_is_unsure = self.sent.len() > lines;
        self.wire.borrow_mut().break_down();
    }

    /// Nothing follows what it has sent, not even the rest of its first telnet command.
    fn note_end(&mut self, max_line: usize) {
        if !self.ends_lines || self.has_ended {
            return;
        }
        if self.dialogue.is_begun_by_half() {
            self.line.push(0xff);
            self.sent_too_long += usize::from(self.line.len() == max_line + 1);
        }
        self.note_line(max_line);
    }

    /// It has sent a whole line, or its last one.
    pub fn note_line(&mut self, max_line: usize) {
        let bytes = std::mem::take(&mut self.line);
        if bytes.is_empty() || bytes.len() > max_line {
            return;
        }
        let mut asks = Asks::of(self.serial, &bytes);
        let again = self.sent.iter().any(|sent| sent.asks == asks);
        if let Asks::Name { sure, .. } = &mut asks {
            *sure &= !again;
        }
        self.has_ended |= asks.is_farewell();
        self.sent.push(Sent { bytes, asks });
    }

    /// Checks what it has received since the last time, line by line.
    pub fn check(&mut self, talk: &Talk) {
        let wire = Rc::clone(&self.wire);
        let wire = wire.borrow();
        self.refused |= wire.browser.as_ref().is_some_and(Browser::has_failed);
        if self.is_spare && !wire.has_spoken {
            assert!(wire.received.is_empty(), "guest{} was welcomed, and is silent", self.serial);
        }
        if let Some(visitor) = &wire.visitor {
            self.refused |= visitor.has_failed();
            self.check_visit(visitor, talk);
            if self.refused || visitor.wish != Wish::Tail {
                return;
            }
        }
        if self.is_nobody {
            let said = talk.all.iter().any(|said| said.author == self.serial);
            let got = String::from_utf8_lossy(&wire.received);
            assert!(got.is_empty() && !said, "guest{} is nobody: {got:?}", self.serial);
            return;
        }
        if talk.config.raw {
            self.check_raw(&wire.received, talk);
            return;
        }
        loop {
            let rest = &wire.received[self.checked..];
            if rest.first() == Some(&0xff) {
                let Some(answer) = rest.first_chunk::<3>() else { break };
                self.dialogue.check_answer(answer);
                self.checked += answer.len();
                continue;
            }
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { break };
            let line = self.dialogue.check_line(&rest[..=end]);
            self.check_line(&line, talk);
            self.checked += end + 1;
            self.lines_got += 1;
        }
    }

    fn check_line(&mut self, line: &[u8], talk: &Talk) {
        let text = String::from_utf8_lossy(line);
        let text = text.strip_suffix('\n').unwrap();
        let first = self.lines_got == 0 && self.wish.is_none();
        if text.starts_with("* welcome") {
            assert!(first, "a second welcome");
            self.has_arrived = true;
            if self.is_browser {
                // It gets what is said from the moment at which its WebSocket is open.
                self.accounted = (self.joined_at..=self.said(talk).len()).collect();
            }
            return;
        }
        // Of one behind a proxy that is known only when its header is there.
        self.refused |= first && self.is_proxied && text == LOCKED;
        assert!(!first || self.refused, "no welcome first but {text:?}");
        let has_arrived = std::mem::take(&mut self.has_arrived);
        let is_known = self.go_on_with_block(text, talk)
            || has_arrived && text.starts_with("* topic: ")
            // It does not read what it has done where it is told.
            || text == "* done"
            || text.contains(" invites you to ")
            || text.contains(" may read this later, being away: ")
            || text == "* server shutting down"
                && self.may_be_leaving()
                && !self.may_be_next(line, talk);
        if is_known {
        } else if let Some(missed) = text.strip_prefix("* you missed ") {
            let (number, lines) = missed.split_once(' ').unwrap();
            assert_eq!(lines, if number == "1" { "line" } else { "lines" });
            self.miss(number.parse().unwrap(), talk);
        } else if text.starts_with("* line too long") {
            self.too_long_told += 1;
        } else if text.starts_with("* closed")
            || text.starts_with("* server full")
            || self.refused && text == LOCKED
        {
            self.goodbyes += 1;
        } else if text.starts_with("* what you type is not UTF-8") {
            assert!(self.dialogue.is_begun_by_half(), "all of it is UTF-8");
        } else if !self.take_private(text, talk) {
            self.check_said(line, talk);
        }
    }

    /// What was said in the room whose lines it gets.
    pub fn said<'a>(&self, talk: &Talk<'a>) -> &'a [Said] {
        &talk.rooms[self.room].said
    }

    /// It is told that it has come into a room: it has got all of the one before, and gets all of
    /// this one from here on.
    pub fn arrive(&mut self, name: &str, talk: &Talk) {
        let who = format!("guest{}", self.serial);
        let stay = self.stays.pop_front().unwrap_or_else(|| panic!("{who} did not go to {name}"));
        let accounted = self.with_left_out(talk);
        let (least, most) = stay.left;
        let has_all = accounted.iter().any(|line| (least..=most).contains(line));
        assert!(has_all, "{who} left with {accounted:?}, not {least} to {most}");
        assert_eq!(talk.rooms[stay.room].name, name, "{who} is elsewhere");
        (self.room, self.joined_at, self.accounted) = (stay.room, stay.start, vec![stay.start]);
        self.has_arrived = true;
    }

    fn miss(&mut self, missed: usize, talk: &Talk) {
        assert!(!self.healthy, "healthy guest{} missed {missed}", self.serial);
        assert!(missed > 0, "missed nothing");
        self.missed += missed as u64;
        let accounted = self.with_left_out(talk);
        self.accounted = accounted.iter().map(|line| line + missed).collect();
        let all = self.said(talk).len();
        self.accounted.retain(|line| *line <= all);
        assert!(!self.accounted.is_empty(), "missed more than was said");
    }

    fn check_said(&mut self, line: &[u8], talk: &Talk) {
        let mut accounted = self.with_left_out(talk);
        let said = self.said(talk);
        accounted.retain(|next| said.get(*next).is_some_and(|said| said.text == line));
        let (text, who) = (String::from_utf8_lossy(line), format!("guest{}", self.serial));
        let next = said.get(self.accounted[0]).map(|said| String::from_utf8_lossy(&said.text));
        assert!(!accounted.is_empty(), "{who} got {text:?}, not {next:?}");
        let author = said[accounted[0]].author;
        assert!(!self.is_surely_hidden(author, talk.roll), "{who} did not want to see {text:?}");
        self.accounted = accounted.iter().map(|line| line + 1).collect();
        if author == self.serial && self.ends_lines {
            self.note_own_line(&text);
        }
    }

    /// Every number of lines that may be accounted for now: lines that it hides may have been left
    /// out.
    pub fn with_left_out(&self, talk: &Talk) -> Vec<usize> {
        let mut all = self.accounted.clone();
        let hides = self.hides();
        if !hides.is_empty() {
            for start in &self.accounted {
                let hidden = self.said(talk)[*start..].iter();
                let hidden =
                    hidden.take_while(|said| self.is_hidden(said.author, &hides, talk.roll));
                all.extend((1..=hidden.count()).map(|left_out| start + left_out));
            }
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    fn wanted<'a>(&self, talk: &Talk<'a>) -> impl Iterator<Item = &'a Said> {
        let (serial, no_echo) = (self.serial, talk.config.no_echo);
        self.said(talk)[self.joined_at..]
            .iter()
            .filter(move |said| !no_echo || said.author != serial)
    }

    fn check_raw(&mut self, received: &[u8], talk: &Talk) {
        let wanted: Vec<u8> = self.wanted(talk).flat_map(|said| said.text.clone()).collect();
        assert!(wanted.starts_with(received), "guest{} got other bytes", self.serial);
        self.checked = received.len();
    }

    /// Checks that it has everything by now: no half line, no loss without a notice.
    pub fn check_caught_up(&self, talk: &Talk) {
        let who = format!("guest{}", self.serial);
        assert_eq!(self.checked, self.wire.borrow().received.len(), "{who} has half a line");
        if talk.config.raw {
            assert_eq!(self.checked, self.wanted(talk).map(|said| said.text.len()).sum::<usize>());
            return;
        }
        let accounted = self.with_left_out(talk);
        let all = self.said(talk).len();
        assert!(accounted.contains(&all), "{who}: {accounted:?} of {all}");
    }

    /// Checks that it has everything up to its own last line, even if it has ended its side.
    pub fn check_has_own_last_line(&self, talk: &Talk) {
        let last = self.said(talk).iter().rposition(|said| said.author == self.serial);
        let last = last.map_or(0, |at| at + 1);
        let accounted = self.with_left_out(talk);
        let has = accounted.iter().any(|line| *line >= last);
        assert!(has || talk.config.raw, "guest{}: {accounted:?} but not {last}", self.serial);
    }

    /// The most bytes of replies that may wait for it, as it has read none.
    pub fn reply_bytes_max(&self, config: &Config) -> usize {
        let of = |sent: &Sent| match sent.asks {
            Asks::Help => notice::help(config.lang(), Rank::Operator).len(),
            Asks::History(_) => config.history_bytes + REPLY_BYTES_MAX,
            Asks::Say(_) | Asks::About(_) => 0,
            _ => REPLY_BYTES_MAX,
        };
        self.sent.iter().map(of).sum()
    }

    /// Checks that it had a notice for every line that was too long.
    pub fn check_told_of_long_lines(&self) {
        if self.ends_lines {
            let (told, who) = (self.too_long_told, self.serial);
            assert_eq!(told, self.sent_too_long, "guest{who} was not told of long lines");
        }
    }

    /// Checks that the lines with its name are those it sent, in order; all of them, if `all`.
    pub fn check_heard(&self, talk: &Talk, all: bool) {
        let who = format!("guest{}", self.serial);
        if !talk.config.raw && self.ends_lines {
            self.check_lines_heard(talk, all);
            return;
        }
        // Chunks that come too close together may become one line that is too long.
        let perhaps_too_long = self.too_long_told > 0 || !self.is_open();
        let is_unsure = perhaps_too_long || talk.roll.may_have_been_muted(self.serial);
        if !talk.config.raw && is_unsure {
            return;
        }
        let own = talk.all.iter().filter(|said| said.author == self.serial);
        let words = own.map(|said| match talk.config.raw {
            true => said.text.as_slice(),
            false => {
                let text = said.text.strip_prefix(format!("{who}: ").as_bytes()).unwrap();
                text.strip_suffix(b"\n").unwrap()
            }
        });
        let heard = words.collect::<Vec<_>>().concat();
        let sent: Vec<u8> = self.sent.iter().flat_map(|sent| sent.bytes.clone()).collect();
        assert!(sent.starts_with(&heard), "{who}: other words than it sent");
        assert!(!all || sent == heard, "{who}: not all was heard");
    }

    fn check_lines_heard(&self, talk: &Talk, all: bool) {
        let who = format!("guest{}", self.serial);
        let of_it = talk.all.iter().filter(|said| said.author == self.serial);
        let mut heard = of_it.map(|said| String::from_utf8_lossy(&said.text));
        let mut next = heard.next();
        for (place, sent) in self.sent.iter().enumerate() {
            let is_unsure = self.last_is_unsure && place + 1 == self.sent.len();
            let must_be = match &sent.asks {
                Asks::Say(_) | Asks::LastWords(_) => !talk.roll.may_have_been_muted(self.serial),
                Asks::Name { sure, .. } => *sure && !talk.roll.may_have_been_muted(self.serial),
                _ => false,
            };
            let Some(text) = &next else {
                assert!(!all || !must_be || is_unsure, "{who}: {:?} was not heard", sent.asks);
                continue;
            };
            let is_it = sent.asks.is_said_by(text);
            assert!(is_it || !must_be, "{who}: {text:?} is not {:?}", sent.asks);
            if is_it {
                next = heard.next();
            }
        }
        assert_eq!(next, None, "{who}: more lines than it sent");
    }
}
