//! The step *speak*: each client that lacks something is offered it, once a turn, in one system
//! call.
//!
//! A *pass* walks over the readers of a room in the order in which they came. A client whose socket
//! has just become writable, and which lacks something, is on the ready queue and comes first. A
//! client that cannot be written to costs only a look. It lapses when the window has no room for
//! the next turn beside what it lacks.
//!
//! Nothing is forgotten except at the end of a pass. What no client lacks then leaves the window,
//! and only the history is kept.
//!
//! # Why a pass is never overtaken
//!
//! The promise is that a client that takes all it is offered never lapses. It rests on four rules:
//!
//! - Nothing is appended in a room during its pass, so all readers are offered the same lines.
//! - A turn appends at most a quarter of the window.
//! - The pass looks at every reader, also at those that it cannot write to. It notes the slowest.
//! - A reader lapses when the pass leaves it behind, never when something is appended.
//!
//! So an append needs no look at the readers, and no look ahead: the window has room for it,
//! because the pass before has seen to that. An earlier design forgot lines when it appended. It
//! needed a reserve of two turns, and every place that appended had to think of it.
//!
//! # Why a pass is cut
//!
//! A pass over a million clients takes seconds of system calls. In that time no new client, no
//! signal and no other room may have to wait. So each turn does a slice of it. Looks count
//! too. Otherwise a pass over readers that leave everything out would not be cut.

use std::time::Instant;

use super::{Hub, Stop};
use crate::config::Config;
use crate::hub::client::{Admission, Leave, Life, Sent, Socket};
use crate::room::forms::Form;
use crate::room::queues::Queues;
use crate::room::{ClientId, RoomId};
use crate::words::notice::Notice;

/// This many looks count as a write: a look is a cache miss, a write is a system call of 4 to 7 µs.
/// A pass over readers that all take nothing is then cut after 64 times as many.
const LOOKS_PER_WRITE: usize = 64;

