//! The order that several servers share: one stream of Redis or Valkey.
//!
//! A server that belongs to a cluster is a *node*. What happens on it for others to see is a
//! [`record`]. The records of a turn are one batch, and a batch is one entry of the stream. Each
//! node reads the stream and appends what comes, its own included, in the order in which it comes.
//! So all nodes show the same.
//!
//! Nothing here knows a socket or a clock. The server connects, reads and writes; the simulation
//! has an engine of its own.
//!
//! # Two connections
//!
//! A read that waits occupies its connection, so there is one to add ([`Side::Adds`]) and one to
//! read ([`Side::Reads`]). At most one batch is on its way: what is said meanwhile becomes the next
//! one. If several were, and the engine refused the first for want of memory, it could still take
//! the second. Then lines would be lost, or out of order. A database that writes a log does the
//! same, and calls it group commit.
//!
//! # After a cut
//!
//! See [`ledger`]. A node reads first what it has not read. What has not come back then is sent
//! again, and dropped where it comes twice. A line has the count of those before it. So what the
//! stream has lost meanwhile is told exactly.
//!
//! If an engine loses a batch that some nodes have read and its own node has not, those nodes show
//! it there, and the others where it comes again. Only an engine that loses nothing can prevent
//! that.
//!
//! # Which nodes there are
//!
//! Each node says hello every ten seconds. One of which the stream has had nothing for half a
//! minute, in the time of the stream, is gone. All nodes find that at the same entry, without a
//! word about it. Time in which the stream had nothing of any node does not count: the engine was
//! away. A node that was only slow finds too that it was gone, and says again which clients it has.
//! Of two runs with one name, the later is the node.
//!
//! A node that has missed a part of the stream does not know which others were silent in it. So it
//! finds a little later that one is gone.

pub mod ledger;
pub mod link;
mod nodes;
pub mod record;
mod replies;
pub mod resp;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ledger::Ledger;
pub use ledger::Node;
use link::{Asked, Link, NoEngine, State};
use nodes::Nodes;
use record::Record;
pub use record::{home_of, is_own, serial_here};

/// A batch is closed when it has this many bytes.
const BATCH_BYTES: usize = 64 << 10;

/// With so much that has not come back, no more is read of clients.
const WAITING_BYTES_MAX: usize = 256 << 10;

/// The most bytes that all this takes: a reply, the batches in it, and what has not come back. A
/// buffer that doubles may have twice as much room.
pub const BYTES_MAX: usize = 2 * (2 * 16 * 2 * BATCH_BYTES + 2 * WAITING_BYTES_MAX);

/// About how many batches the engine keeps: for nodes that were cut off meanwhile.
const KEPT_BATCHES: &str = "8192";

/// How many batches one reply brings at most.
const READ_BATCHES: &str = "16";

/// How many milliseconds a read waits.
const BLOCK_MILLIS: &str = "5000";

/// What a node that starts reads of the past. A node says all about its clients twice in it.
const PAST_MILLIS: u64 = 60_000;

/// A node says hello after this long, and says all about its clients every third time.
pub const HELLO: Duration = Duration::from_secs(10);

/// A node of which the stream has had nothing for this long is gone.
const GONE_MILLIS: u64 = 30_000;

/// When clients are told that the other servers cannot be reached.
const UNREACHABLE: Duration = Duration::from_secs(1);

/// The two connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Adds batches to the stream.
    Adds,
    /// Reads the stream.
    Reads,
}

impl Side {
    /// Both.
    pub const ALL: [Side; 2] = [Side::Adds, Side::Reads];
}

/// Where an entry stands in the stream: milliseconds since 1970, and a number.
pub type Id = (u64, u64);

