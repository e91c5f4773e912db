//! WebSocket as a dialect of this chat: each line is a text message, both ways.
//!
//! What a browser sends in one text message is a line. A line end inside parts it, as a paste does.
//! An empty message says nothing; a page sends one now and then, so that no proxy gives up the
//! connection. A message that is too long is dropped as a line is, and told.
//!
//! What it reads is one text frame a line, without its line feed:
//!
//! - `NUMBER SECONDS LINE` is a line of its room. The lines of a room are numbered from 0. It was
//!   said so many seconds after the server started.
//! - `- LINE` is for this client alone.
//! - `= EPOCH LINE SECONDS` is the first: the run of the server, the number of the next line in the
//!   room, and the present second. A page that comes back asks for `/chat?since=EPOCH.LINE` (and
//!   `&room=ROOM`), with the number of the first line that it lacks.
//!
//! It knows no room and no socket.

use super::frames::{End, Frames, GOING_AWAY, NORMAL, SENT_HEAD_BYTES_MAX, push_text_head};
use crate::wire::dialect::Dialect;
use crate::wire::form::Form;

/// What stands before a line for one client alone.
const PRIVATE: &[u8] = b"- ";

/// The most digits of a line's number, and of its seconds.
const NUMBER_DIGITS_MAX: usize = 20;
const SECONDS_DIGITS_MAX: usize = 10;

/// What an entry takes more than in the plain form, at most: the head of its frame, its number, its
/// seconds, and a blank behind each. Its line feed is left out.
pub const ENTRY_BYTES_MORE: usize =
    SENT_HEAD_BYTES_MAX + NUMBER_DIGITS_MAX + 1 + SECONDS_DIGITS_MAX + 1 - 1;

/// A browser that speaks WebSocket: its text messages are its lines.
#[derive(Debug, Default)]
pub struct Messages {
    frames: Frames,
}

impl Dialect for Messages {
    fn take_in(&mut self, bytes: &mut [u8], answers: &mut Vec<u8>) -> usize {
        let (mut text_end, mut at) = (0, 1);
        while let Some(piece) = self.frames.next(bytes, &mut at, answers) {
            let length = piece.range.len();
            bytes.copy_within(piece.range, text_end);
            text_end += length;
            if piece.ends.is_some() {
                // There is room: before it stands the head of its frame, or else the spare byte.
                bytes[text_end] = b'\n';
                text_end += 1;
            }
        }
        text_end
    }

    fn form(&self) -> Form {
        Form::Web
    }

    fn has_ended(&self) -> bool {
        self.frames.end().is_some()
    }

    /// Half a message is none.
    fn keeps_rest(&self) -> bool {
        false
    }

    fn push_last(&self, is_stopping: bool, out: &mut Vec<u8>) {
        self.frames.push_close(if is_stopping { GOING_AWAY } else { NORMAL }, out);
    }
}

impl Messages {
    /// How it has ended.
    pub fn end(&self) -> Option<End> {
        self.frames.end()
    }
}

/// Appends a line of a room, which is the next `number` there.
pub fn push_entry(number: u64, at_seconds: u32, line: &[u8], out: &mut Vec<u8>) {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    push_text_head(stamp_bytes(number, at_seconds) + line.len(), out);
    push_number(number, out);
    out.push(b' ');
    push_number(at_seconds.into(), out);
    out.push(b' ');
    out.extend_from_slice(line);
}

/// Appends the first frame of a page: what it needs to come back.
pub fn push_place(epoch: u64, line: u64, at_seconds: u32, out: &mut Vec<u8>) {
    let place = format!("= {epoch} {line} {at_seconds}");
    push_text_head(place.len(), out);
    out.extend_from_slice(place.as_bytes());
}

/// Appends lines that this client alone reads.
pub fn push_private(lines: &[u8], out: &mut Vec<u8>) {
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        push_text_head(PRIVATE.len() + line.len(), out);
        out.extend_from_slice(PRIVATE);
        out.extend_from_slice(line);
    }
}

/// What a line with a number below this, said before this second, takes more than in the plain
/// form, at most. It is no more than 8 KiB.
pub fn entry_bytes_more(number: u64, at_seconds: u32) -> usize {
    const SHORT_HEAD_BYTES: usize = 4;
    SHORT_HEAD_BYTES + stamp_bytes(number, at_seconds) - 1
}

/// How long number and seconds are, with the blanks behind them.
fn stamp_bytes(number: u64, at_seconds: u32) -> usize {
    digits(number) + 1 + digits(at_seconds.into()) + 1
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().unwrap_or_default() as usize + 1
}

fn push_number(number: u64, out: &mut Vec<u8>) {
    let mut power = 10_u64.pow(number.checked_ilog10().unwrap_or_default());
    while power > 0 {
        out.push(b'0' + (number / power % 10) as u8);
        power /= 10;
    }
}
