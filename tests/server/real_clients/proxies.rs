//! Real proxies that pass clients on: haproxy and nginx.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;

use socket2::{Domain, Socket, Type};

use crate::operators::{become_operator, operators};
use crate::support::program::Program;
use crate::support::{Client, Folder, Server, connect_from, join, wait_for};

/// Both proxies are for administrators, whose path has this.
const PATH: &str = "PATH=$PATH:/usr/sbin:/usr/local/sbin";

/// The proxy connects from here, and clients do not.
const PROXIES: &str = "127.0.0.1/32";

/// A running proxy in front of a server, with the folder of its settings.
struct Proxy {
    address: SocketAddr,
    folder: PathBuf,
    program: Program,
}

impl Proxy {
    /// Starts a proxy by this script in a folder with its settings. It listens on this address of
    /// loopback, which no other test uses.
    fn start(server: &Server, last: u8, script: &str, settings: &str) -> Proxy {
        let free = TcpListener::bind(SocketAddr::from(([127, 0, 8, last], 0))).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let name = format!("chinwag-proxy-{}-{last}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let settings = settings.replace("PROXY_ADDRESS", &address.to_string());
        let settings = settings.replace("SERVER_ADDRESS", &server.address.to_string());
        let settings = settings.replace("FOLDER", &folder.display().to_string());
        std::fs::write(folder.join("settings"), settings).unwrap();
        let script = format!("cd {} && {PATH} && {script}", folder.display());
        let program = Program::start(server, &script);
        Proxy { address, folder, program }
    }

    /// With these words behind the address of the server, and for all checks.
    fn haproxy(server: &Server, last: u8, words: &str) -> Proxy {
        let settings = format!(
            "defaults\n mode tcp\n timeout connect 20s\n timeout client 60s\n timeout server 60s\n\
             listen chat\n bind PROXY_ADDRESS\n server chat SERVER_ADDRESS {words}\n"
        );
        Proxy::start(server, last, "exec haproxy -db -q -f settings", &settings)
    }

    fn nginx(server: &Server, last: u8) -> Proxy {
        let settings = "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n\
             daemon off;\nmaster_process off;\npid FOLDER/pid;\nerror_log stderr;\n\
             events {}\n\
             stream { server {\n\
             listen PROXY_ADDRESS; proxy_pass SERVER_ADDRESS; proxy_protocol on;\n\
             } }\n";
        Proxy::start(server, last, "exec nginx -p . -c settings -e stderr", settings)
    }

    /// A client from 127.0.0.`last`, once the proxy listens.
    fn connect(&self, last: u8) -> Client {
        let source = SocketAddr::from(([127, 0, 0, last], 0));
        let socket = wait_for("the proxy", || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.bind(&source.into()).unwrap();
            socket.connect(&self.address.into()).is_ok().then_some(socket)
        });
        Client::new(TcpStream::from(socket))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.program.signal("TERM");
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

fn server(flags: &[&str]) -> Server {
    Server::start(&[&["--proxy-from", PROXIES, "--exempt", "none"], flags].concat())
}

/// Asserts that clients behind this proxy are those of their own addresses.
fn assert_own_addresses(server: &Server, proxy: &Proxy) {
    let from = |last| Client::new(connect_from([127, 0, 0, last], server.address));
    let (mut alice, alice_name) = join(proxy.connect(2));
    let bob = proxy.connect(3);
    let bob_address = bob.address();
    let (mut bob, bob_name) = join(bob);
    alice.read_until(&format!("* {bob_name} ({bob_address}) joined\n"));
    alice.send("밥 먹었어?\n");
    bob.read_until(&format!("{alice_name}: 밥 먹었어?\n"));
    // The limit is that of an address, with and without the proxy.
    let _second = join(from(2));
    let refusal = "* too many connections from your address (2, --per-address)\n";
    assert_eq!(proxy.connect(2).read_to_end(), refusal);
    assert_eq!(from(2).read_to_end(), refusal);
    let _third = join(proxy.connect(3));
    assert_eq!(proxy.connect(3).read_to_end(), refusal);
    let mut browser = proxy.connect(4);
    browser.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(browser.read_to_end().starts_with("HTTP/1.1 "));
    // It leaves by itself, and its address may come again.
    alice.half_close();
    bob.read_until(&format!("* {alice_name} left\n"));
    join(proxy.connect(2));
}

#[test]
#[ignore = "needs haproxy"]
fn a_ban_behind_haproxy_hits_the_client_and_not_the_proxy() {
    let folder = Folder::new("proxy-ban");
    let operators = operators(&folder);
    let server = server(&["--operators", &operators]);
    let proxy = Proxy::haproxy(&server, 9, "send-proxy-v2");
    let (mut kim, _) = join(proxy.connect(2));
    let (mut bob, name) = join(proxy.connect(3));
    become_operator(&mut kim);
    kim.send(format!("/ban {name} 10m noise\n"));
    kim.read_until("* banned 127.0.0.3 (10m), 1 disconnected\n");
    let closed = "* closed: your address is banned (10m): noise\n";
    assert!(bob.read_to_end().ends_with(closed));
    let again = proxy.connect(3).read_to_end();
    assert!(again.starts_with("* closed: your address is banned ("), "{again}");
    // All others come in as before, through the same proxy.
    let (mut eve, eve_name) = join(proxy.connect(4));
    kim.send("still here\n");
    eve.read_until(": still here\n");
    kim.read_until(&format!("* {eve_name} (127.0.0.4:"));
}

#[test]
#[ignore = "needs haproxy"]
fn clients_of_haproxy_have_their_own_addresses() {
    for (last, words) in [(1, "send-proxy"), (2, "send-proxy-v2")] {
        let server = server(&["--per-address", "2"]);
        assert_own_addresses(&server, &Proxy::haproxy(&server, last, words));
    }
}

#[test]
#[ignore = "needs nginx"]
fn clients_of_nginx_have_their_own_addresses() {
    let server = server(&["--per-address", "2"]);
    assert_own_addresses(&server, &Proxy::nginx(&server, 3));
}

#[test]
#[ignore = "needs haproxy"]
fn health_checks_of_haproxy_go_unnoticed() {
    for (last, words) in [
        (4, "send-proxy-v2 check inter 50ms"),
        (5, "send-proxy check inter 50ms"),
        (6, "send-proxy-v2 check no-check-send-proxy inter 50ms"),
    ] {
        let server = server(&["--log-level", "debug", "--greeting", "0.001"]);
        let mut watcher = Client::new(connect_from([127, 0, 0, 7], server.address));
        watcher.send("before\n");
        watcher.read_until_last("guest1: before\n");
        watcher.forget();
        let proxy = Proxy::haproxy(&server, last, words);
        // The log has the address of each check, and no name.
        let checks = || server.stderr().matches("127.0.0.1:").count() >= 9;
        wait_for("some checks", || checks().then_some(()));
        let (mut client, _) = join(proxy.connect(2));
        client.send("here\n");
        watcher.read_until(": here\n");
        let heard = watcher.read_text();
        let joined = heard.lines().filter(|line| line.ends_with(" joined"));
        assert!(joined.clone().all(|line| !line.contains("127.0.0.1:")), "{words}: {heard}");
        assert!(!server.stderr().contains("without a PROXY header"), "{words}");
    }
}

#[test]
#[ignore = "needs haproxy"]
fn haproxy_that_sends_no_header_is_closed_and_logged() {
    let server = server(&[]);
    let proxy = Proxy::haproxy(&server, 7, "");
    let mut client = proxy.connect(2);
    client.send("hello\n");
    assert_eq!(client.read_to_end(), "");
    let told = "without a PROXY header, the last from 127.0.0.1:";
    wait_for("the warning", || server.stderr().contains(told).then_some(()));
}

#[test]
#[ignore = "needs haproxy"]
fn haproxy_at_an_address_of_no_proxy_is_a_stranger() {
    for (last, words) in [(8, "send-proxy"), (9, "send-proxy-v2")] {
        let server = Server::start(&["--proxy-from", "127.0.0.2"]);
        let proxy = Proxy::haproxy(&server, last, words);
        let told = "* this is a chat server and does not speak PROXY; try nc or telnet\n";
        assert_eq!(proxy.connect(2).read_to_end(), told);
    }
}
