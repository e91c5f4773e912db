//! The clock, the bound of memory, the log, and what is left after many clients have left.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::ops::Range;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::support::cage::Cage;
use crate::support::process;
use crate::support::{Client, Server, assert_harmless, narrow, numbered, wait_for};

/// The most memory that it takes, as it logs at the start.
fn bound_bytes(server: &Server) -> usize {
    let log = wait_for("the bound", || {
        Some(server.stderr()).filter(|log| log.contains(" MiB of memory with all of them"))
    });
    let (before, _) = log.split_once(" MiB of memory with all of them").unwrap();
    before.rsplit(' ').next().unwrap().parse::<usize>().unwrap() << 20
}

/// Has each client send this as often as it is taken, until nothing more is taken for a while.
fn stuff(clients: &mut [Client], text: &[u8]) {
    const ENOUGH: Duration = Duration::from_millis(500);
    let mut said = vec![0; clients.len()];
    let mut last = Instant::now();
    while last.elapsed() < ENOUGH {
        for (client, said) in clients.iter_mut().zip(&mut said) {
            client.socket.set_nonblocking(true).unwrap();
            match client.socket.write(&text[*said..]) {
                Ok(taken) => {
                    *said = (*said + taken) % text.len();
                    last = Instant::now();
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        sleep(Duration::from_millis(1));
    }
}

/// All of these clients, and many refused ones, take as much as they can.
fn assert_bound_holds(clients_max: usize) {
    let Some(cage) = Cage::make(&format!("chinwag-bound-{clients_max}")) else {
        println!("skipped: this machine lets us make no control group for memory");
        return;
    };
    let flags = ["--window", "65536", "--stuck", "600", "--drain", "600", "--max-clients"];
    let mut command = cage.command(&[&flags[..], &[&clients_max.to_string()]].concat());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let server = process::start(command);
    let (bound, empty) = (bound_bytes(&server), server.descriptors().len());
    cage.allow(bound);
    // None of them ever reads, and none gets the bytes that all others get.
    let mut clients: Vec<Client> = (0..clients_max).map(|_| narrow(server.address)).collect();
    let refused: Vec<Client> = (0..100).map(|_| narrow(server.address)).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        // The data must wait in the server, not here.
        SockRef::from(&client.socket).set_send_buffer_size(4096).unwrap();
        client.send(format!("/nick name{number}\n/echo off\n"));
        client.send(format!("{}\n", "x".repeat(4000)).repeat(600 / clients_max));
    }
    // Their replies wait, so the server stops reading them; then their input waits.
    stuff(&mut clients, format!("/{}\n", "x".repeat(300)).repeat(100).as_bytes());
    stuff(&mut clients, &[b'x'; 8192]);
    let (used, resident) = (cage.used_bytes(), server.memory_bytes());
    assert!(used <= bound && resident <= bound, "{used} and {resident} of {bound} bytes");
    let load = clients_max * 100 * 1024;
    assert!(used >= load, "this was no load: {used} of {bound} bytes");
    // The kernel has not killed it either.
    drop((clients, refused));
    wait_for("all to leave", || (server.descriptors().len() == empty).then_some(()));
    let (mut alice, name) = server.enter();
    alice.send("still here\n");
    alice.read_until(&format!("{name}: still here\n"));
}

#[test]
#[ignore = "needs root and a control group for memory"]
fn the_printed_bound_of_memory_holds_for_many_at_their_worst() {
    assert_bound_holds(200);
}

#[test]
#[ignore = "needs root and a control group for memory"]
fn the_printed_bound_of_memory_holds_for_one_alone() {
    assert_bound_holds(1);
}

/// A library that makes the time of day jump by years, back and forth, in every call. It leaves
/// alone the time since the machine was started, which nobody can set.
const JUMPING_CLOCK: &str = r"
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long jump(void) {
    static const long years[] = {0, 100, -40, 12, 150, -1};
    static unsigned asked;
    return years[asked++ % 6] * 365 * 24 * 3600;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    int result = syscall(SYS_clock_gettime, clock, at);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI)
        at->tv_sec += jump();
    return result;
}

int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}
";

