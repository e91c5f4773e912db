//! The state of a connection beside its socket and its place in the conversation.
//!
//! It is in boxes, because there may be many thousand idle connections.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::time::Instant;

use super::Part;
use crate::hub::admit::Entrance;
use crate::pace::Allowance;
use crate::room::RoomId;
use crate::wire::decoder::Decoder;

/// The moments that matter only while something is pending. They have a box of their own, so that
/// an idle client is small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moments {
    /// When it is welcomed, although its first words may still come.
    pub greet_at: Option<Instant>,
    /// Where it came in, while the header of its proxy is awaited.
    pub entrance: Option<Entrance>,
    /// Until when that is awaited; behind it, until when its first words are, or the body of its
    /// request.
    pub wait_until: Option<Instant>,
    /// When it is closed if it has sent nothing: a browser may never use this connection.
    pub spare_until: Option<Instant>,
    /// Up to which position it is served before it is closed or moves.
    pub until: u64,
    /// How many lines stand before that.
    pub lines_until: u64,
    /// To which room it is on its way.
    pub moving_to: Option<RoomId>,
    /// It comes back to this room, in which it lacks the lines from this number on.
    pub since: Option<(RoomId, u64)>,
    /// In which room it is let in once it has told the password.
    pub waits_for: Option<RoomId>,
    /// Not to be read before this, because it talked too fast.
    pub paused_until: Option<Instant>,
    /// Since when it has taken nothing of what waits for it, or its connection is broken; `None`
    /// while nothing waits.
    pub stalled_since: Option<Instant>,
    /// When to try a socket again that the kernel had no memory for.
    pub retry_at: Option<Instant>,
    /// When it is dropped, although it still sends after our side is shut down.
    pub drain_until: Option<Instant>,
    /// How many more bytes to discard until then.
    pub drain_bytes_left: u32,
}

/// What is known of a client that a pass does not look at. It stands in a box of its own, so that
/// a pass over thousands walks over little memory: that is what a message to all costs beside its
/// system calls.
#[derive(Debug)]
pub struct Record {
    /// The address of the client; that of its proxy until there is a header. Its parts are apart,
    /// since a `SocketAddr` is half as large again.
    pub ip: IpAddr,
    /// Its port there.
    pub port: u16,
    /// Its number, never used twice; clients count from 1.
    pub serial: u64,
    /// Its place among the readers of its room.
    pub place: u32,
    /// What it is about to say.
    pub decoder: Decoder,
    /// How much it may still send at once.
    pub allowance: Allowance,
    /// When it came, in seconds since the server started.
    pub came_seconds: u32,
    /// Whether it may give the commands of an operator.
    pub is_operator: bool,
    /// Whether it is here without being announced or counted: an operator that has said nothing
    /// yet, a client that owes a password, or one that does not take part as a whole.
    pub is_unseen: bool,
    /// How it takes part.
    pub part: Part,
    /// The serial of the client that last sent it a private message.
    pub answers_go_to: Option<NonZeroU64>,
}

impl Record {
    /// The address of the client.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }
}
