//! The real program, and clients that read until what they expect has arrived.
//!
//! Nothing here sleeps for luck: every wait is for a condition, up to [`PATIENCE`].

#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here is a test that fails")]

pub mod browser;
pub mod cage;
pub mod corpus;
pub mod hub;
pub mod machine;
pub mod network;
pub mod process;
pub mod program;
pub mod talk;
pub mod terminal;
pub mod wire;
pub mod words;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use socket2::SockRef;

/// How long a test waits for anything: long enough for a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What a stream has printed so far.
type Shared = Arc<Mutex<Vec<u8>>>;

/// A running server; it is killed when dropped.
pub struct Server {
    pub child: Child,
    pub address: SocketAddr,
    stdout: Shared,
    stderr: Shared,
}

impl Server {
    /// Starts the server on a free port of 127.0.0.1.
    pub fn start(flags: &[&str]) -> Server {
        Server::start_with(flags, |_| {})
    }

    /// The same, after `prepare` has changed the command.
    pub fn start_with(flags: &[&str], prepare: impl FnOnce(&mut Command)) -> Server {
        let mut command = command(flags);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        prepare(&mut command);
        Server::start_by(command)
    }

    /// Starts the server by this command, which prints on a pipe.
    pub fn start_by(mut command: Command) -> Server {
        let mut server = Server::of(command.spawn().unwrap(), SocketAddr::from(([0; 4], 0)));
        server.address = wait_for("the port", || {
            let text = server.stdout();
            let (first, _) = text.split_once('\n')?;
            Some(first.strip_prefix("listening on ")?.parse().unwrap())
        });
        server
    }

    /// A process that becomes a server, with piped streams, at this address.
    pub fn of(mut child: Child, address: SocketAddr) -> Server {
        let stdout = child.stdout.take().map(collect).unwrap_or_default();
        let stderr = child.stderr.take().map(collect).unwrap_or_default();
        Server { child, address, stdout, stderr }
    }

    /// A new client that has not read anything.
    pub fn connect(&self) -> Client {
        Client::new(TcpStream::connect(self.address).unwrap())
    }

    /// A new client that has read its welcome and its own join notice; and its name.
    pub fn join(&self) -> (Client, String) {
        join(self.connect())
    }

    /// The same at another address than the other clients of the test: a browser's is welcomed by
    /// its first byte.
    pub fn join_from_elsewhere(&self) -> (Client, String) {
        join(Client::new(connect_from([127, 0, 0, 2], self.address)))
    }

    /// A new client that has read its welcome; and its name. Use it where many connect at once:
    /// they have no join notices of their own.
    pub fn enter(&self) -> (Client, String) {
        enter(self.connect())
    }

    /// A new client with a small receive buffer. It has read its welcome and its own join notice,
    /// and reads nothing more until told to.
    pub fn join_narrow(&self) -> (Client, String) {
        join(narrow(self.address))
    }

    /// Stops the process between two turns. The first turn after [`Server::resume`] finds
    /// everything sent until then.
    pub fn pause(&self) {
        self.signal("STOP");
        let stat = format!("/proc/{}/stat", self.child.id());
        wait_for("the server to stop", || {
            std::fs::read_to_string(&stat).unwrap().contains(") T ").then_some(())
        });
    }

    /// Continues a paused server.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// How many bytes of memory it has now.
    pub fn memory_bytes(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        resident.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
    }

    /// What it has printed on standard output.
    pub fn stdout(&self) -> String {
        text_of(&self.stdout)
    }

    /// What it has logged.
    pub fn stderr(&self) -> String {
        text_of(&self.stderr)
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        send_signal(self.child.id(), name);
    }

    /// Waits until it has ended.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        wait_for("the end of the server", || self.child.try_wait().unwrap())
    }

    /// How many threads it has.
    pub fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap().count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        if self.child.kill().is_ok() {
            self.child.wait().unwrap();
        }
    }
}

/// Reads a client's welcome and its own join notice, and nothing behind that. Returns its name.
pub fn join(client: Client) -> (Client, String) {
    let (mut client, name) = enter(client);
    let own = format!("* {name} ");
    while !client.take_line().starts_with(&own) {}
    (client, name)
}

/// Reads a client's welcome. Returns its name.
pub fn enter(mut client: Client) -> (Client, String) {
    let welcome = client.read_until(" here\n");
    let name = welcome.split("you are ").nth(1).unwrap().split([' ', ',']).next().unwrap();
    let name = name.to_owned();
    (client, name)
}

