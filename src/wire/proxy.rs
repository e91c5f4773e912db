//! The PROXY protocol, versions 1 and 2: a proxy says whose connection it passes on.
//!
//! <https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt> is the specification. The rules
//! this file keeps:
//!
//! - A header is the first thing on a connection. What stands behind it is the client's.
//! - However a header is cut into reads, it is the same header.
//! - Bytes that cannot become one are told at once. A header may be waited for as long as
//!   [`HEADER_WAIT`], and has at most [`HEADER_BYTES_MAX`].
//! - `UNKNOWN` of version 1 and `LOCAL` of version 2 are health checks. Version 2 with a client
//!   without an address of IPv4 or IPv6 counts as no header: no limit would hold for that client.
//! - The further fields of version 2 are skipped, checksums included: TCP has one.
//!
//! It sees bytes only, and never knows a socket, nor which peer is a proxy. The libraries for this
//! protocol also write it, and read all fields. None of them bounds what it waits for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use memchr::memchr;

/// How long a proxy may take for its header. It sends that at once. The specification asks for at
/// least 3 s, since a lost packet comes again within that. Then the connection is closed.
pub const HEADER_WAIT: Duration = Duration::from_secs(5);

/// The most bytes of a header. With the fields of TLS it has some hundred, and with the client's
/// certificate about 2 KiB. A longer one counts as none.
pub const HEADER_BYTES_MAX: usize = 4096;

/// The most bytes of a header of version 1, with its line end.
const LINE_BYTES_MAX: usize = 107;

/// How version 1 begins.
const WORD: &[u8] = b"PROXY ";

/// How version 2 begins.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The commands of version 2, each with the version.
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

/// The families of version 2, each with the transport, which is TCP.
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// What the header of a connection says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// It is the connection of a client at this address.
    Client(SocketAddr),
    /// It is that of the proxy, which looks whether the server is there.
    HealthCheck,
    /// There is none, or none with an address.
    Missing,
}

/// The beginning of a connection from a proxy, until its header is whole.
#[derive(Debug, Default)]
pub struct Opening {
    /// The header as far as it has come. Empty once that is whole.
    bytes: Vec<u8>,
    header: Option<Header>,
}

impl Opening {
    /// Takes in what was read; says how many bytes of that are not for the lines of a client.
    pub fn take_in(&mut self, bytes: &[u8]) -> usize {
        if self.header.is_some() {
            return 0;
        }
        let before = self.bytes.len();
        let kept = bytes.len().min(HEADER_BYTES_MAX - before);
        self.bytes.extend_from_slice(&bytes[..kept]);
        let Some((header, length)) = header(&self.bytes) else { return kept };
        *self = Opening { bytes: Vec::new(), header: Some(header) };
        match header {
            Header::Client(_) | Header::HealthCheck => length - before,
            Header::Missing => bytes.len(),
        }
    }

    /// The header, once that is whole.
    pub fn header(&self) -> Option<Header> {
        self.header
    }

    /// The header, if no more will come; `None` if nothing has come at all.
    pub fn header_at_end(&self) -> Option<Header> {
        self.header.or((!self.bytes.is_empty()).then_some(Header::Missing))
    }
}

const MISSING: (Header, usize) = (Header::Missing, 0);

/// The header that these bytes begin with, and its length; `None` if there must be more.
fn header(bytes: &[u8]) -> Option<(Header, usize)> {
    if may_begin(bytes, SIGNATURE) {
        version_2(bytes)
    } else if may_begin(bytes, WORD) {
        version_1(bytes)
    } else {
        Some(MISSING)
    }
}

/// Whether these bytes begin like this, as far as they have come.
fn may_begin(bytes: &[u8], beginning: &[u8]) -> bool {
    bytes.starts_with(beginning) || beginning.starts_with(bytes)
}

fn version_1(bytes: &[u8]) -> Option<(Header, usize)> {
    let bytes = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    let Some(end) = memchr(b'\n', bytes) else {
        return (bytes.len() == LINE_BYTES_MAX).then_some(MISSING);
    };
    let line = bytes[..end].strip_suffix(b"\r").map(String::from_utf8_lossy);
    let header = line.and_then(|line| of_line(&line));
    Some((header.unwrap_or(Header::Missing), end + 1))
}

