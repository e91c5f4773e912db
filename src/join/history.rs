//! The lines that the user typed before, in this session and in earlier ones.
//!
//! As in readline, the user can edit each entry where it stands. The edit stays until a line is
//! sent. The list ends with the line that was begun last.
//!
//! The file has a line for each entry, and clients append to it. A client that opens a file that is
//! too long shortens it. A lock keeps the two apart, so no entry is lost. Only the owner can read
//! the file, because private messages are in it. Without a file, the history lasts until the client
//! ends. A line that begins with a blank or carries a password is in neither.
//!
//! This file never knows the terminal. Its entries are no safer to show than any file.

use std::collections::HashMap;
use std::env;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, fcntl_setfl, flock};

use super::secret;

/// The most entries. Beyond that, the oldest are forgotten.
const ENTRIES_MAX: usize = 1000;

/// How many bytes at the end of the file are read.
const FILE_BYTES_READ_MAX: u64 = 256 * 1024;

/// A longer file is shortened.
const FILE_BYTES_MAX: u64 = 512 * 1024;

const _: () = assert!(FILE_BYTES_READ_MAX < FILE_BYTES_MAX);

/// Only the owner may read or write the file.
const FILE_MODE: u32 = 0o600;

/// What was typed, the latest last.
///
/// `place <= entries.len()`. At the end is the line that was begun last.
#[derive(Debug, Default)]
pub struct History {
    entries: Vec<String>,
    /// The place in the list.
    pub place: usize,
    /// Edited text that stands at these places instead, until a line is sent.
    edited: HashMap<usize, String>,
    file: Option<File>,
}

impl History {
    /// Reads this file, and later writes the typed lines to it.
    pub fn open(path: &Path) -> io::Result<History> {
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
        let mut file = options.open(path)?;
        // A pipe or terminal there would make the client wait.
        if !file.metadata()?.is_file() {
            return Err(ErrorKind::InvalidInput.into());
        }
        file.set_permissions(Permissions::from_mode(FILE_MODE))?;
        // A file that cannot be locked is shared without a lock.
        flock(&file, FlockOperation::LockExclusive).unwrap_or_default();
        let entries = read_end(&mut file)?;
        if file.metadata()?.len() > FILE_BYTES_MAX {
            shorten(&file, &entries)?;
        }
        flock(&file, FlockOperation::Unlock).unwrap_or_default();
        fcntl_setfl(&file, OFlags::APPEND)?;
        Ok(History { place: entries.len(), entries, file: Some(file), ..History::default() })
    }

    /// Remembers a sent line, unless it repeats the last one, begins with a blank or carries a
    /// password. An error comes from the file. The file is then given up: no later line is kept for
    /// the next session.
    pub fn remember(&mut self, line: &str) -> io::Result<()> {
        let is_new = self.entries.last().is_none_or(|last| last != line);
        let is_secret = line.starts_with(char::is_whitespace) || secret::begin(line).is_some();
        let is_wanted = is_new && !line.is_empty() && !is_secret;
        if is_wanted {
            self.entries.push(line.to_owned());
            self.entries.drain(..self.entries.len().saturating_sub(ENTRIES_MAX));
        }
        self.edited.clear();
        self.begin_anew();
        let Some(file) = self.file.as_mut().filter(|_| is_wanted) else { return Ok(()) };
        flock(&*file, FlockOperation::LockShared).unwrap_or_default();
        let written = file.write_all(format!("{line}\n").as_bytes());
        flock(&*file, FlockOperation::Unlock).unwrap_or_default();
        if written.is_err() {
            self.file = None;
        }
        written
    }

    /// Leaves the line at this place, and begins one at the end.
    pub fn begin_anew(&mut self) {
        self.edited.remove(&self.place);
        self.place = self.entries.len();
    }

    /// The line before, if there is one. `line` is the present text of the place that it leaves.
    pub fn up(&mut self, line: &str) -> Option<&str> {
        let place = self.place.checked_sub(1)?;
        Some(self.go(line, place))
    }

    /// The line after; at last the one that was being typed.
    pub fn down(&mut self, line: &str) -> Option<&str> {
        (self.place < self.entries.len()).then(|| self.go(line, self.place + 1))
    }

    /// The latest line before `place` that has this text. `line` is the present text of the place
    /// that it leaves.
    pub fn find(&mut self, text: &str, line: &str, place: usize) -> Option<&str> {
        self.go(line, self.place);
        let has_it = |at: &str| at.contains(text) && (place > self.place || at != line);
        let found = (0..place).rev().find(|place| has_it(self.at(*place)))?;
        Some(self.go(line, found))
    }

    /// Goes to another place, and returns its line. `line` is the present text of the place that it
    /// leaves.
    pub fn go(&mut self, line: &str, place: usize) -> &str {
        if self.at(self.place) != line {
            self.edited.insert(self.place, line.to_owned());
        }
        self.place = place;
        self.at(place)
    }

    fn at(&self, place: usize) -> &str {
        self.edited.get(&place).or(self.entries.get(place)).map_or("", String::as_str)
    }
}

/// The path of the history, by the XDG base directory specification. A path that is not absolute is
/// ignored.
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
    // The first piece begins in the middle of a line.
    let lines = text.lines().skip(usize::from(start > 0));
    let mut entries: Vec<String> =
        lines.filter(|line| !line.is_empty()).map(str::to_owned).collect();
    entries.drain(..entries.len().saturating_sub(ENTRIES_MAX));
    Ok(entries)
}

