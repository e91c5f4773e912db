//! Any line is read as what is written in it. A client that asks for a name gets one that keeps the
//! rules of names.

use std::time::Duration;

use chinwag::words::command::Command;
use chinwag::words::text::push_safe;

use super::names::{self, Deed};

/// The most lines that are tried at once, so that no input takes long.
const LINES_MAX: usize = 100;

/// How many clients there are.
const PEOPLE: u64 = 5;

/// Before each line one of this many times passes, each a multiple of one step.
const WAITS: u64 = 4;
const WAIT_SECONDS: u64 = 10;

/// Each line belongs to one of the clients. It is tried as it is, as safe text, and as a name.
pub fn holds(bytes: &[u8]) {
    let mut deeds = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n').take(LINES_MAX) {
        let [first, line @ ..] = line else { continue };
        let serial = 1 + u64::from(*first) % PEOPLE;
        deeds.push(Deed::Wait(u64::from(*first) / PEOPLE % WAITS * WAIT_SECONDS));
        let text = String::from_utf8_lossy(line);
        a_line_asks_what_is_written(&text);
        names::holds(&text);
        let mut safe = String::new();
        push_safe(line, &mut safe);
        a_line_asks_what_is_written(&safe);
        match Command::parse(&safe) {
            Command::Nick(text) => deeds.push(Deed::Take(serial, text.to_owned())),
            Command::Quit(_) => deeds.push(Deed::Release(serial)),
            Command::Message { to: text, .. } | Command::Ignore(text) | Command::Unignore(text) => {
                deeds.push(Deed::Ask(text.to_owned()));
            }
            _ => {}
        }
    }
    for deed in &deeds {
        if let Deed::Take(_, text) | Deed::Ask(text) = deed {
            names::holds(text);
        }
    }
    names::no_two_have_names_that_meet(&deeds);
}

/// A line is read as what is written in it, and written again it is the same.
pub fn a_line_asks_what_is_written(line: &str) {
    let command = Command::parse(line);
    assert_eq!(command, plainly(line), "{line:?}");
    if let Some(again) = written(&command) {
        assert_eq!(Command::parse(&again), command, "{line:?}, then {again:?}");
    }
}

/// The rule, word by word.
fn plainly(line: &str) -> Command<'_> {
    if let Some(said) = line.strip_prefix('/').filter(|said| said.starts_with('/')) {
        return Command::Say(said);
    }
    if !line.starts_with('/') {
        return Command::Say(line);
    }
    let mut words = line.split_whitespace();
    let word = words.next().unwrap_or(line);
    let text = line[word.len()..].trim();
    let words: Vec<&str> = words.collect();
    match (word.to_ascii_lowercase().as_str(), words.as_slice()) {
        ("/help", _) => Command::Help,
        ("/who", _) => Command::Who,
        ("/quit", _) => Command::Quit(text),
        ("/join", [room]) => Command::Join { room, secret: "" },
        ("/join", [room, secret]) => Command::Join { room, secret },
        ("/motd", _) => Command::Motd(text),
        ("/away", _) => Command::Away(text),
        ("/password", _) => Command::Password(text),
        ("/leave", _) => Command::Leave,
        ("/rooms", _) => Command::Rooms,
        ("/topic", _) => Command::Topic(text),
        ("/me", [_, ..]) => Command::Me(text),
        ("/r", [_, ..]) => Command::Answer(text),
        ("/msg", [to, _, ..]) => Command::Message { to, text: text[to.len()..].trim() },
        ("/nick", [name]) => Command::Nick(name),
        ("/echo", ["on"]) => Command::Echo(true),
        ("/echo", ["off"]) => Command::Echo(false),
        ("/ignore", []) => Command::Ignored,
        ("/ignore", [name]) => Command::Ignore(name),
        ("/unignore", [name]) => Command::Unignore(name),
        ("/history", []) => Command::History(20),
        ("/history", [lines]) => lines.parse().map_or(Command::Misused(word), Command::History),
        ("/me" | "/r" | "/msg" | "/nick" | "/echo", _) => Command::Misused(word),
        ("/ignore" | "/unignore" | "/history" | "/join", _) => Command::Misused(word),
        (asked, words) => plainly_of_hosts(word, asked, words, text),
    }
}

