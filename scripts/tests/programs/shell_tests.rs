//! The scripts do what their help says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::chinwag_program;
use scripts::crowd::PATIENCE;

/// The scripts for visitors, each with a word of its help.
const SCRIPTS: [(&str, &str); 7] = [
    ("soak.sh", "--seconds SECONDS"),
    ("demo.sh", "Ctrl-B d"),
    ("cluster.sh", "Ctrl-B d"),
    ("keeping.sh", "--runs RUNS"),
    ("proof.sh", "--short"),
    ("release.sh", "musl"),
    ("service/boot.sh", "--dist"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The server, in words.
fn chinwag() -> String {
    chinwag_program().to_str().unwrap().to_owned()
}

/// Waits until `condition` returns a value.
fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn script(name: &str, arguments: &[&str]) -> Command {
    script_in(root(), name, arguments)
}

fn script_in(root: &Path, name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg(root.join("scripts").join(name)).args(arguments).stdin(Stdio::null());
    command
}

/// The scripts in a folder where nothing is built. Only the `cargo` of the test knows where the
/// program is.
struct Elsewhere {
    root: PathBuf,
}

impl Elsewhere {
    /// Its `cargo` notes its arguments, and runs `program` instead.
    fn new(program: &str) -> Elsewhere {
        // Several tests may be elsewhere at once.
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("chinwag-scripts-{}-{number}", std::process::id());
        let elsewhere = Elsewhere { root: std::env::temp_dir().join(name) };
        let cargo = elsewhere.root.join("cargo");
        fs::create_dir_all(elsewhere.root.join("scripts")).unwrap();
        for entry in fs::read_dir(root().join("scripts")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|it| it == "sh") {
                fs::copy(&path, elsewhere.root.join(path.strip_prefix(root()).unwrap())).unwrap();
            }
        }
        let text = format!(
            "#!/bin/sh\necho \"$*\" >>'{}'\n[ \"$1\" = run ] || exit 0\n\
             until [ \"$1\" = -- ]; do shift; done\nshift\nexec '{program}' \"$@\"\n",
            elsewhere.calls().display()
        );
        fs::write(&cargo, text).unwrap();
        // Another process makes it executable. While a process of ours has it open to write, it
        // cannot run.
        fs::create_dir_all(elsewhere.root.join("bin")).unwrap();
        let mut install = Command::new("install");
        install.args(["-m", "755"]).arg(&cargo).arg(elsewhere.root.join("bin/cargo"));
        assert!(install.status().unwrap().success());
        elsewhere
    }

    fn calls(&self) -> PathBuf {
        self.root.join("calls")
    }

    fn script(&self, name: &str, arguments: &[&str]) -> Command {
        let path = std::env::var("PATH").unwrap();
        let mut command = script_in(&self.root, name, arguments);
        command.env("PATH", format!("{}:{path}", self.root.join("bin").display()));
        command
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.root).unwrap();
    }
}

fn assert_one_line(output: &Output, code: i32, word: &str) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), told.lines().count()), (Some(code), 1), "{told}");
    assert!(told.contains(word), "no {word} in {told}");
}

#[test]
fn each_script_says_how_it_is_used() {
    for (name, word) in SCRIPTS {
        let output = script(name, &["--help"]).output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{name}");
        assert!(
            help.starts_with(&format!("Usage: scripts/{name} ")) && help.contains(word),
            "{help}"
        );
    }
}

#[test]
fn a_wrong_flag_of_a_script_is_one_line_and_exit_code_2() {
    for (name, arguments, word) in [
        ("soak.sh", &["--fast"][..], "--fast"),
        ("soak.sh", &["--seconds"], "--seconds"),
        ("soak.sh", &["--seconds", "soon"], "soon"),
        ("soak.sh", &["--seconds", "0"], "--seconds 0"),
        ("demo.sh", &["--fast"], "--fast"),
        ("cluster.sh", &["--port", "x"], "x"),
        ("proof.sh", &["--fast"], "--fast"),
        ("release.sh", &["--fast"], "--fast"),
        ("service/boot.sh", &["--fast"], "--fast"),
        ("demo.sh", &["--pause"], "--pause"),
        ("demo.sh", &["--pause", "1s"], "1s"),
        ("keeping.sh", &["--fast"], "--fast"),
        ("keeping.sh", &["--runs"], "--runs"),
        ("keeping.sh", &["--clients", "many"], "many"),
        ("keeping.sh", &["--messages", "0"], "--messages 0"),
    ] {
        assert_one_line(&script(name, arguments).output().unwrap(), 2, word);
    }
}

#[test]
fn a_demonstration_without_tmux_says_how_to_get_it() {
    let output = script("demo.sh", &[]).env("PATH", "/nowhere").output().unwrap();
    assert_one_line(&output, 1, "tmux is missing: sudo apt-get install tmux");
}

