//! The servers that are compared: how each is started, and what its clients send and receive.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

use crate::crowd::Outcome;
use crate::crowd::dialect::Dialect;
use crate::crowd::started::{Started, beside};

/// The files that a server needs, in a folder of their own.
const FOLDER: &str = "target/peers";

/// A server, or a bare loop that shows what the kernel alone costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub enum Peer {
    /// This server, with clients like nc.
    Chinwag,
    /// The same, with clients that speak telnet.
    Telnet,
    /// The same, with clients that speak WebSocket, as the page does.
    Web,
    /// The same, with clients like nc, and its keeper writes down all that is said.
    Logging,
    /// A bare loop of `send`.
    Send,
    /// A bare pump of ready-made blocks of 64 KiB.
    Pump,
    /// A bare accept loop.
    Accept,
    /// redis-server, PUBLISH and SUBSCRIBE.
    Redis,
    /// nats-server.
    Nats,
    /// ngircd, with its limits for floods off.
    Ngircd,
    /// ncat --chat.
    Ncat,
    /// A tokio task for each client, written for this comparison.
    Tokio,
    /// A Python thread for each client, written for this comparison.
    Threads,
}

impl Peer {
    /// Its name in a table.
    pub fn name(self) -> &'static str {
        match self {
            Peer::Chinwag => "chinwag",
            Peer::Telnet => "chinwag, telnet",
            Peer::Web => "chinwag, WebSocket",
            Peer::Logging => "chinwag, keeps a log",
            Peer::Send => "floor: a loop of `send`",
            Peer::Pump => "floor: a pump of blocks",
            Peer::Accept => "floor: an accept loop",
            Peer::Redis => "redis-server, pub/sub",
            Peer::Nats => "nats-server",
            Peer::Ngircd => "ngircd",
            Peer::Ncat => "ncat --chat",
            Peer::Tokio => "tokio, a task a client",
            Peer::Threads => "Python, a thread a client",
        }
    }

    /// Whether it is this server.
    pub fn is_chinwag(self) -> bool {
        self.dialect().is_chinwag()
    }

    /// Whether it is built with this program: this server, and the bare loops.
    fn is_ours(self) -> bool {
        self.is_chinwag() || self.dialect() == Dialect::Bare
    }

    /// Whether it is installed; if not, how to get it.
    pub fn is_there(self) -> Result<(), &'static str> {
        let (program, package) = match self {
            _ if self.is_ours() => return Ok(()),
            Peer::Redis => ("redis-server", "apt-get install redis-server"),
            Peer::Nats => ("nats-server", "apt-get install nats-server"),
            Peer::Ngircd => ("ngircd", "apt-get install ngircd"),
            Peer::Ncat => ("ncat", "apt-get install ncat"),
            Peer::Threads => ("python3", "apt-get install python3"),
            Peer::Tokio if tokio_chat().exists() => return Ok(()),
            _ => return Err("scripts/bench.sh builds it"),
        };
        let folders = ["/usr/bin", "/usr/sbin", "/usr/local/bin"].map(Path::new);
        let is_there = folders.iter().any(|folder| folder.join(program).exists());
        if is_there { Ok(()) } else { Err(package) }
    }

    /// Its version, as it prints it.
    pub fn version(self) -> String {
        let told = |program: &str, flag: &str| {
            let output = Command::new(program).arg(flag).output();
            let output = output.map(|output| [output.stdout, output.stderr].concat());
            let text = String::from_utf8_lossy(&output.unwrap_or_default()).into_owned();
            let line = text.lines().next().unwrap_or_default();
            // The rest says how it was built.
            let end = [" sha=", "-IDENT", " ("].iter().filter_map(|sign| line.find(sign)).min();
            line[..end.unwrap_or(line.len())].trim().to_owned()
        };
        match self {
            Peer::Chinwag | Peer::Telnet | Peer::Web | Peer::Logging => beside("chinwag")
                .map(|program| told(&program.to_string_lossy(), "--version"))
                .unwrap_or_default(),
            Peer::Send | Peer::Pump | Peer::Accept => "scripts/src/bench/floor.rs".to_owned(),
            Peer::Redis => told("redis-server", "--version"),
            Peer::Nats => told("nats-server", "--version"),
            Peer::Ngircd => told("ngircd", "--version"),
            Peer::Ncat => told("ncat", "--version"),
            Peer::Tokio => "scripts/peers/tokio".to_owned(),
            Peer::Threads => format!("scripts/peers/threads.py, {}", told("python3", "--version")),
        }
    }

    /// The most clients that it can have in this comparison.
    pub fn clients_max(self) -> usize {
        match self {
            // ncat uses select(2) with 1 024 descriptors. ngircd announces each join to all.
            Peer::Ncat | Peer::Ngircd => 1000,
            // More threads take half a minute to start.
            Peer::Threads => 15_000,
            _ => usize::MAX,
        }
    }

    /// At most this many connections may wait to be accepted. If one does not fit into the server's
    /// queue, the kernel tries it again only after a second, then after two, then after four.
    pub fn arriving_max(self) -> usize {
        const QUEUE_OF_TEN: usize = 8;
        const QUEUE_OF_4096: usize = 3072;
        if matches!(self, Peer::Ngircd | Peer::Ncat) { QUEUE_OF_TEN } else { QUEUE_OF_4096 }
    }

    /// Starts it on a free port of 127.0.0.1.
    pub fn start(self) -> Outcome<Started> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let port = free.port().to_string();
        match self {
            Peer::Chinwag => Started::chinwag(&[]),
            // It must wait for the first bytes of a client, however busy the machine is.
            Peer::Telnet | Peer::Web => Started::chinwag(&["--greeting", "2"]),
            Peer::Logging => {
                let log = Path::new(FOLDER).join("log");
                // What an earlier server has kept would be its history.
                fs::remove_dir_all(&log).unwrap_or_default();
                fs::create_dir_all(&log)?;
                Started::chinwag(&["--keep", &log.to_string_lossy()])
            }
            Peer::Send => Started::floor("send"),
            Peer::Pump => Started::floor("pump"),
            Peer::Accept => Started::floor("accept"),
            Peer::Tokio => Started::new(&tokio_chat(), &[]),
            Peer::Threads => Started::new(Path::new("scripts/peers/threads.py"), &[]),
            Peer::Redis => {
                let mut command = Command::new("redis-server");
                command.args(["--bind", "127.0.0.1", "--port", &port, "--save", ""]);
                command.args(["--appendonly", "no", "--protected-mode", "no"]);
                command.args(["--maxclients", "19900", "--tcp-backlog", "4096"]);
                command.args(["--loglevel", "warning"]);
                command.args(["--client-output-buffer-limit", "pubsub 0 0 0"]);
                Started::at(command, free)
            }
            Peer::Nats => {
                let text = format!("listen: \"127.0.0.1:{port}\"\nping_interval: \"1h\"\n");
                let mut command = Command::new("nats-server");
                command.arg("-c").arg(configuration("nats.conf", &text)?);
                Started::at(command, free)
            }
            Peer::Ngircd => {
                let text = format!(
                    "[Global]\nName = bench.local\nInfo = bench\nListen = 127.0.0.1\n\
                     Ports = {port}\n\
                     MotdPhrase = bench\nServerUID = nobody\n[Limits]\nMaxConnections = 0\n\
                     MaxConnectionsIP = 0\nMaxPenaltyTime = 0\nPingTimeout = 3600\n\
                     [Options]\nDNS = no\nIdent = no\nPAM = no\n"
                );
                let mut command = Command::new("ngircd");
                command.arg("-n").arg("-f").arg(configuration("ngircd.conf", &text)?);
                Started::at(command, free)
            }
            Peer::Ncat => {
                let mut command = Command::new("ncat");
                command.args(["-l", "127.0.0.1", &port, "--chat", "-m", "20000"]);
                Started::at(command, free)
            }
        }
    }

    /// How many clients a channel has if two of them receive each message, where the server has
    /// channels. A talker that does not receive its own messages is a third one.
    pub fn channel_clients(self) -> Option<usize> {
        let has_channels = matches!(self, Peer::Chinwag | Peer::Redis | Peer::Nats | Peer::Ngircd);
        has_channels.then_some(if self.dialect().echoes() { 2 } else { 3 })
    }

    /// How its clients talk.
    pub fn dialect(self) -> Dialect {
        match self {
            Peer::Chinwag | Peer::Logging => Dialect::Plain,
            Peer::Telnet => Dialect::Telnet,
            Peer::Web => Dialect::Web,
            Peer::Send | Peer::Pump | Peer::Accept => Dialect::Bare,
            Peer::Redis => Dialect::Redis,
            Peer::Nats => Dialect::Nats,
            Peer::Ngircd => Dialect::Irc,
            Peer::Ncat => Dialect::Ncat,
            Peer::Tokio | Peer::Threads => Dialect::Welcoming,
        }
    }
}

/// The path of the program of [`Peer::Tokio`].
fn tokio_chat() -> PathBuf {
    Path::new(FOLDER).join("tokio/release/tokio-chat")
}

fn configuration(name: &str, text: &str) -> Outcome<PathBuf> {
    fs::create_dir_all(FOLDER)?;
    let path = Path::new(FOLDER).join(name);
    fs::write(&path, text)?;
    Ok(path)
}
