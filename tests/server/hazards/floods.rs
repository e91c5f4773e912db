//! Clients that send, connect and ask without end.

use std::collections::{HashMap, HashSet};
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use chinwag::config::Config;

use crate::support;
use support::process::{
    connections, has_unread_input, start_piped, through_shell, unread_bytes,
    wait_until_nothing_is_left,
};
use support::talk::{
    Comings, Person, account, assert_all_hear_all, connect_at_once, connect_many, people,
    wait_until_here,
};
use support::{
    Client, PATIENCE, Server, connect_from, enter, narrow, numbered, say_in_step, wait_for,
};

const MIB: usize = 1 << 20;

/// Seconds for what must not happen: a summary of joins, or a reset for being stuck, would come
/// behind what a test waits for.
const NEVER: &str = "600";

/// How much the server reads between two rounds of sending.
fn turn_bytes() -> usize {
    Config::default().turn_bytes
}

/// How much of what the server does not read the connection of a flooder may hold.
const FLOODER_KEEPS_BYTES: usize = 4096;

/// A connection that takes little more than the server does.
fn connect_flooder(server: &Server) -> Client {
    let client = narrow(server.address);
    keep_little(&client.socket, FLOODER_KEEPS_BYTES);
    client
}

/// Makes a connection hold little of what the server has no room for.
fn keep_little(socket: &TcpStream, bytes: usize) {
    socket2::SockRef::from(socket).set_send_buffer_size(bytes).unwrap();
}

/// Sends `text` again and again, until the connection takes no more and the server reads none of
/// it, though others talk meanwhile. Returns how many bytes were taken.
fn send_until_unread(
    client: &Client,
    text: &[u8],
    bytes_max: usize,
    server: &Server,
    others: &mut [Person],
) -> usize {
    let (mut sent, mut before, mut unchanged) = (0, (0, 0), 0);
    while unchanged < 3 {
        sent = send_while_taken(client, text, sent, bytes_max);
        assert_all_hear_all(others, 5);
        let now = (sent, unread_bytes(server));
        unchanged = if now == before { unchanged + 1 } else { 0 };
        before = now;
    }
    sent
}

/// `sent` bytes of `text`, repeated, are sent. Sends more as far as it is taken without waiting.
/// Returns how many bytes are sent then: never all.
fn send_while_taken(client: &Client, text: &[u8], mut sent: usize, bytes_max: usize) -> usize {
    let mut socket = &client.socket;
    socket.set_nonblocking(true).unwrap();
    while sent < bytes_max {
        match socket.write(&text[sent % text.len()..]) {
            Ok(bytes) => sent += bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error} after {sent} bytes"),
        }
    }
    assert!(sent < bytes_max, "all of it was taken");
    socket.set_nonblocking(false).unwrap();
    sent
}

/// Sends it while the test does something else.
fn send_meanwhile(client: &Client, text: impl AsRef<[u8]> + Send + 'static) {
    let mut socket = client.socket.try_clone().unwrap();
    thread::spawn(move || socket.write_all(text.as_ref()).unwrap());
}

/// The length of these lines of `name` as clients receive them.
fn heard_bytes(text: &str, name: &str) -> usize {
    text.len() + text.lines().count() * (name.len() + 2)
}

/// The lines of `name` among all these.
fn lines_of(name: &str, heard: &str) -> String {
    let mark = format!("{name}: ");
    heard.split_inclusive('\n').filter(|line| line.starts_with(&mark)).collect()
}

// Clients that talk without end.

#[test]
fn a_flooder_gets_no_more_of_the_server_than_fifty_talkers() {
    const TALKERS: usize = 50;
    let server = Server::start(&["--quiet", "--summary", NEVER]);
    let mut everyone = people(&server, TALKERS + 1);
    // All of it fits in the window, so no client falls behind.
    let texts = [numbered(0, 1024, 1024), numbered(0, 80, 100)];
    server.pause();
    let mut bytes = 0;
    for (number, (client, name)) in everyone.iter().enumerate() {
        let text = &texts[number.min(1)];
        send_meanwhile(client, text.clone());
        bytes += heard_bytes(text, name);
        // The server finds the flooder first, before the clients that send little.
        wait_for("the flood", || has_unread_input(&server).then_some(()));
    }
    server.resume();
    everyone[1].0.read_until_bytes(bytes);
    let heard = everyone[1].0.read_text();
    let flooder = &everyone[0].1;
    let (mut flooded, mut flooded_before) = (0, HashMap::new());
    let mut said: HashMap<&str, String> = HashMap::new();
    for line in heard.split_inclusive('\n') {
        let (name, _) = line.split_once(": ").unwrap();
        said.entry(name).or_default().push_str(line);
        if name == flooder {
            flooded += line.len();
            continue;
        }
        // Each client had all its lines ready. Between two of them, and before the first, there is
        // at most what one turn gives two clients of the flooder's lines.
        let between = flooded - flooded_before.insert(name, flooded).unwrap_or(0);
        assert!(between <= turn_bytes() * 3 / 4, "{between} bytes before {line:?}");
    }
    for (name, said) in said {
        let text = &texts[usize::from(name != flooder)];
        account(&said, name, 0, text.lines().count());
    }
}

