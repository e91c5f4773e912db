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
