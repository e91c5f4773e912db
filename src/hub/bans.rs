//! The networks that may not come in.
//!
//! A ban holds for a network, not for a name: a name is changed in a second, an address is not. One
//! that is asked for by a name holds for the network that counts as one address.
//!
//! Every accept asks this table. It costs one look into a hash map for each prefix length that is
//! in use, however many bans there are. This file never reads a clock.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::addresses::network;

/// The most bans: a bound for the memory and for the file in which they are kept. More than a
/// person can have looked at, and about 2 MiB. At the limit an operator is told to lift some.
pub const BANS_MAX: usize = 10_000;

/// A moment, as this process and as the calendar counts it: in seconds since 1970.
///
/// A deadline of this process must not jump with the calendar. A file must mean the same after a
/// restart, when the other clock has begun anew. So both are needed where one becomes the other.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// On the clock that never goes back.
    pub now: Instant,
    /// On the calendar.
    pub unix_seconds: u64,
}

/// Why a network may not come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// When it ends; `None` is never.
    pub until: Option<Instant>,
    /// The name of the operator.
    pub by: String,
    /// The reason, as the operator worded it; it may be empty.
    pub why: String,
}

/// All bans.
#[derive(Debug, Default)]
pub struct Bans {
    table: HashMap<IpNet, Ban>,
    /// Whether it is IPv6, and the length of the prefix, of all in the table.
    prefixes: BTreeSet<(bool, u8)>,
}

impl Bans {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.table.len()
    }

    /// Bans this network, in place of an earlier ban of it. `false` if there are too many.
    pub fn add(&mut self, network: IpNet, ban: Ban) -> bool {
        let network = network.trunc();
        // A ban that replaces another needs no room.
        if self.table.len() >= BANS_MAX && !self.table.contains_key(&network) {
            return false;
        }
        self.prefixes.insert(prefix(&network));
        self.table.insert(network, ban);
        true
    }

    /// The ban of this network, though it may have ended.
    pub fn get(&self, network: IpNet) -> Option<&Ban> {
        self.table.get(&network.trunc())
    }

    /// Lifts the ban of this network. `false` if there is none.
    ///
    /// It looks at all bans for their prefixes, but only an operator can ask for that.
    pub fn lift(&mut self, network: IpNet) -> bool {
        let was_there = self.table.remove(&network.trunc()).is_some();
        self.prefixes = self.table.keys().map(prefix).collect();
        was_there
    }

    /// The ban that an address is under now, with its network: the narrowest.
    pub fn of(&self, address: IpAddr, now: Instant) -> Option<(IpNet, &Ban)> {
        let address = address.to_canonical();
        // From the longest prefix on, so that the narrowest ban is found first: its reason is the
        // one that was meant for this address.
        let lengths = self.prefixes.iter().rev().filter(|(is_v6, _)| *is_v6 == address.is_ipv6());
        let networks = lengths.filter_map(|(_, length)| IpNet::new(address, *length).ok());
        networks.map(|network| network.trunc()).find_map(|network| {
            let ban = self.table.get(&network)?;
            ban.until.is_none_or(|until| now < until).then_some((network, ban))
        })
    }

    /// Those that still hold, in the order of their networks.
    pub fn list(&mut self, now: Instant) -> Vec<(IpNet, &Ban)> {
        self.table.retain(|_, ban| ban.until.is_none_or(|until| now < until));
        self.prefixes = self.table.keys().map(prefix).collect();
        let mut list: Vec<_> = self.table.iter().map(|(network, ban)| (*network, ban)).collect();
        list.sort_unstable_by_key(|(network, _)| *network);
        list
    }

    /// As they are kept: a line each, `NETWORK UNTIL BY WHY`. `UNTIL` is in seconds since 1970, or
    /// `-` for never.
    pub fn to_text(&mut self, at: Moment) -> String {
        let mut text = String::new();
        for (network, Ban { until, by, why }) in self.list(at.now) {
            let left = until.map(|until| until.saturating_duration_since(at.now).as_secs());
            let until = left.map_or("-".to_owned(), |left| (at.unix_seconds + left).to_string());
            // Writing to a string cannot fail.
            writeln!(text, "{network} {until} {by} {why}").unwrap_or_default();
        }
        text
    }

    /// The bans in such a text, and how many of its lines are none.
    pub fn from_text(text: &str, at: Moment) -> (Bans, usize) {
        let (mut bans, mut wrong) = (Bans::default(), 0);
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match parse(line, at) {
                Some((network, ban)) if bans.add(network, ban.clone()) => {}
                _ => wrong += 1,
            }
        }
        (bans, wrong)
    }
}

fn prefix(network: &IpNet) -> (bool, u8) {
    (network.addr().is_ipv6(), network.prefix_len())
}