#[test]
fn fifty_talkers_beside_a_flooder_hear_each_other_exactly() {
    const ROUNDS: usize = 10;
    const LINES: usize = 256;
    let server = Server::start(&["--quiet", "--summary", NEVER]);
    let mut talkers = people(&server, 50);
    let (flooder, name) = server.enter();
    let (allow, allowed) = mpsc::channel();
    let mut socket = flooder.socket.try_clone().unwrap();
    let flood = thread::spawn(move || {
        for round in allowed {
            socket.write_all(numbered(LINES * round, LINES, 1024).as_bytes()).unwrap();
        }
    });
    for round in 0..ROUNDS {
        // All of it is less than the window, so no client lapses, however late it reads.
        allow.send(round).unwrap();
        assert_all_hear_all(&mut talkers, 1);
    }
    drop(allow);
    flood.join().unwrap();
    // The flooder itself has read nothing, so it has everything still before it.
    let mut flooder = flooder;
    let last = format!("{name}: {}", numbered(LINES * ROUNDS - 1, 1, 1024));
    flooder.read_past(&last);
    let heard = flooder.read_text();
    account(&lines_of(&name, &heard), &name, 0, LINES * ROUNDS);
}

#[test]
fn a_line_without_an_end_is_read_no_further_than_its_limit() {
    const GIB: usize = 1 << 30;
    let server = Server::start(&["--quiet"]);
    let mut others = people(&server, 2);
    let (before, cpu_before) = (server.memory_bytes(), server.processor_time());
    let mut flooder = connect_flooder(&server);
    flooder.socket.set_write_timeout(Some(PATIENCE)).unwrap();
    let (chunk, mut sent) = ([b'x'; 64 * 1024], 0);
    while sent < GIB {
        match flooder.socket.write(&chunk) {
            Ok(bytes) => sent += bytes,
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::WouldBlock, "it was not closed");
                break;
            }
        }
    }
    // The limit, as much to be discarded, and what the kernel holds on both sides.
    assert!(sent <= MIB, "{sent} bytes were taken");
    let read = flooder.read_to_end();
    assert!(read.ends_with("* closed: 65536 bytes without a line end\n"), "{read:?}");
    let grown = server.memory_bytes().saturating_sub(before);
    assert!(grown <= MIB, "{grown} bytes");
    let cpu = server.processor_time() - cpu_before;
    assert!(cpu <= Duration::from_secs(1), "{cpu:?}");
    assert_all_hear_all(&mut others, 3);
}

#[test]
fn too_long_lines_are_not_read_while_their_replies_are_unread() {
    const LINE_BYTES: usize = 5000;
    let server = Server::start(&["--quiet", "--stuck", NEVER]);
    let mut others = people(&server, 2);
    let before = server.memory_bytes();
    let mut flooder = connect_flooder(&server);
    wait_until_here(&mut others[0].0, 3);
    let line = format!("{}\n", "x".repeat(LINE_BYTES - 1));
    let text = line.repeat(100);
    let sent = send_until_unread(&flooder, text.as_bytes(), 1 << 30, &server, &mut others);
    // As many of them as there is room for their replies, in the server and in the kernel.
    assert!(sent <= 16 * MIB, "{sent} bytes were taken");
    let grown = server.memory_bytes().saturating_sub(before);
    assert!(grown <= MIB, "{grown} bytes");
    // All of it is answered once the answers are read.
    send_meanwhile(&flooder, format!("{}last\n", &line[sent % LINE_BYTES..]));
    flooder.read_past(": last\n");
    let read = flooder.read_text();
    let notice = "* line too long, not sent (limit 4096 bytes)";
    let notices = read.lines().filter(|line| *line == notice).count();
    assert_eq!(notices, sent / LINE_BYTES + 1);
}

// Clients that ask without end.

