//! Commands and names: several people's lines, each begun by a byte that says whose it is.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../properties/command.rs"]
mod command;
#[path = "../../properties/names.rs"]
mod names;

fuzz_target!(|bytes: &[u8]| command::holds(bytes));
