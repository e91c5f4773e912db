//! The client on a terminal, and each turn of its loop.
//!
//! A turn waits, handles signals, reads from the server, does what the user typed, sends, and
//! draws. While the terminal is blocked, the client does not read from the server, so nothing
//! grows. It always reads the keys, whatever the server does. This file knows the terminal and the
//! clock. It leaves the conversation to [`Talk`] and the typing to [`Typing`].

use std::io;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};

use super::columns::width;
use super::paint::OWN_WORD;
use super::redial::Redial;
use super::screen::{Area, Screen};
use super::talk::{PROMPT, Talk};
use super::terminal::Terminal;
use super::typing::{Deed, Typing};
use super::watch::Watch;
use super::{Ended, JoinError, REACH_MAX};
use crate::stdio::backlog::Backlog;
use crate::stdio::sink::{Outcome, RETRY, write_out};
use crate::stdio::source::{Source, Taken};

/// The most bytes of one read, of the keys or from the server.
const READ_BYTES: usize = 4096;

/// How long the server may take to close the connection after the client has closed its side.
const GOODBYE: Duration = Duration::from_secs(1);

/// How long the terminal may stay blocked before the last lines are given up.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How long the client reads the rest of a paste before it gives the terminal back. What it has not
/// read by then is discarded.
const PASTE_END: Duration = Duration::from_secs(5);

/// The signals that the client handles.
pub const SIGNALS: [i32; 7] = [SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH];

/// The state of the connection.
#[derive(Clone, Copy, Debug)]
enum Link {
    /// There is a connection since then.
    Up(Instant),
    /// The client leaves, and waits until then for the server to close the connection.
    Leaving(Instant),
    /// The client tries an address until then.
    Reaching(Instant),
    /// The client pauses until then.
    Down(Instant),
}

/// The client on a terminal.
pub struct Seat {
    watch: Watch,
    source: Source,
    terminal: Terminal,
    screen: Screen,
    talk: Talk,
    typing: Typing,
    redial: Redial,
    link: Link,
    /// What the terminal has not taken yet.
    out: Backlog,
    retry_at: Option<Instant>,
    ended: Option<Ended>,
}

impl Seat {
    /// Makes the client between a terminal and a connected server.
    pub fn new(
        watch: Watch,
        source: Source,
        terminal: Terminal,
        talk: Talk,
        typing: Typing,
        redial: Redial,
    ) -> Seat {
        let screen = Screen::new(terminal.size(), talk.paint);
        Seat {
            watch,
            source,
            terminal,
            screen,
            talk,
            typing,
            redial,
            link: Link::Up(Instant::now()),
            out: Backlog::default(),
            retry_at: None,
            ended: None,
        }
    }

    /// Talks until the user leaves.
    pub fn run(mut self) -> Result<Ended, JoinError> {
        self.watch.catch_signals(&SIGNALS).map_err(JoinError::system("catch signals"))?;
        self.watch.watch_input(&self.source).map_err(JoinError::system("watch the terminal"))?;
        self.terminal.hook_panics().map_err(JoinError::system("prepare the terminal"))?;
        self.terminal.take().map_err(JoinError::system("take the terminal"))?;
        self.talk.connected(false);
        let ended = loop {
            let now = self.wait().map_err(JoinError::system("wait"))?;
            self.turn(now)?;
            if let Some(ended) = self.ended {
                break ended;
            }
        };
        self.watch.hang_up();
        self.say_last_words();
        Ok(ended)
    }

    fn turn(&mut self, now: Instant) -> Result<(), JoinError> {
        self.heed_signals(now)?;
        self.connect(now);
        self.hear(now);
        self.do_what_is_typed(now);
        self.talk.lapse(now);
        self.send(now);
        self.draw(now);
        Ok(())
    }

