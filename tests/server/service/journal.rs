//! The log on the journal of systemd.

use std::os::linux::fs::MetadataExt;
use std::process::Command;

use crate::support::process::Collected;
use crate::support::{Client, Folder, Server, enter, fail_with, wait_for};

/// Makes standard error a pipe that `JOURNAL_STREAM` names, or another one.
pub fn journal(command: &mut Command, names_it: bool) -> Collected {
    let (reader, writer) = std::io::pipe().unwrap();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer));
    let stat = std::fs::metadata(path).unwrap();
    let inode = stat.st_ino() + u64::from(!names_it);
    command.env("JOURNAL_STREAM", format!("{}:{inode}", stat.st_dev()));
    command.stderr(writer);
    Collected::from(reader)
}

#[test]
fn each_record_begins_with_its_priority_and_has_no_time() {
    for names_it in [true, false] {
        let mut log = None;
        let flags = ["--send-buffer", "32000"];
        let server = Server::start_with(&flags, |command| log = Some(journal(command, names_it)));
        let log = log.unwrap();
        let (info, warning) = ("listening on 127.0.0.1:", "--turn-bytes 64512 does not fit");
        log.read_until(info);
        let text = log.read_until(warning);
        let begins = |line: &str| text.lines().any(|its| its.starts_with(line));
        assert_eq!(begins(&format!("<6>{info}")), names_it, "{text}");
        assert_eq!(begins(&format!("<4>{warning}")), names_it, "{text}");
        drop(server);
    }
}

#[test]
fn on_no_journal_an_error_has_no_priority() {
    let (_, told) = fail_with(&["--listen", "nowhere"]);
    assert!(told.starts_with("chinwag: "), "{told}");
}

#[test]
fn why_it_could_not_start_is_an_error_in_the_journal() {
    let mut command = crate::support::command(&["--listen", "nowhere"]);
    let log = journal(&mut command, true);
    let mut child = command.spawn().unwrap();
    drop(command);
    assert_eq!(wait_for("the end", || child.try_wait().unwrap()).code(), Some(2));
    assert!(log.read_until("\n").starts_with("<3>chinwag: "), "{}", log.text());
}

#[test]
fn what_the_keeper_cannot_write_is_a_warning_in_the_journal() {
    let folder = Folder::new("journal-keeper");
    let (keep, control) = (folder.at("keep"), folder.at("control.sock"));
    let flags = ["--keep", keep.to_str().unwrap(), "--control", control.to_str().unwrap()];
    let mut log = None;
    let _server = Server::start_with(&flags, |command| log = Some(journal(command, true)));
    std::fs::create_dir(keep.join("bans")).unwrap();
    let (mut operator, _) = enter(Client::at(&control));
    operator.send("/ban 10.1.1.1\n");
    let text = log.unwrap().read_until("cannot keep bans: ");
    assert!(text.contains("\n<4>chinwag: cannot keep bans: "), "{text}");
}
