//! The step *speak*: each client that lacks something is offered it, once a turn, in one system
//! call.
//!
//! A *pass* walks over the readers of a room in the order in which they came. It is cut in slices.
//! Between two slices new clients, signals and other rooms are looked at. A client whose socket
//! has just become writable, and which lacks something, is on the ready queue and comes first. A
//! client that cannot be written to costs only a look. It lapses when the window has no room for
//! the next turn beside what it lacks. Looks are counted too. Otherwise a pass over readers that
//! leave everything out would not be cut.
//!
//! Nothing is forgotten except at the end of a pass. What no client lacks then leaves the window,
//! and only the history is kept.

use std::time::Instant;

use super::{Hub, Stop};
use crate::config::Config;
use crate::hub::client::{Admission, Leave, Life, Sent, Socket};
use crate::room::forms::Form;
use crate::room::queues::Queues;
use crate::room::{ClientId, RoomId};
use crate::words::notice::Notice;

/// This many looks count as a write: a look is a cache miss, a write is a system call.
const LOOKS_PER_WRITE: usize = 64;

/// Each room with a pass may do this much in a turn, however many rooms there are.
const SHARE_LOOKS_MIN: usize = 64 * LOOKS_PER_WRITE;

/// What may still be done in one slice of a pass.
struct Slice {
    looks_left: usize,
    bytes_left: usize,
}

impl Slice {
    fn new(config: &Config) -> Slice {
        let looks_left = config.slice_writes.saturating_mul(LOOKS_PER_WRITE);
        Slice { looks_left, bytes_left: config.slice_bytes }
    }

    /// The share of each of this many rooms.
    fn share(&self, rooms: usize) -> Slice {
        let looks_left = (self.looks_left / rooms).max(SHARE_LOOKS_MIN.min(self.looks_left));
        Slice { looks_left, bytes_left: self.bytes_left.div_ceil(rooms) }
    }

    fn count_look(&mut self) {
        self.looks_left = self.looks_left.saturating_sub(1);
    }

    /// Counts what a client was given. Skipping all of it is as much work.
    fn count(&mut self, sent: &Sent) {
        let looks = sent.writes.max(1) * LOOKS_PER_WRITE;
        self.looks_left = self.looks_left.saturating_sub(looks);
        self.bytes_left = self.bytes_left.saturating_sub(sent.bytes.max(sent.passed));
    }

    fn is_over(&self) -> bool {
        self.looks_left == 0 || self.bytes_left == 0
    }
}

impl<S: Socket> Hub<S> {
    /// Appends what was submitted. Then offers what they lack to the ready clients, and to all
    /// clients in the pass.
    pub fn speak(&mut self, now: Instant) {
        self.append_submitted(now);
        self.offer_appended(now);
    }

    /// The second half of [`Hub::speak`]: offers what was appended.
    pub fn offer_appended(&mut self, now: Instant) {
        self.forget_unlogged();
        let mut slice = Slice::new(&self.config);
        for _ in 0..self.agenda.ready() {
            if slice.is_over() {
                return;
            }
            let Some(id) = self.agenda.next_ready() else { break };
            let Some(client) = self.clients.get(id) else { continue };
            self.agenda.served(client);
            self.offer(id, &mut slice, now);
            // The pass may have left it behind while it had lapsed. Now it has a place again.
            let client = &self.clients[id];
            let pass = self.rooms[client.room].pass;
            if pass.is_some_and(|pass| (client.record.place as usize) < pass.next) {
                self.leave_behind(id, now);
            }
        }
        self.continue_passes(&slice, now);
    }

    /// Continues the pass of each room that has one, as far as its share of the slice goes.
    fn continue_passes(&mut self, slice: &Slice, now: Instant) {
        let rooms = self.agenda.passing();
        for _ in 0..rooms {
            let Some(id) = self.agenda.next_passing() else { break };
            self.rooms[id].queues.leave(Queues::PASSING);
            self.continue_pass(id, &mut slice.share(rooms), now);
            self.agenda.file_room(id, &mut self.rooms[id], now);
        }
    }

    fn continue_pass(&mut self, id: RoomId, slice: &mut Slice, now: Instant) {
        loop {
            let room = &mut self.rooms[id];
            let Some(pass) = &mut room.pass else { return };
            if pass.next >= room.readers.places() {
                break;
            }
            if slice.is_over() {
                return;
            }
            let key = room.readers.at(pass.next);
            pass.next += 1;
            slice.count_look();
            self.counts.looks += 1;
            if let Some(reader) = key.and_then(|key| self.clients.at(key)) {
                self.offer(reader, slice, now);
                if self.clients[reader].room == id {
                    self.leave_behind(reader, now);
                }
            }
        }
        self.rooms[id].end_pass(&mut self.pages, self.config.history_bytes);
        self.close_holes(id);
    }

