//! What the client is told on the command line, and what is said of it if it is wrong.
//!
//! The doc comment of a field is what `--help` says of it. This room opens nothing.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use clap::{Args, ValueEnum};

use crate::config::PORT;
use crate::join::said::may_be_name;

/// The settings of the client.
#[derive(Args, Clone, Debug)]
pub struct Flags {
    /// The server: a name or address, with or without a port
    #[arg(value_name = "ADDR", default_value_t = Address::default(), value_parser = parse_address)]
    pub server: Address,

    /// What to be called there
    #[arg(long, value_name = "NAME", value_parser = parse_nick)]
    pub nick: Option<String>,

    /// Colours: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Color::Auto)]
    #[arg(hide_possible_values = true)]
    pub color: Color,

    /// Show the time of day before each line
    #[arg(long)]
    pub timestamps: bool,

    /// Ring when someone says your name, or something to you alone
    #[arg(long)]
    pub bell: bool,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Where a server is: a host that may have to be looked up, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Default for Address {
    fn default() -> Address {
        Address { host: "127.0.0.1".to_owned(), port: PORT }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

fn parse_address(text: &str) -> Result<Address, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(Address { host: address.ip().to_string(), port: address.port() });
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(Address { host: address.to_string(), port: PORT });
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, port.parse().ok()),
        None => (text, Some(PORT)),
    };
    let of_host = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    match port {
        Some(port) if !host.is_empty() && host.chars().all(of_host) => {
            Ok(Address { host: host.to_owned(), port })
        }
        _ => Err("not a server such as example.org, example.org:50005 or [::1]:50005".to_owned()),
    }
}

/// The server has the last word; this is what no server could have.
fn parse_nick(text: &str) -> Result<String, String> {
    match may_be_name(text) {
        true => Ok(text.to_owned()),
        false => Err("a name is one word without blanks".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<String> {
        parse_address(text).ok().map(|address| address.to_string())
    }

    #[test]
    fn a_server_is_a_name_or_an_address_with_or_without_a_port() {
        for (text, expected) in [
            ("localhost", "localhost:50005"),
            ("example.org:7", "example.org:7"),
            ("127.0.0.1", "127.0.0.1:50005"),
            ("::1", "[::1]:50005"),
            ("[::1]", "[::1]:50005"),
            ("[::1]:7", "[::1]:7"),
            ("서버.kr", "서버.kr:50005"),
        ] {
            assert_eq!(parsed(text).as_deref(), Some(expected));
        }
    }

    #[test]
    fn nonsense_is_no_server() {
        for text in ["", ":7", "a:b", "a:70000", "a b", "http://a", "[::1", "a:"] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn a_name_is_one_line_and_one_word() {
        assert!(parse_nick("이").is_ok());
        for text in ["", "a b", "a\n/quit", &"x".repeat(200)] {
            assert!(parse_nick(text).is_err(), "{text:?}");
        }
    }
}
