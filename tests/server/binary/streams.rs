//! Standard output and standard error, whatever they are: no client notices it.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::termios::Action;
use socket2::SockRef;

use crate::support::process::{self, Collected, through_shell};
use crate::support::terminal::Terminal;
use crate::support::{Client, Server, command, wait_for};

const LAST_LINE: &str = "* server shutting down\n";

/// A small window, so that a blocked stream soon lapses; and a stop that waits only a moment for
/// such a stream.
pub const SMALL: [&str; 4] = ["--window", "32768", "--shutdown", "1"];

/// The server's end of a stream, the other end, and a name for the stream.
type Stream = (OwnedFd, File, &'static str);

fn pipe() -> Stream {
    let (reader, writer) = std::io::pipe().unwrap();
    (writer.into(), File::from(OwnedFd::from(reader)), "a pipe")
}

fn socket() -> Stream {
    let (ours, its) = UnixStream::pair().unwrap();
    (its.into(), File::from(OwnedFd::from(ours)), "a socket")
}

fn terminal() -> Stream {
    let Terminal { person, program } = Terminal::open();
    (program, person, "a terminal")
}

/// Sends this many lines of 100 bytes, and reads each back, so the client keeps up.
pub fn flood(client: &mut Client, lines: usize) {
    const BATCH: usize = 50;
    for batch in 0..lines.div_ceil(BATCH) {
        let line = format!("{batch:05} {}\n", "x".repeat(85));
        client.send(line.repeat(BATCH - 1));
        client.send(format!("end of {batch}\n"));
        client.read_until(&format!(": end of {batch}\n"));
    }
}

/// Asserts that clients talk to each other as if nothing had happened.
pub fn assert_chat_goes_on(server: &Server) {
    let (mut alice, name) = server.enter();
    let (mut bob, _) = server.enter();
    for number in 0..20 {
        alice.send(format!("still {number}\n"));
        bob.read_until(&format!("{name}: still {number}\n"));
    }
    assert_eq!(server.threads(), 1);
}

/// Asserts that it stops in order when it is asked to.
pub fn assert_stops(mut server: Server) {
    server.signal("TERM");
    assert_eq!(server.wait_for_end().code(), Some(0));
}

/// Starts a server that prints on this stream.
fn start_printing_on(stdout: impl Into<Stdio>, flags: &[&str]) -> Server {
    let mut command = command(flags);
    command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped());
    process::start(command)
}

/// Starts a server that logs on this stream.
fn start_logging_on(stderr: impl Into<Stdio>, flags: &[&str]) -> Server {
    Server::start_with(flags, |command| {
        command.stderr(stderr);
    })
}

#[test]
fn standard_output_has_everything_that_was_said() {
    let server = Server::start(&[]);
    let mut alice = server.connect();
    alice.read_until(" joined\n");
    flood(&mut alice, 2000);
    let said = alice.read_text();
    let (_welcome, said) = said.split_once('\n').unwrap();
    let printed = format!("listening on {}\n{said}", server.address);
    wait_for("all of it", || (server.stdout() == printed).then_some(()));
}

#[test]
fn a_closed_standard_output_leaves_the_chat_going() {
    for (its, ours, what) in [pipe(), socket(), terminal()] {
        let server = start_printing_on(its, &[]);
        let mut first = [0; 13];
        (&ours).read_exact(&mut first).unwrap();
        assert_eq!(&first, b"listening on ", "{what}");
        drop(ours);
        assert_chat_goes_on(&server);
        assert_stops(server);
    }
}

