//! The step *release*, and the ways that lead to it: politely, with a reason, or given up.
//!
//! Politely is: stop reading, flush, end our side, throw away what still comes, close. A client is
//! freed in [`Hub::release`] and nowhere else.

use std::time::Instant;

use log::{debug, warn};

use super::{Hub, Stop};
use crate::bus::queue::Kind;
use crate::config::NAMED_BYTES_MAX;
use crate::hub::client::{Admission, Hold, Input, Leave, Life, Socket};
use crate::room::ClientId;
use crate::room::reading::Reading;
use crate::room::transcript::charge;
use crate::wire::stranger::Stranger;
use crate::words::notice::{Counted, Notice};
use crate::words::text::Excerpt;

impl<S: Socket> Hub<S> {
    /// Does with those that leave what is to be done: throws away what the shut down still send,
    /// and hands the sockets of those that are gone to `close`, to be deregistered and closed.
    ///
    /// This is the only place where anyone is freed.
    pub fn release(&mut self, now: Instant, mut close: impl FnMut(S)) {
        for id in self.agenda.take_leaving() {
            let Some(client) = self.clients.get(id) else { continue };
            self.agenda.released(client);
            if let Life::Draining(leave) = client.life()
                && client.discard(&mut self.scratch)
            {
                self.enter(id, Life::Gone(leave), now);
            }
            match self.clients[id].life() {
                Life::Gone(leave) => close(self.free(id, leave, now)),
                _ => self.file(id, now),
            }
        }
    }

    fn free(&mut self, id: ClientId, leave: Leave, now: Instant) -> S {
        self.tell_trouble(leave, now);
        self.agenda.forget(id);
        let client = self.clients.remove(id);
        match client.admission {
            Admission::Limited => self.addresses.left(client.record.ip, now),
            Admission::Exempt => {}
            Admission::Refused => self.refused -= 1,
        }
        self.forms.leave(client.form);
        client.into_socket()
    }

    /// A client has left the conversation, and all are told. What it is still to get it gets.
    pub(super) fn depart(&mut self, id: ClientId, now: Instant) {
        let client = &self.clients[id];
        let (address, leave) = (client.record.address(), client.life().leave());
        self.members.remove(&id.serial);
        if let Some(leave) = leave {
            debug!("{} ({address}) left: {leave}", self.names.of(id.serial));
        }
        let told = self.stop == Stop::No && !self.config.voice().is_mute && {
            let alone = self.may_tell_alone(address.ip(), now);
            self.presence.left(alone, now)
        };
        // In every language, what stands around the name is shorter than another name.
        let charge = if told { charge(2 * NAMED_BYTES_MAX) } else { 0 };
        self.submissions.push(id, Kind::Departure { told }, &[], charge);
    }

    /// A client's input has ended and every line of it is submitted. One that leaves before its
    /// welcome without a word was never here.
    pub(super) fn end(&mut self, id: ClientId, now: Instant) {
        match self.clients[id].life() {
            Life::Arriving => self.close_with(id, Leave::Quit, Vec::new(), now),
            Life::Member => self.enter(id, Life::Ending, now),
            Life::Deaf(leave) => self.enter(id, Life::Gone(leave), now),
            Life::Ending | Life::Closing(_) | Life::Draining(_) | Life::Gone(_) => {}
        }
    }

    /// A client's connection is broken and all it has sent is read. An unterminated rest becomes
    /// its last line, as at the end of input: a peer that exits with unread data resets the
    /// connection, which is no error. One that was not greeted yet leaves without notice.
    pub(super) fn break_off(&mut self, id: ClientId, leave: Leave, now: Instant) {
        let client = &mut self.clients[id];
        client.input = Input::Ended;
        if client.life() == Life::Arriving || !client.record.ear.is_pending() {
            self.enter(id, Life::Gone(leave), now);
        } else if client.life() == Life::Member {
            self.enter(id, Life::Deaf(leave), now);
        }
    }

