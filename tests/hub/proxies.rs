//! A client behind a proxy is like one that connects from its own address, and a connection whose
//! client is not known is nobody's.

use std::net::SocketAddr;
use std::time::Duration;

use chinwag::config::{Config, DOORWAY_MAX};
use chinwag::hub::Hub;
use chinwag::hub::admit::Entrance;
use chinwag::hub::client::MEMORY_RETRY;
use chinwag::room::LOBBY;
use chinwag::wire::proxy::HEADER_WAIT;
use rustix::io::Errno;

use crate::small::{Seat, Small};

/// The last byte of the address of the proxy, and of a client that connects by itself.
const PROXY: u8 = 1;
const DIRECT: u8 = 2;

const MOMENT: Duration = Duration::from_millis(1);

/// Longer than the wait for the first bytes of a new client.
const GAP: Duration = Duration::from_millis(300);

/// A hub that welcomes at once.
fn small(config: Config) -> Small {
    small_that_waits(Config { greeting: Duration::ZERO, ..config })
}

fn small_that_waits(config: Config) -> Small {
    Small::new(Config { proxy_from: vec!["10.0.0.1/32".parse().unwrap()], ..config })
}

/// A hub that welcomes at once, for so many clients.
fn small_for(clients_max: usize, config: Config) -> Small {
    let mut small = small(config.clone());
    let proxy_from = vec!["10.0.0.1/32".parse().unwrap()];
    let config = Config { greeting: Duration::ZERO, proxy_from, ..config };
    small.hub = Hub::new(config, clients_max, small.now);
    small
}

/// The header of a client at 10.0.0.`last`, in version 1 and in version 2.
fn headers(last: u8) -> [Vec<u8>; 2] {
    let line = format!("PROXY TCP4 10.0.0.{last} 10.0.0.9 1000 50005\r\n").into_bytes();
    let second = [
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10\x0a\0\0".as_slice(),
        &[last],
        b"\x0a\0\0\x09\x03\xe8\xc3\x55\x04\0\x01\n",
    ];
    [line, second.concat()]
}

/// A client at 10.0.0.`last` connects to the proxy.
fn connect_behind(small: &mut Small, last: u8) -> Seat {
    let seat = small.connect(PROXY);
    small.say(&seat, &headers(last)[usize::from(last) % 2]);
    seat
}

#[test]
fn a_header_is_no_part_of_a_line_wherever_it_is_cut() {
    const WORDS: &[u8] = b"hello\nagain\n";
    for raw in [false, true] {
        let config = Config { raw, ..Config::default() };
        let mut direct = small_that_waits(config.clone());
        let client = direct.connect(DIRECT);
        direct.say(&client, WORDS);
        direct.pass(GAP);
        for header in headers(DIRECT) {
            for cut in 0..=header.len() {
                let mut small = small_that_waits(config.clone());
                let seat = small.connect(PROXY);
                small.say(&seat, &header[..cut]);
                small.pass(GAP);
                small.say(&seat, [&header[cut..], WORDS].concat());
                small.pass(GAP);
                assert_eq!(small.said(), direct.said(), "cut at {cut}");
            }
        }
    }
}

#[test]
fn every_byte_of_a_header_may_come_alone() {
    for header in headers(DIRECT) {
        let mut small = small(Config::default());
        let seat = small.connect(PROXY);
        for byte in header {
            assert_eq!((small.said(), seat.take_text()), Default::default());
            small.say(&seat, [byte]);
        }
        assert!(seat.take_text().starts_with("* welcome, you are guest1 (10.0.0.2:1000)"));
    }
}

#[test]
fn a_client_behind_a_proxy_hears_what_was_said_since_it_came() {
    let mut small = small(Config::default());
    let alice = small.connect(DIRECT);
    small.say(&alice, "before\n");
    let seat = small.connect(PROXY);
    small.say(&alice, "meanwhile\n");
    assert_eq!(seat.take_text(), "");
    small.say(&seat, &headers(3)[0]);
    let heard = seat.take_text();
    let (welcome, rest) = heard.split_once('\n').unwrap();
    assert!(welcome.starts_with("* welcome, you are guest2 (10.0.0.3:1000)"), "{welcome}");
    assert_eq!(rest, "guest1: meanwhile\n* guest2 (10.0.0.3:1000) joined\n");
}

