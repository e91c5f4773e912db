//! Each default time and amount: the thing happens, not before its time, and not much later.
//!
//! Every check has a server and a thread of its own, so all together take as long as the longest. A
//! time is measured from before its cause, so a slow machine can only make it longer. The expected
//! values are read from [`Config`]: no number of it stands here.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use chinwag::config::Config;
use clap::Parser;

use super::network::Scene;
use crate::support::network::in_own_network;
use crate::support::{Client, Server, connect_from, wait_for};

/// A thing may happen at most this much later than expected: 2 s, and as much again for a machine
/// with other work.
const LATE_MAX: Duration = Duration::from_secs(4);

/// How long to wait before looking at a server again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Checks a server with these settings.
type Check = fn(Server, &Config);

/// Each check, with the flags of its server beside the others.
const CHECKS: [(&[&str], Check); 13] = [
    (&[], greeting),
    (&[], chunk_quiet),
    (&[], chunk_age),
    (&[], summary),
    (&[], drain),
    (&["--exempt", "none"], rate),
    (&["--exempt", "none"], per_address),
    (&[], max_line),
    (&[], max_endless),
    (&[], history_bytes),
    (&[], flush),
    (&[], shutdown),
    (&[], stuck),
];

/// The flags of a server.
#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    config: Config,
}

/// Runs all checks at once, on servers with these flags.
fn check_all(flags: &[&str]) {
    let config = Flags::try_parse_from([&["chinwag"], flags].concat()).unwrap().config;
    thread::scope(|scope| {
        for (its, check) in CHECKS {
            let config = &config;
            scope.spawn(move || check(Server::start(&[flags, its].concat()), config));
        }
    });
}

#[test]
fn deadlines_of_any_length_are_kept() {
    // A deadline may be 4 s late. So --flush is further than that from --shutdown, and --chunk-age
    // from --chunk-quiet. Else one could pass for the other.
    let flags = [
        ["--stuck", "2"],
        ["--flush", "5"],
        ["--shutdown", "0.5"],
        ["--drain", "0.5"],
        ["--user-timeout", "20"],
        ["--greeting", "0.3"],
        ["--chunk-quiet", "0.3"],
        ["--chunk-age", "5"],
        ["--summary", "0.5"],
        ["--notices", "5"],
        ["--rate", "20"],
        ["--burst", "10"],
        ["--per-address", "7"],
        ["--max-line", "2000"],
        ["--max-endless", "30000"],
        ["--history-bytes", "2000"],
    ];
    check_all(flags.as_flattened());
}

#[test]
#[ignore = "takes two minutes"]
fn each_default_deadline_is_kept() {
    check_all(&[]);
}

/// Asserts that something has just happened: this long after `since`, or a little later.
#[track_caller]
fn assert_took(what: &str, due: Duration, since: Instant) {
    assert_took_between(what, [due, due], since);
}

/// The same for a time without an exact end.
#[track_caller]
fn assert_took_between(what: &str, [first, last]: [Duration; 2], since: Instant) {
    let took = since.elapsed();
    assert!((first..=last + LATE_MAX).contains(&took), "{what}: {took:.2?}, not {first:?}");
}

fn greeting(server: Server, config: &Config) {
    let start = Instant::now();
    server.connect().read_until("* welcome, you are ");
    assert_took("--greeting", config.greeting, start);
}

fn chunk_quiet(server: Server, config: &Config) {
    let (mut alice, _) = server.join();
    let start = Instant::now();
    alice.send("no end");
    alice.read_until(": no end\n");
    assert_took("--chunk-quiet", config.chunk_quiet, start);
}

fn chunk_age(server: Server, config: &Config) {
    let (mut alice, _) = server.join();
    let start = Instant::now();
    // A single character. Silence is not enough for it: it waits the longest time.
    alice.send("네");
    alice.read_until(": 네\n");
    assert_took("--chunk-age", config.chunk_age, start);
}

