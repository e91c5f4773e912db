//! A client has sent a request of HTTP: it is answered and closed, or goes on as one of the chat.

use std::time::Instant;

use log::debug;

use super::Hub;
use crate::hub::client::{Input, Leave, Life, Socket};
use crate::hub::listen::{AGAIN, DONE, Step};
use crate::room::ClientId;
use crate::wire::line::LineRules;
use crate::wire::web::answer;
use crate::wire::web::head::{Refusal, Rules, Since};
use crate::wire::web::messages::push_place;
use crate::wire::web::origin::Hosts;
use crate::wire::web::served::Served;
use crate::words::text::Excerpt;

impl<S: Socket> Hub<S> {
    /// Notes what this machine is called: browsers may call the server so. And notes which run of
    /// the server this is: no other has the same number.
    pub fn set_machine(&mut self, name: &str, epoch: u64) {
        (self.hosts, self.epoch) = (Hosts::new(name, &self.config.host), epoch);
    }

    /// Which run of the server this is, for pages that come back.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The numbers of lines go on from an earlier run, so a page that comes back from that is no
    /// stranger.
    pub fn set_epoch(&mut self, epoch: u64) {
        self.epoch = epoch;
    }

    /// Serves the request of a client. One that was greeted has read lines before the answer, so no
    /// browser takes that for one: nothing can begin with it.
    pub(super) fn serve(&mut self, id: ClientId, rules: &LineRules, now: Instant) -> Step {
        if self.answer_refused(id, now) {
            return DONE;
        }
        let web = Rules { hosts: &self.hosts, body_bytes_max: self.config.max_line };
        let client = &mut self.clients[id];
        let request = Excerpt(client.record.decoder.pending());
        debug!("{} sends a request: {request}", client.record.address());
        let answer = match client.record.decoder.serve(&web, rules, now) {
            Served::Chat { answer, since } if client.life() == Life::Arriving => {
                self.begin_chat(id, answer, since.as_ref(), now);
                self.greet(id, now);
                return AGAIN;
            }
            Served::Tail(answer) if client.life() == Life::Arriving => {
                return self.begin_tail(id, answer, now);
            }
            Served::Say { name } if client.life() == Life::Arriving => {
                return self.begin_say(id, name.as_deref(), now);
            }
            Served::Page(answer) => {
                self.note_page(id, now);
                answer
            }
            Served::Answer(answer) => answer,
            Served::Chat { .. } | Served::Tail(_) | Served::Say { .. } => {
                answer::refusal(&Refusal::Unimplemented, false)
            }
        };
        self.close_with(id, Leave::NotChat, answer, now);
        DONE
    }

    /// A client speaks another dialect from now on. It has read nothing yet, and reads nothing in
    /// another form than that of its dialect. So its place is the present head.
    pub(super) fn begin_dialect(&mut self, id: ClientId) {
        let head = self.head(id);
        let reading = self.new_reading(id.serial, head);
        let client = &mut self.clients[id];
        client.reading = reading;
        if client.record.decoder.has_ended() {
            client.input = Input::Ended;
        }
    }

    /// A page takes part from now on. It may come back after a cut.
    fn begin_chat(
        &mut self,
        id: ClientId,
        mut answer: Vec<u8>,
        since: Option<&Since>,
        now: Instant,
    ) {
        self.begin_dialect(id);
        // In its form first: a place is a position there. Then the answer, which stands before all.
        self.change_form(id, self.clients[id].record.decoder.form());
        if let Some(since) = since.filter(|since| since.epoch == self.epoch) {
            let room = match since.room.as_str() {
                "" => Some(self.clients[id].room),
                name => self.rooms.find(name),
            };
            let since = room.map(|room| (room, since.line));
            self.clients[id].change_moments(|its| its.since = since);
            self.return_to_room(id);
        }
        let line = self.room_of(id).forms.plain().lines_said();
        let at_seconds = now.duration_since(self.rooms.start()).as_secs() as u32;
        push_place(self.epoch, line, at_seconds, &mut answer);
        self.answer_dialect(id, answer);
    }

    /// A client that comes back to the room in which it begins to read gets what it lacks there.
    /// It has been offered nothing of that yet. If that room has ended, and this is another one in
    /// its place, it is as new here as any other client.
    pub(super) fn return_to_room(&mut self, id: ClientId) {
        let client = &mut self.clients[id];
        let Some((_, line)) = client.moments().since.filter(|since| since.0 == client.room) else {
            return;
        };
        let room = &self.rooms[client.room];
        if line < room.begins_at {
            client.change_moments(|its| its.since = None);
        } else {
            client.reading.return_to(line, room.forms.of(client.form));
        }
    }
}
