//! Lines typed before: the history and its file, the search in it, undo and yank.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use crate::support::wait_for;

use super::fake::Fake;
use super::seat::{Seat, State};

fn begin() -> (Fake, Seat) {
    let server = Fake::listen();
    let seat = Seat::join(server.address, &[]);
    (server, seat)
}

fn file(state: &State) -> PathBuf {
    state.path().join("chinwag/history")
}

/// Waits until the file has these lines.
fn wait_for_lines(state: &State, expected: &str) {
    wait_for(expected, || (fs::read_to_string(file(state)).ok()? == expected).then_some(()));
}

#[test]
fn a_new_line_after_ctrl_c_is_found_at_the_end() {
    let (_server, seat) = begin();
    seat.keys("one\rtwo\r\x1b[A\x1b[A");
    seat.wait_for_prompt(">> one", 6);
    seat.keys("\x03new\x1b[A");
    seat.wait_for_prompt(">> two", 6);
    seat.keys("\x1b[B");
    seat.wait_for_prompt(">> new", 6);
}

#[test]
fn what_was_typed_over_an_earlier_line_is_found_there() {
    let (_server, seat) = begin();
    seat.keys("one\rtwo\r\x1b[A!\x1b[A\x1b[B");
    seat.wait_for_prompt(">> two!", 7);
}

#[test]
fn an_earlier_line_is_searched_for_and_sent() {
    let (server, seat) = begin();
    let mut client = server.accept();
    seat.keys("make tea\rdrink tea\r안녕\rdraft\x12tea");
    seat.wait_for_prompt(">> drink tea", 9);
    seat.wait_for_row("-- searching for: tea");
    seat.keys("\x12");
    seat.wait_for_prompt(">> make tea", 8);
    seat.keys("\x07");
    seat.wait_for_prompt(">> draft", 8);
    client.read_until("안녕\n");
    client.forget();
    seat.keys("\x12tea\x12\r");
    client.read_until("make tea\n");
    seat.wait_for_prompt(">>", 3);
}

#[test]
fn a_line_cleared_or_changed_by_mistake_is_brought_back() {
    let (_server, seat) = begin();
    seat.keys("a long line\x03");
    seat.wait_for_prompt(">>", 3);
    seat.keys("\x19");
    seat.wait_for_prompt(">> a long line", 14);
    seat.keys("\x15\x1f");
    seat.wait_for_prompt(">> a long line", 14);
}

#[test]
fn a_line_with_a_blank_before_it_is_sent_and_not_kept() {
    let state = State::fresh();
    let server = Fake::listen();
    let seat = Seat::join_with(server.address, &[], &state);
    seat.keys("one\r secret\rtwo\r");
    server.accept().read_until("one\n secret\ntwo\n");
    wait_for_lines(&state, "one\ntwo\n");
    seat.keys("\x1b[A\x1b[A");
    seat.wait_for_prompt(">> one", 6);
}

#[test]
fn without_a_history_the_file_is_left_alone() {
    for variable in [false, true] {
        let state = State::fresh();
        fs::create_dir_all(file(&state).parent().unwrap()).unwrap();
        fs::write(file(&state), "before\n").unwrap();
        let server = Fake::listen();
        let flags = if variable { &[][..] } else { &["--no-history"] };
        let seat = Seat::run(r#"exec "$0" "$@""#, server.address, flags, &state, |command| {
            command.env("CHINWAG_NO_HISTORY", if variable { "yes" } else { "" });
        });
        seat.keys("now\r\x1b[A\x1b[A\x1b[A");
        seat.wait_for_prompt(">> now", 6);
        assert_eq!(fs::read_to_string(file(&state)).unwrap(), "before\n");
    }
}

#[test]
fn what_two_people_type_survives_a_third_that_shortens() {
    let state = State::fresh();
    let folder = file(&state).parent().unwrap().to_owned();
    fs::create_dir_all(&folder).unwrap();
    let target = folder.join("elsewhere");
    fs::write(&target, "x\n").unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o644)).unwrap();
    symlink(&target, file(&state)).unwrap();
    let server = Fake::listen();
    let two = [(); 2].map(|()| Seat::join_with(server.address, &[], &state));
    two.iter().for_each(|seat| seat.wait_until("the prompt", |rows| rows == [">>"]));
    let long: String = (0..600).map(|number| format!("{number} {}\n", "x".repeat(1000))).collect();
    fs::write(&target, long).unwrap();
    two[0].keys("a\r");
    wait_for("a", || fs::read_to_string(&target).unwrap().ends_with("\na\n").then_some(()));
    let third = Seat::join_with(server.address, &[], &state);
    third.keys("b\r");
    wait_for("b", || fs::read_to_string(&target).unwrap().ends_with("\na\nb\n").then_some(()));
    two[1].keys("c\r");
    let all = || fs::read_to_string(&target).unwrap().ends_with("\na\nb\nc\n").then_some(());
    wait_for("c", all);
    assert!(fs::metadata(&target).unwrap().len() < 300_000);
    assert!(fs::symlink_metadata(file(&state)).unwrap().is_symlink());
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
}
