//! What must hold of any text, name and command. Each rule is written once more, slowly and
//! plainly, and compared with the program. The fuzzer tries these too.

pub mod command;
pub mod names;
pub mod text;
