//! The numbers that Prometheus reads, at an address of their own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use crate::support::{Client, PATIENCE, Server, fail_with, wait_for};

/// A server with metrics, and where they are.
fn start(flags: &[&str]) -> (Server, SocketAddr) {
    let server = Server::start(&[&["--metrics", "127.0.0.1:0"], flags].concat());
    let address = wait_for("the address", || {
        let log = server.stderr();
        let (_, rest) = log.split_once("metrics: http://")?;
        rest.split_once("/metrics")?.0.parse().ok()
    });
    (server, address)
}

fn connect(at: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(at).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Sends a request and reads all of the answer.
fn ask(at: SocketAddr, request: &str) -> String {
    let mut socket = connect(at);
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

fn scrape(at: SocketAddr) -> String {
    let answer = ask(at, "GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    body.to_owned()
}

fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

#[test]
fn the_numbers_are_those_of_what_happened() {
    let (server, at) = start(&["--max-clients", "2"]);
    let (mut alice, _) = server.enter();
    let (mut bob, _) = server.enter();
    let mut carol = server.connect();
    carol.read_until("* server full (2)");
    for number in 0..3 {
        alice.send(format!("line {number}\n"));
        bob.read_until(&format!(": line {number}\n"));
    }
    bob.send("/join attic\n");
    bob.read_until("attic");
    let text = wait_for("both rooms", || {
        Some(scrape(at)).filter(|text| value(text, "chinwag_rooms") == 2.0)
    });
    let sent = alice.read_bytes().len() + bob.read_bytes().len() + carol.read_bytes().len();
    for (name, expected) in [
        ("chinwag_clients", 2),
        ("chinwag_clients_max", 2),
        // Three of them are notices of joins, one of a move.
        ("chinwag_lines_total", 7),
        // One to one, and four to two; then each is alone.
        ("chinwag_deliveries_total", 11),
        ("chinwag_lines_missed_total", 0),
        ("chinwag_lapses_total", 0),
        ("chinwag_refused_total", 1),
        ("chinwag_read_bytes_total", 3 * "line 0\n".len() + "/join attic\n".len()),
        ("process_resident_memory_bytes", 0),
        ("chinwag_turn_seconds_count", 0),
    ] {
        let its = value(&text, name);
        let is_so = if expected == 0 { its >= 0.0 } else { its == expected as f64 };
        assert!(is_so, "{name} {its}, not {expected}");
    }
    assert!(value(&text, "chinwag_sent_bytes_total") >= sent as f64, "{sent}: {text}");
    assert!(value(&text, "chinwag_turn_seconds_count") >= 5.0, "{text}");
    // It is not the port of the chat, and the other way round.
    drop(bob);
    let elsewhere = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answer = wait_for("a place", || {
        Some(ask(server.address, elsewhere)).filter(|answer| !answer.contains("server full"))
    });
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(!ask(at, "hello\r\n\r\n").contains("welcome"));
}

#[test]
fn a_slow_reader_counts_as_a_lapse_and_its_lines_as_missed() {
    let (server, at) = start(&["--window", "32768", "--quiet"]);
    let (mut slow, _) = server.join_narrow();
    let (mut alice, _) = server.enter();
    crate::binary::streams::flood(&mut alice, 3000);
    assert_eq!(value(&scrape(at), "chinwag_lapses_total"), 1.0);
    alice.send("the last\n");
    slow.read_until(" missed ");
    let missed = slow.read_text();
    let (_, rest) = missed.split_once("you missed ").unwrap();
    let missed: f64 = rest.split(' ').next().unwrap().parse().unwrap();
    assert_eq!(value(&scrape(at), "chinwag_lines_missed_total"), missed);
}

#[test]
fn requests_are_bounded_and_a_torn_one_is_answered() {
    let (server, at) = start(&[]);
    for (request, answer) in [
        ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "),
        ("POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 405 "),
        ("hello\r\n\r\n", "HTTP/1.1 400 "),
        (&"x".repeat(4097), "HTTP/1.1 431 "),
    ] {
        assert!(ask(at, request).starts_with(answer), "{request}");
    }
    let mut torn = connect(at);
    for part in ["GET /met", "rics HTTP/1.1\r\nHost: here\r", "\n\r\n"] {
        torn.write_all(part.as_bytes()).unwrap();
        scrape(at);
    }
    let mut answer = String::new();
    torn.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    server.join();
}

#[test]
fn silent_requests_keep_nobody_waiting_but_a_scrape() {
    let (server, at) = start(&[]);
    let sockets = || server.descriptors().into_values().filter(|link| link.starts_with("socket:"));
    let own = sockets().count();
    let silent: Vec<TcpStream> = (0..5).map(|_| connect(at)).collect();
    let (mut alice, _) = server.enter();
    let (mut bob, name) = server.enter();
    bob.send("hello\n");
    alice.read_until(&format!("{name}: hello\n"));
    // At most four are open at a time, beside the two clients.
    assert!(sockets().count() <= own + 2 + 4);
    // Each is closed after five seconds: then it is the turn of the next.
    assert_eq!(value(&scrape(at), "chinwag_clients"), 2.0);
    drop(silent);
}

#[test]
fn an_address_that_is_in_use_ends_the_start() {
    let (server, at) = start(&[]);
    let (code, told) = fail_with(&["--metrics", &at.to_string()]);
    assert_eq!(code, Some(1));
    assert!(told.contains(&format!("cannot listen on {at} for --metrics: ")), "{told}");
    drop(server);
}

#[test]
#[ignore = "needs prometheus"]
fn promtool_finds_nothing_to_say_about_the_metrics() {
    let (server, at) = start(&[]);
    let (mut alice, _): (Client, String) = server.enter();
    alice.send("hello\n");
    alice.read_until(": hello\n");
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut promtool = promtool.stderr(Stdio::piped()).spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(scrape(at).as_bytes()).unwrap();
    let told = promtool.wait_with_output().unwrap();
    let text = [told.stdout, told.stderr].concat();
    assert_eq!((told.status.code(), String::from_utf8_lossy(&text).as_ref()), (Some(0), ""));
}
