//! The names of the clients.
//!
//! A client is `guest` and its serial until it takes a name. The rules of this module:
//!
//! - A name is the same in any case, and no two look alike: see [`name`].
//! - A name that was given up is kept a while for the client that had it: see [`kept`]. Meanwhile
//!   no other client can take that name, or one that looks like it.
//! - A guest needs no entry, only a name does. The name of a client is one look-up in a hash map.
//!
//! It does not know sockets, a clock, or which clients are connected, nor the notice that refuses a
//! name.

pub mod kept;
pub mod name;

use std::collections::HashMap;
use std::fmt::{self, Display};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use kept::{Kept, KeptNames};
use name::GUEST;

pub use name::{NAME_BYTES_MAX, NAME_CHARACTERS_MAX, Name, Refusal, bare, called, folded};

/// A client that requests a name.
#[derive(Clone, Copy, Debug)]
pub struct Claimant {
    /// Its serial, which is never used again.
    pub serial: u64,
    /// Its address, or the network that counts as one address.
    pub network: IpAddr,
}

/// The names of the clients. Serials are never reused, so a new client cannot inherit a name.
///
/// Each name in `bearers` and in `kept` has its folded form in `by_folded` and its looks in
/// `by_look`. These two maps hold nothing else. If two names share an entry, both belong to one
/// serial: its current name and its kept one.
#[derive(Debug, Default)]
pub struct Names {
    bearers: HashMap<u64, Bearer>,
    kept: KeptNames,
    by_folded: HashMap<Arc<str>, u64>,
    by_look: HashMap<Arc<str>, u64>,
    /// What stands behind the serial of a guest: in a cluster, `-` and the name of its server.
    guest_suffix: String,
}

#[derive(Debug)]
struct Bearer {
    name: Name,
    network: IpAddr,
}

impl Names {
    /// Gives the claimant the name, and keeps the one that it had.
    ///
    /// On `Err` ([`Refusal::Taken`] or [`Refusal::LooksLikeTaken`]) nothing has changed. The
    /// claimant's own name is free to it, so it can change the case. So is a name that is kept for
    /// it.
    pub fn take(&mut self, claimant: Claimant, name: Name, now: Instant) -> Result<(), Refusal> {
        self.check(claimant, &name, now)?;
        let Claimant { serial, network } = claimant;
        self.free_those_in_the_way(claimant, &name);
        self.index(serial, &name);
        let folded = Arc::clone(&name.folded);
        match self.bearers.insert(serial, Bearer { name, network }) {
            Some(had) if had.name.folded != folded => {
                self.keep(Kept::new(claimant, had.name, false, now));
            }
            // Only the case changes, so no name is given up.
            Some(had) => self.unindex(serial, &had.name),
            None => {}
        }
        Ok(())
    }

    /// Whether the claimant can [`Names::take`] this name.
    pub fn check(&mut self, claimant: Claimant, name: &Name, now: Instant) -> Result<(), Refusal> {
        self.free_those_due(now);
        if self.is_of_another(self.by_folded.get(&name.folded), claimant) {
            return Err(Refusal::Taken);
        }
        if name.looks.iter().any(|look| self.is_of_another(self.by_look.get(look), claimant)) {
            return Err(Refusal::LooksLikeTaken);
        }
        Ok(())
    }

    /// Gives the claimant the name, unless another client has it now. Names that are only kept give
    /// way: each server of a cluster keeps its own, and all must decide alike.
    pub fn grant(&mut self, claimant: Claimant, name: Name, now: Instant) -> Result<(), Refusal> {
        let of_looks = name.looks.iter().filter_map(|look| self.by_look.get(look));
        let of_it = of_looks.chain(self.by_folded.get(&name.folded));
        for other in of_it.copied().collect::<Vec<u64>>() {
            let is_in_the_way = self.kept.of(other).is_some_and(|kept| {
                kept.folded == name.folded
                    || kept.looks.iter().any(|look| name.looks.contains(look))
            });
            if is_in_the_way {
                let kept = self.kept.take_of(other);
                self.free(kept);
            }
        }
        self.take(claimant, name, now)
    }

