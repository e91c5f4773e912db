//! Every order of a few events, next to two clients in a window of four lines.

use std::time::Duration;

use chinwag::config::Config;

use crate::random::Random;
use crate::world::World;

/// What may happen next to two clients in a window of four lines.
#[derive(Clone, Copy, Debug)]
enum Event {
    Says,
    SaysHalf,
    StopsReading,
    ReadsALittle,
    ReadsOn,
    Ends,
    Turn,
}

const EVENTS: [Event; 7] = [
    Event::Says,
    Event::SaysHalf,
    Event::StopsReading,
    Event::ReadsALittle,
    Event::ReadsOn,
    Event::Ends,
    Event::Turn,
];

/// The length of the orders. All of them take a few seconds.
const DEPTH: u32 = 6;

#[test]
fn every_order_of_events_keeps_the_promises() {
    let base = Config {
        window: 64,
        turn_bytes: 16,
        max_line: 6,
        write_bytes: 32,
        slice_writes: 1,
        history_bytes: 0,
        hide_addresses: true,
        greeting: Duration::ZERO,
        ..Config::default()
    };
    for order in 0..EVENTS.len().pow(DEPTH) {
        let events = (0..DEPTH).map(|place| EVENTS[order / EVENTS.len().pow(place) % EVENTS.len()]);
        let events: Vec<Event> = events.collect();
        if says_after_the_end(&events) {
            continue;
        }
        let failing = Order(&events);
        run_order(&events, &base);
        drop(failing);
    }
}

/// Whether the talker would send something after it has ended.
fn says_after_the_end(events: &[Event]) -> bool {
    let mut after = events.iter().skip_while(|event| !matches!(event, Event::Ends)).skip(1);
    after.any(|event| matches!(event, Event::Says | Event::SaysHalf | Event::Ends))
}

/// Prints the order when a run fails.
struct Order<'a>(&'a [Event]);

impl Drop for Order<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with {:?}", self.0);
        }
    }
}

/// The first client talks and ends, the second reads and stops. What happens between two turns
/// comes with one poll.
fn run_order(events: &[Event], base: &Config) {
    let mut world = World::new(Random::seeded(1), base.clone());
    world.faulty = false;
    world.connect();
    world.connect();
    for peer in &mut world.peers {
        (peer.healthy, peer.ends_lines) = (peer.serial == 1, true);
        peer.wire.borrow_mut().send(b"\n");
    }
    for event in events {
        match event {
            Event::Says => world.say(0, b"one\ntwo\n"),
            Event::SaysHalf => world.say(0, b"thr"),
            Event::Ends => world.peers[0].end(base.max_line),
            Event::StopsReading => world.peers[1].wire.borrow_mut().take(0),
            Event::ReadsALittle => world.peers[1].wire.borrow_mut().take(7),
            Event::ReadsOn => world.peers[1].wire.borrow_mut().take(usize::MAX),
            Event::Turn => world.turn(),
        }
    }
    world.settle();
    world.check_settled();
    world.releasing.set(true);
}
