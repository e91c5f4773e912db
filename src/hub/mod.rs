//! Everyone who is connected, and what passes between them.
//!
//! The hub is the middle four steps of a turn, one verb each, to be called in this order:
//! [`Hub::note`] for every event and [`Hub::note_time`] once, then [`Hub::listen`], [`Hub::speak`],
//! [`Hub::release`], and last [`Hub::admit`] for every newcomer. Nothing is read or written in
//! `note`, nobody is freed but in `release`, nobody comes in but by `admit`: so no event can reach
//! the next tenant of a slab slot. What a client's socket does never touches another client.
//!
//! It is generic over the socket, and `now` is handed in: the same code runs in a simulation. It
//! never knows mio, the clock or the process.

pub mod addresses;
pub mod client;
pub mod deadlines;

mod admit;
mod append;
mod leave;
mod listen;
mod obey;
mod speak;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use slab::Slab;

use crate::bus::queue::Submissions;
use crate::config::{Config, READ_BYTES_MAX};
use crate::hub::addresses::Addresses;
use crate::hub::client::{Client, Leave, Life, Socket};
use crate::hub::deadlines::{Deadlines, Whose};
use crate::pace::Throttle;
use crate::room::presence::Presence;
use crate::room::transcript::{SERVER, Transcript};
use crate::words::names::Names;
use crate::words::notice::Notice;

use listen::Listeners;

/// Everyone, and the one conversation they are in.
#[derive(Debug)]
pub struct Hub<S> {
    config: Config,
    clients_max: usize,
    clients: Slab<Client<S>>,
    /// No key is as large as this.
    keys_end: usize,
    transcript: Transcript,
    submissions: Submissions,
    presence: Presence,
    next_serial: u64,
    /// Where in the table those are who have been greeted, by their serials.
    members: BTreeMap<u64, u32>,
    names: Names,
    addresses: Addresses,
    /// How many peers are in the doorway, being told why they may not come in.
    refused: usize,
    deadlines: Deadlines,
    /// Those who have something to be heard.
    listeners: Listeners,
    /// Those who lack something and whose socket has just become able to take it.
    ready: VecDeque<usize>,
    /// Where the pass over everyone goes on, while one is unfinished.
    pass: Option<usize>,
    looks: u64,
    /// Those whose input has ended, until their last line is appended.
    settling: Vec<usize>,
    /// Those with whom something is to be done in `release`.
    leaving: Vec<usize>,
    stop: Stop,
    /// Events have been noted and nothing has been done about them yet: nobody may come in now.
    noting: bool,
    troubles: Troubles,
    /// How many lines clients were told that they missed, all together.
    missed: u64,
    scratch: Box<[u8]>,
    /// The line that is being heard, safe to show.
    safe: String,
}

/// How far a stop has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    No,
    /// The last line is submitted.
    Announced,
    /// The last line is appended: everyone is served up to it.
    LastLineSaid,
}

#[derive(Debug, Default)]
struct Troubles {
    full: Throttle,
    per_address: Throttle,
    too_slow: Throttle,
}

/// How long the loop may wait before the next turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all: there is work.
    No,
    /// Until this instant, unless something happens.
    Until(Instant),
    /// Until something happens.
    Forever,
}

impl<S: Socket> Hub<S> {
    /// A hub without anyone in it, for at most `clients_max` at once.
    pub fn new(config: Config, clients_max: usize) -> Hub<S> {
        Hub {
            clients_max,
            clients: Slab::new(),
            keys_end: 0,
            transcript: Transcript::new(config.window),
            submissions: Submissions::default(),
            presence: Presence::new(config.notice_pace(), config.summary),
            next_serial: SERVER + 1,
            members: BTreeMap::new(),
            names: Names::default(),
            addresses: Addresses::new(clients_max),
            refused: 0,
            deadlines: Deadlines::default(),
            listeners: Listeners::default(),
            ready: VecDeque::new(),
            pass: None,
            looks: 0,
            settling: Vec::new(),
            leaving: Vec::new(),
            stop: Stop::No,
            noting: false,
            troubles: Troubles::default(),
            missed: 0,
            scratch: vec![0; READ_BYTES_MAX].into(),
            safe: String::new(),
            config,
        }
    }

    /// What has been said.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// The position below which a reader who takes nothing must lapse now, before more is said.
    pub fn endangered_below(&self) -> u64 {
        self.transcript.endangered_below(2 * self.config.turn_bytes_max())
    }

    /// How many connections there are, those that are being closed or refused included.
    pub fn connections(&self) -> usize {
        self.clients.len()
    }

    /// How many are in the conversation.
    pub fn here(&self) -> usize {
        self.members.len()
    }

    /// How many lines clients were told that they missed, all together.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// How long the next turn may wait for events.
    pub fn wait(&self) -> Wait {
        if self.is_busy() {
            return Wait::No;
        }
        let next = [self.deadlines.next(), self.presence.summary_due()];
        match next.into_iter().flatten().min() {
            Some(at) => Wait::Until(at),
            None => Wait::Forever,
        }
    }

    /// Whether a client's deadline has come. Look at its events once more before
    /// [`Hub::note_time`]: what it did meanwhile counts.
    pub fn is_due(&self, now: Instant) -> bool {
        self.deadlines.next().is_some_and(|at| at <= now)
    }

    /// How many places of the table passes have looked at so far: what they cost beside their
    /// writes.
    pub fn looks(&self) -> u64 {
        self.looks
    }

