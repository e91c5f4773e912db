//! The frames of a WebSocket (RFC 6455, 5), as a server reads and writes them.
//!
//! The rules this file keeps:
//!
//! - However the bytes are cut into reads, what comes out is the same. Nothing of a message is
//!   kept here: its bytes are unmasked where they stand and handed out piece by piece. Only the
//!   head of a frame, a control frame and the beginning of a character wait for their rest.
//! - A broken frame fails the connection at its first byte that shows it, with a code: see
//!   [`Frames::end`]. Nothing behind that counts.
//! - Text is UTF-8, over all frames of a message. It fails at the first byte that no text has.
//! - Each ping is answered at once, in its order. A close is answered last: see
//!   [`Frames::push_close`].
//! - No extension is spoken, so no reserved bit may be set.
//!
//! It never knows a socket, nor what a message means.

use std::ops::Range;

/// The most bytes of the head of a frame from a client: two, eight for the length, four of a mask.
const HEAD_BYTES_MAX: usize = 14;

/// The most bytes of the head of a frame to a client.
pub const SENT_HEAD_BYTES_MAX: usize = 10;

/// The most bytes in a control frame (RFC 6455, 5.5).
const CONTROL_BYTES_MAX: u8 = 125;

/// The bits of the first byte of a head.
const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;

/// The bits of the second byte.
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;

/// In place of a length: that it follows, in two or in eight bytes.
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The connection has done what it was for (RFC 6455, 7.4.1).
pub const NORMAL: u16 = 1000;
/// The server stops.
pub const GOING_AWAY: u16 = 1001;
/// The client has broken the protocol.
const PROTOCOL_ERROR: u16 = 1002;
/// The client has sent what is not taken.
const UNSUPPORTED: u16 = 1003;
/// The client has sent text that is none.
const INVALID_TEXT: u16 = 1007;

/// What a message is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

/// A piece of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it stands, unmasked. It may be empty if the message ends with it.
    pub range: Range<usize>,
    /// Of which kind the message is that ends with it; `None` if more of it follows.
    pub ends: Option<Kind>,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Head,
    Payload,
}

/// How it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client has closed it, perhaps with a code.
    Closed(Option<u16>),
    /// The client has broken a rule; this code says which.
    Failed(u16),
}

/// How far a client's frames have come.
#[derive(Debug, Default)]
pub struct Frames {
    takes_binary: bool,
    place: Place,
    head: [u8; HEAD_BYTES_MAX],
    head_bytes: usize,
    /// How much of the present frame's payload is still to come, and how much has come.
    left: u64,
    taken: usize,
    /// The message of which more is to come.
    message: Option<Kind>,
    text: Text,
    /// What has come of a control frame.
    control: Vec<u8>,
    end: Option<End>,
}

impl Frames {
    /// Those of a client that may send binary messages too.
    pub fn with_binary() -> Frames {
        Frames { takes_binary: true, ..Frames::default() }
    }

