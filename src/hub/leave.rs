//! The step *release*, and the ways that lead to it: in order, with a reason, or at once.
//!
//! In order means: stop reading, flush, end our side, discard what still comes, close. Each part
//! has a reason. A close with unread input makes the kernel send a reset, and a reset makes the
//! peer's kernel drop what it has not shown yet: `nc` would never print the last line. So input is
//! read and discarded for a moment after our side has ended. That moment is bounded in time and in
//! bytes, or a client that goes on sending could stay.
//!
//! `nc` on a terminal does not end when our side has ended, nor when the connection is closed. Only
//! a reset ends it, and then it reads nothing more. So after `/quit` and at a stop a client that is
//! still there when the moment is over is reset, if its kernel has acknowledged everything. By then
//! a client that reads has read its last line; `nc` that is suspended never will. Any other client
//! that is closed may come back to its terminal to read why.
//!
//! At once is for a client that takes nothing: what waits for it in the kernel, up to 36 KiB, would
//! stay there for minutes. Its socket is reset.
//!
//! A client is freed in [`Hub::release`] and nowhere else, so no key is reused while events for it
//! are still to be noted.
//!
//! # The ways out
//!
//! A client's `Life` says how far it is on its way. The lives that lead out differ in what is still
//! owed to it, or to others:
//!
//! - `Ending`: its lines. Its input is over, but what it has submitted must be appended first.
//! - `Deaf`: its lines too. Its output is broken, but what it sent before that may still be unread.
//! - `Closing`: its output, up to the position at which that was decided, and not one line more.
//! - `Draining`: a moment in which its program can read that. What it still sends is thrown away.
//! - `Gone`: nothing. *Release* frees it.
//!
//! As soon as it is no longer here, its departure is submitted: others read it in its place, and
//! its name is given up there. The rest of the way may take seconds, and concerns nobody else.

use std::time::Instant;

use log::{debug, warn};

use super::{Hub, Stop};
use crate::bus::record::Record;
use crate::config::NAMED_BYTES_MAX;
use crate::hub::client::{Admission, Hold, Input, Leave, Life, Part, Socket};
use crate::hub::moderation::Request;
use crate::room::forms::Form;
use crate::room::queues::Queues;
use crate::room::reading::Reading;
use crate::room::submissions::Kind;
use crate::room::transcript::charge;
use crate::room::{ClientId, RoomId};
use crate::wire::stranger::Stranger;
use crate::wire::web::answer;
use crate::words::notice::{Counted, Notice, Whence};
use crate::words::text::Excerpt;

impl<S: Socket> Hub<S> {
    /// Handles the clients that leave. Discards what the shut down ones still send, and passes the
    /// sockets of those that are gone to `close`, to be deregistered and closed.
    ///
    /// This is the only place that frees a client.
    pub fn release(&mut self, now: Instant, mut close: impl FnMut(S)) {
        for id in self.agenda.take_leaving() {
            let Some(client) = self.clients.get(id) else { continue };
            // It is out of the queue by now, so it must be out of its own set too, or filing would
            // not put it back.
            self.agenda.released(client);
            if let Life::Draining(leave) = client.life()
                && client.discard(&mut self.scratch.read)
            {
                self.enter(id, Life::Gone(leave), now);
            }
            match self.clients[id].life() {
                Life::Gone(leave) => close(self.free(id, leave, now)),
                _ => self.file(id, now),
            }
        }
        // Rooms come after clients: the last client that leaves a room makes it silent, and a room
        // without readers should not stay until the next turn.
        for id in self.agenda.take_silent() {
            self.close_room(id);
        }
    }

    /// Closes a room, if it is still empty.
    fn close_room(&mut self, id: RoomId) {
        let room = &mut self.rooms[id];
        room.queues.leave(Queues::LEAVING);
        // It was empty when it was filed. Since then a client may have begun to move here. And its
        // id must be in no queue, because the next room takes it over.
        if room.is_empty() && !room.queues.has(Queues::OF_ROOMS) {
            self.agenda.forget_room(id);
            self.note_end(id);
            self.forget_shared(id);
            let room = &mut self.rooms[id];
            // A drop would not give its pages back to the budget of all rooms.
            room.forms.free(&mut self.pages);
            if room.topic.is_some() || room.rules.is_some() {
                self.moderation.requests.push(Request::Keep);
            }
            self.rooms.close(id);
        }
    }

