//! One run of each load against one server, with connections of its own.

use std::time::{Duration, Instant};

use super::load::{Kind, Load, Measured, Metric, ROOM_CLIENTS, STUCK};
use super::peer::Peer;
use crate::crowd::author::MESSAGE_BYTES_MIN;
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

/// Runs it once, and returns what was measured. A flood of another shape takes over the server and
/// the clients of `here`, and leaves them there unless something is still on its way.
pub fn run(load: Load, peer: Peer, here: &mut Option<(Side, Crowd)>) -> Outcome<Measured> {
    let side = || Side::start(peer);
    match load.kind {
        Kind::Flood | Kind::Shapes if peer == Peer::Pump => side()?.pump(load),
        Kind::Flood | Kind::Shapes | Kind::Talkers | Kind::Busy | Kind::Stuck => {
            let talkers = talkers(load);
            let (side, mut crowd) = match here.take() {
                Some(here) => here,
                None => side()?.with_crowd(load.clients, talkers.len())?,
            };
            let (end, measured) = side.talk_for(load, &mut crowd, &talkers)?;
            if end == End::Heard {
                *here = Some((side, crowd));
            }
            Ok(measured)
        }
        Kind::Single => side()?.single(load),
        Kind::Storm => side()?.storm(load.clients),
        Kind::Rooms => side()?.rooms(load),
        Kind::Beside => side()?.beside(load),
        Kind::Each => side()?.each(load.clients),
        Kind::Fair => fair(load, peer),
        Kind::Private => side()?.private(load.clients),
    }
}

/// A client that sends as the load says and is not timed, and the usual talkers beside it.
fn talkers(load: Load) -> Vec<Talker> {
    let (pace, beside) = match load.kind {
        Kind::Busy => (Pace::Every(BUSY_EVERY), TALKERS),
        Kind::Talkers => (pace(load), TALKERS),
        _ => (pace(load), 0),
    };
    let first = Talker { client: 0, pace, message_bytes: load.bytes, timed: false };
    let talker = |client| Talker { client, pace: Pace::Every(TALK_EVERY), timed: true, ..first };
    std::iter::once(first).chain((1..=beside).map(talker)).collect()
}

fn pace(load: Load) -> Pace {
    load.window.map_or(Pace::Free, Pace::Window)
}

/// The report of talkers of chinwag, and perhaps a flooder beside them.
pub fn talkers_beside(flooder: Option<Pace>) -> Outcome<Report> {
    let load = Kind::Talkers.usual();
    let mut talkers = talkers(load);
    let (_side, mut crowd) = Side::start(Peer::Chinwag)?.with_crowd(load.clients, talkers.len())?;
    match flooder {
        Some(pace) => talkers[0].pace = pace,
        None => _ = talkers.remove(0),
    }
    talking::run(&mut crowd, &talkers, Until::Time(FAIR_TALK_TIME))
}

