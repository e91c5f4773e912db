//! What the first bytes of other protocols look like.
//!
//! The rules this file keeps:
//!
//! - A protocol is known by the whole form of its first line, not by a word that a person may use
//!   too.
//! - A binary protocol is known by what no text has: a NUL, and with it a control character or
//!   bytes that are no UTF-8. A text that a C program pads with NULs is still a text.
//!
//! It sees the bytes of one beginning. It never knows how they were cut into reads, nor what the
//! client is told.

use memchr::memchr;

use super::stranger::Stranger;

/// The most letters of a method that is not registered.
const METHOD_BYTES_MAX: usize = 16;

/// The methods of RFC 9110 and RFC 5789, that of the preface of HTTP/2 (RFC 9113, 3.4), and those
/// with which a client of RTSP or SIP begins. The beginning of one of them may become a request.
const METHODS: [&[u8]; 14] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"CONNECT ",
    b"OPTIONS ",
    b"TRACE ",
    b"PATCH ",
    b"PRI ",
    b"DESCRIBE ",
    b"SETUP ",
    b"INVITE ",
    b"REGISTER ",
];

/// How a target begins that is neither a path nor `*`.
const SCHEMES: [&[u8]; 6] = [b"http:", b"https:", b"rtsp:", b"rtsps:", b"sip:", b"sips:"];

/// The protocols whose requests look like those of HTTP, by the beginning of their version.
const VERSIONS: [(&[u8], Stranger); 3] =
    [(b"HTTP/", Stranger::Http), (b"RTSP/", Stranger::Rtsp), (b"SIP/", Stranger::Sip)];

/// Header fields that every request has at least one of, in small letters.
const HEADERS: [&[u8]; 3] = [b"host:", b"user-agent:", b"content-length:"];

/// How a client of SSH begins (RFC 4253, 4.2).
const SSH: &[u8] = b"SSH-2.0-";

/// The beginning of PROXY protocol version 2, behind its line ends.
const PROXY_2: &[u8] = b"\0\r\nQUIT\n";

/// What may become the first line of SSH, IRC or PROXY protocol version 1.
const BEGINNINGS: [&[u8]; 4] = [SSH, b"CAP LS", b"PROXY TCP", b"PROXY UNKNOWN"];

/// With which words the lines begin that register a client of IRC (RFC 2812, 3.1).
const IRC: [&[u8]; 3] = [b"NICK", b"PASS", b"USER"];

/// The most bytes of two lines of IRC (RFC 2812, 2.3). More is waited for as IRC no longer.
const IRC_BYTES_MAX: usize = 2 * 512;

/// How much is searched for what no text has. A binary protocol shows it in its first message.
const SEARCHED_BYTES_MAX: usize = 1024;

/// The protocol that begins with these bytes, whatever follows. No line ends stand before them.
pub(super) fn of_bytes(bytes: &[u8]) -> Option<Stranger> {
    match bytes {
        [0x16, 3, ..] => Some(Stranger::Tls),
        _ if bytes.starts_with(PROXY_2) => Some(Stranger::Proxy),
        _ if is_utf16(bytes) => Some(Stranger::Utf16),
        _ => None,
    }
}

/// The protocol of which this is the whole first line. `bytes` is all that begins with it.
pub(super) fn of_line(line: &[u8], bytes: &[u8]) -> Option<Stranger> {
    match line {
        _ if is_ssh(line) => Some(Stranger::Ssh),
        _ if is_proxy_1(line) => Some(Stranger::Proxy),
        _ if is_irc(line, bytes) => Some(Stranger::Irc),
        _ => of_request(line),
    }
}

/// The protocol of which this is the beginning of a first line that is too long to be kept.
pub(super) fn of_long_line(line: &[u8]) -> Option<Stranger> {
    match line {
        _ if is_ssh(line) => Some(Stranger::Ssh),
        _ if begins_request(line) => Some(Stranger::Http),
        _ => None,
    }
}

/// Whether a line without its end may become one that [`of_line`] knows. A single letter may as
/// well be a whole message.
pub(super) fn may_become(line: &[u8]) -> bool {
    let is_in_one = |whole: &&[u8]| whole.starts_with(line);
    let has_one = |beginning: &&[u8]| is_in_one(beginning) || line.starts_with(beginning);
    let is_known = METHODS.iter().any(is_in_one) || BEGINNINGS.iter().any(has_one);
    line.len() > 1 && is_known || may_become_target(line) || begins_request(line)
}