/// Each room with a pass may do this much in a turn, however many rooms there are. It is 64 writes,
/// the whole pass of a small room. With less, thousands of rooms would each take many turns for one
/// pass. The price is that a turn with many rooms is longer than a slice.
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
        // Rounded up, or a tiny `--slice-bytes` shared by two rooms would be nothing for each, and
        // both passes would stand still.
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
        // First what is new, then the offers: so one write brings all that this turn has read.
        self.append_submitted(now);
        self.offer_appended(now);
    }

    /// The second half of [`Hub::speak`]: offers what was appended.
    pub fn offer_appended(&mut self, now: Instant) {
        self.forget_unlogged();
        let mut slice = Slice::new(&self.config);
        // As many as there are now. One that takes a part comes back at the end of the queue, and
        // would be served again and again.
        for _ in 0..self.agenda.ready() {
            if slice.is_over() {
                return;
            }
            let Some(id) = self.agenda.next_ready() else { break };
            let Some(client) = self.clients.get(id) else { continue };
            // Out of the queue before the offer, which files it: one that is still behind is put
            // back.
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
        // Each room once. One that is not done goes to the end of the queue, so rooms take turns
        // here too.
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
            // It is looked up anew each time: an offer can let a client move, and so change the
            // readers.
            let Some(pass) = &mut room.pass else { return };
            if pass.next >= room.readers.places() {
                break;
            }
            // The end is looked for first, or a pass that ends with its slice would keep its room
            // closed for one more turn.
            if slice.is_over() {
                return;
            }
            let key = room.readers.at(pass.next);
            pass.next += 1;
            slice.count_look();
            self.counts.looks += 1;
            if let Some(reader) = key.and_then(|key| self.clients.at(key)) {
                self.offer(reader, slice, now);
                // The offer may have brought it to the end of its old room, and so into another,
                // where this pass has nothing to say about it.
                if self.clients[reader].room == id {
                    self.leave_behind(reader, now);
                }
            }
        }
        // Every reader has a place now or has lapsed, so this is the one moment at which it is safe
        // to forget. The holes can close too, since no place is counted any more.
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
        // A client can change its form only when it has everything, which it may have for the first
        // time now.
        if client.form != client.next_form {
            let next = client.next_form;
            self.change_form(id, next);
        }
        slice.count(&sent);
        self.counts.missed += sent.missed;
        self.counts.sent_bytes += sent.bytes as u64;
        self.after_speaking(id, sent.broken, now);
        self.file(id, now);
    }

    fn after_speaking(&mut self, id: ClientId, broken: Option<Leave>, now: Instant) {
        let client = &mut self.clients[id];
        match (client.life(), broken) {
            (life @ (Life::Member | Life::Moving), Some(leave)) => {
                // The lines that it sent before still count, when their turn comes. A failed write
                // says nothing of what the kernel has received. A reset makes it readable too, but
                // this write may have met the reset before its event comes. So it is read now.
                client.note(true, false);
                self.enter(id, Life::Deaf(leave), now);
                if life == Life::Moving {
                    self.arrive(id, now);
                }
            }
            // It was on its way out, and its input is over. What it has submitted is appended all
            // the same.
            (_, Some(leave)) => self.enter(id, Life::Gone(leave), now),
            (Life::Moving, None) if client.is_flushed() => match self.stop {
                Stop::No => self.arrive(id, now),
                // The last line may stand before the place at which it would enter a room.
                _ => self.close(id, Leave::Stopping, &Notice::Stopping, now),
            },
            (Life::Closing(leave), None) if client.is_flushed() => {
                // This fails if the peer has reset the connection: then nobody is left to read the
                // last line.
                let is_shut = client.shut_down(&self.config, now);
                let life = if is_shut { Life::Draining(leave) } else { Life::Gone(leave) };
                self.enter(id, life, now);
            }
            // Only behind an offer, never at the deadline itself. A process that was suspended
            // finds all deadlines passed, though its clients have long made room.
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
        // A reader that has lapsed holds nothing of the window. It gets a new place when it takes
        // bytes again.
        if !is_reading || client.reading.has_lapsed() {
            return;
        }
        let bounds = &mut pass.bounds[client.form as usize];
        let position = client.reading.position();
        // A room gives way at the cost of the clients that take nothing. One that can be written to
        // is only in the middle of taking what it lacks.
        if position >= bounds.lapse_below || pass.gives_way && client.writable {
            bounds.slowest = bounds.slowest.min(position);
            let is_new = client.life() == Life::Arriving && client.form == Form::Plain;
            if is_new && self.config.history > 0 {
                // It will be shown the history before its place when it is welcomed. That must be
                // there then.
                let history = position.saturating_sub(self.config.history_bytes as u64);
                pass.kept_from = pass.kept_from.min(history);
            }
            return;
        }
        self.counts.lapses += 1;
        self.lapse(id, now);
        self.file(id, now);
    }

    /// A client lapses; one that nothing can tell of a gap is dropped.
    ///
    /// A bare relay has no words of its own, so a gap in the bytes would go unnoticed there. A
    /// connection that ends is a loss that any program notices.
    fn lapse(&mut self, id: ClientId, now: Instant) {
        if self.config.voice().is_mute {
            self.enter(id, Life::Gone(Leave::Lapsed), now);
        } else {
            let client = &mut self.clients[id];
            client.reading.lapse(self.rooms[client.room].forms.of(client.form));
        }
    }

    /// Greets a new client before it must lapse, because it is offered nothing before. But one that
    /// has begun what may be a request is not greeted, nor one whose proxy has sent no header, nor
    /// a spare one.
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
        let is_spare = client.moments().spare_until.is_some();
        // To welcome a browser would be to announce it. So this one gives up its place, and is told
        // of the gap, should it turn out to be a client.
        if client.admission == Admission::Awaited || is_spare || is_request() {
            self.lapse(id, now);
        } else {
            self.greet(id, now);
        }
        self.file(id, now);
    }

    /// Gives a client another form: at once if it has everything, else once it has.
    ///
    /// Only at the head do two forms agree, since nothing stands behind it. Anywhere else a
    /// position would have to be translated, and a half-sent line could not be. So a telnet client
    /// that is behind gets bare line feeds a little longer.
    pub(super) fn change_form(&mut self, id: ClientId, form: Form) {
        let head = self.head(id);
        let client = &mut self.clients[id];
        // If it cannot change now, the next offer that leaves it with everything tries again.
        client.next_form = form;
        let may_change = client.life().is_read() && client.reading.may_change_form(head);
        if client.form == form || !may_change {
            return;
        }
        let forms = &mut self.rooms[client.room].forms;
        forms.leave(&mut self.pages, client.form);
        forms.join(form);
        client.form = form;
        client.reading.change_form(forms.of(form).head(), form);
    }
}
