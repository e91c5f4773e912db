//! The conversation, as the first client to receive each line received it.
//!
//! All clients must receive the same bytes in the same order. So a crowd needs one copy of them,
//! and one position per client. To check what a client receives is one comparison of memory,
//! however many lines it is. The first client to receive a line adds it. Only then is the line
//! itself checked: is it whole, unchanged, and the next one of its author?
//!
//! A notice of chinwag to one client ([`Told`]) stands between two lines of the record. The notice
//! that it missed N lines moves its position on by N lines. Nothing else may. Other servers may
//! lose messages without a word, or send those of two authors in another order to each client: that
//! is counted. No server may send a message twice, torn, or out of the order of its author.
//!
//! What always holds: the record is whole lines. A listener's position is in it or at its end. A
//! listener holds bytes back only in three cases: they begin a line that it is the first to
//! receive; they begin a private line; or it missed lines that no client has received yet.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use hdrhistogram::Histogram;
use memchr::{memchr, memmem};

use super::Fault;
use super::author::Author;
use super::dialect::Dialect;
use super::notices::{Told, told};

/// The end of the words from which on everything is compared.
pub const SYNC: &[u8] = b": let us begin";

/// The end of the last words of all.
pub const END: &[u8] = b": let us end";

/// A line that is not the one that others received must end within this many bytes.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// This many bytes that all clients have received are kept before they are moved out of the way.
const FORGET_BYTES: usize = 1 << 20;

/// The times from sending a line to receiving it, in nanoseconds.
pub type Latencies = Histogram<u64>;

/// The position of one client.
#[derive(Debug, Default)]
pub struct Listener {
    /// It is in the conversation.
    pub is_in: bool,
    /// The name that the server gave it, once it is welcomed.
    pub name: Vec<u8>,
    /// The channel that it is in.
    pub channel: usize,
    /// It talks.
    pub speaks: bool,
    /// How many private replies it got.
    pub replies: u64,
    /// How many lines the server said that it missed.
    pub missed: u64,
    /// The refusal that it read instead of a welcome.
    pub refusal: Option<String>,
    place: Place,
    held: Vec<u8>,
    /// The author and the number of messages that it has not received, though later ones of other
    /// authors.
    owed: Vec<(usize, u64)>,
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
    /// It has received nothing yet.
    pub fn new(is_in: bool, channel: usize, speaks: bool) -> Listener {
        Listener { is_in, channel, speaks, ..Listener::default() }
    }

    /// Whether it has received the line with which the record begins.
    pub fn has_begun(&self) -> bool {
        !matches!(self.place, Place::Before)
    }

    /// Whether it must wait until others have received more.
    pub fn is_ahead(&self) -> bool {
        matches!(self.place, Place::Ahead { .. })
    }

    /// The number of the line that it waits for.
    pub fn waits_for(&self) -> Option<u64> {
        match self.place {
            Place::Ahead { line, .. } => Some(line),
            Place::Before | Place::At(_) => None,
        }
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
    /// Which message of its author it is.
    number: u64,
    /// How many messages of authors came before it.
    messages_before: u64,
}

/// The conversation, as far as some client still has to receive it.
#[derive(Debug)]
pub struct Record {
    dialect: Dialect,
    bytes: Vec<u8>,
    /// Where it begins for the clients of the last channel to begin.
    begins: u64,
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
    /// Where the last of them ends.
    messages_end: u64,
    /// The last line of all, and its end once a client has received it.
    ending: Vec<u8>,
    ended_at: Option<u64>,
    /// How many messages reached how many clients.
    pub deliveries: u64,
    /// How many messages clients were told that they missed, counted per client, without the lost
    /// lines below. With another server than chinwag: how many they did not receive.
    pub messages_missed: u64,
    /// How many lines no client received, because all were told that they missed them. The next
    /// message of an author shows how many were its own.
    pub lines_lost: u64,
}

impl Record {
    /// Nothing was said yet.
    pub fn new(dialect: Dialect) -> Record {
        Record {
            dialect,
            bytes: Vec::new(),
            begins: 0,
            base: 0,
            lines: VecDeque::new(),
            first_line: 0,
            timed: VecDeque::new(),
            authors: Vec::new(),
            by_name: HashMap::new(),
            expected: Vec::new(),
            messages: 0,
            messages_end: 0,
            ending: Vec::new(),
            ended_at: None,
            deliveries: 0,
            messages_missed: 0,
            lines_lost: 0,
        }
    }

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

