//! A client has sent a request of HTTP: it is answered and closed, or goes on as one of the chat.

use std::time::Instant;

use log::debug;

use super::Hub;
use crate::hub::client::{Input, Leave, Life, Socket};
use crate::hub::listen::{AGAIN, DONE, Step};
use crate::room::ClientId;
use crate::wire::line::LineRules;
use crate::wire::web::answer;
use crate::wire::web::head::{Refusal, Rules};
use crate::wire::web::served::Served;
use crate::words::text::Excerpt;

impl<S: Socket> Hub<S> {
    /// Serves the request of a client. One that was greeted has read lines before the answer, so no
    /// browser takes that for one: nothing can begin with it.
    pub(super) fn serve(&mut self, id: ClientId, rules: &LineRules, now: Instant) -> Step {
        let web = Rules { hosts: &self.hosts, body_bytes_max: self.config.max_line };
        let client = &mut self.clients[id];
        let request = Excerpt(client.record.decoder.pending());
        debug!("{} sends a request: {request}", client.record.address());
        let answer = match client.record.decoder.serve(&web, rules, now) {
            Served::Chat(answer) if client.life() == Life::Arriving => {
                self.begin_dialect(id, answer);
                self.greet(id, now);
                return AGAIN;
            }
            Served::Tail(answer) if client.life() == Life::Arriving => {
                return self.begin_tail(id, answer, now);
            }
            Served::Say { name } if client.life() == Life::Arriving => {
                return self.begin_say(id, name.as_deref(), now);
            }
            Served::Answer(answer) => answer,
            Served::Chat(_) | Served::Tail(_) | Served::Say { .. } => {
                answer::refusal(&Refusal::Unimplemented, false)
            }
        };
        self.close_with(id, Leave::NotChat, answer, now);
        DONE
    }

    /// A client speaks another dialect from now on. It has read nothing yet, and reads nothing in
    /// another form than that of its dialect. So its place is the present head.
    pub(super) fn begin_dialect(&mut self, id: ClientId, answer: Vec<u8>) {
        let head = self.head(id);
        let reading = self.new_reading(id.serial, head);
        let client = &mut self.clients[id];
        client.reading = reading;
        if client.record.decoder.has_ended() {
            client.input = Input::Ended;
        }
        self.answer_dialect(id, answer);
    }
}
