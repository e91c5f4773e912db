//! The program as the system sees it: its flags and exit codes, its signals, its standard streams,
//! and what it does where the machine is short of something.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

mod support;

mod binary {
    mod flags;
    mod signals;
    mod streams;
    mod system;
    mod terminals;
}
