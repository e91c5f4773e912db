//! One run of each load against one server, with connections of its own.

use std::time::{Duration, Instant};

use super::peer::Peer;
use super::results::Metric;
use super::room::{Pace, Room, Talk, Until};
use crate::stress::crowd::clients_max;
use crate::stress::started::Started;
use crate::stress::{Outcome, gauge};

/// The words of a usual message: with a name and a line end it is 64 bytes.
const WORDS_BYTES: usize = 59;

/// The words of a message that is meant to fill buffers.
const LONG_WORDS_BYTES: usize = 400;

/// Longer than chinwag collects joins for one summary, and than other servers announce them.
const QUIET: Duration = Duration::from_millis(1300);

/// Deliveries in one sample of one message at a time, and how long a run takes samples. The least
/// disturbed one counts. They are short, since a noisy host disturbs every long one.
const SINGLE_DELIVERIES: usize = 10_000;
const SINGLE_TIME: Duration = Duration::from_secs(4);

/// One sample of `rooms` visits this many rooms, spread over all of them.
const ROOMS_VISITED: usize = 8;

/// This many clients receive each line in a room.
const ROOM_CLIENTS: usize = 2;

/// A flood.
const FLOOD_CLIENTS: usize = 1000;
const FLOOD_WINDOW: u64 = 1000;
const FLOOD_TIME: Duration = Duration::from_secs(2);

/// The talkers of `talkers` and `busy`, and what one busy client sends per second: more than all of
/// them together, and what most servers can carry.
const TALKERS: usize = 50;
const BUSY_EVERY: Duration = Duration::from_millis(1);
const TALK_EVERY: Duration = Duration::from_secs(1);
const TALK_TIME: Duration = Duration::from_secs(6);

/// The clients of `stuck`. One of them talks.
const STUCK_CLIENTS: usize = 50;

/// This many of them never read.
pub const STUCK: usize = STUCK_CLIENTS / 10;

const STUCK_WINDOW: u64 = 100;
const STUCK_TIME: Duration = Duration::from_secs(8);

/// This many are connected before the memory of the others is measured.
const CONNECTED_BEFORE: usize = 100;

/// What a server has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Load {
    /// One message at a time to this many clients.
    Single(usize),
    /// One sender with 1 000 messages in flight, to 1 000 clients.
    Flood,
    /// This many clients connect at once, and then send nothing.
    Storm(usize),
    /// 50 talkers with a message a second and a flooder, among 1 000 clients.
    Talkers,
    /// The same with a client that sends 1 000 a second instead of the flooder: all servers carry
    /// the same.
    Busy,
    /// One in ten of 50 clients never reads.
    Stuck,
    /// One message at a time in one room at a time. This many clients receive, two in each room.
    Rooms(usize),
}

impl Load {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Load::Single(_) => "single",
            Load::Flood => "flood",
            Load::Storm(_) => "storm",
            Load::Talkers => "talkers",
            Load::Busy => "busy",
            Load::Stuck => "stuck",
            Load::Rooms(_) => "rooms",
        }
    }

    /// The load of this name with this many clients.
    pub fn named(name: &str, clients: usize) -> Option<Load> {
        let all = [
            Load::Single(clients),
            Load::Flood,
            Load::Storm(clients),
            Load::Talkers,
            Load::Busy,
            Load::Stuck,
            Load::Rooms(clients),
        ];
        all.into_iter().find(|load| load.name() == name)
    }

    /// How many clients it has.
    pub fn clients(self) -> usize {
        match self {
            Load::Single(clients) | Load::Storm(clients) | Load::Rooms(clients) => clients,
            Load::Flood | Load::Talkers | Load::Busy => FLOOD_CLIENTS,
            Load::Stuck => STUCK_CLIENTS,
        }
    }

    /// Whether this server, or bare loop, can do it.
    pub fn is_for(self, peer: Peer) -> bool {
        match (self, peer) {
            (Load::Rooms(clients), _) => peer
                .channel_clients()
                .is_some_and(|each| clients / ROOM_CLIENTS * each <= clients_max()),
            (_, Peer::Send) => matches!(self, Load::Single(_)),
            (_, Peer::Pump) => self == Load::Flood,
            (_, Peer::Accept) => matches!(self, Load::Storm(_)),
            _ => self.clients() <= peer.clients_max().0,
        }
    }
}

