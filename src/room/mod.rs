//! One conversation, as a value: its lines, the place of each reader, and the lines that wait.
//!
//! A room is driven from outside, and does four things in this order, again and again:
//!
//! 1. Clients' lines are *submitted*. They wait in a queue, in the order in which they came.
//! 2. The queue is *appended* to the transcript, at most a turn's worth. What the room cannot do
//!    alone it returns as an [`Effect`]: an answer to a client, or a command that concerns other
//!    clients. The hub carries that out at once, so an answer stands at the place of its question.
//! 3. A *pass* offers every reader what it lacks. Most take it in one write. A reader that takes
//!    nothing, and lacks so much that the next turn would not fit beside it, *lapses*: it gives up
//!    its position, and reads later how many lines it missed.
//! 4. At the end of the pass the window *forgets* what no reader lacks, except some history.
//!
//! Why nothing is appended during a pass: a reader that takes all that it is offered was then
//! offered everything before more is appended. So it never lapses, however fast others talk. Why
//! only the end of a pass forgets: at that moment every reader has a place or has lapsed, so
//! nothing that is still needed can go, and appending needs no look at the readers.
//!
//! Each room has a pass of its own, so no room waits for another. Nothing here knows a socket or a
//! clock.

use std::net::IpAddr;
use std::time::Instant;

use crate::words::command::Command;
use crate::words::names::Names;
use crate::words::notice::Notice;
use crate::words::voice::Voice;

use burst::{Burst, Part};
use cork::Cork;
use forms::{Entry, FORMS, Form, Forms};
use pages::Pages;
use presence::Presence;
use queues::Queues;
use readers::Readers;
use rules::Rules;
use submissions::{Kind, Submission, Submissions};
use transcript::{EntryKind, Line, SERVER, Stamp, Transcript};
use turns::Turns;
use without::Without;

pub use ids::{ClientId, LOBBY, RoomId};

pub mod burst;
pub mod cork;
pub mod earlier;
pub mod forms;
mod ids;
pub mod pages;
pub mod presence;
pub mod queues;
pub mod readers;
pub mod reading;
pub mod rules;
pub mod submissions;
pub mod transcript;
pub mod turns;
pub mod without;

/// One conversation.
#[derive(Debug)]
pub struct Room {
    /// The network of the client that made it; `None` if the server did.
    maker: Option<IpAddr>,
    /// The serial of the client that made it, while it is here.
    pub host: Option<u64>,
    /// What it is about, as a client set it.
    pub topic: Option<Box<str>>,
    /// What its host or an operator has laid down, if anything.
    pub rules: Option<Box<Rules>>,
    /// Whether it is the room in which clients wait that owe a password: nothing is said there.
    pub is_door: bool,
    /// The lines that were appended.
    pub forms: Forms,
    /// The number of the first line that could be said here. A lower one is of an earlier room.
    pub begins_at: u64,
    /// The lines that wait to be appended.
    pub submissions: Submissions,
    /// The time of what is appended now, in seconds since the server started.
    pub at_seconds: u32,
    /// When a small turn waits for more.
    pub cork: Cork,
    /// How the lines of one moment are split, in a bare relay.
    pub burst: Burst,
    /// The notices about clients that come and go.
    pub presence: Presence,
    /// The connections that read it, with those that are closing.
    pub readers: Readers,
    /// How many of them are in the conversation.
    pub here: usize,
    /// How many clients of other servers of the cluster are.
    pub elsewhere: usize,
    /// In a cluster, the lines that wait to be published to the other servers.
    pub heard: Submissions,
    /// How many others only read it.
    pub reading: usize,
    /// How many connections are moving here from other rooms.
    pub coming: usize,
    /// The clients with lines to submit.
    pub turns: Turns<ClientId>,
    /// The pass that is unfinished.
    pub pass: Option<Pass>,
    /// The operator's reading lapses below this, so that the room can give way to others.
    pub printed_below: u64,
    /// How far it was printed for the operator, and in which form. The rest is kept.
    pub printed: Option<(Form, u64)>,
    /// The operator's log has what stands before this, in the plain form.
    pub logged: u64,
    /// The queues in which the agenda has put it.
    pub queues: Queues,
}

