//! One run of each load against one server, with connections of its own.

use std::time::{Duration, Instant};

use super::load::{FLOOD_CLIENTS, FLOOD_WINDOW, ROOM_CLIENTS, STUCK};
use super::load::{Load, Measured, Metric, Shape};
use super::peer::Peer;
use crate::crowd::author::MESSAGE_BYTES_MIN;
use crate::crowd::gauge::{self, Calls, Connections, Strace};
use crate::crowd::load::{self as talking, Pace, Report, Talker, Until, jain};
use crate::crowd::sockets::{Crowd, Server};
use crate::crowd::started::Started;
use crate::crowd::{Fault, Outcome, Patience};

/// A usual message, with its name and line end.
const MESSAGE_BYTES: usize = 64;

/// A message that is meant to fill buffers.
const LONG_MESSAGE_BYTES: usize = 400;

/// Longer than chinwag collects joins for one summary, and than other servers announce them.
const QUIET: Duration = Duration::from_millis(1300);

/// The longest wait for events.
const WAIT_MAX: Duration = Duration::from_millis(20);

/// A server has stopped if it delivers nothing for this long while messages are on their way.
const STALL: Duration = Duration::from_secs(3);

/// When the sending is over, what is on its way is waited for at most so many times as long as that
/// took. A slow server that takes all that is sent would need minutes.
const REST_TIMES: u32 = 3;

/// Deliveries in one sample of one message at a time, and how long a run takes samples. The least
/// disturbed one counts. They are short, since a noisy host disturbs every long one.
const SINGLE_DELIVERIES: usize = 10_000;
const SINGLE_TIME: Duration = Duration::from_secs(4);

/// One sample of `rooms` visits this many rooms, spread over all of them.
const ROOMS_VISITED: usize = 8;

/// How long a flood lasts, and one of many shapes.
const FLOOD_TIME: Duration = Duration::from_secs(2);
const SHAPE_TIME: Duration = Duration::from_secs(1);

/// A bare pump sends blocks of at most this many bytes, and as many of them as a flood has.
const BLOCK_BYTES_MAX: usize = 64 * 1024;
const PUMPED_BYTES: u64 = 4 << 30;

/// The talkers of `talkers` and `busy`, and what one busy client sends per second: more than all of
/// them together, and what most servers can carry.
const TALKERS: usize = 50;
const BUSY_EVERY: Duration = Duration::from_millis(1);
const TALK_EVERY: Duration = Duration::from_secs(1);
const TALK_TIME: Duration = Duration::from_secs(6);

/// The load of `stuck`.
const STUCK_WINDOW: u64 = 100;
const STUCK_TIME: Duration = Duration::from_secs(8);

/// Messages that fill the window of the transcript more than twice, so a client that never reads
/// has lapsed. Then come those that are measured.
const LAPSE_MESSAGES: u64 = 150_000;
const BESIDE_MESSAGES: u64 = 50_000;

/// This many are connected before the memory of the others is measured.
const CONNECTED_BEFORE: usize = 100;

/// Private replies in one run; each is to a line that is longer than the server's limit.
const REPLIES: u64 = 2000;
const TOO_LONG_BYTES: usize = 5000;

/// How long the flooders of `fair` send.
const FAIR_TIME: Duration = Duration::from_secs(5);
const FAIR_TALK_TIME: Duration = Duration::from_secs(10);

