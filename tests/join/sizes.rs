//! Terminals that are resized, and terminals that disagree: the screen on a model of each.

use std::time::{Duration, Instant};

use chinwag::join::columns::{beginning, width};
use chinwag::join::paint::Paint;
use chinwag::join::screen::{Area, Screen};
use proptest::prelude::*;

use super::model::{Kind, Model, Rewrap};

const XTERM: Kind =
    Kind { rewrap: Rewrap::Never, scrolls: true, keeps_what_is_erased: false, width: usual };
const TMUX: Kind = Kind { rewrap: Rewrap::CursorStays, keeps_what_is_erased: true, ..XTERM };
const OTHER: Kind = Kind { rewrap: Rewrap::CursorGoesOn, ..XTERM };
const MOSH: Kind = Kind { scrolls: false, ..XTERM };
const KINDS: [Kind; 3] = [XTERM, TMUX, OTHER];

fn usual(character: char) -> usize {
    width(character.encode_utf8(&mut [0; 4]))
}

/// The widths of an East Asian font, on a terminal that does not know emoji.
fn unusual(character: char) -> usize {
    match character {
        'я' | '±' | '…' => 2,
        '🙂' => 1,
        _ => usual(character),
    }
}

/// A screen, and the terminal that shows it.
struct Scene {
    screen: Screen,
    terminal: Model,
    now: Instant,
}

impl Scene {
    fn new(kind: Kind, width: usize, height: usize) -> Scene {
        let terminal = Model::new(kind, width, height);
        let mut screen = Screen::new((width, height), Paint { colored: true, ..Paint::default() });
        screen.scrolls = kind.scrolls;
        Scene { screen, terminal, now: Instant::now() }
    }

    fn write(&mut self, deed: impl FnOnce(&mut Screen, &mut Vec<u8>)) {
        let mut out = Vec::new();
        deed(&mut self.screen, &mut out);
        self.terminal.write(&out);
        assert!(self.terminal.wraps, "autowrap is left off");
    }

    fn print(&mut self, line: &str) {
        self.write(|screen, out| screen.print(line, out));
    }

    fn draw(&mut self, notes: &[&str], before: &str, behind: &str) {
        let notes = notes.iter().map(|note| (*note).to_owned()).collect();
        let prompt = ">> ".to_owned();
        let (before, behind) = (before.to_owned(), behind.to_owned());
        let now = self.now;
        self.write(|screen, out| screen.draw(Area { notes, prompt, before, behind }, now, out));
    }

    /// Lets time pass until the area is drawn in any case.
    fn wait(&mut self) {
        self.now = self.screen.next_deadline().unwrap_or(self.now);
    }

    fn resize(&mut self, width: usize, height: usize) {
        self.terminal.resize(width, height);
        let now = self.now;
        self.write(|screen, out| screen.resize((width, height), now, out));
    }

    /// The lines of the conversation that are still there: each is a `#` with a number. Rows of an
    /// old prompt may stand around them.
    fn lines(&self) -> Vec<String> {
        let all = self.terminal.text().concat();
        let number = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>();
        all.split('#').skip(1).map(|rest| format!("#{}", number(rest))).collect()
    }
}

#[test]
fn no_width_takes_a_line_of_the_conversation() {
    for kind in KINDS {
        for width in 8..100 {
            for typed in [0, 1, 20, 36, 37, 76] {
                let mut scene = Scene::new(kind, 80, 10);
                let lines: Vec<String> = (0..9).map(|number| format!("#{number}")).collect();
                lines.iter().for_each(|line| scene.print(line));
                scene.draw(&[&"p".repeat(70)], &"x".repeat(typed), "");
                scene.resize(width, 10);
                scene.wait();
                scene.draw(&[], "y", "");
                assert_eq!(scene.lines(), lines, "{kind:?} {width} {typed}");
                assert_eq!(scene.terminal.text().last().unwrap(), ">> y");
            }
        }
    }
}

/// A row that is wrapped again, or does not fit, may leave a row behind; nothing else does.
#[test]
fn a_size_that_has_room_leaves_nothing_behind() {
    for kind in KINDS {
        for (width, height) in [(100, 10), (80, 10), (75, 10), (80, 3), (80, 30), (200, 4)] {
            let mut scene = Scene::new(kind, 80, 10);
            scene.print("#1");
            scene.draw(&["pending", "more"], &"x".repeat(60), &"y".repeat(10));
            scene.resize(width, height);
            scene.resize(width + 1, height);
            scene.wait();
            scene.draw(&["pending"], "x", "");
            assert_eq!(scene.terminal.text(), ["#1", "pending", ">> x"], "{kind:?} {width}");
        }
    }
}

#[test]
fn a_terminal_that_cuts_off_rows_or_is_unknown_keeps_every_line() {
    for kind in [MOSH, XTERM, TMUX, OTHER] {
        for (height, notes) in (1..12).flat_map(|height| (0..3).map(move |notes| (height, notes))) {
            for is_printed in [false, true] {
                let mut scene = Scene::new(kind, 40, 10);
                scene.screen.scrolls = false;
                (0..6).for_each(|number| scene.print(&format!("#{number}")));
                scene.draw(&["pending"; 3][..notes], "x", "");
                scene.terminal.resize(40, height);
                // What the terminal itself has cut off is gone.
                let mut lines = scene.lines();
                scene.resize(40, height);
                if is_printed {
                    lines.push("#6".to_owned());
                    scene.print("#6");
                }
                scene.wait();
                scene.draw(&[], "y", "");
                assert_eq!(scene.lines(), lines, "{kind:?} {height} {notes}");
                assert_eq!(scene.terminal.text().last().unwrap(), ">> y");
            }
        }
    }
}

