//! Decodes the bytes of a terminal into keys.
//!
//! The rules of this file:
//!
//! - The keys do not depend on how the bytes are split into reads. Half a character or half a key
//!   sequence waits for its rest.
//! - A lone ESC is known only by the silence after it. [`Keys::patience`] gives the length of that
//!   silence, and [`Keys::give_up`] discards what was begun.
//! - Pasted text (between `CSI 200 ~` and `CSI 201 ~`) is text, whatever it contains. If its end is
//!   lost, Ctrl-C, Ctrl-D and Ctrl-Z after a silence are still keys.
//! - Reports that the terminal sends by itself, and unknown sequences, are skipped whole. They
//!   never become text.
//!
//! [`super::escape`] knows what a key sequence means. This file never knows the terminal, the
//! clock, or what a key does.

use std::str::Utf8Error;
use std::time::Duration;

use super::edit::To;
use super::escape;

/// After this much silence an ESC was the key Esc. The rest of a key sequence comes at once, except
/// on a slow line. readline and vim wait half a second too.
const ESCAPE_PATIENCE: Duration = Duration::from_millis(500);

/// A sequence or string that has begun gets more time: its rest would otherwise become text in the
/// line. Alt-] looks like the beginning of a string. After that the user sees no echo, and stops
/// typing for a second.
const SEQUENCE_PATIENCE: Duration = Duration::from_secs(1);

/// After this much silence within a paste, its end may be lost. That matters only for a read that
/// begins with Ctrl-C, Ctrl-D or Ctrl-Z. Terminals remove these from pasted text.
const PASTE_PATIENCE: Duration = Duration::from_millis(200);

/// The most bytes of a string that are skipped: more than a clipboard that a terminal sends. The
/// bytes after them are text.
const STRING_BYTES_MAX: usize = 1 << 20;

/// What ends a paste.
const PASTE_END: &[u8] = b"\x1b[201~";

/// A key, named by its purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "a key is called by its name")]
pub enum Key {
    /// A typed character.
    Char(char),
    /// A piece of a paste, which the next piece continues. The first piece is empty.
    Paste(String),
    /// The end of a paste.
    PasteEnd,
    Enter,
    Tab,
    Up,
    Down,
    /// Moves the cursor.
    Go(To),
    /// Deletes from the cursor to there.
    Delete(To),
    /// The same, and keeps what it deletes for Ctrl-Y.
    Kill(To),
    /// Ctrl-Y.
    Yank,
    /// Ctrl-T: swaps the two characters at the cursor.
    Transpose,
    /// Ctrl-_.
    Undo,
    /// Ctrl-R: search backwards.
    Search,
    /// Ctrl-G.
    Cancel,
    /// Ctrl-L.
    Redraw,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D.
    EndOfInput,
    /// Ctrl-Z.
    Suspend,
}

/// The decoder.
///
/// `pending` is empty, or begins with a byte whose meaning depends on the bytes to come.
#[derive(Debug, Default)]
pub struct Keys {
    pending: Vec<u8>,
    within: Within,
    /// Whether the terminal has said that it is one that scrolls when it becomes lower.
    pub scrolls: bool,
}

/// What the next byte is a part of.
#[derive(Debug, Default, PartialEq, Eq)]
enum Within {
    #[default]
    Keys,
    /// A paste, and whether it has been silent since the last piece.
    Paste { silent: bool },
    /// A string from the terminal, of which at most this many bytes are skipped.
    String { bytes_left: usize },
}

/// What the bytes at the front mean.
pub(super) enum Found {
    Key(Key),
    /// No key: it means nothing here, or it is unknown.
    Nothing,
    PasteBegins,
    StringBegins,
    /// Which terminal it is: whether it scrolls when it becomes lower.
    Terminal(bool),
    NotYet,
}

