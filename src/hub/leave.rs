//! The step *release*, and the ways that lead to it: politely, with a reason, or given up.
//!
//! Politely is: stop reading, flush, end our side, throw away what still comes, close. A client is
//! freed in [`Hub::release`] and nowhere else.

use std::time::Instant;

use log::{debug, warn};

use super::{Hub, Stop};
use crate::bus::queue::Kind;
use crate::config::NAMED_BYTES_MAX;
use crate::hub::client::{Leave, Life, Socket, Standing};
use crate::room::reading::Reading;
use crate::room::transcript::charge;
use crate::words::notice::{Counted, Notice};

impl<S: Socket> Hub<S> {
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
                Life::Arriving | Life::Open | Life::Deaf(_) => {}
                Life::Closing { .. } | Life::Draining(_) => {}
            }
        }
    }

    fn free(&mut self, key: usize, leave: Leave, now: Instant) -> S {
        self.depart(key, leave, now);
        self.tell_trouble(leave, now);
        let client = self.clients.remove(key);
        while self.keys_end > 0 && !self.clients.contains(self.keys_end - 1) {
            self.keys_end -= 1;
        }
        self.deadlines.change(client.whose(key), client.moments().alarm, None);
        if client.standing != Standing::Refused && !client.exempt {
            self.addresses.left(client.record.address.ip(), now);
        }
        match client.standing {
            Standing::Refused => self.refused -= 1,
            Standing::Arriving => debug!("{} left: {leave}", client.record.address),
            Standing::Member | Standing::Departed => {}
        }
        client.into_socket()
    }

    /// Takes a client out of the conversation, and tells all; nothing happens to one that was never
    /// or is no longer in it. What it is still to get it gets.
    fn depart(&mut self, key: usize, leave: Leave, now: Instant) {
        let Some(client) = self.clients.get_mut(key) else { return };
        if client.standing != Standing::Member {
            return;
        }
        client.standing = Standing::Departed;
        let (serial, address) = (client.record.serial, client.record.address);
        self.members.remove(&serial);
        debug!("{} ({address}) left: {leave}", self.names.of(serial));
        let told = self.stop == Stop::No && !self.config.raw && {
            let alone = self.may_tell_alone(address.ip(), now);
            self.presence.left(alone, now)
        };
        // In every language, what stands around the name is shorter than another name.
        let charge = if told { charge(2 * NAMED_BYTES_MAX) } else { 0 };
        self.submissions.push(serial, key, Kind::Departure { told }, &[], charge);
    }

    /// Stops reading a client and says why; it is closed when it has that and all before it.
    pub(super) fn close(&mut self, key: usize, leave: Leave, notice: &Notice<'_>, now: Instant) {
        let words = self.parting_words(notice);
        self.close_with(key, leave, words, now);
    }

    /// What is said last, so that its reader knows why it is closed: nothing in raw mode.
    pub(super) fn parting_words(&self, notice: &Notice<'_>) -> Vec<u8> {
        match self.config.raw {
            true => Vec::new(),
            false => notice.to_line(self.config.lang()),
        }
    }

    /// Stops reading a client and gives it these last bytes; it is closed when it has them and all
    /// before.
    pub(super) fn close_with(&mut self, key: usize, leave: Leave, words: Vec<u8>, now: Instant) {
        let head = self.transcript.head();
        let Some(client) = self.clients.get_mut(key) else { return };
        if client.life == Life::Arriving {
            // It has been told nothing, so nothing before this is for it, nor is what was to answer
            // as telnet bytes that were none.
            client.life = Life::Open;
            client.reading = Reading::new(head);
        }
        if !words.is_empty() {
            client.reading.detour(head, words);
        }
        self.close_at(key, head, leave, now);
    }

    /// Stops reading a client; it is closed when it has all that was said before `until`, or at
    /// once if it cannot be given anything.
    pub(super) fn close_at(&mut self, key: usize, until: u64, leave: Leave, now: Instant) {
        let Some(client) = self.clients.get_mut(key) else { return };
        if let Life::Deaf(leave) = client.life {
            self.gone(key, leave);
            return;
        }
        client.life = Life::Closing { until, leave };
        client.change_moments(|its| its.stalled_since = Some(now));
        self.depart(key, leave, now);
        self.queue_to_speak(key);
        self.reschedule(key);
    }

    /// Gives a client up; it is freed in `release`.
    pub(super) fn gone(&mut self, key: usize, leave: Leave) {
        let Some(client) = self.clients.get_mut(key) else { return };
        client.life = Life::Gone(leave);
        self.reschedule(key);
        self.queue_to_release(key);
    }

    /// Begins the stop: nobody is read or admitted any more; everyone gets all that was said and a
    /// last line. Go on making turns until [`Hub::connections`] is 0, or call [`Hub::abandon`].
    pub fn stop(&mut self, now: Instant) {
        if self.stop != Stop::No {
            return;
        }
        self.stop = Stop::Announced;
        let arriving = self.clients.iter().filter(|(_, client)| client.life == Life::Arriving);
        for key in arriving.map(|(key, _)| key).collect::<Vec<_>>() {
            self.greet(key, now);
        }
        if let Some(summary) = self.presence.take_untold(self.here()) {
            self.submissions.push_notice(&summary.to_line(self.config.lang()));
        }
        if !self.config.raw {
            self.submissions.push_notice(&Notice::Stopping.to_line(self.config.lang()));
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
    pub(super) fn close_all(&mut self, now: Instant) {
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
