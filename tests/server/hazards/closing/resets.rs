//! Connections that break, whatever the client or the server was doing.

use crate::support::process::has_unread_input;
use crate::support::{Client, Server, connect_from, join, narrow, numbered, wait_for};

use super::Flood;

/// A server, a client that stays, and how many sockets the server has with no other client.
struct Scene {
    server: Server,
    alice: Client,
    sockets: usize,
}

impl Scene {
    fn new(flags: &[&str]) -> Scene {
        let server = Server::start(&[flags, &["--notices", "50"]].concat());
        let mut alice = server.connect();
        // A client that sends a line is welcomed at once.
        alice.send("hello\n");
        alice.read_until_last(": hello\n");
        alice.forget();
        let sockets = sockets(&server);
        Scene { server, alice, sockets }
    }

    /// A client that has been welcomed and announced.
    fn join(&mut self) -> (Client, String) {
        let (client, name) = self.server.join();
        self.alice.read_until(&format!("* {name} ("));
        (client, name)
    }

    /// Waits for the one leave notice of the client that broke, until its descriptor is freed, and
    /// until those that stay receive lines.
    fn assert_left_once(&mut self, name: &str, what: &str) {
        let left = format!("* {name} left\n");
        self.alice.read_until(&left);
        self.assert_freed();
        let heard = self.mark();
        assert_eq!(heard.matches(" left\n").count(), 1, "{what}: {heard:?}");
        self.alice.forget();
    }

    fn assert_freed(&self) {
        wait_for("the descriptor", || (sockets(&self.server) == self.sockets).then_some(()));
    }

    /// All that the client which stays has read, up to a line of its own.
    fn mark(&mut self) -> String {
        self.alice.send("mark\n");
        self.alice.read_until(": mark\n")
    }
}

/// How many sockets the server has. A broken connection counts: the kernel has nothing of it but
/// the descriptor.
fn sockets(server: &Server) -> usize {
    server.descriptors().values().filter(|link| link.starts_with("socket:")).count()
}

#[test]
fn a_reset_in_the_middle_of_what_a_client_sends_hurts_nobody() {
    let mut scene = Scene::new(&[]);
    let middles: [(&str, &[u8]); 7] = [
        ("nothing", b""),
        ("a line", b"said\nhalf a li"),
        ("a character", b"said\n\xeb\xb0"),
        ("a line end", b"said\r"),
        ("a telnet command", b"said\r\n\xff"),
        ("a telnet option", b"\xff\xfb\x18said\r\n\xff\xfd"),
        ("a telnet negotiation", b"\xff\xfa\x18\x01half"),
    ];
    for (what, sent) in middles {
        for at_once in [false, true] {
            let (mut victim, name) = scene.join();
            if at_once {
                // One turn finds all of it, and has something to write as well.
                scene.server.pause();
                scene.alice.send("what else?\n");
            }
            victim.send(sent);
            if sent.starts_with(b"said") && !at_once {
                victim.read_until(&format!("{name}: said"));
            }
            victim.reset();
            if at_once {
                scene.server.resume();
            }
            scene.assert_left_once(&name, what);
        }
    }
}

#[test]
fn a_reset_in_the_middle_of_what_a_client_is_sent_hurts_nobody() {
    let mut scene = Scene::new(&[]);
    let (victim, name) = join(narrow(scene.server.address));
    scene.alice.read_until(&format!("* {name} ("));
    scene.alice.send(numbered(0, 256, 1024));
    scene.alice.read_until_last(&format!("guest1: {}", numbered(255, 1, 1024)));
    victim.reset();
    scene.assert_left_once(&name, "a backlog");
}

#[test]
fn a_reset_while_commands_wait_for_unread_replies_hurts_nobody() {
    let mut scene = Scene::new(&[]);
    let (mut victim, name) = join(narrow(scene.server.address));
    scene.alice.read_until(&format!("* {name} ("));
    // More than the limit of its replies, so the server does not read the rest.
    victim.send("/help\n".repeat(20_000));
    wait_for("it not to be read any more", || {
        let unread = has_unread_input(&scene.server);
        scene.mark();
        (unread && has_unread_input(&scene.server)).then_some(())
    });
    victim.reset();
    scene.assert_left_once(&name, "replies");
}

#[test]
fn a_reset_of_a_client_that_is_too_fast_loses_nothing_it_said() {
    let paced = ["--rate", "20", "--burst", "5", "--exempt", "127.0.0.1/32"];
    let mut scene = Scene::new(&paced);
    for somebody_speaks in [false, true] {
        let from = connect_from([127, 0, 0, 2], scene.server.address);
        let (mut victim, name) = join(Client::new(from));
        scene.alice.read_until(&format!("* {name} ("));
        let lines: Vec<String> = (0..15).map(|number| format!("line {number}\n")).collect();
        victim.send(lines.concat());
        scene.alice.read_until(&format!("{name}: line 4\n"));
        victim.reset();
        if somebody_speaks {
            // So the server finds it while it may not read that client.
            scene.alice.send("what else?\n");
        } else {
            scene.alice.read_until(&format!("{name}: line 14\n"));
        }
        scene.assert_left_once(&name, "a pause");
    }
}

