//! The person at the keyboard: keys in, deeds out.
//!
//! The rules this room keeps:
//!
//! - Keys are done one after the other, and each sees what the one before it has done.
//! - A line end within what is pasted sends a line, as Enter does. While nothing can be sent, the
//!   line stays.
//!
//! It never knows the terminal or the server; the present moment is handed in.

use std::collections::VecDeque;
use std::io;
use std::time::Instant;

use super::columns::View;
use super::edit::Edit;
use super::history::History;
use super::keys::{Key, Keys};
use super::paint::OWN_WORD;
use super::pending::Me;
use super::people::{Completion, People};

/// What the person wants that is not a matter of the line alone.
#[derive(Debug, PartialEq, Eq)]
pub enum Deed {
    /// To say this.
    Say(String),
    /// To see what the word could become.
    Show(Vec<String>),
    /// To have the screen cleared.
    Redraw,
    /// To leave.
    Leave,
    /// To do something else for a while.
    Suspend,
    /// That was not possible: the terminal should ring.
    Ring,
    /// What was typed cannot be kept for the next time.
    Forget(io::ErrorKind),
}

/// A key, or text.
#[derive(Debug)]
enum Stroke {
    Key(Key),
    /// What was typed at once, or a piece of what was pasted: put in as a whole, since what a
    /// letter joins may depend on the one behind it.
    Text(String),
    PastedLineEnd,
}

/// The line being typed, what was typed before, and the keys that have not been done yet.
#[derive(Debug, Default)]
pub struct Typing {
    keys: Keys,
    strokes: VecDeque<Stroke>,
    /// When the escape that has begun is given up.
    give_up_at: Option<Instant>,
    edit: Edit,
    history: History,
    /// The text that is searched for in the history, and the place where the search began.
    search: Option<(Edit, usize)>,
    view: View,
}

impl Typing {
    /// Nothing is typed yet.
    pub fn new(history: History) -> Typing {
        Typing { history, ..Typing::default() }
    }

    /// Takes in what was read; whether the person has pressed a key. Call [`Typing::next_deed`]
    /// until there is none before pushing more.
    pub fn push(&mut self, bytes: &[u8], now: Instant) -> bool {
        let mut keys = Vec::new();
        self.keys.push(bytes, &mut keys);
        let is_typed = !keys.is_empty();
        keys.into_iter().for_each(|key| self.take(key));
        self.give_up_at = self.keys.patience().map(|patience| now + patience);
        is_typed
    }

    /// Time has passed.
    pub fn lapse(&mut self, now: Instant) {
        if self.give_up_at.is_some_and(|at| at <= now) {
            self.keys.give_up();
            self.give_up_at = None;
        }
    }

    /// When to call [`Typing::lapse`].
    pub fn next_deadline(&self) -> Option<Instant> {
        self.give_up_at
    }

    /// Does keys until one wants something; `None` when all are done. `may_say`: what is said can
    /// be sent.
    pub fn next_deed(&mut self, people: &People, me: &Me, may_say: bool) -> Option<Deed> {
        while let Some(stroke) = self.strokes.pop_front() {
            let deed = match stroke {
                stroke @ Stroke::Key(Key::Search) => self.search(stroke),
                stroke if self.search.is_some() => self.search(stroke),
                Stroke::Key(Key::Enter) => self.enter(may_say),
                Stroke::Key(Key::Tab) => self.complete(people, me),
                Stroke::Key(key) => self.key(key),
                Stroke::Text(text) => ring_unless(self.edit.insert(&text)),
                Stroke::PastedLineEnd if may_say => self.enter(may_say),
                Stroke::PastedLineEnd => ring_unless(self.edit.insert(" ")),
            };
            if deed.is_some() {
                return deed;
            }
        }
        None
    }

    /// Remembers a line that was said.
    pub fn remember(&mut self, line: &str) -> Option<Deed> {
        self.history.remember(line).err().map(|error| Deed::Forget(error.kind()))
    }