    /// The next piece of a message in `bytes`, from `at` on; moves `at` behind it. Appends to
    /// `answers` what is to be sent. Call it until it gives `None`: then all is taken.
    pub fn next(
        &mut self,
        bytes: &mut [u8],
        at: &mut usize,
        answers: &mut Vec<u8>,
    ) -> Option<Piece> {
        loop {
            if self.end.is_some() {
                *at = bytes.len();
                return None;
            }
            if self.place == Place::Head {
                self.take_head(bytes, at)?;
                continue;
            }
            let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len() - *at);
            if here == 0 && self.left > 0 {
                return None;
            }
            let range = *at..*at + here;
            *at = range.end;
            unmask(&mut bytes[range.clone()], self.mask(), self.taken);
            self.taken = self.taken.wrapping_add(here);
            self.left -= here as u64;
            let is_end = self.left == 0;
            if is_end {
                (self.place, self.head_bytes) = (Place::Head, 0);
            }
            if self.is_control() {
                self.control.extend_from_slice(&bytes[range]);
                if is_end {
                    self.take_control(answers);
                }
            } else if let Some(piece) = self.take_data(&bytes[range.clone()], range, is_end) {
                return Some(piece);
            }
        }
    }

    /// How it has ended. Nothing that comes behind that counts.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Whether a message has begun and not ended.
    pub fn is_in_message(&self) -> bool {
        self.message.is_some()
    }

    /// Appends the close frame, the last frame that is sent: the answer to that of the client, or
    /// with the rule that it broke, or else with this code.
    pub fn push_close(&self, code: u16, out: &mut Vec<u8>) {
        let code = match self.end {
            Some(End::Closed(code)) => code,
            Some(End::Failed(code)) => Some(code),
            None => Some(code),
        };
        push_frame(CLOSE, code.map(u16::to_be_bytes).as_ref().map_or(&[], |code| code), out);
    }

    /// Takes the head of a frame, as far as it is there. `None`: more of it is to come.
    fn take_head(&mut self, bytes: &[u8], at: &mut usize) -> Option<()> {
        while self.head_bytes < 2 || self.head_bytes < self.head_length() {
            let byte = bytes.get(*at)?;
            *at += 1;
            self.head[self.head_bytes] = *byte;
            self.head_bytes += 1;
            if let Some(code) = self.broken_rule() {
                self.fail(code);
                return Some(());
            }
        }
        (self.left, self.taken, self.place) = (self.payload_length(), 0, Place::Payload);
        match self.opcode() {
            TEXT => self.message = Some(Kind::Text),
            BINARY => self.message = Some(Kind::Binary),
            _ => {}
        }
        Some(())
    }

    /// The code of the rule that the head breaks, as far as it has come.
    fn broken_rule(&self) -> Option<u16> {
        let [first, second, ..] = self.head;
        let is_continued = self.message.is_some();
        match self.head_bytes {
            1 => match first & OPCODE {
                _ if first & RESERVED != 0 => Some(PROTOCOL_ERROR),
                CONTINUATION => (!is_continued).then_some(PROTOCOL_ERROR),
                TEXT | BINARY if is_continued => Some(PROTOCOL_ERROR),
                TEXT => None,
                BINARY => (!self.takes_binary).then_some(UNSUPPORTED),
                CLOSE | PING | PONG => (first & FINAL == 0).then_some(PROTOCOL_ERROR),
                _ => Some(PROTOCOL_ERROR),
            },
            2 => {
                let is_long = self.is_control() && second & LENGTH > CONTROL_BYTES_MAX;
                (second & MASKED == 0 || is_long).then_some(PROTOCOL_ERROR)
            }
            // The shortest form of a length is to be used, and its first bit is 0.
            so_far if so_far == self.head_length() => {
                let length = self.payload_length();
                let is_right = match second & LENGTH {
                    LENGTH_16 => length > u64::from(CONTROL_BYTES_MAX),
                    LENGTH_64 => length > u64::from(u16::MAX) && length >> 63 == 0,
                    _ => true,
                };
                (!is_right).then_some(PROTOCOL_ERROR)
            }
            _ => None,
        }
    }

    fn opcode(&self) -> u8 {
        self.head[0] & OPCODE
    }

    fn is_control(&self) -> bool {
        self.opcode() >= CLOSE
    }

    /// How many bytes of the head are the payload's length, behind the first two.
    fn length_bytes(&self) -> usize {
        match self.head[1] & LENGTH {
            LENGTH_16 => 2,
            LENGTH_64 => 8,
            _ => 0,
        }
    }

    fn head_length(&self) -> usize {
        2 + self.length_bytes() + 4
    }

    fn payload_length(&self) -> u64 {
        let in_bytes = &self.head[2..2 + self.length_bytes()];
        match in_bytes {
            [] => u64::from(self.head[1] & LENGTH),
            _ => in_bytes.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        }
    }

    fn mask(&self) -> [u8; 4] {
        let at = 2 + self.length_bytes();
        std::array::from_fn(|byte| self.head[at + byte])
    }

    /// Takes what has come of a data frame, up to its end or not.
    fn take_data(&mut self, bytes: &[u8], range: Range<usize>, is_end: bool) -> Option<Piece> {
        let is_last = is_end && self.head[0] & FINAL != 0;
        let kind = self.message?;
        let is_broken =
            kind == Kind::Text && (!self.text.take(bytes) || is_last && !self.text.is_whole());
        if is_broken {
            self.fail(INVALID_TEXT);
            return None;
        }
        if is_last {
            self.message = None;
        }
        (is_last || !range.is_empty()).then(|| Piece { range, ends: is_last.then_some(kind) })
    }

    /// Takes a whole control frame.
    fn take_control(&mut self, answers: &mut Vec<u8>) {
        let payload = std::mem::take(&mut self.control);
        match self.opcode() {
            PING => push_frame(PONG, &payload, answers),
            CLOSE => self.end = Some(closed(&payload)),
            // Nothing is asked by a ping from here.
            _ => {}
        }
    }

    fn fail(&mut self, code: u16) {
        self.end = Some(End::Failed(code));
    }
}

