//! The step *listen*: what clients have sent becomes lines, and lines become the transcript.
//!
//! What may be taken in is a hard budget of bytes as they will stand in the transcript, shared by
//! deficit round robin (Shreedhar and Varghese, 1995): in each round every client may say as much
//! as the others; what it could not use for its next line is kept for the next round, and whoever
//! finds the turn's budget too small begins the next turn. Those who had nothing waiting last
//! turn come before those who had: a flooder slows itself, not the room.

use std::collections::VecDeque;
use std::fmt::Display;
use std::time::Instant;

use log::debug;

use super::{Hub, Stop};
use crate::bus::queue::Kind;
use crate::config::{NAMED_BYTES_MAX, QUANTUM_BYTES, STANDING_BYTES_MAX};
use crate::hub::client::{Heard, Leave, Life, Socket, UNTIL_APPENDED};
use crate::room::reading::{LineEnds, Rendering};
use crate::room::transcript::charge;
use crate::wire::line::Input;
use crate::wire::stranger::{Sniffed, Stranger};
use crate::wire::telnet;
use crate::words::names::NAME_BYTES_MAX;
use crate::words::notice::Notice;
use crate::words::text::{Excerpt, push_safe};

/// The clients that have something to be heard, each in one place.
#[derive(Debug, Default)]
pub struct Listeners {
    /// The one that found the last turn's budget too small.
    cut_short: Option<usize>,
    /// Those who had nothing waiting last turn.
    fresh: VecDeque<usize>,
    /// Those who had.
    carried: VecDeque<usize>,
}

impl Listeners {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a client that has something new.
    pub fn add(&mut self, key: usize) {
        self.fresh.push_back(key);
    }

    /// Takes out the one whose turn it is.
    pub fn next(&mut self) -> Option<usize> {
        let next = self.cut_short.take().or_else(|| self.fresh.pop_front());
        next.or_else(|| self.carried.pop_front())
    }

    fn len(&self) -> usize {
        usize::from(self.cut_short.is_some()) + self.fresh.len() + self.carried.len()
    }
}

/// What came of hearing a client.
enum Visit {
    /// It has nothing more, or has to wait for something: it is off the list.
    Done,
    /// It has more and has used up its share of this round.
    More,
    /// It has a line that does not fit into this turn.
    CutShort,
}

/// One step of a visit.
enum Step {
    /// Something was taken; there may be more.
    Again,
    /// Nothing is there that can be taken without reading.
    Read,
    /// The visit is over.
    Over(Visit),
}

impl<S: Socket> Hub<S> {
    /// Hears everyone who has something to say, as far as the budget goes, and appends it.
    ///
    /// Does nothing while a pass is unfinished: whoever takes all it is offered must be offered
    /// this before more is said.
    pub fn listen(&mut self, now: Instant) {
        self.noting = false;
        if self.pass.is_some() {
            return;
        }
        if let Some(summary) = self.presence.take_summary(self.here(), now) {
            self.submissions.push_notice(&summary.to_line(self.config.lang()));
        }
        if self.stop == Stop::No {
            self.hear_all(now);
        }
        if self.append_submitted(now) {
            self.pass = Some(0);
        }
        if self.submissions.is_empty() {
            self.settle(now);
        }
    }

    fn hear_all(&mut self, now: Instant) {
        let mut left = self.config.turn_bytes_max().saturating_sub(self.submissions.charged());
        let share = (left / self.listeners.len().max(1)).max(QUANTUM_BYTES.min(left));
        while left > 0 {
            let Some(key) = self.listeners.next() else { break };
            match self.visit(key, share, &mut left, now) {
                Visit::Done => self.dismiss(key),
                Visit::More => self.listeners.carried.push_back(key),
                Visit::CutShort => {
                    self.listeners.cut_short = Some(key);
                    break;
                }
            }
        }
    }

    /// Hears one client: takes lines while they fit, and reads at most `share` bytes for more.
    fn visit(&mut self, key: usize, share: usize, left: &mut usize, now: Instant) -> Visit {
        let (left_before, mut read) = (*left, 0);
        if let Some(client) = self.clients.get_mut(key) {
            client.record.deficit = client.record.deficit.saturating_add(share as u32);
        }
        let visit = loop {
            let step = match self.take_line(key, left, now) {
                Step::Read if read >= share => Step::Over(Visit::More),
                Step::Read => self.read(key, share - read, &mut read, now),
                step => step,
            };
            if let Step::Over(visit) = step {
                break visit;
            }
        };
        // What was read but became no line has cost as much: a line without an end is not for free.
        let submitted = left_before - *left;
        *left = left.saturating_sub(read.saturating_sub(submitted));
        visit
    }

