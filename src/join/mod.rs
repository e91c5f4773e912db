//! The terminal client: `chinwag join`.
//!
//! It keeps the prompt, with what is being typed, on the last row, while lines arrive above it:
//!
//! ```text
//! $ chinwag join --nick 민수
//! * welcome, you are guest3 (127.0.0.1:40116), 3 here
//! guest1: 안녕하세요
//! guest2: is anybody he
//! >> yes, here I a
//! ```
//!
//! It works with any server that sends lines, and never uses the internals of this one. All that it
//! knows of the conversation comes from the wire. If a server ends no lines, 0.3 s of silence end
//! one. `join --help` lists the keys.
//!
//! # On a terminal
//!
//! - The terminal scrolls and copies the conversation as usual, and is restored at every exit.
//! - A long line continues in the next row, indented by two columns. So no text of a client stands
//!   where a line of the server begins.
//! - A sent line stays dimmed above the prompt until the server sends its echo. Without an echo
//!   within 2 s, it is shown as it was typed, after `>> `.
//! - Tab completes commands, names, and rooms after `/join`. If several match, it shows them.
//! - In a room other than the lobby the prompt is the name of the room: `garden> `.
//! - The cursor moves by whole characters: a syllable, or a letter with its marks.
//! - Typed lines are kept in `~/.local/state/chinwag/history`, or below `XDG_STATE_HOME`, unless
//!   they begin with a blank or carry a password: `/oper`, `/password`, and `/join` with a second
//!   word. Only you can read that file. `--no-history` neither reads nor writes it.
//! - Pasted text is sent line by line. Text after its last line end stays at the prompt. More than
//!   5 lines are sent only after Enter. A `/` at the beginning of a pasted line is text.
//! - A line has at most 4096 bytes, as many as a server takes by default, or fewer if the server
//!   has said so. A longer one is not sent. One that the server refuses is shown as `-- not sent`.
//! - A password behind `/oper`, `/password`, or the room of `/join` is shown as `*`.
//! - What the server sends is made safe to show, and cut at 64 KiB per line.
//! - Every name has one colour, always the same. A line that mentions your name, or that only you
//!   get, is highlighted as a whole.
//! - After a minute without a key, new lines begin below `-- new lines`. There is no such mark
//!   right below your own line. A note above the prompt counts them until you press a key.
//! - The client's own messages begin with `-- `.
//!
//! If the connection is lost, it reconnects after 1 s, then less often, at last every 30 s. It
//! looks up the name of the server again each time. Then it asks for its own name, and repeats that
//! every 5 s for at most 2 minutes, because its old connection may still have that name. It also
//! asks for `/history 20`, and shows the lines that it has not shown before. It does both only if
//! the server's greeting begins with `* `. It goes back to its room before it sends what you type.
//! On a server with a password it does all this once the password is right.
//!
//! # Without a terminal
//!
//! On a pipe, or a terminal that is `dumb`, there is no prompt and no colour. `echo hi | chinwag
//! join` sends its input as it comes, and then shuts down its sending side. It prints what the
//! server sends until the server closes the connection. While its output is blocked, it reads
//! nothing from the server. If its output is closed, it still sends.
//!
//! # Inside
//!
//! One thread and one poll serve the terminal and the socket. On a terminal it is a [`seat`];
//! through pipes it is a [`relay`]. The rest are values. [`keys`], [`escape`], [`paste`], [`edit`],
//! [`columns`], [`wrap`] and [`screen`] are for the user. [`wire`], [`said`], [`pending`],
//! [`earlier`], [`people`], [`away`], [`secret`] and [`paint`] are for the conversation.
//! [`typing`] and [`talk`] join them. These files touch the outside: [`watch`] knows mio,
//! [`terminal`] the terminal, [`source`](crate::stdio::source) standard input, [`history`] a file,
//! [`lookup`] another process.

pub mod away;
pub mod columns;
pub mod earlier;
pub mod edit;
pub mod escape;
pub mod flags;
pub mod history;
pub mod keys;
pub mod lookup;
pub mod paint;
pub mod paste;
pub mod pending;
pub mod people;
pub mod redial;
pub mod relay;
pub mod said;
pub mod screen;
pub mod seat;
pub mod secret;
pub mod talk;
pub mod terminal;
pub mod typing;
pub mod watch;
pub mod wire;
pub mod wrap;

use std::env;
use std::fmt;
use std::io::{self, ErrorKind, IsTerminal};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use clap::ColorChoice;
use time::OffsetDateTime;

