//! A queue of what was submitted but is not in the transcript yet.
//!
//! Submitting and appending are two steps: in a cluster the order that all servers share stands
//! before them. The order of submitting is the order of appending.

use std::collections::VecDeque;

use super::ClientId;
use super::forms::FORM_BYTES_MAX;
use super::transcript::{EntryKind, SERVER, charge};

/// A queue of what will be appended, or carried out, in order.
#[derive(Debug, Default)]
pub struct Submissions {
    /// The texts, one behind the other.
    texts: Vec<u8>,
    /// How many bytes of text were freed so far. The first byte of `texts` is the one after them.
    forgotten: usize,
    /// Where the next text in the queue begins, counted from the very first byte.
    taken: usize,
    queue: VecDeque<Submission>,
    charged: usize,
}

/// One thing submitted.
#[derive(Clone, Copy, Debug)]
pub struct Submission {
    /// The client that submitted it. The server has the serial [`SERVER`].
    pub author: ClientId,
    /// The most that it will be charged in the transcript.
    pub charge: usize,
    /// What happens to its text.
    pub kind: Kind,
    start: usize,
    bytes: usize,
}

/// What happens to a submitted text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is appended unchanged.
    AsItIs,
    /// It is appended between the author's name and a line feed.
    Line,
    /// It is complete, as all servers of a cluster show it.
    Ordered {
        /// What kind of entry it is.
        kind: EntryKind,
        /// How many bytes of its author's name are in it.
        name_bytes: u8,
    },
    /// It is a command of its author, and is carried out.
    Command,
    /// It is a reply to its author alone.
    Answer,
    /// Its author has left.
    Departure {
        /// Whether all clients read a notice of it.
        told: bool,
    },
}

impl Submissions {
    /// Whether the queue is empty.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// What all in the queue will be charged in the transcript.
    pub fn charged(&self) -> usize {
        self.charged
    }

    /// Submits a notice, complete as it will be appended. An empty one is not submitted.
    pub fn push_notice(&mut self, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        let server = ClientId { serial: SERVER, key: 0 };
        self.push(server, Kind::AsItIs, line, charge(line.len()) + FORM_BYTES_MAX);
    }

    /// Submits a text of a client, with what it will be charged.
    pub fn push(&mut self, author: ClientId, kind: Kind, text: &[u8], charge: usize) {
        let (start, bytes) = (self.forgotten + self.texts.len(), text.len());
        self.texts.extend_from_slice(text);
        self.charged += charge;
        self.queue.push_back(Submission { author, charge, kind, start, bytes });
    }

    /// Takes out all lines and commands of this author: they are dropped. That it has left stays.
    pub fn drop_lines_of(&mut self, author: ClientId) {
        let charged = &mut self.charged;
        self.queue.retain(|its| {
            let stays = its.author != author || matches!(its.kind, Kind::Departure { .. });
            *charged -= if stays { 0 } else { its.charge };
            stays
        });
    }

    /// What the next one is charged, if that is at most `charge_max`.
    pub fn next_charge(&self, charge_max: usize) -> Option<usize> {
        self.queue.front().map(|next| next.charge).filter(|charge| *charge <= charge_max)
    }

    /// Takes the next one out, if its charge is at most `charge_max`.
    pub fn take(&mut self, charge_max: usize) -> Option<Submission> {
        let submission = *self.queue.front().filter(|next| next.charge <= charge_max)?;
        self.queue.pop_front();
        self.charged -= submission.charge;
        self.taken = submission.start + submission.bytes;
        Some(submission)
    }

    /// The text of one that was taken out. It is valid until [`Submissions::forget_taken`].
    pub fn text(&self, submission: &Submission) -> &[u8] {
        let start = submission.start - self.forgotten;
        &self.texts[start..start + submission.bytes]
    }

    /// Frees the texts of all that were taken out.
    pub fn forget_taken(&mut self) {
        debug_assert!(!self.queue.is_empty() || self.charged == 0);
        self.texts.drain(..self.taken - self.forgotten);
        self.forgotten = self.taken;
    }
}
