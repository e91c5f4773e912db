//! The second half of *listen*: a line that a client has sent becomes a submission, if it fits.
//!
//! It is made safe to show, charged as it will stand in the transcript, and limited by the rate of
//! its author. A line that does not fit into this turn or round stays where it is: nothing is taken
//! out of the decoder before it is submitted.
//!
//! # The order of the questions
//!
//! A line may have to wait for the budget, or for a rate, and is then asked about again later. So
//! the order of the questions matters:
//!
//! - First those that change nothing: is it too long, does it fit into the turn, and into the
//!   share?
//! - Then the rates, since each yes takes a token. If the budget came after them, a line that stays
//!   for want of room would pay again in the next turn.
//! - Then it is submitted, and only then consumed. So a line that stays is still whole in the
//!   decoder.
//!
//! A client that must wait is not read, and nothing of it is dropped. Its own kernel then holds
//! what it sends, and tells it to wait by TCP. That is why a rate limit loses no line.
//!
//! The cost is the most that the line can take, not what it will take. A name may be longer by
//! then, and a form may add bytes. Too high a guess makes a turn a little smaller. Too low a guess
//! would let a turn outgrow the room that the last pass has made in the window.

use std::fmt::Display;
use std::ops::ControlFlow;
use std::time::Instant;

use super::Hub;
use super::listen::{AGAIN, Budget, DONE, MORE, Step, Visit};
use super::share::Shared;
use crate::config::{NAMED_BYTES_MAX, STANDING_BYTES_MAX};
use crate::hub::client::{Admission, Hold, Part, Record, Socket};
use crate::room::rules::Rules;
use crate::room::submissions::Kind;
use crate::room::transcript::charge;
use crate::room::{ClientId, Room, RoomId};
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
        // A bare relay passes bytes on as they are. Anything else is made safe here, once, before
        // any reader can see it.
        let is_utf8 = decoded == Decoded::Chunk || push_safe(line, safe);
        let kind = kind_of(decoded, safe, record.part);
        let text = if kind == Kind::AsItIs { line } else { safe.as_bytes() };
        // The decoder has bounded what came. Safe text can be longer: a broken byte becomes U+FFFD,
        // which has three.
        if text.len() + NAMED_BYTES_MAX > STANDING_BYTES_MAX {
            let bytes_max = STANDING_BYTES_MAX - NAMED_BYTES_MAX;
            self.refuse_line(id, decoded, bytes_max, rules, now);
            return AGAIN;
        }
        let cost = cost(text, kind, &self.names.of(id.serial)) + room.forms.extra();
        // It begins the next turn, so that shorter lines of others cannot keep it out for ever. A
        // line that is larger than any turn has one to itself.
        if cost > budget.turn && budget.turn < self.config.turn_bytes_max() {
            return ControlFlow::Break(Visit::CutShort);
        }
        if cost > budget.deficit as usize {
            return MORE;
        }
        let is_said = kind == Kind::Line || kind == Kind::Command && command::is_said(safe);
        // That it came must stand before what it says. The notice is submitted now, and the same
        // line is found again in the next step.
        if is_said && record.is_unseen && record.part == Part::Whole && !room.is_door {
            self.show(id, now);
            return AGAIN;
        }
        // The pace of a slow room is for what all read. Other commands and their replies disturb
        // nobody.
        let is_told = kind == Kind::Line || kind == Kind::Command && command::is_told(safe);
        if let Some(due) =
            slow_rules(room, record, is_told).and_then(|rules| rules.line_due(id.serial, now))
        {
            client.wait(due);
            return DONE;
        }
        // Commands need a token too: the answer to `/who` costs more than a line.
        let (address, pace) = (record.ip, self.config.pace());
        let advanced = || self.gate.addresses.may_say(address, &pace, now);
        if client.admission != Admission::Exempt
            && let Err(due) = record.allowance.take(&pace, advanced, now)
        {
            client.wait(due);
            return DONE;
        }
        // Its turn is used up only now: its rate may have made it wait, and then it is asked again.
        if let Some(rules) = slow_rules(room, record, is_told) {
            rules.note_line(id.serial, now);
        }
        let shared = self.shared.as_deref_mut();
        push(shared, room, (id, client.room), kind, text, cost);
        budget.spend(cost);
        if kind == Kind::Command {
            // What it sends behind a command is read when that is carried out. So a line behind
            // `/join` is said in the new room. And each client has at most one answer under way.
            client.hold = Hold::Answer;
        }
        record.decoder.consume(decoded, rules, now);
        let form = record.decoder.form();
        // Behind the line, so that the hint stands behind what it is about.
        if !is_utf8 && record.part == Part::Whole && !record.decoder.was_told_not_utf8() {
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
    ///
    /// A detour made now would stand at the present head, before lines of this client that wait to
    /// be appended. It would read the answer before its question.
    fn answer_in_turn(&mut self, id: ClientId, notice: &Notice<'_>) {
        let client = &mut self.clients[id];
        client.hold = Hold::Answer;
        let (room, line) = (client.room, self.config.voice().line(notice));
        self.submit(id, room, Kind::Answer, &line, 0);
    }

    /// A line is too long: it is dropped, and its author gets a notice.
    ///
    /// It costs nothing of the transcript, but the notice holds its client until that is appended.
    /// So a client that sends nothing else gets one notice a turn.
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

/// Submits a text in a room, or gives it to the servers that share the room first.
pub(super) fn push(
    shared: Option<&mut Shared>,
    room: &mut Room,
    (author, id): (ClientId, RoomId),
    kind: Kind,
    text: &[u8],
    charge: usize,
) {
    match shared {
        Some(shared) => {
            if room.heard.is_empty() {
                shared.heard_in.push(id);
            }
            room.heard.push(author, kind, text, charge);
        }
        None => room.submissions.push(author, kind, text, charge),
    }
}

/// What happens to a line of a client, which is safe to show now. Nothing that a client of `/say`
/// sends is a command: a slash is doubled. But each line is answered like one, so that its client
/// reads what became of it.
fn kind_of(decoded: Decoded, safe: &mut String, part: Part) -> Kind {
    if decoded == Decoded::Chunk {
        return Kind::AsItIs;
    }
    let begins_with_slash = safe.starts_with('/');
    if part == Part::Says && begins_with_slash {
        safe.insert(0, '/');
    }
    if part == Part::Says || begins_with_slash { Kind::Command } else { Kind::Line }
}

/// The rules that make a client wait for its turn in a slow room. A host and an operator need not:
/// they moderate, and must be able to say so at once.
fn slow_rules<'a>(room: &'a mut Room, record: &Record, is_told: bool) -> Option<&'a mut Rules> {
    let is_free = !is_told || record.is_operator || room.host == Some(record.serial);
    room.rules.as_deref_mut().filter(|_| !is_free)
}

/// The most that a text will be charged in the transcript: with the name before it, or as what a
/// command may show all with two names.
///
/// A command is charged although most show nothing to others: what it will do is known only when it
/// is carried out. Then it is too late to find that the turn is full.
fn cost(text: &[u8], kind: Kind, name: &impl Display) -> usize {
    const MARKS_BYTES: usize = 3;
    match kind {
        Kind::AsItIs | Kind::Answer | Kind::Departure { .. } | Kind::Ordered { .. } => {
            charge(text.len())
        }
        Kind::Line => charge(name.to_string().len() + text.len() + MARKS_BYTES),
        Kind::Command => command_cost(text),
    }
}

/// The most that a command will be charged: it may show all its text, with names around it.
pub(super) fn command_cost(text: &[u8]) -> usize {
    charge(text.len() + 3 * NAME_BYTES_MAX)
}
