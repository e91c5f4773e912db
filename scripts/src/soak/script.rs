//! What each kind of visitor does, from its connect on.
//!
//! A visitor's number alone decides what it sends and waits for. To drop a client resets its
//! connection.

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;

use crate::crowd::dialect::Dialect;
use crate::crowd::visit::{NARROW_BYTES, Visitor, WIDE_BYTES, was_lost};
use crate::crowd::visitors::{Host, Visitors};
use crate::crowd::{Fault, Outcome};

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
}

/// One visitor for each of these comes again and again; some kinds are more frequent.
const KINDS: [Kind; 25] = {
    use Kind::*;
    [
        Guest, Vanishes, HalfCloses, Guest, Stranger, Guest, Chunk, NeverReads, Guest, Naps,
        Telnet, Resets, Guest, Hurries, Stranger, Guest, Vanishes, Guest, Endless, HalfCloses,
        Guest, Stranger, LongLine, Naps, Guest,
    ]
};

/// So many of each.
const TIMES: usize = 2;

/// The time between two visits of one, and between two tries of too many.
const PAUSE: Duration = Duration::from_millis(400);

/// How many more connect together than may, from one address or to a full server.
const REFUSED: usize = 4;

/// The networks of single visitors and of neighbours. The server exempts neither.
const SINGLE: u8 = 2;
const NEIGHBOURS: u8 = 3;

/// Lines beyond the burst of the rate limit: the server needs a second or more to read them.
const HURRIED_LINES: u64 = 32;

/// Long enough to fall out of the window, and short enough not to be reset.
const NAP: Duration = Duration::from_secs(3);

/// A guest waits between its actions, so that it meets others.
const BREATH: Duration = Duration::from_millis(200);

/// A line longer than the server allows.
const LONG_LINE_BYTES: usize = 5000;

/// A guest talks to one of this many visitors before it, or to itself.
const OTHERS: u64 = 30;

/// The most actions of a guest between joining and leaving.
const DEEDS_MAX: u64 = 6;

/// Has visitors of all kinds come and go until all shall leave.
pub fn come_and_go(visitors: &mut Visitors) {
    for kind in KINDS.repeat(TIMES) {
        visitors.begin(kind.come_and_go(Rc::clone(&visitors.host)));
    }
    visitors.begin(come_as_neighbours(Rc::clone(&visitors.host)));
}

/// More clients connect from one address than may.
async fn come_as_neighbours(host: Rc<Host>) -> Outcome<()> {
    while !host.is_ending.get() {
        let told = "* too many connections from your address";
        let told = format!("{told} ({PER_ADDRESS}, --per-address)");
        come_together(&host, host.source(NEIGHBOURS), PER_ADDRESS, &told).await?;
        sleep(PAUSE).await;
    }
    Ok(())
}

/// Fills the server: more clients connect at once than it has `room` for.
pub async fn fill(host: Rc<Host>, room: usize) -> Outcome<()> {
    let told = format!("* server full ({MAX_CLIENTS})");
    come_together(&host, Ipv4Addr::LOCALHOST, room, &told).await
}

/// More clients than the server has `room` for connect at once, stay until all have an answer, and
/// reset.
async fn come_together(host: &Rc<Host>, from: Ipv4Addr, room: usize, refusal: &str) -> Outcome<()> {
    let connect = |nth| Visitor::connect(host, nth, from, WIDE_BYTES);
    let mut clients = (0..room + REFUSED).map(connect).collect::<Outcome<Vec<_>>>()?;
    let mut let_in = 0;
    for client in &mut clients {
        client.be_answered().await?;
        match &client.refusal {
            None => let_in += 1,
            Some(words) if words.starts_with(refusal) => {}
            Some(_) => return Err(client.fault("was refused").into()),
        }
    }
    match let_in == room {
        true => Ok(()),
        false => Err(Fault(format!("of {}: {let_in} let in, not {room}", clients.len())).into()),
    }
}

/// A client asks who is here. The answer must count `here` clients, with itself.
pub async fn ask(host: Rc<Host>, here: usize) -> Outcome<()> {
    let mut client = Visitor::connect(&host, "asks", Ipv4Addr::LOCALHOST, WIDE_BYTES)?;
    client.enter().await?;
    client.ask("/who", &[&format!("* {here} here: ")]).await?;
    quit(client).await
}