    /// What the person is told above the line.
    pub fn note(&self) -> Option<String> {
        self.search.as_ref().map(|(text, _)| format!("{OWN_WORD}searching for: {}", text.text()))
    }

    /// What is seen of the line before and behind the cursor, in so many columns.
    pub fn seen(&mut self, columns: usize) -> (&str, &str) {
        self.view.of(self.edit.text(), self.edit.cursor(), columns)
    }

    fn take(&mut self, key: Key) {
        let text = match key {
            Key::Char(character) => return self.take_character(character),
            Key::Paste(text) => text.replace("\r\n", "\n"),
            Key::PasteEnd => return,
            key => return self.strokes.push_back(Stroke::Key(key)),
        };
        for (number, line) in text.split(['\n', '\r']).enumerate() {
            if number > 0 {
                self.strokes.push_back(Stroke::PastedLineEnd);
            }
            if !line.is_empty() {
                self.strokes.push_back(Stroke::Text(line.to_owned()));
            }
        }
    }

    fn take_character(&mut self, character: char) {
        match self.strokes.back_mut() {
            Some(Stroke::Text(text)) => text.push(character),
            _ => self.strokes.push_back(Stroke::Text(character.into())),
        }
    }

    fn enter(&mut self, may_say: bool) -> Option<Deed> {
        if self.edit.text().trim().is_empty() {
            self.edit.take();
            self.history.begin_anew();
            return None;
        }
        if !may_say {
            return Some(Deed::Ring);
        }
        Some(Deed::Say(self.edit.take()))
    }

    fn key(&mut self, key: Key) -> Option<Deed> {
        let edit = &mut self.edit;
        match key {
            Key::Yank => return ring_unless(edit.yank()),
            Key::Undo => return ring_unless(edit.undo()),
            Key::Backspace => edit.backspace(),
            Key::Delete => edit.delete(),
            Key::Left => edit.left(),
            Key::Right => edit.right(),
            Key::Home => edit.home(),
            Key::End => edit.end(),
            Key::WordLeft => edit.word_left(),
            Key::WordRight => edit.word_right(),
            Key::RubOutWord => edit.rub_out_word(),
            Key::KillWordLeft => edit.kill_word_left(),
            Key::KillWordRight => edit.kill_word_right(),
            Key::KillToStart => edit.kill_to_start(),
            Key::KillToEnd => edit.kill_to_end(),
            Key::Transpose => edit.transpose(),
            Key::Up => return self.recall(|history, line| history.up(line)),
            Key::Down => return self.recall(|history, line| history.down(line)),
            Key::Redraw => return Some(Deed::Redraw),
            Key::Suspend => return Some(Deed::Suspend),
            Key::Interrupt | Key::EndOfInput if edit.text().is_empty() => {
                return Some(Deed::Leave);
            }
            Key::Interrupt => {
                edit.kill_line();
                self.history.begin_anew();
            }
            Key::EndOfInput => edit.delete(),
            Key::Cancel => return Some(Deed::Ring),
            Key::Enter | Key::Tab | Key::Search | Key::Char(_) | Key::Paste(_) | Key::PasteEnd => {}
        }
        None
    }

