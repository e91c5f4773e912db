//! What has been said: a bounded window of bytes that everyone shares.
//!
//! A position is the number of bytes said before it since the server started. Positions only grow,
//! and a reader's whole backlog is one of them. Only whole entries are appended: a line with its
//! line feed, or in raw mode a chunk as it was read. An index holds each entry's start and author.
//!
//! What always holds: `tail <= head`, both are the boundary of an entry, and every byte between
//! them can be read. The window holds at most `window_bytes_max` bytes, each entry charged as at
//! least [`ENTRY_BYTES_MIN`]. This room knows neither readers nor line ends.

use std::collections::VecDeque;

/// An entry shorter than this is charged as this much, because its place in the index takes room
/// too: without it a window full of one-byte entries would need sixteen windows of index.
/// The shortest line a client can cause (`guest1: a`) is longer, so this is felt in raw mode only.
pub const ENTRY_BYTES_MIN: usize = 8;

/// The ring starts with this many bytes and doubles when it is full, up to the window: a quiet
/// server stays small, and what a turn appends stays in the processor's cache.
pub const RING_BYTES_AT_START: usize = 64 * 1024;

/// How many lines a search goes back: a tenth of a millisecond.
pub const LOOKS_MAX: usize = 10_000;

/// What an entry of `bytes` is charged.
pub fn charge(bytes: usize) -> usize {
    bytes.max(ENTRY_BYTES_MIN)
}

/// The most that a transcript with this window ever takes in memory, its index included.
pub fn memory_bytes_max(window_bytes_max: usize) -> usize {
    let index = window_bytes_max / ENTRY_BYTES_MIN * size_of::<Entry>();
    window_bytes_max + 2 * index
}

/// Where an entry starts, and whose it is.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u64,
    author: u64,
}

/// One entry of the transcript, found by [`Transcript::line_at`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// How many lines were said before it.
    pub number: u64,
    /// The serial of the client that said it, or [`SERVER`].
    pub author: u64,
    /// The position of its first byte.
    pub start: u64,
    /// The position after its last byte.
    pub end: u64,
}

/// The author of what the server itself says; no client has this serial.
pub const SERVER: u64 = 0;

/// A bounded window of what has been said.
#[derive(Debug)]
pub struct Transcript {
    /// The byte at position p stands at `(p - base) % ring.len()`.
    ring: Vec<u8>,
    window_bytes_max: usize,
    /// The position at which it began.
    base: u64,
    head: u64,
    /// The entries in the window, oldest first; the first one starts at the tail.
    index: VecDeque<Entry>,
    /// How many entries have left the window.
    forgotten: u64,
    /// What the entries in the window are charged together.
    charged: usize,
}

impl Transcript {
    /// An empty transcript that will never hold more than `window_bytes_max` bytes.
    pub fn new(window_bytes_max: usize) -> Transcript {
        let window_bytes_max = window_bytes_max.max(ENTRY_BYTES_MIN);
        Transcript {
            ring: vec![0; window_bytes_max.min(RING_BYTES_AT_START)],
            window_bytes_max,
            base: 0,
            head: 0,
            index: VecDeque::new(),
            forgotten: 0,
            charged: 0,
        }
    }

    /// An empty one with the same window, in which the next line has the same number. Its head lies
    /// behind every position of this one, each line of which may be a byte longer there.
    pub fn continued(&self) -> Transcript {
        let (base, forgotten) = (self.head + self.lines_said(), self.lines_said());
        Transcript { base, head: base, forgotten, ..Transcript::new(self.window_bytes_max) }
    }

    /// The position after the last byte said.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The position of the first byte that can still be read.
    pub fn tail(&self) -> u64 {
        self.index.front().map_or(self.head, |entry| entry.start)
    }

    /// The most bytes that the window ever holds.
    pub fn window_bytes_max(&self) -> usize {
        self.window_bytes_max
    }

    /// How many lines have been said.
    pub fn lines_said(&self) -> u64 {
        self.forgotten + self.index.len() as u64
    }

