//! A load: which clients send how much how fast, until when, and the results.

use std::cell::Ref;
use std::time::{Duration, Instant};

use super::author::Author;
use super::record::{Latencies, Record};
use super::sockets::{Client, Crowd};
use super::{Outcome, Patience};

/// In a flood one message in this many is timed: to time every delivery would cost as much as
/// checking it.
const TIMED_EVERY: u64 = 64;

/// No message is timed.
const NEVER: u64 = u64::MAX;

/// A sender without a window has this much to send at a time.
const FREE_BYTES: usize = 64 * 1024;

/// The longest wait for events.
pub const WAIT_MAX: Duration = Duration::from_millis(100);

/// If nothing has come for this long, and all clients were told that they missed lines, then lines
/// that have not arrived are lost.
const QUIET: Duration = Duration::from_millis(500);

/// The longest wait for messages that are on their way when the sending is over.
const REST_MAX: Duration = Duration::from_secs(60);

/// After this long the speed is known. If the rest cannot arrive in time, the wait ends.
const SPEED_KNOWN: Duration = Duration::from_secs(5);

/// How fast a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At most this many messages are on their way; 1 is one at a time.
    Window(u64),
    /// As fast as its socket takes it.
    Free,
    /// One message in each such time.
    Every(Duration),
}

/// A client that sends. The first ones of a channel do.
#[derive(Clone, Copy, Debug)]
pub struct Talker {
    /// How fast it sends.
    pub pace: Pace,
    /// The bytes of a message as clients receive it.
    pub message_bytes: usize,
    /// Whether to measure the time from sending to each receiving.
    pub timed: bool,
}

/// When a load ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// All clients have received this many messages of each talker.
    Heard(u64),
    /// This much time has passed. What is still on its way is not waited for.
    Time(Duration),
}

/// The results.
#[derive(Clone, Debug)]
pub struct Report {
    /// How long it took.
    pub time: Duration,
    /// How long until at least one client had every message: then the server had read them all.
    pub taken_in: Duration,
    /// How many messages reached how many clients, all of them checked.
    pub deliveries: u64,
    /// How many messages clients missed, as the server told them.
    pub messages_missed: u64,
    /// The talkers.
    pub authors: Vec<Author>,
    /// How many lines clients missed, as the server told them.
    pub lines_missed: u64,
    /// The times from sending to receiving, in nanoseconds.
    pub latencies: Latencies,
}

impl Report {
    /// The latency that this percentage of the timed deliveries did not exceed, in microseconds.
    pub fn latency_us(&self, percent: f64) -> f64 {
        self.latencies.value_at_quantile(percent / 100.0) as f64 / 1e3
    }

    /// How many messages reached clients per second.
    pub fn deliveries_per_second(&self) -> f64 {
        self.deliveries as f64 / self.time.as_secs_f64()
    }
}

/// Jain's index of fairness: 1 if all have the same, 1/n if one has all.
pub fn jain(shares: &[u64]) -> f64 {
    let sum: f64 = shares.iter().map(|share| *share as f64).sum();
    let squares: f64 = shares.iter().map(|share| (*share as f64).powi(2)).sum();
    sum * sum / (squares * shares.len() as f64)
}

/// Runs a load on the crowd. All clients must have begun, and received all of an earlier load.
pub fn run(crowd: &mut Crowd, talkers: &[Talker], until: Until) -> Outcome<Report> {
    let mut load = Load::new(crowd, talkers, until);
    while !load.is_over() {
        load.turn(WAIT_MAX)?;
    }
    load.report()
}

