//! Private messages, and clients that are ignored.

use super::{ask, people, read_up_to_mark};
use crate::support::{Client, Server, numbered, say_in_step};

fn forget_all<'a>(clients: impl IntoIterator<Item = &'a mut Client>) {
    clients.into_iter().for_each(Client::forget);
}

#[test]
fn a_private_message_is_seen_by_two_and_answered_without_a_name() {
    let server = Server::start(&[]);
    let [mut alice, mut bob, mut carol] = people(&server);
    let nobody = "* nobody to answer: you have had no private message from anyone here\n";
    assert_eq!(ask(&mut bob, &mut alice, "/r hello?"), nobody);
    carol.read_until_last("guest2: after\n");
    forget_all([&mut carol]);
    alice.send("/msg guest2 밥  먹었어?\n");
    let asked = "[guest1 -> guest2] 밥  먹었어?\n";
    bob.read_until_last(asked);
    // After a new name, it can still be answered.
    alice.send("/nick 영희\n");
    bob.read_until_last("* guest1 is now 영희\n");
    bob.send("/r 응\n");
    let answered = "[guest2 -> 영희] 응\n";
    for client in [&mut alice, &mut bob] {
        client.read_until_last(answered);
        assert_eq!(client.read_text(), format!("{asked}* guest1 is now 영희\n{answered}"));
    }
    alice.send("/r 다행이다\n");
    bob.read_until_last("[영희 -> guest2] 다행이다\n");
    carol.send("mark\n");
    carol.read_until_last("guest3: mark\n");
    assert_eq!(carol.read_text(), "* guest1 is now 영희\nguest3: mark\n");
    assert!(!server.stdout().contains("->"));
    drop(alice);
    bob.read_until("* 영희 left\n");
    carol.read_until("* 영희 left\n");
    forget_all([&mut bob, &mut carol]);
    assert_eq!(ask(&mut bob, &mut carol, "/r are you there?"), nobody);
}

#[test]
fn a_message_to_oneself_is_shown_once() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = people(&server);
    let answer = ask(&mut alice, &mut bob, "/msg guest1 note");
    assert_eq!(answer, "[guest1 -> guest1] note\n");
}

#[test]
fn nothing_of_an_ignored_client_is_seen_whatever_its_name() {
    let server = Server::start(&[]);
    let [mut alice, mut bob, mut carol] = people(&server);
    assert_eq!(ask(&mut alice, &mut carol, "/ignore"), "* ignoring nobody\n");
    assert_eq!(ask(&mut alice, &mut carol, "/ignore GUEST2"), "* ignoring guest2\n");
    bob.read_until("after\n");
    bob.read_until_last("guest1: after\n");
    forget_all([&mut bob]);
    bob.send("one\n/me two\n/nick troll\nthree\n/msg guest1 four\n/msg guest3 five\n");
    // The sender sees it as if it had arrived.
    bob.read_until_last("[troll -> guest3] five\n");
    let renamed = "* guest2 is now troll\n";
    let said = format!("guest2: one\n~ guest2 two\n{renamed}troll: three\n");
    let to_alice = "[troll -> guest1] four\n";
    let to_carol = "[troll -> guest3] five\n";
    assert_eq!(bob.read_text(), format!("{said}{to_alice}{to_carol}"));
    carol.read_until_last(to_carol);
    assert_eq!(carol.read_text(), format!("{said}{to_carol}"));
    assert_eq!(read_up_to_mark(&mut alice), "");
    let nobody = "* nobody to answer: you have had no private message from anyone here\n";
    carol.read_until_last("the mark\n");
    forget_all([&mut carol]);
    assert_eq!(ask(&mut alice, &mut carol, "/r what?"), nobody);
    assert_eq!(ask(&mut alice, &mut carol, "/ignore"), "* ignoring: troll\n");
    assert_eq!(ask(&mut alice, &mut carol, "/unignore troll"), "* no longer ignoring troll\n");
    let not = "* you are not ignoring troll\n";
    assert_eq!(ask(&mut alice, &mut carol, "/unignore troll"), not);
    bob.send("back\n");
    alice.read_until_last("troll: back\n");
    assert_eq!(alice.read_text(), "troll: back\n");
}

