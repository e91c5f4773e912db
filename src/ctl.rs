//! `chinwag ctl`: sends a server one command as an operator, and prints the replies.
//!
//! It connects to the control socket and sends `/replies` first. So it gets replies only, and the
//! line that confirms this ends what came before. Whether the command was done it reads in the
//! replies, in any language of the server. It waits for all this, but not for ever.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Parser;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::config::{Control, PORT};
use crate::server::unix::usual_controls;
use crate::words::notice::Notice;

/// The most time for the connection, the command and all replies. A server that is not stuck takes
/// a few milliseconds.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The most that is kept of replies. The server keeps less for one client.
const REPLIES_BYTES_MAX: usize = 4 << 20;

/// What `chinwag ctl` is told.
#[derive(Debug, Parser)]
pub struct Flags {
    /// Connect to this Unix socket [default: $XDG_RUNTIME_DIR/chinwag/PORT.sock]
    ///
    /// For root it is /run/chinwag/PORT.sock if there is nothing at the other path.
    #[arg(long, value_name = "PATH", value_parser = Control::parse)]
    pub control: Option<Control>,

    /// Connect to the server on this port
    #[arg(long, value_name = "PORT", default_value_t = PORT, conflicts_with = "control")]
    pub port: u16,

    /// The command, with or without its /
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    #[arg(allow_hyphen_values = true)]
    pub words: Vec<String>,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It was done.
    Done,
    /// The server did not do it.
    Refused,
    /// There is no such command, or it lacks something.
    Misused,
}

/// Why it is not known how a command ended.
#[derive(Debug)]
pub enum CtlError {
    /// It cannot be sent.
    Command(&'static str),
    /// No server answers.
    Server(String),
    /// The replies cannot be printed.
    Output(io::Error),
}

impl fmt::Display for CtlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CtlError::Command(why) => f.write_str(why),
            CtlError::Server(why) => f.write_str(why),
            CtlError::Output(error) => write!(f, "cannot print the replies: {error}"),
        }
    }
}

impl std::error::Error for CtlError {}

/// Sends the command, and prints the replies on `output`.
pub fn run(flags: &Flags, output: &mut impl Write) -> Result<Verdict, CtlError> {
    let command = command(&flags.words)?;
    let path = path(flags)?;
    let at = |what: &str, error: io::Error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            let seconds = ANSWER_MAX.as_secs();
            CtlError::Server(format!(
                "the server at {} has not answered in {seconds} s",
                path.display()
            ))
        }
        _ => CtlError::Server(format!("{what} {}: {error}", path.display())),
    };
    let by = Instant::now() + ANSWER_MAX;
    let socket = connect(&path).map_err(|error| at("no server answers at", error))?;
    let answer = ask(socket, &command, by).map_err(|error| at("lost the server at", error))?;
    let Some(replies) = replies(&answer) else {
        let ended = ErrorKind::UnexpectedEof.into();
        return Err(at("no operator is let in at", ended));
    };
    output.write_all(replies.as_bytes()).and_then(|()| output.flush()).map_err(CtlError::Output)?;
    Ok(replies.lines().map(verdict).max().unwrap_or(Verdict::Done))
}

/// The command as one line of the conversation.
fn command(words: &[String]) -> Result<String, CtlError> {
    let command = words.join(" ");
    let command = command.strip_prefix('/').unwrap_or(&command);
    if command.trim().is_empty() {
        return Err(CtlError::Command("no command; `chinwag ctl help` lists them"));
    }
    match command.contains(['\n', '\r']) {
        true => Err(CtlError::Command("a command is one line")),
        false => Ok(format!("/replies\n/{command}\n")),
    }
}

fn path(flags: &Flags) -> Result<PathBuf, CtlError> {
    match &flags.control {
        Some(Control::At(path)) => Ok(path.clone()),
        Some(Control::Off) => {
            Err(CtlError::Server("--control none: there is no server".to_owned()))
        }
        None => usual_controls(flags.port)
            .find(|path| path.exists())
            .or_else(|| usual_controls(flags.port).next())
            .ok_or(CtlError::Command("XDG_RUNTIME_DIR is not set: give --control PATH")),
    }
}

/// Connects, and gives up on a server that accepts nothing.
fn connect(path: &Path) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // The kernel takes this timeout for connecting as well (unix(7) queues a connection).
    socket.set_write_timeout(Some(ANSWER_MAX))?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(socket)
}

