//! However a browser's bytes are cut into reads, its messages are the same, and a broken frame ends
//! the connection at the same byte.

use chinwag::wire::dialect::Dialect;
use chinwag::wire::web::frames::{End, Frames, Kind};
use chinwag::wire::web::messages::Messages;

use super::cuts;

/// The first byte says what is taken. The second is a number n, and the next n bytes are the
/// lengths of the reads, again and again.
pub fn holds(bytes: &[u8]) {
    let [kinds, rest @ ..] = bytes else { return };
    let Some(reads) = cuts::cut(rest) else { return };
    messages_are_those_of_the_rule(&reads, kinds % 2 == 1);
}

pub fn messages_are_those_of_the_rule(reads: &[&[u8]], takes_binary: bool) {
    let plain = Plain::of(&reads.concat(), takes_binary);
    let mut frames = if takes_binary { Frames::with_binary() } else { Frames::default() };
    let mut dialect = Messages::default();
    let (mut message, mut end, mut text) = (Vec::new(), 0, Vec::new());
    for read in reads {
        let start = end;
        end += read.len();
        let (mut bytes, mut at, mut answers) = (read.to_vec(), 0, Vec::new());
        let mut whole = Vec::new();
        while let Some(piece) = frames.next(&mut bytes, &mut at, &mut answers) {
            message.extend_from_slice(&bytes[piece.range]);
            if let Some(kind) = piece.ends {
                whole.push((kind, std::mem::take(&mut message)));
            }
        }
        assert_eq!(at, bytes.len());
        assert_eq!(whole, between(&plain.messages, start, end), "messages of {read:?}");
        assert_eq!(answers, between(&plain.answers, start, end).concat(), "answers to {read:?}");
        let ended = plain.end.filter(|(at, _)| *at < end).map(|(_, ended)| ended);
        assert_eq!(frames.end(), ended, "after {read:?}");
        if !takes_binary {
            let (mut bytes, mut same) = ([&[0], *read].concat(), Vec::new());
            let text_bytes = dialect.take_in(&mut bytes, &mut same);
            text.extend_from_slice(&bytes[..text_bytes]);
            assert_eq!((same, dialect.end()), (answers, ended));
        }
    }
    if !takes_binary {
        let whole: Vec<u8> =
            plain.messages.iter().flat_map(|(_, (_, text))| [text, &b"\n"[..]].concat()).collect();
        let rest = text.strip_prefix(whole.as_slice()).expect("each message is a line");
        assert!(ended_or_is_text(rest, &plain), "rest {rest:?}");
    }
}

/// What stands behind the last message has begun one.
fn ended_or_is_text(rest: &[u8], plain: &Plain) -> bool {
    plain.unfinished.starts_with(rest)
}

/// The frames of a client, parsed when all of them are there. Each thing is stored with the index
/// of the byte that completes it.
#[derive(Debug, Default)]
pub struct Plain {
    pub messages: Vec<(usize, (Kind, Vec<u8>))>,
    pub answers: Vec<(usize, Vec<u8>)>,
    pub end: Option<(usize, End)>,
    /// The bytes of a message without its end.
    unfinished: Vec<u8>,
}

impl Plain {
    pub fn of(bytes: &[u8], takes_binary: bool) -> Plain {
        let mut plain = Plain::default();
        let (mut at, mut kind) = (0, None);
        while at < bytes.len() && plain.end.is_none() {
            at += plain.frame(&bytes[at..], at, &mut kind, takes_binary);
        }
        plain
    }

    fn fail(&mut self, at: usize, code: u16) -> usize {
        self.end = Some((at, End::Failed(code)));
        0
    }

    /// Takes one frame, or the part that is there. Returns its length.
    fn frame(
        &mut self,
        bytes: &[u8],
        at: usize,
        kind: &mut Option<Kind>,
        takes_binary: bool,
    ) -> usize {
        let (is_final, opcode) = (bytes[0] >= 128, bytes[0] % 16);
        let is_control = opcode >= 8;
        match (opcode, *kind) {
            _ if bytes[0] & 0x70 != 0 => return self.fail(at, 1002),
            (0, Some(_)) | (1, None) => {}
            (2, None) if takes_binary => {}
            (2, None) => return self.fail(at, 1003),
            (8..=10, _) if is_final => {}
            _ => return self.fail(at, 1002),
        }
        let Some(second) = bytes.get(1) else { return 1 };
        let short = usize::from(second % 128);
        if *second < 128 || is_control && short > 125 {
            return self.fail(at + 1, 1002);
        }
        let head = match short {
            126 => 8,
            127 => 14,
            _ => 6,
        };
        let Some(rest) = bytes.get(head..) else { return bytes.len() };
        let number = bytes[2..head - 4].iter().fold(0, |sum, byte| 256 * sum + u128::from(*byte));
        let length = match short {
            126 if number > 125 => number,
            127 if number > 65535 && number < 1 << 63 => number,
            126 | 127 => return self.fail(at + head - 1, 1002),
            _ => short as u128,
        };
        let here = rest.len().min(length as usize);
        let is_whole = here as u128 == length;
        let mask = &bytes[head - 4..head];
        let payload: Vec<u8> = (0..here).map(|byte| rest[byte] ^ mask[byte % 4]).collect();
        let last = at + head + here - 1;
        match opcode {
            8..=10 if !is_whole => {}
            8 => self.end = Some((last, closed(&payload))),
            9 => self.answers.push((last, [&[0x8a, here as u8], payload.as_slice()].concat())),
            10 => {}
            _ => {
                let its = *kind.get_or_insert(if opcode == 1 { Kind::Text } else { Kind::Binary });
                let is_end = is_whole && is_final;
                self.data(its, &payload, at + head, is_end);
                if is_end {
                    *kind = None;
                }
            }
        }
        head + here
    }

    /// Takes a piece of a message, which stands at this index.
    fn data(&mut self, kind: Kind, payload: &[u8], at: usize, is_end: bool) {
        let before = self.unfinished.len();
        self.unfinished.extend(payload);
        let whole = self.unfinished.len();
        let is_broken = |end: &usize| {
            let so_far = str::from_utf8(&self.unfinished[..*end]);
            let is_last = is_end && *end == whole;
            so_far.is_err_and(|error| is_last || error.error_len().is_some())
        };
        let broken = (before..=whole).find(is_broken).filter(|_| kind == Kind::Text);
        if let Some(broken) = broken {
            self.fail(at + broken - before - 1, 1007);
        } else if is_end {
            let message = std::mem::take(&mut self.unfinished);
            self.messages.push((at + payload.len() - 1, (kind, message)));
        }
    }
}

fn closed(payload: &[u8]) -> End {
    let code = payload.iter().take(2).fold(0, |code, byte| 256 * code + u16::from(*byte));
    match payload.len() {
        0 => End::Closed(None),
        1 => End::Failed(1002),
        _ if code < 1000 || [1004, 1005, 1006].contains(&code) => End::Failed(1002),
        _ if (1015..3000).contains(&code) || code > 4999 => End::Failed(1002),
        _ if str::from_utf8(&payload[2..]).is_err() => End::Failed(1007),
        _ => End::Closed(Some(code)),
    }
}

/// What is completed in this range.
fn between<T: Clone>(things: &[(usize, T)], start: usize, end: usize) -> Vec<T> {
    let there = things.iter().filter(|(at, _)| (start..end).contains(at));
    there.map(|(_, thing)| thing.clone()).collect()
}
