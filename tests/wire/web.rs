//! Heads of requests and frames of WebSocket, whatever a client sends, however it is cut.

use chinwag::wire::dialect::Dialect;
use chinwag::wire::web::frames::{Frames, Kind, NORMAL, push_message};
use chinwag::wire::web::messages::{Messages, entry_bytes_more, push_entry, push_private};
use proptest::prelude::*;

use crate::cut_at;
use crate::rules::{frames as property, head};

/// A frame of a client: its first byte, its payload, and how its length is written.
fn frame(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(128 | length as u8),
        length @ 126..=65535 => {
            bytes.push(128 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(128 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
    bytes
}

/// Frames of which most are right.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        6 => prop::sample::select(vec![0x81_u8, 0x01, 0x80, 0x00, 0x89, 0x8a]),
        1 => prop::sample::select(vec![0x82_u8, 0x88]),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        4 => "[a-z가-힣\n]{0,20}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..8),
        1 => "[a-z]{120,140}".prop_map(String::into_bytes),
        1 => (990..1020_u16, "[a-z]{0,3}")
            .prop_map(|(code, reason)| [&code.to_be_bytes(), reason.as_bytes()].concat()),
    ];
    (first, payload, any::<[u8; 4]>())
        .prop_map(|(first, payload, mask)| frame(first, &payload, mask))
}

/// The beginning of a request of which some parts are wrong.
fn any_head() -> impl Strategy<Value = Vec<u8>> {
    let line = "(GET|HEAD|POST|get) (/|/chat|/say|/tail|/x|http://a/|\\*)[ a]? ?HTTP/[12].[01]";
    let field = prop_oneof![
        Just("Host: localhost".to_owned()),
        Just("Content-Length: 5".to_owned()),
        Just("Transfer-Encoding: chunked".to_owned()),
        Just("X-Chinwag: say".to_owned()),
        Just("Upgrade: websocket\r\nConnection: Upgrade".to_owned()),
        Just("Sec-WebSocket-Version: 13".to_owned()),
        Just("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==".to_owned()),
        "(Host|Origin|Content-Length|Expect|[A-Za-z :]{0,5})[ \t]?: ?[ -~\t\r\0]{0,9}",
    ];
    let end = prop::sample::select(vec!["\r\n", "\n", "\r\n "]);
    (line, prop::collection::vec((field, end), 0..9), "(\r\n|\n)[a-z]{0,5}").prop_map(
        |(line, fields, end)| {
            let fields: String = fields.into_iter().map(|(field, end)| field + end).collect();
            format!("{line}\r\n{fields}{end}").into_bytes()
        },
    )
}

proptest! {
    #[test]
    fn however_frames_are_cut_their_messages_are_the_same(
        frames in prop::collection::vec(any_frame(), 0..8),
        takes_binary in any::<bool>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let bytes = frames.concat();
        property::messages_are_those_of_the_rule(&[&bytes], takes_binary);
        property::messages_are_those_of_the_rule(&cut_at(&bytes, &cuts), takes_binary);
        let one_by_one: Vec<&[u8]> = bytes.chunks(1).collect();
        property::messages_are_those_of_the_rule(&one_by_one, takes_binary);
    }

    #[test]
    fn however_a_head_is_cut_the_verdict_is_the_same(head in any_head()) {
        head::holds(&head);
    }

    #[test]
    fn lines_for_browsers_are_read_back_as_they_were(
        lines in prop::collection::vec("[ -~가-힣]{0,200}", 0..9),
        number in any::<u64>(),
        at_seconds in any::<u32>(),
    ) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let mut private = Vec::new();
        push_private(text.as_bytes(), &mut private);
        let expected: Vec<String> = lines.iter().map(|line| format!("- {line}")).collect();
        prop_assert_eq!(read_back(&private), expected);
        for line in &lines {
            let (mut entry, plain) = (Vec::new(), format!("{line}\n"));
            push_entry(number, at_seconds, plain.as_bytes(), &mut entry);
            prop_assert!(entry.len() <= plain.len() + entry_bytes_more(number, at_seconds));
            prop_assert_eq!(read_back(&entry), [format!("{number} {at_seconds} {line}")]);
        }
    }
}

/// The messages in frames of the server, which have no mask.
fn read_back(mut bytes: &[u8]) -> Vec<String> {
    let mut messages = Vec::new();
    while let [0x81, length, rest @ ..] = bytes {
        let (length, rest) = match (length, rest) {
            (126, [high, low, rest @ ..]) => (u16::from_be_bytes([*high, *low]).into(), rest),
            _ => (usize::from(*length), rest),
        };
        let (message, rest) = rest.split_at(length);
        messages.push(String::from_utf8(message.to_vec()).unwrap());
        bytes = rest;
    }
    assert_eq!(bytes, b"");
    messages
}

#[test]
fn a_message_is_a_line_though_its_head_came_before() {
    let frame = frame(0x81, "안녕".as_bytes(), [1, 2, 3, 4]);
    for cut in 0..frame.len() {
        let (mut messages, mut text) = (Messages::default(), Vec::new());
        for read in [&frame[..cut], &frame[cut..]] {
            let mut bytes = [&[0], read].concat();
            let text_bytes = messages.take_in(&mut bytes, &mut Vec::new());
            text.extend_from_slice(&bytes[..text_bytes]);
        }
        assert_eq!(text, "안녕\n".as_bytes(), "cut at {cut}");
    }
}

#[test]
fn what_is_sent_last_is_the_close_that_fits() {
    let ended = |first: u8, payload: &[u8]| {
        let (mut frames, mut last) = (Frames::default(), Vec::new());
        let mut bytes = frame(first, payload, [0; 4]);
        assert_eq!(frames.next(&mut bytes, &mut 0, &mut Vec::new()), None);
        frames.push_close(NORMAL, &mut last);
        last
    };
    assert_eq!(ended(0x88, b""), [0x88, 0]);
    assert_eq!(ended(0x88, b"\x03\xe8bye"), [0x88, 2, 3, 232]);
    assert_eq!(ended(0x82, b"x"), [0x88, 2, 3, 235]);
    assert_eq!(ended(0x81, b"\xff"), [0x88, 2, 3, 239]);
    assert_eq!(ended(0x91, b"x"), [0x88, 2, 3, 234]);
    // The server closes.
    assert_eq!(ended(0x8a, b"x"), [0x88, 2, 3, 232]);
}

#[test]
fn a_message_has_the_shortest_length_that_fits() {
    for (length, head) in [
        (0, &[0x81, 0][..]),
        (125, &[0x81, 125]),
        (126, &[0x81, 126, 0, 126]),
        (65535, &[0x81, 126, 255, 255]),
        (65536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let mut out = Vec::new();
        push_message(Kind::Text, &vec![b'a'; length], &mut out);
        assert_eq!((&out[..head.len()], out.len()), (head, head.len() + length));
    }
}
