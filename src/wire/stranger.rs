//! Clients of other protocols that have come to the wrong port: HTTP, TLS, SSH.
//!
//! What they send would be noise to everyone here. Worse, a web page can make a visitor's browser
//! send a request to this port, with the visitor's cookies in it, and a body that the page words.
//! None of that may be said or obeyed. So a stranger is told in one line, in its own protocol if
//! that is HTTP, and closed.
//!
//! The rules this file keeps:
//!
//! - The beginning decides, however long it is and however it is cut into reads.
//! - A line `METHOD SP TARGET .. HTTP/x` is a request. Where such a line is too long to be kept,
//!   `METHOD SP` and the first byte of a target are enough.
//! - `Host:`, `User-Agent:` or `Content-Length:` among the first [`FIRST_LINES`] lines is of a
//!   request whose first line went by unrecognised. Behind a first line that was thrown away, any
//!   header field is.
//! - A person who has said a word may talk about HTTP.
//!
//! It looks at bytes only and never waits: [`Sniffed::NotYet`] says that more is needed.

use std::time::Duration;

use memchr::memchr2;

use crate::words::notice::{Lang, Notice};

/// How many lines of a client are searched for a header field. Every browser and library names the
/// host in one of the first few.
pub const FIRST_LINES: u8 = 16;

/// How long the rest of a line is waited for that may become a request. A browser sends its request
/// at once; a lost packet comes again within a few seconds.
pub const REQUEST_WAIT: Duration = Duration::from_secs(5);

/// The most letters of a method that is not registered.
const METHOD_BYTES_MAX: usize = 16;

/// The methods of RFC 9110 and RFC 5789. The beginning of one of them may become a request.
const METHODS: [&[u8]; 9] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"CONNECT ",
    b"OPTIONS ",
    b"TRACE ",
    b"PATCH ",
];

/// Header fields that every request has at least one of, in small letters.
const HEADERS: [&[u8]; 3] = [b"host:", b"user-agent:", b"content-length:"];

/// The protocol of a client that has come to the wrong port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// HTTP/1.x (RFC 9112), or the preface of HTTP/2.
    Http,
    /// TLS: its first record is a handshake (RFC 8446, 5.1).
    Tls,
    /// SSH (RFC 4253, 4.2).
    Ssh,
}

/// What a beginning shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sniffed {
    /// This is no chat client.
    Stranger(Stranger),
    /// It may become a request: judge it again when there is more, or after [`REQUEST_WAIT`].
    NotYet,
    /// This line may be said.
    Chat,
}

/// How far the first lines of a client have been looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct FirstLines {
    seen: u8,
    /// The very first was thrown away.
    first_was_too_long: bool,
}

impl FirstLines {
    /// Judges the line that stands at the front of `pending`.
    ///
    /// A line of more than `line_bytes_max` bytes is judged by its beginning. One without an end is
    /// judged as it is if it `is_whole`: no more will come, or it is taken as a chunk. Empty lines
    /// before a request are no part of it (RFC 9112, 2.2).
    pub fn sniff(&self, pending: &[u8], line_bytes_max: usize, is_whole: bool) -> Sniffed {
        if self.seen >= FIRST_LINES {
            return Sniffed::Chat;
        }
        let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let start = pending.iter().position(|byte| !is_line_end(byte)).unwrap_or(pending.len());
        let rest = &pending[start..];
        let end = memchr2(b'\r', b'\n', rest);
        let line = rest[..end.unwrap_or(rest.len())].trim_ascii_start();
        if self.is_header(line) {
            return Sniffed::Stranger(Stranger::Http);
        }
        match self.seen {
            0 => sniff_first(rest, line, line.len() > line_bytes_max, end.is_some() || is_whole),
            _ => Sniffed::Chat,
        }
    }

    /// The line was taken.
    pub fn note_line(&mut self) {
        self.seen = self.seen.saturating_add(1);
    }

    /// The line was thrown away.
    pub fn note_too_long(&mut self) {
        self.first_was_too_long |= self.seen == 0;
        self.note_line();
    }

    fn is_header(&self, line: &[u8]) -> bool {
        let is_one = |header: &&[u8]| {
            line.get(..header.len()).is_some_and(|start| start.eq_ignore_ascii_case(header))
        };
        HEADERS.iter().any(is_one) || self.first_was_too_long && is_field(line)
    }
}

