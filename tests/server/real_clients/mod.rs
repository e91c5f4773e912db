//! The usual client programs, run as they are. Each treats the end of its input, of a line or of
//! the connection in a way that a server must know.

mod dialects;
mod keys;
mod protocols;
mod proxies;
mod strangers;
mod tail_and_say;
mod telnet;

use crate::support::process::{connections, has_unread_input};
use crate::support::program::Program;
use crate::support::{Client, Server, wait_for};

/// Runs a shell command to its end, and returns what it shows.
fn shown_by(server: &Server, script: &str) -> String {
    let (status, shown) = Program::start(server, script).wait_for_end();
    assert!(status.success(), "{script}: {status}: {shown:?}");
    shown
}

/// Asserts that this is a whole visit: the welcome, its own join notice and its own line, and
/// nothing after.
fn assert_whole_visit(shown: &str, line: &str) {
    let lines: Vec<&str> = shown.lines().collect();
    let [welcome, joined, said] = lines[..] else { panic!("{shown:?}") };
    let name = welcome.strip_prefix("* welcome, you are ").unwrap().split(' ').next().unwrap();
    assert!(joined.starts_with(&format!("* {name} (127.0.0.1:")), "{shown:?}");
    assert!(joined.ends_with(") joined"), "{shown:?}");
    assert_eq!(said, format!("{name}: {line}"));
}

/// Asserts that each of these programs, which half-close, gets its welcome, its line and a clean
/// end; with and without a line end.
fn assert_one_line_visits(programs: &[&str]) {
    for program in programs {
        let server = Server::start(&[]);
        let shown = shown_by(&server, &format!("echo hi | {program}"));
        assert_whole_visit(&shown, "hi");
        let shown = shown_by(&server, &format!("printf 'no line end' | {program}"));
        assert_whole_visit(&shown, "no line end");
        let shown = shown_by(&server, &format!("printf '안녕하세요' | {program}"));
        assert_whole_visit(&shown, "안녕하세요");
    }
}

/// Asserts that two programs talk to each other, both ways.
fn assert_two_talk(mut alice: Program, mut bob: Program, enter: &str) {
    alice.read_until("* welcome, you are ");
    bob.read_until("* welcome, you are ");
    for round in 0..3 {
        alice.say(&format!("밥 먹었어? {round}{enter}"));
        bob.read_until(&format!(": 밥 먹었어? {round}\n"));
        bob.say(&format!("응, 너는? ㅋㅋㅋ {round}{enter}"));
        alice.read_until(&format!(": 응, 너는? ㅋㅋㅋ {round}\n"));
    }
    // A message stands in the order of all.
    let order = alice.read_until(": 응, 너는? ㅋㅋㅋ 2\n");
    let places: Vec<usize> =
        ["밥 먹었어? 0", "ㅋㅋㅋ 0", "밥 먹었어? 1", "ㅋㅋㅋ 1", "밥 먹었어? 2", "ㅋㅋㅋ 2"]
            .map(|said| order.rfind(said).unwrap())
            .into();
    assert!(places.is_sorted(), "{order}");
}

/// Asserts that a client which is connected when the server stops shows why.
fn assert_goodbye_is_shown(program: &str, start: fn(&Server, &str) -> Program) {
    let mut server = Server::start(&[]);
    let client = start(&server, program);
    client.read_until(") joined\n");
    server.signal("TERM");
    client.read_until("* server shutting down\n");
    assert_eq!(server.wait_for_end().code(), Some(0));
}

/// Asserts that a client of a full server shows that, though its input is discarded.
fn assert_full_is_shown(program: &str) {
    let server = Server::start(&["--max-clients", "1"]);
    let (_inside, _) = server.join();
    // The worst order: the server finds the connection with input in it, and the client reads only
    // after the server has closed it. With unread input, that close would have been a reset.
    server.pause();
    let mut client = Program::start(&server, &format!("exec {program}"));
    client.say("let me in\n");
    wait_for("the input", || has_unread_input(&server).then_some(()));
    client.signal("STOP");
    server.resume();
    let closed = || connections(&server) == 1 && !has_unread_input(&server);
    wait_for("the end", || closed().then_some(()));
    client.signal("CONT");
    client.read_until("* server full (1)\n");
    client.end_input();
    let (_, shown) = client.wait_for_end();
    assert_eq!(shown, "* server full (1)\n", "{program}");
}

