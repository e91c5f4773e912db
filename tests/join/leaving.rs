//! How the client ends, and that the terminal is then as it was.

use crate::support::{Server, wait_for};

use super::fake::Fake;
use super::seat::{Seat, State};

fn begin() -> (Server, Seat) {
    let server = Server::start(&["--hide-addresses"]);
    let seat = Seat::join(server.address, &[]);
    seat.wait_for_row("* guest1 joined");
    assert!(seat.is_taken());
    (server, seat)
}

fn assert_given_back(seat: &Seat) {
    seat.wait_until_given_back();
    assert_ne!(seat.rows().last().map(String::as_str), Some(">>"));
    assert!(!seat.rows().concat().contains("half a line"), "{:?}", seat.rows());
}

#[test]
fn ctrl_d_on_an_empty_line_leaves() {
    let (_server, mut seat) = begin();
    seat.keys("x\x01\x04");
    seat.wait_for_prompt(">>", 3);
    seat.keys("\x04");
    assert_eq!(seat.wait_for_end().code(), Some(0));
    assert_given_back(&seat);
}

#[test]
fn ctrl_c_clears_the_line_and_leaves_on_an_empty_one() {
    let (_server, mut seat) = begin();
    seat.keys("text\x03");
    seat.wait_for_prompt(">>", 3);
    seat.keys("more");
    seat.wait_for_prompt(">> more", 7);
    seat.keys("\x03\x03");
    assert_eq!(seat.wait_for_end().code(), Some(0));
    assert_given_back(&seat);
}

#[test]
fn what_was_said_last_is_heard_by_the_others_and_shown() {
    let (server, mut seat) = begin();
    let (mut other, _) = server.join();
    seat.keys("goodbye\r\x04");
    assert_eq!(seat.wait_for_end().code(), Some(0));
    other.read_until("guest1: goodbye\n* guest1 left\n");
    seat.wait_for_row("guest1: goodbye");
    assert_eq!(seat.rows().iter().filter(|row| row.contains("goodbye")).count(), 1);
}

#[test]
fn a_signal_ends_it_and_the_terminal_is_given_back() {
    for (name, number) in [("TERM", 15), ("HUP", 1), ("INT", 2)] {
        let (_server, mut seat) = begin();
        seat.keys("half a line");
        seat.wait_for_prompt(">> half a line", 14);
        seat.signal(name);
        assert_eq!(seat.wait_for_end().code(), Some(128 + number), "{name}");
        assert_given_back(&seat);
    }
}

#[test]
fn a_server_that_closes_after_quit_is_not_called_again() {
    let server = Fake::listen();
    let mut seat = Seat::join(server.address, &[]);
    let mut client = server.accept();
    seat.keys("/quit bye\r");
    client.read_until("/quit bye\n");
    client.send("* goodbye\n");
    drop(client);
    assert_eq!(seat.wait_for_end().code(), Some(0));
    assert_given_back(&seat);
    seat.wait_for_row("* goodbye");
}

#[test]
fn ctrl_z_stops_the_job_and_fg_goes_on() {
    let server = Server::start(&["--hide-addresses"]);
    let state = State::fresh();
    let script = r#"set -m; "$0" "$@"; echo "stopped $?"; read -r line; fg; echo "ended $?""#;
    let seat = Seat::run(script, server.address, &[], &state, |_| {});
    seat.keys("half");
    seat.wait_for_prompt(">> half", 7);
    seat.keys("\x1a");
    seat.wait_until("the job to stop", |rows| rows.iter().any(|row| row.starts_with("stopped 1")));
    assert_given_back(&seat);
    let (mut other, name) = server.join();
    other.send("meanwhile\n");
    seat.keys("\n");
    seat.wait_for_row(&format!("{name}: meanwhile"));
    seat.wait_for_prompt(">> half", 7);
    assert!(seat.is_taken());
    seat.keys(" way\r");
    other.read_until("guest1: half way\n");
    seat.keys("\x04");
    seat.wait_for_row("ended 0");
    seat.wait_until_given_back();
}

/// Another program may stop and continue it. Then the terminal is not as the client left it.
#[test]
fn stopped_and_continued_by_another_it_retakes_the_terminal() {
    let (_server, mut seat) = begin();
    seat.keys("half");
    seat.wait_for_prompt(">> half", 7);
    seat.signal("STOP");
    let stat = format!("/proc/{}/stat", seat.pid());
    wait_for("it to stop", || {
        std::fs::read_to_string(&stat).unwrap().contains(") T ").then_some(())
    });
    seat.restore_modes();
    assert!(!seat.is_taken());
    seat.signal("CONT");
    wait_for("the terminal to be taken", || seat.is_taken().then_some(()));
    seat.keys("\x7f");
    seat.wait_for_prompt(">> hal", 6);
    seat.signal("TERM");
    seat.wait_for_end();
    assert_given_back(&seat);
}

/// Without a shell to continue it, it would be stopped for ever.
#[test]
fn without_a_shell_ctrl_z_does_nothing() {
    let (_server, seat) = begin();
    seat.keys("a\x1ab");
    seat.wait_for_prompt(">> ab", 5);
}

#[test]
fn when_the_terminal_goes_away_it_ends() {
    let server = Server::start(&["--hide-addresses"]);
    let (mut other, _) = server.join();
    let seat = Seat::join(server.address, &[]);
    other.read_until("* guest2 joined\n");
    seat.hang_up();
    other.read_until("* guest2 left\n");
}
