//! What a reader is offered at once: a few pieces of memory, none of them copied.

use std::borrow::Cow;
use std::io::IoSlice;

/// The most pieces of one offer: the pages of a turn, and some more for what is private. What needs
/// more is offered the next time.
const SLICES_MAX: usize = 24;

/// The bytes that a reader lacks, in order, for one vectored write.
#[derive(Debug)]
pub struct Offer<'a> {
    slices: [IoSlice<'a>; SLICES_MAX],
    count: usize,
    bytes: usize,
    missed: u64,
}

impl<'a> Offer<'a> {
    pub(super) fn new(missed: u64) -> Offer<'a> {
        Offer { slices: [IoSlice::new(&[]); SLICES_MAX], count: 0, bytes: 0, missed }
    }

    /// At most so many of the bytes in these pieces.
    pub(super) fn of(mut pieces: impl Iterator<Item = &'a [u8]>, bytes_max: usize) -> Offer<'a> {
        let mut offer = Offer::new(0);
        while pieces.next().is_some_and(|piece| offer.add(piece, bytes_max)) {}
        offer
    }

    /// The pieces, none of them empty.
    pub fn slices(&self) -> &[IoSlice<'a>] {
        &self.slices[..self.count]
    }

    /// All pieces as one, which is a copy if there are several.
    pub fn joined(&self) -> Cow<'_, [u8]> {
        match self.slices() {
            [one] => Cow::Borrowed(one),
            many => many.iter().flat_map(|slice| slice.iter().copied()).collect(),
        }
    }

    /// How many bytes the pieces hold together.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many lines it turned out to have missed. This offer tells it.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Adds a piece, up to `bytes_max` bytes in all. Returns `false` if not all of it had room.
    pub(super) fn add(&mut self, piece: &'a [u8], bytes_max: usize) -> bool {
        if piece.is_empty() {
            return true;
        }
        let fitting = piece.len().min(bytes_max - self.bytes);
        if fitting == 0 || self.count == SLICES_MAX {
            return false;
        }
        self.slices[self.count] = IoSlice::new(&piece[..fitting]);
        self.count += 1;
        self.bytes += fitting;
        fitting == piece.len()
    }
}
