//! What clients see.

use std::io::Write;
use std::net::{TcpListener, TcpStream};

use crate::support::talk::{Comings, account, connect_many};
use crate::support::{Client, Server, numbered, say_in_step, wait_for};

/// The length of a flood: twice the window, and far more than the kernel holds for any client.
const FLOOD_BYTES: usize = 9 << 20;

/// A line of a flood.
const FLOOD_LINE_BYTES: usize = 3000;

/// How much a flooder sends before its readers catch up: well within the window, so no reader falls
/// behind.
const STEP_BYTES: usize = 256 * 1024;

/// A flood for the smallest window, which it fills many times over.
const SMALL_FLOOD_LINES: usize = 10_000;

// Who is there.

#[test]
fn the_welcome_says_name_address_and_count_before_the_join() {
    let server = Server::start(&[]);
    let mut clients = Vec::new();
    for (name, here) in [("guest1", 1), ("guest2", 2)] {
        let mut client = server.connect();
        let address = client.address();
        client.read_until(&format!("* {name} ({address}) joined\n"));
        let read = format!(
            "* welcome, you are {name} ({address}), {here} here\n* {name} ({address}) joined\n"
        );
        assert_eq!(client.read_text(), read);
        clients.push(client);
    }
}

#[test]
fn each_join_and_each_leave_is_told_to_everyone() {
    let server = Server::start(&[]);
    let (mut alice, _) = server.join();
    let (bob, _) = server.join();
    let (carol, _) = server.join();
    let (there, here) = (bob.address(), carol.address());
    alice.read_until("guest3 ");
    drop(carol);
    alice.read_until("* guest3 left\n");
    drop(bob);
    alice.read_until("* guest2 left\n");
    let read = format!(
        "* guest2 ({there}) joined\n* guest3 ({here}) joined\n* guest3 left\n* guest2 left\n"
    );
    assert_eq!(alice.read_text(), read);
}

#[test]
fn addresses_are_hidden_from_everyone_on_demand() {
    let server = Server::start(&["--hide-addresses", "--history", "10"]);
    let mut alice = server.connect();
    alice.read_until("* guest1 joined\n");
    let mut bob = server.connect();
    bob.read_until("* guest2 joined\n");
    bob.half_close();
    bob.read_to_end();
    alice.read_until("* guest2 left\n");
    let welcome = "* welcome, you are guest1, 1 here\n";
    let notices = "* guest1 joined\n* guest2 joined\n* guest2 left\n";
    assert_eq!(alice.read_text(), format!("{welcome}{notices}"));
    assert!(!bob.read_text().contains("127.0.0.1"), "{}", bob.read_text());
    let listening = format!("listening on {}\n", server.address);
    wait_for("the transcript", || server.stdout().ends_with(notices).then_some(()));
    assert_eq!(server.stdout(), format!("{listening}{notices}"));
}

#[test]
fn a_storm_of_newcomers_is_summed_up_and_the_sums_add_up() {
    let server = Server::start(&[]);
    let (mut observer, _) = server.join();
    let storm: Vec<Client> = (0..200).map(|_| server.connect()).collect();
    let mut told = Comings::new(1);
    told.read_until(&mut observer, |_, told| told.joined == 200);
    drop(storm);
    told.read_until(&mut observer, |_, told| told.left == 200);
    assert_eq!((told.joined, told.left), (200, 200));
    assert!(told.summaries > 0);
}

#[test]
fn a_listener_for_ipv6_is_part_of_the_same_conversation() {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("this machine has no IPv6: nothing tested");
        return;
    }
    let server = Server::start(&["--listen", "127.0.0.1:0", "--listen", "[::1]:0"]);
    let (mut alice, _) = server.join();
    let second = wait_for("the second address", || {
        let text = server.stdout();
        let (_, after) = text.split_once('\n')?;
        let (second, _) = after.split_once('\n')?;
        Some(second.strip_prefix("listening on ")?.to_owned())
    });
    let mut bob = Client::new(TcpStream::connect(&second).unwrap());
    let address = bob.address();
    assert!(address.to_string().starts_with("[::1]:"));
    bob.read_until(&format!("* welcome, you are guest2 ({address}), 2 here\n"));
    bob.read_until(&format!("* guest2 ({address}) joined\n"));
    bob.send("hello\n");
    alice.read_until(&format!("* guest2 ({address}) joined\nguest2: hello\n"));
}

// What was said before.

#[test]
fn newcomers_see_nothing_that_was_said_before_them() {
    let server = Server::start(&[]);
    let (mut alice, _) = server.join();
    alice.send("a secret\n");
    alice.read_until("a secret\n");
    let mut bob = server.connect();
    bob.read_until("* guest2 ");
    bob.send("what?\n");
    bob.read_until("guest2: what?\n");
    let address = bob.address();
    let welcome = format!("* welcome, you are guest2 ({address}), 2 here\n");
    let joined = format!("* guest2 ({address}) joined\n");
    assert_eq!(bob.read_text(), format!("{welcome}{joined}guest2: what?\n"));
}

