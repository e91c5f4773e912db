//! Every limit and switch of the server: its unit, its reason, what happens at it, and its flag.
//!
//! The doc comment of a field is what `--help` says of it. The values are plain: this room opens
//! nothing and starts nothing. What they owe each other and add up to is in `sums`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::builder::{BoolishValueParser, Resettable, Str};
use clap::{Arg, Parser, value_parser};
use ipnet::IpNet;
use log::LevelFilter;

use crate::pace::Pace;
use crate::room::forms::Form;
use crate::room::reading::Terms;
use crate::wire::line::LineRules;
use crate::words::names::NAME_BYTES_MAX;
use crate::words::notice::Lang;

use parse::{
    count, exempt, keepalive, level, listen, seconds, seconds_or_zero, size, user_timeout,
};

mod parse;
mod sums;

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

const _: () = assert!(QUANTUM_BYTES <= READ_BYTES_MAX);
const _: () = assert!(DOORWAY_MAX + 20 <= DESCRIPTORS_RESERVED);
const _: () = assert!(WINDOW_BYTES_MIN as usize / WINDOW_SHARE >= STANDING_BYTES_MAX);

const WINDOW_BYTES_MIN: u64 = 32 * 1024;
const LINE_BYTES_MAX: u64 = (STANDING_BYTES_MAX - NAMED_BYTES_MAX) as u64;

/// The settings of a server. `Config::default()` is what it has without any flag.
#[derive(Clone, Debug, Parser)]
#[command(mut_args(under_headings()))]
pub struct Config {
    /// Address and port to listen on; give it again for more. A port alone is every address, of
    /// IPv6 too where there is IPv6; port 0 takes a free one
    #[arg(long, value_name = "ADDR", value_delimiter = ',', value_parser = listen)]
    #[arg(default_values_t = [Listen::Everywhere(PORT)])]
    pub listen: Vec<Listen>,

    /// Relay bytes as they come, without names or line ends, for scripts made for a bare relay
    #[arg(long, value_parser = BoolishValueParser::new())]
    pub raw: bool,

    /// Do not send a client's own messages back to it
    #[arg(long, value_parser = BoolishValueParser::new())]
    pub no_echo: bool,

    /// Leave addresses out of what everybody sees
    #[arg(long, value_parser = BoolishValueParser::new())]
    pub hide_addresses: bool,

    /// Lines said earlier that a newcomer is shown, as far as --history-bytes allows [0..]
    #[arg(long, value_name = "LINES", default_value_t = 0)]
    pub history: usize,

    /// Language of the server's own words: en or ko
    /// [default: as LC_ALL, LC_MESSAGES or LANG says, else en]
    #[arg(long, value_name = "LANG", value_enum, hide_possible_values = true)]
    pub lang: Option<Lang>,

    /// Do not print the conversation on standard output
    #[arg(long, value_parser = BoolishValueParser::new())]
    pub quiet: bool,

    /// What is logged on standard error: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = level)]
    pub log_level: LevelFilter,

    /// Clients at once; more are told `server full` [1..]
    /// [default: the descriptors this process may open, less 64]
    #[arg(long, value_name = "CLIENTS", value_parser = size(1..), help_heading = "Limits")]
    pub max_clients: Option<usize>,

    /// Bytes of a line; a longer one is thrown away and its sender told [1..=8057]
    #[arg(long, value_name = "BYTES", default_value_t = 4096)]
    #[arg(value_parser = size(1..=LINE_BYTES_MAX))]
    pub max_line: usize,

    /// Bytes without a line end at which a client is closed; at least --max-line [1..=1073741824]
    #[arg(long, value_name = "BYTES", default_value_t = 65536, value_parser = size(1..=1 << 30))]
    pub max_endless: usize,

    /// Bytes of conversation kept for slow readers, all sharing them; who falls further behind is
    /// told how many lines it missed [32768..=1073741824]
    #[arg(long, value_name = "BYTES", default_value_t = 4194304)]
    #[arg(value_parser = size(WINDOW_BYTES_MIN..=1 << 30))]
    pub window: usize,

    /// Bytes of what was said earlier that are shown at most: to a newcomer, or with /history
    /// [0..=7000]
    #[arg(long, value_name = "BYTES", default_value_t = 4096, value_parser = size(0..=7000))]
    pub history_bytes: usize,

    /// Bytes of private replies that may wait for one client; with more it is not read, with twice
    /// as many it is closed. As many of private messages may wait, more are refused
    /// [8192..=1048576]
    #[arg(long, value_name = "BYTES", default_value_t = 8192, value_parser = size(8192..=1 << 20))]
    pub max_private: usize,

    /// Connections from one address (IPv6: from one /64 network); 0 is no limit [0..]
    #[arg(long, value_name = "CONNECTIONS", default_value_t = 64)]
    pub per_address: usize,

    /// Lines a second of one client in the long run; it is not read until the next is due, nothing
    /// is lost; 0 is no limit [0..=1000000]
    #[arg(long, value_name = "LINES", default_value_t = 10, value_parser = count(0..=1_000_000))]
    pub rate: u32,

