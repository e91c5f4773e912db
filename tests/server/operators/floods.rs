//! The public ways of flooding a room, and that they end within seconds once an operator acts.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::scope;
use std::time::{Duration, Instant};

use super::{ask, become_operator, enter_from, operators};
use crate::support::{Folder, Server, connect_from};

/// How many bots there are, each at an address of its own.
const BOTS: u8 = 20;

/// The first of these addresses: 127.0.0.`FIRST`.
const FIRST: u8 = 101;

/// A room that is quiet for this long is not held by bots.
const QUIET: Duration = Duration::from_secs(1);

/// The most time from the operator's command to that.
const MOST: Duration = Duration::from_secs(10);

/// Floods the room until it is told to stop: it takes new names, says these words, and comes back
/// at once when it is disconnected.
fn be_a_bot(last: u8, to: SocketAddr, says: &str, is_over: &AtomicBool) {
    let mut number = 0;
    while !is_over.load(Ordering::Relaxed) {
        let mut socket = connect_from([127, 0, 0, last], to);
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        socket.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
        while !is_over.load(Ordering::Relaxed) && say(&mut socket, last, says, &mut number) {}
    }
}

/// Says a line and takes a name. `false` once the server has closed the connection.
fn say(socket: &mut TcpStream, last: u8, says: &str, number: &mut u32) -> bool {
    *number += 1;
    let words = format!("/nick bot-{last}-{number}\n{says}");
    let is_waiting = |kind| matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut);
    if socket.write_all(words.as_bytes()).is_err_and(|error| !is_waiting(error.kind())) {
        return false;
    }
    match socket.read(&mut [0; 65536]) {
        Ok(bytes) => bytes > 0,
        Err(error) => is_waiting(error.kind()),
    }
}

/// Has the bots flood a room, lets an operator give this command, and asserts that the room is its
/// people's again.
fn assert_ends_a_flood(name: &str, says: &str, command: &str) {
    let folder = Folder::new(name);
    let operators = operators(&folder);
    let flags = ["--operators", &operators, "--exempt", "none", "--quiet"];
    let server = Server::start(&flags);
    let (mut kim, _) = enter_from(2, &server);
    let (mut bob, bobs) = enter_from(3, &server);
    become_operator(&mut kim);
    let is_over = AtomicBool::new(false);
    scope(|scope| {
        let (to, over) = (server.address, &is_over);
        let bots: Vec<_> = (0..BOTS)
            .map(|bot| scope.spawn(move || be_a_bot(FIRST + bot, to, says, over)))
            .collect();
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (0..BOTS).for_each(|bot| {
                bob.read_past(&format!("bot-{}-", FIRST + bot));
            });
            let begun = Instant::now();
            ask(&mut kim, command, "* ");
            let mut heard_at = Instant::now();
            while heard_at.elapsed() < QUIET {
                assert!(begun.elapsed() < MOST, "they still talk");
                bob.read_once();
                let lines = bob.take_lines();
                if lines.iter().any(|line| line.contains("bot-") || line.contains("guest")) {
                    heard_at = Instant::now();
                }
            }
            bob.send("peace\n");
            kim.read_past(&format!("{bobs}: peace\n"));
        }));
        is_over.store(true, Ordering::Relaxed);
        bots.into_iter().for_each(|bot| bot.join().unwrap());
        told.unwrap();
    });
}

#[test]
fn twenty_bots_at_once_are_out_by_one_ban() {
    assert_ends_a_flood("flood-ban", "buy\n", "/ban 127.0.0.96/27 10m bots");
}

#[test]
fn a_muted_client_says_nothing_by_its_name_either() {
    let folder = Folder::new("flood-mute");
    let operators = operators(&folder);
    let server = Server::start(&["--operators", &operators, "--exempt", "none"]);
    let (mut kim, _) = enter_from(2, &server);
    let (mut bob, name) = enter_from(3, &server);
    become_operator(&mut kim);
    ask(&mut kim, &format!("/mute {name} 10m"), "was muted");
    ask(&mut bob, "/nick i.say.it.so", "* not sent: you are muted in this room\n");
    let heard = ask(&mut kim, "/who", &format!("{name}\n"));
    assert!(!heard.contains("i.say.it.so"), "{heard}");
}

#[test]
fn twenty_bots_cannot_rename_again_and_again_in_a_slow_room() {
    assert_ends_a_flood("flood-slow", "", "/slow 600");
}
