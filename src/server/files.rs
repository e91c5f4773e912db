//! The files of the operator: what the server reads at its start and when it is told to, and what
//! it hands to the [keeper](super::keeper).
//!
//! At the start a file that cannot be read is an error, so no ban is forgotten unseen. Later it is
//! a line in the log, and what was read before holds on. Reading may wait for the disk: it happens
//! only when a person or a service manager asks for it.
//!
//! What is in a file may reach a terminal, so it is made as safe to show as what a client sends.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use log::{error, info, warn};

use super::keeper::Keeper;
use super::runs::Said;
use super::{Server, StartError, kept};
use crate::config::Config;
use crate::hub::Hub;
use crate::hub::bans::{Bans, Moment};
use crate::hub::client::Socket;
use crate::hub::moderation::{Operators, Request};
use crate::keep::entry::Kind;
use crate::keep::frame::Verb;
use crate::keep::tail::Tail;
use crate::room::earlier::Said as Earlier;
use crate::room::transcript::EntryKind;
use crate::words::notice::Counted;
use crate::words::text::push_safe;

/// The keeper has written what it was handed after this time. A file that was changed later was
/// changed by a person.
const KEEP_TIME: Duration = Duration::from_secs(1);

/// What the log says of a start.
const VERSION: &str = concat!("chinwag ", env!("CARGO_PKG_VERSION"));

const BANS: &str = "bans";
const ROOMS: &str = "rooms";
const EPOCH: &str = "epoch";

/// Which files there are.
#[derive(Debug)]
pub struct Files {
    motd: Option<PathBuf>,
    operators: Option<PathBuf>,
    keep: Option<PathBuf>,
    /// When the keeper was handed something last.
    handed_at: Option<SystemTime>,
}

impl Files {
    /// The files that the flags name.
    pub fn of(config: &Config) -> Files {
        Files {
            motd: config.motd.clone(),
            operators: config.operators.clone(),
            keep: config.keep.clone(),
            handed_at: None,
        }
    }

    /// Reads all, at the start.
    pub fn load(
        &self,
        hub: &mut Hub<impl Socket>,
        keeper: Option<&mut Keeper>,
        now: Instant,
    ) -> Result<(), StartError> {
        let system = |what| move |error| StartError::System(what, error);
        self.read_motd(hub).map_err(system("read --motd"))?;
        self.read_operators(hub).map_err(system("read --operators"))?;
        self.read_bans(hub, now).map_err(system("read the bans that were kept"))?;
        if let (Some(dir), Some(keeper)) = (&self.keep, keeper) {
            let tail = Tail::read(dir).map_err(|error| named(dir, &error));
            let tail = tail.map_err(system("read the log that was kept"))?;
            let number = take_log(&tail, hub, now);
            let begun = keeper.begin(VERSION, tail.is_complete(), number, unix_millis());
            begun.map_err(|error| named(dir, &error)).map_err(system("keep anything"))?;
            let epoch = self.kept(EPOCH).map_err(system("read the epoch that was kept"))?;
            match epoch.and_then(|epoch| epoch.trim().parse().ok()) {
                Some(epoch) => hub.set_epoch(epoch),
                None => keeper.replace(EPOCH, format!("{}\n", hub.epoch()).into_bytes()),
            }
        }
        self.read_rooms(hub).map_err(system("read the rooms that were kept"))
    }

    /// Reads again what a person may have changed. What cannot be read stays as it was.
    fn reload(&self, hub: &mut Hub<impl Socket>, now: Instant) {
        let read = [
            ("--motd", self.read_motd(hub)),
            ("--operators", self.read_operators(hub)),
            ("bans", self.read_changed_bans(hub, now)),
        ];
        for (what, result) in read {
            if let Err(error) = result {
                error!("{what}: {error}; what was read before holds on");
            }
        }
    }

    fn read_motd(&self, hub: &mut Hub<impl Socket>) -> io::Result<()> {
        let Some(path) = &self.motd else { return Ok(()) };
        let content = kept::open(path).and_then(kept::read).map_err(|error| named(path, &error))?;
        hub.set_motd(&safe(&content));
        Ok(())
    }