/// Judges the very first line; `rest` is all that follows its first byte.
fn sniff_first(rest: &[u8], line: &[u8], is_too_long: bool, is_whole: bool) -> Sniffed {
    let is_http = match is_too_long {
        true => begins_request(line),
        false => is_whole && is_request(line),
    };
    match rest {
        [0x16, 3, ..] => Sniffed::Stranger(Stranger::Tls),
        [b'S', b'S', b'H', b'-', b'2', b'.', b'0', b'-', ..] => Sniffed::Stranger(Stranger::Ssh),
        _ if is_http => Sniffed::Stranger(Stranger::Http),
        _ if !is_whole && may_become_request(line) => Sniffed::NotYet,
        _ => Sniffed::Chat,
    }
}

/// Whether this is a request line: METHOD SP TARGET SP VERSION.
fn is_request(line: &[u8]) -> bool {
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let (Some(method), Some(target), Some(version)) =
        (words.next(), words.next(), words.next_back())
    else {
        return false;
    };
    let is_method = method.len() <= METHOD_BYTES_MAX && method.iter().all(is_method_letter);
    let is_connect = method.eq_ignore_ascii_case(b"CONNECT");
    is_method && (is_connect || begins_target(target)) && is_version(version.trim_ascii_end())
}

/// Whether a line begins as a request does: METHOD SP and the first of a target.
fn begins_request(line: &[u8]) -> bool {
    let Some(end) = line.iter().take(METHOD_BYTES_MAX + 1).position(|byte| *byte == b' ') else {
        return false;
    };
    let (method, target) = (&line[..end], &line[end + 1..]);
    let is_method = end > 1 && method.iter().all(u8::is_ascii_uppercase);
    is_method && (method == b"CONNECT" || begins_target(target))
}

/// Whether a line without its end may become a request line. A single letter may as well be a
/// whole message.
fn may_become_request(line: &[u8]) -> bool {
    let is_of_method = |method: &&[u8]| method.starts_with(line);
    let is_of_target = |method: &&[u8]| {
        let target = line.strip_prefix(*method).map(<[u8]>::to_ascii_lowercase);
        target.is_some_and(|target| b"http".starts_with(&target))
    };
    let begins = METHODS.iter().any(is_of_method) || METHODS.iter().any(is_of_target);
    line.len() > 1 && begins || begins_request(line)
}

fn is_method_letter(byte: &u8) -> bool {
    byte.is_ascii_alphabetic() || *byte == b'-'
}

/// In origin form, asterisk form or absolute form (RFC 9112, 3.2).
fn begins_target(target: &[u8]) -> bool {
    let is_absolute = target.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"http"));
    matches!(target.first(), Some(b'/' | b'*')) || is_absolute
}

fn is_version(word: &[u8]) -> bool {
    let number = word.get(..5).filter(|name| name.eq_ignore_ascii_case(b"HTTP/"));
    number.is_some() && word.len() <= 8 && word.get(5).is_some_and(u8::is_ascii_digit)
}

/// Whether a line has the form of a header field: a token and a colon (RFC 9112, 5).
fn is_field(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..line.len()).contains(&name.len()) && name.iter().all(is_token)
}

impl Stranger {
    /// What it is told.
    pub fn goodbye(self, lang: Lang) -> Vec<u8> {
        let protocol = match self {
            Stranger::Http => "HTTP",
            Stranger::Tls => "TLS",
            Stranger::Ssh => "SSH",
        };
        let line = Notice::NotChat { protocol }.to_line(lang);
        match self {
            Stranger::Tls | Stranger::Ssh => line,
            Stranger::Http => [http_head(line.len()).into_bytes(), line].concat(),
        }
    }
}