/// The system calls of chinwag for this many messages to this many clients.
pub fn calls(clients: usize, messages: u64) -> Outcome<Calls> {
    let (side, mut crowd) = Side::start(Peer::Chinwag)?.with_crowd(clients, 1)?;
    let strace = Strace::attach(side.started.pid())?;
    let talkers = talkers(Kind::Single.to(clients));
    talking::run(&mut crowd, &talkers, Until::Heard(messages))?;
    strace.finish()
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

/// A server that is measured.
pub struct Side {
    peer: Peer,
    started: Started,
}

impl Side {
    fn start(peer: Peer) -> Outcome<Side> {
        Ok(Side { peer, started: peer.start()? })
    }

    /// A crowd of no clients yet.
    fn nobody(&self) -> Outcome<Crowd> {
        Crowd::new(Server {
            address: self.started.address,
            dialect: self.peer.dialect(),
            connections: Some(Connections::of(self.started.pid())?),
            arriving_max: self.peer.arriving_max(),
        })
    }

    /// The server with a crowd, whose first clients talk, when all is quiet.
    fn with_crowd(self, clients: usize, talkers: usize) -> Outcome<(Side, Crowd)> {
        let mut crowd = self.nobody()?.with_talkers(talkers);
        crowd.connect(clients)?;
        crowd.read_for(QUIET)?;
        crowd.begin()?;
        Ok((self, crowd))
    }

    fn cpu_ns(&self) -> Outcome<f64> {
        Ok(gauge::cpu_ns_at_rest(self.started.pid())? as f64)
    }

    fn resident_bytes(&self) -> Outcome<f64> {
        Ok(gauge::resident_bytes(self.started.pid())? as f64)
    }

    /// Has the clients talk. Returns the report, how that ended, and what a talk has of metrics.
    fn talk(
        &self,
        crowd: &mut Crowd,
        talkers: &[Talker],
        until: Until,
    ) -> Outcome<(Report, End, Measured)> {
        let before = self.cpu_ns()?;
        let (report, end) = talk(crowd, talkers, until)?;
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
        Ok((report, end, measured))
    }

    /// The same for as long as the load says, and with what else is measured of its kind.
    fn talk_for(
        &self,
        load: Load,
        crowd: &mut Crowd,
        talkers: &[Talker],
    ) -> Outcome<(End, Measured)> {
        if load.kind == Kind::Stuck {
            crowd.deafen(STUCK);
        }
        let (resident, open) = (self.resident_bytes()?, crowd.open()?);
        let (report, end, mut measured) = self.talk(crowd, talkers, Until::Time(load.time))?;
        match load.kind {
            Kind::Talkers | Kind::Busy => {
                measured.push((Metric::P99Ms, report.latency_us(99.0) / 1e3));
            }
            Kind::Stuck => {
                let closed = open.saturating_sub(crowd.open()?) as f64;
                let grown = (self.resident_bytes()? - resident).max(0.0);
                measured.extend([(Metric::Bytes, grown), (Metric::Closed, closed)]);
            }
            Kind::Flood if report.lines_missed > 0 => {
                return Err(Fault(format!("{} lines were missed", report.lines_missed)).into());
            }
            _ => {}
        }
        Ok((end, measured))
    }

    fn single(self, load: Load) -> Outcome<Measured> {
        let (side, mut crowd) = self.with_crowd(load.clients, 1)?;
        let messages = (SINGLE_DELIVERIES / load.clients).max(1);
        side.least(load, || one_at_a_time(&mut crowd, load, messages))
    }

    fn rooms(&self, load: Load) -> Outcome<Measured> {
        let (rooms, each) = (load.clients / ROOM_CLIENTS, self.peer.channel_clients());
        let each = each.ok_or("it has no rooms")?;
        let mut crowd = self.nobody()?.with_talkers(1).in_channels_of(each);
        crowd.connect(rooms * each)?;
        crowd.read_for(QUIET)?;
        let visited = (0..ROOMS_VISITED).map(|nth| rooms - 1 - nth * rooms / ROOMS_VISITED);
        let mut visited: Vec<usize> = visited.collect();
        visited.dedup();
        for room in &visited {
            crowd.turn_to(*room);
            crowd.begin()?;
        }
        let messages = SINGLE_DELIVERIES / ROOM_CLIENTS / visited.len();
        let mut visit = |room: &usize| {
            crowd.turn_to(*room);
            one_at_a_time(&mut crowd, load, messages)
        };
        self.least(load, || visited.iter().map(&mut visit).sum())
    }

    /// Takes samples, and returns the least cost of a delivery. A sample returns its deliveries.
    fn least(&self, load: Load, mut sample: impl FnMut() -> Outcome<u64>) -> Outcome<Measured> {
        let (mut least, start) = (f64::INFINITY, Instant::now());
        while start.elapsed() < load.time {
            let before = self.cpu_ns()?;
            let deliveries = sample()?;
            least = least.min((self.cpu_ns()? - before) / deliveries as f64);
        }
        Ok(vec![(Metric::CpuNs, least)])
    }

    /// Pumps ready-made blocks, which count as so many messages of the load.
    fn pump(&self, load: Load) -> Outcome<Measured> {
        let mut crowd = self.nobody()?;
        crowd.connect(load.clients)?;
        let before = self.cpu_ns()?;
        let in_flight = match load.kind {
            Kind::Flood => u64::MAX,
            _ => load.window.unwrap_or(u64::MAX).saturating_mul(load.bytes as u64),
        };
        crowd.clients[0].say(in_flight.min(BLOCK_BYTES_MAX).to_string().as_bytes())?;
        let start = Instant::now();
        let messages = crowd.drink(PUMPED_BYTES, load.time)? as f64 / load.bytes as f64;
        // The pump never rests.
        let spent = gauge::cpu_ns(self.started.pid())? as f64 - before;
        let per_second = messages / start.elapsed().as_secs_f64();
        Ok(vec![(Metric::CpuNs, spent / messages), (Metric::PerSecond, per_second)])
    }

    fn storm(&self, clients: usize) -> Outcome<Measured> {
        let mut crowd = self.nobody()?;
        let few = CONNECTED_BEFORE.min(clients / 2);
        crowd.connect(few)?;
        crowd.read_for(QUIET)?;
        let (resident, cpu) = (self.resident_bytes()?, self.cpu_ns()?);
        crowd.connect(clients - few)?;
        // chinwag then tells all clients how many joined. That is one more delivery to each, which
        // is not counted.
        let cpu = self.cpu_ns()? - cpu;
        crowd.read_for(QUIET)?;
        let each = |all: f64| all / (clients - few) as f64;
        Ok(vec![
            (Metric::CpuNs, each(cpu)),
            (Metric::Seconds, crowd.connecting.as_secs_f64()),
            (Metric::Bytes, each(self.resident_bytes()? - resident)),
        ])
    }

    fn beside(self, load: Load) -> Outcome<Measured> {
        let stuck = load.clients - load.kind.usual().clients;
        let (side, mut crowd) = self.with_crowd(load.clients, 1)?;
        crowd.deafen(stuck);
        let talkers = talkers(load);
        talking::run(&mut crowd, &talkers, Until::Heard(LAPSE_MESSAGES))?;
        let resident = side.resident_bytes()?;
        let (.., measured) = side.talk(&mut crowd, &talkers, Until::Heard(BESIDE_MESSAGES))?;
        Ok([measured, vec![(Metric::Bytes, resident)]].concat())
    }

    /// Each client sends a line as short as can be. The times count from the last connect.
    fn each(&self, clients: usize) -> Outcome<Measured> {
        let mut crowd = self.nobody()?;
        crowd.connect(clients)?;
        crowd.begin()?;
        let begun = crowd.connected_at.elapsed();
        let (pace, message_bytes) = (Pace::Window(1), MESSAGE_BYTES_MIN);
        let talker = |client| Talker { client, pace, message_bytes, timed: false };
        let talkers: Vec<Talker> = (0..clients).map(talker).collect();
        let report = talking::run(&mut crowd, &talkers, Until::Heard(1))?;
        let after = |time: Duration| (begun + time).as_secs_f64();
        Ok(vec![
            (Metric::Seconds, begun.as_secs_f64()),
            (Metric::TakenIn, after(report.taken_in)),
            (Metric::Heard, after(report.time)),
        ])
    }

    /// The first client sends lines that are too long, one after the other, and waits for the
    /// private reply to each.
    fn private(self, clients: usize) -> Outcome<Measured> {
        let (side, mut crowd) = self.with_crowd(clients, 1)?;
        let question = [vec![b'?'; TOO_LONG_BYTES], b"\n".to_vec()].concat();
        let before = side.cpu_ns()?;
        let mut patience = Patience::full();
        for _ in 0..REPLIES {
            let replies = crowd.clients[0].listener.replies;
            crowd.clients[0].say(&question)?;
            while crowd.clients[0].listener.replies == replies {
                let read = crowd.read(WAIT_MAX)?;
                patience.check(read > 0, || "no reply came".to_owned())?;
            }
        }
        Ok(vec![(Metric::CpuNs, (side.cpu_ns()? - before) / REPLIES as f64)])
    }
}

/// Has one client send this many messages, each when the one before has arrived. Returns how many
/// deliveries that were.
fn one_at_a_time(crowd: &mut Crowd, load: Load, messages: usize) -> Outcome<u64> {
    let (report, end) = talk(crowd, &talkers(load), Until::Heard(messages as u64))?;
    if end == End::Heard { Ok(report.deliveries) } else { Err("it stands still".into()) }
}

/// Flooders whose lines are equally long, and flooders whose lines are not: how evenly the server
/// reads them.
fn fair(load: Load, peer: Peer) -> Outcome<Measured> {
    let index = |sizes: &[usize]| -> Outcome<f64> {
        let (_side, mut crowd) = Side::start(peer)?.with_crowd(load.clients, load.clients)?;
        let of = |(client, bytes): (usize, &usize)| Talker {
            client,
            pace: pace(load),
            message_bytes: *bytes,
            timed: false,
        };
        let talkers: Vec<Talker> = (0..load.clients).zip(sizes.iter().cycle()).map(of).collect();
        let report = talking::run(&mut crowd, &talkers, Until::Time(load.time))?;
        match report.bytes_heard.iter().sum() {
            0 => Err(Fault("it takes nothing of flooders".to_owned()).into()),
            1_u64.. => Ok(jain(&report.bytes_heard)),
        }
    };
    Ok(vec![(Metric::Jain, index(&[64])?), (Metric::JainMixed, index(&[64, 1000])?)])
}
