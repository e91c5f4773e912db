//! The way back from a notice to its fields, by the form that it was written with.
//!
//! A form is a format string of the table, such as `{from} is now {to}`. This module knows words
//! only. It trusts nothing: any text may claim to be a notice.

use std::time::Duration;

use super::notice::{Shown, Span, Why};

/// The fields of a form, each with the words that stand in its place.
pub(super) type Fields<'a> = Vec<(&'static str, &'a str)>;

/// What stands in these words in the place of each field; `None` if they do not have this form.
pub(super) fn fields<'a>(form: &'static str, words: &'a str) -> Option<Fields<'a>> {
    let mut pieces = form.split('{').peekable();
    let mut rest = words.strip_prefix(pieces.next()?)?;
    let mut fields = Fields::new();
    while let Some(piece) = pieces.next() {
        let (field, behind) = piece.split_once('}')?;
        let end = match pieces.peek() {
            None => rest.strip_suffix(behind)?.len(),
            // An address, a time or a reason follows, or nothing: then it is what follows that.
            Some(next) if behind.is_empty() => {
                let literal = next.split_once('}')?.1;
                let follows = [" (", ": "].iter().filter_map(|mark| rest.find(mark)).min();
                follows.or_else(|| match literal.is_empty() {
                    true => Some(rest.len()),
                    false => rest.find(literal),
                })?
            }
            Some(_) => rest.find(behind)?,
        };
        fields.push((field.trim_end_matches(":#"), &rest[..end]));
        rest = &rest[end + behind.len()..];
    }
    rest.is_empty().then_some(fields)
}

/// The value of a field, if its words can be one.
pub(super) fn value<'a, T: Value<'a>>(fields: &Fields<'a>, name: &str) -> Option<T> {
    let (_, words) = fields.iter().find(|(field, _)| *field == name)?;
    T::of(words)
}

/// What can stand in a notice.
pub(super) trait Value<'a>: Sized {
    fn of(words: &'a str) -> Option<Self>;
}

impl<'a> Value<'a> for &'a str {
    fn of(words: &'a str) -> Option<Self> {
        (!words.is_empty()).then_some(words)
    }
}

impl<'a> Value<'a> for Why<'a> {
    fn of(words: &'a str) -> Option<Self> {
        if words.is_empty() { Some(Why("")) } else { words.strip_prefix(": ").map(Why) }
    }
}

impl Value<'_> for Span {
    fn of(words: &str) -> Option<Self> {
        if words.is_empty() {
            return Some(Span(None));
        }
        let time = words.strip_prefix(" (")?.strip_suffix(')')?;
        let seconds = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
        let of = |(unit, seconds): (&str, u64)| {
            let number = time.strip_suffix(unit)?.parse::<u64>().ok()?;
            Some(Duration::from_secs(number.checked_mul(seconds)?))
        };
        seconds.into_iter().find_map(of).map(|time| Span(Some(time)))
    }
}

impl Value<'_> for u8 {
    fn of(words: &str) -> Option<Self> {
        words.parse().ok()
    }
}

impl Value<'_> for usize {
    fn of(words: &str) -> Option<Self> {
        words.parse().ok()
    }
}

impl Value<'_> for u64 {
    fn of(words: &str) -> Option<Self> {
        words.parse().ok()
    }
}

impl Value<'_> for Shown {
    fn of(words: &str) -> Option<Self> {
        if words.is_empty() {
            return Some(Shown(None));
        }
        let address = words.trim_start().strip_prefix('(')?.strip_suffix(')')?;
        address.parse().ok().map(|address| Shown(Some(address)))
    }
}
