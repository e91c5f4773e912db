//! The hub on sockets without a kernel: thousands of runs, each repeatable from its seed.
//!
//! `CHINWAG_SEEDS=20000` runs that many, `CHINWAG_SEED=7` that one alone. A failure prints its
//! seed. A fuzzer chooses what happens in other runs, and the inputs that it kept run here too
//! (`scripts/fuzz.sh`).

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

mod accepting;
mod bus;
mod cluster;
mod dialects;
mod engine;
mod limits;
mod memory;
mod operators;
mod orders;
mod passwords;
mod protocols;
mod proxies;
mod rooms;
mod small;
mod spare;
mod strangers;
mod tail_and_say;
mod typing;
mod web;

use std::time::Duration;

use chinwag::config::Config;
use chinwag::hub::Hub;
use chinwag::words::names::kept::KEPT_FOR;

use support::corpus::Inputs;
use support::hub::*;

use random::Random;
use running::{config, run};
use world::World;

/// How many runs there are by default.
const SEEDS: u64 = 256;

/// The same conversation, with or without a client that only reads and stalls at times. Returns
/// what the others received.
fn talk(seed: u64, base: &Config, stalls: bool) -> Vec<Vec<u8>> {
    let mut random = Random::seeded(seed);
    let mut config = config(&mut random, base);
    (config.slice_writes, config.slice_bytes) = (usize::MAX, usize::MAX);
    let mut world = World::new(random, config);
    (world.faulty, world.clients_max) = (false, 8);
    world.hub = Hub::new(world.config.clone(), 8, world.now);
    for _ in 0..4 {
        world.connect();
    }
    for peer in &mut world.peers {
        peer.healthy = peer.serial != 1;
    }
    for _ in 0..300 {
        match world.random.below(8) {
            0..=2 => {
                let place = 1 + world.random.below(3);
                world.send_from(place);
            }
            3 if stalls => world.peers[0].wire.borrow_mut().take(0),
            4 if stalls => world.peers[0].wire.borrow_mut().take(30),
            3..=4 => {}
            _ => world.turn(),
        }
    }
    world.settle();
    world.releasing.set(true);
    world.peers[1..].iter().map(|peer| peer.wire.borrow().received.clone()).collect()
}

#[test]
fn a_stalled_client_changes_nothing_for_the_others() {
    let base = Config::default();
    for seed in 0..64 {
        let failing = Seed(seed);
        assert_eq!(talk(seed, &base, true), talk(seed, &base, false));
        drop(failing);
    }
}

#[test]
fn a_flooder_does_not_keep_a_talker_waiting() {
    let greeting = Duration::ZERO;
    let base = Config { window: 65536, hide_addresses: true, greeting, ..Config::default() };
    let mut world = World::new(Random::seeded(1), base);
    world.faulty = false;
    world.connect();
    world.connect();
    world.settle();
    // Lines for ten turns, so that the flooder still has input waiting.
    world.say(0, "flood flood flood flood\n".repeat(4000).as_bytes());
    world.turn();
    world.say(1, b"hello\n");
    let before = world.said().len();
    while world.said().len() == before {
        world.turn();
    }
    let heard = world.said()[before..].iter().any(|said| said.author == 2);
    assert!(heard, "the flooder had a turn to itself");
    world.releasing.set(true);
}

/// A world in which nothing goes wrong, with this many clients that end their lines.
fn quiet_world(people: usize, greeting: Duration) -> World {
    let base = Config::default();
    let config = Config { window: 1000, turn_bytes: 250, write_bytes: 300, ..base };
    let mut world =
        World::new(Random::seeded(1), Config { hide_addresses: true, greeting, ..config });
    (world.faulty, world.hub) = (false, Hub::new(world.config.clone(), people, world.now));
    for place in 0..people {
        world.connect();
        world.peers[place].ends_lines = true;
        world.say(place, b"\n");
    }
    world
}

#[test]
fn a_telnet_newcomer_begins_where_it_is_greeted_however_late() {
    let mut world = quiet_world(2, Duration::from_secs(1));
    world.peers[1].is_telnet = true;
    for number in 0..40 {
        world.say(0, format!("{number} and some more words\n").as_bytes());
        world.turn();
    }
    world.say_parts(1, &telnet::command(1));
    world.turn();
    world.settle();
    world.check_settled();
    world.releasing.set(true);
}

