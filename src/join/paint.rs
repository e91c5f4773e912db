//! How a line looks: the colour of a name, the time before it, the bell.
//!
//! A name has the same colour everywhere and always: the colour depends on the name alone. This
//! file knows lines and colours. It never knows the terminal, and takes the time of day as text.

use super::pending::Me;
use super::said::Said;
use crate::words::names::called;

/// The prefix of a message of this program, as `* ` is the prefix of one of the server.
pub const OWN_WORD: &str = "-- ";

/// The colours of names (SGR): those that are readable on black and on white.
const NAME_COLORS: [&str; 10] = ["31", "32", "34", "35", "36", "91", "92", "94", "95", "96"];

const BOLD: &str = "1";
/// The style of what stands back.
pub const DIM: &str = "2";
const REVERSE: &str = "7";

/// Ends a style.
const NORMAL: &str = "\x1b[0m";

/// How lines are to look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paint {
    /// Whether to use colours.
    pub colored: bool,
    /// Whether to ring the bell for a line that is meant for the user.
    pub bell: bool,
    /// The time of day, if it stands before each line.
    pub clock: Option<fn() -> String>,
}

impl Paint {
    /// A line of the conversation as it is shown.
    pub fn line(&self, line: &str, me: &Me) -> String {
        let said = Said::of(line);
        let is_to_us = is_to_us(&said, me);
        let body = match said {
            Said::Server { .. } => self.styled(DIM, line),
            Said::By { name, text } => format!("{}: {text}", self.name(name, me)),
            Said::Act { name, text } => format!("~ {} {text}", self.name(name, me)),
            Said::Private { from, to, text } => {
                format!("[{} -> {}] {text}", self.name(from, me), self.name(to, me))
            }
            Said::Other => line.to_owned(),
        };
        let whole = self.stamp() + &body;
        let bell = if self.bell { "\u{7}" } else { "" };
        if is_to_us { self.standing_out(&whole) + bell } else { whole }
    }

    /// A message of this program, or a line of the user's own that the server does not echo. The
    /// prefix tells which.
    pub fn own(&self, prefix: &str, text: &str) -> String {
        format!("{}{}", self.stamp(), self.styled(DIM, &format!("{prefix}{text}")))
    }

    fn stamp(&self) -> String {
        self.clock.map_or(String::new(), |clock| self.styled(DIM, &clock()) + " ")
    }

    /// A name before other text, from any server.
    fn name(&self, name: &str, me: &Me) -> String {
        let style = if me.is_now(name) { BOLD } else { color(name) };
        self.styled(style, &called(name))
    }

    /// A whole line in reverse, in which names keep their colours.
    fn standing_out(&self, line: &str) -> String {
        self.styled(REVERSE, &line.replace(NORMAL, &format!("{NORMAL}\x1b[{REVERSE}m")))
    }

    /// Text in this style.
    pub fn styled(&self, style: &str, text: &str) -> String {
        if self.colored { format!("\x1b[{style}m{text}{NORMAL}") } else { text.to_owned() }
    }
}

/// The colour of a name (FNV-1a of its bytes).
fn color(name: &str) -> &'static str {
    let start = 0xcbf2_9ce4_8422_2325_u64;
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    let hash = name.bytes().fold(start, step);
    NAME_COLORS[(hash >> 32) as usize % NAME_COLORS.len()]
}

/// Whether another client says this to the user alone, or mentions the user's name.
fn is_to_us(said: &Said<'_>, me: &Me) -> bool {
    match *said {
        Said::Private { from, to, .. } => !me.is_now(from) && me.is_now(to),
        Said::By { name, text } | Said::Act { name, text } => {
            !me.is_now(name) && me.name().is_some_and(|own| mentions(text, own))
        }
        Said::Server { .. } | Said::Other => false,
    }
}

