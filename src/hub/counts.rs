//! What the hub counts as it works: plain additions, at no cost in a flood.

/// What is counted, for the log and for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// How many lines clients have missed, as they were told.
    pub missed: u64,
    /// How many places among the readers of a room passes have looked at: what they cost beside
    /// their writes.
    pub looks: u64,
    /// How many lines were said in all rooms.
    pub said: u64,
}