    fn free(&mut self, id: ClientId, leave: Leave, now: Instant) -> S {
        self.tell_trouble(leave, now);
        // Its deadline goes with it. Other queues may keep its id, which then finds no client.
        self.agenda.forget(id);
        let client = self.clients.remove(id);
        match client.admission {
            Admission::Limited => self.gate.addresses.left(client.record.ip, now),
            Admission::Exempt | Admission::Awaited => {}
            // This is what makes room in the doorway: only now is the descriptor free.
            Admission::Refused => _ = self.gate.refused.remove(&id.serial),
        }
        self.stop_reading(client.room, client.record.place, client.form, now);
        client.into_socket()
    }

    /// A connection no longer reads a room.
    pub(super) fn stop_reading(&mut self, id: RoomId, place: u32, form: Form, now: Instant) {
        let room = &mut self.rooms[id];
        // It leaves a hole. A pass counts places, so a reader that moved up would be skipped by it.
        room.readers.remove(place);
        // Its last reader ends a form, and gives the pages of that back.
        room.forms.leave(&mut self.pages, form);
        self.close_holes(id);
        self.agenda.file_room(id, &mut self.rooms[id], now);
    }

    /// Closes the places of readers that left, between passes.
    pub(super) fn close_holes(&mut self, id: RoomId) {
        let room = &mut self.rooms[id];
        if room.pass.is_none() {
            room.readers.close_holes(|key, place| self.clients.set_place(key, place));
        }
    }

    /// A client has left the server. The others in its room are told, if it was in one. It still
    /// gets what it lacks at this moment.
    pub(super) fn depart(&mut self, id: ClientId, before: Life, now: Instant) {
        // All this happens now, though its last line may still wait to be appended. Only two things
        // need a place in the order, and are submitted below: the notice, and that its name is
        // given up.
        self.leave_host(id);
        self.moderation.forget(id.serial);
        let client = &mut self.clients[id];
        let was_seen = before.is_in_room() && !client.record.is_unseen;
        let (address, leave) = (client.record.address(), client.life().leave());
        let (room_id, moving_to) = (client.room, client.moments().moving_to);
        let only_reads = client.record.part == Part::Reads;
        client.change_moments(|its| its.moving_to = None);
        self.clients.leave(id);
        if let Some(leave) = leave {
            debug!("{} ({}) left: {leave}", self.names.of(id.serial), Whence(address));
        }
        // The room that it was going to stayed open for it.
        if let Some(to) = moving_to {
            // It may have made that room.
            self.rooms[to].host = self.rooms[to].host.filter(|host| *host != id.serial);
            self.rooms[to].coming -= 1;
            self.agenda.file_room(to, &mut self.rooms[to], now);
        }
        let alone = was_seen && self.may_tell_alone(address.ip(), now);
        // That one was kicked is told instead.
        let may_tell = self.stop == Stop::No && leave != Some(Leave::Kicked);
        let may_tell = may_tell && !self.config.voice().is_mute;
        let room = &mut self.rooms[room_id];
        // A client that was on its way to another room was taken off here when it set out.
        room.here -= usize::from(was_seen);
        room.reading -= usize::from(only_reads);
        let told = may_tell && was_seen && room.presence.left(alone, now);
        // In every language, what stands around the name is shorter than another name.
        let charge = if told { charge(2 * NAMED_BYTES_MAX) } else { 0 };
        // Submitted even if no client is told. A line of it may wait before this, and is shown
        // under its name. Until then no other client may have that name.
        self.submit(id, room_id, Kind::Departure { told }, &[], charge);
        self.note_here(room_id);
        self.agenda.file_room(room_id, &mut self.rooms[room_id], now);
    }

