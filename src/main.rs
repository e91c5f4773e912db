//! The program: reads the flags, runs what they ask for, and picks the exit code.
//!
//! Exit codes of the server: 0 stopped as asked; 1 could not start, or failed; 2 wrong flag; 128 +
//! N ended at once by a second signal N. Exit codes of the client: 0 sent everything; 1 could not
//! connect, or lost the connection; 2 wrong flag; 128 + N ended by signal N. Exit codes of `ctl`: 0
//! done; 1 refused; 2 wrong command or flag; 3 no server answers. Exit codes of the keeper: 0 wrote
//! everything until its input ended; 1 did not.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use chinwag::config::Config;
use chinwag::ctl::{self, CtlError, Flags as CtlFlags, Verdict};
use chinwag::join::{self, flags::Flags as JoinFlags};
use chinwag::keep;
use chinwag::server::journal::{Journal, tell_error, usage_line};
use chinwag::server::{Ended, Server};
use chinwag::words::notice::Lang;
#[cfg(feature = "docs")]
use clap::CommandFactory;
use clap::{Arg, Parser, Subcommand};

#[cfg(feature = "docs")]
mod docs;

/// A chat server that you join with nc, telnet, a script or its own client
#[derive(Parser)]
#[command(version = version(), propagate_version = true, args_conflicts_with_subcommands = true)]
#[command(allow_negative_numbers = true, max_term_width = 100, mut_args(with_variable))]
#[command(after_help = HOW_TO_JOIN, after_long_help = include_str!("help.txt"))]
struct Flags {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    config: Config,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server; the same as no command at all
    #[command(display_name = "chinwag", mut_args(with_variable))]
    #[command(after_help = HOW_TO_JOIN, after_long_help = include_str!("help.txt"))]
    Serve(Box<Config>),
    /// Join a conversation, on a terminal or through a pipe
    #[command(display_name = "chinwag join", mut_args(with_variable))]
    #[command(after_long_help = include_str!("join/help.txt"))]
    Join(JoinFlags),
    /// Give a server on this machine one command, as an operator
    #[command(display_name = "chinwag ctl", mut_arg("control", with_variable))]
    #[command(after_long_help = include_str!("ctl.txt"))]
    Ctl(CtlFlags),
    /// Print the addresses of a host, for a client that must not wait for them
    #[command(hide = true)]
    Lookup { host: String, port: u16 },
    /// Keep lines from standard input in a directory, a file a day
    ///
    /// Each line is appended to DIR/YYYY-MM-DD.log, with the time (UTC). A server with `--keep DIR`
    /// runs this command itself, and keeps bans, topics and passwords there too.
    #[command(display_name = "chinwag keep")]
    Keep(keep::Flags),
    /// Write the man pages and the completions of shells into a directory, for a package
    #[cfg(feature = "docs")]
    #[command(hide = true)]
    Docs { dir: std::path::PathBuf },
}

/// The version, and the commit if `scripts/release.sh` built this.
fn version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    match option_env!("CHINWAG_COMMIT") {
        Some(commit) => format!("{version} ({commit})"),
        None => version.to_owned(),
    }
}

const HOW_TO_JOIN: &str = "Join with `chinwag join` or `nc localhost 50005`.";

const STOPPED: u8 = 0;
const FAILED: u8 = 1;
const USAGE: u8 = 2;
const UNREACHABLE: u8 = 3;
const SIGNAL: u8 = 128;

/// A bad end: the exit code, and why.
type Failure = (u8, String);

fn main() -> ExitCode {
    match run() {
        Ok(code) => ExitCode::from(code),
        Err((code, why)) => {
            tell_error(&why);
            ExitCode::from(code)
        }
    }
}

