//! All results of a measurement.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::flags::{Flags, Kinds};
use super::timeline::Timeline;
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
        let mut object = self.table.to_json();
        object.insert("title".into(), json!(self.title));
        object.insert("senders".into(), self.said.iter().map(said).collect());
        object.insert("system_calls".into(), json!(calls));
        object.insert("intervals".into(), json!(self.timeline.intervals));
        Value::Object(object)
    }

    /// Adds the system calls of the second run, or why there are none.
    pub fn add_calls(&mut self, counted: Result<(Calls, u64), String>) {
        let each = match &counted {
            Ok((_, 0)) => Err("nothing was delivered in a second"),
            Ok((calls, deliveries)) => {
                let all: u64 = calls.iter().map(|(_, calls)| calls).sum();
                Ok(all as f64 / *deliveries as f64)
            }
            Err(why) => Err(&why[..]),
        };
        let (key, label) = ("system_calls_per_delivery", "system calls per delivery");
        self.table.add_if_known(key, label, each, "");
        self.calls = counted.map(|(calls, _)| calls).unwrap_or_default();
    }
}

/// How many clients of each kind.
pub fn add_kinds(table: &mut Table, kinds: &Kinds) {
    let [drip, reset, leave] = kinds.trouble.map(|(_, count)| count);
    for (key, label, count) in [
        ("clients", "clients", kinds.all()),
        ("clients_max", "  that the limit of this process allows", sockets::clients_max()),
        ("reading", "  that read", kinds.reading),
        ("stuck", "  that never read", kinds.stuck),
        ("dripping", "  that drip", drip),
        ("resetting", "  that reset", reset),
        ("reconnecting", "  that reconnect", leave),
    ] {
        table.add(key, label, count as f64, "");
    }
}

/// The time and memory for connecting.
pub fn add_connecting(table: &mut Table, crowd: &Crowd, used: &Gauged) {
    let clients = crowd.clients.len() as f64;
    table.add("connect_seconds", "until all were welcomed", crowd.connecting.as_secs_f64(), "s");
    // A client is welcomed only after a while, so the speed counts from the first welcome.
    let per_second = (clients - 1.0) / crowd.welcoming.as_secs_f64();
    let per_second = if clients > 1.0 { Ok(per_second) } else { Err("one client is no rate") };
    table.add_if_known("connects_per_s", "connects, first welcome to last", per_second, "/s");
    let cpu_us = each(used.cpu_ns, 1e3 * clients);
    table.add_if_known("cpu_us_per_connection", "CPU per connection", cpu_us, "us");
    let bytes = each(used.resident_bytes, clients);
    table.add_if_known("resident_bytes_per_client", "memory per client", bytes, "bytes");
}

/// The results of the sending.
pub fn add_talking(table: &mut Table, report: &Report, used: &Gauged) {
    let said = |of: fn(&Said) -> u64| report.said.iter().map(of).sum();
    for (key, label, count) in [
        ("said", "messages sent", said(|one| one.messages)),
        ("lost", "  of which no client received any, as announced", said(|one| one.lost)),
        ("deliveries", "deliveries, all checked", report.deliveries),
        ("messages_missed", "  missed, as announced", report.messages_missed),
        ("lines_missed", "lines missed, as announced, notices included", report.lines_missed),
    ] {
        table.add(key, label, count as f64, "");
    }
    table.add("seconds", "time until all had arrived", report.time.as_secs_f64(), "s");
    table.add("deliveries_per_s", "deliveries", report.deliveries_per_second(), "/s");
    let cpu_ns = each(used.cpu_ns, report.deliveries.max(1) as f64);
    table.add_if_known("cpu_ns_per_delivery", "CPU per delivery", cpu_ns, "ns");
    table.add("timed", "deliveries that were timed", report.latencies.len() as f64, "");
    for (key, label, percent) in [
        ("latency_p50_us", "latency p50", 50.0),
        ("latency_p90_us", "latency p90", 90.0),
        ("latency_p99_us", "latency p99", 99.0),
        ("latency_p999_us", "latency p99.9", 99.9),
        ("latency_max_us", "latency max", 100.0),
    ] {
        let is_timed = !report.latencies.is_empty();
        let latency = is_timed.then(|| report.latency_us(percent)).ok_or("nothing was timed");
        table.add_if_known(key, label, latency, "us");
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

/// What the server used for each of so many.
fn each(used: Option<u64>, count: f64) -> Result<f64, &'static str> {
    used.map(|used| used as f64 / count).ok_or("the process is not known (--pid)")
}
