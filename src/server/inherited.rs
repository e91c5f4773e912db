//! Sockets that a service manager opened and handed to the server, as `LISTEN_FDS` says
//! (sd_listen_fds(3)). Connections wait there while the server is started again.
//!
//! They replace the addresses of `--listen`. A Unix socket with the name `control` replaces
//! `--control`.

use std::env;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;

use listenfd::ListenFd;

use super::listeners::At;

/// The name of the socket of operators.
const CONTROL: &str = "control";

/// What was handed to this process.
#[derive(Debug, Default)]
pub struct Inherited {
    /// The sockets of clients, and where they listen.
    pub sockets: Vec<(OwnedFd, At)>,
    /// The socket of operators, and where it listens.
    pub control: Option<(OwnedFd, At)>,
}

/// Takes the sockets, if `LISTEN_PID` says that they are for this process. Call it once, before any
/// other program is started: until then that would inherit them.
pub fn take() -> io::Result<Inherited> {
    let mut inherited = Inherited::default();
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    // Without LISTEN_PID, `listenfd` would take them too; systemd always sets it.
    let mut sockets = match env::var_os("LISTEN_PID") {
        Some(_) => ListenFd::from_env(),
        None => ListenFd::empty(),
    };
    for number in 0..sockets.len() {
        let is_control = names.next() == Some(CONTROL);
        let (socket, at) = take_one(&mut sockets, number).map_err(|error| {
            let why = format!("number {number} of LISTEN_FDS: {error}");
            io::Error::new(error.kind(), why)
        })?;
        match at {
            At::Inherited(_) if is_control => inherited.control = Some((socket, at)),
            _ => inherited.sockets.push((socket, at)),
        }
    }
    Ok(inherited)
}

fn take_one(sockets: &mut ListenFd, number: usize) -> io::Result<(OwnedFd, At)> {
    let none = || io::Error::new(ErrorKind::InvalidInput, "it does not listen for connections");
    let (socket, at) = match sockets.take_tcp_listener(number) {
        Ok(socket) => {
            let socket = socket.ok_or_else(none)?;
            let address = socket.local_addr()?;
            (OwnedFd::from(socket), At::Internet(address))
        }
        Err(_) => {
            let socket = sockets.take_unix_listener(number).ok().flatten().ok_or_else(none)?;
            let address = socket.local_addr()?;
            let path = address.as_pathname().map_or_else(|| "(no path)".into(), Into::into);
            (OwnedFd::from(socket), At::Inherited(path))
        }
    };
    Ok((socket, at))
}
