//! The text of messages: words of one length that tell the talker and the number.

/// The digits of the talker's index, and of the number.
const TALKER_DIGITS: usize = 3;
const NUMBER_DIGITS: usize = 12;

/// The shortest words: `#TTTNNNNNNNNNNNN`.
pub const BYTES_MIN: usize = 1 + TALKER_DIGITS + NUMBER_DIGITS;

/// This many bytes that all clients have received are kept before they are freed.
const FORGET_BYTES: usize = 4 << 20;

/// This many messages more than asked for are made ready.
const AHEAD: u64 = 1024;

/// The words of this talker and this number.
pub fn of(talker: usize, number: u64, words_bytes: usize) -> Vec<u8> {
    let words = format!("#{talker:0TALKER_DIGITS$}{number:0NUMBER_DIGITS$}");
    let mut words = words.into_bytes();
    words.resize(words_bytes.max(BYTES_MIN), b'.');
    words
}

/// The talker and the number in the words at the end of this line.
pub fn in_line(line: &[u8], words_bytes: usize) -> Option<(usize, u64)> {
    let words = words_of(line, words_bytes)?.strip_prefix(b"#")?;
    let (talker, rest) = words.split_at_checked(TALKER_DIGITS)?;
    let (number, _) = rest.split_at_checked(NUMBER_DIGITS)?;
    let parse = |digits| std::str::from_utf8(digits).ok()?.parse::<u64>().ok();
    Some((parse(talker)? as usize, parse(number)?))
}

fn words_of(line: &[u8], words_bytes: usize) -> Option<&[u8]> {
    let line = line.strip_suffix(b"\n")?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.get(line.len().checked_sub(words_bytes)?..)
}

/// The messages of the first talker as clients receive them, so that many can be compared at once.
#[derive(Debug, Default)]
pub struct Frames {
    words_bytes: usize,
    /// What stands before and after the words, once it is known.
    around: Option<(Vec<u8>, Vec<u8>)>,
    frame_bytes: usize,
    /// The number of the first message that is ready.
    base: u64,
    bytes: Vec<u8>,
}

impl Frames {
    /// For messages with words of this length.
    pub fn new(words_bytes: usize) -> Frames {
        Frames { words_bytes: words_bytes.max(BYTES_MIN), ..Frames::default() }
    }

    /// The length of the words.
    pub fn words_bytes(&self) -> usize {
        self.words_bytes
    }

    /// The length of a message, with what stands around the words.
    pub fn frame_bytes(&self) -> usize {
        self.frame_bytes
    }

    /// Takes from a message what stands around the words.
    pub fn learn(&mut self, line: &[u8]) {
        if self.around.is_some() {
            return;
        }
        let Some(words) = words_of(line, self.words_bytes) else { return };
        let after = if line.ends_with(b"\r\n") { 2 } else { 1 };
        let before = line.len() - after - words.len();
        self.frame_bytes = line.len();
        self.around = Some((line[..before].to_vec(), line[line.len() - after..].to_vec()));
    }

    /// How many whole messages these bytes begin with, if the first has this number.
    pub fn matching(&mut self, from: u64, bytes: &[u8]) -> u64 {
        if self.frame_bytes == 0 || bytes.len() < self.frame_bytes {
            return 0;
        }
        let most = (bytes.len() / self.frame_bytes) as u64;
        self.make_ready(from, from + most);
        let start = (from - self.base) as usize * self.frame_bytes;
        let ready = &self.bytes[start..start + most as usize * self.frame_bytes];
        if *ready == bytes[..ready.len()] {
            return most;
        }
        let (ready, bytes) = (ready.chunks(self.frame_bytes), bytes.chunks(self.frame_bytes));
        ready.zip(bytes).take_while(|(one, other)| one == other).count() as u64
    }

    fn make_ready(&mut self, from: u64, to: u64) {
        let Some((before, after)) = &self.around else { return };
        if from < self.base {
            self.bytes.clear();
            self.base = from;
        }
        let mut number = self.base + (self.bytes.len() / self.frame_bytes) as u64;
        if number >= to {
            return;
        }
        while number < to + AHEAD {
            self.bytes.extend_from_slice(before);
            self.bytes.extend_from_slice(&of(0, number, self.words_bytes));
            self.bytes.extend_from_slice(after);
            number += 1;
        }
    }

    /// All clients have received the messages before this number.
    pub fn forget(&mut self, heard: u64) {
        let heard = heard.saturating_sub(self.base) as usize * self.frame_bytes;
        if heard > FORGET_BYTES && heard <= self.bytes.len() {
            self.base += (heard / self.frame_bytes) as u64;
            self.bytes.drain(..heard);
        }
    }
}
