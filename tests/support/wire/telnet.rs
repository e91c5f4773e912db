//! However a telnet client's bytes are cut into reads, its commands are taken out and nothing else.

use chinwag::wire::dialect::Dialect;
use chinwag::wire::telnet::{IAC, Telnet, push_rendered};

pub const DONT: u8 = 254;
pub const DO: u8 = 253;
const WONT: u8 = 252;
pub const WILL: u8 = 251;
pub const SB: u8 = 250;
const EL: u8 = 248;
const EC: u8 = 247;
const AYT: u8 = 246;
pub const SE: u8 = 240;
pub const EOF: u8 = 236;
const BINARY: u8 = 0;
pub const TIMING_MARK: u8 = 6;

/// Text and answers of each read follow the rule, and only the end of a session ends it.
pub fn commands_are_taken_out_and_nothing_else(reads: &[&[u8]]) {
    let plain = Plain::of(&reads.concat());
    let (mut telnet, mut end) = (Telnet::default(), 0);
    for read in reads {
        let start = end;
        end += read.len();
        let (mut bytes, mut answers) = ([&[0], *read].concat(), Vec::new());
        let text_bytes = telnet.take_in(&mut bytes, &mut answers);
        assert_eq!(bytes[..text_bytes], plain.text(start, end), "text of {read:?}");
        assert_eq!(answers, plain.answers(start, end), "answers to {read:?}");
        assert_eq!(telnet.has_begun(), plain.has_begun(end));
        assert_eq!(telnet.has_ended(), plain.has_ended(end));
    }
    assert_eq!(telnet.take_rest(), plain.rest, "what nothing follows");
}

/// A line prepared for a telnet client is the same text when the client reads it, with the line end
/// that it wants.
pub fn rendered_text_is_read_back_as_it_was(line: &[u8]) {
    let mut rendered = b"> ".to_vec();
    push_rendered(line, &mut rendered);
    let plain = Plain::of(&rendered);
    let crlf = line.iter().flat_map(|byte| match byte {
        b'\n' => b"\r\n".to_vec(),
        byte => vec![*byte],
    });
    let expected: Vec<u8> = b"> ".iter().copied().chain(crlf).collect();
    assert_eq!(plain.text(0, rendered.len()), expected);
    assert!(plain.marks.is_empty() && !plain.has_ended(rendered.len()));
}

/// A client's bytes, parsed when all of them are there. Each piece is stored with the index behind
/// its last byte.
#[derive(Debug, Default)]
pub struct Plain {
    text: Vec<(usize, u8)>,
    answers: Vec<(usize, [u8; 3])>,
    marks: Vec<(usize, ())>,
    questions: Vec<(usize, ())>,
    begun_at: Option<usize>,
    ended_at: Option<usize>,
    /// What is text only because nothing follows it.
    pub rest: &'static [u8],
}

impl Plain {
    pub fn of(bytes: &[u8]) -> Plain {
        let mut plain = Plain::default();
        let mut at = plain.beginning(bytes);
        while at < bytes.len() && plain.ended_at.is_none() {
            at += plain.piece(&bytes[at..], at);
        }
        plain
    }

    /// Takes what means something else at the very beginning than later. Returns its length.
    fn beginning(&mut self, bytes: &[u8]) -> usize {
        match bytes {
            [IAC, DONT] => {
                self.rest = &[IAC, DONT];
                2
            }
            [IAC, DONT, ..50 | 138..=140 | 255, ..] => {
                self.begin(2);
                3
            }
            [IAC, DONT, rest @ ..] => {
                // The byte order mark of UTF-16 in place of its character, and all that follows.
                let text = [IAC, DONT].iter().chain(rest.iter().skip(2));
                self.text = (2..bytes.len()).zip(text.copied()).collect();
                self.rest = if rest.len() == 1 { &[DONT] } else { &[] };
                bytes.len()
            }
            _ => 0,
        }
    }

