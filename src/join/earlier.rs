//! Earlier lines, which the server sends between a `* history` and a `* now`.
//!
//! They are old: none is the echo of a line just sent, and none rings the bell. After a lost
//! connection, the client skips those that it has already shown in this order. It may skip a
//! repeated line too, if more lines than the server sends stand between.
//!
//! This file knows lines. It never knows the terminal or the user's name.

use super::said::Said;
use crate::words::notice::Notice;

/// How many shown lines are remembered: more than a server usually sends again.
const SEEN_MAX: usize = 100;

/// The lines already shown, and the place among them of the earlier lines that come again.
#[derive(Debug, Default)]
pub struct Earlier {
    /// What clients said to all, the latest last.
    seen: Vec<String>,
    /// While earlier lines come: the place in `seen` behind the last of them.
    place: Option<usize>,
    /// The `* history` line, until it is shown with the first earlier line.
    opening: Vec<String>,
    /// Whether to show only lines that were not shown before: after a lost connection, until the
    /// user asks for all earlier lines.
    pub missed_only: bool,
}

impl Earlier {
    /// Takes in a line. Returns `None` if it is new. Otherwise it is an earlier line, or is about
    /// them: then it returns the lines to show.
    pub fn heard(&mut self, line: &str, said: &Said<'_>) -> Option<Vec<String>> {
        let line = line.to_owned();
        match (said, said.notice(), self.place) {
            (_, Some(Notice::History), _) => {
                (self.place, self.opening) = (Some(0), vec![line]);
                Some(Vec::new())
            }
            // The client asked for them, not the user.
            (_, Some(Notice::NoHistory), _) if self.missed_only => Some(Vec::new()),
            (_, Some(Notice::Now), Some(_)) => {
                self.place = None;
                let is_empty = self.missed_only && !self.opening.is_empty();
                Some(if is_empty { Vec::new() } else { vec![line] })
            }
            (Said::By { .. } | Said::Act { .. }, _, Some(place)) => {
                let seen = self.seen[place..].iter().position(|seen| *seen == line);
                self.place = Some(place + seen.unwrap_or(0) + 1);
                if seen.is_none() {
                    self.seen.insert(place, line.clone());
                } else if self.missed_only {
                    return Some(Vec::new());
                }
                self.opening.push(line);
                Some(std::mem::take(&mut self.opening))
            }
            (Said::By { .. } | Said::Act { .. }, _, None) => {
                self.seen.push(line);
                self.seen.drain(..self.seen.len().saturating_sub(SEEN_MAX));
                None
            }
            _ => {
                self.place = None;
                None
            }
        }
    }
}
