//! The load generator finds a server that is wrong, and passes one that is right.

use std::ffi::OsString;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::chinwag_program;
use clap::CommandFactory;
use scripts::crowd::gauge::Connections;
use scripts::crowd::load::{self, Load, Pace, Talker, Until};
use scripts::crowd::program::run_with;
use scripts::crowd::sockets::{Crowd, Server};
use scripts::crowd::started::Started;
use scripts::stress::app;
use scripts::stress::flags::Flags;
use serde_json::Value;

fn chinwag() -> Started {
    let flags = ["--listen", "127.0.0.1:0", "--quiet", "--log-level", "warn"];
    Started::new(&chinwag_program(), &flags).unwrap()
}

fn talkers(count: usize, window: u64) -> Vec<Talker> {
    let pace = Pace::Window(window);
    vec![Talker { pace, message_bytes: 64, timed: true }; count]
}

#[test]
fn every_delivery_of_the_server_is_counted_and_right() {
    let server = chinwag();
    let mut crowd = Crowd::of_chinwag(server.address, 50).unwrap();
    for window in [1, 100] {
        let until = Until::Heard(200);
        let report = load::run(&mut crowd, &talkers(5, window), until).unwrap();
        assert_eq!(report.deliveries, 50 * 5 * 200);
        assert_eq!(report.lines_missed, 0);
    }
}

#[test]
fn more_clients_connect_before_the_accepted_ones_are_let_in() {
    let flags = ["--listen", "127.0.0.1:0", "--quiet", "--lang", "en", "--greeting", "3600"];
    let server = Started::new(&chinwag_program(), &flags).unwrap();
    let connections = Some(Connections::of(server.pid()).unwrap());
    let mut crowd = Crowd::new(Server::chinwag(server.address, connections)).unwrap();
    // More than may wait in the queue. All of them connect, and only then it is noticed that none
    // is welcomed.
    let told = crowd.connect(3200).unwrap_err().to_string();
    assert!(told.contains("it has let in 0 of 3200"), "{told}");
}

#[test]
fn what_is_said_late_has_been_waited_for_since_it_was_due() {
    let server = chinwag();
    let mut crowd = Crowd::of_chinwag(server.address, 2).unwrap();
    let pace = Pace::Every(Duration::from_millis(10));
    let talker = Talker { pace, message_bytes: 64, timed: true };
    let mut load = Load::new(&mut crowd, &[talker], Until::Heard(3));
    thread::sleep(Duration::from_millis(300));
    while !load.is_over() {
        load.turn(load::WAIT_MAX).unwrap();
    }
    let report = load.report().unwrap();
    assert!(report.latency_us(1.0) >= 250e3, "{} us", report.latency_us(1.0));
}

/// How a fake server treats a line wrongly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wrong {
    Not,
    Drops,
    /// The same, and then other clients talk without end.
    DropsAndChats,
    Doubles,
    Swaps,
    Tears,
    Alters,
    Interleaves,
    Miscounts,
    CountsRight,
}

/// Which clients it treats wrongly.
#[derive(Clone, Copy, Debug)]
pub enum To {
    All,
    /// The client that connected last.
    Last,
}

/// A server that sends the lines of its first client to all, with its name, and is wrong on
/// purpose.
#[derive(Clone, Copy, Debug)]
pub struct Fake {
    pub wrong: Wrong,
    pub to: To,
    /// At which line; the first line comes before the messages.
    pub at_line: usize,
}

pub const READERS: usize = 3;
pub const MESSAGES: usize = 200;
pub const IN_THE_MIDDLE: usize = 20;
const THE_LAST: usize = MESSAGES + 1;

/// The last but one digit of the number, in a line of 64 bytes.
const DIGIT: usize = 62;

