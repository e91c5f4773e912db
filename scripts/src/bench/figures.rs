//! The figures that chinwag has to reach, compared with bare loops on the same sockets.
//!
//! Server and loop run in turn, so that any other work of the machine hits both. The measure is
//! processor time of the server's process per unit of work. The least of the runs is the least
//! disturbed one. Every delivery is checked.

use std::io::{self, Write};

use clap::{Args, ValueEnum};

use super::app::all_if_none;
use super::cluster;
use super::load::{Kind, Load, Measured, Metric};
use super::peer::Peer;
use super::results::Runs;
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
    for figure in all_if_none(&flags.figures) {
        match figure {
            Figure::Single => flags.single(),
            Figure::Calls => calls(),
            Figure::Flood => flags.flood(),
            Figure::Idle => flags.idle(),
            Figure::Stuck => flags.stuck(),
            Figure::Connect => flags.connect(),
            Figure::Fair => flags.fair(),
            Figure::Private => flags.private(),
            Figure::Cluster => cluster::show(flags),
        }?;
    }
    Ok(())
}

/// One line: the name, the measured value, the target, and the raw values behind it.
pub fn row(figure: &str, measured: String, target: &str, raw: &str) -> Outcome<()> {
    Ok(writeln!(io::stdout(), "{figure:52} {measured:>14}   {target:22} {raw}")?)
}

impl Flags {
    /// Runs these in turn, and returns what the runs of each have measured.
    pub fn in_turn<const N: usize, F>(&self, each: [F; N]) -> Outcome<[Runs; N]>
    where
        F: Fn() -> Outcome<Measured>,
    {
        let mut all = [(); N].map(|()| Runs::default());
        for _ in 0..self.runs {
            for (runs, run) in all.iter_mut().zip(&each) {
                runs.add(run()?);
            }
        }
        Ok(all)
    }

    /// The same for loads.
    fn measure<const N: usize>(&self, loads: [(Load, Peer); N]) -> Outcome<[Runs; N]> {
        self.in_turn(loads.map(|(load, peer)| move || runs::run(load, peer, &mut None)))
    }

    /// The least processor time of each.
    fn cpu_ns<const N: usize>(&self, loads: [(Load, Peer); N]) -> Outcome<[f64; N]> {
        Ok(self.measure(loads)?.map(|runs| runs.least(Metric::CpuNs)))
    }

    fn single(&self) -> Outcome<()> {
        for clients in [SOME, MORE, self.many] {
            let (load, bare) = (Kind::Single.to(clients), Peer::Send);
            let loads = [(load, bare), (load, Peer::Chinwag), (load, bare)];
            let [before, ours, after] = self.cpu_ns(loads)?;
            let bare = before.min(after);
            let raw = format!("{ours:.0} ns, bare {before:.0} and {after:.0} ns");
            let figure = format!("one message at a time, {clients} clients");
            row(&figure, format!("x {:.3}", ours / bare), "<= x 1.05", &raw)?;
            let spread = before.max(after) / bare;
            row("  the bare loop against itself", format!("x {spread:.3}"), "", "")?;
        }
        Ok(())
    }

    fn flood(&self) -> Outcome<()> {
        let load = Kind::Flood.usual();
        let [ours, pump] = self.measure([(load, Peer::Chinwag), (load, Peer::Pump)])?;
        let [cpu_ns, bare] = [&ours, &pump].map(|runs| runs.least(Metric::CpuNs));
        let raw = format!("{cpu_ns:.2} ns, pump {bare:.2} ns");
        let ratio = format!("x {:.2}", cpu_ns / bare);
        row("flood, 1000 clients: CPU per delivery", ratio, "<= x 1.5", &raw)?;
        let measured = format!("{:.1} million/s", ours.most(Metric::PerSecond) / 1e6);
        row("  deliveries", measured, ">= 30 if idle", "the best run")
    }