/// Starts a server for which the time of day jumps.
fn start_with_jumping_clock(flags: &[&str]) -> Server {
    let path = std::env::temp_dir().join(format!("chinwag-clock-{}.so", std::process::id()));
    let mut compiler = Command::new("gcc");
    compiler.args(["-shared", "-fPIC", "-x", "c", "-", "-o"]).arg(&path);
    let mut compiler = compiler.stdin(Stdio::piped()).spawn().unwrap();
    compiler.stdin.take().unwrap().write_all(JUMPING_CLOCK.as_bytes()).unwrap();
    assert!(compiler.wait().unwrap().success());
    let server = Server::start_with(flags, |command| _ = command.env("LD_PRELOAD", &path));
    std::fs::remove_file(&path).unwrap();
    server
}

#[test]
#[ignore = "needs gcc"]
fn a_time_of_day_that_jumps_by_years_moves_no_deadline() {
    const SECOND: Duration = Duration::from_secs(1);
    let limits = ["--idle", "5", "--stuck", "1", "--flush", "1", "--greeting", "0.5"];
    let others = ["--rate", "10", "--burst", "20", "--exempt", "none", "--log-level", "debug"];
    let mut server = start_with_jumping_clock(&[limits, others].concat());
    let start = Instant::now();
    let (mut alice, _) = server.join();
    assert!(start.elapsed() >= SECOND / 2, "greeted after {:?}", start.elapsed());
    let (mut silent, _) = server.join();
    let (stuck, _) = server.join_narrow();
    let (mut script, _) = server.join();
    // Text without a line end is a message after some silence.
    script.send("no end");
    alice.read_until("guest4: no end");
    alice.forget();
    // Ten lines per second and no more: the server does not read it until its next line may come.
    alice.send("go on\n");
    let paced = Instant::now();
    let lines = numbered(0, 40, 4000);
    script.send(format!("\n{lines}"));
    alice.read_until_lines(41);
    assert!(paced.elapsed() >= SECOND * 19 / 10, "{:?}", paced.elapsed());
    alice.forget();
    // A client that sends something is never disconnected. One that does not is, when it is time.
    let mut said = 0;
    while !silent.ended || start.elapsed() < 6 * SECOND {
        alice.send(format!("still {said}\n"));
        alice.read_until(&format!("guest1: still {said}\n"));
        said += 1;
        silent.read_once();
        sleep(SECOND / 10);
    }
    assert!(silent.read_text().ends_with("* closed: nothing said for 5 s\n"));
    assert!(start.elapsed() >= 5 * SECOND, "{:?}", start.elapsed());
    alice.send("the end\n");
    alice.read_until("guest1: the end\n");
    wait_for("the warning", || server.stderr().contains("too slow").then_some(()));
    drop(stuck);
    server.signal("TERM");
    assert!(alice.read_to_end().ends_with("* server shutting down\n"));
    assert_eq!(server.wait_for_end().code(), Some(0));
    // It was asked for the time of day, and got a wrong one.
    let log = server.stderr();
    let years: BTreeSet<&str> = log.lines().map(|record| &record[..4]).collect();
    assert!(years.len() > 2, "the time of day did not jump: {log}");
}

/// Bytes that act on a terminal, end a line, or are not text.
const HOSTILE: [&[u8]; 12] = [
    b"\x1b]0;owned\x07\x1b[2J",
    b"a\rb",
    b"a\r\nb",
    b"a\n2026-01-01T00:00:00.000Z ERROR [chinwag::server] forged",
    b"a\0b\x7f",
    b"\xc2\x9b2J\xc2\x85* forged",
    "\u{202e}evil\u{2066}\u{2069}".as_bytes(),
    "a\u{2028}b\u{2029}c\u{feff}".as_bytes(),
    b"\xff\xfe\xc0\xaf\xed\xa0\x80",
    b"\x9b\x90\x85",
    b"%s%n{}{0}",
    &[b'x'; 10_000],
];

