//! One client that connects for a while. What it does is a list of [`Step`]s.
//!
//! What always holds: every line of the authors that it reads is right, as its [`Ear`] checks. What
//! it waits for longer than [`PATIENCE`] is a fault. Dropping it resets the connection.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use chinwag::words::notice::Notice;
use socket2::SockRef;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::TcpStream;
use tokio::time::{error::Elapsed, sleep, timeout};

use Step::*;

use super::ear::Ear;
use super::record::{LINE_BYTES_MAX, refused};
use super::sockets::connect_from;
use super::{Dialect, Fault, Host, Outcome, PATIENCE, text};

/// How often a client that drips reads a byte, and one that is deaf looks whether it was reset.
const DRIP: Duration = Duration::from_millis(100);

/// A client waits before it does one of several things, so that it meets others.
const BREATH: Duration = Duration::from_millis(200);

/// The receive buffer of a visitor that reads, and of one that leaves data unread.
const WIDE_BYTES: usize = 64 * 1024;
/// See [`WIDE_BYTES`].
const NARROW_BYTES: usize = 2048;

/// What a visitor does next.
///
/// In its words, `{me}` stands for its name, and `{other}` for that of its neighbour: `v6` and `v7`
/// are neighbours. `{nth}` counts what it repeats, from 0.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// Waits for its welcome, if it has none yet.
    Enter,
    /// Sends these words, which may be a part of a line.
    Say(&'a str),
    /// Sends these bytes.
    Send(&'a [u8]),
    /// Interrupts the server with commands of telnet, and speaks that from now on.
    Interrupt,
    /// Waits for a line that contains these words, or others behind a `|`.
    Hear(&'a str),
    /// Sends a line, and waits for such an answer.
    Ask(&'a str, &'a str),
    /// Reads nothing for this long. Then it can keep up again.
    Nap(Duration),
    /// Reads nothing, until the server resets the connection or all shall leave.
    StayDeaf,
    /// Reads a byte now and then, until the server ends the connection. Once the last line of all
    /// is sent, reads on until that has come.
    Drip,
    /// Sends no more.
    HalfClose,
    /// Waits until the server closes the connection in order.
    End,
    /// Waits until the server ends the connection in any way.
    EndAnyhow,
    /// Takes these steps so many times.
    Repeat(u64, &'a [Step<'a>]),
    /// Waits a moment, and then does one of these. Its number decides which.
    OneOf(&'a [&'a [Step<'a>]]),
}

impl Step<'_> {
    /// Whether it leaves data unread for a while.
    fn is_slow(&self) -> bool {
        matches!(self, Nap(_) | StayDeaf | Drip)
    }
}

/// One visitor.
#[derive(Debug)]
pub struct Visitor {
    /// `true` once it was welcomed, `false` once it was refused.
    pub is_welcomed: Option<bool>,
    /// It is the visitor of this number, from 1 on.
    number: u64,
    nth: u64,
    /// It has left data unread. So the server may reset it.
    is_slow: bool,
    host: Rc<Host>,
    socket: BufReader<TcpStream>,
    dialect: Dialect,
    ear: Ear,
    /// What it has read of the next line.
    line: Vec<u8>,
    /// The last whole line that it read.
    last: String,
}

impl Visitor {
    /// Begins to connect from this address, if the server is on this machine. If one of these steps
    /// reads nothing for a while, the receive buffer is small.
    pub fn connect(host: &Rc<Host>, source: Ipv4Addr, steps: &[Step]) -> Outcome<Visitor> {
        let is_narrow = steps.iter().any(Step::is_slow);
        let receive_buffer_bytes = if is_narrow { NARROW_BYTES } else { WIDE_BYTES };
        let socket = connect_from(Some(source), host.address, receive_buffer_bytes)?;
        host.tally.borrow_mut().visits += 1;
        Ok(Visitor {
            is_welcomed: None,
            number: host.tally.borrow().visits,
            nth: 0,
            is_slow: false,
            host: Rc::clone(host),
            socket: BufReader::new(TcpStream::from_std(socket)?),
            dialect: Dialect::Plain,
            ear: Ear::default(),
            line: Vec::new(),
            last: String::new(),
        })
    }

    /// Takes these steps. A server may reset a visitor that has left data unread: then the rest is
    /// left out.
    pub async fn play(&mut self, steps: &[Step<'_>]) -> Outcome<()> {
        for step in steps {
            self.is_slow |= step.is_slow();
            let what = match self.take(*step).await {
                Ok(true) => continue,
                Ok(false) => "was disconnected".to_owned(),
                // The fault tells which of the steps within it.
                Err(error) if matches!(step, Repeat(..) | OneOf(_)) => return Err(error),
                Err(error) if matches!(step, EndAnyhow) && error.is::<io::Error>() => continue,
                Err(error) if error.is::<Elapsed>() => "waits in vain".to_owned(),
                Err(error) if error.is::<io::Error>() => {
                    if self.is_slow {
                        self.host.tally.borrow_mut().given_up += 1;
                        return Ok(());
                    }
                    format!("was lost ({error})")
                }
                Err(error) => error.downcast::<Fault>()?.0,
            };
            let [step, last] = [&format!("{step:?}"), &self.last].map(|it| text(it.as_bytes()));
            let doing = format!("visitor {} at {step}, after it received {last:?}", self.number);
            return Err(Fault(format!("{what} ({doing})")).into());
        }
        Ok(())
    }

    /// Takes one step. `false`: the server has closed the connection in order before.
    async fn take(&mut self, step: Step<'_>) -> Outcome<bool> {
        match step {
            Enter => {
                let has_answer = |it: &Visitor| it.is_welcomed.is_some();
                let is_answered = has_answer(self) || self.read_until(has_answer).await?;
                return match self.is_welcomed {
                    Some(false) => Err(refused(self.last.trim_end().as_bytes())),
                    _ => Ok(is_answered),
                };
            }
            Say(words) => self.send(self.fill(words).as_bytes()).await?,
            Send(bytes) => self.send(bytes).await?,
            Interrupt => {
                self.dialect = Dialect::Telnet;
                // Interrupt Process, and the question after it: IAC IP IAC DO TM.
                self.send(b"\xff\xf4\xff\xfd\x06").await?;
            }
            Hear(words) => return self.hear(&self.fill(words)).await,
            Ask(words, answer) => {
                self.send((self.fill(words) + "\n").as_bytes()).await?;
                return self.hear(&self.fill(answer)).await;
            }
            Nap(time) => {
                sleep(time).await;
                self.widen()?;
            }
            StayDeaf => {
                // Of all interests, only this one takes an end and not what comes before it.
                let ended = || self.socket.get_ref().ready(Interest::PRIORITY);
                while !self.host.is_ending.get() {
                    if timeout(DRIP, ended()).await.is_ok() {
                        return Err(io::Error::from(ErrorKind::ConnectionReset).into());
                    }
                }
            }
            Drip => self.drip().await?,
            // The server may have closed the connection in the meantime.
            HalfClose => self.socket.shutdown().await.unwrap_or_default(),
            End | EndAnyhow => drop(self.read_until(|_| false).await?),
            Repeat(times, steps) => {
                for nth in 0..times {
                    self.nth = nth;
                    Box::pin(self.play(steps)).await?;
                }
            }
            OneOf(ways) => {
                sleep(BREATH).await;
                let chance = BuildHasherDefault::<DefaultHasher>::default();
                let chance = chance.hash_one((self.number, self.nth, ways.len())) as usize;
                Box::pin(self.play(ways[chance % ways.len()])).await?;
            }
        }
        Ok(true)
    }

    fn fill(&self, words: &str) -> String {
        let [me, other] = [self.number, self.number ^ 1].map(|number| format!("v{number}"));
        let words = words.replace("{me}", &me).replace("{other}", &other);
        words.replace("{nth}", &self.nth.to_string())
    }

    async fn send(&mut self, bytes: &[u8]) -> Outcome<()> {
        Ok(timeout(PATIENCE, self.socket.write_all(bytes)).await??)
    }

    async fn hear(&mut self, words: &str) -> Outcome<bool> {
        let is_it = |it: &Visitor| words.split('|').any(|words| it.last.contains(words));
        self.read_until(|it| !it.ear.is_in_history && is_it(it)).await
    }

    fn widen(&self) -> io::Result<()> {
        SockRef::from(self.socket.get_ref()).set_recv_buffer_size(WIDE_BYTES)
    }

    async fn drip(&mut self) -> Outcome<()> {
        while !self.host.is_ending.get() {
            sleep(DRIP).await;
            // What is not held already is taken byte by byte, so that the rest waits elsewhere.
            let byte = match self.socket.buffer() {
                [] => timeout(DRIP, self.socket.get_mut().read_u8()).await,
                _ => Ok(self.socket.read_u8().await),
            };
            let Ok(byte) = byte else { continue };
            let byte = byte?;
            self.line.push(byte);
            if byte == b'\n' {
                self.take_line()?;
            }
        }
        self.widen()?;
        // There may be many lines, and time for each.
        while !self.ear.has_ended {
            if !self.read_until(|_| true).await? {
                return Err(io::Error::from(ErrorKind::UnexpectedEof).into());
            }
        }
        Ok(())
    }

    /// Reads on until `is_it` says so after a line. If the server closes the connection before,
    /// that is `false`.
    async fn read_until(&mut self, is_it: impl Fn(&Visitor) -> bool) -> Outcome<bool> {
        let read = async {
            loop {
                let mut read = (&mut self.socket).take(LINE_BYTES_MAX as u64);
                read.read_until(b'\n', &mut self.line).await?;
                if self.line.is_empty() {
                    return Ok(false);
                }
                self.take_line()?;
                if is_it(self) {
                    return Ok(true);
                }
            }
        };
        timeout(PATIENCE, read).await?
    }

    /// Checks the line that it has read.
    fn take_line(&mut self) -> Outcome<()> {
        let line = std::mem::take(&mut self.line);
        self.last = String::from_utf8_lossy(&line).into_owned();
        if !line.ends_with(b"\n") {
            return Err(Fault("received a line without an end".to_owned()).into());
        }
        let (record, mut tally) = (self.host.record.borrow(), self.host.tally.borrow_mut());
        let words = self.dialect.words(&line);
        match self.ear.take(words, &record, &mut tally)? {
            Some(Notice::Welcome { .. }) => {
                let from = format!("({})", self.socket.get_ref().local_addr()?);
                let is_right = !self.host.shows_addresses || self.last.contains(&from);
                if self.is_welcomed.is_some() || !is_right {
                    return Err(Fault(format!("{from} is welcomed wrongly")).into());
                }
                self.is_welcomed = Some(true);
                tally.welcomed += 1;
            }
            Some(Notice::Full { .. } | Notice::TooManyFromAddress { .. }) => {
                self.is_welcomed = Some(false);
                tally.refused += 1;
            }
            _ => {}
        }
        Ok(())
    }
}
