//! The lines of a conversation: a bounded window of bytes that all readers share.
//!
//! A position is the number of bytes before it since the server started. Positions only grow, and a
//! reader's whole backlog is one of them. Only whole entries are appended: a line with its line
//! feed, or in raw mode a chunk as it was read. An index holds each entry's start and author.
//!
//! Bytes and index stand in pages, which all windows share. To append never forgets anything:
//! [`Transcript::forget_before`] is the only way out of the window, and one that is empty takes
//! no page.
//!
//! What always holds: `tail <= head`, both are the boundary of an entry, and every byte between
//! them can be read. The window holds at most `window_bytes_max` bytes, each entry charged as at
//! least [`ENTRY_BYTES_MIN`]: room is made before something is appended. This file knows neither
//! readers nor line ends.

use std::ops::Range;

use crate::room::pages::{Paged, Pages};

/// An entry shorter than this is charged as this much, because its place in the index takes room
/// too: without it a window full of one-byte entries would need sixteen windows of index.
/// The shortest line a client can cause (`guest1: a`) is longer, so this is felt in raw mode only.
pub const ENTRY_BYTES_MIN: usize = 8;

/// The bytes of a whole page: a turn stands in one or two. Measured: a flood costs 6 % more with
/// pages of 16 KiB, and 18 % more with pages of 4 KiB, since the kernel copies piece by piece.
pub const PAGE_BYTES: usize = 64 * 1024;

/// The entries of a page of the index.
pub const PAGE_ENTRIES: usize = 256;

type Bytes = Paged<u8, PAGE_BYTES>;
type Index = Paged<Entry, PAGE_ENTRIES>;

/// How many lines a search goes back: a tenth of a millisecond.
pub const LOOKS_MAX: usize = 10_000;

/// What an entry of `bytes` is charged.
pub fn charge(bytes: usize) -> usize {
    bytes.max(ENTRY_BYTES_MIN)
}

/// What is known of an entry beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The serial of the client that said it, or [`SERVER`].
    pub author: u64,
    /// When: in seconds since the server started.
    pub at_seconds: u32,
    /// What it is.
    pub kind: EntryKind,
    /// How many of its bytes are the name of its author, if that stands in it.
    pub name_bytes: u8,
}

/// What an entry is. The kind says where its name and its text stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// `NAME: TEXT`
    Say,
    /// `~ NAME TEXT`
    Me,
    /// `* TEXT`, the server's words. A client may have worded a part of them.
    Notice,
    /// Bytes as they came.
    Raw,
}

impl EntryKind {
    /// The parts of a line of this kind.
    pub fn parts<'a>(self, name: &'a str, text: &'a [u8]) -> [&'a [u8]; 5] {
        let (before, behind) = self.marks();
        [before.as_bytes(), name.as_bytes(), behind.as_bytes(), text, b"\n"]
    }

    /// All of them.
    pub const ALL: [EntryKind; 4] =
        [EntryKind::Say, EntryKind::Me, EntryKind::Notice, EntryKind::Raw];

    /// What stands before the name, or before the text if there is none; and between the two.
    pub const fn marks(self) -> (&'static str, &'static str) {
        match self {
            EntryKind::Say => ("", ": "),
            EntryKind::Me => ("~ ", " "),
            EntryKind::Notice => ("* ", ""),
            EntryKind::Raw => ("", ""),
        }
    }
}

/// An entry of which nothing is known but its author.
impl From<u64> for Stamp {
    fn from(author: u64) -> Stamp {
        Stamp { author, at_seconds: 0, kind: EntryKind::Raw, name_bytes: 0 }
    }
}

/// Where an entry starts, and its stamp.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u64,
    stamp: Stamp,
}

const _: () = assert!(size_of::<Entry>() == 24);

/// One entry of the transcript, found by [`Transcript::line_at`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// How many lines were said before it.
    pub number: u64,
    /// What is known of it.
    pub stamp: Stamp,
    /// The position of its first byte.
    pub start: u64,
    /// The position after its last byte.
    pub end: u64,
}

impl Line {
    /// Where the name of its author stands in the plain form.
    pub fn name(&self) -> Range<u64> {
        let start = self.start + self.stamp.kind.marks().0.len() as u64;
        start..start + u64::from(self.stamp.name_bytes)
    }

