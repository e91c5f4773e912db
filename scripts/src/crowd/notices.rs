//! The server's own lines, recognised in every language that it has.
//!
//! The words are those of [`Notice`], cut at the names and numbers. None of them is repeated here.

use std::sync::LazyLock;

use chinwag::words::notice::{Lang, Notice, Shown};
use clap::ValueEnum;
use memchr::memmem;

/// How every notice begins.
const MARK: &[u8] = b"* ";

/// These stand in a notice in place of its number and its name, to be found there again. A notice
/// has no other `0`.
const NUMBER: usize = 0;
const NAME: &str = "0";

/// A notice that matters to a client, and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// The server let it in, and gave it this name.
    Welcome(&'a [u8]),
    /// It missed this many lines; `None` if that is no number.
    Missed(Option<u64>),
    /// It sent a line that is too long.
    TooLong,
    /// The server refuses it.
    Refused,
}

/// What these words mean for the client that reads them. `None` is a line for all clients.
pub fn told(words: &[u8]) -> Option<Told<'_>> {
    words.starts_with(MARK).then(|| LANGS.iter().find_map(|lang| lang.told(words))).flatten()
}

/// A notice without its line end.
fn words_of(notice: &Notice, lang: Lang) -> Vec<u8> {
    let line = notice.to_line(lang);
    line.strip_suffix(b"\n").map(<[u8]>::to_vec).unwrap_or(line)
}

/// The notices of one language.
struct Notices {
    welcome: Form,
    missed: Form,
    missed_one: Vec<u8>,
    too_long: Form,
    refusals: [Form; 2],
}

static LANGS: LazyLock<Vec<Notices>> =
    LazyLock::new(|| Lang::value_variants().iter().copied().map(Notices::of).collect());

impl Notices {
    fn of(lang: Lang) -> Notices {
        let form = |notice: Notice| Form::of(&words_of(&notice, lang));
        let full = Notice::Full { clients_max: NUMBER };
        let too_many = Notice::TooManyFromAddress { per_address: NUMBER };
        Notices {
            // If addresses are shown, only the part after the name differs.
            welcome: form(Notice::Welcome { name: NAME, address: Shown(None), here: 1 }),
            missed: form(Notice::Missed { lines: NUMBER as u64 }),
            missed_one: words_of(&Notice::Missed { lines: 1 }, lang),
            too_long: form(Notice::LineTooLong { bytes_max: NUMBER }),
            refusals: [full, too_many].map(form),
        }
    }

    fn told<'a>(&self, words: &'a [u8]) -> Option<Told<'a>> {
        if let Some(rest) = words.strip_prefix(&*self.welcome.before) {
            // The names that the server gives have ASCII letters and digits, and in a cluster the
            // name of the server behind a hyphen.
            let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
            let end = rest.iter().position(|byte| !is_name(byte));
            return Some(Told::Welcome(&rest[..end.unwrap_or(rest.len())]));
        }
        if words == self.missed_one {
            return Some(Told::Missed(Some(1)));
        }
        // One word, or it is a notice that ends in the words of a client.
        let missed = self.missed.differs(words).filter(|it| !it.contains(&b' '));
        if let Some(lines) = missed {
            let lines = std::str::from_utf8(lines).ok().and_then(|lines| lines.parse().ok());
            return Some(Told::Missed(lines));
        }
        if self.refusals.iter().any(|form| form.differs(words).is_some()) {
            return Some(Told::Refused);
        }
        self.too_long.differs(words).map(|_| Told::TooLong)
    }
}

/// A kind of notice: the fixed parts before and after the part that varies.
struct Form {
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Form {
    /// The form of a notice in which [`NUMBER`] or [`NAME`] stands.
    fn of(line: &[u8]) -> Form {
        let at = memmem::find(line, NAME.as_bytes()).unwrap_or(line.len());
        let (before, rest) = line.split_at(at);
        Form { before: before.to_vec(), after: rest.get(NAME.len()..).unwrap_or_default().to_vec() }
    }

    /// The varying part of this line.
    fn differs<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        line.strip_prefix(&*self.before)?.strip_suffix(&*self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_notice_tells_is_the_same_in_every_language() {
        for lang in Lang::value_variants().iter().copied() {
            let address = Shown("10.0.0.7:1234".parse().ok());
            for address in [address, Shown(None)] {
                let welcome = Notice::Welcome { name: "guest120", address, here: 7 };
                let welcome = words_of(&welcome, lang);
                assert_eq!(told(&welcome), Some(Told::Welcome(b"guest120")));
                let joined = Notice::Joined { name: "guest120", address };
                assert_eq!(told(&words_of(&joined, lang)), None);
            }
            for (notice, tells) in [
                (Notice::Missed { lines: 12 }, Told::Missed(Some(12))),
                (Notice::Missed { lines: 1 }, Told::Missed(Some(1))),
                (Notice::LineTooLong { bytes_max: 4096 }, Told::TooLong),
                (Notice::Full { clients_max: 5 }, Told::Refused),
                (Notice::TooManyFromAddress { per_address: 64 }, Told::Refused),
            ] {
                assert_eq!(told(&words_of(&notice, lang)), Some(tells), "{notice:?}");
                let words = notice.text(lang);
                assert_eq!(told(words.as_bytes()), None, "{words}");
            }
        }
        assert_eq!(told(b"* you missed some lines"), Some(Told::Missed(None)));
    }
}
