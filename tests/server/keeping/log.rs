//! The log, as the program `chinwag keep DIR` writes it.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use chinwag::keep::frame::{Verb, run_line};
use chinwag::server::runs::Said;

use super::keeper::{FILLER, Keeper, Random, fill};
use super::link::Loop;
use super::{PROGRAM, Place};
use crate::support::{send_signal, wait_for};

/// A second before midnight.
const EVENING: u64 = 1_795_823_999_000;
const SECOND: u64 = 1000;
const DAY: u64 = 24 * 60 * 60 * SECOND;

fn run(verb: Verb, number: u64, unix_millis: u64, content: &str) -> Vec<u8> {
    let line = run_line(verb, "lobby", number, unix_millis, content.len());
    [line.as_bytes(), content.as_bytes()].concat()
}

fn said(number: u64, unix_millis: u64, content: &str) -> Vec<u8> {
    run(Verb::Said, number, unix_millis, content)
}

/// The names of the files of the log.
fn files(place: &Place) -> Vec<String> {
    let names = fs::read_dir(&place.path).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".log")).collect();
    names.sort();
    names
}

#[test]
fn what_is_said_is_a_line_with_its_time_and_number() {
    let place = Place::new();
    let mut keeper = Keeper::start(&place);
    keeper.send(&said(7, EVENING, "* bob joined\nbob: hello: you\n~ bob waves\n"));
    keeper.send(&run(Verb::Raw, 10, EVENING, "a\tb\n\x1b"));
    keeper.send(&run(Verb::Missed, 11, EVENING, "3 lines"));
    keeper.send(&run(Verb::End, 14, EVENING, ""));
    let lines = [
        "lobby\t7\tnotice\t*\tbob joined",
        "lobby\t8\tsay\tbob\thello: you",
        "lobby\t9\tme\tbob\twaves",
        "lobby\t10\traw\t*\ta b\\x0a\\x1b",
        "lobby\t11\tmissed\t*\t3 lines",
        "lobby\t14\tend\t*\t",
    ];
    let lines = lines.map(|line| format!("2026-11-27T23:59:59.000Z\t{line}\n")).concat();
    wait_for("the lines", || place.has("2026-11-27.log", lines.as_bytes()));
    assert_eq!(keeper.end(), (Some(0), String::new()));
}

#[test]
fn a_day_begins_a_file_and_the_old_ones_go() {
    let place = Place::new();
    let start = |days| {
        Keeper::start_by(Command::new(PROGRAM).args([
            "keep",
            place.flag(),
            "--frames",
            "--days",
            days,
        ]))
    };
    let mut keeper = start("0");
    for (number, time) in (0..).zip([0, SECOND, DAY, 2 * DAY, DAY - SECOND]) {
        keeper.send(&said(number, EVENING + time, "a: b\n"));
    }
    assert_eq!(keeper.end(), (Some(0), String::new()));
    let days = ["2026-11-27.log", "2026-11-28.log", "2026-11-29.log", "2026-11-30.log"];
    let dir = fs::read_dir(&place.path).unwrap().count();
    assert_eq!(
        (files(&place), dir),
        (days[..3].to_vec().iter().map(|it| (*it).to_owned()).collect(), 4)
    );
    // The clock was set back in the end, but the lines stand in the order of their numbers.
    let newest = String::from_utf8(place.read(days[2]).unwrap()).unwrap();
    let numbers: Vec<&str> =
        newest.lines().map(|line| line.split('\t').nth(1 + 1).unwrap()).collect();
    assert_eq!(numbers, ["3", "4"]);
    let mut keeper = start("2");
    keeper.replace("bans", b"");
    keeper.send(&said(5, EVENING + 3 * DAY, "a: b\n"));
    assert_eq!(keeper.end(), (Some(0), String::new()));
    assert_eq!(files(&place), days[2..]);
    assert!(place.read("bans").is_some());
}

