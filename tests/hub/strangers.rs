//! The hub recognises a request, however long its first line is and wherever it is cut in two.

use std::time::Duration;

use chinwag::config::Config;

use crate::random::Random;
use crate::small::Small;

const LENGTH_MAX: usize = 40_000;

/// Longer than the wait for a chunk or for the first bytes of a new client.
const GAP: Duration = Duration::from_millis(300);

const HEAD: &str = "Host: a\r\nCookie: secret\r\nContent-Length: 20\r\n\r\nsecret\n/nick secret\n";

/// What a web page can have a browser send to a TURN server, with a name of its choice.
const STUN: &[u8] = b"\0\x03\0\x14\x21\x12\xa4\x42abcdefghijkl\0\x06\0\x10\n/nick page\nhello\n";

/// All that the conversation gets when a stranger sends these pieces, with a gap between them.
fn said_by_stranger(config: &Config, pieces: &[&[u8]]) -> String {
    let mut small = Small::new(config.clone());
    let stranger = small.connect(1);
    for piece in pieces {
        small.say(&stranger, piece);
        small.pass(GAP);
    }
    small.said()
}

/// A request whose first line has this length, if there is one so short.
fn request(length: usize) -> Option<String> {
    let padding = length.checked_sub("GET / HTTP/1.1".len())?;
    Some(format!("GET /{} HTTP/1.1\r\n{HEAD}", "a".repeat(padding)))
}

#[test]
fn a_request_is_recognised_whatever_its_length_and_cut() {
    let mut random = Random::seeded(1);
    let [lines, raw] = [false, true].map(|raw| Config { raw, rate: 0, ..Config::default() });
    for length in 1..=LENGTH_MAX {
        let Some(request) = request(length) else { continue };
        // A single letter may be a message.
        let cut = 2 + random.below(length);
        let pieces = [request.as_bytes()[..cut].as_ref(), request.as_bytes()[cut..].as_ref()];
        let config = if random.one_in(4) { &raw } else { &lines };
        let joined = said_by_stranger(config, &pieces);
        let joined = joined.lines().filter(|line| !line.starts_with("유저"));
        assert_eq!(joined.collect::<Vec<_>>(), [""; 0], "{length} bytes, cut at {cut}");
    }
}

#[test]
fn a_request_is_recognised_at_every_cut() {
    let config = Config::default();
    for length in [14, 60, 5000] {
        let request = request(length).unwrap();
        let cuts = (1..=60).chain(length.max(80) - 20..length + HEAD.len());
        for cut in cuts.filter(|cut| *cut < request.len()) {
            let pieces = [request.as_bytes()[..cut].as_ref(), request.as_bytes()[cut..].as_ref()];
            let said = said_by_stranger(&config, &pieces);
            let is_silent =
                said.lines().all(|line| line.ends_with("joined") || line.ends_with("left"));
            assert!(is_silent, "{length} bytes, cut at {cut}: {said:?}");
        }
    }
}

#[test]
fn a_line_of_any_length_is_that_of_a_person() {
    let config = Config { rate: 0, ..Config::default() };
    for length in 1..=config.max_line {
        let words = format!("{}\nGET / HTTP/1.1\n", "a".repeat(length));
        let said = said_by_stranger(&config, &[words.as_bytes()]);
        assert!(said.ends_with("guest1: GET / HTTP/1.1\n"), "{length} bytes: {said:?}");
    }
}

/// Other clients see nothing of a stranger but perhaps its join notice. Returns what it gets.
fn told_alone(hello: &[u8]) -> String {
    let mut small = Small::new(Config::default());
    let stranger = small.connect(1);
    small.say(&stranger, hello);
    small.pass(GAP);
    assert_eq!(small.said(), "", "{}", hello.escape_ascii());
    small.end(&stranger);
    assert!(stranger.pipe.borrow().closed, "{}", hello.escape_ascii());
    String::from_utf8_lossy(&stranger.pipe.borrow().received).into_owned()
}