#[test]
fn a_client_that_asks_much_before_it_reads_gets_every_answer() {
    const QUESTION: &str = "/who\n";
    const QUESTIONS: usize = 1_000_000;
    // More than the connection takes while the client does not read.
    const ANSWERS: usize = 10_000;
    let flags = ["--quiet", "--stuck", NEVER, "--summary", NEVER, "--receive-buffer", "4096"];
    let server = Server::start(&flags);
    let mut others = people(&server, 2);
    let before = server.memory_bytes();
    let (mut asker, name) = enter(connect_flooder(&server));
    asker.read_until(&format!("* {name} "));
    asker.read_until(") joined\n");
    // It hides what the others send meanwhile.
    for (_, other) in &others {
        asker.send(format!("/ignore {other}\n"));
        asker.read_until_last(&format!("* ignoring {other}\n"));
    }
    asker.forget();
    let text = QUESTION.repeat(QUESTIONS);
    let sent = send_until_unread(&asker, text.as_bytes(), text.len(), &server, &mut others);
    let grown = server.memory_bytes().saturating_sub(before);
    assert!(grown <= MIB, "{grown} bytes");
    send_meanwhile(&asker, text[sent..QUESTION.len() * ANSWERS].to_owned());
    let answer = format!("* 3 here: {}, {}, {name}\n", others[0].1, others[1].1);
    asker.read_until_bytes(answer.len() * ANSWERS);
    assert!(asker.read_bytes() == answer.repeat(ANSWERS).as_bytes(), "{:?}", asker.read_text());
}

#[test]
fn private_messages_to_a_stuck_client_are_refused_and_not_kept() {
    const EACH: usize = 100;
    let flags = ["--quiet", "--window", "65536", "--stuck", NEVER, "--summary", NEVER];
    let server = Server::start(&flags);
    let mut senders = people(&server, 20);
    let (mut bob, bob_name) = enter(narrow(server.address));
    let (alice, name) = &mut senders[0];
    // More than the kernel holds for this client.
    let text = numbered(0, 1024, 1024);
    say_in_step((alice, name), &text, 4096, &mut []);
    // They may have fallen out of the window.
    for (client, _) in &mut senders {
        client.read_until_last(&format!("{}: {}", "guest1", numbered(1023, 1, 1024)));
        client.forget();
    }
    let before = server.memory_bytes();
    for (client, name) in &mut senders {
        let ask = |number| format!("/msg {bob_name} {number} of {name} {:.<1000}\n", "");
        client.send((0..EACH).map(ask).collect::<String>());
    }
    let refused = format!("* not sent: {bob_name} has too much unread");
    let mut delivered = 0;
    for (client, _) in &mut senders {
        client.read_until_lines(EACH);
        let answers = client.take_lines();
        let shown = answers.iter().filter(|line| **line != refused);
        delivered += shown.inspect(|line| assert!(line.starts_with('['), "{line:?}")).count();
    }
    assert!((1..20).contains(&delivered), "{delivered}");
    let grown = server.memory_bytes().saturating_sub(before);
    assert!(grown <= 2 * MIB, "{grown} bytes");
    // It has exactly what was not refused. It can receive again, and talk.
    senders[0].0.send("done\n");
    bob.read_until_last("guest1: done\n");
    let private = bob.take_lines().iter().filter(|line| line.starts_with('[')).count();
    assert_eq!(private, delivered);
    senders[0].0.send(format!("/msg {bob_name} now?\n"));
    bob.read_until_last(&format!("[guest1 -> {bob_name}] now?\n"));
    bob.send("yes\n");
    senders[19].0.read_until_last(&format!("{bob_name}: yes\n"));
}

// Clients that connect without end.

#[test]
fn five_thousand_that_drip_bytes_cost_little_and_disturb_nobody() {
    const DRIPPING: usize = 5000;
    let server = Server::start(&["--quiet", "--summary", NEVER]);
    let mut others = people(&server, 2);
    let before = server.memory_bytes();
    let mut dripping = connect_many(&server, DRIPPING);
    wait_until_here(&mut others[0].0, DRIPPING + 2);
    // The server waits for the rest of a client that has ended a line, empty or not.
    for byte in b"\ndrop" {
        dripping.iter_mut().for_each(|socket| socket.write_all(&[*byte]).unwrap());
        assert_all_hear_all(&mut others, 1);
    }
    let grown = server.memory_bytes().saturating_sub(before);
    assert!(grown <= 1024 * DRIPPING, "{grown} bytes");
    // The last of them ends, and is whole.
    let last = dripping.last_mut().unwrap();
    last.write_all(b"\n").unwrap();
    for (client, _) in &mut others {
        client.read_past(": drop\n");
    }
}

