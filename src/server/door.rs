//! When to accept, and what a failed accept means.
//!
//! `mio` is edge-triggered. At the limit of descriptors a listener goes silent: no event comes for
//! the connections that wait, not even when descriptors are free again. So the door remembers that
//! connections may wait, until `accept` returns `EAGAIN`. After a failure it tries again by itself.
//! It is a value: it knows errors and instants, not sockets or the clock.
//!
//! A *door* is where connections wait to be accepted. The *doorway* is behind it. There are the
//! connections that were accepted only to be told why they are refused
//! ([`DOORWAY_MAX`](crate::config::DOORWAY_MAX)).

use std::io;
use std::time::{Duration, Instant};

use rustix::io::Errno;

/// How long to wait before the next try while the machine is short of something. The waiting
/// connections are served soon after the shortage, and a try costs nothing.
pub const RETRY: Duration = Duration::from_millis(100);

/// How many connections in a row may have broken before they were accepted. After more, accepting
/// itself probably fails, whatever the error is. Then the next try waits for [`RETRY`], or the loop
/// would try without a pause.
pub const BROKEN_MAX: u32 = 32;

/// Errors of a connection that broke before it was accepted (accept(2)), and of an interrupted
/// call.
const ONE_PEERS: &[Errno] = &[
    Errno::INTR,
    Errno::CONNABORTED,
    Errno::PROTO,
    Errno::NETDOWN,
    Errno::NOPROTOOPT,
    Errno::HOSTDOWN,
    #[cfg(target_os = "linux")]
    Errno::NONET,
    Errno::HOSTUNREACH,
    Errno::OPNOTSUPP,
    Errno::NETUNREACH,
    Errno::TIMEDOUT,
];

/// What to do after an `accept` that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Accept again: only that one connection failed.
    Again,
    /// Stop: no connection waits.
    Nobody,
    /// Stop, and try again at [`Door::retry_at`].
    Later,
    /// Descriptors have been short for a while: give up the reserve, and tell one client that the
    /// server is full.
    TurnAway,
}

/// The state of accepting from one listener.
#[derive(Clone, Copy, Debug, Default)]
pub struct Door {
    /// A connection may be waiting.
    waiting: bool,
    /// Do not try before this.
    retry_at: Option<Instant>,
    /// Since when there are no descriptors.
    short_since: Option<Instant>,
    /// How many connections in a row have broken before they were accepted.
    broken: u32,
}

impl Door {
    /// The listener had an event: a connection waits.
    pub fn note(&mut self) {
        self.waiting = true;
    }

    /// A descriptor has been freed, so accepting may work again.
    pub fn note_room(&mut self) {
        self.retry_at = None;
    }

    /// Whether to accept now.
    pub fn may_accept(&self, now: Instant) -> bool {
        self.waiting && self.retry_at.is_none_or(|at| at <= now)
    }

    /// When to accept again without an event; `None` if only an event can change anything.
    pub fn retry_at(&self, now: Instant) -> Option<Instant> {
        self.waiting.then(|| self.retry_at.unwrap_or(now))
    }

    /// A connection was accepted.
    pub fn accepted(&mut self) {
        (self.retry_at, self.short_since, self.broken) = (None, None, 0);
    }

    /// Accepting failed.
    pub fn failed(&mut self, error: &io::Error, now: Instant) -> Next {
        match Errno::from_io_error(error) {
            Some(Errno::AGAIN) => {
                self.waiting = false;
                (self.retry_at, self.broken) = (None, 0);
                Next::Nobody
            }
            Some(errno) if ONE_PEERS.contains(&errno) => self.broke(now),
            Some(Errno::MFILE | Errno::NFILE) => {
                let since = *self.short_since.get_or_insert(now);
                if now.duration_since(since) >= RETRY {
                    return Next::TurnAway;
                }
                self.later(now)
            }
            _ => self.later(now),
        }
    }

    fn broke(&mut self, now: Instant) -> Next {
        self.broken += 1;
        if self.broken <= BROKEN_MAX {
            return Next::Again;
        }
        self.broken = 0;
        self.later(now)
    }

    /// Waits before the next try: the reserve did not help, or is not there.
    pub fn later(&mut self, now: Instant) -> Next {
        self.retry_at = Some(now + RETRY);
        Next::Later
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    #[test]
    fn a_door_is_tried_until_nobody_waits() {
        let (mut door, now) = (Door::default(), Instant::now());
        assert!(!door.may_accept(now));
        door.note();
        assert_eq!(door.failed(&error(Errno::CONNABORTED), now), Next::Again);
        assert_eq!(door.failed(&error(Errno::PROTO), now), Next::Again);
        assert!(door.may_accept(now));
        assert_eq!(door.failed(&error(Errno::AGAIN), now), Next::Nobody);
        assert!(!door.may_accept(now));
        assert_eq!(door.retry_at(now), None);
    }

    #[test]
    fn a_door_where_nobody_is_whole_is_left_alone_for_a_while() {
        let (mut door, now) = (Door::default(), Instant::now());
        door.note();
        for now in [now, now + RETRY] {
            let broken = || error(Errno::CONNABORTED);
            assert!((0..BROKEN_MAX).all(|_| door.failed(&broken(), now) == Next::Again));
            assert_eq!(door.failed(&broken(), now), Next::Later);
            assert_eq!(door.retry_at(now), Some(now + RETRY));
        }
        for _ in 0..2 * BROKEN_MAX {
            assert_eq!(door.failed(&error(Errno::PROTO), now), Next::Again);
            door.accepted();
        }
    }

    #[test]
    fn a_shortage_is_waited_out_and_then_told() {
        let (mut door, now) = (Door::default(), Instant::now());
        door.note();
        assert_eq!(door.failed(&error(Errno::MFILE), now), Next::Later);
        assert!(!door.may_accept(now));
        assert_eq!(door.retry_at(now), Some(now + RETRY));
        assert_eq!(door.failed(&error(Errno::MFILE), now + RETRY), Next::TurnAway);
        door.accepted();
        assert_eq!(door.failed(&error(Errno::NFILE), now + RETRY), Next::Later);
        assert_eq!(door.failed(&error(Errno::NOMEM), now + 9 * RETRY), Next::Later);
    }

    #[test]
    fn a_freed_descriptor_opens_the_door_at_once() {
        let (mut door, now) = (Door::default(), Instant::now());
        door.note();
        door.failed(&error(Errno::NOBUFS), now);
        door.note_room();
        assert!(door.may_accept(now));
    }
}
