//! Browsers: a page asks for what it wants by HTTP, and then speaks WebSocket.

use std::time::Duration;

use chinwag::config::Config;

use crate::browser::push_frame;
use crate::small::{Seat, Small};

const SECOND: Duration = Duration::from_secs(1);

/// How a page opens a WebSocket.
const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: localhost:50005\r\n\
    Origin: http://localhost:50005\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// What a server answers, from the example of the RFC.
const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// A frame of a client: its first byte, and its payload.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    push_frame(first & 0x7f, first & 0x80 != 0, payload, &mut bytes);
    bytes
}

fn text(message: &str) -> Vec<u8> {
    frame(TEXT, message.as_bytes())
}

/// The frames of a server: their first byte and their payload.
fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, length, rest @ ..] = bytes {
        let (length, rest) = match (length, rest) {
            (126, [high, low, rest @ ..]) => (u16::from_be_bytes([*high, *low]).into(), rest),
            _ => (usize::from(*length), rest),
        };
        assert!(rest.len() >= length, "a frame is torn");
        let (payload, rest) = rest.split_at(length);
        frames.push((*first, payload.to_vec()));
        bytes = rest;
    }
    assert!(bytes.is_empty(), "half a head of a frame");
    frames
}

/// The text messages that a browser got since the last time. It got nothing else.
pub fn messages(seat: &Seat) -> Vec<String> {
    let texts = frames(&seat.take_bytes()).into_iter().map(|(first, payload)| {
        assert_eq!(first, TEXT, "{}", payload.escape_ascii());
        String::from_utf8(payload).unwrap()
    });
    texts.collect()
}

/// Two clients of nc, and a browser that has read its welcome: `guest3`.
pub fn with_a_browser(config: Config) -> (Small, [Seat; 2], Seat) {
    let mut small = Small::new(config);
    let two = [small.connect(1), small.connect(2)];
    small.pass(2 * SECOND);
    let browser = small.connect(3);
    small.say(&browser, UPGRADE);
    let got = browser.take_bytes();
    let behind = got.strip_prefix(ACCEPTED.as_bytes()).expect("the handshake");
    let frames = frames(behind);
    assert!(frames[0].1.starts_with(b"= 0 "), "{frames:?}");
    assert!(frames[1].1.starts_with(b"- * welcome, you are guest3"));
    two.iter().for_each(|seat| _ = seat.take_text());
    (small, two, browser)
}

/// What one connection gets that sends these pieces, and no other client sees. It is closed.
fn answered(config: Config, pieces: &[&[u8]]) -> String {
    let (mut small, [alice, _], _) = with_a_browser(config);
    let visitor = small.connect(4);
    pieces.iter().for_each(|piece| small.say(&visitor, piece));
    small.end(&visitor);
    small.pass(10 * SECOND);
    assert!(visitor.pipe.borrow().closed);
    assert_eq!(alice.take_text(), "", "nobody sees it");
    visitor.take_text()
}

