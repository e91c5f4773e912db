//! Bytes of a terminal in, keys out.
//!
//! The rules this room keeps:
//!
//! - However the bytes are cut into reads, the keys are the same: half a character and half an
//!   escape sequence wait for their rest.
//! - A lone ESC is only known by the silence behind it. [`Keys::patience`] says how much silence
//!   that is, and [`Keys::give_up`] throws away what was begun.
//! - What is pasted (between `CSI 200 ~` and `CSI 201 ~`) is text, whatever it contains.
//! - What is not understood is skipped whole and never becomes text.
//!
//! It never knows the terminal, the clock, or what a key does.

use std::time::Duration;

/// After this much silence an ESC was the key Esc. An escape sequence arrives in one piece, but for
/// a slow line.
const ESCAPE_PATIENCE: Duration = Duration::from_millis(50);

/// A sequence that has begun is given more: its rest would otherwise be text in the line.
const SEQUENCE_PATIENCE: Duration = Duration::from_secs(1);

/// The most bytes of a sequence between its introducer and its last byte; one that is longer is
/// nonsense and skipped like any other.
const PARAMETERS_MAX: usize = 32;

/// What ends a paste.
const PASTE_END: &[u8] = b"\x1b[201~";

/// A key, by what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "a key is called by its name")]
pub enum Key {
    /// A character as it was typed.
    Char(char),
    /// A piece of what is being pasted; the next piece belongs to it.
    Paste(String),
    Enter,
    Tab,
    Backspace,
    Delete,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    WordLeft,
    WordRight,
    /// Ctrl-W: back to the blank.
    RubOutWord,
    /// Alt-Backspace: back to the beginning of the word.
    KillWordLeft,
    /// Alt-d.
    KillWordRight,
    /// Ctrl-U.
    KillToStart,
    /// Ctrl-K.
    KillToEnd,
    /// Ctrl-Y.
    Yank,
    /// Ctrl-T: the two characters about the cursor change places.
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
/// `pending` is empty, or begins with a byte that does not say all that it means.
#[derive(Debug, Default)]
pub struct Keys {
    pending: Vec<u8>,
    pasting: bool,
    /// In a sequence that is too long to mean anything, up to its last byte.
    skipping: bool,
}

/// What the bytes at the front are.
enum Found {
    Key(Key),
    /// Understood, and nothing; or not understood.
    Nothing,
    PasteBegins,
    /// A sequence with more parameters than there may be: all up to its last byte is nothing.
    TooLong,
    NotYet,
}

impl Keys {
    /// Takes in what was read. The keys it makes are appended to `keys`.
    pub fn push(&mut self, bytes: &[u8], keys: &mut Vec<Key>) {
        self.pending.extend_from_slice(bytes);
        let mut taken = 0;
        while taken < self.pending.len() {
            if self.skipping {
                taken += self.skip(taken);
                continue;
            }
            if self.pasting {
                let pasted = self.take_paste(taken, keys);
                taken += pasted;
                if pasted == 0 {
                    break;
                }
                continue;
            }
            let (bytes, found) = decode(&self.pending[taken..]);
            match found {
                Found::NotYet => break,
                Found::Key(key) => keys.push(key),
                Found::PasteBegins => self.pasting = true,
                Found::TooLong => self.skipping = true,
                Found::Nothing => {}
            }
            taken += bytes;
        }
        self.pending.drain(..taken);
    }

    /// How much silence makes what was begun mean nothing more; `None` while nothing was, or it
    /// can only be text.
    pub fn patience(&self) -> Option<Duration> {
        match self.pending[..] {
            _ if self.pasting => None,
            [0x1b] => Some(ESCAPE_PATIENCE),
            [0x1b, ..] => Some(SEQUENCE_PATIENCE),
            _ => None,
        }
    }

    /// It was silent for so long: the escape that was begun is thrown away.
    pub fn give_up(&mut self) {
        if self.patience().is_some() {
            self.pending.clear();
        }
    }