    /// The names of all that bear one, by serial.
    pub fn all(&self) -> impl Iterator<Item = (u64, &str)> {
        self.bearers.iter().map(|(serial, bearer)| (*serial, bearer.name.as_str()))
    }

    /// Whether this client has a name.
    pub fn has(&self, serial: u64) -> bool {
        self.bearers.contains_key(&serial)
    }

    /// From now on a guest is called so, with this behind its serial.
    pub fn set_guest_suffix(&mut self, suffix: String) {
        self.guest_suffix = suffix;
    }

    /// Keeps the name of a client that has left, for its network. It does nothing for a guest.
    pub fn release(&mut self, serial: u64, now: Instant) {
        self.free_those_due(now);
        let Some(Bearer { name, network }) = self.bearers.remove(&serial) else { return };
        self.keep(Kept::new(Claimant { serial, network }, name, true, now));
    }

    /// Frees the name of one that is no more, at once.
    pub fn remove(&mut self, serial: u64) {
        if let Some(Bearer { name, .. }) = self.bearers.remove(&serial) {
            self.unindex(serial, &name);
        }
    }

    /// Whether this client's name, if there is a client, is closed to the claimant.
    fn is_of_another(&self, serial: Option<&u64>, claimant: Claimant) -> bool {
        serial.is_some_and(|serial| {
            *serial != claimant.serial && !self.kept.is_for(*serial, claimant)
        })
    }

    /// Frees names kept for others that the claimant may have, if they look like the name that it
    /// takes.
    fn free_those_in_the_way(&mut self, claimant: Claimant, name: &Name) {
        let of_looks = name.looks.iter().filter_map(|look| self.by_look.get(look));
        let of_it = of_looks.chain(self.by_folded.get(&name.folded));
        let others: Vec<u64> = of_it.copied().filter(|other| *other != claimant.serial).collect();
        for other in others {
            let kept = self.kept.take_of(other);
            self.free(kept);
        }
    }

    fn free_those_due(&mut self, now: Instant) {
        while let Some(kept) = self.kept.take_due(now) {
            self.free(Some(kept));
        }
    }

    /// Keeps a name, in place of another of the same bearer.
    fn keep(&mut self, kept: Kept) {
        let instead_of = self.kept.take_of(kept.bearer.serial);
        self.index(kept.bearer.serial, &kept.name);
        let pushed_out = self.kept.push(kept);
        self.free(instead_of);
        self.free(pushed_out);
    }

    fn free(&mut self, kept: Option<Kept>) {
        if let Some(Kept { bearer, name, .. }) = kept {
            self.unindex(bearer.serial, &name);
        }
    }

    fn index(&mut self, serial: u64, name: &Name) {
        self.by_folded.insert(Arc::clone(&name.folded), serial);
        self.by_look.extend(name.looks.iter().map(|look| (Arc::clone(look), serial)));
    }

    /// Removes the entries of a client's name, except those that its other name shares.
    fn unindex(&mut self, serial: u64, name: &Name) {
        let bears = self.bearers.get(&serial).map(|bearer| &bearer.name);
        let others = [bears, self.kept.of(serial)];
        let others = || others.into_iter().flatten();
        if others().all(|other| other.folded != name.folded) {
            self.by_folded.remove(&name.folded);
        }
        for look in &name.looks {
            if others().all(|other| !other.looks.contains(look)) {
                self.by_look.remove(look);
            }
        }
    }

    /// The name of `serial` as it is [`called`], or `guest` and the serial.
    pub fn of(&self, serial: u64) -> impl Display {
        match self.bearers.get(&serial) {
            Some(bearer) => Called::Name(&bearer.name.called),
            None => Called::Guest(serial, &self.guest_suffix),
        }
    }

