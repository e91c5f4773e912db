//! What must be true of what each peer got, told from an unbounded list of all that was said.

use std::cell::RefCell;
use std::rc::Rc;

use chinwag::config::Config;

use crate::wire::Wire;

/// One line of the conversation.
#[derive(Clone, Debug)]
pub struct Said {
    pub author: u64,
    pub text: Vec<u8>,
}

/// One peer, and how far what it got has been checked.
#[derive(Debug)]
pub struct Peer {
    pub wire: Rc<RefCell<Wire>>,
    pub key: usize,
    pub serial: u64,
    /// It takes all it is offered, and at once.
    pub healthy: bool,
    /// It ends its lines; one that does not is heard when it is quiet.
    pub ends_lines: bool,
    /// Refused at the door.
    pub refused: bool,
    /// How much had been said when it came.
    pub joined_at: usize,
    /// The lines that it has sent completely, in order; those that are too long are not among them.
    pub sent: Vec<Vec<u8>>,
    pub sent_too_long: usize,
    /// The line that it is sending.
    pub line: Vec<u8>,
    /// What it has begun to send.
    pub unfinished: Vec<u8>,
    checked: usize,
    /// How many lines said before may have been accounted for: more than one number, while lines
    /// that were left out for it could come before or after what it got last.
    accounted: Vec<usize>,
    pub missed: u64,
    pub too_long_told: usize,
    pub goodbyes: usize,
    pub lines_got: usize,
}

impl Peer {
    pub fn new(wire: Rc<RefCell<Wire>>, key: usize, serial: u64, joined_at: usize) -> Peer {
        Peer {
            wire,
            key,
            serial,
            healthy: false,
            ends_lines: true,
            refused: false,
            joined_at,
            sent: Vec::new(),
            sent_too_long: 0,
            line: Vec::new(),
            unfinished: Vec::new(),
            checked: 0,
            accounted: vec![joined_at],
            missed: 0,
            too_long_told: 0,
            goodbyes: 0,
            lines_got: 0,
        }
    }

    pub fn is_open(&self) -> bool {
        let wire = self.wire.borrow();
        wire.closed.is_none() && !wire.shut && !wire.eof && !wire.reset
    }

    /// Checks what it got since the last time, line by line.
    pub fn check(&mut self, said: &[Said], config: &Config) {
        let wire = Rc::clone(&self.wire);
        let wire = wire.borrow();
        if config.raw {
            self.check_raw(&wire.received, said, config);
            return;
        }
        while let Some(bytes) = wire.received[self.checked..].iter().position(|b| *b == b'\n') {
            let line = &wire.received[self.checked..=self.checked + bytes];
            self.check_line(line, said, config);
            self.checked += line.len();
            self.lines_got += 1;
        }
    }

    fn check_line(&mut self, line: &[u8], said: &[Said], config: &Config) {
        let text = String::from_utf8_lossy(line).into_owned();
        let first = self.lines_got == 0;
        if text.starts_with("* welcome") {
            assert!(first, "a second welcome");
            return;
        }
        assert!(!first || self.refused, "no welcome first but {text:?}");
        if let Some(missed) = text.strip_prefix("* you missed ") {
            let missed: usize = missed.strip_suffix(" lines\n").unwrap().parse().unwrap();
            assert!(!self.healthy, "healthy guest{} missed {missed}", self.serial);
            assert!(missed > 0, "missed nothing");
            self.missed += missed as u64;
            let accounted = self.with_left_out(said, config);
            self.accounted = accounted.iter().map(|line| line + missed).collect();
            self.accounted.retain(|line| *line <= said.len());
            assert!(!self.accounted.is_empty(), "missed more than was said");
        } else if text.starts_with("* line too long") {
            self.too_long_told += 1;
        } else if text.starts_with("* closed") || text.starts_with("* server full") {
            self.goodbyes += 1;
        } else {
            let mut accounted = self.with_left_out(said, config);
            accounted.retain(|next| said.get(*next).is_some_and(|said| said.text == line));
            let last = said.get(self.accounted[0]).map(|said| String::from_utf8_lossy(&said.text));
            assert!(!accounted.is_empty(), "guest{} got {text:?}, not {last:?}", self.serial);
            self.accounted = accounted.iter().map(|line| line + 1).collect();
        }
    }

