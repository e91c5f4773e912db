//! Lines and telnet. The first bytes say how the rest is cut into reads; the result must not depend
//! on that.

#![no_main]

use libfuzzer_sys::fuzz_target;
use support::wire as rules;

fuzz_target!(|bytes: &[u8]| rules::input::holds(bytes));