    /// Whether there is work that waits for nothing but the next turn.
    pub fn is_busy(&self) -> bool {
        self.pass.is_some()
            || !self.ready.is_empty()
            || !self.listeners.is_empty()
            || !self.submissions.is_empty()
            || !self.settling.is_empty()
            || !self.leaving.is_empty()
            || self.stop == Stop::Announced
    }

    /// Notes that a client's socket may be read or written. An event for a key that nobody has, or
    /// a needless one, does no harm.
    pub fn note(&mut self, key: usize, readable: bool, writable: bool) {
        self.noting = true;
        let head = self.transcript.head();
        let Some(client) = self.clients.get_mut(key) else { return };
        client.readable |= readable && !client.ended;
        client.writable |= writable;
        let (client_readable, behind) = (client.readable, client.is_behind(head));
        match client.life {
            Life::Arriving | Life::Open | Life::Deaf(_) if client_readable => {
                self.queue_to_listen(key);
            }
            Life::Draining(_) if readable => self.queue_to_release(key),
            Life::Arriving | Life::Open | Life::Deaf(_) | Life::Draining(_) => {}
            Life::Closing { .. } | Life::Gone(_) => {}
        }
        if writable && behind {
            self.queue_to_speak(key);
        }
    }

    /// Notes what time it is: whoever is due is queued to be heard, spoken to or released.
    pub fn note_time(&mut self, now: Instant) {
        let mut due = Vec::new();
        while let Some(whose) = self.deadlines.take_due(now) {
            due.push(whose);
        }
        for whose in due {
            self.note_deadline(whose, now);
        }
    }

    fn note_deadline(&mut self, Whose { serial, key }: Whose, now: Instant) {
        let Some(client) =
            self.clients.get_mut(key).filter(|client| client.record.serial == serial)
        else {
            return;
        };
        client.note_time(now);
        let idle_for = now.duration_since(client.record.heard_at);
        let idle = !self.config.idle.is_zero() && idle_for >= self.config.idle && !client.readable;
        let stuck = client.is_stuck(&self.config, now);
        match client.life {
            // Whoever seems stuck is offered once more before it is given up: it may be us who
            // were stopped.
            Life::Open | Life::Closing { .. } if stuck => {
                client.writable = true;
                self.queue_to_speak(key);
            }
            // One whose first words are there but not read is heard first.
            Life::Arriving if client.greeting_due(&self.config).is_some_and(|at| at <= now) => {
                let heard_nothing = Some(client.record.heard_at + self.config.greeting);
                let is_unheard = client.readable && client.moments().greet_at == heard_nothing;
                if is_unheard {
                    self.queue_to_listen(key);
                    self.reschedule(key);
                } else {
                    self.greet(key, now);
                }
            }
            Life::Open if idle => {
                let seconds = self.config.idle.as_secs();
                self.close(key, Leave::Idle, &Notice::Idle { seconds }, now);
            }
            Life::Deaf(leave) if client.is_past_hearing(&self.config, now) => self.gone(key, leave),
            Life::Arriving | Life::Open | Life::Deaf(_) => {
                self.queue_to_listen(key);
                self.queue_to_speak(key);
                self.reschedule(key);
            }
            Life::Draining(leave) => self.gone(key, leave),
            Life::Closing { .. } => {
                self.queue_to_speak(key);
                self.reschedule(key);
            }
            Life::Gone(_) => self.reschedule(key),
        }
    }

    /// Gives a client a notice that only it is to see, at the head of this moment.
    fn tell(&mut self, key: usize, notice: &Notice<'_>, now: Instant) {
        self.tell_lines(key, notice.to_line(self.config.lang()), now);
    }

    /// Gives a client lines that only it is to see, at the head of this moment.
    fn tell_lines(&mut self, key: usize, lines: Vec<u8>, now: Instant) {
        let head = self.transcript.head();
        let Some(client) = self.clients.get_mut(key).filter(|client| client.life == Life::Open)
        else {
            return;
        };
        client.reading.detour(head, lines);
        let bytes_max = 2 * self.config.max_private;
        if client.reading.reply_bytes() > bytes_max {
            self.close(key, Leave::TooManyReplies, &Notice::TooManyReplies { bytes_max }, now);
        }
        self.queue_to_speak(key);
    }

    fn queue_to_listen(&mut self, key: usize) {
        let Some(client) = self.clients.get_mut(key) else { return };
        if !client.queued_to_listen && client.may_be_heard(&self.config) {
            client.queued_to_listen = true;
            self.listeners.add(key);
        }
    }

    fn queue_to_speak(&mut self, key: usize) {
        let Some(client) = self.clients.get_mut(key) else { return };
        if !client.queued_to_speak && client.writable {
            client.queued_to_speak = true;
            self.ready.push_back(key);
        }
    }

    fn queue_to_release(&mut self, key: usize) {
        let Some(client) = self.clients.get_mut(key) else { return };
        if !client.queued_to_release {
            client.queued_to_release = true;
            self.leaving.push(key);
        }
    }

    /// Puts a client's next deadline into the set. To be called after everything that may move it.
    fn reschedule(&mut self, key: usize) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let next = client.next_deadline(&self.config);
        let alarm = client.moments().alarm;
        if alarm != next {
            self.deadlines.change(client.whose(key), alarm, next);
            client.change_moments(|its| its.alarm = next);
        }
    }
}