#[test]
fn the_last_line_of_an_ignored_client_that_left_is_not_heard() {
    let mut world = quiet_world(3, Duration::ZERO);
    world.say(0, b"/ignore guest2\n");
    world.settle();
    // Rendered bytes stay as they are, so something else is in front.
    world.peers[0].healthy = false;
    world.peers[0].wire.borrow_mut().take(0);
    world.say(2, b"in front\n");
    while world.said().last().is_none_or(|said| said.author != 3) {
        world.turn();
    }
    world.say(1, b"not for guest1\n");
    world.peers[1].end(100);
    while world.hub.connections() == 3 {
        world.turn();
    }
    world.say(0, b"/ignore guest3\n");
    world.turn();
    world.turn();
    world.settle();
    world.check_settled();
    world.releasing.set(true);
}

#[test]
fn a_reset_client_is_heard_to_its_last_command_past_the_window() {
    let mut world = quiet_world(2, Duration::ZERO);
    world.settle();
    for number in 0..60 {
        world.say(0, format!("{number} and some more words\n").as_bytes());
    }
    world.say(0, b"/echo off\n/who\nthe last words\n");
    world.peers[0].wire.borrow_mut().break_down();
    world.settle();
    world.check_settled();
    assert!(world.said().iter().any(|said| said.text.ends_with(b": the last words\n")));
    world.releasing.set(true);
}

#[test]
fn a_client_that_ends_and_is_reset_is_heard_over_several_turns() {
    let mut world = quiet_world(2, Duration::ZERO);
    world.peers[0].is_telnet = true;
    world.settle();
    // All of it is read at once. With its author's name each line takes more room.
    for number in 0..60 {
        world.say(0, format!("{}\n", number % 10).as_bytes());
    }
    world.say(0, b"/nick kaabaaa\nthe last words\n");
    world.say_parts(0, &telnet::end_of_file());
    world.turn();
    world.peers[0].wire.borrow_mut().break_down();
    world.settle();
    world.check_settled();
    assert!(world.said().iter().any(|said| said.text == b"kaabaaa: the last words\n"));
    world.releasing.set(true);
}

#[test]
fn a_name_is_kept_until_its_time_is_over() {
    let mut world = quiet_world(3, Duration::ZERO);
    let say = |world: &mut World, place: usize, words: &[u8]| {
        world.say(place, words);
        world.turn();
        while world.hub.is_busy() {
            world.turn();
        }
    };
    let is_called = |world: &World, name: &str| world.roll.was(2, name);
    say(&mut world, 0, b"/nick deck\n/nick bead\n");
    say(&mut world, 1, b"/nick deck\n/nick bead\n");
    assert!(!is_called(&world, "deck") && !is_called(&world, "bead"));
    world.peers[0].end(100);
    while world.hub.here() == 3 {
        world.turn();
    }
    say(&mut world, 1, b"it has left\n");
    let left_at = world.now;
    let almost = KEPT_FOR - Duration::from_millis(1);
    for (passed, may_be) in [(Duration::ZERO, false), (almost, false), (KEPT_FOR, true)] {
        world.now = left_at + passed;
        say(&mut world, 1, b"/nick bead\n");
        assert_eq!(is_called(&world, "bead"), may_be, "{passed:?}");
    }
    world.settle();
    world.check_settled();
    world.releasing.set(true);
}

#[test]
fn a_name_is_kept_for_a_whole_network() {
    let mut world = quiet_world(4, Duration::ZERO);
    world.say(0, b"/nick deck\n");
    world.turn();
    world.peers[0].end(100);
    while world.hub.here() == 4 || world.hub.is_busy() {
        world.turn();
    }
    // The second connects from another network, the fourth from the same.
    world.say(1, b"/nick deck\n");
    world.say(3, b"/nick deck\n");
    world.settle();
    assert!(world.roll.was(4, "deck") && !world.roll.was(2, "deck"));
    world.check_settled();
    world.releasing.set(true);
}

/// Prints the seed when a run fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with CHINWAG_SEED={}", self.0);
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

#[test]
fn every_run_keeps_the_promises() {
    let base = Config::default();
    let seeds = match number("CHINWAG_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CHINWAG_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        let failing = Seed(seed);
        run(Random::seeded(seed), &base);
        drop(failing);
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let base = Config::default();
    for seed in 0..8 {
        assert_eq!(run(Random::seeded(seed), &base), run(Random::seeded(seed), &base));
    }
}

#[test]
fn what_the_fuzzer_has_kept_keeps_the_promises() {
    let base = Config::default();
    Inputs::of("hub").try_each(|bytes| _ = run(Random::of_bytes(bytes), &base));
}
