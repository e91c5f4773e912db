//! Four servers on one engine, and what is done to them.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use super::check::Seen;
use super::people::{Person, exchange};
use super::relay::{Relay, Way};
use crate::cluster::{Engine, spawn};
use crate::support::Server;
use crate::support::hub::random::Random;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// The clients of each server: in which room, and whether it talks.
const CLIENTS: [(&str, bool); 5] =
    [("lobby", true), ("lobby", true), ("lobby", false), ("den", true), ("den", false)];

/// How long the end of a history may take: a server may have given up an engine for a while.
const QUIET: Duration = Duration::from_secs(60);

/// How an engine keeps what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Each entry is on the disk before it is answered.
    Always,
    /// The disk has what is older than a second.
    EverySecond,
    /// The same, with a second engine that follows.
    WithReplica,
}

/// All of it.
pub struct World {
    pub random: Random,
    engines: Vec<Engine>,
    /// The one that takes entries.
    primary: usize,
    /// From each server to each engine.
    relays: Vec<Vec<Relay>>,
    /// Over which the other engine follows this one.
    following: Vec<Relay>,
    servers: Vec<Server>,
    people: Vec<Person>,
    /// How large the log of the engine was, and when.
    sizes: Vec<(Instant, u64)>,
    kept: Kept,
    pub faults: u64,
}

impl World {
    /// All are here and have read of each other.
    pub fn start(seed: u64, kept: Kept) -> World {
        let count = if kept == Kept::WithReplica { 2 } else { 1 };
        let (engines, addresses): (Vec<_>, Vec<_>) = (0..count).map(|_| engine(kept)).unzip();
        let relays = NAMES.map(|_| addresses.iter().map(|at| Relay::to(*at)).collect()).into();
        let mut world = World {
            random: Random::seeded(seed),
            following: addresses.iter().map(|at| Relay::to(*at)).collect(),
            engines,
            primary: 0,
            relays,
            servers: Vec::new(),
            people: Vec::new(),
            sizes: Vec::new(),
            kept,
            faults: 0,
        };
        if count == 2 {
            world.engines[1].obey(&format!("REPLICAOF {}", spaced(world.following[0].address)));
            world.wait_until_followed();
        }
        for server in 0..NAMES.len() {
            let one = world.server(server);
            world.servers.push(one);
        }
        (0..NAMES.len()).for_each(|server| world.enter(server));
        world.wait_until("all are here", |world| world.people.iter().all(|one| one.is_here));
        // What was said of them as they came is over.
        world.wait_until_quiet();
        world.people.iter_mut().for_each(|one| {
            one.begin();
            one.seen.is_whole = true;
        });
        world
    }

    fn server(&self, server: usize) -> Server {
        let places = self.relays[server].iter().map(|relay| relay.address.to_string());
        let places = places.collect::<Vec<String>>().join(",");
        let url = format!("redis://{places}/chat");
        // With addresses, no two notices are alike.
        Server::start(&["--rate", "0", "--cluster", &url, "--node", NAMES[server]])
    }

    /// New clients come to a server.
    fn enter(&mut self, server: usize) {
        for (room, talks) in CLIENTS {
            let id = self.people.len();
            // Each run of a server is one of its own.
            let seen = Seen { id, server: id / CLIENTS.len(), room, ..Seen::default() };
            self.people.push(Person::new(seen, self.servers[server].address, talks));
        }
    }

    /// Clients talk for so long.
    pub fn talk(&mut self, millis: usize) {
        let until = Instant::now() + Duration::from_millis(millis as u64);
        while Instant::now() < until {
            for one in self.people.iter_mut().filter(|one| one.is_here && !one.has_ended) {
                one.talk(&mut self.random);
            }
            exchange(&mut self.people, until);
            self.note_size();
        }
    }

    /// Clients talk for at most so long.
    pub fn talk_up_to(&mut self, millis: usize) {
        let millis = self.random.below(millis + 1);
        self.talk(millis);
    }