#[test]
fn whatever_is_sent_is_one_printable_log_record_at_every_level() {
    let server = Server::start(&["--log-level", "trace", "--greeting", "60"]);
    let (mut connected, mut strangers) = (0, 0);
    for hostile in HOSTILE {
        let mut alice = server.connect();
        alice.send("hello\n");
        connected += 1;
        for before in ["", "/nick ", "/nick x", "/me ", "/msg ", "/msg guest1 ", "/ignore ", "/"] {
            alice.send([before.as_bytes(), hostile, b"\n"].concat());
        }
        // A name that is too long is none.
        alice.send([b"/quit ", hostile, b"\n/quit\n"].concat());
        alice.read_to_end();
        for (before, behind) in
            [("GET /", " HTTP/1.1\r\n\r\n"), ("\x16\x03\x01", ""), ("SSH-2.0-", "\r\n")]
        {
            let mut stranger = server.connect();
            stranger.send([before.as_bytes(), hostile, behind.as_bytes()].concat());
            // With a line end before the version it is no request.
            stranger.half_close();
            let told = stranger.read_to_end().contains("* this is a chat server");
            connected += 1;
            strangers += usize::from(told);
        }
    }
    assert!(strangers >= 2 * HOSTILE.len());
    let log = wait_for("all to be told of", || {
        let log = server.stderr();
        (log.matches(" left: ").count() == connected && log.ends_with('\n')).then_some(log)
    });
    assert_harmless(log.as_bytes());
    assert_harmless(server.stdout().as_bytes());
    for record in log.lines() {
        // A client that could begin a line could forge a log record of an error.
        let (stamp, said) = record.split_once("Z ").unwrap();
        assert!(stamp.starts_with("20") && stamp.len() == 23, "{record:?}");
        let level = said.split(' ').next().unwrap();
        assert!(["TRACE", "DEBUG", "INFO", "WARN"].contains(&level), "{record:?}");
        assert!(record.len() <= 512, "{record:?}");
    }
    assert_eq!(log.matches(" is not a chat client: ").count(), strangers);
}

/// Connects, sends something or nothing, and leaves or vanishes, in one of many ways; or is
/// returned, to be dropped by the caller.
fn visit(server: &Server, number: usize) -> Option<Client> {
    let text: &[u8] = match number % 8 {
        0 => b"hello\n",
        1 => b"/quit bye\n",
        2 => b"no end",
        3 => &b"/help\n".repeat(50),
        4 => b"GET / HTTP/1.1\r\n\r\n",
        5 => b"\xff\xf1hello\r\n/ignore guest1\n/echo off\n/msg guest1 hello\nand no",
        6 => &[b'x'; 20_000],
        _ => b"",
    };
    let named = format!("/nick visitor{number}\n");
    let named = if number % 8 == 4 { "" } else { &named };
    let client = server.connect();
    // It may have been refused by now.
    let sent = (&client.socket).write_all(&[named.as_bytes(), text].concat());
    match number % 3 {
        0 => drop((sent, client.socket.shutdown(Shutdown::Write))),
        1 => {
            client.reset();
            return None;
        }
        _ => {}
    }
    Some(client)
}

/// These clients connect and leave, sixty at a time, and some are refused. Waits until all is as
/// before.
fn churn(server: &Server, visits: Range<usize>) {
    let before = server.descriptors().len();
    for first in visits.step_by(60) {
        let visitors = (first..first + 60).filter_map(|number| visit(server, number));
        drop(visitors.collect::<Vec<_>>());
    }
    wait_for("all to have left", || (server.descriptors().len() == before).then_some(()));
    // Their names are free again, so they have left.
    let (mut last, _) = server.enter();
    last.send("/who\n");
    last.read_until("* 2 here: ");
    last.half_close();
    last.read_to_end();
    wait_for("the last to have left", || (server.descriptors().len() == before).then_some(()));
}

#[test]
fn what_thousands_have_left_behind_is_nothing() {
    const VISITS: usize = 3000;
    // It grows a little at first, since free memory lies between used memory. Less than this per
    // visit is not a thing that was kept of it.
    const KEPT_BYTES_MAX: usize = 40;
    let flags = ["--window", "65536", "--max-clients", "50", "--greeting", "0.01"];
    let server = Server::start(&[&flags[..], &["--idle", "3600"]].concat());
    let (_stays, _) = server.enter();
    let before = server.memory_bytes();
    churn(&server, 0..VISITS);
    let once = server.memory_bytes();
    assert!(once < before + (2 << 20), "{before}, then {once} bytes");
    churn(&server, VISITS..2 * VISITS);
    churn(&server, 2 * VISITS..3 * VISITS);
    let again = server.memory_bytes();
    assert!(again < once + 2 * VISITS * KEPT_BYTES_MAX, "{before}, {once}, then {again} bytes");
}
