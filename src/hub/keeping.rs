//! What the operator's log gets of each room, and what the hub takes from it at a start.
//!
//! The log is a reader that takes all at once, before it is offered to any client. So it needs no
//! place in the window. Its position in each room is [`Room::logged`](crate::room::Room::logged).

use std::time::Instant;

use super::{Hub, Stop};
use crate::hub::client::Socket;
use crate::room::RoomId;
use crate::room::earlier::Said;
use crate::room::transcript::Transcript;

/// The rooms at which the log must look.
#[derive(Debug, Default)]
pub(super) struct Unlogged {
    /// Something was said there.
    said: Vec<RoomId>,
    /// Rooms that have ended, and the number that the next line would have had.
    ended: Vec<(String, u64)>,
}

impl<S: Socket> Hub<S> {
    /// Something was said in a room.
    pub(super) fn note_said(&mut self, id: RoomId) {
        self.unlogged.said.push(id);
    }

    /// A room ends, and its history with it. At a stop it does not: it is to be there again.
    pub(super) fn note_end(&mut self, id: RoomId) {
        self.unlogged.said.retain(|said| *said != id);
        if self.stop == Stop::No {
            let number = self.rooms[id].forms.plain().lines_said();
            self.unlogged.ended.push((self.rooms.name(id), number));
        }
    }

    /// Forgets what no log has asked for.
    pub(super) fn forget_unlogged(&mut self) {
        self.unlogged.said.clear();
        self.unlogged.ended.clear();
    }

    /// Hands out the rooms that have ended, with the number that the next line would have had. Call
    /// it before [`Hub::take_said`], as a new room may have the same name.
    pub fn take_ended(&mut self) -> Vec<(String, u64)> {
        std::mem::take(&mut self.unlogged.ended)
    }

    /// Hands out what was said and not handed out before: the name of the room, what was said
    /// there, and from which position on. Call it behind [`Hub::append_submitted`].
    pub fn take_said(&mut self, mut take: impl FnMut(&str, &Transcript, u64)) {
        let said = std::mem::take(&mut self.unlogged.said);
        for id in &said {
            let name = self.rooms.name(*id);
            let room = &mut self.rooms[*id];
            let plain = room.forms.plain();
            let from = std::mem::replace(&mut room.logged, plain.head()).max(plain.tail());
            if from < plain.head() && !room.is_door {
                take(&name, plain, from);
            }
        }
        self.unlogged.said = said;
        self.unlogged.said.clear();
    }

    /// The seconds of all lines count from this moment on. Call it before anything is said.
    pub fn count_seconds_from(&mut self, start: Instant) {
        self.rooms.count_seconds_from(start);
    }

    /// Remembers a line of the log. `line` is its second, kind, name and text, if it can be shown.
    /// Hand them in in their order, before [`Hub::take_rooms_text`].
    pub fn remember(&mut self, room: &str, number: u64, line: Option<Said<'_>>) {
        self.rooms.earlier(room).add(number, line, self.config.history_bytes);
    }

    /// The room of this name has ended: what is remembered of it is not shown again.
    pub fn forget_earlier(&mut self, room: &str) {
        *self.rooms.earlier(room) = Default::default();
    }

    /// Lines may have been said that are not in the log, in any room. So a number behind the last
    /// one that is remembered may have been given already.
    pub fn doubt_numbers(&mut self) {
        self.rooms.doubt_numbers();
    }

    /// From now on, the numbers of a room begin at the microseconds since 1970, and not since the
    /// start, unless its last number is remembered. So they are larger than those of any earlier
    /// line there, even of one that was not kept, and nothing has to be kept for that.
    pub fn number_by_time(&mut self, unix_micros: u64, now: Instant) {
        self.rooms.number_by_time(unix_micros, now);
    }
}
