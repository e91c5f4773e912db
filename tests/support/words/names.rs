//! Whatever name a client asks for, the one it gets keeps the rules, and no two names meet.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use chinwag::words::names::kept::KEPT_FOR;
use chinwag::words::names::{Claimant, NAME_BYTES_MAX, NAME_CHARACTERS_MAX, Name, Names, Refusal};
use chinwag::words::names::{bare, called};
use chinwag::words::text::push_safe;
use unicase::UniCase;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark, is_nfc};
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};
use unicode_security::skeleton;

/// What happens to names.
#[derive(Clone, Debug)]
pub enum Deed {
    /// A client asks for a name.
    Take(u64, String),
    /// A client leaves.
    Release(u64),
    /// A client asks which client has this name.
    Ask(String),
    /// This many seconds pass.
    Wait(u64),
}

/// The serials that are looked up.
const SERIALS: std::ops::RangeInclusive<u64> = 1..=8;

/// A client that has left comes back with a serial that is this much greater.
const SERIALS_EACH: u64 = 9;

/// How many networks there are. A client that comes back is in the same.
const NETWORKS: u64 = 3;

const _: () = assert!(SERIALS_EACH.is_multiple_of(NETWORKS));

/// The client with this serial, as it asks for a name.
pub fn claimant(serial: u64) -> Claimant {
    let network = Ipv4Addr::new(10, 0, 0, (serial % NETWORKS) as u8);
    Claimant { serial, network: IpAddr::V4(network) }
}

/// All rules for one text.
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
    let fits = |c: char| is_alphanumeric(c) || "_-.".contains(c) || is_combining_mark(c);
    assert!(name.chars().all(fits), "{name:?}");
    assert!(name.starts_with(is_alphanumeric), "{name:?}");
    assert!(!name.contains(looks_like_a_sign), "{name:?}");
    let mut safe = String::new();
    assert!(push_safe(name.as_bytes(), &mut safe));
    assert_eq!(safe, name);
}

/// Whether it is a letter or digit. The standard library may know an older Unicode.
fn is_alphanumeric(c: char) -> bool {
    use GeneralCategoryGroup::{Letter, Number};
    c.is_alphanumeric() || matches!(c.general_category_group(), Letter | Number)
}

/// Whether it looks like one of the signs between a name and a message.
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
    let normal = nfd(text);
    assert_eq!(Name::parse(&normal), once, "{text:?}, then {normal:?}");
}

pub fn any_case_of_a_name_is_the_same_name(text: &str) {
    let Ok(name) = Name::parse(text) else { return };
    let (mut names, now) = (Names::default(), Instant::now());
    names.take(claimant(1), name.clone(), now).unwrap();
    let folded = UniCase::unicode(name.as_str()).to_folded_case();
    assert_eq!(names.find(name.as_str()), Some(1), "{name:?}");
    assert_eq!(names.find(&folded), Some(1), "{name:?}");
    assert_eq!(names.take(claimant(2), name, now), Err(Refusal::Taken));
}

/// A name that was given up: until when it is reserved, and whether its client has left.
struct GivenUp {
    serial: u64,
    name: Name,
    has_left: bool,
    until: Instant,
}

impl GivenUp {
    fn is_for(&self, serial: u64) -> bool {
        let is_back = self.has_left && self.serial % NETWORKS == serial % NETWORKS;
        self.serial == serial || is_back
    }
}

/// Compares the program with plain lists, in which each name is compared with every other.
pub fn no_two_have_names_that_meet(deeds: &[Deed]) {
    let (mut names, mut now) = (Names::default(), Instant::now());
    let mut list: Vec<(u64, Name)> = Vec::new();
    let mut given_up: Vec<GivenUp> = Vec::new();
    let mut serials: HashMap<u64, u64> = HashMap::new();
    for deed in deeds {
        given_up.retain(|it| it.until > now);
        match deed {
            Deed::Wait(seconds) => now += Duration::from_secs(*seconds),
            Deed::Ask(text) => assert_eq!(names.find(text), plainly_called(text, &list)),
            Deed::Release(person) => {
                let serial = serials.entry(*person).or_insert(*person);
                names.release(*serial, now);
                give_up(*serial, true, now, &mut list, &mut given_up);
                *serial += SERIALS_EACH;
            }
            Deed::Take(person, text) => {
                let serial = serials.entry(*person).or_insert(*person);
                let Ok(name) = Name::parse(text) else { continue };
                let others = list.iter().filter(|(bearer, _)| bearer != serial);
                let kept = given_up.iter().filter(|it| !it.is_for(*serial)).map(|it| &it.name);
                let expected = plainly_taken(&name, others.map(|(_, other)| other).chain(kept));
                let taken = names.take(claimant(*serial), name.clone(), now);
                assert_eq!(taken, expected, "{text:?}");
                if expected.is_ok() {
                    given_up.retain(|it| it.serial == *serial || beside(&it.name, &name).is_ok());
                    rename(*serial, name, now, &mut list, &mut given_up);
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

/// A client has this name now. If only the case differs, it gave none up.
fn rename(
    serial: u64,
    name: Name,
    now: Instant,
    list: &mut Vec<(u64, Name)>,
    given_up: &mut Vec<GivenUp>,
) {
    let folded = |name: &Name| UniCase::unicode(nfd(name.as_str())).to_folded_case();
    match list.iter_mut().find(|(bearer, _)| *bearer == serial) {
        Some((_, had)) if folded(had) == folded(&name) => *had = name,
        _ => {
            give_up(serial, false, now, list, given_up);
            list.push((serial, name));
        }
    }
}

/// A client gives its name up. That name is now reserved for it, and an earlier one is not.
fn give_up(
    serial: u64,
    has_left: bool,
    now: Instant,
    list: &mut Vec<(u64, Name)>,
    given_up: &mut Vec<GivenUp>,
) {
    let Some(place) = list.iter().position(|(bearer, _)| *bearer == serial) else { return };
    let (_, name) = list.remove(place);
    given_up.retain(|it| it.serial != serial);
    given_up.push(GivenUp { serial, name, has_left, until: now + KEPT_FOR });
}

fn plainly_taken<'a>(name: &Name, others: impl Iterator<Item = &'a Name>) -> Result<(), Refusal> {
    let verdicts: Vec<_> = others.map(|other| beside(other, name)).collect();
    let worst = [Refusal::Taken, Refusal::LooksLikeTaken].map(Err);
    worst.into_iter().find(|verdict| verdicts.contains(verdict)).unwrap_or(Ok(()))
}

/// Whether a name may be taken if only the other one is in use. That is mutual.
pub fn beside(other: &Name, name: &Name) -> Result<(), Refusal> {
    let alone = |first: &Name, second: &Name| {
        let (mut names, now) = (Names::default(), Instant::now());
        names.take(claimant(1), first.clone(), now).unwrap();
        names.take(claimant(2), second.clone(), now)
    };
    let verdict = alone(other, name);
    assert_eq!(alone(name, other), verdict, "{name:?} and {other:?}");
    verdict
}

/// The client with this name in any case, or the guest with this serial.
fn plainly_called(text: &str, list: &[(u64, Name)]) -> Option<u64> {
    let folded = |text: &str| {
        let bare = text.strip_suffix('\u{200e}').unwrap_or(text);
        UniCase::unicode(nfd(bare)).to_folded_case()
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

fn nfd(text: &str) -> String {
    text.nfd().collect()
}