fn status(pieces: &[&[u8]]) -> String {
    answered(Config::default(), pieces).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_browser_and_nc_talk_in_one_room() {
    let (mut small, [alice, bob], browser) = with_a_browser(Config::default());
    small.say(&browser, text("안녕"));
    assert_eq!(alice.take_text(), "guest3: 안녕\n");
    assert_eq!(bob.take_text(), "guest3: 안녕\n");
    small.pass(3 * SECOND);
    small.say(&alice, "hello\n");
    small.say(&bob, "/msg guest3 psst\n");
    let got = messages(&browser);
    let [own, other, private] = got.as_slice() else { panic!("{got:?}") };
    let parts =
        |message: &str| -> Vec<String> { message.splitn(3, ' ').map(str::to_owned).collect() };
    let (own, other) = (parts(own), parts(other));
    assert_eq!((own[2].as_str(), other[2].as_str()), ("guest3: 안녕", "guest1: hello"));
    let number = |part: &String| part.parse::<u64>().unwrap();
    assert_eq!(number(&other[0]), number(&own[0]) + 1, "lines are numbered");
    assert_eq!(number(&other[1]), number(&own[1]) + 3, "and have a time");
    assert_eq!(private, "- [guest2 -> guest3] psst");
}

#[test]
fn its_commands_are_answered_to_it_alone() {
    let (mut small, [alice, _], browser) = with_a_browser(Config::default());
    small.say(&browser, text("/nick 철수"));
    small.say(&browser, text("/nope"));
    let got = messages(&browser);
    assert!(got[0].ends_with(" * guest3 is now 철수"), "{got:?}");
    assert!(got[1].starts_with("- * "), "{got:?}");
    assert_eq!(alice.take_text(), "* guest3 is now 철수\n");
}

#[test]
fn earlier_lines_have_their_own_numbers() {
    let (mut small, [alice, _], browser) = with_a_browser(Config::default());
    small.say(&alice, "one\ntwo\n");
    let live = messages(&browser);
    small.say(&browser, text("/history 2"));
    let got = messages(&browser);
    assert_eq!(got, ["- * history", &live[0], &live[1], "- * now"]);
    // Also when they are many and short.
    let config = Config { history: 9999, history_bytes: 7000, rate: 0, ..Config::default() };
    let (mut small, [alice, _], _) = with_a_browser(config);
    // Numbers and times are long.
    small.now += 1_000_000 * SECOND;
    small.say(&alice, "x\n".repeat(2000));
    small.pass(SECOND);
    let late = small.connect(4);
    small.say(&late, UPGRADE);
    let got = late.take_bytes();
    let got = frames(got.strip_prefix(ACCEPTED.as_bytes()).unwrap());
    let bytes: usize = got.iter().map(|(_, line)| 2 + line.len()).sum();
    assert!((13_000..14_500).contains(&bytes), "{bytes} in {} lines", got.len());
}

#[test]
fn a_message_is_one_line_and_a_paste_is_many() {
    let (mut small, [alice, _], browser) = with_a_browser(Config::default());
    small.say(
        &browser,
        [text("one"), text(""), text("two\r\nthree\n"), text("GET / HTTP/1.1")].concat(),
    );
    small.say(&browser, [frame(0x01, b"fo"), frame(PING, b"x"), frame(0x80, b"ur")].concat());
    assert_eq!(
        alice.take_text(),
        "guest3: one\nguest3: two\nguest3: three\nguest3: GET / HTTP/1.1\nguest3: four\n"
    );
    let pongs = frames(&browser.take_bytes()).into_iter().filter(|(first, _)| *first == PONG);
    assert_eq!(pongs.collect::<Vec<_>>(), [(PONG, b"x".to_vec())]);
}

#[test]
fn a_message_too_long_is_told_and_the_next_is_said() {
    let (mut small, [alice, _], browser) = with_a_browser(Config::default());
    small.say(&browser, [text(&"x".repeat(5000)), text("short")].concat());
    assert_eq!(alice.take_text(), "guest3: short\n");
    let got = messages(&browser);
    assert!(got[0].starts_with("- * line too long"), "{got:?}");
}

#[test]
fn however_the_bytes_are_cut_it_is_served_the_same() {
    let bytes = [UPGRADE.as_bytes(), &text("안녕"), &text("/who")].concat();
    let mut expected = None;
    for cut in 0..bytes.len() {
        let mut small = Small::new(Config::default());
        let browser = small.connect(1);
        small.say(&browser, &bytes[..cut]);
        small.say(&browser, &bytes[cut..]);
        small.pass(SECOND);
        let got = browser.take_bytes();
        assert_eq!(*expected.get_or_insert(got.clone()), got, "cut at {cut}");
    }
}

#[test]
fn a_browser_never_reads_a_byte_outside_of_a_frame() {
    // It comes into a flood, and before it is greeted much is said.
    let config = Config { rate: 0, greeting: SECOND, ..Config::default() };
    let mut small = Small::new(config);
    let talker = small.connect(1);
    small.say(&talker, "hello\n");
    let browser = small.connect(2);
    small.say(&talker, "x\n".repeat(100));
    small.say(&browser, &UPGRADE[..100]);
    small.say(&talker, "y\n".repeat(100));
    small.say(&browser, &UPGRADE[100..]);
    small.say(&talker, "z\n".repeat(100));
    let got = browser.take_bytes();
    let lines = frames(got.strip_prefix(ACCEPTED.as_bytes()).unwrap());
    let said = lines.iter().filter(|(_, line)| line.ends_with(b": z")).count();
    assert_eq!(said, 100);
}

#[test]
fn a_browser_that_is_slow_is_told_what_it_missed_in_frames() {
    let config = Config { window: 32 * 1024, turn_bytes: 8 * 1024, rate: 0, ..Config::default() };
    let (mut small, [alice, _], browser) = with_a_browser(config);
    browser.pipe.borrow_mut().room = Some(20);
    small.say(&alice, format!("{}\n", "x".repeat(1000)).repeat(100));
    browser.pipe.borrow_mut().room = None;
    small.note(&browser);
    small.say(&alice, "end\n");
    small.pass(SECOND);
    let got = messages(&browser);
    assert_eq!(got.iter().filter(|line| line.starts_with("- * you missed ")).count(), 1);
    let numbers: Vec<u64> = got
        .iter()
        .filter(|line| !line.starts_with('-'))
        .map(|line| line.split(' ').next().unwrap().parse().unwrap())
        .collect();
    let missed = numbers.windows(2).map(|two| two[1] - two[0] - 1).sum::<u64>();
    assert!(got.contains(&format!("- * you missed {missed} lines")), "{missed} {numbers:?}");
}

#[test]
fn a_close_is_answered_last_and_half_a_message_is_not_said() {
    let (mut small, [alice, _], browser) = with_a_browser(Config::default());
    let close = frame(CLOSE, b"\x03\xe9bye");
    small.say(&browser, [text("last"), frame(0x01, b"half"), close, text("no")].concat());
    assert_eq!(alice.take_text(), "guest3: last\n* guest3 left\n");
    let got = frames(&browser.take_bytes());
    assert_eq!(got.last(), Some(&(CLOSE, b"\x03\xe9".to_vec())));
    assert!(got[..got.len() - 1].iter().all(|(first, _)| *first == TEXT));
    small.end(&browser);
    assert!(browser.pipe.borrow().closed);
}

#[test]
fn what_comes_with_the_request_is_taken_in_too() {
    let mut small = Small::new(Config::default());
    let browser = small.connect(1);
    let close = frame(CLOSE, b"");
    small.say(&browser, [UPGRADE.as_bytes(), &text("GET / HTTP/1.1"), &close].concat());
    small.pass(SECOND);
    assert_eq!(small.said().lines().last(), Some("* guest1 left"));
    assert!(small.said().contains("\nguest1: GET / HTTP/1.1\n"), "{}", small.said());
    assert!(browser.take_bytes().ends_with(&[CLOSE, 0]));
}

#[test]
fn a_broken_frame_ends_a_browser_with_its_code() {
    for (bytes, code) in [
        (frame(0x82, b"binary"), 1003_u16),
        (frame(TEXT, b"\xff"), 1007),
        (frame(0xc1, b"compressed"), 1002),
        (b"\x81\x02no".to_vec(), 1002),
    ] {
        let (mut small, [alice, _], browser) = with_a_browser(Config::default());
        small.say(&browser, bytes);
        let got = frames(&browser.take_bytes());
        assert_eq!(got.last(), Some(&(CLOSE, code.to_be_bytes().to_vec())));
        assert_eq!(alice.take_text(), "* guest3 left\n");
    }
}

#[test]
fn a_browser_is_told_goodbye_in_a_frame() {
    let (mut small, _, browser) = with_a_browser(Config::default());
    small.hub.stop(small.now);
    small.turns();
    let got = frames(&browser.take_bytes());
    let [.., (TEXT, goodbye), (CLOSE, code)] = got.as_slice() else { panic!("{got:?}") };
    assert!(goodbye.ends_with(b"* server shutting down"), "{}", goodbye.escape_ascii());
    assert_eq!(code, &1001_u16.to_be_bytes());
    let (mut small, _, browser) = with_a_browser(Config::default());
    small.say(&browser, text("/quit"));
    let got = frames(&browser.take_bytes());
    assert_eq!(got.last(), Some(&(CLOSE, 1000_u16.to_be_bytes().to_vec())));
}

#[test]
fn the_page_and_the_health_are_served_and_nobody_sees_it() {
    let page = answered(Config::default(), &[b"GET / HTTP/1.1\r\nHost: 10.0.0.1:50005\r\n\r\n"]);
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("\r\nContent-Security-Policy: default-src 'none'; "), "{page}");
    assert!(page.ends_with("</html>\n"), "{page}");
    let health: &[u8] = b"GET /healthz HTTP/1.0\r\n\r\n";
    assert!(answered(Config::default(), &[health]).ends_with("\r\n\r\nok\n"));
}

