//! Sockets that `systemd-socket-activate` opened and handed to the server.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};

use crate::support::{Client, Folder, Server, enter, wait_for};

/// A port that nothing uses now.
fn free_port() -> u16 {
    TcpListener::bind("[::]:0").unwrap().local_addr().unwrap().port()
}

/// `systemd-socket-activate` with these flags, which starts the server at the first connection.
fn activate(flags: &[&str]) -> Command {
    let mut command = Command::new("systemd-socket-activate");
    command.args(flags).arg(env!("CARGO_BIN_EXE_chinwag"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts it, and waits until it listens at this address. The process becomes the server.
fn start(flags: &[&str], at: SocketAddr) -> Server {
    let server = Server::of(activate(flags).spawn().unwrap(), at);
    wait_for("the socket", || server.stderr().contains("Listening on").then_some(()));
    server
}

#[test]
#[ignore = "needs systemd"]
fn a_client_of_ipv4_on_a_socket_of_both_families_is_shown_so() {
    let port = free_port();
    let flags = ["-l", &format!("[::]:{port}"), "--setenv=CHINWAG_CONTROL=none"];
    let server = start(&flags, (Ipv4Addr::LOCALHOST, port).into());
    let mut alice = server.connect();
    let at = alice.socket.local_addr().unwrap();
    // The first connection started the server, and was not lost.
    let welcome = alice.read_until(" here\n");
    assert!(welcome.contains("* welcome, you are "), "{welcome}");
    alice.read_until(&format!("({at})"));
    assert!(!alice.read_text().contains("ffff"), "{}", alice.read_text());
    let listening = format!("listening on [::]:{port}\n");
    wait_for("the address", || server.stdout().starts_with(&listening).then_some(()));
    // Nothing else is opened.
    assert!(!server.stderr().contains("50005"), "{}", server.stderr());
}

#[test]
#[ignore = "needs systemd"]
fn a_unix_socket_named_control_is_the_one_of_operators() {
    let folder = Folder::new("activation");
    let (all, control) = (folder.at("all.sock"), folder.at("control.sock"));
    let (all_path, control_path) = (all.to_str().unwrap(), control.to_str().unwrap());
    let listen = "--setenv=CHINWAG_LISTEN=127.0.0.1:0";
    let flags = ["-l", all_path, "-l", control_path, "--fdname=all:control", listen];
    let mut server = activate(&flags).spawn().unwrap();
    wait_for("the sockets", || (all.exists() && control.exists()).then_some(()));
    let (mut alice, name) = enter(Client::at(&all));
    let (mut operator, _) = enter(Client::at(&control));
    operator.send("/bans\n");
    operator.read_until("* no bans\n");
    // One of clients is none of operators.
    alice.send("/bans\n");
    alice.send("done\n");
    let read = alice.read_until(&format!("{name}: done\n"));
    assert!(!read.contains("* no bans"), "{read}");
    crate::support::send_signal(server.id(), "TERM");
    wait_for("the end", || server.try_wait().unwrap());
    let mut told = String::new();
    std::io::Read::read_to_string(server.stderr.as_mut().unwrap(), &mut told).unwrap();
    assert!(told.contains("--listen is not used: the service manager listens"), "{told}");
    // The files are the manager's, which still listens there.
    assert!(fs::symlink_metadata(&all).is_ok() && fs::symlink_metadata(&control).is_ok());
}

#[test]
#[ignore = "needs systemd"]
fn the_keeper_has_no_socket_that_was_handed_to_the_server() {
    let folder = Folder::new("activation-keep");
    let port = free_port();
    let keep = format!("--setenv=CHINWAG_KEEP={}", folder.at("keep").display());
    let flags = ["-l", &format!("[::]:{port}"), "--setenv=CHINWAG_CONTROL=none", &keep];
    let server = start(&flags, (Ipv4Addr::LOCALHOST, port).into());
    server.enter();
    let pid = server.child.id();
    let keeper = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let own: Vec<String> = server.descriptors().into_values().collect();
    for entry in fs::read_dir(format!("/proc/{}/fd", keeper.trim())).unwrap() {
        let link = fs::read_link(entry.unwrap().path()).unwrap().display().to_string();
        assert!(!link.starts_with("socket:") || !own.contains(&link), "{link} of {own:?}");
    }
}

#[test]
#[ignore = "needs systemd"]
fn a_socket_that_does_not_listen_is_told_and_ends_the_start() {
    let folder = Folder::new("activation-wrong");
    let path = folder.at("datagrams.sock");
    let mut server = activate(&["--datagram", "-l", path.to_str().unwrap()]).spawn().unwrap();
    wait_for("the socket", || path.exists().then_some(()));
    let socket = std::os::unix::net::UnixDatagram::unbound().unwrap();
    socket.send_to(b"wake up", &path).unwrap();
    let code = wait_for("the end", || server.try_wait().unwrap()).code();
    let mut told = String::new();
    std::io::Read::read_to_string(server.stderr.as_mut().unwrap(), &mut told).unwrap();
    assert!(told.contains("cannot use an inherited socket: number 0 of LISTEN_FDS"), "{told}");
    assert_eq!(code, Some(1));
}

#[test]
#[ignore = "needs systemd"]
fn a_connection_in_place_of_a_listener_ends_the_start() {
    let port = free_port();
    let server =
        start(&["--accept", "-l", &format!("[::]:{port}")], (Ipv4Addr::LOCALHOST, port).into());
    let _client = server.connect();
    let told = "chinwag: cannot use an inherited socket: Invalid argument";
    wait_for("the error", || server.stderr().contains(told).then_some(()));
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    for pid in [Some("1"), None] {
        let server = Server::start_with(&[], |command| {
            command.env("LISTEN_FDS", "1").envs(pid.map(|pid| ("LISTEN_PID", pid)));
        });
        server.join();
    }
}
