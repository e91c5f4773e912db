//! What must hold of whatever bytes a stranger sends: each rule said once more, slowly and plainly,
//! and beside it what the rooms make of it.
//!
//! The proptests of the rooms try these with random bytes, the programs of `tests/fuzz` with those
//! that a fuzzer chooses, and here they are tried with all that the fuzzer has kept.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

pub mod command;
pub mod corpus;
pub mod input;
pub mod line;
pub mod names;
pub mod telnet;
pub mod text;

use corpus::Inputs;

#[test]
fn what_is_kept_of_input_is_heard_as_the_rules_say() {
    Inputs::of("input").try_each(input::holds);
}

#[test]
fn what_is_kept_of_text_is_shown_safely() {
    Inputs::of("text").try_each(text::holds);
}

#[test]
fn what_is_kept_of_commands_is_read_as_it_is_written() {
    Inputs::of("command").try_each(command::holds);
}
