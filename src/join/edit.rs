//! The line that the user is typing.
//!
//! The rules of this file:
//!
//! - The cursor stands between two whole characters (grapheme clusters, UAX #29). A key moves over
//!   or deletes a whole one: a syllable typed in letters, or a letter with its marks.
//! - Everything in the line is safe to show ([`crate::words::text`]). Text from a paste or from the
//!   history is no safer than text from a server.
//! - The line has a bound. Text that does not fit is refused whole.
//!
//! `tui-input` was considered. It takes one character at a time, and leaves the cursor inside one
//! that a later mark has joined. This file never knows keys or columns, or what the line is used
//! for.

use std::collections::VecDeque;
use std::ops::Range;

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

use crate::words::text::push_safe;

/// The most bytes of the line: as many as a chinwag server takes by default (`--max-line`). Text
/// that would make it longer is refused.
pub const LINE_BYTES_MAX: usize = 4096;

/// The most edits that can be undone. Each one costs a copy of the line.
const UNDO_MAX: usize = 100;

/// A line with a cursor in it.
///
/// `cursor` is a byte of the text where a whole character begins, or its end.
#[derive(Debug, Default)]
pub struct Edit {
    text: String,
    cursor: usize,
    killed: String,
    /// The lines before the last edits, each with its cursor, the latest last.
    undo: VecDeque<(String, usize)>,
    last: Deed,
}

/// The kind of the last edit. The same kind again joins it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Deed {
    #[default]
    Other,
    Typing,
    Killing,
}

/// A place in the line, as the cursor sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// One character back.
    Left,
    /// One character on.
    Right,
    /// The beginning of the line.
    Start,
    /// The end of the line.
    End,
    /// The beginning of this word, or of the one before.
    WordStart,
    /// The end of this word, or of the next one.
    WordEnd,
    /// Behind the blank before this word, or before the previous one.
    Blank,
}

impl Edit {
    /// What has been typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The byte of the text before which the next character will stand.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Inserts text at the cursor, without what is not safe to show. Returns whether it fitted.
    pub fn insert(&mut self, text: &str) -> bool {
        self.change(self.cursor..self.cursor, text, Deed::Typing)
    }

