//! One reader's place in a transcript, and what only that reader is to see.
//!
//! Whoever keeps up is a position and nothing else. What is rare stands aside in a box: *detours*
//! (at this position, first these private bytes), the *torn rest* of what was half sent when its
//! reader lapsed, and the output of a *rendered* reader, who does not want the shared bytes as
//! they are.
//!
//! What always holds: a position lies between the transcript's tail and head, or its reader has
//! lapsed; detours stand in the order of their positions, each at the boundary of a line; the box
//! is there only while something is in it. This room knows neither sockets nor who reads.

use std::collections::VecDeque;

use crate::room::transcript::Transcript;
use crate::room::without::Without;
use crate::wire::telnet;
use crate::words::notice::{Lang, Notice};

pub use offer::Offer;

mod offer;

/// What a detour is charged beside its text: its place in the queue and the allocator's overhead.
pub const DETOUR_BYTES: usize = 64;

/// How the transcript's bytes become a reader's: `None` is *plain*, as they are, without copying.
type WireForm = Option<Box<Rendering>>;

/// What a *rendered* reader wants otherwise: it is given line by line, through a buffer of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendering {
    /// The authors whose lines are left out.
    pub without: Without,
    /// How its lines end.
    pub line_ends: LineEnds,
}

/// How a reader's lines end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineEnds {
    /// As the entries do: with a line feed, or in raw mode as it comes.
    #[default]
    AsTheyAre,
    /// With a line feed, also where the entry has none.
    LineFeed,
    /// With CR LF, as telnet wants it.
    CrLf,
}

impl LineEnds {
    /// Adds an entry, or a private text, with its lines ended so.
    fn render(self, pieces: &[&[u8]], out: &mut Vec<u8>) {
        for piece in pieces {
            match self {
                LineEnds::AsTheyAre | LineEnds::LineFeed => out.extend_from_slice(piece),
                LineEnds::CrLf => telnet::push_rendered(piece, out),
            }
        }
        if self == LineEnds::LineFeed && out.last() != Some(&b'\n') {
            out.push(b'\n');
        }
    }
}

/// How much a reader is offered at once.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The most bytes of one offer.
    pub bytes_max: usize,
    /// A rendered reader has about this much output made ready at a time, and more when that is
    /// gone: enough for one write to a socket, little enough for thousands of them.
    pub rendered_bytes_max: usize,
    /// In which language it is told of a gap.
    pub lang: Lang,
}

/// A reader's place in a transcript.
#[derive(Debug)]
pub struct Reading {
    position: u64,
    form: WireForm,
    aside: Option<Box<Aside>>,
}

/// What stands between a reader and the shared bytes.
#[derive(Debug, Default)]
struct Aside {
    /// What goes out before everything else, and how much of it has: the torn rest, the line that
    /// tells of a gap, or rendered output.
    before: Vec<u8>,
    before_sent: usize,
    /// Where its gap begins, if it has lapsed: the first line that it did not begin.
    gap: Option<Unread>,
    detours: VecDeque<Detour>,
    /// How much of the first detour has been sent.
    detour_sent: usize,
    /// What the detours are charged together, those of others apart.
    reply_bytes: usize,
    message_bytes: usize,
}

/// The first line that a reader did not begin: its number, and where it started.
#[derive(Clone, Copy, Debug)]
struct Unread {
    line: u64,
    start: u64,
}

#[derive(Debug)]
struct Detour {
    at: u64,
    text: Vec<u8>,
    /// It is a message from another client.
    is_message: bool,
}

impl Reading {
    /// A plain reader of everything that is said from `position` on.
    pub fn new(position: u64) -> Reading {
        Reading { position, form: None, aside: None }
    }

    /// A reader of everything that is said from `position` on, rendered for it.
    pub fn rendered(position: u64, rendering: Rendering) -> Reading {
        let plain = rendering == Rendering::default();
        Reading { form: (!plain).then(|| Box::new(rendering)), ..Reading::new(position) }
    }

    /// Goes to `position` without having been offered what stands before it; what only it is to see
    /// comes first.
    ///
    /// It is our own fault if it has been offered anything before.
    pub fn begin_at(&mut self, position: u64) {
        debug_assert!(self.aside.as_deref().is_none_or(|aside| {
            aside.before.is_empty() && aside.detour_sent == 0 && aside.gap.is_none()
        }));
        self.position = position;
        if let Some(aside) = &mut self.aside {
            aside.detours.iter_mut().for_each(|detour| detour.at = position);
        }
    }

