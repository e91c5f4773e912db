//! Rate limits.
//!
//! [`Pace`] is a rate, [`Bucket`] one token bucket, and [`Allowance`] the buckets of a connection
//! and its address together. [`Throttle`] limits how often the log repeats the same trouble. All
//! are values: they take the present moment as a parameter and read no clock.

use std::time::{Duration, Instant};

/// The rate of a token bucket: a burst at once, then one token per `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The time after which one token comes back. Zero means no limit.
    pub every: Duration,
    /// How many tokens a full bucket holds, at least 1.
    pub burst: u32,
}

impl Pace {
    /// A pace of `per_second` in the long run and `burst` at once. 0 per second means no limit.
    pub fn per_second(per_second: u32, burst: u32) -> Pace {
        let every = Duration::from_secs(1).checked_div(per_second).unwrap_or_default();
        Pace { every, burst: burst.max(1) }
    }
}

/// A token bucket, stored as the one instant at which it is full again.
///
/// This is the "virtual scheduling" form of the generic cell rate algorithm (ITU-T I.371). It needs
/// no refill and no counter, and an unused bucket is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at: Option<Instant>,
}

impl Bucket {
    /// An empty bucket. It is full after the time of a whole burst.
    pub fn empty(pace: &Pace, now: Instant) -> Bucket {
        Bucket { full_at: Some(now + pace.every * pace.burst) }
    }

    /// When it is full again; `None` if no token was ever taken.
    pub fn full_at(&self) -> Option<Instant> {
        self.full_at
    }

    /// Discards tokens until there is room for this many.
    fn leave_room(&mut self, tokens: u32, pace: &Pace, now: Instant) {
        self.full_at = self.full_at.max(Some(now + pace.every * tokens));
    }

    /// How many tokens are in it.
    fn level(&self, pace: &Pace, now: Instant) -> u32 {
        let lacking = self.full_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let lacking = lacking.as_nanos().div_ceil(pace.every.as_nanos().max(1));
        pace.burst.saturating_sub(lacking as u32)
    }

    /// Takes one token, or returns when there will be one.
    ///
    /// `Err` takes nothing; ask again at the instant it carries.
    pub fn take(&mut self, pace: &Pace, now: Instant) -> Result<(), Instant> {
        let full_at = self.full_at.map_or(now, |at| at.max(now));
        let slack = pace.every * (pace.burst - 1);
        if full_at.duration_since(now) > slack {
            return Err(full_at - slack);
        }
        self.full_at = Some(full_at + pace.every);
        Ok(())
    }
}

/// What one connection may send: its own bucket, and an advance from the bucket of its address.
///
/// A connection begins with an empty bucket. With a full one, a client could reconnect for another
/// burst. Until its own bucket is full, a connection borrows from the bucket of its address what it
/// has not earned yet. So the first connection of an address has a burst at once, and every
/// connection has a rate of its own.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    own: Bucket,
    /// How many tokens it may still take from its address.
    advance: u32,
}

impl Allowance {
    /// The allowance of a connection made now.
    pub fn new(pace: &Pace, now: Instant) -> Allowance {
        Allowance { own: Bucket::empty(pace, now), advance: pace.burst }
    }

    /// Takes one token: its own, or one that `advanced` took from its address. Else returns when it
    /// has one of its own.
    pub fn take(
        &mut self,
        pace: &Pace,
        advanced: impl FnOnce() -> bool,
        now: Instant,
    ) -> Result<(), Instant> {
        // What it has earned by now is no longer an advance, or it would have two bursts.
        self.advance = self.advance.min(pace.burst - self.own.level(pace, now));
        self.own.leave_room(self.advance, pace, now);
        let Err(due) = self.own.take(pace, now) else { return Ok(()) };
        if self.advance == 0 || !advanced() {
            return Err(due);
        }
        self.advance -= 1;
        Ok(())
    }
}

/// Reports a repeated trouble at most once in [`Throttle::QUIET`], with a count.
#[derive(Clone, Copy, Debug, Default)]
pub struct Throttle {
    told_at: Option<Instant>,
    untold: u64,
}

impl Throttle {
    /// How long a trouble is not reported again. Five seconds: a person who watches the log sees
    /// that it goes on, and a log left alone for a night stays readable.
    pub const QUIET: Duration = Duration::from_secs(5);

