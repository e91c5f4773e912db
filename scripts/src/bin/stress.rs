//! Thousands of sockets against a chat server, every delivery checked.
//!
//! ```text
//! cargo run --release -p scripts --bin stress -- --clients 10000    # starts a server itself
//! cargo run --release -p scripts --bin stress -- --window 1000 --plot it.svg 10.0.0.7:50005
//! ```

use std::process::ExitCode;

use scripts::crowd::program;
use scripts::stress::app;

fn main() -> ExitCode {
    program::main(app::run)
}
