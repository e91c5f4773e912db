//! The load generator.
//!
//! - [`app`]: the program; [`flags`] are its flags.
//! - [`trouble`]: clients that make trouble: they drip, they reset, they connect and leave.
//! - [`summary`]: the rows of the table; [`timeline`]: the results over time; [`plot`] draws them.

pub mod app;
pub mod flags;
pub mod plot;
pub mod summary;
pub mod timeline;
pub mod trouble;
