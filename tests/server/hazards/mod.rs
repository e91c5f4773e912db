//! Hostile conditions: what the machine, the network and clients can do to the real program, and
//! what it must do then.

mod closing;
mod defaults;
mod descriptors;
mod endurance;
mod floods;
mod kernel;
mod network;
mod readers;
