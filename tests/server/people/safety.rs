//! What a client sends is harmless to every reader, and no client can speak as the server.

use super::{people, read_up_to_mark};
use crate::support::{Client, Server, assert_harmless, wait_for};

/// Escape sequences by name, each written as the server must show it.
const ESCAPES: &str = include_str!("../../words/escapes.txt");

/// The sequences of the corpus, as bytes.
fn escapes() -> Vec<Vec<u8>> {
    let lines = ESCAPES.lines().filter_map(|line| line.split_once(" | "));
    let sequences: Vec<Vec<u8>> = lines.map(|(_, written)| bytes_of(written)).collect();
    assert!(sequences.len() >= 200, "{} are few", sequences.len());
    sequences
}

/// The bytes of a sequence that is written as `\x1b` or, for a character, as `\u{9b}`.
fn bytes_of(written: &str) -> Vec<u8> {
    let mut parts = written.split('\\');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        let code = |digits: &str| u32::from_str_radix(digits, 16).ok();
        let byte = part.strip_prefix('x').and_then(|rest| Some((code(rest.get(..2)?)?, rest)));
        let character = part.strip_prefix("u{").and_then(|rest| rest.split_once('}'));
        match (byte, character) {
            (Some((byte, rest)), _) => {
                bytes.push(byte as u8);
                bytes.extend_from_slice(&rest.as_bytes()[2..]);
            }
            (_, Some((digits, rest))) => {
                let character = char::from_u32(code(digits).unwrap()).unwrap();
                bytes.extend_from_slice(character.to_string().as_bytes());
                bytes.extend_from_slice(rest.as_bytes());
            }
            _ => bytes.extend_from_slice([b"\\", part.as_bytes()].concat().as_slice()),
        }
    }
    bytes
}

/// Asserts that every line is one of guest1, or one of these notices.
fn assert_nobody_speaks_as_the_server(read: &str, notices: &[&str]) {
    for line in read.lines() {
        let signed = ["guest1: ", "~ guest1 ", "[guest1 -> guest2] "];
        let signed = signed.iter().any(|name| line.starts_with(name));
        assert!(signed || notices.contains(&line), "{line:?}");
    }
}

#[test]
fn no_escape_sequence_reaches_a_reader_or_the_operator() {
    let server = Server::start(&[]);
    let [mut alice, mut bob, mut carol, mut dave] = people(&server);
    carol.send(b"\xff\xf1");
    dave.send("/echo off\n");
    for sequence in escapes() {
        // Another test has their meaning in telnet.
        let sequence: Vec<u8> =
            sequence.into_iter().map(|byte| if byte == 255 { 254 } else { byte }).collect();
        for before in ["before ", "/me ", "/msg guest2 ", "/nick *", "/ignore ", "/x"] {
            alice.send([before.as_bytes(), &sequence, b"\n"].concat());
        }
        alice.send([&sequence[..], b"\n"].concat());
    }
    alice.send("the end\n");
    // It reads first, or the server would stop reading it because of its unread replies. Some
    // sequences hold a CR, so its lines end in CR LF.
    alice.read_until_last("guest1: the end\r\n");
    assert_harmless(alice.read_text().replace("\r\n", "\n").as_bytes());
    for client in [&mut bob, &mut dave] {
        client.read_until_last("guest1: the end\n");
        assert_harmless(client.read_bytes());
        assert!(client.read_bytes().len() > ESCAPES.len());
    }
    carol.read_until_last("guest1: the end\r\n");
    let asked = b"\xff\xfd\0";
    assert!(carol.read_bytes().starts_with(asked));
    let lines = String::from_utf8(carol.read_bytes()[asked.len()..].to_vec()).unwrap();
    assert_harmless(lines.replace("\r\n", "\n").as_bytes());
    // A sequence with a line end in it is two lines.
    assert_nobody_speaks_as_the_server(&bob.read_text(), &[]);
    wait_for("the transcript", || server.stdout().ends_with("the end\n").then_some(()));
    assert_harmless(server.stdout().as_bytes());
    let mut erin = server.connect();
    erin.send("/history 100\n");
    erin.read_until("* now\n");
    assert_harmless(erin.read_bytes());
}

