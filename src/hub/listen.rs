//! The step *listen*: what clients have sent becomes lines, and lines are submitted.
//!
//! What may be taken in is a hard budget of bytes as they will stand in the transcript, shared by
//! the [`agenda`](super::agenda) in rounds. Nothing is appended here: release and accept stand
//! between this step and that.

use std::fmt::Display;
use std::ops::ControlFlow;
use std::time::Instant;

use log::debug;

use super::agenda::Talker;
use super::{Hub, Stop};
use crate::bus::queue::Kind;
use crate::config::{NAMED_BYTES_MAX, QUANTUM_BYTES, STANDING_BYTES_MAX};
use crate::hub::client::{Admission, Heard, Hold, Input, Leave, Life, Socket};
use crate::room::ClientId;
use crate::room::forms::Form;
use crate::room::transcript::charge;
use crate::wire::ear::Said;
use crate::wire::line::LineRules;
use crate::wire::stranger::Stranger;
use crate::words::names::NAME_BYTES_MAX;
use crate::words::notice::Notice;
use crate::words::text::{Excerpt, push_safe};

/// How a client's visit ends.
enum Visit {
    /// It has nothing more, or has to wait for something.
    Done,
    /// It has more and has used up its share of this round.
    More,
    /// It has a line that does not fit into this turn.
    CutShort,
}

/// One step of a visit: it goes on, or is over.
type Step = ControlFlow<Visit>;

const AGAIN: Step = ControlFlow::Continue(());
const DONE: Step = ControlFlow::Break(Visit::Done);
const MORE: Step = ControlFlow::Break(Visit::More);

/// What a visit may still take.
struct Budget {
    /// Of the turn, as it will stand in the transcript.
    turn: usize,
    /// Of the talker's share: what is not used is kept for the next round.
    deficit: u32,
    /// To be read. What is read and becomes no line has cost as much.
    read: usize,
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
            self.submissions.push_notice(&summary.to_line(self.config.lang()));
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
            Said::Line => return self.take_line(id, budget, rules, now),
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

    /// A line is too long: nothing of it is said, and its author is told.
    fn refuse_line(
        &mut self,
        id: ClientId,
        said: Said,
        bytes_max: usize,
        rules: &LineRules,
        now: Instant,
    ) {
        self.clients[id].record.ear.consume(said, rules, now);
        self.answer_in_turn(id, &Notice::LineTooLong { bytes_max });
    }

    /// Closes a client of another protocol. Nothing that it has sent is said.
    fn let_go(&mut self, id: ClientId, stranger: Stranger, now: Instant) {
        let record = &self.clients[id].record;
        debug!("{} is not a chat client: {}", record.address(), Excerpt(record.ear.pending()));
        let goodbye = match self.config.raw {
            true => Vec::new(),
            false => stranger.goodbye(self.config.lang()),
        };
        self.close_with(id, Leave::NotChat, goodbye, now);
    }

