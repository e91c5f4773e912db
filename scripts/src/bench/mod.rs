//! The comparison of servers.
//!
//! - [`peer`]: the servers: how each is started. [`floor`] is the bare loops.
//! - [`load`]: what a server has to do, and what is measured.
//! - [`runs`]: one run of each load.
//! - [`results`]: the measurements, run by run; [`report`] and [`plot`] show them.
//! - [`figures`]: the figures that chinwag has to reach.
//! - [`app`]: the program that joins all this.

pub mod app;
pub mod figures;
pub mod floor;
pub mod load;
pub mod peer;
pub mod plot;
pub mod report;
pub mod results;
pub mod runs;
