//! A client on a terminal, and what the terminal shows.

use std::fs::File;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::termios::Winsize;

use crate::support::terminal::Terminal;
use crate::support::{send_signal, wait_for};

pub const COLUMNS: u16 = 40;
pub const ROWS: u16 = 20;

/// The query which terminal it is (Secondary DA), and the answer of xterm.
const WHICH: &[u8] = b"\x1b[>c";
const XTERM: &[u8] = b"\x1b[>41;401;0c";

static SEATS: AtomicUsize = AtomicUsize::new(0);

/// A folder of its own for the files that the client keeps.
pub struct State(PathBuf);

impl State {
    pub fn fresh() -> State {
        let number = SEATS.fetch_add(1, Ordering::Relaxed);
        let name = format!("chinwag-join-{}-{number}", std::process::id());
        State(std::env::temp_dir().join(name))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // Not every test keeps something.
        std::fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}

/// The bytes that the terminal was sent, and what it shows of them.
pub struct Seen {
    screen: vt100::Parser,
    bytes: Vec<u8>,
}

/// A client on a terminal. It is killed when dropped.
pub struct Seat {
    child: Child,
    person: Arc<File>,
    /// The thread that reads the terminal, until the terminal is gone.
    eyes: Option<JoinHandle<()>>,
    gone: Arc<AtomicBool>,
    program: OwnedFd,
    seen: Arc<Mutex<Seen>>,
    /// How the terminal was before.
    before: String,
    before_modes: rustix::termios::Termios,
    _state: Option<State>,
}

impl Seat {
    /// Starts the client, and waits for the prompt.
    pub fn join(address: SocketAddr, flags: &[&str]) -> Seat {
        let state = State::fresh();
        let mut seat = Seat::join_with(address, flags, &state);
        seat._state = Some(state);
        seat.wait_until("the prompt", |rows| rows.iter().any(|row| row.starts_with(">>")));
        seat
    }

