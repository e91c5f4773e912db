//! Clients of other protocols that have come to the wrong port: HTTP, TLS, SSH, IRC and others.
//!
//! What they send would be noise to everyone here. Worse, a web page can make a visitor's browser
//! send a request to this port, with the visitor's cookies in it, and a body that the page words.
//! It can make it send STUN too, with words of the page in it. None of that may be said or obeyed.
//! So a stranger is told in one line, in the form of its own protocol if that has lines, and is
//! closed.
//!
//! The rules this file keeps:
//!
//! - The beginning decides, however long it is and however it is cut into reads.
//! - A line `METHOD SP TARGET SP HTTP/x` is a request. Where such a line is too long to be kept,
//!   `METHOD SP` and the beginning of a target are enough.
//! - `Host:`, `User-Agent:` or `Content-Length:` among the first [`FIRST_LINES`] lines is of a
//!   request whose first line went by unrecognised. Behind a first line that was thrown away, any
//!   header field is.
//! - Two lines register a client of IRC. The first is kept until the next one has ended.
//! - A person who has said a word may talk about HTTP.
//!
//! What each protocol looks like is said in `protocol.rs`. This file looks at bytes only and never
//! waits: [`Sniffed::NotYet`] says that more is needed.

use std::time::Duration;

use memchr::memchr2;

use super::protocol;
use crate::words::notice::{Lang, Notice};

/// How many lines of a client are searched for a header field. Every browser and library names the
/// host in one of the first few.
pub const FIRST_LINES: u8 = 16;

/// How long the rest of a line is waited for that may become a request. A browser sends its request
/// at once; a lost packet comes again within a few seconds.
pub const REQUEST_WAIT: Duration = Duration::from_secs(5);

/// The protocol of a client that has come to the wrong port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// HTTP/1.x (RFC 9112), or the preface of HTTP/2 (RFC 9113, 3.4).
    Http,
    /// RTSP (RFC 2326).
    Rtsp,
    /// SIP (RFC 3261).
    Sip,
    /// TLS: its first record is a handshake (RFC 8446, 5.1).
    Tls,
    /// SSH (RFC 4253, 4.2).
    Ssh,
    /// IRC (RFC 2812, 3.1).
    Irc,
    /// The PROXY protocol, version 1 or 2: a proxy in front of this server names its client.
    Proxy,
    /// Text in UTF-16, of a chat client that is set to it.
    Utf16,
    /// A binary protocol of which no more is known.
    Binary,
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
        let rest = protocol::without_line_ends(pending);
        let end = memchr2(b'\r', b'\n', rest);
        let first = &rest[..end.unwrap_or(rest.len())];
        let line = first.trim_ascii_start();
        if protocol::is_header(line) || self.first_was_too_long && protocol::is_field(line) {
            return Sniffed::Stranger(Stranger::Http);
        }
        if self.seen > 0 {
            return Sniffed::Chat;
        }
        let is_too_long = line.len() > line_bytes_max;
        // While a line is waited for, all that comes is kept.
        let may_become = !is_whole
            && !is_too_long
            && (protocol::may_become_proxy_2(rest)
                || protocol::may_become_irc(rest)
                || end.is_none() && protocol::may_become(line));
        let of_text = match end {
            _ if is_too_long => protocol::of_long_line(line),
            None if !is_whole => None,
            _ if may_become => None,
            _ => protocol::of_line(line, rest),
        };
        match protocol::of_bytes(rest).or(of_text) {
            Some(stranger) => Sniffed::Stranger(stranger),
            None if may_become => Sniffed::NotYet,
            None if protocol::is_binary(first, rest) => Sniffed::Stranger(Stranger::Binary),
            None => Sniffed::Chat,
        }
    }

    /// Those of a client of which is known what it speaks.
    pub fn of_known() -> FirstLines {
        FirstLines { seen: FIRST_LINES, first_was_too_long: false }
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
}

