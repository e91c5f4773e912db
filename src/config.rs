//! Every limit and switch of the server: its unit, its reason, what happens at it, and its flag.
//!
//! The doc comment of a field is what `--help` says of it. The values are plain: this room opens
//! nothing and starts nothing. What two limits owe each other is checked in [`Config::check`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser};
use ipnet::IpNet;
use log::LevelFilter;

use crate::line::LineRules;
use crate::pace::Pace;
use crate::reading::RENDERED_BYTES_MAX;
use crate::transcript;

/// The port of the server that this one replaces, and of the scripts written for it.
pub const PORT: u16 = 50005;

/// The most bytes of a line as it stands in the transcript, name and line feed included. It bounds
/// the torn rest that a lapsed client keeps, and one turn always has room for a line.
pub const STANDING_BYTES_MAX: usize = 8 * 1024;

/// What a name, the colon and the line feed may take of that.
pub const NAMED_BYTES_MAX: usize = 64;

/// A turn's listening may take this share of the window, so that whoever has taken all it was
/// offered is never overrun: two turns' worth stays free before it, and its own is one.
pub const WINDOW_SHARE: usize = 4;

/// Descriptors that are not for clients: standard streams, listeners, the poll, signals, the log,
/// the reserve, and [`DOORWAY_MAX`] for peers that are being refused. Measured: 17 and the doorway.
pub const DESCRIPTORS_RESERVED: usize = 64;

/// How many refused peers may be in the doorway at once, being told why; more are told as best it
/// can be done in one write.
pub const DOORWAY_MAX: usize = 32;

/// How much is read from one client at once, at most.
pub const READ_BYTES_MAX: usize = 16 * 1024;

/// What one client in a round may say, at least: enough for a usual line.
pub const QUANTUM_BYTES: usize = 1024;

/// How much is read and thrown away after the goodbye, at most, so that the peer can read it.
pub const DRAIN_BYTES_MAX: usize = 64 * 1024;

/// How long input is thrown away after the goodbye, at most.
pub const DRAIN_TIME_MAX: Duration = Duration::from_secs(1);

const _: () = assert!(QUANTUM_BYTES <= READ_BYTES_MAX);
const _: () = assert!(DOORWAY_MAX + 20 <= DESCRIPTORS_RESERVED);
const _: () = assert!(WINDOW_BYTES_MIN as usize / WINDOW_SHARE >= STANDING_BYTES_MAX);

const WINDOW_BYTES_MIN: u64 = 32 * 1024;
const WINDOW_BYTES_MAX: u64 = 1 << 30;
const LINE_BYTES_MAX: u64 = (STANDING_BYTES_MAX - NAMED_BYTES_MAX) as u64;

