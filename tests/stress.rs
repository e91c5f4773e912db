//! The load generator finds a server that is wrong, and passes one that is right.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "../scripts/stress/mod.rs"]
mod stress;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use stress::crowd::{Crowd, Greeting};
use stress::load::{self, Pace, Report, Talker, Until};
use stress::started::Started;
use stress::{Fault, Outcome};

fn chinwag() -> Started {
    let flags = ["--listen", "127.0.0.1:0", "--quiet", "--log-level", "warn"];
    let program = Path::new(env!("CARGO_BIN_EXE_chinwag"));
    Started::new(program, &flags).unwrap()
}

fn talkers(count: usize, window: u64) -> Vec<Talker> {
    let pace = Pace::Window(window);
    (0..count).map(|client| Talker { client, pace, message_bytes: 64, timed: true }).collect()
}

#[test]
fn every_delivery_of_the_server_is_counted_and_right() {
    let server = chinwag();
    let mut crowd = Crowd::connect(server.address, 50, Greeting::Welcome).unwrap();
    crowd.begin(false).unwrap();
    for window in [1, 100] {
        let until = Until::Heard(200);
        let report = load::run(&mut crowd, &talkers(5, window), until, false).unwrap();
        assert_eq!(report.deliveries, 50 * 5 * 200);
        assert_eq!(report.lines_missed, 0);
    }
}

/// How the fake server is wrong, about the 20th line that it sends to its last client.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    Not,
    Drops,
    Doubles,
    Swaps,
    Tears,
    Miscounts,
    CountsRight,
}

const CLIENTS: usize = 3;
const WRONG_LINE: usize = 20;

/// Serves three clients: what the first says is said to all, with its name.
fn fake(wrong: Wrong) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || serve(&listener, wrong));
    address
}

fn serve(listener: &TcpListener, wrong: Wrong) {
    let mut clients: Vec<TcpStream> = Vec::new();
    for number in 1..=CLIENTS {
        let (mut client, _) = listener.accept().unwrap();
        writeln!(client, "* welcome, you are guest{number}, {number} here").unwrap();
        clients.push(client);
    }
    let (mut said, mut buffer, mut lines) = (Vec::new(), [0; 4096], 0);
    loop {
        match clients[0].read(&mut buffer) {
            Ok(bytes @ 1..) => said.extend_from_slice(&buffer[..bytes]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return,
        }
        while let Some(at) = said.iter().position(|byte| *byte == b'\n') {
            let rest = said.split_off(at + 1);
            let line = [b"guest1: ", &said[..]].concat();
            said = rest;
            lines += 1;
            for (key, client) in clients.iter_mut().enumerate() {
                let last = key + 1 == CLIENTS && lines >= WRONG_LINE;
                let words = if last { wrong.words(lines, &line) } else { line.clone() };
                // A client that has found the fault is gone.
                client.write_all(&words).unwrap_or_default();
            }
        }
    }
}

impl Wrong {
    /// What the last client is told instead of this line.
    fn words(self, number: usize, line: &[u8]) -> Vec<u8> {
        match (self, number - WRONG_LINE) {
            (Wrong::Drops, 0) | (Wrong::Swaps, 0) => Vec::new(),
            (Wrong::Doubles, 0) => [line, line].concat(),
            // The line before this one ended in the number before.
            (Wrong::Swaps, 1) => {
                let mut before = line.to_vec();
                let digit = before.len() - 2;
                before[digit] -= 1;
                [line, &before].concat()
            }
            (Wrong::Tears, 0) => line[line.len() / 2..].to_vec(),
            (Wrong::Miscounts, 0 | 1) | (Wrong::CountsRight, 0 | 1) => Vec::new(),
            (Wrong::Miscounts, 2) => [b"* you missed 1 lines\n", line].concat(),
            (Wrong::CountsRight, 2) => [b"* you missed 2 lines\n", line].concat(),
            _ => line.to_vec(),
        }
    }
}

fn against(wrong: Wrong) -> Outcome<Report> {
    let mut crowd = Crowd::connect(fake(wrong), CLIENTS, Greeting::Welcome)?;
    crowd.begin(false)?;
    load::run(&mut crowd, &talkers(1, 10), Until::Heard(200), false)
}

#[test]
fn a_server_that_is_wrong_about_one_line_to_one_client_is_found() {
    for wrong in [Wrong::Drops, Wrong::Doubles, Wrong::Swaps, Wrong::Tears, Wrong::Miscounts] {
        let error = against(wrong).expect_err("it was not found");
        assert!(error.is::<Fault>(), "{wrong:?}: {error}");
    }
}

#[test]
fn a_server_that_is_right_or_tells_what_was_missed_passes() {
    assert_eq!(against(Wrong::Not).unwrap().deliveries, 3 * 200);
    let report = against(Wrong::CountsRight).unwrap();
    assert_eq!((report.deliveries, report.lines_missed), (3 * 200 - 2, 2));
}
