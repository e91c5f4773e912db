//! The name of each client, derived only from the conversation.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;

use chinwag::room::transcript::SERVER;
use chinwag::words::names::kept::KEPT_FOR;

use super::model::{Peer, Said};
use super::visiting::{Visitor, Wish};

/// The letters of the names that clients take: none looks like another, small or capital.
const LETTERS: &[u8; 10] = b"abcdefghkp";

/// How many networks there are.
const NETWORKS: u64 = 3;

/// The address of a client, which no other has. Every third is in the same /64 network.
pub fn address(serial: u64) -> SocketAddr {
    let network = (serial % NETWORKS) as u16;
    SocketAddr::from(([0x2001, 0xdb8, 0, network, 0, 0, 0, serial as u16], 1))
}

/// A name that a client has given up, in small letters.
#[derive(Debug)]
struct GivenUp {
    serial: u64,
    name: String,
    has_left: bool,
    at: Instant,
}

impl GivenUp {
    /// Whether this client may not have the name.
    fn is_kept_from(&self, serial: u64, now: Instant) -> bool {
        let is_back = self.has_left && self.serial % NETWORKS == serial % NETWORKS;
        now < self.at + KEPT_FOR && self.serial != serial && !is_back
    }
}

/// The name of each client, as far as the conversation has come.
#[derive(Debug, Default)]
pub struct Roll {
    names: BTreeMap<u64, String>,
    /// Every name that a client has taken, in small letters.
    taken: BTreeSet<(u64, String)>,
    /// The clients whose leave notice was sent, or whose name another has now.
    departed: BTreeSet<u64>,
    /// Where the join notice of each client is.
    joined: BTreeMap<u64, usize>,
    /// The name that each client gave up last, as far as notices tell.
    given_up: Vec<GivenUp>,
    /// The clients that were disconnected by a host or an operator.
    pub kicked: BTreeSet<u64>,
    /// The clients that may not talk now, each with the room.
    muted: BTreeSet<(u64, usize)>,
    /// The networks of which a client was muted at any time.
    ever_muted: BTreeSet<u64>,
}

impl Roll {
    /// The name of a client now.
    pub fn name(&self, serial: u64) -> String {
        self.names.get(&serial).cloned().unwrap_or_else(|| format!("guest{serial}"))
    }

    /// Whether a client has ever had this name.
    pub fn was(&self, serial: u64, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        name == format!("guest{serial}") || self.taken.contains(&(serial, name))
    }

    /// Whether a line of this client may have been dropped because it was muted.
    pub fn may_have_been_muted(&self, serial: u64) -> bool {
        self.ever_muted.contains(&(serial % NETWORKS))
    }

    /// All clients that have ever had this name.
    pub fn all_named(&self, name: &str) -> Vec<u64> {
        let guest = name.to_ascii_lowercase();
        let guest = guest.strip_prefix("guest").and_then(|serial| serial.parse().ok());
        let small = name.to_ascii_lowercase();
        let bearers = self.taken.iter().filter(|(_, name)| *name == small);
        guest.into_iter().chain(bearers.map(|(serial, _)| *serial)).collect()
    }

    /// Takes in the next entry of the conversation, the one at this index.
    pub fn note(
        &mut self,
        (place, now): (usize, Instant),
        room: usize,
        author: u64,
        text: Vec<u8>,
        peers: &[Peer],
    ) -> Said {
        self.note_sender(author, &text, peers);
        let words = String::from_utf8_lossy(&text).into_owned();
        let notice = words.strip_prefix("* ").and_then(|words| words.strip_suffix('\n'));
        let notice = notice.and_then(|notice| notice.split_once(' '));
        let name = self.name(author);
        if author == SERVER {
            let (name, rest) = notice.unwrap();
            match rest.split_once(" by ") {
                Some((done, _)) if done.starts_with("was ") => {
                    self.note_deed(now, room, name, done, peers);
                }
                _ => self.note_notice((place, now), name, rest, peers),
            }
        } else if let Some((from, rest)) = notice {
            assert_eq!(from, name, "another was renamed, or set a topic");
            if let Some(to) = rest.strip_prefix("is now ") {
                self.rename(author, to, peers, now);
            } else {
                let is_away = rest.starts_with("is away: ") || rest == "is back";
                assert!(is_away || rest.starts_with("set the topic: "), "{words}");
                assert!(
                    !is_away || !self.muted.contains(&(author, room)),
                    "{name} was muted, and is {rest}"
                );
            }
        } else {
            let said = words.starts_with(&format!("{name}: "));
            assert!(said || words.starts_with(&format!("~ {name} ")), "{name} said {words:?}");
            assert!(!self.departed.contains(&author), "{name} spoke after it had gone");
            assert!(!self.muted.contains(&(author, room)), "{name} spoke though it was muted");
        }
        Said { author, text }
    }

