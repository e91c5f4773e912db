//! What the program takes of the machine, and what it does when that is short of something.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chinwag::config::{DESCRIPTORS_RESERVED, DOORWAY_MAX};

use crate::support::process::{self, Collected, through_shell};
use crate::support::{Client, Folder, Server, send_signal, wait_for};

/// Starts a server through a shell that has changed its limits.
fn start_limited(limit: &str, flags: &[&str]) -> Server {
    process::start_piped(through_shell(&format!("{limit} && exec \"$0\" \"$@\""), flags))
}

#[test]
fn there_is_one_thread() {
    let server = Server::start(&[]);
    let clients: Vec<(Client, String)> = (0..20).map(|_| server.enter()).collect();
    assert_eq!(server.threads(), 1);
    drop(clients);
}

#[test]
fn the_soft_limit_of_descriptors_is_raised_to_the_hard_one() {
    let server = start_limited("ulimit -Sn 100", &[]);
    let mut clients: Vec<Client> = (0..150).map(|_| server.connect()).collect();
    clients.last_mut().unwrap().read_until(", 150 here\n");
}

#[test]
fn the_reserved_descriptors_are_enough_for_all_at_once() {
    const CLIENTS: usize = 4;
    let folder = Folder::new("descriptors");
    let at = |name: &str| folder.at(name).display().to_string();
    let _manager = std::os::unix::net::UnixDatagram::bind(at("notify")).unwrap();
    let (listen, control, keep) = (format!("unix:{}", at("all")), at("control"), at("keep"));
    let flags = ["--listen", "127.0.0.1:0,[::1]:0", "--listen", &listen, "--control", &control];
    let more = ["--keep", &keep, "--metrics", "127.0.0.1:0", "--greeting", "20"];
    let limit = CLIENTS + DESCRIPTORS_RESERVED;
    let script = format!("ulimit -n {limit} && NOTIFY_SOCKET={} exec \"$0\" \"$@\"", at("notify"));
    let mut shell = through_shell(&script, &[&flags[..], &more].concat());
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = Server::start_by(shell);
    let metrics = wait_for("the metrics", || {
        let log = server.stderr();
        let (_, rest) = log.split_once("metrics: http://")?;
        Some(rest.split_once("/metrics")?.0.to_owned())
    });
    let own = server.descriptors().len();
    // All clients, the doorway, and all requests for metrics.
    let clients: Vec<Client> = (0..CLIENTS + DOORWAY_MAX).map(|_| server.connect()).collect();
    let scrapes: Vec<TcpStream> = (0..4).map(|_| TcpStream::connect(&metrics).unwrap()).collect();
    let all = own + clients.len() + scrapes.len();
    wait_for("all of them", || (server.descriptors().len() >= all).then_some(()));
    // One more needs a descriptor only to be turned away.
    assert_eq!(server.connect().read_to_end(), format!("* server full ({CLIENTS})\n"));
    let pid = server.child.id();
    let children = format!("/proc/{pid}/task/{pid}/children");
    let keeper = std::fs::read_to_string(children).unwrap().trim().parse().unwrap();
    send_signal(keeper, "KILL");
    wait_for("a keeper", || server.stderr().contains("the keeper is started again").then_some(()));
    server.signal("HUP");
    wait_for("the reload", || server.stderr().contains("reloaded").then_some(()));
    assert!(!server.stderr().contains("cannot"), "{}", server.stderr());
    drop((clients, scrapes));
    server.signal("TERM");
    assert_eq!(server.wait_for_end().code(), Some(0));
}

#[test]
fn the_hard_limit_of_descriptors_says_how_many_get_in() {
    let server = start_limited("ulimit -n 100", &[]);
    wait_for("the bound", || server.stderr().contains("at most 36 clients").then_some(()));
    let clients: Vec<(Client, String)> = (0..36).map(|_| server.enter()).collect();
    let mut one_more = server.connect();
    assert_eq!(one_more.read_to_end(), "* server full (36)\n");
    drop(one_more);
    // The place of a client that left goes to the next.
    let mut stays = clients;
    stays.pop();
    let mut next = wait_for("a free place", || {
        let mut next = server.connect();
        while !next.ended && !next.read_text().contains(" here\n") {
            next.read_once();
        }
        (!next.ended).then_some(next)
    });
    next.send("in\n");
    next.read_until(": in\n");
}

#[test]
fn more_clients_than_descriptors_allow_are_not_promised() {
    let server = start_limited("ulimit -n 100", &["--max-clients", "1000"]);
    wait_for("the bound", || server.stderr().contains("at most 36 clients").then_some(()));
    assert!(server.stderr().contains("--max-clients 1000"), "{}", server.stderr());
}

/// This many clients that send nothing, after the last notice about them.
fn many_idle(server: &Server, count: usize) -> Vec<Client> {
    let mut clients: Vec<Client> = (0..count).map(|_| server.connect()).collect();
    clients.last_mut().unwrap().read_until(&format!(", {count} here\n"));
    clients[0].read_until(&format!("({count} here)\n"));
    wait_for("a round without a summary", || {
        clients[0].forget();
        (0..30).all(|_| !clients[0].read_once()).then_some(())
    });
    clients
}

/// How often the process has slept and been woken, or been preempted.
pub fn switches(server: &Server) -> Vec<String> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let lines = status.lines().filter(|line| line.contains("ctxt_switches"));
    lines.map(str::to_owned).collect()
}

#[test]
fn an_idle_server_is_not_woken() {
    let server = Server::start(&[]);
    let clients = many_idle(&server, 100);
    let before = switches(&server);
    assert_eq!(before.len(), 2);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(switches(&server), before);
    drop(clients);
}

#[test]
#[ignore = "needs strace"]
fn an_idle_server_makes_no_system_call() {
    let server = Server::start(&[]);
    let clients = many_idle(&server, 1000);
    let path = std::env::temp_dir().join(format!("chinwag-strace-{}", std::process::id()));
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "-o"]).arg(&path).args(["-p", &server.child.id().to_string()]);
    let mut strace = strace.stderr(Stdio::piped()).spawn().unwrap();
    let told = Collected::from(strace.stderr.take().unwrap());
    told.read_until(" attached");
    std::thread::sleep(Duration::from_secs(10));
    assert_eq!(end_strace(&mut strace, &path), "", "there were calls");
    // The table is empty because there were no calls, not because strace failed: the next line is
    // in the next table.
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "-o"]).arg(&path).args(["-p", &server.child.id().to_string()]);
    let mut strace = strace.stderr(Stdio::piped()).spawn().unwrap();
    let told = Collected::from(strace.stderr.take().unwrap());
    told.read_until(" attached");
    let (mut alice, _) = server.join();
    alice.send("hello\n");
    alice.read_until(": hello\n");
    assert!(end_strace(&mut strace, &path).contains("epoll_wait"));
    std::fs::remove_file(&path).unwrap();
    drop(clients);
}

/// Ends a trace and returns what it has counted.
fn end_strace(strace: &mut Child, path: &std::path::Path) -> String {
    send_signal(strace.id(), "INT");
    wait_for("the end of strace", || strace.try_wait().unwrap());
    std::fs::read_to_string(path).unwrap()
}