impl Fake {
    pub fn start(self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || self.serve(&listener));
        address
    }

    fn serve(self, listener: &TcpListener) {
        let mut clients = Vec::new();
        while clients.len() < READERS {
            welcome(&mut clients, listener.accept().unwrap().0);
        }
        listener.set_nonblocking(true).unwrap();
        clients[0].set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let (mut said, mut buffer, mut lines) = (Vec::new(), [0; 4096], 0_usize);
        loop {
            match clients[0].read(&mut buffer) {
                Ok(bytes @ 1..) => said.extend_from_slice(&buffer[..bytes]),
                Err(error) if is_for_now(error.kind()) => {}
                Ok(0) | Err(_) => return,
            }
            if self.wrong == Wrong::DropsAndChats && lines >= self.at_line {
                let chat = |mut client: &TcpStream| client.write_all(b"somebody: well\n");
                clients.iter().for_each(|client| chat(client).unwrap_or_default());
            }
            // A dripping client connects before the first message.
            while let Ok((client, _)) = listener.accept() {
                welcome(&mut clients, client);
            }
            while let Some(at) = said.iter().position(|byte| *byte == b'\n') {
                let rest = said.split_off(at + 1);
                let line = [b"guest1: ", &said[..]].concat();
                said = rest;
                lines += 1;
                let last = clients.len() - 1;
                for (key, client) in clients.iter_mut().enumerate() {
                    let is_wrong = matches!(self.to, To::All) || key == last;
                    let after = lines.checked_sub(self.at_line).filter(|_| is_wrong);
                    let words = after.map_or(line.clone(), |after| self.wrong.words(after, &line));
                    // A client that has found the fault has left.
                    client.write_all(&words).unwrap_or_default();
                }
            }
        }
    }
}

/// Whether a read only timed out, where a non-blocking one would have blocked.
fn is_for_now(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Interrupted | ErrorKind::WouldBlock)
}

fn welcome(clients: &mut Vec<TcpStream>, mut client: TcpStream) {
    let number = clients.len() + 1;
    writeln!(client, "* welcome, you are guest{number}, {number} here").unwrap();
    clients.push(client);
}

impl Wrong {
    /// The bytes instead of a line, this many lines after the first wrong one.
    fn words(self, after: usize, line: &[u8]) -> Vec<u8> {
        let altered = |by: u8| {
            let mut altered = line.to_vec();
            altered[DIGIT] -= by;
            altered
        };
        match (self, after) {
            (Wrong::Drops | Wrong::DropsAndChats | Wrong::Swaps, 0) => Vec::new(),
            (Wrong::Doubles, 0) => [line, line].concat(),
            // The line before this one ended inside its number.
            (Wrong::Swaps, 1) => [line, &altered(1)].concat(),
            (Wrong::Tears, 0) => line[line.len() / 2..].to_vec(),
            (Wrong::Alters, 0) => altered(1),
            (Wrong::Interleaves, 0) => [&line[..30], line, &line[30..]].concat(),
            (Wrong::Miscounts | Wrong::CountsRight, 0 | 1) => Vec::new(),
            (Wrong::Miscounts, 2) => [b"* you missed 1 line\n", line].concat(),
            (Wrong::CountsRight, 2) => [b"* you missed 2 lines\n", line].concat(),
            _ => line.to_vec(),
        }
    }
}

pub const FAULTS: [Wrong; 7] = [
    Wrong::Drops,
    Wrong::Doubles,
    Wrong::Swaps,
    Wrong::Tears,
    Wrong::Alters,
    Wrong::Interleaves,
    Wrong::Miscounts,
];

/// A run of the program: its exit code, its output and its errors.
struct Run {
    code: u8,
    out: String,
    err: String,
}

impl Run {
    fn new(flags: &[&str]) -> Run {
        let arguments = ["stress"].iter().chain(flags).map(OsString::from);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run_with(arguments, &mut out, &mut err, app::run);
        let [out, err] = [out, err].map(|text| String::from_utf8(text).unwrap());
        Run { code, out, err }
    }

    /// Runs it against a server, with JSON.
    fn against(address: SocketAddr, flags: &[&str]) -> Run {
        let address = address.to_string();
        Run::new(&[&["--no-calls", "--json", "-", &address], flags].concat())
    }

    fn against_fake(wrong: Wrong, to: To, at_line: usize, flags: &[&str]) -> Run {
        let fake = Fake { wrong, to, at_line };
        let usual = ["--messages", "200", "--window", "10"];
        Run::against(fake.start(), &[&usual, flags].concat())
    }

    fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.err);
        serde_json::from_str(&self.out).unwrap()
    }

    /// Asserts that it failed, and that its one line of error blames the server.
    #[track_caller]
    fn assert_found(&self, what: impl std::fmt::Debug) {
        assert_eq!(self.code, 1, "{what:?} was not found");
        assert!(self.err.starts_with("stress: the server is wrong: "), "{what:?}: {}", self.err);
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
    }
}

const THREE: [&str; 2] = ["--clients", "3"];
const THREE_AND_ONE_THAT_DRIPS: [&str; 4] = ["--clients", "4", "--drip", "0.25"];

#[test]
fn a_server_that_is_wrong_about_one_line_to_one_client_is_found() {
    for wrong in FAULTS {
        Run::against_fake(wrong, To::Last, IN_THE_MIDDLE, &THREE).assert_found(wrong);
    }
}

