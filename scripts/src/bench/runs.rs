//! One run of each load against one server, with connections of its own.

use std::time::{Duration, Instant};

use super::load::{Kind, Load, Measured, Metric, ROOM_CLIENTS, STUCK, USUAL_BYTES};
use super::peer::Peer;
use crate::crowd::gauge::{self, Calls, Connections, Strace};
use crate::crowd::load::{self as talking, Pace, Report, Talker, Until, jain};
use crate::crowd::sockets::{Crowd, Server};
use crate::crowd::started::Started;
use crate::crowd::{Fault, Outcome, Patience};

/// Longer than chinwag collects joins for one summary, and than other servers announce them.
const QUIET: Duration = Duration::from_millis(1300);

/// The longest wait for events.
const WAIT_MAX: Duration = Duration::from_millis(20);

/// A server has stopped if it delivers nothing for this long while messages are on their way.
const STALL: Duration = Duration::from_secs(3);

/// When the sending is over, what is on its way is waited for at most so many times as long as that
/// took. A slow server that takes all that is sent would need minutes.
const REST_TIMES: u32 = 3;

/// Deliveries in one sample of one message at a time. The least disturbed one counts. They are
/// short, since a noisy host disturbs every long one.
const SINGLE_DELIVERIES: usize = 10_000;

/// One sample of `rooms` visits this many rooms, spread over all of them.
const ROOMS_VISITED: usize = 8;

/// A bare pump sends blocks of at most this many bytes, and as many of them as a flood has.
const BLOCK_BYTES_MAX: u64 = 64 * 1024;
const PUMPED_BYTES: u64 = 4 << 30;

/// The talkers of `talkers` and `busy`, and what one busy client sends per second: more than all of
/// them together, and what most servers can carry.
const TALKERS: usize = 50;
const BUSY_EVERY: Duration = Duration::from_millis(1);
const TALK_EVERY: Duration = Duration::from_secs(1);

/// Messages that fill the window of the transcript more than twice, so a client that never reads
/// has lapsed. Then come those that are measured.
const LAPSE_MESSAGES: u64 = 150_000;
const BESIDE_MESSAGES: u64 = 50_000;

/// This many are connected before the memory of the others is measured.
const CONNECTED_BEFORE: usize = 100;

/// Private replies in one run; each is to a line that is longer than the server's limit.
const REPLIES: u64 = 2000;
const TOO_LONG_BYTES: usize = 5000;

/// How long talkers beside a flooder are measured.
const FAIR_TALK_TIME: Duration = Duration::from_secs(10);

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
        Kind::Talkers | Kind::Busy => side.talkers()?,
        Kind::Stuck => side.stuck()?,
        Kind::Single => side.single()?,
        Kind::Storm => side.storm()?,
        Kind::Rooms => side.rooms()?,
        Kind::Beside => side.beside()?,
        Kind::Each => side.each()?,
        Kind::Fair => side.fair()?,
        Kind::Private => side.private()?,
    };
    *here = Some(side).filter(|side| side.end == Some(End::Heard));
    Ok(measured)
}

/// The report of talkers of chinwag, and perhaps a flooder beside them.
pub fn talkers_beside(flooder: Option<Pace>) -> Outcome<Report> {
    let mut side = Side::start(Kind::Talkers.usual(), Peer::Chinwag)?;
    side.enter()?;
    let mut talkers = talkers(side.load);
    match flooder {
        Some(pace) => talkers[0].pace = pace,
        None => _ = talkers.remove(0),
    }
    talking::run(&mut side.crowd, &talkers, Until::Time(FAIR_TALK_TIME))
}

/// The system calls of chinwag for this many messages to this many clients.
pub fn calls(clients: usize, messages: u64) -> Outcome<Calls> {
    let mut side = Side::start(Kind::Single.to(clients), Peer::Chinwag)?;
    side.enter()?;
    let strace = Strace::attach(side.started.pid())?;
    side.talk_unmeasured(Until::Heard(messages))?;
    strace.finish()
}

