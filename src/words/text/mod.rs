//! What is safe to show on a terminal.
//!
//! Whoever reads the conversation reads it on a terminal that obeys what is sent to it. The rules
//! that keep it from obeying a stranger:
//!
//! - C0, DEL and C1 controls are shown as an escape, and with them every sequence that moves the
//!   cursor, sets the title or makes the terminal answer: without its first byte it is letters. A
//!   TAB is a space; an LF ends a line and is never within one.
//! - Bidirectional embeddings, overrides and isolates, line and paragraph separators, deprecated
//!   format characters and interlinear annotation are escaped too: they show another text than
//!   was sent, or break the line. What people write with lives: joiners, the marks of direction,
//!   variation selectors, tags.
//! - What is not UTF-8 becomes U+FFFD.
//! - More than [`BLANKS_MAX`] blanks in a row are cut to that: a long run pushes what follows to
//!   the terminal's next row, where it may look like a line of the server.
//! - More than [`MARKS_MAX`] marks on one character are cut to that: a high pile is drawn over the
//!   lines around it.
//!
//! An escape is there to be seen, not to be undone: whoever types `\x1b` shows the same. That is
//! why safe text stays as it is when it is made safe again.
//!
//! The terminal must read UTF-8: to one that reads bytes, most Hangul has a C1 in it.
//!
//! This room knows bytes and characters, and by [`Look`] what a terminal draws. It never knows who
//! wrote them or who will read them, what a line is or what it means.

mod look;

use std::fmt::{self, Write};

pub use look::Look;

/// The most blanks in a row, as many as a tab stop. The first of a longer run are kept as they are.
pub const BLANKS_MAX: usize = 8;

/// The most marks on one character: eight are in use, in Tibetan. More are drawn over the lines
/// above and below. The first of a larger pile are kept as they are.
pub const MARKS_MAX: usize = 8;

/// Safe text has at most this many bytes for one that came in: a byte such as ESC becomes `\x1b`.
pub const SAFE_BYTES_PER_BYTE_MAX: usize = 4;

/// The most characters of an [`Excerpt`], the `…` apart: enough to know a line again, and a record
/// of the log with one in it is still one row.
pub const EXCERPT_CHARACTERS_MAX: usize = 64;

/// What an [`Excerpt`] looks at, however much there is: all of its characters, were they the
/// longest.
const EXCERPT_BYTES_MAX: usize = EXCERPT_CHARACTERS_MAX * char::MAX.len_utf8();

/// Appends what is safe to show of `bytes` to `out`; says whether it was valid UTF-8.
///
/// `bytes` is a whole line without its end. A run of blanks is counted from its first byte: what
/// stands in `out` already is the caller's.
pub fn push_safe(bytes: &[u8], out: &mut String) -> bool {
    let mut pen = Pen { out, blanks: 0, marks: 0 };
    let text = std::str::from_utf8(bytes);
    match text {
        Ok(text) if is_plain(bytes) => pen.out.push_str(text),
        Ok(text) => pen.write(text),
        Err(_) => pen.write_pieces(bytes),
    }
    text.is_ok()
}

/// Some foreign bytes for the log: safe, one line, the first [`EXCERPT_CHARACTERS_MAX`] characters
/// with `…` behind them if there is more.
///
/// It costs the same for a gibibyte as for a line. So it does not look behind a very long run of
/// blanks.
#[derive(Clone, Copy)]
pub struct Excerpt<'a>(pub &'a [u8]);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let looked_at = beginning(self.0);
        let mut safe = String::new();
        push_safe(looked_at, &mut safe);
        let end = safe.char_indices().nth(EXCERPT_CHARACTERS_MAX).map_or(safe.len(), |(at, _)| at);
        f.write_str(&safe[..end])?;
        if end < safe.len() || looked_at.len() < self.0.len() {
            f.write_char('…')?;
        }
        Ok(())
    }
}

/// At most the first [`EXCERPT_BYTES_MAX`] bytes, cut where a character begins: one that was whole
/// must not look broken.
///
/// Where four bytes in a row begin nothing, the last of them belongs to no character anyway.
fn beginning(bytes: &[u8]) -> &[u8] {
    if bytes.len() <= EXCERPT_BYTES_MAX {
        return bytes;
    }
    let begins = |at: &usize| bytes[*at] & 0b1100_0000 != 0b1000_0000;
    let cuts = EXCERPT_BYTES_MAX + 1 - char::MAX.len_utf8()..=EXCERPT_BYTES_MAX;
    &bytes[..cuts.rev().find(begins).unwrap_or(EXCERPT_BYTES_MAX)]
}

/// Printable ASCII without long runs of blanks, as most lines are: nothing in it is to be changed.
///
/// It looks at every byte even if the first is none, which costs less than to ask each time.
fn is_plain(bytes: &[u8]) -> bool {
    let is_printable = bytes.iter().fold(true, |all, byte| all & matches!(byte, b' '..=b'~'));
    is_printable && !has_long_run(bytes)
}

