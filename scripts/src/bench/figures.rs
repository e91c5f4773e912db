//! The figures that chinwag has to reach, compared with bare loops on the same sockets.
//!
//! Server and loop run in turn, so that any other work of the machine hits both. The measure is
//! processor time of the server's process per unit of work. The least of the runs is the least
//! disturbed one. Every delivery is checked.

use clap::{Args, ValueEnum};

use super::cluster;
use super::load::{Load, Metric};
use super::peer::Peer;
use super::results::Results;
use super::runs;
use crate::crowd::Outcome;
use crate::crowd::gauge::Strace;
use crate::crowd::load::{Pace, Report};

/// Measures chinwag against bare loops and prints a table: figure, measured, target.
#[derive(Clone, Debug, Args)]
pub struct Flags {
    /// Which figures [default: all]
    #[arg(value_name = "FIGURE")]
    figures: Vec<Figure>,
    /// Runs of each side; the least counts
    #[arg(long, default_value_t = 10)]
    runs: usize,
    /// How many clients the figures with many clients have
    #[arg(long, default_value_t = 15_000)]
    many: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Figure {
    /// One message at a time
    Single,
    /// System calls a message, by strace
    Calls,
    /// One sender, 1000 messages in flight
    Flood,
    /// Memory of idle clients
    Idle,
    /// Clients that never read
    Stuck,
    /// A storm of connections
    Connect,
    /// Flooders and talkers
    Fair,
    /// A private reply
    Private,
    /// Servers that share one conversation by a redis-server, if that is installed
    Cluster,
}

/// The clients of the smaller figures, and those that never read.
const SOME: usize = 1000;
const MORE: usize = 5000;
const NEVER_READ: usize = 1000;

/// The idle clients of a private reply, if they are few.
const FEW: usize = 10;

/// The messages whose system calls are counted.
const CALLS_MESSAGES: u64 = 100;

/// Measures and prints them.
pub fn show(flags: &Flags) -> Outcome<()> {
    let all = Figure::value_variants();
    let figures = if flags.figures.is_empty() { all } else { &flags.figures };
    for figure in figures {
        let mut results = Results::default();
        for _ in 0..flags.runs {
            for (load, peer) in figure.loads(flags.many) {
                results.add(load, peer, runs::run(load, peer)?);
            }
        }
        Shown { results, many: flags.many, runs: flags.runs }.rows(*figure)?;
    }
    Ok(())
}

impl Figure {
    /// What one run of it measures.
    fn loads(self, many: usize) -> Vec<(Load, Peer)> {
        let ours = |load| (load, Peer::Chinwag);
        let single = |clients| {
            let bare = (Load::Single(clients), Peer::Send);
            [bare, ours(Load::Single(clients)), bare]
        };
        match self {
            Figure::Single => [SOME, MORE, many].into_iter().flat_map(single).collect(),
            Figure::Flood => vec![ours(Load::Flood), (Load::Flood, Peer::Pump)],
            Figure::Idle => vec![ours(Load::Storm(many))],
            Figure::Stuck => vec![ours(Load::Beside(0)), ours(Load::Beside(NEVER_READ))],
            Figure::Connect => {
                let storm = Load::Storm(many);
                vec![ours(storm), (storm, Peer::Accept), ours(Load::Each(many))]
            }
            Figure::Private => vec![ours(Load::Private(FEW)), ours(Load::Private(many))],
            Figure::Calls | Figure::Cluster => Vec::new(),
            Figure::Fair => vec![ours(Load::Fair)],
        }
    }
}

/// One line: the name, the measured value, the target, and the raw values behind it.
fn row(figure: &str, measured: String, target: &str, raw: &str) {
    println!("{figure:52} {measured:>14}   {target:22} {raw}");
}

struct Shown {
    results: Results,
    many: usize,
    runs: usize,
}

impl Shown {
    fn least(&self, load: Load, peer: Peer, metric: Metric) -> f64 {
        self.results.range(load, peer, metric).map_or(f64::NAN, |(least, _)| least)
    }

    fn most(&self, load: Load, metric: Metric) -> f64 {
        self.results.range(load, Peer::Chinwag, metric).map_or(f64::NAN, |(_, most)| most)
    }

    /// Our processor time, and that of another.
    fn cpu_ns(&self, load: Load, peer: Peer) -> [f64; 2] {
        [Peer::Chinwag, peer].map(|peer| self.least(load, peer, Metric::CpuNs))
    }

    fn rows(&self, figure: Figure) -> Outcome<()> {
        match figure {
            Figure::Single => [SOME, MORE, self.many].into_iter().for_each(|it| self.single(it)),
            Figure::Calls => return calls(),
            Figure::Cluster => return cluster::show(self.runs, row),
            Figure::Flood => self.flood(),
            Figure::Idle => {
                let bytes = self.least(Load::Storm(self.many), Peer::Chinwag, Metric::Bytes);
                let figure = format!("memory per idle client, {} clients", self.many);
                row(&figure, format!("{bytes:.0} bytes"), "<= 256 bytes", "");
            }
            Figure::Stuck => self.stuck(),
            Figure::Connect => self.connect(),
            Figure::Fair => return self.fair(),
            Figure::Private => self.private(),
        }
        Ok(())
    }

