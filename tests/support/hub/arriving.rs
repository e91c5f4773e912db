//! How clients come in: by themselves, or behind a proxy whose header is cut anywhere. Some that
//! come from the proxy are nobody.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use chinwag::hub::admit::Entrance;
use chinwag::room::LOBBY;

use super::model::Peer;
use super::people::address;
use super::random::Random;
use super::wire::{FakeSocket, Wire};
use super::world::World;

/// The network of the proxies.
pub const PROXIES: &str = "fd00::/8";

/// The beginning of version 2.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// What a connection from a proxy begins with.
struct Opening {
    bytes: Vec<u8>,
    /// No client is behind it.
    is_nobody: bool,
}

impl Opening {
    /// One of any kind, for the client of this number.
    fn of(serial: u64, random: &mut Random) -> Opening {
        let header = match random.one_in(2) {
            true => version_1(address(serial)),
            false => version_2(address(serial), random.below(300)),
        };
        match random.below(12) {
            0 => Opening { bytes: b"PROXY UNKNOWN\r\nhello\n".into(), is_nobody: true },
            1 => {
                let local = [SIGNATURE, b"\x20\0\0\x04\0\0\0\0hello\n"].concat();
                Opening { bytes: local, is_nobody: true }
            }
            2 => Opening { bytes: b"hello\n".into(), is_nobody: true },
            3 => {
                let half = random.below(header.len());
                Opening { bytes: header[..half].into(), is_nobody: true }
            }
            _ => Opening { bytes: header, is_nobody: false },
        }
    }
}

fn version_1(client: SocketAddr) -> Vec<u8> {
    format!("PROXY TCP6 {} ::1 {} 50005\r\n", client.ip(), client.port()).into_bytes()
}

/// With a field of this length.
fn version_2(client: SocketAddr, field: usize) -> Vec<u8> {
    let IpAddr::V6(ip) = client.ip() else { panic!("{client}") };
    let to = [[0; 16].as_slice(), &client.port().to_be_bytes(), &[0xc3, 0x55]].concat();
    let length = (36 + 3 + field as u16).to_be_bytes();
    let field = [&[4][..], &(field as u16).to_be_bytes(), &b"\n".repeat(field)].concat();
    [SIGNATURE, b"\x21\x21", &length, &ip.octets(), &to, &field].concat()
}

impl World {
    /// A client connects, or something that is no client.
    pub fn connect(&mut self) {
        let wire = Wire::new(self.random.fork(), self.faulty && self.random.one_in(2));
        let wire = Rc::new(RefCell::new(wire));
        let serial = self.peers.len() as u64 + 1;
        let mut peer = self.newcomer(&wire, serial);
        let mut from = address(serial);
        let mut first = Vec::new();
        let rules = self.hub.room("lobby").and_then(|lobby| lobby.rules.as_ref());
        let is_locked = rules.is_some_and(|rules| rules.is_locked);
        if !(self.has_proxy && self.random.one_in(5)) {
            peer.refused |= is_locked;
        } else {
            let Opening { bytes, is_nobody } = Opening::of(serial, &mut self.random);
            (first, peer.is_nobody) = (bytes, is_nobody && !peer.refused);
            from = SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, 1], serial as u16));
            // Its header may come when it has missed something.
            (peer.is_proxied, peer.healthy) = (true, false);
            peer.refused |= is_nobody;
        }
        wire.borrow_mut().takes_all = peer.healthy;
        // Drawn of no source, so that the runs without one stay as they were.
        let may_be_browser = self.lively && !self.config.greeting.is_zero() && !peer.is_proxied;
        peer.is_browser = may_be_browser && peer.ends_lines && !peer.is_telnet && serial % 3 == 1;
        if peer.is_browser {
            wire.borrow_mut().open_browser();
        }
        if peer.ends_lines && !self.config.raw && !peer.is_nobody {
            first.push(b'\n');
        }
        peer.header = first.split_off(match peer.is_proxied {
            true => self.random.below(first.len() + 1),
            false => first.len(),
        });
        wire.borrow_mut().send(&first);
        peer.is_spare = self.is_spare(serial) && !peer.is_proxied && !peer.refused;
        self.peers.push(peer);
        let socket = FakeSocket { wire, releasing: Rc::clone(&self.releasing) };
        self.hub.admit(socket, from, Entrance::to(LOBBY), self.now);
        assert!(self.hub.here() <= self.clients_max);
    }

    pub fn newcomer(&mut self, wire: &Rc<RefCell<Wire>>, serial: u64) -> Peer {
        let mut peer =
            Peer::new(Rc::clone(wire), self.hub.next_key(), serial, &self.talk(), self.now);
        peer.came_to = self.rooms[0].read_to;
        peer.refused = self.hub.is_full();
        peer.healthy = self.random.one_in(3);
        peer.ends_lines = !self.random.one_in(5);
        peer.is_telnet = self.lively && peer.ends_lines && self.random.one_in(3);
        // It may have to wait for long until it is welcomed.
        peer.healthy &= !self.may_be_spare(serial);
        peer
    }

    /// The rest of every header comes, before so much time passes that it would be late.
    pub fn send_headers(&mut self) {
        self.peers.iter_mut().for_each(Peer::send_header);
    }
}
