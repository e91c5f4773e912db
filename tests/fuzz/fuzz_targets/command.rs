//! Commands and names: several people's lines, each begun by a byte that says whose it is.

#![no_main]
#![allow(dead_code, reason = "other programs use the rest of the rules")]

use libfuzzer_sys::fuzz_target;

#[path = "../../words/rules/mod.rs"]
mod rules;

fuzz_target!(|bytes: &[u8]| rules::command::holds(bytes));
