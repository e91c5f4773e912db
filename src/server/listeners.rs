//! The sockets that newcomers come to. This room knows no poll and nobody who comes.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use super::{StartError, in_use};
use crate::config::Config;

/// Listens wherever it is asked to. Where there is no IPv6, every address is every address of IPv4.
pub fn listen_all(config: &Config) -> Result<Vec<TcpListener>, StartError> {
    let mut listeners = Vec::new();
    for listen in &config.listen {
        let (first, second) = listen.addresses();
        let listener = try_on(first, config)?;
        // The port that was taken, if any was asked for.
        let port = listener.local_addr().map_err(|error| failed(first, error))?.port();
        listeners.push(listener);
        let Some(second) = second else { continue };
        match try_on(SocketAddr::new(second.ip(), port), config) {
            Err(StartError::Listen { error, .. }) if is_without_ipv6(&error) => {}
            listener => listeners.push(listener?),
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

/// A listener whose options are inherited by every socket it accepts, so that no newcomer costs a
/// call for them. It never blocks.
pub fn listen_on(address: SocketAddr, config: &Config) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // IPv4 has a listener of its own, so that addresses are what they look like.
        socket.set_only_v6(true)?;
    }
    // A server that was killed leaves connections behind for a minute; the port is ours all the
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
    // A byte that telnet sends as urgent stays among the others, or the command it is of is torn.
    socket.set_out_of_band_inline(true)?;
    socket.bind(&address.into())?;
    socket.listen(config.accept_queue)?;
    Ok(TcpListener::from(socket))
}
