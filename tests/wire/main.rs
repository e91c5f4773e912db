//! Lines and telnet as random and kept input has them.
//!
//! Proptest tries the rules with random bytes, the programs of `tests/fuzz` with those that a
//! fuzzer chooses, and here they are tried with all that the fuzzer has kept.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

#[path = "../support/corpus.rs"]
mod corpus;
mod line;
mod rules;
mod telnet;

use corpus::Inputs;

#[test]
fn what_is_kept_of_input_is_heard_as_the_rules_say() {
    Inputs::of("input").try_each(rules::input::holds);
}
