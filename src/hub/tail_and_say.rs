//! `GET /tail` and `POST /say`: clients of HTTP that only read, or only say something.
//!
//! No other client sees that one comes or goes. It is in no list, and no command finds it. It
//! counts as a connection of its address, and a client of `/say` keeps to the rate limits, mutes
//! and slow rooms like any other.
//!
//! Nothing of a body is said before it has come whole. Its client has as long for that as for the
//! head.
//!
//! A client of `/say` reads one answer. It is about the first line that was not said; nothing
//! behind that line is said either. If there is none, the answer tells its name.

use std::time::Instant;

use super::Hub;
use super::listen::{AGAIN, DONE, Step};
use crate::hub::addresses::network;
use crate::hub::client::{Leave, Life, Part, Socket};
use crate::room::ClientId;
use crate::room::without::Without;
use crate::wire::stranger::REQUEST_WAIT;
use crate::wire::web::answer::{self, CONFLICT, FORBIDDEN};
use crate::wire::web::head::Refusal;
use crate::words::names::{self, Claimant, Name};
use crate::words::notice::Notice;

impl<S: Socket> Hub<S> {
    /// A client reads all that is said from now on.
    pub(super) fn begin_tail(&mut self, id: ClientId, answer: Vec<u8>, now: Instant) -> Step {
        if self.room_of(id).is_door {
            return self.refuse_at_door(id, now);
        }
        self.begin_dialect(id);
        self.answer_dialect(id, answer);
        let room = self.clients[id].room;
        self.rooms[room].reading += 1;
        self.come_unseen(id, Part::Reads, now);
        AGAIN
    }

    /// A client says the lines that it sends, under this name if it has one.
    pub(super) fn begin_say(&mut self, id: ClientId, name: Option<&str>, now: Instant) -> Step {
        if self.room_of(id).is_door {
            return self.refuse_at_door(id, now);
        }
        if let Some(name) = name
            && let Err(refusal) = self.give_name(id, name, now)
        {
            let is_taken =
                matches!(refusal, names::Refusal::Taken | names::Refusal::LooksLikeTaken);
            let status = if is_taken { CONFLICT } else { FORBIDDEN };
            let words = self.refusal_lines(name, refusal);
            return self.answer_say(id, status, &words, now);
        }
        self.begin_dialect(id);
        self.change_without(id, Without::add_all);
        self.come_unseen(id, Part::Says, now);
        // Its body has as long as its head had.
        self.clients[id].change_moments(|its| its.wait_until = Some(now + REQUEST_WAIT));
        AGAIN
    }

    /// The body of a client of `/say` did not come in time. Nothing of it was said.
    pub(super) fn end_late_say(&mut self, id: ClientId, now: Instant) {
        let answer = answer::refusal(&Refusal::TooSlow, false);
        self.close_with(id, Leave::NotChat, answer, now);
    }

    fn refuse_at_door(&mut self, id: ClientId, now: Instant) -> Step {
        let words = self.config.voice().line(&Notice::PasswordNeeded);
        self.answer_say(id, FORBIDDEN, &words, now)
    }

    fn give_name(&mut self, id: ClientId, name: &str, now: Instant) -> Result<(), names::Refusal> {
        let network = network(self.clients[id].record.ip);
        let claimant = Claimant { serial: id.serial, network };
        self.names.take(claimant, Name::parse(name)?, now)
    }

    /// A client is in its room from now on, and is not announced, listed or found there.
    fn come_unseen(&mut self, id: ClientId, part: Part, now: Instant) {
        let record = &mut self.clients[id].record;
        (record.part, record.is_unseen) = (part, true);
        let (room, network) = (self.clients[id].room, self.own_network(id));
        if self.rooms[room].rules.is_some() {
            self.rooms[room].change_rules(|rules| rules.came(id.serial, network));
        }
        self.enter(id, Life::Member, now);
    }

    /// A client gets the reply that it waits for. One of `/say` gets it as its answer.
    pub(super) fn tell_reply(&mut self, id: ClientId, lines: Vec<u8>, now: Instant) {
        let client = &self.clients[id];
        match client.record.part {
            Part::Whole | Part::Reads => self.tell_lines(id, lines, now),
            Part::Says if lines.is_empty() || !client.life().is_read() => {}
            Part::Says => _ = self.answer_say(id, FORBIDDEN, &lines, now),
        }
    }

    /// All that a client of `/say` has sent is said, but perhaps it has not sent all.
    pub(super) fn end_say(&mut self, id: ClientId, now: Instant) {
        if !self.clients[id].record.decoder.has_ended() {
            let answer = answer::refusal(&Refusal::Malformed, false);
            return self.close_with(id, Leave::NotChat, answer, now);
        }
        let name = &self.names.of(id.serial).to_string();
        let words = self.config.voice().line(&Notice::SaidAs { name });
        _ = self.answer_say(id, answer::OK, &words, now);
    }

    fn answer_say(&mut self, id: ClientId, status: &str, words: &[u8], now: Instant) -> Step {
        self.close_with(id, Leave::NotChat, answer::told(status, words), now);
        DONE
    }
}
