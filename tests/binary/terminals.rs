//! Terminals that are not the server's own: of another user, without `/proc`, of another job.

use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use crate::support::process::{self, Collected, through_shell};
use crate::support::terminal::Terminal;
use crate::support::wait_for;

use super::streams::{SMALL, assert_adds_up, assert_chat_goes_on, assert_stops};
use super::streams::{come_and_go, flood};

/// Another user may not open the terminal again, and may not look into every folder above the
/// binary either.
const OTHER_USER: &str = "exec 9<\"$0\"; exec $SESSION \
    setpriv --reuid=65534 --clear-groups /proc/self/fd/9 \"$@\"";

/// Without `/proc` nothing can be opened again by its descriptor.
const NO_PROC: &str = "exec $SESSION unshare -m sh -c \
    'mount -t tmpfs none /proc && exec \"$0\" \"$@\"' \"$0\" \"$@\"";

/// The terminal is the controlling one of the server, or of nobody.
const CONTROLLING: &str = "setsid -c";
const STRANGE: &str = "setsid";

/// Only root can become another user. Both ways to a terminal that cannot be opened again.
fn ways() -> &'static [&'static str] {
    match rustix::process::geteuid().is_root() {
        true => &[OTHER_USER, NO_PROC],
        false => {
            println!("skipped: not root");
            &[]
        }
    }
}

/// A server that comes to its terminal this way; its standard input is the terminal.
fn command(way: &str, session: &str, program: &OwnedFd, flags: &[&str]) -> Command {
    let mut shell = through_shell(way, flags);
    shell.env("SESSION", session).stdin(program.try_clone().unwrap());
    shell
}

#[test]
#[ignore = "needs root, setpriv, setsid and unshare"]
fn a_controlling_terminal_of_another_user_is_told_what_it_missed() {
    for way in ways() {
        let Terminal { person, program } = Terminal::open();
        let mut command = command(way, CONTROLLING, &program, &SMALL);
        command.stdout(program).stderr(Stdio::piped());
        let mut server = process::start(command);
        let mut alice = server.connect();
        alice.read_until(" joined\n");
        // Nobody reads the terminal meanwhile.
        flood(&mut alice, 5000);
        let printed = Collected::from(person);
        alice.send("resumed\n");
        printed.read_until(": resumed\n");
        server.signal("TERM");
        let said = alice.read_to_end();
        assert_eq!(server.wait_for_end().code(), Some(0), "{way}");
        wait_for("the end of what is printed", || printed.has_ended().then_some(()));
        assert_adds_up(&printed.text(), &said, way);
    }
}

#[test]
#[ignore = "needs root, setpriv, setsid and unshare"]
fn a_full_terminal_that_is_not_printed_on_delays_nobody() {
    for way in ways() {
        let Terminal { person, program } = Terminal::open();
        let mut command = command(way, STRANGE, &program, &SMALL);
        let kept = program.try_clone().unwrap();
        let before = rustix::fs::fcntl_getfl(&kept).unwrap();
        command.stdout(program).stderr(Stdio::piped());
        let server = process::start(command);
        let (mut alice, _) = server.join();
        flood(&mut alice, 5000);
        assert_chat_goes_on(&server);
        assert_eq!(rustix::fs::fcntl_getfl(&kept).unwrap(), before, "{way}");
        drop(kept);
        wait_for("the log", || server.stderr().contains(" listening on ").then_some(()));
        let told = server.stderr().matches("nothing is printed on standard output").count();
        assert_eq!(told, 1, "{}", server.stderr());
        assert_stops(server);
        assert_says_once(&Collected::from(person), "chinwag: the conversation is not shown here, ");
    }
}

/// Asserts that a terminal shows one line, which begins so.
fn assert_says_once(printed: &Collected, line: &str) {
    wait_for("the end of what is printed", || printed.has_ended().then_some(()));
    let text = printed.text();
    assert!(text.starts_with(line) && text.lines().count() == 1, "{text:?}");
}

#[test]
#[ignore = "needs root, setpriv, setsid and unshare"]
fn a_full_terminal_that_is_logged_on_delays_nobody() {
    for way in ways() {
        for session in [CONTROLLING, STRANGE] {
            let Terminal { person, program } = Terminal::open();
            let flags = ["--log-level", "debug", "--greeting", "0"];
            let mut command = command(way, session, &program, &flags);
            command.stdout(Stdio::piped()).stderr(program);
            let server = process::start(command);
            come_and_go(&server, 1000);
            assert_chat_goes_on(&server);
            let logged = Collected::from(person);
            if session == CONTROLLING {
                logged.read_until(" log records were dropped");
                assert_stops(server);
            } else {
                assert_stops(server);
                assert_says_once(&logged, "chinwag: the log is not shown here, ");
            }
        }
    }
}
