//! Bytes in, lines out.
//!
//! What a client means by its bytes is told by how it sends them. The rules of this file:
//!
//! - LF, CR LF, CR NUL (telnet) and a lone CR (raw `socat`) all end a line; empty lines are
//!   nothing. NULs around a line are no text: C programs send the NUL of a string, or the whole
//!   zeroed buffer. Where a client ends lines with nothing else, a NUL ends one. A byte order mark
//!   at the beginning of a line is no text either.
//! - Where keys come one by one, or by telnet, BS, DEL and Ctrl-U take back a character or the
//!   line, as a terminal would: see [`erase`].
//! - A line of more than [`LineRules::line_bytes_max`] is discarded to its end and told of once.
//!   One of more than [`LineRules::endless_bytes_max`] is [`Found::Endless`].
//! - However the bytes are cut into reads, the lines are the same.
//! - A client that has never ended a line may be one that never will (a script that sends each
//!   message as a chunk). Its unterminated chunk is a line once it has been quiet: [`Lines::due`].
//!   One that has also ended lines is given more time. One that has always ended what it sent is
//!   waited for: only when it goes on with another chunk, the one before is a line.
//! - A client whose keys come one by one ends its lines itself. Two single characters that come
//!   one after the other, before the first became a line, are such keys.
//! - The beginning of a UTF-8 character waits for its rest, for [`CHARACTER_WAIT`].
//! - In raw mode there are no lines: what was read is handed out as it came, in whole characters.
//!
//! It never reads a socket or a clock and does not know what a line means.

use std::ops::Range;
use std::time::{Duration, Instant};

use memchr::{memchr2, memchr3};

use super::erase;

/// How long the rest of a character is waited for, if nothing else follows it. A lost packet comes
/// again within a few seconds.
pub const CHARACTER_WAIT: Duration = Duration::from_secs(5);

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What is a line, and how long it may be.
#[derive(Clone, Copy, Debug)]
pub struct LineRules {
    /// The most bytes of a line, without its end; of a chunk in raw mode.
    pub line_bytes_max: usize,
    /// The most bytes of a discarded line before its sender is given up, whether its end has come
    /// by then or not.
    pub endless_bytes_max: usize,
    /// An unterminated chunk is a line after this much quiet. A person's pause is longer, a
    /// network's usual jitter shorter; two messages sent closer together may become one.
    pub chunk_quiet: Duration,
    /// A chunk is a line at the latest this long after its first byte; and a chunk of one character
    /// waits as long, since it may be a terminal that sends each key as it is typed.
    pub chunk_age_max: Duration,
    /// What a client has sent without an end is a line after this much quiet, if it has ended lines
    /// before. The rest may be on its way: a lost packet comes again within a second or two.
    pub line_wait: Duration,
    /// Chunks as they come instead of lines.
    pub raw: bool,
}

/// What a client has sent, as far as it can be told yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A whole line, or in raw mode a chunk: see [`Lines::line`]. Never empty.
    Line,
    /// A line longer than allowed; it is being discarded.
    TooLong,
    /// So long without an end that there is no hope for one.
    Endless,
    /// No whole line yet.
    NotYet,
}

/// How a client has ended its lines so far, and so what a rest without an end is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Habit {
    /// Not at all: the rest is a line once it has been quiet.
    #[default]
    Chunks,
    /// With line ends, but what came last had none: the rest is a line after a while.
    Mixed,
    /// With line ends, behind all that was read: the rest is none before its end comes.
    Lines,
    /// Not yet, but its keys come one by one: the rest is none before its end comes.
    Keys,
    /// As one that types, and it has ended a line; or as telnet does.
    Typed,
}

impl Habit {
    /// Whether a terminal stands behind it that edits no line by itself.
    fn is_typed(self) -> bool {
        matches!(self, Habit::Keys | Habit::Typed)
    }
}

/// With what a client has ended a line so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Ends {
    /// Nothing, or NULs.
    #[default]
    None,
    LineFeed,
    /// Once with a CR, alone or with more behind it.
    Cr,
}

