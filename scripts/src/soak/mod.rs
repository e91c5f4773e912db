//! The soak test: clients that come and go for a long time.
//!
//! - [`script`]: what each kind of visitor does.
//! - [`guests`]: which visitor comes when.
//! - [`rest`]: what a server keeps that has nothing to do.
//! - [`room`]: the test.

pub mod guests;
pub mod rest;
pub mod room;
pub mod script;
