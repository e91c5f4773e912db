//! What it takes of the machine, and what it does where the machine is short of something.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::process::{self, Collected, through_shell};
use crate::support::{Client, Server, command, send_signal, wait_for};

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
    // A place that is given up is given to the next.
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
fn more_clients_than_there_are_descriptors_are_promised_to_nobody() {
    let server = start_limited("ulimit -n 100", &["--max-clients", "1000"]);
    wait_for("the bound", || server.stderr().contains("at most 36 clients").then_some(()));
    assert!(server.stderr().contains("--max-clients 1000"), "{}", server.stderr());
}

/// So many who say nothing, once the last notice about them is told.
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

/// How often the process has slept and been woken, or been moved aside.
fn switches(server: &Server) -> Vec<String> {
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
    // The table is empty for want of calls, not of strace: what is said now is in the next one.
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

/// A server whose first so many `accept` fail like this.
fn start_failing(error: &str, times: usize) -> Server {
    let server = command(&[]);
    let mut strace = Command::new("strace");
    // With -D the server is our child and not strace's, so that it is the one to be killed.
    strace.args(["-D", "-f", "-o", "/dev/null", "-e", "trace=accept4", "-e"]);
    strace.arg(format!("inject=accept4:error={error}:when=1..{times}"));
    strace.arg(server.get_program()).args(server.get_args());
    process::start_piped(strace)
}

#[test]
#[ignore = "needs strace"]
fn those_who_waited_are_served_when_a_shortage_is_over() {
    // An odd number for descriptors: else it is the accept with the reserve in hand that finds the
    // shortage over, and tells the first peer that there is no room.
    for (error, times) in [("EMFILE", 31), ("ENFILE", 31), ("ENOBUFS", 30), ("ENOMEM", 30)] {
        let server = start_failing(error, times);
        let mut clients: Vec<Client> = (0..5).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.read_until(" joined\n");
        }
        clients[0].send("hello\n");
        clients[4].read_until(": hello\n");
        let log = server.stderr();
        assert!(log.contains("cannot accept"), "{error} is not told: {log}");
        // What is the same trouble again is told every five seconds at most.
        assert!(log.matches("cannot accept").count() <= 2, "{error}: {log}");
    }
}

#[test]
#[ignore = "needs strace"]
fn a_peer_that_broke_before_it_was_accepted_is_nobodys_trouble() {
    for error in ["ECONNABORTED", "EPROTO", "EINTR"] {
        let server = start_failing(error, 30);
        let mut clients: Vec<Client> = (0..5).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.read_until(" joined\n");
        }
        clients[0].send("hello\n");
        clients[4].read_until(": hello\n");
        assert!(!server.stderr().contains("cannot accept"), "{error}: {}", server.stderr());
    }
}
