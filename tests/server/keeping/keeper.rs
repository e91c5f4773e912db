//! The program `chinwag keep DIR`: what it does with the frames on its standard input.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit};

use super::{PROGRAM, Place, frame, read};
use crate::support::process::Collected;
use crate::support::{send_signal, wait_for};

/// A running keeper with the test as its server; it is killed when dropped.
pub(super) struct Keeper {
    pub(super) child: Child,
    stderr: Option<Collected>,
}

impl Keeper {
    pub(super) fn start(place: &Place) -> Keeper {
        Keeper::start_by(Command::new(PROGRAM).args(["keep", place.flag(), "--frames"]))
    }

    /// One whose directory is a disk of 64 KiB, and the place where the test sees that disk:
    /// through the process, as no other has it.
    pub(super) fn start_on_a_small_disk(place: &Place) -> (Keeper, PathBuf) {
        fs::create_dir(&place.path).unwrap();
        let script = "exec unshare -m sh -c \
            'mount -t tmpfs -o size=64k none \"$2\" && exec \"$0\" \"$@\"' \"$0\" \"$@\"";
        let keeper = Keeper::start_through(script, place);
        let inside = Path::new("/proc").join(keeper.child.id().to_string()).join("root");
        (keeper, inside.join(place.path.strip_prefix("/").unwrap()))
    }

    /// The same by a shell, in which `"$0" "$@"` is the keeper.
    pub(super) fn start_through(script: &str, place: &Place) -> Keeper {
        Keeper::start_by(Command::new("sh").args([
            "-c",
            script,
            PROGRAM,
            "keep",
            place.flag(),
            "--frames",
        ]))
    }

    pub(super) fn start_by(command: &mut Command) -> Keeper {
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = child.stderr.take().map(Collected::from);
        Keeper { child, stderr }
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.child.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub(super) fn replace(&mut self, name: &str, content: &[u8]) {
        self.send(&frame(name, content));
    }

    /// Ends its input. Returns its exit code and all that it has said.
    pub(super) fn end(mut self) -> (Option<i32>, String) {
        drop(self.child.stdin.take());
        self.wait_for_end()
    }

    fn wait_for_end(&mut self) -> (Option<i32>, String) {
        let status = wait_for("the end of the keeper", || self.child.try_wait().unwrap());
        let stderr = self.stderr.take().unwrap();
        wait_for("the end of what it says", || stderr.has_ended().then_some(()));
        (status.code(), stderr.text())
    }

    pub(super) fn said(&self) -> String {
        self.stderr.as_ref().unwrap().text()
    }

    /// Changes the limit of the size of its files.
    pub(super) fn limit_files(&self, bytes: Option<u64>) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        let limit = Rlimit { current: bytes, maximum: None };
        rustix::process::prlimit(pid, Resource::Fsize, limit).unwrap();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        if self.child.kill().is_ok() {
            self.child.wait().unwrap();
        }
    }
}

/// Small numbers without an order (xorshift); the same for the same seed.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// A content that tells its number, and whether it is whole.
fn numbered(number: u64) -> Vec<u8> {
    let lines = number.wrapping_mul(2_654_435_761) % 3000 + 1;
    format!("{number} of {lines}\n").repeat(lines.try_into().unwrap()).into_bytes()
}

/// The number of a whole content.
fn number_of(content: &[u8]) -> u64 {
    let text = std::str::from_utf8(content).unwrap();
    let number = text.split(' ').next().unwrap().parse().unwrap();
    assert!(content == numbered(number), "{number} is torn: {} bytes", content.len());
    number
}

/// What takes all the room of a small disk.
pub(super) const FILLER: &str = "filler";

pub(super) fn fill(disk: &Path) {
    let mut filler = File::create(disk.join(FILLER)).unwrap();
    while filler.write_all(&[0; 1024]).is_ok() {}
}

