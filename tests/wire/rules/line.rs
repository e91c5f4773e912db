//! However input is cut into reads, its lines are those of the rule.

use std::time::{Duration, Instant};

use chinwag::wire::line::{Input, LineRules, Lines};

/// What may happen to the input of one peer.
#[derive(Clone, Copy, Debug)]
pub enum Deed<'a> {
    /// So much is read.
    Read(&'a [u8]),
    /// What is pending is taken as a line.
    Cut,
}

/// What comes of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    Line(Vec<u8>),
    TooLong,
    Endless,
}

/// Small bounds, so that they are often met.
pub fn rules(line_bytes_max: usize, raw: bool) -> LineRules {
    LineRules {
        line_bytes_max,
        endless_bytes_max: 4 * line_bytes_max,
        chunk_quiet: Duration::from_millis(200),
        chunk_age_max: Duration::from_secs(1),
        raw,
    }
}

/// What each deed brings is what the rule says, no sooner and no later, and what is pending is
/// within its bounds.
pub fn lines_are_those_of_the_rule(rules: &LineRules, deeds: &[Deed]) {
    let (mut lines, mut plain) = (Lines::default(), Plain::new(rules));
    for deed in deeds {
        match deed {
            Deed::Read(bytes) => lines.push(bytes),
            Deed::Cut => lines.cut(),
        }
        let said = take_all(&mut lines, rules);
        assert_eq!(said, plain.after(deed), "after {deed:?}");
        if said.last() == Some(&Said::Endless) {
            return;
        }
        plain.check_pending(&lines);
    }
}

/// Everything that is there to be taken.
pub fn take_all(lines: &mut Lines, rules: &LineRules) -> Vec<Said> {
    let mut said = Vec::new();
    loop {
        said.push(match lines.peek(rules) {
            Input::Line(line) => Said::Line(line.to_vec()),
            Input::TooLong => Said::TooLong,
            Input::Endless => {
                said.push(Said::Endless);
                return said;
            }
            Input::NotYet => return said,
        });
        lines.consume();
    }
}

/// In raw mode nothing is lost, and no character is cut but where it must be.
pub fn raw_bytes_are_all_there(rules: &LineRules, deeds: &[Deed]) {
    let (mut lines, mut sent, mut got) = (Lines::default(), Vec::new(), Vec::new());
    for deed in deeds.iter().chain([&Deed::Cut]) {
        match deed {
            Deed::Read(bytes) => {
                sent.extend_from_slice(bytes);
                lines.push(bytes);
            }
            Deed::Cut => lines.cut(),
        }
        for said in take_all(&mut lines, rules) {
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
    after_cr: bool,
    has_ended_a_line: bool,
}

impl<'a> Plain<'a> {
    pub fn new(rules: &'a LineRules) -> Plain<'a> {
        Plain { rules, line: Vec::new(), after_cr: false, has_ended_a_line: false }
    }

    /// What this brings.
    pub fn after(&mut self, deed: &Deed) -> Vec<Said> {
        let mut said = Vec::new();
        match deed {
            Deed::Cut => self.end_line(&mut said),
            Deed::Read(bytes) => {
                for byte in *bytes {
                    self.take(*byte, &mut said);
                    if said.last() == Some(&Said::Endless) {
                        break;
                    }
                }
            }
        }
        said
    }

    fn take(&mut self, byte: u8, said: &mut Vec<Said>) {
        let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
        match byte {
            0 if after_cr => {}
            b'\n' | b'\r' => {
                self.has_ended_a_line = true;
                self.end_line(said);
            }
            byte => {
                self.line.push(byte);
                let bytes = self.line.len();
                said.extend((bytes == self.rules.line_bytes_max + 1).then_some(Said::TooLong));
                said.extend((bytes == self.rules.endless_bytes_max + 1).then_some(Said::Endless));
            }
        }
    }

    fn end_line(&mut self, said: &mut Vec<Said>) {
        let line = std::mem::take(&mut self.line);
        if (1..=self.rules.line_bytes_max).contains(&line.len()) {
            said.push(Said::Line(line));
        }
    }

    /// What waits is the line that has no end yet, or nothing of it if it is too long already.
    pub fn check_pending(&self, lines: &Lines) {
        assert_eq!(lines.is_pending(), !self.line.is_empty());
        let is_kept = self.line.len() <= self.rules.line_bytes_max;
        assert_eq!(lines.pending(), if is_kept { self.line.as_slice() } else { &[] });
        let (first, last) = (Instant::now(), Instant::now() + Duration::from_millis(50));
        let due = lines.chunk_due(self.rules, first, last);
        let may_be_due = lines.is_pending() && !self.has_ended_a_line;
        assert_eq!(due.is_some(), may_be_due);
        let latest = first + self.rules.chunk_age_max;
        assert!(due.is_none_or(|due| (last..=latest).contains(&due)));
    }
}
