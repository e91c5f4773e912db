//! Checks what a client receives that is far behind the others, or connects only for a while.
//!
//! It cannot be compared with the record: that keeps only what some client still has to receive.
//! But each author numbers its messages. So a message is known from its number alone, and a number
//! left out is a missed line.
//!
//! What always holds: an ear keeps one number for each author.

use std::collections::HashMap;

use chinwag::words::notice::Notice;

use super::notices::told;
use super::record::Record;
use super::{Fault, Tally, text};

/// The ear of one client.
#[derive(Debug, Default)]
pub struct Ear {
    /// The last line of all has arrived.
    pub has_ended: bool,
    /// How many lines the server said that the client missed.
    missed: u64,
    /// How many messages are missing between those that arrived.
    holes: u64,
    /// Between two notices come earlier lines, which were checked before.
    pub is_in_history: bool,
    heard: HashMap<usize, Heard>,
}

/// The last message of one author.
#[derive(Clone, Copy, Debug)]
struct Heard {
    /// The number of the next message.
    next: u64,
    /// A notice of missed lines has come since.
    may_miss: bool,
}

impl Ear {
    /// Checks the words of one line against what the authors of `record` send, and counts them in
    /// the tally. Returns what the server tells this client in them.
    pub fn take<'a>(
        &mut self,
        words: &'a [u8],
        record: &Record,
        tally: &mut Tally,
    ) -> Result<Option<Notice<'a>>, Fault> {
        self.is_in_history = words == b"* history" || self.is_in_history && words != b"* now";
        if self.is_in_history {
            return Ok(None);
        }
        let (told, message) = (told(words), record.message_in(words)?);
        if self.has_ended && message.is_some() {
            return Err(Fault(format!("after the last line came {:?}", text(words))));
        }
        if let Some(Notice::Missed { lines }) = told {
            self.missed += lines;
            self.heard.values_mut().for_each(|heard| heard.may_miss = true);
            tally.missed += lines;
        }
        tally.messages += u64::from(message.is_some());
        // Before the last line of all, nothing that other clients received may be missing.
        let is_end = words == record.ending;
        self.has_ended |= is_end;
        let ends = record.authors.iter().map(|author| author.heard).enumerate();
        for (author, number) in message.into_iter().chain(ends.filter(|_| is_end)) {
            let heard = Heard { next: number + 1, may_miss: false };
            let Some(Heard { next, may_miss }) = self.heard.insert(author, heard) else { continue };
            let line = text(words);
            let hole = number.checked_sub(next).ok_or_else(|| {
                Fault(format!("number {next} was to come, but {number} did, before {line:?}"))
            })?;
            self.holes += hole;
            if hole > 0 && !(may_miss && self.holes <= self.missed) {
                return Err(Fault(format!(
                    "{hole} lines are missing before {line:?}, and no word"
                )));
            }
        }
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use super::super::author::Author;
    use super::super::dialect::Dialect;
    use super::*;

    fn hear(words: &str) -> Result<(), Fault> {
        let mut record = Record::new(Dialect::Plain);
        let mut authors = ["guest1", "guest2"].map(|name| Author::new(name.as_bytes(), 16, 1));
        authors.iter_mut().for_each(|author| author.said = 20);
        record.set_authors(authors.into());
        record.end_with(b"guest1: let us end".to_vec());
        let mut ear = Ear::default();
        words.lines().try_for_each(|line| {
            ear.take(line.as_bytes(), &record, &mut Tally::default()).map(drop)
        })
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
            "guest1: 0000000\n* you missed some lines\nguest1: 0000002\n",
            "guest1: 0000020\n",
        ] {
            assert!(hear(wrong).is_err(), "{wrong:?}");
        }
        assert!(hear("guest1: 0000000\nguest2: 0000000\nguest1: 0000001\n").is_ok());
    }
}
