//! Lines that the server refuses, and the passwords that it asks for.

use crate::support::Server;

use super::seat::Seat;

#[test]
fn a_line_before_the_password_is_told_of_as_not_sent() {
    let server = Server::start(&["--password", "sesame", "--hide-addresses"]);
    let seat = Seat::join(server.address, &[]);
    seat.keys("hi\r");
    seat.wait_for_row("-- not sent: hi");
    seat.keys("/password x\r");
    seat.wait_until("the refusal", |rows| rows.iter().any(|row| row.starts_with("* wrong")));
    seat.keys("/password sesame\rho\r");
    seat.wait_for_row("guest1: ho");
    seat.wait_for_prompt(">>", 3);
    assert!(!seat.rows().contains(&">> hi".to_owned()), "{:#?}", seat.rows());
}

#[test]
fn the_name_and_the_room_are_asked_for_again_behind_a_password() {
    let server = Server::start(&["--password", "sesame", "--hide-addresses"]);
    let seat = Seat::join(server.address, &["--nick", "bob", "--room", "garden"]);
    seat.keys("/password sesame\rhi\r");
    seat.wait_for_row("* you are in garden, 1 here");
    seat.wait_for_row("* guest1 is now bob");
    // The line waited for the room, which a key asks for again.
    seat.keys("\r");
    seat.wait_for_row("bob: hi");
    seat.wait_for_prompt("garden>", 8);
}

#[test]
fn a_password_is_hidden_while_it_is_typed_and_later() {
    let server = Server::start(&["--password", "sesame", "--hide-addresses"]);
    let seat = Seat::join(server.address, &[]);
    seat.keys("/password sesame\x1b[D");
    seat.wait_for_prompt(">> /password ******", 18);
    seat.keys("\r");
    seat.wait_for_row(">> /password ******");
    seat.wait_for_row("* welcome, you are guest1, 1 here");
    seat.keys("/oper sesame\r");
    seat.wait_for_row(">> /oper ******");
    seat.keys("\x1b[A");
    seat.wait_for_prompt(">>", 3);
    assert!(!seat.output().contains("sesame") && !seat.output().contains("sesam"));
}

#[test]
fn the_most_bytes_of_a_line_are_learnt_from_the_server() {
    let server = Server::start(&["--max-line", "20", "--hide-addresses"]);
    let seat = Seat::join(server.address, &[]);
    let (short, long) = ("x".repeat(20), "y".repeat(21));
    seat.keys(&format!("{long}\r"));
    seat.wait_for_row(&format!("-- not sent: {long}"));
    // It is brought back, and not sent in vain again.
    seat.keys("\x1b[A\r");
    seat.wait_for_row("-- not sent, over 20 bytes long: 1 line");
    seat.wait_for_prompt(&format!(">> {long}"), 24);
    seat.keys(&format!("\x15\x1b[200~{short}\n{long}\n\x1b[201~"));
    seat.wait_for_row("-- 1 line pasted: Enter sends it, Ctrl…");
    seat.keys("\r");
    seat.wait_for_row(&format!("guest1: {short}"));
}
