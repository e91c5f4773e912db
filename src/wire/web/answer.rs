//! What a request of HTTP is answered.
//!
//! Every answer but that of a WebSocket ends with its connection. So the length of a body is told
//! where it is known, and a body without an end needs none.

use super::handshake;
use super::head::{MARK, Refusal};
use super::page::{PAGE, POLICY};

/// The status of what is done.
pub const OK: &str = "200 OK";

/// That of what this client may not do.
pub const FORBIDDEN: &str = "403 Forbidden";

/// That of what another client is in the way of.
pub const CONFLICT: &str = "409 Conflict";

/// That of a client that has too much of something already (RFC 6585, 4).
pub const TOO_MANY: &str = "429 Too Many Requests";

/// That of a server that is full.
pub const UNAVAILABLE: &str = "503 Service Unavailable";

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// The page, or its head alone.
pub fn page(is_head: bool) -> Vec<u8> {
    let policy = format!("Content-Security-Policy: {POLICY}\r\n");
    whole(OK, HTML, &policy, PAGE, is_head)
}

/// That the server is alive.
pub fn health(is_head: bool) -> Vec<u8> {
    whole(OK, TEXT, "", "ok\n", is_head)
}

/// The head of an answer behind which text follows without an end. A proxy must not collect it.
pub fn stream() -> Vec<u8> {
    head(OK, TEXT, "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n").into_bytes()
}

/// That the client speaks WebSocket from now on (RFC 6455, 4.2.2).
pub fn websocket(accept: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into_bytes()
}

/// What became of a request that the chat itself has judged, in its words.
pub fn told(status: &str, words: &[u8]) -> Vec<u8> {
    whole(status, TEXT, "", &String::from_utf8_lossy(words), false)
}

/// Why a request is refused.
pub fn refusal(refusal: &Refusal, is_head: bool) -> Vec<u8> {
    let (status, why) = reason(refusal);
    let field = match refusal {
        Refusal::WrongMethod(methods) => format!("Allow: {methods}\r\n"),
        Refusal::NoUpgrade => {
            format!("Upgrade: websocket\r\nSec-WebSocket-Version: {}\r\n", handshake::VERSION)
        }
        _ => String::new(),
    };
    whole(status, TEXT, &field, &format!("{why}\n"), is_head)
}

/// The status of a refusal (RFC 9110, 15), and what a person reads.
fn reason(refusal: &Refusal) -> (&'static str, String) {
    let (status, why) = match refusal {
        Refusal::Malformed => ("400 Bad Request", "this is no request that is served here"),
        Refusal::Foreign => (FORBIDDEN, "a page of another site may not speak here"),
        Refusal::Unmarked => {
            let (field, value) = MARK;
            return (FORBIDDEN, format!("send the field {field}: {value} too"));
        }
        Refusal::NotFound => ("404 Not Found", "there is a page at / and nothing else to see"),
        Refusal::WrongMethod(_) => ("405 Method Not Allowed", "not by this method"),
        Refusal::TooSlow => ("408 Request Timeout", "the request did not end in time"),
        Refusal::NoLength => ("411 Length Required", "send the length of the body"),
        Refusal::BodyTooLong => ("413 Content Too Large", "the body is too long"),
        Refusal::TargetTooLong => ("414 URI Too Long", "the address is too long"),
        Refusal::Expecting => ("417 Expectation Failed", "send the body at once"),
        Refusal::WrongHost(host) => {
            let host = host.as_deref().unwrap_or_default();
            let name = host.split(':').next().unwrap_or_default();
            return (
                "421 Misdirected Request",
                format!(
                    "This server is not known as {host}. Open it by its address, or start it with \
                     --host {name}"
                ),
            );
        }
        Refusal::NoUpgrade => ("426 Upgrade Required", "only WebSocket is spoken here"),
        Refusal::HeadTooLong => {
            ("431 Request Header Fields Too Large", "the fields of the request are too long")
        }
        Refusal::Unimplemented => ("501 Not Implemented", "that is not done here"),
        Refusal::WrongVersion => ("505 HTTP Version Not Supported", "only HTTP/1.1 is spoken here"),
    };
    (status, why.to_owned())
}

fn whole(status: &str, kind: &str, fields: &str, body: &str, is_head: bool) -> Vec<u8> {
    let length = format!("Cache-Control: no-cache\r\nContent-Length: {}\r\n{fields}", body.len());
    let head = head(status, kind, &length);
    (head + if is_head { "" } else { body }).into_bytes()
}

fn head(status: &str, kind: &str, fields: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: {kind}\r\n{fields}\
         X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
         Cross-Origin-Resource-Policy: same-origin\r\n\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(answer: Vec<u8>) -> (String, String) {
        let text = String::from_utf8(answer).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    #[test]
    fn an_answer_tells_its_length_and_ends_its_connection() {
        for answer in [page, health, |is_head| refusal(&Refusal::NotFound, is_head)] {
            let (head, body) = text(answer(false));
            assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
            assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
            assert_eq!(text(answer(true)), (head, String::new()));
        }
        assert_eq!(text(health(false)).1, "ok\n");
        assert!(!text(stream()).0.contains("Content-Length"));
    }

    #[test]
    fn a_refusal_says_what_would_be_right() {
        let told = |reason| text(refusal(&reason, false));
        let (head, _) = told(Refusal::WrongMethod("GET, HEAD"));
        assert!(head.starts_with("HTTP/1.1 405 ") && head.contains("\r\nAllow: GET, HEAD\r\n"));
        let (head, _) = told(Refusal::NoUpgrade);
        assert!(head.starts_with("HTTP/1.1 426 ") && head.contains("\r\nUpgrade: websocket\r\n"));
        assert!(head.contains("\r\nSec-WebSocket-Version: 13\r\n"));
        let (_, body) = told(Refusal::WrongHost(Some("chat.example.org:80".into())));
        assert!(body.contains("--host chat.example.org\n"), "{body}");
        assert!(told(Refusal::Unmarked).1.contains("X-Chinwag: say"));
    }
}
