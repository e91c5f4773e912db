//! The soak test: steady clients that talk and read everything, and round after round of visitors
//! that connect and leave. After each round only the steady clients are there, and the server must
//! be as it was before.

use std::io::Write;
use std::time::{Duration, Instant};

use super::guests::Guests;
use super::rest::{self, Rest, kib};
use super::script::{MAX_CLIENTS, MAX_ENDLESS, PER_ADDRESS};
use crate::crowd::gauge;
use crate::crowd::load::{self, Load, Pace, Talker, Until};
use crate::crowd::sockets::Crowd;
use crate::crowd::started::Started;
use crate::crowd::table::Table;
use crate::crowd::visitors::{self, Tally};
use crate::crowd::{Fault, Outcome, Patience};
use crate::stress::trouble::{Kind, Troublemakers};

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

/// Before a round ends, new clients get this much time to be let in.
const CALM: Duration = Duration::from_secs(1);

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
        soak.round(crowd, round)?;
        let rest = soak.rest_with(crowd)?;
        rounds.push(rest);
        writeln!(out, "{}", soak.progress(start.elapsed(), &rest))?;
        out.flush()?;
    }
    let (took, used) = (start.elapsed(), soak.cpu()?);
    crowd.clients.clear();
    let end = soak.rest(0, &mut || Ok(()))?;
    rest::check_growth(&rounds)?;
    end.check_memory(&warmed_up)?;
    let share = |at: usize| (used[at] - before[at]) as f64 / took.as_nanos() as f64 * 100.0;
    let mut table = Table::default();
    table.add("seconds", "time", took.as_secs_f64(), "s");
    table.add("rounds", "rounds", rounds.len() as f64, "");
    soak.tell(&mut table);
    table.add("server_cpu", "processor, server", share(0), "% of a core");
    table.add("own_cpu", "processor, all clients", share(1), "% of a core");
    let memory = |rest: &Rest| kib(rest.resident_bytes) as f64;
    table.add("memory_before", "memory after the warm-up, no clients", memory(&warmed_up), "KiB");
    table.add("memory_after", "memory at the end, no clients", memory(&end), "KiB");
    let growth = rest::growth(&rounds).map(|grown| grown / 1024.0).ok_or("too few rounds");
    table.add_if_known("growth", "growth over all rounds", growth, "KiB");
    table.add("descriptors", "descriptors at the end", end.descriptors as f64, "");
    table.add("connections", "connections at the end", end.connections as f64, "");
    Ok(table)
}

struct Soak {
    server: Started,
    /// Descriptors that are not for clients.
    descriptors: u64,
    visitors: Guests,
    trouble: Tally,
    deliveries: u64,
    said: u64,
    /// The 99th percentile of the latency in the worst round, in microseconds.
    latency_us_max: f64,
}

impl Soak {
    fn start() -> Outcome<Soak> {
        let number = |number: usize| number.to_string();
        let (clients, address) = (&number(MAX_CLIENTS), &number(PER_ADDRESS));
        let (endless, window) = (&number(MAX_ENDLESS), &number(WINDOW_BYTES));
        // Everything that happens to clients shall happen often. The steady and the troublesome
        // clients connect from 127.0.0.x and 127.0.1.x, the visitors from 127.0.2.x and 127.0.3.x.
        let flags = [
            ["--max-clients", clients],
            ["--per-address", address],
            ["--max-endless", endless],
            ["--window", window],
            ["--stuck", "6"],
            ["--idle", "30"],
            ["--exempt", "127.0.0.0/23"],
        ];
        let server = Started::chinwag_logging("off", &flags.concat())?;
        // By now it has closed what it opens only at the start.
        gauge::cpu_ns_at_rest(server.pid())?;
        Ok(Soak {
            descriptors: gauge::descriptors(server.pid())?,
            visitors: Guests::new(server.address)?,
            server,
            trouble: Tally::default(),
            deliveries: 0,
            said: 0,
            latency_us_max: 0.0,
        })
    }

    /// One round with a crowd of its own, which then leaves. After that the server has what it
    /// keeps for good.
    fn warm_up(&mut self, round: Duration) -> Outcome<Rest> {
        let mut crowd = self.gather()?;
        // The messages fill the window.
        let messages = (2 * WINDOW_BYTES / MESSAGE_BYTES / STEADY) as u64;
        let window = Pace::Window(4);
        load::run(&mut crowd, &talkers(window), Until::Heard(messages))?;
        self.round(&mut crowd, round)?;
        self.rest_with(&mut crowd)?;
        drop(crowd);
        self.rest(0, &mut || Ok(()))
    }

    fn gather(&self) -> Outcome<Crowd> {
        Crowd::of_chinwag(self.server.address, STEADY)
    }