/// How far a pass over the readers has come.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// The place that is looked at next.
    pub next: usize,
    /// By form.
    pub bounds: [Bounds; FORMS],
    /// Whether it makes room for other rooms: then nothing is kept that no reader lacks.
    pub gives_way: bool,
    /// Whether little was appended before it.
    pub is_small: bool,
    /// From here on the plain form is kept as the history for new clients.
    pub kept_from: u64,
}

/// Which readers a pass must not leave behind, in one form.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// A client still below this after it was offered what it lacks must lapse: the window has no
    /// room for that and the next turn.
    pub lapse_below: u64,
    /// A new client below this is greeted now: a turn earlier, so that it is offered what it lacks
    /// before it must lapse.
    pub greeted_below: u64,
    /// The position of the slowest client that the pass has left behind: what it lacks is kept.
    pub slowest: u64,
}

/// What an entry asks for beside its place in the conversation.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// Its author gets these lines.
    Told(Vec<u8>),
    /// Its author, which waits for that, gets these lines; there may be none.
    Answer(Vec<u8>),
    /// Its author, which waits for that, has given this command. It concerns more than this room.
    Command(String),
    /// Its author is no longer on the server.
    Gone,
    /// A line of its author has come back from the order of a cluster.
    Returned,
}

impl Room {
    /// A room without clients. Each form of it holds at most so many bytes, the first of these. The
    /// second is how many are kept for browsers that come back.
    pub fn new(
        maker: Option<IpAddr>,
        (window_bytes_max, recover_bytes): (usize, usize),
        presence: Presence,
    ) -> Room {
        Room {
            maker,
            host: None,
            topic: None,
            rules: None,
            is_door: false,
            forms: Forms::new(window_bytes_max, recover_bytes),
            submissions: Submissions::default(),
            at_seconds: 0,
            cork: Cork::default(),
            burst: Burst::default(),
            presence,
            readers: Readers::default(),
            here: 0,
            elsewhere: 0,
            heard: Submissions::default(),
            reading: 0,
            coming: 0,
            turns: Turns::default(),
            begins_at: 0,
            pass: None,
            printed_below: 0,
            printed: None,
            logged: 0,
            queues: Queues::default(),
        }
    }

    /// How many are in the conversation, those on other servers included.
    pub fn everyone(&self) -> usize {
        self.here + self.elsewhere
    }

    /// The network of the client that made it; `None` if the server did.
    pub fn maker(&self) -> Option<IpAddr> {
        self.maker
    }

    /// Changes the rules.
    pub fn change_rules<T>(&mut self, change: impl FnOnce(&mut Rules) -> T) -> T {
        let mut rules = self.rules.take().unwrap_or_default();
        let result = change(&mut rules);
        self.rules = (!rules.is_empty()).then_some(rules);
        result
    }

