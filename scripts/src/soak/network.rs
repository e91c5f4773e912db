//! The deadlines of the kernel, with a client whose link is cut. Client and server need networks of
//! their own; else none of this runs.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use chinwag::config::Config;

use super::deadlines::{Finding, Findings, Found, kernel_late, patience, send};
use super::peer::Peer;
use crate::stress::started::{self, Started};
use crate::stress::{Fault, Outcome, Patience, gauge};

/// The name of the link and its addresses. Nothing else is in this network.
const OURS: &str = "soak0";
const THEIRS: &str = "soak1";
const OUR_ADDRESS: &str = "10.255.0.1";
const THEIR_ADDRESS: &str = "10.255.0.2";

/// The ports of the servers that have clients over the link.
const PORT_OF_SILENT: u16 = 50005;
const PORT_OF_TOLD: u16 = 50006;

/// The notice that the client behind the link left: it connected second.
const CUT_LEFT: &str = "* guest2 left\n";

const KEEPALIVE_ROW: &str = "--keepalive, link cut";
const USER_TIMEOUT_ROW: &str = "--user-timeout, cut";

/// Runs this program again with these flags in a network of its own. Returns only if this machine
/// does not allow that, or lacks a program that the checks need.
pub fn enter_own(flags: &[&str]) -> Outcome<()> {
    // It builds what it needs before: that network may have no way out.
    started::build_if_run_by_cargo()?;
    let try_it = |program: &str, arguments: &[&str]| {
        let mut command = command(program, arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status()
    };
    if try_it("nc", &["-h"]).is_err() || try_it("nsenter", &["-h"]).is_err() {
        return Ok(());
    }
    for own in ["-rn", "-n"] {
        let tried = try_it("unshare", &[own, "ip", "link", "set", "lo", "up"]);
        if tried.is_ok_and(|status| status.success()) {
            let program = std::env::current_exe()?;
            let mut again = Command::new("unshare");
            again.arg(own).arg(program).args(flags).env_remove("CARGO");
            return Err(again.exec().into());
        }
    }
    Ok(())
}

/// When the kernel drops a client that sends and answers nothing: the earliest and the latest
/// moment. It probes after `--keepalive`, and again every `--keepalive-interval`. It drops the
/// client when another probe would be sent and there was no answer for `--user-timeout` (tcp(7):
/// that overrides `--keepalive-probes`).
fn silence(config: &Config) -> [Duration; 2] {
    let asks_again = config.keepalive + config.keepalive_interval;
    let mut asks_last = asks_again;
    while asks_last < config.user_timeout {
        asks_last += config.keepalive_interval;
    }
    [asks_again.max(config.user_timeout), kernel_late(asks_last)]
}

/// When the last of the checks ends, if nothing is late.
pub fn last(config: &Config) -> Duration {
    silence(config)[1].max(kernel_late(config.user_timeout))
}

/// The processes that must run until the checks have ended.
pub struct Links {
    /// The process that keeps the other network alive.
    _keeper: Ended,
    _peers: Vec<Ended>,
}

/// A process that is killed when it is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended already.
        self.0.kill().unwrap_or_default();
        self.0.wait().ok();
    }
}

