//! Each default that is a time or an amount, on a server without flags: it happens, not before its
//! time, and not much later.
//!
//! Every check has a server of its own and a thread, so that all take as long as the longest. A
//! time is measured from before what starts it, so that a slow machine can only make it longer.

use std::error::Error;
use std::io::Write;
use std::net::Ipv4Addr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::network;
use crate::peer::Peer;
use crate::stress::started::Started;
use crate::stress::{Fault, Outcome, gauge};

/// So much later than it was due may a thing happen: 2 s, and as much again for a machine that has
/// other work to do.
const LATE_MAX: Duration = Duration::from_secs(4);

/// Between two looks at a server.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What a check found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The flag, or what it is about.
    pub what: &'static str,
    /// What was to be, and what was.
    pub found: Found,
}

/// What was to be, and what was.
#[derive(Clone, Debug)]
pub enum Found {
    /// It takes so long.
    Time {
        /// At least.
        due: Duration,
        /// At most.
        most: Duration,
        /// As it was.
        took: Duration,
    },
    /// They are so many.
    Count {
        /// At least.
        least: u64,
        /// At most.
        most: u64,
        /// As it was.
        came: u64,
    },
    /// Not looked at, for this reason.
    Nothing(String),
}

impl Finding {
    /// A time that has just passed.
    pub fn time(what: &'static str, due: f64, since: Instant) -> Finding {
        let (due, most) = (Duration::from_secs_f64(due), patience(due));
        Finding { what, found: Found::Time { due, most, took: since.elapsed() } }
    }

