//! A relay between browser and server, which a test can cut.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::support::PATIENCE;

/// A relay to a server. What passes is not looked at. It connects to the server when the first
/// bytes have come, as a browser does: one that is silent at first would be welcomed as nc is.
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
                let client = client.unwrap();
                let mut its = state.lock().unwrap();
                // Without a server the connection ends at once.
                if its.to.is_some() {
                    its.open.push(client.try_clone().unwrap());
                    let state = Arc::clone(&state);
                    std::thread::spawn(move || connect(client, &state));
                }
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

/// Waits for the first bytes, and then passes on what comes from both sides.
fn connect(mut client: TcpStream, state: &Mutex<State>) {
    let mut first = [0; 65536];
    let Ok(count @ 1..) = client.read(&mut first) else { return };
    let mut state = state.lock().unwrap();
    let Some(to) = state.to else { return };
    let mut server = TcpStream::connect(to).unwrap();
    server.write_all(&first[..count]).unwrap();
    for (from, to) in [(&client, &server), (&server, &client)] {
        let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        std::thread::spawn(move || pass_on(from, to));
    }
    state.open.push(server);
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

#[test]
fn a_relay_connects_with_the_first_bytes() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let relay = Relay::start(server.local_addr().unwrap());
    let _silent = TcpStream::connect(relay.address).unwrap();
    let mut browser = TcpStream::connect(relay.address).unwrap();
    browser.write_all(b"GET").unwrap();
    let (mut first, _) = server.accept().unwrap();
    first.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = [0; 3];
    first.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"GET");
    relay.cut();
    assert_eq!(first.read(&mut bytes).unwrap(), 0);
}
