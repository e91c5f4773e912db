//! The form of a reader's lines: what is said, as bytes.
//!
//! It knows one entry at a time, not which clients read it.

use super::telnet;
use super::web::messages;

/// The form of a reader's lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// With a line feed; in raw mode as they came.
    #[default]
    Plain,
    /// With CR LF, as telnet wants it and each client that ends its own lines so.
    CrLf,
    /// In raw mode with a line feed, though the chunk had none: a log of it has lines.
    Log,
    /// Each in a text frame of WebSocket, with its number and time: see [`messages`].
    Web,
}

/// How many forms there are.
pub const FORMS: usize = 4;

/// What an entry takes more in a form than in the plain one, at most.
pub const FORM_BYTES_MAX: usize = messages::ENTRY_BYTES_MORE;

/// An entry in the plain form, and what another form says of it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its bytes, in parts.
    pub parts: &'a [&'a [u8]],
    /// How many entries stand before it.
    pub number: u64,
    /// When it was said, in seconds since the server started.
    pub at_seconds: u32,
}

impl Form {
    /// All of them, in their order.
    pub const ALL: [Form; FORMS] = [Form::Plain, Form::CrLf, Form::Log, Form::Web];

    /// Whole lines for one reader alone, in this form.
    pub fn render(self, text: Vec<u8>) -> Vec<u8> {
        let mut rendered = Vec::with_capacity(text.len() + FORM_BYTES_MAX);
        match self {
            Form::Plain => return text,
            Form::CrLf => telnet::push_rendered(&text, &mut rendered),
            Form::Log => push_as_line(&text, &mut rendered),
            Form::Web => messages::push_private(&text, &mut rendered),
        }
        rendered
    }

    /// An entry of a room in this form.
    pub fn render_entry(self, entry: &Entry<'_>) -> Vec<u8> {
        let text = entry.parts.concat();
        if self != Form::Web {
            return self.render(text);
        }
        let mut rendered = Vec::with_capacity(text.len() + FORM_BYTES_MAX);
        messages::push_entry(entry.number, entry.at_seconds, &text, &mut rendered);
        rendered
    }

    /// What an entry takes more than in the plain form, at most, if fewer entries stand before it,
    /// and it is said before this second.
    pub fn bytes_more(self, number: u64, at_seconds: u32) -> usize {
        match self {
            Form::Plain => 0,
            Form::CrLf | Form::Log => 1,
            Form::Web => messages::entry_bytes_more(number, at_seconds),
        }
    }
}

/// Appends an entry with a line feed behind it, unless it has one.
fn push_as_line(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(text);
    if text.last() != Some(&b'\n') {
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_of_chunks_has_lines() {
        let log = |text: &str| String::from_utf8(Form::Log.render(text.into())).unwrap();
        assert_eq!((log("a"), log("a\n")), ("a\n".to_owned(), "a\n".to_owned()));
    }
}
