//! The server's end of the keeper, with a poll of the test's own; and a server with `--keep`.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use chinwag::keep::frame::FILE_BYTES_MAX;
use chinwag::server::keeper::{Keeper, PAUSE_MAX, PAUSE_MIN};
use chinwag::server::kept;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::process::{Pid, Signal};

use super::{PROGRAM, Place, frame};
use crate::support::process::{self, Collected, through_shell};
use crate::support::terminal::Terminal;
use crate::support::{Server, command, fail_with, send_signal, wait_for};

/// What the loop of the server is to the keeper.
pub(super) struct Loop {
    pub(super) keeper: Keeper,
    poll: Poll,
    events: Events,
}

impl Loop {
    pub(super) fn start(program: &Path, place: &Place) -> Loop {
        let stderr = std::io::stderr().as_fd().try_clone_to_owned().unwrap();
        let keeper = Keeper::start(program, &place.path, 0, stderr, Instant::now()).unwrap();
        Loop { keeper, poll: Poll::new().unwrap(), events: Events::with_capacity(8) }
    }

    pub(super) fn turn(&mut self) {
        let now = Instant::now();
        if let Some(fd) = self.keeper.speak(now) {
            let interests = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut SourceFd(&fd), Token(0), interests).unwrap();
        }
        let short = Duration::from_millis(5);
        let timeout = self
            .keeper
            .next_deadline(Instant::now())
            .map_or(short, |at| at.saturating_duration_since(Instant::now()).min(short));
        self.poll.poll(&mut self.events, Some(timeout)).unwrap();
        for event in &self.events {
            let readable = event.is_readable() || event.is_read_closed();
            self.keeper.note(readable, event.is_writable());
        }
    }

    /// Turns until this is so.
    pub(super) fn turn_until<T>(
        &mut self,
        what: &str,
        mut condition: impl FnMut(&Keeper) -> Option<T>,
    ) -> T {
        wait_for(what, || {
            self.turn();
            condition(&self.keeper)
        })
    }

    fn turn_until_sent(&mut self) {
        self.turn_until("everything to be sent", |keeper| (!keeper.is_behind()).then_some(()));
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // A test that fails may leave it stopped, and then it would never end.
        let pid = self.keeper.process().and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
        pid.map(|pid| rustix::process::kill_process(pid, Signal::CONT))
            .transpose()
            .unwrap_or_default();
    }
}

/// A program that stands in for the keeper: a shell script, in which `$2` is the directory.
fn stand_in(place: &Place, script: &str) -> PathBuf {
    fs::create_dir_all(&place.path).unwrap();
    let path = place.path.join("stand-in");
    // If this process wrote it, a child of another test might still have it open for writing.
    let mut shell = Command::new("sh");
    shell.args(["-c", "printf '#!/bin/sh\n%s\n' \"$1\" >\"$0\" && chmod +x \"$0\""]);
    assert!(shell.arg(&path).arg(script).status().unwrap().success());
    path
}

#[test]
fn a_keeper_that_cannot_write_a_line_is_an_error_at_the_start() {
    let place = Place::new();
    let program = stand_in(&place, "read -r line");
    let stderr = OwnedFd::from(File::open("/dev/null").unwrap());
    let mut keeper = Keeper::start(&program, &place.path, 0, stderr, Instant::now()).unwrap();
    let error = keeper.begin("a test", true, 0, 5).unwrap_err();
    assert_eq!(error.to_string(), "the keeper cannot write the log");
}

#[test]
fn what_is_handed_over_is_there_after_a_restart() {
    let place = Place::new();
    assert!(!place.path.exists());
    let mut server = Loop::start(Path::new(PROGRAM), &place);
    assert_eq!(kept::load(&place.path, "bans").unwrap(), None);
    let large = vec![b'x'; FILE_BYTES_MAX];
    server.keeper.replace("bans", b"old\n".to_vec());
    server.keeper.replace("rooms", large.clone());
    server.keeper.replace("bans", b"new\n".to_vec());
    assert!(server.keeper.is_behind());
    server.turn_until_sent();
    // The server ends before the keeper has written all, and starts again: it waits for that.
    drop(server);
    let again = Loop::start(Path::new(PROGRAM), &place);
    assert_eq!(kept::load(&place.path, "bans").unwrap().unwrap(), b"new\n");
    assert!(kept::load(&place.path, "rooms").unwrap().unwrap() == large);
    assert!(!again.keeper.is_behind());
}

