//! The soak test: clients that come and go for a long time.
//!
//! - [`script`]: what each kind of visitor does, and how often.
//! - [`rest`]: what a server keeps that has nothing to do.
//! - [`room`]: the test.

pub mod rest;
pub mod room;
pub mod script;
