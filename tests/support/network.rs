//! Networks of the test's own: the test in one network namespace, the server in another, and links
//! between them that can be cut and slowed down.
//!
//! Nothing has to be removed: a namespace lasts as long as a process is in it, so it ends with the
//! test, however that ends. Namespaces have no names that could be taken or left behind.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use super::{Client, Server};

/// Set if the test already runs in a network of its own.
const INSIDE: &str = "CHINWAG_TEST_IN_OWN_NETWORK";

/// Runs `body` in a network of its own, where it may do as it likes. For that the test program
/// starts itself once more, for the test that calls this.
pub fn in_own_network<F: FnOnce()>(body: F) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    // Only another user than root must become root.
    let flags = if rustix::process::geteuid().is_root() { "-n" } else { "-rn" };
    let possible = Command::new("unshare").args([flags, "true"]).output().unwrap();
    if !possible.status.success() {
        println!("skipped: {}", String::from_utf8_lossy(&possible.stderr));
        return;
    }
    // The name of the closure contains the program and the test.
    let test = std::any::type_name::<F>().trim_end_matches("::{{closure}}");
    let (_, test) = test.split_once("::").unwrap();
    let mut again = Command::new("unshare");
    again.arg(flags).arg(std::env::current_exe().unwrap()).env(INSIDE, "1");
    let output =
        again.args([test, "--exact", "--include-ignored", "--nocapture"]).output().unwrap();
    let [told, error] = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said));
    assert!(output.status.success(), "{told}\n{error}");
    println!("{told}\n{error}");
    assert!(told.contains("1 passed"), "no test {test}: {told}");
}

/// Another machine for the server, as far as the network goes.
pub struct Machine {
    /// It does nothing, until its input ends.
    holder: Child,
    links: u8,
}

impl Machine {
    /// A machine without any link.
    pub fn new() -> Machine {
        let mut holder = Command::new("unshare");
        holder.args(["-n", "sh", "-c", "ip link set lo up && echo up && exec cat"]);
        let mut holder = holder.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut told = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut told).unwrap();
        assert_eq!(told, "up\n");
        Machine { holder, links: 0 }
    }

    /// Runs a shell command on the machine.
    pub fn run(&self, script: &str) {
        run(self.entered("sh").args(["-ec", script]));
    }

    /// Links the machine to the test.
    pub fn link(&mut self) -> Link {
        self.links += 1;
        let link = Link { number: self.links };
        let Link { number } = link;
        let (holder, card) = (self.holder.id(), link.our_card());
        let [ours, theirs] = [link.our_address(), link.server_address()];
        let [ours6, theirs6] = [link.our_address_v6(1), link.server_address_v6()];
        run_here(&format!(
            "ip link add near{number} address {card} type veth peer name far{number} netns {holder}
             ip addr add {ours}/24 dev near{number}
             ip -6 addr add {ours6}/64 dev near{number} nodad
             ip link set near{number} up"
        ));
        self.run(&format!(
            "ip addr add {theirs}/24 dev far{number}
             ip -6 addr add {theirs6}/64 dev far{number} nodad
             ip link set far{number} up"
        ));
        link
    }

    /// Stores the hardware addresses of both ends for ever. Else the kernel would find out by
    /// itself that a cut link leads nowhere; so nothing but silence tells.
    pub fn remember(&self, link: &Link) {
        let card = format!("{} dev far{} nud permanent", link.our_card(), link.number);
        let ours = [IpAddr::V4(link.our_address()), IpAddr::V6(link.our_address_v6(1))];
        for address in ours {
            self.run(&format!("ip neigh replace {address} lladdr {card}"));
        }
    }

    /// The connections of the machine to this address, in any state, one per line.
    pub fn sockets_to(&self, peer: IpAddr) -> Vec<String> {
        let (table, peer) = match peer {
            IpAddr::V4(peer) => ("tcp", hexadecimal(&peer.octets())),
            IpAddr::V6(peer) => ("tcp6", hexadecimal(&peer.octets())),
        };
        let table = format!("/proc/{}/net/{table}", self.holder.id());
        let table = std::fs::read_to_string(table).unwrap();
        let remote = |line: &&str| {
            line.split_whitespace()
                .nth(2)
                .is_some_and(|end| end.split_once(':').is_some_and(|(address, _)| address == peer))
        };
        table.lines().filter(remote).map(str::to_owned).collect()
    }

    /// Starts the server on the machine, over IPv4 unless `flags` say otherwise.
    pub fn start(&self, flags: &[&str]) -> Server {
        match flags.contains(&"--listen") {
            true => self.start_through(&[], flags),
            false => self.start_through(&[], &[&["--listen", "0.0.0.0:0"], flags].concat()),
        }
    }

    /// Starts the server on the machine through another program, with only these flags.
    pub fn start_through(&self, program: &[&str], flags: &[&str]) -> Server {
        Server::start_with(&[], |server| {
            let mut entered = self.entered("env");
            entered.args(program).arg(server.get_program()).args(flags);
            entered.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            *server = entered;
        })
    }

    fn entered(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-n", "-t", &self.holder.id().to_string(), program]);
        command
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The links end a while after the machine, and their names are taken until then.
        for number in 1..=self.links {
            let card = format!("near{number}");
            drop(Command::new("ip").args(["link", "delete", &card]).output());
        }
        self.holder.kill().unwrap();
        self.holder.wait().unwrap();
    }
}

