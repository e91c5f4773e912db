//! A terminal as a value: what it shows of what is written to it.
//!
//! `vt100` lacks four things that it has: a resize as real terminals do it, a scrollback, widths of
//! its own, and autowrap that can be off. It knows only the sequences that the client writes.

use std::iter::repeat_n;

/// What happens to rows when the terminal has another width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewrap {
    /// They are cut off, as in xterm, mosh and the console.
    Never,
    /// A row that is too long becomes two. A cursor behind the last of the text stays in a full
    /// row, as in tmux.
    CursorStays,
    /// The same, but such a cursor goes to the next row.
    CursorGoesOn,
}

/// The differences between terminals.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub rewrap: Rewrap,
    /// Whether a lower terminal scrolls until its cursor is in sight. Otherwise it cuts off its
    /// lowest rows, as mosh does.
    pub scrolls: bool,
    /// Whether erasing all from the very top copies it to the scrollback first, as in tmux.
    pub keeps_what_is_erased: bool,
    /// How many columns a character takes.
    pub width: fn(char) -> usize,
}

/// A row, and whether the next one continues it.
#[derive(Clone, Debug, Default)]
struct Row {
    /// A character with its marks, or nothing in the second column of a wide one.
    cells: Vec<String>,
    goes_on: bool,
}

impl Row {
    fn text(&self) -> String {
        self.cells.concat().trim_end().to_owned()
    }

    fn put(&mut self, column: usize, text: &str, width: usize) {
        let missing = (column + width).saturating_sub(self.cells.len());
        self.cells.extend(repeat_n(" ".to_owned(), missing));
        self.cells[column] = text.to_owned();
        self.cells[column + 1..column + width].fill(String::new());
    }

    fn erase_from(&mut self, column: usize) {
        self.cells.truncate(column);
        self.goes_on = false;
    }
}

/// The terminal.
///
/// `rows.len() >= height`. The last `height` rows are visible, the others are the scrollback.
#[derive(Debug)]
pub struct Model {
    kind: Kind,
    width: usize,
    height: usize,
    rows: Vec<Row>,
    /// The row, counted from the first one of the scrollback, and the column.
    cursor: (usize, usize),
    saved: (usize, usize),
    /// Whether the next character goes to the next row.
    is_full: bool,
    pub wraps: bool,
}

impl Model {
    pub fn new(kind: Kind, width: usize, height: usize) -> Model {
        let rows = vec![Row::default(); height];
        let (cursor, saved) = ((0, 0), (0, 0));
        Model { kind, width, height, rows, cursor, saved, is_full: false, wraps: true }
    }

    /// All rows, the scrollback too, without empty ones.
    pub fn text(&self) -> Vec<String> {
        self.rows.iter().map(Row::text).filter(|row| !row.is_empty()).collect()
    }

    /// The rows that scrolled out of sight.
    pub fn scrollback(&self) -> Vec<String> {
        self.rows[..self.top()].iter().map(Row::text).collect()
    }

    /// The column of the cursor.
    pub fn column(&self) -> usize {
        self.cursor.1
    }

    /// Takes in whole characters and whole escape sequences.
    pub fn write(&mut self, bytes: &[u8]) {
        let mut rest = std::str::from_utf8(bytes).unwrap();
        while let Some(first) = rest.chars().next() {
            let length = if first == '\x1b' { sequence_length(rest) } else { first.len_utf8() };
            let (piece, behind) = rest.split_at(length);
            match first {
                '\x1b' => self.obey(&piece[1..]),
                '\r' => self.move_to(self.cursor.0, 0),
                '\n' => self.feed(),
                '\x07' => {}
                _ => self.put(first),
            }
            rest = behind;
        }
    }

    fn obey(&mut self, sequence: &str) {
        let (row, column) = self.cursor;
        let parameter = sequence.trim_start_matches('[').trim_end_matches(char::is_alphabetic);
        let count = parameter.parse().unwrap_or(1);
        let last_row = self.top() + self.height - 1;
        match sequence.trim_start_matches(|c: char| c == '[' || c == ';' || c.is_ascii_digit()) {
            "" if sequence == "7" => self.saved = (row - self.top(), column),
            "" => self.move_to(self.top() + self.saved.0, self.saved.1),
            "A" => self.move_to(row.saturating_sub(count).max(self.top()), column),
            "B" => self.move_to((row + count).min(last_row), column),
            "C" => self.move_to(row, (column + count).min(self.width - 1)),
            "H" => self.move_to(self.top(), 0),
            "J" if parameter == "2" => self.erase_below((self.top(), 0)),
            "J" => self.erase_below((row, column)),
            "K" => self.rows[row].erase_from(column),
            ">c" => {}
            "?7l" => self.wraps = false,
            "?7h" => self.wraps = true,
            "m" => {}
            other => panic!("the model does not know {other:?}"),
        }
    }

    fn top(&self) -> usize {
        self.rows.len() - self.height
    }

    fn move_to(&mut self, row: usize, column: usize) {
        (self.cursor, self.is_full) = ((row, column), false);
    }