    fn begin(&mut self, at: usize) {
        self.begun_at.get_or_insert(at);
        self.answer(at, [IAC, DO, BINARY]);
    }

    /// Takes the next text byte or command. Returns its length.
    fn piece(&mut self, bytes: &[u8], at: usize) -> usize {
        if let [IAC, EOF..=DONT, ..] = bytes {
            self.begin(at + 1);
        }
        match *bytes {
            [IAC] => {
                self.rest = if self.begun_at.is_none() { &[IAC] } else { &[] };
                return 1;
            }
            [IAC, WILL..=DONT] => {}
            [IAC, WILL, BINARY, ..] => return 3,
            [IAC, DO, TIMING_MARK, ..] => {
                self.marks.push((at + 2, ()));
                return 3;
            }
            [IAC, WILL, option, ..] => {
                self.answer(at + 2, [IAC, DONT, option]);
                return 3;
            }
            [IAC, DO, option, ..] => {
                self.answer(at + 2, [IAC, WONT, option]);
                return 3;
            }
            [IAC, WONT | DONT, _, ..] => return 3,
            [IAC, SB, ref data @ ..] => return 2 + subnegotiation_bytes(data),
            [IAC, EOF, ..] => self.ended_at = Some(at + 1),
            [IAC, IAC, ..] => self.text.push((at + 1, IAC)),
            [IAC, byte @ ..EOF, ..] => self.text.extend([(at + 1, IAC), (at + 1, byte)]),
            [IAC, EC, ..] => self.text.push((at + 1, b'\x08')),
            [IAC, EL, ..] => self.text.push((at + 1, b'\x15')),
            [IAC, AYT, ..] => self.questions.push((at + 1, ())),
            [IAC, ..] => {}
            [byte, ..] => {
                self.text.push((at, byte));
                return 1;
            }
            [] => {}
        }
        2
    }

    /// Gives each answer once.
    fn answer(&mut self, at: usize, answer: [u8; 3]) {
        if self.answers.iter().all(|(_, given)| *given != answer) {
            self.answers.push((at, answer));
        }
    }

    /// The text whose last byte is in this range.
    pub fn text(&self, start: usize, end: usize) -> Vec<u8> {
        between(&self.text, start, end).iter().map(|(_, byte)| *byte).collect()
    }

    /// The answer to a read of these bytes: to all questions in it, and last.
    pub fn answers(&self, start: usize, end: usize) -> Vec<u8> {
        let there = between(&self.answers, start, end).iter();
        let mut answers: Vec<u8> = there.flat_map(|(_, answer)| *answer).collect();
        if !between(&self.questions, start, end).is_empty() {
            answers.extend(b"[chinwag: yes]\r\n");
        }
        if !between(&self.marks, start, end).is_empty() {
            answers.extend([IAC, WILL, TIMING_MARK]);
        }
        answers
    }

    /// Whether the client has sent a command before this index.
    pub fn has_begun(&self, end: usize) -> bool {
        self.begun_at.is_some_and(|at| at < end)
    }

    /// Whether the client has ended its session before this index.
    pub fn has_ended(&self, end: usize) -> bool {
        self.ended_at.is_some_and(|at| at < end)
    }
}

/// The pieces from `start` up to `end`. `pieces` are in order.
fn between<T>(pieces: &[(usize, T)], start: usize, end: usize) -> &[(usize, T)] {
    let place = |at| pieces.partition_point(|(its, _)| *its < at);
    &pieces[place(start)..place(end)]
}

/// The length of the rest of a subnegotiation: to its end, or before the command that ends it.
fn subnegotiation_bytes(data: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match data[at..] {
            [] | [IAC] => return data.len(),
            [IAC, SE, ..] => return at + 2,
            [IAC, IAC, ..] => at += 2,
            [IAC, ..] => return at,
            _ => at += 1,
        }
    }
}
