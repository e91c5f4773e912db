//! Clients of HTTP: readers of `/tail`, senders of `/say`, and browsers that fetch the page and
//! hold a spare connection. None of them is announced, and none has a welcome.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use chinwag::hub::addresses::{BROWSER_TIME, network};
use chinwag::hub::admit::Entrance;
use chinwag::room::LOBBY;

use super::asking::{Asks, Sent};
use super::model::{Peer, Talk};
use super::people::{address, own_name};
use super::wire::{FakeSocket, Wire};
use super::world::World;

/// A spare connection is closed after 30 s.
const SPARE_TIME: Duration = Duration::from_secs(31);

/// What a client of HTTP wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To read all that is said.
    Tail,
    /// To say some lines.
    Say,
    /// The page.
    Page,
    /// To have a connection for later.
    Spare,
}

/// How far the answer to a visitor has come.
#[derive(Debug)]
pub struct Visitor {
    pub wish: Wish,
    /// Its request was read.
    pub is_served: bool,
    /// It was not read in its first turn.
    is_late: bool,
    /// It has sent all that its request needs.
    is_whole: bool,
    /// The name under which it speaks.
    name: String,
    /// All that it got; of a reader the beginning, until its head has ended.
    got: Vec<u8>,
    is_reading: bool,
}

impl Visitor {
    fn new(wish: Wish, is_whole: bool, name: String) -> Visitor {
        Visitor {
            wish,
            is_served: false,
            is_late: false,
            is_whole,
            name,
            got: Vec::new(),
            is_reading: false,
        }
    }

    /// Takes what it got: appends to `lines` what a reader reads.
    pub fn gets(&mut self, bytes: &[u8], lines: &mut Vec<u8>) {
        if self.is_reading {
            return lines.extend_from_slice(bytes);
        }
        self.got.extend_from_slice(bytes);
        let end = self.got.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end.filter(|_| self.wish == Wish::Tail && self.status() == Some("200")) {
            lines.extend(self.got.drain(end + 4..));
            self.is_reading = true;
        }
    }

    /// Whether its request was read before it could have to be greeted.
    pub fn is_in_time(&self) -> bool {
        self.is_served && !self.is_late
    }

    /// Whether the server has greeted it before it read the request.
    pub fn has_failed(&self) -> bool {
        const HTTP: &[u8] = b"HTTP/1.1 ";
        let beginning = self.got.len().min(HTTP.len());
        self.got[..beginning] != HTTP[..beginning]
    }

    fn status(&self) -> Option<&str> {
        std::str::from_utf8(self.got.get(9..12)?).ok()
    }

    /// The body of the answer, if that is whole.
    fn body(&self) -> Option<&str> {
        let (head, body) = std::str::from_utf8(&self.got).ok()?.split_once("\r\n\r\n")?;
        let length = head.split("\r\nContent-Length: ").nth(1)?.split("\r\n").next()?;
        (length == body.len().to_string()).then_some(body)
    }
}

impl World {
    /// Whether clients of HTTP come. They need some time for their request.
    pub fn has_visitors(&self) -> bool {
        self.lively && !self.config.greeting.is_zero()
    }

    /// One comes, or a reader sends what no one reads.
    pub fn visit(&mut self) {
        let is_reader = |peer: &&Peer| peer.wish == Some(Wish::Tail) && peer.is_open();
        if self.random.one_in(4) {
            let served = |peer: &&Peer| peer.wire.borrow().visitor.as_ref().unwrap().is_served;
            if let Some(reader) = self.peers.iter().filter(is_reader).find(served) {
                reader.wire.borrow_mut().send(b"hello\n/quit\n");
            }
        } else if self.peers.len() < 30 {
            self.connect_visitor();
        }
    }

