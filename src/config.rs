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
use crate::names::NAME_BYTES_MAX;
use crate::notice::{Counted, Lang};
use crate::pace::Pace;
use crate::reading::Terms;
use crate::transcript;

use parse::{parse_exempt, parse_level, parse_listen};
use parse::{parse_keepalive, parse_user_timeout};
use parse::{parse_seconds, parse_seconds_or_never, parse_switch};

mod parse;

/// The port of the server that this one replaces, and of the scripts written for it.
pub const PORT: u16 = 50005;

/// The most bytes of a line as it stands in the transcript, name and line feed included. It bounds
/// the torn rest that a lapsed client keeps, and one turn always has room for a line.
pub const STANDING_BYTES_MAX: usize = 8 * 1024;

/// What a name as it is shown, a mark, blanks and the line feed may take of that.
pub const NAMED_BYTES_MAX: usize = NAME_BYTES_MAX + 4;

/// A turn's listening may take this share of the window, so that whoever has taken all it was
/// offered is never overrun: two turns' worth stays free before it, and its own is one.
pub const WINDOW_SHARE: usize = 4;

/// Descriptors that are not for clients: standard streams, listeners, the poll, signals, the log,
/// the reserve, and [`DOORWAY_MAX`] for peers that are being refused. Measured: 17 and the doorway.
pub const DESCRIPTORS_RESERVED: usize = 64;

/// How many refused peers may be in the doorway at once, being told why; more are told as best it
/// can be done in one write.
pub const DOORWAY_MAX: usize = 32;

/// What a socket's send buffer, which is twice `--send-buffer`, takes less than it has. One segment
/// on loopback holds 65 483 bytes, on an MTU from 1200 to 1520 at least 64 512: with more, a turn
/// needs a second write, and an event before it. Less than that is no better: a flood of which a
/// turn takes nearly all goes round twice.
pub const SEND_BUFFER_SPARE: usize = 1024;

/// How much is read from one client at once, at most.
pub const READ_BYTES_MAX: usize = 16 * 1024;

/// What one client in a round may say, at least: enough for a usual line.
pub const QUANTUM_BYTES: usize = 1024;

