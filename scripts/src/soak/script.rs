//! What each kind of visitor does, from its connect on.
//!
//! Its script and its number decide what a visitor sends and waits for. To drop a client resets its
//! connection.

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;

use crate::crowd::visit::Step::{self, *};
use crate::crowd::{Fault, Host, Outcome, Visitor, Visitors};

/// The server admits at most this many clients.
pub const MAX_CLIENTS: usize = 200;

/// The server admits at most this many clients of one address.
pub const PER_ADDRESS: usize = 8;

/// The server disconnects a client that sends this much without a line end.
pub const MAX_ENDLESS: usize = 16384;

/// The time between two visits of one, and between two tries of too many.
const PAUSE: Duration = Duration::from_millis(400);

/// How many more connect together than may, from one address or to a full server.
const REFUSED: usize = 4;

/// The networks of single visitors and of neighbours. The server exempts neither.
const SINGLE: u8 = 2;
const NEIGHBOURS: u8 = 3;

/// How many leave.
const BYE: Step = Say("/quit bye\n");

type Script = &'static [Step<'static>];

/// Takes a name, talks, uses commands, and leaves in one of several ways.
const GUEST: Script =
    &[Enter, Ask("/nick {me}", " is now {me}"), Repeat(3, &[OneOf(DEEDS)]), OneOf(ENDS)];

/// What a guest does. The other may be a guest too, and here.
const DEEDS: &[Script] = &[
    &[Ask("/who", " here: ")],
    &[Ask("hello number {nth}", "{me}: hello number {nth}")],
    &[Ask("안녕하세요, {nth}번째 말입니다", "{me}: 안녕하세요, {nth}번째 말입니다")],
    &[Ask("/me 손을 {nth}번 흔듭니다", "~ {me} 손을 {nth}번 흔듭니다")],
    &[
        Say("/msg {other} psst {nth}\n"),
        Hear(
            "[{me} -> {other}] psst {nth}|* not sent: {other} has|* nobody here is called {other}",
        ),
    ],
    &[Ask("/history 5", "* now|* no history")],
    &[
        Ask("/echo off", "* echo is off"),
        Ask("unheard {nth}\n/who", " here: "),
        Ask("/echo on", "* echo is on"),
    ],
    &[
        Ask("/ignore {other}", "* ignoring {other}|* nobody here is called {other}"),
        Ask("/ignore", "* ignoring"),
        Ask("/who", " here: "),
    ],
];

/// How a guest leaves.
const ENDS: &[Script] = &[
    &[BYE, End],
    &[Say("last of {me}"), HalfClose, Hear(": last of {me}"), End],
    &[Say("last of {me}\n"), HalfClose, Hear(": last of {me}"), End],
    &[Say("last of {me}")],
];

/// Connects and resets at once.
const VANISHES: Script = &[];

/// Sends something, and resets before it has read anything.
const RESETS: Script = &[Say("reset of {me}\n")];

/// Never reads, and stays until the server resets it.
const DEAF: Script = &[Say("deaf {me}\n"), StayDeaf];

/// Reads nothing for a while: long enough to fall out of the window, and short enough not to be
/// reset. Then it reads everything. A private reply is never missed, whatever else is.
///
/// On a machine that is suspended, the nap may be too long: then the server may reset it.
const NAPS: Script = &[Enter, Nap(Duration::from_secs(3)), Ask("/who", " here: "), BYE, End];

/// Sends something and half-closes at once, like `echo hi | nc -N`.
const HALF: Script = &[Say("half of {me}"), HalfClose, Enter, Hear(": half of {me}"), End];

/// Sends something without a line end.
const CHUNK: Script = &[Enter, Say("chunk of {me}"), Hear(": chunk of {me}"), HalfClose, End];

/// Sends too much without a line end.
const ENDLESS: Script =
    &[Enter, Send(&[b'e'; MAX_ENDLESS + 1]), Hear("* closed: 16384 bytes without a line end"), End];

/// Sends a line that is longer than the server allows.
const LONG: Script = &[Enter, Send(&[b'l'; 5000]), Ask("", "* line too long, not sent"), BYE, End];

