//! What the client shows of the lines that come.

use std::time::Duration;

use crate::support::{Server, wait_for};

use super::fake::Fake;
use super::seat::{Seat, State, memory_bytes};

const WELCOME: &str = "* welcome, you are guest1, 1 here";

#[test]
fn an_own_line_is_pending_until_it_comes_back_and_is_shown_once() {
    let server = Fake::listen();
    let seat = Seat::join(server.address, &[]);
    let mut client = server.accept();
    client.send(format!("{WELCOME}\n"));
    seat.wait_for_row(WELCOME);
    seat.keys("hi\rmore");
    client.read_until("hi\n");
    client.send("bob: something else\n");
    seat.wait_for_rows(&[WELCOME, "bob: something else", "guest1: hi", ">> more"]);
    client.send("bob: hi\nguest1: hi\nbob: later\n");
    let rows = [WELCOME, "bob: something else", "bob: hi", "guest1: hi", "bob: later", ">> more"];
    seat.wait_for_rows(&rows);
}

#[test]
fn without_an_echo_an_own_line_is_shown_after_two_seconds() {
    let server = Fake::listen();
    let seat = Seat::join(server.address, &[]);
    let mut client = server.accept();
    seat.keys("hi\r");
    client.read_until("hi\n");
    seat.wait_for_rows(&[">> hi", ">>"]);
    client.send("<user2> before\n");
    seat.wait_for_rows(&["<user2> before", ">> hi", ">>"]);
    // Longer than the client waits for an echo: then the line is no longer pending.
    std::thread::sleep(Duration::from_millis(2500));
    client.send("<user2> behind\n");
    seat.wait_for_rows(&["<user2> before", ">> hi", "<user2> behind", ">>"]);
    seat.keys("ho\r");
    client.read_until("ho\n");
    client.send("<user2> last\n");
    let rows = ["<user2> before", ">> hi", "<user2> behind", ">> ho", "<user2> last", ">>"];
    seat.wait_for_rows(&rows);
}

#[test]
fn on_a_bare_relay_an_own_line_is_shown_once() {
    let server = Server::start(&["--raw"]);
    let seat = Seat::join(server.address, &[]);
    seat.wait_until("the join notice", |rows| rows[0].ends_with("가 접속했습니다."));
    seat.keys("hi\rho\r");
    seat.wait_until("both", |rows| {
        rows.len() == 4 && rows[1..3] == ["hi", "ho"] && rows[3] == ">>"
    });
}

#[test]
fn a_name_is_asked_for() {
    let server = Fake::listen();
    let _seat = Seat::join(server.address, &["--nick", "민수"]);
    server.accept().read_until("/nick 민수\n");
}

#[test]
fn what_a_server_says_cannot_command_the_terminal() {
    let server = Fake::listen();
    let seat = Seat::join(server.address, &[]);
    let mut client = server.accept();
    client.send("a\x1b[2J\x1b]0;title\x07b\u{9b}5m\n\u{202e}end\n");
    seat.wait_for_row("\\u{202e}end");
    assert!(seat.rows()[0].starts_with("a\\x1b[2J\\x1b]0;title\\x07b\\u{9b}5m"));
    let output = seat.output();
    assert!(!output.contains("\x1b[2J") && !output.contains('\u{9b}') && !output.contains('\u{7}'));
}

/// A terminal of 40 columns.
#[test]
fn the_rest_of_a_long_line_is_indented_on_the_terminal() {
    let server = Fake::listen();
    let seat = Seat::join(server.address, &[]);
    let mut client = server.accept();
    let padded = format!("bob: {}", "x".repeat(35));
    client.send(format!("{padded}* server shutting down\n{padded} * server full (9)\n"));
    client.send("민수: 안녕하세요 여러분 오늘은 날씨가 참 좋네요\nbob: the end\n");
    let xs = "x".repeat(35);
    seat.wait_for_rows(&[
        "bob:",
        &format!("  {xs}*"),
        "  server shutting down",
        &padded,
        "  * server full (9)",
        "민수: 안녕하세요 여러분 오늘은 날씨가 참",
        "  좋네요",
        "bob: the end",
        ">>",
    ]);
}

