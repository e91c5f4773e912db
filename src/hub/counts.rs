//! What the hub counts as it works: plain additions, at no cost in a flood.

/// What is counted since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// How many lines clients have missed, as they were told.
    pub missed: u64,
    /// How many places among the readers of a room passes have looked at: what they cost beside
    /// their writes.
    pub looks: u64,
    /// How many lines were said in all rooms, by clients and by the server.
    pub said: u64,
    /// The same, each line once for each client that was to read it; it may have missed it.
    pub deliveries: u64,
    /// How often a client has lapsed.
    pub lapses: u64,
    /// How many connections were refused.
    pub refused: u64,
    /// How many bytes were read of clients.
    pub read_bytes: u64,
    /// How many bytes clients have taken.
    pub sent_bytes: u64,
}
