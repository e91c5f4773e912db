//! Clients that read slowly, late or never.

use std::time::{Duration, Instant};

use crate::support;
use support::cage::Cage;
use support::process::{connections, left_in_the_kernel, start_piped, wait_until_nothing_is_left};
use support::program::Program;
use support::talk::{Person, account, assert_all_hear_all, connect_many, people, wait_until_here};
use support::{Client, Server, narrow, numbered, say_in_step, wait_for};

const MIB: usize = 1 << 20;

/// How much a flooder sends before its readers catch up: less than the smallest window here, so no
/// reader falls behind.
const STEP_BYTES: usize = 32 * 1024;

/// More than the kernel holds for a client that does not read.
const FILLING_BYTES: usize = MIB;

/// Seconds for what must not happen: a reset for being stuck, or a summary of joins, would come
/// behind what a test waits for.
const NEVER: &str = "600";

/// More than any server takes. Sockets are counted only if there is a limit.
const MUCH_BYTES: usize = 1 << 40;

/// Sends `bytes` in lines of 1 KiB, the first with this number, and reads them back. Returns the
/// number of the next one.
fn say((client, name): &mut Person, first: usize, bytes: usize) -> usize {
    let lines = bytes / 1024;
    say_in_step((client, name), &numbered(first, lines, 1024), STEP_BYTES, &mut []);
    client.forget();
    first + lines
}

#[test]
fn a_thousand_that_never_read_cost_kernel_and_server_little() {
    const STUCK: usize = 1000;
    // Without a cage the kernel's share is unknown; the rest is checked.
    let cage = Cage::make("chinwag-readers");
    cage.iter().for_each(|cage| cage.allow(MUCH_BYTES));
    let flags = ["--quiet", "--summary", NEVER];
    let server = cage.as_ref().map(|cage| start_piped(cage.command(&flags)));
    let server = server.unwrap_or_else(|| Server::start(&flags));
    let mut people = people(&server, 2);
    let stuck = connect_many(&server, STUCK);
    wait_until_here(&mut people[0].0, STUCK + 2);
    let before = server.memory_bytes();
    let [alice, bob] = &mut people[..] else { unreachable!() };
    // More than the window.
    let text = numbered(0, 5 * MIB / 1024, 1024);
    say_in_step((&mut alice.0, &alice.1), &text, 4 * STEP_BYTES, &mut [&mut bob.0]);
    if let Some(kernel) = cage.as_ref().and_then(Cage::socket_bytes_max) {
        assert!(kernel > STUCK * 1024, "they are to be counted: {kernel}");
        assert!(kernel <= 80 * MIB, "{kernel} bytes in the kernel");
    } else {
        println!("not checked what the kernel holds: that needs root and cgroups of version 1");
    }
    // The window, and for each client the rest of a half-sent line.
    let grown = server.memory_bytes().saturating_sub(before);
    assert!(grown <= 10 * MIB, "{grown} bytes in the server");
    wait_until_here(&mut bob.0, STUCK + 2);
    assert_all_hear_all(&mut people, 3);
    drop(stuck);
}

#[test]
fn most_may_be_stuck_and_the_talkers_hear_everything() {
    const STUCK: usize = 1800;
    const TALKING: usize = 200;
    let flags = ["--window", "1048576", "--quiet", "--stuck", NEVER, "--summary", NEVER];
    let server = Server::start(&flags);
    let stuck = connect_many(&server, STUCK);
    let mut alice = server.enter();
    wait_until_here(&mut alice.0, STUCK + 1);
    say(&mut alice, 0, 2 * FILLING_BYTES);
    drop(alice);
    let mut talking = people(&server, TALKING);
    assert_all_hear_all(&mut talking, 10);
    // The stuck clients are still there.
    wait_until_here(&mut talking[0].0, STUCK + TALKING);
    drop(stuck);
}

#[test]
fn a_very_slow_reader_is_not_stuck_and_is_told_what_it_missed() {
    let stuck_time = Duration::from_secs(1);
    let server = Server::start(&["--stuck", "1", "--window", "65536"]);
    let mut alice = server.join();
    let mut bob = server.join();
    let (mut slow, _) = server.join_narrow();
    bob.0.read_until("* guest3 ");
    bob.0.read_until(") joined\n");
    bob.0.forget();
    let mut said = say(&mut alice, 0, FILLING_BYTES);
    bob.0.read_until_last(&format!("{}: {}\n", alice.1, numbered(said - 1, 1, 1024).trim_end()));
    bob.0.forget();
    let end = Instant::now() + 4 * stuck_time;
    let first = said;
    while Instant::now() < end {
        // The kernel reports what it takes in pieces of up to 4 KiB.
        slow.read_byte_by_byte(800);
        let line = numbered(said, 1, 1024);
        say_in_step((&mut alice.0, &alice.1), &line, STEP_BYTES, &mut [&mut bob.0]);
        said += 1;
        std::thread::sleep(Duration::from_millis(20));
    }
    account(&bob.0.read_text(), &alice.1, first, said);
    alice.0.send(format!("{said} end\n"));
    slow.read_until_last(&format!("{}: {said} end\n", alice.1));
    let gaps = account(&slow.read_text(), &alice.1, 0, said + 1);
    assert!(gaps >= 1, "it was to fall out of the window");
    assert!(!server.stderr().contains("too slow"), "{}", server.stderr());
}

// Processes that are stopped.

/// The terminal client of this program, as a script runs it.
fn join_script() -> String {
    format!("exec '{}' join $HOST:$PORT", env!("CARGO_BIN_EXE_chinwag"))
}

