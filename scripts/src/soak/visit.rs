//! One visit: what it has received, and what it waits for. Bytes in, what to do next out; no
//! sockets and no clock.
//!
//! What always holds: every line of the authors is right, as its [`Ear`] checks. No line comes that
//! the visitor shuns. It waits for the first step of its list.

use std::collections::VecDeque;

use memchr::memchr;

use super::script::{Kind, Step, ignoring};
use crate::crowd::Fault;
use crate::crowd::ear::Ear;
use crate::crowd::notices::{Told, told};
use crate::crowd::record::{Record, text};

/// One visitor.
#[derive(Debug)]
pub struct Visit {
    /// Its kind.
    pub kind: Kind,
    /// Its number.
    pub number: u64,
    /// The visitors that connected together with it.
    pub company: Option<usize>,
    /// It has been welcomed.
    pub is_welcomed: bool,
    /// The server said that there is no room for it.
    pub is_refused: bool,
    /// The address that it connects from, as the server must show it.
    pub from: String,
    steps: VecDeque<Step>,
    shunned: Vec<String>,
    ear: Ear,
    is_in_history: bool,
    held: Vec<u8>,
    /// The last whole line that it received.
    last: String,
}

impl Visit {
    /// A visit with these steps.
    pub fn new(kind: Kind, number: u64, steps: Vec<Step>) -> Visit {
        Visit {
            kind,
            number,
            company: None,
            is_welcomed: false,
            is_refused: false,
            from: String::new(),
            steps: steps.into(),
            shunned: Vec::new(),
            ear: Ear::default(),
            is_in_history: false,
            held: Vec::new(),
            last: String::new(),
        }
    }

    /// The step that it does or waits for; `None` after the last.
    pub fn step(&self) -> Option<&Step> {
        self.steps.front()
    }

    /// The first step is done.
    pub fn step_on(&mut self) {
        match self.steps.pop_front() {
            Some(Step::Shun(words)) => self.shunned.push(words),
            Some(Step::ShunNoMore(words)) => self.shunned.retain(|shunned| *shunned != words),
            _ => {}
        }
    }

    /// Whether it reads what it gets.
    pub fn reads(&self) -> bool {
        !matches!(self.kind, Kind::NeverReads | Kind::Resets | Kind::Vanishes)
    }

    /// Whether it leaves data unread, so that it gets a small receive buffer.
    pub fn is_slow(&self) -> bool {
        !self.reads() || self.kind == Kind::Naps
    }

    /// How many lines it missed, as the server told it.
    pub fn missed(&self) -> u64 {
        self.ear.missed
    }

    /// How many messages of authors it has received.
    pub fn messages(&self) -> u64 {
        self.ear.messages
    }

    /// Whether it knows that it is admitted or refused.
    pub fn is_answered(&self) -> bool {
        self.is_welcomed || self.is_refused
    }

    /// Checks what it has received, and does the steps that waited for this. Returns whether there
    /// were any.
    pub fn take(&mut self, bytes: &[u8], record: &Record) -> Result<bool, Fault> {
        let steps = self.steps.len();
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        let mut rest = &all[..];
        while let Some(end) = memchr(b'\n', rest) {
            self.take_line(&rest[..=end], record)?;
            rest = &rest[end + 1..];
        }
        self.held = rest.to_vec();
        Ok(self.steps.len() < steps)
    }

    /// The server has closed the connection in order.
    pub fn take_end(&mut self) -> Result<(), Fault> {
        match self.step() {
            Some(Step::End) if self.held.is_empty() => {
                self.steps.clear();
                Ok(())
            }
            // A client that neither sends nor reads may get the notice that it is idle, before it
            // is reset.
            Some(Step::BeReset) => {
                self.steps.clear();
                Ok(())
            }
            // A refused visitor does not stay.
            Some(Step::StayWithOthers) if self.is_refused => Ok(()),
            _ => Err(self.fault("was disconnected")),
        }
    }

    /// A fault, with what the visitor is doing.
    pub fn fault(&self, what: &str) -> Fault {
        let Visit { kind, number, last, .. } = self;
        let step = match self.step() {
            Some(Step::Say(words)) => format!("say {:?}", text(words)),
            Some(step) => format!("{step:?}"),
            None => "its end".to_owned(),
        };
        Fault(format!("visitor {number} ({kind:?}) {what} at {step}, after it received {last:?}"))
    }

    fn take_line(&mut self, line: &[u8], record: &Record) -> Result<(), Fault> {
        let is_shunned = |shunned: &String| line.starts_with(shunned.as_bytes());
        if !self.is_in_history && self.shunned.iter().any(is_shunned) {
            return Err(self.fault(&format!("received {:?}", text(line))));
        }
        if matches!(told(line), Some(Told::Welcome(_))) {
            self.take_welcome(line)?;
        }
        match line {
            b"* history\n" => self.is_in_history = true,
            b"* now\n" => self.is_in_history = false,
            // The history was checked before. For telnet, lines end differently.
            _ if self.is_in_history || self.kind == Kind::Telnet => {}
            _ => self.ear.take(line, record)?,
        }
        self.last = text(line);
        self.go_on(line);
        Ok(())
    }

    fn take_welcome(&mut self, line: &[u8]) -> Result<(), Fault> {
        let is_told = String::from_utf8_lossy(line).contains(&format!("({})", self.from));
        if self.is_welcomed || !is_told {
            return Err(self.fault(&format!("from {} received {:?}", self.from, text(line))));
        }
        self.is_welcomed = true;
        Ok(())
    }

    /// Takes the next step, if this line was waited for.
    fn go_on(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        match self.steps.front() {
            Some(Step::Enter) if self.is_welcomed => self.step_on(),
            Some(Step::EnterOrHear(words)) => {
                self.is_refused = line.starts_with(words);
                if self.is_welcomed || self.is_refused {
                    self.step_on();
                }
            }
            Some(Step::Hear(words)) if !self.is_in_history && is_one_of(words, &line) => {
                self.shun_ignored(&line);
                self.step_on();
            }
            _ => {}
        }
    }

    /// From this notice on, no line of the ignored name may come.
    fn shun_ignored(&mut self, line: &str) {
        let name = line.strip_prefix(&ignoring("")).map(str::trim_end);
        if let Some(name) = name.filter(|name| name.starts_with('v')) {
            self.shunned.push(format!("{name}: "));
        }
    }
}

fn is_one_of(words: &[String], line: &str) -> bool {
    words.iter().any(|words| line.contains(words))
}