/// Compares what was printed with the conversation: nothing may be lost without a notice.
pub fn assert_adds_up(printed: &str, said: &str, what: &str) {
    let before = ["listening on ", "to join: ", "     or: "];
    let lines = printed.lines().filter(|line| !before.iter().any(|it| line.starts_with(it)));
    let (told, printed): (Vec<&str>, Vec<&str>) =
        lines.partition(|line| line.starts_with("* you missed "));
    let number = |line: &&str| line.split(' ').nth(3).unwrap().parse::<usize>().unwrap();
    let missed: usize = told.iter().map(number).sum();
    assert!(missed > 0, "{what}: nothing was missed");
    assert_eq!(printed.len() + missed, said.lines().count() - 1, "{what}: {told:?}");
    let said: Vec<&str> = said.lines().collect();
    assert!(printed.iter().all(|line| said.contains(line)), "{what}: a line is torn");
}

/// `resume` reads the stream again, after far more lines than the stream holds.
fn assert_pause_is_told(its: OwnedFd, what: &str, resume: impl FnOnce() -> Collected) {
    let mut server = start_printing_on(its, &SMALL);
    let mut alice = server.connect();
    alice.read_until(" joined\n");
    flood(&mut alice, 5000);
    let printed = resume();
    alice.send("resumed\n");
    printed.read_until(": resumed\n");
    server.signal("TERM");
    let said = alice.read_to_end();
    assert_eq!(server.wait_for_end().code(), Some(0), "{what}");
    wait_for("the end of what is printed", || printed.has_ended().then_some(()));
    assert!(printed.text().ends_with(LAST_LINE), "{what}");
    assert_adds_up(&printed.text(), &said, what);
}

#[test]
fn a_full_standard_output_is_told_what_it_missed_when_read() {
    for (its, ours, what) in [pipe(), socket(), terminal()] {
        assert_pause_is_told(its, what, || Collected::from(ours));
    }
}

#[test]
fn a_stopped_terminal_is_told_what_it_missed_when_continued() {
    let (its, ours, what) = terminal();
    let program = its.try_clone().unwrap();
    let printed = Collected::from(ours);
    // This is what Ctrl-S and Ctrl-Q do.
    rustix::termios::tcflow(&program, Action::OOff).unwrap();
    assert_pause_is_told(its, what, || {
        assert_eq!(printed.text(), "", "it was not stopped");
        rustix::termios::tcflow(&program, Action::OOn).unwrap();
        drop(program);
        printed
    });
}

#[test]
fn lines_for_a_full_standard_output_are_printed_before_the_end() {
    let (its, ours, _) = pipe();
    rustix::pipe::fcntl_setpipe_size(&its, 4096).unwrap();
    let mut server = start_printing_on(its, &["--shutdown", "60", "--log-level", "debug"]);
    let mut alice = server.connect();
    alice.read_until(" joined\n");
    flood(&mut alice, 1000);
    server.signal("TERM");
    let said = alice.read_to_end();
    drop(alice);
    wait_for("nobody to be here", || server.stderr().contains(") left: ").then_some(()));
    let printed = Collected::from(ours);
    assert_eq!(server.wait_for_end().code(), Some(0));
    wait_for("the end of what is printed", || printed.has_ended().then_some(()));
    let (_welcome, said) = said.split_once('\n').unwrap();
    assert!(printed.text().ends_with(said), "{:?}", printed.text().lines().last());
}

#[test]
fn a_full_disk_leaves_the_chat_going() {
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = command(&[&SMALL[..], &["--log-level", "debug"]].concat());
    let server = process::start({
        command.stdin(Stdio::null()).stdout(full()).stderr(full());
        command
    });
    let (mut alice, _) = server.join();
    flood(&mut alice, 1000);
    assert_chat_goes_on(&server);
    assert_stops(server);
}

#[test]
fn a_file_gets_every_line() {
    let path = std::env::temp_dir().join(format!("chinwag-binary-{}", std::process::id()));
    let server = start_printing_on(File::create(&path).unwrap(), &[]);
    let (mut alice, _) = server.join();
    flood(&mut alice, 1000);
    assert_stops(server);
    let printed = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(printed.lines().filter(|line| line.starts_with("guest1: ")).count(), 1000);
    assert!(printed.ends_with(LAST_LINE));
}