/// Sends more at once than its rate limit allows: the server needs a second or more to read it.
const HURRIES: Script =
    &[Enter, Repeat(32, &[Say("{me} {nth}\n")]), Repeat(32, &[Hear(": {me} {nth}\n")]), BYE, End];

/// Speaks telnet.
const TELNET: Script =
    &[Enter, Interrupt, Ask("telnet {me}\r", ": telnet {me}\r"), Say("/quit\r\n"), End];

/// Speaks a protocol that is not chat.
const RTSP: Script =
    &[Ask("OPTIONS * RTSP/1.0\r\n\r", "* this is a chat server and does not speak RTSP"), End];
/// See [`RTSP`].
const TLS: Script =
    &[Ask("\x16\x03\x01\x02\x00\x01", "* this is a chat server and does not speak TLS"), End];
/// See [`RTSP`].
const SSH: Script =
    &[Ask("SSH-2.0-OpenSSH_9.2\r", "* this is a chat server and does not speak SSH"), End];

/// One visitor for each of these comes again and again; some kinds are more frequent.
const KINDS: [Script; 25] = [
    GUEST, VANISHES, HALF, GUEST, RTSP, GUEST, CHUNK, DEAF, GUEST, NAPS, TELNET, RESETS, GUEST,
    HURRIES, TLS, GUEST, VANISHES, GUEST, ENDLESS, HALF, GUEST, SSH, LONG, NAPS, GUEST,
];

/// So many of each.
const TIMES: usize = 2;

/// Has visitors of all kinds come and go until all shall leave.
pub fn come_and_go(visitors: &mut Visitors) {
    for script in KINDS.repeat(TIMES) {
        visitors.begin(come_again(Rc::clone(&visitors.host), script));
    }
    visitors.begin(come_as_neighbours(Rc::clone(&visitors.host)));
}

async fn come_again(host: Rc<Host>, script: Script) -> Outcome<()> {
    while !host.is_ending.get() {
        Visitor::connect(&host, host.source(SINGLE), script)?.play(script).await?;
        sleep(PAUSE).await;
    }
    Ok(())
}

/// More clients connect from one address than may.
async fn come_as_neighbours(host: Rc<Host>) -> Outcome<()> {
    let refusal =
        format!("* too many connections from your address ({PER_ADDRESS}, --per-address)");
    while !host.is_ending.get() {
        come_together(&host, host.source(NEIGHBOURS), PER_ADDRESS, &refusal).await?;
        sleep(PAUSE).await;
    }
    Ok(())
}

/// Fills the server: more clients connect at once than it has `room` for.
pub async fn fill(host: Rc<Host>, room: usize) -> Outcome<()> {
    come_together(&host, Ipv4Addr::LOCALHOST, room, &format!("* server full ({MAX_CLIENTS})")).await
}

/// More clients than the server has `room` for connect at once, stay until all have an answer, and
/// reset.
async fn come_together(host: &Rc<Host>, from: Ipv4Addr, room: usize, refusal: &str) -> Outcome<()> {
    let connect = |_| Visitor::connect(host, from, &[]);
    let mut clients = (0..room + REFUSED).map(connect).collect::<Outcome<Vec<_>>>()?;
    let answer = format!("* welcome, |{refusal}");
    for client in &mut clients {
        client.play(&[Hear(&answer)]).await?;
    }
    match clients.iter().filter(|client| client.is_welcomed == Some(true)).count() {
        let_in if let_in == room => Ok(()),
        let_in => Err(Fault(format!("of {}: {let_in} let in, not {room}", clients.len())).into()),
    }
}

/// A client asks who is here. The answer must count `here` clients, with itself.
pub async fn ask(host: Rc<Host>, here: usize) -> Outcome<()> {
    let answer = format!("* {here} here: ");
    let script = [Enter, Ask("/who", &answer), BYE, End];
    Visitor::connect(&host, Ipv4Addr::LOCALHOST, &script)?.play(&script).await
}
