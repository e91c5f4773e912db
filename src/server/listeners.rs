//! The sockets that accept connections. This file knows no poll and no client.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use log::warn;
use rustix::io::Errno;
use rustix::net::SocketAddrAny;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use super::inherited::Inherited;
use super::unix::{Access, SocketFile};
use super::{StartError, in_use, unix};
use crate::config::{Config, Control, Listen};
use crate::words::names::Name;

/// What a client of a Unix socket has in the place of an address.
pub const NO_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// A socket that accepts connections.
#[derive(Debug)]
pub struct Listener {
    /// The socket.
    pub socket: OwnedFd,
    /// Where it listens.
    pub at: At,
    /// The room of its clients; `None` is the lobby.
    pub room: Option<Name>,
    /// Its place among [`Config::listeners`]. `None` if it is the one for operators.
    pub place: Option<usize>,
    send_buffer: usize,
}

/// Where a socket listens.
#[derive(Debug)]
pub enum At {
    /// At this address.
    Internet(SocketAddr),
    /// At this path.
    Unix(SocketFile),
    /// At this path, whose file is the service manager's.
    Inherited(PathBuf),
}

impl At {
    /// As `--listen` writes it.
    fn as_flag(&self) -> Listen {
        match self {
            At::Internet(address) => Listen::At(*address),
            At::Unix(file) => Listen::Unix(file.path().to_owned()),
            At::Inherited(path) => Listen::Unix(path.clone()),
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_flag().fmt(f)
    }
}

impl Listener {
    /// Its address, if it has one.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.at {
            At::Internet(address) => Some(address),
            At::Unix(..) | At::Inherited(..) => None,
        }
    }

    /// Accepts a connection. Neither this nor the connection blocks. One to a Unix socket has no
    /// address, which is written as the unspecified one.
    pub fn accept(&self) -> io::Result<(OwnedFd, SocketAddr)> {
        let (connection, from) = accept_from(&self.socket)?;
        if self.address().is_none() {
            // It inherits no options. With the default buffer it is only a larger one.
            SockRef::from(&connection).set_send_buffer_size(self.send_buffer).unwrap_or_default();
        }
        let address = from.and_then(|from| SocketAddr::try_from(from).ok());
        Ok((connection, address.unwrap_or(NO_ADDRESS)))
    }
}