#[test]
fn a_server_that_ends_no_line_is_shown() {
    let server = Fake::listen();
    let seat = Seat::join(server.address, &[]);
    let mut client = server.accept();
    client.send("유저(127.0.0.1:1)가 접속했습니다.");
    seat.wait_for_row("유저(127.0.0.1:1)가 접속했습니다.");
    client.send("네");
    seat.wait_for_row("네");
}

#[test]
fn names_have_colours_unless_they_are_not_wanted() {
    let shown = |flags: &[&str], no_color: &str| {
        let server = Fake::listen();
        let state = State::fresh();
        let seat = Seat::run(r#"exec "$0" "$@""#, server.address, flags, &state, |command| {
            command.env("NO_COLOR", no_color);
        });
        server.accept().send("bob: hi\n");
        seat.wait_for_row("bob: hi");
        seat.output()
    };
    let is_colored = |output: String| output.contains("mbob\x1b[0m: hi");
    assert!(is_colored(shown(&[], "")));
    assert!(!is_colored(shown(&[], "1")));
    assert!(is_colored(shown(&["--color", "always"], "1")));
    assert!(!is_colored(shown(&["--color", "never"], "")));
}

#[test]
fn the_bell_rings_for_what_is_said_to_us() {
    let server = Fake::listen();
    let seat = Seat::join(server.address, &["--bell"]);
    let mut client = server.accept();
    client.send("* welcome, you are amy, 2 here\nbob: hello\namy: amy\n[amy -> bob] x\n");
    seat.wait_for_row("[amy -> bob] x");
    assert!(!seat.output().contains('\u{7}'));
    client.send("bob: Amy!\n[bob -> amy] y\n");
    seat.wait_for_row("[bob -> amy] y");
    assert_eq!(seat.output().matches('\u{7}').count(), 2);
}

#[test]
fn the_time_stands_before_each_line() {
    let server = Fake::listen();
    let seat = Seat::join(server.address, &["--timestamps"]);
    server.accept().send("bob: hi\n");
    seat.wait_until("a time stamp", |rows| {
        let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == ':');
        rows[0].strip_suffix(" bob: hi").is_some_and(|time| time.len() == 8 && digits(time))
    });
}

/// The terminal is blocked: the client must not read more than it can show.
#[test]
fn a_terminal_that_nobody_reads_pauses_the_server() {
    let server = Fake::listen();
    let seat = Seat::join(server.address, &["--color", "never"]);
    let client = server.accept();
    let seen = seat.seen();
    let held = seen.lock().unwrap();
    let before = memory_bytes(seat.pid());
    let said = super::pipes::say_until_blocked(&client);
    let grown = memory_bytes(seat.pid()).saturating_sub(before);
    assert!(grown < 1 << 20, "{grown} bytes more");
    drop(held);
    seat.wait_for_row(&format!("{}: so much was said", said - 1));
}

#[test]
fn a_terminal_that_nobody_reads_does_not_keep_it_from_ending() {
    let server = Fake::listen();
    let mut seat = Seat::join(server.address, &["--color", "never"]);
    let client = server.accept();
    let seen = seat.seen();
    let held = seen.lock().unwrap();
    super::pipes::say_until_blocked(&client);
    seat.signal("TERM");
    assert_eq!(seat.wait_for_end().code(), Some(143));
    drop(held);
    wait_for("the terminal's modes", || seat.has_its_modes().then_some(()));
}

#[test]
fn there_is_one_thread() {
    let server = Server::start(&[]);
    let seat = Seat::join(server.address, &["--nick", "bob"]);
    let tasks = format!("/proc/{}/task", seat.pid());
    wait_for("one thread", || (std::fs::read_dir(&tasks).unwrap().count() == 1).then_some(()));
}