use crate::stdio::sink::Sink;
use crate::stdio::source::Source;
use flags::Flags;
use history::History;
use lookup::Lookup;
use paint::Paint;
use redial::Redial;
use relay::Relay;
use seat::Seat;
use talk::Talk;
use terminal::Terminal;
use typing::Typing;
use watch::Watch;

/// The most time for an attempt to connect to one address.
pub const REACH_MAX: Duration = Duration::from_secs(10);

/// How the conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All was sent, and the connection closed.
    Left,
    /// The connection was lost, and the user did not wait for another.
    Lost,
    /// This signal ended it.
    Signal(i32),
}

/// Why there is no conversation, or why it ended early, in words for the user.
#[derive(Debug)]
pub struct JoinError(String);

impl JoinError {
    /// The system refuses something that the client needs.
    fn system(what: &str) -> impl Fn(io::Error) -> JoinError {
        move |error| JoinError(format!("cannot {what}: {error}"))
    }

    /// The connection broke, or the server closed it before all was sent.
    fn lost(why: impl fmt::Display) -> JoinError {
        JoinError(format!("connection lost: {why}"))
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JoinError {}

/// Connects, and talks until the conversation is over.
pub fn run(flags: Flags) -> Result<Ended, JoinError> {
    let server = flags.server();
    let connecting = format!("connect to {}", flags::shown(server));
    let lookup = Lookup::of(server);
    let resolved = server.to_socket_addrs().map_err(JoinError::system(&connecting))?;
    let addresses: Vec<SocketAddr> = resolved.collect();
    let mut watch = Watch::new().map_err(JoinError::system("poll"))?;
    connect_first(&mut watch, &addresses).map_err(JoinError::system(&connecting))?;

    let source = Source::open(io::stdin().as_fd()).map_err(JoinError::system("read the input"))?;
    let on_terminal = is_on_terminal();
    let paint = Paint {
        colored: is_colored(flags.color, on_terminal),
        bell: flags.bell,
        clock: flags.timestamps.then_some(time_of_day),
    };
    if !on_terminal {
        let sink = Sink::open_patiently(rustix::stdio::stdout()).ok();
        let (nick, room) = (flags.nick.as_deref(), flags.room.as_deref());
        return Relay::new(watch, source, sink, paint, nick, room).run();
    }
    let terminal = Terminal::open(io::stdin().as_fd(), io::stdout().as_fd());
    let terminal = terminal.map_err(JoinError::system("use the terminal"))?;
    let mut talk = Talk::new(paint, flags.nick, flags.room);
    let history = if flags.no_history { None } else { open_history(&mut talk) };
    let typing = Typing::new(history.unwrap_or_default());
    let redial = Redial::new(addresses, lookup);
    Seat::new(watch, source, terminal, talk, typing, redial).run()
}

/// Tries each address until one answers. The terminal is not raw yet, so Ctrl-C ends it.
fn connect_first(watch: &mut Watch, addresses: &[SocketAddr]) -> io::Result<()> {
    let mut failure = io::Error::from(ErrorKind::AddrNotAvailable);
    for address in addresses {
        match watch.connect(*address).and_then(|()| wait_until_reached(watch)) {
            Ok(()) => return Ok(()),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn wait_until_reached(watch: &mut Watch) -> io::Result<()> {
    let by = Instant::now() + REACH_MAX;
    while !watch.is_reached()? {
        let left = by.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        watch.wait(Some(left))?;
    }
    Ok(())
}

/// Whether a user is at a terminal that can move its cursor.
fn is_on_terminal() -> bool {
    let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdin().is_terminal() && io::stdout().is_terminal() && !is_dumb
}

fn is_colored(color: ColorChoice, on_terminal: bool) -> bool {
    let unwanted = || env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    color == ColorChoice::Always || color == ColorChoice::Auto && on_terminal && !unwanted()
}

fn time_of_day() -> String {
    // There is one thread, so the local time is known. If not, this is UTC.
    let now = OffsetDateTime::now_local().unwrap_or_else(|_| OffsetDateTime::now_utc());
    format!("{:02}:{:02}:{:02}", now.hour(), now.minute(), now.second())
}

fn open_history(talk: &mut Talk) -> Option<History> {
    let path = history::usual_path()?;
    let opened = History::open(&path).map_err(|error| {
        let path = path.display();
        talk.show_own_word(&format!("what you type is not kept in {path}: {error}"));
    });
    opened.ok()
}