    /// Sets the last words of all.
    pub fn end_with(&mut self, words: Vec<u8>) {
        (self.ending, self.ended_at) = (words, None);
    }

    /// Where the last line ends, once a client has received it.
    pub fn ended_at(&self) -> Option<u64> {
        self.ended_at
    }

    /// The last words, if they are known yet.
    pub fn ending(&self) -> &[u8] {
        &self.ending
    }

    /// The author of these words and its index, unless they are a stranger's.
    pub fn author_of(&self, words: &[u8]) -> Option<(usize, &Author)> {
        let name = &words[..memchr(b':', words).unwrap_or(0)];
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
        self.deliveries = self.deliveries + passed + missed - self.messages_missed;
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
                Place::Before => self.take_before(listener, bytes),
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
        let mut rest = bytes;
        while let Some(end) = self.dialect.end_of_line(rest) {
            let (line, behind) = rest.split_at(end);
            rest = behind;
            if self.told(line).is_some() {
                self.take_private(listener, line)?;
                return Ok(rest);
            }
            if !self.dialect.is_chinwag() && self.message_in(line)?.is_some() {
                self.take_strayed(listener, line)?;
                continue;
            }
            self.add(line)?;
            listener.place = Place::At(self.end());
        }
        listener.held = rest.to_vec();
        Ok(&[])
    }

