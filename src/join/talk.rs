//! The user's conversation: what is sent, what comes, and what is shown of it.
//!
//! The rules of this file:
//!
//! - The client knows that it has a name from a notice of a chinwag server in any of its languages,
//!   or from an echo. It does not understand other servers' messages about names.
//! - After a lost connection, the client asks for the room, the name and the missed lines again. It
//!   does so only if the server greets as chinwag does: any other would send the commands to
//!   everyone.
//! - A line for a room is never sent to the lobby: it waits until the client has asked for the
//!   room.
//!
//! It never knows the terminal or the socket, and takes the present moment as a parameter.

use std::time::{Duration, Instant};

use super::away::{Away, MARK};
use super::earlier::Earlier;
use super::edit::LINE_BYTES_MAX;
use super::paint::{OWN_WORD, Paint};
use super::pending::{Echo, Me, Pending};
use super::people::People;
use super::said::Said;
use super::secret;
use super::wire::{Hearing, Outgoing};
use crate::words::command::Command;
use crate::words::names::{bare, called};
use crate::words::notice::Notice;

/// The prompt, also before a line of the user's own without an echo.
pub const PROMPT: &str = ">> ";

/// How often to ask again for a lost name: the client's own old connection may still have it.
const REGAIN_EVERY: Duration = Duration::from_secs(5);

/// For how long to ask: by then the server knows that a silent client is gone.
const REGAIN_FOR: Duration = Duration::from_secs(120);

/// The room of new clients, which the prompt does not name.
const LOBBY: &str = "lobby";

/// Asks for the lines that were missed while there was no connection.
const HISTORY_COMMAND: &str = "/history 20";

/// Another pasted line is sent while fewer bytes than this wait and few lines have no echo yet: a
/// line that was sent cannot be taken back.
const PASTED_BYTES_AHEAD: usize = 4096;
const PASTED_LINES_AHEAD: usize = 16;

/// The attempts to get the wanted name back.
#[derive(Debug)]
struct Regain {
    asked_at: Instant,
    until: Instant,
    /// How the server refused it, which is shown once.
    refusal: Option<String>,
}

/// The conversation of one user.
#[derive(Debug, Default)]
pub struct Talk {
    hearing: Hearing,
    /// The bytes to send.
    pub outgoing: Outgoing,
    /// The user's names.
    pub me: Me,
    pending: Pending,
    earlier: Earlier,
    /// The other names that were seen.
    pub people: People,
    /// What came since the user last pressed a key.
    pub away: Away,
    /// How its lines look.
    pub paint: Paint,
    /// Whether the greeting of the server is still to come.
    is_new: bool,
    /// Whether there was a connection before.
    is_again: bool,
    /// Whether the greeting comes only behind a password. Until then the server takes no line, and
    /// what the client has asked for must be asked for again.
    is_at_door: bool,
    /// Whether the server greets as chinwag does.
    is_ours: bool,
    /// The name that the user has or wants, for another connection.
    wanted: Option<String>,
    /// The name last asked for, until the server gives it.
    asked: Option<String>,
    regain: Option<Regain>,
    /// The present room, unless it is the lobby.
    room: Option<String>,
    /// The room that the user is in or wants, for another connection.
    wanted_room: Option<String>,
    /// Whether the user has asked the server to close the connection.
    pub quitting: bool,
    /// The most bytes of a line that the server takes, as far as is known.
    pub bytes_max: usize,
    /// Whether the server has refused a line.
    pub refused: bool,
    /// The lines to print.
    pub shown: Vec<String>,
}

impl Talk {
    /// A talk with nothing sent yet. It asks for `nick` and `room` on every connection.
    pub fn new(paint: Paint, nick: Option<String>, room: Option<String>) -> Talk {
        let wanted = nick.map(|nick| bare(&nick).to_owned());
        let bytes_max = LINE_BYTES_MAX;
        Talk { paint, wanted, wanted_room: room, bytes_max, ..Talk::default() }
    }

    /// Notes that there is a connection; `again` if there was one before.
    pub fn connected(&mut self, again: bool) {
        (self.is_new, self.is_again, self.is_at_door) = (true, again, false);
        self.earlier.missed_only = again;
        if !again {
            self.ask_for_name();
            self.ask_for_room();
        }
    }