#[test]
fn telnet_behind_a_header_is_answered_as_without() {
    // What might begin a command is one only in the first bytes of a client.
    for words in [&b"\xff\xfb\x18\xff\xfd\x06"[..], b"\xff\xf4\xff\xfd\x06", b"\xff\xfeh\0\n\0"] {
        let answered = |first: &[u8]| {
            let mut small = small(Config::default());
            let seat = small.connect(if first.is_empty() { 3 } else { PROXY });
            small.say(&seat, first);
            small.say(&seat, words);
            small.pass(GAP);
            seat.take_bytes()
        };
        let expected = answered(b"");
        headers(3).iter().for_each(|header| assert_eq!(answered(header), expected));
    }
}

#[test]
fn per_address_counts_the_addresses_behind_a_proxy() {
    let mut small = small(Config { per_address: 2, ..Config::default() });
    let refusal = "* too many connections from your address (2, --per-address)\n";
    let first = connect_behind(&mut small, 3);
    let _second = small.connect(3);
    let third = connect_behind(&mut small, 3);
    assert_eq!(third.take_text(), refusal);
    assert_eq!(small.connect(3).take_text(), refusal);
    let others = [4, 4, 5].map(|last| connect_behind(&mut small, last));
    assert!(others.iter().all(|seat| seat.take_text().starts_with("* welcome")));
    assert_eq!(connect_behind(&mut small, 4).take_text(), refusal);
    assert_eq!(small.hub.here(), 5);
    // Nor do clients at the address of the proxy itself keep others out.
    let _own = [PROXY; 2].map(|last| connect_behind(&mut small, last));
    assert_eq!(connect_behind(&mut small, PROXY).take_text(), refusal);
    small.end(&first);
    assert!(connect_behind(&mut small, 3).take_text().starts_with("* welcome"));
}

#[test]
fn the_burst_of_lines_is_that_of_the_address_behind_a_proxy() {
    let mut small = small(Config { burst: 3, ..Config::default() });
    for last in [3, 4] {
        let seat = connect_behind(&mut small, last);
        seat.take_text();
        small.say(&seat, "line\n".repeat(9));
        assert_eq!(seat.take_text().lines().count(), 3);
        small.end(&seat);
    }
    let again = connect_behind(&mut small, 3);
    again.take_text();
    small.say(&again, "line\n");
    assert_eq!(again.take_text(), "");
}

#[test]
fn an_exempt_address_behind_a_proxy_is_not_limited() {
    let exempt = vec![chinwag::config::Exempt::Network("10.0.0.3/32".parse().unwrap())];
    let mut small = small(Config { per_address: 1, exempt, ..Config::default() });
    let seats = [3, 3, 3].map(|last| connect_behind(&mut small, last));
    small.say(&seats[0], "line\n".repeat(99));
    assert_eq!(small.said().matches("guest1: line\n").count(), 99);
    let _one = connect_behind(&mut small, 4);
    assert!(connect_behind(&mut small, 4).take_text().starts_with("* too many"));
    seats.iter().for_each(|seat| small.end(seat));
    assert_eq!(small.hub.here(), 1);
}

#[test]
fn a_health_check_is_told_nothing_and_told_to_nobody() {
    for check in [
        &b""[..],
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN\r\nhello\n",
        b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
        b"\r\n\r\n\0\r\nQUIT\n\x20\x11\0\x0c\x0a\0\0\x02\x0a\0\0\x09\x03\xe8\xc3\x55hello\n",
    ] {
        let mut small = small(Config { per_address: 1, ..Config::default() });
        let seats = [small.connect(PROXY), small.connect(PROXY)];
        for seat in &seats {
            small.say(seat, check);
            small.end(seat);
            assert_eq!(seat.take_text(), "");
            assert!(seat.pipe.borrow().closed, "{}", check.escape_ascii());
        }
        assert_eq!(small.said(), "", "{}", check.escape_ascii());
        assert_eq!(small.hub.connections(), 0);
    }
}

