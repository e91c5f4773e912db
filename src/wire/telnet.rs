//! The telnet protocol, as much of it as a chat server must speak.
//!
//! The rules this room keeps:
//!
//! - A client that has never sent a command is no telnet: it is sent no [`IAC`], ever. A byte 255
//!   before anything but a command is a letter of Latin-1 and stays in the text. One that is
//!   doubled is no command either, since two such letters in a row look the same.
//! - There is no [`Telnet`] for a client that has never sent an IAC. The first read that holds one
//!   is also the first for its new [`Telnet`]: see [`Telnet::behind_text`].
//! - The mark of UTF-16 at the very beginning is no command, though it looks like `IAC DONT`. From
//!   it on every byte is text.
//! - Commands are taken out of the text and forgotten; nothing is buffered, only the place
//!   between two bytes. However the bytes are cut into reads, the text is the same.
//! - Erasures become the control characters that a terminal has for them. They are carried out
//!   where the text becomes lines.
//! - Everything is refused, each option once in each direction, so no two peers can refuse each
//!   other for ever. Two options are not: the timing mark (RFC 860), since the usual telnet, after
//!   Ctrl-C, throws away what it is sent until its mark is answered; and binary (RFC 856), which
//!   the server asks of the peer, since the usual telnet otherwise strikes off the eighth bit and
//!   takes bytes of some Korean syllables for its control keys. The server itself never becomes
//!   binary: its lines go on ending in CR LF.
//!
//! Commands and their numbers are those of RFC 854, the dialogue of options RFC 855, end-of-file
//! and its neighbours RFC 1184.
//!
//! This room never knows a socket or a clock, nor what is a line. Nor can it mend a command of
//! which TCP delivered one byte apart, as urgent data: telnet sends a byte of its *Synch*
//! (`IAC DM`) so, which one depends on the telnet. The socket must keep urgent bytes in line.

use memchr::{memchr, memchr2};

use super::dialect::Dialect;
use super::form::Form;

/// *Interpret as command*: the byte before every command, doubled where it is data.
pub const IAC: u8 = 255;

const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
/// Begins a subnegotiation: all up to `IAC SE` is of one option, and none of it text.
const SB: u8 = 250;
/// Erase line: the peer takes back what it has sent of its line.
const EL: u8 = 248;
/// Erase character: the peer takes back the last character of its line.
const EC: u8 = 247;
/// Are you there: the peer wants to see an answer.
const AYT: u8 = 246;
const SE: u8 = 240;
/// End-of-file: the peer has said all it wanted to (RFC 1184).
const EOF: u8 = 236;
/// No command has a lower number: 236 to 238 are of RFC 1184, 239 of RFC 885, the rest of RFC 854.
const COMMAND_MIN: u8 = EOF;

/// The option of sending all eight bits as they are (RFC 856).
const BINARY: u8 = 0;
/// The option that is no state but a question: have you dealt with all up to here? (RFC 860)
const TIMING_MARK: u8 = 6;

/// What an [`AYT`] is answered: a line, since it is to be seen.
const YES: &[u8] = b"[chinwag: yes]\r\n";

/// What a terminal sends to erase a character: BS of ASCII.
const BACKSPACE: u8 = 8;
/// What a terminal sends to erase a line: NAK of ASCII, Ctrl-U.
const KILL: u8 = 21;

/// What a terminal sends for Ctrl-D when its keys are passed on as they are: EOT of ASCII.
const END_OF_TRANSMISSION: u8 = 4;

/// Where in the protocol the next byte of a peer stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before the very first byte.
    #[default]
    Start,
    /// Behind an IAC that is the very first byte.
    FirstCommand,
    /// Behind `IAC DONT` at the very beginning, which is the mark of UTF-16 as well.
    Mark,
    /// Behind the mark of UTF-16 and one byte.
    MarkEnd,
    /// In UTF-16.
    Utf16,
    Text,
    /// Behind an IAC.
    Command,
    /// Behind `IAC WILL`, `IAC DO` and their like: the option's number comes next.
    Option(Verb),
    /// Behind `IAC SB`.
    Subnegotiation,
    /// Behind an IAC in a subnegotiation: its end, or an IAC that is data of it.
    SubnegotiationCommand,
    /// Behind `IAC EOF`: nothing counts any more.
    End,
}

