//! How a client goes from one room to another.
//!
//! The command is carried out in the order of the old room, like every other. From then on the
//! client is no longer in that room, and gets only what was appended there before. When it has all
//! of that, it reads the new room from the head of that moment. So no position is ever translated,
//! a line of the old room is never torn, and in the new room it misses nothing from then on. Lines
//! that it sent behind the command go to the new room.
//!
//! Two rooms have two transcripts, so a position in one means nothing in the other. The client is
//! therefore never in both: it stops at an end in the old one, and begins at the head of the new
//! one. In between it is `Moving`: offered what it lacks, not read, and in no room for others to
//! see. For a client that keeps up, that is until its next offer. One that is stuck moves late, or
//! lapses in its old room first.
//!
//! Several rooms at once were weighed. `nc` and telnet have one stream of lines, without a place
//! for the name of a room, and their users could not tell the rooms apart.

use std::time::Instant;

use super::{Hub, Stop};
use crate::config::ROOMS_PER_ADDRESS;
use crate::hub::addresses::network;
use crate::hub::client::{Admission, Life, Socket};
use crate::room::transcript::SERVER;
use crate::room::{ClientId, RoomId};
use crate::words::names::{Name, Refusal, called};
use crate::words::notice::{self, Notice};
use crate::words::text::Excerpt;

impl<S: Socket> Hub<S> {
    /// Moves a client to the room of this name, which is made if there is none.
    pub(super) fn join_room(&mut self, id: ClientId, name: &str, secret: &str, now: Instant) {
        if !self.clients[id].life().is_in_room() {
            // It has left meanwhile, and the command was its last.
            return;
        }
        let found = self.rooms.find(name);
        if found == Some(self.clients[id].room) {
            let room = &self.rooms.name(self.clients[id].room);
            return self.tell(id, &Notice::InRoom { room }, now);
        }
        // Before the room is made, or a wrong password would make one.
        if found.is_none() && !self.may_make(id, name, secret, now) {
            return;
        }
        match found.map_or_else(|| self.make_room(id, name, now), Ok) {
            // This has told it why. It stays where it is, and has missed nothing.
            Ok(to) if !self.may_join(id, to, secret, now) => {}
            Ok(to) => self.move_to(id, to, now),
            Err(Some(refusal)) => self.tell_room_refusal(id, name, refusal, now),
            Err(None) => {
                let most = ROOMS_PER_ADDRESS;
                self.tell(id, &Notice::TooManyRooms { most }, now);
            }
        }
    }

    /// Makes a room. `Err(None)` if its maker's address has made too many.
    fn make_room(
        &mut self,
        id: ClientId,
        name: &str,
        now: Instant,
    ) -> Result<RoomId, Option<Refusal>> {
        let client = &self.clients[id];
        let maker = network(client.record.ip);
        let name = Name::parse(name)?;
        // An empty room goes by itself, but a client can keep each of its rooms open by another
        // connection. So rooms are counted by network.
        let is_limited = client.admission != Admission::Exempt;
        if is_limited && self.rooms.made_by(maker) >= ROOMS_PER_ADDRESS {
            return Err(None);
        }
        let room = self.rooms.open(name, Some(maker), &self.config, &mut self.pages, now)?;
        // It may never arrive. Then the room has no host, since no other client has its serial.
        self.rooms[room].host = Some(id.serial);
        Ok(room)
    }

    /// Moves a client from its room to another. It is on its way until it has all that was appended
    /// here before.
    pub(super) fn move_to(&mut self, id: ClientId, to: RoomId, now: Instant) {
        // Its end first: the notice below, that it went, is for the others and stands behind it.
        self.end_here(id);
        self.leave_host(id);
        let alone = self.may_tell_alone(self.clients[id].record.ip, now);
        let (from, room_name) = (self.clients[id].room, self.rooms.name(to));
        let room = &mut self.rooms[from];
        let is_unseen = self.clients[id].record.is_unseen;
        // From here on others do not see it here, though it may still be reading.
        room.here -= usize::from(!is_unseen);
        if self.stop == Stop::No && !is_unseen && room.presence.left(alone, now) {
            let name = &self.names.of(id.serial).to_string();
            self.tell_all(from, SERVER, &Notice::Moved { name, room: &room_name });
            self.note_said(from);
        }
        self.note_here(from);
        // This keeps the other room open until it arrives: all that are there may leave meanwhile.
        self.rooms[to].coming += 1;
        let client = &mut self.clients[id];
        client.change_moments(|its| its.moving_to = Some(to));
        if matches!(client.life(), Life::Deaf(_)) {
            // It gets nothing any more, but its lines are still appended.
            self.arrive(id, now);
        } else {
            self.enter(id, Life::Moving, now);
        }
    }

    /// A client that was on its way has all of its old room: now it reads the new one.
    ///
    /// It leaves the old room and enters the new one in one step, between two offers. So at any
    /// moment each client is a reader of exactly one room.
    pub(super) fn arrive(&mut self, id: ClientId, now: Instant) {
        let client = &mut self.clients[id];
        let Some(to) = client.moments().moving_to else { return };
        let (from, place, form) = (client.room, client.record.place, client.form);
        // All back to nothing, so that a member at rest needs no box for its moments.
        client.change_moments(|its| (its.until, its.lines_until, its.moving_to) = (0, 0, None));
        self.stop_reading(from, place, form, now);
        let room = &mut self.rooms[to];
        room.coming -= 1;
        // Its form begins here, if it is the first to read it, so its head is known only now.
        room.forms.join(form);
        let head = room.forms.of(form).head();
        let (before, end) =
            (room.forms.plain().lines_said(), head + room.submissions.charged() as u64);
        let client = &mut self.clients[id];
        client.room = to;
        client.record.place = room.readers.add(id.key);
        // Authors that it ignores and that have gone may have lines here that are not appended yet.
        // They end with what waits now.
        client.reading.go_to_room(head, end);
        match client.life() {
            // A member before the words below, which only a member is told.
            Life::Moving => self.enter(id, Life::Member, now),
            // It is offered nothing here either.
            _ => client.reading.lapse(self.rooms[to].forms.of(form)),
        }
        let network = self.own_network(id);
        if self.rooms[to].rules.is_some() {
            // Before it can say anything here: it is muted if its network is.
            self.rooms[to].change_rules(|rules| rules.came(id.serial, network));
        }
        self.return_to_room(id);
        let at = self.clients[id].reading.position();
        if self.rooms[from].is_door {
            // From the door it comes in for the first time, and no client was told yet that it is
            // here.
            return self.welcome(id, at, before, now);
        }
        let is_unseen = self.clients[id].record.is_unseen;
        // Before the words that count it.
        self.rooms[to].here += usize::from(!is_unseen);
        self.note_here(to);
        let (room, here) = (&self.rooms.name(to), self.rooms[to].everyone());
        self.tell_lines_at(id, at, self.config.voice().line(&Notice::Entered { room, here }), now);
        self.tell_of_room(id, at, before, now);
        if !is_unseen {
            self.announce(id, now);
        }
    }

    fn tell_room_refusal(&mut self, id: ClientId, name: &str, refusal: Refusal, now: Instant) {
        let room = &called(&Excerpt(name.as_bytes()).to_string());
        match refusal {
            Refusal::Empty => {
                let usage = notice::usage("/join", self.config.lang());
                self.tell(id, &Notice::Usage { usage }, now);
            }
            Refusal::Taken | Refusal::LooksLikeTaken => {
                self.tell(id, &Notice::RoomLooksTaken { room }, now);
            }
            refusal => self.tell_refusal(id, name, refusal, now),
        }
    }
}
