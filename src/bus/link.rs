//! One connection to the engine, as bytes: what is to be sent, and which replies are awaited.
//!
//! It knows no socket. Bytes that were read go in, and bytes to be written come out. So a simulated
//! engine can stand at its other end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::resp::{self, Parsed, Reply};

/// The first pause before another attempt to connect. Each failure doubles it.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(3);

/// An engine that owes a reply for this long is given up. It answers a blocking read every 5 s.
const REPLY_WAIT: Duration = Duration::from_secs(10);

/// What a reply answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The password.
    Auth,
    /// The engine's time.
    Time,
    /// What is known of the stream.
    Info,
    /// A batch was added.
    Add {
        /// Its number.
        number: u64,
    },
    /// Batches behind the last. Whether it waits for some.
    Read {
        /// Whether the engine waits until there are some.
        blocks: bool,
    },
}

/// Whether there is a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is none. The next attempt is due at this moment.
    Down {
        /// When to connect.
        retry_at: Instant,
    },
    /// It is being made.
    Connecting,
    /// It is there.
    Up,
}

/// One connection.
#[derive(Debug)]
pub struct Link {
    state: State,
    /// Since when the other side owes something: a connection, or a reply.
    waits_since: Instant,
    pause: Duration,
    out: Vec<u8>,
    /// How many bytes of `out` were sent.
    sent: usize,
    input: Vec<u8>,
    /// The beginning of a reply in `input` needs this many bytes at least.
    needed: usize,
    asked: VecDeque<Asked>,
}

impl Link {
    /// A connection that is to be made at once.
    pub fn new(now: Instant) -> Link {
        Link {
            state: State::Down { retry_at: now },
            waits_since: now,
            pause: PAUSE_MIN,
            out: Vec::new(),
            sent: 0,
            input: Vec::new(),
            needed: 0,
            asked: VecDeque::new(),
        }
    }

    /// Whether there is a connection.
    pub fn state(&self) -> State {
        self.state
    }

    /// An attempt to connect has begun.
    pub fn connecting(&mut self, now: Instant) {
        (self.state, self.waits_since) = (State::Connecting, now);
    }

    /// It is connected.
    pub fn connected(&mut self, now: Instant) {
        (self.state, self.waits_since) = (State::Up, now);
    }

    /// It is of use: the next failure is followed by a short pause again.
    pub fn proved(&mut self) {
        self.pause = PAUSE_MIN;
    }

    /// It is lost, or could not be made.
    pub fn cut(&mut self, now: Instant) {
        let (pause, retry_at) = (self.pause, now + self.pause);
        *self = Link::new(now);
        self.state = State::Down { retry_at };
        self.pause = PAUSE_MAX.min(2 * pause);
    }

    /// Sends a command.
    pub fn ask(&mut self, asked: Asked, parts: &[&[u8]], now: Instant) {
        if self.asked.is_empty() {
            self.waits_since = now;
        }
        self.asked.push_back(asked);
        resp::push_command(parts, &mut self.out);
    }

    /// What the next reply answers.
    pub fn asked_first(&self) -> Option<Asked> {
        self.asked.front().copied()
    }

    /// Whether no reply is awaited.
    pub fn is_idle(&self) -> bool {
        self.asked.is_empty()
    }

    /// What is to be sent.
    pub fn outgoing(&self) -> &[u8] {
        &self.out[self.sent..]
    }

    /// So much of it was sent.
    pub fn note_sent(&mut self, bytes: usize) {
        self.sent += bytes;
        if self.sent == self.out.len() {
            (self.out, self.sent) = (Vec::new(), 0);
        }
    }

    /// Takes in what was read.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Hands the next whole reply to `take`, with what it answers. Returns whether there was one.
    /// On `Err` the other side is no engine.
    pub fn next_reply(
        &mut self,
        now: Instant,
        take: impl FnOnce(Asked, Reply<'_>),
    ) -> Result<bool, NoEngine> {
        if self.input.is_empty() || self.input.len() < self.needed {
            return Ok(false);
        }
        match resp::parse(&self.input) {
            Parsed::Reply(reply, taken) => {
                take(self.asked.pop_front().ok_or(NoEngine)?, reply);
                self.input.drain(..taken);
                (self.needed, self.waits_since) = (0, now);
                Ok(true)
            }
            Parsed::NotYet(needed) => {
                self.needed = needed;
                Ok(false)
            }
            Parsed::Malformed => Err(NoEngine),
        }
    }

    /// Whether it is of use, and the other side has owed no reply for this long.
    pub fn is_answering(&self, time: Duration, now: Instant) -> bool {
        let is_proved = self.state == State::Up && self.pause == PAUSE_MIN;
        is_proved && (self.is_idle() || self.waits_since + time > now)
    }

    /// When it is given up, if nothing comes.
    pub fn next_deadline(&self) -> Option<Instant> {
        match self.state {
            State::Down { retry_at } => Some(retry_at),
            State::Up if self.asked.is_empty() => None,
            State::Connecting | State::Up => Some(self.waits_since + REPLY_WAIT),
        }
    }

    /// Whether the other side has owed something for too long.
    pub fn is_overdue(&self, now: Instant) -> bool {
        !matches!(self.state, State::Down { .. })
            && self.next_deadline().is_some_and(|at| at <= now)
    }
}

/// The other side has sent what no engine sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoEngine;
