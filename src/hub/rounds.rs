//! The step *listen*: which rooms are visited, which clients in them, and how much of each is read.
//!
//! A hard budget limits what is read, in bytes as they will stand in the transcript. It is shared
//! in rounds, first among the rooms and then among the clients of each: see
//! [`turns`](crate::room::turns). Nothing is appended here: release and accept come between this
//! step and that.

use std::time::Instant;

use super::listen::Visit;
use super::{Hub, Stop};
use crate::config::QUANTUM_BYTES;
use crate::hub::client::Socket;
use crate::room::RoomId;
use crate::room::turns::Turn;

/// How the visit of a room ended.
enum Round {
    /// No client has anything more, or its pass is unfinished.
    All,
    /// Its turn has no room for more.
    Full,
    /// It has used up its share of this round.
    Share,
    /// It has a line that does not fit into this turn of all rooms.
    CutShort,
}

impl<S: Socket> Hub<S> {
    /// Reads all talkers, as far as the budget goes, and submits their lines. Skips a room whose
    /// pass is unfinished: nothing could be appended there.
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
            match self.read_room(&mut turn, &mut left, now) {
                Round::All => {
                    let room = &mut self.rooms[turn.id];
                    self.agenda.dismiss_room(room);
                    self.agenda.file_room(turn.id, room, now);
                }
                // It is filed when its turn is appended.
                Round::Full => self.agenda.dismiss_room(&mut self.rooms[turn.id]),
                Round::Share => self.agenda.talking.carry(turn),
                Round::CutShort => {
                    self.agenda.talking.cut_short(turn);
                    break;
                }
            }
        }
    }

    /// Visits the talkers of one room, as far as its share goes and its turn has room.
    fn read_room(&mut self, turn: &mut Turn<RoomId>, left: &mut usize, now: Instant) -> Round {
        let room = &self.rooms[turn.id];
        let room_left = self.config.turn_bytes_max().saturating_sub(room.submissions.charged());
        if room.pass.is_some() || room.turns.count() == 0 {
            return Round::All;
        }
        let budget = room_left.min(*left).min(turn.deficit as usize);
        let share = (budget / room.turns.count()).max(QUANTUM_BYTES.min(budget));
        let mut budget_left = budget;
        let visit = self.read_all(turn.id, share, &mut budget_left, now);
        let is_whole = budget == *left;
        *left -= budget - budget_left;
        turn.deficit -= (budget - budget_left) as u32;
        let room = &mut self.rooms[turn.id];
        let is_submitted = !room.submissions.is_empty();
        if is_submitted {
            self.agenda.submitted(turn.id, room);
        }
        match visit {
            Visit::Done => Round::All,
            _ if budget == room_left && is_submitted => Round::Full,
            Visit::CutShort if is_whole => Round::CutShort,
            Visit::CutShort | Visit::More => Round::Share,
        }
    }

    /// Visits the talkers of one room, until none has anything more or the next line does not fit.
    fn read_all(&mut self, room: RoomId, share: usize, left: &mut usize, now: Instant) -> Visit {
        while *left > 0 {
            let Some(mut talker) = self.rooms[room].turns.take() else { return Visit::Done };
            let Some(client) = self.clients.get(talker.id) else { continue };
            // A client that has moved meanwhile is visited in its new room.
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
}
