//! One node and an engine: when the other servers cannot be reached, and what is sent again.

use std::time::{Duration, Instant};

use chinwag::bus::record::{self, Record};
use chinwag::bus::{Bus, Came, Node, Side, Terms, resp};

use crate::engine::Engine;

struct Pair {
    bus: Bus,
    engine: Engine,
    wires: [usize; 2],
    /// The connection of another node.
    other: usize,
    others: u64,
    now: Instant,
}

impl Pair {
    fn new() -> Pair {
        let now = Instant::now();
        let node = Node { name: "a".to_owned(), epoch: 1 };
        let terms = Terms { stream: "s".to_owned(), password: None, node };
        let mut engine = Engine::new();
        let wires = [engine.connect(), engine.connect()];
        let other = engine.connect();
        let mut pair = Pair { bus: Bus::new(terms, now), engine, wires, other, others: 0, now };
        for side in Side::ALL {
            pair.bus.connecting(side, now);
            pair.bus.connected(side, now);
        }
        pair.settle();
        assert_eq!(pair.take(), [Came::Ready]);
        pair
    }

    /// Sends what the node has for this side, and has the engine carry it out.
    fn send(&mut self, side: Side) {
        let wire = self.wires[side as usize];
        let bytes = self.bus.outgoing(side).to_vec();
        self.engine.receive(wire, &bytes);
        self.bus.note_sent(side, bytes.len());
        while self.engine.step(wire) {}
    }

    /// Gives the node what the engine has answered on this side. Returns whether that was anything.
    fn receive(&mut self, side: Side) -> bool {
        let bytes = self.engine.take_output(self.wires[side as usize], usize::MAX);
        self.bus.receive(side, &bytes, self.now).unwrap();
        !bytes.is_empty()
    }

    fn settle(&mut self) {
        loop {
            Side::ALL.into_iter().for_each(|side| self.send(side));
            if !Side::ALL.map(|side| self.receive(side)).contains(&true) {
                return;
            }
        }
    }

    /// Another node adds a batch.
    fn add_of_other(&mut self) {
        let (mut batch, number) = (Vec::new(), self.others.to_string());
        record::push(&Record::Hello, &mut batch);
        let head = ["XADD", "s", "MAXLEN", "~", "9", "*", "n", "b", "e", "1", "q", &number, "b"];
        let mut parts: Vec<&[u8]> = head.iter().map(|part| part.as_bytes()).collect();
        parts.push(&batch);
        let mut command = Vec::new();
        resp::push_command(&parts, &mut command);
        self.engine.receive(self.other, &command);
        assert!(self.engine.step(self.other));
        self.others += 1;
    }

    /// The node adds a batch. The engine answers that, but not the read.
    fn add(&mut self) {
        self.bus.push(&Record::Hello);
        self.bus.flush(self.now);
        self.send(Side::Adds);
        assert!(self.receive(Side::Adds));
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.engine.pass(time.as_millis() as u64);
        assert_eq!(self.bus.note_time(self.now), []);
    }

    fn take(&mut self) -> Vec<Came> {
        std::iter::from_fn(|| self.bus.take(self.now)).collect()
    }
}

#[test]
fn a_node_that_is_far_behind_can_reach_the_others() {
    let mut pair = Pair::new();
    (0..160).for_each(|_| pair.add_of_other());
    pair.add();
    let mut came = Vec::new();
    // A reply has sixteen batches, and each takes it most of a second.
    for _ in 0..10 {
        pair.pass(Duration::from_millis(900));
        pair.send(Side::Reads);
        assert!(pair.receive(Side::Reads));
        came.extend(pair.take());
    }
    assert!(!pair.bus.is_settled());
    pair.settle();
    came.extend(pair.take());
    assert!(pair.bus.is_settled());
    assert_eq!(came.iter().filter(|one| matches!(one, Came::Batch { .. })).count(), 161);
    assert_eq!(came.len(), 161);
}

#[test]
fn a_node_whose_batch_is_not_taken_is_cut_off() {
    let mut pair = Pair::new();
    pair.bus.push(&Record::Hello);
    pair.bus.flush(pair.now);
    let mut came = Vec::new();
    for _ in 0..3 {
        pair.add_of_other();
        pair.send(Side::Reads);
        assert!(pair.receive(Side::Reads));
        pair.pass(Duration::from_millis(900));
        came.extend(pair.take());
    }
    assert!(came.contains(&Came::Unreachable), "{came:?}");
}

#[test]
fn a_batch_that_the_engine_has_lost_is_sent_again_at_once() {
    let mut pair = Pair::new();
    pair.add();
    let before = pair.engine.entries.len();
    // Somebody deletes it, and the connections stay.
    pair.engine.entries.pop();
    pair.add_of_other();
    pair.settle();
    let came = pair.take();
    pair.settle();
    assert_eq!(pair.engine.entries.len(), before + 1);
    assert_eq!((came.len(), pair.take().len()), (1, 1));
    assert!(pair.bus.is_settled());
}
