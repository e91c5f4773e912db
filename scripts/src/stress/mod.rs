//! The load generator.
//!
//! - [`app`]: the program; [`flags`] are its flags.
//! - [`summary`]: all results; [`timeline`]: the results over time; [`plot`] draws them.

pub mod app;
pub mod flags;
pub mod plot;
pub mod summary;
pub mod timeline;