/// What this whole line of version 1 says. Behind `UNKNOWN` anything may stand.
fn of_line(line: &str) -> Option<Header> {
    match line.split(' ').collect::<Vec<_>>()[..] {
        ["PROXY", "UNKNOWN", ..] => Some(Header::HealthCheck),
        ["PROXY", family, from, to, from_port, to_port] => {
            let (from, to) = (from.parse::<IpAddr>().ok()?, to.parse::<IpAddr>().ok()?);
            let (port, _) = (port(from_port)?, port(to_port)?);
            let is_so = match family {
                "TCP4" => from.is_ipv4() && to.is_ipv4(),
                "TCP6" => from.is_ipv6() && to.is_ipv6(),
                _ => false,
            };
            is_so.then(|| client(from, port))
        }
        _ => None,
    }
}

fn port(word: &str) -> Option<u16> {
    word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok()).flatten()
}

fn version_2(bytes: &[u8]) -> Option<(Header, usize)> {
    let (fixed, rest) = bytes.split_first_chunk::<16>()?;
    let [.., command, family, high, low] = *fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if fixed.len() + length > HEADER_BYTES_MAX {
        return Some(MISSING);
    }
    let addresses = rest.get(..length)?;
    let header = match (command, family) {
        (LOCAL, _) => Some(Header::HealthCheck),
        (PROXY, TCP4) => of_ipv4(addresses),
        (PROXY, TCP6) => of_ipv6(addresses),
        _ => None,
    };
    Some((header.unwrap_or(Header::Missing), fixed.len() + length))
}

/// Both addresses, then both ports: each time that of the client first.
fn of_ipv4(addresses: &[u8]) -> Option<Header> {
    let (from, rest) = addresses.split_first_chunk::<4>()?;
    let [_, _, _, _, high, low, _, _, ..] = *rest else { return None };
    Some(client(Ipv4Addr::from(*from).into(), u16::from_be_bytes([high, low])))
}

fn of_ipv6(addresses: &[u8]) -> Option<Header> {
    let (from, rest) = addresses.split_first_chunk::<16>()?;
    let [high, low, _, _, ..] = *rest.get(16..)? else { return None };
    Some(client(Ipv6Addr::from(*from).into(), u16::from_be_bytes([high, low])))
}

