//! The user's keys, and the actions that they ask for.
//!
//! The rules of this file:
//!
//! - Keys are handled in order, and each acts on the result of the one before.
//! - A line end within a paste sends a line, as Enter does, but never a command. While nothing can
//!   be sent, the line stays.
//! - Some terminals do not mark a paste. Then a read of more than a user can type at once is a
//!   paste, until a moment of silence.
//!
//! It never knows the terminal or the server, and takes the present moment as a parameter.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::columns::View;
use super::edit::{Edit, LINE_BYTES_MAX, To};
use super::history::History;
use super::keys::{Key, Keys};
use super::paste::{LINES_FEW, Paste, Queue, counted};
use super::pending::Me;
use super::people::{Completion, People};
use super::secret;

/// A read of this many characters is a paste: no user types so many at once.
const TEXT_MUCH: usize = 256;

/// After this much silence a paste without marks has ended. Its pieces come one after the other.
const PASTE_SILENCE: Duration = Duration::from_millis(200);

/// An action that the line alone cannot do.
#[derive(Debug, PartialEq, Eq)]
pub enum Deed {
    /// Send this, and whether its beginning was pasted.
    Say(String, bool),
    /// Show what the word can complete to.
    Show(Vec<String>),
    /// Clear the screen.
    Redraw,
    /// Leave.
    Leave,
    /// Stop, as a job of the shell.
    Suspend,
    /// Ring: the key could do nothing.
    Ring,
}

/// A key, or text.
#[derive(Debug)]
enum Stroke {
    Key(Key),
    /// Text that was typed at once. It is inserted as a whole, because how a letter joins may
    /// depend on the next one.
    Text(String),
    /// A whole paste.
    Paste(Paste),
}

/// The line being typed, the lines typed before, and the keys not handled yet.
#[derive(Debug, Default)]
pub struct Typing {
    /// The most bytes of a line that the server takes, as far as is known.
    pub bytes_max: usize,
    /// The keys of which the rest is still to come.
    pub keys: Keys,
    strokes: VecDeque<Stroke>,
    /// When the key sequence that has begun is given up.
    give_up_at: Option<Instant>,
    /// The paste of which the end is still to come.
    pub paste: Option<Paste>,
    /// When a paste without marks has ended.
    paste_ends_at: Option<Instant>,
    /// The lines that wait to be sent.
    pub queue: Queue,
    edit: Edit,
    /// The lines typed before.
    pub history: History,
    /// The text that is searched for in the history, and the place where the search began.
    search: Option<(Edit, usize)>,
    view: View,
}

impl Typing {
    /// Nothing is typed yet.
    pub fn new(history: History) -> Typing {
        Typing { bytes_max: LINE_BYTES_MAX, history, ..Typing::default() }
    }

    /// Takes in what was read. Returns whether the user has pressed a key. Call
    /// [`Typing::next_deed`] until there is none before you push more.
    pub fn push(&mut self, bytes: &[u8], now: Instant) -> bool {
        let mut keys = Vec::new();
        self.keys.push(bytes, &mut keys);
        let is_typed = !keys.is_empty();
        let unmarked = self.is_pasted(&keys);
        if unmarked {
            self.paste_ends_at = Some(now + PASTE_SILENCE);
        }
        keys.into_iter()
            .for_each(|key| if unmarked { self.take_unmarked(key) } else { self.take(key) });
        self.give_up_at = self.keys.patience().map(|patience| now + patience);
        is_typed
    }

    /// Handles the deadlines that have passed.
    pub fn lapse(&mut self, now: Instant) {
        if self.give_up_at.take_if(|at| *at <= now).is_some() {
            self.keys.give_up();
        }
        if self.paste_ends_at.is_some_and(|at| at <= now) {
            self.end_paste();
        }
    }

    /// When to call [`Typing::lapse`].
    pub fn next_deadline(&self) -> Option<Instant> {
        self.give_up_at.into_iter().chain(self.paste_ends_at).min()
    }

