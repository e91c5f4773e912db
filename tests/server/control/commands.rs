//! `chinwag ctl`: what it prints, its exit codes, and that it waits for nothing.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::sockets::without_control_flag;
use crate::support::process::start_piped;
use crate::support::{Folder, Server};

/// Runs `chinwag ctl` with these arguments.
fn ctl(arguments: &[&str], runtime: Option<&Path>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chinwag"));
    command.arg("ctl").args(arguments).stdin(Stdio::null());
    command.env_remove("XDG_RUNTIME_DIR").env_remove("CHINWAG_CONTROL");
    if let Some(runtime) = runtime {
        command.env("XDG_RUNTIME_DIR", runtime);
    }
    command.output().unwrap()
}

/// Its exit code, and what it prints on each stream.
fn result(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn ctl_prints_the_replies_only_and_says_how_it_ended() {
    for (lang, unknown) in [("en", "* no such command: "), ("ko", "* 없는 명령입니다: ")] {
        let folder = Folder::new(&format!("ctl-{lang}"));
        let path = folder.at("c.sock").display().to_string();
        let server = Server::start(&["--control", &path, "--lang", lang]);
        let ask = |words: &[&str]| result(&ctl(&[&["--control", &path], words].concat(), None));
        let (code, out, err) = ask(&["rooms"]);
        assert_eq!((code, out.lines().count(), &*err), (0, 1, ""), "{out}");
        assert!(out.starts_with("* ") && out.contains("lobby 0"), "{out}");
        assert_eq!(ask(&["/rooms"]).1, out);
        let (code, out, _) = ask(&["msg", "nobody", "hi"]);
        assert_eq!((code, out.lines().count()), (1, 1), "{out}");
        let (code, out, _) = ask(&["frobnicate"]);
        assert_eq!((code, out.starts_with(unknown)), (2, true), "{out}");
        let (code, out, _) = ask(&["msg"]);
        assert_eq!((code, out.contains("/msg ")), (2, true), "{out}");
        assert_eq!(server.stdout().matches("/replies").count(), 0);
    }
}

#[test]
fn ctl_finds_the_server_by_its_port() {
    let folder = Folder::new("ctl-port");
    let server = start_piped(without_control_flag(&folder));
    let port = server.address.port().to_string();
    let (code, out, err) = result(&ctl(&["--port", &port, "who"], Some(&folder.0)));
    assert_eq!((code, &*err), (0, ""), "{out}");
    drop(server);
    let (code, out, err) = result(&ctl(&["--port", &port, "who"], Some(&folder.0)));
    assert_eq!((code, &*out), (3, ""));
    assert!(err.starts_with("chinwag: no server answers at "), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
}

#[test]
fn ctl_without_a_server_or_a_command_says_so_in_one_line() {
    let folder = Folder::new("ctl-none");
    let path = folder.at("c.sock").display().to_string();
    for (arguments, code) in [
        (&["--control", &path, "who"][..], 3),
        (&["--control", "none", "who"], 3),
        (&["--control", &path], 2),
        (&["--control", &path, ""], 2),
        (&["--control", &path, "say", "a\nb"], 2),
        (&["--port", "x", "who"], 2),
    ] {
        let (its, out, err) = result(&ctl(arguments, None));
        assert_eq!((its, &*out, err.lines().count()), (code, "", 1), "{arguments:?}: {err}");
    }
}

#[test]
fn ctl_gives_up_on_a_server_that_does_not_answer() {
    let folder = Folder::new("ctl-stuck");
    let path = folder.at("c.sock");
    // It is never accepted.
    let _stuck = UnixListener::bind(&path).unwrap();
    let (code, out, err) = result(&ctl(&["--control", path.to_str().unwrap(), "who"], None));
    assert_eq!((code, &*out), (3, ""));
    assert!(err.ends_with(" has not answered in 10 s\n"), "{err}");
}
