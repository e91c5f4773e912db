//! One run of each load against one server, with connections of its own.

use std::time::{Duration, Instant};

use mio::Events;
use procfs::ProcResult;

use super::floor::BLOCK_BYTES_MAX;
use super::load::{Kind, Load, Measured, Metric, ROOM_CLIENTS, USUAL_BYTES};
use super::peer::Peer;
use crate::crowd::load::{self as talking, jain};
use crate::crowd::{
    Connections, Crowd, Fault, Outcome, Pace, Patience, Report, Server, Started, Strace, Talker,
    Until, gauge,
};

/// Longer than chinwag collects joins for one summary, and than other servers announce them.
const QUIET: Duration = Duration::from_millis(1300);

/// The longest wait for events.
const WAIT_MAX: Duration = Duration::from_millis(20);

/// The most events of one poll where a talker's time is to be kept: one whose time has come waits
/// for few reads. That wait is this program's, but counts as the server's.
const FEW_EVENTS_MAX: usize = 64;

/// A server has stopped if it delivers nothing for this long while messages are on their way.
const STALL: Duration = Duration::from_secs(3);

/// When the sending is over, what is on its way is waited for at most so many times as long as that
/// took. A slow server that takes all that is sent would need minutes.
const REST_TIMES: u32 = 3;

/// Deliveries in one sample of one message at a time. The least disturbed one counts. They are
/// short, since a noisy host disturbs every long one.
const SAMPLE_DELIVERIES: usize = 10_000;

/// One sample of `rooms` visits this many rooms, spread over all of them.
const ROOMS_VISITED: usize = 8;

/// The talkers of `talkers` and `busy`, and what one busy client sends per second: more than all of
/// them together, and what most servers can carry.
const TALKERS: usize = 50;
const BUSY_EVERY: Duration = Duration::from_millis(1);
const TALK_EVERY: Duration = Duration::from_secs(1);

/// The talkers of `chat`.
const CHAT_TALKERS: usize = 10;
const CHAT_EVERY: Duration = Duration::from_millis(10);

/// The messages of which the system calls are counted.
const CALLS_MESSAGES: u64 = 100;

/// This many are connected before the memory of the others is measured.
const CONNECTED_BEFORE: usize = 100;

/// Private replies in one run; each is to a line that is longer than the server's limit.
const REPLIES: u64 = 2000;
const TOO_LONG_BYTES: usize = 5000;

/// Runs it once, and returns what was measured. A flood takes over the server and the clients of
/// the flood before, and leaves them `here` unless something is still on its way.
pub fn run(load: Load, peer: Peer, here: &mut Option<Side>) -> Outcome<Measured> {
    let mut side = match here.take() {
        Some(side) => Side { load, ..side },
        None => Side::start(load, peer)?,
    };
    let measured = match load.kind {
        Kind::Flood | Kind::Shapes if peer == Peer::Pump => side.pump()?,
        Kind::Flood | Kind::Shapes => side.flood()?,
        Kind::Talkers | Kind::Busy | Kind::Chat | Kind::Fair => side.talkers()?,
        Kind::Stuck | Kind::Beside => side.stuck()?,
        Kind::Single | Kind::Rooms => side.one_at_a_time()?,
        Kind::Storm => side.storm()?,
        Kind::Calls => side.calls()?,
        Kind::Each => side.each()?,
        Kind::Private => side.private()?,
    };
    *here = Some(side).filter(|side| side.end == Some(End::Heard));
    Ok(measured)
}

/// The clients that send. The first one sends as the load says.
fn talkers(load: Load) -> Vec<Talker> {
    let free = load.window.map_or(Pace::Free, Pace::Window);
    let (count, first, others) = match load.kind {
        Kind::Talkers => (1 + TALKERS, free, Pace::Every(TALK_EVERY)),
        Kind::Busy => (1 + TALKERS, Pace::Every(BUSY_EVERY), Pace::Every(TALK_EVERY)),
        Kind::Chat => (CHAT_TALKERS, Pace::Every(CHAT_EVERY), Pace::Every(CHAT_EVERY)),
        Kind::Each | Kind::Fair => (load.clients, free, free),
        _ => (1, free, free),
    };
    let talker = |client| {
        let is_usual = load.kind == Kind::Fair && client % 2 == 0;
        Talker {
            pace: if client == 0 { first } else { others },
            message_bytes: if is_usual { USUAL_BYTES } else { load.bytes },
            // A flooder is not: to time its messages would cost as much as to check them.
            timed: load.kind == Kind::Chat || client > 0 && first != others,
        }
    };
    (0..count).map(talker).collect()
}