    /// Where its text stands in the plain form, without the line feed.
    pub fn text(&self) -> Range<u64> {
        let start = self.name().end + self.stamp.kind.marks().1.len() as u64;
        start..self.end - u64::from(self.stamp.kind != EntryKind::Raw)
    }
}

/// The author of what the server itself says; no client has this serial.
pub const SERVER: u64 = 0;

/// The author of what a client said before the server was started; no client has this serial.
pub const EARLIER: u64 = u64::MAX;

/// A bounded window of what has been said.
#[derive(Debug)]
pub struct Transcript {
    /// From tail to head.
    bytes: Bytes,
    /// The entries in the window, oldest first, each at its number; the first one starts at the
    /// tail.
    index: Index,
    window_bytes_max: usize,
    /// What the entries in the window are charged together.
    charged: usize,
}

impl Transcript {
    /// An empty transcript that will never hold more than `window_bytes_max` bytes.
    pub fn new(window_bytes_max: usize) -> Transcript {
        Transcript::starting_at(0, 0, window_bytes_max.max(ENTRY_BYTES_MIN))
    }

    fn starting_at(position: u64, number: u64, window_bytes_max: usize) -> Transcript {
        let (bytes, index) = (Bytes::starting_at(position), Index::starting_at(number));
        Transcript { bytes, index, window_bytes_max, charged: 0 }
    }

    /// An empty one with the same window, in which the next line has the same number. Its head lies
    /// behind every position of this one, each line of which may be so much longer there.
    pub fn continued(&self, line_bytes_more: usize) -> Transcript {
        let lines = self.lines_said();
        let head = self.head() + lines * line_bytes_more as u64;
        Transcript::starting_at(head, lines, self.window_bytes_max)
    }

    /// Gives the first line this number. It is our own fault if anything was said.
    pub fn begin_at(&mut self, number: u64) {
        debug_assert_eq!(self.head(), self.tail());
        self.index = Index::starting_at(number);
    }

    /// The position after the last byte said.
    pub fn head(&self) -> u64 {
        self.bytes.end()
    }

    /// The position of the first byte that can still be read.
    pub fn tail(&self) -> u64 {
        self.bytes.start()
    }

    /// The most bytes that the window ever holds.
    pub fn window_bytes_max(&self) -> usize {
        self.window_bytes_max
    }

    /// How many lines have been said.
    pub fn lines_said(&self) -> u64 {
        self.index.end()
    }

    /// What its pages are charged.
    pub fn held(&self) -> usize {
        self.bytes.held() + self.index.held()
    }

    /// What its pages would take more with one more entry of so many bytes.
    pub fn needs(&self, bytes: usize) -> usize {
        self.bytes.needs(bytes) + self.index.needs(1)
    }

    /// What the entries in the window are charged together.
    pub fn charged(&self) -> usize {
        self.charged
    }

    /// Moves what it holds into pages that fit, if those that it has are much too large.
    pub fn shrink(&mut self, pages: &mut Pages) {
        self.bytes.shrink(pages);
        self.index.shrink(pages);
    }

    /// Appends one entry, made of `parts` one after the other; new pages are taken from `pages`.
    ///
    /// Nothing is forgotten. It is our own fault if the entry is empty or the window has no room
    /// for it: see [`Transcript::endangered_below`].
    pub fn append(&mut self, pages: &mut Pages, stamp: impl Into<Stamp>, parts: &[&[u8]]) {
        let start = self.head();
        self.index.append(pages, &[Entry { start, stamp: stamp.into() }]);
        for part in parts {
            self.bytes.append(pages, part);
        }
        debug_assert!(self.head() > start);
        self.charged += charge((self.head() - start) as usize);
        debug_assert!(self.charged <= self.window_bytes_max, "{self:?}");
        self.check();
    }

    /// Forgets the entries before the one that holds the byte at `position`; what that frees is
    /// given back to `pages`.
    pub fn forget_before(&mut self, pages: &mut Pages, position: u64) {
        let number = match self.line_at(position.max(self.tail())) {
            Some(line) => line.number,
            None => self.index.end(),
        };
        let gone = self.index.start()..number;
        self.charged -= gone.map(|number| self.charge_of(number)).sum::<usize>();
        let tail = self.start_of(number);
        self.index.forget_before(pages, number);
        self.bytes.forget_before(pages, tail);
        self.check();
    }

