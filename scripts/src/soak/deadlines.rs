//! Checks each default time and amount: the thing happens, not before its time, and not much later.
//!
//! Every check has a server and a thread of its own, so all together take as long as the longest. A
//! time is measured from before its cause, so a slow machine can only make it longer. The expected
//! values are read from [`Config`]: no number of it stands here.

use std::io::Write;
use std::net::Ipv4Addr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use chinwag::config::Config;
use clap::Parser;

use super::network;
use super::peer::Peer;
use crate::stress::started::Started;
use crate::stress::{Fault, Outcome, gauge};

/// A thing may happen at most this much later than expected: 2 s, and as much again for a machine
/// with other work.
const LATE_MAX: Duration = Duration::from_secs(4);

/// How long to wait before looking at a server again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What a check found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The flag, or what the check is about.
    pub what: &'static str,
    /// The expected and the measured value.
    pub found: Found,
}

/// The expected and the measured value.
#[derive(Clone, Debug)]
pub enum Found {
    /// A time.
    Time {
        /// At least this long.
        due: Duration,
        /// At most this long.
        most: Duration,
        /// The measured time.
        took: Duration,
    },
    /// A number.
    Count {
        /// At least.
        least: u64,
        /// At most.
        most: u64,
        /// The measured number.
        came: u64,
    },
    /// Not checked, for this reason.
    Nothing(String),
}

impl Finding {
    /// A time that has just passed since `since`.
    pub fn time(what: &'static str, due: Duration, since: Instant) -> Finding {
        Finding::time_between(what, due, due, since)
    }

    /// The same for a time without an exact end.
    pub fn time_between(
        what: &'static str,
        due: Duration,
        due_last: Duration,
        since: Instant,
    ) -> Finding {
        Finding {
            what,
            found: Found::Time { due, most: patience(due_last), took: since.elapsed() },
        }
    }

    fn count(what: &'static str, due: usize, came: usize) -> Finding {
        let (due, came) = (due as u64, came as u64);
        Finding { what, found: Found::Count { least: due, most: due, came } }
    }

    /// One line of the table.
    fn to_row(&self) -> String {
        let what = self.what;
        let verdict = if self.check().is_ok() { "" } else { "  WRONG" };
        match &self.found {
            Found::Time { due, took, .. } => {
                let (due, took) = (due.as_secs_f64(), took.as_secs_f64());
                format!("{what:22} {due:>9} s {took:>9.2} s{verdict}")
            }
            Found::Count { least, most, came } => {
                let due = if least == most { most.to_string() } else { format!("{least}-{most}") };
                format!("{what:22} {due:>9}   {came:>9}{verdict}")
            }
            Found::Nothing(why) => format!("{what:22} not looked at: {why}"),
        }
    }

    fn check(&self) -> Result<(), Fault> {
        let what = self.what;
        match &self.found {
            Found::Time { due, most, took } if !(due..=most).contains(&took) => {
                Err(Fault(format!("{what}: after {took:.2?} and not {due:?}")))
            }
            Found::Count { least, most, came } if !(least..=most).contains(&came) => {
                Err(Fault(format!("{what}: {came} and not {most}")))
            }
            Found::Time { .. } | Found::Count { .. } | Found::Nothing(_) => Ok(()),
        }
    }
}

/// How long to wait for something expected after this time.
pub fn patience(due: Duration) -> Duration {
    due + LATE_MAX
}

/// Where checks send their findings.
pub type Findings = mpsc::Sender<Result<Vec<Finding>, String>>;

/// Checks a server with these settings.
type Check = fn(Started, &Config) -> Outcome<Vec<Finding>>;

