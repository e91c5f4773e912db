//! What was typed before, for this time and the next.
//!
//! The file has a line for each entry and is only ever appended to, so that two clients at once
//! keep both; it is made shorter when it is read and has grown too long. Only its owner can read
//! it: private messages are in it. Without a place for it there is a history all the same, until
//! the end.
//!
//! It never knows the terminal. What it gives back is as foreign as any file.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The most entries; the oldest of more are forgotten.
const ENTRIES_MAX: usize = 1000;

/// How much of the end of the file is looked at.
const FILE_BYTES_READ_MAX: u64 = 256 * 1024;

/// A file of more is made shorter.
const FILE_BYTES_MAX: u64 = 512 * 1024;

const _: () = assert!(FILE_BYTES_READ_MAX < FILE_BYTES_MAX);

/// What was typed, the latest last.
///
/// `place <= entries.len()`; at the end is the line that is being typed, kept in `draft` while
/// another is looked at.
#[derive(Debug, Default)]
pub struct History {
    entries: Vec<String>,
    place: usize,
    draft: String,
    file: Option<File>,
}

impl History {
    /// Reads what is in this file, and writes what will be typed into it.
    pub fn open(path: &Path) -> io::Result<History> {
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).mode(0o600).open(path)?;
        // A pipe or terminal put there would be waited for.
        if !file.metadata()?.is_file() {
            return Err(ErrorKind::InvalidInput.into());
        }
        let entries = read_end(&mut file)?;
        if file.metadata()?.len() > FILE_BYTES_MAX {
            file = shorten(path, &entries)?;
        }
        Ok(History { place: entries.len(), entries, draft: String::new(), file: Some(file) })
    }

    /// Remembers a line; one that repeats the last is not remembered again. An error is one of the
    /// file, which is given up: from then on nothing more is kept for the next time.
    pub fn remember(&mut self, line: &str) -> io::Result<()> {
        let is_new = self.entries.last().is_none_or(|last| last != line);
        if is_new && !line.is_empty() {
            self.entries.push(line.to_owned());
            let too_many = self.entries.len().saturating_sub(ENTRIES_MAX);
            self.entries.drain(..too_many);
        }
        self.place = self.entries.len();
        self.draft.clear();
        let Some(file) = self.file.as_mut().filter(|_| is_new && !line.is_empty()) else {
            return Ok(());
        };
        let written = file.write_all(format!("{line}\n").as_bytes());
        if written.is_err() {
            self.file = None;
        }
        written
    }

    /// The line before, if there is one; `line` is what stands in its place now.
    pub fn up(&mut self, line: &str) -> Option<&str> {
        if self.place == self.entries.len() {
            self.draft = line.to_owned();
        }
        self.place = self.place.checked_sub(1)?;
        Some(&self.entries[self.place])
    }

    /// The line after, and at last the one that was being typed.
    pub fn down(&mut self) -> Option<&str> {
        if self.place == self.entries.len() {
            return None;
        }
        self.place += 1;
        Some(self.entries.get(self.place).unwrap_or(&self.draft))
    }
}

/// Where the history is kept, by the XDG base directory specification: a path that is not absolute
/// does not count.
pub fn usual_path() -> Option<PathBuf> {
    let folder = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")))?;
    Some(state.join("chinwag/history"))
}

fn read_end(file: &mut File) -> io::Result<Vec<String>> {
    let start = file.metadata()?.len().saturating_sub(FILE_BYTES_READ_MAX);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_READ_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines();
    if start > 0 {
        // It begins in the middle of a line.
        lines.next();
    }
    let mut entries: Vec<String> =
        lines.filter(|line| !line.is_empty()).map(str::to_owned).collect();
    entries.drain(..entries.len().saturating_sub(ENTRIES_MAX));
    Ok(entries)
}

/// Puts a file with these entries alone in the place of the one that is there.
fn shorten(path: &Path, entries: &[String]) -> io::Result<File> {
    let shorter = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options.append(true).create(true).mode(0o600).open(&shorter)?;
    file.set_len(0)?;
    file.write_all((entries.join("\n") + "\n").as_bytes())?;
    fs::rename(&shorter, path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A path in a folder of this test's own, where nothing is.
    fn fresh(test: &str) -> PathBuf {
        let folder = env::temp_dir().join(format!("chinwag-history-{}-{test}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        folder.join("chinwag/history")
    }

    fn remember(history: &mut History, lines: &[&str]) {
        lines.iter().for_each(|line| history.remember(line).unwrap());
    }

    #[test]
    fn up_and_down_go_through_what_was_typed_and_back_to_the_draft() {
        let mut history = History::default();
        remember(&mut history, &["one", "two", "two"]);
        assert_eq!(history.up("draft"), Some("two"));
        assert_eq!(history.up("two"), Some("one"));
        assert_eq!(history.up("one"), None);
        assert_eq!(history.down(), Some("two"));
        assert_eq!(history.down(), Some("draft"));
        assert_eq!(history.down(), None);
    }

    #[test]
    fn it_is_kept_for_the_next_time_and_for_nobody_else() {
        let path = fresh("kept");
        remember(&mut History::open(&path).unwrap(), &["one", "이", "one"]);
        let mut again = History::open(&path).unwrap();
        let all: Vec<_> = std::iter::from_fn(|| again.up("").map(str::to_owned)).collect();
        assert_eq!(all, ["one", "이", "one"]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn two_at_once_keep_both() {
        let path = fresh("both");
        let (mut one, mut two) = (History::open(&path).unwrap(), History::open(&path).unwrap());
        remember(&mut one, &["a"]);
        remember(&mut two, &["b"]);
        remember(&mut one, &["c"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "a\nb\nc\n");
    }

    #[test]
    fn a_file_that_has_grown_too_long_is_made_shorter() {
        let path = fresh("long");
        let mut history = History::open(&path).unwrap();
        let long = "x".repeat(1000);
        (0..600).for_each(|number| history.remember(&format!("{number} {long}")).unwrap());
        let mut again = History::open(&path).unwrap();
        assert!(fs::metadata(&path).unwrap().len() <= FILE_BYTES_READ_MAX);
        assert!(again.up("").unwrap().starts_with("599 "));
        remember(&mut again, &["more"]);
        assert!(fs::read_to_string(&path).unwrap().ends_with("\nmore\n"));
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        assert!(History::open(Path::new("/dev/null")).is_err());
        assert!(History::open(Path::new("/proc/nowhere/history")).is_err());
    }

    #[test]
    fn no_more_is_remembered_than_there_may_be() {
        let mut history = History::default();
        (0..2 * ENTRIES_MAX).for_each(|number| history.remember(&number.to_string()).unwrap());
        assert_eq!(history.entries.len(), ENTRIES_MAX);
    }
}