#[test]
fn what_is_refused_is_told_why_and_never_said() {
    for (request, told) in [
        ("GET /x HTTP/1.1\r\nHost: a\r\n\r\n", "404"),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421"),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nhello\n", "405"),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\n/quit\n", "405"),
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\n\r\nhello\n", "200"),
        ("GET / HTTP/1.1\nHost : a\nhello\n\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nFoo: b\r\n hello\r\n\r\n", "400"),
        ("Host: localhost\r\nhello\r\n\r\n", "400"),
    ] {
        let whole = status(&[request.as_bytes()]);
        assert!(whole.starts_with(&format!("HTTP/1.1 {told} ")), "{request}: {whole}");
        let (one, two) = request.as_bytes().split_at(request.len() / 2);
        assert_eq!(status(&[one, two]), whole, "{request}");
    }
    let foreign = UPGRADE.replace("Origin: http://localhost", "Origin: http://evil.example");
    assert!(status(&[foreign.as_bytes()]).starts_with("HTTP/1.1 403 "));
}

#[test]
fn a_head_has_five_seconds_and_eight_kibibytes() {
    let (mut small, [alice, _], _) = with_a_browser(Config::default());
    let slow = small.connect(4);
    small.say(&slow, "GET / HTTP/1.1\r\nHost: localhost\r\n");
    small.pass(Duration::from_millis(4900));
    assert_eq!(slow.take_text(), "");
    small.pass(Duration::from_millis(200));
    let told = slow.take_text();
    assert!(told.starts_with("HTTP/1.1 408 "), "{told}");
    let large = small.connect(5);
    small.say(&large, "GET / HTTP/1.1\r\n");
    for _ in 0..8192 / 16 {
        small.say(&large, "X: aaaaaaaaaaa\r\n");
    }
    assert!(large.take_text().starts_with("HTTP/1.1 431 "));
    assert_eq!(alice.take_text(), "");
}