#[test]
fn what_acts_on_a_terminal_is_shown_and_ordinary_text_passes() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = people(&server);
    for (sent, shown) in [
        ("a\u{1b}[31mb", "a\\x1b[31mb"),
        ("a\u{7}\u{8}\u{7f}b", "a\\x07\\x08\\x7fb"),
        ("a\0b", "a\\x00b"),
        ("\u{9b}2J", "\\u{9b}2J"),
        ("a\u{85}* b", "a\\u{85}* b"),
        ("a\u{2028}* b\u{2029}c", "a\\u{2028}* b\\u{2029}c"),
        ("evil\u{202e}txt\u{2066}", "evil\\u{202e}txt\\u{2066}"),
        ("a\tb", "a b"),
        (&format!("a{}b", " ".repeat(9)), "a        b"),
        (&format!("a{}* b", "\t".repeat(300)), "a        * b"),
        (&format!("a{}b", "\u{3000}".repeat(9)), &format!("a{}b", "\u{3000}".repeat(8))),
        (&format!("a{}* b", "\u{fffc}".repeat(300)), &format!("a{}* b", "\u{fffc}".repeat(8))),
        (
            &format!("a{}b", "  \u{16fe4}".repeat(5)),
            &format!("a{}\u{16fe4}b", "  \u{16fe4}".repeat(4)),
        ),
        (&format!("a{}b", "\u{20dd}".repeat(300)), &format!("a{}b", "\u{20dd}".repeat(8))),
        ("한글 עברית हिन्दी 👩\u{200d}👧 ❤\u{fe0f}", "한글 עברית हिन्दी 👩\u{200d}👧 ❤\u{fe0f}"),
    ] {
        alice.send(format!("{sent}\n"));
        let line = format!("guest1: {shown}\n");
        bob.read_until_last(&line);
        assert_eq!(bob.read_text(), line);
        bob.forget();
    }
}

#[test]
fn what_is_not_utf8_is_replaced_and_its_sender_told_once() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = people(&server);
    // 안녕 as a terminal of EUC-KR sends it, and half a syllable.
    let (korean, half): (&[u8], &[u8]) = (b"\xbe\xc8\xb3\xe7", b"\xec\x9d");
    alice.send([b"a ", korean, b"\n/me ", half, b"\nb ", half, b" c\n"].concat());
    let said = "~ guest1 \u{fffd}\nguest1: b \u{fffd} c\n";
    bob.read_until_last(said);
    let read = bob.read_text();
    assert!(read.starts_with("guest1: a \u{fffd}") && read.lines().count() == 3, "{read}");
    assert_harmless(bob.read_bytes());
    let hint = "* what you type is not UTF-8, so others see \u{fffd}; set your terminal to UTF-8\n";
    let mine = read_up_to_mark(&mut alice);
    assert_eq!(mine.matches(hint).count(), 1, "{mine}");
    assert_eq!(mine.replace(hint, ""), read);
}

/// The hint for a client that sends these bytes with this line end.
fn hint(server: &Server, before: &[u8], end: &str) -> String {
    let (mut alice, name) = server.join();
    alice.send(before);
    alice.send([b"\xec\x9d", end.as_bytes()].concat());
    alice.read_until(&format!("{name}: \u{fffd}"));
    let read = alice.read_until("set your terminal to UTF-8");
    read.rsplit("* ").next().unwrap().trim_end().to_owned()
}

#[test]
fn the_hint_at_utf8_is_another_for_each_kind_of_client() {
    let server = Server::start(&[]);
    let nc = hint(&server, b"", "\n");
    assert!(nc.ends_with("\u{fffd}; set your terminal to UTF-8"), "{nc}");
    // GNU telnet before its first telnet command.
    let mute = hint(&server, b"", "\r\n");
    assert!(mute.contains("Ctrl-C once") && mute.contains("telnet -- HOST -PORT"), "{mute}");
    let telnet = hint(&server, b"\xff\xf1", "\r\n");
    assert!(telnet.contains("whole from now on") && !telnet.contains("Ctrl-C"), "{telnet}");
}

