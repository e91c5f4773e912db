//! Which client is served next, and why: the one clerk of the hub.
//!
//! A client is in a queue because of what is so of it, not because someone thought of putting it
//! there. So whatever happens to a client, the hub calls [`Agenda::file`] once when it is done with
//! it. `file` looks at the client alone and derives: has it something to be heard, does it lack
//! something that it can take, is there something to do in *release*, what is its next deadline?
//! The verbs `next_*` and `take_*` hand out what is due.
//!
//! - *Talkers* are read in *listen*, by deficit round robin (Shreedhar and Varghese, 1995): in each
//!   round every client may say as much as the others, and what is too little for its next line is
//!   kept for the next round. The one that found the turn's budget too small begins the next turn;
//!   those that had nothing waiting last turn come before those that had. So a flooder slows
//!   itself, not the room.
//! - *Ready* are those whose socket can take what they lack; they are served before the pass.
//! - A *pass* offers everyone what they lack, in the order of the table. It is a value, so that
//!   each room may have its own one day.
//! - *Ending* are those whose input is over, until their last line is appended.
//! - *Leaving* are looked at in *release*, the only place where a client is freed.
//! - *Arrivals* are not welcomed yet. They come as they are accepted, and most are welcomed at the
//!   same time after that, so the first of them is the next. One that has to wait for longer stands
//!   among the deadlines.
//!
//! A queue holds ids: that of a client that has gone meanwhile finds nobody. This file knows no
//! socket and no clock, and nothing of what is said.

use std::collections::{BTreeMap, VecDeque};
use std::ops::BitOr;
use std::time::Instant;

use super::client::{Client, Socket};
use super::deadlines::Deadlines;
use crate::config::Config;
use crate::room::ClientId;
use crate::room::forms::FORMS;

/// Queues in which a client stands, or is to stand. Only the agenda puts it there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queues(u8);

impl Queues {
    /// It has something to be heard.
    pub const TALKING: Queues = Queues(1);
    /// It can be offered something.
    pub const READY: Queues = Queues(2);
    /// It has a deadline.
    const TIMED: Queues = Queues(4);
    /// To be looked at in *release*.
    pub const LEAVING: Queues = Queues(8);
    /// Its input is over, and its last line may not be appended yet.
    pub const ENDING: Queues = Queues(16);

    /// These queues if that is so, else none.
    pub fn when(self, is_so: bool) -> Queues {
        if is_so { self } else { Queues::default() }
    }

    fn has(self, queue: Queues) -> bool {
        self.0 & queue.0 != 0
    }

    fn leave(&mut self, queue: Queues) {
        self.0 &= !queue.0;
    }
}

impl BitOr for Queues {
    type Output = Queues;

    fn bitor(self, other: Queues) -> Queues {
        Queues(self.0 | other.0)
    }
}

/// A client that has something to be heard, and what it may say in this round.
#[derive(Clone, Copy, Debug)]
pub struct Talker {
    /// Which client.
    pub id: ClientId,
    /// How many bytes, as they will stand in the transcript.
    pub deficit: u32,
}

/// How far a pass over everyone has come.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// The key that is looked at next.
    pub next: usize,
    /// By form.
    pub bounds: [Bounds; FORMS],
}

/// Which clients a pass must not leave behind, in one form.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// A client below this that cannot be written to must lapse: the next turn overwrites it.
    pub endangered_below: u64,
    /// A newcomer below this is greeted now: a turn earlier, so that it is offered what it lacks
    /// before that.
    pub greeted_below: u64,
}

/// The queues, the pass and the deadlines.
#[derive(Debug, Default)]
pub struct Agenda {
    /// The talker that found the last turn's budget too small.
    cut_short: Option<Talker>,
    /// Those that had nothing waiting last turn.
    fresh: VecDeque<ClientId>,
    /// Those that had.
    carried: VecDeque<Talker>,
    ready: VecDeque<ClientId>,
    leaving: Vec<ClientId>,
    ending: Vec<ClientId>,
    /// By serial: the moment of the welcome, and the key.
    arrivals: BTreeMap<u64, (Instant, usize)>,
    deadlines: Deadlines,
    /// The pass that is unfinished.
    pub pass: Option<Pass>,
}

impl Agenda {
    /// Derives where a client stands now. To be called once, when all is done with it that is to be
    /// done at this moment.
    pub fn file<S: Socket>(
        &mut self,
        id: ClientId,
        client: &mut Client<S>,
        head: u64,
        config: &Config,
        now: Instant,
    ) {
        let wanted = client.wants(head, config, now);
        let new = Queues(wanted.0 & !client.queues.0);
        if new != Queues::default() {
            self.enter(id, new);
        }
        let deadline = client.next_deadline(config);
        let timed = Queues::TIMED.when(deadline.is_some());
        if (timed | client.queues).has(Queues::TIMED) {
            self.deadlines.change(id, deadline);
            client.queues.leave(Queues::TIMED);
        }
        client.queues = client.queues | new | timed;
    }

