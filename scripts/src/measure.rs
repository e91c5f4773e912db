//! One run of each measurement.

use std::time::Duration;

use crate::stress::author::MESSAGE_BYTES_MIN;
use crate::stress::crowd::{Crowd, Greeting};
use crate::stress::gauge::{self, Calls, Connections, Strace};
use crate::stress::load::{self, Pace, Report, Talker, Until};
use crate::stress::started::Started;
use crate::stress::{Fault, Outcome};

/// The length of a usual message on the wire.
const MESSAGE_BYTES: usize = 64;

/// Deliveries in one sample of one message at a time. A sample takes about a quarter of a second,
/// so that some fall between two disturbances by other work of the machine.
const SINGLE_DELIVERIES: usize = 30_000;

/// Samples in one run of it.
const SINGLE_SAMPLES: usize = 5;

/// A flood: its clients, its messages on their way, and its messages in all.
const FLOOD_CLIENTS: usize = 1000;
const FLOOD_WINDOW: u64 = 1000;
const FLOOD_MESSAGES: u64 = 50_000;

/// Messages that fill the window of the transcript more than twice, so a client that never reads
/// has lapsed.
const LAPSE_MESSAGES: u64 = 150_000;

/// Longer than joins are collected for one summary.
const SUMMARY: Duration = Duration::from_millis(1300);

/// A line longer than the server's limit.
const TOO_LONG_BYTES: usize = 5000;

/// Private replies in one run.
const REPLIES: u64 = 2000;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The server.
    Server,
    /// A bare loop of `send`.
    Send,
    /// A bare pump of ready-made blocks.
    Pump,
    /// A bare accept loop.
    Accept,
}

/// A process that is measured.
pub struct Side {
    kind: Kind,
    started: Started,
    connections: Connections,
}

impl Side {
    /// Starts the process.
    pub fn start(kind: Kind) -> Outcome<Side> {
        let started = match kind {
            Kind::Server => Started::chinwag(&[])?,
            Kind::Send => Started::floor("send")?,
            Kind::Pump => Started::floor("pump")?,
            Kind::Accept => Started::floor("accept")?,
        };
        let connections = Connections::of(started.pid())?;
        Ok(Side { kind, started, connections })
    }

    fn is_bare(&self) -> bool {
        self.kind != Kind::Server
    }

    fn greeting(&self) -> Greeting {
        match self.is_bare() {
            true => Greeting::None(self.connections),
            false => Greeting::Welcome(Some(self.connections)),
        }
    }

    /// Connects a crowd, once the connections of the one before have ended.
    fn connect(&self, clients: usize) -> Outcome<Crowd> {
        while self.connections.count()? > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        Crowd::connect(self.started.address, clients, self.greeting())
    }

    fn cpu_ns(&self) -> Outcome<u64> {
        Ok(gauge::cpu_ns_at_rest(self.started.pid())?)
    }
}

fn sender(pace: Pace) -> [Talker; 1] {
    [Talker { client: 0, pace, message_bytes: MESSAGE_BYTES, timed: false }]
}

/// One message at a time: nanoseconds per delivery, in the least disturbed sample of the run.
pub fn single(side: &Side, clients: usize) -> Outcome<f64> {
    let mut crowd = side.connect(clients)?;
    crowd.begin(side.is_bare())?;
    if !side.is_bare() {
        crowd.read_for(SUMMARY)?;
    }
    let until = Until::Heard((SINGLE_DELIVERIES / clients).max(2) as u64);
    let mut least = f64::INFINITY;
    for _ in 0..SINGLE_SAMPLES {
        let before = side.cpu_ns()?;
        let report = load::run(&mut crowd, &sender(Pace::Window(1)), until, side.is_bare())?;
        let each = (side.cpu_ns()? - before) as f64 / report.deliveries as f64;
        least = least.min(each);
    }
    Ok(least)
}

