//! What the machine gives the server: descriptors, memory and a name. This file knows no client.

use log::{info, warn};
use rustix::process::{Resource, Rlimit};

use crate::config::{Config, DESCRIPTORS_RESERVED};

/// A mebibyte.
pub const MIB: usize = 1 << 20;

/// The most clients: `--max-clients`, or fewer if there are not enough descriptors.
pub fn clients_max(config: &Config) -> usize {
    let possible = descriptors_max().saturating_sub(DESCRIPTORS_RESERVED).max(1);
    let asked = config.max_clients.unwrap_or(possible);
    if asked > possible {
        warn!("--max-clients {asked} needs more descriptors than there are; it is {possible}");
    }
    asked.min(possible)
}

/// Raises the soft limit of open descriptors to the hard limit, and returns that.
fn descriptors_max() -> usize {
    let Rlimit { maximum, .. } = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    if let Err(error) = rustix::process::setrlimit(Resource::Nofile, raised) {
        warn!("cannot raise the limit of open descriptors: {error}");
    }
    let Rlimit { current, .. } = rustix::process::getrlimit(Resource::Nofile);
    current.map_or(usize::MAX, |limit| limit as usize)
}

/// What this machine is called.
pub fn machine_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// How much memory the process takes now, as proc(5) prints it.
pub fn memory_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(resident.trim().strip_suffix(" kB")?.parse::<usize>().ok()? * 1024)
}

/// How many descriptors the process has open. `None` before Linux 6.2: there the kernel would have
/// to list them all.
pub fn descriptors() -> Option<usize> {
    let count = std::fs::metadata("/proc/self/fd").ok()?.len();
    (count > 0).then_some(count as usize)
}

/// Logs the most clients, and the most memory that they can take.
pub fn tell_bounds(config: &Config, clients_max: usize) {
    let (own, kernel) = config.memory_bytes_max(clients_max);
    info!(
        "at most {clients_max} clients; at most {} MiB of memory with all of them, {} MiB of it in \
         the kernel's socket buffers",
        (own + kernel).div_ceil(MIB),
        kernel.div_ceil(MIB)
    );
}
