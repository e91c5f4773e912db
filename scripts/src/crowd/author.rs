//! A sender of numbered messages, all of the same length.

use std::collections::VecDeque;
use std::time::Instant;

use super::{Fault, text};

/// The shortest message that has room for a name, a number and the line end. All but the name is
/// the number of the message; if that is too long, its last digits.
pub const MESSAGE_BYTES_MIN: usize = 16;

/// Between the name and the number.
pub const MARK: &[u8] = b": ";

/// A sender of numbered messages.
#[derive(Clone, Debug, Default)]
pub struct Author {
    /// The name that the server gave it.
    pub name: Vec<u8>,
    /// How many digits stand in a message.
    digits: usize,
    /// One message in this many is timed.
    timed_every: u64,
    /// How many messages it has sent.
    pub said: u64,
    /// How many of its messages at least one client has received.
    pub heard: u64,
    /// How many of its messages all clients have received.
    pub heard_by_all: u64,
    /// How many of its messages before that no client received, because all were told that they
    /// missed them.
    lost: u64,
    /// All clients may have missed some of its messages, and no later one has arrived: the next may
    /// have any later number.
    pub is_unsure: bool,
    /// The timed messages that no client has received yet, and when they were sent.
    timed: VecDeque<(u64, Instant)>,
}

impl Author {
    /// An author called `name`, whose messages have `message_bytes` bytes when they arrive.
    pub fn new(name: &[u8], message_bytes: usize, timed_every: u64) -> Author {
        let other_bytes = name.len() + MARK.len() + 1;
        let digits = message_bytes.max(MESSAGE_BYTES_MIN).saturating_sub(other_bytes).max(1);
        Author { name: name.to_vec(), digits, timed_every, ..Author::default() }
    }

    /// How many of all its messages no client received, if no more will arrive.
    pub fn lost(&self) -> u64 {
        self.lost + self.said - self.heard
    }

    /// Writes the words of its next message, with the name. It counts as sent `at` this moment.
    pub fn write_next(&mut self, to: &mut Vec<u8>, at: Instant) {
        self.write(self.said, to);
        self.said += 1;
        if self.said.is_multiple_of(self.timed_every) {
            self.timed.push_back((self.said - 1, at));
        }
    }

    /// Writes the words of the message of this number, with the name.
    pub fn write(&self, number: u64, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.name);
        to.extend_from_slice(MARK);
        let number = number.to_string();
        let last_digits = &number[number.len().saturating_sub(self.digits)..];
        to.resize(to.len() + self.digits - last_digits.len(), b'0');
        to.extend_from_slice(last_digits.as_bytes());
    }

    /// The number of the message with these words.
    pub fn number_in(&self, words: &[u8]) -> Option<u64> {
        let digits = words.strip_prefix(&*self.name)?.strip_prefix(MARK)?;
        let is_whole = digits.len() == self.digits && digits.iter().all(u8::is_ascii_digit);
        is_whole.then(|| std::str::from_utf8(digits).ok()?.parse().ok())?
    }

    /// A client is the first to receive these words: they must be those of the next message. If
    /// some may be lost, they tell its number. Returns when it was sent, if it is timed.
    pub fn hear(&mut self, words: &[u8]) -> Result<Option<Instant>, Fault> {
        if std::mem::take(&mut self.is_unsure) {
            let lost = self.number_in(words).unwrap_or(0).saturating_sub(self.heard);
            self.lost += lost;
            self.heard += lost;
            self.heard_by_all += lost;
        }
        let mut expected = Vec::new();
        self.write(self.heard, &mut expected);
        if words != expected {
            let (expected, words) = (text(&expected), text(words));
            return Err(Fault(format!("expected {expected:?}, received {words:?}")));
        }
        Ok(self.hear_next())
    }

    /// A client is the first to receive the next message, or one behind it. Returns when the next
    /// one was sent, if it is timed.
    pub fn hear_next(&mut self) -> Option<Instant> {
        let heard = self.timed.partition_point(|(number, _)| *number <= self.heard);
        let last = self.timed.drain(..heard).next_back();
        let timed = last.filter(|(number, _)| *number == self.heard);
        self.heard += 1;
        timed.map(|(_, at)| at)
    }
}
