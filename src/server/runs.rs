//! What was said and is not known to be written: frames for the keeper's log, in a bounded queue.
//!
//! A keeper that has ended is followed by another, which is sent all of it again. So what was said
//! is lost only if the queue is full. Then the lines are counted, and the count is a frame as well,
//! before the next lines. This file knows no socket.

use std::collections::VecDeque;

use crate::config::LOG_BYTES_MAX;
use crate::keep::entry::NONE;
use crate::keep::frame::{LINE_BYTES_MAX, Verb, missed_words, run_line};
use crate::stdio::backlog::Backlog;

/// Room for the frame that tells what is missing.
const MISSED_BYTES: usize = LINE_BYTES_MAX + 32;

/// Lines that were said in one room, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// What they are.
    pub verb: Verb,
    /// The name of the room.
    pub room: &'a str,
    /// The number of the first.
    pub number: u64,
    /// How many they are.
    pub lines: u64,
    /// When they were said.
    pub unix_millis: u64,
}

/// The frames, oldest first.
#[derive(Debug, Default)]
pub struct Runs {
    bytes: Backlog,
    /// Where each frame ends, and how many lines it keeps or counts. Like [`Runs::sent`], the end
    /// is a number of bytes since the first of all.
    frames: VecDeque<(u64, u64)>,
    /// How many bytes are known to be written.
    written: u64,
    /// How many bytes the present keeper was sent.
    sent: u64,
    /// Lines that found no room, and are not told of yet.
    missed: u64,
    /// How many lines were said.
    lines: u64,
    /// How many of them are known to be written, or counted in the log as missed.
    lines_written: u64,
    /// How many those were when the present keeper began.
    lines_before: u64,
    /// The number of the next frame that is of no room.
    own_number: u64,
}

