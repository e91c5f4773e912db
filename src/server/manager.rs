//! What a service manager such as systemd is told: that the server is ready, stops, is alive, and
//! how many clients are here (sd_notify(3)).
//!
//! Each message is one datagram to the socket of `NOTIFY_SOCKET`. Without that variable nothing is
//! told. `WATCHDOG_USEC` says how often the manager expects a sign of life; without it none is
//! sent. A message that the manager does not take at once is sent a little later.
//!
//! This file knows neither the poll nor the hub.

use std::env;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use log::warn;
use socket2::{Domain, SockAddr, Socket, Type};

use super::door::RETRY;

/// How long a status stands at least, so that clients that come and go cost no call each.
pub const STATUS_EVERY: Duration = Duration::from_secs(1);

/// The service manager. By default there is none.
#[derive(Debug, Default)]
pub struct Manager {
    socket: Option<Socket>,
    /// How long to wait between two signs of life: half of what the manager waits.
    alive_every: Option<Duration>,
    alive_at: Option<Instant>,
    /// How many were here when it was told last.
    here: usize,
    /// Tell no other status before this.
    status_at: Option<Instant>,
    /// What it has not taken yet. Nothing but the stop is added to that.
    unsent: String,
    /// Try that again then.
    retry_at: Option<Instant>,
}

impl Manager {
    /// The manager that started this process, as far as the environment names one.
    pub fn of_environment(now: Instant) -> Manager {
        let Some(name) = env::var("NOTIFY_SOCKET").ok().filter(|name| !name.is_empty()) else {
            return Manager::default();
        };
        let socket = connect(&name)
            .inspect_err(|error| warn!("cannot reach the service manager at {name}: {error}"));
        let number = |name| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let is_for_us =
            number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let expected = number("WATCHDOG_USEC").filter(|micros| *micros > 0 && is_for_us);
        let alive_every = expected.map(|micros| Duration::from_micros(micros / 2));
        let (socket, alive_at) = (socket.ok(), alive_every.map(|every| now + every));
        Manager { socket, alive_every, alive_at, ..Manager::default() }
    }

    /// The server listens. Call it once.
    pub fn ready(&mut self, now: Instant) {
        self.tell(&format!("READY=1\n{}", status(self.here)), now);
    }

    /// The stop has begun. Call it once.
    pub fn stopping(&mut self, why: &str, here: usize, now: Instant) {
        self.tell(&format!("STOPPING=1\nSTATUS=Stopping: {why}; {here} here\n"), now);
    }

    /// Tells what is due. Call it in each turn; most make no system call.
    pub fn speak(&mut self, here: usize, now: Instant) {
        if self.retry_at.is_some_and(|at| at <= now) {
            self.send(now);
        }
        if self.socket.is_none() || self.retry_at.is_some() {
            return;
        }
        if self.alive_at.is_some_and(|at| at <= now) {
            self.alive_at = self.alive_every.map(|every| now + every);
            self.tell("WATCHDOG=1\n", now);
        }
        if here != self.here && self.status_at.is_none_or(|at| at <= now) {
            (self.here, self.status_at) = (here, Some(now + STATUS_EVERY));
            self.tell(&status(here), now);
        }
    }

    /// When to call [`Manager::speak`] next, even if nothing happens, with this many here.
    pub fn next_deadline(&self, here: usize) -> Option<Instant> {
        self.socket.as_ref()?;
        let status_at = self.status_at.filter(|_| here != self.here);
        self.retry_at.or(self.alive_at.into_iter().chain(status_at).min())
    }

    fn tell(&mut self, message: &str, now: Instant) {
        self.unsent.push_str(message);
        self.send(now);
    }

    /// Sends what is unsent. If the manager does not read now, it is tried again.
    fn send(&mut self, now: Instant) {
        let sent = self.socket.as_ref().map(|socket| socket.send(self.unsent.as_bytes()));
        self.retry_at = match sent {
            Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => Some(now + RETRY),
            _ => None,
        };
        if self.retry_at.is_none() {
            self.unsent.clear();
        }
    }
}

fn status(here: usize) -> String {
    format!("STATUS={here} here\n")
}

/// The name is a path, or begins with `@` if it is an abstract one (unix(7)).
fn connect(name: &str) -> io::Result<Socket> {
    let name = name.strip_prefix('@').map_or(name.to_owned(), |name| format!("\0{name}"));
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(name)?)?;
    Ok(socket)
}
