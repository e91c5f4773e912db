//! Too few descriptors or too little memory for new clients, and the streams that the process
//! starts with.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use crate::support::machine::{end_failing, start_failing};
use crate::support::process::{self, through_shell};
use crate::support::{Client, Server, command, wait_for};

/// The errors of accept(2) when the machine is short of something.
const SHORTAGES: [&str; 4] = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"];

/// The errors of accept(2) that concern only one connection.
const ONE_PEERS: [&str; 3] = ["ECONNABORTED", "EPROTO", "EINTR"];

const TOLD: &str = "cannot accept: ";

/// Runs `act` for each of these errors, all at the same time.
fn for_each_error(errors: &[&'static str], act: impl Fn(&'static str) + Sync) {
    scope(|scope| {
        for error in errors {
            scope.spawn(|| act(error));
        }
    });
}

fn connect_many(server: &Server, count: usize) -> Vec<Client> {
    (0..count).map(|_| server.connect()).collect()
}

/// Asserts that all of them are in, and receive each other's lines.
fn assert_all_are_in(clients: &mut [Client], what: &str) {
    for client in clients.iter_mut() {
        let read = client.read_until(" here\n");
        assert!(read.contains("* welcome, you are "), "{what}: {read:?}");
    }
    let (first, others) = clients.split_first_mut().unwrap();
    first.send(format!("after {what}\n"));
    for client in others {
        client.read_until(&format!(": after {what}\n"));
    }
}

/// Asserts that the log has one record of it, and no second one within five seconds.
fn assert_told_now_and_then(server: &Server, since: Instant) {
    let log = server.stderr();
    let most = 1 + since.elapsed().as_secs() as usize / 5;
    assert!((1..=most).contains(&log.matches(TOLD).count()), "{log}");
}

#[test]
#[ignore = "needs strace"]
fn an_accept_that_fails_1_or_20_times_costs_nobody_a_place() {
    for_each_error(&[&SHORTAGES[..], &ONE_PEERS].concat(), |error| {
        for when in ["1", "1..20"] {
            let start = Instant::now();
            let server = start_failing("accept4", error, when, &[]);
            assert_all_are_in(&mut connect_many(&server, 5), error);
            match ONE_PEERS.contains(&error) {
                true => assert!(!server.stderr().contains(TOLD), "{error}: {}", server.stderr()),
                false => assert_told_now_and_then(&server, start),
            }
        }
    });
}

#[test]
#[ignore = "needs strace"]
fn while_accept_fails_clients_talk_and_the_processor_rests() {
    for_each_error(&[&SHORTAGES[..], &ONE_PEERS].concat(), |error| {
        let start_of_all = Instant::now();
        // Each of the first two takes one accept, and one more that finds no connection.
        let server = start_failing("accept4", error, "5+", &["--greeting", "0"]);
        let (mut alice, _) = server.join();
        let (mut bob, _) = server.join();
        let mut waiting = connect_many(&server, 5);
        wait_for(error, || server.stderr().contains(TOLD).then_some(()));
        let (start, before) = (Instant::now(), server.processor_time());
        sleep(Duration::from_millis(2500));
        let share =
            (server.processor_time() - before).as_secs_f64() / start.elapsed().as_secs_f64();
        assert!(share < 0.05, "{error}: {share}");
        assert_told_now_and_then(&server, start_of_all);
        alice.send(format!("despite {error}\n"));
        bob.read_until(&format!("guest1: despite {error}\n"));
        assert!(waiting.iter_mut().all(|client| !client.read_once()), "{error}");
        end_failing(&server);
        assert_all_are_in(&mut waiting, error);
    });
}

#[test]
#[ignore = "needs strace"]
fn a_peer_that_cannot_be_watched_is_told_that_there_is_no_room() {
    // The first two are the server's own: the signals and the listener.
    let server = start_failing("epoll_ctl", "ENOSPC", "3..10", &["--max-clients", "50"]);
    for _ in 0..3 {
        assert_eq!(server.connect().read_to_end(), "* server full (50)\n");
    }
    wait_for("the warning", || server.stderr().contains("cannot watch").then_some(()));
    end_failing(&server);
    assert_all_are_in(&mut connect_many(&server, 5), "ENOSPC");
}