    /// Counts one more occurrence. `Some(n)` means: report it now, it happened n times since the
    /// last report.
    pub fn count(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        if self.told_at.is_some_and(|at| now.duration_since(at) < Self::QUIET) {
            return None;
        }
        self.told_at = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_passes_at_once_and_the_next_waits_its_turn() {
        let (pace, now) = (Pace::per_second(10, 3), Instant::now());
        let mut bucket = Bucket::default();
        for _ in 0..3 {
            assert_eq!(bucket.take(&pace, now), Ok(()));
        }
        let due = bucket.take(&pace, now).unwrap_err();
        assert_eq!(due, now + SECOND / 10);
        assert_eq!(bucket.take(&pace, due), Ok(()));
        assert!(bucket.take(&pace, due).is_err());
    }

    #[test]
    fn an_hour_of_silence_earns_one_burst_and_no_more() {
        let (pace, start) = (Pace::per_second(10, 3), Instant::now());
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take(&pace, start), Ok(()));
        let later = start + 3600 * SECOND;
        assert_eq!((0..10).filter(|_| bucket.take(&pace, later).is_ok()).count(), 3);
    }

    /// How many tokens it gives at once.
    fn at_once(
        allowance: &mut Allowance,
        pace: &Pace,
        address: &mut Bucket,
        now: Instant,
    ) -> usize {
        let mut take = || allowance.take(pace, || address.take(pace, now).is_ok(), now);
        (0..100).take_while(|_| take().is_ok()).count()
    }

    #[test]
    fn a_connection_has_one_burst_whenever_it_speaks() {
        let (pace, start) = (Pace::per_second(10, 20), Instant::now());
        for hundredths in [0, 1, 9, 10, 77, 191, 200, 211, 5000] {
            let (mut address, now) = (Bucket::default(), start + SECOND / 100 * hundredths);
            let mut allowance = Allowance::new(&pace, start);
            assert_eq!(at_once(&mut allowance, &pace, &mut address, now), 20, "{hundredths}");
            for (later, tokens) in [(499, 4), (500, 1), (1500, 10)] {
                let later = now + SECOND / 1000 * later;
                let taken = at_once(&mut allowance, &pace, &mut address, later);
                assert_eq!(taken, tokens, "{hundredths}");
            }
        }
    }

    #[test]
    fn an_address_has_one_burst_however_often_it_connects() {
        let (pace, start) = (Pace::per_second(10, 20), Instant::now());
        let (mut address, mut said) = (Bucket::default(), 0);
        for connection in 0..10_000 {
            let now = start + SECOND / 1000 * connection;
            let mut allowance = Allowance::new(&pace, now);
            said += at_once(&mut allowance, &pace, &mut address, now);
        }
        assert_eq!(said, 20 + 99);
    }

    #[test]
    fn a_newcomer_from_a_busy_address_waits_a_tenth_of_a_second() {
        let (pace, now) = (Pace::per_second(10, 20), Instant::now());
        let mut address = Bucket::default();
        let mut thirty = [Allowance::new(&pace, now); 30];
        let due = |one: &mut Allowance, address: &mut Bucket, now: Instant| {
            one.take(&pace, || address.take(&pace, now).is_ok(), now).err()
        };
        let waiting = thirty.each_mut().map(|one| due(one, &mut address, now));
        assert_eq!(waiting.iter().flatten().count(), 10);
        assert!(waiting.iter().flatten().all(|due| *due == now + SECOND / 10));
        let later = now + SECOND / 10;
        assert!(thirty[20..].iter_mut().all(|one| due(one, &mut address, later).is_none()));
    }

    #[test]
    fn no_pace_is_no_limit() {
        let (pace, now) = (Pace::per_second(0, 1), Instant::now());
        let mut bucket = Bucket::default();
        assert!((0..1000).all(|_| bucket.take(&pace, now).is_ok()));
        let mut allowance = Allowance::new(&pace, now);
        assert!((0..1000).all(|_| allowance.take(&pace, || false, now).is_ok()));
    }

    #[test]
    fn a_trouble_is_told_at_once_then_every_5_s_with_its_count() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        assert_eq!(throttle.count(start), Some(1));
        assert_eq!(throttle.count(start + SECOND), None);
        assert_eq!(throttle.count(start + 4 * SECOND), None);
        assert_eq!(throttle.count(start + 5 * SECOND), Some(3));
        assert_eq!(throttle.count(start + 6 * SECOND), None);
    }
}