/// A crowd under load: [`Load::turn`] until it [`Load::is_over`] and all [`Load::is_heard`],
/// [`Crowd::end`] to be sure that nothing is behind, then the [`Load::report`].
#[derive(Debug)]
pub struct Load<'a> {
    /// Its latencies are those since the last [`Load::begin_interval`].
    pub crowd: &'a mut Crowd,
    talkers: Vec<Talker>,
    until: Until,
    /// The place in the crowd of the first client of the channel.
    first: usize,
    /// When the load began.
    pub start: Instant,
    latencies: Latencies,
    /// When the load was over, and how many messages had not arrived anywhere.
    over: Option<(Instant, u64)>,
    patience: Patience,
}

impl<'a> Load<'a> {
    /// As for [`run`].
    pub fn new(crowd: &'a mut Crowd, talkers: &[Talker], until: Until) -> Load<'a> {
        let (start, first) = (Instant::now(), crowd.in_channel().start);
        let authors = talkers.iter().enumerate().map(|(at, talker)| {
            let name = &mut crowd.clients[first + at].listener.name;
            if name.is_empty() {
                *name = format!("talker{at}").into();
            }
            let timed_every = match talker.pace {
                _ if !talker.timed => NEVER,
                Pace::Window(1) | Pace::Every(_) => 1,
                Pace::Window(_) | Pace::Free => TIMED_EVERY,
            };
            Author::new(name, talker.message_bytes, timed_every)
        });
        let authors = authors.collect();
        crowd.record.borrow_mut().set_authors(authors);
        crowd.latencies.reset();
        crowd.heard_at = start;
        Load {
            talkers: talkers.to_vec(),
            latencies: crowd.latencies.clone(),
            crowd,
            until,
            first,
            start,
            over: None,
            patience: Patience::full(),
        }
    }

    /// Has each talker send what its pace allows now, or nothing more if the load is over. Then
    /// waits at most this long for messages, and checks them.
    ///
    /// If the rest comes too slowly, that is an error, but not the server's fault.
    pub fn turn(&mut self, wait_max: Duration) -> Outcome<()> {
        let (now, is_over) = (Instant::now(), self.is_over());
        let mut next_due = now + wait_max;
        for at in 0..if is_over { 0 } else { self.talkers.len() } {
            self.say(at, now)?;
            if let Pace::Every(period) = self.talkers[at].pace {
                let said = self.crowd.record.borrow().authors[at].said;
                next_due = next_due.min(self.due(at, period, said));
            }
        }
        self.crowd.hear(next_due.saturating_duration_since(Instant::now()))?;
        let (heard, lacking) = (self.record().heard_by_all, self.lacking());
        // Until the time is over, no progress is due.
        if matches!(self.until, Until::Time(_)) && !is_over {
            self.patience = Patience::full();
        }
        let told = || format!("only {heard} messages came, and {lacking} do not");
        self.patience.check(self.heard_of(), told)?;
        if is_over { self.check_speed(lacking) } else { Ok(()) }
    }

    /// Whether the messages that the load lacked when it was over come fast enough.
    fn check_speed(&mut self, lacking: u64) -> Outcome<()> {
        let (since, all) = *self.over.get_or_insert((Instant::now(), lacking));
        let (came, seconds) = ((all - lacking) as f64, since.elapsed().as_secs_f64());
        let in_time = all as f64 * seconds / REST_MAX.as_secs_f64();
        // If none has come, the patience decides.
        if since.elapsed() < SPEED_KNOWN || came == 0.0 || came >= in_time {
            return Ok(());
        }
        Err(format!(
            "{lacking} messages have not come, and only {:.0} a second do: the server seems to \
             limit the rate of this address (its --rate and --exempt)",
            came / seconds
        )
        .into())
    }

    /// When a talker is to send the message of this number. All begin within one period.
    fn due(&self, at: usize, period: Duration, number: u64) -> Instant {
        let first = self.start + period * at as u32 / self.talkers.len() as u32;
        first + Duration::from_nanos(period.as_nanos() as u64 * number)
    }

    /// How many messages were received or missed, counted per client. Lines of other senders are no
    /// progress.
    pub fn heard_of(&self) -> u64 {
        let record = self.record();
        record.deliveries + record.messages_missed + record.lines_lost
    }

    /// How many messages are sent and have not arrived anywhere.
    fn lacking(&self) -> u64 {
        self.record().authors.iter().map(|author| author.said - author.heard).sum()
    }

    /// Whether every client has received every message that will ever arrive, or was told that it
    /// missed it.
    pub fn is_heard(&self) -> bool {
        let record = self.record();
        let is_quiet = self.crowd.heard_at.elapsed() >= QUIET;
        let mut talkers = self.crowd.clients[self.first..].iter().take(self.talkers.len());
        let may_lack = is_quiet && talkers.all(Client::has_said_all);
        let mut authors = record.authors.iter();
        authors.all(|author| author.heard == author.said || may_lack && author.is_unsure)
            && self.crowd.count(Record::has_told_all) == self.crowd.hearing()
    }

    /// What the clients have received so far.
    pub fn record(&self) -> Ref<'_, Record> {
        self.crowd.record.borrow()
    }