#[test]
fn a_server_that_is_wrong_about_one_line_to_all_is_found() {
    // A client that reads of more missed lines than there were gets no notice of those that follow.
    for wrong in FAULTS.into_iter().filter(|wrong| *wrong != Wrong::Miscounts) {
        Run::against_fake(wrong, To::All, IN_THE_MIDDLE, &THREE).assert_found(wrong);
    }
}

#[test]
fn a_server_that_is_wrong_in_one_line_to_a_slow_one_is_found() {
    for wrong in FAULTS {
        let flags = &THREE_AND_ONE_THAT_DRIPS;
        Run::against_fake(wrong, To::Last, IN_THE_MIDDLE, flags).assert_found(wrong);
    }
}

#[test]
fn a_server_that_is_wrong_about_the_last_message_is_found() {
    for wrong in [Wrong::Doubles, Wrong::Tears, Wrong::Alters, Wrong::Interleaves] {
        Run::against_fake(wrong, To::Last, THE_LAST, &THREE).assert_found(wrong);
        let flags = &THREE_AND_ONE_THAT_DRIPS;
        if wrong != Wrong::Doubles {
            Run::against_fake(wrong, To::Last, THE_LAST, flags).assert_found(wrong);
        }
    }
}

#[test]
fn a_last_message_that_does_not_come_is_not_awaited_for_ever() {
    // Nor if other clients talk meanwhile.
    thread::scope(|scope| {
        for (wrong, to) in [(Wrong::Drops, To::Last), (Wrong::DropsAndChats, To::All)] {
            scope.spawn(move || {
                Run::against_fake(wrong, to, THE_LAST, &THREE).assert_found(wrong);
            });
        }
    });
}

#[test]
fn a_server_that_is_right_or_tells_what_was_missed_passes() {
    let count = |run: &Run, key: &str| run.json()[key].as_u64().unwrap();
    let run = Run::against_fake(Wrong::Not, To::All, 1, &THREE);
    assert_eq!(count(&run, "deliveries"), 3 * 200);
    let run = Run::against_fake(Wrong::CountsRight, To::Last, IN_THE_MIDDLE, &THREE);
    assert_eq!((count(&run, "deliveries"), count(&run, "lines_missed")), (3 * 200 - 2, 2));
    let run = Run::against_fake(Wrong::CountsRight, To::All, IN_THE_MIDDLE, &THREE);
    assert_eq!((count(&run, "deliveries"), count(&run, "lost")), (3 * 198, 2));
    let flags = &THREE_AND_ONE_THAT_DRIPS;
    let run = Run::against_fake(Wrong::CountsRight, To::Last, IN_THE_MIDDLE, flags);
    let missed = count(&run, "trouble_lines_missed");
    assert_eq!((missed, count(&run, "trouble_messages")), (2, 198));
}

/// A number of the JSON, which must be there.
fn count(json: &Value, key: &str) -> u64 {
    json[key].as_u64().unwrap_or_else(|| panic!("{key}: {}", json[key]))
}

/// The same number of all objects in a list, added up.
fn sum(json: &Value, list: &str, key: &str) -> u64 {
    json[list].as_array().unwrap().iter().map(|one| count(one, key)).sum()
}

#[track_caller]
fn assert_sums_agree(json: &Value) {
    let [said, lost, reading] = ["said", "lost", "reading"].map(|key| count(json, key));
    let [deliveries, missed] = ["deliveries", "messages_missed"].map(|key| count(json, key));
    assert_eq!(deliveries + missed + lost * reading, said * reading);
    assert_eq!(sum(json, "intervals", "deliveries"), deliveries);
    assert_eq!(sum(json, "senders", "said"), said);
    assert_eq!(sum(json, "senders", "lost"), lost);
    let kinds = ["reading", "stuck", "dripping", "resetting", "reconnecting"];
    let clients: u64 = kinds.iter().map(|key| count(json, key)).sum();
    assert_eq!(clients, count(json, "clients"));
    let times = json["intervals"].as_array().unwrap().iter().map(|one| &one["seconds"]);
    let time: f64 = times.map(|seconds| seconds.as_f64().unwrap()).sum();
    assert!((time - json["seconds"].as_f64().unwrap()).abs() < 0.01, "{time} {json:#}");
}

