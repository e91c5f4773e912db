//! One connection: its socket, how far it has read, what it is about to say, and its life.
//!
//! A client is told by its flags when its socket may be read or written, and does at most one
//! bounded piece of work when asked: [`Client::hear`] takes bytes in, [`Client::speak`] hands
//! them out, [`Client::discard`] throws them away. [`Client::note`] sets readiness: for an event,
//! or to try once more what no event will tell of. Only `WouldBlock` clears it (for reading also
//! the end of input), or a kernel without memory: notes are hints, results are facts. It knows
//! nobody else, no poll and no clock.

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
use crate::wire::ear::Ear;
use crate::wire::line::LineRules;

mod life;
mod record;
mod timing;

pub use crate::wire::ear::Input;
pub use life::{Admission, Hold, Leave, Life};
pub use record::{Moments, Record};

/// How long a socket is left alone for which the kernel had no memory. No event tells when it has
/// some again.
pub const MEMORY_RETRY: Duration = Duration::from_millis(100);

/// What a client needs of its socket; neither verb of `Read` and `Write` may block.
pub trait Socket: Read + Write {
    /// Ends our side of the connection once all that was written is sent.
    fn shut_down_write(&mut self) -> io::Result<()>;

    /// Lets the close that follows throw away what was not sent, so that nothing of the connection
    /// remains in the kernel (linger 0). It cannot fail in a way that anyone could mend.
    fn reset_on_close(&mut self);
}

/// What a client's socket had to read.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// So many bytes were read; there may be more.
    Bytes {
        /// How many.
        read: usize,
        /// What it is to be answered as a telnet peer.
        answers: Vec<u8>,
    },
    /// Nothing now, or never again.
    Nothing,
    /// A signal came in between: try again.
    Interrupted,
    /// The connection is broken.
    Broken(Leave),
}

/// What became of one [`Client::speak`].
#[derive(Debug, Default)]
pub struct Spoken {
    /// How many bytes were taken.
    pub bytes: usize,
    /// How many system calls it took.
    pub writes: usize,
    /// How far it came in the transcript, with what was left out for it.
    pub passed: usize,
    /// How many lines it was found to have missed.
    pub missed: u64,
    /// Not all that was offered was taken.
    pub short: bool,
    /// The connection is broken.
    pub broken: Option<Leave>,
}

/// One connection. A pass looks at each, so it is one line of the processor's cache.
#[derive(Debug)]
pub struct Client<S> {
    /// Its socket.
    pub socket: S,
    life: Life,
    /// What there is to read.
    pub input: Input,
    /// Why it is not read though there is something.
    pub hold: Hold,
    /// Its socket may take something.
    pub writable: bool,
    /// As what it was let in.
    pub admission: Admission,
    /// The queues in which the agenda has put it.
    pub queues: Queues,
    /// The room that it reads.
    pub room: RoomId,
    /// Its place in that conversation.
    pub reading: Reading,
    /// The form in which it reads that.
    pub form: Form,
    /// The form that it is to have as soon as it has all that was said.
    pub next_form: Form,
    /// What a pass does not look at.
    pub record: Box<Record>,
    /// `None` when none of them matters, which is so for most clients at most times.
    moments: Option<Box<Moments>>,
}

const _: () = assert!(size_of::<Client<std::os::fd::OwnedFd>>() <= 64);

