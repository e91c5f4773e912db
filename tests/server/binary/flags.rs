//! Flags, their variables, and the errors of wrong ones.

use std::net::{Ipv6Addr, TcpListener};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use chinwag::config::Config;
use clap::{Arg, Args};

use crate::support::process::{self, Collected, through_shell};
use crate::support::{PATIENCE, Server, command, wait_for};

/// What a value counts, or what it is.
const UNITS: [&str; 19] = [
    "ADDR",
    "BYTES",
    "CIDR",
    "CLIENTS",
    "CONNECTIONS",
    "DAYS",
    "DIR",
    "FILE",
    "LANG",
    "LEVEL",
    "LINES",
    "NAME",
    "NOTICES",
    "PATH",
    "PROBES",
    "SECONDS",
    "SECRET",
    "WRITES",
    "URL",
];

fn flags() -> Vec<Arg> {
    let command = Config::augment_args(clap::Command::new("chinwag"));
    command.get_arguments().filter(|flag| flag.get_long().is_some()).cloned().collect()
}

fn variable(flag: &Arg) -> String {
    format!("CHINWAG_{}", flag.get_long().unwrap().to_uppercase().replace('-', "_"))
}

/// The output of the program with exactly these arguments, in the environment of the test.
fn run(arguments: &[&str]) -> Output {
    run_with(arguments, &[])
}

/// Runs it until it ends; it must end by itself.
fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chinwag"));
    command.args(arguments).envs(variables.iter().copied()).stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("{arguments:?} {variables:?}: {:?}", child.wait_with_output());
        }
        sleep(Duration::from_millis(2));
    }
    child.wait_with_output().unwrap()
}

/// Asserts that it ended with this code and one line on standard error, and nothing else.
fn assert_one_line(output: &Output, code: i32, what: &str) -> String {
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{what}: {told:?}");
    assert_eq!(told.lines().count(), 1, "{what}: {told:?}");
    assert!(told.starts_with("chinwag: ") && told.ends_with('\n'), "{what}: {told:?}");
    assert!(output.stdout.is_empty(), "{what}: {output:?}");
    told
}

/// What help prints with this argument, on a terminal of 80 columns.
fn help(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chinwag"));
    let output = command.args(arguments).env("COLUMNS", "80").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stdout).unwrap()
}

/// Whether this help has the flag in a line of its own.
fn shows(help: &str, flag: &Arg) -> bool {
    let name = format!("--{}", flag.get_long().unwrap());
    help.lines().any(|line| line.split_whitespace().next() == Some(&name))
}

/// The documentation of a flag.
fn described(flag: &Arg) -> String {
    flag.get_long_help().or(flag.get_help()).unwrap().to_string()
}

#[test]
fn every_flag_says_its_unit_and_default() {
    for flag in flags().iter().filter(|flag| flag.get_action().takes_values()) {
        let unit = flag.get_value_names().unwrap()[0].as_str();
        assert!(UNITS.contains(&unit), "{}: no unit", flag.get_id());
        let is_told = described(flag).contains("[default: ");
        assert!(is_told || !flag.get_default_values().is_empty(), "{}: no default", flag.get_id());
    }
}

#[test]
fn short_help_is_a_screen_and_long_help_all_but_hidden_flags() {
    for subcommand in [&[][..], &["serve"]] {
        let of = |flag| help(&[subcommand, &[flag]].concat());
        let (short, long) = (of("-h"), of("--help"));
        assert!(short.lines().count() <= 40, "{} lines", short.lines().count());
        for flag in flags() {
            let is_usual = flag.get_help_heading().is_none();
            assert_eq!(shows(&short, &flag), is_usual, "{} in {short}", flag.get_id());
            assert_eq!(shows(&long, &flag), !flag.is_hide_set(), "{} in {long}", flag.get_id());
        }
        assert!(long.contains("CHINWAG_MAX_LINE for --max-line") && !long.contains("[env"));
    }
    assert!(flags().iter().any(|flag| flag.is_hide_set()));
}

#[test]
fn the_help_of_join_has_its_keys() {
    let help = help(&["join", "--help"]);
    assert!(help.contains("\nKeys:\n") && help.contains("Ctrl-C "), "{help}");
}

/// The range of a flag, such as `[1..=50]`: its ends, of which the second may be missing.
fn range(said: &str) -> Option<(f64, Option<f64>)> {
    let mut brackets = said.split('[').skip(1).filter_map(|rest| rest.split(']').next());
    let (least, most) = brackets.find_map(|text| text.split_once(".."))?;
    Some((least.parse().ok()?, most.strip_prefix('=').map(|most| most.parse().unwrap())))
}

