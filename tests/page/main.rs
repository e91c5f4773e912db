//! The page in a real browser: Debian's chromium, driven by its driver.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

mod composing;
mod looks;
mod losing;
mod relay;
mod talking;

// The files here call it `crate::support`.
extern crate support;

use support::Server;

/// Starts the server with these flags. It waits a second for the first bytes of a browser: on a
/// loaded machine they come late, and a browser that was welcomed as nc is shows an error.
fn start(flags: &[&str]) -> Server {
    Server::start(&[flags, &["--greeting", "1"]].concat())
}
