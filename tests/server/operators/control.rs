//! The control socket: every kind of reply as an exit code, and an operator that nobody sees.

use super::{ask, ctl};
use crate::support::{Client, Folder, Server, enter};

#[test]
fn ctl_says_by_its_exit_code_how_a_command_ended() {
    let folder = Folder::new("ctl-codes");
    let path = folder.at("c.sock");
    let flags = ["--control", path.to_str().unwrap(), "--exempt", "none"];
    let server = Server::start(&flags);
    let (mut bob, _) = super::enter_from(3, &server);
    ask(&mut bob, "/nick bob", "is now bob\n");
    let (mut eve, _) = super::enter_from(4, &server);
    ask(&mut eve, "/nick eve", "is now eve\n");
    for (words, code, printed) in [
        (&["kick", "eve", "too loud"][..], 0, "* done\n"),
        (&["kick", "eve"], 1, "* nobody here is called eve\n"),
        (&["kick"], 2, "* usage: /kick NAME [WHY]\n"),
        (&["ban", "192.0.2.1", "2h", "noise"], 0, "* banned 192.0.2.1 (2h), 0 disconnected\n"),
        (&["unban", "192.0.2.2"], 1, "* there is no ban of 192.0.2.2; /bans lists them\n"),
        (&["unban", "192.0.2.1"], 0, "* the ban of 192.0.2.1 is lifted\n"),
        (&["mute", "bob", "10m"], 0, "* done\n"),
        (&["mute", "bob", "soon"], 2, "* usage: /mute NAME [TIME]\n"),
        (&["unmute", "bob"], 0, "* done\n"),
        (&["unmute", "bob"], 1, "* bob is not muted\n"),
        (&["slow", "5"], 0, "* done\n"),
        (&["slow", "fast"], 2, "* usage: /slow SECONDS\n"),
        (&["slow", "0"], 0, "* done\n"),
        (&["lock"], 0, "* done\n"),
        (&["unlock"], 0, "* done\n"),
        (
            &["frobnicate"],
            2,
            "* no such command: /frobnicate; /help lists them, //text says /text\n",
        ),
    ] {
        assert_eq!(ctl(&path, words), (Some(code), printed.to_owned()), "{words:?}");
    }
    assert_eq!(ctl(&folder.at("none.sock"), &["lock"]), (Some(3), String::new()));
    assert!(eve.read_to_end().ends_with("* closed: host disconnected you: too loud\n"));
    let heard = bob.read_until("* host unlocked the room\n");
    assert!(!heard.contains(" joined\n* guest3") && !heard.contains("guest4"), "{heard}");
}

#[test]
fn an_operator_is_seen_once_it_says_a_line_and_not_before() {
    let folder = Folder::new("control-unseen");
    let path = folder.at("c.sock");
    let server = Server::start(&["--control", path.to_str().unwrap()]);
    let (mut bob, name) = server.join();
    bob.forget();
    let (mut kim, _) = enter(Client::at(&path));
    ask(&mut kim, "/nick kim", "is now kim\n");
    ask(&mut kim, &format!("/where {name}"), "is here (");
    ask(&mut kim, "/away tea", "* kim is away: tea\n");
    ask(&mut kim, "/away", "* kim is back\n");
    ask(&mut kim, "/topic tea", "set the topic: tea\n");
    let before = ask(&mut bob, "/who", "* 1 here: ");
    assert!(!before.contains("kim") && !before.contains("joined"), "{before}");
    bob.forget();
    kim.send("hello\n");
    let heard = bob.read_until("kim: hello\n");
    assert!(heard.starts_with("* kim joined\n"), "{heard}");
    bob.send("/who\n");
    bob.read_until("* 2 here: ");
}