/// A folder for the files of one test; it is removed when dropped.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("chinwag-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    /// The path of a file in it.
    pub fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A process that a test has killed the server of may still write its last file here.
        wait_for("the end of the folder", || std::fs::remove_dir_all(&self.0).ok());
    }
}

/// The server, which Cargo builds before it runs a test program beside it.
pub fn chinwag() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let program = own.ancestors().nth(2).unwrap().join("chinwag");
    assert!(program.exists(), "there is no {}: cargo build", program.display());
    program
}

/// The program with these flags, on a free port unless they name one.
pub fn command(flags: &[&str]) -> Command {
    let mut command = Command::new(chinwag());
    if !flags.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    // A test that kills its server would leave a file behind.
    if !flags.contains(&"--control") {
        command.args(["--control", "none"]);
    }
    command.args(flags);
    command
}

/// Runs a server that must not start with these flags. Returns its exit code and its error.
pub fn fail_with(flags: &[&str]) -> (Option<i32>, String) {
    let mut command = command(flags);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut server = Server::of(command.spawn().unwrap(), SocketAddr::from(([0; 4], 0)));
    let code = server.wait_for_end().code();
    wait_for("what it says", || server.stderr().ends_with('\n').then_some(()));
    (code, server.stderr())
}

/// Sends a signal, such as `TERM`, to a process.
pub fn send_signal(pid: u32, name: &str) {
    let signal = match name {
        "ALRM" => Signal::ALARM,
        "CHLD" => Signal::CHILD,
        "CONT" => Signal::CONT,
        "HUP" => Signal::HUP,
        "INT" => Signal::INT,
        "IO" => Signal::IO,
        "KILL" => Signal::KILL,
        "PIPE" => Signal::PIPE,
        "PROF" => Signal::PROF,
        "QUIT" => Signal::QUIT,
        "STOP" => Signal::STOP,
        "TERM" => Signal::TERM,
        "TSTP" => Signal::TSTP,
        "URG" => Signal::URG,
        "USR1" => Signal::USR1,
        "USR2" => Signal::USR2,
        "VTALRM" => Signal::VTALARM,
        "WINCH" => Signal::WINCH,
        "XCPU" => Signal::XCPU,
        "XFSZ" => Signal::XFSZ,
        _ => panic!("give {name} its signal here"),
    };
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Waits until `condition` returns a value.
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Asserts that a terminal only shows this: it is UTF-8, and only the line feeds of its lines act
/// on the terminal.
pub fn assert_harmless(read: &[u8]) {
    let text = std::str::from_utf8(read).unwrap();
    let acts = |c: char| {
        let turns = ['\u{2028}'..='\u{202e}', '\u{2066}'..='\u{206f}', '\u{fff9}'..='\u{fffb}'];
        c != '\n' && (c.is_control() || turns.iter().any(|turn| turn.contains(&c)))
    };
    let found = text.lines().find(|line| line.contains(acts));
    assert_eq!(found, None);
}

fn collect(mut stream: impl Read + Send + 'static) -> Shared {
    let shared = Shared::default();
    let collected = Arc::clone(&shared);
    std::thread::spawn(move || {
        let mut buffer = [0; 65536];
        while let Ok(bytes @ 1..) = stream.read(&mut buffer) {
            collected.lock().unwrap().extend_from_slice(&buffer[..bytes]);
        }
    });
    shared
}

fn text_of(shared: &Shared) -> String {
    String::from_utf8_lossy(&shared.lock().unwrap()).into_owned()
}

/// One client.
pub struct Client {
    pub socket: TcpStream,
    read: Vec<u8>,
    /// The server has ended its side.
    pub ended: bool,
    /// The server has reset the connection.
    pub reset: bool,
}

impl Client {
    pub fn new(socket: TcpStream) -> Client {
        socket.set_nodelay(true).unwrap();
        Client::of(socket)
    }

    /// A new client of a Unix socket.
    pub fn at(path: &Path) -> Client {
        Client::of(OwnedFd::from(UnixStream::connect(path).unwrap()).into())
    }

    fn of(socket: TcpStream) -> Client {
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        Client { socket, read: Vec::new(), ended: false, reset: false }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).unwrap();
    }

    /// Half-closes, as `nc -N` does.
    pub fn half_close(&self) {
        self.socket.shutdown(Shutdown::Write).unwrap();
    }

    /// Resets, as a machine that lost power and came back does.
    pub fn reset(self) {
        SockRef::from(&self.socket).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Whether it has been reset. It notices a reset behind the end of the stream, which no reader
    /// sees.
    pub fn was_reset(&self) -> bool {
        self.reset || self.socket.take_error().unwrap().is_some()
    }

    /// The address of this client in a notice: `127.0.0.1:40112`.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// All that was read since the last [`Client::forget`].
    pub fn read_text(&self) -> String {
        String::from_utf8_lossy(&self.read).into_owned()
    }

    pub fn read_bytes(&self) -> &[u8] {
        &self.read
    }

    pub fn forget(&mut self) {
        self.read.clear();
    }

    /// Reads until this text has arrived; returns all that was read.
    pub fn read_until(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let read = self.read_text();
            if read.contains(text) {
                return read;
            }
            assert!(!self.ended, "ended before {text:?}: {read:?}");
            assert!(Instant::now() < deadline, "no {text:?} in {read:?}");
            self.read_once();
        }
    }

    /// Reads until this text is the last that was read. Its cost does not grow with what was read.
    pub fn read_until_last(&mut self, text: &str) {
        self.read_while(&format!("{text:?}"), |read| !read.ends_with(text.as_bytes()));
    }

    /// Reads until this many bytes have arrived.
    pub fn read_until_bytes(&mut self, bytes: usize) -> &[u8] {
        self.read_while(&format!("{bytes} bytes"), |read| read.len() < bytes);
        &self.read
    }

    /// Reads until this many line ends have arrived.
    pub fn read_until_lines(&mut self, lines: usize) {
        let count = |read: &[u8]| read.iter().filter(|byte| **byte == b'\n').count();
        self.read_while(&format!("{lines} lines"), |read| count(read) < lines);
    }

    /// Takes the next line out of what was read, without its line end.
    pub fn take_line(&mut self) -> String {
        self.read_until_lines(1);
        let end = self.read.iter().position(|byte| *byte == b'\n').unwrap();
        let line = String::from_utf8(self.read[..end].to_vec()).unwrap();
        self.read.drain(..=end);
        line
    }

    fn read_while(&mut self, what: &str, is_lacking: impl Fn(&[u8]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while is_lacking(&self.read) {
            let tail = &self.read[self.read.len().saturating_sub(200)..];
            let tail = String::from_utf8_lossy(tail);
            assert!(!self.ended, "ended before {what}: {tail:?}");
            assert!(Instant::now() < deadline, "no {what} after {tail:?}");
            self.read_once();
        }
    }

    /// Reads until the server ends its side; returns all that was read.
    pub fn read_to_end(&mut self) -> String {
        let deadline = Instant::now() + PATIENCE;
        while !self.ended {
            assert!(Instant::now() < deadline, "no end: {:?}", self.read_text());
            self.read_once();
        }
        self.read_text()
    }

    /// Reads what is there or comes within a moment; `false` for nothing.
    pub fn read_once(&mut self) -> bool {
        let mut buffer = [0; 65536];
        match self.socket.read(&mut buffer) {
            Ok(0) => self.ended = true,
            Ok(bytes) => self.read.extend_from_slice(&buffer[..bytes]),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {
                    return false;
                }
                ErrorKind::ConnectionReset => (self.ended, self.reset) = (true, true),
                _ => panic!("{error}"),
            },
        }
        true
    }
}

