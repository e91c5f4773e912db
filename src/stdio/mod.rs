//! Standard streams that nobody ever waits for.
//!
//! Nothing here knows what is written or read.

pub mod backlog;
pub mod sink;
pub mod source;
