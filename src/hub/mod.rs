//! All connected clients, and what passes between them.
//!
//! The hub is the middle of a turn, with one verb for each step. Call them in this order:
//! [`Hub::note`] for every event and [`Hub::note_time`] once, then [`Hub::listen`],
//! [`Hub::release`], [`Hub::admit`] for every new client, and [`Hub::speak`].
//!
//! - `note` reads, writes, frees and accepts nothing. Only `release` frees a client, and only
//!   `admit` adds one. So no event can reach the next client in a slab slot.
//! - `listen` only submits, `speak` appends. A new client's place is the head at `admit`, between
//!   the two. So a client whose `connect()` returned before a line was sent gets that line.
//! - What a client's socket does never touches another client.
//! - Whatever happens to a client, the hub files it once when that is done: see [`agenda`].
//!
//! It is generic over the socket, and takes `now` as a parameter, so the same code runs in a
//! simulation. It never knows mio, the clock or the process.
//!
//! # How it works
//!
//! One thread does everything, so there is no lock, and each verb runs to its end. No verb may
//! wait. A client that cannot go on stays as it is. Its own state says what it waits for, and an
//! event or a deadline brings it back.
//!
//! A line goes through three hands. *Listen* puts it into the submissions of its room. *Speak*
//! appends it, once, to the transcript there. A pass then offers each reader what stands between
//! its position and the head. Nothing is copied for a reader, so a pass costs its system calls and
//! little else.
//!
//! Whatever needs a place in the order goes the same way: commands, answers, departures. So a reply
//! stands between the lines around its question. A name that a client gives up by leaving is free
//! for others only behind its last line. There is a second reason for two steps: in a cluster, the
//! stream that all servers share stands between them.
//!
//! A client has one [`Life`], and `Hub::enter` alone changes it. Each life owes something when it
//! ends: a count, a notice, a clock. Before there was one such function, five files paid these
//! debts, and each could forget one.
//!
//! Nothing is removed in the middle of a verb. A client that is over is `Gone`, and stays in the
//! table until *release*. So no function has to ask whether its client survived the call before.

pub mod addresses;
pub mod admit;
pub mod agenda;
pub mod bans;
pub mod client;
pub mod clients;
pub mod deadlines;

mod across;
mod append;
mod counts;
mod doorway;
mod host;
mod keeping;
mod leave;
mod listen;
pub mod moderation;
mod moving;
mod obey;
mod operate;
mod order;
mod refusing;
pub mod rooms;
mod rounds;
mod serve;
mod share;
mod spare;
mod speak;
mod submit;
mod tail_and_say;

use std::collections::HashMap;
use std::time::Instant;

use log::{debug, warn};

use crate::config::{Config, READ_BYTES_MAX};
use crate::pace::Throttle;
use crate::room::forms::Form;
use crate::room::pages::Pages;
use crate::room::transcript::Transcript;
use crate::room::{ClientId, LOBBY, Room, RoomId};
use crate::wire::web::origin::Hosts;
use crate::words::names::{Name, Names};
use crate::words::notice::{Notice, Whence};

pub use counts::Counts;

use addresses::Addresses;
use agenda::Agenda;
use client::{Leave, Life, Socket};
use clients::Clients;
use keeping::Unlogged;
use moderation::Moderation;
use refusing::Refused;
use rooms::Rooms;
use share::Shared;

/// Everyone, and the rooms in which they talk.
#[derive(Debug)]
pub struct Hub<S> {
    config: Config,
    gate: Gate,
    clients: Clients<S>,
    rooms: Rooms,
    /// What the windows of all rooms take.
    pages: Pages,
    agenda: Agenda,
    unlogged: Unlogged,
    names: Names,
    moderation: Moderation,
    stop: Stop,
    troubles: Troubles,
    counts: Counts,
    /// How browsers may call this server.
    hosts: Hosts,
    /// Which run of the server this is: a page that comes back to another run has nothing to come
    /// back to.
    epoch: u64,
    scratch: Scratch,
    /// What it has more as a node of a cluster.
    shared: Option<Box<Shared>>,
}

