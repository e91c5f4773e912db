//! Lines and telnet. The first bytes say how the rest is cut into reads; the result must not depend
//! on that.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../wire/rules"]
mod rules {
    pub mod cuts;
    pub mod input;
    pub mod line;
    pub mod proxy;
    pub mod telnet;
}

fuzz_target!(|bytes: &[u8]| rules::input::holds(bytes));
