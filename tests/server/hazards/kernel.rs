//! How much one write puts into a socket of the server.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use chinwag::config::Config;
use chinwag::server::listen_on;

use crate::support::network::{in_own_network, run_here};
use crate::support::wait_for;

/// How often one turn is written behind another.
const TURNS: usize = 30;

/// How many bytes this end of a connection has sent without an acknowledgement, as proc(5) shows
/// it.
fn unacknowledged(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/thread-self/net/tcp").unwrap();
    let of_it = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut of_it = of_it.filter(|fields| fields[1].ends_with(&format!(":{port:04X}")));
    // The listener has the same port and another state.
    let fields = of_it.find(|fields| fields[3] == "01").unwrap();
    usize::from_str_radix(fields[4].split(':').next().unwrap(), 16).unwrap()
}

/// How many of the turns were not taken whole. Each was offered when all before it had arrived.
fn short_writes(turn_bytes: usize) -> usize {
    let config = Config::default();
    let listener = listen_on(SocketAddr::from(([127, 0, 0, 1], 0)), &config).unwrap();
    let address = listener.local_addr().unwrap();
    let mut reader = TcpStream::connect(address).unwrap();
    let (mut socket, _) = wait_for("a connection", || listener.accept().ok());
    let (turn, mut read) = (vec![b'x'; turn_bytes], vec![0; turn_bytes]);
    let mut short = 0;
    for number in 0..TURNS {
        let taken = socket.write(&turn).unwrap();
        // At first the kernel sends little at once, however much it has.
        short += usize::from(taken < turn_bytes && number >= TURNS / 2);
        reader.read_exact(&mut read[..taken]).unwrap();
        wait_for("the acknowledgement", || (unacknowledged(address.port()) == 0).then_some(()));
    }
    short
}

#[test]
#[ignore = "needs ip and unshare"]
fn a_turn_fits_one_write_at_any_mtu() {
    in_own_network(|| {
        for mtu in [65536, 9000, 1500, 1450, 1280] {
            run_here(&format!("ip link set lo mtu {mtu} up"));
            assert_eq!(short_writes(Config::default().turn_bytes), 0, "MTU {mtu}");
        }
    });
}
