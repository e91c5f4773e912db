//! Each limit: what happens at it, and that nothing happens just before it.

use std::time::{Duration, Instant};

use crate::support::{
    Client, PATIENCE, Server, connect_from, fail_with, join, numbered, say_in_step, wait_for,
};

/// More than the kernel holds for a client that does not read, and the smallest window besides.
const FILLING_BYTES: usize = 1 << 20;

/// How much a client sends at once that fills another's buffers and keeps up itself.
const STEP_BYTES: usize = 4096;

/// Sends so much that a narrow client which does not read has no room for it.
fn fill(speaker: (&mut Client, &str)) {
    let text = numbered(0, FILLING_BYTES / 1024, 1024);
    say_in_step(speaker, &text, STEP_BYTES, &mut []);
}

// Who may come in.

#[test]
fn more_than_max_clients_are_told_so_until_one_has_left() {
    let server = Server::start(&["--max-clients", "2"]);
    let (mut alice, _) = server.join();
    let (mut bob, _) = server.join();
    server.pause();
    let mut late = [server.connect(), server.connect(), server.connect()];
    late.iter_mut().for_each(|client| client.send("let me in\n"));
    server.resume();
    for client in &mut late {
        // The server does not read what it sends, but it must get the reason.
        assert_eq!(client.read_to_end(), "* server full (2)\n");
    }
    // When this arrives, the turn that refused them is over.
    alice.send("mark\n");
    alice.read_until("mark\n");
    assert!(late.iter().all(|client| !client.was_reset()));
    // Refused clients take no place of a client.
    bob.half_close();
    bob.read_to_end();
    server.join();
    wait_for("the warning", || server.stderr().contains("server full (2)").then_some(()));
    assert!(!server.stdout().contains("let me in"));
}

#[test]
fn a_crowd_before_a_full_server_is_told_so_to_the_last() {
    let server = Server::start(&["--max-clients", "1"]);
    let (_alice, _) = server.join();
    let mut crowd: Vec<Client> = (0..100).map(|_| server.connect()).collect();
    for late in &mut crowd {
        assert_eq!(late.read_to_end(), "* server full (1)\n");
        assert!(!late.was_reset());
    }
}

#[test]
fn more_than_per_address_are_refused_and_other_addresses_get_in() {
    let server = Server::start(&["--per-address", "2", "--exempt", "none"]);
    let from = |last| Client::new(connect_from([127, 0, 0, last], server.address));
    let _first = join(from(2));
    let (mut second, _) = join(from(2));
    let mut third = from(2);
    let refusal = "* too many connections from your address (2, --per-address)\n";
    assert_eq!(third.read_to_end(), refusal);
    let _other = join(from(3));
    second.half_close();
    second.read_to_end();
    let _again = join(from(2));
    assert_eq!(from(2).read_to_end(), refusal);
}

#[test]
fn an_exempt_address_may_come_as_often_as_it_likes() {
    let server = Server::start(&["--per-address", "1", "--exempt", "127.0.0.2/32"]);
    let from = |last| Client::new(connect_from([127, 0, 0, last], server.address));
    let _first = join(from(2));
    let _second = join(from(2));
    let _third = join(from(2));
    let _other = join(from(3));
    let refusal = "* too many connections from your address (1, --per-address)\n";
    assert_eq!(from(3).read_to_end(), refusal);
}

// What may be said.

#[test]
fn max_line_bytes_pass_and_one_more_is_told_to_the_sender_alone() {
    let server = Server::start(&["--max-line", "10"]);
    let (mut alice, _) = server.join();
    let (mut bob, _) = server.join();
    alice.read_until("* guest2 ");
    alice.read_until(") joined\n");
    alice.forget();
    let notice = "* line too long, not sent (limit 10 bytes)\n";
    alice.send("0123456789\n0123456789a\nnext\n가나다라\n");
    alice.send(format!("{}\nlast\n", "x".repeat(5000)));
    alice.read_until("guest1: last\n");
    let said = ["guest1: 0123456789\n", "guest1: next\n", "guest1: last\n"];
    bob.read_until("guest1: last\n");
    assert_eq!(bob.read_text(), said.concat());
    // Each notice stands where its line would.
    let [first, next, last] = said;
    assert_eq!(alice.read_text(), [first, notice, next, notice, notice, last].concat());
}

