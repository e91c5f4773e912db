//! How connections end, whole and broken, while others go on talking. Signals, and a suspended
//! server.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::support::program::Program;
use crate::support::{Client, Server, numbered, wait_for};

mod resets;
mod signals;
mod standing;

/// A client that talks without a pause as long as this exists, and receives the whole conversation.
struct Flood {
    heard: Arc<Mutex<String>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Flood {
    /// Begins to talk. It sends more only after it has received its own lines, so a client that
    /// reads as fast keeps up, however slow this machine is.
    fn start(server: &Server) -> Flood {
        let (mut client, name) = server.enter();
        client.forget();
        let (heard, is_over) = (Arc::default(), Arc::default());
        let mut talker =
            Talker { client, name, heard: Arc::clone(&heard), is_over: Arc::clone(&is_over) };
        let thread = Some(std::thread::spawn(move || talker.talk()));
        Flood { heard, is_over, thread }
    }

    /// The whole conversation so far.
    fn heard(&self) -> String {
        self.heard.lock().unwrap().clone()
    }

    /// Waits until this is in the conversation.
    fn wait_for(&self, text: &str) {
        wait_for(text, || self.heard().contains(text).then_some(()));
    }

    /// Waits until this client has left, and asserts that there is one notice of it.
    fn assert_left_once(&self, name: &str) {
        let left = format!("* {name} left\n");
        self.wait_for(&left);
        assert_eq!(self.heard().matches(&left).count(), 1, "{name}");
    }

    /// Sends no more, and waits for its last line.
    fn stop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// The client that talks.
struct Talker {
    client: Client,
    name: String,
    heard: Arc<Mutex<String>>,
    is_over: Arc<AtomicBool>,
}

impl Talker {
    fn talk(&mut self) {
        for round in 0.. {
            let text = numbered(round * 16, 16, 256);
            let over = self.is_over.load(Ordering::Relaxed);
            if over || self.client.socket.write_all(text.as_bytes()).is_err() {
                return;
            }
            let last = format!("{}: {}", self.name, text.lines().last().unwrap());
            while !self.client.ended && !self.hear(&last) {
                self.client.read_once();
            }
        }
    }

    /// Takes in what was received. Returns whether this line was in it.
    fn hear(&mut self, last: &str) -> bool {
        let own = format!("{}: ", self.name);
        let lines = self.client.take_lines();
        let others = lines.iter().filter(|line| !line.starts_with(&own));
        self.heard.lock().unwrap().extend(others.flat_map(|line| [line, "\n"]));
        lines.iter().any(|line| line == last)
    }
}

/// The name that the server gave a client, by what the client shows.
fn name_in(shown: &str) -> &str {
    let (_, name) = shown.split_once("* welcome, you are ").unwrap();
    name.split(' ').next().unwrap()
}

/// Asserts that no byte is lost of clients that half-close while others talk. They get their own
/// last line and the answers to their last commands.
fn assert_ends_whole_under_flood(program: &str) {
    let server = Server::start(&["--notices", "50", "--quiet"]);
    let flood = Flood::start(&server);
    for (text, last) in [
        ("first\\nlast\\n", "NAME: last\n"),
        ("first\\n안녕", "NAME: 안녕\n"),
        ("first\\n/who\\n", "* 2 here: "),
        ("first\\n/history 1\\n/who", "* 2 here: "),
    ] {
        let mut client = Program::start(&server, &format!("printf '{text}' | {program}"));
        let (status, shown) = client.wait_for_end();
        assert!(status.success(), "{program}: {status}");
        let name = name_in(&shown);
        for line in ["NAME: first\n", last] {
            let line = format!("\n{}", line.replace("NAME", name));
            assert!(shown.contains(&line), "{program}: no {line:?} in {shown:?}");
        }
        assert!(shown.ends_with('\n'), "{program}: {shown:?}");
        flood.assert_left_once(name);
    }
}

/// Asserts that no byte is lost of clients that vanish when their input ends, with much unread.
fn assert_is_heard_under_flood(program: &str) {
    let server = Server::start(&["--notices", "50", "--quiet"]);
    let flood = Flood::start(&server);
    for round in 1..=3 {
        let mut client = Program::start(&server, program);
        client.say("first\nlast");
        let name = format!("guest{}", round + 1);
        flood.wait_for(&format!("{name}: first\n"));
        client.end_input();
        client.wait_for_end();
        flood.assert_left_once(&name);
        let said = format!("{name}: first\n{name}: last\n* {name} left\n");
        assert!(flood.heard().contains(&said), "{program}: {}", flood.heard());
    }
}

#[test]
#[ignore = "needs nc"]
fn nc_that_ends_in_a_flood_gets_its_own_lines() {
    assert_ends_whole_under_flood("nc -N $HOST $PORT");
}

#[test]
#[ignore = "needs ncat"]
fn ncat_that_ends_in_a_flood_gets_its_own_lines() {
    assert_ends_whole_under_flood("ncat $HOST $PORT");
}

#[test]
#[ignore = "needs socat"]
fn socat_that_ends_in_a_flood_gets_its_own_lines() {
    assert_ends_whole_under_flood("socat -t 20 - TCP:$HOST:$PORT");
}

#[test]
#[ignore = "needs busybox"]
fn the_nc_of_busybox_that_ends_in_a_flood_gets_its_own_lines() {
    assert_ends_whole_under_flood("busybox nc $HOST $PORT");
}

#[test]
#[ignore = "needs plink"]
fn plink_that_ends_in_a_flood_gets_its_own_lines() {
    assert_ends_whole_under_flood("plink -batch -raw -P $PORT $HOST");
}

/// It sends its input, half-closes, and shows what arrives until the other side ends.
const PYTHON: &str = r#"
import os, socket, sys
peer = socket.create_connection((os.environ["HOST"], int(os.environ["PORT"])))
peer.sendall(sys.stdin.buffer.read())
peer.shutdown(socket.SHUT_WR)
while got := peer.recv(4096):
    sys.stdout.buffer.write(got)
"#;

#[test]
#[ignore = "needs python3"]
fn a_script_that_ends_in_a_flood_gets_its_own_lines() {
    assert_ends_whole_under_flood(&format!("python3 -c '{PYTHON}'"));
}

#[test]
#[ignore = "needs bash"]
fn a_bash_script_that_reads_nothing_is_heard_to_its_last_byte() {
    let script = "exec 3<>/dev/tcp/$HOST/$PORT; cat >&3";
    assert_is_heard_under_flood(&format!("exec bash -c '{script}'"));
}

#[test]
#[ignore = "needs telnet"]
fn telnet_that_exits_is_heard_to_its_last_byte() {
    assert_is_heard_under_flood("exec telnet $HOST $PORT");
}

#[test]
#[ignore = "needs busybox"]
fn the_telnet_of_busybox_that_exits_is_heard_to_its_last_byte() {
    assert_is_heard_under_flood("exec busybox telnet $HOST $PORT");
}
