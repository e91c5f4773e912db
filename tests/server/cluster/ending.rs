//! Servers that end, and what the others say about them.

use std::time::{Duration, Instant};

use super::{Engine, two};

#[test]
#[ignore = "needs redis-server"]
fn a_server_that_is_stopped_is_gone_at_once_for_the_others() {
    let engine = Engine::start();
    let [(_a, mut alice), (mut b, mut bob)] = two(&engine);
    bob.send("/nick bob\nlast words\n");
    bob.read_until("bob: last words\n");
    b.signal("TERM");
    bob.read_until("* server shutting down\n");
    alice.read_until("bob: last words\n");
    alice.read_until("* server b is gone (1 left)\n");
    assert!(b.wait_for_end().success());
    alice.send("/who\n/nick bob\n");
    alice.read_until("* 1 here: guest1-a\n");
    alice.read_until("* guest1-a is now bob\n");
    // It may come again.
    let again = engine.node("b");
    let (_carol, _) = again.join();
    alice.read_until("-b joined\n");
}

#[test]
#[ignore = "needs redis-server"]
fn a_server_that_is_killed_is_gone_after_half_a_minute() {
    let engine = Engine::start();
    let [(_a, mut alice), (b, mut bob)] = two(&engine);
    let (_carol, _) = b.join();
    bob.send("/nick bob\n");
    alice.read_until("* guest1-b is now bob\n");
    b.signal("KILL");
    alice.send("/nick bob\n");
    alice.read_until("* bob is taken\n");
    // The others say hello every 10 s, and find it at the first one that is late enough.
    let deadline = Instant::now() + Duration::from_secs(60);
    let told = "* server b is gone (2 left)\n";
    while !alice.read_text().contains(told) && Instant::now() < deadline {
        alice.read_once();
    }
    alice.read_until(told);
    alice.send("/who\n/nick bob\n");
    alice.read_until("* 1 here: guest1-a\n");
    alice.read_until("* guest1-a is now bob\n");
}

#[test]
#[ignore = "needs redis-server"]
fn a_server_that_is_started_again_has_its_names_back() {
    let engine = Engine::start();
    let [(_a, mut alice), (mut b, mut bob)] = two(&engine);
    bob.send("/nick bob\n");
    alice.read_until("* guest1-b is now bob\n");
    b.signal("KILL");
    b.wait_for_end();
    let again = engine.node("b");
    let (mut bob, _) = again.join();
    alice.read_until("* server b is gone (1 left)\n");
    bob.send("/nick bob\nhello\n");
    alice.read_until("* guest1-b is now bob\nbob: hello\n");
    assert!(!alice.read_text().contains("missed"), "{}", alice.read_text());
}

#[test]
#[ignore = "needs redis-server"]
fn the_later_of_two_servers_with_one_name_stays() {
    let engine = Engine::start();
    let [(mut a, mut alice), (_b, mut bob)] = two(&engine);
    alice.send("/nick alice\n");
    bob.read_until("* guest1-a is now alice\n");
    let later = engine.node("a");
    let (mut carol, _) = later.join();
    assert!(a.wait_for_end().success());
    let why = "another server has started under its name";
    assert!(a.stderr().contains(why), "{}", a.stderr());
    alice.read_to_end();
    bob.read_until("* server a is gone (1 left)\n");
    carol.send("/nick alice\nhello\n");
    bob.read_until("alice: hello\n");
    bob.send("/who\n");
    bob.read_until("* 2 here: ");
}