/// How a talk has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All that was sent has arrived.
    Heard,
    /// More would come, but that takes too long.
    Late,
    /// Nothing comes any more.
    Stalled,
}

/// Has clients talk, and waits for what is on its way then.
pub fn talk(crowd: &mut Crowd, talkers: &[Talker], until: Until) -> Outcome<(Report, End)> {
    let mut load = talking::Load::new(crowd, talkers, until);
    let mut patience = Patience::of(STALL);
    let time_max = match until {
        Until::Time(time) => time * (1 + REST_TIMES),
        Until::Heard(_) => Duration::MAX,
    };
    let end = loop {
        match load.is_over() {
            false => load.turn(WAIT_MAX)?,
            true if load.is_heard() => break End::Heard,
            true if load.start.elapsed() > time_max => break End::Late,
            true => load.crowd.hear(WAIT_MAX)?,
        }
        if patience.check(load.heard_of(), String::new).is_err() {
            break End::Stalled;
        }
    };
    Ok((load.report()?, end))
}

/// A server that is measured, and its clients.
pub struct Side {
    load: Load,
    peer: Peer,
    crowd: Crowd,
    /// How the last talk has ended.
    end: Option<End>,
    /// Its processes.
    started: Vec<Started>,
}

impl Side {
    /// A server without clients.
    fn start(load: Load, peer: Peer) -> Outcome<Side> {
        let started = peer.start()?;
        let connections = match &started[..] {
            [one] => Some(Connections::of(one.pid())?),
            _ => None,
        };
        let mut crowd = Crowd::new(Server {
            addresses: started[..peer.servers()].iter().map(|one| one.address).collect(),
            dialect: peer.dialect(),
            connections,
            arriving_max: peer.arriving_max(),
            channel_clients: match load.kind {
                Kind::Rooms => peer.channel_clients().ok_or("it has no rooms")?,
                _ => usize::MAX,
            },
            talkers: talkers(load).len(),
        })?;
        if !matches!(load.kind, Kind::Storm | Kind::Each) && peer != Peer::Pump {
            crowd.events = Events::with_capacity(FEW_EVENTS_MAX);
        }
        Ok(Side { load, peer, crowd, end: None, started })
    }

    /// Has the clients connect, and waits until all is quiet.
    fn enter(&mut self) -> Outcome<()> {
        self.crowd.connect(self.load.clients)?;
        self.crowd.read_for(QUIET)?;
        self.crowd.begin()
    }

    /// What the servers have used, and the engine that they share.
    fn cpu_ns(&self) -> Outcome<[f64; 2]> {
        let sum = |processes: &[Started]| -> Outcome<f64> {
            let each = processes.iter().map(|one| gauge::cpu_ns_at_rest(one.pid()));
            Ok(each.sum::<ProcResult<u64>>()? as f64)
        };
        let (servers, engine) = self.started.split_at(self.peer.servers());
        Ok([sum(servers)?, sum(engine)?])
    }

    fn resident_bytes(&self) -> Outcome<f64> {
        Ok(gauge::resident_bytes(self.started[0].pid())? as f64)
    }

