//! When a small turn waits for more.

use std::time::{Duration, Instant};

/// The longest time that a small turn waits behind a full one. A full turn to a thousand clients
/// takes ten times as long.
const CORK: Duration = Duration::from_millis(1);

/// Holds a small turn back for a moment after a full one, as `TCP_CORK` does a partial frame. A
/// turn costs a write to every client, however little it brings. In a flood, a small turn after a
/// full one is often a rest, and the talkers send more within that moment. In a quiet room no turn
/// is full, so nothing waits.
#[derive(Debug, Default)]
pub struct Cork {
    last_was_full: bool,
    until: Option<Instant>,
}

impl Cork {
    /// The moment until which a turn is held back.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Whether a turn is to wait for more.
    pub fn holds(&mut self, is_small: bool, is_urgent: bool, now: Instant) -> bool {
        let may_wait = is_small && !is_urgent && self.last_was_full;
        if may_wait && now < *self.until.get_or_insert(now + CORK) {
            return true;
        }
        *self = Cork { last_was_full: !is_small, until: None };
        false
    }
}
