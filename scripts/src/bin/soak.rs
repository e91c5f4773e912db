//! The soak test: does a server that runs for a long time stay as it was?
//!
//! ```text
//! scripts/soak.sh                  # every default deadline, then half an hour of clients
//! scripts/soak.sh --seconds 20     # the same, shorter
//! cargo run --release -p scripts --bin soak -- --seconds 20     # the clients only
//! ```
//!
//! Exit codes: 0 right, 1 the server was wrong or could not be started, 2 wrong flag.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use chinwag::server::journal::usage_line;
use clap::Parser;
use scripts::soak::room;
use scripts::stress::{Outcome, app, flags};

/// Starts a server. Clients connect, talk and leave for a long time. Checks all that they read, and
/// that nothing of them remains in the server. Exit codes: 0 right, 1 the server was wrong or could
/// not be started, 2 wrong flag.
#[derive(Parser)]
#[command(name = "soak", max_term_width = 100)]
struct Flags {
    /// Run clients for this many seconds; compare the idle server with before every minute or more
    /// often
    #[arg(long, value_name = "SECONDS", default_value = "1800")]
    #[arg(value_parser = flags::parse_seconds)]
    seconds: Duration,
}

fn main() -> ExitCode {
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => {
            eprintln!("soak: {}", usage_line(&error));
            return ExitCode::from(app::USAGE);
        }
    };
    match run(&flags, &mut io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::from(app::FAILED)
        }
    }
}

fn run(flags: &Flags, out: &mut dyn Write) -> Outcome<()> {
    let table = room::soak(flags.seconds, out)?;
    write!(out, "{}", table.to_text())?;
    Ok(())
}
