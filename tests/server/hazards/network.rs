//! The network: links that die, links that are slow, and the addresses of clients.
//!
//! The test is on one machine and the server on another, with links between them that the test may
//! cut.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpStream};
use std::time::{Duration, Instant};

use chinwag::config::Config;

use crate::support::network::{Link, Machine, in_own_network};
use crate::support::{Client, Server, enter, join, narrow, numbered, wait_for};

/// A server with two links, of which one dies. One client stays and watches, the other vanishes.
pub struct Scene {
    server: Server,
    pub dying: Link,
    pub alice: Client,
    alice_name: String,
    bob: Client,
    pub bob_name: String,
    machine: Machine,
}

impl Scene {
    pub fn new(flags: &[&str]) -> Scene {
        Scene::with(flags, Link::connect)
    }

    fn with(flags: &[&str], connect: fn(&Link, &Server) -> Client) -> Scene {
        let mut machine = Machine::new();
        let (healthy, dying) = (machine.link(), machine.link());
        let server = machine.start(&[flags, &["--rate", "0"]].concat());
        let (mut alice, alice_name) = join(healthy.connect(&server));
        let (bob, bob_name) = join(connect(&dying, &server));
        alice.read_until(&format!("* {bob_name} "));
        alice.read_until_last(") joined\n");
        alice.forget();
        machine.remember(&dying);
        Scene { server, dying, alice, alice_name, bob, bob_name, machine }
    }

    /// Sends more than the kernel holds for a client that is not there.
    fn say_much(&mut self) {
        self.alice.send(numbered(0, 256, 1024));
        self.alice.read_until(&format!("{}: 255 ", self.alice_name));
    }

    /// The vanishing client half-closes after a last line, which the server cannot read.
    fn end_unnoticed(&mut self) {
        const CLOSE_WAIT: &str = " 08 ";
        self.server.pause();
        self.bob.send("the end");
        self.bob.half_close();
        let ours = IpAddr::V4(self.dying.our_address());
        wait_for("its end to arrive", || {
            let sockets = self.machine.sockets_to(ours);
            sockets.iter().any(|socket| socket.contains(CLOSE_WAIT)).then_some(())
        });
    }

    /// Waits for the one leave notice of the client that vanished, and until nothing of it remains.
    fn assert_gone(&mut self) {
        let left = format!("* {} left\n", self.bob_name);
        self.alice.read_until(&left);
        let ours = IpAddr::V4(self.dying.our_address());
        wait_for("nothing to be left of it", || {
            self.machine.sockets_to(ours).is_empty().then_some(())
        });
        self.alice.send("still here\n");
        self.alice.read_until_last(&format!("{}: still here\n", self.alice_name));
        assert_eq!(self.alice.read_text().matches(&left).count(), 1);
    }

    /// The same, and the log says so.
    fn assert_given_up(&mut self) {
        self.assert_gone();
        let told = "dropped 1 slow client; last reason: too slow\n";
        wait_for(told, || self.server.stderr().contains(told).then_some(()));
    }
}

// Links that die.

#[test]
#[ignore = "needs ip, nsenter and unshare"]
fn an_idle_peer_on_a_dead_link_is_gone_after_so_many_probes() {
    in_own_network(|| {
        let asked = ["--keepalive", "1", "--keepalive-interval", "1", "--keepalive-probes", "2"];
        let mut scene = Scene::new(&[&asked[..], &["--user-timeout", "0"]].concat());
        scene.dying.cut();
        scene.assert_given_up();
    });
}

#[test]
#[ignore = "needs ip, nsenter and unshare"]
fn an_idle_peer_on_a_dead_link_is_gone_after_the_user_timeout() {
    in_own_network(|| {
        // It is dropped long before this many probes.
        let asked = ["--keepalive", "1", "--keepalive-interval", "1", "--keepalive-probes", "99"];
        let mut scene = Scene::new(&[&asked[..], &["--user-timeout", "2"]].concat());
        scene.dying.cut();
        scene.assert_given_up();
    });
}

/// The defaults that decide when a silent client is dropped, ten times as fast.
fn ten_times_as_fast() -> Vec<String> {
    let defaults = Config::default();
    let flag =
        |name: &str, time: Duration| [name.to_owned(), (time / 10).as_secs_f64().to_string()];
    let probes = ["--keepalive-probes".to_owned(), defaults.keepalive_probes.to_string()];
    [
        flag("--keepalive", defaults.keepalive),
        flag("--keepalive-interval", defaults.keepalive_interval),
        flag("--user-timeout", defaults.user_timeout),
        probes,
    ]
    .concat()
}

/// 150 s, ten times as fast: by then a client that must be dropped is.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(15);

/// What this machine may take to notice.
const NOTICED_WITHIN: Duration = Duration::from_secs(2);

#[test]
#[ignore = "needs ip, nsenter and unshare"]
fn a_link_that_is_down_for_less_than_40_s_loses_no_client() {
    in_own_network(|| while !is_survived_by_all() {});
}

