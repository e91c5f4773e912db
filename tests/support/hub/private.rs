//! What one client alone gets: answers to its commands, private messages, history. And whose lines
//! it may lack.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chinwag::words::command::Rank;
use chinwag::words::notice::{self, Lang};

use super::asking::{Asks, secret, whisper};
use super::model::{Peer, Said, Talk};
use super::people::Roll;

/// How far a client's answers and messages have come.
#[derive(Debug)]
pub struct Private {
    /// Everything that it had sent before this index is answered or seen.
    pub place: usize,
    /// The lines of an answer that must come next.
    blocks: Vec<VecDeque<String>>,
    /// The lines of an answer to /history, as many as have come.
    history: Option<Vec<String>>,
    /// The clients whose lines it may lack, and the clients whose lines it must lack.
    perhaps_hidden: BTreeSet<u64>,
    surely_hidden: BTreeSet<u64>,
    /// The last secret that it got of each other client.
    last_secret: BTreeMap<u64, usize>,
    /// All secrets that it got: whose, which, and to what name.
    pub secrets: Vec<(u64, usize, String)>,
    /// The last renaming of its own that it was told by itself. The same does not come again next.
    renaming: Option<String>,
    /// Nobody had this name, which was perhaps the answer to a later question about it: what was to
    /// be done to its bearer may have been done before that.
    nobody: Option<String>,
    /// How many others read its room, as it was told last.
    pub reading: Option<usize>,
    /// Its own secrets, as they were confirmed: which, and to what name.
    pub own_secrets: Vec<(usize, String)>,
}

impl Private {
    pub fn new(serial: u64, no_echo: bool) -> Private {
        let hidden = BTreeSet::from_iter(no_echo.then_some(serial));
        Private {
            place: 0,
            blocks: Vec::new(),
            history: None,
            perhaps_hidden: hidden.clone(),
            surely_hidden: hidden,
            last_secret: BTreeMap::new(),
            renaming: None,
            nobody: None,
            reading: None,
            secrets: Vec::new(),
            own_secrets: Vec::new(),
        }
    }
}

/// The clients whose lines this one may lack: those it hid, and those it has asked to hide since.
pub struct Hides<'a> {
    perhaps: &'a BTreeSet<u64>,
    own: bool,
    names: Vec<&'a str>,
}

impl Hides<'_> {
    pub fn is_empty(&self) -> bool {
        self.perhaps.is_empty() && !self.own && self.names.is_empty()
    }
}

