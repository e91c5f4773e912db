//! How far the life of a connection has gone, and why it ends. Words only: what is done about them
//! is done elsewhere.

use std::fmt;
use std::io::{self, ErrorKind};

/// Why a client goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// It ended its input and got the rest of its output.
    Quit,
    /// The connection broke.
    Lost(ErrorKind),
    /// It took nothing of what waited for it for too long.
    TooSlow,
    /// It could not keep up, in raw mode, where a gap cannot be told.
    Lapsed,
    /// It sent too much without a line end.
    Endless,
    /// It said nothing for too long.
    Idle,
    /// It speaks another protocol.
    NotChat,
    /// It let its replies pile up.
    TooManyReplies,
    /// There was no room for it.
    Refused,
    /// The server stops.
    Stopping,
}

impl Leave {
    /// Whether nothing more can be said to it, so that what is unsent is thrown away.
    pub fn is_hopeless(self) -> bool {
        match self {
            Leave::Lost(_) | Leave::TooSlow | Leave::Lapsed => true,
            Leave::Quit | Leave::Endless | Leave::Idle | Leave::NotChat => false,
            Leave::TooManyReplies | Leave::Refused | Leave::Stopping => false,
        }
    }

    /// Why a client goes whose socket gave this error.
    pub fn from_error(error: &io::Error) -> Leave {
        match error.kind() {
            ErrorKind::TimedOut => Leave::TooSlow,
            kind => Leave::Lost(kind),
        }
    }
}

impl fmt::Display for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Leave::Quit => write!(f, "it closed its side"),
            Leave::Lost(kind) => write!(f, "connection lost: {kind}"),
            Leave::TooSlow => write!(f, "too slow"),
            Leave::Lapsed => write!(f, "could not keep up"),
            Leave::Endless => write!(f, "no line end"),
            Leave::Idle => write!(f, "idle"),
            Leave::NotChat => write!(f, "not a chat client"),
            Leave::TooManyReplies => write!(f, "unread replies"),
            Leave::Refused => write!(f, "refused"),
            Leave::Stopping => write!(f, "server shutting down"),
        }
    }
}

/// The life of a connection; it only goes downwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Read, but not greeted yet: its first words may show that it is no chat client.
    Arriving,
    /// Read and written.
    Open,
    /// Its output is broken, but what it said before may still be in its socket: read to the end.
    Deaf(Leave),
    /// No longer read; gets what was said before `until` and is then shut down.
    Closing {
        /// The position up to which it is served, [`UNTIL_APPENDED`] if not known yet.
        until: u64,
        /// Why.
        leave: Leave,
    },
    /// Our side is shut down; its input is thrown away so that it can read the goodbye, as long as
    /// [`Moments`](super::Moments) allows.
    Draining(Leave),
    /// To be released.
    Gone(Leave),
}

/// Until all that it has submitted is appended.
pub const UNTIL_APPENDED: u64 = u64::MAX;

/// Where a client stands with the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is being told why it may not come in.
    Refused,
    /// It has come and is not announced.
    Arriving,
    /// It has been greeted.
    Member,
    /// It has left, and gets no more than what was said before.
    Departed,
}