/// What the program takes though nobody is there: its code, the libraries, its tables and scratch,
/// and the names that are kept. Measured: 6 MiB, with nothing optimised; of the names at most 512
/// are kept, of 3 KiB each.
const PROGRAM_BYTES: usize = 8 << 20;

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

    /// Language of the server's own words: en or ko
    /// [default: as LC_ALL, LC_MESSAGES or LANG says, else en]
    #[arg(long, env = "CHINWAG_LANG", value_name = "LANG", value_enum)]
    #[arg(hide_possible_values = true)]
    pub lang: Option<Lang>,

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

    /// Bytes without a line end at which a client is closed; at least --max-line
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

    /// Bytes of what was said earlier that are shown at most: to a newcomer, or with /history
    #[arg(long, env = "CHINWAG_HISTORY_BYTES", value_name = "BYTES", help_heading = "Limits")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(0..=7000))]
    #[arg(default_value_t = 4096)]
    pub history_bytes: usize,

    /// Bytes of private replies that may wait for one client; with more it is not read, with twice
    /// as many it is closed. As many of private messages may wait, more are refused
    #[arg(long, env = "CHINWAG_MAX_PRIVATE", value_name = "BYTES", help_heading = "Limits")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(8192..=1 << 20))]
    #[arg(default_value_t = 8192)]
    pub max_private: usize,

    /// Bytes made ready at once for one reader that does not get the conversation as it is, such as
    /// one without echo, or a telnet peer
    #[arg(long, env = "CHINWAG_RENDERED", value_name = "BYTES", help_heading = "Limits")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1024..=1 << 20))]
    #[arg(default_value_t = 16384)]
    pub rendered: usize,

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

    /// Lines that the clients of one address may say at once before --rate holds for each of them
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

    /// Seconds for which more joins and leaves than --notices are collected into one summary
    #[arg(long, env = "CHINWAG_SUMMARY", value_name = "SECONDS", default_value = "1")]
    #[arg(value_parser = parse_seconds, help_heading = "Limits")]
    pub summary: Duration,

    /// Seconds for which a newcomer's first words are waited for before it is greeted and
    /// announced: a browser that has come to the wrong door is told apart by them; 0 is not at all
    #[arg(long, env = "CHINWAG_GREETING", value_name = "SECONDS", default_value = "0.1")]
    #[arg(value_parser = parse_seconds_or_never, help_heading = "Limits")]
    pub greeting: Duration,

    /// Seconds of quiet after which what a peer that has never ended a line has sent is a message
    #[arg(long, env = "CHINWAG_CHUNK_QUIET", value_name = "SECONDS", default_value = "0.2")]
    #[arg(value_parser = parse_seconds, help_heading = "Limits")]
    pub chunk_quiet: Duration,

    /// Seconds after the first byte of such a message at which it is one at the latest, and a
    /// single character is one
    #[arg(long, env = "CHINWAG_CHUNK_AGE", value_name = "SECONDS", default_value = "1")]
    #[arg(value_parser = parse_seconds, help_heading = "Limits")]
    pub chunk_age: Duration,

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

    /// Seconds for which input is thrown away after the goodbye, so that the peer can read it
    #[arg(long, env = "CHINWAG_DRAIN", value_name = "SECONDS", default_value = "1")]
    #[arg(value_parser = parse_seconds, help_heading = "Limits")]
    pub drain: Duration,

    /// Bytes of input thrown away after the goodbye
    #[arg(long, env = "CHINWAG_DRAIN_BYTES", value_name = "BYTES", default_value_t = 65536)]
    #[arg(value_parser = RangedU64ValueParser::<u32>::new().range(1..=1 << 30))]
    #[arg(help_heading = "Limits")]
    pub drain_bytes: u32,

    /// Seconds that a stop may take, until all that was said is delivered
    #[arg(long, env = "CHINWAG_SHUTDOWN", value_name = "SECONDS", default_value = "5")]
    #[arg(value_parser = parse_seconds, help_heading = "Limits")]
    pub shutdown: Duration,

    /// Bytes of conversation taken in between two rounds of sending, if they are at most a quarter
    /// of --window. A round fits one write if they are 1 KiB less than twice --send-buffer
    #[arg(long, env = "CHINWAG_TURN_BYTES", value_name = "BYTES", help_heading = "Tuning")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(8192..=1 << 24))]
    #[arg(default_value_t = 64512)]
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

    /// Seconds of silence after which the kernel asks whether a peer is still there (TCP
    /// keepalive): a packet each way, 167 of them a second for 10000 silent clients
    #[arg(long, env = "CHINWAG_KEEPALIVE", value_name = "SECONDS", default_value = "60")]
    #[arg(value_parser = parse_keepalive, help_heading = "Tuning")]
    pub keepalive: Duration,

    /// Seconds between its further questions while there is no answer
    #[arg(long, env = "CHINWAG_KEEPALIVE_INTERVAL", value_name = "SECONDS", default_value = "20")]
    #[arg(value_parser = parse_keepalive, help_heading = "Tuning")]
    pub keepalive_interval: Duration,

    /// Questions without an answer after which it gives the peer up, if --user-timeout is 0: else
    /// that decides
    #[arg(long, env = "CHINWAG_KEEPALIVE_PROBES", value_name = "PROBES", default_value_t = 3)]
    #[arg(value_parser = RangedU64ValueParser::<u32>::new().range(1..=127))]
    #[arg(help_heading = "Tuning")]
    pub keepalive_probes: u32,

    /// Seconds that sent bytes and questions may stay unanswered before the kernel gives the peer
    /// up (TCP_USER_TIMEOUT); more than --stuck, or either may be the first; long enough for
    /// --keepalive-probes, or a lost one ends a silent client; 0 leaves sent bytes to the kernel,
    /// which tries for a quarter of an hour
    #[arg(long, env = "CHINWAG_USER_TIMEOUT", value_name = "SECONDS", default_value = "125")]
    #[arg(value_parser = parse_user_timeout, help_heading = "Tuning")]
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
        if self.max_endless < self.max_line {
            return Err(format!(
                "--max-endless {} is less than --max-line {}: it would do nothing up to that",
                self.max_endless, self.max_line
            ));
        }
        Ok(())
    }

    /// What is allowed and probably not meant; each names its flags.
    pub fn warnings(&self) -> Vec<String> {
        let (turn, buffer) = (self.turn_bytes_max(), 2 * self.send_buffer);
        let large = format!(
            "--turn-bytes {turn} does not fit into --send-buffer {}, of which the kernel uses \
             {buffer}: a flood takes two writes a turn and client",
            self.send_buffer
        );
        let (probes, wanted) = (self.probes_unanswered(), self.keepalive_probes);
        let few = format!(
            "--user-timeout {} s gives up a silent client after {}, not after the {wanted} of \
             --keepalive-probes",
            self.user_timeout.as_secs_f64(),
            Counted(probes.into(), "unanswered probe"),
        );
        let is_large = turn + SEND_BUFFER_SPARE > buffer;
        let warnings = [is_large.then_some(large), (probes < wanted).then_some(few)];
        warnings.into_iter().flatten().collect()
    }

    /// How many keepalive probes a silent client leaves unanswered before the kernel gives it up.
    /// The user timeout, if there is one, is looked at when a further probe is due (tcp(7)).
    pub fn probes_unanswered(&self) -> u32 {
        if self.user_timeout.is_zero() {
            return self.keepalive_probes;
        }
        let asked = self.user_timeout.saturating_sub(self.keepalive).as_millis();
        let probes = asked.div_ceil(self.keepalive_interval.as_millis());
        u32::try_from(probes).unwrap_or(u32::MAX).max(1)
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
            chunk_quiet: self.chunk_quiet,
            chunk_age_max: self.chunk_age,
            raw: self.raw,
        }
    }

    /// How much a reader is offered at once.
    pub fn terms(&self) -> Terms {
        let (bytes_max, rendered_bytes_max) = (self.write_bytes, self.rendered);
        Terms { bytes_max, rendered_bytes_max, lang: self.lang() }
    }

    /// The language of the server's own words; English if nothing is said.
    pub fn lang(&self) -> Lang {
        self.lang.unwrap_or_default()
    }

    /// How fast a client that is not exempt may say lines.
    pub fn pace(&self) -> Pace {
        Pace::per_second(self.rate, self.burst)
    }

    /// How fast people may be announced.
    pub fn notice_pace(&self) -> Pace {
        Pace::per_second(self.notices, self.notices)
    }

    /// How fast one address may be announced, so that one that comes and goes leaves room for
    /// others.
    pub fn address_notice_pace(&self) -> Pace {
        Pace { every: Duration::from_secs(1), ..self.notice_pace() }
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
        // A client's own record, its part of the tables, its name as it is compared, whom it
        // ignores, its place among the deadlines, its address and one that has left.
        const RECORD: usize = 4096;
        let input = 2 * (self.max_line + READ_BYTES_MAX);
        let private = 3 * self.max_private;
        let output = private + 2 * (self.rendered + STANDING_BYTES_MAX);
        // Those who are being told that there is no room have all that too.
        let connections = clients.saturating_add(DOORWAY_MAX);
        let shared = transcript::memory_bytes_max(self.window) + 2 * self.turn_bytes_max();
        let own = PROGRAM_BYTES + shared + connections * (RECORD + input + output);
        // The kernel doubles both sizes for its bookkeeping (socket(7)).
        let kernel = connections * 2 * (self.send_buffer + self.receive_buffer);
        (own, kernel)
    }
}