#[test]
fn every_number_says_its_range_and_takes_no_other() {
    const NO_NUMBERS: [&str; 10] =
        ["ADDR", "CIDR", "DIR", "FILE", "LANG", "LEVEL", "NAME", "PATH", "SECRET", "URL"];
    let takes = |flag: &Arg, value: f64| {
        let command = Config::augment_args(clap::Command::new("chinwag"));
        let value = format!("--{}={value}", flag.get_long().unwrap());
        command.try_get_matches_from(["chinwag", &value]).is_ok()
    };
    for flag in flags().iter().filter(|flag| flag.get_action().takes_values()) {
        let unit = flag.get_value_names().unwrap()[0].as_str();
        let said = format!("{}: {}", flag.get_id(), described(flag));
        let range = range(&said);
        assert_eq!(range.is_none(), NO_NUMBERS.contains(&unit), "{said}");
        let Some((least, most)) = range else { continue };
        let step = if unit == "SECONDS" { 0.0001 } else { 1.0 };
        assert!(takes(flag, least) && !takes(flag, least - step), "{said}");
        match most {
            Some(most) => assert!(takes(flag, most) && !takes(flag, most + 1.0), "{said}"),
            // The largest value that is useful.
            None => assert!(takes(flag, 1e9), "{said}"),
        }
    }
}

#[test]
fn the_version_is_printed() {
    for arguments in [["--version"], ["-V"]] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(0));
        let version = concat!("chinwag ", env!("CARGO_PKG_VERSION"), "\n");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), version);
    }
}

/// Each of these is wrong in one way.
const WRONG: &[&[&str]] = &[
    &["--max-line", "0"],
    &["--max-line", "x"],
    &["--max-line", "8129"],
    &["--max-line="],
    &["--max-line", "5", "--max-line", "6"],
    &["--max-clients", "0"],
    &["--max-clients", "1.5"],
    &["--window", "1000"],
    &["--window", "99999999999"],
    &["--history", "many"],
    &["--history-bytes", "7001"],
    &["--listen", "nonsense"],
    &["--listen", "localhost:1"],
    &["--listen", "127.0.0.1:65536"],
    &["--listen", "127.0.0.1:"],
    &["--listen", "::1:50005:"],
    &["--listen", ""],
    &["--listen", ":"],
    &["--listen", "*:x"],
    &["--listen", "65536"],
    &["join", "localhost", "0"],
    &["join", "localhost:1", "2"],
    &["join", "localhost", "1", "2"],
    &["--listen"],
    &["--exempt", "1.2.3"],
    &["--exempt", "10.0.0.0/33"],
    &["--rate", "-1"],
    &["--rate=-1"],
    &["--burst", "0"],
    &["--stuck", "0"],
    &["--stuck", "soon"],
    &["--idle=-1"],
    &["--shutdown", "NaN"],
    &["--flush", "1e300"],
    &["--write-bytes", "8192"],
    &["--max-endless", "4095"],
    &["--max-line", "100", "--max-endless", "99"],
    &["--chunk-quiet", "0"],
    &["--drain-bytes", "0"],
    &["--keepalive", "0.5"],
    &["--keepalive-interval", "32768"],
    &["--keepalive-probes", "128"],
    &["--user-timeout", "2147484"],
    &["--lisen"],
    &["-x"],
    &["--log-level", "loud"],
    &["--quiet=yes"],
    &["--raw", "--raw"],
    &["extra"],
    &["serve", "extra"],
    &["serve", "--lisen"],
    &["serve", "--max-line", "0"],
    &["--quiet", "serve"],
    &["a word\nof two lines"],
];

#[test]
fn a_wrong_flag_is_one_line_and_exit_code_2() {
    let too_long = "9".repeat(400);
    assert_one_line(&run(&["--max-line", &too_long]), 2, &too_long);
    for arguments in WRONG {
        assert_one_line(&run(arguments), 2, &format!("{arguments:?}"));
    }
}

#[test]
fn two_flags_that_contradict_each_other_are_both_named() {
    for flags in [
        ["--max-endless", "99", "--max-line", "100"],
        ["--write-bytes", "8192", "--turn-bytes", "8193"],
    ] {
        let told = assert_one_line(&run(&flags), 2, flags[0]);
        let [small, large] = [flags[..2].join(" "), flags[2..].join(" ")];
        assert!(told.contains(&small) && told.contains(&large), "{told}");
    }
    let server = Server::start(&["--max-endless", "100", "--max-line", "100"]);
    server.join();
}