fn run() -> Result<u8, Failure> {
    match Flags::try_parse() {
        Ok(Flags { command: Some(Command::Serve(config)), .. }) => serve(*config),
        Ok(Flags { command: Some(Command::Join(flags)), .. }) => join(flags),
        Ok(Flags { command: Some(Command::Ctl(flags)), .. }) => command(&flags),
        Ok(Flags { command: Some(Command::Lookup { host, port }), .. }) => lookup(&host, port),
        Ok(Flags { command: Some(Command::Keep(flags)), .. }) => {
            keep::run(&flags).map(|()| STOPPED).map_err(|why| (FAILED, why.to_string()))
        }
        #[cfg(feature = "docs")]
        Ok(Flags { command: Some(Command::Docs { dir }), .. }) => {
            docs::write(Flags::command(), &dir)
                .map(|()| STOPPED)
                .map_err(|why| (FAILED, why.to_string()))
        }
        Ok(Flags { command: None, config }) => serve(config),
        Err(error) if error.use_stderr() => Err((USAGE, usage_line(&error))),
        Err(help) => {
            let printed = writeln!(io::stdout(), "{}", help.render().to_string().trim_end());
            Ok(if printed.is_ok() { STOPPED } else { FAILED })
        }
    }
}

/// The language of the user who starts the server, as locale(7) finds it.
fn lang_of_environment() -> Lang {
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .filter_map(|name| env::var(name).ok())
        .find(|value| !value.is_empty());
    Lang::of_locale(&locale.unwrap_or_default())
}

/// The flag `--max-line` is also the variable `CHINWAG_MAX_LINE`. An empty one counts as unset, as
/// scripts that pass one on expect. An argument is none: where a service is called `chinwag`,
/// Kubernetes sets `CHINWAG_PORT` to something else.
fn with_variable(flag: Arg) -> Arg {
    if flag.is_positional() {
        return flag;
    }
    let name = format!("CHINWAG_{}", flag.get_id().as_str().to_uppercase());
    match env::var_os(&name) {
        Some(value) if value.is_empty() => flag,
        _ => flag.env(name).hide_env(true),
    }
}

fn serve(mut config: Config) -> Result<u8, Failure> {
    config.lang.get_or_insert_with(lang_of_environment);
    config.check().map_err(|why| (USAGE, why))?;
    let journal = Journal::start(config.log_level)
        .map_err(|error| (FAILED, format!("cannot log: {error}")))?;
    let server = Server::bind(config, journal).map_err(|error| (FAILED, error.to_string()))?;
    Ok(match server.run() {
        Ok(Ended::Stopped) => STOPPED,
        Ok(Ended::Interrupted(signal)) => SIGNAL + signal as u8,
        // The server has logged why.
        Ok(Ended::Failed) | Err(_) => FAILED,
    })
}

fn join(flags: JoinFlags) -> Result<u8, Failure> {
    flags.check().map_err(|why| (USAGE, why))?;
    match join::run(flags) {
        Ok(join::Ended::Left) => Ok(STOPPED),
        Ok(join::Ended::Lost) => Ok(FAILED),
        Ok(join::Ended::Signal(signal)) => Ok(SIGNAL + signal as u8),
        Err(error) => Err((FAILED, error.to_string())),
    }
}

fn command(flags: &CtlFlags) -> Result<u8, Failure> {
    match ctl::run(flags, &mut io::stdout()) {
        Ok(Verdict::Done) => Ok(STOPPED),
        Ok(Verdict::Refused) => Ok(FAILED),
        Ok(Verdict::Misused) => Ok(USAGE),
        Err(error @ CtlError::Command(_)) => Err((USAGE, error.to_string())),
        Err(error @ CtlError::Output(_)) => Err((FAILED, error.to_string())),
        Err(error @ CtlError::Server(_)) => Err((UNREACHABLE, error.to_string())),
    }
}

fn lookup(host: &str, port: u16) -> Result<u8, Failure> {
    let printed = join::lookup::print(host, port);
    printed.map(|()| STOPPED).map_err(|error| (FAILED, error.to_string()))
}
