//! Each command: its answer, and that the answer is private, whole and in its place.

use std::time::{Duration, Instant};

use super::{ask, give, people, read_up_to_mark};
use crate::support::{Client, Server};

#[test]
fn help_lists_all_commands_to_its_asker_alone() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = people(&server);
    let help = ask(&mut alice, &mut bob, "/help");
    for command in [
        "/help",
        "/who",
        "/nick NAME",
        "/me TEXT",
        "/msg NAME TEXT",
        "/r TEXT",
        "/history [LINES]",
        "/echo on|off",
        "/ignore [NAME]",
        "/unignore NAME",
        "/join ROOM [SECRET]",
        "/motd [TEXT]",
        "/away [TEXT]",
        "/password SECRET",
        "/oper SECRET",
        "/leave",
        "/rooms",
        "/topic [TEXT]",
        "/quit [TEXT]",
        "//TEXT",
    ] {
        assert!(help.contains(&format!("\n* {command}  ")) || help.starts_with("* /help  "));
    }
    assert_eq!(help.lines().filter(|line| line.starts_with("* ")).count(), 21, "{help}");
    assert_eq!(ask(&mut alice, &mut bob, "/HELP"), help);
}

#[test]
fn a_wrong_command_is_told_to_its_sender_alone() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = people(&server);
    for (command, usage) in [
        ("/me", "/me TEXT"),
        ("/me   ", "/me TEXT"),
        ("/msg", "/msg NAME TEXT"),
        ("/msg guest2", "/msg NAME TEXT"),
        ("/r", "/r TEXT"),
        ("/nick", "/nick NAME"),
        ("/echo", "/echo on|off"),
        ("/echo maybe", "/echo on|off"),
        ("/history -1", "/history [LINES]"),
        ("/history 99999999999999999999", "/history [LINES]"),
        ("/ignore a b", "/ignore [NAME]"),
        ("/unignore", "/unignore NAME"),
    ] {
        let answer = ask(&mut alice, &mut bob, command);
        assert_eq!(answer, format!("* usage: {usage}\n"), "{command}");
    }
    let rest = "/help lists them, //text says /text";
    for (command, shown) in [
        ("/usr/bin is full", "/usr/bin"),
        ("/", "/"),
        ("/\u{1b}[2J", "/\\x1b[2J"),
        (&format!("/{}", "x".repeat(1000)), &format!("/{}…", "x".repeat(63))),
    ] {
        let answer = ask(&mut alice, &mut bob, command);
        assert_eq!(answer, format!("* no such command: {shown}; {rest}\n"));
    }
}

#[test]
fn two_slashes_say_one_and_me_says_what_its_sender_does() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = people(&server);
    for (line, shown) in [
        ("//who", "guest1: /who\n"),
        ("///", "guest1: //\n"),
        ("//", "guest1: /\n"),
        (" /who", "guest1:  /who\n"),
        ("/me waves  twice", "~ guest1 waves  twice\n"),
    ] {
        let shown = shown.to_owned();
        assert_eq!(give(&mut alice, &mut bob, line), (shown.clone(), shown), "{line}");
    }
}

#[test]
fn a_crowd_is_counted_and_fifty_of_it_are_named() {
    let server = Server::start(&[]);
    let (mut alice, _) = server.enter();
    let crowd: Vec<(Client, String)> = (1..52).map(|_| server.enter()).collect();
    alice.forget();
    let names: Vec<String> = (1..=50).map(|number| format!("guest{number}")).collect();
    let answer = format!("* 52 here: {} and 2 more\n", names.join(", "));
    alice.send("/who\n");
    alice.read_until(&answer);
    drop(crowd);
}

#[test]
fn commands_cost_as_much_of_the_rate_as_lines() {
    let server = Server::start(&["--rate", "10", "--burst", "20", "--exempt", "none"]);
    let [mut alice, mut bob] = people(&server);
    let start = Instant::now();
    // Twenty at once, and the thirtieth after the time of ten more.
    alice.send("/who\n".repeat(29) + "done\n");
    bob.read_until_last("guest1: done\n");
    assert!(start.elapsed() >= Duration::from_millis(990), "{:?}", start.elapsed());
    alice.read_until_last("guest1: done\n");
    let answer = "* 2 here: guest1, guest2\n";
    assert_eq!(alice.read_text(), answer.repeat(29) + "guest1: done\n");
    assert_eq!(bob.read_text(), "guest1: done\n");
}

