//! What a terminal sends after ESC: keys, pastes, and reports that are not for this client.
//!
//! The rules of this file:
//!
//! - A key sequence has no private marker (`< = > ?`) and no intermediate byte. A sequence with one
//!   reports a mouse, or answers a query. One query is the client's own: which terminal it is
//!   (Secondary DA).
//! - A keyboard mode that another program left on must not disable a needed key. So this file reads
//!   CSI u (of kitty and others), modifyOtherKeys of xterm, and the keypad of a VT100.
//!
//! It knows one sequence, from its ESC on. It never knows what came before it or what a key does.

use super::edit::To;
use super::keys::{Found, Key, control_key};

/// The most bytes of a sequence between its introducer and its last byte: more than any terminal
/// sends. Of a longer sequence, this many bytes are skipped.
const PARAMETERS_MAX: usize = 256;

/// The Secondary DA of mosh: the only terminal that is known to cut off the lowest rows when it
/// becomes lower.
const MOSH: &[u8] = b">1;10;0";

/// Modifiers are bits of the number that is sent, less 1.
const ALT: u32 = 1 << 1;
const CTRL: u32 = 1 << 2;
const SUPER_HYPER_META: u32 = 0b111 << 3;

/// The event type of a key that is released.
const RELEASE: u32 = 3;

/// What the bytes from an ESC on mean, and how many bytes that takes.
pub(super) fn decode(bytes: &[u8]) -> (usize, Found) {
    match bytes.get(1) {
        None => (0, Found::NotYet),
        // The first ESC was the key Esc, or Alt of a sequence.
        Some(0x1b) => (1, Found::Nothing),
        Some(b'[') => decode_csi(bytes),
        Some(b'O') => decode_ss3(bytes),
        // OSC, DCS, SOS, PM, APC.
        Some(b']' | b'P' | b'X' | b'^' | b'_') => (2, Found::StringBegins),
        Some(letter @ 0x20..=0x7f) => (2, alt_key(*letter)),
        Some(0x08) => (2, Found::Key(Key::Kill(To::WordStart))),
        // The key Esc, followed by another key.
        Some(_) => (1, Found::Nothing),
    }
}

fn alt_key(letter: u8) -> Found {
    Found::Key(match letter.to_ascii_lowercase() {
        b'b' => Key::Go(To::WordStart),
        b'f' => Key::Go(To::WordEnd),
        b'd' => Key::Kill(To::WordEnd),
        0x7f => Key::Kill(To::WordStart),
        _ => return Found::Nothing,
    })
}

/// `ESC [`, parameters and intermediates, a last byte (ECMA-48).
fn decode_csi(bytes: &[u8]) -> (usize, Found) {
    let body = &bytes[2..];
    match body {
        // The Linux console sends F1 to F5 as `ESC [ [ A`.
        [b'['] => return (0, Found::NotYet),
        [b'[', ..] => return (4, Found::Nothing),
        // X10 sends a button, a column and a row in three bytes of any value.
        [b'M', report @ ..] => {
            let is_key = |byte: &u8| matches!(byte, 0x01..=0x1f);
            let begun = report.iter().take(3).take_while(|byte| !is_key(byte)).count();
            let is_whole = begun == 3 || begun < report.len();
            return if is_whole { (3 + begun, Found::Nothing) } else { (0, Found::NotYet) };
        }
        _ => {}
    }
    let digits = body.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let length = body.iter().take_while(|byte| matches!(byte, 0x20..=0x3f)).count();
    match body.get(length) {
        // rxvt sends Shift with a key as `ESC [ 3 $`.
        _ if digits > 0 && body.get(digits) == Some(&b'$') => (2 + digits + 1, Found::Nothing),
        _ if length > PARAMETERS_MAX => (2 + PARAMETERS_MAX, Found::Nothing),
        None => (0, Found::NotYet),
        Some(last @ 0x40..=0x7e) => (2 + length + 1, csi_key(*last, &body[..length])),
        // The sequence is cut off. The byte that cut it is read by itself.
        Some(_) => (2 + length, Found::Nothing),
    }
}

/// `ESC O`, a modifier in some terminals, and a letter.
fn decode_ss3(bytes: &[u8]) -> (usize, Found) {
    let is_modifier = |byte: &&u8| matches!(byte, b'0'..=b'9' | b';');
    let length = 2 + bytes[2..].iter().take(PARAMETERS_MAX).take_while(is_modifier).count();
    let parameters = &bytes[2..length];
    let modifiers = number(parameters, 1, 0).or(number(parameters, 0, 0));
    match bytes.get(length) {
        None => (0, Found::NotYet),
        Some(last @ 0x20..=0x7e) => (length + 1, ss3_key(*last, modifiers)),
        Some(_) => (length, Found::Nothing),
    }
}

