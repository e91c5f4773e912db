//! A paste, and the lines that it becomes.

use crate::support::{Client, Server, numbered, wait_for};

use super::fake::Fake;
use super::seat::{Seat, State};

const LINES: usize = 14_000;
const QUESTION: &str = "-- 14000 lines pasted: Enter sends them, Ctrl-C does not";

/// A client on a terminal that is wide enough for its questions.
fn join(server: &Fake) -> Seat {
    let seat = Seat::join(server.address, &["--color", "never"]);
    seat.resize(80, 20);
    seat
}

fn marked(text: &str) -> String {
    format!("\x1b[200~{text}\x1b[201~")
}

/// How many lines were sent, as a row with this ending gives it.
fn told_sent(seat: &Seat, ending: &str) -> Option<usize> {
    let ending = format!(" of 14000 lines sent{ending}");
    let rows = seat.rows();
    rows.iter().find_map(|row| row.strip_prefix("-- ")?.strip_suffix(&ending)?.parse().ok())
}

#[test]
fn many_pasted_lines_are_not_sent_unless_enter_says_so() {
    let server = Fake::listen();
    for text in [marked(&numbered(0, LINES, 50)), numbered(0, LINES, 50).replace('\n', "\r")] {
        let seat = join(&server);
        let mut client = server.accept();
        seat.keys(&text);
        seat.wait_for_row(QUESTION);
        seat.keys("\x03");
        seat.wait_for_row("-- 0 of 14000 lines sent");
        seat.keys("hi\r");
        assert_eq!(client.read_until("\n"), "hi\n");
        assert!(!seat.rows().iter().any(|row| row == QUESTION));
    }
}

#[test]
fn enter_sends_them_in_order() {
    let server = Server::start(&["--hide-addresses"]);
    let (mut other, _) = server.join();
    let seat = Seat::join(server.address, &[]);
    let text = numbered(0, 3000, 30);
    seat.keys(&marked(&text));
    seat.wait_until("the question", |rows| {
        rows.iter().any(|row| row.starts_with("-- 3000 lines pasted: Enter sends"))
    });
    seat.keys("\r");
    let last = text.lines().last().unwrap();
    let heard = other.read_until(&format!("guest2: {last}\n"));
    let said: String = text.lines().map(|line| format!("guest2: {line}\n")).collect();
    assert!(heard.ends_with(&said));
    seat.wait_for_row(&format!("guest2: {last}"));
    seat.keys("x\r");
    other.read_until("guest2: x\n");
}

/// A paste of which some is sent. The server does not read, and the kernel takes little.
fn sending(server: &Fake) -> (Seat, Client) {
    let seat = join(server);
    let client = server.accept();
    seat.keys(&marked(&numbered(0, LINES, 80)));
    seat.wait_for_row(QUESTION);
    seat.keys("\r");
    seat.wait_until("some to be sent", |_| told_sent(&seat, " (Ctrl-C stops)") > Some(64));
    (seat, client)
}

#[test]
fn ctrl_c_stops_the_sending_and_says_how_much_was_sent() {
    let server = Fake::listen();
    let (mut seat, mut client) = sending(&server);
    seat.keys("\x03");
    seat.wait_until("what was sent", |_| told_sent(&seat, "").is_some());
    let sent = told_sent(&seat, "").unwrap();
    assert!(sent < LINES / 2, "{sent} lines of 80 bytes are sent and not read");
    seat.keys("\x04");
    assert_eq!(client.read_to_end(), numbered(0, sent, 80));
    assert_eq!(seat.wait_for_end().code(), Some(0));
}

#[test]
fn leaving_takes_back_what_was_not_sent() {
    let server = Fake::listen();
    let (mut seat, mut client) = sending(&server);
    seat.signal("TERM");
    assert_eq!(seat.wait_for_end().code(), Some(128 + 15));
    seat.wait_until("what was sent", |_| told_sent(&seat, "").is_some());
    let sent = told_sent(&seat, "").unwrap();
    let heard = client.read_to_end();
    assert!(numbered(0, sent, 80).starts_with(&heard), "{} bytes", heard.len());
    assert!(sent < LINES / 2, "{sent} lines of 80 bytes were sent and not read");
}

/// A typed line stays at the prompt while nothing can be sent.
#[test]
fn the_keyboard_is_read_though_the_server_reads_nothing() {
    let server = Fake::listen();
    let mut seat = join(&server);
    let _client = server.accept();
    let line = format!("{}\r", marked(&"x".repeat(4000)));
    let mut said = 0;
    while !seat.output().contains('\x07') {
        seat.keys(&line);
        said += 1;
        assert!(said < 2000, "it takes everything");
    }
    seat.keys("\x03\x03\x03");
    assert_eq!(seat.wait_for_end().code(), Some(0));
    let told = "-- may not have been sent: xxx";
    wait_for("what was not sent", || seat.output().contains(told).then_some(()));
}