    fn wait(&mut self) -> io::Result<Instant> {
        let now = Instant::now();
        let link = match self.link {
            Link::Up(_) => None,
            Link::Leaving(by) | Link::Reaching(by) => Some(by),
            // The note shows another number each second.
            Link::Down(again_at) => Some(again_at - whole_seconds_but_one(again_at, now)),
        };
        // While the terminal is blocked, nothing is drawn.
        let draw = self.screen.next_deadline().filter(|_| self.out.is_empty());
        let (talk, typing) = (self.talk.next_deadline(), self.typing.next_deadline());
        let others = [self.retry_at, draw, talk, typing, link];
        let until = if self.has_work() { Some(now) } else { others.into_iter().flatten().min() };
        self.watch.wait(until.map(|at| at.saturating_duration_since(now)))?;
        Ok(Instant::now())
    }

    fn has_work(&mut self) -> bool {
        let may_hear = self.may_hear() && self.watch.server_readable;
        self.watch.input_readable || may_hear || self.may_say_queued()
    }

    fn may_hear(&self) -> bool {
        self.out.is_empty() && matches!(self.link, Link::Up(_) | Link::Leaving(_))
    }

    fn is_up(&self) -> bool {
        matches!(self.link, Link::Up(_))
    }

    fn may_say_queued(&mut self) -> bool {
        self.is_up()
            && !self.typing.queue.is_empty()
            && !self.typing.queue.asking
            && self.talk.has_room_for_queued()
    }

    fn heed_signals(&mut self, now: Instant) -> Result<(), JoinError> {
        for signal in self.watch.signals() {
            match signal {
                SIGWINCH => self.resize(now),
                SIGTSTP => self.suspend(now)?,
                SIGCONT => self.resume(now)?,
                _ => self.ended = Some(Ended::Signal(signal)),
            }
        }
        Ok(())
    }

    fn resize(&mut self, now: Instant) {
        self.screen.resize(self.terminal.size(), now, self.out.end());
    }

    /// Gives the terminal back, stops until the shell continues it, and takes the terminal again.
    fn suspend(&mut self, now: Instant) -> Result<(), JoinError> {
        self.hand_back();
        signal_hook::low_level::emulate_default_handler(SIGTSTP)
            .map_err(JoinError::system("stop"))?;
        // The signal that continued this process is not news.
        let is_news = |signal: &i32| !matches!(*signal, SIGCONT | SIGTSTP | SIGWINCH);
        let news = self.watch.signals().into_iter().find(is_news);
        self.ended = news.map(Ended::Signal).or(self.ended);
        self.resume(now)
    }

    /// Takes the terminal again after another program had it.
    fn resume(&mut self, now: Instant) -> Result<(), JoinError> {
        self.terminal.take().map_err(JoinError::system("take the terminal"))?;
        self.resize(now);
        self.screen.forget();
        Ok(())
    }

    fn connect(&mut self, now: Instant) {
        match self.link {
            Link::Down(again_at) if again_at <= now => self.reach_next(now),
            Link::Leaving(by) if by <= now => self.ended = Some(Ended::Left),
            Link::Reaching(by) => match self.watch.is_reached() {
                Ok(true) => {
                    self.link = Link::Up(now);
                    self.talk.show_own_word("connected again");
                    self.talk.connected(true);
                }
                Ok(false) if by > now => {}
                Ok(false) | Err(_) => self.reach_next(now),
            },
            _ => {}
        }
    }

    /// Tries the next address, or pauses after the last one.
    fn reach_next(&mut self, now: Instant) {
        while let Some(address) = self.redial.next_address() {
            if self.watch.connect(address).is_ok() {
                self.link = Link::Reaching(now + REACH_MAX);
                return;
            }
        }
        self.watch.hang_up();
        self.link = Link::Down(now + self.redial.next_pause());
    }

    fn hear(&mut self, now: Instant) {
        if !self.may_hear() {
            return;
        }
        let mut buffer = [0; READ_BYTES];
        match self.watch.receive(&mut buffer) {
            Ok(Some(0)) => self.lose("the server has closed the connection", now),
            Ok(Some(bytes)) => {
                self.talk.heard(&buffer[..bytes], now);
                self.typing.queue.asking |= std::mem::take(&mut self.talk.refused);
            }
            Ok(None) => {}
            Err(error) => self.lose(&JoinError::lost(error).to_string(), now),
        }
    }

