//! The servers that are compared: how each is started, and what its clients send and receive.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

use crate::stress::Outcome;
use crate::stress::started::Started;

/// The files that a server needs, in a folder of their own.
const FOLDER: &str = "target/peers";

/// A server, or a bare loop that shows what the kernel alone costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub enum Peer {
    /// This server.
    Chinwag,
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

/// How to know that a client is in the conversation.
#[derive(Clone, Copy, Debug)]
pub enum LetIn {
    /// It receives a line that contains this.
    Told(&'static [u8]),
    /// It receives nothing, but the process has one descriptor more.
    Accepted,
}

impl Peer {
    /// Its name in a table.
    pub fn name(self) -> &'static str {
        match self {
            Peer::Chinwag => "chinwag",
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

    /// Whether it is installed; if not, how to get it.
    pub fn is_there(self) -> Result<(), &'static str> {
        let (program, package) = match self {
            Peer::Chinwag | Peer::Send | Peer::Pump | Peer::Accept => return Ok(()),
            Peer::Redis => ("redis-server", "apt-get install redis-server"),
            Peer::Nats => ("nats-server", "apt-get install nats-server"),
            Peer::Ngircd => ("ngircd", "apt-get install ngircd"),
            Peer::Ncat => ("ncat", "apt-get install ncat"),
            Peer::Threads => ("python3", "apt-get install python3"),
            Peer::Tokio => {
                return if tokio_chat().exists() {
                    Ok(())
                } else {
                    Err("scripts/bench.sh builds it")
                };
            }
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
            Peer::Chinwag => concat!("chinwag ", env!("CARGO_PKG_VERSION")).to_owned(),
            Peer::Send | Peer::Pump | Peer::Accept => "scripts/floor.rs".to_owned(),
            Peer::Redis => told("redis-server", "--version"),
            Peer::Nats => told("nats-server", "--version"),
            Peer::Ngircd => told("ngircd", "--version"),
            Peer::Ncat => told("ncat", "--version"),
            Peer::Tokio => "scripts/peers/tokio".to_owned(),
            Peer::Threads => format!("scripts/peers/threads.py, {}", told("python3", "--version")),
        }
    }

    /// The most clients that it can have in this comparison, and the reason if they are few.
    pub fn clients_max(self) -> (usize, &'static str) {
        match self {
            Peer::Ncat => (1000, "it uses select(2): 1 024 descriptors"),
            Peer::Ngircd => (1000, "it announces each join to all clients"),
            Peer::Threads => (15_000, "more threads take half a minute to start"),
            _ => (usize::MAX, ""),
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
            Peer::Send => Started::floor("send"),
            Peer::Pump => Started::floor("pump"),
            Peer::Accept => Started::floor("accept"),
            Peer::Tokio => Started::new(&tokio_chat(), &[]),
            Peer::Threads => Started::new(Path::new("scripts/peers/threads.py"), &[]),
            Peer::Redis => {
                let mut command = Command::new("redis-server");
                command.args(["--bind", "127.0.0.1", "--port", &port, "--save", ""]);
                command.args([
                    "--appendonly",
                    "no",
                    "--maxclients",
                    "19900",
                    "--protected-mode",
                    "no",
                ]);
                command.args(["--tcp-backlog", "4096", "--loglevel", "warning"]);
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
        has_channels.then_some(if self.echoes() { 2 } else { 3 })
    }

    /// What a client of this channel sends first; `speaks` if it will talk, and not only listen.
    /// Channel 0 of chinwag is its lobby, where each client is already.
    pub fn hello(self, client: usize, channel: usize, speaks: bool) -> Vec<u8> {
        let nick = if speaks { format!("/nick s{client}\n") } else { String::new() };
        let hello = match self {
            Peer::Chinwag if channel > 0 => format!("{nick}/join c{channel}\n"),
            Peer::Chinwag => nick,
            // A subscriber may not publish.
            Peer::Redis if speaks => "PING\r\n".to_owned(),
            Peer::Redis => format!("SUBSCRIBE c{channel}\r\n"),
            Peer::Nats => {
                format!("CONNECT {{\"verbose\":false}}\r\nSUB c{channel} 1\r\nPING\r\n")
            }
            Peer::Ngircd => {
                format!("NICK u{client}\r\nUSER u 0 * :u\r\nJOIN #c{channel}\r\n")
            }
            _ => String::new(),
        };
        hello.into_bytes()
    }

    /// How to know that a client is in the conversation of this channel.
    pub fn let_in(self, channel: usize, speaks: bool) -> LetIn {
        match self {
            Peer::Send | Peer::Pump | Peer::Accept | Peer::Ncat => LetIn::Accepted,
            Peer::Chinwag if channel > 0 => LetIn::Told(b"* you are in c"),
            Peer::Chinwag | Peer::Tokio | Peer::Threads => LetIn::Told(b"* welcome"),
            // The answer to PING, or part of the answer to SUBSCRIBE.
            Peer::Redis if speaks => LetIn::Told(b"+PONG"),
            Peer::Redis => LetIn::Told(b"subscribe"),
            Peer::Nats => LetIn::Told(b"PONG"),
            Peer::Ngircd => LetIn::Told(b" 366 "),
        }
    }

    /// Whether a talker gets its own messages.
    pub fn echoes(self) -> bool {
        !matches!(self, Peer::Redis | Peer::Ngircd | Peer::Ncat)
    }

    /// Writes what a client must send to give all clients of this channel these words.
    pub fn write_said(self, words: &[u8], channel: usize, to: &mut Vec<u8>) {
        let (before, after) = match self {
            Peer::Redis => {
                let (length, to) = (words.len(), format!("c{channel}"));
                let publish = format!("*3\r\n$7\r\nPUBLISH\r\n${}\r\n{to}\r\n", to.len());
                (format!("{publish}${length}\r\n"), "\r\n")
            }
            Peer::Nats => (format!("PUB c{channel} {}\r\n", words.len()), "\r\n"),
            Peer::Ngircd => (format!("PRIVMSG #c{channel} :"), "\r\n"),
            _ => (String::new(), "\n"),
        };
        to.extend_from_slice(before.as_bytes());
        to.extend_from_slice(words);
        to.extend_from_slice(after.as_bytes());
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
