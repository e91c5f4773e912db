//! The flags of the load generator.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use super::trouble::{DRIPS, Kind, LEAVES, RESETS};
use crate::crowd::author::MESSAGE_BYTES_MIN;
use crate::crowd::load::{Pace, Talker, Until};
use crate::crowd::program::{parse_seconds, parse_within};

/// Opens many connections to a chat server and sends messages. Checks that every client receives
/// every line, whole, once, and in the same order. Exit codes: 0 right, 1 the server was wrong or
/// could not be reached, 2 wrong flag.
#[derive(Clone, Debug, Parser)]
#[command(name = "stress", max_term_width = 100, allow_negative_numbers = true)]
pub struct Flags {
    /// The server, such as localhost:50005. Without it, a server is started for the measurement
    #[arg(value_name = "ADDRESS")]
    pub server: Option<String>,
    /// The server, as a flag
    #[arg(long, value_name = "ADDRESS", conflicts_with = "server")]
    pub address: Option<String>,
    /// Number of clients, with the shares below included
    #[arg(long, value_name = "CLIENTS", default_value = "1000", value_parser = count())]
    pub clients: u64,
    /// Share of the clients that never read, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = parse_share)]
    pub stuck: f64,
    /// Share of the clients that read one byte every 0.1 s after their welcome
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = parse_share)]
    pub drip: f64,
    /// Share of the clients that connect, stop reading, and reset the connection 0.05 s later,
    /// again and again
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = parse_share)]
    pub reset: f64,
    /// Share of the clients that connect, wait for their welcome, and leave, again and again
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = parse_share)]
    pub reconnect: f64,
    /// How many of the clients that read also send
    #[arg(long, value_name = "CLIENTS", default_value = "1", value_parser = count())]
    pub senders: u64,
    /// Messages per sender
    #[arg(long, value_name = "MESSAGES", default_value = "100", value_parser = count())]
    pub messages: u64,
    /// Send for this many seconds, instead of --messages
    #[arg(long, value_name = "SECONDS", conflicts_with = "messages", value_parser = parse_seconds)]
    pub seconds: Option<Duration>,
    /// Messages of a sender that may be on their way at once; 1 is one at a time, 1000 a flood
    #[arg(long, value_name = "MESSAGES", default_value = "1", value_parser = count())]
    pub window: u64,
    /// Messages per second of each sender, whatever has arrived, instead of --window
    #[arg(long, value_name = "MESSAGES", conflicts_with = "window", value_parser = parse_rate)]
    pub rate: Option<Duration>,
    /// Send as much as the server takes, whatever has arrived, instead of --window. Clients may
    /// miss lines, and must be told how many
    #[arg(long, conflicts_with_all = ["window", "rate"])]
    pub flood: bool,
    /// Bytes of a message as clients receive it, with the name and the line end
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = bytes())]
    pub bytes: usize,
    /// The process of the server, for its processor time and memory [default: whichever listens
    /// there, if it is on this machine]
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
    /// Do not run a second time, for one second under strace, to count system calls
    #[arg(long)]
    pub no_calls: bool,
    /// Write all results to this file as JSON; - writes them on standard output, instead of the
    /// table
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw latency and throughput over time into this file, as SVG
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

/// How many clients there are of each kind.
#[derive(Clone, Copy, Debug)]
pub struct Kinds {
    /// They read everything; some of them also send.
    pub reading: usize,
    /// They never read.
    pub stuck: usize,
    /// They are trouble.
    pub trouble: [(Kind, usize); 3],
}

impl Kinds {
    /// All of them.
    pub fn all(&self) -> usize {
        self.reading + self.stuck + self.trouble.iter().map(|(_, count)| count).sum::<usize>()
    }
}

impl Flags {
    /// How many clients there are of each kind; an error if too few of them read.
    pub fn kinds(&self) -> Result<Kinds, clap::Error> {
        let of = |share: f64| (self.clients as f64 * share).round() as usize;
        let trouble =
            [(DRIPS, of(self.drip)), (RESETS, of(self.reset)), (LEAVES, of(self.reconnect))];
        let mut kinds = Kinds { reading: 0, stuck: of(self.stuck), trouble };
        kinds.reading = (self.clients as usize).saturating_sub(kinds.all());
        if kinds.reading < self.senders as usize {
            let (clients, reading, senders) = (self.clients, kinds.reading, self.senders);
            let told = format!(
                "of --clients {clients} only {reading} are left to read, and --senders {senders} \
                 have to"
            );
            return Err(Flags::command().error(ErrorKind::ValueValidation, told));
        }
        Ok(kinds)
    }

    /// The clients that send.
    pub fn talkers(&self) -> Vec<Talker> {
        let pace = match self.rate {
            Some(period) => Pace::Every(period),
            None if self.flood => Pace::Free,
            None => Pace::Window(self.window),
        };
        vec![Talker { pace, message_bytes: self.bytes, timed: true }; self.senders as usize]
    }

    /// When the load ends.
    pub fn until(&self) -> Until {
        self.seconds.map_or(Until::Heard(self.messages), Until::Time)
    }

    /// The address of the server, if one is given.
    pub fn find_server(&self) -> Result<Option<SocketAddr>, String> {
        let Some(name) = self.address.as_ref().or(self.server.as_ref()) else { return Ok(None) };
        let found = name.to_socket_addrs().map_err(|error| format!("no server {name}: {error}"))?;
        // Servers listen on IPv4 more often than on IPv6, and its loopback has many source
        // addresses.
        let first = found.min_by_key(SocketAddr::is_ipv6);
        first.map(Some).ok_or_else(|| format!("no server {name}: it has no address"))
    }

    /// What is measured, in a few words.
    pub fn title(&self) -> String {
        let Flags { clients, senders, bytes, window, .. } = self;
        let pace = match self.rate {
            Some(period) => format!("{} messages/s each", 1.0 / period.as_secs_f64()),
            None if self.flood => "as fast as it is taken".to_owned(),
            None => format!("{window} in flight each"),
        };
        let shares = [
            (self.stuck, "never read"),
            (self.drip, "drip"),
            (self.reset, "reset"),
            (self.reconnect, "reconnect"),
        ];
        let shares = shares.into_iter().filter(|(share, _)| *share > 0.0);
        let shares = shares.map(|(share, what)| format!(", {} % {what}", share * 100.0));
        let shares: String = shares.collect();
        let talk = if *senders == 1 { "1 talks" } else { &format!("{senders} talk") };
        format!("{clients} clients{shares}; {talk}, {pace}, {bytes} bytes a message")
    }
}

/// From 1 on.
fn count() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(1..=1 << 40)
}

/// Up to the longest line that a server takes.
fn bytes() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(MESSAGE_BYTES_MIN as u64..=4096)
}

fn parse_share(text: &str) -> Result<f64, String> {
    parse_within(text, 0.0..=1.0, "a share from 0 to 1")
}

/// The time between two messages.
fn parse_rate(text: &str) -> Result<Duration, String> {
    let rate =
        parse_within(text, 0.001..=1e6, "a number of messages a second from 0.001 to 1000000")?;
    Ok(Duration::from_secs_f64(1.0 / rate))
}
