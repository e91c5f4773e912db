//! What has been said but has no place in the order of a conversation yet.
//!
//! Nothing here knows who reads it.

pub mod queue;
