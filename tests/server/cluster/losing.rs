//! An engine that is away, or that stands still, for a while.

use super::{Engine, REACHED, UNREACHABLE, node_at, said, spawn, times, two, wait_for_one_warning};
use crate::support::Client;

/// Two clients have read these lines once, and the notices about the engine.
fn assert_read_once(clients: [&mut Client; 2], lines: &[&str]) {
    for client in clients {
        client.read_until(REACHED);
        for line in lines {
            client.read_until(line);
        }
        // What came twice would be here before this.
        client.send("the end\n");
        client.read_until(": the end\n");
        for text in lines.iter().chain([&UNREACHABLE, &REACHED]) {
            assert_eq!(times(client, text), 1, "{text:?} in {}", client.read_text());
        }
        assert!(!client.read_text().contains("missed"), "{}", client.read_text());
    }
}

#[test]
#[ignore = "needs redis-server"]
fn what_is_said_while_the_engine_is_away_arrives_once() {
    let mut engine = Engine::start();
    let [(a, mut alice), (b, mut bob)] = two(&engine);
    let (mut carol, _) = a.join();
    bob.read_until("* guest2-a joined\n");
    engine.kill();
    alice.send("to the dead\n");
    for client in [&mut alice, &mut bob] {
        client.read_until(UNREACHABLE);
    }
    alice.send("one\n");
    bob.send("two\n");
    carol.send("/who\n");
    carol.read_until("* 3 here: ");
    assert!(!alice.read_text().contains(": one"), "{}", alice.read_text());
    engine.start_again();
    let lines = ["guest1-a: to the dead\n", "guest1-a: one\n", "guest1-b: two\n"];
    assert_read_once([&mut alice, &mut bob], &lines);
    for server in [&a, &b] {
        wait_for_one_warning(server, "is of no use");
    }
}

#[test]
#[ignore = "needs redis-server"]
fn what_is_said_while_the_engine_stands_still_arrives_once() {
    let engine = Engine::start();
    let [(_a, mut alice), (_b, mut bob)] = two(&engine);
    engine.pause();
    alice.send("zero\n");
    for client in [&mut alice, &mut bob] {
        // Nothing is due to a client that says nothing.
        client.send("one\n");
        client.read_until(UNREACHABLE);
        client.send("two\n");
    }
    engine.signal("CONT");
    let lines = ["guest1-a: zero\n", "guest1-a: one\n", "guest1-b: one\n", "guest1-a: two\n"];
    assert_read_once([&mut alice, &mut bob], &lines);
}

#[test]
#[ignore = "needs redis-server"]
fn clients_wait_for_an_engine_that_is_away_at_the_start() {
    let mut engine = Engine::start();
    engine.kill();
    let a = node_at(&engine.url(), "a");
    let mut alice = a.connect();
    wait_for_one_warning(&a, "Connection refused");
    alice.send("early\n");
    assert!(!alice.read_once(), "{}", alice.read_text());
    engine.child = spawn(&engine.flags);
    alice.read_until("* welcome, you are guest1-a, 1 here\n");
    alice.read_until("guest1-a: early\n");
    wait_for_one_warning(&a, "Connection refused");
}

/// Two clients that say numbered lines at once, each at a server of its own.
struct Talkers {
    clients: [Client; 2],
    said: usize,
}

impl Talkers {
    fn say(&mut self, lines: usize) {
        for number in self.said..self.said + lines {
            self.clients.iter_mut().for_each(|client| client.send(format!("number {number}\n")));
        }
        self.said += lines;
        self.clients.iter_mut().for_each(|client| _ = client.read_once());
    }

    /// Asserts that each has read all of both, once and in order, but for the lines that it was
    /// told it has missed. Returns how many those were.
    fn account(mut self) -> [usize; 2] {
        let said = self.said;
        self.clients.iter_mut().for_each(|client| client.send("the end\n"));
        for client in &mut self.clients {
            for name in ["guest1-a", "guest1-b"] {
                client.read_past(&format!("{name}: the end\n"));
            }
        }
        self.clients.each_ref().map(|client| {
            let mut read = 0;
            for name in ["guest1-a", "guest1-b"] {
                let numbers: Vec<usize> = said_by(client, name);
                assert!(numbers.is_sorted_by(|one, next| one < next), "{name}: {numbers:?}");
                read += numbers.len();
            }
            let text = client.read_text();
            let missed = text.lines().filter_map(|line| line.strip_prefix("* you missed "));
            let missed = missed.map(|rest| rest.split(' ').next().unwrap().parse::<usize>());
            let missed: usize = missed.map(Result::unwrap).sum();
            assert_eq!(read + missed, 2 * said, "{read} lines read");
            missed
        })
    }
}

fn said_by(client: &Client, name: &str) -> Vec<usize> {
    let lines = said(client, name).into_iter();
    lines.filter_map(|line| line.strip_prefix("number ")?.parse().ok()).collect()
}

#[test]
#[ignore = "needs redis-server"]
fn connections_that_are_cut_lose_nothing_and_double_nothing() {
    let engine = Engine::start();
    let [(a, alice), (b, bob)] = two(&engine);
    let mut talkers = Talkers { clients: [alice, bob], said: 0 };
    for _ in 0..20 {
        talkers.say(100);
        engine.tell("CLIENT KILL TYPE normal SKIPME yes");
    }
    assert_eq!(talkers.account(), [0, 0]);
    drop([a, b]);
}

#[test]
#[ignore = "needs redis-server"]
fn what_an_engine_forgets_under_load_is_counted() {
    let mut engine = Engine::start();
    let [(a, alice), (b, bob)] = two(&engine);
    let mut talkers = Talkers { clients: [alice, bob], said: 0 };
    for _ in 0..3 {
        talkers.say(300);
        engine.kill();
        talkers.say(300);
        engine.start_again();
        talkers.say(300);
    }
    talkers.account();
    drop([a, b]);
}

#[test]
#[ignore = "needs redis-server"]
fn a_stream_that_is_deleted_goes_on_under_the_same_name() {
    let engine = Engine::start();
    let [(_a, mut alice), (_b, mut bob)] = two(&engine);
    for (number, command) in ["DEL chat", "FLUSHALL", "XTRIM chat MAXLEN 0"].iter().enumerate() {
        engine.tell(command);
        alice.send(format!("from alice {number}\n"));
        bob.send(format!("from bob {number}\n"));
        for client in [&mut alice, &mut bob] {
            client.read_until(&format!("guest1-a: from alice {number}\n"));
            client.read_until(&format!("guest1-b: from bob {number}\n"));
        }
    }
    for client in [&alice, &bob] {
        assert_eq!(times(client, ": from "), 6, "{}", client.read_text());
    }
}

#[test]
#[ignore = "needs redis-server"]
fn a_server_without_an_engine_stops_in_time() {
    let mut engine = Engine::start();
    let [(mut a, mut alice), (_b, mut bob)] = two(&engine);
    engine.kill();
    alice.send("in vain\n");
    for client in [&mut alice, &mut bob] {
        client.read_until(UNREACHABLE);
    }
    a.signal("TERM");
    alice.read_until("* server shutting down\n");
    drop(alice);
    assert!(a.wait_for_end().success());
}
