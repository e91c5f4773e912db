//! However input is cut into reads, its lines are those of the rule.

use std::time::{Duration, Instant};

use chinwag::wire::erase::take_back;
use chinwag::wire::line::{CHARACTER_WAIT, Found, LineRules, Lines};

/// What may happen to the input of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed<'a> {
    /// These bytes are read.
    Read(&'a [u8]),
    /// What is pending is taken as a line.
    Cut,
}

/// The result.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    Line(Vec<u8>),
    TooLong,
    Endless,
}

/// Small limits, so that input often reaches them.
pub fn rules(line_bytes_max: usize, raw: bool) -> LineRules {
    LineRules {
        line_bytes_max,
        endless_bytes_max: 4 * line_bytes_max,
        chunk_quiet: Duration::from_millis(200),
        chunk_age_max: Duration::from_secs(1),
        line_wait: Duration::from_secs(2),
        raw,
    }
}

/// Each deed gives the lines of the rule, no sooner and no later, and what is pending is within its
/// limits.
pub fn lines_are_those_of_the_rule(rules: &LineRules, deeds: &[Deed]) {
    let now = Instant::now();
    let (mut lines, mut plain) = (Lines::default(), Plain::new(rules));
    for deed in deeds {
        match deed {
            Deed::Read(bytes) => lines.push(bytes, rules, now),
            Deed::Cut => lines.cut(),
        }
        let said = take_all(&mut lines, rules, now);
        assert_eq!(said, plain.after(deed), "after {deed:?}");
        if said.last() == Some(&Said::Endless) {
            return;
        }
        plain.check_pending(&lines, now);
    }
}

/// Takes everything that is there.
fn take_all(lines: &mut Lines, rules: &LineRules, now: Instant) -> Vec<Said> {
    let mut said = Vec::new();
    loop {
        said.push(match lines.find(rules) {
            Found::Line => Said::Line(lines.line().to_vec()),
            Found::TooLong => Said::TooLong,
            Found::Endless => {
                said.push(Said::Endless);
                return said;
            }
            Found::NotYet => return said,
        });
        lines.consume(rules, now);
    }
}

/// In raw mode nothing is lost, and no character is cut unless it must be.
pub fn raw_bytes_are_all_there(rules: &LineRules, deeds: &[Deed]) {
    let now = Instant::now();
    let (mut lines, mut sent, mut got) = (Lines::default(), Vec::new(), Vec::new());
    for deed in deeds.iter().chain([&Deed::Cut]) {
        match deed {
            Deed::Read(bytes) => {
                sent.extend_from_slice(bytes);
                lines.push(bytes, rules, now);
            }
            Deed::Cut => lines.cut(),
        }
        for said in take_all(&mut lines, rules, now) {
            let Said::Line(chunk) = said else { panic!("{said:?} in raw mode") };
            assert!((1..=rules.line_bytes_max).contains(&chunk.len()), "{chunk:?}");
            got.push(chunk);
        }
        assert!(lines.pending().len() < char::MAX.len_utf8(), "{:?} waits", lines.pending());
    }
    assert_eq!(got.concat(), sent);
    let was_cut = deeds.iter().any(|deed| matches!(deed, Deed::Cut));
    let has_room = rules.line_bytes_max >= char::MAX.len_utf8();
    if std::str::from_utf8(&sent).is_ok() && !was_cut && has_room {
        let broken = got.iter().find(|chunk| std::str::from_utf8(chunk).is_err());
        assert_eq!(broken, None, "a character was cut");
    }
}

/// The rule of lines, byte by byte.
pub struct Plain<'a> {
    rules: &'a LineRules,
    line: Vec<u8>,
    is_told: bool,
    has_ended_a_line: bool,
    /// Every read with a line end in it has ended with one.
    ends_reads: bool,
    has_keys: bool,
}

const MARK: &[u8] = "\u{feff}".as_bytes();

impl<'a> Plain<'a> {
    pub fn new(rules: &'a LineRules) -> Plain<'a> {
        let (line, is_told) = (Vec::new(), false);
        Plain { rules, line, is_told, has_ended_a_line: false, ends_reads: false, has_keys: false }
    }

    /// The client ends its lines itself.
    pub fn expect_line_ends(&mut self) {
        (self.has_keys, self.has_ended_a_line) = (true, true);
    }

    /// The result of this deed.
    pub fn after(&mut self, deed: &Deed) -> Vec<Said> {
        let mut said = Vec::new();
        match deed {
            Deed::Cut => self.end_line(&mut said),
            Deed::Read(bytes) => {
                let are_keys = is_one_character(&self.line) && is_one_character(bytes);
                self.has_keys |= are_keys && !self.is_told && !self.has_ended_a_line;
                let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
                if bytes.iter().any(is_end) {
                    self.ends_reads = bytes.last().is_some_and(is_end);
                }
                for byte in *bytes {
                    self.take(*byte, &mut said);
                }
                self.judge(&mut said);
                if let Some(end) = said.iter().position(|said| *said == Said::Endless) {
                    said.truncate(end + 1);
                }
            }
        }
        said
    }

    /// What the end of the input brings, with these bytes before it.
    pub fn after_the_end(&mut self, rest: &[u8]) -> Vec<Said> {
        let mut said = self.after(&Deed::Read(rest));
        said.extend(self.after(&Deed::Cut));
        said
    }

    fn take(&mut self, byte: u8, said: &mut Vec<Said>) {
        match byte {
            b'\n' | b'\r' => {
                self.end_line(said);
                self.has_ended_a_line = true;
            }
            0 if !self.has_ended_a_line => self.end_line(said),
            0 if self.line.is_empty() => {}
            byte => {
                self.line.push(byte);
                if self.line == MARK {
                    self.line.clear();
                }
            }
        }
    }

    /// The result for a line that is too long, once it is looked at.
    fn judge(&mut self, said: &mut Vec<Said>) {
        let is_endless = self.line.len() > self.rules.endless_bytes_max;
        let is_too_long = trimmed(&self.line).len() > self.rules.line_bytes_max || is_endless;
        if is_too_long && !self.is_told {
            self.is_told = true;
            said.push(Said::TooLong);
        }
        if self.is_told && is_endless {
            said.push(Said::Endless);
        }
    }

    fn end_line(&mut self, said: &mut Vec<Said>) {
        self.judge(said);
        let mut line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.is_told) {
            return;
        }
        let left = if self.has_keys { take_back(&mut line) } else { line.len() };
        let line = trimmed(&line[line.len() - left..]).to_vec();
        said.extend((!line.is_empty()).then_some(Said::Line(line)));
    }

    /// The pending bytes are the unfinished line, or none if it is too long already.
    pub fn check_pending(&self, lines: &Lines, now: Instant) {
        assert_eq!(lines.is_pending(), !self.line.is_empty());
        assert_eq!(lines.pending(), if self.is_told { &[] } else { self.line.as_slice() });
        let due = lines.due(self.rules);
        let is_waited_for =
            self.has_keys || self.ends_reads || self.has_ended_a_line && self.is_told;
        assert_eq!(due.is_some(), lines.is_pending() && !is_waited_for);
        assert!(due.is_none_or(|due| (now..=now + CHARACTER_WAIT).contains(&due)));
    }
}

fn trimmed(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|byte| *byte != 0).unwrap_or(line.len());
    let end = line.iter().rposition(|byte| *byte != 0).map_or(start, |at| at + 1);
    &line[start..end]
}

fn is_one_character(bytes: &[u8]) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.chars().count() == 1,
        Err(error) => error.valid_up_to() == 0 && error.error_len().is_none(),
    }
}