    fn feed(&mut self) {
        if self.cursor.0 + 1 == self.rows.len() {
            self.rows.push(Row::default());
        }
        self.move_to(self.cursor.0 + 1, self.cursor.1);
    }

    fn put(&mut self, character: char) {
        let width = (self.kind.width)(character);
        let (row, column) = self.cursor;
        if width == 0 {
            let before = self.rows[row].cells[..column].iter_mut();
            return before.rev().find(|cell| !cell.is_empty()).unwrap().push(character);
        }
        if self.wraps && (self.is_full || column + width > self.width) {
            self.rows[row].goes_on = true;
            self.feed();
            self.cursor.1 = 0;
        }
        let (row, column) = (self.cursor.0, self.cursor.1.min(self.width - width));
        self.rows[row].put(column, &character.to_string(), width);
        self.move_to(row, (column + width).min(self.width - 1));
        self.is_full = column + width == self.width;
    }

    fn erase_below(&mut self, (row, column): (usize, usize)) {
        if self.kind.keeps_what_is_erased && (row, column) == (self.top(), 0) {
            let used = self.rows.iter().rposition(|row| !row.cells.is_empty());
            let seen = used.map_or(0, |last| (last + 1).saturating_sub(self.top()));
            self.rows.extend(repeat_n(Row::default(), seen));
            self.cursor.0 += seen;
            return;
        }
        self.rows[row].erase_from(column);
        self.rows[row + 1..].iter_mut().for_each(|row| row.erase_from(0));
    }

    /// Resizes the terminal.
    pub fn resize(&mut self, width: usize, height: usize) {
        self.width = width;
        if !self.kind.scrolls {
            let top = self.top();
            self.rows.truncate(top + height);
            self.cursor.0 = self.cursor.0.min(top + height - 1);
            self.rows.resize(top + height, Row::default());
        }
        match self.kind.rewrap {
            Rewrap::Never => self.rows.iter_mut().for_each(|row| row.cells.truncate(width)),
            _ => self.wrap_again(),
        }
        self.cursor.1 = self.cursor.1.min(width - 1);
        self.is_full = false;
        // The empty rows below the cursor go first, and then the others.
        while self.rows.len() > self.cursor.0 + 1 {
            let is_empty = self.rows.last().is_some_and(|row| row.cells.is_empty());
            if !is_empty && self.rows.len() <= self.cursor.0 + height {
                break;
            }
            self.rows.pop();
        }
        let missing = height.saturating_sub(self.rows.len());
        self.rows.extend(repeat_n(Row::default(), missing));
        self.height = height;
    }

    fn wrap_again(&mut self) {
        let (mut rows, mut cursor) = (Vec::new(), (0, 0));
        let mut at = 0;
        while at < self.rows.len() {
            let first = rows.len();
            let mut line = Vec::new();
            let mut cursor_in_line = None;
            loop {
                let row = &self.rows[at];
                let is_cursors = at == self.cursor.0;
                cursor_in_line = cursor_in_line.or(is_cursors.then(|| line.len() + self.cursor.1));
                line.extend(row.cells.iter().cloned());
                at += 1;
                if !row.goes_on || at == self.rows.len() {
                    break;
                }
            }
            rows.extend(wrapped(&line, self.width));
            if let Some(place) = cursor_in_line {
                cursor = place_in(&rows[first..], place);
                cursor.0 += first;
            }
        }
        let is_behind = cursor.1 >= self.width;
        if is_behind && self.kind.rewrap == Rewrap::CursorGoesOn {
            rows.insert(cursor.0 + 1, Row::default());
            rows[cursor.0].goes_on = true;
            cursor = (cursor.0 + 1, 0);
        }
        (self.rows, self.cursor) = (rows, cursor);
    }
}

/// The rows of a line. A wide character is not split.
fn wrapped(line: &[String], width: usize) -> Vec<Row> {
    let mut rows = vec![Row::default()];
    for (at, cell) in line.iter().enumerate() {
        let is_wide = line.get(at + 1).is_some_and(String::is_empty);
        let used = rows.last().map_or(0, |row| row.cells.len());
        if !cell.is_empty() && used + 1 + usize::from(is_wide) > width {
            rows.last_mut().unwrap().goes_on = true;
            rows.push(Row::default());
        }
        rows.last_mut().unwrap().cells.push(cell.clone());
    }
    rows
}

/// The row and column of a cursor in a line. Behind the text it is in the last row.
fn place_in(rows: &[Row], mut place: usize) -> (usize, usize) {
    for (number, row) in rows.iter().enumerate() {
        if place < row.cells.len() || number + 1 == rows.len() {
            return (number, place);
        }
        place -= row.cells.len();
    }
    (0, 0)
}

fn sequence_length(text: &str) -> usize {
    match text.strip_prefix("\x1b[") {
        Some(body) => 3 + body.find(|c: char| ('@'..='~').contains(&c)).unwrap(),
        None => 2,
    }
}
