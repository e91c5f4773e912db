//! What clients say, and whether all clients receive it, whole and once.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use memchr::memmem;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, SockRef, Socket, Type};

use super::{Client, PATIENCE, Server, enter};

/// A client in the conversation, and its name.
pub type Person = (Client, String);

/// Asserts that the lines received and the lines missed are all that `name` sent, from `first` to
/// `end`, in order and whole, as [`super::numbered`] makes them. Returns the number of gaps.
pub fn account(read: &str, name: &str, first: usize, end: usize) -> usize {
    let (mut next, mut gaps) = (first, 0);
    for line in read.lines() {
        if let Some(missed) = line.strip_prefix("* you missed ") {
            let (number, lines) = missed.split_once(' ').unwrap();
            assert_eq!(lines, if number == "1" { "line" } else { "lines" });
            next += number.parse::<usize>().unwrap();
            gaps += 1;
            continue;
        }
        let said = line.strip_prefix(name).and_then(|line| line.strip_prefix(": "));
        let (number, rest) = said.and_then(|said| said.split_once(' ')).unwrap_or((line, ""));
        assert_eq!(number, next.to_string(), "after {gaps} gaps");
        assert!(rest == "end" || rest.bytes().all(|byte| byte == b'.'), "torn: {line:?}");
        next += 1;
    }
    assert_eq!(next, end, "{gaps} gaps");
    gaps
}

impl Client {
    /// Takes the whole lines out of what was read so far, without their line ends.
    pub fn take_lines(&mut self) -> Vec<String> {
        let Some(end) = self.read.iter().rposition(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        let rest = self.read.split_off(end + 1);
        let whole = String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap();
        whole.lines().map(str::to_owned).collect()
    }

    /// Reads until this text is anywhere in what was read. Its cost does not grow with what was
    /// read.
    pub fn read_past(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        let mut searched = 0;
        while memmem::find(&self.read[searched..], text.as_bytes()).is_none() {
            searched = self.read.len().saturating_sub(text.len());
            let tail = String::from_utf8_lossy(&self.read[searched.saturating_sub(200)..]);
            assert!(!self.ended, "ended before {text:?}: {tail:?}");
            assert!(Instant::now() < deadline, "no {text:?} after {tail:?}");
            self.read_once();
        }
    }

    /// Reads at most `bytes` of the bytes that are there, one at a time.
    pub fn read_byte_by_byte(&mut self, bytes: usize) {
        let mut byte = [0];
        for _ in 0..bytes {
            match self.socket.read(&mut byte) {
                Ok(1) => self.read.extend_from_slice(&byte),
                Ok(_) => panic!("ended after {} bytes", self.read.len()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("{error} after {} bytes", self.read.len()),
            }
        }
    }
}

/// Connects `count` clients. Each has read that the others joined; what they have read is dropped.
pub fn people(server: &Server, count: usize) -> Vec<Person> {
    let clients: Vec<Client> = (0..count).map(|_| server.connect()).collect();
    let mut people: Vec<Person> = clients.into_iter().map(enter).collect();
    assert_all_hear_all(&mut people, 1);
    people
}

/// Has each client send a line in each round. Asserts that all receive all of these lines, in one
/// order and none twice. Whatever else they receive is ignored, but they must not have missed
/// lines.
pub fn assert_all_hear_all(people: &mut [Person], rounds: usize) {
    const SAYS: &str = "line of the round ";
    let is_of_a_round =
        |line: &String| line.split_once(": ").is_some_and(|(_, said)| said.starts_with(SAYS));
    let count = people.len();
    let mut heard = vec![Vec::new(); count];
    for round in 0..rounds {
        for (client, name) in people.iter_mut() {
            client.send(format!("{SAYS}{round} by {name}\n"));
        }
        for ((client, name), heard) in people.iter_mut().zip(&mut heard) {
            let deadline = Instant::now() + PATIENCE;
            loop {
                let lines = client.take_lines();
                let gap = lines.iter().find(|line| line.starts_with("* you missed"));
                assert!(gap.is_none(), "{name} was not to fall behind: {gap:?}");
                heard.extend(lines.into_iter().filter(is_of_a_round));
                if heard.len() >= count * (round + 1) {
                    break;
                }
                assert!(!client.ended, "{name} was let down in the round {round}");
                let lacking = count * (round + 1) - heard.len();
                assert!(Instant::now() < deadline, "{name} lacks {lacking} in the round {round}");
                client.read_once();
            }
        }
    }
    for (_, name) in people.iter() {
        let own: Vec<&String> =
            heard[0].iter().filter(|line| line.starts_with(&format!("{name}: "))).collect();
        let said = (0..rounds).map(|round| format!("{name}: {SAYS}{round} by {name}"));
        assert!(own.into_iter().eq(said.collect::<Vec<_>>().iter()), "of {name}: {:?}", heard[0]);
    }
    assert!(heard.iter().all(|one| *one == heard[0]), "not all have heard the same");
}

/// Makes `count` connections and reads nothing of them. Dropping them resets them: nothing of them
/// stays in the kernel.
pub fn connect_many(server: &Server, count: usize) -> Vec<TcpStream> {
    raise_descriptors();
    let connect = |_| {
        let socket = TcpStream::connect(server.address).unwrap();
        vanish_on_drop(&socket);
        socket
    };
    (0..count).map(connect).collect()
}

/// The same, without waiting for a welcome: the server may be suspended.
pub fn connect_at_once(server: &Server, count: usize) -> Vec<TcpStream> {
    raise_descriptors();
    let connect = |_| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).unwrap();
        match socket.connect(&server.address.into()) {
            Ok(()) => {}
            Err(error) => assert_eq!(Errno::from_io_error(&error), Some(Errno::INPROGRESS)),
        }
        socket.set_nonblocking(false).unwrap();
        let socket = TcpStream::from(socket);
        vanish_on_drop(&socket);
        socket
    };
    (0..count).map(connect).collect()
}

