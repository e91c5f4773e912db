//! A server with `--keep`: what was said before a restart, however that came.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use chinwag::keep::entry::{Day, Entry, Kind};

use super::Place;
use super::keeper::Random;
use super::link::keeper_of;
use crate::support::process::through_shell;
use crate::support::{Client, Server, send_signal, wait_for};

/// Everything that the log has, when the keeper has ended.
fn kill(mut server: Server, place: &Place) {
    server.signal("KILL");
    server.wait_for_end();
    // The next one waits for the lock; so does this.
    drop(chinwag::keep::folder::Folder::open(&place.path).unwrap());
}

#[test]
fn the_history_goes_on_after_a_restart() {
    let place = Place::new();
    let flags = ["--keep", place.flag(), "--history", "3"];
    let server = Server::start(&flags);
    let (mut alice, name) = server.join();
    alice.send("one\n/me waves\n/nick Alice\n/msg Alice psst\ntwo\n");
    alice.read_until("Alice: two\n");
    kill(server, &place);
    let server = Server::start(&flags);
    let (mut bob, _) = server.enter();
    let shown = format!("* history\n{name}: one\n~ {name} waves\nAlice: two\n* now\n");
    bob.read_until(&shown);
    // It is printed for nobody again.
    assert!(!server.stdout().contains("two"));
    assert!(!place.log().contains("psst"));
    bob.send("three\n");
    bob.read_until(": three\n");
    kill(server, &place);
    // The numbers of a room have no gap.
    let numbers: Vec<u64> = place.entries().into_iter().map(|(number, _)| number).collect();
    assert!(numbers.len() > 6 && numbers.windows(2).all(|two| two[0] + 1 == two[1]), "{numbers:?}");
}

#[test]
fn a_room_that_has_ended_has_no_history_after_a_restart() {
    let place = Place::new();
    let flags = ["--keep", place.flag(), "--history", "3"];
    let server = Server::start(&flags);
    let (mut alice, _) = server.join();
    alice.send("/join attic\nsecret\n/join cellar\nopen\n");
    alice.read_until(": open\n");
    let has_ended = || place.log().contains("\tattic\t").then(|| place.log().contains("\tend\t"));
    wait_for("the end of a room", || has_ended().filter(|ended| *ended));
    kill(server, &place);
    let server = Server::start(&flags);
    let (mut bob, _) = server.join();
    bob.send("/join attic\n/history\n/join cellar\n");
    bob.read_until("* history\n");
    bob.read_until(": open\n");
    assert!(!bob.read_text().contains("secret"), "{}", bob.read_text());
    // The numbers of a room that begins again are larger.
    let log = place.log();
    let attic: Vec<u64> = log
        .lines()
        .filter(|line| line.contains("\tattic\t"))
        .map(|line| line.split('\t').nth(2).unwrap().parse().unwrap())
        .collect();
    assert!(attic.is_sorted(), "{attic:?}");
}

#[test]
fn a_killed_server_has_kept_what_clients_were_offered() {
    const KILLS: u64 = 40;
    const SEED: u64 = 50005;
    let (place, mut random) = (Place::new(), Random(SEED));
    let mut offered = Vec::new();
    for round in 0..KILLS {
        let server = Server::start(&["--keep", place.flag()]);
        let (mut alice, name) = server.join();
        let lines = 200 + random.below(3000);
        alice.send((0..lines).map(|it| format!("{round}-{it}\n")).collect::<String>());
        let last = random.below(lines);
        alice.read_until(&format!("{name}: {round}-{last}\n"));
        kill(server, &place);
        // With what came in the end, though it was not waited for.
        let text = alice.read_to_end();
        let (whole, _) = text.rsplit_once('\n').unwrap();
        let said = format!("{name}: {round}-");
        let said = whole.lines().filter_map(|line| line.strip_prefix(&said));
        offered.extend(said.map(|line| format!("{round}-{line}")));
    }
    let entries = place.entries();
    assert!(entries.windows(2).all(|two| two[0].0 + 1 == two[1].0), "seed {SEED}");
    // All of it, once, and in this order.
    let mut kept = entries.iter().map(|(_, text)| text.as_str());
    for line in &offered {
        assert!(kept.any(|text| text == line), "{line} is missing; seed {SEED}");
    }
    let mut texts: Vec<&str> = entries.iter().map(|(_, text)| text.as_str()).collect();
    texts.retain(|text| text.bytes().next().is_some_and(|byte| byte.is_ascii_digit()));
    let all = texts.len();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), all);
}

#[test]
fn a_stopped_keeper_stops_no_client_and_what_it_misses_is_told() {
    const LINES: usize = 30_000;
    let place = Place::new();
    let server = Server::start(&["--keep", place.flag()]);
    let (mut alice, name) = server.join();
    let keeper = keeper_of(&server);
    alice.send("first\n");
    wait_for("the first line", || place.log().contains("first").then_some(()));
    send_signal(keeper, "STOP");
    for piece in 0..LINES / 100 {
        let text = crate::support::numbered(100 * piece, 100, 80);
        alice.send(&text);
        alice.read_until_last(&format!(
            "{name}: {}",
            text.split_inclusive('\n').next_back().unwrap()
        ));
    }
    send_signal(keeper, "CONT");
    wait_for("the count", || place.log().contains("\tmissed\t").then_some(()));
    alice.send("last\n");
    wait_for("the last line", || place.log().ends_with("\tlast\n").then_some(()));
    let log = place.log();
    let missed: u64 = log
        .lines()
        .filter_map(|line| line.split_once("\tmissed\t*\t")?.1.strip_suffix(" lines"))
        .map(|count| count.parse::<u64>().unwrap())
        .sum();
    let numbers: Vec<u64> = place.entries().into_iter().map(|(number, _)| number).collect();
    let gaps: u64 = numbers.windows(2).map(|two| two[1] - two[0] - 1).sum();
    assert!(missed > 1000, "{missed}");
    assert_eq!(missed, gaps);
}

