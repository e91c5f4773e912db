//! What a server has to do, and the quantities that are measured. Values only.

use std::fmt;

use clap::ValueEnum;

use super::peer::Peer;
use crate::crowd::sockets::clients_max;

/// The clients of a flood.
pub const FLOOD_CLIENTS: usize = 1000;
/// Its messages in flight.
pub const FLOOD_WINDOW: u64 = 1000;

/// The clients of `stuck`.
const STUCK_CLIENTS: usize = 50;
/// How many of them never read.
pub const STUCK: usize = STUCK_CLIENTS / 10;

/// This many clients receive each line in a room.
pub const ROOM_CLIENTS: usize = 2;

/// The numbers of clients of `rooms`: alone in one room, in 1 000 rooms, and in 9 000.
pub const ROOMS_SIZES: [usize; 3] = [2, 2000, 18_000];

/// The bytes of a message in the shapes of a flood, with name and line end.
pub const SHAPE_BYTES: [usize; 4] = [16, 64, 256, 1024];

/// The messages in flight; `None` is as many as the server takes.
pub const SHAPE_WINDOWS: [Option<u64>; 4] = [Some(100), Some(1000), Some(2000), None];

/// A flood of messages of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shape {
    /// The bytes of a message.
    pub bytes: usize,
    /// How many are in flight, if there is a limit.
    pub window: Option<u64>,
}

impl Shape {
    /// All of them, size by size.
    pub fn all() -> impl Iterator<Item = Shape> {
        let of = |bytes| SHAPE_WINDOWS.into_iter().map(move |window| Shape { bytes, window });
        SHAPE_BYTES.into_iter().flat_map(of)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.window {
            Some(window) => write!(f, "{} x {window}", self.bytes),
            None => write!(f, "{} x unlimited", self.bytes),
        }
    }
}

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
    /// One sender, to 1 000 clients.
    Shape(Shape),
    /// A flood beside this many clients that never read and have lapsed before.
    Beside(usize),
    /// This many clients connect, and then each sends a line.
    Each(usize),
    /// 100 flooders.
    Fair,
    /// A private reply, with this many clients that are idle.
    Private(usize),
}

impl Load {
    /// Its name.
    pub fn name(self) -> String {
        match self {
            Load::Single(_) => "single",
            Load::Flood => "flood",
            Load::Storm(_) => "storm",
            Load::Talkers => "talkers",
            Load::Busy => "busy",
            Load::Stuck => "stuck",
            Load::Rooms(_) => "rooms",
            Load::Shape(shape) => return shape.to_string(),
            Load::Beside(_) => "beside",
            Load::Each(_) => "each",
            Load::Fair => "fair",
            Load::Private(_) => "private",
        }
        .to_owned()
    }

    /// The load of this name with this many clients, if it belongs to a comparison.
    pub fn named(name: &str, clients: usize) -> Option<Load> {
        let of_size = [Load::Single(clients), Load::Storm(clients), Load::Rooms(clients)];
        let others = [Load::Flood, Load::Talkers, Load::Busy, Load::Stuck];
        let mut all = of_size.into_iter().chain(others).chain(Shape::all().map(Load::Shape));
        all.find(|load| load.name() == name)
    }

    /// How many clients it has.
    pub fn clients(self) -> usize {
        match self {
            Load::Single(clients) | Load::Storm(clients) | Load::Rooms(clients) => clients,
            Load::Each(clients) | Load::Private(clients) => clients,
            Load::Flood | Load::Talkers | Load::Busy | Load::Shape(_) => FLOOD_CLIENTS,
            Load::Beside(stuck) => FLOOD_CLIENTS + stuck,
            Load::Stuck => STUCK_CLIENTS,
            Load::Fair => 100,
        }
    }

    /// Whether this server, or bare loop, can do it.
    pub fn is_for(self, peer: Peer) -> bool {
        match (self, peer) {
            (Load::Rooms(clients), _) => peer
                .channel_clients()
                .is_some_and(|each| clients / ROOM_CLIENTS * each <= clients_max()),
            (_, Peer::Send) => matches!(self, Load::Single(_)),
            (_, Peer::Pump) => matches!(self, Load::Flood | Load::Shape(_)),
            (_, Peer::Accept) => matches!(self, Load::Storm(_)),
            // Readers of another form differ in what a delivery costs, and in nothing else.
            (_, Peer::Telnet | Peer::Web | Peer::Logging) => {
                matches!(self, Load::Single(_) | Load::Flood | Load::Shape(_))
            }
            _ => self.clients() <= peer.clients_max(),
        }
    }
}

/// A quantity that is measured. Files have its name in small letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Metric {
    /// Processor time of the server for each delivery, connection or reply, in nanoseconds.
    CpuNs,
    /// Deliveries per second.
    PerSecond,
    /// Seconds until all clients are in, or have received a line.
    Seconds,
    /// Added memory: for each client of a storm, or in all beside clients that never read.
    Bytes,
    /// The 99th percentile of the latency of the talkers' messages, in milliseconds.
    P99Ms,
    /// The share of messages that were not delivered, without a notice.
    Lost,
    /// 1 if the server stopped delivering to all.
    Stalled,
    /// How many clients it closed.
    Closed,
    /// Seconds until the server had read a line of each client.
    TakenIn,
    /// Seconds until all clients had received the lines of all.
    Heard,
    /// Jain's index of what the server took of each flooder.
    Jain,
    /// The same if their lines differ in length.
    JainMixed,
}

/// What one run has measured.
pub type Measured = Vec<(Metric, f64)>;
