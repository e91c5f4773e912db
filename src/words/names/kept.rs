//! The names that were given up a moment ago, kept for the clients that had them.
//!
//! The rules this room keeps:
//!
//! - A name is kept for [`KEPT_FOR`]: for the client that has taken another, or, if that has left,
//!   for its network. So a client whose connection broke gets its name back, and no other can speak
//!   under it meanwhile.
//! - Of each client one name is kept, that which it had last.
//! - The oldest goes first: of a network that has `KEPT_PER_NETWORK_MAX`, and of all beyond
//!   `KEPT_MAX`.
//!
//! It never knows a clock: the present moment is handed in, and later each time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Claimant, Name};

/// How long a name is kept: a client that has lost its connection is back by then.
pub const KEPT_FOR: Duration = Duration::from_secs(30);

/// The most names that are kept. One has at most 3 KiB, so all of them take less than 2 MiB. One
/// that is pushed out is free at once, as all were without this.
const KEPT_MAX: usize = 512;

/// The most of one network, so that it cannot push out the names of all others.
const KEPT_PER_NETWORK_MAX: usize = 32;

/// A name that was given up.
#[derive(Debug)]
pub struct Kept {
    /// The client that had it.
    pub bearer: Claimant,
    /// The name.
    pub name: Name,
    has_left: bool,
    until: Instant,
}

impl Kept {
    /// What a client gives up by taking another name, or by leaving.
    pub fn new(bearer: Claimant, name: Name, has_left: bool, now: Instant) -> Kept {
        Kept { bearer, name, has_left, until: now + KEPT_FOR }
    }

    /// Whether this client may have it.
    fn is_for(&self, claimant: Claimant) -> bool {
        let is_back = self.has_left && self.bearer.network == claimant.network;
        self.bearer.serial == claimant.serial || is_back
    }
}

/// All that are kept, the oldest first, and at most one of each bearer.
#[derive(Debug, Default)]
pub struct KeptNames {
    queue: VecDeque<Kept>,
}

impl KeptNames {
    /// Keeps a name; what is kept of this bearer must have been taken out. Gives back the one that
    /// it pushes out.
    #[must_use]
    pub fn push(&mut self, kept: Kept) -> Option<Kept> {
        debug_assert!(self.place_of(kept.bearer.serial).is_none(), "two of one bearer");
        let is_of_it = |other: &Kept| other.bearer.network == kept.bearer.network;
        let of_network = self.queue.iter().filter(|other| is_of_it(other)).count();
        let pushed_out = if of_network >= KEPT_PER_NETWORK_MAX {
            self.queue.iter().position(is_of_it).and_then(|oldest| self.queue.remove(oldest))
        } else if self.queue.len() >= KEPT_MAX {
            self.queue.pop_front()
        } else {
            None
        };
        self.queue.push_back(kept);
        pushed_out
    }

    /// Takes out what is kept of this bearer.
    pub fn take_of(&mut self, serial: u64) -> Option<Kept> {
        self.queue.remove(self.place_of(serial)?)
    }

    /// What is kept of this bearer.
    pub fn of(&self, serial: u64) -> Option<&Name> {
        Some(&self.queue.get(self.place_of(serial)?)?.name)
    }

    /// Takes out one that has been kept long enough.
    pub fn take_due(&mut self, now: Instant) -> Option<Kept> {
        let is_due = self.queue.front().is_some_and(|kept| kept.until <= now);
        is_due.then(|| self.queue.pop_front()).flatten()
    }

    /// Whether that client may have what is kept of this bearer, if anything is.
    pub fn is_for(&self, bearer: u64, claimant: Claimant) -> bool {
        self.queue.iter().any(|kept| kept.bearer.serial == bearer && kept.is_for(claimant))
    }

    fn place_of(&self, serial: u64) -> Option<usize> {
        self.queue.iter().position(|kept| kept.bearer.serial == serial)
    }
}