#[test]
fn commands_in_one_write_are_answered_in_order_among_own_lines() {
    let server = Server::start(&[]);
    let [mut alice, mut bob] = people(&server);
    let lines: String = (0..200).map(|number| format!("{number}\n/who\n")).collect();
    alice.send(lines);
    alice.read_until_lines(400);
    let answered: String =
        (0..200).map(|n| format!("guest1: {n}\n* 2 here: guest1, guest2\n")).collect();
    assert_eq!(alice.read_text(), answered);
    let said: String = (0..200).map(|number| format!("guest1: {number}\n")).collect();
    bob.read_until_last("guest1: 199\n");
    assert_eq!(bob.read_text(), said);
}

#[test]
fn history_shows_the_newest_lines_without_those_of_the_ignored() {
    let server = Server::start(&[]);
    let [mut alice, mut bob, mut carol] = people(&server);
    for (client, name) in [(&mut alice, "one"), (&mut bob, "two"), (&mut carol, "three")] {
        client.send(format!("{name}\n"));
        client.read_until(&format!(": {name}\n"));
    }
    let said = "guest1: one\nguest2: two\nguest3: three\n";
    [&mut alice, &mut bob, &mut carol].into_iter().for_each(|client| {
        client.read_until_last("three\n");
        client.forget();
    });
    // Its own line before the command is the newest.
    let answer = ask(&mut alice, &mut bob, "/history 4");
    assert_eq!(answer, format!("* history\n{said}guest1: before\n* now\n"));
    assert_eq!(ask(&mut alice, &mut bob, "/ignore guest3"), "* ignoring guest3\n");
    let answer = ask(&mut alice, &mut bob, "/history");
    assert!(answer.contains("guest1: one\nguest2: two\nguest1: before\n"), "{answer}");
    assert!(!answer.contains("guest3: three"), "{answer}");
    assert_eq!(ask(&mut alice, &mut bob, "/history 0"), "* no history\n");
    // A client that does not get its own lines back has them in its history nevertheless.
    alice.send("/echo off\nmine\n/history 1\n");
    alice.read_until_last("* now\n");
    let off = "* echo is off: you do not see your own lines\n";
    assert_eq!(alice.read_text(), format!("{off}* history\nguest1: mine\n* now\n"));
}

#[test]
fn everyone_chooses_whether_their_own_lines_come_back() {
    for flags in [&[][..], &["--no-echo"]] {
        let server = Server::start(flags);
        let [mut alice, mut bob] = people(&server);
        alice.send("/echo off\none\n/me two\n/echo on\nthree\n/me four\n");
        alice.read_until_last("~ guest1 four\n");
        let off = "* echo is off: you do not see your own lines\n";
        let on = "* echo is on: you see your own lines\n";
        let seen = format!("{off}{on}guest1: three\n~ guest1 four\n");
        assert_eq!(alice.read_text(), seen);
        bob.read_until_last("~ guest1 four\n");
        let said = "guest1: one\n~ guest1 two\nguest1: three\n~ guest1 four\n";
        assert_eq!(bob.read_text(), said);
    }
}

#[test]
fn quit_delivers_all_before_it_its_last_words_and_nothing_after() {
    let server = Server::start(&["--notices", "50"]);
    let [mut alice] = people(&server);
    for (command, words) in [
        ("/quit", ""),
        ("/quit so long", "so long"),
        ("/QUIT  안녕히 계세요 ", "안녕히 계세요"),
        ("/quit * server shutting down", "* server shutting down"),
        ("/quit \u{1b}[2J", "\\x1b[2J"),
    ] {
        let (mut bob, name) = server.join();
        alice.read_until_last(&format!("* {name} ({}) joined\n", bob.address()));
        alice.forget();
        let many: String = (0..500).map(|number| format!("line {number}\n")).collect();
        bob.send(format!("/who\n{many}{command}\nnot heard\n/nick nobody\n"));
        let mut said: String = (0..500).map(|number| format!("{name}: line {number}\n")).collect();
        if !words.is_empty() {
            said.push_str(&format!("{name}: {words}\n"));
        }
        let bye = "* bye\n";
        assert_eq!(bob.read_to_end(), format!("* 2 here: guest1, {name}\n{said}{bye}"));
        assert!(!bob.reset);
        drop(bob);
        alice.read_until_last(&format!("* {name} left\n"));
        assert_eq!(alice.read_text(), format!("{said}* {name} left\n"));
    }
    alice.forget();
    assert_eq!(read_up_to_mark(&mut alice), "");
}

#[test]
fn bye_is_said_to_a_command_and_without_a_hint_to_telnet() {
    let server = Server::start(&[]);
    let (mut alice, name) = server.join();
    alice.send("last");
    alice.half_close();
    assert_eq!(alice.read_to_end(), format!("{name}: last\n"));
    // A telnet program ends by itself.
    let (mut bob, _) = server.join();
    bob.send(b"\xff\xf1/quit\r\n");
    assert!(bob.read_to_end().ends_with("* bye\r\n"), "{:?}", bob.read_text());
}
