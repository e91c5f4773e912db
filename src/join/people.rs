//! The names and rooms that the client has seen, and the completion of a word by Tab.
//!
//! It is only a convenience. It goes by the form of the lines, and a name that it missed must be
//! typed. It never knows the terminal, or whether a client is still connected.

use std::collections::VecDeque;

use super::pending::Me;
use super::said::{Said, may_be_name};
use crate::words::command::{COMMANDS, Rank, Row};
use crate::words::names::bare;
use crate::words::notice::Notice;

/// The most names that are remembered, and the most rooms. The one seen longest ago is forgotten.
const NAMES_MAX: usize = 200;

/// The command that is completed with a room.
const JOIN: &str = "/join";

/// The names and rooms that were seen.
#[derive(Debug, Default)]
pub struct People {
    names: Seen,
    rooms: Seen,
}

/// Names, the one seen last first.
#[derive(Debug, Default)]
struct Seen(VecDeque<String>);

/// What the beginning of a word completes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Completion {
    /// Nothing matches.
    Nothing,
    /// One match: from this byte of the line on, the word and what follows it.
    Word(usize, String),
    /// Several matches: the word is the beginning of all of these.
    Several(Vec<String>),
}

impl People {
    /// Learns the names in a line.
    pub fn note(&mut self, said: &Said<'_>) {
        match *said {
            Said::By { name, .. } | Said::Act { name, .. } => self.names.see(name),
            Said::Private { from, to, .. } => {
                self.names.see(to);
                self.names.see(from);
            }
            Said::Server { text } => self.note_notice(text),
            Said::Other => {}
        }
    }

    /// Completes the word before the cursor; `before` is the line up to there. The user's own name
    /// is never offered.
    pub fn complete(&self, before: &str, me: &Me) -> Completion {
        let word = before.rsplit(char::is_whitespace).next().unwrap_or(before);
        let start = before.len() - word.len();
        let is_first = start == 0;
        let is_room = before[..start].trim_end() == JOIN;
        let found: Vec<&str> = match word {
            _ if is_room => self.rooms.beginning_with(word).collect(),
            "" => return Completion::Nothing,
            _ if is_first && word.starts_with('/') => {
                let of = |rank: Rank| {
                    let rows = COMMANDS.iter().filter(move |row| row.rank() == rank);
                    rows.map(Row::name).filter(|name| name.starts_with(word)).collect::<Vec<_>>()
                };
                // Those that few may give are meant only if there is no other.
                let ranks = [Rank::Anyone, Rank::Host, Rank::Operator].map(of);
                ranks.into_iter().find(|names| !names.is_empty()).unwrap_or_default()
            }
            _ => self.names.beginning_with(word).filter(|name| !me.is_now(name)).collect(),
        };
        let behind = if is_first && !word.starts_with('/') { ": " } else { " " };
        match found[..] {
            [] => Completion::Nothing,
            [only] => Completion::Word(start, format!("{only}{behind}")),
            [first, ..] => {
                let common = found.iter().fold(first, |common, name| shared(common, name));
                if common.chars().count() > word.chars().count() {
                    return Completion::Word(start, common.to_owned());
                }
                let mut several: Vec<String> = found.into_iter().map(str::to_owned).collect();
                several.sort_unstable();
                Completion::Several(several)
            }
        }
    }

    /// Learns from a notice of a chinwag server, or from another of the form
    /// `ANYTHING: NAME, NAME`.
    fn note_notice(&mut self, text: &str) {
        let list = || text.split_once(": ").map(|(_, list)| list);
        let names = match Notice::read(text) {
            Some(Notice::Left { name }) => return self.names.forget(name),
            Some(Notice::Renamed { from, to }) => {
                self.names.forget(from);
                to
            }
            Some(Notice::Joined { name, .. }) => name,
            Some(
                Notice::Here { names, .. }
                | Notice::HereAndMore { names, .. }
                | Notice::HereAndReading { names, .. }
                | Notice::HereMoreAndReading { names, .. },
            ) => names,
            Some(Notice::Entered { room, .. } | Notice::Moved { room, .. }) => {
                return self.rooms.see(room);
            }
            Some(Notice::Rooms { names, .. } | Notice::RoomsAndMore { names, .. }) => {
                // After each room stands the number of its clients.
                let rooms = names.rsplit(", ").filter_map(|room| room.split(' ').next());
                return rooms.for_each(|room| self.rooms.see(room));
            }
            Some(_) => return,
            None => list().filter(|list| list.split(", ").all(may_be_name)).unwrap_or_default(),
        };
        names.rsplit(", ").for_each(|name| self.names.see(name));
    }
}

impl Seen {
    fn see(&mut self, name: &str) {
        if may_be_name(name) {
            self.forget(name);
            self.0.push_front(bare(name).to_owned());
            self.0.truncate(NAMES_MAX);
        }
    }

    fn forget(&mut self, name: &str) {
        self.0.retain(|seen| seen != bare(name));
    }

    fn beginning_with(&self, word: &str) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str).filter(move |name| begins(name, word))
    }
}

/// Whether `name` begins with `word`, in any case.
fn begins(name: &str, word: &str) -> bool {
    let mut letters = name.chars().flat_map(char::to_lowercase);
    word.chars().flat_map(char::to_lowercase).all(|letter| letters.next() == Some(letter))
}