    /// The note above the prompt about a paste or a search.
    pub fn note(&self) -> Option<String> {
        match (&self.paste, &self.search) {
            (Some(paste), _) => {
                let lines = counted(paste.lines.len() + usize::from(!paste.rest.is_empty()));
                Some(format!("{lines} pasted so far (Ctrl-C stops)"))
            }
            (None, Some((text, _))) if !self.queue.is_asking() => {
                Some(format!("searching for: {}", text.text()))
            }
            _ => self.queue.note(),
        }
    }

    /// Handles keys until one asks for an action; `None` after the last. With `may_say` a line can
    /// be sent.
    pub fn next_deed(&mut self, people: &People, me: &Me, may_say: bool) -> Option<Deed> {
        while let Some(stroke) = self.strokes.pop_front() {
            let deed = match stroke {
                Stroke::Paste(paste) if self.search.is_none() => self.put_in(paste, may_say),
                Stroke::Key(Key::Interrupt) if !self.queue.is_empty() => self.stop(),
                Stroke::Key(Key::EndOfInput) if self.queue.is_asking() => Some(Deed::Leave),
                Stroke::Key(key @ (Key::Redraw | Key::Suspend)) => self.key(key),
                Stroke::Key(Key::Enter) if self.queue.is_asking() && may_say => {
                    self.queue.asking = false;
                    None
                }
                _ if self.queue.is_asking() => Some(Deed::Ring),
                stroke @ (Stroke::Key(Key::Search) | Stroke::Paste(_)) => self.search(stroke),
                stroke if self.search.is_some() => self.search(stroke),
                Stroke::Key(Key::Enter) => self.enter(may_say),
                Stroke::Key(Key::Tab) => self.complete(people, me),
                Stroke::Key(key) => self.key(key),
                Stroke::Text(text) => ring_unless(self.edit.insert(&text)),
            };
            if deed.is_some() {
                return deed;
            }
        }
        None
    }

    /// The visible part of the line before and behind the cursor, in this many columns. A password
    /// is hidden.
    pub fn seen(&mut self, columns: usize) -> (String, String) {
        let (text, cursor) = (self.edit.text(), self.edit.cursor());
        let (before, behind) = self.view.of(text, cursor, columns);
        let begin = |part: usize| Some(secret::begin(text)?.saturating_sub(part));
        let before = secret::hidden_from(before, begin(cursor - before.len()));
        (before, secret::hidden_from(behind, begin(cursor)))
    }

    fn take(&mut self, key: Key) {
        match key {
            Key::Char(character) => match self.strokes.back_mut() {
                Some(Stroke::Text(text)) => text.push(character),
                _ => self.strokes.push_back(Stroke::Text(character.into())),
            },
            Key::Paste(text) => self.paste.get_or_insert_default().push(&text),
            Key::PasteEnd => self.end_paste(),
            key => self.strokes.push_back(Stroke::Key(key)),
        }
    }

    /// Whether this read is a paste without marks.
    fn is_pasted(&self, keys: &[Key]) -> bool {
        let count = |is_so: fn(&Key) -> bool| keys.iter().filter(|key| is_so(key)).count();
        let line_ends = count(|key| *key == Key::Enter);
        let more_came = self.queue.is_asking() && line_ends > 0 && keys.len() > 1;
        let is_much = line_ends > LINES_FEW || count(|key| matches!(key, Key::Char(_))) > TEXT_MUCH;
        is_much || more_came || self.paste_ends_at.is_some()
    }

    /// Takes a key of a paste without marks. A key that is not text is not part of the paste.
    fn take_unmarked(&mut self, key: Key) {
        let paste = self.paste.get_or_insert_default();
        match key {
            Key::Char(character) => paste.push(character.encode_utf8(&mut [0; 4])),
            Key::Paste(text) => paste.push(&text),
            Key::Enter => paste.push("\n"),
            Key::Tab => paste.push("\t"),
            Key::Interrupt => paste.refuse("Ctrl-C was pressed"),
            _ => {}
        }
    }

