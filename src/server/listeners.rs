//! The sockets that accept connections. This file knows no poll and no client.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use super::{StartError, in_use};
use crate::config::Config;
use crate::words::names::Name;

/// A listener, the room of its clients, and its place among [`Config::listeners`].
type Listening<'a> = (TcpListener, Option<&'a Name>, usize);

/// Listens wherever the flags say. Without IPv6 on the machine, "every address" is every IPv4
/// address.
pub fn listen_all(config: &Config) -> Result<Vec<Listening<'_>>, StartError> {
    let mut listeners = Vec::new();
    for (place, (listen, room)) in config.listeners().into_iter().enumerate() {
        let Some((first, second)) = listen.addresses() else { continue };
        let listener = try_on(first, config)?;
        // The port that the first listener got: with port 0 the kernel chose it.
        let port = listener.local_addr().map_err(|error| failed(first, error))?.port();
        listeners.push((listener, room, place));
        let Some(second) = second else { continue };
        match try_on(SocketAddr::new(second.ip(), port), config) {
            Err(StartError::Listen { error, .. }) if is_without_ipv6(&error) => {}
            listener => listeners.push((listener?, room, place)),
        }
    }
    Ok(listeners)
}

fn try_on(address: SocketAddr, config: &Config) -> Result<TcpListener, StartError> {
    listen_on(address, config).map_err(|error| failed(address, error))
}

fn failed(address: SocketAddr, error: io::Error) -> StartError {
    let cause = match error.kind() {
        ErrorKind::AddrInUse => in_use::cause(address),
        _ => String::new(),
    };
    StartError::Listen { address, error, cause }
}

fn is_without_ipv6(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

/// A listener whose options every accepted socket inherits, so that a new client costs no calls for
/// them. It never blocks.
pub fn listen_on(address: SocketAddr, config: &Config) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // IPv4 has a listener of its own, so an IPv4 client has an IPv4 address.
        socket.set_only_v6(true)?;
    }
    // A killed server leaves connections behind for a minute. The port can be used again all the
    // same.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(config.keepalive)
        .with_interval(config.keepalive_interval)
        .with_retries(config.keepalive_probes);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(config.user_timeout))?;
    socket.set_send_buffer_size(config.send_buffer)?;
    socket.set_recv_buffer_size(config.receive_buffer)?;
    socket.set_tcp_notsent_lowat(config.unsent)?;
    // Telnet sends some bytes as urgent. They must stay among the others, or a command would be
    // torn.
    socket.set_out_of_band_inline(true)?;
    socket.bind(&address.into())?;
    socket.listen(config.accept_queue)?;
    Ok(TcpListener::from(socket))
}