    /// Lines that the clients of one address may say at once before --rate holds for each of them
    /// [1..=1000000]
    #[arg(long, value_name = "LINES", default_value_t = 20, value_parser = count(1..=1_000_000))]
    pub burst: u32,

    /// Network whose clients --per-address and --rate do not hold for; give it again for more, or
    /// `none` [default: 127.0.0.0/8 and ::1/128]
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = exempt)]
    pub exempt: Vec<Exempt>,

    /// Join and leave notices a second, and at once; what is more comes as one summary a second,
    /// with 0 all of it [0..=50]
    #[arg(long, value_name = "NOTICES", default_value_t = 10, value_parser = count(0..=50))]
    pub notices: u32,

    /// Seconds for which more joins and leaves than --notices are collected into one summary
    /// [0.001..]
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub summary: Duration,

    /// Seconds for which a newcomer's first words are waited for before it is greeted and
    /// announced: a browser that has come to the wrong door is told apart by them; 0 is not at all
    /// [0..]
    #[arg(long, value_name = "SECONDS", default_value = "0.1", value_parser = seconds_or_zero)]
    pub greeting: Duration,

    /// Seconds of quiet after which what a peer that has never ended a line has sent is a message
    /// [0.001..]
    #[arg(long, value_name = "SECONDS", default_value = "0.2", value_parser = seconds)]
    pub chunk_quiet: Duration,

    /// Seconds after the first byte of such a message at which it is one at the latest, and a
    /// single character is one [0.001..]
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub chunk_age: Duration,

    /// Wait for the end of a line at most this many seconds, once a client has ended a line before
    /// [0.001..]
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    pub line_wait: Duration,

    /// Seconds after which a client that has taken no byte of what waits for it is reset. What a
    /// last offer puts into the kernel counts as taken, so it may be twice as long [0.001..]
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub stuck: Duration,

    /// Seconds after which a client that has said nothing is closed; 0 is never [0..]
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds_or_zero)]
    pub idle: Duration,

    /// Seconds without progress after which a client that is being closed is reset [0.001..]
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub flush: Duration,

    /// Seconds for which input is thrown away after the goodbye, so that the peer can read it
    /// [0.001..]
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub drain: Duration,

    /// Bytes of input thrown away after the goodbye [1..=1073741824]
    #[arg(long, value_name = "BYTES", default_value_t = 65536, value_parser = count(1..=1 << 30))]
    pub drain_bytes: u32,

    /// Seconds that a stop may take, until all that was said is delivered [0.001..]
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub shutdown: Duration,

    /// Bytes of conversation taken in between two rounds of sending, if they are at most a quarter
    /// of --window. A round fits one write if they are 1 KiB less than twice --send-buffer
    /// [8192..=16777216]
    #[arg(long, value_name = "BYTES", default_value_t = 64512, value_parser = size(8192..=1 << 24))]
    #[arg(help_heading = "Tuning")]
    pub turn_bytes: usize,

    /// Bytes offered to one client at once; at least --turn-bytes [8192..=16777216]
    #[arg(long, value_name = "BYTES", default_value_t = 65536, value_parser = size(8192..=1 << 24))]
    pub write_bytes: usize,

    /// Writes after which a round of sending looks at newcomers and signals [1..]
    #[arg(long, value_name = "WRITES", default_value_t = 1000, value_parser = size(1..))]
    pub slice_writes: usize,

    /// Bytes taken by clients after which a round of sending looks at newcomers and signals [1..]
    #[arg(long, value_name = "BYTES", default_value_t = 4194304, value_parser = size(1..))]
    pub slice_bytes: usize,

    /// Connections that may wait in the kernel to be accepted, and that are accepted in one turn;
    /// it may allow fewer (somaxconn)
    /// [1..=65535]
    #[arg(long, value_name = "CONNECTIONS", default_value_t = 4096)]
    #[arg(value_parser = value_parser!(i32).range(1..=65535))]
    pub accept_queue: i32,

    /// Bytes of each client's send buffer in the kernel (SO_SNDBUF) [4096..=268435456]
    #[arg(long, value_name = "BYTES", default_value_t = 32768, value_parser = size(4096..=1 << 28))]
    pub send_buffer: usize,

    /// Bytes in it that are not on their way yet and at which it takes no more (TCP_NOTSENT_LOWAT);
    /// the shared transcript does the buffering [1..=268435456]
    #[arg(long, value_name = "BYTES", default_value_t = 16384, value_parser = count(1..=1 << 28))]
    pub unsent: u32,

    /// Bytes of each client's receive buffer in the kernel (SO_RCVBUF) [2048..=268435456]
    #[arg(long, value_name = "BYTES", default_value_t = 32768, value_parser = size(2048..=1 << 28))]
    pub receive_buffer: usize,

    /// Seconds of silence after which the kernel asks whether a peer is still there (TCP
    /// keepalive): a packet each way, 167 of them a second for 10000 silent clients [1..=32767]
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = keepalive)]
    pub keepalive: Duration,

    /// Seconds between its further questions while there is no answer [1..=32767]
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = keepalive)]
    pub keepalive_interval: Duration,

    /// Questions without an answer after which it gives the peer up, if --user-timeout is 0: else
    /// that decides [1..=127]
    #[arg(long, value_name = "PROBES", default_value_t = 3, value_parser = count(1..=127))]
    pub keepalive_probes: u32,

    /// Seconds that sent bytes and questions may stay unanswered before the kernel gives the peer
    /// up (TCP_USER_TIMEOUT); more than --stuck, or either may be the first; long enough for
    /// --keepalive-probes, or a lost one ends a silent client; 0 leaves sent bytes to the kernel,
    /// which tries for a quarter of an hour [0..=2147483]
    #[arg(long, value_name = "SECONDS", default_value = "125", value_parser = user_timeout)]
    pub user_timeout: Duration,
}

