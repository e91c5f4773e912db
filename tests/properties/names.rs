//! Whatever is asked for, a name that is given keeps the rules, and no two meet.

use chinwag::names::{NAME_BYTES_MAX, NAME_CHARACTERS_MAX, Name, Names, Refusal, bare, called};
use chinwag::text::push_safe;
use unicase::UniCase;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark, is_nfc};
use unicode_security::skeleton;

/// What is done about names.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Someone asks for a name.
    Take(u64, String),
    /// Someone leaves.
    Release(u64),
    /// Someone asks who is called so.
    Ask(String),
}

/// The serials that are asked about.
const SERIALS: std::ops::RangeInclusive<u64> = 1..=8;

/// All that must hold of one text.
pub fn holds(text: &str) {
    whatever_is_accepted_keeps_the_rules(text);
    parsing_a_name_again_changes_nothing(text);
    any_case_of_a_name_is_the_same_name(text);
}

pub fn whatever_is_accepted_keeps_the_rules(text: &str) {
    let Ok(name) = Name::parse(text) else { return };
    let name = name.as_str();
    assert!(is_nfc(name), "{name:?}");
    assert!((1..=NAME_CHARACTERS_MAX).contains(&name.chars().count()), "{name:?}");
    assert!(called(name).len() <= NAME_BYTES_MAX, "{name:?}");
    assert_eq!(bare(&called(name)), name);
    let fits = |c: char| c.is_alphanumeric() || "_-.".contains(c) || is_combining_mark(c);
    assert!(name.chars().all(fits), "{name:?}");
    assert!(name.starts_with(char::is_alphanumeric), "{name:?}");
    assert!(!name.contains(looks_like_a_sign), "{name:?}");
    let mut safe = String::new();
    assert!(push_safe(name.as_bytes(), &mut safe));
    assert_eq!(safe, name);
}

/// Whether it could be read as one of the signs between a name and what is said.
fn looks_like_a_sign(letter: char) -> bool {
    let decomposed: String = letter.nfkd().collect();
    let mut look = skeleton(&decomposed);
    !"ノﾉ丿".contains(letter) && look.any(|c| " *,/:[~".contains(c))
}

pub fn parsing_a_name_again_changes_nothing(text: &str) {
    let once = Name::parse(text);
    if let Ok(name) = &once {
        assert_eq!(Name::parse(name.as_str()), once);
    }
    assert_eq!(Name::parse(&format!("{}\u{200e}", bare(text))), once, "{text:?}");
    let normal: String = text.nfd().collect();
    assert_eq!(Name::parse(&normal), once, "{text:?}, then {normal:?}");
}

pub fn any_case_of_a_name_is_the_same_name(text: &str) {
    let Ok(name) = Name::parse(text) else { return };
    let mut names = Names::default();
    names.take(1, name.clone()).unwrap();
    let folded = UniCase::unicode(name.as_str()).to_folded_case();
    assert_eq!(names.find(name.as_str()), Some(1), "{name:?}");
    assert_eq!(names.find(&folded), Some(1), "{name:?}");
    assert_eq!(names.take(2, name), Err(Refusal::Taken));
}

/// Beside a plain list in which everyone is compared with everyone, each two of them alone.
pub fn no_two_have_names_that_meet(deeds: &[Deed]) {
    let mut names = Names::default();
    let mut list: Vec<(u64, Name)> = Vec::new();
    for deed in deeds {
        match deed {
            Deed::Ask(text) => assert_eq!(names.find(text), plainly_called(text, &list)),
            Deed::Release(serial) => {
                names.release(*serial);
                list.retain(|(bearer, _)| bearer != serial);
            }
            Deed::Take(serial, text) => {
                let Ok(name) = Name::parse(text) else { continue };
                let others = list.iter().filter(|(bearer, _)| bearer != serial);
                let expected = plainly_taken(&name, others.map(|(_, other)| other));
                assert_eq!(names.take(*serial, name.clone()), expected, "{text:?}");
                if expected.is_ok() {
                    list.retain(|(bearer, _)| bearer != serial);
                    list.push((*serial, name));
                }
            }
        }
        for (bearer, name) in &list {
            assert_eq!(names.find(name.as_str()), Some(*bearer), "{name:?}");
            assert_eq!(names.of(*bearer).to_string(), called(name.as_str()));
        }
    }
    the_nameless_are_guests(&names, &list);
}

fn plainly_taken<'a>(name: &Name, others: impl Iterator<Item = &'a Name>) -> Result<(), Refusal> {
    let verdicts: Vec<_> = others.map(|other| beside(other, name)).collect();
    let worst = [Refusal::Taken, Refusal::LooksLikeTaken].map(Err);
    worst.into_iter().find(|verdict| verdicts.contains(verdict)).unwrap_or(Ok(()))
}

/// Whether the one may be taken where nobody has a name but the other; that is mutual.
pub fn beside(other: &Name, name: &Name) -> Result<(), Refusal> {
    let alone = |first: &Name, second: &Name| {
        let mut names = Names::default();
        names.take(1, first.clone()).unwrap();
        names.take(2, second.clone())
    };
    let verdict = alone(other, name);
    assert_eq!(alone(name, other), verdict, "{name:?} and {other:?}");
    verdict
}

/// The bearer of a name that this text is in some case, or the guest whose serial stands there.
fn plainly_called(text: &str, list: &[(u64, Name)]) -> Option<u64> {
    let folded = |text: &str| {
        let bare = text.strip_suffix('\u{200e}').unwrap_or(text);
        UniCase::unicode(bare.nfd().collect::<String>()).to_folded_case()
    };
    if let Some((bearer, _)) = list.iter().find(|(_, name)| folded(name.as_str()) == folded(text)) {
        return Some(*bearer);
    }
    let digits = folded(text).strip_prefix("guest")?.to_owned();
    let serial: u64 = digits.parse().ok()?;
    let is_written_so = serial > 0 && format!("{serial}") == digits;
    let has_no_name = list.iter().all(|(bearer, _)| *bearer != serial);
    (is_written_so && has_no_name).then_some(serial)
}

fn the_nameless_are_guests(names: &Names, list: &[(u64, Name)]) {
    for serial in SERIALS {
        let has_name = list.iter().any(|(bearer, _)| *bearer == serial);
        let guest = format!("guest{serial}");
        assert_eq!(names.of(serial).to_string() == guest, !has_name);
        assert_eq!(names.find(&guest), (!has_name).then_some(serial));
    }
}
