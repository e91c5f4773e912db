//! The browser's end of a wire: what a client says goes out in frames, and what it gets is taken
//! out of them. So the model needs to know nothing of WebSocket.

const UPGRADE: &[u8] = b"GET /chat HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\
    Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const ACCEPTED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n";

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// How far a browser's protocol has come.
#[derive(Debug, Default)]
pub struct Browser {
    /// Bytes that it got and that are not whole yet.
    got: Vec<u8>,
    is_open: bool,
    /// It got something else than it asked for: the server has greeted it first.
    has_failed: bool,
    is_in_message: bool,
    is_closed: bool,
    pings: usize,
    /// The number of the room's line that it got last.
    last: Option<u64>,
    is_in_history: bool,
}

impl Browser {
    /// What it sends first.
    pub fn opens(&self) -> Vec<u8> {
        UPGRADE.to_vec()
    }

    /// Frames for some bytes of what it says. Each line end ends a message; what has no end yet is
    /// a part of one. Now and then a ping stands in between.
    pub fn says(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut frames = Vec::new();
        for part in bytes.split_inclusive(|byte| matches!(byte, b'\n' | 0)) {
            let is_end = part.ends_with(b"\n") || part.ends_with(b"\0");
            let opcode = if self.is_in_message { CONTINUATION } else { TEXT };
            push_frame(opcode, is_end, part, &mut frames);
            self.is_in_message = !is_end;
            self.pings += 1;
            if self.pings.is_multiple_of(4) {
                push_frame(PING, true, b"?", &mut frames);
            }
        }
        frames
    }

    /// What it sends last: the end of its message, and a close.
    pub fn ends(&mut self) -> Vec<u8> {
        let mut frames = Vec::new();
        if self.is_in_message {
            push_frame(CONTINUATION, true, b"", &mut frames);
        }
        push_frame(CLOSE, true, b"\x03\xe8", &mut frames);
        frames
    }

    /// Whether its WebSocket is open.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether the server has greeted it before it read the request.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Takes what it got: appends the lines in it to `lines`, as any client gets them.
    pub fn gets(&mut self, bytes: &[u8], lines: &mut Vec<u8>) {
        self.got.extend_from_slice(bytes);
        if !self.is_open {
            let beginning = self.got.len().min(ACCEPTED.len());
            self.has_failed |= self.got[..beginning] != ACCEPTED[..beginning];
            let end = self.got.windows(4).position(|four| four == b"\r\n\r\n");
            let Some(end) = end.filter(|_| !self.has_failed) else { return };
            self.got.drain(..end + 4);
            self.is_open = true;
        }
        while let Some((opcode, payload)) = self.take_frame() {
            assert!(!self.is_closed, "a frame behind the close");
            match opcode {
                // What it needs to come back.
                TEXT if payload.starts_with(b"= ") => assert!(self.last.is_none()),
                TEXT => self.take_line(std::str::from_utf8(&payload).unwrap(), lines),
                PONG => assert_eq!(payload, b"?"),
                CLOSE => self.is_closed = true,
                _ => panic!("a frame of kind {opcode}"),
            }
        }
    }

    fn take_line(&mut self, text: &str, lines: &mut Vec<u8>) {
        let line = match text.strip_prefix("- ") {
            Some(line) => {
                // Each room has numbers of its own, and earlier lines come again.
                if line.starts_with("* you are in ") {
                    self.last = None;
                }
                self.is_in_history = line == "* history" || self.is_in_history && line != "* now";
                line
            }
            None => {
                let parts: Vec<&str> = text.splitn(3, ' ').collect();
                let [number, seconds, line] = parts[..] else { panic!("{text:?}") };
                let (number, _) = (number.parse::<u64>().unwrap(), seconds.parse::<u32>().unwrap());
                if !self.is_in_history {
                    assert!(self.last.is_none_or(|last| last < number), "{number} comes again");
                    self.last = Some(number);
                }
                line
            }
        };
        assert!(!line.contains('\n'));
        lines.extend_from_slice(line.as_bytes());
        lines.push(b'\n');
    }

    /// The next whole frame. The server sends no other than short ones without a mask.
    fn take_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let [first, length, rest @ ..] = self.got.as_slice() else { return None };
        assert_eq!(first & 0xf0, 0x80, "each frame is a whole message");
        let (head, length) = match (*length, rest) {
            (126, [high, low, ..]) => (4, usize::from(u16::from_be_bytes([*high, *low]))),
            (126, _) => return None,
            (length, _) => (2, usize::from(length)),
        };
        let opcode = first & 0x0f;
        let payload = self.got.get(head..head + length)?.to_vec();
        self.got.drain(..head + length);
        Some((opcode, payload))
    }
}

/// Appends a frame of a client, with a mask.
pub fn push_frame(opcode: u8, is_end: bool, payload: &[u8], out: &mut Vec<u8>) {
    const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
    out.push(opcode | if is_end { 0x80 } else { 0 });
    match payload.len() {
        length @ 0..126 => out.push(0x80 | length as u8),
        length => {
            out.push(0x80 | 126);
            out.extend((length as u16).to_be_bytes());
        }
    }
    out.extend(MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}
