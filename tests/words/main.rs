//! Text, names and commands with random, kept and known input.
//!
//! Proptest tries the rules with random text, and the programs of `tests/fuzz` with bytes that a
//! fuzzer chooses. Here they are also tried with every input that the fuzzer has kept.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

mod command;
mod names;
mod text;

use support::corpus::Inputs;
use support::words as rules;

#[test]
fn what_is_kept_of_text_is_shown_safely() {
    Inputs::of("text").try_each(rules::text::holds);
}

#[test]
fn what_is_kept_of_commands_is_read_as_it_is_written() {
    Inputs::of("command").try_each(rules::command::holds);
}
