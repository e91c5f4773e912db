//! What the kernel tells about a process.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal};

use super::Outcome;

/// A process is at rest when it has used no time for this long. The kernel counts a running process
/// at its ticks (250 or 1000 a second), and a sleeping one exactly.
const REST: Duration = Duration::from_millis(5);

/// A process that is not at rest after this long is measured nevertheless.
const REST_PATIENCE: Duration = Duration::from_secs(2);

/// The processor time that all threads of a process have used, in nanoseconds.
pub fn cpu_ns(pid: u32) -> io::Result<u64> {
    let mut all = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let schedstat = fs::read_to_string(task?.path().join("schedstat"))?;
        let first = schedstat.split_ascii_whitespace().next();
        all += first.and_then(|ns| ns.parse::<u64>().ok()).ok_or(ErrorKind::InvalidData)?;
    }
    Ok(all)
}

/// The same, once the process has nothing more to do.
pub fn cpu_ns_at_rest(pid: u32) -> io::Result<u64> {
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
#[derive(Clone, Copy, Debug)]
pub struct Gauged {
    /// Processor time, in nanoseconds.
    pub cpu_ns: Option<u64>,
    /// Memory.
    pub resident_bytes: Option<u64>,
}

impl Gauged {
    /// What it has used until now.
    pub fn now(pid: Option<u32>) -> Outcome<Gauged> {
        let Some(pid) = pid else { return Ok(Gauged { cpu_ns: None, resident_bytes: None }) };
        let unknown = |error| format!("nothing is known of the process {pid}: {error}");
        let cpu_ns = cpu_ns_at_rest(pid).map_err(unknown)?;
        let resident_bytes = resident_bytes(pid).map_err(unknown)?;
        Ok(Gauged { cpu_ns: Some(cpu_ns), resident_bytes: Some(resident_bytes) })
    }

    /// What it has used since `before`.
    pub fn since(&self, before: &Gauged) -> Gauged {
        let between = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
        Gauged {
            cpu_ns: between(self.cpu_ns, before.cpu_ns),
            resident_bytes: between(self.resident_bytes, before.resident_bytes),
        }
    }
}

/// How much of a process is in memory, in bytes.
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    // `statm` and `status` count in batches of pages per processor; this one counts exactly.
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let rss = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kib = rss.and_then(|rss| rss.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kib.ok_or(ErrorKind::InvalidData)? * 1024)
}

/// How many descriptors a process has open.
pub fn descriptors(pid: u32) -> io::Result<u64> {
    let directory = format!("/proc/{pid}/fd");
    // Since Linux 6.2 the size of the directory is the number of its entries. Before, it is 0.
    match fs::metadata(&directory)?.len() {
        0 => Ok(fs::read_dir(&directory)?.count() as u64),
        count => Ok(count),
    }
}

/// How many connections a process has accepted and not closed, counted by its descriptors.
#[derive(Clone, Copy, Debug)]
pub struct Connections {
    pid: u32,
    /// How many descriptors it had without connections.
    descriptors: u64,
}

impl Connections {
    /// Counts the connections that it accepts from now on.
    pub fn of(pid: u32) -> io::Result<Connections> {
        Ok(Connections { pid, descriptors: descriptors(pid)? })
    }

    /// How many there are.
    pub fn count(&self) -> io::Result<usize> {
        Ok(descriptors(self.pid)?.saturating_sub(self.descriptors) as usize)
    }
}

/// One end of a connection over TCP, or a listener, as proc(5) shows it.
#[derive(Clone, Debug)]
pub struct Socket {
    /// One of the states of TCP.
    pub state: u8,
    inode: String,
}

impl Socket {
    /// The state of a connection that only waits for late packets (TIME-WAIT). It costs its process
    /// nothing, and ends by itself.
    pub const WAITS: u8 = 6;
    /// The state of a listener.
    pub const LISTENS: u8 = 10;
}

/// All sockets that the kernel of this machine has at this port.
pub fn sockets(port: u16) -> io::Result<Vec<Socket>> {
    let mut sockets = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        match fs::read_to_string(table) {
            Ok(table) => {
                sockets.extend(table.lines().filter_map(|line| parse_socket(line, port)));
            }
            // A machine may lack one of the two.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sockets)
}

/// A line of the table: number, local and remote end, state, queues, four more, inode.
fn parse_socket(line: &str, port: u16) -> Option<Socket> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let number = |digits| u64::from_str_radix(digits, 16).ok();
    let (_, local_port) = fields.get(1)?.split_once(':')?;
    if number(local_port)? != u64::from(port) {
        return None;
    }
    Some(Socket { state: number(fields.get(3)?)? as u8, inode: (*fields.get(9)?).to_owned() })
}

/// Which process listens on this port of this machine.
pub fn listener_pid(address: SocketAddr) -> Option<u32> {
    let sockets = sockets(address.port()).ok()?;
    let listener = sockets.into_iter().find(|socket| socket.state == Socket::LISTENS)?;
    let link = format!("socket:[{}]", listener.inode);
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(|pid| holds(*pid, OsStr::new(&link)))
}

fn holds(pid: u32, socket: &OsStr) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    descriptors.flatten().any(|one| fs::read_link(one.path()).is_ok_and(|to| to == *socket))
}

/// Raises the soft limit of open descriptors to the hard limit, and returns what it is then.
pub fn raise_descriptors() -> u64 {
    let Rlimit { maximum, .. } = rustix::process::getrlimit(Resource::Nofile);
    // If the limit cannot be raised, the old one is returned.
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .unwrap_or_default();
    rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How often a process made one system call.
#[derive(Clone, Debug)]
pub struct Calls {
    /// The name of the call.
    pub name: String,
    /// How often the process made it.
    pub calls: u64,
    /// How often it failed, `EAGAIN` included.
    pub errors: u64,
}

/// `strace -c`, counting the system calls of a process.
#[derive(Debug)]
pub struct Strace {
    child: Child,
    log: PathBuf,
}

impl Strace {
    /// Whether strace is installed.
    pub fn is_there() -> bool {
        let quiet = || Stdio::null();
        let status = Command::new("strace").arg("-V").stdout(quiet()).stderr(quiet()).status();
        status.is_ok_and(|status| status.success())
    }

    /// Starts counting.
    pub fn attach(pid: u32) -> Outcome<Strace> {
        let log = std::env::temp_dir().join(format!("chinwag-strace-{}", std::process::id()));
        let mut command = Command::new("strace");
        command.args(["-c", "-f", "-o"]).arg(&log).args(["-p", &pid.to_string()]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let strace = Strace { child, log };
        let deadline = Instant::now() + REST_PATIENCE;
        while !is_traced(pid) {
            if Instant::now() > deadline {
                return Err("strace could not attach".into());
            }
            sleep(REST);
        }
        Ok(strace)
    }

    /// Stops counting, and returns the counts.
    pub fn finish(mut self) -> Outcome<Vec<Calls>> {
        let pid = Pid::from_child(&self.child);
        rustix::process::kill_process(pid, Signal::INT)?;
        self.child.wait()?;
        let table = fs::read_to_string(&self.log)?;
        fs::remove_file(&self.log)?;
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

fn is_traced(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|tracer| tracer.trim() != "0")
}

/// A line of the table: share, seconds, microseconds a call, calls, errors if there are any, name.
fn parse_calls(line: &str) -> Option<Calls> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let name = (*fields.last()?).to_owned();
    let calls = fields.get(3)?.parse().ok()?;
    let errors = if fields.len() == 6 { fields.get(4)?.parse().ok()? } else { 0 };
    (name != "total").then_some(Calls { name, calls, errors })
}
