//! The comparison counts what is delivered, and nothing else, whatever a server does.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use scripts::bench::app::{Flags, compare};
use scripts::bench::load::{Kind, Metric};
use scripts::bench::peer::Peer;
use scripts::bench::results::Results;
use scripts::bench::{report, runs};
use scripts::crowd::Outcome;
use scripts::crowd::dialect::Dialect;
use scripts::crowd::load::{Pace, Report, Talker, Until};
use scripts::crowd::sockets::{Crowd, Server};

use super::stress_tests::{FAULTS, Fake, IN_THE_MIDDLE, MESSAGES as FAKE_MESSAGES, READERS, To};

const CLIENTS: usize = 20;
const MESSAGES: u64 = 200;
const FLOODER: &[Pace] = &[Pace::Window(50)];

/// What a wrong server sends to one client instead of one message.
type Wrong = fn(&str) -> Vec<u8>;

/// Runs a talk at these paces over a server that welcomes clients and relays lines, as
/// [`Peer::Tokio`] does. It sends message 100 of the first talker to the last client as `wrong`
/// says.
fn talk_over(paces: &[Pace], wrong: Wrong) -> Outcome<Report> {
    talk_in_channels_of(CLIENTS, paces, wrong)
}

/// The same with this many clients in each channel. The server sends all lines to all clients.
fn talk_in_channels_of(channel_clients: usize, paces: &[Pace], wrong: Wrong) -> Outcome<Report> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let talkers = paces.len();
    let serving = thread::spawn(move || {
        let mut clients: Vec<TcpStream> = Vec::new();
        while clients.len() < CLIENTS {
            let (mut client, _) = listener.accept().unwrap();
            client.write_all(b"* welcome\n* one more line\n").unwrap();
            clients.push(client);
        }
        let said: Vec<_> = clients[..talkers].iter().map(|one| one.try_clone().unwrap()).collect();
        let clients = Mutex::new(clients);
        thread::scope(|scope| {
            for (talker, said) in said.into_iter().enumerate() {
                let clients = &clients;
                scope.spawn(move || relay(talker, said, clients, wrong));
            }
        });
    });
    let (dialect, chinwag) = (Dialect::Welcoming, Server::chinwag(address, None));
    let server = Server { dialect, talkers, channel_clients, ..chinwag };
    let report = {
        let mut crowd = Crowd::new(server)?;
        crowd.connect(CLIENTS)?;
        crowd.begin().and_then(|()| talk(&mut crowd, paces, MESSAGES))
    };
    serving.join().unwrap();
    report
}

fn talk(crowd: &mut Crowd, paces: &[Pace], messages: u64) -> Outcome<Report> {
    let talker = |pace: &Pace| {
        let timed = matches!(pace, Pace::Every(_));
        Talker { pace: *pace, message_bytes: 64, timed }
    };
    let talkers: Vec<Talker> = paces.iter().map(talker).collect();
    runs::talk(crowd, &talkers, Until::Heard(messages)).map(|(report, _)| report)
}

/// Sends all what this talker sends, each line to all clients before another talker's line.
fn relay(talker: usize, said: TcpStream, clients: &Mutex<Vec<TcpStream>>, wrong: Wrong) {
    // Before the first message the first talker sends one more line.
    for (number, line) in BufReader::new(said).lines().map_while(Result::ok).enumerate() {
        for (key, client) in clients.lock().unwrap().iter_mut().enumerate() {
            let line = format!("{line}\n");
            let is_wrong = talker == 0 && number == 101 && key == CLIENTS - 1;
            let bytes = if is_wrong { wrong(&line) } else { line.into_bytes() };
            // The measuring program may have ended already.
            client.write_all(&bytes).ok();
        }
    }
}

#[test]
fn every_delivery_is_counted_once() {
    let talk = talk_over(FLOODER, |line| line.as_bytes().to_vec()).unwrap();
    assert_eq!((talk.deliveries, talk.messages_missed), (MESSAGES * CLIENTS as u64, 0));
}

#[test]
fn talkers_beside_a_flooder_have_every_delivery_timed_too() {
    let paces = [FLOODER[0], Pace::Every(Duration::from_millis(1))];
    let talk = talk_over(&paces, |line| line.as_bytes().to_vec()).unwrap();
    let each = MESSAGES * CLIENTS as u64;
    assert_eq!((talk.deliveries, talk.messages_missed), (2 * each, 0));
    assert_eq!(talk.latencies.len(), each);
}

#[test]
fn what_is_not_a_message_is_not_counted() {
    let talk =
        talk_over(FLOODER, |line| format!("* a notice\n{line}* another\n").into_bytes()).unwrap();
    assert_eq!((talk.deliveries, talk.messages_missed), (MESSAGES * CLIENTS as u64, 0));
}

