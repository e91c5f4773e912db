//! Splits a line that is too long for one row of the terminal.
//!
//! The terminal would continue it at the beginning of the next row. There the rest of a client's
//! line could look like a line of the server. So this file splits the line first:
//!
//! - Every row of a line but the first begins with [`INDENT`].
//! - A word that fits in a row is not split, so an address can be copied. A row may begin and end
//!   between wide characters, such as those of Hangul and Han.
//! - Blanks at the end of a row are left out.
//!
//! It uses the widths of [`columns`](super::columns); a colour has none. It never knows the author
//! of the line.

use unicode_segmentation::UnicodeSegmentation;

use super::columns::width_of_one;

/// The indent of each row that continues a line.
pub const INDENT: &str = "  ";

/// The rows of a line, each of at most this many columns.
pub fn rows(line: &str, columns: usize) -> Vec<String> {
    let mut rows = Rows { columns, rows: vec![String::new()], used: 0, indent: 0, blanks: 0 };
    let (mut word, mut word_width) = (String::new(), 0);
    for (piece, width) in pieces(line) {
        if piece != " " && width <= 1 {
            word.push_str(piece);
            word_width += width;
            continue;
        }
        rows.push(&std::mem::take(&mut word), std::mem::take(&mut word_width));
        match piece {
            " " => rows.blanks += 1,
            wide => rows.push(wide, width),
        }
    }
    rows.push(&word, word_width);
    rows.rows
}

/// The rows that are full, and the one that is being filled.
struct Rows {
    columns: usize,
    rows: Vec<String>,
    /// How many columns of the last row are used, and how many of these by its indent.
    used: usize,
    indent: usize,
    /// The blanks that come next, unless the row ends here.
    blanks: usize,
}

impl Rows {
    /// Adds a piece. It is split only if no row has room for it.
    fn push(&mut self, word: &str, width: usize) {
        if word.is_empty() {
            return;
        }
        if self.used + self.blanks + width <= self.columns || width == 0 {
            self.put_blanks();
            return self.put(word, width);
        }
        if INDENT.len() + width <= self.columns {
            self.begin_row();
            return self.put(word, width);
        }
        self.put_blanks();
        for (piece, width) in pieces(word) {
            if self.used + width > self.columns && self.used > self.indent {
                self.begin_row();
            }
            self.put(piece, width);
        }
    }

    fn begin_row(&mut self) {
        self.rows.push(INDENT.to_owned());
        (self.used, self.indent, self.blanks) = (INDENT.len(), INDENT.len(), 0);
    }

    /// Adds the blanks, as far as there is room.
    fn put_blanks(&mut self) {
        let blanks = self.blanks.min(self.columns.saturating_sub(self.used));
        self.put(&" ".repeat(blanks), blanks);
        self.blanks = 0;
    }

    fn put(&mut self, text: &str, width: usize) {
        if let Some(row) = self.rows.last_mut() {
            row.push_str(text);
            self.used += width;
        }
    }
}

/// Whole characters with their widths; colours and the bell have none.
fn pieces(text: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let color =
            rest.strip_prefix("\x1b[").and_then(|its| Some(its.find('m')? + "\x1b[m".len()));
        let end = color.or_else(|| Some(rest.graphemes(true).next()?.len()))?;
        let (piece, behind) = rest.split_at(end);
        rest = behind;
        Some((piece, if piece.starts_with(char::is_control) { 0 } else { width_of_one(piece) }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ten(line: &str) -> Vec<String> {
        rows(line, 10)
    }

    #[test]
    fn a_line_that_fits_is_one_row() {
        for line in ["", "bob: hi", "0123456789", "a        b", "한국어한국", "* x  "] {
            assert_eq!(ten(line).concat(), line.trim_end());
            assert_eq!(ten(line).len(), 1);
        }
    }

    #[test]
    fn the_rest_of_a_line_is_indented() {
        assert_eq!(ten("bob: see you later"), ["bob: see", "  you", "  later"]);
        assert_eq!(ten("0123456789* server"), ["0123456789", "  * server"]);
    }

    #[test]
    fn a_word_is_parted_only_if_no_row_has_room_for_it() {
        assert_eq!(ten("bob: 12345678 9"), ["bob:", "  12345678", "  9"]);
        assert_eq!(ten("bob: 123456789"), ["bob: 12345", "  6789"]);
        assert_eq!(ten("bob: 123456789012345"), ["bob: 12345", "  67890123", "  45"]);
    }

    #[test]
    fn wide_characters_fill_a_row() {
        assert_eq!(ten("bob: 한국어한국어"), ["bob: 한국", "  어한국어"]);
        assert_eq!(ten("a한국어한국"), ["a한국어한", "  국"]);
        assert_eq!(ten("12345678👩\u{200d}👧ab"), ["12345678", "  👩\u{200d}👧ab"]);
    }

    #[test]
    fn blanks_where_a_row_ends_are_left_out() {
        assert_eq!(ten("123456789        * bob left"), ["123456789", "  * bob", "  left"]);
        assert_eq!(ten("1234567890 * x"), ["1234567890", "  * x"]);
    }

    #[test]
    fn colours_and_the_bell_take_no_room() {
        let colored = "\x1b[31mbob\x1b[0m: 12345\u{7}";
        assert_eq!(ten(colored), [colored]);
        assert_eq!(ten("\x1b[2m* server is full\x1b[0m"), ["\x1b[2m* server", "  is full\x1b[0m"]);
        assert_eq!(ten("\x1b[2m0123456789 \x1b[0m"), ["\x1b[2m0123456789\x1b[0m"]);
    }

    #[test]
    fn a_terminal_without_room_gets_a_character_a_row() {
        assert_eq!(rows("한a", 1), ["한", "  a"]);
        assert_eq!(rows("* a", 0), ["*", "  a"]);
    }

    proptest! {
        #![proptest_config(crate::cases())]

        #[test]
        fn every_row_fits_and_nothing_is_lost_but_blanks(
            line in
                "([a-z*]{1,30}|[한국]{1,9}|\u{1b}\\[[0-9]{1,2}m|👩\u{200d}👧|e\u{301}| {1,8}){0,40}",
            columns in 8_usize..60,
        ) {
            let rows = rows(&line, columns);
            let shown = |row: &str| pieces(row).map(|(_, width)| width).sum::<usize>();
            prop_assert!(rows.iter().all(|row| shown(row) <= columns), "{rows:?}");
            prop_assert!(rows[1..].iter().all(|row| row.starts_with(INDENT)), "{rows:?}");
            prop_assert_eq!(rows.concat().replace(' ', ""), line.replace(' ', ""));
            if shown(&line) <= columns {
                prop_assert_eq!(rows.concat(), line.trim_end_matches(' '));
            }
        }
    }
}
