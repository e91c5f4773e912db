//! The lines from the server, and the bytes to it.
//!
//! The rules of this file:
//!
//! - The server is not trusted. Its lines are made safe to show ([`crate::words::text`]) and have a
//!   bound: a longer line is handed out in pieces.
//! - LF and CR LF end a line. Some servers never end one. Then text without an end becomes a line
//!   after a silence ([`Hearing::next_deadline`]).
//! - The rest of a line that was split begins with [`CONTINUED`]. So no client can have its line
//!   split in such a way that the rest looks like a line of the server.
//! - What waits to be sent has a bound: check [`Outgoing::is_full`] before you add more.
//!
//! It never knows a socket or the meaning of a line, and takes the present moment as a parameter.

use std::time::{Duration, Instant};

use crate::words::text::push_safe;

/// The most bytes of a line in one piece: more than any known server sends.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// The prefix of the rest of a line that was split.
pub const CONTINUED: &str = "… ";

/// While a server has never ended a line, this much silence ends one.
const QUIET: Duration = Duration::from_millis(300);

/// A server that ends its lines gets more time: its network may be slow.
const QUIET_AFTER_ENDS: Duration = Duration::from_secs(1);

/// While this much waits to be sent, nothing more should be added.
pub const OUTGOING_BYTES_MAX: usize = 64 * 1024;

/// What was read and is not a whole line yet.
///
/// `start <= searched <= buffer.len()`. There is no line end in `start..searched`, and the bytes
/// before `start` have been handed out.
#[derive(Debug, Default)]
pub struct Hearing {
    buffer: Vec<u8>,
    start: usize,
    searched: usize,
    heard_at: Option<Instant>,
    /// Whether the last piece had no line end.
    broken_off: bool,
    has_ended_a_line: bool,
}

impl Hearing {
    /// Takes in what was read. Call [`Hearing::next_line`] until there is none before you push
    /// more, or the buffer grows.
    pub fn push(&mut self, bytes: &[u8], now: Instant) {
        self.heard_at = Some(now);
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line, safe and without its end. Or a piece: of a line that is too long, or of
    /// one that was quiet for long enough.
    pub fn next_line(&mut self, now: Instant) -> Option<String> {
        loop {
            let found = memchr::memchr(b'\n', &self.buffer[self.searched..]);
            let end = found.map(|at| self.searched + at);
            let end_max = self.start + LINE_BYTES_MAX;
            if end.unwrap_or(self.buffer.len()) > end_max {
                let cut = beginning_of_character(&self.buffer, end_max);
                self.has_ended_a_line = true;
                return Some(self.hand_out(cut, cut, true));
            }
            let Some(end) = end else {
                self.searched = self.buffer.len();
                let is_due = self.next_deadline().is_some_and(|at| at <= now);
                return if is_due { self.rest() } else { None };
            };
            let was_broken_off = self.broken_off;
            self.has_ended_a_line = true;
            let line = self.hand_out(end, end + 1, false);
            // A line end alone, after text that was already handed out, is not a line.
            if !was_broken_off || line != CONTINUED {
                return Some(line);
            }
        }
    }

    /// The text without an end, as a line: nothing more will come.
    pub fn rest(&mut self) -> Option<String> {
        let end = self.buffer.len();
        (!self.is_empty()).then(|| self.hand_out(end, end, self.has_ended_a_line))
    }

    /// When to call [`Hearing::next_line`], though nothing has come.
    pub fn next_deadline(&self) -> Option<Instant> {
        let quiet = if self.has_ended_a_line { QUIET_AFTER_ENDS } else { QUIET };
        self.heard_at.filter(|_| !self.is_empty()).map(|at| at + quiet)
    }

    fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }

    /// Makes a line of the bytes before `end`, and continues at `next`. `broken_off` says that the
    /// line has no end there.
    fn hand_out(&mut self, end: usize, next: usize, broken_off: bool) -> String {
        let line = &self.buffer[self.start..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut safe = String::new();
        if std::mem::replace(&mut self.broken_off, broken_off) {
            safe.push_str(CONTINUED);
        }
        push_safe(line, &mut safe);
        (self.start, self.searched) = (next, next);
        safe
    }
}

/// The last place up to `place` where a character begins, if there is one nearby.
fn beginning_of_character(bytes: &[u8], place: usize) -> usize {
    let begins = |at: &usize| bytes.get(*at).is_none_or(|byte| byte & 0b1100_0000 != 0b1000_0000);
    (place.saturating_sub(3)..=place).rev().find(begins).unwrap_or(place)
}

/// What waits to be sent.
///
/// `taken <= buffer.len()`. The buffer begins with a line whose end the socket has not taken,
/// unless the socket has taken [`LINE_BYTES_MAX`] of that line.
#[derive(Debug, Default)]
pub struct Outgoing {
    buffer: Vec<u8>,
    taken: usize,
}

impl Outgoing {
    /// Adds a line.
    pub fn push_line(&mut self, line: &str) {
        self.push(line.as_bytes());
        self.push(b"\n");
    }

