//! A sender of numbered messages, all of the same length.

use std::collections::VecDeque;
use std::time::Instant;

/// The shortest message that has room for a name, a number and the line end. All but the name is
/// the number of the message; if that is too long, its last digits.
pub const MESSAGE_BYTES_MIN: usize = 16;

/// A sender of numbered messages.
#[derive(Debug)]
pub struct Author {
    name: Vec<u8>,
    /// The bytes of one message as clients receive it, with name and line end.
    message_bytes: usize,
    /// One message in this many is timed.
    timed_every: u64,
    /// How many messages it has sent.
    pub said: u64,
    /// How many of its messages at least one client has received.
    pub heard: u64,
    /// How many of its messages all clients have received.
    pub heard_by_all: u64,
    /// How many of those no client received, because all were told that they missed them.
    pub lost: u64,
    /// The timed messages that no client has received yet, and when they were sent.
    timed: VecDeque<(u64, Instant)>,
    /// All clients may have missed some of its messages: the next may have any later number.
    unsure: bool,
}

impl Author {
    /// An author called `name`, whose messages have `message_bytes` bytes when they arrive.
    pub fn new(name: &[u8], message_bytes: usize, timed_every: u64) -> Author {
        let message_bytes = message_bytes.max(MESSAGE_BYTES_MIN).max(name.len() + 4);
        Author {
            name: name.to_vec(),
            message_bytes,
            timed_every,
            said: 0,
            heard: 0,
            heard_by_all: 0,
            lost: 0,
            timed: VecDeque::new(),
            unsure: false,
        }
    }

    /// The name that the server gave it.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Writes its next message, without the name if the server adds that. It counts as sent `at`
    /// this moment.
    pub fn write_next(&mut self, with_name: bool, to: &mut Vec<u8>, at: Instant) {
        let number = self.said;
        self.said += 1;
        if self.said.is_multiple_of(self.timed_every) {
            self.timed.push_back((number, at));
        }
        let start = to.len();
        self.write_whole(number, to);
        if !with_name {
            to.drain(start..start + self.name.len() + 2);
        }
    }

    /// All clients may have missed some of its messages: the next may have any later number.
    pub fn lose_some(&mut self) {
        self.unsure = true;
    }

    /// Whether all clients may have missed some messages, and no later one has arrived.
    pub fn is_unsure(&self) -> bool {
        self.unsure
    }

    /// Writes the words of what its next message must be. If some may be lost, `words` tell its
    /// number.
    pub fn write_expected(&mut self, words: &[u8], to: &mut Vec<u8>) {
        if self.unsure {
            self.find_number(words);
        }
        self.write_whole(self.heard, to);
    }

    /// A client is the first to receive its next message. Returns when it was sent, if it is timed.
    pub fn hear_next(&mut self) -> Option<Instant> {
        let timed = self.timed.front().filter(|(number, _)| *number == self.heard).copied();
        self.heard += 1;
        let (_, at) = timed?;
        self.timed.pop_front();
        Some(at)
    }

    fn find_number(&mut self, words: &[u8]) {
        self.unsure = false;
        let lost = self.number_in(words).unwrap_or(self.heard).saturating_sub(self.heard);
        self.lost += lost;
        self.heard += lost;
        self.heard_by_all += lost;
        let untimed = self.timed.partition_point(|(number, _)| *number < self.heard);
        self.timed.drain(..untimed);
    }

    /// The number of the message with these words of the author.
    pub fn number_in(&self, words: &[u8]) -> Option<u64> {
        let digits = words.get(self.name.len() + 2..)?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// Writes the words of the message of this number, with the name.
    pub fn write_whole(&self, number: u64, to: &mut Vec<u8>) {
        let start = to.len();
        to.extend_from_slice(&self.name);
        to.extend_from_slice(b": ");
        to.resize(start + self.message_bytes - 1, b'0');
        let digits = &mut to[start + self.name.len() + 2..];
        let mut rest = number;
        for digit in digits.iter_mut().rev() {
            if rest == 0 {
                break;
            }
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
    }
}
