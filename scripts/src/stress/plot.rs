//! The picture: latency and throughput over time.

use plotters::prelude::*;

use super::timeline::Interval;
use crate::crowd::Outcome;
use crate::crowd::picture::{self, LABEL, MARGIN, Panel, TITLE, draw_mesh, number, owned};

/// How large the picture is, in pixels.
const SIZE: (u32, u32) = (1000, 800);

/// How many labels an axis has.
const LABELS: usize = 11;

/// At most this many points are marked one by one, so that a single one can be seen too.
const MARKED_MAX: usize = 60;

/// Where the legends of the median, the p99 and the worst begin, in pixels from the right.
const LEGEND_COLUMNS: [i32; 3] = [305, 180, 110];

/// Colours that a colour-blind reader can tell apart, also by their brightness.
const WORST: RGBColor = RGBColor(204, 121, 167);
const P99: RGBColor = RGBColor(213, 94, 0);
const MEDIAN: RGBColor = RGBColor(0, 90, 160);

/// Draws what happened over time, as SVG.
pub fn draw(title: &str, intervals: &[Interval]) -> Outcome<String> {
    picture::draw(SIZE, |root| {
        let below = root.titled(title, TITLE).map_err(owned)?;
        let (upper, lower) = below.split_vertically(below.dim_in_pixel().1 / 2);
        let end_s = intervals.last().map_or(1.0, |last| last.end_s);
        draw_latency(&upper, intervals, end_s)?;
        draw_throughput(&lower, intervals, end_s)
    })
}

fn draw_latency(panel: &Panel, intervals: &[Interval], end_s: f64) -> Outcome<()> {
    let timed: Vec<(f64, [f64; 3])> = intervals
        .iter()
        .filter_map(|one| Some((one.end_s - one.seconds / 2.0, one.latency_ms?)))
        .collect();
    let (low, high) = decades(timed.iter().flat_map(|(_, ms)| ms.iter().copied()));
    let title = "Latency, from saying to each hearing";
    let mut builder = picture::panel(panel, title, MARGIN);
    let latencies = (low..high).log_scale();
    let mut chart = builder.build_cartesian_2d(0.0..end_s, latencies).map_err(owned)?;
    draw_mesh(&mut chart, ["time (s)", "latency (ms, log scale)"], LABELS, &number)?;
    // The line of the worst is wider and below the others, so that it is visible where it equals
    // the p99.
    for (at, name, colour, width) in
        [(2, "maximum", WORST, 5_u32), (1, "p99", P99, 2), (0, "median (p50)", MEDIAN, 2)]
    {
        let points: Vec<(f64, f64)> = timed.iter().map(|(time, ms)| (*time, ms[at])).collect();
        let radius = if points.len() <= MARKED_MAX { width / 2 + 2 } else { 0 };
        let style = colour.filled().stroke_width(width);
        chart.draw_series(LineSeries::new(points, style).point_size(radius)).map_err(owned)?;
        draw_legend(panel, at, name, colour.stroke_width(width))?;
    }
    Ok(())
}

/// Draws the legend above the panel, where no point can be below it.
fn draw_legend(panel: &Panel, at: usize, name: &str, style: ShapeStyle) -> Outcome<()> {
    const LINE: i32 = 22;
    let (right, y) = (panel.dim_in_pixel().0 as i32, MARGIN as i32 + 12);
    let x = right - LEGEND_COLUMNS[at];
    panel.draw(&PathElement::new([(x, y), (x + LINE, y)], style)).map_err(owned)?;
    let text = Text::new(name.to_owned(), (x + LINE + 6, y - 6), LABEL.into_font());
    panel.draw(&text).map_err(owned)
}

fn draw_throughput(panel: &Panel, intervals: &[Interval], end_s: f64) -> Outcome<()> {
    let rate = |one: &Interval| one.deliveries as f64 / one.seconds;
    let most = intervals.iter().map(rate).fold(1.0, f64::max);
    let (unit, factor) = match most {
        1e6.. => ("million deliveries/s", 1e6),
        1e3.. => ("thousand deliveries/s", 1e3),
        _ => ("deliveries/s", 1.0),
    };
    let title = "Throughput, every delivery checked";
    let mut builder = picture::panel(panel, title, MARGIN);
    let rates = 0.0..most / factor * 1.1;
    let mut chart = builder.build_cartesian_2d(0.0..end_s, rates).map_err(owned)?;
    draw_mesh(&mut chart, ["time (s)", unit], LABELS, &number)?;
    // Steps: within an interval only the mean is known.
    let step = |one: &Interval| {
        let height = rate(one) / factor;
        [(one.end_s - one.seconds, height), (one.end_s, height)]
    };
    let steps = intervals.iter().flat_map(step);
    let area = AreaSeries::new(steps, 0.0, MEDIAN.mix(0.15)).border_style(MEDIAN.stroke_width(2));
    chart.draw_series(area).map_err(owned)?;
    Ok(())
}

/// The powers of ten around these values.
fn decades(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let positive = values.filter(|value| *value > 0.0);
    let least = positive.clone().fold(f64::INFINITY, f64::min);
    let most = positive.fold(0.0, f64::max);
    if most == 0.0 {
        return (0.1, 10.0);
    }
    let low = 10_f64.powf(least.log10().floor());
    (low, 10_f64.powf(most.log10().ceil()).max(low * 10.0))
}
