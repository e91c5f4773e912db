//! What nodes tell each other: records to bytes and back. A batch is records, one behind the other.
//!
//! A record says what has happened in the words that all nodes show: a line is complete, with the
//! name of its author in it. So no node has to know the clients of another to show what they say,
//! and all show the same. Only what all must agree on is decided where it is read: who has a name.
//!
//! Numbers are LEB128, texts have their length before them. A record of an unknown kind ends a
//! batch: it is of a newer server, and what it means cannot be guessed.

use std::str;

/// The clients of a node have serials below this.
pub const SERIALS_END: u64 = 1 << 48;

/// The serial, on this node, of a client of the node with this number.
pub fn serial_here(node: u16, serial: u64) -> u64 {
    u64::from(node) * SERIALS_END + serial
}

/// The number of the node to which the client with this serial belongs, and its serial there.
pub fn home_of(serial: u64) -> (u16, u64) {
    ((serial / SERIALS_END) as u16, serial % SERIALS_END)
}

/// Whether a client with this serial is one of this node.
pub fn is_own(serial: u64) -> bool {
    serial < SERIALS_END
}

/// One thing that has happened on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// Something is said in a room.
    Line {
        /// The name of the room.
        room: &'a str,
        /// How many lines of this node were said there before, since the room was made on it.
        before: u64,
        /// The client that said it, as its own node counts; 0 is the server.
        author: u64,
        /// What kind of entry it is.
        kind: u8,
        /// How many bytes of its author's name are in it.
        name_bytes: u8,
        /// The whole line.
        text: &'a [u8],
    },
    /// A client asks for a name. The first in the stream has it.
    Claim {
        /// The client.
        serial: u64,
        /// The name.
        name: &'a str,
        /// The room in which the client is.
        room: &'a str,
        /// What that room reads if it gets the name; nothing if it has it already.
        text: &'a [u8],
    },
    /// A client with a name has left.
    Free {
        /// The client.
        serial: u64,
    },
    /// How many clients a node has in a room; 0 if the room is empty there.
    Here {
        /// The name of the room.
        room: &'a str,
        /// Clients in the conversation.
        here: u64,
        /// Lines of this node that were said there so far.
        said: u64,
    },
    /// A private message.
    Message {
        /// The node of the recipient.
        node: &'a str,
        /// The recipient, as its node counts.
        to: u64,
        /// The sender.
        from: u64,
        /// What the sender is called.
        from_name: &'a str,
        /// What is said.
        text: &'a str,
    },
    /// Lines for one client that waits for an answer.
    Answer {
        /// The node of the client.
        node: &'a str,
        /// The client, as its node counts.
        to: u64,
        /// What it reads.
        text: &'a [u8],
    },
    /// What a host or an operator has laid down for a room or for all: each server carries it out.
    Act {
        /// The name of the room.
        room: &'a str,
        /// What the host or operator is called.
        from_name: &'a str,
        /// The command.
        line: &'a str,
    },
    /// A command of a host or an operator about a client of another node. It is answered.
    Command {
        /// The node of the client that it is about.
        node: &'a str,
        /// That client, as its node counts.
        to: u64,
        /// The client that has given it.
        from: u64,
        /// What that is called.
        from_name: &'a str,
        /// The room of which it is host; an operator has none.
        room: &'a str,
        /// The command.
        line: &'a str,
    },
    /// The node is there. All that is said of its clients follows in the same batch.
    Hello,
    /// The node stops.
    Bye,
}

/// Appends a record to a batch.
pub fn push(record: &Record<'_>, out: &mut Vec<u8>) {
    let mut out = Writer(out);
    match *record {
        Record::Line { room, before, author, kind, name_bytes, text } => {
            out.kind(b'l').text(room).number(before).number(author);
            out.number(kind.into()).number(name_bytes.into()).bytes(text);
        }
        Record::Claim { serial, name, room, text } => {
            out.kind(b'n').number(serial).text(name).text(room).bytes(text);
        }
        Record::Free { serial } => _ = out.kind(b'f').number(serial),
        Record::Here { room, here, said } => {
            _ = out.kind(b'h').text(room).number(here).number(said)
        }
        Record::Message { node, to, from, from_name, text } => {
            out.kind(b'm').text(node).number(to).number(from).text(from_name).text(text);
        }
        Record::Answer { node, to, text } => _ = out.kind(b'a').text(node).number(to).bytes(text),
        Record::Act { room, from_name, line } => {
            out.kind(b'd').text(room).text(from_name).text(line);
        }
        Record::Command { node, to, from, from_name, room, line } => {
            out.kind(b'c').text(node).number(to).number(from);
            out.text(from_name).text(room).text(line);
        }
        Record::Hello => _ = out.kind(b'i'),
        Record::Bye => _ = out.kind(b'o'),
    }
}

