//! What has been said but is not in the transcript yet.
//!
//! Saying and appending are two things: one day an ordered stream shared by several servers may
//! stand between them. Whatever is submitted is appended in the order in which it was submitted.

use std::collections::VecDeque;

use crate::transcript::{SERVER, Transcript, charge};

/// A queue of entries for the transcript.
#[derive(Debug, Default)]
pub struct Submissions {
    /// The texts, one after the other; those before `taken` have been appended.
    texts: Vec<u8>,
    taken: usize,
    entries: VecDeque<Submission>,
    charged: usize,
}

#[derive(Debug)]
struct Submission {
    author: u64,
    bytes: usize,
    /// What it will be charged in the transcript.
    charge: usize,
}

/// How a client's words become an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// As they are.
    Raw,
    /// With the name before them and a line feed behind.
    Named,
}

/// How many bytes a client's words will take in the transcript.
pub fn standing_bytes(author: u64, text: &[u8], entry: Entry) -> usize {
    match entry {
        Entry::Raw => text.len(),
        Entry::Named => prefix(author).len() + text.len() + 1,
    }
}

fn prefix(author: u64) -> String {
    format!("{}: ", super::guest_name(author))
}

impl Submissions {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What those that wait will be charged in the transcript.
    pub fn charged(&self) -> usize {
        self.charged
    }

    /// Submits an entry as it will stand.
    pub fn push(&mut self, author: u64, text: &[u8]) {
        self.push_charged(author, text, charge(text.len()));
    }

    /// Submits what a client said.
    pub fn say(&mut self, author: u64, text: &[u8], entry: Entry) {
        self.push_charged(author, text, charge(standing_bytes(author, text, entry)));
    }

    fn push_charged(&mut self, author: u64, text: &[u8], charge: usize) {
        self.texts.extend_from_slice(text);
        self.charged += charge;
        self.entries.push_back(Submission { author, bytes: text.len(), charge });
    }

    /// Appends as many as may be charged `budget` together, but at least one; names are given now.
    /// Says whether anything was appended.
    pub fn append_to(&mut self, transcript: &mut Transcript, budget: usize, entry: Entry) -> bool {
        let mut left = budget;
        let mut appended = false;
        while let Some(Submission { author, bytes, charge }) = self.entries.front() {
            if appended && *charge > left {
                break;
            }
            let text = &self.texts[self.taken..self.taken + bytes];
            match (*author, entry) {
                (SERVER, _) | (_, Entry::Raw) => transcript.append(*author, &[text]),
                (_, Entry::Named) => {
                    transcript.append(*author, &[prefix(*author).as_bytes(), text, b"\n"]);
                }
            }
            left = left.saturating_sub(*charge);
            self.charged -= charge;
            self.taken += bytes;
            self.entries.pop_front();
            appended = true;
        }
        self.texts.drain(..self.taken);
        self.taken = 0;
        appended
    }
}
