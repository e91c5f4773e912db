//! The arguments of the client, and the errors for wrong ones.
//!
//! The doc comment of a field is its text in `--help`. This file opens nothing.

use std::net::{IpAddr, SocketAddr};

use clap::builder::BoolishValueParser;
use clap::{Args, ColorChoice};

use crate::config::PORT;
use crate::join::said::may_be_name;

/// The settings of the client.
#[derive(Args, Clone, Debug)]
pub struct Flags {
    /// The server: HOST or HOST:PORT, by name or address
    #[arg(value_name = "ADDR", default_value = "127.0.0.1", value_parser = parse_address)]
    pub server: Address,

    /// The port, if ADDR has none [1..=65535] [default: 50005]
    #[arg(value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,

    /// Take this name after connecting
    #[arg(long, value_name = "NAME", value_parser = parse_nick)]
    pub nick: Option<String>,

    /// Go to this room after connecting
    ///
    /// After a lost connection, the client goes back to the room that it was in.
    #[arg(long, value_name = "ROOM", value_parser = parse_nick)]
    pub room: Option<String>,

    /// Use colours: always, never, or auto (on a terminal, unless NO_COLOR is set)
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = ColorChoice::Auto)]
    #[arg(hide_possible_values = true)]
    pub color: ColorChoice,

    /// Show the time of day before each line
    #[arg(long, value_parser = BoolishValueParser::new())]
    pub timestamps: bool,

    /// Ring the bell for mentions and private messages
    #[arg(long, value_parser = BoolishValueParser::new())]
    pub bell: bool,

    /// Neither read nor write the file of earlier lines
    #[arg(long, value_parser = BoolishValueParser::new())]
    pub no_history: bool,
}

/// The address of a server: a port, and a host that may need a lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address.
    pub host: String,
    /// The port, if one is given.
    pub port: Option<u16>,
}

impl Flags {
    /// Checks the two arguments together. The error names them.
    pub fn check(&self) -> Result<(), String> {
        match (self.server.port, self.port) {
            (Some(first), Some(second)) => Err(format!("two ports: {first} and {second}")),
            _ => Ok(()),
        }
    }

    /// The host and the port of the server.
    pub fn server(&self) -> (&str, u16) {
        (&self.server.host, self.server.port.or(self.port).unwrap_or(PORT))
    }
}

/// A host and a port as text.
pub fn shown((host, port): (&str, u16)) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn parse_address(text: &str) -> Result<Address, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(Address { host: address.ip().to_string(), port: Some(address.port()) });
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(Address { host: address.to_string(), port: None });
    }
    let nonsense = "not a server such as example.org, example.org:50005 or [::1]:50005";
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port.parse().map_err(|_| nonsense.to_owned())?)),
        None => (text, None),
    };
    let of_host = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    let is_host = !host.is_empty() && host.chars().all(of_host);
    is_host.then(|| Address { host: host.to_owned(), port }).ok_or(nonsense.to_owned())
}

/// Refuses a name that no server can accept. The server decides about the rest.
fn parse_nick(text: &str) -> Result<String, String> {
    may_be_name(text).then(|| text.to_owned()).ok_or("a name is one word without blanks".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The server that these arguments name, as text; `None` if they are wrong.
    fn parsed(arguments: &[&str]) -> Option<String> {
        #[derive(clap::Parser)]
        struct Join {
            #[command(flatten)]
            flags: Flags,
        }
        let arguments = ["join"].iter().chain(arguments);
        let Join { flags } = clap::Parser::try_parse_from(arguments).ok()?;
        flags.check().ok().map(|()| shown(flags.server()))
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
            assert_eq!(parsed(&[text]).as_deref(), Some(expected));
        }
    }

    #[test]
    fn nonsense_is_no_server() {
        for text in ["", ":7", "a:b", "a:70000", "a b", "http://a", "[::1", "a:"] {
            assert_eq!(parsed(&[text]), None, "{text}");
        }
    }

    #[test]
    fn the_port_may_be_an_argument_of_its_own_as_for_nc() {
        for (host, expected) in
            [("localhost", "localhost:7"), ("::1", "[::1]:7"), ("[::1]", "[::1]:7")]
        {
            assert_eq!(parsed(&[host, "7"]).as_deref(), Some(expected));
        }
        assert_eq!(parsed(&[]).as_deref(), Some("127.0.0.1:50005"));
        for port in ["0", "65536", "seven", ""] {
            assert_eq!(parsed(&["localhost", port]), None, "{port}");
        }
        assert_eq!(parsed(&["localhost:7", "7"]), None);
        assert_eq!(parsed(&["[::1]:7", "8"]), None);
    }

    #[test]
    fn a_name_is_one_line_and_one_word() {
        assert!(parse_nick("이").is_ok());
        for text in ["", "a b", "a\n/quit", &"x".repeat(200)] {
            assert!(parse_nick(text).is_err(), "{text:?}");
        }
    }
}