    /// Takes the line out and leaves an empty one.
    pub fn take(&mut self) -> String {
        self.last = Deed::Other;
        self.undo.clear();
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    /// Kills the whole line.
    pub fn kill_line(&mut self) {
        self.killed = self.take();
    }

    /// Undoes the last edit. Returns whether there was one.
    pub fn undo(&mut self) -> bool {
        self.last = Deed::Other;
        while let Some((text, cursor)) = self.undo.pop_back() {
            if text != self.text {
                (self.text, self.cursor) = (text, cursor);
                return true;
            }
        }
        false
    }

    /// Replaces the line, and puts the cursor at its end.
    pub fn replace(&mut self, text: &str) {
        self.take();
        self.replace_back_to(0, text);
        self.undo.clear();
    }

    /// Replaces the bytes from `start` to the cursor by `text`. Returns whether it fitted.
    pub fn replace_back_to(&mut self, start: usize, text: &str) -> bool {
        self.change(start..self.cursor, text, Deed::Other)
    }

    /// Moves the cursor.
    pub fn go(&mut self, to: To) {
        self.go_to(self.place(to));
    }

    /// To the last occurrence of this text.
    pub fn go_to_last(&mut self, text: &str) {
        let place = self.text.rfind(text).unwrap_or(self.text.len());
        self.go_to(self.boundary_from(place));
    }

    /// Deletes what stands between the cursor and this place.
    pub fn delete(&mut self, to: To) {
        self.change(self.range(to), "", Deed::Other);
    }

    /// Kills what stands between the cursor and this place. Kills in a row are yanked as one.
    pub fn kill(&mut self, to: To) {
        let range = self.range(to);
        let piece = &self.text[range.clone()];
        if self.last != Deed::Killing {
            self.killed = piece.to_owned();
        } else if range.start < self.cursor {
            self.killed.insert_str(0, piece);
        } else {
            self.killed.push_str(piece);
        }
        self.change(range, "", Deed::Killing);
    }

    /// Inserts what was killed last. Returns whether it fitted.
    pub fn yank(&mut self) -> bool {
        self.replace_back_to(self.cursor, &self.killed.clone())
    }

    /// Swaps the characters on both sides of the cursor; at the end, the last two.
    pub fn transpose(&mut self) {
        let end = self.after(self.cursor);
        let middle = self.before(end);
        let start = self.before(middle);
        if start < middle && middle < end {
            let swapped = format!("{}{}", &self.text[middle..end], &self.text[start..middle]);
            self.change(start..end, &swapped, Deed::Other);
        }
    }

    fn go_to(&mut self, place: usize) {
        self.last = Deed::Other;
        self.cursor = place;
        self.check();
    }

    /// Replaces a range by text, without what is not safe to show, and puts the cursor behind it.
    /// Returns whether the text fitted.
    fn change(&mut self, range: Range<usize>, text: &str, deed: Deed) -> bool {
        let text: String = text.chars().filter_map(typed).collect();
        let last = std::mem::take(&mut self.last);
        if self.text.len() - range.len() + text.len() > LINE_BYTES_MAX {
            return false;
        }
        // One undo removes a word.
        let joins = deed == Deed::Typing && last == deed && !text.starts_with(char::is_whitespace);
        if !joins {
            self.undo.push_back((self.text.clone(), self.cursor));
            self.undo.drain(..self.undo.len().saturating_sub(UNDO_MAX));
        }
        self.last = deed;
        let end = range.start + text.len();
        self.text.replace_range(range, &text);
        // A mark may have joined the character before it, or a letter the mark behind it.
        self.cursor = self.boundary_from(end);
        self.check();
        true
    }

    fn range(&self, to: To) -> Range<usize> {
        let place = self.place(to);
        place.min(self.cursor)..place.max(self.cursor)
    }

    fn place(&self, to: To) -> usize {
        let (before, behind) = self.text.split_at(self.cursor);
        match to {
            To::Left => self.before(self.cursor),
            To::Right => self.after(self.cursor),
            To::Start => 0,
            To::End => self.text.len(),
            To::WordStart => self.cursor - word_bytes(before.graphemes(true).rev()),
            To::WordEnd => self.cursor + word_bytes(behind.graphemes(true)),
            To::Blank => {
                let before = before.trim_end();
                let word = before.rsplit(char::is_whitespace).next().map_or(0, str::len);
                self.boundary_from(before.len() - word).min(self.cursor)
            }
        }
    }

    fn before(&self, place: usize) -> usize {
        self.text[..place].grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }

    fn after(&self, place: usize) -> usize {
        place + self.text[place..].graphemes(true).next().map_or(0, str::len)
    }

    /// The first place from here on between two whole characters.
    fn boundary_from(&self, place: usize) -> usize {
        let mut cursor = GraphemeCursor::new(place, self.text.len(), true);
        match cursor.is_boundary(&self.text, 0) {
            Ok(false) => cursor.next_boundary(&self.text, 0).ok().flatten(),
            _ => Some(place),
        }
        .unwrap_or(self.text.len())
    }

    fn check(&self) {
        debug_assert!(self.text.len() <= LINE_BYTES_MAX);
        debug_assert_eq!(self.boundary_from(self.cursor), self.cursor);
    }
}

/// The length of the next word, with what stands before it.
fn word_bytes<'a>(clusters: impl Iterator<Item = &'a str>) -> usize {
    let mut clusters = clusters.peekable();
    let apart = std::iter::from_fn(|| clusters.next_if(|cluster| !is_of_word(cluster)));
    let apart: usize = apart.map(str::len).sum();
    apart + clusters.take_while(|cluster| is_of_word(cluster)).map(str::len).sum::<usize>()
}

fn is_of_word(cluster: &str) -> bool {
    cluster.starts_with(char::is_alphanumeric)
}

