//! `--motd FILE`, and how the files of the server are read again while it runs.

use std::fs;
use std::process::Command;

use super::{ask, become_operator, ctl, enter_from, operators, wait_for_log};
use crate::support::process::{start_piped, through_shell};
use crate::support::{Folder, Server, fail_with, wait_for};

/// How a server is told to read its files again.
#[derive(Clone, Copy, Debug)]
enum Way {
    Signal,
    Command,
    Ctl,
}

#[test]
#[ignore = "needs setsid and mkfifo"]
fn the_welcome_text_is_read_again_in_three_ways() {
    for way in [Way::Signal, Way::Command, Way::Ctl] {
        let folder = Folder::new(&format!("motd-{way:?}"));
        let (motd, control) = (folder.at("motd"), folder.at("c.sock"));
        let path = motd.display().to_string();
        fs::write(&motd, "one\ntwo\n").unwrap();
        let flags = ["--motd", &path, "--operators", &operators(&folder)];
        let control_flag = ["--control", control.to_str().unwrap()];
        let server = start_service(&[&flags[..], &control_flag].concat());
        let (mut kim, _) = enter_from(2, &server);
        kim.read_until("* one\n* two\n");
        become_operator(&mut kim);
        let mut reloads = 0;
        let mut reload = |kim: &mut _| {
            match way {
                Way::Signal => server.signal("HUP"),
                Way::Command => _ = ask(kim, "/reload", "* reloading; "),
                Way::Ctl => assert_eq!(ctl(&control, &["reload"]).0, Some(0)),
            }
            reloads += 1;
            wait_for("the reload", || {
                (server.stderr().matches("reloaded: ").count() == reloads).then_some(())
            });
        };
        fs::write(&motd, "three\r\n\u{1b}[2Jfour\n").unwrap();
        reload(&mut kim);
        let shown = ask(&mut kim, "/motd\n/topic", "* no topic");
        assert!(shown.starts_with("* three\n* \\x1b[2Jfour\n* no topic"), "{shown}");
        // What cannot be read changes nothing, and a pipe without a writer stops nobody.
        fs::remove_file(&motd).unwrap();
        reload(&mut kim);
        assert!(Command::new("mkfifo").arg(&motd).status().unwrap().success());
        reload(&mut kim);
        ask(&mut kim, "/motd", "* three\n");
        for why in ["No such file or directory (os error 2)", "not a regular file"] {
            let told = format!("--motd: {path}: {why}; what was read before holds on\n");
            assert_eq!(server.stderr().matches(&told).count(), 1, "{}", server.stderr());
        }
        assert_eq!(server.stderr().matches("ERROR").count(), 2, "{}", server.stderr());
    }
}

/// A server without a controlling terminal, wherever the test has one.
fn start_service(flags: &[&str]) -> Server {
    start_piped(through_shell("exec setsid \"$0\" \"$@\"", flags))
}

#[test]
fn a_welcome_text_that_cannot_be_read_is_an_error() {
    let folder = Folder::new("motd-none");
    let path = folder.at("motd").display().to_string();
    let (code, said) = fail_with(&["--motd", &path, "--log-level", "error"]);
    let why = "No such file or directory (os error 2)";
    assert_eq!((code, said), (Some(1), format!("chinwag: cannot read --motd: {path}: {why}\n")));
}

#[test]
fn the_log_level_changes_while_the_server_runs() {
    let folder = Folder::new("log-level");
    let server = Server::start(&["--operators", &operators(&folder), "--log-level", "warn"]);
    let (mut kim, name) = server.join();
    become_operator(&mut kim);
    assert!(!server.stderr().contains("INFO"), "{}", server.stderr());
    ask(&mut kim, "/log debug", "* log level: debug\n");
    let (bob, bobs) = server.join();
    wait_for_log(&server, &format!("{bobs} ({}) joined\n", bob.address()));
    assert!(!server.stderr().contains(&format!("{name} ({}) joined", kim.address())));
    ask(&mut kim, "/log loud", "* usage: /log LEVEL\n");
}