impl Kind {
    async fn come_and_go(self, host: Rc<Host>) -> Outcome<()> {
        let is_slow = matches!(self, Kind::Vanishes | Kind::Resets | Kind::NeverReads | Kind::Naps);
        let bytes = if is_slow { NARROW_BYTES } else { WIDE_BYTES };
        while !host.is_ending.get() {
            let client = Visitor::connect(&host, self, host.source(SINGLE), bytes)?;
            self.visit(client).await?;
            sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn visit(self, mut client: Visitor) -> Outcome<()> {
        let number = client.number;
        match self {
            Kind::Guest => guest(client).await,
            Kind::Naps => naps(client).await,
            Kind::Hurries => hurries(client).await,
            Kind::Stranger => stranger(client).await,
            Kind::Telnet => telnet(client).await,
            Kind::Vanishes => Ok(()),
            Kind::Resets => client.say(format!("reset of {number}\n")).await,
            Kind::NeverReads => {
                client.say(format!("deaf {number}\n")).await?;
                client.stay_deaf().await
            }
            Kind::HalfCloses => say_last(client, &format!("half of {number}")).await,
            Kind::Chunk => {
                let words = format!("chunk of {number}");
                client.enter().await?;
                client.say(&words).await?;
                client.hear(&[&format!(": {words}")]).await?;
                client.half_close().await;
                client.end().await
            }
            Kind::Endless => {
                client.enter().await?;
                client.say([b'e'; MAX_ENDLESS + 1]).await?;
                let told = format!("* closed: {MAX_ENDLESS} bytes without a line end");
                client.hear(&[&told]).await?;
                client.end().await
            }
            Kind::LongLine => {
                client.enter().await?;
                client.ask(&"l".repeat(LONG_LINE_BYTES), &["* line too long, not sent"]).await?;
                quit(client).await
            }
        }
    }
}

async fn guest(mut client: Visitor) -> Outcome<()> {
    let number = client.number;
    let name = &format!("v{number}");
    let mut chance = Chance(number);
    client.enter().await?;
    client.ask(&format!("/nick {name}"), &[&format!(" is now {name}")]).await?;
    for nth in 0..=chance.below(DEEDS_MAX) {
        // Perhaps a guest, and perhaps still here.
        let other = &format!("v{}", number.saturating_sub(chance.below(OTHERS)));
        for (words, answers) in deed(chance.below(8), name, nth, other) {
            let answers: Vec<&str> = answers.split('|').collect();
            client.ask(&words, &answers).await?;
        }
        sleep(BREATH).await;
    }
    let last = format!("last of {name}");
    match chance.below(4) {
        0 => quit(client).await,
        1 => say_last(client, &last).await,
        2 => say_last(client, &format!("{last}\n")).await,
        _ => client.say(&last).await,
    }
}

/// Says its last words, half-closes, and reads on until they have come and the server closes too.
async fn say_last(mut client: Visitor, words: &str) -> Outcome<()> {
    client.say(words).await?;
    client.half_close().await;
    client.enter().await?;
    client.hear(&[&format!(": {}", words.trim_end())]).await?;
    client.end().await
}

/// What a guest says, each with parts of the lines of which it then waits for one.
fn deed(what: u64, name: &str, nth: u64, other: &str) -> Vec<(String, String)> {
    let ask = |words: &str, answers: &str| (words.to_owned(), answers.to_owned());
    let who = || ask("/who", " here: ");
    let nobody = format!("* nobody here is called {other}");
    match what {
        0 => vec![who()],
        1 => {
            let does = format!("손을 {nth}번 흔듭니다");
            vec![ask(&format!("/me {does}"), &format!("~ {name} {does}"))]
        }
        2 => {
            let told = format!("[{name} -> {other}] psst {nth}|* not sent: {other} has|{nobody}");
            vec![ask(&format!("/msg {other} psst {nth}"), &told)]
        }
        3 => vec![ask("/history 5", "* now|* no history")],
        4 => {
            let unheard = format!("unheard {nth}\n/who");
            let (off, on) = (ask("/echo off", "* echo is off"), ask("/echo on", "* echo is on"));
            vec![off, ask(&unheard, " here: "), on]
        }
        5 if other != name => {
            let ignoring = format!("* ignoring {other}|{nobody}");
            vec![ask(&format!("/ignore {other}"), &ignoring), ask("/ignore", "* ignoring"), who()]
        }
        6 => {
            let words = format!("안녕하세요, {nth}번째 말입니다");
            vec![ask(&words, &format!("{name}: {words}"))]
        }
        _ => {
            let words = format!("hello number {nth}");
            vec![ask(&words, &format!("{name}: {words}"))]
        }
    }
}

async fn quit(mut client: Visitor) -> Outcome<()> {
    client.say("/quit bye\n").await?;
    client.end().await
}

/// On a machine that is suspended, the nap may be too long: then the server may reset it.
async fn naps(mut client: Visitor) -> Outcome<()> {
    client.enter().await?;
    client.nap(NAP).await?;
    // A private reply is never missed, whatever else is.
    match was_lost(client.ask("/who", &[" here: "]).await)? {
        true => client.give_up(),
        false => was_lost(quit(client).await).map(drop),
    }
}

async fn hurries(mut client: Visitor) -> Outcome<()> {
    let number = client.number;
    client.enter().await?;
    let lines = (0..HURRIED_LINES).map(|line| format!("hurry {number} {line}\n"));
    client.say(lines.collect::<String>()).await?;
    for line in 0..HURRIED_LINES {
        client.hear(&[&format!(": hurry {number} {line}")]).await?;
    }
    quit(client).await
}

async fn telnet(mut client: Visitor) -> Outcome<()> {
    let number = client.number;
    client.enter().await?;
    client.dialect = Dialect::Telnet;
    // Interrupt Process, and the question after it: IAC IP IAC DO TM.
    client.say(b"\xff\xf4\xff\xfd\x06").await?;
    client.say(format!("telnet {number}\r\n")).await?;
    client.hear(&[&format!(": telnet {number}\r")]).await?;
    client.say("/quit\r\n").await?;
    client.end().await
}

async fn stranger(mut client: Visitor) -> Outcome<()> {
    let (words, protocol) = match client.number % 3 {
        0 => (&b"OPTIONS * RTSP/1.0\r\n\r\n"[..], "RTSP"),
        1 => (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], "TLS"),
        _ => (&b"SSH-2.0-OpenSSH_9.2\r\n"[..], "SSH"),
    };
    client.say(words).await?;
    let told = format!("* this is a chat server and does not speak {protocol}");
    client.hear(&[&told]).await?;
    client.end().await
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
