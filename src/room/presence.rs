//! Join and leave notices: single ones while they are few, summaries while they are many.

use std::time::{Duration, Instant};

use crate::pace::{Bucket, Pace};
use crate::words::notice::Notice;

/// Decides which notice each join and leave gets.
#[derive(Debug)]
pub struct Presence {
    /// The rate limit of single notices; `None` allows none.
    pace: Option<Pace>,
    /// How long joins and leaves are collected for a summary. A second keeps a storm of thousands
    /// down to one line a second, and is soon enough to greet a client.
    collected: Duration,
    bucket: Bucket,
    joined: u64,
    left: u64,
    summary_due: Option<Instant>,
}

impl Presence {
    /// Limits single notices to this rate, and collects the others for this long.
    pub fn new(pace: Option<Pace>, collected: Duration) -> Presence {
        let bucket = Bucket::default();
        Presence { pace, collected, bucket, joined: 0, left: 0, summary_due: None }
    }

    /// A client joined. Returns whether it gets a notice of its own; never if not `may`.
    pub fn joined(&mut self, may: bool, now: Instant) -> bool {
        let told = self.is_told(may, now);
        self.joined += u64::from(!told);
        told
    }

    /// A client left. Returns whether it gets a notice of its own; never if not `may`.
    pub fn left(&mut self, may: bool, now: Instant) -> bool {
        let told = self.is_told(may, now);
        self.left += u64::from(!told);
        told
    }

    /// When the summary is sent, if there is one.
    pub fn summary_due(&self) -> Option<Instant> {
        self.summary_due
    }

    /// The summary, if it is time; the next one begins.
    pub fn take_summary(&mut self, here: usize, now: Instant) -> Option<Notice<'static>> {
        self.summary_due.filter(|due| *due <= now)?;
        self.take_untold(here)
    }

    /// The summary of everything without a notice so far, now, if there is any.
    pub fn take_untold(&mut self, here: usize) -> Option<Notice<'static>> {
        self.summary_due.take()?;
        let (joined, left) = (std::mem::take(&mut self.joined), std::mem::take(&mut self.left));
        Some(Notice::summary(joined, left, here))
    }

    fn is_told(&mut self, may: bool, now: Instant) -> bool {
        // While a summary is collected, every client is in it, so notices keep the order in which
        // clients joined. Each takes its token all the same: else a storm that outlasts the summary
        // would get single notices again behind it, and each is a write to every client.
        let paid = may && self.is_paid(now);
        let told = paid && self.summary_due.is_none();
        if !told {
            self.summary_due.get_or_insert(now + self.collected);
        }
        told
    }

    fn is_paid(&mut self, now: Instant) -> bool {
        self.pace.is_some_and(|pace| self.bucket.take(&pace, now).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_told_in_one_line_that_adds_up() {
        let (pace, second, now) =
            (Pace::per_second(10, 10), Duration::from_secs(1), Instant::now());
        let mut presence = Presence::new(Some(pace), second);
        let told = (0..500).filter(|_| presence.joined(true, now)).count();
        let left = (0..20).filter(|_| presence.left(true, now)).count();
        assert_eq!((told, left), (10, 0));
        assert!(presence.take_summary(480, now).is_none());
        let due = presence.summary_due().unwrap();
        assert_eq!(due, now + second);
        let summary = presence.take_summary(480, due).unwrap().to_string();
        assert_eq!(summary, "490 joined, 20 left (480 here)");
        assert_eq!(presence.summary_due(), None);
        assert!(!presence.joined(false, due));
        presence.take_untold(1);
        assert!(presence.joined(true, due));
    }

    #[test]
    fn without_a_pace_all_is_summed_up() {
        let (second, now) = (Duration::from_secs(1), Instant::now());
        let mut presence = Presence::new(None, second);
        let told = [presence.joined(true, now), presence.left(true, now)];
        assert_eq!(told, [false; 2]);
        let summary = presence.take_summary(0, now + second).unwrap().to_string();
        assert_eq!(summary, "1 joined, 1 left (0 here)");
        assert!(!presence.joined(true, now + 2 * second));
    }

    #[test]
    fn a_storm_longer_than_its_summary_is_not_told_one_by_one() {
        let (pace, second, start) =
            (Pace::per_second(10, 10), Duration::from_secs(1), Instant::now());
        let mut presence = Presence::new(Some(pace), second);
        let mut told = [0; 3];
        for millisecond in 0..3000 {
            let now = start + Duration::from_millis(millisecond);
            presence.take_summary(1, now);
            told[millisecond as usize / 1000] += u32::from(presence.joined(true, now));
        }
        assert_eq!(told, [10, 0, 0]);
    }
}
