//! Bytes become what a client has said.
//!
//! Nothing here knows a socket, a clock, or who else is there.

pub mod ear;
pub mod erase;
pub mod line;
mod protocol;
pub mod stranger;
pub mod telnet;
