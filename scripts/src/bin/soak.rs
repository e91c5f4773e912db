//! The soak test: does a server that runs for a long time stay as it was?
//!
//! ```text
//! scripts/soak.sh                  # every default deadline, then half an hour of clients
//! scripts/soak.sh --seconds 20     # the same, shorter
//! cargo run --release -p scripts --bin soak -- --seconds 20     # the clients only
//! ```

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use scripts::crowd::program::{self, parse_seconds};
use scripts::soak::room;

/// Starts a server. Clients connect, talk and leave for a long time. Checks all that they read, and
/// that nothing of them remains in the server. Exit codes: 0 right, 1 the server was wrong or could
/// not be started, 2 wrong flag.
#[derive(Parser)]
#[command(name = "soak", max_term_width = 100)]
struct Flags {
    /// Run clients for this many seconds, in rounds of a minute or less; compare the server at rest
    /// after each
    #[arg(long, value_name = "SECONDS", default_value = "1800")]
    #[arg(value_parser = parse_seconds)]
    seconds: Duration,
}

fn main() -> ExitCode {
    program::main(|flags: &Flags, out| {
        let table = room::soak(flags.seconds, out)?;
        Ok(write!(out, "{}", table.text)?)
    })
}
