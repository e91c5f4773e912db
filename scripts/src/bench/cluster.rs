//! The figures of servers that share one conversation by a redis-server.
//!
//! The clients are spread over the servers in turn. All of them must receive the same lines in the
//! same order, whatever server they are on.

use std::net::SocketAddr;
use std::time::Duration;

use procfs::ProcResult;

use super::figures::{Flags, row};
use super::load::{Measured, Metric, USUAL_BYTES};
use super::peer::Peer;
use crate::crowd::Outcome;
use crate::crowd::gauge;
use crate::crowd::load::{self, Pace, Talker, Until};
use crate::crowd::sockets::{Crowd, Server};
use crate::crowd::started::Started;

/// The talkers whose latency is measured, what each of them sends, and for how long.
const TALKERS: usize = 10;
const TALK_EVERY: Duration = Duration::from_millis(10);
const TALK_TIME: Duration = Duration::from_secs(5);

/// The clients that receive that.
const FEW: usize = 20;

/// How long a flood lasts. Through the engine: the clients, which all talk, and how many messages
/// of each are in flight.
const FLOOD_TIME: Duration = Duration::from_secs(2);
const FLOODS: [(usize, u64); 3] = [(2, 1000), (10, 200), (10, 4000)];

/// A flood that grows with the servers: how many these are, the clients of each, and the messages
/// in flight.
const SERVERS: [usize; 3] = [2, 3, 4];
const EACH: usize = 1000;
const SPREAD_WINDOW: u64 = 4000;

/// Servers with one conversation, and their engine. One server alone has none.
struct Cluster {
    servers: Vec<Started>,
    engine: Option<Started>,
}

impl Cluster {
    /// One server alone, or two.
    fn one_or_two(shared: bool) -> Outcome<Cluster> {
        Cluster::start(if shared { 2 } else { 1 }, shared)
    }

    fn start(servers: usize, shared: bool) -> Outcome<Cluster> {
        let engine = shared.then(|| Peer::Redis.start()).transpose()?;
        let start = |at: usize| match &engine {
            None => Started::chinwag(&[]),
            Some(engine) => {
                let engine = format!("redis://{}/bench", engine.address);
                Started::chinwag(&["--cluster", &engine, "--node", &format!("n{at}")])
            }
        };
        let servers = (0..servers).map(start).collect::<Outcome<_>>()?;
        Ok(Cluster { servers, engine })
    }

    /// Has the first of these clients talk for this long.
    fn measure(
        &self,
        clients: usize,
        talkers: usize,
        pace: Pace,
        time: Duration,
    ) -> Outcome<Measured> {
        let addresses: Vec<SocketAddr> = self.servers.iter().map(|one| one.address).collect();
        let crowd = Crowd::new(Server::chinwag(addresses[0], None))?.with_talkers(talkers);
        let mut crowd = crowd.spread_over(addresses);
        crowd.connect(clients)?;
        crowd.begin()?;
        let talker = |client| Talker { client, pace, message_bytes: USUAL_BYTES, timed: true };
        let talkers: Vec<Talker> = (0..talkers).map(talker).collect();
        let before = self.cpu_ns()?;
        let report = load::run(&mut crowd, &talkers, Until::Time(time))?;
        let after = self.cpu_ns()?;
        let lines = report.deliveries as f64 / clients as f64;
        Ok(vec![
            (Metric::P50Ms, report.latency_us(50.0) / 1e3),
            (Metric::P99Ms, report.latency_us(99.0) / 1e3),
            (Metric::PerSecond, lines / report.time.as_secs_f64()),
            (Metric::CpuNs, (after[0] - before[0]) / report.deliveries as f64),
            (Metric::EngineNs, (after[1] - before[1]) / lines),
        ])
    }

    /// The processor time of the servers, and that of the engine.
    fn cpu_ns(&self) -> Outcome<[f64; 2]> {
        let sum = |processes: &[Started]| -> Outcome<f64> {
            let each = processes.iter().map(|one| gauge::cpu_ns(one.pid()));
            Ok(each.sum::<ProcResult<u64>>()? as f64)
        };
        Ok([sum(&self.servers)?, sum(self.engine.as_slice())?])
    }
}

/// 1 000 lines a second: the latency on one server, and on two that share one conversation.
fn talk(shared: bool) -> Outcome<Measured> {
    Cluster::one_or_two(shared)?.measure(FEW, TALKERS, Pace::Every(TALK_EVERY), TALK_TIME)
}

/// As many lines as one server carries, or the engine between two, with so many in flight.
fn flood((clients, window): (usize, u64), shared: bool) -> Outcome<Measured> {
    let cluster = Cluster::one_or_two(shared)?;
    cluster.measure(clients, clients, Pace::Window(window), FLOOD_TIME)
}

/// A flood to so many clients, spread over so many servers.
fn spread(clients: usize, servers: usize) -> Outcome<Measured> {
    Cluster::start(servers, true)?.measure(clients, 1, Pace::Window(SPREAD_WINDOW), FLOOD_TIME)
}

/// Measures and prints them.
pub fn show(flags: &Flags) -> Outcome<()> {
    if let Err(mend) = Peer::Redis.version() {
        println!("servers that share one conversation: not measured: {mend}");
        return Ok(());
    }
    let [alone, two] = flags.in_turn([false, true].map(|shared| move || talk(shared)))?;
    for (figure, target, metric) in [
        ("1000 lines/s on two servers: p50 added", "<= 0.15 ms", Metric::P50Ms),
        ("  p99 added", "<= 1 ms", Metric::P99Ms),
    ] {
        let [alone, two] = [&alone, &two].map(|runs| runs.least(metric));
        let raw = format!("{two:.3} ms, one server alone {alone:.3} ms");
        row(figure, format!("{:.3} ms", two - alone), target, &raw)?;
    }
    for (talkers, window) in FLOODS {
        let floods = [false, true].map(|shared| move || flood((talkers, window), shared));
        let [alone, two] = flags.in_turn(floods)?;
        let [one, both] = [&alone, &two].map(|runs| runs.most(Metric::PerSecond));
        let figure = format!("lines through the engine, {talkers} x {window} in flight");
        let engine_ns = two.least(Metric::EngineNs);
        let raw = format!("one server alone {one:.0} /s; the engine {engine_ns:.0} ns a line");
        row(&figure, format!("{both:.0} /s"), ">= 300 000 /s", &raw)?;
    }
    for servers in SERVERS {
        let spreads = [1, servers].map(|over| move || spread(EACH * servers, over));
        let [one, all] = flags.in_turn(spreads)?.map(|runs| runs.least(Metric::CpuNs));
        let figure = format!("{EACH} clients on each of {servers}: CPU per delivery");
        let raw = format!("{all:.2} ns, with all on one server {one:.2} ns");
        row(&figure, format!("x {:.2}", all / one), "x 1.0", &raw)?;
    }
    Ok(())
}
