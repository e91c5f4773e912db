//! The position of one reader in a transcript, and what only that reader sees.
//!
//! A reader that keeps up is a position and nothing else: eight bytes, however much it lacks. That
//! is why a thousand slow readers cost a thousand integers. What is rare stands aside in a box:
//!
//! - *Detours*: at this position, first these private bytes. A reply stands where it was made, so a
//!   reader sees it between the lines that were said before and after its question.
//! - The *torn rest*: what was half sent when its reader lapsed. It is a copy, since the window may
//!   forget the line. Without it, the next line would begin in the middle of this one.
//! - The *gap*: the number of the first line that a lapsed reader did not begin. Lines are counted
//!   when the reader takes bytes again, so the count is exact, whatever it leaves out.
//!
//! A reader that leaves authors out steps over their lines: what it is offered is the shared bytes
//! between them. Nothing is copied for it either.
//!
//! What a reader lacks is a row of pieces. One walk over them gives both the offer, and how far the
//! reader has come with what it took. A kernel takes any number of bytes, so an offer and its
//! result must agree on every byte: two walks would be two chances to differ.
//!
//! What always holds: a position lies between the transcript's tail and head, or its reader has
//! lapsed; detours stand in the order of their positions, each at the boundary of a line; the box
//! is there only while something is in it. This file knows neither sockets nor clients.

use std::collections::VecDeque;

use crate::room::forms::Form;
use crate::room::transcript::Transcript;
use crate::room::without::Without;
use crate::words::notice::{Lang, Notice};

pub use offer::Offer;

mod offer;

/// What a detour is charged beside its text: its place in the queue and the allocator's overhead.
pub const DETOUR_BYTES: usize = 64;

/// How much a reader is offered at once, and how.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The most bytes of one offer.
    pub bytes_max: usize,
    /// The language of the notice of a gap.
    pub lang: Lang,
    /// In which form: that of the transcript that it reads.
    pub form: Form,
    /// The first line that is not for it.
    pub lines_end: u64,
}

/// A reader's place in a transcript.
#[derive(Debug)]
pub struct Reading {
    position: u64,
    /// The authors whose lines are left out.
    without: Option<Box<Without>>,
    aside: Option<Box<Aside>>,
}

/// What a reader gets besides the shared bytes.
#[derive(Debug, Default)]
struct Aside {
    /// What goes out before everything else, and how much of it was sent: the torn rest, and the
    /// notice of a gap.
    before: Vec<u8>,
    before_sent: usize,
    /// Where its gap begins, if it has lapsed: the first line that it did not begin.
    gap: Option<Unread>,
    detours: VecDeque<Detour>,
    /// How much of the first detour has been sent.
    detour_sent: usize,
    /// The charge of all detours but those of other clients.
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
    kind: Kind,
}

/// What the bytes of a detour are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Lines of the server's.
    Reply,
    /// A message from another client.
    Message,
    /// Bytes in which nothing is a line.
    Bytes,
}

/// How far a walk over what a reader lacks has come.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    position: u64,
    before_sent: usize,
    /// The detour that comes next, and how much of it is behind.
    detour: usize,
    detour_sent: usize,
    /// Up to here, as far as is known, no line is left out.
    wanted_until: u64,
}

