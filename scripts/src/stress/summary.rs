//! All results of a measurement.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::flags::{Flags, Kinds};
use super::timeline::Timeline;
use super::trouble::Kind;
use crate::crowd::gauge::{Calls, Gauged};
use crate::crowd::load::{Report, Said};
use crate::crowd::sockets::{self, Crowd};
use crate::crowd::table::Table;
use crate::crowd::visitors::Tally;

/// All results, for people and for programs.
#[derive(Debug)]
pub struct Summary {
    /// What was measured.
    pub title: String,
    /// The values.
    pub table: Table,
    /// The results over time.
    pub timeline: Timeline,
    said: Vec<Said>,
    calls: Calls,
}

impl Summary {
    /// Begins the summary of a load that is over.
    pub fn new(flags: &Flags, table: Table, report: &Report, timeline: Timeline) -> Summary {
        let (title, said) = (flags.title(), report.said.clone());
        Summary { title, table, timeline, said, calls: Calls::new() }
    }

    /// The summary as JSON.
    pub fn to_json(&self) -> Value {
        let said = |one: &Said| json!({"name": one.name, "said": one.messages, "lost": one.lost});
        let calls: BTreeMap<_, _> = self.calls.iter().cloned().collect();
        let mut object: Map<String, Value> = self.table.to_json();
        object.insert("title".into(), self.title.clone().into());
        object.insert("senders".into(), self.said.iter().map(said).collect());
        object.insert("system_calls".into(), json!(calls));
        object.insert("intervals".into(), self.timeline.to_json());
        Value::Object(object)
    }

    /// Adds the system calls of the second run, or why there are none.
    pub fn add_calls(&mut self, counted: Result<(Calls, u64), String>) {
        const KEY: &str = "system_calls_per_delivery";
        const LABEL: &str = "system calls per delivery";
        match counted {
            Ok((_, 0)) => self.table.add_lacking(KEY, LABEL, "nothing was delivered in a second"),
            Ok((calls, deliveries)) => {
                let all: u64 = calls.iter().map(|(_, calls)| calls).sum();
                self.table.add(KEY, LABEL, all as f64 / deliveries as f64, "");
                self.calls = calls;
            }
            Err(why) => self.table.add_lacking(KEY, LABEL, &why),
        }
    }
}

/// How many clients of each kind.
pub fn add_kinds(table: &mut Table, kinds: &Kinds) {
    table.add("clients", "clients", kinds.all() as f64, "");
    table.add("clients_max", "  that the limit of this process allows", allowed(), "");
    table.add("reading", "  that read", kinds.reading as f64, "");
    table.add("stuck", "  that never read", kinds.stuck as f64, "");
    for (kind, count) in kinds.trouble {
        let (key, label) = match kind {
            Kind::Drips => ("dripping", "  that drip"),
            Kind::Resets => ("resetting", "  that reset"),
            Kind::Leaves => ("reconnecting", "  that reconnect"),
        };
        table.add(key, label, count as f64, "");
    }
}

fn allowed() -> f64 {
    sockets::clients_max() as f64
}

/// The time and memory for connecting.
pub fn add_connecting(table: &mut Table, crowd: &Crowd, used: &Gauged) {
    let clients = crowd.clients.len() as f64;
    table.add("connect_seconds", "until all were welcomed", crowd.connecting.as_secs_f64(), "s");
    // A client is welcomed only after a while, so the speed counts from the first welcome.
    let per_second = (clients - 1.0) / crowd.welcoming.as_secs_f64();
    let (key, label) = ("connects_per_s", "connects, first welcome to last");
    match clients {
        2.0.. => table.add(key, label, per_second, "/s"),
        _ => table.add_lacking(key, label, "one client is no rate"),
    }
    let (cpu, resident) = (used.cpu_ns, used.resident_bytes);
    add_gauged(table, "cpu_us_per_connection", "CPU per connection", cpu, 1e3 * clients, "us");
    let label = "memory per client";
    add_gauged(table, "resident_bytes_per_client", label, resident, clients, "bytes");
}

/// The results of the sending.
pub fn add_talking(table: &mut Table, report: &Report, used: &Gauged) {
    let said: u64 = report.said.iter().map(|one| one.messages).sum();
    let lost: u64 = report.said.iter().map(|one| one.lost).sum();
    table.add("said", "messages sent", said as f64, "");
    table.add("lost", "  of which no client received any, as announced", lost as f64, "");
    table.add("deliveries", "deliveries, all checked", report.deliveries as f64, "");
    let label = "  missed, as announced";
    table.add("messages_missed", label, report.messages_missed as f64, "");
    let label = "lines missed, as announced, notices included";
    table.add("lines_missed", label, report.lines_missed as f64, "");
    table.add("seconds", "time until all had arrived", report.time.as_secs_f64(), "s");
    table.add("deliveries_per_s", "deliveries", report.deliveries_per_second(), "/s");
    let deliveries = report.deliveries.max(1) as f64;
    let label = "CPU per delivery";
    add_gauged(table, "cpu_ns_per_delivery", label, used.cpu_ns, deliveries, "ns");
    table.add("timed", "deliveries that were timed", report.latencies.len() as f64, "");
    for (key, label, percent) in [
        ("latency_p50_us", "latency p50", 50.0),
        ("latency_p90_us", "latency p90", 90.0),
        ("latency_p99_us", "latency p99", 99.0),
        ("latency_p999_us", "latency p99.9", 99.9),
        ("latency_max_us", "latency max", 100.0),
    ] {
        match report.latencies.is_empty() {
            true => table.add_lacking(key, label, "nothing was timed"),
            false => table.add(key, label, report.latency_us(percent), "us"),
        }
    }
}

/// What the clients that are trouble did and received.
pub fn add_trouble(table: &mut Table, tally: &Tally) {
    for (key, label, value) in [
        ("trouble_connects", "connects of misbehaving clients", tally.visits),
        ("trouble_welcomes", "  welcomed", tally.welcomed),
        ("trouble_messages", "  messages they received, all checked", tally.messages),
        ("trouble_lines_missed", "  lines they missed, as announced", tally.missed),
        ("trouble_let_down", "  closed by the server, dripping", tally.given_up),
    ] {
        table.add(key, label, value as f64, "");
    }
}

fn add_gauged(
    table: &mut Table,
    key: &'static str,
    label: &str,
    value: Option<u64>,
    divisor: f64,
    unit: &'static str,
) {
    match value {
        Some(value) => table.add(key, label, value as f64 / divisor, unit),
        None => table.add_lacking(key, label, "the process is not known (--pid)"),
    }
}