/// Waits until another client sees that this one has left.
fn wait_for_left(watcher: &mut Client, name: &str) {
    watcher.read_until(&format!("* {name} left\n"));
}

#[test]
#[ignore = "needs nc"]
fn nc_that_ends_its_input_gets_its_line_and_a_clean_end() {
    assert_one_line_visits(&["nc -N $HOST $PORT"]);
}

#[test]
#[ignore = "needs nc"]
fn nc_that_waits_a_second_after_its_input_gets_its_line() {
    let server = Server::start(&[]);
    let (mut watcher, _) = server.join();
    assert_whole_visit(&shown_by(&server, "echo hi | nc -q 1 $HOST $PORT"), "hi");
    wait_for_left(&mut watcher, "guest2");
}

#[test]
#[ignore = "needs nc"]
fn nc_that_never_ends_its_input_stays_in_the_conversation() {
    let server = Server::start(&[]);
    let (mut watcher, name) = server.join();
    let client = Program::start(&server, "echo hi | exec nc $HOST $PORT");
    client.read_until(": hi\n");
    watcher.send("are you there?\n");
    client.read_until(&format!("{name}: are you there?\n"));
    assert!(!watcher.read_text().contains(" left"));
}

#[test]
#[ignore = "needs nc"]
fn many_lines_of_nc_arrive_in_order_and_whole() {
    let server = Server::start(&[]);
    let shown = shown_by(&server, "seq 1 20000 | nc -N $HOST $PORT");
    let said = shown.lines().filter_map(|line| line.strip_prefix("guest1: "));
    assert!(said.eq((1..=20000).map(|number| number.to_string())));
}

#[test]
#[ignore = "needs nc"]
fn two_people_with_nc_talk_to_each_other() {
    let server = Server::start(&[]);
    let start = || Program::start(&server, "exec nc $HOST $PORT");
    assert_two_talk(start(), start(), "\n");
}

#[test]
#[ignore = "needs nc"]
fn two_people_with_nc_on_terminals_talk_to_each_other() {
    let server = Server::start(&[]);
    let start = || Program::start_on_terminal(&server, "exec nc $HOST $PORT");
    assert_two_talk(start(), start(), "\r");
}

#[test]
#[ignore = "needs nc"]
fn nc_shows_why_the_server_closes() {
    assert_goodbye_is_shown("exec nc $HOST $PORT", Program::start);
    assert_goodbye_is_shown("exec nc $HOST $PORT", Program::start_on_terminal);
    assert_full_is_shown("nc $HOST $PORT");
    assert_full_is_shown("nc -N $HOST $PORT");
}

/// Asserts that a client on a terminal ends by itself, with its last line, when it quits and when
/// the server stops.
fn assert_ends_by_itself(program: &str) {
    let mut server = Server::start(&[]);
    let start = || Program::start_on_terminal(&server, program);
    let (mut alice, mut bob) = (start(), start());
    alice.read_until(") joined\n");
    bob.read_until(") joined\n");
    alice.say("/quit\n");
    let (_, shown) = alice.wait_for_end();
    assert!(shown.contains("\n* bye"), "{program}: {shown:?}");
    server.signal("TERM");
    let (_, shown) = bob.wait_for_end();
    assert!(shown.contains("\n* server shutting down\n"), "{program}: {shown:?}");
    assert_eq!(server.wait_for_end().code(), Some(0));
}

#[test]
#[ignore = "needs nc"]
fn nc_ends_by_itself_after_quit_and_at_a_stop() {
    assert_ends_by_itself("exec nc $HOST $PORT");
}

#[test]
#[ignore = "needs busybox"]
fn the_nc_of_busybox_ends_by_itself_after_quit_and_at_a_stop() {
    assert_ends_by_itself("exec busybox nc $HOST $PORT");
}

#[test]
#[ignore = "needs telnet"]
fn telnet_ends_by_itself_after_quit_and_at_a_stop() {
    assert_ends_by_itself("exec telnet $HOST $PORT");
}

