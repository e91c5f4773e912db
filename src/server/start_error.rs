//! Why a server could not be started.

use std::fmt;
use std::io;

/// The server could not be started.
#[derive(Debug)]
pub enum StartError {
    /// It could not listen.
    Listen {
        /// Where.
        at: String,
        /// The error of the system.
        error: io::Error,
        /// The cause of that, as far as it is known.
        cause: String,
    },
    /// The system refused something it needs.
    System(&'static str, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Listen { at, error, cause } => {
                write!(f, "cannot listen on {at}: {error}{cause}")
            }
            StartError::System(what, error) => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}