    fn single(&self, clients: usize) {
        let load = Load::Single(clients);
        let [ours, bare] = self.cpu_ns(load, Peer::Send);
        let loops = self.results.runs(load, Peer::Send, Metric::CpuNs).unwrap_or_default();
        // In each run, the loop comes before the server and again after it.
        let [before, after] = [0, 1]
            .map(|from| loops.iter().skip(from).step_by(2).copied().fold(f64::INFINITY, f64::min));
        let raw = format!("{ours:.0} ns, bare {before:.0} and {after:.0} ns");
        let figure = format!("one message at a time, {clients} clients");
        row(&figure, format!("x {:.3}", ours / bare), "<= x 1.05", &raw);
        let spread = before.max(after) / bare;
        row("  the bare loop against itself", format!("x {spread:.3}"), "", "");
    }

    fn flood(&self) {
        let [ours, bare] = self.cpu_ns(Load::Flood, Peer::Pump);
        let (figure, raw) =
            ("flood, 1000 clients: CPU per delivery", format!("{ours:.2} ns, pump {bare:.2} ns"));
        row(figure, format!("x {:.2}", ours / bare), "<= x 1.5", &raw);
        let measured = format!("{:.1} million/s", self.most(Load::Flood, Metric::PerSecond) / 1e6);
        row("  deliveries", measured, ">= 30 if idle", "the best run");
    }

    fn stuck(&self) {
        let [beside, alone] = [NEVER_READ, 0].map(Load::Beside);
        let [most, before] = [beside, alone].map(|load| self.most(load, Metric::Bytes));
        let kib = (most - before) / NEVER_READ as f64 / 1024.0;
        let measured = format!("{kib:.2} KiB");
        row("1000 that never read: memory each", measured, "<= 8 KiB", "the worst run");
        let [with, without] =
            [beside, alone].map(|load| self.least(load, Peer::Chinwag, Metric::CpuNs));
        let raw = format!("{with:.2} ns, without {without:.2} ns");
        let measured = format!("x {:.3}", with / without);
        row("  CPU per delivery to the others", measured, "<= x 1.1", &raw);
    }

    fn connect(&self) {
        let many = self.many;
        let [ours, bare] = self.cpu_ns(Load::Storm(many), Peer::Accept);
        let raw = format!("{:.1} us, bare {:.1} us", ours / 1e3, bare / 1e3);
        let figure = format!("{many} connections: CPU each");
        row(&figure, format!("x {:.2}", ours / bare), "<= x 4", &raw);
        let [one_line, taken_in, heard] = [Metric::Seconds, Metric::TakenIn, Metric::Heard]
            .map(|metric| self.least(Load::Each(many), Peer::Chinwag, metric));
        let figure = "  all welcomed, and all received a line";
        row(figure, format!("{one_line:.2} s"), "<= 1.5 s", "after the last connect");
        let deliveries = (many * many) as f64 / 1e6;
        let raw = format!("{deliveries:.0} million deliveries, the last after {heard:.2} s");
        row("  a line of each of them arrived", format!("{taken_in:.2} s"), "<= 1.5 s", &raw);
    }

    fn fair(&self) -> Outcome<()> {
        for (figure, metric) in [
            ("100 flooders: Jain index", Metric::Jain),
            ("  lines of 64 and of 1000 bytes", Metric::JainMixed),
        ] {
            let index = self.least(Load::Fair, Peer::Chinwag, metric);
            row(figure, format!("{index:.4}"), ">= 0.95", "the worst run");
        }
        for (beside, flooder) in [
            ("nothing else", None),
            ("a flooder, 1000 in flight", Some(Pace::Window(1000))),
            ("a flooder faster than its readers", Some(Pace::Free)),
        ] {
            let report: Report = runs::talkers_beside(flooder)?;
            let figure = format!("50 talkers beside {beside}: p99");
            let bytes: u64 = report.bytes_heard.iter().sum();
            let raw = format!("{:.1} MB, {} lines missed", bytes as f64 / 1e6, report.lines_missed);
            row(&figure, format!("{:.1} ms", report.latency_us(99.0) / 1e3), "reported", &raw);
        }
        Ok(())
    }

    fn private(&self) {
        let [many, few] = [self.many, FEW]
            .map(|clients| self.least(Load::Private(clients), Peer::Chinwag, Metric::CpuNs));
        let raw = format!("{:.1} us, with 10 {:.1} us", many / 1e3, few / 1e3);
        let figure = format!("a private reply, {} idle clients", self.many);
        row(&figure, format!("x {:.3}", many / few), "x 1.0", &raw);
    }
}

fn calls() -> Outcome<()> {
    if !Strace::is_there() {
        println!("system calls: not measured, strace is not installed");
        return Ok(());
    }
    let calls = runs::calls(SOME, CALLS_MESSAGES)?;
    let is_send = |name: &str| ["write", "writev", "sendto", "sendmsg"].contains(&name);
    let sum = |sends| -> u64 {
        calls.iter().filter(|(name, _)| is_send(name) == sends).map(|(_, calls)| calls).sum()
    };
    let target = format!("= {}", SOME as u64 * CALLS_MESSAGES);
    row("sends, 100 messages to 1000 clients", sum(true).to_string(), &target, "");
    let raw = calls.iter().map(|(name, calls)| format!("{calls} {name}"));
    let raw = raw.collect::<Vec<_>>().join(", ");
    let each = sum(false) as f64 / CALLS_MESSAGES as f64;
    row("  other calls a message", format!("{each:.2}"), "<= 4", &raw);
    Ok(())
}
