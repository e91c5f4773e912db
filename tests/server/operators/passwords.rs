//! `--password` and passwords of rooms, with the programs that people use.

use super::{ask, wait_for_log};
use crate::support::program::Program;
use crate::support::{Client, Folder, Server, enter, wait_for};

const NEEDED: &str = "* a password is needed: /password SECRET lets you in\n";

#[test]
#[ignore = "needs netcat-openbsd"]
fn nc_is_let_in_by_the_password() {
    let server = Server::start(&["--password", "ladder"]);
    let mut nc = Program::start(&server, "exec nc $HOST $PORT");
    nc.read_until(NEEDED);
    nc.say("is anybody here?\n");
    wait_for("the same once more", || {
        (nc.read_until(NEEDED).matches(NEEDED).count() == 2).then_some(())
    });
    nc.say("/password stairs\n");
    nc.read_until("* wrong, 2 tries left\n");
    nc.say("/password ladder\n");
    nc.read_until("* welcome, you are ");
    assert!(!server.stdout().contains("is anybody here?"), "{}", server.stdout());
    wait_for_log(&server, "wrong /password from 127.0.0.1:");
    assert!(!server.stderr().contains("ladder") && !server.stderr().contains("stairs"));
}

#[test]
fn join_shows_what_to_do_and_forgets_the_password() {
    let folder = Folder::new("password-join");
    let server = Server::start(&["--password", "ladder"]);
    let program = env!("CARGO_BIN_EXE_chinwag");
    let state = folder.0.display();
    let script = format!("XDG_STATE_HOME={state} TERM=xterm exec {program} join $HOST $PORT");
    let mut join = Program::start_on_terminal(&server, &script);
    join.read_until("/password SECRET lets you in");
    join.say("/password ladder\r");
    join.read_until("welcome, you are ");
    join.say("hello\r");
    wait_for("what it says", || server.stdout().contains(": hello\n").then_some(()));
    let history = folder.at("chinwag").join("history");
    let kept = wait_for("the history", || std::fs::read_to_string(&history).ok());
    assert!(kept.contains("hello") && !kept.contains("ladder"), "{kept}");
}

#[test]
fn a_listener_of_a_room_asks_for_the_password_of_that_room() {
    let folder = Folder::new("password-room");
    let path = folder.at("attic.sock");
    let listen = format!("127.0.0.1:0,unix:{},room=attic", path.display());
    let operators = super::operators(&folder);
    let server = Server::start(&["--listen", &listen, "--operators", &operators]);
    let (mut kim, name) = server.join();
    super::become_operator(&mut kim);
    ask(&mut kim, "/join attic", "* you are in attic");
    ask(&mut kim, "/password ladder", "set a password for the room\n");
    let mut bob = Client::at(&path);
    bob.read_until(NEEDED);
    kim.send("behind the door\n");
    bob.send("/password ladder\n");
    let (mut bob, _) = enter(bob);
    ask(&mut bob, "/who", &name);
    assert!(!bob.read_text().contains("behind the door"), "{}", bob.read_text());
}