#[test]
fn a_stranger_is_told_in_its_own_form_and_none_of_it_is_said() {
    let line = |protocol| {
        format!("* this is a chat server and does not speak {protocol}; try nc or telnet\n")
    };
    let answer = |version, protocol| {
        let body = line(protocol);
        format!(
            "{version} 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let (rtsp, sip) = (answer("RTSP/1.0", "RTSP"), answer("SIP/2.0", "SIP"));
    let irc = "ERROR :this is a chat server and does not speak IRC; try nc or telnet\r\n";
    for (hello, told) in [
        (&b"OPTIONS rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n\r\n"[..], rtsp.as_str()),
        (b"OPTIONS / RTSP/1.0\r\n\r\n", &rtsp),
        (b"DESCRIBE rtsp://a/b RTSP/1.0\r\nCSeq: 2\r\n\r\n", &rtsp),
        (b"INVITE sip:bob@a SIP/2.0\r\nVia: SIP/2.0/TCP a\r\n\r\n", &sip),
        (b"OPTIONS sip:nm SIP/2.0\r\nVia: SIP/2.0/TCP nm\r\n\r\n", &sip),
        (b"PROXY TCP4 10.0.0.1 10.0.0.2 4000 50005\r\nhello\r\n", &line("PROXY")),
        (b"PROXY UNKNOWN\r\n", &line("PROXY")),
        (
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\0\0\x01\x0a\0\0\x02\x0f\xa0\xc3\x55",
            &line("PROXY"),
        ),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", &line("PROXY")),
        (b"CAP LS 302\r\nNICK x\r\nUSER x 0 * :X\r\n", irc),
        (b"NICK x\r\nUSER x 0 * :X Y\r\n", irc),
        (b"PASS p\r\nNICK x\r\n", irc),
        (b"PASS p\nUSER x 0 * :X\n", irc),
    ] {
        assert_eq!(told_alone(hello), told, "{}", hello.escape_ascii());
    }
}

#[test]
fn a_stranger_is_recognised_at_every_cut() {
    for hello in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        b"DESCRIBE rtsp://a/b RTSP/1.0\r\nCSeq: 2\r\n\r\n",
        b"OPTIONS sip:nm SIP/2.0\r\nVia: SIP/2.0/TCP nm\r\n\r\n",
        b"PROXY TCP6 ::1 ::1 4000 50005\r\nhello\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\0\0\x01\x0a\0\0\x02\x0f\xa0\xc3\x55",
        b"CAP LS 302\r\nNICK x\r\nUSER x 0 * :X\r\n",
        b"NICK x\r\nUSER x 0 * :X Y\r\n",
        b"PASS p\r\nNICK x\r\n",
        b"USER x 0 * :X Y\nNICK x\n",
        b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n\0\0\x05\xdc\x06\x14",
        STUN,
    ] {
        // A single letter may be a message.
        for cut in 2..hello.len() {
            let pieces = [&hello[..cut], &hello[cut..]];
            let said = said_by_stranger(&Config::default(), &pieces);
            let is_silent =
                said.lines().all(|line| line.ends_with("joined") || line.ends_with("left"));
            assert!(is_silent, "{} cut at {cut}: {said:?}", hello.escape_ascii());
        }
    }
}

#[test]
fn a_binary_protocol_is_let_go_and_none_of_it_is_said() {
    let told = "* this is a chat server and takes only text in UTF-8; try nc or telnet\n";
    for hello in [
        // RDP, SMB, STUN, PostgreSQL, SOCKS, MQTT, AMQP, BitTorrent, a request for a name.
        &b"\x03\0\0\x2a\x25\xe0\0\0\0\0\0Cookie: mstshash=a\r\n\x01\0\x08\0\x03\0\0\0"[..],
        b"\0\0\0\x85\xffSMBr\0\0\0\0\x18\x53\xc8\0\0",
        b"\0\x01\0\0\x21\x12\xa4\x42abcdefghijkl",
        b"\0\0\0\x08\x04\xd2\x16\x2f",
        b"\0\0\0\x54\0\x03\0\0user\0me\0database\0here\0\0",
        b"\0\0\0\x0a\0\x03\0\0\0\0",
        b"\x05\x01\0",
        b"\x10\x16\0\x04MQTT\x04\x02\0\x3c\0\x0aaaaaaaaaaa",
        b"AMQP\0\0\x09\x01",
        b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x05",
        b"\0\x1e\0\x06\x01\0\0\x01\0\0\0\0\0\0\x07version\x04bind\0\0\x10\0\x03",
        STUN,
        // Words in UTF-16 without a mark, few of whose bytes are NUL.
        b"\x48\xc5\x20\0\x55\xb1\x0a\0",
        b"\x48\xc5\x0d\0\x0a\0\x55\xb1\x0d\0\x0a\0",
    ] {
        assert_eq!(told_alone(hello), told, "{}", hello.escape_ascii());
    }
}

#[test]
fn utf16_is_told_by_its_name_once_and_none_of_it_is_said() {
    let told = "* this is a chat server for UTF-8 and you send UTF-16; set your client to UTF-8\n";
    let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
    for text in ["hello\r\nhow are you?\r\n", "\u{feff}hi\n", "\u{feff}안녕 hi\n", "a\n"] {
        for hello in [little(text), big(text)] {
            assert_eq!(told_alone(&hello), told, "{}", hello.escape_ascii());
        }
    }
}

#[test]
fn what_only_resembles_a_protocol_is_said_by_a_person() {
    for (words, said) in [
        (&b"what is HTTP/1.1\n"[..], "what is HTTP/1.1"),
        (b"I speak HTTP/1.1\r\n", "I speak HTTP/1.1"),
        (b"I *love* HTTP/1.1\n", "I *love* HTTP/1.1"),
        (b"what http means in HTTP/1.1\n", "what http means in HTTP/1.1"),
        (b"see /etc/services for HTTP/1.1\n", "see /etc/services for HTTP/1.1"),
        (b"connect me with HTTP/1.1\n", "connect me with HTTP/1.1"),
        (b"Connect over HTTP/2\n", "Connect over HTTP/2"),
        (b"we use SIP/2.0\n", "we use SIP/2.0"),
        (b"SSH-2.0-OpenSSH is what it says\n", "SSH-2.0-OpenSSH is what it says"),
        (b"SSH-2.0-OpenSSH_9.2 is what it says\r\n", "SSH-2.0-OpenSSH_9.2 is what it says"),
        (b"SSH-2.0- is how it begins\n", "SSH-2.0- is how it begins"),
        (b"PROXY UNKNOWN is all I get\n", "PROXY UNKNOWN is all I get"),
        (b"PROXY TCP4 what?\n", "PROXY TCP4 what?"),
        (b"CAP LSD\n", "CAP LSD"),
        (b"NICK is my name\nUSER is my role\n", "USER is my role"),
        (b"NICK bob\nhello\n", "hello"),
        (b"hello\0\0\0\0\n", "hello"),
        (b"hello\n\0\0\0\0", "hello"),
        (b"a\0b \x1b[Ac\td\n", "b \\x1b[Ac d"),
        (b"\xb0\xa1\0\0\0\n", "\u{fffd}\u{fffd}"),
        (b"caf\xe9\r\0caf\xe9\r\0", "caf\u{fffd}"),
        (b"\r\0\r\0hello\r\0", "hello"),
        (b"\xfe\xe9\n", "\u{fffd}\u{fffd}"),
    ] {
        let mut small = Small::new(Config::default());
        let person = small.connect(1);
        small.say(&person, words);
        small.pass(GAP);
        let all = small.said();
        assert!(all.contains(&format!("guest1: {said}\n")), "{}: {all}", words.escape_ascii());
    }
}
