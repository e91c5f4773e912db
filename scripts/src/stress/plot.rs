//! The picture: latency and throughput over time.

use std::error::Error;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::timeline::Interval;
use crate::crowd::Outcome;

/// How large the picture is, in pixels.
const SIZE: (u32, u32) = (1000, 800);

/// The size of the letters, in pixels.
const TITLE: (&str, u32) = ("sans-serif", 20);
const PANEL_TITLE: (&str, u32) = ("sans-serif", 17);
const LABEL: (&str, u32) = ("sans-serif", 14);

/// Around everything, in pixels.
const MARGIN: u32 = 12;

/// The room for the labels of the axes, in pixels.
const LABEL_ROOM: (u32, u32) = (44, 72);

/// At most this many points are marked one by one, so that a single one can be seen too.
const MARKED_MAX: usize = 60;

/// Where the legends of the median, the p99 and the worst begin, in pixels from the right.
const LEGEND_COLUMNS: [i32; 3] = [305, 180, 110];

/// Colours that a colour-blind reader can tell apart, also by their brightness.
const WORST: RGBColor = RGBColor(204, 121, 167);
const P99: RGBColor = RGBColor(213, 94, 0);
const MEDIAN: RGBColor = RGBColor(0, 90, 160);

type Panel<'a, 'b> = &'a DrawingArea<SVGBackend<'b>, Shift>;
type Failed = Box<dyn Error>;

/// Draws what happened over time, as SVG.
pub fn draw(title: &str, intervals: &[Interval]) -> Outcome<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE).map_err(owned)?;
        let below = root.titled(title, TITLE).map_err(owned)?;
        let (upper, lower) = below.split_vertically(below.dim_in_pixel().1 / 2);
        let end_s = intervals.last().map_or(1.0, |last| last.end_s);
        draw_latency(&upper, intervals, end_s)?;
        draw_throughput(&lower, intervals, end_s)?;
        root.present().map_err(owned)?;
    }
    Ok(svg)
}

fn draw_latency(panel: Panel, intervals: &[Interval], end_s: f64) -> Result<(), Failed> {
    let timed: Vec<(f64, [f64; 3])> = intervals
        .iter()
        .filter_map(|one| Some((one.end_s - one.seconds / 2.0, one.latency_ms?)))
        .collect();
    let (low, high) = decades(timed.iter().flat_map(|(_, ms)| ms.iter().copied()));
    let mut chart = ChartBuilder::on(panel)
        .caption("Latency, from saying to each hearing", PANEL_TITLE)
        .margin(MARGIN)
        .x_label_area_size(LABEL_ROOM.0)
        .y_label_area_size(LABEL_ROOM.1)
        .build_cartesian_2d(0.0..end_s, (low..high).log_scale())
        .map_err(owned)?;
    chart
        .configure_mesh()
        .x_desc("time (s)")
        .y_desc("latency (ms, log scale)")
        .label_style(LABEL)
        .axis_desc_style(LABEL)
        .y_label_formatter(&|ms| ms.to_string())
        .light_line_style(BLACK.mix(0.04))
        .bold_line_style(BLACK.mix(0.15))
        .draw()
        .map_err(owned)?;
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
fn draw_legend(panel: Panel, at: usize, name: &str, style: ShapeStyle) -> Result<(), Failed> {
    const LINE: i32 = 22;
    let (right, y) = (panel.dim_in_pixel().0 as i32, MARGIN as i32 + 12);
    let x = right - LEGEND_COLUMNS[at];
    panel.draw(&PathElement::new([(x, y), (x + LINE, y)], style)).map_err(owned)?;
    let text = Text::new(name.to_owned(), (x + LINE + 6, y - 6), LABEL.into_font());
    panel.draw(&text).map_err(owned)
}

fn draw_throughput(panel: Panel, intervals: &[Interval], end_s: f64) -> Result<(), Failed> {
    let rate = |one: &Interval| one.deliveries as f64 / one.seconds;
    let most = intervals.iter().map(rate).fold(1.0, f64::max);
    let (unit, factor) = match most {
        1e6.. => ("million deliveries/s", 1e6),
        1e3.. => ("thousand deliveries/s", 1e3),
        _ => ("deliveries/s", 1.0),
    };
    let mut chart = ChartBuilder::on(panel)
        .caption("Throughput, every delivery checked", PANEL_TITLE)
        .margin(MARGIN)
        .x_label_area_size(LABEL_ROOM.0)
        .y_label_area_size(LABEL_ROOM.1)
        .build_cartesian_2d(0.0..end_s, 0.0..most / factor * 1.1)
        .map_err(owned)?;
    chart
        .configure_mesh()
        .x_desc("time (s)")
        .y_desc(unit)
        .label_style(LABEL)
        .axis_desc_style(LABEL)
        .light_line_style(BLACK.mix(0.04))
        .bold_line_style(BLACK.mix(0.15))
        .draw()
        .map_err(owned)?;
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

/// An error of the drawing library has the lifetime of what it draws on.
fn owned(error: impl Error) -> Failed {
    error.to_string().into()
}