    /// Every number of lines that may be accounted for now: lines of its own may have been left
    /// out.
    fn with_left_out(&self, said: &[Said], config: &Config) -> Vec<usize> {
        let mut all = self.accounted.clone();
        if config.no_echo {
            for start in &self.accounted {
                let own = said[*start..].iter().take_while(|said| said.author == self.serial);
                all.extend((1..=own.count()).map(|left_out| start + left_out));
            }
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    fn check_raw(&mut self, received: &[u8], said: &[Said], config: &Config) {
        let wanted = said[self.joined_at..].iter();
        let wanted = wanted.filter(|said| !config.no_echo || said.author != self.serial);
        let wanted: Vec<u8> = wanted.flat_map(|said| said.text.iter().copied()).collect();
        assert!(wanted.starts_with(received), "guest{} got other bytes", self.serial);
        self.checked = received.len();
    }

    /// It must have got everything by now: no half line, nothing untold.
    pub fn check_caught_up(&self, said: &[Said], config: &Config) {
        let who = format!("guest{}", self.serial);
        assert_eq!(self.checked, self.wire.borrow().received.len(), "{who} has half a line");
        if config.raw {
            let wanted = said[self.joined_at..].iter();
            let wanted = wanted.filter(|said| !config.no_echo || said.author != self.serial);
            assert_eq!(self.checked, wanted.map(|said| said.text.len()).sum::<usize>());
            return;
        }
        let accounted = self.with_left_out(said, config);
        assert!(accounted.contains(&said.len()), "{who}: {accounted:?} of {}", said.len());
    }

    /// It must have got everything up to the last line of its own, even if it has ended its side.
    pub fn check_has_own_last_line(&self, said: &[Said], config: &Config) {
        let last = said.iter().rposition(|said| said.author == self.serial).map_or(0, |at| at + 1);
        let accounted = self.with_left_out(said, config);
        let has = accounted.iter().any(|line| *line >= last);
        assert!(has || config.raw, "guest{}: {accounted:?} but not {last}", self.serial);
    }

    /// It must have been told of every line that was too long.
    pub fn check_told_of_long_lines(&self) {
        if self.ends_lines {
            let (told, who) = (self.too_long_told, self.serial);
            assert_eq!(told, self.sent_too_long, "guest{who} was not told of long lines");
        }
    }

    /// What was said in its name must be what it sent, in order; all of it, if `all`.
    pub fn check_heard(&self, said: &[Said], config: &Config, all: bool) {
        let prefix = format!("guest{}: ", self.serial);
        let heard =
            said.iter().filter(|said| said.author == self.serial).map(|said| match config.raw {
                true => said.text.as_slice(),
                false => {
                    let text = said.text.strip_prefix(prefix.as_bytes()).unwrap();
                    text.strip_suffix(b"\n").unwrap()
                }
            });
        let who = format!("guest{}", self.serial);
        // Chunks that come too close together may become a line that is too long.
        let perhaps_too_long = self.too_long_told > 0 || !self.is_open();
        if !config.raw && !self.ends_lines && perhaps_too_long {
            return;
        }
        if config.raw || !self.ends_lines {
            let (heard, sent) = (heard.collect::<Vec<_>>().concat(), self.sent.concat());
            assert!(sent.starts_with(&heard), "{who}: other words than it sent");
            assert!(!all || sent == heard, "{who}: not all was heard");
        } else {
            let heard: Vec<&[u8]> = heard.collect();
            let tail = !self.line.is_empty() && self.line.len() <= config.max_line;
            let tail = (tail && self.wire.borrow().eof).then_some(&self.line);
            let sent: Vec<&[u8]> = self.sent.iter().chain(tail).map(Vec::as_slice).collect();
            assert!(heard.len() <= sent.len(), "{who}: more lines than it sent");
            for (heard, sent) in heard.iter().zip(&sent) {
                assert_eq!(String::from_utf8_lossy(heard), String::from_utf8_lossy(sent), "{who}");
            }
            assert!(!all || heard.len() == sent.len(), "{who}: not all was heard");
        }
    }
}
