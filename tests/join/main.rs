//! The terminal client, run by a user at a terminal and by a script.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

mod editing;
mod fake;
mod leaving;
mod losing;
mod model;
mod names;
mod pasting;
mod pipes;
mod recalling;
mod refusing;
mod seat;
mod showing;
mod sizes;
mod terminals;

// The files here call it `crate::support`.
extern crate support;
