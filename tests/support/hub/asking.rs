//! What a line asks of the server, and which answer it must get.

use chinwag::words::command::Command;

use super::people::own_prefix;

/// One line that a client has sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub bytes: Vec<u8>,
    pub asks: Asks,
}

impl Sent {
    /// Whether it sends the secret of this number to the client of this name.
    pub fn tells(&self, number: usize, name: &str) -> bool {
        let Asks::Tell { to, words } = &self.asks else { return false };
        let is_it = secret(words).is_some_and(|(_, its)| its == number);
        is_it && to.as_deref().is_none_or(|to| to.eq_ignore_ascii_case(name))
    }
}

/// What a line asks, as far as it matters to the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asks {
    /// To send this to all: so it stands behind its author's name.
    Say(String),
    /// To have this name; `sure` if nothing can be in the way.
    Name { to: String, sure: bool },
    /// To get one's own lines back, or not.
    Echo(bool),
    /// To hide the lines of a client.
    Hide(String),
    /// To show them again.
    Show(String),
    /// To send a private message: to this name, or to the last one that sent one.
    Tell { to: Option<String>, words: String },
    /// To go to this room.
    Go(String),
    /// That the room be about this.
    About(String),
    /// To see what was said.
    History(usize),
    /// To see all commands.
    Help,
    /// Something that a host or an operator may do, to a client of this name or to none: all in the
    /// room are told, or it is refused.
    Moderate(String),
    /// Something whose answer is a line that begins like this.
    Other(&'static str),
    /// To leave.
    Quit,
    /// To leave, and before that to send this to all.
    LastWords(String),
}

impl Asks {
    /// What this line of this client asks.
    pub fn of(serial: u64, line: &[u8]) -> Asks {
        let line = String::from_utf8_lossy(line);
        match Command::parse(&line) {
            Command::Say(words) => Asks::Say(format!(": {words}")),
            Command::Me(words) => Asks::Say(format!(" {words}")),
            Command::Nick(name) => {
                // A telnet command that is cut off at the end of the input is no letter.
                let sure = name.starts_with(&own_prefix(serial)) && name.is_ascii();
                Asks::Name { to: name.to_owned(), sure }
            }
            Command::Echo(on) => Asks::Echo(on),
            Command::Ignore(name) => Asks::Hide(name.to_owned()),
            Command::Unignore(name) => Asks::Show(name.to_owned()),
            Command::Message { to, text } => {
                Asks::Tell { to: Some(to.to_owned()), words: text.to_owned() }
            }
            Command::Answer(text) => Asks::Tell { to: None, words: text.to_owned() },
            Command::History(lines) => Asks::History(lines),
            Command::Help => Asks::Help,
            Command::Quit("") => Asks::Quit,
            Command::Quit(words) => Asks::LastWords(format!(": {words}")),
            Command::Who => Asks::Other(" here: "),
            Command::Join { room, .. } => Asks::Go(room.to_owned()),
            Command::Leave => Asks::Go("lobby".to_owned()),
            Command::Rooms => Asks::Other(": lobby "),
            Command::Topic("") => Asks::Other(" topic"),
            Command::Topic(words) => Asks::About(words.to_owned()),
            Command::Away(words) => Asks::About(format!("/away {words}").trim_end().to_owned()),
            Command::Kick { name, .. }
            | Command::Mute { name, .. }
            | Command::Unmute(name)
            | Command::Invite(name) => Asks::Moderate(name.to_owned()),
            Command::Ignored => Asks::Other("* ignoring"),
            Command::Misused(_) => Asks::Other("* usage: "),
            Command::Unknown(_) => Asks::Other("* no such command: "),
            _ => Asks::Moderate(String::new()),
        }
    }

    /// Whether this line of its author is the result.
    pub fn is_said_by(&self, line: &str) -> bool {
        match self {
            Asks::Say(words) | Asks::LastWords(words) => {
                !line.starts_with("* ") && line.ends_with(&format!("{words}\n"))
            }
            Asks::Name { to, .. } => line.ends_with(&format!(" is now {to}\n")),
            Asks::About(words) => match words.strip_prefix("/away") {
                Some("") => line.ends_with(" is back\n"),
                Some(words) => line.ends_with(&format!(" is away:{words}\n")),
                None => line.ends_with(&format!(" set the topic: {words}\n")),
            },
            _ => false,
        }
    }

    /// Whether nothing behind it counts.
    pub fn is_farewell(&self) -> bool {
        matches!(self, Asks::Quit | Asks::LastWords(_))
    }