    /// Forgets everything, so that it holds no page any more. To be called before it is dropped.
    pub fn free(&mut self, pages: &mut Pages) {
        self.forget_before(pages, self.head());
        debug_assert_eq!(self.held(), 0);
    }

    /// The bytes from `from` to `to`, in order, as pieces none of which is empty.
    ///
    /// Both must lie between tail and head.
    pub fn bytes(&self, from: u64, to: u64) -> impl Iterator<Item = &[u8]> {
        self.bytes.pieces(from, to)
    }

    /// The same in one piece, which is a copy.
    pub fn text(&self, from: u64, to: u64) -> Vec<u8> {
        let mut text = Vec::with_capacity((to - from) as usize);
        self.bytes(from, to).for_each(|piece| text.extend_from_slice(piece));
        text
    }

    /// The line that holds the byte at `position`, or `None` at the head.
    pub fn line_at(&self, position: u64) -> Option<Line> {
        debug_assert!(self.tail() <= position);
        if position >= self.head() {
            return None;
        }
        let after = self.index.partition_point(|entry| entry.start <= position);
        Some(self.line(after - 1))
    }

    /// The starts and the authors of the lines from the one that starts at `position`, or behind
    /// it, to the newest: what a reader that hides authors looks at for every line.
    pub fn authors_from(&self, position: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        let first = self.index.partition_point(|entry| entry.start < position);
        let entries = self.index.pieces(first, self.index.end()).flatten();
        entries.map(|entry| (entry.start, entry.stamp.author))
    }

