//! What must hold of any text, name and command: each rule said once more, slowly and plainly, and
//! beside it what the program makes of it. The fuzzer tries these too.

pub mod command;
pub mod names;
pub mod text;
