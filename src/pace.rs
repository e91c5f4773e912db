//! How often a thing may happen.
//!
//! [`Pace`] is the rule, [`Bucket`] one subject's place under it, [`Throttle`] the rule for telling
//! the operator of the same trouble again. All three are values: the present moment is handed in.
//! This room never reads a clock.

use std::time::{Duration, Instant};

/// The rule of a token bucket: so many at once, then one every so often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The time in which one token comes back; zero means that there is no limit.
    pub every: Duration,
    /// How many tokens a full bucket holds, at least 1.
    pub burst: u32,
}

impl Pace {
    /// A pace of `per_second` in the long run and `burst` at once; 0 a second means no limit.
    pub fn per_second(per_second: u32, burst: u32) -> Pace {
        let every = match per_second {
            0 => Duration::ZERO,
            _ => Duration::from_secs(1) / per_second,
        };
        Pace { every, burst: burst.max(1) }
    }
}

/// A token bucket, kept as the one instant at which it will be full again.
///
/// This is the "virtual scheduling" form of the generic cell rate algorithm (ITU-T I.371): it needs
/// no refill and no counter, and an unused bucket is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at: Option<Instant>,
}

impl Bucket {
    /// Takes one token, or says when there will be one.
    ///
    /// Nothing is taken on `Err`; ask again at the instant it carries.
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

/// Tells of a repeated trouble at most once in [`Throttle::QUIET`], with a count.
#[derive(Clone, Copy, Debug, Default)]
pub struct Throttle {
    told_at: Option<Instant>,
    untold: u64,
}

impl Throttle {
    /// How long a trouble that has just been told is not told again. Five seconds: a person who
    /// watches sees that it goes on, and a log left alone for a night stays readable.
    pub const QUIET: Duration = Duration::from_secs(5);

    /// Counts one more occurrence; `Some(n)` if it is time to tell, n being all that happened
    /// since it was last told.
    pub fn count(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        let quiet = self.told_at.is_some_and(|at| now.duration_since(at) < Self::QUIET);
        if quiet {
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

    #[test]
    fn no_pace_is_no_limit() {
        let (pace, now) = (Pace::per_second(0, 1), Instant::now());
        let mut bucket = Bucket::default();
        assert!((0..1000).all(|_| bucket.take(&pace, now).is_ok()));
    }

    #[test]
    fn a_trouble_is_told_at_once_and_then_every_five_seconds_with_its_count() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        assert_eq!(throttle.count(start), Some(1));
        assert_eq!(throttle.count(start + SECOND), None);
        assert_eq!(throttle.count(start + 4 * SECOND), None);
        assert_eq!(throttle.count(start + 5 * SECOND), Some(3));
        assert_eq!(throttle.count(start + 6 * SECOND), None);
    }
}
