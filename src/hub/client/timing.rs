//! When a client has to be looked at though nothing happens, and whether it is late.

use std::time::Instant;

use super::{Client, Hold, Input, Life, Socket};
use crate::config::Config;
use crate::wire::stranger::{REQUEST_WAIT, Sniffed};

impl<S: Socket> Client<S> {
    /// When it has to be looked at though nothing happens.
    pub fn next_deadline(&self, config: &Config) -> Option<Instant> {
        let idle = || (!config.idle.is_zero()).then(|| self.record.heard_at + config.idle);
        let Some(its) = self.moments.as_deref() else {
            return if self.life == Life::Member { idle() } else { None };
        };
        let stalled = |limit| its.stalled_since.map(|since| since + limit);
        let due = match self.life {
            Life::Arriving => [self.greeting_due(config), self.chunk_due(config), None, None],
            Life::Member => {
                [its.paused_until, self.chunk_due(config), stalled(config.stuck), idle()]
            }
            Life::Ending | Life::Closing(_) => [stalled(config.flush), None, None, None],
            Life::Draining(_) => [its.drain_until, None, None, None],
            Life::Deaf(_) => [its.paused_until, stalled(config.flush), None, None],
            Life::Gone(_) => return None,
        };
        due.into_iter().chain([its.retry_at]).flatten().min()
    }

    /// When what is pending is a line without an end: only if nothing more can be read, and not
    /// while it is not being read.
    pub fn chunk_due(&self, config: &Config) -> Option<Instant> {
        // Bytes are pending only if it is known since when.
        let first = self.moments.as_deref()?.chunk_since?;
        if self.input != Input::Quiet || !self.may_be_heard(config) {
            return None;
        }
        let due = self.record.lines.chunk_due(&config.line_rules(), first, self.record.heard_at)?;
        Some(match self.sniff(config) {
            Sniffed::NotYet => due.max(first + REQUEST_WAIT),
            Sniffed::Chat | Sniffed::Stranger(_) => due,
        })
    }

    /// When it is welcomed and announced, if it is still to be: not while what it has sent may
    /// become a request.
    pub fn greeting_due(&self, config: &Config) -> Option<Instant> {
        let its = self.moments();
        let due = its.greet_at?;
        Some(match (its.chunk_since, self.sniff(config)) {
            (Some(first), Sniffed::NotYet) => due.max(first + REQUEST_WAIT),
            _ => due,
        })
    }

    /// Whether the line that is pending is that of a chat client.
    pub fn sniff(&self, config: &Config) -> Sniffed {
        let lines = &self.record.lines;
        let is_whole = lines.is_cut() || self.input == Input::Ended;
        self.record.first_lines.sniff(lines.pending(), config.max_line, is_whole)
    }

    /// Whether it is deaf, has been for as long as it may be, and would still have to wait before
    /// it may go on. One that waits only for this turn is heard.
    pub fn is_past_hearing(&self, config: &Config, now: Instant) -> bool {
        let its = self.moments();
        let is_late = its.stalled_since.is_some_and(|since| since + config.flush <= now);
        matches!(self.life, Life::Deaf(_)) && is_late && self.hold == Hold::Pace
    }

    /// Whether it has said nothing for so long that it is to be closed.
    pub fn is_idle(&self, config: &Config, now: Instant) -> bool {
        let silent = now.saturating_duration_since(self.record.heard_at);
        !config.idle.is_zero() && silent >= config.idle && self.input == Input::Quiet
    }

    /// Whether it has taken nothing for so long that it is to be given up.
    pub fn is_stuck(&self, config: &Config, now: Instant) -> bool {
        let limit = match self.life {
            Life::Member => config.stuck,
            Life::Ending | Life::Closing(_) => config.flush,
            Life::Arriving | Life::Deaf(_) | Life::Draining(_) | Life::Gone(_) => return false,
        };
        let since = self.moments().stalled_since;
        !self.writable && since.is_some_and(|since| now >= since + limit)
    }
}
