//! The whole hub: the bytes choose what happens in a run of the simulation.

#![no_main]
#![allow(dead_code, reason = "the simulation's own tests use more of it")]

use std::sync::LazyLock;

use chinwag::config::Config;
use libfuzzer_sys::fuzz_target;

#[path = "../../hub/arriving.rs"]
mod arriving;
#[path = "../../hub/asking.rs"]
mod asking;
#[path = "../../hub/browser.rs"]
mod browser;
#[path = "../../hub/model.rs"]
mod model;
#[path = "../../hub/people.rs"]
mod people;
#[path = "../../hub/private.rs"]
mod private;
#[path = "../../hub/random.rs"]
mod random;
#[path = "../../hub/running.rs"]
mod running;
#[path = "../../hub/talking.rs"]
mod talking;
#[path = "../../hub/telnet.rs"]
mod telnet;
#[path = "../../hub/visiting.rs"]
mod visiting;
#[path = "../../hub/wire.rs"]
mod wire;
#[path = "../../hub/world.rs"]
mod world;

static BASE: LazyLock<Config> = LazyLock::new(Config::default);

fuzz_target!(|bytes: &[u8]| {
    running::run(random::Random::of_bytes(bytes), &BASE);
});
