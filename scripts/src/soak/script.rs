//! What each kind of visitor does, from connecting to leaving, as a list of steps.
//!
//! A visitor's number alone decides what it sends and waits for. The names of other visitors are a
//! parameter. This file has words only, no sockets.

use std::time::Duration;

use crate::crowd::visit::{Manner, Step};

/// The server admits at most this many clients.
pub const MAX_CLIENTS: usize = 200;

/// The server admits at most this many clients of one address.
pub const PER_ADDRESS: usize = 8;

/// The server disconnects a client that sends this much without a line end.
pub const MAX_ENDLESS: usize = 16384;

/// The kind of a visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Takes a name, talks, uses commands, and leaves in one of several ways.
    Guest,
    /// Sends something and half-closes at once, like `echo hi | nc -N`.
    HalfCloses,
    /// Sends something without a line end.
    Chunk,
    /// Speaks telnet.
    Telnet,
    /// A browser, or another client of another protocol.
    Stranger,
    /// Sends too much without a line end.
    Endless,
    /// Sends a line that is too long.
    LongLine,
    /// Sends more at once than its rate limit allows.
    Hurries,
    /// Connects and resets at once.
    Vanishes,
    /// Sends something, and resets before it has read anything.
    Resets,
    /// Never reads, and stays until the server resets it.
    NeverReads,
    /// Reads nothing for a while, and then everything.
    Naps,
    /// One of several that connect at once from one address, more than may.
    Neighbour,
    /// One of many that connect until the server is full.
    Fills,
    /// Asks who is here.
    Asks,
}

/// The visitors that connect and leave all the time; some kinds are more frequent. A
/// [`Kind::Neighbour`] brings the others along.
pub const KINDS: [Kind; 26] = {
    use Kind::*;
    [
        Guest, Vanishes, HalfCloses, Guest, Stranger, Guest, Chunk, NeverReads, Guest, Naps,
        Telnet, Resets, Guest, Hurries, Stranger, Guest, Vanishes, Guest, Endless, HalfCloses,
        Guest, Stranger, LongLine, Naps, Guest, Neighbour,
    ]
};

/// Lines beyond the burst of the rate limit: the server needs a second or more to read them.
const HURRIED_LINES: u64 = 32;

/// Long enough to fall out of the window, and short enough not to be reset.
const NAP: Duration = Duration::from_secs(3);

/// A guest waits between its actions, so that it meets others.
const BREATH: Duration = Duration::from_millis(200);

/// A line longer than the server allows.
const LONG_LINE_BYTES: usize = 5000;

/// The most actions of a guest between joining and leaving.
const DEEDS_MAX: u64 = 6;

impl Kind {
    /// What is usual for it.
    pub fn manner(self) -> Manner {
        let reads = !matches!(self, Kind::NeverReads | Kind::Resets | Kind::Vanishes);
        let naps = self == Kind::Naps;
        // On a machine that is suspended, a nap may be too long.
        Manner {
            reads,
            is_slow: !reads || naps,
            is_plain: self != Kind::Telnet,
            may_be_reset: naps,
        }
    }

    /// The steps of the visitor with this number; `others` are names that were taken lately.
    pub fn steps(self, number: u64, others: &[String]) -> Vec<Step> {
        match self {
            Kind::Guest => guest(number, others),
            Kind::HalfCloses => {
                let words = format!("half of {number}");
                vec![
                    say(&words),
                    Step::HalfClose,
                    Step::Enter,
                    hear(format!(": {words}")),
                    Step::End,
                ]
            }
            Kind::Chunk => {
                let words = format!("chunk of {number}");
                let heard = hear(format!(": {words}"));
                vec![Step::Enter, say(&words), heard, Step::HalfClose, Step::End]
            }
            Kind::Telnet => telnet(number),
            Kind::Stranger => stranger(number),
            Kind::Endless => vec![
                Step::Enter,
                Step::Say(vec![b'e'; MAX_ENDLESS + 1]),
                hear(format!("* closed: {MAX_ENDLESS} bytes without a line end")),
                Step::End,
            ],
            Kind::LongLine => {
                let long = format!("{}\n", "l".repeat(LONG_LINE_BYTES));
                let (told, quit) = (hear("* line too long, not sent"), say("/quit\n"));
                vec![Step::Enter, say(&long), told, quit, Step::End]
            }
            Kind::Hurries => hurries(number),
            Kind::Vanishes => vec![Step::Reset],
            Kind::Resets => vec![say(&format!("reset of {number}\n")), Step::Reset],
            Kind::NeverReads => vec![say(&format!("deaf {number}\n")), Step::BeReset],
            Kind::Naps => {
                // A private reply is never missed, whatever else is.
                let asked = ask("/who", hear(" here: "));
                [vec![Step::Enter, Step::Nap(NAP)], asked, vec![say("/quit\n"), Step::End]].concat()
            }
            Kind::Neighbour => {
                let told = "* too many connections from your address";
                let told = format!("{told} ({PER_ADDRESS}, --per-address)");
                vec![Step::EnterOrHear(told), Step::StayWithOthers, Step::Reset]
            }
            Kind::Fills => {
                let told = format!("* server full ({MAX_CLIENTS})");
                vec![Step::EnterOrHear(told), Step::StayWithOthers, Step::Reset]
            }
            Kind::Asks => Vec::new(),
        }
    }
}

