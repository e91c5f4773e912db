//! The tables, as Markdown.

use std::fmt::Write;

use super::app::ROOMS_SIZES;
use super::loads::{Load, STUCK};
use super::peer::Peer;
use super::results::{Metric, Results};

const MIB: f64 = (1 << 20) as f64;

/// The sizes of one message at a time that are in the table.
const SIZES: [usize; 3] = [1000, 5000, 15_000];

/// The cell of what was not measured.
const UNMEASURED: &str = "–";

/// A value that was measured several times, from the least to the greatest, in this unit.
fn shown(
    results: &Results,
    load: Load,
    peer: Peer,
    metric: Metric,
    (scale, unit): (f64, &str),
) -> String {
    if let Some((least, most)) = results.range(load, peer, metric) {
        let (least, most) = (number(least / scale), number(most / scale));
        return if least == most {
            format!("{least} {unit}")
        } else {
            format!("{least}–{most} {unit}")
        };
    }
    match results.failure(load, peer) {
        Some(_) => "fails".to_owned(),
        None => UNMEASURED.to_owned(),
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

/// The tables of what was measured; `many` clients connect in the storm.
pub fn tables(results: &Results, peers: &[Peer], many: usize) -> String {
    let talking: Vec<_> = peers.iter().map(|peer| talking_row(results, *peer)).collect();
    let connecting: Vec<_> =
        peers.iter().map(|peer| connecting_row(results, *peer, many)).collect();
    let rooms: Vec<_> = peers.iter().map(|peer| rooms_row(results, *peer)).collect();
    let storm = format!("CPU per connection, {} at once", thousands(many));
    let connecting_head = [
        "",
        &storm,
        "time to connect all",
        "memory of an idle client",
        "5 of 50 never read",
        "CPU per delivery to the other 45",
        "memory growth",
    ];
    let rooms_head = ["CPU per delivery in a room of two", "1 room", "1 000 rooms", "9 000 rooms"];
    let mut tables = vec![
        table(&TALKING_HEAD, &talking),
        table(&connecting_head, &connecting),
        table(&rooms_head, &rooms),
    ];
    tables.retain(|table| !table.is_empty());
    tables.join("\n")
}

/// One message at a time, a flood, and talkers beside a flooder and beside a busy client.
const TALKING_HEAD: [&str; 8] = [
    "CPU per delivery",
    "1 000 clients",
    "5 000 clients",
    "15 000 clients",
    "flood, 1 000 clients",
    "flood, deliveries/s",
    "p99 beside a flooder",
    "p99 beside 1 000 messages/s",
];

fn talking_row(results: &Results, peer: Peer) -> [String; 8] {
    let single = |size| shown(results, Load::Single(size), peer, Metric::CpuNs, (1e3, "µs"));
    let flood = |metric, unit| shown(results, Load::Flood, peer, metric, unit);
    let beside = |load| shown(results, load, peer, Metric::P99Ms, (1.0, "ms"));
    [
        peer.name().to_owned(),
        single(SIZES[0]),
        single(SIZES[1]),
        single(SIZES[2]),
        flood(Metric::CpuNs, (1.0, "ns")),
        flood(Metric::PerSecond, (1e6, "M")),
        beside(Load::Talkers),
        beside(Load::Busy),
    ]
}

fn connecting_row(results: &Results, peer: Peer, many: usize) -> [String; 7] {
    let storm = |metric, unit| shown(results, Load::Storm(many), peer, metric, unit);
    let stuck = |metric, unit| shown(results, Load::Stuck, peer, metric, unit);
    [
        peer.name().to_owned(),
        storm(Metric::CpuNs, (1e3, "µs")),
        storm(Metric::Seconds, (1.0, "s")),
        storm(Metric::Bytes, (1024.0, "KiB")),
        outcome(results, peer),
        stuck(Metric::CpuNs, (1e3, "µs")),
        stuck(Metric::Bytes, (MIB, "MiB")),
    ]
}

fn rooms_row(results: &Results, peer: Peer) -> [String; 4] {
    let [one, thousand, most] = ROOMS_SIZES
        .map(|clients| shown(results, Load::Rooms(clients), peer, Metric::CpuNs, (1e3, "µs")));
    [peer.name().to_owned(), one, thousand, most]
}

/// A table of the rows in which something was measured; nothing if there is none.
fn table<const N: usize>(head: &[&str; N], rows: &[[String; N]]) -> String {
    let rows = rows.iter().filter(|row| row[1..].iter().any(|cell| cell != UNMEASURED));
    let mut text = String::new();
    for row in rows {
        if text.is_empty() {
            text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(N));
        }
        // Writing to a string cannot fail.
        writeln!(text, "| {} |", row.join(" | ")).unwrap_or_default();
    }
    text
}

/// What happens to the clients that read when others never do.
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
