//! The program as the system sees it: flags, exit codes, signals, standard streams, and what it
//! does when the machine is short of something.

mod flags;
mod signals;
pub mod streams;
pub mod system;
mod terminals;
