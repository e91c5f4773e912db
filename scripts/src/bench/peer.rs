//! The servers that are compared: how each is started, and what its clients send and receive.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::load::{Kind, Load, ROOM_CLIENTS};
use crate::crowd::Outcome;
use crate::crowd::dialect::Dialect;
use crate::crowd::sockets::{ARRIVING_MAX, clients_max};
use crate::crowd::started::{Started, beside};

/// The files that a server needs, in a folder of their own.
const FOLDER: &str = "target/peers";

/// The servers that were written for this comparison.
const TOKIO: &str = "target/peers/tokio/release/tokio-chat";
const THREADS: &str = "scripts/peers/threads.py";

/// How redis-server is started, also as the engine of a cluster.
const REDIS: &str = "redis-server CONF";
const REDIS_CONF: &str = include_str!("../../peers/redis.conf");

/// A server, or a bare loop that shows what the kernel alone costs.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
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
    /// So many chinwags, which share one conversation by a redis-server. Clients connect to each in
    /// turn.
    #[value(skip)]
    Cluster(u8),
}

impl Peer {
    /// Its name in a table, how its clients talk, the kinds of loads that it is for, and how many
    /// clients it can have in this comparison.
    fn row(self) -> (&'static str, Dialect, &'static [Kind], usize) {
        const MOST: usize = usize::MAX;
        let all = Kind::value_variants();
        // Readers of another form differ in what a delivery costs, and in nothing else.
        let delivering = &[Kind::Single, Kind::Flood, Kind::Shapes];
        let floods = &[Kind::Flood, Kind::Shapes];
        match self {
            Peer::Chinwag => ("chinwag", Dialect::Plain, all, MOST),
            Peer::Telnet => ("chinwag, telnet", Dialect::Telnet, delivering, MOST),
            Peer::Web => ("chinwag, WebSocket", Dialect::Web, delivering, MOST),
            Peer::Logging => ("chinwag, keeps a log", Dialect::Plain, delivering, MOST),
            Peer::Send => ("floor: a loop of `send`", Dialect::Bare, &[Kind::Single], MOST),
            Peer::Pump => ("floor: a pump of blocks", Dialect::Bare, floods, MOST),
            Peer::Accept => ("floor: an accept loop", Dialect::Bare, &[Kind::Storm], MOST),
            Peer::Redis => ("redis-server, pub/sub", Dialect::Redis, all, MOST),
            Peer::Nats => ("nats-server", Dialect::Nats, all, MOST),
            // It announces each join to all.
            Peer::Ngircd => ("ngircd", Dialect::Irc, all, 1000),
            // It uses select(2) with 1 024 descriptors.
            Peer::Ncat => ("ncat --chat", Dialect::Ncat, all, 1000),
            Peer::Tokio => ("tokio, a task a client", Dialect::Welcoming, all, MOST),
            // More threads take half a minute to start.
            Peer::Threads => ("Python, a thread a client", Dialect::Welcoming, all, 15_000),
            Peer::Cluster(_) => ("chinwag, a cluster", Dialect::Plain, all, MOST),
        }
    }

    /// Its name in a table.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// How its clients talk.
    pub fn dialect(self) -> Dialect {
        self.row().1
    }

    /// Whether it is this server.
    pub fn is_chinwag(self) -> bool {
        self.dialect().is_chinwag()
    }

    /// At most this many connections may wait to be accepted. If one does not fit into the server's
    /// queue, the kernel tries it again only after a second, then after two, then after four.
    pub fn arriving_max(self) -> usize {
        const QUEUE_OF_TEN: usize = 8;
        if matches!(self, Peer::Ngircd | Peer::Ncat) { QUEUE_OF_TEN } else { ARRIVING_MAX }
    }

    /// How many clients a channel has if two of them receive each message, where the server has
    /// channels. A talker that does not receive its own messages is a third one.
    pub fn channel_clients(self) -> Option<usize> {
        let has_channels = matches!(self, Peer::Chinwag | Peer::Redis | Peer::Nats | Peer::Ngircd);
        has_channels.then_some(if self.dialect().echoes() { 2 } else { 3 })
    }

