//! The tables, as Markdown: a row for each server.

use super::load::{Kind, Load, Metric, ROOM_CLIENTS, ROOMS_SIZES, STUCK};
use super::peer::Peer;
use super::results::Results;

/// The sizes of one message at a time that are in the table.
const SIZES: [usize; 3] = [1000, 5000, 15_000];

/// The cell of what was not measured.
const UNMEASURED: &str = "–";

/// A unit, and how much of what is measured it is. Without a unit a cell has the least alone.
type Unit = (f64, &'static str);

const NO_UNIT: Unit = (1.0, "");
const NS: Unit = (1.0, " ns");
const US: Unit = (1e3, " µs");
const MS: Unit = (1.0, " ms");
const S: Unit = (1.0, " s");
const MILLIONS: Unit = (1e6, " M");
const KIB: Unit = (1024.0, " KiB");
const MIB: Unit = (1048576.0, " MiB");

/// A column: its head, and what stands below.
type Column = (String, Load, Metric, Unit);

/// The tables of what was measured; `many` clients connect in the storm.
pub fn tables(results: &Results, peers: &[Peer], many: usize) -> String {
    let column = |head: &str, load, metric, unit| (head.to_owned(), load, metric, unit);
    let single = |size| {
        column(&format!("{} clients", thousands(size)), Kind::Single.to(size), Metric::CpuNs, US)
    };
    let (flood, storm, stuck) = (Kind::Flood.usual(), Kind::Storm.to(many), Kind::Stuck.usual());
    let talking = [
        column("flood, 1 000 clients", flood, Metric::CpuNs, NS),
        column("flood, deliveries/s", flood, Metric::PerSecond, MILLIONS),
        column("p99 beside a flooder", Kind::Talkers.usual(), Metric::P99Ms, MS),
        column("p99 beside 1 000 messages/s", Kind::Busy.usual(), Metric::P99Ms, MS),
    ];
    let at_once = format!("CPU per connection, {} at once", thousands(many));
    let connecting = [
        column(&at_once, storm, Metric::CpuNs, US),
        column("time to connect all", storm, Metric::Seconds, S),
        column("memory of an idle client", storm, Metric::Bytes, KIB),
        column("5 of 50 never read", stuck, Metric::Stalled, NO_UNIT),
        column("CPU per delivery to the other 45", stuck, Metric::CpuNs, US),
        column("memory growth", stuck, Metric::Bytes, MIB),
    ];
    let room = |clients: usize| {
        let rooms = clients / ROOM_CLIENTS;
        let head = format!("{} room{}", thousands(rooms), if rooms == 1 { "" } else { "s" });
        column(&head, Kind::Rooms.to(clients), Metric::CpuNs, US)
    };
    let shape = |shape: Load| {
        let window = shape.window.map_or("unlimited".to_owned(), |many| thousands(many as usize));
        let head = format!("{} B, {window}", thousands(shape.bytes));
        column(&head, shape, Metric::CpuNs, NO_UNIT)
    };
    let tables = [
        ("CPU per delivery", SIZES.into_iter().map(single).chain(talking).collect()),
        ("", connecting.to_vec()),
        ("CPU per delivery in a room of two", ROOMS_SIZES.into_iter().map(room).collect()),
        ("ns per delivery in a flood", Kind::Shapes.loads(many).into_iter().map(shape).collect()),
    ];
    let tables = tables.map(|(corner, columns)| table(results, peers, corner, &columns));
    tables.into_iter().filter(|table| !table.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A table of the servers of which something was measured; nothing if there is none.
fn table(results: &Results, peers: &[Peer], corner: &str, columns: &[Column]) -> String {
    let row = |first: &str, rest: &[String]| format!("| {first} | {} |\n", rest.join(" | "));
    let mut rows = String::new();
    for peer in peers {
        let cells: Vec<_> = columns.iter().map(|column| cell(results, *peer, column)).collect();
        if cells.iter().any(|cell| cell != UNMEASURED) {
            rows += &row(peer.name(), &cells);
        }
    }
    if rows.is_empty() {
        return rows;
    }
    let heads: Vec<_> = columns.iter().map(|(head, ..)| head.clone()).collect();
    format!("{}|{}\n{rows}", row(corner, &heads), "---|".repeat(columns.len() + 1))
}

fn cell(results: &Results, peer: Peer, (_, load, metric, (scale, unit)): &Column) -> String {
    let Some((least, most)) = results.range(*load, peer, *metric) else {
        let has_failed = results.failed.contains(&(*load, peer));
        return if has_failed { "fails" } else { UNMEASURED }.to_owned();
    };
    if *metric == Metric::Stalled {
        return outcome(results, *load, peer).to_owned();
    }
    let (least, most) = (number(least / scale), number(most / scale));
    match unit.is_empty() || least == most {
        true => format!("{least}{unit}"),
        false => format!("{least}–{most}{unit}"),
    }
}

/// What happens to the clients that read when others never do.
fn outcome(results: &Results, load: Load, peer: Peer) -> &'static str {
    let most = |metric| results.range(load, peer, metric).map_or(0.0, |(_, most)| most);
    match (most(Metric::Lost), most(Metric::Closed)) {
        _ if most(Metric::Stalled) > 0.0 => "**all clients stall**",
        (lost, _) if lost > 0.0 => "continues, loses lines",
        (_, closed) if closed >= STUCK as f64 => "continues, closes them",
        _ => "continues",
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

/// A number with a blank between the thousands.
pub fn thousands(number: usize) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{} {:03}", number / 1000, number % 1000),
    }
}
