//! The conversation, as the first client to receive each line received it.
//!
//! All clients must receive the same bytes in the same order. So a crowd needs one copy of them,
//! and one position per client. To check what a client receives is one comparison of memory,
//! however many lines it is. The first client to receive a line adds it. Only then is the line
//! itself checked: is it whole, unchanged, and the next one of its author?
//!
//! A notice to one client ([`Told`]) stands between two lines of the record. The notice that it
//! missed N lines moves its position on by N lines. Nothing else may.
//!
//! What always holds: the record is whole lines. A listener's position is in it or at its end. A
//! listener holds bytes back only in three cases: they begin a line that it is the first to
//! receive; they begin a private line; or it missed lines that no client has received yet.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use hdrhistogram::Histogram;
use memchr::{memchr, memchr_iter, memrchr};

use super::Fault;
use super::author::Author;
use super::notices::{Told, told};

/// The end of the line from which on everything is compared.
pub const SYNC: &[u8] = b": let us begin\n";

/// The end of the last line of all.
pub const END: &[u8] = b": let us end\n";

/// This many bytes that all clients have received are kept before they are moved out of the way.
const FORGET_BYTES: usize = 1 << 20;

/// The times from sending a line to receiving it, in nanoseconds.
pub type Latencies = Histogram<u64>;

/// The position of one client.
#[derive(Debug, Default)]
pub struct Listener {
    /// The name that the server gave it, once it is welcomed.
    pub name: Vec<u8>,
    /// How many private replies it got.
    pub replies: u64,
    /// How many lines the server said that it missed.
    pub missed: u64,
    /// The refusal that it read instead of a welcome.
    pub refusal: Option<String>,
    place: Place,
    held: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Place {
    /// It has not received the line yet with which the record begins.
    #[default]
    Before,
    /// It has received everything before this position.
    At(u64),
    /// The same, but its next line has this number and is not in the record yet.
    Ahead { heard: u64, line: u64 },
}

impl Listener {
    /// Whether it has received the line with which the record begins.
    pub fn has_begun(&self) -> bool {
        !matches!(self.place, Place::Before)
    }

    /// Whether it must wait until others have received more.
    pub fn is_ahead(&self) -> bool {
        matches!(self.place, Place::Ahead { .. })
    }

    /// It has received everything before this position, or was told that it missed it.
    pub fn heard(&self) -> u64 {
        match self.place {
            Place::Before => 0,
            Place::At(heard) | Place::Ahead { heard, .. } => heard,
        }
    }
}

/// One line of the record.
#[derive(Debug)]
struct Line {
    start: u64,
    author: Option<usize>,
    /// How many messages of authors came before it.
    messages_before: u64,
}

/// The conversation, as far as some client still has to receive it.
#[derive(Debug, Default)]
pub struct Record {
    bytes: Vec<u8>,
    /// The position of `bytes[0]`.
    base: u64,
    lines: VecDeque<Line>,
    /// The number of `lines[0]`.
    first_line: u64,
    /// Where timed lines end, and when they were sent.
    timed: VecDeque<(u64, Instant)>,
    authors: Vec<Author>,
    by_name: HashMap<Vec<u8>, usize>,
    expected: Vec<u8>,
    /// How many messages of authors have arrived.
    messages: u64,
    /// The last line of all, and its end once a client has received it.
    ending: Vec<u8>,
    ended_at: Option<u64>,
    /// How many messages reached how many clients.
    pub deliveries: u64,
    /// How many messages clients were told that they missed, counted per client, without the lost
    /// lines below.
    pub messages_missed: u64,
    /// How many lines no client received, because all were told that they missed them. The next
    /// message of an author shows how many were its own.
    pub lines_lost: u64,
}

impl Record {
    /// Begins anew with these authors. Clients keep their positions.
    pub fn set_authors(&mut self, authors: Vec<Author>) {
        self.by_name =
            authors.iter().enumerate().map(|(at, one)| (one.name().to_vec(), at)).collect();
        for line in &mut self.lines {
            (line.author, line.messages_before) = (None, 0);
        }
        self.timed.clear();
        self.authors = authors;
        (self.messages, self.deliveries) = (0, 0);
        (self.messages_missed, self.lines_lost) = (0, 0);
        self.end_with(Vec::new());
    }

    /// Sets the last line of all.
    pub fn end_with(&mut self, line: Vec<u8>) {
        (self.ending, self.ended_at) = (line, None);
    }

    /// Where the last line ends, once a client has received it.
    pub fn ended_at(&self) -> Option<u64> {
        self.ended_at
    }

    /// The last line, if it is known yet.
    pub fn ending(&self) -> &[u8] {
        &self.ending
    }

    /// The author of this line and its index, unless the line is a stranger's.
    pub fn author_of(&self, line: &[u8]) -> Option<(usize, &Author)> {
        let name = &line[..memchr(b':', line).unwrap_or(0)];
        let author = *self.by_name.get(name)?;
        Some((author, self.authors.get(author)?))
    }

    /// The authors, in the order in which they were set.
    pub fn authors(&self) -> &[Author] {
        &self.authors
    }

