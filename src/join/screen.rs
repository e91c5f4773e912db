//! The bytes that print the conversation above and keep the prompt at the bottom.
//!
//! The rules of this file:
//!
//! - At the bottom is the *area*: a few notes, then the prompt with the line that is typed, each on
//!   one row. All above it belongs to the terminal. A line is printed once, in the rows that
//!   [`wrap`](super::wrap) made of it, and never changed. So the terminal scrolls back and copies
//!   it as usual.
//! - The last column stays empty: terminals differ in where the cursor goes after it.
//! - The cursor is restored to where the terminal had it after the text before it. A computed
//!   column could be wrong, because terminals differ in the width of some characters. Autowrap is
//!   off while the area is drawn. So no row of the area becomes two on any terminal.
//! - Nothing above the area is ever erased. After a resize a terminal may have wrapped the area
//!   again, as tmux does, or not, as xterm does not. A lower one may have cut off the area, as mosh
//!   does. The client asks which terminal it is. It may leave rows of the old area, or all of it,
//!   but never erases a row too many.
//! - Erased text is gone, from the scrollback too: it may be a password.
//!
//! It returns bytes. It never knows the terminal or the user, and takes the present moment as a
//! parameter.

use std::time::{Duration, Instant};

use super::columns::{beginning, shortened};
use super::paint::{DIM, Paint};
use super::wrap::rows;

/// The columns of a terminal that does not know its size.
const COLUMNS_USUAL: usize = 80;
const ROWS_USUAL: usize = 24;

/// The notes take at most this share of the rows, so the conversation stays visible.
const NOTES_SHARE: usize = 3;

/// A window that is dragged has many sizes, and each may leave a row behind. So the area is drawn
/// again only after the size was the same for this long.
const STILL: Duration = Duration::from_millis(100);

/// Secondary DA: asks which terminal it is.
const WHICH: &str = "\x1b[>c";

/// Erases a row, and all below it from the second column on. tmux copies a screen to its scrollback
/// first if it is erased from its very top.
const ERASE_ROWS: &str = "\x1b[K\x1b[C\x1b[J\r";
const WRAP_OFF: &str = "\x1b[?7l";
const WRAP_ON: &str = "\x1b[?7h";
const SAVE_CURSOR: &str = "\x1b7";
const RESTORE_CURSOR: &str = "\x1b8";

/// The notes and the prompt at the bottom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Area {
    /// The notes above the prompt. One that does not fit in a row is shortened.
    pub notes: Vec<String>,
    /// The prompt itself.
    pub prompt: String,
    /// The visible part of the line before the cursor.
    pub before: String,
    /// The visible part of the line behind the cursor.
    pub behind: String,
}

/// The terminal as the client left it.
#[derive(Debug, Default)]
pub struct Screen {
    columns: usize,
    rows: usize,
    paint: Paint,
    /// The area on the terminal. `None` if there is none, with the cursor at the beginning of a
    /// row.
    drawn: Option<Area>,
    /// How many rows the cursor is below the first row of the area.
    below: usize,
    /// Until when the size may change again.
    still_at: Option<Instant>,
    /// Whether there was another size since the area was drawn.
    resized: bool,
    /// Whether the terminal is known to scroll when it becomes lower, so that the cursor stays in
    /// its line. Any other may cut off the lowest rows, and the cursor is then in another line.
    pub scrolls: bool,
}

impl Screen {
    /// A terminal on which nothing is drawn. A size of 0 means that it is not known.
    pub fn new(size: (usize, usize), paint: Paint) -> Screen {
        let mut screen = Screen { paint, ..Screen::default() };
        screen.set_size(size);
        screen
    }

    /// The most columns of a row of the area.
    pub fn room(&self) -> usize {
        self.columns.saturating_sub(1).max(1)
    }

    /// The most notes.
    pub fn notes_max(&self) -> usize {
        (self.rows / NOTES_SHARE).max(1)
    }

    /// Notes that the terminal has another size, and asks which one it is. In one that scrolls each
    /// note still has a row, or several if it was wrapped again. So `below` leads to the first row
    /// of the area or to one behind it.
    pub fn resize(&mut self, size: (usize, usize), now: Instant, out: &mut Vec<u8>) {
        self.set_size(size);
        out.extend_from_slice(WHICH.as_bytes());
        self.resized = true;
        // The area no longer looks as it was drawn, so it must be drawn again.
        self.drawn = self.drawn.take().map(|_| Area::default());
        self.still_at = Some(now + STILL);
    }

    fn set_size(&mut self, (columns, rows): (usize, usize)) {
        self.columns = if columns == 0 { COLUMNS_USUAL } else { columns };
        self.rows = if rows == 0 { ROWS_USUAL } else { rows };
    }

