//! RESP2, the protocol of Redis and Valkey: commands to bytes, and bytes to replies.
//!
//! A reply borrows from the bytes that were read. Nothing is copied before it is known to be whole,
//! however it was cut into reads. What is longer than the bounds is no reply of an engine, and ends
//! the connection: an engine that is none must not fill the memory.
//!
//! Source: <https://redis.io/docs/latest/develop/reference/protocol-spec/>

use memchr::memchr;

/// The most bytes of a line: a number, a status or an error.
const LINE_BYTES_MAX: usize = 4096;

/// The most bytes of one string: far more than a batch.
const STRING_BYTES_MAX: usize = 1 << 20;

/// The most elements of one array.
const ELEMENTS_MAX: usize = 4096;

/// How deep arrays may stand in arrays: those of `XREAD` take four.
const DEPTH_MAX: usize = 8;

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// A status, such as `OK`.
    Status(&'a str),
    /// An error. Its first word is its kind, such as `WRONGTYPE`.
    Error(&'a str),
    /// A number.
    Number(i64),
    /// A string of any bytes.
    String(&'a [u8]),
    /// Nothing: a string or an array that is not there.
    Nil,
    /// Replies in a reply.
    Array(Vec<Reply<'a>>),
}

/// What the bytes at the beginning of a buffer are.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// A reply, and how many bytes it takes.
    Reply(Reply<'a>, usize),
    /// The beginning of a reply that takes at least this many bytes.
    NotYet(usize),
    /// No reply.
    Malformed,
}

/// Why there is no reply.
enum Stop {
    NotYet(usize),
    Malformed,
}

/// Reads the reply at the beginning of these bytes.
pub fn parse(bytes: &[u8]) -> Parsed<'_> {
    let mut reader = Reader { bytes, at: 0 };
    match reader.reply(0) {
        Ok(reply) => Parsed::Reply(reply, reader.at),
        Err(Stop::NotYet(bytes)) => Parsed::NotYet(bytes),
        Err(Stop::Malformed) => Parsed::Malformed,
    }
}

/// Appends a command to what is sent.
pub fn push_command(parts: &[&[u8]], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", parts.len()).as_bytes());
    for part in parts {
        out.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn reply(&mut self, depth: usize) -> Result<Reply<'a>, Stop> {
        let line = self.line()?;
        let (kind, rest) = line.split_at_checked(1).ok_or(Stop::Malformed)?;
        match kind {
            "+" => Ok(Reply::Status(rest)),
            "-" => Ok(Reply::Error(rest)),
            ":" => rest.parse().map(Reply::Number).map_err(|_| Stop::Malformed),
            "$" => self.string(rest),
            "*" if depth < DEPTH_MAX => self.array(rest, depth),
            _ => Err(Stop::Malformed),
        }
    }

    fn line(&mut self) -> Result<&'a str, Stop> {
        let rest = &self.bytes[self.at..];
        let end = match memchr(b'\n', rest) {
            Some(end) if end <= LINE_BYTES_MAX => end,
            None if rest.len() <= LINE_BYTES_MAX => {
                return Err(Stop::NotYet(self.bytes.len() + 1));
            }
            _ => return Err(Stop::Malformed),
        };
        self.at += end + 1;
        let line = rest[..end].strip_suffix(b"\r").ok_or(Stop::Malformed)?;
        std::str::from_utf8(line).map_err(|_| Stop::Malformed)
    }

    /// A length, or `None` for nothing.
    fn length(text: &str, most: usize) -> Result<Option<usize>, Stop> {
        match text.parse::<i64>() {
            Ok(-1) => Ok(None),
            Ok(length) => match usize::try_from(length) {
                Ok(length) if length <= most => Ok(Some(length)),
                _ => Err(Stop::Malformed),
            },
            Err(_) => Err(Stop::Malformed),
        }
    }

    fn string(&mut self, length: &str) -> Result<Reply<'a>, Stop> {
        let Some(length) = Self::length(length, STRING_BYTES_MAX)? else { return Ok(Reply::Nil) };
        let end = self.at + length + 2;
        let text = self.bytes.get(self.at..end).ok_or(Stop::NotYet(end))?;
        self.at = end;
        text.strip_suffix(b"\r\n").map(Reply::String).ok_or(Stop::Malformed)
    }

    fn array(&mut self, length: &str, depth: usize) -> Result<Reply<'a>, Stop> {
        let Some(length) = Self::length(length, ELEMENTS_MAX)? else { return Ok(Reply::Nil) };
        (0..length).map(|_| self.reply(depth + 1)).collect::<Result<_, _>>().map(Reply::Array)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The reply of `XREAD` with one batch.
    const READ: &[u8] = b"*1\r\n*2\r\n$4\r\nchat\r\n*1\r\n*2\r\n$3\r\n7-0\r\n*2\r\n$1\r\nb\r\n\
        $5\r\na\r\n\n\0\r\n";

    fn read() -> Reply<'static> {
        let fields = Reply::Array(vec![Reply::String(b"b"), Reply::String(b"a\r\n\n\0")]);
        let entry = Reply::Array(vec![Reply::String(b"7-0"), fields]);
        let stream = Reply::Array(vec![Reply::String(b"chat"), Reply::Array(vec![entry])]);
        Reply::Array(vec![stream])
    }

    #[test]
    fn each_kind_of_reply_is_read() {
        let reply = |bytes: &'static [u8]| match parse(bytes) {
            Parsed::Reply(reply, taken) if taken == bytes.len() => reply,
            other => panic!("{other:?}"),
        };
        assert_eq!(reply(b"+OK\r\n"), Reply::Status("OK"));
        assert_eq!(reply(b"-ERR no\r\n"), Reply::Error("ERR no"));
        assert_eq!(reply(b":-12\r\n"), Reply::Number(-12));
        assert_eq!(reply(b"$-1\r\n"), Reply::Nil);
        assert_eq!(reply(b"*-1\r\n"), Reply::Nil);
        assert_eq!(reply(b"$0\r\n\r\n"), Reply::String(b""));
        assert_eq!(reply(READ), read());
    }

    #[test]
    fn a_reply_that_is_cut_anywhere_waits_for_its_rest() {
        for end in 0..READ.len() {
            let Parsed::NotYet(needed) = parse(&READ[..end]) else { panic!("at {end}") };
            assert!(needed > end && needed <= READ.len(), "at {end}");
        }
    }

    #[test]
    fn what_no_engine_sends_is_malformed() {
        let long = [b"+".as_slice(), &[b'a'; LINE_BYTES_MAX + 1]].concat();
        let deep = b"*1\r\n".repeat(DEPTH_MAX + 2);
        let wrong: [&[u8]; 10] = [
            b"HTTP/1.1 400 Bad Request\r\n",
            b"\r\n",
            b"+OK\n",
            b":one\r\n",
            b"$2000000\r\n",
            b"*2000000\r\n",
            b"$-2\r\n",
            b"$1\r\nabc",
            &long,
            &deep,
        ];
        for bytes in wrong {
            let shown = String::from_utf8_lossy(bytes);
            assert_eq!(parse(bytes), Parsed::Malformed, "{shown:?}");
        }
    }

    #[test]
    fn a_command_is_an_array_of_strings() {
        let mut out = Vec::new();
        push_command(&[b"XADD", b"\r\n"], &mut out);
        let array = Reply::Array(vec![Reply::String(b"XADD"), Reply::String(b"\r\n")]);
        assert_eq!(parse(&out), Parsed::Reply(array, out.len()));
    }

    proptest! {
        #![proptest_config(crate::cases())]

        #[test]
        fn any_bytes_are_read_within_bounds(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            match parse(&bytes) {
                Parsed::Reply(_, taken) => prop_assert!(taken <= bytes.len()),
                Parsed::NotYet(needed) => prop_assert!(needed > bytes.len()),
                Parsed::Malformed => {}
            }
        }
    }
}
