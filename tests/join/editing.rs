//! Typed keys, and the line that they make.

use crate::support::Server;

use super::fake::Fake;
use super::seat::{Seat, State};

/// A server without addresses in its messages, and a client that has read the greeting.
fn begin() -> (Server, Seat) {
    let server = Server::start(&["--hide-addresses"]);
    let seat = Seat::join(server.address, &[]);
    seat.wait_for_rows(&["* welcome, you are guest1, 1 here", "* guest1 joined", ">>"]);
    seat.keys("\x0c");
    seat.wait_for_rows(&[">>"]);
    (server, seat)
}

#[test]
fn what_is_typed_stays_while_lines_arrive() {
    let (server, seat) = begin();
    seat.keys("hello");
    seat.wait_for_prompt(">> hello", 8);
    let (mut other, name) = server.join();
    for number in 0..50 {
        other.send(format!("line {number}\n"));
    }
    seat.wait_for_row("guest2: line 49");
    seat.wait_for_prompt(">> hello", 8);
    assert_eq!(seat.rows().iter().filter(|row| row.starts_with(">>")).count(), 1);
    let last: Vec<String> = (31..50).map(|number| format!("{name}: line {number}")).collect();
    assert_eq!(seat.rows()[..19], last);
    seat.keys(" there\r");
    seat.wait_for_row("guest1: hello there");
    seat.wait_for_prompt(">>", 3);
    other.read_until("guest1: hello there\n");
}

#[test]
fn syllables_and_marks_are_edited_as_whole_characters() {
    let (_server, seat) = begin();
    seat.keys("한국어 이");
    seat.wait_for_prompt(">> 한국어 이", 12);
    seat.keys("\x7f\x7f");
    seat.wait_for_prompt(">> 한국어", 9);
    seat.keys("\x1b[D\x1b[D");
    seat.wait_for_prompt(">> 한국어", 5);
    seat.keys("\x1b[3~e\u{301}");
    seat.wait_for_prompt(">> 한e\u{301}어", 6);
    seat.keys("\x7f");
    seat.wait_for_prompt(">> 한어", 5);
    seat.keys("\u{1100}\u{116e}\u{11a8}\x01\x06\x06");
    seat.wait_for_prompt(">> 한\u{1100}\u{116e}\u{11a8}어", 7);
    seat.keys("\x08\r");
    seat.wait_for_row("guest1: 한어");
}

#[test]
fn a_character_is_typed_byte_by_byte() {
    let (_server, seat) = begin();
    let [first, second, third] = "이".as_bytes() else { panic!("three bytes") };
    for byte in [first, second, third] {
        std::io::Write::write_all(&mut seat.person(), &[*byte]).unwrap();
    }
    seat.wait_for_prompt(">> 이", 5);
}

#[test]
fn long_input_scrolls_in_its_row_and_is_sent_whole() {
    let (server, seat) = begin();
    let (mut other, _) = server.join();
    let long: String = (0..30).map(|number| format!("{number:02} ")).collect();
    seat.keys(&long);
    seat.wait_until("the end of the line", |rows| rows[rows.len() - 1].ends_with("28 29"));
    assert_eq!(seat.rows().iter().filter(|row| row.starts_with(">>")).count(), 1);
    seat.keys("\x01");
    seat.wait_for_prompt(">> 00 01 02 03 04 05 06 07 08 09 10 11", 3);
    seat.keys("x\r");
    other.read_until(&format!("guest1: x{long}\n"));
    seat.keys(&"한".repeat(30));
    seat.wait_until("the end of the line", |rows| {
        rows[rows.len() - 1].chars().filter(|c| *c == '한').count() >= 10
    });
    seat.keys("\r");
    other.read_until(&format!("guest1: {}\n", "한".repeat(30)));
}

#[test]
fn a_paste_of_many_lines_is_sent_as_lines() {
    let (server, seat) = begin();
    let (mut other, _) = server.join();
    seat.keys("zero \x1b[200~one\ntwo\r\nthree\t\x03\x1b[A\x1b[201~");
    seat.wait_for_prompt(">> three [A", 11);
    other.read_until("guest1: zero one\nguest1: two\n");
    assert!(!other.read_text().contains("three"));
}

#[test]
fn the_usual_keys_kill_and_yank() {
    let (_server, seat) = begin();
    seat.keys("one two-three");
    seat.keys("\x17");
    seat.wait_for_prompt(">> one", 7);
    seat.keys("\x19\x19");
    seat.wait_for_prompt(">> one two-threetwo-three", 25);
    seat.keys("\x1bb\x0b\x01\x1bf\x15");
    seat.wait_for_prompt(">>  two-threetwo-", 3);
    seat.keys("\x19\x0b");
    seat.wait_for_prompt(">> one", 6);
    seat.keys("\x1b\x7fx\x01\x04");
    seat.wait_for_prompt(">>", 3);
}

