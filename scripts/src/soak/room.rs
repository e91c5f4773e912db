//! The soak test: steady clients that talk and read everything, and round after round of visitors
//! that connect and leave. After each round only the steady clients are there, and the server must
//! be as it was before.

use std::io::Write;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::rest::{self, kib};
use super::script::{self, MAX_CLIENTS, MAX_ENDLESS, PER_ADDRESS};
use crate::crowd::visitors::WAIT_MAX;
use crate::crowd::{Crowd, Fault, Load, Outcome, Pace, Patience, Report, Started, Table, Talker};
use crate::crowd::{Tally, Until, Visitors, gauge, load};
use crate::stress::trouble::{DRIPS, Kind, LEAVES, RESETS, make_trouble};

/// The steady clients: they stay from the beginning to the end, talk, and receive every line.
const STEADY: usize = 20;

/// Each of them sends one message in this time, of this many bytes.
const PERIOD: Duration = Duration::from_millis(60);
const MESSAGE_BYTES: usize = 200;

/// The clients that always make trouble.
const TROUBLE: [(Kind, usize); 3] = [(DRIPS, 4), (RESETS, 3), (LEAVES, 3)];

/// The window of the server: small, so that it is full after the warm-up.
const WINDOW_BYTES: usize = 65_536;

/// The length of a round, if there is time for as many rounds as a line needs.
const ROUND_MAX: Duration = Duration::from_secs(60);

/// Runs the test for this long, with a line for each round, and returns its summary.
pub fn soak(time: Duration, out: &mut dyn Write) -> Outcome<Table> {
    let mut soak = Soak::start()?;
    let round = (time / rest::ROUNDS_MIN as u32).min(ROUND_MAX);
    let warmed_up = soak.warm_up(round)?;
    let crowd = &mut Crowd::of_chinwag(soak.server.address, STEADY)?;
    let start = Instant::now();
    let before = soak.cpu()?;
    let mut rounds = Vec::new();
    while start.elapsed() < time || rounds.len() < rest::ROUNDS_MIN {
        let rest = soak.round(crowd, round)?;
        rounds.push(rest.resident_bytes);
        let (seconds, visits) = (start.elapsed().as_secs_f64(), soak.tally.visits);
        let (checked, kept) = (soak.sum(|report| report.deliveries), kib(rest.resident_bytes));
        let Rest { descriptors, connections, .. } = rest;
        writeln!(
            out,
            "{seconds:5.0} s: {visits} came and went, {checked} deliveries checked; at rest {kept} \
             KiB, {descriptors} descriptors, {connections} connections"
        )?;
        out.flush()?;
    }
    let (took, used) = (start.elapsed(), soak.cpu()?);
    crowd.clients.clear();
    let end = soak.rest(crowd)?;
    let growth = rest::growth(&rounds)?;
    rest::check_kept(end.resident_bytes, warmed_up.resident_bytes)?;
    let share = |at: usize| (used[at] - before[at]) as f64 / took.as_nanos() as f64 * 100.0;
    let (tally, memory) = (soak.tally, |rest: Rest| kib(rest.resident_bytes) as f64);
    let said = soak.sum(|report| report.authors.iter().map(|one| one.said).sum());
    let heard = soak.sum(|report| report.deliveries);
    let p99_ms = soak.reports.iter().map(|report| report.latency_us(99.0) / 1e3);
    let mut table = Table::default();
    for (key, label, value, unit) in [
        ("seconds", "time", took.as_secs_f64(), "s"),
        ("rounds", "rounds", rounds.len() as f64, ""),
        ("connects", "connections, in all", tally.visits as f64, ""),
        ("refused", "  refused: server full, too many from one address", tally.refused as f64, ""),
        ("given_up", "  reset by the server: took nothing", tally.given_up as f64, ""),
        ("said", "messages of the steady clients", said as f64, ""),
        ("deliveries", "  deliveries to them, all checked", heard as f64, ""),
        ("heard", "  deliveries to the other clients, all checked", tally.messages as f64, ""),
        ("missed", "  lines that these missed, as announced", tally.missed as f64, ""),
        ("p99_ms", "latency p99, the worst round", p99_ms.fold(0.0, f64::max), "ms"),
        ("server_cpu", "processor, server", share(0), "% of a core"),
        ("own_cpu", "processor, all clients", share(1), "% of a core"),
        ("memory_before", "memory after the warm-up, no clients", memory(warmed_up), "KiB"),
        ("memory_after", "memory at the end, no clients", memory(end), "KiB"),
        ("growth", "growth over all rounds", growth / 1024.0, "KiB"),
        ("descriptors", "descriptors at the end", end.descriptors as f64, ""),
        ("connections", "connections at the end", end.connections as f64, ""),
    ] {
        table.add(key, label, value, unit);
    }
    Ok(table)
}

