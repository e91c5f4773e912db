//! `/oper`: without the secret nothing is done, with it everything, and no other reads it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use chinwag::words::command::{COMMANDS, Rank};

use super::{SECRET, ask, become_operator, enter_from, operators, wait_for_log, write_private};
use crate::support::{Folder, Server, fail_with};

/// Every command of hosts and operators, as it is typed, and what its operator then reads.
const DONE: [(&str, &str); 16] = [
    ("/kick eve", "* eve was disconnected by kim\n"),
    ("/mute bob 10m", "* bob was muted by kim (10m)\n"),
    ("/unmute bob", "* bob was unmuted by kim\n"),
    ("/slow 0", "* kim set the room to its usual speed\n"),
    ("/lock", "* kim locked the room"),
    ("/unlock", "* kim unlocked the room\n"),
    ("/invite bob", "* bob is invited\n"),
    ("/ban 192.0.2.0/24", "* banned 192.0.2.0/24, 0 disconnected\n"),
    ("/bans", "* ban of 192.0.2.0/24 by kim\n"),
    ("/unban 192.0.2.0/24", "* the ban of 192.0.2.0/24 is lifted\n"),
    ("/where bob", "* bob (127.0.0.3:"),
    ("/say all ears", "* announcement: all ears\n"),
    ("/op bob", "* bob is an operator now\n"),
    ("/log warn", "* log level: warn\n"),
    ("/reload", "* reloading; "),
    ("/replies", "* replies only\n"),
];

#[test]
fn all_hands_of_an_operator_need_the_secret() {
    let folder = Folder::new("secrets-all");
    let flags = ["--operators", &operators(&folder), "--exempt", "none"];
    let server = Server::start(&flags);
    let (mut kim, _) = enter_from(2, &server);
    let (mut bob, _) = enter_from(3, &server);
    let (mut eve, _) = enter_from(4, &server);
    ask(&mut bob, "/nick bob", "is now bob\n");
    ask(&mut eve, "/nick eve", "is now eve\n");
    ask(&mut kim, "/nick kim", "is now kim\n");
    let ruled: Vec<&str> =
        COMMANDS.iter().filter(|row| row.rank() > Rank::Anyone).map(|row| row.name()).collect();
    let typed = DONE.map(|(line, _)| line.split(' ').next().unwrap());
    assert!(ruled.iter().all(|name| typed.contains(name)) && typed.len() == ruled.len());
    for (line, _) in DONE {
        let name = line.split(' ').next().unwrap();
        ask(&mut kim, line, &format!("operator can use {name}\n"));
    }
    // What a host may set, any may ask.
    for line in ["/topic new", "/password new", "/motd new"] {
        ask(&mut kim, line, "operator can use ");
    }
    ask(&mut kim, "/oper wrong", "* wrong, 2 tries left\n");
    become_operator(&mut kim);
    for (line, answer) in DONE {
        ask(&mut kim, line, answer);
    }
    assert!(eve.read_to_end().ends_with("* closed: kim disconnected you\n"));
}

#[test]
fn a_secret_is_read_by_nobody_else() {
    let folder = Folder::new("secrets-kept");
    let keep = folder.at("keep").display().to_string();
    let flags = ["--operators", &operators(&folder), "--keep", &keep, "--log-level", "trace"];
    let server = Server::start(&[&flags[..], &["--history", "100"]].concat());
    let (mut bob, _) = server.join();
    let (mut kim, name) = server.join();
    kim.send("/oper wrong-guess\n/OPER wrong guess\n");
    kim.read_until("* usage: /oper SECRET\n");
    become_operator(&mut kim);
    kim.send("the end\n");
    let heard = bob.read_until(&format!("{name}: the end\n"));
    let (late, _) = server.enter();
    wait_for_log(&server, "is operator kim now");
    let history = ask(&mut bob, "/history 100", "* now\n");
    for told in [heard, late.read_text(), history, server.stdout(), server.stderr()] {
        for secret in [SECRET, "guess"] {
            assert!(!told.contains(secret), "{told}");
        }
    }
}

#[test]
fn a_file_of_operators_that_is_not_private_is_an_error() {
    let folder = Folder::new("secrets-mode");
    let path = operators(&folder);
    let told = |why: &str| {
        let line = format!("chinwag: cannot read --operators: {path}: {why}\n");
        (Some(1), line)
    };
    let start = || {
        let (code, said) = fail_with(&["--operators", &path, "--log-level", "error"]);
        (code, said)
    };
    for mode in [0o644, 0o640, 0o604, 0o620] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let why = format!("others may use it (mode {mode:o}): chmod 600");
        assert_eq!(start(), told(&why));
    }
    write_private(path.as_ref(), &format!("kim {SECRET}\n\nlee\n"));
    assert_eq!(start(), told("line 3 is not a name and a secret"));
    if rustix::process::geteuid().is_root() {
        chown(&path, Some(65534), None).unwrap();
        assert_eq!(start(), told("it belongs to another user"));
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(start(), told("No such file or directory (os error 2)"));
    fs::create_dir(&path).unwrap();
    assert_eq!(start(), told("not a regular file"));
}