    fn idle(&self) -> Outcome<()> {
        let [ours] = self.measure([(Kind::Storm.to(self.many), Peer::Chinwag)])?;
        let figure = format!("memory per idle client, {} clients", self.many);
        row(&figure, format!("{:.0} bytes", ours.least(Metric::Bytes)), "<= 256 bytes", "")
    }

    fn stuck(&self) -> Outcome<()> {
        let load = |stuck| (Kind::Beside.to(SOME + stuck), Peer::Chinwag);
        let [beside, alone] = self.measure([load(NEVER_READ), load(0)])?;
        let more = beside.most(Metric::Bytes) - alone.most(Metric::Bytes);
        let measured = format!("{:.2} KiB", more / NEVER_READ as f64 / 1024.0);
        row("1000 that never read: memory each", measured, "<= 8 KiB", "the worst run")?;
        let [with, without] = [beside, alone].map(|runs| runs.least(Metric::CpuNs));
        let raw = format!("{with:.2} ns, without {without:.2} ns");
        let measured = format!("x {:.3}", with / without);
        row("  CPU per delivery to the others", measured, "<= x 1.1", &raw)
    }

    fn connect(&self) -> Outcome<()> {
        let many = self.many;
        let (storm, each) = (Kind::Storm.to(many), Kind::Each.to(many));
        let loads = [(storm, Peer::Chinwag), (storm, Peer::Accept), (each, Peer::Chinwag)];
        let [ours, bare, each] = self.measure(loads)?;
        let [ours, bare] = [ours, bare].map(|runs| runs.least(Metric::CpuNs));
        let raw = format!("{:.1} us, bare {:.1} us", ours / 1e3, bare / 1e3);
        let figure = format!("{many} connections: CPU each");
        row(&figure, format!("x {:.2}", ours / bare), "<= x 4", &raw)?;
        let one_line = format!("{:.2} s", each.least(Metric::Seconds));
        let figure = "  all welcomed, and all received a line";
        row(figure, one_line, "<= 1.5 s", "after the last connect")?;
        let (deliveries, heard) = ((many * many) as f64 / 1e6, each.least(Metric::Heard));
        let raw = format!("{deliveries:.0} million deliveries, the last after {heard:.2} s");
        let taken_in = format!("{:.2} s", each.least(Metric::TakenIn));
        row("  a line of each of them arrived", taken_in, "<= 1.5 s", &raw)
    }

    fn fair(&self) -> Outcome<()> {
        let of = |bytes| (Load { bytes, ..Kind::Fair.usual() }, Peer::Chinwag);
        let [same, mixed] = self.measure([of(64), of(1000)])?;
        for (figure, runs) in
            [("100 flooders: Jain index", same), ("  lines of 64 and of 1000 bytes", mixed)]
        {
            row(figure, format!("{:.4}", runs.least(Metric::Jain)), ">= 0.95", "the worst run")?;
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
            row(&figure, format!("{:.1} ms", report.latency_us(99.0) / 1e3), "reported", &raw)?;
        }
        Ok(())
    }

    fn private(&self) -> Outcome<()> {
        let load = |clients| (Kind::Private.to(clients), Peer::Chinwag);
        let [few, many] = self.cpu_ns([load(FEW), load(self.many)])?;
        let raw = format!("{:.1} us, with 10 {:.1} us", many / 1e3, few / 1e3);
        let figure = format!("a private reply, {} idle clients", self.many);
        row(&figure, format!("x {:.3}", many / few), "x 1.0", &raw)
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
    row("sends, 100 messages to 1000 clients", sum(true).to_string(), &target, "")?;
    let raw = calls.iter().map(|(name, calls)| format!("{calls} {name}"));
    let raw = raw.collect::<Vec<_>>().join(", ");
    let each = sum(false) as f64 / CALLS_MESSAGES as f64;
    row("  other calls a message", format!("{each:.2}"), "<= 4", &raw)
}
