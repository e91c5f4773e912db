//! Who is to be looked at when, though nothing happens: one ordered set for everybody.
//!
//! Every client has at most one entry, its earliest deadline, so the set is never larger than the
//! number of clients and finding the next one costs nothing. This room never reads a clock and
//! does not know what a deadline is for: whoever is due looks at itself.

use std::collections::BTreeSet;
use std::time::Instant;

/// Whose deadline it is: the slab key for finding it, the serial for knowing that the slot has not
/// been let to someone else since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Whose {
    /// The client's serial number, never used twice.
    pub serial: u64,
    /// The slab key at which the client was when the deadline was set.
    pub key: usize,
}

/// The set of deadlines.
#[derive(Debug, Default)]
pub struct Deadlines {
    set: BTreeSet<(Instant, Whose)>,
}

impl Deadlines {
    /// Moves the one deadline of `whose` from `from` to `to`; `None` means that there is none.
    pub fn change(&mut self, whose: Whose, from: Option<Instant>, to: Option<Instant>) {
        if from == to {
            return;
        }
        if let Some(at) = from {
            self.set.remove(&(at, whose));
        }
        if let Some(at) = to {
            self.set.insert((at, whose));
        }
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Instant> {
        self.set.first().map(|(at, _)| *at)
    }

    /// Takes out one deadline that has come. Call it again until it says `None`.
    pub fn take_due(&mut self, now: Instant) -> Option<Whose> {
        let (at, whose) = *self.set.first()?;
        if at > now {
            return None;
        }
        self.set.pop_first();
        Some(whose)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn deadlines_come_in_order_and_not_before_their_time() {
        let (mut deadlines, now) = (Deadlines::default(), Instant::now());
        let at = |ms| Some(now + Duration::from_millis(ms));
        let whose = |serial| Whose { serial, key: 0 };
        deadlines.change(whose(1), None, at(30));
        deadlines.change(whose(2), None, at(10));
        deadlines.change(whose(3), None, at(20));
        deadlines.change(whose(3), at(20), None);
        assert_eq!(deadlines.next(), at(10));
        assert_eq!(deadlines.take_due(now + Duration::from_millis(9)), None);
        assert_eq!(deadlines.take_due(now + Duration::from_millis(10)), Some(whose(2)));
        assert_eq!(deadlines.take_due(now + Duration::from_secs(1)), Some(whose(1)));
        assert_eq!(deadlines.take_due(now + Duration::from_secs(1)), None);
    }
}