/// The clients that send. The first one sends as the load says.
fn talkers(load: Load) -> Vec<Talker> {
    let pace = match load.kind {
        Kind::Busy => Pace::Every(BUSY_EVERY),
        _ => load.window.map_or(Pace::Free, Pace::Window),
    };
    let count = match load.kind {
        Kind::Talkers | Kind::Busy => 1 + TALKERS,
        Kind::Each | Kind::Fair => load.clients,
        _ => 1,
    };
    let talker = |client| {
        let usual = Talker { client, pace, message_bytes: load.bytes, timed: false };
        match load.kind {
            Kind::Talkers | Kind::Busy if client > 0 => {
                Talker { pace: Pace::Every(TALK_EVERY), timed: true, ..usual }
            }
            Kind::Fair if client % 2 == 0 => Talker { message_bytes: USUAL_BYTES, ..usual },
            _ => usual,
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
    let (mut heard, mut heard_at) = (0, Instant::now());
    let time_max = match until {
        Until::Time(time) => time * (1 + REST_TIMES),
        Until::Heard(_) => Duration::MAX,
    };
    let end = loop {
        match load.is_over() {
            false => load.turn(WAIT_MAX)?,
            true if load.is_heard() => break End::Heard,
            true if load.start().elapsed() > time_max => break End::Late,
            true => load.listen(WAIT_MAX)?,
        }
        let before = std::mem::replace(&mut heard, load.heard_of());
        if heard > before {
            heard_at = Instant::now();
        }
        if heard_at.elapsed() > STALL {
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
    started: Started,
}

impl Side {
    /// A server without clients.
    fn start(load: Load, peer: Peer) -> Outcome<Side> {
        let started = peer.start()?;
        let crowd = Crowd::new(Server {
            address: started.address,
            dialect: peer.dialect(),
            connections: Some(Connections::of(started.pid())?),
            arriving_max: peer.arriving_max(),
        })?;
        let crowd = match load.kind {
            Kind::Storm | Kind::Each => crowd,
            _ if peer == Peer::Pump => crowd,
            Kind::Rooms => {
                let each = peer.channel_clients().ok_or("it has no rooms")?;
                crowd.with_talkers(1).in_channels_of(each)
            }
            _ => crowd.with_talkers(talkers(load).len()),
        };
        Ok(Side { load, peer, crowd, end: None, started })
    }

    /// Has the clients connect, and waits until all is quiet.
    fn enter(&mut self) -> Outcome<()> {
        self.crowd.connect(self.load.clients)?;
        self.crowd.read_for(QUIET)?;
        self.crowd.begin()
    }

    fn cpu_ns(&self) -> Outcome<f64> {
        Ok(gauge::cpu_ns_at_rest(self.started.pid())? as f64)
    }

    fn resident_bytes(&self) -> Outcome<f64> {
        Ok(gauge::resident_bytes(self.started.pid())? as f64)
    }

    /// Has the clients talk. Returns the report, and what a talk has of metrics.
    fn talk(&mut self, until: Until) -> Outcome<(Report, Measured)> {
        let before = self.cpu_ns()?;
        let (report, end) = talk(&mut self.crowd, &talkers(self.load), until)?;
        self.end = Some(end);
        let each = (self.cpu_ns()? - before) / report.deliveries as f64;
        let all = (report.messages_missed + report.deliveries).max(1) as f64;
        // chinwag tells what it does not deliver.
        let lost = if self.peer.is_chinwag() { 0.0 } else { report.messages_missed as f64 / all };
        let measured = vec![
            (Metric::CpuNs, each),
            (Metric::PerSecond, report.deliveries_per_second()),
            (Metric::Lost, lost),
            (Metric::Stalled, f64::from(u8::from(end == End::Stalled))),
        ];
        Ok((report, measured))
    }

    /// Has the clients talk, and does not wait for what is on its way then.
    fn talk_unmeasured(&mut self, until: Until) -> Outcome<Report> {
        talking::run(&mut self.crowd, &talkers(self.load), until)
    }

    fn flood(&mut self) -> Outcome<Measured> {
        // After an earlier flood the clients are still there.
        if self.end.is_none() {
            self.enter()?;
        }
        let (report, measured) = self.talk(Until::Time(self.load.time))?;
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
        let before = self.cpu_ns()?;
        let in_flight = match self.load.kind {
            Kind::Flood => u64::MAX,
            _ => self.load.window.unwrap_or(u64::MAX).saturating_mul(self.load.bytes as u64),
        };
        self.crowd.clients[0].say(in_flight.min(BLOCK_BYTES_MAX).to_string().as_bytes())?;
        let start = Instant::now();
        let bytes = self.crowd.drink(PUMPED_BYTES, self.load.time)?;
        let messages = bytes as f64 / self.load.bytes as f64;
        // The pump never rests.
        let spent = gauge::cpu_ns(self.started.pid())? as f64 - before;
        let per_second = messages / start.elapsed().as_secs_f64();
        Ok(vec![(Metric::CpuNs, spent / messages), (Metric::PerSecond, per_second)])
    }

    fn talkers(&mut self) -> Outcome<Measured> {
        self.enter()?;
        let (report, mut measured) = self.talk(Until::Time(self.load.time))?;
        measured.push((Metric::P99Ms, report.latency_us(99.0) / 1e3));
        Ok(measured)
    }

    fn stuck(&mut self) -> Outcome<Measured> {
        self.enter()?;
        self.crowd.deafen(STUCK);
        let (resident, open) = (self.resident_bytes()?, self.crowd.open()?);
        let (_, mut measured) = self.talk(Until::Time(self.load.time))?;
        let grown = (self.resident_bytes()? - resident).max(0.0);
        let closed = open.saturating_sub(self.crowd.open()?) as f64;
        measured.extend([(Metric::Bytes, grown), (Metric::Closed, closed)]);
        Ok(measured)
    }

    fn single(&mut self) -> Outcome<Measured> {
        self.enter()?;
        let messages = (SINGLE_DELIVERIES / self.load.clients).max(1);
        self.least(|side| side.one_at_a_time(messages))
    }

    fn rooms(&mut self) -> Outcome<Measured> {
        let rooms = self.load.clients / ROOM_CLIENTS;
        self.crowd.connect(rooms * self.peer.channel_clients().unwrap_or(ROOM_CLIENTS))?;
        self.crowd.read_for(QUIET)?;
        let visited = (0..ROOMS_VISITED).map(|nth| rooms - 1 - nth * rooms / ROOMS_VISITED);
        let mut visited: Vec<usize> = visited.collect();
        visited.dedup();
        for room in &visited {
            self.crowd.turn_to(*room);
            self.crowd.begin()?;
        }
        let messages = SINGLE_DELIVERIES / ROOM_CLIENTS / visited.len();
        self.least(|side| {
            let visit = |room: &usize| {
                side.crowd.turn_to(*room);
                side.one_at_a_time(messages)
            };
            visited.iter().map(visit).sum()
        })
    }

    /// Takes samples, and returns the least cost of a delivery. A sample returns its deliveries.
    fn least(&mut self, sample: impl Fn(&mut Side) -> Outcome<u64>) -> Outcome<Measured> {
        let (mut least, start) = (f64::INFINITY, Instant::now());
        while start.elapsed() < self.load.time {
            let before = self.cpu_ns()?;
            let deliveries = sample(self)?;
            least = least.min((self.cpu_ns()? - before) / deliveries as f64);
        }
        Ok(vec![(Metric::CpuNs, least)])
    }

    /// Has one client send this many messages, each when the one before has arrived. Returns how
    /// many deliveries that were.
    fn one_at_a_time(&mut self, messages: usize) -> Outcome<u64> {
        let until = Until::Heard(messages as u64);
        let (report, end) = talk(&mut self.crowd, &talkers(self.load), until)?;
        if end == End::Heard { Ok(report.deliveries) } else { Err("it stands still".into()) }
    }

    fn storm(&mut self) -> Outcome<Measured> {
        let few = CONNECTED_BEFORE.min(self.load.clients / 2);
        self.crowd.connect(few)?;
        self.crowd.read_for(QUIET)?;
        let (resident, cpu) = (self.resident_bytes()?, self.cpu_ns()?);
        let many = self.load.clients - few;
        self.crowd.connect(many)?;
        // chinwag then tells all clients how many joined. That is one more delivery to each, which
        // is not counted.
        let cpu = self.cpu_ns()? - cpu;
        self.crowd.read_for(QUIET)?;
        Ok(vec![
            (Metric::CpuNs, cpu / many as f64),
            (Metric::Seconds, self.crowd.connecting.as_secs_f64()),
            (Metric::Bytes, (self.resident_bytes()? - resident) / many as f64),
        ])
    }

    fn beside(&mut self) -> Outcome<Measured> {
        self.enter()?;
        self.crowd.deafen(self.load.clients - self.load.kind.usual().clients);
        self.talk_unmeasured(Until::Heard(LAPSE_MESSAGES))?;
        let resident = self.resident_bytes()?;
        let (_, mut measured) = self.talk(Until::Heard(BESIDE_MESSAGES))?;
        measured.push((Metric::Bytes, resident));
        Ok(measured)
    }

    /// The times count from the last connect.
    fn each(&mut self) -> Outcome<Measured> {
        self.crowd.connect(self.load.clients)?;
        self.crowd.begin()?;
        let begun = self.crowd.connected_at.elapsed();
        let report = self.talk_unmeasured(Until::Heard(1))?;
        Ok(vec![
            (Metric::Seconds, begun.as_secs_f64()),
            (Metric::TakenIn, (begun + report.taken_in).as_secs_f64()),
            (Metric::Heard, (begun + report.time).as_secs_f64()),
        ])
    }

    fn fair(&mut self) -> Outcome<Measured> {
        self.enter()?;
        let report = self.talk_unmeasured(Until::Time(self.load.time))?;
        match report.deliveries {
            0 => Err(Fault("it takes nothing of flooders".to_owned()).into()),
            1.. => Ok(vec![(Metric::Jain, jain(&report.bytes_heard))]),
        }
    }

    /// The first client sends lines that are too long, one after the other, and waits for the
    /// private reply to each.
    fn private(&mut self) -> Outcome<Measured> {
        self.enter()?;
        let question = [vec![b'?'; TOO_LONG_BYTES], b"\n".to_vec()].concat();
        let before = self.cpu_ns()?;
        let mut patience = Patience::full();
        for _ in 0..REPLIES {
            let replies = self.crowd.clients[0].listener.replies;
            self.crowd.clients[0].say(&question)?;
            while self.crowd.clients[0].listener.replies == replies {
                let read = self.crowd.read(WAIT_MAX)?;
                patience.check(read > 0, || "no reply came".to_owned())?;
            }
        }
        Ok(vec![(Metric::CpuNs, (self.cpu_ns()? - before) / REPLIES as f64)])
    }
}
