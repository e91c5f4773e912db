//! Safe text: whatever comes, nothing of it acts on a terminal.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../properties/text.rs"]
mod text;

fuzz_target!(|bytes: &[u8]| text::holds(bytes));
