//! The program: which loads, which servers, how many runs, and what it writes.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use clap::{Parser, Subcommand};
use procfs::{CpuInfo, Current};

use super::load::{Kind, Load};
use super::peer::Peer;
use super::results::Results;
use super::{figures, floor, plot, report, runs};
use crate::crowd::Outcome;
use crate::crowd::program::{all_if_none, count};

/// The file of the tables.
const TABLES: &str = "bench.md";

/// Compares servers and writes tables, all runs as JSON, and two pictures.
#[derive(Debug, Parser)]
#[command(name = "bench", max_term_width = 100)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub struct Flags {
    /// Something else than the comparison
    #[command(subcommand)]
    instead: Option<Instead>,
    /// Which loads [default: all]
    #[arg(value_name = "LOAD")]
    pub loads: Vec<Kind>,
    /// Runs of each load and server; the least counts
    #[arg(long, value_name = "RUNS", default_value_t = 5)]
    pub runs: usize,
    /// Which servers [default: all that are here]
    #[arg(long, value_name = "SERVER", value_delimiter = ',')]
    pub servers: Vec<Peer>,
    /// Number of clients of the loads with many. `single` and `rooms` also run with up to a third
    /// more
    #[arg(long, value_name = "CLIENTS", default_value_t = 15_000, value_parser = count())]
    pub many: u32,
    /// The bench.json of an earlier comparison with the same machine and servers; its runs count
    /// too
    #[arg(long, value_name = "FILE")]
    pub onto: Vec<PathBuf>,
    /// Where bench.md, bench.json, cost.svg and shapes.svg are written
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    pub into: PathBuf,
}

/// What this program does beside the comparison.
#[derive(Clone, Debug, Subcommand)]
enum Instead {
    /// Measures the figures that chinwag has to reach, against bare loops
    Figures(figures::Flags),
    /// Runs a bare loop: what the kernel alone costs
    Floor {
        /// Which one
        kind: floor::Kind,
        /// Where it listens
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
}

/// Does what the flags say.
pub fn run(flags: &Flags) -> Outcome<()> {
    match &flags.instead {
        Some(Instead::Figures(figures)) => figures::show(figures),
        Some(Instead::Floor { kind, listen }) => floor::run(*kind, *listen),
        None => compare(flags),
    }
}

/// Runs the comparison, and writes the results.
pub fn compare(flags: &Flags) -> Outcome<()> {
    let mut peers = Vec::new();
    let mut results = Results { machine: machine(), ..Results::default() };
    for peer in all_if_none(&flags.servers) {
        match peer.version() {
            Ok(version) => {
                peers.push(*peer);
                results.versions.push(version);
            }
            Err(mend) => eprintln!("bench: without {}: {mend}", peer.name()),
        }
    }
    if peers.is_empty() {
        return Err("none of these servers is here".into());
    }
    results.versions.sort();
    results.versions.dedup();
    for path in &flags.onto {
        let text = fs::read_to_string(path);
        let text = text.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        results.add_all(serde_json::from_str(&text)?);
    }
    let kinds = all_if_none(&flags.loads).iter();
    let loads: Vec<Load> = kinds.flat_map(|kind| kind.loads(flags.many as usize)).collect();
    let sorted = peers.clone();
    for round in 0..flags.runs {
        // No server is always the first, neither in a round nor for a load.
        peers.rotate_left(1);
        for group in loads.chunk_by(|one, next| [one.kind, next.kind] == [Kind::Shapes; 2]) {
            peers.rotate_left(1);
            for peer in &peers {
                run_all(group, *peer, &mut results)?;
            }
            eprintln!("bench: {:?}, round {} of {}", group[0].kind, round + 1, flags.runs);
        }
        // It writes after each round, so a run that is ended early has results.
        write(flags, &sorted, &results)?;
    }
    write(flags, &sorted, &results)?;
    print!("{}", fs::read_to_string(flags.into.join(TABLES))?);
    Ok(())
}

/// Runs loads on a server, one after the other. Only chinwag must not fail.
fn run_all(loads: &[Load], peer: Peer, results: &mut Results) -> Outcome<()> {
    let mut here = None;
    for load in loads.iter().copied().filter(|load| peer.is_for(*load)) {
        if results.failed.contains(&(load, peer)) {
            continue;
        }
        match runs::run(load, peer, &mut here) {
            Ok(measured) => results.add(load, peer, measured),
            Err(error) if peer.is_chinwag() => return Err(error),
            Err(error) => {
                eprintln!("bench: {:?}: {}: {error}", load.kind, peer.name());
                results.failed.insert((load, peer));
            }
        }
    }
    Ok(())
}

fn write(flags: &Flags, peers: &[Peer], results: &Results) -> Outcome<()> {
    let runs = match results.counts() {
        (least, most) if least == most => format!("{least} runs"),
        (least, most) => format!("{least} to {most} runs"),
    };
    let tables = report::tables(results, peers, flags.many as usize);
    let (machine, versions) = (&results.machine, results.versions.join("; "));
    fs::create_dir_all(&flags.into)?;
    for (name, text) in [
        (TABLES, format!("{tables}\n{machine}. {runs}. {versions}.\n")),
        ("bench.json", format!("{:#}\n", serde_json::to_value(results)?)),
        ("cost.svg", plot::draw_cost(results, peers)?),
        ("shapes.svg", plot::draw_shapes(results, peers)?),
    ] {
        fs::write(flags.into.join(name), text)?;
    }
    Ok(())
}

/// The machine, and the date.
fn machine() -> String {
    let cpus = CpuInfo::current().ok();
    let model = cpus.as_ref().and_then(|cpus| cpus.model_name(0)).unwrap_or("?");
    let count = cpus.as_ref().map_or(0, CpuInfo::num_cores);
    let told = |program: &str, flags: &[&str]| {
        let output = Command::new(program).args(flags).output();
        let output = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        output.unwrap_or_default().trim().to_owned()
    };
    let (date, kernel) = (told("date", &["+%Y-%m-%d"]), told("uname", &["-sr"]));
    format!("{date}, {count} x {model}, {kernel}, {}", told("rustc", &["--version"]))
}