#[test]
fn newcomers_are_shown_as_many_lines_as_was_asked_for() {
    let server = Server::start(&["--history", "3"]);
    let (mut alice, _) = server.join();
    alice.send("one\ntwo\nthree\nfour\n");
    alice.read_until("four\n");
    let mut bob = server.connect();
    bob.read_until(" joined\n");
    let address = bob.address();
    let welcome = format!("* welcome, you are guest2 ({address}), 2 here\n");
    let history = "* history\nguest1: two\nguest1: three\nguest1: four\n* now\n";
    let joined = format!("* guest2 ({address}) joined\n");
    assert_eq!(bob.read_text(), format!("{welcome}{history}{joined}"));
}

#[test]
fn history_is_what_clients_said_however_many_came_and_went() {
    let server = Server::start(&["--history", "3", "--notices", "50", "--hide-addresses"]);
    let (mut alice, _) = server.join();
    alice.send("zero\none\ntwo\n/me waves\n/nick alice\n");
    alice.read_until("* guest1 is now alice\n");
    for _ in 0..10 {
        drop(server.join());
    }
    alice.read_until("* guest11 left\n");
    let (mut bob, name) = server.join();
    let history = "* history\nguest1: one\nguest1: two\n~ guest1 waves\n* now\n";
    bob.send("/history 3\n/history 2\nx\n");
    bob.read_until_last(": x\n");
    let two = history.replace("guest1: one\n", "");
    assert_eq!(bob.read_text(), format!("{history}{two}{name}: x\n"));
}

// Lines.

#[test]
fn a_line_reaches_everyone_its_sender_included() {
    let server = Server::start(&[]);
    let (mut alice, name) = server.join();
    let (mut bob, _) = server.join();
    alice.send("hello\n");
    let said = format!("{name}: hello\n");
    alice.read_until(&said);
    bob.read_until(&said);
}

#[test]
fn without_echo_a_line_reaches_everyone_but_its_sender() {
    let server = Server::start(&["--no-echo"]);
    let (mut alice, _) = server.join();
    let (mut bob, _) = server.join();
    alice.read_until("* guest2 ");
    alice.read_until(") joined\n");
    alice.forget();
    alice.send("one\n");
    bob.read_until("guest1: one\n");
    bob.send("two\n");
    alice.read_until("two\n");
    assert_eq!(alice.read_text(), "guest2: two\n");
    alice.send("three\n");
    bob.read_until("three\n");
    assert_eq!(bob.read_text(), "guest1: one\nguest1: three\n");
}

#[test]
fn every_kind_of_line_end_counts_and_empty_lines_are_ignored() {
    let server = Server::start(&[]);
    let (mut alice, _) = server.join();
    alice.send(b"a\nb\r\nc\rd\r\0e\n\n\r\n\r\r\r\0\nf\r");
    alice.read_until("guest1: f\r\n");
    // Line ends that are split between two packets.
    alice.send(b"\ng\r");
    alice.read_until("guest1: g\r\n");
    alice.send(b"\0h\n");
    alice.read_until("guest1: h\r\n");
    // From its first line with a CR on, every line that it gets ends with CR LF.
    let said: String = "abcdefgh".chars().map(|line| format!("guest1: {line}\r\n")).collect();
    assert_eq!(alice.read_text().replacen("a\n", "a\r\n", 1), said);
}

#[test]
fn a_message_without_a_line_end_is_heard() {
    let server = Server::start(&[]);
    let (mut alice, _) = server.join();
    for message in ["hello", "네", "ㅋ"] {
        let (mut bob, name) = server.join();
        bob.send(message);
        let said = format!("{name}: {message}\n");
        alice.read_until(&said);
        bob.read_until(&said);
        assert_eq!(bob.read_text(), said);
    }
}

#[test]
fn a_client_that_has_ended_a_line_is_waited_for() {
    let server = Server::start(&[]);
    let (mut alice, _) = server.join();
    let (mut bob, _) = server.join();
    alice.send("one\ntw");
    bob.read_until("guest1: one\n");
    // It arrives after a second of silence. A first message would have arrived long before.
    bob.send("ㅋ");
    alice.read_until("guest2: ㅋ\n");
    alice.send("o\n");
    bob.read_until("guest1: two\n");
    assert_eq!(bob.read_text(), "guest1: one\nguest2: ㅋ\nguest1: two\n");
}

