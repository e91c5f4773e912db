//! The password in a command, which is neither shown nor kept.
//!
//! It is hidden while it is typed, too: the terminal may keep a row of the prompt after a resize.
//! This file knows lines. It never knows the terminal, or how far a line is typed.

use unicode_segmentation::UnicodeSegmentation;

/// Where the password of a command begins: behind `/oper`, `/password`, or the room of `/join`.
/// `None` if the line has none.
pub fn begin(line: &str) -> Option<usize> {
    let (command, mut rest) = line.split_once(char::is_whitespace)?;
    match command.to_ascii_lowercase().as_str() {
        "/oper" | "/password" => {}
        "/join" => rest = rest.trim_start().split_once(char::is_whitespace)?.1,
        _ => return None,
    }
    let password = rest.trim_start();
    (!password.is_empty()).then(|| line.len() - password.len())
}

/// A line with `*` for each character of its password.
pub fn hidden(line: &str) -> String {
    hidden_from(line, begin(line))
}

/// A part of a line with `*` for each character from this byte of it on.
pub fn hidden_from(part: &str, begin: Option<usize>) -> String {
    let (open, password) = part.split_at(begin.map_or(part.len(), |at| at.min(part.len())));
    open.to_owned() + &"*".repeat(password.graphemes(true).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_a_command_is_hidden_and_nothing_else() {
        for (line, shown) in [
            ("/oper x", "/oper *"),
            ("/Password\u{3000}한국 y", "/Password\u{3000}****"),
            ("/join  attic  e\u{301}x", "/join  attic  **"),
            ("/JOIN attic x y", "/JOIN attic ***"),
        ] {
            assert_eq!(hidden(line), shown);
        }
        for line in
            ["/oper", "/oper ", "/join attic", "/join attic ", "/msg x y", "//oper x", "x y"]
        {
            assert_eq!(hidden(line), line);
        }
    }

    #[test]
    fn a_part_of_a_line_is_hidden_from_any_place_on() {
        for (begin, shown) in [(Some(0), "***"), (Some(2), "ab*"), (Some(9), "abc"), (None, "abc")]
        {
            assert_eq!(hidden_from("abc", begin), shown);
        }
    }
}