    /// Takes in the line that is there: makes it safe to show and submits it.
    fn take_line(
        &mut self,
        id: ClientId,
        budget: &mut Budget,
        rules: &LineRules,
        now: Instant,
    ) -> Step {
        let client = &mut self.clients[id];
        let record = &mut client.record;
        let line = record.ear.line();
        self.safe.clear();
        let is_utf8 = rules.raw || push_safe(line, &mut self.safe);
        let text = if rules.raw { line } else { self.safe.as_bytes() };
        let kind = match text {
            _ if rules.raw => Kind::AsItIs,
            [b'/', ..] => Kind::Command,
            _ => Kind::Line,
        };
        if text.len() + NAMED_BYTES_MAX > STANDING_BYTES_MAX {
            let bytes_max = STANDING_BYTES_MAX - NAMED_BYTES_MAX;
            self.refuse_line(id, Said::Line, bytes_max, rules, now);
            return AGAIN;
        }
        let cost = cost(text, kind, &self.names.of(id.serial)) + self.forms.extra();
        // A line that is larger than any turn has one to itself.
        if cost > budget.turn && budget.turn < self.config.turn_bytes_max() {
            return ControlFlow::Break(Visit::CutShort);
        }
        if cost > budget.deficit as usize {
            return MORE;
        }
        let (address, pace) = (record.ip, self.config.pace());
        let advanced = || self.addresses.may_say(address, &pace, now);
        if client.admission != Admission::Exempt
            && let Err(due) = record.allowance.take(&pace, advanced, now)
        {
            client.hold = Hold::Pace;
            client.change_moments(|its| its.paused_until = Some(due));
            return DONE;
        }
        self.submissions.push(id, kind, text, cost);
        budget.deficit -= cost as u32;
        budget.turn = budget.turn.saturating_sub(cost);
        if kind == Kind::Command {
            client.hold = Hold::Answer;
        }
        record.ear.consume(Said::Line, rules, now);
        let ends_in_cr = record.ear.ends_in_cr() && !rules.raw;
        if !is_utf8 && !record.ear.was_told_not_utf8() {
            self.hint_at_utf8(id);
        }
        if ends_in_cr {
            self.change_form(id, Form::CrLf);
        }
        AGAIN
    }

    /// Tells what a client may do about what it sends not being UTF-8.
    fn hint_at_utf8(&mut self, id: ClientId) {
        let ear = &self.clients[id].record.ear;
        let hint = match ear.is_telnet() {
            true => Notice::NotUtf8BeforeBinary,
            false if ear.ends_in_cr() => Notice::NotUtf8ThroughTelnet,
            false => Notice::NotUtf8,
        };
        self.answer_in_turn(id, &hint);
    }

    /// Tells a client something behind what it has said before; it is heard on after that.
    fn answer_in_turn(&mut self, id: ClientId, notice: &Notice<'_>) {
        self.clients[id].hold = Hold::Answer;
        // It takes nothing of the transcript.
        self.submissions.push(id, Kind::Answer, &notice.to_line(self.config.lang()), 0);
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

    /// A client's connection is broken and all it has sent is read. An unterminated rest becomes
    /// its last line, as at the end of input: a peer that exits with unread data resets the
    /// connection, which is no error. One that was not greeted yet leaves without notice.
    fn break_off(&mut self, id: ClientId, leave: Leave, now: Instant) {
        let client = &mut self.clients[id];
        client.input = Input::Ended;
        if client.life() == Life::Arriving || !client.record.ear.is_pending() {
            self.enter(id, Life::Gone(leave), now);
        } else if client.life() == Life::Member {
            self.enter(id, Life::Deaf(leave), now);
        }
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

    /// A client's input has ended and every line of it is submitted. One that leaves before its
    /// welcome without a word was never here.
    pub(super) fn end(&mut self, id: ClientId, now: Instant) {
        match self.clients[id].life() {
            Life::Arriving => self.close_with(id, Leave::Quit, Vec::new(), now),
            Life::Member => self.enter(id, Life::Ending, now),
            Life::Deaf(leave) => self.enter(id, Life::Gone(leave), now),
            Life::Ending | Life::Closing(_) | Life::Draining(_) | Life::Gone(_) => {}
        }
    }
}

/// What a text will be charged in the transcript, at most: with the name before it, or what a
/// command may say to all of two names.
fn cost(text: &[u8], kind: Kind, name: &impl Display) -> usize {
    const MARKS_BYTES: usize = 3;
    const COMMAND_BYTES: usize = 3 * NAME_BYTES_MAX;
    match kind {
        Kind::AsItIs | Kind::Answer | Kind::Departure { .. } => charge(text.len()),
        Kind::Line => charge(name.to_string().len() + text.len() + MARKS_BYTES),
        Kind::Command => charge(text.len() + COMMAND_BYTES),
    }
}
