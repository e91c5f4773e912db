//! Safe text: whatever arrives, nothing of it acts on a terminal.

#![no_main]

use libfuzzer_sys::fuzz_target;
use support::words as rules;

fuzz_target!(|bytes: &[u8]| rules::text::holds(bytes));