#[test]
fn a_client_that_has_not_acknowledged_its_last_line_gets_it() {
    // It is given time to take the rest, and the moment after that is short.
    let server = Server::start(&["--flush", "60", "--drain", "0.1"]);
    let (mut late, name) = server.join_narrow();
    let (mut alice, _) = server.enter();
    // More than its receive buffer holds, and less than it and the server's send buffer do.
    for number in 0..30 {
        alice.send(format!("{number} {}\n", "x".repeat(500)));
        alice.read_until(&format!(": {number} "));
    }
    late.send("/quit\n");
    alice.read_until(&format!("* {name} left\n"));
    wait_for("the close", || (connections(&server) == 1).then_some(()));
    let read = late.read_to_end();
    assert!(read.contains("\n* bye"), "{read:?}");
    assert!(!late.was_reset());
}

#[test]
#[ignore = "needs nc"]
fn nc_that_floods_without_a_line_end_shows_why_it_is_closed() {
    let server = Server::start(&[]);
    let (mut watcher, _) = server.join();
    // As much as the server discards for the sake of its last line.
    let endless = "head -c 120000 /dev/zero | tr '\\0' x";
    let client = Program::start(&server, &format!("{endless} | exec nc $HOST $PORT"));
    client.read_until("* closed: 65536 bytes without a line end\n");
    wait_for_left(&mut watcher, "guest2");
}

#[test]
#[ignore = "needs nc"]
fn nc_that_is_killed_has_left() {
    let server = Server::start(&[]);
    let (mut watcher, _) = server.join();
    let client = Program::start(&server, "exec nc $HOST $PORT");
    client.read_until(") joined\n");
    drop(client);
    wait_for_left(&mut watcher, "guest2");
}

#[test]
#[ignore = "needs ncat"]
fn ncat_that_ends_its_input_gets_its_line_and_a_clean_end() {
    assert_one_line_visits(&["ncat $HOST $PORT", "ncat --no-shutdown -i 2 $HOST $PORT || true"]);
}

#[test]
#[ignore = "needs ncat"]
fn ncat_that_only_sends_is_heard_though_it_does_not_stay() {
    let server = Server::start(&[]);
    let (mut watcher, _) = server.join();
    // It leaves with the welcome unread, so the connection is reset.
    for number in 0..20 {
        let name = format!("guest{}", number + 2);
        let script = format!("printf 'one\\ntwo {number}' | ncat --send-only $HOST $PORT");
        assert_eq!(shown_by(&server, &script), "");
        watcher.read_until(&format!("{name}: one\n{name}: two {number}\n"));
    }
}

#[test]
#[ignore = "needs ncat"]
fn ncat_that_only_receives_hears_the_others() {
    let server = Server::start(&[]);
    let client = Program::start(&server, "exec ncat --recv-only $HOST $PORT");
    client.read_until(") joined\n");
    let (mut alice, name) = server.join();
    alice.send("hello\n");
    client.read_until(&format!("{name}: hello\n"));
}

#[test]
#[ignore = "needs ncat"]
fn people_with_ncat_talk_to_each_other() {
    let server = Server::start(&[]);
    let start = || Program::start(&server, "exec ncat $HOST $PORT");
    assert_two_talk(start(), start(), "\n");
    let start = || Program::start_on_terminal(&server, "exec ncat -C $HOST $PORT");
    assert_two_talk(start(), start(), "\r");
}

#[test]
#[ignore = "needs ncat"]
fn ncat_shows_why_the_server_closes() {
    assert_goodbye_is_shown("exec ncat $HOST $PORT", Program::start);
    assert_goodbye_is_shown("exec ncat $HOST $PORT", Program::start_on_terminal);
    assert_full_is_shown("ncat $HOST $PORT");
}

#[test]
#[ignore = "needs socat"]
fn socat_that_ends_its_input_gets_its_line_and_a_clean_end() {
    assert_one_line_visits(&["socat -t 20 - TCP:$HOST:$PORT"]);
    assert_goodbye_is_shown("exec socat - TCP:$HOST:$PORT", Program::start);
    assert_full_is_shown("socat -t 20 - TCP:$HOST:$PORT");
}