#[test]
fn the_ignored_are_not_heard_through_names_or_last_words() {
    let server = Server::start(&[]);
    let [mut alice, mut bob, mut carol] = people(&server);
    assert_eq!(ask(&mut alice, &mut carol, "/ignore guest2"), "* ignoring guest2\n");
    bob.send("/nick shout\n/quit shouting\n");
    carol.read_until_last("* shout left\n");
    assert_eq!(carol.read_text(), "* guest2 is now shout\nshout: shouting\n* shout left\n");
    alice.read_until_last("* shout left\n");
    assert_eq!(alice.read_text(), "* shout left\n");
}

#[test]
fn a_client_without_echo_is_told_its_new_name() {
    let server = Server::start(&["--no-echo"]);
    let [mut alice, mut bob] = people(&server);
    alice.send("/nick 지현\n");
    alice.read_until_last("* guest1 is now 지현\n");
    bob.read_until_last("* guest1 is now 지현\n");
}

#[test]
fn only_clients_here_are_ignored_not_later_bearers_of_the_name() {
    let server = Server::start(&[]);
    let [mut alice, mut bob, mut carol] = people(&server);
    let nobody = "* nobody here is called dave\n";
    assert_eq!(ask(&mut alice, &mut carol, "/ignore dave"), nobody);
    assert_eq!(ask(&mut alice, &mut carol, "/unignore dave"), nobody);
    let own = "* that is you; /echo off hides your own lines\n";
    assert_eq!(ask(&mut alice, &mut carol, "/ignore guest1"), own);
    bob.send("/nick dave\n");
    alice.read_until_last("* guest2 is now dave\n");
    carol.read_until_last("* guest2 is now dave\n");
    forget_all([&mut alice, &mut carol]);
    assert_eq!(ask(&mut alice, &mut carol, "/ignore dave"), "* ignoring dave\n");
    drop(bob);
    alice.read_until_last("* dave left\n");
    carol.read_until_last("* dave left\n");
    forget_all([&mut alice, &mut carol]);
    assert_eq!(ask(&mut alice, &mut carol, "/ignore"), "* ignoring nobody\n");
    carol.send("/nick dave\nhello\n");
    alice.read_until_last("dave: hello\n");
}

#[test]
fn at_most_fifty_are_ignored_and_one_that_left_makes_room() {
    let server = Server::start(&[]);
    let (mut alice, _) = server.enter();
    let mut crowd: Vec<(Client, String)> = (0..51).map(|_| server.enter()).collect();
    let ignore: String = (2..53).map(|number| format!("/ignore guest{number}\n")).collect();
    alice.send(ignore);
    let most = "* you already ignore 50 people, the maximum\n";
    let read = alice.read_until(most);
    assert!(read.contains("* ignoring guest51\n") && !read.contains("* ignoring guest52\n"));
    drop(crowd.remove(0));
    // In a notice of its own or in a summary.
    alice.read_until(" left");
    alice.send("/ignore guest52\n");
    alice.read_until("* ignoring guest52\n");
}

#[test]
fn private_messages_beyond_8_kib_unread_are_refused_and_told() {
    let server = Server::start(&["--window", "32768"]);
    let [mut alice] = people(&server);
    let (mut bob, _) = server.join_narrow();
    alice.read_until_last(") joined\n");
    alice.forget();
    // More than the kernel holds for this client.
    let text = numbered(0, 1024, 1024);
    say_in_step((&mut alice, "guest1"), &text, 4096, &mut []);
    alice.forget();
    // Each is charged 3980 bytes and those around it, so the third has no room.
    let texts = ["a", "b", "c"].map(|letter| letter.repeat(3980));
    let lines = texts.each_ref().map(|text| format!("[guest1 -> guest2] {text}\n"));
    let refused = "* not sent: guest2 has too much unread\n";
    for (text, answer) in texts.iter().zip([&lines[0], &lines[1], refused]) {
        alice.send(format!("/msg guest2 {text}\n"));
        alice.read_until_last(answer);
        assert_eq!(alice.read_text(), answer);
        alice.forget();
    }
    alice.send("done\n");
    bob.read_until_last("guest1: done\n");
    let read = bob.read_text();
    let private: Vec<&str> =
        read.split_inclusive('\n').filter(|line| line.starts_with('[')).collect();
    assert_eq!(private, [lines[0].as_str(), lines[1].as_str()]);
    // There is room again.
    alice.send("/msg guest2 now?\n");
    bob.read_until_last("[guest1 -> guest2] now?\n");
}
