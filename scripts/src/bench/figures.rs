//! The figures that chinwag has to reach, most of them compared with bare loops on the same
//! sockets.
//!
//! Server and loop run in turn, so that any other work of the machine hits both. The least of the
//! runs is the least disturbed one, and of a rate the most. Every delivery is checked.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};

use super::load::{Kind, Load, Metric};
use super::peer::Peer;
use super::results::Results;
use super::{report, runs};
use crate::crowd::program::{all_if_none, count};
use crate::crowd::{Outcome, Strace};

/// Measures chinwag against bare loops and prints a table: figure, measured, compared, target.
#[derive(Clone, Debug, Args)]
pub struct Flags {
    /// Which figures [default: all]
    #[arg(value_name = "FIGURE")]
    figures: Vec<Figure>,
    /// Runs of each side; the least counts
    #[arg(long, default_value_t = 10)]
    runs: usize,
    /// How many clients the figures with many clients have
    #[arg(long, default_value_t = 15_000, value_parser = count())]
    many: u32,
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

/// The clients of the smaller figures.
const SOME: usize = 1000;
const MORE: usize = 5000;

/// The idle clients of a private reply, if they are few.
const FEW: usize = 10;

/// What is measured: a load on a server.
type Subject = (Load, Peer);

/// One figure: what is measured, with what it is compared, and what it should be.
struct Row {
    name: String,
    subject: Subject,
    against: Option<Subject>,
    metric: Metric,
    target: &'static str,
}

impl Row {
    fn new(name: &str, load: Load, metric: Metric, target: &'static str) -> Row {
        let (name, subject) = (name.to_owned(), (load, Peer::Chinwag));
        Row { name, subject, against: None, metric, target }
    }

    /// The same on so many servers, which share one conversation.
    fn on_servers(self, servers: u8) -> Row {
        Row { subject: (self.subject.0, Peer::Cluster(servers)), ..self }
    }

    /// The same, compared with this load on this server.
    fn against(self, load: Load, peer: Peer) -> Row {
        Row { against: Some((load, peer)), ..self }
    }

