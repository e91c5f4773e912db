//! A paste: collected to its end, then handed out as lines.
//!
//! The rules of this file:
//!
//! - No line of a paste is sent before the end of the paste has come. More than [`LINES_FEW`] lines
//!   wait until the user allows it: a whole file may be in the clipboard by mistake.
//! - A line is sent whole or not at all.
//! - Lines that wait are kept here and not in the kernel, so the user can take them back.
//!
//! It never knows the keys, the server, or the prompt.

use std::collections::VecDeque;

use super::edit::typed;

/// This many lines are sent without a question: a user who copies a few lines means to send them.
pub const LINES_FEW: usize = 5;

/// The most bytes of a paste that are kept. A line counts [`LINE_COST`] more than its text. Nothing
/// of a longer paste is sent.
const PASTE_BYTES_MAX: usize = 16 << 20;

/// What a line costs beyond its text.
const LINE_COST: usize = size_of::<(String, bool)>() + 16;

/// The part of a paste that has come.
#[derive(Debug, Default)]
pub struct Paste {
    /// The whole lines, of which only the first may be blank.
    pub lines: Vec<String>,
    /// The text behind the last line end.
    pub rest: String,
    /// Why nothing of it is kept.
    pub refused: Option<&'static str>,
    bytes: usize,
}

impl Paste {
    /// Takes in the next piece.
    pub fn push(&mut self, text: &str) {
        if self.refused.is_some() {
            return;
        }
        for (number, piece) in text.split(['\n', '\r']).enumerate() {
            if number > 0 {
                self.end_line();
            }
            self.rest.extend(piece.chars().filter_map(typed));
        }
        self.bytes += text.len();
        if self.bytes + self.lines.len() * LINE_COST > PASTE_BYTES_MAX {
            self.refuse("it is longer than 16 MiB");
        }
    }

    /// All of it, with a blank for each line end.
    pub fn in_one_line(mut self) -> String {
        self.lines.push(self.rest);
        self.lines.join(" ")
    }

    /// Refuses the whole paste, and the pieces still to come.
    pub fn refuse(&mut self, why: &'static str) {
        *self = Paste { refused: Some(why), ..Paste::default() };
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.rest);
        if !line.trim().is_empty() || self.lines.is_empty() {
            self.lines.push(line);
        }
    }
}

/// The lines that wait to be sent, oldest first.
#[derive(Debug, Default)]
pub struct Queue {
    /// Each line, and whether its beginning was pasted: then it is no command.
    pub lines: VecDeque<(String, bool)>,
    /// How many lines were added since it was last empty.
    total: usize,
    /// Whether the user must first say that they are sent.
    pub asking: bool,
}

impl Queue {
    /// Adds a line. A blank one is ignored.
    pub fn push(&mut self, text: String, pasted: bool) {
        if self.lines.is_empty() {
            *self = Queue::default();
        }
        if !text.trim().is_empty() {
            self.lines.push_back((text, pasted));
            self.total += 1;
        }
    }

    /// Whether no line waits.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether lines wait for the user's answer.
    pub fn is_asking(&self) -> bool {
        self.asking && !self.is_empty()
    }

    /// The next line that may be sent, and whether it was pasted.
    pub fn next_line(&mut self) -> Option<(String, bool)> {
        if self.asking { None } else { self.lines.pop_front() }
    }

    /// Takes all lines back. Returns what to tell the user about that.
    pub fn take_back(&mut self) -> Option<String> {
        let queue = std::mem::take(self);
        (!queue.is_empty()).then(|| format!("{} sent", queue.progress()))
    }

    /// The note above the prompt while lines wait.
    pub fn note(&self) -> Option<String> {
        let lines = counted(self.lines.len());
        match (self.asking, self.lines.len()) {
            (_, 0) => None,
            (false, _) => Some(format!("{} sent (Ctrl-C stops)", self.progress())),
            (true, 1) => Some(format!("{lines} pasted: Enter sends it, Ctrl-C does not")),
            (true, _) => Some(format!("{lines} pasted: Enter sends them, Ctrl-C does not")),
        }
    }

    fn progress(&self) -> String {
        format!("{} of {}", self.total - self.lines.len(), counted(self.total))
    }
}

/// A number of lines, in words.
pub fn counted(lines: usize) -> String {
    format!("{lines} line{}", if lines == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paste(pieces: &[&str]) -> Paste {
        let mut paste = Paste::default();
        pieces.iter().for_each(|piece| paste.push(piece));
        paste
    }

    #[test]
    fn line_ends_of_all_kinds_part_lines() {
        let paste = paste(&["one\r", "\ntwo\n\n \nthr", "ee\rrest\x1b"]);
        assert_eq!(paste.lines, ["one", "two", "three"]);
        assert_eq!(paste.rest, "rest");
    }

    #[test]
    fn of_more_than_may_be_kept_nothing_is() {
        let piece = "a\n".repeat(100_000);
        let pieces = [piece.as_str(); 4];
        assert!(paste(&pieces[..1]).refused.is_none());
        let paste = paste(&pieces);
        assert!(paste.refused.is_some() && paste.lines.is_empty());
    }

    #[test]
    fn each_byte_of_a_paste_counts_even_without_a_line_end() {
        let mut paste = Paste { bytes: PASTE_BYTES_MAX - "이".len(), ..Paste::default() };
        paste.push("이");
        assert_eq!((paste.refused, paste.rest.as_str()), (None, "이"));
        paste.push("x");
        assert!(paste.refused.is_some() && paste.rest.is_empty());
        paste.push("y\n");
        assert!(paste.rest.is_empty() && paste.lines.is_empty());
    }

    #[test]
    fn it_says_how_much_was_sent() {
        let mut queue = Queue::default();
        for number in 0..6 {
            queue.push(number.to_string(), true);
        }
        queue.asking = true;
        assert_eq!(queue.next_line(), None);
        let question = "6 lines pasted: Enter sends them, Ctrl-C does not";
        assert_eq!(queue.note().as_deref(), Some(question));
        queue.asking = false;
        assert_eq!(queue.next_line(), Some(("0".to_owned(), true)));
        assert_eq!(queue.note().as_deref(), Some("1 of 6 lines sent (Ctrl-C stops)"));
        queue.asking = true;
        let question = "5 lines pasted: Enter sends them, Ctrl-C does not";
        assert_eq!(queue.note().as_deref(), Some(question));
        assert_eq!(queue.take_back().as_deref(), Some("1 of 6 lines sent"));
        assert_eq!((queue.note(), queue.take_back(), queue.is_asking()), (None, None, false));
    }
}
