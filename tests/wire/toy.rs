//! A third dialect and its form are one file and two match arms: here is one, without the arms.
//!
//! It is that of netstrings: `5:hello,`. What it does not need to know is what no other file has to
//! know of it.

use std::time::{Duration, Instant};

use chinwag::room::pages::Pages;
use chinwag::room::reading::{Reading, Terms};
use chinwag::room::transcript::Transcript;
use chinwag::wire::decoder::{Decoded, Decoder, Input};
use chinwag::wire::dialect::Dialect;
use chinwag::wire::form::Form;
use chinwag::wire::line::LineRules;
use chinwag::words::notice::Lang;
use proptest::prelude::*;

/// Where in a netstring the next byte stands.
#[derive(Debug)]
enum Netstrings {
    Length(usize),
    Text(usize),
    Broken,
}

impl Dialect for Netstrings {
    fn take_in(&mut self, bytes: &mut [u8], answers: &mut Vec<u8>) -> usize {
        let mut text_end = 0;
        for at in 1..bytes.len() {
            let (text, next) = match (&*self, bytes[at]) {
                (Netstrings::Length(length), digit @ b'0'..=b'9') if *length < 1000 => {
                    (None, Netstrings::Length(10 * length + usize::from(digit - b'0')))
                }
                (Netstrings::Length(length), b':') => (None, Netstrings::Text(*length)),
                (Netstrings::Text(0), b',') => (Some(b'\n'), Netstrings::Length(0)),
                (Netstrings::Text(left @ 1..), byte) => (Some(byte), Netstrings::Text(left - 1)),
                _ => {
                    answers.extend(b"6:broken,");
                    (None, Netstrings::Broken)
                }
            };
            *self = next;
            if let Some(byte) = text {
                bytes[text_end] = byte;
                text_end += 1;
            }
            if self.has_ended() {
                break;
            }
        }
        text_end
    }

    fn form(&self) -> Form {
        // Where the arm of its own would stand.
        Form::Plain
    }

    fn has_ended(&self) -> bool {
        matches!(self, Netstrings::Broken)
    }
}

/// Its form, as `telnet::push_rendered` is that of telnet.
fn push_rendered(line: &[u8], out: &mut Vec<u8>) {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    out.extend(format!("{}:", text.len()).bytes());
    out.extend_from_slice(text);
    out.push(b',');
}

const RULES: LineRules = LineRules {
    line_bytes_max: 1000,
    endless_bytes_max: 4000,
    chunk_quiet: Duration::from_millis(200),
    chunk_age_max: Duration::from_secs(1),
    line_wait: Duration::from_secs(2),
    raw: false,
};

/// What a client has said whose input was read so; and what it is answered.
fn hear(reads: &[&[u8]]) -> (Vec<String>, Vec<u8>) {
    let now = Instant::now();
    let mut decoder = Decoder::of_dialect(Box::new(Netstrings::Length(0)), now);
    let (mut lines, mut answers) = (Vec::new(), Vec::new());
    for read in reads {
        answers.extend(decoder.take_in(&mut [&[0], *read].concat(), &RULES, now));
        let input = if decoder.has_ended() { Input::Ended } else { Input::Readable };
        loop {
            match decoder.next(input, &RULES, now) {
                Decoded::Line => lines.push(String::from_utf8(decoder.line().to_vec()).unwrap()),
                Decoded::NotYet | Decoded::Over => break,
                said => panic!("{said:?}"),
            }
            decoder.consume(Decoded::Line, &RULES, now);
        }
    }
    (lines, answers)
}

/// All that a reader is offered, some bytes at a time, of lines that stand in its form.
fn offered(lines: &[String], bytes_max: usize) -> Vec<Vec<u8>> {
    let (mut transcript, mut pages) = (Transcript::new(100_000), Pages::new(usize::MAX));
    let mut reading = Reading::new(transcript.head());
    for line in lines {
        let mut rendered = Vec::new();
        push_rendered(format!("{line}\n").as_bytes(), &mut rendered);
        transcript.append(&mut pages, 1, &[&rendered]);
    }
    let terms = Terms { bytes_max, lang: Lang::En, form: Form::Plain, lines_end: u64::MAX };
    let mut writes = Vec::new();
    while reading.is_behind(transcript.head()) {
        let offer = reading.offer(&transcript, transcript.head(), &terms);
        let bytes: Vec<u8> = offer.slices().iter().flat_map(|slice| slice.to_vec()).collect();
        reading.took(bytes.len(), &transcript);
        writes.push(bytes);
    }
    writes
}

proptest! {
    #[test]
    fn a_toy_dialect_is_sent_and_heard_however_it_is_cut(
        lines in prop::collection::vec("[a-z가-힣,:0-9]{1,20}", 0..20),
        bytes_max in 1..50_usize,
    ) {
        let writes = offered(&lines, bytes_max);
        let reads: Vec<&[u8]> = writes.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(hear(&reads), (lines, vec![]));
    }
}

#[test]
fn a_toy_dialect_answers_and_ends_its_session() {
    let (lines, answers) = hear(&[b"5:hello,2:y", b"o,x5:never,"]);
    assert_eq!(lines, ["hello", "yo"]);
    assert_eq!(answers, b"6:broken,");
}
