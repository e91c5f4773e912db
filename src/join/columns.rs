//! How wide text is, and how much of it fits.
//!
//! A whole character (grapheme cluster, UAX #29) is never split. Terminals differ in the width of
//! some characters: one that knows joined emoji draws a family in two columns, another in six. A
//! width here is the widest that a terminal may draw. So text that fits by this count fits on every
//! terminal. Letters that some East Asian fonts draw in two columns are the exception, Cyrillic
//! among them. Nearly every terminal draws them in one.
//!
//! This file knows text and numbers. It never knows the terminal or the purpose of the text.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The sign for text that was left out.
const CUT: &str = "…";

/// The most columns that a whole character takes.
pub fn width_of_one(cluster: &str) -> usize {
    let apart = cluster.chars().map(|character| character.width().unwrap_or(0)).sum();
    cluster.width().max(apart)
}

/// The most columns that text takes.
pub fn width(text: &str) -> usize {
    text.graphemes(true).map(width_of_one).sum()
}

/// The beginning of `text` that fits in this many columns.
pub fn beginning(text: &str, columns: usize) -> &str {
    &text[..bytes_within(text.graphemes(true), columns)]
}

/// The end of `text` that fits in this many columns.
pub fn end(text: &str, columns: usize) -> &str {
    &text[text.len() - bytes_within(text.graphemes(true).rev(), columns)..]
}

/// The length of the first whole characters that fit in this many columns.
fn bytes_within<'a>(clusters: impl Iterator<Item = &'a str>, mut columns: usize) -> usize {
    let fitting = clusters.map_while(|cluster| {
        columns = columns.checked_sub(width_of_one(cluster))?;
        Some(cluster.len())
    });
    fitting.sum()
}

/// `text` if it fits, or its beginning with `…` behind it.
pub fn shortened(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    format!("{}{CUT}", beginning(text, columns.saturating_sub(width(CUT))))
}

/// The visible part of a long line. The cursor is always in it.
///
/// `first` is the byte of the text where the visible part begins. It moves as little as possible.
#[derive(Debug, Default)]
pub struct View {
    first: usize,
}

impl View {
    /// The visible part of `text`, split at the cursor, in this many columns. One column is kept
    /// for the cursor itself. `cursor` is a byte of the text, between two whole characters.
    pub fn of<'a>(&mut self, text: &'a str, cursor: usize, columns: usize) -> (&'a str, &'a str) {
        let room = columns.saturating_sub(1);
        let (before, behind) = text.split_at(cursor);
        let is_seen = |view: &View| {
            before.get(view.first..).is_some_and(|seen| width(seen) <= room)
                && text.grapheme_indices(true).any(|(at, _)| at == view.first)
        };
        if width(text) <= room {
            self.first = 0;
        } else if !is_seen(self) || self.first == cursor {
            // A third of the row stays, so the next keys do not move it again.
            self.first = cursor - end(before, room - room / 3).len();
        }
        let before = &before[self.first..];
        (before, beginning(behind, room.saturating_sub(width(before))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_syllable_is_two_columns_however_it_is_written() {
        assert_eq!((width("한국어"), width("이")), (6, 2));
        assert_eq!(width("\u{1112}\u{1161}\u{11ab}"), 2);
        assert_eq!((width("e\u{301}"), width("é")), (1, 1));
        assert_eq!((width("日本"), width("ﾊﾝ"), width("🙂")), (4, 2, 2));
    }

    #[test]
    fn what_terminals_do_not_agree_on_is_taken_as_its_widest() {
        assert_eq!(width("👨\u{200d}👩\u{200d}👧"), 6);
        assert_eq!(width("❤\u{fe0f}"), 2);
    }

    #[test]
    fn a_character_that_does_not_fit_is_left_out_whole() {
        assert_eq!((beginning("한국어", 5), end("한국어", 5)), ("한국", "국어"));
        assert_eq!((beginning("xe\u{301}y", 2), end("xe\u{301}y", 1)), ("xe\u{301}", "y"));
        assert_eq!(
            (shortened("한국어", 6), shortened("한국어", 5)),
            ("한국어".into(), "한국…".into())
        );
    }

    #[test]
    fn a_short_line_is_seen_whole() {
        assert_eq!(View::default().of("hello", 2, 6), ("he", "llo"));
    }

    #[test]
    fn a_long_line_is_seen_about_its_cursor() {
        let mut view = View::default();
        assert_eq!(view.of("0123456789", 10, 7), ("6789", ""));
        assert_eq!(view.of("0123456789", 7, 7), ("6", "789"));
        assert_eq!(view.of("0123456789", 5, 7), ("1234", "56"));
        assert_eq!(view.of("0123456789", 0, 7), ("", "012345"));
    }

    fn text() -> impl Strategy<Value = String> {
        "[a-z한국\u{301}\u{1112}\u{1161}👨👩\u{200d}❤\u{fe0f} ]{0,40}"
    }

    /// A place between two whole characters.
    fn place(text: &str, index: prop::sample::Index) -> usize {
        let mut places: Vec<usize> = text.grapheme_indices(true).map(|(at, _)| at).collect();
        places.push(text.len());
        places[index.index(places.len())]
    }

    proptest! {
        #![proptest_config(crate::cases())]

        #[test]
        fn what_is_cut_fits_and_no_more_would(text in text(), columns in 0_usize..30) {
            let (beginning, end) = (beginning(&text, columns), end(&text, columns));
            prop_assert!(width(beginning) <= columns && width(end) <= columns);
            let next = text[beginning.len()..].graphemes(true).next();
            prop_assert!(next.is_none_or(|next| width(beginning) + width_of_one(next) > columns));
            let last = text[..text.len() - end.len()].graphemes(true).next_back();
            prop_assert!(last.is_none_or(|last| width(end) + width_of_one(last) > columns));
        }

        #[test]
        fn the_view_fits_and_the_cursor_is_in_it(
            text in text(),
            moves in prop::collection::vec(any::<prop::sample::Index>(), 1..8),
            columns in 1_usize..30,
        ) {
            let mut view = View::default();
            for index in moves {
                let cursor = place(&text, index);
                let (before, behind) = view.of(&text, cursor, columns);
                prop_assert!(width(before) + width(behind) < columns);
                prop_assert!(text[..cursor].ends_with(before));
                prop_assert!(text[cursor..].starts_with(behind));
                if width(&text) < columns {
                    prop_assert_eq!(format!("{before}{behind}"), text.clone());
                }
            }
        }
    }
}
