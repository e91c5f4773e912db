//! Messages to the service manager: the test is that manager, with a socket of its own.

use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::{Folder, PATIENCE, Server, wait_for};

/// Binds the socket of a manager.
fn manager_at(path: &Path) -> UnixDatagram {
    patient(UnixDatagram::bind(path).unwrap())
}

fn patient(socket: UnixDatagram) -> UnixDatagram {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// The next message.
fn next(manager: &UnixDatagram) -> String {
    let mut page = [0; 4096];
    let bytes = manager.recv(&mut page).expect("a message");
    String::from_utf8(page[..bytes].to_vec()).unwrap()
}

/// Starts a server with these variables.
fn start(name: &str, variables: &[(&str, &str)]) -> Server {
    Server::start_with(&[], |command: &mut Command| {
        command.env("NOTIFY_SOCKET", name).envs(variables.iter().copied());
    })
}

#[test]
fn the_manager_learns_of_start_and_stop_and_the_number_here() {
    let folder = Folder::new("notify");
    let path = folder.at("notify");
    let manager = manager_at(&path);
    let mut server = start(path.to_str().unwrap(), &[]);
    assert_eq!(next(&manager), "READY=1\nSTATUS=0 here\n");
    let (alice, _) = server.join();
    assert_eq!(next(&manager), "STATUS=1 here\n");
    drop(alice);
    assert_eq!(next(&manager), "STATUS=0 here\n");
    server.signal("TERM");
    assert_eq!(next(&manager), "STOPPING=1\nSTATUS=Stopping: SIGTERM; 0 here\n");
    assert_eq!(server.wait_for_end().code(), Some(0));
}

#[test]
fn a_manager_may_have_an_abstract_name() {
    let name = format!("chinwag-notify-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let manager = patient(UnixDatagram::bind_addr(&address).unwrap());
    let _server = start(&format!("@{name}"), &[]);
    assert_eq!(next(&manager), "READY=1\nSTATUS=0 here\n");
}

#[test]
fn a_sign_of_life_comes_as_often_as_the_watchdog_asks() {
    let folder = Folder::new("notify-watchdog");
    let path = folder.at("notify");
    let manager = manager_at(&path);
    let server = start(path.to_str().unwrap(), &[("WATCHDOG_USEC", "200000")]);
    next(&manager);
    for _ in 0..3 {
        assert_eq!(next(&manager), "WATCHDOG=1\n");
    }
    // A server that hangs gives none: what was sent before is read first.
    server.pause();
    manager.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let silence = wait_for("silence", || manager.recv(&mut [0; 99]).err());
    assert_eq!(silence.kind(), ErrorKind::WouldBlock);
}

#[test]
fn without_watchdog_or_for_another_process_no_timer_runs() {
    let folder = Folder::new("notify-quiet");
    let path = folder.at("notify");
    let manager = manager_at(&path);
    for variables in [&[][..], &[("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")]] {
        let server = start(path.to_str().unwrap(), variables);
        assert_eq!(next(&manager), "READY=1\nSTATUS=0 here\n");
        let before = switches(&server);
        manager.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        assert!(manager.recv(&mut [0; 99]).is_err(), "{variables:?}");
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        // A poll that waits for an event ends no sleep.
        assert!(switches(&server) <= before + 1, "{variables:?}");
    }
}

/// How often the server has slept.
fn switches(server: &Server) -> u64 {
    let path = format!("/proc/{}/status", server.child.id());
    let status = std::fs::read_to_string(path).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}

#[test]
fn a_manager_that_is_busy_at_the_start_learns_of_it_later() {
    let folder = Folder::new("notify-busy");
    let path = folder.at("notify");
    let manager = manager_at(&path);
    let others = UnixDatagram::unbound().unwrap();
    others.set_nonblocking(true).unwrap();
    while others.send_to(b"busy", &path).is_ok() {}
    let server = start(path.to_str().unwrap(), &[]);
    let (_alice, _) = server.join();
    let told = std::iter::repeat_with(|| next(&manager)).find(|message| message != "busy");
    assert_eq!(told.unwrap(), "READY=1\nSTATUS=0 here\n");
    assert_eq!(next(&manager), "STATUS=1 here\n");
}

#[test]
fn a_manager_that_is_gone_or_reads_nothing_stops_nobody() {
    let folder = Folder::new("notify-gone");
    let path = folder.at("notify");
    // Nobody reads the socket: its queue is soon full.
    let manager = manager_at(&path);
    let mut server = start(path.to_str().unwrap(), &[("WATCHDOG_USEC", "2000")]);
    for _ in 0..20 {
        let (mut alice, _) = server.enter();
        alice.send("hello\n");
        alice.read_until(": hello\n");
    }
    drop(manager);
    let (mut alice, _) = server.enter();
    alice.send("alone\n");
    alice.read_until(": alone\n");
    server.signal("TERM");
    assert_eq!(server.wait_for_end().code(), Some(0));
    let server = start("/nonexistent/notify", &[]);
    wait_for("the warning", || {
        server.stderr().contains("cannot reach the service manager").then_some(())
    });
    server.join();
}