    /// Goes on in a sequence that is too long; how many bytes belong to it.
    fn skip(&mut self, at: usize) -> usize {
        let rest = &self.pending[at..];
        let parameters = rest.iter().take_while(|byte| is_parameter(**byte)).count();
        let Some(last) = rest.get(parameters) else { return parameters };
        self.skipping = false;
        parameters + usize::from(matches!(last, 0x40..=0x7e))
    }

    /// Takes pasted text from `at` up to its end, or as far as it is surely text; how many bytes.
    fn take_paste(&mut self, at: usize, keys: &mut Vec<Key>) -> usize {
        let rest = &self.pending[at..];
        if rest.starts_with(PASTE_END) {
            self.pasting = false;
            return PASTE_END.len();
        }
        let end = memchr::memmem::find(rest, PASTE_END);
        let bytes = end.unwrap_or_else(|| surely_text(rest));
        if bytes > 0 {
            keys.push(Key::Paste(String::from_utf8_lossy(&rest[..bytes]).into_owned()));
        }
        bytes
    }
}

/// How many bytes of a paste are neither the beginning of its end nor half a character.
fn surely_text(bytes: &[u8]) -> usize {
    let ends = (1..PASTE_END.len()).rev();
    let end_begun = ends.into_iter().find(|length| bytes.ends_with(&PASTE_END[..*length]));
    if let Some(length) = end_begun {
        return bytes.len() - length;
    }
    let tail = bytes.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    if is_half_a_character(tail) { bytes.len() - tail.len() } else { bytes.len() }
}

/// Whether these bytes could still become a character.
fn is_half_a_character(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| {
        error.valid_up_to() == 0 && error.error_len().is_none() && !bytes.is_empty()
    })
}

