//! The line that is being typed.
//!
//! The rules this room keeps:
//!
//! - The cursor stands between two whole characters (grapheme clusters, UAX #29): a syllable typed
//!   in letters, or a letter with its marks, is passed and deleted as one.
//! - There is nothing in the line that is not safe to show ([`crate::words::text`]): what is
//!   pasted or comes from the history is as foreign as what a server sends.
//! - It has a bound; what does not fit is refused whole.
//!
//! `tui-input` was weighed: it takes one character at a time and leaves the cursor inside one that
//! a later mark has joined. This room never knows keys, columns or what becomes of the line.

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

use crate::words::text::push_safe;

/// The most bytes of the line: more than any server takes, few enough to be looked through at each
/// key. What would make it longer is refused.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// A line with a cursor in it.
///
/// `cursor` is a byte of the text where a whole character begins, or its end.
#[derive(Debug, Default)]
pub struct Edit {
    text: String,
    cursor: usize,
    killed: String,
    /// The last deed was a kill: the next one joins it.
    killing: bool,
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

    /// Puts text in at the cursor, without what is not safe to show; says whether there was room.
    pub fn insert(&mut self, text: &str) -> bool {
        self.killing = false;
        let typed: String = text.chars().filter_map(typed).collect();
        if self.text.len() + typed.len() > LINE_BYTES_MAX {
            return false;
        }
        self.text.insert_str(self.cursor, &typed);
        // A mark may have joined the character before, a letter the mark behind.
        self.cursor = self.boundary_from(self.cursor + typed.len());
        self.check();
        true
    }

