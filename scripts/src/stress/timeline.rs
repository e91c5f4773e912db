//! The results over time: how much was delivered in each interval, and how late.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::crowd::Outcome;
use crate::crowd::load::{Load, Until};

/// The shortest interval.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// After this many intervals of one length, the next are twice as long. So their number grows only
/// with the logarithm of the time.
const INTERVALS: u32 = 300;

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

/// All intervals.
#[derive(Debug)]
pub struct Timeline {
    /// In order, the earliest first.
    pub intervals: Vec<Interval>,
    length: Duration,
    since: Instant,
    deliveries: u64,
}

impl Timeline {
    /// The timeline of a load that begins now.
    pub fn new(load: &Load, until: Until) -> Timeline {
        let length = match until {
            Until::Time(time) => (time / INTERVALS).max(INTERVAL_MIN),
            Until::Heard(_) => INTERVAL_MIN,
        };
        Timeline { intervals: Vec::new(), length, since: load.start(), deliveries: 0 }
    }

    /// Ends an interval if it is time; call it after each turn.
    pub fn look(&mut self, load: &mut Load) -> Outcome<()> {
        let now = Instant::now();
        if now.duration_since(self.since) < self.length {
            return Ok(());
        }
        self.add(load, now)?;
        if self.intervals.len().is_multiple_of(INTERVALS as usize) {
            self.length *= 2;
        }
        Ok(())
    }

    /// Ends the last interval once all has settled: at the last message.
    pub fn end(&mut self, load: &mut Load) -> Outcome<()> {
        let heard_at = load.heard_at();
        if heard_at > self.since {
            return self.add(load, heard_at);
        }
        // After the last message it was quiet, until it was certain that nothing more comes.
        let heard_s = heard_at.duration_since(load.start()).as_secs_f64();
        while let Some(last) = self.intervals.pop_if(|one| one.end_s > heard_s) {
            if last.deliveries > 0 {
                let seconds = last.seconds - (last.end_s - heard_s);
                self.intervals.push(Interval { end_s: heard_s, seconds, ..last });
            }
        }
        Ok(())
    }

    fn add(&mut self, load: &mut Load, now: Instant) -> Outcome<()> {
        let latencies = load.interval();
        let at_us = |quantile| {
            (!latencies.is_empty()).then(|| latencies.value_at_quantile(quantile) as f64 / 1e3)
        };
        let deliveries = load.record().deliveries;
        self.intervals.push(Interval {
            end_s: now.duration_since(load.start()).as_secs_f64(),
            seconds: now.duration_since(self.since).as_secs_f64(),
            deliveries: deliveries - self.deliveries,
            latency_p50_us: at_us(0.5),
            latency_p99_us: at_us(0.99),
            latency_max_us: at_us(1.0),
        });
        (self.since, self.deliveries) = (now, deliveries);
        load.begin_interval()
    }
}