    /// What a line means for the client that reads it, if the server is chinwag.
    fn told<'a>(&self, line: &'a [u8]) -> Option<Told<'a>> {
        self.dialect.is_chinwag().then(|| told(self.dialect.words(line))).flatten()
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
        let before = &expected[..(at - start) as usize];
        let rest = &bytes[same..bytes.len().min(same + LINE_BYTES_MAX)];
        let mut line = [before, rest].concat();
        let Some(end) = self.dialect.end_of_line(&line) else {
            if line.len() > LINE_BYTES_MAX {
                return Err(Fault(format!("a line does not end: {:?}", text(&line))));
            }
            (listener.place, listener.held) = (Place::At(start), line);
            return Ok(&[]);
        };
        line.truncate(end);
        let behind = &bytes[same + end - before.len()..];
        let is_differing = self.dialect.is_chinwag() && self.told(&line).is_none();
        if is_differing {
            return Err(differs(listener, expected, &line));
        }
        listener.place = Place::At(start);
        match self.dialect.is_chinwag() {
            true => self.take_private(listener, &line)?,
            false => self.take_strayed(listener, &line)?,
        }
        Ok(behind)
    }

    /// Instead of the next line of the record came this one, from a server that may do so.
    fn take_strayed(&mut self, listener: &mut Listener, line: &[u8]) -> Result<(), Fault> {
        // Other lines may be for this client alone.
        let Some((author, number)) = self.message_in(line)? else { return Ok(()) };
        let heard = listener.heard();
        let first = self.lines.partition_point(|line| line.start < heard);
        if let Some(at) = listener.owed.iter().position(|owed| *owed == (author, number)) {
            listener.owed.swap_remove(at);
            // Later ones of its author must not have come before it.
            let before = self.lines.range(..first).rev().filter(|one| one.author == Some(author));
            let mut later = before.take_while(|one| one.number > number);
            if later.any(|one| !listener.owed.contains(&(author, one.number))) {
                return Err(doubled(number));
            }
            self.messages_missed -= 1;
            return Ok(());
        }
        let is_it = |line: &Line| line.author == Some(author) && line.number == number;
        let found = self.lines.range(first..).position(is_it).map(|at| first + at);
        if found.is_none() && number < self.authors[author].heard {
            return Err(doubled(number));
        }
        for skipped in self.lines.range(first..found.unwrap_or(self.lines.len())) {
            let Some(its) = skipped.author else { continue };
            self.messages_missed += 1;
            listener.owed.push((its, skipped.number));
        }
        // An earlier message of this author cannot come any more.
        listener.owed.retain(|(its, earlier)| *its != author || *earlier > number);
        if found.is_none() {
            self.add(line)?;
        }
        let behind = found.and_then(|at| self.lines.get(at + 1)).map(|next| next.start);
        listener.place = Place::At(behind.unwrap_or(self.end()));
        Ok(())
    }

    /// The author and the number of the message in this line, if it is one.
    fn message_in(&mut self, line: &[u8]) -> Result<Option<(usize, u64)>, Fault> {
        let words = self.dialect.words(line);
        let Some((key, author)) = self.author_of(words) else { return Ok(None) };
        let Some(number) = author.number_in(words) else { return Ok(None) };
        let mut expected = Vec::new();
        author.write_whole(number, &mut expected);
        match expected == words && number < author.said {
            true => Ok(Some((key, number))),
            false => Err(Fault(format!("no client sent {:?}", text(words)))),
        }
    }

    /// Checks what a client has received that is in another channel than the talk.
    pub fn take_elsewhere(&mut self, listener: &mut Listener, bytes: &[u8]) -> Result<(), Fault> {
        let all = [&std::mem::take(&mut listener.held), bytes].concat();
        let mut rest = &all[..];
        while let Some(end) = self.dialect.end_of_line(rest) {
            if let Some((_, number)) = self.message_in(&rest[..end])? {
                return Err(Fault(format!("message {number} arrived in another channel")));
            }
            rest = &rest[end..];
        }
        listener.held = rest.to_vec();
        Ok(())
    }

    /// The line is sent from which on everything is compared that the clients of a channel receive.
    pub fn begin(&mut self) {
        self.begins = self.end();
    }

    /// Everything was received by a client that takes part from now on.
    pub fn join(&self, listener: &mut Listener) {
        listener.place = Place::At(self.end());
    }

    /// The record has not begun for this client: only whether it is in matters, and the beginning.
    fn take_before<'a>(&mut self, listener: &mut Listener, bytes: &'a [u8]) -> &'a [u8] {
        let mut rest = bytes;
        while let Some(end) = self.dialect.end_of_line(rest) {
            let (line, behind) = rest.split_at(end);
            rest = behind;
            let words = self.dialect.words(line);
            match self.told(line) {
                Some(Told::Welcome(name)) => listener.name = name.to_vec(),
                Some(Told::Refused) => listener.refusal = Some(text(words).trim_end().to_owned()),
                None if words.ends_with(SYNC) => {
                    listener.place = Place::At(self.begins);
                    return rest;
                }
                None | Some(Told::Missed(_) | Told::TooLong) => {}
            }
            // The first words in any language are those of a welcome.
            let is_welcome = listener.channel == 0 && !listener.name.is_empty();
            let Listener { channel, speaks, .. } = *listener;
            listener.is_in |= is_welcome || self.dialect.lets_in(line, channel, speaks);
        }
        listener.held = rest.to_vec();
        &[]
    }

    fn take_private(&mut self, listener: &mut Listener, line: &[u8]) -> Result<(), Fault> {
        let Some(Told::Missed(missed)) = self.told(line) else {
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
        if !self.dialect.is_chinwag() {
            self.add_lost(line)?;
        }
        let start = self.end();
        self.bytes.extend_from_slice(line);
        let words = self.dialect.words(line);
        let is_ending = words == self.ending;
        if is_ending {
            self.ended_at = Some(self.end());
        }
        let key = self.author_of(words).map(|(author, _)| author).filter(|_| !is_ending);
        let messages_before = self.messages;
        let Some(author) = key.and_then(|author| self.authors.get_mut(author)) else {
            self.lines.push_back(Line { start, author: None, number: 0, messages_before });
            return Ok(());
        };
        self.messages += 1;
        self.messages_end = start + line.len() as u64;
        self.expected.clear();
        author.write_expected(words, &mut self.expected);
        self.lines.push_back(Line { start, author: key, number: author.heard, messages_before });
        if self.expected != words {
            let (expected, words) = (text(&self.expected), text(words));
            return Err(Fault(format!("expected {expected:?}, received {words:?}")));
        }
        if let Some(said) = author.hear_next() {
            self.timed.push_back((self.messages_end, said));
        }
        Ok(())
    }

    /// The first client to receive this line has lost the messages before it. Others may not have:
    /// for them they are added.
    fn add_lost(&mut self, line: &[u8]) -> Result<(), Fault> {
        let Some((key, number)) = self.message_in(line)? else { return Ok(()) };
        let words = self.dialect.words(line);
        let at = memmem::find(line, words).unwrap_or(0);
        let author = &mut self.authors[key];
        while author.heard < number {
            let start = self.base + self.bytes.len() as u64;
            let (its, messages_before) = (author.heard, self.messages);
            self.lines.push_back(Line { start, author: Some(key), number: its, messages_before });
            self.bytes.extend_from_slice(&line[..at]);
            author.write_whole(its, &mut self.bytes);
            self.bytes.extend_from_slice(&line[at + words.len()..]);
            self.messages += 1;
            self.messages_missed += 1;
            author.hear_next();
        }
        Ok(())
    }

    /// All clients were told that they missed the lines before this one, for which the foremost of
    /// them waits. So no client will ever receive those.
    pub fn give_up(&mut self, waited_for: Option<u64>) {
        let Some(line) = waited_for else { return };
        let start = self.end();
        while self.first_line + (self.lines.len() as u64) < line {
            let messages_before = self.messages;
            self.lines.push_back(Line { start, author: None, number: 0, messages_before });
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

    /// What all clients receive ends here. Behind it, another server than chinwag may have sent
    /// something to one of them.
    pub fn said_until(&self) -> u64 {
        if self.dialect.is_chinwag() { self.end() } else { self.messages_end }
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

/// The server said that lines were missed, but not how many.
pub fn no_number(line: &[u8]) -> Fault {
    Fault(format!("{:?} tells no number", text(line)))
}

fn doubled(number: u64) -> Fault {
    Fault(format!("message {number} arrived twice or out of order"))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Has two clients of another server receive these lines of the authors `a` and `b`. Returns
    /// how many messages were delivered, and how many not.
    fn hear(one: &[&str], other: &[&str]) -> Result<(u64, u64), Fault> {
        let mut record = Record::new(Dialect::Welcoming);
        let mut authors = [b"a", b"b"].map(|name| Author::new(name, 16, u64::MAX));
        for author in &mut authors {
            (0..3).for_each(|_| author.write_next(true, &mut Vec::new(), Instant::now()));
        }
        record.set_authors(authors.into());
        let mut latencies = Histogram::new(3).unwrap();
        let mut listeners = [one, other].map(|_| Listener::new(true, 0, false));
        listeners.iter_mut().for_each(|listener| record.join(listener));
        for (listener, lines) in listeners.iter_mut().zip([one, other]) {
            for line in lines {
                let (name, number) = line.split_at(1);
                let line = format!("{name}: {number:0>12}\n");
                record.take(listener, line.as_bytes(), &mut latencies)?;
            }
        }
        Ok((record.deliveries, record.messages_missed))
    }

    #[test]
    fn each_client_of_another_server_may_have_its_own_order() {
        assert_eq!(hear(&["a0", "b0", "a1"], &["b0", "a0", "a1"]).unwrap(), (6, 0));
        assert_eq!(hear(&["a0", "b0", "a1"], &["a0", "a1", "b0"]).unwrap(), (6, 0));
        assert_eq!(hear(&["a0", "b0"], &["a0", "b0", "b1", "a1"]).unwrap(), (6, 0));
    }

    #[test]
    fn what_another_server_loses_is_counted() {
        assert_eq!(hear(&["a0", "a1", "a2"], &["a0", "a2"]).unwrap(), (5, 1));
        assert_eq!(hear(&["a0", "a2"], &["a0", "a1", "a2"]).unwrap(), (5, 1));
        assert_eq!(hear(&["a0", "b0", "a1"], &["a1", "b0"]).unwrap(), (5, 1));
        assert_eq!(hear(&["a0"], &["b1"]).unwrap(), (2, 2));
    }

    #[test]
    fn no_message_may_come_twice_or_out_of_its_order() {
        for other in [&["a0", "a0"][..], &["a1", "a0"], &["b0", "a1", "a0"], &["a3"], &["b0", "b0"]]
        {
            assert!(hear(&["a0", "b0", "a1"], other).is_err(), "{other:?}");
        }
        assert!(hear(&["a1", "a0"], &[]).is_err());
    }
}
