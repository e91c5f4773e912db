//! The page in a real browser: Debian's chromium, driven by its driver.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

mod browser;
mod composing;
mod looks;
mod losing;
mod relay;
mod talking;

// The files here call it `crate::support`.
extern crate support;
