//! The real program: what clients do and see, its limits, the usual client programs, what the
//! system sees of it, and what the machine, the network and clients can do to it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

mod binary;
mod chat;
mod cluster;
mod control;
mod hazards;
mod keeping;
mod limits;
mod metrics;
mod operators;
mod people;
mod proxies;
mod raw;
mod real_clients;
mod service;

// The files here call it `crate::support`.
extern crate support;
