//! One client that connects for a while. What it does is an `async fn` of its own, made of these
//! steps: wait for the welcome, say something, wait for a line, half-close, read nothing, drip.
//!
//! What always holds: every line of the authors that it reads is right, as its [`Ear`] checks. What
//! it waits for longer than [`PATIENCE`] is a fault. Dropping it resets the connection.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use chinwag::words::notice::Notice;
use socket2::SockRef;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::dialect::Dialect;
use super::ear::Ear;
use super::record::{LINE_BYTES_MAX, refused, text};
use super::sockets::connect_from;
use super::visitors::Host;
use super::{Fault, Outcome, PATIENCE};

/// How often a client that drips reads a byte.
const DRIP: Duration = Duration::from_millis(100);

/// The receive buffer of a visitor that reads, and of one that leaves data unread.
pub const WIDE_BYTES: usize = 64 * 1024;
/// See [`WIDE_BYTES`].
pub const NARROW_BYTES: usize = 2048;

/// Whether a step failed because the server has reset the connection, and for no other reason.
pub fn was_lost(step: Outcome<()>) -> Outcome<bool> {
    match step {
        Err(error) if error.is::<io::Error>() => Ok(true),
        step => step.map(|()| false),
    }
}

/// One visitor.
#[derive(Debug)]
pub struct Visitor {
    /// How it reads lines.
    pub dialect: Dialect,
    /// The refusal that it read instead of a welcome.
    pub refusal: Option<String>,
    is_welcomed: bool,
    /// How many visitors connected before.
    pub number: u64,
    kind: String,
    host: Rc<Host>,
    /// The address that it connects from.
    from: String,
    socket: BufReader<TcpStream>,
    ear: Ear,
    /// What it has read of the next line.
    line: Vec<u8>,
    /// The last whole line that it read.
    last: String,
    /// What it does.
    step: String,
}

impl Visitor {
    /// Begins to connect from this address, if the server is on this machine.
    pub fn connect(
        host: &Rc<Host>,
        kind: impl fmt::Debug,
        source: Ipv4Addr,
        receive_buffer_bytes: usize,
    ) -> Outcome<Visitor> {
        let socket = connect_from(Some(source), host.address, receive_buffer_bytes)?;
        let number = host.tally.borrow().visits;
        host.tally.borrow_mut().visits += 1;
        Ok(Visitor {
            dialect: Dialect::Plain,
            refusal: None,
            is_welcomed: false,
            number,
            kind: format!("{kind:?}"),
            host: Rc::clone(host),
            from: socket.local_addr()?.to_string(),
            socket: BufReader::new(TcpStream::from_std(socket)?),
            ear: Ear::default(),
            line: Vec::new(),
            last: String::new(),
            step: String::new(),
        })
    }

    /// Waits for its welcome, if it has none yet.
    pub async fn enter(&mut self) -> Outcome<()> {
        self.be_answered().await?;
        self.refusal.as_ref().map_or(Ok(()), |words| Err(refused(words.as_bytes())))
    }

    /// Waits for its welcome or for a refusal, if it has neither yet.
    pub async fn be_answered(&mut self) -> Outcome<()> {
        if self.is_welcomed {
            return Ok(());
        }
        self.wait_for("enter".to_owned(), |it, _| it.is_welcomed || it.refusal.is_some()).await
    }

    /// Waits for a line that contains one of these.
    pub async fn hear(&mut self, words: &[&str]) -> Outcome<()> {
        let is_one = |line: &str| words.iter().any(|words| line.contains(words));
        let step = format!("hear {words:?}");
        self.wait_for(step, |it, line| !it.ear.is_in_history && is_one(line)).await
    }

    /// Sends these bytes.
    pub async fn say(&mut self, words: impl AsRef<[u8]>) -> Outcome<()> {
        self.step = format!("say {:?}", text(words.as_ref()));
        match timeout(PATIENCE, self.socket.write_all(words.as_ref())).await {
            Ok(said) => said.map_err(|error| self.lost(&error)),
            Err(_) => Err(self.fault("waits in vain").into()),
        }
    }

    /// Sends a line, and waits for one that contains one of these.
    pub async fn ask(&mut self, words: &str, answers: &[&str]) -> Outcome<()> {
        self.say(format!("{words}\n")).await?;
        self.hear(answers).await
    }

    /// Sends no more.
    pub async fn half_close(&mut self) {
        // The server may have closed the connection in the meantime.
        self.socket.shutdown().await.unwrap_or_default();
    }

    /// Waits until the server closes the connection in order.
    pub async fn end(mut self) -> Outcome<()> {
        self.step = "end".to_owned();
        self.read_until(|_, _| false).await.map(drop)
    }

