//! In which queues of the hub a client or a room stands.

use std::ops::BitOr;

/// Queues in which one stands, or is to stand. Only the agenda puts it there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queues(u8);

impl Queues {
    /// A client that has something to be heard, or a room that has such a client.
    pub const TALKING: Queues = Queues(1);
    /// A client that can be offered something.
    pub const READY: Queues = Queues(2);
    /// It has a deadline.
    pub const TIMED: Queues = Queues(4);
    /// A client that *release* looks at, or a room that nobody reads.
    pub const LEAVING: Queues = Queues(8);
    /// A client whose input is over, and whose last line may not be appended yet.
    pub const ENDING: Queues = Queues(16);
    /// A room in which something waits to be appended.
    pub const SUBMITTED: Queues = Queues(32);
    /// A room with a pass.
    pub const PASSING: Queues = Queues(64);

    /// The queues in which a room that is closed must not stand.
    pub const OF_ROOMS: Queues = Queues(1 | 32 | 64);

    /// These queues if that is so, else none.
    pub fn when(self, is_so: bool) -> Queues {
        if is_so { self } else { Queues::default() }
    }

    /// Whether it stands in one of these.
    pub fn has(self, queues: Queues) -> bool {
        self.0 & queues.0 != 0
    }

    /// Those of them that are not among `others`.
    pub fn without(self, others: Queues) -> Queues {
        Queues(self.0 & !others.0)
    }

    /// It stands in these no longer.
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
