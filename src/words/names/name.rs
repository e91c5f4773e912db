//! Which texts are names, and when two names are equal or look alike.
//!
//! - A name is 1 to [`NAME_CHARACTERS_MAX`] characters of NFC text (UAX #15): letters and digits of
//!   any script, the marks that belong to them, `_`, `-` and `.`. It begins with a letter or digit.
//! - It contains nothing that is invisible or that reorders the text around it. It contains no
//!   letter or mark that looks like a sign of the line: `ː` is not `:`.
//! - Names are compared without case (canonical caseless matching, Unicode 3.13).
//! - No two names look alike (skeletons of UTS #39). Three forms of a name are compared: as
//!   written, in lower case and in upper case. That is strict on purpose: `m1ke` is refused beside
//!   `mike`, since `M1KE` and `MIKE` look alike and case does not distinguish names.
//! - Some words are reserved for the server. So is everything that looks like one, with joints or
//!   without: `ad-min`.
//!
//! It knows one name at a time, not which client has it.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use unicase::UniCase;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_script::{Script, ScriptExtension, UnicodeScript};
use unicode_security::general_security_profile::IdentifierType;
use unicode_security::{GeneralSecurityProfile, skeleton};

use crate::words::text::Look;

/// At most this many characters, counted after NFC: a name leaves room for the message on a line of
/// a terminal. A longer name is refused, not cut.
pub const NAME_CHARACTERS_MAX: usize = 32;

/// At most this many bytes as shown: a character of UTF-8 has at most 4, and `LEFT_TO_RIGHT` may
/// follow. `guest` and the greatest serial have 25.
pub const NAME_BYTES_MAX: usize = NAME_CHARACTERS_MAX * 4 + LEFT_TO_RIGHT.len_utf8();

/// Follows a name that is written right to left. Without it a terminal would draw the following
/// text before the name: the `: ` between `שרה` and her message in Hebrew.
const LEFT_TO_RIGHT: char = '\u{200e}';

/// At most this many marks in a row (UTS #39, 5.4). No living script stacks more. A taller stack is
/// drawn over the neighbouring lines.
const MARKS_MAX: usize = 4;

/// The name of a client that has taken none, before its serial.
pub(super) const GUEST: &str = "guest";

/// The reserved words. They begin with a capital, so that all three forms are there: `AII`, with
/// two capital i, looks like `All` and like neither `all` nor `ALL`. [`GUEST`] has a rule of its
/// own.
const RESERVED: [&str; 20] = [
    "Server",
    "System",
    "Admin",
    "Administrator",
    "Root",
    "All",
    "Everyone",
    "You",
    "Nobody",
    "Chinwag",
    "Host",
    "Operator",
    "서버",
    "시스템",
    "관리자",
    "운영자",
    "방장",
    "호스트",
    "모두",
    "전체",
];

/// The characters allowed between letters and digits.
const JOINTS: [char; 3] = ['_', '-', '.'];

/// The signs that give a line or a list its meaning: no letter of a name may look like one.
const SIGNS: [char; 7] = [' ', '*', ',', '/', ':', '[', '~'];

/// Letters that look like a slash, but that Japanese cannot do without.
const MIMICS_IN_USE: [char; 3] = ['ノ', 'ﾉ', '丿'];

/// The looks of [`RESERVED`].
static RESERVED_LOOKS: LazyLock<HashSet<String>> =
    LazyLock::new(|| RESERVED.into_iter().flat_map(looks).collect());

/// Why a name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is empty.
    Empty,
    /// It has more than [`NAME_CHARACTERS_MAX`] characters.
    TooLong,
    /// This character is not allowed: nowhere in a name, or not after the one before it. It may be
    /// one that is not safe to show.
    Character(char),
    /// This character is allowed in a name, but not at its start.
    FirstCharacter(char),
    /// It is a reserved word, or looks like one.
    Reserved,
    /// Another client has it, in this or another case, or had it a moment ago.
    Taken,
    /// It looks like another client's name, or like a kept one.
    LooksLikeTaken,
}

/// A name that follows the rules; it need not be free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// In NFC, as its bearer wrote it, and as it is [`called`].
    pub(super) called: String,
    /// The same for names that differ only in case.
    pub(super) folded: Arc<str>,
    /// Two names look alike if they share one of these. There are no duplicates.
    pub(super) looks: Vec<Arc<str>>,
}

