//! Bytes that wait to be written, oldest first.
//!
//! Taking bytes moves a cursor, not the bytes. The taken bytes are freed once they are as many as
//! the rest. So each byte taken moves at most one byte. A backlog has no bound of its own: check
//! [`Backlog::len`] before you append. This file does not know who writes.

/// Bytes that wait to be written.
///
/// `taken <= bytes.len()`, and both are 0 when nothing waits.
#[derive(Debug, Default)]
pub struct Backlog {
    bytes: Vec<u8>,
    taken: usize,
}

impl Backlog {
    /// All that waits.
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The place to append more. Do nothing else to it.
    pub fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Notes that the first `bytes` of the rest have been written.
    pub fn took(&mut self, bytes: usize) {
        self.taken += bytes;
        debug_assert!(self.taken <= self.bytes.len());
        if self.taken >= self.len() {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
    }

    /// Drops the rest.
    pub fn clear(&mut self) {
        *self = Backlog::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_waits_that_has_been_taken_or_that_nobody_will_take() {
        let mut backlog = Backlog::default();
        assert!(backlog.is_empty());
        backlog.end().extend(b"abc");
        assert!(!backlog.is_empty());
        backlog.took(3);
        assert!(backlog.is_empty() && backlog.bytes.is_empty());
        backlog.end().extend(b"abc");
        backlog.clear();
        assert!(backlog.is_empty() && backlog.rest().is_empty());
    }

    proptest! {
        #![proptest_config(crate::cases())]

        #[test]
        fn what_is_taken_is_what_was_appended_and_little_more_is_kept(
            steps in prop::collection::vec((0_usize..50, 0_usize..50), 0..100)
        ) {
            let (mut backlog, mut appended, mut taken) = (Backlog::default(), 0_u8, Vec::new());
            let mut all = Vec::new();
            for (more, most) in steps {
                for _ in 0..more {
                    backlog.end().push(appended);
                    all.push(appended);
                    appended = appended.wrapping_add(1);
                }
                let take = most.min(backlog.len());
                taken.extend_from_slice(&backlog.rest()[..take]);
                backlog.took(take);
                prop_assert!(backlog.bytes.len() <= 2 * backlog.len());
            }
            taken.extend_from_slice(backlog.rest());
            prop_assert_eq!(taken, all);
        }
    }
}
