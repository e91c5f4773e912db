//! The priority of a line, if standard error is the journal of systemd (sd-daemon(3)).

use std::env;
use std::os::fd::AsFd;

use log::Level;

/// The variable by which systemd says that a stream is its journal (systemd.exec(5)).
pub const VARIABLE: &str = "JOURNAL_STREAM";

/// Whether this is the journal.
pub fn is_journal(stderr: impl AsFd) -> bool {
    let (Ok(told), Ok(stat)) = (env::var(VARIABLE), rustix::fs::fstat(stderr)) else {
        return false;
    };
    told == format!("{}:{}", stat.st_dev, stat.st_ino)
}

/// What stands before a line of this level on the journal (syslog(3)). It knows nothing below
/// debug.
pub fn of(level: Level) -> &'static str {
    match level {
        Level::Error => "<3>",
        Level::Warn => "<4>",
        Level::Info => "<6>",
        Level::Debug | Level::Trace => "<7>",
    }
}

/// The same on this standard error: nothing if it is no journal.
pub fn on(stderr: impl AsFd, level: Level) -> &'static str {
    if is_journal(stderr) { of(level) } else { "" }
}
