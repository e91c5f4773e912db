//! One who says numbered messages, each as long as the others.

use std::collections::VecDeque;
use std::time::Instant;

/// The shortest message that has room for a name, a number and the end. All but the name is the
/// message's number; of one that is too long for that, the last digits.
pub const MESSAGE_BYTES_MIN: usize = 16;

/// Who says numbered messages.
#[derive(Debug)]
pub struct Author {
    name: Vec<u8>,
    /// The bytes of one message as everyone hears it, name and line end included.
    message_bytes: usize,
    /// One message in so many is timed.
    timed_every: u64,
    /// How many of its messages have been heard by anyone.
    pub heard: u64,
    /// How many of its messages have been heard by all.
    pub heard_by_all: u64,
    /// How many of those were heard by nobody, since everyone was told that they missed them.
    pub lost: u64,
    /// When those were said that are timed and not heard yet.
    said: VecDeque<(u64, Instant)>,
    /// Nobody may have heard some of its messages: the next one may have any later number.
    unsure: bool,
}

impl Author {
    /// An author called `name` whose messages are `message_bytes` long when they are heard.
    pub fn new(name: &[u8], message_bytes: usize, timed_every: u64) -> Author {
        let message_bytes = message_bytes.max(MESSAGE_BYTES_MIN).max(name.len() + 4);
        Author {
            name: name.to_vec(),
            message_bytes,
            timed_every,
            heard: 0,
            heard_by_all: 0,
            lost: 0,
            said: VecDeque::new(),
            unsure: false,
        }
    }

    /// What the server calls it.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Writes its message of this number, without the name if the server puts that before it. It
    /// counts as said `at` this moment.
    pub fn write(&mut self, number: u64, with_name: bool, to: &mut Vec<u8>, at: Instant) {
        if (number + 1).is_multiple_of(self.timed_every) {
            self.said.push_back((number, at));
        }
        let start = to.len();
        self.write_whole(number, to);
        if !with_name {
            to.drain(start..start + self.name.len() + 2);
        }
    }

    /// Nobody may have heard some of its messages: the next one may have any later number.
    pub fn lose_some(&mut self) {
        self.unsure = true;
    }

    /// Whether nobody may have heard some of its messages, and it has not been heard since.
    pub fn is_unsure(&self) -> bool {
        self.unsure
    }

    /// Writes what its next message has to be. If some may have been lost, `line` tells its number.
    pub fn write_expected(&mut self, line: &[u8], to: &mut Vec<u8>) {
        if self.unsure {
            self.find_number(line);
        }
        self.write_whole(self.heard, to);
    }

    /// Someone is the first to hear its next message; when it was said, if it is timed.
    pub fn hear_next(&mut self) -> Option<Instant> {
        let timed = self.said.front().filter(|(number, _)| *number == self.heard).copied();
        self.heard += 1;
        let (_, at) = timed?;
        self.said.pop_front();
        Some(at)
    }

    fn find_number(&mut self, line: &[u8]) {
        self.unsure = false;
        let lost = self.number_in(line).unwrap_or(self.heard).saturating_sub(self.heard);
        self.lost += lost;
        self.heard += lost;
        self.heard_by_all += lost;
        let untimed = self.said.partition_point(|(number, _)| *number < self.heard);
        self.said.drain(..untimed);
    }

    /// The number that this line of it tells.
    pub fn number_in(&self, line: &[u8]) -> Option<u64> {
        let digits = line.get(self.name.len() + 2..line.len() - 1)?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// Writes its message of this number as everyone hears it.
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
        to.push(b'\n');
    }
}
