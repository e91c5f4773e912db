//! The tables, as Markdown: a row for each server.

use super::load::{Load, Metric, ROOMS_SIZES, STUCK, Shape};
use super::peer::Peer;
use super::results::Results;

/// The sizes of one message at a time that are in the table.
const SIZES: [usize; 3] = [1000, 5000, 15_000];

/// The cell of what was not measured.
const UNMEASURED: &str = "–";

/// A unit, and how much of what is measured it is.
type Unit = (f64, &'static str);

const NS: Unit = (1.0, " ns");
const US: Unit = (1e3, " µs");
const MS: Unit = (1.0, " ms");
const S: Unit = (1.0, " s");
const MILLIONS: Unit = (1e6, " M");
const KIB: Unit = (1024.0, " KiB");
const MIB: Unit = (1048576.0, " MiB");

/// What stands below the head of a column.
#[derive(Clone, Copy)]
enum Cell {
    /// The least and the greatest of the runs.
    Range(Load, Metric, Unit),
    /// The least alone, without its unit.
    Least(Load, Metric),
    /// What happens to the clients that read when others never do.
    Outcome,
}

/// The tables of what was measured; `many` clients connect in the storm.
pub fn tables(results: &Results, peers: &[Peer], many: usize) -> String {
    let range = |head: String, load, metric, unit| (head, Cell::Range(load, metric, unit));
    let single = |size| {
        let head = format!("{} clients", thousands(size));
        range(head, Load::Single(size), Metric::CpuNs, US)
    };
    let mut talking: Vec<_> = SIZES.into_iter().map(single).collect();
    for (head, load, metric, unit) in [
        ("flood, 1 000 clients", Load::Flood, Metric::CpuNs, NS),
        ("flood, deliveries/s", Load::Flood, Metric::PerSecond, MILLIONS),
        ("p99 beside a flooder", Load::Talkers, Metric::P99Ms, MS),
        ("p99 beside 1 000 messages/s", Load::Busy, Metric::P99Ms, MS),
    ] {
        talking.push(range(head.to_owned(), load, metric, unit));
    }
    let storm = |head: &str, metric, unit| range(head.to_owned(), Load::Storm(many), metric, unit);
    let stuck = |head: &str, metric, unit| range(head.to_owned(), Load::Stuck, metric, unit);
    let at_once = format!("CPU per connection, {} at once", thousands(many));
    let connecting = vec![
        storm(&at_once, Metric::CpuNs, US),
        storm("time to connect all", Metric::Seconds, S),
        storm("memory of an idle client", Metric::Bytes, KIB),
        ("5 of 50 never read".to_owned(), Cell::Outcome),
        stuck("CPU per delivery to the other 45", Metric::CpuNs, US),
        stuck("memory growth", Metric::Bytes, MIB),
    ];
    let room = |clients: usize| {
        let rooms = clients / 2;
        let head = format!("{} room{}", thousands(rooms), if rooms == 1 { "" } else { "s" });
        range(head, Load::Rooms(clients), Metric::CpuNs, US)
    };
    let shape = |shape: Shape| {
        let window = shape.window.map_or("unlimited".to_owned(), |many| thousands(many as usize));
        let head = format!("{} B, {window}", thousands(shape.bytes));
        (head, Cell::Least(Load::Shape(shape), Metric::CpuNs))
    };
    let tables = [
        ("CPU per delivery", talking),
        ("", connecting),
        ("CPU per delivery in a room of two", ROOMS_SIZES.into_iter().map(room).collect()),
        ("ns per delivery in a flood", Shape::all().map(shape).collect()),
    ];
    let tables = tables.map(|(corner, columns)| table(results, peers, corner, &columns));
    tables.into_iter().filter(|table| !table.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A table of the servers of which something was measured; nothing if there is none.
fn table(results: &Results, peers: &[Peer], corner: &str, columns: &[(String, Cell)]) -> String {
    let cells = |peer: Peer| columns.iter().map(move |(_, cell)| cell.shown(results, peer));
    let row = |first: &str, rest: &mut dyn Iterator<Item = String>| {
        format!("| {first} | {} |\n", rest.collect::<Vec<_>>().join(" | "))
    };
    let measured = peers.iter().filter(|peer| cells(**peer).any(|cell| cell != UNMEASURED));
    let rows: String = measured.map(|peer| row(peer.name(), &mut cells(*peer))).collect();
    if rows.is_empty() {
        return rows;
    }
    let head = row(corner, &mut columns.iter().map(|(head, _)| head.clone()));
    format!("{head}|{}\n{rows}", "---|".repeat(columns.len() + 1))
}

impl Cell {
    fn shown(self, results: &Results, peer: Peer) -> String {
        let (load, metric, (scale, unit)) = match self {
            Cell::Range(load, metric, unit) => (load, metric, unit),
            Cell::Least(load, metric) => (load, metric, (1.0, "")),
            Cell::Outcome => return outcome(results, peer),
        };
        let Some((least, most)) = results.range(load, peer, metric) else {
            let has_failed = results.failure(load, peer).is_some();
            return if has_failed { "fails" } else { UNMEASURED }.to_owned();
        };
        let (least, most) = (number(least / scale), number(most / scale));
        match self {
            Cell::Range(..) if least != most => format!("{least}–{most}{unit}"),
            _ => format!("{least}{unit}"),
        }
    }
}

/// Two or three significant digits.
fn number(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn outcome(results: &Results, peer: Peer) -> String {
    let most = |metric| results.range(Load::Stuck, peer, metric).map(|(_, most)| most);
    match (most(Metric::Stalled), most(Metric::Lost), most(Metric::Closed)) {
        (None, ..) => UNMEASURED.to_owned(),
        (Some(1.0), ..) => "**all clients stall**".to_owned(),
        (_, Some(lost), _) if lost > 0.0 => "continues, loses lines".to_owned(),
        (.., Some(closed)) if closed >= STUCK as f64 => "continues, closes them".to_owned(),
        _ => "continues".to_owned(),
    }
}

/// A number with a blank between the thousands.
pub fn thousands(number: usize) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{} {:03}", number / 1000, number % 1000),
    }
}
