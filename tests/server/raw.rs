//! What clients of a bare relay see: bytes as they are, and join notices.

use std::time::{Duration, Instant};

use crate::support::{Client, Server, narrow, wait_for};

/// A client of a raw server that has read its own join notice.
fn join_raw(server: &Server) -> Client {
    let mut client = server.connect();
    client.read_until(&raw_notice(&client));
    client.forget();
    client
}

/// Two clients, of which the first has read the join notice of the second too.
fn two_raw(server: &Server) -> (Client, Client) {
    let mut first = join_raw(server);
    let second = join_raw(server);
    first.read_until(&raw_notice(&second));
    first.forget();
    (first, second)
}

fn raw_notice(client: &Client) -> String {
    format!("유저({})가 접속했습니다.", client.address())
}

#[test]
fn a_raw_server_announces_joins_and_nothing_else() {
    let mut server = Server::start(&["--raw", "--history", "9"]);
    let mut alice = server.connect();
    alice.read_until(&raw_notice(&alice));
    let mut bob = server.connect();
    alice.read_until(&raw_notice(&bob));
    let notices = format!("{}{}", raw_notice(&alice), raw_notice(&bob));
    bob.half_close();
    assert_eq!(bob.read_to_end(), raw_notice(&bob));
    server.signal("TERM");
    assert_eq!(alice.read_to_end(), notices);
    assert!(!alice.reset);
    assert!(server.wait_for_end().success());
}

#[test]
fn a_raw_server_relays_bytes_unchanged_to_all_sender_included() {
    let server = Server::start(&["--raw"]);
    let (mut alice, mut bob) = two_raw(&server);
    let messages: [&[u8]; 5] =
        [b"hello", "네".as_bytes(), b"a\r\nb\n\n", b"\0\x1b[2J", b"\xff\xfe!"];
    let mut said = Vec::new();
    for message in messages {
        alice.send(message);
        said.extend_from_slice(message);
        for client in [&mut alice, &mut bob] {
            assert_eq!(client.read_until_bytes(said.len()), said);
        }
    }
}

#[test]
fn a_raw_server_never_cuts_inside_a_character() {
    let server = Server::start(&["--raw"]);
    let (mut alice, mut bob) = two_raw(&server);
    let syllable = "네".as_bytes();
    for half in 1..syllable.len() {
        // The same turn finds both, so what is relayed first tells what was held back.
        server.pause();
        alice.send(&syllable[..half]);
        bob.send("x");
        server.resume();
        alice.read_until("x");
        alice.send(&syllable[half..]);
        for client in [&mut alice, &mut bob] {
            client.read_until("네");
            assert_eq!(client.read_bytes(), "x네".as_bytes());
            client.forget();
        }
    }
    // Text too long for one entry is not cut inside a character either.
    let long = "가".repeat(20_000);
    alice.send(&long);
    bob.read_until_last(&long);
    assert_eq!(bob.read_text(), long);
}

#[test]
fn a_raw_server_relays_half_a_character_that_stays_alone() {
    let server = Server::start(&["--raw"]);
    let (mut alice, mut bob) = two_raw(&server);
    let start = Instant::now();
    alice.send(b"\xeb\x84");
    assert_eq!(bob.read_until_bytes(2), b"\xeb\x84");
    assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());
    // A lone byte at the end of the input is not lost either.
    alice.send(b"\xa4\xea");
    alice.half_close();
    assert_eq!(bob.read_until_bytes(4), b"\xeb\x84\xa4\xea");
    alice.read_to_end();
    assert_eq!(alice.read_bytes(), b"\xeb\x84\xa4\xea");
}

#[test]
fn a_raw_server_prints_one_line_for_each_message() {
    let server = Server::start(&["--raw"]);
    let mut alice = server.connect();
    let notice = raw_notice(&alice);
    alice.read_until(&notice);
    for message in ["hello", "네\n", "bye"] {
        alice.send(message);
        alice.read_until(message);
    }
    let printed = format!("listening on {}\n{notice}\nhello\n네\nbye\n", server.address);
    wait_for("the transcript", || (server.stdout().len() >= printed.len()).then_some(()));
    assert_eq!(server.stdout(), printed);
}

#[test]
fn a_raw_server_closes_only_the_client_that_cannot_keep_up() {
    let server = Server::start(&["--raw", "--window", "32768"]);
    let mut speaker = join_raw(&server);
    let mut stuck = narrow(server.address);
    speaker.read_until(&raw_notice(&stuck));
    speaker.forget();
    let mut said = 0;
    for number in 0..200 {
        let message = format!("{number:.<4000}");
        said += message.len();
        speaker.send(&message);
        speaker.read_until_bytes(said);
    }
    wait_for("the warning", || server.stderr().contains("could not keep up").then_some(()));
    stuck.read_to_end();
    assert!(stuck.reset);
    speaker.send("still here");
    speaker.read_until_last("still here");
}