/// What a typed character adds to the line: a TAB adds a space, an unsafe one adds nothing.
pub fn typed(character: char) -> Option<char> {
    if character == '\t' {
        return Some(' ');
    }
    let mut safe = String::new();
    push_safe(character.encode_utf8(&mut [0; 4]).as_bytes(), &mut safe);
    let mut kept = safe.chars();
    (kept.next() == Some(character) && kept.next().is_none()).then_some(character)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn typed_line(text: &str) -> Edit {
        let mut edit = Edit::default();
        assert!(edit.insert(text));
        edit
    }

    /// The line with `|` for the cursor.
    fn seen(edit: &Edit) -> String {
        let (before, behind) = edit.text.split_at(edit.cursor);
        format!("{before}|{behind}")
    }

    /// The line after these deeds, with `|` for the cursor.
    fn after(text: &str, deeds: &[fn(&mut Edit)]) -> String {
        let mut edit = typed_line(text);
        deeds.iter().for_each(|deed| deed(&mut edit));
        seen(&edit)
    }

    #[test]
    fn a_character_with_its_marks_is_passed_and_deleted_as_one() {
        for one in ["한", "\u{1112}\u{1161}\u{11ab}", "e\u{301}", "👨\u{200d}👩\u{200d}👧", "🇰🇷"]
        {
            let text = format!("a{one}b");
            assert_eq!(
                after(&text, &[|edit| edit.go(To::Left), |edit| edit.delete(To::Left)]),
                "a|b",
                "{one}"
            );
            assert_eq!(
                after(
                    &text,
                    &[
                        |edit| edit.go(To::Left),
                        |edit| edit.go(To::Left),
                        |edit| edit.delete(To::Right)
                    ]
                ),
                "a|b",
                "{one}"
            );
        }
    }

    #[test]
    fn a_mark_joins_the_character_before_it() {
        let mut edit = typed_line("eb");
        edit.go(To::Left);
        edit.insert("\u{301}");
        assert_eq!(seen(&edit), "e\u{301}|b");
        edit.go(To::Start);
        edit.insert("x");
        edit.delete(To::Right);
        assert_eq!(seen(&edit), "x|b");
    }

    #[test]
    fn a_letter_before_a_mark_takes_the_cursor_behind_both() {
        let mut edit = typed_line("\u{301}b");
        edit.go(To::Start);
        edit.insert("e");
        assert_eq!(seen(&edit), "e\u{301}|b");
    }

    #[test]
    fn words_are_letters_and_digits() {
        assert_eq!(
            after("one two-three 넷", &[|edit| edit.go(To::WordStart)]),
            "one two-three |넷"
        );
        assert_eq!(after("one two-three ", &[|edit| edit.go(To::WordStart)]), "one two-|three ");
        assert_eq!(
            after("one two", &[|edit| edit.go(To::Start), |edit| edit.go(To::WordEnd)]),
            "one| two"
        );
        assert_eq!(
            after("one two", &[|edit| edit.go(To::Start), |edit| edit.kill(To::WordEnd)]),
            "| two"
        );
        assert_eq!(after("a two-three", &[|edit| edit.kill(To::WordStart)]), "a two-|");
    }

    #[test]
    fn ctrl_w_goes_back_to_the_blank() {
        assert_eq!(after("a two-three ", &[|edit| edit.kill(To::Blank)]), "a |");
        assert_eq!(after("a　한국어", &[|edit| edit.kill(To::Blank)]), "a　|");
        assert_eq!(after("", &[|edit| edit.kill(To::Blank)]), "|");
    }

    #[test]
    fn what_was_killed_is_yanked() {
        let deeds: &[fn(&mut Edit)] =
            &[|edit| edit.go(To::WordStart), |edit| edit.kill(To::Start), |edit| edit.go(To::End)];
        let mut edit = typed_line("one two");
        deeds.iter().for_each(|deed| deed(&mut edit));
        assert!(edit.yank() && edit.yank());
        assert_eq!(seen(&edit), "twoone one |");
    }

    #[test]
    fn a_line_killed_as_a_whole_is_yanked() {
        let mut edit = typed_line("one two");
        edit.kill(To::Blank);
        edit.kill_line();
        edit.yank();
        assert_eq!(seen(&edit), "one |");
    }

    #[test]
    fn deeds_are_undone_and_typing_by_words() {
        let mut edit = Edit::default();
        ["on", "e", " tw", "o"].into_iter().for_each(|text| assert!(edit.insert(text)));
        edit.go(To::Start);
        edit.kill(To::End);
        edit.yank();
        edit.insert("!");
        edit.delete(To::Left);
        edit.go(To::Left);
        edit.transpose();
        edit.replace_back_to(0, "three");
        let expected =
            ["one tow|", "one tw|o", "one two!|", "one two|", "|", "|one two", "one|", "|"];
        for expected in expected {
            assert!(edit.undo(), "{expected}");
            assert_eq!(seen(&edit), expected);
        }
        assert!(!edit.undo());
    }

    #[test]
    fn another_line_has_nothing_to_undo() {
        let mut edit = typed_line("one");
        edit.replace("two");
        assert!(!edit.undo());
        edit.insert("!");
        assert!(edit.undo() && edit.text() == "two" && !edit.undo());
        edit.insert("!");
        edit.take();
        assert!(!edit.undo());
    }

    #[test]
    fn so_many_deeds_can_be_undone() {
        let mut edit = Edit::default();
        (0..2 * UNDO_MAX).for_each(|_| assert!(edit.insert(" ")));
        assert_eq!(std::iter::from_fn(|| edit.undo().then_some(())).count(), UNDO_MAX);
    }

    #[test]
    fn a_word_that_does_not_fit_changes_nothing() {
        let mut edit = typed_line(&"x".repeat(LINE_BYTES_MAX));
        edit.go(To::Left);
        let before = seen(&edit);
        assert!(!edit.replace_back_to(LINE_BYTES_MAX - 2, "long"));
        assert_eq!(seen(&edit), before);
        // The text that it replaces makes room.
        assert!(edit.replace_back_to(LINE_BYTES_MAX - 2, "y"));
        assert!(seen(&edit).ends_with("xy|x"));
    }

    #[test]
    fn kills_in_a_row_are_one() {
        let mut edit = typed_line("one two three");
        edit.kill(To::Blank);
        edit.kill(To::Blank);
        edit.yank();
        assert_eq!(seen(&edit), "one two three|");
        edit.go(To::Left);
        edit.kill(To::Blank);
        edit.kill(To::End);
        edit.yank();
        assert_eq!(seen(&edit), "one two three|");
    }

    #[test]
    fn characters_change_places() {
        assert_eq!(after("한글", &[Edit::transpose]), "글한|");
        assert_eq!(after("abc", &[|edit| edit.go(To::Left), Edit::transpose]), "acb|");
        assert_eq!(after("a", &[Edit::transpose]), "a|");
    }

    #[test]
    fn what_is_not_safe_to_show_is_not_typed() {
        assert_eq!(typed_line("a\x1b[2J\u{9b}\u{202e}\tb\u{200d}").text(), "a[2J b\u{200d}");
    }

    #[test]
    fn what_does_not_fit_is_refused_whole() {
        let mut edit = typed_line(&"x".repeat(LINE_BYTES_MAX - 1));
        assert!(!edit.insert("한"));
        assert_eq!(edit.text().len(), LINE_BYTES_MAX - 1);
        assert!(edit.insert("y") && !edit.insert("z"));
    }

    #[test]
    fn a_piece_is_replaced() {
        let mut edit = typed_line("hi bo there");
        (0..6).for_each(|_| edit.go(To::Left));
        assert!(edit.replace_back_to(3, "bobby"));
        assert_eq!(seen(&edit), "hi bobby| there");
    }

    /// All deeds by number.
    const DEEDS: [fn(&mut Edit); 18] = [
        |edit| edit.go(To::Left),
        |edit| edit.go(To::Right),
        |edit| edit.go(To::Start),
        |edit| edit.go(To::End),
        |edit| edit.go(To::WordStart),
        |edit| edit.go(To::WordEnd),
        |edit| edit.delete(To::Left),
        |edit| edit.delete(To::Right),
        |edit| edit.kill(To::Blank),
        |edit| edit.kill(To::WordStart),
        |edit| edit.kill(To::WordEnd),
        |edit| edit.kill(To::Start),
        |edit| edit.kill(To::End),
        |edit| {
            edit.yank();
        },
        Edit::transpose,
        |edit| {
            edit.undo();
        },
        |edit| {
            edit.insert("\u{301}");
        },
        |edit| {
            edit.insert("\u{200d}👧");
        },
    ];

    proptest! {
        #![proptest_config(crate::cases())]

        #[test]
        fn the_cursor_is_always_between_whole_characters(
            text in "[a-z \u{301}한\u{1112}\u{1161}👨\u{200d}🇰🇷]{0,20}",
            deeds in prop::collection::vec(0..DEEDS.len(), 0..40),
        ) {
            let mut edit = typed_line(&text);
            for deed in deeds {
                DEEDS[deed](&mut edit);
                let places = edit.text.grapheme_indices(true).map(|(at, _)| at);
                let mut places = places.chain([edit.text.len()]);
                prop_assert!(places.any(|place| place == edit.cursor), "{}", seen(&edit));
            }
        }
    }
}