/// The system calls of the server for this many messages to this many clients.
pub fn calls(clients: usize, messages: u64) -> Outcome<Vec<Calls>> {
    let side = Side::start(Kind::Server)?;
    let mut crowd = side.connect(clients)?;
    crowd.begin(false)?;
    crowd.read_for(SUMMARY)?;
    let strace = Strace::attach(side.started.pid())?;
    load::run(&mut crowd, &sender(Pace::Window(1)), Until::Heard(messages), false)?;
    strace.finish()
}

/// A flood: nanoseconds per delivery, and deliveries per second.
pub fn flood(side: &Side) -> Outcome<(f64, f64)> {
    let mut crowd = side.connect(FLOOD_CLIENTS)?;
    crowd.begin(false)?;
    crowd.read_for(SUMMARY)?;
    let before = side.cpu_ns()?;
    let talkers = sender(Pace::Window(FLOOD_WINDOW));
    let report = load::run(&mut crowd, &talkers, Until::Heard(FLOOD_MESSAGES), false)?;
    let cpu_ns = (side.cpu_ns()? - before) as f64;
    if report.lines_missed > 0 {
        return Err(Fault(format!("{} lines were missed", report.lines_missed)).into());
    }
    Ok((cpu_ns / report.deliveries as f64, report.deliveries_per_second()))
}

/// Pumps as many bytes as a flood has, ready-made: nanoseconds for each 64 of them.
pub fn pump(side: &Side) -> Outcome<f64> {
    let mut crowd = side.connect(FLOOD_CLIENTS)?;
    let before = side.cpu_ns()?;
    crowd.clients[0].say(b"go")?;
    let deliveries = FLOOD_MESSAGES * FLOOD_CLIENTS as u64;
    let drunk = crowd.drink(deliveries * MESSAGE_BYTES as u64)?;
    let spent = gauge::cpu_ns(side.started.pid())? - before;
    Ok(spent as f64 / (drunk / MESSAGE_BYTES as u64) as f64)
}

/// The resident bytes of one more idle client.
pub fn idle_bytes(clients: usize) -> Outcome<f64> {
    const BEFORE: usize = 100;
    let side = Side::start(Kind::Server)?;
    let mut crowd = side.connect(BEFORE)?;
    crowd.read_for(SUMMARY)?;
    let before = gauge::resident_bytes(side.started.pid())?;
    crowd.connect_more(side.started.address, clients - BEFORE, side.greeting())?;
    crowd.read_for(SUMMARY)?;
    let after = gauge::resident_bytes(side.started.pid())?;
    Ok((after - before) as f64 / (clients - BEFORE) as f64)
}

/// The cost of a flood beside clients that never read.
pub struct Beside {
    /// Nanoseconds per delivery to the clients that read.
    pub cpu_ns: f64,
    /// The memory of the server during the flood.
    pub resident_bytes: u64,
    /// How many sends of the server returned `EAGAIN`, if they were counted.
    pub sends_refused: u64,
}

/// A flood to 1000 clients, beside `stuck` clients that never read and have lapsed before it
/// begins.
pub fn flood_beside(stuck: usize, counted: bool) -> Outcome<Beside> {
    let side = Side::start(Kind::Server)?;
    let pid = side.started.pid();
    let mut crowd = side.connect(FLOOD_CLIENTS + stuck)?;
    crowd.begin(false)?;
    crowd.read_for(SUMMARY)?;
    crowd.deafen(stuck);
    let talkers = sender(Pace::Window(FLOOD_WINDOW));
    load::run(&mut crowd, &talkers, Until::Heard(LAPSE_MESSAGES), false)?;
    let resident_bytes = gauge::resident_bytes(pid)?;
    let strace = if counted { Some(Strace::attach(pid)?) } else { None };
    let before = side.cpu_ns()?;
    let report = load::run(&mut crowd, &talkers, Until::Heard(FLOOD_MESSAGES), false)?;
    let cpu_ns = (side.cpu_ns()? - before) as f64 / report.deliveries as f64;
    let calls = strace.map(Strace::finish).transpose()?.unwrap_or_default();
    let sends = calls.iter().filter(|one| ["sendto", "write", "writev"].contains(&&*one.name));
    Ok(Beside { cpu_ns, resident_bytes, sends_refused: sends.map(|one| one.errors).sum() })
}