#[test]
fn every_kind_of_client_passes_the_server_and_the_sums_agree() {
    let server = chinwag();
    for (kind, key) in [
        ("--stuck", "stuck"),
        ("--drip", "dripping"),
        ("--reset", "resetting"),
        ("--reconnect", "reconnecting"),
    ] {
        for pace in [["--window", "20"], ["--rate", "200"]] {
            let flags = ["--clients", "20", kind, "0.5", "--senders", "3", "--seconds", "0.5"];
            let json = Run::against(server.address, &[&flags[..], &pace].concat()).json();
            assert_sums_agree(&json);
            assert_eq!((count(&json, key), count(&json, "reading")), (10, 10));
            let is_counted = json["cpu_ns_per_delivery"].is_number();
            assert!(count(&json, "said") > 0 && is_counted, "{json:#}");
            if kind == "--stuck" {
                continue;
            }
            let least = if kind == "--drip" { 10 } else { 11 };
            assert!(count(&json, "trouble_connects") >= least, "{json:#}");
            assert!(count(&json, "trouble_welcomes") >= least, "{json:#}");
            // In a flood with a window, the machine decides how much there is to miss.
            if pace[0] == "--rate" {
                assert_eq!(count(&json, "trouble_lines_missed"), 0, "{json:#}");
            }
        }
    }
}

#[test]
fn a_flood_and_a_rate_are_counted_and_the_sums_agree() {
    let server = chinwag();
    for pace in [&["--flood"][..], &["--rate", "50"], &["--window", "7"]] {
        let usual = ["--clients", "10", "--senders", "2", "--seconds", "0.4"];
        let json = Run::against(server.address, &[&usual, pace].concat()).json();
        assert_sums_agree(&json);
        assert!(count(&json, "timed") > 0);
        if pace[0] == "--rate" {
            assert!((38..=42).contains(&count(&json, "said")), "{json:#}");
        }
    }
}

#[test]
fn one_that_drips_is_told_what_it_missed_of_a_flood() {
    let flags = ["--window", "32768", "--turn-bytes", "8192", "--lang", "en", "--quiet"];
    let flags = [&flags[..], &["--listen", "127.0.0.1:0", "--log-level", "warn"]].concat();
    let server = Started::new(&chinwag_program(), &flags).unwrap();
    let flags = ["--clients", "10", "--drip", "0.2", "--messages", "10000", "--window", "50"];
    let json = Run::against(server.address, &flags).json();
    assert_sums_agree(&json);
    // They were in before the first line, so each has received every line or was told that it
    // missed it. Of 640 KB, the window and the kernel keep less than a third.
    let (dripping, missed) = (count(&json, "dripping"), count(&json, "trouble_lines_missed"));
    assert!(count(&json, "trouble_messages") + missed >= dripping * 10_000, "{json:#}");
    assert!(missed > dripping * 6000, "{json:#}");
}