impl Stranger {
    /// What it is told.
    pub fn goodbye(self, lang: Lang) -> Vec<u8> {
        let not_chat = |protocol| Notice::NotChat { protocol };
        match self {
            Stranger::Http => answer("HTTP/1.1", &not_chat("HTTP").to_line(lang)),
            Stranger::Rtsp => answer("RTSP/1.0", &not_chat("RTSP").to_line(lang)),
            Stranger::Sip => answer("SIP/2.0", &not_chat("SIP").to_line(lang)),
            Stranger::Irc => format!("ERROR :{}\r\n", not_chat("IRC").text(lang)).into_bytes(),
            Stranger::Tls => not_chat("TLS").to_line(lang),
            Stranger::Ssh => not_chat("SSH").to_line(lang),
            Stranger::Proxy => not_chat("PROXY").to_line(lang),
            Stranger::Utf16 => Notice::Utf16.to_line(lang),
            Stranger::Binary => Notice::NotText.to_line(lang),
        }
    }
}

/// An answer of HTTP, or of a protocol that takes its form from it.
fn answer(version: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{version} 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
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
        for (beginning, is) in [
            (&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], http),
            (b"POST /x HTTP/1.0\n", http),
            (b"OPTIONS * HTTP/1.1\r\n", http),
            (b"GET http://a/ HTTP/1.1\r\n", http),
            (b"CONNECT a:443 HTTP/1.1\r\n", http),
            (b"PRI * HTTP/2.0\r\n", http),
            (b"get / http/1.1\r\n", http),
            (b"GET /a b HTTP/1.1\r\n", http),
            (b"GET /a\0\x01 HTTP/1.1\r\n", http),
            (b"\r\n\r\nGET / HTTP/1.1\r\n", http),
            (b"Host: localhost\r\n", http),
            (b"content-length: 7", http),
            (&long, http),
            (b"\x16\x03\x01\x02\x00\x01", Sniffed::Stranger(Stranger::Tls)),
            (b"SSH-2.0-OpenSSH_9.2\r\n", Sniffed::Stranger(Stranger::Ssh)),
            (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\n", Sniffed::Stranger(Stranger::Ssh)),
            (b"SSH-2.0-8.36 FlowSsh: Bitvise SSH Client\r\n", Sniffed::Stranger(Stranger::Ssh)),
            (b"OPTIONS / RTSP/1.0\r\n", Sniffed::Stranger(Stranger::Rtsp)),
            (b"REGISTER sips:a SIP/2.0\r\n", Sniffed::Stranger(Stranger::Sip)),
            (b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n", Sniffed::Stranger(Stranger::Proxy)),
            (b"\r\n\r\n\0\r\nQUIT\n", Sniffed::Stranger(Stranger::Proxy)),
            (b"NICK x\r\nUSER x 0 * :X\r\n", Sniffed::Stranger(Stranger::Irc)),
            (b"\xff\xfe", Sniffed::Stranger(Stranger::Utf16)),
            (b"\xfe\xff", Sniffed::Stranger(Stranger::Utf16)),
            (b"h\0i\0", Sniffed::Stranger(Stranger::Utf16)),
            (b"\0h\0", Sniffed::Stranger(Stranger::Utf16)),
            (b"\x05\x01\0", Sniffed::Stranger(Stranger::Binary)),
            (b"a\0\xff", Sniffed::Stranger(Stranger::Binary)),
        ] {
            assert_eq!(sniff(beginning), is, "{}", beginning.escape_ascii());
        }
    }

    #[test]
    fn what_may_become_a_stranger_is_waited_for() {
        for beginning in [
            &b"GE"[..],
            b"GET ",
            b"GET HT",
            b"CONNECT a",
            b"\r\n\r\nGET / HTTP/1.1",
            b"GET /a\0\x01",
            b"GET rtsp",
            b"INVITE sip:a",
            b"PRI",
            b"SSH-2.0-OpenSSH",
            b"CAP LS",
            b"NI",
            b"NICK x\r\n",
            b"PASS p\n\nUS",
            b"USER x 0 * :X\r\nNICK x",
            b"PROXY TCP4 10.",
            b"\r\n\r\n\0\r\nQU",
        ] {
            assert_eq!(sniff(beginning), Sniffed::NotYet, "{}", beginning.escape_ascii());
        }
    }

    #[test]
    fn what_resembles_a_stranger_is_of_a_person() {
        let words = [b"hello ", [b'a'; LINE_BYTES_MAX].as_slice()].concat();
        for beginning in [
            &b"G"[..],
            b"GET me",
            b"GET /\n",
            b"I like HTTP/1.1\n",
            b"LOL see you\n",
            b"hello: there\n",
            b"/who\n",
            b"GET this HTTP/1.1\n",
            b"LOL /me too HTTP/1.1\n",
            b"connect me: HTTP/1.1\n",
            b"SSH-2.0-OpenSSH says so\n",
            b"PASS x\nhello\n",
            b"NICK is a word",
            b"USER of it\nNICK",
            b"NICK x\nNO",
            b"hello\0\0",
            b"\xb0\xa1\0\0\n\0",
            b"\xff\xff",
            b"hello\na\0\x01",
            "a\0\u{ac00}\x08\x1b\t".as_bytes(),
            b"a\0\xea\xb0",
            &words,
            b"\r\n",
            b"\x16",
            b"",
        ] {
            assert_eq!(sniff(beginning), Sniffed::Chat, "{}", beginning.escape_ascii());
        }
    }

    #[test]
    fn a_line_too_long_is_not_waited_for() {
        let beginnings: [&[u8]; 6] =
            [b"GET /", b"CONNECT ", b"SSH-2.0-x y ", b"PROXY TCP4 ", b"PROXY UNKNOWN ", b"CAP LS "];
        for beginning in beginnings {
            let long = [beginning, &b"a b".repeat(LINE_BYTES_MAX)].concat();
            assert_eq!(sniff(&long[..LINE_BYTES_MAX]), Sniffed::NotYet);
            assert_ne!(sniff(&long), Sniffed::NotYet, "{}", beginning.escape_ascii());
        }
    }

    #[test]
    fn only_so_much_is_waited_for_as_irc() {
        let begun = |bytes: usize| [b"NICK x\nUSER ", b"a ".repeat(bytes / 2).as_slice()].concat();
        assert_eq!(sniff(&begun(900)), Sniffed::NotYet);
        assert_ne!(sniff(&begun(1100)), Sniffed::NotYet);
        assert_eq!(sniff(&[b"NICK x".as_slice(), &[b'\n'; 1100]].concat()), Sniffed::Chat);
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
        for (stranger, version) in [
            (Stranger::Http, "HTTP/1.1 400 "),
            (Stranger::Rtsp, "RTSP/1.0 400 "),
            (Stranger::Sip, "SIP/2.0 400 "),
        ] {
            let answer = String::from_utf8(stranger.goodbye(Lang::Ko)).unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(version));
            assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())));
            assert!(body.starts_with("* ") && body.ends_with('\n'));
        }
    }

    #[test]
    fn any_other_stranger_gets_one_line() {
        let told = |stranger: Stranger| String::from_utf8(stranger.goodbye(Lang::En)).unwrap();
        let irc = told(Stranger::Irc);
        assert!(irc.starts_with("ERROR :") && irc.ends_with("\r\n"));
        for stranger in [Stranger::Tls, Stranger::Ssh, Stranger::Proxy] {
            assert!(told(stranger).starts_with("* this is a chat server and does not speak "));
        }
        for stranger in [Stranger::Irc, Stranger::Tls, Stranger::Utf16, Stranger::Binary] {
            assert_eq!(told(stranger).lines().count(), 1);
        }
    }

    /// Beginnings of which many are cut out of one that is known.
    fn beginning() -> impl Strategy<Value = Vec<u8>> {
        let request = "(GET|POST|get|x|Host:|h)? ?[/*h]?[ -~]{0,90}(HTTP/1.1)?\r\n";
        let known = "(OPTIONS|INVITE|PROXY|CAP|NICK|SSH-2.0-x9?) ?(sip:|rtsp:|/|LS|TCP4|UNKNOWN)?\
            [ -~]{0,9}(SIP/2.0|RTSP/1.0| 1 2)?[\r\n]{1,2}(USER a b c d)?\n";
        let byte = prop_oneof![3 => Just(0), 1 => Just(b'a'), 2 => any::<u8>()];
        prop_oneof![
            request.prop_map(String::into_bytes),
            known.prop_map(String::into_bytes),
            prop::collection::vec(byte, 0..20),
        ]
    }

    proptest! {
        #![proptest_config(crate::cases())]

        /// More bytes never make a stranger of a line that was judged, nor a person of a stranger.
        #[test]
        fn however_it_is_cut_the_verdict_is_the_same(
            line in beginning(),
            cut in 0..90_usize
        ) {
            let whole = sniff(&line);
            let part = sniff(&line[..cut.min(line.len())]);
            if let Sniffed::Stranger(_) = part {
                prop_assert_eq!(whole, part);
            }
        }
    }
}