#[test]
fn a_slash_in_a_pasted_line_is_text() {
    let server = Server::start(&["--hide-addresses"]);
    let seat = Seat::join(server.address, &[]);
    seat.wait_for_row("* guest1 joined");
    let (mut other, _) = server.join();
    seat.keys(&marked("/quit\n/etc/passwd\n"));
    other.read_until("guest1: /quit\nguest1: /etc/passwd\n");
    // The user decides about the text that stays at the prompt.
    seat.keys(&marked("/me waves"));
    seat.keys("\r");
    other.read_until("~ guest1 waves\n");
}

#[test]
fn a_line_that_is_too_long_is_told_and_not_sent() {
    let server = Server::start(&["--hide-addresses"]);
    let seat = Seat::join(server.address, &[]);
    seat.resize(80, 20);
    seat.wait_for_row("* guest1 joined");
    let (mut other, _) = server.join();
    let long = "long ".repeat(2000);
    seat.keys(&long);
    seat.wait_for_row("-- not sent, over 4096 bytes long: 1 line");
    seat.keys("\x15");
    seat.keys(&marked(&format!("one\n{long}\ntwo\n")));
    seat.wait_for_row("-- 2 lines pasted: Enter sends them, Ctrl-C does not");
    seat.keys("\r");
    let heard = other.read_until("guest1: two\n");
    assert!(heard.ends_with("guest1: one\nguest1: two\n"), "{heard}");
    // The longest line that is sent is one that the server takes.
    let longest = "x".repeat(4096);
    seat.keys(&marked(&format!("{longest}\n")));
    other.read_until(&format!("guest1: {longest}\n"));
}

#[test]
fn a_paste_without_its_end_leaves_ctrl_c_and_ctrl_d() {
    let server = Fake::listen();
    let mut seat = join(&server);
    let mut client = server.accept();
    seat.keys("\x1b[200~one\ntwo\nthree");
    let note = "-- 3 lines pasted so far (Ctrl-C stops)";
    seat.wait_for_row(note);
    // Longer than a paste may be silent.
    std::thread::sleep(std::time::Duration::from_millis(500));
    seat.keys("\x03");
    seat.wait_for_row("-- 0 of 2 lines sent");
    assert!(!seat.rows().iter().any(|row| row == note));
    seat.keys("\x03\x1b[200~");
    seat.wait_for_row("-- 0 lines pasted so far (Ctrl-C stops)");
    std::thread::sleep(std::time::Duration::from_millis(500));
    seat.keys("\x04");
    assert_eq!(seat.wait_for_end().code(), Some(0));
    assert_eq!(client.read_to_end(), "");
}

/// A shell behind it would run the rest of the paste, line by line.
#[test]
fn the_rest_of_a_paste_is_not_left_to_the_shell() {
    let server = Fake::listen();
    let state = State::fresh();
    let script =
        r#"trap : TERM; "$0" "$@"; echo over; while read -r line; do echo "ran $line"; done"#;
    let seat = Seat::run(script, server.address, &[], &state, |_| {});
    let _client = server.accept();
    seat.wait_until("the prompt", |rows| rows.iter().any(|row| row.starts_with(">>")));
    seat.keys("\x1b[200~one\r");
    seat.wait_until("a paste", |rows| rows.concat().contains("pasted so far"));
    seat.signal_children("STOP");
    let rest = format!("{}\x1b[201~", numbered(0, 2000, 80).replace('\n', "\r"));
    std::thread::scope(|scope| {
        scope.spawn(|| seat.keys(&rest));
        // More than one read takes.
        wait_for("a full terminal", || (seat.input_bytes() >= 4000).then_some(()));
        seat.signal_children("TERM");
        seat.signal_children("CONT");
    });
    seat.wait_for_row("over");
    seat.wait_until_given_back();
    seat.keys("the end\n");
    seat.wait_for_row("ran the end");
    assert_eq!(seat.output().matches("ran ").count(), 1, "{:#?}", seat.rows());
}

/// A paste may also be half read when the client is stopped.
#[test]
fn a_paste_that_is_interrupted_by_a_stop_goes_on_behind_it() {
    let server = Fake::listen();
    let state = State::fresh();
    let script = r#"set -m; "$0" "$@"; echo "stopped $?"; read -r line; echo "read $line"; fg"#;
    let seat = Seat::run(script, server.address, &[], &state, |_| {});
    let mut client = server.accept();
    seat.wait_until("the prompt", |rows| rows.iter().any(|row| row.starts_with(">>")));
    seat.keys("\x1b[200~one\n");
    seat.wait_until("a paste", |rows| rows.concat().contains("pasted so far"));
    seat.signal_children("TSTP");
    seat.keys("two\n\x1b[201~");
    seat.wait_until("the job to stop", |rows| rows.iter().any(|row| row.starts_with("stopped 1")));
    seat.keys("typed\n");
    seat.wait_for_row("read typed");
    assert_eq!(client.read_until("two\n"), "one\ntwo\n");
}