impl Name {
    /// Parses a name, or returns the first rule that it breaks. Blanks around it are not removed.
    /// Text copied from a screen is made [`bare`] first.
    pub fn parse(text: &str) -> Result<Name, Refusal> {
        let text: String = bare(text).nfc().take(NAME_CHARACTERS_MAX + 1).collect();
        if text.chars().count() > NAME_CHARACTERS_MAX {
            return Err(Refusal::TooLong);
        }
        check_characters(&text)?;
        let looks = looks(&text);
        if has_a_sign(&looks)
            && let Some(letter) = text.chars().find(|letter| imitates_a_sign(*letter))
        {
            return Err(Refusal::Character(letter));
        }
        if looks.iter().any(|look| is_reserved(look)) {
            return Err(Refusal::Reserved);
        }
        let mut looks: Vec<Arc<str>> = looks.into_iter().map(Arc::from).collect();
        looks.sort_unstable();
        looks.dedup();
        Ok(Name { called: called(&text), folded: folded(&text).into(), looks })
    }

    /// The reserved name of what is typed at the server's own terminal.
    pub fn host() -> Name {
        Name::reserved("host")
    }

    /// The reserved name of the room in which clients wait that owe a password.
    pub fn door() -> Name {
        Name::reserved("server")
    }

    fn reserved(word: &str) -> Name {
        let looks = looks(word).into_iter().map(Arc::from).collect();
        Name { called: word.to_owned(), folded: folded(word).into(), looks }
    }

    /// The name as written, in NFC.
    pub fn as_str(&self) -> &str {
        bare(&self.called)
    }
}

/// A name as it is shown before other text, with the mark after it if it needs one.
pub fn called(name: &str) -> String {
    let mut called = bare(name).to_owned();
    called.extend(ends_right_to_left(&called).then_some(LEFT_TO_RIGHT));
    called
}

/// A name without the mark that [`called`] may have added.
pub fn bare(name: &str) -> &str {
    name.strip_suffix(LEFT_TO_RIGHT).unwrap_or(name)
}

/// The role of a character in a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    LetterOrDigit,
    Mark,
    Joint,
}

/// A visible character's role, by its general category (UAX #44). Enclosing marks are not allowed:
/// they draw around their neighbours. Nor are letters that are numbers or symbols (`Ⅷ`, `ⓐ`), nor
/// digits that are not decimal (`½`).
fn kind(c: char) -> Option<Kind> {
    use GeneralCategory as Is;
    match c.general_category() {
        _ if !matches!(Look::of(c), Look::Visible | Look::Mark) => None,
        Is::UppercaseLetter | Is::LowercaseLetter | Is::TitlecaseLetter => {
            Some(Kind::LetterOrDigit)
        }
        Is::OtherLetter | Is::DecimalNumber => Some(Kind::LetterOrDigit),
        // Most of these imitate punctuation, or letters.
        Is::ModifierLetter if c.identifier_allowed() => Some(Kind::LetterOrDigit),
        Is::NonspacingMark | Is::SpacingMark if is_in_use(c) => Some(Kind::Mark),
        _ if JOINTS.contains(&c) => Some(Kind::Joint),
        _ => None,
    }
}

/// Whether people write with this mark. Those of the General Security Profile (UTS #39, 3.1) are
/// allowed. So are marks of one living script that few people write, and the vowels of Hebrew. The
/// profile leaves these out since most identifiers do not need them, but names in these scripts do.
fn is_in_use(mark: char) -> bool {
    let is_at_home = !matches!(mark.script(), Script::Common | Script::Inherited);
    let its_type = mark.identifier_type();
    mark.identifier_allowed()
        || is_at_home
            && matches!(its_type, Some(IdentifierType::Limited_Use | IdentifierType::Uncommon_Use))
}

/// Whether a letter looks like one of the signs of a line (`NAME: text`, `[A -> B] text`), or
/// contains a blank.
fn imitates_a_sign(letter: char) -> bool {
    !MIMICS_IN_USE.contains(&letter) && has_a_sign(&looks(letter.encode_utf8(&mut [0; 4])))
}

fn has_a_sign(looks: &[String; 3]) -> bool {
    looks.iter().any(|look| look.contains(SIGNS))
}

fn check_characters(text: &str) -> Result<(), Refusal> {
    let first = text.chars().next().ok_or(Refusal::Empty)?;
    if kind(first).is_some_and(|kind| kind != Kind::LetterOrDigit) {
        return Err(Refusal::FirstCharacter(first));
    }
    let (mut base, mut marks) = (first, Vec::new());
    for c in text.chars() {
        match kind(c) {
            Some(Kind::Mark) if may_stand_on(c, base, &marks) => marks.push(c),
            Some(Kind::LetterOrDigit | Kind::Joint) => {
                base = c;
                marks.clear();
            }
            Some(Kind::Mark) | None => return Err(Refusal::Character(c)),
        }
    }
    Ok(())
}

