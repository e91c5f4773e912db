//! What the server does about each signal, in one table.
//!
//! No signal that a write, a limit, a timer or a log rotation script can raise ends the server
//! without a word. A signal that is not in the table keeps its default: SIGQUIT dumps core, SIGTSTP
//! and SIGSTOP stop the process until SIGCONT, SIGCHLD and the like do nothing. Rust ignores
//! SIGPIPE from the beginning. [`crate::stdio::keyboard`] blocks SIGTTIN, and
//! [`crate::stdio::sink`] avoids SIGTTOU. This file catches nothing.

use std::fs::File;

use signal_hook::consts::{
    SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM,
    SIGXCPU, SIGXFSZ,
};

/// What a signal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A person or a supervisor asks the server to stop; the second time, to end at once.
    Stop,
    /// The kernel will kill the process before long: stop; a second one changes nothing.
    StopInTime,
    /// Read what may have changed once more.
    Reload,
    /// The process may be in the foreground again: look at the terminal. No event of that tells
    /// of a line which was typed a moment before.
    Continued,
    /// Log the status.
    Status,
    /// Log the signal, and do nothing else.
    Nothing,
}

const MEANINGS: [(i32, Meaning); 12] = [
    (SIGTERM, Meaning::Stop),
    (SIGINT, Meaning::Stop),
    // For a service that is the convention; from a terminal it means another thing, see `meaning`.
    (SIGHUP, Meaning::Reload),
    // The soft limit of processor time (`ulimit -St`); at the hard one comes SIGKILL.
    (SIGXCPU, Meaning::StopInTime),
    (SIGCONT, Meaning::Continued),
    (SIGUSR1, Meaning::Status),
    // Some programs rotate their logs on it.
    (SIGUSR2, Meaning::Nothing),
    // A write beyond the limit of a file's size (`ulimit -f`) also fails, like one to a full disk.
    (SIGXFSZ, Meaning::Nothing),
    // Timers and a shared descriptor that the program which started us may have left behind.
    (SIGALRM, Meaning::Nothing),
    (SIGVTALRM, Meaning::Nothing),
    (SIGPROF, Meaning::Nothing),
    (SIGIO, Meaning::Nothing),
];

/// The signals to catch. A SIGHUP that is ignored at the start stays ignored: that is how `nohup`
/// works.
pub fn heeded() -> Vec<i32> {
    let ignored = ignored();
    let all = MEANINGS.into_iter().map(|(signal, _)| signal);
    all.filter(|signal| *signal != SIGHUP || ignored & (1 << (SIGHUP - 1)) == 0).collect()
}

/// Whether this process has a controlling terminal. Ask at the start: a terminal that is gone is
/// the reason for a SIGHUP.
pub fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// The meaning of one of [`heeded`], for a process that had a controlling terminal at its start or
/// had none. If the terminal goes away, its processes end (SIGHUP), as a shell's do.
pub fn meaning(signal: i32, had_terminal: bool) -> Meaning {
    if signal == SIGHUP && had_terminal {
        return Meaning::Stop;
    }
    let row = MEANINGS.into_iter().find(|(its, _)| *its == signal);
    row.map_or(Meaning::Nothing, |(_, meaning)| meaning)
}

/// Its name, such as `SIGTERM`.
pub fn name(signal: i32) -> &'static str {
    signal_hook::low_level::signal_name(signal).unwrap_or("a signal")
}

/// The signals that this process ignores, as proc(5) prints them; bit 0 is signal 1.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
