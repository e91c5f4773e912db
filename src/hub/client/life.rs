//! How far the life of a connection has gone, and why it ends. Words only: other files act on them.

use std::fmt;
use std::io::{self, ErrorKind};

/// Why a client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// It ended its input and got the rest of its output.
    Quit,
    /// The connection broke.
    Lost(ErrorKind),
    /// It took nothing of what waited for it for too long.
    TooSlow,
    /// It could not keep up in raw mode, where nothing can tell it of a gap.
    Lapsed,
    /// It sent too much without a line end.
    Endless,
    /// It sent nothing for too long.
    Idle,
    /// It speaks another protocol.
    NotChat,
    /// It had too many unread replies.
    TooManyReplies,
    /// A host or an operator has disconnected it.
    Kicked,
    /// It told too many wrong secrets.
    WrongSecret,
    /// There was no room for it.
    Refused,
    /// The server stops.
    Stopping,
}

impl Leave {
    /// Whether it can receive nothing more, so that unsent data is dropped.
    pub fn is_hopeless(self) -> bool {
        match self {
            Leave::Lost(_) | Leave::TooSlow | Leave::Lapsed => true,
            Leave::Quit | Leave::Endless | Leave::Idle | Leave::NotChat => false,
            Leave::TooManyReplies | Leave::Kicked | Leave::WrongSecret => false,
            Leave::Refused | Leave::Stopping => false,
        }
    }

    /// Whether its user knows that it is over, so that its program may end before it has read why.
    pub fn ends_by_reset(self) -> bool {
        match self {
            Leave::Quit | Leave::Stopping => true,
            Leave::Lost(_) | Leave::TooSlow | Leave::Lapsed | Leave::TooManyReplies => false,
            Leave::Endless | Leave::Idle | Leave::NotChat | Leave::Refused => false,
            Leave::Kicked | Leave::WrongSecret => false,
        }
    }

    /// Why a client leaves whose socket returned this error.
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
            Leave::Kicked => write!(f, "kicked"),
            Leave::WrongSecret => write!(f, "wrong secrets"),
            Leave::Refused => write!(f, "refused"),
            Leave::Stopping => write!(f, "server shutting down"),
        }
    }
}

/// The life of a connection. It only goes downwards, but one that moves is a member again.
///
/// | life | read | its words count | gets | in the room |
/// |---|---|---|---|---|
/// | `Arriving` | yes | yes, they welcome it | nothing yet | no |
/// | `Member` | yes | yes | all | yes |
/// | `Moving` | no | no | up to its `until` | no |
/// | `Ending` | no | what is submitted | all | yes |
/// | `Deaf` | to the end | yes | nothing | yes |
/// | `Closing` | no | no | up to its `until` | no |
/// | `Draining` | thrown away | no | nothing | no |
/// | `Gone` | no | no | nothing | no |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Read, but not welcomed yet: its first words may show that it is no chat client.
    Arriving,
    /// Read and written.
    Member,
    /// It is on its way to another room: it gets what was said before
    /// [`Moments::until`](super::Moments), and is a member of the other room then.
    Moving,
    /// Its input is over, or it said `/quit`: a member until all that it has submitted is appended.
    Ending,
    /// Its output is broken, but its last lines may still be in its socket: it is read to the end.
    Deaf(Leave),
    /// It gets everything before [`Moments::until`](super::Moments), and is then shut down.
    Closing(Leave),
    /// Our side is shut down. Its input is discarded, so that it can read the last line, as long as
    /// [`Moments`](super::Moments) allows.
    Draining(Leave),
    /// *Release* frees it.
    Gone(Leave),
}

impl Life {
    /// Whether what it sends still counts.
    pub fn is_read(self) -> bool {
        match self {
            Life::Arriving | Life::Member | Life::Deaf(_) => true,
            Life::Moving | Life::Ending => false,
            Life::Closing(_) | Life::Draining(_) | Life::Gone(_) => false,
        }
    }

    /// Whether it is given what stands before a position, and no more.
    pub fn has_end(self) -> bool {
        matches!(self, Life::Moving | Life::Closing(_))
    }

    /// Whether it was welcomed and has not left the server.
    pub fn is_here(self) -> bool {
        self == Life::Moving || self.is_in_room()
    }

    /// Whether it is one of the conversation.
    pub fn is_in_room(self) -> bool {
        match self {
            Life::Member | Life::Ending | Life::Deaf(_) => true,
            Life::Arriving | Life::Moving => false,
            Life::Closing(_) | Life::Draining(_) | Life::Gone(_) => false,
        }
    }

    /// Why it leaves, if it does.
    pub fn leave(self) -> Option<Leave> {
        match self {
            Life::Arriving | Life::Member | Life::Moving | Life::Ending => None,
            Life::Deaf(leave) | Life::Closing(leave) => Some(leave),
            Life::Draining(leave) | Life::Gone(leave) => Some(leave),
        }
    }
}

/// Why a client is not read although there is input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It is read.
    None,
    /// It waits for the reply to a command, which must be appended first.
    Answer,
    /// It exceeded its rate, and waits until [`Moments::paused_until`](super::Moments).
    Pace,
}

/// How a client takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It reads and talks.
    Whole,
    /// It only reads, as a client of `/tail` does.
    Reads,
    /// It says what it has to say, reads what became of that, and goes, as a client of `/say` does.
    Says,
}

/// How a connection was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The limits of addresses apply to it.
    Limited,
    /// They do not. This is asked for each line, and so stored.
    Exempt,
    /// It is refused, and reads why.
    Refused,
    /// It came from a proxy, and the limits are those of the address in the header that is awaited.
    Awaited,
}
