//! Pseudo-terminals.

use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::pty::OpenptFlags;

/// A terminal: one side for the person at it, one for the program's standard streams.
pub struct Terminal {
    /// The person's side.
    pub person: File,
    /// The program's side.
    pub program: OwnedFd,
}

impl Terminal {
    /// Opens a new one, which is no process's controlling terminal.
    pub fn open() -> Terminal {
        let person =
            rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
                .unwrap();
        rustix::pty::grantpt(&person).unwrap();
        rustix::pty::unlockpt(&person).unwrap();
        let name = rustix::pty::ptsname(&person, Vec::new()).unwrap();
        let path = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
        let flags = OFlags::NOCTTY.bits() as i32;
        let program = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
        Terminal { person: File::from(person), program: program.unwrap().into() }
    }
}
