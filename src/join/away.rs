//! What came while the person was away: where it begins, and how much it is.
//!
//! What is shown is never touched again, so the mark has to be made before it is known how much
//! will follow. Nobody can tell how long someone who types nothing will be away. So:
//!
//! - The first line after [`AWAY`] without a key gets the mark, once until the next key.
//! - It gets none if it comes right below a line of our own: that is mark enough, and in a slow
//!   conversation every answer would have one.
//! - How many there are is said in a note beside the prompt, where it can grow, until the next key.
//!
//! It never knows what the lines say; the present moment is handed in.

use std::time::{Duration, Instant};

/// After so long without a key the person may be away. If it were less, the mark would come while
/// one reads.
pub const AWAY: Duration = Duration::from_secs(60);

/// The mark itself.
pub const MARK: &str = "new lines";

/// Since when nobody has typed, and what has come since.
#[derive(Debug, Default)]
pub struct Away {
    /// The last key; before the first one nothing is new.
    typed_at: Option<Instant>,
    /// The lines that came after [`AWAY`].
    new_lines: usize,
    /// The line shown last is our own.
    is_below_ours: bool,
}

impl Away {
    /// A key came.
    pub fn typed(&mut self, now: Instant) {
        (self.typed_at, self.new_lines) = (Some(now), 0);
    }

    /// A line of our own is shown.
    pub fn shown_ours(&mut self) {
        self.is_below_ours = true;
    }

    /// A line of someone else is shown next; whether the mark stands above it.
    #[must_use]
    pub fn is_marked(&mut self, now: Instant) -> bool {
        let is_below_ours = std::mem::take(&mut self.is_below_ours);
        let is_away = |typed_at: Instant| now.saturating_duration_since(typed_at) >= AWAY;
        if !self.typed_at.is_some_and(is_away) {
            return false;
        }
        self.new_lines += 1;
        self.new_lines == 1 && !is_below_ours
    }

    /// How many lines are new, if there are any.
    pub fn note(&self) -> Option<String> {
        match self.new_lines {
            0 => None,
            1 => Some("1 new line".to_owned()),
            lines => Some(format!("{lines} {MARK}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_an_absence_is_marked_and_all_are_counted() {
        let (mut away, start) = (Away::default(), Instant::now());
        away.typed(start);
        assert!(!away.is_marked(start + AWAY / 2));
        assert_eq!(away.note(), None);
        assert!(away.is_marked(start + AWAY));
        assert_eq!(away.note().as_deref(), Some("1 new line"));
        assert!(!away.is_marked(start + AWAY * 9));
        assert_eq!(away.note().as_deref(), Some("2 new lines"));
        away.typed(start + AWAY * 9);
        assert_eq!(away.note(), None);
        assert!(!away.is_marked(start + AWAY * 9));
        assert!(away.is_marked(start + AWAY * 10));
    }

    #[test]
    fn before_the_first_key_nothing_is_new() {
        let mut away = Away::default();
        assert!(!away.is_marked(Instant::now() + AWAY));
        assert_eq!(away.note(), None);
    }

    #[test]
    fn an_answer_right_below_an_own_line_is_counted_but_not_marked() {
        let (mut away, start) = (Away::default(), Instant::now());
        away.typed(start);
        away.shown_ours();
        assert!(!away.is_marked(start + AWAY) && !away.is_marked(start + AWAY));
        assert_eq!(away.note().as_deref(), Some("2 new lines"));
        away.typed(start + AWAY);
        assert!(away.is_marked(start + AWAY * 2));
    }
}
