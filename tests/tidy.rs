//! The order of the source: which file may use what, and what every page and name must keep to.
//! Each message says how to mend it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use chinwag::config::Config;
use chinwag::words::command::COMMANDS;
use chinwag::words::notice::Lang;
use clap::{Arg, CommandFactory, Parser};

/// The folders in the order in which a line passes them: a file uses its own and those before it.
const FOLDERS: [&str; 12] = [
    "words", "pace", "wire", "room", "bus", "config", "hub", "stdio", "keep", "server", "ctl",
    "join",
];

/// The same of the scripts.
const SCRIPT_FOLDERS: [&str; 4] = ["crowd", "stress", "soak", "bench"];

/// All folders before this one are values. This one is generic over the socket. The rest is the
/// world.
const GENERIC: &str = "hub";

/// The names that values and the hub must not use, and what to do instead.
const UNKNOWN: [(&str, &str); 5] = [
    ("Instant::now", "take `now: Instant` as a parameter"),
    ("mio::", "only the world knows mio"),
    ("std::process", "only the world knows the process"),
    ("TcpStream", "be generic over `client::Socket`"),
    ("std::net::TcpListener", "only the world listens"),
];

/// The names that no file may use.
const FORBIDDEN: [(&str, &str); 2] = [
    ("SystemTime", "no deadline may depend on the wall clock"),
    ("std::thread", "nothing here makes a thread"),
];

/// The files that may know mio: each has a poll, or is a step of the loop that has it.
const KNOW_MIO: [&str; 4] =
    ["src/server/mod.rs", "src/server/accepting.rs", "src/server/engine.rs", "src/join/watch.rs"];

/// The files that may read the calendar: a ban that is kept ends on a day, and a line of the log
/// was said on one.
const KNOW_CALENDAR: [&str; 2] = ["src/server/files.rs", "src/keep/mod.rs"];

/// The files of the client that may read the clock. The others take the present moment as a
/// parameter.
const KNOW_CLOCK: [&str; 3] = ["src/join/mod.rs", "src/join/relay.rs", "src/join/seat.rs"];

/// What writes a file or waits for a disk, in [`KEEP_FILES`] alone. A slow disk must not stop the
/// loop of the server.
const DISK: [&str; 7] = [
    "OpenOptions",
    "DirBuilder",
    "File::create",
    "fs::write",
    "fs::rename",
    "sync_all",
    "sync_data",
];

/// The keeper's directory, the client's history, a terminal that is opened once more, the folder of
/// a socket, which is made at the start, and the pages of a package, which no server writes.
const KEEP_FILES: [&str; 5] = [
    "src/keep/folder.rs",
    "src/join/history.rs",
    "src/stdio/sink.rs",
    "src/server/unix.rs",
    "src/docs.rs",
];

const LEFTOVERS: [&str; 8] =
    ["TODO", "FIXME", "XXX", "dbg!(", "todo!(", "unimplemented!(", "println!(", "eprintln!("];

/// The files and folders of the top level, without those that begin with a dot. Cargo makes
/// `target`.
const TOP: [&str; 11] = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "scripts",
    "src",
    "target",
    "tests",
];

/// The pages that link to each other.
const PAGES: [&str; 7] = [
    "README.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "tests/README.md",
    "scripts/README.md",
    "scripts/results/README.md",
    "scripts/service/README.md",
];

/// Words for people, which a client is not.
const PERSONS: [&str; 2] = ["whoever", "those who"];

/// The same in the name of a test.
const PERSONS_IN_A_NAME: [&str; 3] = ["who_", "whoever", "those_who"];

/// A test name is one short sentence.
const TEST_NAME_BYTES_MAX: usize = 60;

/// A visitor reads it on one or two screens.
const README_BYTES_MAX: usize = 6200;

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

fn names_in(folder: &str) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap())
}

/// The folder of a source file: `hub` for `src/hub/speak.rs`; `None` for `lib` and `main`.
fn folder(path: &Path) -> Option<usize> {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    place(first.trim_end_matches(".rs"))
}

