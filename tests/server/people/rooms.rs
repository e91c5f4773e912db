//! Rooms over real sockets.

use std::net::{SocketAddr, TcpStream};

use crate::support::{Client, Server, wait_for};

use super::{people, read_up_to_mark};

#[test]
fn two_rooms_hear_nothing_of_each_other() {
    let server = Server::start(&[]);
    let [mut alice, mut bob, mut carol] = people(&server);
    alice.send("/join garden\n");
    alice.read_until_last(" joined\n");
    alice.forget();
    carol.read_until_last("* guest1 went to garden\n");
    carol.forget();
    bob.send("/join garden\nin the garden\n");
    bob.read_until_last("guest2: in the garden\n");
    alice.read_until_last("guest2: in the garden\n");
    carol.send("in the lobby\n/rooms\n");
    carol.read_until_last("* 2 rooms: garden 2, lobby 1\n");
    let heard = carol.read_text();
    assert!(!heard.contains("in the garden"), "{heard}");
    bob.forget();
    assert_eq!(read_up_to_mark(&mut bob), "");
}

#[test]
fn a_listener_has_a_room_of_its_own() {
    let listen = "127.0.0.1:0,127.0.0.1:0,room=garden";
    let server = Server::start(&["--listen", listen]);
    let address = wait_for("the second listener", || {
        let printed = server.stdout();
        let line = printed.lines().find_map(|line| line.strip_suffix(", room garden"))?;
        Some(line.strip_prefix("listening on ")?.parse::<SocketAddr>().unwrap())
    });
    let mut client = Client::new(TcpStream::connect(address).unwrap());
    client.read_until("* you are in garden, 1 here\n");
    client.send("/leave\n");
    client.read_until("* you are in lobby, 1 here\n");
}
