//! Where a server listens, as its flags say it.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use super::networks::Exempt;
use crate::words::names::Name;

/// An address to listen on, or what is so of the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// On one address.
    At(SocketAddr),
    /// On every address, at this port.
    Everywhere(u16),
    /// On a Unix socket.
    Unix(PathBuf),
    /// No address: clients that come to the one before stand in this room.
    Room(Name),
    /// No address: for clients that come to the one before, this replaces `--exempt`.
    Exempt(Exempt),
}

impl Listen {
    /// Whether it is a place to listen, not what is so of the one before.
    pub fn is_place(&self) -> bool {
        !matches!(self, Listen::Room(_) | Listen::Exempt(_))
    }

    /// The address to listen on, and for [`Listen::Everywhere`] one of IPv6, which a machine may
    /// lack. `None` if it is no address of the internet.
    pub fn addresses(&self) -> Option<(SocketAddr, Option<SocketAddr>)> {
        match *self {
            Listen::At(address) => Some((address, None)),
            Listen::Unix(_) | Listen::Room(_) | Listen::Exempt(_) => None,
            Listen::Everywhere(port) => {
                let second = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
                Some((SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), Some(second)))
            }
        }
    }
}

/// As the flag is written.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::At(address) => write!(f, "{address}"),
            Listen::Everywhere(port) => write!(f, "{port}"),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
            Listen::Room(name) => write!(f, "room={}", name.as_str()),
            Listen::Exempt(Exempt::Nobody) => write!(f, "exempt=none"),
            Listen::Exempt(Exempt::Network(network)) => write!(f, "exempt={network}"),
        }
    }
}

/// Where operators connect, if not at the usual path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Nowhere.
    Off,
    /// At this Unix socket.
    At(PathBuf),
}
