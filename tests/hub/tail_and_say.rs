//! Clients of HTTP without a page: `/tail` reads, and `/say` says.

use std::time::{Duration, Instant};

use chinwag::config::Config;
use chinwag::hub::Hub;

use crate::small::{Seat, Small};
use crate::web::{messages, with_a_browser};

const SECOND: Duration = Duration::from_secs(1);

const TAIL: &str = "GET /tail HTTP/1.1\r\nHost: localhost:50005\r\n\r\n";

/// A request that says this, with these fields.
fn say(fields: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /say HTTP/1.1\r\nHost: localhost\r\nX-Chinwag: say\r\n{fields}\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

/// The status and the body of an answer that tells its length.
fn answer(seat: &Seat) -> (String, String) {
    let text = seat.take_text();
    let (head, body) = text.split_once("\r\n\r\n").expect(&text);
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{text}");
    (head[9..12].to_owned(), body.to_owned())
}

/// What is answered to a request that comes now.
fn asked(small: &mut Small, request: &str) -> (String, String) {
    let visitor = small.connect(9);
    small.say(&visitor, request);
    small.pass(SECOND);
    let answer = answer(&visitor);
    small.end(&visitor);
    assert!(visitor.pipe.borrow().closed);
    answer
}

#[test]
fn a_tail_reads_all_that_is_said_and_nobody_sees_it() {
    let (mut small, [alice, _], browser) = with_a_browser(Config::default());
    let tail = small.connect(4);
    small.say(&tail, TAIL);
    small.say(&tail, "hello\n/quit\n");
    small.say(&alice, "안녕\n");
    let text = tail.take_text();
    let (head, said) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && !head.contains("Length"), "{head}");
    assert_eq!(said, "guest1: 안녕\n");
    small.say(&alice, "/who\n/msg guest4 psst\n");
    assert_eq!(
        alice.take_text(),
        "guest1: 안녕\n* 3 here: guest1, guest2, guest3 + 1 reading\n\
         * nobody here is called guest4\n"
    );
    small.end(&tail);
    small.pass(2 * SECOND);
    assert!(tail.pipe.borrow().closed);
    small.say(&alice, "/who\n");
    assert_eq!(alice.take_text(), "* 3 here: guest1, guest2, guest3\n");
    assert!(messages(&browser).iter().all(|line| !line.contains("guest4")));
}

#[test]
fn a_tail_that_is_slow_is_told_what_it_missed() {
    let config = Config { window: 32 * 1024, turn_bytes: 8 * 1024, rate: 0, ..Config::default() };
    let (mut small, [alice, _], _) = with_a_browser(config);
    let tail = small.connect(4);
    small.say(&tail, TAIL);
    tail.take_text();
    tail.pipe.borrow_mut().room = Some(20);
    small.say(&alice, format!("{}\n", "x".repeat(1000)).repeat(100));
    tail.pipe.borrow_mut().room = None;
    small.note(&tail);
    small.pass(SECOND);
    assert_eq!(tail.take_text().matches("* you missed ").count(), 1);
    small.hub.stop(small.now);
    small.turns();
    assert_eq!(tail.take_text(), "* server shutting down\n");
}

#[test]
fn a_tail_may_be_silent_and_counts_for_its_address() {
    let config = Config { idle: 5 * SECOND, per_address: 1, ..Config::default() };
    let mut small = Small::new(config);
    let tail = small.connect(4);
    small.say(&tail, TAIL);
    let other = small.connect(4);
    small.pass(10 * SECOND);
    assert!(other.take_text().contains("too many connections"));
    assert!(!tail.pipe.borrow().closed);
    assert!(tail.take_text().ends_with("\r\n\r\n"));
}

#[test]
fn what_is_posted_is_said_and_its_client_is_not_announced() {
    let (mut small, [alice, _], _) = with_a_browser(Config::default());
    let told = asked(&mut small, &say("X-Name: 빌드\r\n", "deployed\nin 3 s"));
    assert_eq!(told, ("200".into(), "* said as 빌드\n".into()));
    assert_eq!(asked(&mut small, &say("", "hi")), ("200".into(), "* said as guest5\n".into()));
    assert_eq!(alice.take_text(), "빌드: deployed\n빌드: in 3 s\nguest5: hi\n");
    small.say(&alice, "/who\n");
    assert_eq!(alice.take_text(), "* 3 here: guest1, guest2, guest3\n");
}

#[test]
fn no_line_of_a_body_is_a_command_or_a_request() {
    let (mut small, [alice, _], _) = with_a_browser(Config::default());
    let body = "/quit\n//me x\n/nick root\nGET / HTTP/1.1\n\u{1b}[2J";
    assert_eq!(asked(&mut small, &say("X-Name: bot\r\n", body)).0, "200");
    assert_eq!(
        alice.take_text(),
        "bot: /quit\nbot: //me x\nbot: /nick root\nbot: GET / HTTP/1.1\nbot: \\x1b[2J\n"
    );
}

