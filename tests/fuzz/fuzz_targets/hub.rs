//! The whole hub: the bytes choose what happens in a run of the simulation.

#![no_main]

use std::sync::LazyLock;

use chinwag::config::Config;
use libfuzzer_sys::fuzz_target;
use support::hub::{random::Random, running};

static BASE: LazyLock<Config> = LazyLock::new(Config::default);

fuzz_target!(|bytes: &[u8]| {
    running::run(Random::of_bytes(bytes), &BASE);
});
