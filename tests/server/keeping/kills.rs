//! kill -9 of the server, of its keeper, or of both, at any moment: what the log tells then.
//!
//! `CHINWAG_KILLS=300 cargo test --test server whatever_is_killed` tries more rounds, and
//! `CHINWAG_SEED=7` others.

use std::path::Path;

use chinwag::keep::entry::{self, Kind};
use chinwag::keep::folder::Folder;
use chinwag::keep::frame::Verb;
use chinwag::server::runs::Said;

use super::keeper::Random;
use super::link::{Loop, keeper_of};
use super::{PROGRAM, Place};
use crate::support::{Client, Server, send_signal, wait_for};

/// What is killed in a round, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Round {
    /// The server, while it talks.
    Server,
    /// The server, whose keeper is stopped. It goes on when the server is gone.
    ServerBehind,
    /// The keeper, and then the server before there is another keeper.
    KeeperFirst,
    /// Both at once.
    Both,
    /// The keeper. The server is killed when there is another one, which has all.
    KeeperAlone,
}

impl Round {
    fn any(random: &mut Random) -> Round {
        use Round::*;
        // The last one lasts a second.
        let all =
            [Server, Server, ServerBehind, ServerBehind, KeeperFirst, KeeperFirst, Both, Both];
        match random.below(20) {
            0 => KeeperAlone,
            at => all[at as usize % all.len()],
        }
    }
}

/// What a client has seen of a round.
struct Seen {
    round: Round,
    lines: u64,
}

fn number_from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// A client that says numbered lines.
struct Talker {
    client: Client,
    /// What stands before the number, as it is read.
    prefix: String,
    said: u64,
}

impl Talker {
    fn send(&mut self, lines: u64) {
        let (_, words) = self.prefix.split_once(": ").unwrap();
        let line = |number| format!("{words}{number} {:.>60}\n", "");
        let text: String = (self.said..self.said + lines).map(line).collect();
        self.client.send(text);
        self.said += lines;
    }

    /// Says so many lines, and reads them all.
    fn talk(&mut self, lines: u64) {
        for first in (0..lines).step_by(100) {
            self.send(100.min(lines - first));
            let last = format!("{}{} {:.>60}\n", self.prefix, self.said - 1, "");
            self.client.read_until_last(&last);
        }
    }

    /// How many lines it has seen when there is nothing more to read.
    fn see_the_end(mut self) -> u64 {
        let text = self.client.read_to_end();
        // The last line may be torn.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().filter(|line| line.starts_with(&self.prefix)).count() as u64
    }
}

fn play(place: &Place, number: u64, random: &mut Random) -> Seen {
    let round = Round::any(random);
    let mut server = Server::start(&["--keep", place.flag()]);
    let (client, name) = server.join();
    let mut alice = Talker { client, prefix: format!("{name}: {number}-"), said: 0 };
    let keeper = keeper_of(&server);
    alice.talk(random.below(1000));
    match round {
        Round::ServerBehind => send_signal(keeper, "STOP"),
        Round::KeeperFirst | Round::KeeperAlone => send_signal(keeper, "KILL"),
        Round::Server | Round::Both => {}
    }
    // Sometimes more than the server holds for its keeper.
    let most = if random.below(8) == 0 { 20_000 } else { 4000 };
    alice.talk(1 + random.below(most));
    if round == Round::KeeperAlone {
        let told = "the keeper is started again";
        wait_for(told, || server.stderr().contains(told).then_some(()));
        // What waited may have been too much for one line more.
        wait_for("a line", || {
            alice.talk(1);
            place.log().contains(&format!("\t{number}-{} ", alice.said - 1)).then_some(())
        });
    }
    alice.send(random.below(300));
    let is_keeper_first = random.below(2) == 0;
    if round == Round::Both && is_keeper_first {
        send_signal(keeper, "KILL");
    }
    server.signal("KILL");
    if round == Round::Both && !is_keeper_first {
        send_signal(keeper, "KILL");
    }
    server.wait_for_end();
    if round == Round::ServerBehind {
        send_signal(keeper, "CONT");
    }
    // The next one waits for the lock; so does this.
    drop(Folder::open(&place.path).unwrap());
    Seen { round, lines: alice.see_the_end() }
}

/// What the log has of a round.
#[derive(Debug, Default)]
struct Kept {
    /// How many numbered lines.
    lines: u64,
    /// The first and the last number in the lobby.
    numbers: Option<(u64, u64)>,
    /// How many lines it says are missing.
    missed: u64,
    /// Whether it says that others may be missing.
    is_unknown: bool,
}

