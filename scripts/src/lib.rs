//! What the programs here are made of: a crowd of clients, and what is done with it.

pub mod bench;
pub mod measure;
pub mod soak;
pub mod stress;