    fn lose(&mut self, why: &str, now: Instant) {
        self.watch.hang_up();
        let (Link::Up(since), false) = (self.link, self.talk.quitting) else {
            self.ended = Some(Ended::Left);
            return;
        };
        self.talk.lost(now);
        self.typing.queue.asking = true;
        self.talk.show_own_word(why);
        self.redial.lost_after(now.saturating_duration_since(since));
        self.link = Link::Down(now + self.redial.next_pause());
    }

    fn do_what_is_typed(&mut self, now: Instant) {
        if self.watch.input_readable && !self.read_keys(now) {
            self.ended = Some(Ended::Left);
        }
        self.typing.lapse(now);
        while let Some(deed) = self.next_deed() {
            self.do_deed(deed, now);
        }
    }

    /// The next action. A typed one comes first, because it may stop the queued lines.
    fn next_deed(&mut self) -> Option<Deed> {
        let may_say = self.is_up() && self.talk.may_say();
        self.typing.bytes_max = self.talk.bytes_max;
        let typed = self.typing.next_deed(&self.talk.people, &self.talk.me, may_say);
        let may_go_on = typed.is_none() && self.may_say_queued();
        let queued = |(line, pasted)| Deed::Say(line, pasted);
        if may_go_on { self.typing.queue.next_line().map(queued) } else { typed }
    }

    /// Reads the keys. Returns whether the terminal is still there.
    fn read_keys(&mut self, now: Instant) -> bool {
        let mut buffer = [0; READ_BYTES];
        match self.source.read(&mut buffer) {
            Taken::Bytes(bytes) => {
                if self.typing.push(&buffer[..bytes], now) {
                    self.talk.away.typed(now);
                }
                self.screen.scrolls = self.typing.keys.scrolls;
            }
            Taken::Ended { hung_up: true } => return false,
            Taken::NotYet | Taken::Ended { .. } => self.watch.input_readable = false,
        }
        true
    }

    /// Reads what the terminal still holds of a paste, or the shell would run it line by line. The
    /// paste keeps no more of it than its bound.
    fn read_paste_to_its_end(&mut self) {
        let by = Instant::now() + PASTE_END;
        while self.typing.paste.is_some() {
            let now = Instant::now();
            if now > by {
                return self.terminal.forget_input();
            }
            let is_there = self.read_keys(now);
            let pause = if self.watch.input_readable { Duration::ZERO } else { RETRY };
            if !is_there || self.watch.wait(Some(pause)).is_err() {
                return;
            }
            self.typing.lapse(now);
        }
    }

    fn do_deed(&mut self, deed: Deed, now: Instant) {
        match deed {
            Deed::Say(line, true) => self.talk.say_pasted(&line, now),
            Deed::Say(line, false) => {
                self.talk.say(&line, now);
                if let Err(error) = self.typing.history.remember(&line) {
                    let why = error.kind();
                    self.talk.show_own_word(&format!("what you type is not kept: {why}"));
                }
            }
            Deed::Show(words) => self.talk.show_own_word(&words.join("  ")),
            Deed::Redraw => self.screen.clear(self.out.end()),
            Deed::Leave => self.leave(now),
            Deed::Suspend => suspend_group(),
            Deed::Ring if self.out.is_empty() => self.out.end().push(b'\x07'),
            Deed::Ring => {}
        }
    }

    fn leave(&mut self, now: Instant) {
        match self.link {
            Link::Up(_) => self.link = Link::Leaving(now + GOODBYE),
            Link::Leaving(_) => self.ended = Some(Ended::Left),
            Link::Reaching(_) | Link::Down(_) => self.ended = Some(Ended::Lost),
        }
    }

    fn send(&mut self, now: Instant) {
        if !matches!(self.link, Link::Up(_) | Link::Leaving(_)) {
            return;
        }
        let outgoing = &mut self.talk.outgoing;
        match self.watch.send(outgoing.rest()) {
            Ok(sent) => outgoing.took(sent),
            // What the server sent before it closed can still be read.
            Err(_) if self.watch.server_readable => {}
            Err(error) => return self.lose(&JoinError::lost(error).to_string(), now),
        }
        if matches!(self.link, Link::Leaving(_)) && self.talk.outgoing.is_empty() {
            self.watch.end_sending();
        }
    }

