//! Lines and telnet: the bytes say how they are cut into reads, and what they say does not depend
//! on it.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../properties/input.rs"]
mod input;
#[path = "../../properties/line.rs"]
mod line;
#[path = "../../properties/telnet.rs"]
mod telnet;

fuzz_target!(|bytes: &[u8]| input::holds(bytes));