/// Which newcomers may come in.
///
/// It is apart from the table of clients, because a refused connection also stands in that table
/// until it has read why.
#[derive(Debug)]
struct Gate {
    clients_max: usize,
    addresses: Addresses,
    /// By serial, why each connection may not come in that is being told so; `None` once it is
    /// told.
    refused: HashMap<u64, Option<Refused>>,
}

/// Room for what is read once and for one line of it, so that neither costs an allocation.
///
/// One is enough for all clients, because a decoder copies what it has to keep. A buffer for each
/// would be 16 KiB a client.
#[derive(Debug)]
struct Scratch {
    read: Box<[u8]>,
    /// The line that is being read, safe to show.
    safe: String,
}

/// How far a stop has gone.
///
/// It has three steps, because the last line must be the last. What waits in one room may be a
/// command whose answer goes to another. So the last line is submitted when nothing waits in any
/// room. Only once it is appended is there a position up to which each client is to be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    No,
    /// Nothing is read any more, and what was submitted is appended.
    Begun,
    /// The last line is submitted.
    Announced,
    /// The last line is appended: all clients are served up to it.
    LastLineSaid,
}

/// How often the log has told each trouble. They are apart, since a flood of one would hide the
/// others.
#[derive(Debug, Default)]
struct Troubles {
    full: Throttle,
    per_address: Throttle,
    kept_out: Throttle,
    no_header: Throttle,
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
    pub fn new(config: Config, clients_max: usize, now: Instant) -> Hub<S> {
        let gate =
            Gate { clients_max, addresses: Addresses::new(clients_max), refused: HashMap::new() };
        let scratch = Scratch { read: vec![0; 1 + READ_BYTES_MAX].into(), safe: String::new() };
        // No bound yet but that of each window.
        let mut pages = Pages::new(config.windows_bytes_max());
        Hub {
            gate,
            clients: Clients::default(),
            rooms: Rooms::new(&config, &mut pages, now),
            pages,
            agenda: Agenda::default(),
            unlogged: Unlogged::default(),
            names: Names::default(),
            moderation: Moderation::default(),
            stop: Stop::No,
            troubles: Troubles::default(),
            counts: Counts::default(),
            hosts: Hosts::new("", &config.host),
            epoch: 0,
            scratch,
            shared: None,
            config,
        }
    }

    /// What has been said in the lobby.
    pub fn transcript(&self) -> &Transcript {
        self.rooms[LOBBY].forms.plain()
    }

    /// The same in a form that has a reader.
    pub fn transcript_in(&self, form: Form) -> &Transcript {
        self.rooms[LOBBY].forms.of(form)
    }

    /// The pages of all windows.
    pub fn pages(&self) -> &Pages {
        &self.pages
    }

    /// Notes how far what is said in a room was printed for the operator, in which form; `None` if
    /// nothing is. What that lacks is kept. To be called before [`Hub::speak`], which may forget.
    pub fn note_printed(&mut self, room: RoomId, printed: Option<(Form, u64)>) {
        self.rooms[room].printed = printed;
    }

    /// The id of the room that has this name.
    pub fn find_room(&self, name: &str) -> Option<RoomId> {
        self.rooms.find(name)
    }

    /// The position below which the operator's reading of this form in the lobby must lapse now,
    /// before more is said: the next turn must fit beside what it lacks when that is said, and
    /// another one when the pass after it ends.
    pub fn endangered_below(&self, form: Form) -> u64 {
        let below = self.transcript_in(form).endangered_below(2 * self.config.turn_bytes_max());
        below.max(self.rooms[LOBBY].printed_below)
    }

    /// The room of this name, which is there for as long as the server; the lobby if the name looks
    /// like that of another room.
    pub fn open_room(&mut self, name: &Name, now: Instant) -> RoomId {
        let found = self.rooms.find(name.as_str());
        found.unwrap_or_else(|| {
            let opened = self.rooms.open(name.clone(), None, &self.config, &mut self.pages, now);
            opened.unwrap_or_else(|_| {
                warn!(
                    "room {} looks like another room: its clients stand in the lobby",
                    name.as_str()
                );
                LOBBY
            })
        })
    }

    /// The room that has this name.
    pub fn room(&self, name: &str) -> Option<&Room> {
        self.rooms.find(name).map(|id| &self.rooms[id])
    }