/// Whether the text mentions a name, in any case. The name may stand without blanks around it, or
/// with a particle behind it. It is part of another word only if a letter or digit of ASCII stands
/// beside one of its own.
fn mentions(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    let joins = |one: Option<char>, other: Option<char>| {
        one.zip(other).is_some_and(|(a, b)| a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric())
    };
    let is_apart = |at: usize| {
        let (before, behind) = (&text[..at], &text[at + name.len()..]);
        !joins(before.chars().next_back(), name.chars().next())
            && !joins(name.chars().next_back(), behind.chars().next())
    };
    !name.is_empty() && text.match_indices(&name).any(|(at, _)| is_apart(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Paint = Paint { colored: false, bell: true, clock: None };
    const COLORED: Paint = Paint { colored: true, ..PLAIN };

    fn me(name: &str) -> Me {
        let mut me = Me::default();
        me.be(name);
        me
    }

    #[test]
    fn without_colours_a_line_is_as_it_was_sent() {
        let lines = ["* bob left", "bob: hi", "~ bob waves", "[eve -> bob] x", "whatever"];
        let hebrew = ["שרה\u{200e}: א", "~ שרה\u{200e} א", "[שרה\u{200e} -> דוד\u{200e}] א"];
        for line in lines.into_iter().chain(hebrew) {
            assert_eq!(Paint { bell: false, ..PLAIN }.line(line, &me("bob")), line);
        }
        // Other servers do not mark where a name ends.
        assert_eq!(PLAIN.line("שרה: א", &me("bob")), hebrew[0]);
    }

    #[test]
    fn a_name_has_one_colour() {
        let (first, second) = (COLORED.line("eve: a", &me("x")), COLORED.line("eve: b", &me("y")));
        assert_eq!(first.replace('a', "b"), second);
        assert!(first.starts_with("\x1b[") && first.contains("meve\x1b[0m: a"), "{first:?}");
        let colors: std::collections::HashSet<&str> =
            (0..200).map(|number| color(&format!("guest{number}"))).collect();
        assert_eq!(colors.len(), NAME_COLORS.len());
    }

    #[test]
    fn the_bell_rings_for_a_mention_and_a_private_message() {
        for line in ["eve: Bob, hi", "~ eve hugs bob", "[eve -> bob] hi", "eve: bob이 왔다"] {
            assert!(PLAIN.line(line, &me("bob")).ends_with('\u{7}'), "{line}");
        }
        for line in ["eve: bobby", "bob: bob", "[bob -> eve] hi", "* bob left", "eve: hi"] {
            assert!(!PLAIN.line(line, &me("bob")).contains('\u{7}'), "{line}");
        }
    }

    /// The part of a line that is in reverse, and the part that is not, without colours.
    fn in_reverse(line: &str) -> (String, String) {
        let (mut reverse, mut other, mut is_reverse) = (String::new(), String::new(), false);
        for piece in line.trim_end_matches('\u{7}').split("\x1b[") {
            let (style, text) = piece.split_once('m').unwrap_or(("", piece));
            is_reverse = if is_reverse { style != "0" } else { style == REVERSE };
            if is_reverse { reverse += text } else { other += text }
        }
        (reverse, other)
    }

    #[test]
    fn a_line_that_names_us_stands_out_as_a_whole() {
        let paint = Paint { clock: Some(|| "12:34".to_owned()), ..COLORED };
        for line in ["eve: Bob, hi", "~ eve hugs bob", "[eve -> bob] hi"] {
            let expected = (format!("12:34 {line}"), String::new());
            assert_eq!(in_reverse(&paint.line(line, &me("bob"))), expected);
            assert!(!PLAIN.line(line, &me("bob")).contains('\x1b'));
        }
        for line in ["eve: hi", "bob: bob", "[bob -> eve] hi", "* bob left"] {
            assert_eq!(in_reverse(&paint.line(line, &me("bob"))).0, "");
        }
    }

    #[test]
    fn the_time_stands_before_a_line() {
        let paint = Paint { clock: Some(|| "12:34:56".to_owned()), ..PLAIN };
        assert_eq!(paint.line("eve: hi", &me("bob")), "12:34:56 eve: hi");
    }
}
