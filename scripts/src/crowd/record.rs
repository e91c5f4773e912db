//! The conversation, as the first client to receive each line received it.
//!
//! All clients must receive the same bytes in the same order. So a crowd needs one copy of them,
//! and one position per client. To check what a client receives is one comparison of memory,
//! however many lines it is. The first client to receive a line adds it. Only then is the line
//! itself checked: is it whole, unchanged, and the next one of its author?
//!
//! A notice of chinwag to one client ([`told`]) stands between two lines of the record. The notice
//! that it missed N lines moves its position on by N lines. Nothing else may. Other servers may
//! lose messages without a word, or send those of two authors in another order to each client: that
//! is counted. No server may send a message twice, torn, or out of the order of its author.
//!
//! What always holds: the record is whole lines. A listener's position is in it or at its end. A
//! listener holds bytes back only in two cases: they begin a line that is not the next of the
//! record; or it missed lines that no client has received yet.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::time::Instant;

use chinwag::words::notice::Notice;
use hdrhistogram::Histogram;
use memchr::{memchr, memmem};

use super::author::Author;
use super::dialect::Dialect;
use super::notices::told;
use super::{Fault, Outcome, text};

/// The end of the words from which on everything is compared.
pub const SYNC: &[u8] = b": let us begin";

/// The end of the last words of all.
pub const END: &[u8] = b": let us end";

