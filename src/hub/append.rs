//! The first half of *speak*: what was submitted becomes part of the conversation, in its order.
//!
//! Lines are appended to the transcript; names are given, commands carried out and departures told
//! at the same place of that order, so that every reply stands where its asker sees it stand.

use std::time::{Duration, Instant};

use super::agenda::{Bounds, Pass};
use super::{Hub, Stop};
use crate::bus::queue::{Kind, Submission};
use crate::hub::client::{Hold, Leave, Life, Socket};
use crate::room::ClientId;
use crate::room::forms::{FORMS, Form};
use crate::room::transcript::SERVER;
use crate::words::command::Command;
use crate::words::notice::Notice;

/// How long a small turn waits behind a full one, at most. A full turn to a thousand clients takes
/// ten times as long.
const CORK: Duration = Duration::from_millis(1);

/// Keeps a small turn back for a moment when it follows a full one, as `TCP_CORK` does a partial
/// frame: a turn costs a write to everyone, however little it brings. In a flood what follows a
/// full turn is often a rest, and the talkers send more within that moment. In a quiet room no turn
/// is full, so nothing waits.
#[derive(Debug, Default)]
pub struct Cork {
    last_was_full: bool,
    until: Option<Instant>,
}

impl Cork {
    /// The moment until which something is kept back.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Whether a turn is to wait for more.
    fn holds(&mut self, is_small: bool, is_urgent: bool, now: Instant) -> bool {
        let may_wait = is_small && !is_urgent && self.last_was_full;
        if may_wait && now < *self.until.get_or_insert(now + CORK) {
            return true;
        }
        *self = Cork { last_was_full: !is_small, until: None };
        false
    }
}

impl<S: Socket> Hub<S> {
    /// Appends what was submitted and begins a pass, unless one is unfinished: a client that takes
    /// all that it is offered must be offered this before more is said.
    pub(super) fn append_submitted(&mut self, now: Instant) {
        if self.agenda.pass.is_some() || self.is_corked(now) {
            return;
        }
        let before = self.forms.plain().head();
        self.append_a_turn(now);
        if self.forms.plain().head() > before {
            self.agenda.pass = Some(Pass { next: 0, bounds: self.bounds() });
        }
        if self.submissions.is_empty() {
            self.settle(now);
        }
    }

    /// What a pass must know of each form.
    fn bounds(&self) -> [Bounds; FORMS] {
        let turn = self.config.turn_bytes_max();
        let bounds = |form| {
            let below = |turns| self.forms.of(form).endangered_below(turns * turn);
            Bounds { endangered_below: below(2), greeted_below: below(3) }
        };
        let plain = bounds(Form::Plain);
        Form::ALL.map(|form| if self.forms.is_read(form) { bounds(form) } else { plain })
    }

    /// Whether what was submitted waits for more, now that all was heard. No client's end waits for
    /// that.
    fn is_corked(&mut self, now: Instant) -> bool {
        let is_small = self.submissions.charged() < self.config.turn_bytes_max() / 2;
        let is_urgent =
            self.agenda.talkers() > 0 || self.agenda.is_making_room() || self.stop != Stop::No;
        !self.submissions.is_empty() && self.cork.holds(is_small, is_urgent, now)
    }

    /// As much as the turn has room for, but at least one entry.
    fn append_a_turn(&mut self, now: Instant) {
        let mut left = self.config.turn_bytes_max();
        let mut first = true;
        while let Some(submission) = self.submissions.take(if first { usize::MAX } else { left }) {
            left = left.saturating_sub(submission.charge);
            first = false;
            self.append(&submission, now);
        }
        self.submissions.forget_taken();
    }

    /// All that was submitted is appended: those that ended get what stands now, and no more.
    fn settle(&mut self, now: Instant) {
        for id in self.agenda.take_ending() {
            let Some(client) = self.clients.get(id) else { continue };
            if client.life() == Life::Ending {
                let head = self.head(id);
                self.close_at(id, head, Leave::Quit, now);
                self.file(id, now);
            }
        }
        if self.stop == Stop::Announced {
            self.close_all(now);
        }
    }

    fn append(&mut self, submission: &Submission, now: Instant) {
        let author = submission.author;
        let text = self.submissions.text(submission);
        match submission.kind {
            Kind::AsItIs => self.forms.append(author.serial, &[text]),
            Kind::Line => {
                let name = self.names.of(author.serial).to_string();
                self.forms.append(author.serial, &[name.as_bytes(), b": ", text, b"\n"]);
            }
            Kind::Command => {
                let line = String::from_utf8_lossy(text).into_owned();
                self.answer(author, now, |hub| hub.obey(author, Command::parse(&line), now));
            }
            Kind::Answer => {
                let lines = text.to_vec();
                self.answer(author, now, |hub| hub.tell_lines(author, lines, now));
            }
            Kind::Departure { told } => self.append_departure(author.serial, told, now),
        }
    }

    /// Someone is no longer here: from here on its name is kept for its network alone.
    fn append_departure(&mut self, serial: u64, told: bool, now: Instant) {
        if told {
            let notice = Notice::Left { name: &self.names.of(serial).to_string() };
            let line = self.config.voice().line(&notice);
            self.forms.append(SERVER, &[&line]);
        }
        self.names.release(serial, now);
    }

    /// Does what a client waits for, if it is still there; then it is heard on.
    fn answer(&mut self, id: ClientId, now: Instant, give: impl FnOnce(&mut Self)) {
        if self.clients.get(id).is_none() {
            return;
        }
        give(self);
        self.clients[id].hold = Hold::None;
        self.file(id, now);
    }
}