#[test]
fn thousands_that_come_and_go_leave_nothing_and_disturb_nobody() {
    const STORMS: usize = 20;
    const EACH: usize = 250;
    let server = Server::start(&["--quiet", "--summary", "0.2"]);
    let mut others = people(&server, 3);
    let (mut witness, _) = others.pop().unwrap();
    let mut comings = Comings::new(3);
    let (before, descriptors_before) = (server.memory_bytes(), server.descriptors().len());
    for storm in 0..STORMS {
        let mut storm_of = connect_many(&server, EACH);
        // Some have sent a line and some half of one. Some vanish before their welcome, some before
        // they are accepted, and some stay until the next storm.
        for (number, socket) in storm_of.iter_mut().enumerate() {
            match number % 3 {
                0 => {}
                1 => socket.write_all(b"half").unwrap(),
                _ => socket.write_all(b"/who\n").unwrap(),
            }
        }
        if storm % 2 == 0 {
            wait_for("some to be let in", || (connections(&server) > EACH / 2).then_some(()));
        }
        drop(storm_of);
        assert_all_hear_all(&mut others, 2);
    }
    wait_for("them to be gone", || (connections(&server) == 3).then_some(()));
    wait_until_nothing_is_left(&server);
    wait_until_here(&mut others[0].0, 3);
    assert_eq!(server.descriptors().len(), descriptors_before);
    let grown = server.memory_bytes().saturating_sub(before);
    assert!(grown <= 2 * MIB, "{grown} bytes");
    // The notices add up; the last may be a summary that is still to come.
    others[0].0.send("it is over\n");
    let mut over = false;
    comings.read_until(&mut witness, |line, told| {
        over |= line == "guest1: it is over";
        over && told.joined == told.left
    });
    assert!(comings.joined > EACH, "{comings:?}");
    // What comes next is as before.
    others.push(server.enter());
    assert_all_hear_all(&mut others, 2);
}

#[test]
fn five_thousand_newcomers_at_once_get_in_and_disturb_no_talk() {
    const NEWCOMERS: usize = 5000;
    let server = Server::start(&["--quiet", "--summary", NEVER]);
    let mut talkers = people(&server, 10);
    server.pause();
    let newcomers = connect_at_once(&server, NEWCOMERS);
    server.resume();
    assert_all_hear_all(&mut talkers, 30);
    let mut names = HashSet::new();
    let mut everyone: Vec<Client> = Vec::new();
    for newcomer in newcomers {
        let (client, name) = enter(Client::new(newcomer));
        assert!(names.insert(name), "two have one name");
        everyone.push(client);
    }
    wait_until_here(&mut talkers[0].0, NEWCOMERS + 10);
    talkers[0].0.send("welcome\n");
    for client in &mut everyone {
        client.read_past("guest1: welcome\n");
    }
}

// Clients of other protocols.

#[test]
fn a_client_that_is_too_fast_loses_nothing_and_hurts_nobody() {
    const LINE_BYTES: usize = 1024;
    let server = Server::start(&["--exempt", "none", "--rate", "30", "--quiet"]);
    let from = |last: u8| Client::new(connect_from([127, 0, 0, last], server.address));
    let (fast, name) = enter(from(2));
    keep_little(&fast.socket, turn_bytes() / 2);
    let mut others = vec![enter(from(3)), enter(from(4))];
    let (mut witness, _) = enter(from(5));
    let start = Instant::now();
    // More than it may send at once, and much less than there is: then its socket is full.
    let (text, mut sent) = (numbered(0, 1000, LINE_BYTES), 0);
    wait_for("it not to be read", || {
        sent = send_while_taken(&fast, text.as_bytes(), sent, text.len());
        (sent > 64 * LINE_BYTES && has_unread_input(&server)).then_some(())
    });
    assert_all_hear_all(&mut others, 3);
    // The rest of the line, and one that says that it is the last.
    let lines = sent.div_ceil(LINE_BYTES);
    send_meanwhile(&fast, format!("{}{lines} end\n", &text[sent..lines * LINE_BYTES]));
    witness.read_past(&format!("{name}: {lines} end\n"));
    // Twenty at once and thirty per second.
    let due = Duration::from_millis(33) * (lines as u32 + 1 - 20);
    assert!(start.elapsed() >= due, "{lines} lines in {:?}", start.elapsed());
    account(&lines_of(&name, &witness.read_text()), &name, 0, lines + 1);
}

#[test]
fn one_address_that_comes_without_end_keeps_no_other_out() {
    let flags = ["--exempt", "none", "--per-address", "4", "--quiet", "--summary", NEVER];
    let limited = through_shell("ulimit -n 128; exec \"$0\" \"$@\"", &flags);
    let server = start_piped(limited);
    let from = |last: u8| Client::new(connect_from([127, 0, 0, last], server.address));
    let mut others = vec![enter(from(3)), enter(from(4))];
    server.pause();
    // They stay, though the server tells them to leave.
    let mut many: Vec<Client> = (0..500).map(|_| from(2)).collect();
    let late = from(3);
    server.resume();
    others.push(enter(late));
    assert_all_hear_all(&mut others, 3);
    for client in &mut many[4..] {
        let told = client.read_to_end();
        assert_eq!(told, "* too many connections from your address (4, --per-address)\n");
    }
}