/// Cuts a link for less than the time between three probes, and asserts that all clients survive.
/// Returns `false` if it was cut for longer, because this machine had other work. The kernel's
/// timers are late by up to an eighth, so there may be three probes instead of four.
fn is_survived_by_all() -> bool {
    // Two intervals, ten times as fast.
    const ALLOWED: Duration = Duration::from_secs(4);
    const DOWN: Duration = Duration::from_millis(3500);
    let flags = ten_times_as_fast();
    let mut scene = Scene::new(&flags.iter().map(String::as_str).collect::<Vec<_>>());
    let mut silent: Vec<(Client, String)> =
        (0..24).map(|_| enter(scene.dying.connect(&scene.server))).collect();
    // Each is at another point between two probes, and no other client gets lines.
    for (client, name) in &mut silent {
        std::thread::sleep(Duration::from_millis(250));
        client.send(format!("/msg {name} now\n"));
        client.read_until_last(" now\n");
    }
    let cut_at = Instant::now();
    scene.dying.cut();
    std::thread::sleep(DOWN);
    scene.dying.mend();
    if cut_at.elapsed() > ALLOWED {
        return false;
    }
    // By now each client that must be dropped is.
    std::thread::sleep(GIVEN_UP_WITHIN);
    for (client, name) in &mut silent {
        client.send("here\n");
        scene.alice.read_until(&format!("{name}: here\n"));
    }
    assert!(!scene.alice.read_text().contains(" left"), "{}", scene.alice.read_text());
    true
}

#[test]
#[ignore = "needs ip, nsenter and unshare"]
fn by_default_a_silent_peer_on_a_dead_link_is_gone_within_150_s() {
    in_own_network(|| {
        let flags = ten_times_as_fast();
        let mut scene = Scene::new(&flags.iter().map(String::as_str).collect::<Vec<_>>());
        let cut_at = Instant::now();
        scene.dying.cut();
        scene.assert_given_up();
        let took = cut_at.elapsed();
        assert!(took < GIVEN_UP_WITHIN + NOTICED_WITHIN, "{took:?}");
    });
}

#[test]
#[ignore = "needs ip, nsenter and unshare"]
fn a_peer_that_answers_is_never_given_up_however_silent_it_is() {
    in_own_network(|| {
        let asked = ["--keepalive", "1", "--keepalive-interval", "1", "--keepalive-probes", "1"];
        let mut scene = Scene::new(&[&asked[..], &["--user-timeout", "1"]].concat());
        std::thread::sleep(Duration::from_millis(3500));
        scene.bob.send("here\n");
        scene.alice.read_until(&format!("{}: here\n", scene.bob_name));
        assert!(!scene.alice.read_text().contains(" left"), "{}", scene.alice.read_text());
    });
}

#[test]
#[ignore = "needs ip, nsenter and unshare"]
fn a_peer_that_acknowledges_nothing_goes_after_the_user_timeout() {
    in_own_network(|| {
        let mut scene = Scene::new(&["--user-timeout", "1"]);
        scene.dying.cut();
        // All of it is in the kernel, so for the server no client is behind.
        scene.alice.send("anybody there?\n");
        scene.assert_given_up();
    });
}

#[test]
#[ignore = "needs ip, nsenter and unshare"]
fn a_peer_that_lags_on_a_dead_link_is_gone_after_the_stuck_time() {
    in_own_network(|| {
        let mut scene = Scene::new(&["--stuck", "1"]);
        scene.dying.cut();
        scene.say_much();
        scene.assert_given_up();
    });
}

#[test]
#[ignore = "needs ip, nsenter and unshare"]
fn a_peer_that_ended_on_a_dead_link_goes_after_the_flush_time() {
    in_own_network(|| {
        let mut scene = Scene::with(&["--flush", "1"], |link, server| narrow(link.door(server)));
        scene.say_much();
        scene.end_unnoticed();
        scene.dying.cut();
        scene.server.resume();
        scene.alice.read_until(&format!("{}: the end\n", scene.bob_name));
        scene.assert_given_up();
    });
}

#[test]
#[ignore = "needs ip, nsenter and unshare"]
fn a_peer_that_ended_and_vanished_leaves_nothing_in_the_kernel() {
    in_own_network(|| {
        let mut scene = Scene::new(&["--user-timeout", "1"]);
        scene.end_unnoticed();
        scene.dying.cut();
        scene.server.resume();
        scene.alice.read_until(&format!("{}: the end\n", scene.bob_name));
        scene.assert_gone();
    });
}

// Links that are slow.

