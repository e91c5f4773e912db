//! The tables, as Markdown: a row for each server.

use super::load::{Kind, Load, Metric, ROOM_CLIENTS, ROOMS_SIZES, STUCK};
use super::peer::Peer;
use super::results::Results;

/// The sizes of one message at a time that are in the table.
const SIZES: [usize; 3] = [1000, 5000, 15_000];

/// The cell of what was not measured.
const UNMEASURED: &str = "–";

/// A column: its head, and what stands below.
type Column = (String, Load, Metric);

/// The tables of what was measured; `many` clients connect in the storm.
pub fn tables(results: &Results, peers: &[Peer], many: usize) -> String {
    let column = |head: &str, load, metric| (head.to_owned(), load, metric);
    let single = |size| {
        column(&format!("{} clients", thousands(size)), Kind::Single.to(size), Metric::CpuNs)
    };
    let (flood, storm, stuck) = (Kind::Flood.usual(), Kind::Storm.to(many), Kind::Stuck.usual());
    let talking = [
        column("flood, 1 000 clients", flood, Metric::CpuNs),
        column("flood, deliveries/s", flood, Metric::PerSecond),
        column("p99 beside a flooder", Kind::Talkers.usual(), Metric::P99Ms),
        column("p99 beside 1 000 messages/s", Kind::Busy.usual(), Metric::P99Ms),
    ];
    let at_once = format!("CPU per connection, {} at once", thousands(many));
    let connecting = [
        column(&at_once, storm, Metric::CpuNs),
        column("time to connect all", storm, Metric::Seconds),
        column("memory of an idle client", storm, Metric::Bytes),
        column("5 of 50 never read", stuck, Metric::Stalled),
        column("CPU per delivery to the other 45", stuck, Metric::CpuNs),
        column("memory growth", stuck, Metric::Bytes),
    ];
    let room = |clients: usize| {
        let rooms = clients / ROOM_CLIENTS;
        let head = format!("{} room{}", thousands(rooms), if rooms == 1 { "" } else { "s" });
        column(&head, Kind::Rooms.to(clients), Metric::CpuNs)
    };
    let shape = |shape: Load| {
        let window = shape.window.map_or("unlimited".to_owned(), |many| thousands(many as usize));
        column(&format!("{} B, {window}", thousands(shape.bytes)), shape, Metric::CpuNs)
    };
    let tables = [
        ("CPU per delivery", SIZES.into_iter().map(single).chain(talking).collect()),
        ("", connecting.to_vec()),
        ("CPU per delivery in a room of two", ROOMS_SIZES.into_iter().map(room).collect()),
        ("CPU per delivery in a flood", Kind::Shapes.loads(many).into_iter().map(shape).collect()),
    ];
    let tables = tables.map(|(corner, columns)| table(results, peers, corner, &columns));
    tables.into_iter().filter(|table| !table.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A table of the servers of which something was measured; nothing if there is none.
fn table(results: &Results, peers: &[Peer], corner: &str, columns: &[Column]) -> String {
    let row = |first: &str, rest: &[String]| format!("| {first} | {} |\n", rest.join(" | "));
    let mut rows = String::new();
    for peer in peers {
        let cells: Vec<_> =
            columns.iter().map(|(_, load, metric)| cell(results, *peer, *load, *metric)).collect();
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

/// The least and the greatest value of the runs, or why there is none.
pub fn cell(results: &Results, peer: Peer, load: Load, metric: Metric) -> String {
    let Some((least, most)) = results.range(load, peer, metric) else {
        let has_failed = results.failed.contains(&(load, peer));
        return if has_failed { "fails" } else { UNMEASURED }.to_owned();
    };
    if metric == Metric::Stalled {
        return outcome(results, load, peer).to_owned();
    }
    let units = metric.units();
    let (scale, unit) = units.iter().rev().find(|(scale, _)| *scale <= least).unwrap_or(&units[0]);
    let (least, most) = (number(least / scale, unit), number(most / scale, unit));
    if least == most { format!("{least}{unit}") } else { format!("{least}–{most}{unit}") }
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

/// With two decimals below 10, one below 100, and else none. Without a unit with four.
fn number(value: f64, unit: &str) -> String {
    match value {
        _ if unit.is_empty() => format!("{value:.4}"),
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
