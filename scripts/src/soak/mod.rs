//! The soak test.

pub mod rest;
pub mod room;
pub mod script;
pub mod visit;
pub mod visitors;
