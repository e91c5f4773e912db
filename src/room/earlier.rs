//! What was said in a room before the server was started again: the end of it, for its history.

use std::collections::VecDeque;

use super::Room;
use super::forms::{FORMS, Form};
use super::pages::Pages;
use super::transcript::{EARLIER, EntryKind, PAGE_BYTES, SERVER, Stamp};

/// The shared pages must have this much for it, which is more than it takes. Else it is left out.
const PAGES_BYTES_MIN: usize = 2 * (FORMS + 1) * PAGE_BYTES;

/// A line that was said earlier.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// When, as in [`Stamp`].
    pub at_seconds: u32,
    /// What it is.
    pub kind: EntryKind,
    /// Its author, if it has one.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// The newest lines of a room, with numbers of which none is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Earlier {
    lines: VecDeque<(Stamp, String)>,
    bytes: usize,
    /// The number of the next line; 0 if nothing is known.
    next: u64,
    /// From this number on none is missing, though the oldest lines may have been dropped.
    from: u64,
    /// That number may have been given to a line that was not kept.
    is_in_doubt: bool,
}

impl Earlier {
    /// Takes the line with this number, behind all others. The oldest go while there are more than
    /// `bytes_max` bytes. A line before which some are missing, or which is not known but for its
    /// number, goes on alone.
    pub fn add(&mut self, number: u64, line: Option<Said<'_>>, bytes_max: usize) {
        if number != self.next || line.is_none() {
            (self.lines, self.bytes) = (VecDeque::new(), 0);
        }
        if number != self.next {
            self.from = number;
        }
        self.next = number.saturating_add(1);
        self.is_in_doubt = false;
        let Some(Said { at_seconds, kind, name, text }) = line else { return };
        let (before, behind) = kind.marks();
        let name = if kind == EntryKind::Notice { "" } else { name };
        let author = if kind == EntryKind::Notice { SERVER } else { EARLIER };
        let stamp = Stamp { author, kind, at_seconds, name_bytes: name.len() as u8 };
        let line = format!("{before}{name}{behind}{text}\n");
        self.bytes += line.len();
        self.lines.push_back((stamp, line));
        while self.bytes > bytes_max
            && let Some((_, oldest)) = self.lines.pop_front()
        {
            self.bytes -= oldest.len();
        }
    }

    /// Lines may be missing behind those that are known, unless one comes with the next number.
    pub fn doubt(&mut self) {
        self.is_in_doubt = true;
    }

    /// Whether anything is known of the room.
    pub fn is_known(&self) -> bool {
        self.next > 0
    }
}

impl Room {
    /// Begins with what was said earlier. Call it before anything is said. If it is not known
    /// whether the next number is new, the number of what is said next is `new`. Then the earlier
    /// lines are shown under numbers just below that, which they did not have.
    pub fn begin_with(&mut self, earlier: &Earlier, new: u64, pages: &mut Pages) {
        let next = if earlier.is_in_doubt { new } else { earlier.next };
        self.begins_at = if earlier.is_in_doubt { new } else { earlier.from };
        if !pages.have(PAGES_BYTES_MIN) {
            self.forms.begin_at(next);
            return;
        }
        self.forms.begin_at(next - earlier.lines.len() as u64);
        // Browsers may have been here. One that comes back gets what it lacks of these lines.
        self.forms.join(Form::Web);
        for (stamp, line) in &earlier.lines {
            self.forms.append(pages, *stamp, &[line.as_bytes()]);
        }
        self.forms.leave(pages, Form::Web);
        // The log has it already.
        self.logged = self.forms.plain().head();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<'a>(kind: EntryKind, name: &'a str, text: &'a str) -> Option<Said<'a>> {
        Some(Said { at_seconds: 7, kind, name, text })
    }

    fn earlier(numbers: &[u64], bytes_max: usize) -> Earlier {
        let mut earlier = Earlier::default();
        for number in numbers {
            earlier.add(*number, said(EntryKind::Say, "bob", "1234"), bytes_max);
        }
        earlier
    }

    #[test]
    fn only_lines_without_a_gap_before_the_next_are_known() {
        let of = |numbers: &[u64], most| {
            let earlier = earlier(numbers, most);
            assert_eq!(earlier.bytes, 10 * earlier.lines.len());
            (earlier.lines.len(), earlier.next)
        };
        assert_eq!(of(&[], 99), (0, 0));
        assert_eq!(of(&[7, 8, 9], 99), (3, 10));
        assert_eq!(of(&[7, 9, 10], 99), (2, 11));
        assert_eq!(of(&[7, 8, 9], 29), (2, 10));
        assert_eq!(of(&[7, 8, 9], 9), (0, 10));
    }

    #[test]
    fn a_line_that_cannot_be_shown_still_has_a_number() {
        let mut earlier = earlier(&[7, 8], 99);
        earlier.add(9, None, 99);
        assert_eq!((earlier.lines.len(), earlier.next), (0, 10));
        earlier.add(10, said(EntryKind::Me, "bob", "waves"), 99);
        assert_eq!(earlier.lines[0].1, "~ bob waves\n");
        earlier.add(11, said(EntryKind::Notice, "*", "bob left"), 99);
        assert_eq!(earlier.lines[1].1, "* bob left\n");
    }
}
