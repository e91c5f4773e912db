//! What Prometheus is told: the numbers of the server, as its text format writes them.
//!
//! Nothing here is counted for it alone, but the time of each turn. This file opens no socket: see
//! `scrapes.rs`.

use std::fmt::{Display, Write};
use std::time::Duration;

use crate::hub::Counts;

/// The upper ends of the buckets of turns, in seconds: a turn that takes a hundred times as long as
/// usual is two buckets further.
const BUCKETS: [f64; 9] = [0.00002, 0.0001, 0.0005, 0.002, 0.01, 0.05, 0.2, 1.0, 5.0];

/// How long the turns took, without the waiting.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turns {
    /// One for each of [`BUCKETS`], each without those before it, and one for what is longer.
    counts: [u64; BUCKETS.len() + 1],
    sum: Duration,
}

impl Turns {
    /// Counts a turn that took so long.
    pub fn count(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = BUCKETS.iter().position(|end| seconds <= *end).unwrap_or(BUCKETS.len());
        self.counts[bucket] += 1;
        self.sum += took;
    }
}

/// The state of the server at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    /// How many clients are here.
    pub here: usize,
    /// How many there may be.
    pub clients_max: usize,
    /// How many connections there are, with those that are being refused or closed.
    pub connections: usize,
    /// How many rooms there are.
    pub rooms: usize,
    /// What was counted since the start.
    pub counts: Counts,
    /// The turns since the start.
    pub turns: Turns,
    /// The memory of the process now. `None` if the system does not tell.
    pub memory_bytes: Option<usize>,
    /// The most that it takes.
    pub memory_bytes_max: usize,
    /// The descriptors of the process now. `None` if the system does not tell at once.
    pub descriptors: Option<usize>,
}

impl State {
    /// The text that Prometheus reads.
    pub fn text(&self) -> String {
        let (mut text, counts) = (Text::default(), &self.counts);
        text.gauge("chinwag_clients", "Clients in a conversation.", self.here);
        text.gauge("chinwag_clients_max", "Clients that there may be.", self.clients_max);
        text.gauge("chinwag_connections", "Connections, closing ones too.", self.connections);
        text.gauge("chinwag_rooms", "Rooms, the lobby included.", self.rooms);
        text.counter("chinwag_lines_total", "Lines of all rooms, with notices.", counts.said);
        text.counter(
            "chinwag_deliveries_total",
            "Lines, once for each client there.",
            counts.deliveries,
        );
        text.counter("chinwag_lines_missed_total", "Lines slow clients missed.", counts.missed);
        text.counter("chinwag_lapses_total", "Times a client fell too far behind.", counts.lapses);
        text.counter("chinwag_refused_total", "Connections refused.", counts.refused);
        text.counter("chinwag_read_bytes_total", "Bytes read of clients.", counts.read_bytes);
        text.counter("chinwag_sent_bytes_total", "Bytes sent to clients.", counts.sent_bytes);
        text.turns(&self.turns);
        let most = self.memory_bytes_max;
        text.gauge("chinwag_memory_max_bytes", "Memory it takes at most, without sockets.", most);
        if let Some(bytes) = self.memory_bytes {
            text.gauge("process_resident_memory_bytes", "Memory it takes now.", bytes);
        }
        if let Some(descriptors) = self.descriptors {
            text.gauge("process_open_fds", "Open descriptors.", descriptors);
        }
        text.0
    }
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, "gauge");
        self.sample(name, value);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, help, "counter");
        self.sample(name, value);
    }

    fn turns(&mut self, turns: &Turns) {
        let name = "chinwag_turn_seconds";
        self.head(name, "Time of a turn of the loop, without waiting.", "histogram");
        let mut count = 0;
        for (end, its) in BUCKETS.iter().zip(turns.counts) {
            count += its;
            self.sample(&format!("{name}_bucket{{le=\"{end}\"}}"), count);
        }
        count += turns.counts[BUCKETS.len()];
        self.sample(&format!("{name}_bucket{{le=\"+Inf\"}}"), count);
        self.sample(&format!("{name}_sum"), turns.sum.as_secs_f64());
        self.sample(&format!("{name}_count"), count);
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        self.0.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, value: impl Display) {
        // Writing to a string does not fail.
        writeln!(self.0, "{name} {value}").unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_counts_its_own_turns_and_the_shorter_ones() {
        let mut turns = Turns::default();
        for micros in [1, 20, 21, 3000, 10_000_000] {
            turns.count(Duration::from_micros(micros));
        }
        let text = State { turns, ..State::default() }.text();
        for sample in [
            "_bucket{le=\"0.00002\"} 2\n",
            "_bucket{le=\"0.0001\"} 3\n",
            "_bucket{le=\"0.002\"} 3\n",
            "_bucket{le=\"0.01\"} 4\n",
            "_bucket{le=\"5\"} 4\n",
            "_bucket{le=\"+Inf\"} 5\n",
            "_sum 10.003042\n",
            "_count 5\n",
        ] {
            assert!(text.contains(&format!("chinwag_turn_seconds{sample}")), "{sample}: {text}");
        }
    }

    #[test]
    fn what_the_system_does_not_tell_is_left_out() {
        assert!(!State::default().text().contains("process_"));
        let state = State { memory_bytes: Some(7), descriptors: Some(8), ..State::default() };
        assert!(state.text().contains("\nprocess_resident_memory_bytes 7\n"));
        assert!(state.text().contains("\nprocess_open_fds 8\n"));
    }
}
