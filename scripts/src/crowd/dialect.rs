//! What the clients of each server send, and how a line of the conversation is found in what they
//! receive. Bytes only.
//!
//! The *words* of a line are what a talker has sent, with its name: `guest1: 0012`. Around them
//! stands whatever the server adds.

use chinwag::wire::web::frames::push_text_head;
use memchr::{memchr, memmem};

use super::author::MARK;

/// How the clients of a server talk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// chinwag, as nc speaks it.
    #[default]
    Plain,
    /// chinwag, after a command of telnet.
    Telnet,
    /// chinwag, as its page speaks it: WebSocket.
    Web,
    /// Lines. The server welcomes a client with a line.
    Welcoming,
    /// Lines. The server says nothing by itself.
    Bare,
    /// PUBLISH and SUBSCRIBE of Redis.
    Redis,
    /// PUB and SUB of NATS.
    Nats,
    /// IRC.
    Irc,
    /// Lines. The server adds a number before each.
    Ncat,
}

/// A command of telnet that asks for nothing: IAC WILL SUPPRESS-GO-AHEAD. Then the server knows.
const TELNET: &[u8] = b"\xff\xfb\x03";

/// IAC and two more bytes: each command of telnet that the server sends has as many.
const TELNET_COMMAND_BYTES: usize = 3;

/// What the page sends first.
const UPGRADE: &[u8] = b"GET /chat HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\
    Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

impl Dialect {
    /// Whether the server is chinwag. It adds names. It loses no line without a notice, and all its
    /// clients receive one order.
    pub fn is_chinwag(self) -> bool {
        matches!(self, Dialect::Plain | Dialect::Telnet | Dialect::Web)
    }

    /// Whether a talker receives its own lines.
    pub fn echoes(self) -> bool {
        !matches!(self, Dialect::Redis | Dialect::Irc | Dialect::Ncat)
    }

    /// Whether the server tells a client that it is in. If not, it is in once it is accepted.
    pub fn greets(self) -> bool {
        !matches!(self, Dialect::Bare | Dialect::Ncat)
    }

    /// What a client of this channel sends first; `speaks` if it will talk, and not only listen.
    /// Channel 0 of chinwag is its lobby, where each client is already.
    pub fn hello(self, client: usize, channel: usize, speaks: bool) -> Vec<u8> {
        let mut hello = match self {
            Dialect::Telnet => TELNET.to_vec(),
            Dialect::Web => UPGRADE.to_vec(),
            // A subscriber may not publish.
            Dialect::Redis if speaks => b"PING\r\n".to_vec(),
            Dialect::Redis => format!("SUBSCRIBE c{channel}\r\n").into(),
            Dialect::Nats => {
                format!("CONNECT {{\"verbose\":false}}\r\nSUB c{channel} 1\r\nPING\r\n").into()
            }
            Dialect::Irc => {
                format!("NICK u{client}\r\nUSER u 0 * :u\r\nJOIN #c{channel}\r\n").into()
            }
            Dialect::Plain | Dialect::Welcoming | Dialect::Bare | Dialect::Ncat => Vec::new(),
        };
        if self.is_chinwag() && channel > 0 {
            self.write_said(format!("/join c{channel}").as_bytes(), channel, &mut hello);
        }
        hello
    }

    /// Whether this line tells a client that it is in its channel.
    pub fn lets_in(self, line: &[u8], speaks: bool) -> bool {
        let sign = match self {
            // In its lobby, the welcome tells it in any language.
            Dialect::Plain | Dialect::Telnet | Dialect::Web => &b"* you are in c"[..],
            Dialect::Welcoming => b"* welcome",
            // The answer to PING, or part of the answer to SUBSCRIBE.
            Dialect::Redis if speaks => b"+PONG",
            Dialect::Redis => b"subscribe",
            Dialect::Nats => b"PONG",
            Dialect::Irc => b" 366 ",
            Dialect::Bare | Dialect::Ncat => return false,
        };
        memmem::find(line, sign).is_some()
    }

