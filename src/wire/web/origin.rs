//! From where a browser may speak here: by which names this server may be called, and from whose
//! page.
//!
//! The rules this file keeps:
//!
//! - `Host` is an IP address, `localhost`, a name of this machine, or one that the operator allows.
//!   Otherwise a foreign site could point a name of its own at an address behind a visitor's
//!   firewall, and its page would be of the same origin as this server (DNS rebinding). An address
//!   needs no list: nobody can point one elsewhere.
//! - `Origin`, if there is one, is `Host`: the same host and the same port. Otherwise any page that
//!   a visitor opens could speak here in the visitor's stead (cross-site WebSocket hijacking).
//! - The scheme is not compared, only its default port. So a proxy may speak HTTPS in front, as
//!   long as it passes `Host` on as it is.
//!
//! It sees two header fields and a list of names. It never looks up a name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The name by which every machine calls itself (RFC 6761, 6.3).
const LOCALHOST: &str = "localhost";

/// The domain of the names of a local network (RFC 6762, 3).
const LOCAL: &str = ".local";

/// The most bytes of a host name (RFC 1035, 2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// The schemes of an origin that may be this server's, and their ports.
const SCHEMES: [(&str, u16); 2] = [("http://", 80), ("https://", 443)];

/// The names by which this server may be called, beside its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts(Vec<Box<str>>);

/// A host and its port, as they stand in `Host` (RFC 9110, 7.2) or in an origin (RFC 6454, 6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    host: Host,
    /// `None` if it is the default port of the scheme, whichever that is.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    /// In small letters, without the dot of the root behind it.
    Name(Box<str>),
}

/// No machine has a name yet.
impl Default for Hosts {
    fn default() -> Hosts {
        Hosts(vec![LOCALHOST.into()])
    }
}

impl Hosts {
    /// Those of a machine with this name, and those that the operator allows.
    pub fn new(machine: &str, allowed: &[String]) -> Hosts {
        let machine = machine.trim_end_matches('.').to_ascii_lowercase();
        let short = machine.split('.').next().unwrap_or_default().to_owned();
        let local = format!("{short}{LOCAL}");
        let mut hosts = Hosts::default();
        let names = allowed.iter().cloned().chain([machine, short, local]);
        hosts.0.extend(names.filter_map(|name| parse_name(&name)));
        hosts
    }

    /// Whether this can be allowed: it is a host name alone.
    pub fn is_name(text: &str) -> bool {
        parse_name(text).is_some()
    }

    /// Whether this server may be called so.
    pub fn allow(&self, called: &Authority) -> bool {
        match &called.host {
            Host::Address(_) => true,
            Host::Name(name) => self.0.contains(name),
        }
    }
}

impl Authority {
    /// A host, and a port behind it if there is one. `None` if this is none, or has more around it.
    pub fn parse(text: &str) -> Option<Authority> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, rest) = rest.split_once(']')?;
                let address: Ipv6Addr = address.parse().ok()?;
                (Host::Address(IpAddr::V6(address)), rest.strip_prefix(':').or(empty(rest))?)
            }
            None => {
                let (host, port) = text.split_once(':').unwrap_or((text, ""));
                (Host::parse(host)?, port)
            }
        };
        Some(Authority { host, port: parse_port(port)? })
    }

    /// Whether a page of this origin was loaded from here.
    pub fn is_origin(&self, origin: &str) -> bool {
        let of_scheme = |(scheme, port): &(&str, u16)| {
            let beginning = origin.get(..scheme.len())?;
            let theirs = beginning.eq_ignore_ascii_case(scheme).then(|| &origin[scheme.len()..])?;
            Some((Authority::parse(theirs)?, *port))
        };
        let Some((theirs, default)) = SCHEMES.iter().find_map(of_scheme) else { return false };
        let port = |authority: &Authority| authority.port.unwrap_or(default);
        theirs.host == self.host && port(&theirs) == port(self)
    }
}

impl Host {
    fn parse(text: &str) -> Option<Host> {
        let name = text.strip_suffix('.').unwrap_or(text);
        if let Ok(address) = name.parse::<Ipv4Addr>() {
            return Some(Host::Address(IpAddr::V4(address)));
        }
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_label = |label: &str| !label.is_empty() && label.bytes().all(is_letter);
        let is_name = name.len() <= HOST_BYTES_MAX && name.split('.').all(is_label);
        is_name.then(|| Host::Name(name.to_ascii_lowercase().into()))
    }
}

/// A host name without a port.
fn parse_name(text: &str) -> Option<Box<str>> {
    match Host::parse(text)? {
        Host::Name(name) => Some(name),
        Host::Address(_) => None,
    }
}

