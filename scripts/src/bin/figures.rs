//! The figures that the server has to reach, compared with bare references on the same sockets.
//!
//! ```text
//! cargo run --release -p scripts --bin figures      # all of them, the minimum of 10 runs each
//! cargo run --release -p scripts --bin figures -- flood --runs 3
//! ```
//!
//! Server and reference run in turn, with new connections each time, so that any other work of the
//! machine hits both. The measure is processor time of the server's process per unit of work. The
//! minimum of the runs is the least disturbed one. Every delivery is checked.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use scripts::measure::{self, Kind, Side, Storm};
use scripts::stress::Outcome;
use scripts::stress::gauge::Strace;
use scripts::stress::load::{Pace, jain};

/// Measures the server against bare references and prints a table: figure, measured, target.
#[derive(Parser)]
struct Flags {
    /// Which figures [default: all]
    figures: Vec<Figure>,
    /// Runs of each side; the minimum counts
    #[arg(long, default_value_t = 10)]
    runs: usize,
    /// How many clients the figures with many clients have
    #[arg(long, default_value_t = 15_000)]
    many: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
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
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let figures = match flags.figures.is_empty() {
        true => Figure::value_variants(),
        false => &flags.figures,
    };
    for figure in figures {
        if let Err(error) = show(*figure, &flags) {
            eprintln!("figures: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn show(figure: Figure, flags: &Flags) -> Outcome<()> {
    match figure {
        Figure::Single => [1000, 5000, flags.many]
            .iter()
            .try_for_each(|clients| show_single(*clients, flags.runs)),
        Figure::Calls if Strace::is_there() => show_calls(),
        Figure::Calls => {
            println!("system calls: not measured, strace is not installed");
            Ok(())
        }
        Figure::Flood => show_flood(flags.runs),
        Figure::Idle => show_idle(flags.many),
        Figure::Stuck => show_stuck(flags.runs),
        Figure::Connect => show_connect(flags.many, flags.runs),
        Figure::Fair => show_fair(),
        Figure::Private => show_private(flags.many, flags.runs),
    }
}

/// One line: the name, the measured value, the target, and the raw values behind it.
fn row(figure: &str, measured: String, target: &str, raw: &str) {
    println!("{figure:52} {measured:>14}   {target:22} {raw}");
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn show_single(clients: usize, runs: usize) -> Outcome<()> {
    let (server, floor) = (Side::start(Kind::Server)?, Side::start(Kind::Send)?);
    let (mut ours, mut bare, mut again) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        bare.push(measure::single(&floor, clients)?);
        ours.push(measure::single(&server, clients)?);
        again.push(measure::single(&floor, clients)?);
    }
    let (ours, bare, again) = (least(&ours), least(&bare), least(&again));
    let raw = format!("{ours:.0} ns, bare {bare:.0} and {again:.0} ns");
    let figure = format!("one message at a time, {clients} clients");
    row(&figure, format!("x {:.3}", ours / bare.min(again)), "<= x 1.05", &raw);
    let spread = bare.max(again) / bare.min(again);
    row("  the bare loop against itself", format!("x {spread:.3}"), "", "");
    Ok(())
}

fn show_calls() -> Outcome<()> {
    const CLIENTS: usize = 1000;
    const MESSAGES: u64 = 100;
    let calls = measure::calls(CLIENTS, MESSAGES)?;
    let is_send = |name: &str| ["write", "writev", "sendto", "sendmsg"].contains(&name);
    let sends: u64 = calls.iter().filter(|one| is_send(&one.name)).map(|one| one.calls).sum();
    let others: u64 = calls.iter().filter(|one| !is_send(&one.name)).map(|one| one.calls).sum();
    let target = format!("= {}", CLIENTS as u64 * MESSAGES);
    row("sends, 100 messages to 1000 clients", sends.to_string(), &target, "");
    let raw = calls.iter().map(|one| format!("{} {}", one.calls, one.name));
    let each = others as f64 / MESSAGES as f64;
    let raw = raw.collect::<Vec<_>>().join(", ");
    row("  other calls a message", format!("{each:.2}"), "<= 4", &raw);
    Ok(())
}

fn show_flood(runs: usize) -> Outcome<()> {
    let (server, pump) = (Side::start(Kind::Server)?, Side::start(Kind::Pump)?);
    let (mut ours, mut bare, mut fastest) = (Vec::new(), Vec::new(), 0.0_f64);
    for _ in 0..runs {
        let (cpu_ns, per_second) = measure::flood(&server)?;
        ours.push(cpu_ns);
        fastest = fastest.max(per_second);
        bare.push(measure::pump(&pump)?);
    }
    let (ours, bare) = (least(&ours), least(&bare));
    let raw = format!("{ours:.2} ns, pump {bare:.2} ns");
    row("flood, 1000 clients: CPU per delivery", format!("x {:.2}", ours / bare), "<= x 1.5", &raw);
    let measured = format!("{:.1} million/s", fastest / 1e6);
    row("  deliveries", measured, ">= 30 if idle", "the best run");
    Ok(())
}

fn show_idle(many: usize) -> Outcome<()> {
    let bytes = measure::idle_bytes(many)?;
    let figure = format!("memory per idle client, {many} clients");
    row(&figure, format!("{bytes:.0} bytes"), "<= 256 bytes", "");
    Ok(())
}

fn show_stuck(runs: usize) -> Outcome<()> {
    let (mut with, mut without, mut kib, mut tried) = (Vec::new(), Vec::new(), 0.0_f64, 0);
    for _ in 0..runs {
        let alone = measure::flood_beside(0, false)?;
        let beside = measure::flood_beside(1000, false)?;
        let added = beside.resident_bytes as f64 - alone.resident_bytes as f64;
        kib = kib.max(added / 1000.0 / 1024.0);
        with.push(beside.cpu_ns);
        without.push(alone.cpu_ns);
    }
    if Strace::is_there() {
        let refused = |stuck| Ok(measure::flood_beside(stuck, true)?.sends_refused);
        let (beside, alone): (Outcome<u64>, Outcome<u64>) = (refused(1000), refused(0));
        tried = beside?.saturating_sub(alone?);
    }
    row("1000 that never read: memory each", format!("{kib:.2} KiB"), "<= 8 KiB", "the worst run");
    let (with, without) = (least(&with), least(&without));
    let raw = format!("{with:.2} ns, without {without:.2} ns");
    let measured = format!("x {:.3}", with / without);
    row("  CPU per delivery to the others", measured, "<= x 1.1", &raw);
    row("  sends refused, more than without", tried.to_string(), "about 0", "by strace");
    Ok(())
}

fn show_connect(many: usize, runs: usize) -> Outcome<()> {
    let bare = Side::start(Kind::Accept)?;
    let (mut ours, mut floor, mut storms) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        let server = Side::start(Kind::Server)?;
        ours.push(measure::connecting(&server, many)?);
        floor.push(measure::connecting(&bare, many)?);
    }
    for _ in 0..runs.min(3) {
        storms.push(measure::storm(many)?);
    }
    let (ours, floor) = (least(&ours), least(&floor));
    let raw = format!("{:.1} us, bare {:.1} us", ours / 1e3, floor / 1e3);
    let figure = format!("{many} connections: CPU each");
    row(&figure, format!("x {:.2}", ours / floor), "<= x 4", &raw);
    let fastest = |time: fn(&Storm) -> f64| least(&storms.iter().map(time).collect::<Vec<_>>());
    let one_line = format!("{:.2} s", fastest(|storm| storm.one_line));
    row("  all welcomed, and all received a line", one_line, "<= 1.5 s", "after the last connect");
    let taken_in = format!("{:.2} s", fastest(|storm| storm.taken_in));
    let deliveries = (many * many) as f64 / 1e6;
    let heard = fastest(|storm| storm.heard);
    let raw = format!("{deliveries:.0} million deliveries, the last after {heard:.2} s");
    row("  a line of each of them arrived", taken_in, "<= 1.5 s", &raw);
    Ok(())
}

fn show_fair() -> Outcome<()> {
    let shares = measure::flooders(&[64])?;
    let raw = format!("{:.1} MB in 5 s", shares.iter().sum::<u64>() as f64 / 1e6);
    row("100 flooders: Jain index", format!("{:.4}", jain(&shares)), ">= 0.95", &raw);
    let shares = measure::flooders(&[64, 1000])?;
    let measured = format!("{:.4}", jain(&shares));
    row("  lines of 64 and of 1000 bytes", measured, ">= 0.95", "");
    for (beside, flooder) in [
        ("nothing else", None),
        ("a flooder, 1000 in flight", Some(Pace::Window(1000))),
        ("a flooder faster than its readers", Some(Pace::Free)),
    ] {
        let report = measure::talkers(flooder, Duration::from_secs(10))?;
        let figure = format!("50 talkers beside {beside}: p99");
        let bytes: u64 = report.bytes_heard.iter().sum();
        let raw = format!("{:.1} MB, {} lines missed", bytes as f64 / 1e6, report.lines_missed);
        row(&figure, format!("{:.1} ms", report.latency_us(99.0) / 1e3), "reported", &raw);
    }
    Ok(())
}

fn show_private(many: usize, runs: usize) -> Outcome<()> {
    let (few_side, many_side) = (Side::start(Kind::Server)?, Side::start(Kind::Server)?);
    let (mut few_ns, mut many_ns) = (Vec::new(), Vec::new());
    let mut few_crowd = measure::Asking::new(&few_side, 10)?;
    let mut many_crowd = measure::Asking::new(&many_side, many)?;
    for _ in 0..runs {
        few_ns.push(few_crowd.reply()?);
        many_ns.push(many_crowd.reply()?);
    }
    let (few_ns, many_ns) = (least(&few_ns), least(&many_ns));
    let raw = format!("{:.1} us, with 10 {:.1} us", many_ns / 1e3, few_ns / 1e3);
    let figure = format!("a private reply, {many} idle clients");
    row(&figure, format!("x {:.3}", many_ns / few_ns), "x 1.0", &raw);
    Ok(())
}
