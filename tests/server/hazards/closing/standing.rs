//! A server that was suspended for longer than every deadline. It does not disconnect a client that
//! acted in the meantime.

use std::thread::sleep;
use std::time::Duration;

use crate::support::process::{connections, has_unread_input, start_piped};
use crate::support::{Client, Server, command, join, narrow, numbered, wait_for};

/// Longer than every deadline here, which are a second.
const STANDSTILL: Duration = Duration::from_millis(1500);

/// Sends more than the kernel holds for a client that does not read.
fn fill(speaker: &mut Client, name: &str) -> String {
    let text = numbered(0, 256, 1024);
    speaker.send(&text);
    let said: String = text.split_inclusive('\n').map(|line| format!("{name}: {line}")).collect();
    speaker.read_until_last(&said[said.len() - 1024..]);
    said
}

/// Suspends the server for this long, while `meanwhile` runs. It is suspended while it waits, so it
/// goes on with an interrupted wait.
fn stand_still(server: &Server, meanwhile: impl FnOnce()) {
    let stat = format!("/proc/{}/stat", server.child.id());
    wait_for("it to wait", || {
        std::fs::read_to_string(&stat).unwrap().contains(") S ").then_some(())
    });
    server.pause();
    meanwhile();
    sleep(STANDSTILL);
    server.resume();
}

#[test]
fn a_client_that_reads_stays_though_the_server_stood_still() {
    let server = Server::start(&["--stuck", "2"]);
    let (mut alice, name) = server.join();
    let (mut bob, bob_name) = join(narrow(server.address));
    let (mut carol, carol_name) = server.join();
    let (stuck, stuck_name) = join(narrow(server.address));
    alice.read_until(&format!("* {stuck_name} "));
    alice.read_until_last(") joined\n");
    alice.forget();
    fill(&mut alice, &name);
    let meanwhile = format!("{carol_name}: meanwhile\n");
    stand_still(&server, || {
        carol.send("meanwhile\n");
        while bob.read_once() {}
        sleep(STANDSTILL);
    });
    for client in [&mut bob, &mut carol, &mut alice] {
        client.read_until(&meanwhile);
    }
    // A client that did nothing is disconnected all the same, and no other.
    bob.read_until(&format!("* {stuck_name} left\n"));
    bob.send("still here\n");
    alice.read_until(&format!("{bob_name}: still here\n"));
    assert_eq!(alice.read_text().matches(" left\n").count(), 1);
    drop(stuck);
}

#[test]
fn a_client_that_ended_gets_all_though_the_server_stood_still() {
    let server = Server::start(&["--flush", "1"]);
    let (mut alice, name) = server.join();
    let (mut bob, bob_name) = join(narrow(server.address));
    alice.read_until(&format!("* {bob_name} "));
    alice.read_until_last(") joined\n");
    let said = fill(&mut alice, &name);
    bob.send("the end");
    bob.half_close();
    alice.read_until(&format!("{bob_name}: the end\n"));
    stand_still(&server, || while bob.read_once() {});
    let read = bob.read_to_end();
    assert!(read == format!("{said}{bob_name}: the end\n"), "{} bytes", read.len());
    assert!(!bob.was_reset());
}

#[test]
fn of_a_crowd_that_spoke_meanwhile_no_client_counts_as_idle() {
    // More than the events of one batch.
    const CROWD: usize = 1100;
    let server = Server::start(&["--idle", "3", "--greeting", "0", "--quiet"]);
    let mut crowd: Vec<Client> = (0..CROWD).map(|_| server.connect()).collect();
    // They are admitted in the order in which they connected.
    crowd[CROWD - 1].read_until(" here\n");
    server.pause();
    crowd.iter_mut().for_each(|client| client.send("still here\n"));
    sleep(Duration::from_millis(3500));
    server.resume();
    // Each of them receives the lines of all others, unless the server closed one before it read
    // it.
    let first = &mut crowd[0];
    wait_for("all to be heard", || {
        first.read_once();
        let heard = first.read_text();
        assert!(!first.ended, "closed: {:?}", heard.lines().last());
        (heard.matches(": still here\n").count() == CROWD).then_some(())
    });
}

/// This process may be stopped between a poll and the look at the clock. Then the clock says that a
/// client is late, and the older events do not show what it did meanwhile.
#[test]
#[ignore = "needs strace"]
fn events_are_looked_at_once_more_before_a_client_is_late() {
    let trace = std::env::temp_dir().join(format!("chinwag-late-{}", std::process::id()));
    let server = command(&["--idle", "1", "--greeting", "0"]);
    let mut strace = std::process::Command::new("strace");
    strace.args(["-D", "-I", "2", "-f", "-e", "trace=epoll_wait,sendto", "-s", "99", "-o"]);
    strace.arg(&trace).arg(server.get_program()).args(server.get_args());
    let server = start_piped(strace);
    let mut bob = server.connect();
    assert!(bob.read_to_end().ends_with("* closed: nothing said for 1 s\n"));
    drop(server);
    let text = std::fs::read_to_string(&trace).unwrap();
    std::fs::remove_file(&trace).unwrap();
    let (before, _) = text.split_once("closed: nothing said").unwrap();
    let polls: Vec<&str> = before.lines().filter(|line| line.contains("epoll_wait(")).collect();
    let [.., late, again] = polls[..] else { panic!("{text}") };
    let is_of_a_timeout = late.ends_with("= 0") && !late.contains(", 0) ");
    assert!(is_of_a_timeout && again.contains(", 0) "), "{late}\n{again}");
}

#[test]
fn a_stranger_whose_first_words_came_meanwhile_is_not_announced() {
    let server = Server::start(&["--greeting", "1"]);
    let (mut alice, _) = server.join();
    alice.forget();
    let mut stranger = server.connect();
    wait_for("it to be let in", || (connections(&server) == 2).then_some(()));
    stand_still(&server, || stranger.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    stranger.read_to_end();
    alice.send("mark\n");
    assert_eq!(alice.read_until("mark\n"), "guest1: mark\n");
}

#[test]
fn an_unended_message_whose_rest_came_meanwhile_is_one_message() {
    let server = Server::start(&["--chunk-quiet", "1", "--chunk-age", "1"]);
    let (mut alice, _) = server.join();
    let (mut bob, name) = server.join();
    alice.read_until(&format!("* {name} "));
    alice.read_until_last(") joined\n");
    alice.forget();
    let (begun, rest) = ("안녕하", "세요");
    let (mut halves, mut wholes) = (0, 0);
    while wholes == 0 {
        bob.send(begun);
        wait_for("it to be read", || (!has_unread_input(&server)).then_some(()));
        stand_still(&server, || bob.send(rest));
        alice.read_until(rest);
        alice.read_until("\n");
        let heard = alice.read_text();
        // This machine may have been too slow to stop it in time.
        let in_time = !heard.contains(&format!("{begun}\n"));
        halves += usize::from(!in_time);
        wholes += usize::from(heard.contains(&format!("{name}: {begun}{rest}\n")));
        alice.forget();
        assert!(halves < 3, "{heard:?}");
    }
}