    /// A client's input has ended, and all its lines are submitted. A client that leaves before its
    /// welcome, and has sent nothing, was never here.
    pub(super) fn end(&mut self, id: ClientId, now: Instant) {
        match self.clients[id].life() {
            // Had it sent a line, it would have been welcomed by that.
            Life::Arriving => self.close_with(id, Leave::Quit, Vec::new(), now),
            Life::Member if self.clients[id].record.part == Part::Says => self.end_say(id, now),
            Life::Member => self.enter(id, Life::Ending, now),
            Life::Deaf(leave) => self.enter(id, Life::Gone(leave), now),
            Life::Moving | Life::Ending => {}
            Life::Closing(_) | Life::Draining(_) | Life::Gone(_) => {}
        }
    }

    /// A client's connection is broken, and all that it sent is read. A rest without a line end
    /// becomes its last line, as at the end of input. A client that exits with unread data resets
    /// the connection, and that is no error. A client that was not greeted yet leaves without
    /// notice.
    pub(super) fn break_off(&mut self, id: ClientId, leave: Leave, now: Instant) {
        let client = &mut self.clients[id];
        // The decoder then gives the rest out as at the end of input. A script that sends a message
        // without a line end, and closes without reading, looks like this: Linux answers such a
        // close by a reset.
        client.input = Input::Ended;
        if client.life() == Life::Arriving || !client.record.decoder.is_pending() {
            self.enter(id, Life::Gone(leave), now);
        } else if client.life() == Life::Member {
            self.enter(id, Life::Deaf(leave), now);
        }
    }

    /// Closes a client of another protocol. Nothing that it has sent is appended.
    pub(super) fn let_go(&mut self, id: ClientId, stranger: Stranger, now: Instant) {
        let record = &self.clients[id].record;
        // What it sent is logged at this level only, and cut short: it may hold a visitor's
        // cookies.
        let (whence, sent) = (Whence(record.address()), Excerpt(record.decoder.pending()));
        debug!("{whence} is not a chat client: {sent}");
        let goodbye = self.config.voice().words(|lang| stranger.goodbye(lang));
        self.close_with(id, Leave::NotChat, goodbye, now);
    }

    /// Stops reading a client and sends it the reason. It is closed when it has that and all before
    /// it.
    pub(super) fn close(&mut self, id: ClientId, leave: Leave, notice: &Notice<'_>, now: Instant) {
        let (client, words) = (&self.clients[id], self.config.voice().line(notice));
        let words = match client.record.part {
            Part::Says => answer::told(answer::FORBIDDEN, &words),
            Part::Whole | Part::Reads => client.form.render(words),
        };
        self.close_with(id, leave, words, now);
    }

    /// Stops reading a client and gives it these last bytes. It is closed when it has them and all
    /// before them.
    pub(super) fn close_with(&mut self, id: ClientId, leave: Leave, words: Vec<u8>, now: Instant) {
        let head = self.head(id);
        let client = &mut self.clients[id];
        if client.life() == Life::Arriving {
            // It has received nothing, so nothing before this is for it. Nor are answers to bytes
            // that only looked like telnet commands.
            client.reading = Reading::new(head);
        }
        if !words.is_empty() {
            client.reading.detour(head, words);
        }
        self.close_here(id, leave, now);
    }

    /// Stops reading a client. It is closed when it has all that it lacks at this moment, or at
    /// once if it cannot be given anything.
    pub(super) fn close_here(&mut self, id: ClientId, leave: Leave, now: Instant) {
        // Its output is broken, so nothing could be flushed. The first reason is the true one.
        if let Life::Deaf(leave) = self.clients[id].life() {
            return self.enter(id, Life::Gone(leave), now);
        }
        self.end_here(id);
        let client = &mut self.clients[id];
        let last = client.record.decoder.last(leave == Leave::Stopping);
        if !last.is_empty() {
            client.reading.detour_bytes(client.moments().until, last);
        }
        self.enter(id, Life::Closing(leave), now);
    }

    /// A client gets what it lacks at this moment, and nothing that is appended later.
    pub(super) fn end_here(&mut self, id: ClientId) {
        let client = &mut self.clients[id];
        // A client that moves keeps the end that it had. A later one would give it lines of a room
        // that it has left.
        if client.life().has_end() {
            return;
        }
        let transcript = self.rooms[client.room].forms.of(client.form);
        // The number of lines belongs to it: if it lapses on the way, it is told only of lines that
        // were for it.
        let end = (transcript.head(), transcript.lines_said());
        client.change_moments(|its| (its.until, its.lines_until) = end);
    }

