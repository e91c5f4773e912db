//! What clients of several servers see of each other.

use std::time::Duration;

use super::{Engine, node_at, two};
use crate::binary::system::switches;
use crate::support::Client;

const LINES: usize = 3000;

/// The lines of both, in the order in which a client has read them.
fn race(client: &Client) -> Vec<String> {
    let text = client.read_text();
    let is_said = |line: &&str| line.contains(": number ");
    text.lines().filter(is_said).map(str::to_owned).collect()
}

#[test]
#[ignore = "needs redis-server"]
fn clients_of_two_servers_read_the_same_sequence() {
    let (engine, address) = Engine::start_on_a_port();
    // One by its port, one by its socket.
    let a = node_at(&format!("redis://{address}/chat"), "a");
    let b = engine.node("b");
    let mut clients = [a.join().0, b.join().0];
    clients[0].read_until("* guest1-b joined\n");
    for number in 0..LINES {
        clients.iter_mut().for_each(|client| client.send(format!("number {number}\n")));
        // They read on, so that no client falls behind.
        if number % 100 == 0 {
            clients.iter_mut().for_each(|client| _ = client.read_once());
        }
    }
    for client in &mut clients {
        for name in ["guest1-a", "guest1-b"] {
            client.read_past(&format!("{name}: number {}\n", LINES - 1));
        }
    }
    let [of_a, of_b] = clients.each_ref().map(race);
    assert!(of_a == of_b, "the sequences differ");
    for name in ["guest1-a", "guest1-b"] {
        let own = of_a.iter().filter(|line| line.starts_with(name)).cloned();
        let sent = (0..LINES).map(|number| format!("{name}: number {number}"));
        assert!(own.eq(sent), "not all of {name} came, once and in order");
    }
}

#[test]
#[ignore = "needs redis-server"]
fn a_name_is_of_one_client_in_all_servers() {
    let engine = Engine::start();
    let [(_a, mut alice), (_b, mut bob)] = two(&engine);
    alice.send("/nick bob\n");
    bob.read_until("* guest1-a is now bob\n");
    bob.send("/nick bob\n");
    bob.read_until("* bob is taken\n");
    // It is free once its client has left.
    alice.half_close();
    bob.read_until("* bob left\n");
    bob.send("/nick bob\n");
    bob.read_until("* guest1-b is now bob\n");
}

#[test]
#[ignore = "needs redis-server"]
fn of_two_clients_that_ask_at_once_one_has_the_name() {
    let engine = Engine::start();
    let [(_a, mut alice), (_b, mut bob)] = two(&engine);
    for round in 0..20 {
        for client in [&mut alice, &mut bob] {
            client.forget();
            client.send(format!("/nick max{round}\nround {round}\n"));
        }
        for client in [&mut alice, &mut bob] {
            client.read_until(&format!("max{round}: round {round}\n"));
        }
        // The other keeps the name that it has.
        for client in [&mut alice, &mut bob] {
            let is_said = |text: &str| text.matches(&format!(": round {round}\n")).count() == 2;
            while !is_said(&client.read_text()) {
                client.read_until_lines(client.read_text().lines().count() + 1);
            }
            assert_eq!(client.read_text().matches(&format!("max{round}: ")).count(), 1);
        }
        let refusal = format!("* max{round} is taken\n");
        let refused = [&alice, &bob].map(|client| client.read_text().contains(&refusal));
        assert_eq!(refused.iter().filter(|its| **its).count(), 1, "{refused:?}");
    }
}

#[test]
#[ignore = "needs redis-server"]
fn private_messages_and_their_answers_cross_servers() {
    let engine = Engine::start();
    let [(_a, mut alice), (b, mut bob)] = two(&engine);
    let (mut carol, _) = b.join();
    alice.send("/msg guest1-b psst\n");
    alice.read_until("[guest1-a -> guest1-b] psst\n");
    bob.read_until("[guest1-a -> guest1-b] psst\n");
    bob.send("/r what?\n");
    for client in [&mut alice, &mut bob] {
        client.read_until("[guest1-b -> guest1-a] what?\n");
    }
    alice.send("/nick alice\n/r this\n");
    bob.read_until("[alice -> guest1-b] this\n");
    bob.send("/msg alice yes\nend\n");
    alice.read_until("[guest1-b -> alice] yes\n");
    alice.send("/msg guest9-b lost\n");
    alice.read_until("guest9");
    carol.read_until("guest1-b: end\n");
    assert!(!carol.read_text().contains("->"), "{}", carol.read_text());
}

#[test]
#[ignore = "needs redis-server"]
fn counts_are_those_of_all_servers() {
    let engine = Engine::start();
    let [(_a, mut alice), (b, mut bob)] = two(&engine);
    let (mut carol, _) = b.join();
    alice.read_until("* guest2-b joined\n");
    alice.send("/who\n");
    alice.read_until("* 3 here: ");
    carol.send("/join den\n");
    bob.read_until("* guest2-b ");
    carol.send("in the den\n");
    carol.read_until("guest2-b: in the den\n");
    bob.send("mark\n");
    alice.read_until("guest1-b: mark\n");
    alice.forget();
    alice.send("/rooms\n");
    let told = alice.read_until("den");
    assert!(told.contains("lobby 2") && told.contains("2 rooms: "), "{told}");
    alice.send("/who\n");
    alice.read_until("* 2 here: ");
}

#[test]
#[ignore = "needs redis-server"]
fn an_idle_server_of_a_cluster_is_hardly_woken() {
    let engine = Engine::start();
    let [(a, mut alice), (b, mut bob)] = two(&engine);
    for client in [&mut alice, &mut bob] {
        client.send("here\n");
        client.read_until(": here\n");
    }
    let woken = || [&a, &b].map(|server| sleeps(&switches(server)));
    let before = woken();
    std::thread::sleep(Duration::from_secs(4));
    let after = woken();
    // A read that waits is answered every 5 s, and each server says hello every 10 s.
    for (before, after) in before.iter().zip(after) {
        assert!(after - before <= 20, "woken {} times", after - before);
    }
}

/// How often a process has slept.
fn sleeps(switches: &[String]) -> usize {
    let line = switches.iter().find(|line| line.starts_with("voluntary")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