    fn read_operators(&self, hub: &mut Hub<impl Socket>) -> io::Result<()> {
        let Some(path) = &self.operators else { return Ok(()) };
        let invalid = |why: String| {
            io::Error::new(ErrorKind::InvalidData, format!("{}: {why}", path.display()))
        };
        let file = kept::open(path).map_err(|error| named(path, &error))?;
        check_secrecy(&file.metadata()?).map_err(invalid)?;
        let content = kept::read(file).map_err(|error| named(path, &error))?;
        let operators = Operators::parse(&safe(&content))
            .map_err(|line| invalid(format!("line {line} is not a name and a secret")))?;
        info!("read {}", Counted(operators.count() as u64, "operator"));
        hub.set_operators(operators);
        Ok(())
    }

    /// Reads the bans if a person may have changed them. Else the keeper may still be about to
    /// write what it was handed: then what is in the file is older than what holds.
    fn read_changed_bans(&self, hub: &mut Hub<impl Socket>, now: Instant) -> io::Result<()> {
        let (Some(dir), Some(handed_at)) = (&self.keep, self.handed_at) else {
            return self.read_bans(hub, now);
        };
        let path = dir.join(BANS);
        let changed = fs::metadata(&path).and_then(|file| file.modified());
        match changed.map_err(|error| named(&path, &error))? {
            changed if changed > handed_at + KEEP_TIME => self.read_bans(hub, now),
            _ => Ok(()),
        }
    }

    fn read_bans(&self, hub: &mut Hub<impl Socket>, now: Instant) -> io::Result<()> {
        let Some(text) = self.kept(BANS)? else { return Ok(()) };
        let (bans, wrong) = Bans::from_text(&text, moment(now));
        tell_wrong(BANS, wrong);
        info!("read {}", Counted(bans.count() as u64, "ban"));
        hub.set_bans(bans);
        Ok(())
    }

    fn read_rooms(&self, hub: &mut Hub<impl Socket>) -> io::Result<()> {
        if self.keep.is_some() {
            let text = self.kept(ROOMS)?.unwrap_or_default();
            tell_wrong(ROOMS, hub.take_rooms_text(&text));
        }
        Ok(())
    }

    fn kept(&self, name: &str) -> io::Result<Option<String>> {
        let Some(dir) = &self.keep else { return Ok(None) };
        let content = kept::load(dir, name)?;
        Ok(content.map(|content| safe(&content)))
    }
}

impl Server {
    /// Reads the files again.
    pub(super) fn reload(&mut self, why: &str, now: Instant) {
        self.files.reload(&mut self.hub, now);
        info!("reloaded: {why}");
    }

    /// Does what operators want of the world.
    pub(super) fn carry_out_requests(&mut self, now: Instant) {
        for request in self.hub.take_requests() {
            match request {
                Request::Reload => self.reload("an operator asked for it", now),
                Request::Log(level) => {
                    log::set_max_level(level);
                    info!("the log level is {level}");
                }
                Request::Keep => self.keep(now),
                Request::GiveWay => self.stop("another server has started under its name", now),
            }
        }
    }

    /// Hands the keeper what was said, before it is offered to any client.
    pub(super) fn log_said(&mut self, now: Instant) {
        let Some(keeper) = &mut self.keeper else { return };
        if keeper.has_missed() {
            keeper.tell_missed(unix_millis());
        }
        for (room, number) in self.hub.take_ended() {
            let (verb, unix_millis) = (Verb::End, unix_millis());
            let said = Said { verb, room: &room, number, lines: 0, unix_millis };
            keeper.add(said, 0, [].into_iter());
        }
        let is_raw = self.is_raw;
        self.hub.take_said(|room, plain, from| {
            let (number, unix_millis) = (plain.start_at_or_after(from).0, unix_millis());
            if is_raw {
                for line in plain.lines_from(from) {
                    let (verb, number) = (Verb::Raw, line.number);
                    let said = Said { verb, room, number, lines: 1, unix_millis };
                    let bytes = (line.end - line.start) as usize;
                    keeper.add(said, bytes, plain.bytes(line.start, line.end));
                }
                return;
            }
            let (verb, lines) = (Verb::Said, plain.lines_said() - number);
            let said = Said { verb, room, number, lines, unix_millis };
            keeper.add(said, (plain.head() - from) as usize, plain.bytes(from, plain.head()));
        });
        self.speak_to_keeper(now);
    }

