//! Several rooms: who hears what, how a client goes from one to another, and what a room costs.

use std::time::Duration;

use chinwag::config::{Config, ROOMS_PER_ADDRESS};
use chinwag::hub::moderation::Operators;

use crate::small::{Seat, Small};

const SECOND: Duration = Duration::from_secs(1);

fn config() -> Config {
    Config { hide_addresses: true, rate: 0, per_address: 0, ..Config::default() }
}

fn two() -> (Small, [Seat; 2]) {
    Small::with_two(config())
}

/// These have read what there was.
fn forget<const MANY: usize>(seats: [&Seat; MANY]) {
    seats.iter().for_each(|seat| _ = seat.take_text());
}

#[test]
fn what_is_said_in_a_room_is_heard_there_alone() {
    let (mut small, [alice, bob]) = two();
    let carol = small.connect(3);
    small.say(&alice, "/join garden\n");
    small.say(&bob, "/join GARDEN\n");
    forget([&alice, &bob, &carol]);
    small.say(&alice, "roses\n");
    small.say(&carol, "lobby\n");
    assert_eq!(alice.take_text(), "guest1: roses\n");
    assert_eq!(bob.take_text(), "guest1: roses\n");
    assert_eq!(carol.take_text(), "guest3: lobby\n");
}

#[test]
fn both_rooms_are_told_of_a_client_that_moves() {
    let (mut small, [alice, bob]) = two();
    small.say(&bob, "/join garden\n");
    assert_eq!(bob.take_text(), "* you are in garden, 1 here\n* guest2 joined\n");
    assert_eq!(alice.take_text(), "* guest2 went to garden\n");
    small.say(&alice, "/join garden\n");
    assert_eq!(bob.take_text(), "* guest1 joined\n");
    small.say(&bob, "/leave\n");
    assert_eq!(bob.take_text(), "* you are in lobby, 1 here\n* guest2 joined\n");
    assert!(alice.take_text().ends_with("* guest2 went to lobby\n"));
    small.say(&bob, "/leave\n/who\n");
    assert_eq!(bob.take_text(), "* you are in lobby already\n* 1 here: guest2\n");
}

#[test]
fn what_is_sent_behind_a_move_is_heard_in_the_new_room() {
    let (mut small, [alice, bob]) = two();
    small.say(&bob, "/join garden\n");
    forget([&alice, &bob]);
    small.say(&alice, "before\n/join garden\nbehind\n/leave\n/quit bye\n");
    assert_eq!(bob.take_text(), "* guest1 joined\nguest1: behind\n* guest1 went to lobby\n");
    let heard = alice.take_text();
    assert!(heard.starts_with("guest1: before\n* you are in garden, 2 here\n"), "{heard}");
    assert!(heard.contains("guest1: bye\n"), "{heard}");
}

#[test]
fn a_slow_client_has_all_of_its_room_before_it_moves() {
    let (mut small, [alice, bob]) = two();
    bob.pipe.borrow_mut().room = Some(0);
    small.say(&alice, "one\ntwo\n");
    small.say(&bob, "/join garden\n");
    small.say(&alice, "three\n/join garden\n");
    small.say(&alice, "in the garden\n");
    // It has not come yet, so it is in neither.
    alice.take_text();
    small.say(&alice, "/who\n");
    assert_eq!(alice.take_text(), "* 1 here: guest1\n");
    bob.pipe.borrow_mut().room = None;
    small.note(&bob);
    small.say(&alice, "welcome\n");
    let heard = "guest1: one\nguest1: two\n* you are in garden, 2 here\n* guest2 joined\n";
    assert_eq!(bob.take_text(), format!("{heard}guest1: welcome\n"));
}

