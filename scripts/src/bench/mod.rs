//! The comparison of servers.
//!
//! - [`peer`]: the servers: how each is started, and what its clients send and receive.
//! - [`words`]: the text of the messages, and how to find it in what arrives.
//! - [`room`]: many clients of one server: connects them, has them talk, counts and checks.
//! - [`loads`]: what the clients do, and what is measured.
//! - [`results`]: the measurements, run by run; [`report`] and [`plot`] show them.
//! - [`app`]: the program that joins all this.

pub mod app;
pub mod loads;
pub mod peer;
pub mod plot;
pub mod report;
pub mod results;
pub mod room;
pub mod words;
