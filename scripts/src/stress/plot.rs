//! The picture: latency and throughput over time.

use super::timeline::Interval;
use crate::crowd::Outcome;
use crate::crowd::picture::{Line, Panel, Picture, number};

/// Draws what happened over time, as SVG.
pub fn draw(title: &str, intervals: &[Interval]) -> Outcome<String> {
    // In the middle of an interval: only the values of the whole are known.
    let line = |name: &str, colour, width, value: &dyn Fn(&Interval) -> Option<f64>| {
        let point =
            |one: &Interval| value(one).map(|value| (one.end_s - one.seconds / 2.0, value, value));
        let points = intervals.iter().filter_map(point).collect();
        Line { name: name.to_owned(), colour, width, points }
    };
    let rate = |one: &Interval| one.deliveries as f64 / one.seconds;
    let (unit, factor) = match intervals.iter().map(rate).fold(1.0, f64::max) {
        1e6.. => ("million deliveries/s", 1e6),
        1e3.. => ("thousand deliveries/s", 1e3),
        _ => ("deliveries/s", 1.0),
    };
    Picture {
        title,
        columns: 1,
        below: "time (s)",
        labels: 11,
        label: number,
        panels: vec![
            Panel {
                title: "Latency, from saying to each hearing".to_owned(),
                left: "latency (ms, log scale)",
                is_log: true,
                lines: vec![
                    // It is wider, so that it is visible where it equals the p99.
                    line("maximum", 4, 5, &|one| Some(one.latency_max_us? / 1e3)),
                    line("p99", 2, 2, &|one| Some(one.latency_p99_us? / 1e3)),
                    line("median", 0, 2, &|one| Some(one.latency_p50_us? / 1e3)),
                ],
            },
            Panel {
                title: "Throughput, every delivery checked".to_owned(),
                left: unit,
                is_log: false,
                lines: vec![line("", 0, 2, &|one| Some(rate(one) / factor))],
            },
        ],
    }
    .draw()
}
