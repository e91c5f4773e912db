//! Whether the client has acknowledged all that was sent to it, and our end of the connection too.
//!
//! The kernel tells (sock_diag(7)) what `ss` prints: a connection of which our side is shut down is
//! in FIN-WAIT-2 once the client's kernel has everything. One question is one message of a fixed
//! form. Where the kernel does not answer, nothing is known. This file knows no poll.

use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// `AF_NETLINK`, and its protocol `NETLINK_SOCK_DIAG`.
const NETLINK: i32 = 16;
const SOCK_DIAG: i32 = 4;

/// `SOCK_DIAG_BY_FAMILY`: the type of the question and of the answer.
const BY_FAMILY: u16 = 20;

/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;

/// `IPPROTO_TCP`, and what a question begins with in each family.
const TCP: u8 = 6;
const INET: u8 = 2;
const INET6: u8 = 10;

/// The state FIN-WAIT-2, as the kernel numbers it.
const FIN_WAIT_2: u8 = 5;

const HEAD_BYTES: usize = 16;
const QUESTION_BYTES: usize = HEAD_BYTES + 56;

/// The place of the state in an answer.
const STATE_AT: usize = HEAD_BYTES + 1;

/// Whether the client of this connection, which was shut down, has acknowledged everything. `false`
/// if that is not known, or it is no connection of the internet.
pub fn is_all_received(connection: SockRef<'_>) -> bool {
    let end = |address: std::io::Result<socket2::SockAddr>| address.ok()?.as_socket();
    let ends = end(connection.local_addr()).zip(end(connection.peer_addr()));
    ends.and_then(|(own, peer)| state(own, peer)) == Some(FIN_WAIT_2)
}

/// The state of the connection between these ends.
fn state(own: SocketAddr, peer: SocketAddr) -> Option<u8> {
    let kernel = Socket::new(Domain::from(NETLINK), Type::DGRAM, Some(Protocol::from(SOCK_DIAG)));
    let kernel = kernel.ok()?;
    kernel.set_nonblocking(true).ok()?;
    // The kernel answers within the call.
    kernel.send(&question(own, peer)).ok()?;
    let mut answer = [0; 1024];
    let bytes = rustix::net::recv(&kernel, &mut answer[..], rustix::net::RecvFlags::empty());
    state_in(&answer[..bytes.ok()?.0])
}

/// Asks for one connection: a header, and `inet_diag_req_v2`.
fn question(own: SocketAddr, peer: SocketAddr) -> Vec<u8> {
    let mut asked = Vec::with_capacity(QUESTION_BYTES);
    asked.extend((QUESTION_BYTES as u32).to_ne_bytes());
    asked.extend(BY_FAMILY.to_ne_bytes());
    asked.extend(REQUEST.to_ne_bytes());
    // Our number of the question, and the kernel as its recipient.
    asked.extend([0; 8]);
    asked.extend([if own.is_ipv4() { INET } else { INET6 }, TCP, 0, 0]);
    // In any state.
    asked.extend(u32::MAX.to_ne_bytes());
    asked.extend(own.port().to_be_bytes());
    asked.extend(peer.port().to_be_bytes());
    asked.extend(octets(own.ip()));
    asked.extend(octets(peer.ip()));
    let interface = match own {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(own) => own.scope_id(),
    };
    asked.extend(interface.to_ne_bytes());
    // No cookie: the ends say which connection is meant.
    asked.extend([u8::MAX; 8]);
    asked
}

fn octets(address: IpAddr) -> [u8; 16] {
    let mut octets = [0; 16];
    match address {
        IpAddr::V4(address) => octets[..4].copy_from_slice(&address.octets()),
        IpAddr::V6(address) => octets = address.octets(),
    }
    octets
}

fn state_in(answer: &[u8]) -> Option<u8> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    if kind != BY_FAMILY {
        return None;
    }
    answer.get(STATE_AT).copied()
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn it_is_known_of_a_connection_that_is_shut_down() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (connection, _) = listener.accept().unwrap();
            assert!(!is_all_received(SockRef::from(&connection)), "{address}: it is open");
            connection.shutdown(Shutdown::Write).unwrap();
            assert_eq!(client.read(&mut [0]).unwrap(), 0);
            // A kernel may acknowledge a little later.
            let by = Instant::now() + Duration::from_secs(20);
            while !is_all_received(SockRef::from(&connection)) {
                assert!(Instant::now() < by, "{address}");
                sleep(Duration::from_millis(5));
            }
            drop(client);
            assert!(!is_all_received(SockRef::from(&connection)), "{address}: both have ended");
        }
    }

    #[test]
    fn an_answer_of_another_kind_says_nothing() {
        let mut answer = [0; 80];
        answer[STATE_AT] = FIN_WAIT_2;
        assert_eq!(state_in(&answer), None);
        answer[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
        assert_eq!(state_in(&answer), Some(FIN_WAIT_2));
        assert_eq!(state_in(&answer[..STATE_AT]), None);
        assert_eq!(state_in(&[]), None);
    }
}
