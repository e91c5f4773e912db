//! Who is no chat client but has come to the wrong door: a browser, a TLS or an SSH client.
//!
//! What it sends would be noise to everyone here, and what is said here no answer to it. It is told
//! in one line, in its own protocol if that is HTTP, and let go. This room looks at bytes only.

use crate::notice::{Lang, Notice};

/// The protocol of one who has come to the wrong door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// HTTP/1.x (RFC 9112): its first line ends with the version.
    Http,
    /// TLS: its first record is a handshake (RFC 8446, 5.1).
    Tls,
    /// SSH (RFC 4253, 4.2).
    Ssh,
}

impl Stranger {
    /// Who it is that begins like this; `None` if it may be a person. Call it again when there is
    /// more, until there is a line.
    ///
    /// Empty lines before a request are none of it (RFC 9112, 2.2).
    pub fn recognise(first: &[u8]) -> Option<Stranger> {
        const TLS_HANDSHAKE: &[u8] = &[0x16, 3];
        let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let start = first.iter().position(|byte| !is_line_end(byte)).unwrap_or(0);
        let first = &first[start..];
        if first.starts_with(TLS_HANDSHAKE) {
            return Some(Stranger::Tls);
        }
        if first.starts_with(b"SSH-2.0-") {
            return Some(Stranger::Ssh);
        }
        let end = first.iter().position(is_line_end)?;
        let (minor, before) = first[..end].split_last()?;
        let is_http = minor.is_ascii_digit() && before.ends_with(b" HTTP/1.");
        is_http.then_some(Stranger::Http)
    }

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

    #[test]
    fn who_speaks_another_protocol_is_recognised() {
        for (first, who) in [
            (&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], Some(Stranger::Http)),
            (b"POST /x HTTP/1.0\n", Some(Stranger::Http)),
            (b"\r\n\r\nGET / HTTP/1.1\r\n", Some(Stranger::Http)),
            (b"\r\n\r\nGET / HTTP/1.1", None),
            (b"\r\n", None),
            (b"\x16\x03\x01\x02\x00\x01", Some(Stranger::Tls)),
            (b"SSH-2.0-OpenSSH_9.2\r\n", Some(Stranger::Ssh)),
            (b"GET / HTTP/1.1", None),
            (b"I like HTTP/1.1\n", Some(Stranger::Http)),
            (b"I like HTTP/1.1!\n", None),
            (b"I like HTTP/1.x\n", None),
            (b"see you at 7\n", None),
            (b"hello\n", None),
            (b"\x16", None),
            (b"", None),
        ] {
            assert_eq!(Stranger::recognise(first), who, "{}", first.escape_ascii());
        }
    }

    #[test]
    fn a_browser_gets_an_answer_that_it_can_show() {
        let answer = String::from_utf8(Stranger::Http.goodbye(Lang::Ko)).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 "));
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())));
        assert!(body.starts_with("* ") && body.ends_with('\n'));
    }
}
