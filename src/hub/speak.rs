//! The step *speak*: each client that lacks something is offered it, once a turn, in one system
//! call.
//!
//! A *pass* walks over the readers of a room in the order in which they came. It is cut in slices,
//! so that between two of them newcomers, signals and other rooms are looked at. Clients whose
//! socket has just become able to take what they lack stand on the ready queue and are served
//! first. A client that cannot be written to costs nothing but a look, and lapses before what it
//! lacks is overwritten. Looks are counted too, or a pass in which nobody wants what was said would
//! not be cut.

use std::time::Instant;

use super::Hub;
use crate::config::Config;
use crate::hub::client::{Leave, Life, Socket, Spoken};
use crate::room::queues::Queues;
use crate::room::{ClientId, Pass, RoomId};

/// So many looks count as a write: one is memory that has left the cache, the other a system call.
const LOOKS_PER_WRITE: usize = 64;

/// Each room with a pass may do so much in a turn, however many there are.
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

    /// What each of so many rooms may do of it.
    fn share(&self, rooms: usize) -> Slice {
        let looks_left = (self.looks_left / rooms).max(SHARE_LOOKS_MIN.min(self.looks_left));
        Slice { looks_left, bytes_left: self.bytes_left / rooms }
    }

    fn count_look(&mut self) {
        self.looks_left = self.looks_left.saturating_sub(1);
    }

    /// Counts what a client was given. To leave all of it out for the client is no less work.
    fn count(&mut self, spoken: &Spoken) {
        let looks = spoken.writes.max(1) * LOOKS_PER_WRITE;
        self.looks_left = self.looks_left.saturating_sub(looks);
        self.bytes_left = self.bytes_left.saturating_sub(spoken.bytes.max(spoken.passed));
    }

    fn is_over(&self) -> bool {
        self.looks_left == 0 || self.bytes_left == 0
    }
}

impl<S: Socket> Hub<S> {
    /// Appends what was heard, and offers those on the ready queue and then everyone in the pass
    /// what they lack.
    pub fn speak(&mut self, now: Instant) {
        self.append_submitted(now);
        let mut slice = Slice::new(&self.config);
        for _ in 0..self.agenda.ready() {
            if slice.is_over() {
                return;
            }
            let Some(id) = self.agenda.next_ready() else { break };
            let Some(client) = self.clients.get(id) else { continue };
            self.agenda.served(client);
            self.offer(id, &mut slice, now);
        }
        self.continue_passes(&slice, now);
    }

    /// Each room with a pass goes on with it, as far as its share of the slice goes.
    fn continue_passes(&mut self, slice: &Slice, now: Instant) {
        let rooms = self.agenda.passing();
        for _ in 0..rooms {
            let Some(id) = self.agenda.next_passing() else { break };
            self.rooms[id].queues.leave(Queues::PASSING);
            self.continue_pass(id, &mut slice.share(rooms), now);
            self.agenda.file_room(id, &mut self.rooms[id], now);
        }
    }

    fn continue_pass(&mut self, room: RoomId, slice: &mut Slice, now: Instant) {
        let Some(mut pass) = self.rooms[room].pass else { return };
        while pass.next < self.rooms[room].readers.places() {
            if slice.is_over() {
                self.rooms[room].pass = Some(pass);
                return;
            }
            slice.count_look();
            self.counts.looks += 1;
            let key = self.rooms[room].readers.at(pass.next);
            if let Some(id) = key.and_then(|key| self.clients.at(key)) {
                let took_all = self.offer(id, slice, now);
                if !took_all && self.clients[id].room == room {
                    self.lapse_if_endangered(id, &pass, now);
                }
            }
            pass.next += 1;
        }
        self.rooms[room].pass = None;
        self.close_holes(room);
    }

    /// Offers a client what it lacks, if it lacks anything and can be written to. Says whether it
    /// took all it was offered; a client that does is never overrun.
    fn offer(&mut self, id: ClientId, slice: &mut Slice, now: Instant) -> bool {
        let client = &mut self.clients[id];
        let transcript = self.rooms[client.room].forms.of(client.form);
        if !client.wants_offer(transcript.head()) {
            return false;
        }
        // One that has all that it is to get is only to be closed.
        let spoken = client.speak(transcript, &self.config.terms(client.form), now);
        if client.form != client.next_form {
            let next = client.next_form;
            self.change_form(id, next);
        }
        slice.count(&spoken);
        self.counts.missed += spoken.missed;
        self.after_speaking(id, spoken.broken, now);
        self.file(id, now);
        !spoken.short
    }

    fn after_speaking(&mut self, id: ClientId, broken: Option<Leave>, now: Instant) {
        let client = &mut self.clients[id];
        match (client.life(), broken) {
            (life @ (Life::Member | Life::Moving), Some(leave)) => {
                // What it said before still counts, when it is due.
                client.note(true, false);
                self.enter(id, Life::Deaf(leave), now);
                if life == Life::Moving {
                    self.arrive(id, now);
                }
            }
            (_, Some(leave)) => self.enter(id, Life::Gone(leave), now),
            (Life::Moving, None) if client.is_flushed() => self.arrive(id, now),
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

    /// What a client lacks is about to be overwritten, and it cannot be written to.
    fn lapse_if_endangered(&mut self, id: ClientId, pass: &Pass, now: Instant) {
        let rules = self.config.line_rules();
        let client = &mut self.clients[id];
        if client.reading.has_lapsed() {
            return;
        }
        let transcript = self.rooms[client.room].forms.of(client.form);
        let bounds = pass.bounds[client.form as usize];
        let (position, is_behind) =
            (client.reading.position(), client.is_behind(transcript.head()));
        match client.life() {
            // It is offered nothing before it is greeted, so it is greeted before it is overrun;
            // but not one that has begun what may be a request.
            Life::Arriving if position >= bounds.greeted_below => return,
            Life::Arriving if client.record.ear.request_due(&rules).is_some() => {
                client.reading.lapse(transcript);
            }
            Life::Arriving => self.greet(id, now),
            _ if !is_behind || position >= bounds.endangered_below => return,
            // A gap could not be told.
            _ if self.config.voice().is_mute => self.enter(id, Life::Gone(Leave::Lapsed), now),
            _ => client.reading.lapse(transcript),
        }
        self.file(id, now);
    }
}
