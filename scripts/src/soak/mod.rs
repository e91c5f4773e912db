//! The soak test.

pub mod deadlines;
pub mod network;
pub mod peer;
pub mod rest;
pub mod room;
pub mod script;
pub mod visit;
pub mod visitors;
