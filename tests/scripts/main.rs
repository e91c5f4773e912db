//! The scripts, and the programs that they start: each does what its help says, and finds a server
//! that is wrong.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

mod bench_tests;
mod shell_tests;
mod soak_tests;
mod stress_tests;

#[path = "../../scripts/bench/mod.rs"]
mod bench;
#[path = "../../scripts/soak/deadlines.rs"]
mod deadlines;
#[allow(dead_code, reason = "the program uses the rest of it")]
#[path = "../../scripts/soak/network.rs"]
mod network;
#[path = "../../scripts/soak/peer.rs"]
mod peer;
#[allow(dead_code, reason = "the program uses the rest of it")]
#[path = "../../scripts/soak/rest.rs"]
mod rest;
#[path = "../../scripts/stress/mod.rs"]
mod stress;
#[path = "../support/mod.rs"]
mod support;
