//! Programs that measure and check chat servers. All of them are made of one [`crowd`] of clients.
//!
//! - [`stress`]: the load generator.
//! - [`soak`]: clients that come and go for a long time.
//! - [`mod@bench`]: the comparison with other servers and with what the kernel alone costs.

pub mod bench;
pub mod crowd;
pub mod soak;
pub mod stress;
