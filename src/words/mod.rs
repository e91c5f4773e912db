//! What is said, as text: what is safe to show, names, the server's own words, commands.
//!
//! Nothing here knows how text comes or goes, who says it, or when.

pub mod command;
pub mod names;
pub mod notice;
pub mod text;
pub mod voice;
