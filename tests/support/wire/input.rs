//! The hub gets the lines and commands that a client sends, however they are cut into reads.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use chinwag::hub::client::{Client, Input, Received, Socket};
use chinwag::pace::Pace;
use chinwag::room::LOBBY;
use chinwag::room::reading::Reading;
use chinwag::wire::decoder::{Decoded, Decoder};
use chinwag::wire::line::LineRules;
use chinwag::wire::telnet::IAC;

use super::cuts;
use super::line::{self, Deed, Plain};
use super::{proxy, telnet};

/// The first bytes choose the rules, and how the rest is cut into reads.
pub fn holds(bytes: &[u8]) {
    let Some((rules, deeds)) = script(bytes) else { return };
    let reads: Vec<&[u8]> = deeds.iter().filter_map(read).collect();
    proxy::a_header_is_taken_out_and_nothing_else(&rules, &reads);
    if rules.raw {
        return line::raw_bytes_are_all_there(&rules, &deeds);
    }
    a_client_hears_what_the_rules_say(&rules, &deeds);
    line::lines_are_those_of_the_rule(&rules, &deeds);
    telnet::commands_are_taken_out_and_nothing_else(&reads);
    telnet::rendered_text_is_read_back_as_it_was(&reads.concat());
}

/// The first byte is the rules, the others are cut into reads. A read of nothing cuts off what is
/// pending.
fn script(bytes: &[u8]) -> Option<(LineRules, Vec<Deed<'_>>)> {
    let [rules, rest @ ..] = bytes else { return None };
    let line_bytes_max = [5, 16, 60, 1000][usize::from(rules / 2 % 4)];
    let deeds = cuts::cut(rest)?.into_iter();
    let deeds = deeds.map(|read| if read.is_empty() { Deed::Cut } else { Deed::Read(read) });
    Some((line::rules(line_bytes_max, rules % 2 == 1), deeds.collect()))
}

fn read<'a>(deed: &Deed<'a>) -> Option<&'a [u8]> {
    match deed {
        Deed::Read(bytes) => Some(bytes),
        Deed::Cut => None,
    }
}

/// From the socket to the message: the text among the commands, in lines. A client that is not
/// telnet gets no telnet answer. A client of another protocol ends it.
pub fn a_client_hears_what_the_rules_say(rules: &LineRules, deeds: &[Deed]) {
    let now = Instant::now();
    let all: Vec<u8> = deeds.iter().filter_map(read).flatten().copied().collect();
    let commands = telnet::Plain::of(&all);
    let mut lines = Plain::new(rules);
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let mut client =
        Client::new(Sent(&[]), address, 1, (LOBBY, Reading::new(0)), &Pace::per_second(0, 1), now);
    let mut end = 0;
    for deed in deeds {
        let rest = telnet::Plain::of(&all[..end]).rest;
        let (input, expected) = match deed {
            Deed::Cut => (Input::Ended, lines.after_the_end(rest)),
            Deed::Read(bytes) => {
                let start = end;
                end += bytes.len();
                client.socket.0 = bytes;
                let heard = client.receive(&mut vec![0; 1 + bytes.len()], rules, now);
                let answers = commands.answers(start, end);
                assert_eq!(heard, Received::Bytes { read: bytes.len(), answers });
                if client.record.decoder.has_dialect() {
                    lines.expect_line_ends();
                }
                (Input::Readable, lines.after(&Deed::Read(&commands.text(start, end))))
            }
        };
        let Some(said) = take_all(&mut client.record.decoder, input, rules, now) else { return };
        assert_eq!(said, expected, "after {deed:?}");
        let is_telnet = client.record.decoder.has_dialect();
        assert!(is_telnet || !commands.has_begun(end));
        assert!(!is_telnet || all[..end].contains(&IAC));
        let has_ended = client.input == Input::Ended;
        assert_eq!(has_ended, commands.has_ended(end));
        if has_ended
            || *deed == Deed::Cut && !rest.is_empty()
            || expected.last() == Some(&line::Said::Endless)
        {
            return;
        }
    }
}

/// Takes everything that is there. `None` if the client leaves, speaks another protocol, or may
/// turn out to.
pub fn take_all(
    decoder: &mut Decoder,
    input: Input,
    rules: &LineRules,
    now: Instant,
) -> Option<Vec<line::Said>> {
    let mut all = Vec::new();
    loop {
        let said = decoder.next(input, rules, now);
        all.push(match said {
            Decoded::Line | Decoded::Chunk => line::Said::Line(decoder.line().to_vec()),
            Decoded::TooLong => line::Said::TooLong,
            Decoded::Endless => {
                all.push(line::Said::Endless);
                return Some(all);
            }
            Decoded::NotYet if decoder.request_due(rules).is_some() => return None,
            Decoded::NotYet | Decoded::Over => return Some(all),
            Decoded::Farewell | Decoded::Stranger(_) => return None,
            Decoded::Header(_) | Decoded::Request => return None,
        });
        decoder.consume(said, rules, now);
    }
}

/// A socket with this to read.
#[derive(Debug)]
struct Sent<'a>(&'a [u8]);

impl Read for Sent<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Sent<'_> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for Sent<'_> {
    fn shut_down_write(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn reset_on_close(&mut self) {}
}
