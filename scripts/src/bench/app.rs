//! The program: which loads, which servers, how many runs, and what it writes.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use super::load::{Load, Measured, ROOMS_SIZES, Shape};
use super::peer::Peer;
use super::results::Results;
use super::{figures, floor, plot, report, runs};
use crate::crowd::Outcome;
use crate::crowd::sockets::clients_max;
use clap::{Parser, Subcommand, ValueEnum};
use serde_json::{Value, json};

/// The sizes in the plot. The limit of descriptors allows no more than the greatest.
const SIZES: [usize; 5] = [1000, 5000, 10_000, 15_000, 19_000];

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
    #[arg(long, value_name = "CLIENTS", default_value_t = 15_000)]
    pub many: usize,
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

/// A kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Sends one message at a time, to more and more clients
    Single,
    /// One sender with 1 000 messages in flight, to 1 000 clients
    Flood,
    /// Many clients connect at once and send nothing
    Storm,
    /// 50 talkers and a flooder
    Talkers,
    /// 50 talkers, and one that sends 1 000 messages a second
    Busy,
    /// One client in ten never reads
    Stuck,
    /// Sends one message at a time, in one of more and more rooms of two clients
    Rooms,
    /// Floods of messages of 16 to 1 024 bytes, with 100 in flight, or up to as many as it takes
    Shapes,
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
    for path in &flags.onto {
        let earlier: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
        let added = results.add_json(&earlier["results"]);
        added.ok_or_else(|| format!("{} is of something unknown", path.display()))?;
    }
    let sorted = peers.clone();
    for round in 0..flags.runs {
        // No server is always the first, neither in a round nor for a load.
        peers.rotate_left(1);
        for load in &loads {
            peers.rotate_left(1);
            run_all(*load, &peers, &mut results)?;
            eprintln!("bench: {}, round {} of {}", load.name(), round + 1, flags.runs);
        }
        if kinds(flags).contains(&Kind::Shapes) {
            peers.rotate_left(1);
            run_shapes(&peers, &mut results)?;
            eprintln!("bench: shapes, round {} of {}", round + 1, flags.runs);
        }
        // It writes after each round, so a run that is ended early has results.
        write(flags, &sorted, &results)?;
    }
    write(flags, &sorted, &results)?;
    print!("{}", fs::read_to_string(flags.into.join(TABLES))?);
    Ok(())
}

fn kinds(flags: &Flags) -> &[Kind] {
    if flags.loads.is_empty() { Kind::value_variants() } else { &flags.loads }
}

fn loads(flags: &Flags) -> Vec<Load> {
    let most = clients_max();
    let of_sizes = |sizes: &[usize], load: fn(usize) -> Load| {
        let sizes = sizes.iter().filter(|size| **size <= most.min(flags.many / 3 * 4));
        sizes.map(|size| load(*size)).collect()
    };
    let of = |kind: &Kind| match kind {
        Kind::Single => of_sizes(&SIZES, Load::Single),
        Kind::Rooms => of_sizes(&ROOMS_SIZES, Load::Rooms),
        Kind::Flood => vec![Load::Flood],
        Kind::Storm => vec![Load::Storm(flags.many.min(most))],
        Kind::Talkers => vec![Load::Talkers],
        Kind::Busy => vec![Load::Busy],
        Kind::Stuck => vec![Load::Stuck],
        Kind::Shapes => Vec::new(),
    };
    kinds(flags).iter().flat_map(of).collect()
}

fn run_all(load: Load, peers: &[Peer], results: &mut Results) -> Outcome<()> {
    for peer in peers.iter().copied() {
        if !load.is_for(peer) || results.failure(load, peer).is_some() {
            continue;
        }
        take(load, peer, runs::run(load, peer), results)?;
    }
    Ok(())
}

/// All shapes of a flood, on one server after the other.
fn run_shapes(peers: &[Peer], results: &mut Results) -> Outcome<()> {
    let is_for = |peer: &Peer| Shape::all().all(|shape| Load::Shape(shape).is_for(*peer));
    for peer in peers.iter().copied().filter(is_for) {
        let has_failed = |shape: &Shape| results.failure(Load::Shape(*shape), peer).is_some();
        let shapes: Vec<Shape> = Shape::all().filter(|shape| !has_failed(shape)).collect();
        runs::run_shapes(peer, shapes, &mut |shape, measured| {
            take(Load::Shape(shape), peer, measured, results)
        })?;
    }
    Ok(())
}

/// Only this server must not fail.
fn take(load: Load, peer: Peer, run: Outcome<Measured>, results: &mut Results) -> Outcome<()> {
    match run {
        Ok(measured) => results.add(load, peer, measured),
        Err(error) if peer.is_chinwag() => return Err(error),
        Err(error) => {
            eprintln!("bench: {}: {}: {error}", load.name(), peer.name());
            results.fail(load, peer, error.to_string());
        }
    }
    Ok(())
}

fn write(flags: &Flags, peers: &[Peer], results: &Results) -> Outcome<()> {
    let machine = machine();
    let mut versions: Vec<String> = peers.iter().map(|peer| peer.version()).collect();
    versions.dedup();
    let runs = match results.counts() {
        (least, most) if least == most => format!("{least} runs"),
        (least, most) => format!("{least} to {most} runs"),
    };
    let mut text = report::tables(results, peers, flags.many);
    text += &format!("\n{machine}. {runs}. {}.\n", versions.join("; "));
    fs::create_dir_all(&flags.into)?;
    fs::write(flags.into.join(TABLES), &text)?;
    let all = json!({
        "machine": machine, "versions": versions, "runs": runs, "results": results.to_json(),
    });
    fs::write(flags.into.join("bench.json"), serde_json::to_string_pretty(&all)? + "\n")?;
    fs::write(flags.into.join("cost.svg"), plot::draw_cost(results, peers, &SIZES)?)?;
    fs::write(flags.into.join("shapes.svg"), plot::draw_shapes(results, peers)?)?;
    Ok(())
}

/// The machine, and the date.
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
