//! The step *listen*: what clients have sent becomes lines, and lines are submitted.
//!
//! What may be taken in is a hard budget of bytes as they will stand in the transcript, shared by
//! the [`agenda`](super::agenda) in rounds. Nothing is appended here: release and accept stand
//! between this step and that.

use std::ops::ControlFlow;
use std::time::Instant;

use super::agenda::Talker;
use super::{Hub, Stop};
use crate::config::QUANTUM_BYTES;
use crate::hub::client::{Heard, Hold, Input, Leave, Life, Socket};
use crate::room::ClientId;
use crate::room::forms::Form;
use crate::wire::ear::Said;
use crate::wire::line::LineRules;
use crate::words::notice::Notice;

/// How a client's visit ends.
pub(super) enum Visit {
    /// It has nothing more, or has to wait for something.
    Done,
    /// It has more and has used up its share of this round.
    More,
    /// It has a line that does not fit into this turn.
    CutShort,
}

/// One step of a visit: it goes on, or is over.
pub(super) type Step = ControlFlow<Visit>;

pub(super) const AGAIN: Step = ControlFlow::Continue(());
pub(super) const DONE: Step = ControlFlow::Break(Visit::Done);
pub(super) const MORE: Step = ControlFlow::Break(Visit::More);

/// What a visit may still take.
pub(super) struct Budget {
    /// Of the turn, as it will stand in the transcript.
    pub turn: usize,
    /// Of the talker's share: what is not used is kept for the next round.
    pub deficit: u32,
    /// To be read. What is read and becomes no line has cost as much.
    pub read: usize,
}

impl<S: Socket> Hub<S> {
    /// Hears everyone that has something to say, as far as the budget goes, and submits it.
    ///
    /// Does nothing while a pass is unfinished: what is heard could not be appended.
    pub fn listen(&mut self, now: Instant) {
        if self.agenda.pass.is_some() {
            return;
        }
        if let Some(summary) = self.presence.take_summary(self.here(), now) {
            self.submissions.push_notice(&self.config.voice().line(&summary));
        }
        if self.stop == Stop::No {
            self.hear_all(now);
        }
    }

    fn hear_all(&mut self, now: Instant) {
        let mut left = self.config.turn_bytes_max().saturating_sub(self.submissions.charged());
        let share = (left / self.agenda.talkers().max(1)).max(QUANTUM_BYTES.min(left));
        while left > 0 {
            let Some(mut talker) = self.agenda.next_talker() else { break };
            if self.clients.get(talker.id).is_none() {
                continue;
            }
            match self.visit(&mut talker, share, &mut left, now) {
                Visit::Done => {
                    self.agenda.dismiss(&mut self.clients[talker.id]);
                    self.file(talker.id, now);
                }
                Visit::More => self.agenda.carry(talker),
                Visit::CutShort => {
                    self.agenda.cut_short(talker);
                    break;
                }
            }
        }
    }

    /// Hears one client: takes lines while they fit, and reads at most `share` bytes for more.
    fn visit(
        &mut self,
        talker: &mut Talker,
        share: usize,
        left: &mut usize,
        now: Instant,
    ) -> Visit {
        let deficit = talker.deficit.saturating_add(share as u32);
        let mut budget = Budget { turn: *left, deficit, read: share };
        let id = talker.id;
        if !self.clients[id].may_be_heard(&self.config) {
            return Visit::Done;
        }
        let rules = self.config.line_rules();
        let visit = loop {
            if let ControlFlow::Break(visit) = self.take_next(id, &mut budget, &rules, now) {
                break visit;
            }
            // What it has just sent may be answered first, or have ended it.
            let client = &self.clients[id];
            if client.hold != Hold::None || !client.life().is_heard() {
                break Visit::Done;
            }
        };
        let (submitted, read) = (*left - budget.turn, share - budget.read);
        *left = budget.turn.saturating_sub(read.saturating_sub(submitted));
        talker.deficit = budget.deficit;
        visit
    }

    /// Takes the next thing that a client says, or reads for more.
    fn take_next(
        &mut self,
        id: ClientId,
        budget: &mut Budget,
        rules: &LineRules,
        now: Instant,
    ) -> Step {
        let client = &mut self.clients[id];
        let said = client.record.ear.next(client.input, rules, now);
        let is_new = client.life() == Life::Arriving;
        match said {
            Said::Line | Said::TooLong if is_new => self.greet(id, now),
            Said::Line | Said::Chunk => return self.take_line(id, said, budget, rules, now),
            Said::TooLong => self.refuse_line(id, said, rules.line_bytes_max, rules, now),
            Said::NotYet if client.input != Input::Readable => return DONE,
            Said::NotYet if budget.read == 0 => return MORE,
            Said::NotYet => return self.read(id, budget, rules, now),
            Said::Farewell | Said::Over => {
                self.end(id, now);
                return DONE;
            }
            Said::Stranger(stranger) => {
                self.let_go(id, stranger, now);
                return DONE;
            }
            Said::Endless => {
                let bytes_max = rules.endless_bytes_max;
                self.close(id, Leave::Endless, &Notice::Endless { bytes_max }, now);
                return DONE;
            }
        }
        AGAIN
    }

    /// Reads once.
    fn read(&mut self, id: ClientId, budget: &mut Budget, rules: &LineRules, now: Instant) -> Step {
        let scratch_bytes = budget.read.min(self.scratch.len());
        match self.clients[id].hear(&mut self.scratch[..scratch_bytes], rules, now) {
            Heard::Bytes { read, answers } => {
                budget.read -= read;
                self.answer_telnet(id, answers);
            }
            Heard::Nothing => {}
            // It is tried again in the next round, and so counts as something done in this one.
            Heard::Interrupted => {
                budget.read -= 1;
                return MORE;
            }
            Heard::Broken(leave) => self.break_off(id, leave, now),
        }
        AGAIN
    }

    /// Answers a telnet client's commands; from its first one on its lines end as telnet wants it.
    fn answer_telnet(&mut self, id: ClientId, answers: Vec<u8>) {
        if answers.is_empty() {
            return;
        }
        self.change_form(id, Form::CrLf);
        let head = self.head(id);
        let client = &mut self.clients[id];
        let is_new = client.life() == Life::Arriving;
        let at = if is_new { client.reading.position() } else { head };
        client.reading.detour_bytes(at, answers);
    }
}
