//! Thousands of sockets against a chat server, every delivery checked.
//!
//! ```text
//! cargo build --release --bins --examples
//! target/release/examples/stress --clients 10000                     # starts a server itself
//! target/release/examples/stress --clients 1000 --window 1000 --messages 100000 10.0.0.7:50005
//! ```
//!
//! Exit codes: 0 all was as it must be, 1 the server was wrong or the measurement failed, 2 a flag
//! is wrong.

#[path = "stress/mod.rs"]
mod stress;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use stress::author::MESSAGE_BYTES_MIN;
use stress::crowd::{self, Crowd, Greeting};
use stress::load::{self, Pace, Report, Talker, Until};
use stress::started::Started;
use stress::table::Table;
use stress::{Outcome, gauge};

/// Opens many connections to a chat server, talks, and checks that every client hears every line,
/// whole, once, and in the same order.
#[derive(Parser)]
struct Flags {
    /// The server; without it one is started for the time of the measurement
    address: Option<SocketAddr>,
    /// Clients that read
    #[arg(long, default_value_t = 1000)]
    clients: usize,
    /// Clients that never read
    #[arg(long, default_value_t = 0)]
    stuck: usize,
    /// How many of the clients talk
    #[arg(long, default_value_t = 1)]
    senders: usize,
    /// Messages of each sender that all must hear
    #[arg(long, default_value_t = 100)]
    messages: u64,
    /// Messages of a sender on their way at once; 1 is one at a time
    #[arg(long, default_value_t = 1)]
    window: u64,
    /// Messages a second of each sender, instead of --window
    #[arg(long)]
    rate: Option<f64>,
    /// Seconds to talk, instead of --messages
    #[arg(long)]
    seconds: Option<f64>,
    /// Bytes of a message as it is heard, with the name and the line end
    #[arg(long, default_value_t = 64)]
    bytes: usize,
    /// The process of the server, if it cannot be found by its port
    #[arg(long)]
    pid: Option<u32>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    match measure(&flags) {
        Ok(table) => {
            let text = if flags.json { table.to_json() + "\n" } else { table.to_text() };
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("stress: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(flags: &Flags) -> Outcome<Table> {
    if flags.bytes < MESSAGE_BYTES_MIN {
        return Err(format!("--bytes: a message is at least {MESSAGE_BYTES_MIN} bytes").into());
    }
    let started = if flags.address.is_none() { Some(Started::chinwag(&[])?) } else { None };
    let address = flags.address.or(started.as_ref().map(|one| one.address));
    let address = address.ok_or("no server")?;
    let pid = flags.pid.or(started.as_ref().map(Started::pid));
    let pid = pid.or_else(|| gauge::listener_pid(address));
    let mut table = Table::default();

    let before = Gauged::now(pid)?;
    let mut crowd = Crowd::connect(address, flags.clients + flags.stuck, Greeting::Welcome)?;
    crowd.begin(false)?;
    let between = Gauged::now(pid)?;
    add_connecting(&mut table, flags, &crowd, &before, &between);
    crowd.deafen(flags.stuck);

    let report = load::run(&mut crowd, &talkers(flags), until(flags), false)?;
    let after = Gauged::now(pid)?;
    add_talking(&mut table, &report, &between, &after);
    Ok(table)
}

fn talkers(flags: &Flags) -> Vec<Talker> {
    let pace = match flags.rate {
        Some(rate) => Pace::Every(Duration::from_secs_f64(1.0 / rate)),
        None => Pace::Window(flags.window),
    };
    let talker = |client| Talker { client, pace, message_bytes: flags.bytes, timed: true };
    (0..flags.senders.min(flags.clients)).map(talker).collect()
}

fn until(flags: &Flags) -> Until {
    match flags.seconds {
        Some(seconds) => Until::Time(Duration::from_secs_f64(seconds)),
        None => Until::Heard(flags.messages),
    }
}

/// What the server has used, if its process is known.
struct Gauged {
    cpu_ns: Option<u64>,
    resident_bytes: Option<u64>,
}

impl Gauged {
    fn now(pid: Option<u32>) -> Outcome<Gauged> {
        let cpu_ns = pid.map(gauge::cpu_ns_at_rest).transpose()?;
        let resident_bytes = pid.map(gauge::resident_bytes).transpose()?;
        Ok(Gauged { cpu_ns, resident_bytes })
    }

    fn cpu_since(&self, before: &Gauged) -> Option<f64> {
        Some((self.cpu_ns? - before.cpu_ns?) as f64)
    }
}

fn add_connecting(
    table: &mut Table,
    flags: &Flags,
    crowd: &Crowd,
    before: &Gauged,
    after: &Gauged,
) {
    let clients = crowd.clients.len() as f64;
    table.add("clients", "clients that read", flags.clients as f64, "");
    table.add("stuck", "clients that never read", flags.stuck as f64, "");
    table.add("clients_max", "clients this process may open", crowd::clients_max() as f64, "");
    let per_second = clients / crowd.connecting.as_secs_f64();
    table.add("connects_per_s", "connects", per_second, "/s");
    if let Some(cpu) = after.cpu_since(before) {
        table.add("cpu_us_per_connection", "CPU per connection", cpu / clients / 1e3, "us");
    }
    if let (Some(before), Some(after)) = (before.resident_bytes, after.resident_bytes) {
        let each = after.saturating_sub(before) as f64 / clients;
        table.add("resident_bytes_per_client", "memory per client", each, "bytes");
    }
}

fn add_talking(table: &mut Table, report: &Report, before: &Gauged, after: &Gauged) {
    table.add("deliveries", "deliveries, all checked", report.deliveries as f64, "");
    table.add("lines_missed", "lines missed, as told", report.lines_missed as f64, "");
    table.add("seconds", "time", report.time.as_secs_f64(), "s");
    table.add("deliveries_per_s", "deliveries", report.deliveries_per_second(), "/s");
    if let Some(cpu) = after.cpu_since(before) {
        let each = cpu / report.deliveries.max(1) as f64;
        table.add("cpu_ns_per_delivery", "CPU per delivery", each, "ns");
    }
    for (key, label, percent) in [
        ("latency_p50_us", "latency p50", 50.0),
        ("latency_p99_us", "latency p99", 99.0),
        ("latency_p999_us", "latency p99.9", 99.9),
        ("latency_max_us", "latency max", 100.0),
    ] {
        table.add(key, label, report.latency_us(percent), "us");
    }
}