    /// When to call [`Screen::draw`], though there is nothing else to draw.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.drawn.as_ref().and(self.still_at)
    }

    /// Prints a line above the area, in as many rows as it needs.
    pub fn print(&mut self, line: &str, out: &mut Vec<u8>) {
        self.erase(out);
        for row in rows(line, self.columns) {
            out.extend_from_slice(row.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Draws the area, unless it is there already or the size may change again.
    pub fn draw(&mut self, mut area: Area, now: Instant, out: &mut Vec<u8>) {
        self.still_at.take_if(|at| *at <= now);
        if self.next_deadline().is_some() {
            return;
        }
        let room = self.room();
        // A note without a row would push the prompt into the scrollback.
        area.notes.drain(..area.notes.len().saturating_sub(self.rows - 1));
        area.notes.iter_mut().for_each(|note| *note = shortened(note, room));
        area.prompt = beginning(&area.prompt, room).to_owned();
        if self.drawn.as_ref() == Some(&area) {
            return;
        }
        self.erase(out);
        let mut text = WRAP_OFF.to_owned();
        for note in &area.notes {
            text.extend([&self.paint.styled(DIM, note), "\r\n"]);
        }
        text.extend([&area.prompt, &area.before, SAVE_CURSOR, &area.behind, RESTORE_CURSOR]);
        text.push_str(WRAP_ON);
        out.extend_from_slice(text.as_bytes());
        self.below = area.notes.len();
        self.drawn = Some(area);
    }

    /// Erases the area. The cursor is then where the area began. If the cursor may be in a line of
    /// the conversation, it goes below that instead.
    pub fn erase(&mut self, out: &mut Vec<u8>) {
        let (is_drawn, below) = (self.drawn.take().is_some(), std::mem::take(&mut self.below));
        if std::mem::take(&mut self.resized) && !self.scrolls {
            out.extend_from_slice(b"\r\n");
        } else if is_drawn {
            let up = if below > 0 { format!("\x1b[{below}A") } else { String::new() };
            out.extend_from_slice(format!("\r{up}{ERASE_ROWS}").as_bytes());
        }
    }

    /// Clears the screen, the area first: the terminal may keep the rest in its scrollback.
    pub fn clear(&mut self, out: &mut Vec<u8>) {
        self.erase(out);
        out.extend_from_slice(b"\x1b[H\x1b[2J");
    }

    /// Another program has written on the terminal: only the cursor's row of the area is known.
    pub fn forget(&mut self) {
        (self.drawn, self.below) = (Some(Area::default()), 0);
        (self.still_at, self.resized) = (None, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A terminal and the bytes for it.
    struct Scene {
        screen: Screen,
        terminal: vt100::Parser,
    }

    fn terminal(rows: u16, columns: u16) -> vt100::Parser {
        vt100::Parser::new(rows.try_into().unwrap(), columns.try_into().unwrap(), 0)
    }

    impl Scene {
        fn new(columns: u16, rows: u16) -> Scene {
            let screen = Screen::new((columns.into(), rows.into()), Paint::default());
            Scene { screen, terminal: terminal(rows, columns) }
        }

        fn write(&mut self, deed: impl FnOnce(&mut Screen, &mut Vec<u8>)) {
            let mut out = Vec::new();
            deed(&mut self.screen, &mut out);
            self.terminal.process(&out);
        }

        fn print(&mut self, line: &str) {
            self.write(|screen, out| screen.print(line, out));
        }

        fn draw(&mut self, notes: &[&str], before: &str, behind: &str) {
            let area = area(notes, before, behind);
            self.write(|screen, out| screen.draw(area, Instant::now(), out));
        }

        fn rows(&self) -> Vec<String> {
            let screen = self.terminal.screen();
            let rows = screen.rows(0, screen.size().1.into()).map(|row| row.trim_end().to_owned());
            rows.filter(|row| !row.is_empty()).collect()
        }

        fn cursor_column(&self) -> u16 {
            self.terminal.screen().cursor_position().1
        }
    }

    fn area(notes: &[&str], before: &str, behind: &str) -> Area {
        Area {
            notes: notes.iter().map(|note| (*note).to_owned()).collect(),
            prompt: ">> ".to_owned(),
            before: before.to_owned(),
            behind: behind.to_owned(),
        }
    }

    #[test]
    fn lines_come_above_the_prompt_and_what_is_typed_stays() {
        let mut scene = Scene::new(20, 10);
        scene.draw(&[], "hel", "lo");
        scene.print("bob: one");
        scene.draw(&[], "hel", "lo");
        scene.print("bob: two");
        scene.draw(&[], "hel", "lo");
        assert_eq!(scene.rows(), ["bob: one", "bob: two", ">> hello"]);
        assert_eq!(scene.cursor_column(), 6);
    }

    #[test]
    fn notes_go_when_they_are_no_longer_there() {
        let mut scene = Scene::new(20, 10);
        scene.print("bob: one");
        scene.draw(&["pending", "more"], "x", "");
        assert_eq!(scene.rows(), ["bob: one", "pending", "more", ">> x"]);
        scene.print("me: pending");
        scene.draw(&["more"], "x", "");
        assert_eq!(scene.rows(), ["bob: one", "me: pending", "more", ">> x"]);
        scene.write(Screen::erase);
        assert_eq!(scene.rows(), ["bob: one", "me: pending"]);
    }

    #[test]
    fn a_line_as_wide_as_the_terminal_leaves_no_gap() {
        let mut scene = Scene::new(10, 6);
        scene.draw(&[], "", "");
        scene.print("0123456789");
        scene.print("0123456789abc");
        scene.draw(&["0123456789"], "", "");
        assert_eq!(scene.rows(), ["0123456789", "0123456789", "  abc", "01234567…", ">>"]);
    }

    /// Any number of columns stand before it, in any characters.
    #[test]
    fn what_someone_says_never_stands_where_a_line_begins() {
        const FORGED: &str = "* server shutting down";
        for filler in ["x", "한", "e\u{301}", "👩\u{200d}👧", "\u{a0}", "x "] {
            for count in 0..80 {
                let mut scene = Scene::new(40, 20);
                let said = format!("bob: {}", filler.repeat(count));
                scene.print(&format!("{said}{FORGED}"));
                scene.print(&format!("{said} {FORGED}"));
                scene.draw(&[], "", "");
                let rows = scene.rows();
                let (prompt, rows) = rows.split_last().unwrap();
                let begins = |row: &String| row.starts_with("bob:") || row.starts_with("  ");
                assert!(rows.iter().all(begins), "{rows:#?}");
                assert_eq!(prompt, ">>");
            }
        }
    }

    #[test]
    fn the_cursor_stands_behind_wide_characters() {
        let mut scene = Scene::new(20, 5);
        scene.draw(&[], "한국", "어");
        assert_eq!((scene.rows().concat(), scene.cursor_column()), (">> 한국어".to_owned(), 7));
    }

    #[test]
    fn the_conversation_scrolls_and_the_prompt_stays_at_the_bottom() {
        let mut scene = Scene::new(20, 4);
        for number in 0..20 {
            scene.print(&format!("line {number}"));
            scene.draw(&["note"], "x", "");
        }
        assert_eq!(scene.rows(), ["line 18", "line 19", "note", ">> x"]);
    }

    #[test]
    fn a_cleared_screen_shows_the_prompt_alone_at_its_top() {
        let mut scene = Scene::new(20, 10);
        scene.print("bob: one");
        scene.draw(&["note"], "x", "");
        scene.write(Screen::clear);
        scene.draw(&["note"], "x", "");
        assert_eq!(scene.rows(), ["note", ">> x"]);
        assert_eq!(scene.terminal.screen().cursor_position().0, 1);
    }

    #[test]
    fn what_stands_there_is_not_drawn_again() {
        let (mut screen, now) = (Screen::new((20, 5), Paint::default()), Instant::now());
        let mut out = Vec::new();
        screen.draw(area(&["a"], "x", ""), now, &mut out);
        out.clear();
        screen.draw(area(&["a"], "x", ""), now, &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn a_terminal_of_no_size_is_taken_for_a_usual_one() {
        assert_eq!(Screen::new((0, 0), Paint::default()).room(), 79);
        assert_eq!(Screen::new((1, 1), Paint::default()).room(), 1);
    }

    proptest! {
        #![proptest_config(crate::cases())]

        /// After any prints and draws, the terminal shows the lines in order, then the area.
        #[test]
        fn nothing_is_lost_or_left_behind(
            deeds in prop::collection::vec(
                ("[a-z한]{1,30}", prop::collection::vec("[a-z한]{1,30}", 0..3), "[a-z한]{0,4}"),
                1..6,
            ),
        ) {
            let mut scene = Scene::new(20, 40);
            let mut expected = terminal(40, 20);
            let mut all = String::new();
            for (line, notes, typed) in &deeds {
                scene.print(line);
                let notes: Vec<&str> = notes.iter().map(String::as_str).collect();
                scene.draw(&notes, typed, "");
                rows(line, 20).iter().for_each(|row| all += &format!("{row}\r\n"));
            }
            let (_, notes, typed) = &deeds[deeds.len() - 1];
            notes.iter().for_each(|note| all += &format!("{}\r\n", shortened(note, 19)));
            expected.process(format!("{all}>> {typed}").as_bytes());
            prop_assert_eq!(scene.terminal.screen().contents(), expected.screen().contents());
        }
    }
}
