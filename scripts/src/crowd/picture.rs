//! Pictures of lines, each with its name: SVG.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use super::Outcome;

/// The size of the letters of a title and of a label, in pixels.
const TITLE: (&str, u32) = ("sans-serif", 20);
const LABEL: (&str, u32) = ("sans-serif", 14);

/// How large a panel is, in pixels.
const PANEL: (u32, u32) = (900, 500);

/// Around each panel, in pixels.
const MARGIN: u32 = 12;

/// The room for the labels of an axis, in pixels.
const LABEL_ROOM: u32 = 48;

/// On the right of a panel stand the names, in so many pixels.
const NAMES_ROOM: u32 = 150;

/// The least distance of two names, in pixels.
const NAME_HEIGHT: i32 = 18;

/// Colours that a colour-blind reader can tell apart, as far as there are so many.
const COLOURS: [u32; 13] = [
    0x005aa0, 0x5a5a5a, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9, 0x882255, 0x999933,
    0x332288, 0x44aa99, 0x8c564b, 0x000000,
];

/// A picture: panels, in at most two rows, that share the axis below.
pub struct Picture<'a> {
    /// What it shows.
    pub title: &'a str,
    /// What the axis below is.
    pub below: &'a str,
    /// How many labels that axis has.
    pub labels: usize,
    /// How each of them is written.
    pub label: fn(&f64) -> String,
    /// The panels, row by row.
    pub panels: Vec<Panel>,
}

/// A panel of a picture.
pub struct Panel {
    /// What it shows, and what the axis on the left is.
    pub title: String,
    /// Whether that axis is logarithmic. All axes of one kind have the same range.
    pub is_log: bool,
    /// What is drawn; the last is above the others.
    pub lines: Vec<Line>,
}

/// A line and its name.
pub struct Line {
    /// It stands at the end of the line.
    pub name: String,
    /// Which of the colours it has.
    pub colour: usize,
    /// How wide it is, in pixels.
    pub width: u32,
    /// Its points: place, value, and the top of a bar that stands on the point.
    pub points: Vec<(f64, f64, f64)>,
}

impl Picture<'_> {
    /// The picture as SVG.
    pub fn draw(&self) -> Outcome<String> {
        let columns = self.panels.len().div_ceil(2);
        let rows = self.panels.len().div_ceil(columns);
        let size = (PANEL.0 * columns as u32, PANEL.1 * rows as u32);
        let mut svg = String::new();
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        let areas = root.titled(self.title, TITLE)?.split_evenly((rows, columns));
        for (area, panel) in areas.iter().zip(&self.panels) {
            let most = greatest(self.points(panel.is_log).map(|point| point.2));
            let values = self.points(panel.is_log).map(|point| point.1);
            let least = values.filter(|value| *value > 0.0).fold(most, f64::min);
            // It begins just below a power of ten, where its labels begin.
            let floor = 0.9 * 10_f64.powf(least.log10().floor());
            match panel.is_log {
                true => self.draw_panel(area, panel, (floor..most * 1.2).log_scale())?,
                false => self.draw_panel(area, panel, 0.0..most * 1.1)?,
            }
        }
        root.present()?;
        drop((areas, root));
        Ok(svg)
    }

    fn draw_panel<Y: AsRangedCoord<Value = f64, CoordDescType: ValueFormatter<f64>>>(
        &self,
        area: &DrawingArea<SVGBackend, Shift>,
        panel: &Panel,
        values: Y,
    ) -> Outcome<()> {
        let mut builder = ChartBuilder::on(area);
        builder.caption(&panel.title, TITLE).margin(MARGIN).margin_right(NAMES_ROOM);
        builder.x_label_area_size(LABEL_ROOM).y_label_area_size(LABEL_ROOM);
        let places = self.points(true).chain(self.points(false)).map(|point| point.0);
        let mut chart = builder.build_cartesian_2d(0.0..greatest(places), values)?;
        let mut mesh = chart.configure_mesh();
        mesh.x_desc(self.below).x_labels(self.labels).x_label_formatter(&self.label);
        mesh.y_label_formatter(&number).label_style(LABEL).axis_desc_style(LABEL);
        mesh.light_line_style(BLACK.mix(0.04)).bold_line_style(BLACK.mix(0.15));
        mesh.draw()?;
        let (origin, mut names) = (area.get_base_pixel().1, Vec::new());
        for Line { name, colour, width, points } in &panel.lines {
            let [_, red, green, blue] = COLOURS[colour % COLOURS.len()].to_be_bytes();
            let colour = RGBColor(red, green, blue);
            let mut line = points.iter().map(|(place, value, _)| (*place, *value));
            // Each point is marked, so that a single one can be seen too.
            let (style, radius) = (colour.filled().stroke_width(*width), width / 2 + 1);
            chart.draw_series(LineSeries::new(line.clone(), style).point_size(radius))?;
            let bars = points.iter().filter(|(_, value, top)| top > value);
            chart.draw_series(bars.map(|(place, value, top)| {
                PathElement::new([(*place, *value), (*place, *top)], colour)
            }))?;
            let end = line.next_back().map(|end| chart.backend_coord(&end).1 - origin);
            names.extend(end.map(|y| (y, name, colour)));
        }
        // Each name stands at the end of its line, or as near to it as the others allow. Below the
        // axis stands something else.
        names.sort_by_key(|(y, ..)| *y);
        let x = (area.dim_in_pixel().0 - NAMES_ROOM) as i32 + 8;
        let axis = chart.plotting_area().get_pixel_range().1.end - origin;
        let (mut free_from, mut free_to) = (0, axis - NAME_HEIGHT * names.len() as i32);
        for (y, name, colour) in names {
            free_to += NAME_HEIGHT;
            let y = y.min(free_to).max(free_from);
            free_from = y + NAME_HEIGHT;
            area.draw(&Text::new(&name[..], (x, y - 7), LABEL.into_font().color(&colour)))?;
        }
        Ok(())
    }

    /// The points of all panels whose axis on the left is, or is not, logarithmic.
    fn points(&self, is_log: bool) -> impl Iterator<Item = &(f64, f64, f64)> {
        let panels = self.panels.iter().filter(move |panel| panel.is_log == is_log);
        panels.flat_map(|panel| &panel.lines).flat_map(|line| &line.points)
    }
}