fn summary(server: Server, config: &Config) {
    let at_once = u64::from(config.notices);
    let (mut watcher, _) = server.join();
    // By now the full burst of notices is there again.
    thread::sleep(Duration::from_secs(1));
    let start = Instant::now();
    let _newcomers: Vec<Client> = (0..4 * at_once).map(|_| server.connect()).collect();
    let told = watcher.read_until(" joined (");
    assert_took("--summary", config.summary, start);
    // The last ones may have been announced one by one.
    let one_by_one = told.matches(" joined\n").count() as u64;
    let most = at_once + (start.elapsed().as_secs_f64() * at_once as f64) as u64;
    assert!((at_once..=most).contains(&one_by_one), "--notices: {one_by_one}, not {at_once}");
}

fn drain(server: Server, config: &Config) {
    let (mut alice, _) = server.join();
    let start = Instant::now();
    alice.send("/quit\n");
    alice.read_to_end();
    // It sends a byte now and then until the server has closed its end.
    while alice.socket.write(b".").is_ok() {
        assert!(start.elapsed() < config.drain + LATE_MAX, "the server reads on and on");
        thread::sleep(LOOK_AGAIN);
    }
    assert_took("--drain", config.drain, start);
}

fn rate(server: Server, config: &Config) {
    let (mut alice, _) = server.join();
    let (at_once, all) = (config.burst, 2 * config.burst);
    let lines: String = (1..=all).map(|line| format!("line {line}\n")).collect();
    let due = |lines: u32| Duration::from_secs(lines.into()) / config.rate;
    let start = Instant::now();
    alice.send(lines);
    alice.read_until(&format!(": line {}\n", at_once + 1));
    assert_took("--rate, after --burst", due(1), start);
    alice.read_until(&format!(": line {all}\n"));
    assert_took("--rate, as many again", due(all - at_once), start);
}

fn per_address(server: Server, config: &Config) {
    let most = config.per_address;
    let _here: Vec<_> = (0..most).map(|_| server.enter()).collect();
    let told = format!("* too many connections from your address ({most}, ");
    server.connect().read_until(&told);
    let mut other = Client::new(connect_from([127, 0, 0, 2], server.address));
    other.read_until("* welcome, you are ");
}

fn max_line(server: Server, config: &Config) {
    let most = config.max_line;
    let (mut alice, name) = server.join();
    alice.send(format!("{}\n", "m".repeat(most)));
    assert_eq!(alice.take_line().len(), name.len() + 2 + most, "--max-line");
    alice.send(format!("{}\n", "m".repeat(most + 1)));
    alice.read_until(&format!("* line too long, not sent (limit {most} bytes)\n"));
}

fn max_endless(server: Server, config: &Config) {
    let most = config.max_endless;
    let (mut alice, _) = server.join();
    alice.send("e".repeat(most));
    alice.read_until("* line too long");
    alice.send("\nstill here\n");
    alice.read_until(": still here\n");
    alice.send("e".repeat(most + 1));
    alice.read_until(&format!("* closed: {most} bytes without a line end\n"));
    alice.read_to_end();
}

fn history_bytes(server: Server, config: &Config) {
    const WORDS_BYTES: usize = 90;
    let most = config.history_bytes;
    let (mut alice, _) = server.join();
    alice.send(format!("{}\n", "h".repeat(WORDS_BYTES)).repeat(most / WORDS_BYTES + 1));
    alice.send("/history 1000\n");
    let read = alice.read_until("* now\n");
    let (_, shown) = read.split_once("* history\n").unwrap();
    let shown = shown.strip_suffix("* now\n").unwrap();
    let line = shown.lines().next().unwrap().len() + 1;
    let bytes = shown.len();
    assert!((most - line..=most).contains(&bytes), "--history-bytes: {bytes}, not {most}");
}