#[test]
fn a_name_that_the_operator_allows_is_one() {
    let config = Config { host: vec!["chat.example.org".into()], ..Config::default() };
    let request: &[u8] = b"GET / HTTP/1.1\r\nHost: chat.example.org\r\n\r\n";
    assert!(answered(config, &[request]).starts_with("HTTP/1.1 200 "));
    let mut small = Small::new(Config::default());
    small.hub.set_machine("attic", 1);
    let visitor = small.connect(1);
    small.say(&visitor, b"GET / HTTP/1.1\r\nHost: attic.local:50005\r\n\r\n");
    assert!(visitor.take_text().starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_bare_relay_serves_no_browser() {
    let mut small = Small::new(Config { raw: true, ..Config::default() });
    let browser = small.connect(1);
    small.say(&browser, UPGRADE);
    assert!(!browser.take_text().contains("101 Switching"));
}

/// A page comes back with this query. Returns it, and the messages behind the handshake.
fn come_back(small: &mut Small, query: &str) -> (Seat, Vec<String>) {
    let page = small.connect(9);
    small.say(&page, UPGRADE.replace("/chat", &format!("/chat?{query}")));
    let got = page.take_bytes();
    let behind = got.strip_prefix(ACCEPTED.as_bytes()).expect("the handshake");
    let texts = frames(behind).into_iter().map(|(_, text)| String::from_utf8(text).unwrap());
    (page, texts.collect())
}

fn run_of_seven(config: Config) -> (Small, [Seat; 2], Seat) {
    let config = Config { hide_addresses: true, history: 9, rate: 0, per_address: 0, ..config };
    let (mut small, two, browser) = with_a_browser(config);
    small.hub.set_machine("", 7);
    (small, two, browser)
}

#[test]
fn a_page_that_comes_back_gets_each_line_once() {
    let (mut small, [alice, _], browser) = run_of_seven(Config::default());
    small.say(&alice, "one\n");
    let last = messages(&browser).pop().unwrap();
    let next: u64 = last.split(' ').next().unwrap().parse::<u64>().unwrap() + 1;
    small.end(&browser);
    small.pass(3 * SECOND);
    small.say(&alice, "two\n/me waves\n");
    let (page, got) = come_back(&mut small, &format!("since=7.{next}"));
    let said: Vec<&str> = got[1..].iter().map(|text| text.split_once(' ').unwrap().1).collect();
    assert!(said[0].starts_with("* welcome, you are guest4"), "{got:?}");
    let texts: Vec<&str> =
        said[1..].iter().filter_map(|text| text.split_once(' ')).map(|it| it.1).collect();
    assert_eq!(
        texts,
        ["* guest3 left", "guest1: two", "~ guest1 waves", "* guest4 joined"].map(|it| it),
        "{got:?}"
    );
    let numbers: Vec<u64> =
        got[2..].iter().map(|text| text.split(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(numbers, (next..next + 4).collect::<Vec<_>>());
    small.say(&alice, "three\n");
    assert!(messages(&page)[0].ends_with("guest1: three"));
}

#[test]
fn of_what_is_no_longer_kept_a_page_gets_the_exact_count() {
    let config = Config { recover: 300, history_bytes: 0, ..Config::default() };
    let (mut small, [alice, _], browser) = run_of_seven(config);
    small.end(&browser);
    small.pass(3 * SECOND);
    (0..50).for_each(|number| small.say(&alice, format!("line {number}\n")));
    let (_, got) = come_back(&mut small, "since=7.4");
    let missed =
        got[2].strip_prefix("- * you missed ").expect("a count").split(' ').next().unwrap();
    let first = got[3].split(' ').next().unwrap();
    assert_eq!(missed.parse::<u64>().unwrap() + 4, first.parse::<u64>().unwrap(), "{got:?}");
    assert!(got.len() > 8 && got.len() < 50, "{got:?}");
}

#[test]
fn a_page_of_another_run_or_room_gets_the_history() {
    let (mut small, [alice, _], _browser) = run_of_seven(Config::default());
    small.say(&alice, "one\n");
    for query in
        ["since=6.0", "since=7", "since=7.x", "since=7.0&room=nowhere", "x=%&since=7.0&room=%f"]
    {
        let (page, got) = come_back(&mut small, query);
        assert_eq!(got[2], "- * history", "{query}: {got:?}");
        small.end(&page);
    }
}

#[test]
fn a_page_comes_back_to_its_room_too() {
    let (mut small, [alice, bob], browser) = run_of_seven(Config::default());
    small.say(&alice, "/join 방\n");
    small.say(&browser, text("/join 방"));
    small.say(&alice, "one\n");
    let last = messages(&browser).pop().unwrap();
    let next: u64 = last.split(' ').next().unwrap().parse::<u64>().unwrap() + 1;
    small.end(&browser);
    small.pass(3 * SECOND);
    small.say(&alice, "two\n");
    small.say(&bob, "in the lobby\n");
    let (page, _) = come_back(&mut small, &format!("since=7.{next}&room=%EB%B0%A9"));
    small.say(&page, text("/join 방"));
    let got = messages(&page);
    let texts: Vec<String> =
        got.iter().map(|text| text.splitn(3, ' ').nth(2).unwrap_or_default().to_owned()).collect();
    assert!(got[0].starts_with("- * you are in 방, 2 here"), "{got:?}");
    assert_eq!(texts[1..], ["* guest3 left", "guest1: two", "* guest4 joined"], "{got:?}");
}

#[test]
fn a_page_comes_back_to_a_room_made_anew_as_a_new_client() {
    const UNIX_MICROS: u64 = 1_700_000_000_000_000;
    // The room ends while the page comes back, or before that; with a log or without one.
    for (is_late, log) in [(false, false), (false, true), (true, false), (true, true)] {
        let (mut small, [alice, bob], browser) = run_of_seven(Config::default());
        if log {
            small.hub.number_by_time(UNIX_MICROS, small.now);
        }
        small.say(&bob, "/join attic\n");
        small.say(&browser, [text("/join attic"), text("one"), text("two")].concat());
        let last = messages(&browser).pop().unwrap();
        let next: u64 = last.split(' ').next().unwrap().parse::<u64>().unwrap() + 1;
        small.end(&browser);
        small.pass(3 * SECOND);
        let query = format!("since=7.{next}&room=attic");
        let early = is_late.then(|| come_back(&mut small, &query).0);
        small.say(&bob, "/leave\n");
        small.say(&alice, "/join attic\nthree\n");
        let page = early.unwrap_or_else(|| come_back(&mut small, &query).0);
        messages(&page);
        small.say(&page, text("/join attic"));
        let got = messages(&page);
        let [here, history, three, now, ..] = got.as_slice() else { panic!("{got:?}") };
        assert!(here.starts_with("- * you are in attic, 2 here"), "{got:?}");
        assert_eq!((history.as_str(), now.as_str()), ("- * history", "- * now"), "{got:?}");
        assert!(three.ends_with(" guest1: three"), "{got:?}");
        assert!(!got.iter().any(|line| line.contains("missed")), "{got:?}");
    }
}

#[test]
fn a_request_that_waits_for_a_long_pass_is_served() {
    let (mut small, [alice, _], _) =
        with_a_browser(Config { slice_writes: 1, ..Config::default() });
    let more: Vec<Seat> = (10..20).map(|last| small.connect(last)).collect();
    small.pass(SECOND);
    small.say_later(&alice, "hello\n");
    small.turn();
    // Its room is offered the line, and nobody there is read meanwhile.
    let page = small.connect_later(30);
    small.say_later(&page, UPGRADE);
    for _ in 0..5 {
        small.now += SECOND / 10;
        small.turn();
    }
    assert!(more.iter().any(|seat| !seat.take_text().contains("hello")), "the pass is over");
    small.turns();
    assert!(page.take_bytes().starts_with(ACCEPTED.as_bytes()));
}
