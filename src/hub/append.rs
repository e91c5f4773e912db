//! What was submitted becomes part of the conversation, in its order.
//!
//! Lines are appended to the transcript; names are given, commands carried out and departures told
//! at the same place of that order, so that every reply stands where its asker sees it stand.

use std::time::Instant;

use super::Hub;
use crate::bus::queue::{Kind, Submission};
use crate::hub::client::Socket;
use crate::room::transcript::SERVER;
use crate::words::command::Command;
use crate::words::notice::Notice;

impl<S: Socket> Hub<S> {
    /// Appends as much of what was submitted as the turn has room for, but at least one entry.
    /// Says whether anything was said.
    pub(super) fn append_submitted(&mut self, now: Instant) -> bool {
        let before = self.transcript.head();
        let mut left = self.config.turn_bytes_max();
        let mut first = true;
        while let Some(submission) = self.submissions.take(if first { usize::MAX } else { left }) {
            left = left.saturating_sub(submission.charge);
            first = false;
            self.append(&submission, now);
        }
        self.submissions.forget_taken();
        self.transcript.head() > before
    }

    fn append(&mut self, submission: &Submission, now: Instant) {
        let author = submission.author;
        let text = self.submissions.text(submission);
        match submission.kind {
            Kind::AsItIs => self.transcript.append(author, &[text]),
            Kind::Line => {
                let name = self.names.of(author).to_string();
                self.transcript.append(author, &[name.as_bytes(), b": ", text, b"\n"]);
            }
            Kind::Command => {
                let line = String::from_utf8_lossy(text).into_owned();
                self.carry_out(submission.key, author, &line, now);
            }
            Kind::Answer => {
                let lines = text.to_vec();
                self.answer(submission.key, author, lines, now);
            }
            Kind::Departure { told } => {
                self.append_departure(author, told, now);
            }
        }
    }

    /// Someone is no longer here: from here on its name is kept for its network alone.
    fn append_departure(&mut self, serial: u64, told: bool, now: Instant) {
        if told {
            let notice = Notice::Left { name: &self.names.of(serial).to_string() };
            let line = notice.to_line(self.config.lang());
            self.transcript.append(SERVER, &[&line]);
        }
        self.names.release(serial, now);
    }

    fn carry_out(&mut self, key: usize, serial: u64, line: &str, now: Instant) {
        if self.is_there(key, serial) {
            self.obey(key, serial, Command::parse(line), now);
            self.hear_on(key);
        }
    }

    fn answer(&mut self, key: usize, serial: u64, lines: Vec<u8>, now: Instant) {
        if self.is_there(key, serial) {
            self.tell_lines(key, lines, now);
            self.hear_on(key);
        }
    }

    fn is_there(&self, key: usize, serial: u64) -> bool {
        self.clients.get(key).is_some_and(|client| client.record.serial == serial)
    }

    /// What a client waited for is done.
    fn hear_on(&mut self, key: usize) {
        if let Some(client) = self.clients.get_mut(key) {
            client.asked = false;
            self.queue_to_listen(key);
            self.reschedule(key);
        }
    }
}