    /// Appends one entry, made of `parts` one after the other.
    ///
    /// The oldest entries leave the window if they must. It is our own fault if the entry is empty
    /// or larger than the window.
    pub fn append(&mut self, author: u64, parts: &[&[u8]]) {
        let bytes = parts.iter().map(|part| part.len()).sum();
        debug_assert!(bytes > 0 && charge(bytes) <= self.window_bytes_max);
        self.make_room(bytes);
        self.index.push_back(Entry { start: self.head, author });
        self.charged += charge(bytes);
        for part in parts {
            self.write(part);
        }
        self.check();
    }

    /// The bytes from `from` to `to`, in order, as at most two pieces.
    ///
    /// Both must lie between tail and head.
    pub fn bytes(&self, from: u64, to: u64) -> (&[u8], &[u8]) {
        debug_assert!(self.tail() <= from && from <= to && to <= self.head);
        let start = self.place(from);
        let count = (to - from) as usize;
        let first = count.min(self.ring.len() - start);
        (&self.ring[start..start + first], &self.ring[..count - first])
    }

    /// The line that holds the byte at `position`, or `None` at the head.
    pub fn line_at(&self, position: u64) -> Option<Line> {
        debug_assert!(self.tail() <= position);
        if position >= self.head {
            return None;
        }
        let after = self.index.partition_point(|entry| entry.start <= position);
        Some(self.line(after - 1))
    }