/// What a client has closed with: a code and perhaps a reason, or nothing.
fn closed(payload: &[u8]) -> End {
    let [high, low, reason @ ..] = payload else {
        return match payload {
            [] => End::Closed(None),
            _ => End::Failed(PROTOCOL_ERROR),
        };
    };
    let code = u16::from_be_bytes([*high, *low]);
    // Those of RFC 6455, 7.4, and of the registry that it makes, but those that are never sent.
    let is_code = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    match (is_code, str::from_utf8(reason)) {
        (false, _) => End::Failed(PROTOCOL_ERROR),
        (true, Err(_)) => End::Failed(INVALID_TEXT),
        (true, Ok(_)) => End::Closed(Some(code)),
    }
}

/// Takes the mask off bytes of which so many have come before.
fn unmask(bytes: &mut [u8], mask: [u8; 4], before: usize) {
    let key: [u8; 8] = std::array::from_fn(|at| mask[before.wrapping_add(at) % 4]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ u64::from_ne_bytes(key)).to_ne_bytes();
    }
    rest.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
}

/// Appends a message in one frame.
pub fn push_message(kind: Kind, message: &[u8], out: &mut Vec<u8>) {
    push_frame(if kind == Kind::Text { TEXT } else { BINARY }, message, out);
}

/// Appends the head of a text message of so many bytes.
pub fn push_text_head(bytes: usize, out: &mut Vec<u8>) {
    push_head(TEXT, bytes, out);
}

fn push_frame(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    push_head(opcode, payload.len(), out);
    out.extend_from_slice(payload);
}

fn push_head(opcode: u8, bytes: usize, out: &mut Vec<u8>) {
    out.push(FINAL | opcode);
    match (u8::try_from(bytes), u16::try_from(bytes)) {
        (Ok(bytes @ 0..=CONTROL_BYTES_MAX), _) => out.push(bytes),
        (_, Ok(bytes)) => {
            out.push(LENGTH_16);
            out.extend(bytes.to_be_bytes());
        }
        _ => {
            out.push(LENGTH_64);
            out.extend((bytes as u64).to_be_bytes());
        }
    }
}

/// Text of which each piece is checked as it comes: `bytes[..count]` is a character's beginning.
#[derive(Debug, Default)]
struct Text {
    bytes: [u8; 4],
    count: usize,
}

impl Text {
    /// Whether this may go on as text with these bytes.
    fn take(&mut self, mut bytes: &[u8]) -> bool {
        while self.count > 0 {
            let Some((byte, rest)) = bytes.split_first() else { return true };
            self.bytes[self.count] = *byte;
            bytes = rest;
            match str::from_utf8(&self.bytes[..=self.count]) {
                Ok(_) => self.count = 0,
                Err(error) if error.error_len().is_none() => self.count += 1,
                Err(_) => return false,
            }
        }
        let Err(error) = str::from_utf8(bytes) else { return true };
        let rest = &bytes[error.valid_up_to()..];
        if error.error_len().is_none() {
            self.bytes[..rest.len()].copy_from_slice(rest);
            self.count = rest.len();
        }
        error.error_len().is_none()
    }

    fn is_whole(&self) -> bool {
        self.count == 0
    }
}
