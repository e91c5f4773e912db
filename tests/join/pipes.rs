//! Without a terminal: pipes and files, as a script uses them.

use std::collections::HashSet;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use chinwag::config::Config;
use chinwag::join::flags::Flags;
use clap::Args;

use crate::support::process::Collected;
use crate::support::{Client, Server, wait_for};

use super::fake::Fake;
use super::seat::{State, memory_bytes};

fn client(address: SocketAddr) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chinwag"));
    command.args(["join", &address.to_string()]).stderr(Stdio::piped());
    command
}

fn wait_for_end(child: &mut Child) -> ExitStatus {
    wait_for("the end of the client", || child.try_wait().unwrap())
}

/// Runs a command with this input to its end. Returns its status, its output and its standard
/// error.
fn run(mut command: Command, input: &str) -> (Option<i32>, String, String) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let output = Collected::from(child.stdout.take().unwrap());
    let errors = Collected::from(child.stderr.take().unwrap());
    // The client may end before it has read all.
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap_or_default();
    let code = wait_for_end(&mut child).code();
    wait_for("its last words", || (output.has_ended() && errors.has_ended()).then_some(()));
    (code, output.text(), errors.text())
}

/// Sends numbered lines until nothing more is taken for a while. Returns how many were taken whole.
pub fn say_until_blocked(client: &Client) -> usize {
    client.socket.set_nonblocking(true).unwrap();
    let line = |number: usize| format!("{number}: so much was said\n");
    // The kernel's probes of a full window may still take a little now and then.
    const CREEP_BYTES: usize = 64 * 1024;
    let (mut said, mut waiting, mut taken) = (0, Vec::new(), 0);
    let mut taken_at = Instant::now();
    while taken_at.elapsed() < Duration::from_millis(1500) {
        if waiting.is_empty() {
            waiting = line(said).into_bytes();
            said += 1;
        }
        match (&client.socket).write(&waiting) {
            Ok(bytes) => {
                waiting.drain(..bytes);
                taken += bytes;
                if taken >= CREEP_BYTES {
                    (taken, taken_at) = (0, Instant::now());
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => panic!("{error}"),
        }
        assert!(said < 2_000_000, "it reads for ever");
    }
    client.socket.set_nonblocking(false).unwrap();
    // The line that was begun is ended later; it is the last.
    let socket = client.socket.try_clone().unwrap();
    std::thread::spawn(move || (&socket).write_all(&waiting).unwrap_or_default());
    said
}

#[test]
fn what_is_piped_in_is_said_and_what_comes_is_printed() {
    let server = Server::start(&["--hide-addresses"]);
    let (code, output, errors) = run(client(server.address), "hi\n이");
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let expected = "* welcome, you are guest1, 1 here\n* guest1 joined\nguest1: hi\nguest1: 이\n";
    assert_eq!(output, expected);
}

#[test]
fn a_file_is_said_into_a_file() {
    let server = Server::start(&["--hide-addresses", "--exempt", "127.0.0.0/8"]);
    let folder = State::fresh();
    std::fs::create_dir_all(folder.path()).unwrap();
    let (input, log) = (folder.path().join("input"), folder.path().join("log"));
    let lines: String = (0..5000).map(|number| format!("line {number}\n")).collect();
    std::fs::write(&input, &lines).unwrap();
    let mut command = client(server.address);
    command.stdin(File::open(&input).unwrap()).stdout(File::create(&log).unwrap());
    assert_eq!(wait_for_end(&mut command.spawn().unwrap()).code(), Some(0));
    let said: String = (0..5000).map(|number| format!("guest1: line {number}\n")).collect();
    assert!(std::fs::read_to_string(&log).unwrap().ends_with(&said));
}

#[test]
fn without_input_it_says_nothing_and_ends() {
    let server = Server::start(&["--hide-addresses"]);
    for input in ["</dev/null", "<&-"] {
        let mut command = Command::new("sh");
        let script = format!(r#"exec "$0" join "$1" {input}"#);
        command.args(["-c", &script, env!("CARGO_BIN_EXE_chinwag")]);
        command.arg(server.address.to_string()).stderr(Stdio::piped());
        let (code, output, errors) = run(command, "");
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{input}");
        // A client that leaves without a line is not announced.
        assert_eq!(output, "", "{input}");
    }
}

#[test]
fn a_name_and_a_room_are_asked_for_first() {
    let server = Fake::listen();
    let mut command = client(server.address);
    let mut child =
        command.args(["--nick", "bob", "--room", "garden"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"hi").unwrap();
    let mut peer = server.accept();
    assert_eq!(peer.read_to_end(), "/nick bob\n/join garden\nhi");
    drop(peer);
    assert_eq!(wait_for_end(&mut child).code(), Some(0));
}

#[test]
fn a_flag_is_also_a_variable_and_none_is_one_of_the_server() {
    let of_server = Config::augment_args(clap::Command::new("chinwag"));
    let of_client = Flags::augment_args(clap::Command::new("join"));
    let ids = |command: &clap::Command| {
        let flags = command.get_arguments().filter(|flag| !flag.is_positional());
        flags.map(|flag| flag.get_id().to_string()).collect::<HashSet<String>>()
    };
    assert!(ids(&of_server).is_disjoint(&ids(&of_client)));

    for id in ids(&of_client) {
        let name = format!("CHINWAG_{}", id.to_uppercase());
        let mut command = client(unused_address());
        // A value that no flag takes.
        command.env(&name, "no such thing");
        let (code, _, errors) = run(command, "");
        let flag = format!("--{}", id.replace('_', "-"));
        assert!(code == Some(2) && errors.contains(&flag), "{name}: {errors}");
    }
}

#[test]
fn variables_say_what_flags_say() {
    let server = Fake::listen();
    let mut command = client(server.address);
    command.envs([("CHINWAG_NICK", "bob"), ("CHINWAG_COLOR", ""), ("CHINWAG_BELL", "yes")]);
    // Variables of the server, and one that Kubernetes sets.
    command.envs([("CHINWAG_RATE", "7"), ("CHINWAG_PORT", "tcp://10.0.0.7:50005")]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let output = Collected::from(child.stdout.take().unwrap());
    drop(child.stdin.take());
    let mut peer = server.accept();
    assert_eq!(peer.read_to_end(), "/nick bob\n");
    peer.send("eve: bob?\n");
    drop(peer);
    assert_eq!(wait_for_end(&mut child).code(), Some(0));
    wait_for("its words", || output.has_ended().then_some(()));
    assert_eq!(output.text(), "eve: bob?\u{7}\n");
}

#[test]
fn what_is_printed_is_safe_and_a_line_has_a_bound() {
    let server = Fake::listen();
    let mut command = client(server.address);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let output = Collected::from(child.stdout.take().unwrap());
    let mut peer = server.accept();
    peer.send(format!("a\x1b[2J\u{202e}\n{}\nend", "x".repeat(150_000)));
    drop(peer);
    assert_eq!(wait_for_end(&mut child).code(), Some(0));
    wait_for("the end of the output", || output.has_ended().then_some(()));
    let text = output.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines[4]), ("a\\x1b[2J\\u{202e}", "end"));
    assert!(lines[1..4].iter().all(|line| line.len() <= 64 * 1024 + 4));
    assert_eq!(text.matches('x').count(), 150_001);
}

#[test]
fn there_is_neither_prompt_nor_colour_unless_it_is_asked_for() {
    let (server, log) = (Fake::listen(), |flags: &[&str], server: &Fake| {
        let mut command = client(server.address);
        let mut child =
            command.args(flags).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let output = Collected::from(child.stdout.take().unwrap());
        let mut peer = server.accept();
        peer.send("bob: hi\n");
        drop(peer);
        wait_for_end(&mut child);
        wait_for("the end of the output", || output.has_ended().then_some(()));
        output.text()
    });
    assert_eq!(log(&[], &server), "bob: hi\n");
    assert!(log(&["--color", "always"], &server).contains("mbob\x1b[0m: hi\n"));
    let stamped = log(&["--timestamps"], &server);
    assert!(stamped.ends_with(" bob: hi\n") && stamped.len() == "12:34:56 bob: hi\n".len());
}

#[test]
fn a_closed_output_is_no_reason_not_to_send() {
    let server = Server::start(&["--hide-addresses"]);
    let (mut other, _) = server.join();
    let mut command = client(server.address);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut input = child.stdin.take().unwrap();
    other.read_until("* guest2 joined\n");
    input.write_all(b"one\n").unwrap();
    other.read_until("guest2: one\n");
    input.write_all(b"two\n").unwrap();
    other.read_until("guest2: two\n");
    drop(input);
    assert_eq!(wait_for_end(&mut child).code(), Some(0));
}

#[test]
fn a_stuck_output_pauses_the_server_and_nothing_is_lost() {
    let server = Fake::listen();
    let mut command = client(server.address);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut peer = server.accept();
    peer.send("* welcome\n");
    let held = child.stdout.take().unwrap();
    let input = child.stdin.take().unwrap();
    let said = say_until_blocked(&peer);
    let memory = memory_bytes(child.id());
    assert!(memory < 16 << 20, "{memory} bytes in memory");
    let output = Collected::from(held);
    let last = format!("{}: so much was said\n", said - 1);
    wait_for("all that was said", || output.text().ends_with(&last).then_some(()));
    let numbered = |number: usize| format!("{number}: so much was said\n");
    let all: String = (0..said).map(numbered).collect();
    assert_eq!(output.text(), format!("* welcome\n{all}"));
    drop((input, peer));
    wait_for_end(&mut child);
}

#[test]
fn a_server_that_takes_nothing_pauses_the_input() {
    let server = Fake::listen();
    let mut command = client(server.address);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut child = Killed(child);
    let mut input = child.0.stdin.take().unwrap();
    let mut peer = server.accept();
    let writer = std::thread::spawn(move || input.write_all(&[b'x'; 20 << 20]));
    let deadline = Instant::now() + Duration::from_millis(700);
    while Instant::now() < deadline {
        let memory = memory_bytes(child.0.id());
        assert!(memory < 12 << 20, "{memory} bytes in memory");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(peer.read_until_bytes(20 << 20).len(), 20 << 20);
    writer.join().unwrap().unwrap();
}

/// A client that is killed when it is dropped.
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        if self.0.kill().is_ok() {
            self.0.wait().unwrap();
        }
    }
}

fn unused_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn without_a_server_it_is_said_and_the_code_is_1() {
    let address = unused_address();
    let (code, output, errors) = run(client(address), "hi\n");
    assert_eq!((code, output.as_str()), (Some(1), ""));
    assert!(errors.starts_with(&format!("chinwag: cannot connect to {address}: ")), "{errors}");
    assert_eq!(errors.lines().count(), 1);
}

#[test]
fn a_connection_that_is_lost_is_said_and_the_code_is_1() {
    for reset in [false, true] {
        let server = Fake::listen();
        let mut command = client(server.address);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = Collected::from(child.stdout.take().unwrap());
        let errors = Collected::from(child.stderr.take().unwrap());
        let mut peer = server.accept();
        peer.send("bob: hi\n");
        output.read_until("bob: hi\n");
        if reset {
            peer.reset()
        } else {
            drop(peer)
        }
        assert_eq!(wait_for_end(&mut child).code(), Some(1));
        let told = errors.read_until("\n");
        assert!(told.starts_with("chinwag: connection lost: "), "{told}");
    }
}

#[test]
fn a_wrong_flag_is_one_line_and_the_code_is_2() {
    for arguments in [
        &["nowhere:port"][..],
        &["--nick", "two words"],
        &["--color", "blue"],
        &["--listen", "127.0.0.1:1"],
        &["127.0.0.1", "more"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chinwag"));
        command.arg("join").args(arguments).stderr(Stdio::piped());
        let (code, output, errors) = run(command, "");
        assert_eq!((code, output.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(errors.starts_with("chinwag: ") && errors.lines().count() == 1, "{errors}");
    }
}
