//! One connection: its socket, its place in the conversation, its input, and its life.
//!
//! Flags say whether a client's socket can be read or written. A client does at most one bounded
//! piece of work when asked: [`Client::receive`] takes bytes in, [`Client::send`] sends them,
//! [`Client::discard`] drops them. [`Client::note`] sets readiness, for an event, or for another
//! try that no event will announce. Only `WouldBlock` clears it, or a kernel without memory; for
//! reading also the end of input. So a note is a hint, and a result is a fact. It knows no other
//! client, no poll and no clock.
//!
//! # Two rules of the socket
//!
//! *One call, then decide.* The poll is edge-triggered, so a readiness flag must hold until a call
//! says `WouldBlock`. To read or write until then in one go would be the simple way, and would let
//! one fast client occupy the loop. So each verb makes one bounded call or a few, the flag stays
//! set, and the client stands in a queue for its next.
//!
//! *Errors are of three kinds.* Some are of this moment: a signal, or a full socket. Some are of
//! the machine: `ENOBUFS` and `ENOMEM` say nothing of the peer, and no event comes when they are
//! over. Those are tried again after a pause. All others end the connection. A connection that is
//! lost to the machine's trouble would be our fault.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::config::Config;
use crate::pace::{Allowance, Pace};
use crate::room::RoomId;
use crate::room::forms::Form;
use crate::room::queues::Queues;
use crate::room::reading::{Reading, Terms};
use crate::room::transcript::Transcript;
use crate::wire::decoder::Decoder;
use crate::wire::line::LineRules;

mod life;
mod record;
mod timing;

pub use crate::wire::decoder::Input;
pub use life::{Admission, Hold, Leave, Life, Part};
pub use record::{Moments, Record};

/// How long to wait before trying a socket again that the kernel had no memory for. No event tells
/// when it has some.
///
/// A tenth of a second is too short for a person to notice. It is long enough that thousands of
/// such sockets do not keep the loop busy.
pub const MEMORY_RETRY: Duration = Duration::from_millis(100);

/// What a client needs of its socket; neither verb of `Read` and `Write` may block.
pub trait Socket: Read + Write {
    /// Ends our side of the connection once all that was written is sent.
    fn shut_down_write(&mut self) -> io::Result<()>;

    /// Lets the next close reset the connection, if the peer's kernel has acknowledged all that was
    /// sent. By default it never is known to have.
    fn reset_on_close_if_received(&mut self) {}

    /// Lets the next close drop what was not sent, so that nothing of the connection remains in the
    /// kernel (linger 0). If that fails, nothing can be done.
    fn reset_on_close(&mut self);
}

/// What a client's socket had to read.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// This many bytes were read; there may be more.
    Bytes {
        /// How many.
        read: usize,
        /// The telnet answers to them.
        answers: Vec<u8>,
    },
    /// Nothing now, or never again.
    Nothing,
    /// A signal came in between: try again.
    Interrupted,
    /// The connection is broken.
    Broken(Leave),
}

/// The result of one [`Client::send`].
#[derive(Debug, Default)]
pub struct Sent {
    /// How many bytes the socket took.
    pub bytes: usize,
    /// How many system calls it took.
    pub writes: usize,
    /// How far it came in the transcript, with the lines left out for it.
    pub passed: usize,
    /// How many lines it turned out to have missed.
    pub missed: u64,
    /// The socket took less than it was offered.
    pub short: bool,
    /// The connection is broken.
    pub broken: Option<Leave>,
}

/// One connection. A pass looks at each, so it fits in one cache line.
#[derive(Debug)]
pub struct Client<S> {
    /// Its socket.
    pub socket: S,
    life: Life,
    /// What there is to read.
    pub input: Input,
    /// Why it is not read although there is input.
    pub hold: Hold,
    /// Its socket may take something.
    pub writable: bool,
    /// How it was admitted.
    pub admission: Admission,
    /// The queues in which the agenda has put it.
    pub queues: Queues,
    /// The room that it reads.
    pub room: RoomId,
    /// Its place in that conversation.
    pub reading: Reading,
    /// The form in which it reads that.
    pub form: Form,
    /// The form that it changes to once it has everything.
    pub next_form: Form,
    /// The part that a pass does not look at.
    pub record: Box<Record>,
    /// `None` while none of them matters, as for most clients most of the time.
    moments: Option<Box<Moments>>,
}

