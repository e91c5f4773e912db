//! The server as an unusual parent starts it: through a shell, on streams that the test made.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{PATIENCE, Server, Shared, collect, command, wait_for};

/// A shell that runs `script`, in which `"$0" "$@"` is the server with these flags. It uses a free
/// port unless the flags name one.
pub fn through_shell(script: &str, flags: &[&str]) -> Command {
    let server = command(flags);
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(server.get_program()).args(server.get_args());
    shell
}

/// Starts a server whose standard output is not read here: the kernel tells its port.
///
/// The command is dropped, so that only the server has the streams that the command was given.
pub fn start(mut command: Command) -> Server {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut server = Server::of(command.spawn().unwrap(), address);
    let port = wait_for("the port", || listening_port(server.child.id()));
    server.address.set_port(port);
    server
}

/// The same, with standard streams that are read from the beginning.
pub fn start_piped(mut command: Command) -> Server {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    start(command)
}

/// The IPv4 port on which a process listens.
fn listening_port(pid: u32) -> Option<u16> {
    own_ends(pid).into_iter().find(|end| end.state == LISTENING).map(|end| end.port)
}

/// How many connections this server has accepted and not closed.
pub fn connections(server: &Server) -> usize {
    own_ends(server.child.id()).iter().filter(|end| end.state != LISTENING).count()
}

/// Waits until the kernel holds nothing for this server but its open connections. A connection that
/// was closed in order may stay for the user timeout, which is longer than a test waits.
pub fn wait_until_nothing_is_left(server: &Server) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = left_in_the_kernel(server);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{left:?} are left in the kernel");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The states, as proc(5) numbers them, of this server's connections that no process has a
/// descriptor for and that still hold data.
pub fn left_in_the_kernel(server: &Server) -> Vec<String> {
    // Clients of other tests may use its port, at other addresses of this machine.
    let address = format!("{:08X}", u32::from_ne_bytes([127, 0, 0, 1]));
    let is_its = |end: &End| end.port == server.address.port() && end.address == address;
    let is_left = |end: &End| is_its(end) && end.link == NO_SOCKET && end.state != TIME_WAIT;
    ends(server.child.id()).into_iter().filter(is_left).map(|end| end.state).collect()
}

/// Whether a client has sent this server something that it has not read yet.
pub fn has_unread_input(server: &Server) -> bool {
    unread_bytes(server) > 0
}

/// How many bytes this server has been sent and not read yet.
pub fn unread_bytes(server: &Server) -> usize {
    let ends = ends(server.child.id());
    let its = ends.iter().filter(|end| end.port == server.address.port());
    its.map(|end| end.unread_bytes).sum()
}

/// The state of a listener, as proc(5) numbers it.
const LISTENING: &str = "0A";

/// The state of a connection that is over; only its addresses are kept for a while.
const TIME_WAIT: &str = "06";

/// What a connection without a process links to. A connection that is not accepted yet has it as
/// well.
const NO_SOCKET: &str = "socket:[0]";

/// One end of a connection, or a listener, as proc(5) prints it.
struct End {
    address: String,
    port: u16,
    state: String,
    unread_bytes: usize,
    link: String,
}

/// The ends that the process has a descriptor for.
fn own_ends(pid: u32) -> Vec<End> {
    let Ok(links) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let links = links.filter_map(|link| std::fs::read_link(link.ok()?.path()).ok());
    let own: Vec<String> = links.map(|link| link.to_string_lossy().into_owned()).collect();
    ends(pid).into_iter().filter(|end| own.contains(&end.link)).collect()
}

/// All ends in the network of the process.
fn ends(pid: u32) -> Vec<End> {
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    let end = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [_, local, _, state, queues, _, _, _, _, inode, ..] = columns[..] else { return None };
        let (address, port) = local.split_once(':')?;
        Some(End {
            address: address.to_owned(),
            port: u16::from_str_radix(port, 16).ok()?,
            state: state.to_owned(),
            // For a listener this is the queue of connections to accept.
            unread_bytes: match state {
                LISTENING => 0,
                _ => usize::from_str_radix(queues.split_once(':')?.1, 16).ok()?,
            },
            link: format!("socket:[{inode}]"),
        })
    };
    table.lines().filter_map(end).collect()
}

/// What a stream of the test has printed so far. A thread reads it until it ends.
pub struct Collected {
    shared: Shared,
}

impl Collected {
    /// Begins to read.
    pub fn from(stream: impl std::io::Read + Send + 'static) -> Collected {
        Collected { shared: collect(stream) }
    }

    /// Whether it has ended: then the reading thread has dropped it.
    pub fn has_ended(&self) -> bool {
        Arc::strong_count(&self.shared) == 1
    }

    /// All that was read so far, with the line ends of a terminal turned back into LF.
    pub fn text(&self) -> String {
        super::text_of(&self.shared).replace('\r', "")
    }

    /// Waits until this text was read; returns all that was read.
    pub fn read_until(&self, text: &str) -> String {
        wait_for(&format!("{text:?}"), || Some(self.text()).filter(|read| read.contains(text)))
    }
}
