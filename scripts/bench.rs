//! The server beside those that one would take instead, and beside what the kernel alone costs.
//!
//! `scripts/bench.sh` builds what this needs and calls it. All servers have the same crowd, the same
//! words and the same machine; each load is run for one server after the other, round after round,
//! so that whatever else the machine does hits all. What counts is processor time of the server's
//! process for each delivery or connection; the least of the runs is the least disturbed one.

#[path = "stress/mod.rs"]
mod stress;

#[path = "bench/loads.rs"]
mod loads;
#[path = "bench/peer.rs"]
mod peer;
#[path = "bench/plot.rs"]
mod plot;
#[path = "bench/report.rs"]
mod report;
#[path = "bench/results.rs"]
mod results;
#[path = "bench/room.rs"]
mod room;
#[path = "bench/words.rs"]
mod words;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::{Parser, ValueEnum};
use loads::Load;
use peer::Peer;
use results::Results;
use serde_json::json;
use stress::Outcome;
use stress::crowd::clients_max;

/// The sizes of the plot; the greatest is what the limit of descriptors allows.
const SIZES: [usize; 6] = [1000, 2000, 5000, 10_000, 15_000, 19_000];

/// Compares servers and writes tables, all runs as JSON, and a picture.
#[derive(Parser)]
#[command(name = "bench", max_term_width = 100)]
struct Flags {
    /// Which loads [default: all]
    #[arg(value_name = "LOAD")]
    loads: Vec<Kind>,
    /// Runs of each load and server; the least counts
    #[arg(long, value_name = "RUNS", default_value_t = 5)]
    runs: usize,
    /// Which servers [default: all that are here]
    #[arg(long, value_name = "SERVER", value_delimiter = ',')]
    servers: Vec<Peer>,
    /// Clients where it is about many
    #[arg(long, value_name = "CLIENTS", default_value_t = 15_000)]
    many: usize,
    /// Where bench.md, bench.json and cost.svg are written
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    into: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// One message at a time, to more and more clients
    Single,
    /// One who talks, 1 000 messages in flight, to 1 000 clients
    Flood,
    /// Many connect at once and do nothing
    Storm,
    /// 50 talkers and a flooder
    Talkers,
    /// A tenth never reads
    Stuck,
}

fn main() -> ExitCode {
    match compare(&Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(flags: &Flags) -> Outcome<()> {
    let chosen = match flags.servers.is_empty() {
        true => Peer::value_variants(),
        false => &flags.servers,
    };
    let mut peers = Vec::new();
    for peer in chosen {
        match peer.is_there() {
            Ok(()) => peers.push(*peer),
            Err(mend) => eprintln!("bench: without {}: {mend}", peer.name()),
        }
    }
    let loads = loads(flags);
    let mut results = Results::default();
    for round in 0..flags.runs {
        for load in &loads {
            // Nobody is always the first.
            peers.rotate_left(1);
            run_all(*load, &peers, &mut results)?;
            eprintln!("bench: {}, round {} of {}", load.name(), round + 1, flags.runs);
        }
    }
    peers.sort();
    write(flags, &peers, &results)
}

fn loads(flags: &Flags) -> Vec<Load> {
    let kinds = match flags.loads.is_empty() {
        true => Kind::value_variants(),
        false => &flags.loads,
    };
    let most = clients_max();
    let of = |kind: &Kind| match kind {
        Kind::Single => {
            let sizes = SIZES.into_iter().filter(|size| *size <= most.min(flags.many.max(1000)));
            sizes.map(Load::Single).collect()
        }
        Kind::Flood => vec![Load::Flood],
        Kind::Storm => vec![Load::Storm(flags.many.min(most))],
        Kind::Talkers => vec![Load::Talkers],
        Kind::Stuck => vec![Load::Stuck],
    };
    kinds.iter().flat_map(of).collect()
}

fn run_all(load: Load, peers: &[Peer], results: &mut Results) -> Outcome<()> {
    for peer in peers.iter().copied() {
        let (most, _) = peer.clients_max();
        if !load.is_for(peer) || load.clients() > most || results.failure(load, peer).is_some() {
            continue;
        }
        match loads::run(load, peer) {
            Ok(measured) => results.add(load, peer, measured),
            Err(error) if peer == Peer::Chinwag => return Err(error),
            Err(error) => {
                eprintln!("bench: {}: {}: {error}", load.name(), peer.name());
                results.fail(load, peer, error.to_string());
            }
        }
    }
    Ok(())
}

fn write(flags: &Flags, peers: &[Peer], results: &Results) -> Outcome<()> {
    let machine = machine();
    let versions: Vec<String> = peers.iter().map(|peer| peer.version()).collect();
    let mut text = report::tables(results, peers, flags.many);
    text += &format!("\n{machine}. {} runs. {}.\n", flags.runs, versions.join("; "));
    print!("{text}");
    fs::create_dir_all(&flags.into)?;
    fs::write(flags.into.join("bench.md"), &text)?;
    let all = json!({
        "machine": machine, "versions": versions, "runs": flags.runs, "results": results.to_json(),
    });
    fs::write(flags.into.join("bench.json"), serde_json::to_string_pretty(&all)? + "\n")?;
    fs::write(flags.into.join("cost.svg"), plot::draw(results, peers, &SIZES)?)?;
    Ok(())
}

/// What this was measured on, and when.
fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models = cpus.lines().filter_map(|line| line.strip_prefix("model name"));
    let models: Vec<&str> =
        models.filter_map(|line| line.split_once(": ")).map(|(_, name)| name).collect();
    let told = |program: &str, flags: &[&str]| {
        let output = Command::new(program).args(flags).output();
        let output = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        output.unwrap_or_default().trim().to_owned()
    };
    let (model, kernel) = (models.first().unwrap_or(&"?"), told("uname", &["-sr"]));
    let date = told("date", &["+%Y-%m-%d"]);
    format!("{date}, {} x {model}, {kernel}, {}", models.len(), told("rustc", &["--version"]))
}
