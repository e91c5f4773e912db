//! Which lines came while the user was away: where they begin, and how many they are.
//!
//! A line that is shown is never changed. So the mark must be printed before the client knows how
//! many lines will follow. It also cannot know how long a user without a key will stay away. So:
//!
//! - The first line after [`AWAY`] without a key gets the mark. It gets it once until the next key.
//! - It gets none right below a line of the user's own, which is mark enough. In a slow
//!   conversation every answer would have one.
//! - A note beside the prompt gives the number of new lines, until the next key. There it can grow.
//!
//! It never knows the text of the lines, and takes the present moment as a parameter.

use std::time::{Duration, Instant};

/// After this long without a key the user may be away. A shorter time would put the mark where the
/// user is still reading.
pub const AWAY: Duration = Duration::from_secs(60);

/// The mark itself.
pub const MARK: &str = "new lines";

/// When the user last typed, and how many lines have come since.
#[derive(Debug, Default)]
pub struct Away {
    /// When the last key came. Before the first key no line is new.
    typed_at: Option<Instant>,
    /// How many lines came after [`AWAY`].
    new_lines: usize,
    /// Whether the line shown last is the user's own.
    pub is_below_ours: bool,
}

impl Away {
    /// Notes that a key came.
    pub fn typed(&mut self, now: Instant) {
        (self.typed_at, self.new_lines) = (Some(now), 0);
    }

    /// Notes that a line of another client is shown next. Returns whether the mark stands above it.
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

    /// The note with the number of new lines, if there are any.
    pub fn note(&self) -> Option<String> {
        let one = MARK.trim_end_matches('s');
        let (lines, mark) = (self.new_lines, if self.new_lines == 1 { one } else { MARK });
        (lines > 0).then(|| format!("{lines} {mark}"))
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
        away.is_below_ours = true;
        assert!(!away.is_marked(start + AWAY) && !away.is_marked(start + AWAY));
        assert_eq!(away.note().as_deref(), Some("2 new lines"));
        away.typed(start + AWAY);
        assert!(away.is_marked(start + AWAY * 2));
    }
}