/// The steps of a visitor that asks who is here. The answer must count `here` clients, itself
/// included.
pub fn asks(here: usize) -> Vec<Step> {
    vec![Step::Enter, say("/who\n"), hear(format!("* {here} here: ")), say("/quit\n"), Step::End]
}

/// The name of the guest with this number.
pub fn name(number: u64) -> String {
    format!("v{number}")
}

fn guest(number: u64, others: &[String]) -> Vec<Step> {
    let name = name(number);
    let mut chance = Chance(number);
    let mut steps = vec![Step::Enter];
    steps.extend(ask(&format!("/nick {name}"), hear(format!(" is now {name}"))));
    for deed in 0..=chance.below(DEEDS_MAX) {
        let other = others.get(chance.below(others.len() as u64) as usize);
        steps.extend(does(chance.below(8), &name, deed, other.unwrap_or(&name)));
        steps.push(Step::Nap(BREATH));
    }
    steps.extend(leaves(chance.below(4), &name));
    steps
}

fn does(what: u64, name: &str, deed: u64, other: &str) -> Vec<Step> {
    let nobody = || format!("* nobody here is called {other}");
    match what {
        0 => ask("/who", hear(" here: ")),
        1 => ask(&format!("/me 손을 {deed}번 흔듭니다"), hear(format!("~ {name} 손을 {deed}번"))),
        2 => {
            let words = format!("[{name} -> {other}] psst {deed}");
            let full = format!("* not sent: {other} has");
            ask(&format!("/msg {other} psst {deed}"), Step::Hear(vec![words, nobody(), full]))
        }
        3 => ask("/history 5", Step::Hear(vec!["* now".into(), "* no history".into()])),
        4 => [
            ask("/echo off", hear("* echo is off")),
            vec![say(&format!("unheard {deed}\n"))],
            ask("/who", hear(" here: ")),
            ask("/echo on", hear("* echo is on")),
        ]
        .concat(),
        5 if other != name => [
            ask(
                &format!("/ignore {other}"),
                Step::Hear(vec![format!("* ignoring {other}"), nobody()]),
            ),
            ask("/ignore", hear("* ignoring")),
            vec![Step::Nap(BREATH)],
            ask("/who", hear(" here: ")),
        ]
        .concat(),
        6 => {
            let words = format!("안녕하세요, {deed}번째 말입니다");
            ask(&words, hear(format!("{name}: {words}")))
        }
        _ => {
            let words = format!("hello number {deed}");
            ask(&words, hear(format!("{name}: {words}")))
        }
    }
}

fn leaves(how: u64, name: &str) -> Vec<Step> {
    let last = format!("last of {name}");
    let heard = hear(format!("{name}: {last}"));
    match how {
        0 => vec![say("/quit bye\n"), Step::End],
        1 => vec![say(&last), Step::HalfClose, heard, Step::End],
        2 => vec![say(&format!("{last}\n")), Step::HalfClose, heard, Step::End],
        _ => vec![say(&last), Step::Reset],
    }
}

fn telnet(number: u64) -> Vec<Step> {
    // Interrupt Process, and the question after it: IAC IP IAC DO TM.
    let words = [&b"\xff\xf4\xff\xfd\x06"[..], format!("telnet {number}\r\n").as_bytes()].concat();
    let heard = hear(format!(": telnet {number}\r"));
    vec![Step::Enter, Step::Say(words), heard, say("/quit\r\n"), Step::End]
}

fn stranger(number: u64) -> Vec<Step> {
    let (words, protocol) = match number % 3 {
        0 => (&b"OPTIONS * RTSP/1.0\r\n\r\n"[..], "RTSP"),
        1 => (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], "TLS"),
        _ => (&b"SSH-2.0-OpenSSH_9.2\r\n"[..], "SSH"),
    };
    let told = hear(format!("* this is a chat server and does not speak {protocol}"));
    vec![Step::Say(words.to_vec()), told, Step::End]
}

fn hurries(number: u64) -> Vec<Step> {
    let lines = (0..HURRIED_LINES).map(|line| format!("hurry {number} {line}\n"));
    let mut steps = vec![Step::Enter, say(&lines.collect::<String>())];
    steps.extend((0..HURRIED_LINES).map(|line| hear(format!(": hurry {number} {line}"))));
    steps.extend([say("/quit\n"), Step::End]);
    steps
}

fn ask(words: &str, answer: Step) -> Vec<Step> {
    vec![say(&format!("{words}\n")), answer]
}

fn say(words: &str) -> Step {
    Step::Say(words.as_bytes().to_vec())
}

fn hear(words: impl Into<String>) -> Step {
    Step::Hear(vec![words.into()])
}

/// Numbers that look random, and are the same for the same visitor in every run (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }
}
