//! The operator's two ways in: Unix sockets with `chinwag ctl`, and the server's own terminal.

mod commands;
mod qr;
mod sockets;
mod terminal;
