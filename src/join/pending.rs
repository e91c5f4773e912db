//! The user's own lines on their way: the user's name, and the lines that have no echo yet.
//!
//! The rules of this file:
//!
//! - A line that the user sends is shown once: as the server's echo if there is one, else as it was
//!   typed.
//! - Three things tell the user's name: the greeting, a name that was asked for, and the author of
//!   an echo. A name that a chinwag server has refused is not the user's.
//! - A line of another client is never held back: only an echo under a name of the user's is.
//! - A line that a chinwag server refuses is never shown as one that was said.
//!
//! It never knows the terminal or the socket, and takes the present moment as a parameter.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::said::Said;
use crate::words::command::Command;
use crate::words::names::bare;
use crate::words::notice::Notice;
use crate::words::text::push_safe;

/// How long to wait for an echo, after the last one came or the line was sent.
pub const ECHO_PATIENCE: Duration = Duration::from_secs(2);

/// A server that has sent an echo before gets more time before the client stops waiting.
const ECHO_PATIENCE_KNOWN: Duration = Duration::from_secs(10);

/// The most lines on their way. Beyond that, the oldest is shown as it was typed.
const WAITING_MAX: usize = 256;

/// The most names of the user's that are remembered.
const NAMES_MAX: usize = 8;

/// The user's names. Names are [`bare`].
#[derive(Debug, Default)]
pub struct Me {
    /// All names that the user has or may get, the latest last.
    names: VecDeque<String>,
    /// The user's present name, if it is known.
    current: Option<String>,
    /// Whether it was learned from an echo alone, which may have been another client's line.
    guessed: bool,
}

impl Me {
    /// The user's present name, if it is known.
    pub fn name(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// Whether this is the user's present name.
    pub fn is_now(&self, name: &str) -> bool {
        self.name() == Some(name)
    }

    /// Whether this is, was or may become the user's name.
    pub fn is(&self, name: &str) -> bool {
        self.names.iter().any(|own| own == name)
    }

    /// Notes that the user has asked for this name and may get it.
    pub fn ask(&mut self, name: &str) {
        let name = bare(name);
        self.names.retain(|own| own != name);
        self.names.push_back(name.to_owned());
        self.names.drain(..self.names.len().saturating_sub(NAMES_MAX));
    }

    /// Notes that this is the user's name.
    pub fn be(&mut self, name: &str) {
        self.ask(name);
        self.current = Some(bare(name).to_owned());
    }

    /// Takes in a notice about the user's name. Returns whether the server has given another one.
    pub fn note(&mut self, notice: &Notice<'_>) -> bool {
        match *notice {
            Notice::Welcome { name, .. } => self.be(name),
            Notice::Renamed { from, to } if self.is_now(bare(from)) => {
                self.be(to);
                return true;
            }
            // Another client has the name, or none may.
            Notice::NameTaken { name } | Notice::NameLooksTaken { name } => {
                self.names.retain(|own| own != bare(name));
            }
            _ => {}
        }
        false
    }

    /// Forgets the name: another connection has another one.
    pub fn forget(&mut self) {
        *self = Me::default();
    }
}

/// How an incoming line relates to the lines on their way.
#[derive(Debug, PartialEq, Eq)]
pub enum Echo {
    /// A line of another client, or an unexpected one of the user's: to be shown.
    No,
    /// The user's own line, to be shown instead of the typed one. Before it, these lines are shown:
    /// they were sent earlier and will have no echo.
    Instead(Vec<String>),
    /// The user's own line, which is already shown.
    Shown,
}

/// Whether the server echoes lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Habit {
    #[default]
    Unknown,
    Echoes,
    Silent,
}

/// The lines that have no echo yet.
#[derive(Debug, Default)]
pub struct Pending {
    waiting: VecDeque<String>,
    /// Lines shown as they were typed, because no echo had come. It may still come.
    shown: VecDeque<String>,
    habit: Habit,
    /// When something last happened to the waiting lines.
    since: Option<Instant>,
}