    /// The connection is gone. Lines without an echo may not have arrived.
    pub fn lost(&mut self, now: Instant) {
        self.hear_rest(now);
        self.show_doubtful();
        (self.hearing, self.outgoing) = Default::default();
        (self.asked, self.regain, self.room) = (None, None, None);
        // Another server may take longer lines.
        self.bytes_max = LINE_BYTES_MAX;
        self.me.forget();
    }

    /// The conversation is over. Shows the lines that have no echo, and those that were not even
    /// sent.
    pub fn over(&mut self, now: Instant) {
        self.hear_rest(now);
        if !self.outgoing.is_empty() {
            return self.show_doubtful();
        }
        let pending = self.pending.lost();
        self.show_own_lines(pending);
    }

    /// Sends a line.
    pub fn say(&mut self, line: &str, now: Instant) {
        match Command::parse(line) {
            Command::Nick(name) => {
                self.me.ask(name);
                self.asked = Some(bare(name).to_owned());
                self.regain = None;
            }
            Command::Quit(_) => self.quitting = true,
            Command::History(_) => self.earlier.missed_only = false,
            // Until the greeting the client is not in the user's room.
            Command::Password(_) => self.is_ours |= self.is_new,
            _ => {}
        }
        self.send(line, now);
    }

    /// Sends a pasted line, which is no command. A chinwag server takes `//` as a text that begins
    /// with `/`.
    pub fn say_pasted(&mut self, line: &str, now: Instant) {
        let more = if line.starts_with('/') && self.is_ours { "/" } else { "" };
        self.send(&format!("{more}{line}"), now);
    }

    /// Whether so little is on its way that another pasted line may be sent.
    pub fn has_room_for_queued(&self) -> bool {
        let is_little = self.outgoing.rest().len() < PASTED_BYTES_AHEAD;
        self.may_say() && is_little && self.pending.lines().count() < PASTED_LINES_AHEAD
    }

    fn send(&mut self, line: &str, now: Instant) {
        self.outgoing.push_line(line);
        let shown = self.pending.sent(line, now);
        self.show_own_lines(shown);
    }

    /// Takes in what was read.
    pub fn heard(&mut self, bytes: &[u8], now: Instant) {
        self.hearing.push(bytes, now);
        self.hear_lines(now);
    }

    /// Handles the deadlines that have passed.
    pub fn lapse(&mut self, now: Instant) {
        self.hear_lines(now);
        let overdue = self.pending.overdue(&mut self.me, now);
        self.show_own_lines(overdue);
        self.regain_due(now);
    }

    /// When to call [`Talk::lapse`].
    pub fn next_deadline(&self) -> Option<Instant> {
        let regain = self.regain.as_ref().map(|regain| regain.asked_at + REGAIN_EVERY);
        let deadlines = [self.hearing.next_deadline(), self.pending.next_deadline(), regain];
        deadlines.into_iter().flatten().min()
    }

    /// Shows a message of this program to the user.
    pub fn show_own_word(&mut self, text: &str) {
        self.shown.push(self.paint.own(OWN_WORD, text));
    }

    /// The note with the number of new lines, and the last lines on their way as they will look.
    pub fn notes(&self, count: usize) -> Vec<String> {
        let name = self.me.name().map(|name| format!("{}: ", called(name)));
        let before = name.as_deref().unwrap_or(PROMPT);
        let as_shown = |line: &str| {
            let is_command = line.starts_with('/') && !line.starts_with("//");
            format!("{}{line}", if is_command { PROMPT } else { before })
        };
        let last = self.pending.lines().rev().take(count).map(as_shown);
        let new_lines = self.away.note().map(|note| format!("{OWN_WORD}{note}"));
        let mut notes: Vec<String> = last.chain(new_lines).collect();
        notes.reverse();
        notes
    }

    /// Whether more may be sent: little waits to be sent, and the client is in the user's room
    /// again.
    pub fn may_say(&self) -> bool {
        let is_back = !self.is_new || !self.is_ours || self.wanted_room.is_none();
        is_back && !self.outgoing.is_full()
    }

    /// The prompt before the line that is typed.
    pub fn prompt(&self) -> String {
        let room = self.room.as_deref();
        room.map_or_else(|| PROMPT.to_owned(), |room| format!("{}> ", called(room)))
    }

    fn hear_lines(&mut self, now: Instant) {
        while let Some(line) = self.hearing.next_line(now) {
            self.line(&line, now);
        }
    }

