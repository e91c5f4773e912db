//! Several servers on one engine: whatever is cut, forgotten or carried out too late, all show the
//! same lines in the same order, once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use chinwag::bus::link::State;
use chinwag::bus::{Bus, Node, Side, Terms};
use chinwag::config::Config;
use chinwag::hub::admit::Entrance;
use chinwag::room::LOBBY;

use crate::engine::Engine;
use crate::small::{Seat, Small};
use support::hub::random::Random;

/// What a node tells its own clients alone begins so.
const LOCAL: [&str; 4] = [
    "* the other servers cannot be reached",
    "* the other servers can be reached again",
    "* server ",
    "* you missed ",
];

struct Client {
    node: usize,
    seat: Seat,
    got: String,
    is_open: bool,
    /// The numbers of the lines that it has said in the lobby.
    said: Vec<usize>,
    room: &'static str,
}

struct Server {
    small: Small,
    wires: [Option<usize>; 2],
    /// What was appended in the lobby.
    lobby: String,
    read_to: u64,
    is_up: bool,
    /// Which run of it.
    epoch: u64,
}

struct World {
    random: Random,
    engine: Engine,
    servers: Vec<Server>,
    clients: Vec<Client>,
    lines: usize,
    names: usize,
    /// Bytes are cut, and connections.
    is_faulty: bool,
}

fn small_hub(name: &str, epoch: u64, like: Option<&Small>) -> Small {
    let config = Config { rate: 0, per_address: 0, greeting: Duration::ZERO, ..Config::default() };
    let mut small = Small::new(config);
    if let Some(other) = like {
        small.now = other.now;
    }
    let node = Node { name: name.to_owned(), epoch };
    let terms = Terms { stream: "s".to_owned(), password: None, node };
    small.hub.join_cluster(Bus::new(terms, small.now));
    small
}

