//! The log of all that was said: a file a day, to which lines are only ever added.
//!
//! What always holds:
//!
//! - The lines of a room stand in the order of their numbers, also from file to file. So a clock
//!   that is set back begins no earlier file.
//! - No line is written twice, though a server sends again what it does not know to be written.
//! - What is missing is counted, and the count is a line of the log, `missed`. It stands behind the
//!   lines that were said before, but does not say in which rooms lines are missing.
//! - A number is never given again, though lines under it were said and not kept. A room of which
//!   nothing is kept behind the last `missed` goes on with a number that no earlier line can have
//!   had: the microseconds since 1970. The gap that this makes counts nothing; `missed` does.
//! - The last line of a server is `stop`, once all is kept or counted. Its first is `start`, which
//!   is on the disk before any client is served. If no `stop` stands before it, nobody knows what
//!   is missing, and a `missed` that says so stands before it.
//!
//! A disk that takes nothing is tried again. Meanwhile nothing more should be read, so memory has a
//! bound.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::time::Instant;

use super::entry::{Day, Entry, Kind, NONE, TORN, split};
use super::folder::{self, Folder};
use super::frame::{Run, Verb, missed_words};
use super::tail::{Tail, days};
use super::{RETRY, SYNC, tell};
use crate::words::text::push_safe;

/// What is said, on its way to the files.
#[derive(Debug)]
pub struct Log {
    /// Older files are removed; 0 for none.
    days_kept: u32,
    /// The last number of each room that an earlier keeper has written, and may be sent again.
    written: HashMap<String, u64>,
    /// The number of the next line that comes without a server.
    next_number: u64,
    /// The day of the last line.
    day: Option<Day>,
    /// The file that is open.
    file: Option<(Day, File)>,
    /// What is not written yet, oldest first.
    waiting: VecDeque<Part>,
    retry_at: Option<Instant>,
    /// When what was written must be on the disk.
    sync_at: Option<Instant>,
    /// The server waits until it is on the disk.
    is_urgent: bool,
    /// The error that was told last, since all was well.
    told: Option<ErrorKind>,
}

/// What is not written yet of a day.
#[derive(Debug)]
struct Part {
    day: Day,
    text: String,
    written: usize,
}

impl Log {
    /// Goes on behind what is in the folder. A last line without its end is marked, and told.
    pub fn open(folder: &Folder, days_kept: u32) -> io::Result<Log> {
        let tail = Tail::read(folder.path())?;
        let mut written = HashMap::new();
        for entry in tail.entries() {
            written.insert(entry.room.to_owned(), entry.number);
        }
        let mut log = Log {
            days_kept,
            next_number: written.get(NONE).map_or(0, |last| last.saturating_add(1)),
            written,
            day: tail.newest,
            file: None,
            waiting: VecDeque::new(),
            retry_at: None,
            sync_at: None,
            is_urgent: false,
            told: None,
        };
        if let Some(day) = tail.newest.filter(|_| tail.is_torn) {
            tell(&format!("the last line of {day} is torn"));
            log.waiting.push_back(Part { day, text: TORN.to_owned(), written: 0 });
        }
        Ok(log)
    }

    /// Takes what was said. Call [`Log::write`] then.
    pub fn take(&mut self, run: &Run) {
        let Run { verb, ref room, number, unix_millis, ref content } = *run;
        let written = self.written.get(room).copied();
        let is_new = |number: &u64| written.is_none_or(|written| *number > written);
        let text = self.text_of(Day::of(unix_millis));
        let mut write = |number, kind, name: &str, words: &str| {
            Entry { unix_millis, room, number, kind, name, text: words }.write(text);
        };
        match verb {
            Verb::Said => {
                let content = String::from_utf8_lossy(content);
                for (line, number) in content.split_terminator('\n').zip(number..) {
                    let (kind, name, words) = split(line);
                    if is_new(&number) {
                        write(number, kind, name, words);
                    }
                }
            }
            _ if !is_new(&number) => {}
            Verb::Raw => write(number, Kind::Raw, NONE, &safe(content)),
            Verb::End => write(number, Kind::End, NONE, ""),
            Verb::Missed => write(number, Kind::Missed, NONE, &safe(content)),
            Verb::Start => write(number, Kind::Start, NONE, &safe(content)),
        }
        if room == NONE {
            self.next_number = self.next_number.max(number.saturating_add(1));
            self.is_urgent |= verb == Verb::Start;
        }
    }

