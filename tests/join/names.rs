//! The names that the client learns from the server's lines.

use std::process::{Command, Stdio};

use crate::support::process::Collected;
use crate::support::{Server, wait_for};

use super::fake::Fake;
use super::seat::{Seat, State};

#[test]
fn tab_offers_a_new_name_and_the_old_one_no_longer() {
    let server = Server::start(&["--hide-addresses"]);
    let seat = Seat::join(server.address, &[]);
    let (mut other, _) = server.join();
    other.send("/nick zoe\n");
    seat.wait_for_row("* guest2 is now zoe");
    other.send("/nick amy\n");
    seat.wait_for_row("* zoe is now amy");
    seat.keys("a\tz\t!");
    seat.wait_for_prompt(">> amy: z!", 10);
}

#[test]
fn on_a_korean_server_the_bell_rings_and_tab_completes() {
    let server = Server::start(&["--hide-addresses", "--lang", "ko"]);
    let mut other = server.connect();
    other.send("/nick 민수\n");
    other.read_until("이제 민수입니다\n");
    let seat = Seat::join(server.address, &["--bell"]);
    let mut third = server.connect();
    third.send("/nick 지은\n");
    seat.wait_for_row("* guest3님의 이름이 이제 지은입니다");
    seat.keys("지\t");
    seat.wait_for_prompt(">> 지은:", 9);
    seat.keys("\x15/who\r");
    seat.wait_for_row("* 지금 3명: 민수, guest2, 지은");
    seat.keys("민\t");
    seat.wait_for_prompt(">> 민수:", 9);
    assert!(!seat.output().contains('\u{7}'));
    other.send("guest2?\n");
    seat.wait_for_row("민수: guest2?");
    assert_eq!(seat.output().matches('\u{7}').count(), 1);
    seat.keys("\x15/nick 나\r");
    seat.wait_for_row("* guest2님의 이름이 이제 나입니다");
    other.send("나!\n");
    seat.wait_for_row("민수: 나!");
    assert_eq!(seat.output().matches('\u{7}').count(), 2);
    other.send("/quit\n");
    seat.wait_for_row("* 민수님이 나갔습니다");
    seat.keys("민\t!");
    seat.wait_for_prompt(">> 민!", 6);
}

#[test]
fn a_name_that_was_refused_is_not_answered_to() {
    let server = Server::start(&["--hide-addresses"]);
    let (mut other, _) = server.join();
    other.send("/nick an\n");
    other.read_until("is now an\n");
    let seat = Seat::join(server.address, &["--bell", "--nick", "a"]);
    seat.wait_for_row("* guest2 is now a");
    seat.keys("/nick an\r");
    seat.wait_for_row("* an is taken");
    other.send("to a\n");
    seat.wait_for_row("an: to a");
    assert_eq!(seat.output().matches('\u{7}').count(), 1);
    let (mut third, _) = server.join();
    third.send("to an\n");
    seat.wait_for_row("guest3: to an");
    assert_eq!(seat.output().matches('\u{7}').count(), 1);
}

#[test]
fn a_name_refused_through_a_pipe_is_not_answered_to() {
    let server = Fake::listen();
    let mut command = Command::new(env!("CARGO_BIN_EXE_chinwag"));
    let address = server.address.to_string();
    command.args(["join", &address, "--bell", "--nick", "bob"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let output = Collected::from(child.stdout.take().unwrap());
    drop(child.stdin.take());
    let mut client = server.accept();
    client.send("* welcome, you are guest1, 2 here\n* bob is taken\neve: bob?\neve: guest1?\n");
    client.read_to_end();
    drop(client);
    child.wait().unwrap();
    wait_for("the end of the output", || output.has_ended().then_some(()));
    assert!(output.text().ends_with("eve: bob?\neve: guest1?\u{7}\n"), "{}", output.text());
}

#[test]
fn a_room_is_joined_before_anything_is_said_and_again() {
    let server = Server::start(&["--hide-addresses"]);
    let (mut lobby, _) = server.join();
    let mut garden = server.connect();
    garden.send("/join garden\n");
    garden.read_until("* you are in garden, 1 here\n");
    let state = State::fresh();
    let seat = Seat::join_with(server.address, &["--room", "garden"], &state);
    seat.wait_for_row("* you are in garden, 2 here");
    seat.keys("hi\r/join ga\t!");
    seat.wait_for_prompt("garden> /join garden *", 22);
    garden.read_until("guest3: hi\n");
    seat.keys("\x15/leave\r");
    seat.wait_for_prompt(">>", 3);
    seat.keys("bye\r");
    lobby.read_until("guest3: bye\n");
}