    fn end_paste(&mut self) {
        self.paste_ends_at = None;
        self.strokes.extend(self.paste.take().map(Stroke::Paste));
    }

    /// Inserts a paste. Its first line joins the typed text, and its rest stays at the prompt.
    fn put_in(&mut self, paste: Paste, may_say: bool) -> Option<Deed> {
        if let Some(why) = paste.refused {
            return Some(Deed::Show(vec![format!("what was pasted is not sent: {why}")]));
        }
        let (before, mut too_long) = (self.queue.lines.len(), 0);
        let mut lines = paste.lines.into_iter();
        if !self.edit.text().is_empty()
            && let Some(first) = lines.next()
        {
            // While the client asks, the text at the prompt was pasted too.
            let no_command = self.edit.cursor() == 0 || self.queue.is_asking();
            let fits = self.edit.text().len() + first.len() <= self.bytes_max;
            if fits && self.edit.insert(&first) {
                let line = self.take_line();
                self.queue.push(line, no_command);
            } else {
                too_long += 1;
            }
        }
        for line in lines {
            // A server with commands needs a second `/` before it.
            match line.len() + usize::from(line.starts_with('/')) <= self.bytes_max {
                true => self.queue.push(line, true),
                false => too_long += 1,
            }
        }
        too_long += usize::from(!self.edit.insert(&paste.rest));
        let added = self.queue.lines.len() - before;
        if added > LINES_FEW || too_long > 0 || !may_say {
            self.queue.asking = true;
        }
        (too_long > 0).then(|| self.too_long(too_long))
    }

    fn too_long(&self, lines: usize) -> Deed {
        let (most, lines) = (self.bytes_max, counted(lines));
        Deed::Show(vec![format!("not sent, over {most} bytes long: {lines}")])
    }

    /// Takes the paste back.
    fn stop(&mut self) -> Option<Deed> {
        if self.queue.is_asking() {
            self.take_line();
            self.search = None;
        }
        self.queue.take_back().map(|told| Deed::Show(vec![told]))
    }

    fn enter(&mut self, may_say: bool) -> Option<Deed> {
        if self.edit.text().len() > self.bytes_max {
            return Some(self.too_long(1));
        }
        let is_blank = self.edit.text().trim().is_empty();
        if is_blank || !self.queue.is_empty() {
            let line = self.take_line();
            self.queue.push(line, false);
            return None;
        }
        Some(if may_say { Deed::Say(self.take_line(), false) } else { Deed::Ring })
    }

    /// Takes the line out, and begins another at the end of the history.
    fn take_line(&mut self) -> String {
        self.history.begin_anew();
        self.edit.take()
    }

    fn key(&mut self, key: Key) -> Option<Deed> {
        let edit = &mut self.edit;
        match key {
            Key::Yank => return ring_unless(edit.yank()),
            Key::Undo => return ring_unless(edit.undo()),
            Key::Go(to) => edit.go(to),
            Key::Delete(to) => edit.delete(to),
            Key::Kill(to) => edit.kill(to),
            Key::Transpose => edit.transpose(),
            Key::Up | Key::Down => {
                let go = if key == Key::Up { History::up } else { History::down };
                let Some(line) = go(&mut self.history, edit.text()) else {
                    return Some(Deed::Ring);
                };
                edit.replace(line);
            }
            Key::Redraw => return Some(Deed::Redraw),
            Key::Suspend => return Some(Deed::Suspend),
            Key::Interrupt | Key::EndOfInput if edit.text().is_empty() => {
                return Some(Deed::Leave);
            }
            Key::Interrupt => {
                edit.kill_line();
                self.history.begin_anew();
            }
            Key::EndOfInput => edit.delete(To::Right),
            Key::Cancel => return Some(Deed::Ring),
            Key::Enter | Key::Tab | Key::Search | Key::Char(_) | Key::Paste(_) | Key::PasteEnd => {}
        }
        None
    }

