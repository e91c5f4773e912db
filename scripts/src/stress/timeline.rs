//! The results over time: how much was delivered in each interval, and how late.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::crowd::{Load, Outcome};

/// The shortest interval.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// After this many intervals of one length, the next are twice as long. So their number grows only
/// with the logarithm of the time.
const INTERVALS: usize = 300;

/// One interval.
#[derive(Clone, Debug, Serialize)]
pub struct Interval {
    /// When it ended, in seconds since the load began.
    pub end_s: f64,
    /// How long it was, in seconds.
    pub seconds: f64,
    /// How many messages reached how many clients in it.
    pub deliveries: u64,
    /// The median of the latencies in microseconds, if any was timed.
    pub latency_p50_us: Option<f64>,
    /// The 99th percentile.
    pub latency_p99_us: Option<f64>,
    /// The worst.
    pub latency_max_us: Option<f64>,
}

/// All intervals. Each ends when clients have received something, so that the last one ends with
/// the last message. While they receive nothing, the interval becomes longer.
#[derive(Debug)]
pub struct Timeline {
    /// In order, the earliest first.
    pub intervals: Vec<Interval>,
    since: Instant,
}

impl Timeline {
    /// The timeline of a load that begins now.
    pub fn new(load: &Load) -> Timeline {
        Timeline { intervals: Vec::new(), since: load.start }
    }

    /// Ends an interval if it is time; call it after each turn.
    pub fn look(&mut self, load: &mut Load) -> Outcome<()> {
        let length_min = INTERVAL_MIN * (1 << (self.intervals.len() / INTERVALS));
        let is_time = load.crowd.heard_at - self.since >= length_min;
        if is_time { self.end(load) } else { Ok(()) }
    }

    /// Ends the last interval, once nothing more comes.
    pub fn end(&mut self, load: &mut Load) -> Outcome<()> {
        let before: u64 = self.intervals.iter().map(|one| one.deliveries).sum();
        let deliveries = load.record().deliveries - before;
        let (now, latencies) = (load.crowd.heard_at, &load.crowd.latencies);
        if now == self.since {
            // Nothing has come since, but some of what came may have been checked only now.
            self.intervals.last_mut().into_iter().for_each(|last| last.deliveries += deliveries);
            return Ok(());
        }
        let is_timed = !latencies.is_empty();
        let at_us = |share| is_timed.then(|| latencies.value_at_quantile(share) as f64 / 1e3);
        self.intervals.push(Interval {
            end_s: now.duration_since(load.start).as_secs_f64(),
            seconds: now.duration_since(self.since).as_secs_f64(),
            deliveries,
            latency_p50_us: at_us(0.5),
            latency_p99_us: at_us(0.99),
            latency_max_us: at_us(1.0),
        });
        self.since = now;
        load.begin_interval()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crowd::{Crowd, Server, Until};

    #[test]
    fn what_is_checked_late_belongs_to_the_last_interval() {
        let server = Server::chinwag(([127, 0, 0, 1], 1).into(), None);
        let mut crowd = Crowd::new(server).unwrap();
        let mut load = Load::new(&mut crowd, &[], Until::Heard(1));
        let mut timeline = Timeline::new(&load);
        let mut look = |now, deliveries| {
            load.crowd.heard_at = load.start + INTERVAL_MIN * now;
            load.crowd.record.borrow_mut().deliveries = deliveries;
            timeline.look(&mut load).unwrap();
            timeline.intervals.iter().map(|one| one.deliveries).collect::<Vec<_>>()
        };
        assert_eq!(look(0, 1), [0; 0]);
        assert_eq!(look(2, 5), [5]);
        assert_eq!(look(2, 7), [5]);
        assert_eq!(look(3, 8), [5, 3]);
        assert_eq!(look(3, 9), [5, 3]);
        timeline.end(&mut load).unwrap();
        assert_eq!(timeline.intervals.iter().map(|one| one.deliveries).sum::<u64>(), 9);
        assert!(timeline.intervals.iter().all(|one| one.seconds > 0.0));
    }
}
