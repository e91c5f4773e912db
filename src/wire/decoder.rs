//! Decodes the bytes of one client: the only thing that the hub asks of the wire.
//!
//! Bytes come in by [`Decoder::take_in`], which takes the header of a [`proxy`](super::proxy) and
//! the commands of a [`dialect`] out.
//! [`Decoder::next`] hands out one thing after the other. It knows no other client, nor what a line
//! means.

use std::time::{Duration, Instant};

use super::dialect::{self, Dialect};
use super::form::Form;
use super::line::{CHARACTER_WAIT, Found, LineRules, Lines};
use super::proxy::{Header, Opening};
use super::stranger::{FirstLines, REQUEST_WAIT, Sniffed, Stranger};
use super::web::head;
use super::web::served::{Served, serve};

/// What a client has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A line: see [`Decoder::line`].
    Line,
    /// In raw mode bytes as they came, which are no line.
    Chunk,
    /// A line longer than allowed, of which nothing is kept.
    TooLong,
    /// So much without a line end that there is no hope for one.
    Endless,
    /// That it leaves, as a telnet user means it.
    Farewell,
    /// It speaks another protocol.
    Stranger(Stranger),
    /// That it wants something by HTTP: see [`Decoder::serve`].
    Request,
    /// Its connection came from a proxy, and whose it is: the first thing that comes out.
    Header(Header),
    /// Nothing yet: there may be more to read, or something is waited for.
    NotYet,
    /// Its input has ended, and all that came is taken.
    Over,
}

/// What there is to read of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Nothing before the next event.
    Quiet,
    /// Nothing either, but what was read may become a line without its end: see [`Decoder::due`].
    Unfinished,
    /// There may be something.
    Readable,
    /// It has ended; what was read may not be taken yet.
    Ended,
}

/// The bytes of one client on their way to being said.
#[derive(Debug)]
pub struct Decoder {
    lines: Lines,
    aside: Option<Box<Aside>>,
    first_lines: FirstLines,
    told_not_utf8: bool,
    /// Something was read.
    has_begun: bool,
    /// When anything was read last.
    heard_at: Instant,
}

/// What most clients never have. It stands in a box, so that an idle client is small.
#[derive(Debug, Default)]
struct Aside {
    /// What its proxy has begun to say, until that is taken.
    opening: Option<Box<Opening>>,
    /// What it has begun to speak.
    dialect: Option<Box<dyn Dialect>>,
}

impl Decoder {
    /// That of a client that has connected now.
    pub fn new(now: Instant) -> Decoder {
        Decoder {
            lines: Lines::default(),
            aside: None,
            first_lines: FirstLines::default(),
            told_not_utf8: false,
            has_begun: false,
            heard_at: now,
        }
    }

    /// That of a client of which is known what it speaks.
    pub fn of_dialect(dialect: Box<dyn Dialect>, now: Instant) -> Decoder {
        let aside = Aside { opening: None, dialect: Some(dialect) };
        Decoder { aside: Some(Box::new(aside)), ..Decoder::new(now) }
    }

    /// That of a client behind a proxy, which first says whose connection it is.
    pub fn of_proxied(now: Instant) -> Decoder {
        let aside = Aside { opening: Some(Box::default()), dialect: None };
        Decoder { aside: Some(Box::new(aside)), ..Decoder::new(now) }
    }

    /// Takes in what was read, which stands behind one spare byte: see [`Dialect::take_in`]. Gives
    /// what is to be answered in its dialect.
    pub fn take_in(&mut self, bytes: &mut [u8], rules: &LineRules, now: Instant) -> Vec<u8> {
        self.heard_at = now;
        let opening = self.aside.as_mut().and_then(|aside| aside.opening.as_mut());
        let header = opening.map_or(0, |its| its.take_in(&bytes[1..]));
        let bytes = &mut bytes[header..];
        let mut answers = Vec::new();
        let text = match rules.raw {
            true => &bytes[1..],
            false => self.take_text(bytes, &mut answers),
        };
        self.lines.push(text, rules, now);
        self.has_begun |= bytes.len() > 1;
        answers
    }