/// The settings of a server. `Config::default()` is what it has without any flag.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Addresses and ports to listen on; none means [`Config::listen_default`].
    #[arg(
        help = "Address and port to listen on; give it again for more. Port 0 takes a free one \
        [default: 0.0.0.0:50005, and [::]:50005 where there is IPv6]"
    )]
    #[arg(long, env = "CHINWAG_LISTEN", value_name = "ADDR", value_delimiter = ',')]
    #[arg(value_parser = parse_listen)]
    pub listen: Vec<SocketAddr>,

    /// Relay bytes as they come, without names or line ends, for scripts made for a bare relay
    #[arg(long, env = "CHINWAG_RAW", value_parser = parse_switch)]
    pub raw: bool,

    /// Do not send a client's own messages back to it
    #[arg(long, env = "CHINWAG_NO_ECHO", value_parser = parse_switch)]
    pub no_echo: bool,

    /// Leave addresses out of what everybody sees
    #[arg(long, env = "CHINWAG_HIDE_ADDRESSES", value_parser = parse_switch)]
    pub hide_addresses: bool,

    /// Lines said earlier that a newcomer is shown, as far as --history-bytes allows
    #[arg(long, env = "CHINWAG_HISTORY", value_name = "LINES", default_value_t = 0)]
    pub history: usize,

    /// Do not print the conversation on standard output
    #[arg(long, env = "CHINWAG_QUIET", value_parser = parse_switch)]
    pub quiet: bool,

    /// What is logged on standard error: off, error, warn, info, debug or trace
    #[arg(long, env = "CHINWAG_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    #[arg(value_parser = parse_level)]
    pub log_level: LevelFilter,

    /// Clients at once; more are told `server full`
    /// [default: the descriptors this process may open, less 64]
    #[arg(long, env = "CHINWAG_MAX_CLIENTS", value_name = "CLIENTS", help_heading = "Limits")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub max_clients: Option<usize>,

    /// Bytes of a line; a longer one is thrown away and its sender told
    #[arg(long, env = "CHINWAG_MAX_LINE", value_name = "BYTES", help_heading = "Limits")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=LINE_BYTES_MAX))]
    #[arg(default_value_t = 4096)]
    pub max_line: usize,

    /// Bytes without a line end at which a client is closed
    #[arg(long, env = "CHINWAG_MAX_ENDLESS", value_name = "BYTES", help_heading = "Limits")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1 << 30))]
    #[arg(default_value_t = 65536)]
    pub max_endless: usize,

    /// Bytes of conversation kept for slow readers, all sharing them; who falls further behind is
    /// told how many lines it missed
    #[arg(long, env = "CHINWAG_WINDOW", value_name = "BYTES", help_heading = "Limits")]
    #[arg(value_parser =
        RangedU64ValueParser::<usize>::new().range(WINDOW_BYTES_MIN..=WINDOW_BYTES_MAX))]
    #[arg(default_value_t = 4194304)]
    pub window: usize,

    /// Bytes that a newcomer is shown of what was said earlier
    #[arg(long, env = "CHINWAG_HISTORY_BYTES", value_name = "BYTES", help_heading = "Limits")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(0..=7000))]
    #[arg(default_value_t = 4096)]
    pub history_bytes: usize,

    /// Bytes of private replies that may wait for one client; with more it is not read, with twice
    /// as many it is closed
    #[arg(long, env = "CHINWAG_MAX_PRIVATE", value_name = "BYTES", help_heading = "Limits")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(8192..=1 << 20))]
    #[arg(default_value_t = 8192)]
    pub max_private: usize,

    /// Connections from one address (IPv6: from one /64 network); 0 is no limit
    #[arg(long, env = "CHINWAG_PER_ADDRESS", value_name = "CONNECTIONS", default_value_t = 64)]
    #[arg(help_heading = "Limits")]
    pub per_address: usize,

    /// Lines a second of one client in the long run; it is not read until the next is due, nothing
    /// is lost; 0 is no limit
    #[arg(long, env = "CHINWAG_RATE", value_name = "LINES", default_value_t = 10)]
    #[arg(value_parser = RangedU64ValueParser::<u32>::new().range(0..=1_000_000))]
    #[arg(help_heading = "Limits")]
    pub rate: u32,

    /// Lines that a client may say at once before --rate holds
    #[arg(long, env = "CHINWAG_BURST", value_name = "LINES", default_value_t = 20)]
    #[arg(value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000))]
    #[arg(help_heading = "Limits")]
    pub burst: u32,

    /// Network whose clients --per-address and --rate do not hold for; give it again for more, or
    /// `none` [default: 127.0.0.0/8 and ::1/128]
    #[arg(long, env = "CHINWAG_EXEMPT", value_name = "CIDR", value_delimiter = ',')]
    #[arg(value_parser = parse_exempt, help_heading = "Limits")]
    pub exempt: Vec<Exempt>,

    /// Join and leave notices a second, and at once; what is more comes as one summary a second
    #[arg(long, env = "CHINWAG_NOTICES", value_name = "NOTICES", default_value_t = 10)]
    #[arg(value_parser = RangedU64ValueParser::<u32>::new().range(1..=50))]
    #[arg(help_heading = "Limits")]
    pub notices: u32,

    /// Seconds after which a client that has taken no byte of what waits for it is reset
    #[arg(long, env = "CHINWAG_STUCK", value_name = "SECONDS", default_value = "60")]
    #[arg(value_parser = parse_seconds, help_heading = "Limits")]
    pub stuck: Duration,

    /// Seconds after which a client that has said nothing is closed; 0 is never
    #[arg(long, env = "CHINWAG_IDLE", value_name = "SECONDS", default_value = "0")]
    #[arg(value_parser = parse_seconds_or_never, help_heading = "Limits")]
    pub idle: Duration,

    /// Seconds without progress after which a client that is being closed is reset
    #[arg(long, env = "CHINWAG_FLUSH", value_name = "SECONDS", default_value = "5")]
    #[arg(value_parser = parse_seconds, help_heading = "Limits")]
    pub flush: Duration,

    /// Seconds that a stop may take, until all that was said is delivered
    #[arg(long, env = "CHINWAG_SHUTDOWN", value_name = "SECONDS", default_value = "5")]
    #[arg(value_parser = parse_seconds, help_heading = "Limits")]
    pub shutdown: Duration,

    /// Bytes of conversation taken in between two rounds of sending, if they are at most a quarter
    /// of --window
    #[arg(long, env = "CHINWAG_TURN_BYTES", value_name = "BYTES", help_heading = "Tuning")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(8192..=1 << 24))]
    #[arg(default_value_t = 65536)]
    pub turn_bytes: usize,

    /// Bytes offered to one client at once; at least --turn-bytes
    #[arg(long, env = "CHINWAG_WRITE_BYTES", value_name = "BYTES", help_heading = "Tuning")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(8192..=1 << 24))]
    #[arg(default_value_t = 65536)]
    pub write_bytes: usize,

    /// Writes after which a round of sending looks at newcomers and signals
    #[arg(long, env = "CHINWAG_SLICE_WRITES", value_name = "WRITES", default_value_t = 1000)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    #[arg(help_heading = "Tuning")]
    pub slice_writes: usize,

    /// Bytes taken by clients after which a round of sending looks at newcomers and signals
    #[arg(long, env = "CHINWAG_SLICE_BYTES", value_name = "BYTES", default_value_t = 4194304)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    #[arg(help_heading = "Tuning")]
    pub slice_bytes: usize,

    /// Connections that may wait in the kernel to be accepted; it may allow fewer (somaxconn)
    #[arg(long, env = "CHINWAG_ACCEPT_QUEUE", value_name = "CONNECTIONS", default_value_t = 4096)]
    #[arg(value_parser = RangedU64ValueParser::<i32>::new().range(1..=65535))]
    #[arg(help_heading = "Tuning")]
    pub accept_queue: i32,

    /// Connections accepted in one turn
    #[arg(long, env = "CHINWAG_ACCEPT_BATCH", value_name = "CONNECTIONS", default_value_t = 128)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=65535))]
    #[arg(help_heading = "Tuning")]
    pub accept_batch: usize,

    /// Bytes of each client's send buffer in the kernel (SO_SNDBUF)
    #[arg(long, env = "CHINWAG_SEND_BUFFER", value_name = "BYTES", default_value_t = 32768)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(4096..=1 << 28))]
    #[arg(help_heading = "Tuning")]
    pub send_buffer: usize,

    /// Bytes in it that are not on their way yet and at which it takes no more
    /// (TCP_NOTSENT_LOWAT); the shared transcript does the buffering
    #[arg(long, env = "CHINWAG_UNSENT", value_name = "BYTES", default_value_t = 16384)]
    #[arg(value_parser = RangedU64ValueParser::<u32>::new().range(1..=1 << 28))]
    #[arg(help_heading = "Tuning")]
    pub unsent: u32,

    /// Bytes of each client's receive buffer in the kernel (SO_RCVBUF)
    #[arg(long, env = "CHINWAG_RECEIVE_BUFFER", value_name = "BYTES", default_value_t = 32768)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(2048..=1 << 28))]
    #[arg(help_heading = "Tuning")]
    pub receive_buffer: usize,

    /// Seconds of silence after which the kernel asks whether a peer is still there, then every 10
    /// s, three times (TCP keepalive)
    #[arg(long, env = "CHINWAG_KEEPALIVE", value_name = "SECONDS", default_value = "60")]
    #[arg(value_parser = parse_seconds, help_heading = "Tuning")]
    pub keepalive: Duration,

    /// Seconds that sent bytes may stay unacknowledged before the kernel gives the peer up
    /// (TCP_USER_TIMEOUT); more than --stuck, or either may be the first
    #[arg(long, env = "CHINWAG_USER_TIMEOUT", value_name = "SECONDS", default_value = "65")]
    #[arg(value_parser = parse_seconds, help_heading = "Tuning")]
    pub user_timeout: Duration,
}

