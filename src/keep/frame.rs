//! What the server sends to the keeper: frames. A frame is a line, and the bytes that it announces.
//!
//! - `replace NAME BYTES`: a file has this content from now on.
//! - `said ROOM NUMBER MILLIS BYTES`: these lines were said in a room, the first of them under this
//!   number, at this moment. `raw`, `end`, `missed` and `start` have the same form: see [`Verb`].
//!
//! Behind the line stand a line feed and that many bytes. This file is values: it knows no file and
//! no socket.

use std::fmt;

use crate::words::names::NAME_BYTES_MAX as ROOM_BYTES_MAX;

/// The most bytes of a frame's content. A frame for more is none.
pub const FILE_BYTES_MAX: usize = 16 << 20;

/// The most bytes of the name of a file.
pub const NAME_BYTES_MAX: usize = 32;

/// The most bytes of the line of a frame. With more it is no frame, so what waits has a bound.
pub const LINE_BYTES_MAX: usize = 64 + ROOM_BYTES_MAX;

const REPLACE: &str = "replace";

const _: () = assert!(REPLACE.len() + 1 + NAME_BYTES_MAX + " 16777216".len() <= LINE_BYTES_MAX);
const _: () = assert!("missed".len() + 2 * " 18446744073709551615".len() + 10 <= 64);
const _: () = assert!(FILE_BYTES_MAX <= 16_777_216);

/// What the content of a [`Run`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Lines in the plain form, each with its line feed.
    Said,
    /// One chunk of a bare relay.
    Raw,
    /// Nothing: the room has ended.
    End,
    /// How many lines are not kept, in words: see [`missed_words`].
    Missed,
    /// A server starts: its name and version. It is on the disk when it is confirmed.
    Start,
}

impl Verb {
    const ALL: [Verb; 5] = [Verb::Said, Verb::Raw, Verb::End, Verb::Missed, Verb::Start];

    const fn word(self) -> &'static str {
        match self {
            Verb::Said => "said",
            Verb::Raw => "raw",
            Verb::End => "end",
            Verb::Missed => "missed",
            Verb::Start => "start",
        }
    }
}

/// How many lines are not kept, in words.
pub fn missed_words(lines: u64) -> String {
    format!("{lines} lines")
}

/// The line of the frame that replaces a file. The content goes behind it.
pub fn replace_line(name: &str, bytes: usize) -> String {
    debug_assert!(is_name(name) && bytes <= FILE_BYTES_MAX);
    format!("{REPLACE} {name} {bytes}\n")
}

/// The line of the frame of a run. The content goes behind it.
pub fn run_line(verb: Verb, room: &str, number: u64, unix_millis: u64, bytes: usize) -> String {
    debug_assert!(is_room(room) && bytes <= FILE_BYTES_MAX, "{room}");
    format!("{} {room} {number} {unix_millis} {bytes}\n", verb.word())
}

/// Whether a file may have this name: 1 to 32 of `a-z`, `0-9` and `-`. So it is no path, no file of
/// the log, and no name that the keeper has for itself, as these begin with a dot.
pub fn is_name(name: &str) -> bool {
    let is_of_names = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_of_names)
}

fn is_room(name: &str) -> bool {
    (1..=ROOM_BYTES_MAX).contains(&name.len()) && !name.contains(char::is_control)
}

/// A whole frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// A file is replaced.
    Replace(Replace),
    /// Something is added to the log.
    Run(Run),
}

/// This file has this content from now on.
#[derive(Debug, PartialEq, Eq)]
pub struct Replace {
    /// The name of the file.
    pub name: String,
    /// All that the file will have.
    pub content: Vec<u8>,
}

/// What was said in a room, one after the other.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    /// What the content is.
    pub verb: Verb,
    /// The room.
    pub room: String,
    /// The number of the first line.
    pub number: u64,
    /// When it was said.
    pub unix_millis: u64,
    /// The lines.
    pub content: Vec<u8>,
}

impl Run {
    /// How many lines it keeps or counts.
    pub fn lines(&self) -> u64 {
        match self.verb {
            Verb::Said => memchr::memchr_iter(b'\n', &self.content).count() as u64,
            Verb::Raw => 1,
            Verb::End | Verb::Start => 0,
            Verb::Missed => {
                let words = std::str::from_utf8(&self.content).unwrap_or_default();
                let count = words.split(' ').next().and_then(|count| count.parse().ok());
                count.unwrap_or(0)
            }
        }
    }
}