#[test]
fn a_client_that_moves_at_a_stop_gets_the_last_line() {
    let (mut small, [alice, bob]) = two();
    bob.pipe.borrow_mut().room = Some(0);
    small.say(&bob, "/join garden\n");
    let carol = small.connect(3);
    small.say_later(&alice, "/join garden\n");
    // The last line of the lobby does not fit into this turn any more.
    small.say_later(&carol, "x\n".repeat(8000));
    small.hub.listen(small.now);
    small.hub.stop(small.now);
    bob.pipe.borrow_mut().room = None;
    small.note(&bob);
    small.pass(2 * SECOND);
    for client in [&alice, &bob, &carol] {
        let heard = client.take_text();
        assert!(heard.ends_with("* server shutting down\n"), "{heard}");
        assert_eq!(heard.matches("shutting down").count(), 1, "{heard}");
    }
}

#[test]
fn nothing_from_another_room_comes_behind_the_last_line() {
    // How many turns what is sent has before the stop.
    for turns in 0..4 {
        let (mut small, [alice, bob]) = two();
        small.hub.set_operators(Operators::parse("kim s3cret").unwrap());
        small.say(&alice, "/oper s3cret\n");
        small.say(&bob, "/join garden\n");
        let carol = small.connect(3);
        small.say(&carol, "/join garden\n");
        forget([&alice, &bob]);
        small.say_later(&bob, "/msg guest1 psst\n");
        small.say_later(&alice, "/kick guest3\n");
        small.hub.listen(small.now);
        (0..turns).for_each(|_| small.turn());
        small.hub.stop(small.now);
        small.pass(2 * SECOND);
        let heard = alice.take_text();
        let answers = "[guest2 -> guest1] psst\n* done\n";
        assert_eq!(heard, format!("{answers}* server shutting down\n"), "{turns} turns");
        let heard = carol.take_text();
        assert!(heard.ends_with("* closed: guest1 disconnected you\n"), "{heard}");
    }
}

#[test]
fn a_message_reaches_a_client_in_another_room() {
    let (mut small, [alice, bob]) = two();
    small.say(&bob, "/join garden\n/nick bob\n");
    forget([&alice, &bob]);
    small.say(&alice, "/msg bob psst\n/nick bob\n");
    assert_eq!(bob.take_text(), "[guest1 -> bob] psst\n");
    small.say(&bob, "/r yes\n");
    assert_eq!(alice.take_text(), "[guest1 -> bob] psst\n* bob is taken\n[bob -> guest1] yes\n");
}

#[test]
fn a_topic_is_told_and_shown_to_all_that_come() {
    let (mut small, [alice, bob]) = two();
    small.say(&alice, "/topic\n/join garden\n/topic roses\n");
    assert!(alice.take_text().contains("* no topic; the host of a room sets it\n"));
    bob.take_text();
    small.say(&bob, "/join garden\n");
    assert!(bob.take_text().starts_with("* you are in garden, 2 here\n* topic: roses\n"));
    small.say(&bob, "/topic thorns\n");
    let refusal = "* only the host of this room or an operator can use /topic TEXT\n";
    assert_eq!(bob.take_text(), refusal);
    alice.take_text();
    small.say(&alice, format!("/topic {}\n", "x".repeat(401)));
    assert_eq!(alice.take_text(), "* line too long, not sent (limit 400 bytes)\n");
}

#[test]
fn a_room_goes_with_its_last_client_and_leaves_nothing() {
    let (mut small, [alice, bob]) = two();
    let held = small.hub.pages().held();
    for name in ["garden", "attic"] {
        small.say(&bob, format!("/join {name}\n/topic {name}\nhello\n"));
        assert_eq!(small.hub.rooms(), 2);
    }
    small.end(&bob);
    small.pass(2 * SECOND);
    assert_eq!((small.hub.rooms(), small.hub.connections()), (1, 1));
    assert!(small.hub.pages().held() <= held + 2048, "{}", small.hub.pages().held());
    small.say(&alice, "/join garden\n");
    assert!(!alice.take_text().contains("topic"));
}

#[test]
fn rooms_are_listed_by_how_many_are_in_them() {
    let (mut small, [alice, _bob]) = two();
    let others: Vec<Seat> = (0..60).map(|number| small.connect(9 + number / 10)).collect();
    for (number, other) in others.iter().enumerate() {
        small.say(other, format!("/join room{}\n", number.saturating_sub(1)));
    }
    alice.take_text();
    small.say(&alice, "/rooms\n");
    let text = alice.take_text();
    assert!(text.starts_with("* 60 rooms: lobby 2, room0 2, room1 1, room2 1"), "{text}");
    assert!(text.ends_with(" and 10 more\n"), "{text}");
}

