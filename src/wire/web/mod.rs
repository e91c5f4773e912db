//! Browsers: HTTP and WebSocket on the port of the chat.
//!
//! A browser is known by its first bytes, like every other client. Its [`head`] says what it asks
//! for. A page may then speak WebSocket: its [`frames`] carry [`messages`], and each message is a
//! line.
//!
//! Nothing here knows a socket, a clock, or another client.

pub mod answer;
pub mod frames;
pub mod handshake;
pub mod head;
pub mod messages;
pub mod origin;
pub mod page;
pub mod served;
