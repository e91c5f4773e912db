//! The units for systemd.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use clap::CommandFactory;

use crate::support::Folder;

const PROGRAM: &str = env!("CARGO_BIN_EXE_chinwag");

fn unit(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/service");
    fs::read_to_string(folder.join(name)).unwrap()
}

fn analyze(arguments: &[&str]) -> Output {
    let mut command = Command::new("systemd-analyze");
    command.env("SYSTEMD_COLORS", "0").args(arguments).output().unwrap()
}

#[test]
#[ignore = "needs systemd"]
fn systemd_finds_nothing_to_say_about_the_units() {
    let folder = Folder::new("units");
    for name in ["chinwag.service", "chinwag.socket"] {
        // It must find the program where the unit says.
        fs::write(folder.at(name), unit(name).replace("/usr/bin/chinwag", PROGRAM)).unwrap();
    }
    let paths = ["chinwag.service", "chinwag.socket"].map(|name| folder.at(name));
    let [service, socket] = paths.each_ref().map(|path| path.to_str().unwrap());
    let verify = analyze(&["verify", "--man=no", service, socket]);
    let told = [verify.stdout, verify.stderr].concat();
    assert_eq!((verify.status.code(), String::from_utf8_lossy(&told).as_ref()), (Some(0), ""));
    let limits = ["security", "--offline=true", "--threshold=15", "--no-pager", service];
    let security = analyze(&limits);
    let told = String::from_utf8_lossy(&security.stdout).into_owned();
    assert!(security.status.success(), "{told}");
}

#[test]
fn the_unit_allows_what_its_flags_need() {
    let unit = unit("chinwag.service");
    let value = |key: &str| {
        let line = unit.lines().find_map(|line| line.strip_prefix(&format!("{key}=")));
        line.unwrap_or_else(|| panic!("the unit has no {key}")).to_owned()
    };
    let config = chinwag::config::Config::default();
    let (own, kernel) = config.memory_bytes_max(1000);
    let mebibytes: usize = value("MemoryMax").strip_suffix('M').unwrap().parse().unwrap();
    assert!(own + kernel < mebibytes << 20, "{} MiB", (own + kernel) >> 20);
    let descriptors: usize = value("LimitNOFILE").parse().unwrap();
    assert!(descriptors >= 1000 + chinwag::config::DESCRIPTORS_RESERVED);
    let lines = unit.lines().filter_map(|line| line.strip_prefix("Environment="));
    let flags: Vec<&str> = lines.flat_map(|line| line.split(' ')).collect();
    assert!(flags.contains(&"CHINWAG_MAX_CLIENTS=1000"), "{unit}");
    // Each variable is a flag: all of them together do what the page says.
    let known = chinwag::config::Config::command();
    for flag in flags {
        let name = flag.split('=').next().unwrap().strip_prefix("CHINWAG_").unwrap();
        assert!(known.get_arguments().any(|one| name == one.get_id().as_str().to_uppercase()));
    }
}

#[test]
#[ignore = "needs strace and systemd"]
fn the_unit_allows_every_system_call_of_the_server() {
    let folder = Folder::new("units-calls");
    let (trace, keep) = (folder.at("trace"), folder.at("keep"));
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-D", "-o"]).arg(&trace).arg(PROGRAM);
    strace.args(["--listen", "127.0.0.1:0", "--quiet", "--keep"]).arg(&keep);
    strace.arg("--control").arg(folder.at("c.sock"));
    let mut server = crate::support::process::start_piped(strace);
    let (mut operator, _) = crate::support::enter(crate::support::Client::at(&folder.at("c.sock")));
    let (mut alice, name) = server.enter();
    operator.send(format!("/kick {name}\n/topic on\n"));
    alice.read_to_end();
    server.signal("HUP");
    server.signal("USR1");
    let (mut bob, _) = crate::support::enter(crate::support::Client::at(&folder.at("c.sock")));
    bob.send("/quit\n");
    server.signal("TERM");
    server.wait_for_end();
    let trace = crate::support::wait_for("the keeper's end", || {
        let trace = fs::read_to_string(&trace).unwrap();
        (trace.matches("exit_group(0").count() == 2).then_some(trace)
    });
    let mut used: Vec<&str> = trace.lines().filter_map(call).collect();
    used.sort_unstable();
    used.dedup();
    assert!(used.len() > 30, "{used:?}");
    let filtered = |set: &str| {
        let told = analyze(&["syscall-filter", "--no-pager", set]);
        all_calls(&String::from_utf8_lossy(&told.stdout))
    };
    let refused = [filtered("@privileged"), filtered("@resources")].concat();
    let allowed = filtered("@system-service");
    let wrong: Vec<_> = used
        .iter()
        .filter(|its| {
            let is_its = |call: &String| call == *its;
            !allowed.iter().any(is_its) || refused.iter().any(is_its)
        })
        .collect();
    assert_eq!(wrong, [&""; 0]);
}

/// The name of the call in a line of strace: `123 read(0, ...`.
fn call(line: &str) -> Option<&str> {
    let (name, _) = line.split_once(' ')?.1.trim_start().split_once('(')?;
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_').then_some(name)
}

/// The calls of a set, and of the sets in it, as systemd-analyze lists them.
fn all_calls(text: &str) -> Vec<String> {
    let mut calls = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')).skip(1) {
        match line.starts_with('@') {
            true => {
                let told = analyze(&["syscall-filter", "--no-pager", line]);
                calls.extend(all_calls(&String::from_utf8_lossy(&told.stdout)));
            }
            false => calls.push(line.to_owned()),
        }
    }
    calls
}