/// What a peer says of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    /// It wants to use it, or does after [`DO`].
    Will,
    /// It wants the server to use it.
    Do,
    /// `WONT` or `DONT`: it refuses, or stops. That is its right and needs no answer, since every
    /// option is off but the peer's own binary, and that one changes nothing here.
    Refusal,
}

/// What has come of one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// It was of a command.
    Nothing,
    /// It stands for this byte of text, or this erasure.
    Text(u8),
    /// It is text, and so is the IAC before it.
    LoneIac(u8),
}

/// What is to be sent for the bytes of one read.
struct Answers<'a> {
    bytes: &'a mut Vec<u8>,
    /// There was a `DO TIMING-MARK`.
    has_timing_mark: bool,
    /// There was an [`AYT`].
    has_question: bool,
}

/// A set of option numbers.
#[derive(Debug, Default)]
struct Options([u64; 4]);

impl Options {
    /// Whether the option is new to the set, in which it is from now on.
    fn insert(&mut self, option: u8) -> bool {
        let word = &mut self.0[(option / 64) as usize];
        let bit = 1 << (option % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    fn contains(&self, option: u8) -> bool {
        self.0[(option / 64) as usize] & 1 << (option % 64) != 0
    }
}

/// What is remembered of a peer that may speak telnet.
///
/// Make it only for a peer that has sent an [`IAC`], and ask [`Telnet::has_begun`] whether it
/// speaks telnet.
#[derive(Debug, Default)]
pub struct Telnet {
    place: Place,
    /// What is no longer answered if the peer says WILL: what was refused, and [`BINARY`] as soon
    /// as the server has asked for it, since then WILL is itself the answer.
    settled_will: Options,
    /// What is no longer answered if the peer says DO: what was refused.
    settled_do: Options,
}

impl Dialect for Telnet {
    /// All calls in a peer's life append at most 3 bytes of `DO BINARY` and 2 * 255 * 3 of
    /// refusals; and each call at most one answer more for all its `DO TIMING-MARK` and one for all
    /// its `AYT`, however many. One answer, behind the last of them, says of each that all before
    /// it has been dealt with. The usual telnet does not count them; it goes on showing output at
    /// the first answer.
    ///
    /// An IAC in a subnegotiation before anything but SE and IAC means that its end was lost: it
    /// ends there, and the command counts, as in BSD's telnet.
    fn take_in(&mut self, bytes: &mut [u8], answers: &mut Vec<u8>) -> usize {
        let mut answers = Answers { bytes: answers, has_timing_mark: false, has_question: false };
        let (mut text_end, mut at) = (0, 1);
        loop {
            let run = self.run(&bytes[at..]);
            if self.is_in_text() {
                bytes.copy_within(at..at + run, text_end);
                text_end += run;
            }
            if self.place == Place::Start && run > 0 {
                self.place = Place::Text;
            }
            at += run;
            let Some(&byte) = bytes.get(at) else { break };
            let text: &[u8] = match self.step(byte, &mut answers) {
                Meaning::Nothing => &[],
                Meaning::Text(byte) => &[byte],
                Meaning::LoneIac(byte) => &[IAC, byte],
            };
            bytes[text_end..text_end + text.len()].copy_from_slice(text);
            text_end += text.len();
            at += 1;
        }
        answers.finish();
        text_end
    }

    fn form(&self) -> Form {
        if self.has_begun() { Form::CrLf } else { Form::Plain }
    }

    /// An IAC of a peer that speaks no telnet, or what is left of the mark of UTF-16.
    fn rest(&self) -> &'static [u8] {
        match self.place {
            Place::FirstCommand => &[IAC],
            Place::Command if !self.has_begun() => &[IAC],
            Place::Mark => &[IAC, DONT],
            Place::MarkEnd => &[DONT],
            _ => &[],
        }
    }

    fn take_rest(&mut self) -> &'static [u8] {
        let rest = self.rest();
        self.place = match rest {
            [] => self.place,
            [.., DONT] => Place::Utf16,
            _ => Place::Text,
        };
        rest
    }

    /// Whether the peer has sent a command.
    fn has_begun(&self) -> bool {
        self.settled_will.contains(BINARY)
    }

    /// Whether the peer has ended its session with `IAC EOF`. What came before counts; all after
    /// it has been and will be thrown away.
    fn has_ended(&self) -> bool {
        self.place == Place::End
    }

    /// A lone Ctrl-D, without a line end.
    fn is_farewell(&self, line: &[u8]) -> bool {
        self.has_begun() && line == [END_OF_TRANSMISSION]
    }
}

