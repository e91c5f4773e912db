//! Passwords of the server and of rooms: until a client has told one, it hears and says nothing.

use std::net::SocketAddr;
use std::time::Duration;

use chinwag::config::Config;
use chinwag::hub::admit::Entrance;
use chinwag::words::names::Name;

use crate::small::{Seat, Small};

const SECOND: Duration = Duration::from_secs(1);
const ASKED: &str = "* a password is needed: /password SECRET lets you in\n";

fn config() -> Config {
    Config { hide_addresses: true, rate: 0, per_address: 0, ..Config::default() }
}

/// A server with a password, and a client that is in.
fn locked() -> (Small, Seat) {
    let mut small = Small::new(Config {
        password: Some("s3cret".to_owned()),
        greeting: Duration::ZERO,
        ..config()
    });
    let alice = small.connect(1);
    small.say(&alice, "/password s3cret\n");
    alice.take_text();
    (small, alice)
}

#[test]
fn until_the_password_is_told_nothing_is_said_and_nothing_heard() {
    let (mut small, alice) = locked();
    let bob = small.connect(2);
    assert_eq!(bob.take_text(), ASKED);
    small.say(&alice, "hello\n/who\n/msg guest2 psst\n/say all\n");
    let text = alice.take_text();
    assert!(text.starts_with("guest1: hello\n* 1 here: guest1\n* nobody here is called guest2\n"));
    let deeds = ["noise", "/me waves", "/who", "/msg guest1 hi", "/join den", "/nick x", "//x"];
    for deed in deeds {
        small.say(&bob, format!("{deed}\n"));
        assert_eq!(bob.take_text(), ASKED, "{deed}");
    }
    let carol = small.connect(3);
    small.say(&bob, "/quit so long\n");
    assert!(bob.take_text().starts_with("* bye"));
    assert_eq!(carol.take_text(), ASKED);
    small.pass(2 * SECOND);
    assert_eq!(alice.take_text(), "");
    assert_eq!((small.hub.connections(), small.hub.rooms()), (2, 1));
}

#[test]
fn with_the_password_it_is_welcomed_and_announced() {
    let (mut small, alice) = locked();
    let bob = small.connect(2);
    forget_one(&bob);
    small.say(&bob, "/password s3cret\nhello\n");
    assert_eq!(
        bob.take_text(),
        "* welcome, you are guest2, 2 here\n* guest2 joined\nguest2: hello\n"
    );
    assert_eq!(alice.take_text(), "* guest2 joined\nguest2: hello\n");
    small.say(&bob, "/rooms\n/join server\n/quit\n");
    let text = bob.take_text();
    assert!(text.starts_with("* 1 room: lobby 2\n* server is reserved\n"), "{text}");
    assert_eq!(alice.take_text(), "* guest2 left\n");
}

fn forget_one(seat: &Seat) {
    seat.take_text();
}

#[test]
fn a_guess_takes_a_second_and_there_are_three() {
    let (mut small, alice) = locked();
    let bob = small.connect(2);
    small.say(&bob, "/password a\n/password s3cre\n/password s3crett\n/password s3cret\n");
    small.pass(9 * SECOND);
    let text = bob.take_text();
    assert!(text.ends_with("2 tries left\n* wrong, 1 try left\n* closed: too many wrong tries\n"));
    assert!(bob.pipe.borrow().closed);
    assert_eq!(alice.take_text(), "");
}

#[test]
fn operators_and_the_terminal_need_no_password() {
    let (mut small, _alice) = locked();
    assert!(small.control().take_text().starts_with("* welcome"));
    small.host();
}

#[test]
fn a_room_with_a_password_is_entered_with_it_or_by_invitation() {
    let (mut small, [alice, bob]) = Small::with_two(config());
    small.say(&alice, "/join den\n/password open sesame\n");
    assert!(alice.take_text().ends_with("* guest1 set a password for the room\n"));
    forget_one(&bob);
    small.say(&bob, "/join den\n/join den shut\n");
    let needed = "* den has a password: /join den SECRET\n";
    assert_eq!(bob.take_text(), format!("{needed}* wrong, 2 tries left\n"));
    small.pass(SECOND);
    small.say(&alice, "/password sesame\n");
    small.say(&bob, "/join den sesame\n");
    assert!(bob.take_text().starts_with("* you are in den, 2 here\n"));
    small.say(&bob, "/leave\n/password mine\n");
    assert!(bob.take_text().contains("can use /password SECRET\n"));
    small.say(&alice, "/invite guest2\n");
    small.say(&bob, "/join den\n");
    assert!(bob.take_text().contains("* you are in den, 2 here\n"));
    small.say(&alice, "/password\n");
    small.say(&bob, "/leave\n/join den\n");
    assert!(bob.take_text().contains("* you are in den, 2 here\n"));
}

#[test]
fn a_listener_whose_room_has_a_password_asks_for_that() {
    let (mut small, [alice, bob]) = Small::with_two(config());
    let den = small.hub.open_room(&Name::parse("den").unwrap(), small.now);
    let by = Entrance::to(den);
    let address = |last| SocketAddr::from(([10, 0, 0, last], 1));
    let operator = small.control();
    small.say(&operator, "/join den\n/password sesame\n");
    let carol = small.connect_from(address(3), by);
    assert_eq!(carol.take_text(), ASKED);
    small.say(&carol, "/password sesame\n");
    let text = carol.take_text();
    assert!(text.starts_with("* welcome, you are guest4, 1 here\n* you are in den, 1 here\n"));
    forget_one(&alice);
    small.say(&carol, "hi\n");
    assert_eq!((alice.take_text(), bob.take_text()), (String::new(), String::new()));
}

#[test]
fn topics_and_passwords_outlast_a_restart() {
    let (mut small, [alice, _bob]) = Small::with_two(config());
    let operator = small.control();
    small.say(&operator, "/topic of the lobby\n");
    small.say(&alice, "/join Den\n/password sesame\n/topic  two  words \n");
    small.say(&operator, "/join den sesame\n");
    small.say(&alice, "/join attic\n/topic x\n");
    let kept = small.hub.rooms_text();
    let lines =
        "lobby topic of the lobby\nDen topic two  words\nDen password sesame\nattic topic x\n";
    assert_eq!(kept, lines);
    let (mut small, [alice, _bob]) = Small::with_two(config());
    assert_eq!(small.hub.take_rooms_text(&format!("{kept}junk\nden what x\n")), 2);
    assert_eq!(small.hub.rooms_text().lines().count(), 4);
    small.say(&alice, "/topic\n/join den\n/rooms\n/join DEN sesame\n");
    let text = alice.take_text();
    assert!(
        text.starts_with("* topic: of the lobby\n* den has a password: /join den SECRET\n* 1 room"),
        "{text}"
    );
    assert!(text.ends_with("* topic: two  words\n* guest1 joined\n"), "{text}");
    // A room that is gone keeps nothing.
    small.say(&alice, "/join attic\n/leave\n");
    small.pass(SECOND);
    assert_eq!(small.hub.rooms_text(), "lobby topic of the lobby\n");
}
