//! How it ends, and how it starts again.

use std::os::unix::process::ExitStatusExt;

use crate::support::process::{self, through_shell};
use crate::support::{Client, Server, wait_for};

const LAST_LINE: &str = "* server shutting down\n";

/// Time enough that no deadline decides these tests.
const PATIENT: [&str; 6] = ["--shutdown", "60", "--flush", "60", "--stuck", "60"];

/// A server that heeds a hangup, also where `nohup` runs the tests: what it is started with is
/// inherited, and nothing but env(1) can undo it from outside.
fn start(flags: &[&str]) -> Server {
    process::start_piped(through_shell("exec env --default-signal=HUP \"$0\" \"$@\"", flags))
}

#[test]
fn a_signal_ends_it_with_a_last_line_to_everyone() {
    for (signal, name) in [("TERM", "SIGTERM"), ("INT", "SIGINT"), ("HUP", "SIGHUP")] {
        let mut server = start(&[]);
        let (mut alice, _) = server.join();
        let (mut bob, _) = server.join();
        server.signal(signal);
        assert!(alice.read_to_end().ends_with(LAST_LINE), "{signal}");
        assert_eq!(bob.read_to_end(), LAST_LINE, "{signal}");
        assert_eq!(server.wait_for_end().code(), Some(0), "{signal}");
        wait_for("its own copy", || server.stdout().ends_with(LAST_LINE).then_some(()));
        wait_for("the log", || server.stderr().contains(name).then_some(()));
    }
}

#[test]
fn a_hangup_that_was_ignored_at_the_start_stays_ignored() {
    let mut server = process::start_piped(through_shell("trap '' HUP; exec \"$0\" \"$@\"", &[]));
    let (mut alice, name) = server.join();
    server.signal("HUP");
    alice.send("still here\n");
    alice.read_until(&format!("{name}: still here\n"));
    server.signal("TERM");
    assert!(alice.read_to_end().ends_with(LAST_LINE));
    assert_eq!(server.wait_for_end().code(), Some(0));
    wait_for("the log", || server.stderr().contains("SIGTERM").then_some(()));
    assert!(!server.stderr().contains("SIGHUP"), "{}", server.stderr());
}

/// A client that reads nothing, with more waiting for it than the kernel's buffers hold; and one
/// that has read everything.
fn one_stuck(server: &Server) -> (Client, Client) {
    let stuck = server.connect();
    let (mut healthy, _) = server.join();
    // So much that buffers that grow by themselves are full as well.
    for batch in 0..200 {
        let line = format!("{batch} {}\n", "x".repeat(4000));
        healthy.send(line.repeat(8));
        healthy.forget();
        for _ in 0..8 {
            healthy.read_until(&format!(": {batch} "));
        }
    }
    healthy.send("enough\n");
    healthy.read_until(": enough\n");
    (stuck, healthy)
}

#[test]
fn a_second_signal_ends_it_at_once_though_someone_is_stuck() {
    for (signal, number) in [("TERM", 15), ("INT", 2), ("HUP", 1)] {
        let mut server = start(&PATIENT);
        let (_stuck, mut healthy) = one_stuck(&server);
        server.signal("TERM");
        assert!(healthy.read_to_end().ends_with(LAST_LINE));
        assert!(server.child.try_wait().unwrap().is_none(), "nothing held the stop");
        server.signal(signal);
        let status = server.wait_for_end();
        assert_eq!(status.code(), Some(128 + number), "{signal}");
        assert_eq!(status.signal(), None);
    }
}

#[test]
fn a_stop_waits_for_the_stuck_no_longer_than_it_may() {
    let mut server = Server::start(&["--shutdown", "0.5", "--flush", "60", "--stuck", "60"]);
    let (_stuck, mut healthy) = one_stuck(&server);
    server.signal("TERM");
    assert!(healthy.read_to_end().ends_with(LAST_LINE));
    assert_eq!(server.wait_for_end().code(), Some(0));
}

#[test]
fn what_comes_together_with_the_signal_does_not_hold_the_stop() {
    let mut server = Server::start(&PATIENT);
    let (mut alice, _) = server.join();
    let (mut bob, _) = server.join();
    // One turn finds the signal, a line, and the end of a client.
    server.pause();
    alice.send("too late?\n");
    bob.send("me too\n");
    drop(bob);
    server.signal("TERM");
    server.resume();
    assert!(alice.read_to_end().ends_with(LAST_LINE));
    drop(alice);
    assert_eq!(server.wait_for_end().code(), Some(0));
}

#[test]
fn all_that_was_said_before_the_signal_is_delivered_to_who_reads_on() {
    const LINES: usize = 12_000;
    let mut server = Server::start(&PATIENT);
    let (mut late, _) = server.join();
    let (mut alice, name) = server.join();
    late.read_until(&format!("* {name} "));
    // More than the kernel holds for one that does not read, and less than the window.
    for number in 0..LINES {
        alice.send(format!("{number} {}\n", "x".repeat(90)));
        if number % 50 == 0 {
            alice.forget();
            alice.read_until(&format!(": {number} "));
        }
    }
    alice.read_until(&format!(": {} ", LINES - 1));
    server.signal("TERM");
    assert!(alice.read_to_end().ends_with(LAST_LINE));
    let all = late.read_to_end();
    let mut expected: Vec<String> =
        (0..LINES).map(|number| format!("{name}: {number} {}", "x".repeat(90))).collect();
    expected.push(LAST_LINE.trim_end().to_owned());
    let said: Vec<&str> = all.lines().filter(|line| !line.ends_with(" joined")).collect();
    assert_eq!(said.len(), expected.len(), "{:?}", said.last());
    assert!(said == expected, "not what was said");
    assert_eq!(server.wait_for_end().code(), Some(0));
}

#[test]
fn a_server_that_was_killed_can_be_started_again_at_once_on_its_port() {
    let mut server = Server::start(&[]);
    let address = server.address.to_string();
    let clients: Vec<(Client, String)> = (0..5).map(|_| server.join()).collect();
    server.signal("KILL");
    assert_eq!(server.wait_for_end().signal(), Some(9));
    // They are still connected, as far as they know.
    let again = Server::start(&["--listen", &address]);
    assert_eq!(again.address.to_string(), address);
    let (mut alice, name) = again.join();
    alice.send("back\n");
    alice.read_until(&format!("{name}: back\n"));
    drop(clients);
}