/// A connection with a small receive buffer.
pub fn narrow(to: SocketAddr) -> Client {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&to.into()).unwrap();
    Client::new(TcpStream::from(socket))
}

/// `lines` numbered lines of `bytes` bytes each, with line end; the first has the number `first`.
pub fn numbered(first: usize, lines: usize, bytes: usize) -> String {
    let line = |number| format!("{number} {:.<1$}\n", "", bytes - format!("{number} ").len() - 1);
    (first..first + lines).map(line).collect()
}

/// Sends `text` in pieces of at most `bytes` bytes. All `readers` read each piece before the next
/// is sent, so none of them falls behind, however slow this machine is.
pub fn say_in_step(
    speaker: (&mut Client, &str),
    text: &str,
    bytes: usize,
    readers: &mut [&mut Client],
) {
    let (client, name) = speaker;
    let mut piece = String::new();
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        piece.push_str(line);
        if lines.peek().is_some_and(|next| piece.len() + next.len() <= bytes) {
            continue;
        }
        client.send(&piece);
        piece.clear();
        let last = format!("{name}: {line}");
        client.read_until_last(&last);
        readers.iter_mut().for_each(|reader| reader.read_until_last(&last));
    }
}

/// Connects to 127.0.0.1 from another address of this machine, as if from another machine.
pub fn connect_from(source: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    TcpStream::from(socket)
}
