//! The step *listen*: what clients have sent becomes lines, and lines are submitted.
//!
//! What may be taken in is a hard budget of bytes as they will stand in the transcript, shared by
//! the [`agenda`](super::agenda) in rounds. Nothing is appended here: release and accept stand
//! between this step and that.

use std::fmt::Display;
use std::time::Instant;

use log::debug;

use super::agenda::Talker;
use super::{Hub, Stop};
use crate::bus::queue::Kind;
use crate::config::{NAMED_BYTES_MAX, QUANTUM_BYTES, STANDING_BYTES_MAX};
use crate::hub::client::{Admission, Heard, Hold, Input, Leave, Life, Socket};
use crate::room::ClientId;
use crate::room::reading::{LineEnds, Rendering};
use crate::room::transcript::charge;
use crate::wire::line;
use crate::wire::stranger::{Sniffed, Stranger};
use crate::wire::telnet;
use crate::words::names::NAME_BYTES_MAX;
use crate::words::notice::Notice;
use crate::words::text::{Excerpt, push_safe};

/// What came of hearing a client.
enum Visit {
    /// It has nothing more, or has to wait for something.
    Done,
    /// It has more and has used up its share of this round.
    More,
    /// It has a line that does not fit into this turn.
    CutShort,
}

/// One step of a visit.
enum Step {
    /// Something was taken; there may be more.
    Again,
    /// Nothing is there that can be taken without reading.
    Read,
    /// The visit is over.
    Over(Visit),
}

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
        let visit = loop {
            let step = match self.take_line(id, &mut budget, now) {
                Step::Read if budget.read == 0 => Step::Over(Visit::More),
                Step::Read => self.read(id, &mut budget, now),
                step => step,
            };
            match step {
                Step::Over(visit) => break visit,
                // What it has just sent may be answered first, or have ended it.
                _ if self.clients[id].hold != Hold::None => break Visit::Done,
                _ if !self.clients[id].life().is_heard() => break Visit::Done,
                _ => {}
            }
        };
        let (submitted, read) = (*left - budget.turn, share - budget.read);
        *left = budget.turn.saturating_sub(read.saturating_sub(submitted));
        talker.deficit = budget.deficit;
        visit
    }

    /// Takes one line that has been read, if there is one and it fits.
    fn take_line(&mut self, id: ClientId, budget: &mut Budget, now: Instant) -> Step {
        let rules = self.config.line_rules();
        let client = &mut self.clients[id];
        match client.sniff(&self.config) {
            Sniffed::Stranger(stranger) => {
                self.let_go(id, stranger, now);
                return Step::Over(Visit::Done);
            }
            Sniffed::NotYet => return self.cut_chunk_if_due(id, now),
            Sniffed::Chat => {}
        }
        let is_telnet = client.record.is_telnet();
        if is_telnet && telnet::is_farewell(client.record.lines.pending()) {
            self.end(id, now);
            return Step::Over(Visit::Done);
        }
        let is_new = client.life() == Life::Arriving;
        match client.record.lines.peek(&rules) {
            line::Input::Line(line) if is_telnet && telnet::is_farewell(line) => {
                self.end(id, now);
                Step::Over(Visit::Done)
            }
            line::Input::Line(_) if is_new => {
                self.greet(id, now);
                Step::Again
            }
            line::Input::Line(_) => self.take_in(id, budget, now),
            line::Input::NotYet => self.cut_chunk_if_due(id, now),
            line::Input::TooLong => {
                client.record.first_lines.note_too_long();
                client.consume_line(now);
                self.greet(id, now);
                self.answer_in_turn(id, &Notice::LineTooLong { bytes_max: rules.line_bytes_max });
                Step::Again
            }
            line::Input::Endless => {
                let bytes_max = rules.endless_bytes_max;
                self.close(id, Leave::Endless, &Notice::Endless { bytes_max }, now);
                Step::Over(Visit::Done)
            }
        }
    }

    /// Closes a client of another protocol. Nothing that it has sent is said.
    fn let_go(&mut self, id: ClientId, stranger: Stranger, now: Instant) {
        let record = &self.clients[id].record;
        debug!("{} is not a chat client: {}", record.address(), Excerpt(record.lines.pending()));
        let goodbye = match self.config.raw {
            true => Vec::new(),
            false => stranger.goodbye(self.config.lang()),
        };
        self.close_with(id, Leave::NotChat, goodbye, now);
    }

    /// Takes in the line that is there: makes it safe to show and submits it.
    fn take_in(&mut self, id: ClientId, budget: &mut Budget, now: Instant) -> Step {
        let (rules, pace) = (self.config.line_rules(), self.config.pace());
        let client = &mut self.clients[id];
        let record = &mut client.record;
        let line::Input::Line(line) = record.lines.peek(&rules) else { return Step::Again };
        self.safe.clear();
        let is_utf8 = rules.raw || push_safe(line, &mut self.safe);
        let text = if rules.raw { line } else { self.safe.as_bytes() };
        let kind = match text {
            _ if rules.raw => Kind::AsItIs,
            [b'/', ..] => Kind::Command,
            _ => Kind::Line,
        };
        let cost = cost(text, kind, &self.names.of(id.serial));
        if text.len() + NAMED_BYTES_MAX > STANDING_BYTES_MAX {
            client.consume_line(now);
            let bytes_max = STANDING_BYTES_MAX - NAMED_BYTES_MAX;
            self.answer_in_turn(id, &Notice::LineTooLong { bytes_max });
            return Step::Again;
        }
        // A line that is larger than any turn has one to itself.
        if cost > budget.turn && budget.turn < self.config.turn_bytes_max() {
            return Step::Over(Visit::CutShort);
        }
        if cost > budget.deficit as usize {
            return Step::Over(Visit::More);
        }
        let address = record.ip;
        let advanced = || self.addresses.may_say(address, &pace, now);
        if client.admission != Admission::Exempt
            && let Err(due) = record.allowance.take(&pace, advanced, now)
        {
            client.hold = Hold::Pace;
            client.change_moments(|its| its.paused_until = Some(due));
            return Step::Over(Visit::Done);
        }
        self.submissions.push(id, kind, text, cost);
        budget.deficit -= cost as u32;
        budget.turn = budget.turn.saturating_sub(cost);
        record.first_lines.note_line();
        let ends_in_cr = record.lines.ends_in_cr();
        if kind == Kind::Command {
            client.hold = Hold::Answer;
        }
        client.consume_line(now);
        if !is_utf8 {
            self.hint_at_utf8(id, ends_in_cr);
        }
        Step::Again
    }

    /// Tells once that what a client sends is not UTF-8, and what it may do about that.
    fn hint_at_utf8(&mut self, id: ClientId, ends_in_cr: bool) {
        let record = &mut self.clients[id].record;
        let told = std::mem::replace(&mut record.told_not_utf8, true);
        let hint = match record.is_telnet() {
            true => Notice::NotUtf8BeforeBinary,
            false if ends_in_cr => Notice::NotUtf8ThroughTelnet,
            false => Notice::NotUtf8,
        };
        if !told {
            self.answer_in_turn(id, &hint);
        }
    }

    /// Tells a client something behind what it has said before; it is heard on after that.
    fn answer_in_turn(&mut self, id: ClientId, notice: &Notice<'_>) {
        self.clients[id].hold = Hold::Answer;
        // It takes nothing of the transcript.
        self.submissions.push(id, Kind::Answer, &notice.to_line(self.config.lang()), 0);
    }

    /// There is no whole line: an unterminated chunk may have become one by now.
    fn cut_chunk_if_due(&mut self, id: ClientId, now: Instant) -> Step {
        let client = &mut self.clients[id];
        let is_due = match client.input {
            Input::Readable => return Step::Read,
            Input::Quiet => client.chunk_due(&self.config).is_some_and(|due| due <= now),
            Input::Ended => client.record.lines.is_pending(),
        };
        if is_due {
            client.record.lines.cut();
            return Step::Again;
        }
        if client.input == Input::Ended {
            self.end(id, now);
        }
        Step::Over(Visit::Done)
    }

    /// Reads once.
    fn read(&mut self, id: ClientId, budget: &mut Budget, now: Instant) -> Step {
        let scratch_bytes = budget.read.min(self.scratch.len());
        let client = &mut self.clients[id];
        match client.hear(&mut self.scratch[..scratch_bytes], self.config.raw, now) {
            Heard::Bytes { read, answers } => {
                budget.read -= read;
                self.answer_telnet(id, answers);
            }
            Heard::NothingYet | Heard::End => {}
            // It is tried again in the next round, and so counts as something done in this one.
            Heard::Interrupted => {
                budget.read -= 1;
                return Step::Over(Visit::More);
            }
            Heard::Broken(leave) => self.break_off(id, leave, now),
        }
        Step::Again
    }

    /// A client's connection is broken and all it has sent is read. An unterminated rest becomes
    /// its last line, as at the end of input: a peer that exits with unread data resets the
    /// connection, which is no error. One that was not greeted yet leaves without notice.
    fn break_off(&mut self, id: ClientId, leave: Leave, now: Instant) {
        let client = &mut self.clients[id];
        client.input = Input::Ended;
        if client.life() == Life::Arriving || !client.record.lines.is_pending() {
            self.enter(id, Life::Gone(leave), now);
        } else if client.life() == Life::Member {
            self.enter(id, Life::Deaf(leave), now);
        }
    }

    /// Answers a telnet peer's commands; from its first one on its lines end as telnet wants it.
    fn answer_telnet(&mut self, id: ClientId, answers: Vec<u8>) {
        let head = self.transcript.head();
        let client = &mut self.clients[id];
        if !client.record.is_telnet() || answers.is_empty() {
            return;
        }
        let is_new = client.life() == Life::Arriving;
        let at = if is_new { client.reading.position() } else { head };
        let line_ends = client.reading.rendering().map(|its| its.line_ends);
        if line_ends != Some(LineEnds::CrLf) {
            let crlf = |its: &mut Rendering| its.line_ends = LineEnds::CrLf;
            client.reading.change_rendering(&self.transcript, crlf);
        }
        client.reading.detour_as_it_is(at, answers);
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