impl Frame {
    fn content(&mut self) -> &mut Vec<u8> {
        match self {
            Frame::Replace(replace) => &mut replace.content,
            Frame::Run(run) => &mut run.content,
        }
    }
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
    begun: Option<(Frame, usize)>,
}

impl Frames {
    /// Takes the next whole frame, and moves `input` behind it. `None` is not yet: all of the input
    /// is taken, and more must come.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, BadFrame> {
        if self.begun.is_none() && !self.take_line(input)? {
            return Ok(None);
        }
        Ok(self.take_content(input))
    }

    /// Whether a part of a frame has come, and not the rest.
    pub fn is_amid_frame(&self) -> bool {
        self.begun.is_some() || !self.line.is_empty()
    }

    /// The whole lines of a run of which the rest will never come: a server that was killed has
    /// said them.
    pub fn torn_run(self) -> Option<Run> {
        let (Frame::Run(mut run), _) = self.begun? else { return None };
        let whole = run.content.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        run.content.truncate(whole);
        (run.verb == Verb::Said).then_some(run)
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
    fn take_content(&mut self, input: &mut &[u8]) -> Option<Frame> {
        let (frame, bytes) = self.begun.as_mut()?;
        let came = frame.content();
        let (content, rest) = input.split_at(input.len().min(*bytes - came.len()));
        *input = rest;
        came.extend_from_slice(content);
        let (frame, _) = self.begun.take_if(|(frame, bytes)| frame.content().len() == *bytes)?;
        Some(frame)
    }
}

/// The frame that a line begins, and the length of its content.
fn parse(line: &[u8]) -> Option<(Frame, usize)> {
    let (head, bytes) = std::str::from_utf8(line).ok()?.rsplit_once(' ')?;
    let bytes = bytes.parse().ok().filter(|bytes| *bytes <= FILE_BYTES_MAX)?;
    let (verb, head) = head.split_once(' ')?;
    if verb == REPLACE {
        let replace = Replace { name: head.to_owned(), content: Vec::new() };
        return is_name(head).then_some((Frame::Replace(replace), bytes));
    }
    let verb = Verb::ALL.into_iter().find(|it| it.word() == verb)?;
    let (head, unix_millis) = head.rsplit_once(' ')?;
    let (room, number) = head.rsplit_once(' ')?;
    let (number, unix_millis) = (number.parse().ok()?, unix_millis.parse().ok()?);
    let run = Run { verb, room: room.to_owned(), number, unix_millis, content: Vec::new() };
    is_room(room).then_some((Frame::Run(run), bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(frame: &Frame) -> Vec<u8> {
        match frame {
            Frame::Replace(Replace { name, content }) => {
                [replace_line(name, content.len()).as_bytes(), content].concat()
            }
            Frame::Run(Run { verb, room, number, unix_millis, content }) => {
                let line = run_line(*verb, room, *number, *unix_millis, content.len());
                [line.as_bytes(), content].concat()
            }
        }
    }

    fn frame() -> impl Strategy<Value = Frame> {
        let content = || prop::collection::vec(any::<u8>(), 0..99);
        let replace = ("[a-z0-9-]{1,32}", content());
        let verb = prop::sample::select(&Verb::ALL[..]);
        let run = (verb, "[^\\p{Cc}]{1,9}", any::<u64>(), any::<u64>(), content());
        prop_oneof![
            replace.prop_map(|(name, content)| Frame::Replace(Replace { name, content })),
            run.prop_map(|(verb, room, number, unix_millis, content)| {
                Frame::Run(Run { verb, room, number, unix_millis, content })
            }),
        ]
    }

    #[test]
    fn a_line_that_is_none_of_ours_is_a_bad_frame() {
        let long_name = format!("replace {} 1\n", "a".repeat(NAME_BYTES_MAX + 1));
        let too_much = format!("replace bans {}\n", FILE_BYTES_MAX + 1);
        let no_line = "replace ".repeat(1 + LINE_BYTES_MAX / 8);
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
            "said lobby 1 2\n",
            "said lobby 1 x 3\n",
            "said  1 2 3\n",
            "say lobby 1 2 3\n",
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
            sent in prop::collection::vec(frame(), 0..9),
            cuts in prop::collection::vec(1_usize..40, 1..40),
        ) {
            let bytes: Vec<u8> = sent.iter().flat_map(written).collect();
            let (mut frames, mut came, mut rest) = (Frames::default(), Vec::new(), &bytes[..]);
            for cut in cuts.into_iter().cycle() {
                let (mut part, behind) = rest.split_at(cut.min(rest.len()));
                rest = behind;
                while let Some(frame) = frames.next(&mut part).unwrap() {
                    came.push(frame);
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
