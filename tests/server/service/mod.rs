//! What a service manager tells the server and is told by it, and the units for systemd.

mod activation;
pub mod journal;
mod notify;
mod units;
