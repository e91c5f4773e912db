//! Clients of other protocols, and people whose words only look like one.

use std::time::Duration;

use chinwag::config::Config;

use crate::small::Small;

const SECOND: Duration = Duration::from_secs(1);

/// What a client of another protocol gets for its first packet. Asserts that it is disconnected,
/// and that other clients see nothing of it, not even a notice.
fn answer_to(packet: &[u8]) -> String {
    answer_to_packets(&[packet])
}

/// The same, if it sends several, with a second between two of them.
fn answer_to_packets(packets: &[&[u8]]) -> String {
    let shown = packets.concat();
    let shown = shown.escape_ascii();
    let mut small = Small::new(Config::default());
    let watcher = small.connect(1);
    small.pass(SECOND);
    watcher.take_text();
    let stranger = small.connect(2);
    for packet in packets {
        small.say(&stranger, packet);
        small.pass(SECOND);
    }
    // The hub may wait for more.
    small.pass(20 * SECOND);
    assert!(stranger.pipe.borrow().closed, "kept: {shown}");
    assert_eq!(watcher.take_text(), "", "{shown}");
    String::from_utf8_lossy(&stranger.take_bytes()).into_owned()
}

/// Asserts that each client gets an answer of its own protocol, plain words, or nothing.
fn assert_are_let_go(packets: &[&[u8]], own_form: &str) {
    for packet in packets {
        let answer = answer_to(packet);
        let is_plain = answer.is_empty() || answer.starts_with("* this is a chat server");
        assert!(is_plain || answer.starts_with(own_form), "{}: {answer:?}", packet.escape_ascii());
    }
}

#[test]
fn http_2_is_let_go() {
    const SETTINGS: &[u8] = b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\x04\x02\0\0\0\0\x02\0\0\0\0";
    let preface: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert_are_let_go(&[preface, &[preface, SETTINGS].concat()], "HTTP/");
}

#[test]
fn rtsp_is_let_go() {
    let packets: [&[u8]; 3] = [
        b"OPTIONS rtsp://host:50005/x RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: curl/7.88.1\r\n\r\n",
        b"DESCRIBE rtsp://host/x RTSP/1.0\r\nCSeq: 2\r\nAccept: application/sdp\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n",
    ];
    assert_are_let_go(&packets, "RTSP/1.0 ");
}

#[test]
fn sip_is_let_go() {
    let packets: [&[u8]; 3] = [
        b"OPTIONS sip:nm SIP/2.0\r\nVia: SIP/2.0/TCP nm;branch=foo\r\nFrom: <sip:nm@nm>\r\n\r\n",
        b"REGISTER sip:host SIP/2.0\r\nVia: SIP/2.0/TCP a\r\nContent-Length: 0\r\n\r\n",
        b"INVITE sips:b@host SIP/2.0\r\nVia: SIP/2.0/TCP a\r\nMax-Forwards: 70\r\n\r\n",
    ];
    assert_are_let_go(&packets, "SIP/2.0 ");
}

#[test]
fn a_proxy_that_tells_its_clients_address_is_let_go() {
    let packets: [&[u8]; 5] = [
        b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 50005\r\n",
        b"PROXY TCP6 2001:db8::1 2001:db8::2 56324 50005\r\nhello\n",
        b"PROXY UNKNOWN\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\xa8\0\x01\xc0\xa8\0\x0b\xdc\x04\xc3\x55",
        b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0hello\n",
    ];
    assert_are_let_go(&packets, "* ");
}

#[test]
fn irc_is_told_in_one_error() {
    let asks: &[u8] = b"CAP LS 302\r\nNICK a\r\nUSER a 0 * :a\r\n";
    for packets in [
        &[asks][..],
        &[b"NICK a\r\n", b"USER a 0 * :a b\r\n"],
        &[b"PASS p\r\n", b"NICK a\r\n", b"USER a 0 * :a\r\n"],
        &[b"NICK a\n\nUS", b"ER a 0 * :a", b" b\n"],
        &[b"USER a 0 * a\n", b"NICK a\n"],
    ] {
        let answer = answer_to_packets(packets);
        let is_one_line = answer.ends_with('\n') && answer.lines().count() == 1;
        assert!(answer.starts_with("ERROR :") && is_one_line, "{answer:?}");
    }
}

#[test]
fn words_that_may_register_at_irc_are_soon_said() {
    let (mut small, [alice, bob]) = Small::with_two(Config::default());
    small.say(&alice, "NICK bob\n");
    small.pass(4 * SECOND);
    assert_eq!(bob.take_text(), "");
    small.pass(SECOND);
    assert_eq!(bob.take_text(), "guest1: NICK bob\n");
    // It is not waited for once the next line is another.
    let carol = small.connect(3);
    small.say(&carol, "NICK carol\n");
    small.say(&carol, "PASS me the salt\n");
    assert!(bob.take_text().ends_with("guest3: NICK carol\nguest3: PASS me the salt\n"));
    // Nor is what is begun of the next line torn.
    let dave = small.connect(4);
    bob.take_text();
    small.say(&dave, "NICK dave\n");
    small.say(&dave, "US");
    small.pass(5 * SECOND);
    small.say(&dave, "A\n");
    assert_eq!(bob.take_text(), "guest4: NICK dave\nguest4: USA\n");
}

#[test]
fn binary_protocols_are_let_go() {
    let packets: [&[u8]; 4] = [
        // RDP: a request to connect (X.224).
        b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0",
        // SMB 1, and SMB 2: a negotiation.
        b"\0\0\0\x2f\xffSMBr\0\0\0\0\x18\x01\x48\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xac\x7b\0\0\0\0\
            \0\x0c\0\x02NT LM 0.12\0",
        b"\0\0\0\x66\xfeSMB@\0\0\0\0\0\0\0\0\0\x1f\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xfe\0\0",
        // STUN: a binding request (RFC 8489).
        b"\0\x01\0\0\x21\x12\xa4\x42abcdefghijkl",
    ];
    packets.into_iter().for_each(|packet| _ = answer_to(packet));
}

#[test]
fn a_person_may_begin_with_words_about_a_protocol() {
    for words in [
        "is http/2 faster than HTTP/1.1",
        "is https the same as HTTP/1.1",
        "see /etc/services, is there HTTP/1.1",
        "I like HTTP/1.1",
        "SSH-2.0- is how it begins, is it not?",
        "SSH-2.0-OpenSSH is what mine says, and yours?",
        "SIP or RTSP/1.0",
        "PROXY or no proxy?",
        "cap or hat?",
        "NICK is a nice word",
        "NICK bob",
        "PASS me the salt",
        "USER is a nice word",
    ] {
        for end in ["\n", "\r\n", ""] {
            let mut small = Small::new(Config::default());
            let watcher = small.connect(1);
            small.pass(SECOND);
            watcher.take_text();
            let person = small.connect(2);
            small.say(&person, format!("{words}{end}"));
            small.pass(10 * SECOND);
            let heard = watcher.take_text();
            let said = format!("* guest2 (10.0.0.2:1000) joined\nguest2: {words}\n");
            assert_eq!(heard, said, "{end:?}");
        }
    }
}