    /// Hands the keeper what it should keep. At a stop it has that already: the rooms that end with
    /// their clients then are to be there again.
    fn keep(&mut self, now: Instant) {
        let Some(keeper) = self.keeper.as_mut().filter(|_| self.stop_by.is_none()) else { return };
        self.files.handed_at = Some(SystemTime::now());
        keeper.replace(BANS, self.hub.bans_text(moment(now)).into_bytes());
        keeper.replace(ROOMS, self.hub.rooms_text().into_bytes());
    }
}

/// Takes from the log what was said last, for the history and for the numbers. Returns a number
/// that is larger than those of the lines that are of no room.
fn take_log(tail: &Tail, hub: &mut Hub<impl Socket>, now: Instant) -> u64 {
    let unix_millis = unix_millis();
    let (mut numbers_from, mut own_from) = (1000 * unix_millis, 0);
    let oldest = tail.entries().next().map_or(unix_millis, |entry| entry.unix_millis);
    let before = Duration::from_millis(unix_millis.saturating_sub(oldest));
    hub.count_seconds_from(now.checked_sub(before).unwrap_or(now));
    for entry in tail.entries() {
        let next = entry.number.saturating_add(1);
        numbers_from = numbers_from.max(next);
        let line = |kind| {
            let at_seconds = (entry.unix_millis.saturating_sub(oldest) / 1000) as u32;
            Some(Earlier { at_seconds, kind, name: entry.name, text: entry.text })
        };
        let line = match entry.kind {
            Kind::Say => line(EntryKind::Say),
            Kind::Me => line(EntryKind::Me),
            Kind::Notice => line(EntryKind::Notice),
            Kind::Raw => None,
            Kind::End => {
                hub.forget_earlier(entry.room);
                continue;
            }
            Kind::Missed => {
                hub.doubt_numbers();
                own_from = next;
                continue;
            }
            Kind::Line | Kind::Start | Kind::Stop => {
                own_from = next;
                continue;
            }
        };
        hub.remember(entry.room, entry.number, line);
    }
    if !tail.is_complete() {
        hub.doubt_numbers();
    }
    hub.number_by_time(numbers_from, now);
    own_from
}

/// Whether a file is for its owner alone, which must be this user or root.
fn check_secrecy(file: &Metadata) -> Result<(), String> {
    let own = rustix::process::geteuid().as_raw();
    let mode = file.mode() & 0o777;
    match (mode & 0o077, file.uid()) {
        (0, uid) if uid == own || uid == 0 => Ok(()),
        (0, _) => Err("it belongs to another user".to_owned()),
        _ => Err(format!("others may use it (mode {mode:o}): chmod 600")),
    }
}

/// The lines of a file, each made safe to show.
fn safe(content: &[u8]) -> String {
    let mut text = String::new();
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        push_safe(line.strip_suffix(b"\r").unwrap_or(line), &mut text);
        text.push('\n');
    }
    text
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn tell_wrong(file: &str, lines: usize) {
    if lines > 0 {
        warn!("skipped {} of the kept file {file}", Counted(lines as u64, "wrong line"));
    }
}

fn moment(now: Instant) -> Moment {
    Moment { now, unix_seconds: unix_micros() / 1_000_000 }
}

fn unix_millis() -> u64 {
    unix_micros() / 1000
}

/// What the calendar says: the microseconds since 1970.
pub fn unix_micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}