impl Pending {
    /// Notes that a line was sent. What is returned is to be shown at once.
    #[must_use]
    pub fn sent(&mut self, line: &str, now: Instant) -> Vec<String> {
        let command = Command::parse(line);
        if let Command::Echo(on) = command {
            // A command about echoes takes effect before the server answers it.
            self.habit = if on { Habit::Unknown } else { Habit::Silent };
        }
        if self.habit == Habit::Silent || !is_echoed(&command) {
            self.note_shown(line.to_owned());
            return vec![line.to_owned()];
        }
        if self.waiting.is_empty() {
            self.since = Some(now);
        }
        self.waiting.push_back(line.to_owned());
        if self.waiting.len() > WAITING_MAX { self.give_up(1) } else { Vec::new() }
    }

    /// Takes in a line. An echo may tell the user's name.
    pub fn heard(&mut self, line: &str, me: &mut Me, now: Instant) -> Echo {
        let said = &Said::of(line);
        let name = speaker(said);
        let may_be_ours = name.is_some_and(|name| me.is(name) || me.name().is_none());
        let is_echo = |sent: &String| {
            // A bare relay sends what it gets to everyone.
            is_same(sent, line) || (may_be_ours && answers(sent, said))
        };
        if let Some(place) = self.waiting.iter().position(is_echo) {
            if let Some(name) = name.filter(|_| may_be_ours) {
                me.guessed = me.guessed || !me.is(name);
                me.be(name);
            }
            self.habit = Habit::Echoes;
            self.since = Some(now);
            let before = self.give_up(place);
            self.waiting.pop_front();
            return Echo::Instead(before);
        }
        let place = self.shown.iter().position(|line| answers(line, said));
        if let (Some(place), Some(name)) = (place, name.filter(|name| me.is(name))) {
            me.be(name);
            self.habit = Habit::Echoes;
            self.shown.drain(..=place);
            return Echo::Shown;
        }
        Echo::No
    }

    /// Takes in a notice. Returns the line on its way that it refuses, if it does.
    pub fn refused(&mut self, notice: &Notice<'_>) -> Option<String> {
        use Command::{Answer, Message};
        let is_it = |line: &String| match (notice, Command::parse(line)) {
            (Notice::LineTooLong { bytes_max }, _) => line.len() > *bytes_max,
            (Notice::Nobody { name } | Notice::NotDelivered { name }, Message { to, .. }) => {
                bare(name) == bare(to)
            }
            (Notice::PasswordNeeded, _) | (Notice::NobodyToAnswer, Answer(_)) => true,
            (Notice::Muted, command) => matches!(command, Command::Say(_) | Command::Me(_)),
            _ => false,
        };
        let place = self.waiting.iter().position(is_it)?;
        self.waiting.remove(place)
    }

    /// The lines for which no echo has come in time, to be shown as they were typed.
    pub fn overdue(&mut self, me: &mut Me, now: Instant) -> Vec<String> {
        if self.next_deadline().is_none_or(|due| due > now) {
            return Vec::new();
        }
        if me.guessed {
            me.forget();
        }
        self.habit = Habit::Silent;
        self.give_up(self.waiting.len())
    }

    /// When to ask for [`Pending::overdue`].
    pub fn next_deadline(&self) -> Option<Instant> {
        let has_echoed = self.habit == Habit::Echoes;
        let patience = if has_echoed { ECHO_PATIENCE_KNOWN } else { ECHO_PATIENCE };
        self.since.filter(|_| !self.waiting.is_empty()).map(|since| since + patience)
    }

    /// The connection is gone. Returns the lines that may not have arrived.
    pub fn lost(&mut self) -> Vec<String> {
        std::mem::take(self).waiting.into()
    }

    /// The lines on their way.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.waiting.iter().map(String::as_str)
    }

    /// Gives up the first lines, this many: they will have no echo, or none soon.
    fn give_up(&mut self, count: usize) -> Vec<String> {
        let given_up: Vec<String> = self.waiting.drain(..count).collect();
        given_up.iter().for_each(|line| self.note_shown(line.clone()));
        given_up
    }

    fn note_shown(&mut self, line: String) {
        self.shown.push_back(line);
        self.shown.drain(..self.shown.len().saturating_sub(WAITING_MAX));
    }
}

/// Whether a server echoes this. It answers a command instead, unless the command says something.
fn is_echoed(command: &Command<'_>) -> bool {
    use Command::{Answer, Me, Message, Say};
    matches!(command, Say(_) | Me(_) | Message { .. } | Answer(_))
}

