//! The program as the system sees it: its flags and exit codes, its signals, its standard streams,
//! and what it does where the machine is short of something.

mod flags;
mod signals;
mod streams;
mod system;
mod terminals;
