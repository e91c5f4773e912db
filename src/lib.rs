//! chinwag: a chat server for anything that can open a TCP connection.
//!
//! One process, one thread, one poll. All clients are in one slab, and each is in one [`room`].
//! Each line that a client sends is appended once to the [`transcript`](room::transcript) of its
//! room, and each client there reads that at its own pace. Nothing in the loop blocks, so a stuck
//! client delays no other.
//!
//! A client has no queue of lines, but a position in the transcript. Sending is one `write` of
//! everything from there to the head. So a thousand messages are one system call, and a thousand
//! slow clients cost a thousand integers. The poll is epoll on Linux, edge-triggered, and every
//! socket is registered once.
//!
//! # The turn
//!
//! One pass of the loop ([`server`]) is six steps in this order:
//!
//! 1. **wait** for events, until the next deadline, or not at all while there is work;
//! 2. **note** every event: which client can be read or written. Then note which deadlines have
//!    come. Nothing is read, written, freed or accepted;
//! 3. **listen**: read the clients that have sent something, split it into lines, and submit these;
//! 4. **release** the clients that have a reason to leave, here and nowhere else;
//! 5. **accept** new clients until none waits: each gets its place in the order at this moment;
//! 6. **speak**: append what was submitted, and offer every client what it lacks, each in one call.
//!
//! The order matters. No event can reach the next client in a slab slot, because step 2 comes
//! before 4, and 4 before 5. One client's failure never touches another. What is submitted in a
//! turn is appended after all waiting connections are accepted. So a client whose `connect()`
//! returned before a line was sent gets that line.
//!
//! # What always holds
//!
//! - All clients of a room see one order. A client that keeps up gets every line, whole and once.
//! - A client that does not keep up lapses, and reads how many lines it missed.
//! - Between two offers to a client that takes all it is offered, the server appends no more than
//!   the window has room for. So *listen* has a budget, and neither it nor *speak* takes more in
//!   for a room while its pass is unfinished. A window is forgotten only at the end of a pass.
//! - No call blocks, no thread is made, and every buffer has a bound. Files are written by the
//!   [keeper](keep), a process of its own.
//! - The cost of a turn depends on what happens in it, not on how many clients are connected or how
//!   many rooms there are.
//!
//! # The words
//!
//! A *client* is one connection. A *room* is one conversation. A *line* is one entry of its
//! transcript. A *notice* is a line of the server's own. A *position* in the transcript is the
//! number of bytes before it. A *reading* is the position of one reader, and what it gets besides
//! the shared bytes: *detours*, which only it sees, and the *torn rest* of a line that was half
//! sent when it *lapsed*. A *pass* offers every reader of a room what it lacks. All transcripts
//! stand in *pages* of one budget. A client *leaves* for a reason. A *node* is one server of a
//! cluster, and a *record* is what it tells the others.
//!
//! # The folders
//!
//! They stand in the order in which a line passes them. A file uses only its own folder and those
//! above it.
//!
//! The first are values, which know neither sockets nor the clock. [`words`] is text: names,
//! commands, notices. [`pace`] limits how often a thing may happen. [`wire`] turns bytes into text.
//! [`room`] is one conversation. [`bus`] is the order that several servers share. [`config`] has
//! every limit and switch.
//!
//! [`hub`] is all clients and all rooms. It is generic over `Read + Write` and takes the present
//! moment as a parameter, so a simulation can run it.
//!
//! The rest touches the world. [`stdio`] is standard streams that never block. [`keep`] is the
//! process that writes what the server keeps over a restart, and the log of all that is said.
//! [`server`] is the loop, and the only folder of the server that knows mio. [`ctl`] sends a server
//! one command. [`join`] is the terminal client, with a loop of its own. `main` starts one of the
//! four.

#![forbid(unsafe_code)]

pub mod words;

pub mod pace;

pub mod wire;

pub mod room;

pub mod bus;

pub mod config;

pub mod hub;

pub mod stdio;

pub mod keep;

pub mod server;

pub mod ctl;

pub mod join;

/// The settings of the proptests here. A case that failed is kept beside the tests, and tried again
/// first.
#[cfg(test)]
fn cases() -> proptest::test_runner::Config {
    use proptest::test_runner::{Config, FileFailurePersistence};
    let kept = FileFailurePersistence::SourceParallel("tests/proptest-regressions");
    Config::with_failure_persistence(kept)
}