    /// Where in the transcript it is; of a lapsed reader, where its gap begins.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether it lacks anything of what was said before `end` or privately.
    pub fn is_behind(&self, end: u64) -> bool {
        self.position < end || self.aside.is_some()
    }

    /// Whether it could not keep up and has not been told so yet.
    pub fn has_lapsed(&self) -> bool {
        self.aside.as_deref().is_some_and(|aside| aside.gap.is_some())
    }

    /// What the replies are charged that it has not been sent.
    pub fn reply_bytes(&self) -> usize {
        self.aside.as_ref().map_or(0, |aside| aside.reply_bytes)
    }

    /// What the messages of others to it alone are charged that it has not been sent. They do not
    /// count as its replies, or others could keep it from being heard.
    pub fn message_bytes(&self) -> usize {
        self.aside.as_ref().map_or(0, |aside| aside.message_bytes)
    }

    /// Changes how it wants what is said, from the next line on.
    pub fn change_rendering(
        &mut self,
        transcript: &Transcript,
        change: impl FnOnce(&mut Rendering),
    ) {
        let mut rendering = self.form.as_deref().cloned().unwrap_or_default();
        change(&mut rendering);
        if self.form.is_none() {
            self.finish_line(transcript);
        }
        self.form = (rendering != Rendering::default()).then(|| Box::new(rendering));
    }

    /// How it wants what is said; `None` is as it is.
    pub fn rendering(&self) -> Option<&Rendering> {
        self.form.as_deref()
    }

    /// Takes the rest of a half-sent line aside, so that what comes next begins a line.
    fn finish_line(&mut self, transcript: &Transcript) {
        let (_, start) = transcript.start_at_or_after(self.position);
        if self.has_lapsed() || start == self.position {
            return;
        }
        let (first, second) = transcript.bytes(self.position, start);
        let aside = self.aside.get_or_insert_default();
        debug_assert!(aside.before_sent == aside.before.len());
        aside.before = [first, second].concat();
        aside.before_sent = 0;
        self.position = start;
    }

    /// Adds lines that only this reader sees, after all that has been said up to `head`.
    pub fn detour(&mut self, head: u64, text: Vec<u8>) {
        let text = self.with_its_line_ends(text);
        self.detour_as_it_is(head, text);
    }

    /// Adds a line from another client that only this reader sees.
    pub fn message(&mut self, head: u64, text: Vec<u8>) {
        let text = self.with_its_line_ends(text);
        self.push_detour(Detour { at: head, text, is_message: true });
    }

    fn with_its_line_ends(&self, text: Vec<u8>) -> Vec<u8> {
        match self.line_ends() {
            LineEnds::AsTheyAre | LineEnds::LineFeed => text,
            LineEnds::CrLf => {
                let mut rendered = Vec::with_capacity(text.len() + 1);
                LineEnds::CrLf.render(&[&text], &mut rendered);
                rendered
            }
        }
    }

    fn line_ends(&self) -> LineEnds {
        self.form.as_deref().map(|form| form.line_ends).unwrap_or_default()
    }

    /// Adds bytes that only this reader gets, whatever they are, after all that has been said up to
    /// `head`.
    pub fn detour_as_it_is(&mut self, head: u64, text: Vec<u8>) {
        self.push_detour(Detour { at: head, text, is_message: false });
    }

    fn push_detour(&mut self, detour: Detour) {
        let aside = self.aside.get_or_insert_default();
        *aside.charged_for(&detour) += detour.charge();
        aside.detours.push_back(detour);
    }