fn parse(line: &str, at: Moment) -> Option<(IpNet, Ban)> {
    let mut words = line.splitn(4, ' ');
    let network = parse_network(words.next()?)?;
    let until = match words.next().unwrap_or("-") {
        "-" => None,
        until => {
            let left = until.parse::<u64>().ok()?.saturating_sub(at.unix_seconds);
            Some(at.now.checked_add(Duration::from_secs(left))?)
        }
    };
    let mut word = || words.next().unwrap_or_default().to_owned();
    Some((network, Ban { until, by: word(), why: word() }))
}

/// A network, or an address, which stands for all that count as one with it. A mapped IPv4 address
/// is an IPv4 address.
pub fn parse_network(text: &str) -> Option<IpNet> {
    let single = || text.parse().ok().map(whole_network);
    text.parse::<IpNet>().ok().map(|network| network.trunc()).or_else(single)
}

/// The network of the addresses that count as one with this one. A household has a /64: a client
/// there that is banned by one address has another within seconds.
pub fn whole_network(address: IpAddr) -> IpNet {
    let network = network(address);
    let length = if network.is_ipv6() { 64 } else { 32 };
    IpNet::new(network, length).unwrap_or(network.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ban(until: Option<Instant>) -> Ban {
        Ban { until, by: "host".to_owned(), why: "noise all night".to_owned() }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_ban_holds_for_its_network_until_it_ends() {
        let (mut bans, now) = (Bans::default(), Instant::now());
        let second = Duration::from_secs(1);
        bans.add(parse_network("203.0.113.7").unwrap(), ban(Some(now + second)));
        bans.add(parse_network("2001:db8:1:2:3::/64").unwrap(), ban(None));
        for (text, is_banned) in [
            ("203.0.113.7", true),
            ("::ffff:203.0.113.7", true),
            ("203.0.113.8", false),
            ("2001:db8:1:2:ffff::1", true),
            ("2001:db8:1:3::1", false),
        ] {
            assert_eq!(bans.of(address(text), now).is_some(), is_banned, "{text}");
        }
        assert_eq!(bans.of(address("203.0.113.7"), now + second), None);
        assert_eq!((bans.list(now + second).len(), bans.count()), (1, 1));
    }

    #[test]
    fn the_narrowest_ban_counts_and_lifting_it_leaves_the_wider_one() {
        let (mut bans, now) = (Bans::default(), Instant::now());
        let (wide, narrow) = (parse_network("10.0.0.0/8"), parse_network("10.1.2.3"));
        bans.add(wide.unwrap(), ban(None));
        bans.add(narrow.unwrap(), ban(None));
        let of = |bans: &Bans| bans.of(address("10.1.2.3"), now).map(|(network, _)| network);
        assert_eq!(of(&bans), narrow);
        assert!(bans.lift(narrow.unwrap()) && !bans.lift(narrow.unwrap()));
        assert_eq!(of(&bans), wide);
    }

    #[test]
    fn bans_come_back_from_their_text() {
        let at = Moment { now: Instant::now(), unix_seconds: 1_700_000_000 };
        let mut bans = Bans::default();
        bans.add(parse_network("10.0.0.0/8").unwrap(), ban(None));
        let until = at.now + Duration::from_secs(60);
        bans.add("2001:db8::1/128".parse().unwrap(), ban(Some(until)));
        let text = bans.to_text(at);
        assert_eq!(
            text,
            "10.0.0.0/8 - host noise all night\n\
             2001:db8::1/128 1700000060 host noise all night\n"
        );
        let (mut again, wrong) =
            Bans::from_text(&format!("# kept\n\n{text}junk\n10.0.0.1 x\n"), at);
        assert_eq!((again.to_text(at), wrong), (text, 2));
        let later = Moment { unix_seconds: at.unix_seconds + 61, ..at };
        let (mut late, _) = Bans::from_text("10.0.0.1 1700000060 host\n10.0.0.2\n", later);
        assert_eq!(late.list(later.now).len(), 1);
    }

    #[test]
    fn one_address_stands_for_its_network() {
        let networks = ["2001:db8:1:2:3::4", "::ffff:10.0.0.1", "10.0.0.9/8", "2001:db8::1/128"];
        let shown = networks.map(|text| parse_network(text).unwrap().to_string());
        assert_eq!(shown, ["2001:db8:1:2::/64", "10.0.0.1/32", "10.0.0.0/8", "2001:db8::1/128"]);
        assert!(["", "bob", "10.0.0", "10.0.0.1/33"].iter().all(|it| parse_network(it).is_none()));
    }

    #[test]
    fn there_are_at_most_so_many() {
        let mut bans = Bans::default();
        let network = |number: u32| IpNet::from(IpAddr::from(number.to_be_bytes()));
        assert!((0..BANS_MAX as u32).all(|number| bans.add(network(number), ban(None))));
        assert!(!bans.add(network(u32::MAX), ban(None)));
        assert!(bans.add(network(0), ban(None)));
    }
}
