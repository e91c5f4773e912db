//! The command in a line, if it is one.
//!
//! A line that begins with `/` is a command. One that begins with `//` is a message, without the
//! first slash.

use std::time::Duration;

use log::LevelFilter;

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
    Join {
        /// Its name.
        room: &'a str,
        /// Its password, or nothing.
        secret: &'a str,
    },
    /// Go back to the room of newcomers.
    Leave,
    /// List the rooms.
    Rooms,
    /// Say what the room is about; with an empty text, tell it.
    Topic(&'a str),
    /// List the commands.
    Help,
    /// Tell all in the room that the client is away, and why; with an empty text, that it is back.
    Away(&'a str),
    /// Show the welcome text, or set another.
    Motd(&'a str),
    /// Prove to be an operator.
    Oper(&'a str),
    /// The password of a room or the server: a client tells it, or a host sets it.
    Password(&'a str),
    /// Disconnect a client, with a reason or none.
    Kick {
        /// Which.
        name: &'a str,
        /// The reason.
        why: &'a str,
    },
    /// Disconnect the clients of a network, and let none of it in for a time.
    Ban {
        /// The name of a client, an address, or a network.
        whom: &'a str,
        /// For how long; `None` is for good.
        time: Option<Duration>,
        /// The reason.
        why: &'a str,
    },
    /// Lift a ban.
    Unban(&'a str),
    /// List the bans.
    Bans,
    /// Let a client say nothing, for this time or for good.
    Mute {
        /// Which.
        name: &'a str,
        /// For how long; `None` is for good.
        time: Option<Duration>,
    },
    /// Let a client talk again.
    Unmute(&'a str),
    /// Let each client say a line in this time; zero is no limit.
    Slow(Duration),
    /// Let only invited clients come in, or all.
    Lock(bool),
    /// Invite a client.
    Invite(&'a str),
    /// Tell all rooms something.
    Announce(&'a str),
    /// Tell from where a client came, and when.
    Where(&'a str),
    /// Make a client an operator, or not any more.
    Op {
        /// Which.
        name: &'a str,
        /// Whether it becomes one.
        on: bool,
    },
    /// Read the files of the server again.
    Reload,
    /// Change the level of the log.
    Log(LevelFilter),
    /// Get replies only, and nothing of the conversation.
    Replies,
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

/// Which clients may give a command. Each may give those of the ones above it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Any client.
    Anyone,
    /// The client that made the room, while it is there.
    Host,
    /// A client of the control socket or of the server's own terminal, or one that has proved it.
    Operator,
}

use Rank::{Anyone, Host, Operator};

/// A command: what it asks with the text behind its name, or `None` if that text is wrong; which
/// clients may give it; and its help in each language.
#[derive(Debug)]
pub struct Row(fn(&str) -> Option<Command<'_>>, Rank, [(&'static str, &'static str); LANGS]);

/// All commands, in the order of `/help`.
#[rustfmt::skip] // A row is what a command asks, and below it how each language tells of it.
pub static COMMANDS: [Row; 35] = [
    Row(|_| Some(Command::Help), Anyone,
        [("/help", "this list"), ("/help", "이 목록")]),
    Row(|_| Some(Command::Who), Anyone,
        [("/who", "list who is here"), ("/who", "누가 있는지")]),
    Row(|rest| one_word(rest).map(Command::Nick), Anyone,
        [("/nick NAME", "take a name"), ("/nick 이름", "이름 정하기")]),
    Row(|rest| text(rest).map(Command::Me), Anyone,
        [("/me TEXT", "say what you do"), ("/me 글", "하는 일을 말하기")]),
    Row(message, Anyone,
        [("/msg NAME TEXT", "send a private message"), ("/msg 이름 글", "한 사람에게만 말하기")]),
    Row(|rest| text(rest).map(Command::Answer), Anyone,
        [("/r TEXT", "reply to the last private message"), ("/r 글", "마지막 귓속말에 답하기")]),
    Row(history, Anyone,
        [("/history [LINES]", "show earlier lines"), ("/history [줄 수]", "지난 대화 보기")]),
    Row(echo, Anyone,
        [("/echo on|off", "get your own lines back, or not"), ("/echo on|off", "자기 말을 볼지 말지")]),
    Row(ignore, Anyone,
        [("/ignore [NAME]", "hide what NAME says, or list the hidden"),
         ("/ignore [이름]", "한 사람의 말을 보지 않기, 또는 그 목록")]),
    Row(|rest| one_word(rest).map(Command::Unignore), Anyone,
        [("/unignore NAME", "show what NAME says again"), ("/unignore 이름", "다시 보기")]),
    Row(join, Anyone,
        [("/join ROOM [SECRET]", "go to a room, or make one"),
         ("/join 방 [암호]", "방으로 가기, 없으면 만들기")]),
    Row(|_| Some(Command::Leave), Anyone,
        [("/leave", "go back to the lobby"), ("/leave", "로비로 돌아가기")]),
    Row(|_| Some(Command::Rooms), Anyone,
        [("/rooms", "list the largest rooms"), ("/rooms", "어떤 방이 있는지")]),
    Row(|rest| Some(Command::Topic(rest)), Anyone,
        [("/topic [TEXT]", "show the topic of the room; its host sets it"),
         ("/topic [글]", "방의 주제를 보거나, 방장이라면 정하기")]),
    Row(|rest| Some(Command::Motd(rest)), Anyone,
        [("/motd [TEXT]", "show the welcome text; an operator sets it"),
         ("/motd [글]", "환영 글을 보거나, 운영자라면 정하기")]),
    Row(|rest| Some(Command::Away(rest)), Anyone,
        [("/away [TEXT]", "say that you are away, or back"),
         ("/away [글]", "자리를 비운다고, 또는 돌아왔다고 말하기")]),
    Row(|rest| Some(Command::Password(rest)), Anyone,
        [("/password SECRET", "enter with a password; a host sets the room's"),
         ("/password 암호", "암호로 들어가기, 방장이라면 방의 암호 정하기")]),
    Row(|rest| one_word(rest).map(Command::Oper), Anyone,
        [("/oper SECRET", "become an operator"), ("/oper 암호", "운영자 되기")]),
    Row(|rest| Some(Command::Quit(rest)), Anyone,
        [("/quit [TEXT]", "say a last line, and leave"), ("/quit [글]", "마지막 말을 남기고 나가기")]),
    Row(|rest| named(rest).map(|(name, why)| Command::Kick { name, why }), Host,
        [("/kick NAME [WHY]", "disconnect NAME"), ("/kick 이름 [까닭]", "내보내기")]),
    Row(mute, Host,
        [("/mute NAME [TIME]", "let NAME say nothing here, such as for 10m"),
         ("/mute 이름 [시간]", "말하지 못하게 하기, 예를 들어 10m")]),
    Row(|rest| one_word(rest).map(Command::Unmute), Host,
        [("/unmute NAME", "let NAME talk again"), ("/unmute 이름", "다시 말하게 하기")]),
    Row(slow, Host,
        [("/slow SECONDS", "let each client say one line in this time; 0 ends it"),
         ("/slow 초", "이 시간에 한 사람이 한 줄만, 0이면 끝")]),
    Row(|_| Some(Command::Lock(true)), Host,
        [("/lock", "let only invited clients in"), ("/lock", "초대받은 사람만 들어오게 하기")]),
    Row(|_| Some(Command::Lock(false)), Host,
        [("/unlock", "let all in again"), ("/unlock", "다시 모두 들어오게 하기")]),
    Row(|rest| one_word(rest).map(Command::Invite), Host,
        [("/invite NAME", "invite NAME to this room"), ("/invite 이름", "이 방으로 초대하기")]),
    Row(ban, Operator,
        [("/ban NAME|ADDRESS|CIDR [TIME] [WHY]", "disconnect and keep out, such as for 2h"),
         ("/ban 이름|주소|CIDR [시간] [까닭]", "내보내고 못 들어오게 하기, 예를 들어 2h")]),
    Row(|rest| one_word(rest).map(Command::Unban), Operator,
        [("/unban ADDRESS|CIDR", "lift a ban"), ("/unban 주소|CIDR", "차단 풀기")]),
    Row(|_| Some(Command::Bans), Operator, [("/bans", "list the bans"), ("/bans", "차단 목록")]),
    Row(|rest| one_word(rest).map(Command::Where), Operator,
        [("/where NAME", "show the address of NAME, and how long it has been here"),
         ("/where 이름", "주소와 들어온 때 보기")]),
    Row(|rest| text(rest).map(Command::Announce), Operator,
        [("/say TEXT", "announce TEXT to all rooms"), ("/say 글", "모든 방에 알리기")]),
    Row(op, Operator,
        [("/op NAME [off]", "make NAME an operator, or not any more"),
         ("/op 이름 [off]", "운영자로 만들기, 또는 그만두게 하기")]),
    Row(|_| Some(Command::Replies), Operator,
        [("/replies", "show replies only"), ("/replies", "답만 보기")]),
    Row(|rest| rest.parse().ok().map(Command::Log), Operator,
        [("/log LEVEL", "change the level of the log"), ("/log 수준", "로그 수준 바꾸기")]),
    Row(|_| Some(Command::Reload), Operator,
        [("/reload", "read the files of the server again"), ("/reload", "서버의 파일 다시 읽기")]),
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

    /// Which clients may give it.
    pub fn rank(&self) -> Rank {
        self.1
    }

    /// How it is written, and what it does.
    pub fn help(&self, lang: Lang) -> (&'static str, &'static str) {
        self.2[lang as usize]
    }
}

/// Whether all read what stands in this line.
pub fn is_said(line: &str) -> bool {
    matches!(Command::parse(line), Command::Say(_) | Command::Me(_))
}

/// Whether all in a room are told of this line: of what it says, of another name, or of an absence.
pub fn is_told(line: &str) -> bool {
    let is_about_itself =
        |line| matches!(Command::parse(line), Command::Nick(_) | Command::Away(_));
    is_said(line) || is_about_itself(line)
}

/// Which clients may give the command in this line. A line without a known one harms nobody.
pub fn rank(line: &str) -> Rank {
    Row::find(split_word(line).0).map_or(Anyone, Row::rank)
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

/// A word, and the text behind it.
fn named(rest: &str) -> Option<(&str, &str)> {
    text(rest).map(split_word)
}

/// A time such as `90s`, `10m`, `2h` or `7d`; nothing is for good, and anything else no time.
fn time(word: &str) -> Option<Option<Duration>> {
    if word.is_empty() {
        return Some(None);
    }
    let (number, unit) = word.split_at(word.char_indices().next_back()?.0);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    // At most 100 years, so that no moment overflows.
    let number: u64 = number.parse().ok().filter(|number| (1..=36_500).contains(number))?;
    Some(Some(Duration::from_secs(number * seconds)))
}

fn join(rest: &str) -> Option<Command<'_>> {
    let (room, secret) = named(rest)?;
    (!secret.contains(char::is_whitespace)).then_some(Command::Join { room, secret })
}

fn mute(rest: &str) -> Option<Command<'_>> {
    let (name, rest) = named(rest)?;
    Some(Command::Mute { name, time: time(rest)? })
}

/// At most a day.
fn slow(rest: &str) -> Option<Command<'_>> {
    let seconds = rest.parse().ok().filter(|seconds| *seconds <= 86_400)?;
    Some(Command::Slow(Duration::from_secs(seconds)))
}

fn ban(rest: &str) -> Option<Command<'_>> {
    let (whom, rest) = named(rest)?;
    let (word, why) = split_word(rest);
    // A reason may stand without a time.
    let (time, why) = time(word).map_or((None, rest), |time| (time, why));
    Some(Command::Ban { whom, time, why })
}

fn op(rest: &str) -> Option<Command<'_>> {
    let (name, rest) = named(rest)?;
    matches!(rest, "" | "off").then_some(Command::Op { name, on: rest.is_empty() })
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

    fn hours(hours: u64) -> Option<Duration> {
        Some(Duration::from_secs(hours * 3600))
    }

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
            ("/kick bob so loud", Command::Kick { name: "bob", why: "so loud" }),
            ("/ban bob", Command::Ban { whom: "bob", time: None, why: "" }),
            ("/ban ::1 2h", Command::Ban { whom: "::1", time: hours(2), why: "" }),
            ("/ban ::/0 1d x y", Command::Ban { whom: "::/0", time: hours(24), why: "x y" }),
            ("/ban bob 2h", Command::Ban { whom: "bob", time: hours(2), why: "" }),
            ("/ban bob two 2h", Command::Ban { whom: "bob", time: None, why: "two 2h" }),
            ("/mute bob", Command::Mute { name: "bob", time: None }),
            ("/mute bob 120m", Command::Mute { name: "bob", time: hours(2) }),
            ("/slow 0", Command::Slow(Duration::ZERO)),
            ("/op bob", Command::Op { name: "bob", on: true }),
            ("/op bob off", Command::Op { name: "bob", on: false }),
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
            ("/kick", "/kick"),
            ("/mute bob soon", "/mute"),
            ("/mute bob 0s", "/mute"),
            ("/mute bob 9d more", "/mute"),
            ("/slow", "/slow"),
            ("/slow 86401", "/slow"),
            ("/slow -1", "/slow"),
            ("/op bob on", "/op"),
            ("/log loud", "/log"),
        ] {
            assert_eq!(Command::parse(line), Command::Misused(word), "{line}");
        }
    }
}