    /// What it lacks of all that stands before `end`, in one go.
    ///
    /// Call [`Reading::took`] with what was taken of it; and this again while it is behind and took
    /// all. It may be empty though the reader was behind before: for
    /// a rendered reader, what is left out is nothing to send.
    pub fn offer<'a>(
        &'a mut self,
        transcript: &'a Transcript,
        end: u64,
        terms: &Terms,
    ) -> Offer<'a> {
        if self.form.is_none() && self.aside.is_none() {
            return Offer::of(transcript.bytes(self.position, end), terms.bytes_max);
        }
        let missed = self.prepare(transcript, end, terms);
        self.check(transcript);
        let mut offer = Offer::new(missed);
        self.gather(transcript, end, terms.bytes_max, &mut offer);
        offer
    }

    /// Moves on behind the first `bytes` bytes of the last offer.
    pub fn took(&mut self, mut bytes: usize) {
        let Some(aside) = &mut self.aside else {
            self.position += bytes as u64;
            return;
        };
        let before = bytes.min(aside.before.len() - aside.before_sent);
        aside.before_sent += before;
        bytes -= before;
        while let Some(detour) = aside.detours.front() {
            let shared = bytes.min((detour.at.saturating_sub(self.position)) as usize);
            self.position += shared as u64;
            bytes -= shared;
            if self.position < detour.at {
                break;
            }
            let private = bytes.min(detour.text.len() - aside.detour_sent);
            aside.detour_sent += private;
            bytes -= private;
            if aside.detour_sent < detour.text.len() {
                break;
            }
            aside.drop_detour();
        }
        self.position += bytes as u64;
        self.drop_aside_if_empty();
    }

    /// Gives its position up, before the bytes there are overwritten.
    ///
    /// What was half sent is kept, so that no line is ever torn; what else it misses is counted
    /// when it takes bytes again. Nothing happens to one that has lapsed already.
    pub fn lapse(&mut self, transcript: &Transcript) {
        if self.has_lapsed() {
            return;
        }
        let (line, start) = transcript.start_at_or_after(self.position);
        self.finish_line(transcript);
        let aside = self.aside.get_or_insert_default();
        aside.gap = Some(Unread { line, start });
    }

    /// Makes ready what has to be made before it can be offered; says how many lines are told as
    /// missed from now on.
    fn prepare(&mut self, transcript: &Transcript, end: u64, terms: &Terms) -> u64 {
        let unsent = |aside: &Aside| aside.before_sent < aside.before.len();
        if self.aside.as_deref().is_some_and(unsent) {
            return 0;
        }
        let mut missed = 0;
        if let Some(aside) = &mut self.aside {
            aside.before.clear();
            aside.before_sent = 0;
        }
        if self.has_lapsed() {
            if !self.is_detour_due() {
                missed = self.resume(transcript, terms.lang);
            }
        } else {
            self.render(transcript, end, terms.rendered_bytes_max);
        }
        self.drop_aside_if_empty();
        missed
    }

    /// Takes a lapsed reader up again in the middle of the window, with room on both sides: so much
    /// to read at once, so much time before it lapses again. Says how many lines it has missed.
    fn resume(&mut self, transcript: &Transcript, lang: Lang) -> u64 {
        let line_ends = self.line_ends();
        let Some(aside) = &mut self.aside else { return 0 };
        let Some(unread) = aside.gap.take() else { return 0 };
        let half = transcript.window_bytes_max() as u64 / 2;
        let middle = transcript.head().saturating_sub(half);
        let (next, position) = transcript.start_at_or_after(middle.max(unread.start));
        self.position = position;
        let lines = next - unread.line;
        if lines > 0 {
            let notice = Notice::Missed { lines }.to_line(lang);
            line_ends.render(&[&notice], &mut aside.before);
        }
        lines
    }

    fn render(&mut self, transcript: &Transcript, end: u64, bytes_max: usize) {
        let Some(rendering) = self.form.as_deref() else { return };
        let aside = self.aside.get_or_insert_default();
        let mut lines = transcript.lines_from(self.position);
        while aside.before.len() < bytes_max {
            let due = aside.detours.front().is_some_and(|detour| detour.at <= self.position);
            if due {
                aside.render_detour();
                continue;
            }
            if self.position >= end {
                break;
            }
            let Some(line) = lines.next() else { break };
            self.position = line.end;
            if rendering.without.contains(line.author) {
                continue;
            }
            let (first, second) = transcript.bytes(line.start, line.end);
            rendering.line_ends.render(&[first, second], &mut aside.before);
        }
    }

    fn gather<'a>(&'a self, transcript: &'a Transcript, end: u64, max: usize, to: &mut Offer<'a>) {
        if let Some(aside) = self.aside.as_deref() {
            let whole = to.add(&aside.before[aside.before_sent..], max);
            if !whole {
                return;
            }
        }
        match self.form {
            _ if self.has_lapsed() => self.gather_due(max, to),
            None => self.gather_plain(transcript, end, max, to),
            // All that is offered to a rendered reader has been made ready.
            Some(_) => {}
        }
    }

    /// The detours that stand before the gap of a lapsed reader.
    fn gather_due<'a>(&'a self, max: usize, to: &mut Offer<'a>) {
        let Some(aside) = self.aside.as_deref() else { return };
        let mut sent = aside.detour_sent;
        for detour in aside.detours.iter().take_while(|detour| detour.at <= self.position) {
            let whole = to.add(&detour.text[sent..], max);
            if !whole {
                return;
            }
            sent = 0;
        }
    }

    fn gather_plain<'a>(
        &'a self,
        transcript: &'a Transcript,
        end: u64,
        max: usize,
        to: &mut Offer<'a>,
    ) {
        let mut position = self.position;
        let mut shared = |until: u64, to: &mut Offer<'a>| {
            let (first, second) = transcript.bytes(position, until.max(position));
            position = until.max(position);
            to.add(first, max) && to.add(second, max)
        };
        if let Some(aside) = self.aside.as_deref() {
            let mut sent = aside.detour_sent;
            for detour in &aside.detours {
                let whole = shared(detour.at, to) && to.add(&detour.text[sent..], max);
                if !whole {
                    return;
                }
                sent = 0;
            }
        }
        shared(end, to);
    }

    fn is_detour_due(&self) -> bool {
        let first = self.aside.as_deref().and_then(|aside| aside.detours.front());
        first.is_some_and(|detour| detour.at <= self.position)
    }

    fn drop_aside_if_empty(&mut self) {
        if self.aside.as_deref().is_some_and(Aside::is_empty) {
            self.aside = None;
        }
    }

    fn check(&self, transcript: &Transcript) {
        let place = transcript.tail()..=transcript.head();
        debug_assert!(self.has_lapsed() || place.contains(&self.position));
        let Some(aside) = self.aside.as_deref() else { return };
        debug_assert!(!aside.is_empty());
        debug_assert!(aside.before_sent <= aside.before.len());
        debug_assert!(aside.detours.iter().is_sorted_by_key(|detour| detour.at));
        let charged = aside.detours.iter().map(Detour::charge).sum::<usize>();
        debug_assert_eq!(aside.reply_bytes + aside.message_bytes, charged);
    }
}

