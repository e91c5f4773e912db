//! What each program here does with its arguments and its errors.
//!
//! Exit codes: 0 right, 1 the server was wrong or could not be measured, 2 wrong flag.

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::time::Duration;

use chinwag::server::journal::usage_line;
use clap::Parser;

const RIGHT: u8 = 0;
const FAILED: u8 = 1;
const USAGE: u8 = 2;

/// Why a program fails.
#[derive(Debug)]
pub enum Failure {
    /// A flag is wrong.
    Usage(String),
    /// The server is, or something of this machine.
    Other(Box<dyn Error>),
}

impl<E: Into<Box<dyn Error>>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Other(error.into())
    }
}

/// Runs a program with the arguments of this process.
pub fn main<F: Parser>(run: impl FnOnce(&F, &mut dyn Write) -> Result<(), Failure>) -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    ExitCode::from(run_with(&arguments, &mut io::stdout(), &mut io::stderr(), run))
}

/// Runs a program with these arguments, of which the first is its own name. Returns the exit code.
pub fn run_with<F: Parser>(
    arguments: &[OsString],
    out: &mut dyn Write,
    err: &mut dyn Write,
    run: impl FnOnce(&F, &mut dyn Write) -> Result<(), Failure>,
) -> u8 {
    let (code, told) = match F::try_parse_from(arguments) {
        Ok(flags) => match run(&flags, out) {
            Ok(()) => return RIGHT,
            Err(Failure::Usage(told)) => (USAGE, told),
            Err(Failure::Other(error)) => (FAILED, error.to_string()),
        },
        Err(error) if !error.use_stderr() => {
            let shown = write!(out, "{}", error.render());
            return if shown.is_ok() { RIGHT } else { FAILED };
        }
        Err(error) => (USAGE, usage_line(&error)),
    };
    // If standard error is closed, nobody wants to know.
    writeln!(err, "{}: {told}", F::command().get_name()).unwrap_or_default();
    code
}

/// A number in this range, or what it should have been.
pub fn parse_within(text: &str, range: RangeInclusive<f64>, what: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("not {what}"))
}

/// A time of at most a day.
pub fn parse_seconds(text: &str) -> Result<Duration, String> {
    let range = f64::MIN_POSITIVE..=86400.0;
    let seconds = parse_within(text, range, "a number of seconds above 0, a day at most")?;
    Ok(Duration::from_secs_f64(seconds))
}