    /// Begins the stop. No client is read or accepted any more. Each gets everything before it and
    /// a last line. Go on making turns until [`Hub::connections`] is 0, or call [`Hub::abandon`].
    pub fn stop(&mut self, now: Instant) {
        if self.stop != Stop::No {
            return;
        }
        // Set first: from here on nobody is announced.
        self.stop = Stop::Begun;
        for id in self.clients.ids(|client| client.life() == Life::Arriving) {
            match self.clients[id].admission {
                // Nobody knows whose connection it is.
                Admission::Awaited => self.close_with(id, Leave::Stopping, Vec::new(), now),
                _ if self.clients[id].moments().spare_until.is_some() => {
                    self.close_with(id, Leave::Stopping, Vec::new(), now);
                }
                // It is a client like any other, and reads the last line too.
                _ => self.greet(id, now),
            }
            self.file(id, now);
        }
        // What waits now is urgent, although it was held back for company.
        self.submit_all();
    }

    /// Submits the last line in each room.
    pub(super) fn announce_stop(&mut self) {
        self.stop = Stop::Announced;
        for id in self.rooms.ids() {
            self.rooms[id].stop(self.config.voice());
        }
        self.submit_all();
    }

    fn submit_all(&mut self) {
        for id in self.rooms.ids() {
            self.agenda.submitted(id, &mut self.rooms[id]);
        }
    }

    /// Drops every client that is still there. `release` passes their sockets on, to be reset.
    pub fn abandon(&mut self, now: Instant) {
        for id in self.clients.ids(|_| true) {
            self.enter(id, Life::Gone(Leave::TooSlow), now);
            // A client that waits for an answer is not freed before that. There is no time for it
            // any more.
            self.clients[id].hold = Hold::None;
            self.file(id, now);
        }
    }

    /// Closes all clients once the last line is appended.
    pub(super) fn close_all(&mut self, now: Instant) {
        self.stop = Stop::LastLineSaid;
        if let Some(bus) = self.bus() {
            bus.push(&Record::Bye);
        }
        for id in self.clients.ids(|client| client.life().is_read()) {
            match self.clients[id].record.part {
                // It does not read the last line.
                Part::Says => self.close(id, Leave::Stopping, &Notice::Stopping, now),
                Part::Whole | Part::Reads => self.close_here(id, Leave::Stopping, now),
            }
            self.file(id, now);
        }
        // A client on its way gets a last line of its own. That of its old room stands behind its
        // end, and that of its new room may stand before its beginning.
        for id in self.clients.ids(|client| client.life() == Life::Moving) {
            self.close(id, Leave::Stopping, &Notice::Stopping, now);
            self.file(id, now);
        }
        for id in self.rooms.ids() {
            let room = &mut self.rooms[id];
            // *Listen* does nothing any more, so these queues would never be empty, and the loop
            // would spin.
            while let Some(turn) = room.turns.take() {
                if let Some(client) = self.clients.get(turn.id) {
                    self.agenda.dismiss(client);
                }
            }
            self.agenda.file_room(id, room, now);
        }
        while let Some(turn) = self.agenda.talking.take() {
            self.agenda.dismiss_room(&mut self.rooms[turn.id]);
        }
    }

    /// Only what an operator may want to mend, and counted: a thousand slow clients are one line in
    /// five seconds. Other reasons are everyday.
    fn tell_trouble(&mut self, leave: Leave, now: Instant) {
        match leave {
            Leave::TooSlow | Leave::Lapsed | Leave::TooManyReplies => {
                if let Some(count) = self.troubles.too_slow.count(now) {
                    warn!("dropped {}; last reason: {leave}", Counted(count, "slow client"));
                }
            }
            Leave::Quit | Leave::Lost(_) | Leave::Endless | Leave::Idle => {}
            Leave::NotChat | Leave::Kicked | Leave::WrongSecret => {}
            Leave::Refused | Leave::Stopping => {}
        }
    }
}
