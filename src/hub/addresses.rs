//! Each address: its connections, and what it may still send at once.
//!
//! A limit that ends with the connection is no limit: a client can reconnect. So each address has
//! one bucket for lines and one for its join and leave notices, and they outlive its connections.
//!
//! What always holds: an address is here while it has a connection or a bucket that is not full.
//! Addresses without a connection rest, at most as many as there may be clients. If there are more,
//! the one whose buckets are full soonest is removed. This file never reads a clock.
//!
//! A browser opens connections that it may never use. So the addresses that have just fetched the
//! page are noted too, also those that are exempt from limits.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use crate::pace::{Bucket, Pace};

/// For how long an address counts as that of a browser once it has fetched the page.
///
/// A browser opens its spare connection within milliseconds of its request, and again when it
/// fetches the page again. On a slow network that may be some seconds. Longer would keep the
/// welcome from nc on the same machine, or behind the same router.
pub const BROWSER_TIME: Duration = Duration::from_secs(5);

/// At most this many addresses count as those of browsers; the oldest gives way. The worst for that
/// one is that its spare connections are welcomed.
const BROWSERS_MAX: usize = 256;

/// All addresses that are not exempt.
#[derive(Debug)]
pub struct Addresses {
    table: HashMap<IpAddr, Address>,
    /// Addresses without a connection, by the moment at which their buckets are full.
    resting: BTreeSet<(Instant, IpAddr)>,
    resting_max: usize,
    /// The addresses that have fetched the page, and until when that counts, in this order.
    browsers: VecDeque<(IpAddr, Instant)>,
}

#[derive(Debug, Default)]
struct Address {
    connections: usize,
    lines: Bucket,
    notices: Bucket,
}

impl Address {
    /// When this entry means the same as none.
    ///
    /// A full bucket is what an unknown address begins with. So nothing is lost when the entry
    /// goes.
    fn full_at(&self) -> Option<Instant> {
        self.lines.full_at().max(self.notices.full_at())
    }
}

impl Addresses {
    /// No addresses; at most `resting_max` are kept without a connection.
    pub fn new(resting_max: usize) -> Addresses {
        let browsers = VecDeque::new();
        Addresses { table: HashMap::new(), resting: BTreeSet::new(), resting_max, browsers }
    }

    /// A browser at this address has fetched the page.
    pub fn fetched_page(&mut self, address: IpAddr, now: Instant) {
        let network = network(address);
        self.browsers.retain(|(its, until)| *its != network && now < *until);
        if self.browsers.len() >= BROWSERS_MAX {
            self.browsers.pop_front();
        }
        self.browsers.push_back((network, now + BROWSER_TIME));
    }

    /// Whether a browser at this address has fetched the page a short time ago.
    pub fn has_browser(&self, address: IpAddr, now: Instant) -> bool {
        let network = network(address);
        self.browsers.iter().any(|(its, until)| *its == network && now < *until)
    }

    /// How many connections this address has.
    pub fn connections(&self, address: IpAddr) -> usize {
        self.table.get(&network(address)).map_or(0, |its| its.connections)
    }

    /// A connection from this address was admitted.
    pub fn came(&mut self, address: IpAddr) {
        let network = network(address);
        let its = self.table.entry(network).or_default();
        if let (0, Some(full_at)) = (its.connections, its.full_at()) {
            self.resting.remove(&(full_at, network));
        }
        its.connections += 1;
    }

    /// A connection from this address, counted by [`Addresses::came`], has ended.
    pub fn left(&mut self, address: IpAddr, now: Instant) {
        let network = network(address);
        let Some(its) = self.table.get_mut(&network) else { return };
        its.connections -= 1;
        if its.connections > 0 {
            return;
        }
        match its.full_at() {
            Some(at) if at > now => _ = self.resting.insert((at, network)),
            _ => _ = self.table.remove(&network),
        }
        // Entries that have run out go when the next connection ends, so they need no deadline.
        // Each departure adds at most one, so the loop is short in the long run.
        while let Some((at, network)) = self.resting.first().copied() {
            if at > now && self.resting.len() <= self.resting_max {
                break;
            }
            self.resting.pop_first();
            self.table.remove(&network);
        }
    }

