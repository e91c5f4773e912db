//! Safe text: whatever arrives, nothing of it acts on a terminal.

#![no_main]
#![allow(dead_code, reason = "other programs use the rest of the rules")]

use libfuzzer_sys::fuzz_target;

#[path = "../../words/rules/mod.rs"]
mod rules;

fuzz_target!(|bytes: &[u8]| rules::text::holds(bytes));
