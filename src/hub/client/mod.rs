//! One connection: its socket, how far it has read, what it is about to say, and its life.
//!
//! A client is told by its flags when its socket may be read or written, and does at most one
//! bounded piece of work when asked: [`Client::hear`] takes bytes in, [`Client::speak`] hands
//! them out, [`Client::discard`] throws them away. A readiness flag is set by an event and cleared
//! only by `WouldBlock` (reading also by the end of input): events are hints, results are facts.
//! It knows nobody else, no poll and no clock.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use memchr::memchr;
use rustix::io::Errno;

use crate::config::Config;
use crate::hub::deadlines::Whose;
use crate::pace::{Allowance, Pace};
use crate::room::reading::{Reading, Terms};
use crate::room::transcript::Transcript;
use crate::wire::line::Lines;
use crate::wire::stranger::{FirstLines, REQUEST_WAIT, Sniffed};
use crate::wire::telnet::IAC;

mod life;
mod record;

pub use life::{Leave, Life, Standing, UNTIL_APPENDED};
pub use record::{Extras, Moments, Record};

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
    /// Nothing now: wait for the next event.
    NothingYet,
    /// The end of its input.
    End,
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

/// One connection.
#[derive(Debug)]
pub struct Client<S> {
    /// Its socket.
    pub socket: S,
    /// How far its life has gone.
    pub life: Life,
    /// Its place in the conversation.
    pub reading: Reading,
    /// What a pass does not look at.
    pub record: Box<Record>,
    /// `None` when none of them matters, which is so for most clients at most times.
    moments: Option<Box<Moments>>,
    /// Its socket may have something to read.
    pub readable: bool,
    /// Its socket may take something.
    pub writable: bool,
    /// Its input has ended.
    pub ended: bool,
    /// It has given a command and gets no further before that is done.
    pub asked: bool,
    /// Where it stands with the conversation.
    pub standing: Standing,
    /// The limits for strangers do not hold for it.
    pub exempt: bool,
    /// It is on the list of those to be heard.
    pub queued_to_listen: bool,
    /// It is on the list of those to be spoken to.
    pub queued_to_speak: bool,
    /// It is on the list of those to be released.
    pub queued_to_release: bool,
}

impl<S: Socket> Client<S> {
    /// A connection that has just been made and may talk at this pace: it can be written to, and
    /// nothing is known of its input before the first event.
    pub fn new(
        socket: S,
        address: SocketAddr,
        serial: u64,
        reading: Reading,
        pace: &Pace,
        now: Instant,
    ) -> Self {
        Client {
            socket,
            life: Life::Arriving,
            reading,
            record: Box::new(Record {
                address,
                serial,
                lines: Lines::default(),
                deficit: 0,
                allowance: Allowance::new(pace, now),
                heard_at: now,
                first_lines: FirstLines::default(),
                told_not_utf8: false,
                extras: None,
            }),
            moments: None,
            readable: false,
            writable: true,
            ended: false,
            asked: false,
            standing: Standing::Arriving,
            exempt: false,
            queued_to_listen: false,
            queued_to_speak: false,
            queued_to_release: false,
        }
    }

