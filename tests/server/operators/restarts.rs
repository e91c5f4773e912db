//! What `--keep DIR` keeps: bans, topics and passwords over every end of the server and its keeper.

use std::fs;
use std::path::Path;

use super::{ask, become_operator, enter_from, operators, refused_from, wait_for_log};
use crate::support::{Client, Folder, Server, fail_with, send_signal, wait_for};

/// A server with operators that keeps what it is told in this folder.
struct Kept {
    folder: Folder,
    flags: Vec<String>,
}

impl Kept {
    fn new(name: &str) -> Kept {
        let folder = Folder::new(name);
        let keep = folder.at("keep").display().to_string();
        let own = ["--operators", &operators(&folder), "--keep", &keep, "--exempt", "none"];
        let flags = own.map(str::to_owned).to_vec();
        Kept { folder, flags }
    }

    fn flags(&self) -> Vec<&str> {
        self.flags.iter().map(String::as_str).collect()
    }

    fn start(&self) -> Server {
        Server::start(&self.flags())
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.at("keep").join(name)).unwrap_or_default()
    }

    /// Writes a file before a server is started.
    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.folder.at("keep")).unwrap();
        fs::write(self.folder.at("keep").join(name), text).unwrap();
    }

    /// Waits until all is on the disk that [`lay_down`] has laid down.
    fn wait_until_kept(&self) {
        wait_for("the files", || {
            let is_kept = self.read("bans").contains("127.0.0.9/32 - guest1 noise\n")
                && self.read("rooms").contains("lobby topic tea\n")
                && self.read("rooms").contains("attic password ladder\n");
            is_kept.then_some(())
        });
    }
}

/// An operator bans 127.0.0.9, sets the topic of the lobby, and the password of a room. It stays.
fn lay_down(server: &Server) -> Client {
    let (mut kim, _) = enter_from(2, server);
    become_operator(&mut kim);
    ask(&mut kim, "/ban 127.0.0.9 noise", "* banned 127.0.0.9");
    ask(&mut kim, "/topic tea", "set the topic: tea\n");
    ask(&mut kim, "/join attic", "* you are in attic");
    ask(&mut kim, "/password ladder", "set a password for the room\n");
    kim
}

/// Asserts that all that was laid down still holds. The client stays in the room, which ends with
/// its last client.
fn assert_holds(server: &Server) -> Client {
    assert_eq!(refused_from(9, server), "* closed: your address is banned: noise\n");
    let (mut bob, _) = enter_from(3, server);
    bob.read_until("* topic: tea\n");
    ask(&mut bob, "/join attic", "* attic has a password: ");
    ask(&mut bob, "/join attic ladder", "* you are in attic");
    bob
}

#[test]
fn a_stop_or_a_kill_of_the_server_loses_no_ban() {
    for signal in ["INT", "TERM", "KILL"] {
        let kept = Kept::new(&format!("restart-{signal}"));
        let mut first = kept.start();
        let kim = lay_down(&first);
        if signal == "KILL" {
            kept.wait_until_kept();
        }
        first.signal(signal);
        first.wait_for_end();
        drop(kim);
        let mut second = kept.start();
        let bob = assert_holds(&second);
        // The next stop keeps what the last start has read.
        second.signal("TERM");
        second.wait_for_end();
        drop(bob);
        assert_holds(&kept.start());
    }
}

#[test]
fn a_kill_of_the_keeper_loses_no_ban() {
    let kept = Kept::new("restart-keeper");
    let mut first = kept.start();
    let pid = first.child.id();
    let children = format!("/proc/{pid}/task/{pid}/children");
    let keeper = wait_for("the keeper", || {
        fs::read_to_string(&children).unwrap().split_whitespace().next()?.parse().ok()
    });
    send_signal(keeper, "KILL");
    let _kim = lay_down(&first);
    kept.wait_until_kept();
    first.signal("KILL");
    first.wait_for_end();
    assert_holds(&kept.start());
}

#[test]
fn wrong_lines_are_one_log_line_and_the_others_hold() {
    let kept = Kept::new("restart-junk");
    kept.write(
        "bans",
        "\u{1b}[2J\n127.0.0.9 - kim noise\n\0\0\n10.0.0.1 soon kim\n127.0.0.8 1 kim\n",
    );
    kept.write(
        "rooms",
        "# mine\nlobby topic tea\n\nattic\nattic colour red\nattic password ladder\n",
    );
    let server = kept.start();
    assert_holds(&server);
    // Its time was over before the server started.
    let (mut kim, _) = enter_from(8, &server);
    become_operator(&mut kim);
    let list = ask(&mut kim, "/bans\n/who", " here: ");
    assert_eq!(list.lines().filter(|line| line.contains("ban of")).count(), 1, "{list}");
    for (file, lines) in [("bans", "3 wrong lines"), ("rooms", "2 wrong lines")] {
        wait_for_log(&server, &format!("skipped {lines} of the kept file {file}\n"));
    }
    assert_eq!(server.stderr().matches("skipped ").count(), 2, "{}", server.stderr());
    // What is written next has the good lines and no other.
    ask(&mut kim, "/topic tea ", "set the topic: tea\n");
    wait_for("the bans", || (kept.read("bans") == "127.0.0.9/32 - kim noise\n").then_some(()));
}

#[test]
fn what_was_kept_cannot_act_on_a_terminal() {
    let kept = Kept::new("restart-escapes");
    kept.write("bans", "127.0.0.9 - kim \u{1b}[2Jnoise\n");
    kept.write("rooms", "lobby topic \u{1b}[2Jtea\u{7}\r\n");
    let server = kept.start();
    assert_eq!(refused_from(9, &server), "* closed: your address is banned: \\x1b[2Jnoise\n");
    let (mut bob, _) = enter_from(3, &server);
    bob.read_until("* topic: \\x1b[2Jtea\\x07\n");
}

#[test]
fn a_reload_just_behind_a_ban_does_not_lift_it() {
    let kept = Kept::new("restart-reload");
    kept.write("bans", "");
    let server = kept.start();
    let (mut kim, _) = enter_from(2, &server);
    become_operator(&mut kim);
    for last in 100..120 {
        kim.forget();
        kim.send(format!("/ban 127.0.0.{last} noise\n/reload\n"));
        kim.read_until("* reloading; ");
        assert_eq!(refused_from(last, &server), "* closed: your address is banned: noise\n");
    }
}

#[test]
fn a_second_server_cannot_keep_in_the_same_folder() {
    let kept = Kept::new("restart-two");
    let first = kept.start();
    let kim = lay_down(&first);
    kept.wait_until_kept();
    let before = kept.read("bans");
    let (code, said) = fail_with(&kept.flags());
    assert_eq!(code, Some(1));
    assert!(said.ends_with(": another chinwag has it\n") && said.matches("chinwag: ").count() == 1);
    assert!(Path::new(&kept.folder.at("keep")).exists());
    assert_eq!(kept.read("bans"), before);
    assert_holds(&first);
    drop(kim);
}
