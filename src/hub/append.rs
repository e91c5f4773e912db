//! The first half of *speak*: submitted lines become part of a conversation, in their order.
//!
//! Lines are appended to the transcript. Name changes, commands and departures take effect at the
//! same place in that order. So every reply stands where its client expects it.
//!
//! This is the moment at which things happen. A line that waits has no effect yet. A line that is
//! appended has a number, and all readers of its form get the same bytes. So whatever depends on
//! the order is decided here, and not when the line was read: which name its author has, whether it
//! is muted, whether it is still there.
//!
//! In a cluster, lines that other servers have submitted come here too. So nothing here may rely on
//! an author that is still connected.

use std::time::Instant;

use super::{Hub, Stop};
use crate::config::{STANDING_BYTES_MAX, WINDOW_SHARE};
use crate::hub::client::{Hold, Leave, Life, Socket};
use crate::room::queues::Queues;
use crate::room::submissions::Submission;
use crate::room::{ClientId, Effect, RoomId};

impl<S: Socket> Hub<S> {
    /// Appends what was submitted in each room, and begins a pass there. It is the first half of
    /// [`Hub::speak`]; between the two, what was said can be handed to a log.
    pub fn append_submitted(&mut self, now: Instant) {
        self.share(now);
        // Before the rooms are taken out: a room whose lines are held back would not be among them.
        self.hurry_ending();
        if self.stop == Stop::Begun && self.rooms.are_silent() && self.is_published() {
            self.announce_stop();
        }
        for id in self.agenda.take_submitted() {
            // Out of the queue first. A room that cannot append now, or not all, is put back by the
            // filing below.
            self.rooms[id].queues.leave(Queues::SUBMITTED);
            self.append_in(id, now);
            self.agenda.file_room(id, &mut self.rooms[id], now);
        }
        // After the appends: a client whose last line has just been appended is served up to that
        // line.
        self.settle(now);
        if self.stop == Stop::Announced && self.rooms.are_silent() {
            self.close_all(now);
        }
    }

    /// Appends what was submitted in a room and begins a pass, unless one is unfinished: a client
    /// that takes all that it is offered must be offered this before more is appended.
    fn append_in(&mut self, id: RoomId, now: Instant) {
        let turn_bytes_max = self.config.turn_bytes_max();
        let is_leaving = self.agenda.is_making_room() || self.stop != Stop::No;
        let parts_bursts = self.config.parts_bursts();
        let at_seconds = now.duration_since(self.rooms.start()).as_secs() as u32;
        let room = &mut self.rooms[id];
        if room.pass.is_some() {
            return;
        }
        let turn_bytes = room.turn_bytes(turn_bytes_max, is_leaving, parts_bursts, now);
        // A small turn behind a full one waits for a millisecond, for it costs as many writes as a
        // full one.
        let Some(turn_bytes) = turn_bytes else { return };
        let before = room.forms.plain().head();
        room.at_seconds = at_seconds;
        self.append_a_turn(id, turn_bytes, now);
        let room = &mut self.rooms[id];
        // Without new bytes there is nothing to offer to all. Private replies are offered by the
        // ready queue.
        if room.forms.plain().head() > before {
            let appended = (room.forms.plain().head() - before) as usize;
            room.begin_pass(turn_bytes_max, turn_bytes_max.min(STANDING_BYTES_MAX), appended);
            self.note_said(id);
        }
    }

    /// Appends as much as the turn has room for, but at least one entry, and no more than the
    /// shared pages hold. What does not fit there waits, and its authors are not read.
    fn append_a_turn(&mut self, id: RoomId, turn_bytes: usize, now: Instant) {
        let mut left = turn_bytes;
        let mut first = true;
        let lines_before = self.rooms[id].forms.plain().lines_said();
        loop {
            // The first may be larger than the turn, or it would never be appended.
            let charge_max = if first { usize::MAX } else { left };
            let room = &mut self.rooms[id];
            let Some(charge) = room.submissions.next_charge(charge_max) else { break };
            // Asked before it is taken out, since nothing can be put back at the front. Appending
            // itself cannot fail, and never forgets. So the lines wait, their authors are not read,
            // and no memory grows.
            if !self.pages.have(room.forms.needs(charge)) {
                self.make_way(now);
                break;
            }
            let Some(submission) = room.submissions.take(charge_max) else { break };
            left = left.saturating_sub(submission.charge);
            first = false;
            // One by one: a command can change what the next line means.
            self.append(id, &submission, now);
        }
        let room = &mut self.rooms[id];
        room.submissions.forget_taken();
        let said = room.forms.plain().lines_said() - lines_before;
        self.counts.said += said;
        self.counts.deliveries += said * (room.here + room.reading) as u64;
    }