    /// One of the authors.
    pub fn author_mut(&mut self, author: usize) -> Option<&mut Author> {
        self.authors.get_mut(author)
    }

    /// Checks what a client has just received.
    ///
    /// Call it without bytes for one that [`Listener::is_ahead`], when others have received more.
    pub fn take(
        &mut self,
        listener: &mut Listener,
        bytes: &[u8],
        latencies: &mut Latencies,
    ) -> Result<(), Fault> {
        let (before, missed) = (listener.heard(), self.messages_missed);
        if listener.held.is_empty() {
            self.take_all(listener, bytes)?;
        } else {
            let mut all = std::mem::take(&mut listener.held);
            all.extend_from_slice(bytes);
            self.take_all(listener, &all)?;
        }
        let passed = self.messages_before(listener.heard()) - self.messages_before(before);
        self.deliveries += passed - (self.messages_missed - missed);
        self.time(before, listener.heard(), latencies);
        Ok(())
    }

    fn take_all(&mut self, listener: &mut Listener, mut bytes: &[u8]) -> Result<(), Fault> {
        loop {
            if let Place::Ahead { line, .. } = listener.place {
                let Some(start) = self.start_of(line) else {
                    listener.held = bytes.to_vec();
                    return Ok(());
                };
                self.skip(listener, start);
            }
            if bytes.is_empty() {
                return Ok(());
            }
            bytes = match listener.place {
                Place::Before => take_before(listener, bytes)?,
                Place::At(heard) if heard == self.end() => self.take_new(listener, bytes)?,
                Place::At(heard) => self.take_known(listener, heard, bytes)?,
                Place::Ahead { .. } => bytes,
            };
        }
    }