/// Whether these bytes may become the beginning of PROXY protocol version 2.
pub(super) fn may_become_proxy_2(bytes: &[u8]) -> bool {
    !bytes.is_empty() && PROXY_2.starts_with(bytes)
}

/// Whether these bytes may become the two lines that [`is_irc`] knows: many clients of IRC send
/// each by itself.
pub(super) fn may_become_irc(bytes: &[u8]) -> bool {
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let mut lines = bytes.split(is_end).filter(|line| !line.is_empty());
    let is_kept = bytes.len() <= IRC_BYTES_MAX;
    let has_ended = bytes.last().is_some_and(is_end);
    is_kept
        && match (lines.next(), lines.next(), lines.next()) {
            (Some(first), None, _) if has_ended => is_registration(first),
            (Some(first), None, _) => first.len() > 1 && may_become_registration(first),
            (Some(first), Some(second), None) if !has_ended => {
                is_registration(first) && may_become_registration(second)
            }
            _ => false,
        }
}

/// Whether this line names a header field that every request has.
pub(super) fn is_header(line: &[u8]) -> bool {
    HEADERS.iter().any(|header| begins_with(line, header))
}

/// Whether a line has the form of a header field: a token and a colon (RFC 9112, 5).
pub(super) fn is_field(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..line.len()).contains(&name.len()) && name.iter().all(is_token)
}

/// Whether the first line, or what stands right behind its end, has a NUL, and what was read with
/// it is no text. `bytes` begins with that line.
pub(super) fn is_binary(line: &[u8], bytes: &[u8]) -> bool {
    let behind = without_line_ends(&bytes[line.len()..]);
    if memchr(0, line).is_none() && behind.first() != Some(&0) {
        return false;
    }
    let bytes = &bytes[..bytes.len().min(SEARCHED_BYTES_MAX)];
    bytes.iter().any(is_foreign_control) || is_broken(bytes) && !is_padded(bytes)
}