    /// The same, with the files in that folder, and without a wait.
    pub fn join_with(address: SocketAddr, flags: &[&str], state: &State) -> Seat {
        Seat::run(r#"exec "$0" "$@""#, address, flags, state, |_| {})
    }

    /// Runs a line of shell on a terminal that it controls; `"$0" "$@"` in it is the client.
    pub fn run(
        script: &str,
        address: SocketAddr,
        flags: &[&str],
        state: &State,
        prepare: impl FnOnce(&mut Command),
    ) -> Seat {
        let Terminal { person, program } = Terminal::open();
        set_size(&person, COLUMNS, ROWS);
        let before = modes(&program);
        let before_modes = rustix::termios::tcgetattr(&program).unwrap();
        let mut command = Command::new("setsid");
        command.args(["-c", "sh", "-c", script, env!("CARGO_BIN_EXE_chinwag"), "join"]);
        command.arg(address.to_string()).args(flags);
        command.env("XDG_STATE_HOME", &state.0).env("TERM", "xterm").env_remove("NO_COLOR");
        let stream = || program.try_clone().unwrap();
        command.stdin(stream()).stdout(stream()).stderr(stream());
        prepare(&mut command);
        let child = command.spawn().unwrap();
        let screen = vt100::Parser::new(ROWS.try_into().unwrap(), COLUMNS.try_into().unwrap(), 0);
        let seen = Arc::new(Mutex::new(Seen { screen, bytes: Vec::new() }));
        let gone = Arc::new(AtomicBool::new(false));
        let person = Arc::new(person);
        let eyes = Some(look(Arc::clone(&person), Arc::clone(&seen), Arc::clone(&gone)));
        Seat { child, person, eyes, gone, program, seen, before, before_modes, _state: None }
    }

    /// Types this.
    pub fn keys(&self, keys: &str) {
        (&*self.person).write_all(keys.as_bytes()).unwrap();
    }

    /// The user's side of the terminal.
    pub fn person(&self) -> &File {
        &self.person
    }

    /// Sets the modes that a shell sets when it gets the terminal back.
    pub fn restore_modes(&self) {
        let before = self.before_modes.clone();
        let at_once = rustix::termios::OptionalActions::Now;
        rustix::termios::tcsetattr(&self.program, at_once, &before).unwrap();
    }

    /// Takes the terminal away, as when its window is closed. Returns the client's exit status.
    pub fn hang_up(mut self) -> ExitStatus {
        self.gone.store(true, Ordering::Relaxed);
        self.eyes.take().unwrap().join().unwrap();
        self.person = Arc::new(File::open("/dev/null").unwrap());
        self.wait_for_end()
    }

    /// The rows of the terminal without empty ones, and without blanks at their ends.
    pub fn rows(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let columns = seen.screen.screen().size().1;
        let rows = seen.screen.screen().rows(0, columns.into());
        rows.map(|row| row.trim_end().to_owned()).filter(|row| !row.is_empty()).collect()
    }

    /// Waits until the terminal shows exactly this.
    pub fn wait_for_rows(&self, expected: &[&str]) {
        self.wait_until(&format!("{expected:#?}"), |rows| rows == expected);
    }

    /// Waits until the last row is this, with the cursor in this column of it.
    pub fn wait_for_prompt(&self, expected: &str, column: u16) {
        self.wait_until(&format!("{expected:?} with the cursor at {column}"), |rows| {
            let at = self.seen.lock().unwrap().screen.screen().cursor_position().1;
            rows.last().is_some_and(|last| last == expected) && at == column
        });
    }

    /// Waits until there is a row like this.
    pub fn wait_for_row(&self, expected: &str) {
        self.wait_until(expected, |rows| rows.iter().any(|row| row == expected));
    }

    /// Waits until the rows are as they should be.
    pub fn wait_until(&self, what: &str, is_so: impl Fn(&[String]) -> bool) {
        let deadline = std::time::Instant::now() + crate::support::PATIENCE;
        while !is_so(&self.rows()) {
            let late = std::time::Instant::now() > deadline;
            assert!(!late, "waited in vain for {what}; there is {:#?}", self.rows());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// All that the terminal was sent.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap().bytes).into_owned()
    }

    /// Resizes the terminal.
    pub fn resize(&self, columns: u16, rows: u16) {
        let (new_rows, new_columns) = (rows.try_into().unwrap(), columns.try_into().unwrap());
        self.seen.lock().unwrap().screen.screen_mut().set_size(new_rows, new_columns);
        set_size(&self.person, columns, rows);
    }

    /// Waits until the terminal is as it was before, with nothing left over.
    pub fn wait_until_given_back(&self) {
        wait_for("the terminal to be as it was", || self.is_given_back().then_some(()));
    }

    fn is_given_back(&self) -> bool {
        let seen = self.seen.lock().unwrap();
        let screen = seen.screen.screen();
        modes(&self.program) == self.before && !screen.bracketed_paste() && !screen.hide_cursor()
    }

    /// Whether the terminal has the modes that it had before, whatever it shows.
    pub fn has_its_modes(&self) -> bool {
        modes(&self.program) == self.before
    }

    /// What the terminal was sent. No thread reads it while this is locked.
    pub fn seen(&self) -> Arc<Mutex<Seen>> {
        Arc::clone(&self.seen)
    }

    /// Whether the client has the terminal.
    pub fn is_taken(&self) -> bool {
        let pasting = self.seen.lock().unwrap().screen.screen().bracketed_paste();
        modes(&self.program) != self.before && pasting
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        send_signal(self.child.id(), name);
    }

    /// Sends a signal to the processes that a shell on the terminal has started.
    pub fn signal_children(&self, name: &str) {
        let pid = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        children.split_whitespace().for_each(|child| send_signal(child.parse().unwrap(), name));
    }

    /// How many typed bytes no program has read.
    pub fn input_bytes(&self) -> u64 {
        rustix::io::ioctl_fionread(&self.program).unwrap()
    }

    pub fn wait_for_end(&mut self) -> ExitStatus {
        wait_for("the end of the client", || self.child.try_wait().unwrap())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // It may have ended already. Then there is nothing to kill.
        if self.child.kill().is_ok() {
            self.child.wait().unwrap();
        }
        self.gone.store(true, Ordering::Relaxed);
    }
}

/// Reads the terminal until it is gone, and answers as a terminal does.
fn look(person: Arc<File>, seen: Arc<Mutex<Seen>>, gone: Arc<AtomicBool>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 65536];
        while !gone.load(Ordering::Relaxed) {
            let mut polled = [PollFd::new(&*person, PollFlags::IN)];
            let moment = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
            if !matches!(rustix::event::poll(&mut polled, Some(&moment)), Ok(1..)) {
                continue;
            }
            let Ok(bytes @ 1..) = (&*person).read(&mut buffer) else { return };
            let mut seen = seen.lock().unwrap();
            seen.screen.process(&buffer[..bytes]);
            let new = seen.bytes.len().saturating_sub(WHICH.len() - 1);
            seen.bytes.extend_from_slice(&buffer[..bytes]);
            if seen.bytes[new..].windows(WHICH.len()).any(|bytes| bytes == WHICH) {
                (&*person).write_all(XTERM).unwrap();
            }
        }
    })
}

fn modes(terminal: &OwnedFd) -> String {
    format!("{:?}", rustix::termios::tcgetattr(terminal).unwrap())
}

fn set_size(terminal: &File, columns: u16, rows: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(terminal, size).unwrap();
}

/// How many bytes of a process are in memory now.
pub fn memory_bytes(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    resident.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
}
