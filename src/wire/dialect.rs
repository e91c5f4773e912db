//! A dialect: what a client's text is wrapped in.
//!
//! A plain client has none. What it sends is text.

use std::fmt::Debug;

use memchr::memchr;

use super::form::Form;
use super::telnet::{IAC, Telnet};

/// What a client's text is wrapped in, and how far it has come. It reads bytes and nothing else.
pub trait Dialect: Debug {
    /// Takes what is no text out of what was read: moves the text to the front of `bytes` and
    /// returns how many bytes of it there are. Appends to `answers` what is to be sent.
    ///
    /// The first byte is spare: what was read stands behind it. So there is room for one byte of
    /// text more than was read. That byte is of an earlier read and has turned out to be text, or
    /// it ends a line whose beginning came before.
    ///
    /// However the bytes are cut into reads, the text is the same.
    fn take_in(&mut self, bytes: &mut [u8], answers: &mut Vec<u8>) -> usize;

    /// The form in which the client reads what is said.
    fn form(&self) -> Form;

    /// What is text after all if nothing follows it.
    fn rest(&self) -> &'static [u8] {
        &[]
    }

    /// Nothing follows: hands out the [`Dialect::rest`].
    fn take_rest(&mut self) -> &'static [u8] {
        &[]
    }

    /// Whether a line that has not ended when nothing follows is one.
    fn keeps_rest(&self) -> bool {
        true
    }

    /// Whether nothing of it is taken before the client has sent all.
    fn is_taken_whole(&self) -> bool {
        false
    }

    /// Whether the client speaks it for sure. Before that it counts as a plain one.
    fn has_begun(&self) -> bool {
        true
    }

    /// Whether the client has ended its session: nothing behind that counts.
    fn has_ended(&self) -> bool {
        false
    }

    /// Appends what is sent last, behind all else, before the connection is closed. It may tell
    /// that the whole server stops.
    fn push_last(&self, _is_stopping: bool, _out: &mut Vec<u8>) {}

    /// Whether the client means the end of its session with this line.
    fn is_farewell(&self, _line: &[u8]) -> bool {
        false
    }
}

/// The dialect that a plain client may have begun with what was just read, its first bytes or not.
pub fn begun_by(bytes: &[u8], is_first: bool) -> Option<Box<dyn Dialect>> {
    match memchr(IAC, bytes) {
        Some(_) if is_first => Some(Box::new(Telnet::default())),
        Some(_) => Some(Box::new(Telnet::behind_text())),
        None => None,
    }
}