/// Three clients: a stuck one that never reads what waits for it, the one that has sent that, and
/// one that sends nothing and reads everything. The stuck one connected second.
fn one_stuck(server: &Server) -> [Client; 3] {
    let (mut silent, _) = server.join();
    let (stuck, _) = server.join_narrow();
    let (mut speaker, _) = server.join();
    let words = format!("{}\n", "f".repeat(1000)).repeat(50);
    for round in 0..20 {
        speaker.send(&words);
        speaker.send(format!("round {round}\n"));
        // A client that does not read is as stuck as the other, once its buffers are full.
        for reader in [&mut speaker, &mut silent] {
            reader.read_until_last(&format!(": round {round}\n"));
        }
    }
    [stuck, speaker, silent]
}

#[test]
fn of_three_only_the_stuck_one_has_anything_waiting() {
    let server = Server::start(&[]);
    let _here = one_stuck(&server);
    let door = format!("0100007F:{:04X}", server.address.port());
    wait_for("one to be stuck", || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let sockets = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let ours = sockets.filter(|fields| fields[1] == door);
        let waiting = ours.filter(|fields| !fields[4].starts_with("00000000:")).count();
        (waiting == 1).then_some(())
    });
}

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
fn kernel_late(due: Duration) -> Duration {
    due + due / 8
}

/// Waits until the server has closed the stuck connection, while no other client leaves. The stuck
/// client itself may not learn of it, since the kernel had to drop data before that.
fn assert_dropped(server: &Server, what: &str, [due, last]: [Duration; 2], since: Instant) {
    let before = server.descriptors().len();
    while server.descriptors().len() >= before {
        assert!(since.elapsed() < last + LATE_MAX, "{what}: a stuck client is still there");
        thread::sleep(LOOK_AGAIN);
    }
    assert_took_between(what, [due, last], since);
}

fn flush(server: Server, config: &Config) {
    let [stuck, _speaker, _silent] = one_stuck(&server);
    let start = Instant::now();
    stuck.half_close();
    let due = [config.flush, stuck_last(config, config.flush)];
    assert_dropped(&server, "--flush", due, start);
}

fn shutdown(mut server: Server, config: &Config) {
    let _here = one_stuck(&server);
    let start = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait_for_end().code(), Some(0));
    assert_took("--shutdown", config.shutdown, start);
}

fn stuck(server: Server, config: &Config) {
    let start = Instant::now();
    let [_stuck, mut speaker, mut silent] = one_stuck(&server);
    let due = [config.stuck, stuck_last(config, config.stuck)];
    assert_dropped(&server, "--stuck", due, start);
    // The stuck client left, and the silent one is still there.
    speaker.read_until("* guest2 left\n");
    speaker.send("still here?\n");
    silent.read_until(": still here?\n");
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

/// Cuts the link to a client, after `talk` has had a word. Asserts when it is gone.
fn assert_gone_behind_a_cut_link(what: &str, due: [Duration; 2], talk: fn(&mut Client)) {
    let mut scene = Scene::new(&[]);
    scene.dying.cut();
    let start = Instant::now();
    talk(&mut scene.alice);
    let left = format!("* {} left\n", scene.bob_name);
    while !scene.alice.read_text().contains(&left) {
        assert!(start.elapsed() < due[1] + LATE_MAX, "{what}: it is still there");
        scene.alice.read_once();
    }
    assert_took_between(what, due, start);
}

#[test]
#[ignore = "takes two minutes; needs ip, nsenter and unshare"]
fn the_default_keepalive_drops_a_client_behind_a_cut_link() {
    in_own_network(|| {
        let due = silence(&Config::default());
        // The kernel's clock began a moment before the link was cut.
        let [first, last] = [due[0].saturating_sub(Duration::from_secs(1)), due[1]];
        assert_gone_behind_a_cut_link("--keepalive", [first, last], |_| {});
    });
}

#[test]
#[ignore = "takes two minutes; needs ip, nsenter and unshare"]
fn the_default_user_timeout_drops_one_behind_a_cut_link() {
    in_own_network(|| {
        let due = Config::default().user_timeout;
        let due = [due, kernel_late(due)];
        assert_gone_behind_a_cut_link("--user-timeout", due, |alice| {
            alice.send("are you there?\n")
        });
    });
}
