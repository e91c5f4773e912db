//! Lines, telnet, heads of requests and frames with random and kept input.
//!
//! Proptest tries the rules with random bytes, and the programs of `tests/fuzz` with bytes that a
//! fuzzer chooses. Here they are also tried with every input that the fuzzer has kept.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

mod autobahn;
mod line;
mod telnet;
mod toy;
mod web;

use proptest::sample::Index;
use support::corpus::Inputs;
use support::wire as rules;

/// The same bytes in several reads.
fn cut_at<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

#[test]
fn what_is_kept_of_input_is_heard_as_the_rules_say() {
    Inputs::of("input").try_each(rules::input::holds);
}

#[test]
fn what_is_kept_of_heads_is_judged_as_the_rules_say() {
    Inputs::of("head").try_each(rules::head::holds);
}

#[test]
fn what_is_kept_of_frames_is_read_as_the_rules_say() {
    Inputs::of("frames").try_each(rules::frames::holds);
}