#[test]
fn so_much_without_a_line_end_closes_its_sender_and_says_why() {
    let server = Server::start(&["--max-line", "100", "--max-endless", "1000"]);
    let (mut alice, _) = server.join();
    let (mut bob, _) = server.join();
    bob.send(format!("{}\n", "x".repeat(1000)));
    bob.read_until("* line too long, not sent (limit 100 bytes)\n");
    bob.send("still here\n");
    bob.read_until("guest2: still here\n");
    bob.forget();
    bob.send("x".repeat(40_000));
    let long = "* line too long, not sent (limit 100 bytes)\n";
    let closed = "* closed: 1000 bytes without a line end\n";
    assert_eq!(bob.read_to_end(), format!("{long}{closed}"));
    alice.read_until("guest2: still here\n* guest2 left\n");
    // The server read all its input, or the close would have been a reset.
    assert!(!bob.was_reset());
}

#[test]
fn lines_over_the_burst_come_later_but_all_come_in_order() {
    let server = Server::start(&["--rate", "10", "--burst", "20", "--exempt", "none"]);
    let (mut alice, _) = server.join();
    let (mut bob, _) = server.join();
    let start = Instant::now();
    let lines: Vec<_> = (0..30).map(|number| format!("line {number}\n")).collect();
    alice.send(lines.concat());
    bob.read_until_lines(30);
    // Twenty at once, and the thirtieth after the time of ten more.
    assert!(start.elapsed() >= Duration::from_millis(990), "{:?}", start.elapsed());
    let said: String = lines.iter().map(|line| format!("guest1: {line}")).collect();
    assert_eq!(bob.read_text(), said);
}

#[test]
fn the_rate_does_not_hold_for_the_exempt() {
    let server = Server::start(&["--rate", "1", "--burst", "1"]);
    let (mut alice, _) = server.join();
    // They would take longer than a test waits.
    let lines = 2 * PATIENCE.as_secs() as usize;
    alice.send("hello\n".repeat(lines));
    alice.read_until_lines(lines);
    assert_eq!(alice.read_text(), "guest1: hello\n".repeat(lines));
}

#[test]
fn an_address_that_leaves_and_comes_again_has_one_burst() {
    let server = Server::start(&["--exempt", "127.0.0.1/32", "--rate", "1", "--burst", "5"]);
    let from = |last| Client::new(connect_from([127, 0, 0, last], server.address));
    let (mut alice, _) = server.join();
    let start = Instant::now();
    let mut first = from(2);
    first.send("1\n2\n3\n4\n5\n");
    first.half_close();
    alice.read_until(": 5\n");
    first.read_to_end();
    let mut second = from(2);
    second.send("6\n7\n");
    // Another address is not limited.
    from(3).send("others\n");
    alice.read_until(": others\n");
    alice.read_until(": 7\n");
    // Two lines more than the burst, at one line per second.
    let waited = start.elapsed();
    assert!(waited >= Duration::from_secs(1), "{waited:?}");
}

#[test]
fn with_no_notices_all_comings_are_summed_up() {
    let server = Server::start(&["--notices", "0", "--summary", "0.3"]);
    let (mut alice, name) = server.enter();
    alice.read_until("* 1 joined (1 here)\n");
    let (bob, _) = server.enter();
    alice.read_until("* 1 joined (2 here)\n");
    drop(bob);
    let read = alice.read_until("* 1 left (1 here)\n");
    assert!(!read.contains(&format!("* {name} ")), "{read}");
}

#[test]
fn no_more_than_so_many_notices_are_told_at_once() {
    let server = Server::start(&["--notices", "2"]);
    let (mut alice, _) = server.join();
    server.pause();
    let crowd: Vec<Client> = (0..5).map(|_| server.connect()).collect();
    server.resume();
    // Its own notice took one of the two, which may have come back by now.
    let mut single = 0;
    let sum = loop {
        let line = alice.take_line();
        if line.ends_with(" here)") {
            break line;
        }
        single += 1;
    };
    assert!((1..=2).contains(&single), "{single}");
    assert_eq!(sum, format!("* {} joined (6 here)", crowd.len() - single));
}

// How long anyone may take.

#[test]
fn a_client_silent_for_the_idle_time_is_closed_and_told_why() {
    let server = Server::start(&["--idle", "2"]);
    let (mut alice, _) = server.join();
    let (mut bob, _) = server.join();
    // Sending restarts the time, receiving does not.
    std::thread::sleep(Duration::from_millis(500));
    let start = Instant::now();
    bob.send("hello\n");
    assert!(alice.read_to_end().ends_with("* closed: nothing said for 2 s\n"));
    let read = bob.read_to_end();
    assert!(read.starts_with("guest2: hello\n"), "{read:?}");
    assert!(read.ends_with("* closed: nothing said for 2 s\n"), "{read:?}");
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(!alice.reset && !bob.reset);
}