/// Each check: its name for an error, the flags of its server beside the defaults, and the
/// function.
const CHECKS: [(&str, &[&str], Check); 13] = [
    ("--greeting", &[], greeting),
    ("--chunk-quiet", &[], chunk_quiet),
    ("--chunk-age", &[], chunk_age),
    ("--summary", &[], summary),
    ("--drain", &[], drain),
    ("--rate", &["--exempt", "none"], rate),
    ("--per-address", &["--exempt", "none"], per_address),
    ("--max-line", &[], max_line),
    ("--max-endless", &[], max_endless),
    ("--history-bytes", &[], history_bytes),
    ("--flush", &[], flush),
    ("--shutdown", &[], shutdown),
    ("--stuck", &[], stuck),
];

/// The flags of a server.
#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    config: Config,
}

/// Runs all checks on servers with these flags, and writes a line for each. With `own_network`,
/// this process has a network of its own, in which it may make and cut links.
pub fn look(flags: &[&str], own_network: bool, out: &mut dyn Write) -> Outcome<()> {
    let config = Flags::try_parse_from([&["soak"], flags].concat())?.config;
    let last = if own_network { network::last(&config) } else { stuck_last(&config, config.stuck) };
    writeln!(out, "All at once, within {:.0} s.", patience(last).as_secs_f64())?;
    writeln!(out, "{:22} {:>9}   {:>9}", "default", "due", "was")?;
    out.flush()?;
    let (sender, findings) = mpsc::channel();
    let links = network::look(flags, &config, own_network, &sender)?;
    for (what, its_flags, check) in CHECKS {
        let (sender, config) = (sender.clone(), config.clone());
        match Started::chinwag_logging("off", &[flags, its_flags].concat()) {
            Ok(server) => _ = thread::spawn(move || send(&sender, what, check(server, &config))),
            Err(error) => send(&sender, what, Err(error)),
        }
    }
    drop(sender);
    let mut first_fault = Ok(());
    // It waits for all checks, even if nobody reads their findings: each of them ends its server.
    for found in findings {
        let told = tell(found, out);
        first_fault = first_fault.and(told);
    }
    drop(links);
    first_fault
}

/// Writes a line for each finding. The first wrong one is an error.
fn tell(found: Result<Vec<Finding>, String>, out: &mut dyn Write) -> Outcome<()> {
    match &found {
        Ok(findings) => {
            findings.iter().try_for_each(|finding| writeln!(out, "{}", finding.to_row()))?;
        }
        Err(told) => writeln!(out, "{told}")?,
    }
    out.flush()?;
    Ok(found?.iter().try_for_each(Finding::check)?)
}

/// Sends the findings, or what the check is about and why it failed.
pub fn send(to: &Findings, what: &str, found: Outcome<Vec<Finding>>) {
    // After a fault nobody may be receiving.
    to.send(found.map_err(|error| format!("{what}: {error}"))).unwrap_or_default();
}

fn greeting(server: Started, config: &Config) -> Outcome<Vec<Finding>> {
    let start = Instant::now();
    Peer::connect(server.address)?.hear("* welcome, you are ")?;
    Ok(vec![Finding::time("--greeting", config.greeting, start)])
}

fn chunk_quiet(server: Started, config: &Config) -> Outcome<Vec<Finding>> {
    let mut peer = Peer::connect(server.address)?.enter()?;
    let start = Instant::now();
    peer.say("no end")?;
    peer.hear(": no end\n")?;
    Ok(vec![Finding::time("--chunk-quiet", config.chunk_quiet, start)])
}

fn chunk_age(server: Started, config: &Config) -> Outcome<Vec<Finding>> {
    let mut peer = Peer::connect(server.address)?.enter()?;
    let start = Instant::now();
    // A single character. Silence is not enough for it: it waits the longest time.
    peer.say("네")?;
    peer.hear(": 네\n")?;
    Ok(vec![Finding::time("--chunk-age", config.chunk_age, start)])
}

