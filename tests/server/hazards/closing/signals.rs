//! Thousands of signals that mean nothing to a server, and one that ends it, while clients talk.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::scope;

use crate::support::{Client, Server, join, narrow, numbered, say_in_step, wait_for};

const LAST_LINE: &str = "* server shutting down\n";

/// Tells the sender of signals that the test is over, even if it fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends many of each of these signals, one after the other, as long as the clients talk.
fn assert_disturbs_nothing(signals: &[&str], rounds: usize) {
    let mut server = Server::start(&[]);
    let (mut alice, name) = server.join();
    let (mut bob, _) = server.join();
    alice.read_until("* guest2 ");
    alice.read_until_last(") joined\n");
    alice.forget();
    let is_over = AtomicBool::new(false);
    scope(|scope| {
        let sending = scope.spawn(|| {
            for round in 0.. {
                signals.iter().for_each(|signal| server.signal(signal));
                if round >= rounds && is_over.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let over = Over(&is_over);
        let text = numbered(0, 1000, 1024);
        say_in_step((&mut alice, &name), &text, 16 * 1024, &mut [&mut bob]);
        drop(over);
        sending.join().unwrap();
        let said: String =
            text.split_inclusive('\n').map(|line| format!("{name}: {line}")).collect();
        assert!(alice.read_text() == said && bob.read_text() == said, "not what was said");
    });
    assert_eq!(server.threads(), 1);
    let (mut carol, _) = server.join();
    server.signal("TERM");
    for client in [&mut alice, &mut bob, &mut carol] {
        assert!(client.read_to_end().ends_with(LAST_LINE));
    }
    assert_eq!(server.wait_for_end().code(), Some(0));
}

#[test]
fn harmless_signals_by_the_thousand_disturb_nothing() {
    assert_disturbs_nothing(&["WINCH", "CONT", "URG", "CHLD", "PIPE"], 1000);
}

#[test]
fn a_server_that_is_stopped_over_and_over_loses_nothing() {
    // Each of them interrupts its wait for events.
    assert_disturbs_nothing(&["STOP", "CONT"], 200);
}

#[test]
fn a_stop_under_load_delivers_all_in_time_though_one_is_stuck() {
    let mut server = Server::start(&["--shutdown", "4", "--flush", "60", "--stuck", "60"]);
    let talkers: Vec<(Client, String)> = (0..3).map(|_| server.enter()).collect();
    let (stuck, stuck_name) = join(narrow(server.address));
    let rounds = Arc::new(AtomicUsize::new(0));
    let talking = talkers.into_iter().map(|(client, name)| {
        let rounds = Arc::clone(&rounds);
        std::thread::spawn(move || talk_to_the_end(client, &name, &rounds))
    });
    let talking: Vec<_> = talking.collect();
    // So much that the stuck client lacks something.
    wait_for("them to talk", || (rounds.load(Ordering::Relaxed) > 100).then_some(()));
    server.signal("TERM");
    let heard: Vec<Vec<String>> = talking.into_iter().map(|one| one.join().unwrap()).collect();
    assert_eq!(server.wait_for_end().code(), Some(0));
    // Their join notices differ. The stuck one joined last.
    let last_came = format!("* {stuck_name} (");
    let shared: Vec<&[String]> = heard
        .iter()
        .map(|heard| {
            let place = heard.iter().position(|line| line.starts_with(&last_came)).unwrap();
            &heard[place..]
        })
        .collect();
    assert_eq!(shared[0].last().unwrap(), LAST_LINE.trim_end());
    // The server may not have read the last round of each.
    assert!(shared[0].len() > (100 - 3) * 16, "{} lines", shared[0].len());
    assert!(shared.iter().all(|one| *one == shared[0]), "not the same");
    drop(stuck);
}

/// Talks: sends a line after it has received the one before, until the server ends the connection.
/// Returns all that it received.
fn talk_to_the_end(mut client: Client, name: &str, rounds: &AtomicUsize) -> Vec<String> {
    let mut heard = Vec::new();
    while !client.ended {
        let round = rounds.fetch_add(1, Ordering::Relaxed);
        let text = numbered(round * 16, 16, 256);
        let last = format!("{name}: {}", text.lines().last().unwrap());
        // After the last line the server does not read any more.
        let is_said = client.socket.write_all(text.as_bytes()).is_ok();
        loop {
            client.read_once();
            let lines = client.take_lines();
            let is_heard = is_said && lines.contains(&last);
            heard.extend(lines);
            if is_heard || client.ended {
                break;
            }
        }
    }
    heard
}