/// Makes a connection reset when it is dropped.
pub fn vanish_on_drop(socket: &TcpStream) {
    SockRef::from(socket).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Raises the limit of descriptors of this process as far as possible: the tests may have been
/// started with few.
pub fn raise_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// Asks again and again until this many clients are here; what was read is dropped.
pub fn wait_until_here(client: &mut Client, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        client.forget();
        client.send("/who\n");
        let answer = loop {
            let line = client.take_line();
            let Some((number, _)) =
                line.strip_prefix("* ").and_then(|line| line.split_once(" here: "))
            else {
                continue;
            };
            break number.parse::<usize>().unwrap();
        };
        if answer == count {
            client.forget();
            return;
        }
        assert!(Instant::now() < deadline, "there are {answer} here, not {count}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The joins and leaves that were announced.
#[derive(Debug)]
pub struct Comings {
    here_before: usize,
    pub joined: usize,
    pub left: usize,
    pub summaries: usize,
}

impl Comings {
    /// No joins yet; this many are here.
    pub fn new(here_before: usize) -> Comings {
        Comings { here_before, joined: 0, left: 0, summaries: 0 }
    }

    /// Reads until a line for which `enough` holds. Each summary must say how many are here
    /// then.
    pub fn read_until(
        &mut self,
        observer: &mut Client,
        mut enough: impl FnMut(&str, &Comings) -> bool,
    ) {
        loop {
            let line = observer.take_line();
            if line.starts_with("* ") {
                self.take(&line);
            }
            if enough(&line, self) {
                return;
            }
        }
    }

    fn take(&mut self, line: &str) {
        let Some((what, here)) = line.strip_suffix(" here)").and_then(|sum| sum.split_once(" ("))
        else {
            let which = if line.ends_with(" joined") { &mut self.joined } else { &mut self.left };
            assert!(line.ends_with(" joined") || line.ends_with(" left"), "{line:?}");
            *which += 1;
            return;
        };
        for part in what.trim_start_matches("* ").split(", ") {
            let (count, what) = part.split_once(' ').unwrap();
            let which = if what == "joined" { &mut self.joined } else { &mut self.left };
            *which += count.parse::<usize>().unwrap();
        }
        let expected = self.here_before + self.joined - self.left;
        assert_eq!(here.parse::<usize>().unwrap(), expected, "{line:?}");
        self.summaries += 1;
    }
}