    /// Prints the new lines and draws the area, once the terminal has taken all that came before.
    fn draw(&mut self, now: Instant) {
        if self.retry_at.is_none_or(|at| at <= now) {
            self.retry_at = None;
            self.write_out(now);
        }
        if !self.out.is_empty() || self.retry_at.is_some() {
            return;
        }
        self.print_shown();
        if matches!(self.link, Link::Leaving(_)) {
            self.screen.erase(self.out.end());
        } else {
            let area = self.area(now);
            self.screen.draw(area, now, self.out.end());
        }
        self.write_out(now);
    }

    fn area(&mut self, now: Instant) -> Area {
        let mut notes = self.talk.notes(self.screen.notes_max());
        match self.link {
            Link::Up(_) | Link::Leaving(_) => {}
            Link::Reaching(_) => notes.push("-- connecting (Ctrl-C leaves)".to_owned()),
            Link::Down(again_at) => {
                let seconds = whole_seconds_but_one(again_at, now).as_secs() + 1;
                notes.push(format!("-- trying again in {seconds} s (Ctrl-C leaves)"));
            }
        }
        notes.extend(self.typing.note().map(|note| format!("{OWN_WORD}{note}")));
        // Only the cursor may stand in the last column.
        let room = self.screen.room();
        let prompt = Some(self.talk.prompt()).filter(|prompt| width(prompt) * 2 <= room);
        let prompt = prompt.unwrap_or_else(|| PROMPT.to_owned());
        let columns = (room + 1).saturating_sub(width(&prompt));
        let (before, behind) = self.typing.seen(columns);
        Area { notes, prompt, before, behind }
    }

    fn write_out(&mut self, now: Instant) {
        match write_out(&mut self.out, |bytes| self.terminal.sink.write(bytes)) {
            Outcome::All => {}
            Outcome::Blocked => self.retry_at = Some(now + RETRY),
            Outcome::Closed => _ = self.ended.get_or_insert(Ended::Left),
        }
    }

    /// Waits for the terminal to take the output, but not for ever.
    fn flush_out(&mut self) {
        let mut by = Instant::now() + LAST_WORDS;
        loop {
            let (waiting, now) = (self.out.rest().len(), Instant::now());
            self.write_out(now);
            if self.out.rest().len() < waiting {
                by = now + LAST_WORDS;
            }
            let left = by.saturating_duration_since(Instant::now());
            let is_over = self.out.is_empty() || left.is_zero();
            if is_over || self.watch.wait(Some(left.min(RETRY))).is_err() {
                return;
            }
        }
    }

    fn say_last_words(&mut self) {
        self.talk.over(Instant::now());
        if let Some(told) = self.typing.queue.take_back() {
            self.talk.show_own_word(&told);
        }
        self.hand_back();
    }

    fn print_shown(&mut self) {
        for line in std::mem::take(&mut self.talk.shown) {
            self.screen.print(&line, self.out.end());
        }
    }

    /// Prints the last lines that came, erases the area, and gives the terminal back.
    fn hand_back(&mut self) {
        self.read_paste_to_its_end();
        self.screen.erase(self.out.end());
        self.print_shown();
        self.flush_out();
        self.terminal.give_back();
    }
}

/// All whole seconds from now until then, except the one that has begun.
fn whole_seconds_but_one(then: Instant, now: Instant) -> Duration {
    let left = then.saturating_duration_since(now);
    Duration::from_secs(left.as_secs() - u64::from(left.subsec_nanos() == 0 && left.as_secs() > 0))
}

/// Stops the whole job, as the terminal does at Ctrl-Z. So a parent that waits for the client stops
/// too. A job that leads its session goes on: no shell could continue it.
fn suspend_group() {
    let session = rustix::process::getsid(None);
    if session.is_ok_and(|session| session != rustix::process::getpgrp()) {
        let stop = rustix::process::Signal::TSTP;
        rustix::process::kill_current_process_group(stop).unwrap_or_default();
    }
}
