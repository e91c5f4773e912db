//! What each signal means to the server: the one table of them.
//!
//! No signal that a write, a limit, a timer or a script for rotating logs can raise ends it without
//! a word. What stands in no row keeps its default: SIGQUIT leaves a core, SIGTSTP and SIGSTOP stop
//! the process until SIGCONT, SIGCHLD and their like do nothing. SIGPIPE is ignored from the
//! beginning (Rust does that); there is no SIGTTIN, since nothing is read from a terminal, and
//! [`crate::stdio::sink`] sees to it that there is no SIGTTOU. This room catches nothing.

use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ,
};

/// What is done about a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A person or a supervisor asks for the stop; the second time, for the end at once.
    Stop,
    /// The kernel will end the process before long: the stop begins, and it is not hurried.
    StopInTime,
    /// How things stand is logged.
    Status,
    /// It is logged, and that is all.
    Nothing,
}

const MEANINGS: [(i32, Meaning); 11] = [
    (SIGTERM, Meaning::Stop),
    (SIGINT, Meaning::Stop),
    (SIGHUP, Meaning::Stop),
    // The soft limit of processor time (`ulimit -St`); at the hard one comes SIGKILL.
    (SIGXCPU, Meaning::StopInTime),
    (SIGUSR1, Meaning::Status),
    // Another program's recipe for rotating logs.
    (SIGUSR2, Meaning::Nothing),
    // A write beyond the limit of a file's size (`ulimit -f`) also fails, as one on a full disk.
    (SIGXFSZ, Meaning::Nothing),
    // Timers that whatever started us has left running, and a descriptor that it shares with us.
    (SIGALRM, Meaning::Nothing),
    (SIGVTALRM, Meaning::Nothing),
    (SIGPROF, Meaning::Nothing),
    (SIGIO, Meaning::Nothing),
];

/// The signals to catch. A hangup that was ignored at the start stays so: `nohup` means it.
pub fn heeded() -> Vec<i32> {
    let ignored = ignored();
    let all = MEANINGS.into_iter().map(|(signal, _)| signal);
    all.filter(|signal| *signal != SIGHUP || ignored & (1 << (SIGHUP - 1)) == 0).collect()
}

/// What one of [`heeded`] means.
pub fn meaning(signal: i32) -> Meaning {
    let row = MEANINGS.into_iter().find(|(its, _)| *its == signal);
    row.map_or(Meaning::Nothing, |(_, meaning)| meaning)
}

/// Its name, such as `SIGTERM`.
pub fn name(signal: i32) -> &'static str {
    signal_hook::low_level::signal_name(signal).unwrap_or("a signal")
}

/// The set of signals this process ignores, as proc(5) gives it; bit 0 is signal 1.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