/// What stands behind the line ends at the front. A NUL right behind a CR is of a line end of
/// telnet.
pub(super) fn without_line_ends(mut bytes: &[u8]) -> &[u8] {
    while let [b'\r', 0, rest @ ..] | [b'\r' | b'\n', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// The protocol of this request line: METHOD SP TARGET SP VERSION. Blanks in the target are
/// forgiven only where the method is a registered one.
fn of_request(line: &[u8]) -> Option<Stranger> {
    let mut words = words(line);
    let (method, target, version) = (words.next()?, words.next()?, words.next_back()?);
    let has_blanks = words.next().is_some();
    let (_, stranger) = VERSIONS.iter().find(|(name, _)| is_version(version, name))?;
    let is_method = method.len() <= METHOD_BYTES_MAX && method.iter().all(is_method_letter);
    let is_registered = || METHODS.iter().any(|known| known.strip_suffix(b" ") == Some(method));
    let is_connect = method.eq_ignore_ascii_case(b"CONNECT");
    let is_target = target == b"*"
        || target.first() == Some(&b'/')
        || SCHEMES.iter().any(|scheme| begins_with(target, scheme))
        || is_connect && is_authority(target);
    let is_request = is_method && is_target && (!has_blanks || is_registered());
    is_request.then_some(*stranger)
}

/// Whether a line begins as a request does: METHOD SP and the first of a target.
fn begins_request(line: &[u8]) -> bool {
    let Some(end) = line.iter().take(METHOD_BYTES_MAX + 1).position(|byte| *byte == b' ') else {
        return false;
    };
    let (method, target) = (&line[..end], &line[end + 1..]);
    let is_method = end > 1 && method.iter().all(u8::is_ascii_uppercase);
    let is_target = matches!(target, [b'/', ..] | [b'*'] | [b'*', b' ', ..])
        || SCHEMES.iter().any(|scheme| begins_with(target, scheme));
    is_method && (method == b"CONNECT" || is_target)
}

/// Whether this is a registered method with the beginning of a scheme behind it.
fn may_become_target(line: &[u8]) -> bool {
    let target = METHODS.iter().find_map(|method| line.strip_prefix(*method));
    target.is_some_and(|target| SCHEMES.iter().any(|scheme| begins_with(scheme, target)))
}

fn is_method_letter(byte: &u8) -> bool {
    byte.is_ascii_alphabetic() || *byte == b'-'
}

/// A host and a port, as CONNECT has them (RFC 9112, 3.2.3).
fn is_authority(target: &[u8]) -> bool {
    let mut parts = target.rsplitn(2, |byte| *byte == b':');
    let port = parts.next().unwrap_or_default();
    parts.next().is_some() && is_number(port)
}

/// Whether this is the name of a protocol, which ends in a slash, and a number such as `1.1`.
fn is_version(word: &[u8], name: &[u8]) -> bool {
    let number = word.get(name.len()..).unwrap_or_default();
    begins_with(word, name) && number.len() <= 3 && number.first().is_some_and(u8::is_ascii_digit)
}

/// Whether this is the identification of an SSH client: its software and perhaps a comment.
///
/// A person may quote one in a sentence. So a comment stands behind the number of a version only,
/// and one of more than a word where the number comes first, as with Bitvise and SSH.com.
fn is_ssh(line: &[u8]) -> bool {
    let Some(line) = line.strip_prefix(SSH) else { return false };
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let (software, comment) = line.split_at(end);
    match words(comment).count() {
        0 => true,
        1 => software.iter().any(u8::is_ascii_digit),
        _ => software.first().is_some_and(u8::is_ascii_digit),
    }
}

/// Whether this is the line of PROXY protocol version 1: a family, two addresses and two ports.
fn is_proxy_1(line: &[u8]) -> bool {
    let words: Vec<&[u8]> = match line.starts_with(b"PROXY ") {
        true => words(line).skip(1).take(6).collect(),
        false => return false,
    };
    match words[..] {
        [b"UNKNOWN"] => true,
        [b"TCP4" | b"TCP6" | b"UNKNOWN", _, _, from, to] => is_number(from) && is_number(to),
        _ => false,
    }
}

/// Whether this is how a client of IRC begins: it asks for capabilities, or two lines register it
/// (RFC 2812, 3.1).
fn is_irc(line: &[u8], bytes: &[u8]) -> bool {
    let asks =
        matches!(words(line).take(4).collect::<Vec<_>>()[..], [b"CAP", b"LS"] | [b"CAP", b"LS", _]);
    let mut lines =
        bytes.split(|byte| matches!(byte, b'\r' | b'\n')).filter(|line| !line.is_empty());
    asks || lines.by_ref().take(2).filter(|line| is_registration(line)).count() == 2
}

fn is_registration(line: &[u8]) -> bool {
    let mut words = words(line);
    match words.next() {
        Some(b"NICK" | b"PASS") => words.count() == 1,
        Some(b"USER") => words.count() >= 4,
        _ => false,
    }
}

/// Whether a line without its end may become one that registers.
fn may_become_registration(line: &[u8]) -> bool {
    let mut words = words(line);
    match words.next() {
        Some(b"NICK" | b"PASS") => words.count() <= 1,
        Some(b"USER") => true,
        _ => IRC.iter().any(|verb| verb.starts_with(line)),
    }
}

/// Whether this is UTF-16: its mark, or two characters of ASCII with a NUL beside each.
///
/// A NUL and a CR in front may be the rest of one line end of telnet and another.
fn is_utf16(bytes: &[u8]) -> bool {
    let is_ascii = |byte: u8| matches!(byte, b' '..=b'~' | b'\t' | b'\n');
    match *bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => true,
        [0, one, 0, ..] => is_ascii(one),
        [one, 0, two, 0, ..] => is_ascii(one) && (is_ascii(two) || two == b'\r'),
        _ => false,
    }
}

/// Whether this control is of no text: none that parts it, goes back in it or colours it.
fn is_foreign_control(byte: &u8) -> bool {
    const BACKSPACE: u8 = 8;
    const ESCAPE: u8 = 0x1b;
    let is_of_text = matches!(*byte, 0 | b'\t' | b'\n' | b'\r' | BACKSPACE | ESCAPE);
    byte.is_ascii_control() && !is_of_text
}

/// Whether there is anything that is no UTF-8, whatever follows.
fn is_broken(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_some())
}

/// Whether nothing but NULs and line ends stands behind the first NUL.
fn is_padded(bytes: &[u8]) -> bool {
    let mut behind = bytes.iter().skip_while(|byte| **byte != 0);
    behind.all(|byte| matches!(*byte, 0 | b'\r' | b'\n'))
}

fn is_number(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(u8::is_ascii_digit)
}

fn words(line: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    line.trim_ascii_end().split(|byte| *byte == b' ').filter(|word| !word.is_empty())
}

/// Whether this begins so, in large letters or small.
fn begins_with(bytes: &[u8], beginning: &[u8]) -> bool {
    bytes.get(..beginning.len()).is_some_and(|start| start.eq_ignore_ascii_case(beginning))
}
