//! What is kept over a restart: the keeper as a program of its own, and the server's end of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use chinwag::keep::entry::{self, Kind};

mod keeper;
mod kills;
mod link;
mod log;
mod restart;

const PROGRAM: &str = env!("CARGO_BIN_EXE_chinwag");

/// A directory to keep something in, which is not made yet. It is removed when dropped.
struct Place {
    path: PathBuf,
}

impl Place {
    fn new() -> Place {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("chinwag-keeping-{}-{number}", std::process::id());
        Place { path: std::env::temp_dir().join(name) }
    }

    /// The content of a file, if it exists.
    fn read(&self, name: &str) -> Option<Vec<u8>> {
        read(&self.path.join(name))
    }

    /// Whether a file has this content now: as a condition to wait for.
    fn has(&self, name: &str, content: &[u8]) -> Option<()> {
        (self.read(name)? == content).then_some(())
    }

    /// All files of the log, one behind the other.
    fn log(&self) -> String {
        let Ok(entries) = fs::read_dir(&self.path) else { return String::new() };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|it| it == "log"));
        paths.sort();
        paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
    }

    /// Number and text of each line of the log but those that are of no room.
    fn entries(&self) -> Vec<(u64, String)> {
        let log = self.log();
        let entries = log.lines().filter_map(entry::parse);
        let own = [Kind::Missed, Kind::Start, Kind::Stop];
        let entries = entries.filter(|entry| !own.contains(&entry.kind));
        entries.map(|entry| (entry.number, entry.text.to_owned())).collect()
    }

    fn flag(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Perhaps nothing has been made, and a keeper may just be writing its last.
        fs::remove_dir_all(&self.path).unwrap_or_default();
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    fs::read(path).ok()
}

/// A frame as the server sends it.
fn frame(name: &str, content: &[u8]) -> Vec<u8> {
    [format!("replace {name} {}\n", content.len()).as_bytes(), content].concat()
}