    /// Takes in a notice about a client.
    fn note_notice(
        &mut self,
        (place, now): (usize, Instant),
        name: &str,
        rest: &str,
        peers: &[Peer],
    ) {
        if rest == "joined" {
            let peer = self.seen_bearer(name, peers);
            let may_go = peer.has_asked_to_go();
            let is_new = name == format!("guest{}", peer.serial);
            assert!(is_new || may_go, "a newcomer with a name");
            // A browser that was greeted first has a place, but no use for it.
            let is_early = peer.is_browser || peer.wish.is_some();
            assert!(!peer.refused || is_early, "{name} was announced and has no place");
            assert!(!peer.never_greeted, "{name} was announced though it had gone");
            let before = self.joined.insert(peer.serial, place);
            assert!(before.is_none() || may_go, "{name} joined twice");
        } else if rest == "left" {
            let peer = self.seen_bearer(name, peers);
            assert!(peer.may_have_left(), "{name} left and is still here");
            assert!(!peer.never_greeted, "{name} left and was never here");
            self.departed.insert(peer.serial);
            self.give_up(peer.serial, true, now);
        } else if rest.starts_with("went to ") {
            let peer = self.bearer(name, peers);
            assert!(peer.has_asked_to_go(), "{name} went and did not want to");
        }
    }

    /// Takes in what was done to a client by a host or an operator. It holds from here on.
    fn note_deed(&mut self, now: Instant, room: usize, name: &str, done: &str, peers: &[Peer]) {
        let serial = self.bearer(name, peers).serial;
        match done {
            "was disconnected" => {
                self.kicked.insert(serial);
                self.departed.insert(serial);
                self.give_up(serial, true, now);
            }
            "was muted" => {
                self.ever_muted.insert(serial % NETWORKS);
                self.muted.insert((serial, room));
            }
            "was unmuted" => {
                let is_of_it = |other: u64| other % NETWORKS == serial % NETWORKS;
                self.muted.retain(|(other, its)| *its != room || !is_of_it(*other));
            }
            _ => panic!("{name} {done}"),
        }
    }

    fn rename(&mut self, serial: u64, to: &str, peers: &[Peer], now: Instant) {
        let small = to.to_ascii_lowercase();
        let of_it = |given_up: &GivenUp| given_up.name == small;
        // One that has left untold, on its way to another room, has given up another name since.
        let is_gone = |of: u64| peers.iter().any(|peer| peer.serial == of && peer.may_have_left());
        let is_last = |it: &&GivenUp| it.has_left || !is_gone(it.serial);
        let kept = self.given_up.iter().filter(|it| of_it(it) && it.is_kept_from(serial, now));
        let kept = kept.filter(is_last);
        let kept: Vec<&GivenUp> = kept.collect();
        assert!(kept.is_empty(), "guest{serial} has {to}, which is kept: {kept:?}");
        self.given_up.retain(|given_up| !of_it(given_up));
        for peer in peers.iter().filter(|peer| peer.serial != serial) {
            let same = self.name(peer.serial).eq_ignore_ascii_case(to);
            if same && !self.departed.contains(&peer.serial) {
                // Some departures have no notice.
                assert!(peer.may_have_left(), "two are called {to}");
                self.departed.insert(peer.serial);
            }
        }
        if !self.name(serial).eq_ignore_ascii_case(to) {
            self.give_up(serial, false, now);
        }
        self.taken.insert((serial, small));
        self.names.insert(serial, to.to_owned());
    }

    fn give_up(&mut self, serial: u64, has_left: bool, now: Instant) {
        let Some(name) = self.names.get(&serial) else { return };
        let name = name.to_ascii_lowercase();
        self.given_up.retain(|given_up| given_up.serial != serial);
        self.given_up.push(GivenUp { serial, name, has_left, at: now });
    }

    /// A sender that was never announced has its name from its first line on.
    fn note_sender(&mut self, author: u64, text: &[u8], peers: &[Peer]) {
        let peer = author.checked_sub(1).and_then(|at| peers.get(at as usize));
        let is_first = !self.names.contains_key(&author);
        if let Some(Wish::Say) = peer.and_then(|peer| peer.wish)
            && is_first
            && text.starts_with(format!("{}: ", own_name(author, 0)).as_bytes())
        {
            self.taken.insert((author, own_name(author, 0)));
            self.names.insert(author, own_name(author, 0));
        }
    }

    /// The same, of a client that all others see. So is one that had to be greeted before its
    /// request was read, or it would have missed something.
    fn seen_bearer<'a>(&self, name: &str, peers: &'a [Peer]) -> &'a Peer {
        let bearer = self.bearer(name, peers);
        let has_visited = bearer.wire.borrow().visitor.as_ref().is_some_and(Visitor::is_in_time);
        assert!(!has_visited || bearer.refused, "{name} was announced");
        bearer
    }

    fn bearer<'a>(&self, name: &str, peers: &'a [Peer]) -> &'a Peer {
        let here = peers.iter().filter(|peer| !self.departed.contains(&peer.serial));
        let mut so_called = here.filter(|peer| self.name(peer.serial) == name);
        let bearer = so_called.next().unwrap_or_else(|| panic!("nobody is called {name}"));
        assert!(so_called.next().is_none(), "two are called {name}");
        bearer
    }
}

/// A name that only this client takes, and only once.
pub fn own_name(serial: u64, count: usize) -> String {
    format!("{}{}", own_prefix(serial), letters(count as u64))
}

/// What all names of a client's own begin with.
pub fn own_prefix(serial: u64) -> String {
    format!("k{}", letters(serial))
}

fn letters(number: u64) -> String {
    let letter = |digit: u64| char::from(LETTERS[digit as usize % 10]);
    [number / 100, number / 10, number].into_iter().map(letter).collect()
}
