//! The command in a line, if it is one.
//!
//! A line that begins with `/` is a command. One that begins with `//` is a message, without the
//! first slash.

use super::notice::{LANGS, Lang};

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// A message to all.
    Say(&'a str),
    /// An action of the sender, shown to all.
    Me(&'a str),
    /// A private message.
    Message {
        /// The recipient.
        to: &'a str,
        /// The text.
        text: &'a str,
    },
    /// A private message to the sender of the last one.
    Answer(&'a str),
    /// Take this name.
    Nick(&'a str),
    /// Whether the client gets its own lines.
    Echo(bool),
    /// Show this many of the newest lines.
    History(usize),
    /// Hide this client's lines.
    Ignore(&'a str),
    /// List the clients whose lines are hidden.
    Ignored,
    /// Show this client's lines again.
    Unignore(&'a str),
    /// List the clients that are here.
    Who,
    /// Go to this room.
    Join(&'a str),
    /// Go back to the room of newcomers.
    Leave,
    /// List the rooms.
    Rooms,
    /// Say what the room is about; with an empty text, tell it.
    Topic(&'a str),
    /// List the commands.
    Help,
    /// Leave, with a last message or none.
    Quit(&'a str),
    /// A command with a missing or wrong argument: its first word.
    Misused(&'a str),
    /// An unknown command: its first word.
    Unknown(&'a str),
}

/// How many lines `/history` shows by default.
const HISTORY_LINES: usize = 20;

impl<'a> Command<'a> {
    /// Parses a line; its text is safe to show already.
    pub fn parse(line: &'a str) -> Command<'a> {
        let Some(asked) = line.strip_prefix('/') else { return Command::Say(line) };
        if asked.starts_with('/') {
            return Command::Say(asked);
        }
        let (word, rest) = split_word(line);
        let Some(row) = Row::find(word) else { return Command::Unknown(word) };
        (row.0)(rest).unwrap_or(Command::Misused(word))
    }
}

/// A command: what it asks with the text behind its name, or `None` if that text is wrong; and its
/// help in each language.
#[derive(Debug)]
pub struct Row(fn(&str) -> Option<Command<'_>>, [(&'static str, &'static str); LANGS]);

/// All commands, in the order of `/help`.
#[rustfmt::skip] // A row is what a command asks, and below it how each language tells of it.
pub static COMMANDS: [Row; 15] = [
    Row(|_| Some(Command::Help),
        [("/help", "this list"), ("/help", "이 목록")]),
    Row(|_| Some(Command::Who),
        [("/who", "list who is here"), ("/who", "누가 있는지")]),
    Row(|rest| one_word(rest).map(Command::Nick),
        [("/nick NAME", "take a name"), ("/nick 이름", "이름 정하기")]),
    Row(|rest| text(rest).map(Command::Me),
        [("/me TEXT", "say what you do"), ("/me 글", "하는 일을 말하기")]),
    Row(message,
        [("/msg NAME TEXT", "send a private message"), ("/msg 이름 글", "한 사람에게만 말하기")]),
    Row(|rest| text(rest).map(Command::Answer),
        [("/r TEXT", "reply to the last private message"), ("/r 글", "마지막 귓속말에 답하기")]),
    Row(history,
        [("/history [LINES]", "show earlier lines"), ("/history [줄 수]", "지난 대화 보기")]),
    Row(echo,
        [("/echo on|off", "get your own lines back, or not"), ("/echo on|off", "자기 말을 볼지 말지")]),
    Row(ignore,
        [("/ignore [NAME]", "hide what NAME says, or list the hidden"),
         ("/ignore [이름]", "한 사람의 말을 보지 않기, 또는 그 목록")]),
    Row(|rest| one_word(rest).map(Command::Unignore),
        [("/unignore NAME", "show what NAME says again"), ("/unignore 이름", "다시 보기")]),
    Row(|rest| one_word(rest).map(Command::Join),
        [("/join ROOM", "go to a room, or make one"), ("/join 방", "방으로 가기, 없으면 만들기")]),
    Row(|_| Some(Command::Leave),
        [("/leave", "go back to the lobby"), ("/leave", "로비로 돌아가기")]),
    Row(|_| Some(Command::Rooms),
        [("/rooms", "list the largest rooms"), ("/rooms", "어떤 방이 있는지")]),
    Row(|rest| Some(Command::Topic(rest)),
        [("/topic [TEXT]", "set the topic of the room, or show it"),
         ("/topic [글]", "방의 주제를 정하거나 보기")]),
    Row(|rest| Some(Command::Quit(rest)),
        [("/quit [TEXT]", "say a last line, and leave"), ("/quit [글]", "마지막 말을 남기고 나가기")]),
];

impl Row {
    /// The command that has this name, in any case.
    pub fn find(name: &str) -> Option<&'static Row> {
        COMMANDS.iter().find(|row| row.name().eq_ignore_ascii_case(name))
    }

    /// Its name, with the `/`.
    pub fn name(&self) -> &'static str {
        split_word(self.help(Lang::En).0).0
    }

    /// How it is written, and what it does.
    pub fn help(&self, lang: Lang) -> (&'static str, &'static str) {
        self.1[lang as usize]
    }
}

/// The first word and the rest, without the blanks around them.
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

fn history(rest: &str) -> Option<Command<'_>> {
    let lines = if rest.is_empty() { Some(HISTORY_LINES) } else { rest.parse().ok() };
    lines.map(Command::History)
}

fn ignore(rest: &str) -> Option<Command<'_>> {
    if rest.is_empty() { Some(Command::Ignored) } else { one_word(rest).map(Command::Ignore) }
}

fn echo(rest: &str) -> Option<Command<'_>> {
    match rest {
        "on" => Some(Command::Echo(true)),
        "off" => Some(Command::Echo(false)),
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