#[test]
fn a_misspelt_flag_gets_a_hint_and_a_bad_level_the_good_ones() {
    let told = assert_one_line(&run(&["--lisen", "127.0.0.1:0"]), 2, "--lisen");
    assert!(told.contains("'--listen'"), "{told}");
    let told = assert_one_line(&run(&["--log-level", "loud"]), 2, "loud");
    assert!(told.contains("--log-level") && told.contains("debug"), "{told}");
}

#[test]
fn a_bad_value_in_the_environment_is_told_like_one_of_a_flag() {
    // Any text is a directory, a file, or a secret.
    let any = ["DIR", "FILE", "SECRET"];
    let is_text =
        |flag: &Arg| flag.get_value_names().is_some_and(|names| any.contains(&&*names[0]));
    for flag in flags().into_iter().filter(|flag| !is_text(flag)) {
        let (name, long) = (variable(&flag), flag.get_long().unwrap());
        for arguments in [&[][..], &["serve"]] {
            let elsewhere = ("CHINWAG_LISTEN", "127.0.0.1:0");
            let output = run_with(arguments, &[elsewhere, (&name, "no such thing")]);
            let told = assert_one_line(&output, 2, &name);
            assert!(told.contains(&format!("--{long}")), "{told}");
        }
    }
}

/// Starts it with only these arguments. The variables say where to listen.
fn start_from_environment(arguments: &[&str], variables: &[(&str, &str)]) -> Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chinwag"));
    command.args(arguments).env("CHINWAG_LISTEN", "127.0.0.1:0");
    // A server that is killed would leave its socket behind.
    command.env("CHINWAG_CONTROL", "none");
    command.envs(variables.iter().copied());
    process::start_piped(command)
}