/// Accepts in one call.
#[cfg(not(target_vendor = "apple"))]
fn accept_from(socket: &OwnedFd) -> rustix::io::Result<(OwnedFd, Option<SocketAddrAny>)> {
    use rustix::net::SocketFlags;
    rustix::net::acceptfrom_with(socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
}

/// Accepts where no call also sets the flags.
#[cfg(target_vendor = "apple")]
fn accept_from(socket: &OwnedFd) -> rustix::io::Result<(OwnedFd, Option<SocketAddrAny>)> {
    let (connection, from) = rustix::net::acceptfrom(socket)?;
    rustix::io::fcntl_setfd(&connection, rustix::io::FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&connection, true)?;
    Ok((connection, from))
}

/// Listens on the sockets that were handed to the server, else wherever the flags say. The flags
/// then name these sockets.
pub fn listen(config: &mut Config, inherited: Inherited) -> Result<Vec<Listener>, StartError> {
    let Inherited { sockets, control } = inherited;
    let mut listeners = Vec::new();
    if sockets.is_empty() {
        listeners = listen_all(config)?;
    } else {
        if config.listen != Config::default().listen {
            warn!("--listen is not used: the service manager listens");
        }
        config.listen = sockets.iter().map(|(_, at)| at.as_flag()).collect();
    }
    for (place, (socket, at)) in sockets.into_iter().enumerate() {
        listeners.push(take_over(socket, at, Some(place), config)?);
    }
    match control {
        Some((socket, at)) => listeners.push(take_over(socket, at, None, config)?),
        None => add_operators(&mut listeners, config)?,
    }
    Ok(listeners)
}

/// Gives an inherited socket the options of one of ours.
fn take_over(
    socket: OwnedFd,
    at: At,
    place: Option<usize>,
    config: &Config,
) -> Result<Listener, StartError> {
    let own = SockRef::from(&socket);
    let set = match at {
        At::Internet(_) => set_options(&own, config),
        At::Unix(_) | At::Inherited(_) => own.set_nonblocking(true),
    };
    set.and_then(|()| own.listen(config.accept_queue))
        .map_err(|error| StartError::System("use an inherited socket", error))?;
    Ok(Listener { socket, at, room: None, place, send_buffer: config.send_buffer })
}

/// Listens wherever the flags say. Without IPv6 on the machine, "every address" is every IPv4
/// address.
fn listen_all(config: &Config) -> Result<Vec<Listener>, StartError> {
    let (mut listeners, send_buffer) = (Vec::new(), config.send_buffer);
    for (place, (listen, room)) in config.listeners().into_iter().enumerate() {
        let mut add = |(socket, at)| {
            let room = room.cloned();
            listeners.push(Listener { socket, at, room, place: Some(place), send_buffer });
        };
        if let Listen::Unix(path) = listen {
            add(listen_at(path, Access::All, config)?);
        }
        let Some((first, second)) = listen.addresses() else { continue };
        let (socket, address) = try_on(first, config)?;
        add((socket, At::Internet(address)));
        let Some(second) = second else { continue };
        // The port that the first listener got: with port 0 the kernel chose it.
        match try_on(SocketAddr::new(second.ip(), address.port()), config) {
            Err(StartError::Listen { error, .. }) if is_without_ipv6(&error) => {}
            listening => {
                let (socket, address) = listening?;
                add((socket, At::Internet(address)));
            }
        }
    }
    Ok(listeners)
}

/// Adds the listener of operators, if there is one.
fn add_operators(listeners: &mut Vec<Listener>, config: &Config) -> Result<(), StartError> {
    let port = listeners.iter().find_map(Listener::address).map(|address| address.port());
    let control = listen_to_operators(port, config)?;
    let send_buffer = config.send_buffer;
    listeners.extend(control.map(|(socket, at)| Listener {
        socket,
        at,
        room: None,
        place: None,
        send_buffer,
    }));
    Ok(())
}

/// Listens where operators connect. If the usual path cannot be used, the server starts all the
/// same: no flag asked for it.
fn listen_to_operators(
    port: Option<u16>,
    config: &Config,
) -> Result<Option<(OwnedFd, At)>, StartError> {
    match &config.control {
        Some(Control::Off) => return Ok(None),
        Some(Control::At(path)) => return listen_at(path, Access::Owner, config).map(Some),
        None if config.raw => return Ok(None),
        None => {}
    }
    let usual = port.and_then(|port| unix::usual_controls(port).next());
    let Some(path) = usual else { return Ok(None) };
    let made = unix::make_folder(&path).map_err(|error| failed_at(&path, error));
    let listening = made.and_then(|()| listen_at(&path, Access::Owner, config));
    Ok(listening.inspect_err(|error| warn!("operators: {error}; see --control")).ok())
}

fn listen_at(path: &Path, access: Access, config: &Config) -> Result<(OwnedFd, At), StartError> {
    let listening = unix::listen_on(path, access, config.accept_queue);
    let (socket, file) = listening.map_err(|error| failed_at(path, error))?;
    Ok((socket, At::Unix(file)))
}

fn failed_at(path: &Path, error: io::Error) -> StartError {
    StartError::Listen { at: format!("unix:{}", path.display()), error, cause: String::new() }
}

fn try_on(address: SocketAddr, config: &Config) -> Result<(OwnedFd, SocketAddr), StartError> {
    let listening = listen_on(address, config)
        .and_then(|listener| listener.local_addr().map(|address| (listener.into(), address)));
    listening.map_err(|error| {
        let cause = match error.kind() {
            ErrorKind::AddrInUse => in_use::cause(address),
            _ => String::new(),
        };
        StartError::Listen { at: address.to_string(), error, cause }
    })
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
    set_options(&socket, config)?;
    socket.bind(&address.into())?;
    socket.listen(config.accept_queue)?;
    Ok(TcpListener::from(socket))
}

/// The options that a listener of clients has, however it was opened.
fn set_options(socket: &Socket, config: &Config) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(config.keepalive)
        .with_interval(config.keepalive_interval)
        .with_retries(config.keepalive_probes);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(config.user_timeout))?;
    socket.set_send_buffer_size(config.send_buffer)?;
    socket.set_recv_buffer_size(config.receive_buffer)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(config.unsent)?;
    // Telnet sends some bytes as urgent. They must stay among the others, or a command would be
    // torn.
    socket.set_out_of_band_inline(true)
}
