//! Bytes in, lines out.
//!
//! The rules this room keeps:
//!
//! - LF, CR LF, CR NUL (telnet) and a lone CR (raw `socat`) all end a line; empty lines are
//!   nothing.
//! - A line of more than [`LineRules::line_bytes_max`] is discarded to its end and told of once.
//!   One of more than [`LineRules::endless_bytes_max`] is [`Input::Endless`].
//! - However the bytes are cut into reads, the lines are the same.
//! - A peer that has never ended a line may be one that never will (a script that sends each
//!   message as a chunk). Its unterminated chunk is a line once it has been quiet:
//!   [`Lines::chunk_due`].
//! - In raw mode there are no lines: what was read is handed out as it came. Only the beginning of
//!   a UTF-8 character waits for its rest, for [`CHARACTER_WAIT`].
//!
//! It never reads a socket or a clock and does not know what a line means.

use std::time::{Duration, Instant};

use memchr::memchr2;

/// How long the rest of a character is waited for, if nothing else follows it. A lost packet comes
/// again within a few seconds.
pub const CHARACTER_WAIT: Duration = Duration::from_secs(5);

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
    /// Chunks as they come instead of lines.
    pub raw: bool,
}

/// What a peer has sent, as far as it can be told yet.
#[derive(Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// A whole line without its end; in raw mode a chunk. Never empty.
    Line(&'a [u8]),
    /// A line longer than allowed; it is being discarded.
    TooLong,
    /// So long without an end that there is no hope for one.
    Endless,
    /// No whole line yet.
    NotYet,
}

/// The bytes of one peer that are not yet whole lines.
///
/// `start <= searched <= buffer.len()`; there is no line end in `start..searched`.
/// The buffer is empty, and without an allocation, when nothing is pending.
#[derive(Debug, Default)]
pub struct Lines {
    buffer: Vec<u8>,
    start: u32,
    searched: u32,
    /// Where the line ends that [`Lines::peek`] saw last.
    end: u32,
    /// How many bytes of the present, too long line have been thrown away; 0 for a normal line.
    discarded: u32,
    /// A line was too long and [`Lines::consume`] has not been called for it.
    long_untold: bool,
    /// The last byte taken was a CR: a NUL right behind it belongs to it.
    after_cr: bool,
    /// There has been a line end: whoever has sent one will send more.
    has_ended_a_line: bool,
    /// What is pending is to be taken as a line though it has no end.
    cut: bool,
}

impl Lines {
    /// Takes in what was read. Call [`Lines::peek`] until it says [`Input::NotYet`] before pushing
    /// more, or the buffer grows.
    pub fn push(&mut self, bytes: &[u8]) {
        let start = self.start as usize;
        self.buffer.drain(..start);
        self.searched -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
        self.cut = false;
        self.check();
    }

