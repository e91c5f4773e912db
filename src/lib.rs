//! chinwag: a chat server for anything that can open a TCP connection.
//!
//! One process, one thread, one poll. Everyone connected is in one slab; whatever a client says is
//! appended once to one shared [`transcript`], and everyone reads it at their own pace. Nothing
//! in the loop can wait: one stuck reader costs nobody else anything.
//!
//! # The turn
//!
//! One pass of the loop ([`server`]) is six steps in this order:
//!
//! 1. **wait** for events, until the next deadline, or not at all while there is work;
//! 2. **note** for every event that a client may be read or written; nothing is done about it;
//! 3. **listen**: read those who have something to say, make lines of it, append them;
//! 4. **speak**: offer everyone what they lack, each in one system call;
//! 5. **release** those who have a reason to leave, here and nowhere else;
//! 6. **accept** newcomers, last.
//!
//! The order is the point: no event can reach the next tenant of a slab slot (2 comes before 5 and
//! 5 before 6), and one client's failure never touches another.
//!
//! # What always holds
//!
//! - Everyone sees one order. Who keeps up gets every line, whole, once.
//! - Who does not keep up lapses and is told how many lines it missed.
//! - Between two offers to a client that takes all it is offered, no more is said than the window
//!   has room for. So *listen* has a budget, and does nothing while a pass of *speak* is
//!   unfinished.
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
//! # The rooms
//!
//! Three rings; a file uses only its own ring and those inside it.
//!
//! Values, which know neither sockets nor the clock: [`config`], [`transcript`], [`reading`],
//! [`mod@line`], [`telnet`], [`text`], [`stranger`], [`command`], [`names`], [`notice`], [`pace`],
//! [`addresses`], [`without`], [`deadlines`], [`backlog`]. Generic over `Read + Write`, with the
//! present moment handed in, so that a simulation can run them: [`client`], [`hub`], [`door`]. The
//! world: [`server`] (the only one of the server that knows mio), [`console`], [`journal`],
//! [`sink`], the terminal client [`join`] with a loop of its own, and `main`.

#![forbid(unsafe_code)]

pub mod addresses;
pub mod backlog;
pub mod command;
pub mod config;
pub mod deadlines;
pub mod line;
pub mod names;
pub mod notice;
pub mod pace;
pub mod reading;
pub mod stranger;
pub mod telnet;
pub mod text;
pub mod transcript;
pub mod without;

pub mod client;
pub mod door;
pub mod hub;

pub mod console;
pub mod join;
pub mod journal;
pub mod server;
pub mod sink;

#[cfg(test)]
#[path = "../tests/properties/mod.rs"]
mod properties;
/// The properties name the rooms as the programs that share them do.
#[cfg(test)]
extern crate self as chinwag;
