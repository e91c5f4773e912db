//! Heads of requests: the verdict does not depend on how they are cut into reads, and none is
//! served that two programs could read in two ways.

#![no_main]

use libfuzzer_sys::fuzz_target;
use support::wire as rules;

fuzz_target!(|bytes: &[u8]| rules::head::holds(bytes));