/// Runs it once, and returns what was measured.
pub fn run(load: Load, peer: Peer) -> Outcome<Vec<(Metric, f64)>> {
    let side = Side { peer, started: peer.start()? };
    match load {
        Load::Single(clients) => side.single(clients),
        Load::Flood if peer == Peer::Pump => side.pump(),
        Load::Flood => side.flood(),
        Load::Storm(clients) => side.storm(clients),
        Load::Talkers => side.talkers(Pace::Window(FLOOD_WINDOW)),
        Load::Busy => side.talkers(Pace::Every(BUSY_EVERY)),
        Load::Stuck => side.stuck(),
        Load::Rooms(clients) => side.rooms(clients / ROOM_CLIENTS),
    }
}

/// A server that is measured.
struct Side {
    peer: Peer,
    started: Started,
}

impl Side {
    fn room(&self, talkers: usize) -> Outcome<Room> {
        Room::new(self.peer, self.started.address, self.started.pid(), talkers)
    }

    fn cpu_ns(&self) -> Outcome<f64> {
        Ok(gauge::cpu_ns_at_rest(self.started.pid())? as f64)
    }

    fn resident_bytes(&self) -> Outcome<f64> {
        Ok(gauge::resident_bytes(self.started.pid())? as f64)
    }

    /// Has the clients talk, and returns the cost of a delivery.
    fn talk(&self, room: &mut Room, paces: &[Pace], until: Until) -> Outcome<(Talk, f64)> {
        let before = self.cpu_ns()?;
        let talk = room.talk(paces, WORDS_BYTES, until)?;
        let each = (self.cpu_ns()? - before) / talk.deliveries as f64;
        Ok((talk, each))
    }

    fn single(&self, clients: usize) -> Outcome<Vec<(Metric, f64)>> {
        let mut room = self.room(1)?;
        room.connect(clients)?;
        room.read_for(QUIET)?;
        let messages = (SINGLE_DELIVERIES / clients).max(1);
        self.least(|| one_at_a_time(&mut room, messages))
    }

    fn rooms(&self, rooms: usize) -> Outcome<Vec<(Metric, f64)>> {
        let each = self.peer.channel_clients().ok_or("it has no rooms")?;
        let mut room = self.room(1)?.in_channels_of(each);
        room.connect(rooms * each)?;
        room.read_for(QUIET)?;
        let messages = SINGLE_DELIVERIES / ROOM_CLIENTS / ROOMS_VISITED;
        self.least(|| {
            let visit = |nth| {
                room.turn_to(rooms - 1 - nth * rooms / ROOMS_VISITED);
                one_at_a_time(&mut room, messages)
            };
            (0..ROOMS_VISITED).map(visit).sum()
        })
    }

    /// Takes samples, and returns the least cost of a delivery. A sample returns its deliveries.
    fn least(&self, mut sample: impl FnMut() -> Outcome<u64>) -> Outcome<Vec<(Metric, f64)>> {
        let (mut least, start) = (f64::INFINITY, Instant::now());
        while start.elapsed() < SINGLE_TIME {
            let before = self.cpu_ns()?;
            let deliveries = sample()?;
            least = least.min((self.cpu_ns()? - before) / deliveries as f64);
        }
        Ok(vec![(Metric::CpuNs, least)])
    }

    fn flood(&self) -> Outcome<Vec<(Metric, f64)>> {
        let mut room = self.room(1)?;
        room.connect(FLOOD_CLIENTS)?;
        room.read_for(QUIET)?;
        let paces = [Pace::Window(FLOOD_WINDOW)];
        let (talk, each) = self.talk(&mut room, &paces, Until::Time(FLOOD_TIME))?;
        Ok([vec![(Metric::CpuNs, each)], came_of(&talk)].concat())
    }