impl Server {
    fn new(small: Small) -> Server {
        let lobby = String::new();
        Server { small, wires: [None; 2], lobby, read_to: 0, is_up: true, epoch: 1 }
    }
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = Random::seeded(seed);
        let count = 2 + random.below(3);
        World::of(count, random)
    }

    fn of(count: usize, random: Random) -> World {
        let mut servers: Vec<Server> = Vec::new();
        for name in ["a", "b", "c", "d"].into_iter().take(count) {
            let small = small_hub(name, 1, servers.first().map(|server| &server.small));
            servers.push(Server::new(small));
        }
        let engine = Engine::new();
        let clients = Vec::new();
        let mut world =
            World { random, engine, servers, clients, lines: 0, names: 0, is_faulty: false };
        world.settle();
        world.is_faulty = true;
        world
    }

    /// One turn of a server, with what its sockets do.
    fn turn(&mut self, server: usize) {
        self.move_bytes(server);
        let one = &mut self.servers[server];
        one.small.turn();
        // It may sleep now, until its sockets have something.
        let has_come = one.small.hub.bus().unwrap().has_come();
        assert!(!has_come || one.small.hub.is_busy(), "what has come is not looked at");
        let transcript = one.small.hub.transcript();
        let from = one.read_to.max(transcript.tail());
        // Before it is open, it reads what others have read long ago.
        if one.small.hub.is_open() {
            let text = transcript.text(from, transcript.head());
            one.lobby.push_str(std::str::from_utf8(&text).unwrap());
        }
        one.read_to = transcript.head();
        self.move_bytes(server);
        for client in self.clients.iter_mut().filter(|client| client.node == server) {
            client.got.push_str(&client.seat.take_text());
            client.is_open &= !client.seat.pipe.borrow().closed;
        }
    }

    fn move_bytes(&mut self, server: usize) {
        let now = self.servers[server].small.now;
        let late = self.servers[server].small.hub.bus().unwrap().note_time(now);
        late.into_iter().for_each(|_| self.cut(server));
        for side in Side::ALL {
            let one = &mut self.servers[server];
            let bus = one.small.hub.bus().unwrap();
            if bus.wants_connection(side, now) && !self.engine.is_down {
                bus.connecting(side, now);
                one.wires[side as usize] = Some(self.engine.connect());
                bus.connected(side, now);
            }
            let Some(wire) = one.wires[side as usize] else { continue };
            loop {
                let out = bus.outgoing(side);
                let most = match self.is_faulty {
                    true => out.len().min(1 + self.random.below(400)),
                    false => out.len(),
                };
                self.engine.receive(wire, &out[..most]);
                bus.note_sent(side, most);
                let most = if self.is_faulty { 1 + self.random.below(400) } else { usize::MAX };
                let input = self.engine.take_output(wire, most);
                if input.is_empty() {
                    break;
                }
                if bus.receive(side, &input, now).is_err() {
                    self.cut(server);
                    return;
                }
                if self.is_faulty {
                    break;
                }
            }
        }
    }

    /// Both connections of a server are lost.
    fn cut(&mut self, server: usize) {
        let one = &mut self.servers[server];
        let now = one.small.now;
        for side in Side::ALL {
            if let Some(wire) = one.wires[side as usize].take() {
                self.engine.give_up(wire);
            }
            let bus = one.small.hub.bus().unwrap();
            if !matches!(bus.state(side), State::Down { .. }) {
                bus.cut(side, now);
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.engine.pass(time.as_millis() as u64);
        self.servers.iter_mut().for_each(|server| server.small.now += time);
    }

    fn say(&mut self, client: usize, line: &str) {
        let Client { node, seat, .. } = &self.clients[client];
        self.servers[*node].small.say_later(seat, format!("{line}\n"));
    }

    fn step(&mut self) {
        let (server, wires) = (self.random.below(self.servers.len()), self.engine.wires());
        let client = self.random.below(self.clients.len().max(1));
        let may_talk = self.clients.get(client).is_some_and(|client| client.is_open);
        match self.random.below(24) {
            0 if self.clients.len() < 8 => self.connect(server),
            1..=4 if may_talk => {
                let line = format!("line {}", self.lines);
                self.say(client, &line);
                if self.clients[client].room == "lobby" {
                    self.clients[client].said.push(self.lines);
                }
                self.lines += 1;
            }
            5 if may_talk => {
                // Few names, so that several want the same.
                self.names += 1;
                let name = ["bob", "eve", "ann"][self.random.below(3)];
                self.say(client, &format!("/nick {name}"));
            }
            6 if may_talk && self.random.one_in(3) => {
                let room = ["lobby", "attic"][self.random.below(2)];
                self.say(client, &format!("/join {room}"));
                self.clients[client].room = room;
            }
            7 if may_talk && self.random.one_in(4) => {
                let Client { node, seat, .. } = &self.clients[client];
                self.servers[*node].small.end_later(seat);
                self.clients[client].is_open = false;
            }
            8 if self.random.one_in(3) => self.cut(server),
            9 => {
                let time = [20, 300, 1500, 6000][self.random.below(4)];
                self.pass(Duration::from_millis(time));
            }
            10 if self.random.one_in(4) => {
                self.engine.is_out_of_memory = !self.engine.is_out_of_memory;
            }
            10 if self.random.one_in(12) => self.kill(server),
            11..=16 if wires > 0 => {
                // Also of a connection that was given up.
                let wire = self.random.below(wires);
                self.engine.step(wire);
            }
            _ => self.turn(server),
        }
    }

    /// One more server starts, after all that are there.
    fn start(&mut self, name: &str) {
        let small = small_hub(name, 2, Some(&self.servers[0].small));
        self.servers.push(Server::new(small));
    }

    /// A server ends at once, and another run of it starts.
    fn kill(&mut self, server: usize) {
        self.cut(server);
        // What is late is carried out within the minute that a server reads when it starts.
        for wire in 0..self.engine.wires() {
            while self.engine.is_given_up(wire) && self.engine.step(wire) {}
        }
        let one = &mut self.servers[server];
        one.epoch += 1;
        let name = one.small.hub.bus().unwrap().name().to_owned();
        one.small = small_hub(&name, one.epoch, Some(&one.small));
        (one.lobby, one.read_to) = (String::new(), 0);
        for client in self.clients.iter_mut().filter(|client| client.node == server) {
            client.is_open = false;
        }
    }

    fn connect(&mut self, node: usize) {
        let seat = self.servers[node].small.connect_later(1 + self.clients.len() as u8);
        let (got, said) = (String::new(), Vec::new());
        self.clients.push(Client { node, seat, got, is_open: true, said, room: "lobby" });
    }

    /// Nothing goes wrong any more, until nothing happens any more.
    fn settle(&mut self) {
        (self.is_faulty, self.engine.is_out_of_memory) = (false, false);
        for _ in 0..60 {
            for server in 0..self.servers.len() {
                for _ in 0..6 {
                    if self.servers[server].is_up {
                        self.turn(server);
                    }
                    for wire in 0..self.engine.wires() {
                        while self.engine.step(wire) {}
                    }
                }
            }
            self.pass(Duration::from_millis(500));
        }
    }

    /// What all see in the lobby of a server, without what it told its own clients alone.
    fn shared(&self, server: usize) -> Vec<&str> {
        let lines = self.servers[server].lobby.lines();
        lines.filter(|line| !LOCAL.iter().any(|local| line.starts_with(local))).collect()
    }

    /// The server that shows the most.
    fn longest(&self) -> usize {
        (0..self.servers.len()).max_by_key(|server| self.shared(*server).len()).unwrap()
    }

    /// All show the same, one that was started again from some line on.
    fn check_equal(&self) {
        let all = self.shared(self.longest());
        for server in 0..self.servers.len() {
            let its = self.shared(server);
            let has_all = self.servers[server].epoch == 1;
            assert!(!has_all || its.len() == all.len(), "server {server} lacks lines");
            let since = &all[all.len() - its.len()..];
            let same = since.iter().zip(&its).take_while(|(one, two)| one == two).count();
            assert!(
                same == its.len(),
                "server {server} differs at line {same}: {:?} {:?}",
                &since[same.saturating_sub(2)..(same + 3).min(since.len())],
                &its[same.saturating_sub(2)..(same + 3).min(its.len())]
            );
        }
    }

    fn check(&self) {
        self.check_equal();
        let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
        for line in self.shared(self.longest()) {
            if let Some((_, number)) = line.split_once(": line ") {
                *numbers.entry(number.parse().unwrap()).or_default() += 1;
            }
        }
        let twice: Vec<_> = numbers.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "said twice: {twice:?}");
        for client in self.clients.iter().filter(|client| client.room == "lobby") {
            let lost: Vec<_> =
                client.said.iter().filter(|number| !numbers.contains_key(number)).collect();
            assert!(lost.is_empty() || !client.is_open, "lost: {lost:?}");
        }
        let here = self.clients.iter().filter(|client| client.is_open && client.room == "lobby");
        let here = here.count();
        for (place, server) in self.servers.iter().enumerate() {
            let lobby = server.small.hub.room("lobby").unwrap();
            assert_eq!(lobby.everyone(), here, "as server {place} counts them");
        }
        for client in self.clients.iter().filter(|client| client.is_open) {
            let (asked, answered) = (client.got.matches("welcome").count(), 1);
            assert_eq!(asked, answered, "{}", client.got);
        }
    }

    /// No two clients have one name at the same time, unless a server was taken for gone meanwhile.
    fn check_names(&self) {
        if self.servers.iter().any(|server| server.lobby.contains(" is gone (")) {
            return;
        }
        let mut bearers: BTreeSet<String> = BTreeSet::new();
        for line in self.shared(self.longest()) {
            if let Some((from, to)) =
                line.strip_prefix("* ").and_then(|it| it.split_once(" is now "))
            {
                bearers.remove(from);
                assert!(bearers.insert(to.to_owned()), "{to} is taken twice");
            } else if let Some(name) = line.strip_suffix(" left") {
                bearers.remove(name.trim_start_matches("* "));
            } else if let Some((name, _)) = line.split_once(" went to ") {
                bearers.remove(name.trim_start_matches("* "));
            }
        }
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..600 {
        world.step();
    }
    world.settle();
    world.check();
    world.check_names();
}

#[test]
fn all_servers_show_the_same_lines_in_the_same_order() {
    let seeds = std::env::var("CHINWAG_SEEDS").map_or(150, |seeds| seeds.parse().unwrap());
    let first = std::env::var("CHINWAG_SEED").map(|seed| seed.parse().unwrap());
    if let Ok(seed) = first {
        return run(seed);
    }
    for seed in 0..seeds {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
            eprintln!("CHINWAG_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Two servers without faults, with a client each and an operator at the first.
fn calm() -> (World, Seat) {
    let mut world = World::of(2, Random::seeded(1));
    world.is_faulty = false;
    world.connect(0);
    world.connect(1);
    let entrance = Entrance { is_control: true, ..Entrance::to(LOBBY) };
    let none = SocketAddr::from(([0; 4], 0));
    let operator = world.servers[0].small.connect_later_from(none, entrance);
    world.settle();
    operator.take_text();
    (world, operator)
}

impl World {
    /// The operator gives a command, and reads this.
    fn order(&mut self, operator: &Seat, command: &str) -> String {
        self.servers[0].small.say_later(operator, format!("{command}\n"));
        self.settle();
        operator.take_text()
    }
}

#[test]
fn an_answer_stands_behind_the_lines_before_its_question() {
    let (mut world, _operator) = calm();
    world.say(1, "hello\n/who\nbye\n/quit");
    world.settle();
    let got = &world.clients[1].got;
    let order = ["guest1-b: hello\n", "* 2 here: ", "guest1-b: bye\n", "* bye\n"];
    let places: Vec<usize> = order.iter().map(|text| got.find(text).expect(got)).collect();
    assert!(places.is_sorted(), "{got}");
}

#[test]
fn a_copy_behind_the_goodbye_of_its_server_is_not_new() {
    let (mut world, _operator) = calm();
    world.say(1, "hello");
    (0..3).for_each(|_| world.turn(1));
    // The engine has it, and carries it out when nobody expects it any more.
    let late = world.servers[1].wires[Side::Adds as usize].unwrap();
    world.cut(1);
    let now = world.servers[1].small.now;
    world.servers[1].small.hub.stop(now);
    for _ in 0..20 {
        world.pass(Duration::from_millis(50));
        (0..2).for_each(|server| world.turn(server));
        for wire in (0..world.engine.wires()).filter(|wire| *wire != late) {
            while world.engine.step(wire) {}
        }
    }
    let has_read = |world: &World, text| world.clients[0].got.matches(text).count();
    let told = "* server b is gone (1 left)\n";
    assert_eq!((has_read(&world, told), has_read(&world, "guest1-b: hello\n")), (1, 1));
    assert!(world.engine.step(late));
    world.settle();
    assert_eq!((has_read(&world, told), has_read(&world, "guest1-b: hello\n")), (1, 1));
}

#[test]
fn a_flood_comes_back_without_a_pause() {
    // Lines of some of these sizes fill a turn exactly.
    for bytes in 48..64 {
        let (mut world, _operator) = calm();
        let lines: Vec<String> = (0..2000).map(|number| format!("{number:0bytes$}\n")).collect();
        world.say(0, &lines.concat());
        world.settle();
        let got = world.clients.iter().map(|client| client.got.matches("guest1-a: ").count());
        assert_eq!(got.collect::<Vec<_>>(), [2000; 2], "{bytes}");
    }
}

#[test]
fn an_operator_reaches_the_clients_of_other_servers() {
    let (mut world, operator) = calm();
    let answer = world.order(&operator, "/where guest1-b");
    assert!(answer.starts_with("* guest1-b (10.0.0.2:1000) is here"), "{answer}");
    let answer = world.order(&operator, "/mute guest1-b 10m");
    assert!(answer.contains("* guest1-b was muted"), "{answer}");
    world.say(1, "hello");
    world.settle();
    assert!(
        world.clients[1].got.ends_with("* not sent: you are muted in this room\n"),
        "{}",
        world.clients[1].got
    );
    let answer = world.order(&operator, "/unmute guest1-b");
    assert!(answer.contains("* guest1-b was unmuted"), "{answer}");
    assert!(world.order(&operator, "/op guest1-b").contains("guest1-b"));
    world.say(1, "/kick guest1-a too loud");
    world.settle();
    assert!(!world.clients[0].is_open);
    let answer = world.order(&operator, "/kick guest1-b so are you");
    assert!(answer.contains("* guest1-b was disconnected"), "{answer}");
    assert!(!world.clients[1].is_open);
    assert_eq!(world.order(&operator, "/kick guest1-b"), "* nobody here is called guest1-b\n");
    world.check_equal();
}

#[test]
fn what_an_operator_lays_down_holds_on_all_servers() {
    let (mut world, operator) = calm();
    world.order(&operator, "/topic tea");
    world.order(&operator, "/ban 10.0.0.2 10m");
    assert!(!world.clients[1].is_open);
    let newcomer = world.servers[1].small.connect_later(3);
    let banned = world.servers[1].small.connect_later(2);
    world.settle();
    let text = newcomer.take_text();
    assert!(text.contains("tea"), "{text}");
    assert!(banned.take_text().contains("banned"));
    world.order(&operator, "/unban 10.0.0.2");
    let back = world.servers[1].small.connect_later(2);
    world.settle();
    assert!(back.take_text().contains("welcome"));
    world.check_equal();
    // A longer ban replaces a shorter one.
    world.order(&operator, "/ban 10.0.0.5 10m");
    world.order(&operator, "/ban 10.0.0.5 1h");
    world.pass(Duration::from_secs(1200));
    world.settle();
    let banned = world.servers[1].small.connect_later(5);
    world.settle();
    assert!(banned.take_text().contains("banned"));
}

#[test]
fn what_was_laid_down_outlasts_its_server() {
    let (mut world, operator) = calm();
    world.order(&operator, "/topic tea");
    world.order(&operator, "/password secret");
    world.order(&operator, "/ban 10.0.0.9 10m");
    world.servers[0].is_up = false;
    world.cut(0);
    // Nothing of it is left of the time that a server reads when it starts.
    (0..4).for_each(|_| world.settle());
    world.start("c");
    world.settle();
    world.connect(2);
    world.settle();
    assert!(!world.clients[2].got.contains("welcome"), "{}", world.clients[2].got);
    world.say(2, "/password secret");
    world.settle();
    assert!(world.clients[2].got.contains("* topic: tea\n"), "{}", world.clients[2].got);
    let banned = world.servers[2].small.connect_later(9);
    world.settle();
    assert!(banned.take_text().contains("banned"));
}

/// What a server has told its clients that they missed.
fn told_missed(lobby: &str) -> usize {
    let notices = lobby.lines().filter_map(|line| line.strip_prefix("* you missed "));
    notices.map(|rest| rest.split(' ').next().unwrap().parse::<usize>().unwrap()).sum()
}

/// A run in which the engine loses its end, and forgets its beginning. Nothing but lines of clients
/// is said, so what is missing can be counted.
fn lose(seed: u64) {
    let mut world = World::new(seed);
    for client in 0..6 {
        world.connect(client % world.servers.len());
    }
    world.settle();
    world.is_faulty = true;
    for _ in 0..400 {
        let (server, wires) = (world.random.below(world.servers.len()), world.engine.wires());
        match world.random.below(16) {
            0..=5 => {
                let line = format!("line {}", world.lines);
                let client = world.random.below(world.clients.len());
                world.say(client, &line);
                world.lines += 1;
            }
            6 if world.random.one_in(3) => world.cut(server),
            7 if world.random.one_in(8) => {
                let lost = world.random.below(6);
                world.engine.lose(lost);
                (0..world.servers.len()).for_each(|server| world.cut(server));
            }
            8 if world.random.one_in(8) => world.engine.most = 1 + world.random.below(6),
            9 => world.pass(Duration::from_millis(100)),
            10..=12 => _ = world.engine.step(world.random.below(wires)),
            _ => world.turn(server),
        }
    }
    world.engine.most = usize::MAX;
    world.settle();
    // A command waits for the lines before it, but not for those that were lost.
    for client in 0..world.clients.len() {
        world.say(client, "/who");
    }
    world.settle();
    for client in &world.clients {
        assert!(client.got.contains("* 6 here: "), "{}", client.got);
    }
    for (place, server) in world.servers.iter().enumerate() {
        let lines: Vec<&str> = world.shared(place);
        let has = lines.iter().filter(|line| line.contains(": line ")).count();
        let missed = told_missed(&server.lobby);
        assert_eq!(has + missed, world.lines, "server {place} has {has} and told of {missed}");
        let unique: BTreeSet<&str> = lines.iter().copied().collect();
        assert!(unique.len() >= has, "server {place} has a line twice");
    }
}

#[test]
fn no_server_is_taken_for_gone_because_the_engine_was_away() {
    let (mut world, _operator) = calm();
    world.engine.is_down = true;
    (0..2).for_each(|server| world.cut(server));
    world.settle();
    world.settle();
    world.engine.is_down = false;
    world.say(0, "hello");
    world.settle();
    for server in &world.servers {
        assert!(server.lobby.contains("guest1-a: hello\n"), "{}", server.lobby);
        assert!(!server.lobby.contains(" is gone "), "{}", server.lobby);
    }
}

#[test]
fn a_server_that_was_forgotten_for_long_is_not_taken_for_gone() {
    let (mut world, _operator) = calm();
    world.connect(1);
    world.say(1, "/nick bob");
    world.settle();
    // The first server is cut off for longer than a server may be silent.
    world.servers[0].is_up = false;
    world.cut(0);
    world.start("c");
    world.say(1, "one\ntwo\nthree");
    (0..3).for_each(|_| world.settle());
    // The engine forgets all that it has not read, but for the end, which is of another server.
    world.connect(2);
    (0..3).for_each(|_| world.turn(2));
    let kept = world.engine.entries.len();
    (0..world.engine.wires()).for_each(|wire| while world.engine.step(wire) {});
    world.engine.entries.drain(..kept);
    world.servers[0].is_up = true;
    world.settle();
    world.say(1, "four");
    world.settle();
    let lobby = &world.servers[0].lobby;
    assert!(lobby.ends_with("bob: four\n"), "{lobby}");
    assert!(!lobby.contains("server b is gone"), "{lobby}");
    assert_eq!(told_missed(lobby), 3, "{lobby}");
}

#[test]
fn what_a_server_said_that_started_meanwhile_is_counted() {
    let (mut world, _operator) = calm();
    // The first server is cut off.
    world.servers[0].is_up = false;
    world.cut(0);
    world.start("c");
    world.settle();
    world.connect(2);
    world.settle();
    world.say(2, "one\ntwo\nthree");
    world.settle();
    // The engine forgets all that the first one has not read.
    world.engine.entries.clear();
    world.servers[0].is_up = true;
    world.settle();
    world.say(2, "four");
    world.settle();
    let lobby = &world.servers[0].lobby;
    assert!(lobby.ends_with("guest1-c: four\n"), "{lobby}");
    // These three, and that their client joined.
    assert_eq!(told_missed(lobby), 4, "{lobby}");
}

#[test]
fn what_the_engine_has_lost_is_counted_exactly() {
    if let Ok(seed) = std::env::var("CHINWAG_SEED") {
        return lose(seed.parse().unwrap());
    }
    for seed in 0..40 {
        if let Err(panic) = std::panic::catch_unwind(|| lose(seed)) {
            eprintln!("CHINWAG_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
