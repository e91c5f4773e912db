//! The server beside those that one would take instead, and beside what the kernel alone costs.
//!
//! `scripts/bench.sh` builds what this needs and calls it. All servers have the same crowd, words
//! and machine; each load is run for one server after the other, round after round, so that
//! whatever else the machine does hits all. What counts is processor time of the server's process
//! for each delivery or connection; the least of the runs is the least disturbed one.

#[path = "bench/mod.rs"]
mod bench;
#[path = "stress/mod.rs"]
mod stress;

use std::process::ExitCode;

use bench::app::{Flags, compare};
use clap::Parser;

fn main() -> ExitCode {
    match compare(&Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
