//! What the program takes of the machine, and what it does when that is short of something.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::process::{self, Collected, through_shell};
use crate::support::{Client, Server, send_signal, wait_for};

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