#[test]
fn a_killed_keeper_never_leaves_a_torn_file() {
    const KILLS: u64 = 300;
    const SEED: u64 = 50005;
    let (place, mut random) = (Place::new(), Random(SEED));
    let (path, is_over) = (place.path.join("bans"), AtomicBool::new(false));
    let seen = scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut newest, mut seen) = (0, 0);
            while !is_over.load(Ordering::Relaxed) {
                let Some(content) = read(&path) else { continue };
                let number = number_of(&content);
                assert!(number >= newest, "{number} came after {newest}");
                seen += u64::from(number > newest);
                newest = number;
            }
            seen
        });
        let mut number = 0;
        for _ in 0..KILLS {
            let mut keeper = Keeper::start(&place);
            for _ in 0..random.below(20) {
                number += 1;
                keeper.replace("bans", &numbered(number));
                sleep(Duration::from_micros(random.below(1500)));
            }
            send_signal(keeper.child.id(), "KILL");
            keeper.wait_for_end();
        }
        is_over.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    // It was not killed before it had written anything, each time.
    assert!(seen > 10, "{seen}");
    let mut keeper = Keeper::start(&place);
    keeper.replace("bans", b"the last\n");
    assert_eq!(keeper.end(), (Some(0), String::new()));
    place.has("bans", b"the last\n").unwrap();
    // Nor is anything else left.
    let mut names: Vec<_> =
        fs::read_dir(&place.path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".lock", "bans"]);
}

#[test]
fn what_is_kept_is_for_its_owner_alone() {
    let place = Place::new();
    let mut keeper = Keeper::start_through("umask 0; exec \"$0\" \"$@\"", &place);
    keeper.replace("bans", b"");
    keeper.replace("rooms-2", b"a\0b");
    assert_eq!(keeper.end(), (Some(0), String::new()));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.path), 0o700);
    for (name, content) in [("bans", &b""[..]), ("rooms-2", b"a\0b")] {
        place.has(name, content).unwrap();
        assert_eq!(mode(&place.path.join(name)), 0o600);
    }
}

#[test]
fn what_does_not_fit_is_told_once_and_the_newest_is_kept_later() {
    let place = Place::new();
    let mut keeper = Keeper::start(&place);
    keeper.replace("bans", b"small\n");
    wait_for("the first", || place.has("bans", b"small\n"));
    keeper.limit_files(Some(4096));
    keeper.replace("bans", &[b'x'; 5000]);
    let told = "chinwag: cannot keep bans: File too large (os error 27); it is tried again\n";
    wait_for("the error", || (keeper.said() == told).then_some(()));
    // The old content stays, other files are kept, and no part of a file takes room.
    keeper.replace("rooms", b"fits\n");
    wait_for("another file", || place.has("rooms", b"fits\n"));
    place.has("bans", b"small\n").unwrap();
    assert!(!place.path.join(".bans.new").exists());
    // Several more of the same, tried at least twice, are no second line.
    keeper.replace("bans", &[b'y'; 6000]);
    keeper.replace("bans", &numbered(7));
    sleep(Duration::from_millis(2500));
    assert_eq!(keeper.said(), told);
    keeper.limit_files(None);
    wait_for("the newest", || place.has("bans", &numbered(7)));
    assert_eq!(keeper.end(), (Some(0), format!("{told}chinwag: bans is kept again\n")));
}

#[test]
fn what_could_not_be_written_until_the_end_is_exit_code_1() {
    let place = Place::new();
    let mut keeper = Keeper::start(&place);
    keeper.replace("bans", b"small\n");
    wait_for("the first", || place.has("bans", b"small\n"));
    keeper.limit_files(Some(10));
    keeper.replace("bans", b"more than ten bytes\n");
    let (code, said) = keeper.end();
    assert_eq!(code, Some(1));
    assert_eq!(said.lines().last(), Some("chinwag: the keeper ends without bans"));
    place.has("bans", b"small\n").unwrap();
}

#[test]
#[ignore = "needs root, unshare and mount"]
fn a_full_disk_is_told_and_all_is_kept_when_there_is_room() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: not root");
        return;
    }
    let place = Place::new();
    let (mut keeper, inside) = Keeper::start_on_a_small_disk(&place);
    keeper.replace("bans", b"small\n");
    let kept = || read(&inside.join("bans"));
    wait_for("the first", || (kept()? == b"small\n").then_some(()));
    fill(&inside);
    keeper.replace("bans", &[b'x'; 5000]);
    wait_for("the error", || keeper.said().contains("No space left on device").then_some(()));
    assert_eq!(kept().unwrap(), b"small\n");
    fs::remove_file(inside.join(FILLER)).unwrap();
    wait_for("the rest", || (kept()? == [b'x'; 5000]).then_some(()));
}

