//! Clients of other protocols: a browser, a TLS client, an SSH client.

use std::time::{Duration, Instant};

use super::{people, read_up_to_mark};
use crate::support::Server;

/// How the answer to a request begins.
fn status(status: &str) -> String {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\n")
}

fn told(protocol: &str) -> String {
    format!("* this is a chat server and does not speak {protocol}; try nc or telnet\n")
}

/// The beginning of a TLS hello, with bytes in it that telnet would take for commands.
const HELLO: &[u8] = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\xff\xfd\x03\xff\xec\x04\n";

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: x\r\n\r\n";

#[test]
fn strangers_are_told_in_one_line_and_nobody_sees_them() {
    let server = Server::start(&["--greeting", "60"]);
    let mut alice = server.connect();
    alice.send("hello\n");
    alice.read_until_last("guest1: hello\n");
    alice.forget();
    let post: &[u8] = b"POST /x HTTP/1.0\n\n";
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(3000));
    let ssh: &[u8] = b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n";
    for (hello, answer) in [
        (REQUEST, status("200 OK")),
        (post, status("404 Not Found")),
        (long.as_bytes(), status("404 Not Found")),
        (&[b"\r\n", REQUEST].concat(), status("200 OK")),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \xff\xfd\x03\r\n\r\n", status("400 Bad Request")),
        (HELLO, told("TLS")),
        (ssh, told("SSH")),
    ] {
        let mut stranger = server.connect();
        stranger.send(hello);
        let read = stranger.read_to_end();
        assert!(read.starts_with(&answer), "{read}");
        assert!(!stranger.was_reset());
        assert_eq!(read_up_to_mark(&mut alice), "");
    }
    // In pieces the result is the same.
    for pieces in [REQUEST.chunks(5), ssh.chunks(3), HELLO.chunks(1)] {
        let mut stranger = server.connect();
        pieces.clone().take(5).for_each(|piece| stranger.send(piece));
        if pieces.clone().len() < 18 {
            pieces.skip(5).for_each(|piece| stranger.send(piece));
        }
        let read = stranger.read_to_end();
        let is_told = read.contains("* this is a chat server and does not speak ");
        assert!(is_told || read.starts_with(&status("200 OK")), "{read:?}");
        assert_eq!(read_up_to_mark(&mut alice), "");
    }
    alice.send("/who\n");
    alice.read_until_last("* 1 here: guest1\n");
}

#[test]
fn a_request_after_the_greeting_is_answered_too_and_not_said() {
    let server = Server::start(&[]);
    let [mut alice] = people(&server);
    let (mut stranger, name) = server.join();
    alice.read_until_last(") joined\n");
    alice.forget();
    stranger.send(REQUEST);
    assert!(stranger.read_to_end().contains(&status("200 OK")));
    drop(stranger);
    alice.read_until_last(&format!("* {name} left\n"));
    assert_eq!(alice.read_text(), format!("* {name} left\n"));
}

#[test]
fn a_client_that_has_spoken_may_talk_about_http() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = people(&server);
    for line in ["hello", "GET / HTTP/1.1", "SSH-2.0-x"] {
        alice.send(format!("{line}\n"));
        bob.read_until_last(&format!("guest1: {line}\n"));
    }
}

#[test]
fn a_silent_client_is_greeted_late_and_one_that_speaks_at_once() {
    let server = Server::start(&["--greeting", "0.5"]);
    let start = Instant::now();
    let mut slow = server.connect();
    slow.read_until("* welcome, you are guest1 ");
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(500), "{waited:?}");
    assert!(waited < Duration::from_secs(5), "{waited:?}");
    let server = Server::start(&["--greeting", "60"]);
    let mut quick = server.connect();
    quick.send("hi\n");
    let (address, name) = (quick.address(), "guest1");
    quick.read_until_last("guest1: hi\n");
    let welcome = format!("* welcome, you are {name} ({address}), 1 here\n");
    assert_eq!(quick.read_text(), format!("{welcome}* {name} ({address}) joined\nguest1: hi\n"));
}

#[test]
fn a_client_that_leaves_without_a_word_was_never_here() {
    let server = Server::start(&["--greeting", "60"]);
    let mut alice = server.connect();
    alice.send("hello\n");
    alice.read_until_last("guest1: hello\n");
    alice.forget();
    drop(server.connect());
    server.connect().reset();
    let mut silent = server.connect();
    silent.send("\r\n\n");
    silent.half_close();
    assert_eq!(silent.read_to_end(), "");
    assert!(!silent.was_reset());
    // A word without a line end is a chat message.
    let mut bob = server.connect();
    bob.send("hi");
    bob.half_close();
    bob.read_to_end();
    alice.read_until("* guest5 (");
    alice.read_until_last("* guest5 left\n");
    let expected = format!("* guest5 ({}) joined\nguest5: hi\n* guest5 left\n", bob.address());
    assert_eq!(alice.read_text(), expected);
    alice.forget();
    alice.send("/who\n");
    alice.read_until_last("* 1 here: guest1\n");
    assert_eq!(alice.read_text(), "* 1 here: guest1\n");
}

#[test]
fn without_a_greeting_time_everyone_is_greeted_at_once() {
    let server = Server::start(&["--greeting", "0"]);
    let [mut alice] = people(&server);
    let (mut stranger, name) = server.join();
    stranger.send(REQUEST);
    assert!(stranger.read_to_end().contains(&status("200 OK")));
    drop(stranger);
    alice.read_until_last(&format!("* {name} left\n"));
}