#[test]
fn a_connection_without_a_header_is_closed_without_a_word() {
    for hello in [
        &b"hello\n"[..],
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\xff\xfb\x18hello\r\n",
        b"PROXY TCP4 10.0.0.300 10.0.0.9 1000 50005\r\nhello\n",
        // A client that has no address.
        b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\0hello\n",
    ] {
        let mut small = small(Config::default());
        let seat = small.connect(PROXY);
        small.say(&seat, hello);
        small.end(&seat);
        assert_eq!(seat.take_bytes(), b"");
        assert!(seat.pipe.borrow().closed, "{}", hello.escape_ascii());
        assert_eq!(small.said(), "", "{}", hello.escape_ascii());
    }
}

#[test]
fn a_header_is_waited_for_five_seconds() {
    for begun in ["", "PROXY TCP4 10.0"] {
        let mut small = small(Config::default());
        let [late, in_time] = [small.connect(PROXY), small.connect(PROXY)];
        small.say(&late, begun);
        small.pass(HEADER_WAIT - MOMENT);
        small.say(&in_time, &headers(DIRECT)[0]);
        small.pass(2 * MOMENT);
        small.say(&late, "PROXY UNKNOWN\r\nhello\n");
        small.pass(Config::default().drain);
        assert_eq!(late.take_text(), "");
        assert!(late.pipe.borrow().closed);
        assert!(in_time.take_text().starts_with("* welcome"));
        assert_eq!((small.hub.here(), small.hub.connections()), (1, 1));
    }
}

#[test]
fn a_header_that_came_while_the_process_was_stopped_counts() {
    let mut small = small(Config::default());
    let seat = small.connect(PROXY);
    small.say_later(&seat, &headers(DIRECT)[1]);
    small.now += 10 * HEADER_WAIT;
    small.turns();
    assert!(seat.take_text().starts_with("* welcome"));
}

#[test]
fn a_header_in_a_socket_without_memory_is_waited_for() {
    let mut small = small(Config::default());
    let seat = small.connect(PROXY);
    small.say_later(&seat, &headers(DIRECT)[1]);
    small.now += 10 * HEADER_WAIT;
    for _ in 0..9 {
        seat.pipe.borrow_mut().read_fails = Some(Errno::NOBUFS);
        small.pass(MEMORY_RETRY);
    }
    assert_eq!(seat.take_text(), "");
    small.pass(MEMORY_RETRY);
    assert!(seat.take_text().starts_with("* welcome"));
}

#[test]
fn first_words_are_waited_for_behind_a_header_too() {
    let greeting = Config::default().greeting;
    for is_stopped in [false, true] {
        let mut small = small_that_waits(Config::default());
        small.pass(GAP);
        let [browser, client] = [3, 4].map(|last| connect_behind(&mut small, last));
        // A newcomer does not wait for those before it.
        let direct = small.connect(DIRECT);
        small.pass(greeting - MOMENT);
        assert_eq!((client.take_text(), small.said()), Default::default());
        small.say_later(&browser, "GET / HTTP/1.1\r\n\r\n");
        if is_stopped {
            small.now += 10 * HEADER_WAIT;
        }
        small.pass(MOMENT);
        small.pass(MOMENT);
        assert!(browser.take_text().starts_with("HTTP/1.1 400 "));
        assert!(client.take_text().starts_with("* welcome"));
        assert!(direct.take_text().starts_with("* welcome"));
        assert_eq!(small.said().lines().count(), 2, "{}", small.said());
    }
}

#[test]
fn a_stranger_behind_a_proxy_is_told_so() {
    let mut small = small_that_waits(Config::default());
    for header in headers(DIRECT) {
        let seat = small.connect(PROXY);
        small.say(&seat, [&header[..], &header[..]].concat());
        small.pass(GAP);
        let told = "* this is a chat server and does not speak PROXY; try nc or telnet\n";
        assert_eq!(seat.take_text(), told);
    }
    assert_eq!(small.said(), "");
}