/// Whether a mark may follow this base and these marks.
///
/// Out of place it would be invisible, or would turn a visible character into another: a Khmer
/// virama on a Latin letter, the same mark twice, a second dot on an `i` (UTS #39, 5.4). So a mark
/// needs a letter of a script that it belongs to (Script_Extensions, UAX #24).
fn may_stand_on(mark: char, base: char, marks: &[char]) -> bool {
    let (its, of_base): (ScriptExtension, _) = (mark.script_extension(), base.script_extension());
    let everywhere = its.is_common() || its.is_inherited();
    let at_home = everywhere || !of_base.is_common() && !its.intersection(of_base).is_empty();
    let hidden = mark == '\u{307}' && has_a_dot(base);
    at_home && !hidden && marks.len() < MARKS_MAX && marks.last() != Some(&mark)
}

/// Whether a letter looks like one that hides a dot above it: `ı` with a dot is an `i`.
fn has_a_dot(base: char) -> bool {
    skeleton(base.encode_utf8(&mut [0; 4])).any(|c| matches!(c, 'i' | 'j' | 'l'))
}

/// Whether text after this would be drawn before it (UAX #9): its last letter, or digit of such a
/// script, is written right to left.
fn ends_right_to_left(name: &str) -> bool {
    let mut backwards = name.chars().rev();
    backwards.find(|c| c.is_alphabetic() || is_right_to_left(*c)).is_some_and(is_right_to_left)
}

