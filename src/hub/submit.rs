//! The second half of *listen*: a line that a client has sent becomes a submission, if it fits.
//!
//! It is made safe to show, charged as it will stand in the transcript, and limited by the rate of
//! its author. A line that does not fit into this turn or round stays where it is: nothing is taken
//! out of the decoder before it is submitted.

use std::fmt::Display;
use std::ops::ControlFlow;
use std::time::Instant;

use super::Hub;
use super::listen::{AGAIN, Budget, DONE, MORE, Step, Visit};
use crate::config::{NAMED_BYTES_MAX, STANDING_BYTES_MAX};
use crate::hub::client::{Admission, Hold, Record, Socket};
use crate::room::submissions::Kind;
use crate::room::transcript::charge;
use crate::room::{ClientId, Room};
use crate::wire::decoder::Decoded;
use crate::wire::line::LineRules;
use crate::words::command;
use crate::words::names::NAME_BYTES_MAX;
use crate::words::notice::Notice;
use crate::words::text::push_safe;

impl<S: Socket> Hub<S> {
    /// Takes in the line that is there: makes it safe to show and submits it.
    pub(super) fn take_line(
        &mut self,
        id: ClientId,
        decoded: Decoded,
        budget: &mut Budget,
        rules: &LineRules,
        now: Instant,
    ) -> Step {
        let client = &mut self.clients[id];
        let record = &mut client.record;
        let line = record.decoder.line();
        let (safe, room) = (&mut self.scratch.safe, &mut self.rooms[client.room]);
        safe.clear();
        let is_utf8 = decoded == Decoded::Chunk || push_safe(line, safe);
        let (text, kind) = match safe.as_bytes() {
            _ if decoded == Decoded::Chunk => (line, Kind::AsItIs),
            text @ [b'/', ..] => (text, Kind::Command),
            text => (text, Kind::Line),
        };
        if text.len() + NAMED_BYTES_MAX > STANDING_BYTES_MAX {
            let bytes_max = STANDING_BYTES_MAX - NAMED_BYTES_MAX;
            self.refuse_line(id, decoded, bytes_max, rules, now);
            return AGAIN;
        }
        let cost = cost(text, kind, &self.names.of(id.serial)) + room.forms.extra();
        // A line that is larger than any turn has one to itself.
        if cost > budget.turn && budget.turn < self.config.turn_bytes_max() {
            return ControlFlow::Break(Visit::CutShort);
        }
        if cost > budget.deficit as usize {
            return MORE;
        }
        let is_said = kind == Kind::Line || kind == Kind::Command && command::is_said(safe);
        if is_said && record.is_unseen && !room.is_door {
            self.show(id, now);
            return AGAIN;
        }
        let is_told = kind == Kind::Line || kind == Kind::Command && command::is_told(safe);
        if is_told && let Err(due) = take_turn(room, record, now) {
            client.wait(due);
            return DONE;
        }
        let (address, pace) = (record.ip, self.config.pace());
        let advanced = || self.gate.addresses.may_say(address, &pace, now);
        if client.admission != Admission::Exempt
            && let Err(due) = record.allowance.take(&pace, advanced, now)
        {
            client.wait(due);
            return DONE;
        }
        room.submissions.push(id, kind, text, cost);
        budget.deficit -= cost as u32;
        budget.turn = budget.turn.saturating_sub(cost);
        if kind == Kind::Command {
            client.hold = Hold::Answer;
        }
        record.decoder.consume(decoded, rules, now);
        let form = record.decoder.form();
        if !is_utf8 && !record.decoder.was_told_not_utf8() {
            self.hint_at_utf8(id);
        }
        if form != self.clients[id].next_form {
            self.change_form(id, form);
        }
        AGAIN
    }

    /// Tells a client how to mend input that is not UTF-8.
    fn hint_at_utf8(&mut self, id: ClientId) {
        let decoder = &self.clients[id].record.decoder;
        let hint = match decoder.has_dialect() {
            true => Notice::NotUtf8BeforeBinary,
            false if decoder.ends_in_cr() => Notice::NotUtf8ThroughTelnet,
            false => Notice::NotUtf8,
        };
        self.answer_in_turn(id, &hint);
    }

    /// Queues a notice for a client behind its own lines; it is read again after that.
    fn answer_in_turn(&mut self, id: ClientId, notice: &Notice<'_>) {
        let client = &mut self.clients[id];
        client.hold = Hold::Answer;
        let submissions = &mut self.rooms[client.room].submissions;
        // It takes nothing of the transcript.
        submissions.push(id, Kind::Answer, &self.config.voice().line(notice), 0);
    }

    /// A line is too long: it is dropped, and its author gets a notice.
    pub(super) fn refuse_line(
        &mut self,
        id: ClientId,
        decoded: Decoded,
        bytes_max: usize,
        rules: &LineRules,
        now: Instant,
    ) {
        self.clients[id].record.decoder.consume(decoded, rules, now);
        self.answer_in_turn(id, &Notice::LineTooLong { bytes_max });
    }
}

/// Takes the turn of a client in a slow room. A host and an operator need not wait.
fn take_turn(room: &mut Room, record: &Record, now: Instant) -> Result<(), Instant> {
    let is_free = record.is_operator || room.host == Some(record.serial);
    match &mut room.rules {
        Some(rules) if !is_free => rules.take_line(record.serial, now),
        _ => Ok(()),
    }
}

/// The most that a text will be charged in the transcript: with the name before it, or as what a
/// command may show all with two names.
fn cost(text: &[u8], kind: Kind, name: &impl Display) -> usize {
    const MARKS_BYTES: usize = 3;
    const COMMAND_BYTES: usize = 3 * NAME_BYTES_MAX;
    match kind {
        Kind::AsItIs | Kind::Answer | Kind::Departure { .. } => charge(text.len()),
        Kind::Line => charge(name.to_string().len() + text.len() + MARKS_BYTES),
        Kind::Command => charge(text.len() + COMMAND_BYTES),
    }
}
