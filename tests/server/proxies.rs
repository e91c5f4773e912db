//! Clients behind a proxy, and listeners whose clients have limits of their own. The proxy here is
//! the test; real ones are in `real_clients`.

use crate::support::{Client, Server, connect_from, fail_with, join, wait_for};

const PROXIES: &str = "127.0.0.8/32";

/// A connection from the proxy.
fn from_proxy(server: &Server) -> Client {
    Client::new(connect_from([127, 0, 0, 8], server.address))
}

/// A client at this address, behind the proxy.
fn behind_proxy(server: &Server, address: &str) -> Client {
    let mut client = from_proxy(server);
    client.send(format!("PROXY TCP4 {address} 127.0.0.1 4000 50005\r\n"));
    client
}

#[test]
fn a_connection_from_a_proxy_without_a_header_is_logged() {
    let server = Server::start(&["--proxy-from", PROXIES]);
    let (mut watcher, _) = server.join();
    watcher.forget();
    let mut wrong = from_proxy(&server);
    wrong.send("hello\n");
    assert_eq!(wrong.read_to_end(), "");
    let told = format!("closed 1 connection without a PROXY header, the last from {}", {
        wrong.address()
    });
    wait_for("the warning", || server.stderr().contains(&told).then_some(()));
    let mut check = from_proxy(&server);
    check.send("PROXY UNKNOWN\r\n");
    assert_eq!(check.read_to_end(), "");
    // Both were closed in order.
    assert!(!wrong.was_reset() && !check.was_reset());
    watcher.send("mark\n");
    watcher.read_until("guest1: mark\n");
    assert_eq!(watcher.read_text(), "guest1: mark\n");
    assert_eq!(server.stderr().matches("PROXY").count(), 1);
}

#[test]
fn a_proxy_brings_clients_from_everywhere() {
    let server = Server::start(&["--proxy-from", PROXIES, "--per-address", "1"]);
    let (mut alice, name) = join(behind_proxy(&server, "192.0.2.7"));
    let refusal = "* too many connections from your address (1, --per-address)\n";
    assert_eq!(behind_proxy(&server, "192.0.2.7").read_to_end(), refusal);
    let (mut bob, _) = join(behind_proxy(&server, "192.0.2.8"));
    alice.read_until("* guest3 (192.0.2.8:4000) joined\n");
    bob.send("안녕\n");
    alice.read_until("guest3: 안녕\n");
    // An address of loopback is exempt, behind a proxy as well.
    let _two = [1, 2].map(|_| join(behind_proxy(&server, "127.0.0.1")));
    alice.half_close();
    alice.read_to_end();
    bob.read_until(&format!("* {name} left\n"));
    join(behind_proxy(&server, "192.0.2.7"));
}

#[test]
fn a_header_is_taken_out_of_raw_bytes_too() {
    let server = Server::start(&["--proxy-from", PROXIES, "--raw"]);
    let mut alice = behind_proxy(&server, "192.0.2.7");
    alice.send(b"\xff\0bytes");
    let expected = "유저(192.0.2.7:4000)가 접속했습니다.".as_bytes();
    let expected = [expected, b"\xff\0bytes"].concat();
    assert_eq!(alice.read_until_bytes(expected.len()), expected);
}

#[test]
fn a_listener_may_have_exempt_networks_of_its_own() {
    let ports = ["127.0.0.1:0,exempt=none,exempt=127.0.0.3", "127.0.0.4:0,room=den"];
    let server = Server::start(&["--listen", ports[0], "--listen", ports[1], "--per-address", "1"]);
    let den = wait_for("the second port", || {
        let text = server.stdout();
        let second = text.lines().nth(1)?.strip_prefix("listening on ")?;
        Some(second.strip_suffix(", room den")?.parse().unwrap())
    });
    let from = |last, to| Client::new(connect_from([127, 0, 0, last], to));
    let _exempt = [3, 3].map(|last| join(from(last, server.address)));
    let _first = join(from(2, server.address));
    let refusal = "* too many connections from your address (1, --per-address)\n";
    assert_eq!(from(2, server.address).read_to_end(), refusal);
    // All of loopback is exempt where nothing else is said.
    let _also = [2, 2].map(|last| join(from(last, den)));
}

#[test]
fn networks_that_stand_alone_are_a_wrong_flag() {
    let (code, told) = fail_with(&["--listen", "exempt=none"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("exempt=none stands behind an address, as in 50006,exempt=none"));
    for flags in [["--proxy-from", "none"], ["--listen", "50006,exempt=x"]] {
        let (code, told) = fail_with(&flags);
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains("not a network such as 192.168.0.0/16"), "{told}");
    }
}
