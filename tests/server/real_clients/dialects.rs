//! Scripts and programs that send text in other ways, with NULs, marks and other encodings. And
//! clients that split what they read in their own way.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{assert_whole_visit, shown_by};
use crate::support::Server;
use crate::support::program::Program;

/// What a program shows, with each CR as `<CR>` and each byte 255 as `<IAC>`.
fn bytes_shown_by(server: &Server, program: &str) -> String {
    shown_by(server, &format!("{program} | sed 's/\\r/<CR>/g; s/\\xff/<IAC>/g'"))
}

#[test]
#[ignore = "needs nc"]
fn nc_is_sent_plain_lines_to_the_byte() {
    let server = Server::start(&[]);
    let said = r"hello\n/who\n/me waves\n/nope\n안녕\n\354\235\n/quit\n";
    let shown = bytes_shown_by(&server, &format!("printf '{said}' | LC_ALL=C nc -N $HOST $PORT"));
    let address = shown.split(['(', ')']).nth(1).unwrap();
    let expected = format!(
        "* welcome, you are guest1 ({address}), 1 here\n\
         * guest1 ({address}) joined\n\
         guest1: hello\n\
         * 1 here: guest1\n\
         ~ guest1 waves\n\
         * no such command: /nope; /help lists them, //text says /text\n\
         guest1: 안녕\n\
         guest1: \u{fffd}\n\
         * what you type is not UTF-8, so others see \u{fffd}; set your terminal to UTF-8\n\
         * bye\n"
    );
    assert_eq!(shown, expected);
}

#[test]
#[ignore = "needs nc"]
fn nc_that_ends_lines_in_cr_lf_is_sent_cr_lf() {
    let server = Server::start(&[]);
    for end in [r"\r\n", r"\r"] {
        let script = format!("printf 'one{end}two{end}' | nc -N $HOST $PORT");
        let shown = bytes_shown_by(&server, &script);
        let lines: Vec<&str> = shown.lines().collect();
        let [_, _, one, two] = lines[..] else { panic!("{shown:?}") };
        assert!(one.ends_with(": one<CR>") && two.ends_with(": two<CR>"), "{shown:?}");
    }
}

#[test]
#[ignore = "needs nc"]
fn nc_that_sends_a_byte_of_latin_1_is_sent_no_telnet() {
    let server = Server::start(&[]);
    let shown = bytes_shown_by(&server, r"printf 'Lou\377s\nna\357ve\n' | nc -N $HOST $PORT");
    assert!(!shown.contains("<"), "{shown:?}");
    assert_eq!(shown.matches("guest1: ").count(), 2, "{shown:?}");
}

#[test]
#[ignore = "needs nc"]
fn strings_of_c_are_messages() {
    let server = Server::start(&[]);
    let shown = shown_by(&server, r"printf 'hello\0world\0/who\0' | nc -N $HOST $PORT");
    assert!(shown.ends_with("guest1: hello\nguest1: world\n* 1 here: guest1\n"), "{shown:?}");
    let shown = shown_by(&server, r"printf 'hello\0' | nc -N $HOST $PORT");
    assert_whole_visit(&shown, "hello");
}

/// Sends each line of its input as a whole buffer, zeroed behind the line, as many do.
const ZEROED_BUFFER: &str = r#"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(void) {
    char buffer[1024] = {0};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(getenv("PORT")))};
    int peer = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, getenv("HOST"), &to.sin_addr);
    if (connect(peer, (struct sockaddr *)&to, sizeof to)) return 1;
    while (fgets(buffer, sizeof buffer, stdin)) {
        buffer[strcspn(buffer, "\n")] = 0;
        if (send(peer, buffer, sizeof buffer, 0) < 0) return 1;
        memset(buffer, 0, sizeof buffer);
    }
    shutdown(peer, SHUT_WR);
    for (ssize_t got; (got = read(peer, buffer, sizeof buffer)) > 0;)
        if (write(1, buffer, got) < 0) return 1;
    return 0;
}
"#;

#[test]
#[ignore = "needs gcc"]
fn a_zeroed_buffer_of_c_is_a_message_without_its_zeros() {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("zeroed_buffer");
    let source = program.with_extension("c");
    fs::write(&source, ZEROED_BUFFER).unwrap();
    let compiled = Command::new("gcc").arg("-o").args([&program, &source]).status().unwrap();
    assert!(compiled.success());
    let server = Server::start(&[]);
    let script = format!(r"printf 'hello\n안녕\n/who\n' | '{}'", program.display());
    let shown = shown_by(&server, &script);
    assert!(shown.ends_with("guest1: hello\nguest1: 안녕\n* 1 here: guest1\n"), "{shown:?}");
}

