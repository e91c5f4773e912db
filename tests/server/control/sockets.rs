//! Unix sockets: their files, their rights, and the clients that connect to them.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use crate::support::process::{start_piped, through_shell};
use crate::support::program::Program;
use crate::support::{Client, Folder, Server, enter, fail_with, join, wait_for};

/// Starts a server whose operators connect here.
fn start_with_control(path: &Path, flags: &[&str]) -> Server {
    Server::start(&[&["--control", path.to_str().unwrap()], flags].concat())
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// A server with no `--control`, for which this folder is that of the user's sockets.
pub fn without_control_flag(folder: &Folder) -> Command {
    let mut server = Command::new(env!("CARGO_BIN_EXE_chinwag"));
    server.args(["--listen", "127.0.0.1:0"]).env("XDG_RUNTIME_DIR", &folder.0);
    server
}

fn stop(mut server: Server) {
    server.signal("TERM");
    assert_eq!(server.wait_for_end().code(), Some(0));
}

#[test]
fn an_operator_and_a_client_hear_each_other() {
    let folder = Folder::new("control-talk");
    let path = folder.at("c.sock");
    let server = start_with_control(&path, &[]);
    let (mut alice, name) = server.join();
    let (mut operator, own) = enter(Client::at(&path));
    operator.send("from the machine\n");
    alice.read_until(&format!("{own}: from the machine\n"));
    alice.send("hello\n");
    operator.read_until(&format!("{name}: hello\n"));
    // It has no address, so none is shown.
    assert!(!alice.read_text().contains("0.0.0.0"), "{}", alice.read_text());
    assert!(!operator.read_text().contains("0.0.0.0"), "{}", operator.read_text());
    assert!(!server.stdout().contains("operators"), "{}", server.stdout());
    wait_for("the log", || server.stderr().contains("operators connect to unix:").then_some(()));
}

#[test]
#[ignore = "needs netcat-openbsd"]
fn nc_talks_to_a_unix_socket() {
    let folder = Folder::new("control-nc");
    let path = folder.at("c.sock");
    let server = start_with_control(&path, &[]);
    let (mut alice, _) = server.join();
    let mut nc = Program::start(&server, &format!("exec nc -U {}", path.display()));
    nc.read_until("* welcome, you are ");
    nc.say("over the file\n");
    alice.read_until(": over the file\n");
}

#[test]
fn only_the_owner_may_open_the_control_socket() {
    let folder = Folder::new("control-mode");
    let (control, all) = (folder.at("c.sock"), folder.at("all.sock"));
    let listen = format!("127.0.0.1:0,unix:{}", all.display());
    // A umask that allows all, and one that allows nothing, change nothing.
    for mask in ["000", "077"] {
        let script = format!("umask {mask}; exec \"$0\" \"$@\"");
        let flags = ["--listen", &listen, "--control", control.to_str().unwrap()];
        let shell = through_shell(&script, &flags);
        let server = start_piped(shell);
        wait_for("the log", || server.stderr().contains("operators ").then_some(()));
        assert_eq!((mode(&control), mode(&all)), (0o600, 0o666), "{mask}");
        stop(server);
        assert!(!control.exists() && !all.exists(), "files are left");
    }
}

#[test]
fn the_file_of_a_dead_server_is_replaced_and_of_a_live_one_not() {
    let folder = Folder::new("control-stale");
    let path = folder.at("c.sock");
    let mut first = start_with_control(&path, &[]);
    let flags = ["--control", path.to_str().unwrap()];
    let (code, told) = fail_with(&flags);
    assert_eq!(code, Some(1));
    assert!(told.contains(&format!("cannot listen on unix:{}: ", path.display())), "{told}");
    assert!(told.ends_with("another program listens there\n"), "{told}");
    enter(Client::at(&path));
    first.signal("KILL");
    first.wait_for_end();
    assert!(path.exists());
    let second = start_with_control(&path, &[]);
    enter(Client::at(&path));
    stop(second);
    assert!(!path.exists());
}

#[test]
fn a_file_of_another_kind_is_left_alone() {
    let folder = Folder::new("control-file");
    let path = folder.at("precious");
    fs::write(&path, "words").unwrap();
    let (code, told) = fail_with(&["--control", path.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(told.ends_with("there is a file of another kind\n"), "{told}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "words");
}

#[test]
fn a_file_that_another_server_has_made_since_is_left_alone() {
    let folder = Folder::new("control-taken");
    let path = folder.at("c.sock");
    let server = start_with_control(&path, &[]);
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    stop(server);
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
}

#[test]
fn the_usual_path_is_named_by_the_port_in_a_private_folder() {
    let folder = Folder::new("control-usual");
    let server = start_piped(without_control_flag(&folder));
    let path = folder.at("chinwag").join(format!("{}.sock", server.address.port()));
    wait_for("the log", || server.stderr().contains("operators ").then_some(()));
    assert_eq!((mode(&folder.at("chinwag")), mode(&path)), (0o700, 0o600));
    enter(Client::at(&path));
    stop(server);
    assert!(!path.exists());
}

#[test]
fn a_usual_path_that_cannot_be_used_is_one_warning() {
    let folder = Folder::new("control-unusual");
    fs::write(folder.at("chinwag"), "no folder").unwrap();
    let server = start_piped(without_control_flag(&folder));
    server.join();
    wait_for("the log", || server.stderr().contains("; see --control").then_some(()));
    assert_eq!(server.stderr().matches("WARN").count(), 1, "{}", server.stderr());
}

#[test]
fn clients_of_a_unix_socket_are_exempt_and_one_is_no_operator() {
    let folder = Folder::new("unix-exempt");
    let path = folder.at("all.sock");
    let listen = format!("127.0.0.1:0,unix:{},room=garden", path.display());
    let limits = ["--per-address", "1", "--rate", "1", "--burst", "1", "--exempt", "none"];
    let server = Server::start(&[&["--listen", &listen], &limits[..]].concat());
    let mut alice = Client::at(&path);
    alice.read_until("* you are in garden, 1 here\n");
    let (mut bob, name) = join(Client::at(&path));
    alice.read_until(&format!("* {name} joined\n"));
    // With the rate of this server, the last of these would come in a minute and a half.
    (0..100).for_each(|number| alice.send(format!("{number}\n")));
    bob.read_until(": 99\n");
    let told = format!("listening on unix:{}, room garden\n", path.display());
    assert!(server.stdout().contains(&told), "{}", server.stdout());
}

#[test]
fn an_operator_comes_in_though_the_server_is_full() {
    let folder = Folder::new("control-full");
    let path = folder.at("c.sock");
    let server = start_with_control(&path, &["--max-clients", "1"]);
    let (mut alice, _) = server.join();
    assert_eq!(server.connect().read_to_end(), "* server full (1)\n");
    let (mut operator, name) = enter(Client::at(&path));
    operator.send("still room\n");
    alice.read_until(&format!("{name}: still room\n"));
}

#[test]
fn an_operator_may_be_silent_for_longer_than_a_client() {
    let folder = Folder::new("control-idle");
    let path = folder.at("c.sock");
    let server = start_with_control(&path, &["--idle", "0.2"]);
    let (mut operator, own) = enter(Client::at(&path));
    let (mut alice, _) = server.join();
    assert!(alice.read_to_end().ends_with("* closed: nothing said for 0 s\n"));
    operator.send("still here\n");
    operator.read_until(&format!("{own}: still here\n"));
}