#[test]
fn too_much_for_a_file_is_not_kept() {
    let place = Place::new();
    let mut server = Loop::start(Path::new(PROGRAM), &place);
    server.keeper.replace("bans", b"small\n".to_vec());
    server.keeper.replace("bans", vec![b'x'; FILE_BYTES_MAX + 1]);
    server.turn_until("the file", |_| place.has("bans", b"small\n"));
}

#[test]
fn with_nothing_to_send_the_keeper_wakes_nobody() {
    let place = Place::new();
    let mut server = Loop::start(Path::new(PROGRAM), &place);
    server.keeper.replace("bans", b"small\n".to_vec());
    server.turn_until("the file", |_| place.has("bans", b"small\n"));
    server
        .turn_until("quiet", |keeper| keeper.next_deadline(Instant::now()).is_none().then_some(()));
    for _ in 0..10 {
        // An event may say more than is so.
        server.keeper.note(true, true);
        server.turn();
        assert_eq!(server.keeper.next_deadline(Instant::now()), None);
    }
}

#[test]
fn a_killed_keeper_is_started_again_and_gets_everything_again() {
    let place = Place::new();
    let mut server = Loop::start(Path::new(PROGRAM), &place);
    server.keeper.replace("bans", b"bans\n".to_vec());
    server.keeper.replace("rooms", b"rooms\n".to_vec());
    server.turn_until("the files", |_| {
        place.has("bans", b"bans\n").and(place.has("rooms", b"rooms\n"))
    });
    for name in ["bans", "rooms"] {
        fs::remove_file(place.path.join(name)).unwrap();
    }
    let first = server.keeper.process().unwrap();
    send_signal(first, "KILL");
    server.turn_until("its end to be noticed", |keeper| keeper.is_behind().then_some(()));
    server.keeper.replace("rooms", b"newer rooms\n".to_vec());
    server.turn_until("the files", |_| {
        place.has("bans", b"bans\n").and(place.has("rooms", b"newer rooms\n"))
    });
    assert_ne!(server.keeper.process().unwrap(), first);
    // The first is no zombie.
    assert!(!Path::new("/proc").join(first.to_string()).exists());
}

/// With a keeper that is stopped, a hundred contents of two files cost what two of each cost.
#[test]
fn a_stopped_keeper_gets_only_the_newest_and_stops_nobody() {
    const BYTES: usize = 1 << 20;
    let content = |letter: u8, number: u8| [vec![letter; BYTES], vec![number]].concat();
    let place = Place::new();
    let program = stand_in(&place, "exec cat >\"$2/frames\"");
    let mut server = Loop::start(&program, &place);
    server.keeper.replace("first", Vec::new());
    server.turn_until("the first frame", |_| place.has("frames", &frame("first", b"")));
    let process = server.keeper.process().unwrap();
    send_signal(process, "STOP");
    for number in 0..100 {
        server.keeper.replace("bans", content(b'b', number));
        server.keeper.replace("rooms", content(b'r', number));
        server.turn();
    }
    assert!(server.keeper.is_behind());
    assert_eq!(server.keeper.next_deadline(Instant::now()), None, "it would not wait");
    send_signal(process, "CONT");
    server.turn_until_sent();
    drop(server);
    // The one that was half sent is finished first.
    let sent = [
        frame("first", b""),
        frame("bans", &content(b'b', 0)),
        frame("bans", &content(b'b', 99)),
        frame("rooms", &content(b'r', 99)),
    ];
    wait_for("all frames", || (place.read("frames")?.len() >= sent.concat().len()).then_some(()));
    assert!(place.read("frames").unwrap() == sent.concat());
}

/// When it is started again, after its end was noticed at `now`.
fn next_start(keeper: &mut Keeper, now: Instant) -> Instant {
    wait_for("its end to be noticed", || {
        keeper.note(true, true);
        keeper.speak(now);
        keeper.next_deadline(now).filter(|at| *at > now)
    })
}

