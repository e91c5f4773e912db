//! The server's own terminal: what is typed there is said, and only in the foreground.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::termios::Winsize;

use crate::binary::streams::SMALL;
use crate::binary::system::switches;
use crate::support::process::{Collected, start, through_shell};
use crate::support::program::Program;
use crate::support::terminal::Terminal;
use crate::support::{Client, Server, join, send_signal, wait_for};

/// The server is the session's leader, and so in the foreground of its terminal.
pub const LEADER: &str = "exec setsid -c \"$0\" \"$@\"";

/// A server on a terminal of its own: the person at it, and what it has printed.
pub struct Screen {
    pub server: Server,
    person: File,
    pub printed: Collected,
}

impl Screen {
    fn start(script: &str, flags: &[&str]) -> Screen {
        Screen::of_size(script, flags, (0, 0))
    }

    /// The same with this many columns and rows.
    pub fn of_size(script: &str, flags: &[&str], (columns, rows): (u16, u16)) -> Screen {
        let Terminal { person, program } = Terminal::open();
        let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&person, size).unwrap();
        let mut command = through_shell(script, flags);
        command.stdin(program.try_clone().unwrap()).stdout(program).stderr(Stdio::piped());
        let server = start(command);
        let printed = Collected::from(person.try_clone().unwrap());
        Screen { server, person, printed }
    }

    fn type_in(&mut self, text: &str) {
        self.person.write_all(text.as_bytes()).unwrap();
    }
}

#[test]
#[ignore = "needs setsid"]
fn what_is_typed_is_said_and_only_the_host_gets_its_replies() {
    for lang in ["en", "ko"] {
        let mut screen = Screen::start(LEADER, &["--lang", lang]);
        let (mut alice, name) = (screen.server.connect(), "guest1");
        alice.read_until_lines(2);
        alice.forget();
        // Enter alone brings nobody in.
        screen.type_in("\n\nhello\n");
        let said = alice.read_until(": hello\n");
        assert_eq!(said.matches("(127.0.0.1").count(), 0, "{said}");
        screen.printed.read_until(": hello\n");
        screen.type_in(&format!("/msg {name} psst\n"));
        alice.read_until("] psst\n");
        screen.printed.read_until(&format!(" -> {name}] psst\n"));
        screen.type_in("/nosuch\nafter it\n");
        let said = alice.read_until(": after it\n");
        assert!(!said.contains("/nosuch"), "{said}");
        let printed = screen.printed.read_until(": after it\n");
        assert!(printed.contains("/nosuch. /help") || printed.contains("/nosuch; /help"));
        let own = ["/replies", "replies only", "답만", "welcome", "환영"];
        assert!(own.iter().all(|word| !printed.contains(word)), "{printed}");
    }
}

#[test]
#[ignore = "needs nc, curl and setsid"]
fn a_terminal_says_what_others_type_and_it_works() {
    let screen = Screen::start(LEADER, &[]);
    let (mut alice, _) = screen.server.join();
    let whole = || Some(screen.printed.text()).filter(|text| text.matches('\n').count() == 6);
    let printed = wait_for("five lines", whole);
    let commands: Vec<&str> =
        printed.lines().skip(1).take(3).map(|line| &line["to join: ".len()..]).collect();
    for (typed, program) in commands.iter().zip(["nc ", "curl ", "chinwag join "]) {
        assert!(typed.starts_with(program), "{printed}");
        let typed = typed.replace("chinwag", env!("CARGO_BIN_EXE_chinwag"));
        let mut client = Program::start_on_terminal(&screen.server, &format!("exec {typed}"));
        client.read_until("welcome, you are ");
        alice.send(format!("to {program}\n"));
        client.read_until(&format!("to {}", program.trim_end()));
        client.say(&format!("through {program}\r"));
        screen.printed.read_until(&format!(": through {program}\n"));
    }
    assert_eq!(commands.len(), 3, "{printed}");
}