fn place(name: &str) -> Option<usize> {
    FOLDERS.iter().position(|folder| *folder == name)
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
fn a_file_uses_only_its_own_folder_and_those_before_it() {
    for (path, text) in sources() {
        let Some(own) = folder(&path) else { continue };
        for line in code(&text) {
            for (at, _) in line.match_indices("crate::") {
                let used = line[at + "crate::".len()..].split(|c: char| !c.is_alphanumeric());
                let used = used.into_iter().next().unwrap();
                let its = place(used).unwrap_or_else(|| panic!("{used} is no folder"));
                let path = path.display();
                assert!(its <= own, "{path}: {used} comes later: hand the value in instead");
            }
        }
    }
}

#[test]
fn a_script_uses_only_its_own_folder_and_those_before_it() {
    let folder = |name: &str| SCRIPT_FOLDERS.iter().position(|folder| *folder == name);
    for path in files_below("scripts/src", ".rs") {
        let inside = path.strip_prefix(root().join("scripts/src")).unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_string_lossy();
        // The programs use any.
        let Some(own) = folder(&first) else { continue };
        let text = fs::read_to_string(&path).unwrap();
        for line in code(&text) {
            for used in line.split("crate::").skip(1).filter_map(|rest| rest.split("::").next()) {
                let its = folder(used).unwrap_or_else(|| panic!("{used} is no folder"));
                assert!(its <= own, "{}: {used} comes later", path.display());
            }
        }
    }
}

#[test]
fn no_file_knows_what_it_must_not() {
    for (path, text) in sources() {
        let is_world = folder(&path).is_none_or(|own| Some(own) > place(GENERIC));
        let unknown = UNKNOWN.iter().filter(|_| !is_world);
        let may_date = KNOW_CALENDAR.iter().any(|file| path.ends_with(file));
        let forbidden = FORBIDDEN.iter().filter(|(word, _)| *word != "SystemTime" || !may_date);
        for (word, mend) in unknown.chain(forbidden) {
            let known = code(&text).find(|line| line.contains(word));
            assert!(known.is_none(), "{}: {known:?}: {mend}", path.display());
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
fn no_file_but_the_keepers_folder_waits_for_a_disk() {
    for (path, text) in sources() {
        let known = code(&text).find(|line| DISK.iter().any(|word| line.contains(word)));
        let may = KEEP_FILES.iter().any(|file| path.ends_with(file));
        assert!(may || known.is_none(), "{}: {known:?}: send it to the keeper", path.display());
    }
}

#[test]
fn to_most_of_the_client_the_moment_is_handed_in() {
    for (path, text) in sources().into_iter().filter(|(path, _)| folder(path) == place("join")) {
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
    // What a program wrote has lines of any length.
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
fn every_flag_that_a_page_names_exists() {
    let known: HashSet<String> = [Config::command(), Joining::command(), Commanding::command()]
        .iter()
        .flat_map(|command| command.get_arguments().filter_map(Arg::get_long))
        .chain(["help", "version"])
        .map(|flag| format!("--{flag}"))
        .collect();
    for page in ["README.md", "SECURITY.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        for flag in flags(&text) {
            let of_others = ["--release", "--bin", "--test", "--now"];
            assert!(
                of_others.contains(&flag.as_str()) || known.contains(&flag),
                "{page}: there is no {flag}"
            );
        }
    }
}

/// The client with its flags.
#[derive(Parser)]
struct Joining {
    #[command(flatten)]
    _flags: chinwag::join::flags::Flags,
}

/// The program that sends one command, with its flags.
#[derive(Parser)]
struct Commanding {
    #[command(flatten)]
    _flags: chinwag::ctl::Flags,
}

#[test]
fn the_readme_lists_every_command_and_no_other() {
    let page = fs::read_to_string(root().join("README.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `/"));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    let mut listed: Vec<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    // A cell of a table ends at `|`, so the README writes `on|off` as two commands.
    let usages = COMMANDS.iter().flat_map(|row| {
        let (usage, _) = row.help(Lang::En);
        let (name, rest) = usage.split_at(row.name().len());
        rest.split('|').map(move |choice| format!("{name} {}", choice.trim()).trim().to_owned())
    });
    let mut usages: Vec<String> = usages.collect();
    listed.sort_unstable();
    usages.sort_unstable();
    assert_eq!(listed, usages, "README.md: list the commands as `COMMANDS` has them");
}

#[test]
fn the_readme_is_short() {
    let bytes = fs::read(root().join("README.md")).unwrap().len();
    assert!(bytes <= README_BYTES_MAX, "README.md: {bytes} bytes: move some where it belongs");
}

#[test]
fn what_a_visitor_reads_calls_a_client_it() {
    let page = |name| fs::read_to_string(root().join(name)).unwrap();
    let texts = [
        ("README.md", page("README.md")),
        ("SECURITY.md", page("SECURITY.md")),
        ("--help", help(&["--help"])),
        ("join --help", help(&["join", "--help"])),
    ];
    for (name, text) in texts {
        assert_eq!(person_in(&text), None, "{name}: a client is *it*");
    }
}

#[test]
fn comments_call_a_client_it() {
    let files = [("src", ".rs"), ("tests", ".rs"), ("scripts", "")];
    let files = files.into_iter().flat_map(|(folder, ending)| files_below(folder, ending));
    for path in files {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let comments = text.lines().filter_map(|line| {
            let line = line.trim_start();
            line.strip_prefix('#').or(line.strip_prefix("//"))
        });
        let comments = comments.map(|line| line.trim_start_matches(['/', '!']));
        let person = person_in(&comments.collect::<Vec<_>>().join(" "));
        assert_eq!(person, None, "{}: a client is *it*", path.display());
    }
}

/// The first of [`PERSONS`] in a text, over the ends of its lines.
fn person_in(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    PERSONS.into_iter().find(|word| {
        text.split(|c: char| !c.is_alphabetic() && c != ' ')
            .any(|part| format!(" {part} ").contains(&format!(" {word} ")))
    })
}

#[test]
fn every_link_of_a_page_leads_to_a_file() {
    for page in PAGES {
        let path = root().join(page);
        let text = fs::read_to_string(&path).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for link in links.filter(|link| !link.contains("://")) {
            assert!(path.with_file_name(link).exists(), "{page}: there is no {link}");
        }
    }
}

/// The output of the program with these arguments.
fn help(arguments: &[&str]) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_chinwag"));
    String::from_utf8(command.args(arguments).output().unwrap().stdout).unwrap()
}

#[test]
fn every_test_that_is_named_as_a_proof_exists() {
    let sources = ["src", "tests"].into_iter().flat_map(|folder| files_below(folder, ".rs"));
    let code: String = sources.map(|path| fs::read_to_string(path).unwrap()).collect();
    let tests: HashSet<&str> = code.split("#[test]").skip(1).filter_map(function_name).collect();
    let page = fs::read_to_string(root().join("tests/README.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_suffix(" |")?.rsplit(" | ").next());
    let named: Vec<&str> = rows.flat_map(|tests| tests.split('`').skip(1).step_by(2)).collect();
    assert!(named.len() > 20, "tests/README.md: each promise names the tests that hold it");
    for name in named {
        assert!(tests.contains(name), "tests/README.md: there is no test {name}: name another");
    }
}

#[test]
fn the_name_of_a_test_is_short_and_calls_a_client_it() {
    let folders = ["src", "tests", "scripts"].into_iter();
    for path in folders.flat_map(|folder| files_below(folder, ".rs")) {
        let code = fs::read_to_string(&path).unwrap();
        for name in code.split("#[test]\n").skip(1).filter_map(function_name) {
            let (place, bytes) = (format!("{}: {name}", path.display()), name.len());
            assert!(bytes <= TEST_NAME_BYTES_MAX, "{place}: {bytes} bytes: say less");
            let word = PERSONS_IN_A_NAME.iter().find(|word| name.contains(*word));
            assert!(word.is_none(), "{place}: {word:?}: a client is *it*");
        }
    }
}

/// The name of the first function in this code.
fn function_name(code: &str) -> Option<&str> {
    code.split_once("fn ")?.1.split_once('(').map(|(name, _)| name)
}

#[test]
fn every_module_stands_where_its_name_says() {
    let folders = ["src", "tests", "scripts"].into_iter();
    for path in folders.flat_map(|folder| files_below(folder, ".rs")) {
        let code = fs::read_to_string(&path).unwrap();
        for word in ["#[path", "allow(dead_code"].map(|word| format!("\n{word}")) {
            let place = path.display();
            assert!(!code.contains(&word), "{place}: {word:?}: put it into tests/support");
        }
    }
}

#[test]
fn what_a_unit_test_finds_is_kept_beside_the_tests() {
    for (path, text) in sources() {
        for block in text.split("proptest! {").skip(1) {
            let is_kept = block.trim_start().starts_with("#![proptest_config(crate::cases())]");
            assert!(is_kept, "{}: begin a proptest with crate::cases()", path.display());
        }
    }
}

#[test]
fn the_top_level_has_only_what_a_visitor_looks_for() {
    for name in names_in("") {
        let may = name.starts_with('.') || TOP.contains(&name.as_str());
        assert!(may, "{name}: put it into src, tests or scripts");
    }
}

#[test]
fn every_folder_of_tests_says_what_it_is_for() {
    let page = fs::read_to_string(root().join("tests/README.md")).unwrap();
    for name in names_in("tests") {
        let is_told = page.contains(&format!("\n**`{name}`** "));
        let is_file = root().join("tests").join(&name).is_file();
        assert!(is_told || is_file, "tests/README.md: say what {name} is for");
    }
}

/// Every `--word` in a text.
fn flags(text: &str) -> Vec<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let words = text.split(|c: char| !word(c)).filter(|flag| {
        flag.strip_prefix("--").is_some_and(|name| name.starts_with(|c: char| c.is_alphabetic()))
    });
    words.map(str::to_owned).collect()
}
