//! The keeper, `chinwag keep DIR`: the process that writes what the server keeps over a restart,
//! and the log of all that was said.
//!
//! A write to a disk can block for as long as the disk likes, so the loop of the server never does
//! one. The server starts this program once more and sends it [frames](frame) on its standard
//! input. For each frame of the log it gets a byte back, once that is written. The keeper ends when
//! its input ends, and by nothing else that a terminal or a supervisor sends to all processes of
//! the server at once: the server may still have something to say.
//!
//! # What the last lines of the log say
//!
//! A server that is killed may have offered lines to clients that it could not send here yet. So
//! it keeps a [tally] in memory that both share: how many lines it has said. When the input ends,
//! the keeper counts what is missing, and then writes the line `stop`. That is how the next server
//! knows that the log tells of everything. Without such a line the keeper was killed too, or the
//! machine stopped, or the disk took nothing. Then nobody knows how many lines are missing, and the
//! next server has just that written: see [`log`].
//!
//! What cannot be written now, perhaps because the disk is full, is told and tried again. Newer
//! content of the same file takes its place. This folder does not know what the files are for.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ::log::Level;
use clap::Args;
use rustix::event::{PollFd, PollFlags, Timespec};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};

use crate::stdio::priority;
use crate::stdio::sink::Sink;
use folder::Folder;
use frame::{BadFrame, Frame, Frames, Replace, Run};
use log::Log;
use tally::Tally;

pub mod entry;
pub mod folder;
pub mod frame;
pub mod log;
pub mod tail;
pub mod tally;

/// Signals that go to all processes of the server at once, and the one of a write beyond the limit
/// of a file's size: the write fails as well.
const IGNORED: [i32; 5] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ];

/// How long to wait before a file is tried again that could not be written.
const RETRY: Duration = Duration::from_secs(1);

/// What was written to the log is on the disk at most this much later, if the disk keeps up. To
/// wait for it more often would cost a disk more than the writing.
const SYNC: Duration = Duration::from_secs(1);

/// A longer line that comes without a server is kept as several.
const LINE_BYTES_MAX: usize = READ_BYTES;

/// At most this many files wait to be written, so that memory has a bound. With more that cannot be
/// written the keeper ends.
const WAITING_MAX: usize = 16;

const READ_BYTES: usize = 64 * 1024;

/// What `chinwag keep` is told.
#[derive(Args, Debug)]
pub struct Flags {
    /// The directory; it is made if it is missing
    dir: PathBuf,

    /// When a file begins, remove those that are this many days old; 0 keeps all
    #[arg(long, value_name = "DAYS", default_value_t = 0)]
    days: u32,

    /// Take what a server sends instead of lines
    #[arg(long, hide = true)]
    frames: bool,
}

/// Why a keeper did not keep everything.
#[derive(Debug)]
pub enum Failure {
    /// It cannot have the directory, or the system refused something else it needs.
    System(io::Error),
    /// Its input is not what a server sends.
    Frame(BadFrame),
    /// Its input ended within a frame.
    Torn,
    /// More files wait to be written than may.
    TooMany,
    /// These could not be written until the end.
    Unwritten(Vec<String>),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::System(error) => write!(f, "cannot keep anything: {error}"),
            Failure::Frame(bad) => write!(f, "the keeper ends: {bad}"),
            Failure::Torn => write!(f, "the keeper ends: its input ended within a frame"),
            Failure::TooMany => write!(f, "the keeper ends: more than {WAITING_MAX} files wait"),
            Failure::Unwritten(names) => {
                write!(f, "the keeper ends without {}", names.join(", "))
            }
        }
    }
}

impl std::error::Error for Failure {}

/// Keeps in the directory what comes on standard input, until that ends.
pub fn run(flags: &Flags) -> Result<(), Failure> {
    for signal in IGNORED {
        // The flag is not asked for: to be caught is enough.
        signal_hook::flag::register(signal, Arc::default()).map_err(Failure::System)?;
    }
    let input = io::stdin().as_fd().try_clone_to_owned().map_err(Failure::System)?;
    let output = io::stdout().as_fd().try_clone_to_owned().map_err(Failure::System)?;
    let folder = Folder::open(&flags.dir).map_err(Failure::System)?;
    let mut log = Log::open(&folder, flags.days).map_err(Failure::System)?;
    // The mark of a torn line: nothing is read while anything waits.
    log.write(&folder, Instant::now());
    let (input, waiting, lines) = (File::from(input), Waiting::default(), 0);
    let mut keeper = Keeper { input, folder, waiting, log, lines };
    if !flags.frames {
        let ended = keeper.take_lines();
        return ended.and(keeper.finish(None));
    }
    let ended = keeper.take_frames();
    let is_over = matches!(ended, Ok(()) | Err(Failure::Torn));
    let said = Tally::of_server(output).said().filter(|_| is_over);
    ended.and(keeper.finish(said))
}

/// All that a keeper has.
struct Keeper {
    input: File,
    folder: Folder,
    waiting: Waiting,
    log: Log,
    /// How many lines the server has sent.
    lines: u64,
}