#[test]
fn a_header_of_any_other_address_is_that_of_a_stranger() {
    let mut small = small_that_waits(Config::default());
    for header in headers(PROXY) {
        let seat = small.connect(DIRECT);
        small.say(&seat, header);
        small.pass(GAP);
        let told = "* this is a chat server and does not speak PROXY; try nc or telnet\n";
        assert_eq!(seat.take_text(), told);
    }
    assert_eq!(small.said(), "");
}

#[test]
fn an_operator_of_the_machine_needs_no_header() {
    let mut small = small(Config { per_address: 1, ..Config::default() });
    let entrance = Entrance { is_control: true, ..Entrance::to(LOBBY) };
    let operators = [0; 2].map(|_| small.connect_by(entrance, PROXY));
    assert!(operators.iter().all(|seat| seat.take_text().starts_with("* welcome")));
}

#[test]
fn a_stop_says_nothing_to_a_connection_without_a_header() {
    let mut small = small_that_waits(Config::default());
    let [unknown, known] = [small.connect(PROXY), connect_behind(&mut small, 3)];
    small.hub.stop(small.now);
    small.turns();
    small.pass(Config::default().drain);
    assert_eq!(unknown.take_text(), "");
    assert!(unknown.pipe.borrow().closed);
    assert!(known.take_text().ends_with("* server shutting down\n"));
    assert_eq!(small.hub.connections(), 0);
}

#[test]
fn a_connection_without_a_header_takes_a_place() {
    let mut small = small_for(2, Config::default());
    let _two = [small.connect(PROXY), small.connect(PROXY)];
    for last in [PROXY, DIRECT] {
        assert_eq!(small.connect(last).take_text(), "* server full (2)\n");
    }
    small.pass(HEADER_WAIT + Config::default().drain);
    assert_eq!(small.hub.connections(), 0);
}

#[test]
fn a_refused_client_behind_a_proxy_takes_a_place_or_the_doorway() {
    const CLIENTS: usize = 4;
    let mut small = small_for(CLIENTS, Config { per_address: 1, ..Config::default() });
    let count = CLIENTS + DOORWAY_MAX;
    let all: Vec<Seat> = (0..count).map(|_| connect_behind(&mut small, 3)).collect();
    let told: Vec<String> = all.iter().map(Seat::take_text).collect();
    assert!(told[0].starts_with("* welcome"));
    assert!(told[1..].iter().all(|told| told.starts_with("* too many connections from")));
    assert_eq!(small.hub.connections(), count);
    // No more may come in before one has gone.
    let address = SocketAddr::from(([10, 0, 0, 4], 1000));
    let words = small.hub.turned_away(address, Entrance::to(LOBBY), small.now);
    assert_eq!(words.as_deref(), Some(&b"* server full (4)\n"[..]));
    small.pass(Config::default().drain);
    assert_eq!((small.hub.here(), small.hub.connections()), (1, 1));
    assert!(connect_behind(&mut small, 3).take_text().starts_with("* too many connections"));
}

#[test]
fn an_overrun_connection_is_not_welcomed_without_a_header() {
    for raw in [false, true] {
        let config =
            Config { window: 1000, turn_bytes: 250, write_bytes: 300, raw, ..Config::default() };
        let mut small = small(Config { rate: 0, ..config });
        let alice = small.connect(DIRECT);
        let seat = small.connect(PROXY);
        for number in 0..60 {
            small.say(&alice, format!("{number} and some more words\n"));
            small.pass(MOMENT);
        }
        assert_eq!(seat.take_text(), "");
        small.say(&seat, &headers(3)[0]);
        let heard = seat.take_text();
        if raw {
            // Nothing could tell it of the gap.
            assert_eq!(heard, "");
            assert!(seat.pipe.borrow().closed);
            continue;
        }
        let mut lines = heard.lines();
        assert!(lines.next().unwrap().starts_with("* welcome, you are guest2 (10.0.0.3:1000)"));
        assert!(lines.next().unwrap().starts_with("* you missed "), "{heard}");
        assert_eq!(lines.last(), Some("* guest2 (10.0.0.3:1000) joined"));
    }
}
