//! What the kernel tells about a process.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use procfs::net::{TcpNetEntry, TcpState};
use procfs::process::{FDTarget, Process, all_processes};
use procfs::{ProcError, ProcResult};
use rustix::process::{Pid, Resource, Rlimit, Signal};

use super::Outcome;

/// A process is at rest when it has used no time for this long. The kernel counts a running process
/// at its ticks (250 or 1000 a second), and a sleeping one exactly.
const REST: Duration = Duration::from_millis(5);

/// A process that is not at rest after this long is measured nevertheless.
const REST_PATIENCE: Duration = Duration::from_secs(2);

/// The processor time that all threads of a process have used, in nanoseconds.
pub fn cpu_ns(pid: u32) -> ProcResult<u64> {
    Process::new(pid as i32)?.tasks()?.map(|task| Ok(task?.schedstat()?.sum_exec_runtime)).sum()
}

/// The same, once the process has nothing more to do.
pub fn cpu_ns_at_rest(pid: u32) -> ProcResult<u64> {
    let deadline = Instant::now() + REST_PATIENCE;
    let mut before = cpu_ns(pid)?;
    loop {
        sleep(REST);
        let now = cpu_ns(pid)?;
        if now == before || Instant::now() > deadline {
            return Ok(now);
        }
        before = now;
    }
}

/// What the server has used, if its process is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauged {
    /// Processor time, in nanoseconds.
    pub cpu_ns: Option<u64>,
    /// Memory.
    pub resident_bytes: Option<u64>,
}

impl Gauged {
    /// What it has used until now.
    pub fn now(pid: Option<u32>) -> Outcome<Gauged> {
        let Some(pid) = pid else { return Ok(Gauged::default()) };
        let unknown = |error| format!("nothing is known of the process {pid}: {error}");
        let cpu_ns = cpu_ns_at_rest(pid).map_err(unknown)?;
        let resident_bytes = resident_bytes(pid).map_err(unknown)?;
        Ok(Gauged { cpu_ns: Some(cpu_ns), resident_bytes: Some(resident_bytes) })
    }

    /// What it has used since `before`.
    pub fn since(&self, before: &Gauged) -> Gauged {
        let between = |of: fn(&Gauged) -> Option<u64>| Some(of(self)?.saturating_sub(of(before)?));
        Gauged { cpu_ns: between(|it| it.cpu_ns), resident_bytes: between(|it| it.resident_bytes) }
    }
}

/// How much of a process is in memory, in bytes.
pub fn resident_bytes(pid: u32) -> ProcResult<u64> {
    // `statm` and `status` count in batches of pages per processor; this one counts exactly.
    let rollup = Process::new(pid as i32)?.smaps_rollup()?.memory_map_rollup;
    let bytes = rollup.iter().find_map(|map| map.extension.map.get("Rss"));
    bytes.copied().ok_or_else(|| ProcError::Other("it has no memory".to_owned()))
}

/// How many descriptors a process has open.
pub fn descriptors(pid: u32) -> ProcResult<usize> {
    Process::new(pid as i32)?.fd_count()
}

/// How many connections a process has accepted and not closed, counted by its descriptors.
#[derive(Clone, Copy, Debug)]
pub struct Connections {
    pid: u32,
    /// How many descriptors it had without connections.
    descriptors: usize,
}

impl Connections {
    /// Counts the connections that it accepts from now on.
    pub fn of(pid: u32) -> ProcResult<Connections> {
        Ok(Connections { pid, descriptors: descriptors(pid)? })
    }

    /// How many there are.
    pub fn count(&self) -> ProcResult<usize> {
        Ok(descriptors(self.pid)?.saturating_sub(self.descriptors))
    }
}

/// How many ends of connections the kernel has at this port, without those that only wait for late
/// packets.
pub fn connections(port: u16) -> ProcResult<usize> {
    let mut sockets = sockets(port)?;
    sockets.retain(|socket| !matches!(socket.state, TcpState::Listen | TcpState::TimeWait));
    Ok(sockets.len())
}

/// All ends of connections, and listeners, that the kernel of this machine has at this port.
fn sockets(port: u16) -> ProcResult<Vec<TcpNetEntry>> {
    // A machine may lack IPv6.
    let sockets = procfs::net::tcp()?.into_iter().chain(procfs::net::tcp6().unwrap_or_default());
    Ok(sockets.filter(|socket| socket.local_address.port() == port).collect())
}

/// Which process listens on this port of this machine.
pub fn listener_pid(address: SocketAddr) -> Option<u32> {
    let sockets = sockets(address.port()).ok()?;
    let listener = sockets.into_iter().find(|socket| socket.state == TcpState::Listen)?;
    let holds = |process: &Process| {
        let mut open = process.fd().into_iter().flatten().flatten();
        open.any(|one| one.target == FDTarget::Socket(listener.inode))
    };
    all_processes().ok()?.flatten().find(holds).map(|process| process.pid as u32)
}

/// Raises the soft limit of open descriptors to the hard limit, and returns what it is then.
pub fn raise_descriptors() -> u64 {
    let Rlimit { maximum, .. } = rustix::process::getrlimit(Resource::Nofile);
    // If the limit cannot be raised, the old one is returned.
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .unwrap_or_default();
    rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How often a process made each system call.
pub type Calls = Vec<(String, u64)>;

/// `strace -c`, counting the system calls of a process.
#[derive(Debug)]
pub struct Strace {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Strace {
    /// Whether strace is installed.
    pub fn is_there() -> bool {
        Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success())
    }

    /// Starts counting.
    pub fn attach(pid: u32) -> Outcome<Strace> {
        let mut command = Command::new("strace");
        command.args(["-c", "-f", "-p", &pid.to_string()]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let stderr = child.stderr.take().ok_or("strace without standard error")?;
        let mut strace = Strace { child, stderr: BufReader::new(stderr) };
        let mut told = String::new();
        strace.stderr.read_line(&mut told)?;
        match told.contains(" attached") {
            true => Ok(strace),
            false => Err(format!("strace could not attach: {told}").into()),
        }
    }

    /// Stops counting, and returns the counts.
    pub fn finish(mut self) -> Outcome<Calls> {
        rustix::process::kill_process(Pid::from_child(&self.child), Signal::INT)?;
        let mut table = String::new();
        self.stderr.read_to_string(&mut table)?;
        Ok(table.lines().filter_map(parse_calls).collect())
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        // It has ended already, unless something failed: then there is nothing to kill.
        self.child.kill().unwrap_or_default();
        self.child.wait().ok();
    }
}

/// A line of the table: share, seconds, microseconds a call, calls, errors if there are any, name.
fn parse_calls(line: &str) -> Option<(String, u64)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (name, calls) = (*fields.last()?, fields.get(3)?.parse().ok()?);
    (name != "total").then(|| (name.to_owned(), calls))
}
