//! What a host or an operator has laid down for one room: who may come in, and who may talk.
//!
//! Few rooms have rules, so they stand in a box. A rule holds from its place in the order on: the
//! room looks at it when a line is appended, not when the line is read.
//!
//! A client is muted by its serial, and by its network if it has one: else it would reconnect. This
//! file never reads a clock, and does not know which clients are connected.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::Room;

/// At most this many clients are muted or invited at a time; the oldest gives way.
pub const LISTED_MAX: usize = 200;

/// The rules of one room.
#[derive(Debug, Default)]
pub struct Rules {
    /// The least time between two lines of one client.
    slow: Duration,
    /// In a slow room: when each client may say its next line.
    next_line: HashMap<u64, Instant>,
    /// Only invited clients may come in.
    pub is_locked: bool,
    /// The serials of the clients that may come in although the room is locked.
    invited: Vec<u64>,
    muted: Vec<Mute>,
    /// What a client must know to come in.
    pub password: Option<Box<str>>,
}

#[derive(Debug)]
struct Mute {
    serial: u64,
    /// `None` if many clients share its address.
    network: Option<IpAddr>,
    until: Option<Instant>,
}

impl Mute {
    fn holds(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Rules {
    /// The commands of a host that make the rules that hold for all: without mutes and invitations.
    pub fn to_commands(&self) -> Vec<String> {
        let slow = (!self.slow.is_zero()).then(|| format!("/slow {}", self.slow.as_secs()));
        let lock = self.is_locked.then(|| "/lock".to_owned());
        let password = self.password.as_ref().map(|secret| format!("/password {secret}"));
        [slow, lock, password].into_iter().flatten().collect()
    }

    /// Whether they are the same as none.
    pub fn is_empty(&self) -> bool {
        let is_open = !self.is_locked && self.invited.is_empty() && self.password.is_none();
        is_open && self.slow.is_zero() && self.muted.is_empty()
    }

    /// A client says at most one line in this time; zero is no limit.
    pub fn set_slow(&mut self, slow: Duration) {
        self.slow = slow;
        self.next_line.clear();
    }

    /// When a client may say its next line, if it must wait.
    pub fn line_due(&self, serial: u64, now: Instant) -> Option<Instant> {
        self.next_line.get(&serial).copied().filter(|at| now < *at)
    }

    /// A client says a line: in a slow room it must wait before the next.
    pub fn note_line(&mut self, serial: u64, now: Instant) {
        if !self.slow.is_zero() {
            self.next_line.retain(|_, at| now < *at);
            self.next_line.insert(serial, now + self.slow);
        }
    }

    /// A client may come in although the room is locked.
    pub fn invite(&mut self, serial: u64) {
        self.invited.retain(|invited| *invited != serial);
        push(&mut self.invited, serial);
    }

    /// Whether it is invited.
    pub fn is_invited(&self, serial: u64) -> bool {
        self.invited.contains(&serial)
    }

    /// Whether it may come in, as far as the lock goes.
    pub fn lets_in(&self, serial: u64) -> bool {
        !self.is_locked || self.is_invited(serial)
    }

    /// Mutes a client until then, and those of its network that come later; `None` is for good.
    pub fn mute(&mut self, serial: u64, network: Option<IpAddr>, until: Option<Instant>) {
        self.unmute(serial, None);
        push(&mut self.muted, Mute { serial, network, until });
    }

    /// Lets a client talk again, and those of its network. `false` if it was not muted.
    pub fn unmute(&mut self, serial: u64, network: Option<IpAddr>) -> bool {
        let before = self.muted.len();
        self.muted
            .retain(|mute| mute.serial != serial && (network.is_none() || mute.network != network));
        self.muted.len() < before
    }

    /// A client comes in. It is muted if its network is.
    pub fn came(&mut self, serial: u64, network: Option<IpAddr>) {
        let of_network = self.muted.iter().find(|mute| mute.network == network);
        if let (Some(network), Some(Mute { until, .. })) = (network, of_network) {
            let until = *until;
            push(&mut self.muted, Mute { serial, network: Some(network), until });
        }
    }

    /// Whether a client may not talk.
    pub fn is_muted(&self, serial: u64, now: Instant) -> bool {
        self.muted.iter().any(|mute| mute.serial == serial && mute.holds(now))
    }
}

fn push<T>(list: &mut Vec<T>, one: T) {
    if list.len() >= LISTED_MAX {
        list.remove(0);
    }
    list.push(one);
}

impl Room {
    /// What a client must know to come in.
    pub fn password(&self) -> Option<&str> {
        self.rules.as_ref()?.password.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_muted_client_that_comes_back_is_still_muted() {
        let (mut rules, now) = (Rules::default(), Instant::now());
        let network = |number| Some(IpAddr::from([10, 0, 0, number]));
        rules.mute(1, network(1), Some(now + SECOND));
        rules.came(2, network(1));
        rules.came(3, network(2));
        rules.came(4, None);
        let muted = |rules: &Rules, at| [1, 2, 3, 4].map(|serial| rules.is_muted(serial, at));
        assert_eq!(muted(&rules, now), [true, true, false, false]);
        assert_eq!(muted(&rules, now + SECOND), [false; 4]);
        assert!(rules.unmute(2, network(1)) && rules.is_empty());
        assert!(!rules.unmute(2, network(1)));
    }

    #[test]
    fn a_client_without_a_network_is_muted_alone() {
        let (mut rules, now) = (Rules::default(), Instant::now());
        rules.mute(1, None, None);
        rules.came(2, None);
        assert!(rules.is_muted(1, now) && !rules.is_muted(2, now));
    }

    #[test]
    fn in_a_slow_room_each_has_its_own_turn() {
        let (mut rules, now) = (Rules::default(), Instant::now());
        rules.note_line(1, now);
        assert_eq!(rules.line_due(1, now), None);
        rules.set_slow(SECOND);
        rules.note_line(1, now);
        assert_eq!(rules.line_due(1, now), Some(now + SECOND));
        assert_eq!(rules.line_due(2, now), None);
        rules.note_line(1, now + SECOND);
        assert_eq!(rules.next_line.len(), 1);
        rules.set_slow(Duration::ZERO);
        assert!(rules.line_due(1, now).is_none() && rules.is_empty());
    }

    #[test]
    fn a_locked_room_lets_invited_clients_in() {
        let mut rules = Rules::default();
        assert!(rules.lets_in(1));
        rules.is_locked = true;
        rules.invite(2);
        assert!(!rules.lets_in(1) && rules.lets_in(2));
        (3..3 + LISTED_MAX as u64).for_each(|serial| rules.invite(serial));
        assert!(!rules.lets_in(2) && rules.lets_in(3));
    }
}