/// The records of a batch. It ends at the first that is none.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    /// The records of this batch.
    pub fn of(batch: &'a [u8]) -> Records<'a> {
        Records { rest: batch }
    }

    /// The bytes that were not read yet. Behind the last record, those that are none.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn read(&mut self) -> Option<Record<'a>> {
        let (kind, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(match kind {
            b'l' => Record::Line {
                room: self.text()?,
                before: self.number()?,
                author: self.serial()?,
                kind: self.byte()?,
                name_bytes: self.byte()?,
                text: self.bytes()?,
            },
            b'n' => Record::Claim {
                serial: self.serial()?,
                name: self.text()?,
                room: self.text()?,
                text: self.bytes()?,
            },
            b'f' => Record::Free { serial: self.serial()? },
            b'h' => Record::Here { room: self.text()?, here: self.number()?, said: self.number()? },
            b'm' => Record::Message {
                node: self.text()?,
                to: self.serial()?,
                from: self.serial()?,
                from_name: self.text()?,
                text: self.text()?,
            },
            b'a' => Record::Answer { node: self.text()?, to: self.serial()?, text: self.bytes()? },
            b'd' => Record::Act { room: self.text()?, from_name: self.text()?, line: self.text()? },
            b'c' => Record::Command {
                node: self.text()?,
                to: self.serial()?,
                from: self.serial()?,
                from_name: self.text()?,
                room: self.text()?,
                line: self.text()?,
            },
            b'i' => Record::Hello,
            b'o' => Record::Bye,
            _ => return None,
        })
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            // Bits that do not fit would be lost.
            (bits << shift >> shift == bits).then_some(())?;
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn serial(&mut self) -> Option<u64> {
        self.number().filter(|serial| *serial < SERIALS_END)
    }

    fn byte(&mut self) -> Option<u8> {
        self.number()?.try_into().ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        str::from_utf8(self.bytes()?).ok()
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let before = self.rest;
        let record = self.read();
        if record.is_none() {
            self.rest = before;
        }
        record
    }
}

struct Writer<'a>(&'a mut Vec<u8>);

impl Writer<'_> {
    fn kind(&mut self, kind: u8) -> &mut Self {
        self.0.push(kind);
        self
    }

    fn number(&mut self, mut number: u64) -> &mut Self {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
        self
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u64).0.extend_from_slice(bytes);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Record<'static>; 10] = [
        Record::Line {
            room: "lobby",
            before: 300,
            author: SERIALS_END - 1,
            kind: 1,
            name_bytes: 3,
            text: b"bob: 1\n",
        },
        Record::Claim { serial: 7, name: "bob", room: "lobby", text: b"* guest7 is now bob\n" },
        Record::Free { serial: 7 },
        Record::Here { room: "한글", here: 0, said: u64::MAX },
        Record::Message { node: "b", to: 1, from: 2, from_name: "bob", text: "psst" },
        Record::Answer { node: "b", to: 1, text: b"" },
        Record::Act { room: "attic", from_name: "bob", line: "/topic tea" },
        Record::Command {
            node: "b",
            to: 1,
            from: 2,
            from_name: "bob",
            room: "attic",
            line: "/kick eve",
        },
        Record::Hello,
        Record::Bye,
    ];

    #[test]
    fn each_record_is_read_back() {
        let mut batch = Vec::new();
        ALL.iter().for_each(|record| push(record, &mut batch));
        let mut records = Records::of(&batch);
        assert_eq!(records.by_ref().collect::<Vec<_>>(), ALL);
        assert!(records.rest().is_empty());
    }

    #[test]
    fn a_batch_that_is_cut_short_ends_before_that() {
        for record in &ALL {
            let mut batch = Vec::new();
            push(&Record::Free { serial: 1 }, &mut batch);
            let first = batch.len();
            push(record, &mut batch);
            for end in first + 1..batch.len() {
                let mut records = Records::of(&batch[..end]);
                assert_eq!(records.by_ref().count(), 1, "{record:?} at {end}");
                assert_eq!(records.rest(), &batch[first..end]);
            }
        }
    }

    proptest! {
        #![proptest_config(crate::cases())]

        #[test]
        fn any_bytes_are_records_or_none(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut records = Records::of(&bytes);
            let read: Vec<Record<'_>> = records.by_ref().collect();
            let mut batch = Vec::new();
            read.iter().for_each(|record| push(record, &mut batch));
            // Written again, they are no longer: a number has one shortest form.
            prop_assert!(batch.len() + records.rest().len() <= bytes.len());
        }
    }
}
