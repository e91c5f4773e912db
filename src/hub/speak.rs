//! The step *speak*: everyone who lacks something is offered it, once a turn, in one system call.
//!
//! A *pass* walks over everyone in the order of the slab, cut in slices, so that between two of
//! them newcomers and signals are looked at. Those whose socket has just become able to take what
//! they lack stand on the ready queue and are served before it. Whoever cannot be written to costs
//! nothing but a look, and lapses before what it lacks is overwritten.

use std::time::Instant;

use super::Hub;
use crate::client::{Leave, Life, Socket, Spoken};

/// What may still be done in one slice of a pass.
struct Slice {
    writes_left: usize,
    bytes_left: usize,
}

impl Slice {
    fn count(&mut self, spoken: &Spoken) {
        self.writes_left = self.writes_left.saturating_sub(spoken.writes);
        self.bytes_left = self.bytes_left.saturating_sub(spoken.bytes);
    }

    fn is_over(&self) -> bool {
        self.writes_left == 0 || self.bytes_left == 0
    }
}

impl<S: Socket> Hub<S> {
    /// Offers those on the ready queue and then everyone in the pass what they lack.
    pub fn speak(&mut self, now: Instant) {
        let mut slice =
            Slice { writes_left: self.config.slice_writes, bytes_left: self.config.slice_bytes };
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
