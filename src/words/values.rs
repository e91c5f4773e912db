//! What stands in a notice beside words and numbers: each with the blank or colon before it, or
//! nothing at all.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// An address as it follows a word: in brackets, or nothing if addresses are hidden. A blank
/// separates the two, except with `{:#}`. An IPv4 client of an IPv6 socket is shown with its IPv4
/// address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown(pub Option<SocketAddr>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shown(Some(address)) = self else { return Ok(()) };
        let blank = if f.alternate() { "" } else { " " };
        write!(f, "{blank}({})", SocketAddr::new(address.ip().to_canonical(), address.port()))
    }
}

/// A reason, as it follows a sentence: behind a colon, or nothing if there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Why<'a>(pub &'a str);

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0) }
    }
}

/// A time, as it follows a word: in brackets and its largest unit, or nothing if it has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Option<Duration>);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Span(Some(time)) = self else { return Ok(()) };
        match time.as_secs() {
            seconds @ ..120 => write!(f, " ({seconds}s)"),
            seconds @ ..7200 => write!(f, " ({}m)", seconds / 60),
            seconds @ ..172_800 => write!(f, " ({}h)", seconds / 3600),
            seconds => write!(f, " ({}d)", seconds / 86_400),
        }
    }
}

/// A number of things, as an English log line counts them: `1 line`, `2 lines`.
#[derive(Clone, Copy, Debug)]
pub struct Counted(pub u64, pub &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counted(count, thing) = self;
        write!(f, "{count} {thing}{}", if *count == 1 { "" } else { "s" })
    }
}
