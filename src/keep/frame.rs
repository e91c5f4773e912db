//! What the server sends to the keeper: frames. A frame is a line, and the bytes that it announces.
//!
//! There is one verb: `replace NAME BYTES`, a line feed, and that many bytes. This file is values:
//! it knows no file and no socket.

use std::fmt;

/// The most bytes of a file. A frame for more is none.
pub const FILE_BYTES_MAX: usize = 16 << 20;

/// The most bytes of the name of a file.
pub const NAME_BYTES_MAX: usize = 32;

/// The most bytes of the line of a frame. With more it is no frame, so what waits has a bound.
const LINE_BYTES_MAX: usize = 64;

const REPLACE: &str = "replace";

const _: () = assert!(REPLACE.len() + 1 + NAME_BYTES_MAX + " 16777216".len() <= LINE_BYTES_MAX);
const _: () = assert!(FILE_BYTES_MAX <= 16_777_216);

/// The line of the frame that replaces a file. The content goes behind it.
pub fn replace_line(name: &str, bytes: usize) -> String {
    debug_assert!(is_name(name) && bytes <= FILE_BYTES_MAX);
    format!("{REPLACE} {name} {bytes}\n")
}

/// Whether a file may have this name: 1 to 32 of `a-z`, `0-9` and `-`. So it is no path, and no
/// name that the keeper has for itself, as these begin with a dot.
pub fn is_name(name: &str) -> bool {
    let is_of_names = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_of_names)
}

/// A whole frame: this file has this content from now on.
#[derive(Debug, PartialEq, Eq)]
pub struct Replace {
    /// The name of the file.
    pub name: String,
    /// All that the file will have.
    pub content: Vec<u8>,
}

/// What came is no frame. All that comes behind it has no meaning either.
#[derive(Debug, PartialEq, Eq)]
pub struct BadFrame(Vec<u8>);

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its input is no frame: \"{}\"", self.0.escape_ascii())
    }
}

/// Splits input into frames, however it is cut into reads.
#[derive(Debug, Default)]
pub struct Frames {
    /// What has come of a line: at most [`LINE_BYTES_MAX`] bytes, without a line feed.
    line: Vec<u8>,
    /// The frame whose content is coming, and how many bytes that has: more than have come.
    begun: Option<(Replace, usize)>,
}

impl Frames {
    /// Takes the next whole frame, and moves `input` behind it. `None` is not yet: all of the input
    /// is taken, and more must come.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Replace>, BadFrame> {
        if self.begun.is_none() && !self.take_line(input)? {
            return Ok(None);
        }
        Ok(self.take_content(input))
    }

    /// Whether a part of a frame has come, and not the rest.
    pub fn is_amid_frame(&self) -> bool {
        self.begun.is_some() || !self.line.is_empty()
    }

    /// Takes what there is of a line; whether it is whole now, and begins a frame.
    fn take_line(&mut self, input: &mut &[u8]) -> Result<bool, BadFrame> {
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            if byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                self.begun = Some(parse(&line).ok_or(BadFrame(line))?);
                return Ok(true);
            }
            self.line.push(byte);
            if self.line.len() > LINE_BYTES_MAX {
                return Err(BadFrame(std::mem::take(&mut self.line)));
            }
        }
        Ok(false)
    }

    /// Takes what there is of the content; the frame, if that is whole now.
    fn take_content(&mut self, input: &mut &[u8]) -> Option<Replace> {
        let (replace, bytes) = self.begun.as_mut()?;
        let (content, rest) = input.split_at(input.len().min(*bytes - replace.content.len()));
        *input = rest;
        replace.content.extend_from_slice(content);
        let (replace, _) =
            self.begun.take_if(|(replace, bytes)| replace.content.len() == *bytes)?;
        Some(replace)
    }
}

/// The frame that a line begins, and the length of its content.
fn parse(line: &[u8]) -> Option<(Replace, usize)> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (verb, name, bytes) = (words.next()?, words.next()?, words.next()?.parse().ok()?);
    let is_good = verb == REPLACE && is_name(name) && bytes <= FILE_BYTES_MAX;
    let replace = Replace { name: name.to_owned(), content: Vec::new() };
    (is_good && words.next().is_none()).then_some((replace, bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(name: &str, content: &[u8]) -> Vec<u8> {
        [replace_line(name, content.len()).as_bytes(), content].concat()
    }

    #[test]
    fn a_line_that_is_none_of_ours_is_a_bad_frame() {
        let long_name = format!("replace {} 1\n", "a".repeat(NAME_BYTES_MAX + 1));
        let too_much = format!("replace bans {}\n", FILE_BYTES_MAX + 1);
        let no_line = "replace ".repeat(9);
        for line in [
            "\n",
            "replace bans\n",
            "replace bans 1 2\n",
            "replace bans -1\n",
            "replace bans x\n",
            "replace  1\n",
            "replace .lock 1\n",
            "replace ../bans 1\n",
            "replace Bans 1\n",
            "remove bans 1\n",
            "replace b\u{e4}ns 1\n",
            &long_name,
            &too_much,
            &no_line,
        ] {
            let told = Frames::default().next(&mut line.as_bytes()).unwrap_err().to_string();
            assert!(told.starts_with("its input is no frame: \""), "{told}");
            assert!(!told.contains('\n'), "{told}");
        }
        let longest = format!("replace {} {FILE_BYTES_MAX}\n", "a".repeat(NAME_BYTES_MAX));
        let mut frames = Frames::default();
        assert_eq!(frames.next(&mut longest.as_bytes()), Ok(None));
        assert!(frames.is_amid_frame());
    }

    proptest! {
        #![proptest_config(crate::cases())]

        #[test]
        fn frames_arrive_whole_however_they_are_cut(
            sent in prop::collection::vec(
                ("[a-z0-9-]{1,32}", prop::collection::vec(any::<u8>(), 0..99)),
                0..9,
            ),
            cuts in prop::collection::vec(1_usize..40, 1..40),
        ) {
            let bytes = sent.iter().flat_map(|(name, content)| frame(name, content));
            let bytes: Vec<u8> = bytes.collect();
            let (mut frames, mut came, mut rest) = (Frames::default(), Vec::new(), &bytes[..]);
            for cut in cuts.into_iter().cycle() {
                let (mut part, behind) = rest.split_at(cut.min(rest.len()));
                rest = behind;
                while let Some(Replace { name, content }) = frames.next(&mut part).unwrap() {
                    came.push((name, content));
                }
                prop_assert!(part.is_empty());
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert!(!frames.is_amid_frame());
            prop_assert_eq!(came, sent);
        }
    }
}