impl Detour {
    fn charge(&self) -> usize {
        self.text.len() + DETOUR_BYTES
    }
}

impl Aside {
    fn is_empty(&self) -> bool {
        let all_sent = self.before_sent == self.before.len();
        all_sent && self.detours.is_empty() && self.gap.is_none()
    }

    fn drop_detour(&mut self) {
        if let Some(detour) = self.detours.pop_front() {
            *self.charged_for(&detour) -= detour.charge();
        }
        self.detour_sent = 0;
    }

    /// Where a detour is charged.
    fn charged_for(&mut self, detour: &Detour) -> &mut usize {
        if detour.is_message { &mut self.message_bytes } else { &mut self.reply_bytes }
    }

    fn render_detour(&mut self) {
        if let Some(detour) = self.detours.front() {
            self.before.extend_from_slice(&detour.text[self.detour_sent..]);
        }
        self.drop_detour();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::transcript::SERVER;
    use proptest::prelude::*;

    fn terms(bytes_max: usize) -> Terms {
        Terms { bytes_max, rendered_bytes_max: 64, lang: Lang::En }
    }

    /// Takes what is offered, at most `bytes`, in one go.
    fn take(reading: &mut Reading, transcript: &Transcript, bytes: usize) -> Vec<u8> {
        let offer = reading.offer(transcript, transcript.head(), &terms(bytes));
        let taken: Vec<u8> = offer.slices().iter().flat_map(|slice| slice.to_vec()).collect();
        assert_eq!(taken.len(), offer.bytes());
        assert!(taken.len() <= bytes && offer.slices().iter().all(|slice| !slice.is_empty()));
        reading.took(taken.len());
        taken
    }

    fn take_all(reading: &mut Reading, transcript: &Transcript) -> String {
        let mut taken = Vec::new();
        for _ in 0..1000 {
            if !reading.is_behind(transcript.head()) {
                return String::from_utf8(taken).unwrap();
            }
            taken.extend(take(reading, transcript, 1000));
        }
        panic!("it never has all");
    }

    fn say(transcript: &mut Transcript, author: u64, line: &str) {
        transcript.append(author, &[line.as_bytes(), b"\n"]);
    }

    #[test]
    fn a_detour_stands_where_it_was_made() {
        let mut transcript = Transcript::new(1000);
        let mut reading = Reading::new(0);
        reading.detour(transcript.head(), b"* welcome\n".to_vec());
        say(&mut transcript, 1, "one");
        reading.detour(transcript.head(), b"* a\n".to_vec());
        reading.detour(transcript.head(), b"* b\n".to_vec());
        say(&mut transcript, 1, "two");
        assert_eq!(reading.reply_bytes(), 18 + 3 * DETOUR_BYTES);
        assert_eq!(take_all(&mut reading, &transcript), "* welcome\none\n* a\n* b\ntwo\n");
        assert_eq!((reading.reply_bytes(), reading.aside.is_none()), (0, true));
    }

    #[test]
    fn all_that_one_lacks_is_offered_at_once_as_far_as_there_is_room() {
        let mut transcript = Transcript::new(1000);
        let mut reading = Reading::new(0);
        say(&mut transcript, 1, "one");
        reading.detour(transcript.head(), b"* a\n".to_vec());
        say(&mut transcript, 1, "two");
        assert_eq!(take(&mut reading, &transcript, 8), b"one\n* a\n");
        assert_eq!(take(&mut reading, &transcript, 1), b"t");
        assert_eq!(reading.position(), 5);
        (0..9).for_each(|_| reading.detour(transcript.head(), b"* b\n".to_vec()));
        assert_eq!(
            take(&mut reading, &transcript, 1000),
            b"wo\n* b\n* b\n* b\n* b\n* b\n* b\n* b\n"
        );
        assert_eq!(take(&mut reading, &transcript, 1000), b"* b\n* b\n");
    }

    #[test]
    fn who_changes_its_mind_gets_the_line_it_has_begun() {
        let mut transcript = Transcript::new(1000);
        let mut reading = Reading::new(0);
        say(&mut transcript, 7, "mine");
        assert_eq!(take(&mut reading, &transcript, 2), b"mi");
        reading.change_rendering(&transcript, |its| its.without.add(7));
        let without = Rendering { without: Without::only(7), ..Rendering::default() };
        assert_eq!(reading.rendering(), Some(&without));
        say(&mut transcript, 7, "mine");
        say(&mut transcript, 8, "yours");
        assert_eq!(take_all(&mut reading, &transcript), "ne\nyours\n");
        reading.change_rendering(&transcript, |its| its.without.remove(7));
        assert_eq!(reading.rendering(), None);
        say(&mut transcript, 7, "mine");
        assert_eq!(take_all(&mut reading, &transcript), "mine\n");
    }

    #[test]
    fn whose_lines_end_in_cr_lf_has_everything_so() {
        let mut transcript = Transcript::new(64);
        let rendering = Rendering { line_ends: LineEnds::CrLf, ..Rendering::default() };
        let mut reading = Reading::rendered(0, rendering);
        reading.lapse(&transcript);
        (0..5).for_each(|_| say(&mut transcript, 1, "0123456789abcde"));
        reading.detour(transcript.head(), b"* private\n".to_vec());
        let lines = "0123456789abcde\r\n0123456789abcde\r\n* private\r\n";
        let all = format!("* you missed 3 lines\r\n{lines}");
        assert_eq!(take_all(&mut reading, &transcript), all);
    }

    #[test]
    fn no_more_lines_are_rendered_when_there_is_enough() {
        let mut transcript = Transcript::new(1000);
        let rendering = Rendering { line_ends: LineEnds::LineFeed, ..Rendering::default() };
        let mut reading = Reading::rendered(0, rendering);
        (0..9).for_each(|_| say(&mut transcript, 1, "0123456789abcde"));
        assert_eq!(take(&mut reading, &transcript, 1000).len(), 64);
    }

    #[test]
    fn what_is_for_one_alone_before_it_begins_comes_first_where_it_begins() {
        let mut transcript = Transcript::new(1000);
        let mut reading = Reading::new(0);
        reading.detour_as_it_is(0, b"* early\n".to_vec());
        say(&mut transcript, 1, "one");
        reading.begin_at(transcript.head());
        reading.detour(transcript.head(), b"* welcome\n".to_vec());
        say(&mut transcript, 1, "two");
        assert_eq!(take_all(&mut reading, &transcript), "* early\n* welcome\ntwo\n");
    }

    #[test]
    fn who_lapses_gets_the_torn_rest_the_count_and_its_detours() {
        let mut transcript = Transcript::new(64);
        let mut reading = Reading::new(0);
        say(&mut transcript, 1, "a line of sixteen");
        assert_eq!(take(&mut reading, &transcript, 4), b"a li");
        reading.lapse(&transcript);
        for lines in [2, 8] {
            for _ in 0..lines {
                say(&mut transcript, 1, "0123456789abcde");
            }
            if lines == 2 {
                reading.detour(transcript.head(), b"* private\n".to_vec());
            }
        }
        let rest = "ne of sixteen\n* you missed 8 lines\n* private\n";
        let lines = "0123456789abcde\n0123456789abcde\n";
        assert_eq!(take_all(&mut reading, &transcript), format!("{rest}{lines}"));
    }

    #[test]
    fn what_was_due_before_the_gap_comes_before_it_is_told() {
        let mut transcript = Transcript::new(64);
        let mut reading = Reading::new(0);
        reading.detour(0, b"* first\n".to_vec());
        reading.detour(0, b"* second\n".to_vec());
        assert_eq!(take(&mut reading, &transcript, 3), b"* f");
        reading.lapse(&transcript);
        for _ in 0..6 {
            say(&mut transcript, 1, "0123456789abcde");
        }
        assert_eq!(take(&mut reading, &transcript, 1000), b"irst\n* second\n");
        let taken = take_all(&mut reading, &transcript);
        assert!(taken.starts_with("* you missed 4 lines\n0123"), "{taken}");
    }

    #[test]
    fn a_rendered_reader_misses_only_what_it_did_not_want() {
        let mut transcript = Transcript::new(1000);
        let rendering = Rendering { without: Without::only(7), line_ends: LineEnds::LineFeed };
        let mut reading = Reading::rendered(0, rendering);
        transcript.append(7, &[b"mine"]);
        transcript.append(8, &[b"yours"]);
        reading.detour(transcript.head(), b"* private\n".to_vec());
        transcript.append(8, &[b"again\n"]);
        transcript.append(7, &[b"mine"]);
        assert_eq!(take_all(&mut reading, &transcript), "yours\n* private\nagain\n");
        transcript.append(7, &[b"mine"]);
        assert!(take(&mut reading, &transcript, 10).is_empty());
        assert!(!reading.is_behind(transcript.head()));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Say(u8),
        Detour(u8),
        Take(u8),
        Refuse,
        Lapse,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0u8..8).prop_map(Step::Say),
            1 => (0u8..8).prop_map(Step::Detour),
            4 => (1u8..40).prop_map(Step::Take),
            1 => Just(Step::Refuse),
            1 => Just(Step::Lapse),
        ];
        prop::collection::vec(step, 0..200)
    }

    /// Received and missed, line by line, must be all that was said, in order and untorn.
    fn account(taken: &str, said: u64, private: u64) {
        let (mut next, mut told) = (0, 0);
        for line in taken.lines() {
            if let Some(missed) = line.strip_prefix("* you missed ") {
                let (number, lines) = missed.split_once(' ').unwrap();
                assert_eq!(lines, if number == "1" { "line" } else { "lines" });
                next += number.parse::<u64>().unwrap();
            } else if let Some(number) = line.strip_prefix("* private ") {
                assert_eq!(number.split('.').next().unwrap().parse::<u64>().unwrap(), told);
                told += 1;
            } else {
                assert_eq!(
                    line.split('.').next().unwrap().parse::<u64>().unwrap(),
                    next,
                    "{taken}"
                );
                next += 1;
            }
        }
        assert_eq!((next, told), (said, private), "{taken}");
    }

    proptest! {
        #![proptest_config(crate::cases())]

        #[test]
        fn nothing_is_torn_doubled_or_lost_untold(steps in steps(), rendered in any::<bool>()) {
            let mut transcript = Transcript::new(128);
            let mut reading = match rendered {
                true => {
                    let without = Without::only(77);
                    Reading::rendered(0, Rendering { without, ..Default::default() })
                }
                false => Reading::new(0),
            };
            let (mut said, mut private, mut taken) = (0, 0, Vec::new());
            for step in steps {
                match step {
                    Step::Say(dots) => {
                        if reading.position() < transcript.endangered_below(64) {
                            reading.lapse(&transcript);
                        }
                        say(&mut transcript, SERVER, &format!("{said}{}", ".".repeat(dots.into())));
                        said += 1;
                    }
                    Step::Detour(dots) => {
                        let text = format!("* private {private}{}\n", ".".repeat(dots.into()));
                        reading.detour(transcript.head(), text.into_bytes());
                        private += 1;
                    }
                    Step::Take(bytes) => {
                        taken.extend(take(&mut reading, &transcript, bytes.into()));
                    }
                    Step::Refuse => {
                        let offer = reading.offer(&transcript, transcript.head(), &terms(1000));
                        assert!(offer.bytes() <= 1000);
                    }
                    Step::Lapse => reading.lapse(&transcript),
                }
            }
            taken.extend(take_all(&mut reading, &transcript).into_bytes());
            account(&String::from_utf8(taken).unwrap(), said, private);
        }
    }
}
