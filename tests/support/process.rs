//! The server as an unusual parent starts it: through a shell, on streams of the test's own.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::{Server, Shared, collect, command, wait_for};

/// A shell that runs `script`, in which `"$0" "$@"` is the server with these flags, on a free port
/// unless they say where.
pub fn through_shell(script: &str, flags: &[&str]) -> Command {
    let server = command(flags);
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(server.get_program()).args(server.get_args());
    shell
}

/// Starts a server whose standard output is the caller's affair: the kernel is asked for the port.
///
/// The command is dropped, so that of the streams it was given only the server's own are left.
pub fn start(mut command: Command) -> Server {
    let mut child = command.spawn().unwrap();
    let stdout = child.stdout.take().map(collect).unwrap_or_default();
    let stderr = child.stderr.take().map(collect).unwrap_or_default();
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut server = Server { child, address, stdout, stderr };
    let port = wait_for("the port", || listening_port(server.child.id()));
    server.address.set_port(port);
    server
}

/// The same, with standard streams that are read from the beginning.
pub fn start_piped(mut command: Command) -> Server {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    start(command)
}

/// The IPv4 port on which a process listens, as proc(5) knows it.
fn listening_port(pid: u32) -> Option<u16> {
    const LISTENING: &str = "0A";
    let links = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let links = links.filter_map(|link| std::fs::read_link(link.ok()?.path()).ok());
    let own: Vec<String> = links.map(|link| link.to_string_lossy().into_owned()).collect();
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).ok()?;
    table.lines().find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [_, local, _, state, _, _, _, _, _, inode, ..] = columns[..] else { return None };
        let is_its = state == LISTENING && own.contains(&format!("socket:[{inode}]"));
        u16::from_str_radix(local.split_once(':')?.1, 16).ok().filter(|_| is_its)
    })
}

/// What a stream of the test's own has said so far; it is read from now on, until it ends.
pub struct Collected {
    shared: Shared,
}

impl Collected {
    /// Begins to read.
    pub fn from(stream: impl std::io::Read + Send + 'static) -> Collected {
        Collected { shared: collect(stream) }
    }

    /// Whether it has ended: the thread that reads it has let go of it.
    pub fn has_ended(&self) -> bool {
        Arc::strong_count(&self.shared) == 1
    }

    /// All that was read so far, with the line ends that a terminal makes taken back.
    pub fn text(&self) -> String {
        super::text_of(&self.shared).replace("\r\n", "\n")
    }

    /// Waits until this text was read; all that was read is returned.
    pub fn read_until(&self, text: &str) -> String {
        wait_for(&format!("{text:?}"), || Some(self.text()).filter(|read| read.contains(text)))
    }
}
