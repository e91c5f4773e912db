//! The program: reads the flags, starts the server or the client, and says how it ended.
//!
//! Exit codes of the server: 0 stopped as asked, 1 could not start or failed, 2 a flag is wrong,
//! 128 and the number of the signal if a second one ended it at once. Of the client: 0 all was
//! said, 1 could not connect or lost the connection, 2 a flag is wrong, 128 and the number of the
//! signal that ended it.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use chinwag::config::Config;
use chinwag::join::{self, flags::Flags as JoinFlags};
use chinwag::server::journal::{Journal, tell_error, usage_line};
use chinwag::server::{Ended, Server};
use chinwag::words::notice::Lang;
use clap::{Arg, Parser, Subcommand};

/// A chat server that you join with nc, telnet, a script or its own client
#[derive(Parser)]
#[command(version, propagate_version = true, args_conflicts_with_subcommands = true)]
#[command(allow_negative_numbers = true, max_term_width = 100, mut_args(with_variable))]
#[command(after_help = HOW_TO_JOIN, after_long_help = FOR_OPERATORS)]
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
    #[command(after_help = HOW_TO_JOIN, after_long_help = FOR_OPERATORS)]
    Serve(Box<Config>),
    /// Join a conversation, on a terminal or through a pipe
    #[command(display_name = "chinwag join", after_long_help = KEYS)]
    Join(JoinFlags),
}

const HOW_TO_JOIN: &str = "Join with `chinwag join` or `nc localhost 50005`.";

/// What `--help` says below the flags.
const FOR_OPERATORS: &str = "\
Environment:
  Each flag is also a variable: CHINWAG_MAX_LINE for --max-line. An empty one counts as unset.
  A few more flags exist, which nobody had to set yet. `cargo doc --open` describes them on the
  page of chinwag::config.

Exit codes:
  0        a signal stopped it
  1        it could not start, or it failed
  2        a flag is wrong
  128 + N  a second signal N ended it at once
  For 1 and 2, one line on standard error says why: for an address in use, by what.

Signals:
  INT, TERM, HUP, XCPU  deliver everything, say goodbye, then exit
  USR1                  log the number of clients, of lines, of missed lines, and the memory
  USR2, XFSZ, timers    log the signal and go on
  The server ignores HUP if nohup started it.

Output:
  The server prints the conversation, and first `listening on ADDRESS:PORT` for each listener.
  After `su`, the terminal is another user's, and the server may not open it. It says so there once
  and prints nothing more. `chinwag 2>&1 | cat` shows everything.

Join with `chinwag join` or `nc localhost 50005`.";

/// What `chinwag join --help` says below the flags.
const KEYS: &str = "\
Keys:
  Enter                       send the line; it stays dimmed until the server sends it back
  Tab                         complete a command or a name
  Up, Down, Ctrl-P, Ctrl-N    earlier lines, also those of earlier sessions
  Left, Right, Ctrl-B, Ctrl-F move by a character
  Home, End, Ctrl-A, Ctrl-E   move to the start or the end
  Alt-B, Alt-F, Ctrl-Left, Ctrl-Right
                              move by a word
  Backspace, Delete, Ctrl-D   delete a character
  Ctrl-W, Alt-Backspace       cut back to the blank, to the start of the word
  Alt-D                       cut to the end of the word
  Ctrl-U, Ctrl-K              cut to the start, to the end
  Ctrl-Y                      paste what was cut last
  Ctrl-T                      swap two characters
  Ctrl-L                      clear the screen
  Ctrl-Z                      suspend; `fg` resumes
  Ctrl-C                      clear the line; on an empty line, leave
  Ctrl-D                      on an empty line, leave

Exit codes:
  0        you left, or all was sent and the server closed the connection
  1        it could not connect, or it lost the connection
  2        a flag is wrong
  128 + N  signal N ended it";

const STOPPED: u8 = 0;
const FAILED: u8 = 1;
const USAGE: u8 = 2;
const SIGNAL: u8 = 128;

/// How it ended badly: the exit code, and why.
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
        Ok(Flags { command: None, config }) => serve(config),
        Err(error) if error.use_stderr() => Err((USAGE, usage_line(&error))),
        Err(help) => {
            let printed = writeln!(io::stdout(), "{}", help.render().to_string().trim_end());
            Ok(if printed.is_ok() { STOPPED } else { FAILED })
        }
    }
}

/// The language of whoever starts the server, as locale(7) finds it.
fn lang_of_environment() -> Lang {
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .filter_map(|name| env::var(name).ok())
        .find(|value| !value.is_empty());
    Lang::of_locale(&locale.unwrap_or_default())
}

/// The flag `--max-line` is also the variable `CHINWAG_MAX_LINE`. An empty one counts as unset, as
/// scripts that pass one on expect.
fn with_variable(flag: Arg) -> Arg {
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
        // It has been logged.
        Err(_) => FAILED,
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
