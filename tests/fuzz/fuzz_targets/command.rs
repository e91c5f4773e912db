//! Commands and names: lines of several clients. The first byte of each line says which client
//! sends it.

#![no_main]
#![allow(dead_code, reason = "other programs use the rest of the rules")]

use libfuzzer_sys::fuzz_target;

#[path = "../../words/rules/mod.rs"]
mod rules;

fuzz_target!(|bytes: &[u8]| rules::command::holds(bytes));
