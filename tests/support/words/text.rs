//! Whatever arrives, only what is safe of it is shown.

use chinwag::words::text::{BLANKS_MAX, EXCERPT_CHARACTERS_MAX, Excerpt, MARKS_MAX};
use chinwag::words::text::{SAFE_BYTES_PER_BYTE_MAX, push_safe};
use unicode_normalization::char::is_combining_mark;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_security::skeleton;

/// All rules of this file.
pub fn holds(bytes: &[u8]) {
    only_safe_text_is_shown(bytes);
    safe_text_stays_as_it_is(bytes);
    it_is_shown_as_the_rule_says(bytes);
    an_excerpt_is_the_beginning_of_the_safe_text(bytes);
}

pub fn safe(bytes: impl AsRef<[u8]>) -> String {
    let mut out = String::new();
    push_safe(bytes.as_ref(), &mut out);
    out
}

pub fn only_safe_text_is_shown(bytes: &[u8]) {
    let shown = safe(bytes);
    assert!(!shown.contains(is_forbidden), "{shown:?}");
    assert!(longest_run(&shown) <= BLANKS_MAX, "{shown:?}");
    assert!(highest_pile(&shown) <= MARKS_MAX, "{shown:?}");
    assert!(shown.len() <= bytes.len() * SAFE_BYTES_PER_BYTE_MAX, "{shown:?}");
}

pub fn safe_text_stays_as_it_is(bytes: &[u8]) {
    let shown = safe(bytes);
    assert_eq!(safe(&shown), shown);
}

pub fn it_is_shown_as_the_rule_says(bytes: &[u8]) {
    let mut out = "guest1: ".to_owned();
    let valid = push_safe(bytes, &mut out);
    assert_eq!(valid, std::str::from_utf8(bytes).is_ok());
    assert_eq!(out, format!("guest1: {}", plainly_safe(bytes)));
}

pub fn an_excerpt_is_the_beginning_of_the_safe_text(bytes: &[u8]) {
    let (excerpt, whole) = (Excerpt(bytes).to_string(), safe(bytes));
    assert!(excerpt.chars().count() <= EXCERPT_CHARACTERS_MAX + 1, "{excerpt:?}");
    let cut = excerpt.strip_suffix('…').is_some_and(|shown| whole.starts_with(shown));
    assert!(excerpt == whole || cut, "{excerpt:?} is not of {whole:?}");
    let fits = bytes.len() <= EXCERPT_CHARACTERS_MAX;
    assert!(!fits || whole.chars().count() > EXCERPT_CHARACTERS_MAX || excerpt == whole);
}

/// The rule, character by character.
fn plainly_safe(bytes: &[u8]) -> String {
    let (mut shown, mut blanks, mut marks) = (String::new(), 0, 0);
    for character in String::from_utf8_lossy(bytes).chars() {
        match character {
            _ if is_forbidden(character) && character != '\t' => {
                (blanks, marks) = (0, 0);
                shown.push_str(&escaped(character));
            }
            _ if is_blank(character) => {
                blanks += 1;
                if blanks <= BLANKS_MAX {
                    marks = 0;
                    shown.push(if character == '\t' { ' ' } else { character });
                }
            }
            _ if is_mark(character) => {
                marks += 1;
                shown.extend((marks <= MARKS_MAX).then_some(character));
            }
            _ => {
                (blanks, marks) = if is_unseen(character) { (blanks, marks) } else { (0, 0) };
                shown.push(character);
            }
        }
    }
    shown
}

fn escaped(character: char) -> String {
    match u32::from(character) {
        code @ ..0x80 => format!("\\x{code:02x}"),
        code => format!("\\u{{{code:x}}}"),
    }
}

/// Whether a character must never be shown, decided in another way than the server does.
pub fn is_forbidden(character: char) -> bool {
    let others = "\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\
        \u{2066}\u{2067}\u{2068}\u{2069}\u{206a}\u{206b}\u{206c}\u{206d}\u{206e}\u{206f}\
        \u{fff9}\u{fffa}\u{fffb}";
    character.is_control() || others.contains(character)
}

pub fn is_blank(character: char) -> bool {
    let others =
        "\u{115f}\u{1160}\u{180e}\u{2800}\u{3164}\u{ffa0}\u{fffc}\u{13441}\u{13442}\u{1d159}";
    character.is_whitespace() || others.contains(character)
}

/// Whether a character shows nothing. It is default ignorable, so look-alikes (UTS #39) are
/// compared without it; or it only formats; or it is not a character.
pub fn is_unseen(character: char) -> bool {
    let looks = !character.is_ascii() && !is_blank(character) && !is_forbidden(character);
    let is_ignorable = skeleton(character.encode_utf8(&mut [0; 4])).next().is_none();
    let others = character == '\u{16fe4}' || only_formats(character) || is_no_character(character);
    looks && (is_ignorable || others)
}

/// The format characters that stand before or over a number are visible.
fn only_formats(character: char) -> bool {
    let seen = "\u{600}\u{601}\u{602}\u{603}\u{604}\u{605}\u{6dd}\u{70f}\u{890}\u{891}\u{8e2}\
        \u{110bd}\u{110cd}";
    character.general_category() == GeneralCategory::Format && !seen.contains(character)
}

fn is_no_character(character: char) -> bool {
    let code = u32::from(character);
    (0xfdd0..0xfdf0).contains(&code) || code % 0x1_0000 >= 0xfffe
}

/// Whether it stands on the character before it: a combining mark without a column of its own.
pub fn is_mark(character: char) -> bool {
    let has_column = character.general_category() == GeneralCategory::SpacingMark;
    is_combining_mark(character) && !has_column && !is_unseen(character)
}

/// The longest run of blanks, with unseen characters in it or marks on them.
fn longest_run(text: &str) -> usize {
    longest(text.chars().filter(|c| !is_unseen(*c) && !is_mark(*c)), is_blank)
}

/// The most marks on one character, with unseen characters between them.
fn highest_pile(text: &str) -> usize {
    longest(text.chars().filter(|c| !is_unseen(*c)), is_mark)
}

/// The longest run of characters for which `is_so` holds.
fn longest(characters: impl Iterator<Item = char>, is_so: fn(char) -> bool) -> usize {
    let (mut run, mut longest) = (0, 0);
    for character in characters {
        run = if is_so(character) { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}
