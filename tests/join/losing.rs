//! The connection is lost, and made again.

use std::net::{SocketAddr, TcpListener};

use crate::support::Server;
use crate::support::network::{in_own_network, run_here};

use super::fake::Fake;
use super::seat::{Seat, State};

#[test]
fn a_server_that_comes_back_is_joined_again_and_the_line_stays() {
    let server = Server::start(&["--hide-addresses"]);
    let seat = Seat::join(server.address, &[]);
    seat.wait_for_row("* guest1 joined");
    seat.keys("half a line");
    seat.wait_for_prompt(">> half a line", 14);
    let address = server.address.to_string();
    server.signal("TERM");
    seat.wait_for_row("-- the server has closed the connection");
    seat.wait_until("what it does", |rows| {
        rows.iter().any(|row| row.starts_with("-- trying again in "))
    });
    drop(server);
    // Enter sends nothing now.
    seat.keys("\r");
    seat.wait_for_prompt(">> half a line", 14);
    let again = Server::start(&["--hide-addresses", "--listen", &address]);
    seat.wait_for_row("-- connected again");
    let (mut other, _) = again.join();
    seat.keys("\r");
    other.read_until("guest1: half a line\n");
    assert!(!seat.rows().iter().any(|row| row.starts_with("-- trying")));
}

#[test]
fn the_name_and_what_was_missed_are_asked_for_again() {
    let server = Fake::listen();
    let seat = Seat::join(server.address, &["--nick", "bob"]);
    let mut client = server.accept();
    client.read_until("/nick bob\n");
    client.send("* welcome, you are guest1, 1 here\n* guest1 is now bob\n");
    seat.wait_for_row("* guest1 is now bob");
    client.reset();
    let mut client = server.accept();
    client.send("* welcome, you are guest2, 1 here\n");
    client.read_until("/nick bob\n/history 20\n");
    client.forget();
    client.send("* bob is taken\n");
    client.read_until("/nick bob\n");
    client.send("* bob is taken\n* history\n* guest2 is now bob\n");
    seat.wait_for_row("* guest2 is now bob");
    assert_eq!(seat.rows().iter().filter(|row| *row == "* bob is taken").count(), 1);
    seat.keys("hi\r");
    client.read_until("hi\n");
    client.send("bob: hi\n");
    seat.wait_for_row("bob: hi");
    seat.wait_for_prompt(">>", 3);
}

#[test]
fn what_was_missed_is_shown_once_and_old_mentions_do_not_ring() {
    let server = Fake::listen();
    let seat = Seat::join(server.address, &["--bell"]);
    let welcome = "* welcome, you are bob, 2 here\n";
    let mut client = server.accept();
    client.send(format!("{welcome}eve: hi bob\neve: still there?\n"));
    seat.wait_for_row("eve: still there?");
    client.reset();
    let mut client = server.accept();
    client.send(welcome);
    client.read_until("/history 20\n");
    let earlier = "eve: hi bob\neve: still there?\neve: bob, come back\n";
    client.send(format!("* history\n{earlier}* now\neve: at last\n"));
    seat.wait_for_row("eve: at last");
    let rows = seat.rows();
    let shown: Vec<&String> = rows.iter().filter(|row| row.starts_with("eve: ")).collect();
    let expected = ["eve: hi bob", "eve: still there?", "eve: bob, come back", "eve: at last"];
    assert_eq!(shown, expected);
    assert_eq!(seat.output().matches('\u{7}').count(), 1);
}

#[test]
fn what_may_not_have_arrived_is_told() {
    let server = Fake::listen();
    let seat = Seat::join(server.address, &[]);
    let mut client = server.accept();
    seat.keys("hi\r");
    client.read_until("hi\n");
    drop(client);
    seat.wait_for_row("-- may not have been sent: hi");
}

#[test]
fn while_there_is_no_server_ctrl_c_leaves() {
    let server = Fake::listen();
    let mut seat = Seat::join(server.address, &[]);
    drop(server.accept());
    drop(server);
    seat.wait_until("what it does", |rows| rows.iter().any(|row| row.ends_with("(Ctrl-C leaves)")));
    seat.keys("\x03");
    assert_eq!(seat.wait_for_end().code(), Some(1));
    seat.wait_until_given_back();
}

/// An address without a server. The kernel has no other port than its for the client's end.
fn narrow_ports(port: u16) -> SocketAddr {
    run_here(&format!(
        "ip link set lo up; echo {port} {port} >/proc/sys/net/ipv4/ip_local_port_range"
    ));
    ([127, 0, 0, 1], port).into()
}

#[test]
#[ignore = "needs ip and unshare"]
fn a_server_that_has_moved_is_found_by_its_name() {
    in_own_network(|| {
        run_here("ip link set lo up");
        let state = State::fresh();
        std::fs::create_dir_all(state.path()).unwrap();
        let hosts = state.path().join("hosts");
        std::fs::write(&hosts, "127.0.0.1 chat.test\n").unwrap();
        let server = Fake::listen();
        let port = server.address.port();
        let script = format!(
            r#"mount --bind {} /etc/hosts; exec "$0" join chat.test:{port}"#,
            hosts.display()
        );
        let script = format!(r#"exec unshare -m sh -ec '{script}' "$0""#);
        let seat = Seat::run(&script, server.address, &[], &state, |_| {});
        server.accept().send("* welcome\n");
        seat.wait_for_row("* welcome");
        std::fs::write(&hosts, "127.0.0.2 chat.test\n").unwrap();
        drop(server);
        let moved = Fake::listen_on(([127, 0, 0, 2], port).into());
        moved.accept().send("* moved\n");
        seat.wait_for_row("* moved");
    });
}

#[test]
#[ignore = "needs ip and unshare"]
fn a_client_that_would_reach_itself_has_reached_nobody() {
    in_own_network(|| {
        let address = narrow_ports(40_000);
        let mut seat = Seat::join_with(address, &["--color", "never"], &State::fresh());
        assert_eq!(seat.wait_for_end().code(), Some(1));
        let why = format!("chinwag: cannot connect to {address}: connection refused");
        seat.wait_until("why", |rows| rows.concat().contains(&why));
    });
}

#[test]
#[ignore = "needs ip and unshare"]
fn a_client_that_waits_never_keeps_its_server_from_starting() {
    in_own_network(|| {
        run_here("ip link set lo up");
        let server = Fake::listen();
        let address = server.address;
        let seat = Seat::join(address, &[]);
        narrow_ports(address.port());
        let client = server.accept();
        drop(server);
        // Nothing stays in the kernel that would keep the port.
        client.reset();
        // It has tried once, and the next pause is longer.
        let again = "-- trying again in 2 s (Ctrl-C leaves)";
        seat.wait_until("another attempt", |rows| rows.iter().any(|row| row == again));
        let again = Fake::listen_on(address);
        run_here("echo 32768 60999 >/proc/sys/net/ipv4/ip_local_port_range");
        again.accept();
    });
}

#[test]
fn without_a_server_to_begin_with_it_ends() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = unused.local_addr().unwrap();
    drop(unused);
    let mut seat = Seat::join_with(address, &["--color", "never"], &State::fresh());
    assert_eq!(seat.wait_for_end().code(), Some(1));
    seat.wait_until("why", |rows| rows.concat().contains("chinwag: cannot connect to 127.0.0.1:"));
    seat.wait_until_given_back();
}