    /// Takes what is no text out of what was read; gives the text that is left.
    fn take_text<'a>(&mut self, bytes: &'a mut [u8], answers: &mut Vec<u8>) -> &'a [u8] {
        if self.dialect().is_none()
            && let Some(begun) = dialect::begun_by(&bytes[1..], !self.has_begun)
        {
            self.aside.get_or_insert_default().dialect = Some(begun);
        }
        let dialect = self.aside.as_mut().and_then(|aside| aside.dialect.as_mut());
        let Some(dialect) = dialect else { return &bytes[1..] };
        let text = dialect.take_in(bytes, answers);
        if dialect.has_begun() {
            self.lines.expect_line_ends();
        }
        &bytes[..text]
    }

    /// Takes as text what might have begun a command, since no more of that will come.
    fn take_rest(&mut self, rules: &LineRules, now: Instant) {
        if let Some(dialect) = self.aside.as_mut().and_then(|aside| aside.dialect.as_mut()) {
            self.lines.push(dialect.take_rest(), rules, now);
        }
    }

    /// What it says next. [`Decoder::consume`] goes on behind a line, or one that was too long.
    pub fn next(&mut self, input: Input, rules: &LineRules, now: Instant) -> Decoded {
        let is_last = input == Input::Ended;
        if let Some(decoded) = self.next_header(is_last) {
            return decoded;
        }
        if self.is_held_back() {
            return if is_last { Decoded::Over } else { Decoded::NotYet };
        }
        if is_last {
            self.take_rest(rules, now);
        }
        while self.lines.is_pending() {
            let is_waited_for = input == Input::Readable || self.is_request_awaited(now);
            match self.sniff(is_last || !is_waited_for || self.lines.is_cut(), rules) {
                Sniffed::Stranger(Stranger::Http) if !rules.raw => return Decoded::Request,
                Sniffed::Stranger(stranger) => return Decoded::Stranger(stranger),
                Sniffed::Chat if self.is_farewell(self.lines.pending()) => {
                    return Decoded::Farewell;
                }
                Sniffed::Chat => match self.lines.find(rules) {
                    Found::Line if self.is_farewell(self.lines.line()) => return Decoded::Farewell,
                    Found::Line if rules.raw => return Decoded::Chunk,
                    Found::Line => return Decoded::Line,
                    Found::TooLong => return Decoded::TooLong,
                    Found::Endless => return Decoded::Endless,
                    Found::NotYet => {}
                },
                Sniffed::NotYet => {}
            }
            let is_due = match input {
                Input::Readable => false,
                Input::Quiet | Input::Unfinished => self.due(rules).is_some_and(|due| due <= now),
                Input::Ended => self.keeps_rest(),
            };
            if !is_due {
                return if is_last { Decoded::Over } else { Decoded::NotYet };
            }
            self.take_rest(rules, now);
            self.lines.cut();
        }
        if is_last { Decoded::Over } else { Decoded::NotYet }
    }

    /// Serves what [`Decoder::next`] has just told of. A client that goes on speaks another dialect
    /// from now on; what it has sent behind its request is taken in.
    pub fn serve(&mut self, web: &head::Rules<'_>, rules: &LineRules, now: Instant) -> Served {
        let (mut served, dialect, used) = match self.dialect() {
            // Its commands were taken out of the head.
            Some(_) => (Served::refusal(&head::Refusal::Malformed), None, 0),
            None => serve(self.lines.pending(), web),
        };
        if let Some(dialect) = dialect {
            let mut rest = [&[0], &self.lines.pending()[used..]].concat();
            (self.lines, self.first_lines) = (Lines::default(), FirstLines::of_known());
            self.aside.get_or_insert_default().dialect = Some(dialect);
            let answers = self.take_in(&mut rest, rules, now);
            served.push_answers(&answers);
        }
        served
    }

    /// What its proxy says, before all that it says itself.
    fn next_header(&mut self, is_last: bool) -> Option<Decoded> {
        let aside = self.aside.as_deref_mut()?;
        let opening = aside.opening.as_deref()?;
        let header = if is_last { opening.header_at_end() } else { opening.header() };
        let Some(header) = header else {
            return Some(if is_last { Decoded::Over } else { Decoded::NotYet });
        };
        aside.opening = None;
        if aside.dialect.is_none() {
            self.aside = None;
        }
        Some(Decoded::Header(header))
    }

    /// The line that [`Decoder::next`] has just given.
    pub fn line(&self) -> &[u8] {
        self.lines.line()
    }

    /// Goes on behind what [`Decoder::next`] has given.
    pub fn consume(&mut self, decoded: Decoded, rules: &LineRules, now: Instant) {
        match decoded {
            Decoded::TooLong => self.first_lines.note_too_long(),
            _ => self.first_lines.note_line(),
        }
        self.lines.consume(rules, now);
    }

    /// When what is pending is a line though it has no end, or though it might have become a
    /// request.
    pub fn due(&self, rules: &LineRules) -> Option<Instant> {
        let request = self.request_due(rules);
        match self.lines.due(rules) {
            Some(due) => Some(due).max(request).max(self.command_due()),
            None => request.filter(|_| self.lines.has_end()),
        }
    }

    /// Until when a command may go on that is not known to be one.
    fn command_due(&self) -> Option<Instant> {
        let waits = self.dialect().is_some_and(|its| !its.rest().is_empty());
        waits.then(|| self.heard_at + CHARACTER_WAIT)
    }

    /// Until when what it has sent may become a request; `None` if it is none.
    pub fn request_due(&self, rules: &LineRules) -> Option<Instant> {
        let since = self.lines.since()?;
        (self.sniff(self.lines.is_cut(), rules) == Sniffed::NotYet).then(|| since + REQUEST_WAIT)
    }

    /// Whether it has begun a request for sure.
    pub fn has_request(&self, rules: &LineRules) -> bool {
        let sniffed = self.first_lines.sniff(self.lines.pending(), rules.line_bytes_max, false);
        !rules.raw && sniffed == Sniffed::Stranger(Stranger::Http)
    }

    /// Whether the rest of a request may still come.
    fn is_request_awaited(&self, now: Instant) -> bool {
        self.lines.since().is_some_and(|since| now < since + REQUEST_WAIT)
    }

    fn sniff(&self, is_whole: bool, rules: &LineRules) -> Sniffed {
        match self.first_lines.sniff(self.lines.pending(), rules.line_bytes_max, is_whole) {
            // A bare relay carries any bytes.
            Sniffed::Stranger(Stranger::Binary | Stranger::Utf16) if rules.raw => Sniffed::Chat,
            // What the request asks for is known at the end of its head.
            Sniffed::Stranger(Stranger::Http)
                if !rules.raw && !is_whole && !head::has_ended(self.lines.pending()) =>
            {
                Sniffed::NotYet
            }
            sniffed => sniffed,
        }
    }

    /// Whether what has not ended is a line when nothing follows it.
    fn keeps_rest(&self) -> bool {
        self.dialect().is_none_or(Dialect::keeps_rest)
    }

    /// Whether more must come before any of it is taken.
    fn is_held_back(&self) -> bool {
        self.dialect().is_some_and(|its| its.is_taken_whole() && !its.has_ended())
    }

    fn dialect(&self) -> Option<&dyn Dialect> {
        self.aside.as_deref()?.dialect.as_deref()
    }

    fn is_farewell(&self, line: &[u8]) -> bool {
        self.dialect().is_some_and(|its| its.is_farewell(line))
    }

    /// What has come and is not taken.
    pub fn pending(&self) -> &[u8] {
        self.lines.pending()
    }

    /// Whether anything has come that is not taken, or is being thrown away.
    pub fn is_pending(&self) -> bool {
        self.lines.is_pending()
    }

    /// Whether it has sent anything behind the header of its proxy.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether it has sent a telnet command, or speaks another dialect.
    pub fn has_dialect(&self) -> bool {
        self.dialect().is_some_and(Dialect::has_begun)
    }

    /// Whether it has ended its session as its dialect does.
    pub fn has_ended(&self) -> bool {
        self.dialect().is_some_and(Dialect::has_ended)
    }

    /// What its dialect sends last, before the connection is closed.
    pub fn last(&self, is_stopping: bool) -> Vec<u8> {
        let mut last = Vec::new();
        if let Some(dialect) = self.dialect() {
            dialect.push_last(is_stopping, &mut last);
        }
        last
    }

    /// In which form it reads what is said: that of its dialect, or lines that end as its own do.
    pub fn form(&self) -> Form {
        match self.dialect() {
            Some(dialect) if dialect.has_begun() => dialect.form(),
            _ if self.lines.ends_in_cr() => Form::CrLf,
            _ => Form::Plain,
        }
    }

    /// Whether it has ended a line with a CR, as telnet and Windows do.
    pub fn ends_in_cr(&self) -> bool {
        self.lines.ends_in_cr()
    }

    /// When nothing will have come for so long.
    pub fn silent_at(&self, silence: Duration) -> Instant {
        self.heard_at + silence
    }

    /// Notes that it was told that what it sends is not UTF-8; says whether it was before.
    pub fn was_told_not_utf8(&mut self) -> bool {
        std::mem::replace(&mut self.told_not_utf8, true)
    }
}