/// Whether it is in one of the blocks that Unicode reserves for scripts written right to left
/// (Bidi_Class R and AL, and AN for their digits).
fn is_right_to_left(c: char) -> bool {
    matches!(c,
        '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

/// One form for all canonically caseless matches (Unicode 3.13, D145), by full folding: `ß` is
/// `ss`, a final sigma is a sigma, and `ı` is not `i`, since the language is unknown and may not be
/// Turkish.
///
/// D145 decomposes once more after the folding. That changes nothing: a test checks every
/// character.
pub fn folded(text: &str) -> String {
    let decomposed: String = text.nfd().collect();
    UniCase::unicode(decomposed).to_folded_case()
}

/// The skeletons (UTS #39, 4) of a name as written, in lower case and in upper case.
///
/// The compatibility decomposition comes first, since the table of UTS #39 omits many characters
/// that differ only in style: `ｄ`, `𝐝`, `ᵈ`.
fn looks(text: &str) -> [String; 3] {
    let written: String = text.nfkd().collect();
    let small = folded(&written);
    let capitals = small.to_uppercase();
    [written, small, capitals].map(|form| skeleton(&form).collect())
}

/// Whether this look is that of a reserved word, or of a guest, with or without joints.
fn is_reserved(look: &str) -> bool {
    let word = look.replace(JOINTS, "");
    // In a cluster the name of its server stands behind a guest.
    let is_guest_of_server =
        look.split_once('-').is_some_and(|(guest, _)| guest.len() > GUEST.len() && is_guest(guest));
    RESERVED_LOOKS.contains(&word) || is_guest(&word) || is_guest_of_server
}

/// Whether this look is `guest`, alone or with digits. In a skeleton 0 is `O` and 1 is `l`.
fn is_guest(look: &str) -> bool {
    let digit =
        |c: char| matches!(c, 'O' | 'l') || c.general_category() == GeneralCategory::DecimalNumber;
    look.split_at_checked(GUEST.len())
        .is_some_and(|(word, serial)| word.eq_ignore_ascii_case(GUEST) && serial.chars().all(digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, Refusal> {
        Name::parse(text).map(|name| name.as_str().to_owned())
    }

    /// Each word is a name as it stands.
    #[track_caller]
    fn pass(words: &str) {
        for word in words.split(' ') {
            assert_eq!(parsed(word).as_deref(), Ok(word));
        }
    }

    #[track_caller]
    fn are_reserved(words: &str) {
        for word in words.split(' ') {
            assert_eq!(parsed(word), Err(Refusal::Reserved), "{word}");
        }
    }

    #[track_caller]
    fn stops_at(text: &str, c: char) {
        assert_eq!(parsed(text), Err(Refusal::Character(c)), "{text:?}");
    }

    #[test]
    fn the_scripts_of_the_world_are_names() {
        pass("bob 김민수 ㅋㅋ हिन्दी प्रिया मुन्ना७ مُحَمَّد สมชาย กี่ดี ひらがな カタカナー 李小龙");
        pass("Ελένη Юрий דָּנִיֵּאל Nguyễn རྒྱལ សុខា 7up o.neil jean-luc snake_case x-- １２");
        pass("佐々木 ノブ ﾉﾘ 丿 いすゞ สุๆ ဇော်မိုး ෂෙහාන් ꦗꦮꦶ ᬓᬾᬢᬸᬢ᭄ 𞤀𞥄𞤣𞤭 ߊߟߎߡߊ߬ Kaʻiulani ٣أحمد");
    }

    /// Letters by their category that are signs to the eye: `bobː` is not to be read as `bob:`.
    #[test]
    fn a_letter_that_looks_like_punctuation_is_refused() {
        for c in "ːˑʹʺʽʾˈˌˆˇˊꓸꓹꓺꓻꓼꓽߴߵߺᱸᱹᱺꘌـﹰﷺ𐞁ꜗ〳ﾞ".chars()
        {
            stops_at(&format!("bo{c}b"), c);
            stops_at(&c.to_string(), c);
        }
        for (name, c) in [("दुःख", 'ः'), ("અઃ", 'ઃ'), ("ᕯᐱ", 'ᕯ'), ("𐌟𐌀", '𐌟'), ("ⲁⳆ", 'Ⳇ')]
        {
            stops_at(name, c);
        }
    }

    #[test]
    fn a_mark_that_no_living_script_needs_is_refused() {
        for c in "\u{305}\u{332}\u{334}\u{336}\u{338}\u{20d7}\u{35c}\u{1dc4}\u{483}".chars() {
            stops_at(&format!("bo{c}b"), c);
        }
        stops_at("א\u{591}", '\u{591}');
        stops_at("م\u{6d6}", '\u{6d6}');
    }

    #[test]
    fn nothing_in_a_name_looks_like_the_signs_of_a_line() {
        for c in ('\0'..=char::MAX).filter(|c| !MIMICS_IN_USE.contains(c)) {
            if let Ok(name) = parsed(&c.to_string()) {
                let look = looks(&name).concat();
                assert!(!look.contains([' ', '*', ',', '/', ':', '[', '~']), "{c:?} is {look}");
            }
        }
    }

    #[test]
    fn what_is_no_letter_digit_or_joint_is_refused() {
        for c in " :*@/\u{7}\n\0,'½Ⅷⓐ🅰😀\u{20dd}\u{e000}\u{ffff}".chars() {
            stops_at(&format!("bo{c}b"), c);
            stops_at(&c.to_string(), c);
        }
    }

    #[test]
    fn what_nobody_sees_is_refused() {
        for c in "\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}\u{ad}\u{34f}\u{2800}\u{180e}".chars() {
            stops_at(&format!("bo{c}b"), c);
        }
        for c in "\u{3164}\u{115f}\u{1160}\u{ffa0}\u{fe0f}\u{e0100}\u{e0041}\u{16fe4}".chars() {
            stops_at(&format!("bo{c}b"), c);
            stops_at(&c.to_string(), c);
        }
        for c in "\u{17b4}\u{17b5}\u{180b}\u{13441}\u{a0}\u{3000}\u{2028}\u{85}\u{fff9}".chars() {
            stops_at(&format!("bo{c}b"), c);
        }
    }

    #[test]
    fn what_turns_the_direction_is_refused() {
        for c in "\u{202e}\u{202a}\u{2066}\u{2069}\u{200e}\u{200f}\u{61c}".chars() {
            stops_at(&format!("bo{c}b"), c);
        }
    }

    #[test]
    fn a_name_begins_with_a_letter_or_digit() {
        assert_eq!(parsed(""), Err(Refusal::Empty));
        for (name, c) in [("_a", '_'), ("-", '-'), (".a", '.'), ("\u{301}a", '\u{301}')] {
            assert_eq!(parsed(name), Err(Refusal::FirstCharacter(c)));
        }
        assert_eq!(parsed("\u{94d}क"), Err(Refusal::FirstCharacter('\u{94d}')));
    }

    #[test]
    fn marks_are_not_piled_up() {
        pass("x\u{300}\u{301}\u{302}\u{303}");
        stops_at("x\u{300}\u{301}\u{302}\u{303}\u{304}", '\u{304}');
        pass("x\u{300}\u{301}\u{302}\u{303}q\u{300}");
        stops_at("x\u{301}\u{301}", '\u{301}');
    }

    #[test]
    fn a_mark_stands_on_a_letter_of_its_script() {
        pass("បុ\u{17d2}ប");
        stops_at("bob\u{17d2}", '\u{17d2}');
        stops_at("bob\u{1039}", '\u{1039}');
        stops_at("7\u{94d}", '\u{94d}');
        stops_at("a_\u{94d}", '\u{94d}');
        pass("7\u{327} a_\u{327}");
    }

    #[test]
    fn a_dot_that_would_be_hidden_is_refused() {
        for base in ["i", "j", "l", "ı", "ȷ", "\u{456}", "į", "ị"] {
            stops_at(&format!("al{base}\u{307}"), '\u{307}');
        }
        pass("İ ż q\u{307} j\u{301} l\u{300}");
    }

    #[test]
    fn thirty_two_characters_pass_and_one_more_does_not() {
        let all_but_one = "가".repeat(31);
        pass(&format!("{all_but_one}a"));
        assert_eq!(parsed(&format!("{all_but_one}ab")), Err(Refusal::TooLong));
        assert_eq!(parsed(&"x".repeat(5000)), Err(Refusal::TooLong));
        for widest in ["\u{20000}".repeat(32), "\u{1e900}".repeat(32)] {
            pass(&widest);
            assert!(called(&widest).len() <= NAME_BYTES_MAX);
        }
        assert_eq!(called(&"\u{1e900}".repeat(32)).len(), NAME_BYTES_MAX);
    }

    #[test]
    fn characters_are_counted_as_they_will_stand() {
        assert_eq!(parsed("re\u{301}my"), Ok("rémy".to_owned()));
        assert_eq!(parsed(&"e\u{301}".repeat(32)), Ok("é".repeat(32)));
        assert_eq!(parsed(&"\u{1112}\u{1161}\u{11ab}".repeat(32)), Ok("한".repeat(32)));
    }

    #[test]
    fn the_words_of_the_server_are_refused_in_any_case_and_look() {
        for word in RESERVED.into_iter().chain([GUEST]) {
            are_reserved(word);
            are_reserved(&word.to_lowercase());
            are_reserved(&word.to_uppercase());
        }
        are_reserved(
            "аdmin ADM1N AII al1 R00T ｓｅｒｖｅｒ y0u sуstеm SYSTEΜ ａｄｍｉｎ adrnin chinwаg",
        );
        are_reserved("\u{1109}\u{1165}버 𝐫oot");
        pass("Ali ali ALI admins servant 서버실 rooty youn hostess ghost operators");
    }

    #[test]
    fn joints_do_not_make_another_word() {
        are_reserved("admin_ server. s-e-r-v-e-r r.o-o_t a__l--l.. Ho-st operat.or 방_장 운.영-자");
        are_reserved("guest_7 guest-7 g.uest7 GUEST-1-0 guest. guest٠ adm٠in");
        are_reserved("sys-tem_ sуs.tem ad.rnin");
        pass("a-dmins guest-book g.host");
    }

    #[test]
    fn nobody_calls_themselves_a_guest() {
        are_reserved("guest Guest7 GUEST10 guest007 guеst7 guest٣ guestlO GuestI0");
        are_reserved("guest7-web01 Guest10-a");
        pass("guestbook guests guest7a gues ghost7 guest-a");
    }

    #[test]
    fn a_name_that_ends_right_to_left_has_a_mark_behind_it() {
        for name in "שרה أحمد שרה7 bobב דָּנִיֵּ شــ-7_. ܐܒܐ ދިވެހި ߒߞߏ 𞤀𞤣 ٣ bob٣ אב-2".split(' ')
        {
            assert_eq!(called(name), format!("{name}\u{200e}"));
        }
        for name in "bob 김민수 בob 7 ᾼ7 नमन५ א-x2 x\u{301}".split(' ') {
            assert_eq!(called(name), name);
        }
        assert_eq!(called("שרה\u{200e}"), "שרה\u{200e}");
    }

    #[test]
    fn the_mark_is_not_of_the_name() {
        assert_eq!(Name::parse("שרה\u{200e}"), Name::parse("שרה"));
        assert_eq!(Name::parse("שרה").unwrap().as_str(), "שרה");
        assert_eq!(parsed("bob\u{200e}"), Ok("bob".to_owned()));
        stops_at("שרה\u{200e}\u{200e}", '\u{200e}');
    }

    #[test]
    fn every_character_of_unicode_is_seen_or_refused() {
        for c in ('\0'..=char::MAX).filter(|c| kind(*c).is_some()) {
            assert!(matches!(Look::of(c), Look::Visible | Look::Mark), "{c:?}");
        }
    }

    #[test]
    fn folding_leaves_every_character_decomposed() {
        for c in '\0'..=char::MAX {
            assert!(unicode_normalization::is_nfd(&folded(&c.to_string())), "{c:?}");
        }
    }
}
