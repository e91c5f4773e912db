//! The whole hub: the bytes choose what happens in a run of the simulation.

#![no_main]
#![allow(dead_code, reason = "the simulation's own tests use more of it")]

use std::sync::LazyLock;

use chinwag::config::Config;
use libfuzzer_sys::fuzz_target;

#[path = "../../simulation/asking.rs"]
mod asking;
#[path = "../../simulation/model.rs"]
mod model;
#[path = "../../simulation/people.rs"]
mod people;
#[path = "../../simulation/private.rs"]
mod private;
#[path = "../../simulation/random.rs"]
mod random;
#[path = "../../simulation/running.rs"]
mod running;
#[path = "../../simulation/talking.rs"]
mod talking;
#[path = "../../simulation/telnet.rs"]
mod telnet;
#[path = "../../simulation/wire.rs"]
mod wire;
#[path = "../../simulation/world.rs"]
mod world;

static BASE: LazyLock<Config> = LazyLock::new(Config::default);

fuzz_target!(|bytes: &[u8]| {
    running::run(random::Random::of_bytes(bytes), &BASE);
});
