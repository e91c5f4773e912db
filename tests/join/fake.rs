//! A server that sends what the test wants.

use std::net::{SocketAddr, TcpListener};

use socket2::SockRef;

use crate::support::{Client, wait_for};

/// It listens, and accepts one client at a time.
pub struct Fake {
    listener: TcpListener,
    pub address: SocketAddr,
}

impl Fake {
    pub fn listen() -> Fake {
        Fake::listen_on(([127, 0, 0, 1], 0).into())
    }

    /// Listens on a port on which another server listened before.
    pub fn listen_on(address: SocketAddr) -> Fake {
        let listener = wait_for("the port", || TcpListener::bind(address).ok());
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        Fake { listener, address }
    }

    /// The server's end of the next connection.
    pub fn accept(&self) -> Client {
        let (socket, _) = wait_for("a client", || self.listener.accept().ok());
        socket.set_nonblocking(false).unwrap();
        // Keeps the bytes in flight few when the client does not read.
        SockRef::from(&socket).set_send_buffer_size(16 * 1024).unwrap();
        Client::new(socket)
    }
}