#[test]
fn the_pauses_before_a_new_start_grow_and_shrink_again() {
    let place = Place::new();
    let program = stand_in(&place, "read -r line");
    let stderr = OwnedFd::from(File::open("/dev/null").unwrap());
    let mut now = Instant::now();
    let mut keeper = Keeper::start(&program, &place.path, 0, stderr, now).unwrap();
    let mut pauses = Vec::new();
    for _ in 0..7 {
        // A line ends it.
        keeper.replace("bans", Vec::new());
        let next = next_start(&mut keeper, now);
        pauses.push(next.duration_since(now).as_secs());
        now = next;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
    // This one lives long.
    wait_for("a start", || {
        keeper.speak(now);
        let next = keeper.next_deadline(now);
        let is_up = next.is_none_or(|at| at <= now);
        now = next.unwrap_or(now);
        is_up.then_some(())
    });
    now += PAUSE_MAX;
    assert_eq!(next_start(&mut keeper, now), now + PAUSE_MIN);
    keeper.hurry(now);
    assert_eq!(keeper.next_deadline(now), Some(now));
}

thread_local! {
    /// What was logged in this test.
    static LOG: RefCell<String> = const { RefCell::new(String::new()) };
}

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LOG.with_borrow_mut(|log| *log += &format!("{}\n", record.args()));
    }

    fn flush(&self) {}
}

#[test]
fn what_there_was_no_time_to_send_is_logged() {
    log::set_boxed_logger(Box::new(Logger)).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    let place = Place::new();
    let mut server = Loop::start(Path::new(PROGRAM), &place);
    server.keeper.replace("bans", Vec::new());
    server.turn_until_sent();
    drop(server);
    let told = "not everything is kept: there was no time to send it to the keeper\n";
    let is_told = || LOG.take().contains(told);
    assert!(!is_told());
    let program = stand_in(&place, "exec sleep 60");
    for bytes in [0, FILE_BYTES_MAX] {
        let mut server = Loop::start(&program, &place);
        server.keeper.replace("bans", vec![b'x'; bytes]);
        // Half of the second is sent.
        if bytes > 0 {
            server.turn();
        }
        let process = server.keeper.process().unwrap();
        drop(server);
        assert!(is_told(), "{bytes}");
        send_signal(process, "KILL");
    }
}

/// The keeper of a server.
pub(super) fn keeper_of(server: &Server) -> u32 {
    let pid = server.child.id();
    let children = format!("/proc/{pid}/task/{pid}/children");
    wait_for("the keeper", || {
        let own = fs::read_to_string(&children).unwrap();
        own.split_whitespace().next().and_then(|pid| pid.parse().ok())
    })
}

/// What a process has open: the links of its descriptors.
fn open_in(pid: u32) -> Vec<String> {
    let folder = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links = folder.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links.map(|link| link.to_string_lossy().into_owned()).collect()
}

#[test]
fn a_keeper_inherits_no_connection_also_when_started_again() {
    let place = Place::new();
    let server = Server::start(&["--keep", place.flag()]);
    let clients: Vec<_> = (0..5).map(|_| server.enter()).collect();
    let lock = place.path.join(".lock").to_string_lossy().into_owned();
    for starts in 1..=2 {
        let keeper = keeper_of(&server);
        wait_for("the lock", || open_in(keeper).contains(&lock).then_some(()));
        let open = open_in(keeper);
        // The keeper reads a copy of its standard input.
        let sockets: HashSet<_> = open.iter().filter(|link| link.starts_with("socket:")).collect();
        assert_eq!(sockets.len(), 1, "{starts}: {open:?}");
        assert!(!open.iter().any(|link| link.starts_with("anon_inode:")), "{starts}: {open:?}");
        // The pipe of the log is the server's alone.
        let log = fs::read_link(format!("/proc/{}/fd/2", server.child.id())).unwrap();
        assert!(!open.contains(&log.to_string_lossy().into_owned()), "{starts}: {open:?}");
        let command = fs::read_to_string(format!("/proc/{keeper}/cmdline")).unwrap();
        assert!(command.contains(&format!("keep\0{}", place.flag())), "{command}");
        send_signal(keeper, "KILL");
        let told = "the keeper is started again";
        wait_for(told, || (server.stderr().matches(told).count() == starts).then_some(()));
    }
    drop(clients);
}

#[test]
fn a_keeper_that_cannot_be_started_is_tried_again() {
    let place = Place::new();
    let server = Server::start(&["--keep", place.flag()]);
    let (mut alice, name) = server.join();
    let keeper = keeper_of(&server);
    let soft = server.limit_descriptors(3);
    send_signal(keeper, "KILL");
    let told = "the keeper cannot be started (";
    wait_for(told, || server.stderr().contains(told).then_some(()));
    alice.send("still here\n");
    alice.read_until(&format!("{name}: still here\n"));
    server.limit_descriptors(soft);
    let told = "the keeper is started again";
    wait_for(told, || server.stderr().contains(told).then_some(()));
    assert_ne!(keeper_of(&server), keeper);
}