#[test]
fn a_reset_before_anyone_was_greeted_is_seen_by_nobody() {
    let mut scene = Scene::new(&["--greeting", "60"]);
    for sent in ["", "half a li"] {
        for is_accepted in [true, false] {
            if !is_accepted {
                scene.server.pause();
            }
            let mut victim = scene.server.connect();
            victim.send(sent);
            if is_accepted {
                wait_for("it", || (sockets(&scene.server) > scene.sockets).then_some(()));
            }
            victim.reset();
            scene.server.resume();
            scene.mark();
            scene.assert_freed();
        }
    }
    assert_eq!(scene.mark().replace("guest1: mark\n", ""), "");
}

#[test]
fn a_reset_behind_the_goodbye_frees_the_connection_at_once() {
    let mut scene = Scene::new(&["--drain", "600", "--flush", "600"]);
    let (mut victim, name) = scene.join();
    victim.send("/quit\n");
    victim.read_to_end();
    assert_eq!(sockets(&scene.server), scene.sockets + 1, "it was not waited for");
    victim.reset();
    scene.assert_left_once(&name, "a goodbye");
    // The client has not read what stands before its goodbye.
    let (mut victim, name) = join(narrow(scene.server.address));
    scene.alice.read_until(&format!("* {name} ("));
    scene.alice.send(numbered(0, 256, 1024));
    scene.alice.read_until_last(&format!("guest1: {}", numbered(255, 1, 1024)));
    victim.send("/quit\n");
    scene.alice.read_until(&format!("* {name} left\n"));
    assert_eq!(sockets(&scene.server), scene.sockets + 1, "it was not waited for");
    victim.reset();
    scene.assert_left_once(&name, "a goodbye not read");
}

/// So many that a pass over them takes many turns, if one turn may write only once.
const CROWD: usize = 200;

/// All clients reset at the same time, and the next one is alone.
fn assert_all_may_reset_at_once(server: &Server, crowd: Vec<Client>, sockets_before: usize) {
    server.pause();
    crowd.into_iter().for_each(Client::reset);
    server.resume();
    wait_for("the descriptors", || (sockets(server) == sockets_before).then_some(()));
    // It is welcomed once all notices of the others were sent.
    let (mut alice, name) = wait_for("someone alone", || {
        let (alice, name) = server.enter();
        alice.read_text().contains(", 1 here\n").then_some((alice, name))
    });
    alice.send("alone\n");
    alice.read_until(&format!("{name}: alone\n"));
    assert_eq!(server.threads(), 1);
}

/// How many joins and leaves the notices count, one by one and in summaries.
fn told(heard: &str) -> (usize, usize) {
    let single = |end: &str| heard.lines().filter(|line| line.ends_with(end)).count();
    let summed = |what: &str| -> usize {
        let words: Vec<&str> = heard.split([' ', '\n']).collect();
        let pairs = words.windows(2).filter(|pair| pair[1].trim_end_matches(',') == what);
        pairs.filter_map(|pair| pair[0].parse::<usize>().ok()).sum()
    };
    (single(") joined") + summed("joined"), single(" left") + summed("left"))
}

#[test]
fn every_leave_of_a_crowd_that_resets_at_once_is_told() {
    let mut scene = Scene::new(&["--greeting", "0"]);
    let crowd: Vec<Client> = (0..CROWD).map(|_| scene.server.enter().0).collect();
    scene.server.pause();
    crowd.into_iter().for_each(Client::reset);
    scene.server.resume();
    scene.assert_freed();
    wait_for("all to be told", || {
        scene.alice.read_once();
        (told(&scene.alice.read_text()) == (CROWD, CROWD)).then_some(())
    });
    scene.mark();
    assert_eq!(told(&scene.alice.read_text()), (CROWD, CROWD));
}

#[test]
fn everyone_may_reset_in_the_middle_of_a_pass() {
    let server = Server::start(&["--greeting", "0", "--slice-writes", "1", "--quiet"]);
    let before = sockets(&server);
    for _ in 0..3 {
        let mut flood = Flood::start(&server);
        let crowd: Vec<Client> = (0..CROWD).map(|_| server.enter().0).collect();
        // The talking client is one of them: it leaves when it reads that the others have.
        server.pause();
        crowd.into_iter().for_each(Client::reset);
        server.resume();
        wait_for("the descriptors", || (sockets(&server) == before + 1).then_some(()));
        wait_for("all to be told", || (told(&flood.heard()).1 == CROWD).then_some(()));
        flood.stop();
        wait_for("the last", || (sockets(&server) == before).then_some(()));
    }
    assert_all_may_reset_at_once(&server, (0..CROWD).map(|_| server.enter().0).collect(), before);
}