fn greatest(values: impl Iterator<Item = f64>) -> f64 {
    values.reduce(f64::max).filter(|most| *most > 0.0).unwrap_or(1.0)
}

/// A number without the rest that a sum of fractions leaves.
pub fn number(value: &f64) -> String {
    const DIGITS: f64 = 1e6;
    ((value * DIGITS).round() / DIGITS).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_lines_that_end_together_stand_apart() {
        for value in [0.0, 5.0, 10.0] {
            let line = |colour| Line {
                name: format!("line {colour}"),
                colour,
                width: 2,
                points: vec![(0.0, 10.0, 10.0), (1.0, value, value)],
            };
            let (title, lines) = (String::new(), (0..13).map(line).collect());
            let panels = vec![Panel { title, is_log: false, lines }];
            let picture = Picture { title: "", below: "", labels: 2, label: number, panels };
            let svg = picture.draw().unwrap();
            let lines: Vec<&str> = svg.lines().collect();
            let of_a_name = lines.windows(2).filter(|pair| pair[1].starts_with("line "));
            let y = |text: &str| -> i32 {
                text.split(" y=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
            };
            let mut places: Vec<i32> = of_a_name.map(|pair| y(pair[0])).collect();
            places.sort_unstable();
            assert_eq!(places.len(), 13);
            assert!(places.windows(2).all(|two| two[1] - two[0] >= NAME_HEIGHT), "{places:?}");
            let axis = (PANEL.1 - LABEL_ROOM) as i32;
            assert!(places[0] >= 0 && places[12] <= axis, "{places:?}");
        }
    }

    #[test]
    fn a_log_axis_has_a_label_however_near_the_values_are() {
        for (least, most) in [(2.0, 8.0), (1.0, 1.0), (0.03, 0.04), (99.0, 101.0), (5e3, 5e3)] {
            let points = vec![(0.0, least, least), (1.0, most, most)];
            let lines = vec![Line { name: String::new(), colour: 0, width: 2, points }];
            let panels = vec![Panel { title: String::new(), is_log: true, lines }];
            let label = |_: &f64| "below".to_owned();
            let svg = Picture { title: "", below: "", labels: 2, label, panels }.draw().unwrap();
            let labels = svg.lines().filter(|line| line.parse::<f64>().is_ok()).count();
            assert!(labels > 0, "{least} to {most}");
        }
    }
}