    /// Searches the history backwards, as readline does. A key that is not of the search takes the
    /// found line, and is then handled.
    fn search(&mut self, stroke: Stroke) -> Option<Deed> {
        let (edit, history) = (&mut self.edit, &mut self.history);
        let here = history.place;
        let (text, begun_at) = self.search.get_or_insert_with(|| (Edit::default(), here));
        let is_further = matches!(stroke, Stroke::Key(Key::Search));
        let fits = match stroke {
            Stroke::Key(Key::Search) if text.text().is_empty() => return None,
            Stroke::Key(Key::Search) => true,
            Stroke::Text(more) => text.insert(&more),
            // A paste never sends the line that the search found.
            Stroke::Paste(paste) => text.insert(&paste.in_one_line()),
            Stroke::Key(Key::Delete(To::Left)) => {
                text.delete(To::Left);
                true
            }
            Stroke::Key(key) => {
                match key {
                    Key::Cancel | Key::Interrupt => {
                        edit.replace(history.go(edit.text(), *begun_at))
                    }
                    key => self.strokes.push_front(Stroke::Key(key)),
                }
                self.search = None;
                return None;
            }
        };
        let before = if is_further { here } else { here + 1 };
        let Some(line) = history.find(text.text(), edit.text(), before) else {
            return Some(Deed::Ring);
        };
        edit.replace(line);
        edit.go_to_last(text.text());
        ring_unless(fits)
    }

    fn complete(&mut self, people: &People, me: &Me) -> Option<Deed> {
        let before = &self.edit.text()[..self.edit.cursor()];
        match people.complete(before, me) {
            Completion::Nothing => Some(Deed::Ring),
            Completion::Word(start, word) => ring_unless(self.edit.replace_back_to(start, &word)),
            Completion::Several(words) => Some(Deed::Show(words)),
        }
    }
}

