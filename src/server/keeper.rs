//! The server's end of the keeper: the process that writes what is kept over a restart.
//!
//! The server never touches a disk while it runs. It hands the newest content of a file to the
//! [keeper](crate::keep) by a socket that never blocks. A keeper that is slow gets only the newest
//! content of each file. So memory has a bound, however long the disk takes. A keeper that has
//! ended is started again, and gets the newest content of every file again: nobody knows what it
//! has written. What is added to the log waits until it is written: see [`runs`](super::runs).
//!
//! This file knows neither the poll nor what the files are for.

use std::collections::BTreeMap;
use std::env;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use log::{info, warn};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use crate::config::Config;
use crate::keep::folder::Folder;
use crate::keep::frame::{FILE_BYTES_MAX, Verb, replace_line};
use crate::keep::tally::Tally;
use crate::server::journal::Journal;
use crate::server::runs::{Runs, Said};
use crate::stdio::backlog::Backlog;
use crate::stdio::own_program;
use crate::stdio::priority;
use crate::stdio::sink::Written;

/// How long to wait before a keeper that has ended is started again: twice as long each time, until
/// one has lived for [`PAUSE_MAX`].
pub const PAUSE_MIN: Duration = Duration::from_secs(1);

/// The longest such pause.
pub const PAUSE_MAX: Duration = Duration::from_secs(30);

/// How long a start waits for the keeper to write its first line: longer than a usual disk takes.
/// After that the server does not start.
const BEGIN_WAIT: Duration = Duration::from_secs(10);

/// What the log says of lines that nobody has counted.
const UNKNOWN: &str = "an unknown number of lines";

/// The keeper as the server sees it.
#[derive(Debug)]
pub struct Keeper {
    program: PathBuf,
    dir: PathBuf,
    /// For how long the log is kept; 0 for ever.
    days: u32,
    stderr: OwnedFd,
    /// The last process that was started. It may have ended.
    child: Option<Child>,
    link: Link,
    pause: Duration,
    files: BTreeMap<&'static str, Content>,
    runs: Runs,
    /// Shared with the process.
    tally: Tally,
}

/// The newest content of a file.
#[derive(Debug)]
struct Content {
    bytes: Vec<u8>,
    /// The process that runs now has been sent it, or is being sent it.
    is_sent: bool,
}

/// What connects the server to the keeper.
#[derive(Debug)]
enum Link {
    Up(Wire),
    /// The keeper has ended, and is started again then.
    Down {
        retry_at: Instant,
    },
}

/// A connection to a process that runs.
#[derive(Debug)]
struct Wire {
    socket: UnixStream,
    since: Instant,
    /// The poll knows the socket.
    is_watched: bool,
    readable: bool,
    writable: bool,
    /// The rest of the frame that is being sent.
    sending: Backlog,
}

/// The keeper of the directory of `--keep`; `None` without that flag.
pub fn start(config: &Config, journal: &Journal) -> io::Result<Option<Keeper>> {
    let Some(dir) = &config.keep else { return Ok(None) };
    let (days, stderr) = (config.keep_days, journal.stderr()?);
    Keeper::start(&own_program()?, dir, days, stderr, Instant::now()).map(Some)
}

impl Keeper {
    /// Starts `program keep DIR`, which keeps the log for so many days, or with 0 for ever, and
    /// prints its errors on `stderr`. Call it before any file of the directory is read: it waits
    /// until an earlier keeper has written its last. An error is that the directory cannot be had,
    /// or the program not be started.
    pub fn start(
        program: &Path,
        dir: &Path,
        days: u32,
        stderr: OwnedFd,
        now: Instant,
    ) -> io::Result<Keeper> {
        drop(Folder::open(dir)?);
        let mut keeper = Keeper {
            program: program.to_owned(),
            dir: dir.to_owned(),
            days,
            stderr,
            child: None,
            link: Link::Down { retry_at: now },
            pause: PAUSE_MIN,
            files: BTreeMap::new(),
            runs: Runs::default(),
            tally: Tally::new()?,
        };
        keeper.spawn(now)?;
        Ok(keeper)
    }

