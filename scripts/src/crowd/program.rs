//! What each program here does with its arguments and its errors.
//!
//! Exit codes: 0 right, 1 the server was wrong or could not be measured, 2 wrong flag.

use std::ffi::OsString;
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::time::Duration;

use chinwag::server::journal::usage_line;
use clap::builder::RangedI64ValueParser;
use clap::{Parser, ValueEnum, value_parser};

use super::Outcome;

const RIGHT: u8 = 0;
const FAILED: u8 = 1;
const USAGE: u8 = 2;

/// Runs a program with the arguments of this process.
pub fn main<F: Parser>(run: impl FnOnce(&F, &mut dyn Write) -> Outcome<()>) -> ExitCode {
    ExitCode::from(run_with(std::env::args_os(), &mut io::stdout(), &mut io::stderr(), run))
}

/// Runs a program with these arguments, of which the first is its own name. Returns the exit code.
/// An error of clap's is a wrong flag, also if `run` returns it.
pub fn run_with<F: Parser>(
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    err: &mut dyn Write,
    run: impl FnOnce(&F, &mut dyn Write) -> Outcome<()>,
) -> u8 {
    let flags = F::try_parse_from(arguments).map_err(Box::from);
    let Err(error) = flags.and_then(|flags| run(&flags, out)) else { return RIGHT };
    let (code, told) = match error.downcast_ref::<clap::Error>() {
        Some(wrong) if wrong.use_stderr() => (USAGE, usage_line(wrong)),
        Some(help) => return write!(out, "{}", help.render()).map_or(FAILED, |()| RIGHT),
        None => (FAILED, error.to_string()),
    };
    // If standard error is closed, nobody wants to know.
    writeln!(err, "{}: {told}", F::command().get_name()).unwrap_or_default();
    code
}

/// The parser of a number in this range.
pub fn within(range: RangeInclusive<f64>) -> impl Fn(&str) -> Result<f64, String> + Clone {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("not a number from {} to {}", range.start(), range.end()))
    }
}

/// The parser of a number from 1 on.
pub fn count() -> RangedI64ValueParser<u32> {
    value_parser!(u32).range(1..)
}

/// The parser of a time of at most a day.
pub fn parse_seconds(text: &str) -> Result<Duration, String> {
    within(0.001..=86400.0)(text).map(Duration::from_secs_f64)
}

/// What was chosen, or all if nothing was.
pub fn all_if_none<T: ValueEnum>(chosen: &[T]) -> &[T] {
    if chosen.is_empty() { T::value_variants() } else { chosen }
}