#[test]
#[ignore = "needs setsid"]
fn after_quit_the_next_line_brings_the_host_back() {
    let mut screen = Screen::start(LEADER, &[]);
    let (mut alice, _) = screen.server.join();
    screen.type_in("one\n/quit\n");
    alice.read_until(": one\n");
    alice.read_until(" left\n");
    screen.printed.read_until("* bye");
    screen.type_in("two\n");
    alice.read_until(": two\n");
}

#[test]
#[ignore = "needs setsid"]
fn the_end_of_typing_is_not_the_end_of_the_server() {
    let mut screen = Screen::start(LEADER, &[]);
    let (mut alice, name) = screen.server.join();
    screen.type_in("before\n\x04");
    alice.read_until(": before\n");
    alice.read_until(" left\n");
    let told = "nobody types at the terminal any more";
    wait_for("the log", || screen.server.stderr().contains(told).then_some(()));
    alice.send("still here\n");
    screen.printed.read_until(&format!("{name}: still here\n"));
    screen.type_in("\x03");
    assert!(alice.read_to_end().ends_with("* server shutting down\n"));
    assert_eq!(screen.server.wait_for_end().code(), Some(0));
}

#[test]
#[ignore = "needs setsid"]
fn a_quiet_server_and_one_without_a_terminal_read_nothing() {
    for (script, flags) in [
        (LEADER, &["--quiet"][..]),
        (LEADER, &["--raw"]),
        ("exec setsid -c sh -c 'exec \"$0\" \"$@\" </dev/null' \"$0\" \"$@\"", &[]),
        ("exec setsid \"$0\" \"$@\"", &[]),
    ] {
        let mut screen = Screen::start(script, flags);
        let mut alice = screen.server.connect();
        screen.type_in("typed\n");
        alice.send("over the network\n");
        let said = alice.read_until("over the network\n");
        assert!(!said.contains("typed"), "{script} {flags:?}: {said}");
    }
}

/// The server as a job of a shell with job control; it is killed when dropped.
struct Job {
    pid: u32,
    address: SocketAddr,
    shell: Child,
    person: File,
    printed: Collected,
}

impl Job {
    /// Runs a script, in which `JOB` is the server.
    fn start(script: &str) -> Job {
        let job = "sh -c 'echo \"pid $$\"; exec \"$0\" \"$@\"' \"$0\" \"$@\"";
        let script = format!("set -m; {}", script.replace("JOB", job));
        let Terminal { person, program } = Terminal::open();
        let mut shell = through_shell("exec setsid -c sh -c \"$SCRIPT\" \"$0\" \"$@\"", &[]);
        shell.env("SCRIPT", script).stdin(program.try_clone().unwrap());
        let shell = shell.stdout(program.try_clone().unwrap()).stderr(program).spawn().unwrap();
        let printed = Collected::from(person.try_clone().unwrap());
        let word = |before: &str| {
            printed.read_until(before);
            wait_for("the end of the line", || {
                let text = printed.text();
                text.split_once(before)?.1.split_once('\n').map(|(word, _)| word.to_owned())
            })
        };
        let (pid, address) = (word("pid ").parse().unwrap(), word("listening on "));
        Job { pid, address: address.parse().unwrap(), shell, person, printed }
    }

    fn join(&self) -> (Client, String) {
        join(Client::new(TcpStream::connect(self.address).unwrap()))
    }

    fn type_in(&mut self, text: &str) {
        self.person.write_all(text.as_bytes()).unwrap();
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        send_signal(self.pid, "KILL");
        self.shell.kill().unwrap();
        self.shell.wait().unwrap();
    }
}

/// Types a line for the shell, which the server must not take, and has clients talk meanwhile.
fn assert_is_for_the_shell(job: &mut Job, alice: &mut Client, name: &str) {
    job.type_in("for the shell\n");
    job.printed.read_until("the shell got for the shell\n");
    for number in 0..5 {
        alice.send(format!("in the background {number}\n"));
        let said = alice.read_until(&format!("{name}: in the background {number}\n"));
        assert!(!said.contains("for the shell"), "{said}");
    }
}