fn http_head(bytes: usize) -> String {
    format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {bytes}\r\nConnection: close\r\n\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINE_BYTES_MAX: usize = 64;

    fn sniff(beginning: &[u8]) -> Sniffed {
        FirstLines::default().sniff(beginning, LINE_BYTES_MAX, false)
    }

    #[test]
    fn strangers_are_recognised_by_their_beginning() {
        let http = Sniffed::Stranger(Stranger::Http);
        let long = [b"GET /", [b'a'; LINE_BYTES_MAX].as_slice()].concat();
        let words = [b"hello ", [b'a'; LINE_BYTES_MAX].as_slice()].concat();
        for (beginning, is) in [
            (&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], http),
            (b"POST /x HTTP/1.0\n", http),
            (b"OPTIONS * HTTP/1.1\r\n", http),
            (b"GET http://a/ HTTP/1.1\r\n", http),
            (b"CONNECT a:443 HTTP/1.1\r\n", http),
            (b"PRI * HTTP/2.0\r\n", http),
            (b"get / http/1.1\r\n", http),
            (b"GET /a b HTTP/1.1\r\n", http),
            (b"\r\n\r\nGET / HTTP/1.1\r\n", http),
            (b"Host: localhost\r\n", http),
            (b"content-length: 7", http),
            (&long, http),
            (b"\x16\x03\x01\x02\x00\x01", Sniffed::Stranger(Stranger::Tls)),
            (b"SSH-2.0-OpenSSH_9.2\r\n", Sniffed::Stranger(Stranger::Ssh)),
            (b"GE", Sniffed::NotYet),
            (b"GET ", Sniffed::NotYet),
            (b"GET HT", Sniffed::NotYet),
            (b"CONNECT a", Sniffed::NotYet),
            (b"\r\n\r\nGET / HTTP/1.1", Sniffed::NotYet),
            (b"G", Sniffed::Chat),
            (b"GET me", Sniffed::Chat),
            (b"GET /\n", Sniffed::Chat),
            (b"I like HTTP/1.1\n", Sniffed::Chat),
            (b"LOL see you\n", Sniffed::Chat),
            (b"hello: there\n", Sniffed::Chat),
            (b"/who\n", Sniffed::Chat),
            (&words, Sniffed::Chat),
            (b"\r\n", Sniffed::Chat),
            (b"\x16", Sniffed::Chat),
            (b"", Sniffed::Chat),
        ] {
            assert_eq!(sniff(beginning), is, "{}", beginning.escape_ascii());
        }
    }

    #[test]
    fn a_beginning_that_stays_one_is_judged_as_it_is() {
        let whole = |line: &[u8]| FirstLines::default().sniff(line, LINE_BYTES_MAX, true);
        assert_eq!(whole(b"GET / HTTP/1.1"), Sniffed::Stranger(Stranger::Http));
        assert_eq!(whole(b"GET / HT"), Sniffed::Chat);
    }

    #[test]
    fn a_word_later_a_person_may_talk_about_http() {
        let mut lines = FirstLines::default();
        for line in 0..FIRST_LINES {
            let sniffed = lines.sniff(b"Host: a\n", LINE_BYTES_MAX, false);
            assert_eq!(sniffed, Sniffed::Stranger(Stranger::Http), "line {line}");
            for words in [&b"SSH-2.0-x\n"[..], b"GET / HTTP/1.1\n", b"\x16\x03\n"] {
                assert_eq!(lines.sniff(words, 64, false) == Sniffed::Chat, line > 0);
            }
            lines.note_line();
        }
        assert_eq!(lines.sniff(b"Host: a\n", LINE_BYTES_MAX, false), Sniffed::Chat);
    }

    #[test]
    fn behind_a_first_line_too_long_any_header_is_one() {
        let mut lines = FirstLines::default();
        assert_eq!(lines.sniff(b"X-Some: a\n", LINE_BYTES_MAX, false), Sniffed::Chat);
        lines.note_too_long();
        let http = Sniffed::Stranger(Stranger::Http);
        assert_eq!(lines.sniff(b"X-Some: a\n", LINE_BYTES_MAX, false), http);
        assert_eq!(lines.sniff(b"sorry for that: here\n", LINE_BYTES_MAX, false), Sniffed::Chat);
    }

    #[test]
    fn a_browser_gets_an_answer_that_it_can_show() {
        let answer = String::from_utf8(Stranger::Http.goodbye(Lang::Ko)).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 "));
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())));
        assert!(body.starts_with("* ") && body.ends_with('\n'));
    }

    proptest! {
        #![proptest_config(crate::cases())]

        /// More bytes never make a stranger of a line that was judged, nor a person of a stranger.
        #[test]
        fn however_it_is_cut_the_verdict_is_the_same(
            line in "(GET|POST|get|x|Host:|h)? ?[/*h]?[ -~]{0,90}(HTTP/1.1)?\r\n",
            cut in 0..90_usize
        ) {
            let line = line.as_bytes();
            let whole = sniff(line);
            let part = sniff(&line[..cut.min(line.len())]);
            if let Sniffed::Stranger(_) = part {
                prop_assert_eq!(whole, part);
            }
        }
    }
}
