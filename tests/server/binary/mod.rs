//! The program as the system sees it: flags, exit codes, signals, standard streams, and what it
//! does when the machine is short of something.

mod flags;
mod signals;
mod streams;
mod system;
mod terminals;
