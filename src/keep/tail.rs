//! The end of the log, as it is read at a start: the keeper learns from it what it has written, and
//! the server what was said last.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use super::entry::{self, Day, Entry, Kind};

/// At most this much of the newest files is read. What a keeper has written, but had no time to
/// confirm before it was killed, is one read of it: 64 KiB of frames. Each line of that may be
/// sixteen times as long in the log.
pub const TAIL_BYTES: u64 = 2 << 20;

/// The newest lines of the log.
#[derive(Debug, Default)]
pub struct Tail {
    text: String,
    /// The day of the newest file.
    pub newest: Option<Day>,
    /// The last line of that file has no end.
    pub is_torn: bool,
}

impl Tail {
    /// Reads the newest files in this directory.
    pub fn read(dir: &Path) -> io::Result<Tail> {
        let mut days = days(dir)?;
        let (mut left, mut pieces) = (TAIL_BYTES, Vec::new());
        days.sort_unstable();
        for day in days.iter().rev() {
            if left == 0 {
                break;
            }
            // Whatever is behind the bytes that are asked for is another's reading.
            let mut file = File::open(dir.join(day.to_string()))?;
            let bytes = file.metadata()?.len();
            let start = bytes.saturating_sub(left);
            file.seek(SeekFrom::Start(start))?;
            let mut piece = Vec::new();
            file.take(bytes - start).read_to_end(&mut piece)?;
            left -= bytes - start;
            if start > 0 {
                let first_end = piece.iter().position(|byte| *byte == b'\n');
                piece.drain(..first_end.map_or(piece.len(), |at| at + 1));
            }
            pieces.push(piece);
        }
        let is_torn = pieces.first().and_then(|piece| piece.last()).is_some_and(|it| *it != b'\n');
        for piece in &mut pieces {
            // A line that was torn by a crash, and is no line.
            let whole = piece.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            piece.truncate(whole);
        }
        pieces.reverse();
        let text = String::from_utf8_lossy(&pieces.concat()).into_owned();
        Ok(Tail { text, newest: days.last().copied(), is_torn })
    }

    /// Whether the log tells of everything: the last server has ended, and the keeper has written
    /// all that it said, or how many lines are missing. What came without a server has no end.
    pub fn is_complete(&self) -> bool {
        let kinds = self.text.lines().rev().map(|line| entry::parse(line).map(|it| it.kind));
        let last = kinds.into_iter().find(|kind| *kind != Some(Kind::Line));
        !self.is_torn && last.is_none_or(|kind| kind == Some(Kind::Stop))
    }

    /// The lines, oldest first. What is none of ours is left out.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.text.lines().filter_map(entry::parse)
    }
}

/// The days of which there is a file.
pub fn days(dir: &Path) -> io::Result<Vec<Day>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut days = Vec::new();
    for entry in entries {
        days.extend(entry?.file_name().to_str().and_then(Day::parse_file_name));
    }
    Ok(days)
}