    fn show(&self, results: &Results) {
        let cell = |(load, peer)| report::cell(results, peer, load, self.metric);
        let least = |(load, peer)| Some(results.range(load, peer, self.metric)?.0);
        let against = self.against.and_then(|other| {
            let (ours, its) = (least(self.subject)?, least(other)?);
            Some(match self.metric {
                Metric::P50Ms | Metric::P99Ms => {
                    format!("{:+.3} ms on {}", ours - its, cell(other))
                }
                _ => format!("x {:.3} of {}", ours / its, cell(other)),
            })
        });
        let (name, measured, against) =
            (&self.name, cell(self.subject), against.unwrap_or_default());
        println!("{name:52} {measured:>18}   {against:32} {}", self.target);
    }
}

/// Measures and prints them.
pub fn show(flags: &Flags) -> Outcome<()> {
    for figure in all_if_none(&flags.figures) {
        let rows = figure.rows(flags.many as usize);
        let subjects: BTreeSet<Subject> =
            rows.iter().flat_map(|row| [row.subject].into_iter().chain(row.against)).collect();
        let mut lacking = subjects.iter().filter_map(|(_, peer)| peer.version().err());
        let no_strace = *figure == Figure::Calls && !Strace::is_there();
        let lacking = lacking.next().or(no_strace.then(|| "apt-get install strace".to_owned()));
        if let Some(mend) = lacking {
            println!("{figure:?}: not measured: {mend}");
            continue;
        }
        let mut results = Results::default();
        for _ in 0..flags.runs {
            for (load, peer) in &subjects {
                results.add(*load, *peer, runs::run(*load, *peer, &mut None)?);
            }
        }
        rows.iter().for_each(|row| row.show(&results));
    }
    Ok(())
}

impl Figure {
    fn rows(self, many: usize) -> Vec<Row> {
        use Metric::*;
        let (flood, storm, each) = (Kind::Flood.usual(), Kind::Storm.to(many), Kind::Each.to(many));
        match self {
            Figure::Single => {
                let row = |clients| {
                    let name = format!("one message at a time, {clients} clients");
                    let load = Kind::Single.to(clients);
                    Row::new(&name, load, CpuNs, "<= x 1.05").against(load, Peer::Send)
                };
                [SOME, MORE, many].map(row).into()
            }
            Figure::Calls => vec![
                Row::new("sends a delivery", Kind::Calls.usual(), Sends, "1"),
                Row::new("  other calls a message", Kind::Calls.usual(), OtherCalls, "<= 4"),
            ],
            Figure::Flood => vec![
                Row::new("flood", flood, CpuNs, "<= x 1.5").against(flood, Peer::Pump),
                Row::new("  deliveries/s", flood, PerSecond, ">= 30 M if idle"),
            ],
            Figure::Idle => vec![Row::new("an idle client", storm, Bytes, "<= 256 bytes")],
            Figure::Stuck => {
                let (with, without) = (Kind::Beside.to(2 * SOME), Kind::Beside.to(SOME));
                let cpu = Row::new("  a delivery to 1000 others", with, CpuNs, "<= x 1.1");
                vec![
                    Row::new("each of 1000 that never read", with, Bytes, "<= 8 KiB"),
                    cpu.against(without, Peer::Chinwag),
                ]
            }
            Figure::Connect => vec![
                Row::new("a connection", storm, CpuNs, "<= x 4").against(storm, Peer::Accept),
                Row::new("  all are welcomed and received a line", each, Seconds, "<= 1.5 s"),
                Row::new("  a line of each arrived", each, TakenIn, "<= 1.5 s"),
            ],
            Figure::Fair => {
                let (fair, talkers) = (Kind::Fair.usual(), Kind::Talkers.usual());
                let long = Load { bytes: 1000, ..fair };
                let beside = |window| Load { window, ..talkers };
                vec![
                    Row::new("100 flooders: Jain index", fair, Jain, ">= 0.95"),
                    Row::new("  lines of 64 and of 1000 bytes", long, Jain, ">= 0.95"),
                    Row::new("50 talkers: p99", beside(Some(0)), P99Ms, ""),
                    Row::new("  beside a flooder, 1000 in flight", talkers, P99Ms, ""),
                    Row::new("  beside one that waits for none", beside(None), P99Ms, ""),
                ]
            }
            Figure::Private => {
                let (name, few) = (format!("a private reply, {many} idle clients"), FEW);
                let row = Row::new(&name, Kind::Private.to(many), CpuNs, "x 1.0");
                vec![row.against(Kind::Private.to(few), Peer::Chinwag)]
            }
            Figure::Cluster => cluster(),
        }
    }
}

/// The figures of servers that share one conversation.
fn cluster() -> Vec<Row> {
    use Metric::*;
    let two = |name: &str, load, metric, target| Row::new(name, load, metric, target).on_servers(2);
    let (chat, alone) = (Kind::Chat.usual(), Peer::Chinwag);
    let p50 = two("1000 lines/s on two servers: p50", chat, P50Ms, "<= 0.15 ms more");
    let p99 = two("  p99", chat, P99Ms, "<= 1 ms more");
    let mut rows = vec![p50.against(chat, alone), p99.against(chat, alone)];
    for (clients, window) in [(2, 1000), (10, 200), (10, 4000)] {
        let load = Load { window: Some(window), ..Kind::Fair.to(clients) };
        let name = format!("lines/s on two servers, {clients} x {window} in flight");
        rows.push(two(&name, load, LinesPerSecond, ">= 0.3 M"));
        rows.push(two("  CPU of the engine for a line", load, EngineNs, ""));
        rows.push(Row::new("  one server alone", load, LinesPerSecond, ""));
    }
    for servers in 2..=4 {
        let load = Load { window: Some(4000), ..Kind::Flood.to(SOME * usize::from(servers)) };
        let name = format!("1000 clients on each of {servers} servers");
        let row = Row::new(&name, load, CpuNs, "x 1.0").on_servers(servers);
        rows.push(row.against(load, alone));
    }
    rows
}