    /// Whether it can do this.
    pub fn is_for(self, load: Load) -> bool {
        let clients = match (load.kind, self.channel_clients()) {
            (Kind::Rooms, None) => return false,
            (Kind::Rooms, Some(each)) => load.clients / ROOM_CLIENTS * each,
            _ => load.clients,
        };
        let (_, _, kinds, most) = self.row();
        kinds.contains(&load.kind) && clients <= clients_max().min(most)
    }

    /// The command that starts an installed server, and its configuration.
    fn command(self) -> Option<(&'static str, &'static str)> {
        match self {
            Peer::Redis => Some((REDIS, REDIS_CONF)),
            Peer::Nats => Some(("nats-server -c CONF", include_str!("../../peers/nats.conf"))),
            Peer::Ngircd => Some(("ngircd -n -f CONF", include_str!("../../peers/ngircd.conf"))),
            Peer::Ncat => Some(("ncat -l 127.0.0.1 PORT --chat -m 20000", "")),
            _ => None,
        }
    }

    /// Its version, as it prints it; if it is not here, how to get it. What was written for the
    /// comparison has the version of chinwag.
    pub fn version(self) -> Result<String, String> {
        let installed = self.command().and_then(|(command, _)| command.split(' ').next());
        match (self, installed) {
            (_, Some(program)) => version_of(program),
            (Peer::Tokio, _) if !Path::new(TOKIO).exists() => {
                Err("scripts/bench.sh builds it".to_owned())
            }
            (Peer::Threads, _) => version_of("python3"),
            (Peer::Cluster(_), _) => Peer::Redis.version(),
            // Without the server the comparison fails when it starts it.
            _ => Ok(beside("chinwag").ok().and_then(|it| version_of(it).ok()).unwrap_or_default()),
        }
    }

    /// How many servers it is.
    pub fn servers(self) -> usize {
        if let Peer::Cluster(servers) = self { servers.into() } else { 1 }
    }

    /// Starts it on a free port of 127.0.0.1. Behind the servers of a cluster stands their engine.
    pub fn start(self) -> Outcome<Vec<Started>> {
        let started = match self {
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
            Peer::Cluster(servers) => return start_cluster(servers),
            Peer::Tokio => Started::new(Path::new(TOKIO), &[]),
            Peer::Threads => Started::new(Path::new(THREADS), &[]),
            _ => match self.command() {
                Some((command, conf)) => start(command, conf),
                None => Started::floor(&format!("{self:?}").to_lowercase()),
            },
        };
        Ok(vec![started?])
    }
}

fn start_cluster(servers: u8) -> Outcome<Vec<Started>> {
    let engine = start(REDIS, REDIS_CONF)?;
    let shared = format!("redis://{}/bench", engine.address);
    let start = |node| Started::chinwag(&["--cluster", &shared, "--node", &format!("n{node}")]);
    let mut started = (0..servers).map(start).collect::<Outcome<Vec<_>>>()?;
    started.push(engine);
    Ok(started)
}

/// What an installed program says that it is. It has the name of its package.
fn version_of(program: impl AsRef<Path>) -> Result<String, String> {
    let program = program.as_ref();
    let output = Command::new(program).arg("--version").output();
    let output = output.map_err(|_| format!("apt-get install {}", program.display()))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next().unwrap_or_default();
    // The rest says how it was built.
    let end = [" sha=", "-IDENT", " ("].iter().filter_map(|sign| line.find(sign)).min();
    Ok(line[..end.unwrap_or(line.len())].trim().to_owned())
}

/// Starts an installed server. PORT stands for its port, and CONF for the path of this
/// configuration.
fn start(command: &str, conf: &str) -> Outcome<Started> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let (port, path) = (free.port().to_string(), format!("{FOLDER}/conf"));
    fs::create_dir_all(FOLDER)?;
    fs::write(&path, conf.replace("PORT", &port))?;
    let filled = command.replace("PORT", &port).replace("CONF", &path);
    let mut words = filled.split(' ');
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    Started::at(command, free)
}
