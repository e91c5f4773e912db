//! Which servers a cluster has, as one of them sees it.
//!
//! All find at the same entry of the stream that a node is gone: see [`super`].

use std::collections::{BTreeMap, VecDeque};

use super::ledger::{Ledger, Node};
use super::record::{Record, Records};
use super::{Came, GONE_MILLIS, Id};

/// If the stream has had nothing of any node for this long, the engine was away, and no node can be
/// blamed for it. It is longer than a node that reaches the engine is silent, and as much shorter
/// than one that is gone.
const AWAY_MILLIS: u64 = 15_000;

/// The nodes that are there.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    /// The number of each, and the time in the stream of what it said last.
    pub known: BTreeMap<Node, (u16, u64)>,
    /// The newest run of each name that has said something, though it may be gone.
    pub newest: BTreeMap<String, u64>,
    last_number: u16,
    /// The time in the stream of what came last.
    heard: u64,
}

impl Nodes {
    /// The number of the node that has said something at this time of the stream; `None` if a later
    /// run has its name. What that means for other nodes is put before it. If `is_ready`, this node
    /// has clients, which are to read all that a node says that started later.
    pub fn note(
        &mut self,
        own: &Node,
        node: &Node,
        millis: u64,
        is_ready: bool,
        came: &mut VecDeque<Came>,
    ) -> Option<u16> {
        let newest = self.newest.entry(node.name.clone()).or_default();
        if node.epoch < *newest {
            return None;
        }
        let is_later = node.epoch > *newest;
        *newest = node.epoch;
        if node.name == own.name && node.epoch > own.epoch {
            came.extend(is_later.then_some(Came::Replaced));
            return None;
        }
        self.note_silence(millis);
        let is_gone = |(other, (_, at)): (&Node, &(u16, u64))| {
            let is_replaced = is_later && other.name == node.name && other != node;
            is_replaced || at.saturating_add(GONE_MILLIS) < millis
        };
        let gone: Vec<Node> = self
            .known
            .iter()
            .filter(|entry| is_gone(*entry))
            .map(|(node, _)| node.clone())
            .collect();
        for other in gone {
            match self.known.get_mut(&other) {
                // Once is enough: what it says about that comes later.
                Some(its) if other == *own => {
                    its.1 = millis;
                    came.push_back(Came::WasGone);
                }
                _ => self.forget(&other, came),
            }
        }
        let last_number = &mut self.last_number;
        let known = self.known.entry(node.clone()).or_insert_with(|| {
            *last_number += 1;
            if is_ready && is_later && node.epoch > own.epoch {
                came.push_back(Came::Started { node: *last_number });
            }
            (*last_number, millis)
        });
        known.1 = millis;
        Some(known.0)
    }

    /// Something has come: the time in which nothing came of any node counts for none.
    fn note_silence(&mut self, millis: u64) {
        let silent = millis.saturating_sub(self.heard);
        if silent > AWAY_MILLIS {
            self.known.values_mut().for_each(|(_, at)| *at = at.saturating_add(silent));
        }
        self.heard = millis;
    }

    /// What came until this time of the stream is forgotten, and this node has not read it. So it
    /// cannot know that another was silent meanwhile. The others know it of this node.
    pub fn skip(&mut self, own: &Node, millis: u64) {
        self.heard = millis;
        for (_, at) in self.known.iter_mut().filter(|(node, _)| *node != own).map(|(_, its)| its) {
            *at = millis.max(*at);
        }
    }

    /// A node is no more.
    pub fn forget(&mut self, node: &Node, came: &mut VecDeque<Came>) {
        if let Some((number, _)) = self.known.remove(node) {
            came.push_back(Came::Gone { node: number, name: node.name.clone() });
        }
    }
}

/// Takes an entry of the stream.
pub(super) fn note_entry(
    own: &Node,
    id: Id,
    fields: &BTreeMap<&[u8], &[u8]>,
    is_ready: bool,
    ledger: &mut Ledger,
    nodes: &mut Nodes,
    came: &mut VecDeque<Came>,
) {
    let text = |field: &[u8]| fields.get(field).and_then(|text| std::str::from_utf8(text).ok());
    let number = |field| text(field).and_then(|text| text.parse::<u64>().ok());
    let (name, epoch, number, batch) =
        (text(b"n"), number(b"e"), number(b"q"), fields.get(b"b".as_slice()));
    // An entry that is not ours: somebody has written to the stream by hand.
    let (Some(name), Some(epoch), Some(number), Some(batch)) = (name, epoch, number, batch) else {
        return;
    };
    let node = Node { name: name.to_owned(), epoch };
    // A late copy does not bring back a node that is no more.
    if !nodes.known.contains_key(&node) && !ledger.is_new(&node, number) {
        return;
    }
    let Some(place) = nodes.note(own, &node, id.0, is_ready, came) else { return };
    if !ledger.note(&node, number, node == *own) {
        return;
    }
    came.push_back(Came::Batch { node: place, records: batch.to_vec() });
    if place > 0 && Records::of(batch).any(|record| record == Record::Bye) {
        nodes.forget(&node, came);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> Node {
        Node { name: name.to_owned(), epoch: 1 }
    }

    #[test]
    fn a_node_that_was_gone_finds_it_once() {
        let (mut nodes, own, other) = (Nodes::default(), node("a"), node("b"));
        let mut came = VecDeque::new();
        nodes.note(&own, &own, 0, true, &mut came);
        // It reads what was said while it was cut off.
        for millis in 0..2 * GONE_MILLIS {
            nodes.note(&own, &other, millis, true, &mut came);
        }
        assert_eq!(came, [Came::WasGone]);
    }

    #[test]
    fn a_node_is_gone_when_only_the_others_go_on() {
        let [own, bob, eve] = ["a", "b", "c"].map(node);
        let (mut nodes, mut came) = (Nodes::default(), VecDeque::new());
        nodes.note(&own, &bob, 0, true, &mut came);
        nodes.note(&own, &eve, 9000, true, &mut came);
        // The engine was away.
        nodes.note(&own, &bob, 100_000, true, &mut came);
        nodes.note(&own, &bob, 112_000, true, &mut came);
        nodes.note(&own, &bob, 124_000, true, &mut came);
        nodes.note(&own, &bob, 130_000, true, &mut came);
        assert!(came.is_empty(), "{came:?}");
        nodes.note(&own, &bob, 130_001, true, &mut came);
        assert_eq!(came, [Came::Gone { node: 2, name: "c".to_owned() }]);
    }
}
