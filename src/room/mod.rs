//! One conversation: what was said in it, how far its readers are, which clients came and went.
//!
//! Nothing here knows a socket, a clock, or a command.

pub use client_id::ClientId;

mod client_id;
pub mod forms;
pub mod presence;
pub mod reading;
pub mod transcript;
pub mod without;