    /// The lines from the one that starts at `position` to the newest.
    pub fn lines_from(&self, position: u64) -> impl Iterator<Item = Line> + '_ {
        let first = self.index.partition_point(|entry| entry.start < position);
        (first..self.index.len()).map(|place| self.line(place))
    }

    /// The number of the first line that starts at or after `position`, and where it starts.
    ///
    /// At the head this is the line that will be said next.
    pub fn start_at_or_after(&self, position: u64) -> (u64, u64) {
        let place = self.index.partition_point(|entry| entry.start < position);
        let start = self.index.get(place).map_or(self.head, |entry| entry.start);
        (self.forgotten + place as u64, start)
    }

    /// The newest lines that are wanted, oldest first: at most `lines` of them, and at most
    /// `bytes_max` bytes. At most the newest [`LOOKS_MAX`] lines are looked at.
    pub fn newest(
        &self,
        lines: usize,
        bytes_max: usize,
        is_wanted: impl Fn(&Line) -> bool,
    ) -> Vec<Line> {
        let mut left = bytes_max;
        let newest = (0..self.index.len()).rev().take(LOOKS_MAX);
        let newest = newest.map(|place| self.line(place)).filter(&is_wanted);
        let newest = newest.take(lines).map_while(|line| {
            left = left.checked_sub((line.end - line.start) as usize)?;
            Some(line)
        });
        let mut lines: Vec<Line> = newest.collect();
        lines.reverse();
        lines
    }

    /// The position below which a reader may lose bytes if entries charged `reserve` together are
    /// appended now. It is the tail when there is room for them.
    pub fn endangered_below(&self, reserve: usize) -> u64 {
        let excess = (self.charged + reserve).saturating_sub(self.window_bytes_max);
        if excess == 0 {
            return self.tail();
        }
        let padded = self.charged as u64 != self.head - self.tail();
        if !padded {
            return self.start_at_or_after(self.tail() + excess as u64).1;
        }
        let mut freed = 0;
        let still_needed = |place: &usize| {
            let needed = freed < excess;
            freed += self.charge_at(*place);
            needed
        };
        let leaving = (0..self.index.len()).take_while(still_needed).count();
        self.index.get(leaving).map_or(self.head, |entry| entry.start)
    }

    fn make_room(&mut self, bytes: usize) {
        self.grow(self.charged + charge(bytes));
        while self.charged + charge(bytes) > self.window_bytes_max {
            self.charged -= self.charge_at(0);
            self.index.pop_front();
            self.forgotten += 1;
        }
    }

    /// Doubles the ring until it holds `needed` bytes, or as many as the window.
    ///
    /// It is as large as the window before anything leaves that. So while it grows, every byte
    /// stands at its own place, and stays there.
    fn grow(&mut self, needed: usize) {
        let mut ring_bytes = self.ring.len();
        while ring_bytes < needed.min(self.window_bytes_max) {
            ring_bytes = (ring_bytes * 2).min(self.window_bytes_max);
        }
        debug_assert!(ring_bytes == self.ring.len() || self.tail() == self.base);
        self.ring.reserve_exact(ring_bytes - self.ring.len());
        self.ring.resize(ring_bytes, 0);
    }

    fn write(&mut self, bytes: &[u8]) {
        let start = self.place(self.head);
        let first = bytes.len().min(self.ring.len() - start);
        self.ring[start..start + first].copy_from_slice(&bytes[..first]);
        self.ring[..bytes.len() - first].copy_from_slice(&bytes[first..]);
        self.head += bytes.len() as u64;
    }

    fn place(&self, position: u64) -> usize {
        ((position - self.base) % self.ring.len() as u64) as usize
    }

    fn line(&self, place: usize) -> Line {
        let Entry { start, author } = self.index[place];
        let end = self.index.get(place + 1).map_or(self.head, |next| next.start);
        Line { number: self.forgotten + place as u64, author, start, end }
    }

    fn charge_at(&self, place: usize) -> usize {
        let line = self.line(place);
        charge((line.end - line.start) as usize)
    }

    fn check(&self) {
        debug_assert!(self.tail() <= self.head);
        debug_assert!(self.head - self.tail() <= self.charged as u64);
        debug_assert!(self.head - self.tail() <= self.ring.len() as u64);
        debug_assert!(self.charged <= self.window_bytes_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(transcript: &Transcript, from: u64, to: u64) -> Vec<u8> {
        let (first, second) = transcript.bytes(from, to);
        [first, second].concat()
    }

    #[test]
    fn what_is_appended_can_be_read_until_the_window_is_full() {
        let mut transcript = Transcript::new(32);
        transcript.append(1, &[b"guest1: ", b"hello", b"\n"]);
        transcript.append(SERVER, &[b"* guest1 left\n"]);
        assert_eq!(said(&transcript, 0, 28), b"guest1: hello\n* guest1 left\n");
        transcript.append(2, &[b"guest2: bye\n"]);
        assert_eq!((transcript.tail(), transcript.head()), (14, 40));
        assert_eq!(said(&transcript, 14, 40), b"* guest1 left\nguest2: bye\n");
        assert_eq!(transcript.lines_said(), 3);
    }

    #[test]
    fn a_position_inside_a_line_finds_the_line() {
        let mut transcript = Transcript::new(64);
        transcript.append(7, &[b"first line\n"]);
        transcript.append(8, &[b"second line\n"]);
        let second = Line { number: 1, author: 8, start: 11, end: 23 };
        assert_eq!(transcript.line_at(11), Some(second));
        assert_eq!(transcript.line_at(22), Some(second));
        assert_eq!(transcript.line_at(23), None);
        assert_eq!(transcript.start_at_or_after(1), (1, 11));
        assert_eq!(transcript.start_at_or_after(12), (2, 23));
    }

    #[test]
    fn the_newest_lines_are_bounded_by_count_and_by_bytes() {
        let mut transcript = Transcript::new(256);
        for _ in 0..10 {
            transcript.append(1, &[b"ten bytes\n"]);
        }
        let starts = |lines, bytes_max| -> Vec<u64> {
            let newest = transcript.newest(lines, bytes_max, |_| true);
            newest.iter().map(|line| line.start).collect()
        };
        assert_eq!(starts(3, 1000), [70, 80, 90]);
        assert_eq!(starts(3, 29), [80, 90]);
        assert_eq!(starts(3, 20), [80, 90]);
        assert_eq!(starts(3, 19), [90]);
        assert_eq!(starts(99, 1000).len(), 10);
        assert_eq!(starts(0, 1000), [0; 0]);
        assert_eq!(starts(3, 0), [0; 0]);
    }

    #[test]
    fn the_newest_wanted_lines_are_found_in_bounded_time() {
        let mut transcript = Transcript::new(16 * LOOKS_MAX);
        transcript.append(1, &[b"one\n"]);
        let mut looks = Vec::new();
        for notices in [LOOKS_MAX - 1, 1] {
            for _ in 0..notices {
                transcript.append(SERVER, &[b"* notice\n"]);
            }
            let count = std::cell::Cell::new(0);
            let newest = transcript.newest(5, 1000, |line| {
                count.set(count.get() + 1);
                line.author != SERVER
            });
            looks.push((newest.len(), count.get()));
        }
        assert_eq!(looks, [(1, LOOKS_MAX), (0, LOOKS_MAX)]);
    }

    #[test]
    fn the_ring_doubles_when_full_and_ends_as_large_as_the_window() {
        const START: usize = RING_BYTES_AT_START;
        let mut transcript = Transcript::new(2 * START + 10);
        let mut append = |bytes: usize| {
            transcript.append(1, &[&vec![b'x'; bytes]]);
            (transcript.ring.len(), transcript.ring.capacity())
        };
        assert_eq!(append(START), (START, START));
        assert_eq!(append(8), (2 * START, 2 * START));
        assert_eq!(append(START - 8), (2 * START, 2 * START));
        assert_eq!(append(START), (2 * START + 10, 2 * START + 10));
        assert_eq!(transcript.tail(), START as u64);
        assert_eq!(said(&transcript, transcript.tail(), transcript.head()), vec![b'x'; 2 * START]);
    }

    #[test]
    fn the_memory_bound_is_enough_for_the_shortest_entries() {
        let window = ENTRY_BYTES_MIN * 4097;
        let mut transcript = Transcript::new(window);
        assert_eq!(transcript.window_bytes_max(), window);
        (0..5000).for_each(|author| transcript.append(author, &[b"x"]));
        let index = transcript.index.capacity() * size_of::<Entry>();
        let told = memory_bytes_max(window);
        assert!((transcript.ring.capacity() + index..2 * window + index).contains(&told), "{told}");
    }

    #[test]
    fn no_more_is_endangered_than_leaves_the_window() {
        let mut transcript = Transcript::new(4 * ENTRY_BYTES_MIN);
        (0..4).for_each(|author| transcript.append(author, &[b"x"]));
        for (reserve, endangered) in [(0, 0), (1, 1), (8, 1), (9, 2), (32, 4), (99, 4)] {
            assert_eq!(transcript.endangered_below(reserve), endangered, "{reserve}");
        }
    }

    /// The plainest thing that could be right: every entry ever said, and what is left of them.
    fn model(entries: &[Vec<u8>], window: usize) -> usize {
        let mut charged = 0;
        let kept = entries.iter().rev().take_while(|entry| {
            charged += charge(entry.len());
            charged <= window
        });
        entries.len() - kept.count()
    }

    proptest! {
        #![proptest_config(crate::cases())]

        #[test]
        fn the_window_is_the_end_of_what_was_said(
            window in 64usize..300_000,
            entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..64), 1..200),
            repeat in 1usize..40,
        ) {
            let entries: Vec<_> = entries.iter().cycle().take(entries.len() * repeat).cloned()
                .collect();
            let mut transcript = Transcript::new(window);
            for (author, entry) in entries.iter().enumerate() {
                let (front, back) = entry.split_at(entry.len() / 2);
                transcript.append(author as u64, &[front, back]);
            }
            let gone = model(&entries, window);
            let all = said(&transcript, transcript.tail(), transcript.head());
            prop_assert_eq!(all, entries[gone..].concat());
            let authors: Vec<u64> = transcript.lines_from(transcript.tail())
                .map(|line| line.author).collect();
            prop_assert_eq!(authors, (gone as u64..entries.len() as u64).collect::<Vec<_>>());
        }

        #[test]
        fn a_position_that_is_not_endangered_loses_nothing(
            window in 64usize..512,
            before in prop::collection::vec(1usize..48, 1..100),
            after in prop::collection::vec(1usize..48, 0..10),
        ) {
            let mut transcript = Transcript::new(window);
            for bytes in before {
                transcript.append(1, &[&vec![b'x'; bytes]]);
            }
            let reserve: usize = after.iter().map(|bytes| charge(*bytes)).sum();
            let safe = transcript.endangered_below(reserve);
            let tight = transcript.endangered_below(reserve.saturating_sub(48));
            prop_assert!(tight <= safe);
            for bytes in after {
                transcript.append(2, &[&vec![b'y'; bytes]]);
            }
            if reserve <= window {
                prop_assert!(transcript.tail() <= safe);
                prop_assert_eq!(transcript.tail(), safe);
            }
        }
    }
}
