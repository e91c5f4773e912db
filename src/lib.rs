//! chinwag: a chat server for anything that can open a TCP connection.
//!
//! One process, one thread, one poll. Everyone connected is in one slab; whatever a client says is
//! appended once to one shared [`transcript`](room::transcript), and everyone reads it at their own
//! pace. Nothing in the loop can wait: one stuck reader costs nobody else anything.
//!
//! What a client still has to get is not a queue but a position in the transcript. Sending is one
//! `write` of everything from there to the head. So a thousand messages are one system call, and a
//! thousand slow readers cost a thousand integers. The poll is epoll on Linux, edge-triggered, and
//! every socket is registered once.
//!
//! # The turn
//!
//! One pass of the loop ([`server`]) is six steps in this order:
//!
//! 1. **wait** for events, until the next deadline, or not at all while there is work;
//! 2. **note** for every event that a client may be read or written, and then whose deadline has
//!    come; nothing is read, written, freed or accepted;
//! 3. **listen**: read those that have something to say, make lines of it, submit them;
//! 4. **release** those that have a reason to leave, here and nowhere else;
//! 5. **accept** newcomers until nobody waits: each takes its place at this moment;
//! 6. **speak**: append what was submitted, and offer everyone what it lacks, each in one call.
//!
//! The order is the point. No event can reach the next tenant of a slab slot (2 comes before 4, and
//! 4 before 5), and one client's failure never touches another. What is said in a turn is appended
//! after all that wait are accepted: so a client whose `connect()` returned before a line was sent
//! hears that line.
//!
//! # What always holds
//!
//! - Everyone sees one order. Who keeps up gets every line, whole, once.
//! - Who does not keep up lapses and is told how many lines it missed.
//! - Between two offers to a client that takes all it is offered, no more is said than the window
//!   has room for. So *listen* has a budget, and neither it nor *speak* takes more in while a pass
//!   is unfinished.
//! - No call blocks, no thread is made, no buffer is without a bound.
//! - A turn costs what it does, not how many are connected.
//!
//! # The words
//!
//! A *client* is one connection, a *line* one entry of the transcript, a *notice* what the server
//! says. A *position* counts the bytes said before it. A *reading* is one reader's position and
//! what stands between it and the shared bytes: *detours*, which only it sees, and the *torn rest*
//! of what was half sent when it *lapsed*. A *pass* offers everyone what they lack. A client
//! *leaves* for a reason.
//!
//! # The folders
//!
//! In the order in which a line passes them; a file uses only its own folder and those above it.
//!
//! Values, which know neither sockets nor the clock: [`words`] is what is said, as text; [`pace`]
//! how often a thing may happen; [`wire`] makes text of bytes; [`room`] is one conversation;
//! [`config`] every limit and switch. Generic over `Read + Write`, with the present moment handed
//! in, so that a simulation can run it: [`hub`], all clients and all rooms. The world: [`stdio`]
//! are standard streams that never wait, [`server`] the loop (the only folder of the server that
//! knows mio), [`join`] the terminal client with a loop of its own, and `main`.

#![forbid(unsafe_code)]

pub mod words;

pub mod pace;

pub mod wire;

pub mod room;

pub mod config;

pub mod hub;

pub mod stdio;

pub mod server;

pub mod join;

/// The cases of the proptests here: what once failed is tried again, and is kept beside the tests.
#[cfg(test)]
fn cases() -> proptest::test_runner::Config {
    use proptest::test_runner::{Config, FileFailurePersistence};
    let kept = FileFailurePersistence::SourceParallel("tests/proptest-regressions");
    Config::with_failure_persistence(kept)
}