    /// The lines from the one that starts at `position` to the newest.
    pub fn lines_from(&self, position: u64) -> impl Iterator<Item = Line> + '_ {
        let first = self.index.partition_point(|entry| entry.start < position);
        (first..self.index.end()).map(|number| self.line(number))
    }

    /// The number of the first line that starts at or after `position`, and where it starts.
    ///
    /// At the head this is the line that will be said next.
    pub fn start_at_or_after(&self, position: u64) -> (u64, u64) {
        let number = self.index.partition_point(|entry| entry.start < position);
        (number, self.start_of(number))
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
        let newest = (self.index.start()..self.index.end()).rev().take(LOOKS_MAX);
        let newest = newest.map(|number| self.line(number)).filter(&is_wanted);
        let newest = newest.take(lines).map_while(|line| {
            left = left.checked_sub((line.end - line.start) as usize)?;
            Some(line)
        });
        let mut lines: Vec<Line> = newest.collect();
        lines.reverse();
        lines
    }

    /// The position below which all must be forgotten before entries charged `reserve` together
    /// are appended. It is the tail when there is room for them.
    pub fn endangered_below(&self, reserve: usize) -> u64 {
        let excess = (self.charged + reserve).saturating_sub(self.window_bytes_max);
        if excess == 0 {
            return self.tail();
        }
        let padded = self.charged as u64 != self.head() - self.tail();
        if !padded {
            return self.start_at_or_after(self.tail() + excess as u64).1;
        }
        let mut freed = 0;
        let still_needed = |number: &u64| {
            let needed = freed < excess;
            freed += self.charge_of(*number);
            needed
        };
        let leaving = (self.index.start()..self.index.end()).take_while(still_needed).count();
        self.start_of(self.index.start() + leaving as u64)
    }

    /// Where the line with this number starts; the head if it is the next to be said.
    fn start_of(&self, number: u64) -> u64 {
        self.index.get(number).map_or(self.head(), |entry| entry.start)
    }

    /// Where the line with this number starts, or the oldest one that is kept after it.
    pub fn kept_start_of(&self, number: u64) -> u64 {
        self.start_of(number.max(self.index.start()))
    }

    /// The line with this number, which must be in the window.
    fn line(&self, number: u64) -> Line {
        let (start, end) = (self.start_of(number), self.start_of(number + 1));
        let stamp = self.index.get(number).map_or(SERVER.into(), |entry| entry.stamp);
        Line { number, stamp, start, end }
    }

    fn charge_of(&self, number: u64) -> usize {
        let line = self.line(number);
        charge((line.end - line.start) as usize)
    }

    fn check(&self) {
        debug_assert!(self.tail() <= self.head());
        debug_assert_eq!(self.tail(), self.start_of(self.index.start()));
        debug_assert!(self.head() - self.tail() <= self.charged as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One transcript and the pages for it alone.
    struct Alone {
        transcript: Transcript,
        pages: Pages,
    }

    impl Alone {
        fn new(window: usize) -> Alone {
            Alone { transcript: Transcript::new(window), pages: Pages::new(1 << 24) }
        }

        /// Appends, when the oldest entries have made room if they must.
        fn append(&mut self, stamp: impl Into<Stamp>, parts: &[&[u8]]) {
            let bytes = parts.iter().map(|part| part.len()).sum();
            let tail = self.transcript.endangered_below(charge(bytes));
            self.forget_before(tail);
            self.transcript.append(&mut self.pages, stamp, parts);
            assert_eq!(self.pages.held(), self.transcript.held());
        }

        fn forget_before(&mut self, position: u64) {
            self.transcript.forget_before(&mut self.pages, position);
            assert_eq!(self.pages.held(), self.transcript.held());
        }

        fn window(&self) -> Vec<u8> {
            self.transcript.text(self.transcript.tail(), self.transcript.head())
        }
    }

    #[test]
    fn what_is_appended_can_be_read_until_it_is_forgotten() {
        let mut alone = Alone::new(64);
        alone.append(1, &[b"guest1: ", b"hello", b"\n"]);
        alone.append(SERVER, &[b"* guest1 left\n"]);
        assert_eq!(alone.window(), b"guest1: hello\n* guest1 left\n");
        alone.append(2, &[b"guest2: bye\n"]);
        alone.forget_before(14);
        let transcript = &alone.transcript;
        assert_eq!((transcript.tail(), transcript.head()), (14, 40));
        assert_eq!(alone.window(), b"* guest1 left\nguest2: bye\n");
        assert_eq!(transcript.lines_said(), 3);
    }

    #[test]
    fn only_whole_entries_are_forgotten() {
        let mut alone = Alone::new(64);
        (0..3).for_each(|author| alone.append(author, &[b"ten bytes\n"]));
        for (position, tail) in [(9, 0), (10, 10), (19, 10), (5, 10), (29, 20), (30, 30)] {
            alone.forget_before(position);
            assert_eq!(alone.transcript.tail(), tail, "{position}");
        }
        assert_eq!((alone.transcript.held(), alone.transcript.lines_said()), (0, 3));
    }

    #[test]
    fn a_position_inside_a_line_finds_the_line() {
        let mut alone = Alone::new(64);
        alone.append(7, &[b"first line\n"]);
        alone.append(8, &[b"second line\n"]);
        let transcript = &alone.transcript;
        let second = Line { number: 1, stamp: 8.into(), start: 11, end: 23 };
        assert_eq!(transcript.line_at(11), Some(second));
        assert_eq!(transcript.line_at(22), Some(second));
        assert_eq!(transcript.line_at(23), None);
        assert_eq!(transcript.start_at_or_after(1), (1, 11));
        assert_eq!(transcript.start_at_or_after(12), (2, 23));
    }

    #[test]
    fn the_newest_lines_are_bounded_by_count_and_by_bytes() {
        let mut alone = Alone::new(256);
        for _ in 0..10 {
            alone.append(1, &[b"ten bytes\n"]);
        }
        let starts = |lines, bytes_max| -> Vec<u64> {
            let newest = alone.transcript.newest(lines, bytes_max, |_| true);
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
        let mut alone = Alone::new(16 * LOOKS_MAX);
        alone.append(1, &[b"one\n"]);
        let mut looks = Vec::new();
        for notices in [LOOKS_MAX - 1, 1] {
            for _ in 0..notices {
                alone.append(SERVER, &[b"* notice\n"]);
            }
            let count = std::cell::Cell::new(0);
            let newest = alone.transcript.newest(5, 1000, |line| {
                count.set(count.get() + 1);
                line.stamp.author != SERVER
            });
            looks.push((newest.len(), count.get()));
        }
        assert_eq!(looks, [(1, LOOKS_MAX), (0, LOOKS_MAX)]);
    }

    #[test]
    fn a_line_knows_where_its_name_and_its_text_stand() {
        let mut alone = Alone::new(1000);
        for (kind, name, line) in [
            (EntryKind::Say, "철수", "철수: 안녕\n"),
            (EntryKind::Me, "bob", "~ bob waves\n"),
            (EntryKind::Notice, "", "* bob left\n"),
            (EntryKind::Raw, "", "bytes"),
        ] {
            let name_bytes = name.len() as u8;
            let stamp = Stamp { author: 7, at_seconds: 9, kind, name_bytes };
            let start = alone.transcript.head();
            alone.append(stamp, &[line.as_bytes()]);
            let said = alone.transcript.line_at(start).unwrap();
            let text = |span: Range<u64>| {
                String::from_utf8(alone.transcript.text(span.start, span.end)).unwrap()
            };
            let (first, second) = kind.marks();
            let end = if kind == EntryKind::Raw { "" } else { "\n" };
            assert_eq!(said.stamp, stamp);
            assert_eq!(text(said.name()), name);
            assert_eq!(format!("{first}{name}{second}{}{end}", text(said.text())), line);
        }
    }

    #[test]
    fn a_short_transcript_holds_little() {
        let mut alone = Alone::new(1 << 22);
        assert_eq!(alone.transcript.held(), 0);
        let needed = alone.transcript.needs(6);
        alone.append(1, &[b"hello\n"]);
        assert_eq!(alone.transcript.held(), needed);
        assert!(needed < 2500, "{needed}");
    }

    #[test]
    fn no_more_is_endangered_than_must_leave_the_window() {
        let mut alone = Alone::new(4 * ENTRY_BYTES_MIN);
        (0..4).for_each(|author| alone.append(author, &[b"x"]));
        for (reserve, endangered) in [(0, 0), (1, 1), (8, 1), (9, 2), (32, 4), (99, 4)] {
            assert_eq!(alone.transcript.endangered_below(reserve), endangered, "{reserve}");
        }
    }

    #[test]
    fn one_that_goes_on_in_another_form_gives_its_own_pages_back() {
        let mut alone = Alone::new(64);
        alone.append(1, &[b"one\n"]);
        let mut other = alone.transcript.continued(1);
        assert_eq!((other.held(), other.lines_said(), other.tail()), (0, 1, 5));
        other.append(&mut alone.pages, 1, &[b"two\r\n"]);
        assert_eq!(other.bytes(5, 10).collect::<Vec<_>>(), [b"two\r\n"]);
        assert_eq!(alone.pages.held(), alone.transcript.held() + other.held());
        other.free(&mut alone.pages);
        alone.transcript.free(&mut alone.pages);
        assert_eq!(alone.pages.held(), 0);
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
            let mut alone = Alone::new(window);
            for (author, entry) in entries.iter().enumerate() {
                let (front, back) = entry.split_at(entry.len() / 2);
                alone.append(author as u64, &[front, back]);
            }
            let gone = model(&entries, window);
            prop_assert_eq!(alone.window(), entries[gone..].concat());
            let transcript = &alone.transcript;
            let authors: Vec<u64> = transcript.lines_from(transcript.tail())
                .map(|line| line.stamp.author).collect();
            prop_assert_eq!(authors, (gone as u64..entries.len() as u64).collect::<Vec<_>>());
        }

        #[test]
        fn what_is_not_endangered_leaves_room_for_the_reserve(
            window in 64usize..512,
            before in prop::collection::vec(1usize..48, 1..100),
            reserve in 0usize..512,
        ) {
            let mut alone = Alone::new(window);
            for bytes in before {
                alone.append(1, &[&vec![b'x'; bytes]]);
            }
            let safe = alone.transcript.endangered_below(reserve);
            prop_assert!(alone.transcript.endangered_below(reserve.saturating_sub(48)) <= safe);
            // One entry less, and there would not be.
            if safe > alone.transcript.tail() && reserve <= window {
                alone.forget_before(safe - 1);
                prop_assert!(alone.transcript.charged + reserve > window);
            }
            alone.forget_before(safe);
            prop_assert_eq!(alone.transcript.tail(), safe);
            prop_assert!(alone.transcript.charged + reserve <= window || reserve > window);
        }
    }
}