    /// Begins a new interval of latencies. The report keeps those before.
    pub fn begin_interval(&mut self) -> Outcome<()> {
        self.latencies.add(&self.crowd.latencies)?;
        self.crowd.latencies.reset();
        Ok(())
    }

    /// Has a talker send all that its pace allows now, in one write.
    fn say(&mut self, at: usize, now: Instant) -> Outcome<()> {
        let Talker { pace, message_bytes, .. } = self.talkers[at];
        let (dialect, channel) = (self.crowd.server.dialect, self.crowd.record.borrow().channel);
        let client = self.first + at;
        if !self.crowd.clients[client].has_said_all() {
            return Ok(());
        }
        let mut record = self.crowd.record.borrow_mut();
        let author = &mut record.authors[at];
        let may_have_said = match pace {
            // The messages it waits for may be lost. One message more shows how many are.
            Pace::Window(_) if author.is_unsure && self.crowd.heard_at + WAIT_MAX <= now => {
                author.said + 1
            }
            Pace::Window(window) => author.heard_by_all + window,
            Pace::Free => author.said + (FREE_BYTES / message_bytes) as u64,
            Pace::Every(period) => {
                let due = now.checked_duration_since(self.due(at, period, 0));
                due.map_or(0, |late| 1 + (late.as_nanos() / period.as_nanos()) as u64)
            }
        };
        let most = if let Until::Heard(messages) = self.until { messages } else { u64::MAX };
        let (mut words, mut said) = (Vec::new(), Vec::new());
        while author.said < may_have_said.min(most) {
            // A message sent later than planned counts from the planned moment.
            let at = match pace {
                Pace::Every(period) => self.due(at, period, author.said),
                Pace::Window(_) | Pace::Free => now,
            };
            words.clear();
            author.write_next(&mut words, at);
            dialect.write_said(&words, channel, &mut said);
        }
        drop(record);
        self.crowd.clients[client].say(&said)
    }

    /// Whether all messages have arrived that had to, or the time is over.
    pub fn is_over(&self) -> bool {
        match self.until {
            Until::Heard(messages) => {
                let record = self.record();
                record.heard_by_all + record.lines_lost
                    >= messages.saturating_mul(self.talkers.len() as u64)
            }
            Until::Time(time) => self.start.elapsed() >= time,
        }
    }

    /// The results.
    pub fn report(mut self) -> Outcome<Report> {
        self.begin_interval()?;
        let record = self.crowd.record.borrow();
        Ok(Report {
            time: self.crowd.heard_at.duration_since(self.start),
            taken_in: record.heard_at.map(|at| at - self.start).unwrap_or_default(),
            deliveries: record.deliveries,
            messages_missed: record.messages_missed,
            authors: record.authors.clone(),
            lines_missed: self.crowd.clients.iter().map(|one| one.listener.missed).sum(),
            latencies: self.latencies,
        })
    }
}
