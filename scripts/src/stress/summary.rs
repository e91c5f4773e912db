//! The rows of the table.

use serde_json::Value;

use super::flags::Kinds;
use crate::crowd::author::Author;
use crate::crowd::sockets::clients_max;
use crate::crowd::{Crowd, Gauged, Report, Table, Tally};

/// Why nothing is known of the server's process.
pub const NO_PROCESS: &str = "the process is not known (--pid)";

/// How many clients there are, and what it took to connect them.
pub fn add_connecting(table: &mut Table, kinds: &Kinds, crowd: &Crowd, used: &Gauged) {
    let all: usize = kinds.iter().map(|(.., count)| count).sum();
    table.add("clients", "clients", all, "");
    table.add("clients_max", "  that the limit of this process allows", clients_max(), "");
    for (key, what, count) in kinds {
        table.add(key, &format!("  that {what}"), *count, "");
    }
    let clients = crowd.clients.len() as f64;
    table.add("connect_seconds", "until all were welcomed", crowd.connecting.as_secs_f64(), "s");
    // A client is welcomed only after a while, so the speed counts from the first welcome.
    let per_second = (clients > 1.0).then(|| (clients - 1.0) / crowd.welcoming.as_secs_f64());
    table.add("connects_per_s", "connects, first welcome to last", per_second, "/s");
    let cpu_us = each(used.cpu_ns, 1e3 * clients);
    table.add("cpu_us_per_connection", "CPU per connection", cpu_us, "us");
    let bytes = each(used.resident_bytes, clients);
    table.add("resident_bytes_per_client", "memory per client", bytes, "bytes");
}

/// The results of the sending.
pub fn add_talking(table: &mut Table, report: &Report, used: &Gauged) {
    let said: u64 = report.authors.iter().map(|one| one.said).sum();
    let lost: u64 = report.authors.iter().map(Author::lost).sum();
    for (key, label, count) in [
        ("said", "messages sent", said),
        ("lost", "  of which no client received any, as announced", lost),
        ("deliveries", "deliveries, all checked", report.deliveries),
        ("messages_missed", "  missed, as announced", report.messages_missed),
        ("lines_missed", "lines missed, as announced, notices included", report.lines_missed),
    ] {
        table.add(key, label, count, "");
    }
    table.add("seconds", "time until all had arrived", report.time.as_secs_f64(), "s");
    table.add("deliveries_per_s", "deliveries", report.deliveries_per_second(), "/s");
    let cpu_ns = each(used.cpu_ns, report.deliveries.max(1) as f64);
    table.add("cpu_ns_per_delivery", "CPU per delivery", cpu_ns, "ns");
    table.add("timed", "deliveries that were timed", report.latencies.len(), "");
    for (key, label, percent) in [
        ("latency_p50_us", "latency p50", 50.0),
        ("latency_p90_us", "latency p90", 90.0),
        ("latency_p99_us", "latency p99", 99.0),
        ("latency_p999_us", "latency p99.9", 99.9),
        ("latency_max_us", "latency max", 100.0),
    ] {
        let is_timed = !report.latencies.is_empty();
        table.add(key, label, is_timed.then(|| report.latency_us(percent)), "us");
    }
}

/// What the clients that are trouble did and received.
pub fn add_trouble(table: &mut Table, tally: &Tally) {
    for (key, label, count) in [
        ("trouble_connects", "connects of misbehaving clients", tally.visits),
        ("trouble_welcomes", "  welcomed", tally.welcomed),
        ("trouble_messages", "  messages they received, all checked", tally.messages),
        ("trouble_lines_missed", "  lines they missed, as announced", tally.missed),
        ("trouble_let_down", "  closed by the server, dripping", tally.given_up),
    ] {
        table.add(key, label, count, "");
    }
}

/// What the server used for each of so many.
fn each(used: Option<u64>, count: f64) -> Value {
    used.map_or(NO_PROCESS.into(), |used| (used as f64 / count).into())
}
