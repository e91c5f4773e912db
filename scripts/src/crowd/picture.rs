//! What all pictures have in common: SVG, letters, and the lines behind a panel.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::Outcome;

/// The size of the letters of a title and of a label, in pixels.
pub const TITLE: (&str, u32) = ("sans-serif", 20);
/// See [`TITLE`].
pub const LABEL: (&str, u32) = ("sans-serif", 14);

/// Around each panel, in pixels.
pub const MARGIN: u32 = 12;

/// The room for the labels of the axes, in pixels.
const LABEL_ROOM: (u32, u32) = (48, 72);

/// A part of the picture.
pub type Panel<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// What is drawn in it, along a usual axis and another.
pub type Chart<'a, 'b, Y> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, Y>>;

/// An axis of numbers.
pub trait Axis: Ranged<ValueType = f64> + ValueFormatter<f64> {}

impl<Y: Ranged<ValueType = f64> + ValueFormatter<f64>> Axis for Y {}

/// Draws a picture of this size, in pixels, as SVG.
pub fn draw(size: (u32, u32), on: impl FnOnce(&Panel) -> Outcome<()>) -> Outcome<String> {
    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    let drawn = root.fill(&WHITE).map_err(owned).and_then(|()| on(&root));
    drawn.and_then(|()| root.present().map_err(owned))?;
    drop(root);
    Ok(svg)
}

/// A panel with a title, and with this much room on its right.
pub fn panel<'a, 'b>(
    area: &'a Panel<'b>,
    title: &str,
    right: u32,
) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut builder = ChartBuilder::on(area);
    builder.caption(title, TITLE).margin(MARGIN).margin_right(right);
    builder.x_label_area_size(LABEL_ROOM.0).y_label_area_size(LABEL_ROOM.1);
    builder
}

/// Draws the axes of a panel, with what they are, and with so many labels on the lower one.
pub fn draw_mesh<Y: Axis>(
    chart: &mut Chart<Y>,
    [x, y]: [&str; 2],
    x_labels: usize,
    x_label: &dyn Fn(&f64) -> String,
) -> Outcome<()> {
    let mut mesh = chart.configure_mesh();
    mesh.x_desc(x).y_desc(y).x_labels(x_labels).x_label_formatter(&x_label);
    mesh.y_label_formatter(&number).label_style(LABEL).axis_desc_style(LABEL);
    mesh.light_line_style(BLACK.mix(0.04)).bold_line_style(BLACK.mix(0.15));
    mesh.draw().map_err(owned)
}

/// A number without the rest that a sum of fractions leaves.
pub fn number(value: &f64) -> String {
    const DIGITS: f64 = 1e6;
    ((value * DIGITS).round() / DIGITS).to_string()
}

/// An error of the drawing library has the lifetime of what it draws on.
pub fn owned(error: impl std::error::Error) -> Box<dyn std::error::Error> {
    error.to_string().into()
}
