//! What signals do: how the server ends, and how it starts again.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use crate::support::process::{self, through_shell};
use crate::support::terminal::Terminal;
use crate::support::{Client, Server, wait_for};

const LAST_LINE: &str = "* server shutting down\n";

/// Time enough that no deadline decides these tests.
const PATIENT: [&str; 6] = ["--shutdown", "60", "--flush", "60", "--stuck", "60"];

/// A server that handles SIGHUP even if `nohup` runs the tests. A program inherits what is ignored,
/// and from outside only env(1) can undo that.
const HANDLES_HUP: &str = "exec env --default-signal=HUP \"$0\" \"$@\"";

/// The same in a session without a terminal, as a service runs.
const SERVICE: &str = "exec setsid env --default-signal=HUP \"$0\" \"$@\"";

/// The same as the leader of a session whose terminal is its standard input.
const AT_A_TERMINAL: &str = "exec setsid -c env --default-signal=HUP \"$0\" \"$@\"";

fn start(flags: &[&str]) -> Server {
    process::start_piped(through_shell(HANDLES_HUP, flags))
}

/// A server at a terminal, and the person's side of that.
fn start_at_a_terminal(flags: &[&str]) -> (Server, File) {
    let Terminal { person, program } = Terminal::open();
    let mut command = through_shell(AT_A_TERMINAL, flags);
    command.stdin(program).stdout(Stdio::piped()).stderr(Stdio::piped());
    (process::start(command), person)
}

#[test]
fn a_signal_ends_it_with_a_last_line_to_everyone() {
    for (signal, name) in [("TERM", "SIGTERM"), ("INT", "SIGINT")] {
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
#[ignore = "needs setsid"]
fn a_hangup_reloads_a_service_and_ends_what_a_terminal_started() {
    let server = process::start_piped(through_shell(SERVICE, &[]));
    let (mut alice, name) = server.join();
    server.signal("HUP");
    wait_for("the log", || server.stderr().contains(" reloaded: SIGHUP\n").then_some(()));
    alice.send("still here\n");
    alice.read_until(&format!("{name}: still here\n"));

    // The terminal goes away, as a window is closed; and the signal alone.
    for hangs_up in [true, false] {
        let (mut server, person) = start_at_a_terminal(&[]);
        let (mut alice, _) = server.join();
        let person = (!hangs_up).then_some(person);
        if person.is_some() {
            server.signal("HUP");
        }
        assert!(alice.read_to_end().ends_with(LAST_LINE), "{hangs_up}");
        assert_eq!(server.wait_for_end().code(), Some(0), "{hangs_up}");
        wait_for("the log", || server.stderr().contains("stopping: SIGHUP").then_some(()));
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

#[test]
fn a_signal_that_means_nothing_is_logged_and_ends_nothing() {
    for signal in ["USR2", "XFSZ", "ALRM", "VTALRM", "PROF", "IO", "PIPE"] {
        let server = Server::start(&[]);
        let (mut alice, name) = server.join();
        server.signal(signal);
        alice.send("still here\n");
        alice.read_until(&format!("{name}: still here\n"));
        if signal != "PIPE" {
            let told = format!("ignored 1 signal, the last was SIG{signal}\n");
            wait_for(&told, || server.stderr().contains(&told).then_some(()));
        }
    }
}

#[test]
fn usr1_logs_clients_lines_said_and_missed_and_the_memory() {
    const LINES: usize = 2000;
    let server = Server::start(&["--window", "32768"]);
    let (mut late, _) = server.join_narrow();
    let (mut alice, name) = server.join();
    // Two joins, these lines and the last.
    for number in 0..LINES {
        alice.send(format!("{number} {}\n", "x".repeat(500)));
        alice.read_until_last(&format!("{number} {}\n", "x".repeat(500)));
    }
    alice.send("enough\n");
    late.read_until(&format!("{name}: enough\n"));
    let missed = |line: &&str| line.starts_with("* you missed ");
    let text = late.read_text();
    let missed: usize = text
        .lines()
        .filter(missed)
        .filter_map(|it| it.split(' ').nth(3)?.parse::<usize>().ok())
        .sum();
    assert!(missed > 0);
    server.signal("USR1");
    let told = format!(
        "SIGUSR1: 2 here; {} lines said, {missed} lines missed by slow readers; ",
        LINES + 3
    );
    wait_for(&told, || server.stderr().contains(&told).then_some(()));
    let log = server.stderr();
    let (_, memory) = log.split_once(&told).unwrap();
    let figures: Vec<usize> = memory.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [now, most] = figures[..] else { panic!("{memory}") };
    assert!((1..=most).contains(&now), "{memory}");
    assert!(now.abs_diff(server.memory_bytes() >> 20) <= 2, "{memory}");
}

#[test]
fn the_limit_of_processor_time_stops_it_but_is_no_second_signal() {
    let mut server = start(&PATIENT);
    let (_stuck, mut healthy) = one_stuck(&server);
    server.signal("XCPU");
    assert!(healthy.read_to_end().ends_with(LAST_LINE));
    wait_for("the log", || server.stderr().contains("stopping: SIGXCPU").then_some(()));
    server.signal("XCPU");
    // The status comes behind the record before it.
    server.signal("USR1");
    wait_for("the log", || server.stderr().contains("SIGUSR1: ").then_some(()));
    assert!(server.child.try_wait().unwrap().is_none(), "nothing held the stop");
    server.signal("TERM");
    assert_eq!(server.wait_for_end().code(), Some(128 + 15));
}

/// A client that reads nothing, with more waiting for it than the kernel's buffers hold; and one
/// that has read everything.
fn one_stuck(server: &Server) -> (Client, Client) {
    let stuck = server.connect();
    let (mut healthy, _) = server.join();
    // So much that buffers which grow by themselves are full as well.
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
    for (signal, number) in [("TERM", 15), ("INT", 2)] {
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
fn all_said_before_the_signal_reaches_a_client_that_reads_on() {
    const LINES: usize = 12_000;
    let mut server = Server::start(&PATIENT);
    let (mut late, _) = server.join();
    let (mut alice, name) = server.join();
    late.read_until(&format!("* {name} "));
    // More than the kernel holds for a client that does not read, and less than the window.
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
fn a_killed_server_can_be_started_again_at_once_on_its_port() {
    let mut server = Server::start(&[]);
    let address = server.address.to_string();
    let clients: Vec<(Client, String)> = (0..5).map(|_| server.join()).collect();
    server.signal("KILL");
    assert_eq!(server.wait_for_end().signal(), Some(9));
    // They have not noticed that the connection is over.
    let again = Server::start(&["--listen", &address]);
    assert_eq!(again.address.to_string(), address);
    let (mut alice, name) = again.join();
    alice.send("back\n");
    alice.read_until(&format!("{name}: back\n"));
    drop(clients);
}
