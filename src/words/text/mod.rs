//! Text that is safe to show on a terminal.
//!
//! Clients print the conversation on terminals, and a terminal obeys the control sequences that it
//! gets. These rules keep one client from controlling another's terminal:
//!
//! - C0, DEL and C1 controls are shown as escapes. So is the first byte of every sequence that
//!   moves the cursor, sets the title or makes the terminal answer; the rest of it is harmless
//!   text. A TAB becomes a space; an LF ends a line and is never within one.
//! - Bidirectional embeddings, overrides and isolates, line and paragraph separators, deprecated
//!   format characters and interlinear annotation are escaped too. They break the line, or show
//!   another text than was sent. Characters that people need to write are kept: joiners, the marks
//!   of direction, variation selectors, tags.
//! - Invalid UTF-8 becomes U+FFFD.
//! - At most [`BLANKS_MAX`] blanks in a row are kept. A longer run could push what follows to the
//!   start of the terminal's next row, where it may look like a line of the server.
//! - At most [`MARKS_MAX`] marks on one character are kept. A taller stack is drawn over the lines
//!   around it.
//!
//! An escape is for display and cannot be undone: typing `\x1b` shows the same. So text that is
//! safe stays the same when it is made safe again.
//!
//! The terminal must expect UTF-8. In a terminal that reads single bytes, most Hangul contains C1
//! controls.
//!
//! This module knows bytes and characters, and by [`Look`] what a terminal draws. It does not know
//! senders or readers, nor what a line means.

mod look;

use std::fmt::{self, Write};

pub use look::Look;

/// At most this many blanks in a row, which is a tab stop. The first of a longer run are kept.
pub const BLANKS_MAX: usize = 8;

/// At most this many marks on one character: Tibetan uses eight. More would be drawn over the lines
/// above and below. The first of a taller stack are kept.
pub const MARKS_MAX: usize = 8;

/// Safe text has at most this many bytes per input byte: ESC becomes `\x1b`.
pub const SAFE_BYTES_PER_BYTE_MAX: usize = 4;

/// At most this many characters in an [`Excerpt`], without the `…`. They identify a line, and a log
/// record that contains one still fits on one row.
pub const EXCERPT_CHARACTERS_MAX: usize = 64;

/// An [`Excerpt`] reads at most this many bytes, which holds all its characters at their longest.
const EXCERPT_BYTES_MAX: usize = EXCERPT_CHARACTERS_MAX * char::MAX.len_utf8();

/// Appends `bytes` to `out`, made safe to show. Returns whether they were valid UTF-8.
///
/// `bytes` is a whole line without its end. Runs of blanks are counted from its first byte,
/// whatever `out` ends with.
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

/// Bytes of a client, for the log: safe, on one line, the first [`EXCERPT_CHARACTERS_MAX`]
/// characters, and `…` if there are more.
///
/// The cost does not depend on the length, a gibibyte or a line. So it does not look beyond a very
/// long run of blanks.
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

/// At most the first [`EXCERPT_BYTES_MAX`] bytes, cut between characters, so that no whole
/// character looks broken.
///
/// If none of four bytes in a row begins a character, the last of them is invalid anyway.
fn beginning(bytes: &[u8]) -> &[u8] {
    if bytes.len() <= EXCERPT_BYTES_MAX {
        return bytes;
    }
    let begins = |at: &usize| bytes[*at] & 0b1100_0000 != 0b1000_0000;
    let cuts = EXCERPT_BYTES_MAX + 1 - char::MAX.len_utf8()..=EXCERPT_BYTES_MAX;
    &bytes[..cuts.rev().find(begins).unwrap_or(EXCERPT_BYTES_MAX)]
}

/// Whether this is printable ASCII without long runs of blanks, as most lines are. Nothing in it
/// needs a change.
///
/// It reads every byte even after a mismatch: that is faster than to branch on each.
fn is_plain(bytes: &[u8]) -> bool {
    let is_printable = bytes.iter().fold(true, |all, byte| all & matches!(byte, b' '..=b'~'));
    is_printable && !has_long_run(bytes)
}

/// Whether there are more than [`BLANKS_MAX`] spaces in a row. It looks from behind: one other byte
/// rules out all runs that would contain it.
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

/// Writes safe text, and counts what has a limit.
struct Pen<'a> {
    out: &'a mut String,
    /// How many blanks the text just written ends with, including those cut. Marks and invisible
    /// characters on a blank do not change the count.
    blanks: usize,
    /// How many marks the last character has, including those cut.
    marks: usize,
}

/// What happens to a character.
enum Fate {
    Kept,
    Space,
    Cut,
    Escaped,
}

impl Pen<'_> {
    /// Writes the valid UTF-8 of these bytes, and one U+FFFD for each invalid piece.
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

    /// What happens to a blank that has been counted. Marks after a cut blank apply to the blank
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