/// What comes, in the order that all nodes share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// A batch.
    Batch {
        /// Its node, by the number that it has here; 0 is this one.
        node: u16,
        /// Its records.
        records: Vec<u8>,
    },
    /// A node has started since this one is ready. Its first batches may be missing.
    Started {
        /// Its number here.
        node: u16,
    },
    /// A node is no more, nor are its clients.
    Gone {
        /// Its number here.
        node: u16,
        /// Its name.
        name: String,
    },
    /// The other nodes have taken this one for gone: say all about its clients.
    WasGone,
    /// The stream is read up to its end for the first time.
    Ready,
    /// The other nodes cannot be reached.
    Unreachable,
    /// They can be reached again.
    Reached,
    /// Another server has started under the name of this one.
    Replaced,
}

/// How a node finds the engine and the others.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The stream.
    pub stream: String,
    /// The engine's password.
    pub password: Option<String>,
    /// This node.
    pub node: Node,
}

/// The order that several servers share, as one of them sees it.
#[derive(Debug)]
pub struct Bus {
    terms: Terms,
    ledger: Ledger,
    /// The records that no batch has yet.
    records: Vec<u8>,
    adds: Link,
    reads: Link,
    /// The last entry that was read; `None` before the first connection.
    last: Option<Id>,
    /// The newest entry when the present connection was made.
    end: Id,
    /// The stream was read up to there.
    is_following: bool,
    is_ready: bool,
    /// The batch that the engine has taken last on the present connection: its number, and where
    /// it stands in the stream.
    added: Option<(u64, Id)>,
    came: VecDeque<Came>,
    nodes: Nodes,
    /// Since when the engine cannot be reached, or owes something to this node.
    waits_since: Option<Instant>,
    /// Clients were told.
    is_unreachable: bool,
    hello_at: Instant,
}

impl Bus {
    /// A node that is not connected yet.
    pub fn new(terms: Terms, now: Instant) -> Bus {
        let mut nodes = Nodes::default();
        nodes.known.insert(terms.node.clone(), (0, u64::MAX));
        Bus {
            terms,
            ledger: Ledger::default(),
            records: Vec::new(),
            adds: Link::new(now),
            reads: Link::new(now),
            last: None,
            end: (0, 0),
            is_following: false,
            is_ready: false,
            added: None,
            came: VecDeque::new(),
            nodes,
            waits_since: Some(now),
            is_unreachable: false,
            hello_at: now,
        }
    }

    /// The name of this node.
    pub fn name(&self) -> &str {
        &self.terms.node.name
    }

    /// The name of the node that has this number, while it is there.
    pub fn name_of(&self, number: u16) -> Option<&str> {
        let mut known = self.nodes.known.iter();
        known.find(|(_, its)| its.0 == number).map(|(node, _)| node.name.as_str())
    }

    /// The number of the node that has this name, while it is there.
    pub fn number_of(&self, name: &str) -> Option<u16> {
        let mut known = self.nodes.known.iter();
        known.find(|(node, _)| node.name == name).map(|(_, its)| its.0)
    }

    /// Whether no other node has a name before that of this one, but for a newcomer of this number.
    pub fn is_first(&self, newcomer: Option<u16>) -> bool {
        let mut old = self.nodes.known.iter().filter(|(_, its)| Some(its.0) != newcomer);
        old.next().is_some_and(|(node, _)| *node == self.terms.node)
    }

    /// Whether the stream was read up to its end once.
    pub fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Whether so much has not come back that no more is to be read of clients.
    pub fn is_full(&self) -> bool {
        self.ledger.unconfirmed_bytes() + self.records.len() >= WAITING_BYTES_MAX
    }

    /// Whether everything has come back.
    pub fn is_settled(&self) -> bool {
        self.ledger.unconfirmed() == 0 && self.records.is_empty() && self.came.is_empty()
    }

    /// Whether it waits for the engine.
    pub fn is_waiting(&self) -> bool {
        self.waits_since.is_some()
    }

    /// Whether the other nodes cannot be reached.
    pub fn is_unreachable(&self) -> bool {
        self.is_unreachable || !self.is_ready
    }