    /// Takes in the rest: nothing more will come.
    fn hear_rest(&mut self, now: Instant) {
        if let Some(rest) = self.hearing.rest() {
            self.line(&rest, now);
        }
    }

    fn line(&mut self, line: &str, now: Instant) {
        let said = Said::of(line);
        self.note_name(&said);
        self.note_room(&said);
        let is_at_door = match said.notice() {
            Some(Notice::PasswordNeeded) => true,
            Some(Notice::Welcome { .. }) => false,
            _ => self.is_at_door,
        };
        if is_at_door {
            self.connected(true);
            (self.is_at_door, self.is_ours) = (true, false);
        } else if std::mem::take(&mut self.is_new) {
            self.greeted(line, now);
        }
        if let Some(lines) = self.earlier.heard(line, &said) {
            let paint = Paint { bell: false, ..self.paint };
            lines.iter().for_each(|line| self.people.note(&Said::of(line)));
            return self.shown.extend(lines.iter().map(|line| paint.line(line, &self.me)));
        }
        self.people.note(&said);
        let echo = self.pending.heard(line, &mut self.me, now);
        let is_own = echo != Echo::No;
        match echo {
            Echo::Shown => return,
            Echo::Instead(before) => self.show_own_lines(before),
            Echo::No => {}
        }
        self.note_echoed_name();
        if self.is_known_refusal(&said, line) {
            return;
        }
        if is_own {
            self.away.is_below_ours = true;
        } else if self.away.is_marked(now) {
            self.show_own_word(MARK);
        }
        self.shown.push(self.paint.line(line, &self.me));
        if let Some(notice) = said.notice()
            && let Some(line) = self.pending.refused(&notice)
        {
            self.show_own_word(&format!("not sent: {line}"));
            self.refused = true;
            if let Notice::LineTooLong { bytes_max } = notice {
                self.bytes_max = bytes_max;
            }
        }
    }

    fn greeted(&mut self, line: &str, now: Instant) {
        self.is_ours = line.starts_with("* ");
        if !self.is_again || !self.is_ours {
            return;
        }
        self.ask_for_room();
        if self.wanted.as_ref().is_some_and(|name| !self.me.is_now(name)) {
            self.ask_for_name();
            self.regain = Some(Regain { asked_at: now, until: now + REGAIN_FOR, refusal: None });
        }
        self.outgoing.push_line(HISTORY_COMMAND);
    }

    fn ask_for_name(&mut self) {
        if let Some(name) = &self.wanted {
            self.me.ask(name);
            self.asked = Some(name.clone());
            self.outgoing.push_line(&format!("/nick {name}"));
        }
    }

    fn ask_for_room(&mut self) {
        if let Some(room) = &self.wanted_room {
            self.outgoing.push_line(&format!("/join {room}"));
        }
    }

    fn note_room(&mut self, said: &Said<'_>) {
        if let Some(Notice::Entered { room, .. } | Notice::InRoom { room }) = said.notice() {
            self.room = Some(bare(room).to_owned()).filter(|room| room != LOBBY);
            self.wanted_room.clone_from(&self.room);
        }
    }

    fn note_name(&mut self, said: &Said<'_>) {
        if said.notice().is_some_and(|notice| self.me.note(&notice)) {
            self.asked = self.me.name().map(str::to_owned);
        }
    }

    fn note_echoed_name(&mut self) {
        if let Some(name) = self.asked.take_if(|name| self.me.is_now(name)) {
            (self.regain, self.wanted) = (None, Some(name));
        }
    }

    /// Whether this repeats a refusal of a name that the client asks for again and again.
    fn is_known_refusal(&mut self, said: &Said<'_>, line: &str) -> bool {
        let Some(Notice::NameTaken { name } | Notice::NameLooksTaken { name }) = said.notice()
        else {
            return false;
        };
        let is_wanted = self.wanted.as_deref() == Some(bare(name));
        let regain = self.regain.as_mut().filter(|_| is_wanted);
        let known = regain.and_then(|regain| regain.refusal.replace(line.to_owned()));
        known.as_deref() == Some(line)
    }

    fn regain_due(&mut self, now: Instant) {
        let is_due = |regain: &&mut Regain| regain.asked_at + REGAIN_EVERY <= now;
        let Some(regain) = self.regain.as_mut().filter(is_due) else { return };
        if regain.until > now {
            regain.asked_at = now;
            return self.ask_for_name();
        }
        self.regain = None;
        let name = self.wanted.as_deref().unwrap_or_default();
        self.show_own_word(&format!("the name {name} is not to be had"));
    }

