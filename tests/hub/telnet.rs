//! A peer that speaks telnet: what it sends between its words, and what it must get for that.

/// What a byte is that a peer is about to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Of its words.
    Text,
    /// Of a telnet command.
    Command,
    /// The last one of a question whether all was dealt with up to here.
    Mark,
    /// The last one of a wish for an option.
    Option,
    /// The last one that counts.
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

/// One of the commands that may stand anywhere.
pub fn command(which: usize) -> Vec<(u8, Part)> {
    let (bytes, last) = match which % 4 {
        0 => (INTERRUPT, Part::Command),
        1 => (DO_TIMING_MARK, Part::Mark),
        2 => (DO_ECHO, Part::Option),
        _ => (TERMINAL, Part::Command),
    };
    parts(bytes, last)
}

/// What ends a session.
pub fn end_of_file() -> Vec<(u8, Part)> {
    parts(END_OF_FILE, Part::End)
}

fn parts(bytes: &[u8], last: Part) -> Vec<(u8, Part)> {
    let end = bytes.len() - 1;
    let part = |(at, byte): (usize, &u8)| (*byte, if at == end { last } else { Part::Command });
    bytes.iter().enumerate().map(part).collect()
}

/// How far a peer's dialogue has come.
#[derive(Debug, Default)]
pub struct Dialogue {
    /// It has sent a command: the byte behind an IAC tells.
    pub begun: bool,
    /// It has sent an IAC.
    has_sent_iac: bool,
    /// It has been answered.
    answered: bool,
    /// It has ended a line with a CR.
    sends_cr: bool,
    /// It has got a line that ends so.
    has_cr_lf: bool,
    asks: Asked,
    /// What it has asked before anything that ends its session; later it may be too late.
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
    /// Notes a byte that the peer has sent.
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

    /// Checks an answer of three bytes, which stood where a line begins.
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

    /// Notes that the peer has ended a line with a CR.
    pub fn note_cr(&mut self) {
        self.sends_cr = true;
    }

    /// Checks how a line ends; gives it as it would end in a file. A telnet, and a peer that ends
    /// its lines so, gets CR LF: perhaps not at once, but then always.
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

    /// It has got all that it is to get.
    pub fn check_done(&self) {
        let asked = &self.asks_in_time;
        assert!(self.answered || !asked.anything, "a telnet was not asked for its binary mode");
        assert!(self.marks_answered > 0 || asked.marks == 0, "a mark was not answered");
        assert!(self.options_refused > 0 || asked.options == 0, "an option was not refused");
    }
}