/// A proxy that listens on IPv6 may give an IPv4 client its mapped address.
fn client(ip: IpAddr, port: u16) -> Header {
    Header::Client(SocketAddr::new(ip.to_canonical(), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(address: &str) -> Header {
        Header::Client(address.parse().unwrap())
    }

    /// A header of version 2 with these 16 bits and this behind its length.
    fn second(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u16).to_be_bytes();
        [SIGNATURE, &[command, family], &length, body].concat()
    }

    fn ipv4() -> Vec<u8> {
        [[192, 168, 0, 1], [192, 168, 0, 11], [0xdc, 0x04, 0x01, 0xbb]].concat()
    }

    fn ipv6(from: &str) -> Vec<u8> {
        let [from, to] = [from, "::1"].map(|ip| ip.parse::<Ipv6Addr>().unwrap().octets());
        [&from[..], &to[..], &[0xdc, 0x04, 0x01, 0xbb]].concat()
    }

    /// A field of version 2 with this many bytes.
    fn field(bytes: usize) -> Vec<u8> {
        [&[4_u8][..], &(bytes as u16).to_be_bytes(), &vec![b'\n'; bytes]].concat()
    }

    #[test]
    fn the_examples_of_the_specification_are_understood() {
        let unknown_longest = "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n";
        let ff = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        let longest = format!("PROXY UNKNOWN {ff} {ff} 65535 65535\r\n");
        let tcp6 = format!("PROXY TCP6 {ff} {ff} 65535 65535\r\n");
        assert_eq!(longest.len(), LINE_BYTES_MAX);
        for (line, is) in [
            ("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", at("192.168.0.1:56324")),
            (
                "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
                at("255.255.255.255:65535"),
            ),
            (&tcp6, at("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535")),
            ("PROXY TCP6 ::ffff:10.0.0.1 ::1 1 2\r\n", at("10.0.0.1:1")),
            ("PROXY UNKNOWN\r\n", Header::HealthCheck),
            (unknown_longest, Header::HealthCheck),
            (&longest, Header::HealthCheck),
        ] {
            assert_eq!(header(line.as_bytes()), Some((is, line.len())), "{line:?}");
        }
        for (bytes, is) in [
            (second(PROXY, TCP4, &ipv4()), at("192.168.0.1:56324")),
            (second(PROXY, TCP4, &[ipv4(), field(9)].concat()), at("192.168.0.1:56324")),
            (second(PROXY, TCP6, &ipv6("2001:db8::1")), at("[2001:db8::1]:56324")),
            (second(PROXY, TCP6, &ipv6("::ffff:10.0.0.1")), at("10.0.0.1:56324")),
            (second(LOCAL, 0, b""), Header::HealthCheck),
            (second(LOCAL, TCP4, &ipv4()), Header::HealthCheck),
            (second(LOCAL, 0xff, &field(500)), Header::HealthCheck),
        ] {
            assert_eq!(header(&bytes), Some((is, bytes.len())), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_header_with_an_address_is_missing_at_once() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LINE_BYTES_MAX));
        for line in [
            "hello\n",
            "P\n",
            "\n",
            "\r\n\r\nhello",
            "PROXY\r\n",
            "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
            "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 +2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
            "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY UNKNOWNS\r\n",
            &long,
        ] {
            let is = header(line.as_bytes()).map(|(header, _)| header);
            assert_eq!(is, Some(Header::Missing), "{line:?}");
        }
        for bytes in [
            second(0x11, TCP4, &ipv4()),
            second(0x22, TCP4, &ipv4()),
            second(PROXY, 0x12, &ipv4()),
            // A client of a Unix socket, and one of which nothing is known.
            second(PROXY, 0x31, &[0; 216]),
            second(PROXY, 0, b""),
            second(PROXY, TCP4, &ipv4()[..11]),
            second(PROXY, TCP6, &ipv6("::1")[..35]),
            second(PROXY, TCP4, &[0; HEADER_BYTES_MAX - 15])[..16].to_vec(),
        ] {
            let is = header(&bytes).map(|(header, _)| header);
            assert_eq!(is, Some(Header::Missing), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn the_end_of_a_connection_is_that_of_its_header() {
        let ended = |bytes: &[u8]| {
            let mut opening = Opening::default();
            opening.take_in(bytes);
            opening.header_at_end()
        };
        assert_eq!(ended(b""), None);
        assert_eq!(ended(b"PROXY TCP4 "), Some(Header::Missing));
        assert_eq!(ended(b"PROXY UNKNOWN\r\n"), Some(Header::HealthCheck));
    }

    /// Beginnings of connections, most of them with a header that may be wrong.
    fn beginning() -> impl Strategy<Value = Vec<u8>> {
        let line = "PROXY (TCP4|TCP6|UNKNOWN)( [0-9a-f.:]{1,9}){0,4}( 1 2)?\r?\n[a-z\n]{0,9}";
        let good = "PROXY TCP4 (1[.]){3}1 (2[.]){3}2 [0-9]{1,4} 9\r\n[a-z\n]{0,9}";
        let command = prop_oneof![4 => Just(PROXY), 2 => Just(LOCAL), 1 => any::<u8>()];
        let family = prop_oneof![4 => Just(TCP4), 2 => Just(TCP6), 1 => any::<u8>()];
        let bodies = prop::collection::vec(any::<u8>(), 0..60);
        let binary =
            (command, family, bodies, "[a-z\n]{0,9}").prop_map(|(one, two, body, rest)| {
                [second(one, two, &body), rest.into_bytes()].concat()
            });
        let endless = (0..2 * HEADER_BYTES_MAX).prop_map(|bytes| {
            let body = vec![0; bytes];
            second(PROXY, TCP4, &body)
        });
        prop_oneof![
            line.prop_map(String::into_bytes),
            good.prop_map(String::into_bytes),
            binary,
            endless,
            prop::collection::vec(any::<u8>(), 0..20),
        ]
    }

    proptest! {
        #![proptest_config(crate::cases())]

        /// However the beginning is cut into reads, its header and what is left are the same. At
        /// most so much is waited for.
        #[test]
        fn a_header_does_not_depend_on_how_it_is_cut(
            bytes in beginning(),
            lengths in prop::collection::vec(1..200_usize, 1..9)
        ) {
            let mut whole = Opening::default();
            let left = bytes.len() - whole.take_in(&bytes);
            let (mut cut, mut behind, mut rest) = (Opening::default(), 0, &bytes[..]);
            for length in lengths.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (read, later) = rest.split_at(rest.len().min(*length));
                let is_over = cut.header().is_some();
                let taken = cut.take_in(read);
                prop_assert!(!is_over || taken == 0);
                // Nothing behind a missing header counts.
                let counts = cut.header() != Some(Header::Missing);
                behind += if counts { read.len() - taken } else { 0 };
                rest = later;
            }
            prop_assert_eq!(cut.header(), whole.header());
            prop_assert_eq!(behind, left);
            prop_assert!(cut.bytes.len() < HEADER_BYTES_MAX);
        }
    }
}