    /// Takes one line that has been read, if there is one and it fits.
    fn take_line(&mut self, key: usize, left: &mut usize, now: Instant) -> Step {
        let rules = self.config.line_rules();
        let Some(client) = self.clients.get_mut(key) else { return Step::Over(Visit::Done) };
        if !client.may_be_heard(&self.config) {
            return Step::Over(Visit::Done);
        }
        match client.sniff(&self.config) {
            Sniffed::Stranger(stranger) => {
                self.let_go(key, stranger, now);
                return Step::Over(Visit::Done);
            }
            Sniffed::NotYet => return self.cut_chunk_if_due(key, now),
            Sniffed::Chat => {}
        }
        let is_telnet = client.record.is_telnet();
        if is_telnet && telnet::is_farewell(client.record.lines.pending()) {
            self.end(key, now);
            return Step::Over(Visit::Done);
        }
        match client.record.lines.peek(&rules) {
            Input::Line(line) if is_telnet && telnet::is_farewell(line) => {
                self.end(key, now);
                Step::Over(Visit::Done)
            }
            Input::Line(_) if client.life == Life::Arriving => {
                self.greet(key, now);
                Step::Again
            }
            Input::Line(_) => self.take_in(key, left, now),
            Input::NotYet => self.cut_chunk_if_due(key, now),
            Input::TooLong => {
                client.record.first_lines.note_too_long();
                client.consume_line(now);
                self.greet(key, now);
                self.answer_in_turn(key, &Notice::LineTooLong { bytes_max: rules.line_bytes_max });
                Step::Again
            }
            Input::Endless => {
                let bytes_max = rules.endless_bytes_max;
                self.close(key, Leave::Endless, &Notice::Endless { bytes_max }, now);
                Step::Over(Visit::Done)
            }
        }
    }

