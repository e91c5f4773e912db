//! When and where to connect after a lost connection.
//!
//! In each pause the name of the server is looked up again. Until that is done, the old addresses
//! are tried. This file knows addresses and durations. It never knows a socket or a clock.

use std::net::SocketAddr;
use std::time::Duration;

use super::lookup::Lookup;

/// The pause before the first retry. Each further one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_secs(1);

/// The longest pause: after a server comes back, the client finds it soon.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// A connection that lasted this long was a good one: the next retry follows a short pause.
const GOOD_AFTER: Duration = Duration::from_secs(30);

/// The addresses of a server, and how the attempts went.
#[derive(Debug)]
pub struct Redial {
    addresses: Vec<SocketAddr>,
    lookup: Lookup,
    next: usize,
    pause: Duration,
}

impl Redial {
    /// Tries these addresses in turn, until a lookup finds others.
    pub fn new(addresses: Vec<SocketAddr>, lookup: Lookup) -> Redial {
        Redial { addresses, lookup, next: 0, pause: PAUSE_FIRST }
    }

    /// The next address to try. `None` after the last one; then it begins again with the first.
    pub fn next_address(&mut self) -> Option<SocketAddr> {
        if self.next == 0
            && let Some(found) = self.lookup.found()
        {
            self.addresses = found;
        }
        let address = self.addresses.get(self.next).copied();
        self.next = if address.is_some() { self.next + 1 } else { 0 };
        address
    }

    /// Notes that the last address gave a connection, which lasted this long and is lost.
    pub fn lost_after(&mut self, time: Duration) {
        self.next = 0;
        if time >= GOOD_AFTER {
            self.pause = PAUSE_FIRST;
        }
    }

    /// How long to wait before the next retry. Meanwhile the name of the server is looked up.
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
