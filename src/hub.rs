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

mod listen;
mod presence;
mod speak;
mod submissions;

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use log::{debug, warn};
use slab::Slab;

use crate::client::{Client, Leave, Life, Socket};
use crate::config::{Config, DOORWAY_MAX, READ_BYTES_MAX};
use crate::deadlines::{Deadlines, Whose};
use crate::notice::{Notice, joined_raw};
use crate::pace::Throttle;
use crate::reading::{Reading, WireForm};
use crate::transcript::{SERVER, Transcript};

use listen::Listeners;
use presence::Presence;
use submissions::Submissions;

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
    per_address: HashMap<IpAddr, usize>,
    /// How many peers are in the doorway, being told why they may not come in.
    refused: usize,
    deadlines: Deadlines,
    /// Those who have something to be heard.
    listeners: Listeners,
    /// Those who lack something and whose socket has just become able to take it.
    ready: VecDeque<usize>,
    /// Where the pass over everyone goes on, while one is unfinished.
    pass: Option<usize>,
    /// Those whose input has ended, until their last line is appended.
    settling: Vec<usize>,
    /// Those with whom something is to be done in `release`.
    leaving: Vec<usize>,
    stop: Stop,
    troubles: Troubles,
    scratch: Box<[u8]>,
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
            presence: Presence::new(config.notice_pace()),
            next_serial: SERVER + 1,
            per_address: HashMap::new(),
            refused: 0,
            deadlines: Deadlines::default(),
            listeners: Listeners::default(),
            ready: VecDeque::new(),
            pass: None,
            settling: Vec::new(),
            leaving: Vec::new(),
            stop: Stop::No,
            troubles: Troubles::default(),
            scratch: vec![0; READ_BYTES_MAX].into(),
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
        self.clients.len() - self.refused
    }

    /// How long the next turn may wait for events.
    pub fn wait(&self) -> Wait {
        if self.is_busy() {
            return Wait::No;
        }
        match self.deadlines.next().into_iter().chain(self.presence.summary_due()).min() {
            Some(at) => Wait::Until(at),
            None => Wait::Forever,
        }
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
        let head = self.transcript.head();
        let Some(client) = self.clients.get_mut(key) else { return };
        client.readable |= readable && !client.ended;
        client.writable |= writable;
        let (readable, behind) = (client.readable, client.is_behind(head));
        match client.life {
            Life::Open | Life::Deaf(_) if readable => self.queue_to_listen(key),
            Life::Draining { .. } if readable => self.queue_to_release(key),
            Life::Open | Life::Deaf(_) | Life::Draining { .. } => {}
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
        let Some(client) = self.clients.get_mut(key).filter(|client| client.serial == serial)
        else {
            return;
        };
        client.alarm = None;
        if client.paused_until.is_some_and(|until| until <= now) {
            client.paused_until = None;
        }
        let idle_for = now.duration_since(client.heard_at);
        let idle = !self.config.idle.is_zero() && idle_for >= self.config.idle && !client.readable;
        let stuck = client.is_stuck(&self.config, now);
        match client.life {
            // Whoever seems stuck is offered once more before it is given up: it may be us who
            // were stopped.
            Life::Open | Life::Closing { .. } if stuck => {
                client.writable = true;
                self.queue_to_speak(key);
            }
            Life::Open if idle => {
                let seconds = self.config.idle.as_secs();
                self.close(key, Leave::Idle, &Notice::Idle { seconds }, now);
            }
            Life::Open => {
                self.queue_to_listen(key);
                self.reschedule(key);
            }
            Life::Draining { leave, .. } => self.gone(key, leave),
            Life::Closing { .. } | Life::Deaf(_) | Life::Gone(_) => self.reschedule(key),
        }
    }

    /// Does with those who leave what is to be done: throws away what the shut down still send,
    /// and hands the sockets of those who are gone to `close`, to be deregistered and closed.
    ///
    /// This is the only place where anyone is freed.
    pub fn release(&mut self, now: Instant, mut close: impl FnMut(S)) {
        for key in std::mem::take(&mut self.leaving) {
            let Some(client) = self.clients.get_mut(key) else { continue };
            client.queued_to_release = false;
            client.discard(&mut self.scratch);
            match client.life {
                Life::Gone(leave) => close(self.free(key, leave, now)),
                Life::Open | Life::Deaf(_) => {}
                Life::Closing { .. } | Life::Draining { .. } => {}
            }
        }
    }

    fn free(&mut self, key: usize, leave: Leave, now: Instant) -> S {
        let client = self.clients.remove(key);
        self.deadlines.change(client.whose(key), client.alarm, None);
        if !client.member {
            self.refused -= 1;
            return client.into_socket();
        }
        if !client.exempt {
            self.forget_address(client.address.ip());
        }
        let name = guest_name(client.serial);
        debug!("{name} ({}) left: {leave}", client.address);
        self.tell_trouble(leave, now);
        if self.stop == Stop::No && !self.config.raw && self.presence.left(now) {
            self.submissions.push(SERVER, &Notice::Left { name: &name }.to_line());
        }
        client.into_socket()
    }

    /// The key that the next one let in will have, for the registration that comes before.
    pub fn next_key(&self) -> usize {
        self.clients.vacant_key()
    }

    /// Lets a newcomer in, or tells it why not. Its socket is registered for [`Hub::next_key`].
    pub fn admit(&mut self, socket: S, address: SocketAddr, now: Instant) {
        let exempt = self.config.is_exempt(address.ip());
        let same_address = self.per_address.get(&network(address.ip())).copied().unwrap_or(0);
        let per_address = self.config.per_address;
        if self.here() >= self.clients_max {
            let notice = Notice::Full { clients_max: self.clients_max };
            self.refuse(socket, address, &notice, now);
        } else if !exempt && per_address > 0 && same_address >= per_address {
            let notice = Notice::TooManyFromAddress { per_address };
            self.refuse(socket, address, &notice, now);
        } else {
            self.welcome(socket, address, exempt, now);
        }
    }

    /// Whether there is room in the doorway for one more to be refused politely.
    pub fn has_doorway(&self) -> bool {
        self.refused < DOORWAY_MAX
    }

    /// What is said to those there is no room for, not even in the doorway: nothing in raw mode.
    pub fn full_line(&self) -> Vec<u8> {
        match self.config.raw {
            true => Vec::new(),
            false => Notice::Full { clients_max: self.clients_max }.to_line(),
        }
    }

    /// Whether one more connection would be refused because everyone is here who may be.
    pub fn is_full(&self) -> bool {
        self.here() >= self.clients_max
    }

    fn welcome(&mut self, socket: S, address: SocketAddr, exempt: bool, now: Instant) {
        let head = self.transcript.head();
        let serial = self.next_serial;
        self.next_serial += 1;
        if !exempt {
            *self.per_address.entry(network(address.ip())).or_default() += 1;
        }
        let reading = Reading::new(head, self.wire_form(serial));
        let mut client = Client::new(socket, address, serial, reading, now);
        client.exempt = exempt;
        let key = self.insert(client);
        let shown = (!self.config.hide_addresses).then_some(address);
        let name = guest_name(serial);
        debug!("{name} ({address}) joined");
        let here = self.here();
        if !self.config.raw {
            self.tell(key, Notice::Welcome { name: &name, address: shown, here }.to_line(), now);
            self.tell_history(key, now);
        }
        if self.presence.joined(now, self.config.raw) {
            match self.config.raw {
                true => self.submissions.push(SERVER, joined_raw(shown).as_bytes()),
                false => {
                    let notice = Notice::Joined { name: &name, address: shown };
                    self.submissions.push(SERVER, &notice.to_line());
                }
            }
        }
        self.reschedule(key);
    }

    fn refuse(&mut self, socket: S, address: SocketAddr, notice: &Notice<'_>, now: Instant) {
        let full = matches!(notice, Notice::Full { .. });
        let troubles = &mut self.troubles;
        let trouble = if full { &mut troubles.full } else { &mut troubles.per_address };
        if let Some(count) = trouble.count(now) {
            warn!("refused {count} connections, the last from {address}: {notice}");
        }
        let reading = Reading::new(self.transcript.head(), WireForm::Plain);
        let mut client = Client::new(socket, address, self.next_serial, reading, now);
        self.next_serial += 1;
        client.member = false;
        self.refused += 1;
        let key = self.insert(client);
        self.close(key, Leave::Refused, notice, now);
    }

    fn insert(&mut self, client: Client<S>) -> usize {
        let key = self.clients.insert(client);
        self.keys_end = self.keys_end.max(key + 1);
        key
    }

    fn wire_form(&self, serial: u64) -> WireForm {
        match self.config.no_echo {
            true => WireForm::Rendered { without: Some(serial), line_feeds: false },
            false => WireForm::Plain,
        }
    }

    fn tell_history(&mut self, key: usize, now: Instant) {
        let head = self.transcript.head();
        let start = self.transcript.newest(self.config.history, self.config.history_bytes);
        if start == head {
            return;
        }
        let (first, second) = self.transcript.bytes(start, head);
        let (before, after) = (Notice::History.to_line(), Notice::Now.to_line());
        self.tell(key, [&before, first, second, &after].concat(), now);
    }

    /// Gives a client what only it is to see, at the head of this moment.
    fn tell(&mut self, key: usize, text: Vec<u8>, now: Instant) {
        let head = self.transcript.head();
        let Some(client) = self.clients.get_mut(key) else { return };
        client.reading.detour(head, text);
        let bytes_max = 2 * self.config.max_private;
        if client.reading.private_bytes() > bytes_max && client.life == Life::Open {
            self.close(key, Leave::TooManyReplies, &Notice::TooManyReplies { bytes_max }, now);
        }
        self.queue_to_speak(key);
    }

    /// Stops reading a client and says why; it is closed when it has that and all before it.
    fn close(&mut self, key: usize, leave: Leave, notice: &Notice<'_>, now: Instant) {
        let head = self.transcript.head();
        let Some(client) = self.clients.get_mut(key) else { return };
        if !self.config.raw {
            client.reading.detour(head, notice.to_line());
        }
        self.close_at(key, head, leave, now);
    }

    /// Stops reading a client; it is closed when it has all that was said before `until`, or at once
    /// if it cannot be given anything.
    fn close_at(&mut self, key: usize, until: u64, leave: Leave, now: Instant) {
        let Some(client) = self.clients.get_mut(key) else { return };
        if let Life::Deaf(leave) = client.life {
            self.gone(key, leave);
            return;
        }
        client.life = Life::Closing { until, leave };
        client.stalled_since = Some(now);
        self.queue_to_speak(key);
        self.reschedule(key);
    }

    /// Gives a client up; it is freed in `release`.
    fn gone(&mut self, key: usize, leave: Leave) {
        let Some(client) = self.clients.get_mut(key) else { return };
        client.life = Life::Gone(leave);
        self.reschedule(key);
        self.queue_to_release(key);
    }

    /// Begins the stop: nobody is read or admitted any more; everyone gets all that was said and a
    /// last line. Go on making turns until [`Hub::connections`] is 0, or call [`Hub::abandon`].
    pub fn stop(&mut self) {
        if self.stop != Stop::No {
            return;
        }
        self.stop = Stop::Announced;
        if let Some(summary) = self.presence.take_untold(self.here()) {
            self.submissions.push(SERVER, &summary.to_line());
        }
        if !self.config.raw {
            self.submissions.push(SERVER, &Notice::Stopping.to_line());
        }
    }

    /// Gives up everyone who is still there; `release` hands their sockets out, to be reset.
    pub fn abandon(&mut self) {
        let keys: Vec<usize> = self.clients.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.gone(key, Leave::TooSlow);
        }
    }

    /// Closes everyone once the last line is appended.
    fn close_all(&mut self, now: Instant) {
        self.stop = Stop::LastLineSaid;
        let head = self.transcript.head();
        let heard = self.clients.iter().filter(|(_, client)| client.is_heard());
        let heard: Vec<usize> = heard.map(|(key, _)| key).collect();
        for key in heard {
            self.close_at(key, head, Leave::Stopping, now);
        }
        while let Some(key) = self.listeners.next() {
            self.dismiss(key);
        }
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
        self.deadlines.change(client.whose(key), client.alarm, next);
        client.alarm = next;
    }

    fn forget_address(&mut self, address: IpAddr) {
        let network = network(address);
        if let Some(count) = self.per_address.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&network);
            }
        }
    }

    fn tell_trouble(&mut self, leave: Leave, now: Instant) {
        match leave {
            Leave::TooSlow | Leave::Lapsed | Leave::TooManyReplies => {
                if let Some(count) = self.troubles.too_slow.count(now) {
                    warn!("gave up {count} clients, the last because it was {leave}");
                }
            }
            Leave::Quit | Leave::Lost(_) | Leave::Endless | Leave::Idle => {}
            Leave::Refused | Leave::Stopping => {}
        }
    }
}

/// What a client is called as long as it has given itself no name.
fn guest_name(serial: u64) -> String {
    format!("guest{serial}")
}

/// Whom `--per-address` counts together: one IPv4 address, or one IPv6 network of 64 bits, which is
/// what one household or machine is given.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        address => address,
    }
}
