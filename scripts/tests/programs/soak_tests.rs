//! The soak test finds a server that is wrong.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread;

use scripts::crowd::started::{Started, beside};

use crate::chinwag_program;

/// What a client reads instead of a line and the next.
type Lie = fn(&str, &str) -> String;

/// Between a server and its clients: the fifth to connect reads a lie instead of its messages 20
/// and 21. Returns where it listens.
fn relay_wrongly(server: SocketAddr, lie: Lie) -> SocketAddr {
    const LIED_TO: usize = 4;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (number, client) in listener.incoming().map_while(Result::ok).enumerate() {
            let behind = TcpStream::connect(server).unwrap();
            let lie = (number == LIED_TO).then_some(lie);
            let (to, from) = (client.try_clone().unwrap(), behind.try_clone().unwrap());
            thread::spawn(move || copy(client, behind));
            thread::spawn(move || copy_lines(from, to, lie));
        }
    });
    address
}

/// Until one of both has gone.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    to.shutdown(Shutdown::Write).unwrap_or_default();
}

fn copy_lines(from: TcpStream, mut to: TcpStream, lie: Option<Lie>) {
    let mut messages = 0;
    let mut kept: Option<String> = None;
    let mut from = BufReader::new(from);
    let mut line = String::new();
    while from.read_line(&mut line).is_ok_and(|read| read > 0) {
        messages += usize::from(line.starts_with("guest") && !line.contains("let us"));
        let said = match (lie, kept.take()) {
            (Some(lie), Some(kept)) => lie(&kept, &line),
            (Some(_), None) if messages == 20 => {
                kept = Some(std::mem::take(&mut line));
                continue;
            }
            _ => line.clone(),
        };
        line.clear();
        if to.write_all(said.as_bytes()).is_err() {
            return;
        }
    }
    to.shutdown(Shutdown::Write).unwrap_or_default();
}

/// Runs the soak test on the server that this shell script starts. Returns its exit code and its
/// error.
fn soak(name: &str, script: &str) -> (Option<i32>, String) {
    let name = format!("chinwag-soak-{}-{name}", std::process::id());
    let program = std::env::temp_dir().join(name);
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(beside("soak").unwrap());
    command.args(["--seconds", "5"]).env("CHINWAG_PROGRAM", &program);
    let output = command.output().unwrap();
    fs::remove_file(program).unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_server_that_is_wrong_about_one_line_fails_the_soak() {
    let lies: [(&str, Lie); 5] = [
        ("drops", |_, next| next.to_owned()),
        ("doubles", |line, next| format!("{line}{line}{next}")),
        ("swaps", |line, next| format!("{next}{line}")),
        ("tears", |line, next| format!("{}{next}", &line[line.len() / 2..])),
        ("miscounts", |_, next| format!("* you missed 2 lines\n{next}")),
    ];
    for (name, lie) in lies {
        let server = Started::chinwag(&["--rate", "0"]).unwrap();
        let address = relay_wrongly(server.address, lie);
        let (code, told) = soak(name, &format!("echo listening on {address}\nexec sleep 60"));
        assert_eq!((code, told.lines().count()), (Some(1), 1), "{name}: {told}");
        assert!(told.starts_with("soak: the server is wrong: "), "{name}: {told}");
        // The relay's process and addresses are not the server's. That would be found later.
        assert!(!told.contains("descriptors") && !told.contains("visitor"), "{name}: {told}");
    }
}

/// The server with another flag than the soak test gives it.
fn soak_with(flag: &str, other: &str) -> (Option<i32>, String) {
    let change = format!("case $flag in {flag}) flag={other} ;; esac");
    let change = format!("for flag; do shift; {change}; set -- \"$@\" \"$flag\"; done");
    soak(other, &format!("{change}\nexec {} \"$@\"", chinwag_program().display()))
}

#[test]
fn a_server_that_admits_one_too_many_fails_the_soak() {
    for (flag, more, refusal) in [
        ("--per-address=8", "--per-address=9", "from your address (9, --per-address)"),
        ("--max-clients=200", "--max-clients=201", "* server full (201)"),
    ] {
        let (code, told) = soak_with(flag, more);
        assert_eq!((code, told.lines().count()), (Some(1), 1), "{flag}: {told}");
        // The words of the refusal have the wrong number.
        assert!(told.contains("was disconnected") && told.contains(refusal), "{flag}: {told}");
    }
}

#[test]
fn a_server_that_is_wrong_to_one_visitor_fails_the_soak() {
    for (flag, other, fault) in [
        ("--max-endless=16384", "--max-endless=16000", "was disconnected"),
        ("--idle=30", "--hide-addresses", "is welcomed wrongly"),
        ("--lang=en", "--lang=ko", "was disconnected"),
    ] {
        let (code, told) = soak_with(flag, other);
        assert_eq!((code, told.lines().count()), (Some(1), 1), "{other}: {told}");
        assert!(told.starts_with("soak: the server is wrong: "), "{other}: {told}");
        assert!(told.contains(fault) && told.contains("(visitor "), "{other}: {told}");
    }
}
