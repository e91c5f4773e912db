//! Terminals that send each key as it is typed, and the keys and commands that erase one.

use std::process::Command;

use crate::support::program::Program;
use crate::support::{Client, Server, wait_for};

/// A chunk is a message as soon as the server looks at it again, but a single character waits. So
/// if the server does not notice that keys are typed, it splits them, however fast or slow this
/// machine is.
const FLAGS: [&str; 4] = ["--chunk-quiet", "0.001", "--chunk-age", "20"];

/// The clients that send each key as it is typed.
const RAW_TERMINALS: [&str; 2] =
    ["exec socat -,raw,echo=0 TCP:$HOST:$PORT", "stty -icanon -echo; exec nc $HOST $PORT"];

/// How many bytes of its connections this server has read, as the kernel counts them.
fn bytes_read_by(server: &Server) -> usize {
    let its = format!("( sport = :{} )", server.address.port());
    let table = Command::new("ss").args(["-t", "-i", "-n", "-H", &its]).output().unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    let counted = table.split_whitespace().filter_map(|word| word.strip_prefix("bytes_received:"));
    let received: usize = counted.map(|bytes| bytes.parse::<usize>().unwrap()).sum();
    let rows = table.lines().filter(|line| line.starts_with(char::is_alphabetic));
    let unread = rows.map(|row| row.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap());
    received.saturating_sub(unread.sum())
}

/// A client program on a terminal, welcomed, and a client that watches.
fn start(server: &Server, program: &str) -> (Program, Client) {
    let (mut watcher, _) = server.join();
    let client = Program::start_on_terminal(server, program);
    watcher.read_until_last(") joined\n");
    watcher.forget();
    (client, watcher)
}

/// Types these keys, each when the server has read the one before.
fn type_keys(server: &Server, client: &mut Program, keys: &str) {
    for key in keys.chars() {
        let expected = bytes_read_by(server) + key.len_utf8();
        client.say(&key.to_string());
        wait_for("the key", || (bytes_read_by(server) >= expected).then_some(()));
    }
}

/// Asserts that these keys give this line, typed as the first ones of each of those clients.
fn assert_comes_of_keys(lines: &[(&str, &str)]) {
    for program in RAW_TERMINALS {
        for (keys, said) in lines {
            let server = Server::start(&FLAGS);
            let (mut client, mut watcher) = start(&server, program);
            type_keys(&server, &mut client, keys);
            // This line always arrives, and shows that nothing else was sent before.
            client.say("the end\r");
            watcher.read_until_last("the end\n");
            let end = watcher.read_text();
            let heard = end.strip_suffix(": the end\n").unwrap();
            let heard = heard.rsplit_once('\n').unwrap_or_default().0;
            assert_eq!(heard, *said, "{program}: {keys:?}");
        }
    }
}

#[test]
#[ignore = "needs socat, nc, ss"]
fn keys_of_a_raw_terminal_make_a_line_at_enter() {
    assert_comes_of_keys(&[("hello\r", "guest2: hello"), ("안녕하세요\r", "guest2: 안녕하세요")]);
}

#[test]
#[ignore = "needs socat, nc, ss"]
fn a_command_is_typed_on_a_raw_terminal_key_by_key() {
    assert_comes_of_keys(&[("/nick kim\r", "* guest2 is now kim"), ("/who\r", "")]);
}

#[test]
#[ignore = "needs socat, nc, ss"]
fn backspace_on_a_raw_terminal_takes_back_a_character() {
    assert_comes_of_keys(&[
        ("hellp\x7fo\r", "guest2: hello"),
        ("안녕\x08\r", "guest2: 안"),
        ("abc\x15x\r", "guest2: x"),
        ("\x7f\x7fa\r", "guest2: a"),
    ]);
}

/// A telnet on its own terminal, welcomed, and a client that watches.
fn start_telnet(server: &Server, telnet: &str) -> (Program, Client) {
    let script = format!("stty iutf8; exec setsid -wc {telnet}");
    let (client, watcher) = start(server, &script);
    client.read_until(") joined\n");
    (client, watcher)
}

/// Types a part of a line, and has telnet send the named command behind it. Waits until both have
/// arrived: what is typed before that may be another command.
fn type_and_send(server: &Server, client: &mut Program, typed: &str, name: &str) {
    const COMMAND_BYTES: usize = 2;
    let expected = bytes_read_by(server) + typed.len() + COMMAND_BYTES;
    client.say(&format!("{typed}\x1d"));
    client.read_until("telnet> ");
    client.say(&format!("send {name}\r"));
    wait_for("the command", || (bytes_read_by(server) >= expected).then_some(()));
}

#[test]
#[ignore = "needs telnet, ss"]
fn telnet_takes_back_by_send_ec_and_send_el() {
    for telnet in ["telnet $HOST $PORT", "telnet -- $HOST -$PORT"] {
        for (typed, name, rest, said) in
            [("hellp", "ec", "o", "hello"), ("abc", "el", "x", "x"), ("", "ec", "a", "a")]
        {
            let server = Server::start(&[]);
            let (mut client, mut watcher) = start_telnet(&server, telnet);
            type_and_send(&server, &mut client, typed, name);
            client.say(&format!("{rest}\r"));
            watcher.read_until_last("\n");
            assert_eq!(watcher.read_text(), format!("guest2: {said}\n"), "{telnet}: {name}");
        }
    }
}

#[test]
#[ignore = "needs telnet, ss"]
fn send_ayt_of_telnet_is_answered_visibly() {
    let server = Server::start(&[]);
    let (mut client, _watcher) = start_telnet(&server, "telnet $HOST $PORT");
    type_and_send(&server, &mut client, "", "ayt");
    client.say("hello\r");
    let shown = client.read_until("guest2: hello\n");
    let (_, behind) = shown.split_once("send ayt\n").unwrap();
    // The terminal echoes what is typed as well.
    let answer = behind.split("guest2: hello").next().unwrap().replace("hello", "");
    assert!(answer.contains(char::is_alphanumeric), "{behind:?}");
}