    /// The next line, left where it is. Call [`Lines::consume`] to go on to the one after it.
    pub fn peek(&mut self, rules: &LineRules) -> Input<'_> {
        if self.long_untold {
            return Input::TooLong;
        }
        if rules.raw {
            return self.peek_chunk(rules);
        }
        if self.discarded as usize > rules.endless_bytes_max {
            return Input::Endless;
        }
        self.skip_line_ends();
        let pending = &self.buffer[self.searched as usize..];
        match memchr2(b'\n', b'\r', pending) {
            Some(at) => self.found_end(self.searched + at as u32, rules),
            None => self.found_no_end(rules),
        }
    }

    /// Whether the line that [`Lines::peek`] has just said ends in a CR, as those of telnet do.
    pub fn ends_in_cr(&self) -> bool {
        self.buffer.get(self.end as usize) == Some(&b'\r')
    }

    /// Goes on behind what [`Lines::peek`] said.
    pub fn consume(&mut self) {
        if self.long_untold {
            self.long_untold = false;
            return;
        }
        self.start = self.end;
        self.searched = self.searched.max(self.end);
        self.cut = false;
        self.skip_line_ends_unless_raw();
        self.forget_if_empty();
    }

    /// Makes a line of what is pending, though it has no end: the chunk was due, or the input
    /// ended.
    pub fn cut(&mut self) {
        if self.discarded > 0 {
            self.discarded = 0;
            return;
        }
        self.cut = true;
    }

    /// The bytes that are waiting for the rest of their line, and whole lines not taken yet.
    pub fn pending(&self) -> &[u8] {
        &self.buffer[self.start as usize..]
    }

    /// Whether what is pending is taken as a line though it has no end.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// The peer is known to end its lines: an unterminated chunk is none.
    pub fn expect_line_ends(&mut self) {
        self.has_ended_a_line = true;
    }

    /// Whether bytes are waiting for the rest of their line.
    pub fn is_pending(&self) -> bool {
        self.buffer.len() > self.start as usize || self.discarded > 0
    }

    /// When what is pending is a line though it has no end, if the first byte of it was read at
    /// `first` and the newest at `last`; `None` if never.
    ///
    /// Call it only when there is nothing more to read for now, and then [`Lines::cut`].
    pub fn chunk_due(&self, rules: &LineRules, first: Instant, last: Instant) -> Option<Instant> {
        if !self.is_pending() {
            return None;
        }
        if rules.raw {
            // All but the beginning of a character is handed out at once.
            return Some(last + CHARACTER_WAIT);
        }
        if self.has_ended_a_line {
            return None;
        }
        let (quiet, oldest) = (last + rules.chunk_quiet, first + rules.chunk_age_max);
        Some(if self.is_one_character() { oldest } else { quiet.min(oldest) })
    }

    fn peek_chunk(&mut self, rules: &LineRules) -> Input<'_> {
        let pending = &self.buffer[self.start as usize..];
        let longest = &pending[..pending.len().min(rules.line_bytes_max)];
        let whole = match whole_characters(longest) {
            0 if self.cut || pending.len() > longest.len() => longest.len(),
            whole => whole,
        };
        self.end = self.start + whole as u32;
        match whole {
            0 => Input::NotYet,
            _ => Input::Line(&self.buffer[self.start as usize..self.end as usize]),
        }
    }

    fn found_end(&mut self, end: u32, rules: &LineRules) -> Input<'_> {
        self.has_ended_a_line = true;
        self.searched = end;
        let too_long = (end - self.start) as usize > rules.line_bytes_max;
        if self.discarded > 0 || too_long {
            self.discard_to(end);
            return self.peek(rules);
        }
        self.end = end;
        Input::Line(&self.buffer[self.start as usize..end as usize])
    }

    fn found_no_end(&mut self, rules: &LineRules) -> Input<'_> {
        self.searched = self.buffer.len() as u32;
        let pending = self.searched - self.start;
        let too_long = pending as usize > rules.line_bytes_max;
        if self.discarded > 0 || too_long {
            self.discard_to(self.searched);
            self.forget_if_empty();
        }
        if self.long_untold {
            return Input::TooLong;
        }
        if self.discarded as usize > rules.endless_bytes_max {
            return Input::Endless;
        }
        if self.cut && pending > 0 && self.discarded == 0 {
            self.end = self.searched;
            return Input::Line(&self.buffer[self.start as usize..]);
        }
        Input::NotYet
    }

    /// Throws away what is of a line that is too long.
    fn discard_to(&mut self, end: u32) {
        self.long_untold = self.discarded == 0;
        self.discarded = self.discarded.saturating_add(end - self.start);
        self.start = end;
    }

    fn skip_line_ends_unless_raw(&mut self) {
        if self.has_ended_a_line {
            self.skip_line_ends();
        }
    }

    /// Steps over line ends at the start: the one of the line just taken, and empty lines.
    fn skip_line_ends(&mut self) {
        while let Some(byte) = self.buffer.get(self.start as usize) {
            match byte {
                b'\n' | b'\r' => {
                    self.has_ended_a_line = true;
                    self.discarded = 0;
                }
                0 if self.after_cr => {}
                _ => {
                    self.after_cr = false;
                    break;
                }
            }
            self.after_cr = *byte == b'\r';
            self.start += 1;
        }
        self.searched = self.searched.max(self.start);
        self.forget_if_empty();
    }

    fn is_one_character(&self) -> bool {
        let pending = &self.buffer[self.start as usize..];
        match std::str::from_utf8(pending) {
            Ok(text) => text.chars().count() == 1,
            Err(error) => error.valid_up_to() == 0 && error.error_len().is_none(),
        }
    }

    fn forget_if_empty(&mut self) {
        if self.start as usize == self.buffer.len() {
            self.buffer = Vec::new();
            (self.start, self.searched, self.end) = (0, 0, 0);
        }
        self.check();
    }

    fn check(&self) {
        debug_assert!(self.start <= self.searched);
        debug_assert!(self.searched as usize <= self.buffer.len());
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
        raw: false,
    };
    const RAW: LineRules = LineRules { raw: true, ..RULES };

    /// Everything that comes of these reads, each piece as text.
    fn read(rules: &LineRules, reads: &[&[u8]], eof: bool) -> Vec<String> {
        let mut lines = Lines::default();
        let mut said = Vec::new();
        for bytes in reads {
            lines.push(bytes);
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
            said.push(match lines.peek(rules) {
                Input::Line(line) => String::from_utf8_lossy(line).into_owned(),
                Input::TooLong => "<too long>".to_owned(),
                Input::Endless => return said.push("<endless>".to_owned()),
                Input::NotYet => return,
            });
            lines.consume();
        }
        panic!("there is no end to what is said");
    }

    #[test]
    fn every_kind_of_line_end_ends_a_line_and_empty_lines_are_nothing() {
        let input: &[u8] = b"a\nb\r\nc\rd\r\0e\n\n\r\n\0f\n";
        assert_eq!(read(&RULES, &[input], false), ["a", "b", "c", "d", "e", "\0f"]);
        assert_eq!(read(&RULES, &[b"a\n"], true), ["a"]);
    }

    #[test]
    fn a_nul_belongs_to_a_cr_only_right_behind_it() {
        let (mut lines, mut said) = (Lines::default(), Vec::new());
        lines.push(b"\ra");
        lines.cut();
        take_all(&mut lines, &RULES, &mut said);
        lines.push(b"\0b\n");
        take_all(&mut lines, &RULES, &mut said);
        assert_eq!(said, ["a", "\0b"]);
    }

    #[test]
    fn the_end_of_a_line_goes_with_it() {
        let mut lines = Lines::default();
        lines.push(b"a\r\n\n");
        assert_eq!(lines.peek(&RULES), Input::Line(b"a"));
        lines.consume();
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
            lines.push(more);
            take_all(&mut lines, &RULES, &mut said);
        }
        lines.cut();
        lines.push(b"hello");
        lines.cut();
        take_all(&mut lines, &RULES, &mut said);
        assert_eq!(said, ["<too long>", "hello"]);
    }

    #[test]
    fn what_waits_can_be_seen() {
        let mut lines = Lines::default();
        lines.push(b"one\ntw");
        assert_eq!(lines.pending(), b"one\ntw");
        take_all(&mut lines, &RULES, &mut Vec::new());
        assert_eq!(lines.pending(), b"tw");
    }

    #[test]
    fn a_line_that_is_thrown_away_is_still_waited_for() {
        let (mut lines, now) = (Lines::default(), Instant::now());
        lines.push(&[b'x'; 20]);
        take_all(&mut lines, &RULES, &mut Vec::new());
        assert!(lines.pending().is_empty() && lines.is_pending());
        assert_eq!(lines.chunk_due(&RULES, now, now), Some(now + RULES.chunk_quiet));
    }

    #[test]
    fn nothing_pending_holds_no_memory() {
        let mut lines = Lines::default();
        lines.push(b"hello\r\n");
        take_all(&mut lines, &RULES, &mut Vec::new());
        assert!(!lines.is_pending());
        assert_eq!(lines.buffer.capacity(), 0);
    }

    #[test]
    fn a_chunk_is_due_after_quiet_and_one_character_after_a_second() {
        let (mut lines, first) = (Lines::default(), Instant::now());
        let last = first + Duration::from_millis(100);
        let due = |lines: &Lines| lines.chunk_due(&RULES, first, last);
        assert_eq!(due(&lines), None);
        lines.push("네".as_bytes());
        assert_eq!(due(&lines), Some(first + RULES.chunk_age_max));
        lines.push("네".as_bytes());
        assert_eq!(due(&lines), Some(last + RULES.chunk_quiet));
        let late = first + Duration::from_millis(950);
        assert_eq!(lines.chunk_due(&RULES, first, late), Some(first + RULES.chunk_age_max));
    }

    #[test]
    fn part_of_a_character_waits_like_one_and_what_can_be_none_does_not() {
        let now = Instant::now();
        let (quiet, old) = (now + RULES.chunk_quiet, now + RULES.chunk_age_max);
        for (chunk, due) in [(&b"\xea\xb0"[..], old), (b"a\xea\xb0", quiet), (b"\xff", quiet)] {
            let mut lines = Lines::default();
            lines.push(chunk);
            assert_eq!(lines.chunk_due(&RULES, now, now), Some(due), "{}", chunk.escape_ascii());
        }
    }

    #[test]
    fn whoever_has_ended_a_line_is_waited_for() {
        let (mut lines, now) = (Lines::default(), Instant::now());
        lines.push(b"one\ntw");
        take_all(&mut lines, &RULES, &mut Vec::new());
        assert!(lines.is_pending());
        assert_eq!(lines.chunk_due(&RULES, now, now), None);
        let mut of_telnet = Lines::default();
        of_telnet.expect_line_ends();
        of_telnet.push(b"tw");
        assert_eq!(of_telnet.chunk_due(&RULES, now, now), None);
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
