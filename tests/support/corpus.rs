//! The inputs in `tests/fuzz/corpus`: a fuzzer has found that they reach different code, or they
//! once failed.

use std::fs;
use std::path::{Path, PathBuf};

/// All inputs for one program of `tests/fuzz`.
pub struct Inputs(Vec<PathBuf>);

impl Inputs {
    pub fn of(target: &str) -> Inputs {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
        let entries = fs::read_dir(&folder).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        assert!(!paths.is_empty(), "nothing is kept in {}", folder.display());
        paths.sort();
        Inputs(paths)
    }

    /// Tries each input; a failure names it.
    pub fn try_each(self, mut holds: impl FnMut(&[u8])) {
        for path in self.0 {
            let bytes = fs::read(&path).unwrap();
            let trying = Trying(path);
            holds(&bytes);
            drop(trying);
        }
    }
}

struct Trying(PathBuf);

impl Drop for Trying {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with {}", self.0.display());
        }
    }
}