// One cache line: a pass over clients that take nothing is mostly waiting for memory. `OwnedFd`
// stands for the socket, which is no larger in a release build.
const _: () = assert!(size_of::<Client<std::os::fd::OwnedFd>>() <= 64);

impl<S: Socket> Client<S> {
    /// A new connection with this rate limit. It can be written to, and has no known input before
    /// the first event.
    pub fn new(
        socket: S,
        address: SocketAddr,
        serial: u64,
        (room, reading): (RoomId, Reading),
        pace: &Pace,
        now: Instant,
    ) -> Self {
        Client {
            socket,
            life: Life::Arriving,
            input: Input::Quiet,
            hold: Hold::None,
            writable: true,
            admission: Admission::Limited,
            queues: Queues::default(),
            room,
            reading,
            form: Form::Plain,
            next_form: Form::Plain,
            record: Box::new(Record {
                ip: address.ip(),
                port: address.port(),
                serial,
                place: u32::MAX,
                decoder: Decoder::new(now),
                allowance: Allowance::new(pace, now),
                came_seconds: 0,
                is_operator: false,
                is_unseen: false,
                part: Part::Whole,
                answers_go_to: None,
            }),
            moments: None,
        }
    }

    /// How far its life has gone.
    pub fn life(&self) -> Life {
        self.life
    }

    /// Enters this life; returns the old one. The hub does what leaving that one owes.
    pub fn enter(&mut self, life: Life) -> Life {
        std::mem::replace(&mut self.life, life)
    }

    /// The moments that matter to it.
    pub fn moments(&self) -> Moments {
        self.moments.as_deref().copied().unwrap_or_default()
    }

    /// Changes the moments that matter to it.
    pub fn change_moments(&mut self, change: impl FnOnce(&mut Moments)) {
        let mut moments = self.moments();
        change(&mut moments);
        match &mut self.moments {
            _ if moments == Moments::default() => self.moments = None,
            Some(own) => **own = moments,
            None => self.moments = Some(Box::new(moments)),
        }
    }

    /// Whether it may be read now: nothing makes it wait. A deaf client does not wait until its
    /// replies are read.
    pub fn may_be_read(&self, config: &Config) -> bool {
        let is_deaf = matches!(self.life, Life::Deaf(_));
        // A client that asks and does not read its answers would fill memory. It is not read until
        // it has read some. Then TCP tells it to wait.
        let is_full = !is_deaf && self.reading.reply_bytes() >= config.max_private;
        self.life.is_read() && self.hold == Hold::None && !is_full
    }

    /// The queues that it should be in, if its transcript ends at `head`.
    pub fn wants(&self, head: u64, config: &Config, now: Instant) -> Queues {
        let talking = || Queues::TALKING.when(self.wants_reading(config, now));
        let ready = || Queues::READY.when(self.wants_offer(head));
        match self.life {
            Life::Arriving | Life::Deaf(_) => talking(),
            Life::Member => talking() | ready(),
            Life::Ending => ready() | Queues::ENDING,
            Life::Moving | Life::Closing(_) => ready(),
            // Only when there is something to discard, or its input has ended. Else its deadline
            // comes.
            Life::Draining(_) => Queues::LEAVING.when(self.input != Input::Quiet),
            // Its last command is still to be carried out.
            Life::Gone(_) => Queues::LEAVING.when(self.hold != Hold::Answer),
        }
    }

    /// Whether there is input, and nothing makes it wait.
    fn wants_reading(&self, config: &Config, now: Instant) -> bool {
        match self.input {
            Input::Quiet => false,
            Input::Unfinished => self.chunk_due(config).is_some_and(|due| due <= now),
            Input::Readable | Input::Ended => self.may_be_read(config),
        }
    }

    /// Whether it is to be offered something, or has all that it is to get before it is closed or
    /// moves.
    pub fn wants_offer(&self, head: u64) -> bool {
        self.life.has_end() && self.is_flushed() || self.writable && self.is_behind(head)
    }

    /// Whether there is input that was not looked at.
    pub fn is_unread(&self) -> bool {
        matches!(self.input, Input::Readable | Input::Ended)
    }

