//! Lines and telnet: the bytes say how they are cut into reads, and what they say does not depend
//! on it.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../wire/rules/mod.rs"]
mod rules;

fuzz_target!(|bytes: &[u8]| rules::input::holds(bytes));
