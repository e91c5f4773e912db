//! Commands and names: lines of several clients. The first byte of each line says which client
//! sends it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use support::words as rules;

fuzz_target!(|bytes: &[u8]| rules::command::holds(bytes));
