//! The client without a terminal: it sends its input, and prints what the server sends.
//!
//! The rules of this file:
//!
//! - Standard input goes to the server as it comes. At its end the client shuts down its sending
//!   side, and prints what the server sends until the server closes the connection.
//! - What is printed is safe to show, a line at a time, because a pipe may end at a terminal.
//! - While the output is blocked, the client reads nothing, so nothing grows. If the output is
//!   closed, the client still sends, and discards what the server sends.
//!
//! It never knows the files for the terminal: it edits nothing and draws nothing.

use std::io;
use std::time::Instant;

use super::paint::Paint;
use super::pending::Me;
use super::said::Said;
use super::watch::Watch;
use super::wire::{Hearing, Outgoing};
use super::{Ended, JoinError};
use crate::stdio::backlog::Backlog;
use crate::stdio::sink::{Outcome, RETRY, Sink, Written, write_out};
use crate::stdio::source::{Source, Taken};

/// The most bytes of one read, of the input or from the server.
const READ_BYTES: usize = 16 * 1024;

/// A conversation through pipes and files.
pub struct Relay {
    watch: Watch,
    source: Source,
    /// Whether the input has ended.
    source_ended: bool,
    outgoing: Outgoing,
    hearing: Hearing,
    me: Me,
    paint: Paint,
    /// The output; `None` once it is closed.
    sink: Option<Sink>,
    printing: Backlog,
    retry_at: Option<Instant>,
}

impl Relay {
    /// Makes a relay between these two streams and a connected server.
    pub fn new(
        watch: Watch,
        source: Source,
        sink: Option<Sink>,
        paint: Paint,
        nick: Option<&str>,
        room: Option<&str>,
    ) -> Relay {
        let mut outgoing = Outgoing::default();
        let mut me = Me::default();
        if let Some(nick) = nick {
            outgoing.push_line(&format!("/nick {nick}"));
            me.be(nick);
        }
        if let Some(room) = room {
            outgoing.push_line(&format!("/join {room}"));
        }
        Relay {
            watch,
            source,
            source_ended: false,
            outgoing,
            hearing: Hearing::default(),
            me,
            paint,
            sink,
            printing: Backlog::default(),
            retry_at: None,
        }
    }

    /// Relays until the server closes the connection.
    pub fn run(mut self) -> Result<Ended, JoinError> {
        self.watch.watch_input(&self.source).map_err(JoinError::system("watch the input"))?;
        let ended = loop {
            let now = self.wait().map_err(JoinError::system("wait"))?;
            self.take(now);
            if let Some(ended) = self.send().and_then(|()| self.hear(now)).transpose() {
                break ended;
            }
            self.print(now);
        };
        if let Some(line) = self.hearing.rest() {
            self.line(&line);
        }
        self.print_the_rest();
        ended
    }

    fn wait(&mut self) -> io::Result<Instant> {
        let now = Instant::now();
        let due = self.retry_at.or(self.hearing.next_deadline());
        let until = if self.has_work() { Some(now) } else { due };
        self.watch.wait(until.map(|at| at.saturating_duration_since(now)))?;
        Ok(Instant::now())
    }

    fn has_work(&self) -> bool {
        let may_take = self.may_take() && self.watch.input_readable;
        let may_hear = self.printing.is_empty() && self.watch.server_readable;
        may_take || may_hear
    }

    fn may_take(&self) -> bool {
        !self.source_ended && !self.outgoing.is_full()
    }

    /// Reads the input, as much as may wait to be sent.
    fn take(&mut self, now: Instant) {
        self.retry_at = self.retry_at.filter(|at| *at > now);
        let mut buffer = [0; READ_BYTES];
        while self.may_take() && self.watch.input_readable {
            match self.source.read(&mut buffer) {
                Taken::Bytes(bytes) => self.outgoing.push(&buffer[..bytes]),
                Taken::Ended { .. } => self.source_ended = true,
                Taken::NotYet => self.watch.input_readable = false,
            }
        }
    }

    fn send(&mut self) -> Result<(), JoinError> {
        let sent = self.watch.send(self.outgoing.rest()).map_err(JoinError::lost)?;
        self.outgoing.took(sent);
        if self.is_all_sent() {
            self.watch.end_sending();
        }
        Ok(())
    }

    fn is_all_sent(&self) -> bool {
        self.source_ended && self.outgoing.is_empty()
    }

    /// Reads from the server, once all that it sent before is printed.
    fn hear(&mut self, now: Instant) -> Result<Option<Ended>, JoinError> {
        if !self.printing.is_empty() {
            return Ok(None);
        }
        let mut buffer = [0; READ_BYTES];
        match self.watch.receive(&mut buffer).map_err(JoinError::lost)? {
            Some(0) if self.is_all_sent() => return Ok(Some(Ended::Left)),
            Some(0) => return Err(JoinError::lost("the server has closed it")),
            Some(bytes) => self.hearing.push(&buffer[..bytes], now),
            None => {}
        }
        while let Some(line) = self.hearing.next_line(now) {
            self.line(&line);
        }
        Ok(None)
    }

    fn line(&mut self, line: &str) {
        if let Some(notice) = Said::of(line).notice() {
            self.me.note(&notice);
        }
        let printing = self.printing.end();
        printing.extend_from_slice(self.paint.line(line, &self.me).as_bytes());
        printing.push(b'\n');
    }

    /// Prints as much as the output takes now.
    fn print(&mut self, now: Instant) {
        if self.retry_at.is_some() {
            return;
        }
        let sink = &mut self.sink;
        let write = |bytes: &[u8]| sink.as_mut().map_or(Written::Closed, |sink| sink.write(bytes));
        match write_out(&mut self.printing, write) {
            Outcome::All => {}
            Outcome::Blocked => self.retry_at = Some(now + RETRY),
            Outcome::Closed => self.sink = None,
        }
    }

    /// Prints the rest, however long that takes: nothing else is left to do.
    fn print_the_rest(&mut self) {
        while !self.printing.is_empty() {
            self.retry_at = None;
            self.print(Instant::now());
            if self.retry_at.is_some() && self.watch.wait(Some(RETRY)).is_err() {
                return;
            }
        }
    }
}