#[test]
fn a_message_that_does_not_come_or_is_changed_is_lost() {
    let changed = |line: &str| line.replacen("talker0", "walker0", 1).into_bytes();
    for wrong in [|_: &str| Vec::new(), changed] {
        let talk = talk_over(FLOODER, wrong).unwrap();
        assert_eq!((talk.deliveries, talk.messages_missed), (MESSAGES * CLIENTS as u64 - 1, 1));
    }
}

#[test]
fn a_message_that_comes_twice_torn_or_too_late_is_a_fault() {
    let late = |line: &str| line.replace("100", "098").into_bytes();
    let early = |line: &str| line.replace("100", "999").into_bytes();
    let torn = |line: &str| line.replace("00", "").into_bytes();
    for (wrong, word) in [
        ((|line| line.repeat(2).into_bytes()) as Wrong, "message 100 arrived twice"),
        (late, "message 98 arrived twice or out of order"),
        (early, "no client sent"),
        (torn, "no client sent"),
    ] {
        let error = talk_over(FLOODER, wrong).unwrap_err().to_string();
        assert!(error.contains(word), "no {word} in {error}");
    }
}

#[test]
fn a_chinwag_that_is_wrong_about_one_line_is_found() {
    for wrong in FAULTS {
        let fake = Fake { wrong, to: To::Last, at_line: IN_THE_MIDDLE };
        let mut crowd = Crowd::of_chinwag(fake.start(), READERS).unwrap();
        let report = talk(&mut crowd, &[Pace::Window(10)], FAKE_MESSAGES as u64);
        assert!(report.is_err(), "{wrong:?} was not found");
    }
}

#[test]
fn a_message_in_another_channel_is_a_fault() {
    let talk = talk_in_channels_of(CLIENTS / 2, FLOODER, |line| line.as_bytes().to_vec());
    let error = talk.unwrap_err().to_string();
    assert!(error.contains("arrived in another channel"), "{error}");
}

#[test]
fn both_clients_of_each_room_receive_its_lines() {
    let measured = runs::run(Kind::Rooms.to(CLIENTS), Peer::Chinwag, &mut None).unwrap();
    assert!(matches!(measured[..], [(Metric::CpuNs, 1.0..)]), "{measured:?}");
}

#[test]
fn a_table_leaves_out_what_was_not_measured() {
    let mut results = Results::default();
    results.add(Kind::Rooms.to(2), Peer::Ngircd, vec![(Metric::CpuNs, 7000.0)]);
    let tables = report::tables(&results, Peer::value_variants(), 15_000);
    assert!(tables.starts_with("| CPU per delivery in a room of two |"), "{tables}");
    assert!(tables.ends_with("---|\n| ngircd | 7.00 µs | – | – |\n"), "{tables}");
}

#[test]
fn the_results_page_has_the_tables_of_the_kept_runs() {
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/results");
    let read = |name: &str| std::fs::read_to_string(format!("{kept}/{name}")).unwrap();
    let page = read("README.md");
    let results: Results = serde_json::from_str(&read("bench.json")).unwrap();
    let tables = report::tables(&results, Peer::value_variants(), 15_000);
    assert!(page.contains(&tables), "scripts/bench.sh --keep puts them there: {tables}");
    assert!(page.contains(&results.machine), "{}", results.machine);
}

#[test]
fn one_comparison_writes_tables_runs_and_a_picture() {
    let into = std::env::temp_dir().join(format!("chinwag-bench-{}", std::process::id()));
    let flags = ["bench", "flood", "--servers", "chinwag", "--runs", "1", "--into"];
    let flags = Flags::parse_from([&flags[..], &[into.to_str().unwrap()]].concat());
    compare(&flags).unwrap();
    let read = |name: &str| std::fs::read_to_string(into.join(name)).unwrap();
    assert!(read("bench.md").contains("| chinwag | – |"), "{}", read("bench.md"));
    let all: serde_json::Value = serde_json::from_str(&read("bench.json")).unwrap();
    let runs = &all["results"][0]["runs"];
    assert!(runs["per_second"][0].as_f64().unwrap() > 0.0, "{all}");
    assert_eq!(runs["lost"][0], 0.0, "{all}");
    assert!(read("cost.svg").starts_with("<svg"));
    // Its runs can be added to those of another comparison.
    let earlier = into.join("bench.json");
    let flags = ["bench", "--runs", "0", "--servers", "chinwag", "--onto"];
    let paths = [earlier.to_str().unwrap(), "--into", into.to_str().unwrap()];
    compare(&Flags::parse_from([&flags[..], &paths].concat())).unwrap();
    let again: serde_json::Value = serde_json::from_str(&read("bench.json")).unwrap();
    assert_eq!(again["results"], all["results"]);
    std::fs::remove_dir_all(into).unwrap();
}