/// Keeps only these entries in the file. It stays the same file, because other clients have it
/// open. The entries also stand at its end, so a failure between the two steps loses none.
fn shorten(file: &File, entries: &[String]) -> io::Result<()> {
    let text = entries.join("\n") + "\n";
    file.write_all_at(text.as_bytes(), 0)?;
    file.set_len(text.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// An unused path in a folder of this test's own.
    fn fresh(test: &str) -> PathBuf {
        let folder = env::temp_dir().join(format!("chinwag-history-{}-{test}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        folder.join("chinwag/history")
    }

    /// More than a file may have.
    fn too_long() -> String {
        (0..600).map(|number| format!("{number} {}\n", "x".repeat(1000))).collect()
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
        assert_eq!(history.down("one"), Some("two"));
        assert_eq!(history.down("two"), Some("draft"));
        assert_eq!(history.down("draft"), None);
    }

    #[test]
    fn what_was_typed_anywhere_comes_back_until_a_line_is_said() {
        let mut history = History::default();
        remember(&mut history, &["one", "two"]);
        history.up("draft");
        assert_eq!(history.up("two, edited"), Some("one"));
        assert_eq!(history.down("one, edited"), Some("two, edited"));
        assert_eq!(history.down("two, edited"), Some("draft"));
        history.up("draft, edited");
        assert_eq!(history.up("two, edited"), Some("one, edited"));
        remember(&mut history, &["three"]);
        let all: Vec<_> = std::iter::from_fn(|| history.up("").map(str::to_owned)).collect();
        assert_eq!(all, ["three", "two", "one"]);
    }

    #[test]
    fn a_line_begun_anew_is_at_the_end() {
        let mut history = History::default();
        remember(&mut history, &["one", "two"]);
        history.up("draft");
        history.begin_anew();
        assert_eq!(history.up("new"), Some("two"));
        assert_eq!(history.down("two"), Some("new"));
        history.begin_anew();
        assert_eq!(history.up(""), Some("two"));
        assert_eq!(history.down("two"), Some(""));
        // The text that was given up is not found where it stood.
        history.up("");
        history.up("two, edited");
        history.down("one");
        history.begin_anew();
        assert_eq!(history.up(""), Some("two"));
    }

    #[test]
    fn a_line_that_begins_with_a_blank_is_not_kept() {
        let path = fresh("blank");
        let mut history = History::open(&path).unwrap();
        remember(&mut history, &["one", " secret", "\u{3000}secret"]);
        assert_eq!(history.up(""), Some("one"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
    }

    #[test]
    fn a_command_with_a_secret_is_not_kept() {
        let path = fresh("secret");
        let mut history = History::open(&path).unwrap();
        let secrets = ["/oper x", "/Password\u{3000}x y", "/join attic x", "/JOIN  attic  x"];
        let others = ["/oper", "/join attic ", "//oper x", "oper x", "/joint a b"];
        remember(&mut history, &[&secrets[..], &others].concat());
        let kept = fs::read_to_string(&path).unwrap();
        assert_eq!(kept.lines().collect::<Vec<_>>(), others);
        let recalled: Vec<_> = std::iter::from_fn(|| history.up("").map(str::to_owned)).collect();
        assert!(recalled.iter().rev().eq(others));
    }

    #[test]
    fn a_file_that_others_could_read_is_the_owners_alone() {
        let path = fresh("mode");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "one\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(History::open(&path).unwrap().up(""), Some("one"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_symbolic_link_stays_when_its_file_is_made_shorter() {
        let path = fresh("link");
        let target = path.with_file_name("elsewhere");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&target, too_long()).unwrap();
        symlink(&target, &path).unwrap();
        remember(&mut History::open(&path).unwrap(), &["more"]);
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        let kept = fs::read_to_string(&target).unwrap();
        assert!(kept.len() as u64 <= FILE_BYTES_READ_MAX && kept.ends_with("\nmore\n"));
    }

    #[test]
    fn what_two_clients_type_survives_a_third_that_shortens() {
        let path = fresh("three");
        let mut clients = [(); 2].map(|()| History::open(&path).unwrap());
        fs::write(&path, too_long()).unwrap();
        remember(&mut clients[0], &["a", "b"]);
        drop(History::open(&path).unwrap());
        remember(&mut clients[1], &["c"]);
        remember(&mut clients[0], &["d"]);
        let kept = fs::read_to_string(&path).unwrap();
        assert!(kept.len() as u64 <= FILE_BYTES_READ_MAX && kept.ends_with("\na\nb\nc\nd\n"));
    }

    #[test]
    fn a_client_that_shortens_keeps_the_others_waiting() {
        let path = fresh("lock");
        let mut history = History::open(&path).unwrap();
        let other = File::open(&path).unwrap();
        rustix::fs::flock(&other, rustix::fs::FlockOperation::LockExclusive).unwrap();
        std::thread::scope(|scope| {
            let typing = scope.spawn(|| remember(&mut history, &["one"]));
            let waits = || fs::read_to_string("/proc/locks").unwrap().contains("-> FLOCK");
            while !waits() && !typing.is_finished() {
                std::thread::yield_now();
            }
            assert_eq!(fs::read_to_string(&path).unwrap(), "");
            drop(other);
        });
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
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