    /// Whether its socket must be tried again, because the kernel had no memory for it. What the
    /// client has sent may be there.
    pub fn is_retrying(&self) -> bool {
        self.moments().retry_at.is_some()
    }

    /// Whether a deaf client can send nothing more.
    pub fn is_spent(&self, config: &Config, now: Instant) -> bool {
        let waits = self.hold != Hold::None || self.is_retrying();
        !waits && !self.wants_reading(config, now)
    }

    /// Whether it lacks anything before `head` that it can get.
    pub fn is_behind(&self, head: u64) -> bool {
        match self.life {
            Life::Member | Life::Moving | Life::Ending | Life::Closing(_) => {
                self.reading.is_behind(self.end(head))
            }
            Life::Arriving | Life::Deaf(_) | Life::Draining(_) | Life::Gone(_) => false,
        }
    }

    /// Up to where it is served, of what stands before `head`.
    pub fn end(&self, head: u64) -> u64 {
        if self.life.has_end() { self.moments().until.min(head) } else { head }
    }

    /// Whether it has been given all that it is to get, if it is being closed or moves.
    pub fn is_flushed(&self) -> bool {
        !self.reading.is_behind(self.moments().until)
    }

    /// Reads once, at most as much as `scratch` holds behind one spare byte.
    pub fn receive(&mut self, scratch: &mut [u8], rules: &LineRules, now: Instant) -> Received {
        match self.socket.read(&mut scratch[1..]) {
            Ok(0) => {
                self.input = Input::Ended;
                Received::Nothing
            }
            Ok(read) => {
                let answers = self.record.decoder.take_in(&mut scratch[..=read], rules, now);
                // A dialect can end the input, though the connection goes on. Nothing behind that
                // is read.
                if self.record.decoder.has_ended() {
                    self.input = Input::Ended;
                }
                Received::Bytes { read, answers }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Received::Interrupted,
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.received_nothing(),
            Err(error) if is_short_of_memory(&error) => {
                self.try_again_later(now);
                self.received_nothing()
            }
            Err(error) => Received::Broken(Leave::from_error(&error)),
        }
    }

    /// The socket is empty. That is the moment from which a pause can be measured: see
    /// [`Client::chunk_due`].
    fn received_nothing(&mut self) -> Received {
        let is_unfinished = self.record.decoder.is_pending();
        self.input = if is_unfinished { Input::Unfinished } else { Input::Quiet };
        Received::Nothing
    }

    /// Writes what it lacks, until it has it, its socket is full, or the terms allow no more.
    pub fn send(&mut self, transcript: &Transcript, terms: &Terms, now: Instant) -> Sent {
        let mut sent = Sent::default();
        let lines_end = if self.life.has_end() { self.moments().lines_until } else { u64::MAX };
        let terms = &Terms { lines_end, ..*terms };
        let (start, end) = (self.reading.position(), self.end(transcript.head()));
        while self.writable && self.reading.is_behind(end) && !sent.short {
            // What is left out for it counts like what it was sent: to step over that is work too.
            if sent.bytes > 0 && self.reading.position() - start >= terms.bytes_max as u64 {
                break;
            }
            self.write_once(transcript, end, terms, &mut sent, now);
        }
        sent.passed = self.reading.position().saturating_sub(start) as usize;
        // A client at rest has no moments at all, and this must not give it any. The box costs
        // memory, and filling it costs time for each write.
        let is_waited_for = self.reading.is_behind(end) || self.life != Life::Member;
        if is_waited_for || self.moments.is_some() {
            self.change_moments(|its| {
                // Since when it has taken nothing of what waits for it.
                its.stalled_since = match sent.bytes {
                    _ if !is_waited_for => None,
                    0 => its.stalled_since.or(Some(now)),
                    _ => Some(now),
                };
            });
        }
        sent
    }

    /// Offers it once what it lacks before `end`.
    fn write_once(
        &mut self,
        transcript: &Transcript,
        end: u64,
        terms: &Terms,
        sent: &mut Sent,
        now: Instant,
    ) {
        let offer = self.reading.offer(transcript, end, terms);
        sent.missed += offer.missed();
        let result = match offer.slices() {
            // All that it lacked was left out for it. An empty write would be a system call for
            // nothing.
            [] => return,
            [one] => self.socket.write(one),
            many => self.socket.write_vectored(many),
        };
        sent.writes += 1;
        let offered = offer.bytes();
        // A short write ends the offer, but does not clear the flag: only `WouldBlock` proves that
        // the socket is full. The next turn costs one call more for that, and keeps one rule less.
        sent.short = !matches!(result, Ok(taken) if taken == offered);
        match result {
            // What was offered is never empty, so this cannot be progress. To try again could be
            // for ever.
            Ok(0) => sent.broken = Some(Leave::Lost(ErrorKind::WriteZero)),
            Ok(bytes) => {
                self.reading.took(bytes, transcript);
                sent.bytes += bytes;
            }
            Err(error) => self.note_write_error(&error, sent, now),
        }
    }

    fn note_write_error(&mut self, error: &io::Error, sent: &mut Sent, now: Instant) {
        match error.kind() {
            ErrorKind::WouldBlock => {
                self.writable = false;
            }
            ErrorKind::Interrupted => {}
            // Cleared, or the ready queue would try again in every turn and find the same.
            _ if is_short_of_memory(error) => {
                self.writable = false;
                self.try_again_later(now);
                // So it is not stuck, however long that lasts.
                self.change_moments(|its| its.stalled_since = None);
            }
            _ => sent.broken = Some(Leave::from_error(error)),
        }
    }

    /// Notes that its socket can be read or written. A needless note does no harm.
    pub fn note(&mut self, readable: bool, writable: bool) {
        // An end is final. Hang-up flags come again, and must not make it readable once more.
        if readable && self.input != Input::Ended {
            self.input = Input::Readable;
        }
        self.writable |= writable;
    }

    /// The kernel was short of memory, which is not the fault of this client.
    fn try_again_later(&mut self, now: Instant) {
        self.change_moments(|its| its.retry_at = Some(now + MEMORY_RETRY));
    }

    /// Does not read it before this moment.
    pub fn wait(&mut self, until: Instant) {
        self.hold = Hold::Pace;
        self.change_moments(|its| its.paused_until = Some(until));
    }

    /// A deadline of this client has come: ends what ends by itself at that moment.
    pub fn note_time(&mut self, now: Instant) {
        let mut may_try = false;
        self.change_moments(|its| {
            its.paused_until = its.paused_until.filter(|until| *until > now);
            may_try = its.retry_at.is_some_and(|at| at <= now);
            its.retry_at = its.retry_at.filter(|at| *at > now);
        });
        if self.hold == Hold::Pace && self.moments().paused_until.is_none() {
            self.hold = Hold::None;
        }
        if may_try {
            self.note(true, true);
        }
    }

    /// Discards what its socket has to read. Returns whether there will be no more, or it was
    /// enough.
    pub fn discard(&mut self, scratch: &mut [u8]) -> bool {
        // Until `WouldBlock`, since the poll will not tell again of what is there. But within a
        // bound: a client that goes on sending could occupy the loop, and stay for ever.
        let mut left = self.moments().drain_bytes_left;
        while left > 0 {
            match self.socket.read(scratch) {
                Ok(0) => break,
                Ok(bytes) => left = left.saturating_sub(bytes as u32),
                Err(error)
                    if error.kind() == ErrorKind::WouldBlock || is_short_of_memory(&error) =>
                {
                    self.input = Input::Quiet;
                    self.change_moments(|its| its.drain_bytes_left = left);
                    return false;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        true
    }

    /// Shuts our side down; returns whether that worked. What the client still sends is discarded
    /// for a while. If it has ended its side already, that is over at the first look.
    pub fn shut_down(&mut self, config: &Config, now: Instant) -> bool {
        self.change_moments(|its| {
            its.drain_until = Some(now + config.drain);
            its.drain_bytes_left = config.drain_bytes;
        });
        self.socket.shut_down_write().is_ok()
    }

    /// Gives its socket away. What was not sent is dropped with it.
    ///
    /// A client that takes nothing would leave up to 36 KiB in the kernel, for minutes. So it is
    /// reset. All others are closed, and the kernel delivers what it still has.
    pub fn into_socket(mut self) -> S {
        if matches!(self.life, Life::Gone(leave) if leave.is_hopeless()) {
            self.socket.reset_on_close();
        }
        self.socket
    }
}

/// Errors of send(2) and recv(2) that do not concern the connection.
fn is_short_of_memory(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOBUFS | Errno::NOMEM))
}