    /// Takes the line away; an empty one is left.
    pub fn take(&mut self) -> String {
        self.killing = false;
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    /// Puts another line in the place of this one, the cursor at its end.
    pub fn replace(&mut self, text: &str) {
        self.take();
        self.insert(text);
    }

    /// Puts `text` in the place of the bytes from `start` to the cursor.
    pub fn replace_back_to(&mut self, start: usize, text: &str) -> bool {
        let before = self.text[start..self.cursor].to_owned();
        self.remove(start, self.cursor);
        let fits = self.insert(text);
        if !fits {
            self.insert(&before);
        }
        fits
    }

    /// One character back.
    pub fn left(&mut self) {
        self.go(self.before(self.cursor));
    }

    /// One character on.
    pub fn right(&mut self) {
        self.go(self.after(self.cursor));
    }

    /// To the beginning of the line.
    pub fn home(&mut self) {
        self.go(0);
    }

    /// To the end of the line.
    pub fn end(&mut self) {
        self.go(self.text.len());
    }

    /// To the beginning of this word or the one before.
    pub fn word_left(&mut self) {
        self.go(self.word_start());
    }

    /// To the end of this word or the next.
    pub fn word_right(&mut self) {
        self.go(self.word_end());
    }

    /// Deletes the character before the cursor.
    pub fn backspace(&mut self) {
        self.killing = false;
        self.remove(self.before(self.cursor), self.cursor);
    }

    /// Deletes the character at the cursor.
    pub fn delete(&mut self) {
        self.killing = false;
        self.remove(self.cursor, self.after(self.cursor));
    }

    /// Kills back to the blank before this word or the one before.
    pub fn rub_out_word(&mut self) {
        let before = self.text[..self.cursor].trim_end();
        let blank = before.char_indices().rev().find(|(_, character)| character.is_whitespace());
        let start = blank.map_or(0, |(at, character)| at + character.len_utf8());
        self.kill(self.boundary_from(start).min(self.cursor), self.cursor);
    }

    /// Kills back to the beginning of this word or the one before.
    pub fn kill_word_left(&mut self) {
        self.kill(self.word_start(), self.cursor);
    }

    /// Kills to the end of this word or the next.
    pub fn kill_word_right(&mut self) {
        self.kill(self.cursor, self.word_end());
    }

    /// Kills all before the cursor.
    pub fn kill_to_start(&mut self) {
        self.kill(0, self.cursor);
    }

    /// Kills all behind the cursor.
    pub fn kill_to_end(&mut self) {
        self.kill(self.cursor, self.text.len());
    }

    /// Puts in what was killed last; says whether there was room.
    pub fn yank(&mut self) -> bool {
        let killed = std::mem::take(&mut self.killed);
        let fits = self.insert(&killed);
        self.killed = killed;
        fits
    }

    /// The characters on both sides of the cursor change places; at the end, the last two.
    pub fn transpose(&mut self) {
        self.killing = false;
        let end = self.after(self.cursor);
        let middle = self.before(end);
        let start = self.before(middle);
        if start < middle && middle < end {
            let first = self.text[start..middle].to_owned();
            let moved = format!("{}{first}", &self.text[middle..end]);
            self.text.replace_range(start..end, &moved);
            self.cursor = self.boundary_from(end);
        }
        self.check();
    }

    fn go(&mut self, place: usize) {
        self.killing = false;
        self.cursor = place;
        self.check();
    }

    fn remove(&mut self, start: usize, end: usize) {
        self.text.replace_range(start..end, "");
        self.cursor = self.boundary_from(start);
        self.check();
    }

    /// Kills in a row are yanked as one.
    fn kill(&mut self, start: usize, end: usize) {
        let piece = &self.text[start..end];
        if !self.killing {
            self.killed = piece.to_owned();
        } else if start < self.cursor {
            self.killed.insert_str(0, piece);
        } else {
            self.killed.push_str(piece);
        }
        self.remove(start, end);
        self.killing = true;
    }

    fn before(&self, place: usize) -> usize {
        self.text[..place].grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }

    fn after(&self, place: usize) -> usize {
        place + self.text[place..].graphemes(true).next().map_or(0, str::len)
    }

    /// The first place from here on that is between two whole characters.
    fn boundary_from(&self, place: usize) -> usize {
        let mut cursor = GraphemeCursor::new(place, self.text.len(), true);
        match cursor.is_boundary(&self.text, 0) {
            Ok(false) => cursor.next_boundary(&self.text, 0).ok().flatten(),
            _ => Some(place),
        }
        .unwrap_or(self.text.len())
    }

    fn word_start(&self) -> usize {
        let mut clusters = self.text[..self.cursor].grapheme_indices(true).rev().peekable();
        let mut start = self.cursor;
        while let Some((at, _)) = clusters.next_if(|(_, cluster)| !is_of_word(cluster)) {
            start = at;
        }
        while let Some((at, _)) = clusters.next_if(|(_, cluster)| is_of_word(cluster)) {
            start = at;
        }
        start
    }

    fn word_end(&self) -> usize {
        let mut clusters = self.text[self.cursor..].graphemes(true).peekable();
        let mut end = self.cursor;
        while let Some(cluster) = clusters.next_if(|cluster| !is_of_word(cluster)) {
            end += cluster.len();
        }
        while let Some(cluster) = clusters.next_if(|cluster| is_of_word(cluster)) {
            end += cluster.len();
        }
        end
    }

    fn check(&self) {
        debug_assert!(self.text.len() <= LINE_BYTES_MAX);
        debug_assert_eq!(self.boundary_from(self.cursor), self.cursor);
    }
}

fn is_of_word(cluster: &str) -> bool {
    cluster.starts_with(char::is_alphanumeric)
}

/// What stands in the line for a character: a TAB is a space, what is not safe is nothing.
fn typed(character: char) -> Option<char> {
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
            assert_eq!(after(&text, &[Edit::left, Edit::backspace]), "a|b", "{one}");
            assert_eq!(after(&text, &[Edit::left, Edit::left, Edit::delete]), "a|b", "{one}");
        }
    }

    #[test]
    fn a_mark_joins_the_character_before_it() {
        let mut edit = typed_line("eb");
        edit.left();
        edit.insert("\u{301}");
        assert_eq!(seen(&edit), "e\u{301}|b");
        edit.home();
        edit.insert("x");
        edit.delete();
        assert_eq!(seen(&edit), "x|b");
    }

    #[test]
    fn a_letter_before_a_mark_takes_the_cursor_behind_both() {
        let mut edit = typed_line("\u{301}b");
        edit.home();
        edit.insert("e");
        assert_eq!(seen(&edit), "e\u{301}|b");
    }

    #[test]
    fn words_are_letters_and_digits() {
        assert_eq!(after("one two-three 넷", &[Edit::word_left]), "one two-three |넷");
        assert_eq!(after("one two-three ", &[Edit::word_left]), "one two-|three ");
        assert_eq!(after("one two", &[Edit::home, Edit::word_right]), "one| two");
        assert_eq!(after("one two", &[Edit::home, Edit::kill_word_right]), "| two");
        assert_eq!(after("a two-three", &[Edit::kill_word_left]), "a two-|");
    }

    #[test]
    fn ctrl_w_goes_back_to_the_blank() {
        assert_eq!(after("a two-three ", &[Edit::rub_out_word]), "a |");
        assert_eq!(after("a　한국어", &[Edit::rub_out_word]), "a　|");
        assert_eq!(after("", &[Edit::rub_out_word]), "|");
    }

    #[test]
    fn what_was_killed_is_yanked() {
        let deeds: &[fn(&mut Edit)] = &[Edit::word_left, Edit::kill_to_start, Edit::end];
        let mut edit = typed_line("one two");
        deeds.iter().for_each(|deed| deed(&mut edit));
        assert!(edit.yank() && edit.yank());
        assert_eq!(seen(&edit), "twoone one |");
    }

    #[test]
    fn kills_in_a_row_are_one() {
        let mut edit = typed_line("one two three");
        edit.rub_out_word();
        edit.rub_out_word();
        edit.yank();
        assert_eq!(seen(&edit), "one two three|");
        edit.left();
        edit.rub_out_word();
        edit.kill_to_end();
        edit.yank();
        assert_eq!(seen(&edit), "one two three|");
    }

    #[test]
    fn characters_change_places() {
        assert_eq!(after("한글", &[Edit::transpose]), "글한|");
        assert_eq!(after("abc", &[Edit::left, Edit::transpose]), "acb|");
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
        (0..6).for_each(|_| edit.left());
        assert!(edit.replace_back_to(3, "bobby"));
        assert_eq!(seen(&edit), "hi bobby| there");
    }

    /// All deeds by number.
    const DEEDS: [fn(&mut Edit); 17] = [
        Edit::left,
        Edit::right,
        Edit::home,
        Edit::end,
        Edit::word_left,
        Edit::word_right,
        Edit::backspace,
        Edit::delete,
        Edit::rub_out_word,
        Edit::kill_word_left,
        Edit::kill_word_right,
        Edit::kill_to_start,
        Edit::kill_to_end,
        |edit| {
            edit.yank();
        },
        Edit::transpose,
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
