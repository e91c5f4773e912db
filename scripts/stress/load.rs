//! Who says how much how fast, until when, and what came of it.

use std::time::{Duration, Instant};

use super::author::Author;
use super::crowd::{Client, Crowd};
use super::record::Latencies;
use super::{Outcome, Patience};

/// In a flood, where timing every delivery would cost as much as checking it, one message in so
/// many is timed.
const TIMED_EVERY: u64 = 64;

/// Not one is timed.
const NEVER: u64 = u64::MAX;

/// A sender without a window has this much to say at a time.
const FREE_BYTES: usize = 64 * 1024;

/// The longest wait for events.
const WAIT_MAX: Duration = Duration::from_millis(100);

/// How fast someone talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// So many messages at most are said and not heard by all; 1 is one at a time.
    Window(u64),
    /// As fast as its socket takes it.
    Free,
    /// One message every so often.
    Every(Duration),
}

/// Someone who talks.
#[derive(Clone, Copy, Debug)]
pub struct Talker {
    /// Which client it is.
    pub client: usize,
    /// How fast it talks.
    pub pace: Pace,
    /// The bytes of a message as everyone hears it.
    pub message_bytes: usize,
    /// Whether it is measured how long its messages take, from saying to each hearing.
    pub timed: bool,
}

/// When it is over.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// Everyone has heard so many messages of each talker.
    Heard(u64),
    /// So much time has passed; nobody waits for what is on its way.
    Time(Duration),
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// How long it took.
    pub time: Duration,
    /// How long until every message had been heard by someone: the server had taken them all in.
    pub taken_in: Duration,
    /// How many messages reached how many clients, all of them checked.
    pub deliveries: u64,
    /// How many bytes of each talker were heard.
    pub bytes_heard: Vec<u64>,
    /// How many lines clients were told that they missed.
    pub lines_missed: u64,
    /// How long it took from saying to hearing, in nanoseconds.
    pub latencies: Latencies,
}

impl Report {
    /// The latency that so many percent of the timed deliveries did not exceed, in microseconds.
    pub fn latency_us(&self, percent: f64) -> f64 {
        self.latencies.value_at_quantile(percent / 100.0) as f64 / 1e3
    }

    /// How many messages reached clients in a second.
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

#[derive(Debug)]
struct Sender {
    talker: Talker,
    said: u64,
    due: Instant,
}

/// Has the crowd talk. Everyone must have begun, and heard all of an earlier load.
///
/// `with_name` is for a server that puts no names before what is said.
pub fn run(
    crowd: &mut Crowd,
    talkers: &[Talker],
    until: Until,
    with_name: bool,
) -> Outcome<Report> {
    let mut load = Load::new(crowd, talkers, until, with_name);
    while !load.is_over() {
        load.turn()?;
    }
    Ok(load.report())
}

struct Load<'a> {
    crowd: &'a mut Crowd,
    senders: Vec<Sender>,
    until: Until,
    with_name: bool,
    start: Instant,
    taken_in: Option<Duration>,
    messages: u64,
    words: Vec<u8>,
    patience: Patience,
}