/// Whom the limits for strangers do not hold for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exempt {
    /// Nobody; not even loopback.
    Nobody,
    /// Everyone in this network.
    Network(IpNet),
}

impl Default for Config {
    fn default() -> Config {
        #[derive(Parser)]
        struct Flags {
            #[command(flatten)]
            config: Config,
        }
        Flags::parse_from(["chinwag"]).config
    }
}

impl Config {
    /// What the settings owe each other; the error names the flags.
    pub fn check(&self) -> Result<(), String> {
        if self.write_bytes < self.turn_bytes_max() {
            return Err(format!(
                "--write-bytes {} is less than --turn-bytes {}: who keeps up would fall behind",
                self.write_bytes,
                self.turn_bytes_max()
            ));
        }
        Ok(())
    }

    /// Where to listen if nothing is said: everywhere. The second, IPv6, may be missing on a
    /// machine.
    pub fn listen_default() -> [SocketAddr; 2] {
        [
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)),
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT)),
        ]
    }

    /// The most bytes that are appended to the transcript between two passes.
    pub fn turn_bytes_max(&self) -> usize {
        self.turn_bytes.min(self.window / WINDOW_SHARE)
    }

    /// What a line is.
    pub fn line_rules(&self) -> LineRules {
        LineRules {
            line_bytes_max: self.max_line,
            endless_bytes_max: self.max_endless,
            raw: self.raw,
        }
    }

    /// How fast a client that is not exempt may say lines.
    pub fn pace(&self) -> Pace {
        Pace::per_second(self.rate, self.burst)
    }

    /// How fast people may be announced.
    pub fn notice_pace(&self) -> Pace {
        Pace::per_second(self.notices, self.notices)
    }

    /// Whether the limits for strangers do not hold for this address.
    pub fn is_exempt(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if self.exempt.is_empty() {
            return address.is_loopback();
        }
        self.exempt.iter().any(|exempt| match exempt {
            Exempt::Nobody => false,
            Exempt::Network(network) => network.contains(&address),
        })
    }

    /// The most memory that the server takes with `clients` clients, in bytes: its own, and the
    /// kernel's for their sockets.
    pub fn memory_bytes_max(&self, clients: usize) -> (usize, usize) {
        // A client's own record, its part of the tables, and its place among the deadlines.
        const RECORD: usize = 1024;
        let input = 2 * (self.max_line + READ_BYTES_MAX);
        let output = 2 * (self.max_private + RENDERED_BYTES_MAX + STANDING_BYTES_MAX);
        let own = transcript::memory_bytes_max(self.window) + clients * (RECORD + input + output);
        // The kernel doubles both sizes for its bookkeeping (socket(7)).
        let kernel = clients * 2 * (self.send_buffer + self.receive_buffer);
        (own, kernel)
    }
}

