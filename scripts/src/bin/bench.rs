//! Compares the server with others that do the same job, and with what the kernel alone costs.
//!
//! `scripts/bench.sh` builds what this needs and calls it. All servers get the same clients,
//! messages and machine. Each load runs on one server after another, round after round, so that any
//! other work of the machine hits all of them. The measure is processor time of the server's
//! process for each delivery or connection. The least of the runs is the least disturbed one.

use std::process::ExitCode;

use clap::Parser;
use scripts::bench::app::{Flags, compare};

fn main() -> ExitCode {
    match compare(&Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
