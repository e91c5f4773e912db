//! The picture: latency and throughput over time.

use super::timeline::Interval;
use crate::crowd::Outcome;
use crate::crowd::picture::{Line, Panel, Picture, number};

/// Draws what happened over time, as SVG.
pub fn draw(title: &str, intervals: &[Interval]) -> Outcome<String> {
    // In the middle of an interval: only the values of the whole are known.
    let line = |name: &str, colour, width, value: fn(&Interval) -> Option<f64>| {
        let point = |one: &Interval| {
            let value = value(one)? / 1e3;
            Some((one.end_s - one.seconds / 2.0, value, value))
        };
        let points = intervals.iter().filter_map(point).collect();
        Line { name: name.to_owned(), colour, width, points }
    };
    let latency = Panel {
        title: "Latency, from sending to each receiving, in ms (log scale)".to_owned(),
        is_log: true,
        lines: vec![
            // It is wider, so that it is visible where it equals the p99.
            line("maximum", 4, 5, |one| one.latency_max_us),
            line("p99", 2, 2, |one| one.latency_p99_us),
            line("median", 0, 2, |one| one.latency_p50_us),
        ],
    };
    let throughput = Panel {
        title: "Throughput, in thousand deliveries/s, each checked".to_owned(),
        is_log: false,
        lines: vec![line("", 0, 2, |one| Some(one.deliveries as f64 / one.seconds))],
    };
    let panels = vec![latency, throughput];
    Picture { title, below: "time (s)", labels: 11, label: number, panels }.draw()
}
