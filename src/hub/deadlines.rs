//! Which client or room needs attention when, even without an event: one ordered set for all.
//!
//! Each has at most one entry, its earliest deadline. So the set is never larger than their number,
//! and finding the next one costs nothing. This file never reads a clock and does not know what a
//! deadline is for: the one that is due looks at itself.
//!
//! Most deadlines move before they come. It would be simpler to leave the old entry in the set, and
//! to ignore it when its moment comes. But then the set would grow with every move, and an idle
//! server would wake up for entries that mean nothing. So the old entry is removed, and a table
//! beside the set finds it.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Instant;

use crate::room::queues::Queues;

/// The set of deadlines: each entry of `set` is that of its id in `of`, and there is no other.
#[derive(Debug)]
pub struct Deadlines<Id> {
    set: BTreeSet<(Instant, Id)>,
    of: HashMap<Id, Instant>,
}

impl<Id> Default for Deadlines<Id> {
    fn default() -> Self {
        Deadlines { set: BTreeSet::new(), of: HashMap::new() }
    }
}

impl<Id: Copy + Ord + Hash> Deadlines<Id> {
    /// The same as [`Deadlines::change`] for one in these queues; tells whether it is timed then.
    /// One that was not and is not costs no look at the set.
    pub fn file(&mut self, id: Id, queues: Queues, to: Option<Instant>) -> Queues {
        let timed = Queues::TIMED.when(to.is_some());
        if (timed | queues).has(Queues::TIMED) {
            self.change(id, to);
        }
        timed
    }

    /// Moves the one deadline of this id to this moment; `None` means that it has none.
    pub fn change(&mut self, id: Id, to: Option<Instant>) {
        let from = self.of.get(&id).copied();
        // Most clients are filed without a new deadline. They cost this one look.
        if from == to {
            return;
        }
        if let Some(at) = from {
            self.set.remove(&(at, id));
            self.of.remove(&id);
        }
        if let Some(at) = to {
            self.set.insert((at, id));
            self.of.insert(id, at);
        }
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Instant> {
        self.set.first().map(|(at, _)| *at)
    }

    /// Takes out all deadlines that have come.
    pub fn take_due(&mut self, now: Instant) -> Vec<Id> {
        let mut due = Vec::new();
        while let Some((at, id)) = self.set.first().copied().filter(|(at, _)| *at <= now) {
            self.set.remove(&(at, id));
            self.of.remove(&id);
            due.push(id);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::ClientId;
    use std::time::Duration;

    #[test]
    fn deadlines_come_in_order_and_not_before_their_time() {
        let (mut deadlines, now) = (Deadlines::default(), Instant::now());
        let at = |ms| Some(now + Duration::from_millis(ms));
        let id = |serial| ClientId { serial, key: 0 };
        for (serial, ms) in [(1, 30), (2, 40), (2, 10), (3, 20)] {
            deadlines.change(id(serial), at(ms));
        }
        deadlines.change(id(3), None);
        assert_eq!(deadlines.next(), at(10));
        assert_eq!(deadlines.take_due(now + Duration::from_millis(9)), []);
        assert_eq!(deadlines.take_due(now + Duration::from_millis(10)), [id(2)]);
        assert_eq!(deadlines.take_due(now + Duration::from_secs(1)), [id(1)]);
        assert_eq!(deadlines.next(), None);
        assert!(deadlines.of.is_empty());
    }
}