    /// Pumps as many bytes as a flood has, ready-made.
    fn pump(&self) -> Outcome<Vec<(Metric, f64)>> {
        const BYTES: u64 = 4 << 30;
        const MESSAGE_BYTES: f64 = 64.0;
        let mut room = self.room(1)?;
        room.connect(FLOOD_CLIENTS)?;
        let before = self.cpu_ns()?;
        room.say(b"go")?;
        let start = Instant::now();
        let messages = room.drink(BYTES)? as f64 / MESSAGE_BYTES;
        // The pump never rests.
        let spent = gauge::cpu_ns(self.started.pid())? as f64 - before;
        let per_second = messages / start.elapsed().as_secs_f64();
        Ok(vec![(Metric::CpuNs, spent / messages), (Metric::PerSecond, per_second)])
    }

    fn storm(&self, clients: usize) -> Outcome<Vec<(Metric, f64)>> {
        let mut room = self.room(0)?;
        let few = CONNECTED_BEFORE.min(clients / 2);
        room.connect(few)?;
        room.read_for(QUIET)?;
        let (resident, cpu) = (self.resident_bytes()?, self.cpu_ns()?);
        let start = Instant::now();
        room.connect(clients - few)?;
        let time = start.elapsed();
        // chinwag then tells all clients how many joined. That is one more delivery to each, which
        // is not counted.
        let cpu = self.cpu_ns()? - cpu;
        room.read_for(QUIET)?;
        let each = |all: f64| all / (clients - few) as f64;
        Ok(vec![
            (Metric::CpuNs, each(cpu)),
            (Metric::Seconds, time.as_secs_f64()),
            (Metric::Bytes, each(self.resident_bytes()? - resident)),
        ])
    }

    fn talkers(&self, beside: Pace) -> Outcome<Vec<(Metric, f64)>> {
        let mut paces = vec![Pace::Every(TALK_EVERY); TALKERS];
        paces.insert(0, beside);
        let mut room = self.room(paces.len())?;
        room.connect(FLOOD_CLIENTS)?;
        room.read_for(QUIET)?;
        let (talk, each) = self.talk(&mut room, &paces, Until::Time(TALK_TIME))?;
        let p99_ms = talk.latencies.value_at_quantile(0.99) as f64 / 1e6;
        let measured = vec![(Metric::CpuNs, each), (Metric::P99Ms, p99_ms)];
        Ok([measured, came_of(&talk)].concat())
    }

    fn stuck(&self) -> Outcome<Vec<(Metric, f64)>> {
        let mut room = self.room(1)?;
        room.connect(STUCK_CLIENTS)?;
        room.read_for(QUIET)?;
        room.deafen(STUCK);
        let (resident, cpu, open) = (self.resident_bytes()?, self.cpu_ns()?, room.open()?);
        let pace = [Pace::Window(STUCK_WINDOW)];
        let talk = room.talk(&pace, LONG_WORDS_BYTES, Until::Time(STUCK_TIME))?;
        let each = (self.cpu_ns()? - cpu) / talk.deliveries as f64;
        let grown = (self.resident_bytes()? - resident).max(0.0);
        let measured = vec![
            (Metric::CpuNs, each),
            (Metric::Bytes, grown),
            (Metric::Closed, open.saturating_sub(room.open()?) as f64),
        ];
        Ok([measured, came_of(&talk)].concat())
    }
}

/// Has one client send this many messages, each when the one before has arrived. Returns how many
/// deliveries that were.
fn one_at_a_time(room: &mut Room, messages: usize) -> Outcome<u64> {
    let talk = room.talk(&[Pace::Window(1)], WORDS_BYTES, Until::Said(messages as u64))?;
    if talk.stalled { Err("it stands still".into()) } else { Ok(talk.deliveries) }
}

fn came_of(talk: &Talk) -> Vec<(Metric, f64)> {
    let lost = talk.lost as f64 / (talk.lost + talk.deliveries).max(1) as f64;
    vec![
        (Metric::PerSecond, talk.deliveries as f64 / talk.time.as_secs_f64()),
        (Metric::Lost, lost),
        (Metric::Stalled, f64::from(u8::from(talk.stalled))),
    ]
}
