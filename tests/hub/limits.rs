//! Limits of one address or client, over a time that the test does not wait.

use std::time::Duration;

use chinwag::config::Config;
use chinwag::hub::Wait;
use rustix::io::Errno;

use crate::small::{Seat, Small};

const SECOND: Duration = Duration::from_secs(1);

/// A hub that welcomes at once.
fn small(config: Config) -> Small {
    Small::new(Config { greeting: Duration::ZERO, ..config })
}

/// This many clients that are exempt from limits; nothing of them is read yet.
fn crowd(small: &mut Small, count: usize) -> Vec<Seat> {
    (0..count).map(|_| small.connect(1)).collect()
}

#[test]
fn an_address_that_comes_and_goes_is_told_in_summaries() {
    const SECONDS: usize = 60;
    let mut small = small(Config { notices: 10, ..Config::default() });
    let watcher = small.connect(1);
    for _ in 0..SECONDS * 4 {
        let client = small.connect(2);
        small.end(&client);
        small.pass(SECOND / 4);
    }
    let text = watcher.take_text();
    let alone = text.lines().filter(|line| line.starts_with("* guest")).count();
    assert!((10..=SECONDS).contains(&alone), "{alone} notices in {SECONDS} s");
    small.pass(2 * SECOND);
    small.connect(3);
    assert!(watcher.take_text().contains("(10.0.0.3:1000) joined\n"));
}

#[test]
fn a_broken_client_that_is_paced_is_gone_after_the_flush_time() {
    for is_noticed_by_writing in [false, true] {
        let mut small = small(Config::default());
        let (watcher, ghost) = (small.connect(1), small.connect(2));
        small.say(&ghost, "boo\n".repeat(4000));
        ghost.pipe.borrow_mut().broken = Some(Errno::CONNRESET);
        if is_noticed_by_writing {
            small.say(&watcher, "is anybody here?\n");
        }
        small.note(&ghost);
        let flush = Config::default().flush;
        small.pass(flush - SECOND / 2);
        assert_eq!(small.hub.here(), 2);
        small.pass(SECOND);
        assert_eq!((small.hub.here(), small.hub.connections()), (1, 1));
        let heard = watcher.take_text().matches(": boo\n").count();
        assert!((20..=80).contains(&heard), "{heard} lines");
    }
}

#[test]
fn a_kernel_short_of_memory_for_a_moment_costs_no_connection() {
    for errno in [Errno::NOBUFS, Errno::NOMEM] {
        let mut small = small(Config::default());
        let (alice, bob) = (small.connect(1), small.connect(2));
        alice.pipe.borrow_mut().read_fails = Some(errno);
        bob.pipe.borrow_mut().write_fails = Some(errno);
        bob.take_text();
        small.say(&alice, "hello\n");
        assert_eq!(bob.take_text(), "");
        // No event comes when there is memory again.
        small.pass(SECOND);
        assert_eq!(bob.take_text(), "guest1: hello\n");
        bob.pipe.borrow_mut().write_fails = Some(errno);
        small.say(&alice, "/quit\n");
        small.end(&bob);
        small.pass(SECOND);
        assert_eq!(bob.take_text(), "* guest1 left\n");
    }
}

#[test]
fn a_kernel_short_of_memory_for_long_costs_no_connection() {
    let mut small = small(Config::default());
    let (alice, bob) = (small.connect(1), small.connect(2));
    bob.take_text();
    let fail = || bob.pipe.borrow_mut().write_fails = Some(Errno::NOBUFS);
    fail();
    small.say(&alice, "hello\n");
    for _ in 0..700 {
        fail();
        small.pass(SECOND / 10);
    }
    // Nor do two, with a process that was stopped in between.
    fail();
    small.now += 90 * SECOND;
    small.turns();
    assert_eq!(bob.take_text(), "");
    small.pass(SECOND);
    assert_eq!(bob.take_text(), "guest1: hello\n");
    assert!(!bob.pipe.borrow().closed);
}

const PAGE: &str = "GET / HTTP/1.1\r\nHost: 10.0.0.1:50005\r\nUser-Agent: Mozilla/5.0\r\n\r\n";