    /// Whether its author alone gets an answer, whatever happens.
    pub fn is_answered(&self) -> bool {
        !matches!(self, Asks::Say(_) | Asks::About(_) | Asks::Name { .. } | Asks::Moderate(_))
    }

    /// Whether this line, which only its author got, answers it.
    pub fn is_answered_by(&self, text: &str) -> bool {
        let nobody = |name: &str| text == format!("* nobody here is called {name}");
        match self {
            Asks::Name { sure: true, .. } | Asks::Say(_) => text == MUTED,
            Asks::About(_) => {
                text.starts_with("* only the host ")
                    || text.starts_with("* you are not away")
                    || text == MUTED
            }
            Asks::Moderate(name) => {
                let ends = ["is not muted", "is invited"];
                nobody(name)
                    || MODERATED.iter().any(|words| text.starts_with(words))
                    || ends.iter().any(|words| text.ends_with(words))
            }
            Asks::Quit | Asks::LastWords(_) => text == "* bye",
            Asks::Name { to, .. } => {
                let refusals = ["is taken", "is reserved", "looks like the name of someone here"];
                refusals.iter().any(|refusal| text == format!("* {to} {refusal}"))
                    || text == format!("* you are {to} already")
                    || text == MUTED
                    || is_no_name(to, text)
                    || text.starts_with("* that name is too long")
            }
            Asks::Echo(true) => text.starts_with("* echo is on"),
            Asks::Echo(false) => text.starts_with("* echo is off"),
            Asks::Hide(name) => {
                let hides = text.strip_prefix("* ignoring ").is_some_and(|its| its != "nobody");
                hides || nobody(name) || text.starts_with("* that is you")
            }
            Asks::Show(name) => {
                let no_longer = text.starts_with("* no longer ignoring ");
                no_longer || text.starts_with("* you are not ignoring ") || nobody(name)
            }
            Asks::Tell { to, words } => {
                let told = text.starts_with('[') && text.ends_with(&format!("] {words}"));
                let no_one = text.starts_with("* nobody to answer");
                told || text.ends_with(" has too much unread")
                    || to.as_deref().map_or(no_one, nobody)
            }
            Asks::Go(room) => {
                let is_there =
                    text.strip_prefix("* you are in ").and_then(|rest| rest.get(..room.len()));
                let is_refused = text == format!("* {room} is reserved")
                    || is_no_name(room, text)
                    || text.ends_with(" is locked: it takes an invitation")
                    || text.contains(" has a password: /join ");
                is_refused || is_there.is_some_and(|its| its.eq_ignore_ascii_case(room))
            }
            Asks::History(_) => text == "* history" || text == "* no history",
            Asks::Help => text.starts_with("* /help "),
            Asks::Other(" here: ") => text.starts_with("* ") && text.contains(" here: "),
            Asks::Other(": lobby ") => {
                text.starts_with("* ") && (text.contains(" rooms: ") || text.contains(" room: "))
            }
            Asks::Other(" topic") => {
                text.starts_with("* topic: ") || text.starts_with("* no topic")
            }
            // One that it may not use at all is refused however it is written.
            Asks::Other("* usage: ") if text.starts_with("* only ") => true,
            Asks::Other(beginning) => text.starts_with(beginning),
        }
    }
}

/// To a client whose line was dropped because it is muted.
pub const MUTED: &str = "* not sent: you are muted in this room";

/// The beginnings of the answers to a host or an operator, and to a client that is neither.
const MODERATED: [&str; 6] = [
    "* only ",
    "* you are an operator now",
    "* wrong, ",
    "* no bans",
    "* no welcome text",
    "* closed: too many wrong",
];

/// Whether this refuses this name for one of its characters.
fn is_no_name(name: &str, text: &str) -> bool {
    let of = |words| text.strip_prefix(words).and_then(|rest: &str| rest.chars().next());
    let within = of("* names cannot contain ").is_some_and(|c| name.contains(c));
    within || of("* names cannot begin with ").is_some_and(|c| name.starts_with(c))
}

/// A line `[from -> to] words`, taken apart.
pub fn whisper(text: &str) -> Option<(&str, &str, &str)> {
    let (names, words) = text.strip_prefix('[')?.split_once("] ")?;
    let (from, to) = names.split_once(" -> ")?;
    Some((from, to, words))
}

/// The client whose secret this is, and its number; `None` if the message was cut.
pub fn secret(words: &str) -> Option<(u64, usize)> {
    let (secret, _) = words.strip_prefix("psst ")?.split_once('.')?;
    let (whose, number) = secret.split_once(' ')?;
    Some((whose.parse().ok()?, number.parse().ok()?))
}