#[test]
fn an_empty_variable_is_as_good_as_none() {
    let names: Vec<String> = flags().iter().map(variable).collect();
    let empty: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    for arguments in [&["--listen", "127.0.0.1:0"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let server = start_from_environment(arguments, &empty);
        let (mut alice, name) = server.join();
        alice.send("hello\n");
        alice.read_until(&format!("{name}: hello\n"));
    }
}

#[test]
fn the_environment_sets_what_flags_set() {
    for subcommand in [&[][..], &["serve"]] {
        let variables = [("CHINWAG_MAX_LINE", "7"), ("CHINWAG_HIDE_ADDRESSES", "true")];
        let server = start_from_environment(subcommand, &variables);
        let mut alice = server.connect();
        assert!(!alice.read_until(" joined\n").contains("127.0.0.1"));
        alice.send("12345678\n");
        alice.read_until("(limit 7 bytes)\n");
    }
}

#[test]
fn a_switch_in_the_environment_is_on_or_off() {
    for (value, raw) in [("1", true), ("true", true), ("yes", true), ("0", false), ("off", false)] {
        for subcommand in [&[][..], &["serve"]] {
            let server = start_from_environment(subcommand, &[("CHINWAG_RAW", value)]);
            let mut alice = server.connect();
            let greeting = if raw { "유저(" } else { "* welcome" };
            assert!(alice.read_until(greeting).starts_with(greeting), "{value}");
        }
    }
}

#[test]
fn a_flag_has_the_last_word_over_its_variable() {
    let server = start_from_environment(&["--max-line", "3"], &[("CHINWAG_MAX_LINE", "7")]);
    let (mut alice, _) = server.join();
    alice.send("1234\n");
    alice.read_until("(limit 3 bytes)\n");
}

#[test]
fn a_variable_may_name_several_addresses() {
    let listen = ("CHINWAG_LISTEN", "127.0.0.1:0,127.0.0.2:0");
    let server = start_from_environment(&[], &[listen]);
    wait_for("both", || server.stdout().contains("\nlistening on 127.0.0.2:").then_some(()));
}

#[test]
fn a_port_alone_is_every_address() {
    for value in ["0", ":0", "*:0"] {
        let server = Server::start(&["--listen", value]);
        let port = server.address.port();
        let mut all = format!("listening on 0.0.0.0:{port}\n");
        if std::fs::exists("/proc/net/if_inet6").unwrap() {
            all.push_str(&format!("listening on [::]:{port}\n"));
        }
        wait_for("all addresses", || (server.stdout() == all).then_some(()));
        assert_eq!(all.matches(&port.to_string()).count(), all.lines().count());
    }
}

#[test]
fn room_for_few_clients_is_warned_of() {
    for (most, told) in [("15", true), ("16", false)] {
        let server = Server::start(&["--max-clients", most]);
        let log = wait_for("the log", || {
            server.stderr().contains(" listening on ").then_some(server.stderr())
        });
        let warning = format!(" WARN  [chinwag::server] room for {most} clients only: ");
        assert_eq!(log.contains(&warning), told, "{log}");
    }
}

#[test]
fn an_address_in_use_is_one_line_and_exit_code_1() {
    let server = Server::start(&[]);
    let address = server.address.to_string();
    let told = assert_one_line(&run(&["--listen", &address]), 1, "in use");
    assert!(told.contains(&address) && told.contains("in use"), "{told}");
    assert!(told.ends_with("; another program listens there\n"), "{told}");
    // The same if only one of two addresses is taken.
    let both = ["--listen", "127.0.0.1:0", "--listen", &address];
    assert_one_line(&run(&both), 1, "one of two in use");
}

#[test]
fn a_port_of_an_outgoing_connection_is_told_with_the_cure() {
    let server = Server::start(&[]);
    let client = server.connect();
    let (address, port) = (client.address(), client.address().port());
    let told = assert_one_line(&run(&["--listen", &address.to_string()]), 1, "in use");
    let cause = format!("; an outgoing connection of this machine uses port {port}, ");
    let cure = format!("net.ipv4.ip_local_reserved_ports={port}` ");
    assert!(told.contains(&cause) && told.contains(&cure), "{told}");
}

#[test]
fn an_address_of_another_machine_is_one_line_and_exit_code_1() {
    // No machine has an address of TEST-NET-1 (RFC 5737).
    let told = assert_one_line(&run(&["--listen", "192.0.2.1:0"]), 1, "192.0.2.1");
    assert!(told.contains("192.0.2.1"), "{told}");
}

#[test]
fn the_first_lines_say_where_it_listens_one_for_each_listener() {
    let ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let second = if ipv6 { "[::1]:0" } else { "127.0.0.2:0" };
    for more in [&[][..], &["--quiet"]] {
        let flags = [&["--listen", "127.0.0.1:0", "--listen", second], more].concat();
        let server = Server::start(&flags);
        wait_for("two lines", || (server.stdout().lines().count() >= 2).then_some(()));
        let (host, _) = second.rsplit_once(':').unwrap();
        let stdout = server.stdout();
        let mut lines = stdout.lines();
        let first = lines.next().unwrap();
        assert_eq!(first, format!("listening on {}", server.address));
        let port = lines.next().unwrap().strip_prefix(&format!("listening on {host}:")).unwrap();
        let port: u16 = port.parse().unwrap();
        assert_ne!(port, 0);
        // Both addresses lead into the same conversation.
        let (mut alice, name) = server.join();
        let other = format!("{host}:{port}").parse::<std::net::SocketAddr>().unwrap();
        let mut bob = crate::support::Client::new(std::net::TcpStream::connect(other).unwrap());
        bob.read_until(" joined\n");
        alice.send("hello\n");
        bob.read_until(&format!("{name}: hello\n"));
    }
}

/// Asserts that this starts a server on every address. With `may_skip` it returns if the usual port
/// is taken.
fn assert_listens_everywhere(command: &mut Command, may_skip: bool) {
    command.env("CHINWAG_CONTROL", "none");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let stdout = Collected::from(child.stdout.take().unwrap());
    let stderr = Collected::from(child.stderr.take().unwrap());
    let all = match std::fs::exists("/proc/net/if_inet6").unwrap() {
        true => "listening on 0.0.0.0:50005\nlistening on [::]:50005\n",
        false => "listening on 0.0.0.0:50005\n",
    };
    let ended = wait_for("a start or an end", || {
        let ended = child.try_wait().unwrap().is_some() && stderr.has_ended();
        let lines = |text: &str| text.lines().count();
        (ended || lines(&stdout.text()) >= lines(all)).then_some(ended)
    });
    if !ended {
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(stdout.text(), all);
    } else if may_skip && stderr.text().contains("in use") {
        println!("skipped: {}", stderr.text());
    } else {
        panic!("{} {}", stdout.text(), stderr.text());
    }
}

#[test]
fn without_a_flag_it_listens_everywhere_on_port_50005() {
    assert_listens_everywhere(&mut Command::new(env!("CARGO_BIN_EXE_chinwag")), true);
}

#[test]
#[ignore = "needs unshare and the right to make a network namespace"]
fn in_a_network_of_its_own_it_listens_everywhere_on_port_50005() {
    let mut command = Command::new("unshare");
    assert_listens_everywhere(command.args(["-rn", env!("CARGO_BIN_EXE_chinwag")]), false);
}

#[test]
fn help_and_version_into_a_closed_pipe_are_no_panic() {
    for flag in ["--help", "--version"] {
        let mut shell = through_shell("exec \"$0\" \"$@\" >&-", &[flag]);
        let output = shell.output().unwrap();
        assert!(!String::from_utf8_lossy(&output.stderr).contains("panic"), "{output:?}");
    }
    let mut command = command(&["--help"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panic"), "{output:?}");
}
