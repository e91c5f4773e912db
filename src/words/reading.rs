//! The way back from a notice to its fields, by the form that it was written with.
//!
//! A form is a format string of the table, such as `{from} is now {to}`. This module knows words
//! only. It trusts nothing: any text may claim to be a notice.

use super::notice::Shown;

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
            // An address follows, unless it is hidden: then it is what follows that.
            Some(next) if behind.is_empty() => {
                rest.find(" (").or_else(|| rest.find(next.split_once('}')?.1))?
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