    /// Adds bytes as they are.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// All that waits.
    pub fn rest(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }

    /// Notes that the socket has taken this many bytes.
    pub fn took(&mut self, bytes: usize) {
        self.taken += bytes;
        let end = memchr::memrchr(b'\n', &self.buffer[..self.taken]).map_or(0, |at| at + 1);
        let end = if self.taken - end < LINE_BYTES_MAX { end } else { self.taken };
        self.buffer.drain(..end);
        self.taken -= end;
    }

    /// The lines of which the socket has not taken all.
    pub fn unsent_lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.buffer).lines().map(str::to_owned).collect()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// Whether so much waits that nothing more should be added.
    pub fn is_full(&self) -> bool {
        self.rest().len() >= OUTGOING_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(hearing: &mut Hearing, bytes: &[u8]) -> Vec<String> {
        let now = Instant::now();
        hearing.push(bytes, now);
        std::iter::from_fn(|| hearing.next_line(now)).collect()
    }

    /// Asserts that it hands this out after this much silence, and not before.
    fn assert_quiet(hearing: &mut Hearing, quiet: Duration, text: &str) {
        let due = hearing.heard_at.unwrap() + quiet;
        assert_eq!(hearing.next_deadline(), Some(due));
        assert_eq!(hearing.next_line(due - Duration::from_millis(1)), None);
        assert_eq!(hearing.next_line(due).as_deref(), Some(text));
    }

    #[test]
    fn a_line_split_across_reads_arrives_whole() {
        let mut hearing = Hearing::default();
        assert!(lines(&mut hearing, "bob: 안".as_bytes()).is_empty());
        assert_eq!(lines(&mut hearing, "녕\r\n\nx\n".as_bytes()), ["bob: 안녕", "", "x"]);
    }

    #[test]
    fn what_a_server_sends_is_made_safe() {
        let heard = lines(&mut Hearing::default(), b"bob: \x1b[2J\xff\rx\n");
        assert_eq!(heard, ["bob: \\x1b[2J\u{fffd}\\x0dx"]);
    }

    #[test]
    fn a_server_that_ends_no_line_is_heard() {
        let mut hearing = Hearing::default();
        for text in ["하나", "둘"] {
            assert!(lines(&mut hearing, text.as_bytes()).is_empty());
            assert_quiet(&mut hearing, QUIET, text);
        }
        assert_eq!((hearing.rest(), hearing.next_deadline()), (None, None));
    }

    #[test]
    fn what_goes_on_after_a_break_looks_like_no_new_line() {
        let mut hearing = Hearing::default();
        lines(&mut hearing, b"* welcome\nbob: half ");
        assert_quiet(&mut hearing, QUIET_AFTER_ENDS, "bob: half ");
        assert_eq!(lines(&mut hearing, b"* closed\n* real\n"), ["… * closed", "* real"]);
    }

    #[test]
    fn the_end_of_a_broken_line_is_nothing_by_itself() {
        let mut hearing = Hearing::default();
        lines(&mut hearing, b"* welcome\nbob: all");
        hearing.rest();
        assert_eq!(lines(&mut hearing, b"\nx\n"), ["x"]);
    }

    #[test]
    fn a_long_line_comes_in_pieces_between_characters() {
        let mut hearing = Hearing::default();
        let heard = lines(&mut hearing, format!("{}\n", "한".repeat(50_000)).as_bytes());
        assert_eq!(heard.len(), 3);
        assert!(heard.iter().all(|piece| piece.len() <= LINE_BYTES_MAX + CONTINUED.len()));
        assert!(heard[1..].iter().all(|piece| piece.starts_with(CONTINUED)));
        assert_eq!(heard.concat().matches('한').count(), 50_000);
    }

    #[test]
    fn a_line_that_is_half_sent_is_known_whole() {
        let mut outgoing = Outgoing::default();
        outgoing.push_line("one");
        outgoing.push_line("two");
        outgoing.push_line("three");
        for bytes in [2, 3, 1] {
            outgoing.took(bytes);
        }
        assert_eq!(outgoing.unsent_lines(), ["two", "three"]);
        outgoing.took(8);
        assert_eq!(outgoing.unsent_lines(), Vec::<String>::new());
    }

    proptest! {
        #![proptest_config(crate::cases())]

        #[test]
        fn however_it_is_cut_the_lines_are_the_same(
            text in "[a-c한\r\n\u{1b}]{0,60}", cuts in prop::collection::vec(0_usize..200, 0..6)
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut hearing = Hearing::default();
            let pieces = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]);
            let cut: Vec<String> = pieces.flat_map(|piece| lines(&mut hearing, piece)).collect();
            prop_assert_eq!(cut, lines(&mut Hearing::default(), bytes));
        }
    }
}
