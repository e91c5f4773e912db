//! The step *accept*: a connection becomes a client of the hub, or is turned away.
//!
//! When to accept is in [`super::door`], which client may come in is for the hub to say.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Instant;

use log::{info, warn};
use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::termios::{isatty, tcgetwinsize};

use super::console::Console;
use super::door::{Door, Next};
use super::invitation::Browsers;
use super::listeners::Listener;
use super::{BOTH_WAYS, LISTENERS, Server, StartError, invitation, unix};
use crate::config::Config;
use crate::hub::Hub;
use crate::hub::admit::Entrance;
use crate::room::LOBBY;
use crate::words::notice::Counted;

/// A listener, and the state of accepting from it.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) listener: Listener,
    pub(super) entrance: Entrance,
    pub(super) door: Door,
}

/// Watches the listeners, and tells where they listen. On a terminal it tells what others type to
/// join.
pub(super) fn watch(
    listeners: Vec<Listener>,
    registry: &Registry,
    config: &Config,
    hub: &mut Hub<TcpStream>,
    console: &mut Console,
) -> Result<Vec<Listening>, StartError> {
    let mut listening = Vec::new();
    for listener in listeners {
        let token = Token(LISTENERS + listening.len());
        registry
            .register(&mut SourceFd(&listener.socket.as_raw_fd()), token, Interest::READABLE)
            .map_err(|error| StartError::System("watch a listener", error))?;
        let Listener { at, room: name, place, .. } = &listener;
        let where_to = name.as_ref().map(|name| format!(", room {}", name.as_str()));
        let where_to = format!("{at}{}", where_to.unwrap_or_default());
        let is_control = place.is_none();
        match is_control {
            true => info!("operators connect to {where_to}"),
            false => {
                console.announce(&format!("listening on {where_to}"));
                info!("listening on {where_to}");
            }
        }
        let room = name.as_ref().map_or(LOBBY, |name| hub.open_room(name, Instant::now()));
        let entrance = Entrance { room, is_control, listener: *place };
        listening.push(Listening { listener, entrance, door: Door::default() });
    }
    if isatty(rustix::stdio::stdout()) {
        let addresses = listening.iter().filter_map(|one| one.listener.address()).collect();
        let browsers = match tcgetwinsize(rustix::stdio::stdout()) {
            _ if !config.serves_browsers() => Browsers::No,
            Ok(size) if !config.no_qr => Browsers::Qr(size.ws_col.into(), size.ws_row.into()),
            _ => Browsers::Address,
        };
        invitation::lines(addresses, browsers).iter().for_each(|line| console.announce(line));
    }
    Ok(listening)
}

impl Server {
    /// Accepts new clients until none waits. What was submitted in this turn is appended after
    /// that, so a client whose `connect()` returned earlier gets it. A listener's event does not
    /// come twice, so its door remembers it. No client is refused while another is about to free
    /// its place.
    pub(super) fn accept(&mut self, now: Instant) {
        // A client that comes before the other servers are known would miss what they say.
        if !self.hub.is_open() {
            return;
        }
        let mut left = self.accepts_max;
        for place in 0..self.listening.len() {
            while left > 0 && self.listening[place].door.may_accept(now) {
                if self.hub.is_making_room() {
                    return;
                }
                left -= 1;
                match self.listening[place].listener.accept() {
                    Ok((socket, address)) => {
                        self.listening[place].door.accepted();
                        self.keep_reserve();
                        self.admit(TcpStream::from_std(socket.into()), address, place, now);
                    }
                    Err(error) => self.note_failed_accept(place, &error, now),
                }
            }
        }
    }

    fn admit(&mut self, mut socket: TcpStream, address: SocketAddr, place: usize, now: Instant) {
        let entrance = self.listening[place].entrance;
        if entrance.is_control {
            if let Err(error) = unix::check_peer(&socket) {
                return self.tell_accept_trouble("refused an operator", &error, now);
            }
        } else if let Some(words) = self.hub.turned_away(address, entrance, now) {
            return turn_away(socket, &words);
        }
        let token = Token(self.hub.next_key());
        match self.poll.registry().register(&mut socket, token, BOTH_WAYS) {
            Ok(()) => self.hub.admit(socket, address, entrance, now),
            Err(error) => {
                turn_away(socket, &self.hub.refuse_at_once());
                self.tell_accept_trouble("cannot watch a new connection", &error, now);
            }
        }
    }

    fn note_failed_accept(&mut self, place: usize, error: &io::Error, now: Instant) {
        match self.listening[place].door.failed(error, now) {
            Next::Again | Next::Nobody => return,
            Next::Later => {}
            Next::TurnAway => self.turn_away_one(place, now),
        }
        self.tell_accept_trouble("cannot accept", error, now);
    }

    /// Gives up the spare descriptor for one connection, to say that the server is full. If a
    /// descriptor can be had again at once, the shortage is over, and the client is admitted.
    fn turn_away_one(&mut self, place: usize, now: Instant) {
        drop(self.reserve.take());
        let accepted = self.listening[place].listener.accept();
        self.keep_reserve();
        let door = &mut self.listening[place].door;
        match accepted {
            Ok((socket, address)) if self.reserve.is_some() => {
                door.accepted();
                self.admit(TcpStream::from_std(socket.into()), address, place, now);
            }
            Ok((socket, _)) => {
                turn_away(TcpStream::from_std(socket.into()), &self.hub.refuse_at_once());
                self.keep_reserve();
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => _ = door.failed(&error, now),
            Err(_) => _ = door.later(now),
        }
    }

    /// Takes a spare descriptor, if there is none and one to be had.
    fn keep_reserve(&mut self) {
        if self.reserve.is_none() {
            self.reserve = File::open("/dev/null").ok();
        }
    }

    fn tell_accept_trouble(&mut self, what: &str, error: &io::Error, now: Instant) {
        if let Some(count) = self.accept_troubles.count(now) {
            warn!("{what}: {error} ({})", Counted(count, "time"));
        }
    }
}

/// Sends a last line to a client that there is no room for, without waiting. Then it reads what the
/// client has sent, once: closing a socket with unread input would reset it, and the client might
/// not read the line.
fn turn_away(mut socket: TcpStream, word: &[u8]) {
    let said = socket.write(word).and_then(|_| socket.shutdown(Shutdown::Write));
    said.and_then(|()| socket.read(&mut [0; 1024])).unwrap_or_default();
}