    /// Says this, in the next batch.
    pub fn push(&mut self, record: &Record<'_>) {
        record::push(record, &mut self.records);
        if self.records.len() >= BATCH_BYTES {
            self.ledger.submit(std::mem::take(&mut self.records));
        }
    }

    /// Sends what was said, as far as that is possible now. Call it at the end of a turn.
    pub fn flush(&mut self, now: Instant) {
        if self.adds.state() != State::Up || !self.adds.is_idle() || !self.is_following {
            return;
        }
        if self.ledger.given() == self.ledger.unconfirmed() && !self.records.is_empty() {
            self.ledger.submit(std::mem::take(&mut self.records));
        }
        let (node, terms) = (&self.terms.node, &self.terms);
        if let Some((number, batch)) = self.ledger.give() {
            let asked = Asked::Add { number };
            let (epoch, number) = (node.epoch.to_string(), number.to_string());
            let head = ["XADD", &terms.stream, "MAXLEN", "~", KEPT_BATCHES, "*", "n", &node.name];
            let mut parts: Vec<&[u8]> = head.iter().map(|part| part.as_bytes()).collect();
            parts.extend([b"e".as_slice(), epoch.as_bytes(), b"q", number.as_bytes(), b"b", batch]);
            self.adds.ask(asked, &parts, now);
            self.waits_since.get_or_insert(now);
        }
    }

    /// What came next.
    pub fn take(&mut self, now: Instant) -> Option<Came> {
        let came = self.came.pop_front();
        if self.came.is_empty() {
            self.read_on(now);
        }
        came
    }

    /// Whether something has come that was not taken.
    pub fn has_come(&self) -> bool {
        !self.came.is_empty()
    }

    /// Whether this node is to say hello; then it is not to for a while.
    pub fn take_hello(&mut self, now: Instant) -> bool {
        let is_due = self.is_ready && self.hello_at <= now;
        if is_due {
            self.hello_at = now + HELLO;
        }
        is_due
    }

    /// Whether there is a connection.
    pub fn state(&self, side: Side) -> State {
        self.link(side).state()
    }

    /// Whether a connection of this side is to be made now.
    pub fn wants_connection(&self, side: Side, now: Instant) -> bool {
        matches!(self.link(side).state(), State::Down { retry_at } if retry_at <= now)
    }

    /// An attempt to connect has begun.
    pub fn connecting(&mut self, side: Side, now: Instant) {
        self.link_mut(side).connecting(now);
    }

    /// It is connected.
    pub fn connected(&mut self, side: Side, now: Instant) {
        let password = self.terms.password.clone();
        let link = self.link_mut(side);
        link.connected(now);
        if let Some(password) = password {
            link.ask(Asked::Auth, &[b"AUTH", password.as_bytes()], now);
        }
        if side == Side::Reads {
            if self.last.is_none() {
                self.reads.ask(Asked::Time, &[b"TIME"], now);
            }
            let stream = self.terms.stream.as_bytes();
            self.reads.ask(Asked::Info, &[b"XINFO", b"STREAM", stream], now);
        }
    }

    /// A connection is lost, or could not be made.
    pub fn cut(&mut self, side: Side, now: Instant) {
        self.link_mut(side).cut(now);
        match side {
            Side::Adds => {
                self.added = None;
                self.ledger.cut();
            }
            Side::Reads => self.is_following = false,
        }
        self.waits_since.get_or_insert(now);
    }

    /// What is to be sent.
    pub fn outgoing(&self, side: Side) -> &[u8] {
        self.link(side).outgoing()
    }

    /// So much of it was sent.
    pub fn note_sent(&mut self, side: Side, bytes: usize) {
        self.link_mut(side).note_sent(bytes);
    }