/// The bytes of one client that are not yet whole lines.
#[derive(Debug, Default)]
pub struct Lines {
    /// `None`, so without an allocation, when nothing is pending.
    pending: Option<Box<Pending>>,
    habit: Habit,
    ends: Ends,
    /// A line was too long and [`Lines::consume`] has not been called for it.
    long_untold: bool,
}

/// `start <= searched <= bytes.len()`; no line ends in `start..searched`.
#[derive(Debug)]
struct Pending {
    bytes: Vec<u8>,
    start: usize,
    searched: usize,
    /// The line that was found last, and where it ends.
    line: Range<usize>,
    end: usize,
    /// What stands before this is a line though it has no end.
    cut_at: usize,
    /// How many bytes of the present, too long line have been thrown away; 0 for a normal line.
    discarded: usize,
    /// When the first byte of the present line was read, and the newest.
    since: Instant,
    last: Instant,
}

impl Pending {
    fn new(since: Instant) -> Pending {
        let (bytes, line) = (Vec::new(), 0..0);
        Pending {
            bytes,
            start: 0,
            searched: 0,
            line,
            end: 0,
            cut_at: 0,
            discarded: 0,
            since,
            last: since,
        }
    }

    fn text(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    fn is_empty(&self) -> bool {
        self.start == self.bytes.len() && self.discarded == 0
    }

    /// Where the present line ends, and the byte that ends it, if that has come.
    fn find_end(&self, ends: Ends) -> (usize, Option<u8>) {
        let rest = &self.bytes[self.searched..];
        let found = if ends == Ends::None {
            memchr3(b'\n', b'\r', 0, rest)
        } else {
            memchr2(b'\n', b'\r', rest)
        };
        match found {
            Some(at) => (self.searched + at, Some(rest[at])),
            None => (self.bytes.len(), None),
        }
    }

    /// The line ends here: what is taken back and the NULs around it are no part of it.
    fn take(&mut self, end: usize, habit: Habit) {
        if habit.is_typed() {
            self.start = end - erase::take_back(&mut self.bytes[self.start..end]);
        }
        let text = trimmed(&self.bytes[self.start..end]);
        self.line = self.start + text.start..self.start + text.end;
        self.end = end;
        if self.line.is_empty() {
            self.start = end;
        }
    }

    /// Throws away what has come of a line that is too long.
    fn discard_to(&mut self, end: usize) {
        self.discarded = self.discarded.saturating_add(end - self.start);
        self.start = end;
        self.searched = end;
        if self.start == self.bytes.len() {
            self.bytes = Vec::new();
            (self.start, self.searched, self.cut_at) = (0, 0, 0);
        }
    }
}

impl Lines {
    /// Takes in what was read. Call [`Lines::find`] until it says [`Found::NotYet`] before pushing
    /// more, or the buffer grows.
    pub fn push(&mut self, bytes: &[u8], rules: &LineRules, now: Instant) {
        if bytes.is_empty() {
            return;
        }
        let pending = self.pending.get_or_insert_with(|| Box::new(Pending::new(now)));
        pending.bytes.drain(..pending.start);
        pending.searched -= pending.start;
        (pending.start, pending.cut_at) = (0, 0);
        if !rules.raw {
            self.habit = habit_with(self.habit, pending, bytes, rules, now);
        }
        pending.bytes.extend_from_slice(bytes);
        pending.last = now;
    }

    /// Looks for the next line. It stays where it is: [`Lines::consume`] goes on to the one after.
    pub fn find(&mut self, rules: &LineRules) -> Found {
        if rules.raw {
            return self.find_chunk(rules);
        }
        loop {
            if self.long_untold {
                return Found::TooLong;
            }
            if self.pending.as_ref().is_some_and(|its| its.discarded > rules.endless_bytes_max) {
                return Found::Endless;
            }
            self.skip_line_ends();
            let Some(pending) = self.pending.as_deref_mut() else { return Found::NotYet };
            if pending.start == pending.bytes.len() {
                return Found::NotYet;
            }
            let (mut end, ended_by) = pending.find_end(self.ends);
            let is_cut = pending.cut_at > pending.start;
            if is_cut {
                end = end.min(pending.cut_at);
            }
            let text = trimmed(&pending.bytes[pending.start..end]);
            // NULs behind the text count for nothing, but they are not kept without a bound.
            let is_endless = end - pending.start > rules.endless_bytes_max;
            if pending.discarded > 0 || text.len() > rules.line_bytes_max || is_endless {
                self.long_untold = pending.discarded == 0;
                pending.discard_to(end);
                continue;
            }
            pending.searched = end;
            if ended_by.is_none() && !is_cut {
                return Found::NotYet;
            }
            pending.take(end, self.habit);
            if !pending.line.is_empty() {
                return Found::Line;
            }
        }
    }