/// The beginning that both share.
fn shared<'a>(one: &'a str, other: &str) -> &'a str {
    let same = one.char_indices().zip(other.chars()).take_while(|((_, a), b)| a == b);
    let end = same.last().map_or(0, |((at, character), _)| at + character.len_utf8());
    &one[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(lines: &[&str]) -> People {
        let mut people = People::default();
        lines.iter().for_each(|line| people.note(&Said::of(line)));
        people
    }

    fn word(start: usize, text: &str) -> Completion {
        Completion::Word(start, text.to_owned())
    }

    #[test]
    fn a_command_is_completed_at_the_beginning_of_the_line() {
        assert_eq!(people(&[]).complete("/w", &Me::default()), word(0, "/who "));
        assert_eq!(people(&[]).complete("/hi", &Me::default()), word(0, "/history "));
        assert_eq!(people(&[]).complete("a /w", &Me::default()), Completion::Nothing);
        assert_eq!(people(&[]).complete("", &Me::default()), Completion::Nothing);
    }

    #[test]
    fn a_name_is_completed_anywhere_in_any_case() {
        let people = people(&["Bob: hi", "~ 김민수 waves", "[eve -> mallory] x"]);
        assert_eq!(people.complete("bo", &Me::default()), word(0, "Bob: "));
        assert_eq!(people.complete("/msg 김", &Me::default()), word(5, "김민수 "));
        assert_eq!(people.complete("hi ev", &Me::default()), word(3, "eve "));
        assert_eq!(people.complete("a　mal", &Me::default()), word(4, "mallory "));
    }

    #[test]
    fn a_room_is_completed_after_join_alone() {
        let people = people(&[
            "* you are in garden, 3 here",
            "* 3 rooms: lobby 12, attic 2, attica 1",
            "* bob went to 정원",
            "gus: hi",
        ]);
        assert_eq!(people.complete("/join g", &Me::default()), word(6, "garden "));
        assert_eq!(people.complete("/join 정", &Me::default()), word(6, "정원 "));
        let several = Completion::Several(vec!["attic".to_owned(), "attica".to_owned()]);
        assert_eq!(people.complete("/join attic", &Me::default()), several);
        assert_eq!(people.complete("/msg g", &Me::default()), word(5, "gus "));
        assert_eq!(people.complete("/join x", &Me::default()), Completion::Nothing);
    }

    #[test]
    fn nobody_calls_themselves() {
        let mut me = Me::default();
        me.be("guest1");
        let people = people(&["guest1: a", "guest2: b"]);
        assert_eq!(people.complete("g", &me), word(0, "guest2: "));
    }

    #[test]
    fn several_are_completed_as_far_as_they_agree() {
        let people = people(&["guest1: a", "guest12: b", "gus: c"]);
        assert_eq!(people.complete("gue", &Me::default()), word(0, "guest1"));
        let both = vec!["guest1".to_owned(), "guest12".to_owned()];
        assert_eq!(people.complete("guest1", &Me::default()), Completion::Several(both));
    }

    #[test]
    fn names_are_learned_from_notices_too() {
        let mut people = people(&["* eve (127.0.0.1:1) joined", "* 2 here: bob, amy"]);
        assert_eq!(people.complete("e", &Me::default()), word(0, "eve: "));
        assert_eq!(people.complete("am", &Me::default()), word(0, "amy: "));
        people.note(&Said::of("* eve left"));
        assert_eq!(people.complete("e", &Me::default()), Completion::Nothing);
    }

    #[test]
    fn names_are_completed_without_the_mark_behind_them() {
        let mut people = people(&["שרה\u{200e}: שלום", "* 2 here: דוד\u{200e}, אבי\u{200e}"]);
        for (beginning, name) in [("ש", "שרה"), ("ד", "דוד"), ("א", "אבי")] {
            assert_eq!(people.complete(beginning, &Me::default()), word(0, &format!("{name}: ")));
        }
        people.note(&Said::of("* שרה\u{200e} left"));
        assert_eq!(people.complete("ש", &Me::default()), Completion::Nothing);
    }

    #[test]
    fn a_change_of_name_is_learnt_in_every_language() {
        for renamed in ["* bob is now 이", "* bob님의 이름이 이제 이입니다"] {
            let people = people(&["bob: hi", renamed]);
            assert_eq!(people.complete("b", &Me::default()), Completion::Nothing);
            assert_eq!(people.complete("이", &Me::default()), word(0, "이: "));
        }
    }

    #[test]
    fn names_are_learnt_from_a_korean_server() {
        let mut people = people(&[
            "* amy 유저(127.0.0.1:7)가 접속했습니다.",
            "* bob 유저가 접속했습니다.",
            "* 지금 9명: cat, dan 외 7명",
            "* 지금 2명: eve, fay",
        ]);
        for name in ["amy", "bob", "cat", "dan", "eve", "fay"] {
            assert_eq!(people.complete(name, &Me::default()), word(0, &format!("{name}: ")));
        }
        people.note(&Said::of("* amy님이 나갔습니다"));
        assert_eq!(people.complete("a", &Me::default()), Completion::Nothing);
    }

    #[test]
    fn what_a_notice_tells_of_commands_is_no_name() {
        let people = people(&["* usage: /nick", "* 사용법: /nick", "* 5 joined (7 here)"]);
        assert_eq!(people.names.0.len(), 0);
    }

    #[test]
    fn no_more_names_are_remembered_than_there_may_be() {
        let mut people = People::default();
        for number in 0..NAMES_MAX + 10 {
            people.names.see(&format!("x{number}"));
        }
        assert_eq!(people.names.0.len(), NAMES_MAX);
        assert_eq!(people.complete("x9 ", &Me::default()), Completion::Nothing);
    }
}