    /// Has the log say that a server starts, with these words, and waits until that is on the disk.
    /// Call it after [`Keeper::start`], before any client is served. `number` is larger than that
    /// of any line of the log. If the log does not say how the last server ended, it says now that
    /// nobody knows how many lines are missing.
    pub fn begin(
        &mut self,
        words: &str,
        is_complete: bool,
        number: u64,
        unix_millis: u64,
    ) -> io::Result<()> {
        self.runs.number_own(number);
        if !is_complete {
            self.runs.push_own(Verb::Missed, UNKNOWN, 0, unix_millis);
        }
        self.runs.push_own(Verb::Start, words, 0, unix_millis);
        let deadline = Instant::now() + BEGIN_WAIT;
        while let Link::Up(wire) = &mut self.link
            && wire.exchange(&mut self.files, &mut self.runs)
        {
            if self.runs.is_written() {
                return Ok(());
            }
            match deadline.saturating_duration_since(Instant::now()) {
                Duration::ZERO => break,
                left => wire.wait(left)?,
            }
        }
        Err(io::Error::new(ErrorKind::TimedOut, "the keeper cannot write the log"))
    }

    /// Keeps this as the whole content of a file. It replaces what was not sent yet of the same
    /// file, and never waits. More than the keeper takes is logged, and not kept.
    pub fn replace(&mut self, name: &'static str, content: Vec<u8>) {
        if content.len() > FILE_BYTES_MAX {
            warn!("{name} is not kept: {} bytes are more than {FILE_BYTES_MAX}", content.len());
            return;
        }
        self.files.insert(name, Content { bytes: content, is_sent: false });
    }

    /// Adds what was said to the log, in `pieces` of this many bytes together, and never waits.
    pub fn add<'a>(
        &mut self,
        said: Said<'_>,
        bytes: usize,
        pieces: impl Iterator<Item = &'a [u8]>,
    ) {
        self.runs.push(said, bytes, pieces);
    }

    /// Tells the log what is missing there, once there is room for that.
    pub fn tell_missed(&mut self, unix_millis: u64) {
        self.runs.tell_missed(unix_millis);
    }

    /// Whether lines are missing that it was not told of.
    pub fn has_missed(&self) -> bool {
        self.runs.has_missed()
    }

    /// The socket has had an event.
    pub fn note(&mut self, readable: bool, writable: bool) {
        if let Link::Up(wire) = &mut self.link {
            wire.readable |= readable;
            wire.writable |= writable;
        }
    }

    /// Sends what is not sent yet, as far as the socket takes it, and starts the keeper again if it
    /// has ended. Call it in each turn.
    ///
    /// It returns a socket that the poll does not know yet: watch it edge-triggered, for reading
    /// and writing. Closing it ends that.
    pub fn speak(&mut self, now: Instant) -> Option<RawFd> {
        if let Link::Down { retry_at } = self.link
            && retry_at <= now
        {
            self.start_again(now);
        }
        let Link::Up(wire) = &mut self.link else { return None };
        if !wire.exchange(&mut self.files, &mut self.runs) {
            self.lose("the keeper has ended", now);
            return None;
        }
        if self.runs.has_missed() || !self.runs.unsent().is_empty() {
            // Before they are offered to any client.
            self.tally.note(self.runs.lines_for_keeper());
        }
        let is_new = !std::mem::replace(&mut wire.is_watched, true);
        is_new.then(|| wire.socket.as_raw_fd())
    }

    /// The keeper is of no use any more, for this reason: end the connection, and start another
    /// after a pause. The process ends when it notices.
    pub fn lose(&mut self, why: &str, now: Instant) {
        if let Link::Up(wire) = &self.link
            && now.saturating_duration_since(wire.since) >= PAUSE_MAX
        {
            self.pause = PAUSE_MIN;
        }
        let seconds = self.pause.as_secs();
        warn!("{why}: nothing is kept until it is started again, in {seconds} s");
        // A process that still lives must not take the end of its input for that of the server.
        self.tally.forget();
        self.link = Link::Down { retry_at: now + self.pause };
        self.pause = PAUSE_MAX.min(2 * self.pause);
        self.files.values_mut().for_each(|content| content.is_sent = false);
        self.runs.send_again();
    }

    /// The server stops: a keeper that has ended is started again at once.
    pub fn hurry(&mut self, now: Instant) {
        if let Link::Down { retry_at } = &mut self.link {
            *retry_at = now.min(*retry_at);
        }
    }

    /// Whether there is something that no keeper has been sent yet.
    pub fn is_behind(&self) -> bool {
        let is_sending = match &self.link {
            Link::Up(wire) => !wire.sending.is_empty(),
            Link::Down { .. } => false,
        };
        let has_unsent = self.files.values().any(|content| !content.is_sent);
        is_sending || has_unsent || !self.runs.unsent().is_empty()
    }

    /// When to call [`Keeper::speak`] next, even if nothing happens: at once if it can do more.
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        match &self.link {
            Link::Down { retry_at } => Some(*retry_at),
            Link::Up(wire) => {
                let can_send = wire.writable && self.is_behind();
                (can_send || wire.readable || !wire.is_watched).then_some(now)
            }
        }
    }

    /// The number of the process, for a test that does something to it.
    pub fn process(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    fn start_again(&mut self, now: Instant) {
        match self.spawn(now) {
            Ok(()) => info!("the keeper is started again"),
            Err(error) => self.lose(&format!("the keeper cannot be started ({error})"), now),
        }
    }

    /// Starts a process, after the last one has ended.
    fn spawn(&mut self, now: Instant) -> io::Result<()> {
        if let Some(child) = &mut self.child
            && child.try_wait()?.is_none()
        {
            return Err(io::Error::new(ErrorKind::WouldBlock, "the last has not ended yet"));
        }
        self.child = None;
        let (socket, its) = UnixStream::pair()?;
        socket.set_nonblocking(true)?;
        let mut command = Command::new(&self.program);
        // Variables are for the server, but for the one that says what standard error is.
        command.arg("keep").arg(&self.dir).arg("--frames").env_clear();
        command.envs(env::var_os(priority::VARIABLE).map(|told| (priority::VARIABLE, told)));
        command.args(["--days", &self.days.to_string()]);
        command.stdin(OwnedFd::from(its)).stdout(self.tally.share()?);
        command.stderr(self.stderr.try_clone()?);
        self.tally.note(self.runs.lines_for_keeper());
        self.child = Some(command.spawn()?);
        self.link = Link::Up(Wire {
            socket,
            since: now,
            is_watched: false,
            readable: false,
            writable: true,
            sending: Backlog::default(),
        });
        Ok(())
    }
}

