//! One run of the simulation, from its limits to its last check.

use std::time::Duration;

use chinwag::config::Config;

use super::random::Random;
use super::world::World;

/// Limits that the command line would refuse.
pub fn config(random: &mut Random, base: &Config) -> Config {
    // The longest line that anyone may cause is no longer than a turn.
    let window = [128, 144, 160, 500, 1000, 4096][random.below(6)];
    let turn_bytes = window / 4;
    Config {
        window,
        turn_bytes,
        max_line: turn_bytes.min(200) - 10,
        max_endless: 200,
        write_bytes: turn_bytes.max(32) + random.below(64),
        slice_writes: 1 + random.below(6),
        slice_bytes: 1 + random.below(4 * window),
        max_private: 500,
        history_bytes: [0, 40, 4096][random.below(3)],
        recover: [0, 300, 1 << 20][random.below(3)],
        raw: random.one_in(6),
        no_echo: random.one_in(3),
        hide_addresses: true,
        greeting: Duration::ZERO,
        ..base.clone()
    }
}

/// So little for all rooms that they have to give way to each other.
fn make_scarce(random: &mut Random, config: &mut Config) {
    config.windows = [None, Some(11_000), Some(16_000), Some(24_000)][random.below(4)];
}

/// Room for every answer, also for the help of an operator in frames, behind others.
fn make_lively(random: &mut Random, config: &mut Config) {
    config.max_private = 4096;
    config.history_bytes = 300;
    config.greeting = Duration::from_millis([0, 0, 100, 1000][random.below(4)]);
}

/// Runs the simulation: everything is drawn from `random`, and every promise is checked. Two equal
/// runs return the same.
pub fn run(mut random: Random, base: &Config) -> (u64, Vec<Vec<u8>>) {
    let mut config = config(&mut random, base);
    let mut steps = 50 + random.below(400);
    let lively = config.window >= 1000 && !config.raw && random.one_in(2);
    if lively {
        make_lively(&mut random, &mut config);
        make_scarce(&mut random, &mut config);
        steps *= 2;
    }
    let mut world = World::new(random, config);
    (world.lively, world.has_proxy) = (lively, true);
    for _ in 0..steps {
        if world.random.is_spent() {
            break;
        }
        world.step();
    }
    let stops = world.random.one_in(3);
    if stops {
        world.stop();
    } else {
        world.settle();
    }
    world.check_settled();
    world.check_secrets();
    if !stops {
        world.check_pages();
        world.check_readers();
    }
    let received = world.peers.iter().map(|peer| peer.wire.borrow().received.clone());
    let received = received.collect();
    // What is left is freed with the hub.
    world.releasing.set(true);
    (world.rooms[0].read_to, received)
}