    fn wait_until(&mut self, what: &str, mut is_so: impl FnMut(&World) -> bool) {
        let deadline = Instant::now() + QUIET;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "waited in vain until {what}: {}", self.state());
            exchange(&mut self.people, deadline);
        }
    }

    /// What each server has logged, for a test that has failed.
    pub fn state(&self) -> String {
        let logs = self.servers.iter().map(Server::stderr);
        let people = self.people.iter().map(|one| {
            let Seen { id, server, room, said, acknowledged, ref got, .. } = one.seen;
            let (end, count) = (got.last(), got.len());
            format!("{id} of {server} in {room}: {said} said, {acknowledged}, {count} to {end:?}\n")
        });
        people.chain(logs).collect::<Vec<String>>().join("\n")
    }

    /// Each talker says a last line, and all in its room read it.
    pub fn wait_until_quiet(&mut self) {
        self.wait_until("newcomers are here", |world| {
            world.people.iter().all(|one| one.is_here || one.has_ended)
        });
        let mut last: BTreeMap<&str, Vec<(usize, u64)>> = BTreeMap::new();
        for one in self.people.iter_mut().filter(|one| one.talks() && !one.has_ended) {
            one.say();
            one.ask();
            last.entry(one.seen.room).or_default().push((one.seen.id, one.seen.said));
        }
        self.wait_until("all have read the last lines", |world| {
            world.people.iter().filter(|one| !one.has_ended).all(|one| {
                let has_read = |(id, number)| one.newest.get(id) == Some(number);
                let is_answered = !one.talks() || one.seen.acknowledged == one.seen.said;
                is_answered && last[one.seen.room].iter().map(|(id, n)| (id, n)).all(has_read)
            })
        });
    }

    /// What all have seen.
    pub fn seen(self) -> Vec<Seen> {
        self.people.into_iter().map(|one| one.seen).collect()
    }

    /// Everything goes on. All that was cut, stalled or stopped was healed by the fault itself.
    pub fn heal(&mut self) {
        self.relays.iter().flatten().for_each(Relay::heal);
    }

    fn relays_of(&self, server: usize) -> impl Iterator<Item = &Relay> {
        self.relays[server].iter()
    }

    fn any_server(&mut self) -> usize {
        self.random.below(NAMES.len())
    }

    /// One that may end: the first two live through each history, so that they can be compared.
    fn any_victim(&mut self) -> usize {
        2 + self.random.below(NAMES.len() - 2)
    }

    /// Nothing happens.
    pub fn nothing(&mut self) {
        self.talk(200);
    }

    /// The link of a server is cut, now and then for a while. What is on its way is lost, or
    /// arrives late.
    pub fn cut_link(&mut self) {
        let server = self.any_server();
        let late = Duration::from_millis([0, 0, 20, 300, 2000][self.random.below(5)]);
        // So that something is on its way.
        let ways = self.stall_some(server);
        self.talk_up_to(150);
        let is_long = self.random.one_in(3);
        for relay in self.relays_of(server) {
            relay.close(is_long);
            relay.cut(late);
        }
        self.unstall(server, &ways);
        if is_long {
            self.talk_up_to(2500);
            self.relays_of(server).for_each(|relay| relay.close(false));
        }
        self.faults += 1;
    }

    /// Nothing passes on the link of a server for a while, one way or both.
    pub fn stall_link(&mut self) {
        let server = self.any_server();
        let ways = self.stall_some(server);
        // A server gives up an engine that owes a reply for 10 s.
        let most = if self.random.one_in(10) { 13_000 } else { 2500 };
        self.talk_up_to(most);
        self.unstall(server, &ways);
        self.faults += 1;
    }

    fn stall_some(&mut self, server: usize) -> Vec<Way> {
        let ways = match self.random.below(3) {
            0 => vec![Way::There],
            1 => vec![Way::Back],
            _ => vec![Way::There, Way::Back],
        };
        for relay in self.relays_of(server) {
            ways.iter().for_each(|way| relay.stall(*way, true));
        }
        ways
    }

    fn unstall(&mut self, server: usize, ways: &[Way]) {
        for relay in self.relays_of(server) {
            ways.iter().for_each(|way| relay.stall(*way, false));
        }
    }

    /// The engine is stopped for a while.
    pub fn stop_engine(&mut self) {
        self.engines[self.primary].pause();
        self.talk_up_to(3000);
        self.engines[self.primary].signal("CONT");
        self.faults += 1;
    }

    /// The engine is killed and started again.
    pub fn kill_engine(&mut self) {
        self.engines[self.primary].kill();
        self.talk_up_to(1000);
        self.engines[self.primary].start_again();
        self.sizes.clear();
        self.faults += 1;
    }

    /// The machine of the engine loses its power. The disk has what is older than a second.
    pub fn cut_power(&mut self) {
        let millis = self.random.below(1000);
        self.lose_power(millis);
    }

    /// The same, for longer than a server may be silent.
    pub fn cut_power_for_long(&mut self) {
        self.lose_power(36_000);
    }

    fn lose_power(&mut self, millis: usize) {
        self.talk_up_to(1500);
        // Now and then a server has not read all of it.
        let server = self.any_server();
        let ways = if self.random.one_in(2) { self.stall_some(server) } else { Vec::new() };
        self.talk_up_to(700);
        let engine = &mut self.engines[self.primary];
        engine.kill();
        let second_ago = Instant::now() - Duration::from_secs(1);
        let synced = self.sizes.iter().rfind(|(at, _)| *at < second_ago);
        let synced = synced.or(self.sizes.first()).map(|(_, size)| *size);
        if let (Some(log), Some(synced)) = (log_of(engine), synced) {
            let size = log.metadata().unwrap().len();
            let lost = self.random.below(size.saturating_sub(synced) as usize + 1) as u64;
            log.set_len(size - lost).unwrap();
        }
        self.unstall(server, &ways);
        self.talk(millis);
        self.engines[self.primary].start_again();
        self.sizes.clear();
        self.faults += 1;
    }

    fn note_size(&mut self) {
        let now = Instant::now();
        let is_due = self.sizes.last().is_none_or(|(at, _)| *at + Duration::from_millis(50) < now);
        if self.kept == Kept::EverySecond
            && is_due
            && let Some(log) = log_of(&self.engines[self.primary])
        {
            self.sizes.push((now, log.metadata().unwrap().len()));
        }
    }

    /// A server is killed and started again, with other clients.
    pub fn kill_server(&mut self) {
        let server = self.any_victim();
        // Now and then it has said something that nobody else has read.
        let ways = if self.random.one_in(2) { self.stall_some(server) } else { Vec::new() };
        self.talk_up_to(300);
        self.servers[server].signal("KILL");
        self.end(server);
        // What it has sent may still arrive.
        self.unstall(server, &ways);
        self.replace(server);
    }

    /// A server is stopped in order, as far as it reaches the others, and started again. Now and
    /// then it has sent something twice, and one copy arrives when it is gone.
    pub fn stop_server(&mut self) {
        let server = self.any_victim();
        if self.random.one_in(2) {
            self.relays_of(server).for_each(|relay| relay.stall(Way::There, true));
            self.talk_up_to(200);
            self.relays_of(server).for_each(|relay| relay.cut(Duration::from_millis(1500)));
            self.unstall(server, &[Way::There]);
            self.talk_up_to(200);
        }
        self.servers[server].signal("TERM");
        self.replace(server);
    }

    /// A server that was told to end has ended, and another one takes its place.
    fn replace(&mut self, server: usize) {
        self.end(server);
        self.talk_up_to(1000);
        self.begin(server);
        self.faults += 1;
    }

    /// A server that was told to end has ended.
    fn end(&mut self, server: usize) {
        let is_over = |one: &mut Server| one.child.try_wait().unwrap().is_some();
        while !is_over(&mut self.servers[server]) {
            self.talk(10);
        }
        let address = self.servers[server].address;
        let its = self.people.iter_mut().filter(|one| one.address() == address);
        its.for_each(Person::leave);
    }

    fn begin(&mut self, server: usize) {
        self.servers[server] = self.server(server);
        self.enter(server);
    }

    /// A server is cut off for so long that the others take it for gone.
    pub fn be_gone(&mut self) {
        self.cut_off(None);
    }

    /// The same, and of what it has not read only some is left.
    pub fn be_gone_and_forget(&mut self) {
        let kept = self.random.below(100);
        self.cut_off(Some(kept));
    }

    fn cut_off(&mut self, kept: Option<usize>) {
        let server = self.any_server();
        let relays = &self.relays[server];
        relays.iter().for_each(|relay| {
            relay.close(true);
            relay.cut(Duration::ZERO);
        });
        self.talk(36_000);
        if let Some(kept) = kept {
            self.trim(kept);
        }
        self.relays[server].iter().for_each(Relay::heal);
        self.faults += 1;
    }

    /// The engine is killed, and the one that follows it takes its place. The first comes back and
    /// follows the second.
    pub fn fail_over(&mut self) {
        let (old, new) = (self.primary, 1 - self.primary);
        // Now and then it has not read all of it.
        let is_behind = self.random.one_in(2);
        self.following[old].stall(Way::Back, is_behind);
        // So is a server.
        let server = self.any_server();
        let ways = if self.random.one_in(2) { self.stall_some(server) } else { Vec::new() };
        self.talk_up_to(700);
        self.engines[old].kill();
        self.following[old].cut(Duration::ZERO);
        self.unstall(server, &ways);
        self.talk_up_to(1000);
        self.engines[new].obey("REPLICAOF NO ONE");
        self.following[old].heal();
        self.primary = new;
        self.talk_up_to(1500);
        let mut flags = self.engines[old].flags.clone();
        flags.extend(["--replicaof".to_owned(), spaced(self.following[new].address)]);
        self.engines[old].child = spawn(&flags);
        self.wait_until_followed();
        self.faults += 1;
    }

    fn wait_until_followed(&mut self) {
        let up = "master_link_status:up";
        self.wait_until("the other engine follows", |world| {
            world.engines[1 - world.primary].tell("INFO replication").contains(up)
        });
    }

    /// The other engine is behind, and a server reaches that one alone for a while. Now and then
    /// another server has stopped meanwhile.
    pub fn reach_replica(&mut self) {
        let (primary, server) = (self.primary, self.random.below(2));
        self.following[primary].stall(Way::Back, true);
        if self.random.one_in(2) {
            let other = self.any_victim();
            self.servers[other].signal("TERM");
            self.replace(other);
        } else {
            self.talk_up_to(1000);
        }
        let relay = &self.relays[server][primary];
        relay.close(true);
        relay.cut(Duration::ZERO);
        self.talk_up_to(2000);
        self.relays[server][primary].heal();
        self.talk_up_to(1000);
        self.following[primary].heal();
        self.faults += 1;
    }

    /// A server is cut off, and what it has not read is forgotten meanwhile, but for some. Now and
    /// then another server has started meanwhile.
    pub fn forget(&mut self) {
        let (server, other) = (self.any_server(), self.any_victim());
        let starts = server < 2 && self.random.one_in(2);
        if starts {
            // Nobody could tell what it has said, and the stream forgets.
            self.wait_until_quiet();
            self.servers[other].signal("KILL");
            self.end(other);
        }
        let ways = self.stall_some(server);
        if starts {
            self.begin(other);
        }
        self.talk_up_to(2000);
        let kept = self.random.below(30);
        self.trim(kept);
        let late = Duration::from_millis([0, 500][self.random.below(2)]);
        self.relays_of(server).for_each(|relay| relay.cut(late));
        self.unstall(server, &ways);
        self.faults += 1;
    }

    fn trim(&mut self, kept: usize) {
        let reply = self.engines[self.primary].tell(&format!("XTRIM chat MAXLEN {kept}"));
        assert!(reply.starts_with(':'), "{reply}");
    }
}

/// An engine on a port, and where that is.
fn engine(kept: Kept) -> (Engine, SocketAddr) {
    let free = TcpListener::bind("127.0.2.1:0").unwrap().local_addr().unwrap();
    let port = free.port().to_string();
    let sync = if kept == Kept::Always { "always" } else { "everysec" };
    let flags = ["--bind", "127.0.2.1", "--port", &port, "--appendonly", "yes"];
    let more = ["--appendfsync", sync, "--repl-diskless-sync-delay", "0"];
    (Engine::start_with(&[flags.as_slice(), &more].concat()), free)
}

/// The log that an engine writes now.
fn log_of(engine: &Engine) -> Option<std::fs::File> {
    let files = std::fs::read_dir(engine.folder.at("appendonlydir")).ok()?;
    let mut paths: Vec<_> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(".incr.aof"));
    paths.sort();
    std::fs::File::options().write(true).open(paths.last()?).ok()
}

fn spaced(address: SocketAddr) -> String {
    format!("{} {}", address.ip(), address.port())
}