impl Keeper {
    /// Takes frames and writes files until the input ends, well or not.
    fn take_frames(&mut self) -> Result<(), Failure> {
        let (mut frames, mut buffer) = (Frames::default(), vec![0; READ_BYTES]);
        let mut unconfirmed = 0;
        loop {
            let mut came = match self.read(&mut buffer) {
                Ok(Some(0)) if frames.is_amid_frame() => {
                    frames.torn_run().iter().for_each(|run| self.take(run));
                    return Err(Failure::Torn);
                }
                Ok(Some(0)) => return Ok(()),
                Ok(Some(bytes)) => &buffer[..bytes],
                Ok(None) => &[],
                Err(error) => return Err(Failure::System(error)),
            };
            while let Some(frame) = frames.next(&mut came).map_err(Failure::Frame)? {
                match frame {
                    Frame::Replace(replace) => self.waiting.take(replace, &self.folder)?,
                    Frame::Run(run) => {
                        self.take(&run);
                        unconfirmed += 1;
                    }
                }
            }
            self.log.write(&self.folder, Instant::now());
            if !self.log.is_behind() {
                // A server that has ended needs no answer.
                self.input
                    .write_all(&vec![0; std::mem::take(&mut unconfirmed)])
                    .unwrap_or_default();
            }
            self.waiting.write(&self.folder);
        }
    }

    fn take(&mut self, run: &Run) {
        self.lines += run.lines();
        self.log.take(run);
    }

    /// Takes lines until the input ends.
    fn take_lines(&mut self) -> Result<(), Failure> {
        let (mut line, mut buffer) = (Vec::new(), vec![0; READ_BYTES]);
        loop {
            let came = match self.read(&mut buffer) {
                Ok(Some(0)) => break,
                Ok(Some(bytes)) => &buffer[..bytes],
                Ok(None) => &[],
                Err(error) => return Err(Failure::System(error)),
            };
            let now = unix_millis();
            for part in came.split_inclusive(|byte| *byte == b'\n') {
                line.extend_from_slice(part);
                if line.ends_with(b"\n") || line.len() >= LINE_BYTES_MAX {
                    self.log.take_line(line.trim_ascii_end(), now);
                    line.clear();
                }
            }
            self.log.write(&self.folder, Instant::now());
        }
        if !line.is_empty() {
            self.log.take_line(&line, unix_millis());
        }
        Ok(())
    }

    /// Waits for input, but not beyond the next deadline, and reads it. `None` if none has come.
    /// While the log waits for the disk nothing is read, so that what waits has a bound, unless the
    /// input has ended: then there is little left.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let wanted = if self.log.is_behind() { PollFlags::empty() } else { PollFlags::IN };
        let until = [self.waiting.retry_at(), self.log.next_deadline()].into_iter().flatten().min();
        let left = until.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut polled = [PollFd::new(&self.input, wanted)];
        let result = match rustix::event::poll(&mut polled, timeout.as_ref()) {
            Ok(0) => return Ok(None),
            Ok(_) => self.input.read(buffer),
            Err(error) => Err(error.into()),
        };
        match result {
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
            // A server that has ended without reading that the last was written.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(Some(0)),
            result => result.map(Some),
        }
    }

    /// Tries everything once more. `said` is how many lines the server has said, if that is known.
    fn finish(mut self, said: Option<u64>) -> Result<(), Failure> {
        if let Some(said) = said {
            self.log.end(said.saturating_sub(self.lines), unix_millis());
        }
        let is_written = self.log.finish(&self.folder, Instant::now());
        self.waiting.files.values_mut().for_each(|file| file.retry_at = None);
        self.waiting.write(&self.folder);
        let mut names: Vec<String> = self.waiting.files.into_keys().collect();
        names.extend((!is_written).then(|| "the end of the log".to_owned()));
        if names.is_empty() { Ok(()) } else { Err(Failure::Unwritten(names)) }
    }
}

/// The time of day, which only the log needs.
fn unix_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// The newest content of each file that is not written yet.
#[derive(Debug, Default)]
struct Waiting {
    files: BTreeMap<String, Unwritten>,
}

/// Content that is not written yet.
#[derive(Debug, Default)]
struct Unwritten {
    content: Vec<u8>,
    /// Do not try before this.
    retry_at: Option<Instant>,
    /// The error that was told last, since it was last written.
    told: Option<ErrorKind>,
}

impl Waiting {
    /// Takes new content, in the place of older content of the same file. It is no reason to try
    /// earlier. When as many wait as may, those that can be written are written first.
    fn take(&mut self, replace: Replace, folder: &Folder) -> Result<(), Failure> {
        let Replace { name, content } = replace;
        if self.files.len() == WAITING_MAX {
            self.write(folder);
        }
        if self.files.len() == WAITING_MAX && !self.files.contains_key(&name) {
            return Err(Failure::TooMany);
        }
        self.files.entry(name).or_default().content = content;
        Ok(())
    }

    /// When to try again what could not be written.
    fn retry_at(&self) -> Option<Instant> {
        self.files.values().filter_map(|file| file.retry_at).min()
    }

    /// Writes each file whose time has come.
    fn write(&mut self, folder: &Folder) {
        self.files.retain(|name, file| {
            if file.retry_at.is_some_and(|at| at > Instant::now()) {
                return true;
            }
            let written = folder.replace(name, &file.content);
            if let Err(error) = &written {
                if file.told.replace(error.kind()) != Some(error.kind()) {
                    tell(&format!("cannot keep {name}: {error}; it is tried again"));
                }
                file.retry_at = Some(Instant::now() + RETRY);
            } else if file.told.is_some() {
                tell(&format!("{name} is kept again"));
            }
            written.is_err()
        });
    }
}

/// Prints a line on standard error if that takes it at once: no terminal may stop the keeping.
fn tell(words: &str) {
    let stderr = rustix::stdio::stderr();
    if let Ok(mut sink) = Sink::open(stderr) {
        let priority = priority::on(stderr, Level::Warn);
        sink.write(format!("{priority}chinwag: {words}\n").as_bytes());
    }
}