/// Lowers its limit so that it can open no descriptor above those it has open. Returns clients that
/// take the free ones below that, and the old limit.
fn exhaust(server: &Server) -> (Vec<Client>, u64) {
    let open = server.descriptors();
    // A descriptor that the test inherited may have any number.
    let its_own = |link: &String| link.starts_with("socket:") || link == "/dev/null";
    let last = open.iter().filter(|(_, link)| its_own(link)).map(|(number, _)| *number).max();
    let limit = last.unwrap() + 1;
    let enough = server.limit_descriptors(limit);
    let free = (0..limit).filter(|number| !open.contains_key(number)).count();
    let mut within = connect_many(server, free);
    within.iter_mut().for_each(|client| _ = client.read_until(" here\n"));
    (within, enough)
}

#[test]
fn newcomers_are_told_full_and_closed_until_descriptors_return() {
    let server = Server::start(&["--max-clients", "100"]);
    let (start, (mut alice, _)) = (Instant::now(), server.join());
    // It runs twice: what the server needs to say so must be there again afterwards. In between
    // there is not even that.
    for round in ["once", "again"] {
        wait_for("her to be alone", || (process::connections(&server) == 1).then_some(()));
        let (_within, enough) = exhaust(&server);
        for mut late in connect_many(&server, 30) {
            assert_eq!(late.read_to_end(), "* server full (100)\n", "{round}");
        }
        alice.send(format!("full {round}\n"));
        alice.read_until(&format!("guest1: full {round}\n"));
        server.limit_descriptors(3);
        let mut waiting = connect_many(&server, 5);
        assert!((0..10).all(|_| !waiting[0].read_once()), "{round}: {}", waiting[0].read_text());
        server.limit_descriptors(enough);
        assert_all_are_in(&mut waiting, round);
        assert_all_are_in(&mut connect_many(&server, 20), round);
    }
    assert_told_now_and_then(&server, start);
}

/// How long two clients wait for descriptors after there are some again. They have waited since the
/// server was first refused one.
fn wait_after_shortage() -> Duration {
    let server = Server::start(&["--greeting", "0"]);
    let enough = server.limit_descriptors(3);
    let mut waiting = connect_many(&server, 2);
    wait_for("the shortage", || server.stderr().contains(TOLD).then_some(()));
    server.limit_descriptors(enough);
    let start = Instant::now();
    waiting.iter_mut().for_each(|client| _ = client.read_until(" here\n"));
    start.elapsed()
}

#[test]
fn clients_wait_at_most_200_ms_after_the_end_of_a_shortage() {
    const WITHIN: Duration = Duration::from_millis(200);
    // On a machine with other work it may take longer, but not each time.
    let mut waits = Vec::new();
    while !waits.iter().any(|wait| *wait < WITHIN) {
        assert!(waits.len() < 20, "{waits:?}");
        waits.push(wait_after_shortage());
    }
}

#[test]
fn clients_that_come_as_others_leave_get_their_places() {
    const LEAVING: usize = 20;
    let server = Server::start(&["--max-clients", "40"]);
    let mut clients = connect_many(&server, 40);
    clients.iter_mut().for_each(|client| _ = client.read_until(" here\n"));
    for late in connect_many(&server, 10).iter_mut() {
        assert_eq!(late.read_to_end(), "* server full (40)\n");
    }
    // All leave and connect before the server looks: no time passes in between.
    server.pause();
    for (number, client) in clients.drain(..LEAVING).enumerate() {
        // Some half-close, some vanish, and some have not read everything.
        if number % 2 == 0 { drop(client) } else { client.reset() }
    }
    let mut next = connect_many(&server, LEAVING);
    server.resume();
    assert_all_are_in(&mut next, "others");
    clients.append(&mut next);
    assert_eq!(server.connect().read_to_end(), "* server full (40)\n");
    assert_all_are_in(&mut clients[..1], "the last");
}

