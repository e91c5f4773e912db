//! The pictures: the cost of a delivery by the number of clients, and in floods of each shape.

use std::collections::BTreeMap;
use std::ops::Range;

use plotters::prelude::*;

use super::load::{Load, Metric, SHAPE_BYTES, SHAPE_WINDOWS, Shape};
use super::peer::Peer;
use super::report::thousands;
use super::results::Results;
use crate::crowd::Outcome;
use crate::crowd::picture::{Axis, Chart, LABEL, Panel, TITLE, draw, draw_mesh, owned, panel};

/// How large a picture is, in pixels.
const COST_SIZE: (u32, u32) = (1000, 620);
const SHAPES_SIZE: (u32, u32) = (1400, 900);

/// On the right of a panel stand the names, in so many pixels.
const NAMES_ROOM: u32 = 230;

/// The least distance of two names, in pixels.
const NAME_HEIGHT: i32 = 18;

/// Colours that a colour-blind reader can tell apart, as far as there are so many.
const COLOURS: [RGBColor; 13] = [
    RGBColor(0, 90, 160),
    RGBColor(90, 90, 90),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(136, 34, 85),
    RGBColor(153, 153, 51),
    RGBColor(51, 34, 136),
    RGBColor(68, 170, 153),
    RGBColor(140, 86, 75),
    RGBColor(0, 0, 0),
];

/// The costs of a server: place on the axis, least and greatest.
struct Line {
    peer: Peer,
    colour: RGBColor,
    points: Vec<(f64, f64, f64)>,
}

/// The lines of all servers that have two points or more. `load` is the load at each place.
fn lines(
    results: &Results,
    peers: &[Peer],
    scale: f64,
    loads: impl Iterator<Item = (f64, Load)> + Clone,
) -> Vec<Line> {
    let line = |(at, peer): (usize, &Peer)| {
        let point = |(place, load)| {
            let (least, most) = results.range(load, *peer, Metric::CpuNs)?;
            Some((place, least / scale, most / scale))
        };
        let points = loads.clone().filter_map(point).collect();
        Line { peer: *peer, colour: COLOURS[at % COLOURS.len()], points }
    };
    let lines = peers.iter().enumerate().map(line);
    lines.filter(|line| line.points.len() > 1).collect()
}

/// Draws one message at a time as SVG, for servers that were measured with at least two sizes.
pub fn draw_cost(results: &Results, peers: &[Peer], sizes: &[usize]) -> Outcome<String> {
    let loads = sizes.iter().map(|size| (*size as f64, Load::Single(*size)));
    let lines = lines(results, peers, 1e3, loads);
    let points = || lines.iter().flat_map(|line| &line.points);
    let widest = points().map(|point| point.0).fold(1.0, f64::max) * 1.02;
    let highest = points().map(|point| point.2).fold(1.0, f64::max) * 1.1;
    draw(COST_SIZE, |root| {
        let title = "One message at a time: the server's processor time for each delivery";
        let mut chart = panel(root, title, NAMES_ROOM)
            .build_cartesian_2d(0.0..widest, 0.0..highest)
            .map_err(owned)?;
        let y = "microseconds a delivery (least of the runs; bars: to the greatest)";
        draw_mesh(&mut chart, ["clients that hear it", y], 11, &|clients| {
            thousands(*clients as usize)
        })?;
        draw_lines(&mut chart, &lines)?;
        draw_names(root, &chart, &lines, COST_SIZE.0)
    })
}

/// Draws floods as SVG: a panel for each size of a message.
pub fn draw_shapes(results: &Results, peers: &[Peer]) -> Outcome<String> {
    let of = |bytes| {
        let windows = SHAPE_WINDOWS.into_iter().enumerate();
        let load = move |(at, window)| (at as f64, Load::Shape(Shape { bytes, window }));
        lines(results, peers, 1.0, windows.map(load))
    };
    let panels: BTreeMap<usize, Vec<Line>> =
        SHAPE_BYTES.into_iter().map(|it| (it, of(it))).collect();
    let costs = panels.values().flatten().flat_map(|line| &line.points);
    let least = costs.clone().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let most = costs.map(|point| point.2).fold(1.0, f64::max);
    let costs = least.min(most) * 0.8..most * 1.2;
    draw(SHAPES_SIZE, |root| {
        let title = "A flood to 1 000 clients: the server's processor time for each delivery";
        let areas = root.titled(title, TITLE).map_err(owned)?.split_evenly((2, 2));
        for (area, (bytes, lines)) in areas.iter().zip(&panels) {
            draw_shape(area, *bytes, lines, costs.clone())?;
        }
        Ok(())
    })
}

fn draw_shape(area: &Panel, bytes: usize, lines: &[Line], costs: Range<f64>) -> Outcome<()> {
    let title = format!("messages of {} bytes", thousands(bytes));
    let windows = 0.0..(SHAPE_WINDOWS.len() - 1) as f64;
    let panel = &mut panel(area, &title, NAMES_ROOM);
    let mut chart = panel.build_cartesian_2d(windows, costs.log_scale()).map_err(owned)?;
    let window = |at: &f64| match SHAPE_WINDOWS.get(at.round() as usize) {
        Some(Some(window)) => thousands(*window as usize),
        _ => "unlimited".to_owned(),
    };
    let axes = ["messages in flight", "nanoseconds a delivery (log scale)"];
    draw_mesh(&mut chart, axes, SHAPE_WINDOWS.len(), &window)?;
    draw_lines(&mut chart, lines)?;
    draw_names(area, &chart, lines, area.dim_in_pixel().0)
}

fn draw_lines<Y: Axis + 'static>(chart: &mut Chart<Y>, lines: &[Line]) -> Outcome<()> {
    // The first is ours: it must not be below others.
    for Line { peer, colour, points } in lines.iter().rev() {
        let style = colour.filled().stroke_width(if *peer == Peer::Chinwag { 4 } else { 2 });
        let least = points.iter().map(|(place, least, _)| (*place, *least));
        chart.draw_series(LineSeries::new(least, style).point_size(4)).map_err(owned)?;
        let bars = points.iter().map(|(place, least, most)| {
            PathElement::new([(*place, *least), (*place, *most)], colour.stroke_width(1))
        });
        chart.draw_series(bars).map_err(owned)?;
    }
    Ok(())
}

/// Each name stands at the end of its line, or as near to it as the others allow.
fn draw_names<Y: Axis>(area: &Panel, chart: &Chart<Y>, lines: &[Line], width: u32) -> Outcome<()> {
    let origin = area.get_base_pixel();
    let end = |line: &Line| {
        let (place, least, _) = *line.points.last()?;
        Some((chart.backend_coord(&(place, least)).1 - origin.1, line.peer.name(), line.colour))
    };
    let mut names: Vec<_> = lines.iter().filter_map(end).collect();
    names.sort_by_key(|(y, ..)| *y);
    let mut free_from = 0;
    for (y, ..) in &mut names {
        *y = free_from.max(*y);
        free_from = *y + NAME_HEIGHT;
    }
    // Below the axis stands something else.
    let mut free_to = chart.plotting_area().get_pixel_range().1.end - origin.1;
    for (y, ..) in names.iter_mut().rev() {
        *y = free_to.min(*y);
        free_to = *y - NAME_HEIGHT;
    }
    for (y, name, colour) in names {
        let x = (width - NAMES_ROOM) as i32 + 8;
        let text = Text::new(name.replace('`', ""), (x, y - 7), LABEL.into_font().color(&colour));
        area.draw(&text).map_err(owned)?;
    }
    Ok(())
}
