//! A client that speaks telnet: what it sends between its words, and what it must get for that.

/// What kind of byte a client is about to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A byte of its words.
    Text,
    /// A byte of a telnet command.
    Command,
    /// The last byte of a question whether everything up to here was processed.
    Mark,
    /// The last byte of a request for an option.
    Option,
    /// The last byte that counts.
    End,
}

const INTERRUPT: &[u8] = b"\xff\xf4";
const DO_TIMING_MARK: &[u8] = b"\xff\xfd\x06";
const DO_ECHO: &[u8] = b"\xff\xfd\x01";
const TERMINAL: &[u8] = b"\xff\xfa\x18\0\n\xff\xff/quit\r\xff\xf0";
const END_OF_FILE: &[u8] = b"\xff\xec";

const ASKED_BINARY: &[u8] = b"\xff\xfd\0";
const MARKED: &[u8] = b"\xff\xfb\x06";
const REFUSED_ECHO: &[u8] = b"\xff\xfc\x01";

/// A command that may stand anywhere.
pub fn command(which: usize) -> Vec<(u8, Part)> {
    let (bytes, last) = match which % 4 {
        0 => (INTERRUPT, Part::Command),
        1 => (DO_TIMING_MARK, Part::Mark),
        2 => (DO_ECHO, Part::Option),
        _ => (TERMINAL, Part::Command),
    };
    parts(bytes, last)
}

/// The bytes that end a session.
pub fn end_of_file() -> Vec<(u8, Part)> {
    parts(END_OF_FILE, Part::End)
}

fn parts(bytes: &[u8], last: Part) -> Vec<(u8, Part)> {
    let end = bytes.len() - 1;
    let part = |(at, byte): (usize, &u8)| (*byte, if at == end { last } else { Part::Command });
    bytes.iter().enumerate().map(part).collect()
}

/// How far the telnet dialogue of a client has come.
#[derive(Debug, Default)]
pub struct Dialogue {
    /// It has sent a command: the byte after an IAC shows that.
    pub begun: bool,
    /// It has sent an IAC.
    has_sent_iac: bool,
    /// It has received an answer.
    answered: bool,
    /// It has ended a line with a CR.
    sends_cr: bool,
    /// It has received a line that ends with CR LF.
    has_cr_lf: bool,
    asks: Asked,
    /// What it has asked before anything that ends its session. Later it may be too late.
    asks_in_time: Asked,
    marks_answered: usize,
    options_refused: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    anything: bool,
    marks: usize,
    options: usize,
}

impl Dialogue {
    /// Notes a byte that the client has sent.
    pub fn note_sent(&mut self, part: Part, in_time: bool) {
        self.begun |= self.has_sent_iac && part != Part::Text;
        self.has_sent_iac |= part == Part::Command;
        self.asks.anything = self.begun;
        self.asks.marks += usize::from(part == Part::Mark);
        self.asks.options += usize::from(part == Part::Option);
        if in_time {
            self.asks_in_time = self.asks;
        }
    }

    /// Whether it has sent an IAC and nothing behind it, as its first.
    pub fn is_begun_by_half(&self) -> bool {
        self.has_sent_iac && !self.begun
    }

    /// Checks an answer of three bytes, which stood at the beginning of a line.
    pub fn check_answer(&mut self, answer: &[u8]) {
        assert!(self.begun, "a command to one that is no telnet");
        assert_eq!(answer == ASKED_BINARY, !self.answered, "{answer:?}");
        self.answered = true;
        self.marks_answered += usize::from(answer == MARKED);
        self.options_refused += usize::from(answer == REFUSED_ECHO);
        assert!(self.marks_answered <= self.asks.marks, "a mark was answered twice");
        assert!(self.options_refused <= self.asks.options.min(1), "an option was refused twice");
        let known = [ASKED_BINARY, MARKED, REFUSED_ECHO].contains(&answer);
        assert!(known, "{answer:?} answers nothing");
    }

    /// Notes that the client has ended a line with a CR.
    pub fn note_cr(&mut self) {
        self.sends_cr = true;
    }

    /// Checks how a line ends, and returns it with LF. A telnet, and a client that ends its lines
    /// with CR, gets CR LF: perhaps not at once, but from then on always.
    pub fn check_line(&mut self, line: &[u8]) -> Vec<u8> {
        assert!(!line.contains(&0xff), "a command in the middle of `{}`", line.escape_ascii());
        let Some(text) = line.strip_suffix(b"\r\n") else {
            assert!(!self.has_cr_lf, "`{}` ends in LF alone", line.escape_ascii());
            return line.to_vec();
        };
        assert!(self.begun || self.sends_cr, "CR LF for a peer that ends its lines with LF");
        self.has_cr_lf = true;
        [text, b"\n"].concat()
    }

    /// It has received everything.
    pub fn check_done(&self) {
        let asked = &self.asks_in_time;
        assert!(self.answered || !asked.anything, "a telnet was not asked for its binary mode");
        assert!(self.marks_answered > 0 || asked.marks == 0, "a mark was not answered");
        assert!(self.options_refused > 0 || asked.options == 0, "an option was not refused");
    }
}
