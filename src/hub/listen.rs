//! The visit of one client, the inner half of *listen*: what it has sent becomes lines, and these
//! are submitted. Which client is visited, and how much it may submit, is in `rounds`.
//!
//! A visit ends in one of three ways. Its client has nothing more: it leaves the queue until an
//! event, a deadline or an answer brings it back. It has used up its share: it goes to the end of
//! the queue. Its next line is too long for the rest of the turn: it begins the next turn, and
//! keeps what it has saved.
//!
//! Bytes are read until a read returns `WouldBlock` or the end of input. A short read proves
//! nothing. The poll is edge-triggered, and data and FIN can come in one event. If the visit
//! stopped after the data, no event would ever tell of the FIN.

use std::ops::ControlFlow;
use std::time::Instant;

use super::Hub;
use crate::config::READ_BYTES_MAX;
use crate::hub::client::{Admission, Hold, Input, Leave, Life, Received, Socket};
use crate::room::ClientId;
use crate::room::turns::Turn;
use crate::wire::decoder::Decoded;
use crate::wire::line::LineRules;
use crate::words::notice::Notice;

/// How a client's visit ends.
pub(super) enum Visit {
    /// It has nothing more, or has to wait for something.
    Done,
    /// It has more and has used up its share of this round.
    More,
    /// It has a line that does not fit into this turn.
    CutShort,
}

/// One step of a visit: it goes on, or is over.
pub(super) type Step = ControlFlow<Visit>;

pub(super) const AGAIN: Step = ControlFlow::Continue(());
pub(super) const DONE: Step = ControlFlow::Break(Visit::Done);
pub(super) const MORE: Step = ControlFlow::Break(Visit::More);

/// What a visit may still take.
pub(super) struct Budget {
    /// Of the turn, as it will stand in the transcript.
    pub turn: usize,
    /// Of the talker's share. The rest is kept for the next round.
    pub deficit: u32,
    /// To be read. Bytes that are read and become no line cost as much.
    pub read: usize,
}

impl Budget {
    /// A line is submitted, which will be charged so much.
    pub fn spend(&mut self, cost: usize) {
        self.deficit -= cost as u32;
        self.turn = self.turn.saturating_sub(cost);
    }
}

impl<S: Socket> Hub<S> {
    /// Visits one client: takes lines while they fit, and reads at most `share` bytes for more.
    pub(super) fn visit(
        &mut self,
        talker: &mut Turn<ClientId>,
        share: usize,
        left: &mut usize,
        now: Instant,
    ) -> Visit {
        let deficit = talker.deficit.saturating_add(share as u32);
        let mut budget = Budget { turn: *left, deficit, read: share };
        let id = talker.id;
        // It was filed before, and something may have held it since: a reply that it must read
        // first, or the end of its life.
        if !self.clients[id].may_be_read(&self.config) {
            return Visit::Done;
        }
        let rules = self.config.line_rules();
        let visit = loop {
            if let ControlFlow::Break(visit) = self.take_next(id, &mut budget, &rules, now) {
                break visit;
            }
            // Its last line may first get an answer, or may have ended it.
            let client = &self.clients[id];
            if client.hold != Hold::None || !client.life().is_read() {
                break Visit::Done;
            }
        };
        // Bytes that became no line are charged too. Else a client that sends only telnet commands,
        // or one endless line, would be read for nothing, and the turn would never end.
        let (submitted, read) = (*left - budget.turn, share - budget.read);
        *left = budget.turn.saturating_sub(read.saturating_sub(submitted));
        talker.deficit = budget.deficit;
        visit
    }

    /// Takes the next line or command of a client, or reads for more.
    fn take_next(
        &mut self,
        id: ClientId,
        budget: &mut Budget,
        rules: &LineRules,
        now: Instant,
    ) -> Step {
        let client = &mut self.clients[id];
        let decoded = client.record.decoder.next(client.input, rules, now);
        let is_new = client.life() == Life::Arriving;
        let is_refused = client.admission == Admission::Refused;
        if is_refused && !matches!(decoded, Decoded::NotYet | Decoded::Request) {
            self.close_refused(id, now);
            return DONE;
        }
        match decoded {
            // It is welcomed before its line is taken: the notice that it came must stand before
            // what it says. The line is not consumed, so the next step finds it again.
            Decoded::Line | Decoded::TooLong if is_new => self.greet(id, now),
            Decoded::Line | Decoded::Chunk => {
                return self.take_line(id, decoded, budget, rules, now);
            }
            Decoded::TooLong => self.refuse_line(id, decoded, rules.line_bytes_max, rules, now),
            // The kernel has nothing more. An event, or the deadline of an unfinished line, comes
            // next.
            Decoded::NotYet if client.input != Input::Readable => return DONE,
            // The flag stays set, so the bytes in the socket are not forgotten, though no event
            // will announce them again.
            Decoded::NotYet if budget.read == 0 => return MORE,
            Decoded::NotYet => return self.read(id, budget, rules, now),
            Decoded::Farewell | Decoded::Over => {
                self.end(id, now);
                return DONE;
            }
            Decoded::Request => return self.serve(id, rules, now),
            Decoded::Stranger(stranger) => {
                self.let_go(id, stranger, now);
                return DONE;
            }
            Decoded::Header(header) => self.take_header(id, header, now),
            Decoded::Endless => {
                let bytes_max = rules.endless_bytes_max;
                self.close(id, Leave::Endless, &Notice::Endless { bytes_max }, now);
                return DONE;
            }
        }
        AGAIN
    }

    /// Reads once. What was read may hold a line that ends the visit, and whatever was read beyond
    /// that would have to be kept for the client.
    fn read(&mut self, id: ClientId, budget: &mut Budget, rules: &LineRules, now: Instant) -> Step {
        // At least two: with room for one byte, each byte of a chunk would look like a key.
        let read_bytes = budget.read.clamp(2, READ_BYTES_MAX);
        match self.clients[id].receive(&mut self.scratch.read[..=read_bytes], rules, now) {
            Received::Bytes { read, answers } => {
                budget.read = budget.read.saturating_sub(read);
                self.counts.read_bytes += read as u64;
                self.note_first_byte(id, now);
                self.answer_dialect(id, answers);
            }
            Received::Nothing => {}
            // The read is repeated in the next round, so it counts as done in this one.
            Received::Interrupted => {
                budget.read -= 1;
                return MORE;
            }
            // The next step then takes what is left in the decoder: it was sent before the
            // connection broke.
            Received::Broken(leave) => self.break_off(id, leave, now),
        }
        AGAIN
    }

    /// Sends the answers to a client's requests in its dialect. From its first command on, it reads
    /// in the form of that dialect.
    pub(super) fn answer_dialect(&mut self, id: ClientId, answers: Vec<u8>) {
        if answers.is_empty() {
            return;
        }
        // The form first: that moves a client to the head of another transcript, and the answers
        // must stand where it will be.
        self.change_form(id, self.clients[id].record.decoder.form());
        let head = self.head(id);
        let client = &mut self.clients[id];
        let is_new = client.life() == Life::Arriving;
        // The welcome of a new client will stand at its place, which may be far behind the head.
        // Detours are queued in the order of their positions, so an answer that comes before it
        // must not stand further on.
        let at = if is_new { client.reading.position() } else { head };
        client.reading.detour_bytes(at, answers);
    }
}
