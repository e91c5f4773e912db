//! The order of the house: who may know what, and what must not lie about. Each message says what
//! to do about it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// Values, then what is generic over the socket, then the world: a file uses its own ring and those
/// before it. What stands in a folder belongs to the file of the same name.
const RINGS: [&[&str]; 3] = [
    &[
        "backlog",
        "command",
        "config",
        "deadlines",
        "line",
        "names",
        "notice",
        "pace",
        "addresses",
        "without",
        "reading",
        "stranger",
        "telnet",
        "text",
        "transcript",
    ],
    &["client", "door", "hub"],
    &["console", "join", "journal", "main", "server", "sink"],
];

/// What a ring must not name, and what to do instead.
const UNKNOWN: [(&str, &[usize], &str); 7] = [
    ("Instant::now", &[0, 1], "take `now: Instant` as a parameter"),
    ("SystemTime", &[0, 1, 2], "no deadline may depend on the wall clock"),
    ("mio::", &[0, 1], "only the world knows mio"),
    ("std::process", &[0, 1], "only the world knows the process"),
    ("TcpStream", &[0, 1], "be generic over `client::Socket`"),
    ("slab::", &[0], "values do not know who else is there"),
    ("std::thread", &[0, 1, 2], "nothing here makes a thread"),
];

/// The files that may know mio: each has a poll.
const KNOW_MIO: [&str; 2] = ["src/server.rs", "src/join/watch.rs"];

/// The files of the client that may look at the clock; to the others the moment is handed in.
const KNOW_CLOCK: [&str; 3] = ["src/join.rs", "src/join/relay.rs", "src/join/seat.rs"];

const LEFTOVERS: [&str; 8] =
    ["TODO", "FIXME", "XXX", "dbg!(", "todo!(", "unimplemented!(", "println!(", "eprintln!("];

const COLUMNS_MAX: usize = 100;
const LINES_MAX: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with("target") {
                continue;
            } else if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "{folder} is empty");
    found
}

/// The module a source file belongs to: `hub` for `src/hub/speak.rs`.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

fn ring(module: &str) -> Option<usize> {
    RINGS.iter().position(|ring| ring.contains(&module))
}

/// The source without its unit tests, which may know more.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap()
}

/// The code lines of a source file: comments may name what the code must not know.
fn code(text: &str) -> impl Iterator<Item = &str> {
    without_tests(text).lines().filter(|line| !line.trim_start().starts_with("//"))
}

fn sources() -> Vec<(PathBuf, String)> {
    let paths = files_below("src", ".rs").into_iter();
    paths.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn a_file_uses_only_its_own_ring_and_those_inside_it() {
    for (path, text) in sources() {
        let module = module(&path);
        if module == "lib" {
            continue;
        }
        let own = ring(&module).unwrap_or_else(|| panic!("give {module} its ring in this test"));
        for line in code(&text) {
            for (at, _) in line.match_indices("crate::") {
                let used = line[at + "crate::".len()..].split(|c: char| !c.is_alphanumeric());
                let used = used.into_iter().next().unwrap();
                let its = ring(used).unwrap_or_else(|| panic!("give {used} its ring in this test"));
                assert!(
                    its <= own,
                    "{}: ring {} must not use {used} of ring {}: hand the value in instead",
                    path.display(),
                    own + 1,
                    its + 1
                );
            }
        }
    }
}

#[test]
fn no_room_knows_what_it_must_not() {
    for (path, text) in sources() {
        let Some(own) = ring(&module(&path)) else { continue };
        for (word, rings, mend) in UNKNOWN {
            let known = code(&text).find(|line| line.contains(word));
            let forbidden = rings.contains(&own);
            assert!(!forbidden || known.is_none(), "{}: {known:?}: {mend}", path.display());
        }
    }
}

#[test]
fn only_a_loop_knows_mio() {
    for (path, text) in sources() {
        let knows = code(&text).any(|line| line.contains("mio::"));
        let may = KNOW_MIO.iter().any(|known| path.ends_with(known));
        assert!(may || !knows, "{}: ask the server or the client's watch to do it", path.display());
    }
}

#[test]
fn to_most_of_the_client_the_moment_is_handed_in() {
    for (path, text) in sources().into_iter().filter(|(path, _)| module(path) == "join") {
        let knows = code(&text).any(|line| line.contains("Instant::now"));
        let may = KNOW_CLOCK.iter().any(|known| path.ends_with(known));
        assert!(may || !knows, "{}: take `now: Instant` as a parameter", path.display());
    }
}

#[test]
fn every_source_file_says_what_it_is_and_is_one_room() {
    for (path, text) in sources() {
        let path = path.display();
        assert!(text.starts_with("//! "), "{path}: begin with what this room is for");
        let lines = without_tests(&text).lines().count();
        assert!(lines <= LINES_MAX, "{path}: {lines} lines want to be two rooms");
    }
}

#[test]
fn lines_are_short_and_nothing_is_left_over() {
    let scripts = ["src", "tests"].into_iter().flat_map(|folder| files_below(folder, ".rs"));
    let scripts = scripts.chain(files_below("scripts", ""));
    // What a program wrote is as long as it is.
    let written = |path: &PathBuf| path.starts_with(root().join("scripts/results"));
    for path in scripts.filter(|path| !path.ends_with("tidy.rs") && !written(path)) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            let place = format!("{}:{}", path.display(), number + 1);
            let columns = line.chars().count();
            assert!(columns <= COLUMNS_MAX, "{place}: {columns} columns: break the line");
            assert!(line.trim_end() == line, "{place}: remove the blanks at the end");
            let in_source = path.starts_with(root().join("src"));
            let left = LEFTOVERS.iter().find(|word| in_source && line.contains(*word));
            assert!(left.is_none(), "{place}: {left:?} is a leftover: finish or remove it");
        }
    }
}

#[test]
fn the_readme_knows_every_flag_and_no_other() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let known = [flags(&help(&["--help"])), flags(&help(&["join", "--help"]))].concat();
    for flag in &known {
        assert!(readme.contains(&format!("`{flag}")), "README.md: say what {flag} is for");
    }
    let ours = readme.split("## Figures").next().unwrap();
    for flag in flags(ours) {
        let others = ["--release"].contains(&flag.as_str());
        assert!(others || known.contains(&flag), "README.md: there is no {flag}");
    }
}

#[test]
fn every_test_that_is_named_as_a_proof_exists() {
    let sources = ["src", "tests"].into_iter().flat_map(|folder| files_below(folder, ".rs"));
    let code: String = sources.map(|path| fs::read_to_string(path).unwrap()).collect();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let promises = readme.split("\n## ").find(|part| part.starts_with("What is promised")).unwrap();
    let rows = promises.lines().filter_map(|line| line.strip_suffix(" |")?.rsplit(" | ").next());
    let named: Vec<&str> = rows.flat_map(|tests| tests.split('`').skip(1).step_by(2)).collect();
    assert!(named.len() > 20, "README.md: each promise names the tests that hold it");
    for name in named {
        let exists = code.contains(&format!("fn {name}()"));
        assert!(exists, "README.md: there is no test {name}: name the one that holds the promise");
    }
}

/// What the program says of itself.
fn help(arguments: &[&str]) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_chinwag"));
    String::from_utf8(command.args(arguments).output().unwrap().stdout).unwrap()
}

/// Every `--word` in a text.
fn flags(text: &str) -> Vec<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let words = text.split(|c: char| !word(c)).filter(|flag| {
        flag.strip_prefix("--").is_some_and(|name| name.starts_with(|c: char| c.is_alphabetic()))
    });
    words.map(str::to_owned).collect()
}