#[test]
fn a_bad_name_of_a_room_gets_one_answer() {
    let (mut small, [alice, bob]) = two();
    small.say(&bob, "/join paypal\n");
    alice.take_text();
    for (name, answer) in [
        ("раураl", "* раураl looks like the name of another room\n"),
        ("admin", "* admin is reserved\n"),
        ("lobby", "* you are in lobby already\n"),
        ("of three words", "* usage: /join ROOM [SECRET]\n"),
        ("", "* usage: /join ROOM [SECRET]\n"),
    ] {
        small.say(&alice, format!("/join {name}\n"));
        assert_eq!(alice.take_text(), answer);
    }
    small.say(&alice, format!("/join {}\n", "x".repeat(33)));
    assert!(alice.take_text().starts_with("* that name is too long"));
    assert_eq!(small.hub.rooms(), 2);
}

#[test]
fn one_address_makes_a_few_rooms_at_a_time() {
    let (mut small, _two) = two();
    let many: Vec<Seat> = (0..=ROOMS_PER_ADDRESS).map(|_| small.connect(9)).collect();
    for (number, client) in many.iter().enumerate() {
        client.take_text();
        small.say(client, format!("/join room{number}\n"));
    }
    assert_eq!(small.hub.rooms(), 1 + ROOMS_PER_ADDRESS);
    let last = &many[ROOMS_PER_ADDRESS];
    assert!(last.take_text().contains("your address has made 16 rooms"));
    // A room that is there may be joined, and one that has gone makes room for another.
    small.say(last, "/join room0\n");
    assert!(last.take_text().starts_with("* you are in room0, 2 here\n"));
    small.say(&many[1], "/leave\n");
    small.say(last, "/join another\n");
    assert!(last.take_text().starts_with("* you are in another, 1 here\n"));
}

#[test]
fn a_flood_in_one_room_delays_another_little() {
    let (mut small, [flooder, talker]) = two();
    small.say(&flooder, "/join flood\n");
    let crowd: Vec<Seat> = (0..50).map(|_| small.connect(3)).collect();
    for client in &crowd {
        small.say(client, "/join flood\n");
    }
    talker.take_text();
    small.say_later(&flooder, "flood flood flood flood flood\n".repeat(4000));
    small.turn();
    small.say_later(&talker, "hello\n");
    let mut turns = 0;
    while talker.pipe.borrow().received.is_empty() {
        small.turn();
        turns += 1;
        assert!(turns < 4, "the lobby waits for the flood");
    }
    small.pass(SECOND);
    let heard = crowd[0].take_text();
    assert_eq!(heard.matches(": flood ").count(), 4000, "{}", &heard[..300]);
}

#[test]
fn a_line_touches_its_room_and_nobody_else() {
    let mut small = Small::new(Config { greeting: Duration::ZERO, ..config() });
    let many: Vec<Seat> = (0..200).map(|number| small.connect((number / 16) as u8)).collect();
    for (number, client) in many.iter().enumerate() {
        small.say(client, format!("/join room{}\n", number / 2));
    }
    let before = small.hub.counts().looks;
    small.say(&many[100], "hello\n");
    assert_eq!(small.hub.counts().looks - before, 2);
}

#[test]
fn passes_of_two_rooms_go_on_in_slices_of_a_byte() {
    let (mut small, [alice, bob]) =
        Small::with_two(Config { slice_bytes: 1, slice_writes: 1, ..config() });
    small.say(&bob, "/join garden\n");
    forget([&alice, &bob]);
    small.say_later(&alice, "in the lobby\n");
    small.say_later(&bob, "in the garden\n");
    small.turns();
    assert_eq!(alice.take_text(), "guest1: in the lobby\n");
    assert_eq!(bob.take_text(), "guest2: in the garden\n");
}