#[test]
fn a_syllable_split_between_two_packets_arrives_whole() {
    let server = Server::start(&[]);
    let (mut alice, _) = server.join();
    let (mut bob, _) = server.join();
    alice.send("first\n");
    bob.read_until("first\n");
    let line = "안녕하세요\n".as_bytes();
    for half in 1..line.len() {
        bob.forget();
        alice.send(&line[..half]);
        // When this arrives, the server has read the half before it.
        bob.send("next\n");
        bob.read_until("guest2: next\n");
        alice.send(&line[half..]);
        bob.read_until("guest1: 안녕하세요\n");
        assert_eq!(bob.read_text(), "guest2: next\nguest1: 안녕하세요\n");
    }
}

// Coming and going.

#[test]
fn a_client_that_ends_its_input_is_heard_and_reads_to_the_end() {
    let server = Server::start(&[]);
    let (mut alice, _) = server.join();
    let (mut bob, _) = server.join();
    alice.read_until("* guest2 ");
    alice.read_until(") joined\n");
    alice.forget();
    bob.send("one\ntwo");
    bob.half_close();
    assert_eq!(bob.read_to_end(), "guest2: one\nguest2: two\n");
    assert!(!bob.reset);
    alice.read_until("left\n");
    assert_eq!(alice.read_text(), "guest2: one\nguest2: two\n* guest2 left\n");
}

#[test]
fn a_client_that_ends_before_it_is_let_in_is_heard() {
    let server = Server::start(&["--notices", "50"]);
    let (mut alice, _) = server.join();
    for number in 2..12 {
        alice.forget();
        server.pause();
        let mut bob = server.connect();
        bob.send("one\ntwo");
        bob.half_close();
        server.resume();
        let name = format!("guest{number}");
        let (joined, said) = (
            format!("* {name} ({}) joined\n", bob.address()),
            format!("{name}: one\n{name}: two\n"),
        );
        let read = bob.read_to_end();
        assert!(read.ends_with(&format!("{joined}{said}")), "{read:?}");
        alice.read_until("left\n");
        assert_eq!(alice.read_text(), format!("{joined}{said}* {name} left\n"));
    }
}

#[test]
fn data_and_the_end_of_input_in_one_packet_are_both_heard() {
    let server = Server::start(&["--notices", "50"]);
    let (mut alice, _) = server.join();
    for _ in 0..10 {
        let (mut bob, name) = server.join();
        let socket = socket2::SockRef::from(&bob.socket);
        socket.set_tcp_nodelay(false).unwrap();
        socket.set_tcp_cork(true).unwrap();
        bob.send("the end");
        bob.half_close();
        assert_eq!(bob.read_to_end(), format!("{name}: the end\n"));
        alice.read_until(&format!("{name}: the end\n* {name} left\n"));
    }
}

#[test]
fn a_vanished_client_hurts_nobody_and_its_last_line_is_heard() {
    let server = Server::start(&["--notices", "50"]);
    let (mut alice, _) = server.join();
    let (mut bob, _) = server.join();
    for round in 0..10 {
        let (mut victim, name) = server.join();
        if round % 2 == 0 {
            // The server finds the line and the reset at once, and has something to write as well.
            server.pause();
        }
        bob.send("what else?\n");
        victim.send("last words\n");
        victim.reset();
        if round % 2 == 0 {
            server.resume();
        }
        for client in [&mut alice, &mut bob] {
            client.read_until(&format!("{name}: last words\n"));
            client.read_until(&format!("* {name} left\n"));
            client.read_until("guest2: what else?\n");
            client.forget();
        }
    }
    assert_eq!(server.threads(), 1);
}

// One order, whole lines, once.

#[test]
fn all_see_the_same_lines_in_the_same_order() {
    const SENDERS: usize = 4;
    const LINES: usize = 300;
    let server = Server::start(&[]);
    let mut clients: Vec<Client> = (0..SENDERS + 2).map(|_| server.join().0).collect();
    clients[0].send("ready\n");
    for client in &mut clients {
        client.read_until("guest1: ready\n");
        client.forget();
    }
    let speakers = clients.iter().take(SENDERS).map(|client| client.socket.try_clone().unwrap());
    let threads = speakers.map(|socket| {
        std::thread::spawn(move || {
            let mut client = Client::new(socket);
            (0..LINES).for_each(|number| client.send(format!("line {number}\n")));
        })
    });
    for thread in threads.collect::<Vec<_>>() {
        thread.join().unwrap();
    }
    clients.iter_mut().for_each(|client| client.read_until_lines(SENDERS * LINES));
    let seen = clients[0].read_text();
    for sender in 1..=SENDERS {
        let prefix = format!("guest{sender}: line ");
        let numbers = seen.lines().filter_map(|line| line.strip_prefix(&prefix));
        assert!(numbers.eq((0..LINES).map(|number| number.to_string())), "{seen}");
    }
    assert!(clients.iter().all(|client| client.read_text() == seen));
}