#[test]
fn a_torn_last_line_is_told_and_no_line() {
    let place = Place::new();
    let mut keeper = Keeper::start(&place);
    keeper.send(&said(1, EVENING, "a: one\na: two\n"));
    assert_eq!(keeper.end().0, Some(0));
    let whole = place.read("2026-11-27.log").unwrap();
    let torn = &whole[..whole.len() - 2];
    fs::write(place.path.join("2026-11-27.log"), torn).unwrap();
    let mut keeper = Keeper::start(&place);
    // The server sends again what it does not know to be written.
    keeper.send(&said(1, EVENING, "a: one\na: two\na: three\n"));
    wait_for("the rest, before its input ends", || (place.entries().len() == 3).then_some(()));
    let told = "chinwag: the last line of 2026-11-27.log is torn\n";
    assert_eq!(keeper.end(), (Some(0), told.to_owned()));
    let entries: Vec<(u64, String)> = place.entries();
    let texts: Vec<&str> = entries.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["one", "two", "three"]);
    // What was there is still there, as it is all that a crash of the machine leaves.
    assert!(place.read("2026-11-27.log").unwrap().starts_with(torn));
}

/// A keeper may be killed before it has confirmed what it has written.
#[test]
fn what_is_sent_again_is_not_written_again() {
    let place = Place::new();
    let frames = [
        said(1, EVENING, "a: one\n"),
        run(Verb::Missed, 2, EVENING, "4 lines"),
        run(Verb::Start, 3, EVENING, "a test"),
        run(Verb::End, 4, EVENING, ""),
    ]
    .concat();
    for _ in 0..2 {
        let mut keeper = Keeper::start(&place);
        keeper.send(&frames);
        assert_eq!(keeper.end(), (Some(0), String::new()));
        assert_eq!(place.log().lines().count(), 4, "{}", place.log());
    }
}

#[test]
fn whole_lines_of_a_frame_that_was_torn_are_kept() {
    let place = Place::new();
    let mut keeper = Keeper::start(&place);
    let frame = said(1, EVENING, "a: one\na: two\na: three\n");
    keeper.send(&frame[..frame.len() - 2]);
    let told = "chinwag: the keeper ends: its input ended within a frame\n";
    assert_eq!(keeper.end(), (Some(1), told.to_owned()));
    assert_eq!(place.entries(), [(1, "one".to_owned()), (2, "two".to_owned())]);
}

/// The server's end sends again what was not confirmed, and the next keeper leaves out what it
/// finds.
#[test]
fn a_keeper_killed_at_any_moment_keeps_each_line_once() {
    const KILLS: u64 = 200;
    const SEED: u64 = 50005;
    let (place, mut random) = (Place::new(), Random(SEED));
    let mut server = Loop::start(Path::new(PROGRAM), &place);
    let mut number = 0;
    let mut kept_between = 0;
    for _ in 0..KILLS {
        for _ in 0..random.below(12) {
            let lines = random.below(20) + 1;
            let text: String = (number..number + lines).map(|it| format!("a: {it}\n")).collect();
            let said = Said {
                verb: Verb::Said,
                room: "lobby",
                number,
                lines,
                unix_millis: EVENING + 100 * number,
            };
            server.keeper.add(said, text.len(), [text.as_bytes()].into_iter());
            number += lines;
            (0..random.below(3)).for_each(|_| server.turn());
        }
        kept_between += u64::from(!place.log().is_empty());
        let killed = server.keeper.process();
        send_signal(killed.unwrap(), "KILL");
        wait_for("another keeper", || {
            server.keeper.hurry(Instant::now());
            server.turn();
            (server.keeper.process() != killed).then_some(())
        });
    }
    server.turn_until("all lines", |_| (place.entries().last()?.0 == number - 1).then_some(()));
    // They were not all written by the last keeper.
    assert!(kept_between > KILLS / 2, "{kept_between}");
    let all: Vec<(u64, String)> = (0..number).map(|it| (it, it.to_string())).collect();
    assert!(place.entries() == all, "seed {SEED}");
}