impl<S: Socket> Client<S> {
    /// A connection that has just been made and may talk at this pace: it can be written to, and
    /// nothing is known of its input before the first event.
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
                ear: Ear::new(now),
                allowance: Allowance::new(pace, now),
                answers_go_to: None,
            }),
            moments: None,
        }
    }

    /// How far its life has gone.
    pub fn life(&self) -> Life {
        self.life
    }

    /// Goes on to this life; gives the one before. The hub does what leaving that one owes.
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

    /// Whether it may be read now: nothing makes it wait. The deaf do not wait for their replies
    /// to be taken.
    pub fn may_be_heard(&self, config: &Config) -> bool {
        let is_deaf = matches!(self.life, Life::Deaf(_));
        let is_full = !is_deaf && self.reading.reply_bytes() >= config.max_private;
        self.life.is_heard() && self.hold == Hold::None && !is_full
    }

    /// In which queues it is to stand, of a room whose transcript ends at `head`.
    pub fn wants(&self, head: u64, config: &Config, now: Instant) -> Queues {
        let talking = || Queues::TALKING.when(self.wants_hearing(config, now));
        let ready = || Queues::READY.when(self.wants_offer(head));
        match self.life {
            Life::Arriving | Life::Deaf(_) => talking(),
            Life::Member => talking() | ready(),
            Life::Ending => ready() | Queues::ENDING,
            Life::Moving | Life::Closing(_) => ready(),
            Life::Draining(_) => Queues::LEAVING.when(self.input != Input::Quiet),
            // Its last command is still to be carried out.
            Life::Gone(_) => Queues::LEAVING.when(self.hold != Hold::Answer),
        }
    }

    /// Whether there is something to read or take, and nothing makes it wait.
    fn wants_hearing(&self, config: &Config, now: Instant) -> bool {
        match self.input {
            Input::Quiet => false,
            Input::Unfinished => self.chunk_due(config).is_some_and(|due| due <= now),
            Input::Readable | Input::Ended => self.may_be_heard(config),
        }
    }

    /// Whether it is to be offered something, or has all that it is to get before it is closed or
    /// moves.
    pub fn wants_offer(&self, head: u64) -> bool {
        self.life.has_end() && self.is_flushed() || self.writable && self.is_behind(head)
    }

    /// Whether there is nothing more that it may say, if it is deaf.
    pub fn is_spent(&self, config: &Config, now: Instant) -> bool {
        let waits = self.hold != Hold::None || self.moments().retry_at.is_some();
        !waits && !self.wants_hearing(config, now)
    }

    /// Whether there is anything it lacks and can be given, of what stands before `head`.
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

    /// Reads once, at most as much as `scratch` holds.
    pub fn hear(&mut self, scratch: &mut [u8], rules: &LineRules, now: Instant) -> Heard {
        match self.socket.read(scratch) {
            Ok(0) => {
                self.input = Input::Ended;
                Heard::Nothing
            }
            Ok(read) => {
                let answers = self.record.ear.take_in(&mut scratch[..read], rules, now);
                if self.record.ear.has_ended() {
                    self.input = Input::Ended;
                }
                Heard::Bytes { read, answers }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Heard::Interrupted,
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.heard_nothing(),
            Err(error) if is_short_of_memory(&error) => {
                self.try_again_later(now);
                self.heard_nothing()
            }
            Err(error) => Heard::Broken(Leave::from_error(&error)),
        }
    }

    fn heard_nothing(&mut self) -> Heard {
        let is_unfinished = self.record.ear.is_pending();
        self.input = if is_unfinished { Input::Unfinished } else { Input::Quiet };
        Heard::Nothing
    }

    /// Writes what it lacks until it has it, its socket is full, or it has come as much further as
    /// the terms allow.
    pub fn speak(&mut self, transcript: &Transcript, terms: &Terms, now: Instant) -> Spoken {
        let mut spoken = Spoken::default();
        let lines_end = if self.life.has_end() { self.moments().lines_until } else { u64::MAX };
        let terms = &Terms { lines_end, ..*terms };
        let (start, end) = (self.reading.position(), self.end(transcript.head()));
        while self.writable && self.reading.is_behind(end) && !spoken.short {
            if spoken.bytes > 0 && self.reading.position() - start >= terms.bytes_max as u64 {
                break;
            }
            self.write_once(transcript, end, terms, &mut spoken, now);
        }
        spoken.passed = self.reading.position().saturating_sub(start) as usize;
        let is_waited_for = self.reading.is_behind(end) || self.life != Life::Member;
        if is_waited_for || self.moments.is_some() {
            self.change_moments(|its| {
                // Since when it has taken nothing of what waits for it.
                its.stalled_since = match spoken.bytes {
                    _ if !is_waited_for => None,
                    0 => its.stalled_since.or(Some(now)),
                    _ => Some(now),
                };
            });
        }
        spoken
    }

    /// Offers once what it lacks of all before `end`.
    fn write_once(
        &mut self,
        transcript: &Transcript,
        end: u64,
        terms: &Terms,
        spoken: &mut Spoken,
        now: Instant,
    ) {
        let offer = self.reading.offer(transcript, end, terms);
        spoken.missed += offer.missed();
        let result = match offer.slices() {
            // All that it lacked was left out for it.
            [] => return,
            [one] => self.socket.write(one),
            many => self.socket.write_vectored(many),
        };
        spoken.writes += 1;
        let offered = offer.bytes();
        spoken.short = !matches!(result, Ok(taken) if taken == offered);
        match result {
            Ok(0) => spoken.broken = Some(Leave::Lost(ErrorKind::WriteZero)),
            Ok(bytes) => {
                self.reading.took(bytes, transcript);
                spoken.bytes += bytes;
            }
            Err(error) => self.note_write_error(&error, spoken, now),
        }
    }

    fn note_write_error(&mut self, error: &io::Error, spoken: &mut Spoken, now: Instant) {
        match error.kind() {
            ErrorKind::WouldBlock => {
                self.writable = false;
            }
            ErrorKind::Interrupted => {}
            _ if is_short_of_memory(error) => {
                self.writable = false;
                self.try_again_later(now);
                // So it is not stuck, however long that lasts.
                self.change_moments(|its| its.stalled_since = None);
            }
            _ => spoken.broken = Some(Leave::from_error(error)),
        }
    }

    /// Its socket may be read or written. A needless note does no harm.
    pub fn note(&mut self, readable: bool, writable: bool) {
        if readable && self.input != Input::Ended {
            self.input = Input::Readable;
        }
        self.writable |= writable;
    }

    /// The kernel was short of memory, which is not the fault of this client.
    fn try_again_later(&mut self, now: Instant) {
        self.change_moments(|its| its.retry_at = Some(now + MEMORY_RETRY));
    }

    /// A deadline of its has come: what ends by itself at that moment has ended.
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

    /// Throws away what its socket has to read; whether there will be no more, or it was enough.
    pub fn discard(&mut self, scratch: &mut [u8]) -> bool {
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

    /// Ends our side; whether it could be. What the peer still sends is thrown away for a while; if
    /// it has ended its side already, that is over at the first look.
    pub fn shut_down(&mut self, config: &Config, now: Instant) -> bool {
        self.change_moments(|its| {
            its.drain_until = Some(now + config.drain);
            its.drain_bytes_left = config.drain_bytes;
        });
        self.socket.shut_down_write().is_ok()
    }

    /// Its socket, for the last time; what cannot be said any more is thrown away with it.
    pub fn into_socket(mut self) -> S {
        if matches!(self.life, Life::Gone(leave) if leave.is_hopeless()) {
            self.socket.reset_on_close();
        }
        self.socket
    }
}

/// Errors of send(2) and recv(2) that say nothing of the connection.
fn is_short_of_memory(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOBUFS | Errno::NOMEM))
}
