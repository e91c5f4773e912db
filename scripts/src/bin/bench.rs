//! Compares the server with others that do the same job, and with what the kernel alone costs.
//!
//! `scripts/bench.sh` builds what this needs and calls it. All servers get the same clients,
//! messages and machine. Each load runs on one server after another, round after round, so that any
//! other work of the machine hits all of them. The measure is processor time of the server's
//! process for each delivery or connection. The least of the runs is the least disturbed one.

use std::process::ExitCode;

use scripts::bench::app;
use scripts::crowd::program;

fn main() -> ExitCode {
    program::main(|flags, _| app::run(flags))
}