#[test]
fn what_a_stopped_keeper_misses_is_counted_in_the_file() {
    const LINES: u64 = 40_000;
    let place = Place::new();
    let mut server = Loop::start(Path::new(PROGRAM), &place);
    let say = |server: &mut Loop, number: u64| {
        let text = format!("a: {:0>60}\n", number);
        let (verb, room, lines) = (Verb::Said, "lobby", 1);
        let said = Said { verb, room, number, lines, unix_millis: EVENING };
        server.keeper.add(said, text.len(), [text.as_bytes()].into_iter());
    };
    say(&mut server, 0);
    server.turn_until("the first line", |_| (!place.entries().is_empty()).then_some(()));
    send_signal(server.keeper.process().unwrap(), "STOP");
    (1..LINES).for_each(|number| say(&mut server, number));
    server.turn();
    // A file to replace waits for no more than the frame that was begun.
    server.keeper.replace("bans", b"bans\n".to_vec());
    send_signal(server.keeper.process().unwrap(), "CONT");
    server.turn_until("the file", |_| place.has("bans", b"bans\n"));
    server.turn_until("the count", |keeper| {
        (keeper.next_deadline(Instant::now()).is_none() && !keeper.is_behind()).then_some(())
    });
    server.keeper.tell_missed(EVENING);
    say(&mut server, LINES);
    server.turn_until("the last line", |_| (place.entries().last()?.0 == LINES).then_some(()));
    let entries = place.entries();
    assert!(entries.windows(2).all(|two| two[0].0 < two[1].0));
    let log = String::from_utf8(place.read("2026-11-27.log").unwrap()).unwrap();
    let missed: Vec<u64> = log
        .lines()
        .filter_map(|line| line.split_once("\tmissed\t*\t")?.1.strip_suffix(" lines")?.parse().ok())
        .collect();
    assert_eq!(missed.len(), 1);
    assert_eq!(entries.len() as u64 + missed[0], LINES + 1);
    // A mebibyte waited for it.
    assert!(entries.len() > 9000, "{}", entries.len());
}

#[test]
#[ignore = "needs root, unshare and mount"]
fn a_full_disk_tears_no_line_of_the_log() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: not root");
        return;
    }
    let place = Place::new();
    let (mut keeper, inside) = Keeper::start_on_a_small_disk(&place);
    keeper.send(&said(0, EVENING, "a: 0\n"));
    let log = || fs::read_to_string(inside.join("2026-11-27.log")).ok();
    wait_for("the first", || log().filter(|log| log.ends_with("\ta\t0\n")));
    fill(&inside);
    let lines = |from, to| (from..to).map(|it| format!("a: {it}\n")).collect::<String>();
    keeper.send(&said(1, EVENING, &lines(1, 300)));
    wait_for("the error", || keeper.said().contains("No space left on device").then_some(()));
    keeper.send(&said(300, EVENING, &lines(300, 500)));
    fs::remove_file(inside.join(FILLER)).unwrap();
    wait_for("the rest", || log().filter(|log| log.ends_with("\ta\t499\n")));
    let log = log().unwrap();
    let texts: Vec<u64> =
        log.lines().map(|line| line.rsplit('\t').next().unwrap().parse().unwrap()).collect();
    assert!(texts == (0..500).collect::<Vec<u64>>());
    let told = keeper.end();
    assert!(told.0 == Some(0) && told.1.ends_with("the log is written again\n"), "{told:?}");
}

/// A disk that takes nothing must not keep the next server from the directory.
#[test]
fn a_keeper_whose_disk_is_full_ends_with_its_server() {
    let place = Place::new();
    let mut keeper = Keeper::start(&place);
    keeper.send(&said(0, EVENING, "a: 0\n"));
    wait_for("the first", || (place.entries().len() == 1).then_some(()));
    keeper.limit_files(Some(100));
    keeper.send(&said(1, EVENING, &"a: more\n".repeat(100)));
    wait_for("the error", || keeper.said().contains("cannot write the log").then_some(()));
    let (code, said) = keeper.end();
    assert_eq!(code, Some(1));
    assert!(said.ends_with("chinwag: the keeper ends without the end of the log\n"), "{said}");
}

#[test]
fn lines_without_a_server_are_kept_as_well() {
    let place = Place::new();
    let mut said = Vec::new();
    for input in ["one\r\n\x1b[2Jtwo\n", "a: three"] {
        let mut command = Command::new(PROGRAM);
        let mut child = command.args(["keep", place.flag()]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        let names = files(&place);
        assert!((1..=2).contains(&names.len()), "{names:?}");
        said = place.entries();
    }
    let expected = ["one", "\\x1b[2Jtwo", "a: three"].map(str::to_owned);
    assert_eq!(said, (0..3).zip(expected).collect::<Vec<_>>());
}