/// A port; `Some(None)` if there is none (RFC 3986, 3.2.3).
fn parse_port(text: &str) -> Option<Option<u16>> {
    if text.is_empty() {
        return Some(None);
    }
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    Some(Some(text.parse().ok().filter(|_| is_number)?))
}

fn empty(text: &str) -> Option<&str> {
    text.is_empty().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        Hosts::new("Attic.example", &["Chat.example.org".into(), "10.0.0.1:80".into()])
    }

    #[test]
    fn a_host_is_an_address_or_a_known_name() {
        for (host, is_allowed) in [
            ("127.0.0.1", true),
            ("127.0.0.1:50005", true),
            ("10.1.2.3:", true),
            ("10.1.2.3.:80", true),
            ("[::1]", true),
            ("[::1]:50005", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("localhost", true),
            ("LocalHost:50005", true),
            ("localhost.", true),
            ("attic.example", true),
            ("ATTIC.EXAMPLE.:50005", true),
            ("attic", true),
            ("attic.local", true),
            ("chat.example.org:443", true),
            // A foreign site may have pointed these here.
            ("evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example", false),
            ("chat.example.org.evil.example", false),
            ("evil-localhost", false),
            ("a.localhost", false),
            ("attic.example.local", false),
            // Browsers write an address in one way only.
            ("2130706433", false),
            ("0x7f.1", false),
            ("127.1", false),
        ] {
            let parsed = Authority::parse(host).unwrap_or_else(|| panic!("{host}"));
            assert_eq!(hosts().allow(&parsed), is_allowed, "{host}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long = "a".repeat(254);
        for host in [
            "",
            ".",
            ":80",
            "a..b",
            "localhost..",
            "user@localhost",
            "user:word@localhost",
            "localhost:80:80",
            "localhost:x",
            "localhost:+80",
            "localhost:65536",
            "localhost:-1",
            "localhost/",
            "localhost ",
            "localhost, localhost",
            "http://localhost",
            "::1",
            "[::1",
            "[::1]80",
            "[127.0.0.1]",
            "[fe80::1%25eth0]",
            "[localhost]",
            "한국.example",
            "*",
            &long,
        ] {
            assert_eq!(Authority::parse(host), None, "{host}");
        }
    }

    #[test]
    fn an_origin_is_the_host_or_foreign() {
        for (host, origin, is_same) in [
            ("127.0.0.1:50005", "http://127.0.0.1:50005", true),
            ("localhost:50005", "HTTP://LOCALHOST:50005", true),
            ("localhost", "http://localhost", true),
            ("localhost:80", "http://localhost", true),
            ("localhost", "http://localhost:80", true),
            ("localhost.", "http://localhost", true),
            ("[::1]:50005", "http://[::1]:50005", true),
            ("[::1]:50005", "http://[0:0::1]:50005", true),
            // A proxy in front speaks HTTPS.
            ("chat.example.org", "https://chat.example.org", true),
            ("chat.example.org", "https://chat.example.org:443", true),
            ("chat.example.org:443", "https://chat.example.org", true),
            ("chat.example.org:8443", "https://chat.example.org:8443", true),
            // Another page of the same machine is foreign too.
            ("127.0.0.1:50005", "http://127.0.0.1:8080", false),
            ("127.0.0.1:50005", "http://127.0.0.1", false),
            ("127.0.0.1:50005", "http://localhost:50005", false),
            ("chat.example.org:80", "https://chat.example.org", false),
            ("localhost:50005", "http://evil.example", false),
            ("localhost:50005", "http://evil.example:50005", false),
            ("localhost:50005", "http://localhost:50005@evil.example", false),
            ("localhost:50005", "http://evil.example@localhost:50005", false),
            ("localhost:50005", "http://localhost:50005/", false),
            ("localhost:50005", "http://localhost:50005 http://evil.example", false),
            ("localhost:50005", "ws://localhost:50005", false),
            ("localhost:50005", "file://", false),
            ("localhost:50005", "chrome-extension://abcdef", false),
            ("localhost:50005", "localhost:50005", false),
            ("localhost:50005", "null", false),
            ("localhost:50005", "", false),
            ("localhost:50005", "한국", false),
        ] {
            let called = Authority::parse(host).unwrap();
            assert_eq!(called.is_origin(origin), is_same, "{origin} at {host}");
        }
    }

    #[test]
    fn a_machine_without_a_name_has_none() {
        let named = |machine: &str| Hosts::new(machine, &[]);
        assert_eq!(named(""), Hosts::default());
        assert_eq!(named("(none)"), Hosts::default());
        for name in ["chat.example.org", "a", "xn--3e0b707e"] {
            assert!(Hosts::is_name(name), "{name}");
        }
        for name in ["", "a:80", "10.0.0.1", "http://a", "[::1]", "한국.kr"] {
            assert!(!Hosts::is_name(name), "{name}");
        }
    }
}
