//! Earlier lines, which the server shows between a `* history` and a `* now`.
//!
//! They are old: none is the echo of what we say now, and none rings. After a connection was lost,
//! those that were seen in this order before are not shown again. A line that was said again after
//! more than the server shows may be among them.
//!
//! This room knows lines. It never knows the terminal or who we are.

use super::said::Said;
use crate::words::notice::Notice;

/// How many lines are remembered as seen; more than a server usually shows again.
const SEEN_MAX: usize = 100;

/// Which lines were seen, and where those that are shown again stand among them.
#[derive(Debug, Default)]
pub struct Earlier {
    /// What clients said to all, the latest last.
    seen: Vec<String>,
    /// While earlier lines come: behind the last of them in `seen`.
    place: Option<usize>,
    /// What stands before earlier lines, until the first of them is shown.
    opening: Vec<String>,
    /// After a loss, until the person asks for all.
    missed_only: bool,
}

impl Earlier {
    /// Whether to show only what was not seen, from now on.
    pub fn show_missed_only(&mut self, missed_only: bool) {
        self.missed_only = missed_only;
    }

    /// Takes in a line. `None`: it is said now. Otherwise it is about earlier lines or one of them,
    /// and these are to be shown.
    pub fn heard(&mut self, line: &str, said: &Said<'_>) -> Option<Vec<String>> {
        let line = line.to_owned();
        match (said, said.notice(), self.place) {
            (_, Some(Notice::History), _) => {
                (self.place, self.opening) = (Some(0), vec![line]);
                Some(Vec::new())
            }
            // The client has asked, not the person.
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
