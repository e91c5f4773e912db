//! The client that is not on a terminal: what comes in is sent, what the server says is printed.
//!
//! The rules this room keeps:
//!
//! - Standard input goes to the server as it comes. At its end the server is told so, and what it
//!   says is printed until it ends its side.
//! - What is printed is safe to show, a line at a time: a pipe may end at a terminal.
//! - An output that takes nothing stops the reading, so nothing grows. One that is closed is no
//!   reason not to send: then what the server says is thrown away.
//!
//! It never knows the terminal's room: nothing is edited here and nothing drawn.

use std::io;
use std::time::Instant;

use super::paint::Paint;
use super::pending::Me;
use super::said::Said;
use super::watch::{Received, Watch};
use super::wire::{Hearing, Outgoing};
use super::{Ended, JoinError};
use crate::stdio::backlog::Backlog;
use crate::stdio::sink::{Outcome, RETRY, Sink, Written, write_out};
use crate::stdio::source::{Source, Taken};

/// How much is read at once, of the input and from the server.
const READ_BYTES: usize = 16 * 1024;

/// A conversation through pipes and files.
pub struct Relay {
    watch: Watch,
    source: Source,
    /// The input has ended.
    source_ended: bool,
    outgoing: Outgoing,
    /// The server has been told that nothing more will come.
    sending_ended: bool,
    hearing: Hearing,
    me: Me,
    paint: Paint,
    /// `None` once it is closed.
    sink: Option<Sink>,
    printing: Backlog,
    retry_at: Option<Instant>,
}

impl Relay {
    /// Everything between these two streams and a server that is connected.
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
            sending_ended: false,
            hearing: Hearing::default(),
            me,
            paint,
            sink,
            printing: Backlog::default(),
            retry_at: None,
        }
    }

    /// Relays until the server is done.
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
        self.print_the_rest();
        ended
    }

    fn wait(&mut self) -> io::Result<Instant> {
        let now = Instant::now();
        let until = if self.has_work() {
            Some(now)
        } else {
            self.retry_at.or(self.hearing.next_deadline())
        };
        self.watch.wait(until.map(|at| at.saturating_duration_since(now)))?;
        Ok(Instant::now())
    }

    fn has_work(&self) -> bool {
        let may_take = self.may_take() && self.watch.input_may_have_more();
        let may_hear = self.printing.is_empty() && self.watch.may_receive();
        may_take || may_hear
    }

    fn may_take(&self) -> bool {
        !self.source_ended && !self.outgoing.is_full()
    }

    /// Takes from the input as much as may wait to be sent.
    fn take(&mut self, now: Instant) {
        self.retry_at = self.retry_at.filter(|at| *at > now);
        let mut buffer = [0; READ_BYTES];
        while self.may_take() && self.watch.input_may_have_more() {
            match self.source.read(&mut buffer) {
                Taken::Bytes(bytes) => self.outgoing.push(&buffer[..bytes]),
                Taken::Ended { .. } => self.source_ended = true,
                Taken::NotYet => {
                    self.watch.input_had_nothing();
                    return;
                }
            }
        }
    }

    fn send(&mut self) -> Result<(), JoinError> {
        let sent = self.watch.send(self.outgoing.rest()).map_err(JoinError::Lost)?;
        self.outgoing.took(sent);
        if self.source_ended && self.outgoing.is_empty() && !self.sending_ended {
            self.sending_ended = true;
            self.watch.end_sending();
        }
        Ok(())
    }

    /// Hears what the server says, while all that it said before is printed.
    fn hear(&mut self, now: Instant) -> Result<Option<Ended>, JoinError> {
        if !self.printing.is_empty() {
            return Ok(None);
        }
        let mut buffer = [0; READ_BYTES];
        match self.watch.receive(&mut buffer) {
            Received::Bytes(bytes) => self.hearing.push(&buffer[..bytes], now),
            Received::NotYet => {}
            Received::Ended => {
                self.rest();
                return match self.sending_ended {
                    true => Ok(Some(Ended::Left)),
                    false => Err(JoinError::Closed),
                };
            }
            Received::Lost(error) => {
                self.rest();
                return Err(JoinError::Lost(error));
            }
        }
        while let Some(line) = self.hearing.next_line(now) {
            self.line(&line);
        }
        Ok(None)
    }

    fn rest(&mut self) {
        if let Some(line) = self.hearing.rest() {
            self.line(&line);
        }
    }

    fn line(&mut self, line: &str) {
        if let Some(notice) = Said::of(line).notice() {
            self.me.note(&notice);
        }
        let printing = self.printing.end();
        printing.extend_from_slice(self.paint.line(line, &self.me).as_bytes());
        printing.push(b'\n');
    }

    /// Prints as much as is taken.
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

    /// There is nobody left to keep waiting: what is to be printed is, however long it takes.
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
