//! The step *listen*: what clients have sent becomes lines, and these are submitted.
//!
//! A hard budget limits what is read, in bytes as they will stand in the transcript. The
//! [`agenda`](super::agenda) shares it in rounds. Nothing is appended here: release and accept come
//! between this step and that.

use std::ops::ControlFlow;
use std::time::Instant;

use super::{Hub, Stop};
use crate::config::QUANTUM_BYTES;
use crate::hub::client::{self, Hold, Input, Leave, Life, Socket};
use crate::room::turns::Turn;
use crate::room::{ClientId, RoomId};
use crate::wire::ear::Said;
use crate::wire::line::LineRules;
use crate::words::notice::Notice;

/// How far a room was heard.
enum Heard {
    /// Nobody has anything more, or its pass is unfinished.
    All,
    /// Its turn has no room for more.
    Full,
    /// It has used up its share of this round.
    Share,
    /// It has a line that does not fit into this turn of all rooms.
    CutShort,
}

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
    /// Hears everyone that has something to say, as far as the budget goes, and submits it. Not in
    /// a room whose pass is unfinished: what is heard there could not be appended.
    pub fn listen(&mut self, now: Instant) {
        if self.stop != Stop::No {
            return;
        }
        let mut left = self.config.turn_bytes_max();
        let share = (left / self.agenda.talking.count().max(1)).max(QUANTUM_BYTES.min(left));
        while left > 0 {
            let Some(mut turn) = self.agenda.talking.take() else { break };
            let deficit = turn.deficit as usize + share;
            turn.deficit = deficit.min(self.config.turn_bytes_max()) as u32;
            match self.hear_room(&mut turn, &mut left, now) {
                Heard::All => {
                    let room = &mut self.rooms[turn.id];
                    self.agenda.dismiss_room(room);
                    self.agenda.file_room(turn.id, room, now);
                }
                // It is filed when its turn is appended.
                Heard::Full => self.agenda.dismiss_room(&mut self.rooms[turn.id]),
                Heard::Share => self.agenda.talking.carry(turn),
                Heard::CutShort => {
                    self.agenda.talking.cut_short(turn);
                    break;
                }
            }
        }
    }

    /// Hears those in one room, as far as its share goes and what its turn has room for.
    fn hear_room(&mut self, turn: &mut Turn<RoomId>, left: &mut usize, now: Instant) -> Heard {
        let room = &self.rooms[turn.id];
        let room_left = self.config.turn_bytes_max().saturating_sub(room.submissions.charged());
        if room.pass.is_some() || room.turns.count() == 0 {
            return Heard::All;
        }
        let budget = room_left.min(*left).min(turn.deficit as usize);
        let share = (budget / room.turns.count()).max(QUANTUM_BYTES.min(budget));
        let mut budget_left = budget;
        let visit = self.hear_all(turn.id, share, &mut budget_left, now);
        let is_whole = budget == *left;
        *left -= budget - budget_left;
        turn.deficit -= (budget - budget_left) as u32;
        let room = &mut self.rooms[turn.id];
        let is_submitted = !room.submissions.is_empty();
        if is_submitted {
            self.agenda.submitted(turn.id, room);
        }
        match visit {
            Visit::Done => Heard::All,
            _ if budget == room_left && is_submitted => Heard::Full,
            Visit::CutShort if is_whole => Heard::CutShort,
            Visit::CutShort | Visit::More => Heard::Share,
        }
    }

    /// Hears those in one room, until nobody has anything more or the next line does not fit.
    fn hear_all(&mut self, room: RoomId, share: usize, left: &mut usize, now: Instant) -> Visit {
        while *left > 0 {
            let Some(mut talker) = self.rooms[room].turns.take() else { return Visit::Done };
            let Some(client) = self.clients.get(talker.id) else { continue };
            // One that has moved meanwhile is heard where it is.
            let is_here = client.room == room;
            let visit = match is_here {
                true => self.visit(&mut talker, share, left, now),
                false => Visit::Done,
            };
            match visit {
                Visit::Done => {
                    self.agenda.dismiss(&mut self.clients[talker.id]);
                    self.file(talker.id, now);
                }
                Visit::More => self.rooms[room].turns.carry(talker),
                Visit::CutShort => {
                    self.rooms[room].turns.cut_short(talker);
                    return Visit::CutShort;
                }
            }
        }
        Visit::More
    }

    /// Hears one client: takes lines while they fit, and reads at most `share` bytes for more.
    fn visit(
        &mut self,
        talker: &mut Turn<ClientId>,
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
            // Its last line may be answered first, or have ended it.
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

    /// Takes the next line or command of a client, or reads for more.
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
        let scratch_bytes = budget.read.min(self.scratch.read.len());
        match self.clients[id].hear(&mut self.scratch.read[..scratch_bytes], rules, now) {
            client::Heard::Bytes { read, answers } => {
                budget.read -= read;
                self.answer_dialect(id, answers);
            }
            client::Heard::Nothing => {}
            // It is tried again in the next round, and so counts as something done in this one.
            client::Heard::Interrupted => {
                budget.read -= 1;
                return MORE;
            }
            client::Heard::Broken(leave) => self.break_off(id, leave, now),
        }
        AGAIN
    }

    /// Answers what a client has asked in its dialect. From its first command on it reads in the
    /// form of that.
    fn answer_dialect(&mut self, id: ClientId, answers: Vec<u8>) {
        if answers.is_empty() {
            return;
        }
        self.change_form(id, self.clients[id].record.ear.form());
        let head = self.head(id);
        let client = &mut self.clients[id];
        let is_new = client.life() == Life::Arriving;
        let at = if is_new { client.reading.position() } else { head };
        client.reading.detour_bytes(at, answers);
    }
}
