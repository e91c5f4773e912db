//! Which client and which room it is, everywhere but at its own place.

/// A client: its serial, and its place in the table.
///
/// A serial is never used twice, a place is. So an id that was kept too long finds no client, and
/// never the next one in that place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId {
    /// Its number; clients count from 1.
    pub serial: u64,
    /// Its key in the table.
    pub key: usize,
}

/// A room: its place in the table of rooms. A room is removed only when nothing names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(pub u32);

/// Where newcomers stand; it is always there.
pub const LOBBY: RoomId = RoomId(0);