impl Peer {
    /// The clients whose lines may be left out for it now.
    pub fn hides(&self) -> Hides<'_> {
        let asked = || self.sent[self.private.place.min(self.sent.len())..].iter();
        let names = asked().filter_map(|sent| match &sent.asks {
            Asks::Hide(name) => Some(name.as_str()),
            _ => None,
        });
        Hides {
            perhaps: &self.private.perhaps_hidden,
            own: asked().any(|sent| sent.asks == Asks::Echo(false)),
            names: names.collect(),
        }
    }

    pub fn is_hidden(&self, author: u64, hides: &Hides, roll: &Roll) -> bool {
        let own = author == self.serial;
        hides.perhaps.contains(&author)
            || own && hides.own
            || author > 0 && !own && hides.names.iter().any(|name| roll.was(author, name))
    }

    /// Whether it must not get any line of this client: its wish was confirmed, and it has not
    /// asked since to see it again.
    pub fn is_surely_hidden(&self, author: u64, roll: &Roll) -> bool {
        let shown = |asks: &Asks| match asks {
            Asks::Echo(true) => author == self.serial,
            Asks::Show(name) => roll.was(author, name),
            _ => false,
        };
        let asked = self.sent[self.private.place.min(self.sent.len())..].iter();
        self.private.surely_hidden.contains(&author) && !asked.map(|sent| &sent.asks).any(shown)
    }

    /// Takes the next line of an answer of several lines; `false` if none must come.
    pub fn go_on_with_block(&mut self, text: &str, talk: &Talk) -> bool {
        if !self.private.blocks.is_empty() {
            let blocks = &mut self.private.blocks;
            blocks.retain_mut(|block| block.pop_front().is_some_and(|next| next == text));
            assert!(!blocks.is_empty(), "{text:?} in the middle of an answer");
            // No list is the beginning of another.
            if blocks.iter().any(VecDeque::is_empty) {
                blocks.clear();
            }
            return true;
        }
        let Some(history) = &mut self.private.history else { return false };
        if text != "* now" {
            history.push(text.to_owned());
            return true;
        }
        if let Some(history) = self.private.history.take() {
            self.check_history(&history, talk);
        }
        true
    }

    /// Takes a line that only this client gets; `false` if it is none that must come.
    pub fn take_private(&mut self, text: &str, talk: &Talk) -> bool {
        let Some((from, to, words)) = whisper(text) else { return self.take_answer(text, talk) };
        let Some((whose, number)) = secret(words) else {
            return self.take_answer(text, talk) || talk.roll.was(self.serial, to);
        };
        assert!(talk.roll.was(whose, from), "not {from}'s: {text:?}");
        if whose != self.serial {
            self.take_secret(whose, number, to, talk);
            return true;
        }
        self.private.own_secrets.push((number, to.to_owned()));
        self.take_answer(text, talk)
    }

    fn take_secret(&mut self, whose: u64, number: usize, to: &str, talk: &Talk) {
        let who = format!("guest{}", self.serial);
        assert!(talk.roll.was(self.serial, to), "{who} got what was said to {to}");
        assert!(!self.is_surely_hidden(whose, talk.roll), "{who} ignores guest{whose}");
        let last = self.private.last_secret.insert(whose, number);
        assert!(last.is_none_or(|last| last < number), "{who}: {number} of {whose} after {last:?}");
        self.private.secrets.push((whose, number, to.to_owned()));
    }

    /// Takes a line that answers the next of its commands. Everything before it has been answered,
    /// or seen if it was for all.
    fn take_answer(&mut self, text: &str, talk: &Talk) -> bool {
        let may_be_hidden = self.is_hidden(self.serial, &self.hides(), talk.roll);
        let may_be_without = self.missed > 0 || may_be_hidden;
        let renamed = text.strip_prefix("* ").and_then(|text| text.split_once(" is now "));
        let is_renamed = renamed.is_some_and(|(from, _)| talk.roll.was(self.serial, from));
        // It may see the line itself too, if it gets its own lines again before it comes to that.
        let is_renamed = is_renamed
            && self.private.renaming.as_deref() != Some(text)
            && !self.may_be_of_another(text, talk);
        for place in self.private.place..self.sent.len() {
            let asks = self.sent[place].asks.clone();
            if asks.is_answered_by(text) {
                self.private.place = place + 1;
                self.note_answer(place, &asks, text, talk);
                return true;
            }
            match asks {
                // It does not get its own lines, so it gets a notice of its new name.
                Asks::Name { .. }
                    if may_be_hidden && is_renamed && asks.is_said_by(&format!("{text}\n")) =>
                {
                    self.private.renaming = Some(text.to_owned());
                    self.private.place = place + 1;
                    return true;
                }
                Asks::Say(_) | Asks::About(_) if may_be_without => {}
                Asks::Name { .. } | Asks::Moderate(_) => {}
                Asks::Tell { to, .. } if to.is_some() && to == self.private.nobody => {}
                _ => return false,
            }
        }
        false
    }

    fn note_answer(&mut self, place: usize, asks: &Asks, text: &str, talk: &Talk) {
        match asks {
            Asks::Help => {
                // Each rank has a list of its own, aligned for itself.
                let ranks = [Rank::Anyone, Rank::Host, Rank::Operator];
                let lists = ranks.map(|rank| notice::help(Lang::En, rank));
                let lines = |list: &Vec<u8>| {
                    String::from_utf8_lossy(list).lines().map(str::to_owned).collect()
                };
                self.private.blocks = lists.iter().map(lines).collect();
                self.go_on_with_block(text, talk);
            }
            Asks::History(_) if text == "* history" => self.private.history = Some(Vec::new()),
            Asks::Moderate(name) if text.starts_with("* nobody here ") => {
                self.private.nobody = Some(name.clone());
            }
            Asks::Other(" here: ") => self.check_who(text, talk.roll),
            Asks::Go(_) if text.ends_with(" here") => {
                let name = text.strip_prefix("* you are in ").unwrap().split_once(", ").unwrap().0;
                self.arrive(name, talk);
            }
            Asks::Echo(false) => {
                self.private.perhaps_hidden.insert(self.serial);
                self.private.surely_hidden.insert(self.serial);
            }
            Asks::Echo(true) => self.show(self.serial, place, talk),
            Asks::Hide(_) if text.starts_with("* ignoring ") => {
                let whom = bearers(text, talk);
                self.private.perhaps_hidden.extend(&whom);
                if let [one] = whom[..] {
                    self.private.surely_hidden.insert(one);
                }
            }
            Asks::Show(_) if text.starts_with("* no longer ignoring ") => {
                match bearers(text, talk)[..] {
                    [one] => self.show(one, place, talk),
                    ref many => many.iter().for_each(|one| {
                        self.private.surely_hidden.remove(one);
                    }),
                }
            }
            _ => {}
        }
    }

    /// From here on it gets the lines of this client. Before, they may have been left out.
    fn show(&mut self, author: u64, place: usize, talk: &Talk) {
        // What it asked up to here still held.
        self.private.place = place;
        self.accounted = self.with_left_out(talk);
        self.private.place = place + 1;
        self.private.perhaps_hidden.remove(&author);
        self.private.surely_hidden.remove(&author);
    }

    fn check_who(&mut self, text: &str, roll: &Roll) {
        let (count, names) = text.strip_prefix("* ").unwrap().split_once(" here: ").unwrap();
        let (names, reading) = match names.rsplit_once(" + ") {
            Some((names, reading)) => (names, reading.strip_suffix(" reading").unwrap()),
            None => (names, "0"),
        };
        self.private.reading = Some(reading.parse().unwrap());
        let names: Vec<&str> = names.split(", ").collect();
        assert_eq!(count, names.len().to_string());
        let unique: BTreeSet<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        assert_eq!(unique.len(), names.len(), "two have one name: {text:?}");
        assert!(names.iter().any(|name| roll.was(self.serial, name)), "{text:?} without the asker");
    }

    /// The history that it got must be the last lines of clients, without those it hides.
    fn check_history(&self, shown: &[String], talk: &Talk) {
        assert!(!shown.is_empty(), "a history of nothing");
        let hides = self.hides();
        let is_hidden =
            |author: u64| author != self.serial && self.is_hidden(author, &hides, talk.roll);
        let others = |said: &Said| said.is_notice() || is_hidden(said.author);
        let mut ends: BTreeSet<usize> = (0..self.said(talk).len()).collect();
        for (number, line) in shown.iter().enumerate() {
            let line = format!("{line}\n").into_bytes();
            let mut next = BTreeSet::new();
            for end in ends {
                let hidden = self.said(talk)[end..].iter().take_while(|said| others(said)).count();
                let until = if number == 0 { end } else { end + hidden };
                let is_it = |said: &Said| !said.is_notice() && said.text == line;
                let places = (end..=until).filter(|at| self.said(talk).get(*at).is_some_and(is_it));
                next.extend(places.map(|at| at + 1));
            }
            ends = next;
            assert!(!ends.is_empty(), "guest{}: {shown:?} was never said", self.serial);
        }
        if self.missed > 0 {
            return;
        }
        let accounted = self.with_left_out(talk);
        let stands_here = ends.iter().any(|end| {
            let hidden = self.said(talk)[*end..].iter().take_while(|said| others(said)).count();
            accounted.iter().any(|here| (*end..=end + hidden).contains(here))
        });
        assert!(stands_here, "guest{}: {shown:?} stands elsewhere", self.serial);
    }

    /// It got a line of its own: whatever it had asked before is answered.
    pub fn note_own_line(&mut self, text: &str) {
        let who = format!("guest{}", self.serial);
        let told = self.sent[..self.private.place].iter();
        let mut told = told.filter(|sent| matches!(sent.asks, Asks::Name { .. }));
        if told.any(|sent| sent.asks.is_said_by(text)) {
            // It got a notice, and gets its own lines again by now.
            return;
        }
        for place in self.private.place..self.sent.len() {
            let asks = &self.sent[place].asks;
            if asks.is_said_by(text) {
                // Last words have an answer too, behind them.
                self.private.place = place + usize::from(!asks.is_answered());
                return;
            }
            assert!(!asks.is_answered(), "{who} got {text:?} before an answer to {asks:?}");
        }
        panic!("{who} never sent {text:?}, or before what it got already");
    }

    /// All that it asked must have been answered by now.
    pub fn check_answered(&self) {
        assert!(self.private.blocks.is_empty() && self.private.history.is_none());
        let mut rest = self.sent[self.private.place..].iter();
        let unanswered = rest.find(|sent| sent.asks.is_answered());
        assert!(unanswered.is_none(), "guest{}: no answer to {unanswered:?}", self.serial);
        // A client that left before its welcome gets no notice.
        if self.is_telnet && self.lines_got > 0 {
            self.dialogue.check_done();
        }
    }
}

/// All clients that have ever had the name at the end.
fn bearers(text: &str, talk: &Talk) -> Vec<u64> {
    let name = text.rsplit(' ').next().unwrap();
    talk.roll.all_named(name)
}
