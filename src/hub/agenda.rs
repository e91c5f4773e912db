//! Which client and which room is served next, and why: the one clerk of the hub.
//!
//! A client is in a queue because of its own state, not because some caller put it there. A caller
//! that forgets would be a client that hangs, in one of many paths. So whatever happens to a
//! client, the hub calls [`Agenda::file`] once when it is done with it. `file` looks at the client
//! alone and derives: has it something to say, does it lack something that it can take, is there
//! something to do in *release*, what is its next deadline? The same is true of a room, and
//! [`Agenda::file_room`]. The verbs `next_*` and `take_*` hand out what is due.
//!
//! - *Talking* are the rooms in which a client has something to be read. They take turns, and so
//!   do the clients in each: see [`turns`](crate::room::turns).
//! - *Submitted* are the rooms in which something waits to be appended.
//! - *Passing* are the rooms in which a pass offers every reader what it lacks. They take turns.
//! - *Ready* are clients whose socket can take what they lack; they are served before the passes.
//! - *Ending* are clients whose input is over, until their last line is appended.
//! - *Leaving* are looked at in *release*, the only place where a client or a room is freed.
//! - *Arrivals* are not welcomed yet. They come as they are accepted, and most are welcomed at the
//!   same time after that, so the first of them is the next. One that has to wait for longer stands
//!   among the deadlines.
//!
//! A queue holds ids. The id of a client that has gone finds no client. This file knows no socket,
//! no clock and no text.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use super::client::{Client, Socket};
use super::deadlines::Deadlines;
use crate::config::Config;
use crate::room::queues::Queues;
use crate::room::turns::Turns;
use crate::room::{ClientId, Room, RoomId};

/// The queues and the deadlines.
#[derive(Debug, Default)]
pub struct Agenda {
    /// The rooms in which a client has something to be read. One that is taken out is to be given
    /// back, or filed.
    pub talking: Turns<RoomId>,
    submitted: Vec<RoomId>,
    passing: VecDeque<RoomId>,
    silent: Vec<RoomId>,
    ready: VecDeque<ClientId>,
    leaving: Vec<ClientId>,
    ending: Vec<ClientId>,
    /// By serial: the moment of the welcome, and the key.
    arrivals: BTreeMap<u64, (Instant, usize)>,
    deadlines: Deadlines<ClientId>,
    room_deadlines: Deadlines<RoomId>,
}

impl Agenda {
    /// Derives where a client stands now. To be called once, when all is done with it that is to be
    /// done at this moment.
    pub fn file<S: Socket>(
        &mut self,
        id: ClientId,
        client: &mut Client<S>,
        room: &mut Room,
        config: &Config,
        now: Instant,
    ) {
        let head = room.forms.of(client.form).head();
        // A client that is in a queue already keeps its place there, and is never taken out of the
        // middle. Whatever takes it out at the front looks at it again, and may find that there is
        // nothing to do. That is cheaper than a search, and filing costs the same for any number of
        // clients.
        let new = client.wants(head, config, now).without(client.queues);
        if new.has(Queues::TALKING) {
            // A room talks because one of its clients does, so this is the moment at which it may
            // become one.
            room.turns.add(id);
            self.file_room(client.room, room, now);
        }
        if new.has(Queues::READY) {
            self.ready.push_back(id);
        }
        if new.has(Queues::LEAVING) {
            self.leaving.push(id);
        }
        if new.has(Queues::ENDING) {
            self.ending.push(id);
        }
        let timed = self.deadlines.file(id, client.queues, client.next_deadline(config));
        client.queues = (client.queues | new).without(Queues::TIMED) | timed;
    }

    /// Derives where a room stands now. To be called when all is done in it that is to be done at
    /// this moment.
    pub fn file_room(&mut self, id: RoomId, room: &mut Room, now: Instant) {
        // During a pass a room wants nothing but the pass: see `Room::wants`.
        let new = room.wants(now).without(room.queues);
        if new.has(Queues::TALKING) {
            self.talking.add(id);
        }
        if new.has(Queues::SUBMITTED) {
            self.submitted.push(id);
        }
        if new.has(Queues::PASSING) {
            self.passing.push_back(id);
        }
        if new.has(Queues::LEAVING) {
            self.silent.push(id);
        }
        let timed = self.room_deadlines.file(id, room.queues, room.next_deadline());
        room.queues = (room.queues | new).without(Queues::TIMED) | timed;
    }

    /// Something is submitted in a room, though it may have to wait for more: look at it again.
    pub fn submitted(&mut self, id: RoomId, room: &mut Room) {
        if room.pass.is_none() && !room.queues.has(Queues::SUBMITTED) {
            room.queues = room.queues | Queues::SUBMITTED;
            self.submitted.push(id);
        }
    }

    /// A client is freed. It is no arrival by then.
    pub fn forget(&mut self, id: ClientId) {
        debug_assert!(!self.arrivals.contains_key(&id.serial));
        self.deadlines.change(id, None);
    }

