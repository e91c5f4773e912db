//! The limits that no flag changes, and those from which the limits of flags follow.

use crate::words::names::NAME_BYTES_MAX;

/// The port of the server that this one replaces, and of the scripts written for that.
pub const PORT: u16 = 50005;

/// The most bytes of a line in the transcript, with its name and line feed. It bounds the torn rest
/// that a lapsed client keeps. One turn always has room for such a line.
pub const STANDING_BYTES_MAX: usize = 8 * 1024;

/// How much of that a name, a mark, blanks and the line feed may take.
pub const NAMED_BYTES_MAX: usize = NAME_BYTES_MAX + 4;

/// The most that waits for the log of `--keep` to be written. It is what 300 000 short lines in a
/// second take while a disk rests for a fifth of one. More is not kept, but counted there.
pub const LOG_BYTES_MAX: usize = 1 << 20;

/// A turn reads at most one in this many bytes of the window. So a client that takes all it is
/// offered never lapses: the next turn fits beside what it lacks, and a newcomer has one more.
pub const WINDOW_SHARE: usize = 4;

/// Descriptors that are not for clients: standard streams, listeners, the poll, signals, the log,
/// the reserve, and [`DOORWAY_MAX`] connections that are being refused. Measured: 17 and the
/// doorway. `--keep` adds 3, and 4 more while it starts the keeper; `--metrics` adds 5, a
/// service manager 1, and `--cluster` 2.
pub const DESCRIPTORS_RESERVED: usize = 64;

/// At most this many refused connections are held while they read why. Any further one gets the
/// reason in one write, and is closed.
pub const DOORWAY_MAX: usize = 32;

/// How much less than its size a socket's send buffer takes. Its size is twice `--send-buffer`. One
/// segment holds 65 483 bytes on loopback, and at least 64 512 on an MTU from 1200 to 1520. With
/// more per turn, a client needs a second write, and an event before it. With less, a flood
/// of nearly this size takes two turns.
///
/// By default a turn leaves more than this free. On loopback it is one segment, and a client that
/// also sends may acknowledge one segment only 40 ms later (tcp(7), TCP_QUICKACK). The next must
/// find room meanwhile: it is acknowledged at once.
pub const SEND_BUFFER_SPARE: usize = 1024;

/// At most this many rooms that clients of one address have made exist at a time, unless it is
/// exempt. Any further one is refused, and the client is told.
pub const ROOMS_PER_ADDRESS: usize = 16;

/// The most that is read from one client at once.
pub const READ_BYTES_MAX: usize = 16 * 1024;

/// The least that one client may send in a round: enough for a usual line.
pub const QUANTUM_BYTES: usize = 1024;

const _: () = assert!(QUANTUM_BYTES <= READ_BYTES_MAX);
const _: () = assert!(DOORWAY_MAX + 22 <= DESCRIPTORS_RESERVED);
const _: () = assert!(WINDOW_BYTES_MIN as usize / WINDOW_SHARE >= STANDING_BYTES_MAX);

/// The least size of a window.
pub const WINDOW_BYTES_MIN: u64 = 32 * 1024;

/// What all rooms keep together, unless --window is large: sixteen full windows.
pub const WINDOWS_BYTES: usize = 64 << 20;

/// The longest line that can be allowed.
pub const LINE_BYTES_MAX: u64 = (STANDING_BYTES_MAX - NAMED_BYTES_MAX) as u64;