    /// Takes the token of one more line from the bucket of this address, if there is one.
    pub fn may_say(&mut self, address: IpAddr, pace: &Pace, now: Instant) -> bool {
        let its = self.table.get_mut(&network(address));
        // An address without an entry is exempt: it was never counted, and has no bucket.
        its.is_none_or(|its| its.lines.take(pace, now).is_ok())
    }

    /// Whether this address may have one more join or leave notice.
    pub fn may_tell(&mut self, address: IpAddr, pace: &Pace, now: Instant) -> bool {
        let its = self.table.get_mut(&network(address));
        its.is_none_or(|its| its.notices.take(pace, now).is_ok())
    }
}

/// The addresses that count as one: one IPv4 address, or one IPv6 /64 network, which is what one
/// household or machine gets.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    const PACE: Pace = Pace { every: Duration::from_millis(100), burst: 20 };

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(number))
    }

    #[test]
    fn an_address_that_comes_back_finds_its_bucket_as_it_was() {
        let (mut addresses, now) = (Addresses::new(9), Instant::now());
        for _ in 0..20 {
            addresses.came(address(1));
            assert!(addresses.may_say(address(1), &PACE, now));
            addresses.left(address(1), now);
        }
        addresses.came(address(1));
        assert!(!addresses.may_say(address(1), &PACE, now));
        assert_eq!(addresses.connections(address(1)), 1);
    }

    #[test]
    fn an_entry_goes_when_its_buckets_are_full() {
        let (mut addresses, now) = (Addresses::new(9), Instant::now());
        for number in 1..=2 {
            addresses.came(address(number));
            assert!(addresses.may_tell(address(number), &PACE, now));
        }
        addresses.left(address(1), now);
        assert_eq!((addresses.table.len(), addresses.resting.len()), (2, 1));
        addresses.left(address(2), now + PACE.every);
        assert_eq!((addresses.table.len(), addresses.resting.len()), (0, 0));
    }

    #[test]
    fn no_more_rest_than_there_may_be() {
        let (mut addresses, now) = (Addresses::new(9), Instant::now());
        for number in 0..100 {
            addresses.came(address(number));
            assert!(addresses.may_tell(address(number), &PACE, now));
            addresses.left(address(number), now);
            assert!(addresses.table.len() <= 9);
        }
        addresses.came(address(99));
        assert_eq!((addresses.table.len(), addresses.resting.len()), (9, 8));
    }

    #[test]
    fn an_address_has_a_browser_for_a_while_and_few_have_one() {
        let (mut addresses, now) = (Addresses::new(9), Instant::now());
        let count = BROWSERS_MAX as u32;
        (0..=count).for_each(|number| addresses.fetched_page(address(number), now));
        addresses.fetched_page(address(count), now + BROWSER_TIME / 2);
        let has = |number, at| addresses.has_browser(address(number), at);
        assert_eq!(addresses.browsers.len(), BROWSERS_MAX);
        assert!(!has(0, now) && has(1, now) && has(count, now));
        assert!(!has(1, now + BROWSER_TIME) && has(count, now + BROWSER_TIME));
    }

    #[test]
    fn a_network_of_64_bits_is_one_address_and_a_mapped_one_is_ipv4() {
        let same = |one: &str, other: &str| {
            network(one.parse().unwrap()) == network(other.parse().unwrap())
        };
        assert!(same("2001:db8::1", "2001:db8::ffff:2"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(same("::ffff:10.0.0.1", "10.0.0.1"));
        assert!(!same("10.0.0.1", "10.0.0.2"));
    }
}
