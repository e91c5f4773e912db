//! The server's own standard output: one more reader of the conversation.
//!
//! Like a client it has a position in the transcript, takes what it can, and lapses when it cannot
//! keep up. Then it prints how many lines it missed. A full pipe, a stopped terminal or a full disk
//! slows no client. A closed one ends the printing, not the chat.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use log::warn;

use crate::room::forms::Form;
use crate::room::reading::{Reading, Terms};
use crate::room::transcript::Transcript;
use crate::stdio::sink::{RETRY, Sink, Written, tell_unusable};

/// At most about this much of replies to the host waits to be printed, and then a few lines more.
const REPLIES_BYTES_MAX: usize = 8 * 1024;

/// The reader behind standard output.
#[derive(Debug)]
pub struct Console {
    /// `None` once it is closed, or there is nothing more to print.
    sink: Option<Sink>,
    reading: Reading,
    retry_at: Option<Instant>,
    /// Print only the announcements, not the conversation.
    quiet: bool,
    /// Where it began.
    start: u64,
    terms: Terms,
}

impl Console {
    /// Prints on `stdout` what is said behind `start`, at most `terms.bytes_max` bytes a turn. A
    /// stream that cannot be opened gets nothing, and the log says so.
    pub fn new(stdout: BorrowedFd<'_>, quiet: bool, terms: Terms, start: u64) -> Console {
        let sink = Sink::open(stdout).inspect_err(|error| {
            warn!("nothing is printed on standard output, {error}");
            tell_unusable(stdout, "the conversation", error).unwrap_or_default();
        });
        Console {
            sink: sink.ok(),
            reading: Reading::new(start),
            retry_at: None,
            quiet,
            start,
            terms,
        }
    }

    /// Prints a line that is not part of the conversation. Call it before the first line of the
    /// conversation.
    pub fn announce(&mut self, line: &str) {
        self.reading.detour(self.start, format!("{line}\n").into_bytes());
    }

    /// Whether it takes replies to the host now.
    pub fn has_room(&self) -> bool {
        self.reading.reply_bytes() < REPLIES_BYTES_MAX
    }

    /// Prints replies to the host behind all that was said until now.
    pub fn reply(&mut self, transcript: &Transcript, lines: Vec<u8>) {
        if self.sink.is_some() && !lines.is_empty() {
            self.reading.detour(transcript.head(), lines);
        }
    }

    /// Prints what it lacks, as far as the stream takes it. Call it in each turn, after the
    /// appending. Below `endangered_below` it must lapse, so that more can be said.
    pub fn speak(&mut self, transcript: &Transcript, endangered_below: u64, now: Instant) {
        if self.retry_at.is_none_or(|at| at <= now) {
            self.retry_at = None;
            self.print(transcript, now);
        }
        let endangered = self.reading.position() < endangered_below;
        if self.quiet && (endangered || !self.is_behind(transcript)) {
            self.sink = None;
        } else if endangered && self.sink.is_some() {
            self.reading.lapse(transcript);
        }
    }

    /// From where on it needs the conversation, in which form; `None` if it does not.
    pub fn printed(&self) -> Option<(Form, u64)> {
        let is_reading = self.sink.is_some() && !self.reading.has_lapsed();
        is_reading.then(|| (self.terms.form, self.reading.position()))
    }

    /// Whether there is something to print, and a stream to print it on.
    pub fn is_behind(&self, transcript: &Transcript) -> bool {
        self.sink.is_some() && self.reading.is_behind(self.end(transcript))
    }

    /// When to call it next, even if nothing happens: at once if it can print more.
    pub fn next_deadline(&self, transcript: &Transcript, now: Instant) -> Option<Instant> {
        self.is_behind(transcript).then(|| self.retry_at.unwrap_or(now))
    }

    /// The form in which it reads the conversation.
    pub fn form(&self) -> Form {
        self.terms.form
    }

    fn end(&self, transcript: &Transcript) -> u64 {
        if self.quiet { self.start } else { transcript.head() }
    }

    fn print(&mut self, transcript: &Transcript, now: Instant) {
        let end = self.end(transcript);
        let mut terms = self.terms;
        while terms.bytes_max > 0 && self.reading.is_behind(end) {
            let Some(sink) = &mut self.sink else { return };
            let offer = self.reading.offer(transcript, end, &terms);
            if offer.slices().is_empty() {
                continue;
            }
            match sink.write(&offer.joined()) {
                Written::Bytes(bytes) => {
                    self.reading.took(bytes, transcript);
                    terms.bytes_max = terms.bytes_max.saturating_sub(bytes.max(1));
                }
                Written::Blocked => {
                    self.retry_at = Some(now + RETRY);
                    return;
                }
                Written::Closed => self.sink = None,
            }
        }
    }
}
