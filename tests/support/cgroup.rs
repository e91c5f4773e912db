//! A cgroup of the test's own, in which the kernel counts what sockets take.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::wait_for;

/// Where the first version of cgroups counts memory. The second has no count of sockets that is
/// exact at every moment.
const ROOT: &str = "/sys/fs/cgroup/memory";

/// More than any test takes. The kernel counts only where there is a limit.
const LIMIT_BYTES: usize = 1 << 40;

/// A cgroup that counts the memory of its members' sockets. It is removed when dropped: drop its
/// members before.
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// A new one, or `None` on a machine that has no such cgroups, or does not let us make any;
    /// that is printed.
    pub fn new() -> Option<Cgroup> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = format!("{ROOT}/chinwag-test-{}-{number}", std::process::id());
        if let Err(error) = fs::create_dir(&path) {
            println!("skipped: needs root and cgroups of version 1: {path}: {error}");
            return None;
        }
        let cgroup = Cgroup { path: path.into() };
        let limit = cgroup.path.join("memory.kmem.tcp.limit_in_bytes");
        if let Err(error) = fs::write(&limit, LIMIT_BYTES.to_string()) {
            println!("skipped: this kernel does not count sockets: {}: {error}", limit.display());
            return None;
        }
        Some(cgroup)
    }

    /// Takes a process in. Sockets that it accepts from now on are counted here, its ends of the
    /// connections alone.
    pub fn add(&self, pid: u32) {
        fs::write(self.path.join("cgroup.procs"), pid.to_string()).unwrap();
    }

    /// The most that its sockets have held at once, in bytes.
    pub fn socket_bytes_max(&self) -> usize {
        read_number(&self.path.join("memory.kmem.tcp.max_usage_in_bytes"))
    }

    /// What its sockets hold now, in bytes.
    pub fn socket_bytes(&self) -> usize {
        read_number(&self.path.join("memory.kmem.tcp.usage_in_bytes"))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Whoever has just ended may still be counted among its members.
        wait_for("the cgroup to be empty", || fs::remove_dir(&self.path).ok());
    }
}

fn read_number(path: &Path) -> usize {
    fs::read_to_string(path).unwrap().trim().parse().unwrap()
}