    /// The line that [`Lines::find`] has found.
    pub fn line(&self) -> &[u8] {
        self.pending.as_deref().map_or(&[], |its| &its.bytes[its.line.clone()])
    }

    /// Goes on behind what [`Lines::find`] has found.
    pub fn consume(&mut self, rules: &LineRules, now: Instant) {
        if std::mem::take(&mut self.long_untold) {
            return;
        }
        let Some(pending) = &mut self.pending else { return };
        (pending.start, pending.since) = (pending.end, now);
        pending.searched = pending.searched.max(pending.end);
        match rules.raw {
            true => self.forget_if_empty(),
            false => self.skip_line_ends(),
        }
    }

    /// Makes a line of what is pending, though it has no end: it was due, or the input ended.
    pub fn cut(&mut self) {
        if let Some(pending) = &mut self.pending {
            pending.discarded = 0;
            pending.cut_at = pending.bytes.len();
        }
        self.forget_if_empty();
    }

    /// The bytes that are waiting for the rest of their line, and whole lines not taken yet.
    pub fn pending(&self) -> &[u8] {
        self.pending.as_deref().map_or(&[], Pending::text)
    }

    /// Whether bytes are waiting for the rest of their line.
    pub fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Whether all that is pending is taken as a line though it has no end.
    pub fn is_cut(&self) -> bool {
        self.pending.as_deref().is_some_and(|its| its.cut_at == its.bytes.len())
    }

    /// Whether a line end has come with what is pending.
    pub fn has_end(&self) -> bool {
        memchr2(b'\n', b'\r', self.pending()).is_some()
    }

    /// When the first byte of what is pending was read.
    pub fn since(&self) -> Option<Instant> {
        self.pending.as_deref().map(|its| its.since)
    }

    /// Whether it has ended a line with a CR, as telnet and Windows do.
    pub fn ends_in_cr(&self) -> bool {
        self.ends == Ends::Cr
    }

    /// The client is known to end its lines itself: an unterminated rest is none.
    pub fn expect_line_ends(&mut self) {
        self.habit = Habit::Typed;
        self.note_end(b'\n');
    }

    /// When what is pending is a line though it has no end; `None` if never.
    ///
    /// Call it only when there is nothing more to read for now, and then [`Lines::cut`].
    pub fn due(&self, rules: &LineRules) -> Option<Instant> {
        let pending = self.pending.as_deref()?;
        let (text, last) = (pending.text(), pending.last);
        if rules.raw {
            // All but the beginning of a character is handed out at once.
            return Some(last + CHARACTER_WAIT);
        }
        let due = match self.habit {
            Habit::Lines | Habit::Keys | Habit::Typed => return None,
            // What comes later would be a line, but is of the one thrown away.
            Habit::Mixed if pending.discarded > 0 => return None,
            Habit::Mixed => last + rules.line_wait,
            Habit::Chunks if is_one_character(text) => pending.since + rules.chunk_age_max,
            Habit::Chunks => (last + rules.chunk_quiet).min(pending.since + rules.chunk_age_max),
        };
        let is_whole = whole_characters(text) == text.len();
        Some(if is_whole { due } else { due.max(last + CHARACTER_WAIT) })
    }

    fn find_chunk(&mut self, rules: &LineRules) -> Found {
        let Some(pending) = self.pending.as_deref_mut() else { return Found::NotYet };
        let text = pending.text();
        let longest = &text[..text.len().min(rules.line_bytes_max)];
        let is_cut = pending.cut_at > pending.start;
        let whole = match whole_characters(longest) {
            0 if is_cut || text.len() > longest.len() => longest.len(),
            whole => whole,
        };
        pending.end = pending.start + whole;
        pending.line = pending.start..pending.end;
        if whole == 0 { Found::NotYet } else { Found::Line }
    }

