//! Every limit and switch of the server: its unit, its reason, what happens at the limit, and its
//! flag.
//!
//! The doc comment of a field is its text in `--help`. `-h` shows the fields before the first
//! heading. The last eleven, from [`Config::summary`] on, are flags like the others, but only this
//! page shows them. Each flag is also a variable: `CHINWAG_MAX_LINE` for `--max-line`.
//!
//! The values are plain: this file opens nothing and starts nothing. `sums` checks them against
//! each other, and adds them up.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{BoolishValueParser, Resettable, Str};
use clap::{Arg, Parser, value_parser};
use ipnet::IpNet;
use log::LevelFilter;

use crate::pace::Pace;
use crate::room::forms::Form;
use crate::room::reading::Terms;
use crate::wire::line::LineRules;
use crate::words::names::Name;
use crate::words::notice::Lang;
use crate::words::voice::Voice;

use parse::{
    count, exempt, host, keepalive, level, listen, proxy, seconds, seconds_or_zero, size,
    user_timeout,
};

mod bounds;
pub mod cluster;
mod listen;
mod networks;
mod parse;
mod sums;

pub use bounds::*;
use cluster::Cluster;
pub use listen::{Control, Listen};
pub use networks::Exempt;

/// The settings of a server. `Config::default()` is the server without any flag.
#[derive(Clone, Debug, Parser)]
#[command(mut_args(under_headings()))]
pub struct Config {
    /// Listen on this address and port; repeat for more
    ///
    /// A port alone means every address, IPv4 and IPv6. Port 0 takes a free port. Host names are
    /// not looked up. unix:PATH is a Unix socket that every user of the machine may connect to, as
    /// nginx makes them: put it into a directory that only some may enter. With ,room=NAME behind
    /// it, new clients stand in that room, not in the lobby. ,exempt=CIDR behind it replaces
    /// --exempt for the clients that come there.
    #[arg(long, value_name = "ADDR", value_delimiter = ',', value_parser = listen)]
    #[arg(default_values_t = [Listen::Everywhere(PORT)])]
    pub listen: Vec<Listen>,

    /// Relay bytes unchanged, without names or added line ends
    ///
    /// For scripts written for a bare relay.
    #[arg(long, value_parser = BoolishValueParser::new())]
    pub raw: bool,

    /// Do not send a client its own messages
    #[arg(long, value_parser = BoolishValueParser::new())]
    pub no_echo: bool,

    /// Keep the addresses of clients out of the conversation
    #[arg(long, value_parser = BoolishValueParser::new())]
    pub hide_addresses: bool,

    /// Show a new client at most this many earlier lines
    ///
    /// The server's own lines do not count. --history-bytes limits their size. [0..]
    #[arg(long, value_name = "LINES", default_value_t = 0)]
    pub history: usize,

    /// Language of the server's own lines: en or ko [default: the locale's, or en]
    ///
    /// The first of LC_ALL, LC_MESSAGES and LANG that is set is the locale.
    #[arg(long, value_name = "LANG", value_enum, hide_possible_values = true)]
    pub lang: Option<Lang>,

    /// Do not print what is said in the lobby on standard output
    #[arg(long, value_parser = BoolishValueParser::new())]
    pub quiet: bool,

    /// Log level on standard error: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = level)]
    pub log_level: LevelFilter,

    /// Accept at most this many clients [default: `ulimit -Hn` less 64]
    ///
    /// Any further client reads `* server full (N)` and is disconnected. [1..]
    #[arg(long, value_name = "CLIENTS", value_parser = size(1..))]
    pub max_clients: Option<usize>,

    /// Accept at most this many from one address; 0 is no limit
    ///
    /// For IPv6, a /64 network counts as one address. [0..]
    #[arg(long, value_name = "CLIENTS", default_value_t = 64)]
    pub per_address: usize,

