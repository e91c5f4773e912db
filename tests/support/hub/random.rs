//! The source of all choices of a run: a seed, or bytes that a fuzzer has chosen.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// One source, one run.
#[derive(Clone, Debug)]
pub struct Random(Source);

#[derive(Clone, Debug)]
enum Source {
    Seed(u64),
    /// All forks draw from the same bytes in turn.
    Bytes(Rc<RefCell<Bytes>>),
}

#[derive(Debug)]
struct Bytes {
    rest: VecDeque<u8>,
    /// It goes on when there is no byte left.
    seed: u64,
}

impl Random {
    /// A small random generator (splitmix64).
    pub fn seeded(seed: u64) -> Random {
        Random(Source::Seed(seed))
    }

    /// Each choice is a byte, or two where there are more than 256 to choose from. A changed byte
    /// changes one choice, which is what a fuzzer needs.
    pub fn of_bytes(bytes: &[u8]) -> Random {
        let bytes = Bytes { rest: bytes.iter().copied().collect(), seed: bytes.len() as u64 };
        Random(Source::Bytes(Rc::new(RefCell::new(bytes))))
    }

    pub fn below(&mut self, end: usize) -> usize {
        let drawn = match &mut self.0 {
            Source::Seed(seed) => next(seed),
            Source::Bytes(bytes) => bytes.borrow_mut().next(end),
        };
        (drawn % end.max(1) as u64) as usize
    }

    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// A second source. With a seed, what one draws does not change what the other draws.
    pub fn fork(&mut self) -> Random {
        match &mut self.0 {
            Source::Seed(seed) => Random::seeded(next(seed)),
            Source::Bytes(bytes) => Random(Source::Bytes(Rc::clone(bytes))),
        }
    }

    /// Whether all that was chosen has been drawn. A seed goes on for ever.
    pub fn is_spent(&self) -> bool {
        match &self.0 {
            Source::Seed(_) => false,
            Source::Bytes(bytes) => bytes.borrow().rest.is_empty(),
        }
    }
}

impl Bytes {
    fn next(&mut self, end: usize) -> u64 {
        let Some(first) = self.rest.pop_front() else { return next(&mut self.seed) };
        let second = if end > 256 { self.rest.pop_front().unwrap_or(0) } else { 0 };
        u64::from(u16::from_le_bytes([first, second]))
    }
}

fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