    /// Closes a client of another protocol. Nothing that it has sent is said.
    fn let_go(&mut self, key: usize, stranger: Stranger, now: Instant) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let excerpt = Excerpt(client.record.lines.pending());
        debug!("{} is not a chat client: {excerpt}", client.record.address);
        let goodbye = match self.config.raw {
            true => Vec::new(),
            false => stranger.goodbye(self.config.lang()),
        };
        self.close_with(key, Leave::NotChat, goodbye, now);
    }

    /// Takes in the line that is there: makes it safe to show and submits it.
    fn take_in(&mut self, key: usize, left: &mut usize, now: Instant) -> Step {
        let (rules, pace) = (self.config.line_rules(), self.config.pace());
        let Some(client) = self.clients.get_mut(key) else { return Step::Over(Visit::Done) };
        let record = &mut client.record;
        let Input::Line(line) = record.lines.peek(&rules) else { return Step::Over(Visit::Done) };
        self.safe.clear();
        let is_utf8 = rules.raw || push_safe(line, &mut self.safe);
        let text = if rules.raw { line } else { self.safe.as_bytes() };
        let kind = match text {
            _ if rules.raw => Kind::AsItIs,
            [b'/', ..] => Kind::Command,
            _ => Kind::Line,
        };
        let cost = cost(text, kind, &self.names.of(record.serial));
        if text.len() + NAMED_BYTES_MAX > STANDING_BYTES_MAX {
            client.consume_line(now);
            let bytes_max = STANDING_BYTES_MAX - NAMED_BYTES_MAX;
            self.answer_in_turn(key, &Notice::LineTooLong { bytes_max });
            return Step::Again;
        }
        if cost > *left && *left < self.config.turn_bytes_max() {
            return Step::Over(Visit::CutShort);
        }
        if cost > record.deficit as usize {
            return Step::Over(Visit::More);
        }
        let address = record.address.ip();
        let advanced = || self.addresses.may_say(address, &pace, now);
        if !client.exempt
            && let Err(due) = record.allowance.take(&pace, advanced, now)
        {
            client.change_moments(|its| its.paused_until = Some(due));
            return Step::Over(Visit::Done);
        }
        self.submissions.push(record.serial, key, kind, text, cost);
        record.deficit -= cost as u32;
        record.first_lines.note_line();
        client.asked = kind == Kind::Command;
        let ends_in_cr = record.lines.ends_in_cr();
        client.consume_line(now);
        *left = left.saturating_sub(cost);
        if !is_utf8 {
            self.hint_at_utf8(key, ends_in_cr);
        }
        Step::Again
    }

    /// Tells once that what a client sends is not UTF-8, and what it may do about that.
    fn hint_at_utf8(&mut self, key: usize, ends_in_cr: bool) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let told = std::mem::replace(&mut client.record.told_not_utf8, true);
        let hint = match client.record.is_telnet() {
            true => Notice::NotUtf8BeforeBinary,
            false if ends_in_cr => Notice::NotUtf8ThroughTelnet,
            false => Notice::NotUtf8,
        };
        if !told {
            self.answer_in_turn(key, &hint);
        }
    }

    /// Tells a client something behind what it has said before; it is heard on after that.
    fn answer_in_turn(&mut self, key: usize, notice: &Notice<'_>) {
        let line = notice.to_line(self.config.lang());
        let Some(client) = self.clients.get_mut(key) else { return };
        client.asked = true;
        // It takes nothing of the transcript.
        self.submissions.push(client.record.serial, key, Kind::Answer, &line, 0);
    }

    /// There is no whole line: an unterminated chunk may have become one by now.
    fn cut_chunk_if_due(&mut self, key: usize, now: Instant) -> Step {
        let Some(client) = self.clients.get_mut(key) else { return Step::Over(Visit::Done) };
        if client.readable {
            return Step::Read;
        }
        let due = client.chunk_due(&self.config).is_some_and(|due| due <= now);
        if due || (client.ended && client.record.lines.is_pending()) {
            client.record.lines.cut();
            return Step::Again;
        }
        if client.ended {
            self.end(key, now);
        }
        Step::Over(Visit::Done)
    }

    /// Reads once, at most `bytes_max` bytes, and adds to `read` how many it were.
    fn read(&mut self, key: usize, bytes_max: usize, read: &mut usize, now: Instant) -> Step {
        let Some(client) = self.clients.get_mut(key) else { return Step::Over(Visit::Done) };
        let scratch_bytes = bytes_max.min(self.scratch.len());
        match client.hear(&mut self.scratch[..scratch_bytes], self.config.raw, now) {
            Heard::Bytes { read: bytes, answers } => {
                *read += bytes;
                self.answer_telnet(key, answers);
            }
            Heard::NothingYet | Heard::End => {}
            // It is tried again in the next round, and so counts as something done in this one.
            Heard::Interrupted => {
                *read += 1;
                return Step::Over(Visit::More);
            }
            Heard::Broken(leave) => self.break_off(key, leave, now),
        }
        Step::Again
    }

    /// A client's connection is broken and all it has sent is read. The rest without an end is its
    /// last line, as it is when its input ends: whoever goes with something unread breaks the
    /// connection, though all is well with it. One that was not greeted yet was nobody.
    fn break_off(&mut self, key: usize, leave: Leave, now: Instant) {
        let Some(client) = self.clients.get_mut(key) else { return };
        (client.readable, client.ended) = (false, true);
        if client.life == Life::Arriving || !client.record.lines.is_pending() {
            self.gone(key, leave);
        } else if client.life == Life::Open {
            client.deafen(leave, &self.transcript, now);
        }
    }

    /// Answers a telnet peer's commands; from its first one on its lines end as telnet wants it.
    fn answer_telnet(&mut self, key: usize, answers: Vec<u8>) {
        let head = self.transcript.head();
        let Some(client) = self.clients.get_mut(key) else { return };
        if !client.record.is_telnet() || answers.is_empty() {
            return;
        }
        if client.life == Life::Arriving {
            // It reads from here on at the earliest: what was said before may be forgotten by now.
            client.reading.begin_at(head);
        }
        let line_ends = client.reading.rendering().map(|its| its.line_ends);
        if line_ends != Some(LineEnds::CrLf) {
            let crlf = |its: &mut Rendering| its.line_ends = LineEnds::CrLf;
            client.reading.change_rendering(&self.transcript, crlf);
        }
        client.reading.detour_as_it_is(head, answers);
        self.queue_to_speak(key);
    }

    /// A client's input has ended and every line of it is submitted.
    pub(super) fn end(&mut self, key: usize, now: Instant) {
        self.greet(key, now);
        let Some(client) = self.clients.get_mut(key) else { return };
        if client.life == Life::Open {
            client.life = Life::Closing { until: UNTIL_APPENDED, leave: Leave::Quit };
            self.settling.push(key);
        }
    }

    /// All that was submitted is appended: those who ended get what stands now, and no more.
    fn settle(&mut self, now: Instant) {
        let head = self.transcript.head();
        for key in std::mem::take(&mut self.settling) {
            let Some(client) = self.clients.get(key) else { continue };
            if let Life::Closing { until: UNTIL_APPENDED, leave } = client.life {
                self.close_at(key, head, leave, now);
            }
        }
        if self.stop == Stop::Announced {
            self.close_all(now);
        }
    }

    /// Takes a client off the list of those to be heard. One that is deaf goes, unless it comes
    /// back when its command is carried out, its next line is due or its socket is tried again.
    pub(super) fn dismiss(&mut self, key: usize) {
        if let Some(client) = self.clients.get_mut(key) {
            client.queued_to_listen = false;
            client.record.deficit = 0;
            let its = client.moments();
            let waits = client.asked || its.paused_until.is_some() || its.retry_at.is_some();
            if let (Life::Deaf(leave), false) = (client.life, waits) {
                self.gone(key, leave);
            }
        }
        self.reschedule(key);
    }
}

/// What a text will be charged in the transcript, at most: with the name before it, or what a
/// command may say to all of two names.
fn cost(text: &[u8], kind: Kind, name: &impl Display) -> usize {
    const MARKS_BYTES: usize = 3;
    const COMMAND_BYTES: usize = 3 * NAME_BYTES_MAX;
    match kind {
        Kind::AsItIs | Kind::Answer | Kind::Departure { .. } => charge(text.len()),
        Kind::Line => charge(name.to_string().len() + text.len() + MARKS_BYTES),
        Kind::Command => charge(text.len() + COMMAND_BYTES),
    }
}