    /// Has the clients talk as long as its load says. Returns the report, and what a talk has of
    /// metrics.
    fn talk(&mut self) -> Outcome<(Report, Measured)> {
        let [cpu, engine] = self.cpu_ns()?;
        let until = Until::Time(Duration::from_secs(self.load.seconds));
        let (report, end) = match self.load.kind {
            // What one flooder has still on its way must not count for it.
            Kind::Fair => (talking::run(&mut self.crowd, &talkers(self.load), until)?, End::Late),
            _ => talk(&mut self.crowd, &talkers(self.load), until)?,
        };
        self.end = Some(end);
        if report.deliveries == 0 {
            return Err(Fault("it delivers nothing".to_owned()).into());
        }
        let deliveries = report.deliveries as f64;
        let lines = deliveries / self.crowd.hearing() as f64;
        let all = (report.messages_missed + report.deliveries) as f64;
        // chinwag tells what it does not deliver.
        let lost = if self.peer.is_chinwag() { 0.0 } else { report.messages_missed as f64 / all };
        let after = self.cpu_ns()?;
        let mut measured = vec![
            (Metric::CpuNs, (after[0] - cpu) / deliveries),
            (Metric::PerSecond, report.deliveries_per_second()),
            (Metric::LinesPerSecond, lines / report.time.as_secs_f64()),
            (Metric::Lost, lost),
            (Metric::Stalled, f64::from(u8::from(end == End::Stalled))),
        ];
        if self.started.len() > self.peer.servers() {
            measured.push((Metric::EngineNs, (after[1] - engine) / lines));
        }
        Ok((report, measured))
    }

    fn flood(&mut self) -> Outcome<Measured> {
        // After an earlier flood the clients are still there.
        if self.end.is_none() {
            self.enter()?;
        }
        let (report, measured) = self.talk()?;
        match report.lines_missed {
            1.. if self.load.kind == Kind::Flood => {
                Err(Fault(format!("{} lines were missed", report.lines_missed)).into())
            }
            _ => Ok(measured),
        }
    }

    /// Pumps ready-made blocks, which count as so many messages of the load.
    fn pump(&mut self) -> Outcome<Measured> {
        self.crowd.connect(self.load.clients)?;
        let [before, _] = self.cpu_ns()?;
        let in_flight = match self.load.kind {
            Kind::Flood => u64::MAX,
            _ => self.load.window.unwrap_or(u64::MAX).saturating_mul(self.load.bytes as u64),
        };
        self.crowd.clients[0].say(in_flight.min(BLOCK_BYTES_MAX as u64).to_string().as_bytes())?;
        self.crowd.clients.iter_mut().for_each(|client| client.is_silent = true);
        let start = Instant::now();
        self.crowd.read_for(Duration::from_secs(self.load.seconds))?;
        let messages = self.crowd.bytes_read as f64 / self.load.bytes as f64;
        // The pump never rests.
        let spent = gauge::cpu_ns(self.started[0].pid())? as f64 - before;
        let per_second = messages / start.elapsed().as_secs_f64();
        Ok(vec![(Metric::CpuNs, spent / messages), (Metric::PerSecond, per_second)])
    }

    fn talkers(&mut self) -> Outcome<Measured> {
        self.enter()?;
        let (report, mut measured) = self.talk()?;
        let bytes = talkers(self.load).into_iter().map(|talker| talker.message_bytes as u64);
        let heard = report.authors.iter().zip(bytes).map(|(author, bytes)| author.heard * bytes);
        measured.extend(match self.load.kind {
            Kind::Fair => vec![(Metric::Jain, jain(&heard.collect::<Vec<_>>()))],
            _ if report.latencies.is_empty() => return Err("no talker is heard".into()),
            _ => vec![
                (Metric::P50Ms, report.latency_us(50.0) / 1e3),
                (Metric::P99Ms, report.latency_us(99.0) / 1e3),
            ],
        });
        Ok(measured)
    }

    /// Some clients never read.
    fn stuck(&mut self) -> Outcome<Measured> {
        self.enter()?;
        self.crowd.deafen(self.load.stuck());
        let (resident, open) = (self.resident_bytes()?, self.crowd.open()?);
        let (_, mut measured) = self.talk()?;
        let each = if self.load.kind == Kind::Beside { self.load.stuck().max(1) } else { 1 };
        let grown = (self.resident_bytes()? - resident).max(0.0) / each as f64;
        let closed = open.saturating_sub(self.crowd.open()?) as f64;
        measured.extend([(Metric::Bytes, grown), (Metric::Closed, closed)]);
        Ok(measured)
    }