/// A link between the test and the server, with a network of its own (RFC 2544, RFC 3849).
pub struct Link {
    number: u8,
}

impl Link {
    /// The hardware address of the test's end.
    fn our_card(&self) -> String {
        format!("02:00:00:00:00:{:02x}", self.number)
    }

    /// The address of the test.
    pub fn our_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.number, 1)
    }

    /// The address of the server.
    pub fn server_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.number, 2)
    }

    /// An address of the test, the first of many.
    pub fn our_address_v6(&self, last: u16) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 0, self.number.into(), 1, 0, 0, last)
    }

    /// The address of the server.
    pub fn server_address_v6(&self) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 0, self.number.into(), 2, 0, 0, 1)
    }

    /// A new client over this link.
    pub fn connect(&self, server: &Server) -> Client {
        Client::new(TcpStream::connect(self.door(server)).unwrap())
    }

    /// The address of the server over this link.
    pub fn door(&self, server: &Server) -> SocketAddr {
        (self.server_address(), server.address.port()).into()
    }

    /// The same over IPv6.
    pub fn door_v6(&self, server: &Server) -> SocketAddr {
        (self.server_address_v6(), server.address.port()).into()
    }

    /// The number that names this link, for an address that every link has.
    pub fn card_number(&self) -> u32 {
        let card = format!("near{}", self.number);
        let table = std::fs::read_to_string("/proc/self/net/if_inet6").unwrap();
        let line = table.lines().find(|line| line.ends_with(&card)).unwrap();
        u32::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
    }

    /// Gives the test one more address on this link.
    pub fn add_address(&self, address: Ipv6Addr) {
        run_here(&format!("ip -6 addr add {address}/64 dev near{} nodad", self.number));
    }

    /// Cuts the link, without a word to either side.
    pub fn cut(&self) {
        run_here(&format!("ip link set near{} down", self.number));
    }

    /// Mends a cut link, for IPv4.
    pub fn mend(&self) {
        run_here(&format!("ip link set near{} up", self.number));
    }

    /// Limits what comes from the server over the link, such as `1mbit`. The queue before it is
    /// short, so a packet lost there is soon sent again.
    pub fn slow_down(&self, machine: &Machine, rate: &str) {
        let tbf = format!("root tbf rate {rate} burst 4kb latency 200ms");
        machine.run(&format!("tc qdisc add dev far{} {tbf}", self.number));
    }
}

/// An address as proc(5) prints it: words of four bytes, each in the byte order of this machine.
fn hexadecimal(octets: &[u8]) -> String {
    let word = |word: &[u8]| u32::from_ne_bytes(word.try_into().unwrap());
    octets.chunks(4).map(|four| format!("{:08X}", word(four))).collect()
}

/// Runs a shell command on the side of the test.
pub fn run_here(script: &str) {
    run(Command::new("sh").args(["-ec", script]));
}

fn run(command: &mut Command) {
    // The path of another user than root may lack these.
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output = command.env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}
