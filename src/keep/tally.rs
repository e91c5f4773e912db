//! How many lines the server has said: a number that the keeper can read when the server is gone.
//!
//! It stands in memory that has a descriptor, on no disk. So to note it never waits, and no kind of
//! death loses it. The server notes it before it offers lines that the keeper's socket has not
//! taken. While the socket takes all, there is nothing to note.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

/// The number, and its place.
#[derive(Debug)]
pub struct Tally {
    memory: File,
    /// What was noted last.
    noted: Option<u64>,
}

impl Tally {
    /// One that is not known yet.
    pub fn new() -> io::Result<Tally> {
        Ok(Tally { memory: open()?, noted: None })
    }

    /// The one that the server has made, as the keeper sees it.
    pub fn of_server(memory: OwnedFd) -> Tally {
        Tally { memory: File::from(memory), noted: None }
    }

    /// Its descriptor, for the keeper.
    pub fn share(&self) -> io::Result<OwnedFd> {
        self.memory.try_clone().map(OwnedFd::from)
    }

    /// So many lines have been said.
    pub fn note(&mut self, said: u64) {
        if self.noted == Some(said) {
            return;
        }
        self.noted = self.memory.write_all_at(&said.to_le_bytes(), 0).is_ok().then_some(said);
        if self.noted.is_none() {
            self.forget();
        }
    }

    /// It is not known any more: what the keeper lacks is sent to another.
    pub fn forget(&mut self) {
        self.noted = None;
        // It fails only where there is no such memory, and there nothing is known anyhow.
        self.memory.set_len(0).unwrap_or_default();
    }

    /// How many lines have been said; `None` if that is not known.
    pub fn said(&self) -> Option<u64> {
        let mut bytes = [0; 8];
        let read = self.memory.read_exact_at(&mut bytes, 0);
        read.is_ok().then(|| u64::from_le_bytes(bytes))
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn open() -> io::Result<File> {
    let memory = rustix::fs::memfd_create("said", rustix::fs::MemfdFlags::CLOEXEC)?;
    Ok(File::from(memory))
}

/// Without such memory nobody knows what is missing after the server was killed.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn open() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/null")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_by_another_until_it_is_forgotten() {
        let mut tally = Tally::new().unwrap();
        let its = Tally::of_server(tally.share().unwrap());
        assert_eq!(its.said(), None);
        for said in [0, 7, 7, u64::MAX] {
            tally.note(said);
            assert_eq!(its.said(), Some(said));
        }
        tally.forget();
        assert_eq!(its.said(), None);
        tally.note(u64::MAX);
        assert_eq!(its.said(), Some(u64::MAX));
    }

    #[test]
    fn another_descriptor_tells_nothing() {
        let null = OwnedFd::from(File::open("/dev/null").unwrap());
        assert_eq!(Tally::of_server(null).said(), None);
    }
}