const NC: &str = "exec nc $HOST $PORT";

/// A client, and a program that has read a mark and was stopped after that.
fn stop_a_program(server: &Server, script: &str) -> (Person, Program) {
    let mut alice = server.join();
    let program = Program::start(server, script);
    alice.0.read_until("* guest2 ");
    alice.0.read_until(") joined\n");
    alice.0.send("mark\n");
    program.read_until("guest1: mark\n");
    alice.0.read_until_last("guest1: mark\n");
    program.signal("STOP");
    (alice, program)
}

/// Continues a stopped program, and accounts for every line since it was stopped. Returns how many
/// gaps it was told of.
fn resume(alice: &mut Person, program: &Program, said: usize) -> usize {
    alice.0.send(format!("{said} end\n"));
    program.signal("CONT");
    let shown = program.read_until(&format!("guest1: {said} end\n"));
    let (_, since) = shown.split_once("guest1: mark\n").unwrap();
    account(since, &alice.1, 0, said + 1)
}

fn assert_nothing_is_lost_within_the_window(script: &str) {
    let server = Server::start(&["--window", "1048576", "--stuck", NEVER]);
    let (mut alice, program) = stop_a_program(&server, script);
    // More than the server keeps of it for a client outside the window.
    let said = say(&mut alice, 0, MIB * 3 / 4);
    assert_eq!(resume(&mut alice, &program, said), 0);
}

fn assert_what_is_lost_beyond_the_window_is_told(script: &str) {
    let server = Server::start(&["--window", "65536", "--stuck", NEVER]);
    let (mut alice, program) = stop_a_program(&server, script);
    let said = say(&mut alice, 0, FILLING_BYTES);
    assert_eq!(resume(&mut alice, &program, said), 1);
}

fn assert_the_stopped_are_reset_when_their_time_is_over(script: &str) {
    let stuck_time = Duration::from_secs(1);
    let server = Server::start(&["--stuck", "1"]);
    let (mut alice, mut program) = stop_a_program(&server, script);
    let before = Instant::now();
    say(&mut alice, 0, FILLING_BYTES);
    let after = Instant::now();
    // No client sends anything meanwhile: time alone wakes the server.
    alice.0.read_until_last("* guest2 left\n");
    assert!(before.elapsed() >= stuck_time, "{:?}", before.elapsed());
    // Two seconds, on a machine that is four times slower.
    assert!(after.elapsed() <= stuck_time + Duration::from_secs(8), "{:?}", after.elapsed());
    wait_for("the warning", || server.stderr().contains("too slow").then_some(()));
    wait_for("it to be closed", || (connections(&server) == 1).then_some(()));
    wait_until_nothing_is_left(&server);
    // It finds its connection reset.
    program.signal("CONT");
    program.wait_for_end();
}

#[test]
fn a_client_stopped_within_the_window_loses_nothing() {
    assert_nothing_is_lost_within_the_window(&join_script());
}

#[test]
#[ignore = "needs nc"]
fn nc_stopped_within_the_window_loses_nothing() {
    assert_nothing_is_lost_within_the_window(NC);
}

#[test]
fn a_client_stopped_beyond_the_window_is_told_what_it_missed() {
    assert_what_is_lost_beyond_the_window_is_told(&join_script());
}

#[test]
#[ignore = "needs nc"]
fn nc_stopped_beyond_the_window_is_told_what_it_missed() {
    assert_what_is_lost_beyond_the_window_is_told(NC);
}

#[test]
fn a_client_that_is_stopped_for_too_long_is_reset_in_time() {
    assert_the_stopped_are_reset_when_their_time_is_over(&join_script());
}

#[test]
#[ignore = "needs nc"]
fn nc_that_is_stopped_for_too_long_is_reset_in_time() {
    assert_the_stopped_are_reset_when_their_time_is_over(NC);
}

// What they leave behind.

#[test]
fn stuck_clients_leave_nothing_in_the_kernel_however_they_close() {
    let server = Server::start(&["--stuck", "1", "--flush", "1", "--max-endless", "8192"]);
    let mut alice = server.join();
    let mut stuck: Vec<Client> = (0..4).map(|_| narrow(server.address)).collect();
    wait_until_here(&mut alice.0, stuck.len() + 1);
    say(&mut alice, 0, FILLING_BYTES);
    // One client is left alone. The others must get their last line, but do not take it.
    stuck[1].half_close();
    stuck[2].send("/quit\n");
    stuck[3].send("x".repeat(10_000));
    wait_for("them to be closed", || (connections(&server) == 1).then_some(()));
    wait_until_nothing_is_left(&server);
    for one in &mut stuck {
        one.read_to_end();
        assert!(one.was_reset());
    }
}

#[test]
fn what_a_gone_client_does_not_take_the_kernel_gives_up() {
    let server = Server::start(&["--user-timeout", "2", "--stuck", "1", "--drain", "0.1"]);
    let mut alice = server.join();
    let mut bob = narrow(server.address);
    wait_until_here(&mut alice.0, 2);
    // The kernel takes all of it, so for the server the client has it all.
    let text = numbered(0, 16, 1000);
    say_in_step((&mut alice.0, &alice.1), &text, STEP_BYTES, &mut []);
    bob.send("/quit\n");
    wait_for("him to be closed", || (connections(&server) == 1).then_some(()));
    assert_eq!(left_in_the_kernel(&server), [FIN_WAIT_1]);
    wait_for("the kernel", || left_in_the_kernel(&server).is_empty().then_some(()));
}

/// The state of an end that is closed while its client has not taken everything before that.
const FIN_WAIT_1: &str = "04";