    fn connect_visitor(&mut self) {
        let serial = self.peers.len() as u64 + 1;
        let wire = Rc::new(RefCell::new(Wire::new(self.random.fork(), false)));
        let mut peer =
            Peer::new(Rc::clone(&wire), self.hub.next_key(), serial, &self.talk(), self.now);
        let rules = self.hub.room("lobby").and_then(|lobby| lobby.rules.as_ref());
        peer.refused = self.hub.is_full() || rules.is_some_and(|rules| rules.is_locked);
        let wish = match self.random.below(8) {
            0..=2 => Wish::Tail,
            3..=5 => Wish::Say,
            _ if self.is_spare(serial) => Wish::Spare,
            _ => Wish::Page,
        };
        peer.wish = Some(wish);
        let own = format!("guest{serial}");
        let (request, is_whole, name) = match wish {
            Wish::Tail => (get("/tail"), true, own),
            Wish::Page => (get("/"), true, own),
            Wish::Spare => (String::new(), true, own),
            Wish::Say => self.post(&mut peer, own),
        };
        wire.borrow_mut().visitor = Some(Visitor::new(wish, is_whole, name));
        wire.borrow_mut().send(request.as_bytes());
        if wish == Wish::Page {
            self.note_page(serial);
        }
        self.peers.push(peer);
        let socket = FakeSocket { wire, releasing: Rc::clone(&self.releasing) };
        self.hub.admit(socket, address(serial), Entrance::to(LOBBY), self.now);
    }

    /// A request that says some lines, whether it is whole, and the name under which it does that:
    /// this one, or one that it gives.
    fn post(&mut self, peer: &mut Peer, mut name: String) -> (String, bool, String) {
        let serial = peer.serial;
        let lines = 1 + self.random.below(3);
        let lines: Vec<String> =
            (0..lines).map(|number| format!("/{number} of {serial}")).collect();
        let body = lines.join("\n");
        let mut field = String::new();
        if self.random.one_in(2) {
            name = own_name(serial, 0);
            field = format!("X-Name: {name}\r\n");
        }
        let length = body.len();
        let head = format!(
            "POST /say HTTP/1.1\r\nHost: localhost\r\nX-Chinwag: say\r\n{field}\
             Content-Length: {length}\r\n\r\n"
        );
        let sent = if self.random.one_in(4) { self.random.below(length) } else { length };
        if sent == length {
            let say = |line: &String| Sent {
                bytes: line.clone().into_bytes(),
                asks: Asks::Say(format!(": {line}")),
            };
            peer.sent = lines.iter().map(say).collect();
        }
        (head + &body[..sent], sent == length, name)
    }

    /// A browser asks for the page: connections of its address that are silent may have to wait.
    fn note_page(&mut self, serial: u64) {
        let own = network(address(serial).ip());
        self.browsers.insert(own, self.now);
        let is_its = |peer: &&mut Peer| network(address(peer.serial).ip()) == own;
        for peer in self.peers.iter_mut().filter(is_its) {
            let mut wire = peer.wire.borrow_mut();
            if !wire.has_spoken {
                (peer.healthy, wire.takes_all) = (false, false);
            }
        }
    }

    /// Whether a client that is silent at first may be taken for the spare connection of a browser.
    pub fn may_be_spare(&self, serial: u64) -> bool {
        let since = self.browsers.get(&network(address(serial).ip()));
        since.is_some_and(|since| self.now <= *since + BROWSER_TIME)
    }

    /// The same for sure: the page was fetched from its address.
    pub fn is_spare(&self, serial: u64) -> bool {
        let own = network(address(serial).ip());
        let is_fetched = |peer: &Peer| {
            let wire = peer.wire.borrow();
            let is_page = |visitor: &Visitor| visitor.wish == Wish::Page && visitor.is_served;
            let is_fetched = wire.visitor.as_ref().is_some_and(is_page) && !peer.refused;
            // Not of one that came so long ago that it was served earlier.
            is_fetched && self.now < peer.came_at + BROWSER_TIME
        };
        self.peers.iter().any(|peer| network(address(peer.serial).ip()) == own && is_fetched(peer))
    }