impl Runs {
    /// Takes what was said, in `pieces` of this many bytes together; or counts it, if there is no
    /// room for it.
    pub fn push<'a>(
        &mut self,
        said: Said<'_>,
        bytes: usize,
        pieces: impl Iterator<Item = &'a [u8]>,
    ) {
        let needed = bytes + LINE_BYTES_MAX + MISSED_BYTES;
        self.lines += said.lines;
        if self.bytes.len() + needed > LOG_BYTES_MAX {
            self.missed += said.lines;
            return;
        }
        self.tell_missed(said.unix_millis);
        self.append(said, bytes, pieces);
    }

    /// Takes a line that is of no room.
    pub fn push_own(&mut self, verb: Verb, words: &str, lines: u64, unix_millis: u64) {
        let number = self.own_number.max(unix_millis);
        self.own_number = number.saturating_add(1);
        let said = Said { verb, room: NONE, number, lines, unix_millis };
        self.append(said, words.len(), [words.as_bytes()].into_iter());
    }

    /// The numbers of lines that are of no room begin here.
    pub fn number_own(&mut self, number: u64) {
        self.own_number = self.own_number.max(number);
    }

    /// Adds the frame that tells what is missing, if anything is and there is room.
    pub fn tell_missed(&mut self, unix_millis: u64) {
        if self.missed == 0 || self.bytes.len() + MISSED_BYTES > LOG_BYTES_MAX {
            return;
        }
        let missed = std::mem::take(&mut self.missed);
        self.push_own(Verb::Missed, &missed_words(missed), missed, unix_millis);
    }

    /// Whether lines are missing that no frame tells of yet.
    pub fn has_missed(&self) -> bool {
        self.missed > 0
    }

    /// How many lines were said of which the present keeper is to be sent, or told that they are
    /// missing.
    pub fn lines_for_keeper(&self) -> u64 {
        self.lines - self.lines_before
    }

    /// Whether all is known to be written.
    pub fn is_written(&self) -> bool {
        self.frames.is_empty() && self.missed == 0
    }

    fn append<'a>(&mut self, said: Said<'_>, bytes: usize, pieces: impl Iterator<Item = &'a [u8]>) {
        let Said { verb, room, number, unix_millis, lines } = said;
        let end = self.bytes.end();
        end.extend_from_slice(run_line(verb, room, number, unix_millis, bytes).as_bytes());
        pieces.for_each(|piece| end.extend_from_slice(piece));
        self.frames.push_back((self.written + self.bytes.len() as u64, lines));
    }

    /// What the present keeper was not sent yet.
    pub fn unsent(&self) -> &[u8] {
        &self.bytes.rest()[(self.sent - self.written) as usize..]
    }

    /// The rest of the frame of which it was sent a part: empty between two frames.
    pub fn rest_of_frame(&self) -> &[u8] {
        let at = self.frames.partition_point(|(end, _)| *end <= self.sent);
        let begin = if at == 0 { self.written } else { self.frames[at - 1].0 };
        match self.frames.get(at) {
            Some((end, _)) if begin != self.sent => &self.unsent()[..(end - self.sent) as usize],
            _ => &[],
        }
    }

    /// The first `bytes` of the unsent have been sent.
    pub fn note_sent(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.unsent().len());
        self.sent += bytes as u64;
    }

    /// The keeper has written so many frames more. It cannot have written what it was not sent.
    pub fn note_written(&mut self, frames: usize) {
        for _ in 0..frames {
            let first = self.frames.front().copied();
            let Some((end, lines)) = first.filter(|(end, _)| *end <= self.sent) else { return };
            self.frames.pop_front();
            self.bytes.took((end - self.written) as usize);
            self.written = end;
            self.lines_written += lines;
        }
    }

    /// There is another keeper, which was sent nothing yet.
    pub fn send_again(&mut self) {
        self.sent = self.written;
        self.lines_before = self.lines_written;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keep::frame::{Frame, Frames};

    fn said(number: u64, lines: u64) -> Said<'static> {
        Said { verb: Verb::Said, room: "lobby", number, lines, unix_millis: 5 }
    }

    /// The numbers and contents of the frames that a keeper is sent now.
    fn sent(runs: &mut Runs) -> Vec<(u64, String)> {
        let (mut frames, mut came) = (Frames::default(), Vec::new());
        let bytes = runs.unsent().to_vec();
        runs.note_sent(bytes.len());
        let mut bytes = &bytes[..];
        while let Some(frame) = frames.next(&mut bytes).unwrap() {
            let Frame::Run(run) = frame else { panic!("{frame:?}") };
            came.push((run.number, String::from_utf8(run.content).unwrap()));
        }
        came
    }

    fn push(runs: &mut Runs, number: u64, text: &str) {
        let lines = text.lines().count() as u64;
        runs.push(said(number, lines), text.len(), [text.as_bytes()].into_iter());
    }

    #[test]
    fn what_is_not_known_to_be_written_is_sent_again() {
        let mut runs = Runs::default();
        push(&mut runs, 0, "a: one\n");
        push(&mut runs, 1, "a: two\n");
        let (one, two) = ((0, "a: one\n".to_owned()), (1, "a: two\n".to_owned()));
        assert_eq!(sent(&mut runs), [one, two.clone()]);
        runs.note_written(1);
        assert_eq!(sent(&mut runs), []);
        runs.send_again();
        assert_eq!(sent(&mut runs), [two]);
        // More than was sent cannot be written.
        push(&mut runs, 2, "a: three\n");
        runs.note_written(9);
        assert_eq!(sent(&mut runs), [(2, "a: three\n".to_owned())]);
    }

    #[test]
    fn a_frame_that_was_begun_has_a_rest() {
        let mut runs = Runs::default();
        push(&mut runs, 0, "a: one\n");
        push(&mut runs, 1, "a: two\n");
        assert!(runs.rest_of_frame().is_empty());
        runs.note_sent(5);
        let rest = runs.rest_of_frame().len();
        assert_eq!(2 * (rest + 5), runs.unsent().len() + 5);
        runs.note_sent(rest);
        assert!(runs.rest_of_frame().is_empty());
        runs.note_written(1);
        assert!(runs.rest_of_frame().is_empty());
        runs.note_sent(1);
        assert_eq!(runs.rest_of_frame().len(), rest + 4);
    }

    #[test]
    fn what_finds_no_room_is_counted_before_what_comes_later() {
        let mut runs = Runs::default();
        let long = format!("a: {}\n", "x".repeat(99_996));
        (0..20).for_each(|number| push(&mut runs, number, &long));
        assert!(runs.bytes.len() <= LOG_BYTES_MAX);
        let kept = sent(&mut runs).len();
        assert_eq!(kept, 10);
        runs.note_written(kept);
        push(&mut runs, 20, "a: b\n");
        let later = [(5, "10 lines".to_owned()), (20, "a: b\n".to_owned())];
        assert_eq!(sent(&mut runs), later);
        // Nothing else need be said.
        (21..40).for_each(|number| push(&mut runs, number, &long));
        assert!(runs.has_missed());
        let kept = sent(&mut runs).len();
        runs.note_written(2 + kept);
        runs.tell_missed(5);
        assert_eq!(sent(&mut runs), [(6, format!("{} lines", 19 - kept))]);
    }
}
