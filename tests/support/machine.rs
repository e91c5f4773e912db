//! The machine below a server: what the server uses of it, and how it runs short.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit};

use super::{Server, command, process, send_signal, wait_for};

impl Server {
    /// The processor time that it has used.
    pub fn processor_time(&self) -> Duration {
        let stat = read(self, "schedstat");
        Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
    }

    /// Its open descriptors: their numbers and links, as proc(5) shows them.
    pub fn descriptors(&self) -> BTreeMap<u64, String> {
        let folder = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let known = |entry: std::io::Result<std::fs::DirEntry>| {
            let path = entry.unwrap().path();
            let number = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
            // It may have been closed in the meantime.
            Some((number, std::fs::read_link(&path).ok()?.to_string_lossy().into_owned()))
        };
        folder.filter_map(known).collect()
    }

    /// Changes the soft limit of its descriptors while it runs; returns the old one.
    pub fn limit_descriptors(&self, soft: u64) -> u64 {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        let limits = read(self, "limits");
        let line = limits.lines().find(|line| line.starts_with("Max open files ")).unwrap();
        let hard = line.split_whitespace().nth(4).unwrap().parse().ok();
        let new = Rlimit { current: Some(soft), maximum: hard };
        rustix::process::prlimit(pid, Resource::Nofile, new).unwrap().current.unwrap()
    }
}

fn read(server: &Server, what: &str) -> String {
    std::fs::read_to_string(format!("/proc/{}/{what}", server.child.id())).unwrap()
}

/// Starts a server in which some system calls fail: `call` is the name of the call, `error` that of
/// the error, and `when` says which of the calls fail, as strace(1) has it.
pub fn start_failing(call: &str, error: &str, when: &str, flags: &[&str]) -> Server {
    let server = command(flags);
    let mut strace = Command::new("strace");
    // With -D the server is our child and not strace's, so killing it works. With -I 2 strace
    // handles signals.
    strace.args(["-D", "-I", "2", "-f", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e"]);
    strace.arg(format!("inject={call}:error={error}:when={when}"));
    strace.arg(server.get_program()).args(server.get_args());
    process::start_piped(strace)
}

/// Lets all calls of such a server succeed from now on.
pub fn end_failing(server: &Server) {
    let tracer = || {
        let status = read(server, "status");
        let line = status.lines().find_map(|line| line.strip_prefix("TracerPid:")).unwrap();
        line.trim().parse::<u32>().unwrap()
    };
    send_signal(tracer(), "TERM");
    wait_for("the end of the trace", || (tracer() == 0).then_some(()));
}