    fn note_end(&mut self, byte: u8) {
        match byte {
            b'\r' => self.ends = Ends::Cr,
            b'\n' if self.ends == Ends::None => self.ends = Ends::LineFeed,
            _ => return,
        }
        if self.habit == Habit::Keys {
            self.habit = Habit::Typed;
        }
    }

    /// Steps over what is no text at the start: the end of the line just taken, empty lines, NULs
    /// and byte order marks.
    fn skip_line_ends(&mut self) {
        while let Some(pending) = self.pending.as_deref_mut() {
            let is_discarding = pending.discarded > 0;
            let skipped = match pending.text() {
                [b'\n' | b'\r', ..] => 1,
                [0, ..] if !is_discarding || self.ends == Ends::None => 1,
                text if !is_discarding && text.starts_with(BYTE_ORDER_MARK) => {
                    BYTE_ORDER_MARK.len()
                }
                _ => break,
            };
            let byte = pending.bytes[pending.start];
            pending.start += skipped;
            pending.searched = pending.searched.max(pending.start);
            pending.discarded = 0;
            self.note_end(byte);
            self.forget_if_empty();
        }
        self.forget_if_empty();
    }

    fn forget_if_empty(&mut self) {
        if self.pending.as_deref().is_some_and(Pending::is_empty) {
            self.pending = None;
        }
    }
}

/// What the habit is when these bytes come behind what is pending. What a client has left without
/// an end is a line when it goes on in whole chunks.
fn habit_with(
    habit: Habit,
    pending: &mut Pending,
    bytes: &[u8],
    rules: &LineRules,
    now: Instant,
) -> Habit {
    let has_end = memchr2(b'\n', b'\r', bytes).is_some();
    let ends = matches!(bytes.last(), Some(b'\n' | b'\r'));
    let is_left = |wait| !pending.bytes.is_empty() && now >= pending.last + wait;
    match habit {
        Habit::Chunks if is_one_character(bytes) && is_one_character(&pending.bytes) => Habit::Keys,
        Habit::Chunks | Habit::Mixed | Habit::Lines if ends => Habit::Lines,
        Habit::Chunks | Habit::Lines if has_end => Habit::Mixed,
        Habit::Lines if is_left(rules.line_wait) => {
            pending.cut_at = pending.bytes.len();
            Habit::Mixed
        }
        Habit::Keys if is_chunk(bytes) && is_left(rules.chunk_age_max) => {
            pending.cut_at = pending.bytes.len();
            Habit::Chunks
        }
        habit => habit,
    }
}

/// Where the text stands between the NULs around it.
fn trimmed(bytes: &[u8]) -> Range<usize> {
    let is_text = |byte: &u8| *byte != 0;
    let start = bytes.iter().position(is_text).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(is_text).map_or(start, |last| last + 1);
    start..end
}

/// Whether these are more than one key: two characters begin.
fn is_chunk(bytes: &[u8]) -> bool {
    bytes.iter().filter(|byte| **byte & 0b1100_0000 != 0b1000_0000).count() > 1
}

fn is_one_character(bytes: &[u8]) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.chars().count() == 1,
        Err(error) => error.valid_up_to() == 0 && error.error_len().is_none(),
    }
}

