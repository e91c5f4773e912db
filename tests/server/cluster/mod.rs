//! Several servers on one engine: a real redis-server, on a Unix socket in a folder of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{Client, Folder, PATIENCE, Server, send_signal, wait_for};

mod ending;
mod losing;
mod proof;
mod talking;
mod troubles;

const UNREACHABLE: &str = "* the other servers cannot be reached: what you say waits\n";
const REACHED: &str = "* the other servers can be reached again\n";

/// A redis-server that keeps nothing on the disk; it is killed when dropped.
struct Engine {
    child: Child,
    flags: Vec<String>,
    /// Its socket is in it.
    folder: Folder,
}

impl Engine {
    fn start() -> Engine {
        Engine::start_with(&[])
    }

    fn start_with(flags: &[&str]) -> Engine {
        let folder = new_folder();
        let path = |name| folder.at(name).display().to_string();
        let own = ["--unixsocket", &path("s"), "--dir", &path(""), "--save", ""];
        let given: &[&str] = if flags.contains(&"--port") { &[] } else { &["--port", "0"] };
        let all = own.iter().chain(given).chain(flags);
        let flags: Vec<String> = all.map(|flag| (*flag).to_owned()).collect();
        let engine = Engine { child: spawn(&flags), flags, folder };
        engine.wait_until_up();
        engine
    }

    /// The same, with a port of 127.0.2.1 as well.
    fn start_on_a_port() -> (Engine, SocketAddr) {
        let free = TcpListener::bind("127.0.2.1:0").unwrap().local_addr().unwrap();
        let port = free.port().to_string();
        (Engine::start_with(&["--bind", "127.0.2.1", "--port", &port]), free)
    }

    /// The flag of a server.
    fn url(&self) -> String {
        format!("redis://{}/chat", self.folder.at("s").display())
    }

    /// The same with a password.
    fn url_with(&self, password: &str) -> String {
        format!("redis://:{password}@{}/chat", self.folder.at("s").display())
    }

    /// Starts a server that is called so.
    fn node(&self, name: &str) -> Server {
        node_at(&self.url(), name)
    }

    /// Sends it a signal, such as `STOP`.
    fn signal(&self, name: &str) {
        send_signal(self.child.id(), name);
    }

    /// Ends it at once. All that it had is gone.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again.
    fn start_again(&mut self) {
        self.child = spawn(&self.flags);
        self.wait_until_up();
    }

    /// Stops the process and waits until it has stopped.
    fn pause(&self) {
        self.signal("STOP");
        let stat = format!("/proc/{}/stat", self.child.id());
        let is_stopped = || std::fs::read_to_string(&stat).unwrap().contains(") T ");
        wait_for("the engine to stop", || is_stopped().then_some(()));
    }

    fn wait_until_up(&self) {
        // Without the password it says so.
        wait_for("the engine", || Some(self.tell("PING")).filter(|reply| !reply.is_empty()));
    }

    /// Sends it commands, and returns what it replies; nothing if it is not there.
    fn tell(&self, commands: &str) -> String {
        let Ok(mut socket) = UnixStream::connect(self.folder.at("s")) else { return String::new() };
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut reply = String::new();
        let sent = socket.write_all(format!("{commands}\r\nQUIT\r\n").as_bytes());
        // What is read of an engine that ends meanwhile is no reply.
        match sent.and_then(|()| socket.read_to_string(&mut reply)) {
            Ok(_) => reply,
            Err(_) => String::new(),
        }
    }

    /// Sends it a command that must succeed.
    fn obey(&self, command: &str) {
        let reply = self.tell(command);
        assert!(reply.starts_with("+OK"), "{command}: {reply}");
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        if self.child.kill().is_ok() {
            self.child.wait().unwrap();
        }
    }
}

fn spawn(flags: &[String]) -> Child {
    let mut command = Command::new("redis-server");
    command.args(flags).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn new_folder() -> Folder {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    Folder::new(&format!("cluster-{}", NUMBER.fetch_add(1, Ordering::Relaxed)))
}

/// A server of the cluster with this URL.
fn node_at(url: &str, name: &str) -> Server {
    Server::start(&["--hide-addresses", "--rate", "0", "--cluster", url, "--node", name])
}

/// Two servers, called a and b, with a client each. Both have read that the other is there.
fn two(engine: &Engine) -> [(Server, Client); 2] {
    let [a, b] = ["a", "b"].map(|name| engine.node(name));
    let (mut alice, name) = a.join();
    assert_eq!(name, "guest1-a");
    let (mut bob, name) = b.join();
    assert_eq!(name, "guest1-b");
    alice.read_until("* guest1-b joined\n");
    alice.forget();
    bob.forget();
    [(a, alice), (b, bob)]
}

/// What a client has read of this author, in its order.
fn said(client: &Client, author: &str) -> Vec<String> {
    let text = client.read_text();
    let of_it = text.lines().filter_map(|line| line.strip_prefix(author)?.strip_prefix(": "));
    of_it.map(str::to_owned).collect()
}

/// How often a client has read this.
fn times(client: &Client, text: &str) -> usize {
    client.read_text().matches(text).count()
}

/// The warnings in the log of a server.
fn warnings(server: &Server) -> Vec<String> {
    let log = server.stderr();
    log.lines().filter(|line| line.contains(" WARN ")).map(str::to_owned).collect()
}

/// Waits until the log has a warning with this in it, and asserts that it has one.
fn wait_for_one_warning(server: &Server, text: &str) {
    let told = || warnings(server).iter().filter(|line| line.contains(text)).count();
    wait_for(text, || (told() > 0).then_some(()));
    assert_eq!(told(), 1, "{:?}", warnings(server));
}
