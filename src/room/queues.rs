//! The queues of the hub in which a client or a room stands.

use std::ops::BitOr;

/// A set of queues. Only the agenda puts a client or a room into them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queues(u8);

impl Queues {
    /// A client with lines to submit, or a room with such a client.
    pub const TALKING: Queues = Queues(1);
    /// A client that can be offered something.
    pub const READY: Queues = Queues(2);
    /// A client or a room with a deadline.
    pub const TIMED: Queues = Queues(4);
    /// A client that *release* looks at, or a room without readers.
    pub const LEAVING: Queues = Queues(8);
    /// A client whose input is over, and whose last line may not be appended yet.
    pub const ENDING: Queues = Queues(16);
    /// A room in which something waits to be appended.
    pub const SUBMITTED: Queues = Queues(32);
    /// A room with a pass.
    pub const PASSING: Queues = Queues(64);

    /// The queues that a room must have left before it is closed.
    pub const OF_ROOMS: Queues =
        Queues(Queues::TALKING.0 | Queues::SUBMITTED.0 | Queues::PASSING.0);

    /// These queues if `is_so`, else none.
    pub fn when(self, is_so: bool) -> Queues {
        if is_so { self } else { Queues::default() }
    }

    /// Whether any of these is in the set.
    pub fn has(self, queues: Queues) -> bool {
        self.0 & queues.0 != 0
    }

    /// The queues that are not among `others`.
    pub fn without(self, others: Queues) -> Queues {
        Queues(self.0 & !others.0)
    }

    /// Removes these from the set.
    pub fn leave(&mut self, queues: Queues) {
        *self = self.without(queues);
    }
}

impl BitOr for Queues {
    type Output = Queues;

    fn bitor(self, other: Queues) -> Queues {
        Queues(self.0 | other.0)
    }
}