    /// Takes in what was read. On `Err` the connection is of no use, for this reason: cut it.
    pub fn receive(&mut self, side: Side, bytes: &[u8], now: Instant) -> Result<(), String> {
        self.link_mut(side).receive(bytes);
        loop {
            let mut result = Ok(());
            let asked = self.link(side).asked_first();
            let before = (self.ledger.unconfirmed(), self.last);
            let is_read = match side {
                Side::Adds => self.take_added(now, &mut result),
                Side::Reads => self.take_reply(now, &mut result),
            };
            result?;
            match is_read {
                Ok(true) => self.note_reply(side, asked, before, now),
                Ok(false) => return Ok(()),
                Err(NoEngine) => return Err("it does not speak the protocol of Redis".to_owned()),
            }
        }
    }

    /// When to call [`Bus::note_time`].
    pub fn next_deadline(&self) -> Option<Instant> {
        let unreachable = self.waits_since.filter(|_| !self.is_unreachable && self.is_ready);
        let hello = self.is_ready.then_some(self.hello_at);
        let links = Side::ALL.map(|side| self.link(side).next_deadline());
        let rest = [unreachable.map(|since| since + UNREACHABLE), hello];
        links.into_iter().chain(rest).flatten().min()
    }

    /// Notes the time. Returns the sides on which the engine has owed something for too long: cut
    /// them.
    pub fn note_time(&mut self, now: Instant) -> Vec<Side> {
        let is_late = self.waits_since.is_some_and(|since| since + UNREACHABLE <= now);
        if is_late && !self.is_unreachable && self.is_ready {
            self.is_unreachable = true;
            self.came.push_back(Came::Unreachable);
            // What was added and has not come back may have been deleted there.
            if self.adds.is_idle() {
                self.ledger.cut();
            }
        }
        Side::ALL.into_iter().filter(|side| self.link(*side).is_overdue(now)).collect()
    }

    fn link(&self, side: Side) -> &Link {
        match side {
            Side::Adds => &self.adds,
            Side::Reads => &self.reads,
        }
    }

    fn link_mut(&mut self, side: Side) -> &mut Link {
        match side {
            Side::Adds => &mut self.adds,
            Side::Reads => &mut self.reads,
        }
    }

    fn note_reply(
        &mut self,
        side: Side,
        asked: Option<Asked>,
        (unconfirmed_before, last_before): (usize, Option<Id>),
        now: Instant,
    ) {
        // An engine that knows the password may still refuse what matters.
        if matches!(asked, Some(Asked::Add { .. } | Asked::Read { .. })) {
            self.link_mut(side).proved();
        }
        let (last, ledger) = (self.last, &self.ledger);
        let is_lost = |added: &mut (u64, Id)| Some(added.1) <= last && ledger.lacks(added.0);
        if self.added.take_if(is_lost).is_some() {
            // All up to its place was read, and it was not there.
            self.ledger.cut();
        }
        self.flush(now);
        let unconfirmed = self.ledger.unconfirmed();
        // The engine is there, but what others have said before comes first.
        let reads_on = self.last > last_before && !self.is_unreachable;
        let goes_on = unconfirmed == 0
            || unconfirmed < unconfirmed_before
            || reads_on && self.adds.is_answering(UNREACHABLE, now);
        if goes_on && self.is_following && self.adds.state() == State::Up {
            self.waits_since = (unconfirmed > 0).then_some(now);
            if std::mem::take(&mut self.is_unreachable) {
                self.came.push_back(Came::Reached);
            }
        }
    }

    /// Reads on behind the last entry, once all that came is taken.
    fn read_on(&mut self, now: Instant) {
        let (Some(last), true) = (self.last, self.reads.state() == State::Up) else { return };
        if !self.reads.is_idle() {
            return;
        }
        let last = format!("{}-{}", last.0, last.1);
        let stream = self.terms.stream.as_bytes();
        let mut parts: Vec<&[u8]> = vec![b"XREAD", b"COUNT", READ_BATCHES.as_bytes()];
        if self.is_following {
            parts.extend([b"BLOCK".as_slice(), BLOCK_MILLIS.as_bytes()]);
        }
        parts.extend([b"STREAMS".as_slice(), stream, last.as_bytes()]);
        self.reads.ask(Asked::Read { blocks: self.is_following }, &parts, now);
    }
}