fn speaker<'a>(said: &Said<'a>) -> Option<&'a str> {
    match *said {
        Said::By { name, .. } | Said::Act { name, .. } => Some(name),
        Said::Private { from, .. } => Some(from),
        Said::Server { .. } | Said::Other => None,
    }
}

/// Whether this is the server's echo of the line that was sent. A server without commands echoes it
/// as it is.
fn answers(line: &str, said: &Said<'_>) -> bool {
    match (*said, Command::parse(line)) {
        (Said::By { text, .. }, _) if is_same(line, text) => true,
        (Said::By { text, .. }, Command::Say(words))
        | (Said::Act { text, .. }, Command::Me(words))
        | (Said::Private { text, .. }, Command::Message { text: words, .. })
        | (Said::Private { text, .. }, Command::Answer(words)) => is_same(words, text),
        _ => false,
    }
}

/// Whether this is the line that was sent, made safe as a server may do.
fn is_same(sent: &str, heard: &str) -> bool {
    let mut safe = String::new();
    push_safe(sent.trim().as_bytes(), &mut safe);
    safe == heard.trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scene {
        pending: Pending,
        me: Me,
        now: Instant,
    }

    impl Scene {
        fn greeted(name: Option<&str>) -> Scene {
            let mut me = Me::default();
            name.into_iter().for_each(|name| me.be(name));
            Scene { pending: Pending::default(), me, now: Instant::now() }
        }

        fn send(&mut self, line: &str) -> Vec<String> {
            self.pending.sent(line, self.now)
        }

        fn hear(&mut self, line: &str) -> Echo {
            self.pending.heard(line, &mut self.me, self.now)
        }

        fn pass(&mut self, seconds: u64) -> Vec<String> {
            self.now += Duration::from_secs(seconds);
            self.pending.overdue(&mut self.me, self.now)
        }
    }

    #[test]
    fn an_echo_stands_for_the_line() {
        let mut scene = Scene::greeted(Some("bob"));
        assert!(scene.send("hi").is_empty());
        assert_eq!(scene.hear("eve: hi"), Echo::No);
        assert_eq!(scene.hear("bob: hi"), Echo::Instead(vec![]));
        assert_eq!(scene.hear("bob: hi"), Echo::No);
        assert!(scene.pass(100).is_empty());
    }

    #[test]
    fn an_echo_bears_our_name_with_the_mark_behind_it() {
        let mut scene = Scene::greeted(Some("guest1"));
        // Copied from the screen, or typed.
        scene.me.ask("שרה\u{200e}");
        assert!(scene.send("hi").is_empty());
        assert_eq!(scene.hear("שרה\u{200e}: hi"), Echo::Instead(vec![]));
        assert_eq!(scene.me.name(), Some("שרה"));
    }

    #[test]
    fn an_echo_tells_us_our_own_name() {
        let mut scene = Scene::greeted(None);
        assert!(scene.send("hi").is_empty());
        assert_eq!(scene.hear("guest7: hi"), Echo::Instead(vec![]));
        assert_eq!(scene.me.name(), Some("guest7"));
    }

    #[test]
    fn a_name_that_was_asked_for_is_ours_once_it_speaks() {
        let mut scene = Scene::greeted(Some("guest1"));
        scene.me.ask("bob");
        assert!(scene.send("hi").is_empty());
        assert_eq!(scene.hear("bob: hi"), Echo::Instead(vec![]));
        assert_eq!(scene.me.name(), Some("bob"));
    }

    #[test]
    fn a_bare_relay_echoes_the_line_alone() {
        let mut scene = Scene::greeted(None);
        assert!(scene.send("hi").is_empty());
        assert_eq!(scene.hear("hi"), Echo::Instead(vec![]));
        assert_eq!(scene.hear("hi"), Echo::No);
        assert_eq!(scene.me.name(), None);
    }

    #[test]
    fn without_echo_a_line_shows_after_2_s_and_later_ones_at_once() {
        let mut scene = Scene::greeted(None);
        assert!(scene.send("hi").is_empty());
        assert!(scene.pass(1).is_empty());
        assert_eq!(scene.pass(1), ["hi"]);
        assert_eq!(scene.send("ho"), ["ho"]);
    }

    #[test]
    fn a_late_echo_is_not_shown_again_but_others_are() {
        let mut scene = Scene::greeted(Some("bob"));
        assert!(scene.send("hi").is_empty());
        assert_eq!(scene.pass(2), ["hi"]);
        assert_eq!(scene.hear("eve: hi"), Echo::No);
        assert_eq!(scene.hear("bob: hi"), Echo::Shown);
        assert!(scene.send("again").is_empty());
    }

    #[test]
    fn nothing_is_held_back_while_we_do_not_know_our_name() {
        let mut scene = Scene::greeted(None);
        assert!(scene.send("hi").is_empty());
        assert_eq!(scene.pass(2), ["hi"]);
        assert_eq!(scene.hear("eve: hi"), Echo::No);
    }

    #[test]
    fn a_wrong_guess_of_our_name_is_given_up() {
        let mut scene = Scene::greeted(None);
        assert!(scene.send("hi").is_empty());
        assert_eq!(scene.hear("eve: hi"), Echo::Instead(vec![]));
        assert_eq!(scene.hear("bob: hi"), Echo::No);
        assert!(scene.send("ho").is_empty());
        assert_eq!(scene.hear("bob: ho"), Echo::No);
        assert_eq!(scene.pass(10), ["ho"]);
        assert_eq!(scene.me.name(), None);
    }

    #[test]
    fn what_was_refused_is_shown_before_what_was_sent_behind_it() {
        let mut scene = Scene::greeted(Some("bob"));
        assert!(scene.send("/msg nobody hi").is_empty() && scene.send("ho").is_empty());
        assert_eq!(scene.hear("bob: ho"), Echo::Instead(vec!["/msg nobody hi".to_owned()]));
    }

    #[test]
    fn as_long_as_echoes_come_the_others_wait() {
        let mut scene = Scene::greeted(Some("bob"));
        for line in ["1", "2", "3"] {
            assert!(scene.send(line).is_empty());
        }
        for (seconds, line) in [(1, "bob: 1"), (6, "bob: 2"), (6, "bob: 3")] {
            assert_eq!(scene.pass(seconds), Vec::<String>::new());
            assert_eq!(scene.hear(line), Echo::Instead(vec![]));
        }
    }

    #[test]
    fn commands_that_say_something_echo_and_others_show_at_once() {
        let mut scene = Scene::greeted(Some("bob"));
        assert_eq!(scene.send("/who"), ["/who"]);
        for (line, echo) in [
            ("/me waves", "~ bob waves"),
            ("/msg eve hi", "[bob -> eve] hi"),
            ("/r ho", "[bob -> eve] ho"),
            ("//x", "bob: /x"),
            ("//x", "bob: //x"),
            ("/me waves", "bob: /me waves"),
            ("  a\tb  ", "bob: a b"),
        ] {
            assert!(scene.send(line).is_empty(), "{line}");
            assert_eq!(scene.hear(echo), Echo::Instead(vec![]), "{line}");
        }
    }

    #[test]
    fn commands_are_known_as_the_server_knows_them() {
        let mut scene = Scene::greeted(Some("bob"));
        for (line, echo) in [
            ("/ME waves", "~ bob waves"),
            ("/Msg eve\u{3000}hi", "[bob -> eve] hi"),
            ("/r\tho", "[bob -> eve] ho"),
        ] {
            assert!(scene.send(line).is_empty(), "{line}");
            assert_eq!(scene.hear(echo), Echo::Instead(vec![]), "{line}");
        }
        for line in ["/msg eve", "/me ", "/Echo  off", "hi"] {
            assert_eq!(scene.send(line), [line]);
        }
    }

    #[test]
    fn with_echo_off_nothing_is_waited_for() {
        let mut scene = Scene::greeted(Some("bob"));
        assert_eq!(scene.send("/echo off"), ["/echo off"]);
        assert_eq!(scene.send("hi"), ["hi"]);
        assert_eq!(scene.send("/echo on"), ["/echo on"]);
        assert!(scene.send("ho").is_empty());
    }

    #[test]
    fn no_more_wait_than_there_may() {
        let mut scene = Scene::greeted(Some("bob"));
        for number in 0..WAITING_MAX {
            assert!(scene.send(&number.to_string()).is_empty());
        }
        assert_eq!(scene.send("more"), ["0"]);
        assert_eq!(scene.hear("bob: 0"), Echo::Shown);
        assert_eq!(scene.pending.lost().len(), WAITING_MAX);
    }
}