    fn enter(&mut self, id: ClientId, queues: Queues) {
        if queues.has(Queues::TALKING) {
            self.fresh.push_back(id);
        }
        if queues.has(Queues::READY) {
            self.ready.push_back(id);
        }
        if queues.has(Queues::LEAVING) {
            self.leaving.push(id);
        }
        if queues.has(Queues::ENDING) {
            self.ending.push(id);
        }
    }

    /// A client is no more. It is no newcomer by then.
    pub fn forget(&mut self, id: ClientId) {
        debug_assert!(!self.arrivals.contains_key(&id.serial));
        self.deadlines.change(id, None);
    }

    /// Whether there is work that waits for nothing but the next turn.
    pub fn is_busy(&self) -> bool {
        self.pass.is_some()
            || self.talkers() > 0
            || !self.ready.is_empty()
            || !self.ending.is_empty()
            || !self.leaving.is_empty()
    }

    /// Whether someone is on the way out, so that there may be a place next turn.
    pub fn is_making_room(&self) -> bool {
        !self.ending.is_empty() || !self.leaving.is_empty()
    }

    /// The earliest moment at which someone has to be looked at.
    pub fn next_moment(&self) -> Option<Instant> {
        let welcome = self.arrivals.first_key_value().map(|(_, (at, _))| *at);
        [self.deadlines.next(), welcome].into_iter().flatten().min()
    }

    /// How many have something to be heard.
    pub fn talkers(&self) -> usize {
        usize::from(self.cut_short.is_some()) + self.fresh.len() + self.carried.len()
    }

    /// Takes out the one whose turn it is to be heard. Give it back by [`Agenda::carry`] or
    /// [`Agenda::cut_short`], or let go of it by [`Agenda::dismiss`].
    pub fn next_talker(&mut self) -> Option<Talker> {
        let fresh = |id| Talker { id, deficit: 0 };
        let next = self.cut_short.take().or_else(|| self.fresh.pop_front().map(fresh));
        next.or_else(|| self.carried.pop_front())
    }

    /// It has more to be heard, in the next round.
    pub fn carry(&mut self, talker: Talker) {
        self.carried.push_back(talker);
    }

    /// Its next line does not fit into this turn, so it begins the next.
    pub fn cut_short(&mut self, talker: Talker) {
        self.cut_short = Some(talker);
    }

    /// It has nothing more to be heard now. File it.
    pub fn dismiss<S>(&mut self, client: &mut Client<S>) {
        client.queues.leave(Queues::TALKING);
    }

    /// How many are on the ready queue.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Takes out the next one that can take what it lacks.
    pub fn next_ready(&mut self) -> Option<ClientId> {
        self.ready.pop_front()
    }

    /// It is offered what it lacks. File it.
    pub fn served<S>(&mut self, client: &mut Client<S>) {
        client.queues.leave(Queues::READY);
    }

    /// Takes out all that *release* has to look at. Each is to be freed, or filed.
    pub fn take_leaving(&mut self) -> Vec<ClientId> {
        std::mem::take(&mut self.leaving)
    }

    /// It was looked at in *release*.
    pub fn released<S>(&mut self, client: &mut Client<S>) {
        client.queues.leave(Queues::LEAVING);
    }

    /// Takes out all whose input is over.
    pub fn take_ending(&mut self) -> Vec<ClientId> {
        std::mem::take(&mut self.ending)
    }

    /// A newcomer is to be welcomed at this moment, if it says nothing before.
    pub fn add_arrival(&mut self, id: ClientId, at: Instant) {
        self.arrivals.insert(id.serial, (at, id.key));
    }

    /// A newcomer is one no longer.
    pub fn remove_arrival(&mut self, id: ClientId) {
        self.arrivals.remove(&id.serial);
    }

    /// Takes out the next newcomer that is to be welcomed, with the moment at which it was due.
    pub fn next_arrival(&mut self, now: Instant) -> Option<(ClientId, Instant)> {
        let (serial, (at, key)) = self.arrivals.first_key_value()?;
        let (id, at) = (ClientId { serial: *serial, key: *key }, *at);
        (at <= now).then(|| {
            self.arrivals.pop_first();
            (id, at)
        })
    }

    /// Takes out all whose deadline has come. Each is to be filed.
    pub fn take_due(&mut self, now: Instant) -> Vec<ClientId> {
        self.deadlines.take_due(now)
    }
}