#[test]
fn a_window_that_is_dragged_leaves_no_more_than_one_that_jumps() {
    let mut scene = Scene::new(TMUX, 80, 10);
    let typed = "x".repeat(70);
    scene.draw(&[], &typed, "");
    for width in (50..80).rev() {
        scene.resize(width, 10);
        scene.draw(&[], "as seen in this width", "");
        scene.now += Duration::from_millis(30);
    }
    scene.wait();
    scene.draw(&[], "x", "");
    assert_eq!(scene.terminal.text(), [&format!(">> {}", &typed[3..50]), ">> x"]);
}

#[test]
fn while_a_window_is_dragged_a_line_is_shown_at_once() {
    let mut scene = Scene::new(XTERM, 80, 10);
    scene.draw(&[], "x", "");
    scene.resize(79, 10);
    scene.draw(&[], "later", "");
    assert_eq!(scene.terminal.text(), [">> x"]);
    scene.print("#1");
    scene.draw(&[], "at once", "");
    assert_eq!(scene.terminal.text(), ["#1", ">> at once"]);
}

#[test]
fn what_is_typed_at_the_top_is_in_no_scrollback() {
    let mut scene = Scene::new(TMUX, 40, 10);
    for _ in 0..2 {
        for (at, _) in "secret".char_indices() {
            scene.draw(&[], &"secret"[..=at], "");
        }
        scene.print("#1");
        scene.draw(&["pending"], "secret", "");
        scene.write(Screen::clear);
        scene.draw(&["pending"], "secret", "");
        scene.write(Screen::erase);
    }
    assert_eq!(scene.terminal.text(), ["#1", "#1"]);
    assert_eq!(scene.terminal.scrollback(), ["#1", "#1"]);
}

#[test]
fn in_a_single_row_the_prompt_is_in_no_scrollback() {
    for height in 1..3 {
        let mut scene = Scene::new(XTERM, 40, height);
        for number in 0..5 {
            scene.draw(&["one", "two", "three"], &number.to_string(), "");
        }
        assert_eq!(scene.terminal.scrollback(), Vec::<String>::new());
    }
}

#[test]
fn no_row_of_the_prompt_wraps_whatever_the_terminal_draws() {
    let kind = Kind { width: unusual, ..XTERM };
    for wide in ["я", "±", "🙂", "a±"] {
        let mut scene = Scene::new(kind, 20, 10);
        scene.print("#1");
        let text = wide.repeat(16 / width(wide));
        let (before, behind) = text.split_at(text.len() / 2);
        for _ in 0..3 {
            scene.draw(&[&text, &wide.repeat(40)], before, behind);
            assert_eq!(scene.terminal.text().len(), 4, "{:?}", scene.terminal.text());
            scene.draw(&[], "", "");
            assert_eq!(scene.terminal.text(), ["#1", ">>"]);
        }
    }
}

#[test]
fn the_cursor_is_where_the_terminal_has_it() {
    let mut scene = Scene::new(Kind { width: unusual, ..XTERM }, 40, 10);
    scene.draw(&[], "яя🙂", "яя");
    assert_eq!(scene.terminal.column(), 3 + 5);
}

/// An event of a screen.
#[derive(Clone, Debug)]
enum Deed {
    Print,
    Draw { notes: Vec<String>, before: String, behind: String },
    Resize(usize, usize),
    Wait,
}

fn deed() -> impl Strategy<Value = Deed> {
    let text = || "[a-zя🙂한 ]{0,60}";
    prop_oneof![
        Just(Deed::Print),
        (prop::collection::vec(text(), 0..3), text(), text())
            .prop_map(|(notes, before, behind)| Deed::Draw { notes, before, behind }),
        (8_usize..70, 1_usize..12).prop_map(|(width, height)| Deed::Resize(width, height)),
        Just(Deed::Wait),
    ]
}

proptest! {
    /// For any events of the user, the server and the window.
    #[test]
    fn the_conversation_is_whole_in_every_terminal(
        deeds in prop::collection::vec(deed(), 1..40),
        kind in prop::sample::select([&KINDS[..], &[MOSH]].concat()),
        is_known in any::<bool>(),
        agrees in any::<bool>(),
    ) {
        let kind = if agrees { kind } else { Kind { width: unusual, ..kind } };
        let mut scene = Scene::new(kind, 40, 8);
        scene.screen.scrolls &= is_known;
        let mut lines = Vec::new();
        for (number, deed) in deeds.into_iter().enumerate() {
            match deed {
                Deed::Print => {
                    lines.push(format!("#{number}"));
                    scene.print(lines.last().unwrap());
                }
                Deed::Draw { notes, before, behind } => {
                    // As the seat does it: the visible part of the line fits.
                    let room = scene.screen.room().saturating_sub(3);
                    let before = beginning(&before, room);
                    let left = room - width(before);
                    let behind = beginning(&behind, left);
                    let notes: Vec<&str> = notes.iter().map(String::as_str).collect();
                    scene.draw(&notes, before, behind);
                }
                Deed::Resize(width, height) => {
                    scene.resize(width, height);
                    // What mosh itself has cut off is gone.
                    lines = if kind.scrolls { lines } else { scene.lines() };
                }
                Deed::Wait => scene.wait(),
            }
            prop_assert_eq!(scene.lines(), lines.clone());
        }
    }
}
