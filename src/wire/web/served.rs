//! What comes of a request: an answer, or a client of the chat with a dialect of its own.

use super::answer;
use super::head::{Asks, Head, Refusal, Rules, Since, parse};
use super::messages::Messages;
use crate::wire::dialect::Dialect;
use crate::wire::form::Form;

/// What comes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// It is sent these bytes, and is closed.
    Answer(Vec<u8>),
    /// The same, and the bytes are the page: its client is a browser.
    Page(Vec<u8>),
    /// It is sent these bytes, and is a client of the chat: its lines and those of its room go both
    /// ways.
    Chat {
        /// What it is sent.
        answer: Vec<u8>,
        /// What it has had of a room, if it comes back.
        since: Option<Since>,
    },
    /// It is sent these bytes, and then all that is said. It says nothing itself.
    Tail(Vec<u8>),
    /// It says its lines, and its input ends with them. Its answer is what became of that.
    Say {
        /// Under which name, if it has given one.
        name: Option<String>,
    },
}

impl Served {
    /// That nothing comes of it, for this reason.
    pub fn refusal(reason: &Refusal) -> Served {
        Served::Answer(answer::refusal(reason, false))
    }

    /// Adds what its new dialect answers at once.
    pub fn push_answers(&mut self, answers: &[u8]) {
        match self {
            Served::Tail(answer) | Served::Chat { answer, .. } => {
                answer.extend_from_slice(answers);
            }
            Served::Answer(_) | Served::Page(_) | Served::Say { .. } => {
                debug_assert!(answers.is_empty());
            }
        }
    }
}

/// What comes of the request that these bytes begin with. If its client goes on, also what it
/// speaks from now on, and how many bytes the request takes. A head without an end is late.
pub fn serve(bytes: &[u8], rules: &Rules<'_>) -> (Served, Option<Box<dyn Dialect>>, usize) {
    let late = || Head { bytes: bytes.len(), is_head: false, asks: Err(Refusal::TooSlow) };
    let Head { bytes: used, is_head, asks } = parse(bytes, rules).unwrap_or_else(late);
    let (served, dialect): (Served, Option<Box<dyn Dialect>>) = match asks {
        Ok(Asks::Page { is_browser: true }) => (Served::Page(answer::page(is_head)), None),
        Ok(Asks::Page { .. }) => (Served::Answer(answer::page(is_head)), None),
        Ok(Asks::Health) => (Served::Answer(answer::health(is_head)), None),
        Ok(Asks::Tail) if is_head => (Served::Answer(answer::stream()), None),
        Ok(Asks::Tail) => (Served::Tail(answer::stream()), Some(Box::new(Silence))),
        Ok(Asks::Say { name, body_bytes }) => {
            (Served::Say { name }, Some(Box::new(Body { left: body_bytes })))
        }
        Ok(Asks::Chat { accept, since }) => {
            let answer = answer::websocket(&accept);
            (Served::Chat { answer, since }, Some(Box::<Messages>::default()))
        }
        Err(reason) => (Served::Answer(answer::refusal(&reason, is_head)), None),
    };
    (served, dialect, used)
}

/// The body of a request: so many bytes are still to come, and they are text. What comes behind
/// them is thrown away.
#[derive(Debug)]
struct Body {
    left: usize,
}

impl Dialect for Body {
    fn take_in(&mut self, bytes: &mut [u8], _: &mut Vec<u8>) -> usize {
        let text = self.left.min(bytes.len() - 1);
        self.left -= text;
        bytes.copy_within(1..=text, 0);
        text
    }

    fn form(&self) -> Form {
        Form::Plain
    }

    fn has_ended(&self) -> bool {
        self.left == 0
    }

    /// Half a body is none: its client would send all of it once more.
    fn is_taken_whole(&self) -> bool {
        true
    }
}

/// Nothing that the client sends is for anyone.
#[derive(Debug)]
struct Silence;

impl Dialect for Silence {
    fn take_in(&mut self, _: &mut [u8], _: &mut Vec<u8>) -> usize {
        0
    }

    fn form(&self) -> Form {
        Form::Plain
    }
}