#[test]
fn a_client_beside_a_stuck_one_gets_every_line_exactly_once() {
    let server = Server::start(&[]);
    let (mut speaker, name) = server.join();
    let (mut reader, _) = server.join();
    let (stuck, _) = server.join_narrow();
    reader.read_until("* guest3 ");
    reader.read_until(") joined\n");
    reader.forget();
    let text = numbered(0, FLOOD_BYTES / FLOOD_LINE_BYTES, FLOOD_LINE_BYTES);
    say_in_step((&mut speaker, &name), &text, STEP_BYTES, &mut [&mut reader]);
    let said: String = text.lines().map(|line| format!("{name}: {line}\n")).collect();
    assert!(reader.read_bytes() == said.as_bytes(), "something was lost, doubled or torn");
    drop(stuck);
    assert_eq!(server.threads(), 1);
}

#[test]
fn a_lapsed_client_is_told_exactly_how_many_lines_it_missed() {
    for flags in [&["--window", "32768"][..], &["--window", "32768", "--no-echo"]] {
        let server = Server::start(flags);
        let (mut speaker, name) = server.join();
        let (mut witness, _) = server.join();
        let (mut reader, _) = server.join_narrow();
        let (mut said, mut gaps) = (0, 0);
        for round in 0..3 {
            speaker.send(numbered(said, SMALL_FLOOD_LINES, 20 + 50 * round));
            said += SMALL_FLOOD_LINES;
            speaker.send(format!("{said} end\n"));
            said += 1;
            let end = format!("{name}: {} end\n", said - 1);
            // It does not read before everything was sent. The witness may lapse as well.
            witness.read_until_last(&end);
            witness.forget();
            reader.read_until_last(&end);
            gaps += account(&reader.read_text(), &name, said - SMALL_FLOOD_LINES - 1, said);
            reader.forget();
        }
        assert!(gaps >= 3, "it was to lapse in each round");
    }
}

// The operator's view.

#[test]
fn the_transcript_is_printed_on_standard_output() {
    let server = Server::start(&[]);
    let mut alice = server.connect();
    alice.read_until("joined\n");
    alice.send("hello\n네");
    alice.half_close();
    alice.read_to_end();
    let printed = format!(
        "listening on {}\n* guest1 ({}) joined\nguest1: hello\nguest1: 네\n* guest1 left\n",
        server.address,
        alice.address()
    );
    wait_for("the transcript", || (server.stdout().len() >= printed.len()).then_some(()));
    assert_eq!(server.stdout(), printed);
}

#[test]
fn it_stays_one_thread_whatever_happens() {
    let mut server = Server::start(&["--notices", "50"]);
    let (mut alice, name) = server.join();
    let crowd: Vec<_> = (0..20).map(|_| server.join()).collect();
    alice.send(numbered(0, 100, 100));
    alice.read_until(&format!("{name}: 99 "));
    assert_eq!(server.threads(), 1);
    drop(crowd);
    alice.read_until("* guest21 left\n");
    assert_eq!(server.threads(), 1);
    server.signal("TERM");
    assert!(alice.read_to_end().ends_with("* server shutting down\n"));
    assert!(server.wait_for_end().success());
}

/// `count` clients connect, each after the `connect()` of the one before has returned. Then the
/// last one sends a line at once.
fn assert_all_hear(flags: &[&str], count: usize) {
    let server = Server::start(flags);
    let mut sockets = connect_many(&server, count);
    sockets[count / 2].write_all(b"heard by all\n").unwrap();
    for (place, socket) in sockets.into_iter().enumerate() {
        let mut client = Client::new(socket);
        client.read_past("heard by all");
        assert!(!client.read_text().contains("missed"), "{place} of {count} with {flags:?}");
    }
}

#[test]
fn a_line_is_heard_by_all_that_connected_before_it_was_sent() {
    for _ in 0..5 {
        for flags in [&[][..], &["--greeting", "0"], &["--raw"]] {
            assert_all_hear(flags, 400);
        }
    }
}

#[test]
fn a_line_is_heard_by_all_of_4000_that_connected_before() {
    for flags in [&[][..], &["--greeting", "0"], &["--raw"]] {
        assert_all_hear(flags, 4000);
    }
}

/// What a page is told of the run of a server that begins now.
fn run_of_a_server() -> String {
    let server = Server::start(&[]);
    let mut page = server.connect();
    page.send(
        "GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    let read = page.read_until(" here");
    let (_, place) = read.split_once("= ").expect(&read);
    place.split(' ').next().unwrap().to_owned()
}

#[test]
fn two_runs_within_a_second_are_told_apart() {
    let mut runs = [(); 3].map(|()| run_of_a_server()).to_vec();
    runs.dedup();
    assert_eq!(runs.len(), 3, "{runs:?}");
}