impl Keys {
    /// Decodes what was read, and appends its keys to `keys`.
    pub fn push(&mut self, bytes: &[u8], keys: &mut Vec<Key>) {
        self.leave_endless_paste(bytes, keys);
        self.pending.extend_from_slice(bytes);
        let mut taken = 0;
        while taken < self.pending.len() {
            let found = match self.within {
                Within::Keys => self.take_key(taken, keys),
                Within::Paste { .. } => self.take_paste(taken, keys),
                Within::String { bytes_left } => self.skip_string(taken, bytes_left),
            };
            match found {
                Some(bytes) => taken += bytes,
                None => break,
            }
        }
        self.pending.drain(..taken);
    }

    /// How much silence ends what was begun, or makes a paste doubtful. `None` while silence means
    /// nothing.
    pub fn patience(&self) -> Option<Duration> {
        match (&self.within, &self.pending[..]) {
            (Within::Paste { silent }, _) => (!silent).then_some(PASTE_PATIENCE),
            (Within::Keys, [0x1b]) => Some(ESCAPE_PATIENCE),
            (Within::Keys, [0x1b, ..]) | (Within::String { .. }, _) => Some(SEQUENCE_PATIENCE),
            (Within::Keys, _) => None,
        }
    }

    /// Discards the key sequence that was begun. Call it after that much silence.
    pub fn give_up(&mut self) {
        if let Within::Paste { silent } = &mut self.within {
            *silent = true;
        } else if self.patience().is_some() {
            *self = Keys { scrolls: self.scrolls, ..Keys::default() };
        }
    }

    /// After a silence, the keys that a user needs end a paste.
    fn leave_endless_paste(&mut self, bytes: &[u8], keys: &mut Vec<Key>) {
        let Within::Paste { silent } = &mut self.within else { return };
        if !std::mem::take(silent) || bytes.is_empty() {
            return;
        }
        if let Found::Key(Key::Interrupt | Key::EndOfInput | Key::Suspend) = decode(bytes).1 {
            *self = Keys { scrolls: self.scrolls, ..Keys::default() };
            keys.push(Key::PasteEnd);
        }
    }

    /// Takes what stands at `at`. Returns its length in bytes, or `None` if its rest is missing.
    fn take_key(&mut self, at: usize, keys: &mut Vec<Key>) -> Option<usize> {
        let (bytes, found) = decode(&self.pending[at..]);
        match found {
            Found::NotYet => return None,
            Found::Key(key) => keys.push(key),
            Found::PasteBegins => {
                self.within = Within::Paste { silent: false };
                keys.push(Key::Paste(String::new()));
            }
            Found::StringBegins => {
                self.within = Within::String { bytes_left: STRING_BYTES_MAX };
            }
            Found::Terminal(scrolls) => self.scrolls = scrolls,
            Found::Nothing => {}
        }
        Some(bytes)
    }

    /// Skips a string up to its end: ST, BEL, CAN or SUB. Any other ESC cuts it off. So do Ctrl-C
    /// and Ctrl-D, which no terminal sends in a string.
    fn skip_string(&mut self, at: usize, bytes_left: usize) -> Option<usize> {
        let (bytes, ends) = match self.pending[at..] {
            [0x1b] => return None,
            [0x1b, b'\\', ..] => (2, true),
            [0x07 | 0x18 | 0x1a, ..] => (1, true),
            [0x03 | 0x04 | 0x1b, ..] => (0, true),
            _ => (1, bytes_left == 1),
        };
        let bytes_left = bytes_left - 1;
        self.within = if ends { Within::Keys } else { Within::String { bytes_left } };
        Some(bytes)
    }

    /// Takes pasted text from `at` to its end, or as far as it is certainly text. Returns its
    /// length.
    fn take_paste(&mut self, at: usize, keys: &mut Vec<Key>) -> Option<usize> {
        let rest = &self.pending[at..];
        if rest.starts_with(PASTE_END) {
            self.within = Within::Keys;
            keys.push(Key::PasteEnd);
            return Some(PASTE_END.len());
        }
        let end = memchr::memmem::find(rest, PASTE_END);
        let bytes = end.unwrap_or_else(|| surely_text(rest));
        if bytes == 0 {
            return None;
        }
        keys.push(Key::Paste(String::from_utf8_lossy(&rest[..bytes]).into_owned()));
        Some(bytes)
    }
}