fn summary(server: Started, config: &Config) -> Outcome<Vec<Finding>> {
    let at_once = u64::from(config.notices);
    let mut watcher = Peer::connect(server.address)?.enter()?;
    // By now the full burst of notices is there again.
    thread::sleep(Duration::from_secs(1));
    let start = Instant::now();
    let newcomers: Outcome<Vec<Peer>> =
        (0..4 * at_once).map(|_| Peer::connect(server.address)).collect();
    let _here = newcomers?;
    let before = watcher.hear(" joined (")?;
    let found = Finding::time("--summary", config.summary, start);
    // The last ones may have been announced one by one.
    let told = before.matches(" joined\n").count() as u64;
    let most = at_once + (start.elapsed().as_secs_f64() * at_once as f64) as u64;
    let notices = Found::Count { least: at_once, most, came: told };
    Ok(vec![found, Finding { what: "--notices", found: notices }])
}

fn drain(server: Started, config: &Config) -> Outcome<Vec<Finding>> {
    let mut peer = Peer::connect(server.address)?.enter()?;
    let start = Instant::now();
    peer.say("/quit\n")?;
    peer.hear_the_end(patience(config.drain))?;
    peer.send_until_closed(patience(config.drain))?;
    Ok(vec![Finding::time("--drain", config.drain, start)])
}

fn rate(server: Started, config: &Config) -> Outcome<Vec<Finding>> {
    let mut peer = Peer::connect(server.address)?.enter()?;
    let (at_once, all) = (config.burst, 2 * config.burst);
    let lines: String = (1..=all).map(|line| format!("line {line}\n")).collect();
    let due = |lines: u32| Duration::from_secs(lines.into()) / config.rate;
    let start = Instant::now();
    peer.say(lines)?;
    peer.hear(&format!(": line {}\n", at_once + 1))?;
    let first = Finding::time("--rate, after --burst", due(1), start);
    peer.hear(&format!(": line {all}\n"))?;
    Ok(vec![first, Finding::time("--rate, as many again", due(all - at_once), start)])
}

fn per_address(server: Started, config: &Config) -> Outcome<Vec<Finding>> {
    let most = config.per_address;
    let enter = || -> Outcome<Peer> {
        let mut peer = Peer::connect(server.address)?;
        peer.hear("* welcome, you are ")?;
        Ok(peer)
    };
    let here: Outcome<Vec<Peer>> = (0..most).map(|_| enter()).collect();
    let here = here?;
    let told = format!("* too many connections from your address ({most}, ");
    Peer::connect(server.address)?.hear(&told)?;
    let mut other = Peer::connect_from(Ipv4Addr::new(127, 0, 0, 2), server.address)?;
    other.hear("* welcome, you are ")?;
    Ok(vec![Finding::count("--per-address", most, here.len())])
}

fn max_line(server: Started, config: &Config) -> Outcome<Vec<Finding>> {
    let most = config.max_line;
    let mut peer = Peer::connect(server.address)?.enter()?;
    peer.say(format!("{}\n", "m".repeat(most)))?;
    peer.hear(": ")?;
    let line = peer.hear("\n")?;
    peer.say(format!("{}\n", "m".repeat(most + 1)))?;
    peer.hear(&format!("* line too long, not sent (limit {most} bytes)\n"))?;
    Ok(vec![Finding::count("--max-line", most, line.len())])
}

fn max_endless(server: Started, config: &Config) -> Outcome<Vec<Finding>> {
    let most = config.max_endless;
    let mut peer = Peer::connect(server.address)?.enter()?;
    peer.say("e".repeat(most))?;
    peer.hear("* line too long")?;
    peer.say("\nstill here\n")?;
    peer.hear(": still here\n")?;
    peer.say("e".repeat(most + 1))?;
    peer.hear(&format!("* closed: {most} bytes without a line end\n"))?;
    peer.hear_the_end(patience(config.drain))?;
    Ok(vec![Finding::count("--max-endless", most, most)])
}

fn history_bytes(server: Started, config: &Config) -> Outcome<Vec<Finding>> {
    const WORDS_BYTES: usize = 90;
    let most = config.history_bytes;
    let mut peer = Peer::connect(server.address)?.enter()?;
    peer.say(format!("{}\n", "h".repeat(WORDS_BYTES)).repeat(most / WORDS_BYTES + 1))?;
    peer.say("/history 1000\n")?;
    peer.hear("* history\n")?;
    let shown = peer.hear("* now\n")?;
    let line = shown.lines().next().unwrap_or_default().len() + 1;
    let [least, most, came] = [most - line, most, shown.len()].map(|bytes| bytes as u64);
    Ok(vec![Finding { what: "--history-bytes", found: Found::Count { least, most, came } }])
}