    /// Who this is, for the set of deadlines.
    pub fn whose(&self, key: usize) -> Whose {
        Whose { serial: self.record.serial, key }
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

    /// Whether no moment matters to it: then no deadline of it has changed by speaking to it.
    pub fn is_at_rest(&self) -> bool {
        self.moments.is_none()
    }

    /// Whether what it says still counts.
    pub fn is_heard(&self) -> bool {
        matches!(self.life, Life::Arriving | Life::Open | Life::Deaf(_))
    }

    /// Whether it may be read now: nothing makes it wait. The deaf do not wait for their replies
    /// to be taken.
    pub fn may_be_heard(&self, config: &Config) -> bool {
        let deaf = matches!(self.life, Life::Deaf(_));
        let full = !deaf && self.reading.reply_bytes() >= config.max_private;
        self.is_heard() && self.moments().paused_until.is_none() && !full && !self.asked
    }

    /// Whether there is anything it lacks and can be given, of what stands before `head`.
    pub fn is_behind(&self, head: u64) -> bool {
        match self.life {
            Life::Open => self.reading.is_behind(head),
            Life::Closing { until, .. } => self.reading.is_behind(until.min(head)),
            Life::Arriving | Life::Deaf(_) | Life::Draining(_) | Life::Gone(_) => false,
        }
    }

    /// Whether it has been given all that it is to get before it is closed.
    pub fn is_flushed(&self) -> bool {
        matches!(self.life, Life::Closing { until, .. } if !self.reading.is_behind(until))
    }

    /// Reads once, at most as much as `scratch` holds. Telnet commands are taken out, but not in
    /// raw mode.
    pub fn hear(&mut self, scratch: &mut [u8], raw: bool, now: Instant) -> Heard {
        match self.socket.read(scratch) {
            Ok(0) => {
                (self.readable, self.ended) = (false, true);
                Heard::End
            }
            Ok(read) => {
                let mut answers = Vec::new();
                let text = match raw {
                    true => read,
                    false => self.take_commands(&mut scratch[..read], &mut answers),
                };
                self.record.lines.push(&scratch[..text]);
                self.record.heard_at = now;
                if self.record.lines.is_pending() {
                    self.change_moments(|its| _ = its.chunk_since.get_or_insert(now));
                }
                Heard::Bytes { read, answers }
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => {
                    self.readable = false;
                    Heard::NothingYet
                }
                ErrorKind::Interrupted => Heard::Interrupted,
                _ if is_short_of_memory(&error) => {
                    self.readable = false;
                    self.try_again_later(now);
                    Heard::NothingYet
                }
                _ => Heard::Broken(Leave::from_error(&error)),
            },
        }
    }

    /// Takes the telnet commands out of what was read; says how much text is left.
    fn take_commands(&mut self, bytes: &mut [u8], answers: &mut Vec<u8>) -> usize {
        if !self.record.is_telnet() && memchr(IAC, bytes).is_none() {
            return bytes.len();
        }
        let telnet = self.record.extras().telnet.get_or_insert_default();
        let text = telnet.take_in(bytes, answers);
        if telnet.has_ended() {
            (self.readable, self.ended) = (false, true);
        }
        self.record.lines.expect_line_ends();
        text
    }

    /// Writes what it lacks until it has it, its socket is full, or it has come as much further as
    /// the terms allow.
    pub fn speak(&mut self, transcript: &Transcript, terms: &Terms, now: Instant) -> Spoken {
        let mut spoken = Spoken::default();
        let start = self.reading.position();
        let head = transcript.head();
        while self.writable && self.is_behind(head) {
            if spoken.bytes > 0 && self.reading.position() - start >= terms.bytes_max as u64 {
                break;
            }
            let whole = self.write_once(transcript, terms, &mut spoken, now);
            if !whole {
                spoken.short = true;
                break;
            }
        }
        spoken.passed = self.reading.position().saturating_sub(start) as usize;
        self.note_progress(head, spoken.bytes > 0, now);
        spoken
    }

    /// Notes since when it has taken nothing of what waits for it.
    fn note_progress(&mut self, head: u64, took_something: bool, now: Instant) {
        if self.is_behind(head) || self.life != Life::Open {
            self.change_moments(|its| match took_something {
                true => its.stalled_since = Some(now),
                false => _ = its.stalled_since.get_or_insert(now),
            });
        } else if !self.is_at_rest() {
            self.change_moments(|its| its.stalled_since = None);
        }
    }

    /// Offers once what it lacks; `true` if all of it was taken.
    fn write_once(
        &mut self,
        transcript: &Transcript,
        terms: &Terms,
        spoken: &mut Spoken,
        now: Instant,
    ) -> bool {
        let end = match self.life {
            Life::Closing { until, .. } => until.min(transcript.head()),
            _ => transcript.head(),
        };
        let offer = self.reading.offer(transcript, end, terms);
        spoken.missed += offer.missed();
        let result = match offer.slices() {
            // All that it lacked was left out for it.
            [] => return true,
            [one] => self.socket.write(one),
            many => self.socket.write_vectored(many),
        };
        spoken.writes += 1;
        let offered = offer.bytes();
        match result {
            Ok(0) => spoken.broken = Some(Leave::Lost(ErrorKind::WriteZero)),
            Ok(bytes) => {
                self.reading.took(bytes);
                spoken.bytes += bytes;
                return bytes == offered;
            }
            Err(error) => self.note_write_error(&error, spoken, now),
        }
        false
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
            }
            _ => spoken.broken = Some(Leave::from_error(error)),
        }
    }

    /// The kernel was short of memory, which is not the fault of this client.
    fn try_again_later(&mut self, now: Instant) {
        self.change_moments(|its| its.retry_at = Some(now + MEMORY_RETRY));
    }

    /// A deadline of its has come: what ends by itself at that moment has ended.
    pub fn note_time(&mut self, now: Instant) {
        let mut may_try = false;
        self.change_moments(|its| {
            its.alarm = None;
            its.paused_until = its.paused_until.filter(|until| *until > now);
            may_try = its.retry_at.is_some_and(|at| at <= now);
            its.retry_at = its.retry_at.filter(|at| *at > now);
        });
        self.readable |= may_try && !self.ended;
        self.writable |= may_try;
    }

    /// Goes on behind the line that was just taken.
    pub fn consume_line(&mut self, now: Instant) {
        self.record.lines.consume();
        let pending = self.record.lines.is_pending();
        self.change_moments(|its| its.chunk_since = pending.then_some(now));
    }

    /// Throws away what its socket has to read; its life is over when there will be no more.
    pub fn discard(&mut self, scratch: &mut [u8]) {
        let Life::Draining(leave) = self.life else { return };
        let mut left = self.moments().drain_bytes_left;
        while left > 0 {
            match self.socket.read(scratch) {
                Ok(0) => break,
                Ok(bytes) => left = left.saturating_sub(bytes as u32),
                Err(error)
                    if error.kind() == ErrorKind::WouldBlock || is_short_of_memory(&error) =>
                {
                    self.readable = false;
                    self.change_moments(|its| its.drain_bytes_left = left);
                    return;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.life = Life::Gone(leave);
    }

    /// Ends our side. What the peer still sends is thrown away for a while; if it has ended its
    /// side already, that is over at the first look.
    pub fn shut_down(&mut self, leave: Leave, config: &Config, now: Instant) {
        let shut = self.socket.shut_down_write();
        self.life = match shut {
            Ok(()) => Life::Draining(leave),
            Err(_) => Life::Gone(leave),
        };
        self.change_moments(|its| {
            its.drain_until = Some(now + config.drain);
            its.drain_bytes_left = config.drain_bytes;
        });
    }

    /// Its socket, for the last time; what cannot be said any more is thrown away with it.
    pub fn into_socket(mut self) -> S {
        if matches!(self.life, Life::Gone(leave) if leave.is_hopeless()) {
            self.socket.reset_on_close();
        }
        self.socket
    }

    /// When it has to be looked at though nothing happens.
    pub fn next_deadline(&self, config: &Config) -> Option<Instant> {
        let its = self.moments();
        let stalled = |limit| its.stalled_since.map(|since| since + limit);
        let idle = || (!config.idle.is_zero()).then(|| self.record.heard_at + config.idle);
        let due = match self.life {
            Life::Arriving => [self.greeting_due(config), self.chunk_due(config), None, None],
            Life::Open => [its.paused_until, self.chunk_due(config), stalled(config.stuck), idle()],
            Life::Closing { .. } => [stalled(config.flush), None, None, None],
            Life::Draining(_) => [its.drain_until, None, None, None],
            Life::Deaf(_) => [its.paused_until, stalled(config.flush), None, None],
            Life::Gone(_) => return None,
        };
        due.into_iter().chain([its.retry_at]).flatten().min()
    }

    /// When what is pending is a line without an end: only if nothing more can be read, and not
    /// while it is not being read.
    pub fn chunk_due(&self, config: &Config) -> Option<Instant> {
        if self.readable || !self.may_be_heard(config) {
            return None;
        }
        let first = self.moments().chunk_since.unwrap_or(self.record.heard_at);
        let due = self.record.lines.chunk_due(&config.line_rules(), first, self.record.heard_at)?;
        Some(match self.sniff(config) {
            Sniffed::NotYet => due.max(first + REQUEST_WAIT),
            Sniffed::Chat | Sniffed::Stranger(_) => due,
        })
    }

    /// When it is welcomed and announced, if it is still to be: not while what it has sent may
    /// become a request.
    pub fn greeting_due(&self, config: &Config) -> Option<Instant> {
        let its = self.moments();
        let due = its.greet_at?;
        Some(match (its.chunk_since, self.sniff(config)) {
            (Some(first), Sniffed::NotYet) => due.max(first + REQUEST_WAIT),
            _ => due,
        })
    }

    /// Whether the line that is pending is that of a chat client.
    pub fn sniff(&self, config: &Config) -> Sniffed {
        let lines = &self.record.lines;
        let is_whole = lines.is_cut() || self.ended;
        self.record.first_lines.sniff(lines.pending(), config.max_line, is_whole)
    }

    /// Its output is broken: what it said before counts for as long as `--flush` allows.
    pub fn deafen(&mut self, leave: Leave, transcript: &Transcript, now: Instant) {
        self.life = Life::Deaf(leave);
        // It is offered nothing any more, so nobody will see to it that it is not overrun.
        self.reading.lapse(transcript);
        self.change_moments(|its| its.stalled_since = Some(now));
    }

    /// Whether it is deaf, has been for as long as it may be, and would still have to wait before
    /// it may go on. One that waits only for this turn is heard.
    pub fn is_past_hearing(&self, config: &Config, now: Instant) -> bool {
        let its = self.moments();
        let is_late = its.stalled_since.is_some_and(|since| since + config.flush <= now);
        matches!(self.life, Life::Deaf(_)) && is_late && its.paused_until.is_some()
    }

    /// Whether it has taken nothing for so long that it is to be given up.
    pub fn is_stuck(&self, config: &Config, now: Instant) -> bool {
        let limit = match self.life {
            Life::Open => config.stuck,
            Life::Closing { .. } => config.flush,
            Life::Arriving | Life::Deaf(_) | Life::Draining(_) | Life::Gone(_) => return false,
        };
        let since = self.moments().stalled_since;
        !self.writable && since.is_some_and(|since| now >= since + limit)
    }
}

/// Errors of send(2) and recv(2) that say nothing of the connection.
fn is_short_of_memory(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOBUFS | Errno::NOMEM))
}
