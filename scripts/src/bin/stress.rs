//! Thousands of sockets against a chat server, every delivery checked.
//!
//! ```text
//! cargo run --release -p scripts --bin stress -- --clients 10000    # starts a server itself
//! cargo run --release -p scripts --bin stress -- --window 1000 --plot it.svg 10.0.0.7:50005
//! ```
//!
//! Exit codes: 0 right, 1 the server was wrong or could not be reached, 2 wrong flag.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use scripts::stress;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    ExitCode::from(stress::app::run(&arguments, &mut io::stdout(), &mut io::stderr()))
}
