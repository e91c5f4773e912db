//! One visit: a client that connects for a while and does one thing after another. Bytes in, what
//! to do next out; no sockets and no clock.
//!
//! What always holds: every line of the authors is right, as its [`Ear`] checks. The visitor waits
//! for the first step of its list.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::time::Duration;

use memchr::memchr;

use super::Fault;
use super::ear::Ear;
use super::notices::{Told, told};
use super::record::{Record, text};

/// One thing that a visitor does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Waits for its welcome.
    Enter,
    /// Waits for its welcome, or for this refusal.
    EnterOrHear(String),
    /// Sends these bytes.
    Say(Vec<u8>),
    /// Waits for a line that contains one of these.
    Hear(Vec<String>),
    /// Half-closes.
    HalfClose,
    /// Waits until the server closes the connection in order.
    End,
    /// Reads nothing, and waits until the server resets the connection.
    BeReset,
    /// Reads nothing for this long.
    Nap(Duration),
    /// Reads a byte now and then, until the server ends it.
    Drip,
    /// Stays until all that connected together have an answer.
    StayWithOthers,
    /// Resets the connection.
    Reset,
}

/// What is usual for a kind of visitor.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// It reads what it gets.
    pub reads: bool,
    /// It leaves data unread, so that it gets a small receive buffer.
    pub is_slow: bool,
    /// The lines that it gets are as nc gets them.
    pub is_plain: bool,
    /// The server may reset it.
    pub may_be_reset: bool,
}

/// One visitor.
#[derive(Debug)]
pub struct Visit<K> {
    /// Its kind.
    pub kind: K,
    /// What is usual for that.
    pub manner: Manner,
    /// Its number.
    pub number: u64,
    /// The visitors that connected together with it.
    pub company: Option<usize>,
    /// It has been welcomed.
    pub is_welcomed: bool,
    /// The server said that there is no room for it.
    pub is_refused: bool,
    /// The address that it connects from, if the server must show it.
    pub from: Option<String>,
    /// What it has received.
    pub ear: Ear,
    steps: VecDeque<Step>,
    is_in_history: bool,
    held: Vec<u8>,
    /// The last whole line that it received.
    last: String,
}

impl<K: Debug> Visit<K> {
    /// A visit with these steps.
    pub fn new(kind: K, manner: Manner, number: u64, steps: Vec<Step>) -> Visit<K> {
        Visit {
            kind,
            manner,
            number,
            company: None,
            is_welcomed: false,
            is_refused: false,
            from: None,
            ear: Ear::default(),
            steps: steps.into(),
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
        self.steps.pop_front();
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
            Some(Step::End) if self.held.is_empty() => {}
            // A client that neither sends nor reads may get the notice that it is idle, before it
            // is reset.
            Some(Step::BeReset | Step::Drip) => {}
            // A refused visitor does not stay.
            Some(Step::StayWithOthers) if self.is_refused => return Ok(()),
            _ => return Err(self.fault("was disconnected")),
        }
        self.steps.clear();
        Ok(())
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
        if matches!(told(line), Some(Told::Welcome(_))) {
            self.take_welcome(line)?;
        }
        match line {
            b"* history\n" => self.is_in_history = true,
            b"* now\n" => self.is_in_history = false,
            // The history was checked before.
            _ if self.is_in_history || !self.manner.is_plain => {}
            _ => self.ear.take(line, record)?,
        }
        self.last = text(line);
        self.go_on(line);
        Ok(())
    }

    fn take_welcome(&mut self, line: &[u8]) -> Result<(), Fault> {
        let shown = String::from_utf8_lossy(line);
        let is_told = self.from.as_ref().is_none_or(|from| shown.contains(&format!("({from})")));
        if self.is_welcomed || !is_told {
            return Err(self.fault(&format!("from {:?} received {shown:?}", self.from)));
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
                self.step_on();
            }
            _ => {}
        }
    }
}

fn is_one_of(words: &[String], line: &str) -> bool {
    words.iter().any(|words| line.contains(words))
}
