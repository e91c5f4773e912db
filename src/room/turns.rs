//! Which talker comes next: deficit round robin.
//!
//! In each round every talker may submit as much as the others. What is too little for its next
//! line is kept for the next round (Shreedhar and Varghese, 1995). A talker whose line did not fit
//! into the rest of a turn begins the next turn. A talker that had nothing waiting last turn comes
//! before one that had. So a flooder slows itself.
//!
//! A talker has lines to submit. A room has a queue of clients as its talkers, and the hub one of
//! rooms. This file knows neither.

use std::collections::VecDeque;

/// A talker, and what it may submit in this round.
#[derive(Clone, Copy, Debug)]
pub struct Turn<Id> {
    /// Which one.
    pub id: Id,
    /// How many bytes, as they will stand in the transcript.
    pub deficit: u32,
}

/// The queue of the talkers.
#[derive(Debug)]
pub struct Turns<Id> {
    /// The talker whose line did not fit into the rest of the last turn.
    cut_short: Option<Turn<Id>>,
    /// The talkers that had nothing waiting last turn.
    fresh: VecDeque<Id>,
    /// The talkers that had something waiting.
    carried: VecDeque<Turn<Id>>,
}

impl<Id> Default for Turns<Id> {
    fn default() -> Self {
        Turns { cut_short: None, fresh: VecDeque::new(), carried: VecDeque::new() }
    }
}

impl<Id> Turns<Id> {
    /// How many there are.
    pub fn count(&self) -> usize {
        usize::from(self.cut_short.is_some()) + self.fresh.len() + self.carried.len()
    }

    /// Adds a talker that is not here.
    pub fn add(&mut self, id: Id) {
        self.fresh.push_back(id);
    }

    /// Takes out the next talker. Give it back by [`Turns::carry`] or [`Turns::cut_short`], or drop
    /// it.
    pub fn take(&mut self) -> Option<Turn<Id>> {
        let fresh = |id| Turn { id, deficit: 0 };
        let next = self.cut_short.take().or_else(|| self.fresh.pop_front().map(fresh));
        next.or_else(|| self.carried.pop_front())
    }

    /// It has more lines, for the next round.
    pub fn carry(&mut self, turn: Turn<Id>) {
        self.carried.push_back(turn);
    }

    /// Its next line does not fit into this turn, so it begins the next.
    pub fn cut_short(&mut self, turn: Turn<Id>) {
        self.cut_short = Some(turn);
    }
}