impl<'a> Load<'a> {
    fn new(crowd: &'a mut Crowd, talkers: &[Talker], until: Until, with_name: bool) -> Load<'a> {
        let start = Instant::now();
        let unnamed = |at: usize| format!("talker{at}").into_bytes();
        let authors = talkers.iter().enumerate().map(|(at, talker)| {
            let name = &mut crowd.clients[talker.client].listener.name;
            if name.is_empty() {
                *name = unnamed(at);
            }
            Author::new(name, talker.message_bytes, talker.timed_every())
        });
        let authors = authors.collect();
        crowd.record.set_authors(authors);
        (crowd.record.messages_missed, crowd.record.lines_lost) = (0, 0);
        crowd.latencies.reset();
        let sender = |(at, talker): (usize, &Talker)| {
            let offset = match talker.pace {
                Pace::Every(period) => period * at as u32 / talkers.len() as u32,
                Pace::Window(_) | Pace::Free => Duration::ZERO,
            };
            Sender { talker: *talker, said: 0, due: start + offset }
        };
        Load {
            senders: talkers.iter().enumerate().map(sender).collect(),
            crowd,
            until,
            with_name,
            start,
            taken_in: None,
            messages: 0,
            words: Vec::new(),
            patience: Patience::new(),
        }
    }

    fn turn(&mut self) -> Outcome<()> {
        let now = Instant::now();
        let mut next_due = now + WAIT_MAX;
        for at in 0..self.senders.len() {
            self.say(at, now)?;
            let Sender { talker, due, .. } = self.senders[at];
            if matches!(talker.pace, Pace::Every(_)) {
                next_due = next_due.min(due);
            }
        }
        let read = self.crowd.read(next_due.saturating_duration_since(Instant::now()))?;
        let heard_by_all = self.crowd.catch_up()?;
        self.messages += self.crowd.record.forget(heard_by_all);
        if self.taken_in.is_none() && self.is_taken_in() {
            self.taken_in = Some(self.start.elapsed());
        }
        let progress = read > 0 || matches!(self.until, Until::Time(_));
        self.patience.check(progress, || format!("only {} messages came", self.messages))?;
        Ok(())
    }

    /// Has a sender say all that its pace allows now, in one write.
    fn say(&mut self, at: usize, now: Instant) -> Outcome<()> {
        let Some(author) = self.crowd.record.author_mut(at) else { return Ok(()) };
        let sender = &mut self.senders[at];
        let client: &mut Client = &mut self.crowd.clients[sender.talker.client];
        let waits = !client.has_said_all();
        let most = match self.until {
            Until::Heard(messages) => messages,
            Until::Time(_) => u64::MAX,
        };
        let may_have_said = match sender.talker.pace {
            _ if waits => sender.said,
            Pace::Window(window) => author.heard_by_all + window,
            Pace::Free => sender.said + (FREE_BYTES / sender.talker.message_bytes) as u64,
            Pace::Every(_) => sender.said + u64::from(sender.due <= now),
        };
        if may_have_said.min(most) <= sender.said {
            return Ok(());
        }
        self.words.clear();
        while sender.said < may_have_said.min(most) {
            author.write(sender.said, self.with_name, &mut self.words, now);
            sender.said += 1;
        }
        if let Pace::Every(period) = sender.talker.pace {
            sender.due += period;
        }
        client.say(&self.words)
    }

    fn is_taken_in(&self) -> bool {
        let Until::Heard(messages) = self.until else { return false };
        self.crowd.record.authors().iter().all(|author| author.heard >= messages)
    }

    fn is_over(&self) -> bool {
        match self.until {
            Until::Heard(messages) => {
                let come = self.messages + self.crowd.record.lines_lost;
                come >= messages * self.senders.len() as u64
            }
            Until::Time(time) => self.start.elapsed() >= time,
        }
    }

    fn report(self) -> Report {
        let record = &self.crowd.record;
        let bytes_heard = self.senders.iter().zip(record.authors());
        let bytes_heard =
            bytes_heard.map(|(sender, author)| author.heard * sender.talker.message_bytes as u64);
        let all = self.messages * self.crowd.hearing() as u64;
        Report {
            time: self.start.elapsed(),
            taken_in: self.taken_in.unwrap_or_default(),
            deliveries: all.saturating_sub(record.messages_missed),
            bytes_heard: bytes_heard.collect(),
            lines_missed: self.crowd.clients.iter().map(|one| one.listener.missed).sum(),
            latencies: self.crowd.latencies.clone(),
        }
    }
}

impl Talker {
    /// One message in so many is timed.
    fn timed_every(&self) -> u64 {
        match self.pace {
            _ if !self.timed => NEVER,
            Pace::Window(1) | Pace::Every(_) => 1,
            Pace::Window(_) | Pace::Free => TIMED_EVERY,
        }
    }
}

/// Has the first client send so many lines that are too long, one after the other, and wait for
/// the private reply to each. `long_bytes` is more than the server's limit.
pub fn ask(crowd: &mut Crowd, questions: u64, long_bytes: usize) -> Outcome<Duration> {
    let start = Instant::now();
    let mut question = vec![b'?'; long_bytes];
    question.push(b'\n');
    let mut patience = Patience::new();
    for _ in 0..questions {
        let before = crowd.clients[0].listener.replies;
        crowd.clients[0].say(&question)?;
        while crowd.clients[0].listener.replies == before {
            let read = crowd.read(WAIT_MAX)?;
            patience.check(read > 0, || "no reply came".to_owned())?;
        }
    }
    Ok(start.elapsed())
}