/// Whether there are more than [`BLANKS_MAX`] spaces in a row: looked at from behind, one byte that
/// is none rules out all runs that it would stand in.
fn has_long_run(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(run) = rest.get(..=BLANKS_MAX) {
        match run.iter().rposition(|byte| *byte != b' ') {
            Some(at) => rest = &rest[at + 1..],
            None => return true,
        }
    }
    false
}

/// Writes text safely, and remembers what it must not write more of.
struct Pen<'a> {
    out: &'a mut String,
    /// How many blanks the text just written ends with, those that were cut included. Marks on
    /// them and what is invisible do not count: what stands on a blank leaves it one.
    blanks: usize,
    /// How many marks the character written last has, those that were cut included.
    marks: usize,
}

/// What becomes of a character.
enum Fate {
    Kept,
    Space,
    Cut,
    Escaped,
}

impl Pen<'_> {
    /// Writes what is UTF-8 in these bytes, and one U+FFFD for each piece between that is not.
    fn write_pieces(&mut self, bytes: &[u8]) {
        for chunk in bytes.utf8_chunks() {
            self.write(chunk.valid());
            if !chunk.invalid().is_empty() {
                self.write("\u{fffd}");
            }
        }
    }

    fn write(&mut self, text: &str) {
        let mut written = 0;
        for (at, character) in text.char_indices() {
            let fate = self.fate(character);
            if let Fate::Kept = fate {
                continue;
            }
            self.out.push_str(&text[written..at]);
            written = at + character.len_utf8();
            match fate {
                Fate::Kept | Fate::Cut => {}
                Fate::Space => self.out.push(' '),
                Fate::Escaped => push_escape(character, self.out),
            }
        }
        self.out.push_str(&text[written..]);
    }

    fn fate(&mut self, character: char) -> Fate {
        let look = Look::of(character);
        match look {
            Look::Visible | Look::Forbidden => {
                (self.blanks, self.marks) = (0, 0);
                if look == Look::Visible { Fate::Kept } else { Fate::Escaped }
            }
            Look::Invisible => Fate::Kept,
            Look::Mark => {
                self.marks += 1;
                if self.marks > MARKS_MAX { Fate::Cut } else { Fate::Kept }
            }
            Look::Blank => {
                self.blanks += 1;
                self.blank(character)
            }
        }
    }

    /// What becomes of a blank that is counted. Marks behind one that is cut stand on the one
    /// before it.
    fn blank(&mut self, blank: char) -> Fate {
        if self.blanks > BLANKS_MAX {
            return Fate::Cut;
        }
        self.marks = 0;
        if blank == '\t' { Fate::Space } else { Fate::Kept }
    }
}

/// `\x1b` for ASCII, `\u{9b}` for all others.
fn push_escape(character: char, out: &mut String) {
    if !character.is_ascii() {
        return out.extend(character.escape_unicode());
    }
    out.push_str("\\x");
    let code = u32::from(character);
    out.extend([code >> 4, code & 0xf].into_iter().filter_map(|digit| char::from_digit(digit, 16)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_cut_and_says_so() {
        let excerpt = |bytes: &[u8]| Excerpt(bytes).to_string();
        let (whole, more) = ("x".repeat(64), "x".repeat(65));
        assert_eq!(excerpt(whole.as_bytes()), whole);
        assert_eq!(excerpt(more.as_bytes()), format!("{whole}…"));
        assert_eq!(excerpt("네".repeat(65).as_bytes()), format!("{}…", "네".repeat(64)));
        assert_eq!(excerpt(b"a\n\x1b[2J\xff"), "a\\x0a\\x1b[2J\u{fffd}");
    }

    #[test]
    fn an_excerpt_looks_no_further_than_it_must() {
        let far = format!("{}hello", " ".repeat(EXCERPT_BYTES_MAX));
        assert_eq!(Excerpt(far.as_bytes()).to_string(), "        …");
    }

    #[test]
    fn an_excerpt_breaks_no_character() {
        for blanks in 0..EXCERPT_BYTES_MAX + 9 {
            let text = format!("{}{}", " ".repeat(blanks), "💬".repeat(99));
            let excerpt = Excerpt(text.as_bytes()).to_string();
            assert!(!excerpt.contains('\u{fffd}'), "{blanks} blanks: {excerpt}");
        }
        assert_eq!(Excerpt(&[0x80; 999]).to_string(), format!("{}…", "\u{fffd}".repeat(64)));
        let whole = ["💬".repeat(64).as_bytes(), &[0x80; 9]].concat();
        assert_eq!(Excerpt(&whole).to_string(), format!("{}…", "💬".repeat(64)));
    }
}