/// What the log has of each round. The lines of a round are there without a gap from the first on,
/// but for those that are counted.
fn read(log: &str) -> Vec<Kept> {
    let mut rounds: Vec<Kept> = Vec::new();
    let mut newest = 0;
    // A line that was torn with its keeper is none.
    for entry in log.lines().filter_map(entry::parse) {
        if entry.kind == Kind::Start {
            rounds.push(Kept::default());
            continue;
        }
        let round = rounds.len() as u64 - 1;
        let kept = rounds.last_mut().unwrap();
        match entry.text.split_once(" lines").map(|(count, _)| count.parse::<u64>()) {
            _ if entry.kind != Kind::Missed => {}
            Some(Ok(count)) => kept.missed += count,
            _ => kept.is_unknown = true,
        }
        if entry.room != "lobby" {
            continue;
        }
        assert!(entry.number > newest, "{entry:?} again");
        newest = entry.number;
        let first = kept.numbers.map_or(newest, |(first, _)| first);
        kept.numbers = Some((first, newest));
        if let (Kind::Say, Some((its, rest))) = (entry.kind, entry.text.split_once('-')) {
            let number: u64 = rest.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(its.parse::<u64>().unwrap(), round);
            assert!(number == kept.lines || kept.missed > 0, "{number} of {round}");
            kept.lines += 1;
        }
    }
    rounds
}

#[test]
fn whatever_is_killed_the_log_tells_all_and_no_number_twice() {
    let rounds = number_from_env("CHINWAG_KILLS", 40);
    let seed = number_from_env("CHINWAG_SEED", 50005);
    println!("CHINWAG_SEED={seed}");
    let (place, mut random) = (Place::new(), Random(seed));
    let seen: Vec<Seen> = (0..rounds).map(|number| play(&place, number, &mut random)).collect();
    // What is not known of the last round is told at the next start.
    let server = Server::start(&["--keep", place.flag()]);
    let (mut alice, _) = server.join();
    alice.send("the end\n");
    wait_for("the end", || place.log().ends_with("\tthe end\n").then_some(()));
    let kept = read(&place.log());
    assert_eq!(kept.len(), seen.len() + 1);
    let mut lost_rounds = 0;
    for (number, (Seen { round, lines }, both)) in seen.iter().zip(kept.windows(2)).enumerate() {
        let (kept, next) = (&both[0], &both[1]);
        let lost = lines.saturating_sub(kept.lines);
        let what = format!("round {number}, {round:?}: {lines} seen, {kept:?}");
        assert!(kept.is_unknown || lost <= kept.missed, "{what}");
        match round {
            Round::Server | Round::ServerBehind | Round::KeeperAlone => {
                assert!(!kept.is_unknown, "{what}");
            }
            // There may have been another keeper in time.
            Round::KeeperFirst | Round::Both => {}
        }
        // The next number is the next, or behind all that were given.
        let (Some((first, last)), Some((next, _))) = (kept.numbers, next.numbers) else {
            // Its keeper was killed before it wrote any line.
            assert!(kept.is_unknown || next.is_unknown, "{what}");
            continue;
        };
        let is_whole = kept.missed == 0 && !kept.is_unknown;
        assert!(if is_whole { next == last + 1 } else { next >= first + lines }, "{what}");
        lost_rounds += u64::from(lost > 0);
    }
    // It was not in vain.
    assert!(lost_rounds > rounds / 8, "{lost_rounds} of {rounds}");
}

/// Nothing of it can be seen twice, so the count can be compared.
#[test]
fn lines_waiting_when_the_server_is_killed_are_counted() {
    const LINES: u64 = 40_000;
    let place = Place::new();
    let mut server = Loop::start(Path::new(PROGRAM), &place);
    server.keeper.begin("a test", true, 0, 5).unwrap();
    let say = |server: &mut Loop, number: u64| {
        let text = format!("a: {number:0>60}\n");
        let (verb, room, lines) = (Verb::Said, "lobby", 1);
        let said = Said { verb, room, number, lines, unix_millis: 5 };
        server.keeper.add(said, text.len(), [text.as_bytes()].into_iter());
    };
    (0..10).for_each(|number| say(&mut server, number));
    server.turn_until("the first lines", |_| (place.entries().len() == 10).then_some(()));
    let keeper = server.keeper.process().unwrap();
    send_signal(keeper, "STOP");
    for number in 10..LINES {
        say(&mut server, number);
        if number % 100 == 0 {
            server.turn();
        }
    }
    server.turn();
    // To the keeper its end is like a kill: nothing more is sent.
    drop(server);
    drop(Folder::open(&place.path).unwrap());
    let log = place.log();
    let entries: Vec<_> = log.lines().filter_map(entry::parse).collect();
    let words: Vec<&str> = entries.iter().rev().take(2).map(|entry| entry.text).collect();
    let missed: u64 = words[1].strip_suffix(" lines").unwrap().parse().unwrap();
    assert_eq!((entries.last().unwrap().kind, words[0]), (Kind::Stop, ""));
    assert_eq!(place.entries().len() as u64 + missed, LINES);
    assert!(missed > LINES / 2, "{missed}");
}
