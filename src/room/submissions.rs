//! What has been said but is not in the transcript yet.
//!
//! Saying and appending are two things: one day an ordered stream shared by several servers may
//! stand between them. Whatever is submitted is appended in the order in which it was submitted.

use std::collections::VecDeque;

use super::ClientId;
use super::transcript::{SERVER, charge};

/// A queue of what is to become part of the conversation.
#[derive(Debug, Default)]
pub struct Submissions {
    /// The texts, one after the other.
    texts: Vec<u8>,
    /// How many bytes of text have been forgotten: the first of `texts` is the one after these.
    forgotten: usize,
    /// Where the next text to be taken begins, counted from the very first.
    taken: usize,
    queue: VecDeque<Submission>,
    charged: usize,
}

/// One thing submitted.
#[derive(Clone, Copy, Debug)]
pub struct Submission {
    /// The client that submitted it; [`SERVER`] is the server's
    /// serial.
    pub author: ClientId,
    /// What it will be charged in the transcript, at most.
    pub charge: usize,
    /// What is to be done with its text.
    pub kind: Kind,
    start: usize,
    bytes: usize,
}

/// What is to be done with a text that was submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is appended as it is.
    AsItIs,
    /// It is appended with the author's name before it and a line feed behind.
    Line,
    /// It is a command of its author's, to be carried out.
    Command,
    /// It is an answer for its author alone.
    Answer,
    /// Its author has gone.
    Departure {
        /// Whether all are told.
        told: bool,
    },
}

impl Submissions {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// What those that wait will be charged in the transcript.
    pub fn charged(&self) -> usize {
        self.charged
    }

    /// Submits an entry of the server's as it will stand, if it has anything to say.
    pub fn push_notice(&mut self, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        let server = ClientId { serial: SERVER, key: 0 };
        self.push(server, Kind::AsItIs, line, charge(line.len()));
    }

    /// Submits what someone said, to be charged so much.
    pub fn push(&mut self, author: ClientId, kind: Kind, text: &[u8], charge: usize) {
        let (start, bytes) = (self.forgotten + self.texts.len(), text.len());
        self.texts.extend_from_slice(text);
        self.charged += charge;
        self.queue.push_back(Submission { author, charge, kind, start, bytes });
    }

    /// Takes out the next one, if it is charged at most `charge_max`.
    pub fn take(&mut self, charge_max: usize) -> Option<Submission> {
        let submission = *self.queue.front().filter(|next| next.charge <= charge_max)?;
        self.queue.pop_front();
        self.charged -= submission.charge;
        self.taken = submission.start + submission.bytes;
        Some(submission)
    }

    /// The text of one that was taken; it is there until [`Submissions::forget_taken`].
    pub fn text(&self, submission: &Submission) -> &[u8] {
        let start = submission.start - self.forgotten;
        &self.texts[start..start + submission.bytes]
    }

    /// Frees the texts of those that were taken.
    pub fn forget_taken(&mut self) {
        self.texts.drain(..self.taken - self.forgotten);
        self.forgotten = self.taken;
    }
}
