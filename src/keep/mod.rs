//! The keeper, `chinwag keep DIR`: the process that writes what the server keeps over a restart.
//!
//! A write to a disk can block for as long as the disk likes, so the loop of the server never does
//! one. The server starts this program once more and sends it [frames](frame) on its standard
//! input. The keeper ends when its input ends, and by nothing else that a terminal or a supervisor
//! sends to all processes of the server at once: the server may still have something to say.
//!
//! What cannot be written now, perhaps because the disk is full, is told and tried again. Newer
//! content of the same file takes its place. This folder does not know what the files are for.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};

use crate::stdio::sink::Sink;
use folder::Folder;
use frame::{BadFrame, Frames, Replace};

pub mod folder;
pub mod frame;

/// Signals that go to all processes of the server at once, and the one of a write beyond the limit
/// of a file's size: the write fails as well.
const IGNORED: [i32; 5] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ];

/// How long to wait before a file is tried again that could not be written.
const RETRY: Duration = Duration::from_secs(1);

/// At most this many files wait to be written, so that memory has a bound. With more that cannot be
/// written the keeper ends.
const WAITING_MAX: usize = 16;

const READ_BYTES: usize = 64 * 1024;

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
            Failure::Unwritten(names) => write!(f, "the keeper ends without {}", names.join(", ")),
        }
    }
}

impl std::error::Error for Failure {}

/// Keeps in this directory what comes on standard input, until that ends.
pub fn run(path: &Path) -> Result<(), Failure> {
    for signal in IGNORED {
        // The flag is not asked for: to be caught is enough.
        signal_hook::flag::register(signal, Arc::default()).map_err(Failure::System)?;
    }
    let input = io::stdin().as_fd().try_clone_to_owned().map_err(Failure::System)?;
    let folder = Folder::open(path).map_err(Failure::System)?;
    let mut waiting = Waiting::default();
    let ended = take_all(&mut File::from(input), &folder, &mut waiting);
    waiting.files.values_mut().for_each(|file| file.retry_at = None);
    waiting.write(&folder);
    let names: Vec<String> = waiting.files.into_keys().collect();
    ended.and(if names.is_empty() { Ok(()) } else { Err(Failure::Unwritten(names)) })
}

/// Takes frames and writes files until the input ends, well or not.
fn take_all(input: &mut File, folder: &Folder, waiting: &mut Waiting) -> Result<(), Failure> {
    let (mut frames, mut buffer) = (Frames::default(), vec![0; READ_BYTES]);
    loop {
        let mut came = match read(input, &mut buffer, waiting.retry_at()) {
            Ok(Some(0)) if frames.is_amid_frame() => return Err(Failure::Torn),
            Ok(Some(0)) => return Ok(()),
            Ok(Some(bytes)) => &buffer[..bytes],
            Ok(None) => &[],
            Err(error) => return Err(Failure::System(error)),
        };
        while let Some(replace) = frames.next(&mut came).map_err(Failure::Frame)? {
            waiting.take(replace, folder)?;
        }
        waiting.write(folder);
    }
}

/// Waits for input, but not beyond this moment, and reads it. `None` if none has come.
fn read(input: &mut File, buffer: &mut [u8], until: Option<Instant>) -> io::Result<Option<usize>> {
    let left = until.map(|at| at.saturating_duration_since(Instant::now()));
    let timeout = left.and_then(|left| Timespec::try_from(left).ok());
    let mut polled = [PollFd::new(input, PollFlags::IN)];
    let result = match rustix::event::poll(&mut polled, timeout.as_ref()) {
        Ok(0) => return Ok(None),
        Ok(_) => input.read(buffer),
        Err(error) => Err(error.into()),
    };
    match result {
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
        result => result.map(Some),
    }
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
    if let Ok(mut stderr) = Sink::open(rustix::stdio::stderr()) {
        stderr.write(format!("chinwag: {words}\n").as_bytes());
    }
}