/// How many bytes of a paste are neither the beginning of its end nor half a character.
fn surely_text(bytes: &[u8]) -> usize {
    let mut lengths = (1..PASTE_END.len()).rev();
    if let Some(length) = lengths.find(|length| bytes.ends_with(&PASTE_END[..*length])) {
        return bytes.len() - length;
    }
    let tail = bytes.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    if is_half_a_character(tail) { bytes.len() - tail.len() } else { bytes.len() }
}

/// Whether these bytes can still become a character.
fn is_half_a_character(bytes: &[u8]) -> bool {
    let is_half = |error: Utf8Error| error.valid_up_to() == 0 && error.error_len().is_none();
    std::str::from_utf8(bytes).is_err_and(is_half)
}

fn decode(bytes: &[u8]) -> (usize, Found) {
    match bytes[0] {
        0x1b => escape::decode(bytes),
        control @ (0..=0x1f | 0x7f) => (1, control_key(control)),
        _ => decode_character(bytes),
    }
}

fn decode_character(bytes: &[u8]) -> (usize, Found) {
    let beginning = &bytes[..bytes.len().min(char::MAX.len_utf8())];
    let Some(chunk) = beginning.utf8_chunks().next() else { return (0, Found::NotYet) };
    match chunk.valid().chars().next() {
        // C1 controls have no key.
        Some(character) if character.is_control() => (character.len_utf8(), Found::Nothing),
        Some(character) => (character.len_utf8(), Found::Key(Key::Char(character))),
        None if is_half_a_character(bytes) => (0, Found::NotYet),
        None => (chunk.invalid().len(), Found::Key(Key::Char(char::REPLACEMENT_CHARACTER))),
    }
}