impl Telnet {
    /// That of a peer that has sent text before its first IAC was read.
    pub fn behind_text() -> Telnet {
        Telnet { place: Place::Text, ..Telnet::default() }
    }

    /// How many bytes at the front are alike: text, all of a subnegotiation, or behind the end.
    fn run(&self, bytes: &[u8]) -> usize {
        match self.place {
            Place::Start | Place::Text | Place::Subnegotiation => {
                memchr(IAC, bytes).unwrap_or(bytes.len())
            }
            Place::Utf16 | Place::End => bytes.len(),
            Place::FirstCommand | Place::Mark | Place::MarkEnd => 0,
            Place::Command | Place::Option(_) | Place::SubnegotiationCommand => 0,
        }
    }

    fn is_in_text(&self) -> bool {
        matches!(self.place, Place::Start | Place::Text | Place::Utf16)
    }

    /// Takes the byte behind a run.
    fn step(&mut self, byte: u8, answers: &mut Answers<'_>) -> Meaning {
        match self.place {
            Place::Start => self.place = Place::FirstCommand,
            Place::FirstCommand if byte == DONT => self.place = Place::Mark,
            Place::Mark => return self.option_or_mark(byte, answers),
            Place::MarkEnd => {
                self.place = Place::Utf16;
                return Meaning::Text(DONT);
            }
            Place::Text => self.place = Place::Command,
            Place::FirstCommand | Place::Command => return self.command(byte, answers),
            Place::Option(verb) => self.option(verb, byte, answers),
            Place::Subnegotiation => self.place = Place::SubnegotiationCommand,
            Place::SubnegotiationCommand => return self.subnegotiation_command(byte, answers),
            Place::Utf16 | Place::End => {}
        }
        Meaning::Nothing
    }

    /// Takes the byte behind `IAC DONT` at the very beginning: no peer refuses an option that is
    /// none before it was offered any, but a text in UTF-16 begins so.
    ///
    /// The two bytes of the mark are handed out in the place of the character behind it: there is
    /// room for one byte at a time, and by its mark alone this text is known and thrown away.
    fn option_or_mark(&mut self, byte: u8, answers: &mut Answers<'_>) -> Meaning {
        if is_option(byte) {
            self.place = Place::Text;
            self.begin(answers);
            return Meaning::Nothing;
        }
        self.place = Place::MarkEnd;
        Meaning::Text(IAC)
    }

    /// The peer speaks telnet.
    fn begin(&mut self, answers: &mut Answers<'_>) {
        if self.settled_will.insert(BINARY) {
            answers.bytes.extend([IAC, DO, BINARY]);
        }
    }

    fn command(&mut self, byte: u8, answers: &mut Answers<'_>) -> Meaning {
        self.place = match byte {
            SB => Place::Subnegotiation,
            WILL => Place::Option(Verb::Will),
            DO => Place::Option(Verb::Do),
            WONT | DONT => Place::Option(Verb::Refusal),
            EOF => Place::End,
            _ => Place::Text,
        };
        if (COMMAND_MIN..IAC).contains(&byte) {
            self.begin(answers);
        }
        answers.has_question |= byte == AYT;
        match byte {
            IAC => Meaning::Text(IAC),
            ..COMMAND_MIN => Meaning::LoneIac(byte),
            EC => Meaning::Text(BACKSPACE),
            EL => Meaning::Text(KILL),
            _ => Meaning::Nothing,
        }
    }

    fn option(&mut self, verb: Verb, option: u8, answers: &mut Answers<'_>) {
        self.place = Place::Text;
        match verb {
            Verb::Do if option == TIMING_MARK => answers.has_timing_mark = true,
            Verb::Do if self.settled_do.insert(option) => {
                answers.bytes.extend([IAC, WONT, option]);
            }
            Verb::Will if self.settled_will.insert(option) => {
                answers.bytes.extend([IAC, DONT, option]);
            }
            Verb::Do | Verb::Will | Verb::Refusal => {}
        }
    }

    fn subnegotiation_command(&mut self, byte: u8, answers: &mut Answers<'_>) -> Meaning {
        match byte {
            IAC => self.place = Place::Subnegotiation,
            SE => self.place = Place::Text,
            _ => return self.command(byte, answers),
        }
        Meaning::Nothing
    }
}