#[test]
fn a_body_has_five_seconds_and_half_of_one_is_not_said() {
    let (mut small, [alice, _], _) = with_a_browser(Config::default());
    let request = say("X-Name: bot\r\n", "one\ntwo\nhello world");
    let (one, two) = request.split_at(request.len() - 5);
    let slow = small.connect(4);
    small.say(&slow, one);
    small.pass(Duration::from_millis(4900));
    assert_eq!((alice.take_text(), slow.take_text()), (String::new(), String::new()));
    small.say(&slow, two);
    assert_eq!(alice.take_text(), "bot: one\nbot: two\nbot: hello world\n");
    assert_eq!(answer(&slow).0, "200");
    let half = small.connect(4);
    small.say(&half, one);
    small.end(&half);
    small.pass(SECOND);
    assert_eq!((answer(&half).0, alice.take_text()), ("400".into(), String::new()));
    let late = small.connect(4);
    small.say(&late, one);
    // A byte now and then does not help.
    for byte in two[..4].bytes() {
        small.pass(SECOND);
        small.say(&late, [byte]);
    }
    small.pass(Duration::from_millis(900));
    assert_eq!(late.take_text(), "");
    small.pass(Duration::from_millis(200));
    assert_eq!((answer(&late).0, alice.take_text()), ("408".into(), String::new()));
    small.end(&late);
    assert!(late.pipe.borrow().closed);
}

#[test]
fn a_post_is_told_why_it_is_not_said() {
    let (mut small, [alice, _], _) = with_a_browser(Config::default());
    small.say(&alice, "/nick kim\n");
    let told = asked(&mut small, &say("X-Name: Kim\r\n", "hi"));
    assert_eq!(told, ("409".into(), "* Kim is taken\n".into()));
    let told = asked(&mut small, &say("X-Name: a b\r\n", "hi"));
    assert_eq!(told.0, "403");
    assert!(told.1.starts_with("* names cannot contain"), "{told:?}");
    assert_eq!(asked(&mut small, &say("", &"x".repeat(5000))).0, "413");
    let mut operator = small.control();
    let bot = small.connect(9);
    small.say(&bot, "hello\n/nick loud\n");
    small.say(&operator, "/mute loud\n");
    alice.take_text();
    let told = asked(&mut small, &say("X-Name: bot\r\n", "one\ntwo"));
    assert_eq!(told.0, "403");
    assert!(told.1.starts_with("* not sent: you are muted"), "{told:?}");
    assert_eq!(alice.take_text(), "");
    operator = small.control();
    let pending = small.connect(8);
    small.say(&pending, say("", "later").trim_end_matches("later"));
    small.say(&operator, "/ban 10.0.0.8 1h\n");
    assert_eq!(answer(&pending).0, "403");
}

#[test]
fn a_post_keeps_to_the_rate_and_hears_of_a_stop() {
    let (mut small, [alice, _], _) = with_a_browser(Config::default());
    let poster = small.connect(4);
    small.say(&poster, say("X-Name: bot\r\n", &"x\n".repeat(100)));
    let at_once = alice.take_text().lines().count();
    assert!((10..90).contains(&at_once), "{at_once} lines at once");
    assert_eq!(poster.take_text(), "");
    small.pass(30 * SECOND);
    assert_eq!(at_once + alice.take_text().lines().count(), 100);
    assert_eq!(answer(&poster).0, "200");
    let poster = small.connect(5);
    small.say(&poster, say("", &"x\n".repeat(100)));
    small.hub.stop(small.now);
    small.turns();
    assert!(answer(&poster).1.contains("server shutting down"));
}

#[test]
fn a_password_stands_before_tail_and_say() {
    let mut small = Small::new(Config { password: Some("s3cret".into()), ..Config::default() });
    for request in [TAIL.to_owned(), say("", "hi")] {
        let told = asked(&mut small, &request);
        assert_eq!(told.0, "403");
        assert!(told.1.starts_with("* a password is needed"), "{told:?}");
    }
    assert_eq!(small.said(), "");
}

#[test]
fn a_lock_stands_before_tail_and_say() {
    let (mut small, _, _) = with_a_browser(Config::default());
    let operator = small.control();
    small.say(&operator, "/lock on\n");
    for request in [TAIL.to_owned(), say("", "hi")] {
        let told = asked(&mut small, &request);
        assert_eq!(told, ("403".into(), "* lobby is locked: it takes an invitation\n".into()));
    }
}

#[test]
fn a_browser_that_is_refused_reads_why_in_an_answer() {
    let get = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut full = Small {
        hub: Hub::new(Config::default(), 1, Instant::now()),
        ..Small::new(Config::default())
    };
    full.now = Instant::now();
    let _alice = full.connect(1);
    assert_eq!(asked(&mut full, get), ("503".into(), "* server full (1)\n".into()));
    let mut small = Small::new(Config { per_address: 1, ..Config::default() });
    let alice = small.connect(9);
    assert_eq!(asked(&mut small, get).0, "429");
    let operator = small.control();
    small.say(&operator, "/ban 10.0.0.9 1h\n");
    assert!(alice.take_text().contains("banned"));
    let (status, words) = asked(&mut small, get);
    assert_eq!(status, "403");
    assert!(words.starts_with("* closed: your address is banned"), "{words}");
}

#[test]
fn nc_that_is_refused_reads_why_whether_it_speaks_or_not() {
    for sent in ["", "hello\n", "h"] {
        let mut small = Small::new(Config { per_address: 1, ..Config::default() });
        let (alice, bob) = (small.connect(1), small.connect(1));
        small.say(&bob, sent);
        small.pass(SECOND);
        assert!(bob.take_text().starts_with("* too many connections from your address"));
        small.end(&bob);
        assert!(bob.pipe.borrow().closed);
        let carol = small.connect(1);
        small.end(&carol);
        assert!(carol.take_text().starts_with("* too many connections"));
        assert!(!alice.take_text().contains("guest2"));
    }
}
