//! Messages as text: what is safe to show, names, the server's own lines, commands.
//!
//! Nothing here knows how text arrives or is sent, by which client, or when.

pub mod command;
mod help;
mod lang;
pub mod names;
pub mod notice;
mod reading;
mod sentences;
pub mod text;
mod values;
pub mod voice;