#[test]
#[ignore = "needs setsid"]
fn a_job_in_the_background_leaves_what_is_typed_to_the_shell() {
    let mut job = Job::start("JOB & read it; echo \"the shell got $it\"; read it; fg");
    let (mut alice, name) = job.join();
    assert_is_for_the_shell(&mut job, &mut alice, &name);
    job.type_in("\n");
    job.printed.read_until("exec ");
    job.type_in("for the host\n");
    alice.read_until(": for the host\n");
}

#[test]
#[ignore = "needs setsid"]
fn a_job_that_is_stopped_and_sent_to_the_background_goes_on() {
    let script = "JOB; echo it is stopped; bg; read it; echo \"the shell got $it\"; read it; fg";
    let mut job = Job::start(script);
    let (mut alice, name) = job.join();
    job.type_in("in the foreground\n");
    alice.read_until(": in the foreground\n");
    job.type_in("\x1a");
    job.printed.read_until("it is stopped\n");
    assert_is_for_the_shell(&mut job, &mut alice, &name);
    job.type_in("\n");
    job.type_in("for the host\n");
    alice.read_until(": for the host\n");
}

#[test]
#[ignore = "needs setsid"]
fn a_read_in_the_background_could_not_stop_it() {
    let job = Job::start("JOB & wait");
    let status = std::fs::read_to_string(format!("/proc/{}/status", job.pid)).unwrap();
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
    let blocked = u64::from_str_radix(blocked.trim(), 16).unwrap();
    let ttin = 1 << (rustix::process::Signal::TTIN.as_raw() - 1);
    assert_eq!(blocked, ttin, "only reads of the terminal are concerned");
}

#[test]
#[ignore = "needs nohup and setsid"]
fn a_terminal_that_hangs_up_takes_no_server_of_nohup_with_it() {
    // nohup takes the terminal away, if it may.
    for script in
        ["exec setsid -c nohup \"$0\" \"$@\"", "trap '' HUP; exec setsid -c \"$0\" \"$@\""]
    {
        let Terminal { person, program } = Terminal::open();
        let mut command = through_shell(script, &[]);
        command.stdin(program).stdout(Stdio::piped()).stderr(Stdio::piped());
        let server = start(command);
        let (mut alice, name) = server.join();
        drop(person);
        for number in 0..5 {
            alice.send(format!("without a terminal {number}\n"));
            alice.read_until(&format!("{name}: without a terminal {number}\n"));
        }
        wait_for("a moment without being woken", || {
            let before = switches(&server);
            std::thread::sleep(Duration::from_millis(500));
            (switches(&server) == before).then_some(())
        });
    }
}

#[test]
#[ignore = "needs setsid"]
fn a_host_whose_terminal_shows_nothing_delays_no_client() {
    let Terminal { mut person, program } = Terminal::open();
    let mut command = through_shell(LEADER, &SMALL);
    command.stdin(program.try_clone().unwrap()).stdout(program).stderr(Stdio::piped());
    let server = start(command);
    let flags = rustix::fs::fcntl_getfl(&person).unwrap();
    rustix::fs::fcntl_setfl(&person, flags | OFlags::NONBLOCK).unwrap();
    let (mut alice, name) = server.join();
    for number in 0..2000 {
        match person.write_all(b"/help\n") {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            written => written.unwrap(),
        }
        alice.send(format!("still {number}\n"));
        alice.forget();
        alice.read_until(&format!("{name}: still {number}\n"));
    }
    rustix::fs::fcntl_setfl(&person, flags).unwrap();
    let printed = Collected::from(person.try_clone().unwrap());
    printed.read_until("* /help  ");
    alice.send("enough\n");
    printed.read_until(&format!("{name}: enough\n"));
    drop(person);
}
