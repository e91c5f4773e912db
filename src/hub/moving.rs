//! How a client goes from one room to another.
//!
//! The command is carried out in the order of the old room, like every other. From then on the
//! client is no longer in that room, and gets only what was appended there before. When it has all
//! of that, it reads the new room from the head of that moment. So no position is ever translated,
//! a line of the old room is never torn, and in the new room it misses nothing from then on. Lines
//! that it sent behind the command go to the new room.

use std::time::Instant;

use super::{Hub, Stop};
use crate::config::ROOMS_PER_ADDRESS;
use crate::hub::addresses::network;
use crate::hub::client::{Admission, Life, Socket};
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
        if found.is_none() && !self.may_make(id, name, secret, now) {
            return;
        }
        match found.map_or_else(|| self.make_room(id, name, now), Ok) {
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
        let is_limited = client.admission != Admission::Exempt;
        if is_limited && self.rooms.made_by(maker) >= ROOMS_PER_ADDRESS {
            return Err(None);
        }
        let room = self.rooms.open(name, Some(maker), &self.config, &mut self.pages, now)?;
        self.rooms[room].host = Some(id.serial);
        Ok(room)
    }

    /// Moves a client from its room to another. It is on its way until it has all that was appended
    /// here before.
    pub(super) fn move_to(&mut self, id: ClientId, to: RoomId, now: Instant) {
        self.end_here(id);
        self.leave_host(id);
        let alone = self.may_tell_alone(self.clients[id].record.ip, now);
        let (from, room_name) = (self.clients[id].room, self.rooms.name(to));
        let room = &mut self.rooms[from];
        let is_unseen = self.clients[id].record.is_unseen;
        room.here -= usize::from(!is_unseen);
        if self.stop == Stop::No && !is_unseen && room.presence.left(alone, now) {
            room.tell_moved(
                &mut self.pages,
                id.serial,
                &room_name,
                &self.names,
                self.config.voice(),
            );
            self.note_said(from);
        }
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
    pub(super) fn arrive(&mut self, id: ClientId, now: Instant) {
        let client = &mut self.clients[id];
        let Some(to) = client.moments().moving_to else { return };
        let (from, place, form) = (client.room, client.record.place, client.form);
        client.change_moments(|its| (its.until, its.lines_until, its.moving_to) = (0, 0, None));
        self.stop_reading(from, place, form, now);
        let room = &mut self.rooms[to];
        room.coming -= 1;
        room.forms.join(form);
        let head = room.forms.of(form).head();
        let (before, end) =
            (room.forms.plain().lines_said(), head + room.submissions.charged() as u64);
        let client = &mut self.clients[id];
        client.room = to;
        client.record.place = room.readers.add(id.key);
        client.reading.go_to_room(head, end);
        match client.life() {
            Life::Moving => self.enter(id, Life::Member, now),
            // It is offered nothing here either.
            _ => client.reading.lapse(self.rooms[to].forms.of(form)),
        }
        let network = self.own_network(id);
        if self.rooms[to].rules.is_some() {
            self.rooms[to].change_rules(|rules| rules.came(id.serial, network));
        }
        if self.rooms[from].is_door {
            return self.welcome(id, head, before, now);
        }
        let is_unseen = self.clients[id].record.is_unseen;
        self.rooms[to].here += usize::from(!is_unseen);
        let (room, here) = (&self.rooms.name(to), self.rooms[to].here);
        self.tell(id, &Notice::Entered { room, here }, now);
        self.tell_of_room(id, head, before, now);
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