/// The same for the commands of hosts and operators.
fn plainly_of_hosts<'a>(
    word: &'a str,
    asked: &str,
    words: &[&'a str],
    text: &'a str,
) -> Command<'a> {
    match (asked, words) {
        ("/oper", [secret]) => Command::Oper(secret),
        ("/kick", [name, ..]) => Command::Kick { name, why: text[name.len()..].trim() },
        ("/mute", [name]) => Command::Mute { name, time: None },
        ("/mute", [name, time]) => {
            let time = seconds(time);
            time.map_or(Command::Misused(word), |time| Command::Mute { name, time: Some(time) })
        }
        ("/unmute", [name]) => Command::Unmute(name),
        ("/slow", [time]) => {
            let time = time.parse::<u64>().ok().filter(|time| *time <= 86_400);
            time.map_or(Command::Misused(word), |time| Command::Slow(Duration::from_secs(time)))
        }
        ("/lock", _) => Command::Lock(true),
        ("/unlock", _) => Command::Lock(false),
        ("/invite", [name]) => Command::Invite(name),
        ("/ban", [whom, rest @ ..]) => {
            let time = rest.first().and_then(|time| seconds(time));
            let why = text[whom.len()..].trim();
            let why = time.map_or(why, |_| why[rest[0].len()..].trim());
            Command::Ban { whom, time, why }
        }
        ("/unban", [network]) => Command::Unban(network),
        ("/bans", _) => Command::Bans,
        ("/where", [name]) => Command::Where(name),
        ("/say", [_, ..]) => Command::Announce(text),
        ("/op", [name]) => Command::Op { name, on: true },
        ("/op", [name, "off"]) => Command::Op { name, on: false },
        ("/replies", _) => Command::Replies,
        ("/log", [level]) => level.parse().map_or(Command::Misused(word), Command::Log),
        ("/reload", _) => Command::Reload,
        ("/oper" | "/kick" | "/mute" | "/unmute" | "/slow", _) => Command::Misused(word),
        ("/invite" | "/ban" | "/unban" | "/where" | "/say", _) => Command::Misused(word),
        ("/op" | "/log", _) => Command::Misused(word),
        _ => Command::Unknown(word),
    }
}

/// A time such as `10m`, if it is one.
fn seconds(word: &str) -> Option<Duration> {
    let unit = word.chars().last()?;
    let number: u64 = word[..word.len() - unit.len_utf8()].parse().ok()?;
    let seconds = number
        * ['s', 'm', 'h', 'd']
            .iter()
            .zip([1, 60, 3600, 86_400])
            .find_map(|(its, seconds)| (*its == unit).then_some(seconds))?;
    (1..=36_500).contains(&number).then(|| Duration::from_secs(seconds))
}

/// How a person would type the command; `None` if that is lost.
fn written(command: &Command) -> Option<String> {
    Some(match command {
        Command::Say(text) if text.starts_with('/') => format!("/{text}"),
        Command::Say(text) => (*text).to_owned(),
        Command::Me(text) => format!("/me {text}"),
        Command::Message { to, text } => format!("/MSG {to} {text}"),
        Command::Answer(text) => format!("/r\t{text} "),
        Command::Nick(name) => format!("/nick {name}"),
        Command::Echo(on) => format!("/echo {}", if *on { "on" } else { "off" }),
        Command::History(lines) => format!("/history {lines}"),
        Command::Ignore(name) => format!("/ignore {name}"),
        Command::Ignored => "/ignore".to_owned(),
        Command::Unignore(name) => format!("/unignore {name}"),
        Command::Who => "/who".to_owned(),
        Command::Join { room, secret } => format!("/join  {room} {secret}"),
        Command::Leave => "/leave".to_owned(),
        Command::Rooms => "/Rooms".to_owned(),
        Command::Topic(text) => format!("/topic {text}"),
        Command::Help => "/help".to_owned(),
        Command::Quit(text) => format!("/quit {text}"),
        Command::Unknown(word) => (*word).to_owned(),
        // The commands of hosts and operators are written in one way alone.
        _ => return None,
    })
}
