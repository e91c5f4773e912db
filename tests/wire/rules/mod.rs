//! What must hold of any bytes that a client sends: each rule said once more, slowly and plainly,
//! and beside it what the program makes of it. The fuzzer tries these too.

pub mod input;
pub mod line;
pub mod telnet;