    fn count(what: &'static str, due: u64, came: u64) -> Finding {
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

/// How long to wait for what is due in so many seconds.
pub fn patience(due: f64) -> Duration {
    Duration::from_secs_f64(due) + LATE_MAX
}

/// Where findings go.
pub type Findings = mpsc::Sender<Result<Vec<Finding>, String>>;

type Check = fn(Started) -> Outcome<Vec<Finding>>;

/// The name of each check for when it fails, what its server needs beside the defaults, and it.
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

/// Looks at all of them, with one line for each; `own_network` says that this process has a network
/// of its own, in which links may be made and cut.
pub fn look(own_network: bool, out: &mut dyn Write) -> Outcome<()> {
    writeln!(out, "{:22} {:>9}   {:>9}", "default", "due", "was")?;
    let (sender, findings) = mpsc::channel();
    let links = network::look(own_network, &sender)?;
    for (what, flags, check) in CHECKS {
        let server = Started::chinwag_logging("off", flags)?;
        let sender = sender.clone();
        thread::spawn(move || send(&sender, what, check(server)));
    }
    drop(sender);
    let mut first_fault: Option<Box<dyn Error>> = None;
    for found in findings {
        match found {
            Ok(findings) => {
                for finding in &findings {
                    writeln!(out, "{}", finding.to_row())?;
                    let fault = finding.check().err().map(Box::from);
                    first_fault = first_fault.or(fault);
                }
            }
            Err(told) => {
                writeln!(out, "{told}")?;
                first_fault = first_fault.or(Some(told.into()));
            }
        }
        out.flush()?;
    }
    drop(links);
    first_fault.map_or(Ok(()), Err)
}

/// Hands over what was found, or what it is about and why nothing was.
pub fn send(to: &Findings, what: &str, found: Outcome<Vec<Finding>>) {
    // After a fault nobody may be waiting for more.
    to.send(found.map_err(|error| format!("{what}: {error}"))).unwrap_or_default();
}

fn greeting(server: Started) -> Outcome<Vec<Finding>> {
    let start = Instant::now();
    Peer::connect(server.address)?.hear("* welcome, you are ")?;
    Ok(vec![Finding::time("--greeting", 0.1, start)])
}

fn chunk_quiet(server: Started) -> Outcome<Vec<Finding>> {
    let mut peer = Peer::connect(server.address)?.enter()?;
    let start = Instant::now();
    peer.say("no end")?;
    peer.hear(": no end\n")?;
    Ok(vec![Finding::time("--chunk-quiet", 0.2, start)])
}

fn chunk_age(server: Started) -> Outcome<Vec<Finding>> {
    let mut peer = Peer::connect(server.address)?.enter()?;
    let start = Instant::now();
    // A single character, for which quiet is not enough.
    peer.say("네")?;
    peer.hear(": 네\n")?;
    Ok(vec![Finding::time("--chunk-age", 1.0, start)])
}

fn summary(server: Started) -> Outcome<Vec<Finding>> {
    const NEWCOMERS: usize = 40;
    const NOTICES: u64 = 10;
    let mut watcher = Peer::connect(server.address)?.enter()?;
    // As many notices as may be told at once are there again.
    thread::sleep(Duration::from_secs(1));
    let start = Instant::now();
    let newcomers: Outcome<Vec<Peer>> =
        (0..NEWCOMERS).map(|_| Peer::connect(server.address)).collect();
    let _here = newcomers?;
    let before = watcher.hear(" joined (")?;
    let found = Finding::time("--summary", 1.0, start);
    // Those that came a little later may have been told one by one.
    let told = before.matches(" joined\n").count() as u64;
    let most = NOTICES + (start.elapsed().as_secs_f64() * NOTICES as f64) as u64;
    let notices = Found::Count { least: NOTICES, most, came: told };
    Ok(vec![found, Finding { what: "--notices", found: notices }])
}

fn drain(server: Started) -> Outcome<Vec<Finding>> {
    let mut peer = Peer::connect(server.address)?.enter()?;
    let start = Instant::now();
    peer.say("/quit\n")?;
    peer.hear_the_end(patience(1.0))?;
    peer.send_until_closed(patience(1.0))?;
    Ok(vec![Finding::time("--drain", 1.0, start)])
}

fn rate(server: Started) -> Outcome<Vec<Finding>> {
    let mut peer = Peer::connect(server.address)?.enter()?;
    let lines: String = (1..=40).map(|line| format!("line {line}\n")).collect();
    let start = Instant::now();
    peer.say(lines)?;
    peer.hear(": line 21\n")?;
    let burst = Finding::time("--rate, after --burst", 0.1, start);
    peer.hear(": line 40\n")?;
    Ok(vec![burst, Finding::time("--rate, 20 lines", 2.0, start)])
}

fn per_address(server: Started) -> Outcome<Vec<Finding>> {
    const MOST: u64 = 64;
    let enter = || -> Outcome<Peer> {
        let mut peer = Peer::connect(server.address)?;
        peer.hear("* welcome, you are ")?;
        Ok(peer)
    };
    let here: Outcome<Vec<Peer>> = (0..MOST).map(|_| enter()).collect();
    let here = here?;
    Peer::connect(server.address)?.hear("* too many connections from your address (64, ")?;
    let mut other = Peer::connect_from(Ipv4Addr::new(127, 0, 0, 2), server.address)?;
    other.hear("* welcome, you are ")?;
    Ok(vec![Finding::count("--per-address", MOST, here.len() as u64)])
}

fn max_line(server: Started) -> Outcome<Vec<Finding>> {
    const MOST: usize = 4096;
    let mut peer = Peer::connect(server.address)?.enter()?;
    peer.say(format!("{}\n", "m".repeat(MOST)))?;
    peer.hear(": ")?;
    let line = peer.hear("\n")?;
    peer.say(format!("{}\n", "m".repeat(MOST + 1)))?;
    peer.hear("* line too long, not sent: 4096 bytes is the most\n")?;
    Ok(vec![Finding::count("--max-line", MOST as u64, line.len() as u64)])
}

fn max_endless(server: Started) -> Outcome<Vec<Finding>> {
    const MOST: usize = 65536;
    let mut peer = Peer::connect(server.address)?.enter()?;
    peer.say("e".repeat(MOST))?;
    peer.hear("* line too long")?;
    peer.say("\nstill here\n")?;
    peer.hear(": still here\n")?;
    peer.say("e".repeat(MOST + 1))?;
    peer.hear("* closed: 65536 bytes without a line end\n")?;
    peer.hear_the_end(patience(1.0))?;
    Ok(vec![Finding::count("--max-endless", MOST as u64, MOST as u64)])
}

fn history_bytes(server: Started) -> Outcome<Vec<Finding>> {
    const MOST: u64 = 4096;
    let mut peer = Peer::connect(server.address)?.enter()?;
    peer.say(format!("{}\n", "h".repeat(90)).repeat(100))?;
    peer.say("/history 1000\n")?;
    peer.hear("* history\n")?;
    let shown = peer.hear("* now\n")?;
    let line = shown.lines().next().unwrap_or_default().len() as u64 + 1;
    let found = Found::Count { least: MOST - line, most: MOST, came: shown.len() as u64 };
    Ok(vec![Finding { what: "--history-bytes", found }])
}

/// One who never reads, for whom something waits; one who has said that; and one who is silent.
fn one_stuck(server: &Started) -> Outcome<[Peer; 3]> {
    let silent = Peer::connect(server.address)?.enter()?;
    let stuck = Peer::connect_narrow(server.address)?.enter()?;
    let mut speaker = Peer::connect(server.address)?.enter()?;
    let words = format!("{}\n", "f".repeat(1000)).repeat(50);
    for round in 0..20 {
        speaker.say(&words)?;
        speaker.say(format!("round {round}\n"))?;
        speaker.hear(&format!(": round {round}\n"))?;
    }
    Ok([stuck, speaker, silent])
}

/// Waits until the server has closed its end of one who is stuck; nobody else leaves. The stuck
/// peer itself may not learn of it: what the kernel had to throw away stands between.
///
/// It may take up to `most`: the kernel's own buffer may have room for a little more and not say
/// so, and what it takes when the server tries once more before it gives up is something taken.
fn given_up(
    server: &Started,
    (what, due, most): (&'static str, f64, f64),
    since: Instant,
) -> Outcome<Finding> {
    let most = patience(most);
    let before = gauge::descriptors(server.pid())?;
    while gauge::descriptors(server.pid())? >= before {
        if since.elapsed() > most {
            let seconds = most.as_secs_f64();
            return Err(Fault(format!("who takes nothing is still there after {seconds} s")).into());
        }
        thread::sleep(LOOK_AGAIN);
    }
    let (due, took) = (Duration::from_secs_f64(due), since.elapsed());
    Ok(Finding { what, found: Found::Time { due, most, took } })
}

fn flush(server: Started) -> Outcome<Vec<Finding>> {
    let [stuck, _speaker, _silent] = one_stuck(&server)?;
    let start = Instant::now();
    stuck.half_close()?;
    let found = given_up(&server, ("--flush", 5.0, 10.0), start)?;
    Ok(vec![found])
}

fn shutdown(mut server: Started) -> Outcome<Vec<Finding>> {
    let _here = one_stuck(&server)?;
    let start = Instant::now();
    let status = server.stop(patience(5.0))?;
    let found = Finding::time("--shutdown", 5.0, start);
    match status.code() {
        Some(0) => Ok(vec![found]),
        _ => Err(Fault(format!("it ends with {status} when it is stopped")).into()),
    }
}

fn stuck(server: Started) -> Outcome<Vec<Finding>> {
    let start = Instant::now();
    let [_stuck, mut speaker, mut silent] = one_stuck(&server)?;
    let found = given_up(&server, ("--stuck", 60.0, 120.0), start)?;
    // Those who have only been silent are still there.
    speaker.say("still here?\n")?;
    silent.hear(": still here?\n")?;
    Ok(vec![found])
}