#[test]
fn tab_completes_commands_and_names() {
    let server = Fake::listen();
    let seat = Seat::join(server.address, &["--color", "never"]);
    let mut client = server.accept();
    client.send("* welcome, you are me, 3 here\nbob: hi\nbobby: ho\n민수: ㅎㅇ\n");
    seat.wait_for_row("민수: ㅎㅇ");
    seat.keys("/ms\tbo\t");
    seat.wait_for_prompt(">> /msg bob", 11);
    seat.keys("\t");
    seat.wait_for_row("-- bob  bobby");
    seat.keys("b\thi\x15민\tyo");
    seat.wait_for_prompt(">> 민수: yo", 11);
    seat.keys("\r");
    client.read_until("민수: yo\n");
}

#[test]
fn what_was_typed_is_kept_for_the_next_time() {
    let server = Server::start(&["--hide-addresses"]);
    let state = State::fresh();
    let mut seat = Seat::join_with(server.address, &[], &state);
    seat.keys("first 이\rsecond\rdraft\x1b[A\x1b[A");
    seat.wait_for_prompt(">> first 이", 11);
    seat.keys("\x1b[B\x1b[B");
    seat.wait_for_prompt(">> draft", 8);
    seat.keys("\x03\x04");
    assert_eq!(seat.wait_for_end().code(), Some(0));
    let seat = Seat::join_with(server.address, &[], &state);
    seat.keys("\x1b[A\x1bOA");
    seat.wait_for_prompt(">> first 이", 11);
}

#[test]
fn on_another_size_the_prompt_is_at_the_bottom_and_fits() {
    let (server, seat) = begin();
    let (mut other, name) = server.join();
    seat.keys("0123456789012345678901234567890123456789");
    seat.wait_until("the end", |rows| rows[rows.len() - 1].ends_with("6789"));
    seat.resize(80, 10);
    seat.wait_for_prompt(">> 0123456789012345678901234567890123456789", 43);
    seat.resize(20, 10);
    seat.wait_until("a shorter row", |rows| {
        rows[rows.len() - 1].ends_with("6789") && rows[rows.len() - 1].len() < 20
    });
    other.send("hi\n");
    seat.wait_for_row(&format!("{name}: hi"));
    seat.keys("\x01");
    seat.wait_for_prompt(">> 0123456789012345", 3);
    assert_eq!(seat.rows().iter().filter(|row| row.starts_with(">>")).count(), 1);
}

#[test]
fn the_screen_is_cleared_and_the_line_stays() {
    let (server, seat) = begin();
    let (mut other, _) = server.join();
    seat.keys("a\rbc");
    other.read_until("guest1: a\n");
    other.send("d\n");
    // The line that was sent before has its echo.
    seat.wait_for_rows(&["* guest2 joined", "guest1: a", "guest2: d", ">> bc"]);
    seat.keys("\x02\x0c");
    seat.wait_for_rows(&[">> bc"]);
    seat.wait_for_prompt(">> bc", 4);
}

#[test]
fn a_lone_escape_does_not_swallow_what_is_typed_later() {
    let (_server, seat) = begin();
    seat.keys("a\x1b");
    seat.wait_for_prompt(">> a", 4);
    // Longer than the client waits for the rest of a key sequence.
    std::thread::sleep(std::time::Duration::from_millis(700));
    seat.keys("b");
    seat.wait_for_prompt(">> ab", 5);
}

/// A program that was killed left its modes on.
#[test]
fn what_the_terminal_says_by_itself_is_no_key_and_no_text() {
    let server = Fake::listen();
    let mut seat = Seat::join(server.address, &[]);
    let mut client = server.accept();
    seat.keys("half");
    seat.wait_for_prompt(">> half", 7);
    for said in ["\x1b[M !!\x1b[M#!!", "\x1b[<0;5;5M\x1b[<0;5;5m", "\x1b[32;5;5M", "\x1b[I\x1b[O"] {
        seat.keys(said);
    }
    seat.keys("\x1b[?62;4c\x1b]11;rgb:0000/0000/0000\x1b\\\x1bP>|tmux 3.3a\x1b\\");
    seat.keys("\x1b]52;c;L3F1aXQN");
    // It comes in pieces.
    std::thread::sleep(std::time::Duration::from_millis(300));
    seat.keys("Cg==\x07 way\r");
    assert_eq!(client.read_until("\n"), "half way\n");
    // Ctrl-C and Ctrl-D in the keyboard protocols of kitty and xterm.
    seat.keys("text\x1b[99;5u");
    seat.wait_for_prompt(">>", 3);
    seat.keys("\x1b[27;5;100~");
    assert_eq!(seat.wait_for_end().code(), Some(0));
    assert_eq!(client.read_to_end(), "half way\n");
}
