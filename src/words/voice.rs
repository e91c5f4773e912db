//! How the server speaks: in one language, or not at all where it only relays.
//!
//! Clients of a bare relay take every byte for a message. So the server sends them one notice only,
//! that a client joined, in the words of the old server.

use super::notice::{Lang, Notice, Shown, joined_raw};

/// The voice of a server.
#[derive(Clone, Copy, Debug)]
pub struct Voice {
    /// The language of its words.
    pub lang: Lang,
    /// It says nothing.
    pub is_mute: bool,
}

impl Voice {
    /// A notice as a line; empty if it says nothing.
    pub fn line(self, notice: &Notice<'_>) -> Vec<u8> {
        self.words(|lang| notice.to_line(lang))
    }

    /// Any words; empty if it says nothing.
    pub fn words(self, words: impl FnOnce(Lang) -> Vec<u8>) -> Vec<u8> {
        if self.is_mute { Vec::new() } else { words(self.lang) }
    }

    /// That a client joined, which a mute server says too.
    pub fn joined(self, name: &str, address: Shown) -> Vec<u8> {
        match self.is_mute {
            true => joined_raw(address).into_bytes(),
            false => Notice::Joined { name, address }.to_line(self.lang),
        }
    }
}