    /// Notes which visitors were served in this turn, before anything is said in it. A reader
    /// gets what is said from here on.
    pub fn note_visits(&mut self) {
        let said = self.rooms[0].said.len();
        let mut pages = Vec::new();
        for peer in &mut self.peers {
            let mut wire = peer.wire.borrow_mut();
            let is_read = wire.incoming.is_empty();
            let Some(visitor) = &mut wire.visitor else { continue };
            visitor.is_late |= !is_read && !visitor.is_served;
            if is_read && !visitor.is_served {
                visitor.is_served = true;
                (peer.joined_at, peer.accounted) = (said, vec![said]);
                pages.extend((visitor.wish == Wish::Page).then_some(peer.serial));
            }
        }
        // Some time may have passed since it asked, and that of its address begins only now.
        pages.into_iter().for_each(|serial| self.note_page(serial));
    }

    /// Checks that a visitor has all that it is to have by now, and no more.
    pub fn check_visit_settled(&self, peer: &Peer) {
        let wire = peer.wire.borrow();
        let Some(visitor) = wire.visitor.as_ref().filter(|_| !peer.refused) else { return };
        let who = format!("guest{}", peer.serial);
        let has_gone = wire.eof || wire.reset || wire.closed == Some(true) || self.stopped;
        let is_open = peer.is_open();
        match visitor.wish {
            _ if has_gone => {}
            Wish::Tail => assert!(visitor.is_reading, "{who} reads nothing"),
            Wish::Page => assert_eq!(visitor.status(), Some("200"), "{who}"),
            Wish::Say if visitor.is_whole => assert!(visitor.body().is_some(), "{who}"),
            // It had 5 s.
            Wish::Say => assert_eq!(visitor.status(), Some("408"), "{who}"),
            Wish::Spare => {
                let is_late = self.now > peer.came_at + SPARE_TIME;
                assert!(!is_late || !is_open, "{who} is still there");
            }
        }
        if visitor.is_reading && is_open {
            peer.check_caught_up(&self.talk());
        }
        peer.check_heard(&self.talk(), false);
    }

    /// Someone who is here learns how many only read. Each has come to the lobby.
    pub fn check_readers(&mut self) {
        let may_ask = |peer: &Peer| {
            let is_whole = peer.line.is_empty() && peer.unfinished.is_empty();
            is_whole && peer.may_talk() && peer.ends_lines && peer.goodbyes == 0 && peer.room == 0
        };
        let Some(place) = self.peers.iter().position(may_ask).filter(|_| self.has_visitors())
        else {
            return;
        };
        self.peers[place].private.reading = None;
        self.say(place, b"/who\n");
        self.settle();
        let asker = &self.peers[place];
        let is_reading = |peer: &&Peer| {
            let wire = peer.wire.borrow();
            peer.is_open() && wire.visitor.as_ref().is_some_and(|visitor| visitor.is_reading)
        };
        let reading = self.peers.iter().filter(is_reading).count();
        let told = asker.private.reading;
        if asker.is_open() && asker.goodbyes == 0 && asker.room == 0 {
            assert_eq!(told, Some(reading), "guest{}", asker.serial);
        }
    }
}

impl Peer {
    /// Checks what a visitor got, and what was said of it.
    pub fn check_visit(&self, visitor: &Visitor, talk: &Talk) {
        let who = format!("guest{}", self.serial);
        let said = talk.all.iter().filter(|said| said.author == self.serial).count();
        assert!(said <= self.sent.len(), "{who} says more than it sent");
        if self.refused {
            return;
        }
        assert!(visitor.wish != Wish::Spare || visitor.got.is_empty(), "{who} is silent");
        if let (Wish::Say, Some(body)) = (visitor.wish, visitor.body()) {
            let name = &visitor.name;
            match visitor.status().unwrap() {
                "200" => {
                    assert_eq!(body, format!("* said as {name}\n"));
                    assert_eq!(said, self.sent.len(), "{who} was told that it has said all");
                    assert_eq!(&talk.roll.name(self.serial), name, "{who} has another name");
                }
                "400" | "408" => assert!(!visitor.is_whole, "{who} has sent all"),
                "403" | "409" => {}
                status => panic!("{who} got {status}"),
            }
        }
    }
}

/// How a browser asks for a path.
fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Mozilla/5.0\r\n\r\n")
}