#[test]
fn a_client_stuck_for_the_stuck_time_is_reset_and_logged() {
    let server = Server::start(&["--stuck", "1"]);
    let (mut alice, name) = server.join();
    let (mut stuck, stuck_name) = server.join_narrow();
    let start = Instant::now();
    fill((&mut alice, &name));
    alice.read_until_last(&format!("* {stuck_name} left\n"));
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    wait_for("the warning", || server.stderr().contains("too slow").then_some(()));
    stuck.read_to_end();
    assert!(stuck.reset);
}

#[test]
fn a_stop_waits_for_the_stuck_no_longer_than_its_time() {
    let mut server = Server::start(&["--shutdown", "1", "--flush", "600", "--stuck", "600"]);
    let (mut alice, name) = server.join();
    let (_stuck, _) = server.join_narrow();
    fill((&mut alice, &name));
    let start = Instant::now();
    server.signal("TERM");
    assert!(alice.read_to_end().ends_with("* server shutting down\n"));
    assert!(server.wait_for_end().success());
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn an_ended_client_that_is_stuck_is_reset_after_the_flush_time() {
    let server = Server::start(&["--flush", "1", "--stuck", "600"]);
    let (mut alice, name) = server.join();
    let (mut stuck, stuck_name) = server.join_narrow();
    fill((&mut alice, &name));
    stuck.half_close();
    alice.read_until_last(&format!("* {stuck_name} left\n"));
    wait_for("the warning", || server.stderr().contains("too slow").then_some(()));
    stuck.read_to_end();
    assert!(stuck.reset);
}

// How much is kept.

#[test]
fn a_window_must_have_room_for_a_turn() {
    let (code, told) = fail_with(&["--window", "32767"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("--window") && told.contains("32768"), "{told:?}");
    assert_eq!(told.lines().count(), 1, "{told:?}");
    Server::start(&["--window", "32768"]).join();
}

#[test]
fn history_is_bounded_in_bytes_and_never_begins_inside_a_line() {
    for (flags, lines) in [
        (&["--history", "100"][..], 4),
        (&["--history", "100", "--history-bytes", "2048"], 2),
        (&["--history", "100", "--history-bytes", "500"], 0),
    ] {
        let server = Server::start(flags);
        let (mut alice, _) = server.join();
        // Each has 1000 bytes as it is shown.
        alice.send(numbered(0, 6, 992));
        alice.read_until_lines(6);
        let mut bob = server.connect();
        bob.read_until("* guest2 ");
        bob.read_until(") joined\n");
        let text = numbered(6 - lines, lines, 992);
        let shown: String = text.lines().map(|line| format!("guest1: {line}\n")).collect();
        let shown = if lines > 0 { format!("* history\n{shown}* now\n") } else { shown };
        let address = bob.address();
        let welcome = format!("* welcome, you are guest2 ({address}), 2 here\n");
        let joined = format!("* guest2 ({address}) joined\n");
        assert_eq!(bob.read_text(), format!("{welcome}{shown}{joined}"));
    }
}

#[test]
fn a_client_that_never_reads_costs_no_memory() {
    const MIB: usize = 1 << 20;
    let server = Server::start(&["--window", "1048576"]);
    let (mut alice, name) = server.join();
    let stuck: Vec<Client> = (0..8).map(|_| server.join_narrow().0).collect();
    let before = server.memory_bytes();
    let text = numbered(0, 9 * MIB / 3000, 3000);
    say_in_step((&mut alice, &name), &text, 128 * 1024, &mut []);
    let grown = server.memory_bytes().saturating_sub(before);
    // The window and its parts; a queue per client would be 70 MiB.
    assert!(grown < 4 * MIB, "{grown} bytes");
    drop(stuck);
}

#[test]
fn a_client_is_not_read_until_it_reads_its_replies() {
    const LINES: usize = 5000;
    let server = Server::start(&["--max-line", "5"]);
    let (mut alice, _) = server.join();
    let (mut bob, name) = server.join_narrow();
    // Little to send, much to reply: more than the kernel holds.
    bob.send(format!("{}last\n", "123456\n".repeat(LINES)));
    alice.send("mark\n");
    alice.read_until("guest1: mark\n");
    let notice = "* line too long, not sent (limit 5 bytes)\n";
    bob.read_until_last(&format!("{name}: last\n"));
    let read = bob.read_text();
    let (notices, rest): (Vec<&str>, Vec<&str>) =
        read.split_inclusive('\n').partition(|line| *line == notice);
    assert_eq!(notices.len(), LINES);
    assert_eq!(rest, ["guest1: mark\n", "guest2: last\n"]);
    alice.read_until("guest2: last\n");
}
