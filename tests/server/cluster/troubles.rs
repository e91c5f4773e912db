//! An engine that does not do what it is asked, and what the log says about it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use super::{Engine, REACHED, UNREACHABLE, node_at, said, times, two, wait_for_one_warning};
use crate::support::{Server, fail_with, wait_for};

#[test]
#[ignore = "needs redis-server"]
fn a_wrong_password_is_told_until_the_engine_takes_it() {
    let engine = Engine::start_with(&["--requirepass", "right"]);
    // What has no password yet is asked for one.
    let without = engine.node("b");
    wait_for_one_warning(&without, "NOAUTH");
    let a = node_at(&engine.url_with("wrong"), "a");
    wait_for_one_warning(&a, "WRONGPASS");
    assert!(!a.stderr().contains("wrong@") && !a.stderr().contains(":wrong"), "{}", a.stderr());
    let mut alice = a.connect();
    assert!(!alice.read_once());
    let mended = node_at(&engine.url_with("right"), "c");
    let (mut carol, _) = mended.join();
    drop(without);
    let reply = engine.tell("AUTH right\r\nCONFIG SET requirepass wrong");
    assert!(reply.starts_with("+OK"), "{reply}");
    alice.read_until("* welcome, you are guest1-a, 2 here\n");
    alice.send("hello\n");
    carol.read_until("guest1-a: hello\n");
}

#[test]
#[ignore = "needs redis-server"]
fn a_key_of_another_type_is_told_until_it_is_gone() {
    let engine = Engine::start();
    engine.obey("SET chat x");
    let a = engine.node("a");
    wait_for_one_warning(&a, "WRONGTYPE");
    let mut alice = a.connect();
    assert!(!alice.read_once());
    engine.tell("DEL chat");
    alice.read_until("* welcome, you are guest1-a, 1 here\n");
    wait_for("the log", || a.stderr().contains("the engine is reached").then_some(()));
}

/// An engine that adds nothing from now on. It is told, and what is said waits until it is mended.
fn assert_waits(engine: &Engine, broken: &[&str], word: &str, mended: &str) {
    let [(a, mut alice), (_b, mut bob)] = two(engine);
    alice.send("before\n");
    bob.read_until("guest1-a: before\n");
    broken.iter().for_each(|command| engine.obey(command));
    alice.send("one\ntwo\n");
    alice.read_until(UNREACHABLE);
    alice.send("three\n");
    wait_for_one_warning(&a, word);
    assert!(!alice.read_text().contains(": one"), "{}", alice.read_text());
    engine.obey(mended);
    alice.read_until(REACHED);
    alice.send("four\n");
    for client in [&mut alice, &mut bob] {
        client.read_until("guest1-a: four\n");
        assert_eq!(said(client, "guest1-a"), ["before", "one", "two", "three", "four"]);
        assert!(!client.read_text().contains("missed"), "{}", client.read_text());
    }
    assert_eq!((times(&alice, UNREACHABLE), times(&alice, REACHED)), (1, 1));
}

#[test]
#[ignore = "needs redis-server"]
fn what_is_said_waits_while_the_engine_has_no_memory() {
    let engine = Engine::start();
    let broken = ["CONFIG SET maxmemory-policy noeviction", "CONFIG SET maxmemory 1"];
    assert_waits(&engine, &broken, "OOM", "CONFIG SET maxmemory 0");
}

#[test]
#[ignore = "needs redis-server"]
fn pauses_between_attempts_grow_with_the_right_password() {
    let engine = Engine::start_with(&["--requirepass", "right"]);
    let a = node_at(&engine.url_with("right"), "a");
    let (mut alice, _) = a.join();
    engine.tell("AUTH right\r\nCONFIG SET maxmemory 1");
    let connections = || {
        let told = engine.tell("AUTH right\r\nINFO stats");
        let (_, count) = told.split_once("total_connections_received:").unwrap();
        count.split_whitespace().next().unwrap().parse::<usize>().unwrap()
    };
    alice.send("one\n");
    alice.read_until(UNREACHABLE);
    let before = connections();
    std::thread::sleep(Duration::from_secs(3));
    // One of these asks. Two are made at each attempt, of which there are at most three.
    let attempts = connections() - before;
    assert!(attempts <= 10, "{attempts} connections in 3 s");
    engine.tell("AUTH right\r\nCONFIG SET maxmemory 0");
    alice.read_until("guest1-a: one\n");
}

#[test]
#[ignore = "needs redis-server"]
fn what_is_said_waits_while_the_engine_is_a_replica() {
    let engine = Engine::start();
    // Nothing listens there, so that it keeps what it has.
    let broken = ["CONFIG SET replica-read-only yes", "REPLICAOF 127.0.0.1 1"];
    assert_waits(&engine, &broken, "READONLY", "REPLICAOF NO ONE");
}

#[test]
#[ignore = "needs redis-server"]
fn what_is_said_waits_while_a_key_of_another_type_is_there() {
    let engine = Engine::start();
    let [(a, mut alice), (_b, mut bob)] = two(&engine);
    engine.obey("SET chat x");
    alice.send("one\n");
    alice.read_until(UNREACHABLE);
    wait_for_one_warning(&a, "WRONGTYPE");
    engine.tell("DEL chat");
    for client in [&mut alice, &mut bob] {
        client.read_until("guest1-a: one\n");
        assert!(!client.read_text().contains("missed"), "{}", client.read_text());
    }
}

#[test]
#[ignore = "needs redis-server"]
fn what_speaks_another_protocol_is_told_as_that() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let attempts = std::thread::spawn(move || {
        listener.set_nonblocking(true).unwrap();
        let start = std::time::Instant::now();
        let mut attempts = 0;
        let mut kept = Vec::new();
        while start.elapsed() < Duration::from_secs(3) {
            if let Ok((mut socket, _)) = listener.accept() {
                attempts += 1;
                socket.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").unwrap();
                socket.set_nonblocking(true).unwrap();
                kept.push(socket);
            }
            for socket in &mut kept {
                // So that it is closed in order.
                while matches!(socket.read(&mut [0; 4096]), Ok(1..)) {}
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        attempts
    });
    let a = node_at(&format!("redis://{address}/chat"), "a");
    wait_for_one_warning(&a, "it does not speak the protocol of Redis");
    // After 0.1, 0.3, 0.7 and 1.5 s, on both sides; one or two more while it starts.
    let attempts = attempts.join().unwrap();
    assert!((4..=16).contains(&attempts), "{attempts} connections");
    wait_for_one_warning(&a, "it does not speak the protocol of Redis");
}

#[test]
#[ignore = "needs redis-server"]
fn a_server_that_requires_an_engine_ends_without_one() {
    // Nothing listens at the first address, and what does at the second wants a password.
    let (engine, port) = Engine::start_on_a_port();
    engine.obey("CONFIG SET requirepass right");
    let url = |password| format!("redis://{password}127.0.2.1:1,{port}/chat");
    let without = url("");
    let (code, told) = fail_with(&["--cluster", &without, "--cluster-required"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("NOAUTH") && told.contains("(--cluster-required)"), "{told}");
    assert_eq!(told.matches("ERROR").count(), 1, "{told}");
    let server = Server::start(&["--cluster", &url(":right@"), "--cluster-required"]);
    server.join();
    // It does not end for what happens later.
    drop(engine);
    wait_for("the log", || server.stderr().contains("Connection refused").then_some(()));
    assert!(server.stderr().contains("trying again"), "{}", server.stderr());
    assert_eq!(fail_with(&["--cluster-required"]).0, Some(2));
}
