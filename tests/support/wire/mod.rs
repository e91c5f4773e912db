//! What must hold of any bytes of a client. Each rule is written once more, slowly and plainly, and
//! compared with the program. The fuzzer tries these too.

pub mod cuts;
pub mod frames;
pub mod head;
pub mod input;
pub mod line;
pub mod proxy;
pub mod telnet;
