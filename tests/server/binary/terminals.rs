//! Terminals that are not the server's own: of another user, without `/proc`, of another job.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use crate::support::process::{self, Collected, through_shell};
use crate::support::terminal::Terminal;
use crate::support::{Client, join, send_signal, wait_for};

use super::streams::{SMALL, assert_adds_up, assert_chat_goes_on, assert_stops};
use super::streams::{come_and_go, flood};

/// Another user may not open the terminal again, and cannot enter every folder above the program.
const OTHER_USER: &str = "exec 9<\"$0\"; exec $SESSION \
    setpriv --reuid=65534 --clear-groups /proc/self/fd/9 \"$@\"";

/// Without `/proc` it cannot open a descriptor again by its number.
const NO_PROC: &str = "exec $SESSION unshare -m sh -c \
    'mount -t tmpfs none /proc && exec \"$0\" \"$@\"' \"$0\" \"$@\"";

/// The terminal is the controlling one of the server, or of no process.
const CONTROLLING: &str = "setsid -c";
const STRANGE: &str = "setsid";

/// The ways to a terminal that cannot be opened again. Only root can become another user.
fn ways() -> &'static [&'static str] {
    match rustix::process::geteuid().is_root() {
        true => &[OTHER_USER, NO_PROC],
        false => {
            println!("skipped: not root");
            &[]
        }
    }
}

/// A server that gets its terminal this way; its standard input is the terminal.
fn command(way: &str, session: &str, program: &OwnedFd, flags: &[&str]) -> Command {
    let mut shell = through_shell(way, flags);
    shell.env("SESSION", session).stdin(program.try_clone().unwrap());
    shell
}

#[test]
#[ignore = "needs root, setpriv, setsid and unshare"]
fn a_terminal_of_another_user_is_told_what_it_missed() {
    for way in ways() {
        let Terminal { person, program } = Terminal::open();
        let mut command = command(way, CONTROLLING, &program, &SMALL);
        command.stdout(program).stderr(Stdio::piped());
        let mut server = process::start(command);
        let mut alice = server.connect();
        alice.read_until(" joined\n");
        // The terminal is not read meanwhile.
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

/// Asserts that a terminal shows one line that begins like this.
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
                logged.read_until(" dropped: standard error took nothing");
                assert_stops(server);
            } else {
                assert_stops(server);
                assert_says_once(&logged, "chinwag: the log is not shown here, ");
            }
        }
    }
}

/// A shell with job control that starts the server as a background job of its terminal, and takes
/// it to the foreground after Enter. It prints the process id.
const JOB: &str = "stty tostop; set -m; \"$0\" \"$@\" & echo \"job $!\" >&2; read enter; fg";

#[test]
#[ignore = "needs setsid and stty"]
fn a_job_in_the_background_that_tostop_would_stop_goes_on() {
    let Terminal { mut person, program } = Terminal::open();
    let mut command = through_shell(&format!("exec setsid -c sh -c '{JOB}' \"$0\" \"$@\""), &[]);
    command.stdin(program.try_clone().unwrap()).stdout(program).stderr(Stdio::piped());
    let mut shell = command.spawn().unwrap();
    drop(command);
    let logged = Collected::from(shell.stderr.take().unwrap());
    let word = |before: &str| {
        let log = logged.read_until(before);
        let (_, rest) = log.split_once(before).unwrap();
        rest.split_once('\n').map(|(word, _)| word.to_owned())
    };
    let job: u32 = wait_for("the job", || word("job ")).parse().unwrap();
    let address: SocketAddr = wait_for("the port", || word(" listening on ")).parse().unwrap();
    let (mut alice, name) = join(Client::new(TcpStream::connect(address).unwrap()));
    for number in 0..5 {
        alice.send(format!("in the background {number}\n"));
        alice.read_until(&format!("{name}: in the background {number}\n"));
    }
    let printed = Collected::from(person.try_clone().unwrap());
    assert_eq!(printed.text(), "");
    person.write_all(b"\n").unwrap();
    printed.read_until(&format!("{name}: in the background 4\n"));
    send_signal(job, "TERM");
    wait_for("the end of the shell", || shell.try_wait().unwrap());
}
