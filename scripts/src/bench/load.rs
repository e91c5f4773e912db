//! What a server has to do, and the quantities that are measured. Values only.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::crowd::author::MESSAGE_BYTES_MIN;
use crate::crowd::sockets::clients_max;

/// The bytes of a usual message, with name and line end.
pub const USUAL_BYTES: usize = 64;

/// How many of the clients of `stuck` never read.
pub const STUCK: usize = 5;

/// This many clients receive each line in a room.
pub const ROOM_CLIENTS: usize = 2;

/// The numbers of clients of `single`. The limit of descriptors allows no more than the greatest.
pub const SIZES: [usize; 5] = [1000, 5000, 10_000, 15_000, 19_000];

/// The numbers of clients of `rooms`: alone in one room, in 1 000 rooms, and in 9 000.
pub const ROOMS_SIZES: [usize; 3] = [2, 2000, 18_000];

/// The bytes of a message in the shapes of a flood.
pub const SHAPE_BYTES: [usize; 4] = [16, 64, 256, 1024];

/// The messages in flight; `None` is as many as the server takes.
pub const SHAPE_WINDOWS: [Option<u64>; 4] = [Some(100), Some(1000), Some(2000), None];

/// A kind of load.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Sends one message at a time, to more and more clients
    Single,
    /// One sender with 1 000 messages in flight, to 1 000 clients
    Flood,
    /// Many clients connect at once and send nothing
    Storm,
    /// 50 talkers and a flooder
    Talkers,
    /// 50 talkers, and one that sends 1 000 messages a second
    Busy,
    /// One client in ten never reads
    Stuck,
    /// Sends one message at a time, in one of more and more rooms of two clients
    Rooms,
    /// Floods of messages of 16 to 1 024 bytes, with 100 in flight, or up to as many as it takes
    Shapes,
    /// The system calls of one message at a time
    #[value(skip)]
    Calls,
    /// A flood to 1 000 clients, while all others never read
    #[value(skip)]
    Beside,
    /// Many clients connect, and then each sends a line
    #[value(skip)]
    Each,
    /// All flood, and how evenly the server reads them. Every second has lines of usual length
    #[value(skip)]
    Fair,
    /// 10 talkers, 1 000 messages a second
    #[value(skip)]
    Chat,
    /// A private reply, while the others are idle
    #[value(skip)]
    Private,
}

/// What a server has to do.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Load {
    /// Its kind.
    #[serde(rename = "load")]
    pub kind: Kind,
    /// How many clients there are, or receive something in any of the rooms.
    pub clients: usize,
    /// The bytes of a message, with name and line end.
    pub bytes: usize,
    /// How many messages are in flight, if there is a limit.
    pub window: Option<u64>,
    /// How long they are sent, unless their number is given.
    pub seconds: u64,
}

impl Kind {
    /// The load of this kind with its usual number of clients.
    pub fn usual(self) -> Load {
        let (clients, bytes, window, seconds) = match self {
            Kind::Flood => (1000, USUAL_BYTES, Some(1000), 2),
            Kind::Shapes => (1000, USUAL_BYTES, Some(1000), 1),
            Kind::Talkers | Kind::Busy | Kind::Beside => (1000, USUAL_BYTES, Some(1000), 6),
            // The messages are meant to fill buffers.
            Kind::Stuck => (10 * STUCK, 400, Some(100), 8),
            Kind::Fair => (100, USUAL_BYTES, None, 5),
            Kind::Chat => (20, USUAL_BYTES, None, 5),
            // The least disturbed of many short samples counts.
            Kind::Single | Kind::Rooms | Kind::Calls => (1000, USUAL_BYTES, Some(1), 4),
            // As short as can be.
            Kind::Each => (1000, MESSAGE_BYTES_MIN, Some(1), 0),
            Kind::Storm | Kind::Private => (1000, 0, None, 0),
        };
        Load { kind: self, clients, bytes, window, seconds }
    }

    /// The same with this many clients.
    pub fn to(self, clients: usize) -> Load {
        Load { clients, ..self.usual() }
    }

    /// All loads of this kind in a comparison; `many` are the clients of those with many.
    pub fn loads(self, many: usize) -> Vec<Load> {
        let most = clients_max();
        let sizes = |sizes: &[usize]| {
            let sizes = sizes.iter().filter(|size| **size <= most.min(many / 3 * 4));
            sizes.map(|size| self.to(*size)).collect()
        };
        match self {
            Kind::Single => sizes(&SIZES),
            Kind::Rooms => sizes(&ROOMS_SIZES),
            Kind::Storm => vec![self.to(many.min(most))],
            Kind::Shapes => SHAPE_BYTES.into_iter().flat_map(Load::shapes).collect(),
            _ => vec![self.usual()],
        }
    }
}

impl Load {
    /// Floods of messages of this many bytes.
    pub fn shapes(bytes: usize) -> [Load; 4] {
        SHAPE_WINDOWS.map(|window| Load { bytes, window, ..Kind::Shapes.usual() })
    }

    /// How many of its clients never read.
    pub fn stuck(&self) -> usize {
        match self.kind {
            Kind::Stuck => STUCK,
            Kind::Beside => self.clients - self.kind.usual().clients,
            _ => 0,
        }
    }
}

/// A quantity that is measured.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Processor time of the server for each delivery, connection or reply, in nanoseconds.
    CpuNs,
    /// Deliveries per second.
    PerSecond,
    /// Lines per second that all clients received.
    LinesPerSecond,
    /// Seconds until all clients are in, or have received a line.
    Seconds,
    /// Added memory. In `stuck` it is that of the whole server, elsewhere that of a client.
    Bytes,
    /// The 99th percentile of the latency of the talkers' messages, in milliseconds.
    P99Ms,
    /// The median of that latency.
    P50Ms,
    /// Processor time for each line of the engine that servers share, in nanoseconds.
    EngineNs,
    /// The share of messages that were not delivered, without a notice.
    Lost,
    /// 1 if the server stopped delivering to all.
    Stalled,
    /// How many clients it closed.
    Closed,
    /// Seconds until the server had read a line of each client.
    TakenIn,
    /// Jain's index of what the server took of each flooder.
    Jain,
    /// Calls of a kind of `send` for each delivery.
    Sends,
    /// All other system calls for each message.
    OtherCalls,
}

impl Metric {
    /// Its units, and how much of what is measured each of them is.
    pub fn units(self) -> &'static [(f64, &'static str)] {
        match self {
            Metric::CpuNs | Metric::EngineNs => &[(1.0, " ns"), (1e3, " µs"), (1e6, " ms")],
            Metric::Bytes => &[(1.0, " bytes"), (1024.0, " KiB"), (1048576.0, " MiB")],
            Metric::PerSecond | Metric::LinesPerSecond => &[(1e6, " M")],
            Metric::Seconds | Metric::TakenIn => &[(1.0, " s")],
            Metric::P99Ms | Metric::P50Ms => &[(1.0, " ms")],
            _ => &[(1.0, "")],
        }
    }
}

/// What one run has measured.
pub type Measured = Vec<(Metric, f64)>;