    /// The pages are used up, so the room that holds the most of them gives way. Switches whose
    /// queues share a memory do the same (longest queue drop).
    fn make_way(&mut self, now: Instant) {
        let Some(id) = self.rooms.most_held() else { return };
        let room = &mut self.rooms[id];
        // It keeps as much as the smallest window would. So no room loses all, and the one with the
        // slowest readers pays. Bounds that shrink while the pages fill were weighed: they always
        // leave a part unused.
        if room.give_way(WINDOW_SHARE * self.config.turn_bytes_max()) {
            self.agenda.file_room(id, room, now);
        }
    }

    fn append(&mut self, room: RoomId, submission: &Submission, now: Instant) {
        let author = submission.author;
        let (voice, names) = (self.config.voice(), &self.names);
        match self.rooms[room].append(&mut self.pages, submission, names, voice, now) {
            Effect::None => {}
            Effect::Told(lines) => {
                // Its author may have gone while the line waited.
                if self.clients.get(author).is_some() {
                    self.tell_lines(author, lines, now);
                    self.file(author, now);
                }
            }
            Effect::Answer(lines) => {
                self.answer(author, now, |hub| hub.tell_reply(author, lines, now));
            }
            Effect::Command(line) => {
                self.answer(author, now, |hub| hub.obey(author, room, &line, now));
            }
            Effect::Returned => self.note_returned(author.serial),
            // From here on its name is kept for its network alone.
            Effect::Gone => self.names.release(author.serial, now),
        }
    }

    /// Gives a client the reply that it waits for, if it is still there. Then it is read again.
    ///
    /// Its hold ends before the command is carried out, not after. A command may hold it anew: a
    /// wrong secret makes it wait for a second. Cleared afterwards, that wait would be lost, and
    /// secrets could be tried as fast as the network allows.
    pub(super) fn answer(&mut self, id: ClientId, now: Instant, give: impl FnOnce(&mut Self)) {
        if self.clients.get(id).is_none() {
            return;
        }
        self.clients[id].hold = Hold::None;
        give(self);
        self.file(id, now);
    }

    /// Lines of clients whose input has ended wait for no more.
    ///
    /// A client that sends a line and ends its input waits for the end: a script is often no more
    /// than that. Holding its line back for company would make each such script slower.
    fn hurry_ending(&mut self) {
        // A copy, and a short one: it holds the clients whose input has ended since the last turns.
        for id in self.agenda.ending().to_vec() {
            let Some(client) = self.clients.get(id) else { continue };
            let room = &mut self.rooms[client.room];
            if !room.submissions.is_empty() {
                self.agenda.submitted(client.room, room);
            }
        }
    }

    /// Ends the reading, at the present head, of each client whose input has ended and whose lines
    /// are all appended.
    ///
    /// It asks whether the room has nothing left to append, not whether this client has: one look
    /// instead of a search. That is true at the next append, which usually empties the queue.
    fn settle(&mut self, now: Instant) {
        for id in self.agenda.take_ending() {
            let Some(client) = self.clients.get(id).filter(|its| its.life() == Life::Ending) else {
                continue;
            };
            // A command may wait in another room, where it is to be carried out.
            let is_done = client.hold != Hold::Answer;
            if self.shared.as_mut().is_some_and(|shared| shared.keep_ending(id)) {
                continue;
            }
            if is_done && self.rooms[client.room].submissions.is_empty() {
                self.close_here(id, Leave::Quit, now);
                self.file(id, now);
            } else {
                self.agenda.keep_ending(id);
            }
        }
    }
}
