//! A relay between browser and server, which a test can cut.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A relay to a server. What passes is not looked at.
pub struct Relay {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    /// `None` while it lets nobody through.
    to: Option<SocketAddr>,
    open: Vec<TcpStream>,
}

impl Relay {
    pub fn start(to: SocketAddr) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { to: Some(to), open: Vec::new() }));
        let relay = Relay { address, state: Arc::clone(&state) };
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, mut state) = (client.unwrap(), state.lock().unwrap());
                // Without a server the connection ends at once.
                let Some(to) = state.to else { continue };
                let server = TcpStream::connect(to).unwrap();
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    std::thread::spawn(move || pass_on(from, to));
                }
                state.open.extend([client, server]);
            }
        });
        relay
    }

    /// Cuts all connections, and lets nobody through.
    pub fn cut(&self) {
        let mut state = self.state.lock().unwrap();
        state.to = None;
        for socket in state.open.drain(..) {
            // It may have ended already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Lets everyone through to this server.
    pub fn lead_to(&self, to: SocketAddr) {
        self.state.lock().unwrap().to = Some(to);
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = [0; 65536];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
    // The other side may have ended already.
    let _ = to.shutdown(Shutdown::Write);
}
