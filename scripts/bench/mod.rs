//! Servers side by side.
//!
//! - [`peer`]: the servers: how each is started, and how it wants to be talked to.
//! - [`words`]: what is said, and how it is known again in what is heard.
//! - [`room`]: many clients of one server: connecting, talking, counting and checking.
//! - [`loads`]: what they do, and what is measured then.
//! - [`results`]: what was measured, run by run; [`report`] and [`plot`] show it.
//! - [`app`]: the program that puts this together.
//!
//! A program and a test are made of this: each uses its own part.

#![allow(dead_code, reason = "each program uses its own part")]

pub mod app;
pub mod loads;
pub mod peer;
pub mod plot;
pub mod report;
pub mod results;
pub mod room;
pub mod words;