/// Three clients: a stuck one that never reads what waits for it, the one that has sent that, and
/// one that sends nothing and reads everything.
pub fn one_stuck(server: &Started) -> Outcome<[Peer; 3]> {
    let mut silent = Peer::connect(server.address)?.enter()?;
    let stuck = Peer::connect_narrow(server.address)?.enter()?;
    let mut speaker = Peer::connect(server.address)?.enter()?;
    let words = format!("{}\n", "f".repeat(1000)).repeat(50);
    for round in 0..20 {
        speaker.say(&words)?;
        speaker.say(format!("round {round}\n"))?;
        // A client that does not read is as stuck as the other, once its buffers are full.
        for reader in [&mut speaker, &mut silent] {
            reader.hear(&format!(": round {round}\n"))?;
        }
    }
    Ok([stuck, speaker, silent])
}

/// The notice that the stuck client left: it connected second.
const STUCK_LEFT: &str = "* guest2 left\n";

/// The latest moment at which the server resets a client that takes nothing, if it is expected
/// after this time.
///
/// The kernel's own buffer may have a little room and not say so. If it takes something at the
/// server's last try, that counts as read, and the time begins anew. The kernel itself ends a
/// connection whose window stays closed for the user timeout.
fn stuck_last(config: &Config, due: Duration) -> Duration {
    (2 * due).min(kernel_late(config.user_timeout))
}

/// The latest moment of something that the kernel does after this time. The longer its timers run,
/// the coarser they are: up to an eighth of their time.
pub fn kernel_late(due: Duration) -> Duration {
    due + due / 8
}

/// Waits until the server has closed the stuck connection, while no other client leaves. The stuck
/// client itself may not learn of it, since the kernel had to drop data before that.
fn given_up(
    server: &Started,
    (what, due, due_last): (&'static str, Duration, Duration),
    since: Instant,
) -> Outcome<Finding> {
    let most = patience(due_last);
    let before = gauge::descriptors(server.pid())?;
    while gauge::descriptors(server.pid())? >= before {
        if since.elapsed() > most {
            let seconds = most.as_secs_f64();
            let told = format!("one that takes nothing is still there after {seconds} s");
            return Err(Fault(told).into());
        }
        thread::sleep(LOOK_AGAIN);
    }
    Ok(Finding::time_between(what, due, due_last, since))
}

fn flush(server: Started, config: &Config) -> Outcome<Vec<Finding>> {
    let [stuck, _speaker, _silent] = one_stuck(&server)?;
    let start = Instant::now();
    stuck.half_close()?;
    let due = ("--flush", config.flush, stuck_last(config, config.flush));
    Ok(vec![given_up(&server, due, start)?])
}

fn shutdown(mut server: Started, config: &Config) -> Outcome<Vec<Finding>> {
    let _here = one_stuck(&server)?;
    let start = Instant::now();
    let status = server.stop(patience(config.shutdown))?;
    let found = Finding::time("--shutdown", config.shutdown, start);
    match status.code() {
        Some(0) => Ok(vec![found]),
        _ => Err(Fault(format!("it ends with {status} when it is stopped")).into()),
    }
}

fn stuck(server: Started, config: &Config) -> Outcome<Vec<Finding>> {
    let start = Instant::now();
    let [_stuck, mut speaker, mut silent] = one_stuck(&server)?;
    let due = ("--stuck", config.stuck, stuck_last(config, config.stuck));
    let found = given_up(&server, due, start)?;
    // The stuck client left, and the silent one is still there.
    speaker.hear(STUCK_LEFT)?;
    speaker.say("still here?\n")?;
    silent.hear(": still here?\n")?;
    Ok(vec![found])
}