/// A browser learns the present second, and that of each line.
/// A page comes in, perhaps back to a place.
fn open_page(server: &Server, place: &str) -> Client {
    let mut page = server.connect();
    page.send(format!(
        "GET /chat{place} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
         Connection: upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ));
    page
}

/// The text of a page up to these words, and the place that the server has told it.
fn read_place(page: &mut Client, until: &str) -> (String, String, u64) {
    let read = page.read_until(until);
    let mut words = read.split_once("= ").unwrap().1.split(' ');
    let (epoch, line) = (words.next().unwrap().to_owned(), words.next().unwrap().parse().unwrap());
    (read, epoch, line)
}

#[test]
fn a_page_comes_back_after_a_restart_and_lacks_nothing() {
    let place = Place::new();
    let flags = ["--keep", place.flag(), "--greeting", "1"];
    let server = Server::start(&flags);
    let mut page = open_page(&server, "");
    let (_, epoch, line) = read_place(&mut page, "joined");
    let (mut alice, name) = server.enter();
    alice.send("one\ntwo\n");
    page.read_until("two");
    kill(server, &place);
    let server = Server::start(&flags);
    // It has read the notices of two clients, and one line.
    let mut page = open_page(&server, &format!("?since={epoch}.{}", line + 3));
    let (read, its, _) = read_place(&mut page, "joined");
    assert_eq!(its, epoch);
    assert!(read.contains(&format!("{name}: two")), "{read}");
    assert!(!read.contains(": one") && !read.contains("missed"), "{read}");
}

#[test]
fn a_page_shows_when_a_line_from_before_a_restart_was_said() {
    const AGO_SECONDS: u64 = 3600;
    let place = Place::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let unix_millis = now - 1000 * AGO_SECONDS;
    let (room, number, kind, name) = ("lobby", 7, Kind::Say, "bob");
    let mut log = String::new();
    let entry = Entry { unix_millis, room, number, kind, name, text: "long ago" };
    entry.write(&mut log);
    fs::create_dir(&place.path).unwrap();
    fs::write(place.path.join(Day::of(unix_millis).to_string()), log).unwrap();
    let server = Server::start(&["--keep", place.flag(), "--history", "3"]);
    let mut page = open_page(&server, "");
    let read = page.read_until("bob: long ago");
    let digits = |text: &str| -> u64 {
        let end = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
        text[..end].parse().unwrap()
    };
    let place = read.split_once("= ").unwrap().1;
    let present = digits(place.splitn(3, ' ').nth(2).unwrap());
    let before = read.split_once(" bob: long ago").unwrap().0;
    let ago = present - digits(before.rsplit(' ').next().unwrap());
    assert!((AGO_SECONDS..AGO_SECONDS + 60).contains(&ago), "{ago}");
}

#[test]
#[ignore = "needs nc"]
fn nc_shows_the_history_from_before_a_restart() {
    let place = Place::new();
    let flags = ["--keep", place.flag(), "--history", "2"];
    let talk = |server: &Server, text: &str| {
        let script = format!("printf '{text}' | nc -N 127.0.0.1 {}", server.address.port());
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let mut server = Server::start(&flags);
    talk(&server, "안녕\\nhello\\n");
    server.signal("TERM");
    assert_eq!(server.wait_for_end().code(), Some(0));
    let server = Server::start(&flags);
    let shown = talk(&server, "again\\n");
    assert!(shown.contains("* history\nguest1: 안녕\nguest1: hello\n* now\n"), "{shown}");
}

#[test]
#[ignore = "needs strace"]
fn only_the_keeper_writes_the_log() {
    let place = Place::new();
    let calls = std::env::temp_dir().join(format!("chinwag-calls-{}", std::process::id()));
    let script = format!(
        "exec strace -f -y -qq -e trace=execve,write,writev,pwrite64,pwritev,pwritev2,fsync,\
         fdatasync,ftruncate -o {} \"$0\" \"$@\"",
        calls.display()
    );
    let mut command = through_shell(&script, &["--keep", place.flag()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = Server::start_by(command);
    let (mut alice, _) = server.enter();
    alice.send("one\n/topic two\nthree\n");
    alice.read_until(": three\n");
    wait_for("the last line", || place.log().contains("three").then_some(()));
    // The child of strace is the server.
    send_signal(keeper_of(&server), "TERM");
    server.wait_for_end();
    let traced = fs::read_to_string(&calls).unwrap();
    fs::remove_file(&calls).unwrap();
    let keeper = traced.lines().find(|line| line.contains("\"--frames\"")).unwrap();
    let keeper = keeper.split_whitespace().next().unwrap();
    let is_file = |line: &&str| line.contains("sync(") || line.contains(place.flag());
    let files: Vec<&str> =
        traced.lines().filter(is_file).filter(|it| !it.contains("execve")).collect();
    assert!(files.iter().any(|line| line.contains("fdatasync(")), "{traced}");
    assert!(files.iter().all(|line| line.starts_with(keeper)), "{files:#?}");
}
