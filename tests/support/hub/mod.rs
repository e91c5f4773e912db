//! The simulation of the hub: sockets without a kernel, clients that a seed moves, and the model
//! that each run is compared with.

pub mod arriving;
pub mod asking;
pub mod browser;
pub mod model;
pub mod people;
pub mod private;
pub mod random;
pub mod running;
pub mod talking;
pub mod telnet;
pub mod visiting;
pub mod wire;
pub mod world;
