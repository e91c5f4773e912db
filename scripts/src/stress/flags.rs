//! The flags of the load generator.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, value_parser};

use crate::crowd::author::MESSAGE_BYTES_MIN;
use crate::crowd::program::{count, parse_seconds, within};
use crate::crowd::{Pace, Talker, Until};

/// The longest line that a server takes.
const LINE_BYTES_MAX: i64 = 4096;

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
    pub clients: u32,
    /// Share of the clients that never read, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = within(0.0..=1.0))]
    pub stuck: f64,
    /// Share of the clients that read one byte every 0.1 s after their welcome
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = within(0.0..=1.0))]
    pub drip: f64,
    /// Share of the clients that connect, stop reading, and reset the connection 0.05 s later,
    /// again and again
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = within(0.0..=1.0))]
    pub reset: f64,
    /// Share of the clients that connect, wait for their welcome, and leave, again and again
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = within(0.0..=1.0))]
    pub reconnect: f64,
    /// How many of the clients that read also send
    #[arg(long, value_name = "CLIENTS", default_value = "1", value_parser = count())]
    pub senders: u32,
    /// Messages per sender
    #[arg(long, value_name = "MESSAGES", default_value = "100", value_parser = count())]
    pub messages: u32,
    /// Send for this many seconds, instead of --messages
    #[arg(long, value_name = "SECONDS", conflicts_with = "messages", value_parser = parse_seconds)]
    pub seconds: Option<Duration>,
    /// Messages of a sender that may be on their way at once; 1 is one at a time, 1000 a flood
    #[arg(long, value_name = "MESSAGES", default_value = "1", group = "pace")]
    #[arg(value_parser = count())]
    pub window: u32,
    /// Messages per second of each sender, whatever has arrived, instead of --window
    #[arg(long, value_name = "MESSAGES", group = "pace", value_parser = within(0.001..=1e6))]
    pub rate: Option<f64>,
    /// Send as much as the server takes, whatever has arrived, instead of --window. Clients may
    /// miss lines, and must be told how many
    #[arg(long, group = "pace")]
    pub flood: bool,
    /// Bytes of a message as clients receive it, with the name and the line end
    #[arg(long, value_name = "BYTES", default_value = "64")]
    #[arg(value_parser = value_parser!(u16).range(MESSAGE_BYTES_MIN as i64..=LINE_BYTES_MAX))]
    pub bytes: u16,
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

/// Each kind of client: its key in JSON, what it does, and how many there are.
pub type Kinds = [(&'static str, &'static str, usize); 5];

impl Flags {
    /// How many clients there are of each kind; an error if too few of them read.
    pub fn kinds(&self) -> Result<Kinds, clap::Error> {
        let of = |share: f64| (f64::from(self.clients) * share).round() as usize;
        let shares = [self.stuck, self.drip, self.reset, self.reconnect];
        let [stuck, drip, reset, reconnect] = shares.map(of);
        let (all, senders) = (self.clients as usize, self.senders as usize);
        let reading = all.saturating_sub(stuck + drip + reset + reconnect);
        if reading < senders {
            let told = format!(
                "of --clients {all} only {reading} are left to read, and --senders {senders} must"
            );
            return Err(Flags::command().error(ErrorKind::ValueValidation, told));
        }
        Ok([
            ("reading", "read", reading),
            ("stuck", "never read", stuck),
            ("dripping", "drip", drip),
            ("resetting", "reset", reset),
            ("reconnecting", "reconnect", reconnect),
        ])
    }

    /// The clients that send.
    pub fn talkers(&self) -> Vec<Talker> {
        let (pace, message_bytes) = (self.pace().0, usize::from(self.bytes));
        vec![Talker { pace, message_bytes, timed: true }; self.senders as usize]
    }

    /// How fast each of them sends, and the same in words.
    fn pace(&self) -> (Pace, String) {
        let Flags { window, rate, .. } = self;
        let period = |rate: &f64| Duration::from_secs_f64(1.0 / rate);
        match rate {
            Some(rate) => (Pace::Every(period(rate)), format!("{rate} messages/s each")),
            None if self.flood => (Pace::Free, "as fast as it is taken".to_owned()),
            None => (Pace::Window((*window).into()), format!("{window} in flight each")),
        }
    }

    /// When the load ends.
    pub fn until(&self) -> Until {
        self.seconds.map_or(Until::Heard(self.messages.into()), Until::Time)
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
    pub fn title(&self, kinds: &Kinds) -> String {
        let kinds = kinds.iter().filter(|(.., count)| *count > 0);
        let kinds: Vec<_> = kinds.map(|(_, what, count)| format!("{count} {what}")).collect();
        let (kinds, Flags { senders, bytes, .. }) = (kinds.join(", "), self);
        format!("clients: {kinds}; senders: {senders}, {}; {bytes} bytes a message", self.pace().1)
    }
}
