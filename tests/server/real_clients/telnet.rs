//! The telnet programs, on a terminal.
//!
//! On ports other than 23, GNU telnet does not start negotiating by itself. Until the server may
//! ask it for binary, it mistakes some bytes of Korean syllables for its own keys.

use super::assert_goodbye_is_shown;
use crate::support::program::Program;
use crate::support::{Client, Server};

/// Syllables with bytes that are control keys except for their eighth bit.
const KOREAN: [&str; 3] = ["이", "한국어 요", "안녕"];

/// It does not negotiate by itself.
const PLAIN: &str = "telnet $HOST $PORT";

/// It negotiates from the beginning.
const TOLD: &str = "telnet -- $HOST -$PORT";

const CONTROL_C: &str = "\x03";
const CONTROL_D: &str = "\x04";

/// A client program, welcomed, whose terminal is its controlling one, as a person's is, with this
/// setting. And a client that watches, as a bare connection.
fn start(server: &Server, program: &str, setting: &str) -> (Program, Client) {
    let (mut watcher, _) = server.join();
    let script = format!("stty {setting}; exec setsid -wc {program}");
    let client = Program::start_on_terminal(server, &script);
    client.read_until(") joined\n");
    watcher.read_until_last(") joined\n");
    watcher.forget();
    (client, watcher)
}

/// Asserts that what is typed arrives unchanged, and is shown.
fn assert_is_said(client: &mut Program, watcher: &mut Client, lines: &[&str]) {
    for line in lines {
        client.say(&format!("{line}\r"));
        let said = format!("guest2: {line}\n");
        watcher.read_until_last(&said);
        assert_eq!(watcher.read_text(), said);
        watcher.forget();
        client.read_until(&said);
    }
}

#[test]
#[ignore = "needs telnet"]
fn two_people_with_telnet_talk_to_each_other() {
    let server = Server::start(&[]);
    let start = || Program::start_on_terminal(&server, "exec telnet $HOST $PORT");
    let (mut alice, mut bob) = (start(), start());
    alice.read_until("* welcome, you are ");
    bob.read_until("* welcome, you are ");
    let (mut watcher, _) = server.join();
    for round in 0..3 {
        alice.say(&format!("hello {round}\r"));
        bob.read_until(&format!(": hello {round}\n"));
        bob.say(&format!("hello yourself {round}\r"));
        alice.read_until(&format!(": hello yourself {round}\n"));
        watcher.read_until(&format!(": hello yourself {round}\n"));
    }
    assert!(!watcher.read_bytes().contains(&b'\r'), "{:?}", watcher.read_text());
}

#[test]
#[ignore = "needs telnet"]
fn telnet_shows_why_the_server_closes() {
    assert_goodbye_is_shown("exec telnet $HOST $PORT", Program::start_on_terminal);
    let server = Server::start(&["--max-clients", "1"]);
    let (_inside, _) = server.join();
    let client = Program::start_on_terminal(&server, "exec telnet $HOST $PORT");
    client.read_until("* server full (1)\n");
    client.read_until("closed by foreign host");
}

#[test]
#[ignore = "needs telnet"]
fn korean_is_whole_with_telnet_that_was_told_to_speak_it() {
    for setting in ["iutf8", "-iutf8"] {
        let server = Server::start(&[]);
        let (mut client, mut watcher) = start(&server, TOLD, setting);
        assert_is_said(&mut client, &mut watcher, &KOREAN);
    }
}

#[test]
#[ignore = "needs telnet"]
fn korean_is_whole_with_any_telnet_after_its_first_control_c() {
    let server = Server::start(&[]);
    let (mut client, mut watcher) = start(&server, PLAIN, "iutf8");
    client.say(CONTROL_C);
    // Once this is shown, the server has asked it for binary.
    assert_is_said(&mut client, &mut watcher, &["hello"]);
    assert_is_said(&mut client, &mut watcher, &KOREAN);
}

