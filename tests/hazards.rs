//! Hostile conditions: what the machine, the network and the peers can do to the real program, and
//! what it must do then.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

mod support;

mod hazards {
    mod closing;
    mod descriptors;
    mod endurance;
    mod floods;
    mod kernel;
    mod network;
    mod readers;
}
