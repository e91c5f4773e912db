//! The picture: the cost of a delivery, against the number of clients.

use std::error::Error;

use plotters::prelude::*;

use super::loads::Load;
use super::peer::Peer;
use super::report::thousands;
use super::results::{Metric, Results};
use crate::stress::Outcome;

/// How large the picture is, in pixels.
const SIZE: (u32, u32) = (1000, 620);

/// The size of the letters, in pixels.
const TITLE: (&str, u32) = ("sans-serif", 20);
const LABEL: (&str, u32) = ("sans-serif", 14);

/// The room around the panel, in pixels; on the right it holds the names.
const MARGIN: u32 = 12;
const NAMES_ROOM: u32 = 230;
const LABEL_ROOM: (u32, u32) = (48, 64);

/// The least distance of two names, in pixels.
const NAME_HEIGHT: i32 = 18;

/// Colours that a colour-blind reader can tell apart.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 90, 160),
    RGBColor(90, 90, 90),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// The costs of a server: number of clients, least and greatest in microseconds.
struct Line {
    peer: Peer,
    points: Vec<(f64, f64, f64)>,
}

/// Draws one message at a time as SVG, for servers that were measured with at least two sizes.
pub fn draw(results: &Results, peers: &[Peer], sizes: &[usize]) -> Outcome<String> {
    let of = |peer: &Peer| {
        let point = |size: &usize| {
            let (least, most) = results.range(Load::Single(*size), *peer, Metric::CpuNs)?;
            Some((*size as f64, least / 1e3, most / 1e3))
        };
        Line { peer: *peer, points: sizes.iter().filter_map(point).collect() }
    };
    let lines: Vec<Line> = peers.iter().map(of).filter(|line| line.points.len() > 1).collect();
    let mut svg = String::new();
    draw_on(&mut svg, &lines).map_err(|error| error.to_string())?;
    Ok(svg)
}

fn draw_on(svg: &mut String, lines: &[Line]) -> Result<(), Box<dyn Error>> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let widest = points().map(|point| point.0).fold(1.0, f64::max) * 1.02;
    let highest = points().map(|point| point.2).fold(1.0, f64::max) * 1.1;
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(owned)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("One message at a time: the server's processor time for each delivery", TITLE)
        .margin(MARGIN)
        .margin_right(NAMES_ROOM)
        .x_label_area_size(LABEL_ROOM.0)
        .y_label_area_size(LABEL_ROOM.1)
        .build_cartesian_2d(0.0..widest, 0.0..highest)
        .map_err(owned)?;
    chart
        .configure_mesh()
        .x_desc("clients that hear it")
        .y_desc("microseconds a delivery (least of the runs; bars: to the greatest)")
        .x_label_formatter(&|clients| thousands(*clients as usize))
        .label_style(LABEL)
        .axis_desc_style(LABEL)
        .light_line_style(BLACK.mix(0.04))
        .bold_line_style(BLACK.mix(0.15))
        .draw()
        .map_err(owned)?;
    let mut names = Vec::new();
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let style = colour.filled().stroke_width(if line.peer == Peer::Chinwag { 4 } else { 2 });
        let least = line.points.iter().map(|(clients, least, _)| (*clients, *least));
        chart.draw_series(LineSeries::new(least, style).point_size(4)).map_err(owned)?;
        let bars = line.points.iter().map(|(clients, least, most)| {
            PathElement::new([(*clients, *least), (*clients, *most)], colour.stroke_width(1))
        });
        chart.draw_series(bars).map_err(owned)?;
        if let Some((clients, least, _)) = line.points.last() {
            names.push((chart.backend_coord(&(*clients, *least)), line.peer.name(), *colour));
        }
    }
    // Each name stands at the end of its line, or as near to it as the others allow.
    names.sort_by_key(|((_, y), ..)| *y);
    let mut free_from = 0;
    for ((_, y), name, colour) in names {
        let y = y.max(free_from);
        free_from = y + NAME_HEIGHT;
        let x = (SIZE.0 - NAMES_ROOM) as i32 + 8;
        let text = Text::new(name.replace('`', ""), (x, y - 7), LABEL.into_font().color(&colour));
        root.draw(&text).map_err(owned)?;
    }
    root.present().map_err(owned)
}

/// An error of the drawing library has the lifetime of what it draws on.
fn owned(error: impl Error) -> Box<dyn Error> {
    error.to_string().into()
}