#[test]
fn a_directory_that_cannot_be_had_is_one_line_and_exit_code_1() {
    let place = Place::new();
    let _first = Server::start(&["--keep", place.flag()]);
    let (code, said) = fail_with(&["--keep", place.flag()]);
    let told = format!("chinwag: cannot keep anything: {}: another chinwag has it\n", place.flag());
    assert_eq!((code, said), (Some(1), told));
    let (code, said) = fail_with(&["--keep", "/dev/null/no"]);
    let told = "chinwag: cannot keep anything: /dev/null/no: ";
    assert!(code == Some(1) && said.starts_with(told), "{said}");
}

#[test]
fn a_stop_ends_the_keeper_as_well() {
    let place = Place::new();
    let mut server = Server::start(&["--keep", place.flag()]);
    let keeper = keeper_of(&server);
    server.signal("TERM");
    assert_eq!(server.wait_for_end().code(), Some(0));
    let process = format!("/proc/{keeper}/fd/0");
    wait_for("the end of the keeper", || (!Path::new(&process).exists()).then_some(()));
    assert!(!server.stderr().contains("keeper"), "{}", server.stderr());
}

#[test]
fn without_the_flag_there_is_no_keeper_and_no_file() {
    let place = Place::new();
    fs::create_dir(&place.path).unwrap();
    let mut command = command(&[]);
    command.current_dir(&place.path);
    let mut server = process::start_piped(command);
    server.join();
    let pid = server.child.id();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    assert_eq!(children, "");
    server.signal("TERM");
    assert_eq!(server.wait_for_end().code(), Some(0));
    assert_eq!(fs::read_dir(&place.path).unwrap().count(), 0);
}

#[test]
#[ignore = "needs setsid"]
fn ctrl_c_at_the_terminal_of_both_is_an_ordinary_stop() {
    let place = Place::new();
    let Terminal { person, program } = Terminal::open();
    let script = "exec setsid -c env --default-signal=INT \"$0\" \"$@\"";
    let mut command = through_shell(script, &["--keep", place.flag()]);
    command.stdin(program.try_clone().unwrap()).stdout(Stdio::null()).stderr(program);
    let mut server = process::start(command);
    let printed = Collected::from(person.try_clone().unwrap());
    let keeper = keeper_of(&server);
    let lock = place.path.join(".lock").to_string_lossy().into_owned();
    wait_for("the lock", || open_in(keeper).contains(&lock).then_some(()));
    // It keeps its connection, so the server has time to notice the end of the keeper.
    let _alice = server.join();
    std::io::Write::write_all(&mut (&person), b"\x03").unwrap();
    assert_eq!(server.wait_for_end().code(), Some(0));
    wait_for("the end of the keeper", || printed.has_ended().then_some(()));
    let log = printed.text();
    assert!(log.contains("stopping: SIGINT") && log.trim_end().ends_with("stopped"), "{log}");
    assert!(!log.contains("keeper"), "{log}");
}

/// Runs another test of this file in a process of its own that strace watches. In that test this
/// process is the server.
#[test]
#[ignore = "needs strace"]
fn only_the_keeper_writes_files_and_in_the_order_that_lasts() {
    let place = Place::new();
    fs::create_dir(&place.path).unwrap();
    let path = place.path.join("calls");
    let calls = "execve,write,writev,pwrite64,fsync,fdatasync,rename,renameat,renameat2";
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-qq", "-e", &format!("trace={calls}"), "-o"]).arg(&path);
    strace.arg(std::env::current_exe().unwrap()).arg("--exact");
    strace.arg("keeping::link::a_killed_keeper_is_started_again_and_gets_everything_again");
    assert!(strace.stdout(Stdio::null()).status().unwrap().success());
    let calls = fs::read_to_string(&path).unwrap();
    let keepers: Vec<&str> = calls
        .lines()
        .filter(|line| line.contains("execve(") && line.contains("\"keep\""))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(keepers.len(), 2);
    let temporary = std::env::temp_dir().join("chinwag-keeping-");
    let touches = |line: &&str| {
        let is_sync = ["sync(", "rename"].iter().any(|call| line.contains(call));
        is_sync || line.contains(temporary.to_str().unwrap()) && line.contains(" write")
    };
    let mut order = Vec::new();
    for line in calls.lines().filter(touches) {
        let (pid, call) = line.trim().split_once(' ').unwrap();
        assert!(keepers.contains(&pid), "not of a keeper: {line}");
        if pid == keepers[0] {
            order.push(call.trim().split('(').next().unwrap());
        }
    }
    // Two files, one after the other.
    assert_eq!(order, ["write", "fdatasync", "rename", "fsync"].repeat(2));
}
