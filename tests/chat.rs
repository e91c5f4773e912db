//! What people see.

mod support;

use support::Server;

#[test]
fn a_line_reaches_everyone_its_sender_included() {
    let server = Server::start(&[]);
    let (mut alice, name) = server.join();
    let (mut bob, _) = server.join();
    alice.send("hello\n");
    let said = format!("{name}: hello\n");
    alice.read_until(&said);
    bob.read_until(&said);
}