    /// Read at most this many lines per second of a client; 0 is no limit
    ///
    /// The server reads a faster client later, so nothing is lost. [0..=1000000]
    #[arg(long, value_name = "LINES", default_value_t = 10, value_parser = count(0..=1_000_000))]
    pub rate: u32,

    /// Disconnect a client that sends nothing for this long; 0 is never
    ///
    /// Bytes that are not shown count too. [0..]
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds_or_zero)]
    pub idle: Duration,

    /// Let in only clients that tell this password by /password. Other users of this machine can
    /// see a flag; the variable CHINWAG_PASSWORD hides it. [default: none]
    #[arg(long, value_name = "SECRET", help_heading = "Hosting")]
    pub password: Option<String>,

    /// Show every new client the lines of this file. They are read again by /reload, and on SIGHUP
    /// if the server was started without a terminal. [default: none]
    #[arg(long, value_name = "FILE")]
    pub motd: Option<PathBuf>,

    /// Make a client an operator when it gives /oper a secret of this file. Each line has a name
    /// and a secret. Only the server's user and root may read the file (mode 0600). [default: none]
    #[arg(long, value_name = "FILE")]
    pub operators: Option<PathBuf>,

    /// Do not show a QR code of the server's address on the terminal
    #[arg(long, value_parser = BoolishValueParser::new())]
    pub no_qr: bool,

    /// Let operators connect to this Unix socket, or with `none` to no socket. Only you and root
    /// can connect, by `chinwag ctl` or `nc -U PATH`. PORT is that of the first address. Without
    /// XDG_RUNTIME_DIR root uses /run, and any other user has none; --raw has none.
    /// [default: $XDG_RUNTIME_DIR/chinwag/PORT.sock]
    #[arg(long, value_name = "PATH", value_parser = Control::parse)]
    pub control: Option<Control>,

    /// Keep all that is said in this directory, in a file a day (YYYY-MM-DD.log), and bans, topics
    /// and passwords. Private messages are not kept. After a restart the newest lines are the
    /// history of each room. Without this flag the server writes no file. It does not start if it
    /// cannot write there. Two servers cannot share a directory. [default: none]
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,

    /// With --keep, remove what was said this many days ago when a new day begins; 0 keeps it for
    /// ever [0..=36500]
    #[arg(long, value_name = "DAYS", default_value_t = 0, value_parser = count(0..=36_500))]
    pub keep_days: u32,

    /// Tell Prometheus how the server does, by HTTP at this address and port. It is for the machine
    /// or the network of its operator: there is no password. [default: none]
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<SocketAddr>,

    /// Expect the PROXY protocol (version 1 or 2) from proxies in this network; repeat for more.
    /// With `unix` expect it on every Unix socket. The address of a client is then that in the
    /// header. A connection from there without a header is closed. [default: no proxy]
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = proxy)]
    pub proxy_from: Vec<IpNet>,

    /// Share the conversation with the other servers that have the same stream in the same Redis or
    /// Valkey: `redis://[:PASSWORD@]HOST:PORT/NAME`, with more of HOST:PORT behind commas for a
    /// replica set, or `redis:///PATH/OF/SOCKET/NAME`. Other users of this machine can see a flag;
    /// the variable CHINWAG_CLUSTER hides the password. [default: this server alone]
    #[arg(long, value_name = "URL", value_parser = Cluster::parse, help_heading = "Cluster")]
    pub cluster: Option<Cluster>,

    /// End with exit code 1 if the engine of --cluster cannot be reached at the start, instead of
    /// waiting for it without letting clients in
    #[arg(long, requires = "cluster")]
    pub cluster_required: bool,

    /// The name of this server in the cluster, which no other may have: 1 to 12 of a to z and 0 to
    /// 9. It stands behind the number of a guest, as in guest7-web01. [default: the machine's]
    #[arg(long, value_name = "NAME", value_parser = Cluster::parse_node)]
    pub node: Option<String>,

    /// Drop a line with more bytes than this, and tell its sender [1..=8057]
    #[arg(long, value_name = "BYTES", default_value_t = 4096)]
    #[arg(value_parser = size(1..=LINE_BYTES_MAX), help_heading = "Limits")]
    pub max_line: usize,

    /// Disconnect a client that sends this many bytes without a line end. Must be at least
    /// --max-line. [1..=1073741824]
    #[arg(long, value_name = "BYTES", default_value_t = 65536, value_parser = size(1..=1 << 30))]
    pub max_endless: usize,

    /// Keep this much of each room for slow clients. All clients of the room share it. A client
    /// that falls further behind is told how many lines it missed. [32768..=1073741824]
    #[arg(long, value_name = "BYTES", default_value_t = 4194304)]
    #[arg(value_parser = size(WINDOW_BYTES_MIN..=1 << 30))]
    pub window: usize,

    /// Keep this much of each room in which browsers are or were. A page whose connection was cut
    /// gets what it lacks of it, and the count of the rest. [0..=16777216]
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20, value_parser = size(0..=1 << 24))]
    pub recover: usize,

    /// Keep this much of all rooms together, history included. If it is used up, new lines wait
    /// until the room that keeps most keeps less. [default: 67108864, or 4 times --window]
    /// [1048576..=17179869184]
    #[arg(long, value_name = "BYTES", value_parser = size(1 << 20..=1 << 34))]
    pub windows: Option<usize>,

    /// Show at most this many bytes of earlier lines, to a new client or by /history [0..=7000]
    #[arg(long, value_name = "BYTES", default_value_t = 4096, value_parser = size(0..=7000))]
    pub history_bytes: usize,

    /// Stop reading from a client while this many bytes of replies wait for it. At twice as many,
    /// disconnect it. Private messages to it have the same limit: more are refused.
    /// [8192..=1048576]
    #[arg(long, value_name = "BYTES", default_value_t = 8192, value_parser = size(8192..=1 << 20))]
    pub max_private: usize,

    /// Let the clients of one address send this many lines at once, before --rate applies
    /// [1..=1000000]
    #[arg(long, value_name = "LINES", default_value_t = 20, value_parser = count(1..=1_000_000))]
    pub burst: u32,

    /// Exempt the clients of this network from --per-address and --rate; repeat for more. `none`
    /// exempts none. [default: 127.0.0.0/8 and ::1/128]
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = exempt)]
    pub exempt: Vec<Exempt>,

    /// Let browsers call the server by this name too; repeat for more. They may always call it by
    /// an address, by localhost, and by the name of this machine. By any other name they get
    /// nothing, since a foreign site may have pointed it here. [default: none]
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = host)]
    pub host: Vec<String>,

    /// Send at most this many join and leave notices per second, and as many in a burst. One line
    /// a second sums up the others; with 0, all. [0..=50]
    #[arg(long, value_name = "NOTICES", default_value_t = 10, value_parser = count(0..=50))]
    pub notices: u32,

    /// Wait this long for a new client's first bytes before it is welcomed. A browser is served,
    /// and a client of another protocol is turned away, before that. 0 does not wait: then no
    /// browser can join. [0..]
    #[arg(long, value_name = "SECONDS", default_value = "0.1", value_parser = seconds_or_zero)]
    pub greeting: Duration,

    /// Treat input without a line end as a message after this much silence. This applies until the
    /// client sends its first line end. [0.001..]
    #[arg(long, value_name = "SECONDS", default_value = "0.2", value_parser = seconds)]
    pub chunk_quiet: Duration,

    /// Reset a client that reads nothing for this long while data waits for it. It may take twice
    /// as long: data that the kernel takes counts as read. [0.001..]
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub stuck: Duration,

    /// Take at most this long to deliver everything when the server stops [0.001..]
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub shutdown: Duration,

    /// Read at most this much from all clients between two rounds of sending, and at most a
    /// quarter of --window. A round is one write per client if this is at least 1 KiB less than
    /// twice --send-buffer. [8192..=16777216]
    #[arg(long, value_name = "BYTES", default_value_t = 64512, value_parser = size(8192..=1 << 24))]
    #[arg(help_heading = "Tuning")]
    pub turn_bytes: usize,

    /// Write at most this much to a client at once. Must be at least --turn-bytes.
    /// [8192..=16777216]
    #[arg(long, value_name = "BYTES", default_value_t = 65536, value_parser = size(8192..=1 << 24))]
    pub write_bytes: usize,

    /// Let at most this many connections wait, and accept as many in one turn. The kernel may allow
    /// fewer (net.core.somaxconn). [1..=65535]
    #[arg(long, value_name = "CONNECTIONS", default_value_t = 4096)]
    #[arg(value_parser = value_parser!(i32).range(1..=65535))]
    pub accept_queue: i32,

    /// Kernel send buffer of each client (SO_SNDBUF). If a round fills it, a client on the same
    /// machine that sends much waits for its own delayed acknowledgments. [4096..=268435456]
    #[arg(long, value_name = "BYTES", default_value_t = 40960, value_parser = size(4096..=1 << 28))]
    pub send_buffer: usize,

    /// Kernel receive buffer of each client (SO_RCVBUF) [2048..=268435456]
    #[arg(long, value_name = "BYTES", default_value_t = 32768, value_parser = size(2048..=1 << 28))]
    pub receive_buffer: usize,

    /// Probe a connection that is silent for this long (TCP_KEEPIDLE). A probe is a packet each
    /// way: 167 per second for 10000 silent clients. [1..=32767]
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = keepalive)]
    pub keepalive: Duration,

    /// Drop a connection that leaves data or probes unacknowledged for this long
    /// (TCP_USER_TIMEOUT, only on Linux). Make it longer than --stuck and than several probes.
    /// With 0, the kernel sends data again for about 15 minutes. [0..=2147483]
    #[arg(long, value_name = "SECONDS", default_value = "125", value_parser = user_timeout)]
    pub user_timeout: Duration,

    /// Collect joins and leaves beyond --notices for this long into one line [0.001..]
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    #[arg(help_heading = HIDDEN)]
    pub summary: Duration,

    /// Longest wait for a message without a line end, from its first byte. A single character
    /// always waits this long. [0.001..]
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub chunk_age: Duration,

    /// Longest wait for the end of a line, once the client has ended a line before. Then what came
    /// is a line. [0.001..]
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    pub line_wait: Duration,

    /// Reset a client that is being disconnected and reads nothing for this long. Like --stuck, it
    /// may take twice as long. [0.001..]
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub flush: Duration,

    /// Read and discard input for this long after the last line to a client. A close with unread
    /// input would reset the connection, and the client might not read that line. [0.001..]
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub drain: Duration,

    /// Discard at most this much input after the last line to a client [1..=1073741824]
    #[arg(long, value_name = "BYTES", default_value_t = 65536, value_parser = count(1..=1 << 30))]
    pub drain_bytes: u32,

    /// Look for new clients and signals after this many writes of a round of sending [1..]
    #[arg(long, value_name = "WRITES", default_value_t = 1000, value_parser = size(1..))]
    pub slice_writes: usize,

    /// Look for new clients and signals after this many bytes of a round of sending [1..]
    #[arg(long, value_name = "BYTES", default_value_t = 4194304, value_parser = size(1..))]
    pub slice_bytes: usize,

    /// Stop writing to a client with this many bytes still unsent (TCP_NOTSENT_LOWAT, only on
    /// Linux). The shared transcript does the buffering. [1..=268435456]
    #[arg(long, value_name = "BYTES", default_value_t = 16384, value_parser = count(1..=1 << 28))]
    pub unsent: u32,

    /// Time between further probes while no answer comes (TCP_KEEPINTVL) [1..=32767]
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = keepalive)]
    pub keepalive_interval: Duration,

    /// Unanswered probes before the connection is dropped (TCP_KEEPCNT). They decide only if
    /// --user-timeout is 0. With the defaults --user-timeout decides, after 3 or 4 probes: 125 to
    /// 150 s after the last packet, as the kernel's timers are late by up to an eighth. A link that
    /// is down for less than 40 s costs no connection. [1..=127]
    #[arg(long, value_name = "PROBES", default_value_t = 3, value_parser = count(1..=127))]
    pub keepalive_probes: u32,
}

