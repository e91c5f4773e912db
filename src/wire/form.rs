//! How the lines of a reader end: what is said, as bytes.
//!
//! It knows one entry at a time, not who reads it.

use super::telnet;

/// How the lines of a reader end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// With a line feed; in raw mode as they came.
    #[default]
    Plain,
    /// With CR LF, as telnet wants it and each client that ends its own lines so.
    CrLf,
    /// In raw mode with a line feed, though the chunk had none: a log of it has lines.
    Log,
}

/// How many forms there are.
pub const FORMS: usize = 3;

/// What an entry takes more in a form than in the plain one, at most.
pub const FORM_BYTES_MAX: usize = 1;

impl Form {
    /// All of them, in their order.
    pub const ALL: [Form; FORMS] = [Form::Plain, Form::CrLf, Form::Log];

    /// A whole entry, or a private text, in this form.
    pub fn render(self, text: Vec<u8>) -> Vec<u8> {
        let mut rendered = Vec::with_capacity(text.len() + FORM_BYTES_MAX);
        match self {
            Form::Plain => return text,
            Form::CrLf => telnet::push_rendered(&text, &mut rendered),
            Form::Log => push_as_line(&text, &mut rendered),
        }
        rendered
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