/// A line that is not the next one of the record must end within this many bytes.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

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
    /// It has received the line from which on everything is compared.
    pub has_begun: bool,
    /// It has received everything before this position, or was told that it missed it.
    pub heard: u64,
    /// Its next line has this number, which is not in the record yet: it must wait until others
    /// have received more.
    pub waits_for: Option<u64>,
    /// What it has received of a line that cannot be compared yet.
    pub(super) held: Vec<u8>,
    /// The author and the number of messages that it has not received, though later ones of other
    /// authors.
    pub(super) owed: Vec<(usize, u64)>,
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
#[derive(Debug, Default)]
pub struct Record {
    dialect: Dialect,
    /// The channel of the talk.
    pub channel: usize,
    /// The authors, in the order in which they were set.
    pub authors: Vec<Author>,
    by_name: HashMap<Vec<u8>, usize>,
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
    /// How many messages of authors have arrived.
    messages: u64,
    /// When the last of them arrived.
    pub heard_at: Option<Instant>,
    /// The last line of all, if it is known yet.
    pub ending: Vec<u8>,
    /// Where it ends, once a client has received it.
    ended_at: Option<u64>,
    /// How many messages all clients have received.
    pub heard_by_all: u64,
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
        Record { dialect, ..Record::default() }
    }

    /// Begins anew with these authors. Clients keep their positions.
    pub fn set_authors(&mut self, authors: Vec<Author>) {
        let names = authors.iter().map(|author| author.name.clone());
        self.by_name = names.zip(0..).collect();
        for line in &mut self.lines {
            (line.author, line.messages_before) = (None, 0);
        }
        self.timed.clear();
        self.authors = authors;
        (self.messages, self.heard_by_all, self.deliveries) = (0, 0, 0);
        (self.messages_missed, self.lines_lost) = (0, 0);
        self.end_with(Vec::new());
    }

    /// Sets the last words of all.
    pub fn end_with(&mut self, words: Vec<u8>) {
        (self.ending, self.ended_at) = (words, None);
    }

    /// The line is sent from which on everything is compared that the clients of a channel receive.
    pub fn begin(&mut self) {
        self.begins = self.end();
    }

    /// Everything was received by a client that takes part from now on.
    pub fn join(&self, listener: &mut Listener) {
        listener.heard = self.end();
        listener.has_begun = true;
    }

    /// Checks what a client has just received.
    ///
    /// Call it without bytes for one that must wait, when others have received more.
    pub fn take(
        &mut self,
        listener: &mut Listener,
        bytes: &[u8],
        latencies: &mut Latencies,
    ) -> Outcome<()> {
        let (before, missed) = (listener.heard, self.messages_missed);
        let mut held = std::mem::take(&mut listener.held);
        if held.is_empty() {
            self.take_all(listener, bytes)?;
        } else {
            held.extend_from_slice(bytes);
            self.take_all(listener, &held)?;
        }
        // A line that was the same so far, and then was not, does not count any more.
        let passed = self.deliveries + self.messages_before(listener.heard) + missed;
        self.deliveries = passed - self.messages_before(before) - self.messages_missed;
        self.time(before, listener.heard, latencies);
        Ok(())
    }

    fn take_all(&mut self, listener: &mut Listener, mut bytes: &[u8]) -> Outcome<()> {
        loop {
            if let Some(line) = listener.waits_for {
                let Some(start) = self.start_of(line) else {
                    listener.held = bytes.to_vec();
                    return Ok(());
                };
                self.skip(listener, start);
            }
            let is_compared = listener.has_begun && listener.channel == self.channel;
            if is_compared {
                let same = common_prefix(self.from(listener.heard), bytes);
                listener.heard += same as u64;
                bytes = &bytes[same..];
            }
            if bytes.is_empty() {
                return Ok(());
            }
            // This line is not the next one of the record. Its beginning may be.
            let mut line = Cow::Borrowed(bytes);
            let mut same = 0;
            if is_compared && listener.heard < self.end() {
                let start = self.start_around(listener.heard);
                same = (listener.heard - start) as usize;
                listener.heard = start;
            }
            if same > 0 {
                let rest = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
                line = Cow::Owned([&self.from(listener.heard)[..same], rest].concat());
            }
            let Some(end) = self.dialect.end_of_line(&line) else {
                if line.len() > LINE_BYTES_MAX {
                    return Err(Fault(format!("a line does not end: {:?}", text(&line))).into());
                }
                listener.held = line.into_owned();
                return Ok(());
            };
            self.take_line(listener, &line[..end])?;
            bytes = &bytes[end - same..];
        }
    }

    /// A line that is not the next one of the record, for a client that may be the first to receive
    /// it.
    fn take_line(&mut self, listener: &mut Listener, line: &[u8]) -> Outcome<()> {
        let words = self.dialect.words(line);
        let told = if self.dialect.is_chinwag() { told(words) } else { None };
        if !listener.has_begun {
            return self.take_early(listener, line, told);
        }
        if listener.channel != self.channel {
            return match self.message_in(words)? {
                Some((_, number)) => {
                    Err(Fault(format!("message {number} arrived in another channel")).into())
                }
                None => Ok(()),
            };
        }
        let is_new = listener.heard == self.end();
        match told {
            Some(Notice::Missed { lines }) => {
                let next = self.first_line + self.line_at(listener.heard) as u64;
                listener.missed += lines;
                listener.waits_for = Some(next + lines);
            }
            Some(_) => listener.replies += 1,
            None if !self.dialect.is_chinwag() => match self.message_in(words)? {
                Some(message) => self.take_strayed(listener, line, message)?,
                None if is_new => self.add_next(listener, line)?,
                // It may be for this client alone.
                None => {}
            },
            None if is_new => self.add_next(listener, line)?,
            None => {
                let expected = self.from(listener.heard);
                let end = self.dialect.end_of_line(expected).unwrap_or(expected.len());
                let (name, expected) = (text(&listener.name), text(&expected[..end]));
                let received = format!("where {name:?} received {:?}", text(line));
                return Err(Fault(format!("others received {expected:?} {received}")).into());
            }
        }
        Ok(())
    }

    /// The record has not begun for this client: only whether it is in matters, and the beginning.
    fn take_early(
        &self,
        listener: &mut Listener,
        line: &[u8],
        told: Option<Notice>,
    ) -> Outcome<()> {
        let words = self.dialect.words(line);
        match told {
            Some(Notice::Welcome { name, .. }) => listener.name = name.into(),
            Some(Notice::Full { .. } | Notice::TooManyFromAddress { .. }) => {
                return Err(refused(words));
            }
            None if words.ends_with(SYNC) => {
                (listener.has_begun, listener.heard) = (true, self.begins);
                return Ok(());
            }
            _ => {}
        }
        // The first words in any language are those of a welcome.
        let is_welcome = listener.channel == 0 && !listener.name.is_empty();
        listener.is_in |= is_welcome || self.dialect.lets_in(line, listener.speaks);
        Ok(())
    }

    /// Instead of the next line of the record came this message, from a server that may do so.
    fn take_strayed(
        &mut self,
        listener: &mut Listener,
        line: &[u8],
        (author, number): (usize, u64),
    ) -> Result<(), Fault> {
        let doubled = || Err(Fault(format!("message {number} arrived twice or out of order")));
        let first = self.line_at(listener.heard);
        if let Some(at) = listener.owed.iter().position(|owed| *owed == (author, number)) {
            listener.owed.swap_remove(at);
            // Later ones of its author must not have come before it.
            let before = self.lines.range(..first).rev().filter(|one| one.author == Some(author));
            let mut later = before.take_while(|one| one.number > number);
            if later.any(|one| !listener.owed.contains(&(author, one.number))) {
                return doubled();
            }
            self.messages_missed -= 1;
            return Ok(());
        }
        let is_it = |line: &Line| line.author == Some(author) && line.number == number;
        let found = self.lines.range(first..).position(is_it).map(|at| first + at);
        if found.is_none() && number < self.authors[author].heard {
            return doubled();
        }
        for skipped in self.lines.range(first..found.unwrap_or(self.lines.len())) {
            let Some(its) = skipped.author else { continue };
            self.messages_missed += 1;
            listener.owed.push((its, skipped.number));
        }
        // An earlier message of this author cannot come any more.
        listener.owed.retain(|(its, earlier)| *its != author || *earlier > number);
        match found {
            Some(at) => listener.heard = self.lines.get(at + 1).map_or(self.end(), |it| it.start),
            None => self.add_next(listener, line)?,
        }
        Ok(())
    }

    /// The author of these words and its index, unless they are a stranger's.
    fn author_of(&self, words: &[u8]) -> Option<usize> {
        self.by_name.get(&words[..memchr(b':', words)?]).copied()
    }

    /// The author and the number of the message with these words; `None` for what strangers and the
    /// server say, and for the first and the last words of all.
    pub fn message_in(&self, words: &[u8]) -> Result<Option<(usize, u64)>, Fault> {
        let Some(key) = self.author_of(words) else { return Ok(None) };
        let author = &self.authors[key];
        match author.number_in(words) {
            Some(number) if number < author.said => Ok(Some((key, number))),
            None if words.ends_with(SYNC) || words == self.ending => Ok(None),
            _ => Err(Fault(format!("no client sent {:?}", text(words)))),
        }
    }

    fn skip(&mut self, listener: &mut Listener, to: u64) {
        let skipped = self.lines.range(self.line_at(listener.heard)..);
        let skipped = skipped.take_while(|line| line.start < to);
        self.messages_missed += skipped.filter(|line| line.author.is_some()).count() as u64;
        (listener.heard, listener.waits_for) = (to, None);
    }

    /// Adds a line that no client has received before. A message must be the next one of its
    /// author.
    fn add_next(&mut self, listener: &mut Listener, line: &[u8]) -> Result<(), Fault> {
        if !self.dialect.is_chinwag() {
            self.add_lost(line)?;
        }
        let words = self.dialect.words(line);
        let (is_ending, key) = (words == self.ending, self.author_of(words));
        let author = key.filter(|_| !is_ending);
        let said = match author {
            Some(author) => self.authors[author].hear(words)?,
            None => None,
        };
        self.push(line, author);
        listener.heard = self.end();
        if is_ending {
            self.ended_at = Some(self.end());
        }
        self.timed.extend(said.map(|said| (self.end(), said)));
        Ok(())
    }

    /// Adds a line, which its author counts as heard.
    fn push(&mut self, line: &[u8], author: Option<usize>) {
        let (start, messages_before) = (self.end(), self.messages);
        self.bytes.extend_from_slice(line);
        let mut number = 0;
        if let Some(author) = author {
            number = self.authors[author].heard - 1;
            self.messages += 1;
            self.heard_at = Some(Instant::now());
        }
        self.lines.push_back(Line { start, author, number, messages_before });
    }

    /// The first client to receive this line has lost the messages before it. Others may not have:
    /// for them they are added.
    fn add_lost(&mut self, line: &[u8]) -> Result<(), Fault> {
        let words = self.dialect.words(line);
        let Some((key, number)) = self.message_in(words)? else { return Ok(()) };
        let at = memmem::find(line, words).unwrap_or(0);
        while self.authors[key].heard < number {
            let mut lost = line[..at].to_vec();
            self.authors[key].write(self.authors[key].heard, &mut lost);
            lost.extend_from_slice(&line[at + words.len()..]);
            self.authors[key].hear_next();
            self.push(&lost, Some(key));
            self.messages_missed += 1;
        }
        Ok(())
    }

    /// All clients were told that they missed the lines before this one, for which the foremost of
    /// them waits. So no client will ever receive those.
    pub fn give_up(&mut self, waited_for: u64) {
        while self.first_line + (self.lines.len() as u64) < waited_for {
            self.push(&[], None);
            self.lines_lost += 1;
        }
        self.authors.iter_mut().for_each(|author| author.is_unsure = true);
    }

    /// All clients have received everything before `heard`.
    pub fn forget(&mut self, heard: u64) {
        while let Some(line) = self.lines.front() {
            let end = self.lines.get(1).map_or(self.end(), |next| next.start);
            if end > heard {
                break;
            }
            if let Some(author) = line.author {
                self.authors[author].heard_by_all += 1;
                self.heard_by_all += 1;
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
    }

    /// The position behind everything that any client has received.
    pub fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    /// Whether this client has received all messages that any has, or was told that it missed them.
    pub fn has_told_all(&self, listener: &Listener) -> bool {
        listener.waits_for.is_none() && self.messages_before(listener.heard) == self.messages
    }

    /// Whether this client has received the last line of all.
    pub fn has_ended(&self, listener: &Listener) -> bool {
        listener.waits_for.is_none() && self.ended_at.is_some_and(|end| end <= listener.heard)
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

    /// What was received behind this position.
    fn from(&self, position: u64) -> &[u8] {
        &self.bytes[(position - self.base) as usize..]
    }

    /// The place in `lines` of the first line that does not start before this position.
    fn line_at(&self, position: u64) -> usize {
        self.lines.partition_point(|line| line.start < position)
    }

    /// Where the line starts that holds the byte at this position.
    fn start_around(&self, position: u64) -> u64 {
        let after = self.lines.partition_point(|line| line.start <= position);
        self.lines.get(after.wrapping_sub(1)).map_or(self.base, |line| line.start)
    }

    /// Where the line of this number starts, or will start.
    fn start_of(&self, number: u64) -> Option<u64> {
        let place = number.checked_sub(self.first_line)? as usize;
        match self.lines.get(place) {
            Some(line) => Some(line.start),
            None => (place == self.lines.len()).then(|| self.end()),
        }
    }

    /// How many messages begin before this position.
    fn messages_before(&self, position: u64) -> u64 {
        if position == self.end() {
            return self.messages;
        }
        self.lines.get(self.line_at(position)).map_or(self.messages, |line| line.messages_before)
    }
}

/// The server refuses a client with these words. That is not its fault.
pub fn refused(words: &[u8]) -> Box<dyn Error> {
    format!("the server admits no more clients: {:?}", text(words)).into()
}

fn common_prefix(one: &[u8], other: &[u8]) -> usize {
    let length = one.len().min(other.len());
    if one[..length] == other[..length] {
        return length;
    }
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Has two clients of another server receive these lines of the authors `a` and `b`. Returns
    /// how many messages were delivered, and how many not.
    fn hear(one: &[&str], other: &[&str]) -> Outcome<(u64, u64)> {
        let mut record = Record::new(Dialect::Welcoming);
        let mut authors = [b"a", b"b"].map(|name| Author::new(name, 16, u64::MAX));
        for author in &mut authors {
            (0..3).for_each(|_| author.write_next(&mut Vec::new(), Instant::now()));
        }
        record.set_authors(authors.into());
        let mut latencies = Histogram::new(3).unwrap();
        let mut listeners = [one, other].map(|_| Listener { is_in: true, ..Listener::default() });
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
