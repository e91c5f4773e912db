//! What a client hears that is far behind the others, or has only come for a while.
//!
//! It cannot be compared with a record of what all have heard: that is kept only as long as someone
//! still has to hear it. But the words of each author are numbered, so that each is known from its
//! number alone, and a number that is left out is a line that was missed.
//!
//! What always holds: an ear keeps at most one line that has not ended, and one number for each
//! author that it has heard.

use std::collections::HashMap;

use memchr::memchr;

use super::Fault;
use super::notices::{Told, told};
use super::record::{Record, SYNC, no_number, text};

/// No server that is right sends a longer line.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// One listener's ear.
#[derive(Debug, Default)]
pub struct Ear {
    /// It has been welcomed.
    pub is_welcomed: bool,
    /// What it was told instead of being let in.
    pub refusal: Option<String>,
    /// It has heard the last line of all.
    pub has_ended: bool,
    /// How many messages of authors it has heard.
    pub messages: u64,
    /// How many lines it was told that it missed.
    pub missed: u64,
    /// How many messages it did not hear between two that it heard.
    holes: u64,
    /// How often it was told that it missed lines.
    notices: u64,
    heard: HashMap<usize, Heard>,
    held: Vec<u8>,
    expected: Vec<u8>,
}

/// What was heard last of an author.
#[derive(Clone, Copy, Debug)]
struct Heard {
    /// The number that must be next.
    next: u64,
    /// How many notices of missed lines had come before that.
    notices: u64,
}

impl Ear {
    /// Checks what was just heard against what the authors of `record` say.
    pub fn take(&mut self, bytes: &[u8], record: &Record) -> Result<(), Fault> {
        self.held.extend_from_slice(bytes);
        let all = std::mem::take(&mut self.held);
        let mut rest = &all[..];
        while let Some(end) = memchr(b'\n', rest) {
            self.take_line(&rest[..=end], record)?;
            rest = &rest[end + 1..];
        }
        if rest.len() > LINE_BYTES_MAX {
            return Err(Fault(format!("a line does not end: {:?}", text(rest))));
        }
        self.held = rest.to_vec();
        Ok(())
    }

    fn take_line(&mut self, line: &[u8], record: &Record) -> Result<(), Fault> {
        if self.has_ended && record.author_of(line).is_some() {
            return Err(Fault(format!("after the last line came {:?}", text(line))));
        }
        match told(line) {
            Some(Told::Welcome(_)) => self.is_welcomed = true,
            Some(Told::Missed(missed)) => {
                self.missed += missed.ok_or_else(|| no_number(line))?;
                self.notices += 1;
            }
            Some(Told::Refused) => self.refusal = Some(text(line).trim_end().to_owned()),
            Some(Told::TooLong) => {}
            None if line == record.ending() => self.take_end(record)?,
            None => self.take_words(line, record)?,
        }
        Ok(())
    }

    fn take_words(&mut self, line: &[u8], record: &Record) -> Result<(), Fault> {
        // What strangers and the server say, and the line from which on all is compared.
        let Some((key, author)) = record.author_of(line) else { return Ok(()) };
        let Some(number) = author.number_in(line) else {
            return if line.ends_with(SYNC) { Ok(()) } else { Err(torn(line)) };
        };
        self.expected.clear();
        author.write_whole(number, &mut self.expected);
        if self.expected != line {
            return Err(torn(line));
        }
        let heard = self.heard.insert(key, Heard { next: number + 1, notices: self.notices });
        self.messages += 1;
        let Some(heard) = heard else { return Ok(()) };
        self.take_hole(heard, number, line)
    }

    /// The last line of all: nothing of what others have heard may be missing before it.
    fn take_end(&mut self, record: &Record) -> Result<(), Fault> {
        self.has_ended = true;
        for (key, author) in record.authors().iter().enumerate() {
            if let Some(heard) = self.heard.get(&key).copied() {
                self.take_hole(heard, author.heard, record.ending())?;
            }
        }
        Ok(())
    }

    /// After what was heard last of an author comes this number, with this line.
    fn take_hole(&mut self, heard: Heard, number: u64, line: &[u8]) -> Result<(), Fault> {
        let Heard { next, notices } = heard;
        let hole = number.checked_sub(next).ok_or_else(|| {
            Fault(format!("number {next} was to come, but {number} did, before {:?}", text(line)))
        })?;
        self.holes += hole;
        let is_told = notices < self.notices && self.holes <= self.missed;
        if hole > 0 && !is_told {
            let line = text(line);
            return Err(Fault(format!("{hole} lines are missing before {line:?}, and no word")));
        }
        Ok(())
    }
}

fn torn(line: &[u8]) -> Fault {
    Fault(format!("nobody said {:?}", text(line)))
}

#[cfg(test)]
mod tests {
    use super::super::author::Author;
    use super::*;

    fn hear(words: &str) -> Result<(), Fault> {
        let mut record = Record::default();
        let authors = ["guest1", "guest2"].map(|name| Author::new(name.as_bytes(), 16, 1));
        record.set_authors(authors.into());
        record.end_with(b"guest1: let us end\n".to_vec());
        let mut ear = Ear::default();
        words.as_bytes().chunks(5).try_for_each(|bytes| ear.take(bytes, &record))
    }

    #[test]
    fn a_hole_needs_a_notice_that_counts_it() {
        assert!(hear("guest1: 0000007\nguest1: 0000008\n").is_ok());
        assert!(hear("guest1: 0000007\nguest1: 0000010\n").is_err());
        assert!(hear("guest1: 0000007\n* you missed 2 lines\nguest1: 0000010\n").is_ok());
        assert!(hear("guest1: 0000007\n* you missed 1 line\nguest1: 0000010\n").is_err());
    }

    #[test]
    fn a_notice_is_no_excuse_for_what_comes_later() {
        let told = "guest1: 0000000\n* you missed 9 lines\nguest1: 0000001\n";
        assert!(hear(&format!("{told}guest1: 0000002\n")).is_ok());
        assert!(hear(&format!("{told}guest1: 0000003\n")).is_err());
    }

    #[test]
    fn what_is_doubled_reordered_torn_or_behind_the_end_is_found() {
        for wrong in [
            "guest1: 0000000\nguest1: 0000000\n",
            "guest1: 0000000\nguest1: 0000002\nguest1: 0000001\n",
            "guest1: 0000000\nguest1: 000\n",
            "guest1: 0000000\nguest1: 000guest2: 0000000\n",
            "guest1: 0000000\nguest1: 1\n",
            "guest1: 0000000 \n",
            "guest1: let us end\nguest1: 0000000\n",
            "* you missed some lines\n",
        ] {
            assert!(hear(wrong).is_err(), "{wrong:?}");
        }
        assert!(hear("guest1: 0000000\nguest2: 0000000\nguest1: 0000001\n").is_ok());
    }
}
