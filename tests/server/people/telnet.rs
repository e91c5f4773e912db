//! The telnet protocol, byte by byte: only a client that speaks it gets telnet answers.

use rustix::net::SendFlags;

use super::{people, read_up_to_mark};
use crate::support::{Client, Server, numbered, say_in_step};

const ASKED: &[u8] = b"\xff\xfd\0";
const MARK: &[u8] = b"\xff\xfb\x06";
const NO_OPERATION: &[u8] = b"\xff\xf1";

/// Reads until these bytes are the last; returns all that was read before them.
fn read_up_to(client: &mut Client, last: impl AsRef<[u8]>) -> Vec<u8> {
    let last = last.as_ref();
    while !client.read_bytes().ends_with(last) {
        let bytes = client.read_bytes().len() + 1;
        client.read_until_bytes(bytes);
    }
    let read = client.read_bytes().to_vec();
    client.forget();
    read[..read.len() - last.len()].to_vec()
}

/// Two clients, of which the first speaks telnet.
fn with_telnet(server: &Server) -> [Client; 2] {
    let [mut alice, bob] = people(server);
    alice.send(NO_OPERATION);
    assert_eq!(read_up_to(&mut alice, ASKED), b"");
    [alice, bob]
}

#[test]
fn a_client_that_sent_no_telnet_command_is_sent_none() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = with_telnet(&server);
    bob.send(b"hello\n\xf4\xfd\x06\xec\x04\n");
    alice.send(b"one\xff\xff\xff\xf4\xff\xfd\x06\r\n\xff\xfb\x18\r\n");
    bob.send("/help\n/who\n/msg guest1 hi\ndone\n");
    bob.read_until_last("guest2: done\n");
    assert!(!bob.read_bytes().iter().any(|byte| [255, b'\r'].contains(byte)));
    assert!(bob.read_text().contains("guest1: one\u{fffd}\n"), "{}", bob.read_text());
}

#[test]
fn a_telnet_that_begins_before_it_is_greeted_is_welcome() {
    let server = Server::start(&["--greeting", "0.3"]);
    let [mut bob] = people(&server);
    let mut alice = server.connect();
    let options: &[u8] = b"\xff\xfd\x26\xff\xfb\x26\xff\xfd\x03\xff\xfb\x18\xff\xfb\0";
    alice.send(&options[..4]);
    bob.send("meanwhile\n");
    bob.read_until_last("meanwhile\n");
    alice.send(&options[4..]);
    let refused: &[u8] = b"\xff\xfc\x26\xff\xfe\x26\xff\xfc\x03\xff\xfe\x18";
    let address = alice.address();
    let welcome = format!("* welcome, you are guest2 ({address}), 2 here\n");
    let joined = format!("* guest2 ({address}) joined\n");
    alice.send("한국어 요\r\n");
    alice.read_until_lines(4);
    // Lines sent before it began may end in LF: it was connected by then. So may its own, if all of
    // them are still to be read.
    let read: Vec<u8> = alice.read_bytes().iter().copied().filter(|b| *b != b'\r').collect();
    let heard = format!("{welcome}guest1: meanwhile\n{joined}guest2: 한국어 요\n");
    assert_eq!(read, [ASKED, refused, heard.as_bytes()].concat());
}

#[test]
fn all_lines_for_telnet_end_in_cr_lf_replies_and_notices_too() {
    let server = Server::start(&["--window", "32768"]);
    let [mut bob] = people(&server);
    let (mut alice, _) = server.join_narrow();
    alice.send(NO_OPERATION);
    assert_eq!(read_up_to(&mut alice, ASKED), b"");
    alice.send("안녕\r\n/who\r\n");
    let here = "guest2: 안녕\r\n* 2 here: guest1, guest2\r\n";
    assert_eq!(read_up_to(&mut alice, here), b"");
    bob.read_until_last("안녕\n");
    bob.forget();
    // More than there is room for.
    say_in_step((&mut bob, "guest1"), &numbered(0, 1024, 1024), 4096, &mut []);
    bob.send("done\n");
    let read = String::from_utf8(read_up_to(&mut alice, "guest1: done\r\n")).unwrap();
    assert!(read.contains("\r\n* you missed ") && read.contains(" lines\r\n"));
    assert_eq!(read.matches('\n').count(), read.matches("\r\n").count());
    assert_eq!(read.matches('\r').count(), read.matches("\r\n").count());
}