    /// Writes what a client must send to give all clients of this channel these words. If they
    /// begin with its name, that is left out for chinwag, which adds it.
    pub fn write_said(self, words: &[u8], channel: usize, to: &mut Vec<u8>) {
        let unsaid = memmem::find(words, MARK).filter(|_| self.is_chinwag());
        let words = &words[unsaid.map_or(0, |at| at + MARK.len())..];
        let (before, after): (String, &[u8]) = match self {
            Dialect::Redis => {
                let (length, to) = (words.len(), format!("c{channel}"));
                let publish = format!("*3\r\n$7\r\nPUBLISH\r\n${}\r\n{to}\r\n", to.len());
                (format!("{publish}${length}\r\n"), b"\r\n")
            }
            Dialect::Nats => (format!("PUB c{channel} {}\r\n", words.len()), b"\r\n"),
            Dialect::Irc => (format!("PRIVMSG #c{channel} :"), b"\r\n"),
            Dialect::Web => return write_frame(words, to),
            _ => (String::new(), b"\n"),
        };
        to.extend_from_slice(before.as_bytes());
        to.extend_from_slice(words);
        to.extend_from_slice(after);
    }

    /// Where the first line of these bytes ends, if it has arrived. For WebSocket that is a frame.
    pub fn end_of_line(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Dialect::Web => end_of_frame(bytes),
            _ => memchr(b'\n', bytes).map(|at| at + 1),
        }
    }

    /// The words of a line: what a talker has sent, or what the server tells.
    pub fn words(self, line: &[u8]) -> &[u8] {
        if self == Dialect::Web {
            return words_of_frame(line);
        }
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let behind = |sign: &[u8]| memmem::find(line, sign).map(|at| at + sign.len());
        let from = match self {
            Dialect::Telnet => {
                let commands = line.chunks(TELNET_COMMAND_BYTES);
                Some(commands.take_while(|it| it[0] == TELNET[0]).map(<[u8]>::len).sum())
            }
            Dialect::Irc => behind(b" :"),
            Dialect::Ncat => behind(b"> "),
            _ => None,
        };
        &line[from.unwrap_or(0)..]
    }
}

/// A text frame of a client: like one of the server, and a mask. That is 0, so that the text stays
/// as it is.
fn write_frame(words: &[u8], to: &mut Vec<u8>) {
    const IS_MASKED: u8 = 0x80;
    let start = to.len();
    push_text_head(words.len(), to);
    to[start + 1] |= IS_MASKED;
    to.extend_from_slice(&[0; 4]);
    to.extend_from_slice(words);
}

/// How many bytes of a frame are its head, and how many its text. No line has more than 64 KiB.
fn frame(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes {
        [_, 126, high, low, ..] => Some((4, u16::from_be_bytes([high, low]).into())),
        [_, 126, ..] | [] | [_] => None,
        [_, short, ..] => Some((2, short.into())),
    }
}

fn end_of_frame(bytes: &[u8]) -> Option<usize> {
    // Before the first frame stands the head of an answer.
    if bytes.starts_with(b"HTTP") {
        return memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4);
    }
    let (head, text) = frame(bytes)?;
    (bytes.len() >= head + text).then_some(head + text)
}

/// `NUMBER SECONDS WORDS` or `- WORDS`.
fn words_of_frame(line: &[u8]) -> &[u8] {
    let Some(text) = frame(line).and_then(|(head, _)| line.get(head..)) else { return &[] };
    let blanks = if text.starts_with(b"-") { 1 } else { 2 };
    text.splitn(blanks + 1, |byte| *byte == b' ').last().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_line_are_found_in_every_dialect() {
        for (dialect, line) in [
            (Dialect::Plain, &b"guest1: 0012\n"[..]),
            (Dialect::Telnet, b"\xff\xfe\x03\xff\xfd\x00guest1: 0012\r\n"),
            (Dialect::Web, b"\x81\x1117 3 guest1: 0012"),
            (Dialect::Web, b"\x81\x0e- guest1: 0012"),
            (Dialect::Redis, b"guest1: 0012\r\n"),
            (Dialect::Irc, b":u1!~u@localhost PRIVMSG #c0 :guest1: 0012\r\n"),
            (Dialect::Ncat, b"<user5> guest1: 0012\n"),
        ] {
            assert_eq!(dialect.words(line), b"guest1: 0012", "{dialect:?}");
            let two = [line, line].concat();
            assert_eq!(dialect.end_of_line(&two), Some(line.len()), "{dialect:?}");
            assert_eq!(dialect.end_of_line(&line[..line.len() - 1]), None, "{dialect:?}");
        }
        let answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
        assert_eq!(Dialect::Web.end_of_line(answer), Some(answer.len()));
    }
}
