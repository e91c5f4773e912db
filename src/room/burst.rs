//! How a bare relay splits a burst: messages of one moment are sent one by one.
//!
//! Programs for a bare relay often read at most 1 024 bytes, and decode each read by itself. They
//! crash if a read ends inside a character. A relay that writes each message by itself seldom does
//! that to a client that keeps up. So within one millisecond no more is appended than such a read
//! takes, or one entry. A client that keeps up then reads whole messages.
//!
//! More than `BURST_BYTES_MAX` is a flood, in which a client is sent as much at once as it takes.
//! Each part is a write to each client. So the rate of parts is limited, and they cost at most a
//! small share of a processor. This file knows no client and no clock.

use std::time::{Duration, Instant};

use crate::pace::{Bucket, Pace};

/// The most bytes that such a client takes in one read.
const PART_BYTES: usize = 1024;

/// How long a client has time to read a part before the next one comes.
const PART_TIME: Duration = Duration::from_millis(1);

/// The most parts of a burst. The last one comes 7 ms after the first.
const PARTS_MAX: u32 = 8;

/// More than this is a flood.
const BURST_BYTES_MAX: usize = PARTS_MAX as usize * PART_BYTES;

/// The most writes of parts in a second, to all clients together: about 0.5 % of a processor. After
/// that many, a burst is not split.
const WRITES_PER_SECOND: u32 = 1000;

/// How much of the waiting bytes may be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    All,
    /// At most so many bytes, or one entry.
    Bytes(usize),
    /// Nothing before [`Burst::until`].
    Wait,
}

/// What was appended in the present part, and how many more parts are allowed.
#[derive(Debug, Default)]
pub struct Burst {
    /// When the present part ends, and how many bytes it still takes.
    ends_at: Option<Instant>,
    left: usize,
    parts: Bucket,
    until: Option<Instant>,
}

impl Burst {
    /// How many of `waiting` bytes, at least one, are appended now for this many clients.
    pub fn part(&mut self, waiting: usize, clients: usize, now: Instant) -> Part {
        self.until = None;
        if waiting > BURST_BYTES_MAX {
            return Part::All;
        }
        if self.ends_at.is_none_or(|at| at <= now) {
            (self.ends_at, self.left) = (Some(now + PART_TIME), PART_BYTES);
        }
        if waiting <= self.left {
            self.left -= waiting;
            return Part::All;
        }
        if self.left < PART_BYTES {
            self.until = self.ends_at;
            return Part::Wait;
        }
        if self.parts.take(&pace(clients), now).is_err() {
            return Part::All;
        }
        self.left = 0;
        Part::Bytes(PART_BYTES)
    }

    /// The moment until which bytes wait for the present part to end.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }
}

/// How often a burst to this many clients may be split.
fn pace(clients: usize) -> Pace {
    let every = Duration::from_secs(1) / WRITES_PER_SECOND;
    Pace { every: every.saturating_mul(clients as u32), burst: PARTS_MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often `waiting` bytes are split, if they come again and again for a while.
    fn parted(waiting: usize, clients: usize, seconds: u64) -> usize {
        let (mut burst, start) = (Burst::default(), Instant::now());
        let moments = (0..500 * seconds).map(|step| start + 2 * PART_TIME * step as u32);
        moments.filter(|now| burst.part(waiting, clients, *now) != Part::All).count()
    }

    #[test]
    fn within_a_moment_no_more_is_appended_than_one_read_takes() {
        let (mut burst, now) = (Burst::default(), Instant::now());
        assert_eq!(burst.part(600, 9, now), Part::All);
        assert_eq!(burst.part(424, 9, now), Part::All);
        assert_eq!((burst.part(1, 9, now), burst.until()), (Part::Wait, Some(now + PART_TIME)));
        let now = now + PART_TIME;
        assert_eq!((burst.part(2000, 9, now), burst.until()), (Part::Bytes(1024), None));
        assert_eq!(burst.part(1000, 9, now), Part::Wait);
        assert_eq!(burst.part(1000, 9, now + PART_TIME), Part::All);
    }

    #[test]
    fn a_flood_is_not_parted_and_waits_for_nothing() {
        let (mut burst, now) = (Burst::default(), Instant::now());
        assert_eq!(burst.part(2000, 9, now), Part::Bytes(1024));
        assert_eq!((burst.part(8193, 9, now), burst.until()), (Part::All, None));
    }

    #[test]
    fn parts_cost_only_so_many_writes() {
        for (clients, parts) in [(1, 500), (9, 111), (100, 10), (1000, 1)] {
            let parted = parted(2000, clients, 10);
            let most = 10 * parts + PARTS_MAX as usize + 1;
            assert!((parts..=most).contains(&parted), "{parted} for {clients} clients");
        }
    }
}