/// Nanoseconds per connection, until all are welcomed and the summary of joins has arrived.
pub fn connecting(side: &Side, clients: usize) -> Outcome<f64> {
    let before = side.cpu_ns()?;
    let mut crowd = side.connect(clients)?;
    crowd.read_for(SUMMARY)?;
    Ok((side.cpu_ns()? - before) as f64 / clients as f64)
}

/// How many seconds after the last connect returned each of these was so.
pub struct Storm {
    /// Every client was welcomed and had received one line.
    pub one_line: f64,
    /// Every client had sent a line too, and each line had reached at least one client.
    pub taken_in: f64,
    /// Every client had received the lines of all.
    pub heard: f64,
}

/// Every client connects, receives a line, and sends one as short as can be.
pub fn storm(clients: usize) -> Outcome<Storm> {
    let side = Side::start(Kind::Server)?;
    let mut crowd = side.connect(clients)?;
    crowd.begin(false)?;
    let begun = crowd.connected_at.elapsed();
    let talker = |client| Talker {
        client,
        pace: Pace::Window(1),
        message_bytes: MESSAGE_BYTES_MIN,
        timed: false,
    };
    let talkers: Vec<Talker> = (0..clients).map(talker).collect();
    let report = load::run(&mut crowd, &talkers, Until::Heard(1), false)?;
    let after = |time: Duration| (begun + time).as_secs_f64();
    let (taken_in, heard) = (after(report.taken_in), after(report.time));
    Ok(Storm { one_line: begun.as_secs_f64(), taken_in, heard })
}

/// 100 flooders for five seconds: how many bytes of each the server read.
pub fn flooders(message_bytes: &[usize]) -> Outcome<Vec<u64>> {
    const FLOODERS: usize = 100;
    let side = Side::start(Kind::Server)?;
    let mut crowd = side.connect(FLOODERS)?;
    crowd.begin(false)?;
    let talkers: Vec<Talker> = (0..FLOODERS)
        .zip(message_bytes.iter().cycle())
        .map(|(client, bytes)| Talker {
            client,
            pace: Pace::Free,
            message_bytes: *bytes,
            timed: false,
        })
        .collect();
    let time = Until::Time(Duration::from_secs(5));
    Ok(load::run(&mut crowd, &talkers, time, false)?.bytes_heard)
}

/// 50 talkers with a line a second among 1000 clients, and perhaps a flooder. The flooder's lines
/// are not timed.
pub fn talkers(flooder: Option<Pace>, time: Duration) -> Outcome<Report> {
    const TALKERS: usize = 50;
    let side = Side::start(Kind::Server)?;
    let mut crowd = side.connect(FLOOD_CLIENTS)?;
    crowd.begin(false)?;
    crowd.read_for(SUMMARY)?;
    let every = Pace::Every(Duration::from_secs(1));
    let talk =
        |client, pace| Talker { client, pace, message_bytes: MESSAGE_BYTES, timed: pace == every };
    let mut talkers: Vec<Talker> = (0..TALKERS).map(|client| talk(client, every)).collect();
    talkers.extend(flooder.map(|pace| talk(TALKERS, pace)));
    load::run(&mut crowd, &talkers, Until::Time(time), false)
}

/// A crowd of which one client gets private replies.
pub struct Asking<'a> {
    side: &'a Side,
    crowd: Crowd,
}

impl Asking<'_> {
    /// Connects this many.
    pub fn new(side: &Side, clients: usize) -> Outcome<Asking<'_>> {
        let mut crowd = side.connect(clients)?;
        crowd.begin(false)?;
        crowd.read_for(SUMMARY)?;
        Ok(Asking { side, crowd })
    }

    /// Nanoseconds per private reply.
    pub fn reply(&mut self) -> Outcome<f64> {
        let before = self.side.cpu_ns()?;
        load::ask(&mut self.crowd, REPLIES, TOO_LONG_BYTES)?;
        Ok((self.side.cpu_ns()? - before) as f64 / REPLIES as f64)
    }
}