    /// Closes a client of another protocol. Nothing that it has sent is said.
    pub(super) fn let_go(&mut self, id: ClientId, stranger: Stranger, now: Instant) {
        let record = &self.clients[id].record;
        debug!("{} is not a chat client: {}", record.address(), Excerpt(record.ear.pending()));
        let goodbye = self.config.voice().words(|lang| stranger.goodbye(lang));
        self.close_with(id, Leave::NotChat, goodbye, now);
    }

    /// Stops reading a client and says why; it is closed when it has that and all before it.
    pub(super) fn close(&mut self, id: ClientId, leave: Leave, notice: &Notice<'_>, now: Instant) {
        let words = self.clients[id].form.render(self.config.voice().line(notice));
        self.close_with(id, leave, words, now);
    }

    /// Stops reading a client and gives it these last bytes; it is closed when it has them and all
    /// before.
    pub(super) fn close_with(&mut self, id: ClientId, leave: Leave, words: Vec<u8>, now: Instant) {
        let head = self.head(id);
        let client = &mut self.clients[id];
        if client.life() == Life::Arriving {
            // It has been told nothing, so nothing before this is for it, nor is what was to answer
            // as telnet bytes that were none.
            client.reading = Reading::new(head);
        }
        if !words.is_empty() {
            client.reading.detour(head, words);
        }
        self.close_at(id, head, leave, now);
    }

    /// Stops reading a client; it is closed when it has all that was said before `until`, or at
    /// once if it cannot be given anything.
    pub(super) fn close_at(&mut self, id: ClientId, until: u64, leave: Leave, now: Instant) {
        let client = &mut self.clients[id];
        if let Life::Deaf(leave) = client.life() {
            return self.enter(id, Life::Gone(leave), now);
        }
        client.change_moments(|its| its.until = until);
        self.enter(id, Life::Closing(leave), now);
    }

    /// Begins the stop: nobody is read or admitted any more; everyone gets all that was said and a
    /// last line. Go on making turns until [`Hub::connections`] is 0, or call [`Hub::abandon`].
    pub fn stop(&mut self, now: Instant) {
        if self.stop != Stop::No {
            return;
        }
        self.stop = Stop::Announced;
        for id in self.clients.ids(|client| client.life() == Life::Arriving) {
            self.greet(id, now);
            self.file(id, now);
        }
        if let Some(summary) = self.presence.take_untold(self.here()) {
            self.submissions.push_notice(&self.config.voice().line(&summary));
        }
        self.submissions.push_notice(&self.config.voice().line(&Notice::Stopping));
    }

    /// Gives up every client that is still there; `release` hands their sockets out, to be reset.
    pub fn abandon(&mut self, now: Instant) {
        for id in self.clients.ids(|_| true) {
            self.enter(id, Life::Gone(Leave::TooSlow), now);
            self.clients[id].hold = Hold::None;
            self.file(id, now);
        }
    }

    /// Closes everyone once the last line is appended.
    pub(super) fn close_all(&mut self, now: Instant) {
        self.stop = Stop::LastLineSaid;
        for id in self.clients.ids(|client| client.life().is_heard()) {
            let head = self.head(id);
            self.close_at(id, head, Leave::Stopping, now);
            self.file(id, now);
        }
        while let Some(talker) = self.agenda.next_talker() {
            if let Some(client) = self.clients.get(talker.id) {
                self.agenda.dismiss(client);
            }
        }
    }

    fn tell_trouble(&mut self, leave: Leave, now: Instant) {
        match leave {
            Leave::TooSlow | Leave::Lapsed | Leave::TooManyReplies => {
                if let Some(count) = self.troubles.too_slow.count(now) {
                    warn!("dropped {}; last reason: {leave}", Counted(count, "slow client"));
                }
            }
            Leave::Quit | Leave::Lost(_) | Leave::Endless | Leave::Idle => {}
            Leave::NotChat | Leave::Refused | Leave::Stopping => {}
        }
    }
}