/// Flags that nobody had to set yet: only this page describes them.
const HIDDEN: &str = "Hidden";

/// A flag without a heading stands under that of the flag before it. `-h` shows those above the
/// first heading, `--help` all but the hidden ones.
fn under_headings() -> impl FnMut(Arg) -> Arg {
    let mut heading: Option<Str> = None;
    move |flag| {
        let own = flag.get_help_heading().map(|own| own.to_owned().into());
        heading = own.or(heading.take());
        let is_hidden = heading.as_ref().is_some_and(|heading| heading == HIDDEN);
        let flag = flag.hide(is_hidden).hide_short_help(heading.is_some());
        flag.help_heading(Resettable::from(heading.clone()))
    }
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

    /// The most memory of what all rooms keep.
    pub fn windows_bytes_max(&self) -> usize {
        self.windows.unwrap_or(WINDOWS_BYTES.max(4 * self.window))
    }

    /// Each address to listen on, and the room of the clients that come there; `None` is the lobby.
    pub fn listeners(&self) -> Vec<(&Listen, Option<&Name>)> {
        let mut listeners: Vec<(&Listen, Option<&Name>)> = Vec::new();
        for listen in &self.listen {
            match (listen, listeners.last_mut()) {
                (Listen::Room(name), Some(last)) => last.1 = Some(name),
                (Listen::Room(_), None) | (Listen::Exempt(_), _) => {}
                _ => listeners.push((listen, None)),
            }
        }
        listeners
    }

    /// The rules that split input into lines.
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

    /// Whether messages that come at one moment are sent one by one: the clients of a bare relay
    /// may have small buffers.
    pub fn parts_bursts(&self) -> bool {
        self.raw
    }

    /// The form in which the conversation is printed on standard output: lines.
    pub fn log_form(&self) -> Form {
        if self.raw && !self.quiet { Form::Log } else { Form::Plain }
    }

    /// How much a reader of this form is offered at once.
    pub fn terms(&self, form: Form) -> Terms {
        Terms { bytes_max: self.write_bytes, lang: self.lang(), form, lines_end: u64::MAX }
    }

    /// The language of notices; English if none is set.
    pub fn lang(&self) -> Lang {
        self.lang.unwrap_or_default()
    }

    /// How the server writes its notices.
    pub fn voice(&self) -> Voice {
        Voice { lang: self.lang(), is_mute: self.raw }
    }

    /// Whether a browser can join: a client's first bytes are waited for.
    pub fn serves_browsers(&self) -> bool {
        !self.greeting_time().is_zero()
    }

    /// How long to wait for the first bytes of a new client. A bare relay does not wait.
    pub fn greeting_time(&self) -> Duration {
        if self.raw { Duration::ZERO } else { self.greeting }
    }

    /// The rate limit of a client that is not exempt.
    pub fn pace(&self) -> Pace {
        Pace::per_second(self.rate, self.burst)
    }

    /// The rate limit of single join and leave notices; `None` allows none.
    pub fn notice_pace(&self) -> Option<Pace> {
        (self.notices > 0).then(|| Pace::per_second(self.notices, self.notices))
    }

    /// The same for one address: if its clients come and go, notices remain for others.
    pub fn address_notice_pace(&self) -> Pace {
        Pace { every: Duration::from_secs(1), burst: 2 * self.notices.max(1) }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::words::names::NAME_BYTES_MAX;

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