/// How many of these bytes there are before a UTF-8 character that is still incomplete.
///
/// Bytes that can be no character at all count as whole: waiting would not mend them.
fn whole_characters(bytes: &[u8]) -> usize {
    let last = bytes.iter().rposition(|byte| byte & 0b1100_0000 != 0b1000_0000).unwrap_or(0);
    match std::str::from_utf8(&bytes[last..]) {
        Err(error) if error.error_len().is_none() => last,
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: LineRules = LineRules {
        line_bytes_max: 16,
        endless_bytes_max: 64,
        chunk_quiet: Duration::from_millis(200),
        chunk_age_max: Duration::from_secs(1),
        line_wait: Duration::from_secs(2),
        raw: false,
    };
    const RAW: LineRules = LineRules { raw: true, ..RULES };

    /// Everything that comes of these reads, each piece as text.
    fn read(rules: &LineRules, reads: &[&[u8]], eof: bool) -> Vec<String> {
        let mut lines = Lines::default();
        let mut said = Vec::new();
        for bytes in reads {
            lines.push(bytes, rules, Instant::now());
            take_all(&mut lines, rules, &mut said);
        }
        if eof {
            lines.cut();
            take_all(&mut lines, rules, &mut said);
        }
        said
    }

    fn take_all(lines: &mut Lines, rules: &LineRules, said: &mut Vec<String>) {
        for _ in 0..1000 {
            said.push(match lines.find(rules) {
                Found::Line => String::from_utf8_lossy(lines.line()).into_owned(),
                Found::TooLong => "<too long>".to_owned(),
                Found::Endless => return said.push("<endless>".to_owned()),
                Found::NotYet => return,
            });
            lines.consume(rules, Instant::now());
        }
        panic!("there is no end to what is said");
    }

    #[test]
    fn every_kind_of_line_end_counts_and_empty_lines_are_nothing() {
        let input: &[u8] = b"a\nb\r\nc\rd\r\0e\n\n\r\n\0f\n";
        assert_eq!(read(&RULES, &[input], false), ["a", "b", "c", "d", "e", "f"]);
        assert_eq!(read(&RULES, &[b"a\n"], true), ["a"]);
    }

    #[test]
    fn nuls_around_a_line_are_no_text_and_count_for_no_limit() {
        assert_eq!(read(&RULES, &[b"\0\0a\0b\0\0\n\0c\0\n"], false), ["a", "b", "c"]);
        assert_eq!(read(&RULES, &[b"x\n\0a\0b\0\0\n"], false), ["x", "a\0b"]);
        let padded = [&b"x\n0123456789abcdef"[..], &[0; 40], b"\n", &[0; 99], b"y\n"].concat();
        assert_eq!(read(&RULES, &[&padded], false), ["x", "0123456789abcdef", "y"]);
        assert_eq!(read(&RULES, &[b"x\ny", &[0; 99]], false), ["x", "<too long>", "<endless>"]);
    }

    #[test]
    fn a_nul_ends_the_lines_of_a_client_without_other_line_ends() {
        assert_eq!(
            read(&RULES, &[b"hello\0world\0", b"/who\0"], false),
            ["hello", "world", "/who"]
        );
        assert_eq!(read(&RULES, &[&[b'x'; 17], b"\0hello\0"], false), ["<too long>", "hello"]);
    }

    #[test]
    fn a_byte_order_mark_at_the_beginning_of_a_line_is_no_text() {
        let mark = BYTE_ORDER_MARK;
        assert_eq!(read(&RULES, &[mark, b"a\n", mark, b"\n", &mark[..2], &mark[2..]], true), ["a"]);
        assert_eq!(read(&RULES, &[b"a", mark, b"\n"], false), ["a\u{feff}"]);
    }

    #[test]
    fn what_was_typed_and_taken_back_is_no_part_of_the_line() {
        let mut lines = Lines::default();
        lines.expect_line_ends();
        let mut said = Vec::new();
        for typed in [&b"hellp"[..], b"\x08o\n\x7f\x08\n", b"x\x15\0y\n"] {
            lines.push(typed, &RULES, Instant::now());
            take_all(&mut lines, &RULES, &mut said);
        }
        assert_eq!(said, ["hello", "y"]);
        assert_eq!(read(&RULES, &[b"a\x08\x7fb\n"], false), ["a\x08\x7fb"]);
    }

    #[test]
    fn the_end_of_a_line_goes_with_it() {
        let (mut lines, now) = (Lines::default(), Instant::now());
        lines.push(b"a\r\n\n", &RULES, now);
        assert_eq!((lines.find(&RULES), lines.line()), (Found::Line, &b"a"[..]));
        lines.consume(&RULES, now);
        assert!(!lines.is_pending());
    }

    #[test]
    fn a_line_split_across_reads_is_whole() {
        assert_eq!(read(&RULES, &[b"hel", b"lo\nwor", b"ld"], false), ["hello"]);
        assert_eq!(read(&RULES, &[b"hel", b"lo\nwor", b"ld"], true), ["hello", "world"]);
    }

    #[test]
    fn a_line_of_the_limit_passes_and_one_byte_more_is_told_once() {
        let sixteen: &[u8] = b"0123456789abcdef\n";
        let more: &[u8] = b"0123456789abcdefg\nnext\n";
        assert_eq!(read(&RULES, &[sixteen], false), ["0123456789abcdef"]);
        assert_eq!(read(&RULES, &[&sixteen[..16], b"\n"], false), ["0123456789abcdef"]);
        assert_eq!(read(&RULES, &[more], false), ["<too long>", "next"]);
        let (first, second) = more.split_at(17);
        assert_eq!(read(&RULES, &[first, second], false), ["<too long>", "next"]);
        assert_eq!(read(&RULES, &[first, b"x", b"\r", b"\0next\n"], false), ["<too long>", "next"]);
    }

    #[test]
    fn a_line_without_an_end_is_given_up() {
        let endless = [b'x'; 65];
        assert_eq!(read(&RULES, &[&endless[..64]], false), ["<too long>"]);
        assert_eq!(read(&RULES, &[&endless], false), ["<too long>", "<endless>"]);
        assert_eq!(read(&RULES, &[&endless[..64], b"\nback\n"], false), ["<too long>", "back"]);
    }

    #[test]
    fn a_line_that_is_given_up_is_so_however_soon_its_end_comes() {
        let endless = [&[b'x'; 65][..], b"\nback\n"].concat();
        for cut in 0..endless.len() {
            let reads = [&endless[..cut], &endless[cut..]];
            assert_eq!(read(&RULES, &reads, false)[..2], ["<too long>", "<endless>"], "{cut}");
        }
    }

    #[test]
    fn a_too_long_chunk_ends_where_it_is_cut() {
        let mut lines = Lines::default();
        let mut said = Vec::new();
        for more in [&[b'x'; 20][..], b"xx"] {
            lines.push(more, &RULES, Instant::now());
            take_all(&mut lines, &RULES, &mut said);
        }
        lines.cut();
        lines.push(b"hello", &RULES, Instant::now());
        lines.cut();
        take_all(&mut lines, &RULES, &mut said);
        assert_eq!(said, ["<too long>", "hello"]);
    }

    #[test]
    fn what_waits_can_be_seen() {
        let mut lines = Lines::default();
        lines.push(b"one\ntw", &RULES, Instant::now());
        assert_eq!(lines.pending(), b"one\ntw");
        take_all(&mut lines, &RULES, &mut Vec::new());
        assert_eq!(lines.pending(), b"tw");
    }

    #[test]
    fn nothing_pending_holds_no_memory() {
        let mut lines = Lines::default();
        lines.push(b"hello\r\n", &RULES, Instant::now());
        take_all(&mut lines, &RULES, &mut Vec::new());
        assert!(!lines.is_pending());
        assert!(size_of::<Lines>() <= 16);
    }

    /// What is said when these come, each so many milliseconds after the one before.
    fn timed(reads: &[(u64, &str)]) -> Vec<String> {
        let (mut lines, mut now, mut said) = (Lines::default(), Instant::now(), Vec::new());
        for (ms, text) in reads.iter().chain([&(60_000, "")]) {
            now += Duration::from_millis(*ms);
            if lines.due(&RULES).is_some_and(|due| due <= now) {
                lines.cut();
                take_all(&mut lines, &RULES, &mut said);
            }
            if !text.is_empty() {
                lines.push(text.as_bytes(), &RULES, now);
            }
            take_all(&mut lines, &RULES, &mut said);
        }
        said
    }

    #[test]
    fn a_chunk_is_a_line_after_quiet_one_character_after_a_second() {
        assert_eq!(timed(&[(0, "hello"), (200, "world")]), ["hello", "world"]);
        assert_eq!(timed(&[(0, "hel"), (199, "lo")]), ["hello"]);
        let steady: Vec<(u64, &str)> = (0..8).map(|_| (150, "ab")).collect();
        assert_eq!(timed(&steady), ["ababababababab", "ab"]);
        assert_eq!(timed(&[(0, "네"), (1000, "네"), (1000, "word")]), ["네", "네", "word"]);
        assert_eq!(timed(&[(0, "네"), (300, "word")]), ["네word"]);
    }

    #[test]
    fn a_line_that_is_thrown_away_ends_where_it_is_quiet() {
        assert_eq!(timed(&[(0, "0123456789abcdefg"), (200, "hi")]), ["<too long>", "hi"]);
        let behind_a_line = [(0, "a\n0123456789abcdefg"), (1000, "hi"), (0, "\nb\n")];
        assert_eq!(timed(&behind_a_line), ["a", "<too long>", "b"]);
    }

    #[test]
    fn half_a_character_waits_for_its_rest() {
        for half in [&b"\xea\xb0"[..], b"a\xea\xb0"] {
            let (mut lines, now) = (Lines::default(), Instant::now());
            lines.push(half, &RULES, now);
            assert_eq!(lines.due(&RULES), Some(now + CHARACTER_WAIT));
        }
        let (mut lines, now) = (Lines::default(), Instant::now());
        lines.push(b"\xff", &RULES, now);
        assert_eq!(lines.due(&RULES), Some(now + RULES.chunk_quiet));
    }

    #[test]
    fn keys_that_come_one_by_one_are_a_line_when_it_is_ended() {
        assert_eq!(timed(&[(0, "h"), (300, "i"), (5000, "!"), (300, "\r")]), ["hi!"]);
        assert_eq!(
            timed(&[(0, "안"), (900, "녕"), (300, "\n"), (0, "h"), (9000, "i\r")]),
            ["안녕", "hi"]
        );
        assert_eq!(timed(&[(0, "h"), (300, "x"), (300, "\x08"), (300, "i"), (0, "\r\n")]), ["hi"]);
        // A single character that was a line before the next came is no key.
        assert_eq!(timed(&[(0, "h"), (1000, "i")]), ["h", "i"]);
    }

    #[test]
    fn what_was_typed_and_left_is_a_line_when_chunks_come_again() {
        let left = [(0, "h"), (300, "i"), (2000, "a chunk"), (2000, "more")];
        assert_eq!(timed(&left), ["hi", "a chunk", "more"]);
        // Two keys that came together are no chunk.
        assert_eq!(timed(&[(0, "h"), (300, "el"), (0, "lo"), (90, "\n")]), ["hello"]);
    }

    #[test]
    fn a_client_whose_chunk_has_a_line_end_inside_has_more_time() {
        assert_eq!(timed(&[(0, "one\ntw"), (1900, "o\n")]), ["one", "two"]);
        assert_eq!(timed(&[(0, "one\ntwo"), (2000, "three")]), ["one", "two", "three"]);
    }

    #[test]
    fn a_client_that_ends_lines_is_waited_for_unless_chunks_follow() {
        assert_eq!(timed(&[(0, "one\n"), (0, "fo"), (9000, "ur\n")]), ["one", "four"]);
        let chunks = [(0, "one\n"), (0, "two"), (2000, "three"), (2000, "four")];
        assert_eq!(timed(&chunks), ["one", "two", "three", "four"]);
        let (mut of_telnet, now) = (Lines::default(), Instant::now());
        of_telnet.expect_line_ends();
        of_telnet.push(b"tw", &RULES, now);
        assert_eq!(of_telnet.due(&RULES), None);
    }

    #[test]
    fn raw_chunks_pass_as_they_come_but_never_cut_a_character() {
        let word = "안녕\n".as_bytes();
        assert_eq!(read(&RAW, &[&word[..4], &word[4..]], false), ["안", "녕\n"]);
        assert_eq!(read(&RAW, &[b"a\xff", b"\xea\xb0"], false), ["a\u{fffd}"]);
        assert_eq!(read(&RAW, &[b"\xea\xb0"], true), ["\u{fffd}"]);
        let long = "가나다라마바".as_bytes();
        assert_eq!(read(&RAW, &[long], false), ["가나다라마", "바"]);
        let two = LineRules { line_bytes_max: 2, ..RAW };
        assert_eq!(read(&two, &["가".as_bytes()], false), ["\u{fffd}", "\u{fffd}"]);
    }
}