    /// A room is no more.
    pub fn forget_room(&mut self, id: RoomId) {
        self.room_deadlines.change(id, None);
    }

    /// Whether there is work that waits for nothing but the next turn. Clients are read only if
    /// they may be.
    pub fn is_busy(&self, may_listen: bool) -> bool {
        may_listen && self.talking.count() > 0
            || !self.submitted.is_empty()
            || !self.passing.is_empty()
            || !self.ready.is_empty()
            || !self.silent.is_empty()
            || self.is_making_room()
    }

    /// Whether a client is about to leave, so that its place may be free next turn.
    pub fn is_making_room(&self) -> bool {
        !self.ending.is_empty() || !self.leaving.is_empty()
    }

    /// The earliest moment at which a client has to be looked at.
    pub fn next_client_moment(&self) -> Option<Instant> {
        let welcome = self.arrivals.first_key_value().map(|(_, (at, _))| *at);
        [self.deadlines.next(), welcome].into_iter().flatten().min()
    }

    /// The earliest moment at which anything has to be looked at.
    pub fn next_moment(&self) -> Option<Instant> {
        [self.next_client_moment(), self.room_deadlines.next()].into_iter().flatten().min()
    }

    /// A client has nothing more to be read now. File it.
    pub fn dismiss<S>(&mut self, client: &mut Client<S>) {
        client.queues.leave(Queues::TALKING);
    }

    /// No client in a room has anything more to be read now. File it.
    pub fn dismiss_room(&mut self, room: &mut Room) {
        room.queues.leave(Queues::TALKING);
    }

    /// Takes out all rooms in which something waits to be appended, in the order of their ids. So
    /// what happens in several rooms in one turn has one order. File each of them.
    ///
    /// The order matters for names: one may be given up in one room and taken in another.
    pub fn take_submitted(&mut self) -> Vec<RoomId> {
        let mut submitted = std::mem::take(&mut self.submitted);
        submitted.sort_unstable();
        submitted
    }

    /// How many rooms have a pass.
    pub fn passing(&self) -> usize {
        self.passing.len()
    }

    /// Takes out the room whose pass goes on next. It is to be filed.
    pub fn next_passing(&mut self) -> Option<RoomId> {
        self.passing.pop_front()
    }

    /// How many are on the ready queue.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Takes out the next client that can take what it lacks.
    pub fn next_ready(&mut self) -> Option<ClientId> {
        self.ready.pop_front()
    }

    /// It was offered what it lacks. File it.
    pub fn served<S>(&mut self, client: &mut Client<S>) {
        client.queues.leave(Queues::READY);
    }

    /// Takes out all clients that *release* must look at. Free or file each of them.
    pub fn take_leaving(&mut self) -> Vec<ClientId> {
        std::mem::take(&mut self.leaving)
    }

    /// It was looked at in *release*.
    pub fn released<S>(&mut self, client: &mut Client<S>) {
        client.queues.leave(Queues::LEAVING);
    }

    /// Takes out all rooms that nobody reads. Each is to be closed, or filed.
    pub fn take_silent(&mut self) -> Vec<RoomId> {
        std::mem::take(&mut self.silent)
    }

    /// Those whose input is over.
    pub fn ending(&self) -> &[ClientId] {
        &self.ending
    }

    /// Takes out all whose input is over.
    pub fn take_ending(&mut self) -> Vec<ClientId> {
        std::mem::take(&mut self.ending)
    }

    /// The input of this one is over, but it has said something that is not appended yet.
    pub fn keep_ending(&mut self, id: ClientId) {
        self.ending.push(id);
    }

    /// A newcomer is to be welcomed at this moment, if it says nothing before.
    pub fn add_arrival(&mut self, id: ClientId, at: Instant) {
        self.arrivals.insert(id.serial, (at, id.key));
    }

    /// The newcomers that are to be welcomed.
    pub fn arrivals(&self) -> impl Iterator<Item = ClientId> + '_ {
        self.arrivals.iter().map(|(serial, (_, key))| ClientId { serial: *serial, key: *key })
    }

    /// It is no arrival any more.
    pub fn remove_arrival(&mut self, id: ClientId) {
        self.arrivals.remove(&id.serial);
    }

    /// Takes out the next arrival whose moment has come, with that moment.
    pub fn next_arrival(&mut self, now: Instant) -> Option<(ClientId, Instant)> {
        let (serial, (at, key)) = self.arrivals.first_key_value()?;
        let (id, at) = (ClientId { serial: *serial, key: *key }, *at);
        (at <= now).then(|| {
            self.arrivals.pop_first();
            (id, at)
        })
    }

    /// Takes out all clients whose deadline has come. Each is to be filed.
    pub fn take_due(&mut self, now: Instant) -> Vec<ClientId> {
        self.deadlines.take_due(now)
    }

    /// Takes out all rooms whose deadline has come. Each is to be filed.
    pub fn take_due_rooms(&mut self, now: Instant) -> Vec<RoomId> {
        self.room_deadlines.take_due(now)
    }
}