#[test]
fn what_the_kernel_has_no_memory_for_is_no_silence() {
    // The longest silence of a member, of a spare connection, and within a chunk.
    for (silence, browser) in [(SECOND, false), (30 * SECOND, true), (SECOND / 5, false)] {
        let mut small = Small::new(Config { idle: SECOND, ..Config::default() });
        if browser {
            let page = small.connect(2);
            small.say(&page, PAGE);
            small.end(&page);
        }
        let bob = small.connect(2);
        let first = if silence < SECOND { "hel" } else { "" };
        small.say_later(&bob, first);
        small.turns();
        small.pass(silence - Duration::from_millis(10));
        bob.pipe.borrow_mut().read_fails = Some(Errno::NOBUFS);
        small.say(&bob, format!("{}\n", &"hello"[first.len()..]));
        small.pass(Duration::from_millis(20));
        assert!(!bob.pipe.borrow().closed, "{silence:?}");
        small.pass(SECOND / 2);
        let heard = bob.take_text();
        assert!(heard.contains(": hello\n"), "{silence:?}: {heard}");
    }
}

#[test]
fn a_request_in_a_socket_without_memory_is_waited_for() {
    let mut small = Small::new(Config::default());
    let browser = small.connect(2);
    small.pass(Config::default().greeting - Duration::from_millis(10));
    browser.pipe.borrow_mut().read_fails = Some(Errno::NOBUFS);
    small.say(&browser, PAGE);
    small.pass(Duration::from_millis(20));
    assert_eq!(browser.take_text(), "");
    small.pass(SECOND / 2);
    assert!(browser.take_text().starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_pass_in_which_nobody_wants_what_was_said_is_cut_too() {
    const CROWD: usize = 100;
    let config = Config { per_address: 0, rate: 0, slice_writes: 10, ..Config::default() };
    let mut small = small(config);
    let speaker = small.connect(2);
    for client in crowd(&mut small, CROWD) {
        small.say(&client, "/ignore guest1\n");
    }
    let before = small.hub.counts().looks;
    small.say_later(&speaker, "is anybody here?\n");
    small.turn();
    let looks = small.hub.counts().looks - before;
    assert!((5..=20).contains(&looks), "{looks} places looked at in a slice of 10 writes");
    small.turns();
    assert_eq!(small.hub.counts().looks - before, 1 + CROWD as u64);
}

#[test]
fn a_pass_over_many_that_lack_nothing_is_cut() {
    const CROWD: usize = 1000;
    let config = Config { per_address: 0, rate: 0, slice_writes: 10, ..Config::default() };
    let mut small = small(config);
    let crowd = crowd(&mut small, CROWD);
    for client in &crowd {
        client.pipe.borrow_mut().room = Some(0);
    }
    small.say(&crowd[0], "now none of them can be written to\n");
    let before = small.hub.counts().looks;
    small.say_later(&crowd[0], "again\n");
    small.turn();
    let looks = small.hub.counts().looks - before;
    assert!(looks <= 640, "{looks} places looked at in a slice of 10 writes");
    small.turns();
    assert_eq!(small.hub.counts().looks - before, CROWD as u64);
}

#[test]
fn a_crowd_that_has_gone_costs_nothing() {
    let mut small = small(Config { per_address: 0, rate: 0, ..Config::default() });
    let speaker = small.connect(2);
    let crowd = crowd(&mut small, 1000);
    for client in &crowd {
        small.end(client);
    }
    small.pass(2 * SECOND);
    assert_eq!(small.hub.connections(), 1);
    let before = small.hub.counts().looks;
    small.say(&speaker, "hello\n");
    assert_eq!(small.hub.counts().looks - before, 1);
}

#[test]
fn messages_do_not_keep_a_lagging_client_from_speaking() {
    let mut small = small(Config { rate: 0, ..Config::default() });
    let (alice, bob) = (small.connect(1), small.connect(2));
    bob.pipe.borrow_mut().room = Some(0);
    // This reply and the messages together are more than its replies alone may be.
    small.say(&bob, "/help\n");
    small.say(&alice, "/msg guest2 hello\n".repeat(1000));
    let text = alice.take_text();
    let refused = text.matches("* not sent: guest2 has too much unread\n").count();
    assert!((1..1000).contains(&refused), "{refused} refused");
    small.say(&bob, "I am still here\n");
    assert_eq!(alice.take_text(), "guest2: I am still here\n");
    // Its own replies reach the limit, as ever.
    small.say(&bob, "/help\n".repeat(100));
    small.say(&bob, "and now?\n");
    assert_eq!(alice.take_text(), "");
    bob.pipe.borrow_mut().room = None;
    small.note(&bob);
    assert_eq!(alice.take_text(), "guest2: and now?\n");
}

#[test]
fn the_dead_do_not_wait_for_their_greeting() {
    let greeting = 3600 * SECOND;
    let mut small = Small::new(Config { greeting, per_address: 0, ..Config::default() });
    for begun in ["", "hello"].repeat(50) {
        let client = small.connect(1);
        small.say(&client, begun);
        client.pipe.borrow_mut().broken = Some(Errno::CONNRESET);
        small.note(&client);
    }
    assert_eq!((small.hub.connections(), small.hub.wait()), (0, Wait::Forever));
    // Nor does any client get a notice of them, or of what they had begun to send.
    assert_eq!(small.said(), "");
}

#[test]
fn half_a_character_waits_in_raw_mode_though_others_speak() {
    let mut small = small(Config { raw: true, ..Config::default() });
    let (alice, bob) = (small.connect(1), small.connect(2));
    bob.take_text();
    let (half, rest) = "네".as_bytes().split_at(2);
    small.say(&alice, half);
    small.pass(4 * SECOND);
    small.say(&bob, "x");
    small.say(&alice, rest);
    assert_eq!(bob.take_text(), "x네");
    small.say(&alice, half);
    small.pass(6 * SECOND);
    assert_eq!(bob.pipe.borrow().received, half);
}

#[test]
fn a_small_turn_behind_a_full_one_waits_a_moment_for_more() {
    const MOMENT: Duration = Duration::from_millis(1);
    let mut small = small(Config { rate: 0, per_address: 0, ..Config::default() });
    let (alice, bob) = (small.connect(1), small.connect(2));
    let full = format!("{}\n", "a".repeat(1000)).repeat(40);
    let heard = |small: &Small| (bob.take_text().lines().count(), small.hub.wait());
    small.say(&alice, "in a quiet room\n");
    assert!(matches!(heard(&small), (1.., Wait::Forever)));
    small.say(&alice, &full);
    assert_eq!(heard(&small).0, 40);
    small.say(&alice, "the rest\n");
    let until = small.now + MOMENT;
    assert_eq!(heard(&small), (0, Wait::Until(until)));
    small.pass(MOMENT);
    assert_eq!(heard(&small), (1, Wait::Forever));
    small.say(&alice, "at once again\n");
    assert_eq!(heard(&small), (1, Wait::Forever));
    // A full turn ends the wait, and so does the end of a client.
    small.say(&alice, &full);
    small.say(&alice, "the rest\n");
    small.say(&alice, &full);
    assert_eq!(heard(&small).0, 81);
    small.say(&alice, "goodbye\n");
    assert_eq!(heard(&small).0, 0);
    small.end(&alice);
    assert_eq!(bob.take_text(), "guest1: goodbye\n* guest1 left\n");
}

#[test]
fn a_stop_does_not_wait_behind_a_full_turn() {
    let mut small = small(Config { rate: 0, per_address: 0, ..Config::default() });
    let (alice, bob) = (small.connect(1), small.connect(2));
    small.say(&alice, format!("{}\n", "a".repeat(1000)).repeat(40));
    small.say(&alice, "the rest\n");
    bob.take_text();
    small.hub.stop(small.now);
    small.turns();
    assert_eq!(bob.take_text(), "guest1: the rest\n* server shutting down\n");
}

#[test]
fn a_turn_with_no_room_for_the_next_line_is_not_kept_back() {
    let config = Config { rate: 0, window: 32768, max_line: 8000, ..Config::default() };
    let mut small = small(config);
    let (alice, bob) = (small.connect(1), small.connect(2));
    let [short, large] = [1500, 7000].map(|bytes| format!("{}\n", "a".repeat(bytes)));
    small.say(&alice, &large);
    bob.take_text();
    small.say(&alice, [short, large].concat());
    assert_eq!(bob.take_text().lines().count(), 2);
}