    /// The server has ended, and said so many lines that did not come.
    pub fn end(&mut self, missed: u64, unix_millis: u64) {
        let mut write = |kind, text: &str| {
            let number = self.next_number.max(unix_millis);
            self.next_number = number + 1;
            let entry = Entry { unix_millis, room: NONE, number, kind, name: NONE, text };
            entry.write(self.text_of(Day::of(unix_millis)));
        };
        if missed > 0 {
            write(Kind::Missed, &missed_words(missed));
        }
        write(Kind::Stop, "");
    }

    /// Takes a line that comes without a server.
    pub fn take_line(&mut self, line: &[u8], unix_millis: u64) {
        let (number, text) = (self.next_number, &safe(line));
        self.next_number += 1;
        let entry = Entry { unix_millis, room: NONE, number, kind: Kind::Line, name: NONE, text };
        entry.write(self.text_of(Day::of(unix_millis)));
    }

    /// What waits of this day, or of the newest if that is later.
    fn text_of(&mut self, day: Day) -> &mut String {
        let day = self.day.map_or(day, |newest| newest.max(day));
        self.day = Some(day);
        if self.waiting.back().is_none_or(|part| part.day != day) {
            self.waiting.push_back(Part { day, text: String::new(), written: 0 });
        }
        let last = self.waiting.len() - 1;
        &mut self.waiting[last].text
    }

    /// Writes all that waits if the disk takes it, and once in `SYNC` waits until it is on the
    /// disk.
    pub fn write(&mut self, folder: &Folder, now: Instant) {
        if self.retry_at.is_some_and(|at| at > now) {
            return;
        }
        self.retry_at = None;
        let is_sync_due = self.is_urgent || self.sync_at.is_some_and(|at| at <= now);
        let done = self.write_out(folder, now);
        let done = done.and_then(|()| if is_sync_due { self.sync() } else { Ok(()) });
        match done {
            Ok(()) => {
                self.is_urgent = false;
                if self.told.take().is_some() {
                    tell("the log is written again");
                }
            }
            Err(error) => {
                if self.told.replace(error.kind()) != Some(error.kind()) {
                    tell(&format!("cannot write the log: {error}; it is tried again"));
                }
                self.retry_at = Some(now + RETRY);
            }
        }
    }

    /// Writes all, and waits until it is on the disk: the input has ended. Returns whether that is
    /// done.
    pub fn finish(&mut self, folder: &Folder, now: Instant) -> bool {
        (self.retry_at, self.sync_at) = (None, self.sync_at.or(Some(now)).map(|at| at.min(now)));
        self.write(folder, now);
        // What was written just now.
        let is_synced = self.sync().is_ok();
        self.waiting.is_empty() && is_synced
    }

    /// Whether something waits to be written.
    pub fn is_behind(&self) -> bool {
        self.is_urgent || !self.waiting.is_empty()
    }

    /// When to call [`Log::write`] next, though nothing comes.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.retry_at.or(self.sync_at)
    }

    fn write_out(&mut self, folder: &Folder, now: Instant) -> io::Result<()> {
        while let Some(day) = self.waiting.front().map(|part| part.day) {
            self.begin(day, folder)?;
            let (Some(part), Some((_, file))) = (self.waiting.front_mut(), &mut self.file) else {
                break;
            };
            while part.written < part.text.len() {
                match file.write(&part.text.as_bytes()[part.written..]) {
                    Ok(0) => return Err(ErrorKind::WriteZero.into()),
                    Ok(bytes) => part.written += bytes,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
                self.sync_at.get_or_insert(now + SYNC);
            }
            self.waiting.pop_front();
        }
        Ok(())
    }

    /// Opens the file of this day, if it is not open, and removes what is too old.
    fn begin(&mut self, day: Day, folder: &Folder) -> io::Result<()> {
        if self.file.as_ref().is_some_and(|(open, _)| *open == day) {
            return Ok(());
        }
        self.sync()?;
        self.file = Some((day, folder.open_end(&day.to_string())?));
        let kept = u64::from(self.days_kept);
        for old in days(folder.path())? {
            if kept > 0 && day.days_after(old) >= kept {
                folder.remove(&old.to_string())?;
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.sync_at.is_some()
            && let Some((_, file)) = &self.file
        {
            folder::sync(file)?;
        }
        self.sync_at = None;
        Ok(())
    }
}

fn safe(bytes: &[u8]) -> String {
    let mut text = String::new();
    push_safe(bytes, &mut text);
    text
}
