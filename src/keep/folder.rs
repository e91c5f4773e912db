//! The directory in which one keeper at a time keeps its files.
//!
//! A file is replaced whole or not at all, whatever ends this process, or the machine, meanwhile.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// How long to wait for another keeper that is still writing: longer than a usual disk takes.
pub const LOCK_WAIT: Duration = Duration::from_secs(5);

/// The time between two tries to get the lock: no event tells when it is free.
const LOCK_RETRY: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// The file that is locked. No file that is kept can have its name.
const LOCK: &str = ".lock";

/// Only the owner may read what is kept.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// A directory that no other keeper has as long as this value lives.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Closing it frees the lock; the end of the process does that as well.
    _lock: File,
}

impl Folder {
    /// Makes the directory if it is missing, and waits up to [`LOCK_WAIT`] until no other keeper
    /// has it. An error names the directory.
    pub fn open(path: &Path) -> io::Result<Folder> {
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let lock = lock(path).map_err(named)?;
        Ok(Folder { path: path.to_owned(), _lock: lock })
    }

    /// Gives a file this content. A reader sees all of the old content or all of the new one. When
    /// this returns, the new one is on the disk.
    pub fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let new = self.path.join(format!(".{name}.new"));
        let written = self.write(&new, content).and_then(|()| {
            fs::rename(&new, self.path.join(name))?;
            File::open(&self.path)?.sync_all()
        });
        if written.is_err() {
            // A part of a file would only take room.
            fs::remove_file(&new).unwrap_or_default();
        }
        written
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a file to write at its end. If it is new, its name is on the disk then.
    pub fn open_end(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(FILE_MODE).open(self.path.join(name))?;
        File::open(&self.path)?.sync_all()?;
        Ok(file)
    }

    /// Removes a file.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn write(&self, new: &Path, content: &[u8]) -> io::Result<()> {
        match fs::remove_file(new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            // A keeper that was killed may have left it.
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(new)?;
        file.write_all(content)?;
        file.sync_data()
    }
}

/// Waits until what was written to a file is on the disk.
pub fn sync(file: &File) -> io::Result<()> {
    file.sync_data()
}

/// Makes the directory, and locks it.
fn lock(path: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(FILE_MODE);
    let lock = options.open(path.join(LOCK))?;
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(lock),
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => {
                // With nothing to poll it only waits. An interruption makes it wait less.
                rustix::event::poll(&mut [], Some(&LOCK_RETRY)).unwrap_or_default();
            }
            Err(Errno::WOULDBLOCK) => return Err(io::Error::other("another chinwag has it")),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
