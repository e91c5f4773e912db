//! When to connect, and where, after a connection was lost.
//!
//! The name of the server is looked up again in each pause; until that is done, the old addresses
//! are tried. This room knows addresses and durations. It never knows a socket or a clock.

use std::net::SocketAddr;
use std::time::Duration;

use super::lookup::Lookup;

/// The pause before the first new attempt; each further one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_secs(1);

/// No pause is longer: a server that has come back is found soon.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// A connection that has lasted so long was a good one: the next loss begins with a short pause.
const GOOD_AFTER: Duration = Duration::from_secs(30);

/// The addresses of a server, and how the attempts have gone.
#[derive(Debug)]
pub struct Redial {
    addresses: Vec<SocketAddr>,
    lookup: Lookup,
    next: usize,
    pause: Duration,
}

impl Redial {
    /// These addresses, tried in turn, until others are found.
    pub fn new(addresses: Vec<SocketAddr>, lookup: Lookup) -> Redial {
        Redial { addresses, lookup, next: 0, pause: PAUSE_FIRST }
    }

    /// The next address to try, `None` once each was tried; then it begins anew.
    pub fn next_address(&mut self) -> Option<SocketAddr> {
        let found = if self.next == 0 { self.lookup.found() } else { None };
        if let Some(found) = found {
            self.addresses = found;
        }
        let address = self.addresses.get(self.next).copied();
        self.next = if address.is_some() { self.next + 1 } else { 0 };
        address
    }

    /// It has led to a connection, which has lasted for so long and is lost.
    pub fn lost_after(&mut self, time: Duration) {
        self.next = 0;
        if time >= GOOD_AFTER {
            self.pause = PAUSE_FIRST;
        }
    }

    /// How long to wait before trying again. Meanwhile the name of the server is looked up.
    pub fn next_pause(&mut self) -> Duration {
        self.lookup.begin();
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSE_MAX);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    #[test]
    fn addresses_are_tried_in_turn_and_then_anew() {
        let mut redial = Redial::new(vec![address(1), address(2)], Lookup::default());
        let tried: Vec<_> = (0..4).map(|_| redial.next_address()).collect();
        assert_eq!(tried, [Some(address(1)), Some(address(2)), None, Some(address(1))]);
    }

    #[test]
    fn pauses_grow_to_30_s_and_a_good_connection_makes_them_short() {
        let mut redial = Redial::new(vec![address(1)], Lookup::default());
        let pauses: Vec<u64> = (0..7).map(|_| redial.next_pause().as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        redial.lost_after(Duration::from_secs(29));
        assert_eq!(redial.next_pause().as_secs(), 30);
        redial.lost_after(Duration::from_secs(30));
        assert_eq!(redial.next_pause().as_secs(), 1);
    }
}