/// Begins the checks, on servers with these flags. Keep the returned value until they have ended.
pub fn look(
    flags: &[&str],
    config: &Config,
    own_network: bool,
    findings: &Findings,
) -> Outcome<Option<Links>> {
    if !own_network {
        let why = "needs a network of its own (unshare -rn)";
        let nothing = |what| Finding { what, found: Found::Nothing(why.to_owned()) };
        findings.send(Ok([KEEPALIVE_ROW, USER_TIMEOUT_ROW].map(nothing).into()))?;
        return Ok(None);
    }
    let keeper = make_link()?;
    let [first, last] = silence(config);
    let start = Instant::now();
    let (silent, mut watcher, one) = meet(&keeper, PORT_OF_SILENT, flags)?;
    let (told, mut speaker, other) = meet(&keeper, PORT_OF_TOLD, flags)?;
    run(in_network(&keeper, "ip", &["link", "set", THEIRS, "down"]))?;
    let to = findings.clone();
    thread::spawn(move || {
        let _server = silent;
        let found = watcher.hear_within(CUT_LEFT, patience(last));
        let found = found.map(|_| Finding::time_between(KEEPALIVE_ROW, first, last, start));
        send(&to, KEEPALIVE_ROW, found.map(|found| vec![found]));
    });
    let (to, due) = (findings.clone(), config.user_timeout);
    thread::spawn(move || {
        let _server = told;
        let (start, last) = (Instant::now(), kernel_late(due));
        let found = speaker
            .say("is anybody there?\n")
            .and_then(|()| speaker.hear_within(CUT_LEFT, patience(last)))
            .map(|_| Finding::time_between(USER_TIMEOUT_ROW, due, last, start));
        send(&to, USER_TIMEOUT_ROW, found.map(|found| vec![found]));
    });
    Ok(Some(Links { _keeper: keeper, _peers: vec![one, other] }))
}

/// Makes the other network, and a link to it.
fn make_link() -> Outcome<Ended> {
    run(command("ip", &["link", "set", "lo", "up"]))?;
    let mut keeper = command("unshare", &["-n", "sh", "-c", "echo here; exec sleep 600"]);
    let mut child = keeper.stdout(Stdio::piped()).spawn()?;
    let mut stdout = child.stdout.take().ok_or("no standard output")?;
    let keeper = Ended(child);
    // Once it prints something, it is in its own network.
    stdout.read_exact(&mut [0; 5])?;
    let pid = keeper.0.id().to_string();
    let link = ["link", "add", OURS, "type", "veth", "peer", "name", THEIRS, "netns", &pid];
    run(command("ip", &link))?;
    run(command("ip", &["addr", "add", &format!("{OUR_ADDRESS}/24"), "dev", OURS]))?;
    run(command("ip", &["link", "set", OURS, "up"]))?;
    let theirs = format!("{THEIR_ADDRESS}/24");
    run(in_network(&keeper, "ip", &["addr", "add", &theirs, "dev", THEIRS]))?;
    run(in_network(&keeper, "ip", &["link", "set", THEIRS, "up"]))?;
    Ok(keeper)
}

/// A server, a client on this side of the link, and `nc` on the other side.
fn meet(keeper: &Ended, port: u16, flags: &[&str]) -> Outcome<(Started, Peer, Ended)> {
    let listen = format!("{OUR_ADDRESS}:{port}");
    let server = Started::chinwag_logging("off", &[&["--listen", &listen], flags].concat())?;
    let mut watcher = Peer::connect(server.address)?.enter()?;
    let mut nc = in_network(keeper, "nc", &[OUR_ADDRESS, &port.to_string()]);
    let nc = nc.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let nc = Ended(nc);
    watcher.hear(" joined\n")?;
    // Waits until the data for the other client has reached it.
    let mut patience = Patience::new();
    while unacknowledged(port)? {
        patience.check(false, || "the link takes nothing".to_owned())?;
        thread::sleep(Duration::from_millis(10));
    }
    Ok((server, watcher, nc))
}

/// Whether data sent from this port is unacknowledged.
fn unacknowledged(port: u16) -> Outcome<bool> {
    Ok(gauge::sockets(port)?.iter().any(|socket| socket.unacknowledged_bytes > 0))
}

fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command
}

fn in_network(keeper: &Ended, program: &str, arguments: &[&str]) -> Command {
    let pid = keeper.0.id().to_string();
    let mut command = command("nsenter", &["-t", &pid, "-n", program]);
    command.args(arguments);
    command
}

fn run(mut command: Command) -> Outcome<()> {
    let status = command.status()?;
    match status.success() {
        true => Ok(()),
        false => Err(Fault(format!("{command:?} failed: {status}")).into()),
    }
}
