//! An engine without a network: the commands of Redis that a node of a cluster sends, on a stream
//! that can lose its end, forget its beginning, or refuse.

use chinwag::bus::resp::{self, Parsed, Reply};

type Id = (u64, u64);

/// One connection, as the engine sees it.
#[derive(Debug, Default)]
struct Wire {
    input: Vec<u8>,
    output: Vec<u8>,
    /// The node has given it up: what it has sent may still be carried out.
    is_given_up: bool,
    /// It waits for entries behind this one, until this moment.
    blocked: Option<(Id, u64)>,
}

/// The engine.
#[derive(Debug)]
pub struct Engine {
    pub millis: u64,
    pub entries: Vec<(Id, Vec<Vec<u8>>)>,
    last: Option<Id>,
    wires: Vec<Wire>,
    /// How many entries it keeps.
    pub most: usize,
    /// It takes no more entries.
    pub is_out_of_memory: bool,
    /// Nobody can connect.
    pub is_down: bool,
}

impl Engine {
    pub fn new() -> Engine {
        Engine {
            millis: 1_000_000,
            entries: Vec::new(),
            last: None,
            wires: Vec::new(),
            most: usize::MAX,
            is_out_of_memory: false,
            is_down: false,
        }
    }

    /// A connection is made.
    pub fn connect(&mut self) -> usize {
        self.wires.push(Wire::default());
        self.wires.len() - 1
    }

    /// A node gives a connection up.
    pub fn give_up(&mut self, wire: usize) {
        self.wires[wire].is_given_up = true;
    }

    pub fn is_given_up(&self, wire: usize) -> bool {
        self.wires[wire].is_given_up
    }

    /// Bytes of a node arrive.
    pub fn receive(&mut self, wire: usize, bytes: &[u8]) {
        self.wires[wire].input.extend_from_slice(bytes);
    }

    /// What it has answered.
    pub fn take_output(&mut self, wire: usize, most: usize) -> Vec<u8> {
        let output = &mut self.wires[wire].output;
        output.drain(..most.min(output.len())).collect()
    }

    /// How many connections there are, given up or not.
    pub fn wires(&self) -> usize {
        self.wires.len()
    }

    /// Carries out the next command of a connection. Returns whether it was there whole.
    pub fn step(&mut self, wire: usize) -> bool {
        if self.is_down || self.wires[wire].blocked.is_some() {
            return false;
        }
        let input = std::mem::take(&mut self.wires[wire].input);
        let Parsed::Reply(Reply::Array(parts), taken) = resp::parse(&input) else {
            self.wires[wire].input = input;
            return false;
        };
        let parts: Vec<Vec<u8>> = parts
            .iter()
            .map(|part| match part {
                Reply::String(part) => part.to_vec(),
                other => panic!("{other:?} in a command"),
            })
            .collect();
        self.wires[wire].input = input[taken..].to_vec();
        let answer = self.answer(wire, &parts);
        self.wires[wire].output.extend(answer);
        self.wake();
        true
    }

    /// Lets time pass.
    pub fn pass(&mut self, millis: u64) {
        self.millis += millis;
        for wire in &mut self.wires {
            if wire.blocked.is_some_and(|(_, until)| until <= self.millis) {
                wire.blocked = None;
                wire.output.extend(b"*-1\r\n");
            }
        }
    }

    /// It ends at once and starts again without its newest entries. All connections are lost.
    pub fn lose(&mut self, entries: usize) {
        let kept = self.entries.len().saturating_sub(entries);
        self.entries.truncate(kept);
        self.last = self.entries.last().map(|(id, _)| *id);
        for wire in &mut self.wires {
            (wire.is_given_up, wire.input) = (true, Vec::new());
        }
    }

    fn answer(&mut self, wire: usize, parts: &[Vec<u8>]) -> Vec<u8> {
        let text = |at: usize| String::from_utf8_lossy(&parts[at]).into_owned();
        match text(0).as_str() {
            "AUTH" => b"+OK\r\n".to_vec(),
            "TIME" => strings(&[(self.millis / 1000).to_string().as_bytes(), b"0"]),
            "XINFO" => match self.last {
                None => b"-ERR no such key\r\n".to_vec(),
                Some(id) => {
                    let mut out = b"*4\r\n".to_vec();
                    out.extend(string(b"last-generated-id"));
                    out.extend(string(shown(id).as_bytes()));
                    out.extend(string(b"first-entry"));
                    match self.entries.first() {
                        Some(first) => push_entry(first, &mut out),
                        None => out.extend(b"$-1\r\n"),
                    }
                    out
                }
            },
            "XADD" if self.is_out_of_memory => b"-OOM command not allowed\r\n".to_vec(),
            "XADD" => {
                let last = self.last.unwrap_or_default();
                let id = if self.millis > last.0 { (self.millis, 0) } else { (last.0, last.1 + 1) };
                self.last = Some(id);
                self.entries.push((id, parts[6..].to_vec()));
                let forgotten = self.entries.len().saturating_sub(self.most);
                self.entries.drain(..forgotten);
                string(shown(id).as_bytes())
            }
            "XREAD" => {
                let millis = (text(3) == "BLOCK").then(|| text(4).parse::<u64>().unwrap());
                let (at, number) = parts.last().map(|id| split(id)).unwrap();
                let found = self.found((at, number));
                match (found.is_empty(), millis) {
                    (true, None) => b"*-1\r\n".to_vec(),
                    (true, Some(millis)) => {
                        self.wires[wire].blocked = Some(((at, number), self.millis + millis));
                        Vec::new()
                    }
                    (false, _) => found,
                }
            }
            other => panic!("{other}"),
        }
    }

    /// Answers the reads that waited for what is there now.
    fn wake(&mut self) {
        for wire in 0..self.wires.len() {
            let Some((id, _)) = self.wires[wire].blocked else { continue };
            let found = self.found(id);
            if !found.is_empty() {
                self.wires[wire].blocked = None;
                self.wires[wire].output.extend(found);
            }
        }
    }

    /// The reply to a read of at most 16 entries behind this one; nothing if there are none.
    fn found(&self, id: Id) -> Vec<u8> {
        let found: Vec<&(Id, Vec<Vec<u8>>)> =
            self.entries.iter().filter(|(its, _)| *its > id).take(16).collect();
        if found.is_empty() {
            return Vec::new();
        }
        let mut out = format!("*1\r\n*2\r\n$1\r\ns\r\n*{}\r\n", found.len()).into_bytes();
        found.into_iter().for_each(|entry| push_entry(entry, &mut out));
        out
    }
}

fn push_entry((id, fields): &(Id, Vec<Vec<u8>>), out: &mut Vec<u8>) {
    out.extend(b"*2\r\n");
    out.extend(string(shown(*id).as_bytes()));
    out.extend(strings(&fields.iter().map(Vec::as_slice).collect::<Vec<_>>()));
}

fn shown(id: Id) -> String {
    format!("{}-{}", id.0, id.1)
}

fn split(id: &[u8]) -> Id {
    let (millis, number) = std::str::from_utf8(id).unwrap().split_once('-').unwrap();
    (millis.parse().unwrap(), number.parse().unwrap())
}

fn string(text: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", text.len()).as_bytes(), text, b"\r\n"].concat()
}

fn strings(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    resp::push_command(parts, &mut out);
    out
}