#[test]
fn a_full_standard_error_does_not_stop_the_keeping() {
    let place = Place::new();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let flags = rustix::fs::fcntl_getfl(&writer).unwrap();
    rustix::fs::fcntl_setfl(&writer, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    while writer.write(&[b'.'; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(&writer, flags).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["keep", place.flag(), "--frames"]).stdin(Stdio::piped()).stderr(writer);
    let child = command.spawn().unwrap();
    drop(command);
    let mut keeper = Keeper { child, stderr: None };
    keeper.replace("bans", b"small\n");
    wait_for("the first", || place.has("bans", b"small\n"));
    keeper.limit_files(Some(4096));
    keeper.replace("bans", &[b'x'; 5000]);
    keeper.replace("rooms", b"fits\n");
    wait_for("another file", || place.has("rooms", b"fits\n"));
    drop(reader);
}

#[test]
fn a_directory_has_one_keeper_and_the_next_waits_for_it() {
    let place = Place::new();
    let mut first = Keeper::start(&place);
    first.replace("bans", b"of the first\n");
    wait_for("the first", || place.has("bans", b"of the first\n"));
    let mut second = Keeper::start(&place);
    second.replace("bans", b"of the second\n");
    let (code, said) = second.wait_for_end();
    let told = format!("chinwag: cannot keep anything: {}: another chinwag has it\n", place.flag());
    assert_eq!((code, said), (Some(1), told));
    place.has("bans", b"of the first\n").unwrap();
    // One that is not too early gets the directory.
    let mut third = Keeper::start(&place);
    third.replace("bans", b"of the third\n");
    assert_eq!(first.end(), (Some(0), String::new()));
    wait_for("the third", || place.has("bans", b"of the third\n"));
    assert_eq!(third.end(), (Some(0), String::new()));
}

#[test]
fn a_frame_that_is_none_ends_the_keeper_with_one_line() {
    let torn = &frame("bans", b"whole")[..15];
    for (bad, told) in [
        (&b"replace ../bans 3\nabc"[..], "its input is no frame: \"replace ../bans 3\""),
        (b"replace bans 16777217\n", "its input is no frame: \"replace bans 16777217\""),
        (b"\x1b[2J\n", "its input is no frame: \"\\x1b[2J\""),
        (torn, "its input ended within a frame"),
        (b"replace", "its input ended within a frame"),
    ] {
        let place = Place::new();
        let mut keeper = Keeper::start(&place);
        // What came before is kept.
        keeper.send(&[&frame("bans", b"good\n"), bad].concat());
        assert_eq!(keeper.end(), (Some(1), format!("chinwag: the keeper ends: {told}\n")));
        place.has("bans", b"good\n").unwrap();
    }
}

#[test]
fn too_many_files_that_cannot_be_written_end_the_keeper() {
    let place = Place::new();
    let mut keeper = Keeper::start(&place);
    keeper.replace("bans", b"small\n");
    wait_for("the first", || place.has("bans", b"small\n"));
    keeper.limit_files(Some(10));
    for number in 0..17 {
        keeper.replace(&format!("file-{number}"), b"more than ten bytes\n");
    }
    let (code, said) = keeper.wait_for_end();
    assert_eq!(code, Some(1));
    assert!(said.ends_with("chinwag: the keeper ends: more than 16 files wait\n"), "{said}");
}

#[test]
fn many_files_at_once_are_all_kept() {
    let place = Place::new();
    let mut keeper = Keeper::start(&place);
    let names: Vec<String> = (0..40).map(|number| format!("file-{number}")).collect();
    let frames = names.iter().flat_map(|name| frame(name, name.as_bytes()));
    keeper.send(&frames.collect::<Vec<u8>>());
    assert_eq!(keeper.end(), (Some(0), String::new()));
    for name in names {
        place.has(&name, name.as_bytes()).unwrap();
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_one_line_and_exit_code_1() {
    let place = Place::new();
    fs::write(&place.path, "a file").unwrap();
    let (code, said) = Keeper::start(&place).end();
    let told = format!("chinwag: cannot keep anything: {}: ", place.flag());
    assert!(code == Some(1) && said.starts_with(&told), "{said}");
    assert_eq!(said.lines().count(), 1);
    fs::remove_file(&place.path).unwrap();
}

#[test]
fn signals_to_all_processes_of_the_server_do_not_end_a_keeper() {
    let place = Place::new();
    let mut keeper = Keeper::start(&place);
    keeper.replace("bans", b"before\n");
    wait_for("the first", || place.has("bans", b"before\n"));
    for signal in ["INT", "TERM", "HUP", "QUIT", "INT", "TERM"] {
        send_signal(keeper.child.id(), signal);
    }
    keeper.replace("bans", b"behind\n");
    assert_eq!(keeper.end(), (Some(0), String::new()));
    place.has("bans", b"behind\n").unwrap();
}