#[test]
fn a_file_at_the_limit_of_its_size_leaves_the_chat_going() {
    let path = std::env::temp_dir().join(format!("chinwag-limit-{}", std::process::id()));
    let file = || OpenOptions::new().create(true).append(true).open(&path).unwrap();
    let limited = "ulimit -f 8; exec \"$0\" \"$@\"";
    let mut shell = through_shell(limited, &[&SMALL[..], &["--log-level", "debug"]].concat());
    shell.stdin(Stdio::null()).stdout(file()).stderr(file());
    let server = process::start(shell);
    let (mut alice, _) = server.join();
    flood(&mut alice, 1000);
    let size = std::fs::metadata(&path).unwrap().len();
    assert!((4000..=8192).contains(&size), "{size} bytes are not the limit");
    assert_chat_goes_on(&server);
    assert_stops(server);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_start_without_any_standard_stream_leaves_the_chat_going() {
    let shell = through_shell("exec \"$0\" \"$@\" <&- >&- 2>&-", &["--log-level", "debug"]);
    let server = process::start(shell);
    assert_chat_goes_on(&server);
    assert_stops(server);
}

#[test]
fn quiet_prints_where_it_listens_and_nothing_else() {
    let mut server = Server::start(&["--quiet"]);
    assert_chat_goes_on(&server);
    server.signal("TERM");
    assert_eq!(server.wait_for_end().code(), Some(0));
    assert_eq!(server.stdout(), format!("listening on {}\n", server.address));
}

#[test]
fn the_streams_that_it_shares_stay_as_they_were() {
    for ((stdout, out, what), (stderr, err, _)) in
        [pipe(), socket(), terminal()].into_iter().zip([pipe(), socket(), terminal()])
    {
        let kept = [stdout.try_clone().unwrap(), stderr.try_clone().unwrap()];
        let before = kept.each_ref().map(|stream| rustix::fs::fcntl_getfl(stream).unwrap());
        let mut command = command(&["--log-level", "debug"]);
        let server = process::start({
            command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
            command
        });
        let (printed, logged) = (Collected::from(out), Collected::from(err));
        assert_chat_goes_on(&server);
        printed.read_until(": still 19\n");
        logged.read_until(" joined\n");
        let flags = kept.each_ref().map(|stream| rustix::fs::fcntl_getfl(stream).unwrap());
        assert_eq!(flags, before, "{what}");
        assert!(!flags.iter().any(|flags| flags.contains(OFlags::NONBLOCK)), "{what}");
        assert_stops(server);
    }
}

#[test]
fn a_closed_standard_error_leaves_the_chat_going() {
    for (its, ours, what) in [pipe(), socket(), terminal()] {
        let server = start_logging_on(its, &["--log-level", "debug"]);
        let mut first = [0; 2];
        (&ours).read_exact(&mut first).unwrap();
        assert_eq!(&first, b"20", "{what}: the log does not begin with the year");
        drop(ours);
        assert_chat_goes_on(&server);
        assert_stops(server);
    }
}

/// Makes and resets this many connections. Each is two records of the log.
pub fn come_and_go(server: &Server, times: usize) {
    for _ in 0..times {
        let peer = server.connect();
        // A reset leaves nothing behind in the kernel.
        SockRef::from(&peer.socket).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// `resume` reads the log again, after more records than fit anywhere.
fn assert_dropped_records_are_told(
    stderr: OwnedFd,
    what: &str,
    resume: impl FnOnce() -> Collected,
) {
    const TIMES: usize = 1500;
    let server = start_logging_on(stderr, &["--log-level", "debug", "--greeting", "0"]);
    come_and_go(&server, TIMES);
    // They stand in the queue before the two records of this chat.
    assert_chat_goes_on(&server);
    let logged = resume();
    let counts = || {
        let text = logged.text();
        let lines: Vec<&str> = text.lines().collect();
        let of = |end: &str| lines.iter().filter(|line| line.contains(end)).count();
        let dropped = lines.iter().filter(|line| line.contains(" dropped: standard error"));
        let number = |line: &str| line.split("] ").nth(1)?.split(' ').next()?.parse::<usize>().ok();
        let dropped: usize = dropped.filter_map(|line| number(line)).sum();
        (of(") joined"), of(") left: "), dropped)
    };
    // The two clients that stayed have left as well, after the chat.
    let all = 2 * (TIMES + 2);
    wait_for(&format!("all records to be written or told of on {what}"), || {
        let (joined, left, dropped) = counts();
        assert!(joined + left + dropped <= all, "{joined} {left} {dropped}");
        (dropped > 0 && joined + left + dropped == all).then_some(())
    });
    assert_stops(server);
    logged.read_until("] stopped\n");
}

#[test]
fn a_full_standard_error_is_told_how_many_records_were_dropped() {
    for (its, ours, what) in [pipe(), socket(), terminal()] {
        // The smallest size that the kernel gives.
        match what {
            "a pipe" => drop(rustix::pipe::fcntl_setpipe_size(&its, 4096).unwrap()),
            "a socket" => SockRef::from(&its).set_send_buffer_size(4096).unwrap(),
            _ => {}
        }
        assert_dropped_records_are_told(its, what, || Collected::from(ours));
    }
}

#[test]
fn a_stopped_standard_error_is_told_how_many_records_it_missed() {
    let (its, ours, what) = terminal();
    let program = its.as_fd().try_clone_to_owned().unwrap();
    let logged = Collected::from(ours);
    rustix::termios::tcflow(&program, Action::OOff).unwrap();
    assert_dropped_records_are_told(its, what, || {
        assert_eq!(logged.text(), "", "it was not stopped");
        rustix::termios::tcflow(&program, Action::OOn).unwrap();
        logged
    });
}

#[test]
fn a_stuck_standard_error_does_not_hold_the_stop() {
    let (its, ours, _) = pipe();
    rustix::pipe::fcntl_setpipe_size(&its, 4096).unwrap();
    let server = start_logging_on(its, &["--log-level", "debug"]);
    come_and_go(&server, 200);
    assert_chat_goes_on(&server);
    assert_stops(server);
    drop(ours);
}

#[test]
fn the_log_has_the_life_of_the_server_and_nobodys_comings() {
    let mut server = Server::start(&[]);
    assert_chat_goes_on(&server);
    server.signal("TERM");
    assert_eq!(server.wait_for_end().code(), Some(0));
    wait_for("the end of the log", || server.stderr().ends_with("stopped\n").then_some(()));
    let log = server.stderr();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 4, "{log}");
    assert!(lines[0].contains(" clients; at most ") && lines[0].contains(" of memory"), "{log}");
    assert!(lines[1].ends_with(&format!("listening on {}", server.address)), "{log}");
    assert!(lines[2].contains("stopping: SIGTERM; "), "{log}");
    assert!(lines.iter().all(|line| line.contains("Z INFO ")), "{log}");
}

#[test]
fn the_last_record_is_written_though_nothing_else_happens() {
    // In raw mode there is no leave notice, so the loop has nothing more to do.
    let server = Server::start(&["--raw", "--log-level", "debug"]);
    for visit in 1..=5 {
        let mut client = server.connect();
        client.read_until("접속했습니다.");
        drop(client);
        let left = || server.stderr().matches(") left: ").count();
        wait_for("the record", || (left() == visit).then_some(()));
    }
}

#[test]
fn the_log_has_as_much_as_was_asked_for() {
    let server = Server::start(&["--log-level", "debug"]);
    assert_chat_goes_on(&server);
    wait_for("a join", || server.stderr().contains("DEBUG").then_some(()));
    wait_for("a join", || server.stderr().contains(") joined\n").then_some(()));
    assert!(!server.stderr().contains("still"), "a message is in the log");
    let mut server = Server::start(&["--log-level", "off"]);
    assert_chat_goes_on(&server);
    server.signal("TERM");
    assert_eq!(server.wait_for_end().code(), Some(0));
    assert_eq!(server.stderr(), "");
}