/// A server at rest.
#[derive(Clone, Copy)]
struct Rest {
    resident_bytes: u64,
    /// How many descriptors it has open.
    descriptors: usize,
    /// How many ends of connections the kernel has at its port.
    connections: usize,
}

struct Soak {
    server: Started,
    /// Descriptors that are not for clients.
    own_descriptors: usize,
    /// What all but the steady clients have done.
    tally: Tally,
    /// What the steady clients have done, round by round.
    reports: Vec<Report>,
}

impl Soak {
    fn start() -> Outcome<Soak> {
        // Everything that happens to clients shall happen often. The steady and the troublesome
        // clients connect from 127.0.0.x and 127.0.1.x, the visitors from 127.0.2.x and 127.0.3.x.
        let flags = format!(
            "--max-clients={MAX_CLIENTS} --per-address={PER_ADDRESS} --max-endless={MAX_ENDLESS} \
             --window={WINDOW_BYTES} --stuck=6 --idle=30 --exempt=127.0.0.0/23"
        );
        let flags: Vec<&str> = flags.split(' ').collect();
        let server = Started::chinwag(&flags)?;
        // By now it has closed what it opens only at the start.
        gauge::cpu_ns_at_rest(server.pid())?;
        let own_descriptors = gauge::descriptors(server.pid())?;
        Ok(Soak { server, own_descriptors, tally: Tally::default(), reports: Vec::new() })
    }

    /// One round with a crowd of its own, which then leaves. After that the server has what it
    /// keeps for good.
    fn warm_up(&mut self, round: Duration) -> Outcome<Rest> {
        let mut crowd = Crowd::of_chinwag(self.server.address, STEADY)?;
        // The messages fill the window.
        let messages = (2 * WINDOW_BYTES / MESSAGE_BYTES / STEADY) as u64;
        load::run(&mut crowd, &talkers(Pace::Window(4)), Until::Heard(messages))?;
        self.round(&mut crowd, round)?;
        crowd.clients.clear();
        self.rest(&mut crowd)
    }

    /// The crowd talks while others come and go. When only the crowd is left, others fill the
    /// server, and one more asks how many are here. Returns the state after that.
    fn round(&mut self, crowd: &mut Crowd, time: Duration) -> Outcome<Rest> {
        let mut others = Visitors::new(crowd, true, self.tally)?;
        make_trouble(&mut others, &TROUBLE);
        script::come_and_go(&mut others);
        let mut load = Load::new(crowd, &talkers(Pace::Every(PERIOD)), Until::Time(time));
        while !load.is_over() || !load.is_heard() {
            load.turn(WAIT_MAX)?;
            others.turn()?;
        }
        load.crowd.end()?;
        let report = load.report()?;
        if report.lines_missed > 0 {
            let missed = report.lines_missed;
            return Err(Fault(format!("clients that keep up missed {missed} lines")).into());
        }
        self.reports.push(report);
        others.end(crowd)?;
        self.rest(crowd)?;
        others.begin(script::fill(Rc::clone(&others.host), MAX_CLIENTS - STEADY));
        others.end(crowd)?;
        self.rest(crowd)?;
        others.begin(script::ask(Rc::clone(&others.host), STEADY + 1));
        others.end(crowd)?;
        self.tally = *others.host.tally.borrow();
        self.rest(crowd)
    }

    fn sum(&self, of: impl Fn(&Report) -> u64) -> u64 {
        self.reports.iter().map(of).sum()
    }

    /// Waits until the server has only the clients of this crowd, and no other descriptor or
    /// connection more than at its start.
    fn rest(&self, crowd: &mut Crowd) -> Outcome<Rest> {
        let (pid, port) = (self.server.pid(), self.server.address.port());
        let (own, here) = (self.own_descriptors, crowd.clients.len());
        let mut patience = Patience::full();
        loop {
            crowd.hear(WAIT_MAX)?;
            gauge::cpu_ns_at_rest(pid)?;
            let (descriptors, connections) = (gauge::descriptors(pid)?, gauge::connections(port)?);
            if (descriptors, connections) == (own + here, here) {
                let resident_bytes = gauge::resident_bytes(pid)?;
                return Ok(Rest { resident_bytes, descriptors, connections });
            }
            let what = || {
                let has = format!("{connections} connections and {descriptors} descriptors");
                format!("with {here} clients and {own} descriptors of its own it has {has}")
            };
            patience.check(0, what)?;
        }
    }

    /// The processor time of the server and of this process, in nanoseconds.
    fn cpu(&self) -> Outcome<[u64; 2]> {
        Ok([gauge::cpu_ns(self.server.pid())?, gauge::cpu_ns(std::process::id())?])
    }
}

fn talkers(pace: Pace) -> Vec<Talker> {
    vec![Talker { pace, message_bytes: MESSAGE_BYTES, timed: true }; STEADY]
}
