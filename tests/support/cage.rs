//! A control group of the test's own, which knows how much memory a server takes with all that the
//! kernel holds for it, and lets it have no more than it is allowed (cgroups(7)).

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::process::through_shell;
use super::wait_for;

/// The files of one version of the interface.
struct Files {
    parent: &'static str,
    /// What is used together; in the first version sockets are counted apart.
    used: &'static [&'static str],
    limits: &'static [&'static str],
    /// What files of it are in memory, which the kernel takes back when it must: its name among the
    /// statistics.
    cache: &'static str,
}

const VERSIONS: [Files; 2] = [
    Files {
        parent: "/sys/fs/cgroup/memory",
        used: &["memory.usage_in_bytes", "memory.kmem.tcp.usage_in_bytes"],
        // Sockets are counted only where there is a limit for them.
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

/// A control group; it is removed when dropped, after all in it have ended.
pub struct Cage {
    folder: PathBuf,
    files: &'static Files,
}

impl Cage {
    /// Makes one that may have as much as it likes; `None` where the machine does not allow it.
    pub fn make(name: &str) -> Option<Cage> {
        VERSIONS.iter().find_map(|files| {
            let folder = PathBuf::from(files.parent).join(format!("{name}-{}", std::process::id()));
            fs::create_dir(&folder).ok()?;
            let cage = Cage { folder, files };
            cage.files.limits.iter().all(|limit| cage.folder.join(limit).exists()).then_some(cage)
        })
    }

    /// The server with these flags, in here from its beginning.
    pub fn command(&self, flags: &[&str]) -> Command {
        let mut command = through_shell("echo $$ >\"$CAGE\" && exec \"$0\" \"$@\"", flags);
        command.env("CAGE", self.folder.join("cgroup.procs"));
        command
    }

    /// Allows no more than so much.
    pub fn allow(&self, bytes: usize) {
        for limit in self.files.limits {
            let allowed = fs::write(self.folder.join(limit), bytes.to_string());
            assert!(allowed.is_ok(), "{} bytes, and not {bytes}: {allowed:?}", self.used_bytes());
        }
    }

    /// The most that the sockets in here have held at once, where that is counted by itself: their
    /// server's ends of the connections alone.
    pub fn socket_bytes_max(&self) -> Option<usize> {
        let counted = fs::read_to_string(self.folder.join("memory.kmem.tcp.max_usage_in_bytes"));
        Some(counted.ok()?.trim().parse().unwrap())
    }

    /// How much is used, without what is in memory of files.
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