impl Answers<'_> {
    /// Appends what is answered once for all questions of a read.
    fn finish(self) {
        if self.has_question {
            self.bytes.extend(YES);
        }
        if self.has_timing_mark {
            self.bytes.extend([IAC, WILL, TIMING_MARK]);
        }
    }
}

/// Whether this is the number of an option, as IANA has them.
fn is_option(number: u8) -> bool {
    matches!(number, ..50 | 138..=140 | 255)
}

/// Appends text as a telnet peer wants it: each LF as CR LF (RFC 854).
///
/// What is said is valid UTF-8 and holds no byte 255; one that does occur is doubled, so that it
/// can never begin a command.
pub fn push_rendered(line: &[u8], out: &mut Vec<u8>) {
    let mut rest = line;
    while let Some(at) = memchr2(b'\n', IAC, rest) {
        out.extend_from_slice(&rest[..at]);
        out.push(if rest[at] == IAC { IAC } else { b'\r' });
        out.push(rest[at]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: [u8; 3] = [IAC, DO, BINARY];
    const MARK: [u8; 3] = [IAC, WILL, TIMING_MARK];
    const REFUSALS_BYTES_MAX: usize = 2 * 255 * 3;

    /// The text of these reads, and what is answered after `DO BINARY`.
    fn read(reads: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
        let (text, answers) = read_all(&mut Telnet::default(), reads);
        (text, answers.strip_prefix(&ASKED).expect("binary is asked for first").to_vec())
    }

    fn read_all(telnet: &mut Telnet, reads: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
        let (mut text, mut answers) = (Vec::new(), Vec::new());
        for bytes in reads {
            let mut bytes = [&[0], *bytes].concat();
            let text_len = telnet.take_in(&mut bytes, &mut answers);
            text.extend_from_slice(&bytes[..text_len]);
        }
        (text, answers)
    }

    fn text(input: &[u8]) -> Vec<u8> {
        read(&[input]).0
    }

    fn answers(input: &[u8]) -> Vec<u8> {
        read(&[input]).1
    }

    #[test]
    fn binary_is_asked_for_at_the_first_command_and_never_again() {
        let mut telnet = Telnet::default();
        for (read, text, answers, has_begun) in [
            (&b"hi"[..], &b"hi"[..], &[][..], false),
            (b"a\xff\xffb\xffc\xff", b"a\xffb\xffc", &[], false),
            (b"\xf1b\xff", b"b", &ASKED, true),
            (b"\xf1", b"", &[], true),
        ] {
            assert_eq!(read_all(&mut telnet, &[read]), (text.to_vec(), answers.to_vec()));
            assert_eq!(telnet.has_begun(), has_begun, "{}", read.escape_ascii());
        }
    }

    #[test]
    fn every_command_begins_and_no_other_byte_does() {
        for byte in 0..=255 {
            let mut telnet = Telnet::default();
            let (_, answers) = read_all(&mut telnet, &[&[b'x', IAC, byte]]);
            assert_eq!(telnet.has_begun(), (EOF..IAC).contains(&byte), "{byte}");
            assert_eq!(!answers.is_empty(), telnet.has_begun(), "{byte}");
        }
    }

    #[test]
    fn what_a_peer_says_of_its_binary_option_is_not_answered() {
        assert_eq!(answers(b"\xff\xfb\x00\xff\xfc\x00\xff\xfb\x00"), [0_u8; 0]);
        assert_eq!(answers(b"\xff\xfe\x00"), [0_u8; 0]);
    }

    #[test]
    fn the_server_does_not_become_binary() {
        assert_eq!(answers(b"\xff\xfd\x00\xff\xfd\x00"), [IAC, WONT, BINARY]);
    }

    #[test]
    fn a_timing_mark_is_answered_every_time() {
        let control_c: &[u8] = b"\xff\xf4\xff\xfd\x06";
        let (text, answers) = read(&[control_c, b"hi\n", control_c, control_c]);
        assert_eq!(text, b"hi\n");
        assert_eq!(answers, [MARK; 3].concat());
    }

    #[test]
    fn a_flood_of_timing_marks_is_answered_once_a_read() {
        let flood = [IAC, DO, TIMING_MARK].repeat(1000);
        assert_eq!(answers(&flood), MARK);
    }

    #[test]
    fn an_option_is_refused_once_in_each_direction() {
        let asked: &[u8] = b"\xff\xfd\x01\xff\xfb\x01\xff\xfd\x01\xff\xfb\x01\xff\xfd\xff";
        let refused: &[u8] = b"\xff\xfc\x01\xff\xfe\x01\xff\xfc\xff";
        assert_eq!(answers(asked), refused);
        assert_eq!(answers(b"\xff\xfb\x06\xff\xfb\x06"), [IAC, DONT, TIMING_MARK]);
    }

    #[test]
    fn a_refusal_is_not_answered() {
        let every =
            |verb| (0..=255).flat_map(move |option| [IAC, verb, option]).collect::<Vec<_>>();
        assert_eq!(answers(&[every(WONT), every(DONT)].concat()), [0_u8; 0]);
    }

    #[test]
    fn every_option_of_both_directions_is_the_most_that_is_refused() {
        let every =
            |verb| (0..=255).flat_map(move |option| [IAC, verb, option]).collect::<Vec<_>>();
        let asked = [every(DO), every(WILL)].concat();
        let answers = read(&[&asked, &asked]).1;
        assert_eq!(answers.len(), REFUSALS_BYTES_MAX + 2 * MARK.len());
    }

    #[test]
    fn commands_that_ask_nothing_are_swallowed() {
        let is_swallowed = |command: &u8| ![EC, EL, AYT].contains(command);
        let commands = (COMMAND_MIN + 1..SB).filter(is_swallowed);
        let commands: Vec<u8> = commands.flat_map(|command| [b'x', IAC, command]).collect();
        assert_eq!(read(&[&commands]), (vec![b'x'; commands.len() / 3], vec![]));
    }

    #[test]
    fn an_erasure_is_the_key_that_erases() {
        assert_eq!(read(&[b"ab\xff\xf7c\xff\xf8d"]), (b"ab\x08c\x15d".to_vec(), vec![]));
        assert_eq!(read(&[b"ab\xff", b"\xf7c\xff", b"\xf8d"]).0, b"ab\x08c\x15d");
    }

    #[test]
    fn are_you_there_is_answered_with_a_line_once_a_read() {
        let asked: &[u8] = b"a\xff\xf6b\xff\xf6";
        assert_eq!(read(&[asked]), (b"ab".to_vec(), b"[chinwag: yes]\r\n".to_vec()));
        assert_eq!(read(&[asked, b"hi", asked]).1, YES.repeat(2));
        let with_mark: &[u8] = b"\xff\xfd\x06\xff\xf6";
        assert_eq!(answers(with_mark), [YES, &MARK].concat());
    }

    #[test]
    fn a_doubled_iac_is_one_byte_of_text() {
        let text = |reads: &[&[u8]]| read_all(&mut Telnet::default(), reads);
        let doubled: &[u8] = b"a\xff\xffb\xff\xff\xff\xff";
        assert_eq!(text(&[doubled]), (b"a\xffb\xff\xff".to_vec(), vec![]));
        assert_eq!(text(&[b"a\xff", b"\xffb"]), (b"a\xffb".to_vec(), vec![]));
    }

    #[test]
    fn an_iac_before_what_is_no_command_is_text_with_it() {
        let latin1: &[u8] = b"\xff\nhi\xff\nyou\xff\0\xff\xeb";
        for reads in [vec![latin1], latin1.chunks(1).collect(), latin1.chunks(4).collect()] {
            assert_eq!(read_all(&mut Telnet::default(), &reads), (latin1.to_vec(), vec![]));
        }
        // To one that speaks telnet it is no other.
        assert_eq!(text(b"\xff\xf1\xff\nhi\xff\xff\n"), b"\xff\nhi\xff\n");
    }

    #[test]
    fn what_nothing_follows_is_text_unless_it_is_of_a_telnet() {
        for (input, rest) in [
            (&b"\xff"[..], &b"\xff"[..]),
            (b"caf\xff", b"\xff"),
            (b"a\xff\xff\xff", b"\xff"),
            (b"\xff\xfe", b"\xff\xfe"),
            (b"\xff\xfeh", b"\xfe"),
            (b"\xff\xfeh\0", b""),
            (b"caf\xff\xfe", b""),
            (b"\xff\xf1caf\xff", b""),
            (b"\xff\xff", b""),
            (b"", b""),
        ] {
            let mut telnet = Telnet::default();
            let (before, _) = read_all(&mut telnet, &[input]);
            assert_eq!(telnet.take_rest(), rest, "{}", input.escape_ascii());
            assert_eq!(telnet.take_rest(), b"");
            let (after, _) = read_all(&mut telnet, &[b"b"]);
            assert!(rest.is_empty() || after == b"b", "{}", before.escape_ascii());
        }
    }

    #[test]
    fn the_mark_of_utf16_is_no_command_and_all_behind_it_is_text() {
        let little: &[u8] = b"\xff\xfeh\0\xff\xfdi\0\xff\xf6";
        let text: &[u8] = b"\xff\xfe\xff\xfdi\0\xff\xf6";
        for reads in [vec![little], little.chunks(1).collect(), little.chunks(3).collect()] {
            let mut telnet = Telnet::default();
            assert_eq!(read_all(&mut telnet, &reads), (text.to_vec(), vec![]));
            assert!(!telnet.has_begun());
        }
        let big: &[u8] = b"\xfe\xff\0h\0i";
        assert_eq!(read_all(&mut Telnet::default(), &[big]), (big.to_vec(), vec![]));
    }

    #[test]
    fn a_refused_option_at_the_very_beginning_is_a_command() {
        for option in [BINARY, 1, 3, 31, 49, 255] {
            let mut telnet = Telnet::default();
            let (text, answers) = read_all(&mut telnet, &[&[IAC, DONT], &[option, b'x']]);
            assert_eq!((text, answers), (b"x".to_vec(), ASKED.to_vec()), "{option}");
            assert!(telnet.has_begun());
        }
        assert_eq!(text(b"hi\xff\xfeh"), b"hi");
    }

    #[test]
    fn nothing_of_a_subnegotiation_is_text() {
        assert_eq!(text(b"a\xff\xfa\x1f\0P\xff\xff\0\xff\xf0b"), b"ab");
        assert_eq!(read(&[b"a\xff\xfa", b"\x18\0xterm\xff", b"\xf0b"]).0, b"ab");
        assert_eq!(read(&[b"a\xff\xfa\x18\xff", b"\xff\xf0", b"no\xff\xf0b"]).0, b"ab");
    }

    #[test]
    fn a_subnegotiation_that_lost_its_end_ends_at_the_next_command() {
        assert_eq!(text(b"\xff\xfa\x18no\xff\xf1yes"), b"yes");
        assert_eq!(read(&[b"\xff\xfa\x18no\xff\xfd\x06yes"]), (b"yes".to_vec(), MARK.to_vec()));
        assert_eq!(text(b"\xff\xfa\x18no\xff\xfa\x1fno\xff\xf0yes"), b"yes");
    }

    #[test]
    fn end_of_file_ends_the_session_and_nothing_behind_it_counts() {
        let mut telnet = Telnet::default();
        let input: &[u8] = b"bye\n\xff\xfd\x06\xff\xecno\xff\xfd\x01\xff\xff";
        let (text, answers) = read_all(&mut telnet, &[input, b"no\xff\xfd\x06"]);
        assert!(telnet.has_ended());
        assert_eq!(text, b"bye\n");
        assert_eq!(answers, [ASKED, MARK].concat());
    }

    #[test]
    fn only_end_of_file_ends_the_session() {
        for byte in (0..=255).filter(|byte| *byte != EOF) {
            let mut telnet = Telnet::default();
            telnet.take_in(&mut [0, IAC, byte, b'x', IAC, SE], &mut Vec::new());
            assert!(!telnet.has_ended(), "{byte}");
        }
    }

    #[test]
    fn a_line_for_telnet_ends_in_cr_lf_and_holds_no_command() {
        let mut out = b"> ".to_vec();
        push_rendered("안녕\n하세요\n".as_bytes(), &mut out);
        push_rendered(b"\xff\xecx", &mut out);
        assert_eq!(out, [b"> ", "안녕\r\n하세요\r\n".as_bytes(), b"\xff\xff\xecx"].concat());
    }

    #[test]
    fn only_a_lone_control_d_is_a_farewell() {
        let mut telnet = Telnet::default();
        assert!(!telnet.is_farewell(b"\x04"));
        telnet.take_in(&mut [0, IAC, SE + 1], &mut Vec::new());
        assert!(telnet.is_farewell(b"\x04"));
        let others = [&b""[..], b"\x04\x04", b"x\x04", b"\x04x", b"\x03"];
        assert!(!others.into_iter().any(|line| telnet.is_farewell(line)));
    }

    #[test]
    fn it_is_small() {
        assert!(size_of::<Telnet>() <= 80);
    }
}