#[cfg(test)]
mod tests {
    use super::parse::parse_exempt;
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
    fn everyone_is_offered_as_much_as_a_turn_takes_in() {
        let of = |window, turn_bytes, write_bytes| Config {
            window,
            turn_bytes,
            write_bytes,
            ..Config::default()
        };
        assert_eq!(of(32768, 65536, 8192).turn_bytes_max(), 8192);
        assert_eq!(of(1 << 20, 65536, 65536).turn_bytes_max(), 65536);
        assert_eq!(of(32768, 65536, 8192).check(), Ok(()));
        assert_eq!(of(32768, 65536, 8193).check(), Ok(()));
        let told = of(32768, 65536, 8191).check().unwrap_err();
        assert!(told.starts_with("--write-bytes 8191 is less than --turn-bytes 8192: "), "{told}");
    }

    #[test]
    fn a_turn_that_does_not_fit_a_socket_is_warned_of() {
        assert_eq!(Config::default().warnings(), [""; 0]);
        let one_more = Config::default().turn_bytes + 1;
        let config = Config { turn_bytes: one_more, ..Config::default() };
        let [warning] = &config.warnings()[..] else { panic!("{:?}", config.warnings()) };
        assert!(warning.starts_with("--turn-bytes 64513 does not fit into --send-buffer 32768"));
        let config = Config { send_buffer: 33_000, ..config };
        assert_eq!(config.warnings(), [""; 0]);
    }

