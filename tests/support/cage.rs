//! A control group of the test's own (cgroups(7)). It measures the memory of a server, with all
//! that the kernel holds for it, and can limit it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::process::through_shell;
use super::wait_for;

/// The files of one version of the interface.
struct Files {
    parent: &'static str,
    /// The files that are added up; in the first version sockets are counted apart.
    used: &'static [&'static str],
    limits: &'static [&'static str],
    /// The name in the statistics for cached file pages. The kernel takes these back when it must.
    cache: &'static str,
}

const VERSIONS: [Files; 2] = [
    Files {
        parent: "/sys/fs/cgroup/memory",
        used: &["memory.usage_in_bytes", "memory.kmem.tcp.usage_in_bytes"],
        // Sockets are counted only if there is a limit for them.
        limits: &["memory.limit_in_bytes", "memory.kmem.tcp.limit_in_bytes"],
        cache: "cache ",
    },
    Files {
        parent: "/sys/fs/cgroup",
        used: &["memory.current"],
        limits: &["memory.max"],
        cache: "file ",
    },
];

/// A control group. It is removed when dropped, after all processes in it have ended.
pub struct Cage {
    folder: PathBuf,
    files: &'static Files,
}

impl Cage {
    /// Makes one without a limit; `None` if the machine does not allow it.
    pub fn make(name: &str) -> Option<Cage> {
        VERSIONS.iter().find_map(|files| {
            let folder = PathBuf::from(files.parent).join(format!("{name}-{}", std::process::id()));
            fs::create_dir(&folder).ok()?;
            let cage = Cage { folder, files };
            cage.files.limits.iter().all(|limit| cage.folder.join(limit).exists()).then_some(cage)
        })
    }

    /// The server with these flags, in the group from its beginning.
    pub fn command(&self, flags: &[&str]) -> Command {
        let mut command = through_shell("echo $$ >\"$CAGE\" && exec \"$0\" \"$@\"", flags);
        command.env("CAGE", self.folder.join("cgroup.procs"));
        command
    }

    /// Limits the memory to this.
    pub fn allow(&self, bytes: usize) {
        for limit in self.files.limits {
            let allowed = fs::write(self.folder.join(limit), bytes.to_string());
            assert!(allowed.is_ok(), "{} bytes, and not {bytes}: {allowed:?}", self.used_bytes());
        }
    }

    /// The most that the sockets in the group have held at once, if that is counted apart. These
    /// are the server's ends of the connections only.
    pub fn socket_bytes_max(&self) -> Option<usize> {
        let counted = fs::read_to_string(self.folder.join("memory.kmem.tcp.max_usage_in_bytes"));
        Some(counted.ok()?.trim().parse().unwrap())
    }

    /// How much memory is used, without cached file pages.
    pub fn used_bytes(&self) -> usize {
        let number = |text: &str| text.trim().parse::<usize>().unwrap();
        let used: usize = self.files.used.iter().map(|file| number(&self.read(file))).sum();
        let stat = self.read("memory.stat");
        let cache = stat.lines().find_map(|line| line.strip_prefix(self.files.cache));
        used.saturating_sub(number(cache.unwrap()))
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap()
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        wait_for("the cage to be empty", || fs::remove_dir(&self.folder).ok());
    }
}