/// One piece of what a reader lacks.
enum Piece<'a> {
    Before(&'a [u8]),
    Private(&'a [u8]),
    /// Shared bytes, from the position of the cursor on.
    Shared(&'a [u8]),
}

impl<'a> Piece<'a> {
    fn bytes(&self) -> &'a [u8] {
        match *self {
            Piece::Before(bytes) | Piece::Private(bytes) | Piece::Shared(bytes) => bytes,
        }
    }
}

impl Reading {
    /// A reader that gets everything from `position` on.
    pub fn new(position: u64) -> Reading {
        Reading { position, without: None, aside: None }
    }

    /// Whether it has everything before `head`, and is at the beginning of a line: then it may go
    /// on in another form.
    pub fn may_change_form(&self, head: u64) -> bool {
        let aside = self.aside.as_deref();
        let is_whole = aside.is_none_or(|aside| {
            aside.before.is_empty() && aside.detour_sent == 0 && aside.gap.is_none()
        });
        self.position >= head && is_whole
    }

    /// Goes on at the head of the transcript of another form. Its detours come first.
    pub fn change_form(&mut self, head: u64, form: Form) {
        self.position = head;
        let Some(aside) = &mut self.aside else { return };
        for mut detour in std::mem::take(&mut aside.detours) {
            *aside.charged_for(&detour) -= detour.charge();
            detour.at = head;
            if detour.kind != Kind::Bytes {
                detour.text = form.render(detour.text);
            }
            *aside.charged_for(&detour) += detour.charge();
            aside.detours.push_back(detour);
        }
    }

    /// Goes on in another room, which ends at `head` and in which those that have gone have said
    /// nothing from `end` on. It has all that it was to get in the room before.
    pub fn go_to_room(&mut self, head: u64, end: u64) {
        debug_assert!(self.aside.is_none() || self.has_lapsed());
        (self.position, self.aside) = (head, None);
        if let Some(without) = &mut self.without {
            without.go_to_room(end);
        }
    }

    /// Where in the transcript it is; of a lapsed reader, where its gap begins.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether it lacks anything before `end`, or a detour.
    pub fn is_behind(&self, end: u64) -> bool {
        self.position < end || self.aside.is_some()
    }

    /// Whether it could not keep up, and has no notice of that yet.
    pub fn has_lapsed(&self) -> bool {
        self.aside.as_deref().is_some_and(|aside| aside.gap.is_some())
    }

    /// The charge of the replies that were not sent.
    pub fn reply_bytes(&self) -> usize {
        self.aside.as_ref().map_or(0, |aside| aside.reply_bytes)
    }

    /// The charge of the private messages that were not sent. They do not count as its replies:
    /// else other clients could keep it from being read.
    pub fn message_bytes(&self) -> usize {
        self.aside.as_ref().map_or(0, |aside| aside.message_bytes)
    }

    /// The authors whose lines are left out.
    pub fn without(&self) -> Option<&Without> {
        self.without.as_deref()
    }

    /// Changes the authors whose lines are left out, from the next line on.
    pub fn change_without<T>(&mut self, change: impl FnOnce(&mut Without) -> T) -> T {
        let mut without = self.without.take().unwrap_or_default();
        let result = change(&mut without);
        self.without = (!without.is_empty()).then_some(without);
        result
    }

    /// Adds lines that only this reader sees, behind everything up to `head`.
    pub fn detour(&mut self, head: u64, text: Vec<u8>) {
        self.push_detour(Detour { at: head, text, kind: Kind::Reply });
    }

    /// Adds a line of another client that only this reader sees.
    pub fn message(&mut self, head: u64, text: Vec<u8>) {
        self.push_detour(Detour { at: head, text, kind: Kind::Message });
    }

    /// Adds bytes that only this reader gets, in any form.
    pub fn detour_bytes(&mut self, head: u64, text: Vec<u8>) {
        self.push_detour(Detour { at: head, text, kind: Kind::Bytes });
    }

    fn push_detour(&mut self, detour: Detour) {
        let aside = self.aside.get_or_insert_default();
        *aside.charged_for(&detour) += detour.charge();
        aside.detours.push_back(detour);
    }

    /// What it lacks of everything before `end`, in one offer.
    ///
    /// Call [`Reading::took`] with what was taken of it. Call this again while it is behind and
    /// took everything. It may be empty though the reader was behind: lines that are left out are
    /// not sent.
    pub fn offer<'a>(
        &'a mut self,
        transcript: &'a Transcript,
        end: u64,
        terms: &Terms,
    ) -> Offer<'a> {
        if self.without.is_none() && self.aside.is_none() {
            return Offer::of(transcript.bytes(self.position, end), terms.bytes_max);
        }
        let missed = self.prepare(transcript, end, terms);
        self.check(transcript);
        let (mut offer, mut cursor) = (Offer::new(missed), self.cursor());
        while let Some(piece) = self.next_piece(&mut cursor, transcript, end) {
            if !offer.add(piece.bytes(), terms.bytes_max) {
                break;
            }
            self.advance(&mut cursor, &piece, piece.bytes().len());
        }
        offer
    }

    /// Moves on behind the first `bytes` bytes of the last offer.
    pub fn took(&mut self, mut bytes: usize, transcript: &Transcript) {
        if self.without.is_none() && self.aside.is_none() {
            self.position += bytes as u64;
            return;
        }
        let mut cursor = self.cursor();
        while bytes > 0 {
            let piece = self.next_piece(&mut cursor, transcript, transcript.head());
            let Some(piece) = piece else { break };
            let taken = bytes.min(piece.bytes().len());
            self.advance(&mut cursor, &piece, taken);
            bytes -= taken;
        }
        debug_assert_eq!(bytes, 0);
        self.go_to(&cursor);
    }

    fn cursor(&self) -> Cursor {
        let (before_sent, detour_sent) =
            self.aside.as_deref().map_or((0, 0), |aside| (aside.before_sent, aside.detour_sent));
        let position = self.position;
        Cursor { position, before_sent, detour: 0, detour_sent, wanted_until: position }
    }

    fn go_to(&mut self, cursor: &Cursor) {
        self.position = cursor.position;
        if let Some(aside) = &mut self.aside {
            (0..cursor.detour).for_each(|_| aside.drop_detour());
            (aside.before_sent, aside.detour_sent) = (cursor.before_sent, cursor.detour_sent);
        }
        self.drop_aside_if_empty();
    }

    /// The next piece of what it lacks before `end`; it is not empty. The cursor steps over what is
    /// left out before it.
    fn next_piece<'a>(
        &'a self,
        cursor: &mut Cursor,
        transcript: &'a Transcript,
        end: u64,
    ) -> Option<Piece<'a>> {
        let aside = self.aside.as_deref();
        if let Some(before @ [_, ..]) = aside.map(|aside| &aside.before[cursor.before_sent..]) {
            return Some(Piece::Before(before));
        }
        let detour = aside.and_then(|aside| aside.detours.get(cursor.detour));
        let has_lapsed = aside.is_some_and(|aside| aside.gap.is_some());
        let limit = detour.map_or(end, |detour| detour.at);
        if !has_lapsed && cursor.position < limit {
            if cursor.position >= cursor.wanted_until {
                cursor.wanted_until = self.step_over(cursor, transcript, limit);
            }
            if cursor.position < cursor.wanted_until {
                let mut pieces = transcript.bytes(cursor.position, cursor.wanted_until);
                return pieces.next().map(Piece::Shared);
            }
        }
        let due = detour.filter(|detour| detour.at <= cursor.position)?;
        Some(Piece::Private(&due.text[cursor.detour_sent..]))
    }

    /// Steps over the lines that are left out, up to `limit`. Returns where the next such lines
    /// begin. A line that was begun is finished.
    fn step_over(&self, cursor: &mut Cursor, transcript: &Transcript, limit: u64) -> u64 {
        let Some(without) = self.without.as_deref() else { return limit };
        let mut is_stepping = false;
        for (start, author) in transcript.authors_from(cursor.position) {
            if std::mem::take(&mut is_stepping) {
                cursor.position = start;
            }
            if start >= limit {
                return limit;
            }
            if without.contains(author) {
                if start > cursor.position {
                    return start;
                }
                is_stepping = true;
            }
        }
        if is_stepping {
            cursor.position = transcript.head();
        }
        limit
    }

    fn advance(&self, cursor: &mut Cursor, piece: &Piece<'_>, bytes: usize) {
        match piece {
            Piece::Before(_) => cursor.before_sent += bytes,
            Piece::Shared(..) => cursor.position += bytes as u64,
            Piece::Private(text) if bytes == text.len() => {
                (cursor.detour, cursor.detour_sent) = (cursor.detour + 1, 0);
            }
            Piece::Private(_) => cursor.detour_sent += bytes,
        }
    }

    /// Gives its position up, before the bytes there are forgotten.
    ///
    /// What was half sent is kept, so no line is ever torn. The other missed lines are counted when
    /// it takes bytes again. It does nothing for a reader that has lapsed already.
    pub fn lapse(&mut self, transcript: &Transcript) {
        if self.has_lapsed() {
            return;
        }
        let (line, start) = transcript.start_at_or_after(self.position);
        let aside = self.aside.get_or_insert_default();
        if start > self.position {
            debug_assert!(aside.before_sent == aside.before.len());
            (aside.before, aside.before_sent) = (transcript.text(self.position, start), 0);
            self.position = start;
        }
        aside.gap = Some(Unread { line, start });
    }

    /// A reader that has had all lines before this one gets the others that are kept, and a notice
    /// of how many are not. It has been offered nothing yet.
    pub fn return_to(&mut self, line: u64, transcript: &Transcript) {
        debug_assert!(self.position == transcript.head() && !self.has_lapsed());
        if line < transcript.lines_said() {
            let start = transcript.kept_start_of(line);
            self.position = start;
            self.aside.get_or_insert_default().gap = Some(Unread { line, start });
        }
    }

    /// Prepares what must be made before it can be offered, and steps over what is left out.
    /// Returns how many missed lines the notice counts.
    fn prepare(&mut self, transcript: &Transcript, end: u64, terms: &Terms) -> u64 {
        if let Some(aside) = &mut self.aside {
            if aside.before_sent < aside.before.len() {
                return 0;
            }
            (aside.before, aside.before_sent) = (Vec::new(), 0);
        }
        let missed = match self.has_lapsed() && !self.is_detour_due() {
            true => self.resume(transcript, terms),
            false => 0,
        };
        let mut cursor = self.cursor();
        self.next_piece(&mut cursor, transcript, end);
        self.go_to(&cursor);
        missed
    }

    /// Takes a lapsed reader up again in the middle of the window, with room on both sides: so much
    /// to read at once, so much time before it lapses again. If less than that is kept, it begins
    /// with the oldest line. Says how many lines it has missed.
    fn resume(&mut self, transcript: &Transcript, terms: &Terms) -> u64 {
        let Some(aside) = &mut self.aside else { return 0 };
        let Some(unread) = aside.gap.take() else { return 0 };
        let half = transcript.window_bytes_max() as u64 / 2;
        let middle = transcript.head().saturating_sub(half);
        let (next, position) = transcript.start_at_or_after(middle.max(unread.start));
        self.position = position;
        let lines = next.min(terms.lines_end).saturating_sub(unread.line);
        if lines > 0 {
            aside.before = terms.form.render(Notice::Missed { lines }.to_line(terms.lang));
        }
        lines
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
    }

    /// The sum that a detour is charged to.
    fn charged_for(&mut self, detour: &Detour) -> &mut usize {
        match detour.kind {
            Kind::Message => &mut self.message_bytes,
            Kind::Reply | Kind::Bytes => &mut self.reply_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::pages::Pages;
    use crate::room::transcript::{SERVER, charge};
    use proptest::prelude::*;

    fn terms(bytes_max: usize) -> Terms {
        Terms { bytes_max, lang: Lang::En, form: Form::Plain, lines_end: u64::MAX }
    }

    /// Takes at most `bytes` of what is offered, in one go.
    fn take(reading: &mut Reading, transcript: &Transcript, bytes: usize) -> Vec<u8> {
        let offer = reading.offer(transcript, transcript.head(), &terms(bytes));
        let taken: Vec<u8> = offer.slices().iter().flat_map(|slice| slice.to_vec()).collect();
        assert_eq!(taken.len(), offer.bytes());
        assert!(taken.len() <= bytes && offer.slices().iter().all(|slice| !slice.is_empty()));
        reading.took(taken.len(), transcript);
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

    /// One transcript and the pages for it alone.
    struct Alone {
        transcript: Transcript,
        pages: Pages,
    }

    impl Alone {
        fn new(window: usize) -> Alone {
            Alone { transcript: Transcript::new(window), pages: Pages::new(1 << 20) }
        }

        /// Forgets all that is not to be kept for a reader, or for nobody.
        fn forget_before(&mut self, position: u64) {
            self.transcript.forget_before(&mut self.pages, position);
        }
    }

    impl std::ops::Deref for Alone {
        type Target = Transcript;

        fn deref(&self) -> &Transcript {
            &self.transcript
        }
    }

    /// Says a line, when the oldest ones have made room for it if they must.
    fn say(alone: &mut Alone, author: u64, line: &str) {
        alone.forget_before(alone.endangered_below(charge(line.len() + 1)));
        alone.transcript.append(&mut alone.pages, author, &[line.as_bytes(), b"\n"]);
    }

    #[test]
    fn a_detour_stands_where_it_was_made() {
        let mut transcript = Alone::new(1000);
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
    fn all_that_a_reader_lacks_is_offered_at_once_up_to_its_room() {
        let mut transcript = Alone::new(1000);
        let mut reading = Reading::new(0);
        say(&mut transcript, 1, "one");
        reading.detour(transcript.head(), b"* a\n".to_vec());
        say(&mut transcript, 1, "two");
        assert_eq!(take(&mut reading, &transcript, 8), b"one\n* a\n");
        assert_eq!(take(&mut reading, &transcript, 1), b"t");
        assert_eq!(reading.position(), 5);
        (0..25).for_each(|_| reading.detour(transcript.head(), b"* b\n".to_vec()));
        let taken = take(&mut reading, &transcript, 1000);
        assert_eq!(taken, [&b"wo\n"[..], &b"* b\n".repeat(23)].concat());
        assert_eq!(take(&mut reading, &transcript, 1000), b"* b\n* b\n");
    }

    #[test]
    fn a_reader_that_changes_its_mind_gets_the_line_it_has_begun() {
        let mut transcript = Alone::new(1000);
        let mut reading = Reading::new(0);
        say(&mut transcript, 7, "mine");
        assert_eq!(take(&mut reading, &transcript, 2), b"mi");
        reading.change_without(|without| without.add(7));
        assert_eq!(reading.without(), Some(&Without::only(7)));
        say(&mut transcript, 7, "mine");
        say(&mut transcript, 8, "yours");
        assert_eq!(take_all(&mut reading, &transcript), "ne\nyours\n");
        reading.change_without(|without| without.remove(7));
        assert_eq!(reading.without(), None);
        say(&mut transcript, 7, "mine");
        assert_eq!(take_all(&mut reading, &transcript), "mine\n");
    }

    #[test]
    fn a_gap_is_told_in_the_form_of_its_reader() {
        let mut transcript = Alone::new(64);
        let mut reading = Reading::new(0);
        reading.lapse(&transcript);
        (0..5).for_each(|_| say(&mut transcript, 1, "0123456789abcd\r"));
        let terms = Terms { form: Form::CrLf, ..terms(1000) };
        let offer = reading.offer(&transcript, transcript.head(), &terms);
        assert_eq!(offer.slices()[0].to_vec(), b"* you missed 3 lines\r\n");
    }

    #[test]
    fn lines_that_are_left_out_are_stepped_over_wherever_they_stand() {
        let mut transcript = Alone::new(1000);
        let mut reading = Reading::new(0);
        reading.change_without(|without| without.add(7));
        for author in [7, 8, 7, 7, 8, 9, 7] {
            say(&mut transcript, author, &format!("of {author}"));
        }
        // One reader takes it in one go and has everything; one takes it byte by byte.
        let mut slow = Reading::new(0);
        slow.change_without(|without| without.add(7));
        assert_eq!(take(&mut reading, &transcript, 1000), b"of 8\nof 8\nof 9\n");
        assert!(take(&mut reading, &transcript, 1000).is_empty());
        assert!(!reading.is_behind(transcript.head()));
        let taken: Vec<u8> = (0..15).flat_map(|_| take(&mut slow, &transcript, 1)).collect();
        assert_eq!(taken, b"of 8\nof 8\nof 9\n");
    }

    #[test]
    fn a_reader_that_changes_its_form_goes_on_where_a_line_begins() {
        let (mut plain, mut reading) = (Alone::new(1000), Reading::new(0));
        say(&mut plain, 1, "one");
        take(&mut reading, &plain, 2);
        assert!(!reading.may_change_form(plain.head()));
        take(&mut reading, &plain, 2);
        reading.detour(plain.head(), b"* welcome\n".to_vec());
        reading.detour_bytes(plain.head(), b"\xff\n".to_vec());
        assert!(reading.may_change_form(plain.head()));
        let mut other = plain.continued(1);
        reading.change_form(other.head(), Form::CrLf);
        assert_eq!(reading.reply_bytes(), 13 + 2 * DETOUR_BYTES);
        other.append(&mut plain.pages, 1, &[b"two\r\n"]);
        assert_eq!(take(&mut reading, &other, 1000), b"* welcome\r\n\xff\ntwo\r\n");
    }

    #[test]
    fn a_lapsed_reader_gets_the_torn_rest_the_count_and_its_detours() {
        let mut transcript = Alone::new(64);
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
        let mut transcript = Alone::new(64);
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
    fn a_reader_that_leaves_out_authors_misses_only_their_lines() {
        let mut transcript = Alone::new(1000);
        let mut reading = Reading::new(0);
        reading.change_without(|without| without.add(7));
        say(&mut transcript, 7, "mine");
        say(&mut transcript, 8, "yours");
        reading.detour(transcript.head(), b"* private\n".to_vec());
        say(&mut transcript, 8, "again");
        say(&mut transcript, 7, "mine");
        assert_eq!(take_all(&mut reading, &transcript), "yours\n* private\nagain\n");
        say(&mut transcript, 7, "mine");
        assert!(take(&mut reading, &transcript, 10).is_empty());
        assert!(!reading.is_behind(transcript.head()));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Say(u8),
        Forget,
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
            2 => Just(Step::Forget),
            1 => Just(Step::Refuse),
            1 => Just(Step::Lapse),
        ];
        prop::collection::vec(step, 0..200)
    }

    /// Received and missed lines must be the whole conversation, in order and untorn.
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
        fn nothing_is_torn_doubled_or_lost_untold(steps in steps(), leaves_out in any::<bool>()) {
            let mut transcript = Alone::new(128);
            let mut reading = Reading::new(0);
            if leaves_out {
                reading.change_without(|without| without.add(77));
            }
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
                    Step::Forget => {
                        let lapsed = reading.has_lapsed();
                        let kept = if lapsed { transcript.head() } else { reading.position() };
                        transcript.forget_before(kept);
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
