//! What a line asks of the server, if it asks anything.
//!
//! A line that begins with `/` is a command; with `//` it is said, without the first of the two.
//! This room reads words only: it does not know who gave them or what becomes of them.

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// To be said to all.
    Say(&'a str),
    /// To be shown to all as what its sender does.
    Me(&'a str),
    /// To be said to one.
    Message {
        /// Whom.
        to: &'a str,
        /// What.
        text: &'a str,
    },
    /// To be said to the one who has last said something to its sender alone.
    Answer(&'a str),
    /// To be called so.
    Nick(&'a str),
    /// Whether to get one's own lines.
    Echo(bool),
    /// The newest lines, so many.
    History(usize),
    /// Not to see someone's lines.
    Ignore(&'a str),
    /// To be told whose lines one does not see.
    Ignored,
    /// To see someone's lines again.
    Unignore(&'a str),
    /// Who is here.
    Who,
    /// What commands there are.
    Help,
    /// To leave, with some last words or none.
    Quit(&'a str),
    /// A command that lacks something, or has something that it should not have: its first word.
    Misused(&'a str),
    /// No command: its first word.
    Unknown(&'a str),
}

/// How many lines `/history` shows when it is not said.
const HISTORY_LINES: usize = 20;

impl<'a> Command<'a> {
    /// What this line asks; it is text that is safe to show.
    pub fn parse(line: &'a str) -> Command<'a> {
        let Some(asked) = line.strip_prefix('/') else { return Command::Say(line) };
        if asked.starts_with('/') {
            return Command::Say(asked);
        }
        let (word, rest) = split_word(line);
        let command = match word.to_ascii_lowercase().as_str() {
            "/help" => Some(Command::Help),
            "/who" => Some(Command::Who),
            "/me" => text(rest).map(Command::Me),
            "/msg" => message(rest),
            "/r" => text(rest).map(Command::Answer),
            "/nick" => one_word(rest).map(Command::Nick),
            "/echo" => switch(rest).map(Command::Echo),
            "/history" if rest.is_empty() => Some(Command::History(HISTORY_LINES)),
            "/history" => rest.parse().ok().map(Command::History),
            "/ignore" if rest.is_empty() => Some(Command::Ignored),
            "/ignore" => one_word(rest).map(Command::Ignore),
            "/unignore" => one_word(rest).map(Command::Unignore),
            "/quit" => Some(Command::Quit(rest)),
            _ => return Command::Unknown(word),
        };
        command.unwrap_or(Command::Misused(word))
    }
}

/// The first word, and what stands behind it, without the blanks around.
fn split_word(text: &str) -> (&str, &str) {
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim()),
        None => (text, ""),
    }
}

/// Text that is not empty.
fn text(rest: &str) -> Option<&str> {
    (!rest.is_empty()).then_some(rest)
}

fn one_word(rest: &str) -> Option<&str> {
    text(rest).filter(|word| !word.contains(char::is_whitespace))
}

fn message(rest: &str) -> Option<Command<'_>> {
    let (to, words) = split_word(rest);
    text(words).map(|text| Command::Message { to, text })
}

fn switch(rest: &str) -> Option<bool> {
    match rest {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_with_one_slash_is_a_command() {
        for (line, command) in [
            ("hello /who", Command::Say("hello /who")),
            ("//who", Command::Say("/who")),
            ("///", Command::Say("//")),
            (" /who", Command::Say(" /who")),
            ("/help", Command::Help),
            ("/who", Command::Who),
            ("/WHO  ", Command::Who),
            ("/me  waves  twice ", Command::Me("waves  twice")),
            ("/msg bob  hi  there", Command::Message { to: "bob", text: "hi  there" }),
            ("/r\u{3000}네", Command::Answer("네")),
            ("/nick 철수", Command::Nick("철수")),
            ("/echo on", Command::Echo(true)),
            ("/echo off", Command::Echo(false)),
            ("/history", Command::History(HISTORY_LINES)),
            ("/history 3", Command::History(3)),
            ("/ignore", Command::Ignored),
            ("/ignore bob", Command::Ignore("bob")),
            ("/unignore bob", Command::Unignore("bob")),
            ("/quit", Command::Quit("")),
            ("/quit so long", Command::Quit("so long")),
            ("/usr/bin is full", Command::Unknown("/usr/bin")),
            ("/", Command::Unknown("/")),
            ("/ who", Command::Unknown("/")),
        ] {
            assert_eq!(Command::parse(line), command, "{line}");
        }
    }

    #[test]
    fn what_lacks_something_is_misused() {
        for (line, word) in [
            ("/me", "/me"),
            ("/me ", "/me"),
            ("/ME", "/ME"),
            ("/msg", "/msg"),
            ("/msg bob", "/msg"),
            ("/r", "/r"),
            ("/nick", "/nick"),
            ("/nick two words", "/nick"),
            ("/echo", "/echo"),
            ("/echo maybe", "/echo"),
            ("/history many", "/history"),
            ("/history -1", "/history"),
            ("/ignore a b", "/ignore"),
            ("/unignore", "/unignore"),
        ] {
            assert_eq!(Command::parse(line), Command::Misused(word), "{line}");
        }
    }
}
