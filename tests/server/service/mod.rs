//! What a service manager tells the server and is told by it, and the units for systemd.

mod activation;
mod notify;
