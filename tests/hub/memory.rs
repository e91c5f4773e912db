//! What the window takes while nobody lacks anything, and while a client does.

use std::time::Duration;

use chinwag::config::Config;
use chinwag::room::LOBBY;
use chinwag::room::forms::Form;
use chinwag::room::transcript::PAGE_BYTES;
use rustix::io::Errno;

use crate::small::{Seat, Small};

const LINES: &str = "a line that is neither short nor long, as people say it\n";

fn two(window: usize) -> (Small, [Seat; 2]) {
    let notices = 0;
    Small::with_two(Config { window, rate: 0, notices, history: 10, ..Config::default() })
}

/// A megabyte is said, and the second client reads it with the others or not.
fn say_a_megabyte(small: &mut Small, talker: &Seat) {
    for _ in 0..100 {
        small.say(talker, LINES.repeat(150));
        small.pass(Duration::from_millis(1));
    }
}

#[test]
fn nothing_is_held_before_anything_is_said() {
    let (small, _) = two(1 << 22);
    assert_eq!((small.hub.transcript().head(), small.hub.pages().held()), (0, 0));
}

#[test]
fn a_room_whose_readers_keep_up_holds_its_history_alone() {
    let (mut small, [alice, bob]) = two(1 << 22);
    say_a_megabyte(&mut small, &alice);
    let transcript = small.hub.transcript();
    assert!(transcript.head() > 900_000);
    let kept = (transcript.head() - transcript.tail()) as usize;
    let history = Config::default().history_bytes;
    assert!((history - 100..=history).contains(&kept), "{kept}");
    let held = small.hub.pages().held();
    assert!(held <= 2 * PAGE_BYTES + 3 * 1024, "{held}");
    // And it is enough for who asks, and for who comes.
    bob.take_text();
    small.say(&bob, "/history 10\n");
    assert_eq!(bob.take_text().matches("a line that is").count(), 10);
    assert_eq!(small.connect(3).take_text().matches("a line that is").count(), 10);
}

#[test]
fn what_a_slow_client_lacks_is_held_until_it_has_it() {
    let (mut small, [alice, bob]) = two(1 << 22);
    bob.pipe.borrow_mut().room = Some(0);
    say_a_megabyte(&mut small, &alice);
    assert!(small.hub.pages().held() > 900_000);
    bob.pipe.borrow_mut().room = None;
    small.note(&bob);
    assert_eq!(bob.take_text().matches("a line that is").count(), 15_000);
    small.say(&alice, "one more\n");
    assert!(small.hub.pages().held() < 50_000);
}

#[test]
fn a_client_that_lapses_holds_nothing_any_more() {
    let (mut small, [alice, bob]) = two(1 << 18);
    bob.pipe.borrow_mut().room = Some(0);
    say_a_megabyte(&mut small, &alice);
    assert!(small.hub.pages().held() < 50_000);
    bob.pipe.borrow_mut().room = None;
    small.note(&bob);
    let text = bob.take_text();
    let missed: usize =
        text.split("* you missed ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert_eq!(missed + text.matches("a line that is").count(), 15_000, "{missed}");
}

#[test]
fn what_the_operator_lacks_is_held_as_a_clients_is() {
    let (mut small, [alice, _]) = two(1 << 22);
    small.hub.note_printed(LOBBY, Some((Form::Plain, 0)));
    say_a_megabyte(&mut small, &alice);
    assert_eq!(small.hub.transcript().tail(), 0);
    small.hub.note_printed(LOBBY, None);
    small.say(&alice, "one more\n");
    assert!(small.hub.pages().held() < 50_000);
}

#[test]
fn a_newcomer_is_shown_history_though_much_is_said_meanwhile() {
    let greeting = Duration::from_secs(1);
    let config = Config { greeting, rate: 0, history: 10, notices: 0, ..Config::default() };
    let mut small = Small::new(config);
    let alice = small.connect(1);
    small.say(&alice, "early\n".repeat(10));
    let bob = small.connect(2);
    small.say(&alice, LINES.repeat(500));
    small.pass(2 * greeting);
    let text = bob.take_text();
    assert_eq!(text.matches(": early\n").count(), 10, "{text}");
    assert_eq!(text.matches("a line that is").count(), 500);
}

#[test]
fn the_form_of_the_last_telnet_is_given_back() {
    let (mut small, [alice, bob]) = two(1 << 22);
    small.say(&bob, b"hello\r\n");
    bob.pipe.borrow_mut().room = Some(0);
    small.say(&alice, LINES);
    assert!(small.hub.pages().held() > small.hub.transcript().held());
    bob.pipe.borrow_mut().broken = Some(Errno::CONNRESET);
    small.note(&bob);
    assert_eq!(small.hub.connections(), 1);
    assert_eq!(small.hub.pages().held(), small.hub.transcript().held());
}