#[test]
fn keeping_a_comparison_replaces_the_tables_of_the_page() {
    let elsewhere = Elsewhere::new("/bin/true");
    let write = |name: &str, text: &str| {
        let path = elsewhere.root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let page =
        |tables| format!("before\n<!-- bench.md -->\n{tables}<!-- end of bench.md -->\nbehind\n");
    write("scripts/results/README.md", &page("| old |\n| old |\n"));
    write("target/bench/bench.md", "| new |\n");
    write("target/bench/bench.json", "{}");
    write("target/bench/cost.svg", "<svg/>");
    write("target/bench/shapes.svg", "<svg/>");
    let output = elsewhere.script("bench.sh", &["--keep"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let read =
        |name| fs::read_to_string(elsewhere.root.join("scripts/results").join(name)).unwrap();
    assert_eq!(read("README.md"), page("| new |\n"));
    assert_eq!((read("bench.json"), read("cost.svg")), ("{}".to_owned(), "<svg/>".to_owned()));
}

#[test]
fn a_script_runs_what_cargo_builds_wherever_that_is() {
    for (name, arguments, ran) in [
        ("soak.sh", &["--seconds", "3"][..], &["server --", "soak -- --seconds 3"][..]),
        ("soak.sh", &["--no-defaults"], &["soak -- --seconds 1800"]),
        ("bench.sh", &["flood", "--runs", "1"], &["bench -- flood --runs 1"]),
    ] {
        let elsewhere = Elsewhere::new("/bin/true");
        let output = elsewhere.script(name, arguments).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let calls = fs::read_to_string(elsewhere.calls()).unwrap();
        let found = calls.lines().filter(|call| !call.starts_with("build "));
        let found = found.map(|call| call.split_once("--bin ").or(call.split_once("--test ")));
        let found: Vec<&str> = found.map(|call| call.unwrap().1).collect();
        let is_as = |(found, ran): (&&str, &&str)| found.starts_with(ran);
        let all = found.len() == ran.len() && found.iter().zip(ran).all(is_as);
        assert!(all, "{name} {arguments:?}: {found:?}");
    }
}

/// The tmux of a demonstration; it ends with the test.
struct Demonstration {
    socket: String,
}

impl Demonstration {
    fn start() -> Demonstration {
        let program = ["--program", &chinwag(), "--pause", "0"];
        Demonstration::of(&mut script("demo.sh", &program))
    }

    fn of(script: &mut Command) -> Demonstration {
        let output = script.output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        let [attach, end] = told.lines().collect::<Vec<_>>()[..] else {
            panic!("{told} {}", String::from_utf8_lossy(&output.stderr))
        };
        assert!(attach.contains(" attach ") && end.contains(" kill-server "), "{told}");
        let words: Vec<&str> = end.split_whitespace().collect();
        let [_, "-L", socket, ..] = words[..] else { panic!("{told}") };
        Demonstration { socket: socket.to_owned() }
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        let output = command.args(["-u", "-L", &self.socket]).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn panes(&self, what: &str) -> Vec<String> {
        self.tmux(&["list-panes", "-a", "-F", what]).lines().map(str::to_owned).collect()
    }

    /// All that a pane has shown.
    fn shown(&self, pane: &str) -> String {
        self.tmux(&["capture-pane", "-p", "-J", "-S", "-", "-t", pane])
    }
}

impl Drop for Demonstration {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
#[ignore = "needs tmux and nc"]
fn a_demonstration_talks_in_four_panes_and_ends_as_a_whole() {
    let demonstration = Demonstration::start();
    let panes = demonstration.panes("#{pane_id}");
    assert_eq!(panes.len(), 4);
    let titles = ["the server", "nc: alice", "nc: 민수", "chinwag join: jin"];
    let mut shown = titles.map(|_| String::new());
    for (title, shown) in titles.iter().zip(&mut shown) {
        let all = demonstration.panes("#{pane_id} #{pane_title}");
        let pane = all.iter().find(|pane| pane.ends_with(title)).unwrap();
        let pane = pane.split(' ').next().unwrap();
        let last =
            if *title == "chinwag join: jin" { "* 3 here: " } else { "저도 nc뿐이에요." };
        *shown = wait_for(&format!("the end in {title}"), || {
            Some(demonstration.shown(pane)).filter(|shown| shown.contains(last))
        });
    }
    let [server, alice, minsu, jin] = &shown;
    for shown in [server, minsu, jin] {
        assert!(shown.contains("alice: Hello!") && shown.contains("~ alice waves"), "{shown}");
    }
    for (shown, is_told) in [(server, false), (alice, false), (minsu, true), (jin, true)] {
        assert_eq!(shown.contains("[민수 -> jin] 점심 같이 할까요?"), is_told, "{shown}");
    }
    let socket = demonstration.tmux(&["display-message", "-p", "#{socket_path}"]);
    let processes = demonstration.panes("/proc/#{pane_pid}");
    drop(demonstration);
    for left in processes.iter().map(String::as_str).chain([socket.trim()]) {
        wait_for(&format!("the end of {left}"), || (!Path::new(left).exists()).then_some(()));
    }
}

#[test]
#[ignore = "needs tmux and nc"]
fn a_demonstration_runs_what_cargo_builds_wherever_that_is() {
    let elsewhere = Elsewhere::new(&chinwag());
    let demonstration = Demonstration::of(&mut elsewhere.script("demo.sh", &["--pause", "0"]));
    let panes = demonstration.panes("#{pane_id} #{pane_title}");
    let jin = panes.iter().find(|pane| pane.ends_with("chinwag join: jin")).unwrap();
    let jin = jin.split(' ').next().unwrap();
    wait_for("jin", || Some(demonstration.shown(jin)).filter(|shown| shown.contains("is now jin")));
}