#[test]
fn binary_is_asked_for_once_and_every_option_refused_once() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = with_telnet(&server);
    let asked: &[u8] = b"\xff\xfd\x01\xff\xfb\x1f\xff\xfa\x1f\0P\0\x18\xff\xf0\xff\xfb\0";
    alice.send([asked, asked, NO_OPERATION, b"hi\r\n"].concat());
    assert_eq!(read_up_to(&mut alice, "guest1: hi\r\n"), b"\xff\xfc\x01\xff\xfe\x1f");
    bob.read_until_last("guest1: hi\n");
    assert_eq!(bob.read_text(), "guest1: hi\n");
}

#[test]
fn an_interrupt_ends_nothing_and_its_timing_mark_is_answered() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = with_telnet(&server);
    for round in 0..3 {
        alice.send(b"wor\xff\xf4\xff\xfd\x06");
        assert_eq!(read_up_to(&mut alice, MARK), b"");
        alice.send(format!("d {round}\r\n"));
        bob.read_until_last(&format!("guest1: word {round}\n"));
        assert_eq!(read_up_to(&mut alice, format!("guest1: word {round}\r\n")), b"");
    }
}

#[test]
fn end_of_file_and_a_lone_control_d_deliver_all_before_the_end() {
    let server = Server::start(&["--notices", "50"]);
    let [mut bob] = people(&server);
    let ends: [&[u8]; 5] =
        [b"\xff\xec", b"\x04", b"\x04\r\n", b"\x04\r\0", b"\xff\xec\xff\xfd\x01not heard\r\n"];
    for end in ends {
        let (mut alice, name) = server.join();
        bob.read_until_last(") joined\n");
        bob.forget();
        alice.send([NO_OPERATION, b"one\r\n/who\r\ntwo\r\n", end].concat());
        let read = alice.read_to_end();
        let answer = format!("* 2 here: guest1, {name}\r\n");
        let lines = format!("{name}: one\r\n{answer}{name}: two\r\n");
        assert!(read.ends_with(&lines), "{read:?}");
        assert!(!alice.was_reset());
        drop(alice);
        bob.read_until_last(&format!("* {name} left\n"));
        assert_eq!(bob.read_text(), format!("{name}: one\n{name}: two\n* {name} left\n"));
    }
}

#[test]
fn an_unfinished_line_before_the_end_of_file_is_said() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = with_telnet(&server);
    alice.send(b"tail\xff\xec");
    assert_eq!(alice.read_to_end(), "guest1: tail\r\n");
    bob.read_until("guest1: tail\n");
}

#[test]
fn control_d_is_text_without_telnet_or_beside_other_text() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = with_telnet(&server);
    bob.send(b"\x04\n");
    alice.read_until_last("guest2: \\x04\r\n");
    alice.send(b"a\x04\r\n\x04\x04\r\n");
    bob.read_until_last("guest1: a\\x04\nguest1: \\x04\\x04\n");
    assert_eq!(read_up_to_mark(&mut bob), "guest2: \\x04\nguest1: a\\x04\nguest1: \\x04\\x04\n");
}

/// Which byte of the Synch is urgent depends on the telnet.
#[test]
fn an_urgent_byte_stays_in_its_place() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = with_telnet(&server);
    let parts: [&[(&[u8], bool)]; 3] = [
        &[(b"one\r\n\xff\xf4", false), (b"\xff", true), (b"\xf2", false)],
        &[(b"one\r\n\xff\xf4\xff", false), (b"\xf2", true)],
        &[(b"o", false), (b"n", true), (b"e\r\n", false)],
    ];
    for parts in parts {
        for (bytes, urgent) in parts {
            let flags = if *urgent { SendFlags::OOB } else { SendFlags::empty() };
            assert_eq!(rustix::net::send(&alice.socket, bytes, flags).unwrap(), bytes.len());
        }
        alice.send("two\r\n");
        bob.read_until_last("guest1: two\n");
        assert_eq!(bob.read_text(), "guest1: one\nguest1: two\n");
        bob.forget();
    }
}