fn decode(bytes: &[u8]) -> (usize, Found) {
    match bytes[0] {
        0x1b => decode_escape(bytes),
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

fn control_key(byte: u8) -> Found {
    Found::Key(match byte {
        b'\r' | b'\n' => Key::Enter,
        b'\t' => Key::Tab,
        0x7f | 0x08 => Key::Backspace,
        0x01 => Key::Home,
        0x02 => Key::Left,
        0x03 => Key::Interrupt,
        0x04 => Key::EndOfInput,
        0x05 => Key::End,
        0x06 => Key::Right,
        0x07 => Key::Cancel,
        0x0b => Key::KillToEnd,
        0x0c => Key::Redraw,
        0x0e => Key::Down,
        0x10 => Key::Up,
        0x12 => Key::Search,
        0x14 => Key::Transpose,
        0x15 => Key::KillToStart,
        0x17 => Key::RubOutWord,
        0x19 => Key::Yank,
        0x1a => Key::Suspend,
        0x1f => Key::Undo,
        _ => return Found::Nothing,
    })
}

fn decode_escape(bytes: &[u8]) -> (usize, Found) {
    match bytes.get(1) {
        None => (0, Found::NotYet),
        // The first was the key Esc, or Alt of a sequence.
        Some(0x1b) => (1, Found::Nothing),
        Some(b'[') => decode_csi(bytes),
        Some(b'O') => match bytes.get(2) {
            None => (0, Found::NotYet),
            Some(last @ 0x40..=0x7e) => (3, named_key(*last, b"")),
            Some(_) => (2, Found::Nothing),
        },
        Some(letter @ 0x20..=0x7f) => (2, alt_key(*letter)),
        Some(0x08) => (2, Found::Key(Key::KillWordLeft)),
        // The key Esc, and another behind it.
        Some(_) => (1, Found::Nothing),
    }
}

fn alt_key(letter: u8) -> Found {
    Found::Key(match letter {
        b'b' | b'B' => Key::WordLeft,
        b'f' | b'F' => Key::WordRight,
        b'd' | b'D' => Key::KillWordRight,
        0x7f => Key::KillWordLeft,
        _ => return Found::Nothing,
    })
}

/// `ESC [`, parameters and intermediates, a last byte (ECMA-48).
fn decode_csi(bytes: &[u8]) -> (usize, Found) {
    let body = &bytes[2..];
    // The Linux console has F1 to F5 as `ESC [ [ A`.
    if body.first() == Some(&b'[') {
        return if body.len() < 2 { (0, Found::NotYet) } else { (4, Found::Nothing) };
    }
    let length = body.iter().take_while(|byte| is_parameter(**byte)).count();
    if length > PARAMETERS_MAX {
        return (2 + PARAMETERS_MAX, Found::TooLong);
    }
    if length == body.len() {
        return (0, Found::NotYet);
    }
    let parameters = &body[..length];
    match body[length] {
        last @ 0x40..=0x7e => (2 + length + 1, csi_key(last, parameters)),
        // It is broken off; what broke it stands for itself.
        _ => (2 + length, Found::Nothing),
    }
}

fn is_parameter(byte: u8) -> bool {
    matches!(byte, 0x20..=0x3f)
}

fn csi_key(last: u8, parameters: &[u8]) -> Found {
    if last != b'~' {
        return named_key(last, parameters);
    }
    let modified = parameters.contains(&b';');
    let number = parameters.split(|byte| *byte == b';').next().unwrap_or_default();
    Found::Key(match number {
        b"1" | b"7" => Key::Home,
        b"4" | b"8" => Key::End,
        b"3" if modified => Key::KillWordRight,
        b"3" => Key::Delete,
        b"200" => return Found::PasteBegins,
        _ => return Found::Nothing,
    })
}

/// The keys that are called by a letter, after `ESC [` or `ESC O`; Ctrl or Alt with an arrow goes
/// by words.
fn named_key(last: u8, parameters: &[u8]) -> Found {
    let modifier = parameters.split(|byte| *byte == b';').nth(1);
    let by_words = matches!(modifier, Some(b"3" | b"5" | b"7"));
    Found::Key(match last {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' if by_words => Key::WordRight,
        b'D' if by_words => Key::WordLeft,
        b'C' => Key::Right,
        b'D' => Key::Left,
        // rxvt has Ctrl with an arrow as `ESC O c`.
        b'c' => Key::WordRight,
        b'd' => Key::WordLeft,
        b'H' => Key::Home,
        b'F' => Key::End,
        b'M' => Key::Enter,
        _ => return Found::Nothing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All keys of these pieces, neighbouring pieces of a paste being one.
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
        assert_eq!(keys(b"\x1b[A\x1bOB\x1b[C\x1bOD"), [Key::Up, Key::Down, Key::Right, Key::Left]);
    }

    #[test]
    fn modified_arrows_go_by_words() {
        let expected = [Key::WordLeft, Key::WordRight, Key::WordLeft, Key::WordRight];
        assert_eq!(keys(b"\x1b[1;5D\x1b[1;3C\x1bb\x1bf"), expected);
    }

    #[test]
    fn home_end_and_delete_are_known_by_all_their_names() {
        let home = keys(b"\x1b[H\x1bOH\x1b[1~\x1b[7~\x01");
        assert_eq!(home, vec![Key::Home; 5]);
        let end = keys(b"\x1b[F\x1bOF\x1b[4~\x1b[8~\x05");
        assert_eq!(end, vec![Key::End; 5]);
        assert_eq!(keys(b"\x1b[3~\x1b[3;5~"), [Key::Delete, Key::KillWordRight]);
    }

    #[test]
    fn what_is_not_understood_is_not_text() {
        assert_eq!(keys(b"\x1b[?2004h\x1b[15~\x1b[[A\x1b[<0;1;2M\x1bOP\x1bx\x00"), [Key::Enter]);
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
        assert_eq!(all, [Key::Char('x'), pasted, Key::Enter]);
    }

    #[test]
    fn a_sequence_without_end_is_skipped() {
        assert_eq!(keys(&[b"\x1b[", &[b'1'; 200][..], b"\x03"].concat())[0..1], [Key::Interrupt]);
        assert_eq!(keys(&[b"\x1b[", &[b'1'; 200][..], b"A\x03"].concat()), [Key::Interrupt]);
        let (found, decoder) = keys_of([&b"\x1b["[..], &[b'1'; 200][..]]);
        assert!(found.is_empty() && decoder.pending.is_empty());
    }

    /// What terminals and people send, whole and broken.
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
                b"\x1b[1111111111222222222233333333334444",
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