/// Runs it once, and returns what was measured.
pub fn run(load: Load, peer: Peer) -> Outcome<Measured> {
    let side = Side::start(peer)?;
    match load {
        Load::Single(clients) => side.single(clients),
        Load::Flood if peer == Peer::Pump => side.pump(BLOCK_BYTES_MAX, MESSAGE_BYTES, FLOOD_TIME),
        Load::Flood => side.flood(),
        Load::Storm(clients) => side.storm(clients),
        Load::Talkers => side.talkers(Pace::Window(FLOOD_WINDOW)),
        Load::Busy => side.talkers(Pace::Every(BUSY_EVERY)),
        Load::Stuck => side.stuck(),
        Load::Rooms(clients) => side.rooms(clients / ROOM_CLIENTS),
        Load::Shape(shape) => side.shape(&mut side.crowd(FLOOD_CLIENTS)?, shape).map(|(it, _)| it),
        Load::Beside(stuck) => side.beside(stuck),
        Load::Each(clients) => side.each(clients),
        Load::Fair => fair(peer),
        Load::Private(clients) => side.private(clients),
    }
}

/// Runs floods of all these shapes, one after the other. A server that fails, or still has
/// something to send, is started again for the next.
pub fn run_shapes(
    peer: Peer,
    shapes: Vec<Shape>,
    take: &mut dyn FnMut(Shape, Outcome<Measured>) -> Outcome<()>,
) -> Outcome<()> {
    let mut here: Option<(Side, Crowd)> = None;
    for shape in shapes {
        if peer == Peer::Pump {
            let in_flight = shape.window.unwrap_or(u64::MAX).saturating_mul(shape.bytes as u64);
            let block = in_flight.min(BLOCK_BYTES_MAX as u64) as usize;
            take(shape, Side::start(peer)?.pump(block, shape.bytes, SHAPE_TIME))?;
            continue;
        }
        let (side, mut crowd) = match here.take() {
            Some(here) => here,
            None => {
                let side = Side::start(peer)?;
                let crowd = side.crowd(FLOOD_CLIENTS)?;
                (side, crowd)
            }
        };
        let measured = side.shape(&mut crowd, shape);
        if measured.as_ref().is_ok_and(|(_, end)| *end == End::Heard) {
            here = Some((side, crowd));
        }
        take(shape, measured.map(|(measured, _)| measured))?;
    }
    Ok(())
}

/// A talker that is not timed.
fn talker(pace: Pace) -> [Talker; 1] {
    [Talker { client: 0, pace, message_bytes: MESSAGE_BYTES, timed: false }]
}

/// Talkers, and perhaps another one beside them that is not timed.
fn talkers(beside: Option<Pace>) -> Vec<Talker> {
    let [usual] = talker(Pace::Every(TALK_EVERY));
    let every = |client| Talker { client, timed: true, ..usual };
    let beside = beside.into_iter().flat_map(talker);
    beside.chain((1..=TALKERS).map(every)).collect()
}

/// The report of talkers of chinwag, and perhaps another one beside them.
pub fn talkers_beside(flooder: Option<Pace>) -> Outcome<Report> {
    let side = Side::start(Peer::Chinwag)?;
    let mut crowd = side.crowd_with(FLOOD_CLIENTS, TALKERS + 1)?;
    talking::run(&mut crowd, &talkers(flooder), Until::Time(FAIR_TALK_TIME))
}