#[test]
fn by_itself_it_starts_a_server_shows_a_table_and_writes_files() {
    let folder = std::env::temp_dir().join(format!("chinwag-stress-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let [json, svg] = ["it.json", "it.svg"].map(|name| folder.join(name));
    let (json_file, svg_file) = (json.to_str().unwrap(), svg.to_str().unwrap());
    let flags = ["--clients", "20", "--rate", "100", "--seconds", "0.5", "--json", json_file];
    let run = Run::new(&[&flags[..], &["--plot", svg_file]].concat());
    assert_eq!((run.code, &*run.err), (0, ""));
    for row in ["deliveries, all checked", "latency p99", "memory per client", "system calls"] {
        assert!(run.out.contains(row), "no {row} in {}", run.out);
    }
    let [json, svg] = [json, svg].map(|path| std::fs::read_to_string(path).unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
    assert_sums_agree(&serde_json::from_str(&json).unwrap());
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
    for text in ["Latency", "ms (log scale)", "Throughput", "deliveries/s"] {
        assert!(svg.contains(text), "no {text} in the picture");
    }
    assert_eq!(svg.matches("time (s)").count(), 2);
    // Three lines of latency, with their names, and the throughput.
    assert!(svg.matches("stroke-width=\"2\"").count() >= 3 && svg.contains("stroke-width=\"5\""));
    for name in ["maximum", "p99", "median"] {
        assert!(svg.lines().any(|line| line == name), "no {name} in the picture");
    }
}

#[test]
fn a_wrong_flag_is_one_line_and_exit_code_2() {
    for (flags, word) in [
        (&["--clients", "0"][..], "--clients"),
        (&["--clients", "ten"], "--clients"),
        (&["--stuck", "1.5"], "--stuck"),
        (&["--stuck", "0.6", "--drip", "0.4"], "left to read"),
        (&["--bytes", "3"], "--bytes"),
        (&["--seconds", "0"], "--seconds"),
        (&["--flood", "--rate", "3"], "--rate"),
        (&["--speed"], "--speed"),
    ] {
        let run = Run::new(flags);
        assert_eq!((run.code, run.err.lines().count()), (2, 1), "{flags:?} {}", run.err);
        assert!(run.err.contains(word), "{}", run.err);
    }
}

#[test]
fn a_server_that_is_not_there_or_is_full_is_told_in_one_line() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let full = ["--listen", "127.0.0.1:0", "--quiet", "--lang", "en", "--max-clients", "5"];
    let full = Started::new(&chinwag_program(), &full).unwrap();
    for (address, flags, word) in [
        (free, ["--clients", "3"], "refused"),
        (full.address, ["--clients", "9"], "server full (5)"),
        (full.address, ["--clients", "1000000000"], "ulimit"),
        (full.address, ["--plot", "/nowhere/it.svg"], "cannot write /nowhere/it.svg"),
    ] {
        let run = Run::against(address, &flags);
        assert_eq!((run.code, run.err.lines().count()), (1, 1), "{}", run.err);
        assert!(run.err.contains(word) && !run.err.contains("wrong"), "{}", run.err);
    }
    let run = Run::new(&["nobody.invalid:1"]);
    assert_eq!((run.code, run.err.lines().count()), (1, 1), "{}", run.err);
}

/// A server with these flags and the usual ones.
fn chinwag_with(flags: &[&str]) -> Started {
    let usual = ["--listen", "127.0.0.1:0", "--quiet", "--log-level", "warn"];
    Started::new(&chinwag_program(), &[&usual, flags].concat()).unwrap()
}

#[test]
fn a_server_that_is_not_there_cannot_be_connected_to() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = Run::against(free, &THREE);
    let told = format!("stress: cannot connect to {free}: connection refused\n");
    assert_eq!((run.code, run.err), (1, told));
}

#[test]
fn a_flood_that_a_rate_limit_holds_back_ends_and_tells_why() {
    let server = chinwag_with(&["--lang", "en", "--exempt", "none", "--rate", "10"]);
    let run = Run::against(server.address, &["--clients", "5", "--flood", "--seconds", "0.5"]);
    assert_eq!((run.code, run.err.lines().count()), (1, 1), "{}", run.err);
    for word in [" messages have not come", " a second", "--rate", "--exempt"] {
        assert!(run.err.contains(word) && !run.err.contains("wrong"), "{}", run.err);
    }
}

#[test]
fn a_server_of_any_language_passes_and_is_understood() {
    for lang in ["en", "ko"] {
        let flags = ["--lang", lang, "--max-clients", "12", "--window", "32768"];
        for hidden in [&[][..], &["--hide-addresses"]] {
            let server = chinwag_with(&[&flags, hidden].concat());
            let flags = ["--clients", "10", "--drip", "0.2", "--messages", "10000"];
            let json = Run::against(server.address, &[&flags[..], &["--window", "50"]].concat());
            assert!(count(&json.json(), "trouble_lines_missed") > 0, "{lang} {}", json.out);
            let full = Run::against(server.address, &["--clients", "20"]);
            assert!(full.err.contains("admits no more clients") && full.err.contains("(12)"));
        }
    }
}

#[test]
fn the_help_tells_unit_and_default_of_each_flag() {
    const UNITS: [&str; 8] =
        ["ADDRESS", "CLIENTS", "SHARE", "MESSAGES", "SECONDS", "BYTES", "PID", "FILE"];
    let (run, flags) = (Run::new(&["--help"]), Flags::command());
    assert_eq!(run.code, 0);
    let mut without_default = Vec::new();
    for flag in flags.get_opts().filter(|flag| flag.get_action().takes_values()) {
        let (name, units) = (flag.get_long().unwrap(), flag.get_value_names().unwrap());
        assert!(flag.get_help().is_some() && UNITS.contains(&units[0].as_str()), "{name}");
        assert!(run.out.contains(&format!("--{name} <{}>", units[0])), "{name} in {}", run.out);
        if flag.get_default_values().is_empty() {
            without_default.push(name);
        }
    }
    assert_eq!(without_default, ["address", "seconds", "rate", "pid", "json", "plot"]);
    let words = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for told in ["[default: 1000]", "[default: 64]", "[default: whichever listens"] {
        assert!(words.contains(told), "no {told} in {}", run.out);
    }
}
