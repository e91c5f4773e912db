//! What each node has said: which batch is new, and which comes again.
//!
//! A node numbers its batches. An engine may apply a command of a connection that was given up, so
//! after a cut nobody knows which batches arrived. Nobody asks either: everything that has not come
//! back is sent again with its old number, and every node drops what comes a second time. All nodes
//! read one stream, so all drop the same copy.
//!
//! A batch counts when its own node reads it from the stream, not when the engine has acknowledged
//! it. So a node shows its own lines in the place that all others show them.

use std::collections::{BTreeMap, VecDeque};

/// Which run of which server: a server that is started again is another node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// Its name, which no other server of the cluster has at the same time.
    pub name: String,
    /// When it started, in microseconds since 1970.
    pub epoch: u64,
}

/// What this node has submitted, and what has come from all of them.
#[derive(Debug)]
pub struct Ledger {
    /// The number of the next batch of this node.
    next: u64,
    /// Submitted and not come back, the oldest first. The last has the number `next - 1`.
    unconfirmed: VecDeque<Vec<u8>>,
    /// How many of them the present connection was given.
    given: usize,
    /// Of all that are unconfirmed.
    bytes: usize,
    /// By name of a server, its newest run and the number of the next batch of that. It outlasts
    /// the run: a copy of its last batches may be carried out behind its goodbye.
    expected: BTreeMap<String, (u64, u64)>,
}

impl Default for Ledger {
    fn default() -> Self {
        let (unconfirmed, expected) = (VecDeque::new(), BTreeMap::new());
        Ledger { next: 0, unconfirmed, given: 0, bytes: 0, expected }
    }
}

impl Ledger {
    /// The bytes of the batches that have not come back.
    pub fn unconfirmed_bytes(&self) -> usize {
        self.bytes
    }

    /// How many batches have not come back.
    pub fn unconfirmed(&self) -> usize {
        self.unconfirmed.len()
    }

    /// Whether the batch with this number has not come back.
    pub fn lacks(&self, number: u64) -> bool {
        (self.first_unconfirmed()..self.next).contains(&number)
    }

    fn first_unconfirmed(&self) -> u64 {
        self.next - self.unconfirmed.len() as u64
    }

    /// Submits a batch.
    pub fn submit(&mut self, batch: Vec<u8>) {
        self.bytes += batch.len();
        self.unconfirmed.push_back(batch);
        self.next += 1;
    }

    /// The next batch for the present connection, with its number.
    pub fn give(&mut self) -> Option<(u64, &[u8])> {
        let number = self.first_unconfirmed() + self.given as u64;
        let batch = self.unconfirmed.get(self.given)?;
        self.given += 1;
        Some((number, batch))
    }

    /// How many batches the present connection was given that have not come back.
    pub fn given(&self) -> usize {
        self.given
    }

    /// The connection is lost: the next one is given everything again.
    pub fn cut(&mut self) {
        self.given = 0;
    }

    /// Whether a batch of the stream did not come before.
    pub fn is_new(&self, node: &Node, number: u64) -> bool {
        self.expected.get(&node.name).is_none_or(|expected| (node.epoch, number) >= *expected)
    }

    /// Notes a batch of the stream, of this node if `is_own`. Returns whether it is new.
    /// Batches before it may be missing: the lines in it tell how many were said.
    pub fn note(&mut self, node: &Node, number: u64, is_own: bool) -> bool {
        let is_new = self.is_new(node, number);
        if is_new {
            self.expected.insert(node.name.clone(), (node.epoch, number + 1));
            self.confirm(number, is_own);
        }
        is_new
    }

    /// A batch of this node has come back, and so all before it.
    fn confirm(&mut self, number: u64, is_own: bool) {
        if !is_own || !self.lacks(number) {
            return;
        }
        for _ in self.first_unconfirmed()..=number {
            let batch = self.unconfirmed.pop_front();
            self.bytes -= batch.map_or(0, |batch| batch.len());
            self.given = self.given.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> Node {
        Node { name: name.to_owned(), epoch: 1 }
    }

    #[test]
    fn what_has_not_come_back_is_given_again_after_a_cut() {
        let (mut ledger, own) = (Ledger::default(), node("a"));
        for batch in [b"zero", b"one!", b"two!"] {
            ledger.submit(batch.to_vec());
        }
        assert_eq!(ledger.give(), Some((0, b"zero".as_slice())));
        assert_eq!(ledger.give(), Some((1, b"one!".as_slice())));
        assert!(ledger.note(&own, 0, true));
        assert_eq!((ledger.unconfirmed(), ledger.unconfirmed_bytes(), ledger.given()), (2, 8, 1));
        ledger.cut();
        assert_eq!(ledger.give(), Some((1, b"one!".as_slice())));
        assert_eq!(ledger.give(), Some((2, b"two!".as_slice())));
        assert_eq!(ledger.give(), None);
        // The copy of the connection that was given up, and then the second one.
        assert!(ledger.note(&own, 1, true));
        assert!(!ledger.note(&own, 1, true));
        assert!(ledger.note(&own, 2, true));
        assert_eq!((ledger.unconfirmed(), ledger.unconfirmed_bytes(), ledger.given()), (0, 0, 0));
    }

    #[test]
    fn what_comes_again_is_not_new_though_some_is_missing() {
        let (mut ledger, other) = (Ledger::default(), node("b"));
        for (number, is_new) in [(7, true), (8, true), (8, false), (11, true), (9, false)] {
            assert_eq!(ledger.note(&other, number, false), is_new, "{number}");
        }
        // Another run of the same server begins anew.
        let again = Node { epoch: 2, ..other.clone() };
        assert!(ledger.note(&again, 0, false));
        assert!(!ledger.is_new(&other, 20));
    }

    #[test]
    fn a_number_that_was_never_submitted_confirms_nothing() {
        let (mut ledger, own) = (Ledger::default(), node("a"));
        ledger.submit(b"zero".to_vec());
        assert!(ledger.note(&own, 9, true));
        assert_eq!(ledger.unconfirmed(), 1);
    }
}
