//! The step *listen*: which rooms are visited, which clients in them, and how much of each is read.
//!
//! A hard budget limits what is read, in bytes as they will stand in the transcript. It is shared
//! in rounds, first among the rooms and then among the clients of each: see
//! [`turns`](crate::room::turns). Nothing is appended here: release and accept come between this
//! step and that.
//!
//! The budget is there for the clients that read, not for memory. A turn that fits into a socket's
//! send buffer is one write to each client. With more, each client needs a second write, and an
//! event from the kernel before that. With a quarter of the window, a client that takes all it is
//! offered can never be overrun.
//!
//! It is hard: only a line that is larger than any turn may exceed it, and such a line has a turn
//! to itself. So a flooder is held back by its own full socket, where TCP makes it wait, and no
//! memory of the server grows.

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
        // What was read now would stand behind the last line.
        if self.stop != Stop::No || self.is_held_by_bus() {
            return;
        }
        let mut left = self.config.turn_bytes_max();
        // Equal shares, but enough for a usual line. With thousands of talkers an equal share is
        // less than a line, and each round would only save up for the next.
        let share = (left / self.agenda.talking.count().max(1)).max(QUANTUM_BYTES.min(left));
        while left > 0 {
            let Some(mut turn) = self.agenda.talking.take() else { break };
            let deficit = turn.deficit as usize + share;
            // What a room saves up is bounded, or a room that was often cut short could take whole
            // turns later.
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
                    // The rest of the turn stays unused. Shorter lines of others could fill it, but
                    // then a long line might never find a turn with enough room.
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
        // Whatever was read during a pass would have to wait for its end, in memory. Not reading it
        // leaves it in the sockets, which have a bound.
        if room.pass.is_some() || room.turns.count() == 0 {
            return Round::All;
        }
        let budget = room_left.min(*left).min(turn.deficit as usize);
        let share = (budget / room.turns.count()).max(QUANTUM_BYTES.min(budget));
        let mut budget_left = budget;
        let visit = self.read_all(turn.id, share, &mut budget_left, now);
        // Whether the turn itself was the bound, or only the share of this room.
        let is_whole = budget == *left;
        *left -= budget - budget_left;
        turn.deficit -= (budget - budget_left) as u32;
        let room = &mut self.rooms[turn.id];
        // In a cluster it is published before it is submitted.
        let is_submitted = !room.submissions.is_empty();
        if is_submitted {
            // Not by `file_room`, which looks away while a small turn is held back: the append has
            // to decide that anew with what has come.
            self.agenda.submitted(turn.id, room);
        }
        match visit {
            Visit::Done => Round::All,
            _ if budget == room_left && is_submitted => Round::Full,
            // If only the share was too small, the room saves it up, and others go on in this turn.
            Visit::CutShort if is_whole => Round::CutShort,
            Visit::CutShort | Visit::More => Round::Share,
        }
    }

    /// Visits the talkers of one room, until none has anything more or the next line does not fit.
    fn read_all(&mut self, room: RoomId, share: usize, left: &mut usize, now: Instant) -> Visit {
        while *left > 0 {
            let Some(mut talker) = self.rooms[room].turns.take() else { return Visit::Done };
            // It may have gone while it stood in this queue: its id then finds no client.
            let Some(client) = self.clients.get(talker.id) else { continue };
            // A client that has moved meanwhile is visited in its new room.
            let is_here = client.room == room;
            let visit = match is_here {
                true => self.visit(&mut talker, share, left, now),
                false => Visit::Done,
            };
            match visit {
                Visit::Done => {
                    // Out of the queue first: filing adds only what is not in it. A client that has
                    // moved is then put into the queue of its new room.
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