fn ring_unless(done: bool) -> Option<Deed> {
    (!done).then_some(Deed::Ring)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::join::said::Said;
    use std::time::Duration;

    fn deeds_of(typing: &mut Typing, bytes: &[u8], may_say: bool) -> Vec<Deed> {
        typing.push(bytes, Instant::now());
        deeds_now(typing, may_say)
    }

    fn deeds_now(typing: &mut Typing, may_say: bool) -> Vec<Deed> {
        let (mut people, me) = (People::default(), Me::default());
        people.note(&Said::of("bob: hi"));
        let mut deeds = Vec::new();
        while let Some(deed) = typing
            .next_deed(&people, &me, may_say)
            .or_else(|| typing.queue.next_line().filter(|_| may_say).map(said))
        {
            if let Deed::Say(line, false) = &deed {
                typing.history.remember(line).unwrap();
            }
            deeds.push(deed);
        }
        deeds
    }

    /// Its actions after a long silence.
    fn deeds_later(typing: &mut Typing) -> Vec<Deed> {
        typing.lapse(Instant::now() + Duration::from_secs(5));
        deeds_now(typing, true)
    }

    /// The line before and behind the cursor.
    fn seen(typing: &mut Typing) -> (&str, &str) {
        typing.view.of(typing.edit.text(), typing.edit.cursor(), 80)
    }

    fn said((line, pasted): (String, bool)) -> Deed {
        Deed::Say(line, pasted)
    }

    fn paste(line: &str) -> Deed {
        Deed::Say(line.to_owned(), true)
    }

    fn show(word: &str) -> Deed {
        Deed::Show(vec![word.to_owned()])
    }

    fn deeds(bytes: &[u8]) -> Vec<Deed> {
        deeds_of(&mut Typing::new(History::default()), bytes, true)
    }

    fn say(line: &str) -> Deed {
        Deed::Say(line.to_owned(), false)
    }

    #[test]
    fn enter_says_the_line() {
        assert_eq!(deeds("안녕\r\r  \r".as_bytes()), [say("안녕")]);
    }

    #[test]
    fn what_the_terminal_says_by_itself_is_no_key() {
        let mut typing = Typing::new(History::default());
        for (bytes, is_typed) in [(&b"\x1b[12;40R"[..], false), (b"\x1b[A", true), (b"a", true)] {
            assert_eq!(typing.push(bytes, Instant::now()), is_typed, "{bytes:?}");
        }
    }

    #[test]
    fn keys_that_come_at_once_are_done_in_order() {
        assert_eq!(deeds(b"bo\thi\rno\x15yes\x01oh, \r"), [say("bob: hi"), say("oh, yes")]);
    }

    /// In front of a syllable, the first letter of another one would join it if it came alone.
    #[test]
    fn a_syllable_typed_in_letters_is_put_in_whole() {
        let mut typing = Typing::new(History::default());
        deeds_of(&mut typing, "어\x01\u{1100}\u{116e}\u{11a8}".as_bytes(), true);
        assert_eq!(seen(&mut typing), ("\u{1100}\u{116e}\u{11a8}", "어"));
    }

    #[test]
    fn a_paste_of_many_lines_is_sent_as_lines_and_its_rest_stays() {
        let mut typing = Typing::new(History::default());
        let deeds = deeds_of(&mut typing, b"0 \x1b[200~1\r\n2\n\n3\r4\x1b[201~", true);
        assert_eq!(deeds, [say("0 1"), paste("2"), paste("3")]);
        assert_eq!(seen(&mut typing), ("4", ""));
    }

    #[test]
    fn a_line_typed_behind_a_paste_is_said_behind_it() {
        let deeds = deeds(b"\x1b[200~1\n2\n\x1b[201~/who\r");
        assert_eq!(deeds, [paste("1"), paste("2"), say("/who")]);
    }

    #[test]
    fn many_lines_are_sent_when_enter_says_so() {
        let mut typing = Typing::new(History::default());
        assert_eq!(deeds_of(&mut typing, b"\x1b[200~1\n2\n3\n4\n5\n6\n7\x1b[201~", true), []);
        let question = "6 lines pasted: Enter sends them, Ctrl-C does not";
        assert_eq!(typing.note().as_deref(), Some(question));
        assert_eq!(deeds_of(&mut typing, b"y", true), [Deed::Ring]);
        assert_eq!(deeds_of(&mut typing, b"\r", false), [Deed::Ring]);
        let sent = deeds_of(&mut typing, b"\r", true);
        assert_eq!(sent, ["1", "2", "3", "4", "5", "6"].map(paste));
        assert_eq!((typing.note(), seen(&mut typing)), (None, ("7", "")));
    }

    #[test]
    fn many_lines_are_not_sent_when_ctrl_c_says_so() {
        let mut typing = Typing::new(History::default());
        deeds_of(&mut typing, b"0\x1b[200~1\n2\n3\n4\n5\n6\n7\x1b[201~", true);
        assert_eq!(deeds_of(&mut typing, b"\x03", true), [show("0 of 6 lines sent")]);
        assert_eq!((typing.note(), seen(&mut typing)), (None, ("", "")));
        assert_eq!(deeds_of(&mut typing, b"\x03", true), [Deed::Leave]);
    }

    #[test]
    fn many_lines_at_once_without_marks_are_a_paste() {
        let mut typing = Typing::new(History::default());
        assert_eq!(deeds_of(&mut typing, b"/1\r2\r3\r4\r5\r6\r", true), []);
        assert_eq!(deeds_of(&mut typing, b"7\r8", true), []);
        assert_eq!(deeds_later(&mut typing), []);
        // A piece that comes late is no answer.
        assert_eq!(deeds_of(&mut typing, b"8\r9\r", true), []);
        assert_eq!(deeds_later(&mut typing), []);
        let question = "9 lines pasted: Enter sends them, Ctrl-C does not";
        assert_eq!(typing.note().as_deref(), Some(question));
        let sent = deeds_of(&mut typing, b"\r", true);
        assert_eq!(sent, ["/1", "2", "3", "4", "5", "6", "7", "88", "9"].map(paste));
    }

    #[test]
    fn ctrl_c_in_a_paste_without_marks_stops_all_of_it() {
        let mut typing = Typing::new(History::default());
        assert_eq!(deeds_of(&mut typing, b"1\r2\r3\r4\r5\r6\r", true), []);
        assert_eq!(deeds_of(&mut typing, b"\x03", true), []);
        assert_eq!(deeds_of(&mut typing, b"7\r", true), []);
        let why = show("what was pasted is not sent: Ctrl-C was pressed");
        assert_eq!(deeds_later(&mut typing), [why]);
        assert_eq!(deeds_of(&mut typing, b"x\r", true), [say("x")]);
    }

    #[test]
    fn a_line_that_is_too_long_is_not_sent_with_a_hole() {
        let long = "x".repeat(LINE_BYTES_MAX);
        let told = show("not sent, over 4096 bytes long: 1 line");
        for ending in ["\n", ""] {
            let mut typing = Typing::new(History::default());
            let paste = format!("a\x1b[200~{long}{ending}\x1b[201~");
            assert_eq!(deeds_of(&mut typing, paste.as_bytes(), true), std::slice::from_ref(&told));
            assert_eq!(seen(&mut typing), ("a", ""));
        }
        // Without marks it comes in pieces, of which the last would fit.
        let mut typing = Typing::new(History::default());
        for piece in [&long[..4000], &long[..4000], &long[..90]] {
            assert_eq!(deeds_of(&mut typing, piece.as_bytes(), true), []);
        }
        assert_eq!(deeds_later(&mut typing), [told]);
        assert_eq!(seen(&mut typing), ("", ""));
    }

    #[test]
    fn a_line_may_have_as_many_bytes_as_the_server_takes() {
        let mut typing = Typing::new(History::default());
        typing.bytes_max = 4;
        let told = show("not sent, over 4 bytes long: 2 lines");
        assert_eq!(
            deeds_of(&mut typing, b"\x1b[200~1234\n12345\n/123\nend\n\x1b[201~", true),
            [told]
        );
        assert_eq!(deeds_of(&mut typing, b"\r", true), ["1234", "end"].map(paste));
        let told = show("not sent, over 4 bytes long: 1 line");
        assert_eq!(
            deeds_of(&mut typing, b"1\x1b[200~2345\n\x1b[201~", true),
            std::slice::from_ref(&told)
        );
        assert_eq!(deeds_of(&mut typing, b"\x152345 \r", true), [told]);
        assert_eq!(deeds_of(&mut typing, b"\x7f\r", true), [say("2345")]);
        // Another server may take more.
        typing.bytes_max = LINE_BYTES_MAX;
        assert_eq!(deeds_of(&mut typing, b"12345\r", true), [say("12345")]);
    }

    #[test]
    fn a_paste_without_its_end_leaves_ctrl_c_and_ctrl_d() {
        for (begun, key, deeds) in [
            (&b"\x1b[200~ab\ncd"[..], b"\x03", vec![show("0 of 1 line sent")]),
            (b"\x1b[200~ab\x1b[20", b"\x03", vec![]),
            (b"\x1b[200~", b"\x03", vec![Deed::Leave]),
            (b"\x1b[200~", b"\x04", vec![Deed::Leave]),
            (b"\x1b[200~ab", b"\x1a", vec![Deed::Suspend]),
        ] {
            let mut typing = Typing::new(History::default());
            assert_eq!(deeds_of(&mut typing, begun, true), []);
            assert!(typing.paste.is_some());
            assert_eq!(deeds_later(&mut typing), []);
            assert_eq!(deeds_of(&mut typing, key, true), deeds);
            assert!(typing.paste.is_none());
        }
    }

    #[test]
    fn a_paste_that_pauses_goes_on() {
        let mut typing = Typing::new(History::default());
        deeds_of(&mut typing, b"\x1b[200~1\n", true);
        assert_eq!(deeds_later(&mut typing), []);
        assert_eq!(deeds_of(&mut typing, b"2\r\x03\x1b[201~", true), ["1", "2"].map(paste));
    }

    #[test]
    fn a_paste_that_cannot_go_on_is_asked_about_again() {
        let mut typing = Typing::new(History::default());
        deeds_of(&mut typing, b"\x1b[200~1\n2\n3\n\x1b[201~", false);
        assert_eq!(deeds_of(&mut typing, b"\r", false), [Deed::Ring]);
        typing.queue.asking = false;
        assert_eq!(typing.queue.next_line(), Some(("1".to_owned(), true)));
        typing.queue.asking = true;
        assert_eq!(deeds_of(&mut typing, b"\r", true), ["2", "3"].map(paste));
    }

    #[test]
    fn the_question_comes_before_a_search() {
        let mut typing = Typing::new(History::default());
        deeds_of(&mut typing, b"tea\r\x12te", true);
        typing.queue.push("1".to_owned(), true);
        typing.queue.asking = true;
        assert_eq!(deeds_of(&mut typing, b"x", true), [Deed::Ring]);
        assert_eq!(deeds_of(&mut typing, b"\r", true), [paste("1")]);
        assert_eq!(typing.note().as_deref(), Some("searching for: te"));
        typing.queue.push("2".to_owned(), true);
        typing.queue.asking = true;
        assert_eq!(deeds_of(&mut typing, b"\x03", true), [show("0 of 1 line sent")]);
        assert_eq!((typing.note(), seen(&mut typing)), (None, ("", "")));
    }

    #[test]
    fn what_cannot_be_sent_stays() {
        let mut typing = Typing::new(History::default());
        let deeds = deeds_of(&mut typing, b"hi\r\x1b[200~ a\nb\x1b[201~", false);
        assert_eq!((deeds, seen(&mut typing)), (vec![Deed::Ring], ("b", "")));
        let question = "1 line pasted: Enter sends it, Ctrl-C does not";
        assert_eq!(typing.note().as_deref(), Some(question));
        assert_eq!(deeds_of(&mut typing, b"\r", true), [say("hi a")]);
    }

    #[test]
    fn ctrl_c_clears_the_line_and_leaves_on_an_empty_one() {
        assert_eq!(deeds(b"x\x03"), []);
        assert_eq!(deeds(b"x\x03\x03"), [Deed::Leave]);
        assert_eq!(deeds(b"xy\x01\x04\r\x04"), [say("y"), Deed::Leave]);
    }

    #[test]
    fn what_was_typed_before_comes_back() {
        let mut typing = Typing::new(History::default());
        deeds_of(&mut typing, b"one\rtwo\rdraft\x1b[A\x1b[A", true);
        assert_eq!(seen(&mut typing), ("one", ""));
        assert_eq!(deeds_of(&mut typing, b"\x10", true), [Deed::Ring]);
        deeds_of(&mut typing, b"\x1b[B\x0e", true);
        assert_eq!(seen(&mut typing), ("draft", ""));
    }

    #[test]
    fn after_ctrl_c_a_new_line_is_at_the_end() {
        let mut typing = Typing::new(History::default());
        deeds_of(&mut typing, b"one\rtwo\r\x1b[A\x1b[A\x03new\x1b[A", true);
        assert_eq!(seen(&mut typing), ("two", ""));
        deeds_of(&mut typing, b"\x1b[B", true);
        assert_eq!(seen(&mut typing), ("new", ""));
        // Nor does an empty line stay among the others.
        deeds_of(&mut typing, b"\x1b[A\x15\rnewer\x1b[A\x1b[B", true);
        assert_eq!(seen(&mut typing), ("newer", ""));
    }

    #[test]
    fn what_ctrl_c_clears_is_yanked() {
        let mut typing = Typing::new(History::default());
        deeds_of(&mut typing, b"hi there\x03\x19", true);
        assert_eq!(seen(&mut typing), ("hi there", ""));
    }

    #[test]
    fn ctrl_underscore_undoes() {
        let mut typing = Typing::new(History::default());
        assert_eq!(deeds_of(&mut typing, b"hi\x15\x1f", true), []);
        assert_eq!(seen(&mut typing), ("hi", ""));
        assert_eq!(deeds_of(&mut typing, b"\x1f\x1f", true), [Deed::Ring]);
        assert_eq!(seen(&mut typing), ("", ""));
    }

    const SAID: &str = "make tea\rdrink tea\r안녕\rdrink tea\r네\r";

    /// Sends these lines and types these keys. Returns the note and the line around the cursor.
    fn searched(keys: &[u8]) -> (Option<String>, String, Vec<Deed>) {
        let mut typing = Typing::new(History::default());
        deeds_of(&mut typing, SAID.as_bytes(), true);
        let deeds = deeds_of(&mut typing, keys, true);
        let (before, behind) = seen(&mut typing);
        let line = format!("{before}|{behind}");
        (typing.note(), line, deeds)
    }

    #[test]
    fn ctrl_r_searches_backwards_and_goes_further_back() {
        let note = |text: &str| Some(text.to_owned());
        assert_eq!(searched(b"\x12"), (note("searching for: "), "|".into(), vec![]));
        let tea = note("searching for: tea");
        assert_eq!(searched(b"\x12tea"), (tea.clone(), "drink |tea".into(), vec![]));
        assert_eq!(searched(b"\x12tea\x12"), (tea, "make |tea".into(), vec![]));
        assert_eq!(searched(b"\x12tea\x12\x12").1, "make |tea");
        assert_eq!(searched(b"\x12tea\x12\x12").2, [Deed::Ring]);
        let less = note("searching for: te");
        assert_eq!(searched(b"\x12tex\x7f"), (less, "drink |tea".into(), vec![Deed::Ring]));
    }

    #[test]
    fn a_search_is_taken_or_cancelled() {
        assert_eq!(searched(b"\x12mak\r"), (None, "|".into(), vec![say("make tea")]));
        for cancel in ["\x07", "\x03"] {
            let keys = format!("draft\x12mak\x12{cancel}");
            assert_eq!(searched(keys.as_bytes()), (None, "draft|".into(), vec![Deed::Ring]));
        }
        assert_eq!(searched(b"\x12mak\x05!"), (None, "make tea!|".into(), vec![]));
        // From there the arrows go on. The draft is at the end.
        assert_eq!(searched(b"draft\x12mak\x1b[B"), (None, "drink tea|".into(), vec![]));
        assert_eq!(searched(b"draft\x12mak\x0e\x0e\x0e\x0e\x0e"), (None, "draft|".into(), vec![]));
    }

    #[test]
    fn what_is_pasted_into_a_search_is_searched_for_and_safe() {
        let (note, line, deeds) = searched(b"\x12\x1b[200~make\ntea\x1b]0;x\x07\x1b[201~");
        assert_eq!(note.as_deref(), Some("searching for: make tea]0;x"));
        assert_eq!((line.as_str(), deeds), ("|", vec![Deed::Ring]));
    }

    #[test]
    fn an_escape_is_given_up_in_time() {
        let mut typing = Typing::new(History::default());
        let begun = Instant::now();
        deeds_of(&mut typing, b"\x1b", true);
        let due = typing.next_deadline().unwrap();
        assert!(due >= begun + Duration::from_millis(500), "a slow line has the rest later");
        typing.lapse(due - Duration::from_millis(1));
        assert!(typing.next_deadline().is_some());
        typing.lapse(due);
        deeds_of(&mut typing, b"b", true);
        assert_eq!(seen(&mut typing), ("b", ""));
    }
}