#[test]
#[ignore = "needs ip, nsenter, tc and unshare"]
fn a_client_on_a_slow_link_hears_all_in_order_and_delays_nobody() {
    in_own_network(|| {
        let mut scene = Scene::new(&["--stuck", "4", "--user-timeout", "15"]);
        scene.dying.slow_down(&scene.machine, "1mbit");
        let Scene { alice, bob, alice_name, bob_name, .. } = &mut scene;
        // More than twice what the link carries in the stuck time. The kernel holds a second's
        // worth for a client, and reports no room before most of it has left.
        for round in 0..5 {
            bob.send(format!("slowly {round}\n"));
            alice.read_until_last(&format!("{bob_name}: slowly {round}\n"));
            let text = numbered(round * 240, 240, 1024);
            alice.send(&text);
            alice.read_until_last(&format!("{alice_name}: {}\n", text.lines().last().unwrap()));
        }
        // All others have everything when it lacks more than the kernel holds for it.
        while bob.read_once() {}
        let heard = bob.read_bytes().len();
        assert!(heard < alice.read_bytes().len() / 2, "{heard} bytes");
        bob.read_until_bytes(alice.read_bytes().len());
        assert!(bob.read_bytes() == alice.read_bytes(), "not the same: {}", bob.read_text());
    });
}

// Where peers come from.

/// A client over IPv6 from this address.
fn connect_from(ours: Ipv6Addr, theirs: SocketAddr) -> Client {
    let socket = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((ours, 0)).into()).unwrap();
    socket.connect(&theirs.into()).unwrap();
    Client::new(TcpStream::from(socket))
}

#[test]
#[ignore = "needs ip, nsenter and unshare"]
fn only_addresses_of_one_network_of_64_bits_count_as_one() {
    in_own_network(|| {
        let mut machine = Machine::new();
        let (link, other) = (machine.link(), machine.link());
        for last in 2..=4 {
            link.add_address(link.our_address_v6(last));
        }
        let limited = ["--listen", "[::]:0", "--per-address", "2", "--exempt", "none"];
        let server = machine.start(&limited);
        let over =
            |link: &Link, last| connect_from(link.our_address_v6(last), link.door_v6(&server));
        let _first = join(over(&link, 1));
        let (mut second, _) = join(over(&link, 2));
        let refusal = "* too many connections from your address (2, --per-address)\n";
        assert_eq!(over(&link, 3).read_to_end(), refusal);
        let _other = join(over(&other, 1));
        second.half_close();
        second.read_to_end();
        let _again = join(over(&link, 3));
        assert_eq!(over(&link, 4).read_to_end(), refusal);
    });
}

#[test]
#[ignore = "needs ip, nsenter and unshare"]
fn a_neighbour_without_a_network_is_one_of_us() {
    in_own_network(|| {
        let mut machine = Machine::new();
        let link = machine.link();
        machine.run("ip -6 addr add fe80::2/64 dev far1 nodad");
        link.add_address("fe80::1".parse().unwrap());
        let server = machine.start(&["--listen", "[::]:0"]);
        let port = server.address.port();
        let door = SocketAddrV6::new("fe80::2".parse().unwrap(), port, 0, link.card_number());
        let (mut alice, name) = join(Client::new(TcpStream::connect(door).unwrap()));
        let (mut bob, _) = join(connect_from(link.our_address_v6(1), link.door_v6(&server)));
        alice.send("hello\n");
        bob.read_until(&format!("{name}: hello\n"));
        // The notice does not tell which network card of the server it is behind.
        let shown = format!("([fe80::1]:{})", alice.address().port());
        wait_for("its address", || server.stdout().contains(&shown).then_some(()));
    });
}

/// Asserts that the server starts without a flag on this machine and serves a client over IPv4.
/// Returns what it prints before the first line.
fn assert_serves_over_ipv4(prepare: &str, through: &[&str]) -> String {
    let mut machine = Machine::new();
    let link = machine.link();
    machine.run(prepare);
    let server = machine.start_through(through, &[]);
    let printed = server.stdout();
    let (mut alice, name) = join(link.connect(&server));
    alice.send("hello\n");
    alice.read_until_last(&format!("{name}: hello\n"));
    printed
}

#[test]
#[ignore = "needs ip, nsenter and unshare"]
fn a_machine_with_its_ipv6_turned_off_is_served_over_ipv4() {
    in_own_network(|| {
        let turn_off = "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6";
        assert_serves_over_ipv4(turn_off, &[]);
    });
}

#[test]
#[ignore = "needs ip, nsenter, strace and unshare"]
fn a_machine_without_ipv6_is_served_over_ipv4() {
    in_own_network(|| {
        // The second call is for IPv6. Its failure is logged at one place or the other.
        for failing in ["socket:error=EAFNOSUPPORT:when=2", "bind:error=EADDRNOTAVAIL:when=2"] {
            let inject = format!("inject={failing}");
            // With -D the server is our child and not strace's, so killing it works.
            let strace = ["strace", "-D", "-f", "-o", "/dev/null", "-e", &inject];
            let printed = assert_serves_over_ipv4("", &strace);
            assert_eq!(printed, "listening on 0.0.0.0:50005\n", "{failing}");
        }
    });
}