/// A flag without a heading stands under that of the flag before it.
fn under_headings() -> impl FnMut(Arg) -> Arg {
    let mut heading: Option<Str> = None;
    move |flag| {
        let own = flag.get_help_heading().map(|own| own.to_owned().into());
        heading = own.or(heading.take());
        flag.help_heading(Resettable::from(heading.clone()))
    }
}

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// On one address.
    At(SocketAddr),
    /// On every address, at this port.
    Everywhere(u16),
}

impl Listen {
    /// The address to listen on, and another one, of IPv6, which a machine may not have.
    pub fn addresses(self) -> (SocketAddr, Option<SocketAddr>) {
        match self {
            Listen::At(address) => (address, None),
            Listen::Everywhere(port) => {
                let second = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
                (SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), Some(second))
            }
        }
    }
}

/// As it is written.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::At(address) => write!(f, "{address}"),
            Listen::Everywhere(port) => write!(f, "{port}"),
        }
    }
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
        Config::parse_from(["chinwag"])
    }
}

impl Config {
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
            line_wait: self.line_wait,
            raw: self.raw,
        }
    }

    /// The form in which the conversation is printed on standard output: lines.
    pub fn log_form(&self) -> Form {
        if self.raw && !self.quiet { Form::Log } else { Form::Plain }
    }

    /// How much a reader of this form is offered at once.
    pub fn terms(&self, form: Form) -> Terms {
        Terms { bytes_max: self.write_bytes, lang: self.lang(), form }
    }

    /// The language of the server's own words; English if nothing is said.
    pub fn lang(&self) -> Lang {
        self.lang.unwrap_or_default()
    }

    /// How fast a client that is not exempt may say lines.
    pub fn pace(&self) -> Pace {
        Pace::per_second(self.rate, self.burst)
    }

    /// How fast people may be announced one by one; `None` is never.
    pub fn notice_pace(&self) -> Option<Pace> {
        (self.notices > 0).then(|| Pace::per_second(self.notices, self.notices))
    }

    /// How fast one address may be announced, so that one that comes and goes leaves room for
    /// others.
    pub fn address_notice_pace(&self) -> Pace {
        Pace { every: Duration::from_secs(1), burst: 2 * self.notices.max(1) }
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
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::parse::exempt;
    use super::*;

    #[test]
    fn loopback_is_exempt_unless_something_else_is_said() {
        let config = Config::default();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(config.is_exempt(address("127.9.9.9")));
        assert!(config.is_exempt(address("::ffff:127.0.0.1")));
        assert!(!config.is_exempt(address("10.0.0.1")));
        let exempt = vec![exempt("10.0.0.0/8").unwrap()];
        let config = Config { exempt, ..config };
        assert!(config.is_exempt(address("10.1.2.3")));
        assert!(!config.is_exempt(address("127.0.0.1")));
        let config = Config { exempt: vec![Exempt::Nobody], ..config };
        assert!(!config.is_exempt(address("127.0.0.1")));
    }

    #[test]
    fn the_longest_line_stands_whole_beside_the_longest_name() {
        let longest = STANDING_BYTES_MAX - "~ ".len() - NAME_BYTES_MAX - " \n".len();
        let parsed = |bytes: usize| {
            let flags = ["chinwag", "--max-line", &bytes.to_string()];
            Config::try_parse_from(flags).ok().map(|config| config.max_line)
        };
        assert_eq!((parsed(longest), parsed(longest + 1)), (Some(longest), None));
    }

    #[test]
    fn the_defaults_do_not_depend_on_the_environment() {
        let command = Config::command();
        let variable = command.get_arguments().find_map(|flag| flag.get_env());
        assert_eq!(variable, None);
    }

    #[test]
    fn what_is_said_with_a_flag_holds_and_else_the_default() {
        assert_eq!(Config::default().lang(), Lang::En);
        assert_eq!(Config { lang: Some(Lang::Ko), ..Config::default() }.lang(), Lang::Ko);
        assert_eq!(Config::default().listen, [Listen::Everywhere(50005)]);
    }
}