/// The server ends. What was sent is written, though the server has ended; the rest is not.
impl Drop for Keeper {
    fn drop(&mut self) {
        if self.is_behind() {
            warn!("not everything is kept: there was no time to send it to the keeper");
        }
    }
}

impl Wire {
    /// Takes and sends what it can. Returns whether the keeper still takes part.
    fn exchange(&mut self, files: &mut BTreeMap<&'static str, Content>, runs: &mut Runs) -> bool {
        !self.receive(runs) && self.send(files, runs)
    }

    /// Waits until the keeper has sent something: only at the start, without the poll.
    fn wait(&mut self, most: Duration) -> io::Result<()> {
        let timeout = Timespec::try_from(most).ok();
        let mut polled = [PollFd::new(&self.socket, PollFlags::IN)];
        match rustix::event::poll(&mut polled, timeout.as_ref()) {
            Ok(_) => self.readable = true,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Takes a byte for each frame of the log that was written. Returns whether the keeper has
    /// closed its end.
    fn receive(&mut self, runs: &mut Runs) -> bool {
        while self.readable {
            match self.socket.read(&mut [0; 1024]) {
                Ok(0) => return true,
                Ok(frames) => runs.note_written(frames),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => self.readable = false,
                    ErrorKind::Interrupted => {}
                    _ => return true,
                },
            }
        }
        false
    }

    /// Sends one frame after the other, files before the log, and begins none before the last has
    /// gone. Returns whether the keeper still takes them.
    fn send(&mut self, files: &mut BTreeMap<&'static str, Content>, runs: &mut Runs) -> bool {
        while self.writable {
            if self.sending.is_empty() && runs.rest_of_frame().is_empty() {
                self.begin_file(files);
            }
            let is_file = !self.sending.is_empty();
            let bytes = if is_file {
                self.sending.rest()
            } else if runs.rest_of_frame().is_empty() {
                runs.unsent()
            } else {
                runs.rest_of_frame()
            };
            if bytes.is_empty() {
                break;
            }
            match written(self.socket.write(bytes)) {
                Written::Bytes(bytes) if is_file => self.sending.took(bytes),
                Written::Bytes(bytes) => runs.note_sent(bytes),
                Written::Blocked => self.writable = false,
                Written::Closed => return false,
            }
        }
        true
    }

    /// Begins the frame of the first file that is not sent, if there is one.
    fn begin_file(&mut self, files: &mut BTreeMap<&'static str, Content>) {
        let mut unsent = files.iter_mut().filter(|(_, content)| !content.is_sent);
        let Some((name, content)) = unsent.next() else { return };
        let frame = self.sending.end();
        frame.extend_from_slice(replace_line(name, content.bytes.len()).as_bytes());
        frame.extend_from_slice(&content.bytes);
        content.is_sent = true;
    }
}

fn written(result: io::Result<usize>) -> Written {
    match result {
        Ok(bytes) => Written::Bytes(bytes),
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock => Written::Blocked,
            // Nothing was written, so the same is tried again.
            ErrorKind::Interrupted => Written::Bytes(0),
            _ => Written::Closed,
        },
    }
}