fn ss3_key(last: u8, modifiers: Option<u32>) -> Found {
    Found::Key(match last {
        // rxvt sends Ctrl with an arrow like this.
        b'c' => Key::Go(To::WordEnd),
        b'd' => Key::Go(To::WordStart),
        // The keypad, after a program asked for application keys.
        b'M' => Key::Enter,
        b'j'..=b'y' => Key::Char(char::from(last - 0x40)),
        _ => return arrow_key(last, modifiers),
    })
}

/// A number of a sequence. `1;2:3` has three; the last is a part of the second.
fn number(parameters: &[u8], place: usize, part: usize) -> Option<u32> {
    let parameter = parameters.split(|byte| *byte == b';').nth(place)?;
    let number = parameter.split(|byte| *byte == b':').nth(part)?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

fn csi_key(last: u8, parameters: &[u8]) -> Found {
    if last == b'c' && parameters.starts_with(b">") {
        return Found::Terminal(parameters != MOSH);
    }
    let is_of_key = |byte: &u8| matches!(byte, b'0'..=b'9' | b':' | b';');
    if !parameters.iter().all(is_of_key) || number(parameters, 1, 1) == Some(RELEASE) {
        return Found::Nothing;
    }
    let modifiers = number(parameters, 1, 0);
    Found::Key(match (last, number(parameters, 0, 0)) {
        (b'u', Some(code)) => return character_key(code, modifiers, parameters),
        (b'~', Some(27)) => {
            let code = number(parameters, 2, 0).unwrap_or_default();
            return character_key(code, modifiers, b"");
        }
        (b'~', Some(1 | 7)) => Key::Go(To::Start),
        (b'~', Some(4 | 8)) => Key::Go(To::End),
        (b'~', Some(3)) if goes_by_words(modifiers) => Key::Kill(To::WordEnd),
        (b'~', Some(3)) => Key::Delete(To::Right),
        (b'~', Some(200)) => return Found::PasteBegins,
        _ => return arrow_key(last, modifiers),
    })
}

/// The keys that a letter names, after `ESC [` or `ESC O`.
fn arrow_key(last: u8, modifiers: Option<u32>) -> Found {
    let by_words = goes_by_words(modifiers);
    Found::Key(match last {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' if by_words => Key::Go(To::WordEnd),
        b'D' if by_words => Key::Go(To::WordStart),
        b'C' => Key::Go(To::Right),
        b'D' => Key::Go(To::Left),
        b'H' => Key::Go(To::Start),
        b'F' => Key::Go(To::End),
        _ => return Found::Nothing,
    })
}

/// Whether these modifiers make an arrow move by words: Ctrl or Alt.
fn goes_by_words(modifiers: Option<u32>) -> bool {
    modifiers.is_some_and(|sent| sent.saturating_sub(1) & (CTRL | ALT) != 0)
}

/// A key by its character: `CSI code:shifted:latin ; modifiers ; text u`. All but the code may be
/// missing. If the terminal sends only the key and not its text, Shift is ignored.
fn character_key(code: u32, modifiers: Option<u32>, parameters: &[u8]) -> Found {
    let modifiers = modifiers.map_or(0, |sent| sent.saturating_sub(1));
    // With Ctrl or Alt the key counts, in whatever script its label is.
    let latin = number(parameters, 0, 2).filter(|_| code > 0x7f).unwrap_or(code);
    let byte = u8::try_from(latin).unwrap_or_default();
    match (byte, modifiers & (CTRL | ALT)) {
        _ if modifiers & SUPER_HYPER_META != 0 => Found::Nothing,
        (0x7f, CTRL | ALT) => Found::Key(Key::Kill(To::WordStart)),
        (b'\t' | b'\r' | 0x08 | 0x7f, _) => control_key(byte),
        (b'@'..=b'~', held) if held & CTRL != 0 => control_key(byte & 0x1f),
        (b' '..=b'~', ALT) => alt_key(byte),
        (_, 0) => match char::from_u32(number(parameters, 2, 0).unwrap_or(code)) {
            // kitty sends keys without a character in the private use area.
            None | Some('\u{e000}'..='\u{f8ff}') => Found::Nothing,
            Some(character) if character.is_control() => Found::Nothing,
            Some(character) => Found::Key(Key::Char(character)),
        },
        _ => Found::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::Keys;
    use super::*;

    /// What a terminal sends, and what it means. From the tests of fish and vttest, and the
    /// documents of xterm ("Control Sequences"), kitty ("Comprehensive keyboard handling") and
    /// rxvt-unicode (rxvtref).
    const VECTORS: &[(&str, &[u8], &[Key])] = &[
        // Keys.
        (
            "arrows, normal",
            b"\x1b[A\x1b[B\x1b[C\x1b[D",
            &[Key::Up, Key::Down, Key::Go(To::Right), Key::Go(To::Left)],
        ),
        (
            "arrows, application",
            b"\x1bOA\x1bOB\x1bOC\x1bOD",
            &[Key::Up, Key::Down, Key::Go(To::Right), Key::Go(To::Left)],
        ),
        (
            "Ctrl with an arrow",
            b"\x1b[1;5C\x1b[1;5D",
            &[Key::Go(To::WordEnd), Key::Go(To::WordStart)],
        ),
        (
            "Alt with an arrow",
            b"\x1b[1;3C\x1b[1;3D",
            &[Key::Go(To::WordEnd), Key::Go(To::WordStart)],
        ),
        ("Shift with an arrow", b"\x1b[1;2C\x1b[1;2A", &[Key::Go(To::Right), Key::Up]),
        (
            "the same with Num Lock",
            b"\x1b[1;129C\x1b[1;133C",
            &[Key::Go(To::Right), Key::Go(To::WordEnd)],
        ),
        (
            "the same, old xterm",
            b"\x1bO5C\x1bO1;5D\x1b[5C",
            &[Key::Go(To::WordEnd), Key::Go(To::WordStart), Key::Go(To::Right)],
        ),
        (
            "Ctrl with an arrow, rxvt",
            b"\x1bOc\x1bOd",
            &[Key::Go(To::WordEnd), Key::Go(To::WordStart)],
        ),
        ("Shift with an arrow, rxvt", b"\x1b[a\x1b[b\x1b[c\x1b[d", &[]),
        ("Alt with an arrow, PuTTY", b"\x1b\x1b[A", &[Key::Up]),
        (
            "Home and End",
            b"\x1b[H\x1b[F\x1bOH\x1bOF",
            &[Key::Go(To::Start), Key::Go(To::End), Key::Go(To::Start), Key::Go(To::End)],
        ),
        (
            "the same, VT220 and rxvt",
            b"\x1b[1~\x1b[4~\x1b[7~\x1b[8~",
            &[Key::Go(To::Start), Key::Go(To::End), Key::Go(To::Start), Key::Go(To::End)],
        ),
        ("Home with Shift", b"\x1b[1;2H\x1b[1;2~", &[Key::Go(To::Start), Key::Go(To::Start)]),
        (
            "Delete, and with Ctrl",
            b"\x1b[3~\x1b[3;5~",
            &[Key::Delete(To::Right), Key::Kill(To::WordEnd)],
        ),
        ("Delete with Shift", b"\x1b[3;2~\x1b[3$\x1b[3^\x1b[3@", &[Key::Delete(To::Right)]),
        ("Insert and pages", b"\x1b[2~\x1b[5~\x1b[6~\x1b[5;5~", &[]),
        ("function keys", b"\x1bOP\x1bOS\x1b[11~\x1b[24~\x1b[1;2P\x1b[1;5R\x1b[23$", &[]),
        ("F1 to F5, Linux", b"\x1b[[A\x1b[[E", &[]),
        ("menu keys, keypad 5", b"\x1b[29~\x1b[E\x1bOE\x1b[G", &[]),
        ("Shift-Tab", b"\x1b[Z", &[]),
        (
            "the keypad, application",
            b"\x1bOp\x1bOy\x1bOn\x1bOk\x1bOM",
            &[Key::Char('0'), Key::Char('9'), Key::Char('.'), Key::Char('+'), Key::Enter],
        ),
        (
            "Alt with a letter",
            b"\x1bb\x1bF\x1bd\x1b\x7fx",
            &[
                Key::Go(To::WordStart),
                Key::Go(To::WordEnd),
                Key::Kill(To::WordEnd),
                Key::Kill(To::WordStart),
                Key::Char('x'),
            ],
        ),
        ("Alt without a meaning", b"\x1bx\x1b1\x1b.\x1b\\", &[]),
        // Keys in the modes that programs ask for.
        (
            "Ctrl-C, D, Z, kitty",
            b"\x1b[99;5u\x1b[100;5u\x1b[122;5u",
            &[Key::Interrupt, Key::EndOfInput, Key::Suspend],
        ),
        (
            "Ctrl-C, D, Z, xterm",
            b"\x1b[27;5;99~\x1b[27;5;100~\x1b[27;5;122~",
            &[Key::Interrupt, Key::EndOfInput, Key::Suspend],
        ),
        (
            "the same with Shift",
            b"\x1b[99;6u\x1b[27;6;67~\x1b[67;6u",
            &[Key::Interrupt, Key::Interrupt, Key::Interrupt],
        ),
        (
            "Ctrl-C goes down, on, up",
            b"\x1b[99;5:1u\x1b[99;5:2u\x1b[99;5:3u",
            &[Key::Interrupt, Key::Interrupt],
        ),
        ("an arrow goes down, up", b"\x1b[1;1:1A\x1b[1;1:3A\x1b[3;1:3~", &[Key::Up]),
        ("Ctrl-C, locks on", b"\x1b[99;69u\x1b[99;133u", &[Key::Interrupt, Key::Interrupt]),
        ("Ctrl-C on a Russian keyboard", b"\x1b[1089::99;5u", &[Key::Interrupt]),
        ("Ctrl-W, Ctrl-A", b"\x1b[119;5u\x1b[97;5u", &[Key::Kill(To::Blank), Key::Go(To::Start)]),
        (
            "Alt-B, Alt-D",
            b"\x1b[98;3u\x1b[27;3;100~",
            &[Key::Go(To::WordStart), Key::Kill(To::WordEnd)],
        ),
        (
            "Enter in all ways",
            b"\x1b[13u\x1b[13;2u\x1b[13;5u\x1b[27;2;13~",
            &[Key::Enter, Key::Enter, Key::Enter, Key::Enter],
        ),
        (
            "Tab, Backspace",
            b"\x1b[9u\x1b[127u\x1b[127;5u",
            &[Key::Tab, Key::Delete(To::Left), Key::Kill(To::WordStart)],
        ),
        ("Esc", b"\x1b[27u\x1b[27;5u\x1b[27;1:3u", &[]),
        (
            "letters with their text",
            b"\x1b[97;2;65u\x1b[32;;32u\x1b[0;;54620u",
            &[Key::Char('A'), Key::Char(' '), Key::Char('\u{d55c}')],
        ),
        ("letters, xterm", b"\x1b[27;2;65~\x1b[27;2;33~", &[Key::Char('A'), Key::Char('!')]),
        ("Super, Hyper, Meta", b"\x1b[99;9u\x1b[99;17u\x1b[99;33u", &[]),
        ("a modifier alone", b"\x1b[57441;2u\x1b[57442;5:3u\x1b[57358u", &[]),
        ("no character", b"\x1b[55296u\x1b[4294967296u\x1b[u\x1b[27;5~\x1b[133;1u", &[]),
        // A mouse.
        ("a click, X10", b"\x1b[M !!\x1b[M#!!a", &[Key::Char('a')]),
        (
            "a click far out, X10",
            b"\x1b[M \xff\xe0a\x1b[M \x00\x00b",
            &[Key::Char('a'), Key::Char('b')],
        ),
        ("a click on control keys' rows", b"\x1b[M  \x7f\x1b[M\x40\x9b\x90a", &[Key::Char('a')]),
        ("a click, 1006", b"\x1b[<0;35;12M\x1b[<0;35;12m\x1b[<65;1;1M", &[]),
        ("a click, 1015", b"\x1b[32;35;12M\x1b[35;35;12M", &[]),
        ("a click, 1016", b"\x1b[<0;1200;640M", &[]),
        ("a locator, DEC", b"\x1b[1;0;12;35;0&w", &[]),
        // Reports that it sends by itself.
        ("focus in, focus out", b"\x1b[I\x1b[O", &[]),
        ("light or dark", b"\x1b[?997;1n", &[]),
        ("its size has changed", b"\x1b[48;24;80;384;640t", &[]),
        // Answers to queries.
        ("DA1", b"\x1b[?6c\x1b[?62;1;2;4;6;9;15;22c\x1b[?1;2c", &[]),
        (
            "DA1, with much",
            b"\x1b[?64;1;2;6;7;8;9;12;15;18;21;22;23;24;28;29;42;44;45;46;52;314;1337c",
            &[],
        ),
        ("DA2, DA3", b"\x1b[>41;388;0c\x1bP!|00000000\x1b\\", &[]),
        ("DSR", b"\x1b[0n\x1b[3n\x1b[?10n\x1b[?27;1;0;0n", &[]),
        ("CPR", b"\x1b[24;80R\x1b[?24;80;1R", &[]),
        ("DECRQM", b"\x1b[?2004;1$y\x1b[4;2$y", &[]),
        ("DECRQSS", b"\x1bP1$r0m\x1b\\\x1bP0$r\x1b\\", &[]),
        ("XTVERSION", b"\x1bP>|XTerm(388)\x1b\\", &[]),
        ("XTGETTCAP", b"\x1bP1+r544e=787465726d\x1b\\", &[]),
        ("DECTABSR, DECCIR", b"\x1bP2$u9/17/25\x1b\\\x1bP1$u1;1;1;@;@;@;0;2;@;BBBB\x1b\\", &[]),
        ("DECREQTPARM", b"\x1b[2;1;1;120;120;1;0x", &[]),
        ("colours", b"\x1b]10;rgb:ffff/ffff/ffff\x07\x1b]11;rgb:0000/0000/0000\x1b\\", &[]),
        ("a colour of the palette", b"\x1b]4;1;rgb:cdcd/0000/0000\x07", &[]),
        ("the clipboard", b"\x1b]52;c;L3F1aXQN\x07\x1b]52;c;aGk=\x1b\\", &[]),
        ("its title", b"\x1b]lrm -r \xed\x95\x9c\x1b\\\x1b]L\x1b\\", &[]),
        ("its size", b"\x1b[8;24;80t\x1b[4;384;640t\x1b[1t\x1b[3;0;0t", &[]),
        ("flags of keys, kitty", b"\x1b[?0u\x1b[?31u", &[]),
        ("flags of keys, xterm", b"\x1b[>4;2m", &[]),
        ("a picture, kitty", b"\x1b_Gi=31;OK\x1b\\", &[]),
        ("a checksum, DECCKSR", b"\x1bP1!~8D7C\x1b\\", &[]),
        ("PM, SOS", b"\x1b^private\x1b\\\x1bXstart\x07", &[]),
        // Strings with other ends.
        ("CAN and SUB", b"\x1b]52;c;\x18a\x1bP>|\x1ab", &[Key::Char('a'), Key::Char('b')]),
        ("another sequence", b"\x1b]52;c;\x1b[A\x1bPx\x1b\x1b[B", &[Key::Up, Key::Down]),
        ("Ctrl-C, Ctrl-D", b"\x1b]x\x03\x1b]y\x04", &[Key::Interrupt, Key::EndOfInput]),
        ("a line end is of it", b"\x1b]l\rquit\r\n\x07a", &[Key::Char('a')]),
        // Keys that a user types and that look like a sequence.
        (
            "broken off",
            b"\x1b[12\ra\x1bO\r\x1b[M!\r",
            &[Key::Enter, Key::Char('a'), Key::Enter, Key::Enter],
        ),
    ];

    fn keys_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Key>, Keys) {
        let (mut decoder, mut keys) = (Keys::default(), Vec::new());
        pieces.into_iter().for_each(|piece| decoder.push(piece, &mut keys));
        (keys, decoder)
    }

    #[test]
    fn what_terminals_are_known_to_say_is_understood() {
        let mut wrong = Vec::new();
        for (name, bytes, expected) in VECTORS {
            let (keys, decoder) = keys_of([*bytes]);
            let is_whole = decoder.patience().is_none();
            if keys != *expected || !is_whole {
                wrong.push(format!("{name}: {keys:?}, whole: {is_whole}"));
            }
            let cut = keys_of(bytes.chunks(1)).0;
            if cut != *expected {
                wrong.push(format!("{name}, byte by byte: {cut:?}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn only_mosh_and_a_silent_terminal_may_cut_off_rows() {
        let mut keys = Keys::default();
        assert!(!keys.scrolls);
        // xterm, tmux, GNU screen, kitty.
        for answer in [">41;401;0c", ">84;0;0c", ">83;41000;0c", ">1;4000;35c"] {
            let mut found = Vec::new();
            keys.push(format!("\x1b[{answer}\x1b").as_bytes(), &mut found);
            assert!(keys.scrolls && found.is_empty(), "{answer}");
            keys.give_up();
            assert!(keys.scrolls, "{answer}");
            keys.push(b"\x1b[>1;10;0c", &mut found);
            assert!(!keys.scrolls && found.is_empty());
        }
    }
}
