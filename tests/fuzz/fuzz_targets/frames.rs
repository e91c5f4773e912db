//! Frames of WebSocket. The first bytes say how the rest is cut into reads; the messages must not
//! depend on that.

#![no_main]

use libfuzzer_sys::fuzz_target;
use support::wire as rules;

fuzz_target!(|bytes: &[u8]| rules::frames::holds(bytes));
