//! The kind of a line, and its author.
//!
//! The kind depends on the form of the line and never on its words, which differ from server to
//! server. [`Notice::read`] reads the notices of a chinwag server, in each of its languages.
//!
//! This file knows text. It never knows the user's name, or what the line is used for.

use crate::words::names::{NAME_BYTES_MAX, bare};
use crate::words::notice::Notice;

/// A line of the conversation. Names are [`bare`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the words of the form above them")]
pub enum Said<'a> {
    /// `* text`: a message of the server itself.
    Server { text: &'a str },
    /// `NAME: text`
    By { name: &'a str, text: &'a str },
    /// `~ NAME text`
    Act { name: &'a str, text: &'a str },
    /// `[FROM -> TO] text`
    Private { from: &'a str, to: &'a str, text: &'a str },
    /// Anything else.
    Other,
}

impl<'a> Said<'a> {
    /// Reads a line.
    pub fn of(line: &'a str) -> Said<'a> {
        if let Some(text) = line.strip_prefix("* ") {
            return Said::Server { text };
        }
        Said::act(line)
            .or_else(|| Said::private(line))
            .or_else(|| Said::by(line))
            .unwrap_or(Said::Other)
    }

    /// The notice of a chinwag server, in any of its languages.
    pub fn notice(&self) -> Option<Notice<'a>> {
        match *self {
            Said::Server { text } => Notice::read(text),
            _ => None,
        }
    }

    fn act(line: &'a str) -> Option<Said<'a>> {
        let (name, text) = line.strip_prefix("~ ")?.split_once(' ')?;
        may_be_name(name).then_some(Said::Act { name: bare(name), text })
    }

    fn private(line: &'a str) -> Option<Said<'a>> {
        let (names, text) = line.strip_prefix('[')?.split_once("] ")?;
        let (from, to) = names.split_once(" -> ")?;
        let is_one = may_be_name(from) && may_be_name(to);
        is_one.then_some(Said::Private { from: bare(from), to: bare(to), text })
    }

    fn by(line: &'a str) -> Option<Said<'a>> {
        let (name, text) = line.split_once(": ")?;
        may_be_name(name).then_some(Said::By { name: bare(name), text })
    }
}

/// Whether this may be a name on any server.
pub fn may_be_name(text: &str) -> bool {
    let is_free_of = |character: char| !character.is_whitespace() && !character.is_control();
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.chars().all(is_free_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_known_by_its_form() {
        assert_eq!(Said::of("* bob left"), Said::Server { text: "bob left" });
        assert_eq!(Said::of("bob: a: b"), Said::By { name: "bob", text: "a: b" });
        assert_eq!(Said::of("~ 이 waves"), Said::Act { name: "이", text: "waves" });
        let private = Said::Private { from: "a", to: "b", text: "hi" };
        assert_eq!(Said::of("[a -> b] hi"), private);
        assert_eq!(Said::of("127.0.0.1:4: hi"), Said::By { name: "127.0.0.1:4", text: "hi" });
    }

    #[test]
    fn the_mark_behind_a_name_is_not_of_it() {
        let (by, act) = ("שרה\u{200e}: שלום", "~ שרה\u{200e} שלום");
        assert_eq!(Said::of(by), Said::By { name: "שרה", text: "שלום" });
        assert_eq!(Said::of(act), Said::Act { name: "שרה", text: "שלום" });
        let private = Said::Private { from: "שרה", to: "דוד", text: "hi" };
        assert_eq!(Said::of("[שרה\u{200e} -> דוד\u{200e}] hi"), private);
    }

    #[test]
    fn what_has_no_form_is_anything() {
        for line in ["", "hello there: x", ": x", "[a] b", "<user5> hi", "~ bob", "http://a"] {
            assert_eq!(Said::of(line), Said::Other, "{line}");
        }
    }
}