/// The meaning of a control character.
pub(super) fn control_key(byte: u8) -> Found {
    Found::Key(match byte {
        b'\r' | b'\n' => Key::Enter,
        b'\t' => Key::Tab,
        0x7f | 0x08 => Key::Delete(To::Left),
        0x01 => Key::Go(To::Start),
        0x02 => Key::Go(To::Left),
        0x03 => Key::Interrupt,
        0x04 => Key::EndOfInput,
        0x05 => Key::Go(To::End),
        0x06 => Key::Go(To::Right),
        0x07 => Key::Cancel,
        0x0b => Key::Kill(To::End),
        0x0c => Key::Redraw,
        0x0e => Key::Down,
        0x10 => Key::Up,
        0x12 => Key::Search,
        0x14 => Key::Transpose,
        0x15 => Key::Kill(To::Start),
        0x17 => Key::Kill(To::Blank),
        0x19 => Key::Yank,
        0x1a => Key::Suspend,
        0x1f => Key::Undo,
        _ => return Found::Nothing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All keys of these reads. Adjacent pieces of a paste are joined.
    fn keys_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Key>, Keys) {
        let mut decoder = Keys::default();
        let mut keys = Vec::new();
        pieces.into_iter().for_each(|piece| decoder.push(piece, &mut keys));
        let mut merged: Vec<Key> = Vec::new();
        for key in keys {
            match (merged.last_mut(), key) {
                (Some(Key::Paste(text)), Key::Paste(more)) => text.push_str(&more),
                (_, key) => merged.push(key),
            }
        }
        (merged, decoder)
    }

    fn keys(bytes: &[u8]) -> Vec<Key> {
        keys_of([bytes]).0
    }

    fn chars(text: &str) -> Vec<Key> {
        text.chars().map(Key::Char).collect()
    }

    #[test]
    fn text_of_any_script_is_its_characters() {
        assert_eq!(keys("a이e\u{301}🙂".as_bytes()), chars("a이e\u{301}🙂"));
    }

    #[test]
    fn arrows_come_in_two_ways() {
        assert_eq!(
            keys(b"\x1b[A\x1bOB\x1b[C\x1bOD"),
            [Key::Up, Key::Down, Key::Go(To::Right), Key::Go(To::Left)]
        );
    }

    #[test]
    fn modified_arrows_go_by_words() {
        let expected = [
            Key::Go(To::WordStart),
            Key::Go(To::WordEnd),
            Key::Go(To::WordStart),
            Key::Go(To::WordEnd),
        ];
        assert_eq!(keys(b"\x1b[1;5D\x1b[1;3C\x1bb\x1bf"), expected);
    }

    #[test]
    fn home_end_and_delete_are_known_by_all_their_names() {
        let home = keys(b"\x1b[H\x1bOH\x1b[1~\x1b[7~\x01");
        assert_eq!(home, vec![Key::Go(To::Start); 5]);
        let end = keys(b"\x1b[F\x1bOF\x1b[4~\x1b[8~\x05");
        assert_eq!(end, vec![Key::Go(To::End); 5]);
        assert_eq!(keys(b"\x1b[3~\x1b[3;5~"), [Key::Delete(To::Right), Key::Kill(To::WordEnd)]);
    }

    #[test]
    fn what_is_not_understood_is_not_text() {
        assert_eq!(keys(b"\x1b[?2004h\x1b[15~\x1b[[A\x1b[<0;1;2M\x1bOP\x1bx\x00"), []);
        assert_eq!(keys(b"\x1b[12\ra"), [Key::Enter, Key::Char('a')]);
        assert_eq!(keys("\u{9b}a".as_bytes()), [Key::Char('a')]);
    }

    #[test]
    fn a_lone_escape_waits_and_is_given_up() {
        let (found, mut decoder) = keys_of([&b"\x1b"[..]]);
        assert_eq!((found, decoder.patience()), (vec![], Some(ESCAPE_PATIENCE)));
        decoder.give_up();
        let mut found = Vec::new();
        decoder.push(b"[A", &mut found);
        assert_eq!(found, chars("[A"));
        assert_eq!(decoder.patience(), None);
    }

    #[test]
    fn half_a_character_waits_for_ever() {
        let (found, mut decoder) = keys_of([&"이".as_bytes()[..2]]);
        assert_eq!((found, decoder.patience()), (vec![], None));
        decoder.give_up();
        let mut found = Vec::new();
        decoder.push(&"이".as_bytes()[2..], &mut found);
        assert_eq!(found, chars("이"));
    }

    #[test]
    fn bytes_that_are_no_character_are_seen() {
        assert_eq!(keys(b"a\xffb"), chars("a\u{fffd}b"));
        assert_eq!(keys(b"\xec\x9dz"), chars("\u{fffd}z"));
    }

    #[test]
    fn a_paste_is_text_whatever_it_contains() {
        let pasted = Key::Paste("a\r\x1b[A\x03b".to_owned());
        let all = keys(b"x\x1b[200~a\r\x1b[A\x03b\x1b[201~\r");
        assert_eq!(all, [Key::Char('x'), pasted, Key::PasteEnd, Key::Enter]);
    }

    #[test]
    fn a_string_may_come_in_pieces_but_not_for_ever() {
        for begun in ["\x1b]", "\x1b]52;c;aGk", "\x1bP", "\x1b_G"] {
            let (found, mut decoder) = keys_of([begun.as_bytes()]);
            assert_eq!((found, decoder.patience()), (vec![], Some(SEQUENCE_PATIENCE)), "{begun:?}");
            let mut found = Vec::new();
            decoder.push(b"more", &mut found);
            assert_eq!(decoder.patience(), Some(SEQUENCE_PATIENCE), "{begun:?}");
            decoder.give_up();
            decoder.push(b"a", &mut found);
            assert_eq!(found, chars("a"), "{begun:?}");
        }
    }

    #[test]
    fn of_a_string_without_end_not_more_is_skipped_than_may_be() {
        let long = vec![b'x'; STRING_BYTES_MAX];
        assert_eq!(keys(&[b"\x1b]", &long[..], b"ab"].concat()), chars("ab"));
        assert_eq!(keys(&[b"\x1b]", &long[..], b"\x1b[A"].concat()), [Key::Up]);
        let halves = long.split_at(STRING_BYTES_MAX / 2);
        assert_eq!(keys_of([b"\x1b]", halves.0, halves.1, b"ab"]).0, chars("ab"));
    }

    #[test]
    fn behind_a_silence_ctrl_c_ends_a_paste_without_end() {
        for (bytes, key) in [
            (&b"\x03"[..], Key::Interrupt),
            (b"\x04", Key::EndOfInput),
            (b"\x1a", Key::Suspend),
            (b"\x1b[99;5u", Key::Interrupt),
        ] {
            let (mut found, mut decoder) = keys_of([&b"\x1b[200~a\x1b[2"[..]]);
            assert_eq!(decoder.patience(), Some(PASTE_PATIENCE));
            decoder.give_up();
            assert_eq!(decoder.patience(), None);
            decoder.push(bytes, &mut found);
            assert_eq!(found, [Key::Paste("a".to_owned()), Key::PasteEnd, key]);
        }
        let (mut found, mut decoder) = keys_of([&b"\x1b[200~a\x1b[2"[..]]);
        decoder.give_up();
        decoder.push(b"01~", &mut found);
        assert_eq!(found, [Key::Paste("a".to_owned()), Key::PasteEnd]);
    }

    #[test]
    fn a_sequence_without_end_is_skipped() {
        for ending in [&b"\x03"[..], b"R\x03"] {
            let sequence = [b"\x1b[", &[b'1'; 200][..], ending].concat();
            assert_eq!(keys(&sequence), [Key::Interrupt]);
        }
        let (found, decoder) = keys_of([&b"\x1b["[..], &[b'1'; 300][..]]);
        assert_eq!((found, decoder.pending.len()), (chars(&"1".repeat(44)), 0));
    }

    /// What terminals and users send, whole and cut off.
    fn input() -> impl Strategy<Value = Vec<u8>> {
        let pieces = prop_oneof![
            "[a-z이한́🙂 ]{0,4}".prop_map(String::into_bytes),
            prop::sample::select(vec![
                &b"\x1b[A"[..],
                b"\x1bOC",
                b"\x1b[1;5D",
                b"\x1b[200~",
                b"\x1b[201~",
                b"\x1b[201",
                b"\x1b",
                b"\x1b[",
                b"\x1b[1111111111222222222233333333334444444444555555555566666666667777",
                b"\x1b[M \xc4\x80\xff",
                b"\x1b[<0;1;1M",
                b"\x1b]52;c;",
                b"\x1bP1$r",
                b"\x1b\\",
                b"\x1b[99;5u",
                b"\r",
                b"\xed\x95",
                b"\x03",
            ])
            .prop_map(<[u8]>::to_vec),
            prop::collection::vec(any::<u8>(), 0..3),
        ];
        prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(crate::cases())]

        #[test]
        fn however_the_input_is_cut_the_keys_are_the_same(
            input in input(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
            cuts.extend([0, input.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|cut| &input[cut[0]..cut[1]]);
            let (cut, rest) = keys_of(pieces);
            let (whole, whole_rest) = keys_of([&input[..]]);
            prop_assert_eq!(cut, whole);
            prop_assert_eq!(rest.pending, whole_rest.pending);
        }

        #[test]
        fn whatever_is_typed_no_character_is_a_control(input in input()) {
            let typed = keys(&input);
            let control = |key: &Key| matches!(key, Key::Char(c) if c.is_control());
            prop_assert!(!typed.iter().any(control));
        }
    }
}
