//! The log on standard error, without ever waiting for its reader.
//!
//! `simple_logger` writes to descriptor 2. It panics if that is closed, and waits if it is full. So
//! descriptor 2 becomes the end of a pipe of our own, which is never closed. A record enters the
//! pipe only if there is room, and is counted otherwise. The loop copies the pipe to the real
//! standard error as far as that takes it ([`Journal::relay`]).
//!
//! A record is one printable line, whatever a client may have put into it. If standard error is the
//! journal of systemd, a record begins with its priority (sd-daemon(3)), and the journal adds the
//! time.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use log::{Level, LevelFilter, Log, Metadata, Record};
use simple_logger::SimpleLogger;

use crate::stdio::backlog::Backlog;
use crate::stdio::priority;
use crate::stdio::sink::{Outcome, PIPE_BYTES, RETRY, Sink, is_writable, tell_unusable, write_out};
use crate::words::notice::Counted;

/// What time, level and module may take of a record. The rest is cut so that a record fits one page
/// of the pipe, and writing it never waits.
const RECORD_HEAD_BYTES: usize = 256;

static DROPPED: AtomicU64 = AtomicU64::new(0);
static WRITTEN: AtomicBool = AtomicBool::new(false);

/// The reading end of the log.
#[derive(Debug)]
pub struct Journal {
    pipe: OwnedFd,
    stderr: OwnedFd,
    /// `None` once it is closed, or if a write to it could block.
    sink: Option<Sink>,
    /// What was read from the pipe and not written yet.
    pending: Backlog,
    retry_at: Option<Instant>,
}

impl Journal {
    /// Starts logging. Call it once in a process.
    pub fn start(level: LevelFilter) -> io::Result<Journal> {
        let stderr = io::stderr().as_fd().try_clone_to_owned()?;
        let (reader, writer) = io::pipe()?;
        let reader = OwnedFd::from(reader);
        rustix::fs::fcntl_setfl(&reader, rustix::fs::OFlags::NONBLOCK)?;
        rustix::stdio::dup2_stderr(&writer)?;
        let is_journal = priority::is_journal(&stderr);
        // The level is that of the crate `log`, so that an operator can change it.
        let inner = SimpleLogger::new().with_level(LevelFilter::Trace).with_utc_timestamps();
        log::set_max_level(level);
        log::set_boxed_logger(Box::new(Logger { inner, is_journal })).map_err(io::Error::other)?;
        let sink = Sink::open(stderr.as_fd()).inspect_err(|error| {
            tell_unusable(stderr.as_fd(), "the log", error).unwrap_or_default();
        });
        let (sink, pending) = (sink.ok(), Backlog::default());
        let journal = Journal { pipe: reader, stderr, sink, pending, retry_at: None };
        journal.hook_panics()?;
        Ok(journal)
    }

    /// Copies the log to standard error, as far as that takes it. Call it in each turn; it makes no
    /// system call if nothing was logged.
    pub fn relay(&mut self, now: Instant) {
        if self.retry_at.is_some_and(|at| at > now) {
            return;
        }
        self.retry_at = None;
        if WRITTEN.load(Ordering::Relaxed) || !self.pending.is_empty() {
            self.copy(now);
        }
        if self.retry_at.is_none() {
            let dropped = DROPPED.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                let dropped = Counted(dropped, "log record");
                log::warn!("{dropped} dropped: standard error took nothing");
                self.copy(now);
            }
        }
    }

    /// The real standard error, for a process that writes there itself.
    pub fn stderr(&self) -> io::Result<OwnedFd> {
        self.stderr.try_clone()
    }

    /// When to call it next, even if nothing happens: at once if there is a new record.
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let waiting = WRITTEN.load(Ordering::Relaxed) || DROPPED.load(Ordering::Relaxed) > 0;
        self.retry_at.or(waiting.then_some(now))
    }

    fn copy(&mut self, now: Instant) {
        WRITTEN.store(false, Ordering::Relaxed);
        loop {
            if self.pending.is_empty() {
                let mut page = [0; PIPE_BYTES];
                let Ok(bytes @ 1..) = rustix::io::read(&self.pipe, &mut page) else { return };
                self.pending.end().extend_from_slice(&page[..bytes]);
            }
            let Some(sink) = &mut self.sink else {
                self.pending.clear();
                continue;
            };
            match write_out(&mut self.pending, |bytes| sink.write(bytes)) {
                Outcome::All => {}
                Outcome::Blocked => {
                    self.retry_at = Some(now + RETRY);
                    return;
                }
                Outcome::Closed => self.sink = None,
            }
        }
    }

    /// Prints a panic on the real standard error, without waiting either.
    fn hook_panics(&self) -> io::Result<()> {
        let pipe = self.pipe.try_clone()?;
        let stderr = self.stderr.try_clone()?;
        let priority = priority::on(&stderr, Level::Error);
        std::panic::set_hook(Box::new(move |panic| {
            let Ok(mut sink) = Sink::open(stderr.as_fd()) else { return };
            let mut page = [0; PIPE_BYTES];
            while let Ok(bytes @ 1..) = rustix::io::read(&pipe, &mut page) {
                sink.write(&page[..bytes]);
            }
            sink.write(format!("{priority}chinwag: {panic}\n").as_bytes());
        }));
        Ok(())
    }
}

/// The end of logging: copies what standard error takes, and restores descriptor 2.
impl Drop for Journal {
    fn drop(&mut self) {
        self.retry_at = None;
        WRITTEN.store(true, Ordering::Relaxed);
        self.relay(Instant::now());
        log::set_max_level(LevelFilter::Off);
        let restored = rustix::stdio::dup2_stderr(&self.stderr);
        debug_assert!(restored.is_ok());
    }
}

struct Logger {
    inner: SimpleLogger,
    is_journal: bool,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.inner.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        if !is_writable(io::stderr()).unwrap_or(false) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let text = one_line(&record.args().to_string());
        if self.is_journal {
            // One write, so that it fits or not as a whole.
            let line = format!("{}{text}\n", priority::of(record.level()));
            io::stderr().write_all(line.as_bytes()).unwrap_or_default();
        } else {
            let mut builder = Record::builder();
            builder.metadata(record.metadata().clone());
            self.inner.log(&builder.args(format_args!("{text}")).build());
        }
        WRITTEN.store(true, Ordering::Relaxed);
    }

    fn flush(&self) {
        self.inner.flush();
    }
}

/// The text without control characters, and no longer than a record may be.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for character in text.chars() {
        if line.len() > PIPE_BYTES - RECORD_HEAD_BYTES {
            break;
        }
        match character.is_control() {
            true => line.extend(character.escape_default()),
            false => line.push(character),
        }
    }
    line
}

/// Prints an error on standard error, before or after logging. If that is closed, nothing is
/// printed.
pub fn tell_error(message: &str) {
    let priority = priority::on(io::stderr(), Level::Error);
    writeln!(io::stderr(), "{priority}chinwag: {message}").unwrap_or_default();
}

/// What is wrong with a flag: clap's error as one line, without the usage.
pub fn usage_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let told = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let told = told.filter(|line| !line.is_empty() && !line.starts_with("For more information"));
    let line = told.collect::<Vec<_>>().join("; ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_printable_line_of_bounded_length() {
        assert_eq!(one_line("a\nb\u{1b}[2J"), "a\\nb\\u{1b}[2J");
        assert!(one_line(&"\n".repeat(10_000)).len() < PIPE_BYTES);
    }
}