    /// Why a client may say nothing here, if it may not.
    pub fn silence(&self, author: u64, now: Instant) -> Option<Notice<'static>> {
        if self.is_door {
            return Some(Notice::PasswordNeeded);
        }
        let is_muted = self.rules.as_ref().is_some_and(|rules| rules.is_muted(author, now));
        is_muted.then_some(Notice::Muted)
    }

    /// Whether no line waits, no pass is in progress, and no client is here or coming.
    pub fn is_empty(&self) -> bool {
        let is_silent = self.submissions.is_empty() && self.heard.is_empty();
        let clients = self.readers.count() + self.coming + self.elsewhere;
        is_silent && self.pass.is_none() && clients == 0
    }

    /// The queues in which it belongs.
    pub fn wants(&self, now: Instant) -> Queues {
        let may_append = self.pass.is_none();
        let is_kept = self.kept_until().is_some_and(|until| now < until);
        let is_submitted = !self.submissions.is_empty() && !is_kept;
        Queues::TALKING.when(may_append && self.turns.count() > 0)
            | Queues::SUBMITTED.when(may_append && is_submitted)
            | Queues::PASSING.when(!may_append)
            | Queues::LEAVING.when(self.is_empty() && self.maker.is_some())
    }

    /// When to look at it, though nothing happens.
    pub fn next_deadline(&self) -> Option<Instant> {
        [self.presence.summary_due(), self.kept_until()].into_iter().flatten().min()
    }

    /// The summary of joins and leaves, if its time has come.
    pub fn take_summary(&mut self, now: Instant) -> Option<Notice<'static>> {
        self.presence.take_summary(self.everyone(), now)
    }

    /// Submits the last line, behind the notices that are still waiting.
    pub fn stop(&mut self, voice: Voice) {
        if let Some(summary) = self.presence.take_untold(self.everyone()) {
            self.submissions.push_notice(&voice.line(&summary));
        }
        self.submissions.push_notice(&voice.line(&Notice::Stopping));
    }

    /// How many bytes may be appended now. `None` if a small turn waits for more. With
    /// `parts_bursts`, `None` also while clients read the last part. What is urgent never waits.
    pub fn turn_bytes(
        &mut self,
        turn_bytes_max: usize,
        is_urgent: bool,
        parts_bursts: bool,
        now: Instant,
    ) -> Option<usize> {
        let waiting = self.submissions.charged();
        if self.submissions.is_empty() {
            return Some(turn_bytes_max);
        }
        let is_small = waiting < turn_bytes_max / 2;
        if self.cork.holds(is_small, is_urgent || self.turns.count() > 0, now) {
            return None;
        }
        if is_urgent || !parts_bursts {
            return Some(turn_bytes_max);
        }
        match self.burst.part(waiting, self.here, now) {
            Part::All => Some(turn_bytes_max),
            Part::Bytes(bytes) => Some(bytes),
            Part::Wait => None,
        }
    }

    /// The moment until which the submitted lines are kept back.
    fn kept_until(&self) -> Option<Instant> {
        let until = self.cork.until().or(self.burst.until());
        until.filter(|_| !self.submissions.is_empty())
    }

    /// Appends what was submitted, in its order.
    pub fn append(
        &mut self,
        pages: &mut Pages,
        submission: &Submission,
        names: &Names,
        voice: Voice,
        now: Instant,
    ) -> Effect {
        let author = submission.author.serial;
        let text = self.submissions.text(submission);
        match submission.kind {
            Kind::AsItIs => {
                let kind = if author == SERVER { EntryKind::Notice } else { EntryKind::Raw };
                self.forms.append(pages, self.stamp(author, kind, ""), &[text]);
            }
            Kind::Line => {
                if let Some(notice) = self.silence(author, now) {
                    return Effect::Told(voice.line(&notice));
                }
                let name = &names.of(author).to_string();
                let stamp = self.stamp(author, EntryKind::Say, name);
                self.forms.append(pages, stamp, &EntryKind::Say.parts(name, text));
            }
            Kind::Ordered { kind, name_bytes } => {
                let stamp = Stamp { author, kind, at_seconds: self.at_seconds, name_bytes };
                self.forms.append(pages, stamp, &[text]);
                return Effect::Returned;
            }
            Kind::Command => {
                let line = String::from_utf8_lossy(text).into_owned();
                return self.obey(pages, author, line, names, voice, now);
            }
            Kind::Answer => return Effect::Answer(text.to_vec()),
            Kind::Departure { told } => {
                if told {
                    let name = &names.of(author).to_string();
                    self.tell_of(pages, SERVER, &Notice::Left { name }, voice);
                }
                return Effect::Gone;
            }
        }
        Effect::None
    }

    /// Carries out a command that concerns this room alone. It gives any other back.
    fn obey(
        &mut self,
        pages: &mut Pages,
        author: u64,
        line: String,
        names: &Names,
        voice: Voice,
        now: Instant,
    ) -> Effect {
        let (kind, text) = match Command::parse(&line) {
            Command::Say(text) => (EntryKind::Say, text),
            Command::Me(text) => (EntryKind::Me, text),
            _ => return Effect::Command(line),
        };
        if let Some(notice) = self.silence(author, now) {
            return Effect::Answer(voice.line(&notice));
        }
        self.say(pages, author, kind, text.as_bytes(), names);
        Effect::Answer(Vec::new())
    }

    /// Appends a line of a client.
    pub fn say(
        &mut self,
        pages: &mut Pages,
        author: u64,
        kind: EntryKind,
        text: &[u8],
        names: &Names,
    ) {
        let name = &names.of(author).to_string();
        let stamp = self.stamp(author, kind, name);
        self.forms.append(pages, stamp, &kind.parts(name, text));
    }

    fn stamp(&self, author: u64, kind: EntryKind, name: &str) -> Stamp {
        Stamp { author, kind, at_seconds: self.at_seconds, name_bytes: name.len() as u8 }
    }

    /// Appends a notice with words of a client. A reader that ignores the client does not get it.
    pub fn tell_of(&mut self, pages: &mut Pages, author: u64, notice: &Notice<'_>, voice: Voice) {
        let stamp = self.stamp(author, EntryKind::Notice, "");
        self.forms.append(pages, stamp, &[&voice.line(notice)]);
    }

    /// The newest lines of clients with a number below `before`, in this form: at most `lines`
    /// lines and `bytes_max` bytes, without the authors that a reader leaves out. `None` if there
    /// are none. In a longer form they take at most twice as much.
    pub fn history(
        &self,
        form: Form,
        reader: u64,
        without: Option<&Without>,
        (lines, bytes_max): (usize, usize),
        before: u64,
    ) -> Option<Vec<u8>> {
        let plain = self.forms.plain();
        let is_left_out = |author| without.is_some_and(|without| without.contains(author));
        let is_wanted = |line: &Line| {
            let Stamp { author, kind, .. } = line.stamp;
            // A notice with words of a client is no line of that client.
            let is_said = kind != EntryKind::Notice && line.number < before;
            is_said && (author == reader || !is_left_out(author))
        };
        let newest = plain.newest(lines, bytes_max, is_wanted);
        let rendered = newest.iter().map(|line| {
            let text = plain.text(line.start, line.end);
            let at_seconds = line.stamp.at_seconds;
            form.render_entry(&Entry { parts: &[&text], number: line.number, at_seconds })
        });
        let rendered: Vec<Vec<u8>> = rendered.collect();
        let mut left = 2 * bytes_max;
        let fits = rendered.iter().rev().take_while(|line| {
            let rest = left.checked_sub(line.len());
            left = rest.unwrap_or_default();
            rest.is_some()
        });
        let first = rendered.len() - fits.count();
        (first < rendered.len()).then(|| rendered[first..].concat())
    }

    /// Begins a pass. One turn appends at most `turn`, each entry of it at most `entry`; `appended`
    /// is what this turn has.
    ///
    /// A client that is greeted in this pass is offered a turn's worth in the next. It may then
    /// stand in the middle of an entry, so there must be room for that much more.
    pub fn begin_pass(&mut self, turn: usize, entry: usize, appended: usize) {
        let is_small = appended < turn / 2;
        // An entry that is as long as a turn is longer in another form.
        let (turn, entry) = (turn + self.forms.extra(), entry + self.forms.extra());
        self.start_pass(is_small, false, |transcript| {
            let below = |reserve| transcript.endangered_below(reserve);
            (below(turn), below(2 * turn + entry))
        });
    }

    /// Begins a pass that offers nothing new, and after which less is held: at most `kept` bytes
    /// for readers that take nothing, or nothing if that is all. `false` if a pass is in progress.
    pub fn give_way(&mut self, kept: usize) -> bool {
        if self.pass.is_some() {
            return false;
        }
        self.start_pass(true, true, |transcript| {
            let kept = if transcript.charged() > kept { kept } else { 0 };
            let reserve = transcript.window_bytes_max() - kept;
            let below = transcript.endangered_below(reserve);
            (below, below)
        });
        if let (Some(pass), Some((form, _))) = (self.pass, self.printed) {
            self.printed_below = pass.bounds[form as usize].lapse_below;
        }
        true
    }

    fn start_pass(
        &mut self,
        is_small: bool,
        gives_way: bool,
        below: impl Fn(&Transcript) -> (u64, u64),
    ) {
        let bounds = |form| {
            let (lapse_below, greeted_below) = below(self.forms.of(form));
            Bounds { lapse_below, greeted_below, slowest: u64::MAX }
        };
        let plain = bounds(Form::Plain);
        let bounds =
            Form::ALL.map(|form| if self.forms.is_read(form) { bounds(form) } else { plain });
        self.pass = Some(Pass { next: 0, bounds, is_small, gives_way, kept_from: u64::MAX });
    }

    /// Ends the pass: each form forgets what none of its readers lacks. Of the plain one the newest
    /// `history` bytes are kept too, as far as they fit beside the next turn.
    ///
    /// No reader is below `lapse_below`, as the pass left none behind there. Since then each reader
    /// has only come further, except lapsed ones, which were looked at again. New clients, and
    /// those with a new form, began at the head. The operator's reading was at most two turns from
    /// that bound before this turn was appended. So the next turn fits into the window, and
    /// `append` need not forget anything.
    pub fn end_pass(&mut self, pages: &mut Pages, history: usize) {
        let Some(pass) = self.pass.take() else { return };
        let plain = self.forms.plain();
        let history = plain.start_at_or_after(plain.head().saturating_sub(history as u64)).1;
        for form in Form::ALL {
            let bounds = pass.bounds[form as usize];
            let printed = self.printed.filter(|printed| printed.0 == form);
            let slowest = printed.map_or(bounds.slowest, |printed| bounds.slowest.min(printed.1));
            debug_assert!(pass.gives_way || slowest >= bounds.lapse_below, "{slowest} {bounds:?}");
            let kept_from = match form {
                _ if pass.gives_way => u64::MAX,
                Form::Plain => history.min(pass.kept_from),
                form => self.forms.kept_from(form),
            };
            let tail = slowest.min(kept_from.max(bounds.lapse_below));
            self.forms.forget_before(pages, form, tail);
        }
        if pass.is_small {
            self.forms.shrink(pages);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::Pace;
    use crate::words::notice::Lang;
    use std::time::Duration;

    const VOICE: Voice = Voice { lang: Lang::En, is_mute: false };

    fn room() -> (Room, Pages, Names, Instant) {
        let presence = Presence::new(Some(Pace::per_second(10, 10)), Duration::from_secs(1));
        (
            Room::new(None, (1 << 16, 0), presence),
            Pages::new(1 << 20),
            Names::default(),
            Instant::now(),
        )
    }

    /// Submits this, and appends it at once.
    fn submit(room: &mut Room, pages: &mut Pages, names: &Names, kind: Kind, text: &str) -> Effect {
        let author = ClientId { serial: 7, key: 0 };
        room.submissions.push(author, kind, text.as_bytes(), 100);
        let submission = room.submissions.take(usize::MAX).unwrap();
        room.append(pages, &submission, names, VOICE, Instant::now())
    }

    fn said(room: &Room) -> String {
        let plain = room.forms.plain();
        String::from_utf8(plain.text(plain.tail(), plain.head())).unwrap()
    }

    #[test]
    fn a_line_is_appended_and_a_command_is_given_back() {
        let (mut room, mut pages, names, _) = room();
        let mut submit = |kind, text| submit(&mut room, &mut pages, &names, kind, text);
        assert_eq!(submit(Kind::Line, "hello"), Effect::None);
        assert_eq!(submit(Kind::Command, "/who"), Effect::Command("/who".into()));
        assert_eq!(submit(Kind::Answer, "* no\n"), Effect::Answer(b"* no\n".into()));
        assert_eq!(submit(Kind::Departure { told: true }, ""), Effect::Gone);
        assert_eq!(submit(Kind::Departure { told: false }, ""), Effect::Gone);
        assert_eq!(said(&room), "guest7: hello\n* guest7 left\n");
    }

    #[test]
    fn a_room_carries_out_what_concerns_it_alone() {
        let (mut room, mut pages, names, _) = room();
        for command in ["/me waves", "//who"] {
            let effect = submit(&mut room, &mut pages, &names, Kind::Command, command);
            assert_eq!(effect, Effect::Answer(Vec::new()), "{command}");
        }
        let notice = Notice::Moved { name: "guest7", room: "attic" };
        room.tell_of(&mut pages, SERVER, &notice, VOICE);
        assert_eq!(said(&room), "~ guest7 waves\nguest7: /who\n* guest7 went to attic\n");
    }

    #[test]
    fn nothing_is_said_by_a_muted_client_or_at_the_door() {
        let (mut room, mut pages, names, _) = room();
        let mut check = |room: &mut Room, notice: Notice<'_>| {
            let told = notice.to_line(Lang::En);
            let mut submit = |kind, text| submit(room, &mut pages, &names, kind, text);
            assert_eq!(submit(Kind::Line, "hello"), Effect::Told(told.clone()));
            assert_eq!(submit(Kind::Command, "/me waves"), Effect::Answer(told));
            assert_eq!(submit(Kind::Command, "/who"), Effect::Command("/who".into()));
        };
        room.change_rules(|rules| rules.mute(7, None, None));
        check(&mut room, Notice::Muted);
        room.change_rules(|rules| rules.unmute(7, None));
        room.is_door = true;
        check(&mut room, Notice::PasswordNeeded);
        assert_eq!(said(&room), "");
    }

    #[test]
    fn nothing_is_wanted_of_a_room_during_its_pass_but_the_pass() {
        let (mut room, mut pages, names, now) = room();
        room.turns.add(ClientId { serial: 7, key: 0 });
        room.submissions.push_notice(b"* one\n");
        assert_eq!(room.wants(now), Queues::TALKING | Queues::SUBMITTED);
        let submission = room.submissions.take(usize::MAX).unwrap();
        room.append(&mut pages, &submission, &names, VOICE, now);
        room.begin_pass(1000, 1000, 6);
        assert_eq!(room.wants(now), Queues::PASSING);
        room.end_pass(&mut pages, 100);
        assert_eq!(room.wants(now), Queues::TALKING);
        assert_eq!(said(&room), "* one\n");
    }

    #[test]
    fn a_room_that_gives_way_keeps_what_its_readers_lack() {
        let (mut room, mut pages, names, _) = room();
        for _ in 0..100 {
            submit(&mut room, &mut pages, &names, Kind::Line, &"x".repeat(90));
        }
        let head = room.forms.plain().head();
        assert!(room.give_way(2000));
        let bounds = room.pass.unwrap().bounds[Form::Plain as usize];
        assert!((head - 2000..head - 1800).contains(&bounds.lapse_below));
        // One reader has not been left behind yet.
        room.pass.as_mut().unwrap().bounds[Form::Plain as usize].slowest = head - 500;
        room.end_pass(&mut pages, 4096);
        let kept = head - room.forms.plain().tail();
        assert!((500..600).contains(&kept), "{kept}");
        assert_eq!(pages.held(), room.forms.held());
        assert!(pages.held() < 3000, "{}", pages.held());
    }
}