    /// What the room is called that the client with this key reads, and whether it is on its way to
    /// another.
    pub fn place(&self, key: usize) -> Option<(String, bool)> {
        let client = &self.clients[self.clients.at(key)?];
        Some((self.rooms.name(client.room), client.life() == Life::Moving))
    }

    /// How many rooms there are.
    pub fn rooms(&self) -> usize {
        self.rooms.count()
    }

    /// How many connections there are, including the closing and refused ones.
    pub fn connections(&self) -> usize {
        self.clients.count()
    }

    /// How many are in a conversation.
    pub fn here(&self) -> usize {
        self.clients.here()
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How long the next turn may wait for events.
    pub fn wait(&self) -> Wait {
        if self.is_busy() {
            return Wait::No;
        }
        let bus = self.shared.as_ref().and_then(|shared| shared.bus.next_deadline());
        [self.agenda.next_moment(), bus]
            .into_iter()
            .flatten()
            .min()
            .map_or(Wait::Forever, Wait::Until)
    }

    /// Whether a client's deadline has come. Look at its events once more before
    /// [`Hub::note_time`]: what it did meanwhile counts.
    pub fn is_due(&self, now: Instant) -> bool {
        self.agenda.next_client_moment().is_some_and(|at| at <= now)
    }

    /// Whether there is work that waits for nothing but the next turn.
    pub fn is_busy(&self) -> bool {
        // The turns that submit the last line, and that find it appended, must come, even if no
        // client does anything.
        let is_stopping = matches!(self.stop, Stop::Begun | Stop::Announced);
        let is_held = self.is_order_held();
        let is_shared_busy = self.shared.as_ref().is_some_and(|shared| shared.is_busy(is_held));
        self.agenda.is_busy(!self.is_held_by_bus())
            || is_stopping && self.is_published()
            || is_shared_busy
    }

    /// Notes that a client's socket can be read or written. An event for a key without a client, or
    /// a needless one, does no harm.
    pub fn note(&mut self, key: usize, readable: bool, writable: bool, now: Instant) {
        let Some(id) = self.clients.at(key) else { return };
        self.clients[id].note(readable, writable);
        self.file(id, now);
    }

    /// Notes the time: each client whose deadline has come is welcomed, closed, dropped, or looked
    /// at in this turn. It reads, writes, frees and accepts nothing.
    pub fn note_time(&mut self, now: Instant) {
        for id in self.agenda.take_due(now) {
            self.note_deadline(id, now);
            self.file(id, now);
        }
        while let Some((id, at)) = self.agenda.next_arrival(now) {
            self.note_arrival(id, at, now);
            self.file(id, now);
        }
        // Rooms come last: a summary that is due also counts the clients that were welcomed just
        // now.
        for id in self.agenda.take_due_rooms(now) {
            if let Some(summary) = self.rooms[id].take_summary(now) {
                self.submit_notice(id, &self.config.voice().line(&summary));
            }
            self.agenda.file_room(id, &mut self.rooms[id], now);
        }
    }

    fn note_deadline(&mut self, id: ClientId, now: Instant) {
        let client = &mut self.clients[id];
        // First the waits that end by themselves, so that the lives below judge what is left.
        client.note_time(now);
        let its = client.moments();
        match client.life() {
            // A client that seems stuck gets one more offer before it is dropped: this process may
            // have been suspended itself.
            _ if client.is_stuck(&self.config, now) => client.note(false, true),
            Life::Arriving => self.note_newcomer(id, now),
            Life::Member if client.is_late(now) => self.end_late_say(id, now),
            // `is_idle` asks for input too. A client that has sent something by now is not idle,
            // though it was not read yet.
            Life::Member if client.is_idle(&self.config, now) => {
                let seconds = self.config.idle.as_secs();
                self.close(id, Leave::Idle, &Notice::Idle { seconds }, now);
            }
            Life::Deaf(leave) if client.is_past_reading(&self.config, now) => {
                self.enter(id, Life::Gone(leave), now);
            }
            Life::Draining(leave) if its.drain_until.is_some_and(|until| until <= now) => {
                if leave.ends_by_reset() {
                    // It stays although our side has ended, as nc does: only a reset ends that.
                    client.socket.reset_on_close_if_received();
                }
                self.enter(id, Life::Gone(leave), now);
            }
            // A pause is over, a chunk has become a line, or a socket may be tried again. Filing
            // sees that.
            _ => {}
        }
    }

    /// Enters another life of a client, and does what leaving the old one owes.
    ///
    /// It does not file the client: the caller has often more to do with it, and files it once at
    /// the end.
    fn enter(&mut self, id: ClientId, life: Life, now: Instant) {
        let client = &mut self.clients[id];
        let before = client.enter(life);
        if before == Life::Arriving {
            // It waits for no first words any more. An arrival that stayed in the agenda would come
            // up when its client may be gone.
            client.change_moments(|its| {
                (its.greet_at, its.entrance, its.wait_until) = (None, None, None);
                its.spare_until = None;
            });
            self.agenda.remove_arrival(id);
            // Only the log learns of it: no client was told that it came, so none is told that it
            // left.
            if let Some(leave) = life.leave() {
                debug!("{} left: {leave}", Whence(client.record.address()));
            }
        }
        if matches!(life, Life::Deaf(_) | Life::Closing(_)) {
            // It has the whole time of `--flush` from here. With an older moment, a client that was
            // merely slow would be dropped before it is offered its last line.
            client.change_moments(|its| its.stalled_since = Some(now));
        }
        if matches!(life, Life::Deaf(_)) {
            // It is offered nothing any more, so no pass looks after its place. It lets go of the
            // window: else a late command of it, such as `/echo off`, would look at lines that are
            // forgotten.
            client.reading.lapse(self.rooms[client.room].forms.of(client.form));
        }
        // Last, because `depart` asks the new life for the reason. A closing client has departed
        // already, though its last bytes may take a while: others need not wait for that to read
        // that it left.
        if before.is_here() && !life.is_here() {
            self.depart(id, before, now);
        }
    }

    /// Files a client, after everything that happens to it at this moment.
    ///
    /// A deaf client that has nothing more to say ends here, because every handling of a client
    /// ends with this call, whatever the client waited for last.
    fn file(&mut self, id: ClientId, now: Instant) {
        let client = &self.clients[id];
        if let Life::Deaf(leave) = client.life()
            && client.is_spent(&self.config, now)
        {
            self.enter(id, Life::Gone(leave), now);
        }
        let client = &mut self.clients[id];
        let room = &mut self.rooms[client.room];
        self.agenda.file(id, client, room, &self.config, now);
    }

    /// Sends a notice to one client, at the head of this moment.
    fn tell(&mut self, id: ClientId, notice: &Notice<'_>, now: Instant) {
        self.tell_lines(id, self.config.voice().line(notice), now);
    }

    /// Sends lines to one client, at the head of this moment.
    fn tell_lines(&mut self, id: ClientId, lines: Vec<u8>, now: Instant) {
        self.tell_lines_at(id, self.head(id), lines, now);
    }

    /// The same at this position, behind all that it alone got there.
    fn tell_lines_at(&mut self, id: ClientId, at: u64, lines: Vec<u8>, now: Instant) {
        let lines = self.clients[id].form.render(lines);
        self.tell_rendered_at(id, at, lines, now);
    }

    /// The same with lines that are in the form which the client reads.
    fn tell_rendered_at(&mut self, id: ClientId, at: u64, lines: Vec<u8>, now: Instant) {
        let client = &mut self.clients[id];
        // Any other life is offered nothing, or has an end: words at the head would stand behind
        // that, and keep it from ever being flushed.
        if client.life() != Life::Member || lines.is_empty() {
            return;
        }
        client.reading.detour(at, lines);
        // From half of this on, a client is not read, so it cannot ask for more. But it can be told
        // things unasked, and that must have a bound too.
        let bytes_max = 2 * self.config.max_private;
        if client.reading.reply_bytes() > bytes_max {
            self.close(id, Leave::TooManyReplies, &Notice::TooManyReplies { bytes_max }, now);
        }
    }

    /// The room of a client.
    fn room_of(&self, id: ClientId) -> &Room {
        &self.rooms[self.clients[id].room]
    }

    /// The position behind all that a client is to get, in the form that it reads.
    fn head(&self, id: ClientId) -> u64 {
        let client = &self.clients[id];
        client.end(self.rooms[client.room].forms.of(client.form).head())
    }
}