/// The system calls of chinwag for this many messages to this many clients.
pub fn calls(clients: usize, messages: u64) -> Outcome<Calls> {
    let side = Side::start(Peer::Chinwag)?;
    let mut crowd = side.crowd(clients)?;
    let strace = Strace::attach(side.started.pid())?;
    talking::run(&mut crowd, &talker(Pace::Window(1)), Until::Heard(messages))?;
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
struct Side {
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

    /// A crowd whose first client talks, when all is quiet.
    fn crowd(&self, clients: usize) -> Outcome<Crowd> {
        self.crowd_with(clients, 1)
    }

    fn crowd_with(&self, clients: usize, talkers: usize) -> Outcome<Crowd> {
        let mut crowd = self.nobody()?.with_talkers(talkers);
        crowd.connect(clients)?;
        crowd.read_for(QUIET)?;
        crowd.begin()?;
        Ok(crowd)
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

    fn single(&self, clients: usize) -> Outcome<Measured> {
        let mut crowd = self.crowd(clients)?;
        let messages = (SINGLE_DELIVERIES / clients).max(1);
        self.least(|| one_at_a_time(&mut crowd, messages))
    }

    fn rooms(&self, rooms: usize) -> Outcome<Measured> {
        let each = self.peer.channel_clients().ok_or("it has no rooms")?;
        let mut crowd = self.nobody()?.with_talkers(1).in_channels_of(each);
        crowd.connect(rooms * each)?;
        crowd.read_for(QUIET)?;
        let messages = SINGLE_DELIVERIES / ROOM_CLIENTS / ROOMS_VISITED;
        let visited = |nth: usize| rooms - 1 - nth * rooms / ROOMS_VISITED;
        for nth in (0..ROOMS_VISITED).filter(|nth| *nth == 0 || visited(*nth) < visited(nth - 1)) {
            crowd.turn_to(visited(nth));
            crowd.begin()?;
        }
        self.least(|| {
            let visit = |nth| {
                crowd.turn_to(visited(nth));
                one_at_a_time(&mut crowd, messages)
            };
            (0..ROOMS_VISITED).map(visit).sum()
        })
    }

    /// Takes samples, and returns the least cost of a delivery. A sample returns its deliveries.
    fn least(&self, mut sample: impl FnMut() -> Outcome<u64>) -> Outcome<Measured> {
        let (mut least, start) = (f64::INFINITY, Instant::now());
        while start.elapsed() < SINGLE_TIME {
            let before = self.cpu_ns()?;
            let deliveries = sample()?;
            least = least.min((self.cpu_ns()? - before) / deliveries as f64);
        }
        Ok(vec![(Metric::CpuNs, least)])
    }

    fn flood(&self) -> Outcome<Measured> {
        let mut crowd = self.crowd(FLOOD_CLIENTS)?;
        let talkers = talker(Pace::Window(FLOOD_WINDOW));
        let (report, _, measured) = self.talk(&mut crowd, &talkers, Until::Time(FLOOD_TIME))?;
        match report.lines_missed {
            0 => Ok(measured),
            missed => Err(Fault(format!("{missed} lines were missed")).into()),
        }
    }

    /// Also returns how the talk ended.
    fn shape(&self, crowd: &mut Crowd, shape: Shape) -> Outcome<(Measured, End)> {
        let pace = shape.window.map_or(Pace::Free, Pace::Window);
        let [talker] = talker(pace);
        let talkers = [Talker { message_bytes: shape.bytes, ..talker }];
        let (_, end, measured) = self.talk(crowd, &talkers, Until::Time(SHAPE_TIME))?;
        Ok((measured, end))
    }

    /// Pumps ready-made blocks, which count as so many messages of this size.
    fn pump(&self, block_bytes: usize, bytes: usize, time: Duration) -> Outcome<Measured> {
        let mut crowd = self.nobody()?;
        crowd.connect(FLOOD_CLIENTS)?;
        let before = self.cpu_ns()?;
        crowd.clients[0].say(block_bytes.to_string().as_bytes())?;
        let start = Instant::now();
        let messages = crowd.drink(PUMPED_BYTES, time)? as f64 / bytes as f64;
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

    fn talkers(&self, beside: Pace) -> Outcome<Measured> {
        let mut crowd = self.crowd_with(FLOOD_CLIENTS, TALKERS + 1)?;
        let until = Until::Time(TALK_TIME);
        let (report, _, measured) = self.talk(&mut crowd, &talkers(Some(beside)), until)?;
        let p99 = (Metric::P99Ms, report.latency_us(99.0) / 1e3);
        Ok([measured, vec![p99]].concat())
    }

    fn stuck(&self) -> Outcome<Measured> {
        let mut crowd = self.crowd(Load::Stuck.clients())?;
        crowd.deafen(STUCK);
        let (resident, open) = (self.resident_bytes()?, crowd.open()?);
        let [usual] = talker(Pace::Window(STUCK_WINDOW));
        let talkers = [Talker { message_bytes: LONG_MESSAGE_BYTES, ..usual }];
        let (_, _, measured) = self.talk(&mut crowd, &talkers, Until::Time(STUCK_TIME))?;
        let grown = (self.resident_bytes()? - resident).max(0.0);
        let closed = open.saturating_sub(crowd.open()?) as f64;
        Ok([measured, vec![(Metric::Bytes, grown), (Metric::Closed, closed)]].concat())
    }

    fn beside(&self, stuck: usize) -> Outcome<Measured> {
        let mut crowd = self.crowd(FLOOD_CLIENTS + stuck)?;
        crowd.deafen(stuck);
        let talkers = talker(Pace::Window(FLOOD_WINDOW));
        talking::run(&mut crowd, &talkers, Until::Heard(LAPSE_MESSAGES))?;
        let resident = self.resident_bytes()?;
        let until = Until::Heard(BESIDE_MESSAGES);
        let (_, _, measured) = self.talk(&mut crowd, &talkers, until)?;
        Ok([measured, vec![(Metric::Bytes, resident)]].concat())
    }

    /// Each client sends a line as short as can be. The times count from the last connect.
    fn each(&self, clients: usize) -> Outcome<Measured> {
        let mut crowd = self.nobody()?;
        crowd.connect(clients)?;
        crowd.begin()?;
        let begun = crowd.connected_at.elapsed();
        let [usual] = talker(Pace::Window(1));
        let short = |client| Talker { client, message_bytes: MESSAGE_BYTES_MIN, ..usual };
        let talkers: Vec<Talker> = (0..clients).map(short).collect();
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
    fn private(&self, clients: usize) -> Outcome<Measured> {
        let mut crowd = self.crowd(clients)?;
        let question = [vec![b'?'; TOO_LONG_BYTES], b"\n".to_vec()].concat();
        let before = self.cpu_ns()?;
        let mut patience = Patience::full();
        for _ in 0..REPLIES {
            let replies = crowd.clients[0].listener.replies;
            crowd.clients[0].say(&question)?;
            while crowd.clients[0].listener.replies == replies {
                let read = crowd.read(WAIT_MAX)?;
                patience.check(read > 0, || "no reply came".to_owned())?;
            }
        }
        Ok(vec![(Metric::CpuNs, (self.cpu_ns()? - before) / REPLIES as f64)])
    }
}

/// Has one client send this many messages, each when the one before has arrived. Returns how many
/// deliveries that were.
fn one_at_a_time(crowd: &mut Crowd, messages: usize) -> Outcome<u64> {
    let until = Until::Heard(messages as u64);
    let (report, end) = talk(crowd, &talker(Pace::Window(1)), until)?;
    if end == End::Heard { Ok(report.deliveries) } else { Err("it stands still".into()) }
}

/// Flooders whose lines are equally long, and flooders whose lines are not: how evenly the server
/// reads them.
fn fair(peer: Peer) -> Outcome<Measured> {
    let index = |sizes: &[usize]| -> Outcome<f64> {
        let side = Side::start(peer)?;
        let clients = Load::Fair.clients();
        let mut crowd = side.crowd_with(clients, clients)?;
        let [usual] = talker(Pace::Free);
        let of =
            |(client, bytes): (usize, &usize)| Talker { client, message_bytes: *bytes, ..usual };
        let talkers: Vec<Talker> = (0..clients).zip(sizes.iter().cycle()).map(of).collect();
        let report = talking::run(&mut crowd, &talkers, Until::Time(FAIR_TIME))?;
        match report.bytes_heard.iter().sum() {
            0 => Err(Fault("it takes nothing of flooders".to_owned()).into()),
            1_u64.. => Ok(jain(&report.bytes_heard)),
        }
    };
    Ok(vec![(Metric::Jain, index(&[64])?), (Metric::JainMixed, index(&[64, 1000])?)])
}
