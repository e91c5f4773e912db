//! The pictures: the cost of a delivery by the number of clients, and in floods of each shape.

use super::load::{Kind, Load, Metric, SHAPE_BYTES, SHAPE_WINDOWS, SIZES};
use super::peer::Peer;
use super::report::thousands;
use super::results::Results;
use crate::crowd::Outcome;
use crate::crowd::picture::{Line, Panel, Picture};

/// The lines of all servers that have two points or more. `loads` are the place and load of each.
fn lines(results: &Results, peers: &[Peer], scale: f64, loads: &[(f64, Load)]) -> Vec<Line> {
    let line = |(colour, peer): (usize, &Peer)| {
        let point = |(place, load): &(f64, Load)| {
            let (least, most) = results.range(*load, *peer, Metric::CpuNs)?;
            Some((*place, least / scale, most / scale))
        };
        let width = if *peer == Peer::Chinwag { 4 } else { 2 };
        let points = loads.iter().filter_map(point).collect();
        Line { name: peer.name().replace('`', ""), colour, width, points }
    };
    // The first is ours: it must not be below others.
    let lines = peers.iter().enumerate().rev().map(line);
    lines.filter(|line| line.points.len() > 1).collect()
}

/// Draws one message at a time as SVG, for servers that were measured with at least two sizes.
pub fn draw_cost(results: &Results, peers: &[Peer]) -> Outcome<String> {
    let loads = SIZES.map(|size| (size as f64, Kind::Single.to(size)));
    Picture {
        title: "One message at a time: the server's processor time for each delivery",
        below: "clients that hear it",
        labels: 11,
        label: |clients| thousands(*clients as usize),
        panels: vec![Panel {
            title: "in microseconds: the least of the runs, and bars to the greatest".to_owned(),
            is_log: false,
            lines: lines(results, peers, 1e3, &loads),
        }],
    }
    .draw()
}

/// Draws floods as SVG: a panel for each size of a message.
pub fn draw_shapes(results: &Results, peers: &[Peer]) -> Outcome<String> {
    let panel = |bytes| {
        let loads = (0..).map(f64::from).zip(Load::shapes(bytes)).collect::<Vec<_>>();
        Panel {
            title: format!("{} bytes a message, in nanoseconds (log scale)", thousands(bytes)),
            is_log: true,
            lines: lines(results, peers, 1.0, &loads),
        }
    };
    Picture {
        title: "A flood to 1 000 clients: the server's processor time for each delivery",
        below: "messages in flight",
        labels: SHAPE_WINDOWS.len(),
        label: |at| match SHAPE_WINDOWS.get(at.round() as usize) {
            Some(Some(window)) => thousands(*window as usize),
            _ => "unlimited".to_owned(),
        },
        panels: SHAPE_BYTES.map(panel).into(),
    }
    .draw()
}
