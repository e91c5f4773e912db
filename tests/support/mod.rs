//! What the tests talk to: the real binary, and clients that read until what they expect is there.
//!
//! Nothing here sleeps for luck: every wait is for a condition, up to [`PATIENCE`].

#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up: long enough for a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What a stream has said so far.
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
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().map(collect).unwrap_or_default();
        let stderr = child.stderr.take().map(collect).unwrap_or_default();
        let address = wait_for("the port", || {
            let text = text_of(&stdout);
            let (first, _) = text.split_once('\n')?;
            Some(first.strip_prefix("listening on ")?.parse().unwrap())
        });
        Server { child, address, stdout, stderr }
    }

    /// A new client that has not read anything.
    pub fn connect(&self) -> Client {
        Client::new(TcpStream::connect(self.address).unwrap())
    }

    /// A new client that has read its welcome and its own join notice; and its name.
    pub fn join(&self) -> (Client, String) {
        let mut client = self.connect();
        client.read_until(" joined\n");
        let welcome = client.read_text();
        let name = welcome.split("you are ").nth(1).unwrap().split([' ', ',']).next().unwrap();
        let name = name.to_owned();
        client.read_until(&format!("* {name} "));
        client.forget();
        (client, name)
    }

    /// What it has printed on standard output.
    pub fn stdout(&self) -> String {
        text_of(&self.stdout)
    }

    /// What it has logged.
    pub fn stderr(&self) -> String {
        text_of(&self.stderr)
    }

    /// Sends it a signal by its name, such as `TERM`.
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

/// The binary with these flags, listening on a free port unless they say where.
pub fn command(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chinwag"));
    if !flags.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    command.args(flags);
    command
}

/// Sends a signal by its name to a process.
pub fn send_signal(pid: u32, name: &str) {
    let kill = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(kill.unwrap().success());
}

/// Waits until `condition` gives something.
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

/// One peer.
pub struct Client {
    pub socket: TcpStream,
    read: Vec<u8>,
    /// The server has ended its side.
    pub ended: bool,
}

impl Client {
    pub fn new(socket: TcpStream) -> Client {
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        socket.set_nodelay(true).unwrap();
        Client { socket, read: Vec::new(), ended: false }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).unwrap();
    }

    /// Ends the input of this client, as `nc -N` does.
    pub fn half_close(&self) {
        self.socket.shutdown(Shutdown::Write).unwrap();
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

    /// Reads until this text is there; all that was read is returned.
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

    /// Reads until the server ends its side; all that was read is returned.
    pub fn read_to_end(&mut self) -> String {
        let deadline = Instant::now() + PATIENCE;
        while !self.ended {
            assert!(Instant::now() < deadline, "no end: {:?}", self.read_text());
            self.read_once();
        }
        self.read_text()
    }

    /// Reads what is there now or comes within a moment; `false` if that was nothing.
    pub fn read_once(&mut self) -> bool {
        let mut buffer = [0; 65536];
        match self.socket.read(&mut buffer) {
            Ok(0) => self.ended = true,
            Ok(bytes) => self.read.extend_from_slice(&buffer[..bytes]),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {
                    return false;
                }
                ErrorKind::ConnectionReset => self.ended = true,
                _ => panic!("{error}"),
            },
        }
        true
    }
}

/// The addresses from which a test may connect to 127.0.0.1 as if it were several machines.
pub fn connect_from(source: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    TcpStream::from(socket)
}
