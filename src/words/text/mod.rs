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
    match std::str::from_utf8(bytes) {
        Ok(text) if is_plain(bytes) => pen.out.push_str(text),
        Ok(text) => pen.write(text),
        Err(_) => {
            pen.write_pieces(bytes);
            return false;
        }
    }
    true
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
        match Look::of(character) {
            Look::Visible => {
                (self.blanks, self.marks) = (0, 0);
                Fate::Kept
            }
            Look::Forbidden => {
                (self.blanks, self.marks) = (0, 0);
                Fate::Escaped
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
    use crate::properties::text::{
        self as property, is_blank, is_forbidden, is_mark, is_unseen, safe,
    };
    use proptest::prelude::*;
    use std::collections::HashSet;

    /// Known escape sequences by name, each written as it is to be shown.
    const ESCAPES: &str = include_str!("../../../tests/escapes.txt");
    const ESCAPES_MIN: usize = 200;

    /// Some of those that show nothing, each of which a person may write with.
    const INVISIBLE: &str = "\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{61c}\u{2060}\u{ad}\u{34f}\
        \u{feff}\u{fe0e}\u{fe0f}\u{180b}\u{180f}\u{17b4}\u{e0067}\u{e007f}\u{e0100}\
        \u{13430}\u{16fe4}\u{fdd0}\u{10ffff}";

    #[test]
    fn what_people_write_passes_as_it_is() {
        for text in [
            "",
            "hello, world! ~ C:\\new\\x1b [31m ]0;t",
            "안녕하세요 ㅎㅎ ᄒᆞᆫ글",
            "שלום\u{200f} \u{200e}abc, سلام\u{61c}",
            "क्\u{200d}ष می\u{200c}خواهم",
            "👩\u{200d}👩\u{200d}👧 ❤\u{fe0f} 1\u{fe0f}\u{20e3} 🇰🇷",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "\u{fffd} \u{ffff} \u{e000} e\u{301}",
        ] {
            let mut out = "guest1: ".to_owned();
            assert!(push_safe(text.as_bytes(), &mut out));
            assert_eq!(out, format!("guest1: {text}"));
        }
    }

    #[test]
    fn a_control_is_shown_and_not_obeyed() {
        assert_eq!(safe("\x1b[2J"), "\\x1b[2J");
        assert_eq!(safe("a\0b\r\x7fc"), "a\\x00b\\x0d\\x7fc");
        assert_eq!(safe("\u{9b}2J"), "\\u{9b}2J");
        assert_eq!(safe("evil\u{202e}txt"), "evil\\u{202e}txt");
    }

    #[test]
    fn one_line_stays_one_line() {
        assert_eq!(safe("a\n* server full"), "a\\x0a* server full");
        assert_eq!(safe("a\u{85}b\u{2028}c"), "a\\u{85}b\\u{2028}c");
        assert_eq!(safe("a\tb"), "a b");
    }

    #[test]
    fn exactly_the_forbidden_of_all_characters_are_changed() {
        let mut forbidden = 0;
        for character in '\0'..=char::MAX {
            let text = character.to_string();
            let shown = safe(&text);
            forbidden += usize::from(is_forbidden(character));
            assert_eq!(shown != text, is_forbidden(character), "{character:?}");
            assert!(!shown.contains(is_forbidden), "{character:?}");
        }
        assert_eq!(forbidden, 85);
    }

    #[test]
    fn a_control_is_found_wherever_it_stands() {
        for at in 0..80 {
            let (before, after) = ("x".repeat(at), "y".repeat(79 - at));
            let shown = safe(format!("{before}\x7f{after}"));
            assert_eq!(shown, format!("{before}\\x7f{after}"));
        }
    }

    #[test]
    fn what_is_not_utf8_is_replaced_piece_by_piece() {
        for (bytes, shown) in [
            (&b"a\xffb"[..], "a\u{fffd}b"),
            (b"\x9b2J", "\u{fffd}2J"),
            (b"\xf0\x9f\x92", "\u{fffd}"),
            (b"\xf0\x9f\x92\xea\xb0", "\u{fffd}\u{fffd}"),
            (b"\xc0\x9b", "\u{fffd}\u{fffd}"),
            (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xea\xb0\x1b[m", "\u{fffd}\\x1b[m"),
        ] {
            let mut out = String::new();
            assert!(!push_safe(bytes, &mut out));
            assert_eq!(out, shown);
        }
    }

    #[test]
    fn blanks_beyond_the_most_are_cut_whatever_they_are() {
        for blank in ('\0'..=char::MAX).filter(|c| is_blank(*c) && !is_forbidden(*c)) {
            let run = |length| format!("a{}b", String::from(blank).repeat(length));
            assert_eq!(safe(run(8)), run(8), "{blank:?}");
            assert_eq!(safe(run(9)), run(8), "{blank:?}");
            assert_eq!(safe(run(900)), run(8), "{blank:?}");
        }
        assert_eq!(safe(format!("a{}b", "\t".repeat(900))), "a        b");
    }

    #[test]
    fn a_run_is_cut_at_either_end_of_a_line_too() {
        assert_eq!(safe("         a"), "        a");
        assert_eq!(safe("a         "), "a        ");
        assert_eq!(safe("         "), "        ");
    }

    #[test]
    fn a_run_is_one_run_though_its_blanks_differ() {
        let eight = " \u{a0}\u{3000} \u{fffc}\u{13441}  ";
        assert_eq!(safe(format!("a{eight}\t\u{a0} \u{3000}b")), format!("a{eight}b"));
        assert_eq!(safe("        |        "), "        |        ");
        assert_eq!(safe(b"        \xff        "), "        \u{fffd}        ");
        assert_eq!(safe("        \x1b        "), "        \\x1b        ");
    }

    #[test]
    fn what_shows_nothing_is_known_to_show_nothing() {
        for c in '\0'..=char::MAX {
            assert_eq!(Look::of(c) == Look::Invisible, is_unseen(c), "{c:?}");
        }
    }

    #[test]
    fn nothing_invisible_ends_a_run_or_makes_it_longer() {
        for invisible in INVISIBLE.chars() {
            let eight = format!("a    {invisible}{invisible}    b");
            assert_eq!(safe(&eight), eight);
            let text = format!("a        {invisible} {invisible}         * bob left");
            assert_eq!(safe(text), format!("a        {invisible}{invisible}* bob left"));
        }
    }

    #[test]
    fn what_is_a_mark_is_known_to_be_one() {
        for c in '\0'..=char::MAX {
            assert_eq!(Look::of(c) == Look::Mark, is_mark(c), "{c:?}");
        }
    }

    #[test]
    fn marks_beyond_the_most_are_cut_whatever_they_are() {
        for mark in ('\0'..=char::MAX).filter(|c| is_mark(*c)) {
            let pile = |length| format!("a{}b", String::from(mark).repeat(length));
            assert_eq!(safe(pile(8)), pile(8), "{mark:?}");
            assert_eq!(safe(pile(9)), pile(8), "{mark:?}");
            assert_eq!(safe(pile(900)), pile(8), "{mark:?}");
        }
        assert_eq!(safe("\u{301}".repeat(900)), "\u{301}".repeat(8));
    }

    #[test]
    fn a_pile_is_one_pile_though_its_marks_differ() {
        let eight = "\u{301}\u{5b4}\u{20dd}\u{300}\u{200d}\u{591}\u{489}\u{fe0f}\u{e31}\u{327}";
        assert_eq!(safe(format!("a{eight}\u{302}\u{200d}\u{303}b")), format!("a{eight}\u{200d}b"));
        let twice = format!("a{eight}b{eight}\x1b{eight}");
        assert_eq!(safe(&twice), twice.replace('\x1b', "\\x1b"));
    }

    /// The most in use: eight on one letter of the mantra of Kalachakra.
    #[test]
    fn what_is_written_in_any_script_has_no_more_marks() {
        for text in [
            "ཧྐྵྨླྺྼྻྂ",
            "בְּרֵאשִׁ֖ית בָּרָ֣א אֱלֹהִ֑ים",
            "Vie\u{302}\u{323}t Nam tie\u{302}\u{301}ng",
            "بِسْمِ ٱللَّهِ ٱلرَّحْمَـٰنِ",
            "श्रीमान् कि\u{300}\u{951} กี่ น้ำ ក្រុម្ហ៊ុន မြန်မာ",
            "1\u{fe0f}\u{20e3} a\u{20d7} q\u{307}\u{323} ㅎㅎ",
        ] {
            assert_eq!(safe(text), text);
        }
    }

    #[test]
    fn a_blank_with_a_mark_is_a_blank() {
        let (eight, nine) = (" \u{332}".repeat(8), " \u{332}".repeat(9));
        assert_eq!(safe(format!("a{eight}b")), format!("a{eight}b"));
        // What stood on the ninth stands on the eighth.
        assert_eq!(safe(format!("a{nine}b")), format!("a{eight}\u{332}b"));
        assert_eq!(safe(" \u{332}".repeat(90)), eight + &"\u{332}".repeat(7));
    }

    #[test]
    fn the_worst_growth_is_reached() {
        let worst = [0x1b; 100];
        assert_eq!(safe(worst).len(), worst.len() * SAFE_BYTES_PER_BYTE_MAX);
    }

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

    /// Each sequence of the corpus, with its name.
    fn escapes() -> impl Iterator<Item = (&'static str, &'static str)> {
        let lines = ESCAPES.lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
        lines.map(|line| line.split_once(" | ").unwrap_or_else(|| panic!("no name: {line}")))
    }

    /// The bytes that are written as `\x1b` or, for a character, as `\u{9b}`.
    fn bytes_of(written: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = written;
        while let Some(character) = rest.chars().next() {
            let code = |digits: &str| u32::from_str_radix(digits, 16).unwrap();
            if let Some(escape) = rest.strip_prefix("\\x") {
                bytes.push(code(&escape[..2]) as u8);
                rest = &escape[2..];
            } else if let Some(escape) = rest.strip_prefix("\\u{") {
                let (digits, behind) = escape.split_once('}').unwrap();
                let character = char::from_u32(code(digits)).unwrap();
                bytes.extend(character.to_string().bytes());
                rest = behind;
            } else {
                bytes.extend(character.to_string().bytes());
                rest = &rest[character.len_utf8()..];
            }
        }
        bytes
    }

    /// How a sequence of the corpus is shown: as it is written, but for TAB and the bytes that are
    /// no UTF-8.
    fn shown(written: &str) -> String {
        let mut shown = written.replace("\\x09", " ");
        for byte in 0x80..=0xff {
            shown = shown.replace(&format!("\\x{byte:02x}"), "\u{fffd}");
        }
        shown
    }

    #[test]
    fn no_known_escape_sequence_is_obeyed_and_its_letters_remain() {
        for (name, written) in escapes() {
            let line = [b"before", bytes_of(written).as_slice(), b"after"].concat();
            let out = safe(line);
            assert!(!out.contains(is_forbidden), "{name}: {out:?}");
            assert_eq!(out, format!("before{}after", shown(written)), "{name}");
        }
    }

    #[test]
    fn the_known_escape_sequences_are_many_and_each_its_own() {
        let names: HashSet<&str> = escapes().map(|(name, _)| name).collect();
        let sequences: HashSet<Vec<u8>> = escapes().map(|(_, it)| bytes_of(it)).collect();
        assert_eq!((names.len(), sequences.len()), (escapes().count(), escapes().count()));
        assert!(sequences.len() >= ESCAPES_MIN, "{} are few", sequences.len());
        for sequence in sequences {
            let text = String::from_utf8_lossy(&sequence);
            assert!(text.contains(|c| is_forbidden(c) || c == '\u{fffd}'), "{text:?} does nothing");
        }
    }

    /// Text as one who means harm would write it: what is special is frequent.
    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let characters = "\0\t\n\r\x1b\x7f\u{80}\u{85}\u{9b}\u{9f}\u{2028}\u{202e}\u{2066}\u{206f}\
            \u{fffa} \u{a0}\u{3000}\u{2800}\u{3164}\u{fffc}\u{16fe4}\u{200d}\u{feff}\u{e0067}\
            az한💬\u{fffd}\u{301}\u{5b4}\u{20dd}\u{93e}";
        let characters: Vec<char> = characters.chars().collect();
        let piece = prop_oneof![
            prop::sample::select(characters).prop_map(|it| it.to_string().into_bytes()),
            any::<char>().prop_map(|it| it.to_string().into_bytes()),
            prop::collection::vec(any::<u8>(), 1..4),
            (0..20usize).prop_map(|blanks| vec![b' '; blanks]),
            (0..20usize).prop_map(|marks| "\u{300}".repeat(marks).into_bytes()),
        ];
        prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    fn anything() -> impl Strategy<Value = Vec<u8>> {
        let bytes = prop::collection::vec(any::<u8>(), 0..300);
        prop_oneof![hostile(), bytes, any::<String>().prop_map(String::into_bytes)]
    }

    /// Text with nothing in it that is to be changed.
    fn harmless() -> impl Strategy<Value = String> {
        let changed = |c: char| is_forbidden(c) || is_blank(c) || is_mark(c);
        let word = any::<String>().prop_map(move |it| it.replace(changed, ""));
        let words = prop::collection::vec((word, "[ \u{a0}\u{3000}]{1,8}v"), 0..10);
        words.prop_map(|words| words.into_iter().map(|(word, blanks)| word + &blanks).collect())
    }

    proptest! {
        #[test]
        fn whatever_comes_only_safe_text_is_shown(bytes in anything()) {
            property::only_safe_text_is_shown(&bytes);
        }

        #[test]
        fn safe_text_stays_as_it_is(bytes in anything()) {
            property::safe_text_stays_as_it_is(&bytes);
        }

        #[test]
        fn harmless_text_passes_unchanged(text in harmless(), plain in "([ ]{0,8}[!-~]){0,80}") {
            prop_assert_eq!(safe(&text), text);
            prop_assert_eq!(safe(&plain), plain);
        }

        #[test]
        fn what_comes_is_shown_as_the_rule_says(bytes in anything()) {
            property::it_is_shown_as_the_rule_says(&bytes);
        }

        #[test]
        fn an_excerpt_is_the_beginning_of_the_safe_text(bytes in anything()) {
            property::an_excerpt_is_the_beginning_of_the_safe_text(&bytes);
        }
    }
}
