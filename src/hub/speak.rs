//! The step *speak*: everyone who lacks something is offered it, once a turn, in one system call.
//!
//! A *pass* walks over everyone in the order of the slab, cut in slices, so that between two of
//! them newcomers and signals are looked at. Those whose socket has just become able to take what
//! they lack stand on the ready queue and are served before it. Whoever cannot be written to costs
//! nothing but a look, and lapses before what it lacks is overwritten. Looks are counted too, or a
//! pass in which nobody wants what was said would not be cut.

use std::time::Instant;

use super::Hub;
use crate::config::Config;
use crate::hub::client::{Leave, Life, Socket, Spoken};

/// So many looks count as a write: one is memory that has left the cache, the other a system call.
const LOOKS_PER_WRITE: usize = 64;

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
    /// Offers those on the ready queue and then everyone in the pass what they lack.
    pub fn speak(&mut self, now: Instant) {
        let mut slice = Slice::new(&self.config);
        for _ in 0..self.ready.len() {
            if slice.is_over() {
                return;
            }
            let Some(key) = self.ready.pop_front() else { break };
            if let Some(client) = self.clients.get_mut(key) {
                client.queued_to_speak = false;
            }
            self.offer(key, &mut slice, now);
        }
        self.continue_pass(&mut slice, now);
    }

    fn continue_pass(&mut self, slice: &mut Slice, now: Instant) {
        let Some(start) = self.pass else { return };
        let endangered_below = self.endangered_below();
        for key in start..self.keys_end {
            if slice.is_over() {
                self.pass = Some(key);
                return;
            }
            slice.count_look();
            self.looks += 1;
            let took_all = self.offer(key, slice, now);
            if !took_all {
                self.lapse_if_endangered(key, endangered_below);
            }
        }
        self.pass = None;
    }

    /// Offers a client what it lacks, if it lacks anything and can be written to. Says whether it
    /// took all it was offered; whoever does is never overrun.
    fn offer(&mut self, key: usize, slice: &mut Slice, now: Instant) -> bool {
        let Some(client) = self.clients.get_mut(key) else { return true };
        if client.writable && client.is_behind(self.transcript.head()) {
            let was_heard = client.may_be_heard(&self.config);
            let spoken = client.speak(&self.transcript, &self.config.terms(), now);
            slice.count(&spoken);
            self.missed += spoken.missed;
            self.after_speaking(key, spoken.broken, now);
            if !was_heard {
                // It may have been waiting for its replies to be taken.
                self.queue_to_listen(key);
            }
            return !spoken.short;
        }
        if client.is_flushed() {
            self.after_speaking(key, None, now);
        }
        false
    }

    fn after_speaking(&mut self, key: usize, broken: Option<Leave>, now: Instant) {
        let head = self.transcript.head();
        let Some(client) = self.clients.get_mut(key) else { return };
        match (client.life, broken) {
            (Life::Open, Some(leave)) => self.deafen(key, leave, now),
            (_, Some(leave)) => self.gone(key, leave),
            (Life::Closing { leave, .. }, None) if client.is_flushed() => {
                client.shut_down(leave, &self.config, now);
                // It may have sent something before; and who has ended its side is done already.
                self.queue_to_release(key);
            }
            (_, None) if client.is_stuck(&self.config, now) => self.gone(key, Leave::TooSlow),
            (_, None) if client.is_behind(head) => self.queue_to_speak(key),
            (_, None) => {}
        }
        if self.clients.get(key).is_some_and(|client| !client.is_at_rest()) {
            self.reschedule(key);
        }
    }

    /// A client cannot be written to any more; what it said before that still counts, when it is
    /// due.
    fn deafen(&mut self, key: usize, leave: Leave, now: Instant) {
        let Some(client) = self.clients.get_mut(key) else { return };
        client.deafen(leave, &self.transcript, now);
        client.readable = !client.ended;
        self.queue_to_listen(key);
    }

    fn lapse_if_endangered(&mut self, key: usize, endangered_below: u64) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let safe = client.reading.position() >= endangered_below;
        if safe || !client.is_behind(self.transcript.head()) || client.reading.has_lapsed() {
            return;
        }
        if self.config.raw {
            self.gone(key, Leave::Lapsed);
        } else {
            client.reading.lapse(&self.transcript);
        }
    }
}
