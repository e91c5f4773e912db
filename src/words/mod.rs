//! Messages as text: what is safe to show, names, the server's own lines, commands.
//!
//! Nothing here knows how text arrives or is sent, by which client, or when.

pub mod command;
pub mod names;
pub mod notice;
mod reading;
pub mod text;
pub mod voice;
