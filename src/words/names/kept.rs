//! Names given up recently, reserved for the clients that had them.
//!
//! The rules of this module:
//!
//! - A name is kept for [`KEPT_FOR`], for the client that has taken another. If that client has
//!   left, the name is kept for its network. So a client whose connection broke gets its name back,
//!   and no other can use the name meanwhile.
//! - At most one name per client is kept: its latest.
//! - The oldest is dropped first: of a network that has `KEPT_PER_NETWORK_MAX` names, or of all if
//!   there are `KEPT_MAX`.
//!
//! It does not know a clock: each call gets the present moment, never an earlier one than the last.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Claimant, Name};

/// How long a name is kept. A client that lost its connection reconnects within this time.
pub const KEPT_FOR: Duration = Duration::from_secs(30);

/// At most this many names are kept. One has at most 3 KiB, so all of them take less than 2 MiB. A
/// name that is dropped early is free at once.
const KEPT_MAX: usize = 512;

/// At most this many per network, so that one network cannot drop the names of all others.
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
    /// The name that a client gives up when it takes another, or when it leaves.
    pub fn new(bearer: Claimant, name: Name, has_left: bool, now: Instant) -> Kept {
        Kept { bearer, name, has_left, until: now + KEPT_FOR }
    }

    /// Whether this client may have it.
    fn is_for(&self, claimant: Claimant) -> bool {
        let is_back = self.has_left && self.bearer.network == claimant.network;
        self.bearer.serial == claimant.serial || is_back
    }
}

/// All kept names, oldest first, at most one per bearer.
#[derive(Debug, Default)]
pub struct KeptNames {
    queue: VecDeque<Kept>,
}

impl KeptNames {
    /// Keeps a name. The caller has removed any other name kept for this bearer. Returns the name
    /// that this one pushes out.
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

    /// Removes the name kept for this bearer.
    pub fn take_of(&mut self, serial: u64) -> Option<Kept> {
        self.queue.remove(self.place_of(serial)?)
    }

    /// The name kept for this bearer.
    pub fn of(&self, serial: u64) -> Option<&Name> {
        Some(&self.queue.get(self.place_of(serial)?)?.name)
    }

    /// Removes a name that has been kept long enough.
    pub fn take_due(&mut self, now: Instant) -> Option<Kept> {
        let is_due = self.queue.front().is_some_and(|kept| kept.until <= now);
        is_due.then(|| self.queue.pop_front()).flatten()
    }

    /// Whether the claimant may have the name kept for this bearer, if there is one.
    pub fn is_for(&self, bearer: u64, claimant: Claimant) -> bool {
        self.queue.iter().any(|kept| kept.bearer.serial == bearer && kept.is_for(claimant))
    }

    fn place_of(&self, serial: u64) -> Option<usize> {
        self.queue.iter().position(|kept| kept.bearer.serial == serial)
    }
}