    /// Shows the lines without an echo, and those that the socket has not taken whole.
    fn show_doubtful(&mut self) {
        let pending = self.pending.lost();
        let mut unsent = self.outgoing.unsent_lines();
        unsent.retain(|line| !pending.contains(line));
        for line in pending.iter().chain(&unsent) {
            self.show_own_word(&format!("may not have been sent: {}", secret::hidden(line)));
        }
    }

    fn show_own_lines(&mut self, lines: Vec<String>) {
        if !lines.is_empty() {
            self.away.is_below_ours = true;
        }
        let hidden = |line: &String| self.paint.own(PROMPT, &secret::hidden(line));
        self.shown.extend(lines.iter().map(hidden));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::join::away::AWAY;

    struct Scene {
        talk: Talk,
        now: Instant,
    }

    impl Scene {
        fn new(nick: Option<&str>) -> Scene {
            let paint = Paint { colored: false, bell: false, clock: None };
            let mut talk = Talk::new(paint, nick.map(str::to_owned), None);
            talk.connected(false);
            Scene { talk, now: Instant::now() }
        }

        fn hear(&mut self, text: &str) -> Vec<String> {
            self.talk.heard(text.as_bytes(), self.now);
            std::mem::take(&mut self.talk.shown)
        }

        fn say(&mut self, line: &str) -> Vec<String> {
            self.talk.say(line, self.now);
            std::mem::take(&mut self.talk.shown)
        }

        fn pass(&mut self, time: Duration) -> Vec<String> {
            self.now += time;
            self.talk.lapse(self.now);
            std::mem::take(&mut self.talk.shown)
        }

        fn sent(&mut self) -> String {
            let sent = String::from_utf8(self.talk.outgoing.rest().to_vec()).unwrap();
            self.talk.outgoing.took(sent.len());
            sent
        }

        fn reconnect(&mut self) -> Vec<String> {
            self.talk.lost(self.now);
            self.talk.connected(true);
            std::mem::take(&mut self.talk.shown)
        }
    }

    #[test]
    fn a_line_is_pending_until_its_echo_comes() {
        let mut scene = Scene::new(None);
        scene.hear("* welcome, you are guest1 (127.0.0.1:7), 1 here\n");
        assert!(scene.say("hi").is_empty());
        assert_eq!((scene.talk.notes(9), scene.sent()), (vec!["guest1: hi".into()], "hi\n".into()));
        assert_eq!(scene.hear("eve: x\nguest1: hi\n"), ["eve: x", "guest1: hi"]);
        assert!(scene.talk.notes(9).is_empty());
    }

    #[test]
    fn without_an_echo_a_line_becomes_our_own() {
        let mut scene = Scene::new(None);
        scene.say("hi");
        assert_eq!(scene.talk.notes(9), [">> hi"]);
        assert_eq!(scene.talk.next_deadline(), Some(scene.now + Duration::from_secs(2)));
        assert_eq!(scene.pass(Duration::from_secs(2)), [">> hi"]);
    }

    #[test]
    fn what_comes_while_the_person_is_away_is_marked_and_counted() {
        let mut scene = Scene::new(None);
        scene.hear("* welcome, you are guest1 (127.0.0.1:7), 1 here\n");
        scene.talk.away.typed(scene.now);
        assert_eq!(scene.hear("eve: a\n"), ["eve: a"]);
        scene.pass(AWAY);
        assert!(scene.talk.notes(9).is_empty());
        assert_eq!(scene.hear("eve: b\neve: c\n"), ["-- new lines", "eve: b", "eve: c"]);
        assert_eq!(scene.talk.notes(9), ["-- 2 new lines"]);
        scene.talk.away.typed(scene.now);
        scene.say("d");
        assert_eq!(scene.talk.notes(9), ["guest1: d"]);
        assert_eq!(scene.hear("guest1: d\n"), ["guest1: d"]);
        scene.pass(AWAY);
        assert_eq!(scene.hear("eve: below what we said\n").len(), 1);
        assert_eq!(scene.talk.notes(9), ["-- 1 new line"]);
        scene.talk.away.typed(scene.now);
        assert_eq!(scene.say("/who"), [">> /who"]);
        scene.pass(AWAY);
        assert_eq!(scene.hear("* nobody\n"), ["* nobody"]);
    }

    #[test]
    fn a_name_is_asked_for_at_once() {
        assert_eq!(Scene::new(Some("bob")).sent(), "/nick bob\n");
    }

    #[test]
    fn a_notice_tells_our_name_in_any_language() {
        let mut scene = Scene::new(Some("bob"));
        scene.hear("* welcome, you are guest1 (127.0.0.1:7), 1 here\n* eve left\n* bob left\n");
        assert_eq!(scene.talk.me.name(), Some("guest1"));
        scene.hear("* guest1님의 이름이 이제 bob입니다\n");
        assert_eq!(scene.talk.me.name(), Some("bob"));
    }

    #[test]
    fn a_refused_name_is_not_taken_for_given() {
        for refusal in ["* bo is taken", "* bo은(는) 이미 쓰는 이름입니다", "* bo: in use"]
        {
            for old in ["b", "o", "is"] {
                let mut scene = Scene::new(None);
                scene.hear(&format!("* welcome, you are {old}, 2 here\n"));
                scene.say("/nick bo");
                scene.hear(&format!("{refusal}\n"));
                assert_eq!(scene.talk.me.name(), Some(old), "{refusal}");
            }
        }
    }

    #[test]
    fn a_refused_name_is_that_of_someone_else() {
        let mut scene = Scene::new(None);
        scene.hear("* welcome, you are guest1, 2 here\n");
        scene.say("/nick bob");
        scene.hear("* bob is taken\n");
        scene.say("hi");
        // The other client with that name says the same.
        assert_eq!(scene.hear("bob: hi\n"), ["bob: hi"]);
        assert_eq!((scene.talk.me.name(), scene.talk.notes(9).len()), (Some("guest1"), 1));
    }

    #[test]
    fn a_name_is_ours_as_the_server_writes_it() {
        let mut scene = Scene::new(None);
        scene.hear("* welcome, you are guest1, 2 here\n");
        scene.say("/nick re\u{301}my");
        scene.hear("* guest1 is now r\u{e9}my\n");
        assert_eq!(scene.talk.wanted.as_deref(), Some("r\u{e9}my"));
    }

    #[test]
    fn the_bell_rings_on_a_korean_server() {
        let mut scene = Scene::new(None);
        scene.talk.paint.bell = true;
        scene.hear("* 환영합니다, guest1 (127.0.0.1:7)님. 지금 2명이 있습니다\n");
        assert_eq!(scene.hear("eve: guest1?\n"), ["eve: guest1?\u{7}"]);
        scene.say("/nick 이");
        scene.hear("* guest1님의 이름이 이제 이입니다\n");
        assert_eq!(scene.hear("eve: 이님!\n"), ["eve: 이님!\u{7}"]);
        scene.say("/nick 김");
        scene.hear("* 김은(는) 이미 쓰는 이름입니다\n");
        assert_eq!(scene.talk.me.name(), Some("이"));
    }

    #[test]
    fn a_name_is_one_word_behind_the_command_in_any_case() {
        let mut scene = Scene::new(None);
        scene.say("/nick no name");
        assert!(!scene.talk.me.is("no"));
        scene.say("/Nick eve");
        assert!(scene.talk.me.is("eve"));
    }

    #[test]
    fn a_name_copied_from_the_screen_is_known_when_it_is_given() {
        let mut scene = Scene::new(None);
        scene.hear("* welcome, you are guest1, 1 here\n");
        scene.say("/nick שרה\u{200e}");
        scene.hear("* guest1 is now שרה\u{200e}\n");
        assert_eq!(
            (scene.talk.me.name(), scene.talk.wanted.as_deref()),
            (Some("שרה"), Some("שרה"))
        );
        scene.say("שלום");
        assert_eq!(scene.talk.notes(9), ["שרה\u{200e}: שלום"]);
        assert_eq!(scene.hear("שרה\u{200e}: שלום\n"), ["שרה\u{200e}: שלום"]);
    }

    #[test]
    fn a_name_is_asked_for_again_until_it_is_given() {
        let mut scene = Scene::new(Some("bob"));
        scene.hear("* welcome, you are guest1, 1 here\n* guest1 is now bob\n");
        scene.reconnect();
        scene.sent();
        assert_eq!(scene.hear("* welcome, you are guest2, 1 here\n").len(), 1);
        assert_eq!(scene.sent(), "/nick bob\n/history 20\n");
        assert_eq!(scene.hear("* bob is taken\n"), ["* bob is taken"]);
        assert!(scene.pass(Duration::from_secs(4)).is_empty() && scene.sent().is_empty());
        scene.pass(Duration::from_secs(1));
        assert_eq!(scene.sent(), "/nick bob\n");
        assert!(scene.hear("* bob is taken\n").is_empty());
        assert_eq!(scene.hear("* bob left\n"), ["* bob left"]);
        scene.pass(Duration::from_secs(5));
        assert_eq!(scene.sent(), "/nick bob\n");
        assert_eq!(scene.hear("* guest2 is now bob\n").len(), 1);
        scene.pass(Duration::from_secs(5));
        assert_eq!((scene.sent(), scene.talk.next_deadline()), (String::new(), None));
    }

    /// Loses the connection after these lines, and is greeted again.
    fn back_after(lines: &str) -> Scene {
        let mut scene = Scene::new(None);
        scene.talk.paint.bell = true;
        scene.hear("* welcome, you are bob, 2 here\n");
        scene.hear(lines);
        scene.reconnect();
        scene.hear("* welcome, you are bob, 2 here\n");
        scene
    }

    #[test]
    fn after_a_loss_what_was_missed_is_shown_once_and_does_not_ring() {
        let lines = "eve: one\n* amy joined\n~ amy waves\n[eve -> bob] psst\neve: two\n";
        let mut scene = back_after(lines);
        assert_eq!(scene.sent(), "/history 20\n");
        // Another client says it again meanwhile, and it rings.
        assert_eq!(scene.hear("eve: bob!\n"), ["eve: bob!\u{7}"]);
        let history =
            "* history\neve: zero\neve: one\n~ amy waves\neve: two\neve: bob?\neve: bob!\n";
        assert_eq!(scene.hear(history), ["* history", "eve: zero", "eve: bob?"]);
        assert_eq!(scene.hear("* now\n"), ["* now"]);
        assert_eq!(scene.hear("eve: bob\n"), ["eve: bob\u{7}"]);
    }

    #[test]
    fn after_a_loss_nothing_is_shown_if_nothing_was_missed() {
        let mut scene = back_after("");
        assert!(scene.hear("* no history\n").is_empty());
        let mut scene = back_after("eve: one\neve: two\n");
        assert!(scene.hear("* 지난 대화\neve: one\neve: two\n* 여기부터 지금\n").is_empty());
        // The server itself sends it, and answers then.
        scene.reconnect();
        scene.hear("* welcome, you are bob, 2 here\n");
        let (missed, now) = ("* history\neve: one\neve: two\neve: three\n", "* now\n");
        assert_eq!(scene.hear(&format!("{missed}{now}")), ["* history", "eve: three", "* now"]);
        assert_eq!(scene.hear("eve: four\n"), ["eve: four"]);
        assert!(scene.hear(&format!("{missed}eve: four\n{now}")).is_empty());
    }

    #[test]
    fn an_old_name_does_not_come_back_with_old_lines() {
        let mut scene = back_after("zoe: one\n* zoe is now amy\n");
        scene.hear("* history\nzoe: one\namy: two\n* now\n");
        let Talk { me, people, .. } = &scene.talk;
        assert_eq!(people.complete("z", me), crate::join::people::Completion::Nothing);
    }

    #[test]
    fn a_refusal_is_one_of_the_whole_name() {
        let mut scene = Scene::new(Some("bo"));
        scene.hear("* welcome, you are guest1, 1 here\n* guest1 is now bo\n");
        scene.reconnect();
        scene.hear("* welcome, you are guest2, 1 here\n* bo is taken\n");
        scene.pass(Duration::from_secs(5));
        assert_eq!(scene.hear("* bob left\n* bo is taken\n* bob left\n").len(), 2);
    }

    #[test]
    fn what_is_said_often_is_not_taken_for_seen() {
        let mut scene = back_after("eve: lol\n");
        let heard = scene.hear("* history\neve: lol\namy: ha\neve: lol\n* now\n");
        assert_eq!(heard, ["* history", "amy: ha", "eve: lol", "* now"]);
        let mut scene = back_after("eve: a\neve: b\n");
        let heard = scene.hear("* history\neve: b\neve: a\n* now\n");
        assert_eq!(heard, ["* history", "eve: a", "* now"]);
    }

    #[test]
    fn history_that_the_person_asks_for_is_shown_whole() {
        let mut scene = back_after("eve: one\n");
        scene.say("/history");
        let heard = scene.hear("* history\neve: one\neve: bob?\n* now\n");
        assert_eq!(heard, ["* history", "eve: one", "eve: bob?", "* now"]);
    }

    #[test]
    fn an_earlier_line_is_no_echo() {
        let mut scene = back_after("");
        scene.say("hi");
        scene.hear("* history\nbob: hi\n* now\n");
        assert_eq!(scene.talk.notes(9), ["bob: hi"]);
    }

    #[test]
    fn a_history_without_end_ends_with_any_notice() {
        let mut scene = back_after("eve: one\n");
        assert!(scene.hear("* history\neve: one\n").is_empty());
        assert_eq!(scene.hear("* eve left\namy: bob?\n"), ["* eve left", "amy: bob?\u{7}"]);
    }

    #[test]
    fn a_name_is_given_up_after_two_minutes() {
        let mut scene = Scene::new(Some("bob"));
        scene.reconnect();
        scene.sent();
        scene.hear("* 환영합니다\n");
        let asked: usize = (0..60)
            .map(|_| {
                scene.pass(Duration::from_secs(5));
                scene.sent().matches("/nick bob").count()
            })
            .sum();
        assert_eq!(asked, 24);
        assert_eq!(scene.talk.next_deadline(), None);
    }

    #[test]
    fn a_server_that_greets_otherwise_is_asked_for_nothing() {
        let mut scene = Scene::new(Some("bob"));
        scene.reconnect();
        scene.sent();
        scene.hear("<announce> already connected: nobody\n");
        scene.pass(Duration::from_secs(5));
        assert_eq!(scene.sent(), "");
    }

    #[test]
    fn what_had_not_come_back_is_told_when_the_connection_is_lost() {
        let mut scene = Scene::new(None);
        scene.hear("* welcome\nhalf");
        scene.say("hi");
        assert_eq!(scene.reconnect(), ["half", "-- may not have been sent: hi"]);
        assert_eq!(scene.sent(), "");
    }

    #[test]
    fn what_has_no_line_end_is_shown_in_time() {
        let mut scene = Scene::new(None);
        assert!(scene.hear("안녕").is_empty());
        assert!(scene.pass(Duration::from_millis(299)).is_empty());
        assert_eq!(scene.pass(Duration::from_millis(1)), ["안녕"]);
    }

    #[test]
    fn a_pasted_command_is_text() {
        let mut scene = Scene::new(None);
        scene.hear("* welcome, you are guest1, 1 here\n");
        for (line, sent) in [("/quit", "//quit\n"), ("//x", "///x\n"), ("x", "x\n")] {
            scene.talk.say_pasted(line, scene.now);
            assert_eq!(scene.sent(), sent);
            assert_eq!(scene.hear(&format!("guest1: {line}\n")), [format!("guest1: {line}")]);
        }
        assert!(!scene.talk.quitting && scene.talk.notes(9).is_empty());
    }

    #[test]
    fn to_another_server_a_pasted_line_goes_as_it_is() {
        let mut scene = Scene::new(None);
        scene.hear("hello\n");
        scene.talk.say_pasted("/quit", scene.now);
        assert_eq!((scene.sent(), scene.talk.quitting), ("/quit\n".to_owned(), false));
    }

    #[test]
    fn what_the_socket_did_not_take_is_told_even_if_it_was_shown() {
        let mut scene = Scene::new(None);
        scene.say("/who");
        scene.say("hi");
        scene.talk.outgoing.took(2);
        let told = ["-- may not have been sent: hi", "-- may not have been sent: /who"];
        assert_eq!(scene.reconnect(), told);
    }

    #[test]
    fn the_prompt_names_the_room_unless_it_is_the_lobby() {
        let mut scene = Scene::new(None);
        for (heard, prompt) in [
            ("* you are in garden, 3 here\n", "garden> "),
            ("* 정원 방입니다. 지금 3명이 있습니다\n", "정원> "),
            ("* eve went to attic\n", "정원> "),
            ("* you are in lobby already\n", ">> "),
        ] {
            scene.hear(heard);
            assert_eq!(scene.talk.prompt(), prompt);
        }
    }

    #[test]
    fn after_a_loss_the_room_is_gone_back_to_before_all_else() {
        let mut scene = Scene::new(Some("bob"));
        scene.hear("* welcome, you are bob, 1 here\n");
        scene.say("/join garden");
        scene.hear("* you are in garden, 1 here\n");
        scene.sent();
        scene.reconnect();
        assert_eq!((scene.talk.prompt().as_str(), scene.talk.may_say()), (PROMPT, false));
        scene.hear("* welcome, you are guest1, 1 here\n");
        assert!(scene.talk.may_say());
        assert_eq!(scene.sent(), "/join garden\n/nick bob\n/history 20\n");
        scene.hear("* you are in lobby, 1 here\n");
        scene.reconnect();
        assert!(scene.talk.may_say());
    }

    #[test]
    fn a_refused_line_is_told_of_and_not_shown_as_said() {
        for (line, refusal, bytes_max) in [
            ("hi", "* not sent: you are muted in this room", LINE_BYTES_MAX),
            ("/me waves", "* not sent: you are muted in this room", LINE_BYTES_MAX),
            ("hi", "* a password is needed: /password SECRET lets you in", LINE_BYTES_MAX),
            ("12345", "* line too long, not sent (limit 4 bytes)", 4),
            ("/msg zoe hi", "* nobody here is called zoe", LINE_BYTES_MAX),
            (
                "/r hi",
                "* nobody to answer: you have had no private message from anyone here",
                LINE_BYTES_MAX,
            ),
        ] {
            let mut scene = Scene::new(None);
            scene.hear("* welcome, you are guest1, 2 here\n");
            scene.say("one");
            scene.hear("guest1: one\n");
            scene.say(line);
            let shown = scene.hear(&format!("{refusal}\n"));
            assert_eq!(shown, [refusal.to_owned(), format!("-- not sent: {line}")]);
            assert_eq!((scene.talk.refused, scene.talk.bytes_max), (true, bytes_max), "{refusal}");
            assert!(scene.talk.notes(9).is_empty() && scene.pass(AWAY).is_empty());
            scene.reconnect();
            assert_eq!(scene.talk.bytes_max, LINE_BYTES_MAX);
        }
    }

    #[test]
    fn a_refusal_of_something_else_refuses_no_line() {
        for (line, refusal) in [
            ("1234", "* line too long, not sent (limit 4 bytes)"),
            ("/msg amy hi", "* nobody here is called zoe"),
            ("hi", "* nobody here is called zoe"),
            ("/msg amy hi", "* not sent: you are muted in this room"),
        ] {
            let mut scene = Scene::new(None);
            scene.hear("* welcome, you are guest1, 2 here\n");
            scene.say(line);
            assert_eq!(scene.hear(&format!("{refusal}\n")), [refusal]);
            assert_eq!((scene.talk.refused, scene.talk.bytes_max), (false, LINE_BYTES_MAX));
            assert_eq!(scene.talk.notes(9).len(), 1);
        }
    }

    #[test]
    fn back_at_a_door_all_is_asked_for_behind_the_password() {
        let door = "* a password is needed: /password SECRET lets you in\n";
        let mut scene = Scene::new(Some("bob"));
        scene.talk.wanted_room = Some("garden".to_owned());
        for again in [false, true] {
            scene.hear(door);
            assert_eq!(scene.hear("* wrong, 2 tries left\n"), ["* wrong, 2 tries left"]);
            assert!(scene.talk.may_say(), "{again}");
            scene.sent();
            scene.say("/password x");
            // The next line is for the room.
            assert!(!scene.talk.may_say());
            assert_eq!(scene.sent(), "/password x\n");
            scene.hear("* welcome, you are guest1, 1 here\n");
            assert_eq!(scene.sent(), "/join garden\n/nick bob\n/history 20\n");
            scene.reconnect();
        }
    }

    #[test]
    fn a_password_that_may_not_have_been_sent_is_hidden() {
        let mut scene = Scene::new(None);
        assert_eq!(scene.say("/oper sesame"), [">> /oper ******"]);
        assert_eq!(scene.reconnect(), ["-- may not have been sent: /oper ******"]);
    }

    #[test]
    fn quitting_is_remembered() {
        let mut scene = Scene::new(None);
        scene.say("/quitter");
        assert!(!scene.talk.quitting);
        scene.say("/QUIT bye");
        assert!(scene.talk.quitting);
    }
}