    /// A client sends each message when the one before has arrived, and after some of them a client
    /// of another room. The least cost of a delivery in many samples counts.
    fn one_at_a_time(&mut self) -> Outcome<Measured> {
        let (mut rooms, mut clients) = (1, self.load.clients);
        if self.load.kind == Kind::Rooms {
            rooms = self.load.clients / ROOM_CLIENTS;
            clients = rooms * self.peer.channel_clients().unwrap_or(ROOM_CLIENTS);
        }
        self.crowd.connect(clients)?;
        self.crowd.read_for(QUIET)?;
        let visited = ROOMS_VISITED.min(rooms);
        let messages = SAMPLE_DELIVERIES * rooms / self.load.clients / visited;
        let until = Until::Heard(messages.max(1) as u64);
        let visited: Vec<_> = (0..visited).map(|nth| rooms - 1 - nth * rooms / visited).collect();
        for room in &visited {
            self.crowd.turn_to(*room);
            self.crowd.begin()?;
        }
        let (mut least, start) = (f64::INFINITY, Instant::now());
        while start.elapsed() < Duration::from_secs(self.load.seconds) {
            let ([before, _], mut deliveries) = (self.cpu_ns()?, 0);
            for room in &visited {
                self.crowd.turn_to(*room);
                let (report, end) = talk(&mut self.crowd, &talkers(self.load), until)?;
                if end != End::Heard {
                    return Err("it stands still".into());
                }
                deliveries += report.deliveries;
            }
            least = least.min((self.cpu_ns()?[0] - before) / deliveries as f64);
        }
        Ok(vec![(Metric::CpuNs, least)])
    }

    fn calls(&mut self) -> Outcome<Measured> {
        self.enter()?;
        let strace = Strace::attach(self.started[0].pid())?;
        let until = Until::Heard(CALLS_MESSAGES);
        let report = talking::run(&mut self.crowd, &talkers(self.load), until)?;
        let (mut sends, mut others) = (0, 0);
        for (name, calls) in strace.finish()? {
            match &name[..] {
                "write" | "writev" | "sendto" | "sendmsg" => sends += calls,
                _ => others += calls,
            }
        }
        Ok(vec![
            (Metric::Sends, sends as f64 / report.deliveries as f64),
            (Metric::OtherCalls, others as f64 / CALLS_MESSAGES as f64),
        ])
    }

    fn storm(&mut self) -> Outcome<Measured> {
        let few = CONNECTED_BEFORE.min(self.load.clients / 2);
        self.crowd.connect(few)?;
        self.crowd.read_for(QUIET)?;
        let (resident, [cpu, _]) = (self.resident_bytes()?, self.cpu_ns()?);
        let many = self.load.clients - few;
        self.crowd.connect(many)?;
        // chinwag then tells all clients how many joined. That is one more delivery to each, which
        // is not counted.
        let cpu = self.cpu_ns()?[0] - cpu;
        self.crowd.read_for(QUIET)?;
        Ok(vec![
            (Metric::CpuNs, cpu / many as f64),
            (Metric::Seconds, self.crowd.connecting.as_secs_f64()),
            (Metric::Bytes, (self.resident_bytes()? - resident) / many as f64),
        ])
    }

    /// The times count from the last connect.
    fn each(&mut self) -> Outcome<Measured> {
        self.crowd.connect(self.load.clients)?;
        self.crowd.begin()?;
        let begun = self.crowd.connected_at.elapsed();
        let report = talking::run(&mut self.crowd, &talkers(self.load), Until::Heard(1))?;
        let taken_in = (begun + report.taken_in).as_secs_f64();
        Ok(vec![(Metric::Seconds, begun.as_secs_f64()), (Metric::TakenIn, taken_in)])
    }

    /// The first client sends lines that are too long, one after the other, and waits for the
    /// private reply to each.
    fn private(&mut self) -> Outcome<Measured> {
        self.enter()?;
        let question = [vec![b'?'; TOO_LONG_BYTES], b"\n".to_vec()].concat();
        let [before, _] = self.cpu_ns()?;
        let mut patience = Patience::full();
        for _ in 0..REPLIES {
            let replies = self.crowd.clients[0].listener.replies;
            self.crowd.clients[0].say(&question)?;
            while self.crowd.clients[0].listener.replies == replies {
                self.crowd.read(WAIT_MAX)?;
                patience.check(self.crowd.bytes_read, || "no reply came".to_owned())?;
            }
        }
        Ok(vec![(Metric::CpuNs, (self.cpu_ns()?[0] - before) / REPLIES as f64)])
    }
}