#[test]
#[ignore = "needs nc"]
fn a_file_with_a_byte_order_mark_is_sent_without_it() {
    let server = Server::start(&[]);
    let shown = shown_by(&server, r"printf '\357\273\277hello\r\n' | nc -N $HOST $PORT");
    assert_whole_visit(&shown, "hello");
    let shown = shown_by(&server, r"printf '\357\273\277\n' | nc -N $HOST $PORT");
    assert!(!shown.contains(": "), "{shown:?}");
}

#[test]
#[ignore = "needs nc"]
fn a_file_in_utf16_is_told_so() {
    let server = Server::start(&[]);
    for encoding in ["UTF-16", "UTF-16LE", "UTF-16BE"] {
        let text = format!(r"printf 'hello there\r\nand more\r\n' | iconv -t {encoding}");
        let shown = shown_by(&server, &format!("{text} | nc -N $HOST $PORT"));
        let told = shown.lines().filter(|line| line.starts_with("* ") && line.contains("UTF-16"));
        assert_eq!(told.count(), 1, "{encoding}: {shown:?}");
    }
}

/// Two ways to split input at each CR LF by hand: as LineReceiver of Twisted does, and as asynchat
/// does, which looks for the beginning of a line end.
const FRAMED: &str = r#"
import os, socket, sys
peer = socket.create_connection((os.environ["HOST"], int(os.environ["PORT"])))
END = b"\r\n"
waiting = b""
def line_receiver():
    global waiting
    while END not in waiting:
        got = peer.recv(65536)
        if not got:
            sys.exit(3)
        waiting += got
    line, waiting = waiting.split(END, 1)
    return line
def asynchat():
    global waiting
    collected = b""
    while True:
        at = waiting.find(END)
        if at >= 0:
            collected, waiting = collected + waiting[:at], waiting[at + 2:]
            return collected
        keep = 1 if waiting.endswith(END[:1]) else 0
        collected += waiting[:len(waiting) - keep]
        waiting = waiting[len(waiting) - keep:]
        got = peer.recv(7)
        if not got:
            sys.exit(3)
        waiting += got
take_line = {"line_receiver": line_receiver, "asynchat": asynchat}[sys.argv[1]]
peer.sendall(b"hello" + END)
while not take_line().endswith(b"guest1: hello"):
    pass
for message in ["/who", "again", "bye"]:
    peer.sendall(message.encode() + END)
    print(take_line().decode())
"#;

#[test]
#[ignore = "needs python3"]
fn a_client_that_takes_lines_at_cr_lf_gets_them() {
    for framing in ["line_receiver", "asynchat"] {
        let server = Server::start(&[]);
        let shown = shown_by(&server, &format!("exec python3 -c '{FRAMED}' {framing}"));
        assert_eq!(shown, "* 1 here: guest1\nguest1: again\nguest1: bye\n", "{framing}");
    }
}

/// A reader of the old server: it decodes each read, and fails at half a character.
const OLD_READER: &str = r#"
import os, socket
peer = socket.create_connection((os.environ["HOST"], int(os.environ["PORT"])))
while True:
    data = peer.recv(1024)
    if not data:
        break
    print(data.decode(), end="", flush=True)
"#;

/// Starts such a reader, which has read that it joined.
fn start_old_reader(server: &Server) -> Program {
    let reader = Program::start(server, &format!("exec python3 -c '{OLD_READER}'"));
    reader.read_until("접속했습니다.");
    reader
}

/// Each message is sent when all have shown the one before, so all are waiting.
#[test]
#[ignore = "needs python3"]
fn a_raw_reader_at_rest_gets_no_half_of_a_character() {
    let mut server = Server::start(&["--raw"]);
    let mut readers: Vec<Program> = (0..6).map(|_| start_old_reader(&server)).collect();
    let mut speaker = server.connect();
    for number in 0..100 {
        // The messages have many lengths, and a syllable may begin at any byte.
        let (blanks, syllables) = (".".repeat(number % 3), "가".repeat(number * 97 % 336));
        let message = format!("{number}{blanks}{syllables}|");
        assert!(message.len() < 1024, "{}", message.len());
        speaker.send(&message);
        readers.iter().for_each(|reader| _ = reader.read_until(&message));
    }
    server.signal("TERM");
    for reader in &mut readers {
        let (status, shown) = reader.wait_for_end();
        assert!(status.success() && shown.ends_with('|'), "{status}: {shown:?}");
    }
    assert!(server.wait_for_end().success());
}
