//! The soak test: steady clients that talk and read everything, and round after round of visitors
//! that connect and leave. After each round only the steady clients are there, and the server must
//! be as it was before.

use std::io::Write;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::rest::{self, Rest, kib};
use super::script::{self, MAX_CLIENTS, MAX_ENDLESS, PER_ADDRESS};
use crate::crowd::gauge;
use crate::crowd::load::{self, Load, Pace, Report, Talker, Until};
use crate::crowd::sockets::Crowd;
use crate::crowd::started::Started;
use crate::crowd::table::Table;
use crate::crowd::visitors::{Tally, Visitors, WAIT_MAX};
use crate::crowd::{Fault, Outcome, Patience};
use crate::stress::trouble::{Kind, make_trouble};

/// The steady clients: they stay from the beginning to the end, talk, and receive every line.
const STEADY: usize = 20;

/// Each of them sends one message in this time, of this many bytes.
const PERIOD: Duration = Duration::from_millis(60);
const MESSAGE_BYTES: usize = 200;

/// The clients that always make trouble.
const TROUBLE: [(Kind, usize); 3] = [(Kind::Drips, 4), (Kind::Resets, 3), (Kind::Leaves, 3)];

/// The window of the server: small, so that it is full after the warm-up.
const WINDOW_BYTES: usize = 65_536;

/// The length of a round, if there is time for as many rounds as a comparison needs.
const ROUND_MAX: Duration = Duration::from_secs(60);
const ROUNDS: usize = 5;

/// Runs the test for this long, with a line for each round, and returns its summary.
pub fn soak(time: Duration, out: &mut dyn Write) -> Outcome<Table> {
    let mut soak = Soak::start()?;
    let round = (time / ROUNDS as u32).min(ROUND_MAX);
    let warmed_up = soak.warm_up(round)?;
    let crowd = &mut soak.gather()?;
    let start = Instant::now();
    let before = soak.cpu()?;
    let mut rounds = Vec::new();
    while start.elapsed() < time || rounds.len() < rest::ROUNDS_MIN {
        let rest = soak.round(crowd, round)?;
        rounds.push(rest);
        let Rest { resident_bytes, descriptors, connections } = rest;
        let (seconds, visits) = (start.elapsed().as_secs_f64(), soak.tally.visits);
        let (checked, kept) = (soak.sum(|report| report.deliveries), kib(resident_bytes));
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
    rest::check_growth(&rounds)?;
    end.check_memory(&warmed_up)?;
    let share = |at: usize| (used[at] - before[at]) as f64 / took.as_nanos() as f64 * 100.0;
    let mut table = Table::default();
    table.add("seconds", "time", took.as_secs_f64(), "s");
    table.add("rounds", "rounds", rounds.len() as f64, "");
    let said = soak.sum(|report| report.said.iter().map(|one| one.messages).sum());
    for (key, label, value) in [
        ("connects", "connections, in all", soak.tally.visits),
        ("refused", "  refused: server full, too many from one address", soak.tally.refused),
        ("given_up", "  reset by the server: took nothing", soak.tally.given_up),
        ("said", "messages of the steady clients", said),
        ("deliveries", "  deliveries to them, all checked", soak.sum(|report| report.deliveries)),
        ("heard", "  deliveries to the other clients, all checked", soak.tally.messages),
        ("missed", "  lines that these missed, as announced", soak.tally.missed),
    ] {
        table.add(key, label, value as f64, "");
    }
    let p99_ms = soak.reports.iter().map(|report| report.latency_us(99.0) / 1e3);
    table.add("p99_ms", "latency p99, the worst round", p99_ms.fold(0.0, f64::max), "ms");
    table.add("server_cpu", "processor, server", share(0), "% of a core");
    table.add("own_cpu", "processor, all clients", share(1), "% of a core");
    let memory = |rest: &Rest| kib(rest.resident_bytes) as f64;
    table.add("memory_before", "memory after the warm-up, no clients", memory(&warmed_up), "KiB");
    table.add("memory_after", "memory at the end, no clients", memory(&end), "KiB");
    let growth = rest::growth(&rounds).map(|grown| grown / 1024.0);
    table.add("growth", "growth over all rounds", growth, "KiB");
    table.add("descriptors", "descriptors at the end", end.descriptors as f64, "");
    table.add("connections", "connections at the end", end.connections as f64, "");
    Ok(table)
}

struct Soak {
    server: Started,
    /// Descriptors that are not for clients.
    descriptors: u64,
    /// What all but the steady clients have done.
    tally: Tally,
    /// What the steady clients have done, round by round.
    reports: Vec<Report>,
}

impl Soak {
    fn start() -> Outcome<Soak> {
        // Everything that happens to clients shall happen often. The steady and the troublesome
        // clients connect from 127.0.0.x and 127.0.1.x, the visitors from 127.0.2.x and 127.0.3.x.
        let flags = [
            &format!("--max-clients={MAX_CLIENTS}"),
            &format!("--per-address={PER_ADDRESS}"),
            &format!("--max-endless={MAX_ENDLESS}"),
            &format!("--window={WINDOW_BYTES}"),
            "--stuck=6",
            "--idle=30",
            "--exempt=127.0.0.0/23",
        ];
        let server = Started::chinwag_logging("off", &flags)?;
        // By now it has closed what it opens only at the start.
        gauge::cpu_ns_at_rest(server.pid())?;
        let descriptors = gauge::descriptors(server.pid())?;
        Ok(Soak { server, descriptors, tally: Tally::default(), reports: Vec::new() })
    }

    /// One round with a crowd of its own, which then leaves. After that the server has what it
    /// keeps for good.
    fn warm_up(&mut self, round: Duration) -> Outcome<Rest> {
        let mut crowd = self.gather()?;
        // The messages fill the window.
        let messages = (2 * WINDOW_BYTES / MESSAGE_BYTES / STEADY) as u64;
        load::run(&mut crowd, &talkers(Pace::Window(4)), Until::Heard(messages))?;
        self.round(&mut crowd, round)?;
        crowd.clients.clear();
        self.rest(&mut crowd)
    }

    fn gather(&self) -> Outcome<Crowd> {
        Crowd::of_chinwag(self.server.address, STEADY)
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
        self.tally = others.tally();
        self.rest(crowd)
    }

    fn sum(&self, of: impl Fn(&Report) -> u64) -> u64 {
        self.reports.iter().map(of).sum()
    }

    /// Waits until the server has only the clients of this crowd, and no other descriptor or
    /// connection more than at its start.
    fn rest(&self, crowd: &mut Crowd) -> Outcome<Rest> {
        let (pid, port) = (self.server.pid(), self.server.address.port());
        let (own, here) = (self.descriptors, crowd.clients.len() as u64);
        let mut patience = Patience::full();
        loop {
            crowd.hear(WAIT_MAX)?;
            gauge::cpu_ns_at_rest(pid)?;
            let rest = Rest::now(pid, port)?;
            let Rest { descriptors, connections, .. } = rest;
            if descriptors == own + here && connections == here {
                return Ok(rest);
            }
            let what = || {
                format!(
                    "with {here} clients and {own} descriptors of its own it has {connections} \
                     connections and {descriptors} descriptors"
                )
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