/// A switch in the environment; on the command line it has no value.
fn parse_switch(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("neither 1 nor 0, true nor false, yes nor no, on nor off".to_owned()),
    }
}

fn parse_level(text: &str) -> Result<LevelFilter, String> {
    text.parse().map_err(|_| "not one of off, error, warn, info, debug and trace".to_owned())
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let with_port = text.parse::<SocketAddr>();
    let without = || text.parse::<IpAddr>().map(|address| SocketAddr::new(address, PORT));
    with_port.or_else(|_| without()).map_err(|_| {
        "not an address and port such as 127.0.0.1:50005 or [::1]:50005 (names are not looked up)"
            .to_owned()
    })
}

fn parse_exempt(text: &str) -> Result<Exempt, String> {
    if text == "none" {
        return Ok(Exempt::Nobody);
    }
    let network = text.parse::<IpNet>();
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    network.or_else(|_| single()).map(Exempt::Network).map_err(|_| {
        "not a network such as 192.168.0.0/16 or 2001:db8::/32, nor the word none".to_owned()
    })
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    match parse_seconds_or_never(text)? {
        Duration::ZERO => Err("must be more than 0".to_owned()),
        time => Ok(time),
    }
}

fn parse_seconds_or_never(text: &str) -> Result<Duration, String> {
    // A hundred years is as good as never, and no instant overflows by it.
    const SECONDS_MAX: f64 = 100.0 * 365.0 * 24.0 * 3600.0;
    let seconds = text.parse::<f64>().map_err(|_| "not a number of seconds".to_owned())?;
    match seconds {
        0.0..=SECONDS_MAX => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("not a number of seconds between 0 and a hundred years".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_exempt_unless_something_else_is_said() {
        let config = Config::default();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(config.is_exempt(address("127.9.9.9")));
        assert!(config.is_exempt(address("::ffff:127.0.0.1")));
        assert!(!config.is_exempt(address("10.0.0.1")));
        let exempt = vec![parse_exempt("10.0.0.0/8").unwrap()];
        let config = Config { exempt, ..config };
        assert!(config.is_exempt(address("10.1.2.3")));
        assert!(!config.is_exempt(address("127.0.0.1")));
        let config = Config { exempt: vec![Exempt::Nobody], ..config };
        assert!(!config.is_exempt(address("127.0.0.1")));
    }

    #[test]
    fn seconds_may_be_fractions_but_not_nonsense() {
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        assert!(parse_seconds("0").is_err());
        assert_eq!(parse_seconds_or_never("0"), Ok(Duration::ZERO));
        for nonsense in ["-1", "NaN", "inf", "1e300", "ten"] {
            assert!(parse_seconds(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn an_address_without_a_port_gets_the_usual_one() {
        assert_eq!(parse_listen("::1"), Ok("[::1]:50005".parse().unwrap()));
        assert!(parse_listen("localhost:50005").is_err());
    }
}
