//! Checks the settings against each other, and adds up the memory they allow.

use super::{
    Config, Control, DOORWAY_MAX, LOG_BYTES_MAX, Listen, READ_BYTES_MAX, SEND_BUFFER_SPARE,
    STANDING_BYTES_MAX,
};
use crate::bus;
use crate::words::notice::Counted;

/// With room for fewer clients the log warns: perhaps the limit of descriptors was forgotten.
const CLIENTS_FEW: usize = 16;

/// What the program takes without any client: its code, the libraries, its tables and buffers, and
/// the reserved names. Measured: 6 MiB, without optimisation. At most 512 names are reserved, of 3
/// KiB each.
const PROGRAM_BYTES: usize = 8 << 20;

impl Config {
    /// Checks the settings against each other. An error names the flags.
    pub fn check(&self) -> Result<(), String> {
        let rooms = self.listen.iter().filter(|listen| matches!(listen, Listen::Room(_))).count();
        if let Some(first @ (Listen::Room(_) | Listen::Exempt(_))) = self.listen.first() {
            return Err(format!("--listen: {first} stands behind an address, as in 50006,{first}"));
        }
        if rooms > 0 && self.raw {
            return Err("--listen room=NAME cannot be used with --raw, which has one room".into());
        }
        let of_commands = [
            (matches!(self.control, Some(Control::At(_))), "control"),
            (self.password.is_some(), "password"),
            (self.operators.is_some(), "operators"),
            (self.motd.is_some(), "motd"),
            (self.cluster.is_some(), "cluster"),
        ];
        if let Some((_, flag)) = of_commands.into_iter().find(|(is_set, _)| self.raw && *is_set) {
            return Err(format!("--{flag} cannot be used with --raw, which has no commands"));
        }
        let (turn, line) = (self.turn_bytes_max(), self.max_line);
        let pairs = [
            (self.write_bytes, "write-bytes", turn, "turn-bytes", "fast clients would fall behind"),
            (self.max_endless, "max-endless", line, "max-line", "a line may be that long"),
        ];
        match pairs.into_iter().find(|(small, _, large, ..)| small < large) {
            Some((small, few, large, many, why)) => {
                Err(format!("--{few} {small} is less than --{many} {large}: {why}"))
            }
            None => Ok(()),
        }
    }

    /// Warns of settings that are allowed and probably not meant. Each warning names its flags.
    pub fn warnings(&self, clients_max: usize) -> Vec<String> {
        let (probes, wanted) = (self.probes_unanswered(), self.keepalive_probes);
        let few = format!(
            "--user-timeout {} s gives up a silent client after {}, not after the {wanted} of \
             --keepalive-probes",
            self.user_timeout.as_secs_f64(),
            Counted(probes.into(), "unanswered probe"),
        );
        let clients = Counted(clients_max as u64, "client");
        let small = format!("room for {clients} only: see --max-clients, and `ulimit -n` less 64");
        let (turn, buffer) = (self.turn_bytes_max(), 2 * self.send_buffer);
        let large = format!(
            "--turn-bytes {turn} does not fit into --send-buffer {}, of which the kernel uses \
             {buffer}: a flood takes two writes a turn and client",
            self.send_buffer
        );
        let told = [
            (probes < wanted, few),
            (clients_max < CLIENTS_FEW, small),
            (turn + SEND_BUFFER_SPARE > buffer, large),
        ];
        told.into_iter().filter_map(|(is_so, warning)| is_so.then_some(warning)).collect()
    }

    /// How many keepalive probes a silent client leaves unanswered before the kernel drops it, if
    /// the kernel's timers are on time. The kernel checks the user timeout, if there is one, when
    /// it would send a further probe (tcp(7)).
    pub fn probes_unanswered(&self) -> u32 {
        if self.user_timeout.is_zero() {
            return self.keepalive_probes;
        }
        let asked = self.user_timeout.saturating_sub(self.keepalive).as_millis();
        let probes = asked.div_ceil(self.keepalive_interval.as_millis());
        u32::try_from(probes).unwrap_or(u32::MAX).max(1)
    }

