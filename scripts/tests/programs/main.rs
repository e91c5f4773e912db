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

use std::path::PathBuf;

/// The server, which is built with the scripts.
fn chinwag_program() -> PathBuf {
    scripts::crowd::started::beside("chinwag").unwrap()
}
