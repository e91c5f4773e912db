//! What stands in a notice beside words and numbers: each with the blank or colon before it, or
//! nothing at all.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// An address as it follows a word: in brackets, or nothing if addresses are hidden. A client of a
/// Unix socket has none: its address is the unspecified one. A blank separates the two, except with
/// `{:#}`. An IPv4 client of an IPv6 socket is shown with its IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown(pub Option<SocketAddr>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shown(Some(address)) = self else { return Ok(()) };
        if address.ip().is_unspecified() {
            return Ok(());
        }
        let blank = if f.alternate() { "" } else { " " };
        write!(f, "{blank}({})", SocketAddr::new(address.ip().to_canonical(), address.port()))
    }
}

/// Where a client is, as the log has it: an address, or `unix`.
#[derive(Clone, Copy, Debug)]
pub struct Whence(pub SocketAddr);

impl fmt::Display for Whence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.ip().is_unspecified() {
            true => f.write_str("unix"),
            false => write!(f, "{}", self.0),
        }
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
        let seconds = time.as_secs();
        // Two of a unit say enough. One alone does if it is all.
        let is_in = |unit: u64| seconds >= 2 * unit || seconds == unit;
        let units = [("d", 86_400), ("h", 3600), ("m", 60)];
        let (name, unit) = units.into_iter().find(|(_, unit)| is_in(*unit)).unwrap_or(("s", 1));
        write!(f, " ({}{name})", seconds / unit)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_without_an_address_shows_none_and_logs_its_kind() {
        let [unix, bob] = ["0.0.0.0:0", "[::1]:7"].map(|text| text.parse().unwrap());
        assert_eq!(Shown(Some(unix)).to_string(), "");
        assert_eq!([Whence(unix), Whence(bob)].map(|it| it.to_string()), ["unix", "[::1]:7"]);
    }

    #[test]
    fn a_time_is_shown_in_its_largest_unit() {
        let shown = |seconds| Span(Some(Duration::from_secs(seconds))).to_string();
        let times = [0, 119, 120, 7199, 7200, 172_799, 172_800].map(shown);
        assert_eq!(times, [" (0s)", " (119s)", " (2m)", " (119m)", " (2h)", " (47h)", " (2d)"]);
        assert_eq!([60, 3600, 86_400].map(shown), [" (1m)", " (1h)", " (1d)"]);
        assert_eq!((Span(None).to_string(), Why("").to_string()), (String::new(), String::new()));
    }
}