    /// The client that this text names: a name in any case, or `guest` and a serial.
    ///
    /// The caller knows whether a guest of that serial is here. A client with a name is found by
    /// that name alone, so that it has one name at a time. Text that only looks like a name does
    /// not match.
    pub fn find(&self, text: &str) -> Option<u64> {
        let folded = folded(bare(text));
        let known = self.by_folded.get(folded.as_str());
        let its_name = known.and_then(|serial| self.bearers.get(serial)).map(|bearer| &bearer.name);
        // It may be a kept name, of a client that has another name now.
        if its_name.is_some_and(|name| *name.folded == *folded) {
            return known.copied();
        }
        let digits = folded.strip_prefix(GUEST)?;
        let digits = digits.strip_suffix(self.guest_suffix.as_str()).unwrap_or(digits);
        let serial = digits.parse().ok().filter(|serial: &u64| serial.to_string() == digits)?;
        let is_guest = serial > 0 && !self.bearers.contains_key(&serial);
        is_guest.then_some(serial)
    }
}

enum Called<'a> {
    Name(&'a str),
    Guest(u64, &'a str),
}

impl Display for Called<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Called::Name(name) => f.write_str(name),
            Called::Guest(serial, suffix) => write!(f, "{GUEST}{serial}{suffix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kept::KEPT_FOR;
    use proptest::prelude::*;
    use std::net::Ipv6Addr;
    use std::time::Duration;

    /// The result of taking `text` when another client has `taken`.
    fn beside(taken: &str, text: &str) -> Result<(), Refusal> {
        let mut room = Room::new();
        room.take(1, taken).unwrap();
        room.take(2, text)
    }

    /// Names, and what time it is there. Each comes from a network of its own, unless it is said.
    struct Room {
        names: Names,
        now: Instant,
    }

    impl Room {
        fn new() -> Room {
            Room { names: Names::default(), now: Instant::now() }
        }

        fn take(&mut self, serial: u64, text: &str) -> Result<(), Refusal> {
            self.take_from(serial, serial, text)
        }

        fn take_from(&mut self, network: u64, serial: u64, text: &str) -> Result<(), Refusal> {
            let network = Ipv6Addr::from_bits(network.into()).into();
            self.names.take(Claimant { serial, network }, Name::parse(text).unwrap(), self.now)
        }

        fn leave(&mut self, serial: u64) {
            self.names.release(serial, self.now);
        }
    }

    const TAKEN: Result<(), Refusal> = Err(Refusal::Taken);
    const LOOKS_LIKE_TAKEN: Result<(), Refusal> = Err(Refusal::LooksLikeTaken);

    #[test]
    fn composed_and_decomposed_are_one_name() {
        assert_eq!(beside("rémy", "re\u{301}my"), TAKEN);
        assert_eq!(beside("한글", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}"), TAKEN);
        assert_eq!(beside("rémy", "remy"), Ok(()));
        assert_eq!(beside("한글", "한굴"), Ok(()));
    }

    #[test]
    fn case_tells_nobody_apart() {
        assert_eq!(beside("bob", "BoB"), TAKEN);
        assert_eq!(beside("Straße", "STRASSE"), TAKEN);
        assert_eq!(beside("ΟΔΥΣΣΕΥΣ", "Οδυσσευς"), TAKEN);
        assert_eq!(beside("ЮРИЙ", "юрий"), TAKEN);
        assert_eq!(beside("ᾳ", "ᾼ"), TAKEN);
        assert_eq!(beside("bob", "rob"), Ok(()));
    }

    /// Without a language there is no telling whether `I` is a capital `i` or a capital `ı`: to
    /// everybody it is that of `i`, as CaseFolding.txt has it. `ı` is kept away by its looks.
    #[test]
    fn turkish_letters_are_as_the_rest_of_the_world_reads_them() {
        assert_eq!(beside("ISIK", "isik"), TAKEN);
        assert_eq!(beside("isik", "ısık"), LOOKS_LIKE_TAKEN);
        assert_eq!(beside("ISIK", "ısık"), LOOKS_LIKE_TAKEN);
        assert_eq!(beside("ismail", "İsmail"), Ok(()));
    }

    #[test]
    fn letters_of_another_script_do_not_make_another_name() {
        assert_eq!(beside("pace", "расе"), LOOKS_LIKE_TAKEN);
        assert_eq!(beside("pace", "pаce"), LOOKS_LIKE_TAKEN);
        assert_eq!(beside("Mark", "МАRК"), LOOKS_LIKE_TAKEN);
        assert_eq!(beside("Bob", "ΒΟΒ"), LOOKS_LIKE_TAKEN);
        assert_eq!(beside("Юра", "Юpa"), LOOKS_LIKE_TAKEN);
        assert_eq!(beside("ㅋㅋ", "\u{110f}\u{110f}"), LOOKS_LIKE_TAKEN);
    }

    #[test]
    fn letters_of_another_make_do_not_make_another_name() {
        assert_eq!(beside("bob", "ｂｏｂ"), LOOKS_LIKE_TAKEN);
        assert_eq!(beside("dave", "ｄａｖｅ"), LOOKS_LIKE_TAKEN);
        assert_eq!(beside("dave", "𝐃𝐀𝐯𝐞"), LOOKS_LIKE_TAKEN);
        assert_eq!(beside("12", "１２"), LOOKS_LIKE_TAKEN);
    }

    #[test]
    fn digits_that_look_like_letters_do_not_make_another_name() {
        assert_eq!(beside("bill", "bi1l"), LOOKS_LIKE_TAKEN);
        assert_eq!(beside("Ian", "lan"), LOOKS_LIKE_TAKEN);
        assert_eq!(beside("ROB", "R0B"), LOOKS_LIKE_TAKEN);
        assert_eq!(beside("rob", "r0b"), LOOKS_LIKE_TAKEN);
        assert_eq!(beside("mike", "M1KE"), LOOKS_LIKE_TAKEN);
        assert_eq!(beside("ali", "alt"), Ok(()));
        assert_eq!(beside("kim2", "kim3"), Ok(()));
    }

    #[test]
    fn rn_looks_like_m() {
        assert_eq!(beside("sam", "sarn"), LOOKS_LIKE_TAKEN);
        assert_eq!(beside("sarn", "SAM"), LOOKS_LIKE_TAKEN);
        assert_eq!(beside("sam", "san"), Ok(()));
    }

    #[test]
    fn joints_make_another_name_of_two_people() {
        assert_eq!(beside("jean-luc", "jeanluc"), Ok(()));
        assert_eq!(beside("jean-luc", "jean_luc"), Ok(()));
    }

    #[test]
    fn a_guest_is_called_by_its_serial_and_costs_nothing() {
        let mut room = Room::new();
        room.leave(7);
        assert_eq!(room.names.of(7).to_string(), "guest7");
        assert_eq!(room.names.of(u64::MAX).to_string(), "guest18446744073709551615");
        assert_eq!(room.names.find("guest7"), Some(7));
        assert_eq!(room.names.bearers.capacity() + room.names.by_look.capacity(), 0);
    }

    #[test]
    fn the_mark_is_shown_and_makes_no_other_name() {
        let mut room = Room::new();
        room.take(7, "שרה\u{200e}").unwrap();
        assert_eq!(room.names.of(7).to_string(), "שרה\u{200e}");
        assert_eq!((room.names.find("שרה"), room.names.find("שרה\u{200e}")), (Some(7), Some(7)));
        assert_eq!(room.names.find("guest8\u{200e}"), Some(8));
    }

    #[test]
    fn a_client_with_a_name_is_found_by_it_alone() {
        let mut room = Room::new();
        room.take(7, "Straße").unwrap();
        assert_eq!(room.names.of(7).to_string(), "Straße");
        assert_eq!(room.names.find("STRASSE"), Some(7));
        assert_eq!(room.names.find("guest7"), None);
        assert_eq!(room.names.find("Stra\u{200d}ße"), None);
        room.leave(7);
        assert_eq!((room.names.find("straße"), room.names.find("guest7")), (None, Some(7)));
    }

    /// The iota subscript is a mark that becomes a letter when it is folded: its place counts.
    #[test]
    fn a_name_is_found_however_its_marks_are_ordered() {
        let mut room = Room::new();
        room.take(1, "ᾴ").unwrap();
        for text in ["ᾴ", "α\u{345}\u{301}", "α\u{301}\u{345}", "Ά\u{345}", "άι"] {
            assert_eq!(room.names.find(text), Some(1), "{text}");
        }
    }

    #[test]
    fn only_a_serial_as_it_is_written_is_found() {
        let room = Room::new();
        assert_eq!(room.names.find("GUEST12"), Some(12));
        for text in ["guest0", "guest012", "guest+1", "guest", "guest1 ", "guess1", "12"] {
            assert_eq!(room.names.find(text), None, "{text}");
        }
        assert_eq!(room.names.find("guest18446744073709551616"), None);
        assert_eq!(room.names.find("guest١"), None);
    }

    #[test]
    fn to_its_bearer_a_name_is_free() {
        let mut room = Room::new();
        room.take(1, "bill").unwrap();
        for text in ["BILL", "bi1l", "Bill", "Bill"] {
            assert_eq!(room.take(1, text), Ok(()));
            assert_eq!(room.names.of(1).to_string(), text);
        }
        assert_eq!(room.names.find("bi1l"), None);
    }

    #[test]
    fn a_name_that_is_refused_costs_nobody_theirs() {
        let mut room = Room::new();
        room.take(1, "bob").unwrap();
        room.take(2, "mike").unwrap();
        assert_eq!(room.take(2, "Bob"), TAKEN);
        assert_eq!(room.take(2, "b0b"), LOOKS_LIKE_TAKEN);
        assert_eq!((room.names.find("mike"), room.names.find("bob")), (Some(2), Some(1)));
        assert_eq!(room.take(3, "mike"), TAKEN);
    }

    #[test]
    fn a_name_given_up_for_another_is_kept_for_its_bearer() {
        let mut room = Room::new();
        room.take(1, "bob").unwrap();
        room.take(1, "mike").unwrap();
        assert_eq!((room.take(2, "BOB"), room.take(2, "b0b")), (TAKEN, LOOKS_LIKE_TAKEN));
        // Its bearer is here: nobody else of its network gets it.
        assert_eq!(room.take_from(1, 2, "bob"), TAKEN);
        assert_eq!((room.names.find("bob"), room.names.find("mike")), (None, Some(1)));
        room.now += KEPT_FOR - Duration::from_millis(1);
        assert_eq!(room.take(1, "Bob"), Ok(()));
        assert_eq!((room.take(2, "bob"), room.take(2, "mike")), (TAKEN, TAKEN));
        room.now += KEPT_FOR - Duration::from_millis(1);
        assert_eq!(room.take(2, "mike"), TAKEN);
        room.now += Duration::from_millis(1);
        assert_eq!(room.take(2, "mike"), Ok(()));
    }

    #[test]
    fn a_name_given_up_by_leaving_is_kept_for_its_network() {
        let mut room = Room::new();
        room.take(1, "bob").unwrap();
        room.leave(1);
        assert_eq!((room.take(2, "Bob"), room.take(2, "b0b")), (TAKEN, LOOKS_LIKE_TAKEN));
        assert_eq!(room.names.find("bob"), None);
        assert_eq!(room.take_from(1, 3, "bob"), Ok(()));
        room.leave(3);
        room.now += KEPT_FOR - Duration::from_millis(1);
        // It is kept again from then on.
        assert_eq!((room.take(2, "bob"), room.take_from(1, 4, "b0b")), (TAKEN, Ok(())));
        assert_eq!(
            (room.take(2, "bob"), room.take_from(1, 5, "bob")),
            (LOOKS_LIKE_TAKEN, LOOKS_LIKE_TAKEN)
        );
        room.leave(4);
        room.now += KEPT_FOR;
        assert_eq!(room.take(2, "bob"), Ok(()));
    }

    #[test]
    fn of_each_bearer_the_name_that_it_had_last_is_kept() {
        let mut room = Room::new();
        for name in ["anna", "bert", "cora"] {
            room.take(1, name).unwrap();
        }
        assert_eq!((room.take(2, "anna"), room.take(3, "bert")), (Ok(()), TAKEN));
        // Another case is no other name.
        room.take(1, "CORA").unwrap();
        assert_eq!(room.take(3, "bert"), TAKEN);
        room.leave(1);
        assert_eq!((room.take(3, "bert"), room.take(3, "cora")), (Ok(()), TAKEN));
    }

    #[test]
    fn a_kept_name_may_share_its_looks_with_the_next_one() {
        let mut room = Room::new();
        room.take(1, "bob").unwrap();
        room.take(1, "b0b").unwrap();
        assert_eq!((room.take(2, "bob"), room.take(2, "b0b")), (TAKEN, TAKEN));
        room.now += KEPT_FOR;
        assert_eq!((room.take(2, "bob"), room.take(2, "b0b")), (LOOKS_LIKE_TAKEN, TAKEN));
    }

    #[test]
    fn so_many_names_are_kept_and_the_oldest_goes_first() {
        let mut room = Room::new();
        for serial in 0..=512 {
            room.take(serial, &format!("k{serial}")).unwrap();
        }
        (0..=512).for_each(|serial| room.leave(serial));
        assert_eq!((room.take(999, "k1"), room.take(999, "k512")), (TAKEN, TAKEN));
        assert_eq!(room.take(999, "k0"), Ok(()));
        assert_eq!(room.names.by_folded.len(), 513);
    }

    #[test]
    fn one_network_does_not_push_out_the_names_of_others() {
        let mut room = Room::new();
        room.take(1, "bob").unwrap();
        room.leave(1);
        for serial in 100..=132 {
            room.take_from(2, serial, &format!("k{serial}")).unwrap();
            room.leave(serial);
        }
        assert_eq!((room.take(999, "bob"), room.take(999, "k101")), (TAKEN, TAKEN));
        assert_eq!(room.take(999, "k100"), Ok(()));
    }

    #[test]
    fn what_is_kept_no_longer_is_free_and_so_are_its_looks() {
        let mut room = Room::new();
        room.take(1, "Mike").unwrap();
        room.take(1, "bob").unwrap();
        room.take(2, "zoe").unwrap();
        room.leave(1);
        room.leave(2);
        room.now += KEPT_FOR;
        assert_eq!((room.take(3, "m1ke"), room.take(4, "b0b")), (Ok(()), Ok(())));
        room.leave(3);
        room.leave(4);
        room.now += KEPT_FOR;
        room.leave(5);
        assert!(room.names.by_folded.is_empty() && room.names.by_look.is_empty());
    }

    /// Short names that often meet.
    fn names_that_meet() -> impl Strategy<Value = String> {
        "[aAаIl1i][oO0о]?(m|rn|M)?"
    }

    /// The rule itself: no form of the one has the skeleton of a form of the other.
    fn alike(one: &Name, other: &Name) -> bool {
        one.looks.iter().any(|look| other.looks.contains(look))
    }

    proptest! {
        #![proptest_config(crate::cases())]

        #[test]
        fn two_names_meet_if_they_are_one_or_look_alike(
            one in names_that_meet(), other in names_that_meet(),
        ) {
            let (Ok(one), Ok(other)) = (Name::parse(&one), Name::parse(&other)) else {
                return Ok(());
            };
            let expected = match one.folded == other.folded {
                true => TAKEN,
                false if alike(&one, &other) => LOOKS_LIKE_TAKEN,
                false => Ok(()),
            };
            prop_assert_eq!(beside(one.as_str(), other.as_str()), expected);
            prop_assert_eq!(beside(other.as_str(), one.as_str()), expected);
        }
    }
}