    fn round(&mut self, crowd: &mut Crowd, time: Duration) -> Outcome<()> {
        let mut others = Troublemakers::new(self.server.address, &TROUBLE)?;
        let mut load = Load::new(crowd, &talkers(Pace::Every(PERIOD)), Until::Time(time));
        while !load.is_over() {
            load.turn(visitors::WAIT_MAX)?;
            others.turn(load.record())?;
            self.visitors.come_and_go(load.record())?;
        }
        others.calm_down();
        self.visitors.calm_down();
        let calm = Instant::now();
        while self.visitors.here() > 0 || calm.elapsed() < CALM {
            load.turn(visitors::WAIT_MAX)?;
            others.turn(load.record())?;
            self.visitors.turn(load.record())?;
        }
        load.settle(visitors::WAIT_MAX, &mut |load| others.turn(load.record()))?;
        load.end()?;
        others.listen_to_the_end(load.record())?;
        self.trouble.add(others.tally());
        drop(others);
        let report = load.report()?;
        if report.lines_missed > 0 {
            let missed = report.lines_missed;
            return Err(Fault(format!("clients that keep up missed {missed} lines")).into());
        }
        self.deliveries += report.deliveries;
        self.said += report.said.iter().map(|one| one.messages).sum::<u64>();
        self.latency_us_max = self.latency_us_max.max(report.latency_us(99.0));
        Ok(())
    }

    /// Fills the server when only the crowd is left. When those clients have left, one more asks
    /// how many are here. Returns the state after that.
    fn rest_with(&mut self, crowd: &mut Crowd) -> Outcome<Rest> {
        let steady = crowd.clients.len();
        self.rest(steady, &mut || listen(crowd))?;
        self.visitors.fill(MAX_CLIENTS - steady)?;
        self.see_off(crowd)?;
        self.rest(steady, &mut || listen(crowd))?;
        self.visitors.ask(steady + 1)?;
        self.see_off(crowd)?;
        self.rest(steady, &mut || listen(crowd))
    }

    fn see_off(&mut self, crowd: &mut Crowd) -> Outcome<()> {
        while self.visitors.here() > 0 {
            listen(crowd)?;
            self.visitors.turn(&crowd.record)?;
        }
        Ok(())
    }

    /// Waits until the server has this many clients, and no other descriptor or connection more
    /// than at its start.
    fn rest(&self, clients: usize, meanwhile: &mut dyn FnMut() -> Outcome<()>) -> Outcome<Rest> {
        let (pid, port) = (self.server.pid(), self.server.address.port());
        let mut patience = Patience::full();
        loop {
            meanwhile()?;
            gauge::cpu_ns_at_rest(pid)?;
            let rest = Rest::now(pid, port)?;
            let Rest { descriptors, connections, .. } = rest;
            let here = clients as u64;
            if descriptors == self.descriptors + here && connections == here {
                return Ok(rest);
            }
            let own = self.descriptors;
            let what = || {
                format!(
                    "with {here} clients and {own} descriptors of its own it has {connections} \
                     connections and {descriptors} descriptors"
                )
            };
            patience.check(false, what)?;
        }
    }

    /// The processor time of the server and of this process, in nanoseconds.
    fn cpu(&self) -> Outcome<[u64; 2]> {
        Ok([gauge::cpu_ns(self.server.pid())?, gauge::cpu_ns(std::process::id())?])
    }

    fn connects(&self) -> u64 {
        self.visitors.tally().visits + self.trouble.visits
    }

    fn progress(&self, time: Duration, rest: &Rest) -> String {
        let Rest { resident_bytes, descriptors, connections } = rest;
        format!(
            "{:5.0} s: {} came and went, {} deliveries checked; at rest {} KiB, {descriptors} \
             descriptors, {connections} connections",
            time.as_secs_f64(),
            self.connects(),
            self.deliveries,
            kib(*resident_bytes),
        )
    }

    fn tell(&self, table: &mut Table) {
        let visitors = self.visitors.tally();
        let heard = visitors.messages + self.trouble.messages;
        let missed = visitors.missed + self.trouble.missed;
        for (key, label, value) in [
            ("connects", "connections, in all", self.connects()),
            ("refused", "  refused: server full, too many from one address", visitors.refused),
            (
                "given_up",
                "  reset by the server: took nothing",
                visitors.given_up + self.trouble.given_up,
            ),
            ("said", "messages of the steady clients", self.said),
            ("deliveries", "  deliveries to them, all checked", self.deliveries),
            ("heard", "  deliveries to the other clients, all checked", heard),
            ("missed", "  lines that these missed, as announced", missed),
        ] {
            table.add(key, label, value as f64, "");
        }
        table.add("p99_ms", "latency p99, the worst round", self.latency_us_max / 1e3, "ms");
    }
}

fn talkers(pace: Pace) -> Vec<Talker> {
    let talker = |client| Talker { client, pace, message_bytes: MESSAGE_BYTES, timed: true };
    (0..STEADY).map(talker).collect()
}

/// The crowd reads what comes, and sends nothing.
fn listen(crowd: &mut Crowd) -> Outcome<()> {
    crowd.read(visitors::WAIT_MAX)?;
    let heard = crowd.catch_up()?;
    crowd.record.forget(heard);
    Ok(())
}
