//! Frames of WebSocket. The first bytes say how the rest is cut into reads; the messages must not
//! depend on that.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../wire/rules"]
mod rules {
    pub mod cuts;
    pub mod frames;
}

fuzz_target!(|bytes: &[u8]| rules::frames::holds(bytes));