#[test]
fn any_of_the_standard_streams_may_be_closed_at_the_start() {
    // All three are of another test.
    for closed in ["<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-"] {
        let script = format!("exec \"$0\" \"$@\" {closed}");
        let flags = ["--log-level", "trace", "--greeting", "0"];
        let server = process::start_piped(through_shell(&script, &flags));
        let (mut alice, _) = server.join();
        let (mut bob, _) = server.join();
        alice.read_until("* guest2 ");
        alice.read_until(") joined\n");
        alice.forget();
        alice.send("hello\n");
        // Nothing that was written to a stream has reached a client.
        for client in [&mut alice, &mut bob] {
            client.read_until_last("guest1: hello\n");
            assert_eq!(client.read_text(), "guest1: hello\n", "{closed}");
        }
        let closed: Vec<&str> = closed.split(' ').collect();
        if !closed.contains(&">&-") {
            wait_for("what is said", || server.stdout().ends_with("hello\n").then_some(()));
        }
        if !closed.contains(&"2>&-") {
            wait_for("the log", || server.stderr().contains(" joined\n").then_some(()));
        }
    }
}

/// A folder that only its owner may write to, with the program in it. It is removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn with_the_program(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("chinwag-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        // A copy made by this process might still be open for writing in a child of another test.
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_chinwag")).arg(&path).status();
        assert!(copied.unwrap().success());
        std::fs::set_permissions(&path, Permissions::from_mode(0o555)).unwrap();
        Folder(path)
    }

    /// The program in this folder, run by a user without rights or a home. It has few descriptors
    /// until it asks for more. A test that does not run as root is such a user already.
    fn command(&self, flags: &[&str]) -> Command {
        const NOBODY: u32 = 65534;
        let its = command(flags);
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -Sn 100 && exec \"$0\" \"$@\""]);
        shell.arg(self.0.join("chinwag")).args(its.get_args());
        shell.current_dir(&self.0).env_remove("HOME");
        if rustix::process::getuid().is_root() {
            shell.uid(NOBODY).gid(NOBODY);
        }
        shell
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::set_permissions(&self.0, Permissions::from_mode(0o755)).unwrap();
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn an_ordinary_user_without_a_home_runs_it_and_it_makes_no_file() {
    let folder = Folder::with_the_program("ordinary");
    let server = process::start_piped(folder.command(&["--log-level", "trace"]));
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    assert!(status.contains("CapEff:\t0000000000000000\n"), "{status}");
    assert!(!status.contains("Uid:\t0\t"), "{status}");
    // More than its inherited soft limit.
    let mut clients = connect_many(&server, 150);
    assert_all_are_in(&mut clients, "nothing");
    // What the tests were started with, it inherits.
    let is_inherited = |number: u64, link: &str| {
        let own = std::fs::read_link(format!("/proc/self/fd/{number}"));
        own.is_ok_and(|own| own.as_os_str() == link)
    };
    let descriptors = server.descriptors().into_iter();
    for (number, link) in descriptors.filter(|(number, link)| !is_inherited(*number, link)) {
        assert!(!link.starts_with('/') || link == "/dev/null", "{number} is {link}");
    }
    let files = std::fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(files.collect::<Vec<_>>(), ["chinwag"]);
}

#[test]
fn a_port_for_the_superuser_alone_is_one_line_and_exit_code_1() {
    let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    if first.trim().parse::<u16>().unwrap() <= 80 {
        println!("skipped: on this machine everybody may take port 80");
        return;
    }
    let folder = Folder::with_the_program("port");
    let output = folder.command(&["--listen", "127.0.0.1:80"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let log = String::from_utf8(output.stderr).unwrap();
    let own: Vec<&str> = log.lines().filter(|line| line.starts_with("chinwag: ")).collect();
    assert_eq!(own.len(), 1, "{log}");
    assert!(own[0].starts_with("chinwag: cannot listen on 127.0.0.1:80: Permission denied"));
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(output.stdout.is_empty(), "{:?}", output.stdout);
}