#[test]
#[ignore = "needs socat"]
fn enter_is_a_line_end_of_a_raw_terminal_too() {
    let server = Server::start(&[]);
    let start = || Program::start_on_terminal(&server, "exec socat -,raw,echo=0 TCP:$HOST:$PORT");
    assert_two_talk(start(), start(), "\r");
    let (mut watcher, _) = server.join();
    let mut client = start();
    client.read_until("* welcome");
    // An Enter alone sends nothing, and no letter of a line arrives before its Enter.
    client.say("\r\rone\r\rtwo\r");
    watcher.read_until("guest4: one\nguest4: two\n");
}

#[test]
#[ignore = "needs bash"]
fn a_script_with_the_network_of_bash_is_one_of_us() {
    let server = Server::start(&[]);
    let script = r#"
        exec 3<>/dev/tcp/$HOST/$PORT
        echo "안녕" >&3
        while read -r line <&3; do
            echo "$line"
            case $line in *": 안녕") break ;; esac
        done"#;
    let shown = shown_by(&server, &format!("exec bash -c '{script}'"));
    assert_whole_visit(&shown, "안녕");
    let (mut watcher, _) = server.join();
    assert_eq!(shown_by(&server, "bash -c 'echo gone >/dev/tcp/$HOST/$PORT'"), "");
    watcher.read_until("guest3: gone\n");
}

#[test]
#[ignore = "needs busybox"]
fn the_nc_of_busybox_gets_its_line_and_a_clean_end() {
    assert_one_line_visits(&["busybox nc $HOST $PORT"]);
    assert_goodbye_is_shown("exec busybox nc $HOST $PORT", Program::start);
    let server = Server::start(&[]);
    let start = || Program::start(&server, "exec busybox nc $HOST $PORT");
    assert_two_talk(start(), start(), "\n");
}

/// A client of the old server: it sends each message without a line end, and takes each read for
/// one message.
const OLD_SCRIPT: &str = r#"
import os, socket, sys
peer = socket.create_connection((os.environ["HOST"], int(os.environ["PORT"])))
heard = b""
def hear(until):
    global heard
    while until.encode() not in heard:
        got = peer.recv(1024)
        if not got:
            sys.exit(3)
        heard += got
hear(sys.argv[1])
for message in sys.argv[3:]:
    peer.sendall(message.encode())
    hear(sys.argv[2].replace("MESSAGE", message))
sys.stdout.buffer.write(heard)
"#;

fn old_script(server: &Server, greeting: &str, heard: &str, messages: &str) -> String {
    let command = format!("exec python3 -c '{OLD_SCRIPT}' '{greeting}' '{heard}' {messages}");
    shown_by(server, &command)
}

#[test]
#[ignore = "needs python3"]
fn a_script_that_sends_no_line_ends_is_heard_message_by_message() {
    let server = Server::start(&[]);
    let (mut watcher, _) = server.join();
    let messages = "네 ㅋ '오늘 점심은 뭐 먹을까?' ok";
    old_script(&server, "joined", ": MESSAGE\n", messages);
    wait_for_left(&mut watcher, "guest2");
    let heard = watcher.read_text();
    let said: Vec<&str> = heard.lines().filter(|line| line.starts_with("guest2: ")).collect();
    let expected = ["guest2: 네", "guest2: ㅋ", "guest2: 오늘 점심은 뭐 먹을까?", "guest2: ok"];
    assert_eq!(said, expected);
}

#[test]
#[ignore = "needs python3"]
fn a_script_of_the_old_server_finds_it_in_raw_mode() {
    let server = Server::start(&["--raw"]);
    let heard = old_script(&server, "가 접속했습니다.", "MESSAGE", "네 ㅋ hello");
    let (joined, said) = heard.split_once("가 접속했습니다.").unwrap();
    assert!(joined.starts_with("유저(127.0.0.1:"), "{heard:?}");
    assert_eq!(said, "네ㅋhello");
    // What one client sends reaches the other, to the byte.
    let mut alice = Program::start(&server, "exec nc $HOST $PORT");
    alice.read_until("접속했습니다.");
    let (mut bob, mut carol) = (server.connect(), server.connect());
    for client in [&mut bob, &mut carol] {
        wait_for("its own notice", || {
            client.read_once();
            client.read_text().ends_with("접속했습니다.").then_some(())
        });
    }
    alice.say("반가워\n");
    bob.read_until("접속했습니다.반가워\n");
    carol.read_until("접속했습니다.반가워\n");
}