#[test]
#[ignore = "needs telnet"]
fn telnet_that_loses_bytes_is_told_the_cure_and_it_works() {
    let server = Server::start(&[]);
    let (mut client, mut watcher) = start(&server, PLAIN, "iutf8");
    client.say("안녕\r");
    client.read_until("with telnet press Ctrl-C once, ");
    watcher.read_until_last("\n");
    watcher.forget();
    client.say(CONTROL_C);
    assert_is_said(&mut client, &mut watcher, &["hello"]);
    assert_is_said(&mut client, &mut watcher, &KOREAN);
}

/// `src/wire/mod.rs` documents this. If this test fails, telnet has become better: change the text.
#[test]
#[ignore = "needs telnet"]
fn telnet_as_it_comes_takes_korean_for_its_keys_even_in_8_bits() {
    for program in [PLAIN, "telnet -8 $HOST $PORT"] {
        let server = Server::start(&[]);
        let (mut client, _watcher) = start(&server, program, "iutf8");
        client.say("이\r");
        client.read_until("telnet> ");
    }
}

fn assert_shows_what_others_say(client: &Program, watcher: &mut Client, line: &str) {
    watcher.send(format!("{line}\n"));
    watcher.read_until_last(&format!("guest1: {line}\n"));
    watcher.forget();
    client.read_until(&format!("guest1: {line}\n"));
}

#[test]
#[ignore = "needs telnet"]
fn telnet_goes_on_showing_and_saying_after_control_c() {
    for program in [PLAIN, TOLD] {
        let server = Server::start(&[]);
        let (mut client, mut watcher) = start(&server, program, "iutf8");
        for round in 0..3 {
            client.say(CONTROL_C);
            // It shows nothing before the answer, and this comes after the answer.
            assert_is_said(&mut client, &mut watcher, &[&format!("still here {round}")]);
            assert_shows_what_others_say(&client, &mut watcher, &format!("hello {round}"));
        }
    }
}

#[test]
#[ignore = "needs telnet"]
fn an_urgent_interrupt_of_telnet_leaves_no_byte_in_the_text() {
    for program in [PLAIN, TOLD] {
        let server = Server::start(&[]);
        let (mut client, mut watcher) = start(&server, program, "iutf8");
        client.say("\x1d");
        client.read_until("telnet> ");
        client.say("toggle autosynch\r");
        client.read_until("in urgent mode.\n");
        // After its answer it waits for one more Enter.
        client.say("\r");
        assert_is_said(&mut client, &mut watcher, &["one"]);
        for round in 0..3 {
            client.say(CONTROL_C);
            assert_is_said(&mut client, &mut watcher, &[&format!("still here {round}"), "안녕"]);
            assert_shows_what_others_say(&client, &mut watcher, &format!("hello {round}"));
        }
    }
}

#[test]
#[ignore = "needs telnet"]
fn control_d_of_telnet_leaves_with_all_before_it_shown() {
    let server = Server::start(&[]);
    let (mut client, mut watcher) = start(&server, TOLD, "iutf8");
    client.say("bye\r");
    client.say(CONTROL_D);
    watcher.read_until_last("guest2: bye\n* guest2 left\n");
    let shown = client.read_until("closed by foreign host");
    assert!(shown.contains("guest2: bye\n"), "{shown:?}");
}

#[test]
#[ignore = "needs busybox"]
fn the_telnet_of_busybox_says_korean_whole() {
    for setting in ["iutf8", "-iutf8"] {
        let server = Server::start(&[]);
        let (mut client, mut watcher) = start(&server, "busybox telnet $HOST $PORT", setting);
        assert_is_said(&mut client, &mut watcher, &KOREAN);
        assert_shows_what_others_say(&client, &mut watcher, "안녕하세요");
    }
    assert_goodbye_is_shown("exec busybox telnet $HOST $PORT", Program::start_on_terminal);
}
