//! Browsers: HTTP on the port of the chat.
//!
//! A browser is known by its first bytes, like every other client. Its [`head`] says what it asks
//! for.
//!
//! Nothing here knows a socket, a clock, or another client.

pub mod handshake;
pub mod head;
pub mod origin;
