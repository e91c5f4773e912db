//! Which of those that have something to be heard is heard next: deficit round robin.
//!
//! In each round everyone may say as much as the others. What is too little for its next line is
//! kept for the next round (Shreedhar and Varghese, 1995). The one that found the budget of a turn
//! too small begins the next turn. Those that had nothing waiting last turn come before those that
//! had. So a flooder slows itself.
//!
//! A room has such a queue of clients, and the hub one of rooms. This file knows neither.

use std::collections::VecDeque;

/// One that has something to be heard, and what it may say in this round.
#[derive(Clone, Copy, Debug)]
pub struct Turn<Id> {
    /// Which one.
    pub id: Id,
    /// How many bytes, as they will stand in the transcript.
    pub deficit: u32,
}

/// The queue of those that have something to be heard.
#[derive(Debug)]
pub struct Turns<Id> {
    /// The one that found the last turn's budget too small.
    cut_short: Option<Turn<Id>>,
    /// Those that had nothing waiting last turn.
    fresh: VecDeque<Id>,
    /// Those that had.
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

    /// Adds one that is not here.
    pub fn add(&mut self, id: Id) {
        self.fresh.push_back(id);
    }

    /// Takes out the next one. Give it back by [`Turns::carry`] or [`Turns::cut_short`], or let go
    /// of it.
    pub fn take(&mut self) -> Option<Turn<Id>> {
        let fresh = |id| Turn { id, deficit: 0 };
        let next = self.cut_short.take().or_else(|| self.fresh.pop_front().map(fresh));
        next.or_else(|| self.carried.pop_front())
    }

    /// It has more to be heard, in the next round.
    pub fn carry(&mut self, turn: Turn<Id>) {
        self.carried.push_back(turn);
    }

    /// Its next line does not fit into this turn, so it begins the next.
    pub fn cut_short(&mut self, turn: Turn<Id>) {
        self.cut_short = Some(turn);
    }
}
