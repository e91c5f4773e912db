//! What is safe to show.

use std::collections::HashSet;

use chinwag::words::text::{Look, SAFE_BYTES_PER_BYTE_MAX, push_safe};
use proptest::prelude::*;

use crate::rules::text::{self as property, is_blank, is_forbidden, is_mark, is_unseen, safe};

/// Known escape sequences by name, each written as the server must show it.
const ESCAPES: &str = include_str!("escapes.txt");
const ESCAPES_MIN: usize = 200;

/// Some characters that show nothing. A person may write with each of them.
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

/// The highest pile in use: eight marks on one letter of the mantra of Kalachakra.
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
    // What stood on the ninth mark stands on the eighth.
    assert_eq!(safe(format!("a{nine}b")), format!("a{eight}\u{332}b"));
    assert_eq!(safe(" \u{332}".repeat(90)), eight + &"\u{332}".repeat(7));
}

#[test]
fn the_worst_growth_is_reached() {
    let worst = [0x1b; 100];
    assert_eq!(safe(worst).len(), worst.len() * SAFE_BYTES_PER_BYTE_MAX);
}

/// Each sequence of the corpus, with its name.
fn escapes() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = ESCAPES.lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
    lines.map(|line| line.split_once(" | ").unwrap_or_else(|| panic!("no name: {line}")))
}

/// The bytes of a sequence that is written as `\x1b` or, for a character, as `\u{9b}`.
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

/// How the server shows a sequence of the corpus: as it is written, except for TAB and bytes that
/// are not UTF-8.
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

/// Text of an attacker: special characters are frequent.
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

/// Text in which nothing has to be changed.
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
