//! When a client needs attention without an event, and whether it is late.
//!
//! Each client has at most one deadline, the earliest of those that its life allows. When it comes,
//! the client looks at itself, and at what the clock says by then. So a deadline that is too early
//! does no harm: the client finds nothing to do, and is filed with the next one.

use std::time::Instant;

use super::{Client, Hold, Input, Life, Part, Socket};
use crate::config::Config;

impl<S: Socket> Client<S> {
    /// When it needs attention without an event.
    pub fn next_deadline(&self, config: &Config) -> Option<Instant> {
        if self.moments.is_none() && self.input != Input::Unfinished {
            // Nearly all clients are at rest, so such a client should cost no more than two looks.
            return if self.life == Life::Member { self.idle_at(config) } else { None };
        }
        let its = self.moments();
        let stalled = |limit| its.stalled_since.map(|since| since + limit);
        let due = match self.life {
            Life::Arriving => [
                self.greeting_due(config),
                self.chunk_due(config),
                self.wait_until(),
                self.spare_until(),
                None,
            ],
            Life::Member => [
                its.paused_until,
                self.chunk_due(config),
                stalled(config.stuck),
                self.idle_at(config),
                self.body_due(),
            ],
            Life::Moving => [stalled(config.stuck), None, None, None, None],
            Life::Ending | Life::Closing(_) => [stalled(config.flush), None, None, None, None],
            Life::Draining(_) => [its.drain_until, None, None, None, None],
            Life::Deaf(_) => [its.paused_until, stalled(config.flush), None, None, None],
            Life::Gone(_) => return None,
        };
        // A socket that the kernel had no memory for must be tried again in any life: no event will
        // tell.
        due.into_iter().chain([its.retry_at]).flatten().min()
    }

    /// When its pending input becomes a line without a line end; never while it is not read.
    pub fn chunk_due(&self, config: &Config) -> Option<Instant> {
        // While it is not read, its next bytes may wait in the socket. Whether there was a pause
        // between them cannot be known then.
        let waits = self.input == Input::Unfinished && self.may_be_read(config);
        self.unless_retrying(waits.then(|| self.record.decoder.due(&config.line_rules())).flatten())
    }

    /// When it is welcomed, if it was not yet; never while its input may become a request. One that
    /// has begun a request is served.
    pub fn greeting_due(&self, config: &Config) -> Option<Instant> {
        let (due, rules) = (self.unless_retrying(self.moments().greet_at)?, config.line_rules());
        let decoder = &self.record.decoder;
        let may_be_greeted = !decoder.has_request(&rules);
        may_be_greeted.then(|| decoder.request_due(&rules).map_or(due, |at| at.max(due)))
    }

    /// Until when its header, or its first words behind that, are waited for.
    pub fn wait_until(&self) -> Option<Instant> {
        self.unless_retrying(self.moments().wait_until)
    }

    /// Until when the first byte of a spare connection is waited for.
    pub fn spare_until(&self) -> Option<Instant> {
        self.unless_retrying(self.moments().spare_until)
    }

    /// The end of a wait for what it sends, unless that may be there: see [`Client::is_retrying`].
    fn unless_retrying(&self, end: Option<Instant>) -> Option<Instant> {
        end.filter(|_| !self.is_retrying())
    }

    /// When the body of its request is late. Nothing of it is taken before it is whole, so nothing
    /// else holds such a client.
    fn body_due(&self) -> Option<Instant> {
        self.wait_until().filter(|_| !self.record.decoder.has_ended())
    }

    /// Whether it must be closed because the body of its request is late.
    pub fn is_late(&self, now: Instant) -> bool {
        self.is_silent() && self.body_due().is_some_and(|at| at <= now)
    }

    /// Whether a deaf client has had all the time that it may have, and would still have to wait
    /// before it can be read. One that waits only for this turn is read.
    pub fn is_past_reading(&self, config: &Config, now: Instant) -> bool {
        let its = self.moments();
        let is_late = its.stalled_since.is_some_and(|since| since + config.flush <= now);
        matches!(self.life, Life::Deaf(_)) && is_late && self.hold == Hold::Pace
    }

    /// When it has sent nothing for too long. An operator may be silent: it watches. So does a
    /// client that only reads.
    fn idle_at(&self, config: &Config) -> Option<Instant> {
        let only_watches = self.record.is_operator || self.record.part == Part::Reads;
        let is_limited = !config.idle.is_zero() && !only_watches;
        self.unless_retrying(is_limited.then(|| self.record.decoder.silent_at(config.idle)))
    }

    /// Whether it must be closed because it has sent nothing for so long.
    pub fn is_idle(&self, config: &Config, now: Instant) -> bool {
        self.is_silent() && self.idle_at(config).is_some_and(|at| at <= now)
    }

    /// Whether all that it has sent was read. A suspended process may find more, however late.
    fn is_silent(&self) -> bool {
        matches!(self.input, Input::Quiet | Input::Unfinished)
    }

    /// Whether it must be dropped because it has taken nothing for so long.
    pub fn is_stuck(&self, config: &Config, now: Instant) -> bool {
        let limit = match self.life {
            Life::Member | Life::Moving => config.stuck,
            Life::Ending | Life::Closing(_) => config.flush,
            Life::Arriving | Life::Deaf(_) | Life::Draining(_) | Life::Gone(_) => return false,
        };
        let since = self.moments().stalled_since;
        // A socket that can take something is no sign of a stuck client, however late it is.
        !self.writable && since.is_some_and(|since| now >= since + limit)
    }
}
