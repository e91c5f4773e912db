//! The scripts do what they say of themselves.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

mod support;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use support::wait_for;

/// Those that a visitor may start, each with a word of its help.
const SCRIPTS: [(&str, &str); 2] = [("soak.sh", "--seconds SECONDS"), ("demo.sh", "Ctrl-B d")];

fn script(name: &str, arguments: &[&str]) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name);
    let mut command = Command::new("/bin/sh");
    command.arg(path).args(arguments).stdin(Stdio::null());
    command
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
        ("demo.sh", &["--pause"], "--pause"),
        ("demo.sh", &["--pause", "1s"], "1s"),
    ] {
        assert_one_line(&script(name, arguments).output().unwrap(), 2, word);
    }
}

#[test]
fn a_demonstration_without_tmux_says_how_to_get_it() {
    let output = script("demo.sh", &[]).env("PATH", "/nowhere").output().unwrap();
    assert_one_line(&output, 1, "tmux is missing: sudo apt-get install tmux");
}

/// The tmux of a demonstration; it ends with the test.
struct Demonstration {
    socket: String,
}

impl Demonstration {
    fn start() -> Demonstration {
        let program = ["--program", env!("CARGO_BIN_EXE_chinwag"), "--pause", "0"];
        let output = script("demo.sh", &program).output().unwrap();
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
fn a_demonstration_shows_a_conversation_in_four_panes_and_ends_as_a_whole() {
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