    /// Reads nothing for this long. Then it can keep up again.
    pub async fn nap(&mut self, time: Duration) -> io::Result<()> {
        sleep(time).await;
        SockRef::from(self.socket.get_ref()).set_recv_buffer_size(WIDE_BYTES)
    }

    /// Reads nothing, until the server ends the connection or all shall leave.
    pub async fn stay_deaf(self) -> Outcome<()> {
        // Of all interests, only this one takes an end and not what comes before it.
        let ended = || self.socket.get_ref().ready(Interest::PRIORITY);
        while !self.host.is_ending.get() {
            if timeout(DRIP, ended()).await.is_ok() {
                return self.give_up();
            }
        }
        Ok(())
    }

    /// Reads a byte now and then, until the server ends the connection. Once the last line of all
    /// is sent, reads on until that has come.
    pub async fn drip(mut self) -> Outcome<()> {
        self.step = "drip".to_owned();
        while !self.host.is_ending.get() {
            sleep(DRIP).await;
            // What is not held already is taken byte by byte, so that the rest waits elsewhere.
            let byte = match self.socket.buffer() {
                [] => self.socket.get_mut().read_u8().await,
                _ => self.socket.read_u8().await,
            };
            let Ok(byte) = byte else { return self.give_up() };
            self.line.push(byte);
            if byte == b'\n' {
                self.take_line()?;
            }
        }
        self.nap(Duration::ZERO).await?;
        self.step = "hear the last line".to_owned();
        // There may be many lines, and time for each.
        while !self.ear.has_ended {
            match self.read_until(|_, _| true).await {
                Ok(true) => {}
                Err(error) if !error.is::<io::Error>() => return Err(error),
                Ok(false) | Err(_) => return self.give_up(),
            }
        }
        Ok(())
    }

    /// Reads on until `is_it` says so after a line.
    async fn wait_for(
        &mut self,
        step: String,
        is_it: impl Fn(&Visitor, &str) -> bool,
    ) -> Outcome<()> {
        self.step = step;
        match self.read_until(is_it).await? {
            true => Ok(()),
            false => Err(self.fault("was disconnected").into()),
        }
    }

    /// Reads on until `is_it` says so after a line. If the server closes the connection before,
    /// that is `false`.
    async fn read_until(&mut self, is_it: impl Fn(&Visitor, &str) -> bool) -> Outcome<bool> {
        let wait = async {
            while let Some(line) = self.line().await? {
                if is_it(self, &line) {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        let wait = timeout(PATIENCE, wait).await;
        wait.unwrap_or_else(|_| Err(self.fault("waits in vain").into()))
    }

    /// The next line. `None`: the server has closed the connection in order.
    async fn line(&mut self) -> Outcome<Option<String>> {
        let mut read = (&mut self.socket).take(LINE_BYTES_MAX as u64);
        match read.read_until(b'\n', &mut self.line).await {
            Ok(_) if self.line.is_empty() => Ok(None),
            Ok(_) => self.take_line().map(Some),
            Err(error) => Err(self.lost(&error)),
        }
    }

    /// Checks the line that it has read.
    fn take_line(&mut self) -> Outcome<String> {
        let line = std::mem::take(&mut self.line);
        self.last = text(&line);
        if !line.ends_with(b"\n") {
            return Err(self.fault("received a line without an end").into());
        }
        let told = self.ear.take(self.dialect.words(&line), &self.host.record.borrow())?;
        let mut tally = self.host.tally.borrow_mut();
        match told {
            Some(Notice::Welcome { .. }) => {
                let from = format!("({})", self.from);
                if self.is_welcomed || self.host.shows_addresses && !self.last.contains(&from) {
                    return Err(self.fault(&format!("{from} is welcomed wrongly")).into());
                }
                self.is_welcomed = true;
                tally.welcomed += 1;
            }
            Some(Notice::Full { .. } | Notice::TooManyFromAddress { .. }) => {
                self.refusal = Some(self.last.trim_end().to_owned());
                tally.refused += 1;
            }
            _ => {}
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    fn lost(&self, error: &io::Error) -> Box<dyn Error> {
        io::Error::new(error.kind(), self.fault(&format!("was lost ({error})"))).into()
    }

    /// The server has reset it because it did not read.
    pub fn give_up(&self) -> Outcome<()> {
        self.host.tally.borrow_mut().given_up += 1;
        Ok(())
    }

    /// A fault, with what the visitor is doing.
    pub fn fault(&self, what: &str) -> Fault {
        let Visitor { number, kind, step, last, .. } = self;
        Fault(format!("visitor {number} ({kind}) {what} at {step}, after it received {last:?}"))
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        let mut tally = self.host.tally.borrow_mut();
        tally.messages += self.ear.messages;
        tally.missed += self.ear.missed;
    }
}