    #[test]
    fn the_longest_line_stands_whole_beside_the_longest_name() {
        #[derive(Parser)]
        struct Flags {
            #[command(flatten)]
            config: Config,
        }
        let longest = STANDING_BYTES_MAX - "~ ".len() - NAME_BYTES_MAX - " \n".len();
        let parsed = |bytes: usize| {
            let flags = ["chinwag", "--max-line", &bytes.to_string()];
            Flags::try_parse_from(flags).ok().map(|flags| flags.config.max_line)
        };
        assert_eq!((parsed(longest), parsed(longest + 1)), (Some(longest), None));
    }

    #[test]
    fn what_is_said_with_a_flag_holds_and_else_the_default() {
        assert_eq!(Config::default().lang(), Lang::En);
        assert_eq!(Config { lang: Some(Lang::Ko), ..Config::default() }.lang(), Lang::Ko);
        let addresses = ["0.0.0.0:50005", "[::]:50005"].map(|text| text.parse().unwrap());
        assert_eq!(Config::listen_default(), addresses);
    }

    #[test]
    fn a_silent_client_by_default_has_three_probes_and_two_minutes_to_answer() {
        let config = Config::default();
        let probes = config.probes_unanswered();
        assert!(probes >= 3 && probes >= config.keepalive_probes, "{probes}");
        let given_up = config.keepalive + probes * config.keepalive_interval;
        assert!(given_up > Duration::from_secs(120) && given_up <= Duration::from_secs(150));
        // The kernel's deadline for what was sent comes after ours.
        assert!(config.user_timeout > config.stuck);
        assert_eq!(config.warnings(), [""; 0]);
    }

    #[test]
    fn a_user_timeout_that_a_lost_probe_runs_into_is_warned_of() {
        let of = |user_timeout, interval, probes| Config {
            user_timeout: Duration::from_secs(user_timeout),
            keepalive_interval: Duration::from_secs(interval),
            keepalive_probes: probes,
            ..Config::default()
        };
        for (user_timeout, interval, unanswered) in [
            (65, 10, 1),
            (70, 10, 1),
            (71, 10, 2),
            (1, 10, 1),
            (0, 10, 3),
            (120, 20, 3),
            (121, 20, 4),
        ] {
            let config = of(user_timeout, interval, 3);
            assert_eq!(config.probes_unanswered(), unanswered, "{user_timeout} {interval}");
            assert_eq!(config.warnings().len(), usize::from(unanswered < 3));
        }
        let told = of(65, 10, 3).warnings().concat();
        assert!(told.starts_with("--user-timeout 65 s gives up "), "{told}");
        assert!(told.contains(" after 1 unanswered probe, not after the 3 "), "{told}");
        assert_eq!(of(65, 10, 1).warnings(), [""; 0]);
    }

    /// By hand: a connection has 4 KiB of its own, twice 4 + 16 KiB of input, twice 8 + 16 + 8 KiB
    /// of output and 8 of messages, and in the kernel twice 32 + 32 KiB; 32 more of them are in the
    /// doorway. The program has 8 MiB, the window 4 and its index twice 8, and a turn twice 63 KiB.
    #[test]
    fn the_memory_of_a_server_is_its_own_and_so_much_for_each_connection() {
        let own = |connections: usize| {
            (8 << 20) + (4 << 20) + (16 << 20) + (126 << 10) + connections * (4 + 40 + 72) * 1024
        };
        let config = Config::default();
        assert_eq!(config.memory_bytes_max(0), (own(32), 32 * 128 * 1024));
        assert_eq!(config.memory_bytes_max(1000), (own(1032), 1032 * 128 * 1024));
    }
}
