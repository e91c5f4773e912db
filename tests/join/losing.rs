//! The connection is lost, and found again.

use std::net::TcpListener;

use crate::support::Server;

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
fn what_may_not_have_arrived_is_told() {
    let server = Fake::listen();
    let seat = Seat::join(server.address, &[]);
    let mut client = server.accept();
    seat.keys("hi\r");
    client.read_until("hi\n");
    drop(client);
    seat.wait_for_row("-- perhaps not sent: hi");
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
