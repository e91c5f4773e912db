//! What hosts and operators have laid down for the whole server, and what they want of it.
//!
//! It is a value: it knows no file. The server reads the files and hands their content in. It takes
//! out what is to be done in the world with [`take_requests`](super::Hub::take_requests).

use std::collections::HashMap;

use log::LevelFilter;
use subtle::ConstantTimeEq;

use super::bans::Bans;

/// After this many wrong secrets a client is disconnected.
pub const TRIES_MAX: u8 = 3;

/// What an operator wants of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Read the files again.
    Reload,
    /// Log at this level.
    Log(LevelFilter),
    /// Keep bans, topics and passwords: something has changed.
    Keep,
    /// Stop, since another server of the cluster has started under the name of this one.
    GiveWay,
}

/// The secrets of the operators, each with a name for the log.
#[derive(Clone, Default)]
pub struct Operators(Vec<(String, String)>);

impl Operators {
    /// The operators in a text with a name and a secret in each line. `Err` is the number of a line
    /// that has something else.
    pub fn parse(text: &str) -> Result<Operators, usize> {
        let mut all = Vec::new();
        for (number, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_whitespace().collect::<Vec<&str>>()[..] {
                [name, secret] => all.push((name.to_owned(), secret.to_owned())),
                _ => return Err(number + 1),
            }
        }
        Ok(Operators(all))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The name of the operator that has this secret. All are compared, each in a time that does
    /// not depend on how much of it is right.
    pub fn find(&self, secret: &str) -> Option<&str> {
        let is_it = |own: &str| is_same(own, secret);
        self.0.iter().fold(None, |found, (name, own)| if is_it(own) { Some(name) } else { found })
    }
}

/// It has secrets in it.
impl std::fmt::Debug for Operators {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} operators", self.count())
    }
}

/// Whether two secrets are the same. The time of the answer tells no more than their lengths.
pub fn is_same(secret: &str, other: &str) -> bool {
    secret.as_bytes().ct_eq(other.as_bytes()).into()
}

/// The state of moderation.
#[derive(Debug, Default)]
pub struct Moderation {
    /// The networks that may not come in.
    pub bans: Bans,
    /// The secrets of the operators.
    pub operators: Operators,
    /// What a new client is shown; each line of it is a notice.
    pub motd: String,
    /// Why each client is away that has said so, by serial.
    pub away: HashMap<u64, String>,
    /// How many wrong secrets a client has told, by serial.
    pub tries: HashMap<u64, u8>,
    /// What is to be done in the world, in this order.
    pub requests: Vec<Request>,
}

impl Moderation {
    /// A client has gone.
    pub fn forget(&mut self, serial: u64) {
        self.away.remove(&serial);
        self.tries.remove(&serial);
    }

    /// A client has told a wrong secret. Returns how many more it may try.
    pub fn count_try(&mut self, serial: u64) -> u8 {
        let tries = self.tries.entry(serial).or_default();
        *tries = tries.saturating_add(1);
        TRIES_MAX.saturating_sub(*tries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_is_found_by_its_secret_alone() {
        let operators = Operators::parse("# all of us\n\nkim s3cret\n  lee\tother \n").unwrap();
        assert_eq!((operators.count(), operators.find("s3cret")), (2, Some("kim")));
        assert_eq!(operators.find("other"), Some("lee"));
        for wrong in ["", "s3cre", "s3cret ", "kim", "S3CRET"] {
            assert_eq!(operators.find(wrong), None, "{wrong}");
        }
        assert!(!format!("{operators:?}").contains("s3cret"));
    }

    #[test]
    fn a_line_without_a_secret_is_named() {
        assert_eq!(Operators::parse("kim s3cret\nlee\n").err(), Some(2));
        assert_eq!(Operators::parse("kim s3cret more\n").err(), Some(1));
    }

    #[test]
    fn tries_are_counted_down() {
        let mut moderation = Moderation::default();
        assert_eq!([1, 1, 2, 1].map(|serial| moderation.count_try(serial)), [2, 1, 2, 0]);
        moderation.forget(1);
        assert_eq!(moderation.count_try(1), 2);
    }
}