    /// The most memory that the server takes with `clients` clients, in bytes: its own, and the
    /// kernel's for their sockets.
    pub fn memory_bytes_max(&self, clients: usize) -> (usize, usize) {
        // The client's record and its part of the tables, its name in the form for comparison, the
        // names that it ignores, its timers, its address, and one address that has left.
        const RECORD: usize = 4096;
        // The room that it may have made: its record, its name, and its topic.
        const ROOM: usize = 4096;
        let input = 2 * (self.max_line + READ_BYTES_MAX);
        let private = 3 * self.max_private;
        let output = private + 2 * STANDING_BYTES_MAX;
        // A connection that is being refused has all that too.
        let connections = clients.saturating_add(DOORWAY_MAX);
        let shared = self.windows_bytes_max() + 2 * self.turn_bytes_max();
        // A queue that doubles, and keeps what was taken until that is half.
        let log = if self.keep.is_some() { 4 * LOG_BYTES_MAX } else { 0 };
        let cluster = if self.cluster.is_some() { bus::BYTES_MAX } else { 0 };
        let own =
            PROGRAM_BYTES + log + cluster + shared + connections * (RECORD + ROOM + input + output);
        // The kernel doubles both sizes for its bookkeeping (socket(7)).
        let kernel = connections * 2 * (self.send_buffer + self.receive_buffer);
        (own, kernel)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;

    #[test]
    fn what_needs_commands_is_refused_in_a_bare_relay() {
        for flags in [["--password", "x"], ["--motd", "x"], ["--operators", "x"]] {
            let config = Config::parse_from(["chinwag", flags[0], flags[1]]);
            assert_eq!(config.check(), Ok(()));
            let told = Config { raw: true, ..config }.check().unwrap_err();
            assert!(told.starts_with(flags[0]) && told.contains("--raw"), "{told}");
        }
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
        assert!(told.ends_with(": fast clients would fall behind"), "{told}");
    }

    #[test]
    fn a_turn_that_does_not_fit_a_socket_is_warned_of() {
        let warnings = |config: &Config| config.warnings(CLIENTS_FEW);
        assert_eq!(warnings(&Config::default()), [""; 0]);
        let one_more = 2 * Config::default().send_buffer - SEND_BUFFER_SPARE + 1;
        let config = Config { turn_bytes: one_more, ..Config::default() };
        let [warning] = &warnings(&config)[..] else { panic!("{:?}", warnings(&config)) };
        assert!(warning.starts_with("--turn-bytes 80897 does not fit into --send-buffer 40960"));
        let config = Config { send_buffer: 41_000, ..config };
        assert_eq!(warnings(&config), [""; 0]);
    }

    #[test]
    fn a_silent_client_has_three_probes_and_two_minutes_by_default() {
        let config = Config::default();
        let probes = config.probes_unanswered();
        assert!(probes >= 3 && probes >= config.keepalive_probes, "{probes}");
        let given_up = config.keepalive + probes * config.keepalive_interval;
        assert!(given_up > Duration::from_secs(120) && given_up <= Duration::from_secs(150));
        // The kernel's deadline for unacknowledged data comes after our own.
        assert!(config.user_timeout > config.stuck);
        assert_eq!(config.warnings(1000), [""; 0]);
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
            assert_eq!(config.warnings(1000).len(), usize::from(unanswered < 3));
        }
        let told = of(65, 10, 3).warnings(1000).concat();
        assert!(told.starts_with("--user-timeout 65 s gives up "), "{told}");
        assert!(told.contains(" after 1 unanswered probe, not after the 3 "), "{told}");
        assert_eq!(of(65, 10, 1).warnings(1000), [""; 0]);
    }

    /// By hand: a connection has 4 KiB of its own, twice 4 + 16 KiB of input, twice 8 + 8 KiB of
    /// output and 8 KiB of private messages. In the kernel it has twice 40 + 32 KiB. The doorway
    /// holds 32 more connections. The program has 8 MiB, all windows 64 MiB, a turn twice 63 KiB.
    /// Each connection may have made a room of 4 KiB.
    #[test]
    fn the_memory_bound_is_a_base_plus_so_much_per_connection() {
        let own =
            |connections: usize| (72 << 20) + (126 << 10) + connections * (4 + 4 + 40 + 40) * 1024;
        let config = Config::default();
        assert_eq!(config.memory_bytes_max(0), (own(32), 32 * 144 * 1024));
        assert_eq!(config.memory_bytes_max(1000), (own(1032), 1032 * 144 * 1024));
    }
}