    /// Searches the history backwards, as readline does. A key that is not of the search takes the
    /// line that was found, and is done then.
    fn search(&mut self, stroke: Stroke) -> Option<Deed> {
        let (edit, history) = (&mut self.edit, &mut self.history);
        let here = history.place();
        let (text, begun_at) = self.search.get_or_insert_with(|| (Edit::default(), here));
        let mut before = here + 1;
        let fits = match stroke {
            Stroke::Key(Key::Search) if text.text().is_empty() => return None,
            Stroke::Key(Key::Search) => {
                before = here;
                true
            }
            Stroke::Text(more) => text.insert(&more),
            // What is pasted sends no line that it has found.
            Stroke::PastedLineEnd => text.insert(" "),
            Stroke::Key(Key::Backspace) => {
                text.backspace();
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
        let found = history.find(text.text(), edit.text(), before);
        let is_found = found.is_some();
        if let Some(line) = found {
            edit.replace(line);
            edit.go_to_last(text.text());
        }
        ring_unless(fits && is_found)
    }

    fn recall<'a>(
        &'a mut self,
        other: impl FnOnce(&'a mut History, &str) -> Option<&'a str>,
    ) -> Option<Deed> {
        match other(&mut self.history, self.edit.text()) {
            Some(line) => self.edit.replace(line),
            None => return Some(Deed::Ring),
        }
        None
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
        let mut people = People::default();
        people.note(&Said::of("bob: hi"));
        typing.push(bytes, Instant::now());
        let me = Me::default();
        let mut deeds = Vec::new();
        while let Some(deed) = typing.next_deed(&people, &me, may_say) {
            if let Deed::Say(line) = &deed {
                assert_eq!(typing.remember(line), None);
            }
            deeds.push(deed);
        }
        deeds
    }

    fn deeds(bytes: &[u8]) -> Vec<Deed> {
        deeds_of(&mut Typing::default(), bytes, true)
    }

    fn say(line: &str) -> Deed {
        Deed::Say(line.to_owned())
    }

    #[test]
    fn enter_says_the_line() {
        assert_eq!(deeds("안녕\r\r  \r".as_bytes()), [say("안녕")]);
    }

    #[test]
    fn what_the_terminal_says_by_itself_is_no_key() {
        let mut typing = Typing::default();
        for (bytes, is_typed) in [(&b"\x1b[12;40R"[..], false), (b"\x1b[A", true), (b"a", true)] {
            assert_eq!(typing.push(bytes, Instant::now()), is_typed, "{bytes:?}");
        }
    }

    #[test]
    fn keys_that_come_at_once_are_done_in_order() {
        assert_eq!(deeds(b"bo\thi\rno\x15yes\x01oh, \r"), [say("bob: hi"), say("oh, yes")]);
    }

    /// In front of a syllable its first letter alone would join that.
    #[test]
    fn a_syllable_typed_in_letters_is_put_in_whole() {
        let mut typing = Typing::default();
        deeds_of(&mut typing, "어\x01\u{1100}\u{116e}\u{11a8}".as_bytes(), true);
        assert_eq!(typing.seen(80), ("\u{1100}\u{116e}\u{11a8}", "어"));
    }

    #[test]
    fn a_paste_of_many_lines_is_sent_as_lines_and_its_rest_stays() {
        let mut typing = Typing::default();
        let pasted = deeds_of(&mut typing, b"0 \x1b[200~1\r\n2\n\n3\r4\x1b[201~", true);
        assert_eq!(pasted, [say("0 1"), say("2"), say("3")]);
        assert_eq!(typing.seen(80), ("4", ""));
    }

    #[test]
    fn what_cannot_be_sent_stays() {
        let mut typing = Typing::default();
        let pasted = deeds_of(&mut typing, b"hi\r\x1b[200~ a\nb\x1b[201~", false);
        assert_eq!(pasted, [Deed::Ring]);
        assert_eq!(typing.seen(80), ("hi a b", ""));
    }

    #[test]
    fn ctrl_c_clears_the_line_and_leaves_on_an_empty_one() {
        assert_eq!(deeds(b"x\x03"), []);
        assert_eq!(deeds(b"x\x03\x03"), [Deed::Leave]);
        assert_eq!(deeds(b"xy\x01\x04\r\x04"), [say("y"), Deed::Leave]);
    }

    #[test]
    fn what_was_typed_before_comes_back() {
        let mut typing = Typing::default();
        deeds_of(&mut typing, b"one\rtwo\rdraft\x1b[A\x1b[A", true);
        assert_eq!(typing.seen(80), ("one", ""));
        assert_eq!(deeds_of(&mut typing, b"\x10", true), [Deed::Ring]);
        deeds_of(&mut typing, b"\x1b[B\x0e", true);
        assert_eq!(typing.seen(80), ("draft", ""));
    }

    #[test]
    fn after_ctrl_c_a_new_line_is_at_the_end() {
        let mut typing = Typing::default();
        deeds_of(&mut typing, b"one\rtwo\r\x1b[A\x1b[A\x03new\x1b[A", true);
        assert_eq!(typing.seen(80), ("two", ""));
        deeds_of(&mut typing, b"\x1b[B", true);
        assert_eq!(typing.seen(80), ("new", ""));
        // Nor does an empty line stay among the others.
        deeds_of(&mut typing, b"\x1b[A\x15\rnewer\x1b[A\x1b[B", true);
        assert_eq!(typing.seen(80), ("newer", ""));
    }

    #[test]
    fn what_ctrl_c_clears_is_yanked() {
        let mut typing = Typing::default();
        deeds_of(&mut typing, b"hi there\x03\x19", true);
        assert_eq!(typing.seen(80), ("hi there", ""));
    }

    #[test]
    fn ctrl_underscore_undoes() {
        let mut typing = Typing::default();
        assert_eq!(deeds_of(&mut typing, b"hi\x15\x1f", true), []);
        assert_eq!(typing.seen(80), ("hi", ""));
        assert_eq!(deeds_of(&mut typing, b"\x1f\x1f", true), [Deed::Ring]);
        assert_eq!(typing.seen(80), ("", ""));
    }

    const SAID: &str = "make tea\rdrink tea\r안녕\rdrink tea\r네\r";

    /// These lines said, and these keys; the note, and the line about the cursor.
    fn searched(keys: &[u8]) -> (Option<String>, String, Vec<Deed>) {
        let mut typing = Typing::default();
        deeds_of(&mut typing, SAID.as_bytes(), true);
        let deeds = deeds_of(&mut typing, keys, true);
        let (before, behind) = typing.seen(80);
        let line = format!("{before}|{behind}");
        (typing.note(), line, deeds)
    }

    #[test]
    fn ctrl_r_searches_backwards_and_goes_further_back() {
        let note = |text: &str| Some(text.to_owned());
        assert_eq!(searched(b"\x12"), (note("-- searching for: "), "|".into(), vec![]));
        let tea = note("-- searching for: tea");
        assert_eq!(searched(b"\x12tea"), (tea.clone(), "drink |tea".into(), vec![]));
        assert_eq!(searched(b"\x12tea\x12"), (tea, "make |tea".into(), vec![]));
        assert_eq!(searched(b"\x12tea\x12\x12").1, "make |tea");
        assert_eq!(searched(b"\x12tea\x12\x12").2, [Deed::Ring]);
        let less = note("-- searching for: te");
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
        // From there the arrows go on, and what was begun is at the end.
        assert_eq!(searched(b"draft\x12mak\x1b[B"), (None, "drink tea|".into(), vec![]));
        assert_eq!(searched(b"draft\x12mak\x0e\x0e\x0e\x0e\x0e"), (None, "draft|".into(), vec![]));
    }

    #[test]
    fn what_is_pasted_into_a_search_is_searched_for_and_safe() {
        let (note, line, deeds) = searched(b"\x12\x1b[200~make\ntea\x1b]0;x\x07\x1b[201~");
        assert_eq!(note.as_deref(), Some("-- searching for: make tea]0;x"));
        assert_eq!((line.as_str(), deeds), ("|make tea", vec![Deed::Ring]));
    }

    #[test]
    fn an_escape_is_given_up_in_time() {
        let mut typing = Typing::default();
        let begun = Instant::now();
        deeds_of(&mut typing, b"\x1b", true);
        let due = typing.next_deadline().unwrap();
        assert!(due >= begun + Duration::from_millis(500), "a slow line has the rest later");
        typing.lapse(due - Duration::from_millis(1));
        assert!(typing.next_deadline().is_some());
        typing.lapse(due);
        deeds_of(&mut typing, b"b", true);
        assert_eq!(typing.seen(80), ("b", ""));
    }
}
