//! Where the order is that several servers share, as `--cluster` says it.

use std::fmt;
use std::path::PathBuf;

/// The engine, and the stream in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Where an engine may be, the likeliest first.
    pub engines: Vec<Engine>,
    /// What it asks for.
    pub password: Option<String>,
    /// The key of the stream. Servers with the same one are a cluster.
    pub stream: String,
}

/// Where an engine may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A host and a port.
    At(String),
    /// A Unix socket.
    Unix(PathBuf),
}

/// What the flag is to be.
const USAGE: &str = "not redis://[:PASSWORD@]HOST:PORT/NAME, with more of HOST:PORT behind commas, \
                     nor redis://[:PASSWORD@]/PATH/OF/SOCKET/NAME";

impl Cluster {
    /// Reads what the flag says. The errors do not repeat it: it may have a password in it.
    pub fn parse(text: &str) -> Result<Cluster, String> {
        let rest = text.strip_prefix("redis://").ok_or(USAGE)?;
        let (password, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) => (Some(user.strip_prefix(':').ok_or(USAGE)?), rest),
            None => (None, rest),
        };
        let (engines, stream) = rest.rsplit_once('/').ok_or(USAGE)?;
        let engine = |text: &str| match text {
            _ if text.starts_with('/') => Ok(Engine::Unix(PathBuf::from(text))),
            _ => match text.rsplit_once(':') {
                Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                    Ok(Engine::At(text.to_owned()))
                }
                _ => Err(USAGE),
            },
        };
        let engines = engines.split(',').map(engine).collect::<Result<Vec<Engine>, _>>()?;
        let is_word = !stream.is_empty() && !stream.contains(|c: char| c.is_whitespace());
        let stream = is_word.then(|| stream.to_owned()).ok_or(USAGE)?;
        Ok(Cluster { engines, password: password.map(str::to_owned), stream })
    }

    /// Reads the name of a server: it stands behind the number of a guest.
    pub fn parse_node(text: &str) -> Result<String, String> {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        match text.len() {
            1..=12 if text.chars().all(is_name) => Ok(text.to_owned()),
            _ => Err("not 1 to 12 of the letters a to z and digits".to_owned()),
        }
    }

    /// The name of a server that was given none: that of its machine, as far as it can be one.
    pub fn node_of(machine: &str) -> String {
        let first = machine.split('.').next().unwrap_or_default().to_ascii_lowercase();
        let name: String = first.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
        if name.is_empty() { "a".to_owned() } else { name }
    }
}

/// Without the password.
impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{}", self.engines, self.stream)
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Engine::At(address) => f.write_str(address),
            Engine::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_a_password_and_a_stream_are_read() {
        let at = |address: &str| Engine::At(address.to_owned());
        let all = Cluster::parse("redis://:p@ss/w@10.0.0.1:6379,[::1]:6380/chat").unwrap();
        assert_eq!(all.engines, [at("10.0.0.1:6379"), at("[::1]:6380")]);
        assert_eq!((all.password.as_deref(), all.stream.as_str()), (Some("p@ss/w"), "chat"));
        let unix = Cluster::parse("redis:///run/redis.sock/chat").unwrap();
        assert_eq!(unix.engines, [Engine::Unix(PathBuf::from("/run/redis.sock"))]);
        assert_eq!((unix.password, unix.stream.as_str()), (None, "chat"));
        assert!(!format!("{all:?}").contains("p@ss"));
    }

    #[test]
    fn what_is_no_engine_is_refused_without_its_password() {
        for text in [
            "10.0.0.1:6379/chat",
            "redis://10.0.0.1/chat",
            "redis://10.0.0.1:6379",
            "redis://10.0.0.1:6379/",
            "redis://bob:secret@10.0.0.1:6379/chat",
            "redis://:secret@10.0.0.1:99999/chat",
        ] {
            let error = Cluster::parse(text).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_server_is_called_as_its_machine() {
        assert_eq!(Cluster::node_of("Web-01.example.org"), "web01");
        assert_eq!(Cluster::node_of("서버"), "a");
        assert_eq!(Cluster::parse_node("web01"), Ok("web01".to_owned()));
        for wrong in ["", "Web", "a-b", "thirteenchars"] {
            assert!(Cluster::parse_node(wrong).is_err(), "{wrong}");
        }
    }
}