    /// It is the first to receive this: adds the whole lines.
    fn take_new<'a>(
        &mut self,
        listener: &mut Listener,
        bytes: &'a [u8],
    ) -> Result<&'a [u8], Fault> {
        let whole = memrchr(b'\n', bytes).map_or(0, |at| at + 1);
        let mut start = 0;
        for end in memchr_iter(b'\n', &bytes[..whole]).map(|at| at + 1) {
            let line = &bytes[start..end];
            start = end;
            if told(line).is_some() {
                self.take_private(listener, line)?;
                return Ok(&bytes[end..]);
            }
            self.add(line)?;
            listener.place = Place::At(self.end());
        }
        listener.held = bytes[whole..].to_vec();
        Ok(&[])
    }

    /// Others have received this part already: it must be the same, or private.
    fn take_known<'a>(
        &mut self,
        listener: &mut Listener,
        heard: u64,
        bytes: &'a [u8],
    ) -> Result<&'a [u8], Fault> {
        let known = &self.bytes[(heard - self.base) as usize..];
        let same = common_prefix(known, bytes);
        if same == bytes.len() || same == known.len() {
            listener.place = Place::At(heard + same as u64);
            return Ok(&bytes[same..]);
        }
        let at = heard + same as u64;
        let (start, expected) = self.line_around(at);
        let mut line = expected[..(at - start) as usize].to_vec();
        let Some(end) = memchr(b'\n', &bytes[same..]) else {
            line.extend_from_slice(&bytes[same..]);
            (listener.place, listener.held) = (Place::At(start), line);
            return Ok(&[]);
        };
        line.extend_from_slice(&bytes[same..=same + end]);
        if told(&line).is_none() {
            return Err(differs(listener, expected, &line));
        }
        listener.place = Place::At(start);
        self.take_private(listener, &line)?;
        Ok(&bytes[same + end + 1..])
    }

    fn take_private(&mut self, listener: &mut Listener, line: &[u8]) -> Result<(), Fault> {
        let Some(Told::Missed(missed)) = told(line) else {
            listener.replies += 1;
            return Ok(());
        };
        let missed = missed.ok_or_else(|| no_number(line))?;
        let heard = listener.heard();
        let number = self.first_line + self.lines.partition_point(|line| line.start < heard) as u64;
        listener.missed += missed;
        listener.place = Place::Ahead { heard, line: number + missed };
        Ok(())
    }

    fn skip(&mut self, listener: &mut Listener, to: u64) {
        let heard = listener.heard();
        let first = self.lines.partition_point(|line| line.start < heard);
        let skipped = self.lines.range(first..).take_while(|line| line.start < to);
        self.messages_missed += skipped.filter(|line| line.author.is_some()).count() as u64;
        listener.place = Place::At(to);
    }

    /// Adds a line that no client has received before. A message must be the next one of its
    /// author.
    fn add(&mut self, line: &[u8]) -> Result<(), Fault> {
        let start = self.end();
        self.bytes.extend_from_slice(line);
        if line == self.ending {
            self.ended_at = Some(self.end());
        }
        let author = self.author_of(line).map(|(author, _)| author);
        let author = author.filter(|_| line != self.ending);
        self.lines.push_back(Line { start, author, messages_before: self.messages });
        let Some(author) = author.and_then(|author| self.authors.get_mut(author)) else {
            return Ok(());
        };
        self.messages += 1;
        self.expected.clear();
        author.write_expected(line, &mut self.expected);
        if self.expected != line {
            let (expected, line) = (text(&self.expected), text(line));
            return Err(Fault(format!("expected {expected:?}, received {line:?}")));
        }
        if let Some(said) = author.hear_next() {
            self.timed.push_back((start + line.len() as u64, said));
        }
        Ok(())
    }

    /// All clients were told that they missed the lines before the one that the foremost of them
    /// waits for. So no client will ever receive those.
    pub fn give_up<'a>(&mut self, listeners: impl Iterator<Item = &'a Listener>) {
        let waited_for = listeners.filter_map(|listener| match listener.place {
            Place::Ahead { line, .. } => Some(line),
            Place::Before | Place::At(_) => None,
        });
        let Some(line) = waited_for.min() else { return };
        let start = self.end();
        while self.first_line + (self.lines.len() as u64) < line {
            let messages_before = self.messages;
            self.lines.push_back(Line { start, author: None, messages_before });
            self.lines_lost += 1;
        }
        self.authors.iter_mut().for_each(Author::lose_some);
    }

    /// All clients have received everything before `heard`. Returns how many messages that newly
    /// are.
    pub fn forget(&mut self, heard: u64) -> u64 {
        let mut messages = 0;
        while let Some(line) = self.lines.front() {
            let end = self.lines.get(1).map_or(self.end(), |next| next.start);
            if end > heard {
                break;
            }
            if let Some(author) = line.author.and_then(|author| self.authors.get_mut(author)) {
                author.heard_by_all += 1;
                messages += 1;
            }
            self.lines.pop_front();
            self.first_line += 1;
        }
        let timed_and_heard = self.timed.partition_point(|(end, _)| *end <= heard);
        self.timed.drain(..timed_and_heard);
        let kept_from = self.lines.front().map_or(self.end(), |line| line.start);
        let forgotten = (kept_from - self.base) as usize;
        if forgotten > FORGET_BYTES {
            self.bytes.drain(..forgotten);
            self.base = kept_from;
        }
        messages
    }

    /// How many messages begin before this position.
    fn messages_before(&self, position: u64) -> u64 {
        if position == self.end() {
            return self.messages;
        }
        let line = self.lines.partition_point(|line| line.start < position);
        self.lines.get(line).map_or(self.messages, |line| line.messages_before)
    }

    /// The position behind everything that any client has received.
    pub fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    fn time(&self, from: u64, to: u64, latencies: &mut Latencies) {
        if self.timed.back().is_none_or(|(end, _)| *end <= from) {
            return;
        }
        let now = Instant::now();
        let first = self.timed.partition_point(|(end, _)| *end <= from);
        for (_, said) in self.timed.range(first..).take_while(|(end, _)| *end <= to) {
            latencies.saturating_record(now.duration_since(*said).as_nanos() as u64);
        }
    }

    /// Where the line of this number starts, or will start.
    fn start_of(&self, number: u64) -> Option<u64> {
        let place = number.checked_sub(self.first_line)? as usize;
        match self.lines.get(place) {
            Some(line) => Some(line.start),
            None => (place == self.lines.len()).then(|| self.end()),
        }
    }

    /// The line that holds the byte at `position`, and where it starts.
    fn line_around(&self, position: u64) -> (u64, &[u8]) {
        let after = self.lines.partition_point(|line| line.start <= position);
        let start = self.lines.get(after.wrapping_sub(1)).map_or(self.base, |line| line.start);
        let end = self.lines.get(after).map_or(self.end(), |line| line.start);
        (start, &self.bytes[(start - self.base) as usize..(end - self.base) as usize])
    }
}

/// The record has not begun for this client: only its welcome and the beginning matter.
fn take_before<'a>(listener: &mut Listener, bytes: &'a [u8]) -> Result<&'a [u8], Fault> {
    let mut start = 0;
    for end in memchr_iter(b'\n', bytes).map(|at| at + 1) {
        let line = &bytes[start..end];
        start = end;
        match told(line) {
            Some(Told::Welcome(name)) => listener.name = name.to_vec(),
            Some(Told::Refused) => listener.refusal = Some(text(line).trim_end().to_owned()),
            None if line.ends_with(SYNC) => {
                listener.place = Place::At(0);
                return Ok(&bytes[end..]);
            }
            None | Some(Told::Missed(_) | Told::TooLong) => {}
        }
    }
    listener.held = bytes[start..].to_vec();
    Ok(&[])
}

/// The server said that lines were missed, but not how many.
pub fn no_number(line: &[u8]) -> Fault {
    Fault(format!("{:?} tells no number", text(line)))
}

fn differs(listener: &Listener, expected: &[u8], line: &[u8]) -> Fault {
    let (name, expected) = (text(&listener.name), text(expected));
    Fault(format!("others received {expected:?} where {name:?} received {:?}", text(line)))
}

fn common_prefix(one: &[u8], other: &[u8]) -> usize {
    let length = one.len().min(other.len());
    if one[..length] == other[..length] {
        return length;
    }
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// The beginning of a line, as much as a person wants to see.
pub fn text(bytes: &[u8]) -> String {
    const SHOWN_BYTES_MAX: usize = 100;
    String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_BYTES_MAX)]).into_owned()
}