/// Sends the command, and reads until the server closes the connection.
fn ask(mut socket: Socket, command: &str, by: Instant) -> io::Result<String> {
    socket.write_all(command.as_bytes())?;
    socket.shutdown(Shutdown::Write)?;
    let (mut answer, mut page) = (Vec::new(), [0; 8192]);
    while answer.len() < REPLIES_BYTES_MAX {
        let left = by.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        match socket.read(&mut page) {
            Ok(0) => break,
            Ok(bytes) => answer.extend_from_slice(&page[..bytes]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// What follows the line that confirms `/replies`; `None` if that is missing.
fn replies(answer: &str) -> Option<&str> {
    let mut lines = answer.split_inclusive('\n');
    lines.find(|line| is_notice(line, |notice| matches!(notice, Notice::RepliesOnly)))?;
    let replies: usize = lines.map(str::len).sum();
    Some(&answer[answer.len() - replies..])
}

fn is_notice(line: &str, is_it: impl FnOnce(&Notice<'_>) -> bool) -> bool {
    let notice = line.strip_prefix("* ").and_then(|words| Notice::read(words.trim_end()));
    notice.is_some_and(|notice| is_it(&notice))
}

/// What a reply says of the command. Text that is no notice says nothing.
fn verdict(reply: &str) -> Verdict {
    let notice = reply.strip_prefix("* ").and_then(Notice::read);
    match notice {
        None => Verdict::Done,
        Some(notice) => verdict_of(&notice),
    }
}

/// Every notice is named, so that a new one is decided on.
fn verdict_of(notice: &Notice<'_>) -> Verdict {
    use Notice::*;
    match notice {
        Welcome { .. } | Joined { .. } | Left { .. } | Renamed { .. } => Verdict::Done,
        ManyJoined { .. } | ManyLeft { .. } | ManyJoinedAndLeft { .. } => Verdict::Done,
        History | Now | NoHistory | Missed { .. } | Unreachable | Reached => Verdict::Done,
        NotUtf8 | NotUtf8ThroughTelnet | NotUtf8BeforeBinary => Verdict::Done,
        Entered { .. } | Moved { .. } | InRoom { .. } => Verdict::Done,
        Topic { .. } | NoTopic | TopicSet { .. } => Verdict::Done,
        Rooms { .. } | RoomsAndMore { .. } | Here { .. } | HereAndMore { .. } => Verdict::Done,
        HereAndReading { .. } | HereMoreAndReading { .. } | SaidAs { .. } => Verdict::Done,
        Bye | EchoOn | EchoOff | RepliesOnly | NameIsYours { .. } => Verdict::Done,
        Ignoring { .. } | NoLongerIgnoring { .. } | NotIgnoring { .. } => Verdict::Done,
        IgnoringThese { .. } | IgnoringNobody => Verdict::Done,
        LineTooLong { .. } | Endless { .. } | Idle { .. } | TooManyReplies { .. } => {
            Verdict::Refused
        }
        Full { .. } | TooManyFromAddress { .. } | Stopping | ServerGone { .. } => Verdict::Refused,
        NotChat { .. } | NotText | Utf16 => Verdict::Refused,
        RoomLooksTaken { .. } | TooManyRooms { .. } => Verdict::Refused,
        Nobody { .. } | NobodyToAnswer | NotDelivered { .. } => Verdict::Refused,
        IgnoringTooMany { .. } | IgnoringYourself => Verdict::Refused,
        NameTooLong { .. } | NameCharacter { .. } | NameFirst { .. } => Verdict::Refused,
        NameReserved { .. } | NameTaken { .. } | NameLooksTaken { .. } => Verdict::Refused,
        OnlyHost { .. } | OnlyOperator { .. } | Kicked { .. } | Banned { .. } => Verdict::Refused,
        NotBanned { .. } | SharesAddress { .. } | BansYourself => Verdict::Refused,
        TooManyBans { .. } | NotMuted { .. } | Muted | Locked { .. } => Verdict::Refused,
        NotAway | WrongSecret { .. } | TooManyTries => Verdict::Refused,
        PasswordNeeded | RoomPasswordNeeded { .. } => Verdict::Refused,
        WasKicked { .. } | BanSet { .. } | BanLifted { .. } | Ban { .. } => Verdict::Done,
        MoreBans { .. } | NoBans | WasMuted { .. } | WasUnmuted { .. } => Verdict::Done,
        SlowSet { .. } | SlowEnded { .. } | LockSet { .. } | LockEnded { .. } => Verdict::Done,
        Invited { .. } | InvitationSent { .. } | Announcement { .. } => Verdict::Done,
        Where { .. } | Away { .. } | AwayNow { .. } | Back { .. } => Verdict::Done,
        Operator | NoOperator | OperatorMade { .. } | OperatorUnmade { .. } => Verdict::Done,
        PasswordSet { .. } | PasswordGone { .. } | NoMotd | MotdSet => Verdict::Done,
        Reloading | LogLevel { .. } | Done => Verdict::Done,
        Unknown { .. } | Usage { .. } => Verdict::Misused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::notice::Lang;

    fn sent(words: &[&str]) -> Option<String> {
        command(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).ok()
    }

    #[test]
    fn a_command_is_one_line_with_one_slash() {
        for words in [&["/say", "hi  there"][..], &["say", "hi  there"], &["/say hi  there"]] {
            assert_eq!(sent(words).as_deref(), Some("/replies\n/say hi  there\n"), "{words:?}");
        }
        for words in [&[""][..], &["/"], &[" ", ""], &["say", "a\nb"], &["say", "a\r/quit"]] {
            assert_eq!(sent(words), None, "{words:?}");
        }
    }

    #[test]
    fn only_what_follows_the_confirmation_is_a_reply() {
        for lang in [Lang::En, Lang::Ko] {
            let confirmed = String::from_utf8(Notice::RepliesOnly.to_line(lang)).unwrap();
            let answer = format!("* welcome\nbob: replies only\n{confirmed}* 1 here: bob\n* bye\n");
            assert_eq!(replies(&answer), Some("* 1 here: bob\n* bye\n"));
            assert_eq!(replies(&confirmed), Some(""));
        }
        assert_eq!(replies("* server shutting down\n"), None);
    }

    #[test]
    fn a_reply_says_how_the_command_ended() {
        for lang in [Lang::En, Lang::Ko] {
            for (notice, is) in [
                (Notice::Here { here: 1, names: "bob" }, Verdict::Done),
                (Notice::Nobody { name: "eve" }, Verdict::Refused),
                (Notice::Unknown { command: "/kic" }, Verdict::Misused),
                (Notice::Usage { usage: "/kick NAME" }, Verdict::Misused),
            ] {
                let line = String::from_utf8(notice.to_line(lang)).unwrap();
                assert_eq!(line.lines().map(verdict).max(), Some(is), "{line}");
            }
        }
        assert_eq!(verdict("bob: nobody here is called eve"), Verdict::Done);
        assert!(Verdict::Misused > Verdict::Refused && Verdict::Refused > Verdict::Done);
    }
}