#[test]
fn nobody_makes_a_line_that_begins_like_one_of_the_server() {
    const FORGED: &str = "* server shutting down";
    let server = Server::start(&[]);
    let [mut alice, mut bob] = people(&server);
    let mut attempts: Vec<String> =
        ["", "/me ", "/msg guest2 ", "//", " ", "\u{200b}", "\u{feff}", "\u{3164}", "x\r", "x\r\0"]
            .map(|before| format!("{before}{FORGED}\n"))
            .into();
    for end in ["\r", "\r\r", "\r\0", "\r\n", "\n\r", "\0", "\u{85}", "\u{2028}", "\u{b}", "\u{c}"]
    {
        for command in ["x", "/me x", "/msg guest2 x", "/nick x", "//x"] {
            attempts.push(format!("{command}{end}{FORGED}\n"));
        }
    }
    for attempt in &attempts {
        alice.send(attempt);
    }
    alice.send("/nick *\n/nick *server\n/nick [a\n/nick ~\nthe end\n");
    bob.read_until_last(": the end\n");
    // One of the names is allowed.
    let read = bob.read_text();
    assert_eq!(read.matches("* guest1 is now x\n").count(), 1);
    let read = read.replace("\nx: ", "\nguest1: ").replace("~ x ", "~ guest1 ");
    let read = read.replace("[x -> ", "[guest1 -> ");
    assert_nobody_speaks_as_the_server(&read, &["* guest1 is now x"]);
    assert!(read.matches(FORGED).count() >= attempts.len() - 10, "{read}");
    // Nor does the client itself read such a line.
    alice.read_until_last(": the end\r\n");
    assert!(!alice.read_text().lines().any(|line| line == FORGED));
    // The beginning of a chunk without a line end, and of last words, is no exception.
    let mut carol = server.connect();
    carol.send(FORGED);
    bob.read_until_last(&format!("guest3: {FORGED}\n"));
    carol.send(format!("\n/quit x\r{FORGED}\n"));
    bob.read_until_last("guest3: x\n* guest3 left\n");
    assert!(!bob.read_text().lines().any(|line| line == FORGED));
}

#[test]
fn a_line_that_escaping_makes_too_long_is_told_to_its_sender() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = people(&server);
    let notice = "* line too long, not sent (limit 8057 bytes)\n";
    let longest = "\u{1b}".repeat(8057 / 4) + "!";
    for line in [format!("{longest}!"), format!("/me {longest}")] {
        alice.send(format!("{line}\n"));
        alice.read_until_last(notice);
        assert_eq!(read_up_to_mark(&mut alice), notice);
    }
    alice.send(format!("{longest}\n"));
    let said = format!("guest1: {}!\n", "\\x1b".repeat(8057 / 4));
    bob.read_until_last(&said);
    assert_eq!(bob.read_text(), format!("{}{said}", "guest1: the mark\n".repeat(2)));
}

#[test]
fn what_a_stranger_sent_is_one_short_printable_log_record() {
    let server = Server::start(&["--log-level", "debug"]);
    let hostile = "GET /\u{1b}]0;owned\u{7}\u{202e}\u{9b}2J HTTP/1.1\r\nHost: a\n* forged\n";
    let mut stranger = server.connect();
    stranger.send(format!("{hostile}{}", "x".repeat(4000)));
    stranger.read_to_end();
    let mut tls = server.connect();
    tls.send(b"\x16\x03\x01\x02\0\n\x1b[2J\r\xff\xfe\x85");
    tls.read_to_end();
    let log = wait_for("the records", || {
        let log = server.stderr();
        let is_whole = log.contains("not a chat client: ") && log.ends_with('\n');
        is_whole.then_some(log)
    });
    assert_harmless(log.as_bytes());
    let told = |line: &'static str| log.lines().find_map(move |its| Some(its.split_once(line)?.1));
    let records = [told(" sends a request: ").unwrap(), told(" is not a chat client: ").unwrap()];
    let shown = "GET /\\x1b]0;owned\\x07\\u{202e}\\u{9b}2J HTTP/1.1\\x0d\\x0aHost";
    assert!(records[0].starts_with(shown) && records[0].ends_with('…'), "{log}");
    assert!(records[0].chars().count() == 65 && records[1].chars().count() <= 65, "{log}");
    assert!(records[1].starts_with("\\x16\\x03\\x01\\x02\\x00\\x0a\\x1b[2J\\x0d"), "{log}");
    for line in log.lines() {
        assert!(line.starts_with("20") && line.contains(" [chinwag"), "{line:?}");
    }
}

/// Clients and the operator see the same safe lines.
#[test]
fn the_operator_sees_what_everyone_sees() {
    let server = Server::start(&[]);
    let [mut alice, mut bob]: [Client; 2] = people(&server);
    alice.send("a\u{1b}[2J\n/me b\u{202e}\n/nick 김\nc\u{7}\n/quit d\u{9b}m\n");
    bob.read_until_last(": d\\u{9b}m\n* 김 left\n");
    wait_for("the transcript", || server.stdout().ends_with(&bob.read_text()).then_some(()));
}