    /// Offers a client what it lacks, if it lacks anything and can be written to.
    fn offer(&mut self, id: ClientId, slice: &mut Slice, now: Instant) {
        let client = &mut self.clients[id];
        let transcript = self.rooms[client.room].forms.of(client.form);
        if !client.wants_offer(transcript.head()) {
            return;
        }
        // A client that has everything that it should get is only to be closed.
        let sent = client.send(transcript, &self.config.terms(client.form), now);
        if client.form != client.next_form {
            let next = client.next_form;
            self.change_form(id, next);
        }
        slice.count(&sent);
        self.counts.missed += sent.missed;
        self.after_speaking(id, sent.broken, now);
        self.file(id, now);
    }

    fn after_speaking(&mut self, id: ClientId, broken: Option<Leave>, now: Instant) {
        let client = &mut self.clients[id];
        match (client.life(), broken) {
            (life @ (Life::Member | Life::Moving), Some(leave)) => {
                // The lines that it sent before still count, when their turn comes.
                client.note(true, false);
                self.enter(id, Life::Deaf(leave), now);
                if life == Life::Moving {
                    self.arrive(id, now);
                }
            }
            (_, Some(leave)) => self.enter(id, Life::Gone(leave), now),
            (Life::Moving, None) if client.is_flushed() => match self.stop {
                Stop::No => self.arrive(id, now),
                // The last line may stand before the place at which it would enter a room.
                _ => self.close(id, Leave::Stopping, &Notice::Stopping, now),
            },
            (Life::Closing(leave), None) if client.is_flushed() => {
                let is_shut = client.shut_down(&self.config, now);
                let life = if is_shut { Life::Draining(leave) } else { Life::Gone(leave) };
                self.enter(id, life, now);
            }
            (_, None) if client.is_stuck(&self.config, now) => {
                self.enter(id, Life::Gone(Leave::TooSlow), now);
            }
            (_, None) => {}
        }
    }

    /// The pass has gone past a client. What the client still lacks is kept, if the window has room
    /// for the next turn beside it. Else the client lapses.
    fn leave_behind(&mut self, id: ClientId, now: Instant) {
        self.greet_if_endangered(id, now);
        let client = &mut self.clients[id];
        let room = &mut self.rooms[client.room];
        let Some(pass) = &mut room.pass else { return };
        let is_reading = match client.life() {
            Life::Arriving | Life::Member | Life::Moving | Life::Ending | Life::Closing(_) => true,
            Life::Deaf(_) | Life::Draining(_) | Life::Gone(_) => false,
        };
        if !is_reading || client.reading.has_lapsed() {
            return;
        }
        let bounds = &mut pass.bounds[client.form as usize];
        let position = client.reading.position();
        // A room gives way at the cost of the clients that take nothing.
        if position >= bounds.lapse_below || pass.gives_way && client.writable {
            bounds.slowest = bounds.slowest.min(position);
            let is_new = client.life() == Life::Arriving && client.form == Form::Plain;
            if is_new && self.config.history > 0 {
                let history = position.saturating_sub(self.config.history_bytes as u64);
                pass.kept_from = pass.kept_from.min(history);
            }
            return;
        }
        self.lapse(id, now);
        self.file(id, now);
    }

    /// A client lapses; one that nothing can tell of a gap is dropped.
    fn lapse(&mut self, id: ClientId, now: Instant) {
        if self.config.voice().is_mute {
            self.enter(id, Life::Gone(Leave::Lapsed), now);
        } else {
            let client = &mut self.clients[id];
            client.reading.lapse(self.rooms[client.room].forms.of(client.form));
        }
    }

    /// Greets a new client before it must lapse, because it is offered nothing before. But one that
    /// has begun what may be a request is not greeted, nor one whose proxy has sent no header.
    fn greet_if_endangered(&mut self, id: ClientId, now: Instant) {
        let client = &mut self.clients[id];
        let room = &self.rooms[client.room];
        let Some(pass) = &room.pass else { return };
        let position = client.reading.position();
        let is_safe = position >= pass.bounds[client.form as usize].greeted_below;
        if client.life() != Life::Arriving || is_safe || client.reading.has_lapsed() {
            return;
        }
        let is_request = || client.record.decoder.request_due(&self.config.line_rules()).is_some();
        if client.admission == Admission::Awaited || is_request() {
            self.lapse(id, now);
        } else {
            self.greet(id, now);
        }
        self.file(id, now);
    }
}
